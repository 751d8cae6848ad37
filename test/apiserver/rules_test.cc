// The rules of pods, nodes and their neighbours, as kube-apiserver 1.36 has them.
#include <deque>

#include "apiserver/cluster.h"
#include "catch.h"
#include "k8s/certificates/v1/certificates.pb.h"
#include "k8s/core/v1/namespace.pb.h"

namespace kubelet::fakes::test {
namespace {

using certificates = ::k8s::io::api::certificates::v1::CertificateSigningRequest;

void MakeNode(Cluster& cluster, const std::string& ready = "True") {
  REQUIRE(cluster
              .Create("nodes", R"({"metadata":{"name":"n1"},"status":{"conditions":
                      [{"type":"Ready","status":")" +
                                   ready + R"("}]}})")
              .ok());
}

TEST_CASE("a pod is defaulted and admitted on creation", "[apiserver]") {
  Cluster cluster;
  REQUIRE(cluster.CreatePod("p").ok());
  auto pod = cluster.Pod("p");
  CHECK(pod->metadata().generation() == 1);
  CHECK(pod->status().phase() == "Pending");
  CHECK(pod->status().qos_class() == "BestEffort");
  CHECK(pod->spec().restart_policy() == "Always");
  CHECK(pod->spec().service_account_name() == "default");
  CHECK(pod->spec().tolerations_size() == 2);
  CHECK(pod->spec().containers(0).volume_mounts(0).mount_path() ==
        "/var/run/secrets/kubernetes.io/serviceaccount");
  CHECK(pod->spec().volumes(0).volume_source().projected().sources_size() == 3);
  CHECK(CodeOf(cluster.Create("pods", R"({"metadata":{"name":"x"},"spec":{}})").status()) == 422);
  CHECK(CodeOf(cluster.Create("pods", R"({"metadata":{"name":"X"},"spec":{}})").status()) == 422);
  CHECK(CodeOf(cluster
                   .Create("pods", R"({"metadata":{"name":"x"},"spec":{"serviceAccountName":"no",
               "containers":[{"name":"a","image":"b"}]}})")
                   .status()) == 403);
}

TEST_CASE("deletion of a pod", "[apiserver]") {
  struct Case {
    const char* what;
    bool bound;
    const char* phase;
    std::vector<int64_t> graces;  // one DELETE after the other; -1: no grace given
    int64_t seconds_between;
    bool gone;
    int64_t grace, timestamp;  // of what is left; seconds after the first DELETE
  };
  auto row = GENERATE(values<Case>({
      {"default grace", true, "Running", {-1}, 0, false, 30, 30},
      {"not scheduled", false, "Pending", {-1}, 0, true, 0, 0},
      {"failed", true, "Failed", {20}, 0, true, 0, 0},
      {"succeeded", true, "Succeeded", {-1}, 0, true, 0, 0},
      {"forced", true, "Running", {0}, 0, true, 0, 0},
      {"own grace", true, "Running", {5}, 0, false, 5, 5},
      {"longer later", true, "Running", {5, 50}, 1, false, 5, 5},
      {"again without grace", true, "Running", {5, -1}, 1, false, 5, 5},
      {"shorter later", true, "Running", {60, 10}, 4, false, 10, 10},
      {"shorter than what has passed", true, "Running", {60, 2}, 10, false, 1, 10},
      {"finalised", true, "Running", {60, 0}, 1, true, 0, 0},
  }));
  INFO(row.what);
  Cluster cluster;
  REQUIRE(cluster.CreatePod("p", row.bound).ok());
  REQUIRE(
      cluster
          .Change<core::Pod>(cluster.admin, "pods", "p", "status",
                             [&](core::Pod& pod) { pod.mutable_status()->set_phase(row.phase); })
          .ok());
  auto start =
      std::chrono::duration_cast<std::chrono::seconds>(cluster.clock.Now().time_since_epoch())
          .count();
  for (int64_t grace : row.graces) {
    ApiDeleteOptions options;
    if (grace >= 0) options.grace_period_seconds = grace;
    REQUIRE(cluster.registry.Delete(cluster.admin, Cluster::At("pods", "p"), options).ok());
    cluster.clock.Advance(std::chrono::seconds(row.seconds_between));
  }
  auto pod = cluster.Pod("p");
  REQUIRE((pod == nullptr) == row.gone);
  if (pod == nullptr) return;
  CHECK(pod->metadata().deletion_grace_period_seconds() == row.grace);
  CHECK(pod->metadata().deletion_timestamp().seconds() - start == row.timestamp);
  CHECK(pod->metadata().generation() == 2);
}

