#include "api/yaml_quote.h"

#include <string_view>

#include "api/yaml_resolve.h"
#include "api/yaml_text.h"

namespace kubelet::api {
namespace {

bool IsIn(char c, std::string_view set) { return set.find(c) != std::string_view::npos; }
bool IsBlank(char c) { return c == ' ' || c == '\t'; }

// What go-yaml writes as it is; the rest needs double quotes. Breaks other than \n count as
// unprintable here.
bool IsPrintable(unsigned c) {
  return (c >= 0x20 && c <= 0x7e) || (c >= 0xa0 && c <= 0xd7ff && c != 0x2028 && c != 0x2029) ||
         (c >= 0xe000 && c <= 0xfffd && c != 0xfeff);
}

bool AllPrintable(const std::string& text, bool breaks) {
  for (size_t pos = 0; pos < text.size();) {
    Utf8Character c = DecodeUtf8(text, pos);
    bool good = IsPrintable(c.value) || (breaks && c.value == '\n');
    if (c.length == 0 || !good) return false;
    pos += c.length;
  }
  return true;
}

// [-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?: YAML 1.1's base 60, which other readers still know.
bool IsBase60(const std::string& text) {
  size_t i = !text.empty() && IsIn(text[0], "+-") ? 1 : 0;
  auto digit = [&](size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '9'; };
  if (!digit(i)) return false;
  while (digit(i) || (i < text.size() && text[i] == '_')) ++i;
  size_t groups = 0;
  for (; i < text.size() && text[i] == ':'; ++groups) {
    if (digit(i + 1) && digit(i + 2) && text[i + 1] <= '5') {
      i += 3;
    } else if (digit(i + 1)) {
      i += 2;
    } else {
      return false;
    }
  }
  if (groups > 0 && i < text.size() && text[i] == '.')
    i = std::min(text.find_first_not_of("0123456789_", i + 1), text.size());
  return groups > 0 && i == text.size();
}

// Whether indicators and blanks let the text stand without quotes.
bool CanBePlain(const std::string& text) {
  if (text.empty() || IsBlank(text.front()) || IsBlank(text.back())) return false;
  if (text.compare(0, 3, "---") == 0 || text.compare(0, 3, "...") == 0) return false;
  if (IsIn(text[0], "#,[]{}&*!|>'\"%@`")) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    bool blank_follows = i + 1 == text.size() || IsBlank(text[i + 1]);
    if (text[i] == ':' && blank_follows) return false;
    if (i == 0 && IsIn(text[i], "-?") && blank_follows) return false;
    if (i > 0 && text[i] == '#' && IsBlank(text[i - 1])) return false;
  }
  return true;
}

std::string SingleQuoted(const std::string& text) {
  std::string out = "'";
  for (char c : text) {
    if (c == '\'') out += c;
    out += c;
  }
  return out + "'";
}

void AppendEscape(std::string& out, unsigned c) {
  constexpr std::string_view kCodes("\0\a\b\t\n\v\f\r\x1b\"\\", 11);
  constexpr std::string_view kNames = "0abtnvfre\"\\";
  size_t place = c < 0x80 ? kCodes.find(static_cast<char>(c)) : std::string_view::npos;
  out += '\\';
  if (place != std::string_view::npos) {
    out += kNames[place];
    return;
  }
  int digits = c <= 0xff ? 2 : c <= 0xffff ? 4 : 8;
  out += digits == 2 ? 'x' : digits == 4 ? 'u' : 'U';
  while (digits-- > 0) out += "0123456789ABCDEF"[c >> (4 * digits) & 15];
}

std::string DoubleQuoted(const std::string& text) {
  std::string out = "\"";
  for (size_t pos = 0; pos < text.size();) {
    Utf8Character c = DecodeUtf8(text, pos);
    if (c.length == 0) c = {0xfffd, 1};
    if (IsPrintable(c.value) && c.value != '"' && c.value != '\\') {
      AppendUtf8(out, c.value);
    } else {
      AppendEscape(out, c.value);
    }
    pos += c.length;
  }
  return out + "\"";
}

// A literal block cannot hold blanks in front of a break, and none at the end of the text.
bool CanBeLiteral(const std::string& text) {
  if (!AllPrintable(text, true) || text.back() == ' ') return false;
  return text.find(" \n") == std::string::npos && text.find_first_not_of('\n') != std::string::npos;
}

std::string Literal(const std::string& text, size_t indent) {
  std::string out = "|";
  if (IsIn(text.front(), " \n")) out += "2";
  if (text.back() != '\n') {
    out += "-";
  } else if (text[text.size() - 2] == '\n') {
    out += "+";
  }
  std::string_view rest = text;
  if (rest.back() == '\n') rest.remove_suffix(1);
  for (size_t pos = 0; pos <= rest.size();) {
    size_t end = std::min(rest.find('\n', pos), rest.size());
    out += '\n';
    if (end > pos) out += std::string(indent, ' ') + std::string(rest.substr(pos, end - pos));
    pos = end + 1;
  }
  return out;
}

}  // namespace

std::string YamlInlineString(const std::string& text) {
  // A plain `<<` would be a merge where it is a key.
  bool string = ReadsAsString(text) && !IsBase60(text) && text != "<<";
  if (!string || !AllPrintable(text, false)) return DoubleQuoted(text);
  return CanBePlain(text) ? text : SingleQuoted(text);
}

std::string YamlString(const std::string& text, size_t indent) {
  bool literal = text.find('\n') != std::string::npos && CanBeLiteral(text);
  return literal ? Literal(text, indent) : YamlInlineString(text);
}

}  // namespace kubelet::api
