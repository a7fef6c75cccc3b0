#include "codeexec/api/trace_context.hpp"

#include <gtest/gtest.h>
#include <map>
#include <string>

#include "codeexec/api/names.hpp"

namespace codeexec::api {
namespace {

// The recommendation's own examples.
constexpr char const* parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
constexpr char const* state = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE";

std::map<std::string, std::string> annotated(std::string traceparent, std::string tracestate = {}) {
  std::map<std::string, std::string> all;
  all[std::string(annotations::traceparent)] = std::move(traceparent);
  if (!tracestate.empty()) all[std::string(annotations::tracestate)] = std::move(tracestate);
  return all;
}

TEST(TraceContext, IsReadWithItsParts) {
  auto const found = read_trace_context(annotated(parent, state));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->trace_id(), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(found->parent_id(), "b7ad6b7169203331");
  EXPECT_EQ(found->tracestate, state);
}

TEST(TraceContext, NoneWhereNothingIsSaid) {
  EXPECT_FALSE(read_trace_context({}));
}

TEST(TraceContext, AWrongTraceparentIsNoneAtAll) {
  for (std::string const wrong : {"", "00", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
                                  "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
                                  "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                                  "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                                  "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                                  "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
                                  "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                                  "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
                                  "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01more",
                                  "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-a\nb"}) {
    EXPECT_FALSE(is_valid_traceparent(wrong)) << wrong;
    EXPECT_FALSE(read_trace_context(annotated(wrong, state))) << wrong;
  }
}

TEST(TraceContext, ALaterVersionIsHandedOnWhole) {
  std::string const later = "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-will-be-like";
  auto const found = read_trace_context(annotated(later));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->traceparent, later);
}

TEST(TraceContext, AWrongTracestateIsLeftOutAlone) {
  std::string many = "a0=x";
  for (int i = 1; i < 33; ++i)
    many += ",a" + std::to_string(i) + "=x";
  for (std::string const& wrong :
       {std::string("novalue"), std::string("UPPER=1"), std::string("a=1,a=2"), std::string("a=b=c"),
        std::string("a=\x01"), std::string("a="), many, "a=" + std::string(600, 'x')}) {
    auto const found = read_trace_context(annotated(parent, wrong));
    ASSERT_TRUE(found) << wrong;
    EXPECT_EQ(found->tracestate, "") << wrong;
  }
}

TEST(TraceContext, TracestateMayHaveBlanksAndTenants) {
  EXPECT_TRUE(is_valid_tracestate("fw529a3039@dt=FfGK, congo=ucfJifl5GOE , , rojo=1"));
}

}  // namespace
}  // namespace codeexec::api
