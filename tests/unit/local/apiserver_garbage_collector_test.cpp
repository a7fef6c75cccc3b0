#include <deque>

#include "codeexec/local/builtin_types.hpp"
#include "codeexec/local/custom_types.hpp"
#include "codeexec/local/garbage_collector.hpp"

#include "apiserver_support.hpp"

namespace codeexec::local::testing {
namespace {

using nlohmann::json;

class collector : public ::testing::Test {
 protected:
  collector()
      : objects(clock, base::rng(1)),
        customs(objects),
        collects(objects, [this](std::function<void()> work) { posted.push_back(std::move(work)); }) {
    add_builtin_types(objects);
    customs.start();
    add_default_namespaces(objects);
    settle();
  }

  void settle() {
    while (!posted.empty()) {
      auto const work = std::move(posted.front());
      posted.pop_front();
      work();
    }
  }

  object map(std::string const& name, object const& owner = object(), std::string const& ns = "default") {
    json value = {{"metadata", {{"name", name}, {"namespace", ns}}}};
    if (owner) {
      value["metadata"]["ownerReferences"] = json::array({{{"apiVersion", "v1"},
                                                           {"kind", "ConfigMap"},
                                                           {"name", owner.name()},
                                                           {"uid", owner.uid()},
                                                           {"blockOwnerDeletion", true}}});
    }
    return *objects.create(kube::config_maps, value);
  }
  bool there(std::string const& name, std::string const& ns = "default") const {
    return static_cast<bool>(objects.get(kube::config_maps, ns, name));
  }
  void remove(std::string const& name, std::optional<kube::propagation> policy = std::nullopt) {
    remove_options options;
    options.policy = policy;
    ASSERT_TRUE(objects.remove(kube::config_maps, "default", name, options));
  }

  fixed_clock clock;
  std::deque<std::function<void()>> posted;
  store objects;
  custom_types customs;
  garbage_collector collects;
};

TEST_F(collector, events_are_forgotten_an_hour_after_they_were_last_written) {
  auto const event = [this](std::string const& name) {
    json value = {{"metadata", {{"name", name}, {"namespace", "default"}}},
                  {"involvedObject", {{"kind", "Job"}, {"name", "x"}, {"namespace", "default"}}},
                  {"reason", "SuccessfulCreate"},
                  {"type", "Normal"},
                  {"count", 1}};
    ASSERT_TRUE(objects.create(kube::core_events, value));
    settle();
  };
  auto const is_there = [this](std::string const& name) {
    return static_cast<bool>(objects.get(kube::core_events, "default", name));
  };
  event("once");
  event("again");
  clock.now += std::chrono::minutes(40);
  ASSERT_TRUE(objects.mutate(kube::core_events, "default", "again", part::all, [](json& value) {
    value["count"] = 2;
    return true;
  }));
  event("later");
  EXPECT_TRUE(is_there("once"));
  clock.now += std::chrono::minutes(21);
  event("now");
  EXPECT_FALSE(is_there("once"));
  EXPECT_TRUE(is_there("again"));
  clock.now += std::chrono::minutes(60);
  event("last");
  EXPECT_FALSE(is_there("again"));
  EXPECT_FALSE(is_there("later"));
  EXPECT_FALSE(is_there("now"));
  EXPECT_TRUE(is_there("last"));
}

TEST_F(collector, dependents_go_after_their_owner_and_theirs_after_them) {
  auto const owner = map("owner");
  auto const child = map("child", owner);
  map("grandchild", child);
  map("bystander");
  remove("owner");
  settle();
  EXPECT_FALSE(there("child"));
  EXPECT_FALSE(there("grandchild"));
  EXPECT_TRUE(there("bystander"));
}

TEST_F(collector, foreground_keeps_the_owner_until_its_dependents_are_gone) {
  auto const owner = map("owner");
  auto const child = map("child", owner);
  (void)objects.mutate(kube::config_maps, "default", "child", part::object, [](json& value) {
    value["metadata"]["finalizers"] = {"example.dev/slow"};
    return true;
  });
  remove("owner", kube::propagation::foreground);
  settle();
  EXPECT_TRUE(there("owner")) << "waits for its child";
  (void)objects.mutate(kube::config_maps, "default", "child", part::object, [](json& value) {
    value["metadata"].erase("finalizers");
    return true;
  });
  settle();
  EXPECT_FALSE(there("child"));
  EXPECT_FALSE(there("owner"));
}

TEST_F(collector, orphans_lose_their_owner_and_stay) {
  auto const owner = map("owner");
  map("child", owner);
  remove("owner", kube::propagation::orphan);
  settle();
  EXPECT_FALSE(there("owner"));
  ASSERT_TRUE(there("child"));
  EXPECT_FALSE((*objects.get(kube::config_maps, "default", "child"))["metadata"].contains("ownerReferences"));
}

TEST_F(collector, what_is_made_for_an_owner_that_is_gone_already_is_deleted) {
  auto const owner = map("owner");
  remove("owner");
  map("stray", owner);
  settle();
  EXPECT_FALSE(there("stray"));
}

TEST_F(collector, an_owner_in_another_namespace_is_no_owner) {
  (void)objects.create(kube::namespaces, {{"metadata", {{"name", "other"}}}});
  auto const owner = map("owner", object(), "other");
  map("stray", owner, "default");
  settle();
  EXPECT_FALSE(there("stray"));
  EXPECT_TRUE(there("owner", "other"));
}

TEST_F(collector, one_of_two_owners_is_enough) {
  auto const a = map("a");
  auto const b = map("b");
  json value = {{"metadata", {{"name", "shared"}, {"namespace", "default"}}}};
  for (object const& owner : {a, b}) {
    value["metadata"]["ownerReferences"].push_back(
        {{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"name", owner.name()}, {"uid", owner.uid()}});
  }
  ASSERT_TRUE(objects.create(kube::config_maps, value));
  remove("a");
  settle();
  ASSERT_TRUE(there("shared"));
  EXPECT_EQ((*objects.get(kube::config_maps, "default", "shared"))["metadata"]["ownerReferences"].size(), 1u);
  remove("b");
  settle();
  EXPECT_FALSE(there("shared"));
}

TEST_F(collector, a_namespace_waits_for_what_has_a_finalizer) {
  (void)objects.create(kube::namespaces, {{"metadata", {{"name", "n"}}}});
  json value = {{"metadata", {{"name", "held"}, {"namespace", "n"}, {"finalizers", {"example.dev/f"}}}}};
  ASSERT_TRUE(objects.create(kube::config_maps, value));
  map("free", object(), "n");
  ASSERT_TRUE(objects.remove(kube::namespaces, {}, "n"));
  settle();
  EXPECT_FALSE(there("free", "n"));
  EXPECT_TRUE(objects.get(kube::namespaces, {}, "n"));
  (void)objects.mutate(kube::config_maps, "n", "held", part::object, [](json& o) {
    o["metadata"].erase("finalizers");
    return true;
  });
  settle();
  EXPECT_FALSE(objects.get(kube::namespaces, {}, "n"));
}

TEST_F(collector, many_dependents_are_all_collected) {
  auto const owner = map("owner");
  for (int i = 0; i < 1000; ++i) {
    map("child-" + std::to_string(i), owner);
  }
  remove("owner");
  settle();
  EXPECT_EQ(objects.count(kube::config_maps), 0u);
}

}  // namespace
}  // namespace codeexec::local::testing
