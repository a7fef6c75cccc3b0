#include "codeexec/execution/build.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "codeexec/api/json.hpp"
#include "codeexec/api/names.hpp"
#include "codeexec/api/quantity.hpp"
#include "codeexec/api/trace_context.hpp"
#include "codeexec/api/validate.hpp"
#include "codeexec/base/encoding.hpp"
#include "codeexec/kube_core/names.hpp"

namespace codeexec::execution {
namespace {

using nlohmann::json;

constexpr std::string_view runner_directory = "/codeexec/bin";
constexpr std::string_view input_directory = "/codeexec/input";
constexpr int sandbox_uid = 65532;

std::string text(std::string_view view) {
  return std::string(view);
}

/// The defaults of the configuration under what the spec names. A default never stands against the spec: a default
/// request above the spec's limit shrinks to it, a default limit below the spec's request grows to it.
api::ResourceRequirements merge(api::ResourceRequirements const& spec, api::ResourceRequirements const& defaults) {
  api::ResourceRequirements merged = spec;
  for (auto const& [name, value] : defaults.requests) {
    if (spec.requests.contains(name)) continue;
    merged.requests[name] = value;
    auto const limit = spec.limits.find(name);
    if (limit == spec.limits.end()) continue;
    auto const want = api::quantity::parse(value);
    auto const most = api::quantity::parse(limit->second);
    if (want && most && *want > *most) merged.requests[name] = limit->second;
  }
  for (auto const& [name, value] : defaults.limits) {
    if (spec.limits.contains(name)) continue;
    merged.limits[name] = value;
    auto const request = spec.requests.find(name);
    if (request == spec.requests.end()) continue;
    auto const most = api::quantity::parse(value);
    auto const want = api::quantity::parse(request->second);
    if (want && most && *want > *most) merged.limits[name] = request->second;
  }
  return merged;
}

std::string known_languages(config const& with) {
  std::string names;
  for (auto const& [name, unused] : with.runtimes)
    names += (names.empty() ? "" : ", ") + name;
  return names;
}

json labels(api::CodeExecution const& execution) {
  json result = json::object();
  result[text(api::labels::managed_by)] = api::field_manager;
  result[text(api::labels::component)] = api::components::execution;
  result[text(api::labels::execution)] = kube::label_value(execution.metadata.name);
  result[text(api::labels::execution_uid)] = execution.metadata.uid;
  return result;
}

/// The caller's trace, on everything that is made for it.
json trace_annotations(api::CodeExecution const& execution) {
  json all = json::object();
  auto const trace = api::read_trace_context(execution.metadata.annotations);
  if (!trace) return all;
  all[text(api::annotations::traceparent)] = trace->traceparent;
  if (!trace->tracestate.empty()) all[text(api::annotations::tracestate)] = trace->tracestate;
  return all;
}

json owner(std::string_view api_version, std::string_view kind, std::string_view name, std::string_view uid,
           bool block_deletion) {
  return json::array({json{{"apiVersion", api_version},
                           {"kind", kind},
                           {"name", name},
                           {"uid", uid},
                           {"controller", true},
                           {"blockOwnerDeletion", block_deletion}}});
}

/// No file that the code may keep is larger than its volume. It is a bound for the one file that no volume bounds, the
/// termination log, which lies on the node's disk and counts towards no limit of the pod's.
std::optional<std::int64_t> largest_file(config const& with) {
  std::optional<std::int64_t> largest;
  for (auto const& limit : {with.workspace_size_limit, with.tmp_size_limit}) {
    auto const size = api::quantity::parse(limit);
    auto const bytes = size ? size->units() : std::nullopt;
    if (!bytes || *bytes <= 0) return std::nullopt;
    largest = std::max(largest.value_or(0), *bytes);
  }
  return largest;
}

json runner_command(resolved_spec const& resolved, input const& in, job_parts const& parts, config const& with) {
  auto const millis = [](std::chrono::seconds s) { return std::to_string(std::chrono::milliseconds(s).count()); };
  json command = json::array();
  command.push_back(text(runner_directory) + "/" + text(runner_key));
  auto const flag = [&](char const* name, std::string value) {
    command.push_back(name);
    command.push_back(std::move(value));
  };
  flag("--timeout-ms", millis(resolved.timeout));
  flag("--grace-ms", millis(with.grace_period));
  flag("--max-output-bytes", std::to_string(resolved.max_output_bytes));
  flag("--input", text(input_directory) + "/workspace");
  flag("--workspace", text(workspace));
  if (in.has_stdin) flag("--stdin", text(input_directory) + "/stdin");
  if (with.require_sandbox) command.push_back("--require-sandbox");
  if (with.max_processes > 0 && with.require_sandbox) flag("--max-processes", std::to_string(with.max_processes));
  if (auto const bytes = largest_file(with)) flag("--max-file-bytes", std::to_string(*bytes));
  flag("--token", parts.token);
  command.push_back("--");
  for (auto const& word : resolved.command)
    command.push_back(without_expansion(word));
  return command;
}

json environment(resolved_spec const& resolved) {
  json env = json::array();
  for (auto const& variable : resolved.env)
    env.push_back({{"name", variable.name}, {"value", without_expansion(variable.value)}});
  return env;
}

json container(resolved_spec const& resolved, input const& in, job_parts const& parts, config const& with) {
  json resources = json::object();
  if (!resolved.resources.requests.empty()) resources["requests"] = resolved.resources.requests;
  if (!resolved.resources.limits.empty()) resources["limits"] = resolved.resources.limits;
  json mounts = json::array();
  mounts.push_back({{"name", "runner"}, {"mountPath", runner_directory}, {"readOnly", true}});
  mounts.push_back({{"name", "input"}, {"mountPath", input_directory}, {"readOnly", true}});
  mounts.push_back({{"name", "workspace"}, {"mountPath", workspace}});
  mounts.push_back({{"name", "tmp"}, {"mountPath", "/tmp"}});
  return {{"name", container_name},
          {"image", resolved.image},
          {"command", runner_command(resolved, in, parts, with)},
          {"workingDir", workspace},
          {"env", environment(resolved)},
          {"resources", resources},
          {"securityContext",
           {{"allowPrivilegeEscalation", false},
            {"privileged", false},
            {"readOnlyRootFilesystem", true},
            {"runAsNonRoot", true},
            {"capabilities", {{"drop", json::array({"ALL"})}}}}},
          {"terminationMessagePath", "/dev/termination-log"},
          // Never the log's end in its place: only what the runner wrote is a result.
          {"terminationMessagePolicy", "File"},
          {"volumeMounts", mounts}};
}

json volumes(std::string const& name, input const& in, job_parts const& parts, config const& with) {
  json items = json::array();
  for (auto const& [key, path] : in.items)
    items.push_back({{"key", key}, {"path", path}});
  json all = json::array();
  all.push_back({{"name", "runner"},
                 {"configMap", {{"name", parts.runner_config_map}, {"defaultMode", 0555}, {"optional", false}}}});
  all.push_back(
      {{"name", "input"},
       {"configMap",
        {{"name", input_name(name, parts.token)}, {"defaultMode", 0444}, {"items", items}, {"optional", false}}}});
  all.push_back({{"name", "workspace"}, {"emptyDir", {{"sizeLimit", with.workspace_size_limit}}}});
  all.push_back({{"name", "tmp"}, {"emptyDir", {{"sizeLimit", with.tmp_size_limit}}}});
  return all;
}

/// What the configuration says about nodes, priority and the registry's credentials.
void place(json& spec, pod_settings const& with) {
  if (!with.node_selector.empty()) spec["nodeSelector"] = with.node_selector;
  for (auto const& one : with.tolerations) {
    json toleration = {{"operator", one.operator_}};
    if (!one.key.empty()) toleration["key"] = one.key;
    if (one.operator_ == "Equal") toleration["value"] = one.value;
    if (!one.effect.empty()) toleration["effect"] = one.effect;
    if (one.seconds) toleration["tolerationSeconds"] = *one.seconds;
    spec["tolerations"].push_back(std::move(toleration));
  }
  if (!with.priority_class_name.empty()) spec["priorityClassName"] = with.priority_class_name;
  for (auto const& name : with.image_pull_secrets)
    spec["imagePullSecrets"].push_back({{"name", name}});
}

/// The configuration's labels or annotations under the operator's own.
json with_own(std::map<std::string, std::string> const& configured, json const& own) {
  json all = configured;
  if (all.is_null()) all = json::object();
  all.update(own);
  return all;
}

json pod_spec(std::string const& name, resolved_spec const& resolved, input const& in, job_parts const& parts,
              config const& with, pod_settings const& placed) {
  json spec = {{"restartPolicy", "Never"},
               {"automountServiceAccountToken", false},
               {"enableServiceLinks", false},
               {"terminationGracePeriodSeconds", pod_grace_period(with).count()},
               {"securityContext",
                {{"runAsNonRoot", true},
                 {"runAsUser", sandbox_uid},
                 {"runAsGroup", sandbox_uid},
                 {"seccompProfile", {{"type", "RuntimeDefault"}}}}},
               {"containers", json::array({container(resolved, in, parts, with)})},
               {"volumes", volumes(name, in, parts, with)}};
  place(spec, placed);
  if (!resolved.runtime_class_name.empty()) spec["runtimeClassName"] = resolved.runtime_class_name;
  if (with.user_namespaces) spec["hostUsers"] = false;
  if (!resolved.network_allowed) {
    // The API wants a nameserver with policy None; nobody answers at this address (RFC 5737).
    spec["dnsPolicy"] = "None";
    spec["dnsConfig"] = {{"nameservers", json::array({"192.0.2.1"})}};
  }
  return spec;
}

/// A key for every file: paths may hold characters that keys may not.
std::string file_key(std::size_t index) {
  return "file-" + std::to_string(index);
}

resolved_spec fill_in_defaults(api::CodeExecutionSpec const& spec, runtime const& by, std::string const& language,
                               namespace_settings const& here) {
  resolved_spec r;
  r.language = language;
  r.image = spec.image.value_or(by.image);
  r.file = by.file;
  r.command = spec.command.empty() ? by.command : spec.command;
  r.command.push_back(text(workspace) + "/" + by.file);
  r.command.insert(r.command.end(), spec.args.begin(), spec.args.end());

  // HOME is writable here, and nowhere else; the image's own may not be.
  std::vector<api::EnvVar> env{{"HOME", text(workspace)}, {"TMPDIR", "/tmp"}};
  env.insert(env.end(), by.env.begin(), by.env.end());
  for (auto const& variable : env) {
    auto const overrides = [&](api::EnvVar const& own) { return own.name == variable.name; };
    if (std::none_of(spec.env.begin(), spec.env.end(), overrides)) r.env.push_back(variable);
  }
  r.env.insert(r.env.end(), spec.env.begin(), spec.env.end());

  r.timeout = spec.timeoutSeconds ? std::chrono::seconds(*spec.timeoutSeconds) : here.defaults.timeout;
  r.startup_timeout =
      spec.startupTimeoutSeconds ? std::chrono::seconds(*spec.startupTimeoutSeconds) : here.defaults.startup_timeout;
  r.resources = merge(spec.resources, here.defaults.resources);
  r.runtime_class_name = spec.runtimeClassName.value_or(here.defaults.runtime_class_name);
  r.network_allowed = spec.network.value_or(here.defaults.network) == "Allow";
  r.max_output_bytes = here.defaults.max_output_bytes;
  if (spec.output && spec.output->maxBytes) r.max_output_bytes = *spec.output->maxBytes;
  r.max_output_bytes = std::clamp<std::int64_t>(r.max_output_bytes, 1, api::limits::max_output_bytes);
  r.retain = spec.cleanupPolicy.value_or(here.defaults.cleanup_policy) == "Retain";
  return r;
}

}  // namespace

base::result<resolved_spec> resolve(api::CodeExecutionSpec const& spec, config const& with, std::string_view ns) {
  auto const violations = api::validate(spec);
  if (!violations.empty()) return base::error(api::describe(violations));

  namespace_settings const& here = with.in(ns);
  std::string const language = spec.language.value_or(here.defaults.language);
  auto const found = with.runtimes.find(language);
  if (found == with.runtimes.end()) {
    return base::error("spec.language: \"" + language + "\" is not a runtime of this operator (it knows " +
                       known_languages(with) + ")");
  }
  resolved_spec r = fill_in_defaults(spec, found->second, language, here);
  r.violations = check_policy(spec, r, here.policy, with);
  return r;
}

resolved_spec resolve_started(api::CodeExecutionSpec const& spec, config const& with, std::string_view ns) {
  namespace_settings const& here = with.in(ns);
  std::string const language = spec.language.value_or(here.defaults.language);
  auto const found = with.runtimes.find(language);
  return fill_in_defaults(spec, found == with.runtimes.end() ? runtime() : found->second, language, here);
}

std::string child_name(api::ObjectMeta const& execution) {
  constexpr std::size_t pod_suffix = 6;  // "-" and five characters
  return kube::child_name(execution.name, execution.uid, kube::max_label_length - pod_suffix);
}

std::string input_name(std::string_view job_name, std::string_view token) {
  return text(job_name) + "-" + base::sha256_hex(token).substr(0, 8);
}

std::string without_expansion(std::string_view plain) {
  // "$$" stands for "$"; a single one needs that only before what would be read as a reference or as an escape.
  std::string escaped;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    escaped += plain[i];
    bool const special = plain[i] == '$' && i + 1 < plain.size() && (plain[i + 1] == '(' || plain[i + 1] == '$');
    if (special) escaped += '$';
  }
  return escaped;
}

