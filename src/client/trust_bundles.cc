#include "kubelet/client/trust_bundles.h"

#include <algorithm>
#include <random>

#include "client/pem.h"
#include "k8s/certificates/v1alpha1/certificates.pb.h"
#include "kubelet/base/status.h"

namespace kubelet::client {

using base::Task;

namespace {

namespace alpha = ::k8s::io::api::certificates::v1alpha1;
namespace beta = ::k8s::io::api::certificates::v1beta1;

constexpr base::Nanos kSyncTimeout = std::chrono::seconds(2);

Resource BundlesOf(const char* version) {
  return Resource{"certificates.k8s.io", version, "clustertrustbundles", false};
}

// One type for both versions: they have the same fields.
MessagePtr AsBeta(MessagePtr object) {
  if (object->GetDescriptor() == beta::ClusterTrustBundle::descriptor()) return object;
  auto out = std::make_shared<beta::ClusterTrustBundle>();
  if (!out->ParseFromString(object->SerializeAsString())) return nullptr;
  return out;
}

// splitmix64 over FNV: order, not secrecy.
uint64_t Mixed(const std::string& bytes, uint64_t seed) {
  uint64_t hash = 0xcbf29ce484222325ULL ^ seed;
  for (unsigned char c : bytes) hash = (hash ^ c) * 0x100000001b3ULL;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9ULL;
  return hash ^ (hash >> 27);
}

}  // namespace

absl::StatusOr<bool> Matches(const api::meta::LabelSelector& selector,
                             const google::protobuf::Map<std::string, std::string>& labels) {
  for (const auto& [key, value] : selector.match_labels()) {
    auto it = labels.find(key);
    if (it == labels.end() || it->second != value) return false;
  }
  for (const auto& wanted : selector.match_expressions()) {
    auto it = labels.find(wanted.key());
    bool there = it != labels.end();
    bool listed = there && std::find(wanted.values().begin(), wanted.values().end(), it->second) !=
                               wanted.values().end();
    const std::string& op = wanted.operator_();
    bool good = false;
    if (op == "In") {
      good = listed;
    } else if (op == "NotIn") {
      good = !listed;
    } else if (op == "Exists") {
      good = there;
    } else if (op == "DoesNotExist") {
      good = !there;
    } else {
      return absl::InvalidArgumentError("\"" + op + "\" is not a valid label selector operator");
    }
    if (!good) return false;
  }
  return true;
}

std::string NormalizeAnchors(const std::vector<std::string>& bundles, uint64_t seed) {
  std::set<std::string> unique;
  for (const auto& text : bundles)
    for (auto& block : PemBlocks(text)) unique.insert(std::move(block));
  std::vector<std::pair<uint64_t, const std::string*>> order;
  for (const auto& block : unique) order.emplace_back(Mixed(block, seed), &block);
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : *a.second < *b.second;
  });
  std::string out;
  for (const auto& [key, block] : order) out += PemText("CERTIFICATE", *block);
  return out;
}

TrustBundles::TrustBundles(Reflector::Deps deps, std::function<void(const std::string&)> on_change)
    : deps_(std::move(deps)),
      on_change_(std::move(on_change)),
      seed_(std::random_device{}() | uint64_t{std::random_device{}()} << 32) {}

TrustBundles::~TrustBundles() { *alive_ = false; }

