// How one budget is divided: minimum floors fit inside it, whatever it is. Checklist E9.

#include "db/memory_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "db/live_options.h"

namespace varve {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kGiB = uint64_t{1} << 30;

// The least that a plan gives each part, and the most that a part without a say takes, fit.
void ExpectWorks(const MemoryPlan& plan, const Options& options) {
  const uint64_t slow = plan.ghosts_max + plan.heat_max + plan.admission_max;
  EXPECT_LE(plan.work + plan.tables_max + slow + plan.block_cache_min + plan.segments_min,
            plan.budget);
  EXPECT_GE(plan.block_cache_min, plan.budget / 8 - 16);
  EXPECT_GE(plan.memtables_max, 2);
  EXPECT_LE(plan.memtables_max, options.memtables_max);
  EXPECT_GE(plan.flush_memtables_min, 1);
  EXPECT_LT(plan.flush_memtables_min, plan.memtables_max);
  EXPECT_GE(plan.memtable_bytes, 64u << 10);
  EXPECT_LE(plan.memtable_bytes, options.memtable_bytes);
  EXPECT_GE(plan.tables_max, static_cast<uint64_t>(plan.memtables_max) *
                                 (plan.memtable_bytes +
                                  (options.wal_mapped ? LogBytesFor(plan.memtable_bytes) : 0)));

  // The caches take what is left, and with it all together never pass the budget, as long as each
  // part keeps to its own.
  for (uint64_t tables : {uint64_t{0}, plan.tables_max / 2, plan.tables_max}) {
    for (uint64_t others : {uint64_t{0}, plan.ghosts_max, slow}) {
      for (uint64_t part : {1, 2}) {  // half the segments open, or as many as may be
        const uint64_t segments = std::min(plan.SegmentsBytes(others), plan.budget) * part / 2;
        const uint64_t held = tables + others + segments;
        EXPECT_LE(plan.work + held + std::min(plan.BlockCacheBytes(held), plan.budget),
                  plan.budget);
      }
    }
  }

  Options fitted = options;
  plan.ApplyTo(&fitted);
  EXPECT_TRUE(fitted.Validate().ok()) << fitted.Validate().ToString();
  const MemoryPlan again = PlanMemory(fitted, MemoryPlan::kUnlimited);
  EXPECT_EQ(again.budget, plan.budget);
  EXPECT_EQ(again.memtable_bytes, plan.memtable_bytes);
  EXPECT_EQ(again.memtables_max, plan.memtables_max);
  EXPECT_EQ(again.tables_max, plan.tables_max);
  EXPECT_EQ(again.flush_memtables_min, plan.flush_memtables_min);
}

TEST(MemoryPlan, ACacheNeedsNoMoreThanItsCapacity) {
  for (uint64_t capacity = 2 * kMiB; capacity <= 1024 * kGiB; capacity *= 4) {
    for (uint64_t machine : {uint64_t{1}, 20 * kMiB, 256 * kMiB, kGiB, 64 * kGiB, UINT64_MAX}) {
      SCOPED_TRACE(std::to_string(capacity) + " on " + std::to_string(machine));
      Options options = Options::ForCache(capacity);
      if (machine % 3 == 1) options.admission = AdmissionPolicy::kSeenBefore;
      ASSERT_TRUE(options.Validate().ok());
      const MemoryPlan plan = PlanMemory(options, machine);
      ASSERT_TRUE(plan.limited());
      ExpectWorks(plan, options);
      if (plan.budget > MinimumMemory(options)) {
        EXPECT_EQ(plan.budget, std::min(machine / 2, 2 * capacity + 64 * kMiB));
      }
      EXPECT_LE(plan.budget, std::max(MinimumMemory(options), machine / 2));
    }
  }
}

TEST(MemoryPlan, WhateverIsGivenIsDivided) {
  for (bool mapped : {true, false}) {
    for (size_t memtable_bytes : {size_t{64} << 10, size_t{1} << 20, size_t{100} << 20}) {
      for (int memtables_max : {2, 5, 128}) {
        for (int threads : {1, 64}) {
          Options options;
          options.wal_mapped = mapped;
          options.memtable_bytes = memtable_bytes;
          options.memtables_max = memtables_max;
          options.flush_memtables_min = std::min(4, memtables_max - 1);
          options.background_threads = threads;
          const uint64_t minimum = MinimumMemory(options);
          for (uint64_t more : {uint64_t{0}, kMiB, 30 * kMiB, kGiB, 100 * kGiB}) {
            options.memory_bytes = minimum + more;
            SCOPED_TRACE(DescribeOptions(options));
            ASSERT_TRUE(options.Validate().ok()) << options.Validate().ToString();
            ExpectWorks(PlanMemory(options, 0), options);
          }
        }
      }
    }
  }
}

// With enough of it nothing is less than was asked for.
TEST(MemoryPlan, EnoughChangesNothing) {
  Options options;
  options.memory_bytes = 16 * kGiB;
  const MemoryPlan plan = PlanMemory(options, 0);
  EXPECT_EQ(plan.memtable_bytes, options.memtable_bytes);
  EXPECT_EQ(plan.memtables_max, options.memtables_max);
  EXPECT_EQ(plan.flush_memtables_min, options.flush_memtables_min);
  // The options are what the parts have at most.
  EXPECT_EQ(plan.BlockCacheBytes(0), options.block_cache_bytes);
  EXPECT_EQ(plan.SegmentsBytes(0), options.open_segments_bytes);
}

TEST(MemoryPlan, LessIsMadeOfFewerMemtablesFirst) {
  Options options;  // 16 of 8 MiB
  options.memory_bytes = 512 * kMiB;
  const MemoryPlan some = PlanMemory(options, 0);
  EXPECT_EQ(some.memtable_bytes, options.memtable_bytes);
  EXPECT_LT(some.memtables_max, 16);
  EXPECT_GE(some.memtables_max, 4);
  options.memory_bytes = 128 * kMiB;
  const MemoryPlan less = PlanMemory(options, 0);
  EXPECT_LT(less.memtable_bytes, options.memtable_bytes);
  EXPECT_EQ(less.memtables_max, 4);
}

TEST(MemoryPlan, TooLittleIsRefusedWithTheMinimum) {
  Options options;
  const uint64_t minimum = MinimumMemory(options);
  EXPECT_LT(minimum, 64 * kMiB);
  options.memory_bytes = minimum - 1;
  EXPECT_EQ(options.Validate().ToString(),
            "InvalidArgument: memory_bytes = " + std::to_string(minimum - 1) +
                ": must be at least " + std::to_string(minimum) + " with these options");
  options.memory_bytes = minimum;
  EXPECT_TRUE(options.Validate().ok());
  EXPECT_LT(MinimumMemory(Options::ForCache(kMiB)), 64 * kMiB);
}

TEST(MemoryPlan, ADatabaseHasTheSizesOfItsOptions) {
  const Options options;
  const MemoryPlan plan = PlanMemory(options, kMiB);
  EXPECT_FALSE(plan.limited());
  EXPECT_EQ(plan.memtable_bytes, options.memtable_bytes);
  EXPECT_EQ(plan.memtables_max, options.memtables_max);
  EXPECT_EQ(plan.BlockCacheBytes(100 * kGiB), options.block_cache_bytes);
  EXPECT_EQ(plan.SegmentsBytes(100 * kGiB), options.open_segments_bytes);
}

// What only caches have, and only some of them, takes nothing from others.
TEST(MemoryPlan, HeatAndAdmissionHaveAShareWhereTheyAre) {
  Options options = Options::ForCache(kGiB);
  options.memory_bytes = 256 * kMiB;
  const MemoryPlan lru = PlanMemory(options, 0);
  EXPECT_EQ(lru.heat_max, 16 * kMiB);
  EXPECT_EQ(lru.admission_max, 0u);
  options.eviction = EvictionPolicy::kFifo;
  options.admission = AdmissionPolicy::kSeenBefore;
  const MemoryPlan fifo = PlanMemory(options, 0);
  EXPECT_EQ(fifo.heat_max, 0u);
  EXPECT_EQ(fifo.admission_max, 8 * kMiB);
  options.capacity_bytes = 0;
  const MemoryPlan database = PlanMemory(options, 0);
  EXPECT_EQ(database.heat_max, 0u);
  EXPECT_EQ(database.admission_max, 0u);
  EXPECT_EQ(PlanMemory(Options(), 0).heat_max, MemoryPlan::kUnlimited);
}

// The block cache gives way first, and keeps an eighth.
TEST(MemoryPlan, TheBlockCacheGivesWay) {
  Options options = Options::ForCache(kGiB);
  options.memory_bytes = 256 * kMiB;
  const MemoryPlan plan = PlanMemory(options, 0);
  const auto kept = [&](uint64_t left) { return left - left / 12; };  // but for what malloc loses
  EXPECT_EQ(plan.BlockCacheBytes(0), kept(256 * kMiB - plan.work));
  EXPECT_EQ(plan.BlockCacheBytes(50 * kMiB), kept(206 * kMiB - plan.work));
  EXPECT_EQ(plan.BlockCacheBytes(256 * kMiB), 32 * kMiB);
  EXPECT_EQ(plan.BlockCacheBytes(UINT64_MAX / 2), 32 * kMiB);
  // Ghosts, heat and admission take from the segments; these keep an eighth as well.
  EXPECT_EQ(plan.SegmentsBytes(0) - plan.SegmentsBytes(kMiB), kMiB);
  EXPECT_EQ(plan.SegmentsBytes(256 * kMiB), 32 * kMiB);
}

}  // namespace
}  // namespace varve
