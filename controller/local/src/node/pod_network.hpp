// A pod's network: a network namespace in which there is nothing but loopback, with the pod's address on it and the
// API server's, on which the API server itself listens. Nothing else can be reached from there, and nothing from
// outside but by sockets that are made inside.
#pragma once

#include <memory>
#include <string>

#include "codeexec/base/result.hpp"

#include "process.hpp"

namespace codeexec::local {

class pod_network {
 public:
  /// Makes one (1 ms). The failure says what the kernel refused.
  static base::result<std::shared_ptr<pod_network>> make(std::string const& pod_address);

  /// Of the namespace, for setns(2).
  int descriptor() const { return name_space_.get(); }
  /// Listens on the API server's address in the namespace. Once; then it is empty.
  unique_fd take_listener() { return std::move(listener_); }
  /// A TCP socket that belongs to the namespace, not connected.
  base::result<unique_fd> open_socket() const;

 private:
  pod_network() = default;

  unique_fd name_space_;
  unique_fd listener_;
};

}  // namespace codeexec::local
