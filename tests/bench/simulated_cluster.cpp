#include "simulated_cluster.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "codeexec/async/deadline.hpp"
#include "codeexec/base/time.hpp"

#include "raw_json.hpp"

namespace codeexec::bench {
namespace asio = boost::asio;
namespace http = boost::beast::http;

namespace {

using std::chrono::milliseconds;

constexpr std::size_t chunk_size = 64 * 1024;
/// Events that stay although every watcher has them: for a watch that begins anew.
constexpr std::size_t kept_events = 2000;
constexpr std::size_t longest_termination_message = 4096;
net::header_list const json_type{{"Content-Type", "application/json"}};

std::string now_seconds() {
  return base::format_time(base::system_clock().wall_now()).substr(0, 19) + "Z";
}
std::string now_micros() {
  return base::format_time(base::system_clock().wall_now());
}

std::string number_text(std::uint64_t number, int width) {
  std::array<char, 24> text{};
  std::snprintf(text.data(), text.size(), "%0*llu", width, static_cast<unsigned long long>(number));
  return text.data();
}
std::string uid_text(char kind, std::uint64_t number) {
  return std::string("5b1f3c5e-7d0a-4d57-9f0") + kind + "-" + number_text(number, 12);
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

/// {"metadata":{"k":v}} of text pieces.
std::string metadata_patch(std::string_view members) {
  return R"({"metadata":{)" + std::string(members) + "}}";
}

/// As a server keeps them: every field that somebody set, once more. About as long as the object without its values.
std::string managed_fields(nlohmann::json const& object, char const* manager) {
  std::function<nlohmann::json(nlohmann::json const&)> const names = [&names](nlohmann::json const& of) {
    auto out = nlohmann::json::object();
    if (of.is_object()) {
      for (auto const& [key, value] : of.items())
        out["f:" + key] = names(value);
    }
    return out;
  };
  auto all = names(object);
  all.erase("f:apiVersion");
  all.erase("f:kind");
  nlohmann::json entry{{"manager", manager},
                       {"operation", "Update"},
                       {"apiVersion", object.value("apiVersion", "v1")},
                       {"fieldsType", "FieldsV1"},
                       {"time", "2026-11-20T10:00:00Z"}};
  entry["fieldsV1"] = std::move(all);
  return nlohmann::json::array({std::move(entry)}).dump();
}

/// Lines of 80 bytes.
std::string output_of(std::size_t bytes) {
  std::string out(bytes, 'x');
  for (std::size_t i = 79; i < bytes; i += 80)
    out[i] = '\n';
  if (bytes > 0) out.back() = '\n';
  return out;
}

/// As the runner writes it: every line its frame.
std::string frames_of(std::string_view output) {
  std::string out;
  while (!output.empty()) {
    auto const line = output.substr(0, output.find('\n') + 1);
    out += "stdout F ";
    out += line;
    output.remove_prefix(line.size());
  }
  return out;
}

nlohmann::json quantiles(std::vector<double> all) {
  if (all.empty()) return nullptr;
  std::sort(all.begin(), all.end());
  auto const at = [&](double share) {
    return all[std::min(all.size() - 1, static_cast<std::size_t>(share * static_cast<double>(all.size())))];
  };
  return {{"p50", at(0.5)}, {"p90", at(0.9)}, {"p99", at(0.99)}, {"max", all.back()}};
}

double millis(std::chrono::steady_clock::duration d) {
  return std::chrono::duration<double, std::milli>(d).count();
}

}  // namespace

struct simulated_cluster::sandbox {
  explicit sandbox(asio::any_io_executor const& executor) : end(executor) {}
  std::string ns;
  std::string job_name;
  std::string job_uid;
  std::string execution_uid;
  std::string token;
  std::string input;     // the ConfigMap's key
  std::string pod_name;  // with the namespace: the Pod's key
  std::string pod_uid;
  std::string base;  // the Pod without its status
  std::string started;
  std::string result;  // the runner's object
  std::size_t output = 0;
  bool running = false;
  bool ended = false;
  bool gone = false;
  async::event end;
};

simulated_cluster::simulated_cluster(asio::any_io_executor executor, bool streams_lists)
    : executor_(std::move(executor)), streams_lists_(streams_lists), group_(executor_), progress_(executor_) {
  stored probe;
  probe.ns = "default";
  probe.uid = uid_text('9', 1);
  put("configmaps", "default/probe", std::move(probe),
      R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"probe","namespace":"default"},"data":{"key":"value"}})",
      "ADDED");
}

simulated_cluster::~simulated_cluster() = default;

asio::awaitable<void> simulated_cluster::stop() {
  group_.stop();
  co_await group_.join();
}

// --- requests ------------------------------------------------------------------------------------------------------

