#include "codeexec/runtime/informer.hpp"

#include <algorithm>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "loop_fixture.hpp"

namespace codeexec::runtime {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

struct thing {
  std::string color;
};

std::variant<thing, api::decode_error> decode_thing(json const& object) {
  auto const spec = object.find("spec");
  if (spec == object.end() || !spec->is_object()) return api::decode_error{"spec", "expected an object"};
  auto const color = spec->find("color");
  if (color == spec->end() || !color->is_string()) return api::decode_error{"spec.color", "expected a string"};
  return thing{color->get<std::string>()};
}

json object(std::string const& name, std::string const& version, json color, std::string const& ns = "ns") {
  return {{"metadata", {{"name", name}, {"namespace", ns}, {"uid", "uid-" + name}, {"resourceVersion", version}}},
          {"spec", {{"color", std::move(color)}}}};
}
std::string page(std::vector<json> items, std::string const& version, std::string const& token = "") {
  json list = {{"apiVersion", "v1"}, {"kind", "PodList"}, {"items", json::array()}};
  list["metadata"] = {{"resourceVersion", version}};
  if (!token.empty()) list["metadata"]["continue"] = token;
  for (auto& item : items)
    list["items"].push_back(std::move(item));
  return list.dump();
}
std::string event(char const* type, json const& of) {
  return json{{"type", type}, {"object", of}}.dump();
}
std::string const expired_event =
    R"json({"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",)json"
    R"json("message":"too old resource version: 1 (895)","reason":"Expired","code":410}})json";

class Informer : public loop_fixture {
 protected:
  void start(informer_options options) {
    pods = std::make_unique<informer<thing>>(io.get_executor(), client, std::move(options), decode_thing,
                                             base::system_clock(), base::rng(1));
    pods->objects().on_change([this](change<thing> const& c) {
      told.push_back(c.key.describe() + (c.is_added() ? " added" : c.is_deleted() ? " deleted" : " updated"));
    });
    pods->start(group);
    settle();
  }
  void start() { start(options()); }

  static informer_options options() {
    informer_options o;
    o.type = kube::pods;
    o.policy = quick();
    return o;
  }
  std::string color(std::string const& name, std::string const& ns = "ns") const {
    auto const found = pods->objects().get({ns, name});
    return found ? found->color : "gone";
  }
  /// Lists `items` and opens a watch.
  std::shared_ptr<testing::scripted_stream> start_with(std::vector<json> items) {
    client.will_send(page(std::move(items), "100"));
    auto stream = client.will_open();
    start();
    EXPECT_TRUE(until([&] { return stream->is_open(); }));
    return stream;
  }
  std::string last_target() const { return client.calls().back().target; }
  std::size_t lists() const {
    return static_cast<std::size_t>(std::count_if(client.calls().begin(), client.calls().end(), [](auto const& c) {
      return c.target.find("watch=") == std::string::npos;
    }));
  }

  // Before the fixture's group is joined the tasks still use the informer; so it is destroyed after that, with the
  // base.
  ~Informer() override {
    group.stop();
    testing::run_coro(io, group.join());
  }

