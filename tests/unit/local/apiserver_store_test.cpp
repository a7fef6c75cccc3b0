#include "codeexec/local/store.hpp"

#include "apiserver_support.hpp"

namespace codeexec::local::testing {
namespace {

using nlohmann::json;

std::vector<std::string> drain(watch& reader) {
  std::vector<std::string> out;
  while (true) {
    auto const step = reader.next();
    if (step.what != watch::state::event) {
      return out;
    }
    char const* const kind = step.next->type == event_type::added      ? "ADDED "
                             : step.next->type == event_type::modified ? "MODIFIED "
                                                                       : "DELETED ";
    out.push_back(kind + step.next->current.name());
  }
}

TEST_F(store_test, a_new_object_has_everything_the_server_owns) {
  auto const made_one = objects.create(widgets, widget("a"));
  ASSERT_TRUE(made_one);
  json const& metadata = (**made_one)["metadata"];
  EXPECT_EQ(metadata["creationTimestamp"], "2026-01-31T10:00:00Z");
  EXPECT_EQ(metadata["generation"], 1);
  EXPECT_EQ(metadata["resourceVersion"], std::to_string(objects.resource_version()));
  EXPECT_EQ(metadata["uid"].get<std::string>().size(), 36u);
  EXPECT_EQ(metadata["uid"].get<std::string>()[14], '4');
}

TEST_F(store_test, a_client_cannot_set_what_the_server_owns) {
  json value = widget("a");
  value["metadata"]["uid"] = "mine";
  value["metadata"]["generation"] = 7;
  value["metadata"]["deletionTimestamp"] = "2020-01-01T00:00:00Z";
  value["metadata"]["bogus"] = 1;
  auto const got = objects.create(widgets, value);
  ASSERT_TRUE(got);
  EXPECT_NE((**got)["metadata"]["uid"], "mine");
  EXPECT_EQ((**got)["metadata"]["generation"], 1);
  EXPECT_FALSE((**got)["metadata"].contains("deletionTimestamp"));
  EXPECT_FALSE((**got)["metadata"].contains("bogus"));
}

TEST_F(store_test, the_same_name_twice_is_refused_as_the_real_server_does) {
  made("a");
  auto const again = objects.create(widgets, widget("a"));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().to_json(), json::parse(R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",
                  "message":"widgets.example.dev \"a\" already exists","reason":"AlreadyExists",
                  "details":{"name":"a","group":"example.dev","kind":"widgets"},"code":409})"));
}

TEST_F(store_test, generate_name_appends_five_characters) {
  json value = widget("");
  value["metadata"] = {{"generateName", "gen-"}, {"namespace", "ns"}};
  auto const got = objects.create(widgets, value);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->name().size(), 9u);
  EXPECT_EQ(got->name().substr(0, 4), "gen-");
}

TEST_F(store_test, a_missing_namespace_is_a_404_about_the_namespace) {
  json value = widget("a");
  value["metadata"]["namespace"] = "absent";
  auto const got = objects.create(widgets, value);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().message, "namespaces \"absent\" not found");
}

TEST_F(store_test, bad_names_labels_and_owners_are_named) {
  json value = widget("a b");
  value["metadata"]["labels"] = {{"bad label!", "x"}};
  value["metadata"]["ownerReferences"] = json::array({{{"kind", "Widget"}, {"name", "o"}, {"uid", "u"}}});
  auto const got = objects.create(widgets, value);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, 422);
  ASSERT_EQ(got.error().details["causes"].size(), 3u);
  EXPECT_EQ(got.error().details["causes"][0]["field"], "metadata.name");
  EXPECT_EQ(got.error().details["causes"][1]["field"], "metadata.labels");
  EXPECT_EQ(got.error().details["causes"][2]["field"], "metadata.ownerReferences.apiVersion");
}

TEST_F(store_test, labels_that_are_no_strings_are_a_400_and_no_crash) {
  json value = widget("a");
  value["metadata"]["labels"] = {{"a", 1}};
  auto const got = objects.create(widgets, value);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, 400);
}

TEST_F(store_test, a_dry_run_leaves_no_trace) {
  auto const before = objects.resource_version();
  auto const got = objects.create(widgets, widget("dry"), create_options{true});
  ASSERT_TRUE(got);
  EXPECT_FALSE((**got)["metadata"].contains("resourceVersion"));
  EXPECT_FALSE(objects.get(widgets, "ns", "dry"));
  EXPECT_EQ(objects.resource_version(), before);
}

TEST_F(store_test, a_stale_resource_version_conflicts) {
  json value = *made("a");
  value["spec"]["size"] = 2;
  ASSERT_TRUE(objects.update(widgets, value, part::object));
  value["spec"]["size"] = 3;
  auto const late = objects.update(widgets, value, part::object);
  ASSERT_FALSE(late);
  EXPECT_TRUE(late.error().is_conflict());
}

