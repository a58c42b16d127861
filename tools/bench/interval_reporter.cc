#include "tools/bench/interval_reporter.h"

#include <algorithm>
#include <cinttypes>
#include <utility>

#include "tools/bench/text_format.h"

namespace varve::bench {

IntervalReporter::IntervalReporter(std::string name, uint64_t interval_nanos, Progress progress,
                                   Clock* clock, std::FILE* out)
    : name_(std::move(name)),
      interval_nanos_(interval_nanos),
      progress_(std::move(progress)),
      clock_(clock),
      out_(out) {}

Status IntervalReporter::Start() {
  started_nanos_ = reported_nanos_ = clock_->MonotonicNanos();
  return thread_.Start("bench_interval", [this] { Loop(); });
}

void IntervalReporter::Stop() {
  if (!thread_.running()) return;
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    wake_.Signal();
  }
  thread_.Join();
}

void IntervalReporter::Loop() {
  MutexLock lock(&mutex_);
  for (;;) {
    const uint64_t due = reported_nanos_ + interval_nanos_;
    const uint64_t now = clock_->MonotonicNanos();
    if (now >= due) {  // at the end too, where this thread came late
      mutex_.Unlock();
      Report();
      mutex_.Lock();
    } else if (stopping_) {
      return;
    } else {
      wake_.WaitFor(&mutex_, due - now);
    }
  }
}

void IntervalReporter::Report() {
  uint64_t operations = 0;
  for (const std::atomic<uint64_t>* of_thread : progress_) {
    operations += of_thread->load(std::memory_order_relaxed);  // a little old is fine
  }
  const uint64_t now = clock_->MonotonicNanos();
  const double seconds = static_cast<double>(now - reported_nanos_) * 1e-9;
  const double total_seconds = static_cast<double>(now - started_nanos_) * 1e-9;
  const uint64_t done = operations - reported_operations_;
  rates_.push_back(static_cast<double>(done) / seconds);
  const std::string line = Format(
      "%s ... (%" PRIu64 ",%" PRIu64 ") ops and (%.1f,%.1f) ops/second in (%.6f,%.6f) seconds\n",
      name_.c_str(), done, operations, rates_.back(),
      static_cast<double>(operations) / total_seconds, seconds, total_seconds);
  std::fputs(line.c_str(), out_);
  std::fflush(out_);
  reported_nanos_ = now;
  reported_operations_ = operations;
}

}  // namespace varve::bench
