#include "sandbox.hpp"

#include <atomic>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace codeexec::runner::testing {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto patience = 30s;

std::string read_file(fs::path const& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void write_file(fs::path const& path, std::string const& content, mode_t mode) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << content;
  ::chmod(path.c_str(), mode);
}

fs::path make_folder() {
  std::string path = (fs::temp_directory_path() / "codeexec-runner-XXXXXX").string();
  if (mkdtemp(path.data()) == nullptr) throw std::runtime_error("mkdtemp");
  ::chmod(path.c_str(), 0755);
  return path;
}

constexpr char runner_program[] = CODEEXEC_BINARY_DIR "/bin/codeexec-runner";

}  // namespace

char const* name_of(placement where) {
  switch (where) {
    case placement::process:
      return "process";
    case placement::init:
      return "init";
    case placement::gvisor:
      return "gvisor";
  }
  return "";
}

sandbox::sandbox(placement where) : where_(where), base_(make_folder()) {
  static std::atomic<int> number{0};
  id_ = "runner-test-" + std::to_string(getpid()) + "-" + std::to_string(number++);
  for (auto const* folder : {"workspace", "input", "state"})
    fs::create_directory(base_ / folder);
  ::chmod((base_ / "workspace").c_str(), 0777);
  // As the kubelet makes it: there, and writable for anyone.
  write_file(base_ / "termination-log", "", 0666);
}

sandbox::~sandbox() {
  kill_started();
  for (int const fd : {log_fd_, log_write_fd_, complaints_fd_}) {
    if (fd >= 0) close(fd);
  }
  std::error_code ignored;
  fs::remove_all(base_, ignored);
}

std::string sandbox::input_path() const {
  return where_ == placement::gvisor ? "/input" : base_ / "input";
}
std::string sandbox::workspace_path() const {
  return where_ == placement::gvisor ? "/workspace" : base_ / "workspace";
}
std::string sandbox::termination_log_path() const {
  return where_ == placement::gvisor ? "/dev/termination-log" : base_ / "termination-log";
}

void sandbox::add_input(std::string const& path, std::string const& content, bool executable) {
  write_file(base_ / "input" / path, content, executable ? 0755 : 0644);
  use_input = true;
}

std::vector<std::string> sandbox::runner_arguments(std::vector<std::string> const& command) const {
  std::vector<std::string> line{where_ == placement::gvisor ? "/runner/codeexec-runner" : runner_program, "--workspace",
                                workspace_path(), "--termination-log", termination_log_path()};
  if (use_input) line.insert(line.end(), {"--input", input_path()});
  line.insert(line.end(), flags.begin(), flags.end());
  if (!command.empty()) line.emplace_back("--");
  line.insert(line.end(), command.begin(), command.end());
  return line;
}

void sandbox::write_bundle(std::vector<std::string> const& command) const {
  auto const root = base_ / "bundle/root";
  for (auto const* folder : {"usr", "etc", "proc", "dev", "tmp", "runner", "input", "workspace"}) {
    fs::create_directories(root / folder);
  }
  for (auto const* link : {"bin", "lib", "lib64"})
    fs::create_symlink(fs::path("usr") / link, root / link);
  auto const bind = [](fs::path const& source, std::string const& destination, char const* access) {
    return nlohmann::json{
        {"destination", destination}, {"type", "bind"}, {"source", source.string()}, {"options", {access, "rbind"}}};
  };
  auto const runner_folder = fs::path(runner_program).parent_path();
  nlohmann::json const config = {
      {"ociVersion", "1.0.2"},
      {"process",
       {{"user", {{"uid", 65532}, {"gid", 65532}}},
        {"args", runner_arguments(command)},
        {"env", {"PATH=/usr/bin:/bin"}},
        {"cwd", "/"},
        {"noNewPrivileges", true}}},
      {"root", {{"path", "root"}, {"readonly", true}}},
      {"mounts",
       {{{"destination", "/proc"}, {"type", "proc"}, {"source", "proc"}},
        bind("/usr", "/usr", "ro"),
        bind(runner_folder, "/runner", "ro"),
        bind(base_ / "input", "/input", "ro"),
        bind(base_ / "workspace", "/workspace", "rw"),
        bind(base_ / "termination-log", "/dev/termination-log", "rw"),
        {{"destination", "/tmp"}, {"type", "tmpfs"}, {"source", "tmpfs"}, {"options", {"size=67108864"}}}}},
      {"linux",
       {{"namespaces",
         {{{"type", "pid"}}, {{"type", "mount"}}, {{"type", "ipc"}}, {{"type", "uts"}}, {{"type", "network"}}}}}},
  };
  write_file(base_ / "bundle/config.json", config.dump(), 0644);
}

std::vector<std::string> sandbox::command_line(std::vector<std::string> const& command) const {
  auto line = runner_arguments(command);
  if (where_ == placement::init) {
    line.insert(line.begin(), {"/usr/bin/unshare", "-p", "-f", "--mount-proc", "--kill-child"});
  } else if (where_ == placement::gvisor) {
    line = {CODEEXEC_RUNSC,
            "--root=" + (base_ / "state").string(),
            "--platform=ptrace",
            "--network=none",
            "--ignore-cgroups",
            "run",
            "--bundle",
            (base_ / "bundle").string(),
            id_};
  }
  return line;
}

