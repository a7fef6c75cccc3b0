// One fault at a time, at every kind of call that a reflector makes: the store ends as it would have without it.
#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "codeexec/runtime/informer.hpp"
#include "codeexec/testing/run_coro.hpp"
#include "codeexec/testing/scripted_client.hpp"

namespace codeexec::runtime {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

enum class call { list, second_page, open_watch, streamed_list, read_watch };
enum class fault {
  cut,
  cut_in_a_line,
  gone,
  gone_event,
  too_many_requests,
  internal_error,
  internal_error_event,
  unavailable,
  forbidden,
  not_found,
  invalid,
  truncated_json,
  no_json,
  huge_line,
  silence,
  ends_at_once,
  lost_connection,
};

struct thing {
  std::string state;
};
std::variant<thing, api::decode_error> decode_thing(json const& object) {
  auto const spec = object.find("spec");
  if (spec == object.end() || !spec->is_object()) return api::decode_error{"spec", "is missing"};
  return thing{spec->value("state", "")};
}

/// Six objects in pages of three, then changes; one call of one kind goes wrong, `times` times.
class server {
 public:
  server(boost::asio::io_context& io, bool streams, call where, fault what, int times)
      : client(io.get_executor()), streams_(streams), where_(where), what_(what), left_(times) {
    for (int i = 0; i < 6; ++i)
      objects_["o" + std::to_string(i)] = {"made", 10 + i};
    client.on_send = [this](kube::request const& r) { return list(r.target); };
    client.on_open = [this](kube::request const& r) { return open(r.target); };
  }

  /// What happens while the watch is open; written whether somebody sees it or not.
  void change_everything() {
    tell("o0", "changed", "MODIFIED");
    tell("o1", "made", "DELETED");
    tell("o6", "made", "ADDED");
    tell("o2", "changed", "MODIFIED");
    tell("o3", "made", "DELETED");
    tell("o3", "again", "ADDED");
  }
  /// Once the watches are up again.
  void change_more() { tell("o7", "late", "ADDED"); }

  std::map<std::string, std::string> state() const {
    std::map<std::string, std::string> out;
    for (auto const& [name, what] : objects_)
      out[name] = what.first;
    return out;
  }
  int happened() const { return happened_; }
  bool is_watched() const {
    return std::any_of(open_.begin(), open_.end(), [](auto const& s) { return s->is_open() && s->unread() == 0; });
  }

  testing::scripted_client client;

 private:
  using record = std::pair<std::string, int>;

  bool now(call here) {
    if (here != where_ || left_ == 0) return false;
    --left_;
    ++happened_;
    return true;
  }
  static kube::error refusal(int code, char const* reason) {
    return kube::error::from_status(code, json{{"kind", "Status"}, {"reason", reason}, {"message", "no"}}.dump());
  }
  /// The fault as the answer to a request; nothing where it is not of that kind.
  std::optional<kube::error> as_error() const {
    switch (what_) {
      case fault::gone:
        return refusal(410, "Expired");
      case fault::too_many_requests:
        return refusal(429, "TooManyRequests");
      case fault::internal_error:
        return refusal(500, "InternalError");
      case fault::unavailable:
        return refusal(503, "ServiceUnavailable");
      case fault::forbidden:
        return refusal(403, "Forbidden");
      case fault::not_found:
        return refusal(404, "NotFound");
      case fault::invalid:
        return refusal(422, "Invalid");
      case fault::silence:
        return kube::error(kube::error_kind::timeout, "silence");
      case fault::cut:
      case fault::lost_connection:
        return kube::error(kube::error_kind::connection, "reset by peer");
      default:
        return std::nullopt;
    }
  }
  static json object(std::string const& name, record const& what) {
    json o;
    o["metadata"] = {{"name", name}, {"namespace", "ns"}, {"resourceVersion", std::to_string(what.second)}};
    o["metadata"]["uid"] = "uid-" + name;
    o["spec"] = {{"state", what.first}};
    return o;
  }
  static std::string event(std::string const& type, json of) {
    return json{{"type", type}, {"object", std::move(of)}}.dump();
  }

