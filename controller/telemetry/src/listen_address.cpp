#include "codeexec/telemetry/listen_address.hpp"

#include <boost/asio/ip/address.hpp>
#include <charconv>
#include <cstdint>

namespace codeexec::telemetry {

namespace asio = boost::asio;

base::result<std::optional<listen_address>> parse_listen_address(std::string_view text) {
  if (text.empty() || text == "0") return std::optional<listen_address>();
  auto const wrong = [&] {
    return base::error("'" + std::string(text) + "' is no address to listen on (:8080, 127.0.0.1:8080, [::1]:8080)");
  };
  auto const colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong();
  auto const digits = text.substr(colon + 1);
  std::uint16_t port = 0;
  auto const [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (failed != std::errc() || end != digits.data() + digits.size() || digits.empty()) return wrong();

  auto host = text.substr(0, colon);
  listen_address to;
  if (host.empty()) {
    to.every_address = true;
    to.where = asio::ip::tcp::endpoint(asio::ip::tcp::v6(), port);
    return std::optional<listen_address>(to);
  }
  bool const bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  boost::system::error_code ec;
  auto const address = asio::ip::make_address(std::string(host), ec);
  if (ec || address.is_v6() != bracketed) return wrong();
  to.where = asio::ip::tcp::endpoint(address, port);
  return std::optional<listen_address>(to);
}

std::string describe(asio::ip::tcp::endpoint const& where) {
  auto const address = where.address().to_string();
  return (where.address().is_v6() ? "[" + address + "]" : address) + ":" + std::to_string(where.port());
}

}  // namespace codeexec::telemetry
