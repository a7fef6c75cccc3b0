// The pure parts around the store: paths and headers, selectors, JSONPath, tables, patches, YAML.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codeexec/local/json_path.hpp"
#include "codeexec/local/managed_fields.hpp"
#include "codeexec/local/patch.hpp"
#include "codeexec/local/selector.hpp"
#include "codeexec/local/table.hpp"
#include "codeexec/local/yaml.hpp"
#include "codeexec/yaml_reader/yaml_writer.hpp"

#include "apiserver_support.hpp"

namespace codeexec::local::testing {
namespace {

using nlohmann::json;

// Selectors -------------------------------------------------------------------------------------------------------

bool selected(std::string_view text, json const& labels) {
  auto const parsed = label_selector::parse(text);
  EXPECT_TRUE(parsed) << text;
  return parsed && parsed->matches({{"metadata", {{"labels", labels}}}});
}

TEST(label_selector, understands_every_form) {
  json const labels = {{"app", "web"}, {"n", "5"}};
  for (char const* yes : {"", "app", "app=web", "app==web", "app!=db", "!tier", "tier!=x", "app in (web,db)",
                          "app notin (db)", "tier notin (a)", "app=web,n", "n>4", "n<6", " app = web , n "}) {
    EXPECT_TRUE(selected(yes, labels)) << yes;
  }
  for (char const* no : {"tier", "app=db", "!app", "app in (db)", "app notin (web)", "app=web,tier", "n>5", "app>1"}) {
    EXPECT_FALSE(selected(no, labels)) << no;
  }
}

TEST(label_selector, refuses_nonsense_in_the_servers_words) {
  auto const refused = label_selector::parse("bad===x");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "unable to parse requirement: found '=', expected: identifier");
  for (char const* bad : {"a in", "a in (b", "=x", "a,", ",a", "a b", "!", "a=b c", "bad key!=x", "a>x", "a=-x-"}) {
    EXPECT_FALSE(label_selector::parse(bad)) << bad;
  }
}

TEST(field_selector, knows_only_what_the_type_can_be_selected_by) {
  resource_type type = type_of(widgets);
  type.custom = true;
  type.selectable_fields = {"spec.color"};
  json const value = {{"metadata", {{"name", "a"}, {"namespace", "ns"}}}, {"spec", {{"color", "red"}}}};
  for (char const* yes : {"metadata.name=a", "metadata.name==a,spec.color!=blue", "spec.color=red", ""}) {
    auto const parsed = field_selector::parse(yes, type);
    ASSERT_TRUE(parsed) << yes;
    EXPECT_TRUE(parsed->matches(value)) << yes;
  }
  EXPECT_FALSE(field_selector::parse("metadata.name!=a", type)->matches(value));
  auto const refused = field_selector::parse("spec.size=1", type);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "field label not supported: spec.size");
}

// JSONPath and tables ---------------------------------------------------------------------------------------------

std::string found(std::string_view path, json const& value) {
  auto const compiled = json_path::compile(path);
  if (!compiled) {
    return "refused";
  }
  std::string out;
  for (json const* one : compiled->find(value)) {
    out += (out.empty() ? "" : ",") + one->dump();
  }
  return out;
}

TEST(json_path, finds_what_printer_columns_name) {
  json const value = json::parse(R"j({"a":{"b":1,"x.y":2},"l":[1,2,3],
    "conditions":[{"type":"Ready","status":"True"},{"type":"Other","status":"False"}]})j");
  EXPECT_EQ(found(".a.b", value), "1");
  EXPECT_EQ(found("a.b", value), "1");
  EXPECT_EQ(found("{.a.b}", value), "1");
  EXPECT_EQ(found("$.a['b']", value), "1");
  EXPECT_EQ(found(".a.x\\.y", value), "2");
  EXPECT_EQ(found(".l[0]", value), "1");
  EXPECT_EQ(found(".l[-1]", value), "3");
  EXPECT_EQ(found(".l[*]", value), "1,2,3");
  EXPECT_EQ(found(".conditions[?(@.type==\"Ready\")].status", value), "\"True\"");
  EXPECT_EQ(found(".conditions[?(@.type != 'Ready')].status", value), "\"False\"");
  EXPECT_EQ(found(".none.b", value), "");
  for (char const* bad : {".a[", ".a..b", ".a[x]", ".a[?(type)]"}) {
    EXPECT_EQ(found(bad, value), "refused") << bad;
  }
}

