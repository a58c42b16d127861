#ifndef VARVE_DB_GHOST_BUDGET_H_
#define VARVE_DB_GHOST_BUDGET_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "db/compaction_plan.h"
#include "db/ghost.h"
#include "db/version.h"
#include "util/internal_key.h"

namespace varve {

// When ghosts go, and what is done that they do (RULES R2.4, R2.5). Pure functions of a version.
//
// A segment of an older place whose bounds meet a ghost's *waits for it* until a merge has left out
// of it what the ghost accepts, which its entry's `applied_to` says, or until it is gone. A ghost
// for which none waits has nothing left to hide, and retires.
//
// Hashed keys overlap everything, so ghosts retire by themselves seldom. Past their budget the
// oldest is helped:
//
//  1. What waits for it is rewritten, segment by segment, the oldest first. Each leaves one less
//     that waits, and no other rewrite is begun for it; nothing that is newer than the ghost can
//     come to wait. So it ends (Checklist E3).
//  2. Where there is no room for a rewrite the oldest segment of all is evicted instead: nothing is
//     beneath it, so it leaves no ghost.
struct GhostBudget {
  uint64_t file_bytes = UINT64_MAX;
  double false_positive_rate = 1;  // summed over all ghosts

  static GhostBudget For(uint64_t capacity_bytes) { return {capacity_bytes / 100 * 3, 0.01}; }
};

// Of the ghosts' files, and of what they accept by chance. A ghost without a file accepts anything.
bool GhostsAreOver(const GhostBudget& budget, const Version& version);

// The segments that wait for the ghost, the oldest first.
SegmentList WaitingFor(const InternalKeyComparator& comparator, const Version& version,
                       const Ghost& ghost);
bool AnyWaitsFor(const InternalKeyComparator& comparator, const Version& version,
                 const Ghost& ghost);

// The ghosts that hide nothing any more.
GhostList GhostsToRetire(const InternalKeyComparator& comparator, const Version& version);

// The next rewrite of (1), of a segment in its place; none while ghosts are within the budget, or
// while what waits is busy.
std::optional<CompactionPlan> PlanForGhosts(const InternalKeyComparator& comparator,
                                            const Version& version, const GhostBudget& budget,
                                            const BusySegments& busy,
                                            const std::vector<CompactionPlan>& running);

// The segment of (2), if there is one that is not busy.
std::optional<FileNumber> OldestSegment(const Version& version, const BusySegments& busy);

}  // namespace varve

#endif  // VARVE_DB_GHOST_BUDGET_H_
