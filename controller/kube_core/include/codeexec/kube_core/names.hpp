// Names that must fit: labels, label values and the names of children.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace codeexec::kube {

/// The longest label value, label name and DNS label (RFC 1123).
inline constexpr std::size_t max_label_length = 63;

/// `text` as a label value: itself where it is one, else its beginning, a hyphen and ten digits of its SHA-256, so that
/// two texts with the same beginning stay apart. Empty stays empty.
std::string label_value(std::string_view text);

/// The deterministic name of a child: readable beginning of the owner's name, then ten digits of the SHA-256 of the
/// owner's UID. A DNS label of at most `max_length`, so that it also fits the labels that controllers derive from it.
/// An owner of the same name created later has another UID, hence another child.
std::string child_name(std::string_view owner_name, std::string_view owner_uid,
                       std::size_t max_length = max_label_length);

bool is_label_value(std::string_view text);
bool is_dns_label(std::string_view text);
/// Dot-separated DNS labels of at most 253 characters in all: the name of most objects.
bool is_dns_subdomain(std::string_view text);

}  // namespace codeexec::kube
