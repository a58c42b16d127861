// What follows from a cache's capacity.

#include "db/capacity_plan.h"

#include <gtest/gtest.h>

#include <string>

#include "db/metered_file_system.h"
#include "varve/db.h"

namespace varve {
namespace {

constexpr uint64_t kKiB = 1 << 10, kMiB = 1 << 20, kGiB = 1 << 30;

TEST(CapacityPlan, SizesFollowFromTheCapacity) {
  EXPECT_EQ(SizesFor(2 * kMiB), (CapacitySizes{64 * kKiB, 64 * kKiB, 2, 1}));
  EXPECT_EQ(SizesFor(64 * kMiB), (CapacitySizes{256 * kKiB, 64 * kKiB, 4, 2}));
  EXPECT_EQ(SizesFor(kGiB), (CapacitySizes{4 * kMiB, kMiB, 4, 2}));
  EXPECT_EQ(SizesFor(16 * kGiB), (CapacitySizes{64 * kMiB, 16 * kMiB, 4, 2}));
  EXPECT_EQ(SizesFor(1000 * kGiB), (CapacitySizes{64 * kMiB, 16 * kMiB, 4, 2}));
  for (uint64_t capacity = 0; capacity < 100 * kGiB; capacity = capacity * 3 / 2 + 1) {
    Options options = Options::ForCache(capacity);
    EXPECT_EQ(SizesOf(options), SizesFor(capacity));
    options.capacity_bytes = UINT64_MAX >> 1;
    EXPECT_TRUE(options.Validate().ok()) << capacity << options.Validate().ToString();
  }
}

TEST(CapacityPlan, TheMinimumIsSmallAndAnOpenBelowItNamesIt) {
  const uint64_t minimum = DB::MinimumCapacity(Options::ForCache(1));
  EXPECT_LT(minimum, 3 * kMiB / 2);
  EXPECT_GT(minimum, kMiB / 2);
  EXPECT_TRUE(Options::ForCache(minimum).Validate().ok());
  const Status refused = Options::ForCache(minimum - 1).Validate();
  EXPECT_TRUE(refused.IsInvalidArgument());
  EXPECT_NE(refused.ToString().find(std::to_string(minimum)), std::string::npos)
      << refused.ToString();
  EXPECT_NE(refused.ToString().find("capacity_bytes"), std::string::npos);
  // Sizes that were set apart want more.
  Options options = Options::ForCache(minimum);
  options.memtable_bytes = 8 * kMiB;
  EXPECT_GT(DB::MinimumCapacity(options), 10 * kMiB);
  EXPECT_TRUE(options.Validate().IsInvalidArgument());
  options = Options::ForCache(minimum);
  options.segment_bytes = 8 * kMiB;
  EXPECT_GT(DB::MinimumCapacity(options), 8 * kMiB);
}

// Checklist E9: what is kept beside segments fits inside, with the floors of all sizes.
TEST(CapacityPlan, PartsFitInsideTheCapacity) {
  for (uint64_t capacity = DB::MinimumCapacity(Options::ForCache(1)); capacity < 1000 * kGiB;
       capacity = capacity * 5 / 4) {
    const Options options = Options::ForCache(capacity);
    ASSERT_TRUE(options.Validate().ok()) << capacity;
    const CapacityPlan plan = PlanCapacity(options);
    EXPECT_LE(plan.minimum_bytes, capacity);
    EXPECT_GE(plan.batch_room_bytes, capacity - plan.minimum_bytes);
    // Logs and flush of every memtable, and those kept, leave most of it for segments.
    FlushLoad load;
    load.data_bytes = options.memtable_bytes;
    load.entries = options.memtable_bytes / 100;
    const uint64_t pipeline =
        static_cast<uint64_t>(options.memtables_max) * (LogRoom(plan, 0) + FlushBytesMax(load)) +
        (plan.spare_logs_max + plan.recycled_logs_max) * LogRoom(plan, 0);
    EXPECT_LT(pipeline + plan.standing_bytes + plan.ahead_high_bytes, capacity * 7 / 10)
        << capacity;
    if (capacity > 64 * kMiB) {
      EXPECT_LT(pipeline + plan.standing_bytes + plan.ahead_high_bytes, capacity / 4) << capacity;
    }
  }
}

TEST(CapacityPlan, AnyBatchOf64KiBOfOrdinaryEntriesFitsTheMinimum) {
  const Options options = Options::ForCache(DB::MinimumCapacity(Options::ForCache(1)));
  const CapacityPlan plan = PlanCapacity(options);
  for (const uint64_t entry : {20, 100, 1000, 16000, 65000}) {
    FlushLoad load;
    load.entries = kBatchBytesLeast / entry;
    load.data_bytes = kBatchBytesLeast;
    load.expiring = true;
    EXPECT_LE(BatchRoom(plan, kBatchBytesLeast, load), plan.batch_room_bytes) << entry;
  }
  FlushLoad ranges;
  ranges.entries = ranges.range_deletes = 100;
  ranges.data_bytes = ranges.range_bytes = kBatchBytesLeast / 4;
  ranges.expiring = true;
  EXPECT_LE(BatchRoom(plan, kBatchBytesLeast / 4, ranges), plan.batch_room_bytes);
}

TEST(CapacityPlan, RangeTombstonesCountForEachSibling) {
  FlushLoad load;
  load.entries = 100;
  load.data_bytes = 10'000;
  const uint64_t points = FlushBytesMax(load);
  EXPECT_GT(points, 10'000u);
  load.range_deletes = 10;
  load.range_bytes = 10'000;
  const uint64_t one = FlushBytesMax(load);
  EXPECT_GE(one, points + 10'000 - MeteredFileSystem::AllocationMax(1));
  load.expiring = true;
  const uint64_t eight = FlushBytesMax(load);
  EXPECT_GE(eight, points + 2 * 8 * 10'000);  // each with a ghost, which has them too
  load.entries = 3;                           // not more siblings than entries
  EXPECT_LT(FlushBytesMax(load), eight - 2 * 4 * 10'000);
  EXPECT_EQ(FlushBytesMax({}), 0u);
}

}  // namespace
}  // namespace varve
