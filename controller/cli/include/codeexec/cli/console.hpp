// Our two output streams. Writing may block for as long as a reader likes (`| less`), so it is done on a thread of its
// own, in order, and the event loop goes on answering Ctrl-C.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "codeexec/async/event.hpp"
#include "codeexec/cli/frame_reader.hpp"
#include "codeexec/cli/terminal_filter.hpp"

namespace codeexec::cli {

/// Bytes for one of the streams.
struct piece {
  stream_name to = stream_name::out;
  std::string bytes;
};

/// Thread: the executor's. Lifetime: flush() before destruction; the destructor waits for the writer.
class console {
 public:
  console(boost::asio::any_io_executor executor, int out_fd, int err_fd);
  console(console const&) = delete;
  console& operator=(console const&) = delete;
  ~console();

  bool err_is_terminal() const { return err_is_terminal_; }
  bool out_is_terminal() const { return out_is_terminal_; }
  /// Of stderr's terminal; 80 where it has none.
  std::size_t columns() const;
  /// Of stdout's terminal; 0 where it has none, or does not know.
  std::size_t out_columns() const;
  std::size_t out_rows() const;

  /// Takes the pieces in order; write errors show in failure() later. Removes the spinner first.
  void write(std::vector<piece> pieces);
  void write(stream_name to, std::string bytes);
  /// What the code wrote. A terminal gets it without what would drive it (terminal_filter.hpp), unless raw_output().
  void relay(std::vector<piece> pieces);
  void relay(stream_name to, std::string bytes);
  void raw_output() { raw_ = true; }
  /// The code's output is over: what a terminal_filter held back, and the end of a colour.
  void end_relay();
  /// A message of ours on stderr, on a line of its own.
  void say(std::string_view line);
  /// Draws over the line that the last call drew. Skipped while the writer is busy.
  void draw_spinner(std::string const& frame);

  /// A whole screen on stdout. Skipped while the writer is busy: false.
  bool draw_screen(std::string bytes);

  /// Until what was given so far is written, or failed to be. Cancellable.
  boost::asio::awaitable<void> flush();
  /// False: the time was not enough, because nobody reads.
  boost::asio::awaitable<bool> flush_until(base::deadline by);

  /// errno of the first write to stdout that failed (EPIPE: the reader is gone), or 0. What comes after it is dropped.
  int failure() const { return failure_; }
  /// Pulsed when failure() changes.
  async::event& failed() { return failed_; }

  /// Removes the spinner and ends the process without waiting for anybody.
  [[noreturn]] void leave_at_once(int exit_code) const;

 private:
  void hand_over(std::vector<piece> pieces);
  void note_line_end(stream_name to, std::string const& bytes);

  boost::asio::any_io_executor executor_;
  int out_fd_;
  int err_fd_;
  bool out_is_terminal_;
  bool err_is_terminal_;
  bool raw_ = false;
  terminal_filter out_filter_;
  terminal_filter err_filter_;
  bool spinner_shown_ = false;
  bool err_mid_line_ = false;  ///< what was last seen where stderr goes did not end with a newline
  std::uint64_t given_ = 0;
  std::uint64_t written_ = 0;
  int failure_ = 0;
  async::event progress_;
  async::event failed_;
  boost::asio::thread_pool writer_{1};
};

}  // namespace codeexec::cli
