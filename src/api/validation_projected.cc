#include "api/validation_checks.h"

namespace kubelet::api {
namespace {

constexpr int64_t kTokenMinSeconds = 600;
constexpr int64_t kTokenMaxSeconds = int64_t{1} << 32;
constexpr int64_t kCertificateMinSeconds = 3600;
constexpr int64_t kCertificateMaxSeconds = 91 * 24 * 3600;
constexpr int64_t kKubernetesCertificateMaxSeconds = 24 * 3600;

// One projected volume: its sources share a directory, so no two may write the same path.
class ProjectedChecker {
 public:
  ProjectedChecker(const Path& path, Errors& errors) : path_(path), errors_(errors) {}

  void Check(const core::VolumeProjection& source, const Path& at) {
    if (source.has_secret()) CheckObject(source.secret(), at.Child("secret"));
    if (source.has_config_map()) CheckObject(source.config_map(), at.Child("configMap"));
    if (source.has_downward_api()) CheckDownward(source.downward_api(), at.Child("downwardAPI"));
    if (source.has_service_account_token()) {
      CheckToken(source.service_account_token(), at.Child("serviceAccountToken"));
    }
    if (source.has_cluster_trust_bundle()) {
      CheckTrustBundle(source.cluster_trust_bundle(), at.Child("clusterTrustBundle"));
    }
    if (source.has_pod_certificate()) {
      CheckCertificate(source.pod_certificate(), at.Child("podCertificate"));
    }
    std::vector<const google::protobuf::FieldDescriptor*> set;
    source.GetReflection()->ListFields(source, &set);
    if (set.size() > 1) errors_.Forbidden(at, "may not specify more than 1 volume type per source");
  }

 private:
  void Claim(const std::string& file, const std::string& shown) {
    if (!files_.insert(file).second) errors_.Invalid(path_, shown, "conflicting duplicate paths");
  }

  // Secrets and config maps look alike.
  template <typename Projection>
  void CheckObject(const Projection& object, const Path& at) {
    const std::string& name = object.local_object_reference().name();
    errors_.NonEmpty(at.Child("name"), name);
    for (int i = 0; i < object.items_size(); ++i) {
      CheckKeyToPath(object.items(i), at.Child("items").Index(i), errors_);
      if (!object.items(i).path().empty()) Claim(object.items(i).path(), name);
    }
  }

  void CheckDownward(const core::DownwardAPIProjection& downward, const Path& at) {
    for (int i = 0; i < downward.items_size(); ++i) {
      const core::DownwardAPIVolumeFile& file = downward.items(i);
      CheckDownwardFile(file, at.Child("items").Index(i), errors_);
      if (!file.path().empty()) Claim(file.path(), file.path());
    }
  }

  void CheckToken(const core::ServiceAccountTokenProjection& token, const Path& at) {
    int64_t seconds = token.expiration_seconds();
    if (seconds < kTokenMinSeconds) {
      errors_.Invalid(at.Child("expirationSeconds"), seconds, "may not be less than 10 minutes");
    }
    if (seconds > kTokenMaxSeconds) {
      errors_.Invalid(at.Child("expirationSeconds"), seconds, "may not be more than 2^32 seconds");
    }
    if (token.path().empty()) return errors_.Required(at.Child("path"));
    CheckNonReservedPath(token.path(), at.Child("path"), errors_);
  }

  // A bundle of a signer is named `signer:with:colons:name`; others have no colon.
  void CheckBundleName(const std::string& name, const Path& at) {
    errors_.NonEmpty(at, name);
    std::string last = name.substr(name.rfind(':') + 1);
    for (const std::string& problem : DnsSubdomainProblems(last)) {
      errors_.Invalid(at, name, "not a valid name of a ClusterTrustBundle: " + problem);
    }
  }

  void CheckSigner(const std::string& signer, const Path& at) {
    if (signer.empty()) return errors_.Required(at);
    errors_.Invalid(at, signer, SignerNameProblems(signer));
  }

