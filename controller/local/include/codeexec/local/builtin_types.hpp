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

/// The schema of such a type: types and names of fields, for decoding and for `kubectl explain`. Null: anything goes.
structural_schema const* builtin_schema(kube::resource const& type);
/// The same as OpenAPI; an empty object where there is none.
nlohmann::json builtin_open_api(kube::resource const& type);

// events.k8s.io/v1 and core/v1 show the same Event; it is stored as core/v1.
nlohmann::json event_as_events_v1(nlohmann::json core);
nlohmann::json event_as_core_v1(nlohmann::json event);

}  // namespace codeexec::local
