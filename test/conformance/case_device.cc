// The steps about device plugins. They register by the directory that plugins have below
// --root-dir: the Go kubelet has the socket of the other way at a fixed place of the machine.
#include "conformance/case_run.h"
#include "fakes/device_plugin.h"
#include "kubelet/base/status.h"

namespace kubelet::conformance {

// plugin: {resource, devices: [ID], fail: [METHOD]} | fail-watch | stop
base::Task<absl::Status> CaseRun::DeviceStep(std::string verb, Json arguments, bool& done) {
  done = verb == "plugin" || verb == "device";
  if (!done) co_return absl::OkStatus();
  if (world_.node == nullptr) co_return absl::UnimplementedError("needs the kubelet to be ours");
  JsonObject object = arguments.is_object() ? arguments.as_object() : JsonObject();
  if (verb == "plugin" && arguments.is_object()) {
    test::FakeDevicePlugin::Options options;
    options.resource = Text(object, "resource");
    options.socket = world_.node->root() + "/plugins_registry/" + ns_ + ".sock";
    options.devices = Texts(object, "devices");
    options.env = "DEVICES";
    plugin_ = std::make_shared<test::FakeDevicePlugin>(std::move(options));
    for (const std::string& method : Texts(object, "fail"))
      plugin_->Fail(method, "the case wants it to fail");
    plugin_->Start();
    inspector_.Watch(plugin_);
    co_return absl::OkStatus();
  }
  if (plugin_ == nullptr) co_return absl::InvalidArgumentError("there is no plugin");
  if (verb == "device") {
    plugin_->SetHealth(Text(object, "id"), Text(object, "health"));
  } else if (TextOf(arguments) == "fail-watch") {
    plugin_->FailWatch();
  } else if (TextOf(arguments) == "stop") {
    plugin_->Stop();
  } else {
    co_return absl::InvalidArgumentError("a plugin cannot " + TextOf(arguments));
  }
  co_return absl::OkStatus();
}

}  // namespace kubelet::conformance
