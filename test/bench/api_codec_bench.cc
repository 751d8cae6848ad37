// Speed of the codec on a list of realistic pods (about 5 MB of JSON), and as a ratio to protobuf's own parser and
// serializer on the same objects.
#include <malloc.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <functional>
#include <string>

#include "kubelet/api/codec.h"
#include "kubelet/api/types.h"

namespace {

using namespace kubelet::api;

constexpr size_t kTarget = 5'000'000;

const char kManagedFields[] =
    R"({"f:metadata":{"f:annotations":{".":{},"f:kubernetes.io/config.seen":{},"f:prometheus.io/scrape":{}},"f:generateName":{},)"
    R"("f:labels":{".":{},"f:app":{},"f:pod-template-hash":{},"f:release":{}},"f:ownerReferences":{".":{},)"
    R"("k:{\"uid\":\"3c8e0a52-9d0f-4a39-8f0a-1f7a2b9f8e11\"}":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"server\"}":{".":{},)"
    R"("f:args":{},"f:env":{".":{},"k:{\"name\":\"POD_NAME\"}":{".":{},"f:name":{},"f:valueFrom":{}}},"f:image":{},)"
    R"("f:imagePullPolicy":{},"f:livenessProbe":{".":{},"f:failureThreshold":{},"f:httpGet":{".":{},"f:path":{},"f:port":{}}},)"
    R"("f:name":{},"f:ports":{".":{},"k:{\"containerPort\":8080,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{}}},)"
    R"("f:resources":{".":{},"f:limits":{".":{},"f:cpu":{},"f:memory":{}},"f:requests":{".":{},"f:cpu":{},"f:memory":{}}},)"
    R"("f:terminationMessagePath":{},"f:volumeMounts":{".":{},"k:{\"mountPath\":\"/etc/config\"}":{".":{},"f:mountPath":{}}}}},)"
    R"("f:dnsPolicy":{},"f:restartPolicy":{},"f:schedulerName":{},"f:securityContext":{},"f:volumes":{".":{}}}})";

void AddContainer(core::PodSpec& spec, const std::string& name, int i) {
  core::Container& container = *spec.add_containers();
  container.set_name(name);
  container.set_image("registry.example.com/team-" + std::to_string(i % 17) + "/" + name + ":v1." + std::to_string(i));
  container.set_image_pull_policy("IfNotPresent");
  container.set_termination_message_path("/dev/termination-log");
  container.set_termination_message_policy("File");
  for (const char* arg : {"--listen=:8080", "--log-format=json", "--config=/etc/config/app.yaml"}) container.add_args(arg);
  for (int e = 0; e < 8; ++e) {
    core::EnvVar& env = *container.add_env();
    env.set_name("SETTING_NUMBER_" + std::to_string(e));
    env.set_value("https://service-" + std::to_string(e) + ".default.svc.cluster.local:8443/path?a=b&c=d");
  }
  core::EnvVar& env = *container.add_env();
  env.set_name("POD_NAME");
  env.mutable_value_from()->mutable_field_ref()->set_field_path("metadata.name");
  core::ContainerPort& port = *container.add_ports();
  port.set_name("http");
  port.set_container_port(8080);
  port.set_protocol("TCP");
  auto& requests = *container.mutable_resources()->mutable_requests();
  requests["cpu"].set_string("250m");
  requests["memory"].set_string("512Mi");
  auto& limits = *container.mutable_resources()->mutable_limits();
  limits["cpu"].set_string("2");
  limits["memory"].set_string("1Gi");
  for (core::Probe* probe : {container.mutable_liveness_probe(), container.mutable_readiness_probe()}) {
    probe->mutable_handler()->mutable_http_get()->set_path("/healthz");
    probe->mutable_handler()->mutable_http_get()->mutable_port()->set_int_val(8080);
    probe->set_timeout_seconds(1);
    probe->set_period_seconds(10);
    probe->set_failure_threshold(3);
  }
  for (const char* path : {"/etc/config", "/var/cache", "/var/run/secrets/kubernetes.io/serviceaccount"}) {
    core::VolumeMount& mount = *container.add_volume_mounts();
    mount.set_name("volume" + std::to_string(container.volume_mounts_size()));
    mount.set_mount_path(path);
    mount.set_read_only(true);
  }
}

