#include "codeexec/kube_client/rest_client.hpp"

#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <random>
#include <utility>

#include "codeexec/async/cancellation.hpp"
#include "codeexec/async/deadline.hpp"
#include "codeexec/base/encoding.hpp"
#include "codeexec/base/log.hpp"
#include "codeexec/kube_client/credentials.hpp"
#include "codeexec/kube_client/retry_schedule.hpp"
#include "codeexec/kube_client/token_bucket.hpp"
#include "codeexec/kube_core/resource.hpp"
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
    case net::failure::timeout: {
      error late(error_kind::timeout, e.message);
      if (e.answer_began) late.mark_oversized();
      return late;
    }
    case net::failure::connect:
      return error(error_kind::connect, e.message);
    case net::failure::tls:
      return error(error_kind::tls, e.message);
    case net::failure::connection:
      return error(error_kind::connection, e.message);
    case net::failure::protocol:
      return error(error_kind::protocol, e.message);
    case net::failure::too_large:
      return error(error_kind::protocol, e.message).mark_oversized();
  }
  return error(error_kind::protocol, e.message);
}

std::optional<std::chrono::seconds> retry_after(http::fields const& headers, base::clock const& clock) {
  // A date is meant by the server's clock, which it tells.
  auto const date = parse_http_date(headers[http::field::date]);
  return parse_retry_after(headers[http::field::retry_after], date ? *date : clock.wall_now());
}

/// What must never wait for the client's own limit.
bool bypasses_limit(request const& r) {
  return r.resource_name == leases.plural;
}

request_kind kind_of(request const& r, bool is_watch) {
  auto const method = http::to_string(to_http(r.method));
  return request_kind{is_watch ? "WATCH" : std::string_view(method.data(), method.size()), r.resource_name,
                      r.subresource};
}

std::string basic_authorization(proxy_config const& proxy) {
  if (proxy.user.empty() && proxy.password.empty()) return {};
  return "Basic " + base::base64_encode(proxy.user + ":" + proxy.password);
}

base::rng make_rng() {
  std::random_device entropy;
  return base::rng(entropy());
}

