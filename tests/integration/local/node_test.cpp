// Real programs in the real sandbox, and what the API says of them. Where this machine cannot run gVisor, the same
// tests run on the fallback (and what only gVisor can show is left out by name).
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sstream>
#include <sys/wait.h>

#include "node_cluster.hpp"

namespace codeexec::local::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class node_outcome : public ::testing::Test {
 protected:
  cluster c;
};

TEST_F(node_outcome, a_program_that_ends_well_completes_its_job) {
  c.create(c.job("ok",
                 {"python3", "-c",
                  "import sys; print('out', flush=True); print('err', file=sys.stderr); "
                  "open('/dev/termination-log','w').write('{\"exitCode\":0}')"},
                 {{"runtimeClassName", "gvisor"}}));
  ASSERT_TRUE(c.until([&] { return c.finished("ok"); }));
  auto const job = c.job_now("ok");
  EXPECT_EQ(job["status"]["succeeded"], 1);
  EXPECT_EQ(cluster::condition(job, "SuccessCriteriaMet")["reason"], "CompletionsReached");
  EXPECT_EQ(cluster::condition(job, "Complete")["message"], "Reached expected number of succeeded pods");
  EXPECT_TRUE(job["status"].contains("completionTime"));
  auto const pod = c.pod_of("ok");
  EXPECT_EQ(pod["status"]["phase"], "Succeeded");
  EXPECT_FALSE(pod["metadata"].contains("finalizers"));
  auto const end = cluster::state_of(pod)["terminated"];
  EXPECT_EQ(end["exitCode"], 0);
  EXPECT_EQ(end["reason"], "Completed");
  EXPECT_EQ(end["message"], "{\"exitCode\":0}");
  EXPECT_EQ(pod["status"]["containerStatuses"][0]["image"], "docker.io/library/python:3.11-slim");
  EXPECT_EQ(c.log(pod), "out\nerr\n");
  EXPECT_THAT(c.event_messages("Completed"), ElementsAre("Job completed"));
}

TEST_F(node_outcome, a_pod_goes_through_the_kubelets_states_in_order) {
  std::vector<std::string> seen;
  auto follow = c.objects.open_watch(kube::pods, {}, c.objects.resource_version(), [] {});
  ASSERT_TRUE(follow);
  c.create(c.job("seq", {"true"}));
  ASSERT_TRUE(c.until([&] { return c.finished("seq"); }));
  while (true) {
    auto const step = (*follow)->next();
    if (step.what != watch::state::event) {
      break;
    }
    auto const& pod = *step.next->current;
    auto const state = cluster::state_of(pod);
    std::string text = at_path(pod, "status.phase").get<std::string>();
    text += at_path(pod, "spec.nodeName").is_string() ? " bound" : "";
    text += state.is_object() ? " " + state.begin().key() : "";
    text += cluster::condition(pod, "PodReadyToStartContainers").is_object() ? " sandbox" : "";
    text += pod["metadata"].contains("finalizers") ? "" : " counted";
    if (seen.empty() || seen.back() != text) {
      seen.push_back(text);
    }
  }
  EXPECT_THAT(seen, ElementsAre("Pending", "Pending bound", "Pending bound waiting", "Pending bound waiting sandbox",
                                "Running bound running sandbox", "Running bound terminated sandbox",
                                "Succeeded bound terminated", "Succeeded bound terminated counted"));
}

TEST_F(node_outcome, an_exit_code_other_than_zero_fails_the_job_at_its_backoff_limit) {
  c.create(c.job("fails", {"python3", "-c", "import sys; print('bye'); sys.exit(3)"}));
  ASSERT_TRUE(c.until([&] { return c.finished("fails"); }));
  auto const job = c.job_now("fails");
  EXPECT_EQ(cluster::condition(job, "FailureTarget")["reason"], "BackoffLimitExceeded");
  EXPECT_EQ(cluster::condition(job, "Failed")["message"], "Job has reached the specified backoff limit");
  EXPECT_EQ(job["status"]["failed"], 1);
  EXPECT_EQ(job["status"]["uncountedTerminatedPods"], json::object());
  auto const end = cluster::state_of(c.pod_of("fails"))["terminated"];
  EXPECT_EQ(end["exitCode"], 3);
  EXPECT_EQ(end["reason"], "Error");
}

