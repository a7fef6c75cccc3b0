// What a sweep may take, and what it must leave: everything that a living execution needs.
#include "codeexec/execution/sweep.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "make.hpp"

namespace codeexec::execution {
namespace {

using namespace testing;
using swept_kind = swept_object::kind;

swept_object make_swept(swept_kind what, std::string name = "x") {
  swept_object one;
  one.what = what;
  one.ns = "agents";
  one.name = std::move(name);
  one.uid = "u";
  bool const shared = what == swept_kind::runner || what == swept_kind::network_policy;
  if (!shared) one.execution_uid = "e";
  one.created = start_of_time;
  return one;
}

sweep_view view_of(swept_object one, execution_state state) {
  sweep_view view;
  view.objects.push_back(std::move(one));
  view.state_of = [state](std::string const&) { return state; };
  view.current_runner = "codeexec-runner-new";
  return view;
}

bool is_taken(sweep_view const& view, std::chrono::seconds age = 1h) {
  return !find_leftovers(view, start_of_time + age, 60s).empty();
}

TEST(Sweep, AChildWithoutAnOwnerGoesOnceItsExecutionIsGoneOrFinished) {
  for (auto const what : {swept_kind::job, swept_kind::pod, swept_kind::input}) {
    EXPECT_TRUE(is_taken(view_of(make_swept(what), execution_state::absent))) << name_of(what);
    EXPECT_TRUE(is_taken(view_of(make_swept(what), execution_state::finished))) << name_of(what);
    EXPECT_FALSE(is_taken(view_of(make_swept(what), execution_state::unfinished))) << name_of(what);
  }
}

TEST(Sweep, WhatHasAnOwnerIsTheGarbageCollectorsAffair) {
  for (auto const what :
       {swept_kind::job, swept_kind::pod, swept_kind::input, swept_kind::runner, swept_kind::network_policy}) {
    auto one = make_swept(what);
    one.owned = true;
    EXPECT_FALSE(is_taken(view_of(one, execution_state::absent))) << name_of(what);
  }
}

TEST(Sweep, WhatIsYoungIsLeftForTheNextTime) {
  for (auto const what :
       {swept_kind::job, swept_kind::pod, swept_kind::input, swept_kind::runner, swept_kind::network_policy}) {
    auto const view = view_of(make_swept(what), execution_state::absent);
    EXPECT_FALSE(is_taken(view, 59s)) << name_of(what);
    EXPECT_TRUE(is_taken(view, 60s)) << name_of(what);
    EXPECT_FALSE(is_taken(view, -10s)) << "a clock behind the server's";
  }
}

TEST(Sweep, WithoutTheLabelThatSaysWhoseItIsItStays) {
  auto one = make_swept(swept_kind::job);
  one.execution_uid.clear();
  EXPECT_FALSE(is_taken(view_of(one, execution_state::absent)));
}

TEST(Sweep, APolicyStaysAsLongAsTheNamespaceHasAnExecution) {
  auto view = view_of(make_swept(swept_kind::network_policy), execution_state::absent);
  view.used_namespaces = {"agents"};
  EXPECT_FALSE(is_taken(view));
  view.used_namespaces = {"others"};
  EXPECT_TRUE(is_taken(view));
}

TEST(Sweep, TheRunnerOfThisVersionStaysAsLongAsTheNamespaceHasAnExecution) {
  auto view = view_of(make_swept(swept_kind::runner, "codeexec-runner-new"), execution_state::absent);
  view.used_namespaces = {"agents"};
  EXPECT_FALSE(is_taken(view));
  view.used_namespaces.clear();
  EXPECT_TRUE(is_taken(view));
}

TEST(Sweep, TheRunnerOfAnotherVersionStaysAsLongAsAJobUsesIt) {
  auto view = view_of(make_swept(swept_kind::runner, "codeexec-runner-old"), execution_state::absent);
  view.used_namespaces = {"agents"};
  view.runners_of_jobs = {{"agents", "codeexec-runner-old"}};
  EXPECT_FALSE(is_taken(view));
  view.runners_of_jobs = {{"agents", "codeexec-runner-new"}, {"others", "codeexec-runner-old"}};
  EXPECT_TRUE(is_taken(view));
}

TEST(Sweep, AJobThatDoesNotNameItsRunnerKeepsAllOfThem) {
  auto view = view_of(make_swept(swept_kind::runner, "codeexec-runner-old"), execution_state::absent);
  view.used_namespaces = {"agents"};
  view.namespaces_of_older_jobs = {"agents"};
  EXPECT_FALSE(is_taken(view));
}

}  // namespace
}  // namespace codeexec::execution
