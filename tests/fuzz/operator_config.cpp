// The operator's configuration file.
//
// Holds: nothing throws; a refusal is one line that can be shown; what is accepted keeps every runtime startable, its
// command one that JSON can hold, and an execution that says nothing but its code within the policy, in every namespace
// that has rules of its own.
#include "codeexec/base/encoding.hpp"
#include "codeexec/execution/build.hpp"
#include "codeexec/execution/config.hpp"

#include "property.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace codeexec;
  auto const config = execution::parse_config(fuzz::as_text(data, size));
  if (!config) {
    fuzz::hold(!config.error().message.empty(), "a refusal says something");
    fuzz::hold(config.error().message.find('\n') == std::string::npos, "a refusal is one line");
    fuzz::hold(base::is_valid_utf8(config.error().message), "a refusal can be shown");
    return 0;
  }
  for (auto const& [name, runtime] : config->runtimes) {
    fuzz::hold(!name.empty(), "a runtime has a name");
    fuzz::hold(!runtime.image.empty() && !runtime.command.empty() && !runtime.file.empty(), "a runtime can be started");
    for (auto const& argument : runtime.command)
      fuzz::hold(base::is_valid_utf8(argument), "a command can be written into a Job");
  }
  api::CodeExecutionSpec plain;
  plain.code = "pass";
  std::vector<execution::namespace_settings const*> all{&*config};
  for (auto const& one : config->namespace_overrides) {
    fuzz::hold(!one.namespaces.empty(), "an override is of some namespace");
    all.push_back(&one.settings);
  }
  for (auto const* const settings : all) {
    auto alone = *config;
    static_cast<execution::namespace_settings&>(alone) = *settings;
    alone.namespace_overrides.clear();
    auto const resolved = execution::resolve(plain, alone);
    fuzz::hold(resolved.has_value() && resolved->violations.empty(), "the defaults are within the policy");
    fuzz::hold(settings->max_running >= 0, "a bound is a number of executions");
  }
  fuzz::hold(config->grace_period.count() >= 0 && config->max_processes >= 0 && config->max_log_followers >= 0,
             "numbers are within their bounds");
  return 0;
}
