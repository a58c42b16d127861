#ifndef VARVE_DB_TIME_PICKER_H_
#define VARVE_DB_TIME_PICKER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "db/compaction_picker.h"
#include "db/compaction_plan.h"

namespace varve {

// What stands at one place in the order of age, as the choice sees it.
struct TimePlace {
  uint64_t bytes = 0;
  size_t segments = 0;
  bool mergeable = false;  // idle, and every segment of it small
  // The expiry of its segments, if all of them expire; they are merged with their like alone.
  bool expires = false;
  uint64_t min_expires_at = 0, max_expires_at = 0;
};

// Places [from, to) of a list, newest first, that should become one segment; none while nothing is
// wanted.
struct TimeWindow {
  size_t from = 0, to = 0;
};
std::optional<TimeWindow> ChooseNeighbours(const std::vector<TimePlace>& places,
                                           uint64_t segment_bytes);

// Merges as little as a cache can do with: segments keep their place in the order of age, in which
// they are evicted, and each byte is written about twice, to the log and to its segment.
//
//  1. Neighbours in age that are all *small*, of less than a quarter of a segment, become one of at
//     most a whole segment: what memtables that were flushed early left behind, and what was
//     salvaged. (A flush of two full memtables, half a segment, is not: it would all be written
//     twice.) They wait until together they make half a segment, or are kNeighboursMin: merged one
//     by one, each byte would be written again and again.
//  2. Siblings, the segments of one epoch, are merged among themselves by the same measure. Epochs
//     are merged whole, with all their siblings, as an entry may not rise past what may hold its
//     key (RULES R1.4).
//  3. Only what is of one expiry is merged, so that it still goes whole and unread: segments that
//     never expire as a whole, or such whose ranges of expiry meet.
//  4. Nothing is merged for the number of runs, for tombstones, or for what is hidden: all of it
//     goes with its segment. CompactRange rewrites segments where they are, if it is told to
//     rewrite the deepest.
//
// Each plan leaves fewer small segments, so picking ends. Immutable.
class TimePicker : public CompactionPicker {
 public:
  static constexpr uint64_t kSmallShare = 4;
  // So many are merged although together they make less than half a segment.
  static constexpr size_t kNeighboursMin = 8;

  TimePicker(const PickerOptions& options, const InternalKeyComparator& comparator)
      : options_(options), comparator_(comparator) {}

  std::optional<CompactionPlan> Pick(const Version& version, const BusySegments& busy,
                                     const std::vector<CompactionPlan>& running,
                                     SequenceNumber droppable_before) const override;
  std::optional<CompactionPlan> PickManual(const Version& version, const BusySegments& busy,
                                           const std::vector<CompactionPlan>& running,
                                           const ManualCompaction& manual,
                                           bool* blocked) const override;
  uint64_t DebtBytes(const Version& version) const override;

 private:
  // With these segments of the version as inputs, in its order; none if it must not begin.
  std::optional<CompactionPlan> PlanOf(const Version& version, const BusySegments& busy,
                                       const std::vector<CompactionPlan>& running,
                                       const BusySegments& inputs, CompactionReason reason,
                                       uint64_t segment_bytes) const;

  const PickerOptions options_;
  const InternalKeyComparator comparator_;
};

}  // namespace varve

#endif  // VARVE_DB_TIME_PICKER_H_
