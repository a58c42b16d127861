// Which segments a cache gives up, over drawn caches.

#include "cache/eviction_policy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "util/random.h"

namespace varve {
namespace {

constexpr EvictionPolicy kFifo = EvictionPolicy::kFifo;
constexpr EvictionPolicy kLru = EvictionPolicy::kLru;

// "#12@9:64!700": number, epoch, bytes, and where it is given expiry.
std::vector<SegmentStatistics> Parse(const std::string& text) {
  std::vector<SegmentStatistics> segments;
  std::istringstream in(text);
  for (std::string part; in >> part;) {
    SegmentStatistics segment;
    std::istringstream fields(part);
    for (char mark; fields >> mark;) {
      if (mark == '#') fields >> segment.number;
      if (mark == '@') fields >> segment.epoch;
      if (mark == ':') fields >> segment.file_bytes;
      if (mark == '!') fields >> segment.expires_at_ms;
    }
    EXPECT_NE(segment.number, 0u) << part;
    segments.push_back(segment);
  }
  return segments;
}

// "#1 #2 (20)": victims and their bytes.
std::string Draw(const EvictionPlan& plan) {
  std::string text;
  for (const uint64_t number : plan.victims) text += "#" + std::to_string(number) + " ";
  return text + "(" + std::to_string(plan.bytes) + ")";
}

std::string Choose(EvictionPolicy policy, const std::string& cache, uint64_t bytes_wanted) {
  return Draw(ChooseVictims(policy, Parse(cache), bytes_wanted));
}

TEST(EvictionPolicy, FifoTakesTheOldest) {
  const std::string cache = "#7@9:10 #3@4:10 #5@6:10";
  EXPECT_EQ(Choose(kFifo, cache, 1), "#3 (10)");
  EXPECT_EQ(Choose(kFifo, cache, 11), "#3 #5 (20)");
  // A merge gave a high number to what is old.
  EXPECT_EQ(Choose(kFifo, "#90@4:10 #5@6:10", 1), "#90 (10)");
}

TEST(EvictionPolicy, OfOneEpochWhatExpiresFirst) {
  const std::string cache = "#1@4:10 #2@4:10!900 #3@4:10!700 #4@3:10";
  EXPECT_EQ(Choose(kFifo, cache, 31), "#4 #3 #2 #1 (40)");
  EXPECT_EQ(Choose(kLru, cache, 31), "#4 #3 #2 #1 (40)");
}

TEST(EvictionPolicy, LruTakesTheSameAndSavesWhatWasHit) {
  const std::vector<SegmentStatistics> cache = Parse("#7@9:10 #3@4:10 #5@6:10");
  EXPECT_EQ(Draw(ChooseVictims(kLru, cache, 11)), "#3 #5 (20)");
  EXPECT_TRUE(ChooseVictims(kLru, cache, 11).saves_hits);
  EXPECT_FALSE(ChooseVictims(kFifo, cache, 11).saves_hits);
}

TEST(EvictionPolicy, NoMoreThanIsWanted) {
  EXPECT_EQ(Choose(kFifo, "#1@1:10 #2@2:10", 0), "(0)");
  EXPECT_EQ(Choose(kFifo, "#1@1:10 #2@2:10", 10), "#1 (10)");
  EXPECT_EQ(Choose(kFifo, "#1@1:10 #2@2:10", 1000), "#1 #2 (20)");
  EXPECT_EQ(Choose(kLru, "", 1000), "(0)");
}

// Checklist E3: a round gives what is wanted, or everything.
TEST(EvictionPolicy, RandomCaches) {
  for (uint64_t seed = 1; seed <= 2000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const EvictionPolicy policy = random.OneIn(2) ? kFifo : kLru;
    std::vector<SegmentStatistics> segments(random.Uniform(30));
    uint64_t total = 0;
    for (size_t i = 0; i < segments.size(); ++i) {
      SegmentStatistics& segment = segments[i];
      segment.number = i + 1;
      segment.epoch = random.Uniform(10);
      segment.file_bytes = 1 + random.Uniform(100);
      if (random.OneIn(2)) segment.expires_at_ms = random.Uniform(5);
      total += segment.file_bytes;
    }
    const uint64_t wanted = random.Uniform(2 * total + 2);
    const EvictionPlan plan = ChooseVictims(policy, segments, wanted);

    std::vector<bool> gone(segments.size() + 1);
    uint64_t bytes = 0;
    for (const uint64_t number : plan.victims) {
      ASSERT_LT(bytes, wanted);  // each was needed
      ASSERT_FALSE(gone.at(number));
      gone[number] = true;
      bytes += segments[number - 1].file_bytes;
    }
    ASSERT_EQ(plan.bytes, bytes);
    ASSERT_GE(bytes, std::min(wanted, total));
    // Nothing that stays should have gone before one that goes.
    for (const SegmentStatistics& victim : segments) {
      if (!gone[victim.number]) continue;
      for (const SegmentStatistics& left : segments) {
        if (gone[left.number]) continue;
        ASSERT_LE(victim.epoch, left.epoch);
        ASSERT_TRUE(victim.epoch < left.epoch || victim.expires_at_ms <= left.expires_at_ms);
      }
    }
    std::vector<SegmentStatistics> shuffled = segments;
    for (size_t i = shuffled.size(); i > 1; --i) {
      std::swap(shuffled[i - 1], shuffled[random.Uniform(i)]);
    }
    ASSERT_EQ(Draw(ChooseVictims(policy, shuffled, wanted)), Draw(plan));
  }
}

}  // namespace
}  // namespace varve
