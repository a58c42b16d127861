// The flush path of DBImpl: memtables to segments, oldest first, one flush at a time.
//
//  1. Pick the oldest memtables, up to a size, as one contiguous piece.
//  2. Merge them into a segment, or several of one epoch: written, synced, their names too.
//  3. Sync every log up to the last they used (RULES R4.2).
//  4. Commit the manifest. Who needs what was in no log to be durable seals after it (RULES R4.2).
//  5. Publish the version with the segments and without the memtables.
//  6. Give free the logs that neither root needs any more.

#include <algorithm>
#include <utility>

#include "db/db_impl.h"
#include "db/expiry_cut.h"
#include "db/manifest_format.h"
#include "db/memory_plan.h"
#include "db/segment_output.h"
#include "util/crash_site.h"
#include "util/filename.h"
#include "util/planted.h"
#include "util/stopwatch.h"

namespace varve {

namespace {

// Between attempts of a flush that fails.
constexpr uint64_t kRetryNanosMin = 100'000'000;
constexpr uint64_t kRetryNanosMax = 10'000'000'000;

// Attempts of a flush that end in IOError, one after the other, until the directory counts as
// failed, where that means something (Options::on_io_failure).
constexpr int kIoErrorsMax = 3;

}  // namespace

void DBImpl::PublishView() {
  auto view = std::make_shared<ReadView>();
  view->memtable = active_memtable_;
  for (auto table = immutables_.rbegin(); table != immutables_.rend(); ++table) {
    view->immutables.push_back(table->memtable);
  }
  view->version = version_;
  view->condemned = in_memory_only_.load(std::memory_order_relaxed);
  ghost_memory_.Set(version_->ghost_memory_bytes());
  reads_->views().Publish(std::move(view));
  expiry_ticker_->Want(version_->next_expiry_ms() != UINT64_MAX);
}

bool DBImpl::FlushIsDue() const {
  if (immutables_.empty()) return false;
  const size_t min = live_.flush_memtables_min.load(std::memory_order_relaxed);
  const size_t max = live_.memtables_max.load(std::memory_order_relaxed);
  return tables_flushed_ < flush_wanted_ || immutables_.size() >= min ||
         immutables_.size() + 1 >= max;
}

void DBImpl::ScheduleFlush() {
  if (flush_running_ || closing_ || pauses_ > 0 || !errors_.read_only().ok() || !FlushIsDue()) {
    return;
  }
  const Status status =
      pool_->Schedule(ThreadPool::Priority::kHigh, [this] { FlushInBackground(); });
  flush_running_ = status.ok();
  changed_.SignalAll();  // who only waits for a time may hold its thread
  if (!status.ok()) {    // no thread can be had: who waits should not wait for ever
    flush_error_ = status;
    ++flush_failures_;
    changed_.SignalAll();
  }
}

void DBImpl::FlushInBackground() {
  {
    MutexLock lock(&mu_);
    FlushWhileDue();
  }
  SealWhenIdle();
  reads_->epochs().Collect();  // memtables that a read was still in
  MutexLock lock(&mu_);
  flush_running_ = false;
  changed_.SignalAll();
  ScheduleFlush();  // what became due during the seal
}

void DBImpl::FlushWhileDue() {
  uint64_t retry_nanos = kRetryNanosMin;
  while (FlushIsDue() && pauses_ == 0 && errors_.read_only().ok()) {
    if (memtable_evicting_) {
      changed_.Wait(&mu_);
      continue;
    }
    std::vector<Table> tables = PickFlush();
    uint64_t bytes = 0;
    for (const Table& table : tables) bytes += table.memtable->used_bytes();
    stall_.FlushBegan(tables.size(), bytes);
    mu_.Unlock();
    const Status status = FlushTables(tables, FlushLogs::kPassTheirs);
    tables.clear();  // writers wait for the lock: giving back their memory takes milliseconds
    mu_.Lock();
    flush_error_ = status;
    flush_failures_ += !status.ok();
    flush_io_errors_ = status.IsIOError() ? flush_io_errors_ + 1 : 0;
    changed_.SignalAll();
    if (closing_) return;
    if (flush_io_errors_ >= kIoErrorsMax && options_.on_io_failure != OnIoFailure::kReadOnly) {
      mu_.Unlock();
      LatchError(status, BackgroundErrorSource::kFlush, /*for_good=*/true);
      mu_.Lock();
      return;
    }
    if (status.ok()) {
      retry_nanos = kRetryNanosMin;
    } else {
      flush_between_ = true;
      // Still with the lock, or the signal of a Resume(), a pause or an error would be missed.
      changed_.WaitFor(&mu_, retry_nanos);
      if (!closing_) {
        retry_nanos = std::min(2 * retry_nanos, kRetryNanosMax);
        mu_.Unlock();
        FreeRoom(status);
        mu_.Lock();
      }
      while (memtable_evicting_) changed_.Wait(&mu_);
      flush_between_ = false;
      if (closing_) return;
    }
  }
}

std::vector<DBImpl::Table> DBImpl::PickFlush() const {
  std::vector<Table> tables;
  size_t bytes = 0;
  if (VARVE_PLANTED("newest memtable first")) return {immutables_.back()};
  for (const Table& table : immutables_) {
    bytes += table.memtable->used_bytes();
    if (!tables.empty() && (bytes > kFlushBytesMax || tables.size() == FlushTablesMax())) break;
    tables.push_back(table);
  }
  return tables;
}

size_t DBImpl::FlushTablesMax() const {
  return FlushMemtablesMax(live_.memtable_bytes.load(std::memory_order_relaxed),
                           live_.memtables_max.load(std::memory_order_relaxed),
                           live_.flush_memtables_min.load(std::memory_order_relaxed));
}

Status DBImpl::FlushTables(const std::vector<Table>& tables, FlushLogs logs) {
  Stopwatch watch(options_.statistics.get(), options_.env.clock.get(), Latency::kFlush);
  Clock* const clock = options_.env.clock.get();
  const uint64_t started = clock->MonotonicNanos();
  FlushInfo info;
  info.job = events_.NewJob();
  info.memtables = tables.size();
  events_.FlushBegin(info);
  const Status status = WriteFlush(tables, logs, &info);
  const Status poisoned = manifest_->poisoned();
  if (!poisoned.ok()) LatchError(poisoned, BackgroundErrorSource::kManifest);
  const Status latched = wal_->latched();
  if (!latched.ok()) LatchError(latched, BackgroundErrorSource::kLog);
  if (!status.ok()) {
    if (poisoned.ok() && latched.ok() && logs == FlushLogs::kPassTheirs && !status.IsAborted()) {
      LatchError(status, BackgroundErrorSource::kFlush);
    }
    {
      MutexLock lock(&mu_);
      stall_.FlushEnded(/*ok=*/false);
      UpdateStall();
    }
    events_.Deliver();
    options_.logger->Log(LogLevel::kWarning, path_ + ": flush failed: " + status.ToString());
  }
  info.micros = (clock->MonotonicNanos() - started) / 1000;
  info.status = status;
  events_.FlushEnd(info);
  return status;
}

Status DBImpl::WriteFlush(const std::vector<Table>& tables, FlushLogs logs, FlushInfo* info) {
  CrashSiteScope flushing(CrashSite::kFlush);
  // What one attempt does not use up the next one has.
  const std::shared_ptr<SpaceGrant> room = tables.front().space;
  for (const Table& table : tables) {
    if (room != nullptr && table.space != nullptr) room->Absorb(table.space.get());
  }
  const Options options = OptionsOfJob(room);
  SegmentOutputOptions output;
  output.options = &options;
  output.directory = path_;
  output.epoch = tables.back().epoch;
  output.creator = "flush";
  output.limiter = limiter_.get();
  if (reads_->time().in_use()) output.now_ms = reads_->time().NowMillis();
  std::vector<SegmentEntry> made;
  const ReadSequences readers = reads_->ReadersFromNowOn();
  Status status = manifest_->NewFileNumber(&output.number);
  if (status.ok()) {
    std::vector<std::shared_ptr<MemTable>> newest_first;
    for (auto table = tables.rbegin(); table != tables.rend(); ++table) {
      newest_first.push_back(table->memtable);
      info->entries_read += table->memtable->entries() - table->memtable->range_deletes();
    }
    std::unique_ptr<FlushCut> cut;
    if (options_.cache()) {
      status = ExpiryCut::Plan(reads_->comparator(), readers, newest_first, output.now_ms,
                               live_.segment_bytes.load(std::memory_order_relaxed), &cut);
    }
    if (status.ok()) {
      status = WriteMemtables(output, manifest_.get(), readers, newest_first, cut.get(), &made);
    }
  }
  if (status.ok()) {
    info->entries_dropped = info->entries_read;
    for (const SegmentEntry& entry : made) {
      info->entries_dropped -= entry.entries;
      info->bytes_written += entry.file_bytes;
    }
    status = InstallFlush(tables, logs, made, readers.history_from());
  }
  if (status.ok()) {
    for (const SegmentEntry& entry : made) {
      info->segments.push_back(entry.number);
      events_.SegmentCreated(
          {info->job, entry.number, SegmentFileName(path_, entry.number), entry.file_bytes});
    }
  }
  return status;
}

Status DBImpl::InstallFlush(const std::vector<Table>& tables, FlushLogs logs,
                            std::vector<SegmentEntry> made, SequenceNumber retained) {
  LogPosition logged_to;
  FileNumber lowest_log = 0;
  for (const Table& table : tables) {
    logged_to = std::max(logged_to, table.log_end);
    // Numbers of logs only grow, so every log that is still needed is above the last one here.
    if (table.log != 0) lowest_log = table.log + 1;
  }
  Status status;
  if (logs == FlushLogs::kPassAll) {
    lowest_log = wal_->current() + 1;
  } else {
    if (!VARVE_PLANTED("flush before its log")) status = wal_->Sync(logged_to);
    if (!status.ok()) {
      RemoveSegments(options_.env.file_system.get(), path_, made);
      return status;
    }
  }

  ManifestEdit edit;
  edit.added = std::move(made);
  edit.lowest_log = lowest_log;
  edit.durable_log = wal_->durable();
  edit.next_sequence = reads_->published() + 1;
  edit.retained_sequence = retained;
  {
    Stopwatch watch(options_.statistics.get(), options_.env.clock.get(), Latency::kManifestCommit);
    status = manifest_->Commit(edit);
  }
  if (!status.ok()) {
    if (manifest_->poisoned().ok()) {  // else a root may name them
      RemoveSegments(options_.env.file_system.get(), path_, edit.added);
    }
    return status;
  }

  SegmentList added;
  uint64_t bytes = 0, ghost_bytes = 0;
  for (SegmentEntry& entry : edit.added) {
    bytes += entry.file_bytes;
    ghost_bytes += entry.ghost_bytes;
    added.push_back(std::make_shared<SegmentFile>(std::move(entry), reads_->comparator()));
  }
  // Before the version is published: who waits for the flush finds it in the statistics.
  if (Statistics* const statistics = options_.statistics.get(); statistics != nullptr) {
    statistics->Add(Counter::kFlushes, 1);
    statistics->Add(Counter::kFlushBytes, bytes);
    statistics->Add(Counter::kGhostBytesWritten, ghost_bytes);
  }
  CountManifest();
  {
    MutexLock lock(&mu_);
    if (VARVE_PLANTED("newest memtable first")) {
      std::stable_partition(immutables_.begin(), immutables_.end(), [&](const Table& table) {
        return table.memtable == tables.back().memtable;
      });
    }
    immutables_.erase(immutables_.begin(), immutables_.begin() + tables.size());
    tables_flushed_ += tables.size();
    version_ = version_->With(reads_->comparator(), {}, added, retained);
    salvage_budget_.Filled(bytes);
    PublishView();
    errors_.Succeeded(BackgroundErrorSource::kFlush);
    stall_.FlushEnded(/*ok=*/true);
    ScheduleCompactions();
    UpdateStall();
  }
  CrashStepDone(CrashStep::kFlushPublished);
  for (const Table& table : tables) {
    if (table.space != nullptr) table.space->End();
  }
  reads_->epochs().Collect();  // the view before, and with it the memtables
  events_.Deliver();
  if (logs == FlushLogs::kPassTheirs) RetireLogs();
  RemoveObsoleteSegments();
  RunAhead();
  return Status::OK();
}

void DBImpl::CountManifest() {
  cache_statistics_.Advance();
  Statistics* const statistics = options_.statistics.get();
  if (statistics == nullptr) return;
  MutexLock lock(&mu_);
  const ManifestStats now = manifest_->stats();
  statistics->Add(Counter::kManifestCommits, now.commits - manifest_counted_.commits);
  statistics->Add(Counter::kManifestBytes,
                  (now.pages_written - manifest_counted_.pages_written) * manifest::kPageBytes);
  manifest_counted_ = now;
}

void DBImpl::RetireLogs() {
  const Status status = wal_->Retire(manifest_->lowest_log_needed());
  if (!status.ok()) {
    options_.logger->Log(LogLevel::kWarning, path_ + ": logs not freed: " + status.ToString());
  }
}

void DBImpl::SealWhenIdle() {
  {
    MutexLock lock(&mu_);
    if (FlushIsDue() || closing_ || !errors_.read_only().ok()) return;
  }
  if (!Seal().ok()) return;
  RetireLogs();
  RemoveObsoleteSegments();
}

void DBImpl::FreeRoom(const Status& failed) {
  if (!failed.IsNoSpace() || !BackgroundError().ok()) return;
  if (room_ != nullptr) {
    // Of what the job could not write some is missing, how much it does not say.
    constexpr uint64_t kWaitNanos = 1'000'000'000;
    (void)room_->Wait(Plan().standing_bytes, kWaitNanos, /*tell_stuck=*/true);
    return;
  }
  if (Seal().ok()) RetireLogs();
  reads_->epochs().Collect();
  RemoveObsoleteSegments();
  log_supply_->KeepOne();
  const Status status = wal_->DropRecycled();
  if (!status.ok()) {
    options_.logger->Log(LogLevel::kWarning,
                         path_ + ": spare logs not freed: " + status.ToString());
  }
}

Status DBImpl::Seal() {
  const Status status = manifest_->Seal();
  CountManifest();
  if (const Status poisoned = manifest_->poisoned(); !poisoned.ok()) {
    LatchError(poisoned, BackgroundErrorSource::kManifest);
  }
  if (!status.ok() && !status.IsAborted()) {  // not where the database was closed meanwhile
    options_.logger->Log(LogLevel::kWarning, path_ + ": seal failed: " + status.ToString());
  }
  return status;
}

Status DBImpl::FlushAll(bool with_active, FlushGoal* goal) {
  {
    MutexLock lock(&mu_);
    goal->failures = flush_failures_;
  }
  if (with_active) {
    if (Status status = SwitchMemtable(); !status.ok()) return status;
  }
  MutexLock lock(&mu_);
  goal->tables = tables_switched_;
  flush_wanted_ = std::max(flush_wanted_, goal->tables);
  ScheduleFlush();
  return Status::OK();
}

Status DBImpl::WaitForFlush(const FlushGoal& goal) {
  MutexLock lock(&mu_);
  while (tables_flushed_ < goal.tables) {
    ScheduleFlush();  // fails where no thread can be had
    if (!errors_.read_only().ok()) return errors_.read_only();
    if (flush_failures_ != goal.failures && !flush_error_.ok()) return flush_error_;
    if (closing_) return Status::Aborted(path_ + ": closed");
    changed_.Wait(&mu_);
  }
  return Status::OK();
}

Status DBImpl::Flush(const FlushOptions& options) {
  if (Status status = CheckOpen(); !status.ok()) return status;
  bool unlogged = false;
  FlushGoal all;
  uint64_t times_in_memory_only = 0;
  Status status = Lead([&] {
    unlogged = unlogged_in_memory_;
    {
      MutexLock lock(&mu_);
      times_in_memory_only = times_in_memory_only_;
    }
    return FlushAll(/*with_active=*/!active_.memtable->empty(), &all);
  });
  if (!status.ok() || !options.wait) return status;
  status = WaitForFlush(all);
  {
    MutexLock lock(&mu_);
    if (status.ok() && times_in_memory_only != times_in_memory_only_) {
      return Status::IOError(path_ + ": the files failed during the flush");
    }
  }
  if (!status.ok() || !unlogged) return status;
  if (!options_.cache()) return Seal();  // no log stands behind the newest root
  return Lead([&] {
    bool written_since = active_.unlogged;
    {
      MutexLock lock(&mu_);
      written_since |= tables_switched_ != all.tables;
    }
    return written_since ? Seal() : FlushUnlogged();
  });
}

Status DBImpl::SyncWAL() {
  if (Status status = CheckOpen(); !status.ok()) return status;
  LogPosition end;
  uint64_t times_in_memory_only = 0;
  Status status = Lead([&] {
    Status flushed = FlushUnlogged();
    if (flushed.ok()) end = wal_->end();
    MutexLock lock(&mu_);
    times_in_memory_only = times_in_memory_only_;
    return flushed;
  });
  if (!status.ok()) return status;
  status = wal_->Sync(end);
  if (status.ok()) {
    // A cache that went into memory meanwhile has forgotten the log.
    MutexLock lock(&mu_);
    if (times_in_memory_only == times_in_memory_only_) return status;
    return Status::IOError(path_ + ": the files failed during the sync");
  }
  if (!status.IsAborted()) {  // not where the database was closed meanwhile
    LatchError(status, BackgroundErrorSource::kLog);
  }
  return status;
}

}  // namespace varve
