// Claims, and volumes that outlive their pods.
#include <sys/stat.h>

#include <boost/asio/io_context.hpp>

#include "await.h"
#include "catch.h"
#include "kubelet/api/codec.h"
#include "kubelet/base/clock.h"
#include "kubelet/base/status.h"
#include "kubelet/os/mount.h"
#include "kubelet/os/mountinfo.h"
#include "kubelet/volume/volume.h"
#include "os/temp_dir.h"
#include "resource/pod_yaml.h"
#include "volume/claims.h"
#include "volume/no_objects.h"
#include "volume/persistent.h"

namespace kubelet::volume {
namespace {

using api::core::PersistentVolume;
using api::core::PersistentVolumeClaim;
using test::ModeOf;
using test::NeedsRoot;
using test::PodOf;
using test::ReadText;
using test::TempDir;
using test::WriteText;

template <typename T>
T Parsed(const std::string& text) {
  T out;
  auto status = api::DecodeYaml(text, out);
  INFO(status);
  REQUIRE(status.ok());
  return out;
}

struct FakeCluster : test::NoObjects {
  std::map<std::string, std::string> claims, volumes;  // YAML
  absl::Status down;
  int asked = 0;

  template <typename T>
  absl::StatusOr<std::shared_ptr<const T>> Find(const std::map<std::string, std::string>& all,
                                                const std::string& name, const char* resource) {
    ++asked;
    if (!down.ok()) return down;
    auto it = all.find(name);
    std::string last = name.substr(name.rfind('/') + 1);
    if (it == all.end())
      return absl::NotFoundError(std::string(resource) + " \"" + last + "\" not found");
    return std::make_shared<const T>(Parsed<T>(it->second));
  }
  base::Task<absl::StatusOr<std::shared_ptr<const PersistentVolumeClaim>>> Claim(
      std::string namespace_, std::string name) override {
    co_return Find<PersistentVolumeClaim>(claims, namespace_ + "/" + name,
                                          "persistentvolumeclaims");
  }
  base::Task<absl::StatusOr<std::shared_ptr<const api::core::PersistentVolume>>> PersistentVolume(
      std::string name) override {
    co_return Find<api::core::PersistentVolume>(volumes, name, "persistentvolumes");
  }

  // A claim `shop/data` bound to the volume pv1, whose spec is given.
  void Bind(const std::string& spec) {
    claims["shop/data"] =
        "{metadata: {name: data, namespace: shop, uid: c1}, spec: {volumeName: pv1}, "
        "status: {phase: Bound}}";
    volumes["pv1"] = "{metadata: {name: pv1}, spec: {claimRef: {uid: c1}, " + spec + "}}";
  }
};

struct PersistentVolumesFixture {
  std::vector<std::string> events;
  TempDir root;
  boost::asio::io_context io{1};
  base::RealClock clock{io};
  base::BlockingPool pool{io.get_executor(), clock, {}};
  test::LastTurns last{io};
  FakeCluster cluster;
  VolumeOptions options = Options();
  PodVolumes volumes{io.get_executor(), clock, pool, options};
  std::string pod_dir = root / "pods/1-2";

