#include "codeexec/local/schema.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "codeexec/base/encoding.hpp"
#include "codeexec/base/time.hpp"
#include "codeexec/local/object.hpp"

namespace codeexec::local {
namespace {

using nlohmann::json;
using node_ptr = std::shared_ptr<schema_node const>;

std::string join(std::string const& path, std::string_view field) {
  return path.empty() ? std::string(field) : path + "." + std::string(field);
}
std::string element(std::string const& path, std::size_t index) {
  return path + "[" + std::to_string(index) + "]";
}

// Compiling -------------------------------------------------------------------------------------------------------

struct compile_failure {
  std::string message;
};

std::string text_of(json const& schema, char const* key) {
  return string_at(schema, key);
}
bool flag(json const& schema, char const* key) {
  json const& found = at_path(schema, key);
  return found.is_boolean() && found.get<bool>();
}
std::optional<std::size_t> count_of(json const& schema, char const* key) {
  json const& found = at_path(schema, key);
  // A definition read from YAML has signed numbers, one from JSON unsigned ones.
  bool const is_count = found.is_number_integer() && (found.is_number_unsigned() || found.get<std::int64_t>() >= 0);
  return is_count ? std::optional<std::size_t>(found.get<std::size_t>()) : std::nullopt;
}
std::optional<double> number_of(json const& schema, char const* key) {
  json const& found = at_path(schema, key);
  return found.is_number() ? std::optional<double>(found.get<double>()) : std::nullopt;
}

class compiler {
 public:
  bool has_rules = false;

  node_ptr compile(json const& schema, std::string const& path) {
    if (!schema.is_object()) {
      throw compile_failure{where(path) + ": a schema must be an object"};
    }
    schema_node out;
    out.type = text_of(schema, "type");
    static std::set<std::string> const known = {"", "object", "array", "string", "number", "integer", "boolean"};
    if (!known.contains(out.type)) {
      throw compile_failure{where(path) + ": unsupported type \"" + out.type + "\""};
    }
    if (schema.contains("$ref")) {
      throw compile_failure{where(path) + ": $ref is not supported"};
    }
    out.format = text_of(schema, "format");
    out.nullable = flag(schema, "nullable");
    out.int_or_string = flag(schema, "x-kubernetes-int-or-string") || out.format == "int-or-string";
    out.preserve_unknown = flag(schema, "x-kubernetes-preserve-unknown-fields");
    out.embedded_resource = flag(schema, "x-kubernetes-embedded-resource");
    out.list_type = text_of(schema, "x-kubernetes-list-type");
    out.map_keys = strings_at(schema, "x-kubernetes-list-map-keys");
    out.atomic_map = text_of(schema, "x-kubernetes-map-type") == "atomic";
    out.required = strings_at(schema, "required");
    if (auto const found = schema.find("default"); found != schema.end()) {
      out.default_value = *found;
    }
    if (json const& values = at_path(schema, "enum"); values.is_array()) {
      out.allowed.assign(values.begin(), values.end());
    }
    out.minimum = number_of(schema, "minimum");
    out.maximum = number_of(schema, "maximum");
    out.exclusive_minimum = flag(schema, "exclusiveMinimum");
    out.exclusive_maximum = flag(schema, "exclusiveMaximum");
    out.multiple_of = number_of(schema, "multipleOf");
    out.min_length = count_of(schema, "minLength");
    out.max_length = count_of(schema, "maxLength");
    out.min_items = count_of(schema, "minItems");
    out.max_items = count_of(schema, "maxItems");
    out.min_properties = count_of(schema, "minProperties");
    out.max_properties = count_of(schema, "maxProperties");
    out.unique_items = flag(schema, "uniqueItems");
    out.pattern_text = text_of(schema, "pattern");
    if (!out.pattern_text.empty()) {
      auto compiled = pattern::compile(out.pattern_text);
      if (!compiled) {
        throw compile_failure{where(path) + ": " + compiled.error().message};
      }
      out.matches = *compiled;
    }
    if (json const& properties = at_path(schema, "properties"); properties.is_object()) {
      for (auto const& [name, inner] : properties.items()) {
        out.properties.emplace(name, compile(inner, join(path, name)));
      }
    }
    json const& additional = at_path(schema, "additionalProperties");
    if (additional.is_object()) {
      out.additional = compile(additional, join(path, "*"));
    } else if (additional.is_boolean()) {
      out.any_additional = additional.get<bool>();
    }
    if (json const& items = at_path(schema, "items"); items.is_object()) {
      out.items = compile(items, path + "[]");
    }
    out.all_of = junctors(schema, "allOf", path);
    out.any_of = junctors(schema, "anyOf", path);
    out.one_of = junctors(schema, "oneOf", path);
    if (json const& inner = at_path(schema, "not"); inner.is_object()) {
      out.not_of = compile(inner, path);
    }
    if (json const& rules = at_path(schema, "x-kubernetes-validations"); rules.is_array()) {
      for (json const& given : rules) {
        out.rules.push_back(rule(given, path));
      }
    }
    return std::make_shared<schema_node const>(std::move(out));
  }

