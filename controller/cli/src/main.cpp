// kubectl-codeexec: the command line. Puts the parts together and hands the exit code to the shell.
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fcntl.h>
#include <random>
#include <string>
#include <unistd.h>
#include <utility>
#include <variant>
#include <vector>

#include "codeexec/api/json.hpp"
#include "codeexec/base/log.hpp"
#include "codeexec/cli/arguments.hpp"
#include "codeexec/cli/completion.hpp"
#include "codeexec/cli/exit_code.hpp"
#include "codeexec/cli/input.hpp"
#include "codeexec/cli/manifest.hpp"
#include "codeexec/cli/manifest_file.hpp"
#include "codeexec/cli/manual.hpp"
#include "codeexec/cli/render.hpp"
#include "codeexec/cli/session.hpp"
#include "codeexec/kube_client/cluster_config.hpp"
#include "codeexec/kube_client/rest_client.hpp"
#include "codeexec/version/version.hpp"
#include "codeexec/yaml_reader/yaml_reader.hpp"

namespace codeexec::cli {
namespace {

void print(std::FILE* to, std::string const& text) {
  std::fwrite(text.data(), 1, text.size(), to);
  std::fflush(to);
}

int usage_error(std::string const& sentence) {
  print(stderr, "error: " + sentence + "\n");
  return exit_codes::usage;
}

/// A program started without one of the three would get its first socket there and print into it.
void open_standard_streams() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (::fcntl(fd, F_GETFD) == -1) {
      [[maybe_unused]] auto const opened = ::open("/dev/null", O_RDWR);
    }
  }
}

/// Silent unless asked: what a user must know is said in sentences. CODEEXEC_LOG=debug shows each call.
void configure_log() {
  auto const* const wanted = std::getenv("CODEEXEC_LOG");
  auto const level = std::string(wanted == nullptr ? "" : wanted);
  base::log::configure(level == "debug"  ? base::log::level::debug
                       : level == "info" ? base::log::level::info
                       : level == "warn" ? base::log::level::warn
                                         : base::log::level::error,
                       base::log::format::text);
}

base::rng seeded() {
  std::random_device source;
  std::seed_seq seed{source(), source(), source(), source()};
  return base::rng(seed);
}

/// The command, and what there is to run or to ask.
struct work {
  command_line line;
  nlohmann::json object;
  completion_question question;
};

/// Who is there to read and answer what a credential plugin says. Code that comes on standard input keeps it.
kube::attendance person_at(command const& what) {
  if (::isatty(STDERR_FILENO) == 0) return kube::attendance::nobody;
  auto const* const to_run = std::get_if<run_options>(&what);
  auto const stdin_is_taken = to_run != nullptr && (to_run->file == "-" || to_run->stdin_ == stdin_choice::always);
  return stdin_is_taken || ::isatty(STDIN_FILENO) == 0 ? kube::attendance::watching : kube::attendance::answering;
}

/// As long as a plugin may take with a person before it.
constexpr std::chrono::minutes log_in_time{10};

kube::task<void> perform(session* in, kube::rest_client* client, work todo, int* exit_code) {
  auto const by = base::deadline::after(log_in_time);
  auto const logged_in = co_await client->log_in(by);
  if (!logged_in && std::holds_alternative<complete_options>(todo.line.what)) co_return;
  if (!logged_in) {
    auto const code = report(*in, logged_in.error(), "", "");
    *exit_code = std::holds_alternative<run_options>(todo.line.what) ? code : exit_codes::failure;
    co_await in->out.flush();
    co_return;
  }
  if (auto* const to_run = std::get_if<run_options>(&todo.line.what)) {
    *exit_code = co_await run(*in, std::move(*to_run), std::move(todo.object));
  } else if (auto* const to_get = std::get_if<get_options>(&todo.line.what)) {
    *exit_code = co_await get(*in, std::move(*to_get));
  } else if (auto* const to_describe = std::get_if<describe_options>(&todo.line.what)) {
    *exit_code = co_await describe(*in, std::move(*to_describe));
  } else if (auto* const to_log = std::get_if<logs_options>(&todo.line.what)) {
    *exit_code = co_await logs(*in, std::move(*to_log));
  } else if (auto* const to_top = std::get_if<top_options>(&todo.line.what)) {
    *exit_code = co_await top(*in, std::move(*to_top));
  } else if (auto* const to_delete = std::get_if<delete_options>(&todo.line.what)) {
    *exit_code = co_await remove(*in, std::move(*to_delete));
  } else if (auto* const to_cancel = std::get_if<cancel_options>(&todo.line.what)) {
    *exit_code = co_await cancel(*in, std::move(*to_cancel));
  } else if (auto* const to_resume = std::get_if<resume_options>(&todo.line.what)) {
    *exit_code = co_await resume(*in, std::move(*to_resume));
  } else if (auto* const to_tell = std::get_if<version_options>(&todo.line.what)) {
    *exit_code = co_await tell_version(*in, *to_tell);
  } else if (std::holds_alternative<complete_options>(todo.line.what)) {
    *exit_code = co_await complete(*in, std::move(todo.question));
  }
  co_await in->out.flush();
}