TEST_CASE("watchers see a grace of 0 before a pod goes", "[apiserver]") {
  Cluster cluster;
  REQUIRE(cluster.CreatePod("p").ok());
  uint64_t before = cluster.store.revision();
  ApiDeleteOptions now;
  now.grace_period_seconds = 0;
  REQUIRE(cluster.registry.Delete(cluster.admin, Cluster::At("pods", "p"), now).ok());
  auto changes = cluster.store.Since(Cluster::Kind("pods"), before);
  REQUIRE(changes->size() == 2);
  CHECK((*changes)[0].type == ApiStore::Change::Type::kModified);
  CHECK(MetaOf(*(*changes)[0].object).has_deletion_grace_period_seconds());
  CHECK((*changes)[1].type == ApiStore::Change::Type::kDeleted);
}

TEST_CASE("preconditions of a deletion", "[apiserver]") {
  Cluster cluster;
  REQUIRE(cluster.CreatePod("p").ok());
  ApiDeleteOptions options;
  options.uid = "other";
  CHECK(
      CodeOf(cluster.registry.Delete(cluster.admin, Cluster::At("pods", "p"), options).status()) ==
      409);
  options.uid = cluster.Pod("p")->metadata().uid();
  options.resource_version = "1";
  CHECK(
      CodeOf(cluster.registry.Delete(cluster.admin, Cluster::At("pods", "p"), options).status()) ==
      409);
  CHECK(CodeOf(cluster.registry.Delete(cluster.admin, Cluster::At("pods", "no"), {}).status()) ==
        404);
}

TEST_CASE("finalizers hold an object", "[apiserver]") {
  Cluster cluster;
  REQUIRE(cluster.Create("configmaps", R"({"metadata":{"name":"c","finalizers":["x/y"]}})").ok());
  auto deleted = cluster.registry.Delete(cluster.admin, Cluster::At("configmaps", "c"), {});
  REQUIRE(deleted.ok());
  CHECK_FALSE(deleted->gone);
  uint64_t before = cluster.store.revision();
  REQUIRE(cluster.registry.Get(Cluster::At("configmaps", "c")).ok());
  REQUIRE(cluster
              .Change<core::ConfigMap>(
                  cluster.admin, "configmaps", "c", "",
                  [](core::ConfigMap& map) { map.mutable_metadata()->clear_finalizers(); })
              .ok());
  CHECK(CodeOf(cluster.registry.Get(Cluster::At("configmaps", "c")).status()) == 404);
  CHECK(cluster.store.revision() == before + 1);
}

TEST_CASE("the status of a pod is its subresource's", "[apiserver]") {
  Cluster cluster;
  REQUIRE(cluster.CreatePod("p").ok());
  auto both = [&](const char* subresource, const char* phase) {
    return cluster.Change<core::Pod>(cluster.admin, "pods", "p", subresource, [&](core::Pod& pod) {
      pod.mutable_spec()->mutable_containers(0)->set_image("new");
      pod.mutable_status()->set_phase(phase);
    });
  };
  REQUIRE(both("status", "Running").ok());
  CHECK(cluster.Pod("p")->spec().containers(0).image() == "b");
  CHECK(cluster.Pod("p")->status().phase() == "Running");
  CHECK(cluster.Pod("p")->metadata().generation() == 1);
  REQUIRE(both("", "Failed").ok());
  CHECK(cluster.Pod("p")->spec().containers(0).image() == "new");
  CHECK(cluster.Pod("p")->status().phase() == "Running");
  CHECK(cluster.Pod("p")->metadata().generation() == 2);
}

TEST_CASE("what an update of a pod may not do", "[apiserver]") {
  Cluster cluster;
  REQUIRE(cluster.CreatePod("p").ok());
  auto try_it = [&](const std::string& subresource, std::function<void(core::Pod&)> f) {
    return CodeOf(cluster.Change<core::Pod>(cluster.admin, "pods", "p", subresource, f));
  };
  CHECK(try_it("", [](auto& pod) { pod.mutable_spec()->set_host_network(true); }) == 422);
  CHECK(try_it("", [](auto& pod) { pod.mutable_spec()->clear_tolerations(); }) == 422);
  CHECK(try_it("", [](auto& pod) { pod.mutable_spec()->add_tolerations()->set_key("x"); }) == 200);
  CHECK(try_it("", [](auto& pod) { pod.mutable_metadata()->set_resource_version("1"); }) == 409);
  CHECK(try_it("status", [](auto& pod) { pod.mutable_metadata()->set_uid("other"); }) == 409);
  CHECK(try_it("status", [](auto& pod) { pod.mutable_status()->set_qos_class("Burstable"); }) ==
        422);
  CHECK(try_it("", [](auto& pod) {
          (*pod.mutable_metadata()->mutable_annotations())["kubernetes.io/config.mirror"] = "x";
        }) == 422);
}

