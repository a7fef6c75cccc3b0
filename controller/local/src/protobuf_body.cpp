#include "protobuf_body.hpp"

#include <cstdint>
#include <functional>
#include <string>

#include "codeexec/base/encoding.hpp"

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

/// An entry of map<string, bytes>.
bool read_entry(std::string_view bytes, json& into, bool as_base64) {
  std::string key;
  std::string value;
  bool const good = message(bytes).each([&](std::uint64_t number, std::uint64_t, std::string_view text) {
    (number == 1 ? key : value) = std::string(text);
  });
  into[key] = as_base64 ? base::base64_encode(value) : value;
  return good;
}

bool read_metadata(std::string_view bytes, json& into) {
  into = json::object();
  bool good = true;
  bool const whole = message(bytes).each([&](std::uint64_t number, std::uint64_t, std::string_view text) {
    // ObjectMeta of generated.proto, the fields that a client sets.
    switch (number) {
      case 1:
        into["name"] = std::string(text);
        break;
      case 2:
        into["generateName"] = std::string(text);
        break;
      case 3:
        into["namespace"] = std::string(text);
        break;
      case 11:
        good = read_entry(text, into["labels"], false) && good;
        break;
      case 12:
        good = read_entry(text, into["annotations"], false) && good;
        break;
      default:
        break;
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
  bool whole =
      message(body.substr(magic.size())).each([&](std::uint64_t number, std::uint64_t, std::string_view bytes) {
        if (number == 1) {
          good = message(bytes).each([&](std::uint64_t inner, std::uint64_t, std::string_view text) {
            (inner == 1 ? version : kind) = std::string(text);
          }) && good;
        } else if (number == 2) {
          raw = bytes;
        }
      });
  bool const known = version == "v1" && (kind == "Namespace" || kind == "ConfigMap" || kind == "ServiceAccount");
  if (!good || !whole || !known) {
    return std::nullopt;
  }
  json out = {{"apiVersion", version}, {"kind", kind}, {"metadata", json::object()}};
  whole = message(raw).each([&](std::uint64_t number, std::uint64_t value, std::string_view bytes) {
    if (number == 1) {
      good = read_metadata(bytes, out["metadata"]) && good;
    } else if (kind == "ConfigMap" && number == 2) {
      good = read_entry(bytes, out["data"], false) && good;
    } else if (kind == "ConfigMap" && number == 3) {
      good = read_entry(bytes, out["binaryData"], true) && good;
    } else if (kind == "ConfigMap" && number == 4) {
      out["immutable"] = value != 0;
    }
  });
  // A name that is no UTF-8 must not get into JSON.
  if (!good || !whole || !base::is_valid_utf8(out.dump(-1, ' ', false, json::error_handler_t::ignore))) {
    return std::nullopt;
  }
  return out;
}

}  // namespace codeexec::local
