#include "codeexec/cli/session.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <utility>

#include "codeexec/async/deadline.hpp"
#include "codeexec/base/backoff.hpp"
#include "codeexec/kube_core/json.hpp"

namespace codeexec::cli {

using namespace std::chrono_literals;

screen screen_of(session const& in) {
  auto const variable = [](char const* name) {
    auto const* const value = std::getenv(name);
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
  screen on;
  on.width = in.out.out_columns();
  on.colours = palette(wants_colour(in.colour, in.out.out_is_terminal(), {variable("NO_COLOR"), variable("TERM")}));
  on.now = in.clock.wall_now();
  return on;
}

kube::task<void> relay_pulses(async::event* source, async::event* wake) {
  for (;;) {
    auto const woken = co_await source->wait();
    if (!woken) co_return;
    wake->pulse();
  }
}

bool may_pass(kube::error const& e) {
  bool const other_object = e.is_conflict() && e.message().find("Precondition failed") != std::string::npos;
  bool const unreachable = e.kind() == kube::error_kind::connect || e.kind() == kube::error_kind::tls;
  // Whoever sits before the terminal has to log in anew, and is told so at once.
  bool const hopeless = e.is_already_exists() || e.is_unauthorized() || other_object || unreachable;
  return e.is_retryable() && !hopeless;
}

kube::task<kube::result<std::string>> send_patiently(session& in, kube::request request, base::deadline by,
                                                     bool* repeated) {
  constexpr int most_tries = 4;
  base::backoff pause(200ms, 2s);
  for (int tries = 1;; ++tries) {
    auto copy = request;
    auto answer = co_await in.client.send(std::move(copy), by);
    if (answer && kube::parse_answer(*answer).is_discarded()) {
      answer = kube::error(kube::error_kind::decode, "the answer is no JSON");
    }
    if (answer || tries == most_tries || !may_pass(answer.error())) co_return answer;
    auto const wait = pause.next(in.random);
    if (base::deadline::after(wait).at() >= by.at()) co_return answer;
    auto const waited = co_await async::sleep_for(wait);
    if (!waited) co_return answer;
    if (repeated != nullptr) *repeated = true;
  }
}

int report(session& in, kube::error const& e, std::string verb, std::string name) {
  attempt what;
  what.verb = std::move(verb);
  what.name = std::move(name);
  what.namespace_ = in.namespace_;
  what.server = in.server;
  what.context = in.context;
  what.program = in.program;
  auto const told = explain(e, what);
  in.out.say("error: " + told.text);
  return told.exit_code;
}

interruption::interruption(async::task_group& tasks, console& out)
    : out_(out), signals_(tasks.executor(), SIGINT, SIGTERM), came_(tasks.executor()) {
  // Under nohup the hang-up is ignored on purpose; otherwise a closed terminal ends us as SIGTERM does.
  struct sigaction hang_up {};
  if (::sigaction(SIGHUP, nullptr, &hang_up) == 0 && hang_up.sa_handler != SIG_IGN) signals_.add(SIGHUP);
  tasks.spawn("signals", listen());
}

kube::task<void> interruption::listen() {
  for (;;) {
    auto const token = boost::asio::as_tuple(boost::asio::use_awaitable);
    auto const [ec, number] = co_await signals_.async_wait(token);
    if (ec) co_return;
    if (signal_ != 0) out_.leave_at_once(128 + number);
    signal_ = number;
    came_.pulse();
  }
}

}  // namespace codeexec::cli
