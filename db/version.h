#ifndef VARVE_DB_VERSION_H_
#define VARVE_DB_VERSION_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "cache/segment_heat.h"
#include "db/manifest.h"
#include "table/ghost_reader.h"
#include "table/segment_reader.h"
#include "util/internal_key.h"
#include "varve/slice.h"

namespace varve {

// A live segment: what the manifest says of it, and its reader while that is open. Shared by the
// versions it is in.
//
// Its bounds cover its entries and its range tombstones. Where a tombstone's end lies above all
// entries, `largest` is that end with kExclusiveTrailer: no key from there on is in the segment.
//
// Thread safety: the entry is constant. The reader belongs to SegmentCache, which opens and closes
// it.
class SegmentFile {
 public:
  // Sorts before every entry of its user key.
  static constexpr uint64_t kExclusiveTrailer = UINT64_MAX;

  // Requires ValidBounds(entry). `before` is what had this number until the entry took its place:
  // the same segment at another level. The files that both have are the same.
  SegmentFile(SegmentEntry entry, const InternalKeyComparator& comparator,
              const SegmentFile* before = nullptr);
  SegmentFile(const SegmentFile&) = delete;
  SegmentFile& operator=(const SegmentFile&) = delete;

  static bool ValidBounds(const SegmentEntry& entry) {
    return entry.smallest.size() >= kTrailerBytes && entry.largest.size() >= kTrailerBytes;
  }

  const SegmentEntry& entry() const { return entry_; }
  FileNumber number() const { return entry_.number; }
  uint64_t file_bytes() const { return entry_.file_bytes; }
  Slice smallest_user_key() const { return ExtractUserKey(entry_.smallest); }
  Slice largest_user_key() const { return ExtractUserKey(entry_.largest); }
  // The largest user key is itself not in the segment.
  bool largest_is_exclusive() const { return largest_is_exclusive_; }
  bool has_range_deletes() const { return has_range_deletes_; }
  // What reads have found of it; told by a cache alone.
  SegmentHeat& heat() const { return heat_; }

  // Calls `done` when nobody holds anything that has this file of FilesOf(entry()) any more, be it
  // at this or at another level. At most once for each file, and not beside other calls.
  void WhenGone(FileType file, std::function<void()> done) {
    LifeOf(file)->when_gone = std::move(done);
  }

  bool IsBefore(const InternalKeyComparator& comparator, Slice user_key) const {
    const int order = comparator.CompareUserKeys(largest_user_key(), user_key);
    return order < 0 || (order == 0 && largest_is_exclusive_);
  }
  bool IsAfter(const InternalKeyComparator& comparator, Slice user_key) const {
    return comparator.CompareUserKeys(smallest_user_key(), user_key) > 0;
  }
  // Whether all keys of this one are before all of `other`.
  bool IsBefore(const InternalKeyComparator& comparator, const SegmentFile& other) const {
    return IsBefore(comparator, other.smallest_user_key());
  }
  bool Overlaps(const InternalKeyComparator& comparator, const SegmentFile& other) const {
    return !IsBefore(comparator, other) && !other.IsBefore(comparator, *this);
  }

  // False if no version of the key is in the segment, by its bounds. `prefix` is KeyPrefix() of the
  // key, looked at under the bytewise order alone.
  bool MayHold(const InternalKeyComparator& comparator, Slice user_key, uint64_t prefix) const {
    if (comparator.bytewise()) {
      if (prefix < smallest_prefix_ || prefix > largest_prefix_) return false;
      if (prefix > smallest_prefix_ && prefix < largest_prefix_) return true;
    }
    return !IsAfter(comparator, user_key) && !IsBefore(comparator, user_key);
  }

 private:
  friend class SegmentCache;
  friend class SortedRun;

  // Of a file, in all objects that have it.
  struct Life {
    std::function<void()> when_gone;
    ~Life() {
      if (when_gone != nullptr) when_gone();
    }
  };

  const std::shared_ptr<Life>& LifeOf(FileType file) const {
    return file == FileType::kGhost ? ghost_life_ : segment_life_;
  }
  static std::shared_ptr<Life> NewLife(const SegmentEntry& entry, FileType file,
                                       const SegmentFile* before);

  const SegmentEntry entry_;
  const bool largest_is_exclusive_;
  const bool has_range_deletes_;
  // Null where the entry has no such file.
  const std::shared_ptr<Life> segment_life_, ghost_life_;
  uint64_t smallest_prefix_ = 0, largest_prefix_ = 0;  // KeyPrefix() of the bounds, bytewise only

  // Null while closed. Loaded inside an EpochDomain, sequentially consistent as that asks.
  std::atomic<SegmentReader*> reader_{nullptr};
  // Relaxed: a hint for the choice of the reader to close.
  std::atomic<bool> used_{false};
  std::shared_ptr<SegmentReader> owner_;  // guarded by the cache's mutex
  mutable SegmentHeat heat_;
};

using SegmentList = std::vector<std::shared_ptr<SegmentFile>>;

class Ghost;  // db/ghost.h
using GhostList = std::vector<std::shared_ptr<const Ghost>>;

// Segments of which no two hold the same user key, in the order of their keys: searched as one.
// Immutable.
class SortedRun {
 public:
  // `segments` are disjoint and ascending, and not none.
  SortedRun(const InternalKeyComparator& comparator, SegmentList segments);

  uint32_t level() const { return level_; }
  // The highest of its segments'.
  uint64_t epoch() const { return epoch_; }
  const SegmentList& segments() const { return segments_; }
  // Those that have range tombstones.
  const SegmentList& with_range_deletes() const { return with_range_deletes_; }
  uint64_t file_bytes() const { return file_bytes_; }
  // Whether neither is older than the other: of a key, and range tombstones count as versions of
  // every key they cover, either may have the newer versions.
  bool IsOneSourceWith(const SortedRun& other) const {
    return level_ == 0 && other.level_ == 0 && epoch_ == other.epoch_;
  }

