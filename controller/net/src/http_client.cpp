#include "codeexec/net/http_client.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/this_coro.hpp>
#include <boost/beast/core/span.hpp>
#include <boost/beast/core/string.hpp>
#include <deque>
#include <list>
#include <optional>
#include <unordered_set>
#include <utility>

#include "codeexec/async/cancellation.hpp"
#include "codeexec/async/event.hpp"
#include "codeexec/net/gzip.hpp"

namespace codeexec::net {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

namespace {

constexpr std::uint32_t max_answer_header = 64U * 1024;
/// A server that refuses a large body may answer and close while we still write. Its answer is worth a moment.
constexpr std::chrono::seconds early_answer_wait{2};
/// The text of a refusal is worth waiting for, but not for as long as the answer to the request would be.
constexpr std::chrono::seconds refusal_wait{5};
/// 1xx answers before the real one.
constexpr int max_interim = 16;
/// A body's first piece of memory; doubled as it fills, so that a length somebody claims costs nothing.
constexpr std::size_t first_room = 16U * 1024;

constexpr char const* why_cut = "what the connection was made with has been replaced";

using parser_ptr = std::unique_ptr<connection::parser>;

bool is_success(int status) {
  return status >= 200 && status < 300;
}

enum class encoding { none, gzip, unknown };

encoding encoding_of(http::fields const& headers) {
  auto const value = headers[http::field::content_encoding];
  if (value.empty() || beast::iequals(value, "identity")) return encoding::none;
  if (beast::iequals(value, "gzip") || beast::iequals(value, "x-gzip")) return encoding::gzip;
  return encoding::unknown;
}

error broken(connection const& link, boost::system::error_code ec, std::string_view doing, bool cancelled) {
  if (link.is_cut() && !cancelled) return error(failure::connection, std::string(doing) + ": " + why_cut);
  return to_error(ec, failure::connection, doing, cancelled);
}

asio::awaitable<result<std::string>> refuse_encoding() {
  co_return error(failure::protocol, "the answer is in an encoding that nobody asked for");
}

parser_ptr make_parser() {
  auto parser = std::make_unique<connection::parser>();
  parser->body_limit(boost::none);  // a watch has no length; whole answers are bounded where they are collected
  parser->header_limit(max_answer_header);
  return parser;
}

}  // namespace

/// Shared by the client, its streams and its calls under way.
struct http_client::pool {
  pool(asio::any_io_executor ex, std::shared_ptr<endpoint const> e, std::string host, http_client_options o)
      : executor(std::move(ex)), to(std::move(e)), host_header(std::move(host)), options(std::move(o)) {
    if (!options.names) options.names = std::make_shared<resolver>();
  }

  struct kept {
    std::shared_ptr<connection> link;
    std::chrono::steady_clock::time_point since;
  };
  struct waiter {
    explicit waiter(asio::any_io_executor const& ex) : turn(ex) {}
    async::event turn;
    bool granted = false;
  };

  asio::any_io_executor executor;
  std::shared_ptr<endpoint const> to;
  std::string host_header;
  http_client_options options;
  /// Most recently used at the back. Calls and streams keep to their own: one who streams mostly leaves before the end,
  /// and its connection with it, which must not cost the next call a warm one.
  using kept_links = std::deque<kept>;
  kept_links idle_for_calls;
  kept_links idle_for_streams;
  std::unordered_set<connection*> streams;
  std::size_t in_use = 0;
  std::list<std::shared_ptr<waiter>> line;
  http_counters counted;
  bool closed = false;

  kept_links& idle(purpose what) { return what == purpose::call ? idle_for_calls : idle_for_streams; }

  void drop_old(kept_links& from) const {
    auto const oldest = std::chrono::steady_clock::now() - options.max_idle;
    while (!from.empty() && from.front().since < oldest)
      from.pop_front();
  }

  /// The freshest usable one, or null. What is too old or dead is dropped on the way.
  std::shared_ptr<connection> take_idle(purpose what) {
    auto& from = idle(what);
    drop_old(from);
    while (!from.empty()) {
      auto link = std::move(from.back().link);
      from.pop_back();
      if (link->is_idle_and_open()) return link;
    }
    return nullptr;
  }

  /// Among `streams` for as long as it lives.
  static std::shared_ptr<connection> as_stream(std::shared_ptr<pool> const& self, std::unique_ptr<connection> link) {
    self->streams.insert(link.get());
    return {link.release(), [home = std::weak_ptr<pool>(self)](connection* gone) {
              std::unique_ptr<connection> const ours(gone);
              if (auto const at = home.lock()) at->streams.erase(gone);
            }};
  }

  void keep(purpose what, std::shared_ptr<connection> link) {
    auto& to_these = idle(what);
    drop_old(to_these);
    if (closed || &link->peer() != to.get()) return;  // reconfigured meanwhile
    while (to_these.size() >= options.max_connections)
      to_these.pop_front();
    to_these.push_back({std::move(link), std::chrono::steady_clock::now()});
  }