TEST(human_duration, is_written_as_kubectl_writes_it) {
  using std::chrono::seconds;
  std::vector<std::pair<int, char const*>> const samples = {
      {-5, "<invalid>"}, {0, "0s"},        {119, "119s"},  {120, "2m"},     {125, "2m5s"},
      {601, "10m"},      {10799, "179m"},  {10800, "3h"},  {11000, "3h3m"}, {30000, "8h"},
      {172800, "2d"},    {180000, "2d2h"}, {800000, "9d"}, {63072000, "2y"}};
  for (auto const& [span, text] : samples) {
    EXPECT_EQ(human_duration(seconds(span)), text) << span;
  }
}

TEST(table, shows_a_custom_resource_by_its_columns) {
  resource_type type = type_of(widgets);
  type.custom = true;
  type.columns = {{"Size", "integer", "", "", ".spec.size", 0},
                  {"Phase", "string", "", "", ".status.phase", 0},
                  {"Age", "date", "", "", ".metadata.creationTimestamp", 0}};
  object const row(json::parse(R"({"metadata":{"name":"a","creationTimestamp":"2026-01-31T09:59:34Z"},
    "spec":{"size":3}})"));
  json const shown = make_table(type, {row}, {{"resourceVersion", "7"}}, *base::parse_time("2026-01-31T10:00:00Z"));
  EXPECT_EQ(shown["rows"][0]["cells"], json::parse(R"(["a",3,null,"26s"])"));
  EXPECT_EQ(shown["columnDefinitions"][1]["description"],
            "Custom resource definition column (in JSONPath format): .spec.size");
}

TEST(table, shows_a_pod_by_what_its_container_says) {
  resource_type const type = type_of(kube::pods);
  auto const status = [&type](char const* text) {
    object const pod(json::parse(text));
    return make_table(type, {pod}, json::object(), *base::parse_time("2026-01-31T10:00:00Z"))["rows"][0]["cells"][2];
  };
  EXPECT_EQ(status(R"({"metadata":{"name":"p"},"status":{"phase":"Pending"}})"), "Pending");
  EXPECT_EQ(status(R"({"metadata":{"name":"p"},"status":{"phase":"Pending",
    "containerStatuses":[{"state":{"waiting":{"reason":"ImagePullBackOff"}}}]}})"),
            "ImagePullBackOff");
  EXPECT_EQ(status(R"({"metadata":{"name":"p"},"status":{"phase":"Failed",
    "containerStatuses":[{"state":{"terminated":{"reason":"OOMKilled"}}}]}})"),
            "OOMKilled");
  EXPECT_EQ(status(R"({"metadata":{"name":"p","deletionTimestamp":"2026-01-31T10:00:00Z"},
    "status":{"phase":"Running"}})"),
            "Terminating");
}

// Patches ---------------------------------------------------------------------------------------------------------

TEST(json_patch, that_does_not_apply_is_a_422_without_details) {
  json const target = {{"spec", {{"color", "red"}}}};
  for (char const* patch :
       {R"([{"op":"test","path":"/spec/color","value":"nope"}])", R"([{"op":"remove","path":"/none"}])",
        R"([{"op":"fly","path":"/spec"}])", R"([{"path":"/spec"}])", R"([7])"}) {
    auto const got = apply_json_patch(target, json::parse(patch));
    ASSERT_FALSE(got) << patch;
    EXPECT_EQ(got.error().code, 422) << patch;
  }
  EXPECT_EQ(apply_json_patch(target, json::object()).error().code, 400);
  EXPECT_EQ(*apply_json_patch(target, json::parse(R"([{"op":"add","path":"/spec/size","value":1}])")),
            json::parse(R"({"spec":{"color":"red","size":1}})"));
}

