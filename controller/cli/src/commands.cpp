#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "codeexec/api/json.hpp"
#include "codeexec/api/names.hpp"
#include "codeexec/async/deadline.hpp"
#include "codeexec/cli/exit_code.hpp"
#include "codeexec/cli/follower.hpp"
#include "codeexec/cli/object_watch.hpp"
#include "codeexec/cli/progress.hpp"
#include "codeexec/cli/render.hpp"
#include "codeexec/cli/session.hpp"
#include "codeexec/execution/build.hpp"
#include "codeexec/kube_core/json.hpp"
#include "codeexec/kube_core/list.hpp"
#include "codeexec/kube_core/request.hpp"

namespace codeexec::cli {

namespace {

using namespace std::chrono_literals;

constexpr std::string_view field_manager = "kubectl-codeexec";
constexpr std::string_view shown_type = "codeexecution.codeexec.dev";
/// Of a list, in one answer. More are asked for page by page.
constexpr std::int64_t page_size = 500;

int failed(session& in, kube::error const& e, std::string verb, std::string name) {
  report(in, e, std::move(verb), std::move(name));
  return exit_codes::failure;
}

/// Prints on stdout and waits until it is out.
kube::task<int> print(session& in, std::string text) {
  in.out.write(stream_name::out, std::move(text));
  co_await in.out.flush();
  co_return in.out.failure() == 0 ? exit_codes::ok : exit_codes::broken_pipe;
}

/// As kubectl writes it: without the bookkeeping of server-side apply.
void tidy(nlohmann::json& object) {
  if (!object.is_object()) return;
  // Items of a list carry neither.
  if (!object.contains("apiVersion")) object["apiVersion"] = kube::code_executions.api_version();
  if (!object.contains("kind")) object["kind"] = std::string(kube::code_executions.kind);
  if (auto const metadata = object.find("metadata"); metadata != object.end() && metadata->is_object()) {
    metadata->erase("managedFields");
  }
}

kube::task<kube::result<nlohmann::json>> fetch(session& in, std::string name) {
  auto request = kube::make_get(kube::code_executions, in.namespace_, name);
  auto const by = base::deadline::after(answer_time);
  auto answer = co_await send_patiently(in, std::move(request), by);
  if (!answer) co_return answer.error();
  auto object = kube::parse_answer(*answer);
  if (!object.is_object()) co_return kube::error(kube::error_kind::decode, "the answer is not a JSON object");
  co_return object;
}

kube::task<kube::result<std::vector<nlohmann::json>>> fetch_all(session& in, std::string ns, std::string selector) {
  std::vector<nlohmann::json> items;
  kube::list_options options;
  options.label_selector = std::move(selector);
  options.limit = page_size;
  int restarts = 0;
  for (;;) {
    auto request = kube::make_list(kube::code_executions, ns, options);
    auto const by = base::deadline::after(answer_time);
    // Between pages, Gone is an answer.
    auto sending = options.continue_token.empty() ? send_patiently(in, std::move(request), by)
                                                  : in.client.send(std::move(request), by);
    auto body = co_await std::move(sending);
    if (!body) {
      if (body.error().is_gone() && !options.continue_token.empty() && restarts < 3) {
        // The pages took longer than the server remembers their moment.
        ++restarts;
        items.clear();
        options.continue_token.clear();
        continue;
      }
      co_return body.error();
    }
    auto page = kube::decode_list(*body);
    if (!page) co_return page.error();
    std::move(page->items.begin(), page->items.end(), std::back_inserter(items));
    if (page->continue_token.empty()) co_return items;
    options.continue_token = page->continue_token;
  }
}

/// The streams as the status has them.
void print_stored(session& in, api::CodeExecutionStatus const& status) {
  if (status.stdout_) in.out.write(stream_name::out, *status.stdout_);
  if (status.stderr_) in.out.write(stream_name::err, *status.stderr_);
}

}  // namespace

kube::task<int> get(session& in, get_options options) {
  std::vector<nlohmann::json> items;
  if (!options.name.empty()) {
    auto object = co_await fetch(in, options.name);
    if (!object) co_return failed(in, object.error(), "get", options.name);
    items.push_back(std::move(*object));
  } else {
    auto const ns = options.all_namespaces ? std::string() : in.namespace_;
    auto all = co_await fetch_all(in, ns, options.selector);
    if (!all) co_return failed(in, all.error(), "list", "");
    items = std::move(*all);
  }
  for (auto& item : items)
    tidy(item);

  if (options.output == output_format::json || options.output == output_format::yaml) {
    nlohmann::json shown;
    if (!options.name.empty()) {
      shown = std::move(items.front());
    } else {
      shown["apiVersion"] = "v1";
      shown["kind"] = "List";
      shown["items"] = std::move(items);
    }
    auto text = options.output == output_format::json ? to_json_text(shown) : to_yaml(shown);
    auto const code = co_await print(in, std::move(text));
    co_return code;
  }
  std::vector<api::CodeExecution> decoded;
  for (auto const& item : items) {
    auto value = api::decode_code_execution(item);
    if (auto* const wrong = std::get_if<api::decode_error>(&value)) {
      in.out.say("warning: one CodeExecution is left out, for it cannot be read: " + printable(wrong->describe()));
    } else {
      decoded.push_back(std::move(std::get<api::CodeExecution>(value)));
    }
  }
  std::string text;
  if (options.output == output_format::name) {
    for (auto const& item : decoded)
      text += std::string(shown_type) + "/" + item.metadata.name + "\n";
  } else if (decoded.empty()) {
    in.out.say(options.all_namespaces ? std::string("No CodeExecutions found.")
                                      : "No CodeExecutions found in namespace " + printable(in.namespace_) + ".");
  } else {
    table_options how;
    how.with_namespace = options.all_namespaces;
    how.wide = options.output == output_format::wide;
    text = render_list(decoded, how, in.clock.wall_now());
  }
  auto const code = co_await print(in, std::move(text));
  co_return code;
}

namespace {

/// The log of a running pod as far as it goes now.
kube::task<kube::result<std::string>> read_log_now(session& in, std::string pod) {
  kube::log_options options;
  options.container = std::string(execution::container_name);
  auto request = kube::make_pod_log(in.namespace_, pod, options);
  auto const by = base::deadline::after(answer_time);
  auto opened = co_await in.client.open_stream(std::move(request), by);
  if (!opened) co_return opened.error();
  auto const stream = std::move(*opened);
  std::string log;
  for (;;) {
    auto bytes = co_await stream->read_some(by);
    if (!bytes) co_return bytes.error();
    if (bytes->empty()) co_return log;
    log += *bytes;
  }
}

/// Empty where there is none (yet), or where we may not look.
kube::task<std::string> find_pod(session& in, std::string uid) {
  kube::list_options options;
  options.label_selector = std::string(api::labels::execution_uid) + "=" + uid;
  auto request = kube::make_list(kube::pods, in.namespace_, options);
  auto const by = base::deadline::after(answer_time);
  auto body = co_await send_patiently(in, std::move(request), by);
  if (!body) co_return std::string();
  auto page = kube::decode_list(*body);
  if (!page || page->items.empty()) co_return std::string();
  auto const& item = page->items.front();
  if (!item.is_object() || !item.contains("metadata")) co_return std::string();
  auto const meta = api::decode_object_meta(item["metadata"]);
  auto const* const found = std::get_if<api::ObjectMeta>(&meta);
  co_return found == nullptr ? std::string() : found->name;
}

kube::task<int> follow_logs(session& in, std::string name, nlohmann::json object) {
  interruption interrupted(in.tasks, in.out);
  follower::settings how;
  how.namespace_ = in.namespace_;
  follower following(in.client, in.out, in.tasks, how, in.random);
  following.start(object);
  std::optional<follower::outcome> ended;
  async::event changed(in.tasks.executor());
  struct waiting {
    static kube::task<void> for_end(follower* whom, std::optional<follower::outcome>* into, async::event* wake) {
      auto const how_it_ended = co_await whom->wait();
      *into = how_it_ended;
      wake->pulse();
    }
    static kube::task<void> relay(async::event* source, async::event* wake) {
      for (;;) {
        auto const woken = co_await source->wait();
        if (!woken) co_return;
        wake->pulse();
      }
    }
  };
  in.tasks.spawn("wait for the end", waiting::for_end(&following, &ended, &changed));
  in.tasks.spawn("relay interruptions", waiting::relay(&interrupted.came(), &changed));
  in.tasks.spawn("relay write errors", waiting::relay(&in.out.failed(), &changed));
  while (!ended && interrupted.signal() == 0 && in.out.failure() == 0) {
    co_await changed.wait();
  }
  auto code = exit_codes::ok;
  if (interrupted.signal() != 0) {
    code = 128 + interrupted.signal();
  } else if (in.out.failure() != 0) {
    code = exit_codes::broken_pipe;
  } else if (*ended == follower::outcome::deleted) {
    in.out.say("error: CodeExecution \"" + name + "\" was deleted before it ended");
    code = exit_codes::failure;
  } else if (*ended == follower::outcome::failed) {
    code = failed(in, *following.error(), "follow", name);
  } else {
    auto const sentence = closing_sentence(following.status());
    if (!sentence.empty() && !in.quiet) in.out.say("codeexec: " + sentence);
  }
  following.stop();
  if (interrupted.signal() != 0) {
    auto const by = base::deadline::after(1s);
    auto const written = co_await in.out.flush_until(by);
    if (!written) in.out.leave_at_once(code);
  }
  co_await in.out.flush();
  // The tasks refer to what stands in this frame.
  in.tasks.stop();
  co_await in.tasks.join();
  if (code == exit_codes::ok && in.out.failure() != 0) co_return exit_codes::broken_pipe;
  co_return code;
}

}  // namespace

kube::task<int> logs(session& in, logs_options options) {
  auto object = co_await fetch(in, options.name);
  if (!object) co_return failed(in, object.error(), "get", options.name);
  auto decoded = api::decode_code_execution(*object);
  if (auto const* const wrong = std::get_if<api::decode_error>(&decoded)) {
    auto const unreadable = kube::error(kube::error_kind::decode, wrong->describe());
    co_return failed(in, unreadable, "read", options.name);
  }
  auto const execution = std::move(std::get<api::CodeExecution>(decoded));
  auto const& status = execution.status;
  if (status.is_final()) {
    print_stored(in, status);
    auto const sentence = closing_sentence(status);
    if (!sentence.empty() && !in.quiet) in.out.say("codeexec: " + sentence);
    auto const code = co_await print(in, std::string());
    co_return code;
  }
  if (options.follow) {
    auto const code = co_await follow_logs(in, options.name, *object);
    co_return code;
  }
  auto pod = status.podName;
  if (pod.empty()) {
    pod = co_await find_pod(in, execution.metadata.uid);
  }
  std::string log;
  if (!pod.empty()) {
    auto read = co_await read_log_now(in, pod);
    if (read) {
      log = std::move(*read);
    } else if (read.error().is_forbidden()) {
      in.out.say("error: it still runs, and reading its output before the end takes the right to read pods/log: " +
                 printable(read.error().message()) + "\nWait for the end with: " + in.program + " logs -f " +
                 options.name);
      co_await in.out.flush();
      co_return exit_codes::failure;
    } else if (read.error().kind() != kube::error_kind::api) {
      co_return failed(in, read.error(), "read the log of", options.name);
    }
  }
  console& out = in.out;
  bool any = false;
  frame_reader frames(frame_reader::handler{
      [&out, &any](stream_name to, std::string_view bytes) {
        any = true;
        out.write(to, std::string(bytes));
      },
      [&out](stream_name to, std::int64_t count) {
        out.say("codeexec: " + missing_sentence(to == stream_name::out ? "stdout" : "stderr", count));
      },
  });
  frames.feed(log);
  if (!any && !in.quiet) in.out.say("codeexec: no output yet: " + describe_progress(status));
  auto const code = co_await print(in, std::string());
  co_return code;
}

namespace {

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

}  // namespace

kube::task<int> remove(session& in, delete_options options) {
  auto code = exit_codes::ok;
  for (auto const& name : options.names) {
    kube::delete_options how;
    auto request = kube::make_delete(kube::code_executions, in.namespace_, name, how);
    auto const by = base::deadline::after(answer_time);
    bool repeated = false;
    auto answer = co_await send_patiently(in, std::move(request), by, &repeated);
    if (!answer && answer.error().is_not_found() && repeated) {
      // The first try did it, and its answer was lost.
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
      auto const gone = co_await wait_until_gone(in, name, object->metadata.uid, 60s);
      if (!gone) {
        in.out.say("error: " + name + " is marked for deletion, but not gone after a minute. Does the operator run? " +
                   "It removes the finalizer " + std::string(api::cleanup_finalizer) + ".");
        code = exit_codes::failure;
        continue;
      }
    }
    if (!in.quiet) in.out.write(stream_name::out, std::string(shown_type) + " \"" + name + "\" deleted\n");
  }
  co_await in.out.flush();
  co_return code;
}

kube::task<int> cancel(session& in, cancel_options options) {
  auto code = exit_codes::ok;
  for (auto const& name : options.names) {
    auto object = co_await fetch(in, name);
    if (!object) {
      code = failed(in, object.error(), "get", name);
      continue;
    }
    auto const decoded = api::decode_code_execution(*object);
    auto const* const value = std::get_if<api::CodeExecution>(&decoded);
    if (value != nullptr && value->status.is_final()) {
      in.out.say("codeexec: " + name + " has ended already (" + printable(value->status.reason) + ")");
      continue;
    }
    auto request = kube::make_patch(kube::code_executions, in.namespace_, name, kube::patch_type::merge,
                                    R"({"spec":{"cancel":true}})", field_manager);
    auto const by = base::deadline::after(answer_time);
    auto answer = co_await send_patiently(in, std::move(request), by);
    if (!answer) {
      code = failed(in, answer.error(), "cancel", name);
      continue;
    }
    if (!in.quiet) in.out.write(stream_name::out, std::string(shown_type) + " \"" + name + "\" cancelled\n");
  }
  co_await in.out.flush();
  co_return code;
}

}  // namespace codeexec::cli
