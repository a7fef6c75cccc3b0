// Store, definitions, garbage collector and HTTP server, wired: a cluster's control plane but for what runs pods.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "codeexec/base/backoff.hpp"
#include "codeexec/base/result.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/local/log_source.hpp"
#include "codeexec/local/store.hpp"

namespace codeexec::local {

struct control_plane_options {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;      ///< 0: any free one
  std::filesystem::path crds;  ///< folder of definitions; empty: none
  std::filesystem::path data;  ///< journal; empty: memory only
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
  /// "127.0.0.1:18080", once it listens.
  std::string address() const;
  std::string url() const { return "http://" + address(); }

 private:
  struct state;
  std::unique_ptr<state> state_;
};

/// A kubeconfig for a server without credentials, with one context of that name.
std::string make_kubeconfig(std::string const& url, std::string const& context);

}  // namespace codeexec::local
