#ifndef VARVE_CACHE_EVICTION_POLICY_H_
#define VARVE_CACHE_EVICTION_POLICY_H_

#include <cstdint>
#include <span>
#include <vector>

// Which segments go when a cache wants room: a pure function over plain statistics. Who calls it
// leaves out what a job has in hand, and takes what has expired before it asks.

namespace varve {

// kFifo and kLru read no segment. A third, which keeps a small part of the cache for what is new
// and takes into its main part what was hit there (S3-FIFO), will want `main` below, and a plan
// that says what to salvage.
enum class EvictionPolicy : uint8_t {
  // The oldest first: the lowest epoch, and of one epoch what expires first. Nothing older than a
  // victim is left, so it needs no ghost.
  kFifo,
  // The least heat first; of equal heat as kFifo.
  kLru,
};

struct SegmentStatistics {
  uint64_t number = 0;
  uint64_t epoch = 0;
  uint64_t file_bytes = 0;
  uint64_t entries = 0;
  uint64_t expires_at_ms = UINT64_MAX;  // when all of it has; UINT64_MAX: never
  double heat = 0;                      // hits, the older ones halved and halved again
  bool main = false;                    // not on probation
};

struct EvictionPlan {
  std::vector<uint64_t> victims;  // numbers, in the order in which they go
  uint64_t bytes = 0;             // of their files
};

// The fewest that the policy's order allows to be as many bytes as are wanted; all, if they are not
// enough; none, where nothing is wanted. Independent of the order of `segments`.
EvictionPlan ChooseVictims(EvictionPolicy policy, std::span<const SegmentStatistics> segments,
                           uint64_t bytes_wanted);

}  // namespace varve

#endif  // VARVE_CACHE_EVICTION_POLICY_H_