simulated_cluster::target simulated_cluster::parse(std::string_view text) {
  target t;
  auto const question = text.find('?');
  auto path = text.substr(0, question);
  std::vector<std::string> parts;
  while (!path.empty()) {
    path.remove_prefix(1);
    auto const end = std::min(path.find('/'), path.size());
    parts.emplace_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  std::size_t at = !parts.empty() && parts.front() == "api" ? 2 : 3;
  if (at + 1 < parts.size() && parts[at] == "namespaces") {
    t.ns = parts[at + 1];
    at += 2;
  }
  if (at < parts.size()) t.plural = parts[at];
  if (at + 1 < parts.size()) t.name = parts[at + 1];
  if (at + 2 < parts.size()) t.subresource = parts[at + 2];
  auto query = question == std::string_view::npos ? std::string_view() : text.substr(question + 1);
  while (!query.empty()) {
    auto const end = std::min(query.find('&'), query.size());
    auto const one = query.substr(0, end);
    auto const equals = std::min(one.find('='), one.size());
    t.query[std::string(one.substr(0, equals))] =
        percent_decoded(equals == one.size() ? std::string_view() : one.substr(equals + 1));
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return t;
}

simulated_cluster::reply simulated_cluster::refuse(int status, std::string_view reason, std::string_view message) {
  return {status, R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":)" +
                      raw::quoted(message) + R"(,"reason":)" + raw::quoted(reason) + R"(,"code":)" +
                      std::to_string(status) + "}"};
}

simulated_cluster::collection& simulated_cluster::of(std::string const& plural) {
  auto& found = collections_[plural];
  if (!found) found = std::make_unique<collection>(executor_);
  return *found;
}

/// Everything of Jobs and Pods here is the operator's: only one selector tells them apart.
bool simulated_cluster::is_for(target const& t, stored const& o) const {
  if (!t.ns.empty() && t.ns != o.ns) return false;
  constexpr std::string_view by_execution = "codeexec.dev/execution-uid=";
  auto const selector = t.query.find("labelSelector");
  if (selector == t.query.end() || !selector->second.starts_with(by_execution)) return true;
  return selector->second.substr(by_execution.size()) == o.execution_uid;
}

asio::awaitable<void> simulated_cluster::handle(net::server_request request, net::exchange& answer) {
  auto const t = parse(request.target);
  bool const is_watch = t.query.contains("watch");
  std::string const verb = is_watch ? "WATCH" : std::string(http::to_string(request.method));
  auto& counted = calls_[verb + " " + t.plural + (t.subresource.empty() ? "" : "/" + t.subresource)];
  ++counted.calls;
  counted.bytes_in += request.body.size();
  if (is_watch) {
    if (t.query.contains("sendInitialEvents") && !streams_lists_) {
      auto no = refuse(422, "Invalid",
                       "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled");
      auto responding = answer.respond(no.status, json_type, std::move(no.body));
      co_await std::move(responding);
      co_return;
    }
    auto watching = watch(t, answer);
    co_await std::move(watching);
    co_return;
  }
  if (t.subresource == "log") {
    auto sending = send_log(t, answer);
    co_await std::move(sending);
    co_return;
  }
  auto done = serve(t, request);
  counted.bytes_out += done.body.size();
  auto responding = answer.respond(done.status, json_type, std::move(done.body));
  co_await std::move(responding);
}

simulated_cluster::reply simulated_cluster::serve(target const& t, net::server_request const& r) {
  switch (r.method) {
    case http::verb::post:
      return create(t, r.body);
    case http::verb::patch:
      return patch(t, r.body);
    case http::verb::delete_:
      return remove(t, r.body);
    case http::verb::get:
      break;
    default:
      return refuse(405, "MethodNotAllowed", "not of this server");
  }
  if (t.name.empty()) return list(t);
  auto& objects = of(t.plural).objects;
  auto const found = objects.find(t.ns + "/" + t.name);
  if (found == objects.end()) return refuse(404, "NotFound", t.plural + " \"" + t.name + "\" not found");
  return {200, *found->second.text};
}

simulated_cluster::reply simulated_cluster::list(target const& t) {
  auto const& c = of(t.plural);
  auto const option = [&](char const* name) {
    auto const found = t.query.find(name);
    return found == t.query.end() ? std::string() : found->second;
  };
  auto const limit_text = option("limit");
  std::size_t const limit = limit_text.empty() ? std::numeric_limits<std::size_t>::max() : std::stoull(limit_text);
  // "version:last key". Every page says the first one's version: a watch from there brings what changed meanwhile.
  auto const token = option("continue");
  auto const colon = token.find(':');
  auto const version = token.empty() ? std::to_string(version_) : token.substr(0, colon);
  auto at = token.empty() ? c.objects.begin() : c.objects.upper_bound(token.substr(colon + 1));
  // Whoever lists these asks for their metadata alone.
  bool const metadata_alone = t.plural == "configmaps" || t.plural == "networkpolicies";
  std::string items;
  std::size_t count = 0;
  std::string next;
  for (; at != c.objects.end(); ++at) {
    if (!is_for(t, at->second)) continue;
    if (count == limit) {
      next = version + ":" + std::prev(at)->first;
      break;
    }
    if (count++ > 0) items += ',';
    if (metadata_alone) {
      items += R"({"metadata":)";
      items += raw::member(*at->second.text, "metadata");
      items += '}';
    } else {
      items += *at->second.text;
    }
  }
  auto metadata = R"({"resourceVersion":")" + version + '"';
  if (!next.empty()) metadata += R"(,"continue":)" + raw::quoted(next);
  return {200, R"({"kind":"List","apiVersion":"v1","metadata":)" + metadata + R"(},"items":[)" + items + "]}"};
}

void simulated_cluster::put(std::string const& plural, std::string const& key, stored o, std::string text,
                            char const* event_type) {
  o.version = ++version_;
  o.text = std::make_shared<std::string const>(
      raw::merge(text, metadata_patch(R"("resourceVersion":")" + std::to_string(o.version) + '"')));
  auto& c = of(plural);
  auto& here = c.objects[key];
  here = std::move(o);
  tell(c, event_type, here);
}

void simulated_cluster::take_away(std::string const& plural, std::string const& key) {
  auto& c = of(plural);
  auto const found = c.objects.find(key);
  if (found == c.objects.end()) return;
  auto last = std::move(found->second);
  c.objects.erase(found);
  last.version = ++version_;
  last.text = std::make_shared<std::string const>(
      raw::merge(*last.text, metadata_patch(R"("resourceVersion":")" + std::to_string(last.version) + '"')));
  tell(c, "DELETED", last);
}

void simulated_cluster::tell(collection& c, char const* type, stored const& o) {
  if (c.watchers.empty()) {
    // As if the history began here: who watches from an earlier version has to list.
    c.history.clear();
    c.first = 0;
    c.forgotten = o.version;
    return;
  }
  auto line = std::string(R"({"type":")") + type + R"(","object":)";
  line.reserve(line.size() + o.text->size() + 2);
  line += *o.text;
  line += "}\n";
  c.history.push_back({o.version, o.ns, std::make_shared<std::string const>(std::move(line))});
  auto slowest = c.first + c.history.size();
  for (auto const& [id, next] : c.watchers)
    slowest = std::min(slowest, next);
  while (c.history.size() > kept_events && c.first < slowest) {
    c.forgotten = c.history.front().version;
    c.history.pop_front();
    ++c.first;
  }
  c.changed.pulse();
}

asio::awaitable<void> simulated_cluster::watch(target t, net::exchange& answer) {
  auto& c = of(t.plural);
  auto const from_text = t.query["resourceVersion"];
  bool const with_list = t.query.contains("sendInitialEvents");
  auto const from = from_text.empty() ? version_ : std::stoull(from_text);
  auto const timeout =
      std::chrono::seconds(t.query.contains("timeoutSeconds") ? std::stoi(t.query["timeoutSeconds"]) : 300);
  auto const by = base::deadline::after(timeout);
  bool gone = false;
  std::function<void()> on_gone = [&gone, &c] {
    gone = true;
    c.changed.pulse();
  };
  auto beginning = answer.begin_stream(200, json_type, std::move(on_gone));
  auto const begun = co_await std::move(beginning);
  if (!begun) co_return;

  auto const id = ++watch_number_;
  struct leave {
    collection& from;
    int id;
    ~leave() { from.watchers.erase(id); }
  };
  if (!with_list && from < c.forgotten) {
    std::string expired =
        R"({"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":)"
        R"("too old resource version","reason":"Expired","code":410}})"
        "\n";
    auto sending = answer.write(std::move(expired));
    co_await std::move(sending);
    co_return;
  }
  auto next = c.first;
  if (with_list) {
    next += c.history.size();
  } else {
    next += static_cast<std::uint64_t>(
        std::count_if(c.history.begin(), c.history.end(), [&](event const& e) { return e.version <= from; }));
  }
  c.watchers[id] = next;
  leave const counted{c, id};

  if (with_list) {
    auto const version = version_;
    std::vector<std::shared_ptr<std::string const>> all;
    for (auto const& [key, o] : c.objects) {
      if (is_for(t, o)) all.push_back(o.text);
    }
    std::string chunk;
    for (auto const& text : all) {
      chunk += R"({"type":"ADDED","object":)";
      chunk += *text;
      chunk += "}\n";
      ++watch_events_;
      if (chunk.size() < chunk_size) continue;
      watch_bytes_ += chunk.size();
      auto sending = answer.write(std::move(chunk));
      auto const sent = co_await std::move(sending);
      chunk.clear();
      if (!sent) co_return;
    }
    chunk += R"({"type":"BOOKMARK","object":{"kind":"Object","apiVersion":"v1","metadata":{"resourceVersion":")" +
             std::to_string(version) + R"(","annotations":{"k8s.io/initial-events-end":"true"}}}})" + "\n";
    watch_bytes_ += chunk.size();
    auto sending = answer.write(std::move(chunk));
    auto const sent = co_await std::move(sending);
    if (!sent) co_return;
  }

  // What has come together goes out together, as it does when a real server has more to say than one packet.
  while (!gone) {
    auto& mine = c.watchers[id];
    std::string chunk;
    while (mine < c.first + c.history.size() && chunk.size() < chunk_size) {
      auto const& one = c.history[mine - c.first];
      ++mine;
      if (!t.ns.empty() && t.ns != one.ns) continue;
      chunk += *one.line;
      ++watch_events_;
    }
    if (!chunk.empty()) {
      watch_bytes_ += chunk.size();
      auto sending = answer.write(std::move(chunk));
      auto const sent = co_await std::move(sending);
      if (!sent) co_return;
      continue;
    }
    if (by.passed()) co_return;
    co_await c.changed.wait_until(by);
  }
}

simulated_cluster::reply simulated_cluster::create(target const& t, std::string const& body) {
  auto const metadata = raw::member(body, "metadata");
  auto name = raw::unquoted(raw::member(metadata, "name"));
  if (name.empty()) name = raw::unquoted(raw::member(metadata, "generateName")) + number_text(++children_, 5);
  auto const key = t.ns + "/" + name;
  auto& objects = of(t.plural).objects;
  if (objects.contains(key)) return refuse(409, "AlreadyExists", t.plural + " \"" + name + "\" already exists");
  stored o;
  o.ns = t.ns;
  o.uid = uid_text('1', ++children_);
  o.execution_uid = raw::unquoted(raw::at(metadata, {"labels", "codeexec.dev/execution-uid"}));
  std::string added = R"("uid":")" + o.uid + R"(","creationTimestamp":")" + now_seconds() + R"(","generation":1)";
  if (t.plural == "jobs") {
    static std::string const fields =
        managed_fields(nlohmann::json::parse(body, nullptr, false), "codeexec-controller");
    added += R"(,"managedFields":)" + fields;
  }
  put(t.plural, key, std::move(o), raw::merge(body, metadata_patch(added)), "ADDED");
  reply done{201, *objects[key].text};
  if (t.plural == "jobs") make_pod(key, *objects[key].text);
  if (t.plural == "configmaps") {
    auto const waiting = by_input_.find(key);
    if (waiting != by_input_.end()) start_pod(key);
  }
  return done;
}

simulated_cluster::reply simulated_cluster::patch(target const& t, std::string const& body) {
  auto& objects = of(t.plural).objects;
  auto const key = t.ns + "/" + t.name;
  auto const found = objects.find(key);
  if (found == objects.end()) return refuse(404, "NotFound", t.plural + " \"" + t.name + "\" not found");
  auto o = found->second;
  if (!body.empty() && body.front() == '[') {
    // The one JSON patch there is: the finalizer goes.
    if (body.find("/metadata/finalizers/0") == std::string::npos) return refuse(422, "Invalid", "not of this server");
    auto changed = raw::merge(*o.text, metadata_patch(R"("finalizers":null)"));
    bool const was_last = changed.find(R"("deletionTimestamp")") != std::string::npos;
    put(t.plural, key, std::move(o), std::move(changed), "MODIFIED");
    reply done{200, *objects[key].text};
    if (was_last) take_away(t.plural, key);
    return done;
  }
  auto const wanted = raw::unquoted(raw::at(body, {"metadata", "resourceVersion"}));
  if (!wanted.empty() && wanted != std::to_string(o.version)) {
    return refuse(409, "Conflict",
                  "Operation cannot be fulfilled on " + t.plural + " \"" + t.name + "\": the object has been modified");
  }
  put(t.plural, key, std::move(o), raw::merge(*found->second.text, body), "MODIFIED");
  auto const& changed = objects[key];
  reply done{200, *changed.text};
  auto const phase = raw::at(body, {"status", "phase"});
  if (phase == R"("Succeeded")" || phase == R"("Failed")") finished(key, stored(changed));
  return done;
}

simulated_cluster::reply simulated_cluster::remove(target const& t, std::string const& body) {
  auto& objects = of(t.plural).objects;
  auto const key = t.ns + "/" + t.name;
  auto const found = objects.find(key);
  if (found == objects.end()) return refuse(404, "NotFound", t.plural + " \"" + t.name + "\" not found");
  auto const wanted = raw::unquoted(raw::at(body, {"preconditions", "uid"}));
  if (!wanted.empty() && wanted != found->second.uid) return refuse(409, "Conflict", "another UID");
  take_away(t.plural, key);
  auto const on_node = sandboxes_.find(key);
  if (t.plural == "jobs" && on_node != sandboxes_.end()) {
    auto const s = on_node->second;
    sandboxes_.erase(on_node);
    by_input_.erase(s->input);
    s->gone = true;
    s->end.set();
    asio::post(executor_, [this, s] {
      take_away("pods", s->ns + "/" + s->pod_name);
      take_away("configmaps", s->input);
    });
    progress_.pulse();
  }
  return {200, R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success"})"};
}

asio::awaitable<void> simulated_cluster::send_log(target t, net::exchange& answer) {
  std::shared_ptr<sandbox> s;
  auto const found = sandboxes_.find(t.ns + "/" + t.name.substr(0, t.name.rfind('-')));
  if (found != sandboxes_.end()) s = found->second;
  if (!s || !s->running) {
    auto no = refuse(s ? 400 : 404, s ? "BadRequest" : "NotFound",
                     s ? "container \"code\" in pod \"" + t.name + "\" is waiting to start: ContainerCreating"
                       : "pods \"" + t.name + "\" not found");
    auto responding = answer.respond(no.status, json_type, std::move(no.body));
    co_await std::move(responding);
    co_return;
  }
  auto& counted = calls_["GET pods/log"];
  net::header_list text_type{{"Content-Type", "text/plain"}};
  bool gone = false;
  std::function<void()> on_gone = [&gone, s] {
    gone = true;
    s->end.pulse();
  };
  auto beginning = answer.begin_stream(200, std::move(text_type), std::move(on_gone));
  auto const begun = co_await std::move(beginning);
  if (!begun) co_return;
  while (!s->ended && !s->gone && !gone)
    co_await s->end.wait();
  if (!s->ended || gone) co_return;
  auto rest = frames_of(output_of(s->output)) + "result F " + s->result + "\n";
  counted.bytes_out += rest.size();
  for (std::size_t at = 0; at < rest.size(); at += chunk_size) {
    auto sending = answer.write(rest.substr(at, chunk_size));
    auto const sent = co_await std::move(sending);
    if (!sent) co_return;
  }
}

// --- the Job controller and the node ---------------------------------------------------------------------------------

void simulated_cluster::after(milliseconds delay, std::function<void()> then) {
  if (delay.count() == 0) {
    asio::post(executor_, std::move(then));
    return;
  }
  auto timer = std::make_shared<asio::steady_timer>(executor_, delay);
  timer->async_wait([timer, then = std::move(then)](boost::system::error_code ec) {
    if (!ec) then();
  });
}

simulated_cluster::execution_times* simulated_cluster::times_of(std::string const& uid) {
  if (uid.size() < 12 || uid[22] != '0') return nullptr;
  auto const number = std::stoull(uid.substr(uid.size() - 12));
  if (number < first_number_ || number - first_number_ >= times_.size()) return nullptr;
  return &times_[number - first_number_];
}

void simulated_cluster::make_pod(std::string const& job_key, std::string const& job) {
  auto const metadata = raw::member(job, "metadata");
  auto const spec = raw::at(job, {"spec", "template", "spec"});
  auto s = std::make_shared<sandbox>(executor_);
  s->ns = job_key.substr(0, job_key.find('/'));
  s->job_name = raw::unquoted(raw::member(metadata, "name"));
  s->job_uid = raw::unquoted(raw::member(metadata, "uid"));
  s->execution_uid = raw::unquoted(raw::at(metadata, {"labels", "codeexec.dev/execution-uid"}));
  s->token = raw::unquoted(raw::at(metadata, {"annotations", "codeexec.dev/token"}));
  s->pod_name = s->job_name + "-" + number_text(++children_ % 100000, 5);
  s->pod_uid = uid_text('2', children_);
  s->output = load_.output;
  // The two ConfigMaps of its volumes: the runner's, and its own.
  constexpr std::string_view volume = R"("configMap":{)";
  for (auto at = spec.find(volume); at != std::string_view::npos; at = spec.find(volume, at + 1)) {
    auto const name = raw::unquoted(raw::member(spec.substr(at + volume.size() - 1), "name"));
    if (name.starts_with(s->job_name)) s->input = s->ns + "/" + name;
  }
  if (auto* const times = times_of(s->execution_uid)) times->job = clock::now();

  auto const labels = raw::merge(raw::at(job, {"spec", "template", "metadata", "labels"}),
                                 R"({"batch.kubernetes.io/controller-uid":")" + s->job_uid +
                                     R"(","batch.kubernetes.io/job-name":")" + s->job_name + R"(","controller-uid":")" +
                                     s->job_uid + R"(","job-name":")" + s->job_name + R"("})");
  auto const pod_spec = raw::merge(
      spec,
      R"({"nodeName":"node-1","priority":0,"preemptionPolicy":"PreemptLowerPriority","schedulerName":)"
      R"("default-scheduler","serviceAccount":"default","serviceAccountName":"default","tolerations":[)"
      R"({"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},)"
      R"({"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}]})");
  s->base = R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":")" + s->pod_name + R"(","generateName":")" +
            s->job_name + R"(-","namespace":")" + s->ns + R"(","uid":")" + s->pod_uid +
            R"(","resourceVersion":"","generation":1,"creationTimestamp":")" + now_seconds() + R"(","labels":)" +
            labels + R"(,"ownerReferences":[{"apiVersion":"batch/v1","kind":"Job","name":")" + s->job_name +
            R"(","uid":")" + s->job_uid +
            R"(","controller":true,"blockOwnerDeletion":true}],"finalizers":["batch.kubernetes.io/job-tracking"])" +
            R"(},"spec":)" + pod_spec + "}";
  static std::string const fields =
      managed_fields(nlohmann::json::parse(s->base, nullptr, false), "kube-controller-manager");
  s->base = raw::merge(s->base, metadata_patch(R"("managedFields":)" + fields));
  sandboxes_[job_key] = s;
  by_input_[s->input] = s;
  after(milliseconds(0), [this, s, job_key] {
    if (s->gone) return;
    show_pod(*s, R"({"phase":"Pending","qosClass":"Burstable"})", "ADDED");
    auto const now = now_seconds();
    show_pod(*s, R"({"phase":"Pending","qosClass":"Burstable","conditions":[{"type":"PodScheduled","status":"True",)"
                 R"("lastProbeTime":null,"observedGeneration":1,"lastTransitionTime":")" +
                     now + R"("}]})");
    auto const& stored_job = of("jobs").objects[job_key];
    put("jobs", job_key, stored_job,
        raw::merge(*stored_job.text,
                   R"({"status":{"active":1,"ready":0,"terminating":0,"uncountedTerminatedPods":{},"startTime":")" +
                       now + R"("}})"),
        "MODIFIED");
    // The input may have come first.
    if (of("configmaps").objects.contains(s->input)) start_pod(s->input);
  });
}

