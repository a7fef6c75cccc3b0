// Which writer set which fields (metadata.managedFields), and server-side apply, which goes by it. Pure.
// https://kubernetes.io/docs/reference/using-api/server-side-apply/
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "codeexec/base/time.hpp"
#include "codeexec/local/schema.hpp"
#include "codeexec/local/status_error.hpp"

namespace codeexec::local {

/// Who makes a plain write (POST, PUT, a patch that is no apply).
struct update_author {
  std::string manager;
  std::string subresource;
  std::string api_version;
  base::wall_time now;
};

/// metadata.managedFields of `next`, which the author made of `before` (null: a new object): what changed is the
/// author's alone. `schema` null: a built-in kind. Nothing is noted for an object that has no entries, unless it is
/// new.
nlohmann::json managed_fields_after(nlohmann::json const& before, nlohmann::json const& next, schema_node const* schema,
                                    update_author const& author);

struct apply_request {
  std::string manager;
  bool force = false;
  std::string subresource;
  std::string api_version;
  base::wall_time now;
};

/// Server-side apply: `applied` is what `manager` wants to own. `live` null: a new object. `schema` null: a built-in
/// kind. Conflicts are with fields that other writers own and that would change: 409 with one cause for each.
result<nlohmann::json> apply_server_side(nlohmann::json const& live, nlohmann::json const& applied,
                                         schema_node const* schema, apply_request const& request);

}  // namespace codeexec::local
