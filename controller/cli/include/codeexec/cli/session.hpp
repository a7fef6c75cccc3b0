// What every command needs: the cluster it talks to, the console it prints on, and the ways in which it fails.
#pragma once

#include <boost/asio/signal_set.hpp>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "codeexec/async/event.hpp"
#include "codeexec/async/task_group.hpp"
#include "codeexec/base/backoff.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/cli/arguments.hpp"
#include "codeexec/cli/completion.hpp"
#include "codeexec/cli/console.hpp"
#include "codeexec/cli/describe.hpp"
#include "codeexec/cli/explain.hpp"
#include "codeexec/kube_client/client.hpp"
#include "codeexec/kube_core/projection.hpp"
#include "codeexec/kube_core/request.hpp"

namespace codeexec::cli {

/// How long a single request may take.
inline constexpr std::chrono::seconds answer_time{30};

/// One invocation. Everything referred to outlives it. Thread: the executor of `tasks`.
struct session {
  kube::client& client;
  console& out;
  async::task_group& tasks;
  base::clock const& clock;
  base::rng random;
  std::string program;     ///< "kubectl codeexec"
  std::string namespace_;  ///< resolved
  std::string server;      ///< for messages
  std::string context;     ///< for messages; may be empty
  bool quiet = false;
  colour_choice colour = colour_choice::automatic;
};

/// What stdout takes: its width, colours where they are wanted, and what time it is.
screen screen_of(session const& in);

/// May the same request meet a better answer in a moment? Not where nobody listens: a person waits for the answer.
bool may_pass(kube::error const& e);

/// Sends what may be sent twice without harm (a read, a deletion, the same patch), and again after what passes (a busy
/// server, a broken connection, a conflict), a few times and until `by`. `repeated` becomes true where that was done:
/// an earlier try may have done the deed. Lifetime: `in` and `repeated` outlive it.
kube::task<kube::result<std::string>> send_patiently(session& in, kube::request request, base::deadline by,
                                                     bool* repeated = nullptr);

/// Prints "error: ..." for a failed request; the exit code that `run` gives it.
int report(session& in, kube::error const& e, std::string verb, std::string name);

// What several commands do with the cluster and the console.

/// report(), and the exit code of the commands other than `run`.
int failed(session& in, kube::error const& e, std::string verb, std::string name);
/// Prints on stdout and waits until it is out.
kube::task<int> print_out(session& in, std::string text);
/// Waits until all is written, for a second where a signal came (whoever was to read it may never do so, and the
/// process ends with `code`), then until the tasks have ended.
kube::task<void> finish(session& in, bool interrupted, int code);
kube::task<kube::result<nlohmann::json>> fetch(session& in, std::string name);
/// As kubectl writes it: without the bookkeeping of server-side apply.
void tidy(nlohmann::json& object);

struct found_objects {
  std::vector<nlohmann::json> items;
  std::string resource_version;  ///< where a watch goes on
};
/// Page by page; `keep` of each object, all of it where that is empty. `ns` empty: every namespace.
kube::task<kube::result<found_objects>> fetch_all(session& in, std::string ns, kube::list_options which,
                                                  kube::projection keep);

inline constexpr std::string_view field_manager = "kubectl-codeexec";
/// What kubectl calls one: "codeexecution.codeexec.dev/hello".
inline constexpr std::string_view shown_type = "codeexecution.codeexec.dev";

/// Pulses `wake` whenever `source` is pulsed, so that one coroutine waits for one thing only.
kube::task<void> relay_pulses(async::event* source, async::event* wake);

/// SIGINT, SIGTERM and SIGHUP as an event. A second one ends the process at once.
class interruption {
 public:
  interruption(async::task_group& tasks, console& out);

  /// The first signal's number, or 0.
  int signal() const { return signal_; }
  /// Pulsed when it comes.
  async::event& came() { return came_; }

 private:
  kube::task<void> listen();

  console& out_;
  boost::asio::signal_set signals_;
  async::event came_;
  int signal_ = 0;
};

// The commands. Each prints what it has to and returns the exit code.
/// `object` is what is sent, but for its namespace, and for its name where metadata.name is not there.
kube::task<int> run(session& in, run_options options, nlohmann::json object);
kube::task<int> get(session& in, get_options options);
kube::task<int> describe(session& in, describe_options options);
kube::task<int> logs(session& in, logs_options options);
kube::task<int> top(session& in, top_options options);
kube::task<int> remove(session& in, delete_options options);
kube::task<int> cancel(session& in, cancel_options options);
kube::task<int> resume(session& in, resume_options options);
/// What the forms for programs say about us.
nlohmann::json client_version();
kube::task<int> tell_version(session& in, version_options options);
/// Prints the candidates; errors are silent, for a shell waits.
kube::task<int> complete(session& in, completion_question question);

}  // namespace codeexec::cli
