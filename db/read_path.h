#ifndef VARVE_DB_READ_PATH_H_
#define VARVE_DB_READ_PATH_H_

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cache/block_cache.h"
#include "db/engine_time.h"
#include "db/history.h"
#include "db/memory_shares.h"
#include "db/point_lookup.h"
#include "db/read_sequences.h"
#include "db/read_view.h"
#include "db/reader_holds.h"
#include "db/segment_cache.h"
#include "db/snapshot_list.h"
#include "util/epoch.h"
#include "util/mutex.h"
#include "util/scheduler.h"
#include "varve/iterator.h"
#include "varve/merge_operator.h"
#include "varve/options.h"
#include "varve/pinned_value.h"
#include "varve/status.h"

namespace varve {

// Everything reads need, and nothing else: the current view, the published sequence, caches, and
// the lists of what is held open. The writers publish into it.
//
// How a lookup goes (RULES R3.3, I9):
//  1. It enters the epoch domain and borrows the view, then reads the published sequence, or takes
//     the snapshot's. Taken the other way round, a flush between the two could drop a version that
//     the older sequence needs.
//  2. It asks the memtable, the immutables, then the segments, newest first: see PointLookup. An
//     error ends it there: what is older must not show through (Checklist C14).
//
// Iterators own this object and their view, so they outlive the DB. Thread safety: all of it.
class ReadPath : public std::enable_shared_from_this<ReadPath> {
 public:
  // `options` as FitToMemory() leaves them.
  ReadPath(const Options& options, const std::string& directory);

  Status Get(const ReadOptions& options, Slice key, PinnedValue* value);
  void MultiGet(const ReadOptions& options, std::span<const Slice> keys,
                std::span<PinnedValue> values, std::span<Status> statuses);
  std::unique_ptr<Iterator> NewIterator(const ReadOptions& options);
  // Over all keys, for the database's own use: not among live_iterators().
  std::unique_ptr<Iterator> NewOwnIterator();
  std::unique_ptr<Snapshot> GetSnapshot() { return snapshots_->Take(published_); }

  // Told, at most once a second, of a long run of entries that one call of an iterator had to pass
  // over (db/db_iter.h), of keys from about `smallest` to `largest`. By the thread that reads,
  // which holds no lock but the listener's own: so that the call returns only when no listener that
  // was set before runs any more, it waits for one that does. Null: nobody is told.
  using HiddenRunListener = std::function<void(Slice smallest, Slice largest, uint64_t entries)>;
  void SetHiddenRunListener(HiddenRunListener listener) EXCLUDES(listener_mu_);

  // For writers: makes everything up to `sequence` visible. Its entries are in the memtable.
  void PublishSequence(SequenceNumber sequence) {
    published_.store(sequence, std::memory_order_release);  // with the entries of the memtable
  }
  // The same, for what an open found.
  void Opened(SequenceNumber sequence) {
    PublishSequence(sequence);
    history_.Begin(sequence);
  }
  // Whoever reads now or later. Whoever drops what none of them sees commits their history_from()
  // as the retained sequence, and publishes it in the version (db/history.h).
  ReadSequences ReadersFromNowOn();
  SequenceNumber published() const { return published_.load(std::memory_order_acquire); }

  // The one time by which expiries are fixed and judged.
  EngineTime& time() { return time_; }
  ReadViewHolder& views() { return views_; }
  History& history() { return history_; }
  SnapshotList& snapshots() { return *snapshots_; }
  SegmentCache& segments() { return segments_; }
  DamagedSegments& damaged() { return damaged_; }
  BlockCache& blocks() { return *blocks_; }
  // For whoever holds memory that goes into the budget, and what divides that.
  const std::shared_ptr<MemoryBudget>& memory_budget() const { return memory_budget_; }
  MemoryShares& memory() { return memory_; }
  // Who holds versions for long; null in a database, where nobody is revoked.
  const std::shared_ptr<ReaderHolds>& holds() const { return holds_; }
  EpochDomain& epochs() { return epochs_; }
  const InternalKeyComparator& comparator() const { return comparator_; }
  size_t live_iterators() const { return live_iterators_.load(std::memory_order_acquire); }

 private:
  class IteratorSource;  // iterator_source.cc

  static constexpr uint64_t kTellIntervalNanos = 1'000'000'000;
  void TellHiddenRun(Slice smallest, Slice largest, uint64_t entries) EXCLUDES(listener_mu_);

  // Requires that `version` is pinned already. TooOld, InvalidArgument: see at_sequence.
  Status SequenceFor(const ReadOptions& options, const Version& version,
                     SequenceNumber* sequence) const {
    SchedulePoint();  // what is published in between, the read does not see, and nothing over it
    if (options.at_sequence.has_value()) [[unlikely]]
      return ExplicitSequence(options, version, sequence);
    *sequence = options.snapshot != nullptr ? options.snapshot->sequence() : published();
    return Status::OK();
  }
  Status ExplicitSequence(const ReadOptions& options, const Version& version,
                          SequenceNumber* sequence) const;

  // Constant after construction.
  const InternalKeyComparator comparator_;
  const std::shared_ptr<Statistics> statistics_;
  const std::shared_ptr<Clock> clock_;
  const std::shared_ptr<MemoryBudget> memory_budget_;
  const std::shared_ptr<BlockCache> blocks_;
  const std::shared_ptr<SnapshotList> snapshots_;
  const std::shared_ptr<const MergeOperator> merge_operator_;
  const std::shared_ptr<const PrefixExtractor> prefix_extractor_;
  const std::shared_ptr<ReaderHolds> holds_;

  // Internally synchronised. The epoch domain goes last: the others retire into it.
  EpochDomain epochs_;
  DamagedSegments damaged_;
  SegmentCache segments_;
  HeatMemory heat_memory_;
  MemoryShares memory_;
  const PointLookup points_;
  ReadViewHolder views_;
  EngineTime time_;
  History history_;
  std::atomic<SequenceNumber> published_{0};
  std::atomic<size_t> live_iterators_{0};

  Mutex listener_mu_;  // before all locks of the engine
  HiddenRunListener listener_ GUARDED_BY(listener_mu_);
  uint64_t told_at_nanos_ GUARDED_BY(listener_mu_) = 0;
};

}  // namespace varve

#endif  // VARVE_DB_READ_PATH_H_
