// /healthz, /readyz and /metrics, answered by a thread of their own: whoever asks learns that the loop hangs, too.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <string>

#include "codeexec/base/result.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/telemetry/health.hpp"
#include "codeexec/telemetry/listen_address.hpp"
#include "codeexec/telemetry/operator_counters.hpp"

namespace codeexec::telemetry {

/// Two small HTTP servers without TLS: put a proxy before them where the network is not trusted. Whoever can connect is
/// bounded all the same: connections, size of a request, time for one, and how often a scrape bothers the loop (once a
/// second; scrapes in between get the same numbers).
///
/// Lifetime: health and clock outlive it, and so does whatever `collect` refers to. Call stop() first, from any thread
/// but its own.
class monitoring_server {
 public:
  /// `collect` is called on `loop`, where the counters live; it must not block. A loop that does not answer in time
  /// leaves only those metrics that do not need it.
  monitoring_server(boost::asio::any_io_executor loop, health const& state, base::clock const& clock,
                    std::function<operator_counters()> collect);
  ~monitoring_server();
  monitoring_server(monitoring_server const&) = delete;
  monitoring_server& operator=(monitoring_server const&) = delete;

  // Before start(). The address that it listens on.
  base::result<boost::asio::ip::tcp::endpoint> listen_for_probes(listen_address const& where);
  base::result<boost::asio::ip::tcp::endpoint> listen_for_scrapes(listen_address const& where);

  void start();
  /// Closes everything; the thread has ended when it returns. Idempotent.
  void stop();

 private:
  class impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace codeexec::telemetry
