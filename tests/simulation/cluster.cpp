#include "cluster.hpp"

#include <algorithm>
#include <sstream>

#include "codeexec/api/json.hpp"
#include "codeexec/api/names.hpp"
#include "codeexec/execution/build.hpp"
#include "codeexec/reconciler/cached_objects.hpp"

namespace codeexec::simulation {
namespace {

using testing::scripted_stream;

/// The API server knows names by their path; whatever stands before the namespace says nothing new.
struct path {
  std::string plural;
  std::string name;
  std::string subresource;
  std::map<std::string, std::string> query;
};

std::string percent_decoded(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      plain += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

path parse(kube::request const& r) {
  path p;
  auto const question = r.target.find('?');
  std::string_view const all = r.target;
  auto left = all.substr(0, question);
  constexpr std::string_view marker = "/namespaces/";
  auto const at = left.find(marker);
  if (at != std::string_view::npos) left.remove_prefix(at + marker.size());
  std::vector<std::string> parts;
  while (!left.empty()) {
    auto const slash = std::min(left.find('/'), left.size());
    parts.emplace_back(left.substr(0, slash));
    left.remove_prefix(std::min(slash + 1, left.size()));
  }
  if (parts.size() > 1) p.plural = parts[1];
  if (parts.size() > 2) p.name = parts[2];
  if (parts.size() > 3) p.subresource = parts[3];
  if (question != std::string::npos) {
    auto rest = all.substr(question + 1);
    while (!rest.empty()) {
      auto const end = std::min(rest.find('&'), rest.size());
      auto const pair = rest.substr(0, end);
      auto const equals = std::min(pair.find('='), pair.size());
      p.query[std::string(pair.substr(0, equals))] = percent_decoded(pair.substr(std::min(equals + 1, pair.size())));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return p;
}

/// What an informer's parser leaves of an object.
json pruned(json const& object, kube::projection const& keep) {
  if (keep.empty() || !object.is_structured()) return object;
  if (object.is_array()) {
    json list = json::array();
    for (auto const& element : object)
      list.push_back(pruned(element, keep));
    return list;
  }
  json kept = json::object();
  for (auto const& field : keep) {
    auto const found = object.find(std::string(field.name));
    if (found != object.end()) kept[std::string(field.name)] = pruned(*found, field.below);
  }
  return kept;
}

/// "involvedObject.kind=Job,involvedObject.name=a".
bool has_fields(json const& object, std::string const& selector) {
  std::istringstream all(selector);
  for (std::string one; std::getline(all, one, ',');) {
    auto const dot = one.find('.');
    auto const equals = one.find('=');
    auto const& part = object[one.substr(0, dot)];
    if (part.value(one.substr(dot + 1, equals - dot - 1), "") != one.substr(equals + 1)) return false;
  }
  return true;
}

/// As the API server notes down who wrote what: one entry for the object, one for each subresource.
void note_writer(json& object, std::string const& manager, char const* subresource, std::string const& now) {
  auto& all = object["metadata"]["managedFields"];
  if (!all.is_array()) all = json::array();
  for (auto& one : all) {
    if (one["manager"] != manager || one["subresource"] != subresource) continue;
    one["time"] = now;
    return;
  }
  all.push_back({{"manager", manager}, {"subresource", subresource}, {"time", now}});
}

json owner_of(json const& object) {
  auto const found = object["metadata"].find("ownerReferences");
  return found == object["metadata"].end() || found->empty() ? json() : (*found)[0];
}

std::string owner_uid(json const& object) {
  auto const owner = owner_of(object);
  return owner.is_object() ? owner["uid"].get<std::string>() : std::string();
}

bool is_deleting(json const& object) {
  return object["metadata"].contains("deletionTimestamp");
}

bool has_finalizers(json const& object) {
  auto const found = object["metadata"].find("finalizers");
  return found != object["metadata"].end() && !found->empty();
}

void set_condition(json& object, json condition) {
  auto& all = object["status"]["conditions"];
  if (!all.is_array()) all = json::array();
  for (auto& one : all) {
    if (one["type"] == condition["type"]) {
      one = std::move(condition);
      return;
    }
  }
  all.push_back(std::move(condition));
}

std::string after_flag(json const& command, std::string const& flag) {
  for (std::size_t i = 0; i + 1 < command.size(); ++i) {
    if (command[i] == flag) return command[i + 1];
  }
  return {};
}

constexpr char const* foreign = "somebody else's";
constexpr char const* tracking = "batch.kubernetes.io/job-tracking";
constexpr std::size_t longest_message = 4096;

}  // namespace

// --- API server --------------------------------------------------------------------------------------------------

kube::error cluster::refuse(int code, std::string const& reason, std::string const& message, json details) {
  json body{{"kind", "Status"}, {"status", "Failure"}, {"reason", reason}, {"message", message}, {"code", code}};
  if (!details.is_null()) body["details"] = std::move(details);
  return kube::error::from_status(code, body.dump());
}

json const* cluster::find(std::string const& plural, std::string const& name) const {
  auto const found = objects_.find(key_of(plural, name));
  return found == objects_.end() ? nullptr : &found->second;
}

std::size_t cluster::count(std::string const& plural) const {
  return static_cast<std::size_t>(std::count_if(objects_.begin(), objects_.end(),
                                                [&](auto const& one) { return one.first.starts_with(plural + "/"); }));
}

kube::result<std::string> cluster::serve(kube::request const& r) {
  auto const p = parse(r);
  if (r.method == kube::verb::post) return create(p.plural, json::parse(r.body));
  if (p.name.empty()) {
    json items = json::array();
    auto label = p.query.find("labelSelector");
    auto field = p.query.find("fieldSelector");
    for (auto const& [key, object] : objects_) {
      if (!key.starts_with(p.plural + "/")) continue;
      if (label != p.query.end()) {
        auto const equals = label->second.find('=');
        auto const labels = object["metadata"].value("labels", json::object());
        if (labels.value(label->second.substr(0, equals), "") != label->second.substr(equals + 1)) continue;
      }
      if (field != p.query.end()) {
        if (!has_fields(object, field->second)) continue;
      }
      items.push_back(object);
    }
    return json{{"kind", "List"}, {"metadata", {{"resourceVersion", std::to_string(version_)}}}, {"items", items}}
        .dump();
  }
  auto const key = key_of(p.plural, p.name);
  auto const found = objects_.find(key);
  if (found == objects_.end()) return refuse(404, "NotFound", p.plural + " \"" + p.name + "\" not found");
  if (r.method == kube::verb::get) return found->second.dump();
  if (r.method == kube::verb::remove) {
    auto const body = r.body.empty() ? json::object() : json::parse(r.body);
    auto const wanted = body.value("preconditions", json::object()).value("uid", "");
    if (!wanted.empty() && wanted != found->second["metadata"]["uid"]) {
      return refuse(409, "Conflict", "Precondition failed: UID in precondition: " + wanted);
    }
    auto const state = body.value("preconditions", json::object()).value("resourceVersion", "");
    if (!state.empty() && state != found->second["metadata"]["resourceVersion"]) {
      return refuse(409, "Conflict", "Precondition failed: ResourceVersion in precondition: " + state);
    }
    remove(key);
    return std::string(R"({"kind":"Status","status":"Success"})");
  }
  auto const manager = p.query.find("fieldManager");
  return patch(p.plural, p.name, p.subresource == "status", manager == p.query.end() ? "" : manager->second,
               json::parse(r.body));
}

kube::result<std::string> cluster::create(std::string const& plural, json object) {
  auto const name = object["metadata"]["name"].get<std::string>();
  auto const key = key_of(plural, name);
  if (terminating_) {
    return refuse(403, "Forbidden",
                  plural + " \"" + name +
                      "\" is forbidden: unable to create new content in namespace agents because it "
                      "is being terminated",
                  json{{"causes", json::array({json{{"reason", "NamespaceTerminating"},
                                                    {"message", "namespace agents is being terminated"},
                                                    {"field", "metadata.namespace"}}})}});
  }
  if (plural == "jobs" && time_.now() < in_the_way.job_quota_until) {
    return refuse(403, "Forbidden",
                  "jobs.batch \"" + name + "\" is forbidden: exceeded quota: jobs, used: 1, limited: 1");
  }
  if (objects_.contains(key)) return refuse(409, "AlreadyExists", plural + " \"" + name + "\" already exists");
  auto& metadata = object["metadata"];
  metadata["namespace"] = ns;
  std::string const uid = plural.substr(0, 3) + "-" + std::to_string(++version_);
  metadata["uid"] = uid;
  metadata["creationTimestamp"] = base::format_time(time_.wall_now());
  metadata["generation"] = 1;
  uids_.insert(uid);
  if (plural == "jobs") {
    auto const owner = owner_of(object);
    auto const& pod = object["spec"]["template"];
    auto const& command = pod["spec"]["containers"][0]["command"];
    job_facts facts;
    facts.name = name;
    facts.execution_uid = owner["uid"];
    facts.token = after_flag(command, "--token");
    facts.input_hash = metadata["annotations"][std::string(execution::input_annotation)];
    for (auto const& volume : pod["spec"]["volumes"]) {
      if (volume["name"] == "input") facts.input = volume["configMap"]["name"];
      if (volume["name"] == "runner") facts.runner = volume["configMap"]["name"];
    }
    facts.labels = pod["metadata"]["labels"];
    facts.annotations = pod["metadata"].value("annotations", json::object());
    facts.timeout = std::chrono::milliseconds(std::stoll(after_flag(command, "--timeout-ms")));
    facts.grace = std::chrono::milliseconds(std::stoll(after_flag(command, "--grace-ms")));
    facts.deadline = std::chrono::seconds(object["spec"]["activeDeadlineSeconds"].get<int>());
    if (auto const& spec = object["spec"]; spec.contains("ttlSecondsAfterFinished"))
      facts.ttl = std::chrono::seconds(spec["ttlSecondsAfterFinished"].get<int>());
    facts.started = time_.now();
    // What nobody reads back is not carried through every copy.
    object["spec"] = {{"activeDeadlineSeconds", object["spec"]["activeDeadlineSeconds"]}};
    object["status"] = {{"startTime", base::format_time(time_.wall_now())}};
    job_facts_[uid] = facts;
    witness_.job_made(facts.execution_uid);
    time_.after(soon(10ms, 80ms), [this, uid] { make_pod(uid); });
    time_.after(facts.deadline, [this, uid] { enforce_deadline(uid); });
  }
  if (plural == "configmaps" && owner_of(object).is_object()) {
    witness_.input_made(metadata["labels"][std::string(api::labels::execution_uid)], owner_uid(object));
  }
  auto& stored = objects_[key] = std::move(object);
  if (plural == "codeexecutions") programs_[uid] = next_programs_[name];
  trace("    + " + key + " " + uid);
  // The owner may have gone before: the garbage collector looks.
  if (owner_of(stored).is_object()) time_.after(soon(20ms, 1500ms), [this] { collect_garbage(); });
  commit(key);
  return objects_[key].dump();
}

kube::result<std::string> cluster::patch(std::string const& plural, std::string const& name, bool status,
                                         std::string const& manager, json const& patch) {
  auto const key = key_of(plural, name);
  json changed = objects_[key];
  if (patch.is_array()) {
    for (auto const& operation : patch) {
      json::json_pointer const at(operation["path"].get<std::string>());
      bool const holds = changed.contains(at) && (operation["op"] != "test" || changed[at] == operation["value"]);
      if (!holds) return refuse(422, "Invalid", "the server rejected our request due to an error in our request");
      if (operation["op"] == "remove") changed = changed.patch(json::array({operation}));
    }
  } else {
    auto const metadata = patch.value("metadata", json::object());
    if (metadata.contains("uid") && metadata["uid"] != changed["metadata"]["uid"]) {
      return refuse(409, "Conflict", "Precondition failed: UID in precondition");
    }
    if (metadata.contains("resourceVersion") && metadata["resourceVersion"] != changed["metadata"]["resourceVersion"]) {
      return refuse(
          409, "Conflict",
          "Operation cannot be fulfilled on " + plural + " \"" + name +
              "\": the object has been modified; please apply your changes to the latest version and try again");
    }
    if (status) {
      changed.merge_patch(json{{"status", patch.value("status", json::object())}});
    } else {
      auto without = patch;
      without.erase("status");
      changed.merge_patch(without);
    }
  }
  json const& before = objects_[key];
  if (is_deleting(before)) {
    auto const old = before["metadata"].value("finalizers", json::array());
    for (auto const& finalizer : changed["metadata"].value("finalizers", json::array())) {
      if (std::find(old.begin(), old.end(), finalizer) == old.end()) {
        return refuse(422, "Invalid",
                      "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted");
      }
    }
  }
  if (changed == before) return changed.dump();
  if (changed.value("spec", json()) != before.value("spec", json())) {
    changed["metadata"]["generation"] = before["metadata"]["generation"].get<int>() + 1;
  }
  if (plural == "codeexecutions") {
    note_writer(changed, manager, status ? "status" : "", base::format_time(time_.wall_now()));
    witness_.execution_changed(&before, changed);
  }
  bool const to_be_ended =
      plural == "pods" && changed["spec"].contains("activeDeadlineSeconds") && changed["spec"] != before["spec"];
  auto const uid = changed["metadata"]["uid"].get<std::string>();
  objects_[key] = std::move(changed);
  commit(key);
  if (to_be_ended) {
    trace("    pod told to end");
    time_.after(soon(5ms, 200ms), [this, s = sandboxes_.at(uid)] { stop(s); });
  }
  auto answer = objects_[key].dump();
  if (is_deleting(objects_[key]) && !has_finalizers(objects_[key])) erase(key);
  return answer;
}

/// A new state of an object that is stored already.
void cluster::commit(std::string const& key) {
  objects_[key]["metadata"]["resourceVersion"] = std::to_string(++version_);
  publish(key, false);
}

void cluster::publish(std::string const& key, bool deleted) {
  auto const& object = objects_[key];
  auto const& metadata = object["metadata"];
  runtime::object_id id(runtime::object_key(ns, metadata["name"]), metadata["uid"], metadata["resourceVersion"]);
  if (key.starts_with("codeexecutions/")) {
    auto decoded = reconciler::decode_cached_execution(pruned(object, reconciler::execution_fields()));
    executions.add(
        {id, std::make_shared<api::CodeExecution const>(std::get<api::CodeExecution>(std::move(decoded))), deleted});
  } else if (key.starts_with("jobs/")) {
    auto decoded = kube::decode_job(pruned(object, reconciler::job_fields()));
    jobs.add({id, std::make_shared<kube::Job const>(std::get<kube::Job>(std::move(decoded))), deleted});
  } else if (key.starts_with("pods/")) {
    auto decoded = kube::decode_pod(pruned(object, reconciler::pod_fields()));
    pods.add({id, std::make_shared<kube::Pod const>(std::get<kube::Pod>(std::move(decoded))), deleted});
  }
  if (on_commit) on_commit();
}

/// False where the object is not there (any more).
bool cluster::mutate(std::string const& key, std::string const& uid, std::function<void(json&)> const& change) {
  auto const found = objects_.find(key);
  if (found == objects_.end() || (!uid.empty() && found->second["metadata"]["uid"] != uid)) return false;
  json changed = found->second;
  change(changed);
  if (changed == found->second) return true;
  if (key.starts_with("codeexecutions/")) witness_.execution_changed(&found->second, changed);
  found->second = std::move(changed);
  commit(key);
  if (is_deleting(objects_[key]) && !has_finalizers(objects_[key]) && !key.starts_with("pods/")) erase(key);
  return true;
}

void cluster::remove(std::string const& key) {
  auto const found = objects_.find(key);
  if (found == objects_.end()) return;
  auto const uid = found->second["metadata"]["uid"].get<std::string>();
  if (key.starts_with("pods/")) {
    auto const s = sandboxes_.at(uid);
    if (!is_deleting(found->second)) {
      trace("    pod told to stop");
      mutate(key, uid, [&](json& pod) {
        pod["metadata"]["deletionTimestamp"] = base::format_time(time_.wall_now() + s->facts.grace + 5s);
        pod["metadata"]["deletionGracePeriodSeconds"] = 10;
      });
      time_.after(soon(5ms, 200ms), [this, s] { stop(s); });
    }
    return;
  }
  if (has_finalizers(found->second)) {
    mutate(key, uid, [&](json& object) {
      if (!is_deleting(object)) object["metadata"]["deletionTimestamp"] = base::format_time(time_.wall_now());
    });
    if (key.starts_with("codeexecutions/")) witness_.deletion_asked(uid);
    return;
  }
  erase(key);
}

void cluster::erase(std::string const& key) {
  auto const found = objects_.find(key);
  if (found == objects_.end()) return;
  auto const uid = found->second["metadata"]["uid"].get<std::string>();
  trace("    - " + key + " " + uid);
  found->second["metadata"]["resourceVersion"] = std::to_string(++version_);
  if (key.starts_with("codeexecutions/")) witness_.execution_gone(found->second);
  publish(key, true);
  bool const was_pod = key.starts_with("pods/");
  if (found->second["metadata"].value("annotations", json::object()).value("is", "") == foreign) {
    witness_.violated(key + ", which is somebody else's, was deleted");
  }
  auto const job_uid = was_pod ? owner_uid(objects_[key]) : std::string();
  auto const name = objects_[key]["metadata"]["name"].get<std::string>();
  objects_.erase(key);
  uids_.erase(uid);
  if (on_commit) on_commit();
  if (was_pod) time_.after(soon(10ms, 500ms), [this, job_uid, name] { count_pod(job_uid, name); });
  time_.after(soon(20ms, 1500ms), [this] { collect_garbage(); });
}

void cluster::collect_garbage() {
  std::vector<std::string> orphans;
  for (auto const& [key, object] : objects_) {
    auto const owner = owner_uid(object);
    if (!owner.empty() && !uids_.contains(owner)) orphans.push_back(key);
  }
  for (auto const& key : orphans) {
    auto const found = objects_.find(key);
    if (found == objects_.end()) continue;
    if (key.starts_with("pods/")) untrack(found->second["metadata"]["name"], found->second["metadata"]["uid"]);
    remove(key);
  }
}

// --- what people do ----------------------------------------------------------------------------------------------

void cluster::apply(std::string const& name, json spec, program what, json metadata) {
  next_programs_[name] = std::move(what);
  metadata["name"] = name;
  json object{{"apiVersion", "codeexec.dev/v1alpha1"}, {"kind", "CodeExecution"}, {"spec", std::move(spec)}};
  object["metadata"] = std::move(metadata);
  (void)create("codeexecutions", std::move(object));
  auto const* const made = find("codeexecutions", name);
  if (made != nullptr) witness_.execution_changed(nullptr, *made);
}

/// A ConfigMap of somebody's, that codeFrom may name under the key "main".
void cluster::put_source(std::string const& name, std::string const& code) {
  auto const key = key_of("configmaps", name);
  if (find("configmaps", name) == nullptr) {
    (void)create("configmaps", json{{"metadata", {{"name", name}}}, {"data", {{"main", code}}}});
  } else {
    mutate(key, {}, [&](json& object) { object["data"]["main"] = code; });
  }
}

void cluster::edit(std::string const& name, std::function<void(json&)> const& change) {
  mutate(key_of("codeexecutions", name), {}, [&](json& object) {
    auto const spec = object["spec"];
    change(object);
    if (object["spec"] != spec) object["metadata"]["generation"] = object["metadata"]["generation"].get<int>() + 1;
  });
}

void cluster::remove_execution(std::string const& name) {
  auto const* const object = find("codeexecutions", name);
  if (object == nullptr) return;
  // Its status is of no interest any more.
  witness_.of((*object)["metadata"]["uid"]).disasters.insert("deleted");
  remove(key_of("codeexecutions", name));
}

void cluster::remove_namespace() {
  terminating_ = true;
  for (auto& [uid, t] : witness_.all())
    t.disasters.insert("namespace deleted");
  std::vector<std::string> all;
  for (auto const& [key, object] : objects_)
    all.push_back(key);
  for (auto const& key : all) {
    time_.after(soon(0ms, 2s), [this, key] {
      auto const found = objects_.find(key);
      if (found == objects_.end()) return;
      remove(key);
    });
  }
}

void cluster::remove_job_of(std::string const& name) {
  for (auto const& [key, object] : std::map(objects_)) {
    auto const owner = owner_of(object);
    if (key.starts_with("jobs/") && owner.is_object() && owner["name"] == name) {
      witness_.of(owner["uid"]).disasters.insert("Job deleted");
      remove(key);
    }
  }
}

void cluster::hold_job_of(std::string const& name, duration time) {
  for (auto const& [key, object] : std::map(objects_)) {
    auto const owner = owner_of(object);
    if (!key.starts_with("jobs/") || !owner.is_object() || owner["name"] != name) continue;
    auto const uid = object["metadata"]["uid"].get<std::string>();
    mutate(key, uid, [](json& job) { job["metadata"]["finalizers"] = json::array({"other.dev/x"}); });
    time_.after(time, [this, key, uid] { mutate(key, uid, [](json& job) { job["metadata"].erase("finalizers"); }); });
  }
}

void cluster::replace_job_of(std::string const& name) {
  std::string key;
  for (auto const& [one, object] : objects_) {
    auto const owner = owner_of(object);
    if (one.starts_with("jobs/") && owner.is_object() && owner["name"] == name) key = one;
  }
  if (key.empty()) return;
  remove_job_of(name);
  std::string const uid = "foreign-" + std::to_string(++version_);
  uids_.insert(uid);
  objects_[key] = {
      {"metadata", {{"name", key.substr(5)}, {"namespace", ns}, {"uid", uid}, {"annotations", {{"is", foreign}}}}},
      {"spec", json::object()}};
  commit(key);
}

cluster::sandbox_ref cluster::sandbox_of(std::string const& execution_name) const {
  for (auto const& [uid, s] : sandboxes_) {
    auto const owner = find("codeexecutions", execution_name);
    if (owner != nullptr && (*owner)["metadata"]["uid"] == s->execution_uid && !s->done) return s;
  }
  return nullptr;
}

void cluster::remove_pod_of(std::string const& name) {
  auto const s = sandbox_of(name);
  if (!s) return;
  witness_.of(s->execution_uid).disasters.insert("pod deleted");
  remove(key_of("pods", s->name));
}

void cluster::evict_pod_of(std::string const& name) {
  auto const s = sandbox_of(name);
  if (!s || s->stopping || s->ended) return;
  witness_.of(s->execution_uid).disasters.insert("evicted");
  s->evicted = true;
  stop(s);
}

void cluster::lose_node() {
  trace("    the node is lost");
  node_lost_ = true;
  time_.after(60s, [this] { cut_logs(); });
  for (auto const& known : sandboxes_) {
    auto const s = known.second;
    if (s->done || !s->bound) continue;
    witness_.of(s->execution_uid).disasters.insert("node lost");
    // The node lifecycle controller waits for 40 s, the pod tolerates the taint for 300 s. The pod garbage collector
    // comes once the Node object is deleted.
    time_.after(340s, [this, s] {
      mutate(key_of("pods", s->name), s->uid, [&](json& pod) {
        set_condition(pod, {{"type", "DisruptionTarget"},
                            {"status", "True"},
                            {"reason", "DeletionByTaintManager"},
                            {"message", "Taint manager: deleting due to NoExecute taint"}});
      });
      remove(key_of("pods", s->name));
    });
    time_.after(3600s, [this, s] {
      s->done = true;
      auto const found = objects_.find(key_of("pods", s->name));
      if (found == objects_.end() || found->second["metadata"]["uid"] != s->uid) return;
      untrack(s->name, s->uid);
      erase(key_of("pods", s->name));
    });
  }
}

void cluster::cut_logs() {
  for (auto const& [uid, s] : sandboxes_) {
    for (auto const& reader : std::exchange(s->readers, {}))
      reader->fail(kube::error(kube::error_kind::connection, "cut"));
  }
}

std::vector<std::string> cluster::left_of(std::string const& uid) const {
  std::vector<std::string> left;
  for (auto const& [key, object] : objects_) {
    auto const labels = object["metadata"].value("labels", json::object());
    bool const is_its = labels.value(std::string(api::labels::execution_uid), "") == uid;
    if (is_its && !key.starts_with("events/")) left.push_back(key);
  }
  return left;
}

bool cluster::tells_of_job(std::string const& execution_uid) const {
  if (!left_of(execution_uid).empty()) return true;
  for (auto const& [key, object] : objects_) {
    bool const is_it = key.starts_with("codeexecutions/") && object["metadata"]["uid"] == execution_uid;
    if (is_it && object.contains("status") && object["status"].contains("jobName")) return true;
    if (!key.starts_with("events/")) continue;
    auto const of = job_facts_.find(object["involvedObject"]["uid"]);
    if (of != job_facts_.end() && of->second.execution_uid == execution_uid) return true;
  }
  return false;
}

bool cluster::pod_runs(std::string const& execution) const {
  auto const s = sandbox_of(execution);
  return s && s->started && !s->ended;
}

bool cluster::pod_ended(std::string const& execution) const {
  auto const s = sandbox_of(execution);
  return s && s->ended;
}

// --- Job controller ----------------------------------------------------------------------------------------------

void cluster::make_pod(std::string const& job_uid) {
  auto& facts = job_facts_.at(job_uid);
  auto const* const job = find("jobs", facts.name);
  bool const there = job != nullptr && (*job)["metadata"]["uid"] == job_uid && !is_deleting(*job);
  if (!there || facts.pod_made || facts.finished) return;
  auto const generated = facts.name + "-" + std::to_string(version_ % 100000);
  if (time_.now() < in_the_way.pod_quota_until) {
    record_event(job_uid, "Warning", "FailedCreate",
                 "Error creating: pods \"" + generated + "\" is forbidden: exceeded quota: pods, used: 1, limited: 1");
    auto const wait = std::min<duration>(1s * (1 << std::min(facts.refusals++, 9)), 600s);
    time_.after(wait, [this, job_uid] { make_pod(job_uid); });
    return;
  }
  if (terminating_) return;
  facts.pod_made = true;
  json pod{{"metadata",
            {{"name", generated},
             {"labels", facts.labels},
             {"annotations", facts.annotations},
             {"finalizers", json::array({tracking})},
             {"ownerReferences", json::array({json{{"apiVersion", "batch/v1"},
                                                   {"kind", "Job"},
                                                   {"name", facts.name},
                                                   {"uid", job_uid},
                                                   {"controller", true}}})}}},
           {"spec", {{"runtimeClassName", "gvisor"}}},
           {"status", {{"phase", "Pending"}}}};
  auto s = std::make_shared<sandbox>();
  s->name = generated;
  s->job_uid = job_uid;
  s->execution_uid = facts.execution_uid;
  s->facts = facts;
  s->what = programs_[facts.execution_uid];
  auto const made = create("pods", std::move(pod));
  if (!made) return;
  s->uid = (*find("pods", generated))["metadata"]["uid"];
  sandboxes_[s->uid] = s;
  record_event(job_uid, "Normal", "SuccessfulCreate", "Created pod: " + generated);
  time_.after(soon(5ms, 60ms), [this, s] { bind(s); });
}

/// It outlives the Job, by as much as the API server keeps Events.
void cluster::record_event(std::string const& job_uid, char const* type, char const* reason,
                           std::string const& message) {
  auto const& job = job_facts_.at(job_uid).name;
  std::string const name = job + "." + std::to_string(++version_);
  objects_[key_of("events", name)] = {{"metadata", {{"name", name}, {"namespace", ns}, {"uid", name}}},
                                      {"involvedObject", {{"kind", "Job"}, {"name", job}, {"uid", job_uid}}},
                                      {"type", type},
                                      {"reason", reason},
                                      {"lastTimestamp", base::format_time(time_.wall_now())},
                                      {"message", message}};
  time_.after(1h, [this, name] { objects_.erase(key_of("events", name)); });
}

/// A pod has ended, or is gone.
void cluster::count_pod(std::string const& job_uid, std::string const& pod) {
  auto const known = job_facts_.find(job_uid);
  if (known == job_facts_.end()) return;
  auto const* const job = find("jobs", known->second.name);
  bool const there = job != nullptr && (*job)["metadata"]["uid"] == job_uid;
  auto const* const object = find("pods", pod);
  auto const phase = object == nullptr ? "Failed" : (*object)["status"].value("phase", "");
  if (phase != "Succeeded" && phase != "Failed") return;
  if (object != nullptr) untrack(pod, (*object)["metadata"]["uid"]);
  if (!there || known->second.finished) return;
  bool late = false;
  for (auto const& condition : (*job)["status"].value("conditions", json::array()))
    late = late || condition["type"] == "FailureTarget";
  finish_job(job_uid, phase == "Succeeded" ? "Complete" : "Failed",
             phase == "Succeeded" ? "CompletionsReached"
             : late               ? "DeadlineExceeded"
                                  : "BackoffLimitExceeded");
}

void cluster::finish_job(std::string const& job_uid, char const* type, std::string const& reason) {
  auto& facts = job_facts_.at(job_uid);
  facts.finished = true;
  mutate(key_of("jobs", facts.name), job_uid, [&](json& job) {
    set_condition(job, {{"type", type},
                        {"status", "True"},
                        {"reason", reason},
                        {"message", "the Job controller's sentence"},
                        {"lastTransitionTime", base::format_time(time_.wall_now())}});
  });
  if (!facts.ttl) return;
  time_.after(*facts.ttl, [this, job_uid, name = facts.name] {
    auto const* const job = find("jobs", name);
    if (job != nullptr && (*job)["metadata"]["uid"] == job_uid) {
      witness_.of(job_facts_.at(job_uid).execution_uid).disasters.insert("Job expired");
      remove(key_of("jobs", name));
    }
  });
}

void cluster::enforce_deadline(std::string const& job_uid) {
  auto& facts = job_facts_.at(job_uid);
  auto const* const job = find("jobs", facts.name);
  if (job == nullptr || (*job)["metadata"]["uid"] != job_uid || facts.finished) return;
  mutate(key_of("jobs", facts.name), job_uid, [&](json& object) {
    set_condition(object, {{"type", "FailureTarget"},
                           {"status", "True"},
                           {"reason", "DeadlineExceeded"},
                           {"message", "Job was active longer than specified deadline"},
                           {"lastTransitionTime", base::format_time(time_.wall_now())}});
  });
  facts.pod_made = true;
  bool any = false;
  for (auto const& [uid, s] : sandboxes_) {
    if (s->job_uid != job_uid || find("pods", s->name) == nullptr) continue;
    any = true;
    remove(key_of("pods", s->name));
  }
  if (!any) finish_job(job_uid, "Failed", "DeadlineExceeded");
}

void cluster::untrack(std::string const& pod, std::string const& uid) {
  mutate(key_of("pods", pod), uid, [](json& object) { object["metadata"].erase("finalizers"); });
  auto const* const object = find("pods", pod);
  if (object == nullptr || (*object)["metadata"]["uid"] != uid) return;
  auto const s = sandboxes_.at(uid);
  if (is_deleting(*object) && s->done) erase(key_of("pods", pod));
}

// --- scheduler and kubelet ---------------------------------------------------------------------------------------

void cluster::bind(sandbox_ref const& s) {
  auto const* const pod = find("pods", s->name);
  if (pod == nullptr || (*pod)["metadata"]["uid"] != s->uid || is_deleting(*pod)) return;
  auto const now = base::format_time(time_.wall_now());
  if (time_.now() < in_the_way.node_full_until || node_lost_) {
    mutate(key_of("pods", s->name), s->uid, [&](json& object) {
      set_condition(object, {{"type", "PodScheduled"},
                             {"status", "False"},
                             {"reason", "Unschedulable"},
                             {"message", "0/1 nodes are available: 1 Insufficient memory."},
                             {"lastTransitionTime", now}});
    });
    time_.after(5s, [this, s] { bind(s); });
    return;
  }
  s->bound = true;
  mutate(key_of("pods", s->name), s->uid, [&](json& object) {
    object["spec"]["nodeName"] = "node-1";
    set_condition(object, {{"type", "PodScheduled"}, {"status", "True"}, {"lastTransitionTime", now}});
  });
  time_.after(soon(5ms, 100ms), [this, s] { try_start(s, 0); });
}

void cluster::try_start(sandbox_ref const& s, int tries) {
  if (s->stopping || s->started || node_lost_) return;
  auto const waiting = [&](char const* reason, char const* message) {
    report(s, 0s, [reason, message](json& pod) {
      pod["status"]["containerStatuses"] =
          json::array({json{{"name", "code"}, {"state", {{"waiting", {{"reason", reason}, {"message", message}}}}}}});
    });
  };
  auto const* const runner = find("configmaps", s->facts.runner);
  auto const* const input = find("configmaps", s->facts.input);
  if (!s->has_volumes && (runner == nullptr || input == nullptr)) {
    waiting("ContainerCreating", "");
    // The kubelet's own backoff for volumes.
    auto const wait = std::min<duration>(500ms * (1 << std::min(tries, 8)), 122s);
    time_.after(wait, [this, s, tries] { try_start(s, tries + 1); });
    return;
  }
  s->has_volumes = true;
  if (time_.now() < in_the_way.image_missing_until) {
    waiting(s->pulls % 2 == 0 ? "ErrImagePull" : "ImagePullBackOff", "Back-off pulling image");
    auto const wait = std::min<duration>(10s * (1 << std::min(s->pulls++, 5)), 300s);
    time_.after(wait, [this, s, tries] { try_start(s, tries); });
    return;
  }
  // Between the volumes and the first instruction: sandbox, image, process.
  time_.after(soon(100ms, 900ms), [this, s] { start(s); });
}

void cluster::start(sandbox_ref const& s) {
  if (s->stopping || s->started || node_lost_) return;
  s->started = true;
  trace("    the code starts");
  auto const* const input = find("configmaps", s->facts.input);
  if (input != nullptr &&
      (*input)["metadata"]["annotations"][std::string(execution::input_annotation)] != s->facts.input_hash) {
    witness_.violated("the pod was given another input than its Job names");
  }
  witness_.code_started(s->execution_uid);
  auto const& p = s->what;
  auto& t = witness_.of(s->execution_uid);
  t.out += p.out;
  std::string frames;
  for (std::size_t at = 0; at < p.out.size();) {
    auto const newline = p.out.find('\n', at);
    bool const whole = newline != std::string::npos;
    auto const end_of_line = whole ? newline : p.out.size();
    frames += (whole ? "stdout F " : "stdout P ") + p.out.substr(at, end_of_line - at) + "\n";
    at = end_of_line + 1;
  }
  if (!frames.empty()) write_log(s, frames);
  auto const since = base::format_time(time_.wall_now());
  report(s, soon(20ms, 1s), [since](json& pod) {
    pod["status"]["phase"] = "Running";
    pod["status"]["containerStatuses"] = json::array({json{{"name", "code"},
                                                           {"image", "python:3.11-slim"},
                                                           {"imageID", "sha256:1"},
                                                           {"state", {{"running", {{"startedAt", since}}}}}}});
  });
  if (p.runs_for > s->facts.timeout) {
    time_.after(s->facts.timeout + std::min(p.reacts_in, s->facts.grace),
                [this, s] { end(s, "timedOut", 124, "Error"); });
  } else if (p.eats_memory) {
    time_.after(p.runs_for, [this, s] {
      if (s->ended) return;
      witness_.of(s->execution_uid).disasters.insert("out of memory");
      end(s, "", 137, "OOMKilled");
    });
  } else if (p.signal != 0) {
    time_.after(p.runs_for, [this, s] { end(s, "signaled", 128 + s->what.signal, "Error"); });
  } else {
    time_.after(p.runs_for,
                [this, s] { end(s, "exited", s->what.exit_code, s->what.exit_code == 0 ? "Completed" : "Error"); });
  }
}

/// The pod is to go.
void cluster::stop(sandbox_ref const& s) {
  if (node_lost_ && s->bound) return;
  if (s->stopping) {
    if (s->done) clear_away(s);  // ended before by its deadline, and now deleted
    return;
  }
  s->stopping = true;
  if (!s->bound) {
    // No kubelet has a say.
    s->done = true;
    untrack(s->name, s->uid);
    return;
  }
  if (s->started && !s->ended) {
    time_.after(std::min(s->what.reacts_in, s->facts.grace), [this, s] { end(s, "terminated", 143, "Error"); });
  } else if (s->ended) {
    clear_away(s);
  } else {
    // It never ran. Newer kubelets say so before the pod goes.
    report(s, soon(5ms, 300ms), [evicted = s->evicted](json& pod) {
      pod["status"]["phase"] = "Failed";
      pod["status"]["containerStatuses"] =
          json::array({json{{"name", "code"},
                            {"imageID", ""},
                            {"state",
                             {{"terminated",
                               {{"exitCode", 137},
                                {"reason", "ContainerStatusUnknown"},
                                {"message", "The container could not be located when the pod was terminated"}}}}}}});
      if (evicted) {
        pod["status"]["reason"] = "Evicted";
        pod["status"]["message"] = "The node was low on resource: memory.";
      }
    });
    clear_away(s);
  }
}

void cluster::end(sandbox_ref const& s, std::string const& how, int code, std::string const& why) {
  if (s->ended) return;
  s->ended = true;
  s->exit_code = code;
  s->why = why;
  auto& t = witness_.of(s->execution_uid);
  t.running = false;
  t.end = how;
  t.exit_code = how == "exited" ? code : 0;
  trace("    the code ends: " + (how.empty() ? why : how));
  if (!how.empty()) {
    t.reported = true;
    if (!s->what.last_words.empty()) {
      t.out += s->what.last_words;
      write_log(s, "stdout F " + s->what.last_words.substr(0, s->what.last_words.size() - 1) + "\n");
    }
    json result{{"v", 1},
                {"token", s->facts.token},
                {"end", how},
                {"wallMillis", (time_.now() - t.started).count() / 1000},
                {"startedAt", base::format_micro_time(time_.wall_now() - (time_.now() - t.started))},
                {"finishedAt", base::format_micro_time(time_.wall_now())},
                {"gvisor", true},
                {"stdoutBytes", t.out.size()},
                {"stderrBytes", t.err.size()}};
    if (how == "exited") result["exitCode"] = code;
    if (how == "signaled") result["signal"] = s->what.signal;
    if (how == "timedOut" || how == "terminated") result["signal"] = s->what.reacts_in < s->facts.grace ? 15 : 9;
    auto with_output = result;
    with_output["stdout"] = t.out;
    with_output["stderr"] = t.err;
    auto const whole = with_output.dump();
    s->message = whole.size() <= longest_message ? whole : result.dump();
    write_log(s, "result F " + s->message + "\n");
  }
  // The log ends with the container.
  time_.after(2ms, [readers = std::exchange(s->readers, {})] {
    for (auto const& reader : readers)
      reader->end();
  });
  auto const ended = base::format_time(time_.wall_now());
  report(s, soon(200ms, 2s), [s, ended](json& pod) {
    pod["status"]["containerStatuses"] = json::array(
        {json{{"name", "code"},
              {"image", "python:3.11-slim"},
              {"imageID", "sha256:1"},
              {"state",
               {{"terminated",
                 {{"exitCode", s->exit_code}, {"reason", s->why}, {"message", s->message}, {"finishedAt", ended}}}}}}});
    if (s->evicted) {
      pod["status"]["phase"] = "Failed";
      pod["status"]["reason"] = "Evicted";
      pod["status"]["message"] = "The node was low on resource: memory.";
    }
  });
  report(s, soon(500ms, 1500ms), [code](json& pod) { pod["status"]["phase"] = code == 0 ? "Succeeded" : "Failed"; });
  if (s->stopping) clear_away(s);
}

/// A status update of the kubelet's, after those before it.
void cluster::report(sandbox_ref const& s, duration delay, std::function<void(json&)> const& change) {
  if (in_the_way.slow_status) delay += 3s;
  auto const at = std::max(s->last_report, time_.now() + delay);
  s->last_report = at;
  time_.after(at - time_.now(), [this, s, change] {
    if (node_lost_) return;
    bool const there = mutate(key_of("pods", s->name), s->uid, change);
    if (!there) return;
    auto const phase = (*find("pods", s->name))["status"].value("phase", "");
    if (phase != "Succeeded" && phase != "Failed") return;
    time_.after(soon(300ms, 1500ms), [this, s] { count_pod(s->job_uid, s->name); });
  });
}

/// Once the pod's end is reported the object goes, unless the Job controller still wants to count it.
void cluster::clear_away(sandbox_ref const& s) {
  auto const at = std::max(s->last_report, time_.now()) + soon(5ms, 300ms);
  time_.after(at - time_.now(), [this, s] {
    if (node_lost_) return;
    s->done = true;
    auto const* const pod = find("pods", s->name);
    if (pod == nullptr || (*pod)["metadata"]["uid"] != s->uid || !is_deleting(*pod)) return;
    if (!has_finalizers(*pod)) {
      erase(key_of("pods", s->name));
      return;
    }
    // The Job is there and has not counted it, or it is gone and nobody wants to.
    if (!uids_.contains(s->job_uid)) untrack(s->name, s->uid);
  });
}

void cluster::write_log(sandbox_ref const& s, std::string const& bytes) {
  s->log += bytes;
  time_.after(2ms, [readers = s->readers, bytes] {
    for (auto const& reader : readers)
      reader->push(bytes);
  });
}

kube::result<std::shared_ptr<scripted_stream>> cluster::open_log(kube::request const& r) {
  auto const p = parse(r);
  auto const* const pod = find("pods", p.name);
  if (pod == nullptr) return refuse(404, "NotFound", "pods \"" + p.name + "\" not found");
  auto const s = sandboxes_.at((*pod)["metadata"]["uid"]);
  if (node_lost_ || time_.now() < in_the_way.log_down_until) {
    return refuse(500, "InternalError", "Get \"https://10.0.0.1:10250/containerLogs/\": dial tcp: connection refused");
  }
  if (!s->started) {
    return refuse(400, "BadRequest",
                  "container \"code\" in pod \"" + p.name + "\" is waiting to start: ContainerCreating");
  }
  if (s->log_gone) return refuse(404, "NotFound", "the log is gone");
  auto const stream = std::make_shared<scripted_stream>(executor_);
  if (!s->log.empty()) stream->push(s->log);
  auto const follow = p.query.find("follow");
  if (follow != p.query.end() && follow->second == "true" && !s->ended) {
    s->readers.push_back(stream);
  } else {
    stream->end();
  }
  return stream;
}

}  // namespace codeexec::simulation
