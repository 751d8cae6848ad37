#include "image/pull_records.h"

#include <algorithm>

#include "image/cancelled.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/time.h"
#include "kubelet/base/hash.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/image/reference.h"
#include "kubelet/os/file.h"

namespace kubelet::image {

using base::Task;

namespace {

constexpr char kGroup[] = "kubelet.config.k8s.io/";
constexpr size_t kMaxFile = 4 << 20;
constexpr auto kFileLimit = std::chrono::seconds(10);
constexpr auto kLoadLimit = std::chrono::seconds(60);

std::string Version() { return std::string(kGroup) + "v1beta1"; }
std::string FileName(const std::string& name) { return "sha256-" + base::Sha256Hex(name); }

bool IsOurs(const std::string& name) {
  return name.rfind("sha256-", 0) == 0 &&
         (name.size() < 4 || name.compare(name.size() - 4, 4, ".tmp") != 0);
}

template <typename Message>
absl::Status Decode(const std::string& text, const char* kind, Message& out) {
  api::DecodeOptions strict;
  strict.strict = true;
  RETURN_IF_ERROR(api::DecodeJson(text, out, strict));
  bool known =
      out.api_version() == Version() || out.api_version() == std::string(kGroup) + "v1alpha1";
  if (out.kind() == kind && known) return absl::OkStatus();
  return absl::InvalidArgumentError("it is a " + out.kind() + " of " + out.api_version());
}

template <typename Message>
std::string Encode(Message message, const char* kind) {
  message.set_kind(kind);
  message.set_api_version(Version());
  return api::EncodeJson(message) + "\n";
}

// What lies in one directory; files of an older version are written anew.
template <typename Message>
struct Read {
  std::vector<Message> found;
  std::set<std::string> unreadable;
};
template <typename Message>
Read<Message> ReadAll(const std::string& dir, const char* kind) {
  Read<Message> out;
  auto directory = os::ListDirectory(dir);
  if (!directory.ok()) return out;
  for (const auto& name : directory->names) {
    if (!IsOurs(name)) continue;
    const std::string path = dir + "/" + name;
    auto file = os::ReadRegularFile(path, kMaxFile);
    Message message;
    absl::Status status = file.status();
    if (file.ok()) status = Decode(file->text, kind, message);
    if (!status.ok()) {
      LOG_WARNING("Cannot read a record of image pulls", "file", path, "err", status);
      out.unreadable.insert(name);
      continue;
    }
    if (message.api_version() != Version()) {
      auto moved = os::WriteFileAtomic(path, Encode(message, kind), 0600);
      if (!moved.ok())
        LOG_WARNING("Cannot renew a record of image pulls", "file", path, "err", moved);
    }
    // Memory needs them once.
    message.clear_kind();
    message.clear_api_version();
    out.found.push_back(std::move(message));
  }
  return out;
}

struct Loaded {
  Read<files::ImagePullIntent> intents;
  Read<files::ImagePulledRecord> records;
};

absl::StatusOr<std::shared_ptr<Loaded>> ReadDirectories(const std::string& dir) {
  RETURN_IF_ERROR(os::MakeDirectories(dir + "/pulling", 0700));
  RETURN_IF_ERROR(os::MakeDirectories(dir + "/pulled", 0700));
  auto out = std::make_shared<Loaded>();
  out->intents = ReadAll<files::ImagePullIntent>(dir + "/pulling", "ImagePullIntent");
  out->records = ReadAll<files::ImagePulledRecord>(dir + "/pulled", "ImagePulledRecord");
  return out;
}

bool HashesMatch(const files::ImagePullSecret& known, const Credential& credential) {
  return !known.credential_hash().empty() && known.credential_hash() == credential.hash;
}

bool SameSecret(const files::ImagePullSecret& known, const CredentialSource& source) {
  return known.uid() == source.uid && known.namespace_() == source.namespace_ &&
         known.name() == source.name;
}

}  // namespace

PullRecords::PullRecords(Deps deps, VerifyOptions options)
    : deps_(std::move(deps)),
      options_(std::move(options)),
      writer_(deps_.executor, deps_.clock, 1) {
  if (deps_.metrics == nullptr) return;
  auto& metrics = *deps_.metrics;
  checks_ = &metrics.AddCounter(
      "kubelet_imagemanager_image_mustpull_checks_total",
      "Counter for how many times kubelet checked whether credentials need to be "
      "re-verified to access an image",
      {"result"});
  intents_shown_ = &metrics.AddGauge("kubelet_imagemanager_ondisk_pullintents",
                                     "Number of ImagePullIntents stored on disk.");
  records_shown_ = &metrics.AddGauge("kubelet_imagemanager_ondisk_pulledrecords",
                                     "Number of ImagePulledRecords stored on disk.");
}

void PullRecords::Count(const char* result) {
  if (checks_ != nullptr) checks_->With({result}).Add();
}

void PullRecords::ShowSizes() {
  if (intents_shown_ == nullptr) return;
  intents_shown_->Only().Set(static_cast<double>(pulling_.size() + leftovers_.size()));
  records_shown_->Only().Set(static_cast<double>(records_.size()));
}

const files::ImagePulledRecord* PullRecords::Find(const std::string& id) const {
  auto it = records_.find(id);
  return it == records_.end() ? nullptr : &it->second;
}

Task<void> PullRecords::Load() {
  auto permit = co_await writer_.Acquire();
  if (loaded_) co_return;
  std::function<absl::StatusOr<std::shared_ptr<Loaded>>()> read = [dir = options_.dir] {
    return ReadDirectories(dir);
  };
  auto loaded =
      co_await deps_.pool.Run<std::shared_ptr<Loaded>>("pull records", kLoadLimit, std::move(read));
  co_await StopIfCancelled();
  if (!loaded.ok()) {
    LOG_ERROR("Cannot read the records of image pulls; images are pulled anew", "dir", options_.dir,
              "err", loaded.status());
    co_return;
  }
  loaded_ = true;
  for (const auto& intent : (*loaded)->intents.found) leftovers_.insert(intent.image());
  for (auto& record : (*loaded)->records.found) {
    std::string id = record.image_ref();
    records_[id] = std::move(record);
  }
  unreadable_ = std::move((*loaded)->records.unreadable);
  ShowSizes();
}

Task<void> PullRecords::Adopt(std::vector<runtime::Image> images) {
  std::map<std::string, std::string> intents;  // full reference -> as written
  for (const auto& image : leftovers_) intents[FullReference(image)] = image;
  for (const auto& image : images) {
    for (const auto* names : {&image.repo_tags, &image.repo_digests}) {
      for (const auto& name : *names) {
        auto it = intents.find(FullReference(name));
        if (it == intents.end()) continue;
        const std::string written = it->second;
        files::ImagePullCredentials nobody;
        if (Remember(written, image.id, nobody)) {
          auto saved = co_await SaveRecord(image.id);
          co_await StopIfCancelled();
          if (!saved.ok()) continue;
        }
        leftovers_.erase(written);
        auto removed = co_await SaveIntent(written);
        co_await StopIfCancelled();
        if (!removed.ok())
          LOG_WARNING("Cannot remove a pull intent", "image", written, "err", removed);
      }
    }
  }
  ShowSizes();
}

PullRecords::Verdict PullRecords::Check(const std::string& image, const std::string& id) {
  auto decide = [this](Verdict verdict, const char* result) {
    Count(result);
    return verdict;
  };
  const auto* record = Find(id);
  bool unknown = !loaded_ && options_.policy != VerifyPolicy::kNever;
  if (record == nullptr && (unknown || unreadable_.contains(FileName(id))))
    return decide(Verdict::kPull, "error");
  bool ours = record != nullptr || pulling_.contains(image) || leftovers_.contains(image);
  if (!MustVerify(options_, image, ours)) return decide(Verdict::kUse, "credentialPolicyAllowed");
  if (record == nullptr) return decide(Verdict::kPull, "mustAuthenticate");
  auto known = record->credential_mapping().find(WithoutTag(image));
  if (known == record->credential_mapping().end())
    return decide(Verdict::kPull, "mustAuthenticate");
  if (known->second.node_pods_accessible()) return decide(Verdict::kUse, "credentialRecordFound");
  bool any = known->second.kubernetes_secrets_size() > 0 ||
             known->second.kubernetes_service_accounts_size() > 0;
  return any ? Verdict::kAskCredentials : decide(Verdict::kPull, "mustAuthenticate");
}

Task<bool> PullRecords::CheckCredentials(std::string image, std::string id,
                                         std::vector<Credential> credentials) {
  const auto* record = Find(id);
  files::ImagePullCredentials known;
  if (record != nullptr) {
    auto it = record->credential_mapping().find(WithoutTag(image));
    if (it != record->credential_mapping().end()) known = it->second;
  }
  bool room = static_cast<size_t>(known.kubernetes_secrets_size()) < kMostRemembered;
  for (const auto& credential : credentials) {
    bool found = false, remember = false;
    if (credential.source.kind == CredentialSource::Kind::kSecret) {
      for (const auto& secret : known.kubernetes_secrets()) {
        bool same_hash = HashesMatch(secret, credential),
             same_secret = SameSecret(secret, credential.source);
        if (!same_hash && !(same_secret && room)) continue;
        found = true;
        remember = same_hash != same_secret && room;
        break;
      }
    } else if (credential.source.kind == CredentialSource::Kind::kServiceAccount) {
      const auto& source = credential.source;
      for (const auto& account : known.kubernetes_service_accounts()) {
        found =
            found || (account.uid() == source.uid && account.namespace_() == source.namespace_ &&
                      account.name() == source.name);
      }
    }
    if (!found) continue;
    Count("credentialRecordFound");
    if (remember && Remember(image, id, ToPullCredentials(&credential))) {
      auto saved = co_await SaveRecord(id);
      if (!saved.ok()) LOG_WARNING("Cannot write a pull record", "image", image, "err", saved);
    }
    co_return true;
  }
  Count("mustAuthenticate");
  co_return false;
}

// True when the record is another than before.
bool PullRecords::Remember(const std::string& image, const std::string& id,
                           const files::ImagePullCredentials& more) {
  auto [it, created] = records_.try_emplace(id);
  auto& record = it->second;
  bool nothing = !more.node_pods_accessible() && more.kubernetes_secrets().empty() &&
                 more.kubernetes_service_accounts().empty();
  bool changed = created;
  if (created) record.set_image_ref(id);
  if (!nothing)
    changed = MergeCredentials(more, (*record.mutable_credential_mapping())[WithoutTag(image)]) ||
              changed;
  if (changed) *record.mutable_last_updated_time() = api::ToTime(deps_.clock.Now());
  if (changed) unreadable_.erase(FileName(id));
  ShowSizes();
  return changed;
}

Task<absl::Status> PullRecords::Intend(std::string image) {
  ++pulling_[image];
  ShowSizes();
  auto saved = co_await SaveIntent(image);
  if (saved.ok()) co_return saved;
  if (--pulling_[image] <= 0) pulling_.erase(image);
  ShowSizes();
  co_return base::Annotate(saved, "failed to record image pull intent");
}

Task<void> PullRecords::Pulled(std::string image, std::string id,
                               files::ImagePullCredentials credentials) {
  if (Remember(image, id, credentials)) {
    auto saved = co_await SaveRecord(id);
    co_await StopIfCancelled();
    if (!saved.ok()) {
      // The intent stays, so that the image still counts as pulled by us.
      LOG_ERROR("Cannot write a pull record", "image", image, "id", id, "err", saved);
      co_return;
    }
  }
  co_await Failed(image);
}

Task<void> PullRecords::Failed(std::string image) {
  auto it = pulling_.find(image);
  if (it == pulling_.end() || --it->second > 0) co_return;
  pulling_.erase(it);
  leftovers_.erase(image);
  auto removed = co_await SaveIntent(image);
  co_await StopIfCancelled();
  if (!removed.ok()) LOG_WARNING("Cannot remove a pull intent", "image", image, "err", removed);
  ShowSizes();
}

Task<void> PullRecords::Prune(std::set<std::string> ids, base::WallTime until) {
  std::vector<std::string> gone;
  for (const auto& [id, record] : records_) {
    auto updated = api::ToWallTime(record.last_updated_time());
    if (!ids.contains(id) && (!updated || *updated < until)) gone.push_back(id);
  }
  for (const auto& id : gone) {
    records_.erase(id);
    auto removed = co_await SaveRecord(id);
    co_await StopIfCancelled();
    if (!removed.ok()) LOG_WARNING("Cannot remove a pull record", "id", id, "err", removed);
  }
  if (!gone.empty()) ShowSizes();
}

Task<absl::Status> PullRecords::SaveRecord(std::string id) {
  auto permit = co_await writer_.Acquire();
  std::string text;
  if (const auto* record = Find(id)) text = Encode(*record, "ImagePulledRecord");
  std::string path = options_.dir + "/pulled/" + FileName(id);
  auto status = co_await Store(std::move(path), std::move(text));
  co_return status;
}

Task<absl::Status> PullRecords::SaveIntent(std::string image) {
  auto permit = co_await writer_.Acquire();
  std::string text;
  if (pulling_.contains(image) || leftovers_.contains(image)) {
    files::ImagePullIntent intent;
    intent.set_image(image);
    text = Encode(intent, "ImagePullIntent");
  }
  std::string path = options_.dir + "/pulling/" + FileName(image);
  auto status = co_await Store(std::move(path), std::move(text));
  co_return status;
}

// Empty: no file.
Task<absl::Status> PullRecords::Store(std::string path, std::string text) {
  std::function<absl::Status()> work = [path = std::move(path), text = std::move(text)] {
    if (text.empty()) return os::RemoveFile(path);
    RETURN_IF_ERROR(os::MakeDirectories(os::DirName(path), 0700));
    return os::WriteFileAtomic(path, text, 0600);
  };
  auto status = co_await deps_.pool.RunStatus("pull records", kFileLimit, std::move(work));
  co_return status;
}

}  // namespace kubelet::image
