#include "codeexec/kube_core/error.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "transcripts.hpp"

namespace {
using namespace std::chrono_literals;
using codeexec::kube::error;
using codeexec::kube::error_kind;

/// The recorded answer with this status and reason.
error recorded(int status, std::string const& reason, std::string const& method) {
  for (auto const& one : codeexec::testing::transcript("statuses.jsonl")) {
    if (one["status"] == status && one["body"].value("reason", "") == reason && one["method"] == method)
      return error::from_status(status, one["body"].dump());
  }
  throw std::runtime_error("not recorded: " + reason);
}

TEST(Error, RecordedAnswersAreToldApart) {
  EXPECT_TRUE(recorded(404, "NotFound", "GET").is_not_found());
  EXPECT_TRUE(recorded(409, "AlreadyExists", "POST").is_already_exists());
  EXPECT_FALSE(recorded(409, "AlreadyExists", "POST").is_conflict());
  EXPECT_TRUE(recorded(409, "Conflict", "PUT").is_conflict());
  EXPECT_TRUE(recorded(409, "Conflict", "DELETE").is_conflict());
  EXPECT_TRUE(recorded(410, "Expired", "GET").is_gone());
  EXPECT_TRUE(recorded(401, "Unauthorized", "GET").is_unauthorized());
  EXPECT_TRUE(recorded(403, "Forbidden", "GET").is_forbidden());
  EXPECT_TRUE(recorded(422, "Invalid", "POST").is_invalid());
}

TEST(Error, OnlyStaleWritesMomentsThatArePastAndUnknownAskersAmongTheRecordedAnswersAreWorthARepetition) {
  for (auto const& one : codeexec::testing::transcript("statuses.jsonl")) {
    auto const e = error::from_status(one["status"], one["body"].dump());
    // 401: the server could not tell who asks, and so has said nothing of what was asked for.
    EXPECT_EQ(e.is_retryable(), e.is_conflict() || e.is_gone() || e.is_unauthorized()) << e.describe();
    EXPECT_EQ(e.message(), one["body"]["message"]);
    EXPECT_EQ(e.kind(), error_kind::api);
  }
}

TEST(Error, InvalidNamesTheFields) {
  auto const e = recorded(422, "Invalid", "POST");
  ASSERT_FALSE(e.causes().empty());
  EXPECT_EQ(e.causes()[0].field, "metadata.name");
  EXPECT_EQ(e.causes()[0].reason, "FieldValueInvalid");
}

TEST(Error, NamespaceThatIsBeingDeletedIsRecognised) {
  bool seen = false;
  for (auto const& one : codeexec::testing::transcript("statuses.jsonl")) {
    auto const e = error::from_status(one["status"], one["body"].dump());
    auto const said = e.message().find("being terminated") != std::string::npos;
    EXPECT_EQ(e.is_namespace_terminating(), said) << e.describe();
    seen = seen || said;
  }
  EXPECT_TRUE(seen);
}

TEST(Error, ServersWishToWaitIsHeard) {
  auto const body =
      R"({"kind":"Status","reason":"TooManyRequests","message":"slow down","details":{"retryAfterSeconds":7}})";
  EXPECT_EQ(error::from_status(429, body).retry_after(), 7s);
  EXPECT_EQ(error::from_status(429, body, 2s).retry_after(), 2s);
  EXPECT_TRUE(error::from_status(429, body).is_retryable());
  EXPECT_EQ(error::from_status(429, "").retry_after(), std::nullopt);
}

TEST(Error, ProxysPageBecomesOneShortPrintableLine) {
  auto const e = error::from_status(503, "<html>\n\t<b>no\x1b[31m healthy upstream</b>\r\n" + std::string(5000, 'x'));
  EXPECT_EQ(e.reason(), "ServiceUnavailable");
  EXPECT_EQ(e.message().substr(0, 37), "<html> <b>no [31m healthy upstream</b");
  EXPECT_LE(e.message().size(), 260U);
  EXPECT_TRUE(e.is_retryable());
  for (char const c : e.message())
    EXPECT_GE(c, ' ');
}

TEST(Error, AnyBodyGivesAnError) {
  for (std::string const body :
       {"", "null", "[]", "{", "{\"kind\":\"Status\",\"details\":3,\"message\":[]}",
        "{\"kind\":\"Status\",\"details\":{\"causes\":[1,{\"field\":2}],\"retryAfterSeconds\":-1}}", "\xff\xfe"}) {
    auto const e = error::from_status(500, body);
    EXPECT_EQ(e.http_status(), 500);
    EXPECT_TRUE(e.is_retryable());
    EXPECT_FALSE(e.message().empty());
    EXPECT_FALSE(e.retry_after());
  }
}

TEST(Error, RetryAfterIsSecondsOrADate) {
  using codeexec::kube::parse_retry_after;
  auto const now = *codeexec::base::parse_time("2026-01-01T00:00:00.5Z");
  EXPECT_EQ(parse_retry_after("7", now), 7s);
  EXPECT_EQ(parse_retry_after(" 0 ", now), 0s);
  EXPECT_EQ(parse_retry_after("Thu, 01 Jan 2026 00:00:10 GMT", now), 10s);
  EXPECT_EQ(parse_retry_after("Wed, 31 Dec 2025 23:59:59 GMT", now), 0s);
  EXPECT_EQ(parse_retry_after("86400", now), 1h);
  EXPECT_EQ(parse_retry_after("99999999999999999999999", now), 1h);
  EXPECT_EQ(parse_retry_after("Fri, 02 Jan 2026 00:00:00 GMT", now), 1h);
  for (std::string const text :
       {"", " ", "-1", "1.5", "soon", "0x10", "7 s", "Thu, 01 Foo 2026 00:00:10 GMT", "Thu, 01 Jan 2026 00:00:10 CET",
        "Thu, 41 Jan 2026 00:00:10 GMT", "Thu, 01 Jan 2026 0:00:10 GMT", "Thursday, 01-Jan-26 00:00:10 GMT"})
    EXPECT_EQ(parse_retry_after(text, now), std::nullopt) << text;
}

TEST(Error, DateOfAnAnswerIsRead) {
  using codeexec::kube::parse_http_date;
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), codeexec::base::parse_time("1994-11-06T08:49:37Z"));
  EXPECT_EQ(parse_http_date(""), std::nullopt);
}

