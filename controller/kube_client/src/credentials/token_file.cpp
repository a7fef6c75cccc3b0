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

result<credential> token_file::read_if_due() {
  auto const now = clock_.steady_now();
  if (!read_at_ || now - *read_at_ >= reread_after) {
    auto const text = environment_.read_file(path_);
    std::string const fresh(text ? trimmed(*text) : std::string_view());
    if (!fresh.empty()) {
      token_ = fresh;
    } else {
      auto const why = text ? path_ + ": is empty" : text.error().message;
      if (token_.empty()) return error(error_kind::connect, "getting credentials: the token cannot be read: " + why);
      base::log::warn("the token cannot be read again; the last one stays in use", {base::log::kv("error", why)});
    }
    read_at_ = now;
  }
  return credential{"Bearer " + token_, nullptr};
}

task<result<credential>> token_file::current(base::deadline) {
  auto what = read_if_due();
  co_return what;
}

void token_file::rejected(credential const& used) {
  // Refused requests that were sent with an older token say nothing about this one.
  if (used.authorization == "Bearer " + token_) read_at_.reset();
}

}  // namespace codeexec::kube
