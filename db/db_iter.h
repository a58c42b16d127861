#ifndef VARVE_DB_DB_ITER_H_
#define VARVE_DB_DB_ITER_H_

#include <memory>

#include "util/internal_iterator.h"
#include "util/internal_key.h"
#include "varve/iterator.h"
#include "varve/options.h"
#include "varve/status.h"

namespace varve {

// Where a user's iterator gets its view of the database from, and what holds the pins (memtables,
// version, snapshot) that the view needs. Destroyed after the internal iterator it made.
class DbIterSource {
 public:
  virtual ~DbIterSource() = default;

  // A new internal iterator over all sources, and the sequence to read at (the newest, or that of
  // the snapshot the iterator was made with). What an earlier call gave is no longer in use, so its
  // pins may go. On an error *iterator stays null.
  virtual Status Renew(std::unique_ptr<InternalIterator>* iterator, SequenceNumber* sequence) = 0;
};

// The iterator of the public API: the user keys of `source` visible at its sequence, each once, in
// its newest version, without those whose newest version is a tombstone, and within the bounds of
// `options` (copied; nothing else of `options` is used). Calls source->Renew() once; if that
// fails, and after a Refresh() that fails, the iterator is invalid with the status, and stays so.
std::unique_ptr<Iterator> NewDbIterator(const InternalKeyComparator& comparator,
                                        const ReadOptions& options,
                                        std::unique_ptr<DbIterSource> source);

}  // namespace varve

#endif  // VARVE_DB_DB_ITER_H_
