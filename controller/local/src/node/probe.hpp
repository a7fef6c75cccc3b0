// Liveness, readiness and startup probes of a container: what they ask, when they have made up their mind, and the
// asking itself.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "codeexec/base/result.hpp"

namespace codeexec::local {

struct probe_settings {
  bool http = true;  ///< false: it is enough that the connection is made
  std::string path = "/";
  unsigned short port = 0;
  std::chrono::seconds initial_delay{0};
  std::chrono::seconds period{10};
  std::chrono::seconds timeout{1};
  int successes = 1;  ///< in a row
  int failures = 3;   ///< in a row
};

/// `container`: for the names of its ports. The failure is a sentence about a probe that this node cannot make (exec,
/// grpc, https). Pure.
base::result<probe_settings> read_probe(nlohmann::json const& probe, nlohmann::json const& container);

/// Counts answers. Pure.
class probe_verdict {
 public:
  probe_verdict(int successes, int failures) : successes_(successes), failures_(failures) {}
  /// The verdict, whenever there are as many equal answers in a row as it takes.
  std::optional<bool> add(bool good);

 private:
  int successes_;
  int failures_;
  bool last_ = false;
  int in_a_row_ = 0;
};

/// One probe of one container, again and again until it is destroyed. No callback afterwards.
/// Thread: the executor's one.
class prober {
 public:
  using socket_maker = std::function<base::result<boost::asio::ip::tcp::socket>()>;
  /// `answer`: after each asking; `why` is empty where it was good.
  prober(boost::asio::any_io_executor executor, probe_settings settings, boost::asio::ip::address where,
         socket_maker make, std::function<void(bool good, std::string const& why)> answer);
  ~prober();
  prober(prober const&) = delete;
  prober& operator=(prober const&) = delete;

 private:
  struct state;
  std::shared_ptr<state> state_;
};

}  // namespace codeexec::local
