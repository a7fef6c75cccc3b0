// YAML and JSON that people write: manifests, request bodies.
//
// Holds: nothing throws; a refusal can be shown; a few bytes do not become many; what was read, written by our own
// writer or as JSON, reads back as the same; JSON is read as the library reads it.
#include "codeexec/local/yaml.hpp"

#include "codeexec/base/encoding.hpp"
#include "codeexec/yaml_reader/yaml_reader.hpp"
#include "codeexec/yaml_reader/yaml_writer.hpp"

#include "property.hpp"

namespace codeexec::fuzz {
namespace {

/// YAML 1.2, 7.4.2: a key without "?" before it ends within 1024 characters.
bool has_long_key(nlohmann::json const& value) {
  if (!value.is_structured()) return false;
  for (auto const& [key, inner] : value.items()) {
    if ((value.is_object() && nlohmann::json(key).dump().size() > 1000) || has_long_key(inner)) return true;
  }
  return false;
}

using nlohmann::json;

void check(std::string_view input) {
  std::string const text(input);
  if (auto const value = yaml::read_json(text)) {
    hold(*value == json::parse(text, nullptr, false), "JSON is read as the library reads it");
  } else {
    hold(base::is_valid_utf8(value.error().message), "a refusal of JSON can be shown");
  }

  auto const documents = yaml::read_documents(text);
  if (!documents) {
    hold(!documents.error().message.empty(), "a refusal says something");
    hold(base::is_valid_utf8(documents.error().message), "a refusal can be shown");
    return;
  }
  std::size_t written = 0;
  for (auto const& document : *documents) {
    hold(!document.is_null(), "empty documents are left out");
    auto const as_json = document.dump();
    written += as_json.size();
    if (as_json.size() > 20'000) continue;

    auto const emitted = yaml::write_document(document);
    auto const again = local::parse_yaml(emitted);
    hold(again.has_value(), "what we write can be read");
    hold(*again == document, "what we write reads back as the same");
    auto const from_json = yaml::read_documents(document.dump(-1, ' ', true));
    bool const ascii = as_json == document.dump(-1, ' ', true);
    hold(from_json.has_value() || !ascii || has_long_key(document), "JSON in ASCII is YAML");
  }
  hold(written <= 64U * 1024 * 1024, "aliases do not make gigabytes of a few lines");
}

}  // namespace
}  // namespace codeexec::fuzz

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  codeexec::fuzz::check(codeexec::fuzz::as_text(data, size));
  return 0;
}
