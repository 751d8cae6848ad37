#include "kubelet/os/inotify.h"

#include <boost/asio/io_context.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "catch.h"

namespace kubelet::os {
namespace {

namespace fs = std::filesystem;

std::string Record(int watch, uint32_t mask, uint32_t cookie, const std::string& name) {
  inotify_event head{};
  head.wd = watch;
  head.mask = mask;
  head.cookie = cookie;
  head.len = name.empty() ? 0 : 16;
  std::string out(reinterpret_cast<const char*>(&head), sizeof head);
  std::string padded = name;
  padded.resize(head.len, '\0');
  return out + padded;
}

TEST_CASE("inotify records are read up to the first that is cut") {
  std::string bytes = Record(1, IN_CREATE, 0, "a.yaml") + Record(2, IN_DELETE_SELF, 0, "") +
                      Record(-1, IN_Q_OVERFLOW, 0, "") + Record(1, IN_MOVED_TO, 9, "b");
  auto events = ParseInotifyEvents(bytes);
  REQUIRE(events.size() == 4);
  CHECK(events[0].name == "a.yaml");
  CHECK(events[1].name.empty());
  CHECK(events[2].watch == -1);
  CHECK(events[3].cookie == 9);
  CHECK(events[3].name == "b");
  for (size_t n = 0; n < bytes.size(); ++n)
    CHECK(ParseInotifyEvents(bytes.substr(0, n)).size() < 4);
}

base::Task<void> ReadOnce(Inotify& inotify, std::vector<InotifyEvent>& out, bool& done) {
  auto events = co_await inotify.Read();
  if (events.ok()) out = *events;
  done = true;
}

TEST_CASE("events of a watched directory wake the reader") {
  std::string name = (fs::temp_directory_path() / "kubelet_inotify_XXXXXX").string();
  std::string dir = ::mkdtemp(name.data());
  boost::asio::io_context io{1};
  auto inotify = Inotify::Create(io.get_executor());
  REQUIRE(inotify.ok());
  auto watcher = (*inotify)->watcher();
  auto watch = watcher.WatchDirectory(dir, IN_CLOSE_WRITE);
  REQUIRE(watch.ok());
  CHECK(absl::IsNotFound(watcher.WatchDirectory(dir + "/absent", IN_CREATE).status()));
  std::vector<InotifyEvent> events;
  bool done = false;
  base::TaskScope scope(io.get_executor());
  scope.Spawn("read", ReadOnce(**inotify, events, done));
  io.poll();
  CHECK_FALSE(done);
  std::ofstream(dir + "/a") << "x";
  io.restart();
  while (!done) io.run_one();
  REQUIRE(events.size() == 1);
  CHECK(events[0].watch == *watch);
  CHECK(events[0].name == "a");
  CHECK(absl::IsFailedPrecondition(watcher.WatchDirectory(dir + "/a", IN_CREATE).status()));
  (*inotify)->Unwatch(*watch);
  auto rest = (*inotify)->Drain();
  REQUIRE(rest.size() == 1);
  CHECK((rest[0].mask & IN_IGNORED) != 0);
  fs::remove_all(dir);
}

}  // namespace
}  // namespace kubelet::os
