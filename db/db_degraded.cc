// What a DBImpl does once its files have failed for good (docs/cache.md, "Degraded operation").
//
// Into memory, where Options::on_io_failure says so:
//
//  1. An I/O failure has made the cache read-only. MemoryOnly's thread leads the write queue alone,
//     and waits until what the background had begun has ended; it begins nothing any more.
//  2. The directory is condemned: state bit 2, in both roots, so that whatever loses one of them,
//     no open ever serves what is on it. From here on it is out of date: what is written next is in
//     memory alone. If the mark cannot be made durable writes stay refused, or a restart would
//     bring back what they replace (RULES R8).
//  3. The view becomes the memtables, over an empty version. Nothing older than what is in memory
//     is read again, whatever the device answers by then. (Iterators that were made before keep the
//     view they have, which is as true as ever of the sequence they were made at.)
//  4. Writes go into memtables, unlogged. When there are too many the oldest goes. Nothing lies
//     beneath it: what it had is a miss. Nothing is reserved on the disk for them: what memtables
//     had for their flush is given back.
//
// And back, when a probe has found the directory to work:
//
//  1. A reset: one commit that removes all entries and passes all logs, a seal. The directory stays
//     condemned. Now the files go, the logs too.
//  2. The flush of all memtables is reserved. In memory nobody has asked whether the capacity has
//     so much: where it has not, readers who hold open what was there are revoked, and then the
//     oldest memtables go.
//  3. All memtables into one segment, in one commit, as a Resume() does (db_resume.cc).
//  4. Only now, when what is on disk is what is in memory, the mark is taken away, in both roots;
//     then writes are logged again. A crash before resets once more. If it is uncertain whether the
//     mark is gone, writes are refused from then on: neither a log nor the mark stood behind them.

#include <memory>
#include <utility>

#include "db/cache_reset.h"
#include "db/db_impl.h"

