// How DBImpl takes whole segments out, unread, and what becomes of their ghosts (docs/cache.md).
//
//  1. An eviction gets a number, and its victims are busy from then on: no other job takes them
//     (RULES R1.5, Checklist S14).
//  2. A victim of which no older segment or memtable may hold a key, by its bounds, goes without a
//     trace; others of its epoch are not older. Any other is replaced by its ghost, the file of
//     which is there already and is read into memory now. One that cannot be read, or was never
//     written, leaves a ghost that accepts all within the bounds (R2.3).
//     In a database, which has no ghosts, such a victim stays.
//  3. One commit for all victims, then the version. If that commit fails nothing has happened
//     (Checklist N5).
//  4. A seal, after which the files of the segments may go, as soon as nobody reads them (R4.1).
//
// A merge that begins meanwhile does not know the ghosts to come: AppliedEvictions() leaves their
// number out of what it notes (H25).
//
// A ghost goes by a commit of its own, whenever an eviction or a compaction has left nothing for it
// to hide. That nothing waits for it stays true: what is merged from segments that applied it has
// applied it too.

#include <algorithm>
#include <utility>

#include "db/db_impl.h"
#include "db/evicted_segment.h"
#include "db/ghost_budget.h"
#include "db/key_range.h"
#include "util/crash_site.h"
#include "util/planted.h"
#include "util/stopwatch.h"

