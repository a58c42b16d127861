#ifndef VARVE_TOOLS_BENCH_OP_BUDGET_H_
#define VARVE_TOOLS_BENCH_OP_BUDGET_H_

#include <cstdint>

#include "varve/env.h"

namespace varve::bench {

// How long one thread goes on: a number of operations, or, if seconds are given, that time instead.
// Reads the clock once in kOpsBetweenClockReadings operations, and never without a time limit.
class OpBudget {
 public:
  OpBudget(int64_t ops_max, int64_t seconds_max, Clock* clock)
      : ops_max_(ops_max), clock_(seconds_max > 0 ? clock : nullptr) {
    if (clock_ != nullptr) {
      deadline_ = clock_->MonotonicNanos() + static_cast<uint64_t>(seconds_max) * 1000000000;
    }
  }

  // Asks for `ops` more. False: the end.
  bool Take(int64_t ops) {
    const int64_t before = ops_;
    ops_ += ops;
    if (clock_ == nullptr) [[likely]]
      return ops_ <= ops_max_;
    if (ops_ / kOpsBetweenClockReadings == before / kOpsBetweenClockReadings) return true;
    return clock_->MonotonicNanos() < deadline_;
  }

  static constexpr int64_t kOpsBetweenClockReadings = 1000;

 private:
  const int64_t ops_max_;
  Clock* const clock_;  // null: no time limit
  uint64_t deadline_ = 0;
  int64_t ops_ = 0;
};

}  // namespace varve::bench

#endif  // VARVE_TOOLS_BENCH_OP_BUDGET_H_
