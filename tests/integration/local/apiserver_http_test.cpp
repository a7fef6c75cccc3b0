// The server over real sockets: what depends on connections, streams and time.
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>

#include "apiserver_support.hpp"

namespace codeexec::local::testing {
namespace {

using nlohmann::json;

constexpr char const* maps = "/api/v1/namespaces/default/configmaps";

json config_map(std::string const& name, json data = json::object(), json labels = json::object()) {
  return {{"apiVersion", "v1"},
          {"kind", "ConfigMap"},
          {"metadata", {{"name", name}, {"labels", std::move(labels)}}},
          {"data", std::move(data)}};
}

std::string described(json const& event) {
  return event.value("type", "?") + " " + event["object"]["metadata"].value("name", "");
}

class control_plane_test : public ::testing::Test {
 protected:
  live_server server;
};

TEST_F(control_plane_test, keeps_a_connection_for_several_requests) {
  client one(server.port());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(one.exchange("GET", "/healthz").body, "ok");
  }
}

TEST_F(control_plane_test, a_watch_reports_what_happens_while_it_is_open) {
  client watcher(server.port());
  watcher.send("GET", std::string(maps) + "?watch=true");
  ASSERT_EQ(server.post(maps, config_map("a")).status, 201);
  ASSERT_EQ(server.call("DELETE", std::string(maps) + "/a").status, 200);
  auto const [status, events] = watcher.lines(2);
  EXPECT_EQ(status, 200);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(described(events[0]), "ADDED a");
  EXPECT_EQ(described(events[1]), "DELETED a");
}

TEST_F(control_plane_test, a_hundred_watches_see_the_same_write) {
  std::vector<std::unique_ptr<client>> watchers;
  for (int i = 0; i < 100; ++i) {
    watchers.push_back(std::make_unique<client>(server.port()));
    watchers.back()->send("GET", std::string(maps) + "?watch=true");
  }
  ASSERT_EQ(server.post(maps, config_map("seen")).status, 201);
  for (auto const& one : watchers) {
    auto const [status, events] = one->lines(1);
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(described(events[0]), "ADDED seen");
  }
}

TEST_F(control_plane_test, objects_made_while_a_watch_opens_are_reported_exactly_once) {
  client writer(server.port());
  std::vector<std::unique_ptr<client>> watchers;
  constexpr int count = 40;
  for (int i = 0; i < count; ++i) {
    // Both are under way at once: the server sees them in any order.
    watchers.push_back(std::make_unique<client>(server.port()));
    watchers.back()->send("GET", std::string(maps) + "?watch=true");
    writer.send("POST", maps, {{"Content-Type", "application/json"}}, config_map("m" + std::to_string(i)).dump());
    ASSERT_EQ(writer.receive().status, 201);
  }
  ASSERT_EQ(server.post(maps, config_map("zz-last")).status, 201);
  for (auto const& one : watchers) {
    auto const [status, events] = one->lines(count + 1);
    std::set<std::string> seen;
    for (json const& event : events) {
      EXPECT_TRUE(seen.insert(described(event)).second) << described(event) << " twice";
    }
    EXPECT_EQ(seen.size(), static_cast<std::size_t>(count) + 1);
  }
}

TEST_F(control_plane_test, a_watch_ends_in_order_at_its_timeout_with_a_last_bookmark) {
  client watcher(server.port());
  watcher.send("GET", std::string(maps) + "?watch=true&timeoutSeconds=3&allowWatchBookmarks=true");
  auto const [status, events] = watcher.lines(100);
  EXPECT_EQ(status, 200);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0]["type"], "BOOKMARK");
}

TEST_F(control_plane_test, a_client_that_leaves_a_silent_watch_frees_its_connection) {
  {
    client watcher(server.port());
    watcher.send("GET", std::string(maps) +
                            "?watch=true&sendInitialEvents=true&allowWatchBookmarks=true"
                            "&resourceVersionMatch=NotOlderThan");
    (void)watcher.lines(1);
  }
  // The server notices the closed socket without a write: another watch of the same kind still works, and stopping the
  // server (the end of this test) does not wait for the one that left.
  EXPECT_EQ(server.get("/healthz").status, 200);
}

