#include "server/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "server/socket_wait.h"

namespace kubelet::server {
namespace {

// What Go offers by itself up to TLS 1.2 (crypto/tls cipherSuitesPreferenceOrder without the
// disabled ones).
constexpr char kDefaultCiphers[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    "ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA";

template <typename T, void (*F)(T*)>
struct Freer {
  void operator()(T* t) const { F(t); }
};
using BioPtr = std::unique_ptr<BIO, Freer<BIO, BIO_free_all>>;
using X509Ptr = std::unique_ptr<X509, Freer<X509, X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY, EVP_PKEY_free>>;

std::string SslError() {
  char text[256] = "unknown error";
  unsigned long code = ERR_get_error();  // NOLINT: OpenSSL's type
  if (code != 0) ERR_error_string_n(code, text, sizeof text);
  ERR_clear_error();
  return text;
}

std::vector<X509Ptr> Certificates(const std::string& pem) {
  std::vector<X509Ptr> out;
  BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  while (X509* certificate = PEM_read_bio_X509_AUX(bio.get(), nullptr, nullptr, nullptr))
    out.emplace_back(certificate);
  ERR_clear_error();
  return out;
}

absl::Status Show(SSL_CTX* context, const TlsMaterial& material) {
  auto chain = Certificates(material.cert_pem);
  if (chain.empty()) return absl::InvalidArgumentError("serving certificate: no certificate in it");
  if (SSL_CTX_use_certificate(context, chain[0].get()) != 1)
    return absl::InvalidArgumentError("serving certificate: " + SslError());
  for (size_t i = 1; i < chain.size(); ++i) SSL_CTX_add1_chain_cert(context, chain[i].get());
  BioPtr bio(BIO_new_mem_buf(material.key_pem.data(), static_cast<int>(material.key_pem.size())));
  KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  if (!key) return absl::InvalidArgumentError("key of the serving certificate: " + SslError());
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1)
    return absl::InvalidArgumentError("key of the serving certificate: " + SslError());
  return absl::OkStatus();
}

int MinVersion(const std::string& name) {
  if (name == "VersionTLS10") return TLS1_VERSION;
  if (name == "VersionTLS11") return TLS1_1_VERSION;
  return name == "VersionTLS13" ? TLS1_3_VERSION : TLS1_2_VERSION;
}

std::string Joined(const std::vector<std::string>& words, const char* between) {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : between) + word;
  return out;
}

// What was asked for and cannot be had is less than was asked for, never more.
absl::Status RestrictSuites(SSL_CTX* context, const TlsOptions& options) {
  int version = MinVersion(options.min_version);
  std::vector<std::string> left_out;
  std::string ciphers = CipherList(options.ciphers, &left_out);
  if (!left_out.empty())
    LOG_WARNING("Cipher suites that this OpenSSL does not have are not offered", "tlsCipherSuites",
                Joined(left_out, ","));
  if (ciphers.empty() && !options.ciphers.empty()) {
    // As in Go: those of TLS 1.3 are not to be chosen, and below it nothing is left.
    if (version != TLS1_3_VERSION)
      LOG_WARNING("No cipher suite below TLS 1.3 is configured; only TLS 1.3 is offered",
                  "tlsCipherSuites", Joined(options.ciphers, ","));
    version = TLS1_3_VERSION;
  }
  SSL_CTX_set_min_proto_version(context, version);
  if (ciphers.empty()) ciphers = kDefaultCiphers;
  // OpenSSL 3 refuses TLS 1.0 and 1.1 above level 0.
  ciphers += version < TLS1_2_VERSION ? ":@SECLEVEL=0" : ":@SECLEVEL=1";
  if (SSL_CTX_set_cipher_list(context, ciphers.c_str()) != 1)
    return absl::InvalidArgumentError("tlsCipherSuites: " + SslError());
  return absl::OkStatus();
}

// OpenSSL's names; it has the last three from 3.5 on.
const char* CurveName(int32_t id) {
  switch (id) {
    case 23:
      return "P-256";
    case 24:
      return "P-384";
    case 25:
      return "P-521";
    case 29:
      return "X25519";
    case 4587:
      return "SecP256r1MLKEM768";
    case 4588:
      return "X25519MLKEM768";
    case 4589:
      return "SecP384r1MLKEM1024";
    default:
      return "unknown";
  }
}

absl::Status RestrictCurves(SSL_CTX* context, const TlsOptions& options) {
  std::vector<std::string> known, left_out;
  for (int32_t id : options.curves) {
    bool has = SSL_CTX_set1_groups_list(context, CurveName(id)) == 1;
    if (has) known.emplace_back(CurveName(id));
    if (!has) left_out.push_back(std::to_string(id) + " (" + CurveName(id) + ")");
  }
  ERR_clear_error();
  if (options.curves.empty()) return absl::OkStatus();
  if (known.empty())
    return absl::InvalidArgumentError("tlsCurvePreferences: this OpenSSL has none of " +
                                      Joined(left_out, ", "));
  if (!left_out.empty())
    LOG_WARNING("Curves that this OpenSSL does not have are not offered", "tlsCurvePreferences",
                Joined(left_out, ", "));
  if (SSL_CTX_set1_groups_list(context, Joined(known, ":").c_str()) != 1)
    return absl::InvalidArgumentError("tlsCurvePreferences: " + SslError());
  return absl::OkStatus();
}

int ChooseHttp1(SSL*, const unsigned char** out, unsigned char* length,
                const unsigned char* offered, unsigned size, void*) {
  static const unsigned char kOurs[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  int found = SSL_select_next_proto(&chosen, length, kOurs, sizeof kOurs - 1, offered, size);
  *out = chosen;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

std::vector<std::string> Entries(const X509_NAME* name, const ASN1_OBJECT* what) {
  std::vector<std::string> out;
  for (int i = -1; (i = X509_NAME_get_index_by_OBJ(name, what, i)) >= 0;) {
    unsigned char* text = nullptr;
    int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, i)));
    if (size >= 0) out.emplace_back(reinterpret_cast<char*>(text), static_cast<size_t>(size));
    OPENSSL_free(text);
  }
  return out;
}

