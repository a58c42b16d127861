#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <set>
#include <vector>

#include "util/mutex.h"
#include "util/thread.h"

namespace varve {
namespace {

TEST(Mutex, ExcludesOthers) {
  Mutex mutex;
  int counter = 0;
  {
    std::vector<Thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back("mutex", [&] {
        for (int i = 0; i < 10000; ++i) {
          MutexLock lock(&mutex);
          mutex.AssertHeld();
          ++counter;
        }
      });
    }
  }
  EXPECT_EQ(counter, 40000);
}

TEST(Mutex, TryLockFailsWhileHeld) {
  Mutex mutex;
  bool got = true;
  {
    MutexLock lock(&mutex);
    Thread("try", [&] {
      if (mutex.TryLock()) {
        mutex.Unlock();
      } else {
        got = false;
      }
    });
  }
  EXPECT_FALSE(got);
  if (mutex.TryLock()) {
    mutex.Unlock();
  } else {
    FAIL() << "nobody holds it";
  }
}

TEST(CondVar, HandsWorkOver) {
  Mutex mutex;
  CondVar changed;
  int turn = 0;
  auto player = [&](int parity) {
    for (int i = 0; i < 1000; ++i) {
      MutexLock lock(&mutex);
      while (turn % 2 != parity) changed.Wait(&mutex);
      ++turn;
      changed.SignalAll();
    }
  };
  {
    Thread a("even", [&] { player(0); }), b("odd", [&] { player(1); });
  }
  EXPECT_EQ(turn, 2000);
}

TEST(CondVar, TimedWaitEndsNeitherEarlyNorNever) {
  Mutex mutex;
  CondVar never;
  MutexLock lock(&mutex);
  const auto start = std::chrono::steady_clock::now();
  while (never.WaitFor(&mutex, 20'000'000)) {
  }
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(20));
  mutex.AssertHeld();
}

// Checklist L8
TEST(Thread, IsJoinedByItsDestructor) {
  std::atomic<bool> done{false};
  {
    Thread thread("sleeper", [&] {
      SleepFor(5'000'000);
      done = true;
    });
    EXPECT_TRUE(thread.running());
    Thread moved = std::move(thread);
    EXPECT_FALSE(thread.running());
    EXPECT_TRUE(moved.running());
  }
  EXPECT_TRUE(done);
}

TEST(Thread, JoinTwiceIsFine) {
  Thread thread;
  thread.Join();
  ASSERT_TRUE(thread.Start("once", [] {}).ok());
  thread.Join();
  thread.Join();
  ASSERT_TRUE(thread.Start("again", [] {}).ok());
}

TEST(ThreadIndex, IsDenseUniqueAndReused) {
  const uint32_t own = ThreadIndex();
  EXPECT_EQ(own, ThreadIndex());
  std::atomic<int> arrived{0};
  constexpr int kThreads = 8;
  for (int round = 0; round < 3; ++round) {
    std::vector<uint32_t> indexes(kThreads);
    arrived = 0;
    {
      std::vector<Thread> threads;
      for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back("index", [&, t] {
          indexes[t] = ThreadIndex();
          ++arrived;  // all of them live at once
          for (SpinWait wait; arrived.load() < kThreads;) wait.Once();
        });
      }
    }
    std::set<uint32_t> unique(indexes.begin(), indexes.end());
    EXPECT_EQ(unique.size(), size_t{kThreads});
    EXPECT_EQ(unique.count(own), 0u);
    EXPECT_LE(*unique.rbegin(), uint32_t{kThreads});  // the same few numbers every round
  }
}

TEST(SpinWait, GivesWayToTheOneWaitedFor) {
  std::atomic<bool> flag{false};
  Thread setter("setter", [&] {
    SleepFor(2'000'000);
    flag.store(true, std::memory_order_release);
  });
  for (SpinWait wait; !flag.load(std::memory_order_acquire);) wait.Once();
}

}  // namespace
}  // namespace varve