namespace varve {

namespace {

struct ReasonCounters {
  Counter segments, bytes, entries;
};

ReasonCounters CountersOf(EvictionReason reason) {
  switch (reason) {
    case EvictionReason::kExpired:
      return {Counter::kExpiredSegments, Counter::kExpiredBytes, Counter::kExpiredEntries};
    case EvictionReason::kDamaged:
      return {Counter::kDamagedSegments, Counter::kDamagedBytes, Counter::kDamagedEntries};
    case EvictionReason::kRoom:
      break;
  }
  return {Counter::kEvictedSegments, Counter::kEvictedBytes, Counter::kEvictedEntries};
}

// Whether a segment that is older than the victim, and none of `victims`, may hold one of its keys.
bool MayHideSegments(const InternalKeyComparator& comparator, const Version& version,
                     const SegmentFile& victim, const BusySegments& victims) {
  const AgePlace place = AgePlace::Of(victim);
  const KeyRange range = KeyRange::Of(victim);
  return std::any_of(version.runs().begin(), version.runs().end(), [&](const auto& run) {
    if (AgePlace::Of(*run) <= place) return false;
    const auto found = Overlapping(comparator, *run, range);
    return std::any_of(found.begin(), found.end(),
                       [&](const auto& segment) { return victims.count(segment->number()) == 0; });
  });
}

}  // namespace

bool DBImpl::BeginEviction(std::span<const FileNumber> numbers, EvictionReason reason,
                           Eviction* eviction) {
  const BusySegments busy = reason == EvictionReason::kDamaged ? HeldByJobs() : Busy();
  const BusySegments wanted(numbers.begin(), numbers.end());
  const Version& version = *version_;
  version.ForEachSegment([&](const std::shared_ptr<SegmentFile>& segment) {
    if (wanted.count(segment->number()) == 0 || busy.count(segment->number()) != 0) return;
    // A database has no ghosts.
    if (!options_.cache() && MayHideSegments(reads_->comparator(), version, *segment, {})) return;
    eviction->victims.push_back(segment);
  });
  if (eviction->victims.empty()) return false;
  ++evictions_active_;
  eviction->number = ++last_eviction_;
  eviction->version = version_;
  eviction->memory_from = immutables_.empty() ? UINT64_MAX : immutables_.front().epoch;
  evictions_.push_back(eviction);
  return true;
}

uint64_t DBImpl::AppliedEvictions() const {
  // Numbers are given in order, so the first is the lowest.
  if (VARVE_PLANTED("merge claims evictions under way")) return last_eviction_;
  return evictions_.empty() ? last_eviction_ : evictions_.front()->number - 1;
}

void DBImpl::MakeGhosts(Eviction* eviction) {
  const InternalKeyComparator& comparator = reads_->comparator();
  if (VARVE_PLANTED("no ghost")) return;
  BusySegments victims;
  for (const auto& victim : eviction->victims) victims.insert(victim->number());
  for (const auto& victim : eviction->victims) {
    if (eviction->memory_from >= victim->entry().epoch &&
        !MayHideSegments(comparator, *eviction->version, *victim, victims)) {
      continue;
    }
    std::shared_ptr<const GhostReader> reader;
    const Status status = LoadGhost(options_.env.file_system.get(), options_.comparator, path_,
                                    victim->entry(), &reader);
    if (!status.ok()) {
      if (VARVE_PLANTED("damaged ghost hides nothing")) continue;
      options_.logger->Log(LogLevel::kWarning,
                           "the ghost of segment " + std::to_string(victim->number()) +
                               " hides all within its bounds: " + status.ToString());
    }
    auto file = std::make_shared<SegmentFile>(
        GhostEntry(victim->entry(), eviction->number, reader != nullptr), comparator, victim.get());
    eviction->ghosts.push_back(std::make_shared<Ghost>(std::move(file), std::move(reader)));
  }
}

Status DBImpl::CommitEviction(const Eviction& eviction) {
  ManifestEdit edit;
  edit.next_sequence = reads_->published() + 1;
  if (!VARVE_PLANTED("ghost not committed")) {
    for (const auto& ghost : eviction.ghosts) edit.added.push_back(ghost->entry());
  }
  auto ghost = eviction.ghosts.begin();  // in the order of the victims
  for (const auto& victim : eviction.victims) {
    edit.removed.push_back(victim->number());
    std::vector<NumberedFile> files = FilesOf(victim->entry());
    if (ghost != eviction.ghosts.end() && (*ghost)->number() == victim->number()) {
      const std::vector<NumberedFile> kept = FilesOf((*ghost++)->entry());
      std::erase_if(files, [&](const NumberedFile& file) {
        return std::find(kept.begin(), kept.end(), file) != kept.end();
      });
    }
    obsolete_->Removing(victim, files);
  }
  Status status;
  {
    Stopwatch watch(options_.statistics.get(), options_.env.clock.get(), Latency::kManifestCommit);
    status = manifest_->Commit(edit);
  }
  if (const Status poisoned = manifest_->poisoned(); !poisoned.ok()) {
    LatchError(poisoned, BackgroundErrorSource::kManifest);  // a root may have it: nothing goes
  } else if (!status.ok()) {
    for (const auto& victim : eviction.victims) obsolete_->Kept(*victim);
  }
  return status;
}

Status DBImpl::Evict(std::span<const FileNumber> numbers, EvictionReason reason, Evicted* evicted) {
  if (evicted != nullptr) *evicted = {};
  Eviction eviction;
  {
    MutexLock lock(&mu_);
    if (closing_) return Status::Aborted(path_ + ": closed");
    if (Status status = errors_.read_only(); !status.ok()) return status;
    if (!BeginEviction(numbers, reason, &eviction)) return Status::OK();
  }
  const Status status = CarryOut(&eviction, reason, evicted);
  {
    MutexLock lock(&mu_);
    ScheduleCompactions();
    UpdateStall();
    --evictions_active_;
    changed_.SignalAll();
  }
  events_.Deliver();
  // What could not be taken out while this one had it.
  if (reason != EvictionReason::kDamaged && reads_->damaged().waiting()) ScheduleQuarantine();
  return status;
}

void DBImpl::TellEviction(const Eviction& eviction, EvictionReason reason) {
  if (!events_.enabled()) return;
  EvictionInfo info;
  info.job = events_.NewJob();
  info.reason = reason;
  auto ghost = eviction.ghosts.begin();  // in the order of the victims
  for (const auto& victim : eviction.victims) {
    const bool leaves_ghost =
        ghost != eviction.ghosts.end() && (*ghost)->number() == victim->number();
    if (leaves_ghost) ++ghost;
    info.segments.push_back(EvictedSegment(victim->entry(), leaves_ghost));
  }
  events_.Eviction(info);
}

Status DBImpl::CarryOut(Eviction* eviction, EvictionReason reason, Evicted* evicted) {
  CrashSiteScope evicting(CrashSite::kEvict);
  CrashStepDone(CrashStep::kEvictionChosen);
  MakeGhosts(eviction);
  TellEviction(*eviction, reason);
  if (VARVE_PLANTED("unlinked before the eviction")) {
    for (const auto& victim : eviction->victims) {
      options_.env.file_system->RemoveFile(SegmentFileName(path_, victim->number())).ok();
    }
  }
  const Status status = CommitEviction(*eviction);
  {
    MutexLock lock(&mu_);
    if (status.ok()) {
      std::vector<FileNumber> victims;
      for (const auto& victim : eviction->victims) victims.push_back(victim->number());
      version_ = version_->With(reads_->comparator(), victims, {}, 0, eviction->ghosts);
      PublishView();
    }
    // With the version: a merge that begins has either the ghosts or a lower number to note.
    std::erase(evictions_, eviction);
    changed_.SignalAll();
  }
  if (!status.ok()) return status;
  CrashStepDone(CrashStep::kEvictionPublished);
  CountEviction(*eviction, reason, evicted);
  eviction->version.reset();
  reads_->epochs().Collect();  // the view before
  for (const auto& victim : eviction->victims) {
    SegmentCache::EraseCachedBlocks(*victim, &reads_->epochs());
  }
  eviction->victims.clear();
  RetireGhosts();
  if (Seal().ok()) {
    CrashStepDone(CrashStep::kEvictionSealed);
    RetireLogs();
  }
  RemoveObsoleteSegments();
  return status;
}

void DBImpl::CountEviction(const Eviction& eviction, EvictionReason reason, Evicted* evicted) {
  Evicted sum;
  sum.segments = eviction.victims.size();
  sum.ghosts = eviction.ghosts.size();
  for (const auto& victim : eviction.victims) {
    sum.file_bytes += victim->file_bytes();
    sum.entries += victim->entry().entries;
  }
  if (evicted != nullptr) *evicted = sum;
  CountManifest();
  Statistics* const statistics = options_.statistics.get();
  if (statistics == nullptr) return;
  const ReasonCounters counters = CountersOf(reason);
  statistics->Add(Counter::kEvictions, 1);
  statistics->Add(counters.segments, sum.segments);
  statistics->Add(counters.bytes, sum.file_bytes);
  statistics->Add(counters.entries, sum.entries);
  statistics->Add(Counter::kGhostsMade, sum.ghosts);
}

void DBImpl::CountEvicted(uint64_t entries, uint64_t bytes) {
  if (options_.statistics == nullptr) return;
  options_.statistics->Add(Counter::kEvictedEntries, entries);
  options_.statistics->Add(Counter::kEvictedBytes, bytes);
}

void DBImpl::CountEvictedMemtable(const MemTable& memtable) {
  if (options_.statistics != nullptr) options_.statistics->Add(Counter::kMemtablesEvicted, 1);
  CountEvicted(memtable.entries(), memtable.used_bytes());
}

void DBImpl::RetireGhosts() {
  GhostList retired;
  ManifestEdit edit;
  {
    MutexLock lock(&mu_);
    if (closing_ || !errors_.read_only().ok() || version_->ghosts().empty()) return;
    for (auto& ghost : GhostsToRetire(reads_->comparator(), *version_)) {
      if (!retiring_.insert(ghost->number()).second) continue;  // another thread is at it
      retired.push_back(std::move(ghost));
    }
  }
  if (retired.empty()) return;
  edit.next_sequence = reads_->published() + 1;
  for (const auto& ghost : retired) {
    edit.removed.push_back(ghost->number());
    obsolete_->Removing(ghost->file());
  }
  const Status status = manifest_->Commit(edit);
  if (const Status poisoned = manifest_->poisoned(); !poisoned.ok()) {
    LatchError(poisoned, BackgroundErrorSource::kManifest);
  } else if (!status.ok()) {  // tried again after the next change
    for (const auto& ghost : retired) obsolete_->Kept(*ghost->file());
  }
  {
    MutexLock lock(&mu_);
    for (const auto& ghost : retired) retiring_.erase(ghost->number());
    if (status.ok()) {
      version_ = version_->With(reads_->comparator(), edit.removed, {});
      PublishView();
    }
    changed_.SignalAll();
  }
  CountManifest();
  if (!status.ok()) {
    options_.logger->Log(LogLevel::kWarning, path_ + ": ghosts not retired: " + status.ToString());
    return;
  }
  if (options_.statistics != nullptr) {
    options_.statistics->Add(Counter::kGhostsRetired, retired.size());
  }
  retired.clear();
  reads_->epochs().Collect();
}

GhostBudget DBImpl::GhostsAllowed() const {
  GhostBudget budget = GhostBudget::For(options_.capacity_bytes);
  // They are in memory whole, and take about as much there as in their files.
  budget.file_bytes = std::min(budget.file_bytes, reads_->memory().plan().ghosts_max);
  return budget;
}

std::optional<CompactionPlan> DBImpl::PickForGhosts(const BusySegments& busy,
                                                    const std::vector<CompactionPlan>& running) {
  // Before that a rewrite could not note that it has applied the oldest.
  if (version_->ghosts().empty() ||
      AppliedEvictions() < version_->ghosts().back()->entry().evicted) {
    return std::nullopt;
  }
  return PlanForGhosts(reads_->comparator(), *version_, GhostsAllowed(), busy, running);
}

void DBImpl::EvictForGhosts() {
  std::optional<FileNumber> oldest;
  {
    MutexLock lock(&mu_);
    if (GhostsAreOver(GhostsAllowed(), *version_)) {
      oldest = OldestSegment(*version_, Busy());
    }
  }
  if (!oldest.has_value()) return;
  const Status status = Evict({&*oldest, 1}, EvictionReason::kRoom);
  if (!status.ok()) {
    options_.logger->Log(LogLevel::kWarning, path_ + ": not evicted: " + status.ToString());
  }
}

}  // namespace varve