  // The index of the first segment that is not wholly before the key; segments().size() if none.
  size_t LowerBound(Slice user_key) const;
  // The index of the first segment that begins at or after the key; segments().size() if none.
  size_t UpperBound(Slice user_key) const;
  // The one segment that may hold the key by its bounds, or null. `prefix` as in MayHold().
  const std::shared_ptr<SegmentFile>* Find(Slice user_key, uint64_t prefix) const {
    size_t i = 0;
    if (segments_.size() > 1) {
      i = LowerBound(user_key);
      if (i == segments_.size()) return nullptr;
    }
    return segments_[i]->MayHold(comparator_, user_key, prefix) ? &segments_[i] : nullptr;
  }
  // The segments that hold anything between the two keys, both included.
  std::span<const std::shared_ptr<SegmentFile>> Overlapping(Slice smallest, Slice largest) const;

 private:
  const InternalKeyComparator comparator_;
  const SegmentList segments_;
  SegmentList with_range_deletes_;
  std::vector<uint64_t> largest_prefixes_;  // bytewise only, one for each segment
  uint32_t level_ = 0;
  uint64_t epoch_ = 0;
  uint64_t file_bytes_ = 0;
};

// The set of live segments at one moment, as sorted runs, and what stays of evicted ones.
// Immutable.
//
// The runs are listed newest first: of two that hold a key, the earlier has its newer versions
// (RULES R1.1). First come those of level 0 by falling epoch, the segments of one epoch making one
// run (or several, where their ranges overlap: no key is in two of them, and neither is older);
// then each deeper level, as one run.
//
// Ghosts stand beside them, newest first too. What a run says of a key counts only where no ghost
// of a newer place accepts the key; of its own place a ghost says nothing.
class Version {
 public:
  using Runs = std::vector<std::shared_ptr<const SortedRun>>;

  Version() = default;
  // Of ghosts by number, those that could be read. The others are wide.
  using GhostReaders = std::map<FileNumber, std::shared_ptr<const GhostReader>>;
  // Corruption if an entry has no bounds, or two segments of a level below 0 overlap: names them.
  // `ghosts`: of those among the entries.
  static Status Build(const InternalKeyComparator& comparator, std::vector<SegmentEntry> entries,
                      SequenceNumber retained_sequence, std::shared_ptr<const Version>* version,
                      const GhostReaders& ghosts = {});

  // This one without the segments and ghosts of the numbers `removed`, and with `added`, whose keys
  // are disjoint from those of the segments that stay in a level below 0. A number in both is
  // replaced. The retained sequence only rises.
  std::shared_ptr<const Version> With(const InternalKeyComparator& comparator,
                                      std::span<const FileNumber> removed, const SegmentList& added,
                                      SequenceNumber retained_sequence = 0,
                                      const GhostList& added_ghosts = {}) const;

  const Runs& runs() const { return runs_; }
  // The run of a level below 0, or null.
  const SortedRun* level(uint32_t level) const;
  // The deepest level with a segment; 0 if there is none.
  uint32_t deepest_level() const { return runs_.empty() ? 0 : runs_.back()->level(); }
  // Runs of level 0.
  size_t level0_runs() const { return level0_runs_; }
  // Places in the order of age that hold something: epochs in level 0, and deeper levels. Fewer
  // than runs where the ranges of segments of one epoch overlap.
  size_t sources() const { return sources_; }
  uint64_t level_bytes(uint32_t level) const;

  // By place, the newest first.
  const GhostList& ghosts() const { return ghosts_; }
  // Of their files, and in memory.
  uint64_t ghost_file_bytes() const;
  uint64_t ghost_memory_bytes() const;
  // Summed over all.
  double ghost_false_positive_rate() const;
  // The number of the last eviction that a live segment or ghost knows of.
  uint64_t last_eviction() const;

  // Reads below it may miss versions that were there: TooOld.
  SequenceNumber retained_sequence() const { return retained_sequence_; }

  // Whether a segment with much to drop (db/garbage.h) waited until ReadSequences' droppable_before
  // came to be above one of [from, before).
  bool GarbageWaits(SequenceNumber from, SequenceNumber before) const;
  bool HasGarbage() const { return !garbage_until_.empty(); }

  // When the next segment will have expired so far that something is to be done about it, in the
  // engine's time: all of it, or much (db/garbage.h). UINT64_MAX: none will.
  uint64_t next_expiry_ms() const { return next_expiry_ms_; }

  size_t segments() const { return segments_; }
  uint64_t file_bytes() const { return file_bytes_; }
  uint64_t entries() const { return entries_; }
  // Calls `visit` with each segment, in the order of the runs.
  template <typename Visit>
  void ForEachSegment(Visit visit) const {
    for (const auto& run : runs_) {
      for (const std::shared_ptr<SegmentFile>& segment : run->segments()) visit(segment);
    }
  }

 private:
  Version(Runs runs, GhostList ghosts, SequenceNumber retained_sequence);

  Runs runs_;
  GhostList ghosts_;
  SequenceNumber retained_sequence_ = 0;
  size_t level0_runs_ = 0;
  size_t sources_ = 0;
  size_t segments_ = 0;
  uint64_t file_bytes_ = 0;
  uint64_t entries_ = 0;
  uint64_t next_expiry_ms_ = UINT64_MAX;
  std::vector<SequenceNumber> garbage_until_;  // ascending; of those segments alone that have much
};

}  // namespace varve

#endif  // VARVE_DB_VERSION_H_
