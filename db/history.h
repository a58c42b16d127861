#ifndef VARVE_DB_HISTORY_H_
#define VARVE_DB_HISTORY_H_

#include <cstddef>
#include <cstdint>
#include <deque>

#include "util/internal_key.h"
#include "util/mutex.h"
#include "varve/env.h"
#include "varve/options.h"

// History: which states of the past stay readable, by ReadOptions.at_sequence.
//
//  1. A job that may drop versions (flush, compaction) first asks for the *floor*: the sequence
//     published now, or an older one that the retention still holds. Then it lists the snapshots.
//     The other way round, a snapshot taken in between could lie below the floor unseen.
//  2. It drops only versions that no state from the floor on shows, and no snapshot
//     (db/read_sequences.h).
//  3. The commit that installs its outputs also raises the retained sequence to the floor, whether
//     a version was dropped or not. The same commit is enough: the root before it names the inputs,
//     which hold everything, with the lower retained sequence that is true of them, so whichever of
//     the two a crash leaves agrees with its segments (Checklist C4). Nothing is released before
//     both roots are past it (RULES R4.1).
//  4. The version published with the outputs carries the retained sequence. A read pins its version
//     first and is judged by that: below it, TooOld (Checklist C3). So a read never sees the
//     outputs of a job with the retained sequence of before, nor the reverse.

namespace varve {

// How long a state stays readable after it was replaced; 0 asks for nothing. Where both are given,
// it stays for as long as either asks.
struct HistoryRetention {
  uint64_t millis = 0;
  uint64_t sequences = 0;

  HistoryRetention() = default;
  explicit HistoryRetention(const Options& options)
      : millis(options.history_retention_ms), sequences(options.history_retention_sequences) {}
  bool any() const { return millis != 0 || sequences != 0; }
};

// Says how far back the history must reach. What was published when, it knows from samples taken
// at each call of Floor(); between two it errs on the side of keeping more. What a database held
// when it was opened counts as written at that moment: it stays for the whole retention, since
// neither times nor (after an unclean end, which skips some) the sequences in use are recorded.
//
// Thread safety: all of it; Begin() comes first.
class History {
 public:
  // Samples kept, about: one for each such part of the retention.
  static constexpr size_t kSamplesMax = 256;

  History(Clock* clock, const HistoryRetention& retention) : clock_(clock), retention_(retention) {}

  // The database is open, with everything up to `published`.
  void Begin(SequenceNumber published);
  // No sequence between the two is in use, so the retention does not count them. Before `above` is
  // published.
  void Skip(SequenceNumber below, SequenceNumber above);
  void SetRetention(const HistoryRetention& retention);

  // Every state from the result on must stay readable. `published` is read before the call.
  SequenceNumber Floor(SequenceNumber published);

  size_t samples() const;

 private:
  // At `millis` the sequences up to `published` had been published, and maybe more.
  struct Sample {
    uint64_t millis;
    SequenceNumber published;
  };

  // Two sequences in use, and none between them.
  struct Gap {
    SequenceNumber below, above;
  };

  SequenceNumber FloorByTime(SequenceNumber published) REQUIRES(mu_);
  SequenceNumber FloorBySequences(SequenceNumber published) REQUIRES(mu_);

  Clock* const clock_;

  mutable Mutex mu_;
  HistoryRetention retention_ GUARDED_BY(mu_);
  SequenceNumber opened_at_ GUARDED_BY(mu_) = 0;
  std::deque<Sample> samples_ GUARDED_BY(mu_);  // ascending in both
  std::deque<Gap> gaps_ GUARDED_BY(mu_);        // ascending, those above the last floor
};

}  // namespace varve

#endif  // VARVE_DB_HISTORY_H_
