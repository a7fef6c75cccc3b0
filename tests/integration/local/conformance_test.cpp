// Makes the exchanges that were recorded from a real Kubernetes 1.36 again, topic by topic, and compares the answers.
//
// A topic's exchanges stand on those of the topics before it; these are made first, and only their outcome is used.
#include <chrono>
#include <gtest/gtest.h>
#include <list>
#include <set>
#include <thread>

#include "codeexec/yaml_reader/yaml_reader.hpp"

#include "live_cluster.hpp"
#include "transcript.hpp"

namespace codeexec::local::testing {
namespace {

using nlohmann::json;
using std::chrono::steady_clock;

/// How long a cluster may take to get where it was recorded (a sandbox on a loaded machine, a deadline, a deletion).
constexpr std::chrono::seconds patience{30};
/// A watch that the recording left open for longer is left as soon as all that was recorded has come.
constexpr int longest_whole_stream_seconds = 5;

struct topic {
  char const* name;
  std::vector<char const*> stands_on;
  /// Exchanges that were made without a token; all others are the administrator's or bring one.
  std::set<std::size_t> anonymous;
};

std::vector<topic> const topics = [] {
  std::vector<topic> out{{"01-discovery", {}, {}}};
  std::vector<char const*> before{"01-discovery"};
  for (char const* name : {"02-crd", "03-crud", "04-validation", "05-patch", "06-status", "07-apply",
                           "08-finalizers-and-garbage-collection", "09-lists", "10-watch", "11-table", "12-leases",
                           "13-events", "14-configmaps"}) {
    out.push_back({name, before, {}});
    before.push_back(name);
  }
  out.push_back({"15-jobs-and-pods", {"01-discovery"}, {}});
  out.push_back({"16-logs", {"01-discovery", "15-jobs-and-pods"}, {}});
  out.push_back({"17-job-deletion", {"01-discovery", "15-jobs-and-pods"}, {}});
  before.insert(before.end(), {"15-jobs-and-pods", "17-job-deletion"});
  out.push_back({"18-access", before, {2, 3}});
  // 05 leaves a Widget with a finalizer: that holds the namespace, as what had to be cleaned up did when it was
  // recorded.
  out.push_back({"19-namespace-deletion", {"01-discovery", "02-crd", "03-crud", "04-validation", "05-patch"}, {}});
  return out;
}();

class replay {
 public:
  /// Makes the exchanges of a topic for what they leave behind.
  void prepare(std::string const& name) {
    checking_ = false;
    run(name);
  }
  /// Makes them and reports what is not as recorded.
  void check(topic const& one) {
    checking_ = true;
    anonymous_ = one.anonymous;
    run(one.name);
    for (std::string const& entry : known_.no_longer_different(one.name)) {
      ADD_FAILURE() << "tests/data/known_differences.json names what does not differ: " << one.name << ", " << entry;
    }
  }

 private:
  struct open_stream {
    std::size_t number;
    exchange what;
    std::string title;
    std::unique_ptr<client> watcher;
  };

  void run(std::string const& name) {
    topic_ = name;
    std::size_t number = 0;
    for (exchange const& one : load_transcript(name)) {
      ++number;
      if (!one.response.contains("events")) {
        finish_streams();
        make(number, one);
      } else if (checking_) {
        open(number, one);
      }
    }
    finish_streams();
  }

