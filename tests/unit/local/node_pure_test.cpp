// The node's decisions that need no machine: quantities, expansion, images, bundles, plans, logs, scheduling.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codeexec/local/node/container_plan.hpp"
#include "codeexec/local/node/expansion.hpp"
#include "codeexec/local/node/images.hpp"
#include "codeexec/local/node/log_buffer.hpp"
#include "codeexec/local/node/oci_bundle.hpp"
#include "codeexec/local/node/pod_status.hpp"
#include "codeexec/local/node/quantity.hpp"
#include "codeexec/local/node/scheduling.hpp"

namespace codeexec::local {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

base::wall_time at_second(int n) {
  return *base::parse_time("2026-01-31T10:00:00Z") + std::chrono::seconds(n);
}

TEST(quantity, reads_every_suffix_and_rounds_up) {
  EXPECT_EQ(parse_millis("500m"), 500);
  EXPECT_EQ(parse_millis("0.5"), 500);
  EXPECT_EQ(parse_millis("2"), 2000);
  EXPECT_EQ(parse_millis("100n"), 1);
  EXPECT_EQ(parse_units("512Mi"), 512LL << 20);
  EXPECT_EQ(parse_units("1Gi"), 1LL << 30);
  EXPECT_EQ(parse_units("1500m"), 2);
  EXPECT_EQ(parse_units("1e3"), 1000);
  EXPECT_EQ(parse_units("1.5k"), 1500);
  EXPECT_EQ(parse_units("0"), 0);
}

TEST(quantity, refuses_what_is_none_or_does_not_fit) {
  for (auto const* const bad : {"", "x", "1Q", "1 Mi", "1e", "--1", ".", "99999999999999999999", "9Ei9", "16Ei"}) {
    EXPECT_FALSE(parse_units(bad)) << bad;
  }
}

TEST(expansion, replaces_what_is_defined_and_leaves_the_rest) {
  environment const env{{"A", "x"}, {"EMPTY", ""}};
  EXPECT_EQ(expand_variables("$(A)-$(B)-$(EMPTY)|", env), "x-$(B)-|");
  EXPECT_EQ(expand_variables("$$(A) $$ $ $(A", env), "$(A) $ $ $(A");
  EXPECT_EQ(expand_variables("${A} $A", env), "${A} $A");
  EXPECT_EQ(expand_variables("$(A)$", env), "x$");
}

TEST(image_name, is_read_as_container_tools_read_it) {
  auto const short_name = parse_image_reference("python:3.11-slim");
  ASSERT_TRUE(short_name);
  EXPECT_EQ(short_name->canonical(), "docker.io/library/python:3.11-slim");
  EXPECT_EQ(short_name->familiar(), "python:3.11-slim");
  EXPECT_EQ(parse_image_reference("bash")->familiar(), "bash:latest");
  auto const with_port = parse_image_reference("reg.example:5000/team/app");
  EXPECT_EQ(with_port->domain, "reg.example:5000");
  EXPECT_EQ(with_port->canonical(), "reg.example:5000/team/app:latest");
  EXPECT_EQ(parse_image_reference("me/app:1")->familiar(), "me/app:1");
}

TEST(image_name, that_is_none_is_refused_in_the_real_words) {
  EXPECT_EQ(parse_image_reference("a b").error().message, "invalid reference format");
  EXPECT_EQ(parse_image_reference("").error().message, "invalid reference format");
  EXPECT_EQ(parse_image_reference("x:").error().message, "invalid reference format");
  EXPECT_EQ(parse_image_reference("a//b").error().message, "invalid reference format");
  EXPECT_EQ(parse_image_reference("Python").error().message,
            "invalid reference format: repository name (library/Python) must be lowercase");
}

TEST(image_catalogue, the_built_in_one_knows_the_default_runtimes) {
  auto const catalogue = image_catalogue::parse(std::string(default_images_yaml()), "built-in");
  ASSERT_TRUE(catalogue) << catalogue.error().message;
  auto const all = [](std::string const&) { return true; };
  for (auto const* const name : {"python:3.11-slim", "python", "node:22", "bash:5", "debian:12", "ruby:3", "perl:5"}) {
    EXPECT_NE(catalogue->find(*parse_image_reference(name), all), nullptr) << name;
  }
  EXPECT_EQ(catalogue->find(*parse_image_reference("localhost/none:1"), all), nullptr);
  EXPECT_EQ(catalogue->find(*parse_image_reference("evil/python:3"), all), nullptr);
  for (auto const& folder : catalogue->view.folders) {
    EXPECT_THAT((std::vector<std::string>{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}),
                Contains(folder));
  }
}

TEST(image_catalogue, an_image_whose_program_the_host_lacks_is_not_there) {
  auto const catalogue = image_catalogue::parse("images: [{match: ['ruby:*'], requires: [ruby]}]", "f");
  EXPECT_EQ(catalogue->find(*parse_image_reference("ruby:3"), [](std::string const&) { return false; }), nullptr);
}

TEST(image_catalogue, a_mistake_is_named_with_line_and_column) {
  EXPECT_EQ(image_catalogue::parse("images:\n  - mtach: [x]\n", "f").error().message,
            "f: line 2, column 5: unknown field \"mtach\"");
  EXPECT_THAT(image_catalogue::parse("images: 3", "f").error().message, HasSubstr("expected a list"));
  EXPECT_THAT(image_catalogue::parse("images: [", "f").error().message, HasSubstr("f: line"));
  EXPECT_THAT(image_catalogue::parse("hostView: {copies: ['/etc/../root']}", "f").error().message, HasSubstr(".."));
}

TEST(image_catalogue, a_text_on_which_the_parser_would_fill_the_memory_is_refused) {
  EXPECT_THAT(image_catalogue::parse(",", "f").error().message, HasSubstr("f: "));
  EXPECT_THAT(image_catalogue::parse(std::string(100000, '['), "f").error().message, HasSubstr("f: line 1"));
}

TEST(image_catalogue, names_the_programs_for_want_of_which_an_image_is_not_there) {
  auto const all = image_catalogue::parse("images: [{match: ['ruby:*'], requires: [ruby, sh], programs: [own]}]", "f");
  ASSERT_TRUE(all) << all.error().message;
  auto const ruby = *parse_image_reference("ruby:3.3-slim");
  auto const missing = all->missing_programs(ruby, [](std::string const& program) { return program == "sh"; });
  EXPECT_THAT(missing, ElementsAre("ruby", "own"));
  EXPECT_THAT(missing_sentence(missing), HasSubstr("`ruby`, `own`, which is not installed on this machine"));
  auto const none = [](std::string const&) { return false; };
  EXPECT_THAT(all->missing_programs(*parse_image_reference("perl:5"), none), IsEmpty()) << "nobody knows it";
}

TEST(pull_failure, speaks_as_containerd_does) {
  EXPECT_EQ(pull_failure(*parse_image_reference("localhost/none:1")),
            "failed to pull and unpack image \"localhost/none:1\": failed to resolve reference \"localhost/none:1\": "
            "failed to do request: Head \"http://localhost/v2/none/manifests/1\": dial tcp 127.0.0.1:80: connect: "
            "connection refused");
}

class container_plan : public ::testing::Test {
 protected:
  json pod{{"metadata", {{"name", "p"}, {"namespace", "ns"}, {"uid", "u"}}},
           {"spec", {{"containers", json::array({json{{"name", "code"}, {"image", "python"}}})}}}};
  image_config image;
  json map{{"data", {{"k", "v"}}}, {"binaryData", {{"b", "AAE="}}}};

