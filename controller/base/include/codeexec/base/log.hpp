// Structured logging: a constant message and key=value pairs, as text (logfmt) or JSON lines on stderr.
//
// Never pass user code, env, arguments, output, tokens or an Authorization header. Values are quoted and control
// characters escaped, so that nothing a user names can forge a line.
#pragma once

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace codeexec::base::log {

enum class level { debug, info, warn, error };
enum class format { text, json };

/// One key and its value, already rendered. Build with kv().
struct field {
  std::string_view key;
  std::string value;
  bool quoted;  ///< false for numbers and booleans

  field(std::string_view k, std::string v, bool q) : key(k), value(std::move(v)), quoted(q) {}
};

inline field kv(std::string_view key, std::string_view value) {
  return field(key, std::string(value), true);
}
inline field kv(std::string_view key, char const* value) {
  return field(key, std::string(value), true);
}
inline field kv(std::string_view key, std::string const& value) {
  return field(key, value, true);
}
inline field kv(std::string_view key, bool value) {
  return field(key, value ? "true" : "false", false);
}
template <class N>
requires std::is_arithmetic_v<N> field kv(std::string_view key, N value) {
  if constexpr (std::is_floating_point_v<N>) {
    if (!std::isfinite(value)) return field(key, std::to_string(value), true);  // JSON has no such number
  }
  return field(key, std::to_string(value), false);
}

/// What the lines about one thing have in common: which object, which pass over it, which trace. They come first in a
/// line. Not cheap: make one where a line is written (enabled()), not in case one might be.
class context {
 public:
  explicit context() = default;
  /// `key`: a literal. An empty value is left out.
  context& add(std::string_view key, std::string_view value) {
    if (!value.empty()) fields_.push_back(kv(key, value));
    return *this;
  }
  std::vector<field> const& fields() const { return fields_; }

 private:
  std::vector<field> fields_;
};

/// Call once, before threads start. Until then: text at info.
void configure(level minimum, format how);
/// May be called at any time from any thread.
void set_level(level minimum);
level current_level();
bool enabled(level l);
std::string_view name_of(level l);

/// One line, written at once. Any thread.
void write(level l, std::string_view message, std::initializer_list<field> fields = {});
void write(level l, std::string_view message, context const& about, std::initializer_list<field> fields = {});

inline void debug(std::string_view message, std::initializer_list<field> fields = {}) {
  write(level::debug, message, fields);
}
inline void info(std::string_view message, std::initializer_list<field> fields = {}) {
  write(level::info, message, fields);
}
inline void warn(std::string_view message, std::initializer_list<field> fields = {}) {
  write(level::warn, message, fields);
}
inline void error(std::string_view message, std::initializer_list<field> fields = {}) {
  write(level::error, message, fields);
}
inline void debug(std::string_view message, context const& about, std::initializer_list<field> fields = {}) {
  write(level::debug, message, about, fields);
}
inline void info(std::string_view message, context const& about, std::initializer_list<field> fields = {}) {
  write(level::info, message, about, fields);
}
inline void warn(std::string_view message, context const& about, std::initializer_list<field> fields = {}) {
  write(level::warn, message, about, fields);
}
inline void error(std::string_view message, context const& about, std::initializer_list<field> fields = {}) {
  write(level::error, message, about, fields);
}

}  // namespace codeexec::base::log
