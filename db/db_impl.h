#ifndef VARVE_DB_DB_IMPL_H_
#define VARVE_DB_DB_IMPL_H_

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "cache/admission.h"
#include "cache/salvage_budget.h"
#include "db/admit_batch.h"
#include "db/background_error.h"
#include "db/cache_space.h"
#include "db/cache_statistics.h"
#include "db/capacity_plan.h"
#include "db/compaction_job.h"
#include "db/compaction_picker.h"
#include "db/event_dispatch.h"
#include "db/expiry_ticker.h"
#include "db/ghost.h"
#include "db/ghost_budget.h"
#include "db/ingest.h"
#include "db/interval_syncer.h"
#include "db/live_options.h"
#include "db/log_supply.h"
#include "db/manifest.h"
#include "db/memory_only.h"
#include "db/obsolete_segments.h"
#include "db/read_path.h"
#include "db/recovery.h"
#include "db/room_maker.h"
#include "db/space_grant.h"
#include "db/space_ledger.h"
#include "db/write_queue.h"
#include "db/write_stall.h"
#include "memtable/memtable.h"
#include "util/memory_budget.h"
#include "util/mutex.h"
#include "util/rate_limiter.h"
#include "util/thread_pool.h"
#include "varve/db.h"
#include "wal/wal.h"

namespace varve {

class SalvageJob;
class SingleWriter;

// Puts the parts together: reads go to ReadPath, writes through WriteQueue to a leader, who logs,
// inserts and publishes; full memtables become segments in the background.
//
// Who may touch what:
//  - the leader of a commit group alone: active_, next_sequence_, wal_'s Append, Use and Fits;
//  - under mu_: the queue of immutable memtables, the state of flushes, errors;
//  - anyone: reads_, manifest_, wal_'s other calls.
//
// Lock order: the lead of WriteQueue, then mu_, then locks inside manifest_, wal_, reads_,
// log_supply_. mu_ is never held over file I/O, nor over a call into the user's code.
//
// Errors (db/background_error.h): the first one that makes going on unsafe (a latched log, a
// poisoned manifest) makes the database read-only: from then on writes and flushes return it, reads
// go on. A flush that could not write its segment is tried again, under another number; its
// memtables stay and are read. Only who waits for that flush, or for the room it would give, gets
// its error.
class DBImpl : public DB {
 public:
  static Status Open(const Options& options, const std::string& path, std::unique_ptr<DB>* db);
  ~DBImpl() override;

  Status Close() override;
  Status Put(const WriteOptions& options, Slice key, Slice value) override;
  Status Delete(const WriteOptions& options, Slice key) override;
  Status DeleteRange(const WriteOptions& options, Slice start, Slice end) override;
  Status Merge(const WriteOptions& options, Slice key, Slice operand) override;
  Status Touch(const WriteOptions& options, Slice key) override;
  Status ExpireAt(const WriteOptions& options, Slice key, uint64_t expires_at_ms) override;
  Status Write(const WriteOptions& options, const WriteBatch& batch) override;
  Status Get(const ReadOptions& options, Slice key, PinnedValue* value) override;
  void MultiGet(const ReadOptions& options, std::span<const Slice> keys,
                std::span<PinnedValue> values, std::span<Status> statuses) override;
  std::unique_ptr<Iterator> NewIterator(const ReadOptions& options) override;
  std::unique_ptr<Snapshot> GetSnapshot() override;
  Status Flush(const FlushOptions& options) override;
  Status CompactRange(const CompactRangeOptions& options, std::optional<Slice> begin,
                      std::optional<Slice> end) override;
  Status SyncWAL() override;
  Status Checkpoint(const std::string& directory) override;
  Status Ingest(const std::vector<std::string>& files, const IngestOptions& options) override;
  Status Resume() override;
  Status PauseBackgroundWork() override;
  Status ContinueBackgroundWork() override;
  Status SetOptions(const std::map<std::string, std::string>& changes) override;
  bool GetProperty(Slice name, std::string* value) override;
  bool GetIntProperty(Slice name, uint64_t* value) override;
  Status GetApproximateSizes(std::span<const Range> ranges, uint64_t* sizes) override;

