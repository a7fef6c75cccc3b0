// How long the reconciler waits for an answer, whatever it asked.
#pragma once

#include <chrono>

namespace codeexec::reconciler {

inline constexpr std::chrono::seconds request_timeout{30};

}  // namespace codeexec::reconciler
