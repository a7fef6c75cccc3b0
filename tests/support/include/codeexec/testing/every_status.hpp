// A CodeExecution in every phase, for every reason, as the operator writes it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "codeexec/api/json.hpp"
#include "codeexec/api/names.hpp"
#include "codeexec/execution/status.hpp"

namespace codeexec::testing {

struct written_status {
  std::string phase;
  std::string reason;
  nlohmann::json object;

  bool is_final() const { return phase == api::phases::succeeded || phase == api::phases::failed; }
};

inline std::vector<written_status> every_status() {
  execution::observed seen;
  seen.object.metadata.name = "hello";
  seen.object.metadata.namespace_ = "agents";
  seen.object.metadata.uid = "11111111-2222-3333-4444-555555555555";
  seen.object.metadata.generation = 3;
  seen.object.spec.code = "print('hi')";
  execution::config const with;
  seen.resolved = execution::resolve(seen.object.spec, with);
  auto const now = *base::parse_time("2026-01-31T10:00:00Z");
  std::vector<written_status> all;
  auto const add = [&](api::CodeExecutionStatus status) {
    auto object = seen.object;
    object.status = std::move(status);
    all.push_back({object.status.phase, object.status.reason, api::encode(object)});
  };
  for (auto const reason : api::reasons::passing_ones) {
    auto const phase = reason == api::reasons::running ? api::phases::running : api::phases::pending;
    add(execution::make_progress_status(seen, phase, reason, "What it waits for.", now));
  }
  // As it comes about: over a status that said something else.
  seen.object.status = execution::make_progress_status(seen, api::phases::running, api::reasons::running, "", now);
  for (auto const reason : api::reasons::final_ones) {
    add(execution::make_final_status(seen, {reason, "What happened.", std::nullopt, false}, now));
  }
  return all;
}

}  // namespace codeexec::testing
