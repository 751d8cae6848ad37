#include "json_value.h"
#include "pod_text.h"

namespace kubelet::api {
namespace {

using test::MakePod;

std::string Encode(const core::Pod& pod) {
  EncodeOptions options;
  options.type_meta = false;
  return EncodeJson(pod, options);
}

std::string Normal(const core::Pod& pod) {
  boost::json::object object = test::ParseValue(Encode(pod)).as_object();
  object.erase("status");
  return boost::json::serialize(object);
}

// Applies the defaults to `before` and expects `after`; then once more, and expects no change.
void CheckDefaults(const std::string& before, const std::string& after) {
  core::Pod pod = test::DecodePod(before);
  ApplyPodDefaults(pod);
  core::Pod again = pod;
  ApplyPodDefaults(again);
  INFO(before);
  CHECK(Normal(pod) == Normal(test::DecodePod(after)));
  CHECK(Normal(again) == Normal(pod));
}

constexpr char kPodRest[] =
    "'restartPolicy':'Always','terminationGracePeriodSeconds':30,'dnsPolicy':'ClusterFirst',"
    "'securityContext':{},'schedulerName':'default-scheduler','enableServiceLinks':true";
constexpr char kContainerRest[] =
    "'terminationMessagePath':'/dev/termination-log','terminationMessagePolicy':'File'";

std::string Before(const std::string& container, const std::string& spec = "") {
  return "{'metadata':{'name':'p'},'spec':{'containers':[{'name':'c','image':'i:1'" +
         (container.empty() ? "" : "," + container) + "}]" + (spec.empty() ? "" : "," + spec) +
         "}}";
}

std::string After(const std::string& container, const std::string& spec = "") {
  return "{'metadata':{'name':'p'},'spec':{'containers':[{'name':'c','image':'i:1'" +
         (container.empty() ? "" : "," + container) + ",'imagePullPolicy':'IfNotPresent'," +
         kContainerRest + "}]," + (spec.empty() ? "" : spec + ",") + kPodRest + "}}";
}

TEST_CASE("defaults of a pod and a container") { CheckDefaults(Before(""), After("")); }

TEST_CASE("what is set stays") {
  std::string container =
      "'imagePullPolicy':'Never','terminationMessagePath':'/"
      "x','terminationMessagePolicy':'FallbackToLogsOnError'";
  std::string spec =
      "'restartPolicy':'Never','terminationGracePeriodSeconds':0,'dnsPolicy':'Default','"
      "securityContext':"
      "{'runAsUser':0},'schedulerName':'mine','enableServiceLinks':false";
  CheckDefaults(Before(container, spec), Before(container, spec));
}

TEST_CASE("defaults of ports, probes, hooks and environment") {
  CheckDefaults(
      Before("'ports':[{'containerPort':80},{'containerPort':53,'protocol':'UDP'}]"),
      After(
          "'ports':[{'containerPort':80,'protocol':'TCP'},{'containerPort':53,'protocol':'UDP'}]"));
  CheckDefaults(
      Before("'livenessProbe':{'httpGet':{'port':8080}},'readinessProbe':{'grpc':{'port':1},"
             "'timeoutSeconds':5},'startupProbe':{'exec':{'command':['x']},'failureThreshold':24}"),
      After(
          "'livenessProbe':{'httpGet':{'port':8080,'path':'/','scheme':'HTTP'},'timeoutSeconds':1,"
          "'periodSeconds':10,'successThreshold':1,'failureThreshold':3},"
          "'readinessProbe':{'grpc':{'port':1,'service':''},'timeoutSeconds':5,'periodSeconds':10,"
          "'successThreshold':1,'failureThreshold':3},"
          "'startupProbe':{'exec':{'command':['x']},'timeoutSeconds':1,'periodSeconds':10,"
          "'successThreshold':1,'failureThreshold':24}"));
  CheckDefaults(
      Before(
          "'lifecycle':{'postStart':{'httpGet':{'port':'web'}},'preStop':{'sleep':{'seconds':1}}}"),
      After("'lifecycle':{'postStart':{'httpGet':{'port':'web','path':'/','scheme':'HTTP'}},"
            "'preStop':{'sleep':{'seconds':1}}}"));
  CheckDefaults(
      Before(
          "'env':[{'name':'A','valueFrom':{'fieldRef':{'fieldPath':'metadata.name'}}},{'name':'B',"
          "'valueFrom':{'fileKeyRef':{'volumeName':'v','path':'p','key':'k'}}}]"),
      After("'env':[{'name':'A','valueFrom':{'fieldRef':{'fieldPath':'metadata.name','apiVersion':'"
            "v1'}}},"
            "{'name':'B','valueFrom':{'fileKeyRef':{'volumeName':'v','path':'p','key':'k',"
            "'optional':false}}}]"));
}

TEST_CASE("defaults of resources") {
  CheckDefaults(
      Before("'resources':{'limits':{'cpu':'1','memory':'1Gi'},'requests':{'cpu':'100m'}}"),
      After("'resources':{'limits':{'cpu':'1','memory':'1Gi'},'requests':{'cpu':'100m','memory':'"
            "1Gi'}}"));
  // Finer than a thousandth rounds up.
  CheckDefaults(Before("'resources':{'requests':{'cpu':'0.0001','memory':'1500u'}}"),
                After("'resources':{'requests':{'cpu':'1m','memory':'2m'}}"));
}

TEST_CASE("defaults of pod level resources") {
  // From the sum of the containers where they ask for something, else from the pod's limit.
  CheckDefaults(Before("'resources':{'requests':{'cpu':'100m'}}",
                       "'resources':{'limits':{'cpu':'1','memory':'1Gi'}}"),
                After("'resources':{'requests':{'cpu':'100m'}}",
                      "'resources':{'limits':{'cpu':'1','memory':'1Gi'},'requests':{'cpu':'100m','"
                      "memory':'1Gi'}}"));
  // Without limits there is nothing to complete.
  CheckDefaults(Before("'resources':{'requests':{'cpu':'100m'}}",
                       "'resources':{'requests':{'memory':'1Gi'}}"),
                After("'resources':{'requests':{'cpu':'100m'}}",
                      "'resources':{'requests':{'memory':'1Gi'}}"));
  // Huge pages of the containers become the pod's.
  CheckDefaults(Before("'resources':{'limits':{'hugepages-2Mi':'4Mi','cpu':'1'}}",
                       "'resources':{'limits':{'cpu':'1'}}"),
                After("'resources':{'limits':{'hugepages-2Mi':'4Mi','cpu':'1'},'requests':{'"
                      "hugepages-2Mi':'4Mi','cpu':'1'}}",
                      "'resources':{'limits':{'cpu':'1','hugepages-2Mi':'4Mi'},'requests':{'cpu':'"
                      "1','hugepages-2Mi':'4Mi'}}"));
}

TEST_CASE("on the host network a container's port is the host's") {
  CheckDefaults(Before("'ports':[{'containerPort':80},{'containerPort':81,'hostPort':81}]",
                       "'hostNetwork':true"),
                After("'ports':[{'containerPort':80,'hostPort':80,'protocol':'TCP'},"
                      "{'containerPort':81,'hostPort':81,'protocol':'TCP'}]",
                      "'hostNetwork':true"));
}

TEST_CASE("defaults of volumes") {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"", "'emptyDir':{}"},
      {"'emptyDir':{'medium':'Memory'}", "'emptyDir':{'medium':'Memory'}"},
      {"'hostPath':{'path':'/x'}", "'hostPath':{'path':'/x','type':''}"},
      {"'secret':{'secretName':'s'}", "'secret':{'secretName':'s','defaultMode':420}"},
      {"'configMap':{'name':'s','defaultMode':0}", "'configMap':{'name':'s','defaultMode':0}"},
      {"'downwardAPI':{'items':[{'path':'a','fieldRef':{'fieldPath':'metadata.name'}}]}",
       "'downwardAPI':{'items':[{'path':'a','fieldRef':{'apiVersion':'v1','fieldPath':'metadata."
       "name'}}],"
       "'defaultMode':420}"},
      {"'projected':{'sources':[{'serviceAccountToken':{'path':'t'}},{'downwardAPI':{'items':[{'"
       "path':'a',"
       "'fieldRef':{'fieldPath':'metadata.name'}}]}}]}",
       "'projected':{'sources':[{'serviceAccountToken':{'path':'t','expirationSeconds':3600}},{'"
       "downwardAPI':"
       "{'items':[{'path':'a','fieldRef':{'apiVersion':'v1','fieldPath':'metadata.name'}}]}}],'"
       "defaultMode':420}"},
      {"'iscsi':{'targetPortal':'a','iqn':'b','lun':1}",
       "'iscsi':{'targetPortal':'a','iqn':'b','lun':1,'iscsiInterface':'default'}"},
      {"'rbd':{'monitors':['a'],'image':'b'}",
       "'rbd':{'monitors':['a'],'image':'b','pool':'rbd','user':'admin','keyring':'/etc/ceph/"
       "keyring'}"},
      {"'azureDisk':{'diskName':'a','diskURI':'b'}",
       "'azureDisk':{'diskName':'a','diskURI':'b','cachingMode':'ReadWrite','fsType':'ext4','"
       "readOnly':false,"
       "'kind':'Shared'}"},
      {"'scaleIO':{'gateway':'a','system':'b','secretRef':null}",
       "'scaleIO':{'gateway':'a','system':'b','secretRef':null,'storageMode':'ThinProvisioned','"
       "fsType':'xfs'}"},
      {"'image':{'reference':'i'}", "'image':{'reference':'i','pullPolicy':'Always'}"},
      {"'image':{'reference':'i:2'}", "'image':{'reference':'i:2','pullPolicy':'IfNotPresent'}"},
      {"'ephemeral':{'volumeClaimTemplate':{'spec':{}}}",
       "'ephemeral':{'volumeClaimTemplate':{'spec':{'volumeMode':'Filesystem'}}}"},
  };
  for (const auto& [before, after] : rows) {
    auto volumes = [](const std::string& source) {
      return "'volumes':[" + test::Object("'name':'v'", source) + "]";
    };
    CheckDefaults(Before("", volumes(before)), After("", volumes(after)));
  }
}

