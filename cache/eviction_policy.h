#ifndef VARVE_CACHE_EVICTION_POLICY_H_
#define VARVE_CACHE_EVICTION_POLICY_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "varve/eviction_policy.h"

// Which segments go when a cache wants room: a pure function over plain statistics. Who calls it
// leaves out what a job has in hand, and takes what has expired before it asks.

namespace varve {

// Both policies take the oldest: the lowest epoch, and of one epoch what expires first. So nothing
// older than a victim is left, and it needs no ghost; what kLru saves of it rises above all others,
// and comes back as the oldest when all that is written now has. A third policy, which keeps a
// small part of the cache for what is new and takes into its main part what was hit there
// (S3-FIFO), will want `main` below.
//
// Rejected: the least read first. In simulation it misses more than what was read being saved, it
// leaves a ghost for each victim, and reads would have to count (docs/cache.md, "Eviction").
struct SegmentStatistics {
  uint64_t number = 0;
  uint64_t epoch = 0;
  uint64_t file_bytes = 0;
  uint64_t entries = 0;
  uint64_t expires_at_ms = UINT64_MAX;  // when all of it has; UINT64_MAX: never
  bool main = false;                    // not on probation
};

struct EvictionPlan {
  std::vector<uint64_t> victims;  // numbers, in the order in which they go
  size_t expired = 0;             // the first so many of them hold nothing that has not expired
  bool saves_hits = false;        // what was hit of the others is to be saved
  uint64_t bytes = 0;             // of their files
};

// The fewest that the policy's order allows to be as many bytes as are wanted; all, if they are not
// enough; none, where nothing is wanted. Independent of the order of `segments`.
EvictionPlan ChooseVictims(EvictionPolicy policy, std::span<const SegmentStatistics> segments,
                           uint64_t bytes_wanted);

}  // namespace varve

#endif  // VARVE_CACHE_EVICTION_POLICY_H_
