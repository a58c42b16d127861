#ifndef VARVE_DB_RUN_ITERATOR_H_
#define VARVE_DB_RUN_ITERATOR_H_

#include <memory>

#include "db/segment_cache.h"
#include "db/version.h"
#include "table/segment_reader.h"
#include "util/internal_iterator.h"

namespace varve {

// One cursor over a sorted run: over the segments one behind the other, each opened when the cursor
// gets to it. A segment that cannot be opened or read ends it with that status; it is never stepped
// over. `run` and `cache` must outlive the iterator.
std::unique_ptr<InternalIterator> NewRunIterator(const SortedRun* run, SegmentCache* cache,
                                                 const SegmentReadOptions& options);

}  // namespace varve

#endif  // VARVE_DB_RUN_ITERATOR_H_
