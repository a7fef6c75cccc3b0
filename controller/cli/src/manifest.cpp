#include "codeexec/cli/manifest.hpp"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <limits>
#include <map>

#include "codeexec/api/names.hpp"
#include "codeexec/api/validate.hpp"
#include "codeexec/base/encoding.hpp"
#include "codeexec/cli/language.hpp"

namespace codeexec::cli {

namespace {

struct unit {
  std::string_view suffix;
  std::int64_t milli;
};

constexpr std::int64_t k = 1000;
constexpr std::int64_t ki = 1024;
constexpr unit units[] = {
    {"", k},
    {"m", 1},
    {"k", k* k},
    {"M", k* k* k},
    {"G", k* k* k* k},
    {"T", k* k* k* k* k},
    {"Ki", k* ki},
    {"Mi", k* ki* ki},
    {"Gi", k* ki* ki* ki},
    {"Ti", k* ki* ki* ki* ki},
};

std::string kibibytes(std::size_t bytes) {
  return std::to_string((bytes + 1023) / 1024) + " KiB";
}

/// What keeps the bytes from being a text, to follow what they are; empty where they are one.
std::string why_no_text(std::string_view bytes) {
  if (!base::is_valid_utf8(bytes)) return " is not a text in UTF-8";
  return bytes.find('\0') == std::string_view::npos ? "" : " contains a NUL byte";
}

/// The request that goes with a limit: the contract's default where it fits below the limit, else the limit.
std::string request_below(std::string const& limit, std::string_view usual) {
  auto const wanted = parse_quantity_milli(limit);
  auto const normal = parse_quantity_milli(usual);
  return wanted && normal && *wanted < *normal ? limit : std::string(usual);
}

}  // namespace

std::optional<std::int64_t> parse_quantity_milli(std::string_view text) {
  std::size_t i = 0;
  std::int64_t whole = 0;
  std::int64_t thousandths = 0;
  std::int64_t place = 100;
  bool any = false;
  bool fraction = false;
  for (; i < text.size(); ++i) {
    auto const c = text[i];
    if (c == '.' && !fraction) {
      fraction = true;
      continue;
    }
    if (c < '0' || c > '9') break;
    any = true;
    if (!fraction) {
      if (whole > 1'000'000'000'000'000) return std::nullopt;
      whole = whole * 10 + (c - '0');
    } else {
      if (place == 0 && c != '0') return std::nullopt;  // finer than anything can be divided
      thousandths += place * (c - '0');
      place /= 10;
    }
  }
  if (!any) return std::nullopt;
  for (auto const& u : units) {
    if (text.substr(i) != u.suffix) continue;
    if (whole > (std::numeric_limits<std::int64_t>::max() - u.milli) / u.milli) return std::nullopt;
    auto const value = whole * u.milli + u.milli / 1000 * thousandths;
    if (value <= 0) return std::nullopt;
    return value;
  }
  return std::nullopt;
}

std::optional<std::int64_t> parse_byte_size(std::string_view text) {
  if (text.ends_with('m')) return std::nullopt;
  auto const milli = parse_quantity_milli(text);
  if (!milli || *milli % 1000 != 0) return std::nullopt;
  return *milli / 1000;
}

std::string default_destination(std::string const& path) {
  auto const normal = std::filesystem::path(path).lexically_normal();
  auto const below = normal.is_relative() && !normal.empty() && *normal.begin() != "..";
  auto name = below ? normal.generic_string() : normal.filename().generic_string();
  while (name.ends_with('/'))
    name.pop_back();
  if (name.empty() && normal.has_parent_path()) name = normal.parent_path().filename().generic_string();
  return name;
}

std::string generate_name(std::string_view file, base::rng& random) {
  auto const slash = file.rfind('/');
  auto stem = slash == std::string_view::npos ? file : file.substr(slash + 1);
  auto const dot = stem.rfind('.');
  if (dot != std::string_view::npos && dot > 0) stem = stem.substr(0, dot);
  std::string name;
  for (auto const c : stem) {
    auto const u = static_cast<unsigned char>(c);
    if (u < 0x80 && std::isalnum(u) != 0) {
      name += static_cast<char>(std::tolower(u));
    } else if (!name.empty() && name.back() != '-') {
      name += '-';
    }
    // Jobs and pods are named after it: what is too long would be cut by every tool that shows it.
    if (name.size() == 40) break;
  }
  while (name.ends_with('-'))
    name.pop_back();
  if (name.empty()) name = "run";
  return complete_name(name + '-', random);
}

std::string complete_name(std::string_view prefix, base::rng& random) {
  constexpr std::size_t length = 8;
  std::string name(prefix.substr(0, 63 - length));
  // Kubernetes' own alphabet for suffixes: no vowels, no look-alikes. 27^8 is 2.8e11: no second one meets it by chance.
  constexpr std::string_view alphabet = "bcdfghjklmnpqrstvwxz2456789";
  std::uniform_int_distribution<std::size_t> pick(0, alphabet.size() - 1);
  for (std::size_t i = 0; i < length; ++i)
    name += alphabet[pick(random)];
  return name;
}

base::result<api::CodeExecution> build_manifest(run_options const& options, local_input input) {
  auto const from_stdin = options.file == "-";
  auto const shown = from_stdin ? std::string("the code on standard input") : "\"" + options.file + "\"";
  if (input.code.empty()) return base::error(shown + " is empty; there is nothing to run");
  if (auto const why_not = why_no_text(input.code); !why_not.empty()) {
    return base::error(shown + why_not + "; code must be text in UTF-8 (attach binaries with --file)");
  }
  if (input.code.size() > static_cast<std::size_t>(api::limits::max_code_bytes)) {
    return base::error(shown + " has " + kibibytes(input.code.size()) +
                       "; code may have 256 KiB (attach data with --file)");
  }

  api::CodeExecution object;
  auto& spec = object.spec;
  spec.language = options.language ? options.language : guess_language(from_stdin ? "" : options.file, input.code);
  // Python is what the server takes for granted, and what code on standard input most likely is. A file with a name
  // that says otherwise is not to be fed to it.
  if (!spec.language && !from_stdin) {
    return base::error("the language of " + shown +
                       " is not clear from its name or its first line; say it with --language");
  }

  std::size_t total = input.code.size();
  std::map<std::string, bool> taken;
  for (auto& file : input.files) {
    auto const why_not = api::check_workspace_path(file.path);
    if (!why_not.empty()) {
      return base::error("--file: " + why_not + "; name a place in the workspace with PATH=DEST");
    }
    if (!taken.emplace(file.path, true).second) {
      return base::error("--file: two files go to \"" + file.path + "\"; name another place with PATH=DEST");
    }
    total += file.bytes.size();
    api::SourceFile source;
    source.path = file.path;
    if (why_no_text(file.bytes).empty()) {
      source.content = std::move(file.bytes);
    } else {
      source.contentBase64 = base::base64_encode(file.bytes);
    }
    spec.files.push_back(std::move(source));
  }
  if (input.stdin_) {
    if (auto const why_not = why_no_text(*input.stdin_); !why_not.empty()) {
      return base::error("standard input" + why_not + "; attach it with --file, or leave it with --no-stdin");
    }
    total += input.stdin_->size();
  }
  // The server's bound is on all of it in one ConfigMap, with some room for names.
  constexpr std::size_t room = 1024 * 1024 - 16 * 1024;
  if (total > room) {
    return base::error(
        "code, files and standard input together have " + kibibytes(total) +
        "; they must fit into one ConfigMap (1 MiB). Let the code fetch large data itself (--network allow)");
  }

  spec.code = std::move(input.code);
  if (input.stdin_) spec.stdin_ = std::move(*input.stdin_);
  spec.env = std::move(input.env);
  spec.args = options.args;
  for (auto const& argument : spec.args) {
    if (!base::is_valid_utf8(argument)) return base::error("an argument after \"--\" is not valid UTF-8");
  }
  spec.image = options.image;
  spec.timeoutSeconds = options.timeout_seconds;
  spec.startupTimeoutSeconds = options.startup_timeout_seconds;
  spec.runtimeClassName = options.runtime_class;
  spec.network = options.network;
  if (options.max_output_bytes) spec.output = api::OutputSpec{options.max_output_bytes};
  if (options.cpu) {
    spec.resources.limits["cpu"] = *options.cpu;
    spec.resources.requests["cpu"] = request_below(*options.cpu, "200m");
  }
  if (options.memory) {
    spec.resources.limits["memory"] = *options.memory;
    spec.resources.requests["memory"] = request_below(*options.memory, "256Mi");
  }
  if (options.ttl_seconds) {
    spec.ttlSecondsAfterFinished = options.ttl_seconds;
  } else if (!options.keep) {
    // We delete it ourselves; this is for the case that nobody is left to do so.
    spec.ttlSecondsAfterFinished = 3600;
  }
  return object;
}

}  // namespace codeexec::cli