void simulated_cluster::show_pod(sandbox const& s, std::string_view status, char const* type) {
  stored o;
  o.ns = s.ns;
  o.uid = s.pod_uid;
  o.execution_uid = s.execution_uid;
  auto text = s.base;
  text.back() = ',';
  text += R"("status":)";
  text += status;
  text += '}';
  put("pods", s.ns + "/" + s.pod_name, std::move(o), std::move(text), type);
}

namespace {

/// A Pod's status with everything that a kubelet writes.
std::string pod_status(char const* phase, bool ready, std::string const& started, std::string const& state) {
  std::string conditions;
  for (auto const* const type :
       {"PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"}) {
    bool const follows = std::string_view(type).find("Ready") != std::string_view::npos && type[0] != 'P';
    if (!conditions.empty()) conditions += ',';
    conditions += std::string(R"({"type":")") + type + R"(","observedGeneration":1,"status":")" +
                  (follows && !ready ? "False" : "True") + R"(","lastProbeTime":null,"lastTransitionTime":")" +
                  started + (follows && !ready ? R"(","reason":"PodCompleted"})" : R"("})");
  }
  std::string const id = "containerd://4f6f7e0c3b0d9b8f3a0c5d1e2f3a4b5c6d7e8f9a0b1c2d3e4f5a6b7c8d9e0f1a";
  return std::string(R"({"observedGeneration":1,"phase":")") + phase + R"(","conditions":[)" + conditions +
         R"(],"hostIP":"10.0.0.1","hostIPs":[{"ip":"10.0.0.1"}],"podIP":"10.1.0.17","podIPs":[{"ip":"10.1.0.17"}],)" +
         R"("startTime":")" + started + R"(","containerStatuses":[{"name":"code","state":)" + state +
         R"(,"lastState":{},"ready":)" + (ready ? "true" : "false") +
         R"(,"restartCount":0,"image":"docker.io/library/python:3.11-slim","imageID":"docker.io/library/python@sha256:)" +
         std::string(64, 'a') + R"(","containerID":")" + id + R"(","started":)" + (ready ? "true" : "false") +
         R"(,"volumeMounts":[{"name":"runner","mountPath":"/codeexec/bin","readOnly":true,"recursiveReadOnly":"Disabled"}]}],)" +
         R"("qosClass":"Burstable"})";
}

}  // namespace

