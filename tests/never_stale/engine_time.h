#ifndef VARVE_TESTS_NEVER_STALE_ENGINE_TIME_H_
#define VARVE_TESTS_NEVER_STALE_ENGINE_TIME_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "tests/never_stale/oracle.h"
#include "varve/env.h"

namespace varve::never_stale {

// The time of day stands still unless the test moves it, so that what has expired is known to the
// millisecond. Durations are measured by another clock, that of the scheduler.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(std::shared_ptr<Clock> durations) : durations_(std::move(durations)) {}

  uint64_t MonotonicNanos() override { return durations_->MonotonicNanos(); }
  uint64_t BootMillis() override { return boot_ms_.load(std::memory_order_relaxed); }
  uint64_t WallMillis() override { return wall_ms_.load(std::memory_order_relaxed); }

  // Time passes, asleep or awake.
  void Pass(uint64_t ms) {
    boot_ms_.fetch_add(ms, std::memory_order_relaxed);
    wall_ms_.fetch_add(ms, std::memory_order_relaxed);
  }
  void SetWall(uint64_t ms) { wall_ms_.store(ms, std::memory_order_relaxed); }
  // The machine starts anew.
  void Boot() { boot_ms_.store(1000, std::memory_order_relaxed); }

 private:
  const std::shared_ptr<Clock> durations_;
  std::atomic<uint64_t> boot_ms_{1'000'000};
  std::atomic<uint64_t> wall_ms_{1'700'000'000'000};
};

// What the engine's time may be, by the rules of RULES R7 and util/lease_clock.h: it goes on with
// the clock that counts since boot; it follows the wall clock ahead, but not too far at once, and
// never back; and an open begins at or behind all that was ever told, at most a lease ahead of it.
// The test learns what it is from what is written (CheckedDb::ReadTime), and that must lie within.
class EngineTime {
 public:
  EngineTime(std::shared_ptr<ManualClock> clock, uint64_t jump_max_ms)
      : clock_(std::move(clock)),
        jump_max_ms_(jump_max_ms),
        now_(Instant::At(clock_->WallMillis())) {}

  Instant Now() const { return now_; }

  void Pass(uint64_t ms) {
    clock_->Pass(ms);
    now_.low += ms;
    now_.high += ms;
    FollowWall();
  }
  // Forward or back.
  void SetWall(uint64_t ms) {
    clock_->SetWall(ms);
    FollowWall();
  }
  // The database was opened: from a mark, and by the wall clock, wherever that is.
  void Opened() { now_.high = std::max(now_.high + kLeaseMillis, clock_->WallMillis()); }
  // It is exactly this. "" or why it cannot be.
  std::string Learn(uint64_t now_ms) {
    if (now_ms < now_.low || now_ms > now_.high) {
      return "TIME: " + std::to_string(now_ms) + ", not within " + std::to_string(now_.low) +
             " and " + std::to_string(now_.high) + "; the wall clock says " +
             std::to_string(clock_->WallMillis());
    }
    now_ = Instant::At(now_ms);
    return "";
  }

 private:
  static constexpr uint64_t kLeaseMillis = 10'000;

  void FollowWall() {
    const uint64_t wall = clock_->WallMillis();
    if (wall <= now_.high) return;
    if (wall - now_.low <= jump_max_ms_) {
      now_ = Instant::At(wall);
    } else if (wall - now_.high <= jump_max_ms_) {
      now_.high = wall;
    }
  }

  const std::shared_ptr<ManualClock> clock_;
  const uint64_t jump_max_ms_;
  Instant now_;
};

}  // namespace varve::never_stale

#endif  // VARVE_TESTS_NEVER_STALE_ENGINE_TIME_H_