TEST_F(node_outcome, a_signal_shows_as_128_and_its_number) {
  // Kubernetes makes one dollar of two.
  c.create(c.job("sig", {"sh", "-c", "kill -SEGV $$$$"}));
  ASSERT_TRUE(c.until([&] { return c.finished("sig"); }));
  auto const end = cluster::state_of(c.pod_of("sig"))["terminated"];
  EXPECT_EQ(end["exitCode"], 128 + SIGSEGV);
  EXPECT_EQ(end["reason"], "Error");
}

TEST_F(node_outcome, a_program_that_exits_with_runscs_own_code_is_believed) {
  c.create(c.job("x128", {"sh", "-c", "exit 128"}));
  ASSERT_TRUE(c.until([&] { return c.finished("x128"); }));
  auto const end = cluster::state_of(c.pod_of("x128"))["terminated"];
  EXPECT_EQ(end["exitCode"], 128);
  EXPECT_EQ(end["reason"], "Error");
}

TEST_F(node_outcome, a_command_that_is_not_there_is_a_start_error) {
  c.create(c.job("nocmd", {"no-such-command"}));
  ASSERT_TRUE(c.until([&] { return c.finished("nocmd"); }));
  auto const pod = c.pod_of("nocmd");
  auto const end = cluster::state_of(pod)["terminated"];
  EXPECT_EQ(end["exitCode"], 128);
  EXPECT_EQ(end["reason"], "StartError");
  EXPECT_THAT(end["message"].get<std::string>(), HasSubstr("no-such-command"));
  EXPECT_EQ(c.log(pod), "");
}

TEST_F(node_outcome, too_much_memory_is_said_to_be_that) {
  c.create(c.job("oom", {"python3", "-c", "x=bytearray(300*1024*1024); print(len(x))"},
                 {{"container", {{"resources", {{"limits", {{"memory", "96Mi"}}}}}}}}));
  ASSERT_TRUE(c.until([&] { return c.finished("oom"); }));
  auto const end = cluster::state_of(c.pod_of("oom"))["terminated"];
  EXPECT_EQ(end["exitCode"], 137);
  EXPECT_EQ(end["reason"], "OOMKilled");
}

TEST_F(node_outcome, a_deadline_stops_the_pod_with_term_then_kill) {
  c.create(c.job("slow", {"python3", "-c", "import signal,time\nsignal.signal(15, signal.SIG_IGN)\ntime.sleep(60)"},
                 {{"terminationGracePeriodSeconds", 1}}, {{"activeDeadlineSeconds", 2}}));
  auto const begun = std::chrono::steady_clock::now();
  json last;
  ASSERT_TRUE(c.until([&] {
    auto const pod = c.pod_of("slow");
    last = pod.is_object() && !pod.empty() ? pod : last;
    return c.finished("slow");
  }));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(15));
  auto const job = c.job_now("slow");
  EXPECT_EQ(cluster::condition(job, "Failed")["reason"], "DeadlineExceeded");
  EXPECT_EQ(cluster::condition(job, "Failed")["message"], "Job was active longer than specified deadline");
  EXPECT_EQ(job["status"]["failed"], 1);
  EXPECT_TRUE(c.pod_of("slow").is_null());
  EXPECT_THAT(c.event_messages("Killing"), ElementsAre("Stopping container code"));
}

TEST_F(node_outcome, a_pods_own_deadline_ends_it_and_leaves_it_to_be_read) {
  c.create(c.job("late", {"python3", "-c",
                          "import signal,time,sys\ndef stop(*a):\n  print('told', flush=True)\n  sys.exit(7)\n"
                          "signal.signal(15, stop)\nprint('up', flush=True)\ntime.sleep(60)"}));
  ASSERT_TRUE(c.until_it_says("late", "up\n"));
  auto const name = c.pod_of("late")["metadata"]["name"].get<std::string>();
  ASSERT_TRUE(c.objects.mutate(kube::pods, "default", name, part::object, [](json& pod) {
    pod["spec"]["activeDeadlineSeconds"] = 1;
    return true;
  }));
  ASSERT_TRUE(c.until([&] { return c.finished("late"); }));
  auto const pod = c.pod_of("late");
  ASSERT_FALSE(pod.is_null());
  EXPECT_EQ(pod["status"]["phase"], "Failed");
  EXPECT_EQ(pod["status"]["reason"], "DeadlineExceeded");
  EXPECT_EQ(pod["status"]["message"], "Pod was active on the node longer than the specified deadline");
  EXPECT_EQ(cluster::state_of(pod)["terminated"]["exitCode"], 7);
  EXPECT_EQ(c.log(pod), "up\ntold\n");
  EXPECT_EQ(cluster::condition(c.job_now("late"), "Failed")["reason"], "BackoffLimitExceeded");
}