std::string runner_config_map_name(std::string_view runner_sha256) {
  return "codeexec-runner-" + text(runner_sha256.substr(0, 12));
}

base::result<input> make_input(api::CodeExecutionSpec const& spec, resolved_spec const& resolved,
                               std::string const* source) {
  input in;
  std::size_t bytes = 0;
  std::string digest;  // hashed at the end: paths and hashes of the contents, in order
  auto const add = [&](std::string key, std::string path, std::string const& content) {
    bytes += content.size();
    digest += path + '\n' + base::sha256_hex(content) + '\n';
    // A NUL is valid UTF-8 and valid JSON, yet tools that show ConfigMaps trip over it.
    bool const plain = base::is_valid_utf8(content) && content.find('\0') == std::string::npos;
    if (plain) {
      in.data[key] = content;
    } else {
      in.binary_data[key] = base::base64_encode(content);
    }
    in.items.emplace_back(std::move(key), std::move(path));
  };

  // Refused rather than run as an empty program.
  if (!spec.code && source == nullptr) return base::error("spec.codeFrom: has not been read");
  std::string const& code = spec.code ? *spec.code : *source;
  in.code_sha256 = base::sha256_hex(code);
  add("code", "workspace/" + resolved.file, code);
  for (std::size_t i = 0; i < spec.files.size(); ++i) {
    auto const& file = spec.files[i];
    std::string const field = "spec.files[" + std::to_string(i) + "]";
    // Also a folder of that name: "main.py/x" cannot stand beside "main.py".
    if (file.path == resolved.file || file.path.starts_with(resolved.file + "/")) {
      return base::error(field + ".path: \"" + resolved.file + "\" is where the code itself goes");
    }
    if (file.contentBase64) {
      auto decoded = base::base64_decode(*file.contentBase64);
      if (!decoded) return base::error(field + ".contentBase64: is not base64");
      add(file_key(i), "workspace/" + file.path, *decoded);
    } else {
      add(file_key(i), "workspace/" + file.path, file.content.value_or(""));
    }
  }
  if (spec.stdin_) {
    in.has_stdin = true;
    add("stdin", "stdin", *spec.stdin_);
  }
  if (bytes > static_cast<std::size_t>(api::limits::max_source_bytes)) {
    return base::error("spec: code, files and stdin have " + std::to_string(bytes) + " bytes together, more than the " +
                       std::to_string(api::limits::max_source_bytes) + " that one ConfigMap holds");
  }
  in.sha256 = base::sha256_hex(digest);
  return in;
}

