// The server's own certificate authority, and what it keeps over a restart so that a kubeconfig stays good.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "codeexec/base/result.hpp"
#include "codeexec/local/tokens.hpp"

namespace codeexec::local {

struct key_pair {
  std::string certificate_pem;
  std::string key_pem;
};

/// ECDSA on P-256: a handshake costs well under a millisecond of either side.
/// Ten years; errors name OpenSSL's reason.
base::result<key_pair> make_authority(std::string const& common_name);
/// A year. Names are addresses ("127.0.0.1") or DNS names ("localhost").
base::result<key_pair> make_server_certificate(key_pair const& authority, std::vector<std::string> const& names);

/// What must outlive the process.
struct server_identity {
  key_pair authority;
  token_authority::secrets tokens;
};

/// Reads it from the folder, or makes it and writes it there, each file with mode 0600. An empty path: made anew, kept
/// in memory alone. Files that cannot be used are an error, not replaced: they may be somebody's.
base::result<server_identity> load_identity(std::filesystem::path const& folder);

/// Whole or not at all, with mode 0600: who waits for the file must never read half of it.
base::result<void> write_private_file(std::filesystem::path const& file, std::string const& text);

}  // namespace codeexec::local
