// The address of a server.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "codeexec/base/result.hpp"

namespace codeexec::net {

/// http(s)://host[:port][/path]. No user, query or fragment: a server's address has none, and a password in an address
/// ends in logs.
struct url {
  bool tls = false;
  std::string host;        ///< without the brackets of an IPv6 address
  std::uint16_t port = 0;  ///< the scheme's own where the text has none
  std::string path;        ///< prefix of every target: empty or "/k8s/cluster" without a slash at the end

  /// "host", "host:6443", "[::1]:6443": for the Host header and for people.
  std::string authority() const;
  /// Scheme, authority and path.
  std::string to_string() const;
};

base::result<url> parse_url(std::string_view text);

/// True for an IPv4 or IPv6 address (no name: no DNS, no SNI).
bool is_ip_address(std::string_view host);

}  // namespace codeexec::net
