// The real client: requests of kube_core over HTTP/1.1, answers as values or typed errors.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "codeexec/base/time.hpp"
#include "codeexec/kube_client/client.hpp"
#include "codeexec/kube_client/cluster_config.hpp"

namespace codeexec::kube {

struct rest_client_options {
  std::string user_agent = "codeexec";       ///< "program/version (os/arch)": what the server's audit log shows
  std::size_t max_connections = 16;          ///< for send(); calls beyond wait in line. Streams have their own
  std::size_t max_body = 64U * 1024 * 1024;  ///< of a whole answer; a larger one is an error of kind `protocol`
};

/// Credentials and certificate files are read again as they rotate (at most once a minute). A 401 makes it fetch the
/// credential anew and, where that gave another one, repeat the request: the server did not act on it.
///
/// Logs method, path, status and time of each call at debug; never headers or bodies.
class rest_client final : public client {
 public:
  /// Errors: kind `config`: the server's address, a certificate or a key is unusable. Connects to nothing yet.
  /// `clock` must outlive the client.
  static result<std::unique_ptr<rest_client>> create(boost::asio::any_io_executor executor, cluster_config config,
                                                     rest_client_options options = {},
                                                     base::clock const& clock = base::system_clock(),
                                                     config_environment environment = process_environment());
  ~rest_client() override;

  /// Gets the credential that the first request needs. For a program with a person before it: what a plugin asks of
  /// them takes longer than a request may. Cancellable (terminal).
  task<result<void>> log_in(base::deadline by);

  task<result<std::string>> send(request r, base::deadline by) override;
  task<result<std::unique_ptr<byte_stream>>> open_stream(request r, base::deadline by) override;

 private:
  class impl;
  explicit rest_client(std::shared_ptr<impl> i);
  std::shared_ptr<impl> impl_;  // calls under way hold it too
};

}  // namespace codeexec::kube
