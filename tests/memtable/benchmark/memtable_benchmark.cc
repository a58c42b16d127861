#include <benchmark/benchmark.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "memtable/memtable.h"
#include "util/internal_key.h"
#include "util/random.h"
#include "util/thread.h"

// Memtables of 4 to 64 MiB with 16-byte keys and 100-byte values, as db_bench makes them: eight
// bytes of a number, most significant first, and eight of '0'. One iteration is one operation; a
// memtable that is full is replaced, its making and its end included.

namespace varve {
namespace {

constexpr uint64_t kKeys = 3000000;
constexpr size_t kValueBytes = 100;

enum KeyKind : int64_t { kBinary, kText };

class Key {
 public:
  explicit Key(KeyKind kind) : kind_(kind) { std::memset(bytes_, '0', sizeof(bytes_)); }
  Slice Of(uint64_t number) {
    if (kind_ == kBinary) {
      const uint64_t high_first = __builtin_bswap64(number);
      std::memcpy(bytes_, &high_first, sizeof(high_first));
    } else {  // "user" and twelve digits
      std::memcpy(bytes_, "user", 4);
      for (int i = 15; i > 3; --i, number /= 10) {
        bytes_[i] = static_cast<char>('0' + number % 10);
      }
    }
    return Slice(bytes_, sizeof(bytes_));
  }

 private:
  const KeyKind kind_;
  char bytes_[16];
};

const InternalKeyComparator kComparator(BytewiseComparator());
const std::string kValue(kValueBytes, 'v');

std::unique_ptr<MemTable> Filled(size_t bytes, KeyKind kind, uint64_t seed,
                                 const std::string& common_prefix = "") {
  auto table = std::make_unique<MemTable>(kComparator, common_prefix, bytes);
  Random random(seed);
  Key key(kind);
  for (SequenceNumber s = 1; table->used_bytes() < bytes; ++s) {
    table->Add(s, ValueType::kValue, key.Of(random.Uniform(kKeys)), kValue);
  }
  return table;
}

template <typename Next>
void Insert(benchmark::State& state, KeyKind kind, const Next& next) {
  const size_t bytes = static_cast<size_t>(state.range(0)) << 20;
  Key key(kind);
  auto table = std::make_unique<MemTable>(kComparator, Slice(), bytes);
  SequenceNumber sequence = 0;
  for (auto _ : state) {
    if (table->used_bytes() >= bytes) {
      const std::string common_prefix = table->CommonPrefix();
      table = std::make_unique<MemTable>(kComparator, common_prefix, bytes);
    }
    ++sequence;
    table->Add(sequence, ValueType::kValue, key.Of(next(sequence)), kValue);
  }
}

void InsertInOrder(benchmark::State& state) {
  Insert(state, kBinary, [](uint64_t i) { return i; });
}
void InsertAtRandom(benchmark::State& state) {
  Random random(1);
  Insert(state, kBinary, [&](uint64_t) { return random.Uniform(kKeys); });
}
void InsertTextAtRandom(benchmark::State& state) {
  Random random(1);
  Insert(state, kText, [&](uint64_t) { return random.Uniform(kKeys); });
}
BENCHMARK(InsertInOrder)->Arg(4)->Arg(8)->Arg(16)->Arg(64);
BENCHMARK(InsertAtRandom)->Arg(4)->Arg(8)->Arg(16)->Arg(64);
BENCHMARK(InsertTextAtRandom)->Arg(8);

// As InsertAtRandom, by as many threads as the second argument says, into one memtable.
void InsertConcurrently(benchmark::State& state) {
  const size_t bytes = static_cast<size_t>(state.range(0)) << 20;
  const int threads = static_cast<int>(state.range(1));
  uint64_t inserted = 0;
  for (auto _ : state) {
    MemTable table(kComparator);
    std::atomic<SequenceNumber> sequence{0};
    std::vector<Thread> writers;
    for (int t = 0; t < threads; ++t) {
      writers.emplace_back("writer", [&, t] {
        Random random(t + 1);
        Key key(kBinary);
        MemTable::Tally tally;
        while (table.used_bytes() < bytes) {
          table.AddConcurrently(sequence.fetch_add(1, std::memory_order_relaxed) + 1,
                                ValueType::kValue, key.Of(random.Uniform(kKeys)), kValue, &tally);
          if (tally.entries == 64) {  // about a commit group's
            table.AddTally(tally);
            tally = {};
          }
        }
        table.AddTally(tally);
      });
    }
    writers.clear();
    inserted += table.entries();
  }
  state.SetItemsProcessed(static_cast<int64_t>(inserted));
}
BENCHMARK(InsertConcurrently)
    ->Args({8, 1})
    ->Args({8, 2})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

void Get(benchmark::State& state, bool present) {
  const auto table = Filled(static_cast<size_t>(state.range(0)) << 20, kBinary, 1);
  Random random(1);
  Key key(kBinary);
  uint64_t left = table->entries(), hits = 0;
  for (auto _ : state) {
    if (left-- == 0) {
      random = Random(1);
      left = table->entries() - 1;
    }
    const uint64_t number = random.Uniform(kKeys) + (present ? 0 : kKeys);
    Slice value;
    uint64_t trailer;
    hits += table->Get(LookupKey(key.Of(number), kMaxSequence), &value, &trailer);
  }
  if ((hits == 0) == present) state.SkipWithError("hits are not what they must be");
}
void GetPresent(benchmark::State& state) { Get(state, true); }
void GetMissing(benchmark::State& state) { Get(state, false); }
BENCHMARK(GetPresent)->Arg(4)->Arg(8)->Arg(16)->Arg(64);
BENCHMARK(GetMissing)->Arg(8);

void Step(benchmark::State& state, bool forward) {
  const auto table = Filled(static_cast<size_t>(state.range(0)) << 20, kBinary, 1);
  const auto it = table->NewIterator();
  for (auto _ : state) {
    if (!it->Valid()) {
      forward ? it->SeekToFirst() : it->SeekToLast();
    } else {
      forward ? it->Next() : it->Prev();
    }
    if (it->Valid()) benchmark::DoNotOptimize(it->value().front());
  }
}
void Next(benchmark::State& state) { Step(state, true); }
void Prev(benchmark::State& state) { Step(state, false); }
BENCHMARK(Next)->Arg(8)->Arg(64);
BENCHMARK(Prev)->Arg(8)->Arg(64);

}  // namespace
}  // namespace varve

BENCHMARK_MAIN();
