// A client that sends writes only while somebody permits it: the last door between a process that has lost its Lease
// and the cluster.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "codeexec/kube_client/client.hpp"

namespace codeexec::runtime {

/// Reads and streams always pass. A write for which `may_write` says no at the moment it is made ends with `cancelled`
/// and is not sent; one that is under way is not called back. Lifetime: `inner` outlives it. Thread: the inner
/// client's.
class guarded_client final : public kube::client {
 public:
  guarded_client(kube::client& inner, std::function<bool()> may_write)
      : inner_(inner), may_write_(std::move(may_write)) {}

  kube::task<kube::result<std::string>> send(kube::request r, base::deadline by) override {
    if (r.method == kube::verb::get || may_write_()) return inner_.send(std::move(r), by);
    return refuse();
  }
  kube::task<kube::result<std::unique_ptr<kube::byte_stream>>> open_stream(kube::request r,
                                                                           base::deadline by) override {
    return inner_.open_stream(std::move(r), by);
  }

 private:
  static kube::task<kube::result<std::string>> refuse() {
    kube::error const e(kube::error_kind::cancelled, "not sent: this operator does not lead (any more)");
    co_return e;
  }

  kube::client& inner_;
  std::function<bool()> may_write_;
};

}  // namespace codeexec::runtime
