#include "codeexec/cli/arguments.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <utility>

#include "codeexec/base/text.hpp"
#include "codeexec/cli/duration.hpp"
#include "codeexec/cli/exit_code.hpp"
#include "codeexec/cli/manifest.hpp"
#include "codeexec/cli/render.hpp"

namespace codeexec::cli {

namespace {

/// CLI11's help with a usage line that says what may stand where, instead of one put together from option types.
class help_formatter : public CLI::Formatter {
 public:
  explicit help_formatter(std::map<std::string, std::string> usage) : usage_(std::move(usage)) { column_width(30); }

  std::string make_usage(CLI::App const* app, std::string name) const override {
    auto const known = usage_.find(app->get_parent() == nullptr ? "" : app->get_name());
    if (known == usage_.end()) return CLI::Formatter::make_usage(app, std::move(name));
    return "Usage:\n  " + known->second + "\n";
  }
  std::string make_description(CLI::App const* app) const override { return app->get_description() + "\n\n"; }
  std::string make_positionals(CLI::App const*) const override { return {}; }  // the usage line has them
  std::string make_help(CLI::App const* app, std::string name, CLI::AppFormatMode mode) const override {
    // CLI11 parts groups by two empty lines; one does.
    auto text = CLI::Formatter::make_help(app, std::move(name), mode);
    for (auto at = text.find("\n\n\n"); at != std::string::npos; at = text.find("\n\n\n", at))
      text.erase(at, 1);
    while (text.ends_with("\n\n"))
      text.pop_back();
    return text;
  }
  std::string make_option_opts(CLI::Option const* option) const override {
    // The type's name is written in the option's own text where it helps ("--timeout 30s").
    auto const type = option->get_type_name();
    return type.empty() ? std::string() : " " + type;
  }

 private:
  std::map<std::string, std::string> usage_;
};

constexpr char const* run_footer = R"(Exit codes:
  The code's own where it ended by itself. Otherwise:
  2        the command line is wrong
  124      the code did not end within --timeout
  125      refused: the spec, a policy, or a right that is missing
  126      could not be run, or its end is not known: image, scheduling, node, API server
  128+N    ended by signal N (137: also when it ran out of memory)
  130      Ctrl-C, or cancelled from elsewhere; 143 SIGTERM
  141      whoever read the output went away
Code that itself exits with 124 to 126 looks the same here: -o json tells them apart.

Examples:
  # Run a script; its output, its exit code
  @ run fetch.py

  # Arguments for the script after --, a variable, a file and a folder beside it
  @ run report.py --env MODE=fast --file data/in.csv --file assets -- --year 2026

  # Standard input is passed on
  sort names.txt | @ run count.py

  # Code from standard input, in bash
  echo 'uname -a' | @ run - --language bash

  # A whole CodeExecution from a manifest (.yaml, .yml or .json)
  @ run config/samples/csv-table.yaml

  # Start it and come back later
  name=$(@ run train.py --detach --timeout 2h)
  @ logs -f "$name"
)";

constexpr char const* get_footer = R"(Examples:
  @ get
  @ get -A -o wide
  @ get hello -o yaml
)";

constexpr char const* logs_footer =
    R"(While the code runs its output comes from the pod (that takes the right to read pods/log), afterwards from the
status of the CodeExecution. Its stdout goes to stdout, its stderr to stderr.

Examples:
  @ logs hello
  @ logs -f hello 2>errors.txt
)";

constexpr char const* delete_footer = R"(Code that still runs is stopped first; --wait=false does not wait for that.

Examples:
  @ delete hello
  @ delete hello world --wait=false
)";

constexpr char const* cancel_footer =
    R"(The code gets SIGTERM, then SIGKILL; what it has written so far is kept in the status.

Examples:
  @ cancel hello
)";

constexpr char const* root_footer = R"(Examples:
  @ run script.py
  echo 'print(6 * 7)' | @ run -
  @ get
  @ logs -f hello

"@ COMMAND --help" says more about each.
)";

std::string with_program(std::string_view text, std::string const& program) {
  std::string result;
  for (auto const c : text) {
    if (c == '@') {
      result += program;
    } else {
      result += c;
    }
  }
  return result;
}

/// What CLI11 fills, before it becomes a command_line: text where we parse more strictly than it does.
struct raw {
  cluster_options cluster;
  bool quiet = false;
  run_options run;
  get_options get;
  logs_options logs;
  delete_options remove;
  cancel_options cancel;
  std::string timeout, startup_timeout, cpu, memory, network, runtime_class, max_output, ttl, name, language, image;
  std::string run_output = "text";
  std::string get_output = "text";
  bool with_stdin = false;
  bool without_stdin = false;
};

