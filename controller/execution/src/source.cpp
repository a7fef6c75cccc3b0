#include "codeexec/execution/source.hpp"

#include <nlohmann/json.hpp>

#include "codeexec/base/encoding.hpp"

namespace codeexec::execution {
namespace {

std::string the_config_map(api::ConfigMapKeyRef const& from) {
  return "The ConfigMap \"" + from.name + "\" (spec.codeFrom.configMapKeyRef.name)";
}

/// A text could as well be meant as an error.
base::result<std::string> given(std::string code) {
  return {boost::system::in_place_value, std::move(code)};
}

nlohmann::json const* value_in(nlohmann::json const& config_map, char const* part, std::string const& key) {
  if (!config_map.is_object()) return nullptr;
  auto const map = config_map.find(part);
  if (map == config_map.end() || !map->is_object()) return nullptr;
  auto const found = map->find(key);
  return found != map->end() && found->is_string() ? &*found : nullptr;
}

}  // namespace

base::result<std::string> read_source(api::ConfigMapKeyRef const& from, nlohmann::json const& config_map) {
  if (auto const* const text = value_in(config_map, "data", from.key)) return given(text->get<std::string>());
  if (auto const* const base64 = value_in(config_map, "binaryData", from.key)) {
    auto bytes = base::base64_decode(base64->get_ref<std::string const&>());
    if (bytes) return given(std::move(*bytes));
    return base::error(the_config_map(from) + " has no base64 under the key \"" + from.key + "\" of its binaryData.");
  }
  return base::error(the_config_map(from) + " has no key \"" + from.key + "\" (spec.codeFrom.configMapKeyRef.key).");
}

std::string missing_source_text(api::ConfigMapKeyRef const& from, std::string_view ns) {
  return the_config_map(from) + " does not exist in namespace \"" + std::string(ns) + "\".";
}

std::string unreadable_source_text(api::ConfigMapKeyRef const& from, std::string_view why) {
  return the_config_map(from) + " cannot be read by the operator: " + std::string(why);
}

}  // namespace codeexec::execution
