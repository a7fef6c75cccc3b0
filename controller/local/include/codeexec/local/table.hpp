// What `kubectl get` shows: objects as rows of a meta.k8s.io/v1 Table. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "codeexec/base/time.hpp"
#include "codeexec/local/object.hpp"
#include "codeexec/local/strategy.hpp"

namespace codeexec::local {

/// What a row holds of its object besides the cells: the query parameter includeObject.
enum class row_object { none, metadata, whole };

struct table_options {
  bool columns = true;  ///< false: columnDefinitions is null, as in all but the first event of a watch
  row_object include = row_object::metadata;
  bool events_v1 = false;  ///< whole objects are Events as events.k8s.io/v1 has them
};

nlohmann::json make_table(resource_type const& type, std::vector<object> const& rows, nlohmann::json list_metadata,
                          base::wall_time now, table_options const& options = {});

/// metadata alone, as meta.k8s.io/v1 PartialObjectMetadata.
nlohmann::json partial_object(nlohmann::json const& value);

/// "26s", "3m5s", "2d": how kubectl writes a duration (k8s.io/apimachinery, duration.HumanDuration).
std::string human_duration(std::chrono::seconds span);

}  // namespace codeexec::local
