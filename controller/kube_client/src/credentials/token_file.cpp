#include "token_file.hpp"

#include <string_view>

#include "codeexec/base/log.hpp"

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

result<std::string> token_file::current() {
  auto const now = clock_.steady_now();
  if (!read_at_ || now - *read_at_ >= reread_after) {
    auto const text = environment_.read_file(path_);
    std::string const fresh(text ? trimmed(*text) : std::string_view());
    if (!fresh.empty()) {
      token_ = fresh;
    } else {
      auto const why = text ? path_ + ": is empty" : text.error().message;
      if (token_.empty()) return error(error_kind::config, "the token cannot be read: " + why);
      base::log::warn("the token cannot be read again; the last one stays in use", {base::log::kv("error", why)});
    }
    read_at_ = now;
  }
  return "Bearer " + token_;
}

task<result<std::string>> token_file::authorization(base::deadline) {
  co_return current();
}

}  // namespace codeexec::kube
