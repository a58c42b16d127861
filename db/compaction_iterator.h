#ifndef VARVE_DB_COMPACTION_ITERATOR_H_
#define VARVE_DB_COMPACTION_ITERATOR_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "db/merge_operands.h"
#include "db/read_sequences.h"
#include "util/internal_iterator.h"
#include "util/internal_key.h"
#include "util/range_tombstones.h"
#include "varve/compaction_filter.h"
#include "varve/merge_operator.h"
#include "varve/status.h"

namespace varve {

// What a compaction may leave out, judged in this one place.
//
//  0. *Ghosts.* An entry goes, whatever it is, if a ghost that is newer than its source accepts the
//     key: it shows to nobody, and what it hides is hidden by the ghost as well (RULES R2.4).
//
// For an entry v of a key that stays, let r be the first reader that sees it
// (ReadSequences::FirstToSee). Then
//
//  1. *Hidden.* v goes if something newer hides it from r: a newer value or delete w of the key
//     with w <= r, or a range tombstone t of the inputs that covers the key, v < t <= r. Whoever
//     reads above r sees w or t as well. Merge operands hide nothing.
//  2. *Deletes.* A delete d that is not hidden goes if nobody reads below it, and no older source
//     may hold the key (Checklist C5): all it could hide is then in the inputs, older than d, and
//     goes by (1).
//  3. *Range tombstones*: the same, with all keys of their range; and of two that cover the same
//     keys the older goes if no reader sees it without the newer (KeptTombstones()).
//  4. *Filter.* The user's compaction filter is asked about a value that is the newest version of
//     its key here, if no snapshot sees it. What it removes becomes a delete of that sequence, so
//     that nothing older is uncovered, and (2) decides.
//  5. *Merge operands.* Operands that no reader sees apart become one entry with the sequence of
//     the newest: a value, where their base is among the inputs (value, delete, or covered), or
//     where no older source may hold the key; else one operand, if the operator can make one. What
//     the operator refuses stays as it is.
//  6. *Expiry.* An entry whose time has come shows to nobody, whatever they read at, but goes on
//     hiding what is older: it is a delete of that sequence (a tombstone of type kExpired), and (2)
//     decides. Beneath a merge operand of the inputs it stays as it is, as reads refuse the pair
//     (db/visibility.h).
//
// Nothing else is left out; sequences are never changed. An error of the input ends it.
//
// Not thread-safe.
class CompactionIterator {
 public:
  struct Context {
    InternalKeyComparator comparator{BytewiseComparator()};
    // Whoever may read from now on.
    ReadSequences readers{{}, kMaxSequence};
    // Of all inputs; may be null.
    const FragmentedRangeTombstones* tombstones = nullptr;
    // Whether a source that is older than all inputs may hold the key, or any key of [start, end).
    std::function<bool(Slice user_key)> older_may_hold;
    std::function<bool(Slice start, Slice end)> older_may_overlap;
    // Whether a ghost that is newer than the source of the input's entry accepts its key. Empty:
    // there is none.
    std::function<bool(Slice user_key)> hidden_by_ghost;
    const CompactionFilter* filter = nullptr;       // may be null
    const MergeOperator* merge_operator = nullptr;  // may be null: operands stay apart
    uint32_t output_level = 0;
    // When it began, ms since 1970: what expires later stays.
    uint64_t now_ms = 0;
    // Asked now and then: once true, it ends with Aborted. May be empty.
    std::function<bool()> cancelled;
    // Grows by what is read, now and then; may be null.
    std::atomic<uint64_t>* entries_done = nullptr;
  };
  struct Stats {
    uint64_t entries_read = 0;
    uint64_t entries_written = 0;
    uint64_t ghost_dropped = 0;       // by (0)
    uint64_t hidden_dropped = 0;      // by (1)
    uint64_t deletes_dropped = 0;     // by (2)
    uint64_t filter_dropped = 0;      // removed by (4)
    uint64_t expired = 0;             // dropped, or made tombstones, by (6)
    uint64_t expired_dropped = 0;     // of them dropped
    uint64_t expired_bytes = 0;       // keys and values of `expired`
    uint64_t operands_folded = 0;     // entries that became part of another by (5)
    uint64_t tombstones_dropped = 0;  // fragments of range tombstones, by (3)
    uint64_t merge_failures = 0;      // folds that the operator refused

