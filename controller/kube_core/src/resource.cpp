#include "codeexec/kube_core/resource.hpp"

#include "codeexec/base/encoding.hpp"

namespace codeexec::kube {

std::string resource::api_version() const {
  if (group.empty()) return std::string(version);
  return std::string(group) + "/" + std::string(version);
}

std::string resource::collection_path(std::string_view ns) const {
  auto path = (group.empty() ? "/api/" : "/apis/") + api_version();
  if (namespaced && !ns.empty()) path += "/namespaces/" + base::percent_encode(ns);
  path += '/';
  path += plural;
  return path;
}

std::string resource::object_path(std::string_view ns, std::string_view name, std::string_view subresource) const {
  auto path = collection_path(ns) + "/" + base::percent_encode(name);
  if (!subresource.empty()) path += "/" + base::percent_encode(subresource);
  return path;
}

}  // namespace codeexec::kube
