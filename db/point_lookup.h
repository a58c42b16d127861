#ifndef VARVE_DB_POINT_LOOKUP_H_
#define VARVE_DB_POINT_LOOKUP_H_

#include <cstdint>
#include <span>
#include <vector>

#include "db/miss_reason.h"
#include "db/read_clock.h"
#include "db/read_view.h"
#include "db/segment_cache.h"
#include "table/segment_reader.h"
#include "util/internal_key.h"
#include "varve/merge_operator.h"
#include "varve/options.h"
#include "varve/pinned_value.h"
#include "varve/status.h"

namespace varve {

// Finds what a key is in a read view, at the sequence of its LookupKey:
//
//  1. The memtable, the immutables, then the runs are asked, newest first (RULES R1.1): for their
//     newest entry of the key, and for the newest range tombstone that covers it.
//  2. The first source with either decides, as VisibilityOf() says. If that is a merge operand, the
//     source's older entries and the older sources are gone through down to what is none.
//     Entries with an expiry are judged by the ReadClock of the read, one for all keys of it.
//  3. An error ends it: what is older must not show through (Checklist C14). In a cache a segment
//     that cannot be read ends it with a miss (RULES R2.3).
//
//  4. Before the runs of a place, the ghosts of newer places are asked: where one accepts the key
//     it is not there, whatever the sequence, and nothing older is looked at (RULES R2.6). Ghosts
//     are older than any memtable.
//
// NotFound comes with the reason, that of what decided; *miss is set with NotFound alone.
//
// Runs of level 0 that share an epoch are one source: a tombstone of one does not end the search
// before the others were asked.
//
// All calls are made inside the epoch domain that guards the view. Thread safety: all of it.
class PointLookup {
 public:
  // Without an operator (null), keys with merge operands are NotSupported. Both must outlive this.
  // With `heat` the segment in which a value is found is told (SegmentFile::heat()).
  PointLookup(const InternalKeyComparator& comparator, const MergeOperator* merge_operator,
              SegmentCache* segments, const HeatMemory* heat = nullptr)
      : comparator_(comparator),
        merge_operator_(merge_operator),
        segments_(segments),
        heat_(heat) {}

  // True if a memtable decides, with *status and, where that is OK, *value set.
  bool InMemtables(const ReadView& view, const ReadOptions& options, const LookupKey& key,
                   ReadClock* clock, PinnedValue* value, Status* status, MissReason* miss) const;
  // For a key no memtable decides.
  Status InSegments(const ReadView& view, const ReadOptions& options, const LookupKey& key,
                    ReadClock* clock, PinnedValue* value, MissReason* miss) const;

  // One of many keys, with key, key_hash and result.value set. Afterwards `status` and `miss` are
  // what InSegments() would have answered.
  struct Request : PointRequest {
    SequenceNumber covering = 0;  // the newest range tombstone so far
    size_t ghosts_asked = 0;      // as GhostOver() has it
    bool decided = false;
    MissReason miss = MissReason::kAbsent;
  };
  // For many keys, with the blocks of each segment read as one batch.
  void InSegments(const ReadView& view, const ReadOptions& options,
                  std::span<Request* const> requests, ReadClock* clock) const;

 private:
  void NoteAnswer(const SegmentFile& file, uint64_t hash, const Status& answer) const {
    if (heat_ != nullptr && answer.ok()) file.heat().Record(hash, *heat_);
  }
  uint64_t Prefix(Slice user_key) const { return comparator_.bytewise() ? KeyPrefix(user_key) : 0; }
  // A ghost of a newer place than the run's that accepts the key, or null. `*asked` of the ghosts
  // were asked before, beside newer runs: each is asked once.
  const Ghost* GhostOver(const Version& version, const SortedRun& run, Slice user_key,
                         uint64_t hash, size_t* asked) const {
    return *asked < version.ghosts().size() ? AskGhosts(version, run, user_key, hash, asked)
                                            : nullptr;
  }
  const Ghost* AskGhosts(const Version& version, const SortedRun& run, Slice user_key,
                         uint64_t hash, size_t* asked) const;
  // Of a key that no source knows: the ghosts that hide nothing of it are still its trace.
  MissReason ReasonAtEnd(const ReadView& view, Slice user_key, uint64_t hash, size_t asked) const;
  // The rest of InSegments(), from the first run on whose segment for the key has range tombstones;
  // where there are ghosts, from the first.
  Status FromRun(const ReadView& view, const ReadOptions& options, const LookupKey& key, size_t run,
                 uint64_t hash, ReadClock* clock, PinnedValue* value, MissReason* miss) const;
  // What the lookup answers whose next segment could not be read.
  Status AfterError(Status status, MissReason* miss) const;
  // What a source's newest entry of the key means; *value is set already to the entry's.
  Status Answer(const ReadView& view, const ReadOptions& options, const LookupKey& key,
                size_t source, SequenceNumber covering, uint64_t trailer, ReadClock* clock,
                PinnedValue* value, MissReason* miss) const;
  // The value of a key whose newest entry to be seen is a merge operand in source number `source`:
  // the memtables, then the runs.
  Status GetMerged(const ReadView& view, const ReadOptions& options, const LookupKey& key,
                   size_t source, ReadClock* clock, PinnedValue* value) const;

  const InternalKeyComparator comparator_;
  const MergeOperator* const merge_operator_;
  SegmentCache* const segments_;
  const HeatMemory* const heat_;  // null: nobody asks what was hit
};

}  // namespace varve

#endif  // VARVE_DB_POINT_LOOKUP_H_
