// The bytes of a watch: framed into lines, decoded into events, the objects in them decoded into ours.
//
// Holds: nothing throws; lines are the same however the bytes were cut; none is longer than the limit; an event that is
// no error names its object; a CodeExecution that decodes says the same again when it is written and read.
#include <nlohmann/json.hpp>
#include <variant>

#include "codeexec/api/json.hpp"
#include "codeexec/base/encoding.hpp"
#include "codeexec/kube_core/job.hpp"
#include "codeexec/kube_core/line_framer.hpp"
#include "codeexec/kube_core/list.hpp"
#include "codeexec/kube_core/pod.hpp"
#include "codeexec/kube_core/watch_event.hpp"

#include "property.hpp"

namespace codeexec::fuzz {
namespace {

using lines = std::vector<kube::line_framer::line>;

void take(kube::line_framer& framer, lines& into) {
  while (auto line = framer.next())
    into.push_back(std::move(*line));
}

void check_object(nlohmann::json const& object) {
  auto const first = api::decode_code_execution(object);
  if (auto const* execution = std::get_if<api::CodeExecution>(&first)) {
    auto const written = api::encode(*execution);
    auto const again = api::decode_code_execution(written);
    auto const* same = std::get_if<api::CodeExecution>(&again);
    hold(same != nullptr, "a CodeExecution that we wrote can be read");
    hold(api::encode(*same) == written, "a CodeExecution says the same after it was written and read");
  } else {
    hold(!std::get<api::decode_error>(first).describe().empty(), "a refused object says why");
  }
  static_cast<void>(kube::decode_job(object));
  static_cast<void>(kube::decode_pod(object));
}

void check_line(std::string const& line) {
  auto const event = kube::decode_watch_event(line);
  if (auto const* change = std::get_if<kube::object_event>(&event)) {
    hold(!change->resource_version.empty(), "an event has a resourceVersion");
    check_object(change->object);
  } else if (auto const* bookmark = std::get_if<kube::bookmark_event>(&event)) {
    hold(!bookmark->resource_version.empty(), "a bookmark has a resourceVersion");
  } else if (auto const* refusal = std::get_if<kube::error_event>(&event)) {
    hold(base::is_valid_utf8(refusal->status.describe()), "an error can be logged");
  } else {
    auto const& lost = std::get<kube::malformed_event>(event);
    hold(!lost.message.empty(), "a malformed line says what is wrong");
    for (auto const* text : {&lost.name, &lost.namespace_, &lost.resource_version})
      hold(base::is_valid_utf8(*text), "what is known of a malformed line can be logged");
  }
}

void check(std::string_view bytes) {
  choice chance(bytes);
  constexpr std::size_t limits[] = {1, 40, 3000, 1 << 20};
  auto const limit = chance.one_of(limits);

  lines at_once;
  kube::line_framer whole(limit);
  whole.feed(bytes);
  take(whole, at_once);

  lines in_pieces;
  kube::line_framer parts(limit);
  for (auto const piece : pieces(bytes, chance)) {
    parts.feed(piece);
    take(parts, in_pieces);
  }

  auto same = [](kube::line_framer::line const& a, kube::line_framer::line const& b) {
    return a.text == b.text && a.truncated == b.truncated;
  };
  hold(std::equal(at_once.begin(), at_once.end(), in_pieces.begin(), in_pieces.end(), same),
       "lines do not depend on how the bytes were cut");
  auto rest = whole.take_partial();
  auto const other = parts.take_partial();
  hold(rest.has_value() == other.has_value() && (!rest || same(*rest, *other)),
       "the rest of a line does not depend on how the bytes were cut");
  if (rest) at_once.push_back(std::move(*rest));

  for (auto const& line : at_once) {
    hold(line.text.size() <= limit, "no line is longer than the limit");
    check_line(line.text);
  }
  if (auto const page = kube::decode_list(bytes)) {
    for (auto const& item : page->items)
      check_object(item);
  }
}

}  // namespace
}  // namespace codeexec::fuzz

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  codeexec::fuzz::check(codeexec::fuzz::as_text(data, size));
  return 0;
}