 private:
  static std::string where(std::string const& path) { return path.empty() ? "openAPIV3Schema" : path; }

  std::vector<node_ptr> junctors(json const& schema, char const* key, std::string const& path) {
    std::vector<node_ptr> out;
    json const& found = at_path(schema, key);
    if (found.is_array()) {
      for (json const& inner : found) {
        out.push_back(compile(inner, path));
      }
    }
    return out;
  }

  schema_node::rule rule(json const& given, std::string const& path) {
    std::string const source = text_of(given, "rule");
    auto compiled = cel_program::compile(source);
    if (!compiled) {
      throw compile_failure{where(path) + ": cannot compile rule \"" + source + "\": " + compiled.error().message};
    }
    has_rules = true;
    schema_node::rule out{source,       *compiled,           text_of(given, "message"),
                          std::nullopt, "FieldValueInvalid", text_of(given, "fieldPath")};
    if (std::string const expression = text_of(given, "messageExpression"); !expression.empty()) {
      auto message = cel_program::compile(expression);
      if (!message) {
        throw compile_failure{where(path) + ": cannot compile messageExpression \"" + expression +
                              "\": " + message.error().message};
      }
      out.message_expression = *message;
    }
    if (std::string const reason = text_of(given, "reason"); !reason.empty()) {
      out.reason = reason;
    }
    if (out.message.empty()) {
      out.message = "failed rule: " + source;
    }
    return out;
  }
};

// Defaults and pruning --------------------------------------------------------------------------------------------

void apply_defaults_to(schema_node const& node, json& value) {
  if (value.is_object()) {
    for (auto const& [name, inner] : node.properties) {
      auto found = value.find(name);
      // A null where none is allowed counts as absent if there is a default.
      if (found != value.end() && found->is_null() && !inner->nullable && inner->default_value) {
        value.erase(found);
        found = value.end();
      }
      if (found == value.end()) {
        if (!inner->default_value) {
          continue;
        }
        found = value.emplace(name, *inner->default_value).first;
      }
      apply_defaults_to(*inner, *found);
    }
    if (node.additional) {
      for (auto& [name, inner] : value.items()) {
        if (!node.properties.contains(name)) {
          apply_defaults_to(*node.additional, inner);
        }
      }
    }
  } else if (value.is_array() && node.items) {
    for (json& inner : value) {
      apply_defaults_to(*node.items, inner);
    }
  }
}

void prune_from(schema_node const& node, json& value, std::string const& path, std::vector<std::string>& dropped) {
  if (value.is_object()) {
    for (auto at = value.begin(); at != value.end();) {
      bool const meta = path.empty() || node.embedded_resource;
      if (meta && (at.key() == "apiVersion" || at.key() == "kind" || at.key() == "metadata")) {
        ++at;
        continue;
      }
      auto const known = node.properties.find(at.key());
      if (known != node.properties.end()) {
        prune_from(*known->second, at.value(), join(path, at.key()), dropped);
        ++at;
      } else if (node.additional) {
        prune_from(*node.additional, at.value(), join(path, at.key()), dropped);
        ++at;
      } else if (node.preserve_unknown || node.any_additional || node.type.empty()) {
        ++at;
      } else {
        dropped.push_back(join(path, at.key()));
        at = value.erase(at);
      }
    }
  } else if (value.is_array() && node.items) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      prune_from(*node.items, value[i], element(path, i), dropped);
    }
  }
}

// Validation ------------------------------------------------------------------------------------------------------

std::string json_type(json const& value) {
  if (value.is_number_integer()) {
    return "integer";
  }
  if (value.is_number()) {
    return "number";
  }
  if (value.is_null()) {
    return "null";
  }
  return value.type_name();
}

bool has_type(schema_node const& node, json const& value) {
  if (node.int_or_string) {
    return value.is_number_integer() || value.is_string();
  }
  if (node.type == "integer") {
    return value.is_number_integer() ||
           (value.is_number_float() && std::floor(value.get<double>()) == value.get<double>());
  }
  if (node.type == "number") {
    return value.is_number();
  }
  return node.type.empty() || node.type == value.type_name();
}

