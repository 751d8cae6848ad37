#include <sys/stat.h>
#include <zlib.h>

#include <filesystem>

#include "server/log_reader.h"
#include "server/secure_bench.h"

namespace kubelet::server {
namespace {

namespace fs = std::filesystem;

struct LogBench : SecureBench {
  fakes::KeyPair alice = Person(clients, "alice");
  std::string log = AddPod("p");
  std::string Body(const std::string& query = "") {
    TlsClient client(*this, &alice);
    client.Send("GET /containerLogs/ns/p/c" + query +
                " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    Until([&] { return client.Closed(); });
    CHECK(client.ended);
    bool whole = false;
    auto text = server::Body(client.Received());
    auto out = Unchunk(text, &whole);
    CHECK(whole);
    return out;
  }
};

// A log that is being followed.
struct Following {
  explicit Following(LogBench& b, const std::string& query = "") : bench(b), client(b, &b.alice) {
    client.Send("GET /containerLogs/ns/p/c?follow=true" + query + " HTTP/1.1\r\nHost: x\r\n\r\n");
  }
  std::string Text() { return Unchunk(Body(client.Received())); }
  bool Sees(const std::string& text) {
    return bench.Until([&] {
      bench.Advance(5ms);  // busy logs are looked at so often
      return Text() == text;
    });
  }
  bool Ends() {
    bool whole = false;
    return bench.Until([&] {
      bench.Advance(5ms);
      Unchunk(Body(client.Received()), &whole);
      return whole;
    });
  }
  LogBench& bench;
  TlsClient client;
};

TEST_CASE("a log and parts of it") {
  LogBench bench;
  for (int i = 0; i < 5; ++i) Append(bench.log, Line(std::to_string(i)));
  CHECK(bench.Body() == "0\n1\n2\n3\n4\n");
  CHECK(bench.Body("?tailLines=2") == "3\n4\n");
  CHECK(bench.Body("?tailLines=0").empty());
  CHECK(bench.Body("?tailLines=99") == "0\n1\n2\n3\n4\n");
  CHECK(bench.Body("?limitBytes=3") == "0\n1");
  CHECK(bench.Body("?timestamps=true&tailLines=1") == "2020-01-01T00:00:00.000000000Z 4\n");
  CHECK(bench.Body("?sinceTime=2020-01-01T00:00:01Z").empty());
}

TEST_CASE("a long log, and a tail that is further back than one block") {
  LogBench bench;
  std::string all, lines;
  for (int i = 0; i < 40'000; ++i) {
    lines += Line("line number " + std::to_string(i));
    all += "line number " + std::to_string(i) + "\n";
  }
  Append(bench.log, lines);
  CHECK(bench.Body() == all);
  CHECK(bench.Body("?tailLines=10000") == all.substr(all.find("line number 30000\n")));
}

TEST_CASE("why there is no log") {
  LogBench bench;
  TlsClient client(bench, &bench.alice);
  auto why = [&](const std::string& path, const char* code) {
    auto answer = client.Get("/containerLogs/ns/" + path);
    CHECK(Code(answer) == code);
    return Body(answer);
  };
  CHECK(why("q/c", "404") == "pod \"q\" does not exist");
  CHECK(why("p/d", "404") == "container \"d\" not found in pod \"p\"");
  CHECK(why("p/c?tailLines=x", "400") == R"({"message": "Unable to decode query."})");
  CHECK(why("p/c?tailLines=-1", "422") == R"({"message": "Invalid request."})");
  CHECK(why("p/c?previous=true", "400") ==
        "previous terminated container \"c\" in pod \"p\" not found");
  auto& status = bench.statuses["p-uid"];
  status.mutable_container_statuses(0)->mutable_state()->mutable_waiting()->set_reason(
      "ContainerCreating");
  status.mutable_container_statuses(0)->mutable_state()->clear_running();
  CHECK(why("p/c", "400") == "container \"c\" in pod \"p\" is waiting to start: ContainerCreating");
  status.clear_container_statuses();
  CHECK(why("p/c", "400") == "container \"c\" in pod \"p\" is not available");
}

TEST_CASE("which container's log is meant") {
  api::core::PodStatus status;
  auto* c = status.add_init_container_statuses();
  c->set_name("c");
  c->set_container_id("containerd://now");
  auto which = [&](bool previous) {
    auto found = LogContainer("p", status, "c", previous);
    return found.ok() ? *found : std::string(found.status().message());
  };
  std::string name = "container \"c\" in pod \"p\"";
  CHECK(which(false) == name + " is waiting to start - no logs yet");
  c->mutable_state()->mutable_waiting()->set_reason("ErrImagePull");
  CHECK(which(false) == name + " is waiting to start: image can't be pulled");
  c->mutable_state()->mutable_waiting()->set_reason("ImagePullBackOff");
  CHECK(which(false) == name + " is waiting to start: trying and failing to pull image");
  c->mutable_last_state()->mutable_terminated();
  CHECK(which(false) == name + " is terminated");
  CHECK(which(true) == "previous terminated " + name + " not found");
  c->mutable_last_state()->mutable_terminated()->set_container_id("containerd://before");
  CHECK(which(false) == "containerd://before");
  CHECK(which(true) == "containerd://before");
  c->mutable_state()->clear_waiting();
  c->mutable_state()->mutable_running();
  CHECK(which(false) == "containerd://now");
  c->mutable_state()->clear_running();
  c->mutable_state()->mutable_terminated();
  CHECK(which(false) == "containerd://before");
  c->mutable_state()->mutable_terminated()->set_container_id("containerd://ended");
  CHECK(which(false) == "containerd://ended");
  c->mutable_last_state()->clear_terminated();
  c->mutable_state()->mutable_terminated()->clear_container_id();
  CHECK(which(false) == name + " is terminated");
}

TEST_CASE("a followed log goes on until its container ends") {
  LogBench bench;
  Append(bench.log, Line("one"));
  Following follow(bench);
  CHECK(follow.Sees("one\n"));
  Append(bench.log, Line("two"));
  CHECK(follow.Sees("one\ntwo\n"));
  Append(bench.log, "2020-01-01T00:00:00Z stdout F thr");
  bench.Run();
  Append(bench.log, "ee\n");
  CHECK(follow.Sees("one\ntwo\nthree\n"));
  Append(bench.log, Line("last"));
  bench.SetState("p", runtime::ContainerState::kExited);
  CHECK(follow.Ends());
  CHECK(follow.Text() == "one\ntwo\nthree\nlast\n");
}

// A log as a runtime has it: open until its writer is told to end.
struct OpenLog {
  explicit OpenLog(const std::string& path) : file(path, std::ios::app | std::ios::binary) {}
  void Write(const std::string& text) { file << Line(text) << std::flush; }
  std::ofstream file;
};

TEST_CASE(
    "the last output of a container is in the log after the container was seen to have ended") {
  LogBench bench;
  OpenLog log(bench.log);
  log.Write("one");
  Following follow(bench);
  REQUIRE(follow.Sees("one\n"));
  bench.SetState("p", runtime::ContainerState::kExited);
  for (int i = 0; i < 20; ++i) bench.Advance(10ms);
  CHECK(follow.Text() == "one\n");
  log.Write("two");
  bench.Run();
  log.Write("three");
  log.file.close();
  CHECK(follow.Ends());
  CHECK(follow.Text() == "one\ntwo\nthree\n");
}

TEST_CASE("a log that stays open although its container has ended is not followed for ever") {
  LogBench bench;
  OpenLog log(bench.log);
  log.Write("one");
  bench.SetState("p", runtime::ContainerState::kExited);
  Following follow(bench);
  CHECK(follow.Ends());
  CHECK(follow.Text() == "one\n");
}

TEST_CASE("a container that has ended before is not followed") {
  LogBench bench;
  Append(bench.log, Line("one"));
  bench.SetState("p", runtime::ContainerState::kExited);
  Following follow(bench);
  CHECK(follow.Ends());
  CHECK(follow.Text() == "one\n");
}

TEST_CASE("a client that goes away ends the following") {
  LogBench bench;
  Append(bench.log, Line("one"));
  auto follow = std::make_unique<Following>(bench);
  CHECK(bench.Until([&] { return !follow->client.Received().empty(); }));
  follow.reset();
  bench.Run();
  Following other(bench, "&tailLines=1");
  CHECK(other.Sees("one\n"));
  Append(bench.log, Line("x"));
  CHECK(other.Sees("one\nx\n"));
}

std::string Stamp(int i) {
  char text[32];
  snprintf(text, sizeof text, ".20200101-%06d", i);
  return text;
}

TEST_CASE("following goes over a thousand rotations byte for byte") {
  LogBench bench;
  auto log = std::make_unique<OpenLog>(bench.log);
  log->Write("start");
  Following follow(bench);
  std::string all = "start\n";
  REQUIRE(follow.Sees(all));
  bool whole = false;
  for (int i = 0; i < 1000; ++i) {
    std::string number = std::to_string(i);
    log->Write("before " + number);
    fs::rename(bench.log, bench.log + Stamp(i));
    // The writer of the old file comes to its end when the new one is there.
    auto next = std::make_unique<OpenLog>(bench.log);
    if (i % 2 == 0) next->Write("after " + number);
    if (i % 10 == 0) bench.Run();
    log->Write("late " + number);
    log = std::move(next);
    if (i % 2 != 0) log->Write("after " + number);
    all += "before " + number + "\nlate " + number + "\nafter " + number + "\n";
    if (i >= 5) fs::remove(bench.log + Stamp(i - 5));
    // Some rotations come one upon another.
    if (i % 3 == 0) continue;
    bool seen = bench.Until([&] {
      bench.Advance(5ms);
      size_t size = follow.client.Received().size();
      whole = size > all.size() &&
              follow.client.Received().find("after " + number + "\n") != std::string::npos;
      return whole;
    });
    INFO(i);
    REQUIRE(seen);
  }
  bench.SetState("p", runtime::ContainerState::kExited);
  log.reset();
  REQUIRE(follow.Ends());
  CHECK(follow.Text() == all);
}

struct Files {
  Files() {
    std::string name = (fs::temp_directory_path() / "kubelet-log-XXXXXX").string();
    dir = mkdtemp(name.data());
    log = dir + "/0.log";
  }
  ~Files() { fs::remove_all(dir); }
  void Rotate(int i, bool compress) {
    std::string to = log + Stamp(i);
    fs::rename(log, to);
    if (compress) REQUIRE(system(("gzip " + to).c_str()) == 0);
    std::ofstream file(log);
  }
  std::string dir, log;
};

std::string ReadAll(LogReader& reader) {
  std::string out;
  for (;;) {
    auto step = reader.Read(false);
    REQUIRE(step.ok());
    out += step->out;
    if (step->waiting) {
      step = reader.Advance(false);
      REQUIRE(step.ok());
      out += step->out;
    }
    if (step->at_end && !step->waiting) return out;
  }
}

TEST_CASE("a reader that is late goes through all files, compressed ones too") {
  Files files;
  LogQuery query;
  query.follow = true;
  LogReader reader(files.log, query);
  Append(files.log, Line("start"));
  CHECK(ReadAll(reader) == "start\n");
  std::string all;
  for (int i = 0; i < 6; ++i) {
    Append(files.log, Line("file " + std::to_string(i)));
    all += "file " + std::to_string(i) + "\n";
    files.Rotate(i, i > 0 && i < 5);
  }
  Append(files.log, Line("end"));
  CHECK(ReadAll(reader) == all + "end\n");
}

// As gc::LogCompressor does it, which this room does not see.
bool Pack(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return false;
  std::ifstream in(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(in)), {}), out(text.size() + 1000, '\0');
  std::string extra("KI\x10\0", 4);
  for (uint64_t value : {uint64_t{info.st_ino}, uint64_t{info.st_dev}})
    extra.append(reinterpret_cast<const char*>(&value), sizeof value);
  z_stream stream{};
  gz_header header{};
  header.extra = reinterpret_cast<Bytef*>(extra.data());
  header.extra_len = static_cast<uInt>(extra.size());
  deflateInit2(&stream, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY);
  deflateSetHeader(&stream, &header);
  stream.next_in = reinterpret_cast<Bytef*>(text.data());
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  bool whole = deflate(&stream, Z_FINISH) == Z_STREAM_END;
  out.resize(stream.total_out);
  deflateEnd(&stream);
  Append(path + ".gz", out);
  return whole && fs::remove(path);
}

TEST_CASE("a follower finds its place by the file that a compressed one was made of") {
  Files files;
  LogQuery query;
  query.follow = true;
  LogReader reader(files.log, query);
  Append(files.log, Line("one"));
  CHECK(ReadAll(reader) == "one\n");
  // Stamps that have run ahead of the clock, as after many rotations in one second.
  Append(files.log, Line("two"));
  fs::rename(files.log, files.log + ".21000101-000001");
  Append(files.log + ".21000101-000000", Line("older"));
  Append(files.log + ".21000101-000002", Line("three"));
  Append(files.log, Line("four"));
  CHECK(Pack(files.log + ".21000101-000001"));
  CHECK(ReadAll(reader) == "two\nthree\nfour\n");
}

TEST_CASE("a follower in a compressed file after which none is there") {
  Files files;
  LogQuery query;
  query.follow = true;
  LogReader reader(files.log, query);
  Append(files.log, Line("one"));
  REQUIRE(ReadAll(reader) == "one\n");
  files.Rotate(0, false);
  std::string lines, all;
  for (int i = 0; i < 40'000; ++i) {
    lines += Line("number " + std::to_string(i));
    all += "number " + std::to_string(i) + "\n";
  }
  Append(files.log, lines);
  files.Rotate(1, true);
  auto step = reader.Read(false);
  if (step.ok() && step->waiting) step = reader.Advance(false);
  REQUIRE(step.ok());
  REQUIRE_FALSE(step->at_end);  // in the middle of the compressed one
  std::string out = step->out;
  auto read_on = [&](bool over) {
    do {
      step = reader.Read(over);
      REQUIRE(step.ok());
      out += step->out;
    } while (!step->at_end);
    return step->done;
  };
  SECTION("the pod's logs were removed") {
    fs::remove_all(files.dir);
    CHECK(read_on(false));
    CHECK(out == all);
  }
  SECTION("the next is not made yet") {
    fs::remove(files.log);
    CHECK_FALSE(read_on(false));
    CHECK(out == all);
    Append(files.log, Line("next"));
    CHECK_FALSE(read_on(false));
    CHECK(out == all + "next\n");
  }
  SECTION("the container ends before there is one") {
    fs::remove(files.log);
    CHECK(read_on(true));
    CHECK(out == all);
  }
}

TEST_CASE("a name of a rotated file that leads nowhere is passed over") {
  Files files;
  LogQuery query;
  query.follow = true;
  LogReader reader(files.log, query);
  Append(files.log, Line("one"));
  REQUIRE(ReadAll(reader) == "one\n");
  files.Rotate(0, false);
  fs::create_symlink(files.dir + "/nowhere", files.log + Stamp(1));
  Append(files.log, Line("two"));
  CHECK(ReadAll(reader) == "two\n");
}

TEST_CASE("a file that is cut in place is read from its start") {
  Files files;
  LogQuery query;
  query.follow = true;
  LogReader reader(files.log, query);
  Append(files.log, Line("one long line"));
  CHECK(ReadAll(reader) == "one long line\n");
  fs::resize_file(files.log, 0);
  Append(files.log, Line("two"));
  CHECK(ReadAll(reader) == "two\n");
}

TEST_CASE("which rotated file comes next") {
  std::vector<std::string> names = {"3", "1.gz", "2", "2.gz", "4.tmp"};
  CHECK(NextRotated(names, "1") == "2");
  CHECK(NextRotated(names, "1.gz") == "2");
  CHECK(NextRotated(names, "2.gz") == "3");
  CHECK(NextRotated(names, "3").empty());
  CHECK(NextRotated(names, "") == "1.gz");
  CHECK(NextRotated({}, "1").empty());
}

TEST_CASE("a log that is not there, and one that is none") {
  Files files;
  LogReader missing(files.log, {});
  CHECK(missing.Read(false).status().code() == absl::StatusCode::kNotFound);
  Append(files.log, "garbage\n");
  LogReader garbage(files.log, {});
  CHECK(garbage.Read(false).status().code() == absl::StatusCode::kInvalidArgument);
  LogReader directory(files.dir, {});
  CHECK_FALSE(directory.Read(false).ok());
}

}  // namespace
}  // namespace kubelet::server
