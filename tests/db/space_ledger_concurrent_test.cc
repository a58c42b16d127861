// The ledger of a directory's capacity, beside a disk that counts what is really allocated.

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "db/space_ledger.h"
#include "tests/support/baton_scheduler.h"
#include "tests/support/sim_env.h"
#include "util/random.h"
#include "util/thread.h"

namespace varve {
namespace {

using Reservation = SpaceLedger::Reservation;

constexpr uint64_t kSecond = 1'000'000'000;

// "used+reserved".
std::string Text(const SpaceLedger& ledger) {
  const SpaceLedger::State state = ledger.state();
  return std::to_string(state.used) + "+" + std::to_string(state.reserved);
}

TEST(SpaceLedger, ReservesCommitsReleases) {
  SimClock clock;
  SpaceLedger ledger(&clock, 100);
  {
    Reservation file;
    ASSERT_TRUE(ledger.TryReserve(60, &file));
    EXPECT_EQ(Text(ledger), "0+60");
    Reservation other;
    EXPECT_FALSE(ledger.TryReserve(41, &other));
    ASSERT_TRUE(ledger.TryReserve(40, &other));
    file.Commit(25);
    EXPECT_EQ(Text(ledger), "25+75");
    EXPECT_EQ(file.bytes(), 35u);
    other.Release(15);
    EXPECT_EQ(Text(ledger), "25+60");
    file.Release();
    file.Release();
    EXPECT_EQ(Text(ledger), "25+25");
  }
  EXPECT_EQ(Text(ledger), "25+0");
  ledger.Credit(25);
  EXPECT_EQ(Text(ledger), "0+0");
}

TEST(SpaceLedger, ReservationsAreHandedOver) {
  SimClock clock;
  SpaceLedger ledger(&clock, 100);
  Reservation memtable, batch;
  ASSERT_TRUE(ledger.TryReserve(30, &batch));
  memtable.Add(std::move(batch));
  ASSERT_TRUE(ledger.TryReserve(20, &batch));
  memtable.Add(std::move(batch));
  EXPECT_EQ(memtable.bytes(), 50u);
  Reservation flush = std::move(memtable);
  Reservation ghost = flush.Split(15);
  EXPECT_EQ(ghost.bytes(), 15u);
  EXPECT_EQ(flush.bytes(), 35u);
  EXPECT_EQ(Text(ledger), "0+50");
  flush.Commit(35);
  ghost.Commit(10);
  ghost = Reservation();
  EXPECT_EQ(Text(ledger), "45+0");
  EXPECT_EQ(ledger.state().overrun, 0u);
}

TEST(SpaceLedger, WhatIsThereCountsWhoeverReserved) {
  SimClock clock;
  SpaceLedger ledger(&clock, 100);
  ledger.Charge(130);  // an open finds more than it may hold
  Reservation file;
  EXPECT_FALSE(ledger.TryReserve(1, &file));
  EXPECT_EQ(ledger.state().wanted, 30u);
  ledger.Credit(50);
  ASSERT_TRUE(ledger.TryReserve(20, &file));
  file.Commit(25);  // its blocks were larger than thought
  EXPECT_EQ(Text(ledger), "105+0");
  EXPECT_EQ(ledger.state().overrun, 5u);
  EXPECT_FALSE(ledger.TryReserve(1, &file));
}

TEST(SpaceLedger, ALoweredCapacityHoldsAtOnce) {
  SimClock clock;
  SpaceLedger ledger(&clock, SpaceLedger::kUnlimited);
  Reservation file;
  ASSERT_TRUE(ledger.TryReserve(uint64_t{1} << 50, &file));
  file.Commit(80);
  file.Release();
  ledger.SetCapacity(50);
  EXPECT_FALSE(ledger.TryReserve(1, &file));
  EXPECT_EQ(ledger.state().wanted, 30u);
  ledger.SetCapacity(82);
  EXPECT_TRUE(ledger.TryReserve(1, &file));
  EXPECT_TRUE(ledger.TryReserve(1, &file));  // adds to what it has
  EXPECT_EQ(file.bytes(), 2u);
}

// In the order of arrival, past nobody; TryReserve passes all who wait.
TEST(SpaceLedger, WaitersGoInOrder) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    BatonScheduler scheduler({.seed = seed});
    scheduler.Run([&] {
      const auto clock = scheduler.clock();
      SpaceLedger ledger(clock.get(), 100);
      Reservation all;
      ASSERT_TRUE(ledger.TryReserve(100, &all));
      std::string order;
      std::vector<Thread> threads;
      std::deque<Reservation> granted(3);
      for (const uint64_t bytes : {90, 20, 10}) {
        threads.emplace_back("waiter", [&, bytes, i = threads.size()] {
          EXPECT_TRUE(ledger.Reserve(bytes, 1000 * kSecond, &granted[i]));
          order += std::to_string(bytes) + " ";
        });
        SleepFor(kSecond);
      }
      EXPECT_EQ(ledger.state().waiting, 120u);
      EXPECT_EQ(ledger.state().wanted, 120u);
      all.Release(60);  // enough for the second and the third, which wait behind the first
      SleepFor(kSecond);
      EXPECT_EQ(order, "");
      Reservation job;
      EXPECT_TRUE(ledger.TryReserve(60, &job));
      job.Release();
      EXPECT_FALSE(ledger.Reserve(1, 0, &job));  // who comes later waits behind them
      all.Release(30);
      SleepFor(kSecond);
      EXPECT_EQ(order, "90 ");
      granted[0].Commit(90);
      ledger.Credit(10);
      all.Release();
      SleepFor(kSecond);
      EXPECT_EQ(order, "90 20 ");
      ledger.Credit(80);
      SleepFor(kSecond);
      EXPECT_EQ(order, "90 20 10 ");
    });
  }
}

