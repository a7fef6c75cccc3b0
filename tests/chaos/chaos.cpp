// Chaos, end to end: executions on a stand-in of its own while the operator is killed about every second and the
// stand-in's answers to it are disturbed at random. Each execution's code reports its run through a FIFO that its image
// shows, so that a second run is seen whatever the API says; what a status must say is known beforehand.
//
// The seed fixes what is done, not how fast the machine does it: two runs of a seed differ in their interleaving.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include "machine.hpp"

namespace codeexec::e2e {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr char const* agent = "codeexec-controller";
constexpr int most_in_flight = 48;
constexpr int namespace_count = 4;
/// After the last execution was made, with the faults off and the operator left alone.
constexpr auto settle_time = 180s;

struct options {
  int executions = 10000;
  int seconds = 0;  ///< no new executions after it; 0: no bound
  unsigned seed = 1;
  int kill_every = 1000;  ///< milliseconds, on average
  int faults = 4;         ///< rules at a time
};

std::string whole_file(fs::path const& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

void replace_once(std::string& text, std::string const& from, std::string const& to) {
  auto const at = text.find(from);
  if (at == std::string::npos) throw std::runtime_error("no '" + from + "' to replace");
  text.replace(at, from.size(), to);
}

/// Where runs are told: a FIFO in a folder that every image shows. The file system is read-only inside, and a FIFO can
/// be written to all the same. Not below /tmp, which is a volume of the pods' own.
class evidence {
 public:
  evidence() {
    std::string pattern = "/var/tmp/codeexec-chaos-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    fs::permissions(folder_, fs::perms::owner_all | fs::perms::others_read | fs::perms::others_exec);
    if (::mkfifo(fifo().c_str(), 0666) != 0) throw std::runtime_error("mkfifo " + fifo().string());
    fs::permissions(fifo(), fs::perms::all & ~fs::perms::owner_exec & ~fs::perms::group_exec & ~fs::perms::others_exec);
    // For both directions: there is always a reader, and never an end.
    fd_ = ::open(fifo().c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd_ < 0) throw std::runtime_error("open " + fifo().string());
  }
  evidence(evidence const&) = delete;
  evidence& operator=(evidence const&) = delete;
  ~evidence() {
    ::close(fd_);
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  fs::path const& folder() const { return folder_; }
  fs::path fifo() const { return folder_ / "runs"; }

  /// Takes what has been told since.
  void take() {
    std::array<char, 65536> buffer{};
    for (;;) {
      auto const got = ::read(fd_, buffer.data(), buffer.size());
      if (got <= 0) return;
      partial_.append(buffer.data(), static_cast<std::size_t>(got));
      for (auto end = partial_.find('\n'); end != std::string::npos; end = partial_.find('\n')) {
        ++runs_[partial_.substr(0, end)];
        partial_.erase(0, end + 1);
      }
    }
  }
  int runs_of(std::string const& name) const {
    auto const found = runs_.find(name);
    return found == runs_.end() ? 0 : found->second;
  }

 private:
  fs::path folder_;
  int fd_ = -1;
  std::string partial_;
  std::map<std::string, int> runs_;
};

/// What is done with one, and what must come of it.
struct execution {
  enum class fate { finishes, cancelled, deleted };
  std::string name;
  int number = 0;
  fate wanted = fate::finishes;
  std::size_t space = 0;
  bool touched = false;  ///< cancelled or deleted by us
  steady_clock::time_point created{};
  milliseconds touch_after{0};

  int exit_code() const { return number % 3; }
  /// A termination message holds the first kind, a log is needed for the others.
  int lines() const { return number % 10 == 0 ? 2000 : number % 3 == 1 ? 150 : 1; }
  std::string output() const {
    std::string text;
    for (int i = 1; i <= lines(); ++i)
      text += name + " " + std::to_string(i) + " ........................\n";
    return text;
  }
  json spec(fs::path const& told_to) const {
    std::string code = "echo " + name + " > " + told_to.string() + "\n";
    if (wanted != fate::finishes || number % 8 == 5) code += "sleep 0." + std::to_string(1 + number % 9) + "\n";
    code += "for ((i = 1; i <= " + std::to_string(lines()) + "; i++)); do echo \"" + name +
            " $i ........................\"; done\n";
    if (wanted == fate::cancelled) code += "sleep 600\n";
    code += "exit " + std::to_string(exit_code()) + "\n";
    auto made = bash(code);
    made["output"] = {{"maxBytes", 262144}};
    made["startupTimeoutSeconds"] = 3600;
    made["timeoutSeconds"] = 3600;
    return made;
  }
};

struct tally {
  int finished = 0;
  int cancelled = 0;
  int deleted = 0;
  int kills = 0;
  std::int64_t faults = 0;
  std::int64_t requests = 0;
  std::set<std::string> fault_kinds;
  std::vector<std::string> lost;
  std::vector<std::string> twice;
  std::vector<std::string> left;
  std::string logs;  ///< the file with what the operators said of those
};

class chaos {
 public:
  explicit chaos(options what)
      : options_(what),
        random_(what.seed),
        here_({"--runtime", "process", "--faults", "--images", images(), "--node-cpu-millis", "1000000",
               "--node-memory-mib", "1000000", "--max-pods", "1000", "--log-level", "error"}) {
    std::string text = whole_file(CODEEXEC_SOURCE_DIR "/config/operator.yaml");
    replace_once(text, "requireSandbox: true", "requireSandbox: false");
    std::ofstream(here_.folder() / "operator.yaml") << text;
    for (int i = 0; i < namespace_count; ++i)
      spaces_.push_back(std::make_unique<workspace>(here_.api()));
  }

  tally run() {
    auto const begun = steady_clock::now();
    start_operator();
    auto next_kill = begun + kill_delay();
    auto next_faults = begun;
    auto next_word = begun + 10s;
    while (in_flight_.size() > 0 || wants_more(begun)) {
      if (steady_clock::now() > next_faults) {
        change_faults();
        next_faults = steady_clock::now() + 400ms;
      }
      if (steady_clock::now() > next_kill) {
        operator_->end(SIGKILL);
        ++tally_.kills;
        start_operator();
        next_kill = steady_clock::now() + kill_delay();
      }
      while (wants_more(begun) && in_flight_.size() < most_in_flight && steady_clock::now() < next_kill)
        create_next();
      look();
      if (steady_clock::now() > next_word) {
        std::cerr << "chaos: " << made_ << " made, " << in_flight_.size() << " under way, " << tally_.kills
                  << " kills, " << tally_.faults << " faults\n";
        next_word = steady_clock::now() + 10s;
      }
      if (!wants_more(begun)) {
        if (!last_made_) last_made_ = steady_clock::now();
        if (steady_clock::now() > *last_made_ + settle_time) break;
      }
      std::this_thread::sleep_for(80ms);
    }
    took_ = steady_clock::now() - begun;
    count_faults();
    set_rules(json::array());
    for (auto const& [name, one] : in_flight_)
      tally_.lost.push_back(name + ": " + last_seen_[name]);
    for (auto const& [name, one] : in_flight_)
      (void)spaces_[one.space]->remove(kube::code_executions, name);
    find_what_is_left();
    runs_.take();
    for (int number = 0; number < made_; ++number) {
      if (runs_.runs_of(name_of(number)) > 1)
        tally_.twice.push_back(name_of(number) + ": " + std::to_string(runs_.runs_of(name_of(number))) + " runs");
    }
    operator_->end(SIGTERM);
    tally_.logs = keep_logs();
    return tally_;
  }

  int made() const { return made_; }
  double seconds() const { return std::chrono::duration<double>(took_).count(); }

 private:
  static std::string name_of(int number) { return "x-" + std::to_string(number); }

  std::string images() {
    auto text = whole_file(CODEEXEC_SOURCE_DIR "/config/local/images.yaml");
    replace_once(text, "folders: [", "folders: [" + runs_.folder().string() + ", ");
    auto const file = runs_.folder() / "images.yaml";
    std::ofstream(file) << text;
    return file.string();
  }

  int any(int from, int to) { return std::uniform_int_distribution<int>(from, to)(random_); }
  milliseconds kill_delay() { return milliseconds(any(options_.kill_every / 2, options_.kill_every * 3 / 2)); }

  void start_operator() {
    auto const name = "operator-" + std::to_string(tally_.kills);
    operator_logs_.push_back(here_.folder() / (name + ".log"));
    operator_ = here_.start_operator(name, {"--config", (here_.folder() / "operator.yaml").string()});
  }

  /// What the operators said of the executions that something is wrong with, life by life; empty where nothing is.
  std::string keep_logs() const {
    std::set<std::string> wanted;
    for (auto const* list : {&tally_.lost, &tally_.twice, &tally_.left}) {
      for (auto const& line : *list)
        wanted.insert(line.substr(0, line.find(": ")));
    }
    if (wanted.empty()) return {};
    auto const kept = (fs::temp_directory_path() / ("codeexec-chaos-" + std::to_string(::getpid()) + ".log")).string();
    std::ofstream out(kept);
    for (auto const& log : operator_logs_) {
      std::ifstream in(log);
      out << "== " << log.stem().string() << "\n";
      for (std::string line; std::getline(in, line);) {
        if (speaks_of_any(line, wanted)) out << line << "\n";
      }
    }
    return kept;
  }

  /// Names are "x-12": the number must end where the name does.
  static bool speaks_of_any(std::string const& line, std::set<std::string> const& names) {
    return std::any_of(names.begin(), names.end(), [&](std::string const& name) {
      auto const at = line.find(name);
      if (at == std::string::npos) return false;
      auto const next = at + name.size();
      return next == line.size() || std::isdigit(static_cast<unsigned char>(line[next])) == 0;
    });
  }

  bool wants_more(steady_clock::time_point begun) const {
    bool const in_time = options_.seconds == 0 || steady_clock::now() < begun + std::chrono::seconds(options_.seconds);
    return made_ < options_.executions && in_time;
  }

  void create_next() {
    execution one;
    one.number = made_;
    one.name = name_of(made_);
    one.space = static_cast<std::size_t>(made_ % namespace_count);
    auto const dice = any(0, 99);
    one.wanted = dice < 5   ? execution::fate::deleted
                 : dice < 8 ? execution::fate::cancelled
                            : execution::fate::finishes;
    one.touch_after = milliseconds(any(0, 1500));
    auto const done = spaces_[one.space]->create(one.name, one.spec(runs_.fifo()));
    if (!done) throw std::runtime_error("cannot create " + one.name + ": " + done.error().describe());
    one.created = steady_clock::now();
    in_flight_[one.name] = one;
    ++made_;
  }

  /// One look at every execution there is.
  void look() {
    runs_.take();
    std::map<std::string, json> seen;
    for (auto const& space : spaces_) {
      for (auto& object : space->list(kube::code_executions)) {
        auto const name = object["metadata"]["name"].get<std::string>();
        seen[name] = std::move(object);
      }
    }
    std::vector<std::string> over;
    for (auto& [name, one] : in_flight_) {
      auto const found = seen.find(name);
      if (found == seen.end()) {
        // Nobody but us deletes any.
        if (!one.touched) tally_.lost.push_back(name + ": the CodeExecution is gone");
        over.push_back(name);
        continue;
      }
      if (follow(one, found->second)) over.push_back(name);
    }
    for (auto const& name : over)
      in_flight_.erase(name);
  }

  /// True once nothing more is expected of it.
  bool follow(execution& one, json const& object) {
    auto& space = *spaces_[one.space];
    auto const status = object.value("status", json::object());
    auto const phase = status.value("phase", "");
    last_seen_[one.name] = phase + " " + status.value("reason", "");
    if (one.wanted == execution::fate::deleted) {
      if (!one.touched && steady_clock::now() > one.created + one.touch_after) {
        one.touched = static_cast<bool>(space.remove(kube::code_executions, one.name));
        if (one.touched) ++tally_.deleted;
      }
      return false;  // until it is gone
    }
    if (one.wanted == execution::fate::cancelled && !one.touched &&
        steady_clock::now() > one.created + one.touch_after) {
      one.touched =
          static_cast<bool>(space.merge_patch(kube::code_executions, one.name, {{"spec", {{"cancel", true}}}}));
    }
    if (phase != "Succeeded" && phase != "Failed") return false;
    check_end(one, status);
    last_seen_.erase(one.name);
    (void)space.remove(kube::code_executions, one.name);
    return true;
  }

  void check_end(execution const& one, json const& status) {
    auto const reason = status.value("reason", "");
    std::string wrong;
    if (one.wanted == execution::fate::cancelled) {
      ++tally_.cancelled;
      auto const message = status.value("message", "");
      bool const admits_loss = message.find("is lost") != std::string::npos;
      if (reason != "Cancelled" || (admits_loss && runs_of(one) > 0)) wrong = reason + ": " + message;
    } else {
      ++tally_.finished;
      auto const expected = one.exit_code() == 0 ? "Completed" : "NonZeroExit";
      if (reason != expected) {
        wrong = reason + ": " + status.value("message", "");
      } else if (status.value("exitCode", -1) != one.exit_code()) {
        wrong = "exit code " + std::to_string(status.value("exitCode", -1));
      } else if (status.value("stdout", "") != one.output()) {
        wrong = "stdout of " + std::to_string(status.value("stdout", "").size()) + " bytes instead of " +
                std::to_string(one.output().size());
      } else if (runs_of(one) == 0) {
        wrong = "a result without a run";
      }
    }
    if (!wrong.empty()) tally_.lost.push_back(one.name + ": " + wrong);
  }

  int runs_of(execution const& one) {
    runs_.take();
    return runs_.runs_of(one.name);
  }

  // --- faults ------------------------------------------------------------------------------------------------------

  void set_rules(json rules) { (void)here_.api().faults(kube::verb::put, {{"rules", std::move(rules)}}); }

  void count_faults() {
    auto const report = here_.api().faults(kube::verb::get);
    for (auto const& rule : report.value("rules", json::array())) {
      tally_.faults += rule["hits"].get<std::int64_t>();
      if (rule["hits"] > 0) {
        tally_.fault_kinds.insert(rule["fault"].get<std::string>() + " " + rule["verb"].get<std::string>() + " " +
                                  rule["resource"].get<std::string>());
      }
    }
    auto const calls = report.value("calls", json::object());
    for (auto const& [call, count] : calls.items()) {
      if (call.rfind(std::string(agent) + " ", 0) == 0) tally_.requests += count.get<std::int64_t>();
    }
  }

  void change_faults() {
    count_faults();
    struct call {
      char const* verb;
      char const* resource;
      bool stream;
    };
    static constexpr std::array calls{call{"patch", "codeexecutions", false},
                                      call{"patch", "codeexecutions/status", false},
                                      call{"get", "codeexecutions", false},
                                      call{"create", "configmaps", false},
                                      call{"get", "configmaps", false},
                                      call{"create", "jobs", false},
                                      call{"get", "jobs", false},
                                      call{"delete", "jobs", false},
                                      call{"list", "pods", false},
                                      call{"patch", "pods", false},
                                      call{"list", "jobs", false},
                                      call{"list", "codeexecutions", false},
                                      call{"watch", "pods", true},
                                      call{"watch", "jobs", true},
                                      call{"watch", "codeexecutions", true},
                                      call{"get", "pods/log", true}};
    static constexpr std::array words{"delay", "status", "truncate", "reset", "silence",
                                      "lose",  "end",    "cut",      "expire"};
    static constexpr std::array codes{409, 429, 500, 503, 504};
    json rules = json::array();
    for (int i = 0; i < options_.faults; ++i) {
      auto const& what = calls[static_cast<std::size_t>(any(0, calls.size() - 1))];
      std::string const word = words[static_cast<std::size_t>(any(0, words.size() - 1))];
      json rule = {{"agent", agent},
                   {"verb", what.verb},
                   {"resource", what.resource},
                   {"fault", word},
                   {"from", static_cast<unsigned>(any(1, 3))},
                   {"times", static_cast<unsigned>(any(1, 6))},
                   {"milliseconds", static_cast<unsigned>(any(20, 900))}};
      if (what.stream) rule["afterEvents"] = static_cast<unsigned>(any(0, 20));
      if (word == "status") {
        rule["code"] = static_cast<unsigned>(codes[static_cast<std::size_t>(any(0, codes.size() - 1))]);
        if (any(0, 3) == 0) rule["retryAfterSeconds"] = 1u;
      }
      rules.push_back(std::move(rule));
    }
    set_rules(std::move(rules));
  }

  // --- the end -----------------------------------------------------------------------------------------------------

  void find_what_is_left() {
    auto const until = steady_clock::now() + 90s;
    std::vector<std::string> left;
    do {
      left.clear();
      for (auto const& space : spaces_) {
        for (auto const& one : space->leftovers())
          left.push_back(one);
        for (auto const& one : space->list(kube::code_executions))
          left.push_back("codeexecutions/" + one["metadata"]["name"].get<std::string>());
      }
      if (!left.empty()) std::this_thread::sleep_for(100ms);
    } while (!left.empty() && steady_clock::now() < until);
    tally_.left = std::move(left);
  }

  options options_;
  std::mt19937 random_;
  evidence runs_;
  machine here_;
  std::vector<std::unique_ptr<workspace>> spaces_;
  std::unique_ptr<program> operator_;
  std::vector<fs::path> operator_logs_;
  std::map<std::string, execution> in_flight_;
  std::map<std::string, std::string> last_seen_;
  std::optional<steady_clock::time_point> last_made_;
  int made_ = 0;
  tally tally_;
  steady_clock::duration took_{};
};

void print_some(std::vector<std::string> const& all) {
  constexpr std::size_t most = 20;
  for (std::size_t i = 0; i < std::min(all.size(), most); ++i)
    std::cout << "    " << all[i] << "\n";
  if (all.size() > most) std::cout << "    and " << all.size() - most << " more\n";
}

int report(chaos const& what, options const& how, tally const& counted) {
  auto const line = [](char const* name, auto const& value, std::string const& more = {}) {
    std::cout << std::left << std::setw(14) << name << std::right << std::setw(8) << value << more << "\n";
  };
  line("executions", what.made(),
       "  (" + std::to_string(counted.finished) + " finished, " + std::to_string(counted.cancelled) + " cancelled, " +
           std::to_string(counted.deleted) + " deleted on the way)");
  line("lost", counted.lost.size());
  print_some(counted.lost);
  line("run twice", counted.twice.size());
  print_some(counted.twice);
  line("left behind", counted.left.size());
  print_some(counted.left);
  line("seconds", static_cast<int>(what.seconds()),
       "  (" + std::to_string(static_cast<int>(what.made() / std::max(what.seconds(), 1.0))) + " executions a second)");
  line("kills", counted.kills);
  line("faults", counted.faults,
       "  (" + std::to_string(counted.fault_kinds.size()) + " kinds of fault at a kind of call)");
  line("requests", counted.requests, "  of the operators");
  line("seed", how.seed);
  if (!counted.logs.empty()) std::cout << "what the operators said of these: " << counted.logs << "\n";
  return counted.lost.empty() && counted.twice.empty() && counted.left.empty() ? 0 : 1;
}

}  // namespace
}  // namespace codeexec::e2e

int main(int argc, char** argv) {
  using namespace codeexec::e2e;
  options how;
  CLI::App app(
      "Executions on a stand-in while the operator is killed and its calls are disturbed; says what was lost.");
  app.add_option("--executions", how.executions, "How many")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--seconds", how.seconds, "Make no new ones after that long; 0: no bound")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--seed", how.seed, "Of everything random")->capture_default_str();
  app.add_option("--kill-every", how.kill_every, "Milliseconds between two kills, on average")
      ->capture_default_str()
      ->check(CLI::Range(100, 3600000));
  app.add_option("--faults", how.faults, "Rules at a time, changed every 0.4 s; 0: none")
      ->capture_default_str()
      ->check(CLI::Range(0, 100));
  CLI11_PARSE(app, argc, argv);
  try {
    chaos all(how);
    auto const counted = all.run();
    return report(all, how, counted);
  } catch (std::exception const& e) {
    std::cerr << "chaos: " << e.what() << "\n";
    return 2;
  }
}
