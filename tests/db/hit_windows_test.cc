#include "db/hit_windows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "util/random.h"

namespace varve {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kMinute = 60 * kSecond;

HitCounts Counts(uint64_t hits, uint64_t misses) { return {hits, misses, 0, 0, 0}; }

TEST(HitRatio, IsAPartOfTheGets) {
  EXPECT_TRUE(std::isnan(HitRatio({})));
  EXPECT_EQ(HitRatio(Counts(3, 1)), 0.75);
  EXPECT_EQ(HitRatio(Counts(0, 1)), 0);
}

TEST(HitRatio, AMissCountsAsMuchAsAnEntryWritten) {
  HitCounts counts = {3, 2, 300, 4, 800};  // a miss is worth 200 bytes
  EXPECT_EQ(ByteHitRatio(counts, {}), 300.0 / 700);
  counts.written_entries = counts.written_bytes = 0;
  EXPECT_EQ(ByteHitRatio(counts, {0, 0, 0, 10, 500}), 300.0 / 400);  // of a longer time: 50
  EXPECT_EQ(ByteHitRatio(counts, {}), 300.0 / 500);                  // as a hit: 100
  EXPECT_EQ(ByteHitRatio(Counts(0, 2), {}), 0);
  EXPECT_TRUE(std::isnan(ByteHitRatio({}, {})));
}

TEST(HitWindows, KeepsTenMinutesApart) {
  HitWindows windows;
  uint64_t now = 5 * kSecond;
  HitCounts counts;
  windows.Advance(now, counts);
  for (int minute = 0; minute < 25; ++minute) {
    for (int second = 0; second < 60; ++second) {
      ++counts.hits;
      counts.misses += minute % 2;
      now += kSecond;
      windows.Advance(now, counts);
    }
    const auto intervals = windows.Intervals(now, counts);
    ASSERT_EQ(intervals.size(), static_cast<size_t>(std::min(minute + 1, 10)));
    for (size_t i = 0; i < intervals.size(); ++i) {
      EXPECT_EQ(intervals[i].nanos, kMinute);
      EXPECT_EQ(intervals[i].counts.hits, 60u);
      EXPECT_EQ(intervals[i].counts.misses, (minute - static_cast<int>(i)) % 2 * 60u);
    }
    const HitWindows::Interval recent = windows.Recent(now, counts);
    EXPECT_EQ(recent.nanos, intervals.size() * kMinute);
    EXPECT_EQ(recent.counts.hits, intervals.size() * 60);
  }
}

TEST(HitWindows, WhereNobodyAsksAnIntervalIsLonger) {
  HitWindows windows;
  windows.Advance(0, {});
  windows.Advance(61 * kSecond, Counts(10, 0));
  // An hour later: the minute before is too long ago to tell apart.
  const uint64_t now = 3600 * kSecond;
  windows.Advance(now, Counts(100, 50));
  const auto intervals = windows.Intervals(now, Counts(100, 50));
  ASSERT_EQ(intervals.size(), 1u);
  EXPECT_EQ(intervals[0].nanos, now - 61 * kSecond);
  EXPECT_EQ(intervals[0].counts.hits, 90u);
  EXPECT_EQ(windows.Recent(now, Counts(100, 50)).counts.misses, 50u);
}

TEST(HitWindows, AnIntervalUnderWayIsShort) {
  HitWindows windows;
  windows.Advance(0, {});
  const auto intervals = windows.Intervals(7 * kSecond, Counts(3, 4));
  ASSERT_EQ(intervals.size(), 1u);
  EXPECT_EQ(intervals[0].nanos, 7 * kSecond);
  EXPECT_EQ(intervals[0].counts.hits, 3u);
  EXPECT_TRUE(windows.Intervals(0, {}).empty());
}

// Checklist E1: no difference wraps.
TEST(HitWindows, CountersThatAreSetBackBeginAnew) {
  HitWindows windows;
  windows.Advance(0, Counts(100, 100));
  windows.Advance(kMinute, Counts(200, 100));
  windows.Advance(kMinute + kSecond, Counts(1, 0));
  EXPECT_EQ(windows.Recent(kMinute + 2 * kSecond, Counts(5, 2)).counts.hits, 4u);
  // Set back between two calls: nothing, rather than a number near 2^64.
  EXPECT_EQ(windows.Recent(kMinute + 3 * kSecond, Counts(0, 0)).counts.hits, 0u);
}

// Whenever it is advanced: the intervals are those of what came in their time, and no count is in
// two of them or, within the time they span, in none.
TEST(HitWindows, AnyTimesOfAdvancingGiveTheSameSums) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    HitWindows windows;
    HitCounts counts;
    std::vector<std::pair<uint64_t, HitCounts>> history;
    uint64_t now = random.Uniform(1000);
    for (int step = 0; step < 300; ++step) {
      windows.Advance(now, counts);
      history.emplace_back(now, counts);
      uint64_t end = now;
      HitCounts sum;
      for (const HitWindows::Interval& interval : windows.Intervals(now, counts)) {
        ASSERT_LE(interval.nanos, end);
        end -= interval.nanos;
        sum.hits += interval.counts.hits;
        sum.misses += interval.counts.misses;
        const auto begin = std::find_if(history.begin(), history.end(),
                                        [&](const auto& then) { return then.first == end; });
        ASSERT_NE(begin, history.end());
        ASSERT_EQ(sum.hits, counts.hits - begin->second.hits);
        ASSERT_EQ(sum.misses, counts.misses - begin->second.misses);
      }
      const HitWindows::Interval recent = windows.Recent(now, counts);
      ASSERT_EQ(recent.nanos, now - end);
      ASSERT_EQ(recent.counts.hits, sum.hits);
      const uint64_t all = now - history.front().first;
      ASSERT_GE(recent.nanos, std::min(all, HitWindows::kIntervals * HitWindows::kIntervalNanos));
      now += random.OneIn(10) ? random.Uniform(20 * kMinute) : random.Uniform(40 * kSecond);
      counts.hits += random.Uniform(100);
      counts.misses += random.Uniform(100);
    }
  }
}

}  // namespace
}  // namespace varve
