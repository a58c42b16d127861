#ifndef VARVE_DB_READ_SEQUENCES_H_
#define VARVE_DB_READ_SEQUENCES_H_

#include <algorithm>
#include <utility>
#include <vector>

#include "util/internal_key.h"

namespace varve {

// The sequences at which anybody may read, now or later: those of the live snapshots, and every one
// from `history_from` on (new readers, and reads at an explicit sequence). Flushes and compactions
// ask it what nobody can see any more.
//
// To be right, `history_from` is at most the published sequence as read *before* the snapshots were
// listed: a snapshot taken later is at or above it.
class ReadSequences {
 public:
  // `snapshots` ascending.
  ReadSequences(std::vector<SequenceNumber> snapshots, SequenceNumber history_from)
      : snapshots_(std::move(snapshots)), history_from_(history_from) {}

  // The lowest one that sees an entry of this sequence. An entry is hidden from everybody if, at
  // that one, something newer hides it: whoever reads above sees that as well.
  SequenceNumber FirstToSee(SequenceNumber entry) const {
    const SequenceNumber in_history = std::max(entry, history_from_);
    if (snapshots_.empty() || snapshots_.back() < entry) return in_history;
    return std::min(in_history, *std::lower_bound(snapshots_.begin(), snapshots_.end(), entry));
  }
  // Nobody reads below it.
  SequenceNumber lowest() const { return FirstToSee(0); }
  // Of entries below it nothing is kept that others below it hide, nor a tombstone that has nothing
  // older beneath it.
  SequenceNumber droppable_before() const { return lowest() + 1; }
  SequenceNumber history_from() const { return history_from_; }
  // Whether a live snapshot sees an entry of this sequence.
  bool SnapshotSees(SequenceNumber entry) const {
    return !snapshots_.empty() && snapshots_.back() >= entry;
  }

 private:
  std::vector<SequenceNumber> snapshots_;
  SequenceNumber history_from_;
};

}  // namespace varve

#endif  // VARVE_DB_READ_SEQUENCES_H_