// Chooses the version that the server has, and begins to watch.
Task<absl::Status> TrustBundles::Open() {
  for (const char* version : {"v1beta1", "v1alpha1"}) {
    if (bundles_) co_return absl::OkStatus();
    bool is_beta = version[2] == 'b';
    Call call;
    call.verb = Call::Verb::kList;
    call.path.resource = BundlesOf(version);
    call.query.emplace_back("limit", "1");
    call.timeout = kSyncTimeout;
    std::unique_ptr<google::protobuf::Message> list;
    if (is_beta) {
      list = std::make_unique<beta::ClusterTrustBundleList>();
    } else {
      list = std::make_unique<alpha::ClusterTrustBundleList>();
    }
    auto alive = alive_;
    auto status = co_await deps_.api.Do(std::move(call), list.get());
    if (!*alive) co_return absl::CancelledError("ended");
    if (absl::IsNotFound(status)) continue;
    if (!status.ok()) co_return base::Annotate(status, "cannot list ClusterTrustBundles");
    if (bundles_) co_return absl::OkStatus();
    Reflector::Options options;
    options.path.resource = BundlesOf(version);
    options.item = is_beta ? static_cast<const google::protobuf::Message*>(
                                 &beta::ClusterTrustBundle::default_instance())
                           : &alpha::ClusterTrustBundle::default_instance();
    options.list = is_beta ? static_cast<const google::protobuf::Message*>(
                                 &beta::ClusterTrustBundleList::default_instance())
                           : &alpha::ClusterTrustBundleList::default_instance();
    Collection::Hooks hooks;
    hooks.keep = AsBeta;
    hooks.on_change = [this](const std::string&, const std::string& name) { Changed(name); };
    hooks.on_synced = [this] {
      for (const auto& object : bundles_->All()) {
        const auto& bundle = static_cast<const Bundle&>(*object);
        signers_[bundle.metadata().name()] = bundle.spec().signer_name();
      }
    };
    bundles_ = std::make_unique<Collection>(deps_, std::move(options), std::move(hooks));
    bundles_->Start();
    co_return absl::OkStatus();
  }
  co_return absl::FailedPreconditionError(
      "the API server has no clustertrustbundles.certificates.k8s.io");
}

Task<absl::StatusOr<std::string>> TrustBundles::Get(
    std::string pod_uid, api::core::ClusterTrustBundleProjection source) {
  if (!source.has_name() && !source.has_signer_name())
    co_return absl::InvalidArgumentError(
        "ClusterTrustBundle projection requires either name or signerName to be set");
  std::pair<std::string, std::string> shown;
  shown.first = source.name();
  if (!source.has_name()) shown.second = source.signer_name();
  pods_[pod_uid].insert(shown);
  auto alive = alive_;
  if (!bundles_) {
    auto opened = co_await Open();
    if (!opened.ok()) co_return opened;
  }
  if (!*alive || !bundles_) co_return absl::UnavailableError("ended meanwhile");
  bundles_->Start();
  bool synced = co_await bundles_->WaitSynced(kSyncTimeout);
  if (!*alive || !bundles_ || !synced)
    co_return absl::UnavailableError("ClusterTrustBundle informer has not yet synced");
  co_return Select(source);
}

absl::StatusOr<std::string> TrustBundles::Select(
    const api::core::ClusterTrustBundleProjection& source) const {
  std::vector<std::string> texts;
  if (source.has_name()) {
    auto found = std::static_pointer_cast<const Bundle>(bundles_->Find("", source.name()));
    if (found) texts.push_back(found->spec().trust_bundle());
    if (!found && !source.optional())
      return absl::FailedPreconditionError(
          "while getting ClusterTrustBundle: clustertrustbundle.certificates.k8s.io \"" +
          source.name() + "\" not found");
    return NormalizeAnchors(texts, seed_);
  }
  for (const auto& object : bundles_->All()) {
    const auto& bundle = static_cast<const Bundle&>(*object);
    // Absent takes nothing, empty takes everything.
    if (bundle.spec().signer_name() != source.signer_name() || !source.has_label_selector())
      continue;
    ASSIGN_OR_RETURN(bool takes, Matches(source.label_selector(), bundle.metadata().labels()));
    if (takes) texts.push_back(bundle.spec().trust_bundle());
  }
  if (texts.empty() && !source.optional())
    return absl::FailedPreconditionError(
        "combination of signerName and labelSelector matched zero ClusterTrustBundles");
  return NormalizeAnchors(texts, seed_);
}

void TrustBundles::Changed(const std::string& name) {
  auto bundle = std::static_pointer_cast<const Bundle>(bundles_->Find("", name));
  std::set<std::string> signers;
  if (auto it = signers_.find(name); it != signers_.end()) signers.insert(it->second);
  if (bundle) {
    signers.insert(bundle->spec().signer_name());
    signers_[name] = bundle->spec().signer_name();
  } else {
    signers_.erase(name);
  }
  std::vector<std::string> told;
  for (const auto& [uid, shown] : pods_) {
    bool any = std::any_of(shown.begin(), shown.end(), [&](const auto& one) {
      return one.second.empty() ? one.first == name : signers.contains(one.second);
    });
    if (any) told.push_back(uid);
  }
  for (const auto& uid : told) on_change_(uid);
}

void TrustBundles::ForgetPod(const std::string& uid) {
  if (pods_.erase(uid) == 0 || !pods_.empty()) return;
  bundles_.reset();
  signers_.clear();
}

}  // namespace kubelet::client
