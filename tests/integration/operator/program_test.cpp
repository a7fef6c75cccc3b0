// codeexec-controller as people start it: arguments, environment, configuration files, signals. No API server: what
// it is pointed at refuses every connection, or hangs.
#include <algorithm>
#include <arpa/inet.h>
#include <chrono>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mutex>
#include <netinet/in.h>
#include <signal.h>
#include <sstream>
#include <string>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace codeexec {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

std::string read_file(fs::path const& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class folder {
 public:
  folder() {
    std::string name = (fs::temp_directory_path() / "codeexec-operator-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path = name;
  }
  ~folder() { fs::remove_all(path); }
  folder(folder const&) = delete;
  folder& operator=(folder const&) = delete;

  fs::path write(std::string const& name, std::string const& text) const {
    std::ofstream(path / name) << text;
    return path / name;
  }
  fs::path path;
};

/// One run of the program, with an environment of its own.
class controller_program {
 public:
  explicit controller_program(std::vector<std::string> arguments, std::vector<std::string> environment = {}) {
    arguments.insert(arguments.begin(), CODEEXEC_BINARY_DIR "/bin/codeexec-controller");
    environment.push_back("HOME=" + here_.path.string());
    auto const pointers = [](std::vector<std::string>& of) {
      std::vector<char*> out;
      for (auto& one : of)
        out.push_back(one.data());
      out.push_back(nullptr);
      return out;
    };
    auto const argv = pointers(arguments);
    auto const envp = pointers(environment);
    std::string const output = (here_.path / "output").string();
    pid_ = fork();
    if (pid_ == 0) {
      int const file = open(output.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
      dup2(file, 1);
      dup2(file, 2);
      execve(argv[0], argv.data(), envp.data());
      _exit(111);
    }
  }
  ~controller_program() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }
  controller_program(controller_program const&) = delete;
  controller_program& operator=(controller_program const&) = delete;

  std::string output() const { return read_file(here_.path / "output"); }
  void signal(int number) const { kill(pid_, number); }

  bool says(std::string const& text) const {
    for (auto const end = std::chrono::steady_clock::now() + 10s; std::chrono::steady_clock::now() < end;) {
      if (output().find(text) != std::string::npos) return true;
      std::this_thread::sleep_for(5ms);
    }
    return false;
  }
  /// The exit code, 1000 + the signal that ended it, or -1 where it goes on running.
  int wait() {
    for (auto const end = std::chrono::steady_clock::now() + 10s; std::chrono::steady_clock::now() < end;) {
      int status = 0;
      if (waitpid(pid_, &status, WNOHANG) == pid_) {
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
      }
      std::this_thread::sleep_for(5ms);
    }
    return -1;
  }

 private:
  folder here_;
  pid_t pid_ = -1;
};

constexpr char const* nobody = "http://127.0.0.1:1";

TEST(Program, SaysItsVersion) {
  controller_program p({"--version"});
  EXPECT_EQ(p.wait(), 0);
  EXPECT_THAT(p.output(), ::testing::MatchesRegex("codeexec-controller [0-9]+[.][0-9]+[.][0-9]+ [(]commit [^ ]+[)]\n"));
}

TEST(Program, HelpNamesEveryFlagWithItsVariable) {
  controller_program p({"--help"});
  EXPECT_EQ(p.wait(), 0);
  auto const help = p.output();
  for (std::string flag : {"kubeconfig",
                           "context",
                           "server",
                           "namespace",
                           "config",
                           "workers",
                           "log-level",
                           "log-format",
                           "ready-file",
                           "health-bind-address",
                           "metrics-bind-address",
                           "kube-api-qps",
                           "kube-api-burst",
                           "kube-api-timeout",
                           "leader-elect",
                           "leader-elect-lease-duration",
                           "leader-elect-renew-deadline",
                           "leader-elect-retry-period",
                           "leader-elect-resource-name",
                           "leader-elect-resource-namespace",
                           "leader-elect-identity",
                           "stop-grace",
                           "events",
                           "event-qps"}) {
    EXPECT_NE(help.find("--" + flag), std::string::npos) << flag;
    std::string variable = "CODEEXEC_";
    for (char const c : flag)
      variable += c == '-' ? '_' : static_cast<char>(std::toupper(c));
    EXPECT_NE(help.find(variable), std::string::npos) << variable;
  }
}

struct mistake {
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
  std::string says;
};

TEST(Program, WrongArgumentsAreOneSentenceAndCode2) {
  folder here;
  auto const bad = here.write("bad.yaml", "defaults:\n  timeoutSecs: 3\n").string();
  std::vector<mistake> const mistakes{
      {{"--bogus"}, {}, "--bogus"},
      {{"--log-level", "loud"}, {}, "loud"},
      {{"--workers", "0"}, {}, "--workers"},
      {{}, {"CODEEXEC_LOG_FORMAT=xml"}, "xml"},
      {{"--server", nobody, "--namespace", "Bad_NS"}, {}, "--namespace: 'Bad_NS' is no name of a namespace"},
      {{"--server", nobody}, {"CODEEXEC_NAMESPACE=fine,aa bb"}, "--namespace: 'aa bb' is no name of a namespace"},
      {{"--stop-grace", "soon"}, {}, "'soon' is no duration"},
      {{"--events", "loud"}, {}, "--events"},
      {{"--kube-api-timeout", "200ms"}, {}, "--kube-api-timeout: must be between 1s and 30s"},
      {{}, {"CODEEXEC_KUBE_API_TIMEOUT=1m"}, "--kube-api-timeout: must be between 1s and 30s"},
      {{"--leader-elect", "--leader-elect-renew-deadline", "20s"},
       {},
       "--leader-elect-renew-deadline (20s) must be less than --leader-elect-lease-duration (15s)"},
      {{"--leader-elect"}, {"CODEEXEC_LEADER_ELECT_LEASE_DURATION=1500ms"}, "whole seconds"},
      {{"--leader-elect", "--leader-elect-resource-name", "My_Lease"}, {}, "My_Lease"},
      {{"--server", nobody, "--config", bad}, {}, bad + ": line 2, column 3: defaults.timeoutSecs: unknown key"},
      {{"--server", nobody, "--config", "/no/such/file"}, {}, "/no/such/file: No such file or directory"},
      {{"--kubeconfig", "/no/such/kubeconfig"}, {}, "/no/such/kubeconfig"},
      {{"--server", "ftp://x"}, {}, "--server"},
      {{}, {}, "kubeconfig"},
  };
  for (auto const& one : mistakes) {
    controller_program p(one.arguments, one.environment);
    EXPECT_EQ(p.wait(), 2) << one.says << "\n" << p.output();
    auto const output = p.output();
    EXPECT_NE(output.find(one.says), std::string::npos) << output;
    EXPECT_LE(std::count(output.begin(), output.end(), '\n'), 2) << output;
  }
}

TEST(Program, WithoutAnApiServerItTriesOnAndStopsInOrder) {
  folder here;
  auto const ready = here.path / "ready";
  controller_program p({"--server", nobody, "--ready-file", ready.string()});
  EXPECT_TRUE(p.says("will try again")) << p.output();
  EXPECT_FALSE(fs::exists(ready)) << "it is not ready before it has read everything";
  p.signal(SIGTERM);
  EXPECT_EQ(p.wait(), 0) << p.output();
  EXPECT_NE(p.output().find("stopped"), std::string::npos);
}

TEST(Program, ACredentialPluginIsRunOnceForAllItsClients) {
  folder here;
  auto const plugin =
      here.write("plugin", "#!/bin/sh\necho run >>" + (here.path / "runs").string() +
                               "\nsleep 0.3\necho '{\"kind\":\"ExecCredential\","
                               "\"apiVersion\":\"client.authentication.k8s.io/v1\",\"status\":{\"token\":\"t\"}}'\n");
  fs::permissions(plugin, fs::perms::owner_all);
  auto const kubeconfig =
      here.write("kubeconfig",
                 "current-context: c\nclusters: [{name: k, cluster: {server: 'https://127.0.0.1:1'}}]\n"
                 "contexts: [{name: c, context: {cluster: k, user: u}}]\nusers:\n- name: u\n  user:\n    exec:\n"
                 "      apiVersion: client.authentication.k8s.io/v1\n      interactiveMode: Never\n"
                 "      command: " +
                     plugin.string() + "\n");
  controller_program p({"--kubeconfig", kubeconfig.string(), "--leader-elect"}, {"PATH=/usr/bin:/bin"});
  EXPECT_TRUE(p.says("lease request failed")) << p.output();
  EXPECT_TRUE(p.says("will try again")) << p.output();
  EXPECT_EQ(read_file(here.path / "runs"), "run\n");
  p.signal(SIGTERM);
  EXPECT_EQ(p.wait(), 0) << p.output();
}

TEST(Program, AnInterruptStopsItToo) {
  controller_program p({"--server", nobody});
  EXPECT_TRUE(p.says("will try again"));
  p.signal(SIGINT);
  EXPECT_EQ(p.wait(), 0);
}

TEST(Program, TheEnvironmentCountsAndAFlagWinsOverIt) {
  controller_program p({"--log-format", "json"}, {std::string("CODEEXEC_SERVER=") + nobody, "CODEEXEC_NAMESPACE=a,b",
                                                  "CODEEXEC_LOG_FORMAT=text"});
  EXPECT_TRUE(p.says("will try again"));
  auto const log = p.output();
  EXPECT_EQ(log.front(), '{') << log;
  EXPECT_NE(log.find("\"namespaces\":\"a,b\""), std::string::npos) << log;
  p.signal(SIGTERM);
  EXPECT_EQ(p.wait(), 0);
}

TEST(Program, TheSampleConfigurationIsAccepted) {
  controller_program p({"--server", nobody, "--config", CODEEXEC_SOURCE_DIR "/config/operator.yaml"});
  EXPECT_TRUE(p.says("runtimes=5")) << p.output();
  p.signal(SIGTERM);
  EXPECT_EQ(p.wait(), 0);
}

/// An API server, as far as a stop can tell: it lists one CodeExecution, keeps watches open, and never answers a write
/// or anything about a Lease.
class hanging_server {
 public:
  /// `silent`: not even lists are answered.
  explicit hanging_server(bool silent = false) : silent_(silent) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    if (bind(listener_, any, size) != 0 || listen(listener_, 64) != 0) throw std::runtime_error("listen");
    getsockname(listener_, any, &size);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] {
      for (int one = accept(listener_, nullptr, nullptr); one >= 0; one = accept(listener_, nullptr, nullptr)) {
        std::lock_guard const lock(mutex_);
        open_.push_back(one);
        readers_.emplace_back([this, one] { serve(one); });
      }
    });
  }
  ~hanging_server() {
    shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    for (int const one : open_)
      shutdown(one, SHUT_RDWR);
    for (auto& reader : readers_)
      reader.join();
    for (int const one : open_)
      close(one);
    close(listener_);
  }
  hanging_server(hanging_server const&) = delete;
  hanging_server& operator=(hanging_server const&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

 private:
  void serve(int connection) const {
    std::string seen;
    char buffer[4096];
    for (;;) {
      auto const end = seen.find("\r\n\r\n");
      if (end == std::string::npos) {
        auto const got = read(connection, buffer, sizeof buffer);
        if (got <= 0) return;
        seen.append(buffer, static_cast<std::size_t>(got));
        continue;
      }
      auto const line = seen.substr(0, seen.find("\r\n"));
      seen.erase(0, end + 4);
      auto const asks = [&](char const* what) { return line.find(what) != std::string::npos; };
      if (silent_ || !line.starts_with("GET ") || asks("/leases")) continue;
      if (asks("sendInitialEvents=true")) {
        // As a server without streaming lists says it.
        constexpr std::string_view refusal =
            R"({"kind":"Status","status":"Failure","reason":"Invalid","code":422,"message":"sendInitialEvents is )"
            R"(forbidden for watch unless the WatchList feature gate is enabled"})";
        answer(connection, "422 Unprocessable Entity", refusal);
        continue;
      }
      if (asks("watch=true")) continue;
      std::string items;
      if (asks("/codeexecutions")) {
        items = R"({"metadata":{"name":"one","namespace":"a","uid":"u","resourceVersion":"1","generation":1,)"
                R"("creationTimestamp":"2026-01-31T10:00:00Z"},"spec":{"code":"pass"}})";
      }
      auto const body = R"({"kind":"List","metadata":{"resourceVersion":"1"},"items":[)" + items + "]}";
      answer(connection, "200 OK", body);
    }
  }

  static void answer(int connection, std::string_view status, std::string_view body) {
    auto const text = "HTTP/1.1 " + std::string(status) +
                      "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
                      "\r\n\r\n" + std::string(body);
    // Where the program is gone meanwhile, the next read says so.
    (void)send(connection, text.data(), text.size(), MSG_NOSIGNAL);
  }

  bool silent_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::vector<int> open_;
  std::vector<std::thread> readers_;
  std::thread acceptor_;
};

