#include "fakes/api_streams.h"

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <optional>

#include "fakes/api_errors.h"
#include "fakes/api_handler.h"
#include "k8s/core/v1/node.pb.h"
#include "kubelet/base/status.h"

namespace kubelet::fakes {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using Error = boost::system::error_code;

std::string Escape(const std::string& text) {
  static const char* const hex = "0123456789ABCDEF";
  std::string out;
  for (unsigned char c : text) {
    if (std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '~') {
      out += static_cast<char>(c);
    } else {
      out += {'%', hex[c >> 4], hex[c & 15]};
    }
  }
  return out;
}

struct Endpoint {
  std::string address;
  uint16_t port = 0;
};

absl::StatusOr<Endpoint> KubeletOf(ApiRegistry& registry, const std::string& node) {
  ApiRegistry::Target target;
  target.kind = FindApiKind("", "v1", "nodes");
  target.name = node;
  auto object = registry.Get(target);
  RETURN_IF_ERROR(object.status());
  const auto& status = static_cast<const api::core::Node&>(**object).status();
  Endpoint endpoint;
  for (const auto& address : status.addresses()) {
    if (address.type() == "InternalIP" && endpoint.address.empty()) {
      endpoint.address = address.address();
    }
  }
  endpoint.port = static_cast<uint16_t>(status.daemon_endpoints().kubelet_endpoint().port());
  if (endpoint.address.empty() || endpoint.port == 0) {
    return ApiProblem(500, "InternalError", "node " + node + " has no address or no kubelet port");
  }
  return endpoint;
}

}  // namespace

absl::StatusOr<std::string> KubeletTarget(const ApiRequest& request, const api::core::Pod& pod) {
  static const std::map<std::string, std::string> paths{{"log", "containerLogs"},
                                                        {"exec", "exec"},
                                                        {"attach", "attach"},
                                                        {"portforward", "portForward"}};
  // The kubelet has names of its own for the streams.
  static const std::map<std::string, std::string> names{
      {"stdin", "input"}, {"stdout", "output"}, {"stderr", "error"}};
  std::string what = request.subresource.substr(0, request.subresource.find('/'));
  auto path = paths.find(what);
  if (path == paths.end()) return ApiProblem(501, "NotImplemented", what + " is not passed on");
  std::string container = request.Query("container");
  if (container.empty() && what != "portforward") {
    if (pod.spec().containers_size() != 1) {
      return ApiProblem(400, "BadRequest",
                        "a container name must be specified for pod " + request.name);
    }
    container = pod.spec().containers(0).name();
  }
  std::string target = "/" + path->second + "/" + request.ns + "/" + request.name;
  if (what != "portforward") target += "/" + container;
  char separator = '?';
  for (const auto& [key, value] : request.query) {
    if (key == "container") continue;
    auto renamed = names.find(key);
    bool stream = what == "exec" || what == "attach";
    std::string name = stream && renamed != names.end() ? renamed->second : key;
    std::string text = stream && value == "true" ? "1" : value;
    target += separator + name + "=" + Escape(text);
    separator = '&';
  }
  return target;
}

std::string NodeProxyTarget(const HttpRequest& http) {
  const std::string word = "/proxy";
  size_t at = http.path.find(word);
  std::string target = at == std::string::npos ? "" : http.path.substr(at + word.size());
  if (target.empty()) target = "/";
  return http.query.empty() ? target : target + "?" + http.query;
}

// One exchange with a kubelet. Keeps itself alive while something is under way.
class ApiStreams::Flow : public std::enable_shared_from_this<Flow> {
 public:
  Flow(const base::Executor& executor, const KeyPair& client, const HttpRequest& request,
       ResponderPtr responder)
      : context_(asio::ssl::context::tls_client),
        stream_(Socket(executor), Trusting(context_, client)),
        request_(request),
        responder_(std::move(responder)) {}

  void Start(const Endpoint& to, const std::string& target) {
    Error bad;
    auto address = asio::ip::make_address(to.address, bad);
    if (bad) return Fail(bad);
    std::string head = request_.method + " " + target + " HTTP/1.1\r\nHost: " + to.address + "\r\n";
    bool upgrade = request_.headers.count("upgrade") != 0;
    for (const auto& [name, value] : request_.headers) {
      bool own = name[0] == ':' || name == "host" || name == "authorization" ||
                 name == "content-length" || (!upgrade && name == "connection");
      if (!own) head += name + ": " + value + "\r\n";
    }
    head += upgrade ? "\r\n" : "Connection: close\r\n\r\n";
    responder_->OnClosed([weak = weak_from_this()] {
      if (auto flow = weak.lock()) flow->Cut();
    });
    auto self = shared_from_this();
    stream_.lowest_layer().async_connect({address, to.port}, [self, head](const Error& error) {
      if (error) return self->Fail(error);
      self->stream_.async_handshake(asio::ssl::stream_base::client,
                                    [self, head](const Error& refused) {
                                      if (refused) return self->Fail(refused);
                                      self->Write(head);
                                      self->ReadHead();
                                    });
    });
  }

  void Cut() {
    Error ignored;
    stream_.lowest_layer().close(ignored);
  }

 private:
  using Socket = asio::ip::tcp::socket;

  static asio::ssl::context& Trusting(asio::ssl::context& context, const KeyPair& client) {
    context.use_certificate_chain(asio::buffer(client.certificate));
    context.use_private_key(asio::buffer(client.key), asio::ssl::context::pem);
    return context;
  }

