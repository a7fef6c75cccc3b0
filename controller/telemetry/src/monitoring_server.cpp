#include "codeexec/telemetry/monitoring_server.hpp"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "codeexec/async/event.hpp"
#include "codeexec/async/task_group.hpp"
#include "codeexec/base/deadline.hpp"
#include "codeexec/base/log.hpp"
#include "codeexec/net/server.hpp"
#include "codeexec/telemetry/operator_metrics.hpp"
#include "codeexec/telemetry/process_usage.hpp"

namespace codeexec::telemetry {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;

/// A loop that has not answered by then hangs, or nearly so; Prometheus waits ten seconds.
constexpr std::chrono::seconds loop_answer_limit{3};
/// For so long the numbers of one scrape serve the next one.
constexpr std::chrono::seconds fresh_enough{1};

net::server_options bounds() {
  net::server_options how;
  how.max_body = 0;
  how.max_header = std::size_t{16} * 1024;
  how.max_connections = 64;
  how.idle = std::chrono::seconds(10);
  how.write_timeout = std::chrono::seconds(10);
  return how;
}

struct http_answer {
  int status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body;
};

net::header_list headers_of(http_answer const& answer) {
  net::header_list headers;
  headers.emplace_back("Content-Type", answer.type);
  headers.emplace_back("X-Content-Type-Options", "nosniff");
  headers.emplace_back("Cache-Control", "no-store");
  if (answer.status == 405) headers.emplace_back("Allow", "GET, HEAD");
  return headers;
}

bool is_read(net::server_request const& request) {
  return request.method == http::verb::get || request.method == http::verb::head;
}

http_answer refusal(net::server_request const& request) {
  http_answer no;
  no.status = is_read(request) ? 404 : 405;
  no.body = is_read(request) ? "not found\n" : "only GET is answered here\n";
  return no;
}

bool is_verbose(std::string_view query) {
  while (!query.empty()) {
    auto const end = std::min(query.find('&'), query.size());
    auto const one = query.substr(0, end);
    if (one == "verbose" || one.starts_with("verbose=")) return true;
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return false;
}

struct target {
  std::string_view path;
  std::string_view query;
};
target split(std::string_view text) {
  auto const mark = std::min(text.find('?'), text.size());
  return target{text.substr(0, mark), text.substr(std::min(mark + 1, text.size()))};
}

}  // namespace

class monitoring_server::impl {
 public:
  impl(asio::any_io_executor loop, health const& state, base::clock const& clock,
       std::function<operator_counters()> collect)
      : loop_(std::move(loop)),
        health_(state),
        clock_(clock),
        collect_(std::move(collect)),
        probes_(*this),
        scrapes_(*this),
        probe_server_(io_.get_executor(), probes_, bounds()),
        scrape_server_(io_.get_executor(), scrapes_, bounds()),
        tasks_(io_.get_executor()) {}

  static base::result<tcp::endpoint> listen(net::http_server& server, listen_address const& where) {
    auto bound = server.listen(where.where);
    if (!bound && where.every_address) {
      bound = server.listen(tcp::endpoint(tcp::v4(), where.where.port()));
    }
    return bound;
  }

  void start() {
    thread_ = std::thread([this] { io_.run(); });
  }
  void stop() {
    if (stopped_) return;
    stopped_ = true;
    asio::post(io_, [this] { tasks_.spawn("stop", close()); });
    if (thread_.joinable()) {
      thread_.join();
    } else {
      io_.run();
    }
  }

  net::http_server& probe_server() { return probe_server_; }
  net::http_server& scrape_server() { return scrape_server_; }