bool is_success(int status) {
  return status >= 200 && status < 300;
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

/// An answer that comes in pieces, and where its bytes are counted.
struct opened_stream {
  std::unique_ptr<net::response_stream> body;
  std::shared_ptr<std::uint64_t> received;
};

class http_byte_stream final : public byte_stream {
 public:
  http_byte_stream(opened_stream from, std::string call)
      : body_(std::move(from.body)), received_(std::move(from.received)), call_(std::move(call)) {}

  task<result<std::string>> read_some(base::deadline by) override { return cancelled_as_value(read(by)); }

 private:
  task<result<std::string>> read(base::deadline by) {
    auto bytes = co_await body_->read_some(by);
    if (!bytes) co_return to_kube(bytes.error()).in(call_);
    *received_ += bytes->size();
    co_return std::move(*bytes);
  }

  std::unique_ptr<net::response_stream> body_;
  std::shared_ptr<std::uint64_t> received_;
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
        endpoint_(std::make_shared<net::endpoint const>(std::move(endpoint))),
        credentials_(options.who
                         ? options.who
                         : std::shared_ptr<credentials>(make_credentials(executor, config, clock, environment))),
        options_(std::move(options)),
        clock_(clock),
        bucket_(options_.qps, options_.burst, std::chrono::steady_clock::now()),
        random_(make_rng()),
        http_(std::move(executor), endpoint_, url_.authority(), http_options(options_)) {}

  static net::http_client_options http_options(rest_client_options const& options) {
    net::http_client_options out;
    out.max_connections = options.max_connections;
    out.max_body = options.max_body;
    return out;
  }

  /// `body` beside the request, because it goes from hand to hand without being copied, and may be sent again.
  net::http_request to_wire(request const& r, std::shared_ptr<std::string const> body,
                            std::string const& authorization) const {
    net::http_request wire;
    wire.method = to_http(r.method);
    wire.target = url_.path + r.target;
    wire.idempotent = r.idempotent;
    wire.body = std::move(body);
    wire.objection = r.objection;
    wire.headers.emplace_back("Accept", r.accept);
    wire.headers.emplace_back("User-Agent", options_.user_agent);
    if (!r.content_type.empty()) wire.headers.emplace_back("Content-Type", r.content_type);
    if (!authorization.empty()) wire.headers.emplace_back("Authorization", authorization);
    return wire;
  }

  /// Another certificate, of ours or of the CA, means new connections. With another one of ours, as with client-go,
  /// none of the old ones goes on for longer than its call takes: the server judged them by what has been replaced.
  result<void> refresh_tls(credential const& proof) {
    if (!endpoint_->tls) return {};
    auto change = tls_.poll(proof.certificate);
    if (!change) return change.error();
    if (!change->context) return {};
    auto next = std::make_shared<net::endpoint>(*endpoint_);
    next->tls = std::move(change->context);
    endpoint_ = std::move(next);
    using net::http_client;
    http_.reconfigure(endpoint_,
                      change->another_client ? http_client::open_streams::end : http_client::open_streams::go_on);
    return {};
  }

  client_counters counted() const {
    auto out = counted_;
    auto const& connections = http_.counted();
    out.connections_opened = connections.opened;
    out.connections_reused = connections.reused;
    out.connections_stale = connections.stale;
    return out;
  }

  static task<result<void>> log_in(std::shared_ptr<impl> self, base::deadline by);
  static task<result<std::string>> send(std::shared_ptr<impl> self, request r, base::deadline by);
  static task<result<opened_stream>> open(std::shared_ptr<impl> self, request r, base::deadline by);

 private:
  /// What one call has tried so far.
  struct call_state {
    call_state(std::string text, client_counters::per_kind& of, int max_tries)
        : name(std::move(text)), counted(of), schedule(max_tries) {}
    std::string name;
    std::shared_ptr<log::context const> about;
    client_counters::per_kind& counted;
    // Of the last try:
    credential proof;
    std::shared_ptr<net::endpoint const> toward;
    bool refreshed = false;
    retry_schedule schedule;
    std::chrono::steady_clock::time_point sent_at;
  };
  using call_ptr = std::shared_ptr<call_state>;

  static task<result<void>> wait_turn(std::shared_ptr<impl> self, base::deadline by);
  /// Before each try: its turn where it has to wait for one, then the credentials and the TLS settings of this moment.
  /// The try has to follow without another wait, so that the one goes over a connection of the other.
  static task<result<void>> get_ready(std::shared_ptr<impl> self, call_ptr call, bool takes_turn, base::deadline by);
  static task<result<bool>> shall_repeat(std::shared_ptr<impl> self, call_ptr call, int status,
                                         std::optional<std::chrono::seconds> wait, base::deadline by);
  call_ptr begin_call(request const& r, bool is_watch) {
    auto call =
        std::make_shared<call_state>(describe_call(r), counted_.requests[kind_of(r, is_watch)], options_.max_tries);
    call->about = r.about;
    return call;
  }
  static void observe(call_state const& call, int status);

  net::url url_;
  tls_source tls_;
  std::shared_ptr<net::endpoint const> endpoint_;
  std::shared_ptr<credentials> credentials_;
  rest_client_options options_;
  base::clock const& clock_;
  token_bucket bucket_;
  base::rng random_;
  client_counters counted_;
  net::http_client http_;
};

void rest_client::impl::observe(call_state const& call, int status) {
  auto const took = std::chrono::steady_clock::now() - call.sent_at;
  call.counted.observe(status, took);
  if (!log::enabled(log::level::debug)) return;
  auto const millis = std::chrono::duration_cast<std::chrono::milliseconds>(took).count();
  log::debug("API call", call.about ? *call.about : log::context(),
             {log::kv("call", call.name), log::kv("status", status), log::kv("millis", millis)});
}

task<result<void>> rest_client::impl::wait_turn(std::shared_ptr<impl> self, base::deadline by) {
  auto const now = std::chrono::steady_clock::now();
  bool taken = false;
  auto const wait = self->bucket_.take(now, by.at() - now, taken);
  if (!taken) {
    co_return error(error_kind::timeout, "the client's own limit of requests leaves no turn before the deadline");
  }
  if (wait == token_bucket::duration::zero()) co_return result<void>();
  ++self->counted_.throttled;
  auto const slept = co_await async::sleep_for(wait);
  auto const woken = std::chrono::steady_clock::now();
  self->counted_.throttled_time += woken - now;
  if (slept) co_return result<void>();
  self->bucket_.give_back(woken);
  co_return error(error_kind::cancelled, "waiting for a turn");
}

/// True: the server did not act on it, and now it may be sent again.
task<result<bool>> rest_client::impl::shall_repeat(std::shared_ptr<impl> self, call_ptr call, int status,
                                                   std::optional<std::chrono::seconds> wait, base::deadline by) {
  if (status == 401) {
    if (call->refreshed) co_return false;
    call->refreshed = true;
    self->credentials_->rejected(call->proof);
    // A refusal of what has been replaced since says nothing about its successor.
    if (call->toward == self->endpoint_) self->tls_.look_again();
    auto fresh = co_await self->credentials_->current(by);
    if (!fresh) co_return false;
    auto usable = self->refresh_tls(*fresh);
    if (!usable) co_return usable.error();
    bool const another = *fresh != call->proof || self->endpoint_ != call->toward;
    co_return another;
  }
  auto const left = std::chrono::floor<retry_schedule::duration>(by.at() - std::chrono::steady_clock::now());
  auto const pause = call->schedule.next(status, wait, left, self->random_);
  if (!pause) co_return false;
  log::debug("the server is busy; trying again",
             {log::kv("call", call->name), log::kv("status", status), log::kv("in_millis", pause->count())});
  auto const slept = co_await async::sleep_for(*pause);
  if (!slept) co_return error(error_kind::cancelled, "waiting until the server has time");
  ++self->counted_.refusals_retried;
  co_return true;
}

task<result<void>> rest_client::impl::log_in(std::shared_ptr<impl> self, base::deadline by) {
  auto const proof = co_await self->credentials_->current(by);
  if (!proof) co_return proof.error();
  co_return result<void>();
}

task<result<void>> rest_client::impl::get_ready(std::shared_ptr<impl> self, call_ptr call, bool takes_turn,
                                                base::deadline by) {
  if (takes_turn) {
    auto turn = co_await wait_turn(self, by);
    if (!turn) co_return turn.error().in(call->name);
  }
  // Not those of the try before: while it waited, another call may have got better ones.
  auto proof = co_await self->credentials_->current(by);
  if (!proof) co_return proof.error().in(call->name);
  call->proof = std::move(*proof);
  auto usable = self->refresh_tls(call->proof);
  if (!usable) co_return usable.error().in(call->name);
  call->toward = self->endpoint_;
  co_return result<void>();
}

task<result<std::string>> rest_client::impl::send(std::shared_ptr<impl> self, request r, base::deadline until) {
  auto const call = self->begin_call(r, false);
  auto const by = until.min(base::deadline::after(self->options_.call_timeout));
  auto const body = r.body.empty() ? nullptr : std::make_shared<std::string const>(std::move(r.body));

  for (;;) {
    auto ready = co_await get_ready(self, call, !bypasses_limit(r), by);
    if (!ready) co_return ready.error();
    auto wire = self->to_wire(r, body, call->proof.authorization);
    wire.accept_gzip = self->options_.compression && r.method == verb::get;
    call->sent_at = std::chrono::steady_clock::now();
    auto answer = co_await self->http_.send(std::move(wire), by);
    observe(*call, answer ? answer->status : 0);
    if (body) call->counted.sent_bytes += body->size();
    if (!answer) co_return to_kube(answer.error()).in(call->name);
    call->counted.received_bytes += answer->body.size();
    auto const status = answer->status;
    if (is_success(status)) co_return std::move(answer->body);

    auto refusal = error::from_status(status, answer->body, retry_after(answer->headers, self->clock_));
    auto again = co_await shall_repeat(self, call, status, refusal.retry_after(), by);
    if (!again) co_return again.error().in(call->name);
    if (!*again) co_return refusal.in(call->name);
  }
}

task<result<opened_stream>> rest_client::impl::open(std::shared_ptr<impl> self, request r, base::deadline until) {
  // A log is followed like a watch, but may count thousands where there is one watch per resource: it takes its turn.
  bool const is_watch = r.subresource.empty();
  auto const call = self->begin_call(r, is_watch);
  auto const by = until.min(base::deadline::after(self->options_.call_timeout));
  auto const body = r.body.empty() ? nullptr : std::make_shared<std::string const>(std::move(r.body));

  for (;;) {
    auto ready = co_await get_ready(self, call, !is_watch && !bypasses_limit(r), by);
    if (!ready) co_return ready.error();
    auto wire = self->to_wire(r, body, call->proof.authorization);
    call->sent_at = std::chrono::steady_clock::now();
    auto answer = co_await self->http_.open(std::move(wire), by);
    observe(*call, answer ? (*answer)->status() : 0);
    if (!answer) co_return to_kube(answer.error()).in(call->name);
    auto stream = std::move(*answer);
    auto const status = stream->status();
    if (is_success(status)) {
      std::shared_ptr<std::uint64_t> received(self, &call->counted.received_bytes);
      opened_stream opened{std::move(stream), std::move(received)};
      co_return std::move(opened);
    }

    auto const text = co_await stream->read_beginning(max_status_body, by);
    if (!text) co_return to_kube(text.error()).in(call->name);
    auto refusal = error::from_status(status, *text, retry_after(stream->headers(), self->clock_));
    auto again = co_await shall_repeat(self, call, status, refusal.retry_after(), by);
    if (!again) co_return again.error().in(call->name);
    if (!*again) co_return refusal.in(call->name);
  }
}

std::string make_user_agent(std::string_view program, std::string_view version) {
  // Go's names for processors: what everybody else writes there.
#if defined(__x86_64__)
  constexpr std::string_view processor = "amd64";
#elif defined(__aarch64__)
  constexpr std::string_view processor = "arm64";
#else
  constexpr std::string_view processor = "unknown";
#endif
  return std::string(program) + "/" + std::string(version) + " (linux/" + std::string(processor) + ")";
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
  if (config.proxy) {
    auto proxy = std::make_shared<net::proxy>();
    proxy->host = config.proxy->host;
    proxy->port = config.proxy->port;
    proxy->authorization = basic_authorization(*config.proxy);
    if (config.proxy->tls) {
      auto context = net::make_client_tls(net::tls_options());
      if (!context) return error(error_kind::config, "the proxy: " + context.error().message);
      proxy->tls = std::move(*context);
    }
    endpoint.via = std::move(proxy);
  }
  auto shared = std::make_shared<impl>(std::move(executor), std::move(*url), std::move(tls), std::move(endpoint),
                                       config, std::move(options), clock, environment);
  return std::unique_ptr<rest_client>(new rest_client(std::move(shared)));
}

namespace {
task<result<std::unique_ptr<byte_stream>>> as_byte_stream(task<result<opened_stream>> opening, std::string call) {
  auto opened = co_await std::move(opening);
  if (!opened) co_return opened.error();
  std::unique_ptr<byte_stream> stream = std::make_unique<http_byte_stream>(std::move(*opened), std::move(call));
  co_return std::move(stream);
}
}  // namespace

client_counters rest_client::counted() const {
  return impl_->counted();
}

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
