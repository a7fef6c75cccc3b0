// Runs the real command line as a child process, as a shell would.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace codeexec::testing {

/// Lifetime: kills the child where it still runs. Every wait is bounded; one that is not answered fails the test.
class child {
 public:
  struct settings {
    std::string stdin_text;           ///< given through a pipe, which is then closed
    bool stdin_is_null = true;        ///< /dev/null instead, where there is no text
    std::string program;              ///< empty: build/bin/codeexec
    bool on_terminal = false;         ///< stdout and stderr are one terminal of 40 columns; both are read as out()
    bool keys_from_terminal = false;  ///< stdin is that terminal too: see type()
    std::vector<std::string> env;     ///< "K=V", added
  };

  explicit child(std::vector<std::string> const& arguments) : child(arguments, settings{}) {}
  child(std::vector<std::string> const& arguments, settings const& how);
  child(child const&) = delete;
  child& operator=(child const&) = delete;
  ~child();

  /// Reads stdout until it holds `text`. False where that does not happen in time.
  bool wait_for_out(std::string const& text);
  bool wait_for_err(std::string const& text);
  void signal(int number) const;
  /// As a person does at the terminal.
  void type(std::string const& keys) const;
  void resize(unsigned short columns, unsigned short rows) const;
  /// Whether the terminal shows what is typed, line by line: how a shell leaves and expects it.
  bool terminal_echoes() const;
  /// As `| head` does once it has enough.
  void close_out();
  /// Until it has ended and its streams are read: the exit code, 128 + n for a signal, -1 where it did not end in time.
  int wait();

  /// The same, but that nobody reads what it writes.
  int wait_without_reading();

  std::string const& out() const { return out_; }
  std::string const& err() const { return err_; }

 private:
  bool pump(std::chrono::steady_clock::time_point until);

  int pid_ = -1;
  int out_fd_ = -1;
  int err_fd_ = -1;
  std::string out_;
  std::string err_;
};

}  // namespace codeexec::testing
