#ifndef VARVE_MEMTABLE_RANGE_STACK_H_
#define VARVE_MEMTABLE_RANGE_STACK_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "util/epoch.h"
#include "util/internal_key.h"
#include "util/mutex.h"
#include "util/range_tombstones.h"
#include "varve/slice.h"

namespace varve {

// The range tombstones of a memtable: a stack that writers push to, and a fragmented list of it for
// readers.
//
//  1. Add() links an element before the newest, by one compare-and-swap.
//  2. A reader takes the list made last. If the stack has grown since, the reader makes a new one
//     of all elements, alone, while others that need it wait; then no reader works again until the
//     next Add(). Deleting ranges is rare beside reading, which then costs a search.
//  3. A list that was replaced goes when the lookups in it have ended (util/epoch.h).
//
// Making a list takes n log n: about 1 ms for 4,000 tombstones. What a tombstone is charged with
// bounds how many a memtable holds.
//
// Thread safety: everything may be called from any thread. Who reads after an Add() returned, and
// knows it, sees that tombstone; others may.
class RangeTombstoneStack {
 public:
  explicit RangeTombstoneStack(const InternalKeyComparator& comparator);
  ~RangeTombstoneStack();
  RangeTombstoneStack(const RangeTombstoneStack&) = delete;
  RangeTombstoneStack& operator=(const RangeTombstoneStack&) = delete;

  // Requires start < end. The bytes are copied.
  void Add(SequenceNumber sequence, Slice start, Slice end);

  uint64_t count() const {
    const Element* const newest = newest_.load(std::memory_order_acquire);
    return newest == nullptr ? 0 : newest->count;
  }
  // The newest tombstone at or below `at` that covers the key; 0: none.
  SequenceNumber MaxCovering(Slice user_key, SequenceNumber at) const;
  // All of them; null if there are none. May outlive the stack.
  std::shared_ptr<const FragmentedRangeTombstones> list() const;

  // What is charged for the tombstones: each with itself, twice its keys, and its share of the list
  // with some nodes of the sets, as ranges that nest need them.
  size_t charge() const { return charge_.load(std::memory_order_relaxed); }
  // The charge of tombstones with keys of together `key_bytes`.
  static size_t ChargeOf(uint64_t tombstones, size_t key_bytes);

 private:
  struct Element {  // constant once linked
    RangeTombstone tombstone;
    const Element* older = nullptr;
    uint64_t count = 1;  // of it and all older ones
  };
  struct Made {
    std::shared_ptr<const FragmentedRangeTombstones> list;
    uint64_t count;  // of the elements it is made of, the oldest so many
  };

  // The newest list, of all elements there were at the call. Null if there were none. Requires
  // being inside epochs_ for as long as it is used.
  const Made* Current() const;

  const InternalKeyComparator comparator_;
  // Release and acquire publish what it leads to.
  std::atomic<const Element*> newest_{nullptr};
  std::atomic<size_t> charge_{0};  // relaxed: a sum

  mutable EpochDomain epochs_;
  mutable std::atomic<const Made*> made_{nullptr};
  // Held while a list is made: who waits would have to make it himself.
  mutable Mutex make_mu_;
};

}  // namespace varve

#endif  // VARVE_MEMTABLE_RANGE_STACK_H_
