#include "cri/convert.h"

#include <set>

#include "catch.h"

namespace kubelet::cri {
namespace {

// Names of fields, through all messages below, that have no value; lists count when they have an
// element.
void Unset(const google::protobuf::Message& message, const std::string& prefix,
           std::set<std::string>& out) {
  const auto* reflection = message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const auto* field = message.GetDescriptor()->field(i);
    std::string name = prefix + field->name();
    bool set = field->is_repeated() ? reflection->FieldSize(message, field) > 0
                                    : reflection->HasField(message, field);
    if (!set) {
      out.insert(name);
    } else if (field->is_map() ||
               field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) {
      continue;
    } else if (field->is_repeated()) {
      Unset(reflection->GetRepeatedMessage(message, field, 0), name + ".", out);
    } else {
      Unset(reflection->GetMessage(message, field), name + ".", out);
    }
  }
}

std::set<std::string> Unset(const google::protobuf::Message& message) {
  std::set<std::string> out;
  Unset(message, "", out);
  return out;
}

runtime::LinuxResources FullResources() {
  runtime::LinuxResources r;
  r.cpu_period = 1;
  r.cpu_quota = 2;
  r.cpu_shares = 3;
  r.memory_limit_bytes = 4;
  r.memory_swap_limit_bytes = 5;
  r.oom_score_adj = -6;
  r.cpuset_cpus = "0-3";
  r.cpuset_mems = "1";
  r.hugepage_limits = {{"2MB", 7}};
  r.unified = {{"memory.oom.group", "1"}};
  return r;
}

runtime::Namespaces FullNamespaces() {
  return {runtime::NamespaceMode::kNode, runtime::NamespaceMode::kTarget,
          runtime::NamespaceMode::kNode, {runtime::NamespaceMode::kPod, {{131072, 1, 65536}}}, "abc"};
}

runtime::SandboxConfig FullSandbox() {
  runtime::SandboxConfig c;
  c.name = "web";
  c.namespace_ = "shop";
  c.uid = "u-1";
  c.attempt = 3;
  c.hostname = "web-0";
  c.log_directory = "/var/log/pods/x";
  c.dns_servers = {"10.0.0.10"};
  c.dns_searches = {"svc.cluster.local"};
  c.dns_options = {"ndots:5"};
  c.port_mappings = {{runtime::Protocol::kSctp, 80, 8080, "1.2.3.4"}};
  c.labels = {{"l", "1"}};
  c.annotations = {{"a", "2"}};
  c.cgroup_parent = "/kubepods/pod1";
  c.sysctls = {{"net.x", "1"}};
  c.namespaces = FullNamespaces();
  c.run_as_user = 0;  // zero is a value
  c.run_as_group = 5;
  c.supplemental_groups = {7, 8};
  c.supplemental_groups_policy = runtime::SupplementalGroupsPolicy::kStrict;
  c.selinux = runtime::SELinux{"u", "r", "t", "l"};
  c.privileged = true;
  c.read_only_rootfs = true;
  c.seccomp = {runtime::ProfileKind::kLocalhost, "/p.json"};
  c.resources = FullResources();
  c.overhead = FullResources();
  return c;
}

runtime::ContainerConfig FullContainer() {
  runtime::ContainerConfig c;
  c.name = "app";
  c.attempt = 2;
  c.image = "sha256:1";
  c.user_specified_image = "nginx:1";
  c.image_annotations = {{"i", "1"}};
  c.command = {"a"};
  c.args = {"b"};
  c.working_dir = "/w";
  c.envs = {{"K", "v\xff"}};
  runtime::Mount m;
  m.container_path = "/c";
  m.host_path = "/h";
  m.read_only = m.selinux_relabel = m.recursive_read_only = true;
  m.propagation = runtime::MountPropagation::kBidirectional;
  m.image = "vol:1";
  m.image_sub_path = "sub";
  c.mounts = {m};
  c.devices = {{"/dev/c", "/dev/h", "rwm"}};
  c.cdi_devices = {"vendor.com/gpu=0"};
  c.labels = {{"l", "1"}};
  c.annotations = {{"a", "2"}};
  c.log_path = "app/2.log";
  c.stdin_open = c.stdin_once = c.tty = true;
  c.resources = FullResources();
  c.add_capabilities = {"NET_ADMIN"};
  c.drop_capabilities = {"ALL"};
  c.privileged = c.read_only_rootfs = c.no_new_privs = true;
  c.namespaces = FullNamespaces();
  c.selinux = runtime::SELinux{"u", "r", "t", "l"};
  c.run_as_user = 1000;
  c.run_as_group = 1001;
  c.run_as_username = "bob";
  c.supplemental_groups = {7};
  c.supplemental_groups_policy = runtime::SupplementalGroupsPolicy::kStrict;
  c.masked_paths = {"/proc/kcore"};
  c.readonly_paths = {"/proc/sys"};
  c.seccomp = {runtime::ProfileKind::kLocalhost, "/p.json"};
  c.apparmor = runtime::SecurityProfile{runtime::ProfileKind::kLocalhost, "prof"};
  c.stop_signal = "SIGUSR1";
  return c;
}

TEST_CASE("every field of a sandbox configuration reaches CRI") {
  auto proto = ToProto(FullSandbox());
  const std::string security = "linux.security_context.";
  CHECK(Unset(proto) ==
        std::set<std::string>{"windows", security + "apparmor", security + "seccomp_profile_path",
                              // POD is the first of the modes
                              security + "namespace_options.userns_options.mode",
                              security + "run_as_user.value"});  // zero, but present
  CHECK(proto.metadata().name() == "web");
  CHECK(proto.metadata().namespace_() == "shop");
  CHECK(proto.metadata().uid() == "u-1");
  CHECK(proto.metadata().attempt() == 3);
  CHECK(proto.port_mappings(0).protocol() == v1::SCTP);
  CHECK(proto.port_mappings(0).container_port() == 80);
  CHECK(proto.port_mappings(0).host_port() == 8080);
  CHECK(proto.linux().security_context().namespace_options().pid() == v1::TARGET);
  CHECK(proto.linux().security_context().namespace_options().network() == v1::NODE);
  CHECK(proto.linux().security_context().supplemental_groups_policy() == v1::Strict);
  CHECK(proto.linux().security_context().supplemental_groups(1) == 8);
  CHECK(proto.linux().security_context().seccomp().localhost_ref() == "/p.json");
  CHECK(proto.linux().security_context().selinux_options().level() == "l");
}

TEST_CASE("every field of a container configuration reaches CRI") {
  auto proto = ToProto(FullContainer());
  const std::string security = "linux.security_context.";
  CHECK(Unset(proto) ==
        std::set<std::string>{
            "windows", "image.image_ref", "image.runtime_handler", "mounts.image.annotations", "mounts.image.image_ref",
            "mounts.image.runtime_handler", "mounts.image.user_specified_image",
            security + "capabilities.add_ambient_capabilities",
            security + "namespace_options.userns_options.mode", security + "seccomp_profile_path"});
  CHECK(proto.image().image() == "sha256:1");
  CHECK(proto.image().user_specified_image() == "nginx:1");
  CHECK(proto.envs(0).value() == "v\xff");  // bytes, not text
  CHECK(proto.mounts(0).propagation() == v1::PROPAGATION_BIDIRECTIONAL);
  CHECK(proto.mounts(0).host_path() == "/h");
  CHECK(proto.mounts(0).container_path() == "/c");
  CHECK(proto.mounts(0).image().image() == "vol:1");
  CHECK(proto.cdi_devices(0).name() == "vendor.com/gpu=0");
  CHECK(proto.stop_signal() == v1::SIGNAL_SIGUSR1);
  CHECK(proto.linux().security_context().run_as_user().value() == 1000);
  CHECK(proto.linux().security_context().run_as_group().value() == 1001);
  const auto& user = proto.linux().security_context().namespace_options().userns_options();
  CHECK(user.mode() == v1::POD);
  CHECK(user.uids(0).host_id() == 131072);
  CHECK(user.gids(0).length() == 65536);
  CHECK(proto.mounts(0).uidmappings(0).host_id() == 131072);
  CHECK(proto.mounts(0).gidmappings(0).container_id() == 1);
}

TEST_CASE("what is not set stays absent") {
  auto sandbox = ToProto(runtime::SandboxConfig{});
  CHECK_FALSE(sandbox.linux().security_context().has_run_as_user());
  CHECK_FALSE(sandbox.linux().security_context().has_run_as_group());
  CHECK_FALSE(sandbox.linux().security_context().has_selinux_options());
  CHECK(sandbox.linux().security_context().seccomp().profile_type() ==
        v1::SecurityProfile::RuntimeDefault);
  auto container = ToProto(runtime::ContainerConfig{});
  const auto& user = container.linux().security_context().namespace_options().userns_options();
  CHECK(user.mode() == v1::NODE);
  CHECK(user.uids().empty());
  CHECK_FALSE(container.linux().security_context().has_run_as_user());
  CHECK(container.linux().security_context().seccomp().profile_type() ==
        v1::SecurityProfile::Unconfined);
  CHECK(container.stop_signal() == v1::SIGNAL_RUNTIME_DEFAULT);
}

TEST_CASE("AppArmor is sent when a profile is asked for, and then twice") {
  struct Case {
    std::optional<runtime::SecurityProfile> profile;
    bool sent;
    v1::SecurityProfile::ProfileType type;
    std::string ref, deprecated;
  };
  const std::vector<Case> cases = {
      {{}, false, v1::SecurityProfile::RuntimeDefault, "", ""},
      {runtime::SecurityProfile{runtime::ProfileKind::kRuntimeDefault, ""},
       true,
       v1::SecurityProfile::RuntimeDefault,
       "",
       "runtime/default"},
      {runtime::SecurityProfile{runtime::ProfileKind::kUnconfined, ""},
       true,
       v1::SecurityProfile::Unconfined,
       "",
       "unconfined"},
      {runtime::SecurityProfile{runtime::ProfileKind::kLocalhost, "p"},
       true,
       v1::SecurityProfile::Localhost,
       "p",
       "localhost/p"},
      {runtime::SecurityProfile{runtime::ProfileKind::kUnconfined, "junk"},
       true,
       v1::SecurityProfile::Unconfined,
       "",
       "unconfined"},
  };
  for (const auto& c : cases) {
    runtime::ContainerConfig config;
    config.apparmor = c.profile;
    auto proto = ToProto(config);
    const auto& security = proto.linux().security_context();
    CAPTURE(c.deprecated);
    CHECK(security.has_apparmor() == c.sent);
    CHECK(security.apparmor().profile_type() == c.type);
    CHECK(security.apparmor().localhost_ref() == c.ref);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    CHECK(security.apparmor_profile() == c.deprecated);
#pragma GCC diagnostic pop
  }
}

TEST_CASE("resources survive both ways") {
  CHECK(FromProto(ToProto(FullResources())) == FullResources());
  CHECK(FromProto(ToProto(runtime::LinuxResources{})) == runtime::LinuxResources{});
}

TEST_CASE("stop signals have the API's names on our side and CRI's numbers on the other") {
  struct Case {
    std::string name;
    v1::Signal signal;
  };
  const std::vector<Case> cases = {{"", v1::SIGNAL_RUNTIME_DEFAULT},
                                   {"SIGTERM", v1::SIGNAL_SIGTERM},
                                   {"SIGRTMIN", v1::SIGNAL_SIGRTMIN},
                                   {"SIGRTMIN+15", v1::SIGNAL_SIGRTMINPLUS15},
                                   {"SIGRTMAX-14", v1::SIGNAL_SIGRTMAXMINUS14}};
  for (const auto& c : cases) {
    CAPTURE(c.name);
    CHECK(SignalFromName(c.name) == c.signal);
    CHECK(SignalName(c.signal) == c.name);
  }
  CHECK(SignalFromName("SIGRTMINPLUS3") == v1::SIGNAL_SIGRTMINPLUS3);
  CHECK(SignalFromName("SIGNOTHING") == v1::SIGNAL_RUNTIME_DEFAULT);
  CHECK(SignalName(static_cast<v1::Signal>(999)).empty());
}

TEST_CASE("a container status is read completely") {
  v1::ContainerStatus proto;
  proto.set_id("c1");
  proto.mutable_metadata()->set_name("app");
  proto.mutable_metadata()->set_attempt(4);
  proto.set_state(v1::CONTAINER_EXITED);
  proto.set_created_at(10);
  proto.set_started_at(20);
  proto.set_finished_at(30);
  proto.set_exit_code(-1);
  proto.mutable_image()->set_image("nginx:1");
  proto.set_image_ref("ref");
  proto.set_image_id("id");
  proto.set_reason("OOMKilled");
  proto.set_message("m");
  (*proto.mutable_labels())["l"] = "1";
  (*proto.mutable_annotations())["a"] = "2";
  proto.set_log_path("/log");
  auto* mount = proto.add_mounts();
  mount->set_container_path("/c");
  mount->set_host_path("/h");
  mount->set_readonly(true);
  mount->set_recursive_read_only(true);
  *proto.mutable_resources()->mutable_linux() = ToProto(FullResources());
  proto.mutable_user()->mutable_linux()->set_uid(1);
  proto.mutable_user()->mutable_linux()->set_gid(2);
  proto.mutable_user()->mutable_linux()->add_supplemental_groups(3);
  proto.set_stop_signal(v1::SIGNAL_SIGINT);
  auto status = FromProto(proto);
  CHECK(status.id.str() == "c1");
  CHECK(status.name == "app");
  CHECK(status.attempt == 4);
  CHECK(status.state == runtime::ContainerState::kExited);
  CHECK(base::UnixNanos(status.created_at) == 10);
  CHECK(base::UnixNanos(status.started_at) == 20);
  CHECK(base::UnixNanos(status.finished_at) == 30);
  CHECK(status.exit_code == -1);
  CHECK(status.image == "nginx:1");
  CHECK(status.image_ref == "ref");
  CHECK(status.image_id == "id");
  CHECK(status.reason == "OOMKilled");
  CHECK(status.message == "m");
  CHECK(status.labels == runtime::StringMap{{"l", "1"}});
  CHECK(status.annotations == runtime::StringMap{{"a", "2"}});
  CHECK(status.log_path == "/log");
  REQUIRE(status.mounts.size() == 1);
  CHECK(status.mounts[0].container_path == "/c");
  CHECK(status.mounts[0].host_path == "/h");
  CHECK(status.mounts[0].read_only);
  CHECK(status.mounts[0].recursive_read_only);
  CHECK(status.resources == FullResources());
  REQUIRE(status.user.has_value());
  CHECK(status.user->uid == 1);
  CHECK(status.user->gid == 2);
  CHECK(status.user->supplemental_groups == std::vector<int64_t>{3});
  CHECK(status.stop_signal == "SIGINT");

  auto empty = FromProto(v1::ContainerStatus());
  CHECK_FALSE(empty.resources.has_value());
  CHECK_FALSE(empty.user.has_value());
  CHECK(base::UnixNanos(empty.started_at) == 0);
}

TEST_CASE("states that are newer than this code are the careful ones") {
  v1::Container container;
  container.set_state(static_cast<v1::ContainerState>(77));
  CHECK(FromProto(container).state == runtime::ContainerState::kUnknown);
  v1::PodSandbox sandbox;
  sandbox.set_state(static_cast<v1::PodSandboxState>(77));
  CHECK(FromProto(sandbox).state == runtime::SandboxState::kNotReady);
}

TEST_CASE("a sandbox status carries its addresses and network mode") {
  v1::PodSandboxStatus proto;
  proto.set_id("s");
  proto.mutable_metadata()->set_uid("u");
  proto.set_state(v1::SANDBOX_READY);
  proto.set_created_at(5);
  proto.mutable_network()->set_ip("10.0.0.1");
  proto.mutable_network()->add_additional_ips()->set_ip("fd00::1");
  proto.mutable_linux()->mutable_namespaces()->mutable_options()->set_network(v1::NODE);
  auto status = FromProto(proto);
  CHECK(status.sandbox.id.str() == "s");
  CHECK(status.sandbox.uid == "u");
  CHECK(status.sandbox.state == runtime::SandboxState::kReady);
  CHECK(base::UnixNanos(status.sandbox.created_at) == 5);
  CHECK(status.ip == "10.0.0.1");
  CHECK(status.additional_ips == std::vector<std::string>{"fd00::1"});
  CHECK(status.network == runtime::NamespaceMode::kNode);
}

TEST_CASE("runtime status, images, filesystems and events are read") {
  v1::StatusResponse status;
  auto* condition = status.mutable_status()->add_conditions();
  condition->set_type("NetworkReady");
  condition->set_reason("NoCni");
  condition->set_message("no network");
  auto* handler = status.add_runtime_handlers();
  handler->set_name("kata");
  handler->mutable_features()->set_user_namespaces(true);
  status.mutable_features()->set_supplemental_groups_policy(true);
  auto read = FromProto(status);
  REQUIRE(read.conditions.size() == 1);
  CHECK(read.conditions[0].type == "NetworkReady");
  CHECK_FALSE(read.conditions[0].status);
  CHECK(read.conditions[0].reason == "NoCni");
  CHECK(read.conditions[0].message == "no network");
  REQUIRE(read.handlers.size() == 1);
  CHECK(read.handlers[0].name == "kata");
  CHECK(read.handlers[0].user_namespaces);
  CHECK_FALSE(read.handlers[0].recursive_read_only_mounts);
  CHECK(read.supplemental_groups_policy);

  v1::Image image;
  image.set_id("sha256:1");
  image.add_repo_tags("a:1");
  image.add_repo_digests("a@sha256:2");
  image.set_size(9);
  image.mutable_uid()->set_value(0);
  image.set_username("bob");
  image.set_pinned(true);
  auto read_image = FromProto(image);
  CHECK(read_image.id == "sha256:1");
  CHECK(read_image.repo_tags == std::vector<std::string>{"a:1"});
  CHECK(read_image.repo_digests == std::vector<std::string>{"a@sha256:2"});
  CHECK(read_image.size_bytes == 9);
  CHECK(read_image.uid == 0);
  CHECK(read_image.username == "bob");
  CHECK(read_image.pinned);
  CHECK_FALSE(FromProto(v1::Image()).uid.has_value());

  v1::FilesystemUsage usage;
  usage.set_timestamp(3);
  usage.mutable_fs_id()->set_mountpoint("/m");
  usage.mutable_used_bytes()->set_value(4);
  usage.mutable_inodes_used()->set_value(5);
  auto read_usage = FromProto(usage);
  CHECK(base::UnixNanos(read_usage.timestamp) == 3);
  CHECK(read_usage.mountpoint == "/m");
  CHECK(read_usage.used_bytes == 4);
  CHECK(read_usage.inodes_used == 5);

  v1::ContainerStats stats;
  stats.mutable_attributes()->set_id("c1");
  CHECK_FALSE(FromProto(stats).layer);
  CHECK_FALSE(FromProto(stats).cpu);
  CHECK_FALSE(FromProto(stats).memory);
  *stats.mutable_writable_layer() = usage;
  stats.mutable_cpu()->set_timestamp(6);
  stats.mutable_cpu()->mutable_usage_core_nano_seconds()->set_value(7);
  stats.mutable_memory()->set_timestamp(8);
  stats.mutable_memory()->mutable_working_set_bytes()->set_value(9);
  CHECK_FALSE(FromProto(stats).cpu->nano_cores);
  CHECK_FALSE(FromProto(stats).memory->available);
  stats.mutable_cpu()->mutable_usage_nano_cores()->set_value(10);
  stats.mutable_memory()->mutable_usage_bytes()->set_value(11);
  stats.mutable_memory()->mutable_rss_bytes()->set_value(12);
  stats.mutable_memory()->mutable_page_faults()->set_value(13);
  stats.mutable_memory()->mutable_major_page_faults()->set_value(14);
  stats.mutable_memory()->mutable_available_bytes()->set_value(15);
  stats.mutable_swap()->mutable_swap_usage_bytes()->set_value(16);
  auto read_stats = FromProto(stats);
  CHECK(read_stats.container == runtime::ContainerId("c1"));
  CHECK(read_stats.layer->used_bytes == 4);
  CHECK(base::UnixNanos(read_stats.cpu->at) == 6);
  CHECK(read_stats.cpu->used_ns == 7);
  CHECK(read_stats.cpu->nano_cores == 10);
  CHECK(base::UnixNanos(read_stats.memory->at) == 8);
  CHECK(read_stats.memory->working_set == 9);
  CHECK(read_stats.memory->usage == 11);
  CHECK(read_stats.memory->rss == 12);
  CHECK(read_stats.memory->page_faults == 13);
  CHECK(read_stats.memory->major_page_faults == 14);
  CHECK(read_stats.memory->available == 15);
  CHECK(read_stats.swap == 16);

  v1::ContainerEventResponse event;
  event.set_container_id("c");
  event.set_container_event_type(v1::CONTAINER_STOPPED_EVENT);
  event.mutable_pod_sandbox_status()->mutable_metadata()->set_uid("u");
  event.mutable_pod_sandbox_status()->mutable_metadata()->set_name("n");
  event.mutable_pod_sandbox_status()->mutable_metadata()->set_namespace_("ns");
  auto read_event = FromProto(event);
  CHECK(read_event.kind == runtime::RuntimeEventKind::kStopped);
  CHECK(read_event.container_id == "c");
  CHECK(read_event.pod_uid == "u");
  CHECK(read_event.pod_name == "n");
  CHECK(read_event.pod_namespace == "ns");
}

}  // namespace
}  // namespace kubelet::cri