TEST_F(control_plane_test, a_selector_turns_a_label_change_into_added_and_deleted) {
  client watcher(server.port());
  watcher.send("GET", std::string(maps) + "?watch=true&labelSelector=app%3Dp");
  ASSERT_EQ(server.post(maps, config_map("w")).status, 201);
  for (char const* label : {"p", "q"}) {
    auto const got = server.call("PATCH", std::string(maps) + "/w", {{"Content-Type", "application/merge-patch+json"}},
                                 json{{"metadata", {{"labels", {{"app", label}}}}}}.dump());
    ASSERT_EQ(got.status, 200);
  }
  auto const [status, events] = watcher.lines(2);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(described(events[0]), "ADDED w");
  EXPECT_EQ(described(events[1]), "DELETED w");
  EXPECT_EQ(events[1]["object"]["metadata"]["labels"]["app"], "p");
}

TEST_F(control_plane_test, a_watch_from_a_version_that_was_never_given_out_is_told_to_list_again) {
  client watcher(server.port());
  watcher.send("GET", std::string(maps) + "?watch=true&resourceVersion=999999");
  auto const [status, events] = watcher.lines(2);
  EXPECT_EQ(status, 200);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0]["type"], "ERROR");
  EXPECT_EQ(events[0]["object"]["code"], 410);
}

TEST_F(control_plane_test, the_table_of_a_watch_defines_its_columns_once) {
  headers const table{{"Accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}};
  ASSERT_EQ(server.post(maps, config_map("a")).status, 201);
  ASSERT_EQ(server.post(maps, config_map("b")).status, 201);
  client watcher(server.port());
  watcher.send("GET", std::string(maps) + "?watch=true", table);
  auto const [status, events] = watcher.lines(2);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_TRUE(events[0]["object"]["columnDefinitions"].is_array());
  EXPECT_TRUE(events[1]["object"]["columnDefinitions"].is_null());
}

TEST_F(control_plane_test, a_body_beyond_three_mebibytes_is_refused_and_answered) {
  auto const got = server.post(maps, config_map("big", {{"k", std::string(4u << 20, 'x')}}));
  EXPECT_EQ(got.status, 413);
  EXPECT_EQ(got.json()["reason"], "RequestEntityTooLarge");
}

TEST_F(control_plane_test, nonsense_is_refused_and_the_server_goes_on) {
  headers const as_json{{"Content-Type", "application/json"}};
  struct sample {
    char const* method;
    std::string target;
    std::string body;
    int status;
  };
  std::vector<sample> const samples = {
      {"POST", maps, "", 400},
      {"POST", maps, "[]", 400},
      {"POST", maps, "null", 400},
      {"POST", maps, std::string(100000, '['), 400},
      {"POST", maps, "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":7}", 400},
      {"POST", maps, "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":7}}", 400},
      {"POST", maps, "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":1}}",
       400},
      {"POST", maps, "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\"}}", 400},
      {"POST", "/api/v1/namespaces/default/pods",
       R"j({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"containers":{"name":"c"}}})j", 400},
      {"POST", "/api/v1/namespaces/default/pods",
       R"j({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"containers":["c"]}})j", 400},
      {"POST", "/api/v1/namespaces/default/pods", R"j({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}})j", 422},
      {"POST", "/apis/batch/v1/namespaces/default/jobs",
       R"j({"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"a"},"spec":[]})j", 400},
      {"POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
       R"j({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"a"},"spec":7})j",
       400},
      {"PATCH", std::string(maps) + "/none", "{}", 415},
      {"PUT", std::string(maps) + "/none", config_map("other").dump(), 400},
      {"DELETE", std::string(maps) + "/none", "{\"propagationPolicy\":\"Sometimes\"}", 422},
      {"GET", "/api/v1/namespaces/default/configmaps/%zz", "", 400},
      {"GET", "/api/v1/namespaces/default/configmaps/a/b/c/d", "", 404},
      {"GET", "/api/v1/namespaces/default/nodes", "", 404},
      {"POST", "/api/v1/namespaces/default/pods/x/log", "{}", 405},
      {"GET", "/api/v1/namespaces/default/secrets", "", 404},
      {"BREW", "/api/v1/namespaces", "", 405},
  };
  for (sample const& one : samples) {
    answer const got = server.call(one.method, one.target, as_json, one.body);
    EXPECT_EQ(got.status, one.status) << one.method << " " << one.target << " " << one.body.substr(0, 100) << "\n"
                                      << got.body.substr(0, 300);
  }
  EXPECT_EQ(server.get("/readyz").status, 200);
}

