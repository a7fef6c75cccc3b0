// What a program says of itself, laid out for whoever reads it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace codeexec::base {

/// Columns of the terminal that `fd` is; 80 where it is none, or one that does not say.
std::size_t columns_of(int fd);

/// A text of --help in lines of at most `width` columns, and at most 120, beyond which nobody reads. Paragraphs are
/// filled anew; what is said of an option goes on at `column`, where the meanings of options stand. Other indented
/// lines are commands and tables, which have no place to break at, and stay as they are. ASCII.
std::string fold_help(std::string_view help, std::size_t width, std::size_t column);

}  // namespace codeexec::base
