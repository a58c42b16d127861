// The compaction path of DBImpl: which compactions run, and what becomes of their outputs.
//
//  1. After every change of the version the picker is asked for plans until it has none, or every
//     thread that compactions may have is busy. It is told what runs: no two share an input, nor
//     do their outputs cross.
//     Plans of a score below 1 wait for a quiet time. Where an iterator had to pass thousands of
//     entries that do not show, that range is compacted down.
//  2. A plan is carried out without a lock (db/compaction_job.h).
//  3. Its outputs take the place of its inputs in one commit of the manifest, which also raises the
//     retained sequence to the floor by which versions were dropped; then in the version.
//  4. The files of the inputs go when no root and no version needs them any more
//     (db/obsolete_segments.h). When nothing is left to do a seal lets the last of them go.
//
// A compaction that fails changes nothing. After it automatic ones wait, longer each time; one that
// somebody waits for is not tried again, but tells its error.

#include <algorithm>
#include <utility>

#include "db/db_impl.h"
#include "util/crash_site.h"
#include "util/filename.h"
#include "util/planted.h"
#include "util/stopwatch.h"

namespace varve {

namespace {

constexpr uint64_t kBackOffNanosMin = 100'000'000;
constexpr uint64_t kBackOffNanosMax = 10'000'000'000;

// Nobody writes much if no memtable was filled for so long.
constexpr uint64_t kQuietNanos = 1'000'000'000;

// Ranges that iterators complained of, at once.
constexpr size_t kHiddenRunsMax = 16;

const char* ReasonText(CompactionReason reason) {
  switch (reason) {
    case CompactionReason::kLevel0Runs:
      return "runs in level 0";
    case CompactionReason::kLevelBytes:
      return "bytes of a level";
    case CompactionReason::kSizeRatio:
      return "runs of like size";
    case CompactionReason::kRuns:
      return "number of runs";
    case CompactionReason::kSpaceAmplification:
      return "space amplification";
    case CompactionReason::kTombstones:
      return "tombstones";
    case CompactionReason::kGhosts:
      return "ghosts";
    case CompactionReason::kExpired:
      return "expired entries";
    case CompactionReason::kManual:
      return "manual";
    case CompactionReason::kSmallSegments:
      return "small segments";
  }
  return "unknown";
}

CompactionInfo InfoOf(const CompactionPlan& plan) {
  CompactionInfo info;
  info.reason = ReasonText(plan.reason);
  for (const CompactionInput& input : plan.inputs) {
    info.inputs.emplace_back().level = input.level;
    for (const auto& segment : input.segments) {
      info.inputs.back().segments.push_back(segment->number());
    }
  }
  info.output_level = plan.output_level;
  info.trivial_move = plan.trivial_move;
  info.bytes_read = plan.trivial_move ? 0 : plan.input_bytes();
  return info;
}

}  // namespace

BusySegments DBImpl::Busy() const {
  BusySegments busy = HeldByJobs();
  busy.insert(quarantining_.begin(), quarantining_.end());
  return busy;
}

BusySegments DBImpl::HeldByJobs() const {
  BusySegments busy;
  if (VARVE_PLANTED("jobs share inputs")) return busy;
  for (const auto& compaction : compactions_) {
    for (const CompactionInput& input : compaction->plan.inputs) {
      for (const auto& segment : input.segments) busy.insert(segment->number());
    }
  }
  for (const Eviction* eviction : evictions_) {
    for (const auto& victim : eviction->victims) busy.insert(victim->number());
  }
  busy.insert(salvaging_.begin(), salvaging_.end());
  return busy;
}

std::vector<CompactionPlan> DBImpl::RunningPlans() const {
  std::vector<CompactionPlan> plans;
  if (VARVE_PLANTED("jobs share inputs")) return plans;
  for (const auto& compaction : compactions_) plans.push_back(compaction->plan);
  return plans;
}

void DBImpl::SetPicker(const Options& options) {
  picker_options_ = PickerOptions(options);
  picker_ = NewCompactionPicker(options.compaction_style, picker_options_, reads_->comparator());
}

bool DBImpl::MayCompact() const {
  // One thread stays free for flushes, where there are two.
  const size_t max = std::max(options_.background_threads - 1, 1);
  return !closing_ && pauses_ == 0 && errors_.read_only().ok() && compactions_.size() < max;
}

void DBImpl::ScheduleCompactions() {
  while (MayCompact() && manual_waiting_ == 0) {
    if (retry_at_ != 0 && options_.env.clock->MonotonicNanos() < retry_at_) {
      if (!retry_awaited_ && compactions_.empty()) {
        retry_awaited_ = pool_->Schedule(ThreadPool::Priority::kLow, [this] { AwaitRetry(); }).ok();
      }
      return;
    }
    std::optional<CompactionPlan> plan = PickUrgent();
    if (!plan.has_value() || StartCompaction(*std::move(plan)) == nullptr) return;
  }
}

std::optional<CompactionPlan> DBImpl::PickUrgent() {
  const BusySegments busy = Busy();
  const std::vector<CompactionPlan> running = RunningPlans();
  if (merges_lack_room_) {
    // What finds no room comes first again and again. Where ghosts want more than there is
    // something is evicted for them.
    if (auto step = PickForGhosts(busy, running)) return step;
  }
  std::optional<CompactionPlan> plan =
      picker_->Pick(*version_, busy, running, reads_->ReadersFromNowOn().droppable_before());
  if (plan.has_value() && plan->score >= 1) return plan;
  if (expired_by_ms_ >= version_->next_expiry_ms()) {
    auto expired = picker_->PickExpired(*version_, busy, running, expired_by_ms_);
    if (expired.has_value()) return expired;
  }
  if (auto step = PickForGhosts(busy, running)) return step;
  while (!hidden_runs_.empty()) {
    bool blocked = false;
    std::optional<CompactionPlan> step =
        picker_->PickManual(*version_, busy, running, hidden_runs_.front(), &blocked);
    if (step.has_value()) step->reason = CompactionReason::kTombstones;
    if (step.has_value() || blocked) return step;
    hidden_runs_.pop_front();
  }
  // The rest is for when nobody writes, or is left as the open found it if nobody ever did.
  if (!plan.has_value() || quiet_since_ == tables_switched_) return plan;
  if (tables_switched_ == 0) return std::nullopt;
  if (!quiet_awaited_ && compactions_.empty()) {
    quiet_awaited_ = pool_->Schedule(ThreadPool::Priority::kLow, [this] { AwaitQuiet(); }).ok();
  }
  return std::nullopt;
}

void DBImpl::AwaitQuiet() {
  Clock* const clock = options_.env.clock.get();
  MutexLock lock(&mu_);
  const uint64_t switched = tables_switched_;
  const uint64_t until = clock->MonotonicNanos() + kQuietNanos;
  uint64_t now = clock->MonotonicNanos();
  while (now < until && switched == tables_switched_ && !WaitingThreadIsWanted()) {
    changed_.WaitFor(&mu_, until - now);
    now = clock->MonotonicNanos();
  }
  if (now >= until && switched == tables_switched_) quiet_since_ = switched;
  quiet_awaited_ = false;
  if (!closing_) ScheduleCompactions();
}

void DBImpl::AwaitRetry() {
  Clock* const clock = options_.env.clock.get();
  MutexLock lock(&mu_);
  for (uint64_t now = clock->MonotonicNanos(); now < retry_at_ && !WaitingThreadIsWanted();
       now = clock->MonotonicNanos()) {
    changed_.WaitFor(&mu_, retry_at_ - now);
  }
  retry_awaited_ = false;
  if (!closing_) ScheduleCompactions();
}

bool DBImpl::WaitingThreadIsWanted() const {
  return closing_ || !compactions_.empty() || manual_waiting_ != 0 ||
         (flush_running_ && options_.background_threads == 1) || !quarantining_.empty();
}

void DBImpl::OnHiddenRun(Slice smallest, Slice largest) {
  MutexLock lock(&mu_);
  if (closing_ || hidden_runs_.size() >= kHiddenRunsMax) return;
  ManualCompaction range;
  range.begin.emplace(smallest);
  range.end.emplace(largest);
  range.sequence_before = reads_->published() + 1;
  hidden_runs_.push_back(std::move(range));
  ScheduleCompactions();
}

void DBImpl::OnSnapshotReleased(SequenceNumber released) {
  const std::shared_ptr<const Version> version = reads_->views().Share()->version;
  if (!version->HasGarbage() ||
      !version->GarbageWaits(released + 1, reads_->ReadersFromNowOn().droppable_before())) {
    return;
  }
  MutexLock lock(&mu_);
  if (!closing_) ScheduleCompactions();
}

std::shared_ptr<DBImpl::Compaction> DBImpl::StartCompaction(CompactionPlan plan) {
  auto compaction = std::make_shared<Compaction>();
  compaction->plan = std::move(plan);
  if (VARVE_PLANTED("merge on top")) compaction->plan.output_epoch += 100;
  compaction->version = version_;
  compaction->applied_to = AppliedEvictions();
  const Status status = pool_->Schedule(ThreadPool::Priority::kLow,
                                        [this, compaction] { CompactInBackground(compaction); });
  if (!status.ok()) return nullptr;
  compactions_.push_back(compaction);
  if (quiet_awaited_ || retry_awaited_) changed_.SignalAll();  // who waits holds its thread
  return compaction;
}

void DBImpl::CompactInBackground(const std::shared_ptr<Compaction>& compaction) {
  const Status status = Compact(*compaction);
  const bool no_room = room_ != nullptr && status.IsNoSpace();
  if (!status.ok() && !status.IsAborted() && !no_room) {
    options_.logger->Log(LogLevel::kWarning, path_ + ": compaction failed: " + status.ToString());
    FreeRoom(status);
  }
  if (status.ok()) RetireGhosts();
  bool idle;
  {
    MutexLock lock(&mu_);
    std::erase(compactions_, compaction);
    compaction->version.reset();
    compaction->done = true;
    compaction->status = status;
    changed_.SignalAll();
    if (status.ok()) {
      compactions_failed_in_a_row_ = 0;
      errors_.Succeeded(BackgroundErrorSource::kCompaction);
    } else {
      BackOff(no_room);
    }
    ScheduleCompactions();
    UpdateStall();
    // A flush that runs and is not due is at its seal, or past it.
    idle = status.ok() && compactions_.empty() && !FlushIsDue() && !closing_ &&
           errors_.read_only().ok();
  }
  events_.Deliver();
  if (reads_->damaged().waiting()) ScheduleQuarantine();  // its inputs are free now
  if (no_room && compaction->plan.reason == CompactionReason::kGhosts) EvictForGhosts();
  if (idle && Seal().ok()) RetireLogs();
  reads_->epochs().Collect();  // versions that a read was still in
  RemoveObsoleteSegments();
}

void DBImpl::BackOff(bool no_room) {
  // Room is being made, and nothing failed.
  const uint64_t doublings = no_room ? 0 : std::min<uint64_t>(compactions_failed_in_a_row_++, 10);
  retry_at_ = options_.env.clock->MonotonicNanos() +
              std::min(kBackOffNanosMin << doublings, kBackOffNanosMax);
}

double DBImpl::Level0RunsWaiting(const RunPressure& pressure) const {
  double runs = static_cast<double>(pressure.runs);
  for (const auto& compaction : compactions_) {
    double inputs = 0, entries = 0;
    uint64_t epoch = 0;  // of the input before: runs of one epoch count as one (RunPressure)
    for (const CompactionInput& input : compaction->plan.inputs) {
      inputs += input.level == 0 && input.segments.front()->entry().epoch != epoch;
      epoch = input.segments.front()->entry().epoch;
      for (const auto& segment : input.segments) {
        entries += static_cast<double>(segment->entry().entries);
      }
    }
    const auto done = static_cast<double>(compaction->entries_done.load(std::memory_order_relaxed));
    if (entries > 0) runs -= inputs * std::min(done / entries, 1.0);
  }
  return std::max(runs, 0.0);
}

Status DBImpl::Compact(Compaction& compaction) {
  Clock* const clock = options_.env.clock.get();
  const uint64_t started = clock->MonotonicNanos();
  CompactionInfo info = InfoOf(compaction.plan);
  info.job = events_.NewJob();
  events_.CompactionBegin(info);

  std::shared_ptr<SpaceGrant> room;
  Status status = GrantMerge(compaction.plan, &room);
  const Options options = OptionsOfJob(room);
  CompactionTools tools;
  tools.options = &options;
  tools.directory = path_;
  tools.manifest = manifest_.get();
  tools.segments = &reads_->segments();
  tools.limiter = limiter_.get();
  tools.pool = pool_.get();
  tools.cancelled = &compactions_cancelled_;
  tools.entries_done = &compaction.entries_done;
  tools.applied_to = compaction.applied_to;
  if (reads_->time().in_use()) tools.now_ms = reads_->time().DropMillis();
  const ReadSequences readers = reads_->ReadersFromNowOn();
  CompactionJob job(tools, compaction.plan, compaction.version, readers,
                    options_.background_threads);
  if (status.ok()) {
    Stopwatch watch(options_.statistics.get(), clock, Latency::kCompaction);
    status = job.Run();
  }
  if (status.ok()) {
    const SequenceNumber retained = compaction.plan.trivial_move ? 0 : readers.history_from();
    status = InstallCompaction(&job, retained);
  }
  if (const Status poisoned = manifest_->poisoned(); !poisoned.ok()) {
    LatchError(poisoned, BackgroundErrorSource::kManifest);
  } else if (!status.ok() && !status.IsAborted() && !(room_ != nullptr && status.IsNoSpace())) {
    if (options_.cache() && status.IsCorruption()) CompactionMetDamage(compaction.plan, status);
    LatchError(status, BackgroundErrorSource::kCompaction);
  }

  info.bytes_written = job.bytes_written();
  info.entries_read = job.stats().entries_read;
  info.entries_dropped = job.stats().dropped();
  info.micros = (clock->MonotonicNanos() - started) / 1000;
  info.status = status;
  if (status.ok()) {
    for (const SegmentEntry& entry : job.outputs()) {
      info.outputs.push_back(entry.number);
      if (info.trivial_move) continue;
      events_.SegmentCreated(
          {info.job, entry.number, SegmentFileName(path_, entry.number), entry.file_bytes});
    }
  }
  events_.CompactionEnd(info);
  EndMerge(room);
  return status;
}

Status DBImpl::InstallCompaction(CompactionJob* job, SequenceNumber retained) {
  const CompactionPlan& plan = job->plan();
  ManifestEdit edit;
  edit.added = job->outputs();
  edit.next_sequence = reads_->published() + 1;
  edit.retained_sequence = retained;
  SegmentList inputs;
  for (const CompactionInput& input : plan.inputs) {
    inputs.insert(inputs.end(), input.segments.begin(), input.segments.end());
  }
  for (const auto& segment : inputs) edit.removed.push_back(segment->number());
  if (!plan.trivial_move) {
    for (const auto& segment : inputs) obsolete_->Removing(segment);
  }
  Status status;
  {
    Stopwatch watch(options_.statistics.get(), options_.env.clock.get(), Latency::kManifestCommit);
    status = manifest_->Commit(edit);
  }
  if (!status.ok()) {
    if (manifest_->poisoned().ok()) {  // else a root may name them
      job->RemoveOutputs();
      if (!plan.trivial_move) {
        for (const auto& segment : inputs) obsolete_->Kept(*segment);
      }
    }
    return status;
  }

  SegmentList outputs;
  for (size_t i = 0; i < edit.added.size(); ++i) {
    // A move lists its outputs in the order of its inputs.
    const SegmentFile* const before = plan.trivial_move ? inputs[i].get() : nullptr;
    outputs.push_back(
        std::make_shared<SegmentFile>(std::move(edit.added[i]), reads_->comparator(), before));
  }
  {
    MutexLock lock(&mu_);
    version_ = version_->With(reads_->comparator(), edit.removed, outputs, retained);
    PublishView();
  }
  CrashStepDone(CrashStep::kCompactionPublished);
  reads_->epochs().Collect();  // the view before
  for (const auto& segment : inputs) {
    if (!plan.trivial_move) SegmentCache::EraseCachedBlocks(*segment, &reads_->epochs());
  }
  if (Statistics* const statistics = options_.statistics.get(); statistics != nullptr) {
    if (plan.trivial_move) {
      statistics->Add(Counter::kSegmentMoves, inputs.size());
    } else {
      statistics->Add(Counter::kCompactions, 1);
      statistics->Add(Counter::kCompactionBytesRead, job->bytes_read());
      statistics->Add(Counter::kCompactionBytesWritten, job->bytes_written());
      statistics->Add(Counter::kGhostBytesWritten, job->ghost_bytes_written());
      statistics->Add(Counter::kCompactionEntriesRead, job->stats().entries_read);
      statistics->Add(Counter::kCompactionEntriesDropped, job->stats().dropped());
      statistics->Add(Counter::kGhostDrops, job->stats().ghost_dropped);
      statistics->Add(Counter::kExpiredEntries, job->stats().expired);
      statistics->Add(Counter::kExpiredBytes, job->stats().expired_bytes);
    }
  }
  CountManifest();
  return Status::OK();
}

void DBImpl::RemoveObsoleteSegments() {
  CrashSiteScope removing(CrashSite::kUnlink);
  obsolete_->Released(manifest_->TakeReleased());
  for (const NumberedFile& file : obsolete_->TakeDue()) {
    const std::string path = FileName(path_, file);
    const Status status = options_.env.file_system->RemoveFile(path);
    if (!status.ok() && !status.IsNotFound()) {
      options_.logger->Log(LogLevel::kWarning, "not removed yet: " + status.ToString());
      obsolete_->Released({file});  // tried again the next time, at the latest by Close()
      continue;
    }
    if (file.type != FileType::kSegment) continue;
    if (options_.statistics != nullptr) options_.statistics->Add(Counter::kSegmentsRemoved, 1);
    events_.SegmentRemoved({.number = file.number, .path = path});
  }
}

Status DBImpl::CompactRange(const CompactRangeOptions& options, std::optional<Slice> begin,
                            std::optional<Slice> end) {
  if (begin.has_value() && end.has_value() &&
      reads_->comparator().CompareUserKeys(*begin, *end) > 0) {
    return Status::InvalidArgument("CompactRange: begin is after end");
  }
  Status status = Flush({});
  if (!status.ok()) return status;
  ManualCompaction manual;
  if (begin.has_value()) manual.begin.emplace(*begin);
  if (end.has_value()) manual.end.emplace(*end);
  manual.sequence_before = reads_->published() + 1;
  if (options.rewrite_deepest) {
    // Whatever is there has a lower number, and what this compaction writes a higher one.
    status = manifest_->NewFileNumber(&manual.rewrite_before);
    if (!status.ok()) return status;
  }
  return CompactManually(manual);
}

Status DBImpl::CompactManually(const ManualCompaction& manual) {
  MutexLock lock(&mu_);
  for (;;) {
    if (closing_) return Status::Aborted(path_ + ": closed");
    if (!errors_.read_only().ok()) return errors_.read_only();
    bool blocked = false;
    std::optional<CompactionPlan> plan =
        picker_->PickManual(*version_, Busy(), RunningPlans(), manual, &blocked);
    if (!plan.has_value() && !blocked) {
      ScheduleCompactions();  // they stood back
      return Status::OK();
    }
    if (!plan.has_value() || !MayCompact()) {
      ++manual_waiting_;
      changed_.Wait(&mu_);
      --manual_waiting_;
      continue;
    }
    const std::shared_ptr<Compaction> compaction = StartCompaction(*std::move(plan));
    if (compaction == nullptr) return Status::IOError(path_ + ": no thread for a compaction");
    while (!compaction->done && !closing_) changed_.Wait(&mu_);
    if (compaction->done && !compaction->status.ok()) return compaction->status;
  }
}

}  // namespace varve
