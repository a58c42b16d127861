// Where DBImpl meets its write stall: what it is told, and where writers wait.

#include <algorithm>

#include "db/db_impl.h"

namespace varve {

namespace {

// What compactions may owe before writers are slowed, and at most, in times of level_base_bytes: a
// tree of any size owes less in steady state, as the number of runs in level 0 bounds what flows
// into it. Beyond that it is room on the disk that is at stake.
constexpr double kDebtBasesSlowdown = 64;
constexpr double kDebtBasesStop = 256;

}  // namespace

bool DBImpl::UpdateStall() {
  StallInputs inputs;
  if (in_memory_only_.load(std::memory_order_relaxed)) return TellStall(inputs);
  const size_t memtable_bytes = live_.memtable_bytes.load(std::memory_order_relaxed);
  const double active =
      static_cast<double>(active_memtable_->used_bytes()) / static_cast<double>(memtable_bytes);
  // Whoever waits for room has found the active one too full, however much is in it.
  inputs.memtables_queued =
      static_cast<double>(immutables_.size()) + (room_awaited_ ? 1.0 : std::min(1.0, active));
  inputs.memtables_max = live_.memtables_max.load(std::memory_order_relaxed);
  inputs.flush_memtables_min = live_.flush_memtables_min.load(std::memory_order_relaxed);
  inputs.flush_memtables_max = static_cast<int>(FlushTablesMax());
  const RunPressure runs = RunPressureOf(*version_, options_.compaction_style, picker_options_);
  // Merges that find no room on the disk never catch up: what they leave is evicted instead.
  if (runs.stop != SIZE_MAX && !merges_lack_room_) {
    inputs.level0_runs = Level0RunsWaiting(runs);
    inputs.level0_slowdown_runs = static_cast<int>(runs.slowdown);
    inputs.level0_stop_runs = static_cast<int>(runs.stop);
    inputs.debt_bytes = static_cast<double>(picker_->DebtBytes(*version_));
    inputs.debt_slowdown_bytes =
        kDebtBasesSlowdown * static_cast<double>(picker_options_.level_base_bytes);
    inputs.debt_stop_bytes = kDebtBasesStop * static_cast<double>(picker_options_.level_base_bytes);
  }
  return TellStall(inputs);
}

bool DBImpl::TellStall(const StallInputs& inputs) {
  StallInfo change;
  if (!stall_.Update(inputs, &change)) return false;
  events_.PostStallChanged(change);
  return true;
}

void DBImpl::Throttle(size_t bytes) {
  if (!stall_.watched()) [[likely]] {
    stall_.Count(bytes);
    return;
  }
  if (stall_.UpdateIsDue()) {
    {
      MutexLock lock(&mu_);
      UpdateStall();
    }
    events_.Deliver();
  }
  const uint64_t nanos = stall_.Admit(bytes);
  if (Statistics* const statistics = options_.statistics.get();
      nanos > 0 && statistics != nullptr) {
    statistics->Add(Counter::kWriteDelays, 1);
    statistics->Add(Counter::kWriteDelayMicros, nanos / 1000);
    statistics->Record(Latency::kWriteDelay, nanos);
  }
}

bool DBImpl::TooManyMemtables() const {
  const size_t max = live_.memtables_max.load(std::memory_order_relaxed);
  return immutables_.size() + 1 >= max;
}

bool DBImpl::WritesAreStopped() const {
  return TooManyMemtables() || (stall_.state() == StallState::kStopped &&
                                stall_.reason() != StallReason::kMemtables && !will_close_);
}

Status DBImpl::WaitForMemtableRoom() {
  // How often it is looked at what running compactions have done: nobody signals that.
  constexpr uint64_t kLookNanos = 10'000'000;
  MutexLock lock(&mu_);
  UpdateStall();
  if (!WritesAreStopped()) return Status::OK();
  room_awaited_ = true;
  UpdateStall();
  bool untold = true;
  Clock* const clock = options_.env.clock.get();
  const uint64_t started = clock->MonotonicNanos();
  const uint64_t failures = flush_failures_;
  Status status;
  while (status.ok() && WritesAreStopped()) {
    ScheduleFlush();
    if (untold) {
      untold = false;
      mu_.Unlock();
      events_.Deliver();  // that writes are stopped, while they are
      mu_.Lock();
    } else if (TooManyMemtables()) {
      changed_.Wait(&mu_);
    } else {
      // It will not get better while they fail.
      status = errors_.transient(BackgroundErrorSource::kCompaction);
      if (!status.ok()) break;
      changed_.WaitFor(&mu_, kLookNanos);
    }
    untold = UpdateStall() || untold;
    status = errors_.read_only();
    if (status.ok() && flush_failures_ != failures) status = flush_error_;
  }
  room_awaited_ = false;
  if (Statistics* const statistics = options_.statistics.get(); statistics != nullptr) {
    const uint64_t nanos = clock->MonotonicNanos() - started;
    statistics->Add(Counter::kWriteStalls, 1);
    statistics->Add(Counter::kWriteStallMicros, nanos / 1000);
    statistics->Record(Latency::kWriteStall, nanos);
  }
  return status;
}

}  // namespace varve
