// Where to listen, as people write it in a flag.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "codeexec/base/result.hpp"

namespace codeexec::telemetry {

struct listen_address {
  boost::asio::ip::tcp::endpoint where;
  bool every_address = false;  ///< ":8080": IPv6 and IPv4 where the machine has both, else the one it has
};

/// ":8080", "127.0.0.1:8080", "[::1]:8080"; port 0: any free one. Nothing for "" and "0", which switch it off.
base::result<std::optional<listen_address>> parse_listen_address(std::string_view text);

/// "127.0.0.1:8080", "[::]:8080".
std::string describe(boost::asio::ip::tcp::endpoint const& where);

}  // namespace codeexec::telemetry
