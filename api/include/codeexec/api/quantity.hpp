// Resource quantities ("500m", "1.5Gi", "1e3") as Kubernetes reads them: apimachinery's resource.Quantity, exactly and
// without floating point.
//
//   quantity = [+-] number [suffix]      number: 1, 1.5, 1., .5
//   suffix   = n u m k M G T P E         powers of 1000
//            | Ki Mi Gi Ti Pi Ei         powers of 1024
//            | e or E, [+-] digits       a power of ten ("1E" alone is exa, "1E3" is a thousand)
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace codeexec::api {

/// A value, never the text it came from: "1", "1000m" and "1e0" are equal. What is finer than 10^-9 is rounded away
/// from zero, as Kubernetes does.
class quantity {
 public:
  /// Zero.
  quantity() = default;

  /// Nothing where the text is not a quantity.
  static std::optional<quantity> parse(std::string_view text);

  bool is_zero() const { return nanos_.empty(); }
  bool is_negative() const { return negative_; }
  /// No fraction of a unit: "1500m" is not whole, "2000m" is.
  bool is_whole() const;

  /// In whole units (bytes, cores) or thousandths, rounded up: the smallest integer that is not less. Nothing where it
  /// does not fit.
  std::optional<std::int64_t> units() const { return rounded_up(9); }
  std::optional<std::int64_t> millis() const { return rounded_up(6); }

  friend bool operator==(quantity const&, quantity const&) = default;
  friend std::strong_ordering operator<=>(quantity const& a, quantity const& b);

 private:
  std::optional<std::int64_t> rounded_up(std::size_t dropped_digits) const;

  std::string nanos_;  ///< the magnitude times 10^9 in decimal, without leading zeros; empty for zero
  bool negative_ = false;
};

}  // namespace codeexec::api
