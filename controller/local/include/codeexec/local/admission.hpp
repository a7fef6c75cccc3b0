// What stands between a valid object and the store: Pod Security, LimitRange and ResourceQuota, as the real server's
// plugins.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "codeexec/local/status_error.hpp"
#include "codeexec/local/store.hpp"

namespace codeexec::local {

/// The 403 that a new object meets, or nothing.
std::optional<status_error> admit_object(store const& objects, resource_type const& type, nlohmann::json const& object);

/// Pod Security's warnings about a pod, about the pods that a Job would make, or about those that a Namespace's new
/// level leaves in violation. `before`: the object as it was; null for a new one.
std::vector<std::string> admission_warnings(store const& objects, resource_type const& type,
                                            nlohmann::json const& written, nlohmann::json const* before);

/// Makes the store ask admit_object() of every new object, keeps the status of quotas and the rules of aggregated roles
/// up to date. `post` runs a function later on the store's thread. The store and what `post` needs must outlive it.
void install_admission(store& objects, std::function<void(std::function<void()>)> post);

}  // namespace codeexec::local