  void drop_idle() {
    idle_for_calls.clear();
    idle_for_streams.clear();
  }

  void release() {
    if (line.empty()) {
      --in_use;
      return;
    }
    // The place goes to the one who has waited longest; nobody who comes now can take it.
    auto const next = line.front();
    line.pop_front();
    next->granted = true;
    next->turn.set();
  }

  asio::awaitable<result<void>> acquire(std::shared_ptr<pool> self, base::deadline by);
  /// Refers to the request's body.
  connection::request to_message(http_request const& request) const;
  /// `toward` was the endpoint when the call began: what `request` proves itself by belongs to it.
  asio::awaitable<result<std::unique_ptr<response_stream>>> exchange(std::shared_ptr<pool> self, http_request request,
                                                                     std::shared_ptr<endpoint const> toward,
                                                                     base::deadline by, purpose what);
};

namespace {
/// A place among max_connections, given back on every way out.
template <class Pool>
class place {
 public:
  explicit place(std::shared_ptr<Pool> p) : pool_(std::move(p)) {}
  place(place const&) = delete;
  place& operator=(place const&) = delete;
  ~place() { pool_->release(); }

 private:
  std::shared_ptr<Pool> pool_;
};

/// Leaves the line however the wait ends; a place that was granted and not used is passed on.
template <class Pool, class Waiter>
class in_line {
 public:
  in_line(std::shared_ptr<Pool> p, std::shared_ptr<Waiter> w) : pool_(std::move(p)), waiter_(std::move(w)) {
    pool_->line.push_back(waiter_);
  }
  in_line(in_line const&) = delete;
  in_line& operator=(in_line const&) = delete;
  ~in_line() {
    if (accepted_) return;
    if (waiter_->granted) {
      pool_->release();
    } else {
      pool_->line.remove(waiter_);
    }
  }
  void accept() { accepted_ = true; }

 private:
  std::shared_ptr<Pool> pool_;
  std::shared_ptr<Waiter> waiter_;
  bool accepted_ = false;
};
}  // namespace

asio::awaitable<result<void>> http_client::pool::acquire(std::shared_ptr<pool> self, base::deadline by) {
  if (self->in_use < self->options.max_connections) {
    ++self->in_use;
    co_return result<void>();
  }
  auto const me = std::make_shared<waiter>(self->executor);
  in_line<pool, waiter> waiting(self, me);
  auto const turn = co_await me->turn.wait_until(by);
  if (turn) {
    waiting.accept();
    co_return result<void>();
  }
  auto const cancellation = co_await asio::this_coro::cancellation_state;
  if (async::is_cancelled(cancellation)) co_return error(failure::cancelled, "waiting for a connection");
  co_return error(failure::timeout,
                  "waiting for a connection: all " + std::to_string(self->options.max_connections) + " are in use");
}

struct response_stream::state {
  std::weak_ptr<http_client::pool> pool;
  std::shared_ptr<connection> link;  // null once the body has ended
  http_client::purpose what = http_client::purpose::call;
  parser_ptr parser;
  std::vector<char> chunk;

  /// Where a lot comes, a lot is handed on at once: a watch must not fall behind because it has many readers beside it.
  void make_room(std::size_t last) {
    constexpr std::size_t first = 16U * 1024;
    constexpr std::size_t most = 64U * 1024;
    if (chunk.empty()) {
      chunk.resize(first);
    } else if (last == chunk.size() && last < most) {
      chunk.resize(most);
    }
  }
  std::size_t last_got = 0;

