#ifndef VARVE_DB_TIERED_PICKER_H_
#define VARVE_DB_TIERED_PICKER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "db/compaction_picker.h"
#include "db/compaction_plan.h"

namespace varve {

// Runs [from, to) of a list, newest first, that should become one.
struct RunWindow {
  size_t from = 0, to = 0;
  CompactionReason reason = CompactionReason::kRuns;
  double score = 0;
};

// A run as the choice sees it.
struct RunSize {
  uint64_t bytes = 0;
  bool idle = true;
};

// The policy of TieredPicker over sizes alone, newest first; none while nothing is wanted.
std::optional<RunWindow> ChooseRuns(const std::vector<RunSize>& runs, const PickerOptions& options);

// Merges whole neighbouring runs, so that few are left and each is larger than the newer ones.
// docs/compaction.md has the reasons.
//
//  1. Where the newer runs are more than tiered_space_percent_max of the oldest, all become one.
//  2. With tiered_runs_trigger runs or more: from some run on, each older one that is no larger
//     than twice the sum so far joins. Of such windows the one that costs least for each run that
//     goes.
//  3. Where runs are still too many: as many neighbours as must go, where that costs least.
//  4. Tombstones that are a good part of what lies beneath them are merged with it, and rewritten
//     away where nothing does (Checklist C5).
//  5. With a score below 1: segments of the oldest data of which more than a sixteenth is hidden
//     versions that nobody can ask for any more are rewritten.
//
// All runs are in level 0, each of one epoch, and an output gets the highest epoch of its inputs.
// A deeper level, of a database that was leveled before, is an older run: what merges with one goes
// to that level, the deepest of its inputs, so the runs stay in order (RULES R1.1).
//
// Each plan leaves fewer runs, fewer tombstones or fewer hidden versions, so picking ends.
// Immutable.
class TieredPicker : public CompactionPicker {
 public:
  // Not `automatic`: only what is asked for is done.
  TieredPicker(const PickerOptions& options, const InternalKeyComparator& comparator,
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

#endif  // VARVE_DB_TIERED_PICKER_H_
