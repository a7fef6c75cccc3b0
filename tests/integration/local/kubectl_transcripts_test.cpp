// What kubectl 1.32 sent to a real Kubernetes 1.36, command by command, sent again: the answers are those of the
// record. The commands themselves, with a kubectl, are in tests/e2e/kubectl_test.cpp.
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <regex>
#include <set>

#include "apiserver_support.hpp"
#include "transcript.hpp"

namespace codeexec::local::testing {
namespace {

using nlohmann::json;

constexpr char const* widget = "/apis/example.dev/v1/namespaces/default2/widgets/k";

/// A place where this server answers otherwise, and why.
struct other_answer {
  std::string topic;
  std::regex place;
  std::string why;
};

std::vector<other_answer> const& other_answers() {
  static std::vector<other_answer> const all = {
      {"", std::regex("headers.Transfer-Encoding"), "Whole answers are sent with their length."},
      {"", std::regex("body.*\\.managedFields.*"), "Only what server-side apply set is noted, not every write."},
      {"kubectl-17-get-all", std::regex("body.columnDefinitions.*\\.description"),
       "Columns are described in own words."},
      {"", std::regex("body.rows.*\\.cells\\[3\\]"), "The age of a Widget depends on the speed of the machine."},
      {"", std::regex("events.*\\.cells\\[3\\]"), "The age of a Widget depends on the speed of the machine."}};
  return all;
}

/// Kinds that `kubectl get all` asks for and this server does not have.
std::set<std::string> const not_served{
    "replicationcontrollers",   "daemonsets", "deployments", "replicasets", "statefulsets",
    "horizontalpodautoscalers", "cronjobs",   "services"};

class kubectl_replay : public ::testing::Test {
 protected:
  void SetUp() override {
    // What stood there before the recording began.
    for (exchange const& one : load_transcript("02-crd")) {
      if (one.request.at("method") == "POST" && one.response.at("status") == 201) {
        ASSERT_EQ(server_.post(one.request.at("path"), one.request.at("body")).status, 201);
        break;
      }
    }
    json const home = {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", "default2"}}}};
    ASSERT_EQ(server_.post("/api/v1/namespaces?fieldManager=kubectl-create", home).status, 201);
    for (int tries = 0; server_.get("/apis/example.dev/v1").status != 200 && tries < 500; ++tries) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }

  /// One command: its requests in their order. Its watch stays open, since other commands ran beside it.
  void command(std::string const& topic) {
    std::size_t number = 0;
    for (exchange const& one : load_transcript(topic)) {
      ++number;
      std::string const path = one.request.at("path");
      std::string const title = topic + " " + std::to_string(number) + ": " + path;
      if (path.starts_with("/version")) {
        EXPECT_EQ(server_.get(path).json().at("minor"), one.response.at("body").at("minor")) << title;
      } else if (path.starts_with("/openapi/")) {
        documents(title, one);
      } else if (one.response.contains("events")) {
        watches_.push_back({title, topic, one, std::make_unique<client>(server_.port())});
        watches_.back().from->send("GET", names_.filled_in(path), fields(one));
      } else {
        exchange_again(title, topic, one);
      }
    }
  }

  /// What somebody else did meanwhile.
  void meanwhile(json const& patch, std::string const& subresource = {}) {
    auto const done =
        server_.call("PATCH", widget + subresource, {{"Content-Type", "application/merge-patch+json"}}, patch.dump());
    EXPECT_EQ(done.status, 200) << done.body;
  }

  void finish_watches() {
    for (open_watch& one : watches_) {
      json const& wanted = one.what.response.at("events");
      auto const [status, lines] = one.from->lines(wanted.size());
      EXPECT_EQ(status, 200) << one.title;
      report(one.title, one.topic, names_.compare(wanted, json(lines), "events"));
    }
  }

  live_server server_;

 private:
  struct open_watch {
    std::string title;
    std::string topic;
    exchange what;
    std::unique_ptr<client> from;
  };

  static headers fields(exchange const& one) {
    headers out;
    for (auto const& [name, value] : one.request.at("headers").items()) {
      out.emplace_back(name, value.get<std::string>());
    }
    return out;
  }

  void exchange_again(std::string const& title, std::string const& topic, exchange const& one) {
    std::string const path = one.request.at("path");
    std::string const last = path.substr(0, path.find('?')).substr(path.substr(0, path.find('?')).rfind('/') + 1);
    if (topic == "kubectl-17-get-all" && not_served.contains(last)) {
      return;
    }
    std::string body;
    if (one.request.contains("body")) {
      json const filled = names_.filled_in(one.request.at("body"));
      body = filled.is_string() ? filled.get<std::string>() : filled.dump();
    }
    auto const got = server_.call(one.request.at("method"), names_.filled_in(path), fields(one), body);
    EXPECT_EQ(got.status, one.response.at("status").get<int>()) << title << "\n" << got.body.substr(0, 500);
    json const wanted = one.response.contains("body") ? one.response.at("body") : json();
    bool const cut = wanted.is_string() && wanted.get_ref<std::string const&>().starts_with("<");
    bool const binary = wanted.is_string() && wanted.get_ref<std::string const&>().starts_with("k8s");
    if (binary) {
      // JSON was asked for, too, as a second choice.
      EXPECT_EQ(got.header("Content-Type"), "application/json") << title;
      return;
    }
    for (auto const& [name, value] : one.response.at("headers").items()) {
      report(title, topic, names_.compare(value, got.header(name.c_str()), "headers." + name));
    }
    if (!cut) {
      json const document = got.json();
      report(title, topic,
             names_.compare(wanted, document.is_discarded() || wanted.is_string() ? json(got.body) : document, "body"));
    }
  }

  /// The index is asked for once, then only whether it is still the same; a document by the address in the index.
  void documents(std::string const& title, exchange const& one) {
    std::string const path = one.request.at("path");
    headers asked = fields(one);
    if (one.response.at("status") == 304) {
      asked.emplace_back("If-None-Match", index_tag_);
    }
    std::string target = path;
    if (auto const hash = path.find("?hash="); hash != std::string::npos) {
      // Of another document than today's: the server sends to the right one.
      auto const moved = server_.call("GET", path, asked);
      EXPECT_EQ(moved.status, 301) << title;
      target = moved.header("Location");
      EXPECT_TRUE(target.starts_with(path.substr(0, hash + 6))) << title << ": " << target;
    }
    auto const got = server_.call("GET", target, asked);
    EXPECT_EQ(got.status, one.response.at("status").get<int>()) << title;
    for (auto const& [name, value] : one.response.at("headers").items()) {
      EXPECT_EQ(got.header(name.c_str()), value.get<std::string>()) << title;
    }
    EXPECT_NE(got.header("Etag"), "") << title;
    if (path.starts_with("/openapi/v3?")) {
      index_tag_ = got.header("Etag");
    }
  }

  static void report(std::string const& title, std::string const& topic, std::vector<difference> const& found) {
    for (difference const& one : found) {
      bool known = false;
      for (other_answer const& other : other_answers()) {
        known = known || ((other.topic.empty() || other.topic == topic) && std::regex_match(one.place, other.place));
      }
      if (!known) {
        ADD_FAILURE() << title << "\n  " << one.place << " " << one.text;
      }
    }
  }

  bindings names_;
  std::vector<open_watch> watches_;
  std::string index_tag_;
};

TEST_F(kubectl_replay, each_command_hears_what_it_heard_from_a_real_server) {
  for (char const* first : {"kubectl-01-apply", "kubectl-02-apply-again", "kubectl-03-apply-server-side",
                            "kubectl-04-get", "kubectl-05-get-yaml", "kubectl-06-describe", "kubectl-07-wait"}) {
    command(first);
  }
  meanwhile(json::parse(R"({"status": {"conditions": [{"type": "Ready", "status": "True"}]}})"), "/status");
  for (char const* then : {"kubectl-08-wait-jsonpath", "kubectl-09-explain", "kubectl-10-invalid", "kubectl-11-diff",
                           "kubectl-12-label", "kubectl-13-delete", "kubectl-14-create-f", "kubectl-15-edit-replace",
                           "kubectl-16-get-watch", "kubectl-17-get-all", "kubectl-18-events", "kubectl-19-auth"}) {
    command(then);
  }
  meanwhile(json::parse(R"({"metadata": {"finalizers": ["example.dev/f"]}})"));
  command("kubectl-21-delete-wait-finalizer");
  command("kubectl-23-version");
  command("kubectl-24-cluster-info");
  json const job =
      json::parse(R"({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {"template":
      {"spec": {"restartPolicy": "Never", "containers": [{"name": "j", "image": "busybox"}]}}}})");
  ASSERT_EQ(server_.post("/apis/batch/v1/namespaces/default2/jobs", job).status, 201);
  command("kubectl-25-delete-job");
  finish_watches();
}

}  // namespace
}  // namespace codeexec::local::testing
