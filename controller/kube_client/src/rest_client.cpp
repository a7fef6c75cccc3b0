#include "codeexec/kube_client/rest_client.hpp"

#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <charconv>
#include <utility>

#include "codeexec/async/cancellation.hpp"
#include "codeexec/base/log.hpp"
#include "codeexec/kube_client/credentials.hpp"
#include "codeexec/net/http_client.hpp"
#include "codeexec/net/url.hpp"

#include "tls_source.hpp"

namespace codeexec::kube {
namespace asio = boost::asio;
namespace http = boost::beast::http;
namespace log = base::log;

namespace {

/// A Status is small; what a proxy sends in its place need not be read to its end.
constexpr std::size_t max_status_body = 1024 * 1024;

http::verb to_http(verb method) {
  switch (method) {
    case verb::get:
      return http::verb::get;
    case verb::post:
      return http::verb::post;
    case verb::put:
      return http::verb::put;
    case verb::patch:
      return http::verb::patch;
    case verb::remove:
      return http::verb::delete_;
  }
  return http::verb::get;
}

/// "GET /api/v1/pods", without the query: selectors and continue tokens are long and tell nobody anything.
std::string describe_call(request const& r) {
  return std::string(http::to_string(to_http(r.method))) + " " + r.target.substr(0, r.target.find('?'));
}

error to_kube(net::error const& e) {
  switch (e.kind) {
    case net::failure::cancelled:
      return error(error_kind::cancelled, e.message);
    case net::failure::timeout:
      return error(error_kind::timeout, e.message);
    case net::failure::connect:
      return error(error_kind::connect, e.message);
    case net::failure::tls:
      return error(error_kind::tls, e.message);
    case net::failure::connection:
      return error(error_kind::connection, e.message);
    case net::failure::protocol:
    case net::failure::too_large:
      return error(error_kind::protocol, e.message);
  }
  return error(error_kind::protocol, e.message);
}

/// Retry-After in seconds. Its other form, a date, is not what API servers write.
std::optional<std::chrono::seconds> retry_after(http::fields const& headers) {
  auto const value = headers[http::field::retry_after];
  std::int64_t seconds = 0;
  auto const [end, failed] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (failed != std::errc() || end != value.data() + value.size() || value.empty() || seconds < 0) return std::nullopt;
  return std::chrono::seconds(seconds);
}

bool is_success(int status) {
  return status >= 200 && status < 300;
}

void log_call(std::string const& call, int status, std::chrono::steady_clock::time_point begin) {
  if (!log::enabled(log::level::debug)) return;
  auto const took = std::chrono::steady_clock::now() - begin;
  log::debug("API call", {log::kv("call", call), log::kv("status", status),
                          log::kv("millis", std::chrono::duration_cast<std::chrono::milliseconds>(took).count())});
}

/// Awaiting anything in a cancelled task throws; at this seam that is a value.
template <class T>
task<result<T>> cancelled_as_value(task<result<T>> operation) {
  try {
    auto outcome = co_await std::move(operation);
    co_return outcome;
  } catch (boost::system::system_error const& e) {
    if (!async::is_abort(e.code())) throw;
    co_return error(error_kind::cancelled, "the task was stopped");
  }
}

class http_byte_stream final : public byte_stream {
 public:
  http_byte_stream(std::unique_ptr<net::response_stream> body, std::string call)
      : body_(std::move(body)), call_(std::move(call)) {}

  task<result<std::string>> read_some(base::deadline by) override { return cancelled_as_value(read(by)); }

 private:
  task<result<std::string>> read(base::deadline by) {
    auto bytes = co_await body_->read_some(by);
    if (!bytes) co_return to_kube(bytes.error()).in(call_);
    co_return std::move(*bytes);
  }

  std::unique_ptr<net::response_stream> body_;
  std::string call_;
};

}  // namespace

class rest_client::impl {
 public:
  impl(asio::any_io_executor executor, net::url url, tls_source tls, net::endpoint endpoint,
       cluster_config const& config, rest_client_options options, base::clock const& clock,
       config_environment const& environment)
      : url_(std::move(url)),
        tls_(std::move(tls)),
        endpoint_(std::move(endpoint)),
        credentials_(make_credentials(executor, config, clock, environment)),
        user_agent_(std::move(options.user_agent)),
        http_(std::move(executor), std::make_shared<net::endpoint const>(endpoint_), url_.authority(),
              http_options(options)) {}

  static net::http_client_options http_options(rest_client_options const& options) {
    net::http_client_options out;
    out.max_connections = options.max_connections;
    out.max_body = options.max_body;
    return out;
  }

  net::http_request to_wire(request const& r, std::string const& authorization) const {
    net::http_request wire;
    wire.method = to_http(r.method);
    wire.target = url_.path + r.target;
    wire.idempotent = r.idempotent;
    wire.body = r.body;
    wire.headers.emplace_back("Accept", r.accept);
    wire.headers.emplace_back("User-Agent", user_agent_);
    if (!r.content_type.empty()) wire.headers.emplace_back("Content-Type", r.content_type);
    if (!authorization.empty()) wire.headers.emplace_back("Authorization", authorization);
    return wire;
  }

  /// Another certificate, of ours or of the CA, means new connections.
  result<void> refresh_tls(credential const& proof) {
    if (!endpoint_.tls) return {};
    auto context = tls_.poll(proof.certificate);
    if (!context) return context.error();
    if (!*context) return {};
    endpoint_.tls = std::move(*context);
    http_.reconfigure(std::make_shared<net::endpoint const>(endpoint_));
    return {};
  }