std::chrono::seconds pod_grace_period(config const& with) {
  // The runner's own grace comes first, then it writes its report.
  return with.grace_period + std::chrono::seconds(5);
}

std::chrono::seconds active_deadline(resolved_spec const& resolved, config const& with) {
  // The margin keeps the kubelet's and the Job controller's delays from cutting a run that the runner ends in time.
  return resolved.startup_timeout + resolved.timeout + pod_grace_period(with) + std::chrono::seconds(30);
}

json make_job(api::CodeExecution const& execution, resolved_spec const& resolved, input const& in,
              job_parts const& parts, config const& with) {
  std::string const name = child_name(execution.metadata);
  pod_settings const& placed = with.in(execution.metadata.namespace_).pod;
  json const job_labels = with_own(placed.labels, labels(execution));
  json pod_labels = job_labels;
  pod_labels[text(network_label)] = resolved.network_allowed ? "allow" : "deny";
  json const trace = trace_annotations(execution);
  json annotations = trace;
  annotations[text(input_annotation)] = in.sha256;
  annotations[text(code_annotation)] = in.code_sha256;
  annotations[text(runner_annotation)] = parts.runner_config_map;
  annotations[text(token_annotation)] = parts.token;
  json own_of_pod = trace;
  own_of_pod[text(token_annotation)] = parts.token;
  json const pod_metadata = {{"labels", pod_labels}, {"annotations", with_own(placed.annotations, own_of_pod)}};
  json spec = {{"completions", 1},
               {"parallelism", 1},
               {"backoffLimit", 0},
               // A pod that is being deleted is not replaced by another: the code runs once.
               {"podReplacementPolicy", "Failed"},
               {"activeDeadlineSeconds", active_deadline(resolved, with).count()},
               {"template", {{"metadata", pod_metadata}, {"spec", pod_spec(name, resolved, in, parts, with, placed)}}}};
  // What is retained stays until its owner goes, which takes it along.
  if (!resolved.retain) spec["ttlSecondsAfterFinished"] = with.job_ttl.count();
  return {{"apiVersion", "batch/v1"},
          {"kind", "Job"},
          {"metadata",
           {{"name", name},
            {"namespace", execution.metadata.namespace_},
            {"labels", job_labels},
            {"annotations", with_own(placed.annotations, annotations)},
            {"ownerReferences",
             owner(api::api_version, api::kind, execution.metadata.name, execution.metadata.uid, true)}}},
          {"spec", std::move(spec)}};
}

