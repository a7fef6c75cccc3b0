#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <string>
#include <sys/wait.h>
#include <yaml-cpp/yaml.h>

namespace codeexec {
namespace {

namespace fs = std::filesystem;

struct outcome {
  int code = -1;
  std::string output;
};
outcome run(std::string const& command) {
  outcome what;
  auto* const pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return what;
  std::array<char, 4096> some{};
  for (std::size_t got = 0; (got = std::fread(some.data(), 1, some.size(), pipe)) > 0;)
    what.output.append(some.data(), got);
  int const status = ::pclose(pipe);
  what.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  return what;
}

/// A folder with the rules as a plain rule file, and their tests.
class Rules : public ::testing::Test {
 protected:
  void SetUp() override {
    if (run("promtool --version").code != 0) {
      GTEST_SKIP() << "promtool is not installed (Debian package prometheus): the alert rules are not checked";
    }
    auto name = (fs::temp_directory_path() / "codeexec-rules-XXXXXX").string();
    folder = ::mkdtemp(name.data());
    fs::path const source = CODEEXEC_SOURCE_DIR;
    auto const whole = YAML::LoadFile(source / "config/prometheus/rules.yaml");
    std::ofstream(folder / "rules.yaml") << whole["spec"];
    fs::copy(source / "tests/integration/monitoring/alerts_test.yaml", folder / "alerts_test.yaml");
  }
  void TearDown() override {
    if (!folder.empty()) fs::remove_all(folder);
  }
  fs::path folder;
};

TEST_F(Rules, ArePrometheusRules) {
  auto const checked = run("promtool check rules " + (folder / "rules.yaml").string());
  EXPECT_EQ(checked.code, 0) << checked.output;
}

TEST_F(Rules, FireWhenTheyShouldAndOnlyThen) {
  auto const tested = run("promtool test rules " + (folder / "alerts_test.yaml").string());
  EXPECT_EQ(tested.code, 0) << tested.output;
}

TEST_F(Rules, EachAlertIsTested) {
  auto const rules = YAML::LoadFile(folder / "rules.yaml");
  std::ifstream file(folder / "alerts_test.yaml");
  std::string const tests{std::istreambuf_iterator<char>(file), {}};
  for (auto const& group : rules["groups"])
    for (auto const& rule : group["rules"])
      if (rule["alert"]) {
        auto const name = "alertname: " + rule["alert"].as<std::string>() + "\n        exp_alerts:";
        EXPECT_NE(tests.find(name), std::string::npos) << name;
      }
}

}  // namespace
}  // namespace codeexec
