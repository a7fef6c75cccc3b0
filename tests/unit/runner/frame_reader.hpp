// Reads a log of the runner's back, strictly by controller/wire/README.md: what a reader of the frames knows in the
// end.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace codeexec::runner::testing {

struct stream_content {
  std::string head;  ///< all of it, where nothing was dropped
  std::string tail;  ///< what came after the dropped frame
  std::uint64_t dropped = 0;
  std::optional<std::uint64_t> full;  ///< what the full frame said
  [[nodiscard]] std::string whole() const { return head + tail; }
  [[nodiscard]] std::uint64_t total() const { return head.size() + tail.size() + dropped; }
};

struct log_content {
  stream_content out;
  stream_content err;
  std::optional<nlohmann::json> result;
  std::uint64_t disk_bytes = 0;  ///< with 64 bytes a frame for the node's own prefix
  std::size_t longest_payload = 0;
  std::string unreadable;  ///< the first line that is no frame, or that comes where it must not
};

inline log_content read_log(std::string_view text) {
  log_content log;
  auto const refuse = [&](std::string_view line) {
    if (log.unreadable.empty()) log.unreadable = "'" + std::string(line.substr(0, 200)) + "'";
  };
  while (!text.empty()) {
    auto const end = text.find('\n');
    if (end == std::string_view::npos) {
      refuse(text);
      break;
    }
    auto const line = text.substr(0, end);
    text.remove_prefix(end + 1);
    log.disk_bytes += line.size() + 1 + 64;
    auto const space = line.find(' ');
    if (log.result || space == std::string_view::npos || line.size() < space + 3 || line[space + 2] != ' ') {
      refuse(line);
      continue;
    }
    auto const word = line.substr(0, space);
    char const tag = line[space + 1];
    auto const payload = line.substr(space + 3);
    if (word == "stdout" || word == "stderr") {
      auto& stream = word == "stdout" ? log.out : log.err;
      auto& part = stream.dropped != 0 ? stream.tail : stream.head;
      part += payload;
      if (tag == 'F') part += '\n';
      if (tag != 'F' && tag != 'P') refuse(line);
      if (payload.size() > log.longest_payload) log.longest_payload = payload.size();
    } else if ((word == "dropped" || word == "full") && tag == 'F') {
      auto const body = nlohmann::json::parse(payload, nullptr, false);
      if (body.is_discarded()) {
        refuse(line);
        continue;
      }
      auto& stream = body.value("stream", "") == "stdout" ? log.out : log.err;
      auto const count = body.value("bytes", std::uint64_t{0});
      if (word == "dropped") {
        stream.dropped = count;
      } else {
        if (stream.full || count != stream.head.size()) refuse(line);
        stream.full = count;
      }
    } else if (word == "result" && tag == 'F') {
      log.result = nlohmann::json::parse(payload, nullptr, false);
    } else {
      refuse(line);
    }
  }
  return log;
}

}  // namespace codeexec::runner::testing
