// Examples for the lint's self test; read by clang-query only, never built. A line marked BAD must be flagged
// as an error, one marked RISKY as a warning, no other.
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using boost::asio::awaitable;

struct Request {
  std::string name;
  std::string pod;
};
struct Made {
  explicit Made(std::string text) : name(std::move(text)) {}
  std::string name;
};

awaitable<void> Call(std::function<void()> done);
awaitable<std::string> Send(Request request);
awaitable<std::string> SendMade(Made request);
awaitable<std::string> Name(std::string text);
awaitable<int> Count(std::vector<std::string> names);
std::string Other();

awaitable<void> Lambdas(std::string text, std::shared_ptr<int> count, int number) {
  co_await Call([text] { (void)text; });                           // BAD
  co_await Call([count] { (void)count; });                         // BAD
  co_await Call([copy = std::move(text)] { (void)copy; });         // BAD
  co_await Call([owned = std::make_unique<int>(1).get(), count] {  // BAD
    (void)owned;
  });
  auto done = [text] { (void)text; };
  co_await Call(std::move(done));
  co_await Call([&text] { (void)text; });
  co_await Call([number] { (void)number; });
  co_await Call([] {});
}

awaitable<void> Aggregates(std::string text) {
  co_await Send({.name = text, .pod = "p"});      // BAD
  co_await Send(Request{text, "p"});              // BAD
  co_await Send({});                              // BAD
  auto got = co_await Send(Request{.name = "n"});  // BAD
  Request request{.name = text, .pod = "p"};
  co_await Send(std::move(request));
  co_await SendMade(Made("n"));
  co_await SendMade(Made{text});
}

awaitable<std::string> Conditionals(bool yes) {
  std::string a = yes ? co_await Name("a") : std::string("b");  // BAD
  co_await Name(yes ? std::string("a") : Other());              // BAD
  std::string name = "b";
  if (yes) name = co_await Name("a");
  int length = yes ? 1 : 2;
  co_await Name(std::string(length, 'x'));
  co_return name;
}

awaitable<void> Braces(std::string text) {
  co_await Count({"a", "b"});                                          // BAD
  std::vector<std::string> names{co_await Name("a"), text};            // BAD
  Request request{.name = co_await Name("a")};                         // BAD
  auto owned = std::make_unique<Request>(Request{co_await Name("a")});  // BAD
  std::vector<std::string> list{"a", "b"};
  co_await Count(std::move(list));
  co_await Name("prefix" + text);
}

awaitable<void> Spawn(std::function<awaitable<void>()> work);

awaitable<void> Nested(std::string text, const std::vector<std::string>& list) {
  co_await Call([] {
    std::vector<std::string> inside{"a", "b"};
    Request request{.name = "n", .pod = "p"};
    (void)(inside.empty() ? std::string("a") : request.name);
  });
  auto risky = [text]() -> awaitable<void> { co_await Name(text); };  // RISKY
  auto fine = [](std::string own) -> awaitable<void> { co_await Name(own); };
  co_await risky();
  co_await fine(text);
  for (const std::string& each : list) {
    std::string got = co_await Name(each + text);
    if ((co_await Name(got)).empty()) co_return;
  }
}
