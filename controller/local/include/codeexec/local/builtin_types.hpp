// The resources a cluster has from the start, as far as the stand-in serves them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "codeexec/local/schema.hpp"
#include "codeexec/local/store.hpp"

namespace codeexec::local {

/// Namespaces, configmaps, pods, jobs, events, leases, nodes, runtimeclasses, service accounts, roles and their
/// bindings, network policies. Call once; `objects` must outlive itself only (the strategies look into it).
void add_builtin_types(store& objects);

/// The namespaces `default` and `kube-system`, where they are missing. After add_builtin_types().
void add_default_namespaces(store& objects);

/// The schema of such a type: types and names of fields, for decoding. Null: anything goes.
structural_schema const* builtin_schema(kube::resource const& type);
/// "io.k8s.api.batch.v1.Job": what OpenAPI documents call the schema of a built-in kind.
std::string builtin_component_name(std::string_view group, std::string_view kind);
/// Adds that schema, and all that it refers to, to the components of an OpenAPI v3 document. Nothing for a kind of
/// which no fields are known.
void add_builtin_components(std::string_view group, std::string_view kind, nlohmann::json& components);

// events.k8s.io/v1 and core/v1 show the same Event; it is stored as core/v1.
nlohmann::json event_as_events_v1(nlohmann::json core);
nlohmann::json event_as_core_v1(nlohmann::json event);

}  // namespace codeexec::local
