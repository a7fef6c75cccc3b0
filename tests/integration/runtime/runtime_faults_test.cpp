// Reflector, store, queue and controller together, against an API server in memory that breaks off, forgets, refuses
// and lies at random: whatever it does, every object ends where it would have ended without.
#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "codeexec/kube_core/request.hpp"
#include "codeexec/runtime/controller.hpp"
#include "codeexec/runtime/informer.hpp"
#include "codeexec/testing/run_coro.hpp"
#include "codeexec/testing/scripted_client.hpp"

namespace codeexec::runtime {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

struct work {
  object_key key;
  std::string state;
  std::string version;
};

std::variant<work, api::decode_error> decode_work(json const& object) {
  auto const spec = object.find("spec");
  if (spec == object.end() || !spec->contains("state") || !(*spec)["state"].is_string()) {
    return api::decode_error{"spec.state", "expected a string"};
  }
  auto const& metadata = object["metadata"];
  return work{{metadata["namespace"], metadata["name"]}, (*spec)["state"], metadata["resourceVersion"]};
}

/// One collection with versions, a bounded past, open watches, and a bad temper.
class moody_server {
 public:
  moody_server(boost::asio::io_context& io, std::uint64_t seed, double mood)
      : client(io.get_executor()), io_(io), random_(seed), mood_(mood), streams_lists_(seed % 2 == 0) {
    client.on_send = [this](kube::request const& r) { return send(r); };
    client.on_open = [this](kube::request const& r) { return open(r); };
  }

  void create(object_key const& key) { write(key, "new", "ADDED"); }
  void remove(object_key const& key) {
    auto const gone = objects_.at(key);
    objects_.erase(key);
    tell(key, gone.state, "DELETED");
  }
  std::size_t in_state(std::string const& state) const {
    return static_cast<std::size_t>(
        std::count_if(objects_.begin(), objects_.end(), [&](auto const& o) { return o.second.state == state; }));
  }

  testing::scripted_client client;
  std::map<object_key, int> starts;
  int faults = 0;
  int lists_streamed = 0;

 private:
  struct record {
    std::string state;
    std::uint64_t version;
  };
  struct past_event {
    std::uint64_t version;
    std::string line;
  };

  bool moody() {
    if (std::uniform_real_distribution<double>()(random_) >= mood_) return false;
    ++faults;
    return true;
  }
  static json object(object_key const& key, std::string const& state, std::uint64_t version) {
    json o;
    o["metadata"] = {{"name", key.name}, {"namespace", key.ns}, {"uid", "uid-" + key.describe()}};
    o["metadata"]["resourceVersion"] = std::to_string(version);
    o["spec"] = {{"state", state}};
    return o;
  }
  static kube::error status(int code, std::string const& reason) {
    return kube::error::from_status(code, R"({"kind":"Status","reason":")" + reason + R"(","message":"no"})");
  }

  void write(object_key const& key, std::string const& state, char const* type) {
    objects_[key] = record{state, version_ + 1};
    tell(key, state, type);
  }
  void tell(object_key const& key, std::string const& state, char const* type) {
    ++version_;
    auto const line = json{{"type", type}, {"object", object(key, state, version_)}}.dump();
    past_.push_back({version_, line});
    if (moody()) past_.erase(past_.begin(), past_.begin() + static_cast<std::ptrdiff_t>(past_.size() / 2));
    for (auto const& stream : std::exchange(streams_, {})) {
      if (deliver(*stream, line)) streams_.push_back(stream);
    }
  }
  /// False: the watch is over.
  bool deliver(testing::scripted_stream& to, std::string const& line) {
    if (!moody()) {
      to.push_line(line);
      return true;
    }
    switch (random_() % 5) {
      case 0:
        to.push(line.substr(0, line.size() / 2));
        to.fail(kube::error(kube::error_kind::connection, "reset by peer"));
        return false;
      case 1:
        to.push_line(
            R"({"type":"ERROR","object":{"kind":"Status","status":"Failure","reason":"Expired","message":"","code":410}})");
        return false;
      case 2:
        to.push_line(line.substr(0, line.size() / 2));  // a broken proxy: part of the event, and on it goes
        return true;
      case 3:
        to.end();
        return false;
      default:
        to.fail(kube::error(kube::error_kind::timeout, "silence"));
        return false;
    }
  }

  static std::string parameter(std::string const& target, std::string const& name) {
    auto const at = target.find(name + "=");
    if (at == std::string::npos) return "";
    auto const from = at + name.size() + 1;
    return target.substr(from, target.find('&', from) - from);
  }

