#include "proxy.hpp"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <utility>

#include "codeexec/base/encoding.hpp"
#include "codeexec/base/text.hpp"

namespace codeexec::kube {
namespace {

namespace ip = boost::asio::ip;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blank = " \t\r\n";
  auto const begin = text.find_first_not_of(blank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blank) - begin + 1);
}

std::optional<ip::address> as_address(std::string_view text) {
  boost::system::error_code failed;
  auto address = ip::make_address(text, failed);
  if (failed) return std::nullopt;
  // ::ffff:10.0.0.1 is 10.0.0.1, and a list that says so means both.
  if (address.is_v6() && address.to_v6().is_v4_mapped()) return ip::make_address_v4(ip::v4_mapped, address.to_v6());
  return address;
}

/// False, too, where `network` is none.
bool contains(std::string_view network, ip::address const& address) {
  boost::system::error_code failed;
  if (address.is_v4()) {
    auto const net = ip::make_network_v4(network, failed);
    return !failed && ip::network_v4(address.to_v4(), net.prefix_length()).network() == net.network();
  }
  auto const net = ip::make_network_v6(network, failed);
  return !failed && ip::network_v6(address.to_v6(), net.prefix_length()).network() == net.network();
}

/// One entry of NO_PROXY, taken apart.
struct exemption {
  std::string host;
  std::string port;  ///< empty: every port
};

exemption split_port(std::string_view entry) {
  if (entry.starts_with('[')) {
    auto const end = entry.find(']');
    if (end == std::string_view::npos) return {};
    auto const after = entry.substr(end + 1);
    return {std::string(entry.substr(1, end - 1)), std::string(after.starts_with(':') ? after.substr(1) : after)};
  }
  auto const colon = entry.find(':');
  // More than one colon and no brackets: an IPv6 address.
  if (colon == std::string_view::npos || entry.find(':', colon + 1) != std::string_view::npos) {
    return {std::string(entry), {}};
  }
  return {std::string(entry.substr(0, colon)), std::string(entry.substr(colon + 1))};
}

bool matches_name(std::string pattern, std::string const& host) {
  if (pattern.starts_with("*.")) pattern.erase(0, 1);
  if (pattern.starts_with('.')) return host.ends_with(pattern);
  return host == pattern || host.ends_with("." + pattern);
}

}  // namespace

base::result<proxy_config> parse_proxy(std::string_view text) {
  auto const scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos) return base::error("a proxy address begins with http:// or https://");
  auto const scheme = base::to_lower(text.substr(0, scheme_end));
  if (scheme != "http" && scheme != "https") {
    auto const is_a_word =
        !scheme.empty() && scheme.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789+-.") == std::string::npos;
    return base::error("unsupported scheme" + (is_a_word ? " \"" + scheme + "\"" : std::string()) +
                       ", must be http or https");
  }
  auto rest = text.substr(scheme_end + 3);
  auto const authority = rest.substr(0, rest.find_first_of("/?#"));
  proxy_config out;
  auto const at = authority.rfind('@');
  if (at != std::string_view::npos) {
    auto const person = authority.substr(0, at);
    auto const colon = person.find(':');
    auto const user = base::percent_decode(person.substr(0, colon));
    auto const password =
        base::percent_decode(colon == std::string_view::npos ? std::string_view() : person.substr(colon + 1));
    if (!user || !password) return base::error("user or password hold a % that is not followed by two digits");
    out.user = *user;
    out.password = *password;
    rest.remove_prefix(at + 1);
  }
  auto const url = net::parse_url(scheme + "://" + std::string(rest));
  if (!url) return base::error(url.error().message);
  out.url = url->to_string();
  out.tls = url->tls;
  out.host = url->host;
  out.port = url->port;
  return {boost::system::in_place_value, std::move(out)};
}

bool is_exempt_from_proxy(std::string_view no_proxy, net::url const& server) {
  auto host = base::to_lower(server.host);
  if (host.ends_with('.')) host.pop_back();
  auto const address = as_address(host);
  if (host == "localhost" || (address && address->is_loopback())) return true;
  auto const port = std::to_string(server.port);

  while (!no_proxy.empty()) {
    auto const entry = base::to_lower(trimmed(no_proxy.substr(0, no_proxy.find(','))));
    no_proxy.remove_prefix(std::min(no_proxy.find(','), no_proxy.size() - 1) + 1);
    if (entry == "*") return true;
    if (address && contains(entry, *address)) return true;
    auto const wanted = split_port(entry);
    if (wanted.host.empty() || (!wanted.port.empty() && wanted.port != port)) continue;
    auto const wanted_address = as_address(wanted.host);
    if (wanted_address ? address && *address == *wanted_address : matches_name(wanted.host, host)) return true;
  }
  return false;
}

base::result<std::optional<proxy_config>> proxy_from_environment(
    net::url const& server, std::function<std::optional<std::string>(std::string const&)> const& variable) {
  auto const first_of = [&](char const* capitals, char const* small) -> std::pair<std::string, std::string> {
    for (std::string const name : {capitals, small}) {
      auto value = std::string(trimmed(variable(name).value_or("")));
      if (!value.empty()) return {name, std::move(value)};
    }
    return {};
  };
  auto const [name, wanted] =
      server.tls ? first_of("HTTPS_PROXY", "https_proxy") : first_of("HTTP_PROXY", "http_proxy");
  if (wanted.empty() || is_exempt_from_proxy(first_of("NO_PROXY", "no_proxy").second, server)) {
    return std::optional<proxy_config>();
  }
  auto proxy = parse_proxy(wanted.find("://") == std::string::npos ? "http://" + wanted : wanted);
  if (!proxy) return base::error(name + ": " + proxy.error().message);
  return std::optional<proxy_config>(std::move(*proxy));
}

}  // namespace codeexec::kube