TEST(Stop, WhileTheFirstListHangsItEndsAtOnce) {
  hanging_server server(true);
  controller_program p({"--server", server.url()});
  EXPECT_TRUE(p.says("starting"));
  p.signal(SIGTERM);
  EXPECT_EQ(p.wait(), 0) << p.output();
}

/// The operator, pointed at a name whose lookup never ends.
class unresolved_program : public controller_program {
 public:
  explicit unresolved_program(std::vector<std::string> flags)
      : controller_program(with_server(std::move(flags)), {
                                                              "LD_PRELOAD=" CODEEXEC_HANGING_RESOLVER,
                                                              // Its runtime wants to be the first library otherwise.
                                                              "ASAN_OPTIONS=verify_asan_link_order=0",
                                                          }) {}

 private:
  static std::vector<std::string> with_server(std::vector<std::string> flags) {
    flags.insert(flags.end(), {"--server", "http://api.cluster.test:8080", "--stop-grace", "1h"});
    return flags;
  }
};

TEST(Stop, WhileANameIsLookedUpItEndsAtOnce) {
  std::vector<std::vector<std::string>> const ways{{}, {"--leader-elect"}};
  for (auto const& flags : ways) {
    unresolved_program p(flags);
    EXPECT_TRUE(p.says("asked for api.cluster.test\n")) << p.output();
    p.signal(SIGTERM);
    EXPECT_EQ(p.wait(), 0) << p.output();
    EXPECT_NE(p.output().find("stopped"), std::string::npos) << p.output();
  }
}

