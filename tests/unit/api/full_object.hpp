// A CodeExecution in which every field says something. The structured bindings are the point: a field that is added to
// a type does not compile here before it is filled, and then fails the tests until JSON and schema know it too.
#pragma once

#include "codeexec/api/code_execution.hpp"

namespace codeexec::api::test {

inline OwnerReference full_owner_reference() {
  OwnerReference out;
  auto& [api_version, kind, name, uid, controller, block_owner_deletion] = out;
  api_version = "batch/v1";
  kind = "CronJob";
  name = "nightly";
  uid = "7d1f0e9e-0000-4000-8000-000000000001";
  controller = true;
  block_owner_deletion = true;
  return out;
}

inline ObjectMeta full_metadata() {
  ObjectMeta out;
  auto& [name, generate_name, namespace_, uid, resource_version, generation, creation, deletion, labels, annotations,
         finalizers, owners] = out;
  name = "hello";
  generate_name = "hello-";
  namespace_ = "agents";
  uid = "7d1f0e9e-0000-4000-8000-000000000002";
  resource_version = "42";
  generation = 3;
  creation = "2026-01-31T10:00:00Z";
  deletion = "2026-01-31T11:00:00Z";
  labels = {{"team", "research"}};
  annotations = {{"note", "a: b"}};
  finalizers = {"codeexec.dev/cleanup"};
  owners = {full_owner_reference()};
  return out;
}

inline SourceFile full_text_file() {
  SourceFile out;
  auto& [path, content, content_base64] = out;
  path = "data/in.csv";
  content = "a,b\n";
  content_base64 = std::nullopt;
  return out;
}

inline SourceFile full_binary_file() {
  SourceFile out;
  out.path = "logo.png";
  out.contentBase64 = "iVBORw==";
  return out;
}

inline CodeSource full_code_source() {
  CodeSource out;
  auto& [reference] = out;
  auto& [name, key] = reference;
  name = "scripts";
  key = "job.py";
  return out;
}

inline EnvVar full_env() {
  EnvVar out;
  auto& [name, value] = out;
  name = "MODE";
  value = "fast";
  return out;
}

/// With code and codeFrom both, which no server would take: the types can hold it, and so can their JSON.
inline CodeExecutionSpec full_spec() {
  CodeExecutionSpec out;
  auto& [language, code, code_from, files, args, stdin_text, env, image, command, timeout, startup_timeout, resources,
         runtime_class, network, output, cleanup, ttl, cancel, suspend] = out;
  language = "python";
  code = "print('hi')";
  code_from = full_code_source();
  files = {full_text_file(), full_binary_file()};
  args = {"--n", "3"};
  stdin_text = "yes\n";
  env = {full_env()};
  image = "python:3.11-slim";
  command = {"python3", "-u"};
  timeout = 60;
  startup_timeout = 120;
  auto& [requests, limits] = resources;
  requests = {{"cpu", "100m"}, {"memory", "64Mi"}, {"ephemeral-storage", "1Mi"}};
  limits = {{"cpu", "1"}, {"memory", "128Mi"}, {"ephemeral-storage", "1Gi"}};
  runtime_class = "gvisor";
  network = "Allow";
  output.emplace();
  auto& [max_bytes] = *output;
  max_bytes = 1000;
  cleanup = "Retain";
  ttl = 3600;
  cancel = true;
  suspend = true;
  return out;
}

inline Condition full_condition() {
  Condition out;
  auto& [type, status, observed_generation, last_transition, reason, message] = out;
  type = "Ready";
  status = "False";
  observed_generation = 3;
  last_transition = "2026-01-31T10:00:02Z";
  reason = "Signaled";
  message = "Signal 9 ended the program.";
  return out;
}

inline CodeExecutionStatus full_status() {
  CodeExecutionStatus out;
  auto& [observed_generation, phase, reason, message, exit_code, signal, stdout_text, stderr_text, output, start,
         completion, duration, timeline, usage, job, pod, node, image, image_id, code_sha256, sandbox, conditions] =
      out;
  observed_generation = 3;
  phase = "Failed";
  reason = "Signaled";
  message = "Signal 9 ended the program.";
  exit_code = 1;
  signal = 9;
  stdout_text = "hi\n";
  stderr_text = "oh\n";
  output.emplace();
  auto& [stdout_bytes, stderr_bytes, stdout_truncated, stderr_truncated, stdout_omitted, stderr_omitted] = *output;
  stdout_omitted = OmittedOutput{90, 5, 40};
  stderr_omitted = OmittedOutput{7, 11, 41};
  stdout_bytes = 3;
  stderr_bytes = 3;
  stdout_truncated = true;
  stderr_truncated = true;
  start = "2026-01-31T10:00:00Z";
  completion = "2026-01-31T10:00:01Z";
  duration = "1.2s";
  timeline.emplace();
  auto& [accepted, job_created, pod_scheduled, code_started, code_finished, captured] = *timeline;
  accepted = "2026-01-31T09:59:58.000001Z";
  job_created = "2026-01-31T09:59:58.000002Z";
  pod_scheduled = "2026-01-31T09:59:58.000003Z";
  code_started = "2026-01-31T10:00:00.000004Z";
  code_finished = "2026-01-31T10:00:01.000005Z";
  captured = "2026-01-31T10:00:01.000006Z";
  usage.emplace();
  auto& [wall, cpu, max_rss] = *usage;
  wall = 1203;
  cpu = 87;
  max_rss = 9437184;
  job = "hello-abc";
  pod = "hello-abc-xyz";
  node = "node-1";
  image = "python:3.11-slim";
  image_id = "docker.io/library/python@sha256:00";
  code_sha256 = "1f";
  sandbox.emplace();
  auto& [runtime_class, verified] = *sandbox;
  runtime_class = "gvisor";
  verified = true;
  conditions = {full_condition()};
  return out;
}

inline CodeExecution full_code_execution() {
  CodeExecution out;
  auto& [metadata, spec, status] = out;
  metadata = full_metadata();
  spec = full_spec();
  status = full_status();
  return out;
}

}  // namespace codeexec::api::test
