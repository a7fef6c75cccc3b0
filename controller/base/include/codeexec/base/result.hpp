// How expected failures travel: as values. Exceptions are for bugs and for memory.
#pragma once

#include <boost/system/result.hpp>
#include <stdexcept>
#include <string>
#include <utility>

namespace codeexec::base {

/// A failure for which a sentence is all that is known or needed: a file that cannot be read, a flag that cannot be
/// parsed. Layers with more to say (kube::error) have their own type.
struct error {
  std::string message;

  /// Only because Boost's result::error() wants one for the case that there is no error.
  error() = default;
  explicit error(std::string text) : message(std::move(text)) {}
};

[[noreturn]] inline void throw_exception_from_error(error const& e, boost::source_location const&) {
  throw std::runtime_error(e.message);
}

template <class T>
using result = boost::system::result<T, error>;

}  // namespace codeexec::base