 private:
  struct probe_handler final : net::request_handler {
    explicit probe_handler(impl& of) : owner(of) {}
    asio::awaitable<void> handle(net::server_request request, net::exchange& answer) override {
      auto what = owner.probe(request);
      auto headers = headers_of(what);
      co_await answer.respond(what.status, std::move(headers), std::move(what.body));
    }
    impl& owner;
  };
  struct scrape_handler final : net::request_handler {
    explicit scrape_handler(impl& of) : owner(of) {}
    asio::awaitable<void> handle(net::server_request request, net::exchange& answer) override {
      bool const known = is_read(request) && split(request.target).path == "/metrics";
      http_answer what;
      if (known) {
        auto asking = owner.scrape();
        auto text = co_await std::move(asking);
        what.body = std::move(text);
        what.type = "text/plain; version=0.0.4; charset=utf-8";
      } else {
        what = refusal(request);
      }
      auto headers = headers_of(what);
      co_await answer.respond(what.status, std::move(headers), std::move(what.body));
    }
    impl& owner;
  };

  using answer_slot = std::optional<operator_counters>;
  /// What was asked of the loop. Its thread knows of the slot alone, which may outlive everything here, writes it once
  /// and lets go of it; only then `answered` is set, on our thread.
  struct question {
    explicit question(asio::any_io_executor const& executor) : answered(executor) {}
    async::event answered;
    std::shared_ptr<answer_slot> slot = std::make_shared<answer_slot>();
  };

  asio::awaitable<void> close() {
    co_await probe_server_.stop();
    co_await scrape_server_.stop();
  }

  http_answer probe(net::server_request const& request) const {
    auto const [path, query] = split(request.target);
    bool const live = path == "/healthz" || path == "/livez";
    if (!is_read(request) || (!live && path != "/readyz")) return refusal(request);
    auto const now = clock_.steady_now();
    auto const found = live ? health_.live(now) : health_.ready(now);
    http_answer what;
    what.status = found.passed() ? 200 : 503;
    what.body = render(found, path.substr(1), live ? "" : name_of(health_.where()), is_verbose(query));
    return what;
  }

  asio::awaitable<std::string> scrape() {
    auto const began = clock_.steady_now();
    if (text_ && began - text_at_ < fresh_enough) co_return *text_;
    // All who ask at the same time share one question, and one that the loop still owes an answer to is not repeated.
    if (!asked_) ask();
    auto const waits_for = asked_;
    auto const by = base::deadline::after(loop_answer_limit);
    bool const answered = co_await waits_for->answered.wait_until(by);
    if (answered && asked_ == waits_for) asked_ = nullptr;
    auto const now = clock_.steady_now();
    if (!answered) {
      co_return render_metrics(nullptr, read_process_usage(), health_.silence(now));
    }
    auto text = render_metrics(&**waits_for->slot, read_process_usage(), health_.silence(now));
    text_ = text;
    text_at_ = now;
    co_return text;
  }

  void ask() {
    asked_ = std::make_shared<question>(io_.get_executor());
    asio::post(loop_, [this, slot = asked_->slot] {
      *slot = collect_();
      asio::post(io_, [this, slot] {
        if (asked_ && asked_->slot == slot) asked_->answered.set();
      });
    });
  }

  asio::any_io_executor loop_;
  health const& health_;
  base::clock const& clock_;
  std::function<operator_counters()> collect_;
  asio::io_context io_{1};
  probe_handler probes_;
  scrape_handler scrapes_;
  net::http_server probe_server_;
  net::http_server scrape_server_;
  async::task_group tasks_;
  std::shared_ptr<question> asked_;
  std::optional<std::string> text_;
  base::steady_time text_at_{};
  std::thread thread_;
  bool stopped_ = false;
};

monitoring_server::monitoring_server(asio::any_io_executor loop, health const& state, base::clock const& clock,
                                     std::function<operator_counters()> collect)
    : impl_(std::make_unique<impl>(std::move(loop), state, clock, std::move(collect))) {}

monitoring_server::~monitoring_server() {
  impl_->stop();
}

base::result<tcp::endpoint> monitoring_server::listen_for_probes(listen_address const& where) {
  return impl::listen(impl_->probe_server(), where);
}

base::result<tcp::endpoint> monitoring_server::listen_for_scrapes(listen_address const& where) {
  return impl::listen(impl_->scrape_server(), where);
}

void monitoring_server::start() {
  impl_->start();
}

void monitoring_server::stop() {
  impl_->stop();
}

}  // namespace codeexec::telemetry
