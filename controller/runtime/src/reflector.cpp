#include "codeexec/runtime/reflector.hpp"

#include <boost/asio/this_coro.hpp>
#include <nlohmann/json.hpp>
#include <utility>

#include "codeexec/async/cancellation.hpp"
#include "codeexec/async/deadline.hpp"
#include "codeexec/base/log.hpp"
#include "codeexec/kube_core/list.hpp"
#include "codeexec/kube_core/request.hpp"

namespace codeexec::runtime {
namespace asio = boost::asio;
namespace log = base::log;
using nlohmann::json;

namespace {

std::string text_of(json const& object, char const* field) {
  auto const found = object.find(field);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// Read on its own, so that an object with one wrong field anywhere else still has a name. Without a name: nothing.
std::optional<object_id> id_of(json const& object) {
  if (!object.is_object()) return std::nullopt;
  auto const metadata = object.find("metadata");
  if (metadata == object.end() || !metadata->is_object()) return std::nullopt;
  auto name = text_of(*metadata, "name");
  if (name.empty()) return std::nullopt;
  object_key key(text_of(*metadata, "namespace"), std::move(name));
  return object_id(std::move(key), text_of(*metadata, "uid"), text_of(*metadata, "resourceVersion"));
}

}  // namespace

reflector::reflector(kube::client& client, collection what, object_sink& sink, base::clock const& clock,
                     watch_policy policy, base::rng random)
    : client_(client),
      what_(std::move(what)),
      sink_(sink),
      clock_(clock),
      fsm_(policy, random),
      lines_(policy.longest_line),
      longest_line_(policy.longest_line),
      page_keep_(kube::list_projection(what_.keep, what_.lighter)),
      line_keep_(kube::watch_projection(what_.keep, what_.lighter)) {}

kube::task<void> reflector::run() {
  auto next = fsm_.start(now());
  for (;;) {
    auto const state = co_await asio::this_coro::cancellation_state;
    if (async::is_cancelled(state)) break;
    if (auto* const to_list = std::get_if<list_action>(&next)) {
      auto step = list(std::move(*to_list));
      next = co_await std::move(step);
    } else if (auto* const to_open = std::get_if<watch_action>(&next)) {
      auto step = open(std::move(*to_open));
      next = co_await std::move(step);
    } else if (auto const* const to_read = std::get_if<read_action>(&next)) {
      auto step = read(*to_read);
      next = co_await std::move(step);
    } else {
      stream_.reset();
      auto const delay = std::get<wait_action>(next).delay;
      auto const waited = co_await async::sleep_for(delay);
      if (!waited) break;
      next = fsm_.on_wait_over(now());
    }
  }
  stream_.reset();
}

kube::task<reflector::action> reflector::list(list_action a) {
  if (a.first_page) sink_.list_started();
  kube::list_options options;
  options.label_selector = what_.label_selector;
  options.field_selector = what_.field_selector;
  options.limit = a.limit;
  options.continue_token = std::move(a.continue_token);
  options.resource_version = std::move(a.resource_version);
  options.resource_version_match = std::move(a.resource_version_match);
  auto request = kube::make_list(what_.type, what_.ns, options);
  base::deadline const by(a.by);
  auto answer = co_await client_.send(std::move(request), by);
  if (!answer) {
    auto const e = answer.error();
    co_return failed("list", e, fsm_.on_list_error(e, now()));
  }
  auto page = take_page(*answer);
  if (!page) {
    auto const e = page.error();
    co_return failed("list", e, fsm_.on_list_error(e, now()));
  }
  co_return std::move(*page);
}

kube::result<reflector::action> reflector::take_page(std::string_view body) {
  auto const page = kube::decode_list(body, page_keep_, [this](json&& object) {
    auto id = id_of(object);
    if (!id) {
      report_malformed(object_key(), "metadata.name: absent");
      return;
    }
    auto const key = id->key;
    auto const problem = sink_.listed(std::move(*id), object);
    if (problem) report_malformed(key, problem->describe());
  });
  if (!page) return page.error();
  return fsm_.on_list_page(page->resource_version, page->continue_token, now());
}

void reflector::list_is_complete() {
  sink_.list_complete();
  log::write(missing_ ? log::level::info : log::level::debug, "listed",
             {log::kv("resource", what_.type.plural), log::kv("namespace", what_.ns),
              log::kv("resource_version", fsm_.resource_version())});
  missing_ = false;
}

kube::task<reflector::action> reflector::open(watch_action a) {
  if (a.list_complete) list_is_complete();
  if (a.streamed_list) sink_.list_started();
  stream_.reset();
  lines_ = kube::line_framer(longest_line_);
  kube::watch_options options;
  options.label_selector = what_.label_selector;
  options.field_selector = what_.field_selector;
  options.resource_version = std::move(a.resource_version);
  options.timeout = a.timeout;
  options.send_initial_events = a.streamed_list;
  auto request = kube::make_watch(what_.type, what_.ns, options);
  base::deadline const by(a.by);
  auto opened = co_await client_.open_stream(std::move(request), by);
  if (!opened) {
    auto const e = opened.error();
    co_return failed("open watch", e, fsm_.on_watch_refused(e, now()));
  }
  stream_ = std::move(*opened);
  co_return fsm_.on_watch_opened(now());
}

kube::task<reflector::action> reflector::read(read_action a) {
  base::deadline const by(a.by);
  auto bytes = co_await stream_->read_some(by);
  if (!bytes) {
    auto const e = bytes.error();
    co_return failed("watch", e, fsm_.on_watch_broken(e, now()));
  }
  if (bytes->empty()) {
    // An event that began and did not end is dropped; the next watch brings it again.
    auto next = fsm_.on_watch_ended(now());
    if (std::holds_alternative<wait_action>(next)) {
      kube::error const e(kube::error_kind::connection, "the server ended the watch at once and without an event");
      co_return failed("watch", e, std::move(next));
    }
    co_return next;
  }
  lines_.feed(*bytes);
  action next = a;
  while (auto const* const going_on = std::get_if<read_action>(&next)) {
    auto const line = lines_.next();
    if (!line) break;
    if (line->truncated) {
      kube::error const e(kube::error_kind::protocol, "an event longer than the limit");
      report_malformed(object_key(), e.message());
      co_return failed("watch", e, fsm_.on_watch_garbage(now()));
    }
    if (!line->text.empty()) next = take_line(line->text, going_on->listing);
  }
  co_return next;
}

reflector::action reflector::take_line(std::string_view line, bool listing) {
  auto event = kube::decode_watch_event(line, line_keep_);
  if (auto const* const mark = std::get_if<kube::bookmark_event>(&event)) {
    auto next = fsm_.on_watch_bookmark(mark->resource_version, mark->initial_events_end);
    auto* const going_on = std::get_if<read_action>(&next);
    if (going_on != nullptr && std::exchange(going_on->list_complete, false)) list_is_complete();
    return next;
  }
  if (auto const* const over = std::get_if<kube::error_event>(&event)) {
    return failed("watch", over->status, fsm_.on_watch_error_event(over->status, now()));
  }
  if (auto const* const bad = std::get_if<kube::malformed_event>(&event)) {
    // Not an object that we cannot decode, but a line that is no event: a change is lost, and only a list finds it
    // again.
    report_malformed(object_key(bad->namespace_, bad->name), bad->message);
    kube::error const e(kube::error_kind::decode, "a line that is no event: " + bad->message);
    return failed("watch", e, fsm_.on_watch_garbage(now()));
  }
  auto& told = std::get<kube::object_event>(event);
  auto id = id_of(told.object);
  if (!id) {
    report_malformed(object_key(), "metadata.name: absent");
    return fsm_.on_watch_event(told.type, told.resource_version);
  }
  auto const key = id->key;
  decode_result problem;
  bool const deleted = told.type == kube::event_type::deleted;
  if (listing && deleted) {
    sink_.unlisted(key);
  } else if (listing) {
    problem = sink_.listed(std::move(*id), told.object);
  } else if (deleted) {
    problem = sink_.deleted(std::move(*id), told.object);
  } else {
    problem = sink_.applied(std::move(*id), told.object);
  }
  if (problem) report_malformed(key, problem->describe());
  return fsm_.on_watch_event(told.type, told.resource_version);
}

reflector::action reflector::failed(std::string_view doing, kube::error const& e, action next) {
  if (e.is_cancelled()) return next;
  auto const* const wait = std::get_if<wait_action>(&next);
  if (wait == nullptr) {
    log::info("the server does not stream lists, asking for pages",
              {log::kv("resource", what_.type.plural), log::kv("namespace", what_.ns), log::kv("error", e.describe())});
    return next;
  }
  if (e.is_not_found()) {
    // Said once: an operator that is installed before its CRD waits here, maybe for long.
    log::write(missing_ ? log::level::debug : log::level::warn,
               "the server does not know this resource, waiting for it (is its CustomResourceDefinition installed?)",
               {log::kv("resource", what_.type.plural), log::kv("api_version", what_.type.api_version()),
                log::kv("namespace", what_.ns), log::kv("error", e.describe())});
    missing_ = true;
    return next;
  }
  // A watch that breaks or expires is everyday life; what cannot be listed or opened needs somebody to look.
  auto const how_bad = doing == "watch" || e.is_gone() ? log::level::info : log::level::warn;
  log::write(how_bad, "reflector failed, will try again",
             {log::kv("doing", doing), log::kv("resource", what_.type.plural), log::kv("namespace", what_.ns),
              log::kv("error", e.describe()), log::kv("retry_in_ms", wait->delay.count())});
  return next;
}

void reflector::report_malformed(object_key const& key, std::string_view problem) {
  ++malformed_;
  log::warn("malformed object skipped", {log::kv("resource", what_.type.plural), log::kv("namespace", key.ns),
                                         log::kv("name", key.name), log::kv("problem", problem)});
}

}  // namespace codeexec::runtime
