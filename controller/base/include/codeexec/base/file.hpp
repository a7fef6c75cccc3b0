// Whole files, read at once.
#pragma once

#include <cstddef>
#include <string>

#include "codeexec/base/result.hpp"

namespace codeexec::base {

/// What a configuration or a certificate never reaches.
inline constexpr std::size_t largest_text_file = 4u * 1024u * 1024u;

/// The bytes of `path`. Blocks. An error names the path and says why; a folder, and a file of more than `most` bytes,
/// are errors.
result<std::string> read_file(std::string const& path, std::size_t most = largest_text_file);

/// The same, and nothing where that fails: for files that come and go, as those of /proc do.
std::string read_file_if_there(std::string const& path);

}  // namespace codeexec::base
