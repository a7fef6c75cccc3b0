// Exec plugins as real programs: what they get, how they end, and what becomes of their credentials on the wire.
#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <unistd.h>

#include "codeexec/kube_client/program.hpp"

#include "client_fixture.hpp"

namespace {
using namespace codeexec::testing;
using codeexec::base::deadline;
using codeexec::kube::error_kind;
using codeexec::kube::exec_identity;
using codeexec::kube::program;
using codeexec::kube::program_end;
using codeexec::kube::running_program;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

namespace fs = std::filesystem;

class folder_fixture : public client_fixture {
 protected:
  folder_fixture() {
    std::string name = (fs::temp_directory_path() / "codeexec-exec-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    folder = name;
  }
  ~folder_fixture() override {
    std::error_code ignored;
    fs::remove_all(folder, ignored);
  }

  /// An executable shell script. `$here` is its folder.
  std::string script(std::string const& name, std::string const& body) const {
    auto const path = folder / name;
    std::ofstream(path) << "#!/bin/sh\nhere=" << folder.string() << "\n" << body << "\n";
    fs::permissions(path, fs::perms::owner_all);
    return path.string();
  }
  std::string content(std::string const& name) const {
    std::ifstream in(folder / name);
    std::ostringstream text;
    text << in.rdbuf();
    return std::move(text).str();
  }
  pid_t pid_in(std::string const& name) const {
    std::istringstream text(content(name));
    pid_t pid = 0;
    text >> pid;
    return pid;
  }
  /// A dead process that nobody has collected yet (in a container whose first process does not) is not there.
  static bool is_there(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string const stat{std::istreambuf_iterator<char>(file), {}};
    auto const name_end = stat.rfind(')');
    return name_end != std::string::npos && stat.compare(name_end, 3, ") Z") != 0;
  }

  fs::path folder;
};

class Programs : public folder_fixture {
 protected:
  std::unique_ptr<running_program> start(program what) {
    ended.reset();
    return codeexec::kube::system_programs()(io.get_executor(), std::move(what),
                                             [this](program_end how) { ended = std::move(how); });
  }
  program_end run(program what) {
    auto const running = start(std::move(what));
    EXPECT_FALSE(ended) << "never from within the call";
    run_until([this] { return ended.has_value(); });
    return ended.value_or(program_end{});
  }
  program_end run_script(std::string const& body) {
    program what;
    what.command = script("program", body);
    return run(std::move(what));
  }

