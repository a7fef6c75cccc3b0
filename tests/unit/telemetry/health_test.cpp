#include "codeexec/telemetry/health.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace codeexec::telemetry {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

class Health : public ::testing::Test {
 protected:
  void fill() {
    state.set_synced("pods");
    state.set_synced("jobs");
  }
  base::steady_time now = base::steady_time() + 1h;
  health state{{"pods", "jobs"}, now};
};

TEST_F(Health, LivesWhileTheLoopTurns) {
  for (int i = 0; i < 100; ++i) {
    now += 9s;
    EXPECT_TRUE(state.live(now).passed());
    state.beat(now, std::nullopt);
  }
}

TEST_F(Health, DiesWhenTheLoopHangs) {
  EXPECT_TRUE(state.live(now + 10s).passed());
  EXPECT_FALSE(state.live(now + 11s).passed());
  EXPECT_THAT(render(state.live(now + 11s), "healthz", "", false),
              HasSubstr("[-]loop failed: turned 11.0 s ago, at most 10.0 s are allowed"));
  state.beat(now + 12s, std::nullopt);
  EXPECT_TRUE(state.live(now + 12s).passed());
}

TEST_F(Health, DiesWhenAPassOutlivesItsCancellation) {
  auto const began = now;
  state.beat(now + 299s, began);
  EXPECT_TRUE(state.live(now + 300s).passed());
  state.beat(now + 301s, began);
  auto const found = state.live(now + 301s);
  EXPECT_FALSE(found.passed());
  EXPECT_THAT(render(found, "healthz", "", false),
              HasSubstr("[-]passes failed: the oldest under way began 301.0 s ago"));
}

TEST_F(Health, ReadyOnceEveryCacheIsFilledWhoeverLeads) {
  state.set_role(role::standby);
  EXPECT_FALSE(state.ready(now).passed());
  state.set_synced("pods");
  EXPECT_FALSE(state.ready(now).passed());
  EXPECT_THAT(render(state.ready(now), "readyz", "standby", false), HasSubstr("[-]cache jobs failed: not filled yet"));
  state.set_synced("jobs");
  for (auto const r : {role::standby, role::leading, role::alone}) {
    state.set_role(r);
    EXPECT_TRUE(state.ready(now).passed()) << name_of(r);
  }
}

TEST_F(Health, NotReadyBeforeItStartsAndWhileItStops) {
  fill();
  EXPECT_FALSE(state.ready(now).passed());
  state.set_role(role::leading);
  EXPECT_TRUE(state.ready(now).passed());
  state.set_role(role::stopping);
  EXPECT_FALSE(state.ready(now).passed());
  EXPECT_TRUE(state.live(now).passed());
}

TEST_F(Health, NotReadyWhileTheLoopHangs) {
  fill();
  state.set_role(role::leading);
  EXPECT_FALSE(state.ready(now + 1min).passed());
}

TEST_F(Health, SaysOneWordOrEverything) {
  fill();
  state.set_role(role::leading);
  EXPECT_EQ(render(state.ready(now), "readyz", "leading", false), "ok: leading\n");
  EXPECT_EQ(render(state.live(now), "healthz", "", false), "ok\n");
  EXPECT_EQ(render(state.ready(now), "readyz", "leading", true),
            "[+]loop ok: turned 0.0 s ago\n[+]cache pods ok: filled\n[+]cache jobs ok: filled\n[+]role ok: leading\n"
            "readyz check passed\n");
}

TEST_F(Health, FailuresAreSpelledOutUnasked) {
  auto const text = render(state.ready(now), "readyz", "starting", false);
  EXPECT_THAT(text, HasSubstr("readyz check failed\n"));
  EXPECT_THAT(text, HasSubstr("[-]role failed: starting"));
  EXPECT_THAT(text, Not(HasSubstr("ok:  ")));
}

}  // namespace
}  // namespace codeexec::telemetry
