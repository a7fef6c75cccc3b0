#include "transcript.hpp"

#include <algorithm>
#include <fstream>
#include <gtest/gtest.h>
#include <regex>

namespace codeexec::local::testing {
namespace {

using nlohmann::json;

std::string const data_folder = std::string(CODEEXEC_SOURCE_DIR) + "/tests/data/";

std::string printed(json const& value) {
  std::string const text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  return text.size() > 400 ? text.substr(0, 400) + "..." : text;
}

void replace_all(std::string& text, std::string const& from, std::string const& to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

std::string escaped(std::string const& literal) {
  static std::regex const special(R"([.^$|()\[\]{}*+?\\])");
  return std::regex_replace(literal, special, R"(\$&)");
}

std::string text_at(json const& object, char const* key) {
  auto const found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// "<x repeated 300 times>" written out.
std::string with_repetitions(std::string const& text) {
  static std::regex const repeated("<x repeated ([0-9]+) times>");
  std::smatch found;
  if (text.size() < 10000 && std::regex_search(text, found, repeated)) {
    return found.prefix().str() + std::string(std::stoul(found[1].str()), 'x') + found.suffix().str();
  }
  return text;
}

/// The server lists the causes of a refusal in the order of a hash map.
json in_order_of(json const& wanted, json const& got) {
  json out = json::array();
  json left = got;
  for (json const& one : wanted) {
    auto at = std::find(left.begin(), left.end(), one);
    if (at == left.end()) {
      at = std::find_if(left.begin(), left.end(),
                        [&](json const& other) { return text_at(other, "field") == text_at(one, "field"); });
    }
    if (at == left.end()) {
      return got;
    }
    out.push_back(*at);
    left.erase(at);
  }
  return out;
}

}  // namespace

std::vector<exchange> load_transcript(std::string const& topic) {
  std::vector<exchange> out;
  std::ifstream in(data_folder + "transcripts/" + topic + ".jsonl");
  EXPECT_TRUE(in) << topic;
  for (std::string line; std::getline(in, line);) {
    json const whole = json::parse(line);
    out.push_back(exchange{whole.at("request"), whole.at("response")});
  }
  EXPECT_FALSE(out.empty()) << topic;
  return out;
}

// bindings --------------------------------------------------------------------------------------------------------

bool bindings::knows_versions_in(std::string const& text) const {
  static std::regex const version("<rv:[0-9]+>");
  std::smatch found;
  return !std::regex_search(text, found, version) || bound_.contains(found.str());
}

std::string bindings::filled_in(std::string const& text) const {
  std::string out = with_repetitions(text);
  for (auto const& [name, value] : bound_) {
    replace_all(out, name, value);
  }
  for (auto const& [name, value] : generated_) {
    replace_all(out, name, value);
  }
  replace_all(out, "<time>", "2026-01-01T00:00:00.000000Z");
  // A version that the recording took from an answer it does not hold: names count up, so the one told before it.
  static std::regex const untold("<rv:([0-9]+)>");
  for (std::smatch found; std::regex_search(out, found, untold);) {
    std::string nearest = "0";
    for (int number = std::stoi(found[1].str()); number > 0; --number) {
      if (auto const known = bound_.find("<rv:" + std::to_string(number) + ">"); known != bound_.end()) {
        nearest = known->second;
        break;
      }
    }
    out = found.prefix().str() + nearest + found.suffix().str();
  }
  return out;
}

json bindings::filled_in(json const& value) const {
  if (value.is_string()) {
    return filled_in(value.get<std::string>());
  }
  json out = value;
  if (value.is_structured()) {
    for (auto& [key, inner] : out.items()) {
      inner = filled_in(inner);
    }
  }
  return out;
}

std::vector<difference> bindings::compare(json const& wanted, json const& got, std::string const& place) {
  std::vector<difference> out;
  compare_values(wanted, got, place, out);
  return out;
}

void bindings::compare_values(json const& wanted, json const& got, std::string const& place,
                              std::vector<difference>& out) {
  if (wanted.is_object() && got.is_object()) {
    compare_objects(wanted, got, place, out);
  } else if (wanted.is_array() && got.is_array()) {
    compare_arrays(wanted, got, place, out);
  } else if (wanted.is_string() && got.is_string()) {
    if (!matches(wanted.get<std::string>(), got.get<std::string>())) {
      out.push_back({place, "is " + printed(got) + ", not " + printed(wanted)});
    }
  } else if (wanted != got) {
    out.push_back({place, "is " + printed(got) + ", not " + printed(wanted)});
  }
}

void bindings::compare_objects(json const& wanted, json const& got, std::string const& place,
                               std::vector<difference>& out) {
  bind_generated_name(wanted, got);
  std::set<std::string> known;
  for (auto const& [key, value] : wanted.items()) {
    std::string const name = filled_in(key);
    known.insert(name);
    if (!got.contains(name)) {
      out.push_back({place + "." + key, "is missing; recorded is " + printed(value)});
    } else {
      compare_values(value, got.at(name), place + "." + key, out);
    }
  }
  for (auto const& [key, value] : got.items()) {
    // The recording leaves managedFields out but where they are its subject.
    if (!known.contains(key) && key != "managedFields") {
      out.push_back({place + "." + key, "is there: " + printed(value)});
    }
  }
}

void bindings::compare_arrays(json const& wanted, json const& got, std::string const& place,
                              std::vector<difference>& out) {
  if (wanted.size() != got.size()) {
    out.push_back({place, "has " + std::to_string(got.size()) + " elements, not " + std::to_string(wanted.size()) +
                              ": " + printed(got)});
    return;
  }
  json const ordered = place.ends_with(".causes") ? in_order_of(wanted, got) : got;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    compare_values(wanted[i], ordered[i], place + "[" + std::to_string(i) + "]", out);
  }
}

/// The names a server makes up stand in the record as they came: a suffix after generateName, and the hexadecimal
/// time that client libraries put behind the name of an Event's subject. A Pod that was refused has its name in the
/// Event's message alone.
void bindings::bind_generated_name(json const& wanted, json const& got) {
  static std::regex const refused_pod(R"re(pods "(.+-)[a-z0-9]{5}" is forbidden)re");
  std::string const said = text_at(wanted, "message");
  std::string const says = text_at(got, "message");
  std::smatch before;
  std::smatch now;
  if (std::regex_search(said, before, refused_pod) && std::regex_search(says, now, refused_pod) &&
      before[1] == now[1]) {
    generated_[before.str()] = now.str();
  }
  std::string const name = text_at(wanted, "name");
  std::string const today = text_at(got, "name");
  if (name.empty() || today.empty() || generated_.contains(name)) {
    return;
  }
  std::string const prefix = text_at(wanted, "generateName");
  static std::regex const event_name(R"((.+)\.[0-9a-f]{16})");
  std::smatch recorded;
  std::smatch found;
  if (!prefix.empty()) {
    if (today.starts_with(prefix) && today.size() == name.size()) {
      generated_[name] = today;
    }
  } else if (std::regex_match(name, recorded, event_name) && std::regex_match(today, found, event_name) &&
             filled_in(recorded[1].str()) == found[1].str()) {
    generated_[name] = today;
  }
}

void bindings::bind_refused_name(exchange const& recorded, json const& got) {
  json const none = json::object();
  auto const at = [&none](json const& value, char const* key) -> json const& {
    return value.is_object() && value.contains(key) ? value.at(key) : none;
  };
  std::string const prefix = text_at(at(at(recorded.request, "body"), "metadata"), "generateName");
  std::string const name = text_at(at(at(recorded.response, "body"), "details"), "name");
  std::string const today = text_at(at(got, "details"), "name");
  if (!prefix.empty() && name.starts_with(prefix) && today.starts_with(prefix) && today.size() == name.size()) {
    generated_[name] = today;
  }
}

bool bindings::matches(std::string const& recorded, std::string const& got) {
  static std::regex const placeholder(
      "<(?:uid|rv|continue):[0-9]+>|<time>|<token>|<id>|<digest>|<x repeated [0-9]+ times>");
  std::string wanted = recorded;
  for (auto const& [name, value] : generated_) {
    replace_all(wanted, name, value);
  }
  if (wanted.find('<') == std::string::npos) {
    return wanted == got;
  }
  std::string expression;
  std::vector<std::string> names;
  auto rest = wanted.cbegin();
  for (std::sregex_iterator at(wanted.begin(), wanted.end(), placeholder), end; at != end; ++at) {
    expression += escaped(std::string(rest, wanted.cbegin() + at->position()));
    rest = wanted.cbegin() + at->position() + at->length();
    std::string const name = at->str();
    if (name == "<time>") {
      expression += "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z";
    } else if (name == "<id>" || name == "<digest>") {
      expression += "[0-9a-f]{64}";
    } else if (name.starts_with("<x")) {
      // std::regex_match recurses for each character: the length is compared before.
      return with_repetitions(wanted) == got;
    } else if (bound_.contains(name)) {
      expression += escaped(bound_.at(name));
    } else {
      expression += "([A-Za-z0-9=+/._-]+)";
      names.push_back(name);
    }
  }
  expression += escaped(std::string(rest, wanted.cend()));
  std::smatch found;
  if (!std::regex_match(got, found, std::regex(expression))) {
    return false;
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    bound_[names[i]] = found[i + 1].str();
  }
  return true;
}

// known_differences -----------------------------------------------------------------------------------------------

namespace {

/// "[*]" is any index, ".*" any key, ".**" all that is below.
bool fits(std::string_view pattern, std::string_view place) {
  std::string expression;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern.substr(i, 3) == "[*]") {
      expression += R"(\[[^\]]*\])";
      i += 2;
    } else if (pattern.substr(i, 3) == ".**") {
      expression += R"([.\[].+)";
      i += 2;
    } else if (pattern.substr(i, 2) == ".*") {
      expression += R"(\.[^.\[]+)";
      i += 1;
    } else {
      expression += escaped(std::string(1, pattern[i]));
    }
  }
  return std::regex_match(std::string(place), std::regex(expression));
}

/// What tells the elements of a list of groups, resources or objects apart.
std::string identity(json const& element) {
  if (element.contains("metadata")) {
    return text_at(element.at("metadata"), "name");
  }
  if (element.contains("object")) {
    return identity(element.at("object"));
  }
  for (char const* key : {"name", "resource", "subresource", "version"}) {
    if (!text_at(element, key).empty()) {
      return text_at(element, key);
    }
  }
  return {};
}

bool is_same(json const& a, json const& b) {
  return a.is_object() && b.is_object() ? identity(a) == identity(b) : a == b;
}

/// Calls `found` with each list of `wanted` whose place fits, and the list at the same place of `got`.
template <typename F>
void for_each_list(json& wanted, json const& got, std::string const& place, std::string_view pattern, F const& found) {
  if (wanted.is_array() && got.is_array()) {
    if (fits(pattern, place)) {
      found(wanted, got);
    }
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      auto const same = std::find_if(got.begin(), got.end(), [&](json const& one) { return is_same(one, wanted[i]); });
      if (same != got.end()) {
        for_each_list(wanted[i], *same, place + "[" + std::to_string(i) + "]", pattern, found);
      }
    }
  } else if (wanted.is_object() && got.is_object()) {
    for (auto& [key, value] : wanted.items()) {
      if (got.contains(key)) {
        for_each_list(value, got.at(key), place + "." + key, pattern, found);
      }
    }
  }
}

}  // namespace

