// The list of loads: what each is made of. The semantics are those of db_bench.

#include "tools/bench/benchmark.h"

#include <algorithm>

namespace varve::bench {
namespace {

void AdaptFillSync(BenchOptions* options) {
  options->sync = true;
  options->num = std::max<int64_t>(1, options->num / 1000);
}

void AdaptFillBatch(BenchOptions* options) { options->batch_size = 1000; }

// A key one byte longer than any that was written: never there, and its neighbours are.
void AdaptReadMissing(BenchOptions* options) { ++options->key_bytes; }

constexpr Benchmark kBenchmarks[] = {
    {"fillseq", true, WriteSequential},
    {"fillrandom", true, WriteRandom},
    {"fillsync", true, WriteRandom, AdaptFillSync},
    {"fillbatch", true, WriteSequential, AdaptFillBatch},
    {"overwrite", false, WriteRandom},
    {"readrandom", false, ReadRandom},
    {"readmissing", false, ReadRandom, AdaptReadMissing},
    {"multireadrandom", false, MultiReadRandom},
    {"readseq", false, ReadSequential},
    {"readreverse", false, ReadReverse},
    {"seekrandom", false, SeekRandom},
    {"readwhilewriting", false, ReadWhileWriting, nullptr, true},
};

}  // namespace

const Benchmark* FindBenchmark(const std::string& name) {
  const auto* found =
      std::find_if(std::begin(kBenchmarks), std::end(kBenchmarks),
                   [&name](const Benchmark& benchmark) { return benchmark.name == name; });
  return found == std::end(kBenchmarks) ? nullptr : found;
}

}  // namespace varve::bench
