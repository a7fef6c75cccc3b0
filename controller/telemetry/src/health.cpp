#include "codeexec/telemetry/health.hpp"

#include <algorithm>
#include <utility>

namespace codeexec::telemetry {
namespace {

std::string seconds_of(std::chrono::steady_clock::duration d) {
  auto const tenths = std::chrono::duration_cast<std::chrono::milliseconds>(d).count() / 100;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
}

}  // namespace

std::string_view name_of(role r) {
  switch (r) {
    case role::starting:
      return "starting";
    case role::alone:
      return "working alone";
    case role::standby:
      return "standby";
    case role::leading:
      return "leading";
    case role::stopping:
      return "stopping";
  }
  return "starting";
}

bool health::report::passed() const {
  return std::all_of(checks.begin(), checks.end(), [](check const& one) { return one.passed; });
}

health::health(std::vector<std::string> caches, base::steady_time now, health_limits limits)
    : limits_(limits), beat_(now) {
  for (auto& name : caches)
    caches_.push_back(cache{std::move(name), false});
}

void health::beat(base::steady_time now, std::optional<base::steady_time> oldest_pass) {
  std::lock_guard const held(lock_);
  beat_ = now;
  oldest_pass_ = oldest_pass;
}

void health::set_synced(std::string_view name) {
  std::lock_guard const held(lock_);
  for (auto& one : caches_)
    if (one.name == name) one.synced = true;
}

void health::set_role(role r) {
  std::lock_guard const held(lock_);
  role_ = r;
}

role health::where() const {
  std::lock_guard const held(lock_);
  return role_;
}

std::chrono::steady_clock::duration health::silence(base::steady_time now) const {
  std::lock_guard const held(lock_);
  return now - beat_;
}

health::check health::check_loop(base::steady_time now) const {
  auto const since = now - beat_;
  check loop{"loop", since <= limits_.loop, "turned " + seconds_of(since) + " ago"};
  if (!loop.passed) loop.detail += ", at most " + seconds_of(limits_.loop) + " are allowed";
  return loop;
}

health::report health::live(base::steady_time now) const {
  std::lock_guard const held(lock_);
  report all;
  all.checks.push_back(check_loop(now));
  check passes{"passes", true, "none under way"};
  if (oldest_pass_) {
    auto const age = now - *oldest_pass_;
    passes.passed = age <= limits_.pass;
    passes.detail = "the oldest under way began " + seconds_of(age) + " ago";
    if (!passes.passed) passes.detail += ", at most " + seconds_of(limits_.pass) + " are allowed";
  }
  all.checks.push_back(std::move(passes));
  return all;
}

health::report health::ready(base::steady_time now) const {
  std::lock_guard const held(lock_);
  report all;
  all.checks.push_back(check_loop(now));
  for (auto const& one : caches_) {
    all.checks.push_back(check{"cache " + one.name, one.synced, one.synced ? "filled" : "not filled yet"});
  }
  bool const takes_part = role_ == role::alone || role_ == role::standby || role_ == role::leading;
  all.checks.push_back(check{"role", takes_part, std::string(name_of(role_))});
  return all;
}

std::string render(health::report const& what, std::string_view endpoint, std::string_view summary, bool verbose) {
  bool const passed = what.passed();
  if (passed && !verbose) return summary.empty() ? "ok\n" : "ok: " + std::string(summary) + "\n";
  std::string text;
  for (auto const& one : what.checks) {
    text += one.passed ? "[+]" : "[-]";
    text += one.name + (one.passed ? " ok" : " failed");
    if (!one.detail.empty()) text += ": " + one.detail;
    text += '\n';
  }
  text += std::string(endpoint) + (passed ? " check passed\n" : " check failed\n");
  return text;
}

}  // namespace codeexec::telemetry
