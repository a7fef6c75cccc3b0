// The real client: requests of kube_core over HTTP/1.1, answers as values or typed errors.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "codeexec/base/time.hpp"
#include "codeexec/kube_client/client.hpp"
#include "codeexec/kube_client/client_counters.hpp"
#include "codeexec/kube_client/cluster_config.hpp"

namespace codeexec::kube {

class credentials;

struct rest_client_options {
  std::string user_agent = "codeexec";       ///< make_user_agent(): what the server's audit log shows
  std::size_t max_connections = 16;          ///< for send(); calls beyond wait in line. Streams have their own
  std::size_t max_body = 64U * 1024 * 1024;  ///< of a whole answer, decompressed; more is an error, is_oversized()
  bool compression = true;                   ///< let the server compress what it answers to a GET (large lists)
  /// Requests a second over time, and at once after a quiet while. 0: no limit. Watches and everything about leases do
  /// not count: a flood of writes must not cost the leadership.
  double qps = 0;
  int burst = 1;
  /// How often a request is sent at most where the server refuses it without acting (retry_schedule).
  int max_tries = 6;
  /// On top of the deadline that the caller gives: API servers give up on a request after as long.
  std::chrono::milliseconds call_timeout{60'000};
  /// Those of make_credentials() for the same cluster, where several clients of one program share them: a plugin is
  /// then run once for all. Null: its own.
  std::shared_ptr<credentials> who;
};

/// "codeexec-controller/0.1.0 (linux/amd64)".
std::string make_user_agent(std::string_view program, std::string_view version);

/// Credentials and certificate files are read again as they rotate (at most once a minute). A 401 makes it fetch the
/// credential anew, look at the files at once and, where there is another one, repeat the request: the server did not
/// act on it. So it does, after a wait, with what the server is too busy for (429, 503 with Retry-After), while tries
/// and the deadline allow it; then the refusal is the answer. It repeats nothing else but reads on a kept connection
/// that turned out dead.
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

  client_counters counted() const;

 private:
  class impl;
  explicit rest_client(std::shared_ptr<impl> i);
  std::shared_ptr<impl> impl_;  // calls under way hold it too
};

}  // namespace codeexec::kube