  json& container() { return pod["spec"]["containers"][0]; }
  base::result<container_spec> plan() {
    image.cmd = {"python3"};
    volume_places places;
    places.folder = [](std::string const& volume) { return std::filesystem::path("/v") / volume; };
    places.termination_log = "/t";
    return plan_container(
        pod, container(), image, [this](std::string const& name) { return name == "cm" ? &map : nullptr; }, places,
        "local");
  }
};

TEST_F(container_plan, a_command_replaces_the_images_entrypoint_and_args_its_cmd) {
  image.entrypoint = {"/entry"};
  EXPECT_THAT(plan()->args, ElementsAre("/entry", "python3"));
  container()["args"] = json::array({"-V"});
  EXPECT_THAT(plan()->args, ElementsAre("/entry", "-V"));
  container()["command"] = json::array({"run"});
  EXPECT_THAT(plan()->args, ElementsAre("run", "-V"));
  container().erase("args");
  EXPECT_THAT(plan()->args, ElementsAre("run"));
}

TEST_F(container_plan, variables_refer_to_the_ones_before_them) {
  container()["env"] =
      json::array({json{{"name", "A"}, {"value", "1"}}, json{{"name", "B"}, {"value", "$(A)$(C)"}},
                   json{{"name", "C"}, {"value", "3"}},
                   json{{"name", "POD"}, {"valueFrom", {{"fieldRef", {{"fieldPath", "metadata.name"}}}}}}});
  container()["command"] = json::array({"echo", "$(B)", "$(POD)"});
  auto const spec = plan();
  EXPECT_THAT(spec->env, Contains("B=1$(C)"));
  EXPECT_THAT(spec->args, ElementsAre("echo", "1$(C)", "p"));
}

TEST_F(container_plan, a_missing_config_map_or_key_is_said_in_the_kubelets_words) {
  container()["env"] =
      json::array({json{{"name", "A"}, {"valueFrom", {{"configMapKeyRef", {{"name", "none"}, {"key", "k"}}}}}}});
  EXPECT_EQ(plan().error().message, "configmap \"none\" not found");
  container()["env"][0]["valueFrom"]["configMapKeyRef"] = json{{"name", "cm"}, {"key", "other"}};
  EXPECT_EQ(plan().error().message, "couldn't find key other in ConfigMap ns/cm");
  container()["env"][0]["valueFrom"]["configMapKeyRef"]["optional"] = true;
  EXPECT_TRUE(plan());
}

TEST_F(container_plan, the_containers_security_context_beats_the_pods) {
  pod["spec"]["securityContext"] = json{{"runAsUser", 1}, {"runAsGroup", 2}, {"runAsNonRoot", true}};
  container()["securityContext"] =
      json{{"runAsUser", 65532}, {"allowPrivilegeEscalation", false}, {"capabilities", {{"drop", {"ALL"}}}}};
  auto const spec = plan();
  ASSERT_TRUE(spec);
  EXPECT_EQ(spec->uid, 65532U);
  EXPECT_EQ(spec->gid, 2U);
  EXPECT_TRUE(spec->no_new_privileges);
  EXPECT_TRUE(spec->capabilities.empty());
  container()["securityContext"]["runAsUser"] = 0;
  EXPECT_EQ(plan().error().message, "container's runAsUser breaks non-root policy (pod: \"p_ns(u)\", container: code)");
}

TEST_F(container_plan, an_empty_dir_mounted_once_is_the_sandboxs_own_memory_with_its_size) {
  pod["spec"]["volumes"] = json::array({json{{"name", "w"}, {"emptyDir", {{"sizeLimit", "4Mi"}}}}});
  container()["volumeMounts"] = json::array({json{{"name", "w"}, {"mountPath", "/w"}}});
  auto spec = plan();
  EXPECT_EQ(spec->mounts[0].what, container_mount::kind::tmpfs);
  EXPECT_EQ(spec->mounts[0].size_bytes, 4 << 20);
  container()["volumeMounts"].push_back(json{{"name", "w"}, {"mountPath", "/again"}});
  spec = plan();
  EXPECT_EQ(spec->mounts[0].what, container_mount::kind::bind);
  EXPECT_TRUE(spec->mounts[0].shared);
}

TEST(config_map_volume, projects_keys_paths_and_modes) {
  json const map{{"data", {{"k", "v"}}}, {"binaryData", {{"b", "AAE="}}}};
  auto const find = [&](std::string const& name) { return name == "cm" ? &map : nullptr; };
  auto const all = project_config_map({{"configMap", {{"name", "cm"}, {"defaultMode", 0555}}}}, find);
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 2U);
  EXPECT_EQ((*all)[0].bytes, "v");
  EXPECT_EQ((*all)[0].mode, 0555U);
  EXPECT_EQ((*all)[1].bytes, std::string("\0\1", 2));
  json const some{
      {"configMap", {{"name", "cm"}, {"items", json::array({json{{"key", "k"}, {"path", "a/b"}, {"mode", 0400}}})}}}};
  auto const one = project_config_map(some, find);
  ASSERT_EQ(one->size(), 1U);
  EXPECT_EQ((*one)[0].path, "a/b");
  EXPECT_EQ((*one)[0].mode, 0400U);
  EXPECT_EQ(project_config_map({{"configMap", {{"name", "none"}}}}, find).error().message,
            "configmap \"none\" not found");
  EXPECT_TRUE(project_config_map({{"configMap", {{"name", "none"}, {"optional", true}}}}, find)->empty());
}

