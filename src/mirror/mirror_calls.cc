// The calls of MirrorPods: one full name brought to where it should be, step by step.
#include <utility>

#include "kubelet/api/pod.h"
#include "kubelet/api/validation.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/mirror/mirror_pods.h"

namespace kubelet::mirror {

using api::core::Pod;
using client::ApiQueue;

namespace {

// Delete, create, found in the way, delete, create: what one run may take. More waits for its turn.
constexpr int kSteps = 6;

}  // namespace

base::Task<ApiQueue::Result> MirrorPods::Run(std::string full_name) {
  ApiQueue::Result result;
  for (int i = 0; result.status.ok(); ++i) {
    if (i == kSteps) {
      result.status = absl::AbortedError("the mirror pod changes as fast as it is made");
      break;
    }
    Entry* entry = Find(full_name);
    if (entry == nullptr) break;
    Action action = Decide(full_name, *entry);
    if (action == Action::kNothing) {
      entry->problem.clear();
      break;
    }
    result.asked = true;
    base::Task<absl::Status> step = action == Action::kDelete   ? Delete(full_name)
                                    : action == Action::kCreate ? Create(full_name)
                                                                : Ask(full_name);
    result.status = co_await std::move(step);
  }
  co_return result;
}

base::Task<absl::Status> MirrorPods::Delete(std::string full_name) {
  Entry* entry = Find(full_name);
  std::string uid = entry->mirror->uid;
  LOG_INFO("Deleting a mirror pod", "pod", entry->namespace_ + "/" + entry->name, "podUID", uid);
  client::Call call = client::PodCall(client::Call::Verb::kDelete, entry->namespace_, entry->name,
                                      options_.call_timeout);
  auto options = std::make_shared<api::meta::DeleteOptions>();
  options->set_grace_period_seconds(0);
  options->mutable_preconditions()->set_uid(uid);
  call.body = options;
  base::Task<absl::Status> task = deps_.api.Do(std::move(call), nullptr);
  absl::Status status = co_await std::move(task);
  bool gone = status.ok() || status.code() == absl::StatusCode::kNotFound ||
              status.code() == absl::StatusCode::kAborted;
  if (!gone) co_return Blocked(full_name, status);
  entry = Find(full_name);
  if (entry != nullptr && entry->mirror && entry->mirror->uid == uid) {
    entry->mirror.reset();
    entry->dead_uid = uid;
  }
  co_return absl::OkStatus();
}

std::shared_ptr<Pod> MirrorPods::MakeMirror(const Pod& pod) const {
  auto mirror = std::make_shared<Pod>();
  // A mirror that names a ConfigMap or Secret is refused; those of static pods are local files.
  *mirror = api::WithoutObjectReferences(pod);
  mirror->clear_status();
  auto* meta = mirror->mutable_metadata();
  (*meta->mutable_annotations())[api::kConfigMirror] = api::Annotation(pod, api::kConfigHash);
  meta->clear_owner_references();
  auto* owner = meta->add_owner_references();
  owner->set_api_version("v1");
  owner->set_kind("Node");
  owner->set_name(deps_.node_name);
  owner->set_uid(node_uid_);
  owner->set_controller(true);
  return mirror;
}

base::Task<absl::Status> MirrorPods::Create(std::string full_name) {
  Entry* entry = Find(full_name);
  LOG_INFO("Creating a mirror pod for static pod", "pod", api::PodKey(*entry->wanted), "podUID",
           entry->wanted->metadata().uid());
  client::Call call =
      client::PodCall(client::Call::Verb::kCreate, entry->namespace_, "", options_.call_timeout);
  call.body = MakeMirror(*entry->wanted);
  Pod answer;
  base::Task<absl::Status> task = deps_.api.Do(std::move(call), &answer);
  absl::Status status = co_await std::move(task);
  entry = Find(full_name);
  if (status.code() == absl::StatusCode::kAlreadyExists && entry != nullptr) {
    base::Task<absl::Status> ask = Ask(full_name);
    co_return co_await std::move(ask);
  }
  if (!status.ok()) co_return Blocked(full_name, status);
  if (entry != nullptr) Note(*entry, answer, From::kAnswer);
  co_return absl::OkStatus();
}

// What stands under the name: a mirror pod (ours, or one to be deleted), nothing, or what stays in
// the way.
base::Task<absl::Status> MirrorPods::Ask(std::string full_name) {
  Entry* entry = Find(full_name);
  uint64_t before = entry->mirror ? entry->mirror->version : 0;
  client::Call call = client::PodCall(client::Call::Verb::kGet, entry->namespace_, entry->name,
                                      options_.call_timeout);
  Pod found;
  base::Task<absl::Status> task = deps_.api.Do(std::move(call), &found);
  absl::Status status = co_await std::move(task);
  entry = Find(full_name);
  if (entry == nullptr) co_return absl::OkStatus();
  bool fresh = (entry->mirror ? entry->mirror->version : 0) == before;
  if (status.code() == absl::StatusCode::kNotFound) {
    if (entry->mirror && (fresh || !entry->mirror->seen)) entry->mirror.reset();
    co_return absl::OkStatus();
  }
  if (status.code() == absl::StatusCode::kPermissionDenied) {
    // The node may read its own pods only (Node authorizer): it is another node's.
    co_return Blocked(
        full_name,
        absl::AlreadyExistsError("a pod of this name that is not of this node stands in the way"));
  }
  if (!status.ok()) co_return Blocked(full_name, status);
  const std::string& uid = found.metadata().uid();
  if (!api::IsMirror(found) || found.spec().node_name() != deps_.node_name) {
    co_return Blocked(
        full_name, absl::AlreadyExistsError("a pod of this name that is no mirror pod (uid " + uid +
                                            ") stands in the way"));
  }
  if (uid == entry->dead_uid && found.metadata().has_deletion_timestamp()) {
    co_return Blocked(full_name,
                      absl::AlreadyExistsError("the mirror pod before it (uid " + uid +
                                               ") is deleted, but its finalizers are not done"));
  }
  // Deleted by us, and alive: the server's etcd was restored from a backup.
  if (uid == entry->dead_uid) entry->dead_uid.clear();
  Note(*entry, found, fresh ? From::kFreshAnswer : From::kAnswer);
  if (entry->mirror) entry->mirror->doubt = false;
  co_return absl::OkStatus();
}

absl::Status MirrorPods::Blocked(const std::string& full_name, const absl::Status& why) {
  Entry* entry = Find(full_name);
  if (entry == nullptr) return absl::OkStatus();
  std::string problem = "no mirror pod: " + base::Message(why);
  bool news = entry->problem != problem;
  bool away = why.code() == absl::StatusCode::kUnavailable;
  if (news && !away)
    LOG_ERROR("Mirror pod waits", "pod", entry->namespace_ + "/" + entry->name, "err", why);
  entry->problem = problem;
  return why;
}

}  // namespace kubelet::mirror
