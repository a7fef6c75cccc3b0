#include "codeexec/cli/console.hpp"

#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstdlib>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utility>

#include "codeexec/base/help.hpp"

namespace codeexec::cli {

namespace {

constexpr std::string_view erase_line = "\r\x1b[K";

/// 0, or errno. Blocking, on the writer's thread.
int write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    auto const n = ::write(fd, bytes.data(), bytes.size());
    if (n >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN) {
      // Someone who shares the terminal has made it non-blocking.
      pollfd ready{fd, POLLOUT, 0};
      ::poll(&ready, 1, -1);
      continue;
    }
    return errno;
  }
  return 0;
}

}  // namespace

console::console(boost::asio::any_io_executor executor, int out_fd, int err_fd)
    : executor_(executor),
      out_fd_(out_fd),
      err_fd_(err_fd),
      out_is_terminal_(::isatty(out_fd) == 1),
      err_is_terminal_(::isatty(err_fd) == 1),
      progress_(executor),
      failed_(executor) {}

console::~console() {
  writer_.join();
}

std::size_t console::columns() const {
  return base::columns_of(err_fd_);
}

namespace {

winsize size_of(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0) return {};
  return size;
}

}  // namespace

std::size_t console::out_columns() const {
  return out_is_terminal_ ? size_of(out_fd_).ws_col : 0;
}

std::size_t console::out_rows() const {
  return out_is_terminal_ ? size_of(out_fd_).ws_row : 0;
}

void console::hand_over(std::vector<piece> pieces) {
  ++given_;
  auto const out = out_fd_;
  auto const err = err_fd_;
  boost::asio::post(writer_, [this, out, err, pieces = std::move(pieces)] {
    int failure = 0;
    for (auto const& p : pieces) {
      auto const code = write_all(p.to == stream_name::out ? out : err, p.bytes);
      // A closed stderr takes away our words, not the result.
      if (code != 0 && p.to == stream_name::out) {
        failure = code;
        break;
      }
    }
    boost::asio::post(executor_, [this, failure] {
      ++written_;
      if (failure != 0 && failure_ == 0) {
        failure_ = failure;
        failed_.pulse();
      }
      progress_.pulse();
    });
  });
}

void console::note_line_end(stream_name to, std::string const& bytes) {
  if (bytes.empty()) return;
  auto const same_place = to == stream_name::err || (out_is_terminal_ && err_is_terminal_);
  if (same_place) err_mid_line_ = bytes.back() != '\n';
}

void console::write(std::vector<piece> pieces) {
  if (failure_ != 0) {
    std::erase_if(pieces, [](piece const& p) { return p.to == stream_name::out; });
  }
  std::erase_if(pieces, [](piece const& p) { return p.bytes.empty(); });
  if (pieces.empty()) return;
  for (auto const& p : pieces)
    note_line_end(p.to, p.bytes);
  if (spinner_shown_) {
    spinner_shown_ = false;
    pieces.insert(pieces.begin(), piece{stream_name::err, std::string(erase_line)});
  }
  hand_over(std::move(pieces));
}

void console::write(stream_name to, std::string bytes) {
  std::vector<piece> pieces;
  pieces.push_back(piece{to, std::move(bytes)});
  write(std::move(pieces));
}

void console::relay(std::vector<piece> pieces) {
  if (!raw_) {
    for (auto& p : pieces) {
      auto const is_out = p.to == stream_name::out;
      if (is_out ? out_is_terminal_ : err_is_terminal_) p.bytes = (is_out ? out_filter_ : err_filter_).pass(p.bytes);
    }
  }
  write(std::move(pieces));
}

void console::relay(stream_name to, std::string bytes) {
  std::vector<piece> pieces;
  pieces.push_back(piece{to, std::move(bytes)});
  relay(std::move(pieces));
}

void console::end_relay() {
  std::vector<piece> pieces;
  pieces.push_back(piece{stream_name::out, out_filter_.finish()});
  pieces.push_back(piece{stream_name::err, err_filter_.finish()});
  write(std::move(pieces));
}

void console::say(std::string_view line) {
  std::string text;
  if (err_mid_line_ && !spinner_shown_) text += '\n';
  text += line;
  if (!text.ends_with('\n')) text += '\n';
  write(stream_name::err, std::move(text));
}

void console::draw_spinner(std::string const& frame) {
  if (!err_is_terminal_ || given_ != written_) return;
  if (frame.empty() && !spinner_shown_) return;
  spinner_shown_ = !frame.empty();
  std::vector<piece> pieces;
  pieces.push_back(piece{stream_name::err, std::string(erase_line) + frame});
  hand_over(std::move(pieces));
}

bool console::draw_screen(std::string bytes) {
  if (given_ != written_ || failure_ != 0) return false;
  std::vector<piece> pieces;
  pieces.push_back(piece{stream_name::out, std::move(bytes)});
  hand_over(std::move(pieces));
  return true;
}

boost::asio::awaitable<void> console::flush() {
  auto const ticket = given_;
  while (written_ < ticket) {
    auto const woken = co_await progress_.wait();
    if (!woken) co_return;
  }
}

boost::asio::awaitable<bool> console::flush_until(base::deadline by) {
  auto const ticket = given_;
  while (written_ < ticket) {
    auto const woken = co_await progress_.wait_until(by);
    if (!woken) co_return written_ >= ticket;
  }
  co_return true;
}

void console::leave_at_once(int exit_code) const {
  if (spinner_shown_) {
    [[maybe_unused]] auto const ignored = ::write(err_fd_, erase_line.data(), erase_line.size());
  }
  std::_Exit(exit_code);
}

}  // namespace codeexec::cli
