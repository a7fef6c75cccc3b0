// The C++ types, crds/codeexecution.yaml, its README and config/samples/ say the same thing: a field, a bound or a rule
// that is in one and not in another fails here.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>
#include <yaml-cpp/yaml.h>

#include "codeexec/api/json.hpp"
#include "codeexec/api/names.hpp"
#include "codeexec/api/quantity.hpp"
#include "codeexec/api/validate.hpp"

#include "full_object.hpp"

namespace codeexec::api {
namespace {

using nlohmann::json;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

std::string const source_dir = CODEEXEC_SOURCE_DIR;

json scalar_to_json(YAML::Node const& node) {
  if (node.Tag() == "!") return node.Scalar();  // quoted
  std::int64_t number = 0;
  if (YAML::convert<std::int64_t>::decode(node, number)) return number;
  if (node.Scalar() == "true") return true;
  if (node.Scalar() == "false") return false;
  if (node.IsNull() || node.Scalar() == "null") return nullptr;
  return node.Scalar();
}

json to_json(YAML::Node const& node) {
  if (node.IsMap()) {
    auto out = json::object();
    for (auto const& entry : node)
      out[entry.first.Scalar()] = to_json(entry.second);
    return out;
  }
  if (node.IsSequence()) {
    auto out = json::array();
    for (auto const& item : node)
      out.push_back(to_json(item));
    return out;
  }
  return node.IsNull() ? json(nullptr) : scalar_to_json(node);
}

std::string read_file(std::filesystem::path const& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file.good()) << path;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

json const& crd() {
  static json const loaded = to_json(YAML::LoadFile(source_dir + "/crds/codeexecution.yaml"));
  return loaded;
}

json const& version() {
  return crd().at("spec").at("versions").at(0);
}

json const& root_schema() {
  return version().at("schema").at("openAPIV3Schema");
}

/// The schema of a field, by its path: "spec.files[].path".
json const& schema_of(std::string const& path) {
  auto const* at = &root_schema();
  std::istringstream parts(path);
  for (std::string part; std::getline(parts, part, '.');) {
    bool const is_list = part.ends_with("[]");
    if (is_list) part.resize(part.size() - 2);
    at = &at->at("properties").at(part);
    if (is_list) at = &at->at("items");
  }
  return *at;
}

/// Calls `visit` with every schema and the path to it.
void walk(json const& schema, std::string const& path,
          std::function<void(json const& schema, std::string const& path)> const& visit) {
  visit(schema, path);
  if (auto const found = schema.find("properties"); found != schema.end()) {
    for (auto const& [name, child] : found->items())
      walk(child, path.empty() ? name : path + "." + name, visit);
  }
  if (auto const found = schema.find("items"); found != schema.end()) walk(*found, path + "[]", visit);
}

std::string type_in_schema(json const& schema) {
  return schema.contains("x-kubernetes-int-or-string") ? "string" : schema.value("type", "");
}

std::string type_in_json(json const& value) {
  if (value.is_object()) return "object";
  if (value.is_array()) return "array";
  if (value.is_string()) return "string";
  if (value.is_boolean()) return "boolean";
  return value.is_number_integer() ? "integer" : "other";
}

/// Everything in which a value and its schema differ. With `whole`, a property that the value has not is a difference
/// too.
void compare(json const& schema, json const& value, std::string const& path, bool whole,
             std::vector<std::string>& out) {
  if (auto const got = type_in_json(value); got != type_in_schema(schema)) {
    // An integer where a quantity may be either is fine.
    if (!(schema.contains("x-kubernetes-int-or-string") && got == "integer"))
      out.push_back(path + " is of type " + got);
    return;
  }
  if (value.is_array()) {
    if (whole && value.empty()) out.push_back(path + " has no items to compare");
    for (std::size_t i = 0; i < value.size(); ++i)
      compare(schema.at("items"), value[i], path + "[" + std::to_string(i) + "]", false, out);
    if (!whole) return;
    // Items need not each be full, but together they show every property.
    auto merged = json::object();
    for (auto const& item : value) {
      if (item.is_object()) merged.update(item);
    }
    if (!merged.empty()) compare(schema.at("items"), merged, path + "[]", true, out);
    return;
  }
  if (!value.is_object() || !schema.contains("properties")) return;
  auto const& properties = schema.at("properties");
  for (auto const& [name, child] : value.items()) {
    if (properties.contains(name)) {
      compare(properties.at(name), child, path + "." + name, whole, out);
    } else {
      out.push_back(path + "." + name + " is not in the schema");
    }
  }
  for (auto const& [name, child] : properties.items()) {
    if (whole && !value.contains(name)) out.push_back(path + "." + name + " is in the schema alone");
  }
  for (auto const& name : schema.value("required", json::array())) {
    if (!value.contains(name.get<std::string>())) out.push_back(path + "." + name.get<std::string>() + " is required");
  }
}

/// What a server does before it stores: fills in the defaults, outer before inner.
void apply_defaults(json const& schema, json& value) {
  if (value.is_object() && schema.contains("properties")) {
    for (auto const& [name, child] : schema.at("properties").items()) {
      if (!value.contains(name) && child.contains("default")) value[name] = child.at("default");
      if (value.contains(name)) apply_defaults(child, value[name]);
    }
  }
  if (value.is_array() && schema.contains("items")) {
    for (auto& item : value)
      apply_defaults(schema.at("items"), item);
  }
}

template <class Names>
std::vector<std::string> strings(Names const& names) {
  return {names.begin(), names.end()};
}

bool matches(std::string const& pattern, std::string const& text) {
  return std::regex_search(text, std::regex(pattern));
}

// --- fields ----------------------------------------------------------------------------------------------------------

TEST(schema, has_exactly_the_fields_of_the_types_with_the_same_json_types) {
  std::vector<std::string> differences;
  auto object = encode(test::full_code_execution());
  object["metadata"] = json::object();  // ObjectMeta's own schema is the server's
  compare(root_schema(), object, "", true, differences);
  EXPECT_THAT(differences, IsEmpty());
}

TEST(schema, a_field_too_much_or_too_few_would_be_seen) {
  auto object = encode(test::full_code_execution());
  object["metadata"] = json::object();
  object["spec"]["extra"] = 1;
  object["spec"].erase("network");
  object["spec"]["files"][1].erase("contentBase64");
  object["status"]["exitCode"] = "0";
  std::vector<std::string> differences;
  compare(root_schema(), object, "", true, differences);
  EXPECT_THAT(differences,
              testing::UnorderedElementsAre(".spec.extra is not in the schema", ".spec.network is in the schema alone",
                                            ".spec.files[].contentBase64 is in the schema alone",
                                            ".status.exitCode is of type string"));
}

TEST(schema, every_field_is_documented_in_full_sentences) {
  walk(root_schema(), "", [](json const& schema, std::string const& path) {
    auto const text = schema.value("description", "");
    EXPECT_GE(text.size(), 15U) << path << ": " << text;
    EXPECT_TRUE(text.ends_with('.')) << path << ": " << text;
    EXPECT_EQ(text.find('\n'), std::string::npos) << path << ": folded text, so that kubectl explain wraps it";
  });
}

TEST(schema, is_structural_as_a_server_demands) {
  std::set<std::string> const known = {"type",
                                       "description",
                                       "properties",
                                       "required",
                                       "items",
                                       "default",
                                       "enum",
                                       "pattern",
                                       "format",
                                       "minimum",
                                       "maximum",
                                       "minLength",
                                       "maxLength",
                                       "minItems",
                                       "maxItems",
                                       "anyOf",
                                       "x-kubernetes-int-or-string",
                                       "x-kubernetes-list-type",
                                       "x-kubernetes-list-map-keys",
                                       "x-kubernetes-map-type",
                                       "x-kubernetes-validations"};
  walk(root_schema(), "", [&](json const& schema, std::string const& path) {
    for (auto const& [key, value] : schema.items())
      EXPECT_TRUE(known.contains(key)) << path << " uses " << key;
    if (schema.contains("x-kubernetes-int-or-string")) {
      EXPECT_EQ(schema.at("anyOf"), json::parse(R"([{"type": "integer"}, {"type": "string"}])")) << path;
      EXPECT_FALSE(schema.contains("type")) << path;
      return;
    }
    EXPECT_FALSE(schema.contains("anyOf")) << path;
    EXPECT_THAT((std::set<std::string>{"object", "array", "string", "integer", "boolean"}),
                Contains(schema.value("type", "")))
        << path;
    EXPECT_EQ(schema.contains("items"), schema.value("type", "") == "array") << path;
    EXPECT_EQ(schema.contains("x-kubernetes-list-type"), schema.value("type", "") == "array") << path;
    for (auto const& name : schema.value("required", json::array()))
      EXPECT_TRUE(schema.at("properties").contains(name.get<std::string>())) << path << " requires " << name;
    for (auto const& key : schema.value("x-kubernetes-list-map-keys", json::array()))
      EXPECT_THAT(schema.at("items").at("required"), Contains(key)) << path;
  });
}

TEST(schema, what_a_user_writes_is_bounded) {
  walk(schema_of("spec"), "spec", [](json const& schema, std::string const& path) {
    auto const type = schema.value("type", "");
    if (type == "string" && !schema.contains("enum")) {
      EXPECT_TRUE(schema.contains("maxLength")) << path;
    }
    if (type == "array") {
      EXPECT_TRUE(schema.contains("maxItems")) << path;
    }
    if (type == "integer") {
      EXPECT_TRUE(schema.contains("minimum") && schema.contains("maximum")) << path;
    }
  });
}

TEST(schema, the_status_has_no_bound_that_could_refuse_a_result) {
  walk(schema_of("status"), "status", [](json const& schema, std::string const& path) {
    for (auto const* bound : {"minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum", "pattern",
                              "x-kubernetes-validations"}) {
      EXPECT_FALSE(schema.contains(bound)) << path << ": " << bound;
    }
  });
}

TEST(schema, text_that_says_a_number_says_the_right_one) {
  walk(schema_of("spec"), "spec", [](json const& schema, std::string const& path) {
    auto const text = schema.value("description", "");
    static std::map<std::string, int> const usual{
        {"spec.timeoutSeconds", limits::default_timeout_seconds},
        {"spec.startupTimeoutSeconds", limits::default_startup_timeout_seconds},
        {"spec.output.maxBytes", limits::default_output_bytes}};
    if (usual.contains(path)) {
      EXPECT_NE(text.find("From " + schema.at("minimum").dump() + " to " + schema.at("maximum").dump()), text.npos)
          << path;
      EXPECT_NE(text.find("usually " + std::to_string(usual.at(path))), text.npos) << path;
    }
    if (schema.contains("maxItems")) {
      EXPECT_NE(text.find("t most " + schema.at("maxItems").dump()), text.npos) << path;
    }
  });
}

// --- names -----------------------------------------------------------------------------------------------------------

TEST(schema, carries_the_names_of_the_contract) {
  auto const& names = crd().at("spec").at("names");
  EXPECT_EQ(crd().at("spec").at("group"), group);
  EXPECT_EQ(version().at("name"), ::codeexec::api::version);
  EXPECT_EQ(names.at("kind"), kind);
  EXPECT_EQ(crd().at("metadata").at("name"), "codeexecutions." + std::string(group));
  EXPECT_EQ(names.at("plural"), "codeexecutions");
  EXPECT_EQ(names.at("shortNames"), json::array({"cex"}));
  EXPECT_EQ(crd().at("spec").at("scope"), "Namespaced");
  EXPECT_EQ(std::string(group) + "/" + std::string(::codeexec::api::version), api_version);
  EXPECT_TRUE(version().at("subresources").contains("status"));
}

TEST(schema, phases_and_reasons_are_those_of_the_code) {
  EXPECT_EQ(schema_of("status.phase").at("enum").get<std::vector<std::string>>(), strings(phases::all));
  auto all_reasons = strings(reasons::final_ones);
  for (auto const& reason : reasons::passing_ones)
    all_reasons.emplace_back(reason);
  EXPECT_EQ(schema_of("status.reason").at("enum").get<std::vector<std::string>>(), all_reasons);
  auto const text = schema_of("status.reason").at("description").get<std::string>();
  for (auto const& reason : all_reasons)
    EXPECT_NE(text.find(reason), text.npos) << reason << " is not explained";
}

TEST(schema, choices_are_those_of_the_code) {
  EXPECT_EQ(schema_of("spec.network").at("enum"), json::array({network_modes::deny, network_modes::allow}));
  EXPECT_EQ(schema_of("spec.cleanupPolicy").at("enum"),
            json::array({cleanup_policies::delete_, cleanup_policies::retain}));
  for (auto const* list : {"spec.resources.requests", "spec.resources.limits"}) {
    std::set<std::string> names;
    for (auto const& [name, schema] : schema_of(list).at("properties").items())
      names.insert(name);
    EXPECT_EQ(names, (std::set<std::string>{std::string(resource_names::cpu), std::string(resource_names::memory),
                                            std::string(resource_names::ephemeral_storage)}));
  }
}

TEST(schema, columns_show_fields_that_exist) {
  std::vector<std::string> normal;
  std::vector<std::string> wide;
  for (auto const& column : version().at("additionalPrinterColumns")) {
    (column.value("priority", 0) == 0 ? normal : wide).push_back(column.at("name").get<std::string>());
    auto const path = column.at("jsonPath").get<std::string>().substr(1);
    if (path.starts_with("metadata.")) continue;
    EXPECT_EQ(schema_of(path).at("type"), column.at("type")) << path;
  }
  EXPECT_THAT(normal, ElementsAre("Phase", "Reason", "Exit", "Duration", "Age"));
  EXPECT_THAT(wide, ElementsAre("Pod", "Node"));
}

// --- defaults and bounds ---------------------------------------------------------------------------------------------

TEST(schema, what_is_left_out_is_left_to_the_configuration) {
  auto object = json::parse(R"({"metadata": {"name": "a"}, "spec": {"code": "x"}})");
  apply_defaults(root_schema(), object);
  EXPECT_EQ(object.at("spec"), json::parse(R"({"code": "x", "cancel": false, "suspend": false})"));
  auto const result = decode_code_execution(object);
  ASSERT_TRUE(std::holds_alternative<CodeExecution>(result));
  EXPECT_THAT(validate(std::get<CodeExecution>(result).spec), IsEmpty());
}

TEST(schema, defaults_fit_their_own_schema) {
  walk(root_schema(), "", [](json const& schema, std::string const& path) {
    if (!schema.contains("default")) return;
    std::vector<std::string> differences;
    compare(schema, schema.at("default"), path, false, differences);
    EXPECT_THAT(differences, IsEmpty());
    if (schema.contains("enum")) {
      EXPECT_THAT(schema.at("enum"), Contains(schema.at("default"))) << path;
    }
    if (schema.contains("minimum")) {
      EXPECT_GE(schema.at("default"), schema.at("minimum")) << path;
    }
  });
}

TEST(schema, bounds_are_those_of_the_code) {
  EXPECT_EQ(schema_of("spec.code").at("maxLength"), limits::max_code_bytes);
  EXPECT_EQ(schema_of("spec.stdin").at("maxLength"), limits::max_source_bytes);
  EXPECT_EQ(schema_of("spec.files[].content").at("maxLength"), limits::max_source_bytes);
  EXPECT_EQ(schema_of("spec.files[].contentBase64").at("maxLength"), (limits::max_source_bytes + 2) / 3 * 4);
  EXPECT_EQ(schema_of("spec.files[].path").at("maxLength"), limits::max_path_bytes);
  EXPECT_EQ(schema_of("spec.files").at("maxItems"), limits::max_files);
  EXPECT_EQ(schema_of("spec.args").at("maxItems"), limits::max_args);
  EXPECT_EQ(schema_of("spec.args[]").at("maxLength"), limits::max_argument_bytes);
  EXPECT_EQ(schema_of("spec.command").at("maxItems"), limits::max_command_parts);
  EXPECT_EQ(schema_of("spec.command[]").at("maxLength"), limits::max_argument_bytes);
  EXPECT_EQ(schema_of("spec.env").at("maxItems"), limits::max_env);
  EXPECT_EQ(schema_of("spec.env[].value").at("maxLength"), limits::max_argument_bytes);
  EXPECT_EQ(schema_of("spec.timeoutSeconds").at("maximum"), limits::max_timeout_seconds);
  EXPECT_EQ(schema_of("spec.startupTimeoutSeconds").at("maximum"), limits::max_timeout_seconds);
  EXPECT_EQ(schema_of("spec.output.maxBytes").at("maximum"), limits::max_output_bytes);
  EXPECT_EQ(schema_of("spec.ttlSecondsAfterFinished").at("maximum"), limits::max_ttl_seconds);
}

// --- rules -----------------------------------------------------------------------------------------------------------

std::vector<std::string> rules_of(json const& schema) {
  std::vector<std::string> out;
  for (auto const& rule : schema.value("x-kubernetes-validations", json::array()))
    out.push_back(rule.at("rule").get<std::string>());
  return out;
}

TEST(schema, all_of_the_spec_is_immutable_but_three_fields) {
  std::set<std::string> const may_change = {"cancel", "suspend", "ttlSecondsAfterFinished"};
  auto const& spec = schema_of("spec");
  for (auto const& [name, schema] : spec.at("properties").items()) {
    auto const rule = "has(self." + name + ") == has(oldSelf." + name + ") && (!has(self." + name + ") || self." +
                      name + " == oldSelf." + name + ")";
    if (may_change.contains(name)) {
      EXPECT_THAT(rules_of(spec), testing::Not(Contains(rule))) << name;
      continue;
    }
    auto const& all = spec.at("x-kubernetes-validations");
    auto const found =
        std::find_if(all.begin(), all.end(), [&](json const& entry) { return entry.at("rule") == rule; });
    ASSERT_NE(found, all.end()) << name;
    EXPECT_TRUE(found->at("message").get<std::string>().starts_with("spec." + name + " is immutable: ")) << name;
  }
  EXPECT_THAT(rules_of(spec), Contains("self.cancel || !oldSelf.cancel"));
  EXPECT_THAT(rules_of(spec), Contains("oldSelf.suspend || !self.suspend"));
}

TEST(schema, every_rule_has_a_message_and_is_explained_in_the_readme) {
  auto const readme = read_file(source_dir + "/crds/README.md");
  int rules = 0;
  walk(root_schema(), "", [&](json const& schema, std::string const& path) {
    for (auto const& entry : schema.value("x-kubernetes-validations", json::array())) {
      ++rules;
      EXPECT_GT(entry.value("message", "").size(), 20U) << path;
      auto text = entry.at("rule").get<std::string>();
      if (text.starts_with("has(self.") && text.find("oldSelf") != text.npos) {
        auto const name = text.substr(9, text.find(')') - 9);
        text = std::regex_replace(text, std::regex("\\." + name + "\\b"), ".X");
      }
      text = std::regex_replace(text, std::regex("\\|"), "\\|");
      EXPECT_NE(readme.find("`" + text + "`"), readme.npos) << path << ": " << text;
    }
  });
  EXPECT_GE(rules, 20);
}

TEST(schema, the_path_rule_and_the_code_refuse_the_same_paths) {
  auto const& schema = schema_of("spec.files[].path");
  auto const rule = rules_of(schema).at(0);
  std::string const before = "!self.matches('";
  ASSERT_TRUE(rule.starts_with(before) && rule.ends_with("')")) << rule;
  auto const forbidden = rule.substr(before.size(), rule.size() - before.size() - 2);
  auto const allowed = schema.at("pattern").get<std::string>();

  // Every path of up to six characters of an alphabet that has all that matters.
  std::string const alphabet = "a./\n";
  std::vector<std::string> paths = {""};
  for (std::size_t i = 0; i < paths.size() && paths[i].size() < 6; ++i) {
    for (char const c : alphabet)
      paths.push_back(paths[i] + c);
  }
  std::regex const forbidden_regex(forbidden);
  std::regex const allowed_regex(allowed);
  for (auto const& path : paths) {
    bool const by_schema =
        !path.empty() && std::regex_search(path, allowed_regex) && !std::regex_search(path, forbidden_regex);
    // "^" and "$" of std::regex match at line breaks too; the pattern has refused those already.
    ASSERT_EQ(by_schema, check_workspace_path(path).empty()) << testing::PrintToString(path);
  }
  EXPECT_GT(paths.size(), 5000U);
}

TEST(schema, patterns_and_code_agree) {
  auto const one_problem = [](CodeExecutionSpec spec) {
    spec.code = "x";
    return !validate(spec).empty();
  };
  for (auto const& text : {std::string("x\ny"), std::string(), std::string("x\0", 2)}) {
    CodeExecutionSpec spec;
    spec.code = text;
    auto const& code = schema_of("spec.code");
    auto const by_schema = text.size() >= code.at("minLength") && matches(code.at("pattern"), text);
    EXPECT_EQ(validate(spec).empty(), by_schema) << testing::PrintToString(text);
  }
  for (std::string const text : {"python", "c++17", "node.js", "a_b", "", "-x", "a b", "../x", ".x", "PYTHON"}) {
    CodeExecutionSpec spec;
    spec.language = text;
    EXPECT_EQ(one_problem(spec), !matches(schema_of("spec.language").at("pattern"), text)) << text;
  }
  for (std::string const text : {"python:3.11", "r.example:5000/a/b@sha256:00", "", " x", "a b", "-a", "a\n"}) {
    CodeExecutionSpec spec;
    spec.image = text;
    EXPECT_EQ(one_problem(spec), !matches(schema_of("spec.image").at("pattern"), text)) << text;
  }
  for (std::string const text : {"gvisor", "g-v.isor", "a.b.c", "", "Gvisor", "-a", "a-", "a..b", ".a", "a."}) {
    CodeExecutionSpec spec;
    spec.runtimeClassName = text;
    EXPECT_EQ(one_problem(spec), !matches(schema_of("spec.runtimeClassName").at("pattern"), text)) << text;
  }
  for (std::string const text : {"A", "_a", "a.b-c", "", "1a", "-a", ".a", "a b", "a=b"}) {
    CodeExecutionSpec spec;
    spec.env.emplace_back();
    spec.env[0].name = text;
    EXPECT_EQ(one_problem(spec), !matches(schema_of("spec.env[].name").at("pattern"), text)) << text;
  }
  for (std::string const text : {"1", "500m", "1.5Gi", ".5", "5.", "1e3", "1E3", "1E", "+1", "-1", "1K", "", ".", "1 ",
                                 "Mi", "1e", "1e+3", "0x1", "1.2.3"}) {
    auto const parsed = quantity::parse(text);
    EXPECT_EQ(parsed && !parsed->is_negative(), matches(schema_of("spec.resources.limits.cpu").at("pattern"), text))
        << text;
  }
  // A quantity that is written as a number meets no pattern.
  for (std::int64_t const number : {-1, 0, 1, 2}) {
    for (std::string const resource : {"cpu", "memory", "ephemeral-storage"}) {
      CodeExecutionSpec limited;
      limited.resources.limits[resource] = std::to_string(number);
      EXPECT_EQ(one_problem(limited), number < schema_of("spec.resources.limits." + resource).at("minimum")) << number;
      CodeExecutionSpec requesting;
      requesting.resources.requests[resource] = std::to_string(number);
      EXPECT_EQ(one_problem(requesting), number < schema_of("spec.resources.requests." + resource).at("minimum"))
          << number;
    }
  }
}

// --- samples ---------------------------------------------------------------------------------------------------------

TEST(samples, are_what_the_schema_takes_and_the_checks_accept) {
  std::set<std::string> names;
  for (auto const& file : std::filesystem::directory_iterator(source_dir + "/config/samples")) {
    if (file.path().extension() != ".yaml") continue;
    SCOPED_TRACE(file.path().filename());
    auto const text = read_file(file.path());
    EXPECT_TRUE(text.starts_with("# ")) << "begins with what to expect";
    for (auto const& document : YAML::LoadAll(text)) {
      auto object = to_json(document);
      EXPECT_EQ(object.value("apiVersion", ""), api_version);
      EXPECT_EQ(object.value("kind", ""), kind);
      std::vector<std::string> differences;
      compare(root_schema(), object, "", false, differences);
      EXPECT_THAT(differences, IsEmpty());
      apply_defaults(root_schema(), object);
      auto const result = decode_code_execution(object);
      ASSERT_TRUE(std::holds_alternative<CodeExecution>(result)) << std::get<decode_error>(result).describe();
      auto const& decoded = std::get<CodeExecution>(result);
      EXPECT_EQ(describe(validate(decoded.spec)), "");
      EXPECT_EQ(decoded.metadata.name, file.path().stem());
      EXPECT_TRUE(names.insert(decoded.metadata.name).second) << "applied together, each needs its own name";
    }
  }
  EXPECT_THAT(names, testing::IsSupersetOf({"csv-table", "bash-pipeline", "traceback", "too-much-output", "never-ends",
                                            "try-to-escape"}));
}

}  // namespace
}  // namespace codeexec::api
