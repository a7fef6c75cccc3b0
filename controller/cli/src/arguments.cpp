#include "codeexec/cli/arguments.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
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

constexpr char const* run_footer =
    R"(The code's stdout goes to stdout, its stderr to stderr, as it is written: byte for byte into files and pipes, on a
terminal without what would drive it ("logs --help" says what; --raw passes everything). What could not be shown live
comes from the status at the end, in which bytes that are no UTF-8 are U+FFFD. Live it is the first --max-output bytes
of each stream; then a line on stderr says so, and the stream's end follows when the code has ended.

The defaults of the bounds are those that the operator comes with; its configuration may say others.

Exit codes:
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

constexpr char const* get_footer =
    R"(Columns are those of kubectl get cex, but that a signal has its name and a running one's DURATION counts on from the
start of its container, with a ~ where all that is known is when its pod was scheduled. On a terminal columns are cut to
its width; elsewhere nothing is. EXIT "-": it did not exit by itself, or not yet.
-o jsonpath knows fields, ['keys'], [indexes], [*], .., {range}...{end} and quoted text, of one object or of a List.

Examples:
  @ get
  @ get -A -o wide
  @ get -l team=red --watch
  @ get hello -o yaml
  @ get hello -o jsonpath='{.status.stdout}'
  @ get -o jsonpath='{range .items[*]}{.metadata.name}{"\t"}{.status.exitCode}{"\n"}{end}'
  @ get --field-selector metadata.name=hello -o name

Exit codes: 0, 1 where it did not work, 2 wrong usage.
)";

constexpr char const* describe_footer =
    R"(One screen: how it stands, what ran, each step with the time since the one before, usage, sandbox, the ends of its
output, conditions and Events. What is not known is said to be so: "-" or the reason why.

Examples:
  @ describe hello
  @ describe hello world

Exit codes: 0, 1 where it did not work, 2 wrong usage.
)";

constexpr char const* logs_footer =
    R"(While the code runs its output comes from the pod (that takes the right to read pods/log), afterwards from the
status of the CodeExecution. Its stdout goes to stdout, its stderr to stderr. Lines carry no times: once it has
ended nobody knows them any more.

Written to a file or a pipe, the output of code that runs is what the code wrote, byte for byte; afterwards, from the
status, bytes that are no UTF-8 are U+FFFD, and stderr says where there were some. On a terminal it is kept from driving
it: colours, tabs and redrawing the current line work; what moves elsewhere, sets titles or clipboards or makes the
terminal answer is shown as text (ESC as ^[). --raw passes everything.

Examples:
  @ logs hello
  @ logs -f hello 2>errors.txt
  @ logs hello --stream stderr --tail 20

Exit codes: 0 however the code ended, 1 where it did not work, 2 wrong usage, 130 Ctrl-C, 141 the reader went away.
)";

constexpr char const* top_footer =
    R"(What runs and what waits, redrawn as it changes; what has ended is counted. Those that run longest come first, then the
queue in its order. TIME is how long it has run (~: since its pod was scheduled) or waited, QUEUE its place.
CPU and memory are not known before the end (describe shows them).
q or Ctrl-C ends it. Where stdout is no terminal, or with --once, one plain table is printed.

Examples:
  @ top
  @ top -A
  @ top --once | grep Queued

Exit codes: 0, 1 where it did not work, 2 wrong usage.
)";

constexpr char const* delete_footer =
    R"(Code that still runs is stopped first; --wait=false does not wait for that. -i asks before anything is deleted.

Examples:
  @ delete hello
  @ delete hello world --wait=false
  @ delete -l team=red -i
  @ delete --all

Exit codes: 0, 1 where one of them could not be deleted or is not gone in time, 2 wrong usage.
)";

constexpr char const* cancel_footer =
    R"(The code gets SIGTERM, then SIGKILL; what it has written so far is kept in the status. What has not begun never will.
A cancelled CodeExecution stays: delete removes it. -i asks before anything is cancelled.

Examples:
  @ cancel hello
  @ cancel -l team=red
  @ cancel --all -i

Exit codes: 0 also where it had ended already, 1 where one could not be cancelled or has not ended in time, 2 wrong
usage.
)";

constexpr char const* resume_footer =
    R"(Lets a CodeExecution that was created with spec.suspend: true begin. What has begun cannot be suspended again, so there
is no command for that.

Examples:
  @ resume hello
  @ resume --all

Exit codes: 0 also where it was not suspended, 1 where it did not work, 2 wrong usage.
)";

constexpr char const* version_footer =
    R"(The cluster is asked for its own version, whether it knows CodeExecutions, and which operator is installed, as far as
