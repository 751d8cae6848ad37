// Ranges of ids: where they come from, and how they are written down.
#include <pwd.h>
#include <unistd.h>

#include <charconv>
#include <sstream>
#include <vector>

#include "kubelet/api/codec.h"
#include "kubelet/base/process.h"
#include "kubelet/base/status.h"
#include "kubelet/resource/user_namespaces.h"
#include "kubelet/resource/user_namespaces.pb.h"

namespace kubelet::resource {
namespace {

constexpr char kUser[] = "kubelet";
constexpr uint64_t kAllIds = uint64_t{1} << 32;
constexpr uint64_t kUnit = 65536;

absl::StatusOr<uint64_t> Number(const std::string& text) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value >= kAllIds)
    return absl::FailedPreconditionError("`" + text + "` is no id");
  return value;
}

std::string Trimmed(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  size_t first = text.find_first_not_of('\n');
  return first == std::string::npos ? "" : text.substr(first);
}

absl::StatusOr<bool> UserExists() {
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> buffer(1 << 14);
  int error = getpwnam_r(kUser, &entry, buffer.data(), buffer.size(), &found);
  if (error != 0 && error != ENOENT && error != ESRCH)
    return base::ErrnoStatus(error, std::string("look up user ") + kUser);
  return found != nullptr;
}

// NotFound: there is no such program.
absl::StatusOr<std::string> GetSubIds(const std::vector<std::string>& args, const char* what) {
  auto result = base::RunProcess("getsubids", args, {}, std::chrono::seconds(10));
  if (absl::IsNotFound(result.status())) return result.status();
  absl::Status status = result.status();
  if (result.ok() && result->exit_code != 0)
    status = absl::FailedPreconditionError("exit code " + std::to_string(result->exit_code) + " " +
                                           result->err);
  if (status.ok()) return result->out;
  return base::Annotate(
      status, std::string("error retrieving additional ") + what + " for user \"" + kUser + "\"");
}

}  // namespace

IdRange DefaultIdRange(uint32_t ids_per_pod) { return {ids_per_pod, kAllIds - ids_per_pod}; }

absl::StatusOr<IdRange> ParseSubIds(const std::string& uids, const std::string& gids) {
  if (uids != gids) {
    return absl::FailedPreconditionError(std::string("mismatched subuids and subgids for user \"") +
                                         kUser + "\"");
  }
  std::string line = Trimmed(uids);
  if (line.find('\n') != std::string::npos)
    return absl::FailedPreconditionError("error parsing line \"" + uids +
                                         "\": it must contain only one line");
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  if (words.size() != 4) return absl::FailedPreconditionError("invalid line \"" + uids + "\"");
  auto parsing = [&](const absl::Status& status) {
    return base::Annotate(status, "error parsing line \"" + uids + "\"");
  };
  auto first = Number(words[2]), length = Number(words[3]);
  if (!first.ok()) return parsing(first.status());
  if (!length.ok()) return parsing(length.status());
  return IdRange{*first, *length};
}

absl::Status CheckIdRange(const IdRange& range, uint32_t ids_per_pod, int max_pods) {
  auto refuse = [](const std::string& text) { return absl::FailedPreconditionError(text); };
  const std::string per_pod = std::to_string(ids_per_pod), first = std::to_string(range.first),
                    length = std::to_string(range.length);
  if (ids_per_pod == 0 || ids_per_pod % kUnit != 0)
    return refuse("kubelet user namespace length " + per_pod + " is not a multiple of 65536");
  if (range.first % ids_per_pod != 0)
    return refuse("kubelet user assigned ID " + first + " is not a multiple of " + per_pod);
  if (range.first < ids_per_pod)
    return refuse("kubelet user assigned ID " + first + " must be greater or equal to " + per_pod);
  if (range.length % ids_per_pod != 0)
    return refuse("kubelet user assigned IDs length " + length + " is not a multiple of " +
                  per_pod);
  if (range.first + range.length > kAllIds)
    return refuse("kubelet user assigned IDs end beyond the last ID");
  if (range.length / ids_per_pod < static_cast<uint64_t>(std::max(max_pods, 1)))
    return refuse("kubelet user assigned IDs are not enough to support " +
                  std::to_string(max_pods) + " pods");
  return absl::OkStatus();
}

// A name service that does not answer looks like one without an entry: so the user is asked for
// first, and when it is there its ids have to be, too.
absl::StatusOr<IdRange> FindIdRange(uint32_t ids_per_pod) {
  ASSIGN_OR_RETURN(bool exists, UserExists());
  if (!exists) return DefaultIdRange(ids_per_pod);
  auto uids = GetSubIds({kUser}, "uids");
  if (absl::IsNotFound(uids.status())) return DefaultIdRange(ids_per_pod);
  if (!uids.ok()) return uids.status();
  ASSIGN_OR_RETURN(std::string gids, GetSubIds({"-g", kUser}, "gids"));
  return ParseSubIds(*uids, gids);
}

std::string EncodeIdFile(const IdRange& block) {
  UserNamespaceFile file;
  for (auto* entry : {file.add_uid_mappings(), file.add_gid_mappings()}) {
    entry->set_host_id(static_cast<int64_t>(block.first));
    entry->set_container_id(0);
    entry->set_length(static_cast<int64_t>(block.length));
  }
  return api::EncodeJson(file);
}

absl::StatusOr<IdRange> DecodeIdFile(const std::string& text) {
  UserNamespaceFile file;
  auto refuse = [](const std::string& why) { return absl::InvalidArgumentError(why); };
  auto decoded = api::DecodeJson(text, file);
  if (!decoded.ok()) return base::Annotate(decoded, "invalid user namespace mappings file");
  const std::string prefix = "invalid user namespace configuration: ";
  if (file.uid_mappings_size() != 1) return refuse(prefix + "no more than one mapping allowed");
  if (file.gid_mappings_size() != 1)
    return refuse(prefix + "GID and UID mappings should be identical");
  const auto& uids = file.uid_mappings(0);
  const auto& gids = file.gid_mappings(0);
  if (uids.host_id() != gids.host_id() || uids.container_id() != gids.container_id() ||
      uids.length() != gids.length())
    return refuse(prefix + "GID and UID mapping should be identical");
  if (uids.container_id() != 0) return refuse(prefix + "UID 0 must be mapped");
  auto end = static_cast<int64_t>(kAllIds);
  // The node's own root is never lent.
  if (uids.host_id() <= 0 || uids.length() <= 0 || uids.host_id() >= end ||
      uids.length() > end - uids.host_id())
    return refuse(prefix + "no range of ids");
  return IdRange{static_cast<uint64_t>(uids.host_id()), static_cast<uint64_t>(uids.length())};
}

}  // namespace kubelet::resource
