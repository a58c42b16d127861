#ifndef VARVE_DB_GARBAGE_H_
#define VARVE_DB_GARBAGE_H_

#include <cstdint>

#include "db/manifest_entry.h"

namespace varve {

// What of a segment is not data, judged by its entry in the manifest: pickers read no file.

// Point tombstones below that number are left to merges that come anyway: a scan does not feel
// them.
inline constexpr uint64_t kTombstonesMin = 1000;

// Whether most of what the segment holds is tombstones, or one of them covers a range.
inline bool ManyTombstones(const SegmentEntry& entry) {
  return (entry.flags & kHasRangeDeletes) != 0 ||
         (entry.deletes >= kTombstonesMin && entry.deletes >= entry.entries / 2);
}

// Whether more than a sixteenth of it is hidden by the rest. Once nobody reads below the newest of
// its entries, a rewrite leaves none of that.
inline bool ManyHidden(const SegmentEntry& entry) { return entry.hidden > entry.entries / 16; }

}  // namespace varve

#endif  // VARVE_DB_GARBAGE_H_
