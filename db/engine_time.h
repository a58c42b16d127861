#ifndef VARVE_DB_ENGINE_TIME_H_
#define VARVE_DB_ENGINE_TIME_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "util/lease_clock.h"
#include "util/mutex.h"
#include "varve/logger.h"
#include "varve/options.h"
#include "varve/status.h"

namespace varve {

// The one time of a database, by which expiries are fixed and judged: by reads, the leader's
// commit, compactions, and what drops expired segments. It is a LeaseClock (util/lease_clock.h has
// the rules) whose mark the manifest carries, for as long as that is open.
//
//  1. Until Begin() there is no directory that time could run back in: it is the wall clock's,
//     going on.
//  2. Begin() starts it at the mark that the open found. A mark is sealed by the first reading, so
//     where nothing ever had an expiry none is: readers ask it for no other entry, and iterators,
//     which judge by the instant of their creation, look at in_use() before.
//  3. Stop() ends it before the manifest is closed: nothing is sealed any more, and it stands still
//     at an instant that no reading has passed. So a clean close can leave the exact time as the
//     mark, and opening a database often does not make its time run ahead.
//
// A reading may wait for I/O and takes the manifest's lock: hold neither DBImpl::mu_ nor a lock of
// the manifest's. Thread safety: all of it; Begin() before anybody else calls.
class EngineTime {
 public:
  explicit EngineTime(const Options& options);

  struct Source {
    uint64_t mark_ms = 0;     // of both roots; 0: none
    bool may_expire = false;  // something in the directory has an expiry
    std::string directory;    // for messages
    // Both are called without a lock of the engine's; see LeaseClock::Options.
    std::function<Status(uint64_t mark_ms)> seal_mark;
    std::function<void(const RefusedJump&)> on_jump_refused;
  };
  void Begin(Source source);
  // The time at which it stands from now on, as a mark; 0 if it never began or nobody read it. May
  // be called twice.
  uint64_t Stop() EXCLUDES(stop_mu_, mu_);

  // Milliseconds since 1970. 0: none can be told, as no mark can be sealed where none was.
  uint64_t NowMillis();
  // By which what has expired may be dropped for good.
  uint64_t DropMillis();
  // See LeaseClock: never waits; a hint whether asking is worth it.
  uint64_t EstimateMillis() const { return lease_->EstimateMillis(); }
  // What a copy of the directory has to begin at; 0: nothing was ever told.
  uint64_t mark_ms() const { return lease_->mark_ms(); }

  // False: nothing that anybody may see has an expiry. Set before the first that has one is
  // published. Relaxed: who sees the entry got its sequence, or its version, by an acquire.
  bool in_use() const { return in_use_.load(std::memory_order_relaxed); }
  void Use() {
    if (!in_use()) in_use_.store(true, std::memory_order_relaxed);
  }

 private:
  Status Seal(uint64_t mark_ms) EXCLUDES(mu_);
  void Refused(const RefusedJump& jump) EXCLUDES(mu_);
  void Warn(uint64_t mark_ms);
  // Where it stands once it was stopped.
  uint64_t StoodAt() EXCLUDES(stop_mu_);

  // Constant after construction.
  const std::shared_ptr<Clock> clock_;
  const std::shared_ptr<Logger> logger_;
  const uint64_t jump_max_ms_;
  const bool cache_;

  // Constant after Begin().
  std::string directory_;
  std::unique_ptr<LeaseClock> lease_;
  std::atomic<bool> in_use_{true};
  // Sequentially consistent, as are its loads: a reading that does not find it set looked at the
  // clock before Stop() did.
  std::atomic<bool> stopped_{false};

  Mutex stop_mu_ ACQUIRED_BEFORE(mu_);
  uint64_t stands_at_ms_ GUARDED_BY(stop_mu_) = 0;
  uint64_t close_mark_ms_ GUARDED_BY(stop_mu_) = 0;

  Mutex mu_;  // held while a mark is sealed; before the manifest's locks
  Source source_ GUARDED_BY(mu_);
};

}  // namespace varve

#endif  // VARVE_DB_ENGINE_TIME_H_