  // What an eviction took out.
  struct Evicted {
    uint64_t segments = 0;
    uint64_t file_bytes = 0;  // of the segments; their ghosts keep some
    uint64_t entries = 0;
    uint64_t ghosts = 0;  // that were left

    void Add(const Evicted& other) {
      segments += other.segments;
      file_bytes += other.file_bytes;
      entries += other.entries;
      ghosts += other.ghosts;
    }
  };
  // Takes segments out of a cache without reading them (db_evict.cc), in one commit, and gives
  // their room back by a seal, as far as nobody reads them. Numbers that are gone, or busy with a
  // job, are passed over; that all are is no error. On an error nothing was taken out. By any
  // thread that holds no lock of the engine.
  Status Evict(std::span<const FileNumber> numbers, EvictionReason reason,
               Evicted* evicted = nullptr) EXCLUDES(mu_);
  // Takes out what has expired, and as much more as the policy (Options::eviction) takes to be so
  // many bytes of segments (db_salvage.cc). What of it is saved needs the room of a segment first.
  Status EvictByPolicy(uint64_t bytes_wanted, Evicted* evicted) EXCLUDES(mu_);
  // As Evict() for room, after what was hit of the segments has been saved.
  Status EvictSaving(std::span<const FileNumber> numbers, Evicted* evicted) EXCLUDES(mu_);

 private:
  // A memtable and its place: one log holds what was logged of it, and nothing else.
  struct Table {
    std::shared_ptr<MemTable> memtable;
    uint64_t epoch = 0;                 // place in the order of age, as segments have it
    FileNumber log = 0;                 // 0: nothing of it was logged
    LogPosition log_end;                // of its last record
    bool unlogged = false;              // holds entries that are in no log
    FlushLoad load;                     // what its flush may take is reserved:
    std::shared_ptr<SpaceGrant> space;  // in a cache; null in a database
  };

  // `asked` is complete, and `options` what the machine's memory leaves of it, with the file system
  // of `space` where that has one.
  DBImpl(const Options& asked, const Options& options, const std::string& path, CacheSpace space,
         std::unique_ptr<FileLock> lock);

  // ---- Opening (db_impl.cc) ----
  Status Start(Recovered recovered);
  void BeginTime(const Recovered& recovered);
  // Of what the open found: once, in the background, or at the latest by Close().
  void RemoveUnreachable() EXCLUDES(mu_);
  Status CloseParts();
  void TellReset(const CacheResetInfo& info) EXCLUDES(mu_);

  // ---- Writing (db_write.cc) ----
  // The ttl of puts that have none of their own, CommitTime::kNever for none. InvalidArgument if
  // the one given is not positive.
  Status PutTtl(const WriteOptions& options, uint64_t* ttl_ms) const;
  Status CheckMergeTtl(const WriteOptions& options) const;
  Status Enter(const WriteOptions& options, WriteQueue::Writer* writer);
  // Calls `work` as the leader of the write queue, if writes are possible. `in_memory_too`: and if
  // they go into memory alone.
  Status Lead(const std::function<Status()>& work, bool in_memory_too = false);
  // What the options ask of the log. InvalidArgument where they contradict each other.
  Status SetDurability(const WriteOptions& options, WriteQueue::Writer* writer);
  // The value of the key anew, with what `init` makes of it (db_touch.cc).
  Status Rewrite(const WriteOptions& options, Slice key,
                 const std::function<Status(SingleWriter* writer, Slice value)>& init);
  // A write without entries: `sync` still makes durable what was written before.
  Status WriteNothing(const WriteOptions& options);
  void CountRefused(const RefusedEntries& refused);
  // All that follow: by the leader.
  Status CommitGroup();
  Status SetCommitTime();
  // Until both roots carry the mark (db/engine_time.h). From any thread that reads the time.
  Status SealClockMark(uint64_t mark_ms) EXCLUDES(mu_);
  Status LogGroup(uint64_t count, bool sync);
  Status InsertGroup(size_t entry_bytes);
  // What a group wants of memory, log and disk.
  struct GroupNeeds {
    uint64_t record_bytes = 0;
    size_t memtable_bytes = 0;
    bool logged = false;
    FlushLoad load;
  };
  // Makes the active memtable and its log take a record; in a cache waits for the room it takes.
  Status MakeRoom(const GroupNeeds& needs);
  Status TryMakeRoom(const GroupNeeds& needs);
  // Makes the active memtable immutable and puts a new one in its place, once there is room.
  Status SwitchMemtable();
  // The same, whether there is room or not.
  Status ReplaceActive() EXCLUDES(mu_);
  // Of the size that the options say now, for keys like those of the active one, if there is one.
  std::shared_ptr<MemTable> NewMemTable() const;
  // Until no unlogged entry is in memory only: flushed, in both roots (RULES R4.2).
  Status FlushUnlogged() EXCLUDES(mu_);
  // Of a cache, before the first write that is in no log, and once none is in memory alone: both
  // roots say whether there may be such (RULES R5.7).
  Status MarkUnlogged(bool unlogged);
  // Of a cache, once its log has failed: what was acknowledged and not synced may be gone even if
  // only the process ends. Resume() takes it back.
  void MarkLogLost() EXCLUDES(mu_);
  Status ReserveSequences(uint64_t count);

