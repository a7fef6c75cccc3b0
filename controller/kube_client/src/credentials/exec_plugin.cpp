#include "exec_plugin.hpp"

#include <algorithm>
#include <cstring>

#include "codeexec/base/log.hpp"

namespace codeexec::kube {
namespace {

using namespace std::chrono_literals;

constexpr auto alone_limit = 60s;
constexpr auto person_limit = 10min;
constexpr base::wall_time::duration early = 60s;
constexpr auto calm = 10s;

/// The request was not sent, and may be tried again: a plugin asks services of its own, which may be away.
error failure(std::string const& why) {
  return error(error_kind::connect, "getting credentials: " + why);
}

/// A hint is written for a terminal, with colours; it ends in logs, too.
std::string without_control_characters(std::string text) {
  std::erase_if(text, [](char c) { return (static_cast<unsigned char>(c) < ' ' && c != '\n') || c == '\x7f'; });
  return text;
}

}  // namespace

exec_plugin::exec_plugin(boost::asio::any_io_executor executor, cluster_config const& config, base::clock const& clock,
                         config_environment environment, program_runner run)
    : executor_(std::move(executor)),
      config_(config),
      plugin_(std::get<exec_identity>(config.who)),
      clock_(clock),
      environment_(std::move(environment)),
      run_(std::move(run)),
      run_ended_(executor_) {}

bool exec_plugin::is_valid() const {
  return given_ && !refused_ && (!expires_ || clock_.wall_now() < *expires_);
}

bool exec_plugin::is_fresh() const {
  return is_valid() && (!refresh_at_ || clock_.wall_now() < *refresh_at_);
}

task<result<credential>> exec_plugin::current(base::deadline by) {
  auto const quiet = not_again_until_ && clock_.steady_now() < *not_again_until_;
  if (!is_fresh() && !running_ && !(quiet && is_valid())) start();
  if (is_valid()) co_return *given_;
  while (running_) {
    auto const in_time = co_await run_ended_.wait_until(by);
    if (!in_time) {
      co_return error(error_kind::timeout,
                      "getting credentials: exec: executable " + plugin_.command + " has not answered yet");
    }
  }
  if (last_run_failed_) co_return last_failure_;
  // A credential that had expired when it was given is the server's to refuse: its clock may not be ours.
  co_return *given_;
}

void exec_plugin::rejected(credential const& used) {
  if (!given_ || used != *given_) return;
  if (not_again_until_ && clock_.steady_now() < *not_again_until_) return;
  refused_ = true;
}

void exec_plugin::start() {
  program what;
  what.command = plugin_.command;
  what.args = plugin_.args;
  what.env = plugin_.env;
  auto ca = config_.certificate_authority.data;
  if (plugin_.provide_cluster_info && ca.empty() && !config_.certificate_authority.file.empty()) {
    auto const text = environment_.read_file(config_.certificate_authority.file);
    if (text) ca = *text;  // where it cannot be read, our own connection will say so
  }
  what.env.emplace_back("KUBERNETES_EXEC_INFO", exec_info(plugin_, config_, ca));
  what.stdin_is_ours = plugin_.person == attendance::answering;
  what.stderr_is_ours = plugin_.person != attendance::nobody;
  what.limit = plugin_.person == attendance::nobody ? std::chrono::milliseconds(alone_limit)
                                                    : std::chrono::milliseconds(person_limit);
  running_ = run_(executor_, std::move(what), [this](program_end end) { ended(std::move(end)); });
}

void exec_plugin::ended(program_end end) {
  auto given = understand(end);
  last_run_failed_ = !given;
  if (given) {
    remember(std::move(*given));
  } else {
    last_failure_ = given.error();
    not_again_until_ = clock_.steady_now() + calm;
    base::log::warn("the credential plugin failed",
                    {base::log::kv("error", last_failure_.message()), base::log::kv("old_one_serves", is_valid())});
  }
  running_.reset();
  run_ended_.pulse();
}

result<exec_credential> exec_plugin::understand(program_end const& end) const {
  auto const name = "exec: executable " + plugin_.command;
  auto const words = end.last_words.empty() ? std::string() : ": " + end.last_words;
  auto const hint =
      plugin_.install_hint.empty() ? std::string() : "\n" + without_control_characters(plugin_.install_hint);
  switch (end.what) {
    case program_end::how::exited:
      break;
    case program_end::how::signaled:
      return failure(name + " was ended by signal " + std::to_string(end.code) + words);
    case program_end::how::not_found:
      return failure(name + " not found" + hint);
    case program_end::how::not_started:
      return failure(name + " cannot be started: " + std::strerror(end.code) + hint);
    case program_end::how::timed_out:
      return failure(name + " did not end in time" + words);
    case program_end::how::wrote_too_much:
      return failure(name + " printed more than 1 MiB");
  }
  if (end.code != 0) return failure(name + " failed with exit code " + std::to_string(end.code) + words + hint);
  auto parsed = parse_exec_credential(end.output, plugin_.api_version);
  if (!parsed) return failure(parsed.error().message);
  return {boost::system::in_place_value, std::move(*parsed)};
}

void exec_plugin::remember(exec_credential given) {
  credential fresh;
  fresh.authorization = std::move(given.authorization);
  if (!given.certificate_pem.empty()) {
    auto const& old = given_ ? given_->certificate : nullptr;
    auto const same = old && old->certificate_pem == given.certificate_pem && old->key_pem == given.key_pem;
    fresh.certificate = same ? old
                             : std::make_shared<client_certificate const>(
                                   client_certificate{std::move(given.certificate_pem), std::move(given.key_pem)});
  }
  // Refused, and given again: the plugin has no better one. Until that can have changed, it is not asked again.
  auto const no_better = refused_ && given_ && fresh == *given_;
  not_again_until_.reset();
  if (no_better) not_again_until_ = clock_.steady_now() + calm;
  refused_ = false;
  given_ = std::move(fresh);
  expires_ = given.expires;
  refresh_at_.reset();
  if (expires_) {
    auto const left = *expires_ - clock_.wall_now();
    refresh_at_ = *expires_ - std::clamp<base::wall_time::duration>(left / 2, 0us, early);
  }
}

}  // namespace codeexec::kube
