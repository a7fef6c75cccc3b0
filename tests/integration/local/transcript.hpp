// Exchanges that were recorded from a real API server, and how an answer of today is compared with one of them.
// tests/data/transcripts/README.md says what the files hold.
#pragma once

#include <cstddef>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace codeexec::local::testing {

struct exchange {
  nlohmann::json request;
  nlohmann::json response;
};

/// "07-apply" -> its lines.
std::vector<exchange> load_transcript(std::string const& topic);

/// A place where an answer is not the recorded one.
struct difference {
  std::string place;  ///< "body.items[0].status.podIP", "status", "headers.Warning", "events[code-][2].object.spec"
  std::string text;
};

/// What the names in a record (<uid:3>, <rv:7>, "ok-knw5l") stand for today. The first answer binds a name, and from
/// then on it must be the same wherever it appears. A value: copy it, compare, and keep the copy where it fitted.
class bindings {
 public:
  /// False where the text names a version that no answer has told yet.
  bool knows_versions_in(std::string const& text) const;
  /// A request's text with today's values in it.
  std::string filled_in(std::string const& text) const;
  nlohmann::json filled_in(nlohmann::json const& value) const;

  /// Every place where `got` is not what was recorded. Binds what is new.
  std::vector<difference> compare(nlohmann::json const& wanted, nlohmann::json const& got, std::string const& place);
  /// The name a server made up for an object that it refused stands in the refusal alone.
  void bind_refused_name(exchange const& recorded, nlohmann::json const& got);

 private:
  void compare_objects(nlohmann::json const& wanted, nlohmann::json const& got, std::string const& place,
                       std::vector<difference>& out);
  void compare_arrays(nlohmann::json const& wanted, nlohmann::json const& got, std::string const& place,
                      std::vector<difference>& out);
  void compare_values(nlohmann::json const& wanted, nlohmann::json const& got, std::string const& place,
                      std::vector<difference>& out);
  void bind_generated_name(nlohmann::json const& wanted, nlohmann::json const& got);
  bool matches(std::string const& wanted, std::string const& got);

  std::map<std::string, std::string> bound_;      ///< "<uid:3>" -> "8d5c..."
  std::map<std::string, std::string> generated_;  ///< "ok-knw5l" -> "ok-x2b4c"
};

/// tests/data/known_differences.json: what this server knowingly does otherwise, each place with the reason. An entry
/// is {"topic", "exchange" (line number, or "*"), "place", "why"}; in a place, [*] is any element and .* any key.
/// With "environment" it depends on the machine whether it differs, so nothing is said where it does not.
/// With "served_only" the place is a list of which this server has only some elements; those are compared by name.
class known_differences {
 public:
  static known_differences load();

  /// True where it is one of them; the entry has then been seen to be still different.
  bool covers(std::string_view topic, std::size_t exchange, std::string_view place);
  /// The recorded body without the elements that this server knowingly does not have.
  nlohmann::json served_part(std::string_view topic, std::size_t exchange, nlohmann::json wanted,
                             nlohmann::json const& got);
  /// A stream's events that differ from the same object's event before them in nothing but what an entry with
  /// "transient" names: whether one is seen depends on the speed of the machine.
  bool is_transient(std::string_view topic, std::size_t exchange, nlohmann::json const& before,
                    nlohmann::json const& event, bool recorded);
  /// Entries of the topic that were not seen to differ: they describe something that is mended.
  std::vector<std::string> no_longer_different(std::string_view topic) const;

 private:
  struct entry {
    std::string topic;
    std::string exchange;
    std::string place;
    std::vector<std::string> transient;
    bool served_only = false;
    bool seen = false;

    bool is_about(std::string_view in_topic, std::size_t number) const;
  };
  std::vector<entry> entries_;
};

}  // namespace codeexec::local::testing
