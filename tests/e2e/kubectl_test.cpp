// kubectl as people use it: what they type, and what they then read. Everything here holds on any cluster; the words
// are those that kubectl 1.32 prints against a real Kubernetes 1.36.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <string>

#include "cluster.hpp"

namespace codeexec::e2e {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::StartsWith;

std::string sample(std::string_view name) {
  return std::string(CODEEXEC_SOURCE_DIR "/config/samples/") + std::string(name) + ".yaml";
}

class kubectl : public ::testing::Test {
 protected:
  void SetUp() override {
    if (run_program({"kubectl", "version", "--client"}).exit_code != 0) {
      GTEST_SKIP() << "There is no kubectl on this machine: how it works with this cluster is not tested here.";
    }
  }

  /// Whatever follows "kubectl -n NAMESPACE".
  program_outcome run(std::vector<std::string> arguments, program_options options = {}) const {
    options.env.emplace("KUBECONFIG", cluster::instance().kubeconfig());
    arguments.insert(arguments.begin(), {"kubectl", "-n", here_.name()});
    return run_program(arguments, options);
  }

  program_outcome run_with(std::string manifest, std::vector<std::string> arguments) const {
    program_options options;
    options.input = std::move(manifest);
    return run(std::move(arguments), std::move(options));
  }

  /// Its standard output; the test fails where it did not succeed.
  std::string output(std::vector<std::string> arguments) const {
    std::string const command = arguments.front();
    auto const got = run(std::move(arguments));
    EXPECT_EQ(got.exit_code, 0) << command << ": " << got.err;
    return got.out;
  }

  /// A finished execution whose Job and Pod are still there.
  void finished(std::string const& name, std::string const& code = "echo hi") const {
    auto const made =
        run_with(manifest(name, "code: " + json(code).dump() + ", cleanupPolicy: Retain"), {"create", "-f", "-"});
    ASSERT_EQ(made.exit_code, 0) << made.err;
    auto const waited = run({"wait", "--for=condition=Complete", "--timeout=50s", "cex/" + name});
    ASSERT_EQ(waited.exit_code, 0) << waited.err;
    // The result is told as soon as it is known; the container ends, and the Job is counted, a moment later.
    auto const ended =
        run({"wait", "--for=condition=Complete", "--timeout=50s", "job", "-l", "codeexec.dev/execution=" + name});
    ASSERT_EQ(ended.exit_code, 0) << ended.err;
  }

  static std::string manifest(std::string const& name, std::string const& spec, std::string const& metadata = {}) {
    return "apiVersion: codeexec.dev/v1alpha1\nkind: CodeExecution\nmetadata: {name: " + name + metadata +
           "}\nspec: {language: bash, " + spec + "}\n";
  }

  static std::string config_map(std::string const& data, std::string const& metadata = {}) {
    return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings" + metadata + "}\ndata: " + data + "\n";
  }

  workspace here_;
};

TEST_F(kubectl, apply_wait_get_and_delete_a_sample) {
  EXPECT_EQ(output({"apply", "-f", sample("csv-table")}), "codeexecution.codeexec.dev/csv-table created\n");
  EXPECT_EQ(output({"wait", "--for=condition=Complete", "--timeout=50s", "cex/csv-table"}),
            "codeexecution.codeexec.dev/csv-table condition met\n");
  EXPECT_EQ(output({"apply", "-f", sample("csv-table")}), "codeexecution.codeexec.dev/csv-table unchanged\n");
  EXPECT_EQ(output({"delete", "cex", "csv-table"}), "codeexecution.codeexec.dev \"csv-table\" deleted\n");
  auto const gone = run({"get", "cex", "csv-table"});
  EXPECT_EQ(gone.exit_code, 1);
  EXPECT_EQ(gone.err, "Error from server (NotFound): codeexecutions.codeexec.dev \"csv-table\" not found\n");
  EXPECT_EQ(output({"delete", "cex", "csv-table", "--ignore-not-found"}), "");
}

