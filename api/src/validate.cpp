#include "codeexec/api/validate.hpp"

#include <algorithm>
#include <map>
#include <string_view>

#include "codeexec/api/names.hpp"
#include "codeexec/api/quantity.hpp"
#include "codeexec/base/encoding.hpp"

namespace codeexec::api {
namespace {

using violations = std::vector<violation>;

bool is_control(char c) {
  auto const byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7F;
}

bool is_lower_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool is_alnum(char c) {
  return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

bool all_of(std::string_view text, std::string_view also_allowed) {
  return std::all_of(text.begin(), text.end(),
                     [&](char c) { return is_alnum(c) || also_allowed.find(c) != also_allowed.npos; });
}

bool has_nul(std::string_view text) {
  return text.find('\0') != text.npos;
}

/// What the user wrote, in a form that fits a sentence: short, on one line, nothing that a terminal would act on.
std::string quote(std::string_view text) {
  constexpr std::size_t longest = 80;
  std::string out = "\"";
  for (char const c : text.substr(0, longest))
    out += is_control(c) ? '?' : c;
  out = base::repair_utf8(std::move(out));
  out += text.size() > longest ? "...\"" : "\"";
  return out;
}

std::string item(std::string_view list, std::size_t index) {
  return std::string(list) + "[" + std::to_string(index) + "]";
}

/// RFC 1123: labels of at most 63 characters, joined by dots; at most 253 in all.
bool is_dns_subdomain(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  while (true) {
    auto const dot = text.find('.');
    auto const label = text.substr(0, dot);
    if (label.empty() || label.size() > 63 || !is_lower_alnum(label.front()) || !is_lower_alnum(label.back()) ||
        !std::all_of(label.begin(), label.end(), [](char c) { return is_lower_alnum(c) || c == '-'; })) {
      return false;
    }
    if (dot == text.npos) return true;
    text.remove_prefix(dot + 1);
  }
}

void check_language(CodeExecutionSpec const& spec, violations& out) {
  if (!spec.language) return;
  auto const& language = *spec.language;
  if (language.empty() || language.size() > 63 || !is_alnum(language.front()) || !all_of(language, ".+_-")) {
    out.push_back({"spec.language", "must be the name of a runtime, not " + quote(language)});
  }
}

void check_code(CodeExecutionSpec const& spec, violations& out) {
  if (spec.code.has_value() == spec.codeFrom.has_value()) {
    out.push_back({"spec", "exactly one of spec.code and spec.codeFrom must be set"});
  }
  if (spec.code && spec.code->empty()) out.push_back({"spec.code", "must not be empty: there is nothing to run"});
  if (spec.code && has_nul(*spec.code)) out.push_back({"spec.code", "must not hold a NUL: it is a text"});
  if (spec.code && spec.code->size() > static_cast<std::size_t>(limits::max_code_bytes)) {
    out.push_back({"spec.code", "is " + std::to_string(spec.code->size()) + " bytes long; at most " +
                                    std::to_string(limits::max_code_bytes) +
                                    " fit here, longer code goes into a ConfigMap and spec.codeFrom"});
  }
  if (spec.codeFrom) {
    auto const& reference = spec.codeFrom->configMapKeyRef;
    if (!is_dns_subdomain(reference.name)) {
      out.push_back(
          {"spec.codeFrom.configMapKeyRef.name", "must be the name of a ConfigMap, not " + quote(reference.name)});
    }
    if (reference.key.empty() || reference.key.size() > 253 || !all_of(reference.key, "-._")) {
      out.push_back({"spec.codeFrom.configMapKeyRef.key", "must be a key of a ConfigMap, not " + quote(reference.key)});
    }
  }
}

/// The file's bytes count towards `total` where they can be told.
void check_content(SourceFile const& file, std::string const& field, std::size_t& total, violations& out) {
  if (file.content.has_value() == file.contentBase64.has_value()) {
    out.push_back({field, "exactly one of content and contentBase64 must be set"});
  }
  if (file.content) total += file.content->size();
  if (file.contentBase64) {
    if (auto const bytes = base::base64_decode(*file.contentBase64)) {
      total += bytes->size();
    } else {
      out.push_back({field + ".contentBase64", "is not base64 (standard alphabet, with padding)"});
    }
  }
}

void check_files(CodeExecutionSpec const& spec, std::size_t& total, violations& out) {
  if (spec.files.size() > limits::max_files) {
    out.push_back({"spec.files", "has " + std::to_string(spec.files.size()) + " entries; at most " +
                                     std::to_string(limits::max_files) + " are allowed"});
  }
  std::map<std::string_view, std::size_t> first_with;
  for (std::size_t i = 0; i < spec.files.size(); ++i)
    first_with.emplace(spec.files[i].path, i);

  for (std::size_t i = 0; i < spec.files.size(); ++i) {
    auto const& file = spec.files[i];
    auto const field = item("spec.files", i);
    std::string_view const path = file.path;
    total += path.size();
    if (auto const why = check_workspace_path(file.path); !why.empty()) out.push_back({field + ".path", why});
    if (auto const first = first_with.at(path); first != i) {
      out.push_back({field + ".path", "is the path of " + item("spec.files", first) + " too: " + quote(path)});
    }
    for (auto slash = path.find('/'); slash != path.npos; slash = path.find('/', slash + 1)) {
      auto const above = first_with.find(path.substr(0, slash));
      if (above == first_with.end()) continue;
      out.push_back({field + ".path", "lies below " + item("spec.files", above->second) +
                                          ", which is a file and cannot be a folder too: " + quote(path)});
      break;
    }
    check_content(file, field, total, out);
  }
}

void check_arguments(std::vector<std::string> const& list, std::string_view field, std::size_t most, violations& out) {
  if (list.size() > most) {
    out.push_back({std::string(field), "has " + std::to_string(list.size()) + " entries; at most " +
                                           std::to_string(most) + " are allowed"});
  }
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (has_nul(list[i])) out.push_back({item(field, i), "must not hold a NUL: no program can be given one"});
    if (list[i].size() > limits::max_argument_bytes) {
      out.push_back({item(field, i), "is " + std::to_string(list[i].size()) + " bytes long; at most " +
                                         std::to_string(limits::max_argument_bytes) + " are allowed"});
    }
  }
}

void check_env(CodeExecutionSpec const& spec, violations& out) {
  if (spec.env.size() > limits::max_env) {
    out.push_back({"spec.env", "has " + std::to_string(spec.env.size()) + " entries; at most " +
                                   std::to_string(limits::max_env) + " are allowed"});
  }
  std::map<std::string_view, std::size_t> first_with;
  for (std::size_t i = 0; i < spec.env.size(); ++i) {
    auto const& [name, value] = spec.env[i];
    auto const field = item("spec.env", i);
    bool const starts_well =
        !name.empty() && (name[0] == '_' || (is_alnum(name[0]) && !(name[0] >= '0' && name[0] <= '9')));
    if (!starts_well || name.size() > 253 || !all_of(name, "_.-")) {
      out.push_back(
          {field + ".name",
           "must be a letter or an underscore and then letters, digits, '_', '-' or '.', not " + quote(name)});
    } else if (name.starts_with(reserved_env_prefix)) {
      out.push_back({field + ".name", "must not start with " + std::string(reserved_env_prefix) +
                                          ": those names are reserved: " + quote(name)});
    }
    if (auto const [at, is_new] = first_with.emplace(name, i); !is_new) {
      out.push_back({field + ".name", "is the name of " + item("spec.env", at->second) + " too: " + quote(name)});
    }
    if (has_nul(value)) out.push_back({field + ".value", "must not hold a NUL: no program can be given one"});
    if (value.size() > limits::max_argument_bytes) {
      out.push_back({field + ".value", "is " + std::to_string(value.size()) + " bytes long; at most " +
                                           std::to_string(limits::max_argument_bytes) + " are allowed"});
    }
  }
}

void check_image(CodeExecutionSpec const& spec, violations& out) {
  if (!spec.image) return;
  auto const& image = *spec.image;
  if (image.empty() || image.size() > 512 || !is_alnum(image.front()) || !all_of(image, "._:/@-")) {
    out.push_back({"spec.image", "must be the name of an image, not " + quote(image)});
  }
}

void check_range(std::optional<std::int64_t> const& value, std::int64_t least, std::int64_t most, char const* field,
                 violations& out) {
  if (!value || (*value >= least && *value <= most)) return;
  out.push_back({field, "must be from " + std::to_string(least) + " to " + std::to_string(most) + ", not " +
                            std::to_string(*value)});
}

using quantity_map = std::map<std::string, quantity>;

quantity_map check_quantities(std::map<std::string, std::string> const& given, std::string const& field,
                              bool zero_allowed, violations& out) {
  quantity_map read;
  for (auto const& [resource, text] : given) {
    auto const where = field + "." + resource;
    bool const is_cpu = resource == resource_names::cpu;
    if (!is_cpu && resource != resource_names::memory && resource != resource_names::ephemeral_storage) {
      out.push_back({field, "names " + quote(resource) + "; only cpu, memory and ephemeral-storage can be asked for"});
      continue;
    }
    auto const value = quantity::parse(text);
    if (!value) {
      out.push_back({where, "must be a quantity such as " + std::string(is_cpu ? "500m or 2" : "512Mi or 2G") +
                                ", not " + quote(text)});
    } else if (value->is_negative()) {
      out.push_back({where, "must not be negative: " + quote(text)});
    } else if (value->is_zero() && !zero_allowed) {
      out.push_back({where, "must be more than zero, which Kubernetes would read as no limit at all"});
    } else if (!is_cpu && !value->is_whole()) {
      out.push_back(
          {where, "must be a whole number of bytes, not " + quote(text) + " (m is a thousandth, Mi is 2^20)"});
    } else if (!value->millis()) {
      out.push_back({where, "is more than any machine has: " + quote(text)});
    } else {
      read.emplace(resource, *value);
    }
  }
  return read;
}

void check_resources(CodeExecutionSpec const& spec, violations& out) {
  auto const requests = check_quantities(spec.resources.requests, "spec.resources.requests", true, out);
  auto const limits = check_quantities(spec.resources.limits, "spec.resources.limits", false, out);
  for (auto const& [resource, request] : requests) {
    auto const limit = limits.find(resource);
    if (limit == limits.end() || request <= limit->second) continue;
    out.push_back({"spec.resources.requests." + resource,
                   "must not be more than the limit: " + quote(spec.resources.requests.at(resource)) +
                       " is more than " + quote(spec.resources.limits.at(resource))});
  }
}

void check_choice(std::optional<std::string> const& value, std::string_view one, std::string_view other,
                  char const* field, violations& out) {
  if (!value || *value == one || *value == other) return;
  out.push_back({field, "must be " + std::string(one) + " or " + std::string(other) + ", not " + quote(*value)});
}

}  // namespace

std::string check_workspace_path(std::string const& path) {
  std::string_view rest = path;
  if (rest.empty()) return "must not be empty";
  if (rest.size() > limits::max_path_bytes) {
    return "is " + std::to_string(rest.size()) + " bytes long; at most " + std::to_string(limits::max_path_bytes) +
           " are allowed";
  }
  if (std::any_of(rest.begin(), rest.end(), is_control)) return "must not hold control characters: " + quote(path);
  if (rest.front() == '/') return "must be relative to the workspace: " + quote(path);
  while (true) {
    auto const slash = rest.find('/');
    auto const part = rest.substr(0, slash);
    if (part == "..") return "must not leave the workspace: " + quote(path);
    if (part.empty() || part == ".") return "must not have empty or \".\" parts: " + quote(path);
    if (part.starts_with("..")) return "must not have parts that start with \"..\": " + quote(path);
    if (part.size() > limits::max_path_part_bytes) {
      return "must not have parts of more than " + std::to_string(limits::max_path_part_bytes) +
             " bytes: " + quote(path);
    }
    if (slash == rest.npos) return {};
    rest.remove_prefix(slash + 1);
  }
}

std::vector<violation> validate(CodeExecutionSpec const& spec) {
  violations out;
  std::size_t total = (spec.code ? spec.code->size() : 0) + (spec.stdin_ ? spec.stdin_->size() : 0);
  check_language(spec, out);
  check_code(spec, out);
  check_files(spec, total, out);
  if (total > static_cast<std::size_t>(limits::max_source_bytes)) {
    out.push_back({"spec", "code, files and stdin together are " + std::to_string(total) +
                               " bytes with the files' paths; a ConfigMap holds at most " +
                               std::to_string(limits::max_source_bytes)});
  }
  check_arguments(spec.args, "spec.args", limits::max_args, out);
  check_env(spec, out);
  check_image(spec, out);
  if (!spec.command.empty() && spec.command.front().empty()) {
    out.push_back({"spec.command[0]", "must name a program"});
  }
  check_arguments(spec.command, "spec.command", limits::max_command_parts, out);
  check_range(spec.timeoutSeconds, 1, limits::max_timeout_seconds, "spec.timeoutSeconds", out);
  check_range(spec.startupTimeoutSeconds, 1, limits::max_timeout_seconds, "spec.startupTimeoutSeconds", out);
  check_resources(spec, out);
  if (spec.runtimeClassName && !is_dns_subdomain(*spec.runtimeClassName)) {
    out.push_back(
        {"spec.runtimeClassName", "must be the name of a RuntimeClass, not " + quote(*spec.runtimeClassName)});
  }
  check_choice(spec.network, network_modes::deny, network_modes::allow, "spec.network", out);
  if (spec.output) check_range(spec.output->maxBytes, 1, limits::max_output_bytes, "spec.output.maxBytes", out);
  check_choice(spec.cleanupPolicy, cleanup_policies::delete_, cleanup_policies::retain, "spec.cleanupPolicy", out);
  check_range(spec.ttlSecondsAfterFinished, 0, limits::max_ttl_seconds, "spec.ttlSecondsAfterFinished", out);
  return out;
}

std::string describe(std::vector<violation> const& violations, std::size_t max) {
  std::string out;
  auto const shown = std::min(violations.size(), max);
  for (std::size_t i = 0; i < shown; ++i) {
    if (i > 0) out += "; ";
    out += violations[i].field + ": " + violations[i].message;
  }
  if (violations.size() > shown) {
    if (!out.empty()) out += "; ";
    out += "and " + std::to_string(violations.size() - shown) + " more";
  }
  return out;
}

}  // namespace codeexec::api
