#include "protobuf_body.hpp"

#include <cstdint>
#include <functional>
#include <string>

#include "codeexec/base/encoding.hpp"

#include "builtin_kinds.hpp"

namespace codeexec::local {
namespace {

using nlohmann::json;

/// Calls `field(number, varint, bytes)` for each field; false where the message is malformed.
class message {
 public:
  explicit message(std::string_view bytes) : rest_(bytes) {}

  bool each(std::function<void(std::uint64_t, std::uint64_t, std::string_view)> const& field) {
    while (!rest_.empty()) {
      auto const tag = varint();
      if (!tag) {
        return false;
      }
      switch (*tag & 7u) {
        case 0: {
          auto const value = varint();
          if (!value) {
            return false;
          }
          field(*tag >> 3, *value, {});
          break;
        }
        case 1:
        case 5: {
          std::size_t const size = (*tag & 7u) == 1 ? 8 : 4;
          if (rest_.size() < size) {
            return false;
          }
          rest_.remove_prefix(size);
          break;
        }
        case 2: {
          auto const size = varint();
          if (!size || *size > rest_.size()) {
            return false;
          }
          field(*tag >> 3, 0, rest_.substr(0, *size));
          rest_.remove_prefix(*size);
          break;
        }
        default:
          return false;
      }
    }
    return true;
  }

 private:
  std::optional<std::uint64_t> varint() {
    std::uint64_t out = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      auto const byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      out |= static_cast<std::uint64_t>(byte & 0x7Fu) << shift;
      if ((byte & 0x80u) == 0) {
        return out;
      }
    }
    return std::nullopt;
  }

  std::string_view rest_;
};

/// False where a message is malformed, or says something that would be lost.
bool read_struct(builtin_struct const& of, std::string_view bytes, json& into, int depth);

bool read_quantity(std::string_view bytes, json& into) {
  into = "0";
  return message(bytes).each([&](std::uint64_t number, std::uint64_t, std::string_view text) {
    if (number == 1) {
      into = std::string(text);
    }
  });
}

/// An entry of a map; `type` is that of the map.
bool read_entry(std::string const& type, std::string_view bytes, json& into) {
  std::string key;
  std::string_view value;
  bool good = message(bytes).each([&](std::uint64_t number, std::uint64_t, std::string_view text) {
    if (number == 1) {
      key = std::string(text);
    } else {
      value = text;
    }
  });
  if (type == "mq") {
    return read_quantity(value, into[key]) && good;
  }
  into[key] = type == "mb" ? base::base64_encode(value) : std::string(value);
  return good;
}

bool read_value(builtin_struct const& of, std::string const& type, std::uint64_t number, std::string_view bytes,
                json& into, int depth) {
  switch (type.front()) {
    case '@':
      return read_struct(*resolve_builtin(of, type.substr(1)), bytes, into, depth + 1);
    case '[': {
      json one;
      bool const good = read_value(of, type.substr(1, type.size() - 2), number, bytes, one, depth);
      into.push_back(std::move(one));
      return good;
    }
    case 'm':
      return read_entry(type, bytes, into);
    case 'q':
      return read_quantity(bytes, into);
    case 's':
      into = std::string(bytes);
      return true;
    case 'b':
    case 'B':
      into = number != 0;
      return true;
    case 'i':
    case 'I':
      into = static_cast<std::int32_t>(number);
      return true;
    case 'l':
      into = static_cast<std::int64_t>(number);
      return true;
    default:
      return false;
  }
}

/// Go writes the fields that are no pointers even where they are empty.
bool is_absent(std::string const& type, std::uint64_t number, std::string_view bytes) {
  switch (type.front()) {
    case 's':
      return bytes.empty();
    case 'B':
    case 'I':
      return number == 0;
    default:
      return false;
  }
}

bool read_struct(builtin_struct const& of, std::string_view bytes, json& into, int depth) {
  constexpr int deepest = 20;
  into = json::object();
  bool good = depth < deepest;
  bool const whole = message(bytes).each([&](std::uint64_t number, std::uint64_t value, std::string_view text) {
    if (!good) {
      return;
    }
    // An object says its metadata in field 1; its struct here does not list it.
    bool const metadata = depth == 0 && number == 1;
    builtin_field const* const field = metadata || number > 1000 ? nullptr : of.field(static_cast<int>(number));
    if (metadata) {
      good = read_struct(*resolve_builtin(of, "ObjectMeta"), text, into["metadata"], depth + 1);
    } else if (!field) {
      good = value == 0 && text.empty();  // a time that is not set
    } else if (depth == 0 && field->name == "status") {
      return;  // nothing that a client can create
    } else if (!is_absent(field->type, value, text)) {
      good = read_value(of, field->type, value, text, into[field->name], depth);
    }
  });
  return good && whole;
}

}  // namespace

std::optional<json> parse_protobuf(std::string_view body) {
  constexpr std::string_view magic("k8s\0", 4);
  if (!body.starts_with(magic)) {
    return std::nullopt;
  }
  std::string version;
  std::string kind;
  std::string_view raw;
  bool good = true;
  bool const whole =
      message(body.substr(magic.size())).each([&](std::uint64_t number, std::uint64_t, std::string_view bytes) {
        if (number == 1) {
          good = message(bytes).each([&](std::uint64_t inner, std::uint64_t, std::string_view text) {
            (inner == 1 ? version : kind) = std::string(text);
          }) && good;
        } else if (number == 2) {
          raw = bytes;
        }
      });
  auto const slash = version.find('/');
  builtin_struct const* const known =
      find_builtin(builtin_package(slash == std::string::npos ? "" : version.substr(0, slash)), kind);
  if (!good || !whole || !known || version.substr(slash + 1) != "v1") {
    return std::nullopt;
  }
  json out;
  good = read_struct(*known, raw, out, 0);
  out["apiVersion"] = version;
  out["kind"] = kind;
  if (!out.contains("metadata")) {
    out["metadata"] = json::object();
  }
  // A name that is no UTF-8 must not get into JSON.
  if (!good || !base::is_valid_utf8(out.dump(-1, ' ', false, json::error_handler_t::ignore))) {
    return std::nullopt;
  }
  return out;
}

}  // namespace codeexec::local