TEST_F(control_plane_test, what_is_no_http_closes_the_connection_and_nothing_else) {
  {
    asio::io_context io;
    asio::ip::tcp::socket socket(io);
    socket.connect({asio::ip::address_v4::loopback(), server.port()});
    asio::write(socket, asio::buffer(std::string("\x16\x03\x01 this is no HTTP\r\n\r\n")));
    char answered[64];
    boost::system::error_code ec;
    (void)socket.read_some(asio::buffer(answered), ec);
    EXPECT_TRUE(ec);
  }
  EXPECT_EQ(server.get("/readyz").status, 200);
}

TEST_F(control_plane_test, a_job_is_patched_strategically_by_container_name) {
  json const job = json::parse(R"j({"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"j"},"spec":{"suspend":true,
    "template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i:1"}]}}}})j");
  ASSERT_EQ(server.post("/apis/batch/v1/namespaces/default/jobs", job).status, 201);
  auto const got = server.call("PATCH", "/apis/batch/v1/namespaces/default/jobs/j",
                               {{"Content-Type", "application/strategic-merge-patch+json"}},
                               R"j({"spec":{"suspend":false,"template":{"spec":{"containers":[{"name":"c"}]}}}})j");
  EXPECT_EQ(got.status, 200) << got.body;
  EXPECT_EQ(got.json()["spec"]["suspend"], false);
  EXPECT_EQ(got.json()["spec"]["template"]["spec"]["containers"][0]["image"], "i:1");
}

TEST_F(control_plane_test, logs_without_a_node_are_a_sentence) {
  json const pod = json::parse(R"j({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},
    "spec":{"containers":[{"name":"c","image":"i:1"}]}})j");
  ASSERT_EQ(server.post("/api/v1/namespaces/default/pods", pod).status, 201);
  EXPECT_EQ(server.get("/api/v1/namespaces/default/pods/p/log").status, 400);
  auto const refused = server.get("/api/v1/namespaces/default/pods/p/log?stream=Stdout");
  EXPECT_EQ(refused.status, 422);
  EXPECT_EQ(refused.json()["message"], "PodLogOptions \"p\" is invalid: stream: Forbidden: may not be specified");
}

TEST_F(control_plane_test, a_deleted_namespace_takes_its_contents_along) {
  ASSERT_EQ(
      server.post("/api/v1/namespaces", {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", "n"}}}})
          .status,
      201);
  ASSERT_EQ(server.post("/api/v1/namespaces/n/configmaps", config_map("c")).status, 201);
  client watcher(server.port());
  watcher.send("GET", "/api/v1/namespaces?watch=true&fieldSelector=metadata.name%3Dn");
  (void)watcher.lines(1);
  ASSERT_EQ(server.call("DELETE", "/api/v1/namespaces/n").status, 200);
  auto const [status, events] = watcher.lines(2);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0]["object"]["status"]["phase"], "Terminating");
  EXPECT_EQ(events[1]["type"], "DELETED");
  EXPECT_EQ(server.get("/api/v1/namespaces/n/configmaps/c").status, 404);
}

