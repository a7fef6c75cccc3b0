// A client that sends writes only while somebody permits it: the last door between a process that has lost its Lease
// and the cluster.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "codeexec/kube_client/client.hpp"

namespace codeexec::runtime {

/// Reads and streams always pass. A write ends with `cancelled` and is not sent where `may_write` says no at the moment
/// it would go out: the first time, or again after a server was too busy for it. What is on its way is not called back.
/// Lifetime: `inner` outlives it. Thread: the inner client's.
class guarded_client final : public kube::client {
 public:
  guarded_client(kube::client& inner, std::function<bool()> may_write)
      : inner_(inner), objection_([may_write = std::move(may_write)]() -> std::optional<std::string> {
          if (may_write()) return std::nullopt;
          return "not sent: this operator does not lead (any more)";
        }) {}

  kube::task<kube::result<std::string>> send(kube::request r, base::deadline by) override {
    if (r.method != kube::verb::get) r.objection = objection_;
    return inner_.send(std::move(r), by);
  }
  kube::task<kube::result<std::unique_ptr<kube::byte_stream>>> open_stream(kube::request r,
                                                                           base::deadline by) override {
    return inner_.open_stream(std::move(r), by);
  }

 private:
  kube::client& inner_;
  std::function<std::optional<std::string>()> objection_;
};

}  // namespace codeexec::runtime
