#include "codeexec/reconciler/sweeper.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "codeexec/api/json.hpp"
#include "codeexec/api/names.hpp"
#include "codeexec/async/deadline.hpp"
#include "codeexec/base/log.hpp"
#include "codeexec/execution/build.hpp"
#include "codeexec/execution/network_policy.hpp"
#include "codeexec/kube_core/json.hpp"
#include "codeexec/kube_core/list.hpp"
#include "codeexec/kube_core/request.hpp"

#include "metadata_alone.hpp"
#include "request_timeout.hpp"

namespace codeexec::reconciler {
namespace {

using execution::execution_state;
using execution::swept_object;
using std::chrono::seconds;

constexpr seconds longest_settle{60};
constexpr std::int64_t page_size = 500;

std::string label_of(api::ObjectMeta const& metadata, std::string_view name) {
  auto const found = metadata.labels.find(std::string(name));
  return found == metadata.labels.end() ? std::string() : found->second;
}

swept_object describe_object(swept_object::kind what, api::ObjectMeta const& metadata) {
  swept_object one;
  one.what = what;
  one.ns = metadata.namespace_;
  one.name = metadata.name;
  one.uid = metadata.uid;
  one.execution_uid = label_of(metadata, api::labels::execution_uid);
  one.owned = !metadata.ownerReferences.empty();
  one.created = base::parse_time(metadata.creationTimestamp).value_or(base::wall_time{});
  return one;
}

std::optional<api::ObjectMeta> metadata_of(nlohmann::json const& object) {
  if (!object.is_object() || !object.contains("metadata")) return std::nullopt;
  auto decoded = api::decode_object_meta(object["metadata"]);
  auto* const metadata = std::get_if<api::ObjectMeta>(&decoded);
  if (metadata == nullptr) return std::nullopt;
  return std::move(*metadata);
}

/// Nothing where the object is none of ours, whatever selector it was found with.
std::optional<swept_object> describe_shared(kube::resource const& type, nlohmann::json const& object) {
  auto const metadata = metadata_of(object);
  if (!metadata || metadata->being_deleted()) return std::nullopt;
  if (label_of(*metadata, api::labels::managed_by) != api::field_manager) return std::nullopt;
  auto const component = label_of(*metadata, api::labels::component);
  if (type == kube::network_policies) {
    bool const ours = component == api::components::network && metadata->name == execution::network_policy_name;
    if (!ours) return std::nullopt;
    return describe_object(swept_object::kind::network_policy, *metadata);
  }
  if (component == api::components::runner) return describe_object(swept_object::kind::runner, *metadata);
  if (component == api::components::execution) return describe_object(swept_object::kind::input, *metadata);
  return std::nullopt;
}

kube::resource const& type_of(swept_object::kind what) {
  switch (what) {
    case swept_object::kind::job:
      return kube::jobs;
    case swept_object::kind::pod:
      return kube::pods;
    case swept_object::kind::network_policy:
      return kube::network_policies;
    case swept_object::kind::input:
    case swept_object::kind::runner:
      break;
  }
  return kube::config_maps;
}

}  // namespace

sweeper::sweeper(kube::client& client, stores const& what, code_execution_reconciler& by, execution::config const& with,
                 std::vector<std::string> namespaces, base::clock const& clock, base::rng random)
    : client_(client),
      stores_(what),
      reconciler_(by),
      config_(with),
      namespaces_(std::move(namespaces)),
      clock_(clock),
      random_(random) {
  if (namespaces_.empty()) namespaces_.emplace_back();
}

seconds sweeper::settle() const {
  return std::min(config_.sweep_interval, longest_settle);
}

kube::task<void> sweeper::run() {
  for (;;) {
    auto sweeping = sweep();
    co_await std::move(sweeping);
    // Operators of many clusters, or of many namespaces of one, are often started together.
    std::uniform_real_distribution<double> about(0.8, 1.2);
    auto const pause = std::chrono::duration_cast<std::chrono::milliseconds>(config_.sweep_interval * about(random_));
    auto const waited = co_await async::sleep_for(pause);
    if (!waited) co_return;
  }
}

kube::task<void> sweeper::sweep() {
  ++counters_.rounds;
  auto reading = read_ownerless_jobs();
  auto found = co_await std::move(reading);
  for (auto const& ns : namespaces_) {
    auto listing = list(kube::config_maps, ns);
    auto const maps = co_await std::move(listing);
    found.insert(found.end(), maps.begin(), maps.end());
    auto listing_more = list(kube::network_policies, ns);
    auto const policies = co_await std::move(listing_more);
    found.insert(found.end(), policies.begin(), policies.end());
  }
  // Only now: what has come meanwhile must count.
  auto view = look_at_caches();
  view.objects.insert(view.objects.end(), found.begin(), found.end());
  // What is not served may be another operator's.
  std::erase_if(view.objects, [this](auto const& one) { return !config_.serves(one.ns); });
  auto const leftovers = execution::find_leftovers(view, clock_.wall_now(), settle());
  for (auto const& one : leftovers) {
    auto removing = remove(one);
    co_await std::move(removing);
  }
  auto restoring = restore_policies();
  co_await std::move(restoring);
}

execution_state sweeper::state_of(std::string const& uid) const {
  auto const known = stores_.find_by_uid(uid);
  if (!known) return execution_state::absent;
  return known->status.is_final() ? execution_state::finished : execution_state::unfinished;
}

execution::sweep_view sweeper::look_at_caches() const {
  execution::sweep_view view;
  view.state_of = [this](std::string const& uid) { return state_of(uid); };
  view.current_runner = reconciler_.runners().name();
  for (auto const& one : stores_.executions.all())
    view.used_namespaces.insert(one->metadata.namespace_);
  for (auto const& job : stores_.jobs.all()) {
    auto const& ns = job->metadata.namespace_;
    view.used_namespaces.insert(ns);
    auto const runner = job->metadata.annotations.find(std::string(execution::runner_annotation));
    if (runner != job->metadata.annotations.end()) {
      view.runners_of_jobs.emplace(ns, runner->second);
    } else {
      view.namespaces_of_older_jobs.insert(ns);
    }
  }
  for (auto const& pod : stores_.pods.all()) {
    view.used_namespaces.insert(pod->metadata.namespace_);
    if (!pod->metadata.being_deleted()) {
      view.objects.push_back(describe_object(swept_object::kind::pod, pod->metadata));
    }
  }
  return view;
}

kube::task<std::vector<swept_object>> sweeper::read_ownerless_jobs() {
  std::vector<swept_object> out;
  auto const known = stores_.jobs.all();
  for (auto const& job : known) {
    if (!job->metadata.ownerReferences.empty() || job->metadata.being_deleted()) continue;
    auto const by = base::deadline::after(request_timeout);
    auto request = kube::make_get(kube::jobs, job->metadata.namespace_, job->metadata.name);
    auto sending = client_.send(std::move(request), by);
    auto const answer = co_await std::move(sending);
    if (!answer) continue;
    auto const metadata = metadata_of(kube::parse_answer(*answer));
    bool const ours = metadata && metadata->uid == job->metadata.uid && !metadata->being_deleted() &&
                      label_of(*metadata, api::labels::managed_by) == api::field_manager;
    if (ours) out.push_back(describe_object(swept_object::kind::job, *metadata));
  }
  co_return out;
}

kube::task<std::vector<swept_object>> sweeper::list(kube::resource type, std::string ns) {
  std::vector<swept_object> out;
  kube::list_options options;
  options.label_selector = children_selector();
  options.limit = page_size;
  for (;;) {
    auto const by = base::deadline::after(request_timeout);
    auto request = kube::make_list(type, ns, options);
    request.accept = metadata_alone;
    auto sending = client_.send(std::move(request), by);
    auto const answer = co_await std::move(sending);
    auto const page = answer ? kube::decode_list(*answer) : kube::result<kube::list_page>(answer.error());
    if (!page) {
      base::log::debug("sweep goes without a list", {base::log::kv("resource", type.plural),
                                                     base::log::kv("error", page.error().describe_for_log())});
      co_return std::vector<swept_object>();
    }
    for (auto const& item : page->items) {
      auto one = describe_shared(type, item);
      if (one) out.push_back(std::move(*one));
    }
    if (page->continue_token.empty()) co_return out;
    options.continue_token = page->continue_token;
  }
}

kube::task<void> sweeper::remove(swept_object what) {
  bool const shared = what.what == swept_object::kind::runner || what.what == swept_object::kind::network_policy;
  if (shared) {
    auto removing = remove_shared(what);
    co_await std::move(removing);
    co_return;
  }
  auto removing = remove_now(what);
  co_await std::move(removing);
}

kube::task<void> sweeper::remove_shared(swept_object what) {
  auto const runner = what.what == swept_object::kind::runner;
  // Of an older version nobody asks for it any more, and the namespace may well be in use.
  bool const outdated = runner && what.name != reconciler_.runners().name();
  if (outdated) {
    auto removing = remove_now(what);
    co_await std::move(removing);
    co_return;
  }
  auto& checks = runner ? reconciler_.runners().checks() : reconciler_.policies().checks();
  if (!checks.begin_removal(what.ns, settle())) co_return;
  // The cache may not show yet what somebody has just created.
  kube::list_options options;
  options.limit = 1;
  auto const by = base::deadline::after(request_timeout);
  auto request = kube::make_list(kube::code_executions, what.ns, options);
  request.accept = metadata_alone;
  auto sending = client_.send(std::move(request), by);
  auto const answer = co_await std::move(sending);
  auto const page = answer ? kube::decode_list(*answer) : kube::result<kube::list_page>(answer.error());
  bool const unused = page && page->items.empty();
  if (unused) {
    auto removing = remove_now(what);
    co_await std::move(removing);
  }
  checks.end_removal(what.ns);
}

kube::task<void> sweeper::remove_now(swept_object what) {
  kube::delete_options options;
  options.uid = what.uid;
  options.policy = kube::propagation::background;
  auto const by = base::deadline::after(request_timeout);
  auto request = kube::make_delete(type_of(what.what), what.ns, what.name, options);
  auto sending = client_.send(std::move(request), by);
  auto const answer = co_await std::move(sending);
  auto const kind = execution::name_of(what.what);
  if (!answer) {
    bool const gone = answer.error().is_not_found() || answer.error().is_conflict();
    if (!gone && !answer.error().is_cancelled()) {
      base::log::warn("left over, and cannot be removed",
                      {base::log::kv("kind", kind), base::log::kv("namespace", what.ns),
                       base::log::kv("name", what.name), base::log::kv("error", answer.error().describe_for_log())});
    }
    co_return;
  }
  ++counters_.removed;
  base::log::info("left over, removed",
                  {base::log::kv("kind", kind), base::log::kv("namespace", what.ns), base::log::kv("name", what.name)});
}

kube::task<void> sweeper::restore_policies() {
  if (!config_.network_policy) co_return;
  std::set<std::string> relying;
  for (auto const& job : stores_.jobs.all()) {
    auto const* const owner = job->metadata.controller_owner();
    auto const execution = owner == nullptr ? nullptr : stores_.find_by_uid(owner->uid);
    if (!execution || execution->status.is_final() || execution->metadata.being_deleted()) continue;
    if (!config_.serves(job->metadata.namespace_)) continue;
    auto const resolved = execution::resolve(execution->spec, config_, job->metadata.namespace_);
    if (resolved && !resolved->network_allowed) relying.insert(job->metadata.namespace_);
  }
  for (auto const& ns : relying) {
    auto ensuring = reconciler_.policies().ensure(ns, settle());
    auto const result = co_await std::move(ensuring);
    if (!result) {
      base::log::warn("NetworkPolicy cannot be restored",
                      {base::log::kv("namespace", ns), base::log::kv("error", result.error().describe_for_log())});
    }
  }
}

}  // namespace codeexec::reconciler