TEST(Error, RefusalWithoutTextStillSaysSomething) {
  EXPECT_EQ(error::from_status(500, "").describe(), "500 InternalError: the server gave no message");
  EXPECT_EQ(error::from_status(302, "").describe(), "302: the server points elsewhere, and redirects are not followed");
  EXPECT_EQ(error::from_status(418, "").describe(), "418: the server gave no message");
  // An ERROR event's code is whatever stands in it, and points nowhere.
  EXPECT_EQ(error::from_status(361, R"({"kind":"Status"})").describe(), "361: the server gave no message");
}

TEST(Error, StatusOfAnySizeLeavesABoundedError) {
  nlohmann::json status = {{"kind", "Status"}, {"reason", "Invalid"}, {"message", std::string(20'000, 'x')}};
  status["details"]["retryAfterSeconds"] = 1'000'000'000;
  status["details"]["causes"].push_back({{"message", std::string(20'000, 'y')}});
  for (int i = 0; i < 150; ++i)
    status["details"]["causes"].push_back({{"message", "no"}});
  auto const bounded = error::from_status(422, status.dump());
  EXPECT_EQ(bounded.reason(), "Invalid");
  EXPECT_LE(bounded.message().size(), 17'000U);
  EXPECT_EQ(bounded.causes().size(), 100U);
  EXPECT_LE(bounded.causes()[0].message.size(), 17'000U);
  EXPECT_EQ(bounded.retry_after(), 1h);
  status["message"] = std::string(2'000'000, 'x');
  auto const large = error::from_status(422, status.dump());
  EXPECT_TRUE(large.is_invalid());
  EXPECT_LE(large.message().size(), 256U) << "too large to be a Status: its beginning";
}

TEST(Error, BodyOfDeepNestingIsNoTrouble) {
  auto const body = "{\"kind\":\"Status\",\"message\":" + std::string(20'000, '[');
  EXPECT_EQ(error::from_status(500, body).reason(), "InternalError");
  EXPECT_EQ(error::from_status(500, std::string(20'000, '[') + std::string(20'000, ']')).reason(), "InternalError");
}

TEST(Error, RequestThatAServerGotTooSlowlyMaySucceedLater) {
  EXPECT_TRUE(error::from_status(408, "").is_retryable());
}

TEST(Error, DescriptionSaysWhatWasDoneAndWhatCameBack) {
  auto e = recorded(404, "NotFound", "GET");
  e.in("GET /apis/example.dev/v1/namespaces/transcripts/widgets/none");
  EXPECT_EQ(
      e.describe(),
      "GET /apis/example.dev/v1/namespaces/transcripts/widgets/none: 404 NotFound: widgets.example.dev \"none\" not "
      "found");
  EXPECT_EQ(error(error_kind::timeout, "no answer within 5 s").describe(), "timeout: no answer within 5 s");
}

TEST(Error, TransportFailuresMayHealAndConfigurationDoesNot) {
  for (auto const kind : {error_kind::timeout, error_kind::connect, error_kind::tls, error_kind::connection,
                          error_kind::protocol, error_kind::decode})
    EXPECT_TRUE(error(kind, "").is_retryable());
  EXPECT_FALSE(error(error_kind::cancelled, "").is_retryable());
  EXPECT_FALSE(error(error_kind::config, "").is_retryable());
}

TEST(Error, StatusNestedWithoutMeasureIsForeignText) {
  auto const nested = std::string(100'000, '[') + std::string(100'000, ']');
  auto const e = error::from_status(409, R"({"kind":"Status","reason":"AlreadyExists","details":)" + nested + "}");
  EXPECT_EQ(e.http_status(), 409);
  EXPECT_FALSE(e.is_already_exists());
  EXPECT_LE(e.message().size(), 256U);
}

TEST(ErrorForLog, NamesFieldsAndQuotesNothingOfABody) {
  auto const e = error::from_status(422, R"({"kind": "Status", "reason": "Invalid",
      "message": "Job is invalid: spec.env[0].value: Invalid value: \"SECRET\"",
      "details": {"causes": [{"reason": "FieldValueInvalid", "message": "Invalid value: \"SECRET\"", "field": "spec.env[0].value"}]}})");
  EXPECT_NE(e.describe().find("SECRET"), std::string::npos);
  EXPECT_EQ(e.describe_for_log(), "422 Invalid: spec.env[0].value (FieldValueInvalid)");
  EXPECT_EQ(error::from_status(400, "SECRET").describe_for_log().find("SECRET"), std::string::npos);
  auto const quota = error::from_status(403, R"({"reason": "Forbidden", "message": "exceeded quota: pods"})");
  EXPECT_EQ(quota.describe_for_log(), quota.describe());
}

TEST(ErrorForLog, NamesTheWebhookThatRefusedAndNotWhatItSays) {
  auto const denied = [](std::string const& message) {
    return error::from_status(403, R"({"kind": "Status", "reason": "Forbidden", "message": ")" + message + R"("})")
        .describe_for_log();
  };
  EXPECT_EQ(denied(R"(admission webhook \"audit.example.org\" denied the request: print(\"SECRET\") is not allowed)"),
            R"(403 Forbidden: admission webhook "audit.example.org" denied the request)");
  EXPECT_EQ(denied(R"(ValidatingAdmissionPolicy 'p' with binding 'b' denied request: SECRET)"),
            "403 Forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request");
}

TEST(ErrorForLog, IsNoLongerThanALineCanBe) {
  std::string long_one;
  while (long_one.size() < 100'000)
    long_one += "\u00e4";
  auto const text = error(error_kind::protocol, long_one).describe_for_log();
  EXPECT_LE(text.size(), 1100U);
  EXPECT_TRUE(text.ends_with("\u00e4 ..."));
}

}  // namespace