TEST_F(kubectl, get_shows_what_an_execution_came_to) {
  finished("one");
  EXPECT_THAT(
      output({"get", "cex"}),
      MatchesRegex("NAME +PHASE +REASON +EXIT +DURATION +AGE *\none +Succeeded +Completed +0 +[0-9.]+m?s +[0-9]+s\n"));
  EXPECT_THAT(output({"get", "cex", "-o", "wide"}), AllOf(HasSubstr("POD"), HasSubstr("NODE"), HasSubstr("one-")));
  EXPECT_THAT(output({"get", "cex", "one", "-o", "yaml"}),
              AllOf(HasSubstr("stdout: |\n    hi\n"), HasSubstr("reason: Completed")));
  EXPECT_EQ(output({"get", "cex", "-o", "name"}), "codeexecution.codeexec.dev/one\n");
  EXPECT_EQ(output({"get", "cex", "one", "-o", "jsonpath={.status.exitCode} {.status.stdout}"}), "0 hi\n");
  // How wide the column is depends on who else works in the cluster.
  EXPECT_THAT(output({"get", "cex", "-A"}), AllOf(StartsWith("NAMESPACE"), ContainsRegex(here_.name() + " +one ")));
  EXPECT_THAT(output({"get", "all"}),
              AllOf(HasSubstr("codeexecution.codeexec.dev/one"), HasSubstr("job.batch/one-"), HasSubstr("pod/one-")));
  EXPECT_THAT(output({"get", "pods"}),
              MatchesRegex("NAME +READY +STATUS +RESTARTS +AGE\none-[^ ]+ +0/1 +Completed +0 +[0-9]+s\n"));
  EXPECT_THAT(output({"get", "jobs"}),
              MatchesRegex("NAME +STATUS +COMPLETIONS +DURATION +AGE\none-[^ ]+ +Complete +1/1 +[0-9]+s +[0-9]+s\n"));
  auto const none = run({"get", "cex", "-l", "no=such"});
  EXPECT_EQ(none.err, "No resources found in " + here_.name() + " namespace.\n");
}

TEST_F(kubectl, get_sorts_selects_and_cuts_columns) {
  for (std::string const name : {"b", "a"}) {
    auto const made =
        run_with(manifest(name, "code: echo, suspend: true, timeoutSeconds: " + std::string(name == "a" ? "9" : "5"),
                          ", labels: {is: " + name + "}"),
                 {"create", "-f", "-"});
    ASSERT_EQ(made.exit_code, 0) << made.err;
  }
  std::string const columns = "custom-columns=NAME:.metadata.name,SECONDS:.spec.timeoutSeconds";
  EXPECT_EQ(output({"get", "cex", "--sort-by=.spec.timeoutSeconds", "-o", columns}),
            "NAME   SECONDS\nb      5\na      9\n");
  EXPECT_THAT(output({"get", "cex", "--sort-by=.spec.timeoutSeconds", "--no-headers"}), MatchesRegex("b .*\na .*\n"));
  EXPECT_EQ(output({"get", "cex", "-l", "is=a", "-o", "name"}), "codeexecution.codeexec.dev/a\n");
  EXPECT_EQ(output({"get", "cex", "-l", "is notin (a)", "-o", "name"}), "codeexecution.codeexec.dev/b\n");
  EXPECT_EQ(output({"get", "cex", "--field-selector", "metadata.name=b", "-o", "name"}),
            "codeexecution.codeexec.dev/b\n");
  EXPECT_THAT(output({"get", "cex", "a", "--show-labels"}), HasSubstr("is=a"));
}

TEST_F(kubectl, get_watch_shows_each_step_until_it_is_stopped) {
  auto const made = run_with(manifest("steps", "code: sleep 1"), {"create", "-f", "-"});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  program_options until_done;
  until_done.interrupt_with = SIGINT;
  until_done.interrupt_after = "Succeeded";
  auto const watched = run({"get", "cex", "-w", "--output-watch-events"}, until_done);
  EXPECT_THAT(watched.out,
              AllOf(StartsWith("EVENT"), HasSubstr("ADDED"), HasSubstr("MODIFIED"), HasSubstr("Succeeded")));
}

TEST_F(kubectl, wait_ends_for_a_failure_and_for_a_value_and_when_its_time_is_up) {
  ASSERT_EQ(run({"apply", "-f", sample("traceback")}).exit_code, 0);
  EXPECT_EQ(output({"wait", "--for=condition=Failed", "--timeout=50s", "cex/traceback"}),
            "codeexecution.codeexec.dev/traceback condition met\n");
  EXPECT_EQ(output({"wait", "--for=jsonpath={.status.reason}=NonZeroExit", "--timeout=50s", "cex/traceback"}),
            "codeexecution.codeexec.dev/traceback condition met\n");
  auto const never = run({"wait", "--for=condition=Complete", "--timeout=1s", "cex/traceback"});
  EXPECT_EQ(never.exit_code, 1);
  EXPECT_EQ(never.err, "error: timed out waiting for the condition on codeexecutions/traceback\n");
}

