// Many readers of engine time, some of which have to seal a mark meanwhile.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/baton_scheduler.h"
#include "util/lease_clock.h"
#include "util/mutex.h"
#include "util/random.h"
#include "util/thread.h"

namespace varve {
namespace {

constexpr uint64_t kMilli = 1'000'000;

// What all threads have been told so far, in the order in which they were: each asks for it before
// it reads the time, so the time must not be below it.
class Told {
 public:
  uint64_t highest() {
    MutexLock lock(&mu_);
    return highest_;
  }
  void Add(uint64_t now) {
    MutexLock lock(&mu_);
    highest_ = std::max(highest_, now);
  }

 private:
  Mutex mu_;
  uint64_t highest_ GUARDED_BY(mu_) = 0;
};

// Interleavings by seed, seals that take time and fail, wall clocks that jump.
TEST(LeaseClock, NeverRunsBackAndNeverPassesTheMark) {
  uint64_t seals = 0, failures = 0, overtaken = 0;
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    BatonScheduler scheduler({.seed = seed});
    scheduler.Run([&] {
      const auto clock = scheduler.clock();
      std::atomic<uint64_t> sealed{0};  // by both roots
      std::atomic<int> sealing{0};
      Random seal_random(seed);
      LeaseClock::Options options;
      options.clock = clock;
      options.seal_mark = [&](uint64_t mark) {
        EXPECT_EQ(++sealing, 1);
        ++seals;
        SleepFor(seal_random.Uniform(8000) * kMilli);
        const bool fails = sealed != 0 && seal_random.OneIn(4);
        if (fails) ++failures;
        if (!fails) {
          EXPECT_GT(mark, sealed.load());
          sealed = mark;
        }
        SleepFor(seal_random.Uniform(1000) * kMilli);
        --sealing;
        return fails ? Status::IOError("planted") : Status::OK();
      };
      LeaseClock lease(options);
      Told told;
      std::vector<Thread> threads;
      for (int t = 0; t < 4; ++t) {
        threads.emplace_back("reader", [&, t] {
          Random random(seed * 10 + t);
          for (int i = 0; i < 60; ++i) {
            const uint64_t before = told.highest();
            const uint64_t now = lease.NowMillis();
            EXPECT_GE(now, before);
            EXPECT_LE(now, sealed.load());
            if (sealing != 0) ++overtaken;
            told.Add(now);
            SleepFor(random.Uniform(3000) * kMilli);
            if (random.OneIn(30)) {
              scheduler.JumpWallClock(static_cast<int64_t>(random.Uniform(4'000'000)) - 2'000'000);
            }
          }
        });
      }
      threads.clear();
      EXPECT_EQ(sealing, 0);
    });
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(seals, 150u * 5);
  EXPECT_GT(failures, 150u);
  EXPECT_GT(overtaken, 150u);  // time was read while somebody sealed
}

// A seal that hangs holds nobody up while there is lease left, and everybody once there is none.
TEST(LeaseClock, ReadersWaitForTheSealOnlyAtTheMark) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    BatonScheduler scheduler({.seed = seed});
    scheduler.Run([&] {
      const auto clock = scheduler.clock();
      bool slow = false;
      LeaseClock::Options options;
      options.clock = clock;
      options.seal_mark = [&](uint64_t) {
        if (slow) SleepFor(60'000 * kMilli);
        return Status::OK();
      };
      LeaseClock lease(options);
      lease.NowMillis();
      slow = true;
      SleepFor(6000 * kMilli);  // more than half of the lease
      const auto waited = [&] {
        const uint64_t start = clock->BootMillis();
        lease.NowMillis();
        return clock->BootMillis() - start;
      };
      Thread sealer("sealer", [&] { EXPECT_GE(waited(), 60'000u); });
      SleepFor(1000 * kMilli);
      for (int i = 0; i < 10; ++i) EXPECT_LT(waited(), 100u);
      SleepFor(5000 * kMilli);
      EXPECT_GE(waited(), 40'000u);
    });
  }
}

// The same on real threads, for tsan.
TEST(LeaseClock, Stress) {
  // Hours pass by being looked at.
  class FastClock final : public Clock {
   public:
    uint64_t MonotonicNanos() override { return boot_ms_ * kMilli; }
    uint64_t BootMillis() override { return boot_ms_.fetch_add(25, std::memory_order_relaxed); }
    uint64_t WallMillis() override {
      const uint64_t boot = boot_ms_.load(std::memory_order_relaxed);
      return 1'700'000'000'000 + boot + (boot / 100'000 % 3) * 4'000'000;
    }

   private:
    std::atomic<uint64_t> boot_ms_{0};
  };
  std::atomic<uint64_t> sealed{0}, wrong{0};
  LeaseClock::Options options;
  options.clock = std::make_shared<FastClock>();
  uint64_t seals = 0;  // the sealer's alone: tsan would see two
  options.seal_mark = [&](uint64_t mark) {
    if (++seals % 10 == 0) return Status::IOError("planted");
    sealed = mark;
    return Status::OK();
  };
  std::atomic<uint64_t> jumps{0};
  options.on_jump_refused = [&](const RefusedJump&) { ++jumps; };
  LeaseClock lease(options);
  Told told;
  std::vector<Thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back("reader", [&] {
      for (int i = 0; i < 15'000; ++i) {
        const uint64_t before = told.highest();
        const uint64_t now = lease.NowMillis();
        if (now < before || now > sealed) ++wrong;
        told.Add(now);
      }
    });
  }
  threads.clear();
  EXPECT_EQ(wrong.load(), 0u);
  EXPECT_GT(seals, 10u);
  EXPECT_GE(jumps.load(), 1u);
}

}  // namespace
}  // namespace varve