  // ---- Stalls (db_stall.cc) ----
  // Takes note of what the write stall depends on: after each change of the immutable memtables, of
  // the version, or of what running compactions owe. Whoever calls it lets events_.Deliver()
  // follow, without the lock: true if there is something to tell.
  bool UpdateStall() REQUIRES(mu_);
  bool TellStall(const StallInputs& inputs) REQUIRES(mu_);
  // By the leader, before the group is logged: sleeps as long as the stall asks.
  void Throttle(size_t bytes) EXCLUDES(mu_);
  // The last resort: no memtable may be added. Too many are there, or compactions are too far
  // behind.
  bool TooManyMemtables() const REQUIRES(mu_);
  bool WritesAreStopped() const REQUIRES(mu_);
  Status WaitForMemtableRoom() EXCLUDES(mu_);

  // ---- Flushing (db_flush.cc) ----
  void ScheduleFlush() REQUIRES(mu_);
  bool FlushIsDue() const REQUIRES(mu_);
  void FlushInBackground();
  // One flush after another, while one is due.
  void FlushWhileDue() REQUIRES(mu_);
  // The oldest memtables that go into one segment.
  std::vector<Table> PickFlush() const REQUIRES(mu_);
  size_t FlushTablesMax() const;
  // What a flush's commit says of the logs.
  enum class FlushLogs {
    kPassTheirs,  // those of the memtables are not needed any more; they are synced before
    kPassAll,     // none used so far is: there is no other memtable, see db_resume.cc
  };
  Status FlushTables(const std::vector<Table>& tables, FlushLogs logs) EXCLUDES(mu_);
  Status WriteFlush(const std::vector<Table>& tables, FlushLogs logs, FlushInfo* info)
      EXCLUDES(mu_);
  // `made`: the segments, of one epoch; none where the tables held nothing to keep. Where they are
  // not installed they are removed. `retained`: the sequence from which on nothing was dropped
  // (db/history.h).
  Status InstallFlush(const std::vector<Table>& tables, FlushLogs logs,
                      std::vector<SegmentEntry> made, SequenceNumber retained) EXCLUDES(mu_);
  // A seal, after which what the older root needed is free.
  Status Seal() EXCLUDES(mu_);
  void SealWhenIdle() EXCLUDES(mu_);
  // After work that failed. If it was for want of room, gives free what only the older root needs,
  // since no commit may come to do it, and the logs that are kept ready. After any other failure
  // the manifest is left alone: a root that cannot be written poisons it, and ends what a device
  // that was away for a moment need not.
  void FreeRoom(const Status& failed) EXCLUDES(mu_);
  void RetireLogs();
  // Adds to the statistics what the manifest has done since the last call, and lets their minutes
  // go by.
  void CountManifest() EXCLUDES(mu_);
  // How many memtables are to be in segments, of this run, and how many attempts had failed before
  // the last of them was switched: one that fails before anybody waits ends the wait too.
  struct FlushGoal {
    uint64_t tables = 0;
    uint64_t failures = 0;
  };
  // By the leader: schedules the flush of all memtables, with the active one if it is to be
  // switched.
  Status FlushAll(bool with_active, FlushGoal* goal) EXCLUDES(mu_);
  // Waits until they are in segments, or an attempt has failed.
  Status WaitForFlush(const FlushGoal& goal) EXCLUDES(mu_);
  // Who is no writer calls reads_->epochs().Collect() when the lock is released.
  void PublishView() REQUIRES(mu_);

