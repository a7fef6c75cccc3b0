#include "codeexec/kube_core/lease.hpp"

#include <nlohmann/json.hpp>

#include "codeexec/kube_core/resource.hpp"

#include "field_reader.hpp"

namespace codeexec::kube {
namespace {

using nlohmann::json;

void write_time(json& spec, char const* key, std::optional<base::wall_time> const& time) {
  // MicroTime: the server refuses one without the fraction.
  spec[key] = time ? json(base::format_micro_time(*time)) : json(nullptr);
}

void write_spec(json& spec, LeaseSpec const& from) {
  if (!spec.is_object()) spec = json::object();
  spec["holderIdentity"] = from.holderIdentity;
  spec["leaseDurationSeconds"] = from.leaseDurationSeconds;
  write_time(spec, "acquireTime", from.acquireTime);
  write_time(spec, "renewTime", from.renewTime);
  spec["leaseTransitions"] = from.leaseTransitions;
}

}  // namespace

std::variant<Lease, api::decode_error> decode_lease(json const& object) {
  auto metadata = read_metadata(object);
  if (auto* const failure = std::get_if<api::decode_error>(&metadata)) return std::move(*failure);
  Lease lease;
  lease.metadata = std::move(std::get<api::ObjectMeta>(metadata));

  std::optional<api::decode_error> failure;
  field_reader root(object, failure);
  root.object("spec", [&](field_reader& spec) {
    spec.read("holderIdentity", lease.spec.holderIdentity);
    spec.read("leaseDurationSeconds", lease.spec.leaseDurationSeconds);
    spec.read("acquireTime", lease.spec.acquireTime);
    spec.read("renewTime", lease.spec.renewTime);
    spec.read("leaseTransitions", lease.spec.leaseTransitions);
  });
  if (failure) return std::move(*failure);
  return lease;
}

json make_lease(std::string_view name, LeaseSpec const& spec) {
  json object = {{"apiVersion", leases.api_version()}, {"kind", leases.kind}, {"metadata", {{"name", name}}}};
  write_spec(object["spec"], spec);
  return object;
}

json with_spec(json object, LeaseSpec const& spec) {
  if (!object.is_object()) object = json::object();
  // The server keeps managedFields by itself; sent back they only cost bytes.
  if (auto const metadata = object.find("metadata"); metadata != object.end() && metadata->is_object())
    metadata->erase("managedFields");
  write_spec(object["spec"], spec);
  return object;
}

}  // namespace codeexec::kube
