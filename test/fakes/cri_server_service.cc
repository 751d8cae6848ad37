#include "fakes/cri_server_service.h"

namespace kubelet::fakes {

std::optional<Nanos> TimeoutOf(const grpc::CallbackServerContext& context) {
  auto left = context.deadline() - std::chrono::system_clock::now();
  // Without a deadline gRPC reports the end of time.
  if (left > std::chrono::hours(24 * 365)) return std::nullopt;
  return std::chrono::duration_cast<Nanos>(left);
}

namespace {

using Context = grpc::CallbackServerContext;
using Unary = grpc::ServerUnaryReactor;

// A method: its name is that of the call, messages are NAMERequest and NAMEResponse. `who` and
// `body` see `request`, `body` also `out` and `done`.
#define CRI_CALL(name, who, body)                                                               \
  Unary* name(Context* context, const v1::name##Request* request, v1::name##Response* response) \
      override {                                                                                \
    Subject subject = who;                                                                      \
    return Serve<v1::name##Request, v1::name##Response>(                                        \
        {deps_.control, deps_.timers}, context, #name, subject, request, response,              \
        [this]([[maybe_unused]] const v1::name##Request& in,                                    \
               [[maybe_unused]] v1::name##Response* out, Done done) body);                      \
  }

// A list as a stream: `items` fills `parts` out of `request`, an item each.
#define CRI_STREAM(name, items)                                                              \
  grpc::ServerWriteReactor<v1::name##Response>* name(                                        \
      Context* context, [[maybe_unused]] const v1::name##Request* request) override {        \
    size_t index =                                                                           \
        deps_.control.Began(#name, {}, TimeoutOf(*context), request->SerializeAsString());   \
    std::vector<v1::name##Response> parts;                                                   \
    grpc::Status end = deps_.options.list_streams ? grpc::Status::OK : Unimplemented(#name); \
    if (end.ok()) items;                                                                     \
    if (auto fault = deps_.control.TakeFault(#name, {}))                                     \
      end = {static_cast<grpc::StatusCode>(fault->code), fault->message};                    \
    deps_.control.Finished(index, end.error_code());                                         \
    return new PartsReactor<v1::name##Response>(std::move(parts), end);                      \
  }

grpc::Status Unimplemented(const std::string& method) {
  return {grpc::StatusCode::UNIMPLEMENTED, "unknown method " + method};
}

class RuntimeService final : public v1::RuntimeService::CallbackService {
 public:
  explicit RuntimeService(ServiceDeps deps) : deps_(deps) {}

  CRI_CALL(Version, Nobody(), {
    out->set_version("0.1.0");
    out->set_runtime_name("fake-cri");
    out->set_runtime_version(deps_.options.events ? "2.0.0" : "1.6.20");
    out->set_runtime_api_version("v1");
    done(grpc::Status::OK);
  })
  CRI_CALL(Status, Nobody(), {
    for (const char* type : {"RuntimeReady", "NetworkReady"}) {
      auto* condition = out->mutable_status()->add_conditions();
      condition->set_type(type);
      condition->set_status(true);
    }
    if (deps_.options.events) {
      for (const char* name : {"", "runc"}) out->add_runtime_handlers()->set_name(name);
      for (auto& handler : *out->mutable_runtime_handlers()) {
        handler.mutable_features()->set_recursive_read_only_mounts(true);
        handler.mutable_features()->set_user_namespaces(true);
      }
      out->mutable_features()->set_supplemental_groups_policy(true);
    }
    done(grpc::Status::OK);
  })
  CRI_CALL(RuntimeConfig, Nobody(), {
    if (!deps_.options.events) return done(Unimplemented("RuntimeConfig"));
    out->mutable_linux()->set_cgroup_driver(deps_.options.systemd_cgroups ? v1::SYSTEMD
                                                                          : v1::CGROUPFS);
    done(grpc::Status::OK);
  })
  CRI_CALL(UpdateRuntimeConfig, Nobody(), { done(grpc::Status::OK); })

  CRI_CALL(RunPodSandbox, Pod(request->config().metadata().name()),
           { done(deps_.state.RunSandbox(in, out)); })
  CRI_CALL(StopPodSandbox, Sandbox(*request),
           { done(deps_.state.StopSandbox(in.pod_sandbox_id())); })
  CRI_CALL(RemovePodSandbox, Sandbox(*request),
           { done(deps_.state.RemoveSandbox(in.pod_sandbox_id())); })
  CRI_CALL(PodSandboxStatus, Sandbox(*request),
           { done(deps_.state.SandboxStatus(in.pod_sandbox_id(), out->mutable_status())); })
  CRI_CALL(ListPodSandbox, Nobody(), {
    deps_.state.ListSandboxes(in.filter(), out);
    done(grpc::Status::OK);
  })
  CRI_CALL(UpdatePodSandboxResources, Sandbox(*request),
           { done(deps_.state.CheckSandbox(in.pod_sandbox_id())); })

  CRI_CALL(CreateContainer, NewContainer(*request), { done(deps_.state.Create(in, out)); })
  CRI_CALL(StartContainer, Container(*request),
           { done(deps_.state.StartContainer(in.container_id())); })
  CRI_CALL(StopContainer, Container(*request),
           { deps_.state.Stop(in.container_id(), std::chrono::seconds(in.timeout()), done); })
  CRI_CALL(RemoveContainer, Container(*request), { done(deps_.state.Remove(in.container_id())); })
  CRI_CALL(ListContainers, Nobody(), {
    deps_.state.ListContainers(in.filter(), out);
    done(grpc::Status::OK);
  })
  CRI_CALL(ContainerStatus, Container(*request),
           { done(deps_.state.Status(in.container_id(), out->mutable_status())); })
  CRI_CALL(UpdateContainerResources, Container(*request), { done(deps_.state.Update(in)); })
  CRI_CALL(ReopenContainerLog, Container(*request),
           { done(deps_.state.ReopenLog(in.container_id())); })

  CRI_CALL(ExecSync, Container(*request), { deps_.state.Exec(in, out, done); })
  CRI_CALL(Exec, Container(*request), {
    out->set_url("http://127.0.0.1:1/exec/" + in.container_id());
    done(deps_.state.CheckRunning(in.container_id()));
  })
  CRI_CALL(Attach, Container(*request), {
    out->set_url("http://127.0.0.1:1/attach/" + in.container_id());
    done(deps_.state.CheckRunning(in.container_id()));
  })
  CRI_CALL(PortForward, Sandbox(*request), {
    out->set_url("http://127.0.0.1:1/portforward/" + in.pod_sandbox_id());
    done(deps_.state.CheckSandbox(in.pod_sandbox_id()));
  })

  CRI_CALL(ContainerStats, Container(*request), {
    v1::ContainerStatsFilter filter;
    filter.set_id(in.container_id());
    v1::ListContainerStatsResponse all;
    deps_.state.Stats(filter, &all);
    if (all.stats().empty())
      return done({grpc::StatusCode::NOT_FOUND, "no container " + in.container_id()});
    *out->mutable_stats() = all.stats(0);
    done(grpc::Status::OK);
  })
  CRI_CALL(ListContainerStats, Nobody(), {
    deps_.state.Stats(in.filter(), out);
    done(grpc::Status::OK);
  })
  CRI_CALL(PodSandboxStats, Sandbox(*request), {
    v1::PodSandboxStatsFilter filter;
    filter.set_id(in.pod_sandbox_id());
    v1::ListPodSandboxStatsResponse all;
    deps_.state.SandboxStats(filter, &all);
    if (all.stats().empty())
      return done({grpc::StatusCode::NOT_FOUND, "no sandbox " + in.pod_sandbox_id()});
    *out->mutable_stats() = all.stats(0);
    done(grpc::Status::OK);
  })
  CRI_CALL(ListPodSandboxStats, Nobody(), {
    deps_.state.SandboxStats(in.filter(), out);
    done(grpc::Status::OK);
  })
  CRI_CALL(ListMetricDescriptors, Nobody(), {
    CriState::FillMetricDescriptors(out);
    done(grpc::Status::OK);
  })
  CRI_CALL(ListPodSandboxMetrics, Nobody(), {
    deps_.state.SandboxMetrics(out);
    done(grpc::Status::OK);
  })

  CRI_STREAM(StreamPodSandboxes, {
    v1::ListPodSandboxResponse all;
    deps_.state.ListSandboxes(request->filter(), &all);
    for (auto& item : *all.mutable_items()) parts.emplace_back().add_pod_sandboxes()->Swap(&item);
  })
  CRI_STREAM(StreamContainers, {
    v1::ListContainersResponse all;
    deps_.state.ListContainers(request->filter(), &all);
    for (auto& item : *all.mutable_containers()) parts.emplace_back().add_containers()->Swap(&item);
  })
  CRI_STREAM(StreamContainerStats, {
    v1::ListContainerStatsResponse all;
    deps_.state.Stats(request->filter(), &all);
    for (auto& item : *all.mutable_stats()) parts.emplace_back().add_container_stats()->Swap(&item);
  })
  CRI_STREAM(StreamPodSandboxStats, {
    v1::ListPodSandboxStatsResponse all;
    deps_.state.SandboxStats(request->filter(), &all);
    for (auto& item : *all.mutable_stats())
      parts.emplace_back().add_pod_sandbox_stats()->Swap(&item);
  })
  CRI_STREAM(StreamPodSandboxMetrics, {
    v1::ListPodSandboxMetricsResponse all;
    deps_.state.SandboxMetrics(&all);
    for (auto& item : *all.mutable_pod_metrics())
      parts.emplace_back().add_pod_sandbox_metrics()->Swap(&item);
  })

  grpc::ServerWriteReactor<v1::ContainerEventResponse>* GetContainerEvents(
      Context* context, const v1::GetEventsRequest* request) override {
    size_t index = deps_.control.Began("GetContainerEvents", {}, TimeoutOf(*context),
                                       request->SerializeAsString());
    grpc::Status refused = grpc::Status::OK;
    if (!deps_.options.events) refused = Unimplemented("GetContainerEvents");
    if (auto fault = deps_.control.TakeFault("GetContainerEvents", {});
        fault && fault->kind == FaultKind::kFail) {
      refused = {static_cast<grpc::StatusCode>(fault->code), fault->message};
    }
    deps_.control.Finished(index, refused.error_code());
    return deps_.events.Open(refused);
  }

 private:
  static Subject Nobody() { return {}; }
  static Subject Pod(const std::string& name) {
    Subject subject;
    subject.pod = name;
    return subject;
  }
  template <typename Request>
  Subject Sandbox(const Request& request) const {
    return deps_.state.OfSandbox(request.pod_sandbox_id());
  }
  template <typename Request>
  Subject Container(const Request& request) const {
    return deps_.state.OfContainer(request.container_id());
  }
  Subject NewContainer(const v1::CreateContainerRequest& request) const {
    Subject subject = Sandbox(request);
    subject.container = request.config().metadata().name();
    return subject;
  }

  ServiceDeps deps_;
};

class ImageService final : public v1::ImageService::CallbackService {
 public:
  explicit ImageService(ServiceDeps deps) : deps_(deps) {}

  CRI_CALL(ListImages, {}, {
    deps_.state.ListImages(in.filter(), out);
    done(grpc::Status::OK);
  })
  CRI_STREAM(StreamImages, {
    v1::ListImagesResponse all;
    deps_.state.ListImages(request->filter(), &all);
    for (auto& item : *all.mutable_images()) parts.emplace_back().add_images()->Swap(&item);
  })
  CRI_CALL(ImageStatus, Image(request->image()), {
    if (auto image = deps_.state.FindImage(in.image().image()))
      *out->mutable_image() = std::move(*image);
    done(grpc::Status::OK);
  })
  CRI_CALL(PullImage, PulledFor(*request), { done(deps_.state.Pull(in, out)); })
  CRI_CALL(RemoveImage, Image(request->image()), {
    deps_.state.RemoveImage(in.image().image());
    done(grpc::Status::OK);
  })
  CRI_CALL(ImageFsInfo, {}, {
    deps_.state.FsInfo(out);
    done(grpc::Status::OK);
  })

 private:
  static Subject Image(const v1::ImageSpec& image) {
    Subject subject;
    subject.id = image.image();
    return subject;
  }
  static Subject PulledFor(const v1::PullImageRequest& request) {
    Subject subject = Image(request.image());
    subject.pod = request.sandbox_config().metadata().name();
    return subject;
  }
  ServiceDeps deps_;
};

#undef CRI_STREAM
#undef CRI_CALL

}  // namespace

std::unique_ptr<v1::RuntimeService::CallbackService> MakeRuntimeService(ServiceDeps deps) {
  return std::make_unique<RuntimeService>(deps);
}
std::unique_ptr<v1::ImageService::CallbackService> MakeImageService(ServiceDeps deps) {
  return std::make_unique<ImageService>(deps);
}

}  // namespace kubelet::fakes
