// The ValidatingAdmissionPolicy of config/admission: what it refuses, the operator that is configured with the same
// bounds refuses too, and nothing else. Its expressions are evaluated by the stand-in's CEL.
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "codeexec/local/cel.hpp"
#include "codeexec/yaml_reader/yaml_reader.hpp"

#include "cluster.hpp"

namespace codeexec {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

json the_document(std::string const& path) {
  std::ifstream file(CODEEXEC_SOURCE_DIR "/config/" + path);
  std::ostringstream text;
  text << file.rdbuf();
  auto documents = yaml::read_documents(text.str());
  if (!documents || documents->size() != 1) throw std::runtime_error("not one document: " + path);
  return documents->front();
}

/// The value of an expression, or CEL's error; of one that does not compile, too.
base::result<json> value_of(std::string const& expression, std::map<std::string, json> const& known) {
  std::vector<std::string> names;
  for (auto const& [name, unused] : known)
    names.push_back(name);
  auto const program = local::cel_program::compile(expression, names);
  if (!program) return program.error();
  return program->compute(known);
}

/// The sentences that a new object of this spec is refused with, as the API server puts them together.
std::vector<std::string> refusals(json const& spec) {
  static json const policy = the_document("admission/policy.yaml")["spec"];
  std::map<std::string, json> known{{"object", {{"metadata", {{"name", "a"}}}, {"spec", spec}}},
                                    {"variables", json::object()}};
  for (auto const& variable : policy["variables"]) {
    auto const computed = value_of(variable["expression"], known);
    if (!computed) return {variable["name"].get<std::string>() + ": " + computed.error().message};
    known["variables"][variable["name"].get<std::string>()] = *computed;
  }
  std::vector<std::string> out;
  for (auto const& one : policy["validations"]) {
    auto const holds = value_of(one["expression"], known);
    if (!holds || !holds->is_boolean()) {
      out.push_back("does not evaluate: " + (holds ? holds->dump() : holds.error().message));
    } else if (!holds->get<bool>()) {
      auto const said = one.contains("message") ? base::result<json>(boost::system::in_place_value, one["message"])
                                                : value_of(one["messageExpression"], known);
      if (said) {
        out.push_back(said->get<std::string>());
      } else {
        out.push_back("no message: " + said.error().message);
      }
    }
  }
  return out;
}

/// What the operator says to it with the bounds of the same example.
e2e::program_outcome operators_answer(json const& spec) {
  json const object{{"apiVersion", "codeexec.dev/v1alpha1"},
                    {"kind", "CodeExecution"},
                    {"metadata", {{"name", "a"}, {"namespace", "agents"}}},
                    {"spec", spec}};
  e2e::program_options options;
  options.input = object.dump();
  return e2e::run_program({CODEEXEC_BINARY_DIR "/bin/codeexec-controller", "check", "--config",
                           CODEEXEC_SOURCE_DIR "/config/overlays/cluster-wide/operator.yaml", "-"},
                          options);
}

TEST(AdmissionPolicy, AgreesWithTheOperator) {
  struct example {
    std::string spec;
    std::string refused_for;  ///< the field; empty where it is fine
  };
  std::vector<example> const examples{
      {R"({})", ""},
      {R"({"timeoutSeconds": 3600})", ""},
      {R"({"timeoutSeconds": 3601})", "spec.timeoutSeconds"},
      {R"({"image": "python:3.12-slim"})", ""},
      {R"({"image": "example.org/python:3.12"})", "spec.image"},
      {R"({"image": "alpine:3"})", "spec.image"},
      {R"({"network": "Deny"})", ""},
      {R"({"network": "Allow"})", "spec.network"},
      {R"({"runtimeClassName": "gvisor"})", ""},
      {R"({"runtimeClassName": "runc"})", "spec.runtimeClassName"},
      {R"({"resources": {"limits": {"cpu": 4, "memory": "8192Mi"}}})", ""},
      {R"({"resources": {"limits": {"cpu": "4000m", "ephemeral-storage": "10Gi"}}})", ""},
      {R"({"resources": {"limits": {"cpu": "4001m"}}})", "spec.resources.limits"},
      {R"({"resources": {"limits": {"cpu": 5}}})", "spec.resources.limits"},
      {R"({"resources": {"limits": {"memory": "8193Mi"}}})", "spec.resources.limits"},
      {R"({"resources": {"limits": {"ephemeral-storage": "11Gi"}}})", "spec.resources.limits"},
      {R"({"resources": {"requests": {"cpu": "100m"}}})", ""},
  };
  for (auto const& one : examples) {
    SCOPED_TRACE(one.spec);
    auto spec = json::parse(one.spec);
    spec["code"] = "print(1)";
    auto const said = refusals(spec);
    auto const answer = operators_answer(spec);
    if (one.refused_for.empty()) {
      EXPECT_THAT(said, IsEmpty());
      EXPECT_EQ(answer.exit_code, 0) << answer.err;
    } else {
      ASSERT_EQ(said.size(), 1U) << json(said);
      EXPECT_THAT(said.front(), HasSubstr(one.refused_for));
      EXPECT_EQ(answer.exit_code, 1) << answer.out;
      EXPECT_THAT(answer.err, HasSubstr(one.refused_for));
      EXPECT_THAT(answer.err, HasSubstr("PolicyViolation"));
    }
  }
}

TEST(AdmissionPolicy, SaysEverythingThatIsWrongAtOnce) {
  EXPECT_THAT(
      refusals({{"code", "x"}, {"timeoutSeconds", 4000}, {"network", "Allow"}, {"image", "x"}}),
      ::testing::ElementsAre("spec.timeoutSeconds: at most 3600 is allowed",
                             "spec.image: x is not one of the allowed images", "spec.network: only Deny is allowed"));
}

TEST(AdmissionPolicy, IsBoundAndFailsClosed) {
  auto const policy = the_document("admission/policy.yaml");
  auto const binding = the_document("admission/binding.yaml");
  EXPECT_EQ(binding["spec"]["policyName"], policy["metadata"]["name"]);
  EXPECT_EQ(binding["spec"]["validationActions"], json::array({"Deny"}));
  EXPECT_EQ(policy["spec"]["failurePolicy"], "Fail");
  EXPECT_EQ(policy["spec"]["matchConstraints"]["resourceRules"],
            json::parse(R"([{"apiGroups": ["codeexec.dev"], "apiVersions": ["v1alpha1"],
                             "resources": ["codeexecutions"], "operations": ["CREATE"]}])"));
}

}  // namespace
}  // namespace codeexec
