#include "codeexec/api/meta.hpp"

#include <algorithm>

namespace codeexec::api {

bool ObjectMeta::has_finalizer(std::string const& name_of_it) const {
  return std::find(finalizers.begin(), finalizers.end(), name_of_it) != finalizers.end();
}

OwnerReference const* ObjectMeta::controller_owner() const {
  auto const found = std::find_if(ownerReferences.begin(), ownerReferences.end(),
                                  [](OwnerReference const& reference) { return reference.controller; });
  return found == ownerReferences.end() ? nullptr : &*found;
}

}  // namespace codeexec::api