TEST(json_patch, that_copies_its_own_copies_is_refused_before_it_fills_the_memory) {
  json doubling = json::array();
  for (int i = 0; i < 60; ++i) {
    doubling.push_back({{"op", "copy"}, {"from", ""}, {"path", "/copy" + std::to_string(i)}});
  }
  EXPECT_EQ(apply_json_patch(json::object({{"spec", std::string(100000, 'x')}}), doubling).error().code, 422);
}

TEST(json_patch, that_nests_its_document_without_end_is_refused_before_anything_descends_into_it) {
  json nesting = json::array();
  for (int i = 0; i < 100; ++i) {
    nesting.push_back({{"op", "add"}, {"path", "/around"}, {"value", json::object()}});
    nesting.push_back({{"op", "move"}, {"from", "/spec"}, {"path", "/around/spec"}});
    nesting.push_back({{"op", "move"}, {"from", "/around"}, {"path", "/spec"}});
  }
  // Nearly as deep as a body may be, so that the test need not go all the way.
  json const target = {{"spec", json::parse(std::string(450, '[') + std::string(450, ']'))}};
  EXPECT_EQ(apply_json_patch(target, nesting).error().code, 422);
}

TEST(merge_patch, removes_with_null_and_replaces_lists) {
  EXPECT_EQ(*apply_merge_patch({{"a", 1}, {"l", {1, 2}}}, json::parse(R"({"a":null,"l":[3]})")), json({{"l", {3}}}));
  EXPECT_EQ(apply_merge_patch({{"a", 1}}, json::array()).error().code, 400);
}

TEST(strategic_patch, merges_lists_by_their_key) {
  json const target = json::parse(R"({"spec":{"containers":[{"name":"a","image":"x"},{"name":"b","image":"y"}],
    "args":["1","2"]},"metadata":{"finalizers":["f"]}})");
  auto const patched = [&target](char const* patch) { return *apply_strategic_patch(target, json::parse(patch)); };
  EXPECT_EQ(patched(R"({"spec":{"containers":[{"name":"a","image":"z"}]}})")["spec"]["containers"],
            json::parse(R"([{"name":"a","image":"z"},{"name":"b","image":"y"}])"));
  EXPECT_EQ(patched(R"({"spec":{"containers":[{"name":"a","$patch":"delete"}]}})")["spec"]["containers"],
            json::parse(R"([{"name":"b","image":"y"}])"));
  EXPECT_EQ(patched(R"({"spec":{"containers":[{"$patch":"replace"},{"name":"c"}]}})")["spec"]["containers"],
            json::parse(R"([{"name":"c"}])"));
  EXPECT_EQ(patched(R"({"spec":{"args":["3"]}})")["spec"]["args"], json::parse(R"(["3"])"));
  EXPECT_EQ(patched(R"({"metadata":{"finalizers":["g"]}})")["metadata"]["finalizers"], json::parse(R"(["f","g"])"));
  EXPECT_EQ(patched(R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["f"],"$setElementOrder/finalizers":[]}})")
                ["metadata"]["finalizers"],
            json::array());
  EXPECT_EQ(patched(R"({"spec":null})").contains("spec"), false);
}

apply_request by(std::string manager, bool force = false) {
  apply_request out;
  out.manager = std::move(manager);
  out.force = force;
  out.api_version = "example.dev/v1";
  out.now = *base::parse_time("2026-01-31T10:00:00Z");
  return out;
}

TEST(json_patch, whose_path_goes_through_a_scalar_does_not_apply) {
  json const target = json::parse(R"({"spec": {"size": 1, "items": [[1], 2]}})");
  for (char const* operation :
       {R"([{"op": "add", "path": "/spec/size/x", "value": 1}])", R"([{"op": "remove", "path": "/spec/size/x"}])",
        R"([{"op": "copy", "from": "/spec", "path": "/spec/size/x"}])",
        R"([{"op": "move", "from": "/spec/items", "path": "/spec/size/x"}])",
        // What follows takes the place of what is moved.
        R"([{"op": "move", "from": "/spec/items/0", "path": "/spec/items/0/x"}])"}) {
    auto const made = apply_json_patch(target, json::parse(operation));
    ASSERT_FALSE(made) << operation;
    EXPECT_EQ(made.error().code, 422) << operation;
  }
  EXPECT_EQ(
      (*apply_json_patch(target, json::parse(R"([{"op": "move", "from": "/spec/size", "path": "/size"}])")))["size"],
      1);
}

