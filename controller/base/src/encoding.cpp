#include "codeexec/base/encoding.hpp"

#include <array>
#include <cstdint>
#include <openssl/evp.h>

#include "codeexec/wire/utf8.h"

namespace codeexec::base {
namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view replacement = "\xEF\xBF\xBD";
constexpr std::string_view hex_lower = "0123456789abcdef";
constexpr std::string_view hex_upper = "0123456789ABCDEF";

constexpr std::array<std::int8_t, 256> make_decode_table() {
  std::array<std::int8_t, 256> table{};
  for (auto& entry : table)
    entry = -1;
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    table[static_cast<unsigned char>(alphabet[i])] = static_cast<std::int8_t>(i);
  }
  return table;
}
constexpr auto decode_table = make_decode_table();

wire::utf8_unit unit_at(std::string_view bytes, std::size_t at) {
  return wire::next_utf8_unit(reinterpret_cast<unsigned char const*>(bytes.data()) + at, bytes.size() - at);
}

/// Where the first ill-formed byte is; the size where there is none.
std::size_t first_invalid(std::string_view bytes) {
  std::size_t at = 0;
  while (at < bytes.size()) {
    auto const unit = unit_at(bytes, at);
    if (!unit.valid) return at;
    at += unit.length;
  }
  return at;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

}  // namespace

std::string base64_encode(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  std::size_t at = 0;
  auto const byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i])); };
  for (; at + 3 <= bytes.size(); at += 3) {
    auto const group = byte(at) << 16 | byte(at + 1) << 8 | byte(at + 2);
    out += alphabet[group >> 18];
    out += alphabet[group >> 12 & 63];
    out += alphabet[group >> 6 & 63];
    out += alphabet[group & 63];
  }
  auto const left = bytes.size() - at;
  if (left > 0) {
    auto const group = byte(at) << 16 | (left == 2 ? byte(at + 1) << 8 : 0U);
    out += alphabet[group >> 18];
    out += alphabet[group >> 12 & 63];
    out += left == 2 ? alphabet[group >> 6 & 63] : '=';
    out += '=';
  }
  return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t group = 0;
  int digits = 0;
  int padding = 0;
  for (char const c : text) {
    if (c == '\n' || c == '\r') continue;
    if (c == '=') {
      ++padding;
      continue;
    }
    auto const value = decode_table[static_cast<unsigned char>(c)];
    if (value < 0 || padding > 0) return std::nullopt;
    group = group << 6 | static_cast<std::uint32_t>(value);
    if (++digits == 4) {
      out += static_cast<char>(group >> 16);
      out += static_cast<char>(group >> 8 & 255);
      out += static_cast<char>(group & 255);
      group = 0;
      digits = 0;
    }
  }
  if (digits == 0) return padding == 0 ? std::optional(std::move(out)) : std::nullopt;
  if (digits == 1 || digits + padding != 4) return std::nullopt;
  // What the last, incomplete group holds beyond its bytes must be zero: one text, one value.
  if (digits == 2) {
    if ((group & 15) != 0) return std::nullopt;
    out += static_cast<char>(group >> 4);
  } else {
    if ((group & 3) != 0) return std::nullopt;
    out += static_cast<char>(group >> 10);
    out += static_cast<char>(group >> 2 & 255);
  }
  return out;
}

std::string sha256_hex(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  // Found once: EVP_sha256() is looked up by its name with each use, which takes longer than hashing a name.
  static EVP_MD const* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, sha256, nullptr);
  std::string out;
  out.reserve(2 * size);
  for (unsigned int i = 0; i < size; ++i) {
    out += hex_lower[digest[i] >> 4];
    out += hex_lower[digest[i] & 15];
  }
  return out;
}

bool is_valid_utf8(std::string_view bytes) {
  return first_invalid(bytes) == bytes.size();
}

std::string repair_utf8(std::string bytes) {
  auto at = first_invalid(bytes);
  if (at == bytes.size()) return bytes;
  std::string out;
  out.reserve(bytes.size() + bytes.size() / 8 + replacement.size());
  out.append(bytes, 0, at);
  while (at < bytes.size()) {
    auto const unit = unit_at(bytes, at);
    if (unit.valid) {
      out.append(bytes, at, unit.length);
    } else {
      out += replacement;
    }
    at += unit.length;
  }
  return out;
}

std::string percent_encode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (char const c : text) {
    if (is_unreserved(c)) {
      out += c;
    } else {
      auto const byte = static_cast<unsigned char>(c);
      out += '%';
      out += hex_upper[byte >> 4];
      out += hex_upper[byte & 15];
    }
  }
  return out;
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      int const high = hex_value(text[i + 1]);
      int const low = hex_value(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high << 4 | low);
      i += 2;
    } else if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace codeexec::base
