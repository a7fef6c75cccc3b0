#include "codeexec/api/json.hpp"

#include <cstddef>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "codeexec/api/names.hpp"

namespace codeexec::api {
namespace {

using nlohmann::json;

// --- reading ---------------------------------------------------------------------------------------------------------

/// One value and the way to it, as a chain on the stack: the path is spelled out only when something is wrong.
class place {
 public:
  place(json const& root, std::string_view name, std::optional<decode_error>& error)
      : value_(root), parent_(nullptr), key_(name), index_(no_index), error_(error) {}
  place(json const& value, place const& parent, std::string_view key)
      : value_(value), parent_(&parent), key_(key), index_(no_index), error_(parent.error_) {}
  place(json const& value, place const& parent, std::size_t index)
      : value_(value), parent_(&parent), index_(index), error_(parent.error_) {}

  json const& value() const { return value_; }
  bool failed() const { return error_.has_value(); }

  /// The first thing found wrong is the one reported.
  void fail(std::string message) const {
    if (!error_) error_ = decode_error{path(), std::move(message)};
  }
  void fail_type(char const* expected) const { fail(std::string("expected ") + expected + ", got " + name_of_type()); }

 private:
  static constexpr std::size_t no_index = std::numeric_limits<std::size_t>::max();

  std::string path() const {
    auto out = parent_ != nullptr ? parent_->path() : std::string();
    if (index_ != no_index) return out + "[" + std::to_string(index_) + "]";
    if (!out.empty() && !key_.empty()) out += '.';
    return out.append(key_);
  }

  char const* name_of_type() const {
    switch (value_.type()) {
      case json::value_t::object:
        return "an object";
      case json::value_t::array:
        return "a list";
      case json::value_t::string:
        return "a string";
      case json::value_t::boolean:
        return "a boolean";
      case json::value_t::number_integer:
      case json::value_t::number_unsigned:
      case json::value_t::number_float:
        return "a number";
      case json::value_t::null:
        return "null";
      case json::value_t::binary:
      case json::value_t::discarded:
        break;
    }
    return "something that is not JSON";
  }