TEST_F(kubectl, logs_of_the_pod_are_readable_frames) {
  finished("logged");
  auto const pod = output({"get", "cex", "logged", "-o", "jsonpath={.status.podName}"});
  auto const logs = output({"logs", pod});
  EXPECT_THAT(logs, StartsWith("stdout F hi\nresult F {"));
  EXPECT_EQ(output({"logs", "-f", pod}), logs);
  EXPECT_THAT(output({"logs", pod, "--tail=1"}), StartsWith("result F {"));
  EXPECT_THAT(output({"logs", pod, "--timestamps"}), MatchesRegex("20[0-9T:.-]+Z stdout F hi\n(.|\n)*"));
  EXPECT_THAT(output({"logs", "-l", "codeexec.dev/execution=logged"}), HasSubstr("stdout F hi\n"));
  EXPECT_EQ(
      run({"logs", pod, "--previous"}).err,
      "Error from server (BadRequest): previous terminated container \"code\" in pod \"" + pod + "\" not found\n");
}

TEST_F(kubectl, logs_follow_a_job_until_it_ends) {
  auto const made =
      run({"create", "job", "chatty", "--image=python:3.11-slim", "--", "sh", "-c", "echo one; sleep 1; echo two"});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  EXPECT_EQ(made.out, "job.batch/chatty created\n");
  // Until its container has started there is no log to follow, on any cluster.
  ASSERT_EQ(run({"wait", "--for=jsonpath={.status.ready}=1", "--timeout=50s", "job/chatty"}).exit_code, 0);
  EXPECT_EQ(output({"logs", "-f", "job/chatty"}), "one\ntwo\n");
  EXPECT_EQ(output({"wait", "--for=condition=Complete", "--timeout=50s", "job/chatty"}),
            "job.batch/chatty condition met\n");
  EXPECT_THAT(output({"describe", "job", "chatty"}),
              AllOf(ContainsRegex("Pods Statuses: +0 Active .0 Ready. / 1 Succeeded / 0 Failed"),
                    HasSubstr("SuccessfulCreate"), HasSubstr("Job completed")));
  EXPECT_EQ(output({"delete", "job", "chatty"}), "job.batch \"chatty\" deleted\n");
  EXPECT_EQ(run({"get", "job", "chatty"}).err, "Error from server (NotFound): jobs.batch \"chatty\" not found\n");
}

