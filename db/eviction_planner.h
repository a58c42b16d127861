#ifndef VARVE_DB_EVICTION_PLANNER_H_
#define VARVE_DB_EVICTION_PLANNER_H_

#include <cstdint>

#include "cache/eviction_policy.h"
#include "db/compaction_plan.h"
#include "db/version.h"
#include "varve/eviction_policy.h"

namespace varve {

// Which segments of a version a cache gives up: a pure function, which reads no file.
//
//  1. Segments that a job has in hand are left out (RULES R1.5).
//  2. Those of which every entry has expired go first, whether room is wanted or not: nothing of
//     them shows any more. By what the manifest says, kAllExpire and the *latest* expiry (Checklist
//     E11), so that nothing is read (E12). Range tombstones do not expire; they stay in the ghost.
//  3. Then as many as the policy's order (cache/eviction_policy.h) takes to be as many bytes as are
//     still wanted.
struct EvictionDemand {
  EvictionPolicy policy = EvictionPolicy::kFifo;
  uint64_t now_ms = 0;        // engine time: an entry is there while this is below its expiry
  uint64_t bytes_wanted = 0;  // of segment files; 0: what has expired, and nothing else
};

EvictionPlan PlanEviction(const Version& version, const BusySegments& busy,
                          const EvictionDemand& demand);

// Whether the whole segment has expired.
inline bool HasExpired(const SegmentEntry& entry, uint64_t now_ms) {
  return (entry.flags & kAllExpire) != 0 && entry.max_expires_at <= now_ms;
}

}  // namespace varve

#endif  // VARVE_DB_EVICTION_PLANNER_H_