  std::unique_ptr<informer<thing>> pods;
  std::vector<std::string> told;
};

TEST_F(Informer, IsSyncedWhenTheLastPageIsThereAndNotBefore) {
  client.will_send(page({object("a", "1", "red")}, "100", "next"));
  start();
  EXPECT_FALSE(pods->has_synced());
  EXPECT_EQ(pods->objects().size(), 0U) << "half a list looks like deleted objects";
  client.will_send(page({object("b", "2", "blue")}, "100"));
  settle();
  EXPECT_TRUE(pods->has_synced());
  EXPECT_EQ(color("a"), "red");
  EXPECT_EQ(color("b"), "blue");
}

TEST_F(Informer, AsksAsTheApiDocuments) {
  auto o = options();
  o.namespaces = {"agents"};
  o.label_selector = "codeexec.dev/execution";
  client.will_send(page({}, "100", "to/ken"));
  client.will_send(page({}, "100"));
  auto const stream = client.will_open();
  start(std::move(o));
  ASSERT_EQ(client.calls().size(), 3U);
  auto const& first = client.calls()[0].target;
  EXPECT_THAT(first, HasSubstr("/api/v1/namespaces/agents/pods?"));
  EXPECT_THAT(first, HasSubstr("limit=500"));
  EXPECT_THAT(first, HasSubstr("labelSelector=codeexec.dev%2Fexecution"));
  EXPECT_THAT(first, Not(HasSubstr("resourceVersion")));
  EXPECT_THAT(client.calls()[1].target, HasSubstr("continue=to%2Fken"));
  auto const& watch = client.calls()[2].target;
  EXPECT_THAT(watch, HasSubstr("watch=true"));
  EXPECT_THAT(watch, HasSubstr("resourceVersion=100"));
  EXPECT_THAT(watch, HasSubstr("allowWatchBookmarks=true"));
  EXPECT_THAT(watch, HasSubstr("timeoutSeconds="));
  EXPECT_THAT(watch, HasSubstr("labelSelector=codeexec.dev%2Fexecution"));
}

TEST_F(Informer, FollowsWhatHappens) {
  auto const stream = start_with({object("a", "1", "red")});
  stream->push_line(event("MODIFIED", object("a", "101", "green")));
  stream->push_line(event("ADDED", object("b", "102", "blue")));
  settle();
  EXPECT_EQ(color("a"), "green");
  EXPECT_EQ(color("b"), "blue");
  stream->push_line(event("DELETED", object("a", "103", "green")));
  settle();
  EXPECT_EQ(color("a"), "gone");
  EXPECT_THAT(told, ElementsAre("ns/a added", "ns/a updated", "ns/b added", "ns/a deleted"));
}

TEST_F(Informer, ChunksSayNothingAboutWhereAnEventEnds) {
  auto const stream = start_with({});
  auto const text =
      event("ADDED", object("a", "101", "gr\xC3\xBCn")) + "\n" + event("ADDED", object("b", "102", "x")) + "\n";
  for (char const c : text)
    stream->push(std::string(1, c));
  settle();
  EXPECT_EQ(color("a"), "gr\xC3\xBCn");
  EXPECT_EQ(color("b"), "x");
  EXPECT_EQ(pods->counters().failures, 0U);
}

TEST_F(Informer, WatchCutInTheMiddleOfALineResumesBeforeThatLine) {
  auto const stream = start_with({});
  stream->push_line(event("ADDED", object("a", "101", "red")));
  stream->push(event("ADDED", object("b", "102", "blue")).substr(0, 30));
  stream->fail(kube::error(kube::error_kind::connection, "reset by peer"));
  auto const second = client.will_open();
  ASSERT_TRUE(until([&] { return second->is_open(); }));
  EXPECT_FALSE(stream->is_open());
  EXPECT_THAT(last_target(), HasSubstr("resourceVersion=101"));
  // What is left of the old line must not run into the new watch.
  second->push_line(event("ADDED", object("b", "102", "blue")));
  settle();
  EXPECT_EQ(color("b"), "blue");
  EXPECT_EQ(lists(), 1U);
}

TEST_F(Informer, ExpiredWatchListsAnewAndFindsWhatWasDeletedMeanwhile) {
  auto const stream = start_with({object("a", "1", "red"), object("b", "2", "blue")});
  stream->push_line(expired_event);
  client.will_send(page({object("b", "2", "blue"), object("c", "300", "white")}, "400"));
  auto const second = client.will_open();
  ASSERT_TRUE(until([&] { return second->is_open(); }));
  EXPECT_EQ(color("a"), "gone");
  EXPECT_THAT(told, ElementsAre("ns/a added", "ns/b added", "ns/a deleted", "ns/c added"));
  EXPECT_THAT(last_target(), HasSubstr("resourceVersion=400"));
}

TEST_F(Informer, StoreKeepsWhatItHasWhileAListFailsHalfWay) {
  auto const stream = start_with({object("a", "1", "red")});
  stream->push_line(expired_event);
  client.will_send(page({object("b", "2", "blue")}, "400", "next"));
  client.will_send(kube::error::from_status(410, ""));
  client.will_send(kube::error(kube::error_kind::connect, "refused"));
  client.will_send(std::string("<html>a proxy speaks</html>"));
  ASSERT_TRUE(until([&] { return lists() == 6; }));
  EXPECT_EQ(color("a"), "red");
  EXPECT_EQ(color("b"), "gone");
  client.will_send(page({object("c", "3", "white")}, "500"));
  auto const second = client.will_open();
  ASSERT_TRUE(until([&] { return second->is_open(); }));
  EXPECT_EQ(color("a"), "gone");
  EXPECT_EQ(color("b"), "gone") << "pages of a list that was given up";
  EXPECT_EQ(color("c"), "white");
}

TEST_F(Informer, MalformedObjectDoesNotStopTheRest) {
  auto const stream = start_with({object("bad", "1", 42), json::object(), json("text"), object("good", "2", "red")});
  EXPECT_TRUE(pods->has_synced());
  EXPECT_EQ(color("good"), "red");
  EXPECT_EQ(color("bad"), "gone");
  stream->push_line(event("MODIFIED", object("bad", "101", json::array())));
  stream->push_line(event("MODIFIED", object("good", "102", "green")));
  settle();
  EXPECT_EQ(color("good"), "green");
  stream->end();
  auto const second = client.will_open();
  ASSERT_TRUE(until([&] { return second->is_open(); }));
  EXPECT_THAT(last_target(), HasSubstr("resourceVersion=102"));
  EXPECT_EQ(lists(), 1U);
  EXPECT_EQ(pods->malformed(), 4U);
}

TEST_F(Informer, LastGoodStateStaysWhenAnObjectBecomesUnreadableAndGoesWithIt) {
  auto const stream = start_with({object("a", "1", "red")});
  stream->push_line(event("MODIFIED", object("a", "101", 42)));
  settle();
  EXPECT_EQ(color("a"), "red");
  stream->push_line(event("DELETED", object("a", "102", 42)));
  settle();
  EXPECT_EQ(color("a"), "gone");
}

TEST_F(Informer, LineThatIsNoEventIsMadeUpForByAList) {
  auto const stream = start_with({object("a", "1", "red")});
  stream->push_line(event("MODIFIED", object("a", "101", "green")).substr(0, 60));
  client.will_send(page({object("a", "101", "green")}, "101"));
  auto const second = client.will_open();
  ASSERT_TRUE(until([&] { return second->is_open(); }));
  EXPECT_EQ(color("a"), "green");
}

TEST_F(Informer, EndlessLineDoesNotFillTheMemory) {
  auto o = options();
  o.policy.longest_line = 1000;
  client.will_send(page({}, "100"));
  auto const stream = client.will_open();
  start(std::move(o));
  for (int i = 0; i < 100; ++i)
    stream->push(std::string(1000, 'x'));
  stream->push("\n");
  client.will_send(page({object("a", "101", "green")}, "101"));
  auto const second = client.will_open();
  ASSERT_TRUE(until([&] { return second->is_open(); }));
  EXPECT_EQ(color("a"), "green");
}

TEST_F(Informer, BookmarkMovesTheVersionAndNothingElse) {
  auto const stream = start_with({object("a", "1", "red")});
  stream->push_line(
      R"({"type":"BOOKMARK","object":{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"777"}}})");
  stream->end();
  auto const second = client.will_open();
  ASSERT_TRUE(until([&] { return second->is_open(); }));
  EXPECT_THAT(last_target(), HasSubstr("resourceVersion=777"));
  EXPECT_THAT(told, ElementsAre("ns/a added"));
}

TEST_F(Informer, SilentWatchIsGivenUpAndResumed) {
  auto o = options();
  o.policy.watch_timeout_min = o.policy.watch_timeout_max = std::chrono::seconds(0);
  o.policy.idle_margin = std::chrono::seconds(0);
  client.will_send(page({}, "100"));
  auto const dead = client.will_open();
  start(std::move(o));
  auto const second = client.will_open();
  ASSERT_TRUE(until([&] { return second->was_opened(); }));
  EXPECT_FALSE(dead->is_open());
  EXPECT_EQ(lists(), 1U);
}

TEST_F(Informer, SeveralNamespacesFillOneStoreWhichIsSyncedWithTheLast) {
  auto o = options();
  o.namespaces = {"one", "two"};
  bool two_answers = false;
  client.on_send = [&](kube::request const& r) -> std::optional<kube::result<std::string>> {
    bool const is_two = r.target.find("/two/") != std::string::npos;
    if (is_two && !two_answers) return kube::error(kube::error_kind::connect, "refused");
    return page({object("x", "1", is_two ? "blue" : "red", is_two ? "two" : "one")}, "100");
  };
  start(std::move(o));
  ASSERT_TRUE(until([&] { return pods->objects().size() == 1; }));
  EXPECT_FALSE(pods->has_synced());
  two_answers = true;
  ASSERT_TRUE(until([&] { return pods->has_synced(); }));
  EXPECT_EQ(color("x", "one"), "red");
  EXPECT_EQ(color("x", "two"), "blue");
}

TEST_F(Informer, StopsAtOnceWhateverItWaitsFor) {
  start();  // waits for the list
  group.stop();
  testing::run_coro(io, group.join(), std::chrono::seconds(2));
  EXPECT_EQ(group.size(), 0U);
}

TEST_F(Informer, StopsAtOnceWhileItWatchesAndClosesTheWatch) {
  auto const stream = start_with({});
  group.stop();
  testing::run_coro(io, group.join(), std::chrono::seconds(2));
  EXPECT_FALSE(stream->is_open());
}

TEST_F(Informer, StopsAtOnceWhileItBacksOff) {
  auto o = options();
  o.policy.backoff_initial = o.policy.backoff_maximum = std::chrono::hours(1);
  client.will_send(kube::error(kube::error_kind::connect, "refused"));
  start(std::move(o));
  EXPECT_EQ(pods->counters().failures, 1U);
  group.stop();
  testing::run_coro(io, group.join(), std::chrono::seconds(2));
  EXPECT_EQ(group.size(), 0U);
}

std::string const end_of_list =
    R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"500","annotations":{"k8s.io/initial-events-end":"true"}}}})";

