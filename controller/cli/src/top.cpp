#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <unistd.h>
#include <utility>

#include "codeexec/api/json.hpp"
#include "codeexec/async/deadline.hpp"
#include "codeexec/cli/duration.hpp"
#include "codeexec/cli/exit_code.hpp"
#include "codeexec/cli/object_watch.hpp"
#include "codeexec/cli/render.hpp"
#include "codeexec/cli/session.hpp"
#include "codeexec/cli/terminal.hpp"
#include "codeexec/cli/top_screen.hpp"
#include "codeexec/kube_core/request.hpp"

namespace codeexec::cli {

namespace {

using namespace std::chrono_literals;

/// In a flood of changes no more screens than an eye can follow.
constexpr auto shortest_frame = 100ms;

kube::projection kept_for_top() {
  return {kube::kept_metadata(),
          {"spec", {"timeoutSeconds", "cancel", "suspend"}},
          {"status", {"phase", "reason", "message", "startTime", "timeline"}}};
}

bool takes_a_screen(session const& in) {
  auto const* const terminal = std::getenv("TERM");
  return in.out.out_is_terminal() && terminal != nullptr && *terminal != '\0' && std::string_view(terminal) != "dumb";
}

top_options_shown shown_of(session const& in, top_options const& options) {
  top_options_shown how;
  how.scope = options.all_namespaces ? std::string("every namespace") : "namespace " + in.namespace_;
  if (!options.selector.empty()) how.scope += ", " + options.selector;
  how.with_namespace = options.all_namespaces;
  return how;
}

/// The live view.
class top_view {
 public:
  top_view(session& in, top_options options)
      : in_(in),
        options_(std::move(options)),
        interrupted_(in.tasks, in.out),
        changed_(in.tasks.executor()),
        resized_(in.tasks.executor(), SIGWINCH),
        stopped_(in.tasks.executor(), SIGTSTP),
        screen_(STDOUT_FILENO, STDIN_FILENO),
        keys_(in.tasks.executor()) {
    if (screen_.keys_fd() >= 0) keys_.assign(::dup(screen_.keys_fd()));
  }

  kube::task<int> show() {
    in_.tasks.spawn("relay interruptions", relay_pulses(&interrupted_.came(), &changed_));
    in_.tasks.spawn("relay write errors", relay_pulses(&in_.out.failed(), &changed_));
    in_.tasks.spawn("follow the terminal's size", follow_size());
    in_.tasks.spawn("follow stops", follow_stops());
    in_.tasks.spawn("watch", watch());
    if (keys_.is_open()) in_.tasks.spawn("read keys", read_keys());
    while (!quit_ && !refusal_ && interrupted_.signal() == 0 && in_.out.failure() == 0) {
      draw();
      // Times count on by themselves, once a second.
      auto const by = base::deadline::after(1s);
      co_await changed_.wait_until(by);
      auto const pause = quit_ ? std::chrono::milliseconds(0) : std::chrono::milliseconds(shortest_frame);
      co_await async::sleep_for(pause);
    }
    auto const by = base::deadline::after(1s);
    co_await in_.out.flush_until(by);
    full_screen::give_back();
    auto code = exit_codes::ok;
    if (refusal_) code = failed(in_, *refusal_, "watch", "");
    if (interrupted_.signal() == SIGTERM || interrupted_.signal() == SIGHUP) code = 128 + interrupted_.signal();
    if (in_.out.failure() != 0) code = exit_codes::broken_pipe;
    co_return code;
  }

 private:
  void draw() {
    auto how = shown_of(in_, options_);
    auto on = screen_of(in_);
    how.height = in_.out.out_rows();
    if (how.height == 0) how.height = 24;
    if (on.width == 0) on.width = 80;
    if (trouble_since_) {
      auto const since = std::chrono::duration_cast<std::chrono::seconds>(in_.clock.steady_now() - *trouble_since_);
      how.trouble = "No word from the API server for " + format_age(since) + ": " + trouble_;
    } else if (!listed_) {
      how.trouble = "Asking the API server ...";
    }
    auto const text = render_top(model_, how, on);
    // Over what is there, line by line, so that nothing flickers; the last line without a line break, which would
    // scroll.
    std::string frame = "\x1b[H";
    std::string_view rest = text;
    while (!rest.empty()) {
      auto const end = rest.find('\n');
      frame += rest.substr(0, end);
      frame += "\x1b[K";
      rest.remove_prefix(end + 1);
      if (!rest.empty()) frame += "\r\n";
    }
    frame += "\x1b[J";
    in_.out.draw_screen(std::move(frame));
  }

