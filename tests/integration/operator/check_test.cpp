// codeexec-controller check, as people run it.
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace codeexec {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;

/// Runs the program to its end with this standard input.
class check_run {
 public:
  explicit check_run(std::vector<std::string> arguments, std::string const& input = "") {
    std::string name = (fs::temp_directory_path() / "codeexec-check-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    fs::path const folder = name;
    std::ofstream(folder / "in") << input;
    arguments.insert(arguments.begin(), {CODEEXEC_BINARY_DIR "/bin/codeexec-controller", "check"});
    std::vector<char*> argv;
    for (auto& one : arguments)
      argv.push_back(one.data());
    argv.push_back(nullptr);
    auto const child = fork();
    if (child == 0) {
      auto const use = [&](char const* file, int flags, int as) {
        dup2(open((folder / file).c_str(), flags, 0600), as);
      };
      use("in", O_RDONLY, 0);
      use("out", O_CREAT | O_WRONLY, 1);
      use("err", O_CREAT | O_WRONLY, 2);
      char* const nothing = nullptr;
      execve(argv[0], argv.data(), &nothing);
      _exit(111);
    }
    int status = 0;
    waitpid(child, &status, 0);
    code = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    out = read(folder / "out");
    err = read(folder / "err");
    fs::remove_all(folder);
  }

  int code = -1;
  std::string out;
  std::string err;

 private:
  static std::string read(fs::path const& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
};

/// A file for as long as a test needs it.
class file {
 public:
  explicit file(std::string const& text) {
    std::string name = (fs::temp_directory_path() / "codeexec-check-file-XXXXXX").string();
    close(mkstemp(name.data()));
    path = name;
    std::ofstream(path) << text;
  }
  ~file() { fs::remove(path); }
  file(file const&) = delete;
  file& operator=(file const&) = delete;
  std::string path;
};

std::string manifest(std::string const& spec, std::string const& name = "hello") {
  return "apiVersion: codeexec.dev/v1alpha1\nkind: CodeExecution\nmetadata: {name: " + name +
         ", namespace: agents}\nspec: " + spec + "\n";
}

json items(check_run const& run) {
  auto const list = json::parse(run.out, nullptr, false);
  EXPECT_TRUE(list.is_object()) << run.out << run.err;
  return list.is_object() ? list["items"] : json::array();
}

TEST(Check, ShowsEverythingThatWouldBeMade) {
  check_run const run({"-o", "json", "-"}, manifest("{code: 'print(1)', args: [a b], timeoutSeconds: 9}"));
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.err, "");
  auto const all = items(run);
  ASSERT_EQ(all.size(), 4U);
  EXPECT_EQ(all[0]["kind"], "ConfigMap");
  EXPECT_THAT(all[0]["metadata"]["name"].get<std::string>(), HasSubstr("codeexec-runner-"));
  EXPECT_THAT(all[0]["binaryData"]["codeexec-runner"].get<std::string>(), HasSubstr(" bytes, sha256 "));
  EXPECT_EQ(all[1]["kind"], "NetworkPolicy");
  EXPECT_EQ(all[1]["metadata"]["namespace"], "agents");
  EXPECT_EQ(all[2]["kind"], "Job");
  auto const& container = all[2]["spec"]["template"]["spec"]["containers"][0];
  EXPECT_EQ(container["image"], "python:3.11-slim");
  EXPECT_THAT(container["command"].dump(), AllOf(HasSubstr(R"("--timeout-ms","9000")"), HasSubstr(R"("a b")")));
  EXPECT_EQ(all[2]["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"], all[0]["metadata"]["name"]);
  EXPECT_EQ(all[3]["data"]["code"], "print(1)");
  EXPECT_EQ(all[2]["spec"]["template"]["spec"]["volumes"][1]["configMap"]["name"], all[3]["metadata"]["name"]);
}

TEST(Check, SaysInShortWhatItIsAndThenTheObjectsAsYaml) {
  file const hello(manifest("{code: x, network: Allow}"));
  check_run const run({hello.path});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out,
              AllOf(HasSubstr("# " + hello.path + ": CodeExecution \"hello\" in namespace \"agents\" would run.\n"),
                    HasSubstr("#   image: python:3.11-slim\n"), HasSubstr("#   time: 300 s to start, 300 s to run\n"),
                    HasSubstr("#   sandbox: RuntimeClass gvisor, not started unless it is gVisor\n"),
                    HasSubstr("#   network: allowed\n"), HasSubstr("\n---\napiVersion: batch/v1\nkind: Job\n"),
                    Not(HasSubstr("NetworkPolicy"))));
}

TEST(Check, WarnsOfWhatAConfigurationsAuthorMayNotHaveThoughtOf) {
  file const config("pod: {imagePullSecrets: [registry]}\n");
  check_run const run({"--config", config.path, "-"}, manifest("{code: x}"));
  EXPECT_EQ(run.code, 0);
  EXPECT_THAT(run.err, HasSubstr("warning: pod.imagePullSecrets together with \"**\""));
}

TEST(Check, NamesEveryFieldThatIsUnknownWrongOrOutOfBounds) {
  check_run const run({"-"}, manifest("{code: 5, timeoutSecs: 3, startupTimeoutSeconds: 0, args: [1], "
                                      "resources: {limits: {cpu: 1, gpu: 1}}}"));
  EXPECT_EQ(run.code, 1);
  EXPECT_EQ(run.out, "");
  EXPECT_EQ(run.err,
            "standard input: CodeExecution \"hello\" would be refused:\n"
            "  spec.args[0]: expected a string, got a number\n"
            "  spec.code: expected a string, got a number\n"
            "  spec.resources.limits.gpu: unknown field; did you mean cpu?\n"
            "  spec.timeoutSecs: unknown field; did you mean timeoutSeconds?\n");
  check_run const bounds({"-"}, manifest("{code: x, codeFrom: {configMapKeyRef: {name: a, key: b}}, "
                                         "startupTimeoutSeconds: 0, files: [{path: ../x, content: a}]}"));
  EXPECT_EQ(bounds.code, 1);
  EXPECT_THAT(bounds.err, AllOf(HasSubstr("\n  spec: exactly one of spec.code and spec.codeFrom must be set\n"),
                                HasSubstr("\n  spec.files[0].path: must not leave the workspace: \"../x\"\n"),
                                HasSubstr("\n  spec.startupTimeoutSeconds: must be from 1 to 604800, not 0\n")));
}

TEST(Check, TellsInvalidFromForbiddenAndNamesAllThatIsForbidden) {
  file const config(
      "policy: {timeoutSeconds: {max: 600}, allowedNetworks: [Deny]}\n"
      "namespaceOverrides: [{namespaces: [batch], policy: {timeoutSeconds: {max: 9000}}}]\n");
  auto const text = manifest("{code: x, timeoutSeconds: 900, network: Allow}");
  check_run const run({"--config", config.path, "-"}, text);
  EXPECT_EQ(run.code, 1);
  EXPECT_EQ(run.err,
            "standard input: CodeExecution \"hello\" in namespace \"agents\" would fail with PolicyViolation:\n"
            "  spec.timeoutSeconds: 900 is more than the allowed 600\n"
            "  spec.network: \"Allow\" is not allowed (allowed: Deny)\n");
  check_run const cobol({"--config", config.path, "-"}, manifest("{code: x, language: cobol}"));
  EXPECT_EQ(cobol.code, 1);
  EXPECT_THAT(cobol.err, AllOf(HasSubstr("would fail with InvalidSpec:\n  spec.language: \"cobol\" is not a runtime")));
}

TEST(Check, TheNamespaceDecidesAndMayBeGiven) {
  file const config(
      "policy: {timeoutSeconds: {max: 600}}\n"
      "namespaceOverrides: [{namespaces: [batch], policy: {timeoutSeconds: {max: 9000}}}]\n"
      "namespaces: {excluded: [kube-*]}\n");
  std::string const text =
      R"({"apiVersion":"codeexec.dev/v1alpha1","kind":"CodeExecution","metadata":{"generateName":"run-"},)"
      R"("spec":{"code":"x","timeoutSeconds":900}})";
  EXPECT_EQ(check_run({"--config", config.path, "-"}, text).code, 1);
  EXPECT_EQ(check_run({"--config", config.path, "-n", "batch", "-"}, text).code, 0);
  check_run const system({"--config", config.path, "-n", "kube-system", "-"}, text);
  EXPECT_EQ(system.code, 1);
  EXPECT_THAT(system.err, HasSubstr("would be left alone:\n  metadata.namespace: is not served"));
  check_run const other({"--config", config.path, "-n", "batch", "-"}, manifest("{code: x}"));
  EXPECT_EQ(other.code, 1);
  EXPECT_THAT(other.err, HasSubstr("metadata.namespace: is \"agents\", and --namespace says \"batch\""));
}

TEST(Check, SeveralDocumentsEachGetTheirWord) {
  auto const text = manifest("{code: x}", "good") + "---\n" + manifest("{code: x, colour: blue}", "bad") +
                    "---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\n";
  check_run const run({"-"}, text);
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.out,
              AllOf(HasSubstr("# standard input, document 1: CodeExecution \"good\""), Not(HasSubstr("\"bad\""))));
  EXPECT_THAT(
      run.err,
      AllOf(HasSubstr("standard input, document 2: CodeExecution \"bad\" in namespace \"agents\" would be refused:\n"
                      "  spec.colour: unknown field\n"),
            HasSubstr("document 3: Service \"web\" is no CodeExecution")));
}