TEST(SpaceLedger, WaitingEnds) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    BatonScheduler scheduler({.seed = seed});
    scheduler.Run([&] {
      const auto clock = scheduler.clock();
      SpaceLedger ledger(clock.get(), 100);
      Reservation all, none;
      ASSERT_TRUE(ledger.Reserve(100, 0, &all));
      const uint64_t start = clock->MonotonicNanos();
      EXPECT_FALSE(ledger.Reserve(101, 1000 * kSecond, &none));  // it could never fit
      EXPECT_LT(clock->MonotonicNanos() - start, kSecond);
      all.Release(5);
      Thread second("second", [&] {
        SleepFor(kSecond / 2);
        Reservation small;
        EXPECT_TRUE(ledger.Reserve(5, 1000 * kSecond, &small));
      });
      EXPECT_FALSE(ledger.Reserve(10, kSecond, &none));
      EXPECT_GE(clock->MonotonicNanos() - start, kSecond);
      second.Join();  // nobody stands before it any more
      EXPECT_LT(clock->MonotonicNanos() - start, 2 * kSecond);
      // Who waits for more than a lowered capacity need not wait any longer.
      Thread third("third", [&] { EXPECT_FALSE(ledger.Reserve(95, 1000 * kSecond, &none)); });
      SleepFor(kSecond);
      ledger.SetCapacity(94);
      third.Join();
      EXPECT_LT(clock->MonotonicNanos() - start, 100 * kSecond);
    });
  }
}

// Files that grow and go, by several threads. The disk counts what they take, apart from the
// ledger: it is never fuller than the capacity, and ends as full as the ledger says.
class Disk {
 public:
  explicit Disk(SpaceLedger* ledger, uint64_t capacity) : ledger_(ledger), capacity_(capacity) {}

  void Work(uint64_t seed, int steps) {
    Random random(seed);
    std::deque<uint64_t> files;
    for (int step = 0; step < steps; ++step) {
      if (!files.empty() && random.OneIn(2)) {
        allocated_ -= files.front();
        SchedulePoint();
        ledger_->Credit(files.front());
        files.pop_front();
        continue;
      }
      Reservation reservation;
      const uint64_t bytes = 1 + random.Uniform(capacity_ / 3);
      const bool granted = random.OneIn(2)
                               ? ledger_->TryReserve(bytes, &reservation)
                               : ledger_->Reserve(bytes, random.Uniform(50'000), &reservation);
      (granted ? granted_ : refused_)++;
      if (!granted) continue;
      Reservation part = reservation.Split(random.Uniform(bytes + 1));
      uint64_t file = 0;
      while (reservation.bytes() > 0 && !random.OneIn(8)) {
        const uint64_t more = 1 + random.Uniform(reservation.bytes());
        if ((allocated_ += more) > capacity_) ++passed_;
        SchedulePoint();
        reservation.Commit(more);
        file += more;
        if (random.OneIn(6)) reservation.Add(std::move(part));
      }
      const SpaceLedger::State state = ledger_->state();
      if (state.used + state.reserved > state.capacity) ++passed_;
      files.push_back(file);
    }
    for (const uint64_t file : files) {
      allocated_ -= file;
      ledger_->Credit(file);
    }
  }

  void Check() const {
    EXPECT_EQ(passed_.load(), 0u);
    EXPECT_EQ(allocated_.load(), 0u);
    EXPECT_EQ(Text(*ledger_), "0+0");
    EXPECT_EQ(ledger_->state().overrun, 0u);
    EXPECT_EQ(ledger_->state().waiting, 0u);
  }
  uint64_t granted() const { return granted_; }
  uint64_t refused() const { return refused_; }

 private:
  SpaceLedger* const ledger_;
  const uint64_t capacity_;
  std::atomic<uint64_t> allocated_{0}, passed_{0}, granted_{0}, refused_{0};
};

TEST(SpaceLedger, FilesNeverPassTheCapacity) {  // Checklist E13
  uint64_t granted = 0, refused = 0;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    BatonScheduler scheduler({.seed = seed});
    scheduler.Run([&] {
      const auto clock = scheduler.clock();
      SpaceLedger ledger(clock.get(), 1000);
      Disk disk(&ledger, 1000);
      std::vector<Thread> threads;
      for (uint64_t t = 0; t < 4; ++t) {
        threads.emplace_back("files", [&disk, seed, t] { disk.Work(seed * 10 + t, 40); });
      }
      threads.clear();
      disk.Check();
      granted += disk.granted();
      refused += disk.refused();
    });
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(granted, 1000u);
  EXPECT_GT(refused, 100u);
}

TEST(SpaceLedger, Stress) {  // the same on real threads, for tsan
  const std::shared_ptr<Clock> clock = Env::Default().clock;
  SpaceLedger ledger(clock.get(), 100'000);
  Disk disk(&ledger, 100'000);
  std::vector<Thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back("files", [&disk, t] { disk.Work(t, 3000); });
  }
  threads.clear();
  disk.Check();
  EXPECT_GT(disk.granted(), 100u);
}

}  // namespace
}  // namespace varve
