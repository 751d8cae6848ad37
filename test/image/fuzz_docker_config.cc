// Any bytes as credential files, as the answer of a plugin and as registry addresses: never a crash, and what an error
// says quotes nothing of a text that may hold a password.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "image/keyring.h"
#include "image/plugins.h"
#include "image/registry_url.h"
#include "kubelet/image/reference.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kubelet::image;
  std::string text(reinterpret_cast<const char*>(data), size);
  for (auto parse : {ParseDockerConfigJson, ParseDockercfg}) {
    auto config = parse(text);
    if (!config.ok()) continue;
    Keyring ring;
    ring.Add({}, *config);
    for (const auto& [address, account] : *config) (void)ring.Lookup(address);
  }
  (void)ParsePluginAnswer(text, "credentialprovider.kubelet.k8s.io/v1");
  auto key = RegistryKey(text);
  // A key's path is decoded, as upstream's is: with one of these in it, it is no address and matches nothing.
  auto no_part_of_a_url = [](unsigned char c) { return c <= ' ' || c == 0x7f || std::strchr("%?#@", c) != nullptr; };
  if (key && !ParseRegistryUrl(*key).ok() && std::none_of(key->begin(), key->end(), no_part_of_a_url)) std::abort();
  (void)RegistryUrlMatches(text, "a.example/b");
  (void)RegistryUrlMatches("*.example/b", text);
  if (WithDefaultTag(text).ok() && !WithDefaultTag(FullReference(text)).ok()) std::abort();
  return 0;
}
