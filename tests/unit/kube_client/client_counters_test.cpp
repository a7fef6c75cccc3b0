#include "codeexec/kube_client/client_counters.hpp"

#include <gtest/gtest.h>

namespace {
using namespace std::chrono_literals;
using codeexec::kube::client_counters;
using codeexec::kube::request_kind;

TEST(ClientCounters, RequestsAreCountedByKindAndCode) {
  client_counters all;
  request_kind const pods{"GET", "pods", ""};
  all.requests[pods].observe(200, 1ms);
  all.requests[pods].observe(0, 1ms);
  all.requests[request_kind{"GET", "pods", "log"}].observe(200, 1ms);
  EXPECT_EQ(all.requests.size(), 2U);
  EXPECT_EQ(all.requests[pods].codes.at(200), 1U);
  EXPECT_EQ(all.requests[pods].codes.at(0), 1U);
  EXPECT_EQ(all.requests[pods].latency.count(), 2U);
}

TEST(ClientCounters, TwoClientsAddUp) {
  request_kind const pods{"GET", "pods", ""};
  request_kind const leases{"PUT", "leases", ""};
  client_counters work;
  work.requests[pods].observe(200, 2ms);
  work.requests[pods].received_bytes = 10;
  work.throttled = 3;
  client_counters aside;
  aside.requests[pods].observe(200, 40ms);
  aside.requests[pods].received_bytes = 5;
  aside.requests[leases].observe(409, 1ms);
  aside.throttled = 1;
  work += aside;
  EXPECT_EQ(work.requests[pods].codes.at(200), 2U);
  EXPECT_EQ(work.requests[pods].received_bytes, 15U);
  EXPECT_EQ(work.requests[pods].latency.at_most(0), 1U);
  EXPECT_EQ(work.requests[pods].latency.count(), 2U);
  EXPECT_EQ(work.requests[leases].codes.at(409), 1U);
  EXPECT_EQ(work.throttled, 4U);
}

}  // namespace
