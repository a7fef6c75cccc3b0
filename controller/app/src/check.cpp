#include "check.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <iterator>
#include <optional>

#include "codeexec/api/json.hpp"
#include "codeexec/api/names.hpp"
#include "codeexec/base/encoding.hpp"
#include "codeexec/base/file.hpp"
#include "codeexec/execution/build.hpp"
#include "codeexec/execution/network_policy.hpp"
#include "codeexec/execution/policy.hpp"
#include "codeexec/execution/source.hpp"
#include "codeexec/kube_core/names.hpp"
#include "codeexec/runner/program.hpp"
#include "codeexec/yaml_reader/yaml_reader.hpp"
#include "codeexec/yaml_reader/yaml_writer.hpp"

#include "config_file.hpp"
#include "definition.hpp"
#include "parse.hpp"

namespace codeexec::app {
namespace {

using nlohmann::json;

/// What the API server gives, in a form that shows it.
constexpr char const* unknown_uid = "00000000-0000-0000-0000-000000000000";
constexpr char const* unknown_token = "made-anew-for-each-run";

constexpr char const* check_description =
    "Shows what a CodeExecution would become with this configuration: its Job, its ConfigMaps and the NetworkPolicy of "
    "its namespace. Or why it would not run: each field that is unknown, wrong or not allowed by the policy. Needs no "
    "cluster and sends nothing.";

constexpr char const* check_footer =
    R"(FILE is YAML or JSON, of several documents too; "-" is standard input. A ConfigMap in it serves spec.codeFrom; other
kinds are passed over. Names that depend on the UID, the UID and the token are placeholders; the runner is shown by name and hash.
What the configuration allows that its author may not have thought of is a warning on stderr.

