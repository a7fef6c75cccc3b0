#include "codeexec/kube_core/lease.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "at.hpp"
#include "transcripts.hpp"

namespace {
using namespace codeexec::kube;
using namespace std::chrono_literals;
using codeexec::api::decode_error;
using codeexec::testing::transcript;
using nlohmann::json;
namespace base = codeexec::base;

LeaseSpec held_by(std::string who) {
  LeaseSpec spec;
  spec.holderIdentity = std::move(who);
  spec.leaseDurationSeconds = 15;
  spec.acquireTime = at("2026-01-31T10:00:00.000001Z");
  spec.renewTime = at("2026-01-31T10:00:02.5Z");
  spec.leaseTransitions = 3;
  return spec;
}

TEST(Lease, EveryRecordedLeaseIsRead) {
  int seen = 0;
  for (auto const& exchange : transcript("12-leases.jsonl")) {
    auto body = exchange["response"].value("body", json());
    if (!body.is_object() || body.value("kind", "") != "Lease") continue;
    for (auto const* const time : {"acquireTime", "renewTime"})
      body["spec"][time] = "2026-01-31T10:00:00.123456Z";  // recorded as "<time>"
    auto const lease = decode_lease(body);
    auto const* const read = std::get_if<Lease>(&lease);
    ASSERT_NE(read, nullptr) << std::get<decode_error>(lease).describe();
    EXPECT_EQ(read->metadata.name, "leader");
    EXPECT_THAT(read->spec.holderIdentity, ::testing::AnyOf("one", "two"));
    EXPECT_EQ(read->spec.leaseDurationSeconds, 15);
    EXPECT_EQ(read->spec.renewTime, at("2026-01-31T10:00:00.123456Z"));
    ++seen;
  }
  EXPECT_EQ(seen, 3);
}

TEST(Lease, TimesAreWrittenWithMicroseconds) {
  auto const object = make_lease("codeexec-controller", held_by("a"));
  EXPECT_EQ(object, json::parse(R"({
    "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "codeexec-controller"},
    "spec": {"holderIdentity": "a", "leaseDurationSeconds": 15, "acquireTime": "2026-01-31T10:00:00.000001Z",
             "renewTime": "2026-01-31T10:00:02.500000Z", "leaseTransitions": 3}})"));
}

TEST(Lease, ReplacingKeepsWhatIsNotOurs) {
  auto const before = json::parse(R"({
    "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
    "metadata": {"name": "l", "namespace": "n", "uid": "u", "resourceVersion": "7", "labels": {"team": "a"},
                 "managedFields": [{"manager": "x"}]},
    "spec": {"holderIdentity": "b", "leaseDurationSeconds": 15, "strategy": "OldestEmulationVersion"}})");
  auto const after = with_spec(before, held_by("a"));
  EXPECT_EQ(after["metadata"], json::parse(R"({"name": "l", "namespace": "n", "uid": "u", "resourceVersion": "7",
                                               "labels": {"team": "a"}})"));
  EXPECT_EQ(after["spec"]["holderIdentity"], "a");
  EXPECT_EQ(after["spec"]["strategy"], "OldestEmulationVersion");
  auto const read = decode_lease(after);
  EXPECT_EQ(std::get<Lease>(read).spec, held_by("a"));
}

TEST(Lease, WithoutASpecNobodyHoldsIt) {
  for (auto const* const text : {R"({"metadata": {"name": "l"}})", R"({"metadata": {"name": "l"}, "spec": null})",
                                 R"({"metadata": {"name": "l"}, "spec": {"holderIdentity": null}})"}) {
    auto const lease = decode_lease(json::parse(text));
    ASSERT_TRUE(std::holds_alternative<Lease>(lease)) << text;
    EXPECT_EQ(std::get<Lease>(lease).spec, LeaseSpec{}) << text;
  }
}

TEST(Lease, WrongTypesAreNamed) {
  auto const lease = decode_lease(json::parse(R"({"metadata": {"name": "l"}, "spec": {"renewTime": "yesterday"}})"));
  ASSERT_TRUE(std::holds_alternative<decode_error>(lease));
  EXPECT_EQ(std::get<decode_error>(lease).field, "spec.renewTime");
  EXPECT_TRUE(std::holds_alternative<decode_error>(decode_lease(json::array())));
  EXPECT_TRUE(std::holds_alternative<decode_error>(decode_lease(json::parse("{", nullptr, false))));
}

}  // namespace
