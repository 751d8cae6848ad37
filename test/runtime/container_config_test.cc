// Golden: one rich pod, field by field, and the rules of security contexts as tables.
#include "catch.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/pod.h"
#include "kubelet/base/status.h"
#include "kubelet/runtime/config.h"

namespace kubelet::runtime {
namespace {

using Strings = std::vector<std::string>;
using Pairs = std::vector<std::pair<std::string, std::string>>;

api::core::Pod Decode(const std::string& json) {
  api::core::Pod pod;
  auto status = api::DecodeJson(json, pod, {});
  INFO(status);
  REQUIRE(status.ok());
  return pod;
}

const char kRich[] = R"x({"metadata":{"name":"web","namespace":"shop","uid":"u1","labels":{"app":"w"},
  "annotations":{"kubernetes.io/config.source":"file","note":"n"}},
  "spec":{"terminationGracePeriodSeconds":20,"shareProcessNamespace":true,"serviceAccountName":"sa",
   "securityContext":{"runAsUser":1000,"runAsGroup":2000,"fsGroup":3000,"supplementalGroups":[4000],
     "supplementalGroupsPolicy":"Strict","seccompProfile":{"type":"RuntimeDefault"},
     "sysctls":[{"name":"net/ipv4/conf/eth0.1/rp_filter","value":"1"}]},
   "containers":[{"name":"c","image":"nginx:1","command":["run","$(A)"],"args":["$(POD)","$(NO)"],"workingDir":"/w",
     "ports":[{"containerPort":80,"hostPort":8080,"protocol":"TCP","hostIP":"127.0.0.1"},{"containerPort":53,"protocol":"UDP"}],
     "env":[{"name":"A","value":"1"},{"name":"B","value":"$(A)2"},{"name":"A","value":"3"},
       {"name":"POD","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}},
       {"name":"L","valueFrom":{"fieldRef":{"fieldPath":"metadata.labels['app']"}}},
       {"name":"IP","valueFrom":{"fieldRef":{"fieldPath":"status.podIP"}}},
       {"name":"SA","valueFrom":{"fieldRef":{"fieldPath":"spec.serviceAccountName"}}}],
     "resources":{"requests":{"cpu":"250m","memory":"64Mi"},"limits":{"cpu":"500m","memory":"128Mi","hugepages-2Mi":"4Mi"}},
     "volumeMounts":[{"name":"v","mountPath":"data","readOnly":true,"mountPropagation":"HostToContainer"},
       {"name":"v","mountPath":"/sub","subPath":"x"}],
     "terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File",
     "securityContext":{"runAsUser":1001,"allowPrivilegeEscalation":false,"readOnlyRootFilesystem":true,
       "capabilities":{"add":["NET_ADMIN"],"drop":["ALL"]},"seLinuxOptions":{"level":"s0"}},
     "stdin":true,"tty":true,"imagePullPolicy":"Always"}]}})x";

NodeContext Node() {
  NodeContext node;
  node.node_name = "n1";
  node.host_ips = {"192.0.2.10"};
  node.pod_logs_dir = "/var/log/pods";
  node.seccomp_root = "/root/seccomp";
  node.cgroup_v2 = true;
  node.hugepage_sizes = {"2MB", "1GB"};
  return node;
}

ContainerInputs Inputs() {
  ContainerInputs inputs;
  inputs.attempt = 2;
  inputs.image_ref = "sha256:abc";
  inputs.pod_ips = {"10.1.0.2"};
  inputs.volume_paths["v"].host_path = "/pods/u1/v";
  inputs.sub_paths = {{1, "/pods/u1/v/x"}};
  inputs.etc_hosts_path = "/pods/u1/etc-hosts";
  inputs.termination_log_path = "/pods/u1/containers/c/00";
  inputs.oom_score_adj = 900;
  return inputs;
}