bool has_format(std::string_view format, std::string const& text) {
  if (format == "date-time") {
    return base::parse_time(text).has_value();
  }
  if (format == "byte") {
    return base::base64_decode(text).has_value();
  }
  return true;  // the real server ignores formats it does not know, too
}

std::size_t code_points(std::string const& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0u) != 0x80u; }));
}

std::string print_number(double number) {
  json const value =
      std::floor(number) == number && std::abs(number) < 1e15 ? json(static_cast<std::int64_t>(number)) : json(number);
  return value.dump();
}

/// The keys of an element of a map list, as the real server prints them; null where one is missing.
json map_key(schema_node const& node, json const& value) {
  json out = json::object();
  for (std::string const& key : node.map_keys) {
    if (value.is_object() && value.contains(key)) {
      out[key] = value.at(key);
    } else if (node.items && node.items->properties.contains(key) &&
               node.items->properties.find(key)->second->default_value) {
      out[key] = *node.items->properties.find(key)->second->default_value;
    }
  }
  return out;
}

class validator {
 public:
  field_errors errors;

  void values(schema_node const& node, json const& value, json const* old, std::string const& path) {
    if (old != nullptr && *old == value) {
      return;  // ratcheting: what was accepted once and did not change is not judged again
    }
    if (value.is_null() && node.nullable) {
      return;
    }
    if (!has_type(node, value)) {
      std::string const wanted = node.int_or_string ? "integer,string" : node.type;
      std::string const got = json_type(value);
      errors.push_back(field_error(
          "FieldValueTypeInvalid",
          "Invalid value: \"" + got + "\": " + path + " in body must be of type " + wanted + ": \"" + got + "\"",
          path));
      return;
    }
    if (value.is_string()) {
      string_value(node, value, path);
    } else if (value.is_number()) {
      number_value(node, value, path);
    } else if (value.is_array()) {
      array_value(node, value, old, path);
    } else if (value.is_object()) {
      object_value(node, value, old, path);
    }
    if (!node.allowed.empty() && std::find(node.allowed.begin(), node.allowed.end(), value) == node.allowed.end()) {
      std::vector<std::string> supported;
      for (json const& one : node.allowed) {
        supported.push_back(one.is_string() ? one.get<std::string>() : one.dump());
      }
      errors.push_back(field_error::unsupported(path, value, supported));
    }
    junctors(node, value, path);
  }

  void rules(schema_node const& node, json const& value, json const* old, std::string const& path) {
    if (value.is_null()) {
      return;
    }
    bool const unchanged = old != nullptr && *old == value;
    for (schema_node::rule const& one : node.rules) {
      if (one.program.uses_old_self() ? old == nullptr : unchanged) {
        continue;
      }
      auto const outcome = one.program.evaluate(value, old);
      std::string const field = path + one.field_path;
      std::string const place = field.empty() ? "<nil>" : (field.front() == '.' ? field.substr(1) : field);
      if (!outcome) {
        errors.push_back(field_error("FieldValueInvalid",
                                     "Invalid value: " + outcome.error().message + " evaluating rule: " + one.message,
                                     place));
      } else if (!*outcome) {
        std::string message = one.message;
        if (one.message_expression) {
          auto const made = one.message_expression->compute(value, old);
          if (made && made->is_string()) {
            message = made->get<std::string>();
          }
        }
        std::string const start = one.reason == "FieldValueForbidden"  ? "Forbidden: "
                                  : one.reason == "FieldValueRequired" ? "Required value: "
                                                                       : "Invalid value: ";
        errors.push_back(field_error(one.reason, start + message, place));
      }
    }
    if (unchanged) {
      return;
    }
    if (value.is_object()) {
      for (auto const& [name, inner] : value.items()) {
        auto const known = node.properties.find(name);
        schema_node const* const next = known != node.properties.end() ? known->second.get() : node.additional.get();
        if (next != nullptr) {
          rules(*next, inner, child(old, name), join(path, name));
        }
      }
    } else if (value.is_array() && node.items) {
      for (std::size_t i = 0; i < value.size(); ++i) {
        rules(*node.items, value[i], counterpart(node, value[i], old), element(path, i));
      }
    }
  }

 private:
  static json const* child(json const* old, std::string const& name) {
    if (old == nullptr || !old->is_object()) {
      return nullptr;
    }
    auto const found = old->find(name);
    return found == old->end() ? nullptr : &*found;
  }

