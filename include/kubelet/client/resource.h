// Names of the API's resources and the paths they are served under (schema: wire envelope,
// "Paths"). Values; thread safe.
#pragma once

#include <string>

namespace kubelet::client {

// One kind as the API server serves it. Core kinds have no group.
struct Resource {
  const char* group;
  const char* version;
  const char* plural;
  bool namespaced;
};

inline constexpr Resource kPods{"", "v1", "pods", true};
inline constexpr Resource kNodes{"", "v1", "nodes", false};
inline constexpr Resource kEvents{"", "v1", "events", true};
inline constexpr Resource kConfigMaps{"", "v1", "configmaps", true};
inline constexpr Resource kSecrets{"", "v1", "secrets", true};
inline constexpr Resource kServices{"", "v1", "services", true};
inline constexpr Resource kServiceAccounts{"", "v1", "serviceaccounts", true};
inline constexpr Resource kNamespaces{"", "v1", "namespaces", false};
inline constexpr Resource kPersistentVolumes{"", "v1", "persistentvolumes", false};
inline constexpr Resource kPersistentVolumeClaims{"", "v1", "persistentvolumeclaims", true};
inline constexpr Resource kLeases{"coordination.k8s.io", "v1", "leases", true};
inline constexpr Resource kCertificateSigningRequests{"certificates.k8s.io", "v1",
                                                      "certificatesigningrequests", false};
inline constexpr Resource kRuntimeClasses{"node.k8s.io", "v1", "runtimeclasses", false};
inline constexpr Resource kTokenReviews{"authentication.k8s.io", "v1", "tokenreviews", false};
inline constexpr Resource kSubjectAccessReviews{"authorization.k8s.io", "v1",
                                                "subjectaccessreviews", false};

// One object, a collection (no name), or a subresource of an object.
struct ObjectPath {
  Resource resource = kPods;
  std::string namespace_;   // empty for cluster-wide kinds, and for a list over all namespaces
  std::string name;         // empty: the collection
  std::string subresource;  // `status`, `token`, `eviction`

  // `/api/v1/namespaces/default/pods/web/status`, each segment percent-encoded.
  std::string Text() const;
};

}  // namespace kubelet::client
