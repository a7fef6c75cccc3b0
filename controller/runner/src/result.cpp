#include "codeexec/runner/result.hpp"

namespace codeexec::runner {
namespace {

void append_key(text_writer& out, char const* key) {
  out.append(",\"");
  out.append(key);
  out.append("\":");
}

void append_text(text_writer& out, char const* key, bytes text) {
  append_key(out, key);
  out.append_json_string(text);
}

void append_number(text_writer& out, char const* key, uint64_t number) {
  append_key(out, key);
  out.append_decimal(number);
}

void append_time(text_writer& out, char const* key, uint64_t unix_micros) {
  append_key(out, key);
  out.append('"');
  append_rfc3339(out, unix_micros);
  out.append('"');
}

void write(result const& from, bool with_output, text_writer& out) {
  out.clear();
  out.append("{\"v\":");
  out.append_decimal(wire::protocol_version);
  if (!from.token.empty()) append_text(out, "token", from.token);
  append_text(out, "end", from.end);
  if (from.has_exit_code) append_number(out, "exitCode", static_cast<uint64_t>(from.exit_code));
  if (from.signal != 0) append_number(out, "signal", static_cast<uint64_t>(from.signal));
  if (from.started) {
    append_time(out, "startedAt", from.started_at_micros);
    append_time(out, "finishedAt", from.started_at_micros + from.wall_micros);
    append_number(out, "wallMillis", from.wall_micros / 1000);
    append_number(out, "cpuMillis", from.cpu_micros / 1000);
    append_number(out, "maxRSSBytes", from.max_rss_bytes);
  }
  append_key(out, "gvisor");
  out.append(from.gvisor ? "true" : "false");
  append_number(out, "stdoutBytes", from.stdout_bytes);
  append_number(out, "stderrBytes", from.stderr_bytes);
  if (from.error != nullptr) {
    append_text(out, "error", from.error);
    append_text(out, "message", from.message);
  }
  if (from.still_open) {
    append_key(out, "stillOpen");
    out.append("true");
  }
  if (with_output) {
    append_text(out, "stdout", from.stdout_text);
    append_text(out, "stderr", from.stderr_text);
  }
  out.append('}');
}

}  // namespace

void write_result(result const& from, result_buffer& out) {
  // Nothing else in the object can overflow: a message is short enough, were every byte of it escaped.
  write(from, from.has_output, out);
  if (out.overflowed()) write(from, false, out);
}

int runner_exit_code(result const& from) {
  if (from.error != nullptr) {
    if (bytes(from.error) == wire::error_command_not_found) return wire::exit_not_found;
    if (bytes(from.error) == wire::error_command_not_executable) return wire::exit_not_executable;
    return wire::exit_not_started;
  }
  if (bytes(from.end) == wire::end_timed_out) return wire::exit_timed_out;
  if (bytes(from.end) == wire::end_terminated) return wire::exit_terminated;
  return from.has_exit_code ? from.exit_code : wire::exit_signal_base + from.signal;
}

}  // namespace codeexec::runner
