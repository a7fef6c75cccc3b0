// The HTTP face of the store: the Kubernetes API as far as the stand-in serves it.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "codeexec/local/custom_types.hpp"
#include "codeexec/local/log_source.hpp"
#include "codeexec/local/store.hpp"
#include "codeexec/net/server.hpp"

namespace codeexec::local {

struct access_control;
class pod_ports;

/// Answers every request to net::http_server. Without access control whoever reaches the socket is the administrator,
/// which is why the program listens on loopback.
///
/// Thread: the executor's single one. Lifetime: the store, the definitions and the log source must outlive it; requests
/// under way must have ended (http_server::stop()) before it is destroyed.
class api_server : public net::request_handler {
 public:
  api_server(boost::asio::any_io_executor executor, store& objects, custom_types& customs);
  ~api_server() override;

  /// Where pods/log reads from; null: logs cannot be had (no node).
  void set_log_source(log_source* logs);
  /// How pods are reached for pods/proxy; null: they are not.
  void set_pod_ports(pod_ports* ports);
  /// Null: everybody may do everything. Must outlive the server.
  void set_access_control(access_control const* access);
  /// "127.0.0.1:18080": what discovery says the server's address is.
  void set_address(std::string address);

  boost::asio::awaitable<void> handle(net::server_request request, net::exchange& answer) override;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace codeexec::local
