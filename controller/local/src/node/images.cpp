#include "codeexec/local/node/images.hpp"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <yaml-cpp/yaml.h>

#include "codeexec/base/encoding.hpp"
#include "codeexec/base/text.hpp"
#include "codeexec/yaml_reader/yaml_reader.hpp"

namespace codeexec::local {
namespace {

constexpr std::string_view hub_domain = "docker.io";
constexpr std::string_view hub_prefix = "library/";

bool is_lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/// [a-z0-9]+ joined by one of '.', '_', '__' or any run of '-'.
bool is_path_component(std::string_view part) {
  if (part.empty() || !is_lower_or_digit(part.front()) || !is_lower_or_digit(part.back())) {
    return false;
  }
  for (std::size_t at = 0; at < part.size();) {
    if (is_lower_or_digit(part[at])) {
      ++at;
      continue;
    }
    auto const run_end = part.find_first_not_of(part[at], at);
    auto const length = run_end - at;
    bool const separator = part[at] == '-' || (part[at] == '.' && length == 1) || (part[at] == '_' && length <= 2);
    if (!separator || !is_lower_or_digit(part[run_end])) {
      return false;
    }
    at = run_end;
  }
  return true;
}

bool is_domain(std::string_view text) {
  auto const colon = text.rfind(':');
  auto const host = text.substr(0, colon);
  if (colon != std::string_view::npos) {
    auto const port = text.substr(colon + 1);
    if (port.empty() || !std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; })) {
      return false;
    }
  }
  return !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-';
  });
}

bool is_tag(std::string_view text) {
  auto const word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  return !text.empty() && text.size() <= 128 && word(text.front()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return word(c) || c == '.' || c == '-'; });
}

bool is_digest(std::string_view text) {
  constexpr std::string_view prefix = "sha256:";
  return text.substr(0, prefix.size()) == prefix && text.size() == prefix.size() + 64 &&
         text.substr(prefix.size()).find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// YAML ------------------------------------------------------------------------------------------------------------

/// Carries the sentence out of the nested readers below; never leaves this file.
struct yaml_fault {
  std::string message;
};

[[noreturn]] void fault(YAML::Node const& node, std::string const& what) {
  auto const mark = node.Mark();
  throw yaml_fault{"line " + std::to_string(mark.line + 1) + ", column " + std::to_string(mark.column + 1) + ": " +
                   what};
}

std::string read_string(YAML::Node const& node, std::string const& field) {
  if (!node.IsScalar()) {
    fault(node, field + ": expected a string");
  }
  return node.Scalar();
}

std::vector<std::string> read_strings(YAML::Node const& node, std::string const& field) {
  if (!node.IsSequence()) {
    fault(node, field + ": expected a list of strings");
  }
  std::vector<std::string> out;
  for (auto const& entry : node) {
    out.push_back(read_string(entry, field));
  }
  return out;
}

std::uint32_t read_id(YAML::Node const& node, std::string const& field) {
  std::uint32_t value = 0;
  if (!node.IsScalar() || !YAML::convert<std::uint32_t>::decode(node, value)) {
    fault(node, field + ": expected a number");
  }
  return value;
}

image_config read_image(YAML::Node const& node) {
  if (!node.IsMap()) {
    fault(node, "images: expected a map");
  }
  image_config out;
  for (auto const& entry : node) {
    auto const key = entry.first.Scalar();
    auto const& value = entry.second;
    if (key == "match") {
      out.match = read_strings(value, key);
    } else if (key == "requires") {
      out.requires_ = read_strings(value, key);
    } else if (key == "programs") {
      out.programs = read_strings(value, key);
    } else if (key == "entrypoint") {
      out.entrypoint = read_strings(value, key);
    } else if (key == "cmd") {
      out.cmd = read_strings(value, key);
    } else if (key == "env") {
      if (!value.IsMap()) {
        fault(value, "env: expected a map of names and values");
      }
      for (auto const& variable : value) {
        out.env[variable.first.Scalar()] = read_string(variable.second, "env." + variable.first.Scalar());
      }
    } else if (key == "workingDir") {
      out.working_dir = read_string(value, key);
    } else if (key == "uid") {
      out.uid = read_id(value, key);
    } else if (key == "gid") {
      out.gid = read_id(value, key);
    } else {
      fault(entry.first, "unknown field \"" + key + "\"");
    }
  }
  if (out.match.empty()) {
    fault(node, "match: expected at least one pattern");
  }
  return out;
}

host_view read_view(YAML::Node const& node) {
  if (!node.IsMap()) {
    fault(node, "hostView: expected a map");
  }
  host_view out;
  for (auto const& entry : node) {
    auto const key = entry.first.Scalar();
    if (key == "folders") {
      out.folders = read_strings(entry.second, key);
    } else if (key == "copies") {
      out.copies = read_strings(entry.second, key);
    } else {
      fault(entry.first, "unknown field \"" + key + "\"");
    }
    for (auto const& path : key == "folders" ? out.folders : out.copies) {
      if (path.empty() || path.front() != '/' || path.find("..") != std::string::npos) {
        fault(entry.second, key + ": \"" + path + "\" is not an absolute path without \"..\"");
      }
    }
  }
  return out;
}

}  // namespace