std::string version_without_cluster(std::string const& program, version_options const& how) {
  if (how.output == output_format::text) return version_line(program) + "\n";
  nlohmann::json ours;
  ours["client"] = client_version();
  return how.output == output_format::json ? to_json_text(ours) : to_yaml(ours);
}

/// Contexts of the kubeconfig that the words so far name, or that kubectl would read.
std::vector<candidate> known_contexts(cluster_options const& wanted) {
  std::vector<std::string> paths;
  auto const variable = [](char const* name) {
    auto const* const value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  if (!wanted.kubeconfig.empty()) {
    paths.push_back(wanted.kubeconfig);
  } else if (auto list = variable("KUBECONFIG"); !list.empty()) {
    for (auto at = list.find(':'); at != std::string::npos; at = list.find(':')) {
      paths.push_back(list.substr(0, at));
      list.erase(0, at + 1);
    }
    paths.push_back(list);
  } else {
    paths.push_back(variable("HOME") + "/.kube/config");
  }
  std::vector<candidate> found;
  for (auto const& path : paths) {
    auto const text = kube::process_environment().read_file(path);
    if (!text) continue;
    auto const documents = yaml::read_documents(*text);
    if (!documents || documents->empty() || !documents->front().is_object()) continue;
    auto const contexts = documents->front().find("contexts");
    if (contexts == documents->front().end() || !contexts->is_array()) continue;
    for (auto const& one : *contexts) {
      if (one.is_object() && one.contains("name") && one["name"].is_string())
        found.push_back({one["name"].get<std::string>(), ""});
    }
  }
  return found;
}

int talk_to_the_cluster(work todo, std::string program) {
  auto const is_run = std::holds_alternative<run_options>(todo.line.what);
  auto const& wanted = todo.line.cluster;
  kube::config_flags flags;
  flags.server = wanted.server;
  flags.kubeconfig = wanted.kubeconfig;
  flags.context = wanted.context;
  flags.person = person_at(todo.line.what);
  auto config = kube::load_config(flags, kube::process_environment());
  attempt what;
  what.program = program;
  auto const is_question = std::holds_alternative<complete_options>(todo.line.what);
  auto const* const to_tell = std::get_if<version_options>(&todo.line.what);
  auto const cannot_start = [&](kube::error const& e) {
    // A shell that asks for words wants no sentences.
    if (is_question) return exit_codes::failure;
    if (to_tell != nullptr) {
      print(stdout, version_without_cluster(program, *to_tell));
      if (!todo.line.quiet) print(stderr, "codeexec: no cluster to ask: " + printable(e.message()) + "\n");
      return exit_codes::ok;
    }
    print(stderr, "error: " + explain(e, what).text + "\n");
    return is_run ? exit_codes::infrastructure : exit_codes::failure;
  };
  if (!config) return cannot_start(config.error());
  if (!wanted.namespace_.empty()) config->namespace_ = wanted.namespace_;

  boost::asio::io_context loop(1);
  int exit_code = exit_codes::infrastructure;
  auto const broken = [&](std::string_view, std::exception_ptr const&) {
    // The group has logged it. A program that has lost one of its parts cannot promise anything any more.
    loop.stop();
  };
  kube::rest_client_options how;
  how.user_agent = kube::make_user_agent("kubectl-codeexec", codeexec::version());
  auto client = kube::rest_client::create(loop.get_executor(), *config, how);
  if (!client) return cannot_start(client.error());
  console out(loop.get_executor(), STDOUT_FILENO, STDERR_FILENO);
  async::task_group children(loop.get_executor(), broken);
  async::task_group top(loop.get_executor(), broken);
  session in{**client,           out,
             children,           base::system_clock(),
             seeded(),           std::move(program),
             config->namespace_, config->server,
             wanted.context,     todo.line.quiet,
             todo.line.colour};
  top.spawn("command", perform(&in, client->get(), std::move(todo), &exit_code));
  loop.run();
  if (loop.stopped() && (top.size() != 0 || children.size() != 0)) out.leave_at_once(exit_codes::infrastructure);
  return exit_code;
}

int main_of(int argc, char** argv) {
  std::string_view const argv0 = argc > 0 ? argv[0] : "";
  if (argc == 2 && std::string_view(argv[1]) == "--version") {
    print(stdout, version_line(program_name(argv0)) + "\n");
    return exit_codes::ok;
  }
  auto parsed = parse_command_line(argv0, std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
  if (auto const* const left = std::get_if<leave>(&parsed)) {
    print(left->exit_code == 0 ? stdout : stderr, left->text);
    return left->exit_code;
  }
  work todo{std::move(std::get<command_line>(parsed)), {}, {}};
  auto program = program_name(argv0);
  if (auto const* const told = std::get_if<version_options>(&todo.line.what); told != nullptr && told->client_only) {
    print(stdout, version_without_cluster(program, *told));
    return exit_codes::ok;
  }
  if (auto const* const wanted = std::get_if<completion_options>(&todo.line.what)) {
    print(stdout, std::string(completion_script(wanted->shell)));
    return exit_codes::ok;
  }
  if (std::holds_alternative<manual_options>(todo.line.what)) {
    print(stdout, render_manual(command_reference("kubectl-codeexec")));
    return exit_codes::ok;
  }
  if (auto const* const asked = std::get_if<complete_options>(&todo.line.what)) {
    todo.question = ask_completion(command_reference(argv0), asked->words);
    todo.line.cluster = todo.question.cluster;
    auto const from = todo.question.from;
    auto const here =
        from == candidate_source::words || from == candidate_source::contexts || from == candidate_source::files;
    if (here) {
      auto const found = from == candidate_source::contexts ? known_contexts(todo.line.cluster) : todo.question.words;
      print(stdout, render_candidates(todo.question, found));
      return exit_codes::ok;
    }
  }
  if (auto const* const options = std::get_if<run_options>(&todo.line.what)) {
    input_source source;
    // Under --quiet too: it would seem to hang.
    source.on_waiting = [](std::string_view sentence) { print(stderr, "codeexec: " + std::string(sentence) + "\n"); };
    auto code = read_code(*options, source);
    if (!code) return usage_error(code.error().message);
    auto manifest = find_manifest(*options, todo.line.cluster.namespace_, *code);
    if (!manifest) return usage_error(manifest.error().message);
    if (*manifest) {
      todo.object = std::move((*manifest)->object);
      if (!(*manifest)->namespace_.empty()) todo.line.cluster.namespace_ = (*manifest)->namespace_;
    } else {
      auto input = read_input(*options, source, std::move(*code));
      if (!input) return usage_error(input.error().message);
      auto object = build_manifest(*options, std::move(*input));
      if (!object) return usage_error(object.error().message);
      todo.object = api::encode(*object);
      todo.object.erase("status");
    }
  }
  return talk_to_the_cluster(std::move(todo), std::move(program));
}

}  // namespace
}  // namespace codeexec::cli

int main(int argc, char** argv) {
  // A reader that went away is an error of the write, which then ends us in order.
  std::signal(SIGPIPE, SIG_IGN);
  codeexec::cli::open_standard_streams();
  codeexec::cli::configure_log();
  try {
    return codeexec::cli::main_of(argc, argv);
  } catch (std::exception const& e) {
    codeexec::cli::print(stderr,
                         std::string("error: this should not have happened, please report it: ") + e.what() + "\n");
    return codeexec::cli::exit_codes::infrastructure;
  }
}