TEST(server_side_apply, two_managers_share_and_contend) {
  json const one = {{"metadata", {{"name", "s"}}}, {"spec", {{"size", 3}, {"color", "green"}}}};
  json const two = {{"metadata", {{"name", "s"}}}, {"spec", {{"size", 3}, {"color", "blue"}}}};
  auto const first = apply_server_side(nullptr, one, nullptr, by("one"));
  ASSERT_TRUE(first);
  auto const refused = apply_server_side(*first, two, nullptr, by("two"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "Apply failed with 1 conflict: conflict with \"one\": .spec.color");
  auto const forced = apply_server_side(*first, two, nullptr, by("two", true));
  ASSERT_TRUE(forced);
  EXPECT_EQ((*forced)["spec"]["color"], "blue");
  json const fewer = {{"metadata", {{"name", "s"}}}, {"spec", {{"size", 3}}}};
  auto const left = apply_server_side(*forced, fewer, nullptr, by("two"));
  ASSERT_TRUE(left);
  EXPECT_FALSE((*left)["spec"].contains("color")) << "nobody owns it any more";
  EXPECT_EQ((*left)["spec"]["size"], 3) << "still owned by one";
}

TEST(server_side_apply, the_same_twice_changes_nothing) {
  json const wanted = {{"metadata", {{"name", "s"}, {"labels", {{"a", "b"}}}}}, {"spec", {{"size", 3}}}};
  auto const first = apply_server_side(nullptr, wanted, nullptr, by("one"));
  auto later = by("one");
  later.now += std::chrono::hours(1);
  EXPECT_EQ(*apply_server_side(*first, wanted, nullptr, later), *first);
}

TEST(server_side_apply, elements_that_nothing_tells_apart_are_one_value) {
  // Of a built-in kind, whose ports are told apart by containerPort: none has one, or two have the same.
  for (auto const* ports :
       {R"([{"key": "y", "v": 3}, {"key": "z"}])", R"([{"containerPort": 80, "v": 3}, {"containerPort": 80}])"}) {
    json const wanted = {{"metadata", {{"name", "s"}}}, {"spec", {{"ports", json::parse(ports)}}}};
    json const live = {{"metadata", {{"name", "s"}}}, {"spec", {{"size", 1}}}};
    auto const once = apply_server_side(live, wanted, nullptr, by("one"));
    ASSERT_TRUE(once);
    EXPECT_EQ((*once)["spec"]["ports"], wanted["spec"]["ports"]);
    EXPECT_EQ(*apply_server_side(*once, wanted, nullptr, by("one")), *once);
  }
}

TEST(server_side_apply, a_field_whose_name_holds_dots_changes_hands) {
  auto const wanted = [](char const* value) {
    return json{{"metadata", {{"name", "s"}, {"annotations", {{"example.dev/by", value}}}}}};
  };
  auto const first = apply_server_side(nullptr, wanted("one"), nullptr, by("one"));
  ASSERT_TRUE(first);
  ASSERT_FALSE(apply_server_side(*first, wanted("two"), nullptr, by("two")));
  auto const forced = apply_server_side(*first, wanted("two"), nullptr, by("two", true));
  ASSERT_TRUE(forced);
  EXPECT_EQ(forced->at("/metadata/annotations/example.dev~1by"_json_pointer), "two");
  auto const& entries = forced->at("/metadata/managedFields"_json_pointer);
  ASSERT_EQ(entries.size(), 1u) << "who owns nothing any more has no entry";
  EXPECT_EQ(entries[0]["manager"], "two");
}

update_author writes(std::string manager, std::string subresource = {}) {
  return {std::move(manager), std::move(subresource), "example.dev/v1", *base::parse_time("2026-01-31T10:00:00Z")};
}

/// `before` as this writer leaves it: `next`, with its entry.
json written(json const& before, json next, update_author const& author) {
  if (!before.is_null() && before["metadata"].contains("managedFields")) {
    next["metadata"]["managedFields"] = before["metadata"]["managedFields"];
  }
  next["metadata"]["managedFields"] = managed_fields_after(before, next, nullptr, author);
  return next;
}

json sized(int size, char const* color) {
  return {{"metadata", {{"name", "s"}, {"uid", "u"}}}, {"spec", {{"size", size}, {"color", color}}}};
}

TEST(managed_fields, who_creates_owns_all_but_what_the_server_keeps) {
  auto made = sized(3, "green");
  made["metadata"]["labels"] = {{"app", "web"}};
  EXPECT_EQ(written(nullptr, made, writes("kubectl-create"))["metadata"]["managedFields"], json::parse(R"([
    {"manager": "kubectl-create", "operation": "Update", "apiVersion": "example.dev/v1", "time": "2026-01-31T10:00:00Z",
     "fieldsType": "FieldsV1", "fieldsV1": {
       "f:metadata": {"f:labels": {".": {}, "f:app": {}}}, "f:spec": {"f:color": {}, "f:size": {}}}}])"));
}

TEST(managed_fields, a_field_belongs_to_who_changed_it_last) {
  auto const made = written(nullptr, sized(3, "green"), writes("one"));
  auto const changed = written(made, sized(3, "blue"), writes("two"));
  auto const& entries = changed["metadata"]["managedFields"];
  ASSERT_EQ(entries.size(), 2u) << entries.dump(1);
  EXPECT_EQ(entries[0]["fieldsV1"], json::parse(R"({"f:spec": {"f:size": {}}})"));
  EXPECT_EQ(entries[1]["manager"], "two");
  EXPECT_EQ(entries[1]["fieldsV1"], json::parse(R"({"f:spec": {"f:color": {}}})"));
  auto without = sized(3, "blue");
  without["spec"].erase("color");
  auto const removed = written(changed, without, writes("one"))["metadata"]["managedFields"];
  ASSERT_EQ(removed.size(), 1u) << "what is gone is nobody's: " << removed.dump(1);
  EXPECT_EQ(removed[0]["manager"], "one");
}

TEST(managed_fields, a_list_with_a_key_is_owned_by_element_and_a_subresource_has_its_own_entry) {
  auto const with = [](json conditions) {
    auto out = sized(3, "green");
    out["status"] = {{"conditions", std::move(conditions)}};
    return out;
  };
  json const ready = {{"type", "Ready"}, {"status", "True"}};
  json const done = {{"type", "Done"}, {"status", "False"}};
  auto const made = written(nullptr, sized(3, "green"), writes("one"));
  auto const first = written(made, with(json::array({ready})), writes("one", "status"));
  auto const second = written(first, with(json::array({ready, done})), writes("two", "status"));
  auto const& entries = second["metadata"]["managedFields"];
  ASSERT_EQ(entries.size(), 3u) << entries.dump(1);
  EXPECT_EQ(entries[1]["subresource"], "status");
  EXPECT_EQ(entries[2]["fieldsV1"], json::parse(R"({"f:status": {"f:conditions": {
    "k:{\"type\":\"Done\"}": {".": {}, "f:status": {}, "f:type": {}}}}})"));
}

