#include "codeexec/execution/result.hpp"

#include <limits>
#include <nlohmann/json.hpp>

#include "codeexec/wire/protocol.h"

namespace codeexec::execution {
namespace {

using nlohmann::json;

base::error bad(std::string const& what) {
  return base::error("not a result object: " + what);
}

/// Reads fields of one object and remembers the first one that is wrong.
class reader {
 public:
  explicit reader(json const& object) : object_(object) {}

  std::string const& problem() const { return problem_; }

  std::optional<std::string> text(char const* name) {
    auto const found = object_.find(name);
    if (found == object_.end()) return std::nullopt;
    if (!found->is_string()) return wrong<std::string>(name, "is not a string");
    return found->get<std::string>();
  }

  std::optional<std::int64_t> integer(char const* name, std::int64_t low, std::int64_t high) {
    auto const found = object_.find(name);
    if (found == object_.end()) return std::nullopt;
    if (!found->is_number_integer()) return wrong<std::int64_t>(name, "is not an integer");
    // A number above INT64_MAX is an unsigned one that would turn negative.
    bool const too_large =
        found->is_number_unsigned() &&
        found->get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    auto const value = too_large ? std::int64_t{-1} : found->get<std::int64_t>();
    if (too_large || value < low || value > high) return wrong<std::int64_t>(name, "is out of range");
    return value;
  }

  std::int64_t count(char const* name) { return integer(name, 0, std::int64_t{1} << 60).value_or(0); }

  bool flag(char const* name) {
    auto const found = object_.find(name);
    if (found == object_.end()) return false;
    if (!found->is_boolean()) {
      wrong<bool>(name, "is not true or false");
      return false;
    }
    return found->get<bool>();
  }

  std::optional<base::wall_time> time(char const* name) {
    auto const value = text(name);
    if (!value) return std::nullopt;
    auto const parsed = base::parse_time(*value);
    if (!parsed) return wrong<base::wall_time>(name, "is not a time");
    return parsed;
  }

 private:
  template <class T>
  std::optional<T> wrong(char const* name, char const* what) {
    if (problem_.empty()) problem_ = std::string(name) + " " + what;
    return std::nullopt;
  }

  json const& object_;
  std::string problem_;
};

std::optional<run_result::ending> parse_ending(std::string const& text) {
  if (text == wire::end_exited) return run_result::ending::exited;
  if (text == wire::end_signaled) return run_result::ending::signaled;
  if (text == wire::end_timed_out) return run_result::ending::timed_out;
  if (text == wire::end_terminated) return run_result::ending::terminated;
  if (text == wire::end_not_started) return run_result::ending::not_started;
  return std::nullopt;
}

run_result::refusal parse_refusal(std::string const& text) {
  if (text == wire::error_sandbox_unverified) return run_result::refusal::sandbox_unverified;
  if (text == wire::error_command_not_found) return run_result::refusal::command_not_found;
  if (text == wire::error_command_not_executable) return run_result::refusal::command_not_executable;
  return run_result::refusal::setup_failed;
}

}  // namespace

base::result<run_result> parse_result(std::string_view text, std::string_view token) {
  constexpr std::size_t longest = 64 * 1024;
  if (text.empty()) return bad("it is empty");
  if (text.size() > longest) return bad("it is too long");
  json const object = json::parse(text, nullptr, false);
  if (!object.is_object()) return bad("it is not a JSON object");

  reader fields(object);
  auto const version = fields.integer("v", 0, 1'000'000);
  if (!version) return bad("v is missing");
  if (*version != wire::protocol_version)
    return bad("version " + std::to_string(*version) + " is not one this operator knows");
  if (fields.text("token").value_or("") != token) return bad("its token is not the runner's");
  auto const end = parse_ending(fields.text("end").value_or(""));
  if (!end) return bad("end is missing or unknown");

  run_result r;
  r.end = *end;
  if (auto const code = fields.integer("exitCode", 0, 255)) r.exit_code = static_cast<int>(*code);
  if (auto const signal = fields.integer("signal", 1, 127)) r.signal = static_cast<int>(*signal);
  r.started_at = fields.time("startedAt");
  r.finished_at = fields.time("finishedAt");
  r.wall_millis = fields.count("wallMillis");
  r.cpu_millis = fields.count("cpuMillis");
  r.max_rss_bytes = fields.count("maxRSSBytes");
  r.gvisor = fields.flag("gvisor");
  r.stdout_bytes = static_cast<std::uint64_t>(fields.count("stdoutBytes"));
  r.stderr_bytes = static_cast<std::uint64_t>(fields.count("stderrBytes"));
  r.stdout_text = fields.text("stdout");
  r.stderr_text = fields.text("stderr");
  r.still_open = fields.flag("stillOpen");
  if (r.end == run_result::ending::not_started) {
    r.why = parse_refusal(fields.text("error").value_or(""));
    r.message = fields.text("message").value_or("");
  }
  if (!fields.problem().empty()) return bad(fields.problem());
  if (r.end == run_result::ending::exited && !r.exit_code) return bad("exited without an exitCode");
  if (r.end == run_result::ending::signaled && !r.signal) return bad("signaled without a signal");
  if (!r.has_output()) {
    r.stdout_text.reset();
    r.stderr_text.reset();
  }
  return r;
}

}  // namespace codeexec::execution
