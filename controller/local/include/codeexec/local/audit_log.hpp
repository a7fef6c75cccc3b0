// Who asked for what, and whether they might: one line of JSON for each request, in the form of Kubernetes' own audit
// log (audit.k8s.io/v1 Event, level Metadata). Bodies are never in it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string_view>

#include "codeexec/base/result.hpp"
#include "codeexec/base/time.hpp"

namespace codeexec::local {

struct attributes;
struct user_info;

/// Thread: that of the server.
class audit_log {
 public:
  /// Appends to the file; the error is a sentence that names it.
  static base::result<std::shared_ptr<audit_log>> open(std::filesystem::path const& file);

  /// Each line is written at once: a server that is killed has told everything but what it was about to.
  void record(base::wall_time when, user_info const& who, attributes const& what, std::string_view user_agent,
              bool allowed);

 private:
  explicit audit_log(std::ofstream out) : out_(std::move(out)) {}
  std::ofstream out_;
  std::uint64_t written_ = 0;
};

}  // namespace codeexec::local
