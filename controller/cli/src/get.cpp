#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "codeexec/api/json.hpp"
#include "codeexec/async/deadline.hpp"
#include "codeexec/cli/exit_code.hpp"
#include "codeexec/cli/json_path.hpp"
#include "codeexec/cli/object_watch.hpp"
#include "codeexec/cli/render.hpp"
#include "codeexec/cli/session.hpp"
#include "codeexec/kube_core/list.hpp"
#include "codeexec/kube_core/request.hpp"

namespace codeexec::cli {

namespace {

/// What the table needs: a page of outputs must not be kept for it.
kube::projection kept_for(output_format form) {
  if (form == output_format::json || form == output_format::yaml || form == output_format::jsonpath) return {};
  return {kube::kept_metadata(),
          {"status",
           {"phase", "reason", "exitCode", "signal", "startTime", "completionTime", "usage", "podName", "nodeName",
            "timeline"}}};
}

std::vector<api::CodeExecution> decode_all(session& in, std::vector<nlohmann::json> const& items) {
  std::vector<api::CodeExecution> decoded;
  for (auto const& item : items) {
    auto value = api::decode_code_execution(item);
    if (auto* const wrong = std::get_if<api::decode_error>(&value)) {
      in.out.say("warning: one CodeExecution is left out, for it cannot be read: " + printable(wrong->describe()));
    } else {
      decoded.push_back(std::move(std::get<api::CodeExecution>(value)));
    }
  }
  return decoded;
}

table_options table_of(session const& in, get_options const& options) {
  auto const on = screen_of(in);
  table_options how;
  how.with_namespace = options.all_namespaces;
  how.wide = options.output == output_format::wide;
  how.head = !options.no_headers;
  how.width = on.width;
  how.colours = on.colours;
  return how;
}

/// One after another, as the watch says. Rows go below the table that is there already and keep to its columns.
class watched_list {
 public:
  watched_list(session& in, get_options const& options, std::vector<nlohmann::json> const& shown)
      : in_(in), options_(options), how_(table_of(in, options)) {
    how_.head = false;
    auto const known = decode_all(in, shown);
    how_.room_for = known;
    for (auto const& one : known)
      last_[one.metadata.uid] = one.metadata.resourceVersion;
  }

  void show(nlohmann::json object, bool deleted) {
    auto decoded = api::decode_code_execution(object);
    auto* const one = std::get_if<api::CodeExecution>(&decoded);
    if (one == nullptr) return;
    auto& version = last_[one->metadata.uid];
    // A list after a break shows again what has not changed.
    if (!deleted && version == one->metadata.resourceVersion) return;
    version = one->metadata.resourceVersion;
    if (deleted) {
      last_.erase(one->metadata.uid);
      if (!one->metadata.deletionTimestamp) one->metadata.deletionTimestamp = "";
    }
    tidy(object);
    std::string text;
    if (options_.output == output_format::json) {
      text = to_json_text(object);
    } else if (options_.output == output_format::yaml) {
      text = "---\n" + to_yaml(object);
    } else if (options_.output == output_format::name) {
      text = std::string(shown_type) + "/" + printable(one->metadata.name) + "\n";
    } else {
      text = render_list({*one}, how_, in_.clock.wall_now());
    }
    in_.out.write(stream_name::out, std::move(text));
  }

