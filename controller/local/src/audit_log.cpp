#include "codeexec/local/audit_log.hpp"

#include <nlohmann/json.hpp>

#include "codeexec/base/time.hpp"
#include "codeexec/local/access.hpp"

namespace codeexec::local {

base::result<std::shared_ptr<audit_log>> audit_log::open(std::filesystem::path const& file) {
  std::ofstream out(file, std::ios::app);
  if (!out) {
    return base::error("cannot write the audit log " + file.string());
  }
  return std::shared_ptr<audit_log>(new audit_log(std::move(out)));
}

void audit_log::record(base::wall_time when, user_info const& who, attributes const& what, std::string_view user_agent,
                       bool allowed) {
  nlohmann::json event = {{"kind", "Event"},
                          {"apiVersion", "audit.k8s.io/v1"},
                          {"level", "Metadata"},
                          {"stage", "RequestReceived"},
                          {"auditID", std::to_string(++written_)},
                          {"verb", what.verb},
                          {"user", {{"username", who.name}}},
                          {"userAgent", user_agent},
                          {"stageTimestamp", base::format_time(when)},
                          {"annotations", {{"authorization.k8s.io/decision", allowed ? "allow" : "forbid"}}}};
  if (what.resource.empty()) {
    event["requestURI"] = what.path;
  } else {
    auto& object = event["objectRef"] = {{"resource", what.resource}, {"apiVersion", what.version}};
    for (auto const& [key, value] : {std::pair<char const*, std::string const&>{"apiGroup", what.group},
                                     {"subresource", what.subresource},
                                     {"namespace", what.ns},
                                     {"name", what.name}}) {
      if (!value.empty()) {
        object[key] = value;
      }
    }
  }
  out_ << event.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n' << std::flush;
}

}  // namespace codeexec::local
