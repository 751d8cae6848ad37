#include "pod_text.h"

namespace kubelet::api {
namespace {

using test::CheckCases;
using test::ContainerCases;
using test::SpecCases;

const std::string kAt = "spec.containers[0].";

std::string Two(const std::string& a, const std::string& b) {
  return "'containers':[" + test::Object("'image':'i'", a) + "," + test::Object("'image':'i'", b) +
         "]";
}

TEST_CASE("names and images of containers") {
  CheckCases(SpecCases({
      {"'containers':[]", {"spec.containers: Required"}},
      {Two("'name':'a'", "'name':'b'"), {}},
      {Two("'name':'a'", "'name':'a'"), {"spec.containers[1].name: Duplicate value: \"a\""}},
      {Two("'name':'A'", "'name':''"),
       {"spec.containers[0].name: Invalid", "spec.containers[1].name: Required"}},
      {"'initContainers':[{'name':'c','image':'i'}]",
       {"spec.initContainers[0].name: Duplicate value: \"c\""}},
      {"'containers':[{'name':'c','image':' i'}]",
       {"spec.containers[0].image: Invalid value: \" i\": must not have leading or trailing "
        "whitespace"}},
      {"'containers':[{'name':'c'}]", {"spec.containers[0].image: Required"}},
  }));
}

TEST_CASE("policies of containers") {
  CheckCases(ContainerCases({
      {"'imagePullPolicy':'Never','terminationMessagePolicy':'FallbackToLogsOnError'", {}},
      {"'imagePullPolicy':'never'", {kAt + "imagePullPolicy: Unsupported value: \"never\""}},
      {"'terminationMessagePolicy':'Log'",
       {kAt + "terminationMessagePolicy: Unsupported value: \"Log\""}},
  }));
}

TEST_CASE("ports") {
  auto ports = [](const std::string& list) { return "'ports':[" + list + "]"; };
  CheckCases(ContainerCases({
      {ports("{'containerPort':1,'name':'a-1','hostPort':65535,'protocol':'SCTP'}"), {}},
      {ports("{'containerPort':0}"), {kAt + "ports[0].containerPort: Required"}},
      {ports("{'containerPort':65536,'hostPort':-1}"),
       {kAt +
            "ports[0].containerPort: Invalid value: 65536: must be between 1 and 65535, inclusive",
        kAt + "ports[0].hostPort: Invalid value: -1"}},
      {ports("{'containerPort':1,'protocol':'tcp'}"),
       {kAt + "ports[0].protocol: Unsupported value: \"tcp\""}},
      {ports("{'containerPort':1,'name':'a'},{'containerPort':2,'name':'a'}"),
       {kAt + "ports[1].name: Duplicate"}},
      {ports("{'containerPort':1,'name':'this-is-too-long'}"), {kAt + "ports[0].name: Invalid"}},
      {ports("{'containerPort':1,'name':'80'}"),
       {kAt + "ports[0].name: Invalid value: \"80\": must contain at least"}},
      {ports("{'containerPort':1,'name':'-A--'}"),
       {kAt + "ports[0].name: ", kAt + "ports[0].name: ", kAt + "ports[0].name: ",
        kAt + "ports[0].name: "}},
      {ports("{'containerPort':1,'hostPort':9},{'containerPort':2,'hostPort':9}"),
       {kAt + "ports[1].hostPort: Duplicate value: \"TCP//9\""}},
      {ports("{'containerPort':1,'hostPort':9},{'containerPort':2,'hostPort':9,'protocol':'UDP'},"
             "{'containerPort':2,'hostPort':9,'hostIP':'127.0.0.1'}"),
       {}},
  }));
  CheckCases(SpecCases({
      {Two("'name':'a','ports':[{'containerPort':1,'hostPort':9}]",
           "'name':'b','ports':[{'containerPort':1,'hostPort':9}]"),
       {"spec.containers[1].ports[0].hostPort: Duplicate"}},
      // Init containers are not up at the same time.
      {"'initContainers':[{'name':'a','image':'i','ports':[{'containerPort':1,'hostPort':9}]},"
       "{'name':'b','image':'i','ports':[{'containerPort':1,'hostPort':9}]}]",
       {}},
      {"'hostNetwork':true,'containers':[{'name':'a','image':'i','ports':[{'containerPort':1,'"
       "hostPort':2}]}]",
       {"spec.containers[0].ports[0].hostPort: Invalid value: 2"}},
      {"'hostNetwork':true,'containers':[{'name':'a','image':'i','ports':[{'containerPort':1}]}]",
       {}},
  }));
}

TEST_CASE("environment") {
  auto from = [](const std::string& source) {
    return "'env':[{'name':'A','valueFrom':{" + source + "}}]";
  };
  const std::string at = kAt + "env[0].valueFrom";
  CheckCases(ContainerCases({
      {"'env':[{'name':'a b$1-.','value':'x'},{'name':'1'}]", {}},
      {"'env':[{'name':''}]", {kAt + "env[0].name: Required"}},
      {"'env':[{'name':'a=b'}]", {kAt + "env[0].name: Invalid value: \"a=b\""}},
      {"'env':[{'name':'a\\n'}]", {kAt + "env[0].name: Invalid value: \"a\\n\""}},
      {from("'fieldRef':{'fieldPath':'spec.nodeName'}"), {}},
      {from("'fieldRef':{'fieldPath':'spec.host'}"), {}},
      {from("'fieldRef':{'fieldPath':'metadata.labels'}"),
       {at + ".fieldRef.fieldPath: Unsupported"}},
      {from("'resourceFieldRef':{'resource':'limits.cpu'}"), {}},
      {from("'configMapKeyRef':{'name':'c','key':'a.b_C-1'}"), {}},
      {from("'configMapKeyRef':{}"),
       {at + ".configMapKeyRef.name: Invalid", at + ".configMapKeyRef.key: Required"}},
      {from("'secretKeyRef':{'name':'s','key':'..'}"),
       {at + ".secretKeyRef.key: Invalid value: \"..\": must not be '..'"}},
      {from("'secretKeyRef':{'name':'s','key':'a/b'}"), {at + ".secretKeyRef.key: Invalid"}},
      {from(""), {at + ": Invalid value: \"\": must specify one of"}},
      {from("'fieldRef':{'fieldPath':'metadata.name'},'secretKeyRef':{'name':'s','key':'k'}"),
       {at + ": Invalid"}},
      {"'env':[{'name':'A','value':'x','valueFrom':{'fieldRef':{'fieldPath':'metadata.name'}}}]",
       {at + ": Invalid"}},
      {"'envFrom':[{'secretRef':{'name':'s'}},{'prefix':'=','configMapRef':{'name':'C'}}]",
       {kAt + "envFrom[1].prefix: Invalid", kAt + "envFrom[1].configMapRef.name: Invalid"}},
      {"'envFrom':[{'prefix':'a'}]", {kAt + "envFrom[0]: Invalid"}},
      {"'envFrom':[{'secretRef':{},'configMapRef':{'name':'c'}}]",
       {kAt + "envFrom[0].secretRef.name: Required", kAt + "envFrom[0]: Invalid"}},
      {from("'fileKeyRef':{'volumeName':'v','path':'p','key':'k'}"),
       {at + ".fileKeyRef.volumeName: Not found"}},
      {from("'fileKeyRef':{'volumeName':'V','path':'../p'}"),
       {at + ".fileKeyRef.key: Required", at + ".fileKeyRef.volumeName: Invalid",
        at + ".fileKeyRef.path: Invalid", at + ".fileKeyRef.volumeName: Not found"}},
  }));
  const std::string file = "'containers':[{'name':'c','image':'i'," +
                           from("'fileKeyRef':{'volumeName':'v','path':'p','key':'k'}") + "}],";
  CheckCases(SpecCases({
      {file + "'volumes':[{'name':'v'}]", {}},
      {file + "'volumes':[{'name':'v','hostPath':{'path':'/'}}]",
       {at + ".fileKeyRef.volumeName: Invalid value: \"v\""}},
  }));
}

TEST_CASE("mounts") {
  auto mounts = [](const std::string& list, const std::string& more = "") {
    return "'volumes':[{'name':'v'},{'name':'w','persistentVolumeClaim':{'claimName':'c'}}],'"
           "containers':[{'name':'c',"
           "'image':'i'" +
           more + ",'volumeMounts':[" + list + "]}]";
  };
  const std::string at = kAt + "volumeMounts[0].";
  CheckCases(SpecCases({
      {mounts("{'name':'v','mountPath':'/a'},{'name':'v','mountPath':'/b'}"), {}},
      {mounts("{}"), {at + "name: Required", at + "name: Not found", at + "mountPath: Required"}},
      {mounts("{'name':'x','mountPath':'/a'}"), {at + "name: Not found: \"x\""}},
      {mounts("{'name':'v','mountPath':'/a'},{'name':'w','mountPath':'/a'}"),
       {kAt + "volumeMounts[1].mountPath: Invalid"}},
      {mounts("{'name':'v','mountPath':'/a','subPath':'/x'}"),
       {at + "subPath: Invalid value: \"/x\": must be a relative"}},
      {mounts("{'name':'v','mountPath':'/a','subPath':'a/../b'}"), {at + "subPath: Invalid"}},
      {mounts("{'name':'v','mountPath':'/a','subPathExpr':'$(A)/b'}"), {}},
      {mounts("{'name':'v','mountPath':'/a','subPath':'x','subPathExpr':'../y'}"),
       {at + "subPathExpr: Invalid value: \"../y\": subPathExpr and subPath",
        at + "subPathExpr: Invalid"}},
      {mounts("{'name':'v','mountPath':'/a','mountPropagation':'HostToContainer'}"), {}},
      {mounts("{'name':'v','mountPath':'/a','mountPropagation':'Both'}"),
       {at + "mountPropagation: Unsupported"}},
      {mounts("{'name':'v','mountPath':'/a','mountPropagation':'Bidirectional'}"),
       {at + "mountPropagation: Forbidden"}},
      {mounts("{'name':'v','mountPath':'/a','mountPropagation':'Bidirectional'}",
              ",'securityContext':{'privileged':true}"),
       {}},
      {mounts("{'name':'v','mountPath':'/a','readOnly':true,'recursiveReadOnly':'Enabled'}"), {}},
      {mounts("{'name':'v','mountPath':'/a','recursiveReadOnly':'Disabled'}"), {}},
      {mounts("{'name':'v','mountPath':'/"
              "a','recursiveReadOnly':'Enabled','mountPropagation':'HostToContainer'}"),
       {at + "recursiveReadOnly: Forbidden", at + "recursiveReadOnly: Forbidden"}},
      {mounts("{'name':'v','mountPath':'/a','readOnly':true,'recursiveReadOnly':'Yes'}"),
       {at + "recursiveReadOnly: Unsupported"}},
      {mounts("", ",'volumeDevices':[{'name':'w','devicePath':'/dev/x'}]"), {}},
      {mounts("", ",'volumeDevices':[{'name':'v','devicePath':'/dev/x'}]"),
       {kAt + "volumeDevices[0].name: Invalid"}},
      {mounts("", ",'volumeDevices':[{'name':'x','devicePath':'/../x'}]"),
       {kAt + "volumeDevices[0].name: Not found", kAt + "volumeDevices[0].devicePath: Invalid"}},
      {mounts("",
              ",'volumeDevices':[{'name':'w','devicePath':'/x'},{'name':'w','devicePath':'/x'}]"),
       {kAt + "volumeDevices[1].name: Invalid", kAt + "volumeDevices[1].devicePath: Invalid"}},
      {mounts("{'name':'w','mountPath':'/x'}", ",'volumeDevices':[{'name':'w','devicePath':'/x'}]"),
       {at + "name: Invalid", at + "mountPath: Invalid", kAt + "volumeDevices[0].name: Invalid",
        kAt + "volumeDevices[0].devicePath: Invalid"}},
  }));
}

TEST_CASE("probes") {
  auto live = [](const std::string& fields) { return "'livenessProbe':{" + fields + "}"; };
  const std::string at = kAt + "livenessProbe";
  CheckCases(ContainerCases({
      {live("'httpGet':{'port':'http','httpHeaders':[{'name':'X-A','value':'b'}]},'"
            "terminationGracePeriodSeconds':1"),
       {}},
      {live("'tcpSocket':{'port':1}") + ",'startupProbe':{'grpc':{'port':2}},'readinessProbe':{'"
                                        "exec':{'command':['a']},'successThreshold':3}",
       {}},
      {live(""), {at + ": Required value: must specify a handler type"}},
      {live("'exec':{},'tcpSocket':{'port':1}"),
       {at + ".exec.command: Required", at + ".tcpSocket: Forbidden"}},
      {live("'httpGet':{'port':0,'scheme':'FTP','httpHeaders':[{'name':'a b'}]}"),
       {at + ".httpGet.port: Invalid value: 0", at + ".httpGet.scheme: Unsupported",
        at + ".httpGet.httpHeaders[0].name: Invalid value: \"a b\""}},
      {live("'tcpSocket':{'port':'UPPER'}"), {at + ".tcpSocket.port: ", at + ".tcpSocket.port: "}},
      {live("'grpc':{'port':0}"), {at + ".grpc.port: Invalid value: 0"}},
      {live("'exec':{'command':['a']},'initialDelaySeconds':-1,'timeoutSeconds':-1,'periodSeconds':"
            "-1,'successThreshold':-1,"
            "'failureThreshold':-1,'terminationGracePeriodSeconds':0"),
       {at + ".initialDelaySeconds: ", at + ".timeoutSeconds: ", at + ".periodSeconds: ",
        at + ".successThreshold: ", at + ".failureThreshold: ",
        at + ".terminationGracePeriodSeconds: ",
        at + ".successThreshold: Invalid value: -1: must be 1"}},
      {"'readinessProbe':{'exec':{'command':['a']},'terminationGracePeriodSeconds':1}",
       {kAt + "readinessProbe.terminationGracePeriodSeconds: Invalid"}},
      {"'startupProbe':{'exec':{'command':['a']},'successThreshold':2}",
       {kAt + "startupProbe.successThreshold: Invalid"}},
  }));
}

TEST_CASE("hooks") {
  auto stop = [](const std::string& fields) { return "'lifecycle':{'preStop':{" + fields + "}}"; };
  const std::string at = kAt + "lifecycle.preStop";
  CheckCases(ContainerCases({
      {stop("'sleep':{'seconds':30}"), {}},
      {stop("'sleep':{'seconds':0}"), {}},
      {stop("'sleep':{'seconds':31}"), {at + ".sleep: Invalid value: 31"}},
      {stop("'sleep':{'seconds':-1}"), {at + ".sleep: Invalid value: -1"}},
      {stop(""), {at + ": Required"}},
      {stop("'exec':{'command':['a']},'httpGet':{'port':1}"), {at + ".httpGet: Forbidden"}},
      {"'lifecycle':{'postStart':{'tcpSocket':{'port':70000}}}",
       {kAt + "lifecycle.postStart.tcpSocket.port: Invalid"}},
      {"'lifecycle':{'stopSignal':'SIGTERM'}", {kAt + "lifecycle.stopSignal: Forbidden"}},
  }));
  auto signal = [](const std::string& os, const std::string& name) {
    return "'os':{'name':'" + os +
           "'},'containers':[{'name':'c','image':'i','lifecycle':{'stopSignal':'" + name + "'}}]";
  };
  CheckCases(SpecCases({
      {signal("linux", "SIGRTMAX-14"), {}},
      {signal("linux", "SIGRTMIN+16"), {kAt + "lifecycle.stopSignal: Unsupported"}},
      {signal("windows", "SIGTERM"), {}},
      {signal("windows", "SIGUSR1"), {kAt + "lifecycle.stopSignal: Unsupported"}},
  }));
}

TEST_CASE("restart policies of containers") {
  const std::string rule = "{'action':'Restart','exitCodes':{'operator':'In','values':[42]}}";
  std::string many;
  for (int i = 0; i < 21; ++i) many += (i > 0 ? "," : "") + rule;
  CheckCases(ContainerCases({
      {"'restartPolicy':'Never','restartPolicyRules':[" + rule + "]", {}},
      {"'restartPolicy':'Always'", {}},
      {"'restartPolicy':'Maybe'", {kAt + "restartPolicy: Unsupported"}},
      {"'restartPolicyRules':[" + rule + "]", {kAt + "restartPolicy: Required"}},
      {"'restartPolicy':'Never','restartPolicyRules':[{'action':'RestartAllContainers','exitCodes':"
       "{'operator':'NotIn'}}]",
       {}},
      {"'restartPolicy':'Never','restartPolicyRules':[{'action':'Stop'}]",
       {kAt + "restartPolicyRules[0].action: Unsupported",
        kAt + "restartPolicyRules[0].exitCodes: Required"}},
      {"'restartPolicy':'Never','restartPolicyRules':[{'action':'Restart','exitCodes':{'operator':'"
       "Eq'}}]",
       {kAt + "restartPolicyRules[0].exitCodes.operator: Unsupported"}},
      {"'restartPolicy':'Never','restartPolicyRules':[" + many + "]",
       {kAt + "restartPolicyRules: Too many: 21"}},
  }));
}

TEST_CASE("init containers and sidecars") {
  auto init = [](const std::string& fields) {
    return "'initContainers':[{'name':'i','image':'i'," + fields + "}]";
  };
  const std::string at = "spec.initContainers[0].";
  const std::string probe = "{'exec':{'command':['a']}}";
  const std::string all = "'lifecycle':{'preStop':" + probe + "},'livenessProbe':" + probe +
                          ",'readinessProbe':" + probe + ",'startupProbe':" + probe;
  CheckCases(SpecCases({
      {init("'restartPolicy':'Always'," + all), {}},
      {init(all),
       {at + "lifecycle: Forbidden", at + "livenessProbe: Forbidden",
        at + "readinessProbe: Forbidden", at + "startupProbe: Forbidden"}},
      {init("'restartPolicy':'OnFailure'"), {}},
      {init("'restartPolicy':'Perhaps'"), {at + "restartPolicy: Unsupported"}},
      {init("'resizePolicy':[{'resourceName':'cpu','restartPolicy':'NotRequired'}]"), {}},
      {init("'resizePolicy':[{'resourceName':'cpu','restartPolicy':'RestartContainer'}]"),
       {at + "resizePolicy[0].restartPolicy: Invalid"}},
      {init("'restartPolicy':'Always','resizePolicy':[{'resourceName':'cpu','restartPolicy':'"
            "RestartContainer'}]"),
       {}},
  }));
}

TEST_CASE("resize policies") {
  auto policy = [](const std::string& list) {
    return "'containers':[{'name':'c','image':'i','resizePolicy':[" + list + "]}]";
  };
  CheckCases(SpecCases({
      {policy("{'resourceName':'cpu','restartPolicy':'NotRequired'},{'resourceName':'memory','"
              "restartPolicy':'RestartContainer'}"),
       {}},
      {policy("{'resourceName':'cpu','restartPolicy':'NotRequired'},{'resourceName':'cpu','"
              "restartPolicy':'NotRequired'}"),
       {kAt + "resizePolicy[1]: Duplicate"}},
      {policy("{'resourceName':'disk','restartPolicy':'No'}"),
       {kAt + "resizePolicy[0].resourceName: Unsupported",
        kAt + "resizePolicy[0].restartPolicy: Unsupported"}},
      {"'restartPolicy':'Never'," +
           policy("{'resourceName':'cpu','restartPolicy':'RestartContainer'}"),
       {kAt + "resizePolicy[0].restartPolicy: Invalid"}},
  }));
}

TEST_CASE("ephemeral containers come later") {
  const std::string create = "spec.ephemeralContainers: Forbidden: cannot be set on create";
  auto ephemeral = [](const std::string& fields) {
    return "'ephemeralContainers':[" + test::Object("'image':'e'", fields) + "]";
  };
  const std::string at = "spec.ephemeralContainers[0].";
  CheckCases(SpecCases({
      {ephemeral("'name':'e','targetContainerName':'c'"), {create}},
      {ephemeral("'name':'c','targetContainerName':'x'"),
       {at + "name: Duplicate", at + "targetContainerName: Not found", create}},
      {"'volumes':[{'name':'v'}]," +
           ephemeral("'name':'e','ports':[{'containerPort':1}],'resources':{'limits':{'cpu':'1'}},'"
                     "lifecycle':{},"
                     "'volumeMounts':[{'name':'v','mountPath':'/a','subPath':'x'}]"),
       {at + "ports: Forbidden", at + "resources: Forbidden", at + "lifecycle: Forbidden",
        at + "volumeMounts[0].subPath: Forbidden", create}},
  }));
}

}  // namespace
}  // namespace kubelet::api
