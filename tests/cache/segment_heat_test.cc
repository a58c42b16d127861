// Which entries count as hit.

#include "cache/segment_heat.h"

#include <gtest/gtest.h>

#include <memory>

#include "util/hash.h"

namespace varve {
namespace {

uint64_t HashOf(uint64_t i) { return Mix64(i + 1); }

class SegmentHeatTest : public ::testing::Test {
 protected:
  const std::shared_ptr<MemoryBudget> budget_ = std::make_shared<MemoryBudget>();
  HeatMemory memory_{budget_};
};

TEST_F(SegmentHeatTest, KnowsWhatWasHit) {
  SegmentHeat heat(1000);
  EXPECT_FALSE(heat.WasHit(HashOf(1)));
  EXPECT_FALSE(heat.AnyHit());
  EXPECT_EQ(heat.memory_bytes(), 0u) << "a segment that nobody reads takes nothing";
  heat.Record(HashOf(1), memory_);
  heat.Record(HashOf(1), memory_);
  EXPECT_TRUE(heat.AnyHit());
  EXPECT_TRUE(heat.WasHit(HashOf(1)));
  EXPECT_FALSE(heat.WasHit(HashOf(2)));
  EXPECT_LE(heat.memory_bytes(), 1000 * SegmentHeat::kBitsPerEntry / 8 + 8);
}

TEST_F(SegmentHeatTest, FewAreTakenForHit) {
  constexpr uint64_t kEntries = 100'000;
  SegmentHeat heat(kEntries);
  for (uint64_t i = 0; i < kEntries / 10; ++i) heat.Record(HashOf(i), memory_);
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

TEST_F(SegmentHeatTest, OfNoEntriesAndOfEveryHash) {
  SegmentHeat none(0), one(1);
  for (const uint64_t hash : {uint64_t{0}, UINT64_MAX, UINT64_MAX / 2}) {
    none.Record(hash, memory_);
    one.Record(hash, memory_);
    EXPECT_TRUE(none.WasHit(hash));
    EXPECT_TRUE(one.WasHit(hash));
  }
}

TEST_F(SegmentHeatTest, IsChargedFromTheFirstHitOn) {
  {
    SegmentHeat one(1000), two(1000), unread(1000);
    one.Record(HashOf(1), memory_);
    one.Record(HashOf(2), memory_);
    EXPECT_EQ(budget_->held(MemoryPart::kHeat), one.memory_bytes());
    two.Record(HashOf(1), memory_);
    EXPECT_EQ(budget_->held(), one.memory_bytes() + two.memory_bytes());
  }
  EXPECT_EQ(budget_->held(), 0u);
}

// Segments go without where they would take more than they may, and are asked again.
TEST_F(SegmentHeatTest, TakesNoMoreThanItMay) {
  auto old = std::make_unique<SegmentHeat>(1000);
  SegmentHeat fresh(1000);
  memory_.SetBytesMax(800);
  old->Record(HashOf(1), memory_);
  fresh.Record(HashOf(1), memory_);
  EXPECT_TRUE(old->WasHit(HashOf(1)));
  EXPECT_FALSE(fresh.AnyHit());
  EXPECT_FALSE(fresh.WasHit(HashOf(1)));
  EXPECT_EQ(fresh.memory_bytes(), 0u);
  memory_.SetBytesMax(100);  // what is there stays, and goes on
  old->Record(HashOf(2), memory_);
  EXPECT_TRUE(old->WasHit(HashOf(2)));
  fresh.Record(HashOf(1), memory_);
  EXPECT_FALSE(fresh.AnyHit());
  memory_.SetBytesMax(800);
  old.reset();
  fresh.Record(HashOf(1), memory_);
  EXPECT_TRUE(fresh.WasHit(HashOf(1)));
  EXPECT_EQ(budget_->held(), fresh.memory_bytes());
}

}  // namespace
}  // namespace varve
