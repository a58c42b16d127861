// Readers that hit entries of one segment at once.

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "cache/segment_heat.h"
#include "util/hash.h"
#include "util/thread.h"

namespace varve {
namespace {

// No hit is lost, be it the first of the segment, which brings the bits, or one beside another in a
// word. Checklist E2.
TEST(SegmentHeatConcurrent, EveryHitIsKept) {
  constexpr int kThreads = 4, kRounds = 200;
  constexpr uint64_t kHits = 64;
  for (int round = 0; round < kRounds; ++round) {
    SegmentHeat heat(kThreads * kHits);
    std::vector<std::unique_ptr<Thread>> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.push_back(std::make_unique<Thread>("hits", [&heat, t] {
        for (uint64_t i = 0; i < kHits; ++i) heat.Record(Mix64(kHits * t + i));
      }));
    }
    threads.clear();  // joined
    for (uint64_t i = 0; i < kThreads * kHits; ++i) ASSERT_TRUE(heat.WasHit(Mix64(i))) << i;
  }
}

}  // namespace
}  // namespace varve
