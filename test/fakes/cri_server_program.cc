#include "fakes/cri_server_program.h"

#include <cstdlib>

namespace kubelet::fakes {
namespace {

std::string Strip(const std::string& text) {
  size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// Commands of a script; separators inside quotes do not count.
std::vector<std::string> SplitScript(const std::string& script) {
  std::vector<std::string> parts(1);
  char quote = 0;
  for (size_t i = 0; i < script.size(); ++i) {
    char c = script[i];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '\'' || c == '"') {
      quote = c;
    } else if (c == ';' || c == '\n' ||
               (c == '&' && i + 1 < script.size() && script[i + 1] == '&')) {
      if (c == '&') ++i;
      parts.emplace_back();
      continue;
    } else if (c == '&' && (i == 0 || script[i - 1] != '>')) {
      parts.back() += " &";  // background, marked for later
      parts.emplace_back();
      continue;
    }
    parts.back() += c;
  }
  return parts;
}

std::vector<std::string> SplitWords(const std::string& command) {
  std::vector<std::string> words;
  std::string word;
  bool open = false;
  char quote = 0;
  for (char c : command) {
    if (quote != 0) {
      if (c == quote) {
        quote = 0;
      } else {
        word += c;
      }
    } else if (c == '\'' || c == '"') {
      quote = c;
      open = true;
    } else if (c == ' ' || c == '\t') {
      if (open || !word.empty()) words.push_back(word);
      word.clear();
      open = false;
    } else {
      word += c;
    }
  }
  if (open || !word.empty()) words.push_back(word);
  return words;
}

bool IsShell(const std::string& name) {
  std::string base = name.substr(name.find_last_of('/') + 1);
  return base == "sh" || base == "bash" || base == "ash";
}

class Parser {
 public:
  explicit Parser(ProgramUse use) : use_(use) {}

  // False once the program's end has been reached.
  bool Command(std::vector<std::string> words, bool only) {
    if (!words.empty() && words[0] == "exec") words.erase(words.begin());
    if (words.empty() || words.back() == "&") return true;
    std::string name = words[0].substr(words[0].find_last_of('/') + 1);
    if (name == "echo") return Echo(words);
    if (name == "sleep") return Sleep(words.size() > 1 ? words[1] : "0");
    if (name == "exit") return Exit(words.size() > 1 ? std::atoi(words[1].c_str()) : last_);
    if (name == "true" || name == "false") {
      last_ = name == "true" ? 0 : 1;
      return true;
    }
    if (name == "trap") return Trap(words.size() > 1 ? words[1] : "");
    bool endless = name == "while" || name == "wait" || (only && use_ == ProgramUse::kContainer);
    if (!endless) return true;
    return Forever();
  }

  Program Finish() {
    if (program_.steps.empty() || (program_.steps.back().kind != Step::Kind::kExit &&
                                   program_.steps.back().kind != Step::Kind::kForever)) {
      Exit(last_);
    }
    return std::move(program_);
  }
  bool Forever() {
    program_.steps.emplace_back();
    return false;
  }

 private:
  bool Echo(const std::vector<std::string>& words) {
    Step step;
    step.kind = Step::Kind::kPrint;
    for (size_t i = 1; i < words.size(); ++i) {
      if (words[i] == ">&2" || words[i] == "1>&2") {
        step.to_stderr = true;
        continue;
      }
      step.text += (step.text.empty() ? "" : " ") + words[i];
    }
    program_.steps.push_back(std::move(step));
    last_ = 0;
    return true;
  }
  bool Sleep(const std::string& amount) {
    double seconds = amount == "infinity" ? 1e9 : std::atof(amount.c_str());
    if (seconds >= 1e6) return Forever();
    Step step;
    step.kind = Step::Kind::kSleep;
    step.duration = std::chrono::nanoseconds(static_cast<int64_t>(seconds * 1e9));
    program_.steps.push_back(std::move(step));
    last_ = 0;
    return true;
  }
  bool Exit(int code) {
    Step step;
    step.kind = Step::Kind::kExit;
    step.exit_code = code;
    program_.steps.push_back(std::move(step));
    return false;
  }
  bool Trap(const std::string& action) {
    auto words = SplitWords(action);
    if (words.empty()) {
      program_.ignores_term = true;
    } else if (words[0] == "exit") {
      program_.term_exit = words.size() > 1 ? std::atoi(words[1].c_str()) : 0;
    }
    return true;
  }

  ProgramUse use_;
  Program program_;
  int last_ = 0;
};

}  // namespace

Program ParseProgram(const std::vector<std::string>& command, ProgramUse use) {
  Parser parser(use);
  if (command.empty()) {
    if (use == ProgramUse::kContainer) parser.Forever();
    return parser.Finish();
  }
  if (command.size() >= 3 && IsShell(command[0]) && command[1] == "-c") {
    for (const auto& part : SplitScript(command[2])) {
      if (!parser.Command(SplitWords(Strip(part)), false)) break;
    }
    return parser.Finish();
  }
  parser.Command(command, true);
  return parser.Finish();
}

}  // namespace kubelet::fakes