  /// The body has ended in order: the connection may serve again.
  void finish() {
    auto const home = pool.lock();
    if (home && parser->get().keep_alive() && !parser->get().need_eof()) home->keep(what, std::move(link));
    link.reset();
  }
};

response_stream::response_stream(std::unique_ptr<state> s) : state_(std::move(s)) {}
response_stream::~response_stream() = default;

int response_stream::status() const {
  return static_cast<int>(state_->parser->get().result_int());
}

http::fields const& response_stream::headers() const {
  return state_->parser->get().base();
}

/// At least one byte, or 0 at the orderly end. Writes straight to where the bytes shall be.
asio::awaitable<result<std::size_t>> response_stream::read_into(char* to, std::size_t size, base::deadline by) {
  auto& s = *state_;
  auto& parser = *s.parser;
  while (s.link) {
    if (parser.is_done()) {
      s.finish();
      break;
    }
    auto& body = parser.get().body();
    body.data = to;
    body.size = size;
    auto const step = co_await s.link->read_some(parser, by);
    if (step.ec) {
      auto const cancellation = co_await asio::this_coro::cancellation_state;
      auto failed = broken(*s.link, step.ec, "reading the answer", async::is_cancelled(cancellation));
      failed.answer_began = true;
      s.link.reset();
      co_return failed;
    }
    auto const got = size - body.size;
    if (got > 0) {
      // With the last byte already here the connection need not wait for the reader to come back.
      if (parser.is_done()) s.finish();
      co_return got;
    }
  }
  co_return std::size_t{0};
}

asio::awaitable<result<std::string>> response_stream::read_some(base::deadline by) {
  if (encoding_of(headers()) != encoding::none) {
    state_->link.reset();
    co_return error(failure::protocol, "the answer is compressed, though nobody asked for it");
  }
  state_->make_room(state_->last_got);
  auto const got = co_await read_into(state_->chunk.data(), state_->chunk.size(), by);
  if (!got) co_return got.error();
  state_->last_got = *got;
  co_return std::string(state_->chunk.data(), *got);
}

asio::awaitable<result<std::string>> response_stream::read_plain(std::size_t limit, base::deadline by) {
  auto too_large = error(failure::too_large, "the answer is larger than " + std::to_string(limit) + " bytes");
  auto const claimed = state_->parser->content_length();
  if (claimed && *claimed > limit) {
    state_->link.reset();
    co_return too_large;
  }
  // One byte more than may be: that it comes is how one sees that there would be more.
  auto const most = claimed ? static_cast<std::size_t>(*claimed) : limit + 1;
  std::string whole;
  std::size_t used = 0;
  for (;;) {
    if (used == whole.size()) whole.resize(std::min(std::max(first_room, whole.size() * 2), std::max(most, used + 1)));
    auto const got = co_await read_into(whole.data() + used, whole.size() - used, by);
    if (!got) co_return got.error();
    if (*got == 0) break;
    used += *got;
    if (used > limit) {
      state_->link.reset();
      co_return too_large;
    }
    if (!state_->link) break;
  }
  whole.resize(used);
  co_return whole;
}

asio::awaitable<result<std::string>> response_stream::read_gzip(std::size_t limit, base::deadline by) {
  gzip_decoder decoder(limit);
  state_->make_room(0);
  for (;;) {
    auto const got = co_await read_into(state_->chunk.data(), state_->chunk.size(), by);
    if (!got) co_return got.error();
    if (*got == 0) break;
    auto const taken = decoder.feed(std::string_view(state_->chunk.data(), *got));
    if (!taken) {
      state_->link.reset();
      co_return taken.error();
    }
  }
  co_return decoder.finish();
}

asio::awaitable<result<std::string>> response_stream::read_rest(std::size_t limit, base::deadline by) {
  switch (encoding_of(headers())) {
    case encoding::none:
      return read_plain(limit, by);
    case encoding::gzip:
      return read_gzip(limit, by);
    case encoding::unknown:
      break;
  }
  return refuse_encoding();
}

asio::awaitable<result<std::string>> response_stream::read_beginning(std::size_t limit, base::deadline by) {
  std::string beginning;
  gzip_decoder decoder(limit);
  auto const how = encoding_of(headers());
  state_->make_room(0);
  std::size_t so_far = 0;
  while (so_far < limit) {
    auto const got = co_await read_into(state_->chunk.data(), state_->chunk.size(), by);
    if (!got && got.error().kind == failure::cancelled) co_return got.error();
    if (!got || *got == 0) break;
    so_far += *got;
    std::string_view const bytes(state_->chunk.data(), *got);
    if (how == encoding::none) beginning += bytes;
    if (how == encoding::gzip && !decoder.feed(bytes)) break;
  }
  state_->link.reset();  // gone already where the body ended
  if (how == encoding::gzip) beginning = decoder.take_beginning();
  if (beginning.size() > limit) beginning.resize(limit);
  co_return beginning;
}

connection::request http_client::pool::to_message(http_request const& request) const {
  // A plain request goes to the proxy whole; to a TLS server the connection itself is a tunnel.
  bool const absolute = to->via && !to->tls;
  connection::request message(request.method, absolute ? "http://" + host_header + request.target : request.target, 11);
  message.set(http::field::host, host_header);
  if (absolute && !to->via->authorization.empty()) {
    message.set(http::field::proxy_authorization, to->via->authorization);
  }
  if (request.accept_gzip) message.set(http::field::accept_encoding, "gzip");
  for (auto const& [name, value] : request.headers)
    message.set(name, value);
  if (request.body) message.body() = beast::span<char const>(request.body->data(), request.body->size());
  message.prepare_payload();
  return message;
}

asio::awaitable<result<std::unique_ptr<response_stream>>> http_client::pool::exchange(
    std::shared_ptr<pool> self, http_request request, std::shared_ptr<endpoint const> toward, base::deadline by,
    purpose what) {
  auto const message = self->to_message(request);
  // A socket that happens to be ready would win against a timer that has already run out.
  if (by.passed()) co_return error(failure::timeout, "the deadline passed before the request was sent");
  bool may_reuse = true;
  for (;;) {
    auto link = may_reuse && toward == self->to ? self->take_idle(what) : nullptr;
    bool const reused = link != nullptr;
    if (reused) {
      ++self->counted.reused;
    } else {
      auto opened = co_await connection::open(toward, self->options.names, by);
      if (!opened) co_return opened.error();
      ++self->counted.opened;
      // One that reconfigure() would have ended must not slip through while it is being made.
      if (what == purpose::stream && toward != self->to) co_return error(failure::connect, why_cut);
      link = what == purpose::stream ? as_stream(self, std::move(*opened)) : std::move(*opened);
    }

    // Here, where there is nothing left to wait for.
    auto const objection = request.objection ? request.objection() : std::nullopt;
    if (objection) co_return error(failure::cancelled, *objection);

    auto parser = make_parser();
    auto const written = co_await link->write(message, by);
    auto step = written;
    if (!written.ec || written.bytes > 0) {
      auto const until = written.ec ? by.min(base::deadline::after(early_answer_wait)) : by;
      step = co_await link->read_header(*parser, until);
      // 1xx answers announce the real one; we ask for none, proxies may send them all the same.
      for (int interim = 0; !step.ec && parser->get().result_int() < 200; ++interim) {
        if (interim == max_interim || parser->get().result() == http::status::switching_protocols) {
          co_return error(failure::protocol, "waiting for the answer: the server sends 1xx answers instead");
        }
        parser = make_parser();
        step = co_await link->read_header(*parser, until);
      }
    }

    if (!step.ec) {
      auto state = std::make_unique<response_stream::state>();
      state->pool = self;
      state->link = std::move(link);
      state->what = what;
      state->parser = std::move(parser);
      if (written.ec) state->pool.reset();  // half a request was sent: whatever comes after this answer is undefined
      co_return std::unique_ptr<response_stream>(new response_stream(std::move(state)));
    }

    auto const cancellation = co_await asio::this_coro::cancellation_state;
    auto failed =
        broken(*link, written.ec ? written.ec : step.ec, written.ec ? "sending the request" : "waiting for the answer",
               async::is_cancelled(cancellation));
    // A kept connection that the server closed while it lay idle is no failure of the server's. Once, on a fresh one,
    // and only where the server cannot have acted twice.
    bool const nothing_sent = written.ec && written.bytes == 0;
    bool const nothing_came = !parser->got_some() && !link->has_unparsed();
    bool const stale = reused && failed.kind == failure::connection && nothing_came;
    if (stale && (nothing_sent || request.idempotent)) {
      ++self->counted.stale;
      may_reuse = false;
      continue;
    }
    co_return failed;
  }
}

http_client::http_client(asio::any_io_executor executor, std::shared_ptr<endpoint const> to, std::string host_header,
                         http_client_options options)
    : pool_(std::make_shared<pool>(std::move(executor), std::move(to), std::move(host_header), std::move(options))) {}

http_client::~http_client() {
  pool_->closed = true;
  pool_->drop_idle();
}

asio::awaitable<result<http_response>> http_client::send(http_request request, base::deadline by) {
  auto const shared = pool_;
  auto const toward = shared->to;
  auto const acquired = co_await shared->acquire(shared, by);
  if (!acquired) co_return acquired.error();
  place<pool> const held(shared);

  auto opened = co_await shared->exchange(shared, std::move(request), toward, by, purpose::call);
  if (!opened) co_return opened.error();
  auto const stream = std::move(*opened);
  auto reading = is_success(stream->status())
                     ? stream->read_rest(shared->options.max_body, by)
                     : stream->read_beginning(shared->options.max_refusal, by.min(base::deadline::after(refusal_wait)));
  auto body = co_await std::move(reading);
  if (!body) co_return body.error();
  http_response response;
  response.status = stream->status();
  response.headers = stream->headers();
  response.body = std::move(*body);
  co_return response;
}

asio::awaitable<result<std::unique_ptr<response_stream>>> http_client::open(http_request request, base::deadline by) {
  auto const shared = pool_;
  auto opened = co_await shared->exchange(shared, std::move(request), shared->to, by, purpose::stream);
  co_return opened;
}

void http_client::reconfigure(std::shared_ptr<endpoint const> to, open_streams with) {
  pool_->to = std::move(to);
  pool_->drop_idle();
  if (with == open_streams::go_on) return;
  for (auto* const link : pool_->streams)
    link->cut();
}

std::size_t http_client::idle_connections() const {
  return pool_->idle_for_calls.size() + pool_->idle_for_streams.size();
}

http_counters const& http_client::counted() const {
  return pool_->counted;
}

}  // namespace codeexec::net