  // ---- Compacting (db_compaction.cc) ----
  // A compaction under way. The first three are its job's alone, `done` and `status` guarded by
  // mu_.
  struct Compaction {
    CompactionPlan plan;
    std::shared_ptr<const Version> version;  // that it was picked from
    uint64_t applied_to = 0;                 // of its outputs: AppliedEvictions() of that version
    std::atomic<uint64_t> entries_done{0};   // of the inputs; relaxed, an estimate of progress
    bool done = false;
    Status status;  // once it is done
  };
  // Starts what the picker wants, as far as there are threads for it.
  void ScheduleCompactions() REQUIRES(mu_);
  void SetPicker(const Options& options) REQUIRES(mu_);
  // What should run now, if anything.
  std::optional<CompactionPlan> PickUrgent() REQUIRES(mu_);
  // On a thread of the pool, which they give up when it is wanted: the first waits until no
  // memtable has been filled for a while, the second until compactions may be tried again.
  void AwaitQuiet() EXCLUDES(mu_);
  void AwaitRetry() EXCLUDES(mu_);
  bool WaitingThreadIsWanted() const REQUIRES(mu_);
  // An iterator has passed very many entries between these keys that do not show.
  void OnHiddenRun(Slice smallest, Slice largest) EXCLUDES(mu_);
  // The oldest snapshot was released: what had to be kept for it alone may be worth a rewrite.
  void OnSnapshotReleased(SequenceNumber released) EXCLUDES(mu_);
  // Null if no thread can be had.
  std::shared_ptr<Compaction> StartCompaction(CompactionPlan plan) REQUIRES(mu_);
  bool MayCompact() const REQUIRES(mu_);
  void CompactInBackground(const std::shared_ptr<Compaction>& compaction) EXCLUDES(mu_);
  Status Compact(Compaction& compaction) EXCLUDES(mu_);
  Status InstallCompaction(CompactionJob* job, SequenceNumber retained) EXCLUDES(mu_);
  // Holds automatic compactions back for a while after one has failed (Checklist C11).
  void BackOff(bool no_room) REQUIRES(mu_);
  // Returns when the manual compaction has nothing left to do.
  Status CompactManually(const ManualCompaction& manual) EXCLUDES(mu_);
  BusySegments Busy() const REQUIRES(mu_);
  // The same without what is only to be taken out as damaged.
  BusySegments HeldByJobs() const REQUIRES(mu_);
  // Without the part of them that running compactions are done with.
  double Level0RunsWaiting(const RunPressure& pressure) const REQUIRES(mu_);
  std::vector<CompactionPlan> RunningPlans() const REQUIRES(mu_);
  // Unlinks the segments that neither a root nor a version needs.
  void RemoveObsoleteSegments() EXCLUDES(mu_);

  // ---- Quarantine (db_quarantine.cc) ----
  // By whoever reads, under any lock.
  void ScheduleQuarantine();
  void Quarantine() EXCLUDES(mu_);
  // Of a cache: the plan's compaction has failed with Corruption.
  void CompactionMetDamage(const CompactionPlan& plan, const Status& status);