  json const& value_;
  place const* parent_;
  std::string_view key_;
  std::size_t index_;
  std::optional<decode_error>& error_;
};

bool expect_object(place const& at) {
  if (at.value().is_object()) return true;
  at.fail_type("an object");
  return false;
}

void read(place const& at, std::string& out) {
  auto const* text = at.value().get_ptr<std::string const*>();
  if (text == nullptr) return at.fail_type("a string");
  out = *text;
}

void read(place const& at, bool& out) {
  auto const* value = at.value().get_ptr<bool const*>();
  if (value == nullptr) return at.fail_type("a boolean");
  out = *value;
}

void read(place const& at, std::int64_t& out) {
  auto const& value = at.value();
  if (!value.is_number_integer()) return at.fail_type("an integer");
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max()) {
    return at.fail("is larger than 64 bits hold");
  }
  out = value.get<std::int64_t>();
}

void read(place const& at, std::map<std::string, std::string>& out) {
  if (!expect_object(at)) return;
  for (auto const& [key, value] : at.value().items()) {
    if (!value.is_null()) read(place(value, at, key), out[key]);
  }
}

void read(place const& at, OwnerReference& out);
void read(place const& at, ObjectMeta& out);
void read(place const& at, Condition& out);
void read(place const& at, ConfigMapKeyRef& out);
void read(place const& at, CodeSource& out);
void read(place const& at, SourceFile& out);
void read(place const& at, EnvVar& out);
void read(place const& at, ResourceRequirements& out);
void read(place const& at, OutputSpec& out);
void read(place const& at, CodeExecutionSpec& out);
void read(place const& at, OutputStatus& out);
void read(place const& at, OmittedOutput& out);
void read(place const& at, Timeline& out);
void read(place const& at, Usage& out);
void read(place const& at, SandboxStatus& out);
void read(place const& at, CodeExecutionStatus& out);

template <class T>
void read(place const& at, std::vector<T>& out) {
  if (!at.value().is_array()) return at.fail_type("a list");
  out.reserve(at.value().size());
  for (std::size_t i = 0; i < at.value().size() && !at.failed(); ++i) {
    read(place(at.value()[i], at, i), out.emplace_back());
  }
}

template <class T>
void read(place const& at, std::optional<T>& out) {
  read(at, out.emplace());
}

template <class T>
void read(place const& at, boxed<T>& out) {
  read(at, out.emplace());
}

/// Absent and null are the same: the field keeps its "not there".
template <class T>
void field(place const& object, char const* name, T& out) {
  if (object.failed()) return;
  auto const found = object.value().find(name);
  if (found == object.value().end() || found->is_null()) return;
  read(place(*found, object, name), out);
}

/// A quantity may be written as a string or, like `cpu: 2`, as an integer.
void quantities(place const& object, char const* name, std::map<std::string, std::string>& out) {
  if (object.failed()) return;
  auto const found = object.value().find(name);
  if (found == object.value().end() || found->is_null()) return;
  place const list(*found, object, name);
  if (!expect_object(list)) return;
  for (auto const& [resource, value] : found->items()) {
    if (value.is_null()) continue;
    if (value.is_number_integer()) {
      out[resource] = value.dump();
    } else if (value.is_string()) {
      out[resource] = value.get_ref<std::string const&>();
    } else {
      place(value, list, resource).fail_type("a quantity (a string or an integer)");
    }
  }
}

void read(place const& at, OwnerReference& out) {
  if (!expect_object(at)) return;
  field(at, "apiVersion", out.apiVersion);
  field(at, "kind", out.kind);
  field(at, "name", out.name);
  field(at, "uid", out.uid);
  field(at, "controller", out.controller);
  field(at, "blockOwnerDeletion", out.blockOwnerDeletion);
}

void read(place const& at, ObjectMeta& out) {
  if (!expect_object(at)) return;
  field(at, "name", out.name);
  field(at, "generateName", out.generateName);
  field(at, "namespace", out.namespace_);
  field(at, "uid", out.uid);
  field(at, "resourceVersion", out.resourceVersion);
  field(at, "generation", out.generation);
  field(at, "creationTimestamp", out.creationTimestamp);
  field(at, "deletionTimestamp", out.deletionTimestamp);
  field(at, "labels", out.labels);
  field(at, "annotations", out.annotations);
  field(at, "finalizers", out.finalizers);
  field(at, "ownerReferences", out.ownerReferences);
}

void read(place const& at, Condition& out) {
  if (!expect_object(at)) return;
  field(at, "type", out.type);
  field(at, "status", out.status);
  field(at, "observedGeneration", out.observedGeneration);
  field(at, "lastTransitionTime", out.lastTransitionTime);
  field(at, "reason", out.reason);
  field(at, "message", out.message);
}

void read(place const& at, ConfigMapKeyRef& out) {
  if (!expect_object(at)) return;
  field(at, "name", out.name);
  field(at, "key", out.key);
}

void read(place const& at, CodeSource& out) {
  if (!expect_object(at)) return;
  field(at, "configMapKeyRef", out.configMapKeyRef);
}

void read(place const& at, SourceFile& out) {
  if (!expect_object(at)) return;
  field(at, "path", out.path);
  field(at, "content", out.content);
  field(at, "contentBase64", out.contentBase64);
}

void read(place const& at, EnvVar& out) {
  if (!expect_object(at)) return;
  field(at, "name", out.name);
  field(at, "value", out.value);
}

void read(place const& at, ResourceRequirements& out) {
  if (!expect_object(at)) return;
  quantities(at, "requests", out.requests);
  quantities(at, "limits", out.limits);
}

void read(place const& at, OutputSpec& out) {
  if (!expect_object(at)) return;
  field(at, "maxBytes", out.maxBytes);
}

void read(place const& at, CodeExecutionSpec& out) {
  if (!expect_object(at)) return;
  field(at, "language", out.language);
  field(at, "code", out.code);
  field(at, "codeFrom", out.codeFrom);
  field(at, "files", out.files);
  field(at, "args", out.args);
  field(at, "stdin", out.stdin_);
  field(at, "env", out.env);
  field(at, "image", out.image);
  field(at, "command", out.command);
  field(at, "timeoutSeconds", out.timeoutSeconds);
  field(at, "startupTimeoutSeconds", out.startupTimeoutSeconds);
  field(at, "resources", out.resources);
  field(at, "runtimeClassName", out.runtimeClassName);
  field(at, "network", out.network);
  field(at, "output", out.output);
  field(at, "cleanupPolicy", out.cleanupPolicy);
  field(at, "ttlSecondsAfterFinished", out.ttlSecondsAfterFinished);
  field(at, "cancel", out.cancel);
  field(at, "suspend", out.suspend);
}

void read(place const& at, OutputStatus& out) {
  if (!expect_object(at)) return;
  field(at, "stdoutBytes", out.stdoutBytes);
  field(at, "stderrBytes", out.stderrBytes);
  field(at, "stdoutTruncated", out.stdoutTruncated);
  field(at, "stderrTruncated", out.stderrTruncated);
  field(at, "stdoutOmitted", out.stdoutOmitted);
  field(at, "stderrOmitted", out.stderrOmitted);
}

void read(place const& at, OmittedOutput& out) {
  if (!expect_object(at)) return;
  field(at, "bytes", out.bytes);
  field(at, "markerOffset", out.markerOffset);
  field(at, "markerLength", out.markerLength);
}

void read(place const& at, Timeline& out) {
  if (!expect_object(at)) return;
  field(at, "accepted", out.accepted);
  field(at, "jobCreated", out.jobCreated);
  field(at, "podScheduled", out.podScheduled);
  field(at, "codeStarted", out.codeStarted);
  field(at, "codeFinished", out.codeFinished);
  field(at, "captured", out.captured);
}

void read(place const& at, Usage& out) {
  if (!expect_object(at)) return;
  field(at, "wallMillis", out.wallMillis);
  field(at, "cpuMillis", out.cpuMillis);
  field(at, "maxRSSBytes", out.maxRSSBytes);
}

void read(place const& at, SandboxStatus& out) {
  if (!expect_object(at)) return;
  field(at, "runtimeClassName", out.runtimeClassName);
  field(at, "verified", out.verified);
}

void read(place const& at, CodeExecutionStatus& out) {
  if (!expect_object(at)) return;
  field(at, "observedGeneration", out.observedGeneration);
  field(at, "phase", out.phase);
  field(at, "reason", out.reason);
  field(at, "message", out.message);
  field(at, "exitCode", out.exitCode);
  field(at, "signal", out.signal);
  field(at, "stdout", out.stdout_);
  field(at, "stderr", out.stderr_);
  field(at, "output", out.output);
  field(at, "startTime", out.startTime);
  field(at, "completionTime", out.completionTime);
  field(at, "duration", out.duration);
  field(at, "timeline", out.timeline);
  field(at, "usage", out.usage);
  field(at, "jobName", out.jobName);
  field(at, "podName", out.podName);
  field(at, "nodeName", out.nodeName);
  field(at, "image", out.image);
  field(at, "imageID", out.imageID);
  field(at, "codeSHA256", out.codeSHA256);
  field(at, "sandbox", out.sandbox);
  field(at, "conditions", out.conditions);
}

// --- writing ---------------------------------------------------------------------------------------------------------
// Absent and empty are left out; numbers and booleans of an object that is there are always written, zero and false
// too.

void put(json& object, char const* name, std::string const& value) {
  if (!value.empty()) object[name] = value;
}
void put(json& object, char const* name, std::vector<std::string> const& value) {
  if (!value.empty()) object[name] = value;
}
void put(json& object, char const* name, std::map<std::string, std::string> const& value) {
  if (!value.empty()) object[name] = value;
}
template <class T>
void put(json& object, char const* name, std::optional<T> const& value) {
  if (value) object[name] = *value;
}
template <class T>
void put(json& object, char const* name, boxed<T> const& value) {
  if (value) object[name] = *value;
}

json encode_condition(Condition const& condition) {
  // metav1 requires all of them but observedGeneration: an empty message is written too.
  json out{{"type", condition.type},
           {"status", condition.status},
           {"lastTransitionTime", condition.lastTransitionTime},
           {"reason", condition.reason},
           {"message", condition.message}};
  put(out, "observedGeneration", condition.observedGeneration);
  return out;
}

json encode_file(SourceFile const& file) {
  json out{{"path", file.path}};
  put(out, "content", file.content);
  put(out, "contentBase64", file.contentBase64);
  return out;
}

json encode_omitted(OmittedOutput const& omitted) {
  return {{"bytes", omitted.bytes}, {"markerOffset", omitted.markerOffset}, {"markerLength", omitted.markerLength}};
}

json encode_timeline(Timeline const& timeline) {
  auto out = json::object();
  put(out, "accepted", timeline.accepted);
  put(out, "jobCreated", timeline.jobCreated);
  put(out, "podScheduled", timeline.podScheduled);
  put(out, "codeStarted", timeline.codeStarted);
  put(out, "codeFinished", timeline.codeFinished);
  put(out, "captured", timeline.captured);
  return out;
}

json encode_sandbox(SandboxStatus const& sandbox) {
  json out{{"verified", sandbox.verified}};
  put(out, "runtimeClassName", sandbox.runtimeClassName);
  return out;
}

template <class Decoded>
std::variant<Decoded, decode_error> decoded_or(Decoded value, std::optional<decode_error> error) {
  if (error) return std::move(*error);
  return value;
}

}  // namespace

