#include "pod_text.h"

namespace kubelet::api {
namespace {

using test::CheckCases;
using test::ContainerCases;
using test::SpecCases;

const std::string kAt = "spec.containers[0].resources";

TEST_CASE("resources of containers") {
  auto resources = [](const std::string& requests, const std::string& limits) {
    return "'resources':{'requests':{" + requests + "},'limits':{" + limits + "}}";
  };
  CheckCases(ContainerCases({
      {resources("'cpu':'0','memory':'1Mi','ephemeral-storage':'1Gi'", "'cpu':'0'"), {}},
      {resources("'cpu':'2'", "'cpu':'1'"),
       {kAt + ".requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1"}},
      {resources("'cpu':'1000m'", "'cpu':'1'"), {}},
      {resources("'memory':'-1'", ""), {kAt + ".requests[memory]: Invalid value: \"-1\""}},
      {resources("'disk':'1'", ""),
       {kAt + ".requests[disk]: Invalid value: \"disk\": must be a standard resource type",
        kAt + ".requests[disk]: Invalid value: \"disk\": must be a standard resource for "
              "containers"}},
      {resources("'storage':'1'", ""), {kAt + ".requests[storage]: Invalid"}},
      {resources("'a b':'1'", ""), {kAt + ".requests[a b]: ", kAt + ".requests[a b]: "}},
      {resources("", "'example.com/gpu':'2'"), {}},
      {resources("'example.com/gpu':'1'", "'example.com/gpu':'2'"),
       {kAt + ".requests: Invalid value: \"1\": must be equal to"}},
      {resources("'example.com/gpu':'1'", ""),
       {kAt + ".limits: Required value: Limit must be set"}},
      {resources("", "'example.com/gpu':'500m'"),
       {kAt + ".limits[example.com/gpu]: Invalid value: \"500m\": must be an integer",
        kAt + ".requests[example.com/gpu]: Invalid value: \"500m\": must be an integer"}},
      {resources("", "'requests.x.com/gpu':'1'"),
       {kAt + ".limits[requests.x.com/gpu]: Invalid",
        kAt + ".requests[requests.x.com/gpu]: Invalid"}},
      {resources("", "'kubernetes.io/batteries':'1'"), {}},
      {resources("", "'hugepages-2Mi':'4Mi','cpu':'1'"), {}},
      {resources("", "'hugepages-2Mi':'3Mi','cpu':'1'"),
       {kAt + ".limits[hugepages-2Mi]: Invalid", kAt + ".requests[hugepages-2Mi]: Invalid"}},
      {resources("", "'hugepages-big':'4Mi','cpu':'1'"),
       {kAt + ".limits[hugepages-big]: Invalid", kAt + ".requests[hugepages-big]: Invalid"}},
      {resources("", "'hugepages-2Mi':'4Mi'"),
       {kAt + ": Forbidden: HugePages require cpu or memory"}},
      {resources("'hugepages-2Mi':'2Mi','cpu':'1'", "'hugepages-2Mi':'4Mi'"),
       {kAt + ".requests: Invalid"}},
  }));
}

TEST_CASE("resource claims") {
  auto pod = [](const std::string& claims, const std::string& used) {
    return "'resourceClaims':[" + claims +
           "],'containers':[{'name':'c','image':'i','resources':{'claims':[" + used + "]}}]";
  };
  const std::string claim = "{'name':'a','resourceClaimName':'x'}";
  const std::string at = "spec.resourceClaims[0]";
  CheckCases(SpecCases({
      {pod(claim, "{'name':'a'}"), {}},
      {pod(claim, "{'name':'a','request':'r'},{'name':'a','request':'s'}"), {}},
      {pod(claim, "{'name':'a','request':'r'},{'name':'a','request':'r'}"),
       {kAt + ".claims[1]: Duplicate value: \"a/r\""}},
      {pod(claim, "{'name':'a'},{'name':'a','request':'r'}"),
       {kAt + ".claims[1]: Duplicate value: \"a\""}},
      {pod(claim, "{'name':'a','request':'r'},{'name':'a'}"),
       {kAt + ".claims[1]: Duplicate value: \"a\""}},
      {pod(claim, "{},{'name':'b','request':'R'}"),
       {kAt + ".claims[0]: Required", kAt + ".claims[1].request: Invalid",
        kAt + ".claims[1]: Not found: \"b\""}},
      {pod("{'name':'A'}", ""), {at + ".name: Invalid", at + ": Invalid"}},
      {pod("{'resourceClaimName':'X'}", ""),
       {at + ".name: Required", at + ".resourceClaimName: Invalid"}},
      {pod(claim + ",{'name':'a','resourceClaimTemplateName':'t'}", ""),
       {"spec.resourceClaims[1].name: Duplicate"}},
      {pod("{'name':'a','resourceClaimName':'x','resourceClaimTemplateName':'t'}", ""),
       {at + ": Invalid"}},
  }));
  CheckCases({{"'nodeName':'n','resourceClaims':[" + claim + "]",
               "",
               "'annotations':{'kubernetes.io/config.mirror':'x'}",
               {"spec.resourceClaims: Forbidden"}}});
}

TEST_CASE("resources of the pod") {
  auto pod = [](const std::string& level, const std::string& container) {
    return "'resources':{" + level + "},'containers':[{'name':'c','image':'i','resources':{" +
           container + "}}]";
  };
  CheckCases(SpecCases({
      {pod("'limits':{'cpu':'2','memory':'1Gi'}", "'limits':{'cpu':'1'}"), {}},
      {pod("'requests':{'cpu':'1'}", "'requests':{'cpu':'2'}"),
       {"spec.resources.requests[cpu]: Invalid value: \"1\": must be greater than or equal to "
        "aggregate"}},
      {pod("'limits':{'cpu':'1'}", "'limits':{'cpu':'2'},'requests':{'cpu':'1'}"),
       {"spec.containers[0].resources.limits[cpu]: Invalid value: \"2\": must be less than or "
        "equal to pod limits of 1"}},
      {pod("'limits':{'example.com/gpu':'1'}", ""),
       {"spec.resources.limits[example.com/gpu]: Unsupported"}},
      {pod("'limits':{'ephemeral-storage':'1'}", ""),
       {"spec.resources.limits[ephemeral-storage]: Unsupported"}},
      {pod("'claims':[{'name':'x'}]", ""),
       {"spec.resources.claims: Forbidden", "spec.resources.claims[0]: Not found"}},
      {"'os':{'name':'windows'}," + pod("", ""), {"spec.resources: Forbidden"}},
      {"'overhead':{'cpu':'1','disk':'1'}",
       {"spec.overhead.limits[disk]: ", "spec.overhead.limits[disk]: "}},
  }));
}

TEST_CASE("security of containers") {
  auto context = [](const std::string& fields) { return "'securityContext':{" + fields + "}"; };
  const std::string at = "spec.containers[0].securityContext";
  CheckCases(ContainerCases({
      {context("'privileged':true,'runAsUser':0,'runAsGroup':2147483647"), {}},
      {context("'runAsUser':-1,'runAsGroup':2147483648"),
       {at + ".runAsUser: Invalid value: -1", at + ".runAsGroup: Invalid"}},
      {context("'privileged':true,'allowPrivilegeEscalation':true"), {}},
      {context("'privileged':true,'allowPrivilegeEscalation':false"),
       {at + ": Invalid value: {\"privileged\":true"}},
      {context("'allowPrivilegeEscalation':false,'capabilities':{'add':['CAP_SYS_ADMIN']}"),
       {at + ": Invalid"}},
      {context("'allowPrivilegeEscalation':false,'capabilities':{'add':['SYS_ADMIN']}"), {}},
      {context("'procMount':'Default'"), {}},
      {context("'procMount':'Unmasked'"), {at + ".procMount: Invalid"}},
      {context("'procMount':'None'"), {at + ".procMount: Unsupported"}},
      {context("'seccompProfile':{'type':'Localhost','localhostProfile':'a/b.json'}"), {}},
      {context("'seccompProfile':{}"), {at + ".seccompProfile.type: Required"}},
      {context("'seccompProfile':{'type':'Localhost'}"),
       {at + ".seccompProfile.localhostProfile: Required"}},
      {context("'seccompProfile':{'type':'Localhost','localhostProfile':'/a'}"),
       {at + ".seccompProfile.localhostProfile: Invalid"}},
      {context("'seccompProfile':{'type':'Unconfined','localhostProfile':'a'}"),
       {at + ".seccompProfile.localhostProfile: Invalid"}},
      {context("'seccompProfile':{'type':'Default'}"), {at + ".seccompProfile.type: Unsupported"}},
      {context("'appArmorProfile':{'type':'Localhost','localhostProfile':'p'}"), {}},
      {context("'appArmorProfile':{'type':'Localhost','localhostProfile':' p'}"),
       {at + ".appArmorProfile.localhostProfile: Invalid"}},
      {context("'appArmorProfile':{'type':'Localhost'}"),
       {at + ".appArmorProfile.localhostProfile: Required"}},
      {context("'appArmorProfile':{'type':'RuntimeDefault','localhostProfile':'p'}"),
       {at + ".appArmorProfile.localhostProfile: Invalid"}},
      {context("'windowsOptions':{'gmsaCredentialSpecName':'a','gmsaCredentialSpec':'x','"
               "runAsUserName':'DOM\\\\me'}"),
       {}},
      {context("'windowsOptions':{'gmsaCredentialSpecName':'A','gmsaCredentialSpec':'','"
               "runAsUserName':'a\\\\b\\\\c'}"),
       {at + ".windowsOptions.gmsaCredentialSpecName: ",
        at + ".windowsOptions.gmsaCredentialSpec: ", at + ".windowsOptions.runAsUserName: "}},
      {context("'windowsOptions':{'runAsUserName':'d..m\\\\ . '}"),
       {at + ".windowsOptions.runAsUserName: "}},
      {context("'windowsOptions':{'hostProcess':true}"),
       {"spec.hostNetwork: Invalid value: false"}},
  }));
  CheckCases(SpecCases({
      {"'hostUsers':false,'containers':[{'name':'c','image':'i','securityContext':{'procMount':'"
       "Unmasked'}}]",
       {}},
  }));
}

TEST_CASE("security of the pod") {
  auto context = [](const std::string& fields) { return "'securityContext':{" + fields + "}"; };
  const std::string at = "spec.securityContext.";
  CheckCases(SpecCases({
      {context("'fsGroup':-1,'supplementalGroups':[0,-1]"),
       {at + "fsGroup: Invalid", at + "supplementalGroups[1]: Invalid"}},
      {context("'fsGroupChangePolicy':'Never'"), {at + "fsGroupChangePolicy: Unsupported"}},
      {context("'supplementalGroupsPolicy':'Drop'"),
       {at + "supplementalGroupsPolicy: Unsupported"}},
      {context("'seLinuxChangePolicy':'Recursive'"), {}},
      {context("'seLinuxChangePolicy':'MountOption'"), {at + "seLinuxChangePolicy: Unsupported"}},
      {context("'sysctls':[{'name':'a.b-c_d/e','value':''},{'name':'a.b','value':''}]"), {}},
      {context("'sysctls':[{'name':'','value':''},{'name':'A','value':''},{'name':'a..b','value':''"
               "},{'name':'-a','value':''}]"),
       {at + "sysctls[0].name: Required", at + "sysctls[1].name: Invalid",
        at + "sysctls[2].name: Invalid", at + "sysctls[3].name: Invalid"}},
      {context("'sysctls':[{'name':'a','value':''},{'name':'a','value':''}]"),
       {at + "sysctls[1].name: Duplicate"}},
      {"'hostNetwork':true," +
           context("'sysctls':[{'name':'net/core/x','value':''},{'name':'kernel.sem','value':''}]"),
       {at + "sysctls[0].name: Invalid"}},
      {"'hostIPC':true," +
           context("'sysctls':[{'name':'net.core.x','value':''},{'name':'kernel.sem','value':''}]"),
       {at + "sysctls[1].name: Invalid"}},
      {"'hostPID':true,'hostIPC':true", {}},
      {"'hostPID':true,'shareProcessNamespace':true",
       {"spec.shareProcessNamespace: Invalid value: true"}},
      {"'hostUsers':false", {}},
      {"'hostUsers':false,'hostNetwork':true,'hostPID':true,'hostIPC':true",
       {"spec.hostNetwork: Forbidden", "spec.hostPID: Forbidden", "spec.hostIPC: Forbidden"}},
  }));
}

TEST_CASE("operating systems") {
  CheckCases(SpecCases({
      {"'os':{'name':'windows'}", {}},
      {"'os':{'name':'bsd'}", {"spec.os.name: Unsupported"}},
      {"'os':{}", {"spec.os.name: Required"}},
      {"'os':{'name':'linux'},'securityContext':{'windowsOptions':{}}",
       {"spec.securityContext.windowsOptions: Forbidden"}},
      {"'os':{'name':'windows'},'hostPID':true,'securityContext':{'fsGroup':1},'containers':[{'"
       "name':'c','image':'i',"
       "'securityContext':{'privileged':false}}]",
       {"spec.hostPID: Forbidden", "spec.securityContext.fsGroup: Forbidden",
        "spec.containers[0].securityContext.privileged: Forbidden"}},
      {"'hostNetwork':true,'securityContext':{'windowsOptions':{'hostProcess':true}}", {}},
      {"'hostNetwork':true,'securityContext':{'windowsOptions':{'hostProcess':true}},'containers':["
       "{'name':'c','image':'i',"
       "'securityContext':{'windowsOptions':{'hostProcess':false}}},{'name':'d','image':'i'}]",
       {"spec.containers[0].securityContext.windowsOptions.hostProcess: Invalid", "spec: Invalid"}},
  }));
}

TEST_CASE("names, policies and deadlines of the pod") {
  CheckCases(SpecCases({
      {"'restartPolicy':'OnFailure','dnsPolicy':'Default','preemptionPolicy':'Never'", {}},
      {"'dnsPolicy':'Host','preemptionPolicy':'Always'",
       {"spec.dnsPolicy: Unsupported", "spec.preemptionPolicy: Unsupported"}},
      {"'activeDeadlineSeconds':1", {}},
      {"'activeDeadlineSeconds':0",
       {"spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647"}},
      {"'activeDeadlineSeconds':2147483648", {"spec.activeDeadlineSeconds: Invalid"}},
      {"'terminationGracePeriodSeconds':0", {}},
      {"'terminationGracePeriodSeconds':-1", {}},
      {"'hostname':'a','subdomain':'b'", {}},
      {"'hostname':'A','subdomain':'" + std::string(64, 'b') + "'",
       {"spec.hostname: Invalid", "spec.subdomain: Invalid"}},
      {"'hostnameOverride':'a.b'", {}},
      {"'hostnameOverride':'A','setHostnameAsFQDN':true,'hostNetwork':true",
       {"spec.hostnameOverride: Forbidden", "spec.hostnameOverride: Forbidden",
        "spec.hostnameOverride: Invalid"}},
      {"'hostnameOverride':'" + std::string(65, 'a') + "'",
       {"spec.hostnameOverride: Too long"}},
      {"'serviceAccountName':'A','nodeName':'B','priorityClassName':'C','runtimeClassName':''",
       {"spec.serviceAccountName: Invalid", "spec.nodeName: Invalid",
        "spec.priorityClassName: Invalid", "spec.runtimeClassName: Invalid"}},
      {"'schedulingGroup':{'podGroupName':'g'}", {}},
      {"'schedulingGroup':{}", {"spec.schedulingGroup.podGroupName: Invalid"}},
      {"'readinessGates':[{'conditionType':'a/b'},{'conditionType':'a b'}]",
       {"spec.readinessGates[1].conditionType: Invalid"}},
      {"'schedulingGates':[{'name':'a'},{'name':'a'}]", {"spec.schedulingGates[1]: Duplicate"}},
      {"'schedulingGates':[{'name':'a'}],'nodeName':'n'", {"spec.nodeName: Forbidden"}},
      {"'nodeSelector':{'a b':'v'}", {"spec.nodeSelector: Invalid value: \"a b\""}},
  }));
}

TEST_CASE("DNS and hosts") {
  auto searches = [](int count, size_t length) {
    std::string list;
    for (int i = 0; i < count; ++i) list += (i > 0 ? ",'" : "'") + std::string(length, 'a') + "'";
    return "'dnsConfig':{'searches':[" + list + "]}";
  };
  CheckCases(SpecCases({
      {"'dnsPolicy':'None'", {"spec.dnsConfig: Required"}},
      {"'dnsPolicy':'None','dnsConfig':{}", {"spec.dnsConfig.nameservers: Required"}},
      {"'dnsPolicy':'None','dnsConfig':{'nameservers':['2001:db8::1']}", {}},
      {"'dnsConfig':{'nameservers':['1.2.3','01.2.3.4','::ffff:1.2.3.4']}",
       {"spec.dnsConfig.nameservers[0]: Invalid", "spec.dnsConfig.nameservers[1]: Invalid",
        "spec.dnsConfig.nameservers[2]: Invalid"}},
      {searches(32, 60), {}},
      {searches(33, 1), {"spec.dnsConfig.searches: Too many: 33"}},
      {searches(32, 63), {}},
      {searches(9, 253), {"spec.dnsConfig.searches: Too long"}},
      {"'dnsConfig':{'searches':['_a.b_c','.','x.','Bad','..']}",
       {"spec.dnsConfig.searches[3]: Invalid", "spec.dnsConfig.searches[4]: Invalid"}},
      {"'dnsConfig':{'options':[{'value':'1'}]}", {"spec.dnsConfig.options[0].name: Required"}},
      {"'hostAliases':[{'ip':'1.2.3.4','hostnames':['a.b']},{'ip':'x','hostnames':['A']}]",
       {"spec.hostAliases[1].ip: Invalid", "spec.hostAliases[1].hostnames[0]: Invalid"}},
  }));
}

TEST_CASE("tolerations") {
  auto toleration = [](const std::string& fields) { return "'tolerations':[{" + fields + "}]"; };
  const std::string at = "spec.tolerations[0].";
  CheckCases(SpecCases({
      {toleration("'operator':'Exists'"), {}},
      {toleration("'operator':'Exists','effect':'NoExecute','tolerationSeconds':0"), {}},
      {toleration("'key':'k','value':'v','effect':'PreferNoSchedule'"), {}},
      {toleration(""), {at + "operator: Invalid"}},
      {toleration("'key':'a b','operator':'Exists'"), {at + "key: Invalid"}},
      {toleration("'key':'k','operator':'Exists','value':'v'"), {at + "value: Invalid"}},
      {toleration("'key':'k','value':'a b'"), {at + "value: Invalid"}},
      {toleration("'key':'k','operator':'Gt','value':'1'"), {at + "operator: Unsupported"}},
      {toleration("'key':'k','effect':'No'"), {at + "effect: Unsupported"}},
      {toleration("'key':'k','effect':'NoSchedule','tolerationSeconds':1"),
       {at + "effect: Invalid"}},
  }));
}

TEST_CASE("node affinity") {
  auto required = [](const std::string& term) {
    return "'affinity':{'nodeAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':{'"
           "nodeSelectorTerms':[" +
           term + "]}}}";
  };
  auto preferred = [](const std::string& term) {
    return "'affinity':{'nodeAffinity':{'preferredDuringSchedulingIgnoredDuringExecution':[" +
           term + "]}}";
  };
  const std::string at =
      "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
  const std::string expression = at + "[0].matchExpressions[0].";
  const std::string soft =
      "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].";
  CheckCases(SpecCases({
      {required("{'matchExpressions':[{'key':'a','operator':'In','values':['b']},{'key':'a','"
                "operator':'DoesNotExist'},"
                "{'key':'a','operator':'Gt','values':['1']}]}"),
       {}},
      {required(""), {at + ": Required"}},
      {required("{'matchExpressions':[{'key':'a','operator':'In'}]}"),
       {expression + "values: Required"}},
      {required("{'matchExpressions':[{'key':'a','operator':'Exists','values':['b']}]}"),
       {expression + "values: Forbidden"}},
      {required("{'matchExpressions':[{'key':'a','operator':'Lt'}]}"),
       {expression + "values: Required"}},
      {required("{'matchExpressions':[{'key':'a b','operator':'Like','values':['c d']}]}"),
       {expression + "operator: Invalid", expression + "key: Invalid",
        expression + "values[0]: Invalid"}},
      {required("{'matchFields':[{'key':'metadata.name','operator':'In','values':['n','m']}]}"),
       {at + "[0].matchFields[0].values: Required"}},
      {required("{'matchFields':[{'key':'metadata.uid','operator':'Exists'}]}"),
       {at + "[0].matchFields[0].operator: Invalid", at + "[0].matchFields[0].key: Invalid"}},
      {required("{'matchFields':[{'key':'metadata.name','operator':'In','values':['N']}]}"),
       {at + "[0].matchFields[0].values[0]: Invalid"}},
      {preferred("{'weight':1,'preference':{'matchExpressions':[{'key':'a','operator':'In','values'"
                 ":['c d']}]}}"),
       {}},
      {preferred("{'weight':0,'preference':{'matchExpressions':[{'key':'','operator':'Exists'}]}}"),
       {soft + "weight: Invalid value: 0", soft + "preference.matchExpressions[0].key: ",
        soft + "preference.matchExpressions[0].key: "}},
      {preferred("{'weight':101,'preference':{}}"), {soft + "weight: Invalid"}},
  }));
}

TEST_CASE("pod affinity") {
  auto required = [](const std::string& term) {
    return "'affinity':{'podAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':[{" + term +
           "}]}}";
  };
  const std::string at =
      "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].";
  const std::string topology = "'topologyKey':'k'";
  CheckCases(SpecCases({
      {required(topology + ",'namespaces':['a'],'namespaceSelector':{}"), {}},
      {required(""), {at + "topologyKey: Required"}},
      {required(topology + ",'namespaces':['A']"), {at + "namespaces[0]: Invalid"}},
      {required(topology +
                ",'labelSelector':{'matchLabels':{'a':'b "
                "c'},'matchExpressions':[{'key':'a','operator':'In'},"
                "{'key':'a','operator':'Exists','values':['x']},{'key':'a','operator':'Is'}]}"),
       {at + "labelSelector.matchLabels: Invalid",
        at + "labelSelector.matchExpressions[0].values: Required",
        at + "labelSelector.matchExpressions[1].values: Forbidden",
        at + "labelSelector.matchExpressions[2].operator: Invalid"}},
      {required(topology + ",'matchLabelKeys':['a']"), {at + "matchLabelKeys: Forbidden"}},
      {required(topology + ",'labelSelector':{},'matchLabelKeys':['a'],'mismatchLabelKeys':['b']"),
       {}},
      {required(topology + ",'labelSelector':{},'matchLabelKeys':['a'],'mismatchLabelKeys':['a']"),
       {at + "matchLabelKeys[0]: Invalid"}},
      {required(topology + ",'labelSelector':{'matchExpressions':[{'key':'a','operator':'In','"
                           "values':['x']}]},'matchLabelKeys':['a']"),
       {}},
      {required(topology + ",'labelSelector':{'matchLabels':{'a':'b'},'matchExpressions':[{'key':'"
                           "a','operator':'In','values':['x']}]},"
                           "'matchLabelKeys':['a']"),
       {at + "matchLabelKeys[0]: Invalid"}},
      {"'affinity':{'podAntiAffinity':{'preferredDuringSchedulingIgnoredDuringExecution':[{'weight'"
       ":500,'podAffinityTerm':{}}]}}",
       {"spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: "
        "Invalid",
        "spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0]."
        "podAffinityTerm.topologyKey: Required"}},
  }));
}

TEST_CASE("topology spread") {
  auto spread = [](const std::string& list) {
    return "'topologySpreadConstraints':[" + list + "]";
  };
  const std::string good = "'maxSkew':1,'topologyKey':'k','whenUnsatisfiable':'DoNotSchedule'";
  const std::string at = "spec.topologySpreadConstraints[0].";
  CheckCases(SpecCases({
      {spread("{" + good +
              ",'minDomains':2,'nodeAffinityPolicy':'Honor','nodeTaintsPolicy':'Ignore'}"),
       {}},
      {spread("{}"),
       {at + "maxSkew: Invalid value: 0", at + "topologyKey: Required",
        at + "whenUnsatisfiable: Unsupported"}},
      {spread(
           "{'maxSkew':1,'topologyKey':'k','whenUnsatisfiable':'ScheduleAnyway','minDomains':0}"),
       {at + "minDomains: Invalid value: 0", at + "minDomains: Invalid value: 0"}},
      {spread("{" + good + ",'nodeAffinityPolicy':'No'}"),
       {at + "nodeAffinityPolicy: Unsupported"}},
      {spread("{" + good + "},{" + good + "}"),
       {"spec.topologySpreadConstraints[1].{topologyKey, whenUnsatisfiable}: Duplicate value: "
        "\"{k, DoNotSchedule}\""}},
      {spread("{" + good + ",'matchLabelKeys':['a']}"), {at + "matchLabelKeys: Forbidden"}},
      {spread("{" + good + ",'labelSelector':{'matchLabels':{'a b':'c'}}}"),
       {at + "labelSelector.matchLabels: Invalid"}},
  }));
}

}  // namespace
}  // namespace kubelet::api
