// Who may do what: rules, bindings, tokens, and the words of a refusal.
#include "codeexec/local/access.hpp"

#include "codeexec/local/builtin_types.hpp"
#include "codeexec/local/tokens.hpp"

#include "apiserver_support.hpp"

namespace codeexec::local {
namespace {

using nlohmann::json;

attributes wants(std::string verb, std::string group, std::string resource, std::string ns = {},
                 std::string name = {}) {
  attributes out;
  out.verb = std::move(verb);
  out.group = std::move(group);
  out.resource = std::move(resource);
  out.ns = std::move(ns);
  out.name = std::move(name);
  return out;
}

attributes page(std::string path) {
  attributes out;
  out.verb = "get";
  out.path = std::move(path);
  return out;
}

json rule(json groups, json resources, json verbs) {
  return {{"apiGroups", std::move(groups)}, {"resources", std::move(resources)}, {"verbs", std::move(verbs)}};
}

TEST(Rule, AllowsItsVerbsOnItsResourcesOfItsGroups) {
  json const r = rule({"batch"}, {"jobs", "pods"}, {"get", "list"});
  EXPECT_TRUE(rule_allows(r, wants("list", "batch", "jobs")));
  EXPECT_FALSE(rule_allows(r, wants("delete", "batch", "jobs")));
  EXPECT_FALSE(rule_allows(r, wants("list", "", "jobs")));
  EXPECT_FALSE(rule_allows(r, wants("list", "batch", "cronjobs")));
}

TEST(Rule, AStarIsEverything) {
  json const r = rule({"*"}, {"*"}, {"*"});
  EXPECT_TRUE(rule_allows(r, wants("patch", "any", "thing")));
  attributes log = wants("get", "", "pods");
  log.subresource = "log";
  EXPECT_TRUE(rule_allows(r, log));
}

TEST(Rule, ASubresourceIsARightOfItsOwn) {
  attributes log = wants("get", "", "pods");
  log.subresource = "log";
  EXPECT_FALSE(rule_allows(rule({""}, {"pods"}, {"get"}), log));
  EXPECT_TRUE(rule_allows(rule({""}, {"pods/log"}, {"get"}), log));
  EXPECT_TRUE(rule_allows(rule({""}, {"*/log"}, {"get"}), log));
  EXPECT_FALSE(rule_allows(rule({""}, {"*/status"}, {"get"}), log));
  EXPECT_FALSE(rule_allows(rule({""}, {"pods/log"}, {"get"}), wants("get", "", "pods")));
}

TEST(Rule, ResourceNamesBindItToObjectsAndNeverAllowCreate) {
  json r = rule({""}, {"configmaps"}, {"get", "create", "list"});
  r["resourceNames"] = {"mine"};
  EXPECT_TRUE(rule_allows(r, wants("get", "", "configmaps", "ns", "mine")));
  EXPECT_FALSE(rule_allows(r, wants("get", "", "configmaps", "ns", "other")));
  EXPECT_FALSE(rule_allows(r, wants("create", "", "configmaps", "ns")));
  EXPECT_FALSE(rule_allows(r, wants("list", "", "configmaps", "ns")));
  EXPECT_TRUE(rule_allows(r, wants("list", "", "configmaps", "ns", "mine"))) << "a list pinned to the name";
}

TEST(Rule, PagesMatchWholeOrByPrefix) {
  json const r = {{"nonResourceURLs", {"/healthz", "/openapi/*"}}, {"verbs", {"get"}}};
  EXPECT_TRUE(rule_allows(r, page("/healthz")));
  EXPECT_FALSE(rule_allows(r, page("/healthz/x")));
  EXPECT_TRUE(rule_allows(r, page("/openapi/v3")));
  EXPECT_FALSE(rule_allows(r, page("/openapi")));
  EXPECT_FALSE(rule_allows(r, wants("get", "", "pods"))) << "a rule of pages says nothing of resources";
  EXPECT_FALSE(rule_allows(rule({"*"}, {"*"}, {"*"}), page("/healthz"))) << "nor the other way round";
}

TEST(Rule, MalformedOnesAllowNothing) {
  for (json const& r : {json(), json("x"), json::object(), json{{"verbs", "get"}}, json{{"verbs", {1, nullptr}}}})
    EXPECT_FALSE(rule_allows(r, wants("get", "", "pods"))) << r;
}

TEST(Covered, NobodyGrantsWhatTheyDoNotHave) {
  json const read = rule({""}, {"pods"}, {"get", "list"});
  EXPECT_TRUE(not_covered({read}, {read}).empty());
  EXPECT_TRUE(not_covered({read}, {rule({""}, {"pods"}, {"get"}), rule({""}, {"*"}, {"list"})}).empty())
      << "several rules together";
  EXPECT_EQ(not_covered({read}, {rule({""}, {"pods"}, {"get"})}),
            std::vector<std::string>{R"({APIGroups:[""], Resources:["pods"], Verbs:["list"]})"});
  EXPECT_FALSE(not_covered({rule({"*"}, {"pods"}, {"get"})}, {rule({""}, {"pods"}, {"get"})}).empty())
      << "a star is more than any name";
}

class Access : public testing::store_test {
 protected:
  Access() {
    add_builtin_types(objects);
    for (char const* ns : {"transcripts", "other"})
      (void)objects.create(kube::namespaces, {{"metadata", {{"name", ns}}}});
    account = *objects.create(service_accounts, {{"metadata", {{"name", "agent"}, {"namespace", "transcripts"}}}});
    agent = user_info::service_account("transcripts", "agent", account.uid());
  }
  void put(kube::resource const& type, json value) {
    auto const made = objects.create(type, std::move(value));
    ASSERT_TRUE(made) << made.error().message;
  }
  void role(std::string const& ns, std::string const& name, json rules) {
    put(roles, {{"metadata", {{"name", name}, {"namespace", ns}}}, {"rules", std::move(rules)}});
  }
  void bind(std::string const& ns, std::string const& kind, std::string const& role_name, json subject) {
    put(role_bindings, {{"metadata", {{"name", role_name}, {"namespace", ns}}},
                        {"roleRef", {{"apiGroup", rbac_group}, {"kind", kind}, {"name", role_name}}},
                        {"subjects", json::array({std::move(subject)})}});
  }
  static json the_agent() { return {{"kind", "ServiceAccount"}, {"name", "agent"}, {"namespace", "transcripts"}}; }