TEST_CASE("a container that ended for good stays ended", "[apiserver]") {
  Cluster cluster;
  REQUIRE(cluster
              .Create("pods",
                      R"({"metadata":{"name":"p"},"spec":{"nodeName":"n1","restartPolicy":"Never",
    "containers":[{"name":"a","image":"b"}]}})")
              .ok());
  auto set = [&](bool ended) {
    return CodeOf(
        cluster.Change<core::Pod>(cluster.node, "pods", "p", "status", [&](core::Pod& pod) {
          auto& list = *pod.mutable_status();
          list.clear_container_statuses();
          auto& status = *list.add_container_statuses();
          status.set_name("a");
          if (ended) {
            status.mutable_state()->mutable_terminated()->set_exit_code(1);
          } else {
            status.mutable_state()->mutable_running();
          }
        }));
  };
  CHECK(set(false) == 200);
  CHECK(set(true) == 200);
  CHECK(set(false) == 422);
}

TEST_CASE("what a node may do", "[apiserver]") {
  Cluster cluster({.schedule = false});
  MakeNode(cluster);
  std::string uid = MetaOf(*cluster.store.Get(Cluster::Kind("nodes"), "", "n1")).uid();
  auto create = [&](const std::string& mirror, const std::string& owner, const std::string& node) {
    std::string notes =
        mirror.empty() ? "" : R"("annotations":{"kubernetes.io/config.mirror":"h"},)";
    NewObject pod = Cluster::Decode("pods", R"({"metadata":{"name":"m","namespace":"default",)" +
                                                notes + R"("ownerReferences":[)" + owner +
                                                R"(]},"spec":{"nodeName":")" + node +
                                                R"(","containers":[{"name":"a","image":"b"}]}})");
    return CodeOf(cluster.registry.Create(cluster.node, std::move(pod)).status());
  };
  auto owner = [](const std::string& id, const std::string& more) {
    return R"({"apiVersion":"v1","kind":"Node","name":"n1","uid":")" + id + "\"" + more + "}";
  };
  std::string good = owner(uid, R"(,"controller":true)");
  CHECK(create("", good, "n1") == 403);
  CHECK(create("h", "", "n1") == 403);
  CHECK(create("h", good, "n2") == 403);
  CHECK(create("h", owner(uid, ""), "n1") == 403);
  CHECK(create("h", owner("other", R"(,"controller":true)"), "n1") == 403);
  CHECK(create("h", owner(uid, R"(,"controller":true,"blockOwnerDeletion":true)"), "n1") == 403);
  CHECK(create("h", good, "n1") == 200);
  auto mirror = cluster.Pod("m");
  CHECK(mirror->spec().service_account_name().empty());
  CHECK(mirror->spec().volumes_size() == 0);

  REQUIRE(cluster
              .Create("pods", R"({"metadata":{"name":"far"},"spec":{"nodeName":"n2",
    "containers":[{"name":"a","image":"b"}]}})")
              .ok());
  auto touch = [](core::Pod& pod) { pod.mutable_status()->set_phase("Running"); };
  CHECK(CodeOf(cluster.Change<core::Pod>(cluster.node, "pods", "far", "status", touch)) == 403);
  CHECK(CodeOf(cluster.Change<core::Pod>(cluster.node, "pods", "m", "status", touch)) == 200);
  CHECK(CodeOf(cluster.Change<core::Pod>(cluster.node, "pods", "m", "", [](core::Pod& pod) {
          (*pod.mutable_metadata()->mutable_labels())["a"] = "b";
        })) == 403);
  CHECK(CodeOf(cluster.registry.Delete(cluster.node, Cluster::At("pods", "far"), {}).status()) ==
        403);
  CHECK(CodeOf(cluster.Change<core::Node>(cluster.node, "nodes", "n1", "", [](core::Node& node) {
          node.mutable_spec()->add_taints()->set_key("x");
        })) == 403);
  CHECK(CodeOf(cluster.Change<core::Node>(cluster.node, "nodes", "n1", "", [](core::Node& node) {
          (*node.mutable_metadata()->mutable_labels())["node-role.kubernetes.io/master"] = "";
        })) == 403);
  CHECK(CodeOf(
            cluster.Change<core::Node>(cluster.node, "nodes", "n1", "status", [](core::Node& node) {
              (*node.mutable_metadata()->mutable_labels())["node.kubernetes.io/x"] = "y";
            })) == 200);
}

