#ifndef VARVE_DB_EVENT_DISPATCH_H_
#define VARVE_DB_EVENT_DISPATCH_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "util/mutex.h"
#include "varve/listener.h"

namespace varve {

// Tells the listeners what happens.
//
// What a job does is told by the job at once. What changes under the engine's lock (stalls, errors)
// is put into a queue there, with Post*(), and told after the lock was released, by Deliver():
// whoever calls it first tells everything that is queued, in order; a second caller leaves it to
// the first.
//
// Thread safety: all of it. Post*() may be called under any lock, everything else under none.
class EventDispatch {
 public:
  using Listeners = std::vector<std::shared_ptr<EventListener>>;

  explicit EventDispatch(Listeners listeners) : listeners_(std::move(listeners)) {}

  // Whether anybody listens: if not, nothing need be gathered.
  bool enabled() const { return !listeners_.empty(); }
  // Relaxed: a number that nobody else gets.
  uint64_t NewJob() { return 1 + jobs_.fetch_add(1, std::memory_order_relaxed); }

  void FlushBegin(const FlushInfo& info) { Tell(&EventListener::OnFlushBegin, info); }
  void FlushEnd(const FlushInfo& info) { Tell(&EventListener::OnFlushEnd, info); }
  void CompactionBegin(const CompactionInfo& info) {
    Tell(&EventListener::OnCompactionBegin, info);
  }
  void CompactionEnd(const CompactionInfo& info) { Tell(&EventListener::OnCompactionEnd, info); }
  void SegmentCreated(const SegmentInfo& info) { Tell(&EventListener::OnSegmentCreated, info); }
  void SegmentRemoved(const SegmentInfo& info) { Tell(&EventListener::OnSegmentRemoved, info); }
  void Eviction(const EvictionInfo& info) { Tell(&EventListener::OnEviction, info); }

  void CacheReset(const CacheResetInfo& info) { Tell(&EventListener::OnCacheReset, info); }

  void PostStallChanged(const StallInfo& info) { Post(&EventListener::OnStallChanged, info); }
  void PostClockJump(const ClockJumpInfo& info) { Post(&EventListener::OnClockJump, info); }
  void PostBackgroundError(const BackgroundErrorInfo& info) {
    Post(&EventListener::OnBackgroundError, info);
  }
  void PostErrorRecovered(const BackgroundErrorInfo& info) {
    Post(&EventListener::OnErrorRecovered, info);
  }
  void PostDegraded(const DegradedInfo& info) { Post(&EventListener::OnDegradationChanged, info); }
  void Deliver() EXCLUDES(mu_) {
    // Relaxed: whoever posted sees it, and whoever delivers looks under the lock.
    if (posted_.load(std::memory_order_relaxed)) [[unlikely]]
      DeliverQueue();
  }

 private:
  template <typename Info>
  void Tell(void (EventListener::*method)(const Info&), const Info& info) {
    for (const auto& listener : listeners_) (listener.get()->*method)(info);
  }
  template <typename Info>
  void Post(void (EventListener::*method)(const Info&), const Info& info) {
    if (!enabled()) return;
    MutexLock lock(&mu_);
    queue_.push_back([this, method, info] { Tell(method, info); });
    posted_.store(true, std::memory_order_relaxed);
  }
  void DeliverQueue() EXCLUDES(mu_);

  const Listeners listeners_;
  std::atomic<uint64_t> jobs_{0};
  std::atomic<bool> posted_{false};

  Mutex mu_;
  bool delivering_ GUARDED_BY(mu_) = false;
  std::deque<std::function<void()>> queue_ GUARDED_BY(mu_);
};

}  // namespace varve

#endif  // VARVE_DB_EVENT_DISPATCH_H_
