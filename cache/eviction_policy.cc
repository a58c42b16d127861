#include "cache/eviction_policy.h"

#include <algorithm>
#include <tuple>

namespace varve {

namespace {

bool Older(const SegmentStatistics* a, const SegmentStatistics* b) {
  return std::tie(a->epoch, a->expires_at_ms, a->number) <
         std::tie(b->epoch, b->expires_at_ms, b->number);
}

}  // namespace

EvictionPlan ChooseVictims(EvictionPolicy policy, std::span<const SegmentStatistics> segments,
                           uint64_t bytes_wanted) {
  std::vector<const SegmentStatistics*> order;
  for (const SegmentStatistics& segment : segments) order.push_back(&segment);
  std::sort(order.begin(), order.end(), &Older);
  EvictionPlan plan;
  plan.saves_hits = policy == EvictionPolicy::kLru;
  for (const SegmentStatistics* segment : order) {
    if (plan.bytes >= bytes_wanted) break;
    plan.victims.push_back(segment->number);
    plan.bytes += segment->file_bytes;
  }
  return plan;
}

}  // namespace varve
