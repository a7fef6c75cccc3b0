#include "codeexec/kube_core/request.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace {
using namespace codeexec::kube;

TEST(Resource, PathsAreThoseOfTheApi) {
  EXPECT_EQ(pods.collection_path("a"), "/api/v1/namespaces/a/pods");
  EXPECT_EQ(pods.collection_path(""), "/api/v1/pods");
  EXPECT_EQ(jobs.object_path("a", "j"), "/apis/batch/v1/namespaces/a/jobs/j");
  EXPECT_EQ(code_executions.object_path("a", "x", "status"),
            "/apis/codeexec.dev/v1alpha1/namespaces/a/codeexecutions/x/status");
  EXPECT_EQ(namespaces.object_path("ignored", "n"), "/api/v1/namespaces/n");
  EXPECT_EQ(runtime_classes.collection_path(""), "/apis/node.k8s.io/v1/runtimeclasses");
}

TEST(Resource, NameCannotEscapeItsPath) {
  EXPECT_EQ(pods.object_path("../kube-system", "a/b?c=d#e", "log"),
            "/api/v1/namespaces/..%2Fkube-system/pods/a%2Fb%3Fc%3Dd%23e/log");
}

TEST(Request, ListAsksForAPageAndEncodesItsSelector) {
  list_options options;
  options.label_selector = "app in (a,b),x!=y";
  options.limit = 500;
  options.continue_token = "abc+/=";
  options.resource_version = "0";
  auto const r = make_list(pods, "a", options);
  EXPECT_EQ(r.target,
            "/api/v1/namespaces/a/pods?labelSelector=app%20in%20%28a%2Cb%29%2Cx%21%3Dy&resourceVersion=0&limit=500&"
            "continue=abc%2B%2F%3D");
  EXPECT_EQ(r.method, verb::get);
  EXPECT_TRUE(r.idempotent);
  EXPECT_EQ(make_list(pods, "", {}).target, "/api/v1/pods");
}

TEST(Request, WatchIsBoundedInTimeAndAsksForBookmarks) {
  watch_options options;
  options.resource_version = "17";
  EXPECT_EQ(make_watch(jobs, "", options).target,
            "/apis/batch/v1/jobs?watch=true&allowWatchBookmarks=true&resourceVersion=17&timeoutSeconds=290");
}

TEST(Request, WritesNameTheirFieldManagerAndAreNotRepeatable) {
  auto const create = make_create(jobs, "a", "{}", "codeexec-controller");
  EXPECT_EQ(create.method, verb::post);
  EXPECT_EQ(create.target, "/apis/batch/v1/namespaces/a/jobs?fieldManager=codeexec-controller");
  EXPECT_EQ(create.content_type, "application/json");
  EXPECT_FALSE(create.idempotent);

  auto const patch = make_patch(code_executions, "a", "x", patch_type::merge, "{}", "m", "status");
  EXPECT_EQ(patch.target, "/apis/codeexec.dev/v1alpha1/namespaces/a/codeexecutions/x/status?fieldManager=m");
  EXPECT_EQ(patch.content_type, "application/merge-patch+json");
  EXPECT_EQ(patch.subresource, "status");
  EXPECT_FALSE(patch.idempotent);
  EXPECT_EQ(make_patch(pods, "a", "x", patch_type::json, "[]", "m").content_type, "application/json-patch+json");
  auto const apply = make_patch(pods, "a", "x", patch_type::apply, "{}", "m");
  EXPECT_EQ(apply.content_type, "application/apply-patch+yaml");
  EXPECT_EQ(apply.target, "/api/v1/namespaces/a/pods/x?fieldManager=m&force=true");
}

TEST(Request, DeleteWithUidIsRepeatableAndOneByNameIsNot) {
  delete_options options;
  EXPECT_FALSE(make_delete(jobs, "a", "j", options).idempotent);
  options.uid = "u-1";
  options.policy = propagation::foreground;
  options.grace_period_seconds = 0;
  auto const r = make_delete(jobs, "a", "j", options);
  EXPECT_TRUE(r.idempotent);
  EXPECT_EQ(nlohmann::json::parse(r.body),
            nlohmann::json::parse(R"({"apiVersion":"v1","kind":"DeleteOptions","propagationPolicy":"Foreground",
                                      "preconditions":{"uid":"u-1"},"gracePeriodSeconds":0})"));
}

TEST(Request, LogIsBoundedAndFollowed) {
  log_options options;
  options.container = "code";
  options.follow = true;
  options.limit_bytes = 1000;
  EXPECT_EQ(make_pod_log("a", "p", options).target,
            "/api/v1/namespaces/a/pods/p/log?container=code&follow=true&limitBytes=1000");
}

}  // namespace