TEST_CASE("init and ephemeral containers have the defaults of containers") {
  core::Pod pod = MakePod(
      "'initContainers':[{'name':'i','image':'i','resources':{'limits':{'cpu':'1'}},'ports':[{'"
      "containerPort':1}]}],"
      "'ephemeralContainers':[{'name':'e','image':'e:1'}]");
  ApplyPodDefaults(pod);
  const core::Container& init = pod.spec().init_containers(0);
  CHECK(init.image_pull_policy() == "Always");
  CHECK(init.termination_message_policy() == "File");
  CHECK(init.ports(0).protocol() == "TCP");
  CHECK(init.resources().requests().at("cpu").string() == "1");
  const core::EphemeralContainerCommon& ephemeral =
      pod.spec().ephemeral_containers(0).ephemeral_container_common();
  CHECK(ephemeral.image_pull_policy() == "IfNotPresent");
  CHECK(ephemeral.termination_message_path() == "/dev/termination-log");
}

TEST_CASE("pull policy by tag") {
  const std::string digest = "@sha256:" + std::string(64, 'a');
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"nginx", "Always"},
      {"nginx:latest", "Always"},
      {"nginx:1.2", "IfNotPresent"},
      {"registry.example/kube-apiserver:v1.36.0", "IfNotPresent"},
      {"localhost:5000/a/b", "Always"},
      {"localhost:5000/a/b:1", "IfNotPresent"},
      {"[::1]:5000/a", "Always"},
      {"a/b_c/d__e/f-g--h", "Always"},
      {"nginx" + digest, "IfNotPresent"},
      {"nginx:1" + digest, "IfNotPresent"},
      {"nginx:latest" + digest, "Always"},
      // No image reference: nothing is known about its tag.
      {"Nginx", "IfNotPresent"},
      {"Nginx:latest", "IfNotPresent"},
      {"nginx:", "IfNotPresent"},
      {"a//b", "IfNotPresent"},
      {"a/b/", "IfNotPresent"},
      {"a.-b", "IfNotPresent"},
      {"nginx:latest@sha256:12", "IfNotPresent"},
      {std::string(64, 'a'), "IfNotPresent"},
      {" nginx", "IfNotPresent"},
      {"", "IfNotPresent"},
  };
  for (const auto& [image, policy] : rows) {
    INFO(image);
    core::Pod pod;
    pod.mutable_spec()->add_containers()->set_image(image);
    ApplyPodDefaults(pod);
    CHECK(pod.spec().containers(0).image_pull_policy() == policy);
  }
}

}  // namespace
}  // namespace kubelet::api
