// Builders of what the tests observe: an execution in namespace "agents" on a cluster that works.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "codeexec/api/names.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/execution/decide.hpp"

namespace codeexec::execution::testing {

using namespace std::chrono_literals;

inline base::wall_time const start_of_time = *base::parse_time("2026-01-31T10:00:00Z");

inline api::CodeExecution make_execution(std::string code = "print('hi')") {
  api::CodeExecution e;
  e.metadata.name = "hello";
  e.metadata.namespace_ = "agents";
  e.metadata.uid = "11111111-2222-3333-4444-555555555555";
  e.metadata.resourceVersion = "7";
  e.metadata.generation = 1;
  e.metadata.creationTimestamp = "2026-01-31T10:00:00Z";
  e.spec.code = std::move(code);
  return e;
}

inline std::shared_ptr<kube::Job const> make_job_seen() {
  kube::Job job;
  job.metadata.name = child_name(make_execution().metadata);
  job.metadata.namespace_ = "agents";
  job.metadata.uid = "job-uid";
  job.metadata.creationTimestamp = "2026-01-31T10:00:00Z";
  job.metadata.annotations[std::string(token_annotation)] = "secret";
  return std::make_shared<kube::Job const>(std::move(job));
}

inline kube::Pod make_pod() {
  kube::Pod pod;
  pod.metadata.name = "hello-pod";
  pod.metadata.namespace_ = "agents";
  pod.metadata.uid = "pod-uid";
  pod.status.phase = "Pending";
  return pod;
}

inline kube::ContainerStatus& container_of(kube::Pod& pod) {
  pod.spec.nodeName = "node-1";
  if (pod.status.containerStatuses.empty()) {
    kube::ContainerStatus container;
    container.name = "code";
    pod.status.containerStatuses.push_back(container);
  }
  return pod.status.containerStatuses.front();
}

inline kube::Pod running_pod() {
  auto pod = make_pod();
  pod.status.phase = "Running";
  container_of(pod).state.running = kube::ContainerStateRunning{start_of_time};
  return pod;
}

inline kube::Pod waiting_pod(std::string reason, std::string message = "") {
  auto pod = make_pod();
  container_of(pod).state.waiting = kube::ContainerStateWaiting{std::move(reason), std::move(message)};
  return pod;
}

/// Ended by its deadline before there was a container: the kubelet then says this of it.
inline kube::Pod never_made_pod() {
  auto pod = make_pod();
  pod.status.phase = "Failed";
  pod.status.reason = "DeadlineExceeded";
  pod.status.message = "Pod was active on the node longer than the specified deadline";
  kube::ContainerStateTerminated terminated;
  terminated.exitCode = 137;
  terminated.reason = "ContainerStatusUnknown";
  terminated.message = "The container could not be located when the pod was terminated";
  container_of(pod).state.terminated = terminated;
  container_of(pod).imageID.clear();
  return pod;
}

inline kube::Pod ended_pod(std::string termination_message, std::string reason = "Completed",
                           std::int64_t exit_code = 0) {
  auto pod = make_pod();
  pod.status.phase = "Running";  // the phase follows a second later
  kube::ContainerStateTerminated terminated;
  terminated.exitCode = exit_code;
  terminated.reason = std::move(reason);
  terminated.message = std::move(termination_message);
  terminated.startedAt = start_of_time;
  terminated.finishedAt = start_of_time + 2s;
  container_of(pod).state.terminated = terminated;
  return pod;
}

inline std::string result_json(std::string const& fields, std::string const& token = "secret") {
  return R"({"v":1,"token":")" + token + R"(",)" + fields + "}";
}
inline std::string exited(int code, std::string const& out = "hi\\n") {
  return result_json(
      R"("end":"exited","exitCode":)" + std::to_string(code) +
      R"(,"startedAt":"2026-01-31T10:00:01.5Z","finishedAt":"2026-01-31T10:00:02.5Z","wallMillis":1000,)"
      R"("cpuMillis":80,"maxRSSBytes":9437184,"gvisor":true,"stdoutBytes":3,"stderrBytes":0,"stdout":")" +
      out + R"(","stderr":"")");
}

/// Where an execution is: accepted by this process, its Job made, its input sent; one second after the start.
struct scene {
  observed seen;
  config with;
  base::wall_time now = start_of_time + 1s;

  explicit scene(api::CodeExecution e = make_execution()) {
    seen.object = std::move(e);
    seen.resolved = resolve(seen.object.spec, with);
    seen.known.accepted = start_of_time;
    seen.known.token = "secret";
    seen.known.runner_config_map = "codeexec-runner-0123456789ab";
  }
  scene& accepted() {
    seen.object.metadata.finalizers = {std::string(api::cleanup_finalizer)};
    seen.known.claimed = start_of_time;
    seen.known.runner_checked = start_of_time;
    seen.known.network_checked = start_of_time;
    return *this;
  }
  scene& with_job() {
    accepted();
    seen.job = make_job_seen();
    seen.known.job_tried = true;
    seen.known.job_created = start_of_time;
    seen.known.input_ready = true;
    return *this;
  }
  scene& with_pod(kube::Pod pod) {
    with_job();
    seen.pod = std::make_shared<kube::Pod const>(std::move(pod));
    return *this;
  }
  scene& log(std::string const& lines, log_state::progress progress = log_state::progress::ended) {
    auto frames = std::make_shared<log_capture>(65536, "secret");
    frames->feed(lines);
    seen.log.frames = frames;
    seen.log.state = progress;
    return *this;
  }
  scene& at(std::chrono::microseconds after_start) {
    now = start_of_time + after_start;
    return *this;
  }

  plan decide() const { return execution::decide(seen, now, with); }
  /// What follows when the plan's state has been remembered and time goes by.
  plan decide_after(std::chrono::microseconds span) {
    auto const first = decide();
    seen.known.shown_phase = first.shown_phase;
    seen.known.shown_reason = first.shown_reason;
    seen.known.shown_message = first.shown_message;
    seen.known.shown_since = first.shown_since;
    now += span;
    return decide();
  }
};

template <class A>
A const* find_action(plan const& p) {
  for (auto const& one : p.actions) {
    if (auto const* const found = std::get_if<A>(&one)) return found;
  }
  return nullptr;
}

inline api::Condition const* find_condition(api::CodeExecutionStatus const& status, std::string_view type) {
  for (auto const& one : status.conditions) {
    if (one.type == type) return &one;
  }
  return nullptr;
}

}  // namespace codeexec::execution::testing
