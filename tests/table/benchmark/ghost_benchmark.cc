#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "table/filter.h"
#include "table/ghost_builder.h"
#include "table/ghost_reader.h"
#include "tests/table/memory_file.h"
#include "util/hash.h"
#include "util/random.h"

// What ghosts cost: each has the keys of a segment of 64 MiB with entries of 116 bytes. The filter
// of such a segment, at 10 and 20 bits a key, stands beside it.
//
//   bazel run --config=opt //tests/table/benchmark:ghost_benchmark

namespace varve {
namespace {

constexpr uint64_t kKeys = 580'000;
// As many as fit into 1 % of false positives with 12 remainder bits.
constexpr int kGhostsMax = 41;

// Mix64 is one to one, so these are the hashes of different keys.
uint64_t HashOf(uint64_t n) { return Mix64(n); }

std::string GhostBytes(uint64_t ghost) {
  MemoryWritableFile file;
  GhostBuilderOptions options;
  options.number = ghost + 1;
  GhostBuilder builder(options, &file);
  for (uint64_t n = 0; n < kKeys; ++n) builder.AddKey(HashOf(ghost * kKeys + n));
  if (!builder.Finish().ok()) abort();
  return file.bytes();
}

const std::vector<std::unique_ptr<GhostReader>>& Ghosts() {
  static const auto* const ghosts = [] {
    auto* made = new std::vector<std::unique_ptr<GhostReader>>(kGhostsMax);
    for (uint64_t g = 0; g < made->size(); ++g) {
      if (!GhostReader::Open(BytewiseComparator(),
                             std::make_unique<MemoryRandomAccessFile>(GhostBytes(g)), "bench.ghost",
                             g + 1, &(*made)[g])
               .ok()) {
        abort();
      }
    }
    return made;
  }();
  return *ghosts;
}

// A key that none of so many ghosts holds. Time is for all of them.
void BM_GhostsDeny(benchmark::State& state) {
  const auto& ghosts = Ghosts();
  const auto count = static_cast<size_t>(state.range(0));
  Random random(1);
  uint64_t accepted = 0;
  for (auto _ : state) {
    const uint64_t hash = HashOf((uint64_t{1} << 40) + random.Uniform(uint64_t{1} << 30));
    for (size_t g = 0; g < count; ++g) ghosts[g]->Prefetch(hash);
    for (size_t g = 0; g < count; ++g) accepted += ghosts[g]->Accepts(Slice(), hash);
  }
  state.counters["accepted_percent"] =
      100.0 * static_cast<double>(accepted) / static_cast<double>(state.iterations());
}
BENCHMARK(BM_GhostsDeny)->Arg(1)->Arg(10)->Arg(kGhostsMax);

void BM_GhostAccepts(benchmark::State& state) {
  const auto& ghosts = Ghosts();
  Random random(2);
  for (auto _ : state) {
    if (!ghosts[0]->Accepts(Slice(), HashOf(random.Uniform(kKeys)))) abort();
  }
}
BENCHMARK(BM_GhostAccepts);

// An item is a key.
void BM_GhostList(benchmark::State& state) {
  const auto& ghosts = Ghosts();
  uint64_t sum = 0;
  for (auto _ : state) {
    for (HashSet::Cursor cursor(ghosts[0]->hashes()); cursor.Valid(); cursor.Next()) {
      sum += cursor.value();
    }
  }
  benchmark::DoNotOptimize(sum);
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kKeys));
}
BENCHMARK(BM_GhostList)->Unit(benchmark::kMillisecond);

void BM_GhostBuild(benchmark::State& state) {
  uint64_t bytes = 0;
  for (auto _ : state) bytes = GhostBytes(0).size();
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kKeys));
  state.counters["bytes_per_key"] = static_cast<double>(bytes) / static_cast<double>(kKeys);
}
BENCHMARK(BM_GhostBuild)->Unit(benchmark::kMillisecond);

void BM_GhostOpen(benchmark::State& state) {
  const std::string bytes = GhostBytes(0);
  for (auto _ : state) {
    std::unique_ptr<GhostReader> ghost;
    if (!GhostReader::Open(BytewiseComparator(), std::make_unique<MemoryRandomAccessFile>(bytes),
                           "bench.ghost", 1, &ghost)
             .ok()) {
      abort();
    }
  }
}
BENCHMARK(BM_GhostOpen)->Unit(benchmark::kMillisecond);

// The segment's own filter, for the same question.
void BM_FilterDenies(benchmark::State& state) {
  FilterBuilder builder(static_cast<int>(state.range(0)));
  for (uint64_t n = 0; n < kKeys; ++n) builder.Add(HashOf(n));
  std::string content;
  builder.Finish(&content);
  Filter filter;
  if (filter.Parse(content) != nullptr) abort();
  Random random(3);
  uint64_t accepted = 0;
  for (auto _ : state) {
    accepted += filter.MayContain(HashOf((uint64_t{1} << 40) + random.Uniform(uint64_t{1} << 30)));
  }
  state.counters["accepted_percent"] =
      100.0 * static_cast<double>(accepted) / static_cast<double>(state.iterations());
  state.counters["bytes_per_key"] =
      static_cast<double>(content.size()) / static_cast<double>(kKeys);
}
BENCHMARK(BM_FilterDenies)->Arg(10)->Arg(20);

}  // namespace
}  // namespace varve

BENCHMARK_MAIN();
