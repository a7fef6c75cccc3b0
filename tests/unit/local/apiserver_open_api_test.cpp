#include <gmock/gmock.h>

#include "codeexec/local/builtin_types.hpp"
#include "codeexec/local/open_api.hpp"

#include "apiserver_support.hpp"

namespace codeexec::local::testing {
namespace {

using nlohmann::json;
using ::testing::EndsWith;

class open_api_test : public ::testing::Test {
 protected:
  open_api_test()
      : objects(clock, base::rng(1), store::settings()), customs(objects), served(objects), documents(served, customs) {
    add_builtin_types(objects);
  }

  json document(std::string const& path) {
    auto const* const found = documents.find(path);
    return found ? json::parse(found->text) : json();
  }
  json schema(std::string const& path, std::string const& name) {
    return document(path).at("components").at("schemas").at(name);
  }

  fixed_clock clock;
  store objects;
  custom_types customs;
  discovery served;
  open_api documents;
};

TEST_F(open_api_test, the_index_names_each_document_by_its_hash) {
  json const paths = json::parse(documents.index().text).at("paths");
  for (std::string const path : {"api/v1", "apis/batch/v1", "apis/events.k8s.io/v1"}) {
    ASSERT_TRUE(paths.contains(path)) << path;
    ASSERT_NE(documents.find(path), nullptr) << path;
    std::string const address = paths.at(path).at("serverRelativeURL");
    EXPECT_EQ(address, "/openapi/v3/" + path + "?hash=" + documents.find(path)->hash);
  }
  EXPECT_EQ(documents.find("apis/none/v1"), nullptr);
}

TEST_F(open_api_test, a_new_kind_changes_the_index_and_nothing_else) {
  std::string const before = documents.index().hash;
  std::string const batch = documents.find("apis/batch/v1")->hash;
  EXPECT_EQ(documents.index().hash, before);
  objects.add_type(type_of(widgets), std::make_unique<strategy>());
  EXPECT_NE(documents.index().hash, before);
  EXPECT_EQ(documents.find("apis/batch/v1")->hash, batch);
  EXPECT_NE(documents.find("apis/example.dev/v1"), nullptr);
}

TEST_F(open_api_test, every_reference_leads_to_a_schema) {
  json const paths = json::parse(documents.index().text).at("paths");
  for (auto const& [path, unused] : paths.items()) {
    json const whole = document(path);
    std::vector<json const*> left{&whole};
    while (!left.empty()) {
      json const& value = *left.back();
      left.pop_back();
      if (value.is_object() && value.contains("$ref")) {
        std::string const to = value.at("$ref").get<std::string>();
        std::string const name = to.substr(to.rfind('/') + 1);
        EXPECT_TRUE(whole.at("components").at("schemas").contains(name)) << path << ": " << to;
      }
      if (value.is_structured()) {
        for (json const& inner : value) {
          left.push_back(&inner);
        }
      }
    }
  }
}

TEST_F(open_api_test, lists_say_by_which_field_a_patch_merges_them) {
  json const pod = schema("apis/batch/v1", "io.k8s.api.core.v1.PodSpec");
  EXPECT_EQ(pod.at("properties").at("containers").at("x-kubernetes-patch-merge-key"), "name");
  EXPECT_EQ(pod.at("properties").at("containers").at("x-kubernetes-patch-strategy"), "merge");
  EXPECT_EQ(pod.at("required"), json::array({"containers"}));
  json const container = schema("api/v1", "io.k8s.api.core.v1.Container");
  EXPECT_EQ(container.at("properties").at("volumeMounts").at("x-kubernetes-patch-merge-key"), "mountPath");
}

TEST_F(open_api_test, kinds_are_found_by_group_version_and_kind) {
  json const job = schema("apis/batch/v1", "io.k8s.api.batch.v1.Job");
  EXPECT_EQ(job.at("x-kubernetes-group-version-kind"),
            json::array({{{"group", "batch"}, {"kind", "Job"}, {"version", "v1"}}}));
  json const event = schema("apis/events.k8s.io/v1", "io.k8s.api.events.v1.Event");
  EXPECT_TRUE(event.at("properties").contains("regarding"));
  EXPECT_FALSE(event.at("properties").contains("involvedObject"));
}

TEST_F(open_api_test, writes_tell_that_the_server_checks_fields_itself) {
  json const write = document("api/v1").at("paths").at("/api/v1/namespaces/{namespace}/configmaps").at("post");
  bool told = false;
  for (json const& parameter : write.at("parameters")) {
    told = told || parameter.at("name") == "fieldValidation";
  }
  EXPECT_TRUE(told);
}

TEST_F(open_api_test, each_field_of_a_pod_is_explained) {
  for (char const* const name : {"PodSpec", "Container", "PodStatus"}) {
    json const properties = schema("api/v1", std::string("io.k8s.api.core.v1.") + name).at("properties");
    for (auto const& [field, what] : properties.items()) {
      EXPECT_THAT(what.value("description", ""), EndsWith(".")) << name << "." << field;
    }
  }
}

}  // namespace
}  // namespace codeexec::local::testing