  // ---- Evicting (db_evict.cc) ----
  // An eviction under way. All but `number` and `victims` is its thread's alone.
  struct Eviction {
    uint64_t number = 0;
    SegmentList victims;                     // newest first
    std::shared_ptr<const Version> version;  // that they were chosen from
    uint64_t memory_from = 0;                // the lowest epoch of memtables then
    GhostList ghosts;                        // in the place of some victims, in their order
  };
  // False if there is nothing to evict. Else it is among evictions_, and counts as active.
  bool BeginEviction(std::span<const FileNumber> numbers, EvictionReason reason, Eviction* eviction)
      REQUIRES(mu_);
  // What a merge that begins now notes as `applied_to`: the last number below that of every
  // eviction under way.
  uint64_t AppliedEvictions() const REQUIRES(mu_);
  Status CarryOut(Eviction* eviction, EvictionReason reason, Evicted* evicted) EXCLUDES(mu_);
  void TellEviction(const Eviction& eviction, EvictionReason reason) EXCLUDES(mu_);
  void MakeGhosts(Eviction* eviction);
  Status CommitEviction(const Eviction& eviction) EXCLUDES(mu_);
  void CountEviction(const Eviction& eviction, EvictionReason reason, Evicted* evicted)
      EXCLUDES(mu_);
  // What was evicted otherwise: unflushed, or by an open.
  void CountEvicted(uint64_t entries, uint64_t bytes);
  void CountEvictedMemtable(const MemTable& memtable);
  // Those that have nothing left to hide.
  void RetireGhosts() EXCLUDES(mu_);
  GhostBudget GhostsAllowed() const;
  // What should be rewritten so that ghosts come to be within their budget.
  std::optional<CompactionPlan> PickForGhosts(const BusySegments& busy,
                                              const std::vector<CompactionPlan>& running)
      REQUIRES(mu_);
  // There was no room for such a rewrite.
  void EvictForGhosts() EXCLUDES(mu_);

  // ---- Saving what was hit (db_salvage.cc) ----
  // Of the first `*count` of these segments, which is one at least: those that are there and idle,
  // and together no more than so many bytes, or one.
  SegmentList SegmentsToSalvage(std::span<const FileNumber> numbers, uint64_t bytes_max,
                                size_t* count) const REQUIRES(mu_);
  // Of the first `*count` of them.
  Status Salvage(std::span<const FileNumber> numbers, size_t* count) EXCLUDES(mu_);
  Status InstallSalvage(SalvageJob* job) EXCLUDES(mu_);
  void NoteEpochs(uint64_t now_ms) REQUIRES(mu_);

  // ---- What has expired (db_expiry.cc) ----
  // Now and then while something in the version may expire: takes out whole segments unread, and
  // has compactions see to those of which much has expired.
  void DropExpired() EXCLUDES(mu_);
  // Of a database: segments that have expired whole, and beneath which nothing older lies.
  std::vector<FileNumber> ExpiredAndAlone(uint64_t now_ms) const REQUIRES(mu_);

  // ---- Whole files (db_files.cc) ----
  // By the leader, both.
  Status BeginIngestion(const Ingestion& ingestion, SequenceNumber sequence,
                        std::vector<FileNumber>* numbers);
  Status InstallIngestion(Ingestion* ingestion, SequenceNumber sequence) EXCLUDES(mu_);
  // At the newest place.
  Status IngestAhead(Ingestion* ingestion) EXCLUDES(mu_);

  // ---- Room on the disk (db_room.cc) ----
  class RoomSteps;
  SpaceLedger& space() const { return *space_.ledger; }
  void MakeRoomMaker();
  CapacityPlan Plan() const EXCLUDES(mu_);
  static FlushLoad LoadOf(const WriteQueue::Writer& writer);
  // InvalidArgument if a batch could never be flushed within the capacity.
  Status CheckBatch(const WriteQueue::Writer& writer) const EXCLUDES(mu_);
  // By the leader: the flush of the active memtable with `load` added is reserved, or NoSpace.
  Status AdmitToMemtable(const FlushLoad& load);
  // What is missing for it, with the log.
  uint64_t MissingRoom(const CapacityPlan& plan, const GroupNeeds& needs) const;
  // By the leader, who found none: waits, as long as the options say.
  Status WaitForRoom(const GroupNeeds& needs, Status status) EXCLUDES(mu_);
  // Lets evictions run ahead of writers.
  void RunAhead() EXCLUDES(mu_);
  // Room for a merge: at most its inputs, now or not at all. Null, and NoSpace: none.
  Status GrantMerge(const CompactionPlan& plan, std::shared_ptr<SpaceGrant>* grant) EXCLUDES(mu_);
  // The standing reserve, which is what saving the hits of victims is for.
  std::shared_ptr<SpaceGrant> GrantSalvage(uint64_t* data_bytes_max) EXCLUDES(mu_);
  // False if another job has it.
  bool LendStanding(SpaceGrant* grant) EXCLUDES(mu_);
  // Gives back what a merge or a salvage did not use.
  void EndMerge(const std::shared_ptr<SpaceGrant>& grant) EXCLUDES(mu_);
  // Makes the standing reserve whole again, as far as there is room.
  void RefillStanding() EXCLUDES(mu_);
  // The options of a job, whose files draw from the grant; *options_ where that is null.
  Options OptionsOfJob(const std::shared_ptr<SpaceGrant>& grant) const;
  // By the leader, both. The log in use goes too, if nothing of any is needed.
  Status ForgetLogs(bool* forgot) EXCLUDES(mu_);
  // The active memtable becomes immutable, or where it is empty the logs are forgotten.
  Status GiveUpMemory(bool* gave) EXCLUDES(mu_);
  Status SetCapacity(const Options& before, const Options& now) EXCLUDES(mu_);
  void TakePlan(const Options& now) EXCLUDES(mu_);
  // Steps of the room maker, each telling whether it got on.
  bool ReleaseForRoom() EXCLUDES(mu_);
  bool DropLogsForRoom() EXCLUDES(mu_);
  bool EvictForRoom(uint64_t wanted) EXCLUDES(mu_);
  bool FlushForRoom() EXCLUDES(mu_);
  bool RevokeForRoom() EXCLUDES(mu_);
  bool EvictMemtable() EXCLUDES(mu_);
  void ProbeFullDisk();

