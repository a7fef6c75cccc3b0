#include "process_container.hpp"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <signal.h>
#include <sys/stat.h>
#include <utility>

namespace codeexec::local {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

// After its end, how long the pipe may be silent in the hands of a process that is just being killed ...
constexpr std::chrono::seconds drain_time{1};
// ... and how often something may still come of it. On a busy machine much can be left in the pipe.
constexpr int drain_rounds = 10;

/// What the callbacks hold on to. `owner_gone` silences them.
struct running : std::enable_shared_from_this<running> {
  running(asio::any_io_executor executor, process_container_options given)
      : options(std::move(given)), output(executor), begun(executor), drain(executor) {}

  process_container_options options;
  std::unique_ptr<process> child;
  std::unique_ptr<cgroup> group;
  asio::posix::stream_descriptor output;
  asio::posix::stream_descriptor begun;
  asio::steady_timer drain;
  std::array<char, 64 * 1024> buffer{};
  std::optional<container_exit> end;
  bool owner_gone = false;
  bool started = false;
  bool open = true;
  bool told = false;
  std::size_t received = 0;

  void read() {
    output.async_read_some(asio::buffer(buffer), [self = shared_from_this()](error_code error, std::size_t got) {
      self->on_read(error, got);
    });
  }

  void on_read(error_code error, std::size_t got) {
    if (owner_gone || told) {
      return;
    }
    if (got > 0) {
      received += got;
      mark_started();
      options.events.output(std::string_view(buffer.data(), got));
      if (owner_gone) {
        return;
      }
    }
    if (error) {
      open = false;
      finish();
      return;
    }
    read();
  }

  void watch_begun() {
    begun.async_wait(asio::posix::descriptor_base::wait_read, [self = shared_from_this()](error_code error) {
      if (!error && !self->owner_gone) {
        self->mark_started();
      }
    });
  }

  void mark_started() {
    if (started || end) {
      return;
    }
    started = true;
    error_code ignored;
    begun.cancel(ignored);
    if (group != nullptr && options.spec.limits.cpu_millis) {
      group->limit_cpu(*options.spec.limits.cpu_millis);
    }
    options.events.started();
  }

  void on_child_end(process_exit how) {
    if (owner_gone) {
      return;
    }
    auto judged = options.judge(how);
    judged.oom_killed = !judged.start_error && group != nullptr && judged.exit_code != 0 && group->oom_killed();
    if (judged.oom_killed) {
      // Whichever of the sandbox's processes the kernel chose: for the container it is its own end by SIGKILL.
      judged.exit_code = 128 + SIGKILL;
    }
    if (!judged.start_error) {
      mark_started();
    }
    end = std::move(judged);
    if (group != nullptr) {
      group->kill_all();
    }
    if (!open) {
      finish();
      return;
    }
    await_silence(drain_rounds);
  }

  void await_silence(int rounds_left) {
    drain.expires_after(drain_time);
    drain.async_wait([self = shared_from_this(), rounds_left, before = received](error_code error) {
      if (error || self->owner_gone || !self->open) {
        return;
      }
      if (self->received != before && rounds_left > 0) {
        self->await_silence(rounds_left - 1);
        return;
      }
      self->open = false;
      self->finish();
    });
  }

  void finish() {
    if (open || !end || told) {
      return;
    }
    told = true;
    close();
    options.events.exited(std::move(*end));
  }

  void close() {
    error_code ignored;
    output.close(ignored);
    begun.close(ignored);
    drain.cancel();
    if (options.groups != nullptr) {
      options.groups->retire(std::move(group));
    }
  }
};

class process_container : public container {
 public:
  explicit process_container(std::shared_ptr<running> what) : running_(std::move(what)) {}
  ~process_container() override {
    running_->owner_gone = true;
    running_->child.reset();
    running_->close();
  }

  void signal(int number) override {
    if (running_->end) {
      return;
    }
    running_->options.signal(*running_->child, number);
    if (number == SIGKILL && running_->group != nullptr) {
      running_->group->kill_all();
    }
  }

 private:
  std::shared_ptr<running> running_;
};

}  // namespace

base::result<std::unique_ptr<container>> start_process_container(asio::any_io_executor executor,
                                                                 process_container_options options) {
  auto pipe = make_pipe();
  if (!pipe) {
    return pipe.error();
  }
  auto what = std::make_shared<running>(executor, std::move(options));
  auto& given = what->options;
  if (given.groups != nullptr) {
    what->group = given.groups->make(given.spec.id, given.spec.limits);
  }
  if (what->group != nullptr) {
    given.child.cgroups = what->group->procs_files();
  }
  given.child.output = pipe->write.get();
  auto const errors = reopen_for_writing(pipe->write.get());
  given.child.errors = errors.get();
  if (!given.begun.empty()) {
    // Opened for both directions, so that it neither waits for a writer nor ends with one.
    if (mkfifo(given.begun.c_str(), 0600) != 0) {
      return base::error("mkfifo " + given.begun.string() + ": " + std::strerror(errno));
    }
    int const fd = ::open(given.begun.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
      return base::error("open " + given.begun.string() + ": " + std::strerror(errno));
    }
    what->begun.assign(fd);
  }
  auto child = process::start(executor, given.child);
  if (!child) {
    what->close();
    return child.error();
  }
  what->child = std::move(*child);
  what->output.assign(pipe->read.release());
  what->read();
  if (given.begun.empty()) {
    asio::post(executor, [what] {
      if (!what->owner_gone) {
        what->mark_started();
      }
    });
  } else {
    what->watch_begun();
  }
  what->child->async_wait([what](process_exit how) { what->on_child_end(how); });
  return std::unique_ptr<container>(std::make_unique<process_container>(what));
}

}  // namespace codeexec::local