TEST(Stop, WhileANameIsLookedUpTwoSignalsDoNotHoldItEither) {
  unresolved_program p({});
  EXPECT_TRUE(p.says("asked for api.cluster.test\n")) << p.output();
  p.signal(SIGTERM);
  p.signal(SIGINT);
  // The first may have ended it before the second came.
  EXPECT_THAT(p.wait(), ::testing::AnyOf(0, 128 + SIGTERM, 128 + SIGINT)) << p.output();
}

TEST(Stop, WhileItWaitsForTheLeaseItEndsAtOnce) {
  hanging_server server;
  controller_program p({"--server", server.url(), "--leader-elect"});
  EXPECT_TRUE(p.says("waiting for the lease"));
  EXPECT_TRUE(p.says("ready")) << "the caches fill meanwhile";
  p.signal(SIGTERM);
  EXPECT_EQ(p.wait(), 0) << p.output();
  EXPECT_EQ(p.output().find("controller runs"), std::string::npos) << "no pass before leadership";
}

TEST(Stop, WhatIsUnderWayGetsTheGracePeriodAndNoMore) {
  hanging_server server;
  controller_program p({"--server", server.url(), "--stop-grace", "300ms", "--log-level", "debug"});
  EXPECT_TRUE(p.says("controller runs"));
  EXPECT_TRUE(p.says("ready"));
  p.signal(SIGTERM);
  EXPECT_EQ(p.wait(), 0) << p.output();
  EXPECT_NE(p.output().find("grace period is over, cancelling"), std::string::npos) << p.output();
}

TEST(Stop, ASecondSignalEndsItAtOnce) {
  for (int const second : {SIGTERM, SIGINT}) {
    hanging_server server;
    controller_program p({"--server", server.url(), "--stop-grace", "1h"});
    EXPECT_TRUE(p.says("controller runs"));
    EXPECT_TRUE(p.says("ready"));
    p.signal(SIGTERM);
    EXPECT_TRUE(p.says("stopping"));
    p.signal(second);
    EXPECT_EQ(p.wait(), 128 + second) << p.output();
  }
}

}  // namespace
}  // namespace codeexec
