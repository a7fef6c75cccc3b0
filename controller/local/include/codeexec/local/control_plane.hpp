// Store, definitions, garbage collector and HTTP server, wired: a cluster's control plane but for what runs pods.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "codeexec/base/backoff.hpp"
#include "codeexec/base/result.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/local/cluster_access.hpp"
#include "codeexec/local/log_source.hpp"
#include "codeexec/local/store.hpp"

namespace codeexec::local {

struct control_plane_options {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;      ///< 0: any free one
  std::filesystem::path crds;  ///< folder of definitions; empty: none
  std::filesystem::path data;  ///< journal; empty: memory only
  /// Where the certificate authority and the keys of tokens are kept; empty: made anew, in memory.
  std::filesystem::path secrets;
  bool tls = false;                ///< with a certificate of its own authority
  bool access_control = false;     ///< tokens are checked and roles honoured
  std::filesystem::path audit;     ///< file for a line about each request, with access control; empty: none
  bool faults = false;             ///< /faults may be told to disturb answers
  std::vector<std::string> names;  ///< further addresses and DNS names that the certificate is good for
  store::settings limits;
};

/// Thread: the executor's single one. Lifetime: await stop() before destruction; the clock must outlive it.
class control_plane {
 public:
  control_plane(boost::asio::any_io_executor executor, base::clock const& clock, base::rng random,
                control_plane_options options);
  control_plane(control_plane const&) = delete;
  control_plane& operator=(control_plane const&) = delete;
  ~control_plane();

  /// Restores, loads definitions, makes the default namespaces. Nothing is served yet: whoever runs pods starts next.
  base::result<void> load();
  /// Listens and serves.
  base::result<void> listen();
  boost::asio::awaitable<void> stop();

  store& objects();
  void set_log_source(log_source* logs);
  void set_pod_ports(pod_ports* ports);
  /// What the node gives to pods of the machine's own programs. After load(); what it serves ends with stop().
  cluster_access& for_pods();
  /// "127.0.0.1:18080", once it listens.
  std::string address() const;
  std::string url() const;
  /// What a client of this server is given, with one context of that name. `token`: whose; empty: the administrator's.
  std::string kubeconfig(std::string const& context, std::string const& token = {},
                         std::string const& ns = "default") const;
  /// A token of that ServiceAccount, which must be there.
  base::result<std::string> make_token(std::string_view ns, std::string_view name, std::chrono::seconds lifetime) const;
  /// Creates what the YAML or JSON files hold (of a folder: all of them), those that they are in too; what is
  /// there already is replaced.
  base::result<void> add_objects(std::filesystem::path const& file_or_folder);

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace codeexec::local
