#include "db/db_impl.h"

#include <algorithm>
#include <utility>

#include "util/crash_site.h"
#include "util/filename.h"

namespace varve {

namespace {

// Recycled logs kept for reuse: what one flush frees, when writers are fast, and the next ones
// need. A log that is made anew costs as much writing as what is logged in it.
constexpr size_t kRecycledLogsMax = 8;

Options Complete(Options options) {
  const Env defaults = Env::Default();
  if (options.env.file_system == nullptr) options.env.file_system = defaults.file_system;
  if (options.env.clock == nullptr) options.env.clock = defaults.clock;
  if (options.env.machine == nullptr) options.env.machine = defaults.machine;
  if (options.logger == nullptr) options.logger = DefaultLogger();
  // A cache whose ratio of hits nobody knows is run blindly.
  if (options.cache() && options.statistics == nullptr) {
    options.statistics = Statistics::Create(/*latencies=*/false);
  }
  return options;
}

// Makes sure that `path` is a directory that may be opened, without leaving a trace where it may
// not.
Status PrepareDirectory(const Options& options, const std::string& path) {
  FileSystem* const file_system = options.env.file_system.get();
  FileInfo info;
  Status status = file_system->GetFileInfo(path, &info);
  if (status.IsNotFound()) {
    if (!options.create_if_missing) {
      return Status::InvalidArgument(path +
                                     ": no such directory, and create_if_missing is not set");
    }
    status = file_system->CreateDirectory(path);
    if (status.ok()) status = file_system->SyncDirectory(ParentDirectory(path));
    return status;
  }
  if (!status.ok()) return status;
  if (!info.is_directory) return Status::InvalidArgument(path + ": not a directory");
  std::vector<std::string> names;
  status = file_system->ListDirectory(path, &names);
  if (!status.ok()) return status;
  for (const std::string& name : names) {
    FileNumber number;
    FileType type;
    if (ParseFileName(name, &number, &type) && type != FileType::kLock) return Status::OK();
  }
  if (!options.create_if_missing) {
    return Status::InvalidArgument(path + ": no database there, and create_if_missing is not set");
  }
  // Whoever made it may have been killed before the parent was synced: it may still vanish, with
  // all that is put into it (RULES R4.3).
  return file_system->SyncDirectory(ParentDirectory(path));
}

}  // namespace

Status DB::Open(const Options& options, const std::string& path, std::unique_ptr<DB>* db) {
  db->reset();
  return DBImpl::Open(options, path, db);
}

Status DB::Get(const ReadOptions& options, Slice key, std::string* value) {
  PinnedValue pinned;
  Status status = Get(options, key, &pinned);
  if (status.ok()) value->assign(pinned.data(), pinned.size());
  return status;
}

Status DB::Destroy(const Options& options, const std::string& path) {
  FileSystem* const file_system = Complete(options).env.file_system.get();
  std::vector<std::string> names;
  Status status = file_system->ListDirectory(path, &names);
  if (!status.ok()) return status;
  std::vector<std::string> ours;
  for (const std::string& name : names) {
    FileNumber number;
    FileType type;
    if (ParseFileName(name, &number, &type) && type != FileType::kLock) ours.push_back(name);
  }
  if (ours.empty()) return Status::NotFound(path + ": no database there");
  std::unique_ptr<FileLock> lock;
  status = file_system->LockFile(LockFileName(path), &lock);
  if (!status.ok()) return status;
  // The manifest first, and for good: were its name lost later than those of segments, a crash
  // would leave a database with holes.
  const std::string manifest = ManifestFileName(path);
  status = file_system->RemoveFile(manifest);
  if (status.IsNotFound()) status = Status::OK();
  if (status.ok()) status = file_system->SyncDirectory(path);
  if (!status.ok()) return status;
  for (const std::string& name : ours) {
    if (JoinPath(path, name) == manifest) continue;
    const Status removed = file_system->RemoveFile(JoinPath(path, name));
    if (status.ok() && !removed.IsNotFound()) status = removed;
  }
  if (!status.ok()) return status;
  if (ours.size() + 1 >= names.size()) {  // nothing but LOCK is left
    status = file_system->RemoveFile(LockFileName(path));
    lock.reset();
    if (status.ok()) status = file_system->RemoveDirectory(path);
  }
  return status;
}

DBImpl::DBImpl(const Options& asked, const Options& options, const std::string& path,
               CacheSpace space, std::unique_ptr<FileLock> lock)
    : options_(options),
      path_(path),
      space_(std::move(space)),
      file_lock_(std::move(lock)),
      reads_(std::make_shared<ReadPath>(options, path)),
      admission_(options.cache() ? Admission::Create(options.admission, options.capacity_bytes,
                                                     reads_->memory_budget())
                                 : nullptr),
      events_(options.listeners),
      live_(options),
      cache_statistics_(options_.statistics.get(), options_.env.clock.get()),
      stall_(options.env.clock.get()),
      asked_(asked),
      ghost_memory_(reads_->memory_budget(), MemoryPart::kGhosts),
      salvage_budget_(options.capacity_bytes / 64),
      errors_(&events_, options.cache()) {
  if (admission_ != nullptr) admission_->SetMemoryMax(reads_->memory().plan().admission_max);
}

DBImpl::~DBImpl() {
  MutexLock closing(&close_mu_);
  if (!closed_.load(std::memory_order_acquire)) {
    CloseParts().ok();
  } else if (pool_ != nullptr) {
    pool_->Stop();  // an open that failed, or threw, may have begun something
  }
  reads_->time().Stop();  // iterators may live on
}

Status DBImpl::Open(const Options& given, const std::string& path, std::unique_ptr<DB>* db) {
  CrashSiteScope opening(CrashSite::kOpen);
  if (Status status = given.Validate(); !status.ok()) return status;
  const Options asked = Complete(given);
  Options options = FitToMemory(asked);
  Status status = PrepareDirectory(options, path);
  if (!status.ok()) return status;
  CacheSpace space;
  space.ledger = std::make_shared<SpaceLedger>(
      options.env.clock.get(), options.cache() ? options.capacity_bytes : SpaceLedger::kUnlimited);
  if (options.cache()) {
    space.metered = MeteredFileSystem::New(options.env.file_system, path, space.ledger);
    options.env.file_system = space.metered;
  }
  std::unique_ptr<FileLock> lock;
  status = options.env.file_system->LockFile(LockFileName(path), &lock);
  if (status.ok() && space.metered != nullptr) status = space.metered->ChargeDirectory();
  if (!status.ok()) return status;

  Recovered recovered;
  status = Recover(options, path, space, &recovered);
  if (!status.ok()) return status;
  std::unique_ptr<DBImpl> impl(new DBImpl(asked, options, path, std::move(space), std::move(lock)));
  status = impl->Start(std::move(recovered));
  if (status.ok()) *db = std::move(impl);
  return status;
}

Status DBImpl::Start(Recovered recovered) {
  manifest_ = std::move(recovered.manifest);
  BeginTime(recovered);
  next_sequence_ = recovered.next_sequence;
  reads_->Opened(next_sequence_ - 1);
  limiter_ =
      std::make_unique<RateLimiter>(options_.background_bytes_per_second, options_.env.clock.get());
  pool_ = std::make_unique<ThreadPool>("varve-bg", options_.background_threads);

  WalOptions wal;
  wal.env = options_.env;
  wal.directory = path_;
  wal.log_bytes = LogBytes();
  wal.mapped = options_.wal_mapped;
  // A torn record cannot be told from what a recycled log held before.
  wal.recycled_files_max =
      options_.cache() ? PlanCapacity(options_).recycled_logs_max : kRecycledLogsMax;
  if (options_.wal_recovery == WalRecoveryMode::kAbsolute) wal.recycled_files_max = 0;
  wal.sync_wait_ms_max = options_.wal_sync_timeout_ms;
  wal.memory = reads_->memory_budget();
  wal.statistics = options_.statistics;
  const std::optional<CacheResetInfo> reset = recovered.reset;
  std::shared_ptr<const Version> version;
  Status status = Version::Build(reads_->comparator(), std::move(recovered.segments),
                                 recovered.retained_sequence, &version, recovered.ghosts);
  if (status.ok()) status = Wal::Create(wal, &wal_);
  if (status.ok()) status = manifest_->NewFileNumber(&active_.epoch);
  if (!status.ok()) return status;
  log_supply_ = std::make_unique<LogSupply>(wal_.get(), manifest_.get());
  obsolete_ = std::make_shared<ObsoleteSegments>([this] {
    pool_->Schedule(ThreadPool::Priority::kLow, [this] { RemoveObsoleteSegments(); }).ok();
  });
  std::function<void(const Status&)> sync_failed;
  if (options_.cache()) {  // a database may wait for the next write to tell
    sync_failed = [this](const Status& s) { LatchError(s, BackgroundErrorSource::kLog); };
  }
  syncer_ = std::make_unique<IntervalSyncer>(wal_.get(), options_.env.clock.get(),
                                             options_.wal_sync_interval_ms, std::move(sync_failed));
  if (options_.on_io_failure == OnIoFailure::kMemoryOnly) {
    MemoryOnly::Steps steps;
    steps.leave = [this] { return LeaveDirectory(); };
    steps.is_away = [this] { return in_memory_only_.load(std::memory_order_relaxed); };
    steps.come_back = [this] { return ComeBack(); };
    memory_only_ = std::make_unique<MemoryOnly>(options_.env.file_system.get(),
                                                options_.env.clock.get(), path_, std::move(steps));
  }
  MakeRoomMaker();

  expiry_ticker_ = std::make_unique<ExpiryTicker>([this] { DropExpired(); });

  active_.memtable = NewMemTable();
  {
    MutexLock lock(&mu_);
    active_memtable_ = active_.memtable;
    version_ = std::move(version);
    last_eviction_ = version_->last_eviction();
    SetPicker(options_);
    unreachable_ = std::move(recovered.unreachable);
    if (!unreachable_.empty()) {  // without a thread Close() does it
      pool_->Schedule(ThreadPool::Priority::kLow, [this] { RemoveUnreachable(); }).ok();
    }
    PublishView();
    if (!version_->ghosts().empty()) {  // those that a crash came before
      pool_->Schedule(ThreadPool::Priority::kLow, [this] { RetireGhosts(); }).ok();
    }
    ScheduleCompactions();
  }
  closed_.store(false, std::memory_order_release);
  RunAhead();
  if (options_.compaction_style != CompactionStyle::kNone) {
    reads_->SetHiddenRunListener(
        [this](Slice smallest, Slice largest, uint64_t) { OnHiddenRun(smallest, largest); });
    reads_->snapshots().SetReleaseListener(
        [this](SequenceNumber released) { OnSnapshotReleased(released); });
  }
  if (options_.cache()) reads_->damaged().SetListener([this] { ScheduleQuarantine(); });
  if (reset.has_value()) TellReset(*reset);
  if (options_.statistics != nullptr) {
    options_.statistics->Add(Counter::kEvictedSegments, recovered.evicted.segments);
  }
  CountEvicted(recovered.evicted.entries, recovered.evicted.bytes);
  return Status::OK();
}

void DBImpl::BeginTime(const Recovered& recovered) {
  EngineTime::Source source;
  source.mark_ms = recovered.clock_mark_ms;
  source.may_expire =
      std::any_of(recovered.segments.begin(), recovered.segments.end(),
                  [](const SegmentEntry& segment) { return (segment.flags & kHasExpiry) != 0; });
  source.directory = path_;
  source.seal_mark = [this](uint64_t mark_ms) { return SealClockMark(mark_ms); };
  source.on_jump_refused = [this](const RefusedJump& jump) {
    // Who read the time may be inside the epoch domain, and need not wait for listeners.
    events_.PostClockJump({jump.now_ms, jump.wall_ms});
    pool_->Schedule(ThreadPool::Priority::kLow, [this] { events_.Deliver(); }).ok();
  };
  reads_->time().Begin(std::move(source));
}

void DBImpl::TellReset(const CacheResetInfo& info) {
  if (options_.statistics != nullptr) options_.statistics->Add(Counter::kCacheResets, 1);
  events_.CacheReset(info);
}

void DBImpl::RemoveUnreachable() {
  CrashSiteScope removing(CrashSite::kUnlink);
  std::vector<std::string> names;
  {
    MutexLock lock(&mu_);
    names.swap(unreachable_);
  }
  for (const std::string& name : names) {
    FileNumber number;
    FileType type;
    if (!ParseFileName(name, &number, &type)) continue;
    const bool log = type == FileType::kLog || type == FileType::kRecycledLog;
    const Status status =
        log ? wal_->Adopt(name) : options_.env.file_system->RemoveFile(JoinPath(path_, name));
    if (!status.ok() && !status.IsNotFound()) {
      options_.logger->Log(LogLevel::kWarning, "not removed: " + status.ToString());
    }
  }
}

Status DBImpl::Close() {
  MutexLock closing(&close_mu_);
  if (closed_.load(std::memory_order_acquire)) return Status::OK();
  if (const size_t n = reads_->live_iterators(); n != 0) {
    return Status::Busy(path_ + ": " + std::to_string(n) + " iterators are in use");
  }
  if (const size_t n = reads_->snapshots().count(); n != 0) {
    return Status::Busy(path_ + ": " + std::to_string(n) + " snapshots are in use");
  }
  return CloseParts();
}

Status DBImpl::CloseParts() {
  CrashSiteScope closing(CrashSite::kClose);
  {
    MutexLock lock(&mu_);
    // A writer ahead in the queue may wait for a flush, or for compactions.
    will_close_ = true;
    pauses_ = 0;
    ScheduleFlush();
    changed_.SignalAll();
  }
  // An ingestion ahead in the queue need not be waited for, nor anybody's turn at the limiter.
  ingestions_cancelled_.store(true, std::memory_order_relaxed);
  limiter_->Stop();
  ExclusiveWriter last;
  queue_.Join(&last);  // exclusive writers are never led by another
  Status status = BackgroundError();
  if (status.ok()) status = FlushUnlogged();
  // Whoever leads next sees it, and answers Aborted.
  closed_.store(true, std::memory_order_release);
  queue_.Finish({&last}, Status::OK());

  {
    MutexLock lock(&mu_);
    closing_ = true;
    changed_.SignalAll();
    while (evictions_active_ != 0) changed_.Wait(&mu_);
  }
  compactions_cancelled_.store(true, std::memory_order_relaxed);
  expiry_ticker_->Stop();
  obsolete_->Stop();
  reads_->damaged().SetListener(nullptr);
  reads_->SetHiddenRunListener(nullptr);
  reads_->snapshots().SetReleaseListener(nullptr);
  if (memory_only_ != nullptr) memory_only_->Stop();
  syncer_->Stop();
  if (room_ != nullptr) room_->Stop();
  log_supply_->Stop();
  pool_->Stop();  // running jobs end, queued ones do not start
  events_.Deliver();
  {
    // Those that never started: they hold the version they were picked from, and with it segments
    // that have been taken out of the database since.
    MutexLock lock(&mu_);
    compactions_.clear();
  }
  RemoveUnreachable();
  if (status.ok()) status = BackgroundError();
  if (status.ok()) status = wal_->Sync(wal_->end());
  const uint64_t clock_mark_ms = reads_->time().Stop();
  if (status.ok()) {
    ManifestEdit edit;
    edit.clock_mark_ms = clock_mark_ms;
    edit.sets_clock_mark = clock_mark_ms != 0;
    edit.next_sequence = next_sequence_;
    edit.durable_log = wal_->durable();
    status = manifest_->Close(edit);
    if (status.ok()) {  // both roots are the same now
      RetireLogs();
      reads_->epochs().Collect();
      RemoveObsoleteSegments();
    }
  }
  const FileNumber last_log = wal_->current();
  const Status wal_closed = wal_->Close();
  if (status.ok()) status = wal_closed;
  if (status.ok() && last_log != 0 && last_log < manifest_->lowest_log_needed()) {
    // What it held is in segments. Left as a log it would be no live file; the next open adopts it.
    status = options_.env.file_system->RenameFile(LogFileName(path_, last_log),
                                                  RecycledLogFileName(path_, last_log));
  }
  manifest_->Shut();  // not gone: a call that began before may still ask it
  file_lock_.reset();
  MutexLock lock(&mu_);
  const bool told = error_told_ && !errors_.read_only().ok();
  error_told_ = true;
  return told ? Status::OK() : status;
}

Status DBImpl::BackgroundError() {
  MutexLock lock(&mu_);
  return errors_.read_only();
}

Status DBImpl::WriteError() {
  if (!has_background_error_.load(std::memory_order_acquire)) [[likely]]
    return Status::OK();
  MutexLock lock(&mu_);
  error_told_ = true;
  return errors_.read_only();
}

void DBImpl::LatchError(const Status& status, BackgroundErrorSource source, bool for_good) {
  bool read_only;
  {
    MutexLock lock(&mu_);
    read_only = errors_.Failed(source, status, for_good);
    if (read_only) {
      has_background_error_.store(true, std::memory_order_release);
      if (options_.on_io_failure == OnIoFailure::kStop) {
        stopped_.store(true, std::memory_order_release);
      }
      events_.PostDegraded({degradation(), status});
    }
    changed_.SignalAll();
  }
  events_.Deliver();
  if (!read_only) return;
  options_.logger->Log(LogLevel::kError, path_ + ": read-only from now on, " +
                                             BackgroundErrorSourceName(source) +
                                             " failed: " + status.ToString());
  FilesFailed(source);
}

void DBImpl::MarkLogLost() {
  // A log whose sync failed may have lost what its pages held, and a later reader of the page cache
  // finds what was there before: an end without a close then brings back what that had replaced.
  if (!options_.cache() || options_.wal_sync == WalSyncMode::kAlways) return;
  ManifestEdit edit;
  edit.unlogged = true;
  Status status = manifest_->Commit(edit);
  if (status.ok()) status = manifest_->Seal();
  CountManifest();
  if (status.ok() || status.IsAborted()) return;
  options_.logger->Log(LogLevel::kError, path_ + ": not marked that unsynced writes may be lost: " +
                                             status.ToString());
}

// ---- Reads
// -----------------------------------------------------------------------------------------

Status DBImpl::Get(const ReadOptions& options, Slice key, PinnedValue* value) {
  if (Status status = CheckRunning(); !status.ok()) [[unlikely]]
    return status;
  return reads_->Get(options, key, value);
}

void DBImpl::MultiGet(const ReadOptions& options, std::span<const Slice> keys,
                      std::span<PinnedValue> values, std::span<Status> statuses) {
  Status status = CheckRunning();
  if (status.ok() && (keys.size() != values.size() || keys.size() != statuses.size())) {
    status = Status::InvalidArgument("MultiGet: " + std::to_string(keys.size()) + " keys, " +
                                     std::to_string(values.size()) + " values, " +
                                     std::to_string(statuses.size()) + " statuses");
  }
  if (!status.ok()) {
    std::fill(statuses.begin(), statuses.end(), status);
    return;
  }
  reads_->MultiGet(options, keys, values, statuses);
}

namespace {

// What NewIterator gives where there is nothing to iterate over.
class FailedIterator : public Iterator {
 public:
  explicit FailedIterator(Status status) : status_(std::move(status)) {}
  bool Valid() const override { return false; }
  void SeekToFirst() override {}
  void SeekToLast() override {}
  void Seek(Slice) override {}
  void SeekForPrev(Slice) override {}
  void Next() override {}
  void Prev() override {}
  Slice key() const override { return {}; }
  Slice value() const override { return {}; }
  std::optional<uint64_t> expires_at_ms() const override { return std::nullopt; }
  Status status() const override { return status_; }
  Status Refresh() override { return status_; }

