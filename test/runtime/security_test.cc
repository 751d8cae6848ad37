// Fields of security contexts and mounts that depend on the machine or its runtime.
#include "catch.h"
#include "kubelet/api/codec.h"
#include "kubelet/base/status.h"
#include "kubelet/runtime/config.h"

namespace kubelet::runtime {
namespace {

api::core::Pod PodOf(const std::string& spec) {
  api::core::Pod pod;
  auto status =
      api::DecodeYaml("{metadata: {name: p, namespace: ns, uid: u}, spec: " + spec + "}", pod);
  INFO(status);
  REQUIRE(status.ok());
  return pod;
}

NodeContext Node(bool recursive = true, bool user_namespaces = true) {
  NodeContext node;
  node.handlers = {{"", recursive, user_namespaces}, {"runc", false, false}};
  return node;
}

absl::StatusOr<ContainerConfig> Config(const std::string& container, const NodeContext& node,
                                       const ContainerInputs& inputs = {}) {
  auto pod = PodOf(
      "{volumes: [{name: e, emptyDir: {}}, {name: h, hostPath: {path: /h}}, {name: s, secret: "
      "{secretName: x}}, {name: share, nfs: {server: s, path: /n}}],"
      " containers: [" +
      container + "]}");
  return MakeContainerConfig(pod, pod.spec().containers(0), inputs, node);
}

ContainerInputs WithVolumes() {
  ContainerInputs inputs;
  inputs.volume_paths["e"] = VolumePath{"/e", true};
  inputs.volume_paths["h"] = VolumePath{"/h", false};
  inputs.volume_paths["s"] = VolumePath{"/s", true};
  inputs.volume_paths["share"] = VolumePath{"/n", false};
  return inputs;
}

std::string Error(const absl::Status& status) { return status.ok() ? "" : base::Message(status); }

TEST_CASE("masked and read-only paths, and procMount Unmasked which has none") {
  NodeContext node = Node();
  node.masked_paths = {"/sys/devices/system/cpu/cpu0/thermal_throttle"};
  auto usual = Config("{name: c}", node);
  CHECK(usual->masked_paths.size() == 13);
  CHECK(usual->masked_paths.back() == node.masked_paths.front());
  CHECK(usual->readonly_paths == std::vector<std::string>{"/proc/bus", "/proc/fs", "/proc/irq",
                                                          "/proc/sys", "/proc/sysrq-trigger"});
  CHECK(Config("{name: c, securityContext: {procMount: Default}}", node)->masked_paths ==
        usual->masked_paths);
  auto open = Config("{name: c, securityContext: {procMount: Unmasked}}", node);
  CHECK(open->masked_paths.empty());
  CHECK(open->readonly_paths.empty());
}

TEST_CASE("privileges: what is said is passed, and only a spoken no forbids more") {
  struct Row {
    const char* sc;
    bool privileged, no_new_privs, read_only;
  };
  auto row = GENERATE(Row{"{}", false, false, false},
                      Row{"{allowPrivilegeEscalation: true}", false, false, false},
                      Row{"{allowPrivilegeEscalation: false}", false, true, false},
                      Row{"{privileged: true, readOnlyRootFilesystem: true}", true, false, true});
  INFO(row.sc);
  auto config = Config(std::string("{name: c, securityContext: ") + row.sc + "}", Node());
  REQUIRE(config.ok());
  CHECK(config->privileged == row.privileged);
  CHECK(config->no_new_privs == row.no_new_privs);
  CHECK(config->read_only_rootfs == row.read_only);
}

TEST_CASE("profiles that name nothing are refused") {
  CHECK(Error(Config("{name: c, securityContext: {seccompProfile: {type: Localhost}}}", Node())
                  .status()) ==
        "localhostProfile must be set if seccompProfile type is Localhost.");
  CHECK(Error(Config("{name: c, securityContext: {appArmorProfile: {type: Localhost}}}", Node())
                  .status()) == "missing localhost apparmor profile name");
  CHECK(Error(Config("{name: c, securityContext: {appArmorProfile: {type: Odd}}}", Node())
                  .status()) == "unknown apparmor profile type: \"Odd\"");
}

TEST_CASE("a policy of supplementary groups that is none is refused, in sandbox and container") {
  auto pod = PodOf("{securityContext: {supplementalGroupsPolicy: Odd}, containers: [{name: c}]}");
  const std::string text = "unsupported supplementalGroupsPolicy: Odd";
  CHECK(Error(MakeSandboxConfig(pod, 0, "", Node()).status()) == text);
  CHECK(Error(MakeContainerConfig(pod, pod.spec().containers(0), {}, Node()).status()) == text);
}

TEST_CASE("recursively read-only mounts by what the runtime handler can do") {
  struct Row {
    const char* mount;
    bool supported, recursive;
    const char* error;
  };
  const std::string prefix = "failed to resolve recursive read-only mode: ";
  auto row = GENERATE(
      Row{"readOnly: true", true, false, ""},
      Row{"readOnly: true, recursiveReadOnly: Disabled", true, false, ""},
      Row{"readOnly: true, recursiveReadOnly: IfPossible", true, true, ""},
      Row{"readOnly: true, recursiveReadOnly: IfPossible", false, false, ""},
      Row{"readOnly: true, recursiveReadOnly: Enabled, mountPropagation: None", true, true, ""},
      Row{"readOnly: true, recursiveReadOnly: Enabled", false, false,
          "volume \"e\" requested recursive read-only mode, but it is not supported by the "
          "runtime"},
      Row{"recursiveReadOnly: Enabled", true, false,
          "volume \"e\" requested recursive read-only mode, but it is not read-only"},
      Row{"readOnly: true, recursiveReadOnly: IfPossible, mountPropagation: HostToContainer", true,
          false,
          "volume \"e\" requested recursive read-only mode, but it is not compatible with "
          "propagation "
          "\"HostToContainer\""},
      Row{"readOnly: true, recursiveReadOnly: Odd", true, false,
          "unknown recursive read-only mode \"Odd\""});
  INFO(row.mount << " supported " << row.supported);
  auto config =
      Config(std::string("{name: c, volumeMounts: [{name: e, mountPath: /e, ") + row.mount + "}]}",
             Node(row.supported), WithVolumes());
  if (*row.error != '\0') {
    CHECK(Error(config.status()) == prefix + row.error);
    return;
  }
  REQUIRE(config.ok());
  CHECK(config->mounts.at(0).read_only);
  CHECK(config->mounts.at(0).recursive_read_only == row.recursive);
}

TEST_CASE("each handler has its own abilities") {
  auto inputs = WithVolumes();
  inputs.runtime_handler = "runc";
  auto config = Config(
      "{name: c, volumeMounts: [{name: e, mountPath: /e, readOnly: true, recursiveReadOnly: "
      "IfPossible}]}",
      Node(), inputs);
  CHECK_FALSE(config->mounts.at(0).recursive_read_only);
}

TEST_CASE("with SELinux what is the kubelet's to label is labelled, and nothing else") {
  NodeContext node = Node();
  auto inputs = WithVolumes();
  inputs.etc_hosts_path = "/pod/etc-hosts";
  const std::string container =
      "{name: c, volumeMounts: [{name: e, mountPath: /e}, {name: h, mountPath: /h}, {name: s, "
      "mountPath: /s}, {name: share, mountPath: /n}]}";
  for (bool selinux : {false, true}) {
    node.selinux = selinux;
    auto config = Config(container, node, inputs);
    REQUIRE(config.ok());
    std::vector<bool> labelled;
    for (const auto& mount : config->mounts) labelled.push_back(mount.selinux_relabel);
    CHECK(labelled == std::vector<bool>{selinux, false, selinux, false, selinux});
  }
}

TEST_CASE("groups that volumes bring along are the sandbox's and its containers', each once") {
  auto pod = PodOf(
      "{securityContext: {fsGroup: 5, supplementalGroups: [7, 8]}, containers: [{name: c}]}");
  ContainerInputs inputs;
  inputs.volume_paths["a"].group = 42;
  inputs.volume_paths["b"].group = 42;
  inputs.volume_paths["c"].group = 8;
  inputs.volume_paths["d"].group = 5;
  inputs.volume_paths["e"].host_path = "/e";
  const std::vector<int64_t> wanted = {5, 7, 8, 5, 42};  // fsGroup twice, as upstream has it
  auto config = MakeContainerConfig(pod, pod.spec().containers(0), inputs, Node());
  REQUIRE(config.ok());
  CHECK(config->supplemental_groups == wanted);
  auto sandbox = MakeSandboxConfig(pod, 0, "", Node(), inputs.volume_paths);
  REQUIRE(sandbox.ok());
  CHECK(sandbox->supplemental_groups == wanted);
}

TEST_CASE("the user namespace of the pod is its containers'") {
  ContainerInputs inputs;
  CHECK(Config("{name: c}", Node(), inputs)->namespaces.user.mode == NamespaceMode::kNode);
  inputs.user_namespace = {NamespaceMode::kPod, {{131072, 0, 65536}}};
  auto config = Config("{name: c}", Node(), inputs);
  CHECK(config->namespaces.user.mode == NamespaceMode::kPod);
  CHECK(config->namespaces.user.ids == std::vector<IdMapping>{{131072, 0, 65536}});
}

TEST_CASE("hostUsers false needs a handler that can") {
  const std::string refused = "can't set `spec.hostUsers: false`, ";
  CHECK(CheckUserNamespaces(Node(), "").ok());
  CHECK(Error(CheckUserNamespaces(Node(true, false), "")) ==
        refused + "runtime does not support user namespaces");
  CHECK(Error(CheckUserNamespaces(NodeContext{}, "")) ==
        refused + "runtime does not support user namespaces");
  CHECK(Error(CheckUserNamespaces(Node(), "runc")) ==
        refused + "RuntimeClass handler \"runc\" does not support user namespaces");
  CHECK(Error(CheckUserNamespaces(Node(), "kata")) ==
        refused +
            "RuntimeClass handler \"kata\" does not support user namespaces: the handler \"kata\" "
            "is not known");
}

TEST_CASE("a port that is named twice is mapped once") {
  auto pod = PodOf(
      "{containers: [{name: c, ports: [{name: a, containerPort: 1, hostPort: 11}, {name: a, "
      "containerPort: 2},"
      " {containerPort: 3, protocol: TCP}, {containerPort: 3, protocol: TCP}, {containerPort: 3, "
      "protocol: UDP}]},"
      " {name: d, ports: [{name: a, containerPort: 4}]}]}");
  auto config = MakeSandboxConfig(pod, 0, "", Node());
  std::vector<std::pair<int, Protocol>> ports;
  for (const auto& port : config->port_mappings)
    ports.emplace_back(port.container_port, port.protocol);
  CHECK(ports ==
        std::vector<std::pair<int, Protocol>>{
            {1, Protocol::kTcp}, {3, Protocol::kTcp}, {3, Protocol::kUdp}, {4, Protocol::kTcp}});
}

TEST_CASE("namespaces of the host and shared ones") {
  struct Row {
    const char* spec;
    NamespaceMode network, pid, ipc;
  };
  using M = NamespaceMode;
  auto row = GENERATE(
      Row{"{", M::kPod, M::kContainer, M::kPod},
      Row{"{shareProcessNamespace: true, ", M::kPod, M::kPod, M::kPod},
      Row{"{hostNetwork: true, hostPID: true, hostIPC: true, ", M::kNode, M::kNode, M::kNode});
  INFO(row.spec);
  auto config =
      MakeSandboxConfig(PodOf(std::string(row.spec) + "containers: [{name: c}]}"), 0, "", Node());
  CHECK(config->namespaces.network == row.network);
  CHECK(config->namespaces.pid == row.pid);
  CHECK(config->namespaces.ipc == row.ipc);
}

TEST_CASE("sub paths with variables") {
  struct Row {
    const char* mount;
    const char* path;
    const char* error;
  };
  auto row =
      GENERATE(Row{"subPath: a/b", "a/b", ""}, Row{"subPathExpr: x/$(A)/$(B)", "x/1/two", ""},
               Row{"subPathExpr: $$(A)", "$(A)", ""}, Row{"readOnly: true", "", ""},
               Row{"subPathExpr: $(EMPTY)$(GONE)", "", "missing value for EMPTY, GONE"},
               Row{"subPathExpr: $(ABS)", "", "error SubPath `/abs` must not be an absolute path"},
               Row{"subPathExpr: a/$(UP)/b", "",
                   "unable to provision SubPath `a/../b`: must not contain '..'"},
               Row{"subPath: ..", "", "unable to provision SubPath `..`: must not contain '..'"});
  INFO(row.mount);
  auto pod = PodOf(std::string("{containers: [{name: c, volumeMounts: [{name: other, mountPath: "
                               "/o}, {name: v, mountPath: /v, ") +
                   row.mount + "}]}]}");
  auto paths = SubPaths(pod.spec().containers(0),
                        {{"A", "1"}, {"B", "two"}, {"EMPTY", ""}, {"ABS", "/abs"}, {"UP", ".."}});
  CHECK(Error(paths.status()) == row.error);
  if (!paths.ok()) return;
  std::map<int, std::string> wanted;
  if (*row.path != '\0') wanted[1] = row.path;
  CHECK(*paths == wanted);
}

}  // namespace
}  // namespace kubelet::runtime
