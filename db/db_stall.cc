// Where DBImpl meets its write stall: what it is told, and where writers wait.

#include <algorithm>

#include "db/db_impl.h"

namespace varve {

void DBImpl::UpdateStall() {
  StallInputs inputs;
  const size_t memtable_bytes = live_.memtable_bytes.load(std::memory_order_relaxed);
  inputs.memtables_queued = static_cast<double>(immutables_.size()) +
                            std::min(1.0, static_cast<double>(active_memtable_->used_bytes()) /
                                              static_cast<double>(memtable_bytes));
  inputs.memtables_max = live_.memtables_max.load(std::memory_order_relaxed);
  inputs.flush_memtables_min = live_.flush_memtables_min.load(std::memory_order_relaxed);
  inputs.flush_memtables_max = static_cast<int>(FlushMemtablesMax());
  StallInfo change;
  if (stall_.Update(inputs, &change)) events_.PostStallChanged(change);
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
  }
}

bool DBImpl::WritesAreStopped() const {
  const size_t max = live_.memtables_max.load(std::memory_order_relaxed);
  return immutables_.size() + 1 >= max;
}

Status DBImpl::WaitForMemtableRoom() {
  MutexLock lock(&mu_);
  UpdateStall();
  if (!WritesAreStopped()) return Status::OK();
  Clock* const clock = options_.env.clock.get();
  const uint64_t started = clock->MonotonicNanos();
  const uint64_t failures = flush_failures_;
  Status status;
  while (status.ok() && WritesAreStopped()) {
    ScheduleFlush();
    changed_.Wait(&mu_);
    UpdateStall();
    status = background_error_;
    if (status.ok() && flush_failures_ != failures) status = flush_error_;
  }
  if (Statistics* const statistics = options_.statistics.get(); statistics != nullptr) {
    statistics->Add(Counter::kWriteStalls, 1);
    statistics->Add(Counter::kWriteStallMicros, (clock->MonotonicNanos() - started) / 1000);
  }
  return status;
}

}  // namespace varve