  void make(std::size_t number, exchange const& one) {
    std::string const title = title_of(number, one);
    // What one test has waited for in vain the next need not wait for: the topic's own test reports it.
    static std::set<std::string> waited_for_in_vain;
    bool const reads = one.request.at("method") == "GET" && !waited_for_in_vain.contains(title);
    auto const end = steady_clock::now() + patience;
    for (;;) {
      bindings attempt = names_;
      std::vector<difference> const found = differences(number, one, ask(number, one), attempt);
      // What controllers do after a write is seen by a later read: it is repeated until it answers as recorded.
      if (found.empty() || !reads || steady_clock::now() > end) {
        if (reads && !found.empty()) {
          waited_for_in_vain.insert(title);
        }
        names_ = std::move(attempt);
        report(title, found);
        return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }

  answer ask(std::size_t number, exchange const& one) const {
    return cluster_.call(one.request.at("method"), names_.filled_in(one.request.at("path").get<std::string>()),
                         request_headers(number, one), request_body(one));
  }

  std::vector<difference> differences(std::size_t number, exchange const& one, answer const& got, bindings& names) {
    std::vector<difference> out = names.compare(one.response.at("status"), got.status, "status");
    for (auto const& [key, value] : one.response.at("headers").items()) {
      auto const more = names.compare(value, last_header(got, key), "headers." + key);
      out.insert(out.end(), more.begin(), more.end());
    }
    json wanted = one.response.contains("body") ? one.response.at("body") : json();
    json document = got.json();
    if (wanted.is_string() && last_header(got, "Content-Type") == "application/yaml") {
      // Two writers of YAML may indent and quote differently and say the same.
      auto recorded = yaml::read_documents(wanted.get<std::string>());
      auto today = yaml::read_documents(got.body);
      if (recorded.has_value() && today.has_value()) {
        wanted = json(std::move(recorded).value());
        document = json(std::move(today).value());
      }
    }
    json const body = got.body.empty()                                ? json()
                      : wanted.is_string() || document.is_discarded() ? json(got.body)
                                                                      : document;
    names.bind_refused_name(one, body);
    auto const more = names.compare(known_.served_part(topic_, number, wanted, body), body, "body");
    out.insert(out.end(), more.begin(), more.end());
    return unknown(number, std::move(out));
  }

  /// The recording keeps the last of several headers of one name.
  static std::string last_header(answer const& got, std::string const& name) {
    std::string out;
    for (auto const& field : got.headers) {
      if (boost::beast::iequals(field.name_string(), name)) {
        out = std::string(field.value());
      }
    }
    return out;
  }

  void open(std::size_t number, exchange const& one) {
    if (!names_.knows_versions_in(one.request.at("path"))) {
      finish_streams();  // they may tell it
    }
    auto watcher = std::make_unique<client>(cluster_.port());
    watcher->send(one.request.at("method"), names_.filled_in(one.request.at("path").get<std::string>()),
                  request_headers(number, one));
    streams_.push_back({number, one, title_of(number, one), std::move(watcher)});
  }

  void finish_streams() {
    for (open_stream& one : streams_) {
      finish(one);
    }
    streams_.clear();
  }

  /// Events of one object are compared in their order; between objects the order is that of chance.
  void finish(open_stream& one) {
    json const& wanted = one.what.response.at("events");
    std::vector<std::vector<json>> const recorded = by_object(wanted, one.number, true);
    std::string const path = one.what.request.at("path");
    auto const timeout = path.find("timeoutSeconds=");
    bool const whole =
        timeout == std::string::npos || std::stoi(path.substr(timeout + 15)) <= longest_whole_stream_seconds;
    bool const lines_of_text = !wanted.empty() && wanted.front().is_string();
    json got = json::array();
    auto const end = steady_clock::now() + std::chrono::seconds(30);
    int status = 0;
    for (;;) {
      auto [code, more] = one.watcher->lines(1, lines_of_text);
      status = code;
      for (json& line : more) {
        got.push_back(std::move(line));
      }
      if (more.empty() || steady_clock::now() > end ||
          (!whole && is_all_there(recorded, by_object(got, one.number, false)))) {
        break;
      }
    }
    auto found = names_.compare(one.what.response.at("status"), status, "status");
    auto today = by_object(got, one.number, false);
    for (std::size_t i = 0; !whole && i < recorded.size() && i < today.size(); ++i) {
      // Left where the recording ends for all, it may have gone further for some.
      today[i].resize(std::min(today[i].size(), recorded[i].size()));
    }
    if (today.size() != recorded.size()) {
      found.push_back({"events", "are of " + std::to_string(today.size()) + " objects, not " +
                                     std::to_string(recorded.size()) + ": " + got.dump().substr(0, 1000)});
    }
    for (std::size_t i = 0; i < recorded.size() && i < today.size(); ++i) {
      std::string const place = "events[" + key_of(recorded[i].front()) + "]";
      if (today[i].size() != recorded[i].size()) {
        found.push_back(
            {place, "are " + std::to_string(today[i].size()) + ", not " + std::to_string(recorded[i].size())});
      }
      for (std::size_t j = 0; j < recorded[i].size() && j < today[i].size(); ++j) {
        auto const more = names_.compare(recorded[i][j], today[i][j], place + "[" + std::to_string(j) + "]");
        found.insert(found.end(), more.begin(), more.end());
      }
    }
    report(one.title, unknown(one.number, std::move(found)));
  }

  static std::string key_of(json const& event) {
    json const& object = event.is_object() && event.contains("object") ? event.at("object") : event;
    if (!object.is_object() || !object.contains("metadata")) {
      return "";
    }
    json const& metadata = object.at("metadata");
    return metadata.value("generateName", metadata.value("name", ""));
  }

  /// In the order in which the objects were first seen.
  std::vector<std::vector<json>> by_object(json const& events, std::size_t number, bool recorded) {
    std::vector<std::vector<json>> out;
    std::map<std::string, std::size_t> place;
    std::map<std::string, json> last;
    for (json const& event : events) {
      std::string const key = key_of(event);
      bool const skipped = last.contains(key) && known_.is_transient(topic_, number, last.at(key), event, recorded);
      last[key] = event;
      if (skipped) {
        continue;
      }
      auto const [at, fresh] = place.emplace(key, out.size());
      if (fresh) {
        out.emplace_back();
      }
      out[at->second].push_back(event);
    }
    return out;
  }

  static bool is_all_there(std::vector<std::vector<json>> const& recorded, std::vector<std::vector<json>> const& got) {
    for (std::size_t i = 0; i < recorded.size(); ++i) {
      if (i >= got.size() || got[i].size() < recorded[i].size()) {
        return false;
      }
    }
    return true;
  }

  std::vector<difference> unknown(std::size_t number, std::vector<difference> all) {
    std::erase_if(all, [&](difference const& one) { return known_.covers(topic_, number, one.place); });
    return all;
  }

  void report(std::string const& title, std::vector<difference> const& found) const {
    for (difference const& one : found) {
      if (checking_) {
        ADD_FAILURE() << title << "\n  " << one.place << " " << one.text;
      }
    }
  }

  std::string title_of(std::size_t number, exchange const& one) const {
    return topic_ + " " + std::to_string(number) + ": " + one.request.at("method").get<std::string>() + " " +
           one.request.at("path").get<std::string>();
  }

  headers request_headers(std::size_t number, exchange const& one) const {
    headers out;
    bool brings_token = false;
    if (one.request.contains("headers")) {
      for (auto const& [name, value] : one.request.at("headers").items()) {
        brings_token = brings_token || name == "authorization";
        out.emplace_back(name, names_.filled_in(value.get<std::string>()));
      }
    }
    if (!brings_token && !anonymous_.contains(number)) {
      out.emplace_back("authorization", "Bearer " + cluster_.administrator_token());
    }
    return out;
  }

  std::string request_body(exchange const& one) const {
    if (!one.request.contains("body")) {
      return {};
    }
    json const filled = names_.filled_in(one.request.at("body"));
    return filled.is_string() ? filled.get<std::string>() : filled.dump();
  }

  live_cluster cluster_;
  known_differences known_ = known_differences::load();
  bindings names_;
  std::string topic_;
  bool checking_ = false;
  std::set<std::size_t> anonymous_;
  std::list<open_stream> streams_;
};

class conformance : public ::testing::TestWithParam<topic> {};

TEST_P(conformance, answers_are_those_of_a_real_server) {
  replay all;
  for (char const* earlier : GetParam().stands_on) {
    all.prepare(earlier);
  }
  all.check(GetParam());
}

std::string case_name(::testing::TestParamInfo<topic> const& info) {
  std::string out = info.param.name;
  std::replace(out.begin(), out.end(), '-', '_');
  return out;
}

INSTANTIATE_TEST_SUITE_P(topics, conformance, ::testing::ValuesIn(topics), case_name);

}  // namespace
}  // namespace codeexec::local::testing
