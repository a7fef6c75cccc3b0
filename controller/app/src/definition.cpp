#include "definition.hpp"

#include <algorithm>
#include <numeric>
#include <string>

#include "codeexec/yaml_reader/yaml_reader.hpp"

namespace codeexec::app {
namespace {

using nlohmann::json;
using problems = std::vector<api::violation>;

json const& root_schema() {
  static json const schema = [] {
    auto const documents = yaml::read_documents(std::string(definition_yaml()));
    // Our own file, which the tests read too.
    return documents.value().front().at("spec").at("versions").at(0).at("schema").at("openAPIV3Schema");
  }();
  return schema;
}

/// How many letters one is from the other.
std::size_t distance(std::string const& a, std::string const& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0U);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      auto const above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0U : 1U)});
      diagonal = above;
    }
  }
  return row.back();
}

std::string suggestion(std::string const& name, json const& properties) {
  std::string best;
  // Half of the word is another word.
  std::size_t least = std::min<std::size_t>(8, name.size() / 2) + 1;
  for (auto const& [known, unused] : properties.items()) {
    bool const begins = name.size() >= 4 && (known.starts_with(name) || name.starts_with(known));
    auto const far = begins ? 0U : distance(name.substr(0, 64), known);
    if (far < least) {
      least = far;
      best = known;
    }
  }
  return best.empty() ? "" : "; did you mean " + best + "?";
}

std::string article(std::string const& type) {
  return (type.find_first_of("aeiou") == 0 ? "an " : "a ") + type;
}

bool is_of_type(json const& value, json const& schema) {
  if (schema.value("x-kubernetes-int-or-string", false)) return value.is_number_integer() || value.is_string();
  auto const type = schema.value("type", "");
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "integer") return value.is_number_integer();
  if (type == "boolean") return value.is_boolean();
  return true;
}

void walk(json const& schema, json const& value, std::string const& path, problems& out) {
  if (value.is_null()) return;  // as if it were not there
  if (!is_of_type(value, schema)) {
    bool const either = schema.value("x-kubernetes-int-or-string", false);
    auto const wanted = either ? "an integer or a string" : article(schema.value("type", ""));
    out.push_back({path, "expected " + wanted + ", got " + article(value.type_name())});
    return;
  }
  if (value.is_array() && schema.contains("items")) {
    for (std::size_t i = 0; i < value.size(); ++i)
      walk(schema.at("items"), value[i], path + "[" + std::to_string(i) + "]", out);
  }
  if (!value.is_object() || !schema.contains("properties")) return;
  auto const& properties = schema.at("properties");
  for (auto const& [name, inner] : value.items()) {
    auto const here = path.empty() ? name : path + "." + name;
    auto const known = properties.find(name);
    if (known == properties.end()) {
      out.push_back({here, "unknown field" + suggestion(name, properties)});
    } else {
      walk(*known, inner, here, out);
    }
  }
}

}  // namespace

problems check_fields(json const& object) {
  problems out;
  walk(root_schema(), object, "", out);
  return out;
}

}  // namespace codeexec::app
