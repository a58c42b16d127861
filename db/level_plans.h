#ifndef VARVE_DB_LEVEL_PLANS_H_
#define VARVE_DB_LEVEL_PLANS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "db/compaction_picker.h"
#include "db/compaction_plan.h"
#include "db/key_range.h"
#include "db/level_targets.h"

namespace varve {

// The steps that levels allow, for those who choose between them: the leveled picker and manual
// compactions. Each is a plan that may begin now (db/plan_conflicts.h), or none. For the time of
// one choice.
class LevelPlans {
 public:
  LevelPlans(const PickerOptions& options, const InternalKeyComparator& comparator,
             const Version& version, const BusySegments& busy,
             const std::vector<CompactionPlan>& running);

  const LevelTargets& targets() const { return targets_; }
  bool Busy(const SegmentFile& segment) const { return busy_.count(segment.number()) != 0; }
  // The runs older than this one that overlap the range hold something in it.
  bool AnythingOlder(const SortedRun& run, const KeyRange& range) const;

  // As much as may sink from level 0 into the base level, oldest first, whatever is busy above.
  std::optional<CompactionPlan> SinkLevel0() const;
  // The segment of level 0 and every older one that it must not pass, into the base level.
  std::optional<CompactionPlan> SinkFromLevel0(const SegmentFile& segment) const;
  // Neighbouring young runs of level 0 into one of level 0.
  std::optional<CompactionPlan> MergeInLevel0() const;
  // The segment of a deeper level into the next, with neighbours that cost nothing more.
  // `rewrite_tombstones`: it is not moved as it is where rewriting it would drop tombstones.
  std::optional<CompactionPlan> Sink(const SortedRun& run, size_t index,
                                     bool rewrite_tombstones = true) const;
  // `count` segments into their own level.
  std::optional<CompactionPlan> Rewrite(const SortedRun& run, size_t index, size_t count) const;

 private:
  using Wanted = std::function<bool(const SegmentFile&)>;

  // Of each run of level 0, newest first, the idle segments that are wanted and that pass no older
  // one when all of them sink.
  std::vector<SegmentList> Sinkable(const Wanted& wanted) const;
  // These of level 0, and what they overlap down to the base level.
  std::optional<CompactionPlan> SinkLevel0(std::vector<SegmentList> chosen) const;
  // Fills in what follows from the inputs and the output level; none on a conflict.
  std::optional<CompactionPlan> Finish(CompactionPlan plan) const;
  bool WouldDropTombstones(const SortedRun& run, const SegmentFile& segment) const;

  const PickerOptions& options_;
  const InternalKeyComparator& comparator_;
  const Version& version_;
  const BusySegments& busy_;
  const std::vector<CompactionPlan>& running_;
  const LevelTargets targets_;
};

}  // namespace varve

#endif  // VARVE_DB_LEVEL_PLANS_H_