void add_cluster_options(CLI::App& app, raw& into) {
  auto const group = "Cluster";
  app.add_option("-n,--namespace", into.cluster.namespace_, "Namespace (default: the context's)")
      ->type_name("NAME")
      ->group(group);
  app.add_option("--kubeconfig", into.cluster.kubeconfig, "Kubeconfig file")->type_name("FILE")->group(group);
  app.add_option("--context", into.cluster.context, "Context of the kubeconfig")->type_name("NAME")->group(group);
  app.add_option("-s,--server", into.cluster.server, "URL of the API server")->type_name("URL")->group(group);
  app.add_flag("-q,--quiet", into.quiet, "Nothing on stderr but the code's own and errors")->group(group);
}

CLI::Option* repeatable(CLI::Option* option) {
  return option->type_size(1)->allow_extra_args(false)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void add_run(CLI::App& app, raw& into) {
  app.add_option("FILE", into.run.file, "")->required();
  app.add_option("ARGS", into.run.args, "");
  auto const code = "Code";
  app.add_option("-l,--language", into.language, "Default: by the file's suffix or its #! line")
      ->type_name("NAME")
      ->group(code);
  app.add_option("--image", into.image, "Container image instead of the language's own")
      ->type_name("IMAGE")
      ->group(code);
  repeatable(app.add_option("-e,--env", into.run.env, "Environment variable; K alone takes ours. Repeatable"))
      ->type_name("K=V")
      ->group(code);
  repeatable(app.add_option("-f,--file", into.run.files, "File or folder placed beside the code. Repeatable"))
      ->type_name("PATH[=DEST]")
      ->group(code);
  app.add_flag("--stdin", into.with_stdin, "Pass our standard input to the code (default: unless it is a terminal)")
      ->group(code);
  app.add_flag("--no-stdin", into.without_stdin, "Do not read standard input")->group(code)->excludes("--stdin");
  auto const bounds = "Bounds";
  app.add_option("--timeout", into.timeout, "For the code itself (default 5m)")->type_name("30s")->group(bounds);
  app.add_option("--startup-timeout", into.startup_timeout, "Until its first instruction (default 5m)")
      ->type_name("30s")
      ->group(bounds);
  app.add_option("--cpu", into.cpu, "CPU limit (default 500m)")->type_name("QUANTITY")->group(bounds);
  app.add_option("--memory", into.memory, "Memory limit (default 512Mi)")->type_name("QUANTITY")->group(bounds);
  app.add_option("--network", into.network, "Network access (default deny)")->type_name("allow|deny")->group(bounds);
  app.add_option("--runtime-class", into.runtime_class, "RuntimeClass of the pod")->type_name("NAME")->group(bounds);
  app.add_option("--max-output", into.max_output, "Kept per stream, at most 256Ki (default 64Ki)")
      ->type_name("BYTES")
      ->group(bounds);
  auto const life = "Afterwards";
  app.add_option("--name", into.name, "Name of the CodeExecution (default: generated)")->type_name("NAME")->group(life);
  app.add_flag("--keep", into.run.keep, "Leave the CodeExecution in the cluster when it is over")->group(life);
  app.add_flag("-d,--detach", into.run.detach, "Print the name and leave; implies --keep")->group(life);
  app.add_option("--ttl", into.ttl, "The cluster deletes it this long after its end")->type_name("1h")->group(life);
  app.add_option("-o,--output", into.run_output, "json and yaml: the whole result at the end, no live output")
      ->type_name("text|json|yaml")
      ->group(life);
}

leave mistake(std::string const& program, std::string const& sentence, std::string const& subcommand) {
  auto const help = subcommand.empty() ? program + " --help" : program + " " + subcommand + " --help";
  return leave{exit_codes::usage, "error: " + sentence + "\nSee \"" + help + "\".\n"};
}

std::optional<output_format> parse_output(std::string const& text, std::initializer_list<std::string_view> allowed) {
  if (std::find(allowed.begin(), allowed.end(), text) == allowed.end()) return std::nullopt;
  if (text == "json") return output_format::json;
  if (text == "yaml") return output_format::yaml;
  if (text == "wide") return output_format::wide;
  if (text == "name") return output_format::name;
  return output_format::text;
}

/// An error's sentence, or empty.
std::string finish_run(raw& in) {
  auto& run = in.run;
  auto const given = [](std::string& text) {
    return text.empty() ? std::nullopt : std::optional<std::string>(std::move(text));
  };
  auto const seconds = [](std::string const& flag, std::string const& text, std::optional<std::int64_t>& into) {
    if (text.empty()) return std::string();
    into = parse_seconds(text);
    return into ? std::string()
                : flag + " " + in_quotes(text) + " is not a duration; write 30s, 5m or 1h30m (at least a second)";
  };
  for (auto const& sentence :
       {seconds("--timeout", in.timeout, run.timeout_seconds),
        seconds("--startup-timeout", in.startup_timeout, run.startup_timeout_seconds),
        in.ttl == "0" || in.ttl == "0s" ? std::string() : seconds("--ttl", in.ttl, run.ttl_seconds)}) {
    if (!sentence.empty()) return sentence;
  }
  if (in.ttl == "0" || in.ttl == "0s") run.ttl_seconds = 0;
  for (auto const& [flag, text] : {std::pair{"--cpu", in.cpu}, std::pair{"--memory", in.memory}}) {
    if (!text.empty() && !parse_quantity_milli(text)) {
      return std::string(flag) + " " + in_quotes(text) + " is not a quantity; write " +
             (std::string_view(flag) == "--cpu" ? "500m or 2" : "512Mi or 2Gi");
    }
  }
  if (!in.max_output.empty()) {
    run.max_output_bytes = parse_byte_size(in.max_output);
    if (!run.max_output_bytes)
      return "--max-output " + in_quotes(in.max_output) + " is not a size; write 64Ki or 65536";
  }
  if (!in.network.empty()) {
    auto const lower = base::to_lower(in.network);
    if (lower != "allow" && lower != "deny") return "--network is allow or deny, not " + in_quotes(in.network);
    run.network = lower == "allow" ? "Allow" : "Deny";
  }
  auto const format = parse_output(in.run_output, {"text", "json", "yaml"});
  if (!format) return "-o is text, json or yaml, not " + in_quotes(in.run_output);
  run.output = *format;
  run.cpu = given(in.cpu);
  run.memory = given(in.memory);
  run.runtime_class = given(in.runtime_class);
  run.name = given(in.name);
  run.language = given(in.language);
  run.image = given(in.image);
  for (auto const& variable : run.env) {
    if (variable.empty() || variable.front() == '=') return "--env " + in_quotes(variable) + " has no name; write K=V";
  }
  if (in.with_stdin && run.file == "-") {
    return "--stdin cannot go with FILE \"-\": standard input is the code already; put the code in a file";
  }
  if (run.detach && run.output != output_format::text) return "--detach prints the name alone; leave out -o";
  run.stdin_ = in.with_stdin ? stdin_choice::always : in.without_stdin ? stdin_choice::never : stdin_choice::automatic;
  if (run.file == "-") run.stdin_ = stdin_choice::never;
  if (run.detach) run.keep = true;
  return {};
}

}  // namespace

