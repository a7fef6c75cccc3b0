#include "codeexec/kube_client/program.hpp"

#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <map>
#include <optional>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codeexec/base/encoding.hpp"
#include "codeexec/base/log.hpp"

namespace codeexec::kube {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr std::size_t most_output = 1024UL * 1024;
constexpr std::size_t longest_line = 1024;
constexpr int most_lines_logged = 100;
/// From SIGTERM to SIGKILL.
constexpr auto grace = 2s;
constexpr auto slowest_look = 50ms;

class descriptor {
 public:
  descriptor() = default;
  explicit descriptor(int fd) : fd_(fd) {}
  descriptor(descriptor&& from) noexcept : fd_(std::exchange(from.fd_, -1)) {}
  descriptor& operator=(descriptor&& from) noexcept {
    std::swap(fd_, from.fd_);
    return *this;
  }
  ~descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  void close() { *this = descriptor(); }

 private:
  int fd_ = -1;
};

struct pipe_ends {
  descriptor read;
  descriptor write;
};

std::optional<pipe_ends> make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return std::nullopt;
  pipe_ends out{descriptor(fds[0]), descriptor(fds[1])};
  if (::fcntl(out.read.get(), F_SETFL, O_NONBLOCK) != 0) return std::nullopt;
  return out;
}

/// posix_spawn's two sets of instructions, released in the end.
struct spawn_instructions {
  posix_spawn_file_actions_t files{};
  posix_spawnattr_t attributes{};
  spawn_instructions() {
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawnattr_init(&attributes);
  }
  spawn_instructions(spawn_instructions const&) = delete;
  spawn_instructions& operator=(spawn_instructions const&) = delete;
  ~spawn_instructions() {
    ::posix_spawn_file_actions_destroy(&files);
    ::posix_spawnattr_destroy(&attributes);
  }
};

/// Our own environment with some variables changed. Built anew, since of two of the same name the first counts.
std::vector<std::string> environment_with(std::vector<std::pair<std::string, std::string>> const& changes) {
  std::map<std::string, std::string> variables;
  for (char** at = environ; at != nullptr && *at != nullptr; ++at) {
    std::string_view const one = *at;
    auto const equals = one.find('=');
    if (equals != std::string_view::npos) variables.emplace(one.substr(0, equals), one.substr(equals + 1));
  }
  for (auto const& [name, value] : changes)
    variables[name] = value;
  std::vector<std::string> out;
  out.reserve(variables.size());
  for (auto const& [name, value] : variables) {
    out.push_back(name);
    out.back().append("=").append(value);
  }
  return out;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (auto& text : texts)
    out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

/// Then it stays in our process group: the terminal's Ctrl-C ends both of us, and it may read there.
bool shares_terminal(program const& what) {
  return what.stdin_is_ours || what.stderr_is_ours;
}

/// errno, or 0 and the process.
int spawn(program const& what, descriptor const& out, descriptor const& err, pid_t& pid) {
  spawn_instructions how;
  if (!what.stdin_is_ours) ::posix_spawn_file_actions_addopen(&how.files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&how.files, out.get(), STDOUT_FILENO);
  if (!what.stderr_is_ours) ::posix_spawn_file_actions_adddup2(&how.files, err.get(), STDERR_FILENO);
  // Not every descriptor of this process is marked close-on-exec: Asio's sockets are not. A plugin that leaves
  // something running behind would hold connections to the API server open.
  ::posix_spawn_file_actions_addclosefrom_np(&how.files, STDERR_FILENO + 1);

  // What we ignore or block, the program would ignore or block, too.
  sigset_t defaults;
  sigset_t none;
  ::sigemptyset(&none);
  ::sigemptyset(&defaults);
  for (int const signal : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD})
    ::sigaddset(&defaults, signal);
  ::posix_spawnattr_setsigdefault(&how.attributes, &defaults);
  ::posix_spawnattr_setsigmask(&how.attributes, &none);
  int flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
  if (!shares_terminal(what)) {
    flags |= POSIX_SPAWN_SETPGROUP;
    ::posix_spawnattr_setpgroup(&how.attributes, 0);
  }
  ::posix_spawnattr_setflags(&how.attributes, static_cast<short>(flags));

  std::vector<std::string> args{what.command};
  args.insert(args.end(), what.args.begin(), what.args.end());
  auto env = environment_with(what.env);
  return ::posix_spawnp(&pid, what.command.c_str(), &how.files, &how.attributes, pointers_to(args).data(),
                        pointers_to(env).data());
}

/// Lives on in the timer's handler; running_program's destructor cuts it off from everything else.
///
/// It looks at the process and its pipes now and then, at first often. Nothing better is the process's own to use: a
/// SIGCHLD handler belongs to the whole program, pidfds are missing in gVisor, and the end of a pipe comes late where
/// a plugin leaves a helper running.
class run : public std::enable_shared_from_this<run> {
 public:
  run(asio::any_io_executor executor, program what, program_handler done)
      : what_(std::move(what)), timer_(executor), done_(std::move(done)) {}

