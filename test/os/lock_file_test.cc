#include "kubelet/os/lock_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>

#include "catch.h"
#include "temp_dir.h"

namespace kubelet::os {
namespace {

using test::TempDir;

bool OthersGet(const std::string& path) {
  int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  bool got = flock(fd, LOCK_EX | LOCK_NB) == 0;
  close(fd);
  return got;
}

TEST_CASE("a lock file is made, held, and given back") {
  TempDir dir;
  std::string path = dir.path() + "/lock";
  auto lock = LockFile::Take(path);
  REQUIRE(lock.ok());
  CHECK_FALSE(OthersGet(path));
  lock->reset();
  CHECK(OthersGet(path));
  CHECK(LockFile::Take(dir.path() + "/no/such/folder").status().code() ==
        absl::StatusCode::kNotFound);
}

TEST_CASE("whoever opens a watched lock file is noticed, once") {
  boost::asio::io_context io;
  TempDir dir;
  std::string path = dir.path() + "/lock";
  auto lock = LockFile::Take(path);
  REQUIRE(lock.ok());
  int contended = 0;
  REQUIRE((*lock)->Watch(io.get_executor(), [&] { ++contended; }).ok());
  io.poll();
  CHECK(contended == 0);
  CHECK_FALSE(OthersGet(path));
  CHECK_FALSE(OthersGet(path));
  io.restart();
  io.poll();
  CHECK(contended == 1);
}

}  // namespace
}  // namespace kubelet::os