std::variant<CodeExecution, decode_error> decode_code_execution(json const& object) {
  std::optional<decode_error> error;
  CodeExecution out;
  place const root(object, "", error);
  if (expect_object(root)) {
    field(root, "metadata", out.metadata);
    field(root, "spec", out.spec);
    field(root, "status", out.status);
  }
  return decoded_or(std::move(out), std::move(error));
}

std::variant<ObjectMeta, decode_error> decode_object_meta(json const& metadata) {
  std::optional<decode_error> error;
  ObjectMeta out;
  read(place(metadata, "metadata", error), out);
  return decoded_or(std::move(out), std::move(error));
}

json encode(OwnerReference const& reference) {
  return json{{"apiVersion", reference.apiVersion},
              {"kind", reference.kind},
              {"name", reference.name},
              {"uid", reference.uid},
              {"controller", reference.controller},
              {"blockOwnerDeletion", reference.blockOwnerDeletion}};
}

json encode(ObjectMeta const& metadata) {
  auto out = json::object();
  put(out, "name", metadata.name);
  put(out, "generateName", metadata.generateName);
  put(out, "namespace", metadata.namespace_);
  put(out, "uid", metadata.uid);
  put(out, "resourceVersion", metadata.resourceVersion);
  if (metadata.generation != 0) out["generation"] = metadata.generation;
  put(out, "creationTimestamp", metadata.creationTimestamp);
  put(out, "deletionTimestamp", metadata.deletionTimestamp);
  put(out, "labels", metadata.labels);
  put(out, "annotations", metadata.annotations);
  put(out, "finalizers", metadata.finalizers);
  for (auto const& reference : metadata.ownerReferences)
    out["ownerReferences"].push_back(encode(reference));
  return out;
}