void simulated_cluster::start_pod(std::string const& input_key) {
  auto const s = by_input_[input_key];
  if (!s || s->running || s->gone || !of("pods").objects.contains(s->ns + "/" + s->pod_name)) return;
  s->running = true;
  s->started = now_seconds();
  show_pod(*s, pod_status("Running", true, s->started, R"({"running":{"startedAt":")" + s->started + R"("}})"));
  auto* const times = times_of(s->execution_uid);
  if (times != nullptr && !std::exchange(times->running, true)) {
    ++running_;
    progress_.pulse();
  }
  if (load_.runs_for.count() == 0) {
    end_pod(s);
  } else {
    after(load_.runs_for, [this, s] { end_pod(s); });
  }
}

void simulated_cluster::end_pod(std::shared_ptr<sandbox> const& s) {
  if (s->gone) return;
  auto const at = now_micros();
  auto const ran = std::to_string(load_.runs_for.count());
  auto const beginning = R"({"v":1,"token":")" + s->token + R"(","end":"exited","exitCode":0,"startedAt":")" + at +
                         R"(","finishedAt":")" + at + R"(","wallMillis":)" + ran +
                         R"(,"cpuMillis":1,"maxRSSBytes":9437184,"gvisor":true,"stdoutBytes":)" +
                         std::to_string(s->output) + R"(,"stderrBytes":0)";
  s->result = beginning + R"(,"stdout":)" + raw::quoted(output_of(s->output)) + R"(,"stderr":""})";
  if (s->result.size() > longest_termination_message) s->result = beginning + "}";
  s->ended = true;
  auto* const times = times_of(s->execution_uid);
  if (times != nullptr) times->ended = clock::now();
  s->end.set();
  auto const state = R"({"terminated":{"exitCode":0,"reason":"Completed","message":)" + raw::quoted(s->result) +
                     R"(,"startedAt":")" + s->started + R"(","finishedAt":")" + now_seconds() +
                     R"(","containerID":"containerd://4f6f7e0c3b0d9b8f3a0c5d1e2f3a4b5c"}})";
  show_pod(*s, pod_status("Running", false, s->started, state));
  // The kubelet says that the Pod has succeeded, and the Job controller that the Job has, a second later.
  after(milliseconds(1000), [this, s, state] {
    if (s->gone) return;
    show_pod(*s, pod_status("Succeeded", false, s->started, state));
    settle_job(s);
  });
}