  static task<result<void>> log_in(std::shared_ptr<impl> self, base::deadline by);
  static task<result<std::string>> send(std::shared_ptr<impl> self, request r, base::deadline by);
  static task<result<std::unique_ptr<net::response_stream>>> open(std::shared_ptr<impl> self, request r,
                                                                  base::deadline by);

 private:
  net::url url_;
  tls_source tls_;
  net::endpoint endpoint_;
  std::unique_ptr<credentials> credentials_;
  std::string user_agent_;
  net::http_client http_;
};

task<result<void>> rest_client::impl::log_in(std::shared_ptr<impl> self, base::deadline by) {
  auto const proof = co_await self->credentials_->current(by);
  if (!proof) co_return proof.error();
  co_return result<void>();
}

task<result<std::string>> rest_client::impl::send(std::shared_ptr<impl> self, request r, base::deadline by) {
  auto const call = describe_call(r);
  auto const begin = std::chrono::steady_clock::now();
  auto proof = co_await self->credentials_->current(by);
  if (!proof) co_return proof.error().in(call);

  for (bool refreshed = false;;) {
    auto const usable = self->refresh_tls(*proof);
    if (!usable) co_return usable.error().in(call);
    auto wire = self->to_wire(r, proof->authorization);
    auto answer = co_await self->http_.send(std::move(wire), by);
    if (!answer) {
      log_call(call, 0, begin);
      co_return to_kube(answer.error()).in(call);
    }
    log_call(call, answer->status, begin);
    if (is_success(answer->status)) co_return std::move(answer->body);
    if (answer->status == 401 && !refreshed) {
      refreshed = true;
      self->credentials_->rejected(*proof);
      auto fresh = co_await self->credentials_->current(by);
      if (fresh && *fresh != *proof) {
        proof = std::move(fresh);
        continue;
      }
    }
    co_return error::from_status(answer->status, answer->body, retry_after(answer->headers)).in(call);
  }
}

task<result<std::unique_ptr<net::response_stream>>> rest_client::impl::open(std::shared_ptr<impl> self, request r,
                                                                            base::deadline by) {
  auto const call = describe_call(r);
  auto const begin = std::chrono::steady_clock::now();
  auto proof = co_await self->credentials_->current(by);
  if (!proof) co_return proof.error().in(call);

  for (bool refreshed = false;;) {
    auto const usable = self->refresh_tls(*proof);
    if (!usable) co_return usable.error().in(call);
    auto wire = self->to_wire(r, proof->authorization);
    auto answer = co_await self->http_.open(std::move(wire), by);
    if (!answer) {
      log_call(call, 0, begin);
      co_return to_kube(answer.error()).in(call);
    }
    auto stream = std::move(*answer);
    auto const status = stream->status();
    log_call(call, status, begin);
    if (is_success(status)) co_return std::move(stream);
    if (status == 401 && !refreshed) {
      refreshed = true;
      self->credentials_->rejected(*proof);
      auto fresh = co_await self->credentials_->current(by);
      if (fresh && *fresh != *proof) {
        proof = std::move(fresh);
        continue;
      }
    }
    auto const body = co_await stream->read_rest(max_status_body, by);
    // The status says enough where the text that explains it does not arrive.
    co_return error::from_status(status, body ? *body : std::string(), retry_after(stream->headers())).in(call);
  }
}

rest_client::rest_client(std::shared_ptr<impl> i) : impl_(std::move(i)) {}
rest_client::~rest_client() = default;

result<std::unique_ptr<rest_client>> rest_client::create(asio::any_io_executor executor, cluster_config config,
                                                         rest_client_options options, base::clock const& clock,
                                                         config_environment environment) {
  auto url = net::parse_url(config.server);
  if (!url) return error(error_kind::config, "the server's address: " + url.error().message);
  tls_source tls(config, clock, environment);
  net::endpoint endpoint;
  endpoint.host = url->host;
  endpoint.port = url->port;
  if (url->tls) {
    auto context = tls.load();
    if (!context) return context.error();
    endpoint.tls = std::move(*context);
    endpoint.server_name = config.tls_server_name;
    endpoint.verify_name = !config.insecure_skip_tls_verify;
    if (config.insecure_skip_tls_verify) {
      log::warn(
          "the server's certificate is NOT verified (insecure-skip-tls-verify): whoever is between us can read and "
          "change everything",
          {log::kv("server", url->to_string())});
    }
  }
  auto shared = std::make_shared<impl>(std::move(executor), std::move(*url), std::move(tls), std::move(endpoint),
                                       config, std::move(options), clock, environment);
  return std::unique_ptr<rest_client>(new rest_client(std::move(shared)));
}

namespace {
task<result<std::unique_ptr<byte_stream>>> as_byte_stream(task<result<std::unique_ptr<net::response_stream>>> opening,
                                                          std::string call) {
  auto opened = co_await std::move(opening);
  if (!opened) co_return opened.error();
  std::unique_ptr<byte_stream> stream = std::make_unique<http_byte_stream>(std::move(*opened), std::move(call));
  co_return std::move(stream);
}
}  // namespace

task<result<void>> rest_client::log_in(base::deadline by) {
  return cancelled_as_value(impl::log_in(impl_, by));
}

task<result<std::string>> rest_client::send(request r, base::deadline by) {
  return cancelled_as_value(impl::send(impl_, std::move(r), by));
}

task<result<std::unique_ptr<byte_stream>>> rest_client::open_stream(request r, base::deadline by) {
  auto call = describe_call(r);
  return cancelled_as_value(as_byte_stream(impl::open(impl_, std::move(r), by), std::move(call)));
}

}  // namespace codeexec::kube
