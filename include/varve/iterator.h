#ifndef VARVE_INCLUDE_VARVE_ITERATOR_H_
#define VARVE_INCLUDE_VARVE_ITERATOR_H_

#include <cstdint>
#include <optional>

#include "varve/slice.h"
#include "varve/status.h"

namespace varve {

// A cursor over the keys of one consistent state, in comparator order, within the bounds it was
// made with. One thread at a time. It starts invalid. On an error it becomes invalid with a
// status and never skips what it could not read; a seek starts anew.
//
// In a cache the room of what an iterator holds may be wanted: then its next move is invalid with
// Aborted ("revoked"), and so is every one after it before Refresh(). Where it stands stays good
// until it moves.
class Iterator {
 public:
  virtual ~Iterator() = default;

  virtual bool Valid() const = 0;
  virtual void SeekToFirst() = 0;
  virtual void SeekToLast() = 0;
  // To the first key at or after `target`.
  virtual void Seek(Slice target) = 0;
  // To the last key at or before `target`.
  virtual void SeekForPrev(Slice target) = 0;
  virtual void Next() = 0;  // requires Valid()
  virtual void Prev() = 0;  // requires Valid()

  // Require Valid(). The slices live until the iterator moves next.
  virtual Slice key() const = 0;
  virtual Slice value() const = 0;
  // When the entry expires, milliseconds since 1970; unset: never. It had not expired when the
  // iterator was made, or refreshed last. Requires Valid().
  virtual std::optional<uint64_t> expires_at_ms() const = 0;

  // OK while valid, and at either end of the keys; else the error that stopped it.
  virtual Status status() const = 0;

  // Moves to the newest state of the database, or to the snapshot's if it was made with one.
  // The iterator is invalid afterwards.
  virtual Status Refresh() = 0;
};

}  // namespace varve

#endif  // VARVE_INCLUDE_VARVE_ITERATOR_H_
