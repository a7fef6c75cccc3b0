#include "codeexec/kube_client/client_counters.hpp"

#include <gtest/gtest.h>
#include <numeric>

namespace {
using namespace std::chrono_literals;
using codeexec::kube::client_counters;
using codeexec::kube::latency_histogram;

TEST(ClientCounters, EachTimeFallsIntoTheFirstBucketThatHoldsIt) {
  latency_histogram seen;
  seen.observe(1ms);
  seen.observe(5ms);
  seen.observe(6ms);
  seen.observe(30s);
  seen.observe(31s);
  EXPECT_EQ(seen.counts.front(), 2U);
  EXPECT_EQ(seen.counts[1], 1U);
  EXPECT_EQ(seen.counts[latency_histogram::bounds.size() - 1], 1U);
  EXPECT_EQ(seen.counts.back(), 1U);
  EXPECT_EQ(std::accumulate(seen.counts.begin(), seen.counts.end(), std::uint64_t{0}), seen.count);
  EXPECT_NEAR(seen.sum, 61.012, 1e-9);
}

TEST(ClientCounters, RequestsAreCountedByKindAndCode) {
  client_counters all;
  all.observe({"GET", "pods"}, 200, 1ms);
  all.observe({"GET", "pods"}, 0, 1ms);
  all.observe({"GET", "pods/log"}, 200, 1ms);
  EXPECT_EQ(all.requests.size(), 2U);
  auto const& pods = all.requests[{"GET", "pods"}];
  EXPECT_EQ(pods.codes.at(200), 1U);
  EXPECT_EQ(pods.codes.at(0), 1U);
  EXPECT_EQ(pods.latency.count, 2U);
}

}  // namespace
