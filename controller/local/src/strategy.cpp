#include "codeexec/local/strategy.hpp"

#include "codeexec/local/names.hpp"

namespace codeexec::local {

using nlohmann::json;

void strategy::prepare_create(json&, base::wall_time) const {}
std::optional<status_error> strategy::admit(json const&) const {
  return std::nullopt;
}
field_errors strategy::validate_create(json const&) const {
  return {};
}
void strategy::prepare_update(json&, json const&, part) const {}
field_errors strategy::validate_update(json const&, json const&, part) const {
  return {};
}
std::optional<std::string> strategy::check_name(std::string_view name) const {
  return check_dns_subdomain(name);
}
std::int64_t strategy::grace_seconds(json const&, std::optional<std::int64_t>) const {
  return 0;
}
void strategy::begin_deletion(json&) const {}
bool strategy::held(json const&) const {
  return false;
}

}  // namespace codeexec::local
