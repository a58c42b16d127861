// Readers that hit entries of one segment at once.

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <memory>
#include <vector>

#include "cache/segment_heat.h"
#include "util/thread.h"

namespace varve {
namespace {

// No hit is lost, be it the first of the segment, which brings the bits, or one beside another in a
// word. Checklist E2.
TEST(SegmentHeatConcurrent, EveryHitIsKept) {
  constexpr int kThreads = 4, kSegments = 50'000;
  const auto budget = std::make_shared<MemoryBudget>();
  const HeatMemory memory(budget);
  std::deque<SegmentHeat> segments;
  for (int i = 0; i < kSegments; ++i) segments.emplace_back(1);
  std::atomic<int> waiting{kThreads};
  std::vector<std::unique_ptr<Thread>> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.push_back(std::make_unique<Thread>("hits", [&, t] {
      --waiting;
      while (waiting.load() > 0) SleepFor(1000);
      for (SegmentHeat& segment : segments) segment.Record(uint64_t(t) << 60, memory);
    }));
  }
  threads.clear();  // joined
  for (int i = 0; i < kSegments; ++i) {
    for (uint64_t t = 0; t < kThreads; ++t) ASSERT_TRUE(segments[i].WasHit(t << 60)) << i;
  }
  // Each segment is charged once, whoever came first.
  EXPECT_EQ(budget->held(MemoryPart::kHeat), kSegments * segments[0].memory_bytes());
}

}  // namespace
}  // namespace varve
