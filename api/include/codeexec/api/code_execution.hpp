// CodeExecution, codeexec.dev/v1alpha1, as C++ types. Field names are those of the YAML, so that a search finds both.
// The CRD (crds/codeexecution.yaml) sets the defaults; a field that is absent on the wire is empty here.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "codeexec/api/boxed.hpp"
#include "codeexec/api/meta.hpp"

namespace codeexec::api {

struct ConfigMapKeyRef {
  std::string name;
  std::string key;
};

struct CodeSource {
  ConfigMapKeyRef configMapKeyRef;
};

struct SourceFile {
  std::string path;
  std::optional<std::string> content;
  std::optional<std::string> contentBase64;
};

struct EnvVar {
  std::string name;
  std::string value;
};

struct ResourceRequirements {
  std::map<std::string, std::string> requests;
  std::map<std::string, std::string> limits;

  bool empty() const { return requests.empty() && limits.empty(); }
};

struct OutputSpec {
  std::optional<std::int64_t> maxBytes;
};

struct CodeExecutionSpec {
  std::optional<std::string> language;
  std::optional<std::string> code;
  boxed<CodeSource> codeFrom;
  std::vector<SourceFile> files;
  std::vector<std::string> args;
  boxed<std::string> stdin_;  ///< "stdin" on the wire (stdin is a macro in C)
  std::vector<EnvVar> env;
  std::optional<std::string> image;
  std::vector<std::string> command;
  std::optional<std::int64_t> timeoutSeconds;
  std::optional<std::int64_t> startupTimeoutSeconds;
  ResourceRequirements resources;
  std::optional<std::string> runtimeClassName;
  std::optional<std::string> network;
  std::optional<OutputSpec> output;
  std::optional<std::string> cleanupPolicy;
  std::optional<std::int64_t> ttlSecondsAfterFinished;
  bool cancel = false;
  bool suspend = false;
};

/// What is missing in the middle of a stream, and the line that stands for it in its text.
struct OmittedOutput {
  std::int64_t bytes = 0;         ///< of the stream, as the code wrote them
  std::int64_t markerOffset = 0;  ///< in the text's UTF-8 bytes: before it is the stream's beginning
  std::int64_t markerLength = 0;  ///< its line breaks included; after it is the stream's end

  friend bool operator==(OmittedOutput const&, OmittedOutput const&) = default;
};

struct OutputStatus {
  std::int64_t stdoutBytes = 0;
  std::int64_t stderrBytes = 0;
  bool stdoutTruncated = false;
  bool stderrTruncated = false;
  std::optional<OmittedOutput> stdoutOmitted{};  ///< absent where stdout is whole
  std::optional<OmittedOutput> stderrOmitted{};

  friend bool operator==(OutputStatus const&, OutputStatus const&) = default;
};

/// RFC 3339 with microseconds; empty where the step has not been reached.
struct Timeline {
  std::string accepted;
  std::string jobCreated;
  std::string podScheduled;
  std::string codeStarted;
  std::string codeFinished;
  std::string captured;

  friend bool operator==(Timeline const&, Timeline const&) = default;
};

struct Usage {
  std::int64_t wallMillis = 0;
  std::int64_t cpuMillis = 0;
  std::int64_t maxRSSBytes = 0;

  friend bool operator==(Usage const&, Usage const&) = default;
};

struct SandboxStatus {
  std::string runtimeClassName;
  bool verified = false;

  friend bool operator==(SandboxStatus const&, SandboxStatus const&) = default;
};

struct CodeExecutionStatus {
  std::optional<std::int64_t> observedGeneration;
  std::string phase;
  std::string reason;
  std::string message;
  std::optional<std::int64_t> exitCode;
  std::optional<std::int64_t> signal;
  boxed<std::string> stdout_;  ///< "stdout" on the wire
  boxed<std::string> stderr_;  ///< "stderr" on the wire
  boxed<OutputStatus> output;
  std::string startTime;
  std::string completionTime;
  std::string duration;  ///< usage.wallMillis for people: format_duration() of duration.hpp; a printer column
  boxed<Timeline> timeline;
  std::optional<Usage> usage;
  std::string jobName;
  std::string podName;
  std::string nodeName;
  std::string image;
  std::string imageID;
  std::string codeSHA256;
  boxed<SandboxStatus> sandbox;
  std::vector<Condition> conditions;

  /// Succeeded or Failed: the result stands and never changes again.
  bool is_final() const { return phase == "Succeeded" || phase == "Failed"; }

  friend bool operator==(CodeExecutionStatus const&, CodeExecutionStatus const&) = default;
};

struct CodeExecution {
  ObjectMeta metadata;
  CodeExecutionSpec spec;
  CodeExecutionStatus status;
};

}  // namespace codeexec::api
