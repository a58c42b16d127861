#include <benchmark/benchmark.h>

#include <memory>
#include <vector>

#include "cache/block_cache.h"
#include "util/random.h"

// What a lookup of the block cache costs.

namespace varve {
namespace {

constexpr size_t kCharge = 4200;

void Nothing(void*) {}

std::vector<BlockKey> Keys(size_t count) {
  std::vector<BlockKey> keys;
  for (size_t i = 0; i < count; ++i) keys.push_back({i / 1000, i % 1000 * 4096});
  return keys;
}

std::shared_ptr<BlockCache> g_cache;

// Hits in random order among range(0) entries; with more threads the same entries for all.
void BM_Hit(benchmark::State& state) {
  const size_t entries = static_cast<size_t>(state.range(0));
  const std::vector<BlockKey> keys = Keys(entries);
  if (state.thread_index() == 0) {
    g_cache = BlockCache::Create(entries * 2 * kCharge);
    for (const BlockKey& key : keys) {
      BlockCache::Release(g_cache->Insert(key, nullptr, &Nothing, kCharge));
    }
  }
  Random random(state.thread_index() + 1);
  size_t hits = 0;
  for (auto _ : state) {
    BlockCache::Handle* const handle = g_cache->Lookup(keys[random.Uniform(entries)]);
    if (handle != nullptr) {
      ++hits;
      BlockCache::Release(handle);
    }
  }
  state.counters["hit_rate"] =
      benchmark::Counter(static_cast<double>(hits) / static_cast<double>(state.iterations()),
                         benchmark::Counter::kAvgThreads);
}
BENCHMARK(BM_Hit)->Arg(100)->Arg(10000)->Arg(100000)->Arg(1000000)->ThreadRange(1, 2);

// The cost of choosing the key, to be taken off.
void BM_Baseline(benchmark::State& state) {
  const size_t entries = static_cast<size_t>(state.range(0));
  const std::vector<BlockKey> keys = Keys(entries);
  Random random(1);
  for (auto _ : state) benchmark::DoNotOptimize(keys[random.Uniform(entries)].offset);
}
BENCHMARK(BM_Baseline)->Arg(100)->Arg(10000)->Arg(100000)->Arg(1000000);

void BM_Miss(benchmark::State& state) {
  const size_t entries = static_cast<size_t>(state.range(0));
  const std::vector<BlockKey> keys = Keys(entries);
  const auto cache = BlockCache::Create(entries * 2 * kCharge);
  for (const BlockKey& key : keys) {
    BlockCache::Release(cache->Insert(key, nullptr, &Nothing, kCharge));
  }
  Random random(1);
  for (auto _ : state) {
    BlockKey key = keys[random.Uniform(entries)];
    key.offset += 1;
    benchmark::DoNotOptimize(cache->Lookup(key));
  }
}
BENCHMARK(BM_Miss)->Arg(100)->Arg(100000);

// Insert into a full cache: one eviction each.
void BM_InsertAndEvict(benchmark::State& state) {
  const size_t entries = static_cast<size_t>(state.range(0));
  if (state.thread_index() == 0) g_cache = BlockCache::Create(entries * kCharge);
  uint64_t next = static_cast<uint64_t>(state.thread_index()) << 40;
  for (auto _ : state) {
    const BlockKey key{++next, 0};
    BlockCache::Release(g_cache->Insert(key, nullptr, &Nothing, kCharge));
  }
}
BENCHMARK(BM_InsertAndEvict)->Arg(10000)->Arg(1000000)->ThreadRange(1, 2);

}  // namespace
}  // namespace varve

BENCHMARK_MAIN();
