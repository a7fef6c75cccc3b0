#include "codeexec/runtime/store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>

namespace codeexec::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

struct owned_thing {
  std::string text;
  std::vector<std::string> owners;
};

class Store : public ::testing::Test {
 protected:
  Store() {
    things.add_index("owner", [](owned_thing const& t) { return t.owners; });
    things.on_change([this](change<owned_thing> const& c) {
      auto const text = [](std::shared_ptr<owned_thing const> const& t) { return t ? t->text : std::string("none"); };
      told.push_back(c.key.describe() + ": " + text(c.before) + " -> " + text(c.after));
    });
  }

  static std::shared_ptr<owned_thing const> make(std::string text, std::vector<std::string> owners = {}) {
    return std::make_shared<owned_thing const>(owned_thing{std::move(text), std::move(owners)});
  }
  static object_id id(std::string name, std::string version, std::string uid = "u", std::string ns = "ns") {
    return {object_key(std::move(ns), std::move(name)), std::move(uid), std::move(version)};
  }
  std::vector<std::string> owned_by(std::string const& uid) const {
    std::vector<std::string> texts;
    for (auto const& t : things.find("owner", uid))
      texts.push_back(t->text);
    return texts;
  }

  store<owned_thing> things;
  std::vector<std::string> told;
};

TEST_F(Store, HandlersSeeTheOldAndTheNewState) {
  things.apply(id("a", "1"), make("one"));
  things.apply(id("a", "2"), make("two"));
  things.erase({"ns", "a"}, make("three"));
  EXPECT_THAT(told, ElementsAre("ns/a: none -> one", "ns/a: one -> two", "ns/a: three -> none"));
  EXPECT_EQ(things.get({"ns", "a"}), nullptr);
}

TEST_F(Store, StateAlreadyKnownWakesNobody) {
  things.apply(id("a", "1"), make("one"));
  things.apply(id("a", "1"), make("one"));
  things.replace("", {{id("a", "1"), make("one")}});
  EXPECT_THAT(told, ElementsAre("ns/a: none -> one"));
}

TEST_F(Store, ObjectHeldBySomebodyStaysAsItWas) {
  things.apply(id("a", "1"), make("one"));
  auto const held = things.get({"ns", "a"});
  things.apply(id("a", "2"), make("two"));
  things.erase({"ns", "a"});
  EXPECT_EQ(held->text, "one");
}

TEST_F(Store, AnotherObjectOfTheSameNameIsADeletionAndAnAddition) {
  things.apply(id("a", "1", "first"), make("old", {"o1"}));
  things.apply(id("a", "2", "second"), make("new", {"o2"}));
  EXPECT_THAT(told, ElementsAre("ns/a: none -> old", "ns/a: old -> none", "ns/a: none -> new"));
  EXPECT_THAT(owned_by("o1"), IsEmpty());
  EXPECT_THAT(owned_by("o2"), ElementsAre("new"));
}

TEST_F(Store, ListFindsWhatWasDeletedUnseenAndTellsItsLastState) {
  things.apply(id("a", "1"), make("a1"));
  things.apply(id("b", "1"), make("b1"));
  told.clear();
  things.replace("", {{id("b", "2"), make("b2")}, {id("c", "1"), make("c1")}});
  EXPECT_THAT(told, ElementsAre("ns/a: a1 -> none", "ns/b: b1 -> b2", "ns/c: none -> c1"));
  EXPECT_EQ(things.size(), 2U);
}

TEST_F(Store, ListOfOneNamespaceLeavesTheOthersAlone) {
  things.apply(id("a", "1", "u", "one"), make("a"));
  things.apply(id("b", "1", "u", "two"), make("b"));
  things.replace("one", {});
  EXPECT_EQ(things.get({"one", "a"}), nullptr);
  EXPECT_NE(things.get({"two", "b"}), nullptr);
}

TEST_F(Store, ObjectThatCannotBeReadAnyMoreIsNotADeletedOne) {
  things.apply(id("a", "1"), make("good"));
  things.replace("", {}, {object_key("ns", "a")});
  ASSERT_NE(things.get({"ns", "a"}), nullptr);
  EXPECT_EQ(things.get({"ns", "a"})->text, "good");
}

TEST_F(Store, IndexFollowsTheObjects) {
  things.apply(id("a", "1"), make("a", {"x", "y"}));
  things.apply(id("b", "1"), make("b", {"y"}));
  EXPECT_THAT(owned_by("x"), ElementsAre("a"));
  EXPECT_THAT(owned_by("y"), UnorderedElementsAre("a", "b"));
  things.apply(id("a", "2"), make("a2", {"x"}));
  EXPECT_THAT(owned_by("y"), ElementsAre("b"));
  things.erase({"ns", "b"});
  EXPECT_THAT(owned_by("y"), IsEmpty());
  EXPECT_THAT(owned_by("x"), ElementsAre("a2"));
}

TEST_F(Store, HandlerFindsTheStoreAlreadyChanged) {
  store<owned_thing> other;
  other.add_index("owner", [](owned_thing const& t) { return t.owners; });
  std::vector<std::size_t> found;
  other.on_change([&](change<owned_thing> const&) { found.push_back(other.find("owner", "x").size()); });
  other.apply(id("a", "1"), make("a", {"x"}));
  other.erase({"ns", "a"});
  EXPECT_THAT(found, ElementsAre(1U, 0U));
}

TEST_F(Store, ErasingWhatIsNotThereTellsNobody) {
  things.erase({"ns", "absent"});
  EXPECT_THAT(told, IsEmpty());
}

}  // namespace
}  // namespace codeexec::runtime
