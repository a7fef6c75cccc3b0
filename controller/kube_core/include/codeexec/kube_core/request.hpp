// Requests as values: built and tested here without I/O, sent by kube_client.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "codeexec/kube_core/resource.hpp"

namespace codeexec::base::log {
class context;
}

namespace codeexec::kube {

enum class verb { get, post, put, patch, remove };

struct request {
  verb method = verb::get;
  std::string target;        ///< path and query, ready for the request line
  std::string content_type;  ///< empty where there is no body
  std::string body;
  std::string accept = "application/json";
  /// For metrics and logs: never parsed back out of the target.
  std::string_view resource_name;
  std::string_view subresource;

  request() = default;
  request(verb m, std::string t) : method(m), target(std::move(t)) {}

  /// True where sending it twice does no more than sending it once (GET, or a write that names a precondition).
  bool idempotent = false;
  /// For the debug line about the call: on whose behalf it is made. May be null.
  std::shared_ptr<base::log::context const> about;
  /// Asked right before each time it goes out, the first and every later one: what a call waits for (its turn, a
  /// connection, a busy server) takes long enough for the answer to change. A reason why it must not be sent ends the
  /// call with `cancelled`. Null: nothing speaks against it.
  std::function<std::optional<std::string>()> objection;
};

struct list_options {
  std::string label_selector;
  std::string field_selector;
  std::string resource_version;        ///< empty: the newest (quorum read)
  std::string resource_version_match;  ///< empty, "Exact" or "NotOlderThan"
  std::int64_t limit = 0;              ///< 0: all in one answer
  std::string continue_token;
};

struct watch_options {
  std::string label_selector;
  std::string field_selector;
  std::string resource_version;
  bool allow_bookmarks = true;
  /// A streaming list: the watch begins with the whole state, not older than resource_version (empty: the newest), as
  /// ADDED events, whose end a bookmark marks. Servers without it refuse the request.
  bool send_initial_events = false;
  std::chrono::seconds timeout{290};  ///< the server ends the watch after this
};

struct log_options {
  std::string container;
  bool follow = false;
  std::optional<std::int64_t> limit_bytes;
  std::optional<std::int64_t> tail_lines;
};

enum class patch_type { merge, json, apply };
enum class propagation { background, foreground, orphan };

struct delete_options {
  std::string uid;               ///< precondition: delete only this very object; empty: whatever has the name
  std::string resource_version;  ///< precondition: only while it is in this state; empty: in whichever
  propagation policy = propagation::background;
  std::optional<std::int64_t> grace_period_seconds;
};

request make_get(resource const& type, std::string_view ns, std::string_view name);
request make_list(resource const& type, std::string_view ns, list_options const& options);
/// ns empty: every namespace.
request make_watch(resource const& type, std::string_view ns, watch_options const& options);
/// `field_manager` as the server records it in managedFields; `body` is JSON.
request make_create(resource const& type, std::string_view ns, std::string body, std::string_view field_manager);
request make_replace(resource const& type, std::string_view ns, std::string_view name, std::string body,
                     std::string_view field_manager);
request make_patch(resource const& type, std::string_view ns, std::string_view name, patch_type how, std::string body,
                   std::string_view field_manager, std::string_view subresource = {});
request make_delete(resource const& type, std::string_view ns, std::string_view name, delete_options const& options);
request make_pod_log(std::string_view ns, std::string_view pod, log_options const& options);

}  // namespace codeexec::kube
