// Room on the disk: what DBImpl reserves, how it waits, and what it does for want of room.
//
// Every file of a cache is charged before it grows (db/metered_file_system.h), so whatever is
// decided here, the capacity is not passed; what this part owes is that work goes on. Who needs
// room has it ahead:
//
//  - a write: what the flush of the active memtable will take at most, and the log;
//  - a flush: what its writes have reserved, again after each failure;
//  - a merge: what its inputs take, from what is free, or, but with kLru, the standing reserve. It
//    does not wait: where it gets none it gives up, and is tried again when so much was made free;
//  - what is saved of victims: the standing reserve, which gets it back from what they leave;
//  - a commit of the manifest: spare pages, written when they were made.
//
// A write that finds none waits for the room maker (db/room_maker.h), whose steps stand at the end
// of this file. In steady state it runs ahead of them: after each switch of memtables and each
// flush it is looked whether less is free than a few segments, and the oldest go in the background.
//
// Why nobody waits for ever: with no segment left, and every memtable flushed or evicted with its
// log, there is the manifest, the standing reserve, and what the batch that waits takes at most;
// that is DB::MinimumCapacity(). The active memtable goes too: the leader that waits switches it;
// and the log in use, once nothing of it is needed: the leader begins the chain of logs anew.

#include <algorithm>
#include <utility>

#include "db/db_impl.h"
#include "db/evicted_segment.h"
#include "util/crash_site.h"
#include "util/filename.h"
#include "util/stopwatch.h"
#include "util/thread.h"

namespace varve {

namespace {

// Reserved beyond what a group needs, where there is room, so that not each one asks the ledger.
constexpr uint64_t kAdmitStepBytes = 64 << 10;
// Between looks of a write that waits while nothing can be done.
constexpr uint64_t kStuckNanos = 20'000'000;
// Of the size of segments, that one commit takes out.
constexpr uint64_t kVictimsMax = 32;
// Of the capacity, that is made free for one merge.
constexpr uint64_t kMergeRoomShare = 16;
// How often the file system is tried again after it had no room.
constexpr uint64_t kProbeNanosMin = 1'000'000'000;
constexpr uint64_t kProbeNanosMax = 30'000'000'000;

}  // namespace

class DBImpl::RoomSteps final : public RoomMaker::Steps {
 public:
  explicit RoomSteps(DBImpl* db) : db_(db) {}

  void BeginRound() override { db_->ProbeFullDisk(); }
  bool Take(RoomStep step, uint64_t wanted) override {
    switch (step) {
      case RoomStep::kRelease:
        return db_->ReleaseForRoom();
      case RoomStep::kLogs:
        return db_->DropLogsForRoom();
      case RoomStep::kExpired:
        return db_->EvictForRoom(0);
      case RoomStep::kFlush:
        return db_->FlushForRoom();
      case RoomStep::kVictims:
        return db_->EvictForRoom(wanted);
      case RoomStep::kRevoke:
        return db_->RevokeForRoom();
      case RoomStep::kMemtable:
        return db_->EvictMemtable();
    }
    return false;
  }

