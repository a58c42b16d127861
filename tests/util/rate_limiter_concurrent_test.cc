#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/baton_scheduler.h"
#include "util/rate_limiter.h"
#include "util/thread.h"

namespace varve {
namespace {

using Priority = RateLimiter::Priority;

// Runs `body` in virtual time; returns the seconds it took.
double Seconds(uint64_t seed, const std::function<void(RateLimiter*)>& body, uint64_t rate) {
  BatonScheduler scheduler({.seed = seed});
  uint64_t nanos = 0;
  scheduler.Run([&] {
    const auto clock = scheduler.clock();
    RateLimiter limiter(rate, clock.get());
    const uint64_t start = clock->MonotonicNanos();
    body(&limiter);
    nanos = clock->MonotonicNanos() - start;
  });
  return static_cast<double>(nanos) / 1e9;
}

TEST(RateLimiter, HoldsTheRate) {
  for (uint64_t seed = 0; seed < 5; ++seed) {
    const double seconds = Seconds(
        seed,
        [](RateLimiter* limiter) {
          std::vector<Thread> threads;
          for (int t = 0; t < 3; ++t) {
            threads.emplace_back("writer", [limiter] {
              for (int i = 0; i < 100; ++i) limiter->Request(100'000, Priority::kLow);
            });
          }
        },
        1'000'000);
    EXPECT_NEAR(seconds, 30, 0.5);
  }
}

TEST(RateLimiter, LargeRequestsPayAfterwards) {
  const double seconds = Seconds(
      1,
      [](RateLimiter* limiter) {
        limiter->Request(5'000'000, Priority::kLow);
        limiter->Request(1, Priority::kLow);
      },
      1'000'000);
  EXPECT_NEAR(seconds, 5, 0.1);
}

TEST(RateLimiter, IdleTimeIsNotSavedUpBeyondABurst) {
  const double seconds = Seconds(
      1,
      [](RateLimiter* limiter) {
        SleepFor(100'000'000'000);
        for (int i = 0; i < 10; ++i) limiter->Request(100'000, Priority::kLow);
      },
      1'000'000);
  EXPECT_NEAR(seconds, 100.85, 0.1);
}

TEST(RateLimiter, ZeroIsNoLimit) {
  const double seconds = Seconds(
      1,
      [](RateLimiter* limiter) {
        for (int i = 0; i < 1000; ++i) limiter->Request(1'000'000'000, Priority::kLow);
      },
      0);
  EXPECT_LT(seconds, 0.1);
}

TEST(RateLimiter, HighGoesFirstAndLowIsNotStarved) {
  std::string order;
  Seconds(
      2,
      [&](RateLimiter* limiter) {
        Mutex mutex;
        auto writer = [&](char name, Priority priority, int times) {
          for (int i = 0; i < times; ++i) {
            limiter->Request(200'000, priority);
            MutexLock lock(&mutex);
            order.push_back(name);
          }
        };
        std::vector<Thread> threads;
        for (int t = 0; t < 3; ++t) {
          threads.emplace_back("high", [&] { writer('H', Priority::kHigh, 20); });
        }
        threads.emplace_back("low", [&] { writer('l', Priority::kLow, 20); });
      },
      1'000'000);
  ASSERT_EQ(order.size(), 80u);
  const std::string busy = order.substr(5, 50);  // all of them were waiting
  const int64_t low = std::count(busy.begin(), busy.end(), 'l');
  EXPECT_GE(low, 3);
  EXPECT_LE(low, 7);
}

TEST(RateLimiter, ChangesHoldForThoseWhoWait) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const double seconds = Seconds(
        seed,
        [](RateLimiter* limiter) {
          limiter->Request(3'600'000, Priority::kLow);  // an hour at the first rate
          Thread waiter("waiter", [limiter] { limiter->Request(1000, Priority::kHigh); });
          SleepFor(1'000'000'000);
          limiter->SetBytesPerSecond(1'000'000);
        },
        1000);
    EXPECT_GT(seconds, 1);
    EXPECT_LT(seconds, 3);
    EXPECT_LT(Seconds(
                  seed,
                  [](RateLimiter* limiter) {
                    limiter->Request(3'600'000, Priority::kLow);
                    Thread waiter("waiter", [limiter] { limiter->Request(1, Priority::kLow); });
                    SleepFor(1'000'000);
                    limiter->SetBytesPerSecond(0);
                  },
                  1000),
              1);
  }
}

TEST(RateLimiter, StopLetsEveryoneThrough) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const double seconds = Seconds(
        seed,
        [](RateLimiter* limiter) {
          limiter->Request(1'000'000, Priority::kLow);
          std::vector<Thread> threads;
          for (int t = 0; t < 4; ++t) {
            threads.emplace_back("waiter", [limiter, t] {
              limiter->Request(1000, t % 2 == 0 ? Priority::kHigh : Priority::kLow);
            });
          }
          SleepFor(10'000'000);
          EXPECT_EQ(limiter->waiting(), 4);
          limiter->Stop();
          limiter->Stop();
          for (Thread& thread : threads) thread.Join();
          limiter->Request(1'000'000, Priority::kLow);
          EXPECT_EQ(limiter->waiting(), 0);
        },
        1);
    EXPECT_LT(seconds, 1);
  }
}

}  // namespace
}  // namespace varve