TEST_F(node_outcome, a_pods_own_deadline_ends_one_that_never_started) {
  json pod{{"activeDeadlineSeconds", 1}};
  pod["volumes"] = json::array({json{{"name", "cm"}, {"configMap", {{"name", "never"}}}}});
  pod["container"] = json{{"volumeMounts", json::array({json{{"name", "cm"}, {"mountPath", "/cm"}}})}};
  c.create(c.job("never", {"true"}, pod));
  ASSERT_TRUE(c.until([&] { return c.finished("never"); }));
  EXPECT_EQ(c.pod_of("never")["status"]["phase"], "Failed");
  EXPECT_EQ(c.pod_of("never")["status"]["reason"], "DeadlineExceeded");
  auto const container = c.pod_of("never")["status"]["containerStatuses"][0];
  auto const unknown = json::parse(R"({"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown",
      "message": "The container could not be located when the pod was terminated", "startedAt": null,
      "finishedAt": null}})");
  EXPECT_EQ(container["state"], unknown) << "as a kubelet says of one that it never made";
  EXPECT_EQ(container["imageID"], "");
  EXPECT_THAT(c.event_messages("DeadlineExceeded"),
              ElementsAre("Pod was active on the node longer than the specified deadline"));
}

TEST_F(node_outcome, a_program_that_hears_sigterm_ends_before_the_grace_is_over) {
  c.create(c.job("polite", {"python3", "-c",
                            "import signal,time,sys\nsignal.signal(15, lambda *a: sys.exit(7))\n"
                            "print('up', flush=True)\ntime.sleep(60)"}));
  ASSERT_TRUE(c.until_it_says("polite", "up\n"));
  auto const name = c.pod_of("polite")["metadata"]["name"].get<std::string>();
  auto const begun = std::chrono::steady_clock::now();
  auto follow = c.objects.open_watch(kube::pods, {}, c.objects.resource_version(), [] {});
  ASSERT_TRUE(follow);
  ASSERT_TRUE(c.objects.remove(kube::pods, "default", name));
  ASSERT_TRUE(c.until([&] { return c.pod_of("polite").is_null(); }));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(10));
  json end;
  for (auto step = (*follow)->next(); step.what == watch::state::event; step = (*follow)->next()) {
    auto const state = cluster::state_of(*step.next->current);
    end = state.contains("terminated") ? state["terminated"] : end;
  }
  EXPECT_EQ(end["exitCode"], 7);
}

TEST_F(node_outcome, an_unknown_image_fails_as_a_pull_does) {
  auto spec = c.job("badimage", {"true"}, {{"container", {{"image", "localhost/none:1"}}}});
  c.create(spec);
  ASSERT_TRUE(c.until([&] { return c.waiting_reason("badimage") == "ErrImagePull"; }));
  auto const pod = c.pod_of("badimage");
  EXPECT_EQ(c.log(pod), "refused: container \"code\" in pod \"" + pod["metadata"]["name"].get<std::string>() +
                            "\" is waiting to start: image can't be pulled");
  ASSERT_TRUE(c.until([&] { return c.waiting_reason("badimage") == "ImagePullBackOff"; }));
  EXPECT_EQ(cluster::state_of(c.pod_of("badimage"))["waiting"]["message"],
            "Back-off pulling image \"localhost/none:1\": ErrImagePull: failed to pull and unpack image "
            "\"localhost/none:1\": failed to resolve reference \"localhost/none:1\": failed to do request: Head "
            "\"http://localhost/v2/none/manifests/1\": dial tcp 127.0.0.1:80: connect: connection refused");
}