std::string program_name(std::string_view argv0) {
  auto const slash = argv0.rfind('/');
  auto const base = slash == std::string_view::npos ? argv0 : argv0.substr(slash + 1);
  constexpr std::string_view plugin = "kubectl-";
  // kubectl finds plugins by this prefix on the PATH and calls them as "kubectl NAME".
  if (base.starts_with(plugin) && base.size() > plugin.size())
    return "kubectl " + std::string(base.substr(plugin.size()));
  return base.empty() ? "codeexec" : std::string(base);
}

std::variant<command_line, leave> parse_command_line(std::string_view argv0, std::vector<std::string> arguments) {
  auto const program = program_name(argv0);
  // What follows "--" belongs to the code, word by word: the parser must not so much as look at it.
  std::vector<std::string> code_arguments;
  auto const marker = std::find(arguments.begin(), arguments.end(), "--");
  auto const has_marker = marker != arguments.end();
  if (has_marker) {
    code_arguments.assign(std::make_move_iterator(marker + 1), std::make_move_iterator(arguments.end()));
    arguments.erase(marker, arguments.end());
  }

  raw in;
  CLI::App app("Run code in a sandboxed pod as if it ran here, and look after what runs.", program);
  app.formatter(std::make_shared<help_formatter>(std::map<std::string, std::string>{
      {"", program + " COMMAND [flags]"},
      {"run", program + " run FILE|- [flags] [-- ARGS...]"},
      {"get", program + " get [NAME] [flags]"},
      {"logs", program + " logs NAME [-f] [flags]"},
      {"delete", program + " delete NAME... [flags]"},
      {"cancel", program + " cancel NAME... [flags]"},
      {"version", program + " version"},
  }));
  app.set_help_flag("-h,--help", "This text");
  app.require_subcommand(0, 1);
  app.footer(with_program(root_footer, program));
  // kubectl's flags may stand before the command too: "codeexec -n agents get".
  add_cluster_options(app, in);

  auto const add = [&](char const* name, char const* description, char const* footer) {
    auto* const sub = app.add_subcommand(name, description)->group("Commands");
    sub->footer(with_program(footer, program));
    return sub;
  };
  auto* const run = add("run", "Run a program and print what it prints", run_footer);
  add_run(*run, in);
  auto* const get = add("get", "List CodeExecutions, or show one", get_footer);
  get->add_option("NAME", in.get.name, "");
  get->add_flag("-A,--all-namespaces", in.get.all_namespaces, "Of every namespace");
  get->add_option("-l,--selector", in.get.selector, "Only those with these labels")->type_name("K=V");
  get->add_option("-o,--output", in.get_output, "Form of the answer")->type_name("wide|json|yaml|name");
  auto* const logs = add("logs", "Print what a CodeExecution wrote", logs_footer);
  logs->add_option("NAME", in.logs.name, "")->required();
  logs->add_flag("-f,--follow", in.logs.follow, "Go on until it ends");
  auto* const remove = add("delete", "Delete CodeExecutions, stopping what still runs", delete_footer);
  remove->add_option("NAME", in.remove.names, "");
  remove->add_option("--wait", in.remove.wait, "Until they are gone (default true)")
      ->type_name("true|false")
      ->expected(0, 1);
  auto* const cancel = add("cancel", "Stop the code, keep its output so far", cancel_footer);
  cancel->add_option("NAME", in.cancel.names, "");
  auto* const version = add("version", "Print the version", "");

  for (auto* const sub : {run, get, logs, remove, cancel})
    add_cluster_options(*sub, in);

  auto const chosen = [&]() -> CLI::App* {
    auto const subcommands = app.get_subcommands();
    return subcommands.empty() ? nullptr : subcommands.front();
  };
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
  try {
    app.parse(arguments);
  } catch (CLI::CallForHelp const&) {
    auto* const sub = chosen();
    return leave{exit_codes::ok, sub == nullptr ? app.help() : sub->help()};
  } catch (CLI::ExtrasError const&) {
    auto* const sub = chosen();
    auto const name = sub == nullptr ? std::string() : sub->get_name();
    auto const extras = sub == nullptr ? app.remaining() : sub->remaining();
    auto const first = extras.empty() ? std::string() : extras.front();
    if (first.starts_with("-") && first != "-") {
      auto sentence = "unknown flag " + in_quotes(first);
      if (name == "run") sentence += "; flags of your own program go after \"--\"";
      return mistake(program, sentence, name);
    }
    return mistake(program,
                   sub == nullptr ? "unknown command " + in_quotes(first) : "unexpected argument " + in_quotes(first),
                   name);
  } catch (CLI::RequiredError const&) {
    auto* const sub = chosen();
    auto const name = sub == nullptr ? std::string() : sub->get_name();
    return mistake(program, name == "run" ? "run needs a FILE, or - for standard input" : name + " needs a NAME", name);
  } catch (CLI::ParseError const& e) {
    auto* const sub = chosen();
    return mistake(program, e.what(), sub == nullptr ? std::string() : sub->get_name());
  }

  auto* const sub = chosen();
  if (sub == nullptr) return leave{exit_codes::ok, app.help()};
  if (has_marker && sub != run) {
    for (auto& name : code_arguments) {
      // Outside run, "--" only says that what follows are no flags, as everywhere.
      if (sub == remove) {
        in.remove.names.push_back(std::move(name));
      } else if (sub == cancel) {
        in.cancel.names.push_back(std::move(name));
      } else {
        return mistake(program, "unexpected argument " + in_quotes(name), sub->get_name());
      }
    }
  }

  if ((sub == remove && in.remove.names.empty()) || (sub == cancel && in.cancel.names.empty())) {
    return mistake(program, sub->get_name() + " needs a NAME", sub->get_name());
  }

  command_line result;
  result.cluster = in.cluster;
  result.quiet = in.quiet;
  if (sub == run) {
    auto const sentence = finish_run(in);
    if (!sentence.empty()) return mistake(program, sentence, "run");
    std::move(code_arguments.begin(), code_arguments.end(), std::back_inserter(in.run.args));
    result.what = std::move(in.run);
  } else if (sub == get) {
    auto const format = parse_output(in.get_output, {"text", "wide", "json", "yaml", "name"});
    if (!format) return mistake(program, "-o is wide, json, yaml or name, not " + in_quotes(in.get_output), "get");
    if (!in.get.name.empty() && in.get.all_namespaces) {
      return mistake(program, "a NAME and -A exclude each other; say the namespace with -n", "get");
    }
    in.get.output = *format;
    result.what = std::move(in.get);
  } else if (sub == logs) {
    result.what = std::move(in.logs);
  } else if (sub == remove) {
    result.what = std::move(in.remove);
  } else if (sub == cancel) {
    result.what = std::move(in.cancel);
  } else if (sub == version) {
    result.what = version_options{};
  }
  return result;
}

}  // namespace codeexec::cli
