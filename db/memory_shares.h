#ifndef VARVE_DB_MEMORY_SHARES_H_
#define VARVE_DB_MEMORY_SHARES_H_

#include <cstdint>

#include "cache/block_cache.h"
#include "cache/segment_heat.h"
#include "db/memory_plan.h"
#include "db/segment_cache.h"
#include "util/memory_budget.h"
#include "util/mutex.h"

namespace varve {

// Keeps the caches within what a MemoryPlan leaves them, as what the other parts hold goes up and
// down: the listener of a MemoryBudget.
//
// The block cache follows at once: its capacity is set, and what is over it evicted, by whoever
// charges. Open segments follow when the next one is opened, as closing them means waiting for
// lookups; only what comes slowly takes room from them: ghosts, what was hit of segments, and the
// keys that admission knows.
//
// Thread safety: all of it. All that it is made of outlives it.
class MemoryShares {
 public:
  MemoryShares(const MemoryPlan& plan, MemoryBudget* budget, BlockCache* blocks,
               SegmentCache* segments, HeatMemory* heat);
  ~MemoryShares() { budget_->SetListener(nullptr); }
  MemoryShares(const MemoryShares&) = delete;
  MemoryShares& operator=(const MemoryShares&) = delete;

  void SetPlan(const MemoryPlan& plan) EXCLUDES(mu_);
  MemoryPlan plan() const EXCLUDES(mu_);

  // What all parts hold, the block cache included.
  uint64_t Used() const;

 private:
  void Divide() EXCLUDES(mu_);

  MemoryBudget* const budget_;
  BlockCache* const blocks_;
  SegmentCache* const segments_;
  HeatMemory* const heat_;
  mutable Mutex mu_;  // nothing else is called with it held
  MemoryPlan plan_ GUARDED_BY(mu_);
};

}  // namespace varve

#endif  // VARVE_DB_MEMORY_SHARES_H_
