#ifndef VARVE_DB_RUN_TOMBSTONES_H_
#define VARVE_DB_RUN_TOMBSTONES_H_

#include <memory>

#include "db/covering_tombstones.h"
#include "db/segment_cache.h"
#include "db/version.h"

namespace varve {

// The range tombstones of a sorted run, segment after segment, each opened when a key within its
// bounds is asked for. One that cannot be opened is the error of Find(), every time. `run` and
// `cache` must outlive the source.
std::unique_ptr<TombstoneSource> NewRunTombstones(const InternalKeyComparator& comparator,
                                                  const SortedRun* run, SegmentCache* cache);

}  // namespace varve

#endif  // VARVE_DB_RUN_TOMBSTONES_H_
