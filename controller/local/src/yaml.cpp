#include "codeexec/local/yaml.hpp"

#include <utility>

#include "codeexec/yaml_reader/yaml_reader.hpp"

namespace codeexec::local {

using nlohmann::json;

base::result<std::vector<json>> parse_yaml_documents(std::string const& text) {
  auto documents = yaml::read_documents(text);
  if (!documents) {
    return base::error("error converting YAML to JSON: yaml: " + documents.error().message);
  }
  return documents;
}

base::result<json> parse_yaml(std::string const& text) {
  auto all = parse_yaml_documents(text);
  if (!all) {
    return all.error();
  }
  if (all->size() != 1) {
    return base::error("expected one YAML document, found " + std::to_string(all->size()));
  }
  return base::result<json>(boost::system::in_place_value, std::move(all->front()));
}

}  // namespace codeexec::local
