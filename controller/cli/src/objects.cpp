#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "codeexec/cli/exit_code.hpp"
#include "codeexec/cli/session.hpp"
#include "codeexec/kube_core/json.hpp"
#include "codeexec/kube_core/list.hpp"
#include "codeexec/kube_core/request.hpp"

namespace codeexec::cli {

namespace {

/// Of a list, in one answer. More are asked for page by page.
constexpr std::int64_t page_size = 500;
/// Where so many at once are more than we take: each may hold a megabyte and a half.
constexpr std::int64_t small_page_size = 25;

}  // namespace

int failed(session& in, kube::error const& e, std::string verb, std::string name) {
  report(in, e, std::move(verb), std::move(name));
  return exit_codes::failure;
}

kube::task<void> finish(session& in, bool interrupted, int code) {
  if (interrupted) {
    auto const by = base::deadline::after(std::chrono::seconds(1));
    auto const written = co_await in.out.flush_until(by);
    if (!written) in.out.leave_at_once(code);
  }
  co_await in.out.flush();
  in.tasks.stop();
  co_await in.tasks.join();
}

kube::task<int> print_out(session& in, std::string text) {
  in.out.write(stream_name::out, std::move(text));
  co_await in.out.flush();
  co_return in.out.failure() == 0 ? exit_codes::ok : exit_codes::broken_pipe;
}

void tidy(nlohmann::json& object) {
  if (!object.is_object()) return;
  // Items of a list carry neither.
  if (!object.contains("apiVersion")) object["apiVersion"] = kube::code_executions.api_version();
  if (!object.contains("kind")) object["kind"] = std::string(kube::code_executions.kind);
  if (auto const metadata = object.find("metadata"); metadata != object.end() && metadata->is_object()) {
    metadata->erase("managedFields");
  }
}

kube::task<kube::result<nlohmann::json>> fetch(session& in, std::string name) {
  auto request = kube::make_get(kube::code_executions, in.namespace_, name);
  auto const by = base::deadline::after(answer_time);
  auto answer = co_await send_patiently(in, std::move(request), by);
  if (!answer) co_return answer.error();
  auto object = kube::parse_answer(*answer);
  if (!object.is_object()) co_return kube::error(kube::error_kind::decode, "the answer is not a JSON object");
  co_return object;
}

kube::task<kube::result<found_objects>> fetch_all(session& in, std::string ns, kube::list_options which,
                                                  kube::projection keep) {
  found_objects found;
  auto const kept = kube::list_projection(std::move(keep));
  which.limit = page_size;
  int restarts = 0;
  for (;;) {
    auto request = kube::make_list(kube::code_executions, ns, which);
    auto const by = base::deadline::after(answer_time);
    // Between pages, Gone is an answer.
    auto sending = which.continue_token.empty() ? send_patiently(in, std::move(request), by)
                                                : in.client.send(std::move(request), by);
    auto body = co_await std::move(sending);
    if (!body) {
      if (body.error().is_gone() && !which.continue_token.empty() && restarts < 3) {
        // The pages took longer than the server remembers their moment.
        ++restarts;
        found.items.clear();
        which.continue_token.clear();
        continue;
      }
      if (body.error().kind() == kube::error_kind::protocol && which.limit == page_size) {
        which.limit = small_page_size;
        continue;
      }
      co_return body.error();
    }
    auto const page =
        kube::decode_list(*body, kept, [&found](nlohmann::json&& item) { found.items.push_back(std::move(item)); });
    if (!page) co_return page.error();
    found.resource_version = page->resource_version;
    if (page->continue_token.empty()) co_return found;
    which.continue_token = page->continue_token;
  }
}

}  // namespace codeexec::cli
