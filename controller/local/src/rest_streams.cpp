#include <algorithm>

#include "codeexec/async/cancellation.hpp"
#include "codeexec/async/event.hpp"
#include "codeexec/local/builtin_types.hpp"
#include "codeexec/local/table.hpp"

#include "rest_state.hpp"

namespace codeexec::local {
namespace {

constexpr std::chrono::seconds bookmark_interval{60};

/// One event of a watch as a line.
std::string event_line(char const* type, std::string const& what) {
  std::string out;
  out.reserve(what.size() + 40);
  out += "{\"type\":\"";
  out += type;
  out += "\",\"object\":";
  out += what;
  out += "}\n";
  return out;
}

/// A watch's view of events: selectors turn a change of membership into ADDED and DELETED.
class event_writer {
 public:
  event_writer(target const& t, filter wanted, base::clock const& clock)
      : target_(t), wanted_(std::move(wanted)), clock_(clock), all_(wanted_.labels.empty() && wanted_.fields.empty()) {}

  std::string initial(object const& what) { return wanted_.matches(*what) ? line("ADDED", what) : std::string(); }

  /// Empty: nothing that this watch is to see.
  std::string of(event const& e) {
    if (e.type == event_type::deleted) {
      return all_ || wanted_.matches(*e.previous) ? line("DELETED", e.current) : std::string();
    }
    bool const now = all_ || wanted_.matches(*e.current);
    bool const before = e.previous && (all_ || wanted_.matches(*e.previous));
    if (now) {
      return line(before ? "MODIFIED" : "ADDED", e.current);
    }
    if (!before) {
      return {};
    }
    // It left the selection: the last state that was in it, with the version of the write that took it out.
    json last = *e.previous;
    last["metadata"]["resourceVersion"] = std::to_string(e.resource_version);
    return line("DELETED", object(std::move(last)));
  }

  std::string bookmark(std::uint64_t version, bool ends_initial_events) {
    json metadata = {{"resourceVersion", std::to_string(version)}};
    if (ends_initial_events) {
      metadata["annotations"] = {{"k8s.io/initial-events-end", "true"}};
    }
    if (target_.form == answer_form::table) {
      json table = make_table(*target_.type, {}, std::move(metadata), clock_.wall_now(), target_.table(false));
      return event_line("BOOKMARK", dump(table));
    }
    return event_line(
        "BOOKMARK",
        dump({{"kind", target_.type->kind}, {"apiVersion", target_.api_version()}, {"metadata", std::move(metadata)}}));
  }

  static std::string refusal(status_error const& e) { return event_line("ERROR", dump(e.to_json())); }

 private:
  std::string line(char const* type, object const& what) {
    switch (target_.form) {
      case answer_form::table: {
        json table =
            make_table(*target_.type, {what}, {{"resourceVersion", string_at(*what, "metadata.resourceVersion")}},
                       clock_.wall_now(), target_.table(first_));
        first_ = false;
        return event_line(type, dump(table));
      }
      case answer_form::partial_object:
      case answer_form::partial_list:
        return event_line(type, dump(partial_object(*what)));
      default:
        // Made once for all watches of this object's version.
        return target_.modern_event ? event_line(type, dump(event_as_events_v1(*what))) : event_line(type, what.text());
    }
  }

