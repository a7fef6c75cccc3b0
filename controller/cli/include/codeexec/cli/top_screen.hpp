// What `top` shows: the executions that run and wait, as lines that fit a terminal. Pure: top.cpp keeps it up to date.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "codeexec/api/code_execution.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/cli/describe.hpp"

namespace codeexec::cli {

/// What is kept of one that has not ended. Small: thousands may wait.
struct top_entry {
  std::string namespace_;
  std::string name;
  std::string phase;
  std::string reason;
  std::string message;
  std::optional<base::wall_time> created;
  std::optional<base::wall_time> started;
  bool started_exactly = false;  ///< else when its pod was scheduled
  std::int64_t timeout_seconds = 0;
  std::optional<std::int64_t> position;  ///< in the queue
  std::int64_t waiting = 0;              ///< how many wait in that queue
  bool ends = false;                     ///< deleted or cancelled, and not over yet
};

/// "Position 3 of 17 in the queue (20 of 20 ...)": the operator says it in the message alone. False: it does not.
bool read_position(std::string const& message, std::int64_t& position, std::int64_t& waiting);

/// A view of a cluster, or a namespace of it, from what a list and a watch say. Thread: one at a time.
class top_model {
 public:
  void see(api::CodeExecution const& one);
  void lose(std::string const& uid);
  /// What is not seen between the two is not there any more.
  void begin_list();
  void end_list();

  /// In the order they are shown in.
  std::vector<top_entry> entries() const;
  /// By phase; "Pending" also by reason.
  std::map<std::string, std::int64_t> phases() const;
  std::map<std::string, std::int64_t> waiting_reasons() const;

 private:
  struct known {
    top_entry entry;
    bool over = false;
    bool listed = true;
  };
  std::map<std::string, known> by_uid_;
};

struct top_options_shown {
  std::string scope;    ///< "namespace agents", "every namespace"
  std::string trouble;  ///< empty, or why what is shown may be old
  bool with_namespace = false;
  std::size_t height = 0;  ///< of the terminal; 0: no bound, and no line about keys
};

/// The lines of the screen; as many as the height allows, and a line that says how many more there are.
std::string render_top(top_model const& model, top_options_shown const& how, screen const& on);

}  // namespace codeexec::cli