  kube::result<std::string> list(std::string const& target) {
    if (moody()) return random_() % 2 == 0 ? status(503, "ServiceUnavailable") : status(429, "TooManyRequests");
    auto const token = parameter(target, "continue");
    if (!token.empty() && moody()) return status(410, "Expired");
    if (moody()) return std::string(R"({"kind":"PodList","items":[)");
    // Pages of one list show one state: the one when its first page was asked for.
    std::size_t from = 0;
    if (token.empty()) {
      ++list_id_;
      auto& all = snapshots_[list_id_];
      for (auto const& [key, what] : objects_)
        all.push_back(object(key, what.state, what.version));
      snapshot_versions_[list_id_] = version_;
    } else {
      from = static_cast<std::size_t>(std::stoul(token.substr(token.find('x') + 1)));
    }
    auto const id = token.empty() ? list_id_ : static_cast<std::uint64_t>(std::stoul(token));
    auto const& all = snapshots_[id];
    auto const limit = parameter(target, "limit").empty() ? all.size() : std::size_t{7};
    json page = {{"kind", "PodList"}, {"items", json::array()}};
    for (auto i = from; i < std::min(from + limit, all.size()); ++i)
      page["items"].push_back(all[i]);
    page["metadata"]["resourceVersion"] = std::to_string(snapshot_versions_[id]);
    if (from + limit < all.size()) {
      page["metadata"]["continue"] = std::to_string(id) + "x" + std::to_string(from + limit);
    }
    return page.dump();
  }

  kube::result<std::string> patch(kube::request const& r) {
    auto const change = json::parse(r.body);
    object_key const key(change["namespace"], change["name"]);
    if (moody()) return status(500, "InternalError");
    auto const found = objects_.find(key);
    if (found == objects_.end()) return status(404, "NotFound");
    if (std::to_string(found->second.version) != change["version"]) return status(409, "Conflict");
    std::string const state = change["state"];
    write(key, state, "MODIFIED");
    if (state == "started") {
      ++starts[key];
      // Somebody else's part of the work, a little later.
      boost::asio::post(io_, [this, key] { write(key, "ended", "MODIFIED"); });
    }
    if (moody()) return kube::error(kube::error_kind::connection, "the answer was lost");
    return std::string("{}");
  }

  std::optional<kube::result<std::string>> send(kube::request const& r) {
    if (r.method == kube::verb::patch) return patch(r);
    return list(r.target);
  }

  std::optional<kube::result<std::shared_ptr<testing::scripted_stream>>> open(kube::request const& r) {
    if (moody()) return kube::error(kube::error_kind::connect, "refused");
    if (!parameter(r.target, "sendInitialEvents").empty()) {
      if (!streams_lists_) return status(422, "Invalid");
      ++lists_streamed;
      auto stream = std::make_shared<testing::scripted_stream>(client.executor());
      bool goes_on = true;
      for (auto const& [key, what] : objects_) {
        if (!goes_on) return stream;
        goes_on = deliver(*stream, json{{"type", "ADDED"}, {"object", object(key, what.state, what.version)}}.dump());
      }
      json end = {{"type", "BOOKMARK"}};
      end["object"]["metadata"]["resourceVersion"] = std::to_string(version_);
      end["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"] = "true";
      if (goes_on && deliver(*stream, end.dump())) streams_.push_back(stream);
      return stream;
    }
    auto const from = std::stoull(parameter(r.target, "resourceVersion"));
    auto const oldest = past_.empty() ? version_ + 1 : past_.front().version;
    if (from + 1 < oldest) return status(410, "Expired");
    auto stream = std::make_shared<testing::scripted_stream>(client.executor());
    bool goes_on = true;
    for (auto const& e : past_) {
      if (e.version > from && goes_on) goes_on = deliver(*stream, e.line);
    }
    if (goes_on) streams_.push_back(stream);
    return stream;
  }

  boost::asio::io_context& io_;
  base::rng random_;
  double mood_;
  bool streams_lists_;
  std::map<object_key, record> objects_;
  std::vector<past_event> past_;
  std::uint64_t version_ = 100;
  std::vector<std::shared_ptr<testing::scripted_stream>> streams_;
  std::uint64_t list_id_ = 0;
  std::map<std::uint64_t, std::vector<json>> snapshots_;
  std::map<std::uint64_t, std::uint64_t> snapshot_versions_;
};

/// new -> started -> (the world) ended -> recorded, as an execution goes.
class worker final : public reconciler {
 public:
  worker(kube::client& client, store<work> const& objects) : client_(client), objects_(objects) {}