json known_differences::served_part(std::string_view topic, std::size_t exchange, json wanted, json const& got) {
  for (entry& one : entries_) {
    if (!one.served_only || !one.is_about(topic, exchange)) {
      continue;
    }
    for_each_list(wanted, got, "body", one.place, [&one](json& recorded, json const& today) {
      json kept = json::array();
      for (json const& element : today) {
        auto const same =
            std::find_if(recorded.begin(), recorded.end(), [&](json const& other) { return is_same(other, element); });
        if (same != recorded.end()) {
          kept.push_back(*same);
        }
      }
      one.seen = one.seen || kept.size() < recorded.size();
      recorded = std::move(kept);
    });
  }
  return wanted;
}

bool known_differences::entry::is_about(std::string_view in_topic, std::size_t number) const {
  return topic == in_topic && (exchange == "*" || exchange == std::to_string(number));
}

known_differences known_differences::load() {
  known_differences out;
  std::ifstream in(data_folder + "known_differences.json");
  json const all = json::parse(in);
  for (json const& one : all) {
    EXPECT_GT(text_at(one, "why").size(), 20u) << one;
    json const& number = one.at("exchange");
    out.entries_.push_back(entry{one.at("topic"), number.is_string() ? number.get<std::string>() : number.dump(),
                                 one.value("place", ""), one.value("transient", std::vector<std::string>()),
                                 one.value("served_only", false), one.value("environment", false)});
  }
  return out;
}

