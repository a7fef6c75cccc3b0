// Failed requests in words. The bodies are those of a real API server 1.36.
#include "codeexec/cli/explain.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace codeexec::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

attempt creating() {
  return {"create", "x", "agents", "https://10.0.0.1:6443", "prod", "kubectl codeexec"};
}

explanation said(int status, std::string_view body, attempt what = creating()) {
  return explain(kube::error::from_status(status, body), what);
}

TEST(Explain, AServerThatCannotBeReachedIsNamedWithTheWayOut) {
  auto const told = explain(kube::error(kube::error_kind::connect, "Connection refused"), creating());
  EXPECT_THAT(told.text, HasSubstr("cannot reach the API server at https://10.0.0.1:6443"));
  EXPECT_THAT(told.text, HasSubstr("Connection refused"));
  EXPECT_THAT(told.text, HasSubstr("--context"));
  EXPECT_EQ(told.exit_code, 126);
}

TEST(Explain, ADistrustedServerIsNotTakenForAnAbsentOne) {
  auto const told = explain(kube::error(kube::error_kind::tls, "certificate verify failed"), creating());
  EXPECT_THAT(told.text, HasSubstr("certificate-authority"));
  EXPECT_EQ(told.exit_code, 126);
}

TEST(Explain, RejectedCredentials) {
  auto const told = said(
      401,
      R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401})");
  EXPECT_THAT(told.text, HasSubstr("credentials"));
  EXPECT_THAT(told.text, HasSubstr("Log in again"));
  EXPECT_EQ(told.exit_code, 125);
}

TEST(Explain, APluginThatFailsIsNotAServerThatIsDown) {
  attempt what;
  what.server = "https://a";
  kube::error const e(kube::error_kind::connect,
                      "getting credentials: exec: executable aws not found\napt install awscli");
  auto const told = explain(e, what);
  EXPECT_EQ(
      told.text,
      "cannot get credentials for the API server at https://a: exec: executable aws not found apt install awscli");
  EXPECT_EQ(told.exit_code, 126);
}

TEST(Explain, AMissingRightIsQuotedFromTheServer) {
  auto const told = said(
      403,
      R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"codeexecutions.codeexec.dev is forbidden: User \"a\" cannot create resource \"codeexecutions\" in API group \"codeexec.dev\" in the namespace \"agents\"","reason":"Forbidden","details":{"group":"codeexec.dev","kind":"codeexecutions"},"code":403})");
  EXPECT_THAT(told.text, HasSubstr("you may not create CodeExecution \"x\" in namespace \"agents\""));
  EXPECT_THAT(told.text, HasSubstr("User \"a\" cannot create"));
  EXPECT_EQ(told.exit_code, 125);
}

TEST(Explain, AClusterWithoutTheOperator) {
  for (
      auto const* body :
      {"404 page not found\n",
       R"({"kind":"Status","message":"the server could not find the requested resource","reason":"NotFound","details":{},"code":404})"}) {
    auto const told = said(404, body);
    EXPECT_THAT(told.text, HasSubstr("the operator is not installed"));
    EXPECT_EQ(told.exit_code, 125);
  }
}

TEST(Explain, AMissingNamespaceIsNotAMissingOperator) {
  auto const told = said(
      404,
      R"({"kind":"Status","status":"Failure","message":"namespaces \"agents\" not found","reason":"NotFound","details":{"name":"agents","kind":"namespaces"},"code":404})");
  EXPECT_THAT(told.text, HasSubstr("there is no namespace \"agents\""));
  EXPECT_THAT(told.text, Not(HasSubstr("operator")));
}

TEST(Explain, AMissingObjectIsNamed) {
  auto what = creating();
  what.verb = "get";
  auto const told = said(
      404,
      R"({"kind":"Status","status":"Failure","message":"codeexecutions.codeexec.dev \"x\" not found","reason":"NotFound","details":{"name":"x","group":"codeexec.dev","kind":"codeexecutions"},"code":404})",
      what);
  EXPECT_THAT(told.text, HasSubstr("there is no CodeExecution \"x\" in namespace \"agents\""));
}

TEST(Explain, ATakenName) {
  auto const told = said(
      409,
      R"({"kind":"Status","status":"Failure","message":"codeexecutions.codeexec.dev \"x\" already exists","reason":"AlreadyExists","code":409})");
  EXPECT_THAT(told.text, HasSubstr("already"));
  EXPECT_THAT(told.text, HasSubstr("kubectl codeexec delete -n agents x"));
  EXPECT_EQ(told.exit_code, 125);
}

TEST(Explain, ARefusedSpecFieldByField) {
  auto const told = said(
      422,
      R"({"kind":"Status","status":"Failure","message":"CodeExecution.codeexec.dev \"x\" is invalid: [...]","reason":"Invalid","details":{"name":"x","causes":[{"reason":"FieldValueInvalid","message":"Invalid value: 0: should be greater than or equal to 1","field":"spec.timeoutSeconds"},{"reason":"FieldValueInvalid","message":"Invalid value: null: some validation rules were not checked","field":"<nil>"}]},"code":422})");
  EXPECT_THAT(told.text, HasSubstr("\n  spec.timeoutSeconds: Invalid value: 0"));
  EXPECT_THAT(told.text, Not(HasSubstr("<nil>")));
  EXPECT_EQ(told.exit_code, 125);
}

TEST(Explain, AnOverloadedServerIsNotARefusal) {
  for (auto const status : {429, 500, 503}) {
    auto const told = said(status, "try later");
    EXPECT_THAT(told.text, HasSubstr("Try again"));
    EXPECT_EQ(told.exit_code, 126) << status;
  }
}

TEST(Explain, WhatTheServerSaysCannotDriveTheTerminal) {
  auto const told =
      said(400, "{\"kind\":\"Status\",\"message\":\"\\u001b[2Jx\",\"reason\":\"BadRequest\",\"code\":400}");
  EXPECT_THAT(told.text, Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace codeexec::cli