 private:
  session& in_;
  get_options const& options_;
  table_options how_;
  std::map<std::string, std::string> last_;  ///< resourceVersion by uid
};

kube::task<void> keep_watching(object_watch* watching, std::optional<kube::error>* into, async::event* wake) {
  auto const refusal = co_await watching->run();
  if (!refusal.is_cancelled()) *into = refusal;
  wake->pulse();
}

kube::task<int> watch_list(session& in, get_options options, found_objects found) {
  interruption interrupted(in.tasks, in.out);
  watched_list shown(in, options, found.items);
  watch_target target;
  target.type = kube::code_executions;
  target.namespace_ = options.all_namespaces ? std::string() : in.namespace_;
  target.label_selector = options.selector;
  target.field_selector = options.names.empty() ? options.field_selector : "metadata.name=" + options.names.front();
  target.resource_version = found.resource_version;
  target.keep = kept_for(options.output);
  object_watch::handler to;
  to.seen = [&shown](nlohmann::json const& object) { shown.show(object, false); };
  to.deleted = [&shown](nlohmann::json const& object) { shown.show(object, true); };
  object_watch watching(in.client, std::move(target), std::move(to), in.random);
  std::optional<kube::error> refusal;
  async::event changed(in.tasks.executor());
  in.tasks.spawn("relay interruptions", relay_pulses(&interrupted.came(), &changed));
  in.tasks.spawn("relay write errors", relay_pulses(&in.out.failed(), &changed));
  in.tasks.spawn("watch the list", keep_watching(&watching, &refusal, &changed));
  while (!refusal && interrupted.signal() == 0 && in.out.failure() == 0) {
    co_await changed.wait();
  }
  auto code = exit_codes::ok;
  if (interrupted.signal() != 0) {
    code = 128 + interrupted.signal();
  } else if (in.out.failure() != 0) {
    code = exit_codes::broken_pipe;
  } else {
    code = failed(in, *refusal, "watch", options.names.empty() ? std::string() : options.names.front());
  }
  in.tasks.stop();
  co_await in.tasks.join();
  co_return code;
}

}  // namespace

kube::task<int> get(session& in, get_options options) {
  found_objects found;
  auto code = exit_codes::ok;
  for (auto const& name : options.names) {
    auto object = co_await fetch(in, name);
    if (!object) {
      code = failed(in, object.error(), "get", name);
      if (options.watch) co_return code;
      continue;
    }
    if (auto const meta = object->find("metadata"); meta != object->end() && meta->is_object()) {
      auto const version = meta->find("resourceVersion");
      if (version != meta->end() && version->is_string()) found.resource_version = version->get<std::string>();
    }
    found.items.push_back(std::move(*object));
  }
  if (options.names.empty()) {
    kube::list_options which;
    which.label_selector = options.selector;
    which.field_selector = options.field_selector;
    auto const ns = options.all_namespaces ? std::string() : in.namespace_;
    auto keep = kept_for(options.output);
    auto all = co_await fetch_all(in, ns, std::move(which), std::move(keep));
    if (!all) co_return failed(in, all.error(), "list", "");
    found = std::move(*all);
  } else if (found.items.empty()) {
    co_await in.out.flush();
    co_return code;
  }
  for (auto& item : found.items)
    tidy(item);

  std::string text;
  if (options.output == output_format::json || options.output == output_format::yaml ||
      options.output == output_format::jsonpath) {
    nlohmann::json shown;
    if (options.names.size() == 1) {
      shown = found.items.front();
    } else {
      shown["apiVersion"] = "v1";
      shown["kind"] = "List";
      shown["items"] = found.items;
    }
    if (options.output == output_format::jsonpath) {
      auto rendered = render_json_path(options.path, shown);
      if (!rendered) {
        in.out.say("error: " + rendered.error().message);
        co_await in.out.flush();
        co_return exit_codes::usage;
      }
      text = std::move(*rendered);
    } else if (options.watch) {
      for (auto const& item : found.items)
        text += options.output == output_format::json ? to_json_text(item) : "---\n" + to_yaml(item);
    } else {
      text = options.output == output_format::json ? to_json_text(shown) : to_yaml(shown);
    }
  } else {
    auto const decoded = decode_all(in, found.items);
    if (options.output == output_format::name) {
      for (auto const& item : decoded)
        text += std::string(shown_type) + "/" + printable(item.metadata.name) + "\n";
    } else if (!decoded.empty() || options.watch) {
      text = render_list(decoded, table_of(in, options), in.clock.wall_now());
    } else {
      in.out.say(options.all_namespaces ? std::string("No CodeExecutions found.")
                                        : "No CodeExecutions found in namespace " + printable(in.namespace_) + ".");
    }
  }
  // jsonpath gives values as they are, and a value may be what the code wrote.
  if (options.output == output_format::jsonpath) {
    in.out.relay(stream_name::out, std::move(text));
    in.out.end_relay();
    text.clear();
  }
  auto const printed = co_await print_out(in, std::move(text));
  if (printed != exit_codes::ok) co_return printed;
  if (options.watch) {
    auto const watched = co_await watch_list(in, std::move(options), std::move(found));
    co_return watched;
  }
  co_return code;
}

}  // namespace codeexec::cli
