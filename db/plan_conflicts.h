#ifndef VARVE_DB_PLAN_CONFLICTS_H_
#define VARVE_DB_PLAN_CONFLICTS_H_

#include <vector>

#include "db/age_place.h"
#include "db/compaction_plan.h"
#include "db/version.h"
#include "util/internal_key.h"

namespace varve {

// Whether the plan must not be begun, judged from what the version holds and what runs. Every plan
// of every picker passes here before it is returned, so that a mistake in choosing costs a plan and
// no data. Between the place of an input and that of the output, both included, nothing else may
// hold a key of the input:
//
//  1. No input is busy (Checklist S14).
//  2. No segment that stays behind stands there (RULES R1.4); at the output's own place none
//     overlaps the range of all inputs, for an output may span a gap between two of them. But where
//     all inputs are of one epoch in level 0, and so is the output, nothing is passed: siblings
//     that stay hold no key of the inputs, whatever their ranges (R1.3). To anything else they are
//     in the way: what rises from their epoch takes its range tombstones above what they hold.
//  3. Nothing sinks past a ghost that may accept its key: it would be hidden from there on. What
//     rises past one is dropped where the ghost accepts it (db/ghost_cover.h; R1.4).
//  4. No output of a running plan will come to stand there, nor ours between an input and the
//     output of that plan (RULES R1.5). Where in its range an output has keys is not known yet, so
//     the range of all its inputs counts.
//
// O(inputs × (runs + running plans)), times a binary search.
bool PlanConflicts(const InternalKeyComparator& comparator, const Version& version,
                   const BusySegments& busy, const std::vector<CompactionPlan>& running,
                   const CompactionPlan& plan);

}  // namespace varve

#endif  // VARVE_DB_PLAN_CONFLICTS_H_
