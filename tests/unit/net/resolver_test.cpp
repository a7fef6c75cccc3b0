#include "codeexec/net/resolver.hpp"

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <condition_variable>
#include <gtest/gtest.h>
#include <mutex>
#include <netdb.h>

#include "codeexec/async/task_group.hpp"
#include "codeexec/testing/run_coro.hpp"

namespace {
namespace asio = boost::asio;
using namespace std::chrono_literals;
using codeexec::async::task_group;
using codeexec::base::deadline;
using codeexec::net::error;
using codeexec::net::failure;
using codeexec::net::resolver;
using codeexec::testing::run_coro;
using answer = codeexec::net::result<resolver::addresses>;

/// A name server that answers when it is told to.
struct slow_names {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = false;
  int asked = 0;

  answer look_up() {
    std::unique_lock lock(mutex);
    ++asked;
    changed.notify_all();
    changed.wait(lock, [this] { return open; });
    return resolver::addresses(1, asio::ip::make_address("192.0.2.1"));
  }
  void let_go() {
    std::lock_guard const lock(mutex);
    open = true;
    changed.notify_all();
  }
};

class Resolver : public ::testing::Test {
 protected:
  /// Lookups hold the names themselves: their threads end when they end.
  std::shared_ptr<resolver> slow() {
    return std::make_shared<resolver>([held = names](std::string const&) { return held->look_up(); });
  }
  static asio::awaitable<void> resolve_into(std::shared_ptr<resolver> with, std::string host, deadline by,
                                            std::shared_ptr<std::vector<answer>> out) {
    auto got = co_await with->resolve(std::move(host), by);
    out->push_back(std::move(got));
  }
  void TearDown() override { names->let_go(); }

  asio::io_context io;
  std::shared_ptr<slow_names> names = std::make_shared<slow_names>();
};

TEST_F(Resolver, LiteralAddressesAskNobody) {
  auto const with = slow();
  EXPECT_EQ(run_coro(io, with->resolve("127.0.0.1", deadline::after(5s)))->at(0).to_string(), "127.0.0.1");
  EXPECT_EQ(run_coro(io, with->resolve("::1", deadline::after(5s)))->at(0).to_string(), "::1");
  EXPECT_EQ(names->asked, 0);
}

TEST_F(Resolver, KnowsTheNamesThatTheMachineKnowsAndNoOthers) {
  // A bare machine has no /etc/hosts: then localhost is as unknown to us as to everybody there.
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* known = nullptr;
  bool const machine_knows = ::getaddrinfo("localhost", nullptr, &hints, &known) == 0;
  if (known != nullptr) ::freeaddrinfo(known);

  auto const with = std::make_shared<resolver>();
  auto const local = run_coro(io, with->resolve("localhost", deadline::after(15s)));
  ASSERT_EQ(local.has_value(), machine_knows);
  if (local) {
    EXPECT_TRUE(local->at(0).is_loopback());
  } else {
    EXPECT_EQ(local.error().kind, failure::connect);
  }
  auto const none = run_coro(io, with->resolve(std::string(300, 'x'), deadline::after(15s)));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, failure::connect);
}

TEST_F(Resolver, NameServerThatIsStuckHoldsUpNeitherTheDeadlineNorTheEndOfTheLoop) {
  auto const got = run_coro(io, slow()->resolve("api.example", deadline::after(20ms)));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().kind, failure::timeout);
  io.restart();
  io.run();  // returns although the lookup still runs
}

TEST_F(Resolver, ManyWhoAskForOneNameWaitForOneLookup) {
  auto const with = slow();
  auto const out = std::make_shared<std::vector<answer>>();
  task_group tasks(io.get_executor());
  for (int i = 0; i < 5; ++i)
    tasks.spawn("ask", resolve_into(with, "api.example", deadline::after(10s), out));
  io.poll();
  names->let_go();
  run_coro(io, tasks.join());
  ASSERT_EQ(out->size(), 5U);
  for (auto const& one : *out)
    EXPECT_EQ(one->at(0).to_string(), "192.0.2.1");
  EXPECT_EQ(names->asked, 1);
}

TEST_F(Resolver, AnswerIsNotRemembered) {
  names->let_go();
  auto const with = slow();
  EXPECT_TRUE(run_coro(io, with->resolve("api.example", deadline::after(10s))));
  EXPECT_TRUE(run_coro(io, with->resolve("api.example", deadline::after(10s))));
  EXPECT_EQ(names->asked, 2);
}

TEST_F(Resolver, CancelledWaitEndsAtOnceWithTheWordCancelled) {
  auto const with = slow();
  auto const out = std::make_shared<std::vector<answer>>();
  task_group tasks(io.get_executor());
  tasks.spawn("ask", resolve_into(with, "api.example", deadline::never(), out));
  io.poll();
  io.restart();
  tasks.stop();
  run_coro(io, tasks.join());
  ASSERT_EQ(out->size(), 1U);
  EXPECT_EQ(out->at(0).error().kind, failure::cancelled);
}

TEST_F(Resolver, NameThatIsNotFoundIsAConnectErrorThatNamesIt) {
  auto const with = std::make_shared<resolver>(
      [](std::string const& host) -> answer { return error(failure::connect, "cannot resolve " + host); });
  auto const got = run_coro(io, with->resolve("api.example", deadline::after(10s)));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().kind, failure::connect);
  EXPECT_NE(got.error().message.find("api.example"), std::string::npos);
}

}  // namespace
