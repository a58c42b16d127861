#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <vector>

#include "tests/support/baton_scheduler.h"
#include "util/thread_pool.h"

namespace varve {
namespace {

using Priority = ThreadPool::Priority;

// A gate that jobs wait at until it is opened.
class Gate {
 public:
  void Pass() {
    MutexLock lock(&mutex_);
    while (!open_) opened_.Wait(&mutex_);
  }
  void Open() {
    MutexLock lock(&mutex_);
    open_ = true;
    opened_.SignalAll();
  }

 private:
  Mutex mutex_;
  CondVar opened_;
  bool open_ GUARDED_BY(mutex_) = false;
};

void WaitUntilRunning(const ThreadPool& pool, int jobs) {
  for (SpinWait wait; pool.running() < jobs;) wait.Once();
}

TEST(ThreadPool, RunsEverythingOnce) {
  std::atomic<int> ran{0};
  ThreadPool pool("pool", 4);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(pool.Schedule(i % 3 == 0 ? Priority::kHigh : Priority::kLow, [&] { ++ran; }).ok());
  }
  pool.Drain();
  EXPECT_EQ(ran.load(), 1000);
  EXPECT_EQ(pool.queued(), 0);
  EXPECT_LE(pool.threads_started(), 4);
}

// Checklist L8
TEST(ThreadPool, StartsThreadsOnlyWhenNeeded) {
  Gate gate;
  ThreadPool pool("pool", 3);
  EXPECT_EQ(pool.threads_started(), 0);
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(pool.Schedule(Priority::kHigh, [] {}).ok());
    pool.Drain();
  }
  EXPECT_LE(pool.threads_started(), 3);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(pool.Schedule(Priority::kHigh, [&] { gate.Pass(); }).ok());
  }
  WaitUntilRunning(pool, 3);
  EXPECT_EQ(pool.threads_started(), 3);
  EXPECT_EQ(pool.queued(), 2);
  gate.Open();
  pool.Drain();
}

TEST(ThreadPool, TakesHighFirstAndEachInOrder) {
  Gate gate;
  ThreadPool pool("pool", 1);
  std::string order;
  ASSERT_TRUE(pool.Schedule(Priority::kHigh, [&] { gate.Pass(); }).ok());
  WaitUntilRunning(pool, 1);
  for (char c : std::string("ab")) {
    ASSERT_TRUE(pool.Schedule(Priority::kLow, [&, c] { order.push_back(c); }).ok());
  }
  for (char c : std::string("AB")) {
    ASSERT_TRUE(pool.Schedule(Priority::kHigh, [&, c] { order.push_back(c); }).ok());
  }
  gate.Open();
  pool.Drain();
  EXPECT_EQ(order, "ABab");
}

TEST(ThreadPool, LowJobsLeaveAThreadForHighOnes) {
  Gate gate;
  ThreadPool pool("pool", 2);
  std::atomic<bool> flushed{false};
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(pool.Schedule(Priority::kLow, [&] { gate.Pass(); }).ok());
  }
  WaitUntilRunning(pool, 1);
  ASSERT_TRUE(pool.Schedule(Priority::kHigh, [&] { flushed = true; }).ok());
  for (SpinWait wait; !flushed.load();) wait.Once();
  EXPECT_EQ(pool.queued(), 3);  // one low job runs; the thread that is free takes none of the rest
  gate.Open();
  pool.Drain();
}

TEST(ThreadPool, CancelsWhatHasNotBegun) {
  Gate gate;
  ThreadPool pool("pool", 1);
  std::atomic<int> ran{0};
  ThreadPool::JobId running, waiting;
  ASSERT_TRUE(pool.Schedule(
                      Priority::kLow, [&] { gate.Pass(); }, &running)
                  .ok());
  WaitUntilRunning(pool, 1);
  ASSERT_TRUE(pool.Schedule(
                      Priority::kLow, [&] { ++ran; }, &waiting)
                  .ok());
  EXPECT_FALSE(pool.Cancel(running));
  EXPECT_TRUE(pool.Cancel(waiting));
  EXPECT_FALSE(pool.Cancel(waiting));
  gate.Open();
  pool.Drain();
  EXPECT_EQ(ran.load(), 0);
}

// Checklist L1, L2
TEST(ThreadPool, StopEndsWithAFullQueueAndMayBeCalledTwice) {
  Gate gate;
  ThreadPool pool("pool", 2);
  std::atomic<int> ran{0};
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(pool.Schedule(Priority::kHigh, [&] { gate.Pass(); }).ok());
  }
  WaitUntilRunning(pool, 2);
  const auto held = std::make_shared<int>(0);  // what dropped jobs hold is let go
  for (int i = 0; i < 10000; ++i) {
    ASSERT_TRUE(pool.Schedule(Priority::kLow, [&ran, held] { ++ran; }).ok());
  }
  Thread opener("opener", [&] {
    // Stop() has dropped the queue by then and waits for the two that run.
    for (SpinWait wait; pool.queued() > 0;) wait.Once();
    gate.Open();
  });
  pool.Stop();
  pool.Stop();
  EXPECT_EQ(ran.load(), 0);
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_TRUE(pool.Schedule(Priority::kHigh, [&] { ++ran; }).IsAborted());
  pool.Drain();
  EXPECT_EQ(ran.load(), 0);
}

TEST(ThreadPool, JobsMayScheduleJobs) {
  ThreadPool pool("pool", 2);
  std::atomic<int> ran{0};
  std::function<void(int)> chain = [&](int left) {
    ++ran;
    if (left > 0) {
      EXPECT_TRUE(pool.Schedule(Priority::kLow, [&, left] { chain(left - 1); }).ok());
    }
  };
  ASSERT_TRUE(pool.Schedule(Priority::kLow, [&] { chain(99); }).ok());
  for (SpinWait wait; ran.load() < 100;) wait.Once();
  pool.Drain();
  EXPECT_EQ(ran.load(), 100);
}

// Every interleaving that a few hundred seeds give: nothing is lost, nothing hangs.
TEST(ThreadPool, HoldsUnderEverySchedule) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    BatonScheduler scheduler({.seed = seed});
    int ran = 0, cancelled = 0, refused = 0;
    scheduler.Run([&] {
      ThreadPool pool("pool", 2);
      Mutex mutex;
      Thread other("other", [&] {
        for (int i = 0; i < 5; ++i) {
          ThreadPool::JobId id;
          const Status status = pool.Schedule(
              Priority::kLow,
              [&] {
                MutexLock lock(&mutex);
                ++ran;
              },
              &id);
          if (!status.ok()) {
            ++refused;
          } else if (i % 2 == 0 && pool.Cancel(id)) {
            ++cancelled;
          }
        }
      });
      for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(pool.Schedule(Priority::kHigh,
                                  [&] {
                                    MutexLock lock(&mutex);
                                    ++ran;
                                  })
                        .ok());
      }
      other.Join();
      pool.Drain();
      EXPECT_EQ(pool.running(), 0);
    });
    ASSERT_EQ(ran + cancelled, 10) << seed;
    ASSERT_EQ(refused, 0);
  }
}

}  // namespace
}  // namespace varve