TEST(bundle, gives_an_unprivileged_user_nothing_and_the_sandbox_no_network) {
  container_spec spec;
  spec.args = {"true"};
  spec.uid = 65532;
  spec.capabilities = {"CAP_KILL"};
  spec.read_only_root = true;
  container_mount tmp;
  tmp.what = container_mount::kind::tmpfs;
  tmp.destination = "/tmp";
  tmp.read_only = false;
  tmp.size_bytes = 4096;
  spec.mounts.push_back(tmp);
  auto const config = oci_config(spec);
  EXPECT_EQ(config["process"]["capabilities"]["effective"], json::array());
  EXPECT_EQ(config["process"]["capabilities"]["bounding"], json::array({"CAP_KILL"}));
  EXPECT_EQ(config["process"]["noNewPrivileges"], true);
  EXPECT_EQ(config["root"]["readonly"], true);
  EXPECT_EQ(config["mounts"].back()["options"], json::array({"nosuid", "nodev", "mode=0777", "size=4096"}));
  runsc_features features;
  features.platform = "ptrace";
  features.overlay2 = true;
  features.exclusive_mounts = true;
  auto command = runsc_run_command(features, spec);
  EXPECT_THAT(command, Contains("--network=none"));
  EXPECT_THAT(command, Contains("--overlay2=none"));
  EXPECT_THAT(command, Contains("--file-access-mounts=exclusive"));
  spec.mounts[0].shared = true;
  spec.read_only_root = false;
  command = runsc_run_command(features, spec);
  EXPECT_THAT(command, Contains("--overlay2=root:memory"));
  EXPECT_THAT(command, Not(Contains("--file-access-mounts=exclusive")));
}