  // ---- Errors ----
  Status CheckOpen() const {
    return closed_.load(std::memory_order_acquire) ? Status::Aborted(path_ + ": closed")
                                                   : Status::OK();
  }
  // The same, or that every call is to answer the error.
  Status CheckRunning() {
    if (stopped_.load(std::memory_order_acquire)) [[unlikely]]
      return closed_.load(std::memory_order_acquire) ? CheckOpen() : Stopped();
    return CheckOpen();
  }
  // OK, or why nothing may be written any more.
  Status BackgroundError() EXCLUDES(mu_);
  // The same, for the caller of the database, who now knows.
  Status WriteError() EXCLUDES(mu_);
  // Background work has failed, or a write in a way that nothing may be written after it.
  // `for_good`: as BackgroundErrors::Failed().
  void LatchError(const Status& status, BackgroundErrorSource source, bool for_good = false)
      EXCLUDES(mu_);

  // ---- Degraded (db_degraded.cc) ----
  Degradation degradation() const REQUIRES(mu_);
  std::string DegradedText() EXCLUDES(mu_);
  void FilesFailed(BackgroundErrorSource source) EXCLUDES(mu_);
  Status Stopped() EXCLUDES(mu_);
  // The steps of MemoryOnly.
  Status LeaveDirectory() EXCLUDES(mu_);
  Status ComeBack() EXCLUDES(mu_);
  // By an exclusive leader.
  Status Condemn() EXCLUDES(mu_);
  Status ReturnToDirectory() EXCLUDES(mu_);
  Status ResetDirectory() EXCLUDES(mu_);
  void RefuseWrites() EXCLUDES(mu_);
  // By a leader: as MakeRoom(), while in_memory_only_.
  Status MakeRoomInMemory(size_t memtable_bytes) EXCLUDES(mu_);
  // By a leader, all three. What memtables have of the disk is given back.
  void ReleaseReserved() REQUIRES(mu_);
  // Of the immutable ones, to be evicted.
  Table TakeOldest() REQUIRES(mu_);
  // The flush of all memtables is reserved, and those that it has no room for are evicted.
  void ReserveReturn() EXCLUDES(mu_);

  // ---- Resuming, pausing (db_resume.cc) ----
  // By an exclusive leader.
  Status ResumeWrites() EXCLUDES(mu_);
  // All memtables, in one commit that passes all logs.
  Status FlushEverything() EXCLUDES(mu_);
  // Nothing acknowledged is in memory alone, and no log is in use.
  void AcceptWritesAgain() EXCLUDES(mu_);

  uint64_t LogBytes() const;
  // What the options allow the database to take.
  uint64_t MemoryAllowed() const;
  uint64_t DirectoryBytes() const;
  // Calls `visit` with the name, without its prefix, of each property that is a number and what
  // gives it, until it returns false.
  using IntProperty = std::function<uint64_t()>;
  void VisitIntProperties(const std::function<bool(Slice name, const IntProperty& get)>& visit);
  std::string StatsText();
  std::string SegmentsText();

