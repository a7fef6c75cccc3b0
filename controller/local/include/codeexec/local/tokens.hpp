// Bearer tokens: those of ServiceAccounts (signed, expiring, bound to the account's uid) and the administrator's.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "codeexec/base/time.hpp"
#include "codeexec/local/access.hpp"
#include "codeexec/local/store.hpp"

namespace codeexec::local {

inline constexpr std::string_view token_issuer = "https://kubernetes.default.svc";

/// JSON Web Tokens with HMAC-SHA-256: a real cluster signs with an asymmetric key so that others can check; here nobody
/// but the server itself does.
class token_authority {
 public:
  struct secrets {
    std::string signing_key;          ///< 32 bytes or more, of randomness
    std::string administrator_token;  ///< what the kubeconfig holds
  };
  static secrets make_secrets();

  /// The store must outlive it.
  token_authority(store const& objects, secrets keys) : objects_(objects), keys_(std::move(keys)) {}

  /// For this ServiceAccount, which must be there.
  std::string issue(object const& account, std::chrono::seconds lifetime) const;
  std::string const& administrator_token() const { return keys_.administrator_token; }

  /// Whose token it is; nothing where it is forged, expired, or its account is gone.
  std::optional<user_info> authenticate(std::string_view token) const;

 private:
  store const& objects_;
  secrets keys_;
};

}  // namespace codeexec::local
