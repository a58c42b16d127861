#ifndef VARVE_DB_RUN_ITERATOR_H_
#define VARVE_DB_RUN_ITERATOR_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "db/segment_cache.h"
#include "db/version.h"
#include "table/segment_reader.h"
#include "util/internal_iterator.h"

namespace varve {

// What of a run is wanted.
struct RunPart {
  size_t first = 0, last = 0;  // segments [first, last), at least one
  // Of a prefix (PrefixHash()), if entries of others may be left out.
  std::optional<uint64_t> prefix_hash;
};

// One cursor over a part of a sorted run: over the segments one behind the other, each opened when
// the cursor gets to it. A segment whose filter denies the prefix is stepped over; one that cannot
// be opened or read never is, but ends it with that status. `run` and `cache` must outlive the
// iterator.
std::unique_ptr<InternalIterator> NewRunIterator(const SortedRun* run, const RunPart& part,
                                                 SegmentCache* cache,
                                                 const SegmentReadOptions& options);

// The same over the whole run.
std::unique_ptr<InternalIterator> NewRunIterator(const SortedRun* run, SegmentCache* cache,
                                                 const SegmentReadOptions& options);

}  // namespace varve

#endif  // VARVE_DB_RUN_ITERATOR_H_