std::string image_reference::canonical() const {
  return domain + "/" + repository + (tag.empty() ? "" : ":" + tag) + (digest.empty() ? "" : "@" + digest);
}

std::string image_reference::familiar() const {
  std::string name = domain + "/" + repository;
  if (domain == hub_domain) {
    name =
        repository.compare(0, hub_prefix.size(), hub_prefix) == 0 ? repository.substr(hub_prefix.size()) : repository;
  }
  return name + (tag.empty() ? "" : ":" + tag) + (digest.empty() ? "" : "@" + digest);
}

base::result<image_reference> parse_image_reference(std::string_view text) {
  auto const malformed = [] { return base::error("invalid reference format"); };
  image_reference out;
  if (auto const at = text.find('@'); at != std::string_view::npos) {
    out.digest = text.substr(at + 1);
    if (!is_digest(out.digest)) {
      return malformed();
    }
    text = text.substr(0, at);
  }
  // A colon after the last slash begins the tag; one before it is a port.
  auto const slash = text.rfind('/');
  auto const colon = text.rfind(':');
  if (colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
    out.tag = text.substr(colon + 1);
    if (!is_tag(out.tag)) {
      return malformed();
    }
    text = text.substr(0, colon);
  }
  auto const first = text.find('/');
  auto const head = text.substr(0, first);
  bool const has_domain = first != std::string_view::npos &&
                          (head.find_first_of(".:") != std::string_view::npos || head == "localhost" ||
                           std::any_of(head.begin(), head.end(), [](char c) { return c >= 'A' && c <= 'Z'; }));
  out.domain = has_domain ? std::string(head) : std::string(hub_domain);
  out.repository = has_domain ? std::string(text.substr(first + 1)) : std::string(text);
  if (out.domain == hub_domain && out.repository.find('/') == std::string::npos) {
    out.repository.insert(0, hub_prefix);
  }
  if (has_domain && !is_domain(out.domain)) {
    return malformed();
  }
  std::string_view rest = out.repository;
  bool upper = false;
  while (true) {
    auto const end = rest.find('/');
    auto const part = rest.substr(0, end);
    if (!is_path_component(part)) {
      if (!is_path_component(base::to_lower(part))) {
        return malformed();
      }
      upper = true;
    }
    if (end == std::string_view::npos) {
      break;
    }
    rest.remove_prefix(end + 1);
  }
  if (upper) {
    return base::error("invalid reference format: repository name (" + out.repository + ") must be lowercase");
  }
  if (out.tag.empty() && out.digest.empty()) {
    out.tag = "latest";
  }
  return out;
}

