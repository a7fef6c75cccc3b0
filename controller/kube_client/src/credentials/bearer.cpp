#include "bearer.hpp"

#include <algorithm>

namespace codeexec::kube {

base::result<std::string> bearer(std::string const& token) {
  // golang.org/x/net/http/httpguts, ValidHeaderFieldValue: of all control characters, a tab may stand in a header.
  auto const is_control = [](char c) { return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == '\x7f'; };
  if (std::any_of(token.begin(), token.end(), is_control)) {
    return base::error("invalid header field value for \"Authorization\"");
  }
  return {boost::system::in_place_value, "Bearer " + token};
}

}  // namespace codeexec::kube