TEST(managed_fields, nothing_is_noted_where_the_first_writer_was_not) {
  EXPECT_EQ(managed_fields_after(sized(3, "green"), sized(4, "green"), nullptr, writes("one")), json::array());
}

TEST(server_side_apply, conflicts_with_who_wrote_without_applying) {
  auto const made = written(nullptr, sized(3, "green"), writes("kubectl-create"));
  json const wanted = {{"metadata", {{"name", "s"}}}, {"spec", {{"size", 3}, {"color", "blue"}}}};
  auto const refused = apply_server_side(made, wanted, nullptr, by("kubectl"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message,
            "Apply failed with 1 conflict: conflict with \"kubectl-create\" using example.dev/v1 at "
            "2026-01-31T10:00:00Z: .spec.color");
  auto const taken = apply_server_side(made, wanted, nullptr, by("kubectl", true));
  ASSERT_TRUE(taken);
  EXPECT_EQ((*taken)["spec"]["color"], "blue");
  // What both want as it is they share; the other field is the applier's alone.
  EXPECT_EQ(taken->at("/metadata/managedFields/1/fieldsV1"_json_pointer), json::parse(R"({"f:spec": {"f:size": {}}})"));
}

TEST(server_side_apply, several_conflicts_are_listed_by_writer) {
  auto const made = written(nullptr, sized(3, "green"), writes("kubectl-create"));
  json const wanted = {{"metadata", {{"name", "s"}}}, {"spec", {{"size", 4}, {"color", "blue"}}}};
  auto const refused = apply_server_side(made, wanted, nullptr, by("kubectl"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message,
            "Apply failed with 2 conflicts: conflicts with \"kubectl-create\" using example.dev/v1 at "
            "2026-01-31T10:00:00Z:\n- .spec.color\n- .spec.size");
}

TEST(server_side_apply, managed_fields_that_a_client_made_up_do_no_harm) {
  json live = {{"metadata", {{"name", "s"}}}};
  live["metadata"]["managedFields"] = json::parse(R"([{"manager":"x","fieldsV1":{"f:metadata":"no set"}}])");
  EXPECT_TRUE(apply_server_side(live, {{"metadata", {{"name", "s"}}}}, nullptr, by("one")));
}

// YAML ------------------------------------------------------------------------------------------------------------

TEST(yaml, reads_scalars_as_kubernetes_does) {
  auto const got = parse_yaml(
      "a: 1\nb: '1'\nc: yes\nd: 1.5\ne: ~\nf: 0o17\ng: 0x1F\nh: 1e3\ni: text\nj: \"x\\ny\"\n"
      "k: |\n  1\nl: [a, 2]\nm: {n: o}\nn: -7\n'n': 7\np: 1.2.3\nq: 500m\nr: 2026-01-31\n");
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(*got, json::parse(R"({"a":1,"b":"1","c":true,"d":1.5,"e":null,"f":15,"g":31,"h":1000,"i":"text","j":"x\ny",
    "k":"1\n","l":["a",2],"m":{"false":"o"},"false":-7,"n":7,"p":"1.2.3","q":"500m","r":"2026-01-31"})"));
}

TEST(yaml, nonsense_is_an_error) {
  EXPECT_FALSE(parse_yaml("a: [1"));
  EXPECT_FALSE(parse_yaml("a: b: c"));
  EXPECT_FALSE(parse_yaml(std::string(1000, '[') + std::string(1000, ']')));
  EXPECT_FALSE(parse_yaml("a: 1\n---\nb: 2\n"));
  EXPECT_FALSE(parse_yaml("a: 1\nb: 2\na: 3\n"));
  EXPECT_EQ(parse_yaml_documents("a: 1\n---\n---\nb: 2\n")->size(), 2u);
}

TEST(yaml, what_is_written_reads_back) {
  json const value =
      json::parse(R"({"a":"1","b":1,"c":"true","d":true,"e":null,"f":[],"g":{},"h":"x: y","i":"line\nline\n",
    "j":["a",{"k":"-"}],"l":"","m":"2026-01-31T10:00:00Z","n":1.5,"o":"ünï","p":"~",
    "y":"n","true":"on","1":"1_000","null":"0x1F","q":"- x","":"#"})");
  EXPECT_EQ(*parse_yaml(yaml::write_document(value)), value) << yaml::write_document(value);
}

TEST(yaml, what_a_reader_takes_for_space_is_written_as_an_escape) {
  for (std::string const text : {"400\r", "\r400", "a\rb", "a\tb\t", "\x7f", "a\u0085", "\uFEFFa", "a\u2028b\u2029"}) {
    json const value = {{"key", text}, {text, "value"}};
    EXPECT_EQ(*parse_yaml(yaml::write_document(value)), value) << json(text);
  }
}

}  // namespace
}  // namespace codeexec::local::testing
