#include <nlohmann/json.hpp>
#include <utility>

#include "codeexec/api/json.hpp"
#include "codeexec/api/names.hpp"
#include "codeexec/cli/exit_code.hpp"
#include "codeexec/cli/follower.hpp"
#include "codeexec/cli/progress.hpp"
#include "codeexec/cli/render.hpp"
#include "codeexec/cli/session.hpp"
#include "codeexec/cli/tail_lines.hpp"
#include "codeexec/execution/build.hpp"
#include "codeexec/kube_core/list.hpp"
#include "codeexec/kube_core/request.hpp"

namespace codeexec::cli {

namespace {

using namespace std::chrono_literals;

std::string last_lines(std::string text, std::optional<std::int64_t> lines) {
  if (!lines) return text;
  tail_lines tail(*lines);
  tail.add(text);
  return tail.take();
}

/// The streams as the status has them.
void print_stored(session& in, logs_options const& options, api::CodeExecutionStatus const& status) {
  std::string repaired;
  for (auto const which : {stream_name::out, stream_name::err}) {
    if (!is_shown(options.streams, which)) continue;
    auto const all = stored_stream(status, which);
    in.out.relay(which, last_lines(std::string(all.text), options.tail));
    if (all.is_repaired()) repaired += "codeexec: " + repaired_sentence(all.name) + "\n";
  }
  in.out.end_relay();
  if (!repaired.empty() && !in.quiet) in.out.say(repaired);
}

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

kube::task<int> follow_logs(session& in, logs_options options, nlohmann::json object) {
  auto const name = options.name;
  interruption interrupted(in.tasks, in.out);
  follower::settings how;
  how.namespace_ = in.namespace_;
  how.streams = options.streams;
  how.tail = options.tail;
  how.quiet = in.quiet;
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
  };
  in.tasks.spawn("wait for the end", waiting::for_end(&following, &ended, &changed));
  in.tasks.spawn("relay interruptions", relay_pulses(&interrupted.came(), &changed));
  in.tasks.spawn("relay write errors", relay_pulses(&in.out.failed(), &changed));
  in.tasks.spawn("relay news", relay_pulses(&following.changed(), &changed));
  bool told_refusal = in.quiet;
  while (!ended && interrupted.signal() == 0 && in.out.failure() == 0) {
    if (following.log_refusal() && !told_refusal) {
      told_refusal = true;
      in.out.say("codeexec: no live output (that takes the right to read pods/log); it follows at the end");
    }
    co_await changed.wait();
  }
  in.out.end_relay();
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
  // The tasks refer to what stands in this frame.
  co_await finish(in, interrupted.signal() != 0, code);
  if (code == exit_codes::ok && in.out.failure() != 0) co_return exit_codes::broken_pipe;
  co_return code;
}

}  // namespace

kube::task<int> logs(session& in, logs_options options) {
  if (options.raw) in.out.raw_output();
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
    print_stored(in, options, status);
    auto const sentence = closing_sentence(status);
    if (!sentence.empty() && !in.quiet) in.out.say("codeexec: " + sentence);
    auto const code = co_await print_out(in, std::string());
    co_return code;
  }
  if (options.follow) {
    auto const code = co_await follow_logs(in, options, *object);
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
  bool any = false;
  std::vector<piece> pieces;
  std::vector<std::string> gaps;
  frame_reader frames(frame_reader::handler{
      [&](stream_name to, std::string_view bytes) {
        any = true;
        if (!is_shown(options.streams, to)) return;
        if (pieces.empty() || pieces.back().to != to) pieces.push_back(piece{to, std::string()});
        pieces.back().bytes += bytes;
      },
      [&](stream_name to, std::int64_t count) {
        if (is_shown(options.streams, to))
          gaps.push_back(missing_sentence(to == stream_name::out ? "stdout" : "stderr", count));
      },
      [&](stream_name to, std::int64_t count) {
        if (is_shown(options.streams, to) && !in.quiet)
          gaps.push_back(full_sentence(to == stream_name::out ? "stdout" : "stderr", count));
      },
  });
  frames.feed(log);
  if (options.tail) {
    tail_lines out(*options.tail);
    tail_lines err(*options.tail);
    for (auto const& p : pieces)
      (p.to == stream_name::out ? out : err).add(p.bytes);
    pieces.clear();
    pieces.push_back(piece{stream_name::out, out.take()});
    pieces.push_back(piece{stream_name::err, err.take()});
  }
  in.out.relay(std::move(pieces));
  in.out.end_relay();
  for (auto const& sentence : gaps)
    in.out.say("codeexec: " + sentence);
  if (!any && !in.quiet) in.out.say("codeexec: no output yet: " + describe_progress(execution));
  auto const code = co_await print_out(in, std::string());
  co_return code;
}

}  // namespace codeexec::cli
