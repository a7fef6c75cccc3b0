#include "codeexec/execution/config.hpp"

#include <functional>
#include <initializer_list>
#include <limits>
#include <yaml-cpp/yaml.h>

#include "codeexec/api/validate.hpp"
#include "codeexec/yaml_reader/yaml_reader.hpp"

namespace codeexec::execution {

std::map<std::string, runtime> config::built_in_runtimes() {
  return {
      // Unbuffered, so that what was printed before a crash or a timeout is there; no .pyc files in the workspace.
      {"python",
       {"python:3.11-slim", {"python3"}, "main.py", {{"PYTHONUNBUFFERED", "1"}, {"PYTHONDONTWRITEBYTECODE", "1"}}}},
      {"bash", {"debian:12-slim", {"bash"}, "main.sh"}},
      {"node", {"node:22-slim", {"node"}, "main.js"}},
      {"ruby", {"ruby:3.3-slim", {"ruby"}, "main.rb"}},
      {"perl", {"perl:5.40-slim", {"perl"}, "main.pl"}},
  };
}

namespace {

/// The first thing that is wrong, thrown within this file only: parse_config catches it.
struct config_error {
  std::string message;
};

[[noreturn]] void fail(YAML::Mark const& mark, std::string const& path, std::string const& what) {
  std::string message;
  if (!mark.is_null()) {
    message = "line " + std::to_string(mark.line + 1) + ", column " + std::to_string(mark.column + 1) + ": ";
  }
  throw config_error{message + (path.empty() ? what : path + ": " + what)};
}

char const* kind_of(YAML::Node const& node) {
  switch (node.Type()) {
    case YAML::NodeType::Map:
      return "a mapping";
    case YAML::NodeType::Sequence:
      return "a list";
    case YAML::NodeType::Scalar:
      return "a single value";
    default:
      return "nothing";
  }
}

/// A mapping with a fixed set of keys, each with the function that takes its value.
using field = std::pair<char const*, std::function<void(YAML::Node const&, std::string const&)>>;

void read_mapping(YAML::Node const& node, std::string const& path, std::initializer_list<field> fields) {
  if (node.IsNull()) return;  // "defaults:" with nothing under it
  if (!node.IsMap()) fail(node.Mark(), path, std::string("expected a mapping, got ") + kind_of(node));
  std::map<std::string, bool> seen;
  for (auto const& entry : node) {
    std::string const key = entry.first.IsScalar() ? yaml::as_utf8(entry.first.Scalar()) : "";
    std::string const here = path.empty() ? key : path + "." + key;
    if (seen[key]) fail(entry.first.Mark(), here, "given twice");
    seen[key] = true;
    bool known = false;
    std::string names;
    for (auto const& [name, read] : fields) {
      names += (names.empty() ? "" : ", ") + std::string(name);
      if (key != name) continue;
      read(entry.second, here);
      known = true;
      break;
    }
    if (!known) fail(entry.first.Mark(), here, "unknown key (known: " + names + ")");
  }
}

std::string read_string(YAML::Node const& node, std::string const& path) {
  if (!node.IsScalar()) fail(node.Mark(), path, std::string("expected a string, got ") + kind_of(node));
  return yaml::as_utf8(node.Scalar());
}

std::string read_name(YAML::Node const& node, std::string const& path) {
  std::string value = read_string(node, path);
  if (value.empty()) fail(node.Mark(), path, "must not be empty");
  return value;
}

std::int64_t read_integer(YAML::Node const& node, std::string const& path, std::int64_t low, std::int64_t high) {
  std::int64_t value = 0;
  if (!node.IsScalar() || node.Tag() == "!" || !YAML::convert<std::int64_t>::decode(node, value)) {
    fail(node.Mark(), path, "expected a whole number");
  }
  if (value < low || value > high) {
    fail(node.Mark(), path, "must be from " + std::to_string(low) + " to " + std::to_string(high));
  }
  return value;
}

bool read_boolean(YAML::Node const& node, std::string const& path) {
  std::string const text = node.IsScalar() ? node.Scalar() : "";
  if (text == "true") return true;
  if (text == "false") return false;
  fail(node.Mark(), path, "expected true or false");
}

std::string read_choice(YAML::Node const& node, std::string const& path, std::initializer_list<char const*> choices) {
  std::string value = read_string(node, path);
  std::string names;
  for (char const* choice : choices) {
    if (value == choice) return value;
    names += (names.empty() ? "" : " or ") + std::string(choice);
  }
  fail(node.Mark(), path, "must be " + names);
}

std::vector<std::string> read_strings(YAML::Node const& node, std::string const& path) {
  if (!node.IsSequence()) fail(node.Mark(), path, std::string("expected a list of strings, got ") + kind_of(node));
  std::vector<std::string> values;
  for (std::size_t i = 0; i < node.size(); ++i) {
    values.push_back(read_string(node[i], path + "[" + std::to_string(i) + "]"));
  }
  return values;
}

std::map<std::string, std::string> read_string_map(YAML::Node const& node, std::string const& path) {
  if (node.IsNull()) return {};
  if (!node.IsMap()) fail(node.Mark(), path, std::string("expected a mapping, got ") + kind_of(node));
  std::map<std::string, std::string> values;
  for (auto const& entry : node) {
    std::string const key = read_name(entry.first, path);
    values[key] = read_string(entry.second, path + "." + key);
  }
  return values;
}

runtime read_runtime(YAML::Node const& node, std::string const& path) {
  if (!node.IsMap()) fail(node.Mark(), path, std::string("expected a mapping, got ") + kind_of(node));
  runtime result;
  read_mapping(node, path,
               {{"image", [&](auto const& n, auto const& p) { result.image = read_name(n, p); }},
                {"command", [&](auto const& n, auto const& p) { result.command = read_strings(n, p); }},
                {"file",
                 [&](auto const& n, auto const& p) {
                   result.file = read_name(n, p);
                   auto const why = api::check_workspace_path(result.file);
                   if (!why.empty()) fail(n.Mark(), p, why);
                 }},
                {"env", [&](auto const& n, auto const& p) {
                   for (auto& [name, value] : read_string_map(n, p))
                     result.env.push_back({name, value});
                 }}});
  if (result.image.empty()) fail(node.Mark(), path, "image is missing");
  if (result.command.empty()) fail(node.Mark(), path, "command is missing");
  if (result.file.empty()) fail(node.Mark(), path, "file is missing");
  return result;
}

void read_runtimes(YAML::Node const& node, std::string const& path, std::map<std::string, runtime>& runtimes) {
  if (!node.IsMap()) fail(node.Mark(), path, std::string("expected a mapping, got ") + kind_of(node));
  for (auto const& entry : node) {
    std::string const name = read_name(entry.first, path);
    if (entry.second.IsNull()) {
      runtimes.erase(name);
    } else {
      runtimes[name] = read_runtime(entry.second, path + "." + name);
    }
  }
}

void read_defaults(YAML::Node const& node, std::string const& path, execution_defaults& to) {
  constexpr std::int64_t max_seconds = 7 * 24 * 3600;
  read_mapping(
      node, path,
      {{"language", [&](auto const& n, auto const& p) { to.language = read_name(n, p); }},
       {"timeoutSeconds",
        [&](auto const& n, auto const& p) { to.timeout = std::chrono::seconds(read_integer(n, p, 1, max_seconds)); }},
       {"startupTimeoutSeconds",
        [&](auto const& n, auto const& p) {
          to.startup_timeout = std::chrono::seconds(read_integer(n, p, 1, max_seconds));
        }},
       {"resources",
        [&](auto const& n, auto const& p) {
          read_mapping(
              n, p,
              {{"requests", [&](auto const& m, auto const& q) { to.resources.requests = read_string_map(m, q); }},
               {"limits", [&](auto const& m, auto const& q) { to.resources.limits = read_string_map(m, q); }}});
        }},
       {"runtimeClassName", [&](auto const& n, auto const& p) { to.runtime_class_name = read_string(n, p); }},
       {"network",
        [&](auto const& n, auto const& p) {
          to.network = read_choice(n, p, {"Deny", "Allow"});
        }},
       {"output",
        [&](auto const& n, auto const& p) {
          read_mapping(n, p, {{"maxBytes", [&](auto const& m, auto const& q) {
                                 to.max_output_bytes = read_integer(m, q, 1, api::limits::max_output_bytes);
                               }}});
        }},
       {"cleanupPolicy", [&](auto const& n, auto const& p) {
          to.cleanup_policy = read_choice(n, p, {"Delete", "Retain"});
        }}});
}

config read_config(YAML::Node const& root) {
  config to;
  constexpr std::int64_t day = 86400;
  read_mapping(
      root, "",
      {{"runtimes", [&](auto const& n, auto const& p) { read_runtimes(n, p, to.runtimes); }},
       {"defaults", [&](auto const& n, auto const& p) { read_defaults(n, p, to.defaults); }},
       {"requireSandbox", [&](auto const& n, auto const& p) { to.require_sandbox = read_boolean(n, p); }},
       {"gracePeriodSeconds",
        [&](auto const& n, auto const& p) { to.grace_period = std::chrono::seconds(read_integer(n, p, 0, 3600)); }},
       {"maxProcesses", [&](auto const& n, auto const& p) { to.max_processes = read_integer(n, p, 0, 1'000'000); }},
       {"workspaceSizeLimit", [&](auto const& n, auto const& p) { to.workspace_size_limit = read_name(n, p); }},
       {"tmpSizeLimit", [&](auto const& n, auto const& p) { to.tmp_size_limit = read_name(n, p); }},
       {"userNamespaces", [&](auto const& n, auto const& p) { to.user_namespaces = read_boolean(n, p); }},
       {"jobTTLSeconds",
        [&](auto const& n, auto const& p) { to.job_ttl = std::chrono::seconds(read_integer(n, p, 600, 30 * day)); }},
       {"statusSettleMillis",
        [&](auto const& n, auto const& p) {
          to.status_settle = std::chrono::milliseconds(read_integer(n, p, 0, 60'000));
        }},
       {"maxLogFollowers", [&](auto const& n, auto const& p) {
          to.max_log_followers = static_cast<int>(read_integer(n, p, 0, 10'000));
        }}});
  if (!to.runtimes.contains(to.defaults.language)) {
    fail(YAML::Mark::null_mark(), "defaults.language", "\"" + to.defaults.language + "\" is not among the runtimes");
  }
  return to;
}

/// A key may hold anything in quotes; what is logged about it is one line.
std::string in_one_line(std::string message) {
  for (char& c : message) {
    if (static_cast<unsigned char>(c) < 0x20 || c == '\x7f') c = ' ';
  }
  return message;
}

}  // namespace

base::result<config> parse_config(std::string_view content) {
  std::string const text(content);
  if (auto const good = yaml::check(text); !good) return base::error(in_one_line(good.error().message));
  try {
    std::vector<YAML::Node> const documents = YAML::LoadAll(text);
    if (documents.empty()) return config{};
    if (documents.size() > 1) return base::error("one YAML document expected, got " + std::to_string(documents.size()));
    return read_config(documents.front());
  } catch (config_error const& e) {
    return base::error(in_one_line(e.message));
  } catch (YAML::Exception const& e) {
    // The library's own text begins "yaml-cpp: error at line 1, column 2: ".
    std::string message = e.msg;
    if (!e.mark.is_null()) {
      message =
          "line " + std::to_string(e.mark.line + 1) + ", column " + std::to_string(e.mark.column + 1) + ": " + message;
    }
    return base::error(in_one_line(std::move(message)));
  }
}

}  // namespace codeexec::execution
