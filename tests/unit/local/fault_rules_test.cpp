// Which calls meet which fault.
#include <gtest/gtest.h>

#include "codeexec/local/fault_injector.hpp"

namespace codeexec::local {
namespace {

using nlohmann::json;

fault_call call(std::string verb, std::string resource, std::string name = "x") {
  return {"codeexec-controller", std::move(verb), std::move(resource), "ns", std::move(name)};
}

fault_rules rules(json list) {
  auto made = fault_rules::parse(list);
  EXPECT_TRUE(made) << made.error().message;
  return made ? std::move(*made) : fault_rules();
}

TEST(FaultRules, NoneMeansNoFault) {
  fault_rules none;
  EXPECT_FALSE(none.next(call("get", "jobs")));
}

TEST(FaultRules, ChooseByVerbResourceNamespaceAndName) {
  auto r = rules({{{"verb", "create"}, {"resource", "jobs"}, {"namespace", "ns"}, {"name", "a*"}, {"fault", "reset"}}});
  EXPECT_FALSE(r.next(call("create", "pods", "abc")));
  EXPECT_FALSE(r.next(call("delete", "jobs", "abc")));
  EXPECT_FALSE(r.next(call("create", "jobs", "xyz")));
  auto const hit = r.next(call("create", "jobs", "abc"));
  ASSERT_TRUE(hit);
  EXPECT_EQ(hit->kind, fault_kind::reset);
}

TEST(FaultRules, HitTheNthCallAndThenNoMore) {
  auto r = rules({{{"resource", "jobs"}, {"from", 2u}, {"times", 2u}, {"fault", "status"}, {"code", 503u}}});
  EXPECT_FALSE(r.next(call("get", "jobs")));
  EXPECT_TRUE(r.next(call("get", "jobs")));
  EXPECT_TRUE(r.next(call("get", "jobs")));
  EXPECT_FALSE(r.next(call("get", "jobs")));
  EXPECT_EQ(r.report()["rules"][0]["hits"], 2);
}

TEST(FaultRules, ZeroTimesIsAlways) {
  auto r = rules({{{"fault", "lose"}, {"times", 0u}}});
  for (int n = 0; n < 5; ++n)
    EXPECT_TRUE(r.next(call("get", "jobs")));
}

TEST(FaultRules, CountEveryKindOfCall) {
  auto r = rules(json::array());
  (void)r.next(call("get", "jobs"));
  (void)r.next(call("get", "jobs", "y"));
  EXPECT_EQ(r.report()["calls"]["codeexec-controller get jobs"], 2);
}

TEST(FaultRules, RefuseWhatTheyDoNotUnderstand) {
  for (json const& bad :
       {json(), json::object(), json{{{"fault", "nonsense"}}}, json{{{"verb", "get"}}}, json{{{"fault", 1}}},
        json{{{"fault", "reset"}, {"afterEvents", "1"}}}, json{{{"fault", "reset"}, {"colour", "red"}}},
        json{{{"fault", "reset"}, {"times", -1}}}, json::array({1})}) {
    EXPECT_FALSE(fault_rules::parse(bad)) << bad;
  }
}

}  // namespace
}  // namespace codeexec::local
