#include "world.hpp"

namespace codeexec::simulation {
namespace {

json code() {
  return {{"code", "print('hi')"}};
}

json with(json more) {
  auto spec = code();
  spec.update(more);
  return spec;
}

program ends_with(int exit_code) {
  program p;
  p.exit_code = exit_code;
  return p;
}

program runs_for(duration time) {
  program p;
  p.runs_for = time;
  return p;
}

/// More than a termination message holds: only the log has it.
program writes_much() {
  program p;
  for (int i = 0; i < 300; ++i)
    p.out += "line " + std::to_string(i) + " of what is too much for a message\n";
  p.last_words = "bye\n";
  return p;
}

std::function<void(world&)> apply(json spec, program what = {}) {
  return [spec = std::move(spec), what = std::move(what)](world& w) { w.cluster.apply("a", spec, what); };
}

std::function<void(world&)> set(char const* field, json value) {
  return [field, value = std::move(value)](world& w) {
    w.cluster.edit("a", [&](json& object) { object["spec"][field] = value; });
  };
}

void remove(world& w) {
  w.cluster.remove_execution("a");
}

bool runs(world const& w) {
  return w.cluster.pod_runs("a");
}

bool has_result(world const& w) {
  auto const* const e = w.cluster.find("codeexecutions", "a");
  return e != nullptr && e->contains("status") && is_final((*e)["status"]);
}

constexpr duration for_good = duration::max();

std::vector<scenario> make() {
  std::vector<scenario> all;
  auto const add = [&](scenario one) { all.push_back(std::move(one)); };
  std::set<std::string> const cancelled{"Cancelled", "Completed"};

  add({"success", apply(code())});
  add({"much_output", apply(code(), writes_much())});
  add({"failure", apply(code(), ends_with(3)), {}, {}, {"NonZeroExit"}});
  add({"timeout", apply(with({{"timeoutSeconds", 2}}), runs_for(60s)), {}, {}, {"TimedOut"}});
  {
    program crashes;
    crashes.signal = 11;
    add({"signal", apply(code(), crashes), {}, {}, {"Signaled"}});
  }
  {
    program killed;
    killed.signal = 9;
    add({"killed", apply(code(), killed), {}, {}, {"Signaled"}});
  }
  {
    program eats;
    eats.eats_memory = true;
    add({"out_of_memory", apply(code(), eats), {}, {}, {"OOMKilled"}});
  }
  add({"cancel", apply(code(), runs_for(20s)), set("cancel", true), runs, cancelled});
  add({"cancel_early", apply(code(), runs_for(20s)), set("cancel", true), {}, cancelled});
  {
    auto stubborn = runs_for(20s);
    stubborn.reacts_in = 60s;
    add({"cancel_stubborn", apply(code(), stubborn), set("cancel", true), runs, cancelled});
    add({"delete_stubborn", apply(code(), stubborn), remove, runs, {"Completed"}, false});
  }
  add({"suspend_resume", apply(with({{"suspend", true}})), set("suspend", false), {}});
  add({"suspend_cancel", apply(with({{"suspend", true}})), set("cancel", true), {}, {"Cancelled"}});
  add({"suspend_delete", apply(with({{"suspend", true}})), remove, {}, {}, false});
  add({"delete", apply(code(), runs_for(5s)), remove, runs, {"Completed"}, false});
  add({"delete_finished", apply(code()), remove, has_result, {"Completed"}, false});
  add({"delete_early", apply(code()), remove, {}, {"Completed"}, false});
  add({"delete_node_lost",
       apply(code(), runs_for(60s)),
       [](world& w) {
         w.cluster.lose_node();
         w.cluster.remove_execution("a");
       },
       runs,
       {"Completed"},
       false});
  add({"delete_without_job",
       apply(code(), runs_for(60s)),
       [](world& w) {
         w.cluster.lose_node();
         w.cluster.remove_job_of("a");
         w.cluster.remove_execution("a");
       },
       runs,
       {"Completed"},
       false});
  add({"delete_held_job",
       apply(code(), runs_for(250s)),
       [](world& w) {
         w.cluster.hold_job_of("a", 1h);
         w.cluster.remove_execution("a");
       },
       runs,
       {"Completed"},
       false});
  add({"delete_foreign_finalizer",
       [](world& w) {
         w.cluster.apply("a", code(), runs_for(3s), json{{"finalizers", json::array({"other.dev/x"})}});
         w.when(
             [&w] {
               auto const* const e = w.cluster.find("codeexecutions", "a");
               return e != nullptr && (*e)["metadata"].contains("deletionTimestamp") &&
                      (*e)["metadata"]["finalizers"].size() == 1 && (*e)["metadata"]["finalizers"][0] == "other.dev/x";
             },
             [&w] { w.cluster.edit("a", [](json& object) { object["metadata"].erase("finalizers"); }); }, 5s);
       },
       remove,
       runs,
       {"Completed"},
       false});
  add({"ttl", apply(with({{"ttlSecondsAfterFinished", 5}})), {}, {}, {"Completed"}, false});
  {
    scenario s{"retain", [](world& w) {
                 w.cluster.apply("a", with({{"cleanupPolicy", "Retain"}}));
                 w.time.after(72h, [] {});
               }};
    s.retains = true;
    add(s);
  }
  add({"retain_delete", apply(with({{"cleanupPolicy", "Retain"}})), remove, has_result, {"Completed"}, false});
  add({"image_missing",
       [](world& w) {
         w.cluster.in_the_way.image_missing_until = for_good;
         w.cluster.apply("a", with({{"startupTimeoutSeconds", 30}}));
       },
       {},
       {},
       {"ImagePullFailed"}});
  add({"image_comes", [](world& w) {
         w.cluster.in_the_way.image_missing_until = 40s;
         w.cluster.apply("a", code());
       }});
  add({"image_comes_late",
       [](world& w) {
         w.cluster.in_the_way.image_missing_until = w.random.between(20s, 35s);
         w.cluster.apply("a", with({{"startupTimeoutSeconds", 30}}), runs_for(20s));
       },
       {},
       {},
       {"ImagePullFailed", "StartupTimedOut", "Completed"}});
  add({"image_missing_cancel",
       [](world& w) {
         w.cluster.in_the_way.image_missing_until = 12s;
         w.cluster.apply("a", code(), runs_for(10s));
         w.when([&w] { return w.cluster.count("pods") > 0; },
                [&w] { w.cluster.edit("a", [](json& object) { object["spec"]["cancel"] = true; }); },
                w.random.between(8s, 12s));
       },
       {},
       {},
       cancelled});
  add({"startup_races",
       [](world& w) {
         w.cluster.in_the_way.node_full_until = w.random.between(3s, 6s);
         w.cluster.apply("a", with({{"startupTimeoutSeconds", 5}}), runs_for(10s));
       },
       {},
       {},
       {"Unschedulable", "StartupTimedOut", "Completed"}});
  add({"unschedulable",
       [](world& w) {
         w.cluster.in_the_way.node_full_until = for_good;
         w.cluster.apply("a", with({{"startupTimeoutSeconds", 30}}));
       },
       {},
       {},
       {"Unschedulable"}});
  add({"job_quota_heals", [](world& w) {
         w.cluster.in_the_way.job_quota_until = 12s;
         w.cluster.apply("a", code());
       }});
  add({"pod_quota_heals", [](world& w) {
         w.cluster.in_the_way.pod_quota_until = 12s;
         w.cluster.apply("a", code());
       }});
  add({"pod_quota_stays",
       [](world& w) {
         w.cluster.in_the_way.pod_quota_until = for_good;
         w.cluster.apply("a", with({{"startupTimeoutSeconds", 30}}));
       },
       {},
       {},
       {"QuotaExceeded"}});
  add({"evicted", apply(code(), runs_for(5s)), [](world& w) { w.cluster.evict_pod_of("a"); }, runs});
  add({"node_lost",
       apply(code(), runs_for(5s)),
       [](world& w) { w.cluster.lose_node(); },
       runs,
       {"Completed", "Unschedulable"}});
  add({"pod_deleted", apply(code(), runs_for(5s)), [](world& w) { w.cluster.remove_pod_of("a"); }, runs});
  add({"job_deleted", apply(code(), runs_for(5s)), [](world& w) { w.cluster.remove_job_of("a"); }, runs});
  add({"job_replaced", apply(code(), runs_for(5s)), [](world& w) { w.cluster.replace_job_of("a"); }, runs});
  json const from{{"codeFrom", {{"configMapKeyRef", {{"name", "scripts"}, {"key", "main"}}}}}};
  add({"source",
       [from](world& w) {
         w.cluster.put_source("scripts", "print('hi')");
         w.cluster.apply("a", from);
       },
       [](world& w) { w.cluster.put_source("scripts", "print('changed')"); },
       {},
       {"Completed", "SourceMissing"}});
  add({"source_comes", [from](world& w) {
         w.cluster.apply("a", from);
         w.time.after(8s, [&w] { w.cluster.put_source("scripts", "print('hi')"); });
       }});
  add({"source_never_comes",
       [from](world& w) {
         auto spec = from;
         spec["startupTimeoutSeconds"] = 20;
         w.cluster.apply("a", spec);
       },
       {},
       {},
       {"SourceMissing"}});
  {
    scenario s{"queue",
               [](world& w) {
                 for (char const* name : {"a", "b", "c"})
                   w.cluster.apply(name, code(), runs_for(3s));
               },
               set("cancel", true)};
    s.ends = cancelled;
    s.at_once = 1;
    add(s);
    s.name = "queue_delete";
    s.act = remove;
    s.ends = {"Completed"};
    add(s);
  }
  add({"two", [](world& w) {
         w.cluster.apply("a", code());
         w.cluster.apply("b", code(), writes_much());
       }});
  add({"recreated", apply(code(), runs_for(2s)),
       [](world& w) {
         w.when([&w] { return w.cluster.find("codeexecutions", "a") == nullptr; },
                [&w] { w.cluster.apply("a", code()); }, 0s);
         w.cluster.remove_execution("a");
         if (w.cluster.find("codeexecutions", "a") == nullptr) w.cluster.apply("a", code());
       },
       runs});
  add({"namespace_deleted",
       apply(code(), runs_for(5s)),
       [](world& w) { w.cluster.remove_namespace(); },
       runs,
       {"Completed"},
       false});
  add({"invalid", apply(with({{"language", "cobol"}})), {}, {}, {"InvalidSpec"}});
  add({"logs_down", [](world& w) {
         w.cluster.in_the_way.log_down_until = 20s;
         w.cluster.apply("a", code(), writes_much());
       }});
  {
    scenario s{"absent_long", apply(code())};
    s.away = 26h;
    s.ends = {"Completed", "OutputLost"};
    add(s);
  }
  {
    scenario s{"absent_short", apply(code())};
    s.away = 20min;
    add(s);
  }
  {
    // Nothing stands in the status, and somebody deletes the Job before there is an operator again.
    scenario s{"job_deleted_absent", apply(code(), runs_for(60s)), [](world& w) { w.cluster.remove_job_of("a"); },
               runs};
    s.away = 10min;
    add(s);
  }
  {
    scenario s{"resumed_absent", apply(with({{"suspend", true}})), set("suspend", false), {}};
    s.away = 26h;
    s.ends = {"Completed", "OutputLost"};
    add(s);
  }
  {
    scenario s{"queue_absent", [](world& w) {
                 for (char const* name : {"a", "b", "c"})
                   w.cluster.apply(name, code(), runs_for(3s));
               }};
    s.at_once = 1;
    s.away = 26h;
    s.ends = {"Completed", "OutputLost", "StartupTimedOut"};
    add(s);
  }
  return all;
}

}  // namespace

std::vector<scenario> const& scenarios() {
  static auto const all = make();
  return all;
}

}  // namespace codeexec::simulation