you may see that.

Examples:
  @ version
  @ version --client
  @ version -o json

Exit codes: 0, also where the cluster cannot be asked; 2 wrong usage.
)";

constexpr char const* completion_footer =
    R"help(Commands, flags, their values, and names from the cluster: those that cancel can still cancel, and so on.

Examples:
  # bash, now and for good (package bash-completion)
  source <(codeexec completion bash)
  codeexec completion bash >~/.local/share/bash-completion/completions/codeexec

  # zsh
  codeexec completion zsh >"${fpath[1]}/_codeexec"

  # fish
  codeexec completion fish >~/.config/fish/completions/codeexec.fish

  # "kubectl codeexec": kubectl's own completion asks this program where it is found under this name
  ln -s "$(command -v kubectl-codeexec)" ~/.local/bin/kubectl_complete-codeexec
)help";

constexpr char const* root_footer = R"(Examples:
  @ run script.py
  echo 'print(6 * 7)' | @ run -
  @ get
  @ logs -f hello
  @ top

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
  std::string colour = "auto";
  run_options run;
  get_options get;
  describe_options describe;
  logs_options logs;
  top_options top;
  delete_options remove;
  cancel_options cancel;
  resume_options resume;
  version_options version;
  completion_options completion;
  std::string timeout, startup_timeout, cpu, memory, network, runtime_class, max_output, ttl, name, language, image;
  std::string run_output = "text";
  std::string get_output = "text";
  std::string version_output = "text";
  std::string streams = "both";
  std::string tail, remove_timeout, cancel_timeout;
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
  auto const display = "Display";
  app.add_flag("-q,--quiet", into.quiet, "Nothing on stderr but the code's own, errors, and what it waits for")
      ->group(display);
  app.add_option("--color", into.colour, "Default auto: on a terminal, unless NO_COLOR is set or TERM is dumb")
      ->type_name("auto|always|never")
      ->group(display);
}

