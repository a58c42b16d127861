#ifndef VARVE_DB_DB_ITER_H_
#define VARVE_DB_DB_ITER_H_

#include <cstdint>
#include <memory>

#include "db/covering_tombstones.h"
#include "db/ghost_cover.h"
#include "db/merging_iterator.h"
#include "util/internal_iterator.h"
#include "util/internal_key.h"
#include "varve/iterator.h"
#include "varve/merge_operator.h"
#include "varve/options.h"
#include "varve/status.h"

namespace varve {

// What a user's iterator iterates over.
struct DbIterView {
  std::unique_ptr<InternalIterator> entries;  // of all sources
  // The same where it merges several sources, else null.
  MergingIterator* merging = nullptr;
  // With a child for each of `merging`'s, or for `entries`; null where no ghost stands above any.
  std::unique_ptr<GhostCover> ghosts;
  // Null if no source has range tombstones.
  std::unique_ptr<CoveringTombstones> tombstones;
  // The newest, or that of the snapshot the iterator was made with.
  SequenceNumber sequence = 0;
  // By which it is judged what has expired, ms since 1970.
  uint64_t now_ms = 0;
};

// Where a user's iterator gets its view of the database from, and what holds the pins (memtables,
// version, snapshot) that the view needs. Destroyed after the view it made.
class DbIterSource {
 public:
  virtual ~DbIterSource() = default;

  // A new view. What an earlier call gave is no longer in use, so its pins may go.
  virtual Status Renew(DbIterView* view) = 0;

  // Told when one call of the iterator had to pass over kHiddenRunMin or more entries that do not
  // show: `entries` of them, of keys from about `smallest` to `largest`.
  virtual void OnHiddenRun(Slice smallest, Slice largest, uint64_t entries) = 0;
};

// As many cost about a millisecond, a hundred times what a seek does.
inline constexpr uint64_t kHiddenRunMin = 4096;

// The iterator of the public API: the user keys of `source` visible at its sequence, each once, in
// its newest version, without those that are deleted or that a ghost hides, and within the bounds
// of `options` (copied; nothing else of `options` is used). Merge operands show as what
// `merge_operator` makes of them; without one (null) they stop the iterator. Calls source->Renew()
// once; if that fails, and after a Refresh() that fails, the iterator is invalid with the status,
// and stays so.
std::unique_ptr<Iterator> NewDbIterator(const InternalKeyComparator& comparator,
                                        const MergeOperator* merge_operator,
                                        const ReadOptions& options,
                                        std::unique_ptr<DbIterSource> source);

}  // namespace varve

#endif  // VARVE_DB_DB_ITER_H_
