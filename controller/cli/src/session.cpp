#include "codeexec/cli/session.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <utility>

namespace codeexec::cli {

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