void sandbox::start(std::vector<std::string> const& command) {
  if (where_ == placement::gvisor) write_bundle(command);
  auto line = command_line(command);
  std::vector<char*> arguments;
  for (auto& word : line)
    arguments.push_back(word.data());
  arguments.push_back(nullptr);

  int log[2];
  int complaints[2];
  ASSERT_EQ(pipe2(log, O_CLOEXEC), 0);
  ASSERT_EQ(pipe2(complaints, O_CLOEXEC), 0);
  log_fd_ = log[0];
  log_write_fd_ = log[1];
  complaints_fd_ = complaints[0];
  if (reader == log_reader::is_gone) {
    close(log_fd_);
    log_fd_ = -1;
  }
  started_ = std::chrono::steady_clock::now();
  pid_ = fork();
  ASSERT_GE(pid_, 0);
  if (pid_ == 0) {
    int const nothing = open("/dev/null", O_RDONLY);
    dup2(nothing, 0);
    dup2(log[1], 1);
    dup2(complaints[1], 2);
    // What a careless parent leaves behind: a descriptor, and signals ignored and blocked.
    dup2(nothing, 9);
    std::signal(SIGUSR1, SIG_IGN);
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigprocmask(SIG_BLOCK, &blocked, nullptr);
    setenv("PATH", "/usr/bin:/bin", 1);
    execv(arguments[0], arguments.data());
    _exit(99);
  }
  close(complaints[1]);
}

bool sandbox::read_more(int timeout_ms) {
  bool const reads_log = (reader == log_reader::reads || reader == log_reader::reads_slowly) && log_fd_ >= 0;
  pollfd wanted[] = {{reads_log ? log_fd_ : -1, POLLIN, 0}, {complaints_fd_, POLLIN, 0}};
  if (poll(wanted, 2, timeout_ms) <= 0) return false;
  char buffer[65536];
  for (auto const& [ready, text] :
       {std::pair{wanted[0], &outcome_.raw_log}, std::pair{wanted[1], &outcome_.complaints}}) {
    if (ready.revents == 0) continue;
    bool const slowly = reader == log_reader::reads_slowly && ready.fd == log_fd_;
    if (slowly) std::this_thread::sleep_for(1ms);
    auto const count = read(ready.fd, buffer, slowly ? 4096 : sizeof buffer);
    if (count > 0) {
      text->append(buffer, static_cast<std::size_t>(count));
    } else if (ready.fd == complaints_fd_) {
      close(complaints_fd_);
      complaints_fd_ = -1;
    }
  }
  return true;
}

void sandbox::wait_for_log(std::string const& text) {
  while (outcome_.raw_log.find(text) == std::string::npos) {
    read_more(100);
    if (std::chrono::steady_clock::now() - started_ > patience) {
      FAIL() << "the log never said '" << text << "': " << outcome_.raw_log << outcome_.complaints;
    }
  }
}

void sandbox::terminate() {
  if (where_ == placement::gvisor) {
    std::string const command = std::string(CODEEXEC_RUNSC) + " --root=" + (base_ / "state").string() + " kill " + id_ +
                                " TERM </dev/null 2>&1 | cat >/dev/null";
    ASSERT_EQ(std::system(command.c_str()), 0);
    return;
  }
  int target = pid_;
  if (where_ == placement::init) {
    auto const self = std::to_string(pid_);
    std::ifstream("/proc/" + self + "/task/" + self + "/children") >> target;
    ASSERT_NE(target, pid_) << "unshare has no child";
  }
  ASSERT_EQ(kill(target, SIGTERM), 0);
}

void sandbox::kill_started() {
  if (pid_ < 0) return;
  if (where_ == placement::gvisor) {
    std::string const command = std::string(CODEEXEC_RUNSC) + " --root=" + (base_ / "state").string() +
                                " delete --force " + id_ + " </dev/null 2>&1 | cat >/dev/null";
    if (std::system(command.c_str()) != 0) ADD_FAILURE() << "cannot delete the sandbox " << id_;
  }
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

outcome sandbox::finish() {
  int status = 0;
  for (;;) {
    read_more(20);
    auto const ended = waitpid(pid_, &status, WNOHANG);
    if (ended == pid_) break;
    if (std::chrono::steady_clock::now() - started_ > patience) {
      auto const size = outcome_.raw_log.size();
      ADD_FAILURE() << "still running after 30 s; the log has " << size
                    << " bytes and ends with: " << outcome_.raw_log.substr(size > 400 ? size - 400 : 0);
      kill_started();
      return outcome_;
    }
  }
  pid_ = -1;
  outcome_.took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - started_);
  outcome_.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  outcome_.stdout_left_blocking = (fcntl(log_write_fd_, F_GETFL) & O_NONBLOCK) == 0;
  close(log_write_fd_);
  log_write_fd_ = -1;
  if (reader == log_reader::reads || reader == log_reader::reads_slowly) {
    char buffer[65536];
    for (ssize_t count; (count = read(log_fd_, buffer, sizeof buffer)) > 0;) {
      outcome_.raw_log.append(buffer, static_cast<std::size_t>(count));
    }
  }
  while (complaints_fd_ >= 0 && read_more(1000)) {
  }
  outcome_.log = read_log(outcome_.raw_log);
  outcome_.raw_message = read_file(base_ / "termination-log");
  outcome_.message = nlohmann::json::parse(outcome_.raw_message, nullptr, false);
  return outcome_;
}

outcome sandbox::run(std::vector<std::string> const& command) {
  start(command);
  return finish();
}

}  // namespace codeexec::runner::testing