  kube::task<void> watch() {
    watch_target target;
    target.type = kube::code_executions;
    target.namespace_ = options_.all_namespaces ? std::string() : in_.namespace_;
    target.label_selector = options_.selector;
    target.keep = kept_for_top();
    object_watch::handler to;
    to.seen = [this](nlohmann::json const& object) {
      auto const decoded = api::decode_code_execution(object);
      if (auto const* const one = std::get_if<api::CodeExecution>(&decoded)) model_.see(*one);
      if (listed_) changed_.pulse();
    };
    to.deleted = [this](nlohmann::json const& object) {
      auto const decoded = api::decode_code_execution(object);
      if (auto const* const one = std::get_if<api::CodeExecution>(&decoded)) model_.lose(one->metadata.uid);
      changed_.pulse();
    };
    to.listing = [this] { model_.begin_list(); };
    to.listed = [this](std::size_t) {
      model_.end_list();
      listed_ = true;
      changed_.pulse();
    };
    to.trouble = [this](std::optional<kube::error> const& e) {
      if (!e) {
        trouble_since_.reset();
      } else {
        trouble_ = printable(e->message());
        if (!trouble_since_) trouble_since_ = in_.clock.steady_now();
      }
      changed_.pulse();
    };
    object_watch watching(in_.client, std::move(target), std::move(to), in_.random);
    auto const refusal = co_await watching.run();
    if (!refusal.is_cancelled()) refusal_ = refusal;
    changed_.pulse();
  }

  kube::task<void> read_keys() {
    auto const token = boost::asio::as_tuple(boost::asio::use_awaitable);
    std::array<char, 64> keys{};
    for (;;) {
      auto const [ec, count] = co_await keys_.async_read_some(boost::asio::buffer(keys), token);
      if (ec) co_return;
      for (auto const key : std::string_view(keys.data(), count)) {
        if (key == 'q' || key == 'Q') quit_ = true;
      }
      changed_.pulse();
    }
  }

  kube::task<void> follow_size() {
    auto const token = boost::asio::as_tuple(boost::asio::use_awaitable);
    for (;;) {
      auto const [ec, number] = co_await resized_.async_wait(token);
      if (ec) co_return;
      changed_.pulse();
    }
  }

  kube::task<void> follow_stops() {
    auto const token = boost::asio::as_tuple(boost::asio::use_awaitable);
    for (;;) {
      auto const [ec, number] = co_await stopped_.async_wait(token);
      if (ec) co_return;
      // The shell gets its terminal as it was; what comes after the stop is the way back.
      full_screen::give_back();
      ::raise(SIGSTOP);
      screen_.take_again();
      changed_.pulse();
    }
  }

  session& in_;
  top_options options_;
  interruption interrupted_;
  async::event changed_;
  boost::asio::signal_set resized_;
  boost::asio::signal_set stopped_;
  full_screen screen_;
  boost::asio::posix::stream_descriptor keys_;
  top_model model_;
  bool listed_ = false;
  bool quit_ = false;
  std::optional<kube::error> refusal_;
  std::optional<base::steady_time> trouble_since_;
  std::string trouble_;
};

}  // namespace

kube::task<int> top(session& in, top_options options) {
  if (!options.once && takes_a_screen(in)) {
    // The first answer comes before the screen is taken: a refusal is told where it stays.
    kube::list_options one_of_them;
    one_of_them.label_selector = options.selector;
    one_of_them.limit = 1;
    auto const where = options.all_namespaces ? std::string() : in.namespace_;
    auto request = kube::make_list(kube::code_executions, where, one_of_them);
    auto const by = base::deadline::after(answer_time);
    auto const reached = co_await send_patiently(in, std::move(request), by);
    if (!reached) co_return failed(in, reached.error(), "list", "");
    auto view = std::make_unique<top_view>(in, std::move(options));
    auto const code = co_await view->show();
    co_await in.out.flush();
    in.tasks.stop();
    co_await in.tasks.join();
    co_return code;
  }
  kube::list_options which;
  which.label_selector = options.selector;
  auto const ns = options.all_namespaces ? std::string() : in.namespace_;
  auto keep = kept_for_top();
  auto found = co_await fetch_all(in, ns, std::move(which), std::move(keep));
  if (!found) co_return failed(in, found.error(), "list", "");
  top_model model;
  for (auto const& item : found->items) {
    auto const decoded = api::decode_code_execution(item);
    if (auto const* const one = std::get_if<api::CodeExecution>(&decoded)) model.see(*one);
  }
  auto text = render_top(model, shown_of(in, options), screen_of(in));
  auto const code = co_await print_out(in, std::move(text));
  co_return code;
}

}  // namespace codeexec::cli
