#ifndef VARVE_TOOLS_BENCH_RUNNER_H_
#define VARVE_TOOLS_BENCH_RUNNER_H_

#include <cstdio>
#include <optional>
#include <string>

#include "tools/bench/bench_database.h"
#include "tools/bench/bench_options.h"
#include "tools/bench/benchmark.h"
#include "tools/bench/cache_report.h"
#include "tools/bench/report.h"

namespace varve::bench {

// Runs the benchmarks of the options, one after the other, on one database, and prints what each
// gave. As in db_bench: the database is made anew at the start unless an existing one is to be
// used, and again before each benchmark that fills one.
class Runner {
 public:
  // `options` are valid. Results go to `out`; progress and what accompanies JSON to `err`.
  Runner(const BenchOptions& options, std::FILE* out, std::FILE* err);

  // The first error. All benchmarks before it have been reported.
  Status Run();

 private:
  Status CheckNames() const;
  Status RunOne(const std::string& name);
  Status RunLoad(const Benchmark& benchmark);
  Status RunTraceReplay();
  // One call, timed as a whole.
  Status RunJob(const std::string& name, Status (*job)(DB* db));
  Status RunAmplification();
  void PrintStats();
  void Report(const std::string& name, const ThreadStats& stats,
              const IntervalRates& intervals = {});
  void Print(const std::string& text) const;  // unless only JSON is wanted
  // What the benchmark did to the cache, if it is one.
  std::string CacheLines() const;
  void AddCacheTo(JsonObject* json) const;

  BenchOptions options_;
  std::FILE* const out_;
  std::FILE* const err_;
  BenchDatabase database_;
  std::optional<CacheMeter> cache_;  // of the benchmark under way
  uint64_t threads_made_ = 0;        // each thread of a run has a seed of its own
};

}  // namespace varve::bench

#endif  // VARVE_TOOLS_BENCH_RUNNER_H_