 private:
  const Status status_;
};

}  // namespace

std::unique_ptr<Iterator> DBImpl::NewIterator(const ReadOptions& options) {
  Status status = CheckRunning();
  if (!status.ok()) return std::make_unique<FailedIterator>(std::move(status));
  return reads_->NewIterator(options);
}

std::unique_ptr<Snapshot> DBImpl::GetSnapshot() { return reads_->GetSnapshot(); }

Status DBImpl::GetApproximateSizes(std::span<const Range> ranges, uint64_t* sizes) {
  if (Status status = CheckRunning(); !status.ok()) return status;
  std::unique_ptr<ReaderHolds::Hold> hold;
  if (reads_->holds() != nullptr) hold = ReaderHolds::Register(reads_->holds(), false);
  const std::shared_ptr<const ReadView> view = reads_->views().Share();
  if (hold != nullptr) hold->Took(view->version);
  const InternalKeyComparator& comparator = reads_->comparator();
  for (size_t i = 0; i < ranges.size(); ++i) {
    sizes[i] = 0;
    const LookupKey start(ranges[i].start, kMaxSequence), limit(ranges[i].limit, kMaxSequence);
    for (const auto& run : view->version->runs()) {
      for (const auto& file : run->Overlapping(ranges[i].start, ranges[i].limit)) {
        const Slice first = file->smallest_user_key();
        if (comparator.CompareUserKeys(first, ranges[i].limit) >= 0) break;
        if (file->IsBefore(comparator, ranges[i].limit) &&
            comparator.CompareUserKeys(first, ranges[i].start) >= 0) {
          sizes[i] += file->file_bytes();  // as a whole; the range cuts two of a run at most
          continue;
        }
        std::shared_ptr<SegmentReader> reader;
        Status status = reads_->segments().Share(file, &reader);
        if (!status.ok()) return status;
        const uint64_t from = reader->ApproximateOffset(start.internal_key());
        const uint64_t to = reader->ApproximateOffset(limit.internal_key());
        if (to > from) sizes[i] += to - from;
      }
    }
  }
  return Status::OK();
}

}  // namespace varve
