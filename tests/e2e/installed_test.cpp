// The operator installed as on a cluster: config/default applied with kubectl to a stand-in with TLS and RBAC, two
// replicas in pods, one of them killed.
#include <algorithm>
#include <dirent.h>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <set>

#include "machine.hpp"

namespace codeexec::e2e {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr kube::resource deployments{"apps", "v1", "deployments", "Deployment", true};
constexpr kube::resource budgets{"policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", true};
constexpr char const* home = "codeexec-system";
constexpr char const* operator_name = "codeexec-controller";

bool comes_true(std::chrono::seconds limit, std::function<bool()> const& what) {
  auto const until = steady_clock::now() + limit;
  while (!what()) {
    if (steady_clock::now() > until) return false;
    std::this_thread::sleep_for(50ms);
  }
  return true;
}

std::string text_of(std::filesystem::path const& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Processes of this machine whose command line begins with the image's entrypoint and whose parent is the stand-in.
std::vector<pid_t> operators_of(pid_t stand_in) {
  std::vector<pid_t> out;
  std::error_code ignored;
  for (auto const& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    auto const name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    auto const stat = text_of(entry.path() / "stat");
    auto const end = stat.rfind(')');
    bool const ours =
        end != std::string::npos && end + 4 < stat.size() && std::atoi(stat.c_str() + end + 4) == stand_in;
    if (ours && text_of(entry.path() / "cmdline").rfind("/usr/local/bin/codeexec-controller", 0) == 0)
      out.push_back(std::atoi(name.c_str()));
  }
  return out;
}

/// The network namespaces of these processes, as the kernel names them.
std::set<std::string> networks_of(std::vector<pid_t> const& pids) {
  std::set<std::string> out;
  std::error_code ignored;
  for (auto const pid : pids)
    out.insert(std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/ns/net", ignored));
  return out;
}

std::size_t mounts_with(std::string const& text) {
  std::ifstream in("/proc/self/mountinfo");
  std::size_t out = 0;
  for (std::string line; std::getline(in, line);)
    out += line.find(text) != std::string::npos ? 1u : 0u;
  return out;
}

class Installed : public ::testing::Test {
 protected:
  static bool has_kubectl() { return run_program({"kubectl", "version", "--client"}).exit_code == 0; }

  void SetUp() override {
    if (!has_kubectl()) GTEST_SKIP() << "kubectl is not installed here";
    here = std::make_unique<machine>(machine::bare{});
    auto const applied = kubectl({"apply", "--server-side", "--kustomize", CODEEXEC_SOURCE_DIR "/config/default"});
    ASSERT_EQ(applied.exit_code, 0) << applied.err;
    // Much shorter than the 15 s of the default: the test waits for the Lease of a killed leader to run out.
    auto const quicker = kubectl({"--namespace", home, "patch", "deployment", operator_name, "--type=json", "--patch",
                                  R"([{"op":"add","path":"/spec/template/spec/containers/0/args/-",
                                       "value":"--leader-elect-lease-duration=6s"},
                                      {"op":"add","path":"/spec/template/spec/containers/0/args/-",
                                       "value":"--leader-elect-renew-deadline=4s"},
                                      {"op":"add","path":"/spec/template/spec/containers/0/args/-",
                                       "value":"--leader-elect-retry-period=250ms"}])"});
    ASSERT_EQ(quicker.exit_code, 0) << quicker.err;
    auto const rolled =
        kubectl({"--namespace", home, "rollout", "status", "deployment", operator_name, "--timeout=90s"});
    ASSERT_EQ(rolled.exit_code, 0) << rolled.out << rolled.err << show_pods();
  }

  program_outcome kubectl(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "kubectl");
    program_options options;
    options.env = {{"KUBECONFIG", here->kubeconfig().string()}};
    options.limit = 120s;
    return run_program(arguments, options);
  }
  std::string show_pods() const {
    auto const pods = kubectl({"--namespace", home, "describe", "pods"});
    auto const logs =
        kubectl({"--namespace", home, "logs", "--tail=20", "-l", "app.kubernetes.io/name=codeexec-controller"});
    return pods.out + logs.out + logs.err;
  }
  json get(kube::resource const& type, std::string const& name) {
    auto const found = here->api().send(kube::make_get(type, home, name));
    return found ? *found : json();
  }
  int ready() { return get(deployments, operator_name).value("/status/readyReplicas"_json_pointer, 0); }
  std::string leader() {
    return get(kube::leases, operator_name).value("/spec/holderIdentity"_json_pointer, std::string());
  }
  std::vector<std::string> pods() {
    auto const list = here->api().send(kube::make_list(kube::pods, home, kube::list_options()));
    std::vector<std::string> out;
    if (list) {
      for (auto const& pod : list->at("items"))
        if (!pod["metadata"].contains("deletionTimestamp")) out.push_back(pod["metadata"]["name"]);
    }
    return out;
  }

  std::unique_ptr<machine> here;
};

TEST_F(Installed, works_from_two_pods_of_which_one_is_killed_and_leaves_nothing_behind) {
  // Two pods, each in a network of its own, one leads.
  auto const pids = operators_of(here->local().pid());
  ASSERT_EQ(pids.size(), 2u) << show_pods();
  EXPECT_EQ(networks_of(pids).size(), 2u);
  EXPECT_FALSE(networks_of(pids).contains(std::filesystem::read_symlink("/proc/self/ns/net").string()));
  ASSERT_TRUE(comes_true(30s, [&] { return !leader().empty(); }));
  auto const first = leader();
  ASSERT_TRUE(comes_true(
      30s, [&] { return get(budgets, operator_name).value("/status/disruptionsAllowed"_json_pointer, 0) == 1; }));

  // They are what config/manager asks for: not root, no rights, nothing to write to.
  for (auto const pid : pids) {
    auto const status = text_of("/proc/" + std::to_string(pid) + "/status");
    EXPECT_NE(status.find("Uid:\t65532\t65532\t65532\t65532"), std::string::npos);
    EXPECT_NE(status.find("CapEff:\t0000000000000000"), std::string::npos);
    EXPECT_NE(status.find("CapBnd:\t0000000000000000"), std::string::npos);
    EXPECT_NE(status.find("NoNewPrivs:\t1"), std::string::npos);
  }

  workspace space(here->api());
  auto const status = space.run("before", python("print('one')"));
  EXPECT_EQ(status.value("stdout", ""), "one\n") << status.dump(1);

  // Their metrics can be read through the API server, by who may.
  for (auto const& pod : pods()) {
    auto const metrics =
        kubectl({"get", "--raw", "/api/v1/namespaces/codeexec-system/pods/" + pod + ":8080/proxy/metrics"});
    EXPECT_EQ(metrics.exit_code, 0) << metrics.err;
    EXPECT_NE(metrics.out.find("# TYPE "), std::string::npos) << metrics.out.substr(0, 200);
  }

  // The leader is killed at work: the other takes over, each result arrives, nothing runs twice.
  constexpr int count = 6;
  for (int i = 0; i < count; ++i)
    ASSERT_TRUE(space.create("run-" + std::to_string(i), python("import time; time.sleep(1); print('two')")));
  auto const own = first.substr(0, first.find('_'));
  auto const killed = kubectl(
      {"--namespace", home, "get", "pod", own, "--output=jsonpath={.status.containerStatuses[0].restartCount}"});
  pid_t leading = 0;
  for (auto const pid : pids) {
    // The host name of a pod is its name; it stands in the UTS namespace, which /proc shows through the environment.
    if (text_of("/proc/" + std::to_string(pid) + "/environ").find("HOSTNAME=" + own) != std::string::npos)
      leading = pid;
  }
  ASSERT_NE(leading, 0) << "no process of pod " << own << " (holder " << first << ")" << killed.err;
  ::kill(leading, SIGKILL);
  ASSERT_TRUE(comes_true(60s, [&] { return leader() != first; }));
  for (int i = 0; i < count; ++i) {
    auto const end = space.wait_final("run-" + std::to_string(i));
    EXPECT_EQ(end["status"].value("stdout", ""), "two\n") << end.dump(1);
  }
  EXPECT_TRUE(space.wait_no_leftovers().empty());

  // The Deployment is whole again: the killed container was started again in its pod.
  EXPECT_TRUE(comes_true(60s, [&] { return ready() == 2; })) << show_pods();
  auto const restarted = kubectl(
      {"--namespace", home, "get", "pod", own, "--output=jsonpath={.status.containerStatuses[0].restartCount}"});
  EXPECT_EQ(restarted.out, "1") << restarted.err;

  // A pod that is deleted is replaced by another.
  auto const before = pods();
  ASSERT_EQ(kubectl({"--namespace", home, "delete", "pod", own}).exit_code, 0);
  EXPECT_TRUE(comes_true(60s, [&] {
    auto const now = pods();
    return ready() == 2 && now.size() == 2 && std::find(now.begin(), now.end(), own) == now.end();
  })) << show_pods();
  EXPECT_EQ(space.run("after", python("print('three')")).value("stdout", ""), "three\n");

  // Removed in the order that the documents say, nothing of it runs; and nothing at all is left once the stand-in has
  // stopped.
  auto const emptied = kubectl({"delete", "codeexecutions", "--all", "--all-namespaces", "--timeout=60s"});
  EXPECT_EQ(emptied.exit_code, 0) << emptied.err;
  // What is in the namespace may be gone with it before its turn comes.
  auto const deleted =
      kubectl({"delete", "--kustomize", CODEEXEC_SOURCE_DIR "/config/default", "--ignore-not-found", "--timeout=60s"});
  EXPECT_EQ(deleted.exit_code, 0) << deleted.err;
  EXPECT_TRUE(comes_true(60s, [&] { return operators_of(here->local().pid()).empty(); }));
  auto const stand_in = here->local().pid();
  EXPECT_EQ(here->local().end(SIGTERM), 0);
  EXPECT_TRUE(operators_of(stand_in).empty());
  EXPECT_EQ(mounts_with(here->folder().string()), 0u);
}

}  // namespace
}  // namespace codeexec::e2e
