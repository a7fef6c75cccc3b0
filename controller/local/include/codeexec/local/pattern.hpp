// Regular expressions of schemas and rules. Kubernetes means RE2; the patterns here stay within what RE2 and Perl
// syntax share. The matcher keeps its state on the heap, so that a long text cannot overflow the stack.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "codeexec/base/result.hpp"

namespace codeexec::local {

class pattern {
 public:
  static base::result<pattern> compile(std::string_view source);
  /// Found anywhere in the text? A text on which the matcher gives up does not match.
  bool found_in(std::string_view text) const;

 private:
  struct machine;
  std::shared_ptr<machine const> machine_;
};

}  // namespace codeexec::local
