// The files of an image: one folder per codeexec-local, made once, shared by every pod, never written again.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "codeexec/base/result.hpp"
#include "codeexec/local/node/container_runtime.hpp"
#include "codeexec/local/node/images.hpp"

namespace codeexec::local {

struct image_root {
  std::filesystem::path folder;         ///< what the container sees as /
  std::vector<container_mount> mounts;  ///< the host's folders in it
  std::string identity;                 ///< differs between machines and releases: part of an image's id
};

/// Makes `folder`: links and mount points for the view's folders, the copies of /etc, and generated files that tell
/// nothing of the host. Reads only what the view names.
base::result<image_root> build_image_root(host_view const& view, std::filesystem::path const& folder);

/// One file at a time, with everything above it; `mode` whatever the umask is.
base::result<void> write_file(std::filesystem::path const& path, std::string_view bytes, unsigned mode);

}  // namespace codeexec::local
