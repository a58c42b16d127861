#ifndef VARVE_DB_INTERVAL_SYNCER_H_
#define VARVE_DB_INTERVAL_SYNCER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>

#include "util/mutex.h"
#include "util/thread.h"
#include "varve/env.h"
#include "wal/wal.h"

namespace varve {

// Syncs the log at the latest `interval` after a write, under load and when idle alike (Checklist
// W5): the first write that finds no deadline running starts one, and it is kept whatever follows.
// Its thread starts with the first deadline. An error latches the log, so that the next write tells
// it; `failed` is told at once, by that thread.
//
// Thread safety: all of it.
class IntervalSyncer {
 public:
  IntervalSyncer(Wal* wal, Clock* clock, uint32_t interval_ms,
                 std::function<void(const Status&)> failed = nullptr)
      : wal_(wal), clock_(clock), failed_(std::move(failed)), interval_ms_(interval_ms) {}
  ~IntervalSyncer() { Stop(); }

  // After an append that was not synced. IOError if no thread can be had.
  Status Appended() {
    // The append stored the log's end, and now loads the flag; the thread stores the flag, and then
    // loads the end. A fence on both sides, as an append that finds the flag up must be covered by
    // the sync that follows: without them both loads may come before the stores.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (armed_.load(std::memory_order_relaxed)) return Status::OK();
    return Arm();
  }
  // From the next deadline on.
  void SetInterval(uint32_t interval_ms) {
    interval_ms_.store(interval_ms, std::memory_order_relaxed);
  }
  // Joins the thread; syncs nothing. May be called twice.
  void Stop();

 private:
  Status Arm();
  void Run();

  Wal* const wal_;
  Clock* const clock_;
  const std::function<void(const Status&)> failed_;  // may be null
  std::atomic<uint32_t> interval_ms_;                // relaxed: a setting
  std::atomic<bool> armed_{false};

  Mutex mu_;
  CondVar wake_;
  Thread thread_ GUARDED_BY(mu_);
  uint64_t deadline_nanos_ GUARDED_BY(mu_) = 0;  // while armed_
  bool stopped_ GUARDED_BY(mu_) = false;
};

}  // namespace varve

#endif  // VARVE_DB_INTERVAL_SYNCER_H_
