#include "kubelet/resource/user_namespaces.h"

#include <boost/asio/io_context.hpp>
#include <filesystem>

#include "await.h"
#include "catch.h"
#include "kubelet/base/status.h"
#include "os/temp_dir.h"

namespace kubelet::resource {
namespace {

using test::ModeOf;
using test::ReadText;
using test::TempDir;
using test::WriteText;

constexpr uint32_t kBlock = 65536;

std::string Error(const absl::Status& status) { return status.ok() ? "" : base::Message(status); }

struct UserNamespacesFixture {
  TempDir root;
  boost::asio::io_context io{1};
  base::RealClock clock{io};
  base::BlockingPool pool{io.get_executor(), clock, {}};
  UserNamespaceOptions options;
  uint64_t start = 0;  // where the search begins
  int asked = 0;       // for the range
  std::unique_ptr<UserNamespaces> blocks;

  explicit UserNamespacesFixture(IdRange range = {kBlock, 4 * kBlock}, int max_pods = 4) {
    options.root_dir = root.path();
    options.max_pods = max_pods;
    options.find_range = [this, range]() -> absl::StatusOr<IdRange> {
      ++asked;
      return range;
    };
    options.random = [this](uint64_t below) { return start % below; };
    Restart();
  }
  void Restart() {
    blocks = std::make_unique<UserNamespaces>(io.get_executor(), clock, pool, options);
  }
  template <typename T>
  T Await(base::Task<T> task) {
    return test::Await(io, std::move(task));
  }
  std::string File(const std::string& uid) { return root / ("pods/" + uid + "/userns"); }
  absl::StatusOr<IdRange> Ensure(const std::string& uid) {
    std::filesystem::create_directories(root / ("pods/" + uid));
    return Await(blocks->Ensure(uid));
  }
};

TEST_CASE("a pod has a block of its own, in upstream's file, over a restart") {
  UserNamespacesFixture f;
  CHECK(*f.Ensure("a") == IdRange{kBlock, kBlock});
  CHECK(*f.Ensure("b") == IdRange{2 * kBlock, kBlock});
  CHECK(ReadText(f.File("b")) ==
        R"({"uidMappings":[{"hostId":131072,"containerId":0,"length":65536}],)"
        R"("gidMappings":[{"hostId":131072,"containerId":0,"length":65536}]})");
  CHECK(ModeOf(f.File("b")) == 0600);
  f.Restart();
  CHECK(*f.Ensure("b") == IdRange{2 * kBlock, kBlock});
  CHECK(*f.Ensure("c") == IdRange{3 * kBlock, kBlock});
  CHECK(f.asked == 2);  // once a process
}

TEST_CASE("the search begins somewhere and comes round") {
  UserNamespacesFixture f;
  f.start = 3;
  CHECK(f.Ensure("a")->first == 4 * kBlock);
  CHECK(f.Ensure("b")->first == kBlock);
}

TEST_CASE(
    "what is given back, or went with its directory, is free again; more than there are are "
    "refused") {
  UserNamespacesFixture f;
  for (const char* uid : {"a", "b", "c", "d"}) REQUIRE(f.Ensure(uid).ok());
  auto none = f.Ensure("e");
  CHECK(absl::IsResourceExhausted(none.status()));
  CHECK(Error(none.status()) ==
        "user namespace: could not find an empty slot to allocate a user namespace");
  REQUIRE(f.Await(f.blocks->Release("b")).ok());
  CHECK_FALSE(std::filesystem::exists(f.File("b")));
  CHECK(f.Await(f.blocks->Release("b")).ok());
  CHECK(f.Await(f.blocks->Release("never")).ok());
  CHECK(f.Ensure("e")->first == 2 * kBlock);
  std::filesystem::remove_all(f.root / "pods/c");
  CHECK(f.Ensure("g")->first == 3 * kBlock);
}

TEST_CASE("two that ask at a time get two blocks") {
  UserNamespacesFixture f;
  std::optional<absl::StatusOr<IdRange>> a, b;
  for (const char* uid : {"a", "b"})
    std::filesystem::create_directories(f.root / ("pods/" + std::string(uid)));
  base::TaskScope scope(f.io.get_executor());
  scope.Spawn("a", test::StoreResult(f.blocks->Ensure("a"), a));
  scope.Spawn("b", test::StoreResult(f.blocks->Ensure("b"), b));
  while (scope.size() > 0) f.io.run_one();
  CHECK((*a)->first != (*b)->first);
}

TEST_CASE("blocks of another size take all that they touch") {
  UserNamespacesFixture f;
  std::filesystem::create_directories(f.root / "pods/big");
  WriteText(f.File("big"), EncodeIdFile({kBlock, 2 * kBlock + 1}));
  CHECK(f.Ensure("a")->first == 4 * kBlock);
  CHECK(*f.Ensure("big") == IdRange{kBlock, 2 * kBlock + 1});  // what it has it keeps
}

TEST_CASE("while nobody knows which ids a pod has, no other gets any") {
  UserNamespacesFixture f;
  REQUIRE(f.Ensure("a").ok());
  std::filesystem::create_directories(f.root / "pods/torn");
  WriteText(f.File("torn"), "{\"uidMappings\":[{");
  auto own = f.Ensure("torn");
  CHECK(Error(own.status()).find("invalid user namespace mappings file") != std::string::npos);
  auto other = f.Ensure("b");
  CHECK(absl::IsFailedPrecondition(other.status()));
  CHECK(Error(other.status()).find("the ids of pod torn are not known") != std::string::npos);
  CHECK(f.Ensure("a").ok());  // what it has it keeps
  std::filesystem::remove(f.File("torn"));
  CHECK(f.Ensure("b").ok());
}

TEST_CASE("a range that cannot be used refuses only the pods that ask, and is asked for again") {
  UserNamespacesFixture f({kBlock, 3 * kBlock}, 4);
  CHECK(Error(f.Ensure("a").status()) ==
        "kubelet mappings: kubelet user assigned IDs are not enough to support 4 pods");
  CHECK(absl::IsFailedPrecondition(f.Ensure("a").status()));
  CHECK(f.asked == 2);
  CHECK(absl::IsInvalidArgument(f.Await(f.blocks->Ensure("../a")).status()));
}

TEST_CASE("rules of a range") {
  struct Row {
    IdRange range;
    uint32_t per_pod;
    const char* error;
  };
  auto row =
      GENERATE(Row{DefaultIdRange(kBlock), kBlock, ""}, Row{DefaultIdRange(3 * kBlock), kBlock, ""},
               Row{{kBlock, 110 * kBlock}, kBlock, ""},
               Row{{kBlock, 109 * kBlock},
                   kBlock,
                   "kubelet user assigned IDs are not enough to support 110 pods"},
               Row{{kBlock + 1, 110 * kBlock},
                   kBlock,
                   "kubelet user assigned ID 65537 is not a multiple of 65536"},
               Row{{0, 200 * kBlock},
                   kBlock,
                   "kubelet user assigned ID 0 must be greater or equal to 65536"},
               Row{{kBlock, 110 * kBlock + 1},
                   kBlock,
                   "kubelet user assigned IDs length 7208961 is not a multiple of 65536"},
               Row{{kBlock, 110 * kBlock},
                   1000,
                   "kubelet user namespace length 1000 is not a multiple of 65536"},
               Row{{kBlock, uint64_t{65536} * kBlock},
                   kBlock,
                   "kubelet user assigned IDs end beyond the last ID"});
  INFO(row.range.first << " " << row.range.length);
  CHECK(Error(CheckIdRange(row.range, row.per_pod, 110)) == row.error);
}

TEST_CASE("what getsubids prints") {
  const std::string good = "0: kubelet 65536 2147483648\n";
  CHECK(*ParseSubIds(good, good) == IdRange{65536, 2147483648});
  CHECK(Error(ParseSubIds(good, "0: kubelet 65536 65536\n").status()) ==
        "mismatched subuids and subgids for user \"kubelet\"");
  for (const std::string bad :
       {"", "0: kubelet 65536\n", "0: kubelet x 65536\n", "0: kubelet 65536 4294967296\n",
        "0: kubelet -1 65536\n", "0: kubelet 65536 65536\n1: kubelet 131072 65536\n"}) {
    INFO(bad);
    CHECK(absl::IsFailedPrecondition(ParseSubIds(bad, bad).status()));
  }
}

TEST_CASE("files that are no block of ids") {
  auto text = GENERATE(
      "{}", "[]", "", R"({"uidMappings":[{"hostId":1,"containerId":0,"length":1}]})",
      R"({"uidMappings":[{"hostId":1,"containerId":0,"length":1}],"gidMappings":[{"hostId":2,"containerId":0,"length":1}]})",
      R"({"uidMappings":[{"hostId":1,"containerId":1,"length":1}],"gidMappings":[{"hostId":1,"containerId":1,"length":1}]})",
      R"({"uidMappings":[{"hostId":0,"containerId":0,"length":1}],"gidMappings":[{"hostId":0,"containerId":0,"length":1}]})",
      R"({"uidMappings":[{"hostId":4294967295,"containerId":0,"length":2}],"gidMappings":[{"hostId":4294967295,"containerId":0,"length":2}]})");
  INFO(text);
  CHECK(absl::IsInvalidArgument(DecodeIdFile(text).status()));
}

}  // namespace
}  // namespace kubelet::resource