    void Add(const Stats& other);
    uint64_t dropped() const {
      return ghost_dropped + hidden_dropped + deletes_dropped + filter_dropped + expired_dropped +
             operands_folded;
    }
  };

  // `input` gives the entries of all inputs in the order of internal keys, and is positioned by
  // Start(). It must outlive this object.
  CompactionIterator(Context context, InternalIterator* input);
  CompactionIterator(const CompactionIterator&) = delete;
  CompactionIterator& operator=(const CompactionIterator&) = delete;

  // To the first entry that stays, at or after `begin` (null: from the start), before `end`
  // (null: to the end). Both are user keys, and must outlive the object.
  void Start(const std::string* begin, const std::string* end);
  bool Valid() const { return valid_; }
  void Next();
  Slice key() const { return key_; }  // internal
  Slice value() const { return value_; }
  // Not OK: it ended too early, and its output must not be used.
  const Status& status() const { return status_; }

  // The range tombstones that stay, within [lower, upper), null being unbounded.
  std::vector<RangeTombstone> KeptTombstones(const std::string* lower, const std::string* upper);

  const Stats& stats() const { return stats_; }

 private:
  static constexpr SequenceNumber kNone = UINT64_MAX;
  static constexpr uint64_t kEntriesPerCheck = 1024;
  static constexpr uint64_t kBytesPerCheck = 1 << 20;

  // The entry the input is at; false at the end of the range, of the input, or on an error.
  bool ReadEntry();
  // The same, but false as well where another key begins.
  bool ReadEntryOfSameKey();
  bool SplitInput();
  // Counts an entry that was read. Once every so many of them, or of their bytes, it says how far
  // it is; false if it is cancelled then.
  bool CountRead();
  bool IsHiddenByGhost() const {
    return context_.hidden_by_ghost != nullptr && context_.hidden_by_ghost(user_key_);
  }
  bool IsHidden(SequenceNumber sequence) const;
  // The newest range tombstone at or below `at` that covers the current key.
  SequenceNumber Covering(SequenceNumber at) const;
  void FindNext();
  // What to do with a value, tombstone or entry with an expiry that is not hidden: true if
  // something stays of it, as key_ and value_.
  bool KeepsValue();
  bool KeepsTombstone();
  bool KeepsExpiring();
  // The current entry as a tombstone, for what was a value and is none any more.
  bool KeepsAs(ValueType tombstone);
  // Reads the operands from the input's on, and what they stand on; queues what becomes of them.
  void FoldOperands();
  // Behind what is queued, an entry of the current key.
  void Queue(SequenceNumber sequence, ValueType type, std::string value);
  void EmitFront();
  void Emit(Slice key, Slice value) {
    key_ = key;
    value_ = value;
    valid_ = true;
    ++stats_.entries_written;
  }

  const Context context_;
  InternalIterator* const input_;
  const std::string* end_ = nullptr;

  // The entry the input is at.
  Slice input_key_;
  SequenceNumber sequence_ = 0;
  ValueType type_ = ValueType::kDelete;

  bool any_ = false;  // user_key_ is one
  std::string user_key_;
  SequenceNumber newer_ = kNone;  // the next newer version of the key that hides
  bool newest_ = false;           // no version of the key came before the current one
  bool under_operand_ = false;    // the last that stayed of the key is a merge operand

  // What is shown: the input's entry, or copies.
  bool valid_ = false;
  bool at_input_ = false;  // the shown entry is the input's, which Next() must step over
  Slice key_, value_;
  std::string changed_key_, changed_value_;
  std::deque<std::pair<std::string, std::string>> queue_;  // what folding made, the front shown

  MergeOperands operands_;
  std::vector<SequenceNumber> operand_sequences_;  // one for each

  Status status_;
  Stats stats_;
  uint64_t entries_told_ = 0;  // of those read, by entries_done
  uint64_t bytes_untold_ = 0;
};

}  // namespace varve

#endif  // VARVE_DB_COMPACTION_ITERATOR_H_