class StreamingInformer : public Informer {
 protected:
  static informer_options options() {
    auto o = Informer::options();
    o.policy.streaming_lists = true;
    return o;
  }
};

TEST_F(StreamingInformer, ListComesThroughTheWatchAndIsShownWhenItIsWhole) {
  auto const stream = client.will_open();
  start(options());
  ASSERT_EQ(client.calls().size(), 1U);
  EXPECT_THAT(last_target(), HasSubstr("sendInitialEvents=true"));
  EXPECT_THAT(last_target(), HasSubstr("resourceVersionMatch=NotOlderThan"));
  EXPECT_THAT(last_target(), HasSubstr("allowWatchBookmarks=true"));
  EXPECT_THAT(last_target(), Not(HasSubstr("resourceVersion=")));
  stream->push_line(event("ADDED", object("a", "1", "red")));
  stream->push_line(event("ADDED", object("b", "2", 42)));
  settle();
  EXPECT_FALSE(pods->has_synced());
  EXPECT_EQ(pods->objects().size(), 0U);
  stream->push_line(end_of_list);
  settle();
  EXPECT_TRUE(pods->has_synced());
  EXPECT_EQ(color("a"), "red");
  EXPECT_EQ(pods->malformed(), 1U);
  stream->push_line(event("MODIFIED", object("a", "501", "green")));
  settle();
  EXPECT_EQ(color("a"), "green");
  EXPECT_EQ(lists(), 0U) << "no request but the watch";
}

