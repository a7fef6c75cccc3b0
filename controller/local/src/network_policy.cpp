#include "network_policy.hpp"

#include <arpa/inet.h>
#include <array>
#include <charconv>

#include "codeexec/local/names.hpp"
#include "codeexec/local/object.hpp"

namespace codeexec::local {
namespace {

using nlohmann::json;

std::string item(std::string const& path, std::size_t index) {
  return path + "[" + std::to_string(index) + "]";
}

/// The list at `field`; empty where there is none.
json const& list_at(json const& parent, char const* field) {
  static json const none = json::array();
  json const& found = at_path(parent, field);
  return found.is_array() ? found : none;
}

void check_selector(json const& selector, std::string const& path, field_errors& out) {
  json const& labels = at_path(selector, "matchLabels");
  if (labels.is_object()) {
    for (auto const& [key, value] : labels.items()) {
      if (auto const fault = check_qualified_name(key)) {
        out.push_back(field_error::invalid(path + ".matchLabels", key, *fault));
      }
      std::string const text = value.is_string() ? value.get<std::string>() : std::string();
      if (auto const fault = check_label_value(text)) {
        out.push_back(field_error::invalid(path + ".matchLabels", text, *fault));
      }
    }
  }
  json const& conditions = list_at(selector, "matchExpressions");
  for (std::size_t i = 0; i < conditions.size(); ++i) {
    std::string const here = item(path + ".matchExpressions", i);
    std::string const operation = string_at(conditions[i], "operator");
    bool const has_values = !list_at(conditions[i], "values").empty();
    if (operation == "In" || operation == "NotIn") {
      if (!has_values) {
        out.push_back(field_error::required(here + ".values", "must be specified when `operator` is 'In' or 'NotIn'"));
      }
    } else if (operation == "Exists" || operation == "DoesNotExist") {
      if (has_values) {
        out.push_back(field_error::forbidden(here + ".values",
                                             "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
      }
    } else {
      out.push_back(field_error::invalid(here + ".operator", operation, "not a valid selector operator"));
    }
    if (auto const fault = check_qualified_name(string_at(conditions[i], "key"))) {
      out.push_back(field_error::invalid(here + ".key", string_at(conditions[i], "key"), *fault));
    }
  }
}

bool is_cidr(std::string const& text) {
  auto const slash = text.find('/');
  if (slash == std::string::npos) {
    return false;
  }
  std::string const address = text.substr(0, slash);
  std::array<unsigned char, 16> bytes{};
  bool const v4 = ::inet_pton(AF_INET, address.c_str(), bytes.data()) == 1;
  bool const v6 = !v4 && ::inet_pton(AF_INET6, address.c_str(), bytes.data()) == 1;
  int length = -1;
  auto const* const end = text.data() + text.size();
  auto const read = std::from_chars(text.data() + slash + 1, end, length);
  bool const whole = read.ec == std::errc() && read.ptr == end;
  return whole && length >= 0 && ((v4 && length <= 32) || (v6 && length <= 128));
}

void check_block(json const& block, std::string const& path, field_errors& out) {
  constexpr char const* fault = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
  std::string const cidr = string_at(block, "cidr");
  if (cidr.empty()) {
    out.push_back(field_error::required(path + ".cidr"));
  } else if (!is_cidr(cidr)) {
    out.push_back(field_error::invalid(path + ".cidr", cidr, fault));
  }
  json const& except = list_at(block, "except");
  for (std::size_t i = 0; i < except.size(); ++i) {
    std::string const text = except[i].is_string() ? except[i].get<std::string>() : std::string();
    if (!is_cidr(text)) {
      out.push_back(field_error::invalid(item(path + ".except", i), text, fault));
    }
  }
}

void check_peer(json const& peer, std::string const& path, field_errors& out) {
  int selectors = 0;
  for (char const* field : {"podSelector", "namespaceSelector"}) {
    if (at_path(peer, field).is_object()) {
      ++selectors;
      check_selector(at_path(peer, field), path + "." + field, out);
    }
  }
  bool const has_block = at_path(peer, "ipBlock").is_object();
  if (has_block) {
    check_block(at_path(peer, "ipBlock"), path + ".ipBlock", out);
  }
  if (selectors == 0 && !has_block) {
    out.push_back(field_error::required(path, "must specify a peer"));
  } else if (selectors > 0 && has_block) {
    out.push_back(field_error::forbidden(path, "may not specify both ipBlock and another peer"));
  }
}

void check_port(json const& port, std::string const& path, field_errors& out) {
  std::string const protocol = string_at(port, "protocol");
  if (protocol != "TCP" && protocol != "UDP" && protocol != "SCTP") {
    out.push_back(field_error::unsupported(path + ".protocol", protocol, {"SCTP", "TCP", "UDP"}));
  }
  json const& number = at_path(port, "port");
  json const& last = at_path(port, "endPort");
  if (number.is_number_integer() && (number < 1 || number > 65535)) {
    out.push_back(field_error::invalid(path + ".port", number, "must be between 1 and 65535, inclusive"));
  }
  if (!last.is_number_integer()) {
    return;
  }
  if (number.is_null()) {
    out.push_back(field_error::invalid(path + ".endPort", last, "may not be specified when `port` is not specified"));
  } else if (!number.is_number_integer()) {
    out.push_back(field_error::invalid(path + ".endPort", last, "may not be specified when `port` is non-numeric"));
  } else if (last < number) {
    out.push_back(field_error::invalid(path + ".endPort", number, "must be greater than or equal to `port`"));
  } else if (last > 65535) {
    out.push_back(field_error::invalid(path + ".endPort", last, "must be between 1 and 65535, inclusive"));
  }
}

void check_rules(json const& spec, char const* direction, char const* peers, field_errors& out) {
  json const& rules = list_at(spec, direction);
  for (std::size_t i = 0; i < rules.size(); ++i) {
    std::string const here = item(std::string("spec.") + direction, i);
    json const& ports = list_at(rules[i], "ports");
    for (std::size_t j = 0; j < ports.size(); ++j) {
      check_port(ports[j], item(here + ".ports", j), out);
    }
    json const& others = list_at(rules[i], peers);
    for (std::size_t j = 0; j < others.size(); ++j) {
      check_peer(others[j], item(here + "." + peers, j), out);
    }
  }
}

void add_defaults(json& object) {
  json& spec = object["spec"];
  if (!spec.is_object()) {
    spec = json::object();
  }
  if (at_path(spec, "podSelector").is_null()) {
    spec["podSelector"] = json::object();
  }
  if (list_at(spec, "policyTypes").empty()) {
    spec["policyTypes"] = json::array({"Ingress"});
    if (!list_at(spec, "egress").empty()) {
      spec["policyTypes"].push_back("Egress");
    }
  }
  for (char const* direction : {"ingress", "egress"}) {
    auto const rules = spec.find(direction);
    if (rules == spec.end() || !rules->is_array()) {
      continue;
    }
    for (json& rule : *rules) {
      if (!list_at(rule, "ports").empty()) {
        for (json& port : rule["ports"]) {
          if (at_path(port, "protocol").is_null()) {
            port["protocol"] = "TCP";
          }
        }
      }
    }
  }
}

}  // namespace

void network_policy_strategy::prepare_create(json& object, base::wall_time) const {
  add_defaults(object);
}

field_errors network_policy_strategy::validate_create(json const& object) const {
  field_errors out;
  json const& spec = at_path(object, "spec");
  check_selector(at_path(spec, "podSelector"), "spec.podSelector", out);
  check_rules(spec, "ingress", "from", out);
  check_rules(spec, "egress", "to", out);
  json const& types = list_at(spec, "policyTypes");
  if (types.size() > 2) {
    out.push_back(field_error::invalid("spec.policyTypes", types, "may not specify more than two policyTypes"));
    return out;
  }
  for (std::size_t i = 0; i < types.size(); ++i) {
    if (types[i] != "Ingress" && types[i] != "Egress") {
      out.push_back(field_error::unsupported(item("spec.policyTypes", i), types[i], {"Egress", "Ingress"}));
    }
  }
  return out;
}

void network_policy_strategy::prepare_update(json& next, json const&, part) const {
  add_defaults(next);
}

field_errors network_policy_strategy::validate_update(json const& next, json const&, part) const {
  return validate_create(next);
}

}  // namespace codeexec::local