void simulated_cluster::settle_job(std::shared_ptr<sandbox> const& s) {
  auto const key = s->ns + "/" + s->job_name;
  auto const& job = of("jobs").objects[key];
  auto const now = now_seconds();
  put("jobs", key, job,
      raw::merge(*job.text, R"({"status":{"active":null,"succeeded":1,"completionTime":")" + now +
                                R"(","conditions":[{"type":"Complete","status":"True","lastTransitionTime":")" + now +
                                R"("}]}})"),
      "MODIFIED");
}

// --- load ------------------------------------------------------------------------------------------------------------

namespace {

std::string execution_text(std::string const& ns, std::string const& name, std::string const& uid, std::size_t code) {
  auto text =
      R"({"apiVersion":"codeexec.dev/v1alpha1","kind":"CodeExecution","metadata":{"name":")" + name +
      R"(","namespace":")" + ns + R"(","uid":")" + uid + R"(","resourceVersion":"","generation":1,)" +
      R"("creationTimestamp":")" + now_seconds() + R"("},"spec":{"language":"python","code":)" +
      raw::quoted(std::string(code, '#')) +
      R"(,"timeoutSeconds":300,"startupTimeoutSeconds":300,"network":"Deny","cleanupPolicy":"Delete","cancel":false,)"
      R"("suspend":false,"resources":{"requests":{"cpu":"200m","memory":"256Mi"},"limits":{"cpu":"500m","memory":)"
      R"("512Mi","ephemeral-storage":"1Gi"}},"output":{"maxBytes":262144}}})";
  static std::string const fields = managed_fields(nlohmann::json::parse(text, nullptr, false), "agent");
  return raw::merge(text, metadata_patch(R"("managedFields":)" + fields));
}

}  // namespace

