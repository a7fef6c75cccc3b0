#include "codeexec/runner/arguments.hpp"

#include "codeexec/wire/protocol.h"

namespace codeexec::runner {

char const help_text[] =
    "Runs one command, keeps the head and the tail of its output, and reports how it ended.\n"
    "\n"
    "usage: codeexec-runner [flags] [--] command [argument...]\n"
    "\n"
    "  --timeout-ms N          stop the command after this long: SIGTERM, then SIGKILL (0: never; default 0)\n"
    "  --grace-ms N            between SIGTERM and SIGKILL (default 5000)\n"
    "  --max-output-bytes N    kept of each stream, at most 262144 (default 65536)\n"
    "  --input DIR             copied into the workspace before the start\n"
    "  --workspace DIR         working directory of the command (default /workspace)\n"
    "  --stdin FILE            standard input of the command (default /dev/null)\n"
    "  --termination-log FILE  takes the result, where it exists (default /dev/termination-log)\n"
    "  --require-sandbox       do not start the command unless this kernel is gVisor's\n"
    "  --max-processes N       RLIMIT_NPROC of the command (0: leave it; default 0)\n"
    "  --max-file-bytes N      RLIMIT_FSIZE of the command (0: leave it; default 0)\n"
    "  --token TEXT            echoed in the result, hidden from the command\n"
    "  --help, --version\n"
    "\n"
    "Output goes to stdout as 'stdout F line' and 'stderr F line' (P for F: the line goes on); the result is the\n"
    "last line. Exit code: the command's; 128 + signal; 124 timed out; 143 told to stop; 125 not started\n"
    "(126: not executable, 127: not found).\n";

namespace {

bool parse_number(bytes text, uint64_t most, uint64_t& number) {
  if (text.empty()) return false;
  uint64_t value = 0;
  for (size_t i = 0; i < text.size; ++i) {
    if (text.data[i] < '0' || text.data[i] > '9') return false;
    value = value * 10 + static_cast<uint64_t>(text.data[i] - '0');
    if (value > most) return false;  // `most` is far from the type's own end, so that nothing wraps before this
  }
  number = value;
  return true;
}

bool is_token(bytes text) {
  if (text.empty() || text.size > wire::max_token_size) return false;
  for (size_t i = 0; i < text.size; ++i) {
    char const c = text.data[i];
    bool const allowed =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
    if (!allowed) return false;
  }
  return true;
}

constexpr uint64_t a_year_ms = 366ull * 24 * 3600 * 1000;
constexpr uint64_t most_file_bytes = 1ull << 60;

enum class value_problem { none, number, empty, token };

value_problem take_number(char const* value, uint64_t most, uint64_t& number) {
  return parse_number(value, most, number) ? value_problem::none : value_problem::number;
}

value_problem take_path(char const* value, char const*& path) {
  if (*value == '\0') return value_problem::empty;
  path = value;
  return value_problem::none;
}

}  // namespace

parse_outcome parse_arguments(int argc, char** argv, options& parsed, text_writer& problem) {
  int next = 1;
  for (; next < argc; ++next) {
    bytes const argument = argv[next];
    if (argument == "--") {
      ++next;
      break;
    }
    if (argument.empty() || argument.data[0] != '-') break;
    if (argument == "--help" || argument == "-h") return parse_outcome::show_help;
    if (argument == "--version") return parse_outcome::show_version;
    if (argument == "--require-sandbox") {
      parsed.require_sandbox = true;
      continue;
    }

    // --flag=value and --flag value
    bytes flag = argument;
    char* value = nullptr;
    if (char* equals = strchr(argv[next], '='); equals != nullptr) {
      flag.size = static_cast<size_t>(equals - argv[next]);
      value = equals + 1;
    } else if (next + 1 < argc) {
      value = argv[next + 1];
    }

    uint64_t number = 0;
    auto outcome = value_problem::none;
    bool known = true;
    char const* const given = value != nullptr ? value : "";
    if (flag == "--timeout-ms") {
      outcome = take_number(given, a_year_ms, parsed.timeout_ms);
    } else if (flag == "--grace-ms") {
      outcome = take_number(given, a_year_ms, parsed.grace_ms);
    } else if (flag == "--max-output-bytes") {
      outcome = take_number(given, wire::max_output_limit, number);
      if (outcome == value_problem::none) parsed.max_output_bytes = static_cast<uint32_t>(number);
    } else if (flag == "--max-processes") {
      outcome = take_number(given, UINT32_MAX, parsed.max_processes);
    } else if (flag == "--max-file-bytes") {
      outcome = take_number(given, most_file_bytes, parsed.max_file_bytes);
    } else if (flag == "--input") {
      outcome = take_path(given, parsed.input);
    } else if (flag == "--workspace") {
      outcome = take_path(given, parsed.workspace);
    } else if (flag == "--stdin") {
      outcome = take_path(given, parsed.stdin_file);
    } else if (flag == "--termination-log") {
      outcome = take_path(given, parsed.termination_log);
    } else if (flag == "--token") {
      outcome = is_token(given) ? value_problem::none : value_problem::token;
      if (outcome == value_problem::none) parsed.token = value;
    } else {
      known = false;
    }

    if (!known) {
      problem.append("unknown flag ");
      problem.append(flag);
    } else if (value == nullptr) {
      problem.append(flag);
      problem.append(" needs a value");
    } else if (outcome != value_problem::none) {
      problem.append(flag);
      problem.append(outcome == value_problem::number  ? " needs a number within its bounds, not '"
                     : outcome == value_problem::token ? " takes 1 to 64 of A-Z a-z 0-9 - _, not '"
                                                       : " needs a path, not '");
      problem.append(given);
      problem.append('\'');
    } else {
      if (flag.size == argument.size) ++next;  // the value was an argument of its own
      continue;
    }
    return parse_outcome::wrong;
  }
  if (next >= argc) {
    problem.append("no command given");
    return parse_outcome::wrong;
  }
  parsed.command = argv + next;
  return parse_outcome::run;
}

}  // namespace codeexec::runner