void AddStatus(core::Pod& pod) {
  core::PodStatus& status = *pod.mutable_status();
  status.set_phase("Running");
  status.set_host_ip("10.20.30.40");
  status.set_pod_ip("10.244.3.17");
  status.mutable_start_time()->set_seconds(1'700'000'000);
  status.set_qos_class("Burstable");
  for (const char* type : {"Initialized", "Ready", "ContainersReady", "PodScheduled", "PodReadyToStartContainers"}) {
    core::PodCondition& condition = *status.add_conditions();
    condition.set_type(type);
    condition.set_status("True");
    condition.mutable_last_transition_time()->set_seconds(1'700'000'010);
  }
  for (const core::Container& container : pod.spec().containers()) {
    core::ContainerStatus& entry = *status.add_container_statuses();
    entry.set_name(container.name());
    entry.set_image(container.image());
    entry.set_image_id("registry.example.com/app@sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
    entry.set_container_id("containerd://9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08");
    entry.set_ready(true);
    entry.set_started(true);
    entry.mutable_state()->mutable_running()->mutable_started_at()->set_seconds(1'700'000'005);
  }
}

void AddPod(core::PodList& list, int i) {
  core::Pod& pod = *list.add_items();
  meta::ObjectMeta& metadata = *pod.mutable_metadata();
  metadata.set_name("server-7d9f8b6c5-" + std::to_string(100000 + i));
  metadata.set_generate_name("server-7d9f8b6c5-");
  metadata.set_namespace_("team-" + std::to_string(i % 17));
  metadata.set_uid("3c8e0a52-9d0f-4a39-8f0a-" + std::to_string(100000000000 + i));
  metadata.set_resource_version(std::to_string(88000000 + i));
  metadata.mutable_creation_timestamp()->set_seconds(1'700'000'000 + i);
  for (const char* key : {"app", "pod-template-hash", "release", "app.kubernetes.io/managed-by"}) {
    (*metadata.mutable_labels())[key] = "value-of-" + std::string(key);
  }
  (*metadata.mutable_annotations())["prometheus.io/scrape"] = "true";
  (*metadata.mutable_annotations())["checksum/config"] = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
  meta::OwnerReference& owner = *metadata.add_owner_references();
  owner.set_api_version("apps/v1");
  owner.set_kind("ReplicaSet");
  owner.set_name("server-7d9f8b6c5");
  owner.set_controller(true);
  for (const char* manager : {"kube-controller-manager", "kubelet"}) {
    meta::ManagedFieldsEntry& entry = *metadata.add_managed_fields();
    entry.set_manager(manager);
    entry.set_operation("Update");
    entry.set_api_version("v1");
    entry.set_fields_type("FieldsV1");
    entry.mutable_fields_v1()->set_raw(kManagedFields);
  }
  core::PodSpec& spec = *pod.mutable_spec();
  for (const char* name : {"server", "proxy"}) AddContainer(spec, name, i);
  for (int v = 0; v < 3; ++v) {
    core::Volume& volume = *spec.add_volumes();
    volume.set_name("volume" + std::to_string(v + 1));
    volume.mutable_volume_source()->mutable_config_map()->mutable_local_object_reference()->set_name("config");
    volume.mutable_volume_source()->mutable_config_map()->set_default_mode(420);
  }
  for (const char* key : {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}) {
    core::Toleration& toleration = *spec.add_tolerations();
    toleration.set_key(key);
    toleration.set_operator_("Exists");
    toleration.set_effect("NoExecute");
    toleration.set_toleration_seconds(300);
  }
  spec.set_restart_policy("Always");
  spec.set_dns_policy("ClusterFirst");
  spec.set_service_account_name("server");
  spec.set_node_name("node-1");
  spec.set_termination_grace_period_seconds(30);
  spec.mutable_security_context()->set_run_as_user(1000);
  AddStatus(pod);
}

// Time of the processor this thread has had, in milliseconds: a busy machine disturbs it less than the clock.
double CpuMillis() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

// Best of several runs, in milliseconds.
double Best(const std::function<void()>& work) {
  double best = 1e9;
  for (int i = 0; i < 15; ++i) {
    double start = CpuMillis();
    work();
    best = std::min(best, CpuMillis() - start);
  }
  return best;
}

void Print(const char* what, double ms, size_t bytes, double peer, const char* peer_name) {
  std::printf("%-16s %8.2f ms %8.0f MB/s   %5.2f x %s\n", what, ms, static_cast<double>(bytes) / ms / 1000, ms / peer, peer_name);
}

}  // namespace

int main() {
  core::PodList list;
  std::string json;
  for (int i = 0; json.size() < kTarget; ++i) {
    AddPod(list, i);
    if (i % 32 == 0) json = EncodeJson(list);
  }
  json = EncodeJson(list);
  const std::string body = EncodeProtobuf(list);
  const std::string wire = list.SerializeAsString();
  std::printf("%d pods, %zu bytes of JSON, %zu bytes of protobuf\n", list.items_size(), json.size(), body.size());

  size_t failures = 0;
  // A fresh message each time, as a source has it; freeing is part of the work on both sides.
  double parse = Best([&] {
    core::PodList out;
    failures += !out.ParseFromString(wire);
  });
  double serialize = Best([&] { failures += list.SerializeAsString().size() != wire.size(); });
  Print("protobuf parse", parse, wire.size(), parse, "itself");
  Print("protobuf write", serialize, wire.size(), serialize, "itself");
  Print("JSON decode", Best([&] {
          core::PodList out;
          failures += !DecodeJson(json, out).ok();
        }),
        json.size(), parse, "protobuf parse");
  DecodeOptions strict;
  strict.strict = true;
  Print("JSON strict", Best([&] {
          core::PodList out;
          failures += !DecodeJson(json, out, strict).ok();
        }),
        json.size(), parse, "protobuf parse");
  Print("JSON encode", Best([&] { failures += EncodeJson(list).size() != json.size(); }), json.size(), serialize, "protobuf write");
  Print("protobuf decode", Best([&] {
          core::PodList out;
          failures += !DecodeProtobuf(body, out).ok();
        }),
        body.size(), parse, "protobuf parse");
  Print("protobuf encode", Best([&] { failures += EncodeProtobuf(list).size() != body.size(); }), body.size(), serialize,
        "protobuf write");

  auto heap = [](const std::function<void(core::PodList&)>& fill) {
    core::PodList out;
    size_t before = mallinfo2().uordblks;
    fill(out);
    return static_cast<double>(mallinfo2().uordblks - before) / 1e6;
  };
  std::printf("heap of the list: %.1f MB from JSON, %.1f MB from protobuf\n", heap([&](core::PodList& out) { (void)DecodeJson(json, out); }),
              heap([&](core::PodList& out) { (void)DecodeProtobuf(body, out); }));
  if (failures > 0) std::printf("%zu FAILURES\n", failures);
  return failures > 0 ? 1 : 0;
}
