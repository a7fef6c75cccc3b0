// Text and byte encodings: base64, hex SHA-256, UTF-8 repair, percent-encoding.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace codeexec::base {

std::string base64_encode(std::string_view bytes);
/// Standard alphabet with padding, as Kubernetes reads it (line breaks are skipped). Nothing where it is malformed.
std::optional<std::string> base64_decode(std::string_view text);

/// 64 lower-case hexadecimal digits.
std::string sha256_hex(std::string_view bytes);

bool is_valid_utf8(std::string_view bytes);
/// Every maximal ill-formed subsequence becomes one U+FFFD (Unicode 15, section 3.9, the practice browsers follow); the
/// rest, NUL included, stays as it is. Takes and returns by value: valid input is moved through, not copied.
std::string repair_utf8(std::string bytes);

/// RFC 3986: everything but unreserved characters becomes %XX.
std::string percent_encode(std::string_view text);
/// Nothing where a % is not followed by two hexadecimal digits. '+' stays '+' unless `plus_is_space`.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);

}  // namespace codeexec::base
