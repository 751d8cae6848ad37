#include "server/profile_proto.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <zlib.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>

namespace kubelet::server {
namespace {

// Protocol buffers' wire form, as far as it is needed.
class Message {
 public:
  void Number(int field, uint64_t value) {
    if (value == 0) return;
    Varint(static_cast<uint64_t>(field) << 3);
    Varint(value);
  }
  void Bytes(int field, const std::string& value) {
    Varint(static_cast<uint64_t>(field) << 3 | 2);
    Varint(value.size());
    out_ += value;
  }
  template <typename Number>
  void Packed(int field, const std::vector<Number>& values) {
    Message inner;
    for (auto value : values) inner.Varint(static_cast<uint64_t>(value));
    Bytes(field, inner.out_);
  }
  const std::string& out() const { return out_; }

 private:
  void Varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_ += static_cast<char>(value | 0x80);
    out_ += static_cast<char>(value);
  }
  std::string out_;
};

class Strings {
 public:
  Strings() { Of(""); }
  uint64_t Of(const std::string& text) {
    auto [it, fresh] = index_.emplace(text, list_.size());
    if (fresh) list_.push_back(text);
    return it->second;
  }
  const std::vector<std::string>& list() const { return list_; }

 private:
  std::map<std::string, uint64_t> index_;
  std::vector<std::string> list_;
};

std::string ValueType(Strings& strings, const std::pair<std::string, std::string>& type) {
  Message out;
  out.Number(1, strings.Of(type.first));
  out.Number(2, strings.Of(type.second));
  return out.out();
}

// Locations and functions, numbered as they come.
class Places {
 public:
  Places(const Profile& profile, Strings& strings, std::string (*names)(uint64_t))
      : profile_(profile), strings_(strings), names_(names) {}
  uint64_t Of(const ProfileFrame& frame) {
    auto [it, fresh] =
        locations_.emplace(std::make_pair(frame.address, frame.name), locations_.size() + 1);
    if (!fresh) return it->second;
    Message location;
    location.Number(1, it->second);
    for (size_t i = 0; i < profile_.mappings.size(); ++i) {
      const auto& m = profile_.mappings[i];
      if (frame.address >= m.start && frame.address < m.limit) location.Number(2, i + 1);
    }
    location.Number(3, frame.address);
    std::string name = frame.name;
    if (name.empty() && names_ != nullptr) name = names_(frame.address);
    if (!name.empty()) {
      Message line;
      line.Number(1, Function(name));
      location.Bytes(4, line.out());
    }
    encoded_.push_back(location.out());
    return it->second;
  }
  void Write(Message& out) const {
    for (const auto& text : encoded_) out.Bytes(4, text);
    for (const auto& text : encoded_functions_) out.Bytes(5, text);
  }

 private:
  uint64_t Function(const std::string& name) {
    auto [it, fresh] = functions_.emplace(name, functions_.size() + 1);
    if (!fresh) return it->second;
    Message function;
    function.Number(1, it->second);
    function.Number(2, strings_.Of(name));
    function.Number(3, strings_.Of(name));
    encoded_functions_.push_back(function.out());
    return it->second;
  }
  const Profile& profile_;
  Strings& strings_;
  std::string (*names_)(uint64_t);
  std::map<std::pair<uint64_t, std::string>, uint64_t> locations_;
  std::map<std::string, uint64_t> functions_;
  std::vector<std::string> encoded_, encoded_functions_;
};

std::string HexText(const unsigned char* data, size_t size) {
  std::string out;
  char text[3];
  for (size_t i = 0; i < size; ++i) {
    snprintf(text, sizeof text, "%02x", data[i]);
    out += text;
  }
  return out;
}

// The build id among the notes of one loaded object.
std::string BuildId(const dl_phdr_info* info) {
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& header = info->dlpi_phdr[i];
    if (header.p_type != PT_NOTE) continue;
    const auto* at = reinterpret_cast<const unsigned char*>(info->dlpi_addr + header.p_vaddr);
    const auto* end = at + header.p_memsz;
    while (at + sizeof(ElfW(Nhdr)) <= end) {
      ElfW(Nhdr) note;
      std::memcpy(&note, at, sizeof note);
      const auto* name = at + sizeof note;
      const auto* text = name + ((note.n_namesz + 3) & ~3u);
      if (text + note.n_descsz > end) break;
      if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && std::memcmp(name, "GNU", 4) == 0)
        return HexText(text, note.n_descsz);
      at = text + ((note.n_descsz + 3) & ~3u);
    }
  }
  return "";
}

