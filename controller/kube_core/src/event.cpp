#include "codeexec/kube_core/event.hpp"

#include <array>
#include <cinttypes>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "codeexec/base/encoding.hpp"
#include "codeexec/kube_core/resource.hpp"

namespace codeexec::kube {
namespace {

using nlohmann::json;

constexpr std::size_t max_word_bytes = 128;
constexpr std::size_t max_name_bytes = 253;
constexpr std::string_view ellipsis = "\xE2\x80\xA6";

bool continues_a_character(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

json make_series(std::int64_t count, base::wall_time last) {
  return {{"count", count}, {"lastObservedTime", base::format_micro_time(last)}};
}

}  // namespace

std::string cut_note(std::string_view text, std::size_t most) {
  auto whole = base::repair_utf8(std::string(text));
  if (whole.size() <= most) return whole;
  if (most < ellipsis.size()) return {};
  auto end = most - ellipsis.size();
  while (end > 0 && continues_a_character(whole[end]))
    --end;
  whole.resize(end);
  whole += ellipsis;
  return whole;
}

std::string event_name(std::string_view object_name, std::uint64_t nanoseconds) {
  std::array<char, 32> suffix{};
  std::snprintf(suffix.data(), suffix.size(), ".%" PRIx64, nanoseconds);
  std::string const tail = suffix.data();
  auto head = object_name.substr(0, max_name_bytes - tail.size());
  // The whole is a DNS subdomain: no label of it may end in a hyphen or be empty.
  while (!head.empty() && (head.back() == '-' || head.back() == '.'))
    head.remove_suffix(1);
  return std::string(head) + tail;
}

json make_event(std::string_view name, occurrence const& what, event_reporter const& who, base::wall_time first,
                std::int64_t count, base::wall_time last) {
  auto const& about = what.regarding;
  json regarding = {{"apiVersion", about.apiVersion}, {"kind", about.kind}, {"name", about.name}, {"uid", about.uid}};
  if (!about.namespace_.empty()) regarding["namespace"] = about.namespace_;
  json event = {{"apiVersion", events.api_version()},
                {"kind", events.kind},
                {"metadata", {{"name", name}}},
                {"regarding", std::move(regarding)},
                {"eventTime", base::format_micro_time(first)},
                {"type", what.severity == event_severity::warning ? "Warning" : "Normal"},
                {"reason", cut_note(what.reason, max_word_bytes)},
                {"action", cut_note(what.action, max_word_bytes)},
                {"note", cut_note(what.note)},
                {"reportingController", who.controller},
                {"reportingInstance", cut_note(who.instance, max_word_bytes)}};
  if (count > 1) event["series"] = make_series(count, last);
  return event;
}

json make_event_series_patch(std::int64_t count, base::wall_time last) {
  json patch = json::object();
  patch["series"] = make_series(count, last);
  return patch;
}

}  // namespace codeexec::kube