void simulated_cluster::create_execution(std::size_t number, workload const& what) {
  stored o;
  o.ns = "agents-" + std::to_string(number % what.namespaces);
  o.uid = uid_text('0', number);
  auto const name = "run-" + number_text(number, 8);
  auto const key = o.ns + "/" + name;
  auto text = execution_text(o.ns, name, o.uid, what.code);
  times_[number - first_number_].created = clock::now();
  put("codeexecutions", key, std::move(o), std::move(text), "ADDED");
}

void simulated_cluster::fill(std::size_t count, std::size_t code, std::size_t output) {
  for (std::size_t i = 0; i < count; ++i) {
    auto const number = next_number_++;
    stored o;
    o.ns = "agents-" + std::to_string(number % 4);
    o.uid = uid_text('0', number);
    auto const name = "run-" + number_text(number, 8);
    auto const key = o.ns + "/" + name;
    auto const at = now_micros();
    std::string conditions;
    for (auto const* const type : {"Ready", "Complete"}) {
      if (!conditions.empty()) conditions += ',';
      conditions += std::string(R"({"type":")") + type +
                    R"(","status":"True","observedGeneration":1,"reason":"Completed","message":)"
                    R"("The code ended with exit code 0.","lastTransitionTime":")" +
                    at.substr(0, 19) + R"(Z"})";
    }
    auto const status =
        R"({"observedGeneration":1,"phase":"Succeeded","reason":"Completed","message":)"
        R"("The code ended with exit code 0.","exitCode":0,"stdout":)" +
        raw::quoted(output_of(output)) + R"(,"stderr":"","output":{"stdoutBytes":)" + std::to_string(output) +
        R"(,"stderrBytes":0,"stdoutTruncated":false,"stderrTruncated":false},"startTime":")" + at +
        R"(","completionTime":")" + at + R"(","duration":"35ms","timeline":{"accepted":")" + at +
        R"(","jobCreated":")" + at + R"(","podScheduled":")" + at + R"(","codeStarted":")" + at +
        R"(","codeFinished":")" + at + R"(","captured":")" + at +
        R"("},"usage":{"wallMillis":35,"cpuMillis":30,"maxRSSBytes":9437184},"jobName":")" + name +
        R"(-5b1f3c5e7d","podName":")" + name +
        R"(-5b1f3c5e7d-abcde","nodeName":"node-1","image":"python:3.11-slim","imageID":)"
        R"("docker.io/library/python@sha256:)" +
        std::string(64, 'a') + R"(","codeSHA256":")" + std::string(64, 'b') +
        R"(","sandbox":{"runtimeClassName":"gvisor","verified":true},"conditions":[)" + conditions + "]}";
    auto text = execution_text(o.ns, name, o.uid, code);
    text = raw::merge(text, R"({"metadata":{"finalizers":["codeexec.dev/cleanup"]},"status":)" + status + "}");
    put("codeexecutions", key, std::move(o), std::move(text), "ADDED");
  }
}

