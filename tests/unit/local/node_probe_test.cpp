// What probes ask and conclude, and what a pod is given of its cluster.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codeexec/local/node/container_plan.hpp"
#include "codeexec/local/node/images.hpp"
#include "codeexec/local/node/pod_status.hpp"
#include "codeexec/local/object.hpp"

#include "probe.hpp"

namespace codeexec::local {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::HasSubstr;

TEST(probe, is_read_with_the_ports_of_its_container) {
  json const container{{"ports", json::array({json{{"name", "health"}, {"containerPort", 8081}}})}};
  auto const read = read_probe(
      {{"httpGet", {{"path", "/readyz"}, {"port", "health"}}}, {"periodSeconds", 5}, {"failureThreshold", 2}},
      container);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->port, 8081);
  EXPECT_EQ(read->path, "/readyz");
  EXPECT_EQ(read->period, std::chrono::seconds(5));
  EXPECT_EQ(read->timeout, std::chrono::seconds(1));
  EXPECT_EQ(read->failures, 2);
  EXPECT_FALSE(read_probe({{"tcpSocket", {{"port", 80}}}}, container)->http);
}

TEST(probe, that_this_node_cannot_make_is_said_to_be_that) {
  EXPECT_THAT(read_probe({{"exec", {{"command", json::array({"true"})}}}}, json()).error().message,
              HasSubstr("httpGet and tcpSocket"));
  EXPECT_FALSE(read_probe({{"httpGet", {{"port", "none"}}}}, json::object()));
  EXPECT_FALSE(read_probe({{"httpGet", {{"port", 1}, {"scheme", "HTTPS"}}}}, json()));
}

TEST(probe, makes_up_its_mind_after_enough_equal_answers_in_a_row) {
  probe_verdict verdict(2, 3);
  EXPECT_EQ(verdict.add(false), std::nullopt);
  EXPECT_EQ(verdict.add(false), std::nullopt);
  EXPECT_EQ(verdict.add(true), std::nullopt);
  EXPECT_EQ(verdict.add(true), true);
  EXPECT_EQ(verdict.add(false), std::nullopt);
  EXPECT_EQ(verdict.add(false), std::nullopt);
  EXPECT_EQ(verdict.add(false), false);
}

TEST(pod_status_again, a_container_that_waits_to_be_started_again_keeps_its_pod_running) {
  pod_facts facts;
  facts.containers.resize(1);
  auto& one = facts.containers.front();
  one.reason = "CrashLoopBackOff";
  one.restarts = 2;
  one.last = {{"terminated", {{"exitCode", 1}}}};
  EXPECT_EQ(pod_phase(facts), "Running");
  json const pod{{"spec", {{"containers", json::array({json{{"name", "c"}}})}}}};
  auto const status = compute_pod_status(pod, facts, base::wall_time());
  EXPECT_EQ(status["containerStatuses"][0]["restartCount"], 2);
  EXPECT_EQ(status["containerStatuses"][0]["lastState"]["terminated"]["exitCode"], 1);
  EXPECT_EQ(status["containerStatuses"][0]["ready"], false);
}

TEST(pod_status_again, a_running_container_is_ready_when_its_probe_says_so) {
  pod_facts facts;
  facts.containers.resize(1);
  facts.containers.front().now = container_facts::state::running;
  facts.containers.front().ready = false;
  json const pod{{"spec", {{"containers", json::array({json{{"name", "c"}}})}}}};
  auto const ready = [&] {
    auto const status = compute_pod_status(pod, facts, base::wall_time());
    for (auto const& one : status["conditions"]) {
      if (one["type"] == "Ready") {
        return one["status"].get<std::string>();
      }
    }
    return std::string();
  };
  EXPECT_EQ(ready(), "False");
  facts.containers.front().ready = true;
  EXPECT_EQ(ready(), "True");
}

TEST(projected_volume, has_token_authority_and_namespace) {
  json const pod{{"metadata", {{"name", "p"}, {"namespace", "ns"}}}};
  json const map{{"data", {{"ca.crt", "PEM"}}}};
  json const volume{
      {"projected",
       {{"sources",
         json::array(
             {json{{"serviceAccountToken", {{"path", "token"}, {"expirationSeconds", 3607}}}},
              json{{"configMap",
                    {{"name", "kube-root-ca.crt"},
                     {"items", json::array({json{{"key", "ca.crt"}, {"path", "ca.crt"}}})}}}},
              json{{"downwardAPI",
                    {{"items", json::array({json{{"path", "namespace"},
                                                 {"fieldRef", {{"fieldPath", "metadata.namespace"}}}}})}}}}})}}}};
  auto const files = project_volume(
      pod, volume, [&map](std::string const&) { return &map; },
      [](std::int64_t life) {
        return base::result<std::string>(boost::system::in_place_value, "token for " + std::to_string(life));
      },
      "local");
  ASSERT_TRUE(files);
  ASSERT_EQ(files->size(), 3u);
  EXPECT_EQ((*files)[0].bytes, "token for 3607");
  EXPECT_TRUE((*files)[0].secret);
  EXPECT_EQ((*files)[1].bytes, "PEM");
  EXPECT_EQ((*files)[2].bytes, "ns");
  EXPECT_EQ(shortest_token_life({{"spec", {{"volumes", json::array({volume})}}}}), std::chrono::seconds(3607));
}

TEST(pod_with_a_network, is_told_where_the_api_server_is) {
  json const pod{{"metadata", {{"name", "p"}}}, {"spec", {{"containers", json::array({json{{"name", "c"}}})}}}};
  image_config image;
  image.entrypoint = {"/run"};
  pod_surroundings around("local");
  around.pod_ip = "10.244.0.7";
  around.api_host = "10.96.0.1";
  around.api_port = 443;
  json container{
      {"name", "c"},
      {"env", json::array({json{{"name", "IP"}, {"valueFrom", {{"fieldRef", {{"fieldPath", "status.podIP"}}}}}}})}};
  auto const spec = plan_container(
      pod, container, image, [](std::string const&) { return nullptr; }, volume_places(), around);
  ASSERT_TRUE(spec);
  EXPECT_THAT(spec->env, Contains("KUBERNETES_SERVICE_HOST=10.96.0.1"));
  EXPECT_THAT(spec->env, Contains("KUBERNETES_SERVICE_PORT=443"));
  EXPECT_THAT(spec->env, Contains("IP=10.244.0.7"));
}

TEST(own_programs, make_an_image_only_where_the_machine_has_them) {
  auto const catalogue = image_catalogue::parse(std::string(default_images_yaml()), "built-in");
  ASSERT_TRUE(catalogue);
  auto const name = *parse_image_reference("example.com/team/codeexec-controller:1.0");
  auto const* const found = catalogue->find(name, [](std::string const&) { return true; });
  ASSERT_NE(found, nullptr);
  EXPECT_THAT(found->programs, Contains("codeexec-controller"));
  EXPECT_EQ(catalogue->find(name, [](std::string const&) { return false; }), nullptr);
}

}  // namespace
}  // namespace codeexec::local
