#include "static_token.hpp"

namespace codeexec::kube {

static_token::static_token(std::string token) : header_(token.empty() ? std::string() : "Bearer " + token) {}

task<result<std::string>> static_token::authorization(base::deadline) {
  co_return header_;
}

}  // namespace codeexec::kube
