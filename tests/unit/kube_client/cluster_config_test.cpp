#include "codeexec/kube_client/cluster_config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_environment.hpp"

namespace {
using namespace codeexec::kube;
using codeexec::testing::fake_environment;
using testing::HasSubstr;
using testing::Not;

constexpr auto two_contexts = R"(
apiVersion: v1
kind: Config
current-context: dev
clusters:
- name: dev-cluster
  cluster: {server: "https://dev.example:6443", certificate-authority: pki/ca.crt, tls-server-name: kubernetes}
- name: prod-cluster
  cluster: {server: "https://[fd00::1]:6443", certificate-authority-data: Q0E=}
users:
- name: dev-user
  user: {client-certificate: me.crt, client-key: /keys/me.key}
- name: prod-user
  user: {tokenFile: tokens/prod, token: inline}
contexts:
- name: dev
  context: {cluster: dev-cluster, user: dev-user, namespace: agents}
- name: prod
  context: {cluster: prod-cluster, user: prod-user}
)";

std::string one_context(std::string const& cluster_fields, std::string const& user_fields) {
  return "current-context: c\nclusters: [{name: k, cluster: {" + cluster_fields + "}}]\nusers: [{name: u, user: {" +
         user_fields + "}}]\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n";
}

cluster_config load(fake_environment& world, config_flags const& flags = {}) {
  auto const config = load_config(flags, world.get());
  EXPECT_TRUE(config) << config.error().describe();
  return config ? *config : cluster_config{};
}

std::string failure(fake_environment& world, config_flags const& flags = {}) {
  auto const config = load_config(flags, world.get());
  EXPECT_FALSE(config);
  if (config) return "";
  EXPECT_EQ(config.error().kind(), error_kind::config);
  return config.error().message();
}

TEST(ClusterConfig, CurrentContextOfTheHomeFileIsTaken) {
  fake_environment world;
  world.variables["HOME"] = "/home/me";
  world.files["/home/me/.kube/config"] = two_contexts;
  auto const config = load(world);
  EXPECT_EQ(config.server, "https://dev.example:6443");
  EXPECT_EQ(config.namespace_, "agents");
  EXPECT_EQ(config.tls_server_name, "kubernetes");
  EXPECT_EQ(config.origin, "context \"dev\" of /home/me/.kube/config");
  EXPECT_TRUE(std::holds_alternative<no_identity>(config.who));
}

TEST(ClusterConfig, RelativePathsAreAgainstTheirOwnFile) {
  fake_environment world;
  world.files["/etc/kube/config"] = two_contexts;
  config_flags flags;
  flags.kubeconfig = "/etc/kube/config";
  auto const config = load(world, flags);
  EXPECT_EQ(config.certificate_authority.file, "/etc/kube/pki/ca.crt");
  EXPECT_EQ(config.client_certificate.file, "/etc/kube/me.crt");
  EXPECT_EQ(config.client_key.file, "/keys/me.key");
  flags.kubeconfig = "conf/config";
  world.files["conf/config"] = two_contexts;
  EXPECT_EQ(load(world, flags).certificate_authority.file, "conf/pki/ca.crt");
}

TEST(ClusterConfig, ContextFlagChoosesAndInlineDataAndTokenWin) {
  fake_environment world;
  world.variables["KUBECONFIG"] = "/a";
  world.files["/a"] = two_contexts;
  config_flags flags;
  flags.context = "prod";
  auto const config = load(world, flags);
  EXPECT_EQ(config.server, "https://[fd00::1]:6443");
  EXPECT_EQ(config.certificate_authority.data, "CA");
  EXPECT_EQ(config.namespace_, "default");
  ASSERT_TRUE(std::holds_alternative<token_identity>(config.who));
  EXPECT_EQ(std::get<token_identity>(config.who).token, "inline");
}

TEST(ClusterConfig, TokenFileIsReadFromBesideItsKubeconfig) {
  fake_environment world;
  world.variables["KUBECONFIG"] = "/etc/k";
  world.files["/etc/k"] = one_context("server: 'https://a'", "tokenFile: t");
  EXPECT_EQ(std::get<token_file_identity>(load(world).who).path, "/etc/t");
}

TEST(ClusterConfig, ListIsMergedTheFirstFileWinsAndMissingOnesAreSkipped) {
  fake_environment world;
  world.variables["KUBECONFIG"] = "/missing::/one:/two";
  world.files["/one"] =
      "clusters: [{name: k, cluster: {server: 'https://first'}}]\ncontexts: [{name: x, context: {cluster: k}}]";
  world.files["/two"] =
      "current-context: x\nclusters: [{name: k, cluster: {server: 'https://second'}}]\n"
      "contexts: [{name: x, context: {cluster: other}}]";
  auto const config = load(world);
  EXPECT_EQ(config.server, "https://first");
  EXPECT_EQ(config.origin, "context \"x\" of /one");
}

TEST(ClusterConfig, ServerFlagAloneNeedsNothingElse) {
  fake_environment world;
  world.variables["HOME"] = "/home/me";
  world.files["/home/me/.kube/config"] = "{ broken";
  config_flags flags;
  flags.server = "http://127.0.0.1:8080";
  auto const config = load(world, flags);
  EXPECT_EQ(config.server, "http://127.0.0.1:8080");
  EXPECT_EQ(world.reads, 0);
}

TEST(ClusterConfig, ServerFlagOverridesTheKubeconfigsServer) {
  fake_environment world;
  world.files["/a"] = two_contexts;
  config_flags flags;
  flags.kubeconfig = "/a";
  flags.server = "https://127.0.0.1:1";
  auto const config = load(world, flags);
  EXPECT_EQ(config.server, "https://127.0.0.1:1");
  EXPECT_EQ(config.client_certificate.file, "/me.crt");
}

