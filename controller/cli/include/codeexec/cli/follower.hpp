// Follows one execution to its end: its status by a watch, its output by the pod's log as the code writes it, and what
// the log did not give from the status. Used by `run` and by `logs -f`.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "codeexec/api/code_execution.hpp"
#include "codeexec/async/event.hpp"
#include "codeexec/async/task_group.hpp"
#include "codeexec/base/backoff.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/cli/arguments.hpp"
#include "codeexec/cli/console.hpp"
#include "codeexec/cli/frame_reader.hpp"
#include "codeexec/cli/output_merge.hpp"
#include "codeexec/cli/tail_lines.hpp"
#include "codeexec/kube_client/client.hpp"

namespace codeexec::cli {

inline bool is_shown(stream_choice wanted, stream_name which) {
  return wanted == stream_choice::both || (wanted == stream_choice::out) == (which == stream_name::out);
}

class follower {
 public:
  struct settings {
    std::string namespace_;
    bool live = true;    ///< print output
    bool quiet = false;  ///< of what comes later or otherwise nothing is said; of what is lost it is
    stream_choice streams = stream_choice::both;
    std::optional<std::int64_t> tail{};          ///< of what was written before, only so many lines of each stream
    std::chrono::seconds give_up_after{5 * 60};  ///< without a word from the API server
  };
  enum class outcome {
    finished,  ///< status() is final; all its output was handed to the console
    deleted,   ///< the object went away before it was final
    failed,    ///< see error(): refused, or out of touch for too long
    stopped,   ///< stop() was called
  };

  /// `client`, `out` and `tasks` outlive it; the tasks are spawned into `tasks` and end with it or with stop().
  follower(kube::client& client, console& out, async::task_group& tasks, settings how, base::rng random);

  /// Starts from the object as the server gave it. Once.
  void start(nlohmann::json const& object);

  /// Ends when one of the outcomes is there.
  kube::task<outcome> wait();
  /// Makes wait() end and nothing more be printed.
  void stop();

  api::CodeExecution const& object() const { return object_; }
  api::CodeExecutionStatus const& status() const { return object_.status; }
  /// The object's newest state, as it came.
  nlohmann::json const& raw() const { return raw_; }
  std::optional<kube::error> const& error() const { return error_; }
  /// Why there is no live output, where the server refused it.
  std::optional<kube::error> const& log_refusal() const { return log_refusal_; }

  bool output_began() const { return output_began_; }
  /// Pulsed whenever the status or output_began() may have changed.
  async::event& changed() { return changed_; }

 private:
  kube::task<void> watch_object(std::string resource_version);
  kube::task<void> watch_pod();
  kube::task<void> follow_log();
  /// One connection to the log: what was read before is skipped.
  kube::task<kube::result<void>> read_log(std::string pod, bool follow);

  void take_object(nlohmann::json const& object);
  void take_pod(nlohmann::json const& object);
  void take_output(stream_name from, std::string_view bytes);
  void print_pending();
  void tell_full();
  /// Hands output on, or holds it back while it is not known where the last lines begin.
  void emit(std::vector<piece> pieces);
  void release();
  bool output_is_settled() const;
  void print_rest();

  kube::client& client_;
  console& out_;
  async::task_group& tasks_;
  settings how_;
  base::rng random_;

  nlohmann::json raw_;
  api::CodeExecution object_;
  std::optional<kube::error> error_;
  std::optional<kube::error> log_refusal_;
  std::optional<base::steady_time> out_of_touch_since_;
  kube::error last_trouble_{kube::error_kind::connection, ""};
  std::optional<base::steady_time> final_since_;
  bool deleted_ = false;
  bool stopped_ = false;
  bool output_began_ = false;

  std::string pod_name_;
  bool container_terminated_ = false;
  bool log_open_ = false;
  bool log_over_ = false;
  std::uint64_t log_bytes_ = 0;  ///< of the log, read so far over all connections
  frame_reader frames_;
  stream_progress progress_out_;
  stream_progress progress_err_;
  std::vector<piece> pending_;
  std::map<stream_name, std::int64_t>
      full_;      ///< streams of which no more comes live, after so many bytes; yet to be told
  bool holding_;  ///< settings::tail, until what was written before is read
  tail_lines held_out_;
  tail_lines held_err_;

  async::event changed_;
  async::event pod_changed_;
};

}  // namespace codeexec::cli