base::result<image_catalogue> image_catalogue::parse(std::string const& text, std::string const& source_name) {
  if (auto const readable = yaml::check(text); !readable) {
    return base::error(source_name + ": " + readable.error().message);
  }
  try {
    auto const document = YAML::Load(text);
    if (!document.IsMap()) {
      fault(document, "expected a map with hostView and images");
    }
    image_catalogue out;
    for (auto const& entry : document) {
      auto const key = entry.first.Scalar();
      if (key == "hostView") {
        out.view = read_view(entry.second);
      } else if (key == "images") {
        if (!entry.second.IsSequence()) {
          fault(entry.second, "images: expected a list");
        }
        for (auto const& image : entry.second) {
          out.images.push_back(read_image(image));
        }
      } else {
        fault(entry.first, "unknown field \"" + key + "\"");
      }
    }
    return out;
  } catch (yaml_fault const& e) {
    return base::error(source_name + ": " + e.message);
  } catch (YAML::Exception const& e) {
    return base::error(source_name + ": line " + std::to_string(e.mark.line + 1) + ", column " +
                       std::to_string(e.mark.column + 1) + ": " + e.msg);
  }
}

image_config const* image_catalogue::named(image_reference const& name) const {
  auto const familiar = name.familiar();
  auto const found = std::find_if(images.begin(), images.end(), [&](image_config const& image) {
    return std::any_of(image.match.begin(), image.match.end(),
                       [&](auto const& pattern) { return matches_pattern(pattern, familiar); });
  });
  return found == images.end() ? nullptr : &*found;
}

image_config const* image_catalogue::find(image_reference const& name, program_check const& has_program) const {
  return missing_programs(name, has_program).empty() ? named(name) : nullptr;
}

std::vector<std::string> image_catalogue::missing_programs(image_reference const& name,
                                                           program_check const& has_program) const {
  std::vector<std::string> out;
  if (auto const* const image = named(name)) {
    for (auto const* const needed : {&image->requires_, &image->programs}) {
      std::remove_copy_if(needed->begin(), needed->end(), std::back_inserter(out), has_program);
    }
  }
  return out;
}

bool matches_pattern(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  auto star = std::string_view::npos;
  std::size_t resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

std::string image_id(image_config const& image, std::string_view host_identity) {
  std::string all(host_identity);
  auto const add = [&](std::string_view part) {
    all += '\0';
    all += part;
  };
  for (auto const& part : image.entrypoint) {
    add(part);
  }
  add("cmd");
  for (auto const& part : image.cmd) {
    add(part);
  }
  for (auto const& [name, value] : image.env) {
    add(name + "=" + value);
  }
  add(image.working_dir);
  add(image.match.front());
  return "sha256:" + base::sha256_hex(all);
}

std::string missing_sentence(std::vector<std::string> const& programs) {
  std::string names;
  for (auto const& one : programs) {
    names += (names.empty() ? "`" : ", `") + one + "`";
  }
  return "the stand-in's image needs " + names + ", which is not installed on this machine; install it";
}

std::string pull_failure(image_reference const& name) {
  auto const full = name.canonical();
  std::string text = "failed to pull and unpack image \"" + full + "\": failed to resolve reference \"" + full + "\": ";
  if (name.domain == hub_domain) {
    return text +
           "pull access denied, repository does not exist or may require authorization: server message: "
           "insufficient_scope: authorization failed";
  }
  auto const colon = name.domain.rfind(':');
  auto const host = name.domain.substr(0, colon);
  bool const loopback = host == "localhost" || host == "127.0.0.1";
  auto const port = colon == std::string::npos ? std::string("80") : name.domain.substr(colon + 1);
  text += "failed to do request: Head \"" + std::string(loopback ? "http" : "https") + "://" + name.domain + "/v2/" +
          name.repository + "/manifests/" + (name.digest.empty() ? name.tag : name.digest) + "\": ";
  text += loopback ? "dial tcp 127.0.0.1:" + port + ": connect: connection refused"
                   : "dial tcp: lookup " + host + ": no such host";
  return text;
}

}  // namespace codeexec::local