TEST(runsc_features, are_read_from_its_own_words) {
  auto const features = parse_runsc_features("runsc version 0.0~20221219.0\nspec: 1.0.2-dev\n",
                                             "  -file-access-mounts value\n -overlay2 x");
  EXPECT_EQ(features.version, "0.0~20221219.0");
  EXPECT_TRUE(features.exclusive_mounts);
  EXPECT_TRUE(features.overlay2);
  EXPECT_FALSE(parse_runsc_features("", "").overlay2);
}

TEST(log_buffer, gives_bytes_back_as_they_came) {
  log_buffer log(1 << 20);
  log.append("a\nbc", at_second(0));
  log.append("d\n\ne", at_second(1));
  auto all = log.tail(std::nullopt);
  EXPECT_EQ(log.read(all, 1000, false), "a\nbcd\n\ne");
  log.append("f\n", at_second(2));
  EXPECT_EQ(log.read(all, 1000, false), "f\n");
  auto two = log.tail(2);
  EXPECT_EQ(log.read(two, 1000, false), "\nef\n");
  auto none = log.tail(0);
  EXPECT_EQ(log.read(none, 1000, false), "");
  auto bytes = log.tail(std::nullopt);
  EXPECT_EQ(log.read(bytes, 3, false), "a\nb");
  EXPECT_EQ(log.read(bytes, 3, false), "cd\n");
}

TEST(log_buffer, puts_a_time_before_each_line_and_finds_lines_by_time) {
  log_buffer log(1 << 20);
  log.append("a\nb\n", at_second(1));
  log.append("c\n", at_second(5));
  auto all = log.tail(std::nullopt);
  EXPECT_EQ(log.read(all, 1000, true),
            "2026-01-31T10:00:01.000000Z a\n2026-01-31T10:00:01.000000Z b\n2026-01-31T10:00:05.000000Z c\n");
  auto late = log.since(at_second(3));
  EXPECT_EQ(log.read(late, 1000, false), "c\n");
}