TEST_CASE("the container of a rich pod, field by field") {
  auto pod = Decode(kRich);
  auto config = MakeContainerConfig(pod, pod.spec().containers(0), Inputs(), Node());
  INFO(config.status());
  REQUIRE(config.ok());
  CHECK(config->name == "c");
  CHECK(config->attempt == 2);
  CHECK(config->image == "sha256:abc");
  CHECK(config->user_specified_image == "nginx:1");
  CHECK(config->command == Strings{"run", "3"});
  CHECK(config->args == Strings{"web", "$(NO)"});
  CHECK(config->working_dir == "/w");
  CHECK(config->envs == Pairs{{"B", "12"}, {"A", "3"}, {"POD", "web"}, {"L", "w"}, {"IP", "10.1.0.2"}, {"SA", "sa"}});
  REQUIRE(config->mounts.size() == 4);
  CHECK(config->mounts[0].container_path == "/data");
  CHECK(config->mounts[0].host_path == "/pods/u1/v");
  CHECK(config->mounts[0].read_only);
  CHECK(config->mounts[0].propagation == MountPropagation::kHostToContainer);
  CHECK(config->mounts[1].host_path == "/pods/u1/v/x");
  CHECK(config->mounts[2].container_path == "/etc/hosts");
  CHECK(config->mounts[3].container_path == "/dev/termination-log");
  CHECK(config->labels == StringMap{{kContainerNameLabel, "c"},
                                    {kPodNameLabel, "web"},
                                    {kPodNamespaceLabel, "shop"},
                                    {kPodUidLabel, "u1"}});
  CHECK(config->annotations.at(kHashAnnotation) == api::ContainerHash("c", "nginx:1"));
  CHECK(config->annotations.at(kRestartCountAnnotation) == "2");
  CHECK(config->annotations.at(kTerminationPathAnnotation) == "/dev/termination-log");
  CHECK(config->annotations.at(kTerminationPolicyAnnotation) == "File");
  CHECK(config->annotations.at(kPodTerminationGraceAnnotation) == "20");
  CHECK_FALSE(config->annotations.contains(kPodDeletionGraceAnnotation));
  CHECK(config->annotations.at(kPortsAnnotation).find("\"hostPort\":8080") != std::string::npos);
  CHECK(config->log_path == "c/2.log");
  CHECK(config->stdin_open);
  CHECK(config->tty);
  CHECK(config->resources.cpu_shares == 256);
  CHECK(config->resources.cpu_period == 100'000);
  CHECK(config->resources.cpu_quota == 50'000);
  CHECK(config->resources.memory_limit_bytes == 128 << 20);
  CHECK(config->resources.oom_score_adj == 900);
  CHECK(config->resources.hugepage_limits ==
        std::vector<std::pair<std::string, uint64_t>>{{"2MB", 4 << 20}, {"1GB", 0}});
  CHECK(config->resources.unified == StringMap{{"memory.oom.group", "1"}});
  CHECK(config->add_capabilities == Strings{"NET_ADMIN"});
  CHECK(config->drop_capabilities == Strings{"ALL"});
  CHECK(config->run_as_user == 1001);
  CHECK(config->run_as_group == 2000);
  CHECK(config->supplemental_groups == std::vector<int64_t>{3000, 4000});
  CHECK(config->supplemental_groups_policy == SupplementalGroupsPolicy::kStrict);
  CHECK(config->read_only_rootfs);
  CHECK(config->no_new_privs);
  CHECK(config->namespaces.pid == NamespaceMode::kPod);
  CHECK(config->seccomp.kind == ProfileKind::kRuntimeDefault);
  REQUIRE(config->selinux);
  CHECK(config->selinux->level == "s0");
  CHECK(config->masked_paths.size() == 12);
}

TEST_CASE("a block volume is a device of the container, to write to unless its claim is read only") {
  auto pod = Decode(R"x({"metadata":{"name":"p","namespace":"n"},"spec":{
    "volumes":[{"name":"d","persistentVolumeClaim":{"claimName":"c"}},
      {"name":"r","persistentVolumeClaim":{"claimName":"c","readOnly":true}}],
    "containers":[{"name":"c","volumeDevices":[{"name":"d","devicePath":"/dev/d"},{"name":"r","devicePath":"/dev/r"}]}]}})x");
  ContainerInputs inputs;
  inputs.volume_paths["d"].host_path = "/pods/u1/d";
  inputs.volume_paths["r"].host_path = "/pods/u1/r";
  auto config = MakeContainerConfig(pod, pod.spec().containers(0), inputs, Node());
  INFO(config.status());
  REQUIRE(config.ok());
  REQUIRE(config->devices.size() == 2);
  CHECK(config->devices[0].container_path == "/dev/d");
  CHECK(config->devices[0].host_path == "/pods/u1/d");
  CHECK(config->devices[0].permissions == "mrw");
  CHECK(config->devices[1].permissions == "r");
  CHECK(config->mounts.empty());
}

