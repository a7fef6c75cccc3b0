#include "codeexec/local/store.hpp"

#include <algorithm>
#include <array>

#include "codeexec/kube_core/stored_size.hpp"
#include "codeexec/local/managed_fields.hpp"

#include "metadata.hpp"

namespace codeexec::local {

using nlohmann::json;

/// The objects of one type and the history of its writes.
struct table {
  std::shared_ptr<resource_type const> type;
  std::unique_ptr<strategy> how;
  std::map<std::string, object, std::less<>> rows;  ///< by "namespace/name", or "name"
  std::deque<std::shared_ptr<event const>> history;
  std::size_t history_bytes = 0;
  std::uint64_t forgotten = 0;  ///< resourceVersion of the newest write no longer in the history
  bool gone = false;
  std::vector<watch*> watches;  ///< null: closed while wakes were going out
  int waking = 0;
};

namespace {

std::string row_key(std::string_view ns, std::string_view name) {
  std::string key;
  key.reserve(ns.size() + name.size() + 1);
  if (!ns.empty()) {
    key.append(ns).push_back('/');
  }
  key.append(name);
  return key;
}

std::string table_key(kube::resource const& type) {
  return qualified(type.plural, type.group);
}

bool is_empty_list(json const& metadata, char const* field) {
  json const& found = at_path(metadata, field);
  return !found.is_array() || found.empty();
}

/// Is anything but metadata and status different?
bool spec_changed(json const& a, json const& b) {
  auto const relevant = [](std::string const& key) { return key != "metadata" && key != "status"; };
  for (auto const& [key, value] : a.items()) {
    if (relevant(key)) {
      auto const other = b.find(key);
      if (other == b.end() || *other != value) {
        return true;
      }
    }
  }
  for (auto const& [key, value] : b.items()) {
    if (relevant(key) && !a.contains(key)) {
      return true;
    }
  }
  return false;
}

/// The finalizers that carry a propagation policy to the garbage collector.
bool apply_policy(json& metadata, kube::propagation policy) {
  json before = metadata.contains("finalizers") ? metadata.at("finalizers") : json::array();
  json after = json::array();
  for (json const& value : before) {
    if (value != "foregroundDeletion" && value != "orphan") {
      after.push_back(value);
    }
  }
  if (policy == kube::propagation::foreground) {
    after.push_back("foregroundDeletion");
  } else if (policy == kube::propagation::orphan) {
    after.push_back("orphan");
  }
  if (after == before) {
    return false;
  }
  if (after.empty()) {
    metadata.erase("finalizers");
  } else {
    metadata["finalizers"] = std::move(after);
  }
  return true;
}

std::int64_t stored_grace(json const& metadata) {
  json const& value = at_path(metadata, "deletionGracePeriodSeconds");
  return value.is_number_integer() ? value.get<std::int64_t>() : 0;
}

/// What a client may have written is an object with metadata of the right types; absent metadata is empty.
std::optional<status_error> check_shape(resource_type const& t, json& value) {
  if (!value.is_object()) {
    return status_error::bad_request("the object provided is not a JSON object");
  }
  json& metadata = value["metadata"];
  if (metadata.is_null()) {
    metadata = json::object();
  }
  if (auto const fault = check_metadata_types(metadata)) {
    return status_error::bad_request(t.kind + " in version \"" + t.version + "\" cannot be handled as a " + t.kind +
                                     ": " + *fault);
  }
  return std::nullopt;
}

}  // namespace

// watch -----------------------------------------------------------------------------------------------------------

watch::watch(store& owner, std::shared_ptr<table> over, std::string ns, std::uint64_t from, std::function<void()> wake)
    : store_(owner), table_(std::move(over)), ns_(std::move(ns)), position_(from), wake_(std::move(wake)) {
  table_->watches.push_back(this);
}

watch::~watch() {
  auto const found = std::find(table_->watches.begin(), table_->watches.end(), this);
  if (found == table_->watches.end()) {
    return;
  }
  if (table_->waking > 0) {
    *found = nullptr;
  } else {
    table_->watches.erase(found);
  }
}

watch::step watch::next() {
  if (table_->forgotten > position_) {
    return step{state::expired, nullptr};
  }
  auto at = std::upper_bound(table_->history.begin(), table_->history.end(), position_,
                             [](std::uint64_t rv, auto const& e) { return rv < e->resource_version; });
  for (; at != table_->history.end(); ++at) {
    position_ = (*at)->resource_version;
    if (ns_.empty() || (*at)->current.ns() == ns_) {
      return step{state::event, *at};
    }
  }
  if (table_->gone) {
    return step{state::type_gone, nullptr};
  }
  // Nothing of this type is newer, so the reader has seen everything up to the newest write of any type.
  position_ = std::max(position_, store_.resource_version());
  return step{state::idle, nullptr};
}

// store: types ----------------------------------------------------------------------------------------------------

store::store(base::clock const& clock, base::rng random, settings limits)
    : clock_(clock), random_(random), limits_(limits) {}

store::~store() = default;

std::shared_ptr<resource_type const> store::add_type(resource_type type, std::unique_ptr<strategy> how) {
  auto shared = std::make_shared<resource_type const>(std::move(type));
  auto& slot = tables_[shared->group_resource()];
  if (!slot) {
    slot = std::make_shared<table>();
    slot->forgotten = resource_version_ > 1 ? resource_version_ : 0;
  }
  slot->type = shared;
  slot->how = std::move(how);
  return shared;
}

void store::remove_type(kube::resource const& type) {
  auto const found = tables_.find(table_key(type));
  if (found == tables_.end()) {
    return;
  }
  auto const gone = found->second;
  tables_.erase(found);
  gone->gone = true;
  ++gone->waking;
  for (std::size_t i = 0; i < gone->watches.size(); ++i) {
    if (gone->watches[i] != nullptr) {
      gone->watches[i]->wake_();
    }
  }
  --gone->waking;
}

std::shared_ptr<resource_type const> store::find_type(std::string_view group, std::string_view plural) const {
  auto const found = tables_.find(qualified(plural, group));
  return found == tables_.end() ? nullptr : found->second->type;
}

std::shared_ptr<resource_type const> store::find_kind(std::string_view group, std::string_view kind) const {
  for (auto const& [key, one] : tables_) {
    if (one->type->group == group && one->type->kind == kind) {
      return one->type;
    }
  }
  return nullptr;
}

std::vector<std::shared_ptr<resource_type const>> store::types() const {
  std::vector<std::shared_ptr<resource_type const>> out;
  out.reserve(tables_.size());
  for (auto const& [key, one] : tables_) {
    out.push_back(one->type);
  }
  std::sort(out.begin(), out.end(),
            [](auto const& a, auto const& b) { return std::tie(a->group, a->plural) < std::tie(b->group, b->plural); });
  return out;
}

std::shared_ptr<table> store::find_table(kube::resource const& type) const {
  auto const found = tables_.find(table_key(type));
  return found == tables_.end() ? nullptr : found->second;
}

result<std::shared_ptr<table>> store::require_table(kube::resource const& type) const {
  auto found = find_table(type);
  if (!found) {
    return status_error(404, "NotFound", "the server could not find the requested resource", json::object());
  }
  return found;
}

// store: reads ----------------------------------------------------------------------------------------------------

object store::get(kube::resource const& type, std::string_view ns, std::string_view name) const {
  auto const where = find_table(type);
  if (!where) {
    return object();
  }
  auto const found = where->rows.find(row_key(where->type->namespaced ? ns : std::string_view(), name));
  return found == where->rows.end() ? object() : found->second;
}

result<object> store::require(kube::resource const& type, std::string_view ns, std::string_view name) const {
  object found = get(type, ns, name);
  if (!found) {
    return status_error::not_found(type.group, type.plural, name);
  }
  return found;
}

std::vector<object> store::list(kube::resource const& type, std::string_view ns,
                                std::function<bool(object const&)> const& wanted) const {
  std::vector<object> out;
  auto const where = find_table(type);
  if (!where) {
    return out;
  }
  if (ns.empty() || !where->type->namespaced) {
    if (!wanted) {
      out.reserve(where->rows.size());
    }
    for (auto const& [key, value] : where->rows) {
      if (!wanted || wanted(value)) {
        out.push_back(value);
      }
    }
    return out;
  }
  std::string const prefix = row_key(ns, "");
  for (auto at = where->rows.lower_bound(prefix); at != where->rows.end(); ++at) {
    if (at->first.compare(0, prefix.size(), prefix) != 0) {
      break;
    }
    if (!wanted || wanted(at->second)) {
      out.push_back(at->second);
    }
  }
  return out;
}

std::size_t store::count(kube::resource const& type) const {
  auto const where = find_table(type);
  return where ? where->rows.size() : 0;
}

object store::find_uid(std::string_view uid) const {
  auto const found = by_uid_.find(std::string(uid));
  return found == by_uid_.end() ? object() : found->second.first->rows.at(found->second.second);
}

std::vector<store::located> store::dependents(std::string_view owner_uid) const {
  std::vector<located> out;
  auto const found = by_owner_.find(std::string(owner_uid));
  if (found != by_owner_.end()) {
    out.reserve(found->second.size());
    for (auto const& [place, times] : found->second) {
      out.push_back(located{place.first->type, place.first->rows.at(place.second)});
    }
  }
  return out;
}

// store: writes ---------------------------------------------------------------------------------------------------

void store::index(table& where, object const& what, bool present) {
  std::string const key = row_key(what.ns(), what.name());
  if (present) {
    by_uid_[what.uid()] = {&where, key};
  } else {
    by_uid_.erase(what.uid());
  }
  for (json const& owner : at_path(*what, "metadata.ownerReferences")) {
    std::string const uid = string_at(owner, "uid");
    if (uid.empty()) {
      continue;
    }
    if (present) {
      by_owner_[uid][{&where, key}] += 1;
    } else if (auto const found = by_owner_.find(uid); found != by_owner_.end()) {
      found->second.erase({&where, key});
      if (found->second.empty()) {
        by_owner_.erase(found);
      }
    }
  }
}

namespace {

/// Custom resources are stored as JSON in Go's spelling, in which a byte takes six at most; the others, in protobuf,
/// take no more than our text.
std::size_t stored_size(resource_type const& type, object const& made) {
  auto const size = made.text().size();
  return type.custom && size > 100'000 ? kube::stored_length(*made) : size;
}

}  // namespace

result<object> store::commit(table& where, event_type what, json value, object const& before) {
  std::uint64_t const rv = resource_version_ + 1;
  value["metadata"]["resourceVersion"] = std::to_string(rv);
  object made(std::move(value));
  if (what != event_type::deleted && stored_size(*where.type, made) > limits_.max_object_bytes) {
    return status_error::internal("etcdserver: request is too large");
  }
  resource_version_ = rv;
  std::string key = row_key(made.ns(), made.name());
  if (before) {
    index(where, before, false);
  }
  if (what == event_type::deleted) {
    where.rows.erase(key);
  } else {
    where.rows.insert_or_assign(std::move(key), made);
    index(where, made, true);
  }
  auto written = std::make_shared<event const>(what, rv, made, before);
  where.history_bytes += made.text().size();
  where.history.push_back(written);
  while (where.history.size() > limits_.history_events ||
         (where.history_bytes > limits_.history_bytes && where.history.size() > limits_.history_at_least)) {
    where.history_bytes -= where.history.front()->current.text().size();
    where.forgotten = where.history.front()->resource_version;
    where.history.pop_front();
  }
  for (observer const& one : observers_) {
    one(*where.type, *written);
  }
  ++where.waking;
  // By index: a woken reader may open another watch on this table.
  for (std::size_t i = 0; i < where.watches.size(); ++i) {
    watch* const reader = where.watches[i];
    if (reader != nullptr && reader->wake_ && (reader->ns_.empty() || reader->ns_ == made.ns())) {
      reader->wake_();
    }
  }
  if (--where.waking == 0) {
    where.watches.erase(std::remove(where.watches.begin(), where.watches.end(), nullptr), where.watches.end());
  }
  return made;
}

std::optional<status_error> store::check_namespace(table const& where, std::string_view ns,
                                                   std::string_view name) const {
  if (!where.type->namespaced) {
    return std::nullopt;
  }
  object const home = get(kube::namespaces, {}, ns);
  if (!home) {
    return status_error::not_found("", "namespaces", ns);
  }
  if (home.being_deleted()) {
    auto refusal = status_error::forbidden(
        where.type->group, where.type->plural, name,
        "unable to create new content in namespace " + std::string(ns) + " because it is being terminated");
    refusal.details["causes"] = json::array({{{"reason", "NamespaceTerminating"},
                                              {"message", "namespace " + std::string(ns) + " is being terminated"},
                                              {"field", "metadata.namespace"}}});
    return refusal;
  }
  return std::nullopt;
}

result<object> store::create(kube::resource const& type, json value, create_options options) {
  auto const found = require_table(type);
  if (!found) {
    return found.error();
  }
  std::shared_ptr<table> const where = *found;
  resource_type const& t = *where->type;
  if (auto refusal = check_shape(t, value)) {
    return *refusal;
  }
  json& metadata = value["metadata"];
  if (!string_at(metadata, "resourceVersion").empty()) {
    return status_error::internal("resourceVersion should not be set on objects to be created");
  }
  metadata = client_metadata(metadata);
  std::string const ns = t.namespaced ? string_at(metadata, "namespace") : std::string();
  if (!t.namespaced) {
    metadata.erase("namespace");
  }
  std::string name = string_at(metadata, "name");
  if (auto refusal = check_namespace(*where, ns, name)) {
    return *refusal;
  }
  if (name.empty() && metadata.contains("generateName")) {
    // Five characters of 27: a collision is rare, so a few tries tell a full name space from bad luck.
    std::string const prefix = string_at(metadata, "generateName").substr(0, 58);
    for (int tries = 0; tries < 8; ++tries) {
      name = prefix + new_suffix();
      if (!where->rows.contains(row_key(ns, name))) {
        break;
      }
    }
    metadata["name"] = name;
  }
  value["apiVersion"] = t.api_version();
  value["kind"] = t.kind;
  base::wall_time const now = clock_.wall_now();
  metadata["uid"] = new_uid();
  metadata["creationTimestamp"] = base::format_time(now);
  if (t.has_generation) {
    metadata["generation"] = 1;
  }
  if (t.has_status) {
    value.erase("status");
  }
  where->how->prepare_create(value, now);
  if (auto refusal = where->how->admit(value)) {
    return *refusal;
  }
  field_errors errors = validate_metadata(value.at("metadata"), t, *where->how);
  field_errors more = where->how->validate_create(value);
  errors.insert(errors.end(), more.begin(), more.end());
  if (!errors.empty()) {
    return status_error::invalid(t.group, t.kind, name, errors);
  }
  if (admission_) {
    if (auto refusal = admission_(t, value)) {
      return *refusal;
    }
  }
  if (where->rows.contains(row_key(ns, name))) {
    return status_error::already_exists(t.group, t.plural, name);
  }
  if (options.by) {
    note_writer(*where, nullptr, value, *options.by);
  }
  if (options.dry_run) {
    return object(std::move(value));
  }
  return commit(*where, event_type::added, std::move(value), object());
}

void store::note_writer(table const& where, json const& before, json& next, writer const& by) const {
  update_author const author{by.manager, by.subresource, where.type->api_version(), clock_.wall_now()};
  json entries = managed_fields_after(before, next, where.how->schema(), author);
  if (entries.empty()) {
    next.at("metadata").erase("managedFields");
  } else {
    next["metadata"]["managedFields"] = std::move(entries);
  }
}

result<object> store::write(std::shared_ptr<table> const& where, object const& before, json next, part which,
                            bool dry_run, std::optional<writer> const& by) {
  resource_type const& t = *where->type;
  if (t.has_status && which == part::object) {
    if (auto const kept = before->find("status"); kept != before->end()) {
      next["status"] = *kept;
    } else {
      next.erase("status");
    }
  } else if (which == part::status) {
    json merged = *before;
    if (auto const given = next.find("status"); given != next.end() && !given->is_null()) {
      merged["status"] = std::move(*given);
    } else {
      merged.erase("status");
    }
    if (auto const given = next.at("metadata").find("managedFields"); given != next.at("metadata").end()) {
      merged["metadata"]["managedFields"] = *given;
    }
    next = std::move(merged);
  }
  keep_server_metadata(next, *before);
  next["apiVersion"] = t.api_version();
  next["kind"] = t.kind;
  where->how->prepare_update(next, *before, which);

  json const& metadata = next.at("metadata");
  field_errors errors = validate_metadata_update(metadata, before->at("metadata"));
  if (!errors.empty()) {
    // The real server runs this check twice and lists both.
    field_errors const again = errors;
    errors.insert(errors.end(), again.begin(), again.end());
  }
  if (metadata != before->at("metadata")) {
    field_errors const faults = validate_metadata(metadata, t, *where->how);
    errors.insert(errors.end(), faults.begin(), faults.end());
  }
  field_errors const more = where->how->validate_update(next, *before, which);
  errors.insert(errors.end(), more.begin(), more.end());
  if (!errors.empty()) {
    return status_error::invalid(t.group, t.kind, before.name(), errors);
  }

  // What the control plane itself fills in (a Pod's node) is no new generation.
  if (t.has_generation && which != part::all && spec_changed(next, *before)) {
    json const& generation = at_path(*before, "metadata.generation");
    next["metadata"]["generation"] = (generation.is_number_integer() ? generation.get<std::int64_t>() : 0) + 1;
  }
  if (next == *before) {
    return before;
  }
  if (by) {
    note_writer(*where, *before, next, *by);
  }
  if (before.being_deleted() && is_empty_list(next.at("metadata"), "finalizers") && !where->how->held(next) &&
      stored_grace(next.at("metadata")) == 0) {
    object last(std::move(next));
    if (!dry_run) {
      (void)commit(*where, event_type::deleted, *before, before);  // a deletion cannot be refused any more
    }
    return last;
  }
  if (dry_run) {
    return object(std::move(next));
  }
  return commit(*where, event_type::modified, std::move(next), before);
}

result<object> store::update(kube::resource const& type, json value, part which, update_options options) {
  auto const found = require_table(type);
  if (!found) {
    return found.error();
  }
  std::shared_ptr<table> const where = *found;
  resource_type const& t = *where->type;
  if (auto refusal = check_shape(t, value)) {
    return *refusal;
  }
  json& metadata = value["metadata"];
  std::string const name = string_at(metadata, "name");
  object const before = get(type, string_at(metadata, "namespace"), name);
  if (!before) {
    return status_error::not_found(t.group, t.plural, name);
  }
  std::string const version = string_at(metadata, "resourceVersion");
  if (version.empty() && !options.allow_unconditional) {
    return status_error::invalid(
        t.group, t.plural, name,
        {field_error::invalid("metadata.resourceVersion", 0, "must be specified for an update")});
  }
  if (!version.empty() && version != "0" && version != string_at(*before, "metadata.resourceVersion")) {
    return status_error::conflict(
        t.group, t.plural, name,
        "the object has been modified; please apply your changes to the latest version and try again");
  }
  std::string const uid = string_at(metadata, "uid");
  if (!uid.empty() && uid != before.uid()) {
    return status_error::conflict(
        t.group, t.plural, name,
        "Precondition failed: UID in precondition: " + uid + ", UID in object meta: " + before.uid());
  }
  return write(where, before, std::move(value), which, options.dry_run, options.by);
}

result<object> store::mutate(kube::resource const& type, std::string_view ns, std::string_view name, part which,
                             std::function<bool(json&)> const& change) {
  auto const found = require_table(type);
  if (!found) {
    return found.error();
  }
  auto const current = require(type, ns, name);
  if (!current) {
    return current.error();
  }
  json copy = **current;
  if (!change(copy)) {
    return *current;
  }
  return write(*found, *current, std::move(copy), which, false, std::nullopt);
}

result<removed> store::remove(kube::resource const& type, std::string_view ns, std::string_view name,
                              remove_options options) {
  auto const found = require_table(type);
  if (!found) {
    return found.error();
  }
  std::shared_ptr<table> const where = *found;
  resource_type const& t = *where->type;
  auto const current = require(type, ns, name);
  if (!current) {
    return current.error();
  }
  object const before = *current;
  if (!options.uid.empty() && options.uid != before.uid()) {
    return status_error::conflict(t.group, t.kind, name,
                                  "the UID in the precondition (" + options.uid +
                                      ") does not match the UID in record (" + before.uid() +
                                      "). The object might have been deleted and then recreated");
  }
  std::string const version = string_at(*before, "metadata.resourceVersion");
  if (!options.resource_version.empty() && options.resource_version != version) {
    return status_error::conflict(t.group, t.kind, name,
                                  "the ResourceVersion in the precondition (" + options.resource_version +
                                      ") does not match the ResourceVersion in record (" + version +
                                      "). The object might have been modified");
  }
  json next = *before;
  json& metadata = next["metadata"];
  bool changed = false;
  if (options.policy) {
    changed = apply_policy(metadata, *options.policy);
  } else if (!before.being_deleted() && where->how->default_propagation() != kube::propagation::background) {
    changed = apply_policy(metadata, where->how->default_propagation());
  }
  std::int64_t grace = where->how->grace_seconds(*before, options.grace_period_seconds);
  if (before.being_deleted()) {
    grace = std::min(grace, stored_grace(metadata));
  }
  bool const leaves = is_empty_list(metadata, "finalizers") && grace == 0 && !where->how->held(next);
  if (leaves && !where->how->deletes_gracefully()) {
    if (!options.dry_run) {
      (void)commit(*where, event_type::deleted, *before, before);  // a deletion cannot be refused any more
    }
    return removed{before, true};
  }
  if (!before.being_deleted() || grace < stored_grace(metadata)) {
    changed = true;
    metadata["deletionTimestamp"] = base::format_time(clock_.wall_now() + std::chrono::seconds(grace));
    metadata["deletionGracePeriodSeconds"] = grace;
    json const& generation = at_path(metadata, "generation");
    if (generation.is_number_integer() && !before.being_deleted()) {
      metadata["generation"] = generation.get<std::int64_t>() + 1;
    }
    where->how->begin_deletion(next);
  }
  if (options.dry_run) {
    return removed{object(std::move(next)), leaves};
  }
  object last = before;
  if (changed) {
    auto const written = commit(*where, event_type::modified, std::move(next), before);
    if (!written) {
      return written.error();
    }
    last = *written;
  }
  if (leaves) {
    (void)commit(*where, event_type::deleted, *last, last);
  }
  return removed{last, leaves};
}

// store: watching and persistence ---------------------------------------------------------------------------------

result<std::unique_ptr<watch>> store::open_watch(kube::resource const& type, std::string_view ns, std::uint64_t from,
                                                 std::function<void()> wake) {
  auto const found = require_table(type);
  if (!found) {
    return found.error();
  }
  if ((*found)->forgotten > from) {
    return status_error::expired("too old resource version: " + std::to_string(from) + " (" +
                                 std::to_string((*found)->forgotten) + ")");
  }
  std::string const only = (*found)->type->namespaced ? std::string(ns) : std::string();
  return std::unique_ptr<watch>(new watch(*this, *found, only, from, std::move(wake)));
}

void store::restore(kube::resource const& type, json value) {
  auto const where = find_table(type);
  if (!where || !value.is_object() || !at_path(value, "metadata").is_object()) {
    return;
  }
  object made(std::move(value));
  restore_resource_version(made.resource_version());
  if (object const before = get(type, made.ns(), made.name())) {
    index(*where, before, false);
  }
  where->rows.insert_or_assign(row_key(made.ns(), made.name()), made);
  index(*where, made, true);
}

void store::restore_resource_version(std::uint64_t newest) {
  resource_version_ = std::max(resource_version_, newest);
  for (auto const& [key, one] : tables_) {
    one->forgotten = std::max(one->forgotten, resource_version_);
  }
}

std::string store::new_uid() {
  std::array<unsigned char, 16> bytes{};
  for (std::size_t i = 0; i < bytes.size(); i += 8) {
    std::uint64_t word = random_();
    for (std::size_t j = 0; j < 8; ++j) {
      bytes[i + j] = static_cast<unsigned char>(word & 0xFFu);
      word >>= 8;
    }
  }
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0Fu) | 0x40u);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3Fu) | 0x80u);
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(36);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) {
      out.push_back('-');
    }
    out.push_back(digits[bytes[i] >> 4]);
    out.push_back(digits[bytes[i] & 0x0Fu]);
  }
  return out;
}

std::string store::new_suffix() {
  // apimachinery's alphabet: no vowels and nothing that looks like one, so that no name spells a word.
  constexpr std::string_view alphabet = "bcdfghjklmnpqrstvwxz2456789";
  std::string out;
  for (int i = 0; i < 5; ++i) {
    out.push_back(alphabet[random_() % alphabet.size()]);
  }
  return out;
}

}  // namespace codeexec::local
