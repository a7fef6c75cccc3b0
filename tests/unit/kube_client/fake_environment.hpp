// A world of files, variables and time for configuration tests.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "codeexec/base/time.hpp"
#include "codeexec/kube_client/cluster_config.hpp"

namespace codeexec::testing {

struct fake_environment {
  std::map<std::string, std::string> variables;
  std::map<std::string, std::string> files;
  std::map<std::string, std::string> unreadable;  ///< path and why: it is there, but cannot be read
  int reads = 0;

  kube::config_environment get() {
    kube::config_environment out;
    out.variable = [this](std::string const& name) -> std::optional<std::string> {
      auto const at = variables.find(name);
      return at == variables.end() ? std::nullopt : std::optional(at->second);
    };
    out.read_file = [this](std::string const& path) -> base::result<std::string> {
      ++reads;
      auto const broken = unreadable.find(path);
      if (broken != unreadable.end()) return base::error(path + ": " + broken->second);
      auto const at = files.find(path);
      if (at == files.end()) return base::error(path + ": No such file or directory");
      return {boost::system::in_place_value, at->second};
    };
    out.is_missing = [this](std::string const& path) { return unreadable.count(path) == 0; };
    out.service_account_folder = "/sa";
    return out;
  }
};

class manual_clock final : public base::clock {
 public:
  base::wall_time wall_now() const override {
    return base::wall_time(std::chrono::duration_cast<std::chrono::microseconds>(now_.time_since_epoch()));
  }
  base::steady_time steady_now() const override { return now_; }
  void advance(std::chrono::seconds by) { now_ += by; }

 private:
  base::steady_time now_{std::chrono::hours(1)};
};

}  // namespace codeexec::testing
