#include "world.hpp"

#include <algorithm>
#include <iostream>
#include <sstream>

namespace codeexec::simulation {
namespace {

/// No scenario takes longer, but for Jobs that wait for their own end.
constexpr duration longest = 14 * 86400s;
/// An operator that makes more passes than this turns in circles.
constexpr std::uint64_t most_passes = 4000;

std::optional<fault> fault_of(std::string const& name) {
  for (int i = 0; i <= static_cast<int>(last_fault); ++i) {
    if (name == name_of(static_cast<fault>(i))) return static_cast<fault>(i);
  }
  return std::nullopt;
}

}  // namespace

std::string schedule::describe() const {
  std::string line = scenario + " seed=" + std::to_string(seed);
  for (std::size_t i = 0; i < faults.size(); ++i)
    line += (i == 0 ? " fault=" : ",") + std::to_string(faults[i].first) + ":" + name_of(faults[i].second);
  if (act_at) line += " act=" + std::to_string(*act_at);
  if (random) line += " random";
  if (split) line += " split";
  return line;
}

std::optional<schedule> schedule::parse(std::string const& line) {
  std::istringstream words(line);
  schedule s;
  std::string word;
  words >> s.scenario;
  while (words >> word) {
    if (word == "random") {
      s.random = true;
    } else if (word == "split") {
      s.split = true;
    } else if (word.starts_with("seed=")) {
      s.seed = std::stoull(word.substr(5));
    } else if (word.starts_with("act=")) {
      s.act_at = std::stoull(word.substr(4));
    } else if (word.starts_with("fault=")) {
      std::istringstream list(word.substr(6));
      std::string one;
      while (std::getline(list, one, ',')) {
        auto const colon = one.find(':');
        auto const what = colon == std::string::npos ? std::nullopt : fault_of(one.substr(colon + 1));
        if (!what) return std::nullopt;
        s.faults.emplace_back(std::stoull(one.substr(0, colon)), *what);
      }
    } else {
      return std::nullopt;
    }
  }
  return s;
}

world::world(scenario const& what, schedule const& how, operator_life::make_reconciler other)
    : random(how.seed),
      sees(time),
      cluster(io.get_executor(), time, random, sees),
      scenario_(what),
      schedule_(how),
      other_(std::move(other)) {
  config_.job_ttl = std::chrono::seconds(what.job_ttl_seconds);
  config_.max_running_in_all = what.at_once;
  if (!how.random) return;
  // Each schedule has a character of its own: most are calm in most respects.
  constexpr std::array troubles{0.0, 0.0, 0.02, 0.1, 0.3};
  trouble_ = troubles.at(random.below(troubles.size()));
  faults_left_ = 40;
  sees.longest_deletion += faults_left_ * 30s;  // what the client may wait for an answer
  kills_left_ = static_cast<int>(random.below(5));
  constexpr std::array slow{20ms, 20ms, 300ms, 2000ms};
  weather_.watch_most = slow.at(random.below(slow.size()));
  weather_.request_most = random.chance(0.3) ? 200ms : 3ms;
  if (random.chance(0.3)) {
    weather_.watch_stalls = 0.1;
    weather_.stall_most = random.chance(0.5) ? 3s : 20s;
  }
  if (random.chance(0.3)) weather_.watch_cuts = 0.1;
  sees.may_miss_a_run = weather_.watch_cuts > 0 || weather_.watch_stalls > 0;
  cluster.in_the_way.slow_status = random.chance(0.15);
}

world::~world() {
  lives_.clear();
  dead_.clear();
}

void world::note(std::string const& line) {
  if (!tell_) return;
  std::cout << static_cast<double>(time.now().count()) / 1e6 << "\t" << line << "\n";
}

void world::when(std::function<bool()> condition, std::function<void()> then, duration delay) {
  auto const one = std::make_shared<trigger>();
  one->condition = std::move(condition);
  one->then = std::move(then);
  one->delay = delay;
  triggers_.push_back(one);
}

void world::look_at_triggers() {
  for (auto const& one : triggers_) {
    if (one->pulled || !one->condition()) continue;
    one->pulled = true;
    time.after(one->delay, one->then);
  }
}

void world::start_operator() {
  operator_life::fate what;
  what.of_request = [this](kube::request const& r) { return fate_of(r); };
  what.dies = [this](operator_life& which) { dies(which); };
  what.doubled_late = [this](kube::request const& r) {
    if (r.resource_name == "jobs" && r.method == kube::verb::post) sees.one_job_only = false;
  };
  for (auto& [uid, t] : sees.all())
    t.job_forgotten = t.jobs > 0 && !cluster.tells_of_job(uid);
  sees.operator_since = time.now();
  auto const name = "operator " + std::to_string(++lives_made_);
  lives_.push_back(
      std::make_unique<operator_life>(name, io, time, random, cluster, config_, weather_, std::move(what), other_));
  lives_.back()->trace = [this](std::string const& line) { note(line); };
  note(name + " starts");
}

fault world::fate_of(kube::request const& r) {
  auto const index = requests_++;
  if (schedule_.act_at == index) act_once();
  for (auto const& [at, what] : schedule_.faults) {
    if (at == index) return what;
  }
  if (!schedule_.random) return fault::none;
  if (kills_left_ > 0 && random.chance(0.1)) {
    --kills_left_;
    return static_cast<fault>(1 + random.below(3));
  }
  if (faults_left_ == 0 || !random.chance(trouble_)) return fault::none;
  --faults_left_;
  auto const first = static_cast<std::size_t>(fault::refused);
  (void)r;
  return static_cast<fault>(first + random.below(static_cast<std::size_t>(last_fault) - first + 1));
}

void world::dies(operator_life& which) {
  note(which.name() + " dies");
  which.kill();
  sees.operator_died = true;
  // Events are kept for an hour, what else tells of a Job may be gone before.
  away_ += scenario_.away;
  if (away_ >= 1h) {
    for (auto& [uid, t] : sees.all())
      t.disasters.insert("operator away");
  }
  time.after(0s, [this, &which] {
    auto const at = std::find_if(lives_.begin(), lives_.end(), [&](auto const& one) { return one.get() == &which; });
    if (at == lives_.end()) return;
    passes_ += which.passes();
    dead_.push_back(std::move(*at));
    lives_.erase(at);
  });
  auto const moment = schedule_.random ? random.between(1ms, 5s) : random.between(1ms, 200ms);
  time.after(moment + scenario_.away, [this] { start_operator(); });
}

void world::act_once() {
  if (std::exchange(acted_, true) || !scenario_.act) return;
  note("somebody acts");
  scenario_.act(*this);
}

bool world::everything_is_done() const {
  return !time.next();
}

findings world::run(bool tell) {
  tell_ = tell;
  auto const work = boost::asio::make_work_guard(io);
  cluster.trace = [this](std::string const& line) { note(line); };
  cluster.on_commit = [this] { look_at_triggers(); };
  if (schedule_.split) sees.one_job_only = false;
  scenario_.begin(*this);
  if (scenario_.act && !schedule_.act_at) {
    when([this] { return !scenario_.act_when || scenario_.act_when(*this); }, [this] { act_once(); },
         schedule_.random ? random.between(0s, 2s) : 1ms);
    look_at_triggers();
  }
  start_operator();
  if (schedule_.split) start_operator();
  if (schedule_.random) {
    // A process may be stopped for a while, watches and logs are cut.
    for (int i = 0; i < 2; ++i) {
      if (!random.chance(schedule_.split ? 0.5 : 0.1)) continue;
      time.after(random.between(0s, 4s), [this] {
        if (lives_.empty()) return;
        auto& one = *lives_[random.below(lives_.size())];
        auto const until = time.now() + random.between(10ms, 40s);
        note(one.name() + " is stopped for a while");
        one.pause(until);
      });
    }
    if (random.chance(0.2)) time.after(random.between(0s, 4s), [this] { cluster.cut_logs(); });
  }
  bool stuck = false;
  auto const known = sees.violations().size();
  for (;;) {
    io.restart();
    io.poll();
    dead_.clear();
    if (everything_is_done() && scenario_.act && !acted_) {
      act_once();  // nothing led to the moment it was meant for
      continue;
    }
    if (everything_is_done() || sees.violations().size() > known + 3) break;
    std::uint64_t passes = passes_;
    for (auto const& life : lives_)
      passes += life->passes();
    if (time.now() > longest || passes > most_passes) {
      stuck = true;
      sees.violated("it does not come to an end after " + std::to_string(passes) + " passes");
      break;
    }
    time.step();
  }
  if (!stuck && sees.violations().empty()) judge_the_end();
  findings f;
  f.violations = sees.violations();
  f.requests = requests_;
  f.events = time.noted_down();
  for (auto const& [uid, t] : sees.all())
    ++f.ends[t.result ? (*t.result).value("reason", "") : t.deleted ? "deleted" : "none"];
  return f;
}

void world::judge_the_end() {
  for (auto const& [uid, t] : sees.all()) {
    if (t.running) sees.violated(t.name + ": its code still runs");
    if (!t.deleted && !t.result) sees.violated(t.name + ": it has no result");
    if (!t.deleted && !scenario_.stays) sees.violated(t.name + ": it is still there");
    if (t.result && t.disasters.empty()) {
      auto const reason = (*t.result).value("reason", "");
      // What costs the operator half a minute costs it the code's chance to start.
      bool const too_slow =
          (reason == "StartupTimedOut" || reason == "SourceMissing") && (schedule_.random || !schedule_.faults.empty());
      if (!scenario_.ends.contains(reason) && !too_slow)
        sees.violated(t.name + ": it ended with " + reason + ": " + t.result->dump());
    }
    auto const left = cluster.left_of(uid);
    if (scenario_.retains) {
      bool const whole =
          std::any_of(left.begin(), left.end(), [](auto const& key) { return key.starts_with("pods/"); });
      if (!whole && t.disasters.empty()) sees.violated(t.name + ": its pod was not retained");
      continue;
    }
    for (auto const& key : left)
      sees.violated(t.name + ": " + key + " was left behind");
  }
  for (auto const& life : lives_) {
    if (life->records() != 0) sees.violated(life->name() + " keeps " + std::to_string(life->records()) + " records");
    if (life->log_readers() != 0) sees.violated(life->name() + " keeps reading logs");
  }
}

scenario const* find_scenario(std::string const& name) {
  auto const& all = scenarios();
  auto const found = std::find_if(all.begin(), all.end(), [&](scenario const& one) { return one.name == name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace codeexec::simulation
