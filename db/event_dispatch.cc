#include "db/event_dispatch.h"

#include <utility>

namespace varve {

const char* StallStateName(StallState state) {
  switch (state) {
    case StallState::kNone:
      return "none";
    case StallState::kDelayed:
      return "delayed";
    case StallState::kStopped:
      return "stopped";
  }
  return "unknown";
}

const char* StallReasonName(StallReason reason) {
  switch (reason) {
    case StallReason::kNone:
      return "none";
    case StallReason::kMemtables:
      return "memtables";
    case StallReason::kLevel0Runs:
      return "level-0 runs";
    case StallReason::kCompactionDebt:
      return "compaction debt";
  }
  return "unknown";
}

const char* BackgroundErrorSourceName(BackgroundErrorSource source) {
  switch (source) {
    case BackgroundErrorSource::kFlush:
      return "flush";
    case BackgroundErrorSource::kCompaction:
      return "compaction";
    case BackgroundErrorSource::kManifest:
      return "manifest";
    case BackgroundErrorSource::kLog:
      return "log";
    case BackgroundErrorSource::kWrite:
      return "write";
  }
  return "unknown";
}

const char* DegradationName(Degradation degradation) {
  switch (degradation) {
    case Degradation::kNone:
      return "none";
    case Degradation::kReadOnly:
      return "read-only";
    case Degradation::kMemoryOnly:
      return "memory-only";
    case Degradation::kStopped:
      return "stopped";
  }
  return "unknown";
}

const char* CacheResetReasonName(CacheResetReason reason) {
  switch (reason) {
    case CacheResetReason::kPowerLoss:
      return "power loss";
    case CacheResetReason::kUnloggedWrites:
      return "unlogged writes";
    case CacheResetReason::kDamagedLog:
      return "damaged log";
    case CacheResetReason::kIoFailure:
      return "I/O failure";
    case CacheResetReason::kClock:
      return "clock";
  }
  return "unknown";
}

const char* EvictionReasonName(EvictionReason reason) {
  switch (reason) {
    case EvictionReason::kExpired:
      return "expired";
    case EvictionReason::kRoom:
      return "for room";
    case EvictionReason::kDamaged:
      return "damaged";
  }
  return "unknown";
}

void EventDispatch::DeliverQueue() {
  MutexLock lock(&mu_);
  if (delivering_) return;
  delivering_ = true;
  while (!queue_.empty()) {
    const std::function<void()> tell = std::move(queue_.front());
    queue_.pop_front();
    mu_.Unlock();
    tell();
    mu_.Lock();
  }
  delivering_ = false;
  posted_.store(false, std::memory_order_relaxed);
}

}  // namespace varve
