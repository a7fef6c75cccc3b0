// The inside of api_server: one request on its way, and the functions that answer it, by subject:
// rest_access.cpp says who may, rest_body.cpp reads what was sent, rest_verbs.cpp does it, rest_streams.cpp follows
// watches and logs, rest_pages.cpp answers what is no resource.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <deque>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "codeexec/local/access_control.hpp"
#include "codeexec/local/api_server.hpp"
#include "codeexec/local/cluster_access.hpp"
#include "codeexec/local/discovery.hpp"
#include "codeexec/local/open_api.hpp"
#include "codeexec/local/selector.hpp"
#include "codeexec/local/table.hpp"

#include "rest_request.hpp"

namespace codeexec::local {

namespace asio = boost::asio;
using net::exchange;
using net::header_list;
using net::server_request;
using nlohmann::json;

/// Compact JSON; never throws.
std::string dump(json const& value);

/// A whole answer.
struct reply {
  int status = 200;
  header_list headers;
  std::string body;

  reply() = default;
  reply(int code, std::string content_type, std::string text) : status(code), body(std::move(text)) {
    headers.emplace_back("Content-Type", std::move(content_type));
  }
  static reply of(int code, json const& value) { return reply(code, "application/json", dump(value)); }
  static reply of(status_error const& refusal) {
    reply out = of(refusal.code, refusal.to_json());
    if (refusal.retry_after_seconds) {
      out.headers.emplace_back("Retry-After", std::to_string(*refusal.retry_after_seconds));
    }
    return out;
  }
  /// What the real server's router says about a path it does not know.
  static reply no_such_page() { return reply(404, "text/plain; charset=utf-8", "404 page not found\n"); }
};

status_error unsupported_media(std::string_view accepted);
status_error invalid_options(char const* kind, field_errors const& errors);
/// Nothing where it is no number.
std::optional<std::uint64_t> parse_version(std::string const& text);
status_error bad_version(std::string const& text);
/// Discarded where it is no JSON, or nested so deeply that nobody means it.
json parse_json(std::string const& text);
/// What Go's decoder would say about a text that parse_json() discarded.
std::string parse_failure(std::string const& body);
header_list warnings(std::vector<std::string> const& texts);

/// What a request wants, as rules of access name it. `resource`: its path taken apart; null: a page that is none.
attributes attributes_of(boost::beast::http::verb method, std::string const& path, resource_path const* resource,
                         query const& options);

/// One resource request on its way: what it names, and how the answer should look.
struct target {
  resource_path path;
  query options;
  std::shared_ptr<resource_type const> type;
  user_info user;
  bool modern_event = false;  ///< asked as events.k8s.io/v1
  answer_form form = answer_form::json;

  /// How its tables are to be; `columns` false for all but the first event of a watch.
  table_options table(bool columns = true) const;
  std::string api_version() const { return modern_event ? "events.k8s.io/v1" : type->api_version(); }
};

/// An open filter over a type.
struct filter {
  label_selector labels;
  field_selector fields;

  bool matches(json const& value) const { return labels.matches(value) && fields.matches(value); }
};

struct api_server::state {
  state(asio::any_io_executor ex, store& o, custom_types& c)
      : executor(std::move(ex)),
        objects(o),
        customs(c),
        discover(o),
        documents(discover, c),
        random(std::random_device()()) {}

  // Access
  result<user_info> authenticate(server_request const& request) const;
  /// Who it is, where they may do that; else 401 or 403.
  result<user_info> authorize(server_request const& request, std::string const& path,
                              std::optional<resource_path> const& resource, query const& options) const;
  /// A role or binding that grants what its writer does not have.
  std::optional<status_error> escalates(target const& t, json const& value) const;
  /// SelfSubjectAccessReview and its kin; nothing where the path is none of theirs.
  std::optional<reply> review(resource_path const& path, server_request const& request, user_info const& who) const;
  json judge(user_info const& who, json const& spec) const;
  reply create_token(target const& t, server_request const& request);
  /// Pod Security's warnings about what was just written.
  void warn_of(target const& t, json const& written, json const* before, std::vector<std::string>& warned) const;

  // Decoding
  result<json> decode(target const& t, server_request const& request, std::vector<std::string>& warned);
  result<json> decode_text(server_request const& request, std::string_view kind);
  status_error event_without_time(target const& t, json const& value);
  std::optional<status_error> check_fields(target const& t, json& value, std::vector<std::string>& warned);
  result<filter> filter_of(target const& t) const;
  result<bool> dry_run(target const& t, char const* kind) const;

  // Answers
  json shown(target const& t, json value) const;
  reply object_reply(target const& t, int status, object const& what) const;
  /// The answer to a write, with everything that was warned of on the way; `before`: what stood there, null: nothing.
  reply write_reply(target const& t, int status, result<object> const& written, json const* before,
                    std::vector<std::string>& warned) const;
  reply list_reply(target const& t, std::vector<object> const& items, json list_metadata) const;
  std::string list_item(target const& t, object const& item) const;

  // Verbs
  reply get(target const& t);
  reply list(target const& t);
  reply create(target const& t, server_request const& request);
  reply replace(target const& t, server_request const& request);
  reply patch(target const& t, server_request const& request);
  reply apply(target const& t, server_request const& request, bool dry);
  reply remove(target const& t, server_request const& request);
  reply remove_collection(target const& t, server_request const& request);
  result<remove_options> removal_options(target const& t, server_request const& request);
  asio::awaitable<void> stream_watch(target t, exchange& answer);
  asio::awaitable<void> stream_log(target t, exchange& answer);
  asio::awaitable<void> proxy_to_pod(target t, std::string query_text, exchange& answer);
  /// GET, PUT and PATCH of a workload's scale.
  reply scale(target const& t, server_request const& request);

  reply static_page(std::string_view path, query const& options, server_request const& request);
  reply open_api_page(std::vector<std::string> const& parts, query const& options, server_request const& request);
  static asio::awaitable<void> send(exchange& answer, reply what);

  /// A list being read page by page: the objects as they stood when it began.
  struct snapshot {
    std::uint64_t id;
    std::uint64_t version;
    std::vector<object> items;
  };

  asio::any_io_executor executor;
  store& objects;
  custom_types& customs;
  discovery discover;
  open_api documents;
  log_source* logs = nullptr;
  pod_ports* ports = nullptr;
  access_control const* access = nullptr;
  std::string address = "127.0.0.1";
  std::mt19937_64 random;
  std::deque<snapshot> snapshots;
  std::uint64_t next_snapshot = 1;
};

}  // namespace codeexec::local