TEST_F(node_outcome, a_missing_runtime_class_makes_no_pod_and_says_so) {
  c.create(c.job("nopod", {"true"}, {{"runtimeClassName", "absent"}}));
  ASSERT_TRUE(c.until([&] { return !c.event_messages("FailedCreate").empty(); }));
  EXPECT_THAT(
      c.event_messages("FailedCreate"),
      ElementsAre("Error creating: pods \"nopod-\" is forbidden: pod rejected: RuntimeClass \"absent\" not found"));
  EXPECT_TRUE(c.pod_of("nopod").is_null());
  EXPECT_FALSE(c.job_now("nopod")["status"].contains("active"));
}

TEST_F(node_outcome, a_request_that_fits_no_node_stays_pending_with_the_schedulers_sentence) {
  c.create(c.job("huge", {"true"}, {{"container", {{"resources", {{"requests", {{"cpu", "500"}}}}}}}}));
  ASSERT_TRUE(c.until([&] { return !c.event_messages("FailedScheduling").empty(); }));
  auto const pod = c.pod_of("huge");
  EXPECT_EQ(pod["status"]["phase"], "Pending");
  EXPECT_EQ(pod["status"]["conditions"][0]["reason"], "Unschedulable");
  EXPECT_EQ(pod["status"]["conditions"][0]["message"],
            "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are "
            "available: 1 Preemption is not helpful for scheduling.");
  EXPECT_EQ(c.log(pod), "no content");
}

TEST_F(node_outcome, a_finished_job_with_a_ttl_goes) {
  c.create(c.job("ttl", {"true"}, json::object(), {{"ttlSecondsAfterFinished", 0}}));
  ASSERT_TRUE(c.until([&] {
    auto const job = c.job_now("ttl");
    return job.is_null() || job["metadata"].contains("deletionTimestamp");
  }));
}

TEST_F(node_outcome, config_maps_empty_dirs_users_and_a_read_only_root_are_as_asked) {
  ASSERT_TRUE(c.objects.create(kube::config_maps, json{{"apiVersion", "v1"},
                                                       {"kind", "ConfigMap"},
                                                       {"metadata", {{"name", "cm"}, {"namespace", "default"}}},
                                                       {"data", {{"script", "#!/bin/sh\necho ran\n"}, {"a", "text"}}},
                                                       {"binaryData", {{"bin", "AAH/"}}}}));
  json pod{{"securityContext", {{"runAsUser", 65532}, {"runAsGroup", 65532}, {"runAsNonRoot", true}}}};
  pod["volumes"] =
      json::array({json{{"name", "ws"}, {"emptyDir", {{"sizeLimit", "4Mi"}}}},
                   json{{"name", "cm"},
                        {"configMap",
                         {{"name", "cm"},
                          {"items", json::array({json{{"key", "script"}, {"path", "bin/script"}, {"mode", 0555}},
                                                 json{{"key", "bin"}, {"path", "bin.dat"}}})}}}}});
  pod["container"] =
      json{{"securityContext",
            {{"readOnlyRootFilesystem", true},
             {"allowPrivilegeEscalation", false},
             {"capabilities", {{"drop", json::array({"ALL"})}}}}},
           {"env", json::array({json{{"name", "A"}, {"value", "x"}}, json{{"name", "B"}, {"value", "$(A)y $(NOPE)"}}})},
           {"workingDir", "/workspace"},
           {"volumeMounts", json::array({json{{"name", "ws"}, {"mountPath", "/workspace"}},
                                         json{{"name", "cm"}, {"mountPath", "/in/put"}}})}};
  c.create(c.job("vols", {"python3", "-c", R"(
import os, subprocess
print(os.getuid(), os.getgid(), os.getcwd(), os.environ['B'])
print(subprocess.run(['/in/put/bin/script'], capture_output=True).stdout)
print(open('/in/put/bin.dat','rb').read(), os.path.islink('/in/put/bin.dat'))
open('mine','w').write('ok'); print(open('/workspace/mine').read())
def refused(what):
  try: what(); return 'allowed'
  except OSError as e: return 'refused'
print('root', refused(lambda: open('/x','w')), 'cm', refused(lambda: open('/in/put/y','w')))
def fill():
  with open('/workspace/big','wb') as f:
    for i in range(8): f.write(b'0'*(1<<20)); f.flush()
print('size', refused(fill))
print([l for l in open('/proc/self/status') if l.startswith('CapEff')][0].split()[1])
print(os.path.exists('/root/.bashrc'), os.listdir('/home'))
)"},
                 pod));
  ASSERT_TRUE(c.until([&] { return c.finished("vols"); }));
  EXPECT_EQ(c.log(c.pod_of("vols")),
            "65532 65532 /workspace xy $(NOPE)\nb'ran\\n'\nb'\\x00\\x01\\xff' True\nok\nroot refused cm refused\n"
            "size refused\n0000000000000000\nFalse []\n");
}

