#ifndef VARVE_DB_LEVELED_PICKER_H_
#define VARVE_DB_LEVELED_PICKER_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "db/compaction_picker.h"
#include "db/compaction_plan.h"

namespace varve {

// Chooses compactions so that each level keeps to its target (db/level_targets.h).
// docs/compaction.md has the reasons.
//
//  1. Each level gets a score: what it has over what it may have. What runs already take away does
//     not count. Levels of score 1 and more are tried, the highest first.
//  2. From level 0 goes all that may, to the base level. Where that has to wait for a compaction of
//     the base level, no further one is begun there, and young runs are merged in level 0 when they
//     become many.
//  3. From a deeper level goes the segment that overlaps the fewest bytes of the next for each of
//     its own; of equals the oldest.
//  4. With no level over its target, tombstones that weigh on reads are brought down to what they
//     hide, and rewritten away where nothing older is beneath them (Checklist C5).
//  5. Then, with a score below 1: while more than a sixteenth of the last level lies above it,
//     something of that sinks. So a database at rest takes at most 1.07 times its data.
//  6. The same for versions that snapshots and history kept: where they make more than a sixteenth
//     of a segment with nothing older beneath it, and nobody can ask for them any more, it is
//     rewritten.
//
// `automatic` false: nothing but manual compactions.
//
// Immutable.
class LeveledPicker : public CompactionPicker {
 public:
  LeveledPicker(const PickerOptions& options, const InternalKeyComparator& comparator,
                bool automatic = true)
      : options_(options), comparator_(comparator), automatic_(automatic) {}

  std::optional<CompactionPlan> Pick(const Version& version, const BusySegments& busy,
                                     const std::vector<CompactionPlan>& running,
                                     SequenceNumber droppable_before) const override;
  std::optional<CompactionPlan> PickExpired(const Version& version, const BusySegments& busy,
                                            const std::vector<CompactionPlan>& running,
                                            uint64_t now_ms) const override;
  std::optional<CompactionPlan> PickManual(const Version& version, const BusySegments& busy,
                                           const std::vector<CompactionPlan>& running,
                                           const ManualCompaction& manual,
                                           bool* blocked) const override;
  uint64_t DebtBytes(const Version& version) const override;

 private:
  const PickerOptions options_;
  const InternalKeyComparator comparator_;
  const bool automatic_;
};

}  // namespace varve

#endif  // VARVE_DB_LEVELED_PICKER_H_
