#include "codeexec/kube_core/watch_event.hpp"

#include <gtest/gtest.h>

#include "transcripts.hpp"

namespace {
using namespace codeexec::kube;
using codeexec::testing::transcript_lines;

TEST(WatchEvent, EveryRecordedLineDecodesToWhatItIs) {
  for (std::string const file : {"watch-pods.jsonl", "watch-jobs.jsonl"}) {
    for (auto const& line : transcript_lines(file)) {
      auto const raw = nlohmann::json::parse(line);
      auto const event = decode_watch_event(line);
      auto const* const object = std::get_if<object_event>(&event);
      ASSERT_NE(object, nullptr) << line;
      EXPECT_EQ(object->object, raw["object"]);
      EXPECT_EQ(object->resource_version, raw["object"]["metadata"]["resourceVersion"]);
      auto const expected = raw["type"] == "ADDED"      ? event_type::added
                            : raw["type"] == "MODIFIED" ? event_type::modified
                                                        : event_type::deleted;
      EXPECT_EQ(object->type, expected);
    }
  }
}

TEST(WatchEvent, RecordedWidgetsHoldBookmarksAnExpiryAndThingsThatAreNoEvents) {
  int bookmarks = 0;
  int ends = 0;
  int errors = 0;
  int malformed = 0;
  for (auto const& line : transcript_lines("watch-widgets.jsonl")) {
    auto const event = decode_watch_event(line);
    if (auto const* const bookmark = std::get_if<bookmark_event>(&event)) {
      ++bookmarks;
      if (bookmark->initial_events_end) ++ends;
      EXPECT_FALSE(bookmark->resource_version.empty());
    } else if (auto const* const failure = std::get_if<error_event>(&event)) {
      ++errors;
      EXPECT_TRUE(failure->status.is_gone());
      EXPECT_EQ(failure->status.http_status(), 410);
      EXPECT_EQ(failure->status.message(), "too old resource version: 1 (895)");
    } else if (std::holds_alternative<malformed_event>(event)) {
      ++malformed;
    }
  }
  EXPECT_GE(bookmarks, 2);
  EXPECT_EQ(ends, 1);
  EXPECT_EQ(errors, 1);
  EXPECT_EQ(malformed, 2);  // a Status and a Widget where an event should be
}

malformed_event malformed(std::string_view line) {
  auto const event = decode_watch_event(line);
  auto const* const found = std::get_if<malformed_event>(&event);
  EXPECT_NE(found, nullptr) << line;
  return found == nullptr ? malformed_event{} : *found;
}

TEST(WatchEvent, LineCutShortStillNamesItsObject) {
  auto const line = transcript_lines("watch-pods.jsonl")[0];
  auto const spec = line.find("\"spec\"");
  ASSERT_NE(spec, std::string::npos);
  for (auto const cut : {spec, spec + 20, line.size() - 1}) {
    auto const event = malformed(line.substr(0, cut));
    EXPECT_EQ(event.namespace_, "transcripts");
    EXPECT_EQ(event.name, "ok-knw5l");
    EXPECT_EQ(event.resource_version, "<rv:59>");
    EXPECT_EQ(event.message, "not JSON");
  }
}

TEST(WatchEvent, EveryCutOfARecordedLineIsMalformedAndNeverThrows) {
  auto const line = transcript_lines("watch-widgets.jsonl")[0];
  for (std::size_t size = 0; size < line.size(); ++size)
    malformed(std::string_view(line).substr(0, size));
}

TEST(WatchEvent, NameIsTheObjectsOwnAndNotThatOfSomethingInsideIt) {
  auto const event = malformed(
      R"({"type":"NEW","object":{"spec":{"metadata":{"name":"inner"}},"list":[{"metadata":{"name":"other"}}],)"
      R"("metadata":{"labels":{"name":"label"},"ownerReferences":[{"name":"owner"}],"name":"mine","namespace":"ns",)"
      R"("resourceVersion":"4"}}})");
  EXPECT_EQ(event.name, "mine");
  EXPECT_EQ(event.namespace_, "ns");
  EXPECT_EQ(event.message, "type: unknown");
}

TEST(WatchEvent, MalformedLinesSayWhatIsMissing) {
  EXPECT_EQ(malformed("").message, "not JSON");
  EXPECT_EQ(malformed("[]").message, "not an object");
  EXPECT_EQ(malformed("{}").message, "type: is missing");
  EXPECT_EQ(malformed(R"({"type":"ADDED"})").message, "object: expected an object");
  EXPECT_EQ(malformed(R"({"type":"ADDED","object":{}})").message, "object.metadata: expected an object");
  EXPECT_EQ(malformed(R"({"type":"ADDED","object":{"metadata":{"name":"x"}}})").message,
            "object.metadata.resourceVersion: is missing");
  EXPECT_EQ(malformed(R"({"type":"ADDED","object":{"metadata":{"resourceVersion":"1"}}})").message,
            "object.metadata.name: is missing");
  EXPECT_EQ(malformed(R"({"type":"BOOKMARK","object":{"metadata":{}}})").message,
            "object.metadata.resourceVersion: is missing");
}

TEST(WatchEvent, ErrorWithoutAUsableStatusIsStillAnError) {
  auto const event = decode_watch_event(R"({"type":"ERROR","object":{"code":"x"}})");
  ASSERT_TRUE(std::holds_alternative<error_event>(event));
  EXPECT_TRUE(std::get<error_event>(event).status.is_retryable());
}

TEST(WatchEvent, DeepNestingDoesNotOverflowTheStack) {
  malformed(std::string(100'000, '['));
  auto const nested = std::string(100'000, '[') + std::string(100'000, ']');
  // A Status is printed and read again: by then its nesting is bounded.
  EXPECT_EQ(malformed(R"({"type":"ERROR","object":{"code":410,"details":)" + nested + "}}").message, "not JSON");
  auto const object = R"({"type":"ADDED","object":{"metadata":{"name":"deep","resourceVersion":"7"},"spec":)";
  EXPECT_EQ(malformed(object + nested + "}}").name, "deep");
}

TEST(WatchEvent, NestingOfAFieldThatIsNotKeptDoesNotMatter) {
  auto const nested = std::string(100'000, '[') + std::string(100'000, ']');
  auto const line =
      R"({"type":"ADDED","object":{"metadata":{"name":"deep","resourceVersion":"7"},"spec":)" + nested + "}}";
  EXPECT_TRUE(std::holds_alternative<object_event>(decode_watch_event(line, watch_projection({kept_metadata()}))));
}

}  // namespace
