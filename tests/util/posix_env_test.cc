#include <gtest/gtest.h>
#include <time.h>

#include <cstdint>

#include "varve/env.h"

namespace varve {
namespace {

TEST(PosixEnv, DefaultIsOneForTheProcess) {
  const Env a = Env::Default(), b = Env::Default();
  ASSERT_NE(a.file_system, nullptr);
  EXPECT_EQ(a.file_system, b.file_system);
  EXPECT_EQ(a.clock, b.clock);
  EXPECT_EQ(a.machine, b.machine);
}

TEST(PosixEnv, ClocksAreTheSystems) {
  Clock& clock = *Env::Default().clock;
  const uint64_t monotonic = clock.MonotonicNanos();
  const uint64_t boot = clock.BootMillis();
  const uint64_t wall = clock.WallMillis();
  EXPECT_NEAR(static_cast<double>(wall) / 1e3, static_cast<double>(time(nullptr)), 60.0);
  timespec pause{0, 20'000'000};
  nanosleep(&pause, nullptr);
  EXPECT_GE(clock.MonotonicNanos() - monotonic, 20'000'000u);
  EXPECT_LT(clock.MonotonicNanos() - monotonic, uint64_t{60'000'000'000});
  EXPECT_GE(clock.BootMillis() - boot, 19u);  // both readings are rounded down
  EXPECT_LT(clock.BootMillis() - boot, 60'000u);
  // Since boot, sleep included: never behind the clock that stands still in sleep. That one is read
  // first, as this thread may be held up in between.
  const uint64_t earlier = clock.MonotonicNanos() / 1'000'000;
  EXPECT_GE(clock.BootMillis() + 1, earlier);
}

TEST(PosixEnv, MonotonicClockNeverRunsBack) {
  Clock& clock = *Env::Default().clock;
  uint64_t last = 0;
  for (int i = 0; i < 100000; ++i) {
    const uint64_t now = clock.MonotonicNanos();
    ASSERT_GE(now, last);
    last = now;
  }
}

}  // namespace
}  // namespace varve
