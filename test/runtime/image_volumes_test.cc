// Images as volumes: what is asked for before a container starts, and the mounts that come of it.
#include "runtime/image_volumes.h"

#include <boost/asio/io_context.hpp>

#include "catch.h"
#include "kubelet/api/codec.h"

namespace kubelet::runtime {
namespace {

constexpr char kPod[] = R"x({"metadata":{"name":"web","namespace":"shop","uid":"u1"},"spec":{
  "volumes":[{"name":"a","image":{"reference":"a:1","pullPolicy":"Always"}},{"name":"b","image":{"reference":"b:1"}},
             {"name":"unused","image":{"reference":"c:1"}},{"name":"dir","emptyDir":{}}],
  "containers":[{"name":"c","image":"main:1","env":[{"name":"PART","value":"deep/er"}],"volumeMounts":[
    {"name":"a","mountPath":"/a"},{"name":"a","mountPath":"part","subPath":"usr/share"},
    {"name":"b","mountPath":"/b","subPathExpr":"x/$(PART)"},{"name":"dir","mountPath":"/dir"}]}]}})x";

api::PodPtr Decode(const std::string& json) {
  auto pod = std::make_shared<api::core::Pod>();
  REQUIRE(api::DecodeJson(json, *pod, {}).ok());
  return pod;
}

struct FakeImages : Images {
  base::Task<Answer> Ensure(api::PodPtr, std::string container, std::string image, std::string policy,
                            SandboxConfig) override {
    asked.push_back(container + "|" + image + "|" + policy);
    auto it = answers.find(image);
    Answer answer;
    if (it != answers.end()) {
      answer = it->second;
    } else {
      answer.image.emplace();
      answer.ref = "sha256:" + image;
    }
    co_return answer;
  }
  void Forget(const std::string&) override {}
  std::vector<std::string> asked;
  std::map<std::string, Answer> answers;
};

struct Bench {
  boost::asio::io_context io{1};
  FakeImages images;
  std::vector<std::string> events;
  base::Registry metrics;
  ImageVolumes volumes{images,
                       [this](const auto&, const PodEvent& event) {
                         events.push_back(event.container + " " + event.reason + " " + event.message);
                       },
                       &metrics};
  api::PodPtr pod = Decode(kPod);

  static base::Task<void> Into(base::Task<ImageVolumes::Answer> task, ImageVolumes::Answer* out) {
    *out = co_await std::move(task);
  }
  ImageVolumes::Answer Ensure() {
    ImageVolumes::Answer answer;
    base::TaskScope scope(io.get_executor());
    scope.Spawn("ensure", Into(volumes.Ensure(pod, &pod->spec().containers(0), SandboxConfig()), &answer));
    io.restart();
    io.poll();
    return answer;
  }
};

Images::Answer Waiting(WaitingReason reason, bool pulling, int retry_seconds) {
  Images::Answer answer;
  answer.waiting.reason = reason;
  answer.pulling = pulling;
  if (retry_seconds > 0) answer.retry_at = base::MonoTime(std::chrono::seconds(retry_seconds));
  return answer;
}

TEST_CASE("each image that the container mounts is asked for once, with the volume's policy, as the pod's own") {
  Bench bench;
  auto answer = bench.Ensure();
  CHECK_FALSE(answer.waits.has_value());
  CHECK(bench.images.asked == std::vector<std::string>{"|a:1|Always", "|b:1|"});
  CHECK(answer.mounts.at("a").image == "sha256:a:1");
  CHECK(answer.mounts.at("b").reference == "b:1");
  CHECK(bench.events.empty());
}

TEST_CASE("a container waits for the image of a volume; what failed is shown and looked at again first") {
  Bench bench;
  bench.images.answers["a:1"] = Waiting(WaitingReason::kContainerCreating, true, 0);
  auto answer = bench.Ensure();
  REQUIRE(answer.waits.has_value());
  CHECK(answer.waits->pulling);
  CHECK(bench.events.empty());
  bench.images.answers["b:1"] = Waiting(WaitingReason::kErrImagePull, false, 7);
  answer = bench.Ensure();
  CHECK(answer.waits->waiting.reason == WaitingReason::kErrImagePull);
  CHECK(answer.waits->retry_at == base::MonoTime(std::chrono::seconds(7)));
  CHECK(bench.events == std::vector<std::string>{"c Failed Error: ErrImagePull"});
  bench.images.answers["a:1"] = Waiting(WaitingReason::kImagePullBackOff, false, 3);
  answer = bench.Ensure();
  CHECK(answer.waits->waiting.reason == WaitingReason::kImagePullBackOff);
  CHECK(answer.waits->retry_at == base::MonoTime(std::chrono::seconds(3)));
}

TEST_CASE("mounts of images: read-only, by what the runtime found, with their sub paths") {
  Bench bench;
  ContainerInputs inputs;
  inputs.image_mounts = bench.Ensure().mounts;
  inputs.volume_paths["dir"].host_path = "/host/dir";
  auto config = MakeContainerConfig(*bench.pod, bench.pod->spec().containers(0), inputs, NodeContext());
  REQUIRE(config.ok());
  REQUIRE(config->mounts.size() == 4);
  const auto& part = config->mounts[1];
  CHECK(part.container_path == "/part");
  CHECK(part.image == "sha256:a:1");
  CHECK(part.user_specified_image == "a:1");
  CHECK(part.image_sub_path == "usr/share");
  CHECK(part.host_path.empty());
  CHECK(part.read_only);
  CHECK(config->mounts[2].image_sub_path == "x/deep/er");
  CHECK(config->mounts[3].host_path == "/host/dir");
  CHECK(config->mounts[3].image.empty());
}

TEST_CASE("a sub path out of the image is refused") {
  auto path = GENERATE(std::string("/abs"), std::string("a/../../b"), std::string(".."));
  Bench bench;
  auto pod = std::make_shared<api::core::Pod>(*bench.pod);
  pod->mutable_spec()->mutable_containers(0)->mutable_volume_mounts(1)->set_sub_path(path);
  ContainerInputs inputs;
  inputs.image_mounts = bench.Ensure().mounts;
  inputs.volume_paths["dir"].host_path = "/host/dir";
  auto config = MakeContainerConfig(*pod, pod->spec().containers(0), inputs, NodeContext());
  CHECK(absl::IsFailedPrecondition(config.status()));
}

TEST_CASE("image volumes are counted: asked for, mounted, and refused by the runtime") {
  Bench bench;
  auto mounts = bench.Ensure().mounts;
  const auto& container = bench.pod->spec().containers(0);
  bench.volumes.Count(container, mounts, absl::OkStatus());
  bench.volumes.Count(container, mounts, absl::UnknownError("ImageVolumeMountFailed: no"));
  auto text = bench.metrics.Render();
  CHECK(text.find("kubelet_image_volume_requested_total 4") != std::string::npos);
  CHECK(text.find("kubelet_image_volume_mounted_succeed_total 3") != std::string::npos);
  CHECK(text.find("kubelet_image_volume_mounted_errors_total 3") != std::string::npos);
}

}  // namespace
}  // namespace kubelet::runtime
