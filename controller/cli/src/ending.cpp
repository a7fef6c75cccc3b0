#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <unistd.h>
#include <utility>

#include "codeexec/api/json.hpp"
#include "codeexec/api/names.hpp"
#include "codeexec/async/deadline.hpp"
#include "codeexec/cli/duration.hpp"
#include "codeexec/cli/exit_code.hpp"
#include "codeexec/cli/object_watch.hpp"
#include "codeexec/cli/progress.hpp"
#include "codeexec/cli/render.hpp"
#include "codeexec/cli/session.hpp"
#include "codeexec/kube_core/json.hpp"
#include "codeexec/kube_core/list.hpp"
#include "codeexec/kube_core/request.hpp"

// What ends an execution, or lets it begin: delete, cancel, resume.
namespace codeexec::cli {

namespace {

using namespace std::chrono_literals;

/// One that the command is about. From names nothing else is known yet.
struct chosen_one {
  std::string name;
  std::optional<api::CodeExecution> object;
};

kube::projection who_and_how() {
  return {kube::kept_metadata(), {"spec", {"suspend", "cancel"}}, {"status", {"phase", "reason", "message"}}};
}

/// The names as they are given, or what the selector finds.
kube::task<kube::result<std::vector<chosen_one>>> choose(session& in, chosen_ones which) {
  std::vector<chosen_one> chosen;
  for (auto& name : which.names)
    chosen.push_back({std::move(name), std::nullopt});
  if (!chosen.empty()) co_return chosen;
  kube::list_options options;
  options.label_selector = which.selector;
  auto keep = who_and_how();
  auto found = co_await fetch_all(in, in.namespace_, std::move(options), std::move(keep));
  if (!found) co_return found.error();
  for (auto const& item : found->items) {
    auto decoded = api::decode_code_execution(item);
    if (auto* const value = std::get_if<api::CodeExecution>(&decoded)) {
      auto name = value->metadata.name;
      chosen.push_back({std::move(name), std::move(*value)});
    }
  }
  co_return chosen;
}

bool is_over(chosen_one const& one) {
  return one.object && one.object->status.is_final();
}

/// As kubectl asks: what it is about, then y or nothing happens. A person's time; nothing of ours is under way.
bool ask_first(session& in, std::string const& verb, std::vector<chosen_one> const& chosen) {
  std::string question = "You are about to " + verb + " in namespace " + printable(in.namespace_) + ":\n";
  for (auto const& one : chosen) {
    question += "  " + printable(one.name);
    if (one.object && !one.object->status.phase.empty()) question += "  " + printable(one.object->status.phase);
    question += "\n";
  }
  question += "Do you want to continue? (y/N): ";
  [[maybe_unused]] auto const written = ::write(STDERR_FILENO, question.data(), question.size());
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

/// True once it is gone; false after `time`.
kube::task<bool> wait_until_gone(session& in, std::string name, std::string uid, std::chrono::seconds time) {
  bool gone = false;
  watch_target target;
  target.type = kube::code_executions;
  target.namespace_ = in.namespace_;
  target.field_selector = "metadata.name=" + name;
  async::event changed(in.tasks.executor());
  struct waiting {
    static kube::task<void> watch(kube::client* client, watch_target what, object_watch::handler to, base::rng random,
                                  bool* gone_already, async::event* wake) {
      object_watch watching(*client, std::move(what), std::move(to), random);
      auto const refusal = co_await watching.run();
      // Who may delete but not watch cannot wait; and a namespace that is gone has nothing in it.
      if (!refusal.is_cancelled()) *gone_already = true;
      wake->pulse();
    }
  };
  object_watch::handler to;
  auto const leave = [&gone, &changed] {
    gone = true;
    changed.pulse();
  };
  to.deleted = [leave](nlohmann::json const&) { leave(); };
  to.listed = [leave](std::size_t count) {
    if (count == 0) leave();
  };
  to.seen = [leave, uid](nlohmann::json const& object) {
    auto const decoded = api::decode_code_execution(object);
    auto const* const value = std::get_if<api::CodeExecution>(&decoded);
    if (value != nullptr && !uid.empty() && value->metadata.uid != uid) leave();
  };
  async::task_group watchers(in.tasks.executor());
  watchers.spawn("watch until it is gone", waiting::watch(&in.client, target, to, in.random, &gone, &changed));
  auto const by = base::deadline::after(time);
  while (!gone && !by.passed()) {
    co_await changed.wait_until(by);
  }
  watchers.stop();
  co_await watchers.join();
  co_return gone;
}

/// The state in which it ended; nothing after `time`, or where it is not there any more.
struct ending {
  std::optional<api::CodeExecution> final_state;
  bool gone = false;
  std::optional<kube::error> refusal;
};

kube::task<ending> wait_until_over(session& in, std::string name, std::string uid, std::chrono::seconds time) {
  ending seen;
  watch_target target;
  target.type = kube::code_executions;
  target.namespace_ = in.namespace_;
  target.field_selector = "metadata.name=" + name;
  async::event changed(in.tasks.executor());
  object_watch::handler to;
  to.seen = [&seen, &changed, uid](nlohmann::json const& object) {
    auto decoded = api::decode_code_execution(object);
    auto* const value = std::get_if<api::CodeExecution>(&decoded);
    if (value == nullptr) return;
    if (!uid.empty() && value->metadata.uid != uid) {
      seen.gone = true;
    } else if (value->status.is_final()) {
      seen.final_state = std::move(*value);
    } else {
      return;
    }
    changed.pulse();
  };
  to.deleted = [&seen, &changed](nlohmann::json const&) {
    seen.gone = true;
    changed.pulse();
  };
  to.listed = [&seen, &changed](std::size_t count) {
    if (count == 0) {
      seen.gone = true;
      changed.pulse();
    }
  };
  struct waiting {
    static kube::task<void> watch(kube::client* client, watch_target what, object_watch::handler whom, base::rng random,
                                  ending* into, async::event* wake) {
      object_watch watching(*client, std::move(what), std::move(whom), random);
      auto const refusal = co_await watching.run();
      if (!refusal.is_cancelled()) into->refusal = refusal;
      wake->pulse();
    }
  };
  async::task_group watchers(in.tasks.executor());
  watchers.spawn("watch until it is over", waiting::watch(&in.client, target, to, in.random, &seen, &changed));
  auto const by = base::deadline::after(time);
  while (!seen.final_state && !seen.gone && !seen.refusal && !by.passed()) {
    co_await changed.wait_until(by);
  }
  watchers.stop();
  co_await watchers.join();
  co_return seen;
}

/// "what was kept": the last part of cancel's sentence.
std::string kept_sentence(api::CodeExecutionStatus const& status) {
  if (!status.output) return "it had not begun, so there is no output";
  auto const part = [](char const* name, std::int64_t bytes, bool truncated) {
    return format_bytes(bytes) + " of " + name + (truncated ? " (the middle left out)" : "");
  };
  return "kept: " + part("stdout", status.output->stdoutBytes, status.output->stdoutTruncated) + ", " +
         part("stderr", status.output->stderrBytes, status.output->stderrTruncated);
}

std::string in_type(std::string const& name) {
  return std::string(shown_type) + " \"" + printable(name) + "\"";
}

/// Nothing where it is none that we can read: what is done to it does not depend on that.
std::optional<api::CodeExecution> read_execution(nlohmann::json const& object) {
  auto decoded = api::decode_code_execution(object);
  auto* const value = std::get_if<api::CodeExecution>(&decoded);
  return value == nullptr ? std::nullopt : std::optional(std::move(*value));
}

kube::task<kube::result<std::string>> patch_spec(session& in, std::string name, std::string patch) {
  auto request = kube::make_patch(kube::code_executions, in.namespace_, std::move(name), kube::patch_type::merge,
                                  std::move(patch), field_manager);
  auto const by = base::deadline::after(answer_time);
  co_return co_await send_patiently(in, std::move(request), by);
}

void say_none(session& in) {
  if (!in.quiet) in.out.say("No CodeExecutions found in namespace " + printable(in.namespace_) + ".");
}

}  // namespace

kube::task<int> remove(session& in, delete_options options) {
  auto chosen = co_await choose(in, options.which);
  if (!chosen) co_return failed(in, chosen.error(), "list", "");
  if (chosen->empty()) {
    say_none(in);
    co_await in.out.flush();
    co_return exit_codes::ok;
  }
  if (options.interactive && !ask_first(in, "delete", *chosen)) {
    in.out.say("codeexec: nothing is deleted");
    co_await in.out.flush();
    co_return exit_codes::ok;
  }
  auto const time = std::chrono::seconds(options.timeout_seconds);
  auto code = exit_codes::ok;
  // Each is told to end before the first is waited for.
  struct held_one {
    std::string name;
    std::string uid;
  };
  std::vector<held_one> held_ones;
  for (auto const& one : *chosen) {
    auto const& name = one.name;
    kube::delete_options how;
    if (one.object) how.uid = one.object->metadata.uid;
    auto request = kube::make_delete(kube::code_executions, in.namespace_, name, how);
    auto const by = base::deadline::after(answer_time);
    bool repeated = false;
    auto answer = co_await send_patiently(in, std::move(request), by, &repeated);
    if (!answer && answer.error().is_not_found() && (repeated || one.object)) {
      // The first try did it and its answer was lost, or it went by itself since the list.
      answer = std::string("{}");
    }
    if (!answer) {
      code = failed(in, answer.error(), "delete", name);
      continue;
    }
    // The answer is the object where a finalizer still holds it, a Status where it is gone already.
    auto const body = kube::parse_answer(*answer);
    auto decoded = api::decode_code_execution(body);
    auto const* const object = std::get_if<api::CodeExecution>(&decoded);
    auto const held = object != nullptr && !object->metadata.uid.empty() && !object->metadata.finalizers.empty();
    if (held && options.wait) {
      held_ones.push_back({name, object->metadata.uid});
    } else if (!in.quiet) {
      in.out.write(stream_name::out, in_type(name) + " deleted\n");
    }
  }
  for (auto const& one : held_ones) {
    auto const gone = co_await wait_until_gone(in, one.name, one.uid, time);
    if (!gone) {
      in.out.say("error: " + printable(one.name) + " is marked for deletion, but not gone after " + format_age(time) +
                 ". Does the operator run? It removes the finalizer " + std::string(api::cleanup_finalizer) + ".");
      code = exit_codes::failure;
    } else if (!in.quiet) {
      in.out.write(stream_name::out, in_type(one.name) + " deleted\n");
    }
  }
  co_await in.out.flush();
  co_return code;
}

kube::task<int> cancel(session& in, cancel_options options) {
  auto chosen = co_await choose(in, options.which);
  if (!chosen) co_return failed(in, chosen.error(), "list", "");
  auto const by_name = !options.which.names.empty();
  // Of a name that was given it is worth saying that it is over; of a thousand that a selector finds it is not.
  if (!by_name) std::erase_if(*chosen, is_over);
  if (chosen->empty()) {
    if (!in.quiet) in.out.say("codeexec: nothing to cancel in namespace " + printable(in.namespace_));
    co_await in.out.flush();
    co_return exit_codes::ok;
  }
  if (options.interactive && !ask_first(in, "cancel", *chosen)) {
    in.out.say("codeexec: nothing is cancelled");
    co_await in.out.flush();
    co_return exit_codes::ok;
  }
  struct told_one {
    std::string name;
    std::string uid;
  };
  std::vector<told_one> told;
  auto const time = std::chrono::seconds(options.timeout_seconds);
  auto code = exit_codes::ok;
  for (auto const& one : *chosen) {
    auto const& name = one.name;
    if (by_name) {
      auto object = co_await fetch(in, name);
      if (!object) {
        code = failed(in, object.error(), "get", name);
        continue;
      }
      auto const value = read_execution(*object);
      if (value && value->status.is_final()) {
        in.out.say("codeexec: " + printable(name) + " has ended already (" + printable(value->status.reason) + ")");
        continue;
      }
    }
    auto answer = co_await patch_spec(in, name, R"({"spec":{"cancel":true}})");
    if (!answer && answer.error().is_not_found() && one.object) continue;  // it went by itself since the list
    if (!answer) {
      code = failed(in, answer.error(), "cancel", name);
      continue;
    }
    auto const value = read_execution(kube::parse_answer(*answer));
    if (!options.wait) {
      if (!in.quiet) in.out.write(stream_name::out, in_type(name) + " told to stop\n");
    } else {
      told.push_back({name, value ? value->metadata.uid : std::string()});
    }
  }
  for (auto const& one : told) {
    auto const seen = co_await wait_until_over(in, one.name, one.uid, time);
    if (seen.final_state) {
      auto const& status = seen.final_state->status;
      auto const done = status.reason == api::reasons::cancelled;
      auto const how = done ? std::string("cancelled") : "ended by itself first (" + printable(status.reason) + ")";
      if (!in.quiet)
        in.out.write(stream_name::out, in_type(one.name) + " " + how + "; " + kept_sentence(status) + "\n");
    } else if (seen.gone) {
      if (!in.quiet) in.out.write(stream_name::out, in_type(one.name) + " cancelled; deleted meanwhile\n");
    } else if (seen.refusal) {
      // Who may change but not watch cannot wait.
      if (!in.quiet) in.out.write(stream_name::out, in_type(one.name) + " told to stop\n");
      in.out.say("codeexec: cannot see its end: " + printable(seen.refusal->message()));
    } else {
      in.out.say("error: " + printable(one.name) + " was told to stop, but has not ended after " + format_age(time) +
                 ". Does the operator run?");
      code = exit_codes::failure;
    }
  }
  co_await in.out.flush();
  co_return code;
}

kube::task<int> resume(session& in, resume_options options) {
  auto chosen = co_await choose(in, options.which);
  if (!chosen) co_return failed(in, chosen.error(), "list", "");
  auto const by_name = !options.which.names.empty();
  if (!by_name) {
    std::erase_if(*chosen,
                  [](chosen_one const& one) { return !one.object || !one.object->spec.suspend || is_over(one); });
  }
  if (chosen->empty()) {
    if (!in.quiet) in.out.say("codeexec: nothing is suspended in namespace " + printable(in.namespace_));
    co_await in.out.flush();
    co_return exit_codes::ok;
  }
  auto code = exit_codes::ok;
  for (auto const& one : *chosen) {
    auto const& name = one.name;
    if (by_name) {
      auto object = co_await fetch(in, name);
      if (!object) {
        code = failed(in, object.error(), "get", name);
        continue;
      }
      auto const value = read_execution(*object);
      if (value && (value->status.is_final() || !value->spec.suspend)) {
        in.out.say("codeexec: " + printable(name) + " is not suspended: " + describe_progress(*value));
        continue;
      }
    }
    auto answer = co_await patch_spec(in, name, R"({"spec":{"suspend":false}})");
    if (!answer) {
      code = failed(in, answer.error(), "resume", name);
      continue;
    }
    if (!in.quiet) in.out.write(stream_name::out, in_type(name) + " resumed\n");
  }
  co_await in.out.flush();
  co_return code;
}

}  // namespace codeexec::cli
