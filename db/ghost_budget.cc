#include "db/ghost_budget.h"

#include <algorithm>
#include <utility>

#include "db/key_range.h"
#include "db/plan_conflicts.h"
#include "util/planted.h"

namespace varve {

namespace {

// Calls `visit` with the segments that wait for the ghost, the oldest first, until it returns
// false.
template <typename Visit>
void VisitWaiting(const InternalKeyComparator& comparator, const Version& version,
                  const Ghost& ghost, Visit visit) {
  const KeyRange range = KeyRange::Of(*ghost.file());
  for (auto run = version.runs().rbegin(); run != version.runs().rend(); ++run) {
    if (AgePlace::Of(**run) <= ghost.place()) return;  // all that follow are newer
    for (const auto& segment : Overlapping(comparator, **run, range)) {
      if (segment->entry().applied_to < ghost.entry().evicted && !visit(segment)) return;
    }
  }
}

}  // namespace

bool GhostsAreOver(const GhostBudget& budget, const Version& version) {
  return !version.ghosts().empty() &&
         (version.ghost_file_bytes() > budget.file_bytes ||
          version.ghost_false_positive_rate() > budget.false_positive_rate);
}

SegmentList WaitingFor(const InternalKeyComparator& comparator, const Version& version,
                       const Ghost& ghost) {
  SegmentList waiting;
  VisitWaiting(comparator, version, ghost, [&](const std::shared_ptr<SegmentFile>& segment) {
    waiting.push_back(segment);
    return true;
  });
  return waiting;
}

bool AnyWaitsFor(const InternalKeyComparator& comparator, const Version& version,
                 const Ghost& ghost) {
  bool any = false;
  VisitWaiting(comparator, version, ghost, [&](const auto&) {
    any = true;
    return false;
  });
  return any;
}

GhostList GhostsToRetire(const InternalKeyComparator& comparator, const Version& version) {
  GhostList retired;
  if (VARVE_PLANTED("ghosts never retire")) return retired;
  for (const auto& ghost : version.ghosts()) {
    const bool waits =
        AnyWaitsFor(comparator, version, *ghost) && !VARVE_PLANTED("ghosts retire early");
    if (!waits) retired.push_back(ghost);
  }
  return retired;
}

std::optional<CompactionPlan> PlanForGhosts(const InternalKeyComparator& comparator,
                                            const Version& version, const GhostBudget& budget,
                                            const BusySegments& busy,
                                            const std::vector<CompactionPlan>& running) {
  if (!GhostsAreOver(budget, version)) return std::nullopt;
  std::optional<CompactionPlan> found;
  const Ghost& oldest = *version.ghosts().back();
  VisitWaiting(comparator, version, oldest, [&](const std::shared_ptr<SegmentFile>& segment) {
    CompactionPlan plan;
    plan.reason = CompactionReason::kGhosts;
    plan.score = 1;
    plan.inputs.push_back({segment->entry().level, {segment}});
    plan.output_level = segment->entry().level;
    plan.output_epoch = segment->entry().epoch;
    plan.segment_bytes = 2 * segment->file_bytes();  // it stays one
    if (PlanConflicts(comparator, version, busy, running, plan)) return true;
    found = std::move(plan);
    return false;
  });
  return found;
}

std::optional<FileNumber> OldestSegment(const Version& version, const BusySegments& busy) {
  if (version.runs().empty()) return std::nullopt;
  const AgePlace oldest = AgePlace::Of(*version.runs().back());
  for (auto run = version.runs().rbegin();
       run != version.runs().rend() && AgePlace::Of(**run) == oldest; ++run) {
    for (const auto& segment : (*run)->segments()) {
      if (busy.count(segment->number()) == 0) return segment->number();
    }
  }
  return std::nullopt;
}

}  // namespace varve