void add_chosen_ones(CLI::App& app, chosen_ones& into, char const* all) {
  app.add_option("NAME", into.names, "");
  app.add_option("-l,--selector", into.selector, "Those with these labels")->type_name("K=V");
  app.add_flag("--all", into.all, all);
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
  app.add_option("--max-output", into.max_output, "Kept per stream and shown live, at most 256Ki (default 64Ki)")
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
  app.add_flag("--raw", into.run.raw, "Output reaches a terminal as it is, control sequences and all")->group(life);
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
  if (text == "jsonpath") return output_format::jsonpath;
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

/// The definitions, and what they fill.
struct grammar {
  raw in;
  std::map<std::string, std::string> usage;
  CLI::App app;
  std::vector<CLI::App*> commands;

  explicit grammar(std::string const& program)
      : usage{
            {"", program + " COMMAND [flags]"},
            {"run", program + " run FILE|- [flags] [-- ARGS...]"},
            {"get", program + " get [NAME...] [flags]"},
            {"describe", program + " describe NAME... [flags]"},
            {"logs", program + " logs NAME [-f] [flags]"},
            {"top", program + " top [flags]"},
            {"cancel", program + " cancel NAME...|-l K=V|--all [flags]"},
            {"resume", program + " resume NAME...|-l K=V|--all [flags]"},
            {"delete", program + " delete NAME...|-l K=V|--all [flags]"},
            {"completion", program + " completion bash|zsh|fish"},
            {"version", program + " version [flags]"},
        },
        app("Run code in a sandboxed pod as if it ran here, and look after what runs.", program) {
    app.formatter(std::make_shared<help_formatter>(usage));
    app.set_help_flag("-h,--help", "This text");
    app.require_subcommand(0, 1);
    app.footer(with_program(root_footer, program));
    // kubectl's flags may stand before the command too: "codeexec -n agents get".
    add_cluster_options(app, in);
    auto const add = [&](char const* name, char const* description, char const* footer) {
      auto* const sub = app.add_subcommand(name, description)->group("Commands");
      sub->footer(with_program(footer, program));
      commands.push_back(sub);
      return sub;
    };
    auto const outcome = [](CLI::App* sub, std::string& into, char const* forms) {
      sub->add_option("-o,--output", into, "Form of the answer")->type_name(forms);
    };
    auto* const run = add("run", "Run a program and print what it prints", run_footer);
    add_run(*run, in);
    auto* const get = add("get", "List CodeExecutions, or show some", get_footer);
    get->add_option("NAME", in.get.names, "");
    get->add_flag("-A,--all-namespaces", in.get.all_namespaces, "Of every namespace");
    get->add_option("-l,--selector", in.get.selector, "Only those with these labels")->type_name("K=V");
    get->add_option("--field-selector", in.get.field_selector, "Only those with these fields")->type_name("F=V");
    get->add_flag("-w,--watch", in.get.watch, "Then print each change, until Ctrl-C");
    get->add_flag("--no-headers", in.get.no_headers, "No line of column titles");
    outcome(get, in.get_output, "wide|json|yaml|name|jsonpath=PATH");
    auto* const describe = add("describe", "Show one whole: steps, usage, sandbox, output, Events", describe_footer);
    describe->add_option("NAME", in.describe.names, "")->required();
    auto* const logs = add("logs", "Print what a CodeExecution wrote", logs_footer);
    logs->add_option("NAME", in.logs.name, "")->required();
    logs->add_flag("-f,--follow", in.logs.follow, "Go on until it ends");
    logs->add_option("--tail", in.tail, "Only the last lines of each stream, of those written so far")->type_name("N");
    logs->add_option("--stream", in.streams, "Which one (default both)")->type_name("stdout|stderr|both");
    logs->add_flag("--raw", in.logs.raw, "Reaches a terminal as it is, control sequences and all");
    auto* const top = add("top", "Watch what runs and what waits", top_footer);
    top->add_flag("-A,--all-namespaces", in.top.all_namespaces, "Of every namespace");
    top->add_option("-l,--selector", in.top.selector, "Only those with these labels")->type_name("K=V");
    top->add_flag("--once", in.top.once, "Print one table and leave");
    auto* const cancel = add("cancel", "Stop the code, keep its output so far", cancel_footer);
    add_chosen_ones(*cancel, in.cancel.which, "All of the namespace that have not ended");
    cancel->add_flag("-i,--interactive", in.cancel.interactive, "Ask before");
    cancel->add_flag("--wait", in.cancel.wait, "Until they have ended (default; --wait=false: do not)");
    cancel->add_option("--timeout", in.cancel_timeout, "Wait no longer than that for each (default 60s)")
        ->type_name("60s");
    auto* const resume = add("resume", "Let suspended ones begin", resume_footer);
    add_chosen_ones(*resume, in.resume.which, "All of the namespace that are suspended");
    auto* const remove = add("delete", "Delete CodeExecutions, stopping what still runs", delete_footer);
    add_chosen_ones(*remove, in.remove.which, "All of the namespace");
    remove->add_flag("-i,--interactive", in.remove.interactive, "Ask before");
    remove->add_flag("--wait", in.remove.wait, "Until they are gone (default; --wait=false: do not)");
    remove->add_option("--timeout", in.remove_timeout, "Wait no longer than that for each (default 60s)")
        ->type_name("60s");
    auto* const completion = add("completion", "Print what makes a shell complete our words", completion_footer);
    completion->add_option("SHELL", in.completion.shell, "")->required();
    auto* const version = add("version", "Print our version and the cluster's", version_footer);
    version->add_flag("--client", in.version.client_only, "Ask no cluster");
    outcome(version, in.version_output, "text|json|yaml");
    for (auto* const sub : commands) {
      if (sub != completion) add_cluster_options(*sub, in);
    }
  }
  grammar(grammar const&) = delete;
  grammar& operator=(grammar const&) = delete;

  /// The one that was typed, or null.
  CLI::App* chosen() {
    auto const subcommands = app.get_subcommands();
    return subcommands.empty() ? nullptr : subcommands.front();
  }
};

/// An error's sentence, or empty.
std::string finish_chosen_ones(chosen_ones& which, std::string const& verb) {
  for (auto& name : which.names)
    name = plain_name(name);
  auto const ways = (which.names.empty() ? 0 : 1) + (which.selector.empty() ? 0 : 1) + (which.all ? 1 : 0);
  if (ways == 1) return {};
  return ways == 0 ? verb + " needs a NAME, or -l, or --all" : "a NAME, -l and --all exclude each other";
}

std::string finish_wait(std::string const& timeout, std::int64_t& into) {
  if (timeout.empty()) return {};
  auto const seconds = parse_seconds(timeout);
  if (!seconds) return "--timeout " + in_quotes(timeout) + " is not a duration; write 30s, 5m or 1h30m";
  into = *seconds;
  return {};
}

std::string finish_get(raw& in) {
  auto form = in.get_output;
  constexpr std::string_view path_form = "jsonpath=";
  if (form.starts_with(path_form)) {
    in.get.path = form.substr(path_form.size());
    form = "jsonpath";
    if (in.get.path.empty()) return "-o jsonpath= needs a path, like '{.status.stdout}'";
  } else if (form == "jsonpath") {
    return "-o jsonpath needs a path: -o jsonpath='{.status.stdout}'";
  }
  auto const format = parse_output(form, {"text", "wide", "json", "yaml", "name", "jsonpath"});
  if (!format) return "-o is wide, json, yaml, name or jsonpath=PATH, not " + in_quotes(in.get_output);
  in.get.output = *format;
  for (auto& name : in.get.names)
    name = plain_name(name);
  if (!in.get.names.empty() && in.get.all_namespaces) {
    return "a NAME and -A exclude each other; say the namespace with -n";
  }
  if (!in.get.names.empty() && !(in.get.selector.empty() && in.get.field_selector.empty())) {
    return "a NAME and a selector exclude each other";
  }
  if (in.get.watch && in.get.names.size() > 1) return "--watch takes one NAME, or none, or a selector";
  if (in.get.watch && in.get.output == output_format::jsonpath) return "--watch does not go with -o jsonpath";
  return {};
}

std::string finish_logs(raw& in) {
  in.logs.name = plain_name(in.logs.name);
  if (in.streams != "both" && in.streams != "stdout" && in.streams != "stderr") {
    return "--stream is stdout, stderr or both, not " + in_quotes(in.streams);
  }
  in.logs.streams = in.streams == "stdout"   ? stream_choice::out
                    : in.streams == "stderr" ? stream_choice::err
                                             : stream_choice::both;
  if (in.tail.empty()) return {};
  std::int64_t lines = 0;
  auto const [end, failed] = std::from_chars(in.tail.data(), in.tail.data() + in.tail.size(), lines);
  if (failed != std::errc() || end != in.tail.data() + in.tail.size() || lines < -1) {
    return "--tail " + in_quotes(in.tail) + " is not a number of lines";
  }
  if (lines >= 0) in.logs.tail = lines;  // -1: all, as kubectl has it
  return {};
}

}  // namespace

