// pods/proxy: a GET that is handed on to a program in a pod, as `kubectl get --raw .../pods/NAME:PORT/proxy/metrics`
// asks for it.
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <charconv>

#include "codeexec/local/cluster_access.hpp"

#include "rest_state.hpp"

namespace codeexec::local {
namespace {

namespace beast = boost::beast;
constexpr auto proxy_token = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::seconds proxy_patience{30};
constexpr std::uint64_t largest_proxied = 16u * 1024u * 1024u;

/// "NAME", "NAME:PORT" or "http:NAME:PORT".
struct proxied {
  std::string scheme;
  std::string name;
  std::string port;
};

proxied read_proxied(std::string const& text) {
  proxied out;
  auto const first = text.find(':');
  auto const last = text.rfind(':');
  if (first == std::string::npos) {
    out.name = text;
  } else if (first == last) {
    out.name = text.substr(0, first);
    out.port = text.substr(first + 1);
  } else {
    out.scheme = text.substr(0, first);
    out.name = text.substr(first + 1, last - first - 1);
    out.port = text.substr(last + 1);
  }
  return out;
}

/// The number, or the port of this name; with none given the first that the pod names. 0: there is none.
unsigned short find_port(json const& pod, std::string const& wanted) {
  unsigned short number = 0;
  auto const read = std::from_chars(wanted.data(), wanted.data() + wanted.size(), number);
  if (!wanted.empty() && read.ec == std::errc() && read.ptr == wanted.data() + wanted.size()) {
    return number;
  }
  json const& containers = at_path(pod, "spec.containers");
  for (std::size_t i = 0; containers.is_array() && i < containers.size(); ++i) {
    json const& ports = at_path(containers[i], "ports");
    for (std::size_t j = 0; ports.is_array() && j < ports.size(); ++j) {
      if (wanted.empty() || string_at(ports[j], "name") == wanted) {
        return static_cast<unsigned short>(integer_at(ports[j], "containerPort").value_or(0));
      }
    }
  }
  return 0;
}

}  // namespace

asio::awaitable<void> api_server::state::proxy_to_pod(target t, std::string query_text, exchange& answer) {
  auto const which = read_proxied(t.path.name);
  auto const pod = objects.require(kube::pods, t.path.ns, which.name);
  std::optional<status_error> refusal;
  if (!pod) {
    refusal = pod.error();
  } else if (!which.scheme.empty() && which.scheme != "http") {
    refusal = status_error::bad_request("codeexec-local proxies plain HTTP alone");
  } else if (ports == nullptr) {
    refusal = status_error::bad_request("no node: there are no pods to reach");
  }
  auto const port = refusal ? static_cast<unsigned short>(0) : find_port(**pod, which.port);
  if (!refusal && port == 0) {
    refusal = status_error::bad_request("no port \"" + which.port + "\" in pod \"" + which.name + "\"");
  }
  if (refusal) {
    reply out = reply::of(*refusal);
    co_await send(answer, std::move(out));
    co_return;
  }
  auto way = ports->open_way(*pod);
  if (!way) {
    reply out = reply::of(way.error());
    co_await send(answer, std::move(out));
    co_return;
  }
  asio::ip::tcp::endpoint const where(way->address, port);
  beast::tcp_stream stream(std::move(way->socket));
  stream.expires_after(proxy_patience);
  auto const [connect_ec] = co_await stream.async_connect(where, proxy_token);
  auto failure = connect_ec ? "dial tcp " + where.address().to_string() + ":" + std::to_string(port) +
                                  ": connect: " + connect_ec.message()
                            : std::string();
  beast::http::response_parser<beast::http::string_body> parser;
  parser.body_limit(largest_proxied);
  if (failure.empty()) {
    std::string const path = (t.path.rest.empty() ? "/" : t.path.rest) + (query_text.empty() ? "" : "?" + query_text);
    beast::http::request<beast::http::string_body> question(beast::http::verb::get, path, 11);
    question.set(beast::http::field::host, where.address().to_string());
    question.set(beast::http::field::connection, "close");
    auto const [write_ec, written] = co_await beast::http::async_write(stream, question, proxy_token);
    failure = write_ec ? write_ec.message() : std::string();
  }
  if (failure.empty()) {
    beast::flat_buffer buffer;
    auto const [read_ec, got] = co_await beast::http::async_read(stream, buffer, parser, proxy_token);
    failure = read_ec ? read_ec.message() : std::string();
  }
  if (!failure.empty()) {
    reply out = reply::of(status_error(503, "ServiceUnavailable", "error trying to reach service: " + failure));
    co_await send(answer, std::move(out));
    co_return;
  }
  auto message = parser.release();
  auto const type = message[beast::http::field::content_type];
  reply out(static_cast<int>(message.result_int()), std::string(type), std::move(message.body()));
  co_await send(answer, std::move(out));
}

}  // namespace codeexec::local
