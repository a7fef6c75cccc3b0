#include "codeexec/cli/palette.hpp"

#include "codeexec/api/names.hpp"

namespace codeexec::cli {

namespace {

std::string_view sequence_of(tint how) {
  switch (how) {
    case tint::plain:
      break;
    case tint::title:
      return "\x1b[1m";
    case tint::faint:
      return "\x1b[2m";
    case tint::good:
      return "\x1b[32m";
    case tint::busy:
      return "\x1b[36m";
    case tint::waiting:
      return "\x1b[33m";
    case tint::bad:
      return "\x1b[31m";
  }
  return {};
}

}  // namespace

std::string palette::operator()(tint how, std::string_view text) const {
  auto const sequence = on_ ? sequence_of(how) : std::string_view();
  if (sequence.empty() || text.empty()) return std::string(text);
  return std::string(sequence) + std::string(text) + "\x1b[0m";
}

bool wants_colour(colour_choice said, bool is_terminal, colour_wishes const& wishes) {
  if (said != colour_choice::automatic) return said == colour_choice::always;
  auto const refused = wishes.no_color && !wishes.no_color->empty();
  auto const understands = wishes.term && !wishes.term->empty() && *wishes.term != "dumb";
  return is_terminal && understands && !refused;
}

tint tint_of_phase(std::string_view phase) {
  if (phase == api::phases::succeeded) return tint::good;
  if (phase == api::phases::failed) return tint::bad;
  if (phase == api::phases::running) return tint::busy;
  return tint::waiting;
}

}  // namespace codeexec::cli
