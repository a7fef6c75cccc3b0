// The OpenAPI documents of what is served, as far as clients read them: kubectl takes from them the words of `explain`,
// whether the server checks fields itself, and how lists are merged by a client-side apply.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "codeexec/local/custom_types.hpp"
#include "codeexec/local/discovery.hpp"

namespace codeexec::local {

/// A document as it is sent. The hash is of the text: clients keep a document for as long as its hash is the same.
struct open_api_document {
  std::string text;
  std::string hash;
};

/// Documents are made when first asked for, and made again once the types that are served have changed.
///
/// Thread: the store's. Lifetime: both arguments must outlive it; a document is valid until the next call.
class open_api {
 public:
  open_api(discovery const& served, custom_types const& customs) : served_(served), customs_(customs) {}

  /// /openapi/v3: the address of each document, its hash in it.
  open_api_document const& index();
  /// /openapi/v3/PATH for "api/v1", "apis/batch/v1"; null: none such.
  open_api_document const* find(std::string_view path);

 private:
  void refresh();
  nlohmann::json document(std::string_view group, std::string_view version,
                          std::vector<served_resource> const& served) const;

  discovery const& served_;
  custom_types const& customs_;
  std::vector<std::shared_ptr<resource_type const>> made_of_;
  open_api_document index_;
  std::map<std::string, open_api_document, std::less<>> documents_;
};

}  // namespace codeexec::local