TEST_F(StreamingInformer, WhatHappensDuringTheListIsPartOfIt) {
  auto const stream = client.will_open();
  start(options());
  for (auto const& line : {event("ADDED", object("a", "1", "red")), event("ADDED", object("b", "2", "blue")),
                           event("MODIFIED", object("a", "3", "green")), event("DELETED", object("b", "4", "blue")),
                           event("ADDED", object("c", "5", "white")), event("DELETED", object("c", "6", "white")),
                           event("ADDED", object("c", "7", "black")), end_of_list}) {
    stream->push_line(line);
  }
  settle();
  EXPECT_EQ(color("a"), "green");
  EXPECT_EQ(color("b"), "gone");
  EXPECT_EQ(color("c"), "black");
  EXPECT_THAT(told, ::testing::UnorderedElementsAre("ns/a added", "ns/c added"));
}

TEST_F(StreamingInformer, RelistFindsWhatWasDeletedUnseen) {
  auto const stream = client.will_open();
  start(options());
  stream->push_line(event("ADDED", object("a", "1", "red")));
  stream->push_line(event("ADDED", object("b", "2", "blue")));
  stream->push_line(end_of_list);
  stream->push_line(expired_event);
  auto const second = client.will_open();
  ASSERT_TRUE(until([&] { return second->is_open(); }));
  EXPECT_EQ(color("a"), "red") << "the old state stands until the new one is whole";
  second->push_line(event("ADDED", object("b", "2", "blue")));
  second->push_line(end_of_list);
  settle();
  EXPECT_EQ(color("a"), "gone");
  EXPECT_EQ(color("b"), "blue");
}