  ~PersistentVolumesFixture() {
    test::Settle(io, pool);
    os::UnmountBelow(root.path(), true).IgnoreError();
  }
  VolumeOptions Options() {
    VolumeOptions o;
    o.root_dir = root.path();
    o.objects = &cluster;
    o.mount_program = root / "mount";
    return o;
  }
  template <typename T>
  T Await(base::Task<T> task) {
    return test::Await(io, std::move(task));
  }
  // At once, also after a failure.
  absl::StatusOr<VolumeMap> Prepare(const std::string& spec) {
    volumes.RetryNow("1-2");
    return Await(volumes.Prepare(std::make_shared<const api::core::Pod>(PodOf(spec))));
  }
  std::string Refusal(const std::string& spec) {
    auto paths = Prepare(spec);
    return paths.ok() ? "" : base::Message(paths.status());
  }
  std::vector<os::Mount> Mounts() { return os::MountsBelow(*os::ReadMountinfo(), root.path()); }
  // A mount(8) that notes its arguments and mounts a tmpfs instead.
  void FakeMount(const std::string& body) {
    WriteText(root / "mount",
              "#!/bin/sh\nprintf '%s\\n' \"$@\" >> " + (root / "words") + "\n" + body);
    chmod((root / "mount").c_str(), 0755);
  }
};

std::string Using(const std::string& source, const std::string& more = "") {
  return "{volumes: [{name: v, " + source +
         "}], containers: [{name: c, volumeMounts: [{name: v, mountPath: /v}]}]" + more + "}";
}
const std::string kClaim = "persistentVolumeClaim: {claimName: data}";

TEST_CASE("a claim that is not bound says so in upstream's words") {
  PersistentVolumesFixture f;
  const std::string about =
      "pod shop/web: MountVolume.SetUp failed for volume \"v\" : error processing PVC shop/data: ";
  CHECK(f.Refusal(Using(kClaim)) ==
        about + "failed to fetch PVC from API server: persistentvolumeclaims \"data\" not found");
  f.cluster.Bind("local: {path: /x}");
  const std::string bound = f.cluster.claims["shop/data"], volume = f.cluster.volumes["pv1"];
  f.cluster.claims["shop/data"] = "{metadata: {name: data, uid: c1}, status: {phase: Pending}}";
  CHECK(f.Refusal(Using(kClaim)) == about + "PVC is not bound");
  f.cluster.claims["shop/data"] = "{metadata: {name: data, uid: c1}, status: {phase: Bound}}";
  CHECK(f.Refusal(Using(kClaim)) == about + "PVC has empty pvc.Spec.VolumeName");
  f.cluster.claims["shop/data"] =
      "{metadata: {name: data, uid: c1, deletionTimestamp: '2026-01-01T00:00:00Z'}, spec: "
      "{volumeName: pv1}, status: {phase: Bound}}";
  CHECK(f.Refusal(Using(kClaim)) == about + "PVC is being deleted");
  f.cluster.claims["shop/data"] = bound;
  f.cluster.volumes.clear();
  CHECK(f.Refusal(Using(kClaim)) ==
        about + "failed to fetch PV pv1 from API server: persistentvolumes \"pv1\" not found");
  f.cluster.volumes["pv1"] = "{metadata: {name: pv1}, spec: {local: {path: /x}}}";
  CHECK(f.Refusal(Using(kClaim)) ==
        about +
            "found PV object pv1 but it has a nil pv.Spec.ClaimRef indicating it is not yet bound "
            "to the claim");
  f.cluster.volumes["pv1"] =
      "{metadata: {name: pv1}, spec: {claimRef: {uid: other}, local: {path: /x}}}";
  CHECK(f.Refusal(Using(kClaim)) ==
        about +
            "found PV object pv1 but its pv.Spec.ClaimRef.UID other does not point to claim.UID "
            "c1");
  CHECK(f.Mounts().empty());
}

TEST_CASE("a protected claim that is being deleted still serves its pod") {
  CHECK(CheckClaim(Parsed<PersistentVolumeClaim>(
                       "{metadata: {deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: "
                       "[kubernetes.io/pvc-protection]}, spec: {volumeName: v}, status: {phase: "
                       "Bound}}"))
            .ok());
}

TEST_CASE("the API server's silence keeps its code, so that the pod asks again soon") {
  PersistentVolumesFixture f;
  f.cluster.down = absl::UnavailableError("connection refused");
  CHECK(absl::IsUnavailable(f.Prepare(Using(kClaim)).status()));
}

TEST_CASE("an ephemeral volume is the claim that was made for this very pod") {
  PersistentVolumesFixture f;
  const std::string source = "ephemeral: {volumeClaimTemplate: {}}";
  f.cluster.Bind("hostPath: {path: /etc}");
  auto claim = [](const std::string& owner) {
    return "{metadata: {name: web-v, namespace: shop, uid: c1, ownerReferences: [{uid: " + owner +
           ", controller: true}]}, spec: {volumeName: pv1}, status: {phase: Bound}}";
  };
  f.cluster.claims["shop/web-v"] = claim("somebody");
  CHECK(f.Refusal(Using(source))
            .find("PVC shop/web-v was not created for pod shop/web (pod is not owner)") !=
        std::string::npos);
  f.cluster.claims["shop/web-v"] = claim("1-2");
  auto paths = f.Prepare(Using(source));
  REQUIRE(paths.ok());
  CHECK(paths->at("v").host_path == "/etc");
}

TEST_CASE("a claim once resolved is not asked for again, until the pod is gone") {
  PersistentVolumesFixture f;
  f.cluster.Bind("hostPath: {path: /etc, type: Directory}");
  REQUIRE(f.Prepare(Using(kClaim)).ok());
  CHECK(f.cluster.asked == 2);
  f.cluster.down = absl::UnavailableError("away");
  auto again = f.Prepare(Using(kClaim));
  REQUIRE(again.ok());
  CHECK(again->at("v").host_path == "/etc");
  CHECK_FALSE(again->at("v").selinux_relabel);
  REQUIRE(f.Await(f.volumes.Teardown("1-2")).ok());
  CHECK(absl::IsUnavailable(f.Prepare(Using(kClaim)).status()));
}

TEST_CASE("a volume of other nodes is refused in upstream's words, until the labels are right") {
  PersistentVolumesFixture f;
  std::map<std::string, std::string> labels{{"kubernetes.io/hostname", "here"}, {"cores", "8"}};
  bool known = false;
  f.options.node_labels = [&]() -> absl::StatusOr<std::map<std::string, std::string>> {
    if (!known) return absl::UnavailableError("error retrieving node: away");
    return labels;
  };
  f.options.on_event = [&](const std::string&, const api::core::Pod*, const std::string& reason,
                           const std::string& message) {
    f.events.push_back(reason + ": " + message);
  };
  PodVolumes volumes(f.io.get_executor(), f.clock, f.pool, f.options);
  auto prepare = [&](const std::string& spec) {
    volumes.RetryNow("1-2");
    return f.Await(volumes.Prepare(std::make_shared<const api::core::Pod>(PodOf(spec)))).status();
  };
  auto bind = [&](const std::string& terms, const std::string& more = "") {
    f.cluster.Bind("hostPath: {path: /etc}, nodeAffinity: {required: {nodeSelectorTerms: [" +
                   terms + "]}}" + more);
  };
  auto label = [](const std::string& key, const std::string& op, const std::string& values) {
    return "{matchExpressions: [{key: " + key + ", operator: " + op + ", values: [" + values +
           "]}]}";
  };
  bind(label("kubernetes.io/hostname", "In", "there"));
  const std::string words = "MountVolume.NodeAffinity check failed for volume \"pv1\" : ";
  auto away = prepare(Using(kClaim));
  CHECK(absl::IsUnavailable(away));
  CHECK(base::Message(away) == "pod shop/web: " + words + "error retrieving node: away");
  known = true;
  CHECK(base::Message(prepare(Using(kClaim))) ==
        "pod shop/web: " + words + "no matching NodeSelectorTerms");
  CHECK(f.events.back() == "FailedMount: " + words + "no matching NodeSelectorTerms");
  // Nobody asks the API server every two seconds for what does not change.
  for (int i = 0; i < 4; ++i) CHECK_FALSE(prepare(Using(kClaim)).ok());
  CHECK(*volumes.RetryAt("1-2") - f.clock.Mono() > std::chrono::seconds(4));
  labels["kubernetes.io/hostname"] = "there";
  CHECK(prepare(Using(kClaim)).ok());

  REQUIRE(f.Await(volumes.Teardown("1-2")).ok());
  const std::pair<std::string, bool> cases[] = {
      {"", false},
      {"{}", false},
      {label("cores", "Gt", "'7'"), true},
      {label("cores", "Lt", "'7'"), false},
      {label("zone", "DoesNotExist", "") + ", " + label("zone", "In", "a"), true},
      // A volume is not told which node it is: fields are passed over.
      {"{matchFields: [{key: metadata.name, operator: In, values: [other]}]}", true}};
  for (const auto& [terms, fits] : cases) {
    INFO(terms);
    bind(terms);
    CHECK(prepare(Using(kClaim)).ok() == fits);
    REQUIRE(f.Await(volumes.Teardown("1-2")).ok());
  }
  f.cluster.Bind(
      "volumeMode: Block, local: {path: /dev/null}, nodeAffinity: {required: "
      "{nodeSelectorTerms: [" +
      label("zone", "Exists", "") + "]}}");
  CHECK_FALSE(
      prepare("{volumes: [{name: v, " + kClaim +
              "}], containers: [{name: c, volumeDevices: [{name: v, devicePath: /dev/x}]}]}")
          .ok());
  CHECK(f.events.back() ==
        "FailedMount: MapVolume.NodeAffinity check failed for volume \"pv1\" : no matching "
        "NodeSelectorTerms");
}

TEST_CASE("a local volume is bound with its options, and keeps its files") {
  if (!NeedsRoot("bind mounts")) return;
  PersistentVolumesFixture f;
  std::filesystem::create_directory(f.root / "disk");
  WriteText(f.root / "disk/data", "1");
  f.cluster.Bind("mountOptions: [noexec, nosuid], local: {path: " + (f.root / "disk") + "}");
  const std::string spec = Using(kClaim);
  for (int i = 0; i < 2; ++i) {
    auto paths = f.Prepare(spec);
    INFO(paths.status());
    REQUIRE(paths.ok());
    CHECK(paths->at("v").host_path == f.pod_dir + "/volumes/kubernetes.io~local-volume/pv1");
    CHECK(paths->at("v").selinux_relabel);
    REQUIRE(f.Mounts().size() == 1);
    CHECK(f.Mounts()[0].options.find("noexec") != std::string::npos);
    CHECK(f.Mounts()[0].options.find("nosuid") != std::string::npos);
    CHECK(f.Mounts()[0].options.rfind("rw", 0) == 0);
  }
  auto pod = std::make_shared<const api::core::Pod>(
      PodOf("{volumes: [{name: v, " + kClaim +
            "}], containers: [{name: c, volumeMounts: [{name: v, mountPath: /v, subPath: a}]}]}"));
  std::map<int, std::string> wanted{{0, "a"}};
  auto sub = f.Await(f.volumes.PrepareSubPaths(pod, "c", wanted));
  INFO(sub.status());
  REQUIRE(sub.ok());
  CHECK(std::filesystem::exists(f.root / "disk/a"));
  CHECK(*f.Await(f.volumes.ReadFile(pod, "v", "data")) == "1");
  REQUIRE(f.Await(f.volumes.Teardown("1-2")).ok());
  CHECK(f.Mounts().empty());
  CHECK(ReadText(f.root / "disk/data") == "1");
  CHECK(std::filesystem::is_empty(f.pod_dir));
}

TEST_CASE("the group that a volume names is its pod's, a word that is none is not") {
  if (!NeedsRoot("bind mounts")) return;
  const std::pair<std::string, std::optional<int64_t>> cases[] = {
      {"4242", 4242}, {"0", 0}, {"", std::nullopt}, {"staff", std::nullopt}, {"-1", std::nullopt}};
  for (const auto& [text, group] : cases) {
    PersistentVolumesFixture f;
    std::filesystem::create_directory(f.root / "disk");
    f.cluster.Bind("local: {path: " + (f.root / "disk") + "}");
    auto& volume = f.cluster.volumes["pv1"];
    volume.replace(volume.find("name: pv1"), 9,
                   "name: pv1, annotations: {pv.beta.kubernetes.io/gid: '" + text + "'}");
    auto paths = f.Prepare(Using(kClaim));
    INFO(text);
    INFO(paths.status());
    REQUIRE(paths.ok());
    CHECK(paths->at("v").group == group);
  }
}

// What `mount -o bind,remount` of util-linux 2.38 does with the same.
TEST_CASE("mount options that a bind cannot have are passed over") {
  if (!NeedsRoot("bind mounts")) return;
  // With what the mount has then; none: what the directory has anyway.
  const std::pair<const char*, std::vector<std::string>> cases[] = {
      {"sync", {}},
      {"discard, _netdev, nofail, noatime", {"noatime"}},
      {"errors=remount-ro, x-systemd.automount, 'nodev=1', made-up", {}},
      {"exec, user", {"nosuid", "nodev", "noexec"}},
      {"group, ro", {"ro", "nosuid", "nodev"}},
      {"shared", {}},
      {"runbindable", {}}};
  for (const auto& [options, wanted] : cases) {
    PersistentVolumesFixture f;
    std::filesystem::create_directory(f.root / "disk");
    f.cluster.Bind("mountOptions: [" + std::string(options) +
                   "], local: {path: " + (f.root / "disk") + "}");
    auto paths = f.Prepare(Using(kClaim));
    INFO(options);
    INFO(paths.status());
    REQUIRE(paths.ok());
    REQUIRE(f.Mounts().size() == 1);
    auto table = *os::ReadMountinfo();
    auto has = "," + f.Mounts()[0].options + ",";
    if (wanted.empty()) CHECK(has == "," + os::MountOf(table, f.root.path())->options + ",");
    for (const auto& one : wanted) CHECK(has.find("," + one + ",") != std::string::npos);
    CHECK(f.Mounts()[0].shared == (std::string(options) == "shared"));
  }
}

TEST_CASE("a claim that is read only mounts so, a hostPath volume too") {
  if (!NeedsRoot("bind mounts")) return;
  const std::string spec = Using("persistentVolumeClaim: {claimName: data, readOnly: true}",
                                 ", securityContext: {fsGroup: 4242}");
  for (const char* kind : {"local", "hostPath"}) {
    PersistentVolumesFixture f;
    std::filesystem::create_directory(f.root / "disk");
    f.cluster.Bind(std::string(kind) + ": {path: " + (f.root / "disk") + "}");
    auto paths = f.Prepare(spec);
    INFO(paths.status());
    REQUIRE(paths.ok());
    CHECK(paths->at("v").host_path.rfind(f.pod_dir, 0) == 0);
    CHECK_FALSE(paths->at("v").selinux_relabel);
    REQUIRE(f.Mounts().size() == 1);
    CHECK(f.Mounts()[0].options.rfind("ro", 0) == 0);
    struct stat info {};
    REQUIRE(stat((f.root / "disk").c_str(), &info) == 0);
    CHECK(info.st_gid != 4242);
  }
}

TEST_CASE("what cannot be served is refused with its kind, and leaves nothing mounted") {
  if (!NeedsRoot("bind mounts")) return;
  PersistentVolumesFixture f;
  WriteText(f.root / "file", "1");
  std::filesystem::create_directory(f.root / "disk");
  const std::pair<std::string, std::string> cases[] = {
      {"csi: {driver: d, volumeHandle: h}", "PersistentVolume pv1 of kind csi is not built yet"},
      {"volumeMode: Block, local: {path: /dev/null}",
       "volume v has volumeMode Block, but is specified in volumeMounts"},
      {"local: {path: /a/../b}", "must not contain '..'"},
      {"local: {path: " + (f.root / "file") + "}",
       "MountVolume.NewMounter initialization failed for volume \"pv1\" : only directory and block "
       "device are supported"},
      {"local: {path: " + (f.root / "none") + "}",
       "MountVolume.NewMounter initialization failed for volume \"pv1\" : path \"" +
           (f.root / "none") + "\" does not exist"},
      {"hostPath: {path: " + (f.root / "file") + ", type: Directory}", "is not a directory"},
      {"nfs: {server: '', path: /x}", "nfs.server is empty"}};
  for (const auto& [spec, words] : cases) {
    f.cluster.Bind(spec);
    auto text = f.Refusal(Using(kClaim));
    CHECK(text.find("pod shop/web: MountVolume.") == 0);
    INFO(text);
    CHECK(text.find(words) != std::string::npos);
    CHECK(f.Mounts().empty());
    REQUIRE(f.Await(f.volumes.Teardown("1-2")).ok());
  }
}

TEST_CASE("nfs is mounted by mount(8) once, with its options, and unmounted with the pod") {
  if (!NeedsRoot("mounts")) return;
  PersistentVolumesFixture f;
  f.FakeMount("for target; do :; done\nexec mount -t tmpfs tmpfs \"$target\"\n");
  f.cluster.Bind(
      "mountOptions: [vers=4.1, hard], nfs: {server: '2001:db8::1', path: /export, readOnly: "
      "true}");
  const std::string place = f.pod_dir + "/volumes/kubernetes.io~nfs/pv1";
  for (int i = 0; i < 2; ++i) {
    auto paths = f.Prepare(Using(kClaim));
    INFO(paths.status());
    REQUIRE(paths.ok());
    CHECK(paths->at("v").host_path == place);
    CHECK_FALSE(paths->at("v").selinux_relabel);
    CHECK(f.Mounts().size() == 1);
  }
  CHECK(ReadText(f.root / "words") ==
        "-t\nnfs\n-o\nhard,ro,vers=4.1\n[2001:db8::1]:/export\n" + place + "\n");
  REQUIRE(f.Await(f.volumes.Teardown("1-2")).ok());
  CHECK(f.Mounts().empty());
}

TEST_CASE("an nfs volume of the pod itself needs no API server; what mount says is told") {
  PersistentVolumesFixture f;
  f.FakeMount("echo 'mount.nfs: access denied by server' >&2\nexit 32\n");
  f.options.objects = nullptr;
  PodVolumes volumes(f.io.get_executor(), f.clock, f.pool, f.options);
  auto pod = std::make_shared<const api::core::Pod>(
      PodOf(Using("nfs: {server: files.example, path: /export}")));
  auto paths = f.Await(volumes.Prepare(pod));
  CHECK(absl::IsUnavailable(paths.status()));
  auto text = base::Message(paths.status());
  const std::string place = f.pod_dir + "/volumes/kubernetes.io~nfs/v";
  CHECK(text.find("mount failed: exit status 32\nMounting command: " + (f.root / "mount") +
                  "\nMounting arguments: -t nfs files.example:/export " + place +
                  "\nOutput: mount.nfs: access denied by server") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(place));
}

TEST_CASE("a server that never answers costs a child, which is killed") {
  PersistentVolumesFixture f;
  f.FakeMount("exec sleep 1000\n");
  f.options.prepare_timeout = std::chrono::seconds(1);
  PodVolumes volumes(f.io.get_executor(), f.clock, f.pool, f.options);
  auto pod = std::make_shared<const api::core::Pod>(
      PodOf(Using("nfs: {server: files.example, path: /export}")));
  auto paths = f.Await(volumes.Prepare(pod));
  CHECK(absl::IsDeadlineExceeded(paths.status()));
  CHECK(base::Message(paths.status()).find("files.example:/export does not answer") !=
        std::string::npos);
}

TEST_CASE("old mount options in the annotation go before those of the spec") {
  ClaimedVolume claimed;
  claimed.volume = std::make_shared<const PersistentVolume>(Parsed<PersistentVolume>(
      "{metadata: {name: pv, annotations: {volume.beta.kubernetes.io/mount-options: 'soft,,tcp'}}, "
      "spec: {mountOptions: [hard], nfs: {server: s, path: /p}}}"));
  auto pod = PodOf(Using(kClaim));
  auto plan = PlanPersistent(pod, pod.spec().volumes(0), &claimed);
  REQUIRE(plan.ok());
  CHECK(plan->options == std::vector<std::string>{"soft", "tcp"});
}

}  // namespace
}  // namespace kubelet::volume
