#include "db/interval_syncer.h"

#include <utility>

namespace varve {

Status IntervalSyncer::Arm() {
  MutexLock lock(&mu_);
  if (armed_.load(std::memory_order_relaxed) || stopped_) return Status::OK();
  if (!thread_.running()) {
    if (Status status = thread_.Start("varve-sync", [this] { Run(); }); !status.ok()) {
      return status;
    }
  }
  deadline_nanos_ =
      clock_->MonotonicNanos() + uint64_t{interval_ms_.load(std::memory_order_relaxed)} * 1'000'000;
  armed_.store(true, std::memory_order_relaxed);
  wake_.Signal();
  return Status::OK();
}

void IntervalSyncer::Run() {
  mu_.Lock();
  while (!stopped_) {
    if (!armed_.load(std::memory_order_relaxed)) {
      wake_.Wait(&mu_);
      continue;
    }
    const uint64_t now = clock_->MonotonicNanos();
    if (now < deadline_nanos_) {
      wake_.WaitFor(&mu_, deadline_nanos_ - now);
      continue;
    }
    armed_.store(false, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);  // see Appended()
    mu_.Unlock();
    const Status status = wal_->Sync(wal_->end());
    if (!status.ok() && failed_ != nullptr && !wal_->latched().ok()) failed_(status);
    mu_.Lock();
  }
  mu_.Unlock();
}

void IntervalSyncer::Stop() {
  Thread thread;
  {
    MutexLock lock(&mu_);
    stopped_ = true;
    wake_.SignalAll();
    thread = std::move(thread_);
  }
  thread.Join();
}

}  // namespace varve
