// A point read where every segment may hold every key, as in a cache, whose segments lie in the
// order of age: what it costs at so many of them, with so many filter bits a key, for a key that is
// there and for one that is not:
//   bazel run --config=opt //tests/db:overlapping_runs_bench

#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"
#include "util/hash.h"
#include "varve/db.h"

namespace varve {
namespace {

constexpr uint64_t kKeysEach = 1000;

std::string Key(uint64_t i) {
  const uint64_t mixed = Mix64(i + 1);
  return std::string(reinterpret_cast<const char*>(&mixed), sizeof(mixed)) + "12345678";
}

void BM_Get(benchmark::State& state) {
  const auto segments = static_cast<uint64_t>(state.range(0));
  const bool there = state.range(2) != 0;
  TempDir dir;
  Options options;
  options.create_if_missing = true;
  options.compaction_style = CompactionStyle::kNone;
  options.wal_sync = WalSyncMode::kNever;
  options.filter_bits_per_key = static_cast<int>(state.range(1));
  options.open_segments_max = 4096;
  options.block_cache_bytes = size_t{1} << 30;
  options.statistics = Statistics::Create(false);
  std::unique_ptr<DB> db;
  Status status = DB::Open(options, dir.File("db"), &db);
  const std::string value(100, 'v');
  for (uint64_t segment = 0; status.ok() && segment < segments; ++segment) {
    for (uint64_t i = 0; status.ok() && i < kKeysEach; ++i) {
      status = db->Put({.disable_wal = true}, Key(segment * kKeysEach + i), value);
    }
    if (status.ok()) status = db->Flush();
  }
  const uint64_t keys = segments * kKeysEach;
  std::string found;
  uint64_t next = 0;
  const auto get = [&] {
    next = Mix64(next + 1);
    return db->Get({}, Key((there ? 0 : keys) + next % keys), &found);
  };
  for (uint64_t i = 0; status.ok() && i < keys; ++i) status = db->Get({}, Key(i), &found);
  options.statistics->Reset();
  for (auto _ : state) {
    const Status got = get();
    if (status.ok() && got.ok() != there) status = Status::Corruption("a wrong answer");
  }
  if (!status.ok()) state.SkipWithError(status.ToString().c_str());
  const auto counted = [&](Counter counter) {
    return benchmark::Counter(static_cast<double>(options.statistics->Get(counter)) /
                              static_cast<double>(options.statistics->Get(Counter::kGets)));
  };
  state.counters["filters"] = counted(Counter::kFilterChecks);
  state.counters["false_positives"] = counted(Counter::kFilterFalsePositives);
}
BENCHMARK(BM_Get)
    ->ArgNames({"segments", "bits", "there"})
    ->ArgsProduct({{16, 64, 256, 1024}, {10, 16}, {0, 1}});

}  // namespace
}  // namespace varve

BENCHMARK_MAIN();
