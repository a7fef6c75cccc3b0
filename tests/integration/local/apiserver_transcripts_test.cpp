// Makes the exchanges that were recorded from a real API server again, in their order, and compares the answers.
//
// What differs from run to run has a name in the record (<uid:3>, <rv:7>): the first answer binds it, and from then on
// it must be the same wherever it appears.
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <regex>

#include "apiserver_support.hpp"

namespace codeexec::local::testing {
namespace {

using nlohmann::json;

class recorded {
 public:
  std::string filled_in(std::string const& text) const {
    std::string out = expand_repetitions(text);
    for (auto const& [name, value] : bound_) {
      for (auto at = out.find(name); at != std::string::npos; at = out.find(name, at + value.size())) {
        out.replace(at, name.size(), value);
      }
    }
    for (auto at = out.find("<time>"); at != std::string::npos; at = out.find("<time>", at)) {
      out.replace(at, 6, "2026-01-01T00:00:00.000000Z");
    }
    return out;
  }

  /// Every place where `got` is not what was recorded.
  void compare(json const& wanted, json const& got, std::string const& path, std::vector<std::string>& faults) {
    if (wanted == "<any>") {
      return;
    }
    if (wanted.is_object() && got.is_object()) {
      for (auto const& [key, value] : wanted.items()) {
        std::string const name = filled_in(key);
        if (!got.contains(name)) {
          faults.push_back(path + "." + name + " is missing");
        } else {
          compare(value, got.at(name), path + "." + name, faults);
        }
      }
      for (auto const& [key, value] : got.items()) {
        bool known = wanted.contains(key);
        for (auto const& [other, unused] : wanted.items()) {
          known = known || filled_in(other) == key;
        }
        // The record leaves this out but where it is the matter at hand.
        if (!known && key != "managedFields") {
          faults.push_back(path + "." + key + " is there: " + value.dump());
        }
      }
    } else if (wanted.is_array() && got.is_array()) {
      if (wanted.size() != got.size()) {
        faults.push_back(path + " has " + std::to_string(got.size()) + " elements, not " +
                         std::to_string(wanted.size()) + ": " + got.dump().substr(0, 200));
        return;
      }
      json ordered = got;
      if (path.ends_with(".causes")) {
        // The order of faults is that of a hash map in the real server.
        ordered = in_order_of(wanted, got);
      }
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        compare(wanted[i], ordered[i], path + "[" + std::to_string(i) + "]", faults);
      }
    } else if (wanted.is_string() && got.is_string()) {
      if (!matches(wanted.get<std::string>(), got.get<std::string>())) {
        faults.push_back(path + " is " + got.dump().substr(0, 300) + ", not " + wanted.dump().substr(0, 300));
      }
    } else if (wanted != got) {
      faults.push_back(path + " is " + got.dump().substr(0, 300) + ", not " + wanted.dump().substr(0, 300));
    }
  }

 private:
  static std::string expand_repetitions(std::string const& text) {
    static std::regex const repeated("<x repeated ([0-9]+) times>");
    std::smatch found;
    if (text.size() < 10000 && std::regex_search(text, found, repeated)) {
      return found.prefix().str() + std::string(std::stoul(found[1].str()), 'x') + found.suffix().str();
    }
    return text;
  }

  static json in_order_of(json const& wanted, json const& got) {
    json out = json::array();
    json left = got;
    for (json const& one : wanted) {
      auto at = std::find_if(left.begin(), left.end(),
                             [&](json const& other) { return other.at("field") == one.at("field"); });
      if (at == left.end()) {
        return got;
      }
      out.push_back(*at);
      left.erase(at);
    }
    return out;
  }

