#include "codeexec/cli/manifest_file.hpp"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "codeexec/api/names.hpp"
#include "codeexec/base/text.hpp"
#include "codeexec/cli/language.hpp"
#include "codeexec/cli/render.hpp"
#include "codeexec/yaml_reader/yaml_reader.hpp"

namespace codeexec::cli {

namespace {

using nlohmann::json;

enum class notation { none, in_yaml, in_json };

notation notation_of(std::string_view path) {
  auto const dot = path.rfind('.');
  if (path == "-" || dot == std::string_view::npos) return notation::none;
  auto const suffix = base::to_lower(path.substr(dot));
  if (suffix == ".json") return notation::in_json;
  return suffix == ".yaml" || suffix == ".yml" ? notation::in_yaml : notation::none;
}

base::result<std::vector<json>> read_documents(notation how, std::string const& text) {
  // JSON is YAML too, but its escapes beyond U+FFFF are not.
  auto const first = text.find_first_not_of(" \t\r\n");
  if (how == notation::in_json || (first != std::string::npos && text[first] == '{')) {
    auto value = yaml::read_json(text);
    if (value) return std::vector<json>{std::move(*value)};
    if (how == notation::in_json) return value.error();
  }
  return yaml::read_documents(text);
}

std::string text_of(json const& document, char const* field) {
  if (!document.is_object()) return {};
  auto const found = document.find(field);
  return found != document.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool is_code_execution(json const& document) {
  return text_of(document, "kind") == api::kind && text_of(document, "apiVersion") == api::api_version;
}

/// "a Deployment (apps/v1)"
std::string describe(json const& document) {
  auto const kind = text_of(document, "kind");
  auto const version = text_of(document, "apiVersion");
  if (kind.empty()) return "data without a kind";
  auto const article = std::string_view("AEIOUaeiou").find(kind.front()) == std::string_view::npos ? "a " : "an ";
  return article + printable(kind) + (version.empty() ? " without apiVersion" : " (" + printable(version) + ")");
}

/// The first flag given that says what the manifest says already; empty where there is none.
std::string flag_about_the_spec(run_options const& options) {
  std::pair<bool, char const*> const flags[] = {
      {options.language.has_value(), "--language"},
      {options.image.has_value(), "--image"},
      {!options.env.empty(), "--env"},
      {!options.files.empty(), "--file"},
      {options.stdin_ == stdin_choice::always, "--stdin"},
      {options.timeout_seconds.has_value(), "--timeout"},
      {options.startup_timeout_seconds.has_value(), "--startup-timeout"},
      {options.cpu.has_value(), "--cpu"},
      {options.memory.has_value(), "--memory"},
      {options.network.has_value(), "--network"},
      {options.runtime_class.has_value(), "--runtime-class"},
      {options.max_output_bytes.has_value(), "--max-output"},
      {options.ttl_seconds.has_value(), "--ttl"},
      {!options.args.empty(), "arguments"},
  };
  for (auto const& [given, name] : flags) {
    if (given) return name;
  }
  return {};
}

/// What the file's metadata says about itself; an error where it is no text, for a name of 42 is one in quotes.
base::result<std::string> metadata_text(std::string const& shown, json const& metadata, char const* field) {
  auto const found = metadata.find(field);
  if (found == metadata.end() || found->is_null()) return {boost::system::in_place_value};
  if (found->is_string()) return {boost::system::in_place_value, found->get<std::string>()};
  return base::error("metadata." + std::string(field) + " of " + shown + " is " + printable(found->dump()) +
                     ", which is no text; put it in quotes");
}

base::result<manifest_file> prepare(run_options const& options, std::string const& namespace_flag, json object) {
  auto const shown = in_quotes(options.file);
  auto const flag = flag_about_the_spec(options);
  if (!flag.empty()) {
    return base::error(flag + " cannot go with the manifest " + shown +
                       ": it describes the whole CodeExecution; change it there");
  }
  auto& metadata = object["metadata"];
  if (metadata.is_null()) metadata = json::object();
  if (!metadata.is_object()) return base::error("metadata of " + shown + " is no map");
  auto const name = metadata_text(shown, metadata, "name");
  if (!name) return name.error();
  auto const prefix = metadata_text(shown, metadata, "generateName");
  if (!prefix) return prefix.error();
  auto const space = metadata_text(shown, metadata, "namespace");
  if (!space) return space.error();
  if (!namespace_flag.empty() && !space->empty() && namespace_flag != *space) {
    return base::error(shown + " is for the namespace " + in_quotes(*space) + ", and -n says " +
                       in_quotes(namespace_flag) + "; leave one of them out");
  }
  if (options.name) metadata["name"] = *options.name;
  auto const spec = object.find("spec");
  if (!options.keep && spec != object.end() && spec->is_object()) {
    // We delete it ourselves; this is for the case that nobody is left to do so.
    auto& ttl = (*spec)["ttlSecondsAfterFinished"];
    if (ttl.is_null()) ttl = 3600;
  }
  return manifest_file{std::move(object), *space};
}

}  // namespace

base::result<std::optional<manifest_file>> find_manifest(run_options const& options, std::string const& namespace_flag,
                                                         std::string const& text) {
  auto const how = notation_of(options.file);
  if (how == notation::none) return std::optional<manifest_file>();
  auto documents = read_documents(how, text);
  auto const ours = documents && std::any_of(documents->begin(), documents->end(), is_code_execution);
  if (!ours && (options.language || guess_language({}, text))) return std::optional<manifest_file>();

  auto const shown = in_quotes(options.file);
  auto const otherwise = std::string("; to run the file as a program, say its language with --language");
  if (!documents) {
    return base::error(shown + " cannot be read as " + (how == notation::in_json ? "JSON" : "YAML") + ": " +
                       printable(documents.error().message) + otherwise);
  }
  if (documents->empty()) return base::error(shown + " is empty; there is nothing to run");
  if (documents->size() > 1) {
    return base::error(shown + " holds " + std::to_string(documents->size()) +
                       " objects, and run takes one CodeExecution; give each a file of its own");
  }
  if (!ours) {
    return base::error(shown + " is " + describe(documents->front()) + ", not a CodeExecution (" +
                       std::string(api::api_version) + ")" + otherwise);
  }
  auto prepared = prepare(options, namespace_flag, std::move(documents->front()));
  if (!prepared) return prepared.error();
  return std::optional<manifest_file>(std::move(*prepared));
}

}  // namespace codeexec::cli
