#ifndef VARVE_UTIL_INTERNAL_ITERATOR_H_
#define VARVE_UTIL_INTERNAL_ITERATOR_H_

#include "varve/slice.h"
#include "varve/status.h"

namespace varve {

// A cursor over internal keys (util/internal_key.h) and values, in their order: what memtables,
// blocks, segments and the merging iterator all are. The contract:
//
//  1. It starts invalid. Next() and Prev() require Valid().
//  2. Seek(target) goes to the first entry at or after `target`; SeekForPrev(target) to the last at
//     or before it. Both take internal keys.
//  3. Past either end it is invalid with status OK. On an error it is invalid with that status, and
//     stays so until a seek; it never skips what it could not read.
//  4. key() and value() require Valid(); their bytes live until the iterator moves or is destroyed.
//  5. One thread at a time. What it reads is immutable or, for a memtable, only grows.
class InternalIterator {
 public:
  InternalIterator() = default;
  InternalIterator(const InternalIterator&) = delete;
  InternalIterator& operator=(const InternalIterator&) = delete;
  virtual ~InternalIterator() = default;

  virtual bool Valid() const = 0;
  virtual void SeekToFirst() = 0;
  virtual void SeekToLast() = 0;
  virtual void Seek(Slice target) = 0;
  virtual void SeekForPrev(Slice target) = 0;
  // Seek(target) in steps, for those who seek many iterators at once: each step ends by asking for
  // what the next one reads, so that the cache misses of all of them overlap. ContinueSeek() is
  // called until it answers true; the seek is then done, and nothing else is asked before. `target`
  // must live until then.
  virtual void StartSeek(Slice target) { Seek(target); }
  virtual bool ContinueSeek() { return true; }
  virtual void Next() = 0;
  virtual void Prev() = 0;
  // Next(), and in the same call the key it came to: false, and *key as it was, where Valid() is
  // false then. For those who merge; worth overriding where steps are cheap.
  virtual bool NextKey(Slice* key) {
    Next();
    if (!Valid()) return false;
    *key = this->key();
    return true;
  }
  virtual Slice key() const = 0;
  virtual Slice value() const = 0;
  virtual Status status() const = 0;
};

}  // namespace varve

#endif  // VARVE_UTIL_INTERNAL_ITERATOR_H_