void simulated_cluster::finished(std::string const& key, stored const& o) {
  auto* const times = times_of(o.uid);
  if (times == nullptr || times->final != clock::time_point{}) return;
  times->final = clock::now();
  ++final_;
  progress_.pulse();
  kept_.push_back(key);
  while (kept_.size() > load_.keep) {
    auto const oldest = kept_.front();
    kept_.pop_front();
    asio::post(executor_, [this, oldest] {
      auto const& objects = of("codeexecutions").objects;
      auto const found = objects.find(oldest);
      if (found == objects.end()) return;
      put("codeexecutions", oldest, found->second,
          raw::merge(*found->second.text, metadata_patch(R"("deletionTimestamp":")" + now_seconds() +
                                                         R"(","deletionGracePeriodSeconds":0,"generation":2)")),
          "MODIFIED");
    });
  }
}

asio::awaitable<std::string> simulated_cluster::run(workload what) {
  load_ = what;
  first_number_ = next_number_;
  next_number_ += what.count;
  times_.assign(what.count, {});
  final_ = 0;
  running_ = 0;
  auto const begin = clock::now();
  auto const by = base::deadline::after(what.patience);
  for (std::size_t i = 0; i < what.count; ++i) {
    if (by.passed()) break;
    if (what.rate > 0) {
      auto const due = begin + std::chrono::duration_cast<clock::duration>(
                                   std::chrono::duration<double>(static_cast<double>(i) / what.rate));
      base::deadline const at(due);
      if (due > clock::now()) co_await async::sleep_until(at);
    } else if (i % 50 == 49) {
      co_await asio::post(executor_, asio::use_awaitable);
    }
    create_execution(first_number_ + i, load_);
  }
  while (!by.passed()) {
    bool const done = what.until_running ? running_ == what.count : final_ == what.count && sandboxes_.empty();
    if (done) break;
    co_await progress_.wait_until(by);
  }
  co_return report(what, begin);
}