  object account;
  user_info agent;
  rbac access{objects};
};

TEST_F(Access, RefusesInTheWordsOfTheRealServer) {
  EXPECT_EQ(
      access.refuse(user_info::anonymous(), wants("list", "", "pods"))->message,
      R"(pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" at the cluster scope)");
  auto const refused = *access.refuse(agent, wants("delete", "example.dev", "widgets", "transcripts", "p1"));
  EXPECT_EQ(refused.message,
            R"(widgets.example.dev "p1" is forbidden: User "system:serviceaccount:transcripts:agent" cannot delete )"
            R"(resource "widgets" in API group "example.dev" in the namespace "transcripts")");
  EXPECT_EQ(refused.code, 403);
  EXPECT_EQ(refused.details, (json{{"name", "p1"}, {"group", "example.dev"}, {"kind", "widgets"}}));
  EXPECT_EQ(access.refuse(agent, page("/metrics"))->message,
            R"(forbidden: User "system:serviceaccount:transcripts:agent" cannot get path "/metrics")");
}

TEST_F(Access, ARoleHoldsInItsNamespaceAlone) {
  role("transcripts", "agent", json::array({rule({"example.dev"}, {"widgets"}, {"get", "list"})}));
  bind("transcripts", "Role", "agent", the_agent());
  auto const judged = access.decide(agent, wants("get", "example.dev", "widgets", "transcripts", "p1"));
  EXPECT_TRUE(judged.allowed);
  EXPECT_EQ(
      judged.reason,
      R"(RBAC: allowed by RoleBinding "agent/transcripts" of Role "agent" to ServiceAccount "agent/transcripts")");
  EXPECT_FALSE(access.decide(agent, wants("get", "example.dev", "widgets", "other", "p1")).allowed);
  EXPECT_FALSE(access.decide(agent, wants("list", "example.dev", "widgets")).allowed) << "the whole cluster";
}

TEST_F(Access, AClusterRoleBoundInANamespaceHoldsThereAlone) {
  put(cluster_roles, {{"metadata", {{"name", "reader"}}}, {"rules", json::array({rule({""}, {"pods"}, {"list"})})}});
  bind("transcripts", "ClusterRole", "reader", the_agent());
  EXPECT_TRUE(access.decide(agent, wants("list", "", "pods", "transcripts")).allowed);
  EXPECT_FALSE(access.decide(agent, wants("list", "", "pods", "other")).allowed);
}

TEST_F(Access, AMissingRoleIsNamed) {
  bind("transcripts", "Role", "nowhere", the_agent());
  auto const refused = access.refuse(agent, wants("list", "", "pods", "transcripts"));
  EXPECT_TRUE(refused->message.ends_with(": RBAC: role.rbac.authorization.k8s.io \"nowhere\" not found"))
      << refused->message;
}

TEST_F(Access, UsersAndGroupsAreSubjects) {
  role("transcripts", "r", json::array({rule({""}, {"pods"}, {"list"})}));
  bind("transcripts", "Role", "r", {{"kind", "Group"}, {"name", "team"}});
  EXPECT_TRUE(access.decide({"jo", "", {"team"}}, wants("list", "", "pods", "transcripts")).allowed);
  EXPECT_FALSE(access.decide({"team", "", {}}, wants("list", "", "pods", "transcripts")).allowed);
}

TEST_F(Access, TheAdministratorNeedsNoRole) {
  EXPECT_TRUE(access.decide(user_info::administrator(), wants("delete", "x", "y")).allowed);
  EXPECT_TRUE(access.decide(user_info::administrator(), page("/faults")).allowed);
}

TEST_F(Access, EverybodyMayAskForTheVersionAndAccountsForDiscovery) {
  add_default_roles(objects);
  EXPECT_TRUE(access.decide(user_info::anonymous(), page("/version")).allowed);
  EXPECT_FALSE(access.decide(user_info::anonymous(), page("/apis")).allowed);
  EXPECT_TRUE(access.decide(agent, page("/apis/batch")).allowed);
  EXPECT_TRUE(access.decide(agent, wants("create", "authorization.k8s.io", "selfsubjectaccessreviews")).allowed);
  EXPECT_FALSE(access.decide(agent, wants("list", "", "pods", "transcripts")).allowed);
}

TEST_F(Access, RolesAggregateThroughOthers) {
  add_default_roles(objects);
  auto const rules_of_admin = access.rules_of({{"kind", "ClusterRole"}, {"name", "admin"}}, "");
  ASSERT_TRUE(rules_of_admin);
  EXPECT_TRUE(not_covered({rule({""}, {"pods"}, {"get", "create"})}, *rules_of_admin).empty());
  put(cluster_roles,
      {{"metadata", {{"name", "more"}, {"labels", {{"rbac.authorization.k8s.io/aggregate-to-view", "true"}}}}},
       {"rules", json::array({rule({"example.dev"}, {"widgets"}, {"get"})})}});
  aggregate_cluster_roles(objects);
  auto const now = access.rules_of({{"kind", "ClusterRole"}, {"name", "admin"}}, "");
  EXPECT_TRUE(not_covered({rule({"example.dev"}, {"widgets"}, {"get"})}, *now).empty());
}

TEST_F(Access, WritingARoleGrantsNoMoreThanOnesOwn) {
  role("transcripts", "maker", json::array({rule({rbac_group}, {"roles"}, {"create"}), rule({""}, {"pods"}, {"get"})}));
  bind("transcripts", "Role", "maker", the_agent());
  auto const type = objects.find_type(rbac_group, "roles");
  json const own = {{"metadata", {{"name", "new"}, {"namespace", "transcripts"}}},
                    {"rules", json::array({rule({""}, {"pods"}, {"get"})})}};
  EXPECT_FALSE(access.refuse_escalation(agent, *type, own));
  json more = own;
  more["rules"] = json::array({rule({""}, {"secrets"}, {"get"})});
  auto const refused = access.refuse_escalation(agent, *type, more);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->message,
            "roles.rbac.authorization.k8s.io \"new\" is forbidden: user \"system:serviceaccount:transcripts:agent\" "
            "(groups=[\"system:serviceaccounts\" \"system:serviceaccounts:transcripts\" \"system:authenticated\"]) is "
            "attempting to grant RBAC permissions not currently held:\n"
            "{APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\"]}");
  EXPECT_FALSE(access.refuse_escalation(user_info::administrator(), *type, more));
}

class Tokens : public Access {
 protected:
  token_authority tokens{objects, {std::string(32, 'k'), "the-administrator"}};
};

TEST_F(Tokens, AnAccountsTokenIsTheAccounts) {
  auto const who = tokens.authenticate(tokens.issue(account, std::chrono::hours(1)));
  ASSERT_TRUE(who);
  EXPECT_EQ(who->name, "system:serviceaccount:transcripts:agent");
  EXPECT_TRUE(who->in_group("system:serviceaccounts:transcripts"));
  EXPECT_EQ(who->uid, account.uid());
}

TEST_F(Tokens, TheAdministratorsIsTheAdministrators) {
  EXPECT_TRUE(tokens.authenticate("the-administrator")->in_group(masters_group));
  EXPECT_FALSE(tokens.authenticate("the-administrato"));
  EXPECT_FALSE(tokens.authenticate(""));
}

TEST_F(Tokens, AnExpiredOneIsNone) {
  std::string const token = tokens.issue(account, std::chrono::minutes(10));
  clock.now += std::chrono::minutes(9);
  EXPECT_TRUE(tokens.authenticate(token));
  clock.now += std::chrono::minutes(2);
  EXPECT_FALSE(tokens.authenticate(token));
}

TEST_F(Tokens, OneOfAnAccountThatWasMadeAgainIsNone) {
  std::string const token = tokens.issue(account, std::chrono::hours(1));
  (void)objects.remove(service_accounts, "transcripts", "agent");
  EXPECT_FALSE(tokens.authenticate(token));
  (void)objects.create(service_accounts, {{"metadata", {{"name", "agent"}, {"namespace", "transcripts"}}}});
  EXPECT_FALSE(tokens.authenticate(token)) << "the same name, another account";
}

TEST_F(Tokens, WhatWasTamperedWithIsNone) {
  std::string const token = tokens.issue(account, std::chrono::hours(1));
  for (std::size_t i = 0; i < token.size(); i += 7) {
    std::string other = token;
    other[i] = other[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(tokens.authenticate(other)) << i;
  }
  for (char const* nonsense : {"nonsense", ".", "..", "a.b.c", "eyJhbGciOiJub25lIn0.e30."})
    EXPECT_FALSE(tokens.authenticate(nonsense)) << nonsense;
  token_authority const other(objects, {std::string(32, 'x'), "another-administrator"});
  EXPECT_FALSE(other.authenticate(token)) << "signed with another server's key";
}

}  // namespace
}  // namespace codeexec::local
