#include "codeexec/execution/network_policy.hpp"

#include <nlohmann/json.hpp>
#include <string>

#include "codeexec/api/names.hpp"
#include "codeexec/execution/build.hpp"

namespace codeexec::execution {
namespace {

using nlohmann::json;

json deny_selector() {
  json wanted = json::object();
  wanted[std::string(network_label)] = "deny";
  return {{"matchLabels", wanted}};
}

bool lacks(json const& object, char const* list) {
  auto const found = object.find(list);
  return found == object.end() || found->empty();
}

bool has_type(json const& spec, char const* type) {
  auto const types = spec.find("policyTypes");
  if (types == spec.end() || !types->is_array()) return false;
  for (auto const& one : *types) {
    if (one == type) return true;
  }
  return false;
}

}  // namespace

json make_network_policy(std::string_view ns) {
  json labels = json::object();
  labels[std::string(api::labels::managed_by)] = api::field_manager;
  labels[std::string(api::labels::component)] = api::components::network;
  return {{"apiVersion", "networking.k8s.io/v1"},
          {"kind", "NetworkPolicy"},
          {"metadata", {{"name", network_policy_name}, {"namespace", ns}, {"labels", labels}}},
          {"spec", {{"podSelector", deny_selector()}, {"policyTypes", json::array({"Ingress", "Egress"})}}}};
}

bool denies_network(json const& policy) {
  if (!policy.is_object()) return false;
  auto const found = policy.find("spec");
  if (found == policy.end() || !found->is_object()) return false;
  json const& spec = *found;
  auto const selector = spec.find("podSelector");
  if (selector == spec.end() || !selector->is_object()) return false;
  // An empty selector is about every pod of the namespace, ours among them: somebody denies them all.
  bool const selects_ours =
      lacks(*selector, "matchExpressions") &&
      (lacks(*selector, "matchLabels") || selector->at("matchLabels") == deny_selector()["matchLabels"]);
  return selects_ours && has_type(spec, "Ingress") && has_type(spec, "Egress") && lacks(spec, "ingress") &&
         lacks(spec, "egress");
}

}  // namespace codeexec::execution
