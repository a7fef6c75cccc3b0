// config/rbac against itself: the two files give the same rights, and none that opens what executions must not reach.
// That they suffice is what the end-to-end tests show: the operator has no others there.
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>
#include <sstream>

#include "codeexec/yaml_reader/yaml_reader.hpp"

namespace codeexec::reconciler {
namespace {

std::vector<nlohmann::json> manifests_of(std::string const& name) {
  std::ifstream file(CODEEXEC_SOURCE_DIR "/config/rbac/" + name);
  std::ostringstream text;
  text << file.rdbuf();
  auto const documents = yaml::read_documents(text.str());
  if (!documents) throw std::runtime_error(documents.error().message);
  return *documents;
}

nlohmann::json rules_of(std::string const& file, std::string const& kind, std::string const& name) {
  for (auto const& document : manifests_of(file)) {
    if (document["kind"] == kind && document["metadata"]["name"] == name) return document["rules"];
  }
  throw std::runtime_error(file + " has no " + kind + " " + name);
}

TEST(Rights, AreTheSameInOneNamespaceAsInAll) {
  EXPECT_EQ(rules_of("cluster.yaml", "ClusterRole", "codeexec-controller"),
            rules_of("namespaced.yaml", "Role", "codeexec-controller"));
  EXPECT_EQ(rules_of("cluster.yaml", "Role", "codeexec-controller-leader"),
            rules_of("namespaced.yaml", "Role", "codeexec-controller-leader"));
}

TEST(Rights, NameEachResourceAndVerb) {
  std::set<std::string> const forbidden{"*",
                                        "secrets",
                                        "pods/exec",
                                        "pods/attach",
                                        "pods/portforward",
                                        "serviceaccounts",
                                        "serviceaccounts/token",
                                        "roles",
                                        "clusterroles",
                                        "escalate",
                                        "bind",
                                        "impersonate",
                                        "deletecollection"};
  for (auto const& rule : rules_of("cluster.yaml", "ClusterRole", "codeexec-controller")) {
    for (char const* field : {"apiGroups", "resources", "verbs"}) {
      for (auto const& word : rule[field])
        EXPECT_FALSE(forbidden.contains(word.get<std::string>())) << rule.dump();
    }
    EXPECT_FALSE(rule.contains("nonResourceURLs"));
  }
}

TEST(Rights, NeitherWatchNorChangeConfigMapsNorMakePods) {
  auto const verbs_on = [](std::string const& resource) {
    std::set<std::string> verbs;
    for (auto const& rule : rules_of("cluster.yaml", "ClusterRole", "codeexec-controller")) {
      for (auto const& one : rule["resources"]) {
        if (one != resource) continue;
        for (auto const& verb : rule["verbs"])
          verbs.insert(verb);
      }
    }
    return verbs;
  };
  EXPECT_THAT(verbs_on("configmaps"), ::testing::UnorderedElementsAre("get", "create", "list", "delete"));
  EXPECT_THAT(verbs_on("pods"), ::testing::UnorderedElementsAre("list", "watch", "patch", "delete"));
  EXPECT_THAT(verbs_on("networkpolicies"),
              ::testing::UnorderedElementsAre("get", "create", "update", "list", "delete"));
}

TEST(Rights, OfUsersEndAtCodeExecutions) {
  std::vector<std::string> names;
  for (auto const& role : manifests_of("users.yaml")) {
    names.push_back(role["metadata"]["name"]);
    EXPECT_EQ(role["kind"], "ClusterRole");
    ASSERT_EQ(role["rules"].size(), 1U) << role;
    EXPECT_EQ(role["rules"][0]["apiGroups"], nlohmann::json::array({"codeexec.dev"}));
    EXPECT_EQ(role["rules"][0]["resources"], nlohmann::json::array({"codeexecutions"}));
  }
  EXPECT_THAT(names, ::testing::UnorderedElementsAre("codeexec-viewer", "codeexec-editor", "codeexec-agent"));
  EXPECT_EQ(rules_of("users.yaml", "ClusterRole", "codeexec-agent")[0]["verbs"],
            nlohmann::json::array({"create", "get", "list", "watch", "delete"}));
  EXPECT_EQ(rules_of("users.yaml", "ClusterRole", "codeexec-viewer")[0]["verbs"],
            nlohmann::json::array({"get", "list", "watch"}));
}

TEST(Rights, OfAgentsAreInNoOtherRole) {
  for (auto const& role : manifests_of("users.yaml")) {
    auto const labels = role["metadata"].value("labels", nlohmann::json::object());
    auto const taken_in_by = [&](std::string const& name) {
      return labels.value("rbac.authorization.k8s.io/aggregate-to-" + name, "") == "true";
    };
    std::string const name = role["metadata"]["name"];
    EXPECT_EQ(taken_in_by("view"), name == "codeexec-viewer") << name;
    EXPECT_EQ(taken_in_by("edit"), name != "codeexec-agent") << name;
    EXPECT_EQ(taken_in_by("admin"), name != "codeexec-agent") << name;
  }
}

}  // namespace
}  // namespace codeexec::reconciler
