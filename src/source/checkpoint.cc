#include "source/checkpoint.h"

#include <charconv>
#include <map>

#include "kubelet/base/hash.h"
#include "kubelet/base/status.h"
#include "kubelet/source/manifest.h"

namespace kubelet::source {
namespace {

constexpr char kHeader[] = "kubelet static pod checkpoint 1";
constexpr char kSuffix[] = ".manifest";
constexpr char kUrlSuffix[] = ".pods";

std::string Escape(const std::string& value) {
  std::string out;
  for (unsigned char c : value) {
    if (c < 0x20 || c == '%' || c == 0x7f) {
      constexpr char kDigits[] = "0123456789abcdef";
      out += '%';
      out += kDigits[c >> 4];
      out += kDigits[c & 15];
    } else {
      out += static_cast<char>(c);
    }
  }
  return out;
}

std::string Unescape(std::string_view value) {
  std::string out;
  for (size_t i = 0; i < value.size(); ++i) {
    unsigned code = 0;
    const char* digits = value.data() + i + 1;
    if (value[i] == '%' && i + 2 < value.size() &&
        std::from_chars(digits, digits + 2, code, 16).ptr == digits + 2) {
      out += static_cast<char>(code);
      i += 2;
    } else {
      out += value[i];
    }
  }
  return out;
}

template <typename T>
T Number(const std::string& text) {
  T value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

std::string EncodeCheckpoint(const Checkpoint& c) {
  std::string head = kHeader;
  auto add = [&head](const char* key, const std::string& value) {
    head += std::string("\n") + key + ": " + Escape(value);
  };
  add("source", c.source);
  add("path", c.path);
  add("identity", c.identity_path);
  add("node", c.node_name);
  add("uid", c.uid);
  add("name", c.name);
  add("seen", c.seen);
  add("inode", std::to_string(c.directory.inode));
  add("born", std::to_string(c.directory.born));
  return head + "\nchecksum: " + base::Fnv1a128Hex(head + "\n" + c.text) + "\n\n" + c.text;
}

absl::StatusOr<Checkpoint> DecodeCheckpoint(const std::string& data) {
  std::string_view rest = data;
  auto line = [&rest] {
    size_t end = rest.find('\n');
    std::string_view out = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    return out;
  };
  if (line() != kHeader) return absl::FailedPreconditionError("not a checkpoint of a known format");
  std::map<std::string, std::string> fields;
  size_t head_end = 0;
  for (;;) {
    size_t start = data.size() - rest.size();
    std::string_view text = line();
    if (text.empty()) break;
    size_t colon = text.find(": ");
    if (colon == std::string_view::npos) return absl::DataLossError("damaged header");
    std::string key(text.substr(0, colon));
    if (key == "checksum") head_end = start - 1;
    fields[key] = Unescape(text.substr(colon + 2));
  }
  if (head_end == 0 || fields["checksum"] !=
                           base::Fnv1a128Hex(data.substr(0, head_end) + "\n" + std::string(rest))) {
    return absl::DataLossError("checksum does not match");
  }
  Checkpoint c;
  c.source = fields["source"];
  c.path = fields["path"];
  c.identity_path = fields["identity"];
  c.node_name = fields["node"];
  c.uid = fields["uid"];
  c.name = fields["name"];
  c.seen = fields["seen"];
  c.directory.inode = Number<uint64_t>(fields["inode"]);
  c.directory.born = Number<int64_t>(fields["born"]);
  c.text = std::string(rest);
  return c;
}

std::string CheckpointName(const std::string& path) { return base::Fnv1a128Hex(path) + kSuffix; }

absl::Status SaveCheckpoint(const std::string& directory, const Checkpoint& checkpoint) {
  RETURN_IF_ERROR(os::MakeDirectories(directory, 0700));
  return os::WriteFileAtomic(directory + "/" + CheckpointName(checkpoint.path),
                             EncodeCheckpoint(checkpoint), 0600);
}

absl::Status RemoveCheckpoint(const std::string& directory, const std::string& path) {
  return os::RemoveFile(directory + "/" + CheckpointName(path));
}

absl::StatusOr<LoadedCheckpoints> LoadCheckpoints(const std::string& directory) {
  LoadedCheckpoints out;
  auto listed = os::ListDirectory(directory);
  if (absl::IsNotFound(listed.status())) return out;
  if (!listed.ok()) return listed.status();
  for (const std::string& name : listed->names) {
    std::string file = directory + "/" + name;
    if (name[0] == '.' && name.ends_with(".tmp")) {
      RETURN_IF_ERROR(os::RemoveFile(file));
      continue;
    }
    if (!name.ends_with(kSuffix)) continue;
    auto data = os::ReadRegularFile(file, kMaxManifest + 65536);
    auto checkpoint =
        data.ok() ? DecodeCheckpoint(data->text) : absl::StatusOr<Checkpoint>(data.status());
    if (checkpoint.ok()) {
      out.good.push_back(*std::move(checkpoint));
    } else {
      out.bad.push_back(file + ": " + base::Message(checkpoint.status()));
    }
  }
  return out;
}

absl::Status SaveUrlPods(const std::string& directory, const std::string& url,
                         const std::string& node_name, const std::string& pods) {
  RETURN_IF_ERROR(os::MakeDirectories(directory, 0700));
  Checkpoint checkpoint;
  checkpoint.source = base::Fnv1a128Hex(url);
  checkpoint.node_name = node_name;
  checkpoint.text = pods;
  std::string name = checkpoint.source + kUrlSuffix;
  RETURN_IF_ERROR(os::WriteFileAtomic(directory + "/" + name, EncodeCheckpoint(checkpoint), 0600));
  auto listed = os::ListDirectory(directory);
  if (!listed.ok()) return listed.status();
  for (const std::string& other : listed->names) {
    if (other == name || !other.ends_with(kUrlSuffix)) continue;
    RETURN_IF_ERROR(os::RemoveFile(directory + "/" + other));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> LoadUrlPods(const std::string& directory, const std::string& url,
                                        const std::string& node_name) {
  std::string id = base::Fnv1a128Hex(url);
  auto data = os::ReadRegularFile(directory + "/" + id + kUrlSuffix, 2 * kMaxManifest);
  if (absl::IsNotFound(data.status())) return "";
  if (!data.ok()) return data.status();
  auto checkpoint = DecodeCheckpoint(data->text);
  if (!checkpoint.ok()) return checkpoint.status();
  bool own = checkpoint->source == id && checkpoint->node_name == node_name;
  return own ? checkpoint->text : "";
}

}  // namespace kubelet::source
