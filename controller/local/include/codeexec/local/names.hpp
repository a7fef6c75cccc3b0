// The rules for names, labels and keys that every Kubernetes object obeys, with the server's own sentences.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace codeexec::local {

// Each: nothing where the text is fine, else what the server says is wrong with it.
std::optional<std::string> check_dns_subdomain(std::string_view text);   ///< RFC 1123, at most 253
std::optional<std::string> check_dns_label(std::string_view text);       ///< RFC 1123, at most 63
std::optional<std::string> check_qualified_name(std::string_view text);  ///< label keys, finalizers
std::optional<std::string> check_label_value(std::string_view text);
std::optional<std::string> check_config_key(std::string_view text);

}  // namespace codeexec::local