// staging apiserver/pkg/authentication/request/x509 CommonNameUserConversion.
std::optional<auth::User> UserOf(X509* certificate) {
  const X509_NAME* subject = X509_get_subject_name(certificate);
  auth::User user;
  auto names = Entries(subject, OBJ_nid2obj(NID_commonName));
  if (names.empty() || names.back().empty()) return std::nullopt;
  user.name = names.back();
  user.groups = Entries(subject, OBJ_nid2obj(NID_organizationName));
  ASN1_OBJECT* uid = OBJ_txt2obj("1.3.6.1.4.1.57683.2", 1);
  auto uids = Entries(subject, uid);
  ASN1_OBJECT_free(uid);
  if (uids.size() == 1) user.uid = uids[0];
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest, &size) == 1) {
    std::string hex = "X509SHA256=";
    for (unsigned i = 0; i < size; ++i) {
      hex += "0123456789abcdef"[digest[i] >> 4];
      hex += "0123456789abcdef"[digest[i] & 15];
    }
    user.extra["authentication.kubernetes.io/credential-id"].push_back(hex);
  }
  return user;
}

// A BIO over a socket that never raises SIGPIPE.
int BioRead(BIO* bio, char* data, int size) {
  auto fd = static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio)));
  BIO_clear_retry_flags(bio);
  ssize_t n = recv(fd, data, static_cast<size_t>(size), 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
  return static_cast<int>(n);
}
int BioWrite(BIO* bio, const char* data, int size) {
  auto fd = static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio)));
  BIO_clear_retry_flags(bio);
  ssize_t n = send(fd, data, static_cast<size_t>(size), MSG_NOSIGNAL);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(n);
}
long BioCtrl(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}  // NOLINT

BIO* SocketBio(int fd) {
  static BIO_METHOD* method = [] {
    BIO_METHOD* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    BIO_meth_set_read(m, BioRead);
    BIO_meth_set_write(m, BioWrite);
    BIO_meth_set_ctrl(m, BioCtrl);
    return m;
  }();
  BIO* bio = BIO_new(method);
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<intptr_t>(fd)));
  BIO_set_init(bio, 1);
  return bio;
}

}  // namespace

std::string CipherList(const std::vector<std::string>& names, std::vector<std::string>* left_out) {
  std::string out;
  for (std::string name : names) {
    // Go's older names of these two lack the hash.
    if (name.size() > 9 && name.ends_with("_POLY1305")) name += "_SHA256";
    const char* known = OPENSSL_cipher_name(name.c_str());
    bool has = known != nullptr && std::strcmp(known, "(NONE)") != 0;
    if (!has && left_out != nullptr) left_out->push_back(name);
    // Those of TLS 1.3 are not to be chosen, as in Go.
    if (!has || std::strncmp(known, "TLS_", 4) == 0) continue;
    out += (out.empty() ? "" : ":") + std::string(known);
  }
  return out;
}