TEST(ClusterConfig, PodUsesItsServiceAccountAndIpv6IsBracketed) {
  fake_environment world;
  world.variables["KUBERNETES_SERVICE_HOST"] = "fd00:10::1";
  world.variables["KUBERNETES_SERVICE_PORT"] = "443";
  world.files["/sa/token"] = "t";
  world.files["/sa/namespace"] = "agents\n";
  auto const config = load(world);
  EXPECT_EQ(config.server, "https://[fd00:10::1]:443");
  EXPECT_EQ(config.namespace_, "agents");
  EXPECT_EQ(config.certificate_authority.file, "/sa/ca.crt");
  EXPECT_EQ(std::get<token_file_identity>(config.who).path, "/sa/token");
}

TEST(ClusterConfig, KubeconfigComesBeforeThePod) {
  fake_environment world;
  world.variables["KUBERNETES_SERVICE_HOST"] = "10.0.0.1";
  world.variables["KUBERNETES_SERVICE_PORT"] = "443";
  world.files["/sa/token"] = "t";
  world.variables["KUBECONFIG"] = "/a";
  world.files["/a"] = two_contexts;
  EXPECT_EQ(load(world).server, "https://dev.example:6443");
}

TEST(ClusterConfig, NothingFoundNamesEverySourceThatWasTried) {
  fake_environment world;
  world.variables["HOME"] = "/home/me";
  auto const message = failure(world);
  EXPECT_THAT(message, HasSubstr("KUBECONFIG is not set"));
  EXPECT_THAT(message, HasSubstr("/home/me/.kube/config: No such file"));
  EXPECT_THAT(message, HasSubstr("not in a pod"));
  EXPECT_THAT(message, HasSubstr("--kubeconfig"));
}

TEST(ClusterConfig, PodWithoutATokenSaysSo) {
  fake_environment world;
  world.variables["KUBERNETES_SERVICE_HOST"] = "10.0.0.1";
  world.variables["KUBERNETES_SERVICE_PORT"] = "443";
  EXPECT_THAT(failure(world), HasSubstr("/sa/token"));
}

TEST(ClusterConfig, FileNamedByFlagMustExist) {
  fake_environment world;
  config_flags flags;
  flags.kubeconfig = "/nowhere";
  EXPECT_EQ(failure(world, flags), "--kubeconfig: /nowhere: No such file or directory");
}

TEST(ClusterConfig, WrongContextListsThoseThatAreThere) {
  fake_environment world;
  world.files["/a"] = two_contexts;
  config_flags flags;
  flags.kubeconfig = "/a";
  flags.context = "staging";
  EXPECT_EQ(failure(world, flags), "context \"staging\" does not exist in /a (there: dev, prod)");
}

TEST(ClusterConfig, BrokenFileIsNamedWithThePlaceAndNeverItsContent) {
  fake_environment world;
  config_flags flags;
  flags.kubeconfig = "/a";
  std::pair<std::string, std::string> const cases[] = {
      {"users: [{name: u, user: {token: \"s3cret}}]", "/a: not YAML at line 1"},
      {"- s3cret", "it is not a kubeconfig"},
      {"kind: Pod", "kind is Pod"},
      {"clusters: s3cret", "clusters is not a list"},
      {"clusters: [{name: k, cluster: {server: [s3cret]}}]", "clusters[0].cluster.server is not text"},
      {one_context("server: 'https://a', certificate-authority-data: s3cret!", ""),
       "clusters[0].cluster.certificate-authority-data is not base64"},
      {one_context("server: 'https://a', insecure-skip-tls-verify: maybe", ""), "neither true nor false"},
      {"contexts: [s3cret]", "no current-context"},
      {"", "no current-context"},
      {one_context("server: 'https://a'", "username: s3cret, password: s3cret"), "basic authentication"},
      {one_context("server: 'https://a'", "auth-provider: {name: gcp}"), "auth-provider"},
      {one_context("server: 'https://a'", "exec: {command: get-token}"), "exec plugins are not supported yet"},
      {one_context("server: 'https://a'", "as: root"), "impersonation"},
      {one_context("server: 'https://a', proxy-url: 'http://p'", ""), "proxy-url is not supported yet"},
      {one_context("server: 'https://a', insecure-skip-tls-verify: true, certificate-authority: x", ""), "exclude"},
      {one_context("server: 'https://a'", "client-key: x"), "go together"},
      {one_context("", ""), "has no server"},
      {one_context("server: 's3cret'", ""), "begins with https:// or http://"},
      {one_context("server: 'http://a'", "token: s3cret"), "not sent in clear text"},
      {"current-context: c\ncontexts: [{name: c, context: {cluster: gone}}]", "\"gone\", which does not exist"},
      {"current-context: c\nclusters: [{name: k, cluster: {server: 'https://a'}}]\n"
       "contexts: [{name: c, context: {cluster: k, user: gone}}]",
       "the user \"gone\", which does not exist"},
  };
  for (auto const& [text, expected] : cases) {
    world.files["/a"] = text;
    auto const message = failure(world, flags);
    EXPECT_THAT(message, HasSubstr(expected)) << text;
    EXPECT_THAT(message, HasSubstr("/a")) << text;
    EXPECT_THAT(message, Not(HasSubstr("s3cret")));
  }
}

TEST(ClusterConfig, InsecureIsTakenAsSaid) {
  fake_environment world;
  world.variables["KUBECONFIG"] = "/a";
  world.files["/a"] = one_context("server: 'https://a', insecure-skip-tls-verify: true", "");
  EXPECT_TRUE(load(world).insecure_skip_tls_verify);
}

}  // namespace