TEST_CASE("the sandbox of a rich pod, field by field") {
  auto pod = Decode(kRich);
  auto config = MakeSandboxConfig(pod, 3, "/kubepods/podu1", Node());
  REQUIRE(config.ok());
  CHECK(config->name == "web");
  CHECK(config->namespace_ == "shop");
  CHECK(config->uid == "u1");
  CHECK(config->attempt == 3);
  CHECK(config->hostname == "web");
  CHECK(config->log_directory == "/var/log/pods/shop_web_u1");
  CHECK(config->cgroup_parent == "/kubepods/podu1");
  REQUIRE(config->port_mappings.size() == 2);
  CHECK(config->port_mappings[0].host_port == 8080);
  CHECK(config->port_mappings[0].host_ip == "127.0.0.1");
  CHECK(config->port_mappings[1].protocol == Protocol::kUdp);
  CHECK(config->labels.at("app") == "w");
  CHECK(config->labels.at(kPodUidLabel) == "u1");
  CHECK(config->annotations.at("note") == "n");
  CHECK(config->annotations.at(kOwnSandboxAnnotation) == "u1");
  CHECK(config->sysctls == StringMap{{"net.ipv4.conf.eth0/1.rp_filter", "1"}});
  CHECK(config->run_as_user == 1000);
  CHECK(config->run_as_group == 2000);
  CHECK(config->namespaces.network == NamespaceMode::kPod);
  CHECK(config->resources.cpu_shares == 256);
  CHECK(config->resources.memory_limit_bytes == 128 << 20);
}

TEST_CASE("without a CPU quota there is no period either") {
  auto pod = Decode(kRich);
  NodeContext node = Node();
  node.cpu_cfs_quota = false;
  auto config = MakeContainerConfig(pod, pod.spec().containers(0), Inputs(), node);
  REQUIRE(config.ok());
  CHECK(config->resources.cpu_quota == 0);
  CHECK(config->resources.cpu_period == 0);
}

TEST_CASE("a limit stands in for a request that is not given, and not for one of zero") {
  struct Row {
    const char* resources;
    int64_t shares;
  };
  auto row = GENERATE(Row{R"({"limits":{"cpu":"500m"}})", 512}, Row{R"({"limits":{"cpu":"500m"},"requests":{"cpu":"0"}})", 2},
                      Row{R"({"requests":{"cpu":"1"}})", 1024}, Row{"{}", 2});
  INFO(row.resources);
  auto pod = Decode(std::string(R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","resources":)") + row.resources + "}]}}");
  auto config = MakeContainerConfig(pod, pod.spec().containers(0), {}, Node());
  REQUIRE(config.ok());
  CHECK(config->resources.cpu_shares == row.shares);
}

TEST_CASE("what cannot be served is said as upstream says it in the container's status") {
  struct Row {
    const char* container;
    const char* text;
  };
  auto row = GENERATE(
      Row{R"({"name":"c","env":[{"name":"E","valueFrom":{"fieldRef":{"fieldPath":"spec.nope"}}}]})", "fieldPath \"spec.nope\""},
      Row{R"({"name":"c","env":[{"name":"E","valueFrom":{"secretKeyRef":{"key":"k"}}}]})", "couldn't find key k in Secret n/"},
      Row{R"({"name":"c","env":[{"name":"E","valueFrom":{"resourceFieldRef":{"resource":"limits.gpu"}}}]})", "unsupported"},
      Row{R"({"name":"c","volumeMounts":[{"name":"gone","mountPath":"/x"}]})", "cannot find volume \"gone\" to mount into container \"c\""},
      Row{R"({"name":"c","volumeDevices":[{"name":"gone","devicePath":"/dev/x"}]})", "cannot find volume \"gone\" to pass into container \"c\""});
  auto pod = Decode(std::string(R"({"metadata":{"name":"p","namespace":"n"},"spec":{"containers":[)") + row.container + "]}}");
  auto config = MakeContainerConfig(pod, pod.spec().containers(0), {}, Node());
  REQUIRE_FALSE(config.ok());
  CHECK(config.status().code() == absl::StatusCode::kFailedPrecondition);
  std::string message = base::Message(config.status());
  INFO(message);
  CHECK(message.find(row.text) == 0);
}

