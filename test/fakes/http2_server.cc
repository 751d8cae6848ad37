#include "fakes/http2_server.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>

#include "fakes/http2_server_connection.h"

namespace kubelet::fakes {
namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using boost::system::error_code;

namespace {

// What the handler holds.
class Handle : public Responder {
 public:
  explicit Handle(ResponderPtr inner) : inner_(std::move(inner)) {}
  ~Handle() override {
    if (!ended_) inner_->Reset(2);
  }
  void Head(int status, Headers headers) override { inner_->Head(status, std::move(headers)); }
  void Body(std::string chunk) override { inner_->Body(std::move(chunk)); }
  void End() override {
    ended_ = true;
    inner_->End();
  }
  void Reset(uint32_t code) override {
    ended_ = true;
    inner_->Reset(code);
  }
  size_t unsent() const override { return inner_->unsent(); }
  bool open() const override { return inner_->open(); }
  void OnClosed(std::function<void()> callback) override { inner_->OnClosed(std::move(callback)); }
  std::shared_ptr<RawConnection> Upgrade(Headers headers) override {
    auto raw = inner_->Upgrade(std::move(headers));
    ended_ = raw != nullptr;
    return raw;
  }

 private:
  ResponderPtr inner_;
  bool ended_ = false;
};

int SelectProtocol(SSL*, const unsigned char** out, unsigned char* out_length,
                   const unsigned char* in, unsigned in_length, void* http2) {
  static const unsigned char kBoth[] = "\x02h2\x08http/1.1";
  bool both = http2 != nullptr;
  const unsigned char* list = both ? kBoth : kBoth + 3;
  unsigned length = both ? 12 : 9;
  unsigned char* chosen = nullptr;
  int result = SSL_select_next_proto(&chosen, out_length, list, length, in, in_length);
  *out = chosen;
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

std::shared_ptr<asio::ssl::context> MakeContext(const HttpServerOptions& options) {
  if (options.certificate.empty()) return nullptr;
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  context->use_certificate_chain(asio::buffer(options.certificate));
  context->use_private_key(asio::buffer(options.key), asio::ssl::context::pem);
  SSL_CTX_set_alpn_select_cb(context->native_handle(), SelectProtocol,
                             options.http2 ? context.get() : nullptr);
  if (!options.client_ca.empty()) {
    context->add_certificate_authority(asio::buffer(options.client_ca));
    // As the API server does: any certificate may come, only a verified one counts.
    SSL_CTX_set_verify(context->native_handle(), SSL_VERIFY_PEER,
                       [](int, X509_STORE_CTX*) { return 1; });
  }
  return context;
}

std::vector<std::string> SubjectEntries(X509* certificate, int nid) {
  std::vector<std::string> out;
  X509_NAME* name = X509_get_subject_name(certificate);
  for (int i = -1; (i = X509_NAME_get_index_by_NID(name, nid, i)) >= 0;) {
    unsigned char* text = nullptr;
    int n = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, i)));
    if (n >= 0) out.emplace_back(reinterpret_cast<char*>(text), static_cast<size_t>(n));
    OPENSSL_free(text);
  }
  return out;
}

}  // namespace

void Responder::Reply(int status, const std::string& content_type, std::string body) {
  Headers headers{{"content-type", content_type}, {"content-length", std::to_string(body.size())}};
  Head(status, std::move(headers));
  if (!body.empty()) Body(std::move(body));
  End();
}

void ServerShared::Dispatch(HttpRequest request, ResponderPtr responder) {
  if (handler) handler(request, std::make_shared<Handle>(std::move(responder)));
}

ServerConnection::ServerConnection(tcp::socket socket, std::shared_ptr<ServerShared> shared,
                                   uint64_t number)
    : socket_(std::move(socket)), shared_(std::move(shared)), context_(shared_->tls) {
  prototype_.connection = number;
  error_code ignored;
  socket_.set_option(tcp::no_delay(true), ignored);
  in_.resize(16384);
}

void ServerConnection::Start() {
  frozen_ = shared_->frozen;
  if (frozen_ || started_ || closed_) return;
  started_ = true;
  if (context_) {
    Handshake();
  } else {
    Begin(false);
  }
}

void ServerConnection::Handshake() {
  tls_.emplace(socket_, *context_);
  tls_->async_handshake(asio::ssl::stream_base::server, [self = shared_from_this()](error_code ec) {
    if (ec) {
      ++self->shared_->failed_handshakes;
      self->Close(false);
      return;
    }
    const unsigned char* name = nullptr;
    unsigned length = 0;
    SSL_get0_alpn_selected(self->tls_->native_handle(), &name, &length);
    self->NotePeer();
    self->Begin(length == 2);
  });
}

void ServerConnection::NotePeer() {
  SSL* ssl = tls_->native_handle();
  X509* peer = SSL_get1_peer_certificate(ssl);
  if (peer != nullptr && SSL_get_verify_result(ssl) == X509_V_OK) {
    auto names = SubjectEntries(peer, NID_commonName);
    if (!names.empty()) prototype_.peer_name = names[0];
    prototype_.peer_organizations = SubjectEntries(peer, NID_organizationName);
  }
  X509_free(peer);
}

