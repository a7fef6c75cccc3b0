// What Argo CD shows for an execution: the Lua of config/argocd over a status of every phase and reason. Argo CD runs
// it in gopher-lua, which is Lua 5.1.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <unistd.h>

#include "codeexec/testing/every_status.hpp"
#include "codeexec/testing/kstatus.hpp"
#include "codeexec/yaml_reader/yaml_reader.hpp"

namespace codeexec {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string lua_string(std::string const& text) {
  std::string out = "\"";
  for (char const c : text) {
    char escaped[8];
    std::snprintf(escaped, sizeof escaped, "\\%03d", static_cast<int>(static_cast<unsigned char>(c)));
    out += escaped;
  }
  return out + "\"";
}

/// As Argo CD hands an object over: null is nil.
std::string lua_value(json const& value) {
  if (value.is_string()) return lua_string(value.get<std::string>());
  if (value.is_null()) return "nil";
  if (value.is_array()) {
    std::string out = "{";
    for (auto const& one : value)
      out += lua_value(one) + ",";
    return out + "}";
  }
  if (!value.is_object()) return value.dump();
  std::string out = "{";
  for (auto const& [key, one] : value.items())
    out += "[" + lua_string(key) + "]=" + lua_value(one) + ",";
  return out + "}";
}

std::string health_script() {
  std::ifstream in(CODEEXEC_SOURCE_DIR "/config/argocd/argocd-cm.yaml");
  std::string const text((std::istreambuf_iterator<char>(in)), {});
  auto const documents = yaml::read_documents(text);
  if (!documents || documents->size() != 1) return {};
  return documents->front()["data"].value("resource.customizations.health.codeexec.dev_CodeExecution", "");
}

struct health {
  std::string status;
  std::string message;
};

/// One interpreter for all of them.
std::vector<health> healths_of(std::vector<json> const& objects) {
  std::string pattern = (fs::temp_directory_path() / "codeexec-health-XXXXXX").string();
  fs::path const folder = ::mkdtemp(pattern.data());
  {
    std::ofstream out(folder / "all.lua");
    out << "local function health_of(obj)\n" << health_script() << "\nend\n";
    for (auto const& object : objects) {
      out << "do local h = health_of(" << lua_value(object)
          << ") io.write(h.status, \"\\t\", (h.message:gsub(\"[\\r\\n]\", \" \")), \"\\n\") end\n";
    }
  }
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(
      ::popen(("lua5.1 " + (folder / "all.lua").string() + " 2>&1").c_str(), "r"), ::pclose);
  std::string said;
  char buffer[4096];
  for (std::size_t got = 0; (got = std::fread(buffer, 1, sizeof buffer, pipe.get())) > 0;)
    said.append(buffer, got);
  fs::remove_all(folder);
  std::vector<health> out;
  std::istringstream lines(said);
  for (std::string line; std::getline(lines, line);) {
    auto const tab = line.find('\t');
    EXPECT_NE(tab, std::string::npos) << "lua5.1 (hack/install-deps test) says: " << line;
    out.push_back({line.substr(0, tab), tab == std::string::npos ? "" : line.substr(tab + 1)});
  }
  EXPECT_EQ(out.size(), objects.size()) << said;
  out.resize(objects.size());
  return out;
}

TEST(ArgoCDHealth, OfEveryPhaseAndReasonIsWhatItIs) {
  auto const all = testing::every_status();
  std::vector<json> objects;
  for (auto const& one : all)
    objects.push_back(one.object);
  auto const found = healths_of(objects);
  for (std::size_t i = 0; i < all.size(); ++i) {
    auto const& one = all[i];
    std::string const expected = one.phase == "Succeeded"    ? "Healthy"
                                 : one.phase == "Failed"     ? "Degraded"
                                 : one.reason == "Suspended" ? "Suspended"
                                                             : "Progressing";
    EXPECT_EQ(found[i].status, expected) << one.phase << " " << one.reason;
    EXPECT_EQ(found[i].message, one.reason + ": " + one.object["status"]["message"].get<std::string>());
    auto const kstatus = testing::kstatus_of(one.object);
    bool const under_way = expected == "Progressing" || expected == "Suspended";
    EXPECT_EQ(kstatus == "InProgress", under_way) << "the two families of tools agree: " << one.reason;
    EXPECT_EQ(kstatus == "Failed", expected == "Degraded");
  }
}

TEST(ArgoCDHealth, IsProgressingBeforeThereIsAStatusAndAfterAChange) {
  json fresh = testing::every_status().front().object;
  fresh.erase("status");
  json bare = fresh;
  bare["status"] = json::object();
  json changed;
  for (auto const& one : testing::every_status()) {
    if (one.phase == "Succeeded") changed = one.object;
  }
  changed["metadata"]["generation"] = 4;
  json silent = testing::every_status().back().object;
  silent["status"].erase("message");
  auto const found = healths_of({fresh, bare, changed, silent});
  EXPECT_EQ(found[0].status, "Progressing");
  EXPECT_EQ(found[1].status, "Progressing");
  EXPECT_EQ(found[2].status, "Progressing");
  EXPECT_EQ(found[3].status, "Degraded");
  EXPECT_EQ(found[3].message, silent["status"]["reason"]);
}

}  // namespace
}  // namespace codeexec
