// Code that comes from a ConfigMap, and the network that code does not get.
#include <gtest/gtest.h>
#include <string>
#include <thread>

#include "codeexec/base/encoding.hpp"

#include "cluster.hpp"

namespace codeexec::e2e {
namespace {

using namespace std::chrono_literals;

json from_config_map(std::string_view key = "job.py", json more = json::object()) {
  more["language"] = "python";
  more["codeFrom"] = {{"configMapKeyRef", {{"name", "scripts"}, {"key", key}}}};
  return more;
}

/// Makes the ConfigMap "scripts".
void put_scripts(workspace& here, json parts) {
  parts["apiVersion"] = "v1";
  parts["kind"] = "ConfigMap";
  parts["metadata"] = {{"name", "scripts"}, {"namespace", here.name()}};
  auto const made =
      cluster::instance().send(kube::make_create(kube::config_maps, here.name(), parts.dump(), "codeexec-e2e"));
  ASSERT_TRUE(made) << made.error().describe();
}

std::string message_of(json const& execution) {
  return execution.contains("status") ? execution["status"].value("message", "") : std::string();
}

TEST(sources, code_from_a_config_map_runs_as_it_was_when_it_was_accepted) {
  workspace here;
  std::string const accepted = "import time\nprint(open(__file__).read(), flush=True)\ntime.sleep(2)\nprint('end')\n";
  put_scripts(here, {{"data", {{"job.py", accepted}, {"other.py", "print('no')"}}}});
  ASSERT_TRUE(here.create("copied", from_config_map()));
  here.wait_until("copied", 60s,
                  [](json const& e) { return e.contains("status") && e["status"]["phase"] == "Running"; });
  ASSERT_TRUE(here.merge_patch(kube::config_maps, "scripts", {{"data", {{"job.py", "print('changed')"}}}}));
  auto const status = here.wait_final("copied")["status"];
  EXPECT_EQ(status["phase"], "Succeeded") << status.dump(2);
  EXPECT_EQ(status["stdout"], accepted + "\nend\n");
  EXPECT_EQ(status["codeSHA256"], base::sha256_hex(accepted));
  EXPECT_EQ(here.wait_no_leftovers(), std::vector<std::string>());
  auto const source = here.get(kube::config_maps, "scripts");
  ASSERT_TRUE(source) << "the source is the user's";
  EXPECT_EQ((*source)["data"]["job.py"], "print('changed')");
}

TEST(sources, code_that_is_no_utf8_is_run_to_the_byte) {
  workspace here;
  std::string const code = "# -*- coding: latin-1 -*-\nprint(ord('\xe9'))\n";
  put_scripts(here, {{"binaryData", {{"job.py", base::base64_encode(code)}}}});
  auto const status = here.run("binary", from_config_map());
  EXPECT_EQ(status["stdout"], "233\n") << status.dump(2);
  EXPECT_EQ(status["codeSHA256"], base::sha256_hex(code));
}

TEST(sources, a_mebibyte_of_code_runs) {
  workspace here;
  std::string code = "import os\nprint(os.path.getsize(__file__))\n";
  code.append((1024U * 1024U) - code.size(), '#');
  put_scripts(here, {{"data", {{"job.py", code}}}});
  auto const status = here.run("large", from_config_map());
  EXPECT_EQ(status["stdout"], "1048576\n") << status.dump(2).substr(0, 4000);
}

TEST(sources, a_config_map_that_comes_a_moment_later_is_waited_for) {
  workspace here;
  ASSERT_TRUE(here.create("early", from_config_map()));
  auto const waiting = here.wait_until("early", 30s, [](json const& e) { return !message_of(e).empty(); });
  EXPECT_EQ(waiting["status"]["phase"], "Pending");
  EXPECT_NE(message_of(waiting).find("\"scripts\""), std::string::npos) << message_of(waiting);
  put_scripts(here, {{"data", {{"job.py", "print('there')"}}}});
  auto const status = here.wait_final("early")["status"];
  EXPECT_EQ(status["stdout"], "there\n") << status.dump(2);
}

TEST(sources, what_does_not_come_fails_and_is_named) {
  workspace here;
  put_scripts(here, {{"data", {{"other.py", "x"}}}});
  ASSERT_TRUE(here.create("no-key", from_config_map("job.py", {{"startupTimeoutSeconds", 2}})));
  auto nowhere = from_config_map("job.py", {{"startupTimeoutSeconds", 2}});
  nowhere["codeFrom"]["configMapKeyRef"]["name"] = "nowhere";
  auto const no_map = here.run("no-map", nowhere);
  auto const no_key = here.wait_final("no-key")["status"];
  EXPECT_EQ(no_map["reason"], "SourceMissing") << no_map.dump(2);
  EXPECT_EQ(no_key["reason"], "SourceMissing") << no_key.dump(2);
  EXPECT_NE(no_map["message"].get<std::string>().find("\"nowhere\""), std::string::npos) << no_map["message"];
  EXPECT_NE(no_key["message"].get<std::string>().find("\"job.py\""), std::string::npos) << no_key["message"];
  for (auto const& status : {no_map, no_key}) {
    EXPECT_FALSE(status.contains("jobName"));
    EXPECT_EQ(condition(status, "Failed")["status"], "True");
  }
  EXPECT_EQ(here.leftovers(), std::vector<std::string>());
}

TEST(network, is_denied_by_a_policy_that_selects_the_pod) {
  workspace here;
  ASSERT_TRUE(here.create("denied", bash("sleep 60")));
  here.wait_until("denied", 60s,
                  [](json const& e) { return e.contains("status") && e["status"]["phase"] == "Running"; });
  auto const policies = here.list(kube::network_policies);
  ASSERT_EQ(policies.size(), 1U);
  auto const& spec = policies[0]["spec"];
  EXPECT_EQ(spec["policyTypes"], json::array({"Ingress", "Egress"}));
  EXPECT_FALSE(spec.contains("ingress"));
  EXPECT_FALSE(spec.contains("egress"));
  auto const pods = here.list(kube::pods);
  ASSERT_EQ(pods.size(), 1U);
  for (auto const& [label, value] : spec["podSelector"]["matchLabels"].items())
    EXPECT_EQ(pods[0]["metadata"]["labels"][label], value);
  EXPECT_EQ(pods[0]["spec"]["dnsPolicy"], "None");
}

TEST(network, that_is_allowed_has_no_policy_and_the_clusters_names) {
  workspace here;
  auto spec = bash("sleep 60");
  spec["network"] = "Allow";
  ASSERT_TRUE(here.create("allowed", spec));
  here.wait_until("allowed", 60s,
                  [](json const& e) { return e.contains("status") && e["status"]["phase"] == "Running"; });
  EXPECT_TRUE(here.list(kube::network_policies).empty());
  auto const pods = here.list(kube::pods);
  ASSERT_EQ(pods.size(), 1U);
  EXPECT_EQ(pods[0]["metadata"]["labels"]["codeexec.dev/network"], "allow");
  EXPECT_EQ(pods[0]["spec"]["dnsPolicy"], "ClusterFirst");
}

}  // namespace
}  // namespace codeexec::e2e