  void CheckTrustBundle(const core::ClusterTrustBundleProjection& bundle, const Path& at) {
    if (bundle.has_name() && bundle.has_signer_name()) {
      errors_.Invalid(at, Shown(bundle), "only one of name and signerName may be used");
    } else if (bundle.has_name()) {
      CheckBundleName(bundle.name(), at.Child("name"));
      if (bundle.has_label_selector()) {
        errors_.Invalid(at.Child("labelSelector"), Shown(bundle.label_selector()),
                        "must be unset if name is specified");
      }
    } else if (bundle.has_signer_name()) {
      CheckSigner(bundle.signer_name(), at.Child("signerName"));
      CheckLabelSelector(bundle.label_selector(), at.Child("labelSelector"), errors_);
    } else {
      errors_.Required(at, "either name or signerName must be specified");
    }
    errors_.NonEmpty(at.Child("path"), bundle.path());
    CheckNonReservedPath(bundle.path(), at.Child("path"), errors_);
    Claim(bundle.path(), bundle.path());
  }

  void CheckCertificateLifetime(const core::PodCertificateProjection& certificate, const Path& at) {
    if (!certificate.has_max_expiration_seconds()) return;
    std::string domain = certificate.signer_name().substr(0, certificate.signer_name().find('/'));
    static const std::string kOwn = ".kubernetes.io";
    std::string dotted = "." + domain;
    bool kubernetes = dotted.size() >= kOwn.size() &&
                      dotted.compare(dotted.size() - kOwn.size(), kOwn.size(), kOwn) == 0;
    int64_t max = kubernetes ? kKubernetesCertificateMaxSeconds : kCertificateMaxSeconds;
    errors_.InRange(at, certificate.max_expiration_seconds(), kCertificateMinSeconds, max);
  }

  void CheckUserAnnotations(const StringMap& annotations, const Path& at) {
    CheckAnnotations(annotations, at, errors_);
    for (const auto& [key, value] : Sorted(annotations)) {
      if (QualifiedNameProblems(Lower(key)).empty() && key.find('/') == std::string::npos) {
        errors_.Invalid(at, key, "must have a domain before it, such as acme.io/foo");
      }
    }
  }

  void CheckCertificate(const core::PodCertificateProjection& certificate, const Path& at) {
    CheckSigner(certificate.signer_name(), at.Child("signerName"));
    CheckUserAnnotations(certificate.user_annotations(), at.Child("userAnnotations"));
    static const std::vector<std::string> kKeyTypes = {"RSA3072",   "RSA4096",   "ECDSAP256",
                                                       "ECDSAP384", "ECDSAP521", "ED25519"};
    if (certificate.key_type().empty()) {
      errors_.NotSupported(at.Child("keyType"), "", kKeyTypes);
    } else {
      errors_.OneOf(at.Child("keyType"), certificate.key_type(), kKeyTypes);
    }
    CheckCertificateLifetime(certificate, at.Child("maxExpirationSeconds"));
    const std::pair<const char*, const std::string*> paths[] = {
        {"credentialBundlePath", &certificate.credential_bundle_path()},
        {"keyPath", &certificate.key_path()},
        {"certificateChainPath", &certificate.certificate_chain_path()}};
    bool any = false;
    for (const auto& [child, file] : paths) {
      if (file->empty()) continue;
      any = true;
      CheckNonReservedPath(*file, at.Child(child), errors_);
      Claim(*file, *file);
    }
    if (!any) {
      errors_.Required(at,
                       "at least one of credentialBundlePath, keyPath and certificateChainPath");
    }
  }

  const Path& path_;
  Errors& errors_;
  std::set<std::string> files_;
};

}  // namespace

void CheckProjected(const core::ProjectedVolumeSource& projected, const Path& path,
                    Errors& errors) {
  CheckFileMode(projected.has_default_mode(), projected.default_mode(), path.Child("defaultMode"),
                errors);
  ProjectedChecker checker(path, errors);
  for (int i = 0; i < projected.sources_size(); ++i) {
    checker.Check(projected.sources(i), path.Child("sources").Index(i));
  }
}

}  // namespace kubelet::api
