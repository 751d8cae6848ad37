// Precedence: defaults, file, drop-ins, command line.
#include <algorithm>

#include "config/defaults.h"
#include "config/document.h"
#include "config/field_path.h"
#include "support.h"

namespace kubelet::config {
namespace {

constexpr char kHead[] = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";

std::string Yaml(const std::string& body) { return kHead + body; }

std::string Text(const LoadedConfig& loaded, const std::string& path) {
  return FieldText(FindField(loaded.kubelet, path));
}

TEST_CASE("without files the open defaults of old apply") {
  LoadedConfig loaded = MustLoad({});
  CHECK(Text(loaded, "authentication.anonymous.enabled") == "true");
  CHECK(Text(loaded, "authentication.webhook.enabled") == "false");
  CHECK(Text(loaded, "authorization.mode") == "AlwaysAllow");
  CHECK(loaded.kubelet.read_only_port() == 10255);
  CHECK(loaded.kubelet.eviction_hard().empty());
}

TEST_CASE("with a file the closed defaults apply, and hard eviction thresholds") {
  TempTree tree;
  tree.Write("/etc/kubelet.yaml", Yaml("maxPods: 12\n"));
  LoadedConfig loaded = MustLoad({"--config=/etc/kubelet.yaml"}, tree.Reader());
  CHECK(loaded.kubelet.max_pods() == 12);
  CHECK(Text(loaded, "authentication.anonymous.enabled") == "false");
  CHECK(Text(loaded, "authorization.mode") == "Webhook");
  CHECK(loaded.kubelet.read_only_port() == 0);
  CHECK(Text(loaded, "evictionHard") ==
        "imagefs.available=15%,imagefs.inodesFree=5%,memory.available=100Mi,nodefs.available=10%,"
        "nodefs.inodesFree=5%");
  CHECK(loaded.warnings.empty());
  CHECK(loaded.unsupported.empty());
  tree.Write("/etc/kubelet.yaml",
             Yaml("evictionHard: {pid.available: '9'}\nvolumePluginDir: /plugins\n"));
  CHECK(MustLoad({"--config=/etc/kubelet.yaml"}, tree.Reader()).unsupported ==
        std::vector<std::string>{"volumePluginDir (--volume-plugin-dir)"});
}

TEST_CASE("hard eviction thresholds of the file") {
  struct Case {
    const char* body;
    const char* expected;
  };
  const Case kCases[] = {
      {"evictionHard: {}\n", ""},
      {"evictionHard: {pid.available: '9'}\n", "pid.available=9"},
      {"evictionHard: null\n",
       "imagefs.available=15%,imagefs.inodesFree=5%,memory.available=100Mi,nodefs.available=10%,"
       "nodefs.inodesFree=5%"},
      {"evictionHard: {memory.available: 1Gi}\nmergeDefaultEvictionSettings: true\n",
       "imagefs.available=15%,imagefs.inodesFree=5%,memory.available=1Gi,nodefs.available=10%,"
       "nodefs.inodesFree=5%"},
  };
  for (const Case& test : kCases) {
    TempTree tree;
    tree.Write("/k.yaml", Yaml(test.body));
    INFO(test.body);
    CHECK(Text(MustLoad({"--config=/k.yaml"}, tree.Reader()), "evictionHard") == test.expected);
  }
}

TEST_CASE("local objects are for static pods, and beside their manifests") {
  TempTree tree;
  tree.Write("/c.yaml",
             "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
             "staticPodPath: /etc/manifests\n");
  auto load = [&](const std::string& dir, bool with_pods) {
    std::vector<std::string> args{"--local-objects-dir=" + dir};
    if (with_pods) args.push_back("--config=/c.yaml");
    return LoadArgs(args, tree.Reader());
  };
  auto good = load("/etc/objects/", true);
  REQUIRE(good.ok());
  CHECK(good->flags.local_objects_dir == "/etc/objects");
  CHECK(base::Message(load("/etc/manifests/", true).status())
            .find("--local-objects-dir: is staticPodPath") != std::string::npos);
  CHECK(base::Message(load("/etc/objects", false).status())
            .find("--local-objects-dir: is for static pods") != std::string::npos);
}

TEST_CASE("what the logs of a pod may take is a quantity, and room for one log") {
  auto problem = [](const std::string& most, const std::string& one) {
    std::vector<std::string> args{"--pod-logs-max-size=" + most, "--container-log-max-size=" + one};
    return base::Message(LoadArgs(args, TempTree().Reader()).status());
  };
  CHECK(MustLoad({}).flags.pod_logs_max_size.empty());
  CHECK(MustLoad({"--pod-logs-max-size=100Mi"}).flags.pod_logs_max_size == "100Mi");
  CHECK(MustLoad({"--pod-logs-max-size=10Mi"}).flags.pod_logs_max_size == "10Mi");
  CHECK(problem("much", "10Mi").find("--pod-logs-max-size: is \"much\", must be a quantity") !=
        std::string::npos);
  CHECK(problem("10Mi", "11Mi").find("must be at least containerLogMaxSize, 11Mi") !=
        std::string::npos);
  CHECK(problem("10Mi", "-1").find("needs containerLogMaxSize") != std::string::npos);
}

TEST_CASE("an empty list of enforcements is not an absent one") {
  TempTree tree;
  tree.Write("/k.yaml", Yaml("enforceNodeAllocatable: []\ncgroupsPerQOS: false\n"));
  CHECK(MustLoad({"--config=/k.yaml"}, tree.Reader()).kubelet.enforce_node_allocatable_size() == 0);
  tree.Write("/n.yaml", Yaml("enforceNodeAllocatable: null\n"));
  CHECK(MustLoad({"--config=/n.yaml"}, tree.Reader()).kubelet.enforce_node_allocatable(0) ==
        "pods");
}

TEST_CASE("the command line wins over file and drop-ins") {
  TempTree tree;
  tree.Write("/k.yaml",
             Yaml("maxPods: 1\npodsPerCore: 1\nclusterDNS: [10.0.0.1]\nsystemReserved: {cpu: '1'}\n"
                  "featureGates: {MemoryQoS: true, EventedPLEG: true}\n"));
  tree.Write("/d/10.conf", Yaml("maxPods: 2\npodsPerCore: 2\n"));
  LoadedConfig loaded = MustLoad(
      {"--config=/k.yaml", "--config-dir=/d", "--max-pods=3", "--cluster-dns=10.0.0.2",
       "--system-reserved=memory=1Gi", "--feature-gates=MemoryQoS=false,CRIListStreaming=true"},
      tree.Reader());
  CHECK(loaded.kubelet.max_pods() == 3);
  CHECK(loaded.kubelet.pods_per_core() == 2);
  CHECK(Text(loaded, "clusterDNS") == "[10.0.0.2]");
  CHECK(Text(loaded, "systemReserved") == "memory=1Gi");
  CHECK_FALSE(loaded.gates.Enabled("MemoryQoS"));
  CHECK(loaded.gates.Enabled("EventedPLEG"));
  CHECK(loaded.gates.Enabled("CRIListStreaming"));
}

TEST_CASE("a flag that repeats the default still wins") {
  TempTree tree;
  tree.Write("/k.yaml", Yaml("maxPods: 1\nfailSwapOn: false\n"));
  LoadedConfig loaded =
      MustLoad({"--config=/k.yaml", "--max-pods=110", "--fail-swap-on"}, tree.Reader());
  CHECK(loaded.kubelet.max_pods() == 110);
  CHECK(loaded.kubelet.fail_swap_on());
}

TEST_CASE("drop-ins merge in lexical walk order; other files are skipped") {
  TempTree tree;
  tree.Write("/k.yaml",
             Yaml("maxPods: 1\nevictionHard: {memory.available: 1Gi, pid.available: '5'}\n"
                  "allowedUnsafeSysctls: [net.a]\n"));
  tree.Write("/d/20.conf", Yaml("maxPods: 20\nallowedUnsafeSysctls: [net.b]\n"));
  tree.Write("/d/10/99.conf",
             Yaml("maxPods: 10\npodsPerCore: 10\nevictionHard: {memory.available: 2Gi}\n"));
  tree.Write("/d/30.conf",
             "{\"apiVersion\":\"kubelet.config.k8s.io/v1beta1\",\"kind\":\"KubeletConfiguration\","
             "\"evictionHard\":{\"pid.available\":null}}");
  tree.Write("/d/40.yaml", Yaml("maxPods: 40\n"));
  tree.Write("/d/README", "not yaml: [");
  LoadedConfig loaded = MustLoad({"--config=/k.yaml", "--config-dir=/d"}, tree.Reader());
  CHECK(loaded.kubelet.max_pods() == 20);
  CHECK(loaded.kubelet.pods_per_core() == 10);
  CHECK(Text(loaded, "allowedUnsafeSysctls") == "[net.b]");
  CHECK(Text(loaded, "evictionHard") == "memory.available=2Gi");
  CHECK(loaded.warnings ==
        std::vector<std::string>{"/d/40.yaml: ignored, the name does not end in .conf",
                                 "/d/README: ignored, the name does not end in .conf"});
}

TEST_CASE("a key that is there twice counts as it stands last, and is warned of") {
  TempTree tree;
  tree.Write("/k.yaml", Yaml("maxPods: 1\nevictionHard:\n  memory.available: 1Gi\n"
                             "  memory.available: 2Gi\nmaxPods: 20\n"));
  LoadedConfig loaded = MustLoad({"--config=/k.yaml"}, tree.Reader());
  CHECK(loaded.kubelet.max_pods() == 20);
  CHECK(Text(loaded, "evictionHard") == "memory.available=2Gi");
  REQUIRE(loaded.warnings.size() == 2);
  CHECK(loaded.warnings[0].find("key \"memory.available\" already set in map") !=
        std::string::npos);
  CHECK(loaded.warnings[1].find("key \"maxPods\" already set in map") != std::string::npos);
  CHECK(loaded.warnings[1].find("/k.yaml: line ") == 0);
}

TEST_CASE("null in a drop-in brings the default back") {
  TempTree tree;
  tree.Write("/k.yaml", Yaml("maxPods: 1\nregistryPullQPS: 0\n"));
  tree.Write("/d/1.conf", Yaml("maxPods: null\nregistryPullQPS: null\n"));
  LoadedConfig loaded = MustLoad({"--config=/k.yaml", "--config-dir=/d"}, tree.Reader());
  CHECK(loaded.kubelet.max_pods() == 110);
  CHECK(loaded.kubelet.registry_pull_qps() == 5);
}

TEST_CASE("drop-ins without a main file start from the closed defaults") {
  TempTree tree;
  tree.Write("/d/1.conf", Yaml("maxPods: 9\n"));
  LoadedConfig loaded = MustLoad({"--config-dir=/d"}, tree.Reader());
  CHECK(loaded.kubelet.max_pods() == 9);
  CHECK(loaded.kubelet.read_only_port() == 0);
  CHECK(Text(loaded, "authorization.mode") == "Webhook");
  CHECK(loaded.kubelet.eviction_hard().empty());
}

TEST_CASE("what a drop-in must be") {
  struct Case {
    const char* text;
    const char* error;
  };
  const Case kCases[] = {
      {"maxPods: 1\n", "/d/1.conf: has no apiVersion or no kind"},
      {"", "/d/1.conf: is empty"},
      {"apiVersion: v1\nkind: Pod\n", "/d/1.conf: is Pod of v1, must be KubeletConfiguration of "},
      {"apiVersion: kubelet.config.k8s.io/v1\nkind: KubeletConfiguration\n",
       "/d/1.conf: is KubeletConfiguration of kubelet.config.k8s.io/v1, must be "},
      {"apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nmaxPods: many\n",
       "/d/1.conf: maxPods"},
      {"apiVersion: [\n", "/d/1.conf: "},
  };
  for (const Case& test : kCases) {
    TempTree tree;
    tree.Write("/d/1.conf", test.text);
    std::string error = LoadError({"--config-dir=/d"}, tree.Reader());
    INFO(error);
    CHECK(error.rfind(test.error, 0) == 0);
  }
  TempTree tree;
  CHECK(Contains(LoadError({"--config-dir=/none"}, tree.Reader()), "/none"));
  CHECK(Contains(LoadError({"--config=/none.yaml"}, tree.Reader()), "/none.yaml"));
}

TEST_CASE("unknown fields are read over, with a warning that names file and field") {
  TempTree tree;
  tree.Write("/k.yaml", Yaml("maxPods: 1\nmaxPodz: 2\n"));
  tree.Write("/d/1.conf", Yaml("podsPerCores: 3\n"));
  LoadedConfig loaded = MustLoad({"--config=/k.yaml", "--config-dir=/d"}, tree.Reader());
  CHECK(loaded.kubelet.max_pods() == 1);
  REQUIRE(loaded.warnings.size() == 2);
  CHECK(Contains(loaded.warnings[0], "/k.yaml: unknown field \"maxPodz\""));
  CHECK(Contains(loaded.warnings[1], "/d/1.conf: unknown field \"podsPerCores\""));
}

TEST_CASE("JSON is a main file too") {
  TempTree tree;
  tree.Write("/k.json",
             "{\"kind\":\"KubeletConfiguration\",\"apiVersion\":\"kubelet.config.k8s.io/v1beta1\","
             "\"syncFrequency\":\"30s\",\"staticPodURLHeader\":{\"A\":[\"1\",\"2\"]}}");
  LoadedConfig loaded = MustLoad({"--config=/k.json"}, tree.Reader());
  CHECK(Text(loaded, "syncFrequency") == "30s");
  CHECK(loaded.kubelet.static_pod_url_header().at("A").items_size() == 2);
}

TEST_CASE("relative paths start at the file, and the file at the working directory") {
  TempTree tree;
  tree.Write("/etc/k8s/k.yaml",
             Yaml("staticPodPath: manifests\ntlsCertFile: ../pki/k.crt\ntlsPrivateKeyFile: /abs/k\n"
                  "authentication: {x509: {clientCAFile: ca.crt}}\nresolvConf: r.conf\n"
                  "podLogsDir: logs\nvolumePluginDir: vol\n"));
  LoadedConfig loaded = MustLoad({"--config=k8s/k.yaml"}, tree.Reader("/etc"));
  CHECK(Text(loaded, "staticPodPath") == "/etc/k8s/manifests");
  CHECK(Text(loaded, "tlsCertFile") == "/etc/pki/k.crt");
  CHECK(Text(loaded, "tlsPrivateKeyFile") == "/abs/k");
  CHECK(Text(loaded, "authentication.x509.clientCAFile") == "/etc/k8s/ca.crt");
  CHECK(Text(loaded, "resolvConf") == "/etc/k8s/r.conf");
  CHECK(Text(loaded, "podLogsDir") == "/etc/k8s/logs");
  CHECK(Text(loaded, "volumePluginDir") == "/etc/k8s/vol");
  tree.Write("/etc/k8s/off.yaml", Yaml("resolvConf: ''\n"));
  CHECK(Text(MustLoad({"--config=/etc/k8s/off.yaml"}, tree.Reader()), "resolvConf").empty());
}

TEST_CASE("gates of the command line reach the defaults of a file") {
  TempTree tree;
  tree.Write("/k.yaml", Yaml(""));
  const std::vector<std::string> kArgs = {"--config=/k.yaml",
                                          "--feature-gates=KubeletCrashLoopBackOffMax=false"};
  CHECK_FALSE(MustLoad(kArgs, tree.Reader())
                  .kubelet.crash_loop_back_off()
                  .has_max_container_restart_period());
  CHECK_FALSE(
      MustLoad({kArgs[1]}).kubelet.crash_loop_back_off().has_max_container_restart_period());
}

TEST_CASE("large and small numbers survive a merge") {
  TempTree tree;
  tree.Write("/k.yaml", Yaml("podPidsLimit: 9007199254740993\nmemoryThrottlingFactor: 0.85\n"));
  tree.Write("/d/1.conf", Yaml("maxPods: 3\n"));
  LoadedConfig loaded = MustLoad({"--config=/k.yaml", "--config-dir=/d"}, tree.Reader());
  CHECK(loaded.kubelet.pod_pids_limit() == 9007199254740993);
  CHECK(loaded.kubelet.memory_throttling_factor() == 0.85);
}

TEST_CASE("what the command line brings beside fields") {
  LoadedConfig loaded = MustLoad({"--hostname-override= Node-A.Example ", "--root-dir=/var//lib/x/",
                                  "--seccomp-default", "--node-ip=10.0.0.1,fd00::1"});
  CHECK(loaded.flags.hostname_override == "node-a.example");
  CHECK(loaded.flags.root_dir == "/var/lib/x");
  CHECK(loaded.kubelet.seccomp_default());
  CHECK(loaded.flags.node_ip == "10.0.0.1,fd00::1");
}

TEST_CASE("all problems come at once, with field and flag") {
  TempTree tree;
  tree.Write(
      "/k.yaml",
      Yaml("port: 70000\nmaxPods: -1\nfeatureGates: {Bogus: true}\ncontainerLogMaxFiles: 1\n"));
  std::string error = LoadError({"--config=/k.yaml", "--cloud-provider=aws"}, tree.Reader());
  CHECK(error ==
        "invalid configuration:\n"
        "  --cloud-provider: is \"aws\", must be empty or external\n"
        "  featureGates (--feature-gates): unrecognized feature gate: Bogus\n"
        "  port (--port): is 70000, must be 1 to 65535\n"
        "  maxPods (--max-pods): is -1, must be at least 0\n"
        "  containerLogMaxFiles (--container-log-max-files): is 1, must be at least 2");
}

TEST_CASE("what is set and not built is named once") {
  TempTree tree;
  tree.Write(
      "/k.yaml",
      Yaml("volumePluginDir: /plugins\nmaxPods: 7\nshutdownGracePeriod: 30s\nenableServer: false\n"
           "tracing: {endpoint: 'a:1'}\n"));
  LoadedConfig loaded = MustLoad({"--config=/k.yaml", "--kubeconfig=/x"}, tree.Reader());
  CHECK(loaded.unsupported ==
        std::vector<std::string>{"volumePluginDir (--volume-plugin-dir)", "tracing.endpoint"});
  CHECK(MustLoad({}).unsupported.empty());
  CHECK(MustLoad({"--volume-plugin-dir=/plugins"}).unsupported ==
        std::vector<std::string>{"volumePluginDir (--volume-plugin-dir)"});
}

TEST_CASE("gates that ask for what is not built are named, those that ask for nothing are not") {
  using Names = std::vector<std::string>;
  CHECK(MustLoad({"--feature-gates=PodsAPI=true,EnvFiles=false,ContainerStopSignals=true"})
            .unsupported == Names{"featureGates.PodsAPI: the local API of pods over gRPC"});
  // At their default, off, of other components, or without a difference upstream either.
  CHECK(MustLoad({"--feature-gates=PodsAPI=false,DRAConsumableCapacity=true,"
                  "ResourceHealthStatusMessage=false,SchedulerAsyncPreemption=false,"
                  "TopologyManagerPolicyBetaOptions=false,EventedPLEG=true"})
            .unsupported.empty());
  CHECK(MustLoad({"--feature-gates=WatchListClient=false"}).unsupported ==
        Names{"featureGates.WatchListClient=false: lists out of watches, all the same"});
  TempTree tree;
  tree.Write("/k.yaml", Yaml("volumePluginDir: /plugins\nmemoryThrottlingFactor: 0.8\n"
                             "featureGates: {MemoryQoS: true}\n"));
  CHECK(MustLoad({"--config=/k.yaml"}, tree.Reader()).unsupported ==
        Names{"volumePluginDir (--volume-plugin-dir)", "memoryThrottlingFactor",
              "featureGates.MemoryQoS: memory.min, memory.low and memory.high of pods"});
}

TEST_CASE("AllAlpha asks for every alpha gate that is not built, and not for one set to false") {
  auto names = MustLoad({"--feature-gates=AllAlpha=true,PodsAPI=false"}).unsupported;
  auto named = [&](const std::string& gate) {
    return std::count_if(names.begin(), names.end(), [&](const std::string& name) {
      return name.rfind("featureGates." + gate + ":", 0) == 0;
    });
  };
  CHECK(named("PodAndContainerStatsFromCRI") == 1);
  CHECK(named("UserNamespacesHostNetworkSupport") == 1);
  CHECK(named("PodsAPI") == 0);
  CHECK(named("SELinuxMount") == 0);  // beta
  CHECK(named("ContainerStopSignals") == 0);
}

TEST_CASE("the dump masks secrets") {
  LoadedConfig loaded = MustLoad(
      {"--manifest-url=https://user:secret@host/x", "--manifest-url-header=Authorization:tok"});
  std::string dump = DumpEffective(loaded);
  CHECK_FALSE(Contains(dump, "secret"));
  CHECK_FALSE(Contains(dump, "tok\""));
  CHECK(Contains(dump, "\"Authorization\":[\"\\u003cmasked\\u003e\"]"));
  CHECK(Contains(dump, "user:"));
  CHECK(Contains(dump, "\"maxPods\":110"));
  CHECK(loaded.kubelet.static_pod_url_header().at("Authorization").items(0) == "tok");
}

TEST_CASE("logging options") {
  base::LogOptions options = LoggingOptions(MustLoad({"-v=3", "--vmodule=a=1,b*=2"}).kubelet);
  CHECK(options.verbosity == 3);
  CHECK(options.vmodule == "a=1,b*=2");
  CHECK(options.format == "text");
}

TEST_CASE("vmodule of the command line adds to that of the file") {
  TempTree tree;
  tree.Write("/k.yaml", Yaml("logging: {vmodule: [{filePattern: a, verbosity: 1}]}\n"));
  auto loaded = MustLoad({"--config=/k.yaml", "--vmodule=b=2"}, tree.Reader());
  CHECK(LoggingOptions(loaded.kubelet).vmodule == "a=1,b=2");
}

}  // namespace
}  // namespace kubelet::config