  bool matches(std::string const& wanted, std::string const& got) {
    static std::regex const placeholder("<(?:uid|rv|continue|name):[0-9]+>|<time>|<age>|<x repeated [0-9]+ times>");
    std::string expression;
    std::vector<std::string> names;
    auto const quoted = [](std::string const& literal) {
      return std::regex_replace(literal, std::regex(R"([.^$|()\[\]{}*+?\\])"), R"(\$&)");
    };
    auto rest = wanted.cbegin();
    for (std::sregex_iterator at(wanted.begin(), wanted.end(), placeholder), end; at != end; ++at) {
      expression += quoted(std::string(rest, wanted.cbegin() + at->position()));
      rest = wanted.cbegin() + at->position() + at->length();
      std::string const name = at->str();
      if (name == "<time>") {
        expression += "[0-9TZ:.-]+";
      } else if (name == "<age>") {
        expression += "[0-9]+s";
      } else if (name.starts_with("<x")) {
        expression += "x*";
      } else if (bound_.contains(name)) {
        expression += quoted(bound_.at(name));
      } else {
        expression += "([A-Za-z0-9=+/._-]+)";
        names.push_back(name);
      }
    }
    if (names.empty() && expression.empty()) {
      return wanted == got;
    }
    expression += quoted(std::string(rest, wanted.cend()));
    std::smatch found;
    if (!std::regex_match(got, found, std::regex(expression))) {
      return false;
    }
    for (std::size_t i = 0; i < names.size(); ++i) {
      bound_[names[i]] = found[i + 1].str();
    }
    return true;
  }

  std::map<std::string, std::string> bound_;
};

json filled_in(recorded const& record, json const& value) {
  if (value.is_string()) {
    return record.filled_in(value.get<std::string>());
  }
  json out = value;
  if (value.is_structured()) {
    for (auto& [key, inner] : out.items()) {
      inner = filled_in(record, inner);
    }
  }
  return out;
}

/// What the garbage collector does after a deletion is seen by the next request a little later.
bool waits_for_collector(json const& request, int wanted, int got) {
  return request.at("method") == "GET" && wanted == 404 && got == 200;
}

TEST(transcripts, the_stand_in_answers_as_the_real_server_did) {
  live_server server;
  recorded record;
  std::ifstream in(std::string(CODEEXEC_SOURCE_DIR) + "/tests/data/transcripts/exchanges.jsonl");
  ASSERT_TRUE(in);
  std::size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    json const exchange = json::parse(line);
    json const& request = exchange.at("request");
    json const& wanted = exchange.at("response");
    std::string const method = request.at("method");
    std::string const target = record.filled_in(request.at("path"));
    std::string const title = "line " + std::to_string(number) + ": " + method + " " + target;
    headers fields;
    if (request.contains("headers")) {
      for (auto const& [name, value] : request.at("headers").items()) {
        fields.emplace_back(name, value.get<std::string>());
      }
    }
    std::string body;
    if (request.contains("body")) {
      json const filled = filled_in(record, request.at("body"));
      body = filled.is_string() ? filled.get<std::string>() : filled.dump();
    }
    int const status = wanted.at("status");
    std::vector<std::string> faults;
    if (wanted.contains("events")) {
      client watcher(server.port());
      watcher.send(method, target, fields);
      auto const [got_status, lines] = watcher.lines(wanted.at("events").size());
      EXPECT_EQ(got_status, status) << title;
      record.compare(wanted.at("events"), json(lines), "events", faults);
    } else {
      answer got = server.call(method, target, fields, body);
      for (int tries = 0; tries < 200 && waits_for_collector(request, status, got.status); ++tries) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        got = server.call(method, target, fields, body);
      }
      EXPECT_EQ(got.status, status) << title << "\n" << got.body.substr(0, 500);
      for (auto const& [name, value] : wanted.at("headers").items()) {
        EXPECT_EQ(got.header(name.c_str()), value.get<std::string>()) << title;
      }
      if (wanted.contains("body")) {
        json const& expected = wanted.at("body");
        json const document = got.json();
        record.compare(expected, expected.is_string() || document.is_discarded() ? json(got.body) : document, "body",
                       faults);
      }
    }
    for (std::string const& fault : faults) {
      ADD_FAILURE() << title << "\n  " << fault;
    }
  }
  EXPECT_GT(number, 140u);
}

}  // namespace
}  // namespace codeexec::local::testing
