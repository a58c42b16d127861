#include "tools/bench/thread_stats.h"

#include <algorithm>

namespace varve::bench {

void ThreadStats::Finish(Clock* clock) {
  finished_nanos = clock->MonotonicNanos();
  busy_seconds = static_cast<double>(finished_nanos - started_nanos) * 1e-9;
}

void ThreadStats::Merge(const ThreadStats& other) {
  if (other.background) return;
  const bool first = started_nanos == 0;
  started_nanos = first ? other.started_nanos : std::min(started_nanos, other.started_nanos);
  finished_nanos = std::max(finished_nanos, other.finished_nanos);
  busy_seconds += other.busy_seconds;
  operations += other.operations;
  bytes += other.bytes;
  counts_found |= other.counts_found;
  found += other.found;
  sought += other.sought;
  latency_of = other.latency_of;
  if (other.latencies != nullptr) {
    if (latencies == nullptr) latencies = std::make_unique<Histogram>();
    latencies->Merge(*other.latencies);
  }
}

double ThreadStats::ElapsedSeconds() const {
  return static_cast<double>(std::max<uint64_t>(1, finished_nanos - started_nanos)) * 1e-9;
}

double ThreadStats::MicrosPerOperation() const {
  return busy_seconds * 1e6 / static_cast<double>(std::max<uint64_t>(1, operations));
}

double ThreadStats::OperationsPerSecond() const {
  return static_cast<double>(operations) / ElapsedSeconds();
}

}  // namespace varve::bench
