// Every answer in tests/data/transcripts goes through the decoders that the operator uses.
#include <algorithm>
#include <filesystem>
#include <gtest/gtest.h>

#include "codeexec/kube_core/job.hpp"
#include "codeexec/kube_core/list.hpp"
#include "codeexec/kube_core/pod.hpp"
#include "codeexec/kube_core/watch_event.hpp"

#include "transcripts.hpp"

namespace {
using namespace codeexec::kube;
using nlohmann::json;

struct tally {
  int objects = 0;
  int pods = 0;
  int jobs = 0;
  int lists = 0;
  int events = 0;
  int bookmarks = 0;
  int errors = 0;
  int statuses = 0;
};

projection const& fields_of(std::string const& kind) {
  static projection const everything;
  if (kind == "Pod") return pod_fields();
  if (kind == "Job") return job_fields();
  return everything;
}

void read_object(json const& object, std::string const& kind, tally& seen) {
  ++seen.objects;
  EXPECT_TRUE(object.contains("metadata")) << object.dump().substr(0, 200);
  if (kind == "Pod") {
    ++seen.pods;
    auto const pod = decode_pod(object);
    ASSERT_TRUE(std::holds_alternative<Pod>(pod)) << std::get<codeexec::api::decode_error>(pod).describe();
    EXPECT_FALSE(std::get<Pod>(pod).metadata.name.empty());
  }
  if (kind == "Job") {
    ++seen.jobs;
    auto const job = decode_job(object);
    ASSERT_TRUE(std::holds_alternative<Job>(job)) << std::get<codeexec::api::decode_error>(job).describe();
    EXPECT_FALSE(std::get<Job>(job).metadata.uid.empty());
  }
}

void read_event(json const& raw, tally& seen) {
  auto const kind = raw["object"].value("kind", "");
  auto const decoded = decode_watch_event(raw.dump(), watch_projection(fields_of(kind)));
  ++seen.events;
  if (auto const* const told = std::get_if<object_event>(&decoded)) {
    read_object(told->object, kind, seen);
    EXPECT_EQ(told->resource_version, raw["object"]["metadata"]["resourceVersion"]);
  } else if (std::holds_alternative<bookmark_event>(decoded)) {
    EXPECT_EQ(raw["type"], "BOOKMARK");
    ++seen.bookmarks;
  } else if (auto const* const over = std::get_if<error_event>(&decoded)) {
    EXPECT_EQ(raw["type"], "ERROR");
    EXPECT_EQ(over->status.message(), raw["object"]["message"]);
    ++seen.errors;
  } else {
    ADD_FAILURE() << std::get<malformed_event>(decoded).message << ": " << raw.dump().substr(0, 200);
  }
}

void read_body(json const& body, int status, tally& seen) {
  if (!body.is_object() || !body.contains("kind")) return;
  std::string const kind = body["kind"].is_string() ? body["kind"] : "";
  if (status >= 300) {
    auto const e = error::from_status(status, body.dump());
    if (kind != "Status") return;
    ++seen.statuses;
    EXPECT_EQ(e.message(), body.value("message", "the server gave no message"));
    EXPECT_EQ(e.is_gone(), status == 410);
    EXPECT_EQ(e.is_not_found(), status == 404);
  } else if (kind.ends_with("List") && body.contains("items")) {
    ++seen.lists;
    auto const of = kind.substr(0, kind.size() - 4);
    std::size_t items = 0;
    auto const page = decode_list(body.dump(), list_projection(fields_of(of)), [&](json&& item) {
      ++items;
      read_object(item, of, seen);
    });
    ASSERT_TRUE(page) << page.error().describe();
    EXPECT_EQ(items, body["items"].size());
    EXPECT_EQ(page->resource_version, body["metadata"].value("resourceVersion", ""));
    EXPECT_EQ(page->continue_token, body["metadata"].value("continue", ""));
  } else if (kind == "Pod" || kind == "Job") {
    read_object(parse_kept(body.dump(), fields_of(kind)), kind, seen);
  }
}

/// Where a recording keeps a name for a time, it is given one.
std::string with_times(std::string line) {
  for (std::string_view const name : {"<time>"}) {
    for (auto at = line.find(name); at != std::string::npos; at = line.find(name, at))
      line.replace(at, name.size(), "2026-11-20T10:00:00Z");
  }
  return line;
}

TEST(Recorded, EveryObjectEveryListAndEveryWatchLineDecodes) {
  namespace fs = std::filesystem;
  tally seen;
  for (auto const& file : fs::directory_iterator(std::string(CODEEXEC_SOURCE_DIR) + "/tests/data/transcripts")) {
    if (file.path().extension() != ".jsonl") continue;
    auto const name = file.path().filename().string();
    for (auto const& line : codeexec::testing::transcript_lines(name)) {
      auto const document = json::parse(with_times(line), nullptr, false);
      ASSERT_FALSE(document.is_discarded()) << name;
      if (document.contains("response")) {
        auto const& response = document["response"];
        // A Table is for people; what stands in its rows is no object.
        if (response.contains("body")) read_body(response["body"], response["status"], seen);
        if (!response.contains("events") || response["status"] != 200) continue;
        for (auto const& event : response["events"]) {
          bool const is_event = event.is_object() && event.contains("type") && event.contains("object");
          if (is_event && event["object"].value("kind", "") != "Table") read_event(event, seen);
        }
      } else if (document.contains("type") && document.contains("object") && document["object"].is_object()) {
        read_event(document, seen);
      } else {
        read_body(document.contains("body") ? document["body"] : document,
                  document.value("status", json(200)).is_number() ? document.value("status", 200) : 200, seen);
      }
    }
  }
  EXPECT_GE(seen.pods, 50);
  EXPECT_GE(seen.jobs, 50);
  EXPECT_GE(seen.lists, 20);
  EXPECT_GE(seen.bookmarks, 2);
  EXPECT_GE(seen.errors, 1);
  EXPECT_GE(seen.statuses, 20);
  RecordProperty("objects", seen.objects);
}

}  // namespace