TEST_F(node_outcome, a_missing_config_map_holds_the_pod_until_it_comes) {
  json pod{{"volumes", json::array({json{{"name", "cm"}, {"configMap", {{"name", "later"}}}}})}};
  pod["container"] = json{{"volumeMounts", json::array({json{{"name", "cm"}, {"mountPath", "/cm"}}})}};
  c.create(c.job("waits", {"cat", "/cm/k"}, pod));
  ASSERT_TRUE(c.until([&] { return !c.event_messages("FailedMount").empty(); }));
  EXPECT_THAT(c.event_messages("FailedMount"),
              ElementsAre("MountVolume.SetUp failed for volume \"cm\" : configmap \"later\" not found"));
  EXPECT_EQ(cluster::state_of(c.pod_of("waits"))["waiting"]["reason"], "ContainerCreating");
  ASSERT_TRUE(c.objects.create(kube::config_maps, json{{"apiVersion", "v1"},
                                                       {"kind", "ConfigMap"},
                                                       {"metadata", {{"name", "later"}, {"namespace", "default"}}},
                                                       {"data", {{"k", "there\n"}}}}));
  ASSERT_TRUE(c.until([&] { return c.finished("waits"); }));
  EXPECT_EQ(c.log(c.pod_of("waits")), "there\n");
}

TEST_F(node_outcome, a_non_root_pod_without_a_user_is_a_configuration_error) {
  c.create(c.job("rootless", {"true"}, {{"securityContext", {{"runAsNonRoot", true}}}}));
  ASSERT_TRUE(c.until([&] { return c.waiting_reason("rootless") == "CreateContainerConfigError"; }));
  EXPECT_THAT(cluster::state_of(c.pod_of("rootless"))["waiting"]["message"].get<std::string>(),
              HasSubstr("container has runAsNonRoot and image will run as root (pod: \"rootless-"));
}

TEST_F(node_outcome, a_followed_log_brings_lines_while_the_program_runs_and_ends_with_it) {
  c.create(c.job("live", {"python3", "-u", "-c", "import time\nprint('one')\ntime.sleep(1)\nprint('two')"}));
  ASSERT_TRUE(c.until([&] { return cluster::state_of(c.pod_of("live")).contains("running"); }));
  pod_log_options options;
  options.follow = true;
  int wakes = 0;
  auto const pod = c.objects.get(kube::pods, "default", c.pod_of("live")["metadata"]["name"].get<std::string>());
  auto opened = c.machine->open_log(pod, options, [&] { ++wakes; });
  ASSERT_TRUE(opened);
  std::string text;
  bool end = false;
  bool one_while_running = false;
  ASSERT_TRUE(c.until([&] {
    auto chunk = (*opened)->next(4096);
    text += chunk.bytes;
    end = end || chunk.end;
    one_while_running =
        one_while_running || (text == "one\n" && cluster::state_of(c.pod_of("live")).contains("running"));
    return end;
  }));
  EXPECT_EQ(text, "one\ntwo\n");
  EXPECT_TRUE(one_while_running);
  EXPECT_GE(wakes, 2);
}

TEST_F(node_outcome, when_there_is_no_room_pods_wait_their_turn) {
  for (int i = 0; i < 4; ++i) {
    c.create(c.job("turn" + std::to_string(i), {"true"},
                   {{"container", {{"resources", {{"requests", {{"cpu", "1500m"}}}}}}}}));
  }
  ASSERT_TRUE(c.until(
      [&] { return c.finished("turn0") && c.finished("turn1") && c.finished("turn2") && c.finished("turn3"); }));
  EXPECT_FALSE(c.event_messages("FailedScheduling").empty());
}

