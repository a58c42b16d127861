#ifndef VARVE_TOOLS_BENCH_OP_BUDGET_H_
#define VARVE_TOOLS_BENCH_OP_BUDGET_H_

#include <atomic>
#include <cstdint>

#include "varve/env.h"

namespace varve::bench {

// How long one thread goes on: a number of operations, or, if seconds are given, that time instead.
// Reads the clock once in kOpsBetweenClockReadings operations, and never without a time limit.
class OpBudget {
 public:
  // `progress`, if there is one, always holds how many operations are done.
  OpBudget(int64_t ops_max, int64_t seconds_max, Clock* clock,
           std::atomic<uint64_t>* progress = nullptr)
      : ops_max_(ops_max), clock_(seconds_max > 0 ? clock : nullptr), progress_(progress) {
    if (clock_ != nullptr) {
      deadline_ = clock_->MonotonicNanos() + static_cast<uint64_t>(seconds_max) * 1000000000;
    }
  }

  // Asks for `ops` more. False: the end.
  bool Take(int64_t ops) {
    const int64_t before = ops_;
    ops_ += ops;
    if (progress_ != nullptr) [[unlikely]] {
      progress_->store(static_cast<uint64_t>(before), std::memory_order_relaxed);
    }
    if (clock_ == nullptr) [[likely]]
      return ops_ <= ops_max_;
    if (ops_ / kOpsBetweenClockReadings == before / kOpsBetweenClockReadings) return true;
    return clock_->MonotonicNanos() < deadline_;
  }

  static constexpr int64_t kOpsBetweenClockReadings = 1000;

 private:
  const int64_t ops_max_;
  Clock* const clock_;  // null: no time limit
  std::atomic<uint64_t>* const progress_;
  uint64_t deadline_ = 0;
  int64_t ops_ = 0;
};

}  // namespace varve::bench

#endif  // VARVE_TOOLS_BENCH_OP_BUDGET_H_