TEST_CASE("who a container runs as: container over pod over image, and never root when it must not be") {
  struct Row {
    const char *pod_sc, *sc;
    std::optional<int64_t> image_uid;
    const char* image_user;
    std::optional<int64_t> uid;
    const char* user;
    const char* error;
  };
  auto row = GENERATE(
      Row{R"({"runAsUser":1})", R"({"runAsUser":2})", 3, "", 2, "", ""},
      Row{R"({"runAsUser":1})", "{}", 3, "", 1, "", ""}, Row{"{}", "{}", 3, "", 3, "", ""},
      Row{"{}", "{}", {}, "nginx", {}, "nginx", ""},
      Row{"{}", "{}", {}, "", 0, "", ""},
      Row{R"({"runAsNonRoot":true})", "{}", {}, "nginx", {}, "",
          "container has runAsNonRoot and image has non-numeric user (nginx), cannot verify user is non-root (pod: "
          "\"p_n(u)\", container: c)"},
      Row{R"({"runAsNonRoot":true})", "{}", {}, "", {}, "",
          "container has runAsNonRoot and image will run as root (pod: \"p_n(u)\", container: c)"},
      Row{R"({"runAsNonRoot":true})", "{}", 0, "", {}, "",
          "container has runAsNonRoot and image will run as root (pod: \"p_n(u)\", container: c)"},
      Row{R"({"runAsNonRoot":true})", "{}", 7, "", 7, "", ""},
      Row{R"({"runAsNonRoot":true})", "{}", -1, "", {}, "",
          "container has runAsNonRoot and image has an invalid user id (-1). (Must be 1-(2147483647)): must be between 0 "
          "and 2147483647, inclusive (pod: \"p_n(u)\", container: c)"},
      Row{R"({"runAsNonRoot":true})", R"({"runAsUser":0})", 7, "", {}, "",
          "container's runAsUser breaks non-root policy (pod: \"p_n(u)\", container: c)"},
      Row{R"({"runAsNonRoot":true,"runAsUser":0})", R"({"runAsUser":5})", {}, "root", 5, "", ""},
      Row{R"({"runAsNonRoot":true})", R"({"runAsNonRoot":false})", 0, "", 0, "", ""});
  INFO(row.pod_sc << " " << row.sc);
  auto pod = Decode(std::string(R"({"metadata":{"name":"p","namespace":"n","uid":"u"},"spec":{"securityContext":)") +
                    row.pod_sc + R"(,"containers":[{"name":"c","securityContext":)" + row.sc + "}]}}");
  ContainerInputs inputs;
  inputs.image_uid = row.image_uid;
  inputs.image_username = row.image_user;
  auto config = MakeContainerConfig(pod, pod.spec().containers(0), inputs, Node());
  CHECK(config.ok() == (*row.error == '\0'));
  if (!config.ok()) {
    CHECK(base::Message(config.status()) == row.error);
    return;
  }
  CHECK(config->run_as_user == row.uid);
  CHECK(config->run_as_username == row.user);
}

