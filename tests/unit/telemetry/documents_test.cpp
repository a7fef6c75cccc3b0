// The catalogue of metrics, docs/metrics.md, alert rules and dashboard say the same.
#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <yaml-cpp/yaml.h>

#include "codeexec/telemetry/catalogue.hpp"

namespace codeexec::telemetry {
namespace {

namespace fs = std::filesystem;

std::string read(fs::path const& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

fs::path const source = CODEEXEC_SOURCE_DIR;
fs::path const document = source / "controller/docs/metrics.md";
constexpr std::string_view begin_mark = "<!-- metrics: made from controller/telemetry's catalogue -->\n";
constexpr std::string_view end_mark = "<!-- end of metrics -->\n";

std::string table() {
  std::string text = "\n| metric | type | labels | meaning |\n|---|---|---|---|\n";
  for (auto const& one : all_metrics()) {
    std::string labels;
    std::istringstream names{std::string(one->labels)};
    for (std::string name; std::getline(names, name, ',');) {
      std::erase(name, ' ');
      labels += (labels.empty() ? "`" : ", `") + name + "`";
    }
    text += "| `" + std::string(one->name) + "` | " + std::string(name_of(one->type)) + " | " + labels + " | " +
            std::string(one->help) + " |\n";
  }
  return text + "\n";
}

/// Every word that could be a metric of ours.
std::set<std::string> metrics_named_in(std::string const& text) {
  std::set<std::string> found;
  std::string word;
  auto const end = [&] {
    if (word.starts_with("codeexec_") || word.starts_with("process_")) found.insert(word);
    word.clear();
  };
  for (char const c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == ':') {
      word += c;
    } else {
      end();
    }
  }
  end();
  return found;
}

std::set<std::string> metrics_that_exist() {
  std::set<std::string> names;
  for (auto const& one : all_metrics()) {
    std::string const name(one->name);
    if (one->type != metric_type::histogram) {
      names.insert(name);
      continue;
    }
    for (auto const* const part : {"_bucket", "_count", "_sum"})
      names.insert(name + part);
  }
  return names;
}

void expect_only_metrics_that_exist(std::set<std::string> const& named) {
  auto const known = metrics_that_exist();
  EXPECT_FALSE(named.empty());
  for (auto const& name : named)
    EXPECT_TRUE(known.contains(name)) << name;
}

TEST(Documents, TheReferenceListsEveryMetricAsItIs) {
  auto text = read(document);
  auto const begin = text.find(begin_mark);
  auto const end = text.find(end_mark);
  ASSERT_NE(begin, std::string::npos);
  ASSERT_NE(end, std::string::npos);
  auto const from = begin + begin_mark.size();
  if (std::getenv("CODEEXEC_WRITE_DOCUMENTS") != nullptr) {
    text.replace(from, end - from, table());
    std::ofstream(document, std::ios::binary) << text;
    GTEST_SKIP() << "written: " << document;
  }
  EXPECT_EQ(text.substr(from, end - from), table())
      << "CODEEXEC_WRITE_DOCUMENTS=1 build/dev/tests/unit_telemetry --gtest_filter=Documents.* writes it anew";
}

TEST(Documents, RulesNameMetricsThatExist) {
  auto const rules = YAML::Load(read(source / "config/prometheus/rules.yaml"));
  std::set<std::string> named;
  for (auto const& group : rules["spec"]["groups"])
    for (auto const& rule : group["rules"])
      named.merge(metrics_named_in(rule["expr"].as<std::string>()));
  expect_only_metrics_that_exist(named);
}

TEST(Documents, EveryAlertSaysHowBadItIsAndWhatToDo) {
  auto const rules = YAML::Load(read(source / "config/prometheus/rules.yaml"));
  auto const operations = read(document);
  for (auto const& group : rules["spec"]["groups"]) {
    for (auto const& rule : group["rules"]) {
      if (!rule["alert"]) continue;
      auto const name = rule["alert"].as<std::string>();
      EXPECT_THAT(rule["labels"]["severity"].as<std::string>(), ::testing::AnyOf("critical", "warning", "info"));
      EXPECT_FALSE(rule["annotations"]["summary"].as<std::string>().empty()) << name;
      EXPECT_NE(operations.find("`" + name + "`"), std::string::npos) << name << " is not in metrics.md";
    }
  }
}

TEST(Documents, TheDashboardShowsMetricsThatExist) {
  auto const dashboard = nlohmann::json::parse(read(source / "config/grafana/codeexec.json"));
  std::set<std::string> named;
  std::set<int> ids;
  for (auto const& panel : dashboard["panels"]) {
    EXPECT_TRUE(ids.insert(panel["id"].get<int>()).second) << panel["title"];
    auto const& place = panel["gridPos"];
    EXPECT_LE(place["x"].get<int>() + place["w"].get<int>(), 24) << panel["title"];
    if (panel["type"] == "row") continue;
    EXPECT_FALSE(panel["targets"].empty()) << panel["title"];
    for (auto const& target : panel["targets"])
      named.merge(metrics_named_in(target["expr"]));
  }
  for (auto const& one : dashboard["annotations"]["list"])
    named.merge(metrics_named_in(one["expr"]));
  expect_only_metrics_that_exist(named);
}

}  // namespace
}  // namespace codeexec::telemetry