std::string simulated_cluster::report(workload const& what, clock::time_point begin) const {
  std::vector<double> whole;
  std::vector<double> to_job;
  std::vector<double> to_status;
  std::vector<clock::time_point> ends;
  for (auto const& one : times_) {
    auto const has = [](clock::time_point at) { return at != clock::time_point{}; };
    if (has(one.job)) to_job.push_back(millis(one.job - one.created));
    if (!has(one.final)) continue;
    whole.push_back(millis(one.final - one.created));
    to_status.push_back(millis(one.final - one.ended));
    ends.push_back(one.final);
  }
  std::sort(ends.begin(), ends.end());
  double longest_pause = 0;
  for (std::size_t i = 1; i < ends.size(); ++i)
    longest_pause = std::max(longest_pause, millis(ends[i] - ends[i - 1]));
  nlohmann::json quarters = nlohmann::json::array();
  for (std::size_t i = 1; i <= 4 && !ends.empty(); ++i)
    quarters.push_back(millis(ends[std::max<std::size_t>(ends.size() * i / 4, 1) - 1] - begin) / 1000);
  nlohmann::json out{{"count", what.count},
                     {"finished", ends.size()},
                     {"running", running_},
                     {"create_to_result_ms", quantiles(std::move(whole))},
                     {"create_to_job_ms", quantiles(std::move(to_job))},
                     {"end_to_status_ms", quantiles(std::move(to_status))},
                     {"seconds", ends.empty() ? 0.0 : millis(ends.back() - begin) / 1000},
                     {"quarters_s", std::move(quarters)},
                     {"longest_pause_ms", longest_pause}};
  return out.dump();
}

std::string simulated_cluster::traffic() const {
  nlohmann::json out{{"watch_events", watch_events_}, {"watch_bytes", watch_bytes_}};
  auto& calls = out["calls"];
  calls = nlohmann::json::object();
  for (auto const& [what, c] : calls_)
    calls[what] = {{"calls", c.calls}, {"bytes_in", c.bytes_in}, {"bytes_out", c.bytes_out}};
  return out.dump();
}

void simulated_cluster::reset_traffic() {
  // In place: calls that are under way refer to their counts.
  for (auto& [what, c] : calls_)
    c = {};
  watch_bytes_ = 0;
  watch_events_ = 0;
}

}  // namespace codeexec::bench