  /// The element of the old list that this one continues; only lists of type map have identity.
  static json const* counterpart(schema_node const& node, json const& value, json const* old) {
    if (old == nullptr || !old->is_array() || node.list_type != "map") {
      return nullptr;
    }
    json const key = map_key(node, value);
    for (json const& other : *old) {
      if (map_key(node, other) == key) {
        return &other;
      }
    }
    return nullptr;
  }

  void string_value(schema_node const& node, json const& value, std::string const& path) {
    std::string const& text = value.get_ref<std::string const&>();
    std::size_t const length = node.min_length || node.max_length ? code_points(text) : 0;
    if (node.max_length && length > *node.max_length) {
      errors.push_back(field_error::too_long(path, *node.max_length));
    }
    if (node.min_length && length < *node.min_length) {
      errors.push_back(field_error::invalid(
          path, value, path + " in body should be at least " + std::to_string(*node.min_length) + " chars long"));
    }
    if (node.matches && !node.matches->found_in(text)) {
      errors.push_back(field_error::invalid(path, value, path + " in body should match '" + node.pattern_text + "'"));
    }
    if (!node.format.empty() && !has_format(node.format, text)) {
      errors.push_back(field_error("FieldValueTypeInvalid",
                                   "Invalid value: " + value.dump() + ": " + path + " in body must be of type " +
                                       node.format + ": " + value.dump(),
                                   path));
    }
  }

  void number_value(schema_node const& node, json const& value, std::string const& path) {
    double const number = value.get<double>();
    if (node.minimum && (node.exclusive_minimum ? number <= *node.minimum : number < *node.minimum)) {
      errors.push_back(field_error::invalid(path, value,
                                            path + " in body should be greater than " +
                                                (node.exclusive_minimum ? "" : "or equal to ") +
                                                print_number(*node.minimum)));
    }
    if (node.maximum && (node.exclusive_maximum ? number >= *node.maximum : number > *node.maximum)) {
      errors.push_back(field_error::invalid(path, value,
                                            path + " in body should be less than " +
                                                (node.exclusive_maximum ? "" : "or equal to ") +
                                                print_number(*node.maximum)));
    }
    if (node.multiple_of && std::fmod(number, *node.multiple_of) != 0.0) {
      errors.push_back(field_error::invalid(
          path, value, path + " in body should be a multiple of " + print_number(*node.multiple_of)));
    }
  }

  void array_value(schema_node const& node, json const& value, json const* old, std::string const& path) {
    if (node.max_items && value.size() > *node.max_items) {
      errors.push_back(field_error("FieldValueTooMany",
                                   "Too many: " + std::to_string(value.size()) + ": must have at most " +
                                       std::to_string(*node.max_items) + " items",
                                   path));
    }
    if (node.min_items && value.size() < *node.min_items) {
      errors.push_back(field_error::invalid(
          path, value.size(), path + " in body should have at least " + std::to_string(*node.min_items) + " items"));
    }
    if (node.items) {
      for (std::size_t i = 0; i < value.size(); ++i) {
        values(*node.items, value[i], counterpart(node, value[i], old), element(path, i));
      }
    }
    if (node.list_type == "map") {
      std::set<json> seen;
      for (std::size_t i = 0; i < value.size(); ++i) {
        json const key = map_key(node, value[i]);
        if (key.size() == node.map_keys.size() && !seen.insert(key).second) {
          errors.push_back(field_error::duplicate(element(path, i), key));
        }
      }
    } else if (node.list_type == "set" || node.unique_items) {
      std::set<json> seen;
      for (std::size_t i = 0; i < value.size(); ++i) {
        if (!seen.insert(value[i]).second) {
          errors.push_back(field_error::duplicate(element(path, i), value[i]));
        }
      }
    }
  }

  void object_value(schema_node const& node, json const& value, json const* old, std::string const& path) {
    if (node.max_properties && value.size() > *node.max_properties) {
      errors.push_back(field_error("FieldValueTooMany",
                                   "Too many: " + std::to_string(value.size()) + ": must have at most " +
                                       std::to_string(*node.max_properties) + " items",
                                   path));
    }
    if (node.min_properties && value.size() < *node.min_properties) {
      errors.push_back(field_error::invalid(
          path, value.size(),
          path + " in body should have at least " + std::to_string(*node.min_properties) + " properties"));
    }
    for (std::string const& name : node.required) {
      if (!value.contains(name)) {
        errors.push_back(field_error::required(join(path, name)));
      }
    }
    for (auto const& [name, inner] : value.items()) {
      auto const known = node.properties.find(name);
      schema_node const* const next = known != node.properties.end() ? known->second.get() : node.additional.get();
      if (next != nullptr) {
        values(*next, inner, child(old, name), join(path, name));
      }
    }
  }

