// A container's log: frames put together again. What the code in the sandbox can write, it may have written here.
//
// Holds: nothing throws; the outcome is the same however the bytes were cut; no more is kept than was asked for; what
// is shown is valid UTF-8 within its budget, and whole where it says so.
#include "codeexec/execution/log_frames.hpp"

#include <nlohmann/json.hpp>

#include "codeexec/base/encoding.hpp"
#include "codeexec/execution/result.hpp"
#include "codeexec/kube_core/stored_size.hpp"

#include "property.hpp"

namespace codeexec::fuzz {
namespace {

constexpr auto token = "tok";

void hold_same(execution::stream_capture const& a, execution::stream_capture const& b) {
  hold(a.total() == b.total(), "bytes written do not depend on how the log was cut");
  hold(a.whole() == b.whole(), "wholeness does not depend on how the log was cut");
  hold(a.head() == b.head(), "the first bytes do not depend on how the log was cut");
  hold(a.tail() == b.tail(), "the last bytes do not depend on how the log was cut");
}

void check_shown(execution::stream_capture const& stream, std::uint64_t claimed, std::size_t budget) {
  auto const shown = execution::render(stream, "stdout", claimed, budget);
  hold(base::is_valid_utf8(shown.text), "what is shown is valid UTF-8");
  auto const length = kube::json_length(shown.text);
  // The line that says how much is missing is there whatever the budget.
  hold(length <= std::max<std::size_t>(budget, 80), "what is shown keeps its budget");
  hold(length + 2 >= nlohmann::json(shown.text).dump().size(), "the length in JSON is not underestimated");
  if (!shown.marker) {
    hold(stream.whole() && claimed <= stream.total(), "what is shown whole is whole");
    hold(shown.text == base::repair_utf8(std::string(stream.head()) + std::string(stream.tail())),
         "what is shown whole is what was written");
  }
}

void check_result(execution::run_result const& result) {
  for (auto const* text : {&result.stdout_text, &result.stderr_text})
    if (*text) hold(base::is_valid_utf8(**text), "output in a result is valid UTF-8");
  hold(base::is_valid_utf8(result.message), "the runner's sentence is valid UTF-8");
  if (result.end == execution::run_result::ending::not_started)
    hold(result.why != execution::run_result::refusal::none, "what was not started has a reason");
}

void check(std::string_view input) {
  choice chance(input);
  auto const log = with_runs(input);
  constexpr std::size_t limits[] = {0, 1, 7, 100, 5000, 65536};
  auto const limit = chance.one_of(limits);

  execution::log_capture at_once(limit, token);
  at_once.feed(log);
  at_once.end();

  execution::log_capture in_pieces(limit, token);
  for (auto const piece : pieces(log, chance))
    in_pieces.feed(piece);
  in_pieces.end();

  hold(at_once.frames() == in_pieces.frames(), "frames do not depend on how the log was cut");
  hold(at_once.garbage_lines() == in_pieces.garbage_lines(), "lost lines do not depend on how the log was cut");
  hold(at_once.result().has_value() == in_pieces.result().has_value(),
       "the result does not depend on how the log was cut");
  hold_same(at_once.out(), in_pieces.out());
  hold_same(at_once.err(), in_pieces.err());
  if (at_once.result()) check_result(*at_once.result());

  for (auto const* stream : {&at_once.out(), &at_once.err()}) {
    hold(stream->head().size() + stream->tail().size() <= limit, "no more is kept than was asked for");
    constexpr std::size_t budgets[] = {0, 90, 1000, 400'000};
    check_shown(*stream, stream->total(), chance.one_of(budgets));
    check_shown(*stream, stream->total() + chance.below(1000), chance.one_of(budgets));
  }
  if (auto const result = execution::parse_result(input, token)) check_result(*result);
}

}  // namespace
}  // namespace codeexec::fuzz

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  codeexec::fuzz::check(codeexec::fuzz::as_text(data, size));
  return 0;
}
