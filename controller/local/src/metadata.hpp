// metadata: what a client may set, what the server owns, and which of it is wrong.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>

#include "codeexec/local/status_error.hpp"
#include "codeexec/local/strategy.hpp"

namespace codeexec::local {

/// The sentence for a metadata that does not decode ("labels" holding a number); nothing where the types are right.
std::optional<std::string> check_metadata_types(nlohmann::json const& metadata);

/// Keeps what a client may set, drops empty collections, nulls and what nobody knows.
nlohmann::json client_metadata(nlohmann::json const& metadata);

/// `next` with what the server owns taken from `current`.
void keep_server_metadata(nlohmann::json& next, nlohmann::json const& current);

field_errors validate_metadata(nlohmann::json const& metadata, resource_type const& type, strategy const& how);
/// On top of validate_metadata(): what may not change.
field_errors validate_metadata_update(nlohmann::json const& next, nlohmann::json const& current);

}  // namespace codeexec::local
