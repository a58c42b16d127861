// What becomes of segments that have expired, though nobody reads them (Checklist E6, E11, E12).
//
//  1. While something in the version may expire, a thread looks every 200 ms whether any segment
//     has: whether all in it has, or much (db/garbage.h). Until then it reads clocks alone, and no
//     time of the engine's that would have to be sealed.
//  2. What has expired whole is taken out without being read (DBImpl::Evict()). In a database that
//     is done only where nothing older lies beneath: it has no ghosts that would go on hiding it.
//  3. The rest is the picker's (CompactionPicker::PickExpired()).
//
// What may be dropped is judged by EngineTime::DropMillis().

#include <memory>
#include <vector>

#include "db/db_impl.h"
#include "db/eviction_planner.h"
#include "db/garbage.h"
#include "db/key_range.h"

namespace varve {

namespace {

// Whether a segment that is older than this one of `run` may hold one of its keys.
bool AnythingOlder(const InternalKeyComparator& comparator, const Version& version,
                   const SortedRun& run, const SegmentFile& segment) {
  const KeyRange range = KeyRange::Of(segment);
  bool beneath = false;  // the runs that follow are older, or its siblings
  for (const auto& other : version.runs()) {
    if (other.get() == &run) {
      beneath = true;
    } else if (beneath && !other->IsOneSourceWith(run) &&
               !Overlapping(comparator, *other, range).empty()) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::vector<FileNumber> DBImpl::ExpiredAndAlone(uint64_t now_ms) const {
  std::vector<FileNumber> numbers;
  const BusySegments busy = Busy();
  for (const auto& run : version_->runs()) {
    for (const auto& segment : run->segments()) {
      if (AllExpiredFrom(segment->entry()) > now_ms || segment->has_range_deletes() ||
          busy.count(segment->number()) != 0 ||
          AnythingOlder(reads_->comparator(), *version_, *run, *segment)) {
        continue;
      }
      numbers.push_back(segment->number());
    }
  }
  return numbers;
}

void DBImpl::DropExpired() {
  EngineTime& time = reads_->time();
  const std::shared_ptr<const Version> version = reads_->views().Share()->version;
  if (version->next_expiry_ms() > time.EstimateMillis()) return;
  {
    MutexLock lock(&mu_);
    if (closing_ || will_close_ || pauses_ > 0 || !errors_.read_only().ok()) return;
  }
  const uint64_t now_ms = time.DropMillis();
  if (version->next_expiry_ms() > now_ms) return;

  std::vector<FileNumber> whole;
  {
    MutexLock lock(&mu_);
    whole = options_.cache() ? PlanEviction(*version_, Busy(), {.now_ms = now_ms}).victims
                             : ExpiredAndAlone(now_ms);
  }
  if (!whole.empty()) {
    const Status status = Evict(whole, EvictionReason::kExpired);
    if (!status.ok() && !status.IsAborted()) {
      options_.logger->Log(LogLevel::kWarning,
                           path_ + ": expired segments not dropped: " + status.ToString());
    }
  }
  // Only now: a compaction would read those that go without.
  MutexLock lock(&mu_);
  expired_by_ms_ = now_ms;
  if (!closing_) ScheduleCompactions();
}

}  // namespace varve
