#include "codeexec/kube_core/list.hpp"

#include "field_reader.hpp"

namespace codeexec::kube {

result<list_position> decode_list(std::string_view body, projection const& keep,
                                  std::function<void(nlohmann::json&&)> const& item) {
  auto const document = parse_kept(body, keep, "items", item);
  if (document.is_discarded()) return error(error_kind::decode, "the list is not JSON");

  list_position position;
  std::optional<api::decode_error> failure;
  field_reader root(document, failure);
  root.object("metadata", [&](field_reader& metadata) {
    metadata.read("resourceVersion", position.resource_version);
    metadata.read("continue", position.continue_token);
    metadata.read("remainingItemCount", position.remaining);
  });
  if (failure) return error(error_kind::decode, "the list: " + failure->describe());
  if (root.find("metadata") == nullptr) return error(error_kind::decode, "the list: metadata: is missing");

  // Go writes an empty slice of items as null.
  auto const items = document.find("items");
  if (items == document.end()) return error(error_kind::decode, "the list: items: is missing");
  if (!items->is_null() && !items->is_array()) return error(error_kind::decode, "the list: items: expected an array");
  return position;
}

result<list_page> decode_list(std::string_view body) {
  list_page page;
  auto position =
      decode_list(body, projection(), [&page](nlohmann::json&& item) { page.items.push_back(std::move(item)); });
  if (!position) return position.error();
  static_cast<list_position&>(page) = std::move(*position);
  return page;
}

}  // namespace codeexec::kube
