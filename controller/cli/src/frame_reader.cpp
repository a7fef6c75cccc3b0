#include "codeexec/cli/frame_reader.hpp"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "codeexec/wire/protocol.h"

namespace codeexec::cli {

namespace {

constexpr std::size_t longest_frame = wire::max_frame_payload + 64;

}  // namespace

frame_reader::frame_reader(handler to) : to_(std::move(to)), lines_(longest_frame) {}

void frame_reader::feed(std::string_view bytes) {
  lines_.feed(bytes);
  while (auto const line = lines_.next()) {
    if (!line->truncated) take(line->text);
  }
}

void frame_reader::take(std::string_view line) {
  auto const space = line.find(' ');
  if (space == std::string_view::npos || line.size() < space + 3 || line[space + 2] != ' ') return;
  auto const tag = line[space + 1];
  if (tag != 'F' && tag != 'P') return;
  auto const word = line.substr(0, space);
  auto const payload = line.substr(space + 3);
  if (word == wire::frame_stdout || word == wire::frame_stderr) {
    auto const stream = word == wire::frame_stdout ? stream_name::out : stream_name::err;
    if (tag == 'P') {
      to_.bytes(stream, payload);
    } else {
      // In one piece: a terminal or a pipe then never sees half a line of one stream in a line of the other.
      std::string whole(payload);
      whole += '\n';
      to_.bytes(stream, whole);
    }
    return;
  }
  if ((word == wire::frame_dropped || word == wire::frame_full) && tag == 'F') {
    auto const json = nlohmann::json::parse(payload, nullptr, false);
    if (!json.is_object()) return;
    auto const stream = json.find("stream");
    auto const count = json.find("bytes");
    if (stream == json.end() || !stream->is_string() || count == json.end() || !count->is_number_unsigned()) return;
    auto const name = stream->get<std::string>();
    if (name != wire::frame_stdout && name != wire::frame_stderr) return;
    auto const& told = word == wire::frame_dropped ? to_.dropped : to_.full;
    told(name == wire::frame_stdout ? stream_name::out : stream_name::err, count->get<std::int64_t>());
    return;
  }
  if (word == wire::frame_result && tag == 'F') ended_ = true;
}

}  // namespace codeexec::cli