  std::optional<kube::result<std::string>> list(std::string const& target) {
    bool const second = target.find("continue=") != std::string::npos;
    std::vector<json> items;
    for (auto const& [name, what] : objects_)
      items.push_back(object(name, what));
    auto const middle = static_cast<std::ptrdiff_t>(std::min<std::size_t>(3, items.size()));
    bool const whole = target.find("limit=") == std::string::npos;
    std::vector<json> part(second ? items.begin() + middle : items.begin(),
                           second || whole ? items.end() : items.begin() + middle);
    json page = {{"metadata", {{"resourceVersion", std::to_string(version_)}}}, {"items", part}};
    if (!second && !whole) page["metadata"]["continue"] = "more";
    auto text = page.dump();
    if (now(second ? call::second_page : call::list)) {
      auto const e = as_error();
      if (e) return *e;
      if (what_ == fault::no_json) return std::string("<html>a proxy speaks</html>");
      return text.substr(0, text.size() / 2);
    }
    return text;
  }

  std::optional<kube::result<std::shared_ptr<testing::scripted_stream>>> open(std::string const& target) {
    bool const streamed = target.find("sendInitialEvents=true") != std::string::npos;
    if (streamed && !streams_) return refusal(422, "Invalid");
    if (now(streamed && where_ == call::streamed_list ? call::streamed_list : call::open_watch)) {
      auto const e = as_error();
      if (e) return *e;
      auto broken = std::make_shared<testing::scripted_stream>(client.executor());
      if (streamed) broken->push_line(event("ADDED", object("o0", objects_["o0"])));
      spoil(*broken, event("ADDED", object("o2", objects_["o2"])));
      return broken;
    }
    auto stream = std::make_shared<testing::scripted_stream>(client.executor());
    if (streamed) {
      for (auto const& [name, what] : objects_)
        stream->push_line(event("ADDED", object(name, what)));
      json end;
      end["metadata"] = {{"resourceVersion", std::to_string(version_)}};
      end["metadata"]["annotations"]["k8s.io/initial-events-end"] = "true";
      stream->push_line(event("BOOKMARK", end));
    } else {
      auto const from = std::stoi(target.substr(target.find("resourceVersion=") + 16));
      for (auto const& [version, line] : past_) {
        if (version > from) stream->push_line(line);
      }
    }
    open_.push_back(stream);
    return stream;
  }

  void tell(std::string const& name, std::string const& state, std::string const& type) {
    record const what{state, ++version_};
    if (type == "DELETED") {
      objects_.erase(name);
    } else {
      objects_[name] = what;
    }
    auto const line = event(type, object(name, what));
    past_.emplace_back(version_, line);
    auto const open = std::exchange(open_, {});
    for (auto const& stream : open) {
      if (!stream->is_open()) continue;
      if (now(call::read_watch)) {
        spoil(*stream, line);
      } else {
        stream->push_line(line);
        open_.push_back(stream);
      }
    }
  }
  /// The stream goes wrong where `line` was to come.
  void spoil(testing::scripted_stream& stream, std::string const& line) const {
    kube::error const reset(kube::error_kind::connection, "reset by peer");
    switch (what_) {
      case fault::cut_in_a_line:
        stream.push(line.substr(0, line.size() / 2));
        return stream.fail(reset);
      case fault::gone_event:
      case fault::gone:
        return stream.push_line(event("ERROR", {{"kind", "Status"}, {"reason", "Expired"}, {"code", 410}}));
      case fault::internal_error_event:
      case fault::internal_error:
        return stream.push_line(event("ERROR", {{"kind", "Status"}, {"reason", "InternalError"}, {"code", 500}}));
      case fault::too_many_requests:
        return stream.push_line(event("ERROR", {{"kind", "Status"}, {"reason", "TooManyRequests"}, {"code", 429}}));
      case fault::truncated_json:
        return stream.push_line(line.substr(0, line.size() / 2));
      case fault::no_json:
        return stream.push_line("<html>a proxy speaks</html>");
      case fault::huge_line:
        return stream.push_line(std::string(5000, ' ') + line);
      case fault::silence:
        return stream.fail(kube::error(kube::error_kind::timeout, "silence"));
      case fault::ends_at_once:
        return stream.end();
      default:
        return stream.fail(reset);
    }
  }

