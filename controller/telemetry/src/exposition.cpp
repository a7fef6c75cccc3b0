#include "codeexec/telemetry/exposition.hpp"

#include <algorithm>
#include <cassert>
#include <map>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <sstream>

namespace codeexec::telemetry {
namespace {

prometheus::MetricType to_prometheus(metric_type t) {
  switch (t) {
    case metric_type::counter:
      return prometheus::MetricType::Counter;
    case metric_type::gauge:
      return prometheus::MetricType::Gauge;
    case metric_type::histogram:
      return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

}  // namespace

struct exposition::impl {
  std::vector<prometheus::MetricFamily> families;
  std::map<std::string_view, std::size_t> places;

  prometheus::ClientMetric& add(metric const& what, labels const& of) {
    auto const place = places.find(what.name);
    assert(place != places.end());
    auto& sample = families[place->second].metric.emplace_back();
    for (auto const& [name, value] : of) {
      prometheus::ClientMetric::Label label;
      label.name = name;
      label.value = value;
      sample.label.push_back(std::move(label));
    }
    return sample;
  }
};

exposition::exposition(bool leave_out_loop) : impl_(std::make_unique<impl>()) {
  for (auto const& one : all_metrics()) {
    if (leave_out_loop && one->source == metric_source::loop) continue;
    prometheus::MetricFamily family;
    family.name = one->name;
    family.help = one->help;
    family.type = to_prometheus(one->type);
    impl_->places.emplace(one->name, impl_->families.size());
    impl_->families.push_back(std::move(family));
  }
}

exposition::~exposition() = default;

void exposition::add(metric const& what, labels const& of, double value) {
  auto& sample = impl_->add(what, of);
  if (what.type == metric_type::counter) {
    sample.counter.value = value;
  } else {
    sample.gauge.value = value;
  }
}

void exposition::add(metric const& what, labels const& of, histogram_value const& value) {
  auto& sample = impl_->add(what, of).histogram;
  sample.sample_count = value.count;
  sample.sample_sum = value.sum;
  for (std::size_t i = 0; i < value.bounds.size(); ++i) {
    prometheus::ClientMetric::Bucket bucket;
    bucket.upper_bound = value.bounds[i];
    bucket.cumulative_count = value.at_most[i];
    sample.bucket.push_back(bucket);
  }
}

std::string exposition::text() const {
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, impl_->families);
  return out.str();
}

}  // namespace codeexec::telemetry
