// How a cache takes damaged segments out (RULES R2.3).
//
// A lookup that meets one answers with a miss at once (SegmentCache::IsMiss), and goes no deeper,
// so nothing older shows. Whoever meets it tells DamagedSegments; a job of the pool then evicts it,
// like any other segment but unread: its ghost stays, and hides what is older for everybody. An
// iterator ends with the error, and finds the ghost when it is made anew. A compaction that meets
// damage fails, backs off, and finds the segment gone (Checklist C11, C12): from when it is to be
// taken out no other job begins with it, and when the one that has it ends it goes.

#include <algorithm>

#include "db/db_impl.h"

namespace varve {

namespace {
// After an attempt that failed.
constexpr uint64_t kRetryNanos = 1'000'000'000;
}  // namespace

void DBImpl::ScheduleQuarantine() {
  const uint64_t now = options_.env.clock->MonotonicNanos();
  if (now < quarantine_from_.load(std::memory_order_relaxed)) return;
  if (quarantine_scheduled_.exchange(true, std::memory_order_relaxed)) return;
  const Status status = pool_->Schedule(ThreadPool::Priority::kLow, [this] { Quarantine(); });
  if (!status.ok()) quarantine_scheduled_.store(false, std::memory_order_relaxed);
}

void DBImpl::Quarantine() {
  // What is told from here on schedules anew.
  quarantine_scheduled_.store(false, std::memory_order_relaxed);
  auto damaged = reads_->damaged().Take();
  if (damaged.empty()) return;
  std::vector<FileNumber> numbers;
  for (const auto& [number, error] : damaged) {
    numbers.push_back(number);
    options_.logger->Log(LogLevel::kError,
                         path_ + ": segment " + std::to_string(number) +
                             " is taken out, as it cannot be read: " + error.ToString());
  }
  {
    MutexLock lock(&mu_);
    quarantining_.insert(numbers.begin(), numbers.end());
    changed_.SignalAll();  // who only waits for a time may hold the thread of a job that has one
  }
  const Status status = Evict(numbers, EvictionReason::kDamaged);
  if (!status.ok() && !status.IsAborted()) {
    options_.logger->Log(LogLevel::kWarning, path_ + ": not taken out yet: " + status.ToString());
  }
  BusySegments there;
  {
    MutexLock lock(&mu_);
    version_->ForEachSegment(
        [&there](const std::shared_ptr<SegmentFile>& file) { there.insert(file->number()); });
    // What is left has another job, but where the attempt failed.
    std::erase_if(quarantining_,
                  [&](FileNumber number) { return !status.ok() || there.count(number) == 0; });
    changed_.SignalAll();
  }
  std::erase_if(damaged, [&](const auto& segment) { return there.count(segment.first) == 0; });
  if (damaged.empty()) return;
  if (!status.ok()) {
    quarantine_from_.store(options_.env.clock->MonotonicNanos() + kRetryNanos,
                           std::memory_order_relaxed);
  }
  reads_->damaged().PutBack(damaged);
  bool held;
  {
    MutexLock lock(&mu_);
    const BusySegments busy = HeldByJobs();
    held = std::any_of(damaged.begin(), damaged.end(),
                       [&](const auto& segment) { return busy.count(segment.first) != 0; });
  }
  if (!held && status.ok()) ScheduleQuarantine();  // it ended before they were put back
}

void DBImpl::CompactionMetDamage(const CompactionPlan& plan, const Status& status) {
  // As a rule a reader has told which one it is. Where none has, as what is wrong lies between
  // entries, all inputs go: else the same compaction would fail for ever.
  DamagedSegments& damaged = reads_->damaged();
  SegmentList inputs;
  for (const CompactionInput& input : plan.inputs) {
    inputs.insert(inputs.end(), input.segments.begin(), input.segments.end());
  }
  const bool told = std::any_of(inputs.begin(), inputs.end(), [&](const auto& segment) {
    return damaged.Knows(segment->number());
  });
  if (told) return;
  for (const auto& segment : inputs) damaged.OnReadError(segment->number(), status);
}

}  // namespace varve
