// Exec plugins: what they are asked, what their answer is worth, and how long. The program itself is scripted.
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "codeexec/async/task_group.hpp"
#include "codeexec/kube_client/credentials.hpp"
#include "codeexec/testing/run_coro.hpp"

#include "fake_environment.hpp"

namespace {
using namespace codeexec::kube;
using namespace std::chrono_literals;
using codeexec::base::deadline;
using codeexec::testing::fake_environment;
using codeexec::testing::manual_clock;
using codeexec::testing::run_coro;
using testing::HasSubstr;
using testing::Not;

constexpr auto v1 = "client.authentication.k8s.io/v1";

/// Programs that end when the test says so.
struct scripted_programs {
  struct handle final : running_program {
    explicit handle(scripted_programs& o) : owner(o) { ++owner.alive; }
    ~handle() override { --owner.alive; }
    scripted_programs& owner;
  };

  program_runner runner() {
    return [this](boost::asio::any_io_executor, program what, program_handler done) {
      started.push_back(std::move(what));
      pending = std::move(done);
      most_at_once = std::max(most_at_once, alive + 1);
      return std::make_unique<handle>(*this);
    };
  }

  void end(program_end how) {
    ASSERT_TRUE(pending);
    std::exchange(pending, nullptr)(std::move(how));
  }
  void print(std::string output) {
    program_end how;
    how.output = std::move(output);
    end(std::move(how));
  }

