// fake-device-plugin: a device plugin as one command, and a reader of the pod resources API.
//
//   fake-device-plugin serve --dir DIR [--registry DIR] --resource R --devices a,b [--pre-start]
//   [--preferred]
//                            [--env NAME] [--mount HOST:INSIDE] [--node HOST:INSIDE]
//     Listens in DIR (or, with --registry, there), registers, and again whenever the kubelet's
//     socket is another. Commands on stdin, an answer line each: `health ID STATE`, `fail METHOD
//     TEXT`, `hang METHOD`, `let-go`, `calls`. Ends at the end of stdin.
//   fake-device-plugin list SOCKET       each container of List as `namespace/pod/container
//   resource=id,id ...` fake-device-plugin allocatable SOCKET
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <iostream>
#include <sstream>
#include <thread>

#include "fakes/device_plugin.h"
#include "kubelet/plugin/podresources_v1.grpc.pb.h"

using kubelet::test::FakeDevicePlugin;

namespace {

std::vector<std::string> Split(const std::string& text, char by) {
  std::vector<std::string> out;
  std::stringstream in(text);
  for (std::string item; std::getline(in, item, by);) out.push_back(item);
  return out;
}

std::pair<std::string, std::string> Pair(const std::string& text) {
  size_t colon = text.find(':');
  return {text.substr(0, colon), text.substr(colon + 1)};
}

std::string Identity(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return "";
  return std::to_string(info.st_ino) + "/" + std::to_string(info.st_ctim.tv_sec) + "." +
         std::to_string(info.st_ctim.tv_nsec);
}

template <typename Devices>
std::string Text(const Devices& devices) {
  std::map<std::string, std::string> lists;
  for (const auto& device : devices) {
    auto& list = lists[device.resource_name()];
    for (const auto& id : device.device_ids()) list += (list.empty() ? "" : ",") + id;
  }
  std::string out;
  for (const auto& [resource, ids] : lists) out += " " + resource + "=" + ids;
  return out;
}

int Read(const std::string& what, const std::string& socket) {
  auto channel = grpc::CreateChannel("unix://" + socket, grpc::InsecureChannelCredentials());
  auto stub = v1::PodResourcesLister::NewStub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  grpc::Status status;
  if (what == "list") {
    v1::ListPodResourcesResponse answer;
    status = stub->List(&context, {}, &answer);
    for (const auto& pod : answer.pod_resources()) {
      for (const auto& container : pod.containers())
        std::cout << pod.namespace_() << "/" << pod.name() << "/" << container.name()
                  << Text(container.devices()) << "\n";
    }
  } else {
    v1::AllocatableResourcesResponse answer;
    status = stub->GetAllocatableResources(&context, {}, &answer);
    std::cout << Text(answer.devices()) << "\n";
  }
  if (!status.ok()) std::cerr << status.error_message() << "\n";
  return status.ok() ? 0 : 1;
}

void Obey(FakeDevicePlugin& plugin) {
  for (std::string line; std::getline(std::cin, line);) {
    auto words = Split(line, ' ');
    if (words.empty()) continue;
    if (words[0] == "health") plugin.SetHealth(words.at(1), words.at(2));
    if (words[0] == "fail") plugin.Fail(words.at(1), words.at(2));
    if (words[0] == "hang") plugin.Hang(words.at(1));
    if (words[0] == "let-go") plugin.LetGo();
    if (words[0] == "calls") {
      for (const auto& call : plugin.Calls()) std::cout << call << "; ";
    }
    std::cout << "ok" << std::endl;
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::string mode = argc > 1 ? argv[1] : "";
  if (argc == 3 && (mode == "list" || mode == "allocatable")) return Read(mode, argv[2]);
  if (mode != "serve") {
    std::cerr << "usage: fake-device-plugin serve ... | list SOCKET | allocatable SOCKET\n";
    return 2;
  }
  FakeDevicePlugin::Options options;
  std::string directory, registry;
  for (int i = 2; i < argc; ++i) {
    std::string flag = argv[i];
    if (flag == "--pre-start") {
      options.pre_start = true;
    } else if (flag == "--preferred") {
      options.preferred = true;
    } else if (i + 1 < argc) {
      std::string value = argv[++i];
      if (flag == "--dir") directory = value;
      if (flag == "--registry") registry = value;
      if (flag == "--resource") options.resource = value;
      if (flag == "--devices") options.devices = Split(value, ',');
      if (flag == "--env") options.env = value;
      if (flag == "--mount") options.mounts.push_back(Pair(value));
      if (flag == "--node") options.nodes.push_back(Pair(value));
    }
  }
  const std::string kubelet = directory + "/kubelet.sock";
  options.socket =
      (registry.empty() ? directory : registry) + "/fake-" + std::to_string(getpid()) + ".sock";
  FakeDevicePlugin plugin(options);
  plugin.Start();
  std::atomic<bool> ending{false};
  std::thread registers([&] {
    std::string known;
    while (!ending && registry.empty()) {
      std::string now = Identity(kubelet);
      if (!now.empty() && now != known) {
        // The kubelet has removed our socket with the others.
        if (Identity(options.socket).empty()) {
          plugin.Stop();
          plugin.Start();
        }
        auto status = plugin.Register(kubelet);
        if (status.ok()) known = now;
        std::cerr << "registered: " << (status.ok() ? "yes" : status.error_message()) << std::endl;
      }
      // A program of its own, on the real time of the kubelet that it watches, as plugins do.
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  });
  Obey(plugin);
  ending = true;
  registers.join();
  plugin.Stop();
  unlink(options.socket.c_str());
  return 0;
}
