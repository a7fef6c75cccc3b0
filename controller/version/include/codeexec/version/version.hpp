// Which build of the project this is. Pure constants, set when the build was configured.
#pragma once

#include <string>
#include <string_view>

namespace codeexec {

/// As in CMakeLists.txt: "0.1.0".
std::string_view version();

/// The commit it was built from, 12 digits, "-dirty" behind them where files differed from it; "unknown" where neither
/// git nor CODEEXEC_COMMIT could say.
std::string_view commit();

/// What --version of `program` prints, without the end of the line: "codeexec-controller 0.1.0 (commit 3f2a1bc09d84)".
std::string version_line(std::string_view program);

}  // namespace codeexec
