// How DBImpl evicts by its policy: which segments go, and what of them is saved first.
//
//  1. PlanEviction() (db/eviction_planner.h) says which. Those that have expired go, unread.
//  2. With kLru what was hit of the others is saved before they go (db/salvage_job.h), as far as
//     the budget allows (cache/salvage_budget.h), in a commit of its own. The victims are busy
//     meanwhile, so no other job has them in hand (RULES R1.5).
//  3. Then they are evicted (db_evict.cc). What is saved needs its room before they give theirs:
//     that of one segment, the standing reserve. So they go in groups of a segment's bytes: of
//     more, what was hit might not find place.
//
// Saving is worth no failure: whatever goes wrong with it (damage, want of room), the victims go
// plainly.

#include <algorithm>
#include <map>
#include <utility>

#include "db/db_impl.h"
#include "db/eviction_planner.h"
#include "db/salvage_job.h"
#include "util/crash_site.h"
#include "util/filename.h"
#include "util/stopwatch.h"

namespace varve {

Status DBImpl::EvictByPolicy(uint64_t bytes_wanted, Evicted* evicted) {
  *evicted = {};
  EvictionDemand demand;
  demand.policy = options_.eviction;
  if (reads_->time().in_use()) demand.now_ms = reads_->time().DropMillis();
  demand.bytes_wanted = bytes_wanted;
  EvictionPlan plan;
  {
    MutexLock lock(&mu_);
    plan = PlanEviction(*version_, Busy(), demand);
  }
  const std::span<const FileNumber> victims(plan.victims);
  Status status;
  if (plan.expired != 0) {
    status = Evict(victims.first(plan.expired), EvictionReason::kExpired, evicted);
  }
  if (!status.ok() || plan.expired == victims.size()) return status;
  Evicted more;
  if (plan.saves_hits) {
    status = EvictSaving(victims.subspan(plan.expired), &more);
  } else {
    status = Evict(victims.subspan(plan.expired), EvictionReason::kRoom, &more);
  }
  evicted->Add(more);
  return status;
}

Status DBImpl::EvictSaving(std::span<const FileNumber> numbers, Evicted* evicted) {
  *evicted = {};
  while (!numbers.empty()) {
    size_t count = 0;
    const Status saved = Salvage(numbers, &count);
    if (!saved.ok()) {
      options_.logger->Log(LogLevel::kWarning,
                           path_ + ": nothing saved of what is evicted: " + saved.ToString());
    }
    Evicted more;
    const Status status = Evict(numbers.first(count), EvictionReason::kRoom, &more);
    evicted->Add(more);
    if (!status.ok()) return status;
    if (room_ != nullptr) RefillStanding();  // before anybody else takes what they left
    numbers = numbers.subspan(count);
  }
  return Status::OK();
}

SegmentList DBImpl::SegmentsToSalvage(std::span<const FileNumber> numbers, uint64_t bytes_max,
                                      size_t* count) const {
  std::map<FileNumber, std::shared_ptr<SegmentFile>> idle;
  const BusySegments busy = Busy();
  version_->ForEachSegment([&](const std::shared_ptr<SegmentFile>& segment) {
    if (busy.count(segment->number()) == 0) idle.emplace(segment->number(), segment);
  });
  SegmentList group;
  uint64_t bytes = 0;
  for (*count = 0; *count < numbers.size(); ++*count) {
    const auto segment = idle.find(numbers[*count]);
    if (segment == idle.end()) continue;
    bytes += segment->second->file_bytes();
    if (!group.empty() && bytes > bytes_max) break;
    group.push_back(segment->second);
  }
  return group;
}

Status DBImpl::Salvage(std::span<const FileNumber> numbers, size_t* count) {
  const uint64_t now_ms = reads_->time().EstimateMillis();  // a guess at what pays, no judgement
  const uint64_t segment_bytes = live_.segment_bytes.load(std::memory_order_relaxed);
  SegmentList victims;
  std::shared_ptr<const ReadView> view;
  SalvageLimits limits;
  SalvageTools tools;
  uint64_t age_ms = 0;
  {
    MutexLock lock(&mu_);
    victims = SegmentsToSalvage(numbers, segment_bytes, count);
    std::erase_if(victims, [](const auto& victim) { return !victim->heat().AnyHit(); });
    if (closing_ || !errors_.read_only().ok() || victims.empty()) return Status::OK();
    NoteEpochs(now_ms);
    age_ms = epoch_ages_.AgeOf(victims.front()->entry().epoch, now_ms);
    limits.bytes_max = std::min(salvage_budget_.left_bytes(), segment_bytes - segment_bytes / 8);
    tools.applied_to = AppliedEvictions();
    view = reads_->views().Share();  // published under this lock: it has this version
    for (const auto& victim : victims) salvaging_.insert(victim->number());
  }
  limits.worth_saving = [=](uint64_t expires_at_ms) {
    return WorthSaving(expires_at_ms, now_ms, age_ms);
  };
  const std::shared_ptr<SpaceGrant> room = GrantSalvage(&limits.bytes_max);
  const Options options = OptionsOfJob(room);
  tools.options = &options;
  tools.directory = path_;
  tools.now_ms = now_ms;
  tools.manifest = manifest_.get();
  tools.segments = &reads_->segments();
  tools.cancelled = &compactions_cancelled_;
  CrashSiteScope salvaging(CrashSite::kSalvage);
  SalvageJob job(tools, std::move(view), victims, std::move(limits));
  Status status = job.Run();
  if (status.ok() && !job.outputs().empty()) status = InstallSalvage(&job);
  EndMerge(room);
  {
    MutexLock lock(&mu_);
    for (const auto& victim : victims) salvaging_.erase(victim->number());
    changed_.SignalAll();
  }
  if (reads_->damaged().waiting()) ScheduleQuarantine();
  return status;
}

void DBImpl::NoteEpochs(uint64_t now_ms) {
  if (version_->runs().empty()) return;
  epoch_ages_.Note(version_->runs().front()->epoch(), now_ms);
  epoch_ages_.ForgetBelow(version_->runs().back()->epoch());
}

Status DBImpl::InstallSalvage(SalvageJob* job) {
  ManifestEdit edit;
  edit.added = job->outputs();
  edit.next_sequence = reads_->published() + 1;
  Status status;
  {
    Stopwatch watch(options_.statistics.get(), options_.env.clock.get(), Latency::kManifestCommit);
    status = manifest_->Commit(edit);
  }
  if (const Status poisoned = manifest_->poisoned(); !poisoned.ok()) {
    LatchError(poisoned, BackgroundErrorSource::kManifest);  // a root may name them
    return status;
  }
  if (!status.ok()) {
    job->RemoveOutputs();
    return status;
  }
  SegmentList added;
  uint64_t bytes = 0, ghost_bytes = 0;
  for (const SegmentEntry& entry : job->outputs()) {
    bytes += entry.file_bytes;
    ghost_bytes += entry.ghost_bytes;
    added.push_back(std::make_shared<SegmentFile>(entry, reads_->comparator()));
  }
  {
    MutexLock lock(&mu_);
    version_ = version_->With(reads_->comparator(), {}, added);
    salvage_budget_.Saved(bytes);
    PublishView();
  }
  CrashStepDone(CrashStep::kSalvagePublished);
  reads_->epochs().Collect();  // the view before
  if (Statistics* const statistics = options_.statistics.get(); statistics != nullptr) {
    statistics->Add(Counter::kSalvages, 1);
    statistics->Add(Counter::kSalvagedEntries, job->stats().entries_saved);
    statistics->Add(Counter::kSalvagedBytes, bytes);
    statistics->Add(Counter::kGhostBytesWritten, ghost_bytes);
  }
  CountManifest();
  for (const SegmentEntry& entry : job->outputs()) {
    events_.SegmentCreated(
        {events_.NewJob(), entry.number, SegmentFileName(path_, entry.number), entry.file_bytes});
  }
  return Status::OK();
}

}  // namespace varve