absl::StatusOr<std::shared_ptr<const TlsContext>> TlsContext::Make(const TlsMaterial& material,
                                                                   const TlsOptions& options) {
  std::shared_ptr<TlsContext> made(new TlsContext);
  made->generation_ = material.generation;
  made->context_ = SSL_CTX_new(TLS_server_method());
  SSL_CTX* context = made->context_;
  RETURN_IF_ERROR(RestrictSuites(context, options));
  RETURN_IF_ERROR(RestrictCurves(context, options));
  RETURN_IF_ERROR(Show(context, material));
  SSL_CTX_set_options(
      context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  // Resumed sessions would skip the client's certificate chain, and tickets would outlive a change
  // of the CA.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_alpn_select_cb(context, ChooseHttp1, nullptr);
  auto roots = Certificates(material.client_ca_pem);
  if (roots.empty()) return std::shared_ptr<const TlsContext>(made);
  made->clients_ = X509_STORE_new();
  // Any certificate given is an anchor, as for Go.
  X509_STORE_set_flags(made->clients_, X509_V_FLAG_PARTIAL_CHAIN);
  for (const auto& root : roots) {
    X509_STORE_add_cert(made->clients_, root.get());
    SSL_CTX_add_client_CA(context, root.get());
  }
  // Asked for, not required, and judged by Peer: a bad one is a 401 and not a failed handshake, as
  // upstream.
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(
      context, [](X509_STORE_CTX*, void*) { return 1; }, nullptr);
  return std::shared_ptr<const TlsContext>(made);
}

TlsContext::~TlsContext() {
  SSL_CTX_free(context_);
  X509_STORE_free(clients_);
}

std::optional<absl::StatusOr<auth::User>> TlsContext::Peer(SSL* ssl) const {
  X509* leaf = SSL_get0_peer_certificate(ssl);
  if (leaf == nullptr || clients_ == nullptr) return std::nullopt;
  std::unique_ptr<X509_STORE_CTX, Freer<X509_STORE_CTX, X509_STORE_CTX_free>> check(
      X509_STORE_CTX_new());
  X509_STORE_CTX_init(check.get(), clients_, leaf, SSL_get_peer_cert_chain(ssl));
  X509_STORE_CTX_set_purpose(check.get(), X509_PURPOSE_SSL_CLIENT);
  bool good = X509_verify_cert(check.get()) == 1;
  int why = X509_STORE_CTX_get_error(check.get());
  ERR_clear_error();
  if (!good) {
    return absl::UnauthenticatedError(std::string("the client's certificate: ") +
                                      X509_verify_cert_error_string(why));
  }
  auto user = UserOf(leaf);
  if (!user) return std::nullopt;
  return *std::move(user);
}

TlsStream::TlsStream(Socket socket, std::shared_ptr<const TlsContext> context)
    : socket_(std::move(socket)), context_(std::move(context)), ssl_(SSL_new(context_->get())) {
  boost::system::error_code ignored;
  socket_.non_blocking(true, ignored);
  BIO* bio = SocketBio(socket_.native_handle());
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_accept_state(ssl_);
}

TlsStream::~TlsStream() { SSL_free(ssl_); }

// What OpenSSL needs before it can go on; an error when it cannot.
base::Task<absl::Status> TlsStream::Wait(int result) {
  int why = SSL_get_error(ssl_, result);
  if (why == SSL_ERROR_WANT_READ) co_return co_await WaitFor(socket_, Socket::wait_read);
  if (why == SSL_ERROR_WANT_WRITE) co_return co_await WaitFor(socket_, Socket::wait_write);
  failed_ = true;
  std::string text = why == SSL_ERROR_SYSCALL && errno != 0 ? std::strerror(errno) : SslError();
  co_return absl::UnavailableError("TLS: " + text);
}

base::Task<absl::Status> TlsStream::Handshake() {
  for (;;) {
    if (!socket_.is_open()) co_return absl::UnavailableError("the connection is closed");
    ERR_clear_error();
    errno = 0;
    int done = SSL_do_handshake(ssl_);
    if (done == 1) co_return absl::OkStatus();
    auto ready = co_await Wait(done);
    if (!ready.ok()) co_return ready;
  }
}

base::Task<absl::StatusOr<std::string>> TlsStream::Read() {
  for (;;) {
    if (!socket_.is_open()) co_return absl::UnavailableError("the connection is closed");
    ERR_clear_error();
    errno = 0;
    int n = SSL_read(ssl_, ScratchBuffer(), kReadSize);
    if (n > 0) {
      std::string out(ScratchBuffer(), static_cast<size_t>(n));
      // Records that are here already go along.
      while (out.size() < kReadSize && SSL_pending(ssl_) > 0) {
        n = SSL_read(ssl_, ScratchBuffer(), static_cast<int>(kReadSize - out.size()));
        if (n <= 0) break;
        out.append(ScratchBuffer(), static_cast<size_t>(n));
      }
      co_return out;
    }
    if (SSL_get_error(ssl_, n) == SSL_ERROR_ZERO_RETURN) co_return std::string();
    auto ready = co_await Wait(n);
    if (!ready.ok()) co_return ready;
  }
}

base::Task<absl::Status> TlsStream::Write(std::string data) {
  for (size_t sent = 0; sent < data.size();) {
    if (!socket_.is_open()) co_return absl::UnavailableError("the connection is closed");
    ERR_clear_error();
    errno = 0;
    int n = SSL_write(ssl_, data.data() + sent, static_cast<int>(data.size() - sent));
    if (n > 0) {
      sent += static_cast<size_t>(n);
      continue;
    }
    auto ready = co_await Wait(n);
    if (!ready.ok()) co_return ready;
  }
  co_return absl::OkStatus();
}

base::Task<void> TlsStream::Finish() {
  if (socket_.is_open() && !failed_) {
    ERR_clear_error();
    SSL_shutdown(ssl_);
    boost::system::error_code ignored;
    socket_.shutdown(Socket::shutdown_send, ignored);
  }
  co_return;
}

void TlsStream::Close(bool reset) { CloseSocket(socket_, reset); }

}  // namespace kubelet::server