  bool streams_;
  call where_;
  fault what_;
  int left_;
  int happened_ = 0;
  int version_ = 100;
  std::map<std::string, record> objects_;
  std::vector<std::pair<int, std::string>> past_;
  std::vector<std::shared_ptr<testing::scripted_stream>> open_;
};

struct trial {
  bool streams;
  call where;
  fault what;
};

std::vector<trial> trials() {
  std::vector<trial> out;
  auto const add = [&out](bool streams, call where, std::initializer_list<fault> faults) {
    for (auto const what : faults)
      out.push_back({streams, where, what});
  };
  for (auto const where : {call::list, call::second_page}) {
    add(false, where,
        {fault::cut, fault::gone, fault::too_many_requests, fault::internal_error, fault::unavailable, fault::forbidden,
         fault::not_found, fault::truncated_json, fault::no_json, fault::silence});
  }
  auto const stream_faults = {
      fault::cut_in_a_line, fault::gone_event,        fault::internal_error_event, fault::truncated_json,
      fault::no_json,       fault::huge_line,         fault::ends_at_once,         fault::cut,
      fault::gone,          fault::too_many_requests, fault::internal_error,       fault::silence};
  for (bool const streams : {false, true}) {
    add(streams, call::open_watch, stream_faults);
    add(streams, call::open_watch, {fault::unavailable, fault::forbidden, fault::not_found, fault::lost_connection});
    add(streams, call::read_watch, stream_faults);
  }
  add(true, call::streamed_list, stream_faults);
  add(true, call::streamed_list, {fault::invalid, fault::not_found, fault::unavailable, fault::forbidden});
  return out;
}

class ReflectorFaults : public ::testing::TestWithParam<trial> {};

TEST_P(ReflectorFaults, StoreEndsAsItWouldHaveWithout) {
  for (int const times : {1, 3}) {
    auto const [streams, where, what] = GetParam();
    boost::asio::io_context io{1};
    server api(io, streams, where, what, times);
    informer_options options;
    options.type = kube::pods;
    options.policy.backoff_initial = 1ms;
    options.policy.backoff_maximum = 2ms;
    options.policy.missing_poll = 2ms;
    options.policy.longest_line = 4096;
    informer<thing> things(io.get_executor(), api.client, options, decode_thing, base::system_clock(), base::rng(1));
    std::map<std::string, std::string> told;  // what somebody knows who only listens
    things.objects().on_change([&told](change<thing> const& c) {
      if (c.is_deleted()) {
        EXPECT_EQ(told.erase(c.key.name), 1U) << c.key.name << " is told deleted twice";
      } else {
        EXPECT_EQ(told.contains(c.key.name), !c.is_added()) << c.key.name;
        told[c.key.name] = c.after->state;
      }
    });
    async::task_group group(io.get_executor());
    things.start(group);
    auto const until = [&](auto const& happened) {
      auto const end = std::chrono::steady_clock::now() + 20s;
      while (!happened() && std::chrono::steady_clock::now() < end) {
        io.restart();
        io.run_one_for(5ms);
      }
      return happened();
    };
    EXPECT_TRUE(until([&] { return things.has_synced() && api.is_watched(); }));
    api.change_everything();
    EXPECT_TRUE(until([&] { return told == api.state(); })) << "before the last change";
    EXPECT_TRUE(until([&] { return api.is_watched(); }));
    api.change_more();
    EXPECT_TRUE(until([&] { return told == api.state(); })) << "after the last change";
    EXPECT_GE(api.happened(), 1) << "the fault never came";
    EXPECT_EQ(things.objects().size(), api.state().size());
    group.stop();
    testing::run_coro(io, group.join());
  }
}

std::string name_of(::testing::TestParamInfo<trial> const& info) {
  static constexpr std::array calls{"List", "SecondPage", "OpenWatch", "StreamedList", "ReadWatch"};
  static constexpr std::array faults{
      "Cut",           "CutInALine",         "Gone",        "GoneEvent", "TooManyRequests",
      "InternalError", "InternalErrorEvent", "Unavailable", "Forbidden", "NotFound",
      "Invalid",       "TruncatedJson",      "NoJson",      "HugeLine",  "Silence",
      "EndsAtOnce",    "LostConnection"};
  return std::string(info.param.streams ? "Streamed" : "Paged") + calls.at(static_cast<std::size_t>(info.param.where)) +
         "Meets" + faults.at(static_cast<std::size_t>(info.param.what)) + "N" + std::to_string(info.index);
}

INSTANTIATE_TEST_SUITE_P(EveryCall, ReflectorFaults, ::testing::ValuesIn(trials()), name_of);

}  // namespace
}  // namespace codeexec::runtime
