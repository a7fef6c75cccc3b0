// The input (a ConfigMap volume) is copied into the workspace, which the code may write to.
#pragma once

#include "codeexec/runner/text.hpp"

namespace codeexec::runner {

/// Copies files and folders below `input` into the existing folder `workspace`. Links are followed: the kubelet lays a
/// ConfigMap out as links into a folder of its own, whose name begins with ".." as no file of a user's can at the top.
/// On failure false, and `problem` names the path.
bool copy_input(char const* input, char const* workspace, text_writer& problem);

}  // namespace codeexec::runner
