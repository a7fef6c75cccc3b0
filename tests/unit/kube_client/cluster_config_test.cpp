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

std::string v1_exec(std::string const& mode, std::string const& more) {
  return "exec: {apiVersion: client.authentication.k8s.io/v1, command: get-token, interactiveMode: " + mode +
         (more.empty() ? "" : ", " + more) + "}";
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

TEST(ClusterConfig, PodsTokenThatWouldBeMoreThanAHeaderIsRefusedAndNotQuoted) {
  fake_environment world;
  world.variables["KUBERNETES_SERVICE_HOST"] = "10.0.0.1";
  world.variables["KUBERNETES_SERVICE_PORT"] = "443";
  world.files["/sa/token"] = "s3cret\nX-Remote-User: root\n";
  EXPECT_EQ(failure(world), "the service account token /sa/token: invalid header field value for \"Authorization\"");
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
      {"users: [{name: u, user: {token: \"s3cret}}]", "/a: not YAML: line 1"},
      {"users: [{name: u, user: {token: *s3cret}}]", "/a: not YAML: line 1"},
      {"users: [{name: u, user: {token: !!int s3cret}}]",
       "/a: not YAML: line 1, column 33: a value that cannot be read"},
      {"- s3cret", "it is not a kubeconfig"},
      {"s3cret", "it is not a kubeconfig"},
      {"{}\n---\n{token: s3cret}", "it holds more than one document"},
      {"kind: Pod", "kind is Pod"},
      {"apiVersion: v2", "apiVersion is v2, not v1"},
      {"clusters: s3cret", "clusters is text, not a list"},
      {"clusters: [{name: k, cluster: {server: [s3cret]}}]", "clusters[0].cluster.server is a list, not text"},
      {"clusters: [{name: k, cluster: [s3cret]}]", "clusters[0].cluster is a list, not a map"},
      {"users: [{name: u, user: {token: 12345}}]", "users[0].user.token is a number, not text (put it in quotes)"},
      {"users: [{name: u}, s3cret]", "users[1] is text, not a map"},
      {"users: [{name: u, user: {token: s3cret, token: s3cret}}]", "column 41: the key \"token\" is there twice"},
      {"users: [{name: u, user: {token: s3cret}}, {name: u}]", "users: the name \"u\" is there twice"},
      {"contexts: [{name: c}, {name: c}]", "contexts: the name \"c\" is there twice"},
      {"clusters: [{name: k}, {name: k}]", "clusters: the name \"k\" is there twice"},
      {"{\"users\":\t[{\"name\": \"u\", \"user\": {\"token\": s3cret}}]]", "not YAML: line 1"},
      {one_context("server: 'https://a', certificate-authority-data: s3cret!", ""),
       "clusters[0].cluster.certificate-authority-data is not base64"},
      {one_context("server: 'https://a', insecure-skip-tls-verify: s3cret", ""), "is text, neither true nor false"},
      {"contexts: [s3cret]", "contexts[0] is text, not a map"},
      {"", "no current-context"},
      {"contexts: [{name: a}, {name: b}]", "no current-context is set and --context was not given (there: a, b)"},
      {one_context("server: 'https://a'", "username: s3cret, password: s3cret"), "basic authentication"},
      {one_context("server: 'https://a'", "password: s3cret, token: s3cret"), "basic authentication"},
      {one_context("server: 'https://a'", "auth-provider: {name: gcp}"), "auth-provider was removed"},
      {one_context("server: 'https://a'", "as: root"), "impersonation"},
      {one_context("server: 'https://a', proxy-url: 'socks5://u:s3cret@p:1080'", ""),
       "proxy-url: unsupported scheme \"socks5\", must be http or https"},
      {one_context("server: 'https://a', proxy-url: 's3cret:3128'", ""), "proxy-url: a proxy address begins with http"},
      {one_context("server: 'https://a', proxy-url: 'http://u:s3cret@p:0'", ""), "proxy-url: the port"},
      {one_context("server: 'https://a', proxy-url: 'http://u:s3cret%2@p'", ""), "proxy-url: user or password"},
      {one_context("server: 'https://a', insecure-skip-tls-verify: true, certificate-authority: x", ""), "exclude"},
      {one_context("server: 'https://a'", "client-key: x"), "go together"},
      {one_context("", ""), "has no server"},
      {one_context("server: 's3cret'", ""), "begins with https:// or http://"},
      {one_context("server: 'http://a'", "token: s3cret"), "not sent in clear text"},
      {one_context("server: 'https://a'", R"(token: "s3cret\r\nX-Remote-User: root")"),
       "user \"u\" of /a: token: invalid header field value for \"Authorization\""},
      {one_context("server: 'http://a'", "exec: {command: c, apiVersion: client.authentication.k8s.io/v1beta1}"),
       "not sent in clear text"},
      {one_context("server: 'https://a'", "exec: {}"), "user \"u\" of /a: exec: command must be specified"},
      {one_context("server: 'https://a'", "exec: {command: c}"), "exec: apiVersion must be specified"},
      {one_context("server: 'https://a'", "exec: {command: c, apiVersion: client.authentication.k8s.io/v1alpha1}"),
       "exec: invalid apiVersion \"client.authentication.k8s.io/v1alpha1\""},
      {one_context("server: 'https://a'", "exec: {command: c, apiVersion: client.authentication.k8s.io/v1}"),
       "exec: interactiveMode must be specified"},
      {one_context("server: 'https://a'", v1_exec("Sometimes", "")), "exec: invalid interactiveMode \"Sometimes\""},
      {one_context("server: 'https://a'", v1_exec("Always", "")), "standard input is not a terminal"},
      {one_context("server: 'https://a'", v1_exec("Never", "args: [1]")),
       "users[0].user.exec.args[0] is a number, not text"},
      {one_context("server: 'https://a'", v1_exec("Never", "args: s3cret")),
       "users[0].user.exec.args is text, not a list"},
      {one_context("server: 'https://a'", v1_exec("Never", "env: [{value: s3cret}]")),
       "users[0].user.exec.env[0].name is not the name of a variable"},
      {one_context("server: 'https://a'", v1_exec("Never", "provideClusterInfo: 1")),
       "users[0].user.exec.provideClusterInfo is a number, neither true nor false"},
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

TEST(ClusterConfig, SmallTextThatStandsForAGigabyteIsRefused) {
  fake_environment world;
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    auto const before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int k = 1; k < 10; ++k)
      bomb += ", " + before;
    bomb += "]\n";
  }
  config_flags flags;
  flags.kubeconfig = "/a";
  world.files["/a"] = bomb;
  EXPECT_THAT(failure(world, flags), HasSubstr("/a: not YAML: line "));
  world.files["/a"] = "x: &x [*x]";
  EXPECT_THAT(failure(world, flags), HasSubstr("/a: not YAML"));
  world.files["/a"] = std::string(10'000, '[');
  EXPECT_THAT(failure(world, flags), HasSubstr("/a: not YAML"));
  world.files["/a"] = "x: " + std::string(5 * 1024 * 1024, 'y');
  EXPECT_THAT(failure(world, flags), HasSubstr("/a: it is longer than 4 MiB"));
}

TEST(ClusterConfig, AnchorsMergesAndJsonAreReadAsKubectlReadsThem) {
  fake_environment world;
  world.variables["KUBECONFIG"] = "/a";
  world.files["/a"] =
      "defaults: &d {server: 'https://a', tls-server-name: k}\ncurrent-context: c\n"
      "clusters: [{name: k, cluster: {<<: *d, server: 'https://b'}}]\ncontexts: [{name: c, context: {cluster: k}}]\n";
  EXPECT_EQ(load(world).server, "https://b");
  EXPECT_EQ(load(world).tls_server_name, "k");
  world.files["/a"] =
      "{\n\t\"current-context\": \"c\",\n\t\"clusters\":\t[{\"name\": \"k\", \"cluster\": {\"server\": "
      "\"https://j\"}}],\n"
      "\t\"contexts\": [{\"name\": \"c\", \"context\": {\"cluster\": \"k\", \"user\": null}}]\n}";
  EXPECT_EQ(load(world).server, "https://j");
}

TEST(ClusterConfig, FileThatSaysNothingIsPassedOverOnTheWayToThePod) {
  fake_environment world;
  world.variables["KUBECONFIG"] = "/dev/null";
  world.files["/dev/null"] = "";
  EXPECT_THAT(failure(world), HasSubstr("tried: /dev/null: is empty; not in a pod"));
  world.variables["KUBERNETES_SERVICE_HOST"] = "10.0.0.1";
  world.variables["KUBERNETES_SERVICE_PORT"] = "443";
  world.files["/sa/token"] = "t";
  EXPECT_EQ(load(world).server, "https://10.0.0.1:443");
}

TEST(ClusterConfig, FileThatCannotBeReadEndsTheSearchAndEveryBrokenOneIsNamed) {
  fake_environment world;
  world.variables["KUBECONFIG"] = "/gone:/secret:/broken:/good";
  world.unreadable["/secret"] = "Permission denied";
  world.files["/broken"] = "kind: Pod";
  world.files["/good"] = two_contexts;
  EXPECT_EQ(failure(world), "KUBECONFIG: /secret: Permission denied; /broken: kind is Pod, not Config");
}

TEST(ClusterConfig, MergedListNeverMixesTwoEntriesOfOneName) {
  fake_environment world;
  world.variables["KUBECONFIG"] = "/one:/one:/two";
  world.files["/one"] = "current-context: c\nusers: [{name: u, user: {token: first}}]";
  world.files["/two"] =
      one_context("server: 'https://a'", "tokenFile: second, client-certificate: crt, client-key: key") +
      "kind: Config\n";
  auto const config = load(world);
  EXPECT_EQ(std::get<token_identity>(config.who).token, "first");
  EXPECT_TRUE(config.client_certificate.empty());
}

TEST(ClusterConfig, PodsNamespaceCanBeSaidByTheEnvironment) {
  fake_environment world;
  world.variables["KUBERNETES_SERVICE_HOST"] = "10.0.0.1";
  world.variables["KUBERNETES_SERVICE_PORT"] = "443";
  world.variables["POD_NAMESPACE"] = "said";
  world.files["/sa/token"] = "t";
  world.files["/sa/namespace"] = "mounted";
  EXPECT_EQ(load(world).namespace_, "said");
}

TEST(ClusterConfig, TokenIsUsedBeforeAPlugin) {
  fake_environment world;
  world.variables["KUBECONFIG"] = "/a";
  world.files["/a"] = one_context("server: 'https://a'", v1_exec("Never", "") + ", token: t");
  EXPECT_TRUE(std::holds_alternative<token_identity>(load(world).who));
}

TEST(ClusterConfig, PluginIsTakenWhole) {
  fake_environment world;
  world.files["/etc/kube/config"] = one_context(
      "server: 'https://a', extensions: [{name: other, extension: 1}, "
      "{name: client.authentication.k8s.io/exec, extension: {audience: me}}]",
      v1_exec("IfAvailable",
              "args: [--region, 'eu'], env: [{name: PROFILE, value: dev}, {name: EMPTY}], "
              "installHint: 'apt install it', provideClusterInfo: true"));
  config_flags flags;
  flags.kubeconfig = "/etc/kube/config";
  auto const plugin = std::get<exec_identity>(load(world, flags).who);
  EXPECT_EQ(plugin.api_version, "client.authentication.k8s.io/v1");
  EXPECT_EQ(plugin.command, "get-token");
  EXPECT_THAT(plugin.args, testing::ElementsAre("--region", "eu"));
  EXPECT_THAT(plugin.env, testing::ElementsAre(testing::Pair("PROFILE", "dev"), testing::Pair("EMPTY", "")));
  EXPECT_EQ(plugin.install_hint, "apt install it");
  EXPECT_TRUE(plugin.provide_cluster_info);
  EXPECT_EQ(plugin.cluster_extension, R"({"audience":"me"})");
}

TEST(ClusterConfig, PluginNamedByAPathStandsBesideItsKubeconfig) {
  fake_environment world;
  auto const command = [&](std::string const& file, std::string const& written) {
    world.files[file] = one_context(
        "server: 'https://a'", "exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: " + written + "}");
    config_flags flags;
    flags.kubeconfig = file;
    return std::get<exec_identity>(load(world, flags).who).command;
  };
  EXPECT_EQ(command("/etc/kube/config", "get-token"), "get-token");
  EXPECT_EQ(command("/etc/kube/config", "./get-token"), "/etc/kube/get-token");
  EXPECT_EQ(command("/etc/kube/config", "../bin/get-token"), "/etc/bin/get-token");
  EXPECT_EQ(command("/etc/kube/config", "/usr/bin/get-token"), "/usr/bin/get-token");
  EXPECT_EQ(command("config", "./get-token"), "./get-token");  // still a path: never looked for in PATH
}

TEST(ClusterConfig, PluginAsksAPersonOnlyWhereItsModeAndTheTerminalAllowIt) {
  fake_environment world;
  world.variables["KUBECONFIG"] = "/a";
  auto const person = [&](std::string const& mode, attendance at) {
    world.files["/a"] = one_context("server: 'https://a'", v1_exec(mode, ""));
    config_flags flags;
    flags.person = at;
    return std::get<exec_identity>(load(world, flags).who).person;
  };
  EXPECT_EQ(person("Never", attendance::answering), attendance::watching);
  EXPECT_EQ(person("Never", attendance::nobody), attendance::nobody);
  EXPECT_EQ(person("IfAvailable", attendance::nobody), attendance::nobody);
  EXPECT_EQ(person("IfAvailable", attendance::watching), attendance::watching);
  EXPECT_EQ(person("IfAvailable", attendance::answering), attendance::answering);
  EXPECT_EQ(person("Always", attendance::answering), attendance::answering);
  config_flags flags;
  flags.person = attendance::watching;
  world.files["/a"] = one_context("server: 'https://a'", v1_exec("Always", ""));
  EXPECT_THAT(failure(world, flags), HasSubstr("standard input is not a terminal"));
}

struct proxy_test : testing::Test {
  fake_environment world;

  /// The proxy's URL, "none", or the error.
  std::string chosen(std::string const& server, std::string const& proxy_url = "") {
    world.variables["KUBECONFIG"] = "/a";
    world.files["/a"] =
        one_context("server: '" + server + "'" + (proxy_url.empty() ? "" : ", proxy-url: '" + proxy_url + "'"), "");
    auto const config = load_config({}, world.get());
    if (!config) return config.error().message();
    return config->proxy ? config->proxy->url : "none";
  }
};

TEST_F(proxy_test, NoneIsAskedForByDefault) {
  EXPECT_EQ(chosen("https://a"), "none");
}

TEST_F(proxy_test, KubeconfigsOwnIsTakenWholeAndNoProxyDoesNotTouchIt) {
  world.variables["NO_PROXY"] = "*";
  world.variables["HTTPS_PROXY"] = "http://other";
  world.variables["KUBECONFIG"] = "/a";
  world.files["/a"] = one_context("server: 'https://a', proxy-url: 'https://me:p%40ss@[fd00::1]:3129/'", "");
  auto const config = load(world);
  ASSERT_TRUE(config.proxy);
  EXPECT_TRUE(config.proxy->tls);
  EXPECT_EQ(config.proxy->host, "fd00::1");
  EXPECT_EQ(config.proxy->port, 3129);
  EXPECT_EQ(config.proxy->user, "me");
  EXPECT_EQ(config.proxy->password, "p@ss");
  EXPECT_EQ(config.proxy->url, "https://[fd00::1]:3129");
  EXPECT_EQ(config.origin, "context \"c\" of /a, through the proxy https://[fd00::1]:3129");
}

TEST_F(proxy_test, EnvironmentsIsChosenByTheServersScheme) {
  world.variables["HTTPS_PROXY"] = "http://secure:3128";
  world.variables["http_proxy"] = "plain";
  EXPECT_EQ(chosen("https://a"), "http://secure:3128");
  EXPECT_EQ(chosen("http://a"), "http://plain");
}

TEST_F(proxy_test, CapitalsComeFirst) {
  world.variables["https_proxy"] = "http://small";
  EXPECT_EQ(chosen("https://a"), "http://small");
  world.variables["HTTPS_PROXY"] = "http://capital";
  EXPECT_EQ(chosen("https://a"), "http://capital");
}

TEST_F(proxy_test, ServerGivenByFlagGoesThroughItToo) {
  world.variables["HTTPS_PROXY"] = "http://p:1";
  config_flags flags;
  flags.server = "https://far.example";
  EXPECT_EQ(load(world, flags).proxy->url, "http://p:1");
}

TEST_F(proxy_test, UnusableOneIsAnErrorThatNamesTheVariableAndNeverABypass) {
  world.variables["HTTPS_PROXY"] = "socks5://u:s3cret@p:1080";
  EXPECT_EQ(chosen("https://a"),
            "the proxy for https://a: HTTPS_PROXY: unsupported scheme \"socks5\", must be http or https");
  world.variables["HTTPS_PROXY"] = "http://u:s3cret@p:99999";
  EXPECT_EQ(chosen("https://a"), "the proxy for https://a: HTTPS_PROXY: the port is not a number from 1 to 65535");
}

TEST_F(proxy_test, LoopbackNeverMeetsAProxy) {
  world.variables["HTTPS_PROXY"] = "http://p";
  for (char const* const server : {"https://localhost:6443", "https://127.0.0.1", "https://127.9.9.9",
                                   "https://[::1]:1", "https://LOCALHOST", "https://[::ffff:127.0.0.1]"}) {
    EXPECT_EQ(chosen(server), "none") << server;
  }
}

TEST_F(proxy_test, NoProxyExemptsByNameAddressNetworkAndPort) {
  world.variables["HTTPS_PROXY"] = "http://p";
  struct row {
    char const* no_proxy;
    char const* server;
    bool exempt;
  };
  for (auto const& [no_proxy, server, exempt] : {
           row{"*", "https://a", true},
           row{" , ,b.example , a.example", "https://a.example", true},
           row{"example.com", "https://example.com", true},
           row{"example.com", "https://api.EXAMPLE.com.", true},
           row{"EXAMPLE.com", "https://api.example.com", true},
           row{"example.com", "https://badexample.com", false},
           row{".example.com", "https://api.example.com", true},
           row{".example.com", "https://example.com", false},
           row{"*.example.com", "https://api.example.com", true},
           row{"*.example.com", "https://example.com", false},
           row{"example.com:6443", "https://example.com:6443", true},
           row{"example.com:6443", "https://example.com", false},
           row{"example.com:443", "https://example.com", true},
           row{"10.0.0.0/8", "https://10.96.0.1", true},
           row{"10.0.0.0/8", "https://11.96.0.1", false},
           row{"10.0.0.0/8", "https://ten.example", false},
           row{"10.1.2.3/8", "https://10.96.0.1", true},
           row{"10.0.0.0/33", "https://10.96.0.1", false},
           row{"0.0.0.0/0", "https://192.0.2.1", true},
           row{"0.0.0.0/0", "https://[fd00::1]", false},
           row{"10.0.0.1", "https://10.0.0.1:6443", true},
           row{"10.0.0.1:6443", "https://10.0.0.1:6443", true},
           row{"10.0.0.1:6443", "https://10.0.0.1", false},
           row{"10.0.0.1", "https://10.0.0.10", false},
           row{"10.0.0.1", "https://[::ffff:10.0.0.1]", true},
           row{"fd00::/8", "https://[fd12::1]:6443", true},
           row{"fd00::/8", "https://[fe80::1]:6443", false},
           row{"fd00::1", "https://[FD00:0::1]:6443", true},
           row{"[fd00::1]", "https://[fd00::1]", true},
           row{"[fd00::1]:6443", "https://[fd00::1]:6443", true},
           row{"[fd00::1]:6443", "https://[fd00::1]", false},
           row{"[fd00::1", "https://[fd00::1]", false},
           row{":443", "https://a", false},
           row{"", "https://a", false},
       }) {
    world.variables["NO_PROXY"] = no_proxy;
    EXPECT_EQ(chosen(server), exempt ? "none" : "http://p") << no_proxy << " " << server;
  }
}

TEST_F(proxy_test, PodsOwnServiceAccountGoesStraightToItsServer) {
  world.variables["HTTPS_PROXY"] = "http://p";
  world.variables["KUBERNETES_SERVICE_HOST"] = "10.0.0.1";
  world.variables["KUBERNETES_SERVICE_PORT"] = "443";
  world.files["/sa/token"] = "t";
  EXPECT_FALSE(load(world).proxy);
}

// The one test here that looks at real files: what the fake stands in for.
TEST(ProcessEnvironment, TellsAMissingFileFromOneThatCannotBeRead) {
  auto const real = process_environment();
  auto const missing = real.read_file("/nonexistent/config");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message, "/nonexistent/config: No such file or directory");
  EXPECT_TRUE(real.is_missing("/nonexistent/config"));
  auto const folder = real.read_file("/proc");
  ASSERT_FALSE(folder);
  EXPECT_FALSE(real.is_missing("/proc"));
  EXPECT_EQ(*real.read_file("/dev/null"), "");
  auto const endless = real.read_file("/dev/zero");
  ASSERT_FALSE(endless);
  EXPECT_EQ(endless.error().message, "/dev/zero: is larger than 4 MiB");
}

}  // namespace
