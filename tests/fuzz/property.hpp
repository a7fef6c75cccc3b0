// What every fuzz target needs: a way to say that a property does not hold, and one input cut up in several ways.
//
// A target's inputs are plain text, so that a corpus can be made from recorded answers and a reproducer can be read.
// What else a target decides by chance (where to cut, which limit) it draws from a hash of the input: the same input
// always takes the same path.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace codeexec::fuzz {

/// Ends the process where `truth` does not hold: libFuzzer then keeps the input that did it.
inline void hold(bool truth, char const* property) {
  if (truth) return;
  std::fprintf(stderr, "==> property broken: %s\n", property);
  std::abort();
}

inline std::string_view as_text(std::uint8_t const* data, std::size_t size) {
  return {reinterpret_cast<char const*>(data), size};
}

/// Numbers that depend on the input alone (splitmix64).
class choice {
 public:
  explicit choice(std::string_view input) {
    for (char const c : input)
      state_ = (state_ ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
  }

  /// From 0 to `end` - 1.
  std::size_t below(std::size_t end) {
    state_ += 0x9E3779B97F4A7C15U;
    auto mixed = state_;
    mixed = (mixed ^ (mixed >> 30U)) * 0xBF58476D1CE4E5B9U;
    mixed = (mixed ^ (mixed >> 27U)) * 0x94D049BB133111EBU;
    return static_cast<std::size_t>((mixed ^ (mixed >> 31U)) % end);
  }

  template <class T, std::size_t N>
  T one_of(T const (&values)[N]) {
    return values[below(N)];
  }

 private:
  std::uint64_t state_ = 0xCBF29CE484222325U;
};

/// `bytes` in pieces as a socket might give them: now byte by byte, now a few at a time, now much at once.
inline std::vector<std::string_view> pieces(std::string_view bytes, choice& chance) {
  constexpr std::size_t longest[] = {1, 3, 20, 500, 9000};
  auto const most = chance.one_of(longest);
  std::vector<std::string_view> out;
  while (!bytes.empty()) {
    auto const length = std::min(bytes.size(), 1 + chance.below(most));
    out.push_back(bytes.substr(0, length));
    bytes.remove_prefix(length);
  }
  return out;
}

/// The text with each 0x1A and the byte n after it replaced by 64 n times the character before: a few bytes stand for a
/// line that passes a limit, which mutation alone would never write.
inline std::string with_runs(std::string_view text, std::size_t most = 200'000) {
  std::string out;
  for (std::size_t i = 0; i < text.size() && out.size() < most; ++i) {
    if (text[i] != '\x1a' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    out.append(64U * static_cast<unsigned char>(text[++i]), out.empty() ? 'x' : out.back());
  }
  return out;
}

/// The bound that callers of the JSON code keep themselves: the library's dump, copy and comparison recurse.
inline bool deeper_than(std::string_view json, int levels) {
  int depth = 0;
  for (char const c : json) {
    if ((c == '[' || c == '{') && ++depth > levels) return true;
    if ((c == ']' || c == '}') && depth > 0) --depth;
  }
  return false;
}

}  // namespace codeexec::fuzz
