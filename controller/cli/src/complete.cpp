#include <nlohmann/json.hpp>
#include <utility>

#include "codeexec/api/names.hpp"
#include "codeexec/cli/completion.hpp"
#include "codeexec/cli/exit_code.hpp"
#include "codeexec/cli/session.hpp"
#include "codeexec/kube_core/json.hpp"
#include "codeexec/kube_core/list.hpp"
#include "codeexec/kube_core/request.hpp"

namespace codeexec::cli {

namespace {

using namespace std::chrono_literals;

/// Longer than that nobody waits for a tab.
constexpr auto tab_time = 3s;

bool is_offered(candidate_source from, std::string const& phase, std::string const& reason) {
  if (from == candidate_source::suspended) return reason == api::reasons::suspended;
  if (from == candidate_source::unfinished) return phase != api::phases::succeeded && phase != api::phases::failed;
  return true;
}

/// Names and what the printer columns say: a few bytes each, where the objects hold their output.
kube::task<std::vector<candidate>> executions_of(session& in, candidate_source from) {
  std::vector<candidate> found;
  kube::list_options options;
  options.limit = 500;
  auto request = kube::make_list(kube::code_executions, in.namespace_, options);
  request.target += "&includeObject=None";
  request.accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
  auto const by = base::deadline::after(tab_time);
  auto const body = co_await in.client.send(std::move(request), by);
  if (!body) co_return found;
  auto const table = kube::parse_answer(*body);
  if (!table.is_object() || !table.contains("columnDefinitions") || !table.contains("rows")) co_return found;
  auto const column = [&table](char const* name) {
    std::size_t index = 0;
    for (auto const& one : table["columnDefinitions"]) {
      if (one.is_object() && one.contains("name") && one["name"] == name) return index;
      ++index;
    }
    return index;
  };
  auto const name_at = column("Name");
  auto const phase_at = column("Phase");
  auto const reason_at = column("Reason");
  for (auto const& row : table["rows"]) {
    if (!row.is_object() || !row.contains("cells") || !row["cells"].is_array()) continue;
    auto const& cells = row["cells"];
    auto const text = [&cells](std::size_t at) {
      return at < cells.size() && cells[at].is_string() ? cells[at].get<std::string>() : std::string();
    };
    auto const phase = text(phase_at);
    auto const reason = text(reason_at);
    auto name = text(name_at);
    if (name.empty() || !is_offered(from, phase, reason)) continue;
    found.push_back({std::move(name), phase + (reason.empty() || reason == phase ? "" : ", " + reason)});
  }
  co_return found;
}

kube::task<std::vector<candidate>> all_namespaces(session& in) {
  std::vector<candidate> found;
  kube::list_options options;
  auto request = kube::make_list(kube::namespaces, "", options);
  auto const by = base::deadline::after(tab_time);
  auto const body = co_await in.client.send(std::move(request), by);
  if (!body) co_return found;
  auto const page = kube::decode_list(*body);
  if (!page) co_return found;
  for (auto const& item : page->items) {
    if (item.is_object() && item.contains("metadata") && item["metadata"].is_object() &&
        item["metadata"].contains("name") && item["metadata"]["name"].is_string()) {
      found.push_back({item["metadata"]["name"].get<std::string>(), ""});
    }
  }
  co_return found;
}

}  // namespace

kube::task<int> complete(session& in, completion_question question) {
  std::vector<candidate> found;
  if (question.from == candidate_source::namespaces) {
    found = co_await all_namespaces(in);
  } else {
    found = co_await executions_of(in, question.from);
  }
  auto text = render_candidates(question, found);
  auto const code = co_await print_out(in, std::move(text));
  co_return code;
}

}  // namespace codeexec::cli