void ServerConnection::Begin(bool http2) {
  if (closed_) return;
  prototype_.http2 = http2;
  protocol_ = http2 ? MakeServerHttp2(*this) : MakeServerHttp1(*this);
  Flush();
  Read();
}

HttpRequest ServerConnection::NewRequest() const { return prototype_; }

void ServerConnection::Read() {
  if (closed_ || frozen_ || reading_) return;
  reading_ = true;
  WithStream([&](auto& stream) {
    stream.async_read_some(asio::buffer(in_), [self = shared_from_this()](error_code ec, size_t n) {
      if (ec) {
        self->Close(false);
      } else {
        self->Handle(self->in_.substr(0, n));
      }
    });
  });
}

void ServerConnection::Handle(std::string bytes) {
  reading_ = false;
  if (closed_) return;
  if (frozen_) {
    held_ = std::move(bytes);
    return;
  }
  if (!protocol_->Receive(bytes)) {
    Close(false);
    return;
  }
  Flush();
  Read();
}

void ServerConnection::Flush() {
  if (flush_posted_ || closed_) return;
  flush_posted_ = true;
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    self->flush_posted_ = false;
    self->Write();
  });
}

void ServerConnection::Write() {
  if (writing_ || frozen_ || closed_ || !protocol_) return;
  out_ = protocol_->Send();
  if (out_.empty()) {
    if (protocol_->Finished()) Close(false);
    return;
  }
  writing_ = true;
  WithStream([&](auto& stream) {
    asio::async_write(stream, asio::buffer(out_),
                      [self = shared_from_this()](error_code ec, size_t) {
                        self->writing_ = false;
                        if (ec) {
                          self->Close(false);
                        } else {
                          self->Write();
                        }
                      });
  });
}

void ServerConnection::Close(bool reset) {
  if (closed_) return;
  closed_ = true;
  auto self = shared_from_this();
  error_code ignored;
  if (reset) socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  socket_.close(ignored);
  shared_->connections.erase(self);
  if (protocol_) protocol_->Closed();
}

void ServerConnection::SetFrozen(bool frozen) {
  bool was = std::exchange(frozen_, frozen);
  if (frozen || !was || closed_) return;
  if (!started_) {
    Start();
  } else if (!held_.empty()) {
    Handle(std::exchange(held_, ""));
  } else if (protocol_) {
    Flush();
    Read();
  }
}

struct HttpServer::State : std::enable_shared_from_this<HttpServer::State> {
  State(base::Executor e) : acceptor(e) {}
  tcp::acceptor acceptor;
  std::shared_ptr<ServerShared> shared = std::make_shared<ServerShared>();
  uint16_t port = 0;

  void Open() {
    tcp::endpoint endpoint(asio::ip::address_v4::loopback(), port);
    acceptor.open(endpoint.protocol());
    acceptor.set_option(asio::socket_base::reuse_address(true));
    acceptor.bind(endpoint);
    acceptor.listen();
    port = acceptor.local_endpoint().port();
    Next();
  }
  void Next() {
    acceptor.async_accept([self = shared_from_this()](error_code ec, tcp::socket socket) {
      if (ec) return;
      auto& shared = self->shared;
      auto connection =
          std::make_shared<ServerConnection>(std::move(socket), shared, ++shared->accepted);
      shared->connections.insert(connection);
      connection->Start();
      self->Next();
    });
  }
  template <typename F>
  void Each(F f) {
    auto copy = shared->connections;
    for (const auto& connection : copy) f(*connection);
  }
};

HttpServer::HttpServer(base::Executor executor, HttpServerOptions options, Handler handler)
    : state_(std::make_shared<State>(executor)) {
  state_->port = options.port;
  state_->shared->tls = MakeContext(options);
  state_->shared->options = std::move(options);
  state_->shared->handler = std::move(handler);
  state_->Open();
}

HttpServer::~HttpServer() {
  state_->shared->handler = nullptr;
  StopAccepting();
  DropConnections();
}

uint16_t HttpServer::port() const { return state_->port; }
size_t HttpServer::open_connections() const { return state_->shared->connections.size(); }
uint64_t HttpServer::accepted() const { return state_->shared->accepted; }
size_t HttpServer::failed_handshakes() const { return state_->shared->failed_handshakes; }
uint64_t HttpServer::pings() const { return state_->shared->pings; }

void HttpServer::SetCertificate(const std::string& certificate, const std::string& key) {
  state_->shared->options.certificate = certificate;
  state_->shared->options.key = key;
  state_->shared->tls = MakeContext(state_->shared->options);
}

void HttpServer::DropConnections() {
  state_->Each([](ServerConnection& connection) { connection.Close(true); });
}

void HttpServer::Freeze(bool frozen) {
  state_->shared->frozen = frozen;
  state_->Each([frozen](ServerConnection& connection) { connection.SetFrozen(frozen); });
}

void HttpServer::Goaway() {
  state_->Each([](ServerConnection& connection) { connection.Goaway(); });
}

void HttpServer::StopAccepting() {
  error_code ignored;
  state_->acceptor.close(ignored);
}

void HttpServer::Accept() { state_->Open(); }

}  // namespace kubelet::fakes