TEST_CASE("the scheduler binds to the node when it will have the pod", "[apiserver]") {
  Cluster cluster;
  REQUIRE(cluster.CreatePod("p", false).ok());
  CHECK(cluster.Pod("p")->spec().node_name().empty());
  CHECK(cluster.Pod("p")->status().conditions(0).reason() == "Unschedulable");
  MakeNode(cluster, "False");
  CHECK(cluster.Pod("p")->spec().node_name().empty());
  REQUIRE(cluster
              .Change<core::Node>(cluster.admin, "nodes", "n1", "status",
                                  [](core::Node& node) {
                                    node.mutable_status()->mutable_conditions(0)->set_status(
                                        "True");
                                  })
              .ok());
  CHECK(cluster.Pod("p")->spec().node_name() == "n1");
  CHECK(cluster.Pod("p")->status().conditions(0).status() == "True");
  CHECK(CodeOf(cluster.registry.Bind(cluster.admin, "default", "p", "", "n1")) == 409);
  REQUIRE(cluster
              .Change<core::Node>(
                  cluster.admin, "nodes", "n1", "",
                  [](core::Node& node) { node.mutable_spec()->set_unschedulable(true); })
              .ok());
  REQUIRE(cluster.CreatePod("q", false).ok());
  CHECK(cluster.Pod("q")->spec().node_name().empty());
}

TEST_CASE("a namespace gets its account and loses everything", "[apiserver]") {
  Cluster cluster;
  REQUIRE(cluster.Create("namespaces", R"({"metadata":{"name":"x"}})").ok());
  CHECK(cluster.store.Get(Cluster::Kind("serviceaccounts"), "x", "default") != nullptr);
  CHECK(cluster.store.Get(Cluster::Kind("configmaps"), "x", "kube-root-ca.crt") != nullptr);
  NewObject pod = CopyOf(**cluster.CreatePod("p"));
  MetaOf(*pod).set_namespace_("x");
  MetaOf(*pod).clear_resource_version();
  REQUIRE(cluster.registry.Create(cluster.admin, CopyOf(*pod)).ok());
  REQUIRE(cluster.registry.Delete(cluster.admin, Cluster::At("namespaces", "x"), {}).ok());
  // The pod is bound and has its grace.
  auto ns = std::static_pointer_cast<const core::Namespace>(
      cluster.store.Get(Cluster::Kind("namespaces"), "", "x"));
  REQUIRE(ns != nullptr);
  CHECK(ns->status().phase() == "Terminating");
  MetaOf(*pod).set_name("late");
  CHECK(CodeOf(cluster.registry.Create(cluster.admin, std::move(pod)).status()) == 403);
  ApiDeleteOptions now;
  now.grace_period_seconds = 0;
  REQUIRE(cluster.registry.Delete(cluster.admin, {&Cluster::Kind("pods"), "x", "p", ""}, now).ok());
  CHECK(cluster.store.Get(Cluster::Kind("namespaces"), "", "x") == nullptr);
  CHECK(CodeOf(cluster.registry.Get({&Cluster::Kind("serviceaccounts"), "x", "default", ""})
                   .status()) == 404);
}

TEST_CASE("certificate requests are approved and signed by policy", "[apiserver]") {
  ApiControllers::Options options;
  std::deque<std::chrono::seconds> lives;
  options.sign = [&](const std::string& csr, std::chrono::seconds life) {
    lives.push_back(life);
    return csr == "csr" ? std::string("signed") : std::string();
  };
  options.approval_delay = std::chrono::seconds(2);
  Cluster cluster(options);
  auto csr = [&](const std::string& name) {
    return static_cast<const certificates&>(
        *cluster.store.Get(Cluster::Kind("certificatesigningrequests"), "", name));
  };
  auto create = [&](const std::string& name, const std::string& request) {
    NewObject object = Cluster::Decode("certificatesigningrequests",
                                       R"({"spec":{"signerName":"s","expirationSeconds":700}})");
    MetaOf(*object).set_name(name);
    static_cast<certificates&>(*object).mutable_spec()->set_request(request);
    REQUIRE(cluster.registry.Create(cluster.node, std::move(object)).ok());
  };
  create("a", "csr");
  CHECK(csr("a").spec().username() == "system:node:n1");
  CHECK(csr("a").status().conditions_size() == 0);
  cluster.clock.Advance(std::chrono::seconds(2));
  CHECK(csr("a").status().certificate() == "signed");
  CHECK(lives == std::deque<std::chrono::seconds>{std::chrono::seconds(700)});

  cluster.controllers.options().approval = ApiControllers::Options::Approval::kManual;
  create("b", "nonsense");
  cluster.clock.Advance(std::chrono::seconds(9));
  CHECK(csr("b").status().conditions_size() == 0);
  REQUIRE(cluster.controllers.Decide("b", true).ok());
  CHECK(csr("b").status().certificate().empty());
  CHECK(csr("b").status().conditions(1).type() == "Failed");

  cluster.controllers.options().approval = ApiControllers::Options::Approval::kDeny;
  cluster.controllers.options().approval_delay = base::Nanos(0);
  create("c", "csr");
  CHECK(csr("c").status().conditions(0).type() == "Denied");
  CHECK(csr("c").status().certificate().empty());
}

}  // namespace
}  // namespace kubelet::fakes::test
