// Sees everything that really happens, and says what must not have: the promises of the contract, checked at each
// change of the cluster and at the end.
#pragma once

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agenda.hpp"

namespace codeexec::simulation {

using nlohmann::json;

/// What an execution's code really did, and what was done to it. By the execution's UID.
struct truth {
  std::string name;
  int jobs = 0;  ///< that were ever made for it
  int runs = 0;  ///< how often the code was started
  bool running = false;
  std::string end;        ///< as the runner would say it: exited, signaled, timedOut, terminated; empty until then
  int exit_code = 0;      ///< of exited
  bool reported = false;  ///< the runner could
  std::string out;        ///< what the code has written by now
  std::string err;
  duration started{};
  std::set<std::string> disasters;  ///< what befell it beyond the operator's own troubles: "evicted", "node lost", ...
  bool cancel_asked = false;
  std::string waited_for;  ///< the reason of its newest status that was not final
  std::set<std::string> jobs_with_input;
  /// When the newest operator began its work, nothing was left that tells of a Job: it had been deleted by hand.
  bool job_forgotten = false;
  std::optional<duration> deletion_asked;
  std::optional<json> result;  ///< its final status, once that was written
  bool deleted = false;
};

class witness {
 public:
  explicit witness(agenda const& time) : time_(time) {}

  /// More than one Job may be made where a request reaches the server long after it was sent, or where two operators
  /// work at once: the code still runs once.
  bool one_job_only = true;
  /// A watch that broke, or comes many seconds late, may miss that the code ran.
  bool may_miss_a_run = false;
  /// How long the finalizer may hold an execution that is to be deleted, while an operator works.
  duration longest_deletion = 5min;
  /// Since when the newest operator works.
  duration operator_since{};
  bool operator_died = false;

  truth& of(std::string const& uid) { return executions_[uid]; }
  std::map<std::string, truth>& all() { return executions_; }

  void job_made(std::string const& uid);
  void input_made(std::string const& uid, std::string const& job_uid);
  void code_started(std::string const& uid);
  void deletion_asked(std::string const& uid);
  /// `before` is null for a new one.
  void execution_changed(json const* before, json const& after);
  void execution_gone(json const& last);

  void violated(std::string const& what);
  std::vector<std::string> const& violations() const { return violations_; }

 private:
  void judge(truth const& t, json const& status);

  agenda const& time_;
  std::map<std::string, truth> executions_;
  std::vector<std::string> violations_;
};

bool is_final(json const& status);

}  // namespace codeexec::simulation
