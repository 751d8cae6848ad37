// Completion scripts. They hold the whole table: completing starts no process.
#include "config/flag_table.h"
#include "config/text.h"
#include "kubelet/config/reference.h"

namespace kubelet::config {
namespace {

enum class Wanted { kNothing, kAnything, kBool, kFile, kFolder };

bool EndsWith(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

Wanted WantedBy(const FlagSpec& spec) {
  if (spec.type == FlagType::kHelp || spec.type == FlagType::kVersion) return Wanted::kNothing;
  if (spec.type == FlagType::kBool) return Wanted::kBool;
  std::string name = spec.name;
  if (EndsWith(name, "-dir") || name == "pod-manifest-path") return Wanted::kFolder;
  if (EndsWith(name, "-file") || EndsWith(name, "config") || EndsWith(name, "resolv-conf"))
    return Wanted::kFile;
  return Wanted::kAnything;
}

// Within single quotes of a shell.
std::string Quoted(const std::string& text) {
  std::string out = "'";
  for (char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string Names(Wanted wanted, const std::string& separator) {
  std::vector<std::string> names;
  for (const FlagSpec* spec : AllFlags()) {
    if (WantedBy(*spec) == wanted) names.push_back(std::string("--") + spec->name);
  }
  return Join(names, separator);
}

constexpr char kBashHead[] = R"(# bash completion of kubelet; made by `kubelet completion bash`
_kubelet() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
  # COMP_WORDBREAKS makes three words of --flag=value.
  if [[ $cur == = ]]; then cur=; elif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi
  COMPREPLY=()
  case $prev in
)";
constexpr char kBashTail[] = R"sh(  esac
  case ${COMP_WORDS[1]} in
    pods) mapfile -t COMPREPLY < <(compgen -W '--root-dir -o' -- "$cur"); return ;;
    explain)
      if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--root-dir' -- "$cur"); return; fi
      mapfile -t COMPREPLY < <(compgen -W "$(kubelet pods 2>/dev/null | awk 'NF == 0 {exit} NR > 1 {print $2}')" -- "$cur")
      return ;;
    validate) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    config)
      if [[ $COMP_CWORD == 2 ]]; then mapfile -t COMPREPLY < <(compgen -W 'check status' -- "$cur"); return; fi
      compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    completion) mapfile -t COMPREPLY < <(compgen -W 'bash zsh fish' -- "$cur"); return ;;
  esac
  if [[ $COMP_CWORD == 1 && $cur != -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W 'pods explain validate config completion help' -- "$cur")
    return
  fi
)sh";

std::string Bash() {
  std::string out = kBashHead;
  out += "    " + Names(Wanted::kFile, "|") +
         ")\n      compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); return "
         ";;\n";
  out += "    " + Names(Wanted::kFolder, "|") +
         ")\n      compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$cur\"); return "
         ";;\n";
  // A boolean takes its value with `=` only.
  out += "    " + Names(Wanted::kBool, "|") +
         ")\n      if [[ ${COMP_WORDS[COMP_CWORD]} == = || ${COMP_WORDS[COMP_CWORD-1]} == = ]]; "
         "then\n        mapfile -t COMPREPLY < <(compgen -W 'true false' -- \"$cur\"); return\n"
         "      fi ;;\n";
  out += "    " + Names(Wanted::kAnything, "|") + ") return ;;\n";
  out += kBashTail;
  std::string all;
  for (const FlagSpec* spec : AllFlags()) all += std::string("--") + spec->name + " ";
  out += "  mapfile -t COMPREPLY < <(compgen -W '" + all +
         "' -- \"$cur\")\n}\ncomplete -F _kubelet kubelet\n";
  return out;
}

// Of an _arguments specification: brackets and colons end the text.
std::string ZshText(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string Zsh() {
  std::string out =
      "#compdef kubelet\n# zsh completion of kubelet; made by `kubelet completion zsh`\n"
      "_kubelet() {\n"
      "  if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then\n"
      "    compadd pods explain validate config completion help\n    return\n  fi\n"
      "  case $words[2] in\n"
      "    validate) _files; return ;;\n"
      "    config) if (( CURRENT == 3 )); then compadd check status; else _files; fi; return ;;\n"
      "    completion) compadd bash zsh fish; return ;;\n"
      "    pods|explain) _arguments '--root-dir=[state directory]:folder:_files -/'; return "
      ";;\n"
      "  esac\n  _arguments \\\n";
  for (const FlagSpec* spec : AllFlags()) {
    std::string value;
    switch (WantedBy(*spec)) {
      case Wanted::kNothing:
        break;
      case Wanted::kBool:
        value = "::value:(true false)";
        break;
      case Wanted::kFile:
        value = ":file:_files";
        break;
      case Wanted::kFolder:
        value = ":folder:_files -/";
        break;
      case Wanted::kAnything:
        value = ":" + ZshText(TypeName(spec->type)) + ":";
        break;
    }
    // `=-`: the value of a boolean stands in the same word.
    std::string sign = value.empty() ? "" : WantedBy(*spec) == Wanted::kBool ? "=-" : "=";
    out += "    " +
           Quoted(std::string("--") + spec->name + sign + "[" + ZshText(spec->help) + "]" + value) +
           " \\\n";
  }
  return out + "    '*:argument:'\n}\n_kubelet \"$@\"\n";
}

std::string Fish() {
  std::string out =
      "# fish completion of kubelet; made by `kubelet completion fish`\n"
      "complete -c kubelet -f\n"
      "complete -c kubelet -n __fish_use_subcommand -a 'pods explain validate config "
      "completion "
      "help'\n"
      "complete -c kubelet -n '__fish_seen_subcommand_from validate' -F\n"
      "complete -c kubelet -n '__fish_seen_subcommand_from config' -a 'check status' -F\n"
      "complete -c kubelet -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'\n";
  for (const FlagSpec* spec : AllFlags()) {
    std::string value;
    Wanted wanted = WantedBy(*spec);
    if (wanted == Wanted::kFile) value = " -r -F";
    if (wanted == Wanted::kFolder) value = " -x -a '(__fish_complete_directories)'";
    if (wanted == Wanted::kAnything) value = " -x";
    // One word `--flag=value`: fish offers it as an argument of the option.
    if (wanted == Wanted::kBool) value = " -a 'true false'";
    std::string shorthand = spec->shorthand == 0 ? "" : std::string(" -s ") + spec->shorthand;
    out += std::string("complete -c kubelet") + shorthand + " -l " + spec->name + value + " -d " +
           Quoted(spec->help) + "\n";
  }
  return out;
}

}  // namespace

absl::StatusOr<std::string> CompletionScript(const std::string& shell) {
  if (shell == "bash") return Bash();
  if (shell == "zsh") return Zsh();
  if (shell == "fish") return Fish();
  return absl::InvalidArgumentError("no completion for " + Quote(shell) +
                                    ", only for bash, zsh and fish");
}

}  // namespace kubelet::config
