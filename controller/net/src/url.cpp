#include "codeexec/net/url.hpp"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <charconv>

namespace codeexec::net {
namespace {

bool is_host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

}  // namespace

bool is_ip_address(std::string_view host) {
  boost::system::error_code ec;
  boost::asio::ip::make_address(host, ec);
  return !ec;
}

std::string url::authority() const {
  auto text = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != (tls ? 443 : 80)) text += ":" + std::to_string(port);
  return text;
}

std::string url::to_string() const {
  return (tls ? "https://" : "http://") + authority() + path;
}

base::result<url> parse_url(std::string_view text) {
  // The text itself is not repeated in a message: it may hold a password.
  url out;
  auto rest = text;
  if (rest.starts_with("https://")) {
    out.tls = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return base::error("a server address begins with https:// or http://");
  }

  auto const authority = rest.substr(0, rest.find_first_of("/?#"));
  rest.remove_prefix(authority.size());
  if (authority.find('@') != std::string_view::npos) return base::error("a server address holds no user or password");
  if (rest.find_first_of("?#") != std::string_view::npos) {
    return base::error("a server address holds no query and no fragment");
  }

  std::string_view port;
  bool has_port = false;
  if (authority.starts_with('[')) {
    auto const end = authority.find(']');
    if (end == std::string_view::npos) return base::error("the address in brackets does not end");
    out.host = authority.substr(1, end - 1);
    if (!is_ip_address(out.host) || out.host.find(':') == std::string::npos) {
      return base::error("what stands in brackets is not an IPv6 address");
    }
    auto const after = authority.substr(end + 1);
    if (!after.empty() && after.front() != ':') return base::error("only a port may follow the brackets");
    has_port = !after.empty();
    if (has_port) port = after.substr(1);
  } else {
    auto const colon = authority.find(':');
    out.host = authority.substr(0, colon);
    has_port = colon != std::string_view::npos;
    if (has_port) port = authority.substr(colon + 1);
    if (!std::all_of(out.host.begin(), out.host.end(), is_host_character)) {
      return base::error("the host name holds a character that no host name has");
    }
  }
  if (out.host.empty()) return base::error("the host is missing");

  out.port = out.tls ? 443 : 80;
  if (has_port) {
    auto const [end, ec] = std::from_chars(port.data(), port.data() + port.size(), out.port);
    if (ec != std::errc() || end != port.data() + port.size() || out.port == 0) {
      return base::error("the port is not a number from 1 to 65535");
    }
  }
  for (char const c : rest) {
    if (static_cast<unsigned char>(c) <= ' ' || c == '\x7f') return base::error("the path holds a blank");
  }
  while (rest.ends_with('/'))
    rest.remove_suffix(1);
  out.path = rest;
  return out;
}

}  // namespace codeexec::net
