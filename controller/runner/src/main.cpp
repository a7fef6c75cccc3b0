// codeexec-runner: PID 1 of the pod. controller/wire/README.md is its contract.

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codeexec/runner/arguments.hpp"
#include "codeexec/runner/lifecycle.hpp"
#include "codeexec/runner/result.hpp"

#include "code_stream.hpp"
#include "command.hpp"
#include "log_output.hpp"
#include "processes.hpp"
#include "system.hpp"
#include "workspace.hpp"

namespace codeexec::runner {
namespace {

/// The token lies in our arguments, and those any process may read: /proc/1/cmdline.
void take_token(options const& given, text_writer& token) {
  if (given.token == nullptr) return;
  size_t const size = strlen(given.token);
  token.append(bytes(given.token, size));
  memset(given.token, 'x', size);
}

int block_signals_into_descriptor() {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  sigset_t wanted;
  sigemptyset(&wanted);
  int const numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
  for (int const number : numbers)
    sigaddset(&wanted, number);
  return signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
}

struct pipe_ends {
  int read = -1;
  int write = -1;
};

bool make_pipe(pipe_ends& made) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  // Only our end: the command must not find its stdout non-blocking.
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  made = {ends[0], ends[1]};
  return true;
}

class session {
 public:
  /// `termination_log`: -1 where there is none. It is open before the code starts, so that the code cannot put another
  /// file in its place.
  session(options const& given, int termination_log) : given_(given), termination_log_(termination_log), log_(1) {
    take_token(given, token_);
    result_.token = token_.view();
  }

  /// These return the runner's exit code.
  int run();
  int refuse(char const* error, bytes message);

 private:
  bool set_up(command_setup& setup, pipe_ends& out, pipe_ends& err, text_writer& problem);
  void watch(processes& code, lifecycle& life, code_stream& out, code_stream& err, int signals);
  void read_signals(processes& code, lifecycle& life, int signals) const;
  void describe_end(processes const& code, lifecycle const& life);
  int report(code_stream* out, code_stream* err);
  bool finish_log(code_stream* out, code_stream* err, bytes result);