  void start() {
    auto out = make_pipe();
    auto err = make_pipe();
    auto failed = EMFILE;
    if (out && err) failed = spawn(what_, out->write, err->write, pid_);
    if (failed != 0) {
      end_.what = failed == ENOENT ? program_end::how::not_found : program_end::how::not_started;
      end_.code = failed;
      asio::post(timer_.get_executor(), [self = shared_from_this()] { self->finish(); });
      return;
    }
    running_ = true;
    out_ = std::move(out->read);
    err_ = std::move(err->read);
    terminate_at_ = steady_clock::now() + what_.limit;
    look_again();
  }

  void abandon() {
    done_ = nullptr;
    timer_.cancel();
    if (!running_) return;
    signal(SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
    running_ = false;
  }

 private:
  void signal(int number) const { ::kill(shares_terminal(what_) ? pid_ : -pid_, number); }

  void look_again() {
    timer_.expires_after(pause_);
    pause_ = std::min<std::chrono::milliseconds>(pause_ * 2, slowest_look);
    timer_.async_wait([self = shared_from_this()](boost::system::error_code const&) {
      // The object may be gone though the timer fired: abandon() came in between.
      if (self->running_) self->look();
    });
  }

  void look() {
    read_output();
    read_words();
    int status = 0;
    auto const ended = ::waitpid(pid_, &status, WNOHANG);
    if (ended != pid_ && !(ended < 0 && errno == ECHILD)) {
      end_if_due();
      look_again();
      return;
    }
    running_ = false;
    // What it wrote between the last look and its end. A helper it left behind may hold the pipes open: nobody waits
    // for that.
    read_output();
    read_words();
    if (!line_.empty()) word(line_);
    if (!stopped_for_) {
      end_.what = WIFSIGNALED(status) ? program_end::how::signaled : program_end::how::exited;
      end_.code = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
    } else {
      end_.what = *stopped_for_;
    }
    finish();
  }

  void end_if_due() {
    auto const now = steady_clock::now();
    if (now < terminate_at_) return;
    if (!stopped_for_) stopped_for_ = program_end::how::timed_out;
    signal(kill_at_ && now >= *kill_at_ ? SIGKILL : SIGTERM);
    if (!kill_at_) kill_at_ = now + grace;
  }

  void read_output() {
    std::array<char, 16384> piece;
    for (;;) {
      auto const got = ::read(out_.get(), piece.data(), piece.size());
      if (got <= 0) return;
      if (stopped_for_) continue;
      end_.output.append(piece.data(), static_cast<std::size_t>(got));
      if (end_.output.size() <= most_output) continue;
      end_.output.clear();
      stopped_for_ = program_end::how::wrote_too_much;
      terminate_at_ = steady_clock::now();
      return;
    }
  }

  void read_words() {
    std::array<char, 4096> piece;
    for (;;) {
      auto const got = ::read(err_.get(), piece.data(), piece.size());
      if (got <= 0) return;
      for (char const c : std::string_view(piece.data(), static_cast<std::size_t>(got))) {
        if (c == '\n') {
          word(line_);
          line_.clear();
        } else if (line_.size() < longest_line) {
          line_ += c;
        }
      }
    }
  }

  void word(std::string const& line) {
    auto const end = line.find_last_not_of(" \t\r");
    if (end == std::string::npos) return;
    end_.last_words = base::repair_utf8(line.substr(0, end + 1));
    if (++lines_ > most_lines_logged) return;
    base::log::info("the credential plugin says",
                    {base::log::kv("command", what_.command), base::log::kv("text", end_.last_words)});
  }

  void finish() {
    if (!done_) return;
    auto const done = std::exchange(done_, nullptr);
    done(std::move(end_));
  }

  program what_;
  asio::steady_timer timer_;
  program_handler done_;
  pid_t pid_ = -1;
  bool running_ = false;
  descriptor out_;
  descriptor err_;
  std::string line_;
  int lines_ = 0;
  std::chrono::milliseconds pause_{2};
  steady_clock::time_point terminate_at_;
  std::optional<steady_clock::time_point> kill_at_;
  std::optional<program_end::how> stopped_for_;
  program_end end_;
};

class owned_run final : public running_program {
 public:
  explicit owned_run(std::shared_ptr<run> r) : run_(std::move(r)) {}
  ~owned_run() override { run_->abandon(); }

 private:
  std::shared_ptr<run> run_;
};

}  // namespace

program_runner system_programs() {
  return [](asio::any_io_executor executor, program what, program_handler done) -> std::unique_ptr<running_program> {
    auto const one = std::make_shared<run>(std::move(executor), std::move(what), std::move(done));
    auto owner = std::make_unique<owned_run>(one);
    one->start();
    return owner;
  };
}

}  // namespace codeexec::kube
