// pflag's syntax, its errors, and the kinds of values.
#include "config/field_path.h"
#include "config/flag_table.h"
#include "config/text.h"
#include "support.h"

namespace kubelet::config {
namespace {

using Args = std::vector<std::string>;

struct ErrorCase {
  Args args;
  const char* error;
};

TEST_CASE("wrong command lines say what pflag says") {
  const ErrorCase kCases[] = {
      {{"--bogus"}, "unknown flag: --bogus"},
      {{"--bogus=1"}, "unknown flag: --bogus"},
      {{"--network-plugin", "cni"}, "unknown flag: --network-plugin"},
      {{"--windows-service"}, "unknown flag: --windows-service"},
      {{"-x"}, "unknown shorthand flag: 'x' in -x"},
      {{"-hx"}, "unknown shorthand flag: 'x' in -x"},
      {{"--port"}, "flag needs an argument: --port"},
      {{"-v"}, "flag needs an argument: 'v' in -v"},
      {{"---port=1"}, "bad flag syntax: ---port=1"},
      {{"--=1"}, "bad flag syntax: --=1"},
      {{"run"}, "unknown command run"},
      {{"--max-pods=5", "--", "--port=1"}, "unknown command --port=1"},
      {{"-"}, "unknown command -"},
      {{"--fail-swap-on", "false"}, "unknown command false"},
      {{"--port=x"},
       "invalid argument \"x\" for \"--port\" flag: strconv.ParseInt: parsing \"x\": invalid "
       "syntax"},
      {{"--port=2147483648"},
       "invalid argument \"2147483648\" for \"--port\" flag: strconv.ParseInt: parsing "
       "\"2147483648\": value out of "
       "range"},
      {{"--fail-swap-on=maybe"},
       "invalid argument \"maybe\" for \"--fail-swap-on\" flag: strconv.ParseBool: parsing "
       "\"maybe\": invalid syntax"},
      {{"-v", "-1"},
       "invalid argument \"-1\" for \"-v, --v\" flag: strconv.ParseUint: parsing \"-1\": invalid "
       "syntax"},
      {{"-v="},
       "invalid argument \"=\" for \"-v, --v\" flag: strconv.ParseUint: parsing \"=\": invalid "
       "syntax"},
      {{"--address=localhost"},
       "invalid argument \"localhost\" for \"--address\" flag: \"localhost\" is not a valid IP "
       "address"},
      {{"--eviction-hard=memory.available"},
       "invalid argument \"memory.available\" for \"--eviction-hard\" flag: malformed pair, expect "
       "string<string"},
      {{"--system-reserved=cpu"},
       "invalid argument \"cpu\" for \"--system-reserved\" flag: malformed pair, expect "
       "string=string"},
      {{"--feature-gates=MemoryQoS"},
       "invalid argument \"MemoryQoS\" for \"--feature-gates\" flag: malformed pair, expect "
       "string=bool"},
      {{"--feature-gates=MemoryQoS=on"},
       "invalid argument \"MemoryQoS=on\" for \"--feature-gates\" flag: invalid value of "
       "MemoryQoS: on, err: "
       "strconv.ParseBool: parsing \"on\": invalid syntax"},
      {{"--manifest-url-header=Token"},
       "invalid argument \"Token\" for \"--manifest-url-header\" flag: malformed pair, expect "
       "string:string"},
      {{"--vmodule=a"},
       "invalid argument \"a\" for \"--vmodule\" flag: \"a\" does not have the pattern=N format"},
      {{"--version=v1.35.0"},
       "invalid argument \"v1.35.0\" for \"--version\" flag: version \"v1.35.0\" must have the "
       "release numbers of \""},
      {{"--version=vx"},
       "invalid argument \"vx\" for \"--version\" flag: \"vx\" is no semantic version"},
  };
  for (const ErrorCase& test : kCases) {
    std::string error = ParseError(test.args);
    INFO(error);
    CHECK(error.rfind(test.error, 0) == 0);
  }
}

TEST_CASE("ways to write a flag") {
  const Args kForms[] = {{"--max-pods=7"},
                         {"--max-pods", "7"},
                         {"--max_pods=7"},
                         {"--max_pods", "0x7"},
                         {"--max-pods=3", "--max-pods=007"}};
  for (const Args& args : kForms) CHECK(MustLoad(args).kubelet.max_pods() == 7);
  const Args kVerbose[] = {{"-v", "4"}, {"-v=4"}, {"-v4"}, {"--v=4"}, {"--v", "4"}};
  for (const Args& args : kVerbose) CHECK(MustLoad(args).kubelet.logging().verbosity() == 4);
  CHECK(MustLoad({"--rotate-certificates"}).kubelet.rotate_certificates());
  CHECK_FALSE(MustLoad({"--fail-swap-on=F"}).kubelet.fail_swap_on());
  CHECK(MustLoad({"--rotate-certificates", "--max-pods", "9"}).kubelet.max_pods() == 9);
  // The value of a flag may look like a flag.
  CHECK(MustLoad({"--cluster-domain", "--odd"}).kubelet.cluster_domain() == "--odd");
  CHECK(MustLoad({"--pod-max-pids", "-1"}).kubelet.pod_pids_limit() == -1);
  CHECK(MustLoad({"--max-pods=5", "--"}).kubelet.max_pods() == 5);
}

TEST_CASE("lists replace the default once and then append") {
  auto dns = MustLoad({"--cluster-dns=10.0.0.10,10.0.0.11", "--cluster-dns=\"10.0.0.12\""})
                 .kubelet.cluster_dns();
  CHECK(std::vector<std::string>(dns.begin(), dns.end()) ==
        Args{"10.0.0.10", "10.0.0.11", "10.0.0.12"});
  auto empty = MustLoad({"--enforce-node-allocatable="}).kubelet;
  CHECK(empty.enforce_node_allocatable_size() == 0);
  auto none = MustLoad({"--enforce-node-allocatable=none"}).kubelet;
  REQUIRE(none.enforce_node_allocatable_size() == 1);
  CHECK(none.enforce_node_allocatable(0) == "none");
}

TEST_CASE("maps and their separators") {
  auto config =
      MustLoad({"--eviction-hard=memory.available<1Gi, nodefs.available < 5%",
                "--eviction-hard=pid.available<9", "--system-reserved=cpu=1,memory=2Gi,cpu=2",
                "--manifest-url-header=A:1,B:x:y,A:2", "--manifest-url-header=C:3",
                "--cpu-manager-policy=static", "--cpu-manager-policy-options=full-pcpus-only=true"})
          .kubelet;
  CHECK(FieldText(FindField(config, "evictionHard"), '<') ==
        "memory.available<1Gi,nodefs.available<5%,pid.available<9");
  CHECK(FieldText(FindField(config, "systemReserved")) == "cpu=2,memory=2Gi");
  const auto& headers = config.static_pod_url_header();
  CHECK(headers.at("A").items_size() == 2);
  CHECK(headers.at("B").items(0) == "x:y");
  CHECK(headers.at("C").items(0) == "3");
  CHECK(config.cpu_manager_policy_options().at("full-pcpus-only") == "true");
}

TEST_CASE("labels, durations, quantities, addresses") {
  auto flags = MustLoad({"--node-labels=a=1,b,", "--node-labels=c=2"}).flags;
  CHECK(flags.node_labels == std::map<std::string, std::string>{{"a", "1"}, {"b", ""}, {"c", "2"}});
  CHECK(MustLoad({"--sync-frequency=1h2m3.5s"}).kubelet.sync_frequency().duration() ==
        3723'500'000'000);
  CHECK(MustLoad({"--log-flush-frequency=250ms"}).kubelet.logging().flush_frequency().duration() ==
        250'000'000);
  auto quantity =
      MustLoad({"--log-text-info-buffer-size=1024", "--feature-gates=LoggingAlphaOptions=true"})
          .kubelet;
  CHECK(quantity.logging().options().text().output_routing_options().info_buffer_size().string() ==
        "1024");
  CHECK_FALSE(ParseCommandLine({"--log-text-info-buffer-size=much"}).ok());
  CHECK(MustLoad({"--address=::"}).kubelet.address() == "::");
  CHECK(MustLoad({"--address=010.0.0.1"}).kubelet.address() == "010.0.0.1");
  CHECK(MustLoad({"--address="}).kubelet.address() == "0.0.0.0");
  CHECK(MustLoad({"--vmodule=a*=2,b=3"}).kubelet.logging().vmodule(1).verbosity() == 3);
}

TEST_CASE("taints") {
  auto config = MustLoad({"--register-with-taints=a=b:NoSchedule,x.io/c:NoExecute"}).kubelet;
  REQUIRE(config.register_with_taints_size() == 2);
  CHECK(config.register_with_taints(0).value() == "b");
  CHECK(config.register_with_taints(1).key() == "x.io/c");
  CHECK(config.register_with_taints(1).effect() == "NoExecute");
  for (const char* bad : {"a", "a=b", "a=b:Never", "a=b=c:NoSchedule", "a:b:NoSchedule",
                          "a=b:NoSchedule,a:NoSchedule", "=b:NoSchedule", "a=-:NoSchedule"}) {
    INFO(bad);
    CHECK_FALSE(ParseCommandLine({std::string("--register-with-taints=") + bad}).ok());
  }
}

TEST_CASE("reserved memory") {
  auto config =
      MustLoad({"--reserved-memory=0:memory=1Gi,hugepages-2Mi=64Mi;1:memory=1Gi"}).kubelet;
  REQUIRE(config.reserved_memory_size() == 2);
  CHECK(config.reserved_memory(0).limits().at("hugepages-2Mi").string() == "64Mi");
  CHECK(config.reserved_memory(1).numa_node() == 1);
  for (const char* bad :
       {"0", "x:memory=1Gi", "0:cpu=1", "0:memory", "0:memory=x", "0:memory=1Gi:2"}) {
    INFO(bad);
    CHECK_FALSE(ParseCommandLine({std::string("--reserved-memory=") + bad}).ok());
  }
}

TEST_CASE("deprecations name the flag as it is called, each time") {
  auto line =
      ParseCommandLine({"--fail_swap_on", "--max-pods=1", "--max-pods=2", "--root-dir=/x", "-v=1"});
  REQUIRE(line.ok());
  REQUIRE(line->deprecations.size() == 3);
  CHECK(line->deprecations[0].rfind("Flag --fail-swap-on has been deprecated, ", 0) == 0);
  CHECK(line->deprecations[2] == line->deprecations[1]);
}

TEST_CASE("CSV records") {
  CHECK(*ParseCsv("") == Args{});
  CHECK(*ParseCsv("a,,b") == Args{"a", "", "b"});
  CHECK(*ParseCsv("\"a,b\",\"c\"\"d\"") == Args{"a,b", "c\"d"});
  CHECK(*ParseCsv("a\nb") == Args{"a"});
  CHECK_FALSE(ParseCsv("a\"b").ok());
  CHECK_FALSE(ParseCsv("\"a").ok());
  CHECK_FALSE(ParseCsv("\"a\"b").ok());
}

TEST_CASE("integers as strconv reads them") {
  CHECK(*ParseInt("0x10", 32) == 16);
  CHECK(*ParseInt("0b11", 32) == 3);
  CHECK(*ParseInt("0o17", 32) == 15);
  CHECK(*ParseInt("017", 32) == 15);
  CHECK(*ParseInt("-0x80000000", 32) == -2147483648LL);
  CHECK(*ParseInt("0x1_f", 32) == 31);
  CHECK(*ParseInt("-9223372036854775808", 64) == std::numeric_limits<int64_t>::min());
  for (const char* bad : {"", "-", "1_0", "0x", "1e3", " 1", "08", "9223372036854775808",
                          "99999999999999999999999"}) {
    INFO(bad);
    CHECK_FALSE(ParseInt(bad, 64).ok());
  }
}

}  // namespace
}  // namespace kubelet::config
