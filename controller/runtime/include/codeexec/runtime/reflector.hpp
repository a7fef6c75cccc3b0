// Keeps a sink up to date with one collection of an API server: the thin part that turns watch_fsm's actions into
// calls.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "codeexec/api/json.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/kube_client/client.hpp"
#include "codeexec/kube_core/line_framer.hpp"
#include "codeexec/kube_core/projection.hpp"
#include "codeexec/kube_core/resource.hpp"
#include "codeexec/runtime/store.hpp"
#include "codeexec/runtime/watch_fsm.hpp"

namespace codeexec::runtime {

/// Nothing, or which field of the object is wrong.
using decode_result = std::optional<api::decode_error>;

/// Where a reflector puts what it learns. Every call is on the reflector's thread and does not throw for what an object
/// looks like.
class object_sink {
 public:
  object_sink() = default;
  object_sink(object_sink const&) = delete;
  object_sink& operator=(object_sink const&) = delete;
  virtual ~object_sink() = default;

  /// A list begins (again): what was listed before and not completed is void.
  virtual void list_started() = 0;
  /// Of two states of one object the later counts.
  virtual decode_result listed(object_id id, nlohmann::json const& object) = 0;
  /// It was deleted while it was listed.
  virtual void unlisted(object_key const& key) = 0;
  /// What was listed since list_started() is all there is.
  virtual void list_complete() = 0;
  virtual decode_result applied(object_id id, nlohmann::json const& object) = 0;
  /// `object` is the last state. An error means that only the state was unreadable; the object is gone all the same.
  virtual decode_result deleted(object_id id, nlohmann::json const& object) = 0;
};

/// What to reflect.
struct collection {
  kube::resource type;
  std::string ns;  ///< empty: every namespace
  std::string label_selector;
  std::string field_selector;
  kube::projection keep;  ///< what of an object the sink reads (pod_fields() and its like); empty: all of it
  std::optional<kube::lighter_state> lighter;  ///< where it reads less
};

/// Lifetime: the client, the sink and the clock outlive run(). Thread: the client's executor.
class reflector {
 public:
  reflector(kube::client& client, collection what, object_sink& sink, base::clock const& clock, watch_policy policy,
            base::rng random);

  /// Lists and watches until it is cancelled; never ends by itself, whatever the server answers: every failure is
  /// logged, counted, and tried again after a backoff. Run once, by a task_group.
  kube::task<void> run();

  watch_counters const& counters() const { return fsm_.counters(); }
  /// Objects and lines that could not be decoded, each logged with its name where it has one.
  std::uint64_t malformed() const { return malformed_; }

 private:
  using action = watch_fsm::action;

  kube::task<action> list(list_action a);
  kube::task<action> open(watch_action a);
  kube::task<action> read(read_action a);
  /// The page's items to the sink.
  kube::result<action> take_page(std::string_view body);
  /// `listing`: the line belongs to a streamed list.
  action take_line(std::string_view line, bool listing);
  void list_is_complete();
  /// Logs what failed and how long `next` waits; returns `next`.
  action failed(std::string_view doing, kube::error const& e, action next);
  void report_malformed(object_key const& key, std::string_view problem);
  base::steady_time now() const { return clock_.steady_now(); }

  kube::client& client_;
  collection what_;
  object_sink& sink_;
  base::clock const& clock_;
  watch_fsm fsm_;
  std::unique_ptr<kube::byte_stream> stream_;
  kube::line_framer lines_;
  std::size_t longest_line_;
  kube::projection page_keep_;
  kube::projection line_keep_;
  bool missing_ = false;  // the server has no such collection, and the log says so
  std::uint64_t malformed_ = 0;
};

}  // namespace codeexec::runtime
