#include "field_reader.hpp"

namespace codeexec::kube {

std::variant<api::ObjectMeta, api::decode_error> read_metadata(nlohmann::json const& object) {
  if (!object.is_object()) return api::decode_error{"", "expected an object"};
  auto const metadata = object.find("metadata");
  if (metadata == object.end()) return api::decode_error{"metadata", "is missing"};
  return api::decode_object_meta(*metadata);
}

void read_conditions(field_reader& status, std::vector<api::Condition>& out) {
  status.each("conditions", [&](field_reader& one) {
    auto& condition = out.emplace_back();
    one.read("type", condition.type);
    one.read("status", condition.status);
    one.read("observedGeneration", condition.observedGeneration);
    one.read("lastTransitionTime", condition.lastTransitionTime);
    one.read("reason", condition.reason);
    one.read("message", condition.message);
  });
  // They are kept for as long as the object is cached, and a Pod has five: room for eight is half a kilobyte too many.
  out.shrink_to_fit();
}

kept_field kept_conditions() {
  return {"conditions", {"type", "status", "observedGeneration", "lastTransitionTime", "reason", "message"}};
}

api::Condition const* find_condition(std::vector<api::Condition> const& conditions, std::string_view type) {
  for (auto const& one : conditions) {
    if (one.type == type) return &one;
  }
  return nullptr;
}

}  // namespace codeexec::kube