  void Fail(const Error& error) {
    Cut();
    if (!responder_->open()) return;
    ReplyProblem(request_, *responder_,
                 ApiProblem(500, "InternalError", "error dialing backend: " + error.message()));
  }

  void Write(const std::string& bytes) {
    out_ += bytes;
    if (!writing_) WriteOn();
  }
  void WriteOn() {
    if (out_.empty()) return;
    writing_ = true;
    under_way_ = std::exchange(out_, "");
    asio::async_write(stream_, asio::buffer(under_way_),
                      [self = shared_from_this()](const Error& error, size_t) {
                        self->writing_ = false;
                        if (error) return self->Cut();
                        self->WriteOn();
                      });
  }

  void ReadHead() {
    parser_.emplace();
    parser_->body_limit(boost::none);
    http::async_read_header(stream_, in_, *parser_,
                            [self = shared_from_this()](const Error& error, size_t) {
                              if (error) return self->Fail(error);
                              self->HaveHead();
                            });
  }

  void HaveHead() {
    auto& head = parser_->get();
    Responder::Headers headers;
    for (const auto& field : head) {
      std::string name(field.name_string());
      bool hop = field.name() == http::field::transfer_encoding ||
                 field.name() == http::field::content_length ||
                 (head.result_int() != 101 && field.name() == http::field::connection);
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      if (!hop) headers.emplace_back(name, std::string(field.value()));
    }
    if (head.result_int() != 101) {
      responder_->Head(static_cast<int>(head.result_int()), headers);
      return ReadBody();
    }
    raw_ = responder_->Upgrade(headers);
    if (!raw_) return Cut();
    std::string first(static_cast<const char*>(in_.data().data()), in_.size());
    if (!first.empty()) raw_->Write(first);
    raw_->OnBytes([weak = weak_from_this()](const std::string& bytes) {
      auto flow = weak.lock();
      if (flow == nullptr) return;
      if (bytes.empty()) return flow->Cut();
      flow->Write(bytes);
    });
    ReadRaw();
  }

  void ReadRaw() {
    stream_.async_read_some(asio::buffer(chunk_),
                            [self = shared_from_this()](const Error& error, size_t n) {
                              if (n > 0) self->raw_->Write(std::string(self->chunk_.data(), n));
                              if (!error) return self->ReadRaw();
                              self->raw_->Close();
                              self->Cut();
                            });
  }

  void ReadBody() {
    auto& body = parser_->get().body();
    body.data = chunk_.data();
    body.size = chunk_.size();
    http::async_read_some(
        stream_, in_, *parser_,
        [self = shared_from_this()](const Error& error, size_t) { self->HaveBody(error); });
  }

  void HaveBody(const Error& error) {
    size_t n = chunk_.size() - parser_->get().body().size;
    if (n > 0) responder_->Body(std::string(chunk_.data(), n));
    if (parser_->is_done()) {
      responder_->End();
      return Cut();
    }
    if (!error || error == http::error::need_buffer) return ReadBody();
    // A stream that was cut is not a whole one.
    responder_->Reset(2);
    Cut();
  }

  asio::ssl::context context_;
  asio::ssl::stream<Socket> stream_;
  HttpRequest request_;
  ResponderPtr responder_;
  std::shared_ptr<RawConnection> raw_;
  std::optional<http::response_parser<http::buffer_body>> parser_;
  boost::beast::flat_buffer in_;
  std::array<char, 16384> chunk_{};
  std::string out_, under_way_;
  bool writing_ = false;
};

ApiStreams::ApiStreams(base::Executor executor, ApiRegistry& registry, KeyPair client)
    : executor_(std::move(executor)), registry_(registry), client_(std::move(client)) {}

ApiStreams::~ApiStreams() {
  for (const auto& weak : flows_) {
    if (auto flow = weak.lock()) flow->Cut();
  }
}

void ApiStreams::Serve(const ApiRequest& request, const HttpRequest& http,
                       const ResponderPtr& responder) {
  std::string node = request.name, target = NodeProxyTarget(http);
  if (request.plural == "pods") {
    ApiRegistry::Target of_pod;
    of_pod.kind = request.kind;
    of_pod.ns = request.ns;
    of_pod.name = request.name;
    auto found = registry_.Get(of_pod);
    if (!found.ok()) return ReplyProblem(http, *responder, found.status());
    const auto& pod = static_cast<const api::core::Pod&>(**found);
    auto path = KubeletTarget(request, pod);
    if (!path.ok()) return ReplyProblem(http, *responder, path.status());
    node = pod.spec().node_name();
    target = *path;
  }
  auto endpoint = KubeletOf(registry_, node);
  if (!endpoint.ok()) return ReplyProblem(http, *responder, endpoint.status());
  Pass(endpoint->address, endpoint->port, target, http, responder);
}

void ApiStreams::Forward(uint16_t port, const HttpRequest& http, const ResponderPtr& responder) {
  std::string target = http.query.empty() ? http.path : http.path + "?" + http.query;
  Pass("127.0.0.1", port, target, http, responder);
}

void ApiStreams::Pass(const std::string& address, uint16_t port, const std::string& target,
                      const HttpRequest& http, const ResponderPtr& responder) {
  for (auto it = flows_.begin(); it != flows_.end();) {
    it = it->expired() ? flows_.erase(it) : std::next(it);
  }
  auto flow = std::make_shared<Flow>(executor_, client_, http, responder);
  flows_.insert(flow);
  flow->Start({address, port}, target);
}

}  // namespace kubelet::fakes
