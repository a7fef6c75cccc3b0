// Numbers as text for Prometheus. The only thing that includes prometheus-cpp stands behind this header.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "codeexec/telemetry/catalogue.hpp"

namespace codeexec::telemetry {

/// The counts of a histogram, cumulative: at_most[i] observations were not longer than bounds[i].
struct histogram_value {
  std::vector<double> bounds;
  std::vector<std::uint64_t> at_most;
  std::uint64_t count = 0;
  double sum = 0;
};

/// Any of base::histogram's.
template <class H>
histogram_value to_value(H const& of) {
  histogram_value value;
  for (std::size_t i = 0; i < H::bounds.size(); ++i) {
    value.bounds.push_back(H::bounds[i]);
    value.at_most.push_back(of.at_most(i));
  }
  value.count = of.count();
  value.sum = std::chrono::duration<double>(of.sum()).count();
  return value;
}

/// Collects samples of the catalogue's metrics. Every metric of it has its HELP and TYPE in the text, also where there
/// is no sample of it yet, so that a rule or a dashboard finds it.
class exposition {
 public:
  using labels = std::vector<std::pair<std::string_view, std::string_view>>;

  /// `leave_out_loop`: without those that only the loop knows.
  explicit exposition(bool leave_out_loop = false);
  ~exposition();
  exposition(exposition const&) = delete;
  exposition& operator=(exposition const&) = delete;

  /// A counter or a gauge. The names of the labels are those of the catalogue, in its order.
  void add(metric const& what, labels const& of, double value);
  void add(metric const& what, double value) { add(what, {}, value); }
  void add(metric const& what, labels const& of, histogram_value const& value);

  /// Text format 0.0.4.
  std::string text() const;

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace codeexec::telemetry
