// Statuses of containers: why one waits, how often it restarted, how it ended, and what it has.
#include "catch.h"
#include "status/status_case.h"

namespace kubelet::status {
namespace {

TEST_CASE("why a container waits") {
  struct Row {
    WaitingReason reason;
    const char *shown, *message;
  };
  auto row = GENERATE(Row{WaitingReason::kNone, "ContainerCreating", ""},
                      Row{WaitingReason::kContainerCreating, "ContainerCreating", ""},
                      Row{WaitingReason::kErrImagePull, "ErrImagePull", "m"},
                      Row{WaitingReason::kImagePullBackOff, "ImagePullBackOff", "m"},
                      Row{WaitingReason::kCreateContainerConfigError, "CreateContainerConfigError", "m"});
  StatusCase c;
  c.Ready();
  if (row.reason != WaitingReason::kNone) c.input.waiting["c"] = {row.reason, "m"};
  const auto status = c.Get();
  CHECK(status.container_statuses(0).state().waiting().reason() == row.shown);
  CHECK(status.container_statuses(0).state().waiting().message() == row.message);
}

TEST_CASE("a container in its crash back-off waits, and its last exit is the last state") {
  StatusCase c;
  c.Ready();
  c.See("c", ContainerState::kExited, 3, 1);
  c.See("c", ContainerState::kExited, 4, 2);
  c.input.waiting["c"] = {WaitingReason::kCrashLoopBackOff, "back-off 20s"};
  c.input.termination_messages["c2"] = "bye";
  auto s = c.Get().container_statuses(0);
  CHECK(s.restart_count() == 2);
  CHECK(s.state().waiting().reason() == "CrashLoopBackOff");
  CHECK(s.last_state().terminated().exit_code() == 4);
  CHECK(s.last_state().terminated().message() == "bye");
  CHECK(s.container_id() == "containerd://c2");
  c.input.terminating = true;  // no back-off any more: the exit itself
  s = c.Get().container_statuses(0);
  CHECK(s.state().terminated().exit_code() == 4);
  CHECK(s.last_state().terminated().exit_code() == 3);
}

TEST_CASE("a container the runtime has lost keeps its count, and ended unknown if it ran") {
  StatusCase c;
  PodStatus before;
  auto* old = before.add_container_statuses();
  old->set_name("c");
  old->set_restart_count(5);
  old->mutable_state()->mutable_running();
  c.input.previous = &before;
  auto s = c.Get().container_statuses(0);
  CHECK(s.restart_count() == 6);
  CHECK(s.last_state().terminated().exit_code() == 137);
  CHECK(s.last_state().terminated().reason() == "ContainerStatusUnknown");
  // Counted once, however often it is looked at; and what starts then counts on.
  PodStatus again = c.Get();
  c.input.previous = &again;
  CHECK(c.Get().container_statuses(0).restart_count() == 6);
  c.See("c", ContainerState::kRunning, 0, 1);
  CHECK(c.Get().container_statuses(0).restart_count() == 6);
  CHECK(c.Get().container_statuses(0).last_state().terminated().exit_code() == 137);
}

TEST_CASE("a container lost while its pod is deleted counts no restart") {
  StatusCase c;
  PodStatus before;
  auto* old = before.add_container_statuses();
  old->set_name("c");
  old->set_restart_count(5);
  old->mutable_state()->mutable_running();
  c.input.previous = &before;
  c.pod.mutable_metadata()->mutable_deletion_timestamp()->set_seconds(900);
  CHECK(c.Get().container_statuses(0).restart_count() == 5);
}

TEST_CASE("lost init containers: done when a regular container is there") {
  StatusCase c;
  c.Init("i");
  c.Init("s", true);
  c.Ready();
  CHECK(c.Get().init_container_statuses(0).state().has_waiting());
  c.See("c", ContainerState::kRunning);
  auto status = c.Get();
  CHECK(status.init_container_statuses(0).state().terminated().reason() == "Completed");
  CHECK(status.init_container_statuses(0).ready());
  CHECK(status.init_container_statuses(1).state().has_waiting());
}

TEST_CASE("restart counts never go down, from what is shown, remembered or seen") {
  struct Row {
    int before;
    uint32_t attempt;
    int shown;
  };
  auto row = GENERATE(Row{0, 0, 0}, Row{3, 3, 3}, Row{3, 4, 4}, Row{3, 0, 3});
  StatusCase c;
  c.Ready();
  PodStatus before;
  auto* old = before.add_container_statuses();
  old->set_name("c");
  old->set_restart_count(row.before);
  old->set_container_id("containerd://c" + std::to_string(row.attempt));
  old->mutable_state()->mutable_running();
  c.input.previous = &before;
  c.See("c", ContainerState::kRunning, 0, row.attempt);
  CHECK(c.Get().container_statuses(0).restart_count() == row.shown);
}

TEST_CASE("the last state survives the removal of the container that had it") {
  StatusCase c;
  c.Ready();
  PodStatus before;
  auto* old = before.add_container_statuses();
  old->set_name("c");
  old->set_container_id("containerd://older");
  old->mutable_state()->mutable_terminated()->set_exit_code(9);
  c.input.previous = &before;
  c.See("c", ContainerState::kRunning, 0, 1);
  CHECK(c.Get().container_statuses(0).last_state().terminated().exit_code() == 9);
  PodStatus now = c.Get();
  c.input.previous = &now;
  CHECK(c.Get().container_statuses(0).last_state().terminated().exit_code() == 9);
}

TEST_CASE("a container of unknown state that ran ended unknown, once") {
  StatusCase c;
  c.Ready();
  PodStatus before;
  auto* old = before.add_container_statuses();
  old->set_name("c");
  old->set_container_id("containerd://c0");
  old->mutable_state()->mutable_running();
  c.input.previous = &before;
  c.See("c", ContainerState::kUnknown);
  PodStatus now = c.Get();
  CHECK(now.container_statuses(0).state().terminated().exit_code() == 137);
  CHECK(now.container_statuses(0).restart_count() == 1);
  c.input.previous = &now;
  CHECK(c.Get().container_statuses(0).state().terminated().exit_code() == 137);
  CHECK(c.Get().container_statuses(0).restart_count() == 1);
}

TEST_CASE("long termination messages are cut to the share of their container, not inside a character") {
  StatusCase c("Never", {"a", "b"});
  c.Ready();
  c.See("a", ContainerState::kExited, 1);
  std::string text(6143, 'x');
  c.input.termination_messages["a0"] = text + "\xC3\xA4" + text;
  CHECK(c.Get().container_statuses(0).state().terminated().message() == text);
}

TEST_CASE("resources and read-only mounts of a container") {
  StatusCase c;
  c.Ready();
  c.See("c", ContainerState::kRunning);
  auto* spec = c.pod.mutable_spec()->mutable_containers(0);
  for (const char* mode : {"", "Disabled", "IfPossible", "Enabled"}) {
    auto* mount = spec->add_volume_mounts();
    mount->set_name("v");
    mount->set_mount_path(std::string("/") + mode);
    mount->set_read_only(true);
    if (*mode != '\0') mount->set_recursive_read_only(mode);
  }
  auto modes = [&] {
    std::string all;
    auto status = c.Get();
    for (const auto& m : status.container_statuses(0).volume_mounts()) all += m.recursive_read_only().substr(0, 1);
    return all;
  };
  CHECK(modes() == "DDDE");
  runtime::MountStatus mount;
  mount.container_path = "/IfPossible";
  mount.recursive_read_only = true;
  c.observed.containers[0].mounts = {mount};
  CHECK(modes() == "DDEE");
  CHECK(c.Get().container_statuses(0).has_resources());
}

TEST_CASE("health of devices is shown with the container that holds them") {
  StatusCase c("Always", {"a", "b"});
  c.Ready();
  c.See("a", ContainerState::kRunning);
  api::core::ResourceStatus health;
  health.set_name("example.com/thing");
  health.add_resources()->set_resource_id("d1");
  c.input.resource_health["a"] = {health};
  auto status = c.Get();
  REQUIRE(status.container_statuses_size() == 2);
  REQUIRE(status.container_statuses(0).allocated_resources_status_size() == 1);
  CHECK(status.container_statuses(0).allocated_resources_status(0).name() == "example.com/thing");
  CHECK(status.container_statuses(1).allocated_resources_status().empty());
  c.input.resource_health.clear();
  CHECK(c.Get().container_statuses(0).allocated_resources_status().empty());
}

}  // namespace
}  // namespace kubelet::status
