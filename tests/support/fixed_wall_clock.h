#ifndef VARVE_TESTS_SUPPORT_FIXED_WALL_CLOCK_H_
#define VARVE_TESTS_SUPPORT_FIXED_WALL_CLOCK_H_

#include <cstdint>
#include <memory>

#include "varve/env.h"

namespace varve {

// Durations are real, but it is always the same moment: for bytes and texts with a time in them.
class FixedWallClock final : public Clock {
 public:
  uint64_t MonotonicNanos() override { return real_->MonotonicNanos(); }
  uint64_t BootMillis() override { return 1'000'000; }
  uint64_t WallMillis() override { return 1'700'000'000'000; }

 private:
  const std::shared_ptr<Clock> real_ = Env::Default().clock;
};

}  // namespace varve

#endif  // VARVE_TESTS_SUPPORT_FIXED_WALL_CLOCK_H_