bool known_differences::covers(std::string_view topic, std::size_t exchange, std::string_view place) {
  bool out = false;
  for (entry& one : entries_) {
    if (!one.place.empty() && !one.served_only && one.is_about(topic, exchange) && fits(one.place, place)) {
      one.seen = true;
      out = true;
    }
  }
  return out;
}

bool known_differences::is_transient(std::string_view topic, std::size_t exchange, json const& before,
                                     json const& event, bool recorded) {
  for (entry& one : entries_) {
    if (one.transient.empty() || !one.is_about(topic, exchange)) {
      continue;
    }
    json const patch = json::diff(before, event);
    bool const all_named = std::all_of(patch.begin(), patch.end(), [&](json const& step) {
      std::string const path = step.at("path");
      return path == "/object/metadata/resourceVersion" ||
             std::any_of(one.transient.begin(), one.transient.end(),
                         [&](std::string const& prefix) { return path.starts_with(prefix); });
    });
    if (all_named) {
      one.seen = one.seen || recorded;
      return true;
    }
  }
  return false;
}

std::vector<std::string> known_differences::no_longer_different(std::string_view topic) const {
  std::vector<std::string> out;
  for (entry const& one : entries_) {
    if (one.topic == topic && !one.seen) {
      out.push_back("exchange " + one.exchange + " " + one.place);
    }
  }
  return out;
}

}  // namespace codeexec::local::testing
