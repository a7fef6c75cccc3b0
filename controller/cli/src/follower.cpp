#include "codeexec/cli/follower.hpp"

#include <algorithm>
#include <utility>

#include "codeexec/api/json.hpp"
#include "codeexec/api/names.hpp"
#include "codeexec/async/deadline.hpp"
#include "codeexec/cli/object_watch.hpp"
#include "codeexec/cli/render.hpp"
#include "codeexec/execution/build.hpp"
#include "codeexec/kube_core/pod.hpp"
#include "codeexec/kube_core/request.hpp"

namespace codeexec::cli {

namespace {

using namespace std::chrono_literals;

/// How long the log may take to end once the status is final. Where the status has the whole output we only wait for
/// the order between the streams; where it was cut, the log has more.
constexpr auto settle_whole = 300ms;
constexpr auto settle_truncated = 3s;

base::steady_time now() {
  return std::chrono::steady_clock::now();
}

}  // namespace

follower::follower(kube::client& client, console& out, async::task_group& tasks, settings how, base::rng random)
    : client_(client),
      out_(out),
      tasks_(tasks),
      how_(std::move(how)),
      random_(random),
      frames_(frame_reader::handler{
          [this](stream_name from, std::string_view bytes) { take_output(from, bytes); },
          [this](stream_name from, std::int64_t count) {
            (from == stream_name::out ? progress_out_ : progress_err_).dropped(count);
            print_pending();
            full_.erase(from);  // what is left out says more
            if (!holding_ && is_shown(how_.streams, from))
              out_.say("codeexec: " + missing_sentence(from == stream_name::out ? "stdout" : "stderr", count));
          },
          [this](stream_name from, std::int64_t count) { full_[from] = count; },
      }),
      holding_(how_.tail.has_value()),
      held_out_(how_.tail.value_or(0)),
      held_err_(how_.tail.value_or(0)),
      changed_(tasks.executor()),
      pod_changed_(tasks.executor()) {}

void follower::start(nlohmann::json const& object) {
  take_object(object);
  if (status().is_final()) {
    log_over_ = true;
    return;
  }
  tasks_.spawn("watch the CodeExecution", watch_object(object_.metadata.resourceVersion));
  if (!how_.live) {
    log_over_ = true;
    return;
  }
  tasks_.spawn("watch the pod", watch_pod());
  tasks_.spawn("follow the log", follow_log());
}

void follower::stop() {
  stopped_ = true;
  changed_.pulse();
  pod_changed_.pulse();
}

kube::task<follower::outcome> follower::wait() {
  for (;;) {
    if (stopped_) co_return outcome::stopped;
    if (status().is_final()) {
      if (output_is_settled()) {
        print_rest();
        co_return outcome::finished;
      }
    } else if (deleted_) {
      co_return outcome::deleted;
    } else if (error_) {
      co_return outcome::failed;
    } else if (out_of_touch_since_ && now() - *out_of_touch_since_ > how_.give_up_after) {
      error_ = last_trouble_;
      co_return outcome::failed;
    }
    // Time passing changes the answer in two cases: output that does not settle, and a server that stays away.
    auto const pause = final_since_ ? 20ms : 1000ms;
    auto const by = base::deadline::after(pause);
    co_await changed_.wait_until(by);
  }
}

bool follower::output_is_settled() const {
  if (!how_.live || log_over_ || frames_.ended() || !log_open_) return true;
  auto const truncated = status().output && (status().output->stdoutTruncated || status().output->stderrTruncated);
  auto const total = status().output ? status().output->stdoutBytes + status().output->stderrBytes : 0;
  if (progress_out_.position() + progress_err_.position() >= total) return true;
  return now() - *final_since_ > (truncated ? std::chrono::milliseconds(settle_truncated) : settle_whole);
}

void follower::print_rest() {
  stopped_ = true;  // whatever the log still says is in the status too
  if (!how_.live) return;
  for (auto const which : {stream_name::out, stream_name::err}) {
    auto const all = stored_stream(status(), which);
    auto rest = (which == stream_name::out ? progress_out_ : progress_err_).rest(all);
    if (rest.empty()) continue;
    if (!is_shown(how_.streams, which)) continue;
    output_began_ = true;
    emit({piece{which, std::move(rest.head)}});
    if (rest.missing > 0 && !holding_) out_.say("codeexec: " + missing_sentence(all.name, rest.missing));
    emit({piece{which, std::move(rest.tail)}});
    if (all.is_repaired() && !how_.quiet) out_.say("codeexec: " + repaired_sentence(all.name));
  }
  release();
}

void follower::emit(std::vector<piece> pieces) {
  std::erase_if(pieces, [this](piece const& p) { return !is_shown(how_.streams, p.to); });
  if (!holding_) {
    out_.relay(std::move(pieces));
    return;
  }
  for (auto const& p : pieces)
    (p.to == stream_name::out ? held_out_ : held_err_).add(p.bytes);
}

void follower::release() {
  if (!holding_) return;
  holding_ = false;
  out_.relay(stream_name::out, held_out_.take());
  out_.relay(stream_name::err, held_err_.take());
}

void follower::take_object(nlohmann::json const& object) {
  auto decoded = api::decode_code_execution(object);
  auto* const value = std::get_if<api::CodeExecution>(&decoded);
  // One that a newer server writes differently: its next state may be readable, and the old one stays true till then.
  if (value == nullptr) return;
  if (!object_.metadata.uid.empty() && value->metadata.uid != object_.metadata.uid) {
    deleted_ = true;  // ours is gone; somebody has made another one of the same name
    changed_.pulse();
    return;
  }
  object_ = std::move(*value);
  raw_ = object;
  if (!object_.status.podName.empty() && pod_name_.empty()) {
    pod_name_ = object_.status.podName;
    pod_changed_.pulse();
  }
  if (status().is_final() && !final_since_) final_since_ = now();
  changed_.pulse();
}

void follower::take_pod(nlohmann::json const& object) {
  auto decoded = kube::decode_pod(object);
  auto const* const pod = std::get_if<kube::Pod>(&decoded);
  if (pod == nullptr) return;
  pod_name_ = pod->metadata.name;
  auto const* const container = pod->status.container(execution::container_name);
  if (container != nullptr && container->ended() != nullptr) container_terminated_ = true;
  pod_changed_.pulse();
}

kube::task<void> follower::watch_object(std::string resource_version) {
  watch_target target;
  target.type = kube::code_executions;
  target.namespace_ = how_.namespace_;
  target.field_selector = "metadata.name=" + object_.metadata.name;
  target.resource_version = std::move(resource_version);
  object_watch::handler to;
  to.seen = [this](nlohmann::json const& object) { take_object(object); };
  to.deleted = [this](nlohmann::json const& object) {
    take_object(object);
    deleted_ = true;
    changed_.pulse();
  };
  to.listed = [this](std::size_t count) {
    if (count == 0) {
      deleted_ = true;
      changed_.pulse();
    }
  };
  to.trouble = [this](std::optional<kube::error> const& e) {
    if (!e) {
      out_of_touch_since_.reset();
    } else {
      last_trouble_ = *e;
      if (!out_of_touch_since_) out_of_touch_since_ = now();
    }
  };
  object_watch watch(client_, std::move(target), std::move(to), random_);
  auto const refusal = co_await watch.run();
  if (!refusal.is_cancelled()) {
    error_ = refusal;
    changed_.pulse();
  }
}

kube::task<void> follower::watch_pod() {
  watch_target target;
  target.type = kube::pods;
  target.namespace_ = how_.namespace_;
  target.label_selector = std::string(api::labels::execution_uid) + "=" + object_.metadata.uid;
  object_watch::handler to;
  to.seen = [this](nlohmann::json const& object) { take_pod(object); };
  object_watch watch(client_, std::move(target), std::move(to), random_);
  // Who may not watch pods still learns the pod's name from the status.
  co_await watch.run();
}

kube::task<void> follower::follow_log() {
  // The log can be had up to half a second before the pod's status says that the container runs: ask, gently.
  base::backoff wait(100ms, 1s, 1.3);
  while (!stopped_) {
    if (pod_name_.empty()) {
      co_await pod_changed_.wait();
      continue;
    }
    auto const before = log_bytes_;
    auto const was_terminated = container_terminated_;
    if (holding_) {
      // Where the last lines begin is known once what is there is read; what comes after is followed.
      auto const there = co_await read_log(pod_name_, false);
      if (stopped_) break;
      // A refusal that is none of rights: the container has not begun, so nothing was written before.
      auto const nothing_yet = !there && there.error().kind() == kube::error_kind::api &&
                               !there.error().is_forbidden() && !there.error().is_unauthorized();
      if (there || nothing_yet) release();
      if (frames_.ended()) break;
    }
    auto const done = co_await read_log(pod_name_, true);
    log_open_ = false;
    if (stopped_) break;
    if (done) release();
    if (frames_.ended()) break;
    if (!done && (done.error().is_forbidden() || done.error().is_unauthorized())) {
      log_refusal_ = done.error();
      break;
    }
    // The container had ended before this reading began, so there is no more to come: its log lacks its end.
    if (done && was_terminated) break;
    if (!done && done.error().is_not_found() && was_terminated) break;
    if (log_bytes_ != before) wait.reset();
    auto const by = base::deadline::after(wait.next(random_));
    co_await pod_changed_.wait_until(by);
  }
  log_over_ = true;
  changed_.pulse();
}

kube::task<kube::result<void>> follower::read_log(std::string pod, bool follow) {
  kube::log_options options;
  options.container = std::string(execution::container_name);
  options.follow = follow;
  auto request = kube::make_pod_log(how_.namespace_, pod, options);
  auto const open_by = base::deadline::after(30s);
  auto opened = co_await client_.open_stream(std::move(request), open_by);
  if (!opened) co_return opened.error();
  auto const stream = std::move(*opened);
  log_open_ = follow;
  auto skip = log_bytes_;
  auto const never = base::deadline::never();
  for (;;) {
    auto bytes = co_await stream->read_some(never);
    if (!bytes) co_return bytes.error();
    if (stopped_ || bytes->empty()) co_return kube::result<void>();
    std::string_view fresh = *bytes;
    auto const known = static_cast<std::size_t>(std::min<std::uint64_t>(skip, fresh.size()));
    skip -= known;
    fresh.remove_prefix(known);
    log_bytes_ += fresh.size();
    frames_.feed(fresh);
    print_pending();
    tell_full();
    if (frames_.ended()) changed_.pulse();
    // Not faster than our reader takes it.
    co_await out_.flush();
    if (stopped_ || frames_.ended()) co_return kube::result<void>();
  }
}

void follower::take_output(stream_name from, std::string_view bytes) {
  (from == stream_name::out ? progress_out_ : progress_err_).live(bytes);
  if (pending_.empty() || pending_.back().to != from) pending_.push_back(piece{from, std::string()});
  pending_.back().bytes += bytes;
}

/// Said once what came with it is read: of code that has ended by then the rest is there.
void follower::tell_full() {
  for (auto const& [from, count] : std::exchange(full_, {})) {
    if (!frames_.ended() && !how_.quiet && is_shown(how_.streams, from))
      out_.say("codeexec: " + full_sentence(from == stream_name::out ? "stdout" : "stderr", count));
  }
}

void follower::print_pending() {
  if (pending_.empty()) return;
  if (!output_began_) {
    output_began_ = true;
    changed_.pulse();
  }
  emit(std::move(pending_));
  pending_.clear();
}

}  // namespace codeexec::cli
