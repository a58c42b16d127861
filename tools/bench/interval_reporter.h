#ifndef VARVE_TOOLS_BENCH_INTERVAL_REPORTER_H_
#define VARVE_TOOLS_BENCH_INTERVAL_REPORTER_H_

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "util/mutex.h"
#include "util/thread.h"
#include "varve/env.h"

namespace varve::bench {

// Throughput while a benchmark runs: every so many seconds a line for what was done since the last
// one and since the start, in a thread of its own. An average hides a stall; these lines do not.
class IntervalReporter {
 public:
  // The operations a thread has done so far. The pointers stay good until Stop().
  using Progress = std::vector<const std::atomic<uint64_t>*>;

  IntervalReporter(std::string name, uint64_t interval_nanos, Progress progress, Clock* clock,
                   std::FILE* out);
  ~IntervalReporter() { Stop(); }
  IntervalReporter(const IntervalReporter&) = delete;
  IntervalReporter& operator=(const IntervalReporter&) = delete;

  Status Start();
  void Stop();

  // After Stop(): operations a second of each whole interval, in their order.
  const std::vector<double>& rates() const { return rates_; }

 private:
  void Loop();
  void Report();

  const std::string name_;
  const uint64_t interval_nanos_;
  const Progress progress_;
  Clock* const clock_;
  std::FILE* const out_;
  Mutex mutex_;
  CondVar wake_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  // Of the thread, and after it was joined of everybody.
  uint64_t started_nanos_ = 0, reported_nanos_ = 0, reported_operations_ = 0;
  std::vector<double> rates_;
  Thread thread_;
};

}  // namespace varve::bench

#endif  // VARVE_TOOLS_BENCH_INTERVAL_REPORTER_H_