TEST_F(StreamingInformer, ServerWithoutItIsListedInPages) {
  client.will_refuse_open(kube::error::from_status(
      422, R"json({"kind":"Status","reason":"Invalid","message":"sendInitialEvents: Forbidden","code":422})json"));
  client.will_send(page({object("a", "1", "red")}, "100"));
  auto const stream = client.will_open();
  start(options());
  EXPECT_TRUE(pods->has_synced());
  EXPECT_EQ(color("a"), "red");
  EXPECT_THAT(last_target(), HasSubstr("resourceVersion=100"));
  EXPECT_THAT(last_target(), Not(HasSubstr("sendInitialEvents")));
}

TEST_F(StreamingInformer, ResourceThatIsDefinedLaterIsWaitedFor) {
  for (int i = 0; i < 3; ++i)
    client.will_refuse_open(kube::error::from_status(404, "404 page not found"));
  auto const stream = client.will_open();
  start(options());
  ASSERT_TRUE(until([&] { return stream->is_open(); }));
  stream->push_line(event("ADDED", object("a", "1", "red")));
  stream->push_line(end_of_list);
  settle();
  EXPECT_EQ(color("a"), "red");
  EXPECT_EQ(pods->counters().missing, 3U);
}

TEST_F(StreamingInformer, ObjectsReachTheDecoderWithoutWhatItDoesNotRead) {
  auto o = options();
  o.keep = {{"metadata", {"name", "namespace", "uid", "resourceVersion"}}, {"spec", {"color"}}};
  o.type = kube::pods;
  std::vector<std::string> seen;
  informer<thing> pruned(
      io.get_executor(), client, std::move(o),
      [&](json const& object) {
        seen.push_back(object.dump());
        return decode_thing(object);
      },
      base::system_clock(), base::rng(1));
  auto full = object("a", "1", "red");
  full["metadata"]["managedFields"] = json::array({{{"manager", "kubectl"}}});
  full["spec"]["containers"] = json::array({1, 2, 3});
  auto const stream = client.will_open();
  pruned.start(group);
  stream->push_line(event("ADDED", full));
  stream->push_line(end_of_list);
  ASSERT_TRUE(until([&] { return pruned.has_synced(); }));
  EXPECT_THAT(seen, ElementsAre(object("a", "1", "red").dump()));
  group.stop();
  testing::run_coro(io, group.join());
}

}  // namespace
}  // namespace codeexec::runtime