  std::optional<program_end> ended;
};

TEST_F(Programs, OutputAndExitCodeAreReported) {
  auto const end = run_script("echo hello; exit 3");
  EXPECT_EQ(end.what, program_end::how::exited);
  EXPECT_EQ(end.code, 3);
  EXPECT_EQ(end.output, "hello\n");
}

TEST_F(Programs, LastWordsAreTheLastLineThatSaysSomething) {
  EXPECT_EQ(run_script("echo first >&2; echo 'the reason' >&2; echo >&2; exit 1").last_words, "the reason");
  EXPECT_EQ(run_script("printf 'no newline' >&2; exit 1").last_words, "no newline");
}

TEST_F(Programs, ArgumentsAndEnvironmentArriveAndOursAreReplaced) {
  program what;
  what.command = script("program", "echo \"$1|$2|$HOME|$MODE\"; env | grep -c ^HOME=");
  what.args = {"a b", "$HOME"};
  what.env = {{"HOME", "/elsewhere"}, {"MODE", "fast"}};
  EXPECT_EQ(run(std::move(what)).output, "a b|$HOME|/elsewhere|fast\n1\n");
}

TEST_F(Programs, BareNameIsLookedForInPath) {
  program what;
  what.command = "echo";
  what.args = {"found"};
  EXPECT_EQ(run(std::move(what)).output, "found\n");
}

TEST_F(Programs, NothingOfOursLeaksIntoIt) {
  // A socket of ours, which Asio does not mark close-on-exec; a signal that we ignore; our standard input.
  boost::asio::ip::tcp::acceptor ours(io, {boost::asio::ip::address_v4::loopback(), 0});
  auto const before = std::signal(SIGPIPE, SIG_IGN);
  auto const end =
      run_script("ls -l /proc/$$/fd | grep -c socket; grep SigIgn /proc/$$/status; readlink /proc/$$/fd/0");
  std::signal(SIGPIPE, before);
  std::istringstream said(end.output);
  std::string sockets;
  std::string word;
  std::string ignored;
  std::string input;
  said >> sockets >> word >> ignored >> input;
  EXPECT_EQ(sockets, "0");
  EXPECT_EQ(input, "/dev/null");
  ASSERT_EQ(word, "SigIgn:");
  EXPECT_EQ(std::stoull(ignored, nullptr, 16) & (1ULL << (SIGPIPE - 1)), 0U) << ignored;
}

TEST_F(Programs, MissingAndUnusableOnesAreTold) {
  program what;
  what.command = (folder / "gone").string();
  EXPECT_EQ(run(what).what, program_end::how::not_found);
  what.command = "codeexec-no-such-command";
  EXPECT_EQ(run(what).what, program_end::how::not_found);
  what.command = folder.string();
  auto const end = run(what);
  EXPECT_EQ(end.what, program_end::how::not_started);
  EXPECT_EQ(end.code, EACCES);
}

TEST_F(Programs, SignalIsTold) {
  auto const end = run_script("kill -9 $$");
  EXPECT_EQ(end.what, program_end::how::signaled);
  EXPECT_EQ(end.code, SIGKILL);
}

TEST_F(Programs, OneThatHangsIsEndedAtItsLimitWithAllItStarted) {
  program what;
  what.command = script("program", "sleep 300 & echo $! >$here/child; wait");
  what.limit = 300ms;
  EXPECT_EQ(run(std::move(what)).what, program_end::how::timed_out);
  auto const child = pid_in("child");
  ASSERT_GT(child, 0);
  run_until([&] { return !is_there(child); });
}

TEST_F(Programs, OneThatIgnoresTheSignalIsKilled) {
  program what;
  what.command = script("program", "trap '' TERM; while :; do sleep 0.1; done");
  what.limit = 50ms;
  EXPECT_EQ(run(std::move(what)).what, program_end::how::timed_out);
}

TEST_F(Programs, HelperThatItLeavesBehindIsNotWaitedFor) {
  auto const end = run_script("sleep 300 & echo $! >$here/child; echo done");
  EXPECT_EQ(end.output, "done\n");
  auto const child = pid_in("child");
  ASSERT_GT(child, 0);
  EXPECT_TRUE(is_there(child));
  ::kill(child, SIGKILL);
}

TEST_F(Programs, EndlessOutputIsCutOff) {
  auto const end = run_script("exec yes");
  EXPECT_EQ(end.what, program_end::how::wrote_too_much);
  EXPECT_EQ(end.output, "");
}

TEST_F(Programs, ForgottenOneIsGone) {
  program what;
  what.command = script("program", "echo $$ >$here/pid.new; mv $here/pid.new $here/pid; exec sleep 300");
  auto running = start(std::move(what));
  run_until([&] { return fs::exists(folder / "pid"); });
  running.reset();
  EXPECT_FALSE(is_there(pid_in("pid")));
  io.restart();
  io.run_for(60ms);
  EXPECT_FALSE(ended);
}

class ExecPlugin : public folder_fixture {
 protected:
  /// A plugin of this body; `credential STATUS` prints an ExecCredential.
  codeexec::kube::cluster_config with_plugin(std::string const& body) const {
    auto out = config();
    exec_identity plugin;
    plugin.api_version = "client.authentication.k8s.io/v1beta1";
    plugin.command = script("plugin", R"(credential() {
  echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1","status":'"$1"'}'
}
echo run >>$here/runs
runs=$(wc -l <$here/runs)
)" + body);
    out.who = plugin;
    return out;
  }
  std::size_t runs() const {
    auto const text = content("runs");
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  }
  std::string authorization(std::size_t request) const {
    auto const& headers = server->requests().at(request).headers;
    auto const found = headers.find("authorization");
    return found == headers.end() ? "" : found->second;
  }
};

TEST_F(ExecPlugin, ItsTokenIsSentAndItIsRunOnce) {
  serve();
  server->on("GET", "/", reply::answer(200, "ok"));
  connect(with_plugin(R"(credential '{"token":"t'$runs'","expirationTimestamp":"2100-01-01T00:00:00Z"}')"));
  EXPECT_EQ(*send(get("/")), "ok");
  EXPECT_EQ(*send(get("/")), "ok");
  EXPECT_EQ(authorization(0), "Bearer t1");
  EXPECT_EQ(authorization(1), "Bearer t1");
  EXPECT_EQ(runs(), 1U);
}

TEST_F(ExecPlugin, RefusedTokenIsFetchedAnewAndTheRequestRepeated) {
  serve();
  server->on("GET", "/",
             {reply::answer(401, status_body(401, "Unauthorized", "Unauthorized")), reply::answer(200, "ok")});
  connect(with_plugin(R"(credential '{"token":"t'$runs'"}')"));
  EXPECT_EQ(*send(get("/")), "ok");
  ASSERT_EQ(server->requests().size(), 2U);
  EXPECT_EQ(authorization(0), "Bearer t1");
  EXPECT_EQ(authorization(1), "Bearer t2");
}

TEST_F(ExecPlugin, SlowOneHoldsUpNothingElse) {
  serve();
  server->on("GET", "/", reply::answer(200, "ok"));
  connect(
      with_plugin("while [ ! -e $here/go ]; do sleep 0.01; done\n"
                  R"(credential '{"token":"t"}')"));
  auto const waiting = send_aside(get("/"), deadline::after(20s));
  run_until([&] { return runs() == 1; });
  // The loop turns: another client gets its answer meanwhile.
  auto other = codeexec::kube::rest_client::create(io.get_executor(), config(), {}, clock);
  ASSERT_TRUE(other);
  EXPECT_EQ(*run_coro(io, (*other)->send(get("/"), deadline::after(5s))), "ok");
  EXPECT_FALSE(waiting->has_value());
  std::ofstream(folder / "go") << "go";
  run_until([&] { return waiting->has_value(); });
  EXPECT_EQ(***waiting, "ok");
}

TEST_F(ExecPlugin, FailureIsToldWithItsOwnWordsAndNothingIsSent) {
  serve();
  connect(with_plugin("echo 'sso session expired' >&2; exit 4"));
  auto const answer = send(get("/"));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind(), error_kind::connect);
  EXPECT_THAT(answer.error().message(), HasSubstr("plugin failed with exit code 4: sso session expired"));
  EXPECT_TRUE(server->requests().empty());
}

