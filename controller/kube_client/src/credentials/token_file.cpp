#include "token_file.hpp"

#include <string_view>

#include "codeexec/base/log.hpp"

#include "bearer.hpp"

namespace codeexec::kube {
namespace {

constexpr std::chrono::seconds reread_after{60};

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blank = " \t\r\n";
  auto const begin = text.find_first_not_of(blank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blank) - begin + 1);
}

}  // namespace

token_file::token_file(std::string path, base::clock const& clock, config_environment const& environment)
    : path_(std::move(path)), clock_(clock), environment_(environment) {}

result<std::string> token_file::read() const {
  constexpr auto problem = "getting credentials: the token cannot be read: ";
  auto const text = environment_.read_file(path_);
  if (!text) return error(error_kind::connect, problem + text.error().message);
  auto const token = trimmed(*text);
  if (token.empty()) return error(error_kind::connect, problem + path_ + ": is empty");
  auto authorization = bearer(std::string(token));
  if (!authorization) return error(error_kind::config, problem + path_ + ": " + authorization.error().message);
  return std::move(*authorization);
}

result<credential> token_file::read_if_due() {
  auto const now = clock_.steady_now();
  if (!read_at_ || now - *read_at_ >= reread_after) {
    auto fresh = read();
    if (fresh) {
      authorization_ = std::move(*fresh);
    } else {
      if (authorization_.empty()) return fresh.error();
      base::log::warn("the token cannot be read again; the last one stays in use",
                      {base::log::kv("error", fresh.error().message())});
    }
    read_at_ = now;
  }
  return credential{authorization_, nullptr};
}

task<result<credential>> token_file::current(base::deadline) {
  auto what = read_if_due();
  co_return what;
}

void token_file::rejected(credential const& used) {
  // Refused requests that were sent with an older token say nothing about this one.
  if (used.authorization == authorization_) read_at_.reset();
}

}  // namespace codeexec::kube
