#include "codeexec/kube_core/managed_fields.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "codeexec/kube_core/projection.hpp"

namespace codeexec::kube {

std::optional<base::wall_time> last_written(std::string_view object, std::string_view manager) {
  static projection const kept{{"metadata", {{"managedFields", {"manager", "subresource", "time"}}}}};
  auto const parsed = parse_kept(object, kept);
  nlohmann::json::json_pointer const entries("/metadata/managedFields");
  std::optional<base::wall_time> newest;
  if (!parsed.is_object() || !parsed.contains(entries)) return newest;
  for (auto const& entry : parsed.at(entries)) {
    auto const text = [&](char const* field) {
      auto const found = entry.find(field);
      return found != entry.end() && found->is_string() ? found->get<std::string>() : std::string();
    };
    if (!entry.is_object() || text("manager") != manager || !text("subresource").empty()) continue;
    auto const time = base::parse_time(text("time"));
    if (time) newest = std::max(newest.value_or(*time), *time);
  }
  return newest;
}

}  // namespace codeexec::kube
