#include "db/eviction_planner.h"

#include <vector>

namespace varve {

EvictionPlan PlanEviction(const Version& version, const BusySegments& busy,
                          const EvictionDemand& demand) {
  std::vector<SegmentStatistics> expired, live;
  version.ForEachSegment([&](const std::shared_ptr<SegmentFile>& segment) {
    if (busy.count(segment->number()) != 0) return;
    const SegmentEntry& entry = segment->entry();
    SegmentStatistics statistics;
    statistics.number = entry.number;
    statistics.epoch = entry.epoch;
    statistics.file_bytes = entry.file_bytes;
    statistics.entries = entry.entries;
    if ((entry.flags & kAllExpire) != 0) statistics.expires_at_ms = entry.max_expires_at;
    (HasExpired(entry, demand.now_ms) ? expired : live).push_back(statistics);
  });
  EvictionPlan plan = ChooseVictims(EvictionPolicy::kFifo, expired, UINT64_MAX);
  plan.expired = plan.victims.size();
  plan.saves_hits = demand.policy == EvictionPolicy::kLru;
  if (plan.bytes >= demand.bytes_wanted) return plan;
  const EvictionPlan more = ChooseVictims(demand.policy, live, demand.bytes_wanted - plan.bytes);
  plan.victims.insert(plan.victims.end(), more.victims.begin(), more.victims.end());
  plan.bytes += more.bytes;
  return plan;
}

}  // namespace varve
