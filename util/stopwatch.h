#ifndef VARVE_UTIL_STOPWATCH_H_
#define VARVE_UTIL_STOPWATCH_H_

#include <cstdint>

#include "varve/env.h"
#include "varve/statistics.h"

namespace varve {

// Records how long a scope took, where latencies are recorded at all; otherwise reads no clock.
class Stopwatch {
 public:
  // `statistics` may be null.
  Stopwatch(Statistics* statistics, Clock* clock, Latency latency)
      : statistics_(statistics != nullptr && statistics->latencies_enabled() ? statistics
                                                                             : nullptr),
        clock_(clock),
        latency_(latency) {
    if (statistics_ != nullptr) started_ = clock_->MonotonicNanos();
  }
  ~Stopwatch() {
    if (statistics_ != nullptr) statistics_->Record(latency_, clock_->MonotonicNanos() - started_);
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  Statistics* const statistics_;
  Clock* const clock_;
  const Latency latency_;
  uint64_t started_ = 0;
};

}  // namespace varve

#endif  // VARVE_UTIL_STOPWATCH_H_