json make_input_config_map(api::CodeExecution const& execution, input const& in, std::string_view job_uid,
                           std::string_view token) {
  std::string const name = child_name(execution.metadata);
  json annotations = json::object();
  annotations[text(input_annotation)] = in.sha256;
  json object = {{"apiVersion", "v1"},
                 {"kind", "ConfigMap"},
                 {"metadata",
                  {{"name", input_name(name, token)},
                   {"namespace", execution.metadata.namespace_},
                   {"labels", labels(execution)},
                   {"annotations", annotations},
                   {"ownerReferences", owner("batch/v1", "Job", name, job_uid, false)}}},
                 {"immutable", true}};
  if (!in.data.empty()) object["data"] = in.data;
  if (!in.binary_data.empty()) object["binaryData"] = in.binary_data;
  return object;
}

json make_runner_config_map(std::string_view ns, std::string_view runner, std::string_view runner_sha256) {
  json object_labels = json::object();
  object_labels[text(api::labels::managed_by)] = api::field_manager;
  object_labels[text(api::labels::component)] = api::components::runner;
  json binary = json::object();
  binary[text(runner_key)] = base::base64_encode(runner);
  return {{"apiVersion", "v1"},
          {"kind", "ConfigMap"},
          {"metadata", {{"name", runner_config_map_name(runner_sha256)}, {"namespace", ns}, {"labels", object_labels}}},
          {"immutable", true},
          {"binaryData", binary}};
}

}  // namespace codeexec::execution
