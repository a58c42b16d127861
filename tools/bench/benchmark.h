#ifndef VARVE_TOOLS_BENCH_BENCHMARK_H_
#define VARVE_TOOLS_BENCH_BENCHMARK_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "tools/bench/bench_options.h"
#include "tools/bench/thread_stats.h"
#include "util/random.h"
#include "varve/db.h"

namespace varve::bench {

// What one of the threads has for itself.
struct BenchThread {
  BenchThread(int thread_index, uint64_t seed) : index(thread_index), random(seed) {}

  const int index;  // from 0
  Random random;
  ThreadStats stats;
  std::atomic<uint64_t> progress{0};  // operations done so far, if somebody watches
};

// What the threads of one benchmark share.
struct BenchRun {
  BenchOptions options;  // as the benchmark wants them: fillsync has fewer writes, for instance
  WriteOptions write_options;
  ReadOptions read_options;
  DB* db = nullptr;
  Clock* clock = nullptr;
  // Threads that are to end by themselves; one in the background ends when none is left. Relaxed
  // throughout: it publishes nothing but itself.
  std::atomic<int> foreground_threads{0};

  // Where a thread says how far it is; null if nobody watches.
  std::atomic<uint64_t>* ProgressOf(BenchThread* thread) const {
    return options.stats_interval_seconds > 0 ? &thread->progress : nullptr;
  }
};

using BenchBody = Status (*)(BenchRun* run, BenchThread* thread);

// A kind of load that several threads put on the database, timed as a whole.
struct Benchmark {
  const char* name;
  bool new_database;  // starts from an empty one; skipped if an existing one is to be used
  BenchBody body;
  // Adapts the options to this benchmark; null: they are as they should be.
  void (*adapt)(BenchOptions* options) = nullptr;
  bool has_background_thread = false;  // one thread more, with index 0
};

// Null if there is no such benchmark. "trace", "flush" and "stats" are no loads but jobs of their
// own (runner.cc).
const Benchmark* FindBenchmark(const std::string& name);

// ---- write_benchmarks.cc
Status WriteSequential(BenchRun* run, BenchThread* thread);
Status WriteRandom(BenchRun* run, BenchThread* thread);
// ---- read_benchmarks.cc
Status ReadRandom(BenchRun* run, BenchThread* thread);
Status MultiReadRandom(BenchRun* run, BenchThread* thread);
Status ReadWhileWriting(BenchRun* run, BenchThread* thread);
// ---- scan_benchmarks.cc
Status ReadSequential(BenchRun* run, BenchThread* thread);
Status ReadReverse(BenchRun* run, BenchThread* thread);
Status SeekRandom(BenchRun* run, BenchThread* thread);

}  // namespace varve::bench

#endif  // VARVE_TOOLS_BENCH_BENCHMARK_H_
