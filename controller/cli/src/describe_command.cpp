#include <nlohmann/json.hpp>
#include <utility>

#include "codeexec/api/json.hpp"
#include "codeexec/cli/describe.hpp"
#include "codeexec/cli/exit_code.hpp"
#include "codeexec/cli/render.hpp"
#include "codeexec/cli/session.hpp"
#include "codeexec/kube_core/list.hpp"
#include "codeexec/kube_core/request.hpp"

namespace codeexec::cli {

namespace {

/// Into `into`: the Events about it, or why there are none to show. They are read as core Events, for those of
/// events.k8s.io are the same objects.
kube::task<void> find_events(session& in, std::string uid, describe_input* into) {
  if (uid.empty()) co_return;
  kube::list_options options;
  options.field_selector = "involvedObject.uid=" + uid;
  options.limit = 500;
  auto request = kube::make_list(kube::core_events, in.namespace_, options);
  auto const by = base::deadline::after(answer_time);
  auto body = co_await send_patiently(in, std::move(request), by);
  if (!body) {
    into->no_events_because = body.error().is_forbidden() ? std::string("not known: you may not list events")
                                                          : "not known: " + printable(body.error().message());
    co_return;
  }
  auto const page = kube::decode_list(*body);
  if (!page) {
    into->no_events_because = "not known: the answer cannot be read";
    co_return;
  }
  into->events = read_events(page->items);
}

}  // namespace

kube::task<int> describe(session& in, describe_options options) {
  auto code = exit_codes::ok;
  bool first = true;
  for (auto const& name : options.names) {
    auto object = co_await fetch(in, name);
    if (!object) {
      code = failed(in, object.error(), "get", name);
      continue;
    }
    auto decoded = api::decode_code_execution(*object);
    if (auto const* const wrong = std::get_if<api::decode_error>(&decoded)) {
      auto const unreadable = kube::error(kube::error_kind::decode, wrong->describe());
      code = failed(in, unreadable, "read", name);
      continue;
    }
    describe_input what;
    what.execution = std::move(std::get<api::CodeExecution>(decoded));
    co_await find_events(in, what.execution.metadata.uid, &what);
    auto text = (first ? std::string() : std::string("\n")) + render_description(what, screen_of(in));
    first = false;
    in.out.write(stream_name::out, std::move(text));
  }
  co_await in.out.flush();
  co_return in.out.failure() == 0 ? code : exit_codes::broken_pipe;
}

}  // namespace codeexec::cli