struct Search {
  uint64_t address;
  std::string id;
};

int Visit(dl_phdr_info* info, size_t, void* data) {
  auto& search = *static_cast<Search*>(data);
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& header = info->dlpi_phdr[i];
    uint64_t start = info->dlpi_addr + header.p_vaddr;
    if (header.p_type != PT_LOAD || search.address < start ||
        search.address >= start + header.p_memsz)
      continue;
    search.id = BuildId(info);
    return 1;
  }
  return 0;
}

}  // namespace

std::vector<ProfileMapping> ProcessMappings() {
  std::vector<ProfileMapping> out;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    unsigned long start = 0, limit = 0, offset = 0;
    char permissions[8] = {};
    int path = 0;
    int fields = std::sscanf(line.c_str(), "%lx-%lx %7s %lx %*s %*s %n", &start, &limit,
                             permissions, &offset, &path);
    if (fields < 4 || std::strchr(permissions, 'x') == nullptr || path == 0) continue;
    ProfileMapping m{start, limit, offset, line.substr(static_cast<size_t>(path)), ""};
    Search search{start, ""};
    dl_iterate_phdr(Visit, &search);
    m.build_id = search.id;
    out.push_back(std::move(m));
  }
  return out;
}

std::string EncodeProfile(const Profile& profile, std::string (*names)(uint64_t)) {
  Strings strings;
  Places places(profile, strings, names);
  Message out;
  for (const auto& type : profile.types) out.Bytes(1, ValueType(strings, type));
  for (const auto& sample : profile.samples) {
    std::vector<uint64_t> ids;
    for (const auto& frame : sample.stack) ids.push_back(places.Of(frame));
    Message text;
    text.Packed(1, ids);
    text.Packed(2, sample.values);
    out.Bytes(2, text.out());
  }
  for (size_t i = 0; i < profile.mappings.size(); ++i) {
    const auto& m = profile.mappings[i];
    Message mapping;
    mapping.Number(1, i + 1);
    mapping.Number(2, m.start);
    mapping.Number(3, m.limit);
    mapping.Number(4, m.offset);
    mapping.Number(5, strings.Of(m.file));
    mapping.Number(6, strings.Of(m.build_id));
    out.Bytes(3, mapping.out());
  }
  places.Write(out);
  std::vector<uint64_t> comments;
  for (const auto& text : profile.comments) comments.push_back(strings.Of(text));
  std::string period = ValueType(strings, profile.period_type);
  for (const auto& text : strings.list()) out.Bytes(6, text);
  out.Number(9, static_cast<uint64_t>(profile.time_nanos));
  out.Number(10, static_cast<uint64_t>(profile.duration_nanos));
  if (!profile.period_type.first.empty()) out.Bytes(11, period);
  out.Number(12, static_cast<uint64_t>(profile.period));
  if (!comments.empty()) out.Packed(13, comments);
  return out.out();
}

std::string SymbolName(uint64_t address) {
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(address), &info) == 0 || info.dli_sname == nullptr) return "";
  int status = 0;
  char* readable = abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status);
  std::string out = status == 0 ? readable : info.dli_sname;
  std::free(readable);
  return out;
}

std::string Gzip(const std::string& data) {
  z_stream stream{};
  deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, data.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace kubelet::server