  codeexec-controller check hello.yaml
  codeexec-controller check --config operator.yaml -o json - <hello.yaml

The objects go to stdout, what is wrong to stderr. Exit codes: 0 all would run; 1 at least one would not; 2 wrong arguments
or configuration, or no CodeExecution to check.)";

std::string text_at(json const& object, char const* name) {
  auto const found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// On one line, whatever a manifest holds.
std::string in_line(std::string text) {
  text = base::repair_utf8(std::move(text));
  std::replace_if(
      text.begin(), text.end(), [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; }, '?');
  return text;
}

std::string dump(json const& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json metadata_of(json const& object) {
  auto const found = object.find("metadata");
  return found != object.end() && found->is_object() ? *found : json::object();
}

std::string kind_and_name(json const& object) {
  auto const name = text_at(metadata_of(object), "name");
  return text_at(object, "kind") + (name.empty() ? "" : " \"" + name + "\"");
}

bool is_ours(json const& object) {
  return text_at(object, "kind") == api::kind &&
         text_at(object, "apiVersion").starts_with(std::string(api::group) + "/");
}

void add(std::vector<std::string>& to, std::vector<api::violation> const& from) {
  for (auto const& one : from)
    to.push_back(in_line(one.field.empty() ? one.message : one.field + ": " + one.message));
}

/// The objects that the API server would be sent, but for what only it knows.
void add_objects(explanation& out, api::CodeExecution const& execution, execution::resolved_spec const& resolved,
                 execution::input const& in, execution::config const& with, std::string_view runner) {
  auto const sha256 = base::sha256_hex(runner);
  auto const& ns = execution.metadata.namespace_;
  auto runner_map = execution::make_runner_config_map(ns, runner, sha256);
  runner_map["binaryData"][std::string(execution::runner_key)] =
      "(" + std::to_string(runner.size()) + " bytes, sha256 " + sha256 + ")";
  out.objects.push_back(std::move(runner_map));
  if (!resolved.network_allowed && with.network_policy) out.objects.push_back(execution::make_network_policy(ns));
  execution::job_parts parts;
  parts.runner_config_map = execution::runner_config_map_name(sha256);
  parts.token = unknown_token;
  out.objects.push_back(execution::make_job(execution, resolved, in, parts, with));
  out.objects.push_back(execution::make_input_config_map(execution, in, unknown_uid, parts.token));
}

std::string bound_text(std::int64_t bound) {
  return bound == 0 ? "any number" : "at most " + std::to_string(bound);
}

void add_facts(explanation& out, api::CodeExecution const& execution, execution::resolved_spec const& resolved,
               execution::config const& with) {
  auto const& settings = with.in(execution.metadata.namespace_);
  auto const fact = [&](std::string const& name, std::string const& what) {
    out.facts.push_back(name + ": " + in_line(what));
  };
  fact("language", resolved.language);
  fact("image", resolved.image);
  fact("command", dump(resolved.command));
  fact("time", std::to_string(resolved.startup_timeout.count()) + " s to start, " +
                   std::to_string(resolved.timeout.count()) + " s to run");
  fact("requests", dump(resolved.resources.requests));
  fact("limits", dump(resolved.resources.limits));
  fact("sandbox", (resolved.runtime_class_name.empty() ? "the cluster's default RuntimeClass"
                                                       : "RuntimeClass " + resolved.runtime_class_name) +
                      (with.require_sandbox ? ", not started unless it is gVisor" : ", whatever it is"));
  fact("network", resolved.network_allowed ? "allowed" : "denied");
  fact("output", std::to_string(resolved.max_output_bytes) + " bytes kept of each stream");
  fact("at the same time",
       bound_text(settings.max_running) + " in the namespace, " + bound_text(with.max_running_in_all) + " in all");
  if (execution.spec.suspend) fact("suspended", "nothing is started while spec.suspend is true");
  if (execution.spec.cancel) fact("cancelled", "nothing is started: spec.cancel is true");
}

/// The code of spec.codeFrom, from a ConfigMap of the same file. Null where there is none.
json const* source_in(std::vector<json> const& others, api::CodeExecution const& execution) {
  for (auto const& other : others) {
    auto const metadata = metadata_of(other);
    auto const ns = text_at(metadata, "namespace");
    bool const here = ns.empty() || ns == execution.metadata.namespace_;
    bool const named = text_at(metadata, "name") == execution.spec.codeFrom->configMapKeyRef.name;
    if (here && named && text_at(other, "kind") == "ConfigMap") return &other;
  }
  return nullptr;
}

struct arguments {
  std::string file;
  std::string config_file;
  std::string ns;
  std::string format = "yaml";
};

/// Lists taken apart.
std::vector<json> flatten(std::vector<json> documents) {
  std::vector<json> all;
  for (auto& one : documents) {
    auto const items = one.is_object() ? one.find("items") : one.end();
    bool const is_list =
        one.is_object() && text_at(one, "kind").ends_with("List") && items != one.end() && items->is_array();
    if (!is_list) {
      all.push_back(std::move(one));
      continue;
    }
    for (auto& item : *items)
      all.push_back(std::move(item));
  }
  return all;
}

void print_yaml(std::string const& where, explanation const& what) {
  std::cout << "# " << where << ": " << in_line(what.title) << " would run.\n";
  for (auto const& fact : what.facts)
    std::cout << "#   " << fact << '\n';
  for (auto const& object : what.objects)
    std::cout << "---\n" << yaml::write_document(object);
}

void print_problems(std::string const& where, explanation const& what) {
  std::cerr << where << ": " << in_line(what.title) << " " << in_line(what.verdict) << ":\n";
  for (auto const& one : what.problems)
    std::cerr << "  " << one << '\n';
}

int misused(std::string const& why) {
  std::cerr << "codeexec-controller check: " << why << '\n';
  return 2;
}

int check_documents(std::vector<json> const& documents, arguments const& with, execution::config const& config) {
  std::string const file = with.file == "-" ? "standard input" : with.file;
  json shown = json::array();
  std::size_t checked = 0;
  bool all_would_run = true;
  for (std::size_t i = 0; i < documents.size(); ++i) {
    auto const& object = documents[i];
    auto const where = documents.size() == 1 ? file : file + ", document " + std::to_string(i + 1);
    if (!object.is_object() || !is_ours(object)) {
      auto const what = object.is_object() ? kind_and_name(object) : "";
      std::cerr << where << ": " << (what.empty() ? "no object" : in_line(what)) << " is no CodeExecution of "
                << api::api_version << ", passed over\n";
      continue;
    }
    ++checked;
    auto const what = explain(object, documents, config, with.ns, runner::program());
    if (!what.verdict.empty()) {
      all_would_run = false;
      print_problems(where, what);
    } else if (with.format == "yaml") {
      print_yaml(where, what);
    } else {
      for (auto const& one : what.objects)
        shown.push_back(one);
    }
  }
  if (checked == 0) return misused(file + ": there is no CodeExecution in it");
  if (with.format == "json") {
    json const list{{"apiVersion", "v1"}, {"kind", "List"}, {"items", shown}};
    std::cout << list.dump(2, ' ', false, json::error_handler_t::replace) << '\n';
  }
  return all_would_run ? 0 : 1;
}

}  // namespace

explanation explain(json const& object, std::vector<json> const& others, execution::config const& with,
                    std::string_view ns, std::string_view runner) {
  explanation out;
  out.title = kind_and_name(object);
  add(out.problems, check_fields(object));
  auto decoded = api::decode_code_execution(object);
  auto* const execution = std::get_if<api::CodeExecution>(&decoded);
  if (execution == nullptr) {
    if (out.problems.empty()) out.problems.push_back(in_line(std::get<api::decode_error>(decoded).describe()));
    out.verdict = "would be refused";
    return out;
  }
  auto& metadata = execution->metadata;
  bool const other_namespace = !ns.empty() && !metadata.namespace_.empty() && metadata.namespace_ != ns;
  if (other_namespace) {
    out.problems.push_back("metadata.namespace: is \"" + in_line(metadata.namespace_) + "\", and --namespace says \"" +
                           std::string(ns) + "\"");
  }
  if (metadata.namespace_.empty()) metadata.namespace_ = ns.empty() ? "default" : std::string(ns);
  if (metadata.name.empty() && !metadata.generateName.empty()) metadata.name = metadata.generateName + "xxxxx";
  if (metadata.uid.empty()) metadata.uid = unknown_uid;
  if (!kube::is_dns_subdomain(metadata.name)) {
    out.problems.push_back("metadata.name: must be a name of lower case letters, digits, '-' and '.', not \"" +
                           in_line(metadata.name) + "\"");
  }
  out.title = "CodeExecution \"" + metadata.name + "\" in namespace \"" + metadata.namespace_ + "\"";
  add(out.problems, api::validate(execution->spec));
  if (!out.problems.empty()) {
    out.verdict = "would be refused";
    return out;
  }
  if (!with.serves(metadata.namespace_)) {
    out.verdict = "would be left alone";
    out.problems.push_back("metadata.namespace: is not served by this operator (namespaces in its configuration)");
    return out;
  }
  auto const resolved = execution::resolve(execution->spec, with, metadata.namespace_);
  if (!resolved) {
    out.verdict = "would fail with InvalidSpec";
    out.problems.push_back(in_line(resolved.error().message));
    return out;
  }
  if (!resolved->violations.empty()) {
    out.verdict = "would fail with PolicyViolation";
    add(out.problems, resolved->violations);
    return out;
  }
  std::string code;
  if (execution->spec.codeFrom) {
    if (auto const* const source = source_in(others, *execution)) {
      auto const read = execution::read_source(execution->spec.codeFrom->configMapKeyRef, *source);
      if (!read) {
        out.verdict = "would fail with SourceMissing";
        out.problems.push_back("spec.codeFrom: " + in_line(read.error().message));
        return out;
      }
      code = *read;
    } else {
      out.facts.push_back("code: of a ConfigMap that is not in this file, and so shown empty");
    }
  }
  auto const in = execution::make_input(execution->spec, *resolved, execution->spec.codeFrom ? &code : nullptr);
  if (!in) {
    out.verdict = "would fail with InvalidSpec";
    out.problems.push_back(in_line(in.error().message));
    return out;
  }
  add_facts(out, *execution, *resolved, with);
  add_objects(out, *execution, *resolved, *in, with, runner);
  return out;
}

int run_check(int argc, char const* const* argv) {
  arguments with;
  CLI::App app(check_description, "codeexec-controller check");
  app.footer(check_footer);
  app.get_formatter()->column_width(help_column);
  app.add_option("FILE", with.file, "The manifest, or -")->required()->type_name("");
  app.add_option("--config", with.config_file, "The operator's configuration (default: what holds without one)")
      ->envname("CODEEXEC_CONFIG")
      ->type_name("FILE");
  app.add_option("--namespace,-n", with.ns, "Where it would be created (default: what it says, else default)")
      ->type_name("NAME");
  app.add_option("--output,-o", with.format, "yaml, each after a summary in comments; or json, all in one list")
      ->type_name("FORMAT")
      ->check(CLI::IsMember({"yaml", "json"}))
      ->capture_default_str();
  if (auto const end = parse(app, argc, argv)) {
    (end->code == 0 ? std::cout : std::cerr) << end->text;
    return end->code;
  }
  if (!with.ns.empty() && !kube::is_dns_label(with.ns)) return misused("--namespace: '" + with.ns + "' is no name");
  auto const config = read_config(with.config_file);
  if (!config) return misused(config.error().message);
  for (auto const& risk : execution::describe_risks(*config))
    std::cerr << "warning: " << risk << '\n';
  std::string text;
  if (with.file == "-") {
    text.assign(std::istreambuf_iterator<char>(std::cin), {});
  } else {
    auto read = base::read_file(with.file);
    if (!read) return misused(read.error().message);
    text = std::move(*read);
  }
  auto documents = yaml::read_documents(text);
  if (!documents) {
    std::cerr << (with.file == "-" ? "standard input" : with.file) << ": " << in_line(documents.error().message)
              << '\n';
    return 1;
  }
  return check_documents(flatten(std::move(*documents)), with, *config);
}

}  // namespace codeexec::app
