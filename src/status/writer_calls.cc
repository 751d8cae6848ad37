// The calls of StatusWriter: what is to be done next for a pod, and doing it.
#include <algorithm>
#include <utility>

#include "k8s/meta/v1/meta.pb.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/status/writer.h"
#include "status/merge.h"
#include "status/patch.h"
#include "status/writer_entry.h"

namespace kubelet::status {

using api::core::Pod;
using api::core::PodStatus;
using client::ApiQueue;

StatusWriter::Step StatusWriter::Next(const Entry& entry) const {
  Step step;
  step.version = entry.version;
  if (!entry.server || entry.deleted) return step;
  const ServerView& server = *entry.server;
  step.uid = server.uid;
  step.base = server.version;
  PodStatus have = ParseStatus(server.status);
  PodStatus wanted = entry.wanted ? ParseStatus(*entry.wanted) : have;
  if (entry.finished && !entry.IsStatic() && !IsTerminal(wanted.phase()))
    wanted.set_phase("Failed");
  if (server.mirror && server.terminal && !IsTerminal(wanted.phase())) {
    step.kind = Step::Kind::kOutlived;
    return step;
  }
  MergeRules rules{entry.MayBeTerminal(), deps_.clock.Now()};
  auto patch = StatusPatch(server.uid, have, Merge(have, std::move(wanted), rules));
  if (!patch.ok()) {
    step.kind = Step::Kind::kInvalid;
    step.patch = base::Message(patch.status());
  } else if (!patch->empty()) {
    step.kind = Step::Kind::kPatch;
    step.patch = *std::move(patch);
  } else if (entry.Deletable()) {
    step.kind = Step::Kind::kDelete;
  }
  return step;
}

// The entry, while the server's pod is still the one that was meant; null otherwise.
StatusWriter::Entry* StatusWriter::Find(const std::string& key, const std::string& server_uid) {
  auto it = entries_.find(key);
  if (it == entries_.end() || !it->second->server) return nullptr;
  return it->second->server->uid == server_uid ? it->second.get() : nullptr;
}

base::Task<ApiQueue::Result> StatusWriter::Write(std::string key) {
  ApiQueue::Result result;
  auto it = entries_.find(key);
  if (it == entries_.end() || (!it->second->wanted && !it->second->finished)) co_return result;
  Step step = Next(*it->second);
  switch (step.kind) {
    case Step::Kind::kPatch: {
      result.asked = true;
      base::Task<absl::Status> patch = Patch(key, step);
      result.status = co_await std::move(patch);
      break;
    }
    case Step::Kind::kDelete: {
      result.asked = true;
      base::Task<absl::Status> remove = Delete(key, step.uid);
      result.status = co_await std::move(remove);
      break;
    }
    case Step::Kind::kOutlived:
      if (deps_.on_outlived_mirror) deps_.on_outlived_mirror(step.uid);
      break;
    case Step::Kind::kInvalid:
      it->second->problem = step.patch;
      break;
    case Step::Kind::kNothing:
      it->second->written = step.version;
      it->second->unsure = false;
      break;
  }
  co_return result;
}

// A conflict mostly means that the pod is another one by now. If it is not, it is tried once more
// against what the server has.
base::Task<absl::Status> StatusWriter::Patch(std::string key, Step step) {
  base::Task<absl::Status> first = PatchOnce(key, step);
  absl::Status status = co_await std::move(first);
  if (status.code() != absl::StatusCode::kAborted) co_return status;
  base::Task<absl::Status> refresh = Refresh(key, step.uid);
  status = co_await std::move(refresh);
  Entry* entry = Find(key, step.uid);
  if (!status.ok() || entry == nullptr) co_return status;
  Step again = Next(*entry);
  if (again.kind != Step::Kind::kPatch) co_return status;
  base::Task<absl::Status> second = PatchOnce(key, again);
  co_return co_await std::move(second);
}

base::Task<absl::Status> StatusWriter::PatchOnce(std::string key, Step step) {
  Entry* entry = Find(key, step.uid);
  if (entry == nullptr) co_return absl::OkStatus();
  client::Call call = client::PodCall(client::Call::Verb::kPatch, entry->namespace_, entry->name,
                                      options_.call_timeout);
  call.path.subresource = "status";
  call.patch = step.patch;
  Pod answer;
  base::Task<absl::Status> task = deps_.api.Do(std::move(call), &answer);
  absl::Status status = co_await std::move(task);
  if (!status.ok()) co_return Failed(key, step.uid, status);
  Written(key, step, answer);
  co_return absl::OkStatus();
}

void StatusWriter::Written(const std::string& key, const Step& step, const Pod& answer) {
  Entry* entry = Find(key, step.uid);
  if (entry == nullptr) return;
  ServerView view = ViewOf(answer);
  // The watch may have been faster: then it has shown this write, or somebody's after it. If it was
  // not, the answer counts whatever its version: an etcd may have been restored from a backup.
  bool overtaken = entry->server->version != step.base;
  if (!overtaken || view.version == 0 || view.version > entry->server->version) {
    entry->server = std::move(view);
  } else if (view.version < entry->server->version) {
    Suspect(*entry);
  }
  entry->problem.clear();
  entry->written = step.version;
  if (durations_ != nullptr) {
    std::chrono::duration<double> took = deps_.clock.Mono() - entry->changed_at;
    durations_->Observe(took.count());
  }
  entry->changed_at = deps_.clock.Mono();
  bool unsure = std::exchange(entry->unsure, false);
  if (unsure || entry->written != entry->version || entry->Deletable()) Queue(key, *entry);
}

base::Task<absl::Status> StatusWriter::Refresh(std::string key, std::string uid) {
  Entry* entry = Find(key, uid);
  if (entry == nullptr) co_return absl::OkStatus();
  uint64_t base = entry->server->version;
  client::Call call = client::PodCall(client::Call::Verb::kGet, entry->namespace_, entry->name,
                                      options_.call_timeout);
  Pod answer;
  base::Task<absl::Status> task = deps_.api.Do(std::move(call), &answer);
  absl::Status status = co_await std::move(task);
  if (!status.ok()) co_return Failed(key, uid, status);
  entry = Find(key, uid);
  if (entry == nullptr) co_return absl::OkStatus();
  News news = entry->server->version == base ? News::kWhole : News::kEvent;
  if (answer.metadata().uid() == uid && KeyOf(answer) == key) {
    Note(key, answer, news);
  } else {
    LOG_INFO("Pod was deleted and made again, its status waits for the watch", "pod",
             api::PodKey(answer), "oldPodUID", uid, "podUID", answer.metadata().uid());
    DropServer(key, 0);
  }
  co_return absl::OkStatus();
}

base::Task<absl::Status> StatusWriter::Delete(std::string key, std::string uid) {
  Entry* entry = Find(key, uid);
  if (entry == nullptr) co_return absl::OkStatus();
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
  if (!gone) co_return Failed(key, uid, status);
  if (Entry* now = Find(key, uid)) {
    now->deleted = true;  // the watch will say so; finalizers are not ours to wait for
    now->problem.clear();
    now->written = now->version;
  }
  co_return absl::OkStatus();
}

// What a refusal means for the pod, and for the queue: OK when there is nothing to try again.
absl::Status StatusWriter::Failed(const std::string& key, const std::string& uid,
                                  const absl::Status& status) {
  Entry* entry = Find(key, uid);
  if (entry == nullptr) return absl::OkStatus();
  if (status.code() == absl::StatusCode::kNotFound) {
    DropServer(key, 0);
    return absl::OkStatus();
  }
  if (status.code() == absl::StatusCode::kAborted) return status;
  if (status.code() == absl::StatusCode::kInvalidArgument) {
    if (!entry->rejected) {
      LOG_ERROR("The API server refuses the pod's status", "pod",
                entry->namespace_ + "/" + entry->name, "podUID", key, "err", status);
    }
    entry->rejected = true;
  }
  bool answered = client::ErrorOf(status).has_value();
  if (!answered) entry->unsure = true;
  entry->problem = "status not written: " + base::Message(status);
  return status;
}

}  // namespace kubelet::status
