// Answers other than 2xx, and ERROR events: the HTTP status on the first line, then the body.
//
// Holds: nothing throws; the error can be logged (one that is no Status as one short line); it has a message, asks for
// no wait longer than a day, and says the same whether it came as an answer or as an event.
#include <charconv>
#include <nlohmann/json.hpp>
#include <variant>

#include "codeexec/base/encoding.hpp"
#include "codeexec/kube_core/error.hpp"
#include "codeexec/kube_core/watch_event.hpp"

#include "property.hpp"

namespace codeexec::fuzz {
namespace {

void check_error(kube::error const& error, std::size_t longest) {
  hold(!error.message().empty(), "an error has a message");
  hold(base::is_valid_utf8(error.describe()), "an error can be logged");
  hold(error.describe().size() <= longest + 100, "an error is no longer than what the server said");
  auto const wait = error.retry_after();
  hold(!wait || (*wait >= std::chrono::seconds(0) && *wait <= std::chrono::hours(24)),
       "the wait that is asked for is within a day");
  if (error.is_namespace_terminating()) hold(!error.is_retryable(), "a namespace that ends is not tried again");
}

void check(std::string_view input) {
  auto const newline = input.find('\n');
  if (newline == std::string_view::npos) return;
  int status = 0;
  std::from_chars(input.data(), input.data() + newline, status);
  status = std::clamp(status, 100, 999);
  auto const body = input.substr(newline + 1);

  auto const answer = kube::error::from_status(status, body);
  check_error(answer, body.size() * 3);

  auto const document = nlohmann::json::parse(body, nullptr, false);
  bool const is_status = document.is_object() && document.contains("kind") && document["kind"] == "Status";
  if (!is_status) {
    hold(answer.message().size() <= 300, "a stranger's page is cut short");
    hold(answer.message().find('\n') == std::string::npos, "a stranger's page becomes one line");
  }
  // To the library a NUL ends the text, so what it takes for whole may be no part of a line.
  if (!document.is_object() || body.find('\0') != std::string_view::npos) return;
  // What nests deeper than a bound is no answer, and in the event the same body lies a level deeper.
  if (deeper_than(body, 100)) return;

  auto const event = kube::decode_watch_event("{\"type\":\"ERROR\",\"object\":" + std::string(body) + "}");
  auto const* refusal = std::get_if<kube::error_event>(&event);
  hold(refusal != nullptr, "an ERROR event with an object is an error");
  check_error(refusal->status, body.size() * 6);
  if (!is_status) return;
  hold(refusal->status.message() == answer.message(), "an ERROR event says what the answer says");
  hold(refusal->status.retry_after() == answer.retry_after(), "an ERROR event waits as long as the answer");
  hold(refusal->status.causes().size() == answer.causes().size(), "an ERROR event has the causes of the answer");
}

}  // namespace
}  // namespace codeexec::fuzz

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  codeexec::fuzz::check(codeexec::fuzz::as_text(data, size));
  return 0;
}
