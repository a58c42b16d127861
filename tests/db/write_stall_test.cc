// How writers are held to the speed of background work: the rate as a function, and the loop that
// it closes with writers, flushes and compactions.

#include "db/write_stall.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <numeric>
#include <string>

namespace varve {
namespace {

StallInputs Quiet() {
  StallInputs in;
  in.level0_slowdown_runs = 20;
  in.level0_stop_runs = 36;
  in.debt_slowdown_bytes = 4e9;
  in.debt_stop_bytes = 16e9;
  in.flush_bytes_per_second = 200e6;
  in.compaction_bytes_per_second = 50e6;
  return in;
}

std::string Describe(const StallDecision& decision) {
  std::string text = StallStateName(decision.state);
  if (decision.state == StallState::kNone) return text;
  return text + " by " + StallReasonName(decision.reason) + " to " +
         std::to_string(decision.bytes_per_second / 1'000'000) + " MB/s";
}

TEST(DecideStall, FollowsTheFullestQueue) {
  struct {
    double memtables, runs, debt_gb;
    const char* expected;
  } const table[] = {
      {0, 0, 0, "none"},
      {4, 20, 4, "none"},  // where delays begin
      {7.5, 0, 0, "delayed by memtables to 200 MB/s"},
      {6, 0, 0, "delayed by memtables to 831 MB/s"},
      {9, 0, 0, "delayed by memtables to 48 MB/s"},
      {11, 0, 0, "stopped by memtables to 2 MB/s"},
      {0, 28, 0, "delayed by level-0 runs to 50 MB/s"},
      {0, 22, 0, "delayed by level-0 runs to 350 MB/s"},
      {0, 34, 0, "delayed by level-0 runs to 7 MB/s"},
      {0, 36, 0, "stopped by level-0 runs to 0 MB/s"},
      {0, 0, 10, "delayed by compaction debt to 50 MB/s"},
      {0, 0, 99, "stopped by compaction debt to 0 MB/s"},
      {7.5, 28, 0, "delayed by level-0 runs to 50 MB/s"},  // the slower one
      {9, 22, 0, "delayed by memtables to 48 MB/s"},
      {11, 28, 0, "stopped by memtables to 2 MB/s"},
      {0, 34, 16, "stopped by compaction debt to 0 MB/s"},
  };
  for (const auto& row : table) {
    StallInputs in = Quiet();
    in.memtables_queued = row.memtables;
    in.memtables_held = row.memtables;
    in.level0_runs = row.runs;
    in.debt_bytes = row.debt_gb * 1e9;
    EXPECT_EQ(Describe(DecideStall(in)), row.expected)
        << row.memtables << " memtables, " << row.runs << " runs, " << row.debt_gb << " GB";
  }
}

// Where nothing compacts by itself, no number of runs is a reason to wait.
TEST(DecideStall, LeavesOutWhatNobodyWorksOn) {
  StallInputs in = Quiet();
  in.level0_runs = 1000;
  in.debt_bytes = 1e15;
  in.level0_stop_runs = 0;
  in.debt_stop_bytes = 0;
  EXPECT_EQ(Describe(DecideStall(in)), "none");
}

// No cliff: over each queue the rate only falls, and no small step of the queue changes it much,
// down to where it is a trickle.
TEST(DecideStall, HasNoCliff) {
  const auto expect_smooth = [](const char* what, double from, double to, auto set) {
    double before = 1e18;
    for (int i = 0; i <= 20000; ++i) {
      StallInputs in = Quiet();
      set(&in, from + (to - from) * i / 20000);
      const StallDecision decision = DecideStall(in);
      const double drain = decision.reason == StallReason::kMemtables ? 200e6 : 50e6;
      const auto rate =
          decision.bytes_per_second == 0 ? 1e18 : static_cast<double>(decision.bytes_per_second);
      EXPECT_LE(rate, before) << what << " step " << i;
      if (rate < drain) {
        EXPECT_GE(rate, before - drain * 0.004) << what << " step " << i;
      }
      before = rate;
    }
  };
  expect_smooth("memtables", 0, 16, [](StallInputs* in, double x) { in->memtables_queued = x; });
  expect_smooth("memory", 0, 16, [](StallInputs* in, double x) { in->memtables_held = x; });
  expect_smooth("runs", 0, 50, [](StallInputs* in, double x) { in->level0_runs = x; });
  expect_smooth("debt", 0, 20e9, [](StallInputs* in, double x) { in->debt_bytes = x; });
}

TEST(DecideStall, UnknownSpeedsAreGuessed) {
  StallInputs in = Quiet();
  in.memtables_queued = 7.5;
  in.flush_bytes_per_second = 0;
  EXPECT_EQ(Describe(DecideStall(in)), "delayed by memtables to 32 MB/s");
}

// However few memtables there may be, a flush of full size that is due delays nobody to less than
// its own speed, and the delay ends in a stop where they are all full.
TEST(MemtableLimits, LieAroundWhatAFlushLeaves) {
  for (int max = 2; max <= 128; ++max) {
    for (int flush_min = 1; flush_min < max; ++flush_min) {
      for (int flush_max = 1; flush_max <= std::max(max / 2, flush_min); ++flush_max) {
        const MemtableLimits limits = MemtableLimitsOf(max, flush_min, flush_max);
        SCOPED_TRACE(std::to_string(max) + ", " + std::to_string(flush_min) + ", " +
                     std::to_string(flush_max));
        ASSERT_GE(limits.stop - limits.slowdown, 1);
        ASSERT_LE(limits.stop, max + 0.5);
        ASSERT_GE((limits.slowdown + limits.stop) / 2, flush_min);
      }
    }
  }
}

TEST(TokenBucket, OwesWhatTimeHasNotPaid) {
  TokenBucket bucket;
  bucket.Reset(0);
  EXPECT_EQ(bucket.Charge(1000, 1'000'000, 0), 1'000'000u);          // 1 ms
  EXPECT_EQ(bucket.Charge(1000, 1'000'000, 500'000), 1'500'000u);    // half paid, as much again
  EXPECT_EQ(bucket.Charge(0, 1'000'000, 2'000'000), 0u);             // all paid
  EXPECT_EQ(bucket.Charge(1000, 1'000'000, 3'600'000'000'000), 0u);  // of an hour, 1 ms is kept
  EXPECT_EQ(bucket.Charge(1000, 1'000'000, 3'600'000'000'000), 1'000'000u);
}

// Time that passes only by sleeping: a millisecond at a time, by the model below.
class StepClock : public Clock {
 public:
  uint64_t MonotonicNanos() override { return nanos; }
  uint64_t BootMillis() override { return nanos / 1'000'000; }
  uint64_t WallMillis() override { return nanos / 1'000'000; }
  uint64_t nanos = 1'000'000'000;
};

// Writers that always want to write, a flush, and a compaction that takes all of level 0 at once,
// each with a fixed bandwidth.
struct Loop {
  double writers = 400e6;       // bytes a second they would write
  double flush = 250e6;         // a flush reads
  double compaction = 60e6;     // a compaction takes from level 0, in the first half
  double compaction_later = 0;  // and in the second, if not 0
  double hang_seconds = 0;      // one flush, half-way, waits so long for its device
  bool tell_progress = true;
  double seconds = 120;

  // Outcome, of the last quarter: bytes a second, in each second and in all, and runs of level 0.
  double rate_min = 1e18, rate_max = 0, rate_average = 0;
  double runs_min = 1e18, runs_max = 0;
  // From beginning to end.
  double stopped_seconds = 0;
  double delay_ms_max = 0;  // of one write of kWrite bytes

  void Run() {
    StepClock clock;
    WriteStall stall(&clock);
    TokenBucket bucket;
    bucket.Reset(clock.nanos);
    constexpr int kMemtablesMax = 16, kFlushMin = 4, kFlushMax = 8, kTrigger = 4;
    constexpr double kStep = 0.001, kWrite = 8000, kMemtable = 8e6;
    double active = 0, flush_left = 0, merge_left = 0, merge_bytes = 0, asleep = 0;
    double hang_left = hang_seconds;
    int immutables = 0, flushing = 0;
    std::deque<double> runs;  // bytes
    size_t merging = 0;       // of the oldest
    double second_bytes = 0, total = 0;
    const int steps = static_cast<int>(seconds / kStep);
    for (int step = 0; step < steps; ++step) {
      const bool measure = step >= steps * 3 / 4;
      if (flushing == 0 && immutables >= kFlushMin) {
        flushing = std::min(immutables, kFlushMax);
        flush_left = flushing * kMemtable;
        stall.FlushBegan(static_cast<size_t>(flushing), static_cast<uint64_t>(flush_left));
      }
      if (flushing > 0 && step >= steps / 2 && hang_left > 0) {
        hang_left -= kStep;
      } else if (flushing > 0 && (flush_left -= flush * kStep) <= 0) {
        runs.push_front(flushing * kMemtable);
        immutables -= flushing;
        flushing = 0;
        stall.FlushEnded(/*ok=*/true);
      }
      if (merging == 0 && runs.size() >= kTrigger) {
        merging = runs.size();
        merge_bytes = std::accumulate(runs.begin(), runs.end(), 0.0);
        merge_left = merge_bytes;
      }
      const double bandwidth =
          compaction_later != 0 && step >= steps / 2 ? compaction_later : compaction;
      if (merging > 0 && (merge_left -= bandwidth * kStep) <= 0) {
        runs.resize(runs.size() - merging);
        merging = 0;
      }

      StallInputs in;
      in.memtables_queued = immutables + active / kMemtable;
      in.memtables_max = kMemtablesMax;
      in.flush_memtables_min = kFlushMin;
      in.flush_memtables_max = kFlushMax;
      in.level0_runs = static_cast<double>(runs.size());
      if (tell_progress && merging > 0) {
        in.level0_runs -= static_cast<double>(merging) * (1 - merge_left / merge_bytes);
      }
      in.level0_slowdown_runs = 20;
      in.level0_stop_runs = 36;
      StallInfo change;
      stall.Update(in, &change);

      bool stopped = false;
      for (double left = writers * kStep; left > 0 && !stopped && asleep < kStep; left -= kWrite) {
        if (active + kWrite > kMemtable) {
          stopped = immutables + 1 >= kMemtablesMax || stall.state() == StallState::kStopped;
          if (stopped) break;
          ++immutables;
          active = 0;
        }
        stall.Count(static_cast<uint64_t>(kWrite));
        if (const uint64_t rate = stall.bytes_per_second(); rate != 0) {
          uint64_t wait = bucket.Charge(static_cast<uint64_t>(kWrite), rate, clock.nanos);
          if (wait > WriteStall::kDelayNanosMax) {
            wait = WriteStall::kDelayNanosMax;
            bucket.Reset(clock.nanos + wait);
          }
          stall.CountSleep(wait);
          asleep = static_cast<double>(wait) / 1e9;
          delay_ms_max = std::max(delay_ms_max, asleep * 1e3);
        }
        active += kWrite;
        second_bytes += kWrite;
      }
      asleep = std::max(0.0, asleep - kStep);
      clock.nanos += 1'000'000;

      stopped_seconds += stopped ? kStep : 0;
      if (measure) {
        runs_min = std::min(runs_min, in.level0_runs);
        runs_max = std::max(runs_max, in.level0_runs);
      }
      if (step % 1000 != 999) continue;
      if (measure) {
        rate_min = std::min(rate_min, second_bytes);
        rate_max = std::max(rate_max, second_bytes);
        total += second_bytes;
      }
      second_bytes = 0;
    }
    rate_average = total / (seconds / 4);
  }

  // Writers go at the speed of the slower background work, evenly, and were never stopped.
  void ExpectSteady(double rate) const {
    EXPECT_NEAR(rate_average, rate, rate * 0.02);
    EXPECT_GE(rate_min, rate * 0.95);
    EXPECT_LE(rate_max, rate * 1.05);
    EXPECT_EQ(stopped_seconds, 0);
    EXPECT_LE(delay_ms_max, 20);
  }
};

// Checklist E5: the rate that it sets comes to rest, from wherever it begins, at what is sustained.
TEST(ClosedLoop, WritersGoAsFastAsCompactionSustains) {
  for (const double compaction : {30e6, 60e6, 120e6, 200e6}) {
    SCOPED_TRACE("compaction " + std::to_string(compaction));
    Loop loop;
    loop.compaction = compaction;
    loop.seconds = 400;
    loop.Run();
    loop.ExpectSteady(compaction);
    EXPECT_GE(loop.runs_min, 26.5);  // at rest half-way from 20 to 36
    EXPECT_LE(loop.runs_max, 29.5);
  }
}

TEST(ClosedLoop, WritersGoAsFastAsFlushesDo) {
  Loop loop;
  loop.compaction = 1000e6;
  loop.Run();
  loop.ExpectSteady(250e6);
  EXPECT_LE(loop.runs_max, 5);
  loop = Loop();
  loop.flush = 40e6;
  loop.Run();
  loop.ExpectSteady(40e6);
}

TEST(ClosedLoop, SlowWritersAreLeftAlone) {
  Loop loop;
  loop.writers = 48e6;
  loop.Run();
  loop.ExpectSteady(48e6);
  EXPECT_EQ(loop.delay_ms_max, 0);
}

// Checklist E5.
TEST(ClosedLoop, FollowsAChangeOfSpeed) {
  Loop loop;
  loop.compaction = 120e6;
  loop.compaction_later = 40e6;
  loop.seconds = 240;
  loop.Run();
  loop.ExpectSteady(40e6);
  loop = Loop();
  loop.compaction = 40e6;
  loop.compaction_later = 120e6;
  loop.seconds = 240;
  loop.Run();
  loop.ExpectSteady(120e6);
}

// A flush whose device does not answer for a while: its progress is over-estimated, and the last of
// the room is given out slowly, to each writer a little late, before anybody has to be stopped.
TEST(ClosedLoop, AFlushThatHangsStopsNobody) {
  for (const double flush : {100e6, 250e6, 1000e6}) {
    SCOPED_TRACE("flush " + std::to_string(flush));
    Loop loop;
    loop.writers = 120e6;
    loop.flush = flush;
    loop.compaction = 1000e6;
    loop.hang_seconds = 0.7;
    loop.Run();
    EXPECT_EQ(loop.stopped_seconds, 0);
    EXPECT_LE(loop.delay_ms_max, 20);
  }
}

// What progress is for: without it the speed swings with every compaction.
TEST(ClosedLoop, SwingsWhereProgressIsNotTold) {
  Loop loop;
  loop.tell_progress = false;
  loop.Run();
  EXPECT_NEAR(loop.rate_average, 60e6, 6e6);
  EXPECT_GT(loop.rate_max, 2 * loop.rate_min);
}

}  // namespace
}  // namespace varve