  // ---- What a cache's owner looks at (db_cache_properties.cc) ----
  // Of the one that was written first; 0 where there is none, or it cannot be read.
  uint64_t OldestSegmentAgeMillis();
  CacheFigures Figures();
  uint64_t HitPercent(bool recent, bool bytes);
  std::string CacheStatsText();
  std::string PrometheusMetrics();
  std::string WhyText(Slice key);

  // ---- Constant after Open ----
  // Completed: Env and logger are set; fitted to memory. See live_ for what changes.
  const Options options_;
  const std::string path_;
  const CacheSpace space_;
  std::unique_ptr<FileLock> file_lock_;
  const std::shared_ptr<ReadPath> reads_;
  std::unique_ptr<Manifest> manifest_;
  std::unique_ptr<Wal> wal_;
  std::unique_ptr<RateLimiter> limiter_;
  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<LogSupply> log_supply_;
  std::unique_ptr<IntervalSyncer> syncer_;
  const std::unique_ptr<Admission> admission_;  // null: every put is taken
  std::unique_ptr<MemoryOnly> memory_only_;     // null unless on_io_failure asks for it
  std::unique_ptr<ExpiryTicker> expiry_ticker_;
  // Null in a database, all three.
  std::unique_ptr<RoomMaker::Steps> room_steps_;
  std::unique_ptr<RoomMaker> room_;
  std::unique_ptr<SpaceGrant> standing_;  // for a merge that finds no other room

  // ---- Internally synchronised ----
  EventDispatch events_;
  LiveOptions live_;
  CacheStatistics cache_statistics_;
  WriteQueue queue_;
  WriteStall stall_;                // its Update() and Flush*() under mu_
  std::atomic<bool> closed_{true};  // until Start() has made all parts, and after Close()
  std::atomic<bool> has_background_error_{false};
  std::atomic<bool> stopped_{false};  // by OnIoFailure::kStop
  // Relaxed: what there is to do is found in reads_->damaged().
  std::atomic<bool> quarantine_scheduled_{false};
  std::atomic<uint64_t> quarantine_from_{0};  // monotonic ns; not before
  // The directory is condemned, and writes go into memory. Relaxed: leaders alone change it, under
  // mu_ where others must not miss it.
  std::atomic<bool> in_memory_only_{false};

  // Hints, relaxed: what follows from the close is ordered by the queue's lead and the pool's
  // Stop().
  std::atomic<bool> ingestions_cancelled_{false};
  std::atomic<bool> compactions_cancelled_{false};
  std::shared_ptr<ObsoleteSegments> obsolete_;

  // ---- The leader's ----
  Table active_;
  SequenceNumber next_sequence_ = 1;
  bool unlogged_in_memory_ = false;  // some entry may be in no log and in no segment
  bool unlogged_marked_ = false;     // of a cache: both roots say so
  std::vector<std::weak_ptr<SegmentFile>> condemned_;  // segments that somebody may still hold
  std::vector<WriteQueue::Writer*> group_;
  std::vector<Slice> record_;

