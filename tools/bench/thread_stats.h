#ifndef VARVE_TOOLS_BENCH_THREAD_STATS_H_
#define VARVE_TOOLS_BENCH_THREAD_STATS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "util/histogram.h"
#include "varve/env.h"

namespace varve::bench {

// What one thread did, and merged over threads what a benchmark did. Bodies count in locals and
// store the sums at the end, so that counting costs nothing an operation. Not thread-safe.
struct ThreadStats {
  uint64_t operations = 0;
  uint64_t bytes = 0;  // keys and values moved
  bool counts_found = false;
  uint64_t found = 0, sought = 0;  // "(found of sought found)"
  bool background = false;         // a thread whose work is not part of the result
  uint64_t started_nanos = 0, finished_nanos = 0;
  double busy_seconds = 0;  // summed over the threads

  // Latencies in nanoseconds of single calls; null unless asked for.
  std::unique_ptr<Histogram> latencies;
  std::string latency_of = "operation";  // what one call was

  void Start(Clock* clock) { started_nanos = finished_nanos = clock->MonotonicNanos(); }
  void Finish(Clock* clock);
  // Adds another thread's; one in the background only passes by.
  void Merge(const ThreadStats& other);

  // From the start of the first thread to the end of the last.
  double ElapsedSeconds() const;
  // Seconds of one thread an operation: latency, however many threads there were.
  double MicrosPerOperation() const;
  double OperationsPerSecond() const;
};

// Times a call if there is a histogram; without one it reads no clock.
class CallTimer {
 public:
  CallTimer(Histogram* latencies, Clock* clock) : latencies_(latencies), clock_(clock) {}

  void Start() {
    if (latencies_ != nullptr) [[unlikely]]
      started_ = clock_->MonotonicNanos();
  }
  void Stop() {
    if (latencies_ != nullptr) [[unlikely]]
      latencies_->Add(clock_->MonotonicNanos() - started_);
  }

 private:
  Histogram* const latencies_;
  Clock* const clock_;
  uint64_t started_ = 0;
};

}  // namespace varve::bench

#endif  // VARVE_TOOLS_BENCH_THREAD_STATS_H_
