#include "codeexec/kube_core/event.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "codeexec/base/encoding.hpp"
#include "codeexec/kube_core/names.hpp"

#include "at.hpp"

namespace {
using namespace codeexec::kube;
using codeexec::base::is_valid_utf8;
using nlohmann::json;
namespace base = codeexec::base;

occurrence image_missing() {
  occurrence what;
  what.regarding = {"codeexec.dev/v1alpha1", "CodeExecution", "agents", "hello", "uid-1"};
  what.severity = event_severity::warning;
  what.reason = "ImagePullFailed";
  what.action = "Finish";
  what.note = "no such image";
  return what;
}

TEST(Event, HasWhatTheServerInsistsOn) {
  auto const first = at("2026-01-31T10:00:00.5Z");
  auto const event = make_event("hello.1", image_missing(), {"codeexec-controller", "host-1"}, first, 1, first);
  EXPECT_EQ(event, json::parse(R"({
    "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "hello.1"},
    "regarding": {"apiVersion": "codeexec.dev/v1alpha1", "kind": "CodeExecution", "namespace": "agents",
                  "name": "hello", "uid": "uid-1"},
    "eventTime": "2026-01-31T10:00:00.500000Z", "type": "Warning", "reason": "ImagePullFailed", "action": "Finish",
    "note": "no such image", "reportingController": "codeexec-controller", "reportingInstance": "host-1"})"));
}

TEST(Event, IsReadBackAsWhatWasMeant) {
  auto const first = at("2026-01-31T10:00:00.5Z");
  auto const last = at("2026-01-31T10:05:00Z");
  auto const event = make_event("hello.1", image_missing(), {"codeexec-controller", "host-1"}, first, 7, last);
  EXPECT_EQ(event["series"], json::parse(R"({"count": 7, "lastObservedTime": "2026-01-31T10:05:00.000000Z"})"));
  auto const decoded = decode_core_event(event);
  auto const& read = std::get<CoreEvent>(decoded);
  EXPECT_EQ(read.involvedObject.uid, "uid-1");
  EXPECT_EQ(read.message, "no such image");
  EXPECT_EQ(read.count, 7);
  EXPECT_EQ(read.last_seen(), last);
  EXPECT_TRUE(read.is_warning());
}

TEST(Event, SeriesPatchChangesTheSeriesAlone) {
  EXPECT_EQ(make_event_series_patch(2, at("2026-01-31T10:05:00Z")),
            json::parse(R"({"series": {"count": 2, "lastObservedTime": "2026-01-31T10:05:00.000000Z"}})"));
}

TEST(Event, NoteIsCutBetweenCharacters) {
  EXPECT_EQ(cut_note("short"), "short");
  EXPECT_EQ(cut_note(std::string(1024, 'x')), std::string(1024, 'x'));
  auto const ascii = cut_note(std::string(1025, 'x'));
  EXPECT_EQ(ascii, std::string(1021, 'x') + "\xE2\x80\xA6");
  // Characters of 1 to 4 bytes at every offset from the cut.
  for (std::string const character : {"x", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"}) {
    for (std::size_t shift = 0; shift < 5; ++shift) {
      std::string text(shift, 'a');
      while (text.size() < 1100)
        text += character;
      auto const note = cut_note(text);
      EXPECT_LE(note.size(), 1024U);
      EXPECT_GE(note.size(), 1018U);
      EXPECT_TRUE(is_valid_utf8(note)) << character << shift;
      EXPECT_EQ(text.rfind(note.substr(0, note.size() - 3), 0), 0U) << "nothing is invented before the ellipsis";
    }
  }
}

TEST(Event, BytesThatAreNoTextAreReplacedBeforeTheCut) {
  auto const note = cut_note(std::string(1024, '\xFF'));
  EXPECT_LE(note.size(), 1024U);
  EXPECT_TRUE(is_valid_utf8(note));
}

TEST(Event, NameIsANameForEveryObjectName) {
  EXPECT_EQ(event_name("hello", 0x18a1b2c3d4e5f678), "hello.18a1b2c3d4e5f678");
  auto const last = std::uint64_t{0xFFFFFFFFFFFFFFFF};
  EXPECT_TRUE(is_dns_subdomain(event_name(std::string(253, 'a'), last)));
  EXPECT_EQ(event_name(std::string(253, 'a'), last).size(), 253U);
  // The cut falls on what may not stand before the dot.
  EXPECT_TRUE(is_dns_subdomain(event_name(std::string(235, 'a') + "-" + std::string(17, 'b'), last)));
  EXPECT_TRUE(is_dns_subdomain(event_name(std::string(234, 'a') + ".b" + std::string(17, 'b'), last)));
}

}  // namespace