TEST_F(node_outcome, a_program_that_writes_faster_than_the_node_reads_loses_nothing) {
  // Several at once keep the loop busy, so that pipes run full.
  constexpr int count = 16;
  for (int i = 0; i < count; ++i) {
    c.create(c.job("fast" + std::to_string(i), {"python3", "-c",
                                                "import sys; sys.stdout.write('x'*300000+'\\n'+'" + std::to_string(i) +
                                                    "\\n'); sys.stdout.flush(); sys.stderr.write('end\\n')"}));
  }
  ASSERT_TRUE(c.until([&] {
    for (int i = 0; i < count; ++i) {
      if (!c.finished("fast" + std::to_string(i))) {
        return false;
      }
    }
    return true;
  }));
  for (int i = 0; i < count; ++i) {
    auto const pod = c.pod_of("fast" + std::to_string(i));
    EXPECT_EQ(cluster::state_of(pod)["terminated"]["exitCode"], 0);
    EXPECT_EQ(c.log(pod), std::string(300000, 'x') + "\n" + std::to_string(i) + "\nend\n");
  }
}

TEST_F(node_outcome, nothing_is_left_behind_after_stop) {
  c.create(c.job("left", {"sleep", "100"}));
  ASSERT_TRUE(c.until([&] { return cluster::state_of(c.pod_of("left")).contains("running"); }));
  c.stop();
  EXPECT_TRUE(std::filesystem::is_empty(c.folder));
}

/// Processes whose command line has `needle`.
int processes_with(std::string const& needle) {
  int found = 0;
  std::error_code ignored;
  for (auto const& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    auto const name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") == std::string::npos) {
      std::ifstream in(entry.path() / "cmdline");
      std::ostringstream text;
      text << in.rdbuf();
      found += text.str().find(needle) != std::string::npos ? 1 : 0;
    }
  }
  return found;
}

TEST(node_crash, no_sandbox_outlives_a_killed_node_and_the_next_one_cleans_up) {
  int report[2];
  ASSERT_EQ(pipe(report), 0);
  auto const child = fork();
  if (child == 0) {
    cluster inner;
    inner.create(inner.job("orphan", {"sleep", "3600"}));
    inner.until([&] { return cluster::state_of(inner.pod_of("orphan")).contains("running"); });
    auto const text = inner.folder.string() + "\n";
    (void)!write(report[1], text.data(), text.size());
    pause();
    _exit(0);
  }
  close(report[1]);
  std::string folder;
  char c = 0;
  while (read(report[0], &c, 1) == 1 && c != '\n') {
    folder += c;
  }
  close(report[0]);
  ASSERT_FALSE(folder.empty());
  EXPECT_GT(processes_with(folder + "/"), 0);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  auto const end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (processes_with(folder + "/") > 0 && std::chrono::steady_clock::now() < end) {
    usleep(20'000);
  }
  EXPECT_EQ(processes_with(folder + "/"), 0);

  // A node that is started on the same folder removes what the killed one left.
  cluster next;
  node_options options;
  options.state_dir = folder;
  node after(next.context.get_executor(), next.objects, options);
  ASSERT_TRUE(after.start());
  next.run(after.stop());
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  std::filesystem::remove_all(folder);
}

TEST(node_fallback, plain_processes_give_the_same_outcomes_and_are_no_sandbox) {
  node_options options;
  options.runtime = runtime_choice::process;
  cluster c(options);
  EXPECT_FALSE(c.machine->sandboxed());
  c.create(c.job("plain",
                 {"python3", "-c",
                  "import os; print(os.getpid(), os.getuid(), os.path.exists('/work'), os.listdir('/home')); "
                  "open('/dev/termination-log','w').write('said')"},
                 {{"securityContext", {{"runAsUser", 65532}}}}));
  c.create(c.job("plain3", {"sh", "-c", "exit 3"}));
  c.create(c.job("plainno", {"no-such-command"}));
  ASSERT_TRUE(c.until([&] { return c.finished("plain") && c.finished("plain3") && c.finished("plainno"); }));
  auto const pod = c.pod_of("plain");
  EXPECT_EQ(cluster::state_of(pod)["terminated"]["message"], "said");
  EXPECT_EQ(c.log(pod), "1 65532 False []\n");
  EXPECT_EQ(cluster::state_of(c.pod_of("plain3"))["terminated"]["exitCode"], 3);
  EXPECT_EQ(cluster::state_of(c.pod_of("plainno"))["terminated"]["reason"], "StartError");
}

}  // namespace
}  // namespace codeexec::local::testing
