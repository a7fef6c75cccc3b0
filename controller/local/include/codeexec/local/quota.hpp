// ResourceQuota: how much of what a namespace holds, and the refusal of one object too many. Scopes are not read.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "codeexec/local/status_error.hpp"
#include "codeexec/local/store.hpp"

namespace codeexec::local {

inline constexpr kube::resource resource_quotas{"", "v1", "resourcequotas", "ResourceQuota", true};

/// Resource names ("pods", "requests.cpu", "count/jobs.batch") to thousandths.
using quota_usage = std::map<std::string, std::int64_t>;

/// What one object counts for; nothing for an ended Pod.
quota_usage quota_usage_of(resource_type const& type, nlohmann::json const& object);

/// The 403 for an object that exceeds a quota of its namespace, or that says nothing of a resource under one.
std::optional<status_error> refuse_by_quota(store const& objects, resource_type const& type,
                                            nlohmann::json const& object);

/// Brings status.hard and status.used of every quota in the namespace up to date.
void update_quota_status(store& objects, std::string_view ns);

/// A quantity as the API prints it: "1500m", "1", "512Mi". Bytes keep binary suffixes where they divide evenly.
std::string print_quantity(std::string_view resource, std::int64_t millis);

}  // namespace codeexec::local
