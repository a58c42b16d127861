#include "cache/eviction_policy.h"

#include <algorithm>
#include <tuple>

namespace varve {

namespace {

bool Older(const SegmentStatistics* a, const SegmentStatistics* b) {
  return std::tie(a->epoch, a->expires_at_ms, a->number) <
         std::tie(b->epoch, b->expires_at_ms, b->number);
}

bool Colder(const SegmentStatistics* a, const SegmentStatistics* b) {
  return a->heat != b->heat ? a->heat < b->heat : Older(a, b);
}

}  // namespace

EvictionPlan ChooseVictims(EvictionPolicy policy, std::span<const SegmentStatistics> segments,
                           uint64_t bytes_wanted) {
  std::vector<const SegmentStatistics*> order;
  for (const SegmentStatistics& segment : segments) order.push_back(&segment);
  std::sort(order.begin(), order.end(), policy == EvictionPolicy::kLru ? &Colder : &Older);
  EvictionPlan plan;
  for (const SegmentStatistics* segment : order) {
    if (plan.bytes >= bytes_wanted) break;
    plan.victims.push_back(segment->number);
    plan.bytes += segment->file_bytes;
  }
  return plan;
}

}  // namespace varve