json encode(CodeExecutionSpec const& spec) {
  auto out = json::object();
  put(out, "language", spec.language);
  put(out, "code", spec.code);
  if (spec.codeFrom) {
    auto const& reference = spec.codeFrom->configMapKeyRef;
    out["codeFrom"]["configMapKeyRef"] = json{{"name", reference.name}, {"key", reference.key}};
  }
  for (auto const& file : spec.files)
    out["files"].push_back(encode_file(file));
  put(out, "args", spec.args);
  put(out, "stdin", spec.stdin_);
  for (auto const& variable : spec.env)
    out["env"].push_back(json{{"name", variable.name}, {"value", variable.value}});
  put(out, "image", spec.image);
  put(out, "command", spec.command);
  put(out, "timeoutSeconds", spec.timeoutSeconds);
  put(out, "startupTimeoutSeconds", spec.startupTimeoutSeconds);
  if (!spec.resources.empty()) {
    auto& resources = out["resources"];
    put(resources, "requests", spec.resources.requests);
    put(resources, "limits", spec.resources.limits);
  }
  put(out, "runtimeClassName", spec.runtimeClassName);
  put(out, "network", spec.network);
  if (spec.output) {
    out["output"] = json::object();
    put(out["output"], "maxBytes", spec.output->maxBytes);
  }
  put(out, "cleanupPolicy", spec.cleanupPolicy);
  put(out, "ttlSecondsAfterFinished", spec.ttlSecondsAfterFinished);
  if (spec.cancel) out["cancel"] = true;
  if (spec.suspend) out["suspend"] = true;
  return out;
}

json encode(CodeExecutionStatus const& status) {
  auto out = json::object();
  put(out, "observedGeneration", status.observedGeneration);
  put(out, "phase", status.phase);
  put(out, "reason", status.reason);
  put(out, "message", status.message);
  put(out, "exitCode", status.exitCode);
  put(out, "signal", status.signal);
  put(out, "stdout", status.stdout_);
  put(out, "stderr", status.stderr_);
  if (status.output) {
    out["output"] = json{{"stdoutBytes", status.output->stdoutBytes},
                         {"stderrBytes", status.output->stderrBytes},
                         {"stdoutTruncated", status.output->stdoutTruncated},
                         {"stderrTruncated", status.output->stderrTruncated}};
    if (status.output->stdoutOmitted) out["output"]["stdoutOmitted"] = encode_omitted(*status.output->stdoutOmitted);
    if (status.output->stderrOmitted) out["output"]["stderrOmitted"] = encode_omitted(*status.output->stderrOmitted);
  }
  put(out, "startTime", status.startTime);
  put(out, "completionTime", status.completionTime);
  put(out, "duration", status.duration);
  if (status.timeline) out["timeline"] = encode_timeline(*status.timeline);
  if (status.usage) {
    out["usage"] = json{{"wallMillis", status.usage->wallMillis},
                        {"cpuMillis", status.usage->cpuMillis},
                        {"maxRSSBytes", status.usage->maxRSSBytes}};
  }
  put(out, "jobName", status.jobName);
  put(out, "podName", status.podName);
  put(out, "nodeName", status.nodeName);
  put(out, "image", status.image);
  put(out, "imageID", status.imageID);
  put(out, "codeSHA256", status.codeSHA256);
  if (status.sandbox) out["sandbox"] = encode_sandbox(*status.sandbox);
  for (auto const& condition : status.conditions)
    out["conditions"].push_back(encode_condition(condition));
  return out;
}

json encode(CodeExecution const& object) {
  json out{{"apiVersion", api_version}, {"kind", kind}, {"metadata", encode(object.metadata)}};
  out["spec"] = encode(object.spec);
  if (auto status = encode(object.status); !status.empty()) out["status"] = std::move(status);
  return out;
}

}  // namespace codeexec::api