TEST_CASE("seccomp and AppArmor: container over pod, annotation between, defaults of the node") {
  struct Row {
    const char *annotations, *pod_sc, *sc;
    bool seccomp_default;
    ProfileKind seccomp;
    const char* seccomp_ref;
    std::optional<ProfileKind> apparmor;
    const char* apparmor_ref;
  };
  using K = ProfileKind;
  auto row = GENERATE(
      Row{"{}", "{}", "{}", false, K::kUnconfined, "", {}, ""},
      Row{"{}", "{}", "{}", true, K::kRuntimeDefault, "", {}, ""},
      Row{R"({"container.apparmor.security.beta.kubernetes.io/c":"nonsense"})",
          R"({"appArmorProfile":{"type":"RuntimeDefault"}})", "{}", false, K::kUnconfined, "", K::kRuntimeDefault, ""},
      Row{R"({"container.apparmor.security.beta.kubernetes.io/c":"runtime/default"})", "{}",
          R"({"appArmorProfile":{"type":"Unconfined"}})", false, K::kUnconfined, "", K::kUnconfined, ""},
      Row{"{}", R"({"seccompProfile":{"type":"Unconfined"},"appArmorProfile":{"type":"Unconfined"}})", "{}", true,
          K::kUnconfined, "", K::kUnconfined, ""},
      Row{"{}", R"({"seccompProfile":{"type":"Unconfined"}})",
          R"({"seccompProfile":{"type":"Localhost","localhostProfile":"p.json"},"appArmorProfile":{"type":"Localhost","localhostProfile":"a"}})",
          true, K::kLocalhost, "/root/seccomp/p.json", K::kLocalhost, "a"},
      Row{R"({"container.apparmor.security.beta.kubernetes.io/c":"localhost/old"})", R"({"appArmorProfile":{"type":"Unconfined"}})",
          "{}", false, K::kUnconfined, "", K::kLocalhost, "old"});
  INFO(row.annotations << row.pod_sc << row.sc);
  auto pod = Decode(std::string(R"({"metadata":{"name":"p","annotations":)") + row.annotations + R"(},"spec":{"securityContext":)" +
                    row.pod_sc + R"(,"containers":[{"name":"c","securityContext":)" + row.sc + "}]}}");
  NodeContext node = Node();
  node.seccomp_default = row.seccomp_default;
  auto config = MakeContainerConfig(pod, pod.spec().containers(0), {}, node);
  REQUIRE(config.ok());
  CHECK(config->seccomp.kind == row.seccomp);
  CHECK(config->seccomp.localhost_ref == row.seccomp_ref);
  REQUIRE(config->apparmor.has_value() == row.apparmor.has_value());
  if (!row.apparmor) return;
  CHECK(config->apparmor->kind == *row.apparmor);
  CHECK(config->apparmor->localhost_ref == row.apparmor_ref);
}

TEST_CASE("what device plugins give comes before what the spec says, whose word counts") {
  auto pod = Decode(
      R"x({"metadata":{"name":"p","namespace":"n"},"spec":{"containers":[{"name":"c","image":"i","args":["$(THING)","$(MINE)"],)x"
      R"x("env":[{"name":"MINE","value":"own"}]}]}})x");
  ContainerInputs inputs = Inputs();
  inputs.devices.envs = {{"MINE", "the plugin's"}, {"THING", "a"}};
  inputs.devices.annotations = {{"example.com/ids", "a"}, {kHashAnnotation, "nonsense"}};
  inputs.devices.mounts.emplace_back();
  inputs.devices.mounts[0].container_path = "/thing";
  inputs.devices.devices = {{"/dev/thing", "/dev/null", "rw"}};
  inputs.devices.cdi_devices = {"example.com/thing=a"};
  auto config = MakeContainerConfig(pod, pod.spec().containers(0), inputs, Node());
  REQUIRE(config.ok());
  CHECK(config->args == std::vector<std::string>{"a", "own"});
  REQUIRE(config->envs.size() >= 2);
  CHECK(config->envs[0] == std::pair<std::string, std::string>("THING", "a"));
  CHECK(std::count_if(config->envs.begin(), config->envs.end(),
                      [](const auto& env) { return env.first == "MINE"; }) == 1);
  CHECK(config->annotations.at("example.com/ids") == "a");
  CHECK(config->annotations.at(kHashAnnotation) != "nonsense");
  REQUIRE(!config->mounts.empty());
  CHECK(config->mounts[0].container_path == "/thing");
  REQUIRE(config->devices.size() == 1);
  CHECK(config->devices[0].host_path == "/dev/null");
  CHECK(config->cdi_devices == std::vector<std::string>{"example.com/thing=a"});
}

}  // namespace
}  // namespace kubelet::runtime