TEST_F(kubectl, an_invalid_one_is_refused_with_field_and_reason) {
  auto const refused = run_with(manifest("bad", "code: x, timeoutSeconds: 0"), {"apply", "-f", "-"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_EQ(refused.err,
            "The CodeExecution \"bad\" is invalid: spec.timeoutSeconds: Invalid value: 0: spec.timeoutSeconds in body "
            "should be greater than or equal to 1\n");
  auto const misspelt =
      run_with("apiVersion: codeexec.dev/v1alpha1\nkind: CodeExcution\nmetadata: {name: bad}\n", {"apply", "-f", "-"});
  EXPECT_THAT(misspelt.err, HasSubstr("no matches for kind \"CodeExcution\" in version \"codeexec.dev/v1alpha1\""));
}

TEST_F(kubectl, a_misspelt_field_is_an_error_a_warning_or_nothing_as_one_likes) {
  std::string const typo = manifest("typo", "code: echo, suspend: true, tiemout: 3");
  auto const strict = run_with(typo, {"apply", "-f", "-"});
  EXPECT_EQ(strict.exit_code, 1);
  EXPECT_EQ(
      strict.err,
      "Error from server (BadRequest): error when creating \"STDIN\": CodeExecution in version \"v1alpha1\" cannot "
      "be handled as a CodeExecution: strict decoding error: unknown field \"spec.tiemout\"\n");
  auto const warned = run_with(typo, {"create", "-f", "-", "--validate=warn"});
  EXPECT_EQ(warned.out, "codeexecution.codeexec.dev/typo created\n");
  EXPECT_EQ(warned.err, "Warning: unknown field \"spec.tiemout\"\n");
  EXPECT_THAT(output({"get", "cex", "typo", "-o", "yaml"}), Not(HasSubstr("tiemout")));
  ASSERT_EQ(run({"delete", "cex", "typo"}).exit_code, 0);
  auto const ignored = run_with(typo, {"create", "-f", "-", "--validate=ignore"});
  EXPECT_EQ(ignored.out + ignored.err, "codeexecution.codeexec.dev/typo created\n");

  auto const builtin =
      run_with("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: typo}\ndta: {a: b}\n", {"apply", "-f", "-"});
  EXPECT_THAT(builtin.err, HasSubstr("strict decoding error: unknown field \"dta\""));
}

TEST_F(kubectl, what_runs_once_cannot_be_edited_or_replaced) {
  std::string const before = manifest("fixed", "code: echo one, suspend: true");
  ASSERT_EQ(run_with(before, {"apply", "-f", "-"}).exit_code, 0);
  EXPECT_EQ(
      run_with(before, {"create", "-f", "-"}).err,
      "Error from server (AlreadyExists): error when creating \"STDIN\": codeexecutions.codeexec.dev \"fixed\" already "
      "exists\n");
  auto const refused = run_with(manifest("fixed", "code: echo two, suspend: true"), {"apply", "-f", "-"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("spec.code is immutable"));
  program_options editor;
  editor.env.emplace("KUBE_EDITOR", "sed -i s/echo.one/echo.two/");
  EXPECT_THAT(run({"edit", "cex", "fixed"}, editor).err, HasSubstr("codeexecutions.codeexec.dev \"fixed\" is invalid"));
}

TEST_F(kubectl, edit_and_replace_change_what_may_change) {
  ASSERT_EQ(run_with(config_map("{color: red}"), {"create", "-f", "-"}).exit_code, 0);
  program_options editor;
  editor.env.emplace("KUBE_EDITOR", "sed -i s/red/green/");
  auto const edited = run({"edit", "configmap", "settings"}, editor);
  EXPECT_EQ(edited.out, "configmap/settings edited\n") << edited.err;
  EXPECT_EQ(run({"edit", "configmap", "settings"}, editor).err, "Edit cancelled, no changes made.\n");
  EXPECT_EQ(output({"get", "configmap", "settings", "-o", "jsonpath={.data.color}"}), "green");
  EXPECT_EQ(run_with(config_map("{color: blue}"), {"replace", "-f", "-"}).out, "configmap/settings replaced\n");
  EXPECT_EQ(output({"get", "configmap", "settings", "-o", "jsonpath={.data}"}), "{\"color\":\"blue\"}");
}

TEST_F(kubectl, diff_and_dry_run_change_nothing) {
  ASSERT_EQ(run_with(config_map("{color: red}"), {"apply", "-f", "-"}).exit_code, 0);
  EXPECT_EQ(run_with(config_map("{color: red}"), {"diff", "-f", "-"}).exit_code, 0);
  auto const differs = run_with(config_map("{color: blue}"), {"diff", "-f", "-"});
  EXPECT_EQ(differs.exit_code, 1);
  EXPECT_THAT(differs.out, AllOf(HasSubstr("-  color: red\n"), HasSubstr("+  color: blue\n")));
  auto const dry = run_with(config_map("{color: blue}"), {"apply", "-f", "-", "--dry-run=server"});
  EXPECT_EQ(dry.out, "configmap/settings configured (server dry run)\n");
  EXPECT_EQ(output({"get", "configmap", "settings", "-o", "jsonpath={.data.color}"}), "red");
  EXPECT_EQ(run_with(manifest("dry", "code: echo"), {"create", "-f", "-", "--dry-run=server"}).out,
            "codeexecution.codeexec.dev/dry created (server dry run)\n");
  EXPECT_EQ(run({"get", "cex", "dry"}).exit_code, 1);
}

TEST_F(kubectl, an_applied_job_stays_unchanged_when_applied_again) {
  std::string const job =
      "apiVersion: batch/v1\nkind: Job\nmetadata: {name: twice}\nspec:\n  suspend: true\n  template:\n    spec:\n"
      "      restartPolicy: Never\n      containers:\n      - name: main\n        image: python:3.11-slim\n"
      "        command: [\"true\"]\n        env: [{name: A, value: b}]\n        volumeMounts: [{name: scratch, "
      "mountPath: /scratch}]\n"
      "      volumes: [{name: scratch, emptyDir: {}}]\n";
  EXPECT_EQ(run_with(job, {"apply", "-f", "-"}).out, "job.batch/twice created\n");
  EXPECT_EQ(run_with(job, {"apply", "-f", "-"}).out, "job.batch/twice unchanged\n");
}

TEST_F(kubectl, network_policies_are_applied_shown_and_explained) {
  std::string const policy =
      "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web}\nspec:\n"
      "  podSelector: {matchLabels: {app: web}, matchExpressions: [{key: tier, operator: In, values: [b, a]}]}\n"
      "  ingress: [{from: [{podSelector: {}}], ports: [{port: 80, protocol: TCP}]}]\n";
  EXPECT_EQ(run_with(policy, {"apply", "-f", "-"}).out, "networkpolicy.networking.k8s.io/web created\n");
  EXPECT_EQ(run_with(policy, {"apply", "-f", "-"}).out, "networkpolicy.networking.k8s.io/web unchanged\n");
  EXPECT_THAT(output({"get", "netpol"}), AllOf(HasSubstr("POD-SELECTOR"), HasSubstr("app=web,tier in (a,b)")));
  EXPECT_EQ(output({"get", "netpol", "web", "-o", "jsonpath={.spec.policyTypes}"}), "[\"Ingress\"]");
  EXPECT_THAT(output({"describe", "netpol", "web"}), HasSubstr("80/TCP"));
  EXPECT_THAT(output({"explain", "networkpolicy.spec.egress.to.ipBlock.cidr"}), HasSubstr("cidr <string>"));
}

TEST_F(kubectl, server_side_apply_keeps_what_others_have_set_apart) {
  std::string const wanted = manifest("ssa", "code: echo, suspend: true", ", labels: {color: red}");
  for (int times = 0; times < 2; ++times) {
    auto const applied = run_with(wanted, {"apply", "--server-side", "-f", "-"});
    EXPECT_EQ(applied.out, "codeexecution.codeexec.dev/ssa serverside-applied\n") << applied.err;
  }
  auto const other = manifest("ssa", "code: echo, suspend: true", ", labels: {color: blue}");
  auto const refused = run_with(other, {"apply", "--server-side", "--field-manager=somebody", "-f", "-"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err,
              HasSubstr("Apply failed with 1 conflict: conflict with \"kubectl\": .metadata.labels.color"));
  EXPECT_EQ(
      run_with(other, {"apply", "--server-side", "--field-manager=somebody", "--force-conflicts", "-f", "-"}).exit_code,
      0);
  auto const unknown = run_with(manifest("ssa", "code: echo, tiemout: 3"), {"apply", "--server-side", "-f", "-"});
  EXPECT_EQ(unknown.exit_code, 1);
  EXPECT_THAT(unknown.err, HasSubstr("unknown field \"spec.tiemout\""));
}

TEST_F(kubectl, labels_and_annotations_are_set_kept_and_removed) {
  ASSERT_EQ(run_with(manifest("marked", "code: echo, suspend: true"), {"create", "-f", "-"}).exit_code, 0);
  EXPECT_EQ(output({"label", "cex", "marked", "color=red"}), "codeexecution.codeexec.dev/marked labeled\n");
  auto const kept = run({"label", "cex", "marked", "color=blue"});
  EXPECT_EQ(kept.exit_code, 1);
  EXPECT_EQ(kept.err, "error: 'color' already has a value (red), and --overwrite is false\n");
  EXPECT_EQ(output({"label", "cex", "marked", "color=blue", "--overwrite"}),
            "codeexecution.codeexec.dev/marked labeled\n");
  EXPECT_EQ(output({"get", "cex", "marked", "-o", "jsonpath={.metadata.labels.color}"}), "blue");
  EXPECT_EQ(output({"label", "cex", "marked", "color-"}), "codeexecution.codeexec.dev/marked unlabeled\n");
  EXPECT_EQ(output({"annotate", "cex", "marked", "note=hello there"}), "codeexecution.codeexec.dev/marked annotated\n");
  EXPECT_EQ(output({"get", "cex", "marked", "-o", "jsonpath={.metadata.annotations.note}"}), "hello there");
  EXPECT_EQ(output({"patch", "cex", "marked", "--type=merge", "-p", "{\"spec\":{\"cancel\":true}}"}),
            "codeexecution.codeexec.dev/marked patched\n");
}

TEST_F(kubectl, delete_waits_for_finalizers) {
  ASSERT_EQ(run_with(config_map("{}", ", finalizers: [example.dev/held]"), {"create", "-f", "-"}).exit_code, 0);
  auto const held = run({"delete", "configmap", "settings", "--timeout=1s"});
  EXPECT_EQ(held.exit_code, 1);
  EXPECT_EQ(held.out, "configmap \"settings\" deleted\n");
  EXPECT_THAT(held.err, HasSubstr("timed out waiting for the condition on configmaps/settings"));
  EXPECT_EQ(output({"delete", "configmap", "settings", "--wait=false"}), "configmap \"settings\" deleted\n");
  ASSERT_EQ(
      run({"patch", "configmap", "settings", "--type=merge", "-p", "{\"metadata\":{\"finalizers\":null}}"}).exit_code,
      0);
  EXPECT_EQ(output({"wait", "--for=delete", "configmap/settings", "--timeout=20s"}).find("error"), std::string::npos);
  EXPECT_EQ(run({"get", "configmap", "settings"}).exit_code, 1);
}

TEST_F(kubectl, describe_shows_spec_status_and_events) {
  finished("told");
  EXPECT_THAT(output({"describe", "cex", "told"}),
              AllOf(StartsWith("Name:         told\nNamespace:    " + here_.name() + "\n"),
                    ContainsRegex("Code: +echo hi"), ContainsRegex("Reason: +Completed"), HasSubstr("Events:")));
  EXPECT_THAT(
      output({"describe", "pods"}),
      AllOf(ContainsRegex("Status: +Succeeded"), ContainsRegex("Reason: +Completed"), ContainsRegex("Exit Code: +0"),
            ContainsRegex("Controlled By: +Job/told-"), HasSubstr("Successfully assigned")));
  EXPECT_THAT(output({"describe", "jobs"}), AllOf(HasSubstr("Controlled By:"), HasSubstr("Created pod: told-")));
}

TEST_F(kubectl, events_are_told_by_both_commands_and_both_groups) {
  finished("heard");
  EXPECT_THAT(output({"events"}), AllOf(MatchesRegex("LAST SEEN +TYPE +REASON +OBJECT +MESSAGE\n(.|\n)*"),
                                        HasSubstr("SuccessfulCreate"), HasSubstr("Job/heard-")));
  EXPECT_THAT(output({"get", "events"}), AllOf(HasSubstr("SuccessfulCreate"), HasSubstr("job/heard-")));
  EXPECT_THAT(output({"get", "events.events.k8s.io"}), AllOf(HasSubstr("SuccessfulCreate"), HasSubstr("job/heard-")));
  EXPECT_THAT(output({"get", "events", "--field-selector", "reason=SuccessfulCreate", "--no-headers"}),
              MatchesRegex("[^\n]*SuccessfulCreate[^\n]*\n"));
  EXPECT_THAT(output({"get", "events.events.k8s.io", "-o", "jsonpath={.items[*].regarding.kind}"}), HasSubstr("Job"));
}

TEST_F(kubectl, explain_is_documentation) {
  EXPECT_THAT(
      output({"explain", "cex.spec.timeoutSeconds"}),
      AllOf(StartsWith(
                "GROUP:      codeexec.dev\nKIND:       CodeExecution\nVERSION:    v1alpha1\n\nFIELD: timeoutSeconds "
                "<integer>\n"),
            HasSubstr("TimedOut")));
  EXPECT_THAT(output({"explain", "cex"}),
              AllOf(HasSubstr("  spec\t<Object> -required-\n"), HasSubstr("  metadata\t<ObjectMeta>\n")));
  EXPECT_THAT(output({"explain", "pod.spec"}),
              AllOf(HasSubstr("FIELD: spec <PodSpec>"), HasSubstr("  containers\t<[]Container> -required-\n"),
                    HasSubstr("  runtimeClassName\t<string>\n"), HasSubstr("  volumes\t<[]Volume>\n")));
  EXPECT_THAT(output({"explain", "job.spec.template.spec.containers.resources"}),
              HasSubstr("  limits\t<map[string]Quantity>\n"));
  EXPECT_THAT(output({"explain", "events", "--api-version=events.k8s.io/v1"}),
              HasSubstr("  regarding\t<ObjectReference>\n"));
  auto const nothing = run({"explain", "cex.spec.nope"});
  EXPECT_EQ(nothing.exit_code, 1);
  EXPECT_THAT(nothing.err, HasSubstr("error: field \"nope\" does not exist\n"));
}

TEST_F(kubectl, typed_create_commands_work) {
  EXPECT_EQ(output({"create", "configmap", "made", "--from-literal=a=b"}), "configmap/made created\n");
  EXPECT_EQ(output({"get", "configmap", "made", "-o", "jsonpath={.data}"}), "{\"a\":\"b\"}");
  EXPECT_EQ(output({"create", "serviceaccount", "made"}), "serviceaccount/made created\n");
  EXPECT_EQ(output({"create", "role", "made", "--verb=get,list", "--resource=codeexecutions.codeexec.dev,pods/log"}),
            "role.rbac.authorization.k8s.io/made created\n");
  EXPECT_EQ(output({"get", "role", "made", "-o", "jsonpath={.rules}"}),
            "[{\"apiGroups\":[\"\"],\"resources\":[\"pods/"
            "log\"],\"verbs\":[\"get\",\"list\"]},{\"apiGroups\":[\"codeexec.dev\"],"
            "\"resources\":[\"codeexecutions\"],\"verbs\":[\"get\",\"list\"]}]");
  EXPECT_EQ(output({"create", "rolebinding", "made", "--role=made", "--serviceaccount=" + here_.name() + ":made"}),
            "rolebinding.rbac.authorization.k8s.io/made created\n");
  EXPECT_EQ(output({"get", "rolebinding", "made", "-o", "jsonpath={.roleRef.name} {.subjects[0].kind}"}),
            "made ServiceAccount");
}

TEST_F(kubectl, a_namespace_is_deleted_with_all_that_is_in_it) {
  std::string const name = here_.name() + "-more";
  EXPECT_EQ(output({"create", "namespace", name}), "namespace/" + name + " created\n");
  ASSERT_EQ(run_with(manifest("inside", "code: sleep 100"), {"create", "-f", "-"}).exit_code, 0);
  auto const inside = run_with(manifest("inside", "code: sleep 100"), {"create", "-f", "-", "--namespace", name});
  ASSERT_EQ(inside.exit_code, 0) << inside.err;
  EXPECT_EQ(output({"delete", "namespace", name}), "namespace \"" + name + "\" deleted\n");
  EXPECT_EQ(run({"get", "namespace", name}).exit_code, 1);
  EXPECT_EQ(output({"get", "cex", "-o", "name"}), "codeexecution.codeexec.dev/inside\n");
}

TEST_F(kubectl, what_the_cluster_has_can_be_asked) {
  EXPECT_THAT(
      output({"api-resources", "--api-group=codeexec.dev"}),
      MatchesRegex("NAME +SHORTNAMES +APIVERSION +NAMESPACED +KIND\ncodeexecutions +cex +codeexec.dev/v1alpha1 +true "
                   "+CodeExecution\n"));
  EXPECT_THAT(output({"api-versions"}),
              AllOf(HasSubstr("batch/v1\n"), HasSubstr("codeexec.dev/v1alpha1\n"), HasSubstr("\nv1\n")));
  EXPECT_THAT(output({"version"}), HasSubstr("Server Version: v1."));
  EXPECT_THAT(output({"cluster-info"}), HasSubstr("is running at"));
  EXPECT_EQ(output({"get", "--raw", "/healthz"}), "ok");
  auto const unknown = run({"get", "nosuch"});
  EXPECT_EQ(unknown.exit_code, 1);
  EXPECT_EQ(unknown.err, "error: the server doesn't have a resource type \"nosuch\"\n");
}

TEST_F(kubectl, one_can_ask_who_one_is_and_what_one_may) {
  EXPECT_EQ(output({"auth", "can-i", "create", "codeexecutions"}), "yes\n");
  EXPECT_THAT(output({"auth", "can-i", "--list"}), HasSubstr("Resources"));
  EXPECT_THAT(output({"auth", "whoami"}), HasSubstr("Username"));
}

}  // namespace
}  // namespace codeexec::e2e