TEST_F(ExecPlugin, MissingCommandShowsTheInstallHint) {
  serve();
  auto to = config();
  exec_identity plugin;
  plugin.api_version = "client.authentication.k8s.io/v1";
  plugin.command = "codeexec-no-such-plugin";
  plugin.install_hint = "apt install no-such-plugin";
  to.who = plugin;
  connect(to);
  auto const answer = send(get("/"));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().message(),
            "getting credentials: exec: executable codeexec-no-such-plugin not found\napt install no-such-plugin");
}

TEST_F(ExecPlugin, KubeconfigIsFollowedToAPluginBesideIt) {
  serve();
  server->on("GET", "/", reply::answer(200, "ok"));
  with_plugin(R"(echo "$MODE $KUBERNETES_EXEC_INFO" >$here/said
credential '{"token":"t"}')");
  std::ofstream(folder / "config")
      << "current-context: c\nclusters: [{name: k, cluster: {server: 'https://a.example', "
         "proxy-url: 'http://p:3128'}}]\n"
         "contexts: [{name: c, context: {cluster: k, user: u}}]\nusers:\n- name: u\n"
         "  user:\n    exec:\n"
         "      apiVersion: client.authentication.k8s.io/v1beta1\n      command: ./plugin\n"
         "      provideClusterInfo: true\n      env: [{name: MODE, value: fast}]\n";
  codeexec::kube::config_flags flags;
  flags.kubeconfig = (folder / "config").string();
  auto loaded = codeexec::kube::load_config(flags, codeexec::kube::process_environment());
  ASSERT_TRUE(loaded) << loaded.error().describe();
  EXPECT_EQ(loaded->server, "https://a.example");
  loaded->server = server->url();  // a plain server on loopback cannot be named there: a token is not sent to it
  loaded->proxy.reset();
  connect(*loaded);
  EXPECT_EQ(*send(get("/")), "ok");
  EXPECT_EQ(authorization(0), "Bearer t");
  EXPECT_THAT(content("said"), HasSubstr("fast {"));
  EXPECT_THAT(content("said"), HasSubstr(R"("interactive":false)"));
  EXPECT_THAT(content("said"), HasSubstr(R"("server":")" + server->url() + "\""));
}

/// A plugin whose Nth run gives the certificate of "meN" and the token "tN", and a server that asks for both.
class ExecCertificate : public ExecPlugin {
 protected:
  void SetUp() override {
    serve_tls({pki.issue("server", {"IP:127.0.0.1"}), pki.ca_pem()});
    for (std::string const name : {"1", "2"}) {
      auto const me = pki.issue("me" + name);
      nlohmann::json const status{
          {"clientCertificateData", me.certificate_pem}, {"clientKeyData", me.key_pem}, {"token", "t" + name}};
      std::ofstream(folder / ("status" + name)) << status;
    }
  }
  void connect_with(codeexec::kube::rest_client_options options = {}) {
    auto to = with_plugin(
        "printf '{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1beta1\","
        "\"status\":'; cat $here/status$runs; echo '}'");
    to.certificate_authority.data = pki.ca_pem();
    connect(to, std::move(options));
  }
  static reply unauthorized() { return reply::answer(401, status_body(401, "Unauthorized", "Unauthorized")); }
  /// Of each request: whom it was from by its connection, and by its header.
  std::vector<std::string> callers() const {
    std::vector<std::string> out;
    for (auto const& one : server->requests())
      out.push_back(one.target + " " + one.client + " " + one.headers.at("authorization"));
    return out;
  }
  test_pki const pki;
};