TEST_F(control_plane_test, a_deleted_definition_takes_its_objects_along_and_stops_being_served) {
  json const crd = json::parse(R"j({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
    "metadata":{"name":"things.example.dev"},"spec":{"group":"example.dev","scope":"Namespaced",
    "names":{"plural":"things","kind":"Thing"},"versions":[{"name":"v1","served":true,"storage":true,
    "schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}})j");
  constexpr char const* definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  constexpr char const* things = "/apis/example.dev/v1/namespaces/default/things";
  ASSERT_EQ(server.post(definitions, crd).status, 201);
  ASSERT_EQ(
      server.post(things, {{"apiVersion", "example.dev/v1"}, {"kind", "Thing"}, {"metadata", {{"name", "t"}}}}).status,
      201);
  client watcher(server.port());
  watcher.send("GET", std::string(things) + "?watch=true");
  (void)watcher.lines(1);
  ASSERT_EQ(server.call("DELETE", std::string(definitions) + "/things.example.dev").status, 200);
  auto const [status, events] = watcher.lines(2);
  ASSERT_EQ(events.size(), 1u) << "the watch ends with its type";
  EXPECT_EQ(described(events[0]), "DELETED t");
  EXPECT_EQ(server.get(things).status, 404);
  EXPECT_EQ(server.post(definitions, crd).status, 201) << "and can be defined anew";
}

TEST_F(control_plane_test, a_definition_with_a_rule_it_cannot_parse_is_refused_naming_the_rule) {
  json const crd = json::parse(R"j({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
    "metadata":{"name":"things.example.dev"},"spec":{"group":"example.dev","scope":"Namespaced",
    "names":{"plural":"things","kind":"Thing"},"versions":[{"name":"v1","served":true,"storage":true,
    "schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-validations":[{"rule":"isURL(self.x)"}]}}}]}})j");
  auto const got = server.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd);
  EXPECT_EQ(got.status, 422);
  EXPECT_THAT(got.json()["message"].get<std::string>(), ::testing::HasSubstr("isURL(self.x)"));
}

TEST(data_file, what_was_written_is_there_after_a_restart_and_watches_start_anew) {
  auto const folder = std::filesystem::temp_directory_path() / ("codeexec-data-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  control_plane_options options;
  options.data = folder / "objects";
  options.crds = std::string(CODEEXEC_SOURCE_DIR) + "/crds";
  constexpr char const* executions = "/apis/codeexec.dev/v1alpha1/namespaces/default/codeexecutions";
  std::string uid;
  std::string version;
  {
    live_server first(options);
    auto const made = first.post(executions, {{"apiVersion", "codeexec.dev/v1alpha1"},
                                              {"kind", "CodeExecution"},
                                              {"metadata", {{"name", "kept"}}},
                                              {"spec", {{"code", "1"}}}});
    ASSERT_EQ(made.status, 201) << made.body;
    uid = made.json()["metadata"]["uid"];
    ASSERT_EQ(first.post(maps, config_map("gone")).status, 201);
    version = first.get(maps).json()["metadata"]["resourceVersion"];
    ASSERT_EQ(first.call("DELETE", std::string(maps) + "/gone").status, 200);
  }
  std::ofstream(options.data, std::ios::app) << "{\"resource\":\"configmaps\",\"ver";  // cut short by a crash
  {
    live_server second(options);
    auto const kept = second.get(std::string(executions) + "/kept");
    EXPECT_EQ(kept.json()["metadata"]["uid"], uid);
    EXPECT_EQ(second.get(std::string(maps) + "/gone").status, 404);
    client watcher(second.port());
    watcher.send("GET", std::string(maps) + "?watch=true&resourceVersion=" + version);
    auto const [status, events] = watcher.lines(1);
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0]["object"]["reason"], "Expired");
  }
  std::filesystem::remove_all(folder);
}

TEST(fault_injection, no_milliseconds_of_silence_last_until_the_client_leaves) {
  control_plane_options options;
  options.faults = true;
  live_server server(options);
  json rules = json::array();
  for (char const* verb : {"list", "watch"}) {
    rules.push_back(
        {{"verb", verb}, {"resource", "configmaps"}, {"fault", "silence"}, {"milliseconds", 0U}, {"afterEvents", 1U}});
  }
  ASSERT_EQ(server.call("PUT", "/faults", {}, json{{"rules", rules}}.dump()).status, 200);
  client asks(server.port());
  client watches(server.port());
  asks.send("GET", maps);
  watches.send("GET", std::string(maps) + "?watch=true");
  ASSERT_EQ(server.post(maps, config_map("a")).status, 201);
  EXPECT_EQ(watches.lines(1).second.size(), 1U);
  ASSERT_EQ(server.post(maps, config_map("b")).status, 201);
  EXPECT_TRUE(asks.hears_nothing_for(std::chrono::milliseconds(300)));
  EXPECT_TRUE(watches.hears_nothing_for(std::chrono::milliseconds(0)));
  asks.close();
  EXPECT_EQ(server.get(maps).json()["items"].size(), 2U);
  // The other one is still there when the server stops, and does not hold it up.
}

}  // namespace
}  // namespace codeexec::local::testing
