// Kubernetes quantities ("500m", "512Mi", "1e3") as integers. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace codeexec::local {

/// In thousandths, rounded up as Kubernetes rounds: "0.5" is 500, "1" is 1000, "100n" is 1. Nothing where it is no
/// quantity or leaves the range of 64 bits.
std::optional<std::int64_t> parse_millis(std::string_view text);

/// In whole units, rounded up: "512Mi" is 536870912, "1500m" is 2.
std::optional<std::int64_t> parse_units(std::string_view text);

}  // namespace codeexec::local
