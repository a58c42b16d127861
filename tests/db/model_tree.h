#ifndef VARVE_TESTS_DB_MODEL_TREE_H_
#define VARVE_TESTS_DB_MODEL_TREE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "db/compaction_plan.h"
#include "db/older_sources.h"
#include "db/version.h"
#include "util/random.h"

namespace varve::testing {

// A tree without files: segments are lists of (key, sequence), so that plans can be carried out,
// several at once, and the order of the versions of every key looked at. Keys are numbers.
class ModelTree {
 public:
  struct Entry {
    uint32_t key = 0;
    SequenceNumber sequence = 0;
    bool tombstone = false;
  };
  using Entries = std::vector<Entry>;  // keys ascending, of one key the newest first

  struct Settings {
    uint64_t entry_bytes = 100;
    // Hidden versions go in a merge, and tombstones with nothing older beneath.
    bool drop_hidden = true;
    // Entries at or above stay as they are: a snapshot's.
    SequenceNumber droppable_before = kMaxSequence;
    // Some upper bounds are written as exclusive ones, as range tombstones make them.
    bool exclusive_bounds = false;
    // Tombstones count as such of ranges.
    bool range_tombstones = false;
    uint64_t seed = 1;
  };

  explicit ModelTree(const Settings& settings);

  const InternalKeyComparator& comparator() const { return comparator_; }
  const Version& version() const { return *version_; }
  const BusySegments& busy() const { return busy_; }
  const std::vector<CompactionPlan>& running() const { return running_; }
  // The next number that a segment gets.
  FileNumber next_number() const { return next_number_; }
  void set_droppable_before(SequenceNumber sequence) { settings_.droppable_before = sequence; }

  static std::string Key(uint32_t key);

  // A new run in level 0, cut into `segments`.
  void Flush(const Entries& entries, size_t segments = 1);
  // The same cut otherwise than by the order of keys: each goes to one of the segments, by a draw.
  void FlushSiblings(const Entries& entries, size_t segments);
  // Puts segments of `entries` there as they are, for trees that another style left behind.
  void Place(const Entries& entries, uint32_t level, size_t segments);
  // Begins the plan, whose inputs are then busy.
  void Begin(CompactionPlan plan);
  // Ends running()[index]: reads its inputs, writes outputs, makes the next version.
  void Finish(size_t index);
  // Begins and ends it.
  void Run(CompactionPlan plan);

  // What breaks RULES R1.1, or empty. A segment out of its bounds counts too.
  std::string Disorder() const;
  // What a reader of the newest state finds: no tombstones.
  std::map<uint32_t, SequenceNumber> Live() const;

  uint64_t bytes_flushed() const { return bytes_flushed_; }
  uint64_t bytes_compacted() const { return bytes_compacted_; }  // written by plans

 private:
  SegmentEntry MakeEntry(const Entries& entries, size_t from, size_t to, uint32_t level,
                         uint64_t epoch);
  void Install(const std::vector<FileNumber>& removed, std::vector<SegmentEntry> added);
  Entries Merge(const CompactionPlan& plan, const OlderSources& older) const;

  Settings settings_;
  const InternalKeyComparator comparator_;
  Random random_;
  std::shared_ptr<const Version> version_;
  std::map<FileNumber, Entries> contents_;
  BusySegments busy_;
  std::vector<CompactionPlan> running_;
  std::vector<std::shared_ptr<const Version>> picked_from_;  // one for each that runs
  FileNumber next_number_ = 1;
  uint64_t next_epoch_ = 1;
  uint64_t bytes_flushed_ = 0;
  uint64_t bytes_compacted_ = 0;
};

}  // namespace varve::testing

#endif  // VARVE_TESTS_DB_MODEL_TREE_H_
