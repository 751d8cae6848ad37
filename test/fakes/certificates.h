// Certificates made at run time, for servers and clients of tests: P-256, no files.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace kubelet::fakes {

struct CertificateOptions {
  std::string common_name;
  std::vector<std::string> organizations;
  std::string names;  // subjectAltName in OpenSSL's syntax: `DNS:a,IP:127.0.0.1`; empty: none
  // Against the clock of the machine.
  std::chrono::seconds valid_from = -std::chrono::hours(1);
  std::chrono::seconds valid_until = std::chrono::hours(24);
};

struct KeyPair {
  std::string certificate, key;  // PEM
};

class CertificateAuthority {
 public:
  explicit CertificateAuthority(const std::string& common_name = "test-ca");
  // A certificate for servers and clients alike, with a new key.
  KeyPair Issue(const CertificateOptions& options) const;
  explicit CertificateAuthority(KeyPair own) : own_(std::move(own)) {}  // one that was made before
  // Signs a CSR (PEM): subject, names and key are the request's. Empty: it is none.
  std::string Sign(const std::string& csr, std::chrono::seconds valid_for) const;
  const std::string& certificate() const { return own_.certificate; }
  const std::string& key() const { return own_.key; }

 private:
  KeyPair own_;
};

}  // namespace kubelet::fakes