  std::vector<program> started;
  program_handler pending;
  int alive = 0;
  int most_at_once = 0;
};

std::string answer(std::string const& status) {
  return std::string(R"({"kind":"ExecCredential","apiVersion":")") + v1 + R"(","status":)" + status + "}";
}

struct exec_plugin_test : testing::Test {
  exec_plugin_test() {
    plugin.api_version = v1;
    plugin.command = "get-token";
    config.server = "https://a:6443";
  }

  credentials& who() {
    if (!who_) {
      config.who = plugin;
      who_ = make_credentials(io.get_executor(), config, clock, world.get(), programs.runner());
    }
    return *who_;
  }

  using outcome = std::shared_ptr<std::optional<result<credential>>>;
  static boost::asio::awaitable<void> ask_into(credentials* of, deadline by, outcome out) {
    auto got = co_await of->current(by);
    out->emplace(std::move(got));
  }
  /// A request that asks for the credential, and may have to wait for it.
  outcome ask(deadline by = deadline::never()) {
    auto out = std::make_shared<std::optional<result<credential>>>();
    tasks.spawn("ask", ask_into(&who(), by, out));
    turn();
    return out;
  }
  void turn() {
    io.restart();
    io.poll();
  }
  void print(std::string const& output) {
    programs.print(output);
    turn();
  }
  std::string expires_in(std::chrono::seconds time) const {
    return codeexec::base::format_time(clock.wall_now() + time);
  }
  void print_token(std::string const& token, std::chrono::seconds life) {
    print(answer(R"({"token":")" + token + R"(","expirationTimestamp":")" + expires_in(life) + R"("})"));
  }
  static std::string header(outcome const& out) {
    if (!out->has_value()) return "waiting";
    return **out ? (**out)->authorization : (**out).error().message();
  }
  /// What a plugin that printed this is worth.
  std::string verdict(std::string const& output) {
    who_.reset();
    auto const asked = ask();
    print(output);
    return header(asked);
  }
  nlohmann::json info() const {
    for (auto const& [name, value] : programs.started.back().env) {
      if (name == "KUBERNETES_EXEC_INFO") return nlohmann::json::parse(value);
    }
    return nullptr;
  }

  void TearDown() override {
    tasks.stop();
    run_coro(io, tasks.join());
    who_.reset();
    EXPECT_EQ(programs.alive, 0);
    EXPECT_LE(programs.most_at_once, 1);
  }

  boost::asio::io_context io;
  manual_clock clock;
  fake_environment world;
  scripted_programs programs;
  exec_identity plugin;
  cluster_config config;
  codeexec::async::task_group tasks{io.get_executor()};
  std::unique_ptr<credentials> who_;
};

TEST_F(exec_plugin_test, TokenServesUntilAMinuteBeforeItExpires) {
  auto const first = ask();
  EXPECT_EQ(header(first), "waiting");
  print_token("one", 600s);
  EXPECT_EQ(header(first), "Bearer one");
  clock.advance(539s);
  EXPECT_EQ(header(ask()), "Bearer one");
  EXPECT_EQ(programs.started.size(), 1U);
  clock.advance(1s);
  // The old one serves while the new one is fetched: nobody waits.
  EXPECT_EQ(header(ask()), "Bearer one");
  EXPECT_EQ(programs.started.size(), 2U);
  EXPECT_EQ(header(ask()), "Bearer one");
  print_token("two", 600s);
  EXPECT_EQ(header(ask()), "Bearer two");
  EXPECT_EQ(programs.started.size(), 2U);
}

TEST_F(exec_plugin_test, TokenWithoutAnExpiryServesUntilItIsRefused) {
  auto const first = ask();
  print(answer(R"({"token":"one"})"));
  clock.advance(1'000'000s);
  EXPECT_EQ(header(ask()), "Bearer one");
  EXPECT_EQ(programs.started.size(), 1U);
  who().rejected(***first);
  auto const again = ask();
  EXPECT_EQ(header(again), "waiting");
  print(answer(R"({"token":"two"})"));
  EXPECT_EQ(header(again), "Bearer two");
}

TEST_F(exec_plugin_test, ShortLivedTokenIsNotFetchedForEveryRequest) {
  ask();
  print_token("one", 40s);
  clock.advance(19s);
  ask();
  EXPECT_EQ(programs.started.size(), 1U);
  clock.advance(1s);
  ask();
  EXPECT_EQ(programs.started.size(), 2U);
}

TEST_F(exec_plugin_test, ManyRequestsShareOneRun) {
  auto const a = ask();
  auto const b = ask();
  auto const c = ask();
  EXPECT_EQ(programs.started.size(), 1U);
  print_token("one", 600s);
  EXPECT_EQ(header(a) + header(b) + header(c), "Bearer oneBearer oneBearer one");
}

TEST_F(exec_plugin_test, ManyRefusalsAreOneAndOldOnesAreNone) {
  auto const old = ask();
  print_token("one", 600s);
  who().rejected(***old);
  who().rejected(***old);
  auto const fresh = ask();
  print_token("two", 600s);
  EXPECT_EQ(header(fresh), "Bearer two");
  who().rejected(***old);  // sent before, answered after
  EXPECT_EQ(header(ask()), "Bearer two");
  EXPECT_EQ(programs.started.size(), 2U);
}

TEST_F(exec_plugin_test, PluginThatHasNothingBetterIsNotAskedForEveryRefusal) {
  auto const first = ask();
  print_token("same", 600s);
  who().rejected(***first);
  ask();
  print_token("same", 600s);
  EXPECT_EQ(programs.started.size(), 2U);
  who().rejected(***first);
  EXPECT_EQ(header(ask()), "Bearer same");
  EXPECT_EQ(programs.started.size(), 2U);
  clock.advance(10s);
  who().rejected(***first);
  ask();
  EXPECT_EQ(programs.started.size(), 3U);
}

TEST_F(exec_plugin_test, CallEndsAtItsDeadlineAndTheRunGoesOn) {
  auto const hurried = ask(deadline::after(0s));
  io.restart();
  io.run_for(20ms);
  ASSERT_TRUE(hurried->has_value());
  EXPECT_TRUE((*hurried)->error().is_timeout());
  EXPECT_EQ(programs.alive, 1);
  print_token("late", 600s);
  EXPECT_EQ(header(ask()), "Bearer late");
  EXPECT_EQ(programs.started.size(), 1U);
}

TEST_F(exec_plugin_test, ValidTokenServesOnWhileThePluginFails) {
  ask();
  print_token("one", 600s);
  clock.advance(545s);
  ask();
  program_end broken;
  broken.code = 1;
  programs.end(broken);
  turn();
  EXPECT_EQ(header(ask()), "Bearer one");
  EXPECT_EQ(programs.started.size(), 2U);  // not for every request
  clock.advance(10s);
  ask();
  EXPECT_EQ(programs.started.size(), 3U);
  programs.end(broken);
  turn();
  clock.advance(60s);  // now it has expired
  auto const without = ask();
  programs.end(broken);
  turn();
  EXPECT_EQ(header(without), "getting credentials: exec: executable get-token failed with exit code 1");
}

TEST_F(exec_plugin_test, FailureIsToldRetriableAndAskedAnewNextTime) {
  auto const first = ask();
  program_end broken;
  broken.code = 3;
  broken.last_words = "sso session expired";
  programs.end(broken);
  turn();
  ASSERT_TRUE(first->has_value());
  EXPECT_TRUE((*first)->error().is_retryable());
  EXPECT_EQ(header(first),
            "getting credentials: exec: executable get-token failed with exit code 3: sso session expired");
  auto const second = ask();
  print_token("one", 600s);
  EXPECT_EQ(header(second), "Bearer one");
}

TEST_F(exec_plugin_test, EveryWayToFailIsSaidWithTheHintWhereItHelps) {
  plugin.install_hint = "Install it:\x1b[31m apt install get-token";
  struct row {
    program_end::how what;
    int code;
    char const* text;
    bool hint;
  };
  for (auto const& [what, code, text, hint] : {
           row{program_end::how::not_found, ENOENT, "exec: executable get-token not found", true},
           row{program_end::how::not_started, EACCES, "cannot be started: Permission denied", true},
           row{program_end::how::exited, 1, "failed with exit code 1", true},
           row{program_end::how::signaled, 9, "was ended by signal 9", false},
           row{program_end::how::timed_out, 0, "did not end in time", false},
           row{program_end::how::wrote_too_much, 0, "printed more than 1 MiB", false},
       }) {
    auto const asked = ask();
    program_end how;
    how.what = what;
    how.code = code;
    programs.end(how);
    turn();
    EXPECT_THAT(header(asked), HasSubstr(text));
    EXPECT_EQ(header(asked).find("Install it:[31m apt install get-token") != std::string::npos, hint) << text;
  }
}

TEST_F(exec_plugin_test, CertificateComesWithItsKeyAndStaysTheSameObjectWhileItIsTheSame) {
  auto const first = ask();
  print(answer(R"({"clientCertificateData":"CERT","clientKeyData":"KEY"})"));
  EXPECT_EQ(header(first), "");
  ASSERT_TRUE((***first).certificate);
  EXPECT_EQ((***first).certificate->certificate_pem, "CERT");
  EXPECT_EQ((***first).certificate->key_pem, "KEY");
  who().rejected(***first);
  auto const same = ask();
  print(answer(R"({"clientCertificateData":"CERT","clientKeyData":"KEY","token":"t"})"));
  EXPECT_EQ((***same).certificate, (***first).certificate);
  EXPECT_EQ(header(same), "Bearer t");
  who().rejected(***same);
  auto const other = ask();
  print(answer(R"({"clientCertificateData":"CERT2","clientKeyData":"KEY2"})"));
  EXPECT_NE((***other).certificate, (***first).certificate);
}

TEST_F(exec_plugin_test, AnswerMayBeYaml) {
  EXPECT_EQ(verdict(std::string("kind: ExecCredential\napiVersion: ") + v1 +
                    "\nstatus:\n  token: abc\n  expirationTimestamp: 2100-01-01T00:00:00Z\n"),
            "Bearer abc");
}

TEST_F(exec_plugin_test, AnswerThatIsNoCredentialIsSaidToBeWhatItIsAndNeverRepeated) {
  std::pair<std::string, char const*> const cases[] = {
      {"", "exec plugin printed nothing"},
      {"s3cret: [", "exec plugin printed neither JSON nor YAML"},
      {"s3cret", "exec plugin printed no ExecCredential"},
      {R"({"kind":"Pod","apiVersion":"client.authentication.k8s.io/v1"})", "kind \"Pod\", not ExecCredential"},
      {R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1","status":{"token":"s3cret"}})",
       "exec plugin is configured to use API version client.authentication.k8s.io/v1, plugin returned version "
       "\"client.authentication.k8s.io/v1beta1\""},
      {R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1"})",
       "exec plugin didn't return a status field"},
      {answer("{}"), "exec plugin didn't return a token or cert/key pair"},
      {answer(R"({"token":{"s3cret":1}})"), "returned a status.token that is not text"},
      {answer(R"({"token":"s3cret\nx"})"),
       "returned a token that cannot be sent: invalid header field value for \"Authorization\""},
      {answer(R"({"clientKeyData":"s3cret"})"), "exec plugin returned only certificate or key, not both"},
      {answer(R"({"clientCertificateData":"s3cret","token":"s3cret"})"), "only certificate or key, not both"},
      {answer(R"({"token":"s3cret","expirationTimestamp":"s3cret"})"), "expirationTimestamp that is not a time"},
      {answer(R"({"token":"s3cret","token":"other"})"), "printed neither JSON nor YAML"},
  };
  for (auto const& [output, expected] : cases) {
    auto const said = verdict(output);
    EXPECT_THAT(said, HasSubstr(expected)) << output;
    EXPECT_THAT(said, HasSubstr("getting credentials: "));
    EXPECT_THAT(said, Not(HasSubstr("s3cret")));
  }
}

TEST_F(exec_plugin_test, ProgramGetsItsArgumentsAndIsToldInWhichVersionToAnswer) {
  plugin.args = {"--region", "eu"};
  plugin.env = {{"PROFILE", "dev"}};
  ask();
  auto const& run = programs.started.back();
  EXPECT_EQ(run.command, "get-token");
  EXPECT_THAT(run.args, testing::ElementsAre("--region", "eu"));
  EXPECT_THAT(run.env, testing::Contains(testing::Pair("PROFILE", "dev")));
  EXPECT_EQ(info(), nlohmann::json::parse(
                        R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1",
                            "spec":{"interactive":false}})"));
  programs.print("");
}

TEST_F(exec_plugin_test, ClusterIsDescribedWhereThePluginAsksForIt) {
  plugin.provide_cluster_info = true;
  plugin.cluster_extension = R"({"audience":"me"})";
  config.tls_server_name = "kubernetes";
  config.certificate_authority.file = "/ca.crt";
  world.files["/ca.crt"] = "CA";
  config.proxy = proxy_config{"http://p:3128", false, "p", 3128, "u", "p@ss"};
  ask();
  EXPECT_EQ(info().at("spec").at("cluster"), nlohmann::json::parse(R"({
      "server":"https://a:6443","tls-server-name":"kubernetes","certificate-authority-data":"Q0E=",
      "proxy-url":"http://u:p%40ss@p:3128","config":{"audience":"me"}})"));
  programs.print("");
}

TEST_F(exec_plugin_test, InsecureClusterIsDescribedAsSuch) {
  plugin.provide_cluster_info = true;
  config.insecure_skip_tls_verify = true;
  ask();
  EXPECT_EQ(info().at("spec").at("cluster"),
            nlohmann::json::parse(R"({"server":"https://a:6443","insecure-skip-tls-verify":true})"));
  programs.print("");
}

TEST_F(exec_plugin_test, TerminalIsSharedAsFarAsThePersonIsThere) {
  struct row {
    attendance person;
    bool stdin_is_ours;
    bool stderr_is_ours;
    std::chrono::milliseconds limit;
  };
  for (auto const& [person, in, err, limit] :
       {row{attendance::nobody, false, false, 60s}, row{attendance::watching, false, true, 10min},
        row{attendance::answering, true, true, 10min}}) {
    who_.reset();
    plugin.person = person;
    ask();
    EXPECT_EQ(programs.started.back().stdin_is_ours, in);
    EXPECT_EQ(programs.started.back().stderr_is_ours, err);
    EXPECT_EQ(programs.started.back().limit, limit);
    EXPECT_EQ(info().at("spec").at("interactive"), in);
    programs.print("");
    turn();
  }
}

}  // namespace