  kube::task<outcome> reconcile(object_key key, std::string) override {
    auto const seen = objects_.get(key);
    if (!seen) co_return outcome::done();
    std::string next;
    if (seen->state == "new") next = "started";
    if (seen->state == "ended") next = "recorded";
    if (next.empty()) co_return outcome::done();
    json change;
    change["namespace"] = key.ns;
    change["name"] = key.name;
    change["version"] = seen->version;
    change["state"] = next;
    auto request = kube::make_patch(kube::pods, key.ns, key.name, kube::patch_type::merge, change.dump(), "test");
    auto const by = base::deadline::after(5s);
    auto const answer = co_await client_.send(std::move(request), by);
    if (!answer) co_return outcome::retry(answer.error());
    co_return outcome::done();
  }

 private:
  kube::client& client_;
  store<work> const& objects_;
};

class RuntimeFaults : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(RuntimeFaults, EveryObjectEndsAsItWouldHaveWithoutThem) {
  auto const seed = GetParam();
  boost::asio::io_context io{1};
  moody_server server(io, seed, seed == 0 ? 0.0 : 0.05 + 0.02 * static_cast<double>(seed % 5));

  informer_options options;
  options.type = kube::pods;
  options.policy.backoff_initial = 1ms;
  options.policy.backoff_maximum = 3ms;
  options.keep = {{"metadata", {"name", "namespace", "uid", "resourceVersion"}}, {"spec", {"state"}}};
  informer<work> objects(io.get_executor(), server.client, options, decode_work, base::system_clock(), base::rng(seed));
  worker reconciler(server.client, objects.objects());
  controller_options how;
  how.concurrency = 8;
  how.queue.backoff_initial = 1ms;
  how.queue.backoff_maximum = 3ms;
  controller loop(io.get_executor(), reconciler, base::system_clock(), base::rng(seed), how);
  objects.objects().on_change([&](change<work> const& c) {
    loop.enqueue(c.key, c.newest().state == "ended" ? priority::high : priority::normal);
  });

  std::vector<object_key> keys;
  for (int i = 0; i < 60; ++i)
    keys.emplace_back("ns-" + std::to_string(i % 4), "work-" + std::to_string(i));
  for (int i = 0; i < 30; ++i)
    server.create(keys[static_cast<std::size_t>(i)]);  // before it starts

  async::task_group group(io.get_executor());
  objects.start(group);
  loop.start({&objects});

  auto const turn_until = [&](auto const& happened) {
    auto const end = std::chrono::steady_clock::now() + 20s;
    while (!happened() && std::chrono::steady_clock::now() < end) {
      io.restart();
      io.run_one_for(5ms);
    }
    return happened();
  };
  EXPECT_TRUE(turn_until([&] { return server.in_state("recorded") >= 10; }));
  for (std::size_t i = 30; i < keys.size(); ++i)
    server.create(keys[i]);  // while it runs
  EXPECT_TRUE(turn_until([&] { return server.in_state("recorded") == keys.size(); })) << "seed " << seed;
  for (std::size_t i = 0; i < 20; ++i)
    server.remove(keys[i]);
  EXPECT_TRUE(turn_until([&] { return objects.objects().size() == 40; }))
      << objects.objects().size() << " objects in the store, seed " << seed;

  for (auto const& key : keys)
    EXPECT_EQ(server.starts[key], 1) << key.describe() << " was started more than once";
  for (std::size_t i = 0; i < 20; ++i)
    EXPECT_EQ(objects.objects().get(keys[i]), nullptr) << "a deleted object stays in the store";
  if (seed == 0) {
    EXPECT_EQ(objects.counters().lists, 1U);
    EXPECT_EQ(server.lists_streamed, 1);
    EXPECT_EQ(loop.counters().retries, 0U);
  } else {
    EXPECT_GT(server.faults, 10);
  }

  testing::run_coro(io, loop.stop(5s));
  group.stop();
  testing::run_coro(io, group.join());
  EXPECT_TRUE(turn_until([&] { return loop.in_flight() == 0; }));
  EXPECT_EQ(loop.counters().exceptions, 0U);
  EXPECT_EQ(loop.queue().processing(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RuntimeFaults, ::testing::Range<std::uint64_t>(0, 16));

}  // namespace
}  // namespace codeexec::runtime
