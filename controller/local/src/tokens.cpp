#include "codeexec/local/tokens.hpp"

#include <array>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdexcept>

#include "codeexec/base/encoding.hpp"

namespace codeexec::local {
namespace {

using nlohmann::json;

constexpr std::string_view header_text = R"({"alg":"HS256","typ":"JWT"})";

/// RFC 4648, section 5, without padding.
std::string base64_url(std::string_view bytes) {
  std::string out = base::base64_encode(bytes);
  while (!out.empty() && out.back() == '=') {
    out.pop_back();
  }
  for (char& c : out) {
    c = c == '+' ? '-' : c == '/' ? '_' : c;
  }
  return out;
}

std::optional<std::string> from_base64_url(std::string_view text) {
  std::string padded(text);
  for (char& c : padded) {
    if (c == '+' || c == '/') {
      return std::nullopt;
    }
    c = c == '-' ? '+' : c == '_' ? '/' : c;
  }
  padded.append((4 - padded.size() % 4) % 4, '=');
  return base::base64_decode(padded);
}

std::string hmac(std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned int size = 0;
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<unsigned char const*>(text.data()),
           text.size(), out.data(), &size) == nullptr) {
    throw std::runtime_error("HMAC-SHA-256 is not available");
  }
  return std::string(reinterpret_cast<char const*>(out.data()), size);
}

/// In a time that tells nothing about where they differ.
bool same_secret(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string random_bytes(std::size_t count) {
  std::string out(count, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(count)) != 1) {
    throw std::runtime_error("no randomness to be had");
  }
  return out;
}

std::int64_t seconds_of(base::wall_time when) {
  return std::chrono::duration_cast<std::chrono::seconds>(when.time_since_epoch()).count();
}

}  // namespace

token_authority::secrets token_authority::make_secrets() {
  return {random_bytes(32), base64_url(random_bytes(24))};
}

std::string token_authority::issue(object const& account, std::chrono::seconds lifetime) const {
  std::int64_t const now = seconds_of(objects_.clock().wall_now());
  json const claims = {
      {"iss", token_issuer},
      {"aud", json::array({token_issuer})},
      {"sub", "system:serviceaccount:" + account.ns() + ":" + account.name()},
      {"iat", now},
      {"nbf", now},
      {"exp", now + lifetime.count()},
      {"kubernetes.io",
       {{"namespace", account.ns()}, {"serviceaccount", {{"name", account.name()}, {"uid", account.uid()}}}}}};
  std::string const signed_part = base64_url(header_text) + "." + base64_url(claims.dump());
  return signed_part + "." + base64_url(hmac(keys_.signing_key, signed_part));
}

std::optional<user_info> token_authority::authenticate(std::string_view token) const {
  if (same_secret(token, keys_.administrator_token)) {
    return user_info::administrator();
  }
  auto const dot = token.rfind('.');
  auto const first = token.find('.');
  if (dot == std::string_view::npos || first == dot) {
    return std::nullopt;
  }
  std::string_view const signed_part = token.substr(0, dot);
  // The signature is compared before anything is read: what it does not cover is not looked at.
  if (!same_secret(base64_url(hmac(keys_.signing_key, signed_part)), token.substr(dot + 1)) ||
      token.substr(0, first) != base64_url(header_text)) {
    return std::nullopt;
  }
  json const claims =
      json::parse(from_base64_url(signed_part.substr(first + 1)).value_or(std::string()), nullptr, false);
  json const& expiry = at_path(claims, "exp");
  if (!expiry.is_number_integer() || expiry.get<std::int64_t>() <= seconds_of(objects_.clock().wall_now())) {
    return std::nullopt;
  }
  // at_path() cuts at dots, and this claim has one in its name.
  auto const bound = claims.find("kubernetes.io");
  if (bound == claims.end()) {
    return std::nullopt;
  }
  std::string const ns = string_at(*bound, "namespace");
  std::string const name = string_at(*bound, "serviceaccount.name");
  object const account = objects_.get(service_accounts, ns, name);
  if (!account || account.uid() != string_at(*bound, "serviceaccount.uid")) {
    return std::nullopt;
  }
  return user_info::service_account(ns, name, account.uid());
}

}  // namespace codeexec::local
