#ifndef VARVE_DB_COMPACTION_PLAN_H_
#define VARVE_DB_COMPACTION_PLAN_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "db/version.h"
#include "util/internal_key.h"

namespace varve {

// Why a compaction is wanted; in messages, events and statistics.
enum class CompactionReason : uint8_t {
  kLevel0Runs,          // leveled: too many runs in level 0
  kLevelBytes,          // leveled: a level is over its target
  kSizeRatio,           // tiered: neighbouring runs of like size
  kRuns,                // tiered: too many runs
  kSpaceAmplification,  // too much lies above the oldest run or the last level, or is hidden
  kTombstones,          // many deletes that cost reads and room
  kGhosts,              // ghosts over their budget (db/ghost_budget.h)
  kExpired,             // much has expired
  kManual,              // CompactRange
  kSmallSegments,       // by time: neighbours in age that are small
};

// Segments of one sorted run that a compaction takes, in key order.
struct CompactionInput {
  uint32_t level = 0;
  SegmentList segments;
};

// What a picker chose: which segments become which. Nothing of it has happened yet.
struct CompactionPlan {
  CompactionReason reason = CompactionReason::kManual;
  // How urgent, 1 being the limit; of two plans the higher goes first. Below 1 it is worth doing
  // only in a quiet time: it saves room, and would cost writing while writers go on.
  double score = 0;
  // Newest run first, in the order of the version. The key ranges of what the inputs hold and of
  // what lies between them in age do not cross: no entry passes a newer or an older one of its key
  // (RULES R1.4).
  std::vector<CompactionInput> inputs;
  uint32_t output_level = 0;
  uint64_t output_epoch = 0;  // the highest of the inputs'
  // The inputs go to the output level as they are; nothing is read or written.
  bool trivial_move = false;
  // Outputs are cut at about so many bytes of file, between two user keys.
  uint64_t segment_bytes = 0;
  // Segments of the next older level that overlap the inputs: an output is cut before it overlaps
  // more than `grandparent_bytes_max` of them, so that its own compaction stays small.
  SegmentList grandparents;
  uint64_t grandparent_bytes_max = UINT64_MAX;

  uint64_t input_bytes() const {
    uint64_t bytes = 0;
    for (const CompactionInput& input : inputs) {
      for (const auto& segment : input.segments) bytes += segment->file_bytes();
    }
    return bytes;
  }
};

// Segments that running compactions have as inputs, by number: no two share one (Checklist S14).
using BusySegments = std::set<FileNumber>;

// A compaction that somebody asked for, step by step: everything in the range sinks to the deepest
// place the style has, where it is rewritten if so wanted.
struct ManualCompaction {
  // User keys, both included; unset is unbounded.
  std::optional<std::string> begin, end;
  // Segments with nothing below this sequence were written after the call: they are left out, so
  // that it ends while writers go on.
  SequenceNumber sequence_before = kMaxSequence;
  // Segments of the deepest place with a lower number are rewritten too, each once (its output has
  // a higher number), to drop what may be dropped. 0: the deepest place is left alone.
  FileNumber rewrite_before = 0;

  bool InRange(const InternalKeyComparator& comparator, const SegmentFile& segment) const {
    return !(begin && segment.IsBefore(comparator, *begin)) &&
           !(end && segment.IsAfter(comparator, *end));
  }
};

// Chooses compactions: a pure function from a version to an optional plan. It reads no file and
// keeps no state but its options, so trees drawn as text drive its tests.
//
// `busy` names the inputs of compactions that run. `running` are their plans: a plan must not
// cross their outputs in age and keys either (RULES R1.5).
class CompactionPicker {
 public:
  virtual ~CompactionPicker() = default;

  // The most urgent step; none while nothing is wanted that can be had. `droppable_before`
  // (db/read_sequences.h) says how far a rewrite drops tombstones that have nothing older beneath
  // them, and hidden versions. Where it is too low, segments are not rewritten for their sake.
  virtual std::optional<CompactionPlan> Pick(const Version& version, const BusySegments& busy,
                                             const std::vector<CompactionPlan>& running,
                                             SequenceNumber droppable_before) const = 0;

  // A step by which segments of which much has expired by `now_ms` (ExpiryGarbageFrom()) become
  // smaller: rewritten where nothing older lies beneath, else merged with what does. None where
  // there is none, or none that may begin now.
  virtual std::optional<CompactionPlan> PickExpired(const Version& /*version*/,
                                                    const BusySegments& /*busy*/,
                                                    const std::vector<CompactionPlan>& /*running*/,
                                                    uint64_t /*now_ms*/) const {
    return std::nullopt;
  }

  // The next step of a manual compaction; none when there is nothing left to do, or when what is to
  // be done must wait for `running`, in which case *blocked is set.
  virtual std::optional<CompactionPlan> PickManual(const Version& version, const BusySegments& busy,
                                                   const std::vector<CompactionPlan>& running,
                                                   const ManualCompaction& manual,
                                                   bool* blocked) const = 0;

  // Bytes that compactions should still take as input until nothing is wanted, each as often as it
  // is taken: an estimate, for the write stall.
  virtual uint64_t DebtBytes(const Version& version) const = 0;
};

}  // namespace varve

#endif  // VARVE_DB_COMPACTION_PLAN_H_
