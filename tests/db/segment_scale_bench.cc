// Opening a database of 10,000 segments, and its first 1,000 reads:
//   bazel run --config=opt //tests/db:segment_scale_bench

#include <benchmark/benchmark.h>

#include <memory>
#include <string>

#include "tests/db/many_segments.h"
#include "tests/support/temp_dir.h"
#include "varve/db.h"

namespace varve {
namespace {

void BM_OpenAndFirstReads(benchmark::State& state) {
  const auto segments = static_cast<uint32_t>(state.range(0));
  const auto reads = static_cast<uint32_t>(state.range(1));
  constexpr uint32_t kKeys = 1000;
  TempDir dir;
  if (const Status made = MakeManySegments(dir.File("db"), segments, kKeys); !made.ok()) {
    state.SkipWithError(made.ToString().c_str());
    return;
  }
  for (auto _ : state) {
    std::unique_ptr<DB> db;
    Status status = DB::Open({}, dir.File("db"), &db);
    std::string value;
    for (uint32_t i = 0; status.ok() && i < reads; ++i) {
      // Spread over the segments: each read opens another one.
      status = db->Get({}, ManySegmentsKey((i * 7919) % segments, i % kKeys), &value);
    }
    if (!status.ok()) state.SkipWithError(status.ToString().c_str());
    state.PauseTiming();
    db.reset();
    state.ResumeTiming();
  }
}
BENCHMARK(BM_OpenAndFirstReads)
    ->Args({10'000, 0})
    ->Args({10'000, 1000})
    ->Unit(benchmark::kMillisecond)
    ->Iterations(7)
    ->UseRealTime();

}  // namespace
}  // namespace varve

BENCHMARK_MAIN();
