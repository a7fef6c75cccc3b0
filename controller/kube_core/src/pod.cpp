#include "codeexec/kube_core/pod.hpp"

#include "field_reader.hpp"

namespace codeexec::kube {
namespace {

ContainerState read_state(field_reader& state) {
  ContainerState out;
  state.object("waiting", [&](field_reader& waiting) {
    auto& to = out.waiting.emplace();
    waiting.read("reason", to.reason);
    waiting.read("message", to.message);
  });
  state.object("running", [&](field_reader& running) { running.read("startedAt", out.running.emplace().startedAt); });
  state.object("terminated", [&](field_reader& terminated) {
    auto& to = out.terminated.emplace();
    terminated.read("exitCode", to.exitCode);
    terminated.read("signal", to.signal);
    terminated.read("reason", to.reason);
    terminated.read("message", to.message);
    terminated.read("startedAt", to.startedAt);
    terminated.read("finishedAt", to.finishedAt);
  });
  return out;
}

}  // namespace

api::Condition const* PodStatus::condition(std::string_view type) const {
  return find_condition(conditions, type);
}

ContainerStateTerminated const* ContainerStatus::ended() const {
  if (!state.terminated) return nullptr;
  auto const& end = *state.terminated;
  bool const never_made = end.reason == "ContainerStatusUnknown" && !end.startedAt && imageID.empty();
  return never_made ? nullptr : &end;
}

ContainerStatus const* PodStatus::container(std::string_view name) const {
  for (auto const& one : containerStatuses) {
    if (one.name == name) return &one;
  }
  return nullptr;
}

std::variant<Pod, api::decode_error> decode_pod(nlohmann::json const& object) {
  return decode_object<Pod>(object, [](field_reader& root, Pod& pod) {
    root.object("spec", [&](field_reader& spec) {
      spec.read("nodeName", pod.spec.nodeName);
      spec.read("runtimeClassName", pod.spec.runtimeClassName);
      spec.each("containers", [&](field_reader& one) {
        auto& to = pod.spec.containers.emplace_back();
        one.read("name", to.name);
        one.read("image", to.image);
      });
    });
    root.object("status", [&](field_reader& status) {
      status.read("phase", pod.status.phase);
      status.read("reason", pod.status.reason);
      status.read("message", pod.status.message);
      status.read("startTime", pod.status.startTime);
      read_conditions(status, pod.status.conditions);
      status.each("containerStatuses", [&](field_reader& one) {
        auto& to = pod.status.containerStatuses.emplace_back();
        one.read("name", to.name);
        one.read("image", to.image);
        one.read("imageID", to.imageID);
        one.read("restartCount", to.restartCount);
        one.object("state", [&](field_reader& state) { to.state = read_state(state); });
      });
    });
  });
}

projection const& pod_fields() {
  static projection const kept{kept_metadata(),
                               {"spec", {"nodeName", "runtimeClassName", {"containers", {"name", "image"}}}},
                               {"status",
                                {"phase",
                                 "reason",
                                 "message",
                                 "startTime",
                                 kept_conditions(),
                                 {"containerStatuses", {"name", "image", "imageID", "restartCount", "state"}}}}};
  return kept;
}

}  // namespace codeexec::kube
