#include "kubelet/base/process.h"
#include "kubelet/base/status.h"
#include "server/backend.h"
#include "server/child_output.h"
#include "server/endpoints.h"
#include "server/node_files.h"
#include "server/node_log_query.h"

namespace kubelet::server {
namespace {

constexpr base::Nanos kReadTime = std::chrono::seconds(30), kQueryTime = std::chrono::seconds(30);
constexpr size_t kStep = 256 * 1024;
constexpr char kKind[] = "node logs", kJournal[] = "journalctl";

base::Task<absl::StatusOr<NodeFile>> Open(ContextPtr context, std::string relative) {
  std::function<absl::StatusOr<NodeFile>()> work = [root = context->options.log_dir, relative] {
    return OpenNodeFile(root, relative);
  };
  auto file = co_await context->place.files.Run<NodeFile>(kKind, kReadTime, std::move(work));
  co_return file;
}

// False: the answer is over, for better or worse.
base::Task<bool> SendFile(ContextPtr context, ExchangePtr exchange, NodeFile file) {
  for (int64_t offset = 0;;) {
    std::function<absl::StatusOr<std::string>()> work = [file, offset] {
      return ReadNodeFile(file, offset, kStep);
    };
    auto piece = co_await context->place.files.Run<std::string>(kKind, kReadTime, std::move(work));
    if (!piece.ok()) co_return false;
    if (piece->empty()) co_return true;
    offset += static_cast<int64_t>(piece->size());
    auto sent = co_await exchange->Send(*std::move(piece));
    if (!sent.ok()) co_return false;
  }
}

base::Task<void> ServeFile(ContextPtr context, ExchangePtr exchange, std::string relative,
                           bool queried) {
  auto file = co_await Open(context, relative);
  if (!file.ok() && queried) {
    std::string why = "query: Invalid value: [\"" + relative + "\"]: ";
    co_await exchange->Respond(406, kPlainText, why + base::Message(file.status()) + "\n");
    co_return;
  }
  if (!file.ok()) {
    auto code = file.status().code();
    if (code == absl::StatusCode::kNotFound) {
      co_await exchange->Respond(404, kPlainText, "404 page not found\n");
    } else if (code == absl::StatusCode::kPermissionDenied) {
      co_await exchange->Respond(403, kPlainText, "403 Forbidden\n");
    } else {
      co_await exchange->Respond(500, kPlainText, "500 Internal Server Error\n");
    }
    co_return;
  }
  if (!file->file) {
    co_await exchange->Respond(200, std::move(file->type), std::move(file->listing));
    co_return;
  }
  auto begun = co_await exchange->Begin(200, file->type);
  if (!begun.ok()) co_return;
  bool whole = co_await SendFile(context, exchange, *std::move(file));
  if (whole) {
    co_await exchange->End();
  } else {
    exchange->stream()->Close(true);
  }
}

// What journald knows of the services; empty where it is not there.
base::Task<std::string> JournalUnits(ContextPtr context) {
  std::function<absl::StatusOr<std::string>()> work = []() -> absl::StatusOr<std::string> {
    ASSIGN_OR_RETURN(auto result,
                     base::RunProcess(kJournal, {"--field", "_SYSTEMD_UNIT"}, {}, kQueryTime));
    return result.exit_code == 0 ? result.out : std::string();
  };
  auto units = co_await context->place.files.Run<std::string>(kKind, kQueryTime, std::move(work));
  co_return units.ok() ? *std::move(units) : std::string();
}

base::Task<void> SendJournal(ContextPtr context, ExchangePtr exchange,
                             std::vector<std::string> args) {
  auto child = ChildOutput::Start(context->place.executor, kJournal, args);
  if (!child.ok()) {
    co_await exchange->Send("\nerror: journal output not available\n");
    co_return;
  }
  std::function<void()> late = [child = *child] { child->Kill(); };
  TimeLimit limit(context->place.clock, kQueryTime, std::move(late));
  for (;;) {
    std::string piece = co_await (*child)->Read();
    if (piece.empty()) break;
    auto sent = co_await exchange->Send(std::move(piece));
    if (!sent.ok()) break;
  }
  co_await (*child)->Finish(&context->place.files);
}

base::Task<void> SendServiceFile(ContextPtr context, ExchangePtr exchange, std::string service) {
  for (const auto& guess : LogFileGuesses(service)) {
    auto file = co_await Open(context, guess);
    bool next = file.ok() ? !file->file : absl::IsNotFound(file.status());
    if (next) continue;
    if (file.ok()) {
      co_await SendFile(context, exchange, *std::move(file));
    } else {
      std::string why = base::Message(file.status());
      co_await exchange->Send("\nerror getting log for " + service + ": " + why + "\n");
    }
    co_return;
  }
  co_await exchange->Send("\nlog not found for " + service + "\n");
}

base::Task<void> ServeServices(ContextPtr context, ExchangePtr exchange, NodeLogQuery query) {
  auto begun = co_await exchange->Begin(200, "text/plain;charset=UTF-8");
  if (!begun.ok()) co_return;
  std::string units = co_await JournalUnits(context);
  std::vector<std::string> native, in_files;
  std::string list;
  for (const auto& service : query.services) {
    bool known = units.find(service + ".service") != std::string::npos;
    (known ? native : in_files).push_back(service);
    if (!known) list += (list.empty() ? "" : " ") + service;
  }
  if (!in_files.empty() && query.HasOptions()) {
    co_await exchange->Send("\noptions present and query resolved to log files for [" + list +
                            "]\ntry without specifying options\n");
  } else if (!in_files.empty()) {
    for (const auto& service : in_files) co_await SendServiceFile(context, exchange, service);
  } else {
    co_await SendJournal(context, exchange, JournalArguments(query, native));
  }
  co_await exchange->End();
}

}  // namespace

base::Task<void> ServeNodeLogs(ContextPtr context, ExchangePtr exchange, Route route) {
  bool queried = false;
  if (context->options.handlers.log_query) {
    auto query = ParseNodeLogQuery(exchange->request().query);
    if (!query.ok()) {
      bool unreadable = query.status().code() == absl::StatusCode::kInvalidArgument;
      std::string why = base::Message(query.status()) + "\n";
      co_await exchange->Respond(unreadable ? 400 : 406, kPlainText, std::move(why));
      co_return;
    }
    if (*query && !(*query)->services.empty()) {
      co_await ServeServices(context, exchange, **query);
      co_return;
    }
    if (*query) {
      queried = true;
      const std::string& file = (*query)->files.front();
      size_t begin = std::min(file.find_first_not_of('/'), file.size());
      route.rest = file.substr(begin);
    }
  }
  co_await ServeFile(context, exchange, std::move(route.rest), queried);
}

}  // namespace kubelet::server
