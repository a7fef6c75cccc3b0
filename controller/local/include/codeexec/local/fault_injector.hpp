// Faults on demand: what networks, proxies and overloaded API servers do to answers, when a test says so.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "codeexec/base/result.hpp"
#include "codeexec/net/server.hpp"

namespace codeexec::local {

struct access_control;

enum class fault_kind {
  delay,     ///< the answer comes after `wait`
  status,    ///< refused with `code` before anything is done
  truncate,  ///< done, but the JSON of the answer ends half-way; in a stream: a line does, and the stream with it
  reset,     ///< nothing is done, the connection is reset; in a stream: after the events
  silence,   ///< nothing comes any more, for `wait`; then the connection is reset. 0: until the client closes it, as on
             ///< a connection that is half open. In a stream: after the events
  lose,      ///< done, but the connection is reset instead of an answer
  end,       ///< a stream ends, as on a server's timeout
  cut,       ///< a stream is reset in the middle of a line
  expire,    ///< a watch says 410 in an ERROR event; any other call is refused with 410
};

struct fault {
  fault_kind kind = fault_kind::reset;
  int code = 500;
  std::string reason;
  std::optional<int> retry_after_seconds;
  std::chrono::milliseconds wait{0};
  std::size_t after_events = 0;
};

/// One API call, as rules name it.
struct fault_call {
  std::string agent;     ///< the User-Agent up to its first "/" or blank
  std::string verb;      ///< get, list, watch, create, update, patch, delete, deletecollection
  std::string resource;  ///< "jobs", "pods/log"
  std::string ns;
  std::string name;

  std::string describe() const { return agent + " " + verb + " " + resource; }
};

/// Which calls meet which fault. Pure.
class fault_rules {
 public:
  /// A list of objects: {"agent", "verb", "resource", "namespace", "name", "from", "times", "fault", "code", "reason",
  /// "retryAfterSeconds", "milliseconds", "afterEvents"}. The first five choose calls (absent: any; a name may end in
  /// "*"); `from` is the first of the chosen calls that is hit (1 by default), `times` how many are (1 by default; 0:
  /// all). An error names the rule and the key.
  static base::result<fault_rules> parse(nlohmann::json const& list);

  /// Counts the call; the fault of the first rule that hits it.
  std::optional<fault> next(fault_call const& call);

  /// {"rules": each with "hits", "calls": how often each kind of call was made since the rules were set}
  nlohmann::json report() const;

 private:
  struct rule {
    nlohmann::json text;
    fault_call pattern;
    std::int64_t from = 1;
    std::int64_t times = 1;
    std::int64_t seen = 0;
    std::int64_t hits = 0;
    fault what;
  };
  std::vector<rule> rules_;
  std::map<std::string, std::int64_t> calls_;
};

/// Stands before the API server. GET /faults reports, PUT /faults takes {"rules": [...]} for the old ones, DELETE
/// /faults forgets them: for the administrator alone, where there is access control.
///
/// Thread: the executor's single one. `next` must outlive it.
class fault_injector : public net::request_handler {
 public:
  fault_injector(boost::asio::any_io_executor executor, net::request_handler& next)
      : executor_(std::move(executor)), next_(next) {}

  void set_access_control(access_control const* access) { access_ = access; }
  boost::asio::awaitable<void> handle(net::server_request request, net::exchange& answer) override;

 private:
  boost::asio::awaitable<void> control(net::server_request request, net::exchange& answer);

  boost::asio::any_io_executor executor_;
  net::request_handler& next_;
  access_control const* access_ = nullptr;
  fault_rules rules_;
};

}  // namespace codeexec::local
