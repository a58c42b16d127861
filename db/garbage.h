#ifndef VARVE_DB_GARBAGE_H_
#define VARVE_DB_GARBAGE_H_

#include <algorithm>
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

// What expires within so short a time waits for its last, as each guess may prove wrong and be
// followed by another at half the time.
inline constexpr uint64_t kExpirySpanMsMin = 3'600'000;

// From when on (the engine's time, in ms) so much of it has expired that a rewrite pays: half of
// its entries, as far as can be guessed from when the first and the last of them go; or a
// sixteenth, once all of them have that ever will. UINT64_MAX: never. A rewrite counts what is
// still to expire anew, so each segment has its turn once, and then less of it again.
inline uint64_t ExpiryGarbageFrom(const SegmentEntry& entry) {
  if (entry.expiring <= entry.entries / 16) return UINT64_MAX;
  const uint64_t first = std::max(entry.min_expires_at, entry.written_ms);
  if (first >= entry.max_expires_at || entry.max_expires_at - first < kExpirySpanMsMin ||
      entry.expiring < entry.entries / 2) {
    return entry.max_expires_at;
  }
  const double share =
      0.5 * static_cast<double>(entry.entries) / static_cast<double>(entry.expiring);
  if (share >= 1) return entry.max_expires_at;
  const auto span = static_cast<double>(entry.max_expires_at - first);  // up to 2^64
  return first + std::min(static_cast<uint64_t>(share * span), entry.max_expires_at - first);
}

// From when on the points of the segment are gone for everybody; UINT64_MAX: never.
inline uint64_t AllExpiredFrom(const SegmentEntry& entry) {
  return (entry.flags & kAllExpire) != 0 && (entry.flags & kHasExpiry) != 0 ? entry.max_expires_at
                                                                            : UINT64_MAX;
}

}  // namespace varve

#endif  // VARVE_DB_GARBAGE_H_
