#include <benchmark/benchmark.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "cache/block_cache.h"
#include "table/segment_builder.h"
#include "table/segment_reader.h"
#include "tests/table/memory_file.h"
#include "util/hash.h"
#include "util/internal_key.h"
#include "util/random.h"

// What segments cost, without a disk: 16-byte keys and 100-byte values as db_bench makes them, in
// kSegments segments of interleaved keys, all blocks in the cache.
//
//   bazel run --config=opt //tests/table/benchmark:segment_benchmark

namespace varve {
namespace {

constexpr uint64_t kSegments = 11;
constexpr uint64_t kKeys = 3'000'000;
constexpr size_t kValueBytes = 100;

struct UserKey {
  explicit UserKey(uint64_t n) {
    const uint64_t big_endian = __builtin_bswap64(n);
    memcpy(bytes, &big_endian, 8);
    memset(bytes + 8, '0', 8);
  }
  operator Slice() const { return Slice(bytes, sizeof(bytes)); }

  char bytes[16];
};

// Discards what is appended, as a device without cost.
class NullFile final : public WritableFile {
 public:
  Status Append(Slice data) override {
    size_ += data.size();
    return Status::OK();
  }
  Status Sync() override { return Status::OK(); }
  Status Close() override { return Status::OK(); }
  uint64_t size() const override { return size_; }

 private:
  uint64_t size_ = 0;
};

// Values that compress to about a half, cut from one random buffer.
Slice Value(Random* random) {
  static const std::string* const text = [] {
    auto* s = new std::string;
    Random r(7);
    while (s->size() < (1 << 20)) {
      const char c = static_cast<char>(r.Next());
      s->append(kValueBytes / 2, c);
      for (size_t i = 0; i < kValueBytes / 2; ++i) s->push_back(static_cast<char>(r.Next()));
    }
    return s;
  }();
  return Slice(*text).substr(random->Uniform(text->size() - kValueBytes), kValueBytes);
}

Status AddKeys(SegmentBuilder* builder, uint64_t first, uint64_t step) {
  Random random(first);
  std::string key;
  for (uint64_t n = first; n < kKeys; n += step) {
    key.assign(Slice(UserKey(n)));
    PutFixed64(&key, PackTrailer(random.Uniform(kKeys), ValueType::kValue));
    if (Status s = builder->Add(key, Value(&random)); !s.ok()) return s;
  }
  return builder->Finish(nullptr);
}

struct World {
  std::shared_ptr<BlockCache> cache;
  std::vector<std::unique_ptr<SegmentReader>> readers;

  explicit World(Compression compression) {
    cache = BlockCache::Create(size_t{2} << 30);
    for (uint64_t s = 0; s < kSegments; ++s) {
      MemoryWritableFile file;
      SegmentBuilderOptions options;
      options.number = s + 1;
      options.compression = compression;
      SegmentBuilder builder(options, &file);
      if (!AddKeys(&builder, s, kSegments).ok()) abort();
      SegmentReaderOptions open;
      open.cache = cache.get();
      std::unique_ptr<SegmentReader> reader;
      if (!SegmentReader::Open(open, std::make_unique<MemoryRandomAccessFile>(file.bytes()),
                               "bench.seg", s + 1, &reader)
               .ok()) {
        abort();
      }
      const auto it = reader->NewIterator({});
      for (it->SeekToFirst(); it->Valid(); it->Next()) {
      }
      readers.push_back(std::move(reader));
    }
  }