TEST_F(store_test, a_spec_write_ignores_status_and_a_status_write_ignores_spec) {
  json value = *made("a");
  value["spec"]["size"] = 2;
  value["status"] = {{"phase", "Forged"}};
  auto const spec = objects.update(widgets, value, part::object);
  ASSERT_TRUE(spec);
  EXPECT_FALSE((*spec)->contains("status"));
  EXPECT_EQ((**spec)["metadata"]["generation"], 2);

  value = **spec;
  value["spec"]["size"] = 9;
  value["status"] = {{"phase", "Ready"}};
  auto const status = objects.update(widgets, value, part::status);
  ASSERT_TRUE(status);
  EXPECT_EQ((**status)["spec"]["size"], 2);
  EXPECT_EQ((**status)["status"]["phase"], "Ready");
  EXPECT_EQ((**status)["metadata"]["generation"], 2);
}

TEST_F(store_test, a_write_that_changes_nothing_is_no_write) {
  auto const first = made("a");
  auto const again = objects.update(widgets, *first, part::object);
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, first);
  EXPECT_EQ(objects.resource_version(), first.resource_version());
}

TEST_F(store_test, a_label_does_not_raise_the_generation) {
  made("a");
  auto const got = objects.mutate(widgets, "ns", "a", part::object, [](json& o) {
    o["metadata"]["labels"] = {{"x", "y"}};
    return true;
  });
  ASSERT_TRUE(got);
  EXPECT_EQ((**got)["metadata"]["generation"], 1);
}

TEST_F(store_test, finalizers_hold_an_object_until_the_last_one_goes) {
  json value = widget("a");
  value["metadata"]["finalizers"] = {"example.dev/f"};
  ASSERT_TRUE(objects.create(widgets, value));
  auto const asked = objects.remove(widgets, "ns", "a");
  ASSERT_TRUE(asked);
  EXPECT_FALSE(asked->gone);
  EXPECT_EQ((*asked->last)["metadata"]["deletionTimestamp"], "2026-01-31T10:00:00Z");
  EXPECT_EQ((*asked->last)["metadata"]["deletionGracePeriodSeconds"], 0);
  EXPECT_EQ((*asked->last)["metadata"]["generation"], 2);

  auto const late = objects.mutate(widgets, "ns", "a", part::object, [](json& o) {
    o["metadata"]["finalizers"].push_back("example.dev/late");
    return true;
  });
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, 422);

  ASSERT_TRUE(objects.mutate(widgets, "ns", "a", part::object, [](json& o) {
    o["metadata"].erase("finalizers");
    return true;
  }));
  EXPECT_FALSE(objects.get(widgets, "ns", "a"));
}

TEST_F(store_test, a_wrong_uid_precondition_deletes_nothing) {
  made("a");
  remove_options options;
  options.uid = "wrong";
  auto const got = objects.remove(widgets, "ns", "a", options);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, 409);
  EXPECT_TRUE(objects.get(widgets, "ns", "a"));
}

TEST_F(store_test, a_watch_sees_each_write_after_its_start_once_and_in_order) {
  made("a");
  int woken = 0;
  auto const from = objects.resource_version();
  auto reader = objects.open_watch(widgets, "ns", from, [&woken] { ++woken; });
  ASSERT_TRUE(reader);
  made("b");
  (void)objects.mutate(widgets, "ns", "b", part::object, [](json& o) {
    o["spec"]["size"] = 5;
    return true;
  });
  (void)objects.remove(widgets, "ns", "a");
  EXPECT_EQ(woken, 3);
  EXPECT_EQ(drain(**reader), (std::vector<std::string>{"ADDED b", "MODIFIED b", "DELETED a"}));
  EXPECT_EQ((*reader)->next().what, watch::state::idle);
  EXPECT_EQ((*reader)->position(), objects.resource_version());
}

TEST_F(store_test, a_watch_of_one_namespace_sees_nothing_of_another) {
  (void)objects.create(kube::namespaces, {{"metadata", {{"name", "other"}}}});
  auto reader = objects.open_watch(widgets, "other", objects.resource_version(), [] {});
  made("a");
  EXPECT_EQ(drain(**reader), std::vector<std::string>{});
}

TEST_F(store_test, a_watch_may_be_closed_from_inside_its_own_wake) {
  std::unique_ptr<watch> reader;
  auto opened = objects.open_watch(widgets, "", objects.resource_version(), [&reader] { reader.reset(); });
  reader = std::move(*opened);
  made("a");
  EXPECT_EQ(reader, nullptr);
  made("b");
}

