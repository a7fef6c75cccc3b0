#include "codeexec/execution/policy.hpp"

#include <algorithm>

#include "codeexec/api/quantity.hpp"
#include "codeexec/execution/build.hpp"
#include "codeexec/execution/config.hpp"

namespace codeexec::execution {
namespace {

using violations_found = std::vector<api::violation>;

/// What came from a spec or a configuration, short and on one line; validate() has refused what is not printable.
std::string in_short(std::string_view text) {
  constexpr std::size_t longest = 120;
  if (text.size() <= longest) return "\"" + std::string(text) + "\"";
  return "\"" + std::string(text.substr(0, longest)) + "...\"";
}

std::string listed(std::vector<std::string> const& allowed) {
  if (allowed.empty()) return "none";
  constexpr std::size_t most = 12;
  std::string out;
  for (std::size_t i = 0; i < std::min(allowed.size(), most); ++i)
    out += (i == 0 ? "" : ", ") + (allowed[i].empty() ? "\"\"" : allowed[i]);
  if (allowed.size() > most) out += " and " + std::to_string(allowed.size() - most) + " more";
  return out;
}

void check_number(char const* field, std::int64_t value, number_bounds const& allowed, violations_found& out) {
  auto const text = std::to_string(value);
  if (value > allowed.max) out.push_back({field, text + " is more than the allowed " + std::to_string(allowed.max)});
  if (value < allowed.min) {
    out.push_back({field, text + " is less than " + std::to_string(allowed.min) + ", the least that is allowed"});
  }
}

void check_choice(char const* field, std::string const& value, std::vector<std::string> const& allowed,
                  violations_found& out) {
  if (matches_any(allowed, value)) return;
  out.push_back({field, in_short(value) + " is not allowed (allowed: " + listed(allowed) + ")"});
}

/// `value` as Kubernetes will take it; absent where nobody says one.
void check_quantity(std::string const& field, std::optional<std::string> const& value, quantity_bounds const& allowed,
                    violations_found& out) {
  auto const amount = value ? api::quantity::parse(*value) : std::nullopt;
  auto const max = allowed.max ? api::quantity::parse(*allowed.max) : std::nullopt;
  auto const min = allowed.min ? api::quantity::parse(*allowed.min) : std::nullopt;
  if (max && !amount) {
    out.push_back({field, "is not set, which would be without bound; at most " + *allowed.max + " is allowed"});
  } else if (max && *amount > *max) {
    out.push_back({field, *value + " is more than the allowed " + *allowed.max});
  }
  if (min && (!amount || *amount < *min)) {
    out.push_back(
        {field, (value ? *value : "nothing") + " is less than " + *allowed.min + ", the least that is allowed"});
  }
}

std::optional<std::string> entry(std::map<std::string, std::string> const& of, std::string const& name) {
  auto const found = of.find(name);
  return found == of.end() ? std::nullopt : std::optional(found->second);
}

void check_resources(api::ResourceRequirements const& effective, execution_policy const& policy,
                     violations_found& out) {
  for (auto const& [name, allowed] : policy.requests) {
    auto request = entry(effective.requests, name);
    // Kubernetes takes the limit for a request that nobody states; without either, nothing is reserved.
    if (!request) request = entry(effective.limits, name).value_or("0");
    check_quantity("spec.resources.requests." + name, request, allowed, out);
  }
  for (auto const& [name, allowed] : policy.limits)
    check_quantity("spec.resources.limits." + name, entry(effective.limits, name), allowed, out);
}

void check_image(api::CodeExecutionSpec const& spec, resolved_spec const& resolved, execution_policy const& policy,
                 config const& with, violations_found& out) {
  std::string const field = spec.image ? "spec.image" : "spec.language";
  std::string const what = spec.image ? in_short(resolved.image)
                                      : "the image " + in_short(resolved.image) + " of " + in_short(resolved.language);
  bool const of_a_runtime = std::any_of(with.runtimes.begin(), with.runtimes.end(),
                                        [&](auto const& one) { return one.second.image == resolved.image; });
  if (!of_a_runtime && !matches_any(policy.allowed_images, resolved.image)) {
    out.push_back(
        {field, what + " is not allowed (allowed: the languages' own, and " + listed(policy.allowed_images) + ")"});
  }
  if (policy.require_image_digest && !has_digest(resolved.image)) {
    out.push_back({field, what + " has no digest; NAME@sha256:DIGEST is required"});
  }
}

}  // namespace

bool matches_pattern(std::string_view pattern, std::string_view text) {
  // The last star is the only one worth going back to: what an earlier one could take, a later one can take too. Of the
  // two kinds each has its own place to go back to, since "**" may cross what "*" may not.
  struct retry {
    std::size_t pattern = std::string_view::npos;
    std::size_t text = 0;
  };
  retry narrow;
  retry wide;
  std::size_t p = 0;
  std::size_t t = 0;
  while (t < text.size() || p < pattern.size()) {
    if (p < pattern.size()) {
      if (pattern.substr(p).starts_with("**")) {
        p += 2;
        wide = {p, t};
        narrow = {};
        continue;
      }
      if (pattern[p] == '*') {
        ++p;
        narrow = {p, t};
        continue;
      }
      bool const one = t < text.size() && (pattern[p] == '?' ? text[t] != '/' : pattern[p] == text[t]);
      if (one) {
        ++p;
        ++t;
        continue;
      }
    }
    if (narrow.pattern != std::string_view::npos && narrow.text < text.size() && text[narrow.text] != '/') {
      p = narrow.pattern;
      t = ++narrow.text;
    } else if (wide.pattern != std::string_view::npos && wide.text < text.size()) {
      p = wide.pattern;
      t = ++wide.text;
      narrow = {};
    } else {
      return false;
    }
  }
  return true;
}

bool matches_any(std::vector<std::string> const& patterns, std::string_view text) {
  return std::any_of(patterns.begin(), patterns.end(), [&](auto const& one) { return matches_pattern(one, text); });
}

bool is_plain(std::string_view pattern) {
  return pattern.find_first_of("*?") == std::string_view::npos;
}

bool has_digest(std::string_view image) {
  constexpr std::string_view mark = "@sha256:";
  auto const at = image.rfind(mark);
  if (at == std::string_view::npos || at == 0) return false;
  auto const digits = image.substr(at + mark.size());
  return digits.size() == 64 && digits.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

violations_found check_policy(api::CodeExecutionSpec const& spec, resolved_spec const& resolved,
                              execution_policy const& policy, config const& with) {
  violations_found out;
  check_choice("spec.language", resolved.language, policy.allowed_languages, out);
  if (spec.codeFrom && !policy.allow_code_from) {
    out.push_back({"spec.codeFrom", "is not allowed; put the code into spec.code"});
  }
  check_image(spec, resolved, policy, with, out);
  check_number("spec.timeoutSeconds", resolved.timeout.count(), policy.timeout_seconds, out);
  check_number("spec.startupTimeoutSeconds", resolved.startup_timeout.count(), policy.startup_timeout_seconds, out);
  check_resources(resolved.resources, policy, out);
  check_choice("spec.runtimeClassName", resolved.runtime_class_name, policy.allowed_runtime_classes, out);
  check_choice("spec.network",
               std::string(resolved.network_allowed ? api::network_modes::allow : api::network_modes::deny),
               policy.allowed_networks, out);
  check_number("spec.output.maxBytes", resolved.max_output_bytes, policy.output_max_bytes, out);
  return out;
}

std::vector<std::string> describe_risks(config const& with) {
  std::vector<std::string> risks;
  auto const look_at = [&](std::string const& where, namespace_settings const& of) {
    auto const& images = of.policy.allowed_images;
    bool const any_image = std::find(images.begin(), images.end(), "**") != images.end();
    if (!any_image || of.pod.image_pull_secrets.empty()) return;
    risks.push_back(where +
                    "pod.imagePullSecrets together with \"**\" in policy.allowedImages: whoever may create a "
                    "CodeExecution can run, and so read, every image that these credentials pull; allow the registries "
                    "that are meant");
  };
  look_at("", with);
  for (std::size_t i = 0; i < with.namespace_overrides.size(); ++i)
    look_at("namespaceOverrides[" + std::to_string(i) + "]: ", with.namespace_overrides[i].settings);
  return risks;
}

std::string describe_policy_violations(violations_found const& violations, std::string_view ns) {
  return "The operator's policy for namespace \"" + std::string(ns) +
         "\" does not allow this: " + api::describe(violations, violations.size()) + ".";
}

}  // namespace codeexec::execution
