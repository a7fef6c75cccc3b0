#include "codeexec/cli/object_watch.hpp"

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "codeexec/async/cancellation.hpp"
#include "codeexec/async/deadline.hpp"
#include "codeexec/cli/session.hpp"
#include "codeexec/kube_core/line_framer.hpp"
#include "codeexec/kube_core/list.hpp"
#include "codeexec/kube_core/request.hpp"

namespace codeexec::cli {

namespace {

using namespace std::chrono_literals;

constexpr std::chrono::seconds watch_time{290};
/// Silence beyond the server's own end of the watch: the connection is dead.
constexpr auto idle_margin = 20s;
/// No object is larger (etcd's bound is 1.5 MiB, JSON may escape).
constexpr std::size_t longest_line = 16 * 1024 * 1024;

bool is_refusal(kube::error const& e) {
  return e.is_unauthorized() || e.is_forbidden() || e.is_not_found() || e.kind() == kube::error_kind::config;
}

kube::error ended_early(std::string what) {
  return kube::error(kube::error_kind::connection, std::move(what));
}

}  // namespace

object_watch::object_watch(kube::client& client, watch_target target, handler to, base::rng random)
    : client_(client), target_(std::move(target)), to_(std::move(to)), random_(random) {
  version_ = target_.resource_version;
  keep_ = kube::watch_projection(target_.keep);
}

kube::task<kube::error> object_watch::run() {
  base::backoff wait(200ms, 5s);
  for (;;) {
    progressed_ = false;
    kube::result<void> done;
    if (version_.empty()) {
      done = co_await list();
    }
    if (done) {
      done = co_await watch();
    }
    auto const state = co_await boost::asio::this_coro::cancellation_state;
    if (async::is_cancelled(state)) co_return kube::error(kube::error_kind::cancelled, "stopped");
    if (progressed_) wait.reset();
    if (done) continue;  // the server's own end of a watch
    auto const& e = done.error();
    if (e.is_gone()) {
      // What lies between the last event and now is not to be had any more: look at what is there.
      version_.clear();
      if (progressed_) continue;
    }
    if (is_refusal(e)) co_return e;
    if (to_.trouble) to_.trouble(e);
    auto delay = wait.next(random_);
    if (e.retry_after())
      delay = std::max<base::backoff::duration>(delay, std::min<std::chrono::seconds>(*e.retry_after(), 30s));
    auto const awake = co_await async::sleep_for(delay);
    if (!awake) co_return kube::error(kube::error_kind::cancelled, "stopped");
  }
}

kube::task<kube::result<void>> object_watch::list() {
  kube::list_options options;
  options.label_selector = target_.label_selector;
  options.field_selector = target_.field_selector;
  auto request = kube::make_list(target_.type, target_.namespace_, options);
  auto const by = base::deadline::after(answer_time);
  auto body = co_await client_.send(std::move(request), by);
  if (!body) co_return body.error();
  std::vector<nlohmann::json> items;
  auto const keep = kube::list_projection(target_.keep);
  auto const page =
      kube::decode_list(*body, keep, [&items](nlohmann::json&& item) { items.push_back(std::move(item)); });
  if (!page) co_return page.error();
  version_ = page->resource_version;
  progressed_ = true;
  if (to_.trouble) to_.trouble(std::nullopt);
  if (to_.listing) to_.listing();
  for (auto const& item : items) {
    if (to_.seen) to_.seen(item);
  }
  if (to_.listed) to_.listed(items.size());
  co_return kube::result<void>();
}

kube::task<kube::result<void>> object_watch::watch() {
  kube::watch_options options;
  options.label_selector = target_.label_selector;
  options.field_selector = target_.field_selector;
  options.resource_version = version_;
  options.timeout = watch_time;
  auto request = kube::make_watch(target_.type, target_.namespace_, options);
  auto const open_by = base::deadline::after(answer_time);
  auto opened = co_await client_.open_stream(std::move(request), open_by);
  if (!opened) co_return opened.error();
  if (to_.trouble) to_.trouble(std::nullopt);
  auto const stream = std::move(*opened);
  auto const began = std::chrono::steady_clock::now();
  auto const end = base::deadline::after(watch_time + idle_margin);
  kube::line_framer lines(longest_line);
  for (;;) {
    auto bytes = co_await stream->read_some(end);
    if (!bytes) co_return bytes.error();
    if (bytes->empty()) break;
    lines.feed(*bytes);
    while (auto const line = lines.next()) {
      auto const over =
          line->truncated ? std::optional<kube::result<void>>(ended_early("an event was too long")) : take(line->text);
      if (over) co_return *over;
    }
  }
  // A proxy that ends every watch at once must not make us ask in a tight loop.
  if (!progressed_ && std::chrono::steady_clock::now() - began < 1s) co_return ended_early("the watch ended at once");
  co_return kube::result<void>();
}

std::optional<kube::result<void>> object_watch::take(std::string_view line) {
  if (line.empty()) return std::nullopt;
  auto const event = kube::decode_watch_event(line, keep_);
  if (auto const* const change = std::get_if<kube::object_event>(&event)) {
    if (!change->resource_version.empty()) version_ = change->resource_version;
    progressed_ = true;
    if (change->type == kube::event_type::deleted) {
      if (to_.deleted) to_.deleted(change->object);
    } else if (to_.seen) {
      to_.seen(change->object);
    }
    return std::nullopt;
  }
  if (auto const* const bookmark = std::get_if<kube::bookmark_event>(&event)) {
    if (!bookmark->resource_version.empty()) version_ = bookmark->resource_version;
    progressed_ = true;
    return std::nullopt;
  }
  if (auto const* const failed = std::get_if<kube::error_event>(&event)) return kube::result<void>(failed->status);
  // A change is lost and nobody knows of what: see how things stand.
  version_.clear();
  return kube::result<void>(ended_early("an event could not be read"));
}

}  // namespace codeexec::cli
