// Which proxy leads to a server: as Go's programs, kubectl among them, read it from a kubeconfig and the environment.
// Pure: it opens nothing and resolves nothing.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "codeexec/base/result.hpp"
#include "codeexec/kube_client/cluster_config.hpp"
#include "codeexec/net/url.hpp"

namespace codeexec::kube {

/// "http://[user[:password]@]host[:port]" or https://. The error never repeats the text: a password may be in it.
/// A scheme that we do not speak is an error: going round a proxy that somebody demands is worse than not going at all.
base::result<proxy_config> parse_proxy(std::string_view text);

/// What HTTPS_PROXY (for https:// servers) or HTTP_PROXY names, unless NO_PROXY exempts the server; capitals before
/// small letters. The scheme may be missing there and is then http://. The error names the variable.
///
/// golang.org/x/net/http/httpproxy is what kubectl goes by: localhost and loopback addresses never meet a proxy.
base::result<std::optional<proxy_config>> proxy_from_environment(
    net::url const& server, std::function<std::optional<std::string>(std::string const&)> const& variable);

/// Is the server exempt by this NO_PROXY list: "*", "10.0.0.0/8", "10.1.2.3:6443", "[::1]", "example.com" (with all
/// below it), ".example.com" or "*.example.com" (only what is below it), each with an optional port.
bool is_exempt_from_proxy(std::string_view no_proxy, net::url const& server);

}  // namespace codeexec::kube
