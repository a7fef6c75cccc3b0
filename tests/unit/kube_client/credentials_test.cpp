#include "codeexec/kube_client/credentials.hpp"

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "codeexec/testing/run_coro.hpp"

#include "fake_environment.hpp"

namespace {
using namespace codeexec::kube;
using namespace std::chrono_literals;
using namespace std::string_view_literals;
using codeexec::base::deadline;
using codeexec::testing::fake_environment;
using codeexec::testing::manual_clock;
using codeexec::testing::run_coro;

std::unique_ptr<credentials> make(boost::asio::io_context& io, identity who, manual_clock const& clock,
                                  fake_environment& world) {
  cluster_config config;
  config.who = std::move(who);
  return make_credentials(io.get_executor(), config, clock, world.get());
}

std::string refusal(std::string const& which) {
  return "error: " +
         error(error_kind::config, "getting credentials: " + which + "invalid header field value for \"Authorization\"")
             .describe();
}

struct token_file_test : testing::Test {
  fake_environment world;
  manual_clock clock;
  boost::asio::io_context io;
  std::unique_ptr<credentials> who = make(io, token_file_identity{"/token"}, clock, world);

  std::string header() {
    auto const value = run_coro(who->current(deadline::never()));
    return value ? value->authorization : "error: " + value.error().describe();
  }
};

TEST_F(token_file_test, TokenIsTrimmedAndReadOnceAMinuteAtMost) {
  world.files["/token"] = " one\n";
  EXPECT_EQ(header(), "Bearer one");
  world.files["/token"] = "two\n";
  clock.advance(59s);
  EXPECT_EQ(header(), "Bearer one");
  EXPECT_EQ(world.reads, 1);
  clock.advance(1s);
  EXPECT_EQ(header(), "Bearer two");
}

TEST_F(token_file_test, RefusedTokenIsReadAnewAtOnce) {
  world.files["/token"] = "one";
  EXPECT_EQ(header(), "Bearer one");
  world.files["/token"] = "two";
  who->rejected(credential{"Bearer one", nullptr});
  EXPECT_EQ(header(), "Bearer two");
}

TEST_F(token_file_test, LastTokenServesWhileTheFileIsAwayOrEmpty) {
  world.files["/token"] = "one";
  EXPECT_EQ(header(), "Bearer one");
  world.files.clear();
  clock.advance(61s);
  EXPECT_EQ(header(), "Bearer one");
  world.files["/token"] = "\n";
  clock.advance(61s);
  EXPECT_EQ(header(), "Bearer one");
  world.files["/token"] = "three";
  clock.advance(61s);
  EXPECT_EQ(header(), "Bearer three");
}

TEST_F(token_file_test, TokenThatWasNeverThereIsToldAndLookedForAgain) {
  EXPECT_EQ(header(),
            "error: cannot connect: getting credentials: the token cannot be read: /token: No such file or directory");
  world.files["/token"] = "late";
  EXPECT_EQ(header(), "Bearer late");
}

TEST_F(token_file_test, TokenThatWouldBeMoreThanAHeaderIsNoToken) {
  world.files["/token"] = "s3cret\r\nX-Remote-User: root\n";
  EXPECT_EQ(header(), refusal("the token cannot be read: /token: "));
  world.files["/token"] = "one";
  EXPECT_EQ(header(), "Bearer one");
  world.files["/token"] = "s3cret\nx";
  clock.advance(61s);
  EXPECT_EQ(header(), "Bearer one");
}

TEST(Credentials, TokenOfTheConfigurationThatWouldBeMoreThanAHeaderIsRefusedAndNotQuoted) {
  fake_environment world;
  manual_clock clock;
  boost::asio::io_context io;
  for (std::string_view const end : {"\n"sv, "\r\nX-Remote-User: root"sv, "\x01"sv, "\x7f"sv, "\0"sv}) {
    auto const who = make(io, token_identity{"s3cret" + std::string(end)}, clock, world);
    auto const value = run_coro(who->current(deadline::never()));
    ASSERT_FALSE(value);
    EXPECT_EQ("error: " + value.error().describe(), refusal("the token: "));
    EXPECT_EQ(value.error().kind(), error_kind::config);
  }
}

TEST(Credentials, TokenOfTheConfigurationIsSentAndNoneIsNone) {
  fake_environment world;
  manual_clock clock;
  boost::asio::io_context io;
  auto const token = make(io, token_identity{"abc"}, clock, world);
  EXPECT_EQ(run_coro(token->current(deadline::never()))->authorization, "Bearer abc");
  auto const none = make(io, no_identity{}, clock, world);
  EXPECT_EQ(run_coro(none->current(deadline::never()))->authorization, "");
}

}  // namespace
