#include "codeexec/kube_core/list.hpp"

#include "field_reader.hpp"

namespace codeexec::kube {

result<list_page> decode_list(std::string_view body) {
  auto document = nlohmann::json::parse(body, nullptr, false);
  if (document.is_discarded()) return error(error_kind::decode, "the list is not JSON");

  list_page page;
  std::optional<api::decode_error> failure;
  field_reader root(document, "", failure);
  root.object("metadata", [&](field_reader& metadata) {
    metadata.read("resourceVersion", page.resource_version);
    metadata.read("continue", page.continue_token);
    metadata.read("remainingItemCount", page.remaining);
  });
  if (failure) return error(error_kind::decode, "the list: " + failure->describe());
  if (root.find("metadata") == nullptr) return error(error_kind::decode, "the list: metadata: is missing");

  // Go writes an empty slice of items as null.
  auto const items = document.find("items");
  if (items == document.end()) return error(error_kind::decode, "the list: items: is missing");
  if (items->is_null()) return page;
  if (!items->is_array()) return error(error_kind::decode, "the list: items: expected an array");
  page.items.reserve(items->size());
  for (auto& item : *items)
    page.items.push_back(std::move(item));
  return page;
}

}  // namespace codeexec::kube
