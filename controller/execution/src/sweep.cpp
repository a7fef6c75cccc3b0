#include "codeexec/execution/sweep.hpp"

namespace codeexec::execution {
namespace {

bool is_left_over(swept_object const& one, sweep_view const& view) {
  if (one.owned) return false;
  switch (one.what) {
    case swept_object::kind::job:
    case swept_object::kind::pod:
    case swept_object::kind::input:
      // Without a word about whose it is, it is not known to be nobody's.
      return !one.execution_uid.empty() && view.state_of(one.execution_uid) != execution_state::unfinished;
    case swept_object::kind::runner: {
      if (!view.used_namespaces.contains(one.ns)) return true;
      if (one.name == view.current_runner) return false;
      return !view.namespaces_of_older_jobs.contains(one.ns) && !view.runners_of_jobs.contains({one.ns, one.name});
    }
    case swept_object::kind::network_policy:
      return !view.used_namespaces.contains(one.ns);
  }
  return false;
}

}  // namespace

std::vector<swept_object> find_leftovers(sweep_view const& view, base::wall_time now, std::chrono::seconds settle) {
  std::vector<swept_object> out;
  for (auto const& one : view.objects) {
    if (now - one.created >= settle && is_left_over(one, view)) out.push_back(one);
  }
  return out;
}

std::string_view name_of(swept_object::kind what) {
  switch (what) {
    case swept_object::kind::job:
      return "job";
    case swept_object::kind::pod:
      return "pod";
    case swept_object::kind::input:
      return "input";
    case swept_object::kind::runner:
      return "runner";
    case swept_object::kind::network_policy:
      return "network_policy";
  }
  return "";
}

}  // namespace codeexec::execution