  target const& target_;
  filter wanted_;
  base::clock const& clock_;
  bool all_;
  bool first_ = true;
};

}  // namespace

asio::awaitable<void> api_server::state::stream_watch(target t, exchange& answer) {
  auto wanted = filter_of(t);
  if (!wanted) {
    reply refusal = reply::of(wanted.error());
    co_await send(answer, std::move(refusal));
    co_return;
  }
  std::string const version_text = t.options.get("resourceVersion");
  auto const version = version_text.empty() ? std::optional<std::uint64_t>(0) : parse_version(version_text);
  if (!version) {
    reply refusal = reply::of(bad_version(version_text));
    co_await send(answer, std::move(refusal));
    co_return;
  }
  bool const bookmarks = t.options.flag("allowWatchBookmarks");
  bool const initial_events = t.options.flag("sendInitialEvents");
  if (initial_events && t.options.get("resourceVersionMatch") != "NotOlderThan") {
    field_errors const fault{field_error::forbidden(
        "resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")};
    reply refusal = reply::of(invalid_options("ListOptions", fault));
    co_await send(answer, std::move(refusal));
    co_return;
  }
  bool const from_now = *version == 0 || initial_events;
  std::uint64_t const newest = objects.resource_version();

  event_writer writer(t, std::move(*wanted), objects.clock());
  async::event changed(executor);
  bool gone = false;
  auto const wake = [&changed] { changed.set(); };
  auto opened = *version > newest
                    ? result<std::unique_ptr<watch>>(status_error::expired(
                          // A version from before a restart without --data. A real server would wait for it for ever.
                          "too old resource version: " + version_text + " (" + std::to_string(newest) + ")"))
                    : objects.open_watch(t.type->id(), t.path.ns, from_now ? newest : *version, wake);

  // Taken in the same step as the watch is opened: what is written from here on comes through the watch alone.
  std::vector<object> present;
  if (opened && from_now) {
    present = objects.list(t.type->id(), t.path.ns);
  }

  header_list headers{{"Content-Type", "application/json"}};
  std::function<void()> on_gone = [&gone, &changed] {
    gone = true;
    changed.set();
  };
  bool up = co_await answer.begin_stream(200, std::move(headers), std::move(on_gone));
  if (!opened) {
    std::string const line = event_writer::refusal(opened.error());
    up = co_await answer.write(line);
    co_return;
  }
  if (from_now) {
    std::string out;
    for (object const& one : present) {
      out += writer.initial(one);
      if (out.size() > 256 * 1024 && up) {
        up = co_await answer.write(std::move(out));
        out.clear();
      }
    }
    if (initial_events && bookmarks) {
      out += writer.bookmark(newest, true);
    }
    if (up) {
      up = co_await answer.write(std::move(out));
    }
    present.clear();
  }

  auto const asked = t.options.number("timeoutSeconds").value_or(0);
  // As the real server: half an hour to an hour, so that watches do not all end at once.
  std::chrono::seconds const length = asked > 0
                                          ? std::chrono::seconds(std::min<std::int64_t>(asked, 24 * 3600))
                                          : std::chrono::seconds(1800 + static_cast<std::int64_t>(random() % 1800));
  auto const started = std::chrono::steady_clock::now();
  auto const end = started + length;
  // One more shortly before the end, so that the next watch starts where this one stopped.
  auto last_bookmark = end - std::chrono::seconds(2);
  auto const never = end + bookmark_interval;
  auto next_bookmark = last_bookmark > started ? std::min(started + bookmark_interval, last_bookmark) : never;
  while (up && !gone) {
    changed.reset();
    std::string out;
    watch::step step = (*opened)->next();
    while (step.what == watch::state::event) {
      out += writer.of(*step.next);
      if (out.size() > 256 * 1024) {
        break;
      }
      step = (*opened)->next();
    }
    bool const more = step.what == watch::state::event;
    if (step.what == watch::state::expired) {
      // It took nothing for so long that its place is no longer kept. Let it list again.
      std::string const text = "too old resource version: " + std::to_string((*opened)->position()) + " (" +
                               std::to_string(objects.resource_version()) + ")";
      out += event_writer::refusal(status_error::expired(text));
      up = co_await answer.write(std::move(out));
      break;
    }
    auto const now = std::chrono::steady_clock::now();
    if (!more && bookmarks && now >= next_bookmark) {
      out += writer.bookmark((*opened)->position(), false);
      next_bookmark = now < last_bookmark ? std::min(now + bookmark_interval, last_bookmark) : never;
    }
    if (!out.empty()) {
      up = co_await answer.write(std::move(out));
    }
    if (step.what == watch::state::type_gone || now >= end) {
      break;
    }
    if (more || !up) {
      continue;
    }
    base::deadline const until(bookmarks ? std::min(end, next_bookmark) : end);
    (void)co_await changed.wait_until(until);
    asio::cancellation_state const stopping = co_await asio::this_coro::cancellation_state;
    if (async::is_cancelled(stopping)) {
      break;
    }
  }
}

asio::awaitable<void> api_server::state::stream_log(target t, exchange& answer) {
  auto const pod = objects.require(kube::pods, t.path.ns, t.path.name);
  if (!pod) {
    reply refusal = reply::of(pod.error());
    co_await send(answer, std::move(refusal));
    co_return;
  }
  pod_log_options options;
  options.container = t.options.get("container");
  options.follow = t.options.flag("follow");
  options.previous = t.options.flag("previous");
  options.timestamps = t.options.flag("timestamps");
  options.limit_bytes = t.options.number("limitBytes");
  options.tail_lines = t.options.number("tailLines");
  field_errors faults;
  if (t.options.has("stream")) {
    faults.push_back(field_error::forbidden("stream", "may not be specified"));
  }
  if (options.tail_lines && *options.tail_lines < 0) {
    faults.push_back(field_error::invalid("tailLines", *options.tail_lines, "must be greater than or equal to 0"));
  }
  if (options.limit_bytes && *options.limit_bytes < 1) {
    faults.push_back(field_error::invalid("limitBytes", *options.limit_bytes, "must be greater than 0"));
  }
  if (auto const seconds = t.options.number("sinceSeconds")) {
    if (*seconds < 1) {
      faults.push_back(field_error::invalid("sinceSeconds", *seconds, "must be greater than 0"));
    } else {
      options.since = objects.clock().wall_now() - std::chrono::seconds(*seconds);
    }
  } else if (t.options.has("sinceTime")) {
    options.since = base::parse_time(t.options.get("sinceTime"));
  }
  if (!faults.empty()) {
    reply refusal = reply::of(status_error::invalid("", "PodLogOptions", t.path.name, faults));
    co_await send(answer, std::move(refusal));
    co_return;
  }
  if (logs == nullptr) {
    reply refusal = reply::of(status_error::bad_request("no node: there are no logs"));
    co_await send(answer, std::move(refusal));
    co_return;
  }
  async::event changed(executor);
  bool gone = false;
  std::function<void()> wake = [&changed] { changed.set(); };
  bool const follow = options.follow;
  auto opened = logs->open_log(*pod, std::move(options), std::move(wake));
  if (!opened) {
    reply refusal = reply::of(opened.error());
    co_await send(answer, std::move(refusal));
    co_return;
  }
  if (*opened == nullptr) {
    reply nothing;
    nothing.status = 204;
    co_await send(answer, std::move(nothing));
    co_return;
  }
  header_list headers{{"Content-Type", "text/plain"}};
  std::function<void()> on_gone = [&gone, &changed] {
    gone = true;
    changed.set();
  };
  bool up = co_await answer.begin_stream(200, std::move(headers), std::move(on_gone));
  while (up && !gone) {
    changed.reset();
    log_stream::chunk piece = (*opened)->next(64 * 1024);
    bool const end = piece.end;
    bool const nothing_new = piece.bytes.empty();
    if (!nothing_new) {
      up = co_await answer.write(std::move(piece.bytes));
    }
    if (end) {
      break;
    }
    if (nothing_new) {
      if (!follow) {
        break;
      }
      bool const woken = co_await changed.wait();
      if (!woken) {
        break;
      }
    }
  }
}

}  // namespace codeexec::local
