#include "codeexec/execution/config.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <limits>
#include <yaml-cpp/yaml.h>

#include "codeexec/api/quantity.hpp"
#include "codeexec/api/validate.hpp"
#include "codeexec/base/text.hpp"
#include "codeexec/execution/build.hpp"
#include "codeexec/kube_core/names.hpp"
#include "codeexec/yaml_reader/yaml_reader.hpp"

namespace codeexec::execution {

/// Of namespaces that no override speaks of.
constexpr std::string_view default_class = "default";

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

namespace_settings const& config::in(std::string_view ns) const {
  auto const which = class_of(ns);
  if (which == 0) return *this;
  return namespace_overrides[which - 1].settings;
}

std::size_t config::class_of(std::string_view ns) const {
  auto const found = std::find_if(namespace_overrides.begin(), namespace_overrides.end(),
                                  [&](auto const& one) { return matches_any(one.namespaces, ns); });
  bool const is_default = found == namespace_overrides.end();
  return is_default ? 0 : 1 + static_cast<std::size_t>(found - namespace_overrides.begin());
}

std::vector<std::string> config::namespace_classes() const {
  std::vector<std::string> names{std::string(default_class)};
  for (auto const& one : namespace_overrides)
    names.push_back(one.name);
  return names;
}

bool config::serves(std::string_view ns) const {
  return matches_any(served_namespaces, ns) && !matches_any(excluded_namespaces, ns);
}

std::vector<std::string> config::named_namespaces() const {
  std::vector<std::string> names;
  for (auto const& one : served_namespaces) {
    if (!is_plain(one)) return {};
    if (serves(one)) names.push_back(one);
  }
  return names;
}

namespace {

/// For a spec that is checked for the rest of it.
constexpr char const* any_code = "x";

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

using value_reader = std::function<void(YAML::Node const&, std::string const&)>;
/// A mapping with a fixed set of keys, each with the function that takes its value.
using config_field = std::pair<char const*, value_reader>;

constexpr std::int64_t max_seconds = api::limits::max_timeout_seconds;

[[noreturn]] void fail_type(YAML::Node const& node, std::string const& path, char const* expected) {
  fail(node.Mark(), path, std::string("expected ") + expected + ", got " + kind_of(node));
}

std::string read_string(YAML::Node const& node, std::string const& path) {
  if (!node.IsScalar()) fail_type(node, path, "a string");
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

std::chrono::seconds read_seconds(YAML::Node const& node, std::string const& path, std::int64_t low,
                                  std::int64_t high) {
  return std::chrono::seconds(read_integer(node, path, low, high));
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

void for_each(YAML::Node const& node, std::string const& path, char const* expected, value_reader const& take) {
  if (!node.IsSequence()) fail_type(node, path, expected);
  for (std::size_t i = 0; i < node.size(); ++i)
    take(node[i], path + "[" + std::to_string(i) + "]");
}

std::vector<std::string> read_strings(YAML::Node const& node, std::string const& path) {
  std::vector<std::string> values;
  for_each(node, path, "a list of strings", [&](auto const& n, auto const& p) { values.push_back(read_string(n, p)); });
  return values;
}

/// Patterns over texts of these characters; `what` names such a text.
std::vector<std::string> read_patterns(YAML::Node const& node, std::string const& path, char const* what,
                                       std::string_view also_allowed) {
  std::vector<std::string> values;
  for_each(node, path, "a list of strings", [&](auto const& n, auto const& p) {
    auto value = read_string(n, p);
    auto const good = [&](char c) {
      bool const alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
      return alnum || c == '*' || c == '?' || also_allowed.find(c) != std::string_view::npos;
    };
    if (!std::all_of(value.begin(), value.end(), good)) {
      fail(n.Mark(), p, "\"" + value + "\" is no pattern for " + what + " (? and * stand for what is open)");
    }
    values.push_back(std::move(value));
  });
  return values;
}

std::vector<std::string> read_namespace_patterns(YAML::Node const& node, std::string const& path, bool may_be_empty) {
  auto values = read_patterns(node, path, "the name of a namespace", "-");
  if (values.empty() && !may_be_empty) fail(node.Mark(), path, "must name at least one namespace");
  for (auto const& one : values) {
    bool const is_lower = std::none_of(one.begin(), one.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
    bool const is_name = !is_plain(one) || kube::is_dns_label(one);
    if (!is_lower || !is_name) fail(node.Mark(), path, "\"" + one + "\" matches no namespace");
  }
  return values;
}

/// As a JSON merge patch would: each entry is set, or removed by null.
void merge_string_map(YAML::Node const& node, std::string const& path, std::map<std::string, std::string>& into,
                      std::function<void(YAML::Node const&, std::string const&, std::string const& key,
                                         std::string const& value)> const& check) {
  if (node.IsNull()) return;
  if (!node.IsMap()) fail_type(node, path, "a mapping");
  std::map<std::string, bool> seen;
  for (auto const& entry : node) {
    std::string const key = read_name(entry.first, path);
    std::string const here = path + "." + key;
    if (seen[key]) fail(entry.first.Mark(), here, "given twice");
    seen[key] = true;
    if (entry.second.IsNull()) {
      into.erase(key);
      continue;
    }
    std::string const value = read_string(entry.second, here);
    check(entry.second, here, key, value);
    into[key] = value;
  }
}

bool is_label_key(std::string_view key) {
  auto const slash = key.find('/');
  if (slash != std::string_view::npos) {
    if (!kube::is_dns_subdomain(key.substr(0, slash))) return false;
    key.remove_prefix(slash + 1);
  }
  return !key.empty() && kube::is_label_value(key);
}

/// Keys that the operator or the Job controller sets itself.
bool is_reserved_key(std::string_view key) {
  auto const prefix = key.substr(0, std::min(key.find('/'), key.size()));
  auto const ours = std::string(".") + std::string(api::group);
  return prefix == api::group || prefix.ends_with(ours) || prefix == "batch.kubernetes.io" || key == "job-name" ||
         key == "controller-uid" || key == api::labels::managed_by;
}

void check_label_key(YAML::Node const& node, std::string const& path, std::string const& key) {
  if (!is_label_key(key)) fail(node.Mark(), path, "\"" + key + "\" is no name of a label or an annotation");
}

void check_label_value(YAML::Node const& node, std::string const& path, std::string const& value) {
  if (!value.empty() && !kube::is_label_value(value)) {
    fail(node.Mark(), path, "\"" + value + "\" is no value of a label: at most 63 letters, digits, '-', '_' and '.'");
  }
}

void check_resource_name(YAML::Node const& node, std::string const& path, std::string const& name) {
  bool const known = name == api::resource_names::cpu || name == api::resource_names::memory ||
                     name == api::resource_names::ephemeral_storage;
  if (!known) fail(node.Mark(), path, "unknown resource (known: cpu, memory, ephemeral-storage)");
}

/// A quantity of this resource, as it was written.
std::string read_quantity(YAML::Node const& node, std::string const& path, std::string const& resource) {
  auto const text = read_string(node, path);
  bool const is_cpu = resource == api::resource_names::cpu;
  auto const value = api::quantity::parse(text);
  if (!value || value->is_negative()) {
    fail(node.Mark(), path, std::string("expected a quantity such as ") + (is_cpu ? "500m or 2" : "512Mi or 2G"));
  }
  if (!is_cpu && !value->is_whole()) fail(node.Mark(), path, "must be a whole number of bytes");
  if (!value->millis()) fail(node.Mark(), path, "is more than any machine has");
  return text;
}

std::string read_size(YAML::Node const& node, std::string const& path) {
  auto text = read_quantity(node, path, std::string(api::resource_names::memory));
  if (api::quantity::parse(text)->is_zero()) fail(node.Mark(), path, "must be more than zero");
  return text;
}

class config_reader {
 public:
  config read(YAML::Node const& root) {
    YAML::Node overrides;
    constexpr std::int64_t day = 86400;
    read_mapping(
        root, "",
        {{"runtimes", [&](auto const& n, auto const& p) { read_runtimes(n, p); }},
         {"defaults", [&](auto const& n, auto const& p) { read_defaults(n, p, to_.defaults); }},
         {"policy", [&](auto const& n, auto const& p) { read_policy(n, p, to_.policy); }},
         {"pod", [&](auto const& n, auto const& p) { read_pod(n, p, to_.pod); }},
         {"namespaces", [&](auto const& n, auto const& p) { read_namespaces(n, p); }},
         {"concurrency", [&](auto const& n, auto const& p) { read_concurrency(n, p, to_, true); }},
         // Each stands on what holds elsewhere, wherever in the file that is.
         {"namespaceOverrides", [&](auto const& n, auto const&) { overrides.reset(n); }},
         {"requireSandbox", [&](auto const& n, auto const& p) { to_.require_sandbox = read_boolean(n, p); }},
         {"gracePeriodSeconds", [&](auto const& n, auto const& p) { to_.grace_period = read_seconds(n, p, 0, 3600); }},
         {"maxProcesses", [&](auto const& n, auto const& p) { to_.max_processes = read_integer(n, p, 0, 1'000'000); }},
         {"workspaceSizeLimit", [&](auto const& n, auto const& p) { to_.workspace_size_limit = read_size(n, p); }},
         {"tmpSizeLimit", [&](auto const& n, auto const& p) { to_.tmp_size_limit = read_size(n, p); }},
         {"userNamespaces", [&](auto const& n, auto const& p) { to_.user_namespaces = read_boolean(n, p); }},
         {"jobTTLSeconds", [&](auto const& n, auto const& p) { to_.job_ttl = read_seconds(n, p, 600, 30 * day); }},
         {"statusSettleMillis",
          [&](auto const& n, auto const& p) {
            to_.status_settle = std::chrono::milliseconds(read_integer(n, p, 0, 60'000));
          }},
         {"maxLogFollowers",
          [&](auto const& n, auto const& p) {
            to_.max_log_followers = static_cast<int>(read_integer(n, p, 0, 10'000));
          }},
         {"networkPolicy", [&](auto const& n, auto const& p) { to_.network_policy = read_boolean(n, p); }},
         {"sweepIntervalSeconds",
          [&](auto const& n, auto const& p) { to_.sweep_interval = read_seconds(n, p, 1, day); }}});
    check_settings(to_, "");
    if (overrides.IsDefined() && !overrides.IsNull()) {
      for_each(overrides, "namespaceOverrides", "a list of mappings",
               [&](auto const& n, auto const& p) { read_override(n, p); });
    }
    return std::move(to_);
  }

 private:
  void read_mapping(YAML::Node const& node, std::string const& path, std::initializer_list<config_field> fields) {
    if (node.IsNull()) return;  // "defaults:" with nothing under it
    if (!node.IsMap()) fail_type(node, path, "a mapping");
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
        places_.insert_or_assign(here, entry.second.Mark());
        read(entry.second, here);
        known = true;
        break;
      }
      if (!known) fail(entry.first.Mark(), here, "unknown key (known: " + names + ")");
    }
  }

  runtime read_runtime(YAML::Node const& node, std::string const& path) {
    if (!node.IsMap()) fail_type(node, path, "a mapping");
    runtime result;
    auto const take_variable = [&](auto const&, auto const&, auto const& name, auto const& value) {
      result.env.push_back({name, value});
    };
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
                     std::map<std::string, std::string> names;
                     merge_string_map(n, p, names, take_variable);
                   }}});
    if (result.image.empty()) fail(node.Mark(), path, "image is missing");
    if (result.command.empty()) fail(node.Mark(), path, "command is missing");
    if (result.file.empty()) fail(node.Mark(), path, "file is missing");
    return result;
  }

  /// What a spec may say must hold for the runtime too, and its name must be one that a spec can give.
  static void check_runtime(YAML::Node const& node, std::string const& path, std::string const& name,
                            runtime const& with) {
    api::CodeExecutionSpec as_spec;
    as_spec.code = any_code;
    as_spec.language = name;
    as_spec.image = with.image;
    as_spec.command = with.command;
    as_spec.env = with.env;
    auto const wrong = api::validate(as_spec);
    if (wrong.empty()) return;
    auto const& first = wrong.front();
    constexpr std::string_view prefix = "spec.";
    bool const of_name = first.field == "spec.language";
    fail(node.Mark(), of_name ? path : path + "." + first.field.substr(prefix.size()), first.message);
  }

  void read_runtimes(YAML::Node const& node, std::string const& path) {
    if (node.IsNull()) return;
    if (!node.IsMap()) fail_type(node, path, "a mapping");
    std::map<std::string, bool> seen;
    for (auto const& entry : node) {
      std::string const name = read_name(entry.first, path);
      std::string const here = path + "." + name;
      if (seen[name]) fail(entry.first.Mark(), here, "given twice");
      seen[name] = true;
      places_.insert_or_assign(here, entry.second.Mark());
      if (entry.second.IsNull()) {
        to_.runtimes.erase(name);
        continue;
      }
      auto by = read_runtime(entry.second, here);
      check_runtime(entry.second, here, name, by);
      to_.runtimes.insert_or_assign(name, std::move(by));
    }
  }

  void read_quantities(YAML::Node const& node, std::string const& path, std::map<std::string, std::string>& into,
                       bool zero_allowed) {
    merge_string_map(node, path, into, [&](auto const& n, auto const& p, auto const& name, auto const&) {
      check_resource_name(n, p, name);
      auto const text = read_quantity(n, p, name);
      bool const is_zero = api::quantity::parse(text)->is_zero();
      if (is_zero && !zero_allowed) {
        fail(n.Mark(), p, "must be more than zero, which Kubernetes would read as no limit at all");
      }
    });
  }

  void read_defaults(YAML::Node const& node, std::string const& path, execution_defaults& to) {
    read_mapping(
        node, path,
        {{"language", [&](auto const& n, auto const& p) { to.language = read_name(n, p); }},
         {"timeoutSeconds", [&](auto const& n, auto const& p) { to.timeout = read_seconds(n, p, 1, max_seconds); }},
         {"startupTimeoutSeconds",
          [&](auto const& n, auto const& p) { to.startup_timeout = read_seconds(n, p, 1, max_seconds); }},
         {"resources",
          [&](auto const& n, auto const& p) {
            read_mapping(
                n, p,
                {{"requests",
                  [&](auto const& m, auto const& q) { read_quantities(m, q, to.resources.requests, true); }},
                 {"limits", [&](auto const& m, auto const& q) { read_quantities(m, q, to.resources.limits, false); }}});
          }},
         {"runtimeClassName",
          [&](auto const& n, auto const& p) {
            to.runtime_class_name = read_string(n, p);
            if (!to.runtime_class_name.empty() && !kube::is_dns_subdomain(to.runtime_class_name)) {
              fail(n.Mark(), p, "\"" + to.runtime_class_name + "\" is no name of a RuntimeClass");
            }
          }},
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

  void read_number_bounds(YAML::Node const& node, std::string const& path, std::int64_t high, number_bounds& to) {
    read_mapping(node, path,
                 {{"min", [&](auto const& n, auto const& p) { to.min = read_integer(n, p, 1, high); }},
                  {"max", [&](auto const& n, auto const& p) { to.max = read_integer(n, p, 1, high); }}});
    if (to.min > to.max) {
      fail(node.Mark(), path, "min (" + std::to_string(to.min) + ") is more than max (" + std::to_string(to.max) + ")");
    }
  }

  void read_quantity_bounds(YAML::Node const& node, std::string const& path,
                            std::map<std::string, quantity_bounds>& to) {
    auto const read_one = [&](std::string const& resource) {
      return [this, &to, resource](YAML::Node const& n, std::string const& p) {
        auto& of = to[resource];
        auto const take = [&](std::optional<std::string>& bound) {
          return [&bound, resource](YAML::Node const& m, std::string const& q) {
            bound = m.IsNull() ? std::nullopt : std::optional(read_quantity(m, q, resource));
          };
        };
        if (n.IsNull()) of = {};
        read_mapping(n, p, {{"min", take(of.min)}, {"max", take(of.max)}});
        if (of.min && of.max && *api::quantity::parse(*of.min) > *api::quantity::parse(*of.max)) {
          fail(n.Mark(), p, "min (" + *of.min + ") is more than max (" + *of.max + ")");
        }
      };
    };
    read_mapping(node, path,
                 {{"cpu", read_one("cpu")},
                  {"memory", read_one("memory")},
                  {"ephemeral-storage", read_one("ephemeral-storage")}});
  }

  void read_policy(YAML::Node const& node, std::string const& path, execution_policy& to) {
    read_mapping(
        node, path,
        {{"timeoutSeconds",
          [&](auto const& n, auto const& p) { read_number_bounds(n, p, max_seconds, to.timeout_seconds); }},
         {"startupTimeoutSeconds",
          [&](auto const& n, auto const& p) { read_number_bounds(n, p, max_seconds, to.startup_timeout_seconds); }},
         {"resources",
          [&](auto const& n, auto const& p) {
            read_mapping(n, p,
                         {{"requests", [&](auto const& m, auto const& q) { read_quantity_bounds(m, q, to.requests); }},
                          {"limits", [&](auto const& m, auto const& q) { read_quantity_bounds(m, q, to.limits); }}});
          }},
         {"output",
          [&](auto const& n, auto const& p) {
            read_mapping(n, p, {{"maxBytes", [&](auto const& m, auto const& q) {
                                   read_number_bounds(m, q, api::limits::max_output_bytes, to.output_max_bytes);
                                 }}});
          }},
         {"allowedImages",
          [&](auto const& n, auto const& p) { to.allowed_images = read_patterns(n, p, "an image", "._:/@-"); }},
         {"requireImageDigest", [&](auto const& n, auto const& p) { to.require_image_digest = read_boolean(n, p); }},
         {"allowedLanguages",
          [&](auto const& n, auto const& p) { to.allowed_languages = read_patterns(n, p, "a language", ".+_-"); }},
         {"allowedRuntimeClasses",
          [&](auto const& n, auto const& p) {
            to.allowed_runtime_classes = read_patterns(n, p, "a RuntimeClass", ".-");
          }},
         {"allowedNetworks",
          [&](auto const& n, auto const& p) {
            to.allowed_networks.clear();
            for_each(n, p, "a list of Deny and Allow", [&](auto const& m, auto const& q) {
              to.allowed_networks.push_back(read_choice(m, q, {"Deny", "Allow"}));
            });
          }},
         {"allowCodeFrom", [&](auto const& n, auto const& p) { to.allow_code_from = read_boolean(n, p); }}});
  }

  toleration read_toleration(YAML::Node const& node, std::string const& path) {
    toleration one;
    if (!node.IsMap()) fail_type(node, path, "a mapping");
    read_mapping(node, path,
                 {{"key",
                   [&](auto const& n, auto const& p) {
                     one.key = read_string(n, p);
                     if (!one.key.empty()) check_label_key(n, p, one.key);
                   }},
                  {"operator",
                   [&](auto const& n, auto const& p) {
                     one.operator_ = read_choice(n, p, {"Equal", "Exists"});
                   }},
                  {"value",
                   [&](auto const& n, auto const& p) {
                     one.value = read_string(n, p);
                     check_label_value(n, p, one.value);
                   }},
                  {"effect",
                   [&](auto const& n, auto const& p) {
                     one.effect = read_choice(n, p, {"NoSchedule", "PreferNoSchedule", "NoExecute"});
                   }},
                  {"tolerationSeconds", [&](auto const& n, auto const& p) {
                     one.seconds = read_integer(n, p, 0, std::numeric_limits<std::int32_t>::max());
                   }}});
    if (one.operator_ == "Exists" && !one.value.empty()) {
      fail(node.Mark(), path, "value must be left out with operator Exists");
    }
    if (one.operator_ == "Equal" && one.key.empty()) {
      fail(node.Mark(), path, "key may be left out only with operator Exists");
    }
    if (one.seconds && one.effect != "NoExecute") {
      fail(node.Mark(), path, "tolerationSeconds goes with effect NoExecute only");
    }
    return one;
  }

  void read_pod(YAML::Node const& node, std::string const& path, pod_settings& to) {
    auto const name_of = [](YAML::Node const& n, std::string const& p, char const* what) {
      auto name = read_string(n, p);
      if (!kube::is_dns_subdomain(name)) fail(n.Mark(), p, "\"" + name + "\" is no name of a " + what);
      return name;
    };
    auto const check_label = [](auto const& n, auto const& p, auto const& key, auto const& value) {
      check_label_key(n, p, key);
      check_label_value(n, p, value);
    };
    auto const check_reserved = [](YAML::Node const& n, std::string const& p, std::string const& key) {
      if (is_reserved_key(key)) fail(n.Mark(), p, "is set by the operator or by the Job controller");
    };
    read_mapping(
        node, path,
        {{"nodeSelector", [&](auto const& n, auto const& p) { merge_string_map(n, p, to.node_selector, check_label); }},
         {"tolerations",
          [&](auto const& n, auto const& p) {
            to.tolerations.clear();
            for_each(n, p, "a list of mappings",
                     [&](auto const& m, auto const& q) { to.tolerations.push_back(read_toleration(m, q)); });
          }},
         {"priorityClassName",
          [&](auto const& n, auto const& p) {
            to.priority_class_name = read_string(n, p).empty() ? "" : name_of(n, p, "PriorityClass");
          }},
         {"imagePullSecrets",
          [&](auto const& n, auto const& p) {
            to.image_pull_secrets.clear();
            for_each(n, p, "a list of names of Secrets",
                     [&](auto const& m, auto const& q) { to.image_pull_secrets.push_back(name_of(m, q, "Secret")); });
          }},
         {"labels",
          [&](auto const& n, auto const& p) {
            merge_string_map(n, p, to.labels, [&](auto const& m, auto const& q, auto const& key, auto const& value) {
              check_label(m, q, key, value);
              check_reserved(m, q, key);
            });
          }},
         {"annotations", [&](auto const& n, auto const& p) {
            merge_string_map(n, p, to.annotations, [&](auto const& m, auto const& q, auto const& key, auto const&) {
              check_label_key(m, q, key);
              check_reserved(m, q, key);
            });
          }}});
  }

  void read_namespaces(YAML::Node const& node, std::string const& path) {
    read_mapping(node, path,
                 {{"served",
                   [&](auto const& n, auto const& p) { to_.served_namespaces = read_namespace_patterns(n, p, false); }},
                  {"excluded", [&](auto const& n, auto const& p) {
                     to_.excluded_namespaces = read_namespace_patterns(n, p, true);
                   }}});
  }

  void read_concurrency(YAML::Node const& node, std::string const& path, namespace_settings& to, bool with_global) {
    constexpr std::int64_t most = 1'000'000;
    config_field const per_namespace{
        "perNamespace", [&](auto const& n, auto const& p) { to.max_running = read_integer(n, p, 0, most); }};
    config_field const global{
        "global", [&](auto const& n, auto const& p) { to_.max_running_in_all = read_integer(n, p, 0, most); }};
    if (with_global) {
      read_mapping(node, path, {global, per_namespace});
    } else {
      read_mapping(node, path, {per_namespace});
    }
  }

  /// A label's value in metrics.
  std::string read_class_name(YAML::Node const& node, std::string const& path) {
    auto name = read_name(node, path);
    if (!kube::is_dns_label(name)) {
      fail(node.Mark(), path, "\"" + name + "\" must be lower case letters, digits and \"-\", at most 63");
    }
    bool const taken =
        name == default_class || std::any_of(to_.namespace_overrides.begin(), to_.namespace_overrides.end(),
                                             [&](auto const& other) { return other.name == name; });
    if (taken) fail(node.Mark(), path, "\"" + name + "\" is the name of others");
    return name;
  }

  void read_override(YAML::Node const& node, std::string const& path) {
    if (!node.IsMap()) fail_type(node, path, "a mapping");
    namespace_override one;
    one.settings = to_;
    read_mapping(
        node, path,
        {{"name", [&](auto const& n, auto const& p) { one.name = read_class_name(n, p); }},
         {"namespaces", [&](auto const& n, auto const& p) { one.namespaces = read_namespace_patterns(n, p, false); }},
         {"policy", [&](auto const& n, auto const& p) { read_policy(n, p, one.settings.policy); }},
         {"defaults", [&](auto const& n, auto const& p) { read_defaults(n, p, one.settings.defaults); }},
         {"pod", [&](auto const& n, auto const& p) { read_pod(n, p, one.settings.pod); }},
         {"concurrency", [&](auto const& n, auto const& p) { read_concurrency(n, p, one.settings, false); }}});
    if (one.namespaces.empty()) fail(node.Mark(), path, "namespaces is missing");
    if (one.name.empty()) one.name = "override-" + std::to_string(to_.namespace_overrides.size() + 1);
    check_settings(one.settings, path + ".");
    to_.namespace_overrides.push_back(std::move(one));
  }

  /// Where the key stands, or the nearest above it; in an override, also where what it stands on does.
  YAML::Mark place_of(std::string const& prefix, std::string const& path) const {
    for (auto const& start : {prefix + path, path}) {
      for (auto at = start; !at.empty(); at.resize(std::min(at.rfind('.'), at.size()))) {
        auto const found = places_.find(at);
        if (found != places_.end()) return found->second;
        if (at.find('.') == std::string::npos) break;
      }
    }
    return YAML::Mark::null_mark();
  }

  /// An execution that says nothing but its code must be one that the policy allows, in every language that it does.
  void check_settings(namespace_settings const& with, std::string const& prefix) const {
    auto const refuse = [&](std::string const& path, std::string const& nearest, std::string const& what) {
      for (auto const& exactly : {prefix + path, path}) {
        auto const found = places_.find(exactly);
        if (found != places_.end()) fail(found->second, prefix + path, what);
      }
      auto mark = place_of(prefix, nearest);
      if (mark.is_null()) mark = place_of(prefix, path);
      fail(mark, prefix + path, what);
    };
    auto const of_defaults = [](std::string const& name) {
      constexpr std::string_view spec = "spec.";
      return "defaults." + (name.starts_with(spec) ? name.substr(spec.size()) : name);
    };
    auto const& defaults = with.defaults;
    if (!to_.runtimes.contains(defaults.language)) {
      refuse("defaults.language", "runtimes", "\"" + defaults.language + "\" is not among the runtimes");
    }
    api::CodeExecutionSpec spec;
    spec.code = any_code;
    spec.resources = defaults.resources;
    for (auto const& wrong : api::validate(spec))
      refuse(of_defaults(wrong.field), of_defaults(wrong.field), wrong.message);

    // The settings of one namespace as those of all, which resolve() then takes.
    config alone = to_;
    static_cast<namespace_settings&>(alone) = with;
    alone.namespace_overrides.clear();
    api::CodeExecutionSpec const empty = [] {
      api::CodeExecutionSpec made;
      made.code = any_code;
      return made;
    }();
    auto const resolved = resolve(empty, alone);
    if (!resolved) refuse("defaults", "runtimes", resolved.error().message);
    for (auto const& [name, by] : to_.runtimes) {
      if (!with.policy.require_image_digest || !matches_any(with.policy.allowed_languages, name)) continue;
      if (has_digest(by.image)) continue;
      refuse(
          "runtimes." + name, "policy.requireImageDigest",
          "the image \"" + by.image +
              "\" has no digest, which policy.requireImageDigest asks for; give it one, or take the runtime out with "
              "\"" +
              name + ": null\"");
    }
    for (auto const& wrong : resolved->violations)
      refuse(of_defaults(wrong.field), "policy" + of_defaults(wrong.field).substr(std::strlen("defaults")),
             wrong.message + " by the policy");
  }

  config to_;
  std::map<std::string, YAML::Mark> places_;
};

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
    return config_reader().read(documents.front());
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