 private:
  DBImpl* const db_;
};

// ---- Reserving ---------------------------------------------------------------------------------

void DBImpl::MakeRoomMaker() {
  if (space_.metered == nullptr) return;
  room_steps_ = std::make_unique<RoomSteps>(this);
  room_ =
      std::make_unique<RoomMaker>(space_.ledger.get(), room_steps_.get(), options_.env.clock.get());
  standing_ = std::make_unique<SpaceGrant>(space_.ledger);
  TakePlan(options_);
}

void DBImpl::TakePlan(const Options& now) {
  const CapacityPlan plan = PlanCapacity(now);
  {
    MutexLock lock(&mu_);
    capacity_plan_ = plan;
  }
  queue_.SetGroupBytesMax(plan.group_bytes_max);
  log_supply_->SetSparesMax(plan.spare_logs_max);
  RefillStanding();
}

CapacityPlan DBImpl::Plan() const {
  MutexLock lock(&mu_);
  return capacity_plan_;
}

Status DBImpl::CheckBatch(const WriteQueue::Writer& writer) const {
  constexpr size_t kAlwaysFits = 1 << 10;
  if (room_ == nullptr || writer.entry_bytes <= kAlwaysFits) [[likely]]
    return Status::OK();
  const CapacityPlan plan = Plan();
  const uint64_t wanted = BatchRoom(plan, writer.entry_bytes, LoadOf(writer));
  if (wanted <= plan.batch_room_bytes) return Status::OK();
  return Status::InvalidArgument(
      "a batch of " + std::to_string(writer.count) + " entries and " +
      std::to_string(writer.entry_bytes) + " bytes would take up to " + std::to_string(wanted) +
      " bytes of disk, more than capacity_bytes = " + std::to_string(space().state().capacity) +
      " has for one: " + std::to_string(plan.batch_room_bytes));
}

FlushLoad DBImpl::LoadOf(const WriteQueue::Writer& writer) {
  FlushLoad load;
  load.entries = writer.count;
  load.data_bytes = writer.data_bytes;
  load.range_deletes = writer.range_deletes;
  load.range_bytes = writer.range_deletes == 0 ? 0 : writer.data_bytes;
  load.expiring = writer.expires;
  return load;
}

Status DBImpl::AdmitToMemtable(const FlushLoad& load) {
  if (room_ == nullptr) return Status::OK();
  if (active_.space == nullptr) active_.space = std::make_shared<SpaceGrant>(space_.ledger);
  FlushLoad sum = active_.load;
  sum.Add(load);
  const uint64_t wanted = FlushBytesMax(sum), have = active_.space->bytes();
  if (wanted <= have) return Status::OK();
  const SpaceLedger::State state = space().state();
  // Not before the log is there, the room of which it could be.
  if (active_.log != 0 && state.free / 4 > kAdmitStepBytes &&
      active_.space->Grow(wanted - have + kAdmitStepBytes)) {
    return Status::OK();
  }
  if (active_.space->Grow(wanted - have)) return Status::OK();
  return Status::NoSpace(path_ + ": capacity_bytes = " + std::to_string(state.capacity) + ": " +
                         std::to_string(state.used) + " are used and " +
                         std::to_string(state.reserved) + " promised, and a write wants " +
                         std::to_string(wanted - have) + " more");
}

uint64_t DBImpl::MissingRoom(const CapacityPlan& plan, const GroupNeeds& needs) const {
  FlushLoad sum = active_.load;
  sum.Add(needs.load);
  const uint64_t flush = FlushBytesMax(sum);
  const uint64_t have = active_.space == nullptr ? 0 : active_.space->bytes();
  const bool new_log = needs.logged && (active_.log == 0 || !wal_->Fits(needs.record_bytes));
  return (flush > have ? flush - have : 0) + (new_log ? LogRoom(plan, needs.record_bytes) : 0);
}

Status DBImpl::ForgetLogs(bool* forgot) {
  *forgot = false;
  {
    MutexLock lock(&mu_);
    if (!active_.memtable->empty() || !immutables_.empty()) return Status::OK();
  }
  if (wal_->current() == 0) return Status::OK();
  // All that was logged is in segments, or evicted. The last log used is kept as long as another
  // may name its end: none does where both roots pass it, and the next one begins as after an open.
  ManifestEdit edit;
  edit.lowest_log = wal_->current() + 1;
  edit.durable_log = wal_->durable();
  edit.next_sequence = reads_->published() + 1;
  Status status = manifest_->Commit(edit);
  if (const Status poisoned = manifest_->poisoned(); !poisoned.ok()) {
    LatchError(poisoned, BackgroundErrorSource::kManifest);
  }
  if (status.ok()) status = Seal();
  if (status.ok()) status = wal_->Restart();
  if (!status.ok()) return status;
  *forgot = true;
  active_.log = 0;
  active_.log_end = {};
  return status;
}

Status DBImpl::GiveUpMemory(bool* gave) {
  *gave = false;
  if (active_.memtable->empty()) return ForgetLogs(gave);
  // What is in memory is all there is to give: let it be flushed, or evicted.
  if (Status status = ReplaceActive(); !status.ok()) return status;
  *gave = true;
  MutexLock lock(&mu_);
  flush_wanted_ = std::max(flush_wanted_, tables_switched_);
  ScheduleFlush();
  return Status::OK();
}

Status DBImpl::WaitForRoom(const GroupNeeds& needs, Status status) {
  Clock* const clock = options_.env.clock.get();
  const uint64_t begin = clock->MonotonicNanos();
  const uint64_t wait_nanos = live_.room_wait_ms.load(std::memory_order_relaxed) * 1'000'000;
  const CapacityPlan plan = Plan();
  uint64_t waited = 0;
  bool in_vain = false;
  while (status.IsNoSpace() && waited < wait_nanos) {
    const uint64_t missing = MissingRoom(plan, needs);
    RoomMaker::Outcome outcome = room_->Wait(missing, wait_nanos - waited, /*tell_stuck=*/true);
    if (outcome == RoomMaker::Outcome::kStuck) {
      bool gave = false;
      if (Status s = GiveUpMemory(&gave); !s.ok()) return s;
      if (!gave) {
        outcome = room_->Wait(missing, std::min(wait_nanos - waited, kStuckNanos), false);
        if (outcome == RoomMaker::Outcome::kTimedOut) outcome = RoomMaker::Outcome::kStuck;
      }
    }
    if (outcome == RoomMaker::Outcome::kStopped) break;
    status = TryMakeRoom(needs);
    // Where the ledger has room and the file system says that there is none, which may come of any
    // call, nobody makes more: it is not asked again at once.
    const bool again = outcome == RoomMaker::Outcome::kMade && status.IsNoSpace();
    if (again && in_vain) SleepFor(std::min(wait_nanos - waited, kStuckNanos));
    in_vain = again;
    waited = clock->MonotonicNanos() - begin;
    if (outcome == RoomMaker::Outcome::kTimedOut) break;
  }
  if (Statistics* const statistics = options_.statistics.get(); statistics != nullptr) {
    statistics->Add(Counter::kRoomWaits, 1);
    statistics->Add(Counter::kRoomWaitMicros, (clock->MonotonicNanos() - begin) / 1000);
  }
  return status;
}

void DBImpl::RunAhead() {
  if (room_ == nullptr) return;
  RefillStanding();
  const CapacityPlan plan = Plan();
  uint64_t missing = plan.standing_bytes - std::min(plan.standing_bytes, standing_->bytes());
  {
    MutexLock lock(&mu_);
    missing += merge_room_wanted_;
  }
  room_->Ahead(plan.ahead_low_bytes + missing, plan.ahead_high_bytes + missing);
}

void DBImpl::RefillStanding() {
  uint64_t wanted;
  {
    MutexLock lock(&mu_);
    if (standing_lent_to_ != nullptr) return;
    wanted = capacity_plan_.standing_bytes;
  }
  const uint64_t have = standing_->bytes();
  if (have < wanted) {
    (void)standing_->Grow(wanted - have);  // what is missing is made ahead of the next write
  } else {
    standing_->Shrink(have - wanted);
  }
}

Status DBImpl::GrantMerge(const CompactionPlan& plan, std::shared_ptr<SpaceGrant>* grant) {
  if (room_ == nullptr || plan.trivial_move) return Status::OK();
  uint64_t bytes = 0;
  for (const CompactionInput& input : plan.inputs) {
    for (const auto& segment : input.segments) {
      bytes += MeteredFileSystem::AllocationMax(segment->file_bytes()) +
               MeteredFileSystem::AllocationMax(segment->entry().ghost_bytes);
    }
  }
  *grant = std::make_shared<SpaceGrant>(space_.ledger);
  // Nobody may wait behind it, and it takes nothing from who waits. With kLru the standing reserve
  // is for what is saved of victims.
  const bool granted = (!room_->wanted() && (*grant)->Grow(bytes)) ||
                       (options_.eviction != EvictionPolicy::kLru && bytes <= standing_->bytes() &&
                        LendStanding(grant->get()));
  const bool large = bytes > space().state().capacity / kMergeRoomShare;
  {
    MutexLock lock(&mu_);
    merges_lack_room_ = !granted;
    merge_room_wanted_ = granted || large ? 0 : bytes;
  }
  if (granted) return Status::OK();
  RunAhead();
  return Status::NoSpace(path_ + ": no room for a merge of " + std::to_string(bytes) + " bytes");
}

bool DBImpl::LendStanding(SpaceGrant* grant) {
  MutexLock lock(&mu_);
  if (standing_lent_to_ != nullptr) return false;
  standing_lent_to_ = grant;
  grant->Absorb(standing_.get());
  return true;
}

std::shared_ptr<SpaceGrant> DBImpl::GrantSalvage(uint64_t* data_bytes_max) {
  if (room_ == nullptr) return nullptr;
  RefillStanding();
  auto grant = std::make_shared<SpaceGrant>(space_.ledger);
  if (!LendStanding(grant.get())) (void)grant->Grow(Plan().standing_bytes);
  *data_bytes_max =
      std::min(*data_bytes_max,
               OutputDataMax(live_.segment_bytes.load(std::memory_order_relaxed), grant->bytes()));
  return grant;
}

void DBImpl::EndMerge(const std::shared_ptr<SpaceGrant>& grant) {
  if (grant == nullptr) return;
  {
    MutexLock lock(&mu_);
    if (standing_lent_to_ == grant.get()) {
      standing_lent_to_ = nullptr;
      standing_->Absorb(grant.get());  // or a writer would have it, and the next one nothing
    }
  }
  grant->End();
  RunAhead();
}

Options DBImpl::OptionsOfJob(const std::shared_ptr<SpaceGrant>& grant) const {
  Options options = options_;
  if (grant != nullptr) options.env.file_system = space_.metered->Drawing(grant);
  return options;
}

Status DBImpl::SetCapacity(const Options& before, const Options& now) {
  TakePlan(now);
  space().SetCapacity(now.capacity_bytes);
  // As long as files go it goes on.
  const uint64_t patience = std::max<uint64_t>(now.room_wait_ms, 1) * 1'000'000;
  bool flushed = false;
  for (uint64_t credited = space().state().credited; space().state().over != 0;) {
    // Reserved for memtables of the size of before, logs likewise: they go with a flush.
    const RoomMaker::Outcome outcome = room_->Wait(1, patience, !flushed);
    if (outcome == RoomMaker::Outcome::kMade) break;
    if (outcome == RoomMaker::Outcome::kStuck && !flushed) {
      flushed = true;
      (void)Flush({});  // what fails here fails below
      bool forgot;
      (void)Lead([&] { return ForgetLogs(&forgot); });
      continue;
    }
    const SpaceLedger::State state = space().state();
    const bool got_on = std::exchange(credited, state.credited) != state.credited;
    if (outcome == RoomMaker::Outcome::kTimedOut && got_on) continue;
    space().SetCapacity(before.capacity_bytes);
    TakePlan(before);
    return Status::NoSpace("capacity_bytes = " + std::to_string(now.capacity_bytes) + ": still " +
                           std::to_string(state.used) + " used and " +
                           std::to_string(state.reserved) + " promised; " +
                           std::to_string(before.capacity_bytes) + " stays in force");
  }
  RunAhead();
  return Status::OK();
}

// ---- Steps of the room maker -------------------------------------------------------------------

void DBImpl::ProbeFullDisk() {
  // As if a little more were there: the next write that needs it is the test, and if it fails the
  // limit is where it was (db/metered_file_system.h).
  space_.metered->ProbeAfterFull(options_.env.clock->MonotonicNanos(), kProbeNanosMin,
                                 kProbeNanosMax, Plan().standing_bytes);
}

bool DBImpl::ReleaseForRoom() {
  if (!BackgroundError().ok()) return false;
  const uint64_t credited = space().state().credited;
  const ManifestStats stats = manifest_->stats();
  if (stats.waiting_files != 0 || stats.waiting_logs || stats.tail_pages != 0) {
    if (!Seal().ok()) return false;
    RetireLogs();
  }
  reads_->epochs().Collect();
  RemoveObsoleteSegments();
  return space().state().credited > credited;
}

bool DBImpl::DropLogsForRoom() {
  const uint64_t credited = space().state().credited;
  log_supply_->DropAll();
  if (const Status status = wal_->DropRecycled(); !status.ok()) {
    options_.logger->Log(LogLevel::kWarning,
                         path_ + ": spare logs not freed: " + status.ToString());
  }
  return space().state().credited > credited;
}

bool DBImpl::EvictForRoom(uint64_t wanted) {
  {
    MutexLock lock(&mu_);
    if (closing_ || !errors_.read_only().ok()) return false;
  }
  if (wanted != 0) {
    // What is evicted already and held open would be no more with another victim: most readers hold
    // all. They are the next step.
    uint64_t held = 0;
    for (const NumberedFile& file : obsolete_->Held()) {
      held += space_.metered->charged(FileName(path_, file));
    }
    if (held >= wanted) return false;
    // No more at once than a few: on a full disk a commit has but the spare pages.
    wanted =
        std::min(wanted - held, kVictimsMax * live_.segment_bytes.load(std::memory_order_relaxed));
  }
  Evicted evicted;
  const Status status = EvictByPolicy(wanted, &evicted);
  if (!status.ok() && !status.IsAborted()) {
    options_.logger->Log(LogLevel::kWarning, path_ + ": not evicted: " + status.ToString());
  }
  return evicted.segments != 0;
}

bool DBImpl::FlushForRoom() {
  MutexLock lock(&mu_);
  if (immutables_.empty() || pauses_ > 0 || flush_between_ || closing_ ||
      !errors_.read_only().ok()) {
    return false;
  }
  flush_wanted_ = std::max(flush_wanted_, tables_switched_);
  const uint64_t flushed = tables_flushed_, failures = flush_failures_;
  ScheduleFlush();
  while (tables_flushed_ == flushed && flush_failures_ == failures && !closing_ && pauses_ == 0 &&
         errors_.read_only().ok()) {
    changed_.Wait(&mu_);
  }
  return tables_flushed_ != flushed;
}

bool DBImpl::RevokeForRoom() {
  const std::vector<NumberedFile> held = obsolete_->Held();
  if (held.empty()) return false;
  // Lookups that began with a view of before. Later ones do not find the segments, and whoever
  // holds a view for longer has registered.
  reads_->epochs().WaitForReaders();
  bool got_on = false;
  std::vector<FileNumber> wanted;
  for (const NumberedFile& file : held) {
    if (file.type == FileType::kSegment && reads_->holds()->Holds(file.number)) {
      wanted.push_back(file.number);
      continue;
    }
    const std::string path = FileName(path_, file);
    space_.metered->CloseReaders(path);
    const Status status = options_.env.file_system->RemoveFile(path);
    if (!status.ok() && !status.IsNotFound()) {
      options_.logger->Log(LogLevel::kWarning, "not removed yet: " + status.ToString());
      continue;
    }
    obsolete_->Forget(file);
    got_on = true;
    if (file.type != FileType::kSegment) continue;
    if (options_.statistics != nullptr) options_.statistics->Add(Counter::kSegmentsRemoved, 1);
    events_.SegmentRemoved({.number = file.number, .path = path});
  }
  if (got_on) return true;
  if (!reads_->holds()->RevokeOldest(wanted)) return false;
  if (options_.statistics != nullptr) options_.statistics->Add(Counter::kIteratorsRevoked, 1);
  return true;
}

bool DBImpl::EvictMemtable() {
  Table table;
  {
    MutexLock lock(&mu_);
    // Nothing that it hides may come to show: there is nothing older on the disk, nor on its way
    // there (RULES R1.2).
    if (immutables_.empty() || version_->segments() != 0 || !compactions_.empty() ||
        (flush_running_ && !flush_between_) || memtable_evicting_ || closing_ || pauses_ > 0 ||
        !errors_.read_only().ok()) {
      return false;
    }
    memtable_evicting_ = true;
    table = immutables_.front();
  }
  CrashSiteScope evicting(CrashSite::kEvict);
  CrashStepDone(CrashStep::kEvictionChosen);
  if (events_.enabled()) {
    EvictionInfo info;
    info.job = events_.NewJob();
    info.segments.push_back(EvictedMemtable(*table.memtable));
    events_.Eviction(info);
  }
  // As a flush that keeps nothing (RULES R4.2). What its log covers is durable before it is passed,
  // or a power loss could take this one and leave a later one with a hole before it.
  Status status = wal_->Sync(table.log_end);
  if (status.ok()) {
    ManifestEdit edit;
    if (table.log != 0) edit.lowest_log = table.log + 1;
    edit.durable_log = wal_->durable();
    edit.next_sequence = reads_->published() + 1;
    status = manifest_->Commit(edit);
  }
  if (const Status poisoned = manifest_->poisoned(); !poisoned.ok()) {
    LatchError(poisoned, BackgroundErrorSource::kManifest);
  } else if (const Status latched = wal_->latched(); !latched.ok()) {
    LatchError(latched, BackgroundErrorSource::kLog);
  }
  {
    MutexLock lock(&mu_);
    memtable_evicting_ = false;
    if (status.ok()) {
      immutables_.pop_front();
      ++tables_flushed_;
      PublishView();
      UpdateStall();
    }
    changed_.SignalAll();
  }
  events_.Deliver();
  if (!status.ok()) return false;
  if (table.space != nullptr) table.space->End();
  CountEvictedMemtable(*table.memtable);
  table = {};
  reads_->epochs().Collect();
  if (Seal().ok()) RetireLogs();
  return true;
}

}  // namespace varve
