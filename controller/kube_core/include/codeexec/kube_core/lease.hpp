// coordination.k8s.io/v1 Lease: who leads, said by the holder and counted by everybody else's own clock.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "codeexec/api/json.hpp"
#include "codeexec/api/meta.hpp"
#include "codeexec/base/time.hpp"

namespace codeexec::kube {

struct LeaseSpec {
  std::string holderIdentity;             ///< empty: nobody holds it
  std::int64_t leaseDurationSeconds = 0;  ///< 0: not said
  std::optional<base::wall_time> acquireTime;
  std::optional<base::wall_time> renewTime;
  std::int64_t leaseTransitions = 0;  ///< how often the holder has changed

  friend bool operator==(LeaseSpec const&, LeaseSpec const&) = default;
};

struct Lease {
  api::ObjectMeta metadata;
  LeaseSpec spec;
};

/// Unknown fields are ignored, null is absent, a field of the wrong type is an error that names it.
std::variant<Lease, api::decode_error> decode_lease(nlohmann::json const& object);

/// A new Lease: what a create request carries.
nlohmann::json make_lease(std::string_view name, LeaseSpec const& spec);

/// `object` as the server gave it, with these fields of its spec replaced: what a replace request carries. Everything
/// else stays: labels of other people's, and the resourceVersion and UID, which make the server refuse (409) where
/// somebody was faster.
nlohmann::json with_spec(nlohmann::json object, LeaseSpec const& spec);

}  // namespace codeexec::kube
