#include "pod_text.h"

namespace kubelet::api {
namespace {

std::vector<test::Case> MetadataCases(
    const std::vector<std::pair<std::string, std::vector<std::string>>>& rows) {
  std::vector<test::Case> cases;
  for (const auto& [metadata, errors] : rows) cases.push_back({"", "", metadata, errors});
  return cases;
}

TEST_CASE("texts of errors") {
  auto errors = [](const std::string& spec, const std::string& container,
                   const std::string& metadata = "") {
    std::vector<std::string> texts = test::ErrorsOf(test::MakePod(spec, container, metadata));
    return texts.empty() ? std::string() : texts[0];
  };
  CHECK(errors("'containers':[{'name':'c'}]", "") == "spec.containers[0].image: Required value");
  CHECK(errors("", "'livenessProbe':{'exec':{'command':['x']},'successThreshold':2}") ==
        "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1");
  CHECK(errors("'hostname':'a.b'", "") ==
        "spec.hostname: Invalid value: \"a.b\": must not contain dots");
  CHECK(errors("'restartPolicy':'Sometimes'", "") ==
        "spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", "
        "\"OnFailure\", \"Never\"");
  CHECK(errors("", "'volumeMounts':[{'name':'x','mountPath':'/x'}]") ==
        "spec.containers[0].volumeMounts[0].name: Not found: \"x\"");
  CHECK(errors("'volumes':[{'name':'v'},{'name':'v'}]", "") ==
        "spec.volumes[1].name: Duplicate value: \"v\"");
  CHECK(errors("'ephemeralContainers':[{'name':'e','image':'e'}]", "") ==
        "spec.ephemeralContainers: Forbidden: cannot be set on create");
  CHECK(errors("", "", "'annotations':{'a':'" + std::string(256 << 10, 'x') + "'}") ==
        "metadata.annotations: Too long: may not be more than 262144 bytes");
  CHECK(errors("'dnsConfig':{'nameservers':['1.1.1.1','1.1.1.2','1.1.1.3','1.1.1.4']}", "") ==
        "spec.dnsConfig.nameservers: Too many: 4: must have at most 3 items");
  CHECK(errors("", "'resources':{'limits':{'cpu':'-1'}}") ==
        "spec.containers[0].resources.limits[cpu]: Invalid value: \"-1\": must be greater than or "
        "equal to 0");
}

TEST_CASE("an empty pod misses what is required") {
  std::vector<std::string> errors;
  for (const FieldError& error : ValidatePodCreate(core::Pod())) errors.push_back(error.ToString());
  std::vector<std::string> expected = {
      "metadata.name: Required value: name or generateName is required",
      "metadata.namespace: Required value",
      "spec.terminationGracePeriodSeconds: Required value",
      "spec.containers: Required value",
      "spec.restartPolicy: Required value",
      "spec.dnsPolicy: Required value"};
  CHECK(errors == expected);
}

TEST_CASE("names and namespaces") {
  const std::string name = "metadata.name: Invalid value: ";
  test::CheckCases(MetadataCases({
      {"'name':'a'", {}},
      {"'name':'a.b-c.9'", {}},
      {"'name':'" + std::string(253, 'a') + "'", {}},
      {"'name':'" + std::string(254, 'a') + "'", {name}},
      {"'name':'A'", {name}},
      {"'name':'a_b'", {name}},
      {"'name':'-a'", {name}},
      {"'name':'a-'", {name}},
      {"'name':'a..b'", {name}},
      {"'namespace':'" + std::string(63, 'a') + "'", {}},
      {"'namespace':'" + std::string(64, 'a') + "'", {"metadata.namespace: Invalid value: "}},
      {"'namespace':'a.b'", {"metadata.namespace: Invalid value: \"a.b\": must not contain dots"}},
      {"'generateName':'a-'", {}},
      {"'generateName':'AB-'", {"metadata.generateName: Invalid value: \"AB-\""}},
      {"'generation':-1", {"metadata.generation: Invalid value: -1"}},
  }));
}

TEST_CASE("labels and annotations") {
  const std::string labels = "metadata.labels: Invalid value: ";
  const std::string annotations = "metadata.annotations: Invalid value: ";
  test::CheckCases(MetadataCases({
      {"'labels':{'a':'','A_b.c-9':'V','x.y/z':'" + std::string(63, 'v') + "'}", {}},
      {"'labels':{'':'v'}", {labels + "\"\": name part must be non-empty", labels + "\"\""}},
      {"'labels':{'a/b/c':'v'}", {labels + "\"a/b/c\""}},
      {"'labels':{'/b':'v'}", {labels + "\"/b\": prefix part must be non-empty"}},
      {"'labels':{'A/b':'v'}", {labels + "\"A/b\": prefix part "}},
      {"'labels':{'-a':'v'}", {labels + "\"-a\""}},
      {"'labels':{'a':'-'}", {labels + "\"-\""}},
      {"'labels':{'a':'" + std::string(64, 'v') + "'}", {labels}},
      {"'annotations':{'EXAMPLE.com/X':'any text ;'}", {}},
      {"'annotations':{'a b':''}", {annotations + "\"a b\""}},
      {"'annotations':{'a':'" + std::string((256 << 10) - 1, 'x') + "'}", {}},
      {"'annotations':{'ab':'" + std::string((256 << 10) - 1, 'x') + "'}",
       {"metadata.annotations: Too long"}},
  }));
}

TEST_CASE("owners, finalizers and managed fields") {
  const std::string owner = "'apiVersion':'v1','kind':'Node','name':'n','uid':'u'";
  const std::string at = "metadata.ownerReferences";
  test::CheckCases(MetadataCases({
      {"'ownerReferences':[{" + owner + ",'controller':true}]", {}},
      {"'ownerReferences':[{" + owner + ",'controller':true},{" + owner + "}]", {}},
      {"'ownerReferences':[{" + owner + ",'controller':true},{" + owner + ",'controller':true}]",
       {at + "[1]: Invalid value: "}},
      {"'ownerReferences':[{}]",
       {at + "[0].apiVersion: Invalid value: \"\"",
        at + "[0].kind: ", at + "[0].name: ", at + "[0].uid: "}},
      {"'ownerReferences':[{'apiVersion':'a/','kind':'K','name':'n','uid':'u'}]",
       {at + "[0].apiVersion: "}},
      {"'ownerReferences':[{'apiVersion':'v1','kind':'Event','name':'n','uid':'u'}]",
       {at + "[0]: Invalid value: "}},
      {"'finalizers':['kubernetes','orphan','a/b']", {}},
      {"'finalizers':['foregroundDeletion','orphan']", {"metadata.finalizers: Invalid value: "}},
      {"'finalizers':['mine']", {"metadata.finalizers[0]: Invalid value: \"mine\""}},
      {"'finalizers':['a/b c']", {"metadata.finalizers[0]: Invalid value: \"a/b c\""}},
      {"'managedFields':[{'operation':'Apply'}]", {}},
      {"'managedFields':[{'operation':'Delete','fieldsType':'V2','manager':'" +
           std::string(129, 'm') + "'}]",
       {"metadata.managedFields[0].operation: ", "metadata.managedFields[0].fieldsType: ",
        "metadata.managedFields[0].manager: Too long"}},
  }));
}

TEST_CASE("annotations with a meaning for pods") {
  const std::string at = "metadata.annotations";
  auto annotated = [](const std::string& key, const std::string& value) {
    return "'annotations':{'" + key + "':'" + value + "'}";
  };
  std::vector<test::Case> cases = MetadataCases({
      {annotated("kubernetes.io/config.mirror", "x"),
       {at + "[kubernetes.io/config.mirror]: Invalid value: \"x\""}},
      {annotated("controller.kubernetes.io/pod-deletion-cost", "-10"), {}},
      {annotated("controller.kubernetes.io/pod-deletion-cost", "2147483647"), {}},
      {annotated("controller.kubernetes.io/pod-deletion-cost", "2147483648"), {at + "[controller"}},
      {annotated("controller.kubernetes.io/pod-deletion-cost", "+1"), {at + "[controller"}},
      {annotated("controller.kubernetes.io/pod-deletion-cost", "01"), {at + "[controller"}},
      {annotated("controller.kubernetes.io/pod-deletion-cost", "-"), {at + "[controller"}},
      {annotated("scheduler.alpha.kubernetes.io/tolerations", "[{\\'operator\\':\\'Exists\\'}]"),
       {}},
      {annotated("scheduler.alpha.kubernetes.io/tolerations",
                 "[{\\'operator\\':\\'Maybe\\',\\'key\\':\\'k\\'}]"),
       {at + ".scheduler.alpha.kubernetes.io/tolerations[0].operator: Unsupported value"}},
      {annotated("scheduler.alpha.kubernetes.io/tolerations", "oops"), {at + ": Invalid value: "}},
      {annotated("seccomp.security.alpha.kubernetes.io/pod", "runtime/default"), {}},
      {annotated("seccomp.security.alpha.kubernetes.io/pod", "localhost/a/b"), {}},
      {annotated("seccomp.security.alpha.kubernetes.io/pod", "localhost/../b"),
       {at + ".seccomp.security.alpha.kubernetes.io/pod: Invalid value"}},
      {annotated("container.seccomp.security.alpha.kubernetes.io/c", "what"),
       {at + ".container.seccomp.security.alpha.kubernetes.io/c: Invalid value: \"what\""}},
      {annotated("container.apparmor.security.beta.kubernetes.io/c", "localhost/x"), {}},
      {annotated("container.apparmor.security.beta.kubernetes.io/other", "bad"),
       {at + "[container.apparmor.security.beta.kubernetes.io/other]: Invalid value: \"other\"",
        at + "[container.apparmor.security.beta.kubernetes.io/other]: Invalid value: \"bad\""}},
  });
  cases.push_back({"'nodeName':'n'", "", annotated("kubernetes.io/config.mirror", "x"), {}});
  test::CheckCases(cases);
}

TEST_CASE("profiles in annotations match those in fields") {
  const std::string seccomp = "'annotations':{'container.seccomp.security.alpha.kubernetes.io/c':'";
  const std::string armor = "'annotations':{'container.apparmor.security.beta.kubernetes.io/c':'";
  auto field = [](const std::string& kind, const std::string& profile) {
    return "'securityContext':{'" + kind + "':{" + profile + "}}";
  };
  const std::string at = "spec.containers[0].securityContext.";
  const std::string local = "'type':'Localhost','localhostProfile':'x'";
  test::CheckCases({
      {"", field("seccompProfile", "'type':'RuntimeDefault'"), seccomp + "docker/default'}", {}},
      {"",
       field("seccompProfile", "'type':'Unconfined'"),
       seccomp + "runtime/default'}",
       {at + "seccompProfile.type: Forbidden"}},
      {"", field("seccompProfile", local), seccomp + "localhost/x'}", {}},
      {"",
       field("seccompProfile", local),
       seccomp + "localhost/y'}",
       {at + "seccompProfile.localhostProfile: Forbidden"}},
      {field("seccompProfile", "'type':'Unconfined'"),
       "",
       "'annotations':{'seccomp.security.alpha.kubernetes.io/pod':'runtime/default'}",
       {"spec.securityContext.seccompProfile.type: Forbidden"}},
      {"", field("appArmorProfile", "'type':'RuntimeDefault'"), armor + "runtime/default'}", {}},
      {"",
       field("appArmorProfile", "'type':'RuntimeDefault'"),
       armor + "unconfined'}",
       {at + "appArmorProfile.type: Forbidden"}},
      {field("appArmorProfile", local),
       "",
       armor + "localhost/y'}",
       {at + "appArmorProfile.localhostProfile: Forbidden"}},
      {field("appArmorProfile", local), "", armor + "localhost/x'}", {}},
  });
}

}  // namespace
}  // namespace kubelet::api
