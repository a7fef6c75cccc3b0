#include "codeexec/base/log.hpp"

#include <atomic>
#include <memory>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "codeexec/base/encoding.hpp"
#include "codeexec/base/time.hpp"

namespace codeexec::base::log {
namespace {

std::atomic<format> chosen_format{format::text};

spdlog::level::level_enum to_spdlog(level l) {
  switch (l) {
    case level::debug:
      return spdlog::level::debug;
    case level::info:
      return spdlog::level::info;
    case level::warn:
      return spdlog::level::warn;
    case level::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

spdlog::logger& sink() {
  static std::shared_ptr<spdlog::logger> const logger = [] {
    auto made = std::make_shared<spdlog::logger>("codeexec", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%v");
    made->set_level(spdlog::level::info);
    made->flush_on(spdlog::level::info);
    return made;
  }();
  return *logger;
}

void append_escape(std::string& out, unsigned int code_unit) {
  static constexpr char const* hex = "0123456789abcdef";
  out += "\\u";
  for (unsigned int shift = 16; shift > 0; shift -= 4)
    out += hex[code_unit >> (shift - 4) & 15];
}

/// The characters of two and three bytes that a terminal or a viewer would act on: C1 controls (U+009B begins an escape
/// sequence by itself), line and paragraph separators, and what turns the direction of text. 0 where `at` has none.
unsigned int dangerous_character(std::string_view text, std::size_t at) {
  auto const byte = [&](std::size_t i) -> unsigned int {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0;
  };
  if (byte(0) == 0xC2 && byte(1) >= 0x80 && byte(1) <= 0x9F) return byte(1);
  if (byte(0) != 0xE2) return 0;
  auto const code = 0x2000U | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
  bool const separator_or_direction = (code >= 0x2028 && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
  bool const mark = code == 0x200E || code == 0x200F;
  return separator_or_direction || mark ? code : 0;
}

/// A JSON string literal: also what logfmt needs, so that one line stays one line whatever a value holds.
void append_quoted(std::string& out, std::string_view text) {
  auto const clean = repair_utf8(std::string(text));
  out += '"';
  for (std::size_t at = 0; at < clean.size(); ++at) {
    char const c = clean[at];
    auto const byte = static_cast<unsigned char>(c);
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (byte < 0x20 || byte == 0x7F) {
          append_escape(out, byte);
        } else if (auto const code = dangerous_character(clean, at); code != 0) {
          append_escape(out, code);
          at += code < 0x800 ? 1 : 2;
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

bool needs_quotes(std::string_view text) {
  if (text.empty()) return true;
  for (char const c : text) {
    auto const byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7F || c == '"' || c == '=' || c == '\\') return true;
  }
  return false;
}

}  // namespace

namespace {

void append_json(std::string& line, field const& f) {
  line += ',';
  append_quoted(line, f.key);
  line += ':';
  if (f.quoted) {
    append_quoted(line, f.value);
  } else {
    line += f.value;
  }
}

void append_text(std::string& line, field const& f) {
  line += ' ';
  line += f.key;
  line += '=';
  if (f.quoted && needs_quotes(f.value)) {
    append_quoted(line, f.value);
  } else {
    line += f.value;
  }
}

}  // namespace

std::string_view name_of(level l) {
  switch (l) {
    case level::debug:
      return "debug";
    case level::info:
      return "info";
    case level::warn:
      return "warn";
    case level::error:
      return "error";
  }
  return "info";
}

void configure(level minimum, format how) {
  chosen_format = how;
  sink().set_level(to_spdlog(minimum));
}

void set_level(level minimum) {
  sink().set_level(to_spdlog(minimum));
}

level current_level() {
  for (auto const l : {level::debug, level::info, level::warn})
    if (enabled(l)) return l;
  return level::error;
}

bool enabled(level l) {
  return sink().should_log(to_spdlog(l));
}

void write(level l, std::string_view message, std::initializer_list<field> fields) {
  write(l, message, context(), fields);
}

void write(level l, std::string_view message, context const& about, std::initializer_list<field> fields) {
  if (!enabled(l)) return;
  bool const json = chosen_format == format::json;
  auto const append = json ? append_json : append_text;
  std::string line;
  line.reserve(256);
  if (json) line += "{\"time\":\"";
  line += format_micro_time(system_clock().wall_now());
  line += json ? "\",\"level\":\"" : " ";
  line += name_of(l);
  line += json ? "\",\"message\":" : " ";
  append_quoted(line, message);
  for (auto const& f : about.fields())
    append(line, f);
  for (auto const& f : fields)
    append(line, f);
  if (json) line += '}';
  sink().log(to_spdlog(l), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace codeexec::base::log