TEST_F(ExecCertificate, IsShownAndAnotherOneMeansAnotherConnection) {
  server->on("GET", "/",
             {reply::answer(200, "one"), unauthorized(), reply::answer(200, "two"), reply::answer(200, "three")});
  connect_with();
  EXPECT_EQ(*send(get("/")), "one");
  EXPECT_EQ(*send(get("/")), "two");
  EXPECT_EQ(*send(get("/")), "three");
  EXPECT_EQ(runs(), 2U);
  EXPECT_THAT(callers(), ElementsAre("/ me1 Bearer t1", "/ me1 Bearer t1", "/ me2 Bearer t2", "/ me2 Bearer t2"));
  EXPECT_EQ(server->connections(), 2);
}

TEST_F(ExecCertificate, CallThatTheServerLetWaitGoesOnWithTheOneOfNow) {
  auto busy = reply::answer(429, status_body(429, "TooManyRequests", "slow down")).header("Retry-After", "1");
  server->on("POST", "/waits", {std::move(busy), reply::answer(201, "made")});
  server->on("GET", "/refused", {unauthorized(), reply::answer(200, "ok")});
  server->on("GET", "/after", reply::answer(200, "ok"));
  connect_with();
  auto const waits = send_aside(post("/waits", "{}"), deadline::after(20s));
  run_until([&] { return server->requests().size() == 1; });
  EXPECT_EQ(*send(get("/refused")), "ok");
  run_until([&] { return waits->has_value(); });
  EXPECT_EQ(***waits, "made");
  EXPECT_EQ(*send(get("/after")), "ok");
  EXPECT_THAT(callers(), ElementsAre("/waits me1 Bearer t1", "/refused me1 Bearer t1", "/refused me2 Bearer t2",
                                     "/waits me2 Bearer t2", "/after me2 Bearer t2"));
  EXPECT_EQ(runs(), 2U);
}

TEST_F(ExecCertificate, CallThatWaitedInLineSpeaksForOneOnlyAndItsRefusalIsNotBlamedOnTheNext) {
  codeexec::kube::rest_client_options one_at_a_time;
  one_at_a_time.max_connections = 1;
  server->on("GET", "/slow", reply::answer(200, "ok").slowly(1s));
  server->on("GET", "/in-line", {unauthorized(), reply::answer(200, "ok")});
  server->on("GET", "/watch", {unauthorized(), reply::stream({"one\n"})});
  connect_with(one_at_a_time);
  auto const slow = send_aside(get("/slow"));
  run_until([&] { return server->requests().size() == 1; });
  auto const in_line = send_aside(get("/in-line"));
  ASSERT_TRUE(open(get("/watch")));
  ASSERT_FALSE(slow->has_value());
  run_until([&] { return in_line->has_value(); });
  EXPECT_EQ(***in_line, "ok");
  EXPECT_EQ(***slow, "ok") << "what is under way may finish";
  EXPECT_THAT(callers(), ElementsAre("/slow me1 Bearer t1", "/watch me1 Bearer t1", "/watch me2 Bearer t2",
                                     "/in-line me1 Bearer t1", "/in-line me2 Bearer t2"));
  EXPECT_EQ(runs(), 2U);
}

TEST_F(ExecCertificate, WatchOfTheOldOneEnds) {
  server->on("GET", "/watch", reply::stream({"one\n"}).unfinished().then(reply::ending::silence));
  server->on("GET", "/refused", {unauthorized(), reply::answer(200, "ok")});
  connect_with();
  auto const old = open(get("/watch"));
  ASSERT_TRUE(old);
  EXPECT_EQ(*read(**old), "one\n");
  EXPECT_EQ(*send(get("/refused")), "ok");
  auto const end = read(**old);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().kind(), error_kind::connection) << end.error().describe();
  auto const next = open(get("/watch"));
  ASSERT_TRUE(next);
  EXPECT_EQ(*read(**next), "one\n");
  EXPECT_EQ(server->requests().back().client, "me2");
}

TEST_F(ExecPlugin, UnusableCertificateIsToldWithoutItsContent) {
  test_pki const pki;
  serve_tls({pki.issue("server", {"IP:127.0.0.1"}), pki.ca_pem()});
  auto to = with_plugin(R"(credential '{"clientCertificateData":"s3cret","clientKeyData":"s3cret"}')");
  to.certificate_authority.data = pki.ca_pem();
  connect(to);
  auto const answer = send(get("/"));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind(), error_kind::connect);
  EXPECT_THAT(answer.error().message(), HasSubstr("getting credentials: the credential plugin's certificate"));
  EXPECT_THAT(answer.error().describe(), Not(HasSubstr("s3cret")));
}

}  // namespace