  static World& Get() {
    static World* const world = new World(Compression::kNone);
    return *world;
  }
};

bool Lookup(const World& world, Slice user_key, PinnedValue* value) {
  const LookupKey key(user_key, kMaxSequence);
  const uint64_t hash = Hash64(user_key);
  for (const auto& reader : world.readers) reader->PrefetchFilter(hash);
  PointResult result;
  result.value = value;
  for (const auto& reader : world.readers) {
    if (!reader->Get({}, key, hash, &result).ok()) abort();
    if (result.found) return true;
  }
  return false;
}

void BM_GetHit(benchmark::State& state) {
  const World& world = World::Get();
  Random random(1);
  PinnedValue value;
  uint64_t bytes = 0;
  for (auto _ : state) {
    if (!Lookup(world, UserKey(random.Uniform(kKeys)), &value)) abort();
    bytes += value.size();
  }
  benchmark::DoNotOptimize(bytes);
}
BENCHMARK(BM_GetHit);

void BM_GetMiss(benchmark::State& state) {
  const World& world = World::Get();
  Random random(2);
  PinnedValue value;
  for (auto _ : state) {
    benchmark::DoNotOptimize(Lookup(world, UserKey(kKeys + random.Uniform(kKeys)), &value));
  }
}
BENCHMARK(BM_GetMiss);

// One segment of them, all its keys.
void BM_GetOneSegment(benchmark::State& state) {
  const World& world = World::Get();
  Random random(3);
  PinnedValue value;
  for (auto _ : state) {
    const uint64_t n = random.Uniform(kKeys / kSegments) * kSegments;
    const UserKey user_key(n);
    const LookupKey key(user_key, kMaxSequence);
    PointResult result;
    result.value = &value;
    if (!world.readers[0]->Get({}, key, Hash64(user_key), &result).ok() || !result.found) abort();
  }
}
BENCHMARK(BM_GetOneSegment);

void BM_MultiGet(benchmark::State& state) {
  const World& world = World::Get();
  Random random(3);
  constexpr size_t kBatch = 32;
  std::vector<PinnedValue> values(kBatch);
  for (auto _ : state) {
    std::vector<std::unique_ptr<LookupKey>> keys;
    std::vector<PointRequest> requests(kBatch);
    std::vector<PointRequest*> pointers;
    for (size_t i = 0; i < kBatch; ++i) {
      const UserKey user_key(random.Uniform(kKeys / kSegments) * kSegments);
      keys.push_back(std::make_unique<LookupKey>(user_key, kMaxSequence));
      requests[i].key = keys[i].get();
      requests[i].key_hash = Hash64(user_key);
      requests[i].result.value = &values[i];
      pointers.push_back(&requests[i]);
    }
    world.readers[0]->MultiGet({}, pointers);
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}
BENCHMARK(BM_MultiGet);

void BM_Seek(benchmark::State& state) {
  const World& world = World::Get();
  Random random(4);
  const auto it = world.readers[0]->NewIterator({});
  for (auto _ : state) {
    const UserKey user_key(random.Uniform(kKeys));
    const LookupKey key(user_key, kMaxSequence);
    it->Seek(key.internal_key());
    benchmark::DoNotOptimize(it->Valid());
  }
}
BENCHMARK(BM_Seek);

void BM_Next(benchmark::State& state) {
  const World& world = World::Get();
  const auto it = world.readers[0]->NewIterator({});
  uint64_t sum = 0;
  for (auto _ : state) {
    if (!it->Valid()) it->SeekToFirst();
    sum += static_cast<uint8_t>(it->key()[7]) + it->value().size();
    it->Next();
  }
  benchmark::DoNotOptimize(sum);
}
BENCHMARK(BM_Next);

void BM_Prev(benchmark::State& state) {
  const World& world = World::Get();
  const auto it = world.readers[0]->NewIterator({});
  uint64_t sum = 0;
  for (auto _ : state) {
    if (!it->Valid()) it->SeekToLast();
    sum += static_cast<uint8_t>(it->key()[7]) + it->value().size();
    it->Prev();
  }
  benchmark::DoNotOptimize(sum);
}
BENCHMARK(BM_Prev);

// Blocks read from the file (a string), read ahead and used where they lie.
void BM_ScanUncached(benchmark::State& state) {
  MemoryWritableFile file;
  SegmentBuilderOptions options;
  options.number = 1;
  options.compression = static_cast<Compression>(state.range(0));
  SegmentBuilder builder(options, &file);
  if (!AddKeys(&builder, 0, kSegments).ok()) abort();
  std::unique_ptr<SegmentReader> reader;
  if (!SegmentReader::Open({}, std::make_unique<MemoryRandomAccessFile>(file.bytes()), "bench.seg",
                           1, &reader)
           .ok()) {
    abort();
  }
  const auto it = reader->NewIterator({});
  uint64_t sum = 0;
  for (auto _ : state) {
    if (!it->Valid()) it->SeekToFirst();
    sum += static_cast<uint8_t>(it->key()[7]) + it->value().size();
    it->Next();
  }
  benchmark::DoNotOptimize(sum);
}
BENCHMARK(BM_ScanUncached)->DenseRange(0, 3);

// An item is an entry. Without compression, with snappy, lz4, zstd.
void BM_Build(benchmark::State& state) {
  uint64_t bytes = 0;
  for (auto _ : state) {
    NullFile file;
    SegmentBuilderOptions options;
    options.number = 1;
    options.compression = static_cast<Compression>(state.range(0));
    SegmentBuilder builder(options, &file);
    if (!AddKeys(&builder, 0, kSegments).ok()) abort();
    bytes = file.size();
  }
  const uint64_t entries = (kKeys + kSegments - 1) / kSegments;
  state.SetItemsProcessed(state.iterations() * entries);
  state.counters["bytes_per_entry"] = static_cast<double>(bytes) / entries;
}
BENCHMARK(BM_Build)->DenseRange(0, 3)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace varve

BENCHMARK_MAIN();