TEST(Check, CodeFromAConfigMapOfTheSameFileIsShown) {
  auto const text = manifest("{codeFrom: {configMapKeyRef: {name: scripts, key: job.py}}}") +
                    "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: scripts}\ndata: {job.py: 'print(7)'}\n";
  check_run const run({"-o", "json", "-"}, text);
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(items(run)[3]["data"]["code"], "print(7)");
  check_run const missing({"-"}, manifest("{codeFrom: {configMapKeyRef: {name: scripts, key: job.py}}}"));
  EXPECT_EQ(missing.code, 0);
  EXPECT_THAT(missing.out, HasSubstr("#   code: of a ConfigMap that is not in this file"));
  check_run const key({"-"}, manifest("{codeFrom: {configMapKeyRef: {name: scripts, key: other}}}") +
                                 "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: scripts}\ndata: {a: b}\n");
  EXPECT_EQ(key.code, 1);
  EXPECT_THAT(key.err, HasSubstr("would fail with SourceMissing"));
}

TEST(Check, EverySampleWouldRun) {
  std::size_t seen = 0;
  for (auto const& entry : fs::directory_iterator(CODEEXEC_SOURCE_DIR "/config/samples")) {
    if (entry.path().extension() != ".yaml") continue;
    check_run const run({entry.path().string()});
    EXPECT_EQ(run.code, 0) << entry.path() << run.err;
    ++seen;
  }
  EXPECT_GT(seen, 3U);
}