  options const& given_;
  int termination_log_;
  log_output log_;
  text_buffer<wire::max_token_size> token_;
  result result_;
  bool const is_init_ = getpid() == 1;
};

bool session::set_up(command_setup& setup, pipe_ends& out, pipe_ends& err, text_writer& problem) {
  if (given_.input != nullptr && !copy_input(given_.input, given_.workspace, problem)) return false;
  char const* what = nullptr;
  char const* path = "";
  if (chdir(given_.workspace) != 0) {
    what = "cannot enter the workspace ";
    path = given_.workspace;
  } else if ((setup.stdin_fd = open(given_.stdin_file, O_RDONLY | O_CLOEXEC)) < 0) {
    what = "cannot open the standard input ";
    path = given_.stdin_file;
  } else if (!make_pipe(out) || !make_pipe(err)) {
    what = "cannot make a pipe";
  } else {
    return true;
  }
  int const error = errno;
  problem.append(what);
  problem.append(path);
  problem.append(": ");
  append_errno(problem, error);
  return false;
}

int session::run() {
  result_.gvisor = runs_in_gvisor();
  if (given_.require_sandbox && !result_.gvisor) {
    return refuse(wire::error_sandbox_unverified,
                  "this pod does not run in gVisor, which is required here: the code was not started");
  }

  command_setup setup;
  setup.arguments = given_.command;
  setup.max_processes = given_.max_processes;
  setup.max_file_bytes = given_.max_file_bytes;
  setup.in_gvisor = result_.gvisor;
  setup.is_init = is_init_;
  pipe_ends out_pipe;
  pipe_ends err_pipe;
  message_buffer problem;
  if (!set_up(setup, out_pipe, err_pipe, problem)) return refuse(wire::error_setup_failed, problem.view());
  setup.stdout_fd = out_pipe.write;
  setup.stderr_fd = err_pipe.write;

  // Orphans come to PID 1 by themselves.
  if (!is_init_) prctl(PR_SET_CHILD_SUBREAPER, 1);
  int const signals = block_signals_into_descriptor();

  uint64_t const started = monotonic_micros();
  result_.started_at_micros = unix_micros();
  static start_failure failure;
  pid_t const command = start_command(setup, failure);
  if (command == 0) return refuse(failure.error, failure.message.view());
  result_.started = true;
  close(setup.stdin_fd);
  close(setup.stdout_fd);
  close(setup.stderr_fd);

  static code_stream out(wire::frame_stdout, given_.max_output_bytes, out_pipe.read);
  static code_stream err(wire::frame_stderr, given_.max_output_bytes, err_pipe.read);
  processes code(command, is_init_);
  lifecycle life(started, given_.timeout_ms, given_.grace_ms);
  watch(code, life, out, err, signals);

  bool const ended_by_itself = code.command_ended();
  result_.still_open = life.still_open();
  // Before the report: whoever lives on could write to the termination log, or to our stdout where gVisor lets it.
  code.kill_all();
  result_.wall_micros = (ended_by_itself ? life.ended_at() : monotonic_micros()) - started;
  out.drain(log_);
  err.drain(log_);
  describe_end(code, life);
  return report(&out, &err);
}

void session::describe_end(processes const& code, lifecycle const& life) {
  rusage used = {};
  getrusage(RUSAGE_CHILDREN, &used);
  result_.cpu_micros = static_cast<uint64_t>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
                       static_cast<uint64_t>(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
  result_.max_rss_bytes = static_cast<uint64_t>(used.ru_maxrss) * 1024;

  int const status = code.command_status();
  if (code.command_ended() && WIFEXITED(status)) {
    result_.has_exit_code = true;
    result_.exit_code = WEXITSTATUS(status);
  } else {
    result_.signal = code.command_ended() ? WTERMSIG(status) : SIGKILL;
  }
  result_.end = life.timed_out()        ? wire::end_timed_out
                : life.terminated()     ? wire::end_terminated
                : result_.has_exit_code ? wire::end_exited
                                        : wire::end_signaled;
}

void session::watch(processes& code, lifecycle& life, code_stream& out, code_stream& err, int signals) {
  bool out_first = true;
  for (;;) {
    read_signals(code, life, signals);
    if (out.closed() && err.closed()) life.pipes_closed();
    uint64_t const now = monotonic_micros();
    switch (life.next(now)) {
      case lifecycle::action::finish:
        return;
      case lifecycle::action::terminate:
        code.ask_to_stop();
        continue;
      case lifecycle::action::wait:
        break;
    }

    pollfd wanted[] = {
        {signals, POLLIN, 0},
        {out.wants_input() ? out.descriptor() : -1, POLLIN, 0},
        {err.wants_input() ? err.descriptor() : -1, POLLIN, 0},
        {log_.has_pending() ? log_.descriptor() : -1, POLLOUT, 0},
    };
    uint64_t const deadline = life.deadline();
    uint64_t const left_ms = (deadline - now) / 1000 + 1;
    int const timeout = deadline == lifecycle::never ? -1 : left_ms > INT_MAX ? INT_MAX : static_cast<int>(left_ms);
    poll(wanted, sizeof wanted / sizeof wanted[0], timeout);

    // One read of each a turn, and room in the queue to each in turn: neither stream can starve the other.
    bool const out_ready = wanted[1].revents != 0;
    bool const err_ready = wanted[2].revents != 0;
    if (out_ready) out.read(log_);
    if (err_ready) err.read(log_);
    if (out_ready || err_ready) life.output_seen(monotonic_micros());
    if (wanted[3].revents != 0) log_.write();
    code_stream& first = out_first ? out : err;
    code_stream& second = out_first ? err : out;
    out_first = !out_first;
    // Writing for one stream may make room for what the other has waiting: nothing may wait at an empty queue, since
    // nothing would wake it.
    do {
      first.forward(log_);
      second.forward(log_);
    } while (!log_.has_pending() && (first.is_waiting() || second.is_waiting()));
  }
}

void session::read_signals(processes& code, lifecycle& life, int signals) const {
  signalfd_siginfo info;
  bool any = false;
  bool stop = false;
  while (read(signals, &info, sizeof info) == sizeof info) {
    any = true;
    // Sender 0 is outside our PID namespace: the kubelet. The code must not make the runner say it was told to stop.
    if (info.ssi_signo != SIGCHLD && (!is_init_ || info.ssi_pid == 0)) stop = true;
  }
  if (!any) return;
  // The end before the request: a command that has ended was not stopped.
  bool const known = code.command_ended();
  if (code.reap() && !known) life.command_ended(monotonic_micros());
  if (stop) life.stop_requested(monotonic_micros());
}

int session::refuse(char const* error, bytes message) {
  result_.end = wire::end_not_started;
  result_.error = error;
  result_.message = message;
  return report(nullptr, nullptr);
}

int session::report(code_stream* out, code_stream* err) {
  if (out != nullptr && err != nullptr) {
    result_.stdout_bytes = out->keeper().total();
    result_.stderr_bytes = err->keeper().total();
    result_.has_output = out->keeper().is_small() && err->keeper().is_small();
    result_.stdout_text = out->keeper().small();
    result_.stderr_text = err->keeper().small();
  }
  static result_buffer text;
  write_result(result_, text);

  // First the file: the log may have a reader that takes nothing. Whatever the code wrote into the file goes.
  if (termination_log_ >= 0 && ftruncate(termination_log_, 0) == 0) {
    lseek(termination_log_, 0, SEEK_SET);
    write_all(termination_log_, text.view());
  }
  finish_log(out, err, text.view());
  return runner_exit_code(result_);
}

/// False where the log's reader has stalled.
bool session::finish_log(code_stream* out, code_stream* err, bytes result) {
  if (out != nullptr && !out->flush(log_)) return false;
  if (err != nullptr && !err->flush(log_)) return false;
  while (!log_.queue().push(wire::frame_result, 'F', result)) {
    if (!log_.wait_and_write()) return false;
  }
  log_.write();
  while (log_.has_pending()) {
    if (!log_.wait_and_write()) return false;
  }
  return true;
}

int run(int argc, char** argv) {
  open_standard_descriptors();
  static options given;
  message_buffer problem;
  auto const outcome = parse_arguments(argc, argv, given, problem);
  if (outcome == parse_outcome::show_help) {
    write_all(1, help_text);
    return 0;
  }
  if (outcome == parse_outcome::show_version) {
    write_all(1, "codeexec-runner " CODEEXEC_VERSION "\n");
    return 0;
  }

  // The code has our user id. This keeps it from our memory, and on Linux from our descriptors under /proc.
  prctl(PR_SET_DUMPABLE, 0);
  close_descriptors_on_exec();
  session session(given, open(given.termination_log, O_WRONLY | O_CLOEXEC));
  if (outcome == parse_outcome::wrong) {
    write_all(2, "codeexec-runner: ");
    write_all(2, problem.view());
    write_all(2, "; --help lists the flags\n");
    return session.refuse(wire::error_setup_failed, problem.view());
  }
  return session.run();
}

}  // namespace
}  // namespace codeexec::runner

int main(int argc, char** argv) {
  return codeexec::runner::run(argc, argv);
}
