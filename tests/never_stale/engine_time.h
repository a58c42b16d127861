#ifndef VARVE_TESTS_NEVER_STALE_ENGINE_TIME_H_
#define VARVE_TESTS_NEVER_STALE_ENGINE_TIME_H_

#include <atomic>
#include <cstdint>
#include <memory>
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

// What the engine's time must be, as an interval, by the rules of docs/cache.md, "Clock": it is the
// wall clock's.
class EngineTime {
 public:
  explicit EngineTime(std::shared_ptr<ManualClock> clock) : clock_(std::move(clock)) {}

  Instant Now() const { return Instant::At(clock_->WallMillis()); }

 private:
  const std::shared_ptr<ManualClock> clock_;
};

}  // namespace varve::never_stale

#endif  // VARVE_TESTS_NEVER_STALE_ENGINE_TIME_H_