std::string plain_name(std::string const& given) {
  auto const slash = given.find('/');
  if (slash == std::string::npos) return given;
  auto const type = base::to_lower(given.substr(0, slash));
  for (auto const* known : {"codeexecution.codeexec.dev", "codeexecutions.codeexec.dev", "codeexecution",
                            "codeexecutions", "cex", "codeexecution.v1alpha1.codeexec.dev"}) {
    if (type == known) return given.substr(slash + 1);
  }
  return given;
}

std::vector<command_info> command_reference(std::string_view argv0) {
  grammar all(program_name(argv0));
  std::vector<command_info> found;
  auto const take = [&](CLI::App* app) {
    command_info one;
    one.name = app->get_parent() == nullptr ? std::string() : app->get_name();
    one.usage = all.usage[one.name];
    one.summary = app->get_description();
    one.footer = app->get_footer();
    for (auto const* option : app->get_options()) {
      if (option->get_positional()) continue;
      flag_info flag;
      if (!option->get_snames().empty()) flag.short_name = "-" + option->get_snames().front();
      if (!option->get_lnames().empty()) flag.long_name = "--" + option->get_lnames().front();
      if (option->get_items_expected_max() > 0) flag.value = option->get_type_name();
      flag.help = option->get_description();
      flag.group = option->get_group();
      one.flags.push_back(std::move(flag));
    }
    found.push_back(std::move(one));
  };
  take(&all.app);
  for (auto* const sub : all.commands)
    take(sub);
  return found;
}

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
  // What a shell asks for while its user types is no command line yet. kubectl asks a program of this name.
  auto const slash = argv0.rfind('/');
  auto const asked_by_kubectl =
      argv0.substr(slash == std::string_view::npos ? 0 : slash + 1).starts_with("kubectl_complete-");
  if (asked_by_kubectl || (!arguments.empty() && arguments.front() == "__complete")) {
    if (!asked_by_kubectl) arguments.erase(arguments.begin());
    command_line asked;
    asked.what = complete_options{std::move(arguments)};
    return asked;
  }
  if (arguments == std::vector<std::string>{"__manual"}) {
    command_line asked;
    asked.what = manual_options{};
    return asked;
  }
  // What follows "--" belongs to the code, word by word: the parser must not so much as look at it.
  std::vector<std::string> code_arguments;
  auto const marker = std::find(arguments.begin(), arguments.end(), "--");
  auto const has_marker = marker != arguments.end();
  if (has_marker) {
    code_arguments.assign(std::make_move_iterator(marker + 1), std::make_move_iterator(arguments.end()));
    arguments.erase(marker, arguments.end());
  }

  grammar all(program);
  auto& in = all.in;
  auto const chosen_name = [&] { return all.chosen() == nullptr ? std::string() : all.chosen()->get_name(); };
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
  try {
    all.app.parse(arguments);
  } catch (CLI::CallForHelp const&) {
    auto* const sub = all.chosen();
    return leave{exit_codes::ok, sub == nullptr ? all.app.help() : sub->help()};
  } catch (CLI::ExtrasError const&) {
    auto* const sub = all.chosen();
    auto const name = chosen_name();
    auto const extras = sub == nullptr ? all.app.remaining() : sub->remaining();
    auto const first = extras.empty() ? std::string() : extras.front();
    if (first.starts_with("-") && first != "-") {
      auto sentence = "unknown flag " + in_quotes(first);
      if (name == "run") sentence += "; flags of your own program go after \"--\"";
      return mistake(program, sentence, name);
    }
    if (sub == nullptr && first == "suspend") {
      return mistake(program,
                     "what has begun cannot be suspended; create it with spec.suspend: true, and let it begin with \"" +
                         program + " resume\"",
                     name);
    }
    return mistake(program,
                   sub == nullptr ? "unknown command " + in_quotes(first) : "unexpected argument " + in_quotes(first),
                   name);
  } catch (CLI::RequiredError const&) {
    auto const name = chosen_name();
    return mistake(program,
                   name == "run"          ? "run needs a FILE, or - for standard input"
                   : name == "completion" ? "completion needs a shell: bash, zsh or fish"
                                          : name + " needs a NAME",
                   name);
  } catch (CLI::ParseError const& e) {
    return mistake(program, e.what(), chosen_name());
  }

  auto* const sub = all.chosen();
  if (sub == nullptr) return leave{exit_codes::ok, all.app.help()};
  auto const name = sub->get_name();
  if (has_marker && name != "run") {
    // Outside run, "--" only says that what follows are no flags, as everywhere.
    auto* const names = name == "delete"     ? &in.remove.which.names
                        : name == "cancel"   ? &in.cancel.which.names
                        : name == "resume"   ? &in.resume.which.names
                        : name == "describe" ? &in.describe.names
                        : name == "get"      ? &in.get.names
                                             : nullptr;
    for (auto& one : code_arguments) {
      if (names == nullptr) return mistake(program, "unexpected argument " + in_quotes(one), name);
      names->push_back(std::move(one));
    }
  }

  command_line result;
  result.cluster = in.cluster;
  result.quiet = in.quiet;
  if (in.colour != "auto" && in.colour != "always" && in.colour != "never") {
    return mistake(program, "--color is auto, always or never, not " + in_quotes(in.colour), name);
  }
  result.colour = in.colour == "always"  ? colour_choice::always
                  : in.colour == "never" ? colour_choice::never
                                         : colour_choice::automatic;
  std::string sentence;
  if (name == "run") {
    sentence = finish_run(in);
    std::move(code_arguments.begin(), code_arguments.end(), std::back_inserter(in.run.args));
    result.what = std::move(in.run);
  } else if (name == "get") {
    sentence = finish_get(in);
    result.what = std::move(in.get);
  } else if (name == "describe") {
    for (auto& one : in.describe.names)
      one = plain_name(one);
    result.what = std::move(in.describe);
  } else if (name == "logs") {
    sentence = finish_logs(in);
    result.what = std::move(in.logs);
  } else if (name == "top") {
    result.what = std::move(in.top);
  } else if (name == "delete") {
    sentence = finish_chosen_ones(in.remove.which, name);
    if (sentence.empty()) sentence = finish_wait(in.remove_timeout, in.remove.timeout_seconds);
    result.what = std::move(in.remove);
  } else if (name == "cancel") {
    sentence = finish_chosen_ones(in.cancel.which, name);
    if (sentence.empty()) sentence = finish_wait(in.cancel_timeout, in.cancel.timeout_seconds);
    result.what = std::move(in.cancel);
  } else if (name == "resume") {
    sentence = finish_chosen_ones(in.resume.which, name);
    result.what = std::move(in.resume);
  } else if (name == "completion") {
    auto const& shell = in.completion.shell;
    if (shell != "bash" && shell != "zsh" && shell != "fish") {
      sentence = "completion is there for bash, zsh and fish, not for " + in_quotes(shell);
    }
    result.what = std::move(in.completion);
  } else if (name == "version") {
    auto const format = parse_output(in.version_output, {"text", "json", "yaml"});
    if (!format) return mistake(program, "-o is text, json or yaml, not " + in_quotes(in.version_output), name);
    in.version.output = *format;
    result.what = in.version;
  }
  if (!sentence.empty()) return mistake(program, sentence, name);
  return result;
}

}  // namespace codeexec::cli