TEST(Check, EveryConfigurationThatWeShipIsOneItCanBeRunWith) {
  for (std::string const name : {"operator.yaml", "gke/operator.yaml"}) {
    check_run const run({"--config", std::string(CODEEXEC_SOURCE_DIR "/config/") + name, "-o", "json", "-"},
                        manifest("{code: x}"));
    EXPECT_EQ(run.code, 0) << run.err;
    auto const pod = items(run)[2]["spec"]["template"]["spec"];
    EXPECT_EQ(pod.contains("tolerations"), name != "operator.yaml");
  }
}

TEST(Check, WhatAManifestHoldsCannotActOnATerminal) {
  check_run const run({"-"}, manifest("{code: x, \"\\e[2Jspoof\": 1, language: \"a\\nb\"}"));
  EXPECT_EQ(run.code, 1);
  EXPECT_EQ(run.err.find('\x1b'), std::string::npos);
}

TEST(Check, WrongUseIsCode2AndSaysWhat) {
  file const bad("policy: {timeoutSeconds: 5}\n");
  file const good(manifest("{code: x}"));
  struct mistake {
    std::vector<std::string> arguments;
    std::string input;
    std::string says;
  };
  for (auto const& one : std::vector<mistake>{
           {{}, "", "FILE"},
           {{"/no/such/file"}, "", "/no/such/file"},
           {{good.path, "-o", "xml"}, "", "xml"},
           {{good.path, "--config", bad.path}, "", bad.path + ": line 1, column 26: policy.timeoutSeconds: expected"},
           {{good.path, "--namespace", "My_Space"}, "", "My_Space"},
           {{"-"}, "kind: Pod\n", "there is no CodeExecution in it"},
           {{"-"}, "", "there is no CodeExecution in it"}}) {
    check_run const run(one.arguments, one.input);
    EXPECT_EQ(run.code, 2) << one.says << run.err;
    EXPECT_THAT(run.err, AllOf(HasSubstr("codeexec-controller check: "), HasSubstr(one.says)));
  }
}

TEST(Check, ABrokenManifestIsToldWithItsPlace) {
  check_run const run({"-"}, "a: [1,\n");
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.err, HasSubstr("standard input: line 2"));
}

TEST(Check, HelpsItself) {
  check_run const run({"--help"});
  EXPECT_EQ(run.code, 0);
  for (auto const* const word : {"FILE", "--config", "--namespace", "--output", "Exit codes: 0", "CODEEXEC_CONFIG"})
    EXPECT_THAT(run.out, HasSubstr(word));
}

}  // namespace
}  // namespace codeexec