TEST_F(store_test, a_deleted_object_is_reported_with_its_last_state_and_a_new_version) {
  auto const last = made("a");
  auto reader = objects.open_watch(widgets, "", objects.resource_version(), [] {});
  (void)objects.remove(widgets, "ns", "a");
  auto const step = (*reader)->next();
  ASSERT_EQ(step.what, watch::state::event);
  EXPECT_GT(step.next->current.resource_version(), last.resource_version());
  EXPECT_EQ(step.next->current.uid(), last.uid());
}

class small_history : public store_test {
 protected:
  static store::settings limits() {
    store::settings s;
    s.history_events = 3;
    s.max_object_bytes = 4096;
    return s;
  }
  small_history() : store_test(limits()) {}
};

TEST_F(small_history, a_reader_that_falls_behind_is_told_so) {
  made("a");
  auto const from = objects.resource_version();
  auto reader = objects.open_watch(widgets, "", from, [] {});
  for (int i = 0; i < 5; ++i) {
    made("b" + std::to_string(i));
  }
  EXPECT_EQ((*reader)->next().what, watch::state::expired);
  auto const late = objects.open_watch(widgets, "", from, [] {});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, 410);
  EXPECT_EQ(late.error().reason, "Expired");
}

class history_of_large_objects : public store_test {
 protected:
  static store::settings limits() {
    store::settings s;
    s.history_bytes = 1000;
    s.history_at_least = 4;
    return s;
  }
  history_of_large_objects() : store_test(limits()) {}
};

TEST_F(history_of_large_objects, keeps_a_few_and_no_more) {
  made("a");
  std::vector<std::uint64_t> versions;
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(objects.create(widgets, widget("b" + std::to_string(i), {{"text", std::string(900, 'x')}})));
    versions.push_back(objects.resource_version());
  }
  EXPECT_TRUE(objects.open_watch(widgets, "", versions[1], [] {})) << "the last four are there";
  EXPECT_FALSE(objects.open_watch(widgets, "", versions[0], [] {}));
}

TEST_F(small_history, an_object_larger_than_etcd_takes_is_refused_and_costs_no_version) {
  auto const before = objects.resource_version();
  auto const got = objects.create(widgets, widget("big", {{"blob", std::string(5000, 'x')}}));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().message, "etcdserver: request is too large");
  EXPECT_EQ(objects.resource_version(), before);
}

TEST_F(store_test, of_a_custom_resource_counts_what_it_takes_in_gos_spelling) {
  // "<" is stored as \u003c: 250 KiB of it are nearly all that etcd takes.
  EXPECT_TRUE(objects.create(widgets, widget("fits", {{"blob", std::string(250u * 1024u, '<')}})));
  auto const got = objects.create(widgets, widget("big", {{"blob", std::string(256u * 1024u, '<')}}));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().message, "etcdserver: request is too large");
  json const map = {{"metadata", {{"name", "c"}, {"namespace", "ns"}}},
                    {"data", {{"blob", std::string(1000u * 1024u, '<')}}}};
  EXPECT_TRUE(objects.create(kube::config_maps, map)) << "those are stored in protobuf";
}

TEST_F(store_test, dependents_are_found_by_the_owners_uid_and_forgotten_with_them) {
  auto const owner = made("owner");
  json map = {
      {"metadata",
       {{"name", "c"},
        {"namespace", "ns"},
        {"ownerReferences",
         json::array(
             {{{"apiVersion", "example.dev/v1"}, {"kind", "Widget"}, {"name", "owner"}, {"uid", owner.uid()}}})}}}};
  ASSERT_TRUE(objects.create(kube::config_maps, map));
  ASSERT_EQ(objects.dependents(owner.uid()).size(), 1u);
  EXPECT_EQ(objects.dependents(owner.uid())[0].what.name(), "c");
  (void)objects.remove(kube::config_maps, "ns", "c");
  EXPECT_TRUE(objects.dependents(owner.uid()).empty());
}

TEST_F(store_test, a_restored_store_refuses_watches_from_before_and_goes_on_counting) {
  store other(clock, base::rng(2));
  other.add_type(type_of(kube::namespaces), std::make_unique<strategy>());
  other.restore(kube::namespaces, *objects.get(kube::namespaces, "", "ns"));
  other.restore_resource_version(50);
  EXPECT_TRUE(other.get(kube::namespaces, "", "ns"));
  EXPECT_FALSE(other.open_watch(kube::namespaces, "", 49, [] {}));
  EXPECT_TRUE(other.open_watch(kube::namespaces, "", 50, [] {}));
  EXPECT_EQ(other.create(kube::namespaces, {{"metadata", {{"name", "x"}}}})->resource_version(), 51u);
}

TEST_F(store_test, lists_are_ordered_by_namespace_and_name) {
  made("b");
  made("a");
  auto const all = objects.list(widgets, "ns");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].name(), "a");
  EXPECT_EQ(all[1].name(), "b");
}

}  // namespace
}  // namespace codeexec::local::testing
