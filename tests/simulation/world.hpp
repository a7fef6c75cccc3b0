// One schedule: a scenario, and everything that goes wrong in it, all of it from a seed and a few words that say it
// again exactly.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cluster.hpp"
#include "operator_life.hpp"

namespace codeexec::simulation {

class world;

/// What people want, and how it may end.
struct scenario {
  std::string name;
  std::function<void(world&)> begin;  ///< applies the executions, and plans what the cluster will do to them
  /// What somebody does in the middle of it, at `act_at` of the schedule or when this scenario finds it best.
  std::function<void(world&)> act = {};
  std::function<bool(world const&)> act_when = {};
  std::set<std::string> ends = {"Completed"};  ///< reasons an execution that stays may end with
  bool stays = true;                           ///< the executions are there at the end
  bool retains = false;                        ///< and so are their Jobs and Pods
  int job_ttl_seconds = 86400;
  int at_once = 0;     ///< how many may run; 0: as many as want
  duration away = 0s;  ///< how long the operator is away after a kill, beyond a moment
};

/// A whole schedule as a line of text: "cancel seed=7 fault=3:lost,9:kill_after act=4 random split".
struct schedule {
  std::string scenario;
  std::uint64_t seed = 1;
  std::vector<std::pair<std::size_t, fault>> faults;  ///< by the index of the request, counted over all lives
  std::optional<std::size_t> act_at;                  ///< before this request is sent
  bool random = false;                                ///< weather, faults and kills from the seed
  bool split = false;                                 ///< two operators at once, without leader election

  std::string describe() const;
  static std::optional<schedule> parse(std::string const& line);
};

struct findings {
  std::vector<std::string> violations;
  std::size_t requests = 0;  ///< the operators' own
  std::uint64_t events = 0;
  std::map<std::string, int> ends;  ///< by reason
};

class world {
 public:
  world(scenario const& what, schedule const& how, operator_life::make_reconciler other = {});
  world(world const&) = delete;
  world& operator=(world const&) = delete;
  ~world();

  findings run(bool tell = false);

  // For scenarios.
  agenda time;
  dice random;
  witness sees;
  boost::asio::io_context io{1};
  class cluster cluster;
  /// Runs `then` a moment after `condition` has come true, once.
  void when(std::function<bool()> condition, std::function<void()> then, duration delay = 1ms);

 private:
  struct trigger {
    std::function<bool()> condition;
    std::function<void()> then;
    duration delay;
    bool pulled = false;
  };

  void start_operator();
  fault fate_of(kube::request const& r);
  void dies(operator_life& which);
  void act_once();
  void look_at_triggers();
  void judge_the_end();
  bool everything_is_done() const;
  void note(std::string const& line);

  scenario const& scenario_;
  schedule schedule_;
  operator_life::make_reconciler other_;
  execution::config config_;
  weather weather_;
  double trouble_ = 0;  // the chance of a fault of a request
  int kills_left_ = 0;
  int faults_left_ = 0;
  std::vector<std::unique_ptr<operator_life>> lives_;
  std::vector<std::unique_ptr<operator_life>> dead_;
  std::vector<std::shared_ptr<trigger>> triggers_;
  std::size_t requests_ = 0;
  int lives_made_ = 0;
  duration away_{};  // all absences together
  std::uint64_t passes_ = 0;
  bool acted_ = false;
  bool tell_ = false;
};

std::vector<scenario> const& scenarios();
scenario const* find_scenario(std::string const& name);

}  // namespace codeexec::simulation
