// What probes ask: does the loop turn, and could this operator take over at any moment?
#pragma once

#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codeexec/base/time.hpp"

namespace codeexec::telemetry {

/// Where the operator stands.
enum class role {
  starting,  ///< no part of it runs yet
  alone,     ///< works, without leader election
  standby,   ///< another one holds the Lease, or it is not known yet who does
  leading,
  stopping,  ///< lets what is under way finish
};
std::string_view name_of(role r);

struct health_limits {
  /// Without a turn of the loop for so long, the program hangs. The longest turn known, a page of a list, takes 40 ms.
  std::chrono::seconds loop{10};
  /// A pass is cancelled at its own limit (runtime::controller_options::pass_limit); one that outlives this does not
  /// even take notice of that.
  std::chrono::seconds pass{300};
};

/// Facts that the loop's thread tells and any thread may read, also while the loop hangs. Thread-safe.
class health {
 public:
  struct check {
    std::string name;
    bool passed = false;
    std::string detail;  ///< for a person; names no object
  };
  struct report {
    std::vector<check> checks;
    bool passed() const;
  };

  /// `caches`: names of what must be filled before the operator can work.
  health(std::vector<std::string> caches, base::steady_time now, health_limits limits = {});

  // Told by the loop.
  /// It turns. `oldest_pass`: since when the pass has been under way that began first, where there is any.
  void beat(base::steady_time now, std::optional<base::steady_time> oldest_pass);
  void set_synced(std::string_view cache);
  void set_role(role r);

  // Asked by the probes.
  /// Should it go on living? Restarting it is the repair.
  report live(base::steady_time now) const;
  /// Could it work, or take over? A standby is as ready as a leader: its caches are warm.
  report ready(base::steady_time now) const;

  role where() const;
  /// Since the loop turned last.
  std::chrono::steady_clock::duration silence(base::steady_time now) const;

 private:
  struct cache {
    std::string name;
    bool synced = false;
  };
  check check_loop(base::steady_time now) const;

  mutable std::mutex lock_;
  health_limits limits_;
  std::vector<cache> caches_;
  base::steady_time beat_;
  std::optional<base::steady_time> oldest_pass_;
  role role_ = role::starting;
};

/// As Kubernetes' own programs write it: "ok" and the role where all is well; else, or where `verbose`, a line for each
/// check ("[+]loop ok: ...", "[-]caches failed: ...").
std::string render(health::report const& what, std::string_view endpoint, std::string_view summary, bool verbose);

}  // namespace codeexec::telemetry
