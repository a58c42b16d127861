// Which entries count as hit.

#include "cache/segment_heat.h"

#include <gtest/gtest.h>

#include "util/hash.h"

namespace varve {
namespace {

uint64_t HashOf(uint64_t i) { return Mix64(i + 1); }

TEST(SegmentHeat, KnowsWhatWasHit) {
  SegmentHeat heat(1000);
  EXPECT_FALSE(heat.WasHit(HashOf(1)));
  EXPECT_FALSE(heat.AnyHit());
  EXPECT_EQ(heat.memory_bytes(), 0u) << "a segment that nobody reads takes nothing";
  heat.Record(HashOf(1));
  heat.Record(HashOf(1));
  EXPECT_TRUE(heat.AnyHit());
  EXPECT_TRUE(heat.WasHit(HashOf(1)));
  EXPECT_FALSE(heat.WasHit(HashOf(2)));
  EXPECT_LE(heat.memory_bytes(), 1000 * SegmentHeat::kBitsPerEntry / 8 + 8);
}

TEST(SegmentHeat, FewAreTakenForHit) {
  constexpr uint64_t kEntries = 100'000;
  SegmentHeat heat(kEntries);
  for (uint64_t i = 0; i < kEntries / 10; ++i) heat.Record(HashOf(i));
  uint64_t wrong = 0;
  for (uint64_t i = 0; i < kEntries; ++i) {
    const bool hit = i < kEntries / 10;
    if (hit) {
      ASSERT_TRUE(heat.WasHit(HashOf(i))) << i;
    }
    wrong += !hit && heat.WasHit(HashOf(i));
  }
  EXPECT_NEAR(static_cast<double>(wrong) / (0.9 * kEntries), 0.0247, 0.005);
}

TEST(SegmentHeat, OfNoEntriesAndOfEveryHash) {
  SegmentHeat none(0), one(1);
  for (const uint64_t hash : {uint64_t{0}, UINT64_MAX, UINT64_MAX / 2}) {
    none.Record(hash);
    one.Record(hash);
    EXPECT_TRUE(none.WasHit(hash));
    EXPECT_TRUE(one.WasHit(hash));
  }
}

}  // namespace
}  // namespace varve
