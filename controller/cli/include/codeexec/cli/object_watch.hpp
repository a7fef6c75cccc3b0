// Follows the few objects of one execution: lists, watches, reconnects. The operator's reflector keeps whole
// collections for ever and never gives up; here a refusal is an answer that the user must see.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "codeexec/base/backoff.hpp"
#include "codeexec/base/deadline.hpp"
#include "codeexec/kube_client/client.hpp"
#include "codeexec/kube_core/projection.hpp"
#include "codeexec/kube_core/resource.hpp"
#include "codeexec/kube_core/watch_event.hpp"

namespace codeexec::cli {

struct watch_target {
  kube::resource type;
  std::string namespace_;
  std::string label_selector;
  std::string field_selector;
  std::string resource_version;  ///< where the watch begins; empty: list first
  kube::projection keep{};       ///< of each object; empty: all of it
};

class object_watch {
 public:
  struct handler {
    /// The newest state, from a list or an event.
    std::function<void(nlohmann::json const&)> seen;
    /// The object is gone; its last state.
    std::function<void(nlohmann::json const&)> deleted;
    /// A list begins: what it does not show is not there any more.
    std::function<void()> listing;
    /// A list is complete and had so many objects.
    std::function<void(std::size_t)> listed;
    /// Out of touch with the server since then, still trying; nothing: in touch again.
    std::function<void(std::optional<kube::error> const&)> trouble;
  };

  /// The client outlives run().
  object_watch(kube::client& client, watch_target target, handler to, base::rng random);

  /// Until it is cancelled (then an error of that kind), or the server refuses in a way that trying again does not
  /// mend: 401, 403, 404. The handler's functions are called on the client's thread and must not throw.
  kube::task<kube::error> run();

 private:
  kube::task<kube::result<void>> list();
  kube::task<kube::result<void>> watch();
  /// Nothing: go on reading.
  std::optional<kube::result<void>> take(std::string_view line);

  kube::client& client_;
  watch_target target_;
  handler to_;
  base::rng random_;
  std::string version_;
  kube::projection keep_;
  bool progressed_ = false;
};

}  // namespace codeexec::cli