  // ---- Guarded by mu_ ----
  Mutex close_mu_ ACQUIRED_BEFORE(mu_);    // one Close at a time
  Mutex options_mu_ ACQUIRED_BEFORE(mu_);  // one SetOptions at a time
  Options asked_ GUARDED_BY(options_mu_);  // what the user wants; live_ is what memory leaves of it
  mutable Mutex mu_;
  CondVar changed_;                                            // of anything below
  std::shared_ptr<MemTable> active_memtable_ GUARDED_BY(mu_);  // that of active_
  std::deque<Table> immutables_ GUARDED_BY(mu_);               // oldest first
  std::shared_ptr<const Version> version_ GUARDED_BY(mu_);
  std::vector<std::string> unreachable_ GUARDED_BY(mu_);  // names found at open, still there
  uint64_t tables_switched_ GUARDED_BY(mu_) = 0;          // memtables that became immutable
  uint64_t tables_flushed_ GUARDED_BY(mu_) = 0;  // of them, the first so many are in segments
  bool room_awaited_ GUARDED_BY(mu_) = false;    // the leader waits to add a memtable
  uint64_t flush_wanted_ GUARDED_BY(mu_) = 0;    // flush at least so many without waiting for more
  bool flush_running_ GUARDED_BY(mu_) = false;
  bool flush_between_ GUARDED_BY(mu_) = false;      // attempts: it waits, and has nothing in hand
  bool memtable_evicting_ GUARDED_BY(mu_) = false;  // the oldest, by the room maker
  const SpaceGrant* standing_lent_to_ GUARDED_BY(mu_) = nullptr;
  bool merges_lack_room_ GUARDED_BY(mu_) = false;   // the last one that asked found none,
  uint64_t merge_room_wanted_ GUARDED_BY(mu_) = 0;  // and so much is to be made free for it
  CapacityPlan capacity_plan_ GUARDED_BY(mu_);
  uint64_t flush_failures_ GUARDED_BY(mu_) = 0;  // attempts that failed, ever
  Status flush_error_ GUARDED_BY(mu_);           // of the last attempt; OK after a good one
  int flush_io_errors_ GUARDED_BY(mu_) = 0;      // attempts that ended in IOError, in a row
  PickerOptions picker_options_ GUARDED_BY(mu_);
  std::unique_ptr<const CompactionPicker> picker_ GUARDED_BY(mu_);        // made of these
  std::vector<std::shared_ptr<Compaction>> compactions_ GUARDED_BY(mu_);  // under way
  uint64_t compactions_failed_in_a_row_ GUARDED_BY(mu_) = 0;
  uint64_t retry_at_ GUARDED_BY(mu_) = 0;  // monotonic ns; no automatic compaction before
  bool retry_awaited_ GUARDED_BY(mu_) = false;
  bool quiet_awaited_ GUARDED_BY(mu_) = false;
  // What tables_switched_ was when no memtable had been filled for a while.
  uint64_t quiet_since_ GUARDED_BY(mu_) = UINT64_MAX;
  std::deque<ManualCompaction> hidden_runs_ GUARDED_BY(mu_);
  uint64_t expired_by_ms_ GUARDED_BY(mu_) = 0;  // what expires at or before it may be dropped
  int manual_waiting_ GUARDED_BY(mu_) =
      0;  // manual compactions that could not start; they go first
  std::vector<const Eviction*> evictions_ GUARDED_BY(mu_);  // not committed yet, by number
  int evictions_active_ GUARDED_BY(mu_) = 0;                // those and the ones that clean up
  uint64_t last_eviction_ GUARDED_BY(mu_) = 0;              // the last number that was given
  std::set<FileNumber> salvaging_ GUARDED_BY(mu_);          // segments of which something is saved
  std::set<FileNumber> quarantining_ GUARDED_BY(mu_);       // damaged ones that are to go
  MemoryCharge ghost_memory_ GUARDED_BY(mu_);               // of the ghosts of version_
  SalvageBudget salvage_budget_ GUARDED_BY(mu_);
  EpochAges epoch_ages_ GUARDED_BY(mu_);
  std::set<FileNumber> retiring_ GUARDED_BY(mu_);  // ghosts that a commit takes out
  BackgroundErrors errors_ GUARDED_BY(mu_);
  Status not_condemned_ GUARDED_BY(mu_);  // OK, or why the cache is not memory-only
  uint64_t times_in_memory_only_ GUARDED_BY(mu_) = 0;
  std::set<SequenceNumber> ingesting_ GUARDED_BY(mu_);  // ahead of the writers, in their order
  int pauses_ GUARDED_BY(mu_) = 0;  // calls of PauseBackgroundWork() that were not taken back
  ManifestStats manifest_counted_ GUARDED_BY(mu_);  // what the statistics have of it
  bool error_told_ GUARDED_BY(mu_) = false;         // a caller has got the read-only error
  bool will_close_ GUARDED_BY(mu_) = false;         // Close() waits for the lead of the write queue
  bool closing_ GUARDED_BY(mu_) = false;            // nothing is begun any more
};

}  // namespace varve

#endif  // VARVE_DB_DB_IMPL_H_