namespace varve {

Degradation DBImpl::degradation() const {
  if (errors_.read_only().ok()) return Degradation::kNone;
  if (stopped_.load(std::memory_order_relaxed)) return Degradation::kStopped;
  return in_memory_only_.load(std::memory_order_relaxed) ? Degradation::kMemoryOnly
                                                         : Degradation::kReadOnly;
}

std::string DBImpl::DegradedText() {
  MutexLock lock(&mu_);
  const Degradation now = degradation();
  if (now == Degradation::kNone) return "";
  std::string text = std::string(DegradationName(now)) + ": " + errors_.read_only().ToString();
  if (now == Degradation::kReadOnly && !not_condemned_.ok()) {
    text += "; not memory-only: " + not_condemned_.ToString();
  }
  return text;
}

void DBImpl::FilesFailed(BackgroundErrorSource source) {
  if (source == BackgroundErrorSource::kLog) MarkLogLost();
  if (memory_only_ != nullptr && source != BackgroundErrorSource::kWrite) memory_only_->Begin();
}

Status DBImpl::Stopped() {
  MutexLock lock(&mu_);
  error_told_ = true;
  return errors_.read_only();
}

// ---- Into memory -------------------------------------------------------------------------------

Status DBImpl::LeaveDirectory() {
  ExclusiveWriter lead;
  queue_.Join(&lead);
  Status status = CheckOpen();
  if (status.ok()) status = Condemn();
  queue_.Finish({&lead}, status);
  reads_->epochs().Collect();  // the version that is out of date
  events_.Deliver();
  return status;
}

Status DBImpl::Condemn() {
  {
    MutexLock lock(&mu_);
    // Of all that installs a version, or takes a memtable out; none of it begins any more.
    while (flush_running_ || !compactions_.empty() || evictions_active_ > 0 ||
           !salvaging_.empty() || !retiring_.empty() || memtable_evicting_) {
      if (will_close_) return Status::Aborted(path_ + ": closing");
      changed_.Wait(&mu_);
    }
    if (errors_.read_only().ok() || in_memory_only_.load(std::memory_order_relaxed)) {
      return Status::OK();
    }
  }
  ManifestEdit edit;
  edit.condemned = true;
  Status status = manifest_->Commit(edit);
  if (status.ok()) status = manifest_->Seal();
  CountManifest();
  if (!status.ok()) {
    bool is_new;
    {
      MutexLock lock(&mu_);
      is_new = not_condemned_.ok();
      not_condemned_ = status;
    }
    if (is_new) {
      options_.logger->Log(LogLevel::kError, path_ + ": not memory-only, as the directory could " +
                                                 "not be condemned: " + status.ToString());
    }
    return status;
  }
  {
    MutexLock lock(&mu_);
    version_->ForEachSegment(
        [this](const std::shared_ptr<SegmentFile>& segment) { condemned_.push_back(segment); });
    for (const auto& ghost : version_->ghosts()) condemned_.push_back(ghost->file());
    version_ = Version().With(reads_->comparator(), {}, {}, reads_->published());
    in_memory_only_.store(true, std::memory_order_relaxed);
    ++times_in_memory_only_;
    ReleaseReserved();
    not_condemned_ = Status::OK();
    PublishView();
    UpdateStall();
    events_.PostDegraded({Degradation::kMemoryOnly, errors_.read_only()});
    changed_.SignalAll();
  }
  options_.logger->Log(LogLevel::kError,
                       path_ + ": writes go on in memory, nothing on disk is " + "read any more");
  return Status::OK();
}

void DBImpl::ReleaseReserved() {
  active_.space.reset();
  for (Table& table : immutables_) table.space.reset();
}

DBImpl::Table DBImpl::TakeOldest() {
  Table oldest = std::move(immutables_.front());
  immutables_.pop_front();
  ++tables_flushed_;  // nobody need wait for it
  return oldest;
}

Status DBImpl::MakeRoomInMemory(size_t memtable_bytes) {
  const size_t limit = live_.memtable_bytes.load(std::memory_order_relaxed);
  if (active_.memtable->empty() || active_.memtable->used_bytes() + memtable_bytes <= limit) {
    return Status::OK();
  }
  Table fresh;
  fresh.epoch = active_.epoch;  // a number would be a matter of the manifest
  fresh.memtable = NewMemTable();
  std::vector<Table> evicted;
  {
    MutexLock lock(&mu_);
    immutables_.push_back(std::move(active_));
    ++tables_switched_;
    active_ = std::move(fresh);
    active_memtable_ = active_.memtable;
    const size_t max = live_.memtables_max.load(std::memory_order_relaxed);
    while (immutables_.size() + 1 > max) evicted.push_back(TakeOldest());
    PublishView();
  }
  for (const Table& table : evicted) CountEvictedMemtable(*table.memtable);
  evicted.clear();
  reads_->epochs().Collect();  // nobody in the background does
  return Status::OK();
}

// ---- And back ----------------------------------------------------------------------------------

Status DBImpl::ComeBack() {
  ExclusiveWriter lead;
  queue_.Join(&lead);
  Status status = CheckOpen();
  if (status.ok()) status = ReturnToDirectory();
  queue_.Finish({&lead}, status);
  events_.Deliver();
  return status;
}

Status DBImpl::ReturnToDirectory() {
  if (!in_memory_only_.load(std::memory_order_relaxed)) return Status::OK();
  Status status = ResetDirectory();
  if (status.ok()) status = wal_->Restart();
  if (status.ok() && !active_.memtable->empty()) status = ReplaceActive();
  if (status.ok()) {
    ReserveReturn();
    status = FlushEverything();
  }
  if (status.ok()) {
    ManifestEdit edit;
    edit.condemned = false;
    edit.unlogged = false;
    // Marks that were taken for sealed in the meantime, and one that may be about to be.
    if (const uint64_t mark_ms = reads_->time().mark_ms(); mark_ms != 0) {
      edit.clock_mark_ms = mark_ms + 2 * LeaseClock::kLeaseMillis;
    }
    status = manifest_->Commit(edit);
    if (status.ok()) status = manifest_->Seal();
    if (!status.ok()) RefuseWrites();
  }
  CountManifest();
  if (const Status poisoned = manifest_->poisoned(); !poisoned.ok()) {
    LatchError(poisoned, BackgroundErrorSource::kManifest);
  }
  if (!status.ok()) {
    MutexLock lock(&mu_);
    ReleaseReserved();
  }
  if (!status.ok()) {
    options_.logger->Log(LogLevel::kWarning,
                         path_ + ": not back from memory yet: " + status.ToString());
    return status;
  }
  {
    MutexLock lock(&mu_);
    in_memory_only_.store(false, std::memory_order_relaxed);
    PublishView();  // a miss has another reason now
  }
  reads_->epochs().Collect();
  condemned_.clear();
  AcceptWritesAgain();
  return Status::OK();
}

Status DBImpl::ResetDirectory() {
  SegmentList held;  // by iterators
  for (const auto& segment : condemned_) {
    if (auto still = segment.lock(); still != nullptr) held.push_back(std::move(still));
  }
  for (const auto& segment : held) obsolete_->Removing(segment);
  ManifestEdit edit;
  edit.lowest_log = wal_->current() + 1;
  edit.next_sequence = reads_->published() + 1;
  const Status status = ResetCache(manifest_.get(), CacheResetReason::kIoFailure,
                                   options_.env.clock->WallMillis(), std::move(edit));
  if (!status.ok()) {
    if (manifest_->poisoned().ok()) {
      for (const auto& segment : held) obsolete_->Kept(*segment);
    }
    return status;
  }
  condemned_.clear();
  held.clear();
  RemoveObsoleteSegments();
  if (const auto reset = manifest_->last_reset(); reset.has_value()) TellReset(*reset);
  return Status::OK();
}

void DBImpl::ReserveReturn() {
  const auto grant = std::make_shared<SpaceGrant>(space_.ledger);
  std::vector<Table> evicted;
  for (bool waited = false;;) {
    FlushLoad load;
    {
      MutexLock lock(&mu_);
      if (immutables_.empty()) break;
      for (const Table& table : immutables_) load.Add(table.load);
    }
    const uint64_t wanted = FlushBytesMax(load);
    if (grant->Grow(wanted)) {
      MutexLock lock(&mu_);
      immutables_.front().space = grant;
      break;
    }
    if (!std::exchange(waited, true)) {  // of all that is there some must go, so it is tried once
      const uint64_t wait_nanos = live_.room_wait_ms.load(std::memory_order_relaxed) * 1'000'000;
      (void)room_->Wait(wanted, wait_nanos, /*tell_stuck=*/true);
      continue;
    }
    MutexLock lock(&mu_);
    evicted.push_back(TakeOldest());
    PublishView();
  }
  if (evicted.empty()) return;
  options_.logger->Log(LogLevel::kWarning, path_ + ": of what is in memory " +
                                               std::to_string(evicted.size()) +
                                               " memtables have no room in the directory");
  for (const Table& table : evicted) CountEvictedMemtable(*table.memtable);
  evicted.clear();
  reads_->epochs().Collect();
}

void DBImpl::RefuseWrites() {
  in_memory_only_.store(false, std::memory_order_relaxed);
  MutexLock lock(&mu_);
  events_.PostDegraded({Degradation::kReadOnly, errors_.read_only()});
  changed_.SignalAll();
}

}  // namespace varve
