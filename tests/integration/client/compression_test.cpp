// Compressed answers: asked for where they help, and never larger than they may be.
#include "codeexec/testing/gzip.hpp"

#include "client_fixture.hpp"

namespace {
using namespace codeexec::testing;
using codeexec::kube::error_kind;
using ::testing::HasSubstr;

reply compressed(std::string const& plain, std::string const& encoding = "gzip") {
  return reply::answer(200, gzip(plain)).header("Content-Encoding", encoding);
}

class Compression : public client_fixture {
 protected:
  void SetUp() override {
    serve();
    codeexec::kube::rest_client_options options;
    options.max_body = 1'000'000;
    connect(config(), options);
  }
};

TEST_F(Compression, ListArrivesAsItWas) {
  std::string list = R"({"kind":"PodList","items":[)";
  while (list.size() < 900'000)
    list += R"({"metadata":{"name":")" + std::to_string(list.size()) + R"("}},)";
  list += "{}]}";
  server->on("GET", "/whole", compressed(list));
  server->on("GET", "/pieces", compressed(list, "x-gzip").in_pieces_of(1001));
  EXPECT_EQ(*send(get("/whole")), list);
  EXPECT_EQ(*send(get("/pieces")), list);
  EXPECT_EQ(server->connections(), 1);
  EXPECT_EQ(server->requests().at(0).headers.at("accept-encoding"), "gzip");
}

TEST_F(Compression, WritesAndStreamsDoNotAskForIt) {
  server->on("POST", "/", reply::answer(200, "ok"));
  server->on("GET", "/watch", reply::stream({"one\n"}));
  EXPECT_TRUE(send(post("/", "{}")));
  EXPECT_TRUE(open(get("/watch")));
  for (auto const& one : server->requests())
    EXPECT_EQ(one.headers.count("accept-encoding"), 0U);
}

TEST_F(Compression, CanBeTurnedOff) {
  codeexec::kube::rest_client_options options;
  options.compression = false;
  connect(config(), options);
  server->on("GET", "/", reply::answer(200, "ok"));
  EXPECT_TRUE(send(get("/")));
  EXPECT_EQ(server->requests().at(0).headers.count("accept-encoding"), 0U);
}

TEST_F(Compression, BombIsRefusedAtTheLimitAndItsConnectionDropped) {
  server->on("GET", "/bomb", compressed(std::string(50'000'000, '0')));
  server->on("GET", "/fits", compressed(std::string(1'000'000, '0')));
  auto const answer = send(get("/bomb"));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind(), error_kind::protocol);
  EXPECT_THAT(answer.error().message(), HasSubstr("1000000"));
  EXPECT_EQ(send(get("/fits"))->size(), 1'000'000U);
  EXPECT_EQ(server->connections(), 2);
}

TEST_F(Compression, DamagedOrCutAnswerIsAnErrorAndNeverAShorterOne) {
  auto packed = gzip(std::string(5000, 'x'));
  server->on("GET", "/cut", reply::answer(200, packed.substr(0, packed.size() - 9)).header("Content-Encoding", "gzip"));
  packed[packed.size() - 7] = static_cast<char>(packed[packed.size() - 7] ^ 1);
  server->on("GET", "/damaged", reply::answer(200, packed).header("Content-Encoding", "gzip"));
  server->on("GET", "/plain", reply::answer(200, "{}").header("Content-Encoding", "gzip"));
  server->on("GET", "/empty", reply::answer(200, "").header("Content-Encoding", "gzip"));
  for (std::string const target : {"/cut", "/damaged", "/plain", "/empty"}) {
    auto const answer = send(get(target));
    ASSERT_FALSE(answer) << target;
    EXPECT_EQ(answer.error().kind(), error_kind::protocol) << answer.error().describe();
  }
}

TEST_F(Compression, EncodingThatNobodyAskedForIsAnError) {
  server->on("GET", "/", reply::answer(200, "zzz").header("Content-Encoding", "zstd"));
  auto const answer = send(get("/"));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind(), error_kind::protocol);
  server->on("GET", "/watch", compressed("{}"));
  auto const stream = open(get("/watch"));
  ASSERT_TRUE(stream);
  auto const bytes = read(**stream);
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().kind(), error_kind::protocol);
}

TEST_F(Compression, RefusalIsReadToo) {
  server->on("GET", "/",
             reply::answer(404, gzip(status_body(404, "NotFound", "pods \"x\" not found")))
                 .header("Content-Encoding", "gzip"));
  auto const answer = send(get("/"));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().message(), "pods \"x\" not found");
}

}  // namespace
