#ifndef VARVE_DB_KEY_RANGE_H_
#define VARVE_DB_KEY_RANGE_H_

#include <memory>
#include <optional>
#include <span>

#include "db/version.h"
#include "util/internal_key.h"
#include "varve/slice.h"

namespace varve {

// The user keys from `smallest` to `largest`, the latter included unless it is exclusive. Refers to
// the bytes of whoever it is of.
struct KeyRange {
  Slice smallest;
  Slice largest;
  bool largest_is_exclusive = false;

  static KeyRange Of(const SegmentFile& segment) {
    return {segment.smallest_user_key(), segment.largest_user_key(),
            segment.largest_is_exclusive()};
  }

  bool IsBefore(const InternalKeyComparator& comparator, const KeyRange& other) const {
    const int order = comparator.CompareUserKeys(largest, other.smallest);
    return order < 0 || (order == 0 && largest_is_exclusive);
  }
  bool Overlaps(const InternalKeyComparator& comparator, const KeyRange& other) const {
    return !IsBefore(comparator, other) && !other.IsBefore(comparator, *this);
  }
  bool Contains(const InternalKeyComparator& comparator, const KeyRange& other) const {
    if (comparator.CompareUserKeys(other.smallest, smallest) < 0) return false;
    const int order = comparator.CompareUserKeys(other.largest, largest);
    return order < 0 || (order == 0 && (other.largest_is_exclusive || !largest_is_exclusive));
  }
  // Grows to hold `other` too.
  void Add(const InternalKeyComparator& comparator, const KeyRange& other) {
    if (comparator.CompareUserKeys(other.smallest, smallest) < 0) smallest = other.smallest;
    const int order = comparator.CompareUserKeys(other.largest, largest);
    if (order > 0 || (order == 0 && largest_is_exclusive)) {
      largest = other.largest;
      largest_is_exclusive = other.largest_is_exclusive;
    }
  }
};

// The range of all of `segments`; none if there are none.
inline std::optional<KeyRange> RangeOf(const InternalKeyComparator& comparator,
                                       std::span<const std::shared_ptr<SegmentFile>> segments) {
  std::optional<KeyRange> range;
  for (const auto& segment : segments) {
    if (range) {
      range->Add(comparator, KeyRange::Of(*segment));
    } else {
      range = KeyRange::Of(*segment);
    }
  }
  return range;
}

// The segments of the run that overlap the range.
inline std::span<const std::shared_ptr<SegmentFile>> Overlapping(
    const InternalKeyComparator& comparator, const SortedRun& run, const KeyRange& range) {
  auto found = run.Overlapping(range.smallest, range.largest);
  if (range.largest_is_exclusive && !found.empty() &&
      range.IsBefore(comparator, KeyRange::Of(*found.back()))) {
    found = found.first(found.size() - 1);
  }
  return found;
}

inline uint64_t FileBytes(std::span<const std::shared_ptr<SegmentFile>> segments) {
  uint64_t bytes = 0;
  for (const auto& segment : segments) bytes += segment->file_bytes();
  return bytes;
}

}  // namespace varve

#endif  // VARVE_DB_KEY_RANGE_H_