  static bool satisfied(schema_node const& node, json const& value) {
    validator trial;
    trial.values(node, value, nullptr, "value");
    return trial.errors.empty();
  }

  void junctors(schema_node const& node, json const& value, std::string const& path) {
    for (auto const& inner : node.all_of) {
      values(*inner, value, nullptr, path);
    }
    auto const count = [&value](std::vector<node_ptr> const& alternatives) {
      return std::count_if(alternatives.begin(), alternatives.end(),
                           [&value](node_ptr const& one) { return satisfied(*one, value); });
    };
    if (!node.any_of.empty() && count(node.any_of) == 0) {
      errors.push_back(field_error::invalid(path, value, "\"" + path + "\" must validate at least one schema (anyOf)"));
    }
    if (!node.one_of.empty() && count(node.one_of) != 1) {
      errors.push_back(
          field_error::invalid(path, value, "\"" + path + "\" must validate one and only one schema (oneOf)"));
    }
    if (node.not_of && satisfied(*node.not_of, value)) {
      errors.push_back(field_error::invalid(path, value, "\"" + path + "\" must not validate the schema (not)"));
    }
  }
};

/// Errors after which the real server does not run the rules: they could not be evaluated safely.
bool blocks_rules(field_error const& e) {
  return e.reason == "FieldValueNotSupported" || e.reason == "FieldValueRequired" || e.reason == "FieldValueTooLong" ||
         e.reason == "FieldValueTooMany" || e.reason == "FieldValueTypeInvalid";
}

std::optional<std::string> first_wrong_type(schema_node const& node, json const& value, std::string const& path) {
  if (value.is_null()) {
    return std::nullopt;
  }
  if (!has_type(node, value)) {
    std::string const got = value.is_number() ? "number" : value.is_boolean() ? "bool" : value.type_name();
    std::string const wanted = node.type == "integer"   ? (node.format.empty() ? "int64" : node.format)
                               : node.type == "boolean" ? "bool"
                               : node.type == "array"   ? "[]" + std::string("interface {}")
                               : node.type == "object"  ? "map[string]interface {}"
                                                        : "string";
    return "json: cannot unmarshal " + got + " into Go struct field " + path + " of type " + wanted;
  }
  if (value.is_object()) {
    for (auto const& [name, inner] : value.items()) {
      auto const known = node.properties.find(name);
      schema_node const* const next = known != node.properties.end() ? known->second.get() : node.additional.get();
      if (next != nullptr) {
        if (auto fault = first_wrong_type(*next, inner, join(path, name))) {
          return fault;
        }
      }
    }
  } else if (value.is_array() && node.items) {
    for (json const& inner : value) {
      if (auto fault = first_wrong_type(*node.items, inner, path)) {
        return fault;
      }
    }
  }
  return std::nullopt;
}

}  // namespace

base::result<structural_schema> structural_schema::compile(json const& open_api) {
  try {
    compiler c;
    structural_schema out;
    out.root_ = c.compile(open_api, "");
    out.has_rules_ = c.has_rules;
    return out;
  } catch (compile_failure const& failure) {
    return base::error(failure.message);
  }
}

void structural_schema::apply_defaults(json& value) const {
  apply_defaults_to(*root_, value);
}

std::vector<std::string> structural_schema::prune(json& value) const {
  std::vector<std::string> dropped;
  prune_from(*root_, value, "", dropped);
  return dropped;
}

field_errors structural_schema::validate(json const& value, json const* old) const {
  validator v;
  v.values(*root_, value, old, "");
  if (!has_rules_) {
    return v.errors;
  }
  if (std::any_of(v.errors.begin(), v.errors.end(), blocks_rules)) {
    v.errors.push_back(field_error::invalid("<nil>", nullptr,
                                            "some validation rules were not checked because the object was invalid; "
                                            "correct the existing errors to complete validation"));
    return v.errors;
  }
  v.rules(*root_, value, old, "");
  return v.errors;
}

std::optional<std::string> structural_schema::wrong_type(json const& value, std::string_view struct_name) const {
  return first_wrong_type(*root_, value, std::string(struct_name));
}

}  // namespace codeexec::local
