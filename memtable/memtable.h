#ifndef VARVE_MEMTABLE_MEMTABLE_H_
#define VARVE_MEMTABLE_MEMTABLE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "memtable/key_filter.h"
#include "memtable/range_stack.h"
#include "util/internal_iterator.h"
#include "util/internal_key.h"
#include "util/memory_budget.h"
#include "util/range_tombstones.h"
#include "varve/slice.h"

namespace varve {

class SkipList;

// The newest writes, in memory and in order: a skiplist of entries in an arena
// (memtable/skiplist.h), with a filter of their keys before it (memtable/key_filter.h). It only
// grows; a full one becomes immutable by being left alone, and goes when its last owner does.
//
// Range tombstones (kRangeDelete: the key is the range's start, the value its end) lie apart, as a
// key is covered by those that start anywhere before it (memtable/range_stack.h). Get() and the
// iterator do not see them; their users ask for them beside.
//
// Thread safety: any number of readers (Get, iterators, counters) run beside any writer, without
// locks. Writers are either one caller of Add() at a time, or any number of AddConcurrently();
// the two kinds must not overlap, and the caller orders one after the other (the commit group's
// leader does).
//
// What readers see: an entry is linked in before the call that adds it returns, and whole. Which
// entries a reader may use is decided by its sequence, which the caller publishes after the calls.
class MemTable {
 public:
  // What the entries of one AddConcurrently() caller sum up to; AddTally() makes it count.
  struct Tally {
    uint64_t entries = 0;
    uint64_t deletes = 0;
    SequenceNumber smallest_sequence = kMaxSequence;
    SequenceNumber largest_sequence = 0;

    void Count(SequenceNumber sequence, ValueType type) {
      ++entries;
      deletes += IsTombstone(type);
      if (sequence < smallest_sequence) smallest_sequence = sequence;
      if (sequence > largest_sequence) largest_sequence = sequence;
    }
  };

  // For speed alone: `common_prefix` is what most keys are expected to begin with, and
  // `expected_bytes` what it will hold, which sizes the filter; 0 for none. Where the comparator
  // takes keys of different bytes for equal, there is none either. What it holds is charged to
  // `memory`, which may be null.
  explicit MemTable(const InternalKeyComparator& comparator, Slice common_prefix = Slice(),
                    size_t expected_bytes = 0, std::shared_ptr<MemoryBudget> memory = nullptr);
  ~MemTable();
  MemTable(const MemTable&) = delete;
  MemTable& operator=(const MemTable&) = delete;

  // Adds an entry; the bytes are copied. No entry with the same key and sequence may be there.
  // Sizes are the caller's duty: key at most 64 KiB, value under 4 GiB (the batch checked them).
  // A range that is empty in the comparator's order counts as an entry and deletes nothing.
  // The value is `value_head`, then `value`: an expiry comes apart from what it is of.
  void Add(SequenceNumber sequence, ValueType type, Slice key, Slice value,
           Slice value_head = Slice());
  // The same, beside other callers of AddConcurrently(). It does not touch the counters below but
  // *tally, which the caller owns.
  void AddConcurrently(SequenceNumber sequence, ValueType type, Slice key, Slice value,
                       Tally* tally, Slice value_head = Slice());
  // Adds to the counters what AddConcurrently() left in `tally`. Any thread, but not beside Add().
  void AddTally(const Tally& tally);

  // The newest entry of the key at or below the lookup's sequence, whatever its type: true, with
  // its value and trailer. The value's bytes live as long as the memtable. False if there is none.
  bool Get(const LookupKey& lookup, Slice* value, uint64_t* trailer) const;

  // Whether there may be range tombstones: one load. Those of writes published before are seen.
  bool has_range_tombstones() const { return ranges() != nullptr; }
  // All of them, those of writes not yet published included: ask with the sequence that is read at.
  // Null if there are none. May outlive the memtable.
  std::shared_ptr<const FragmentedRangeTombstones> range_tombstones() const {
    return has_range_tombstones() ? ranges()->list() : nullptr;
  }
  // The newest range tombstone at or below `at` that covers the key; 0: none.
  SequenceNumber MaxCoveringTombstone(Slice user_key, SequenceNumber at) const {
    return has_range_tombstones() ? ranges()->MaxCovering(user_key, at) : 0;
  }

  // Must not outlive the memtable. May or may not see entries that are added while it is in use.
  // Its keys and values live as long as the memtable, not only until it moves. The list has no
  // links back: Prev() takes up to 32 nodes with one search, and costs two or three times a Next().
  std::unique_ptr<InternalIterator> NewIterator() const;

  // Bytes of memory taken from the system, unused rests of blocks included.
  size_t bytes() const;
  // Charges what it has come to hold. By one thread at a time: who leads the writers, after a group
  // of insertions. Cheap where no block was added.
  void ChargeMemory() { charge_.Set(bytes()); }
  // Bytes of the entries, list links included: what grows towards Options::memtable_bytes. A range
  // tombstone is charged with what it usually takes in the fragmented list as well.
  size_t used_bytes() const;
  // An upper bound of what used_bytes() grows by when `entries` entries of together `data_bytes`
  // bytes of keys and values are added, of which `range_deletes` are range tombstones. (The number
  // of links is random: hardly one time in 10^9 passes it. Each thread that adds concurrently takes
  // up to 4 KiB in advance.) A batch fits if used_bytes() + BytesMax() is within the limit.
  static size_t BytesMax(uint64_t entries, size_t data_bytes, uint64_t range_deletes = 0);

  // What the keys begin with, as far as it is worth telling the next memtable: empty where eight
  // bytes of a key tell most of them apart.
  std::string CommonPrefix() const;

  // Range tombstones included.
  uint64_t entries() const { return entries_.load(std::memory_order_relaxed); }
  uint64_t deletes() const { return deletes_.load(std::memory_order_relaxed); }
  uint64_t range_deletes() const { return has_range_tombstones() ? ranges()->count() : 0; }
  bool empty() const { return entries() == 0; }
  // kMaxSequence and 0 while there are no entries.
  SequenceNumber smallest_sequence() const {
    return smallest_sequence_.load(std::memory_order_relaxed);
  }
  SequenceNumber largest_sequence() const {
    return largest_sequence_.load(std::memory_order_relaxed);
  }

 private:
  RangeTombstoneStack* ranges() const { return ranges_.load(std::memory_order_acquire); }
  void AddRange(SequenceNumber sequence, Slice start, Slice end);

  const InternalKeyComparator comparator_;
  KeyFilter filter_;
  std::unique_ptr<SkipList> list_;
  MemoryCharge charge_;

  // Made with the first range tombstone: most memtables have none. Release and acquire publish it.
  std::atomic<RangeTombstoneStack*> ranges_{nullptr};

  // Relaxed: they are summaries. Who needs them exact (a flush) reads them after the last writer is
  // done, which the caller's own synchronisation says.
  std::atomic<uint64_t> entries_{0};
  std::atomic<uint64_t> deletes_{0};
  std::atomic<SequenceNumber> smallest_sequence_{kMaxSequence};
  std::atomic<SequenceNumber> largest_sequence_{0};
};

}  // namespace varve

#endif  // VARVE_MEMTABLE_MEMTABLE_H_