TEST(log_buffer, stays_within_its_bound_and_keeps_the_newest) {
  log_buffer log(100'000);
  for (int i = 0; i < 100'000; ++i) {
    log.append("\n", at_second(0));
  }
  log.append("last\n", at_second(1));
  EXPECT_LE(log.kept_bytes(), 100'000U);
  auto tail = log.tail(1);
  EXPECT_EQ(log.read(tail, 100, false), "last\n");
  log.append(std::string(1'000'000, 'x'), at_second(2));
  EXPECT_LE(log.kept_bytes(), 100'000U + log_buffer::max_line + log_buffer::line_overhead);
  EXPECT_EQ(log.last(80, 2048), std::string(2048, 'x'));
}

TEST(log_buffer, a_reader_who_fell_behind_goes_on_with_what_is_kept) {
  log_buffer log(1000);
  log.append("old\n", at_second(0));
  auto place = log.tail(std::nullopt);
  for (int i = 0; i < 100; ++i) {
    log.append("new\n", at_second(1));
  }
  EXPECT_THAT(log.read(place, 4, false), "new\n");
}

TEST(scheduling, says_what_is_short_in_the_schedulers_words) {
  node_resources const node{2000, 1 << 30, 1 << 30, 110};
  json const pod{
      {"spec",
       {{"containers",
         json::array(
             {json{{"resources", {{"requests", {{"cpu", "1"}}}, {"limits", {{"cpu", "2"}, {"memory", "2Gi"}}}}}}})}}}};
  auto const asked = pod_requests(pod);
  EXPECT_EQ(asked.cpu_millis, 1000);
  EXPECT_EQ(asked.memory_bytes, 2LL << 30);
  EXPECT_THAT(why_not(node, {}, asked), ElementsAre("Insufficient memory"));
  EXPECT_THAT(why_not(node, {1500, 0, 0, 110}, asked),
              ElementsAre("Too many pods", "Insufficient cpu", "Insufficient memory"));
  EXPECT_EQ(unschedulable_message({"Insufficient cpu"}, false),
            "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are "
            "available: 1 Preemption is not helpful for scheduling.");
}

TEST(scheduling, a_pod_that_asks_for_nothing_fits_a_full_node) {
  json const pod{{"spec", {{"containers", json::array({json::object()})}}}};
  EXPECT_TRUE(why_not({1000, 1000, 1000, 10}, {5000, 5000, 0, 3}, pod_requests(pod)).empty());
}

TEST(scheduling, a_node_selector_must_match) {
  json const pod{{"spec", {{"nodeSelector", {{"disk", "ssd"}}}}}};
  EXPECT_FALSE(selects_node(pod, json::object()));
  EXPECT_TRUE(selects_node(pod, {{"disk", "ssd"}, {"x", "y"}}));
}

TEST(pod_status, keeps_the_time_of_conditions_that_do_not_change) {
  json pod{{"metadata", {{"generation", 1}}}, {"spec", {{"containers", json::array({json{{"name", "code"}}})}}}};
  pod_facts facts;
  facts.containers.resize(1);
  pod["status"] = compute_pod_status(pod, facts, at_second(0));
  facts.sandbox_ready = true;
  auto const later = compute_pod_status(pod, facts, at_second(9));
  EXPECT_EQ(later["conditions"][0]["lastTransitionTime"], "2026-01-31T10:00:09Z");
  EXPECT_EQ(later["conditions"][1]["lastTransitionTime"], "2026-01-31T10:00:00Z");
  EXPECT_EQ(later["conditions"][2]["message"], "containers with unready status: [code]");
}

TEST(pod_status, a_container_that_never_began_ended_in_1970) {
  json const pod{{"spec", {{"containers", json::array({json{{"name", "code"}}})}}}};
  pod_facts facts;
  facts.settled = true;
  facts.containers.resize(1);
  facts.containers[0].now = container_facts::state::terminated;
  facts.containers[0].reason = "StartError";
  facts.containers[0].exit_code = 128;
  facts.containers[0].message = "bad \xff byte";
  auto const status = compute_pod_status(pod, facts, at_second(0));
  auto const end = status["containerStatuses"][0]["state"]["terminated"];
  EXPECT_EQ(status["phase"], "Failed");
  EXPECT_EQ(end["startedAt"], "1970-01-01T00:00:00Z");
  EXPECT_EQ(end["message"], "bad \xEF\xBF\xBD byte");
}

}  // namespace
}  // namespace codeexec::local
