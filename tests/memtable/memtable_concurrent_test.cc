#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "memtable/memtable.h"
#include "memtable/skiplist.h"
#include "tests/support/baton_scheduler.h"
#include "util/hash.h"
#include "util/random.h"
#include "util/scheduler.h"
#include "util/thread.h"

// Readers beside writers, made to run under tsan too.

namespace varve {
namespace {

// Entry number i of a writer has a key and a value that follow from its sequence, so that any
// reader can tell whether what it sees is whole.
std::string KeyOf(SequenceNumber sequence, uint64_t spread) {
  const uint64_t number = Mix64(sequence) % spread;
  char key[24];
  std::snprintf(key, sizeof(key), "%08x%08x", static_cast<unsigned>(number),
                static_cast<unsigned>(number * 7));
  return key;
}
std::string ValueOf(SequenceNumber sequence) {
  return std::string(sequence % 60, 'v') + std::to_string(Mix64(sequence));
}

// One pass over the table: in order, whole, and with `expected` entries at or below `published`.
void CheckPass(const MemTable& table, uint64_t spread, SequenceNumber published,
               uint64_t expected) {
  const InternalKeyComparator comparator(BytewiseComparator());
  const auto it = table.NewIterator();
  std::string previous;
  uint64_t seen = 0;
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const std::string key(it->key());
    if (!previous.empty()) {
      ASSERT_LT(comparator.Compare(previous, key), 0);
    }
    const SequenceNumber sequence = TrailerSequence(ExtractTrailer(key));
    ASSERT_EQ(ExtractUserKey(key), KeyOf(sequence, spread));
    ASSERT_EQ(it->value(), ValueOf(sequence));
    seen += sequence <= published;
    previous = key;
  }
  ASSERT_EQ(seen, expected);
}

void CheckBackward(const MemTable& table, SequenceNumber published) {
  const InternalKeyComparator comparator(BytewiseComparator());
  const auto it = table.NewIterator();
  std::string previous;
  uint64_t seen = 0;
  for (it->SeekToLast(); it->Valid(); it->Prev()) {
    const std::string key(it->key());
    if (!previous.empty()) {
      ASSERT_GT(comparator.Compare(previous, key), 0);
    }
    seen += TrailerSequence(ExtractTrailer(key)) <= published;
    previous = key;
  }
  ASSERT_EQ(seen, published);
}

// Commit groups in turn: some by one writer, some by several at once, as the write queue does it.
TEST(MemTableConcurrent, ReadersSeeWholeEntriesInOrder) {
  constexpr int kGroups = 60;
  constexpr int kPerGroup = 100;
  constexpr int kWriters = 3;
  constexpr uint64_t kSpread = 3000;  // so that keys come again
  // A filter of few words: writers meet in them.
  MemTable table(InternalKeyComparator(BytewiseComparator()), Slice(), 64 << 10);
  std::atomic<SequenceNumber> published{0};
  std::atomic<bool> done{false};

  std::vector<Thread> readers;
  for (int reader = 0; reader < 2; ++reader) {
    readers.emplace_back("reader", [&, reader] {
      Random random(reader + 1);
      while (!done.load(std::memory_order_acquire)) {
        const SequenceNumber last = published.load(std::memory_order_acquire);
        if (last == 0) continue;
        for (int i = 0; i < 50; ++i) {
          const SequenceNumber sequence = 1 + random.Uniform(last);
          Slice value;
          uint64_t trailer = 0;
          ASSERT_TRUE(table.Get(LookupKey(KeyOf(sequence, kSpread), sequence), &value, &trailer));
          ASSERT_EQ(TrailerSequence(trailer), sequence);
          ASSERT_EQ(value, ValueOf(sequence));
        }
        if (reader == 0) {
          CheckPass(table, kSpread, last, last);
        } else {
          CheckBackward(table, last);
        }
      }
    });
  }

  SequenceNumber next = 1;
  for (int group = 0; group < kGroups; ++group) {
    if (group % 3 == 0) {
      for (int i = 0; i < kPerGroup; ++i, ++next) {
        table.Add(next, ValueType::kValue, KeyOf(next, kSpread), ValueOf(next));
      }
    } else {
      std::vector<Thread> writers;
      for (int writer = 0; writer < kWriters; ++writer) {
        writers.emplace_back("writer", [&table, first = next + writer] {
          MemTable::Tally tally;
          for (SequenceNumber s = first; s < first + kPerGroup * kWriters; s += kWriters) {
            table.AddConcurrently(s, ValueType::kValue, KeyOf(s, kSpread), ValueOf(s), &tally);
          }
          table.AddTally(tally);
        });
      }
      for (Thread& writer : writers) writer.Join();
      next += kPerGroup * kWriters;
    }
    published.store(next - 1, std::memory_order_release);
  }
  done.store(true, std::memory_order_release);
  for (Thread& reader : readers) reader.Join();
  EXPECT_EQ(table.entries(), next - 1);
  EXPECT_EQ(table.largest_sequence(), next - 1);
  EXPECT_EQ(table.smallest_sequence(), 1u);
  CheckPass(table, kSpread, next - 1, next - 1);
}

// Many threads insert next to each other, which is where links race; then every link must be exact.
TEST(MemTableConcurrent, LinksAreExactWhenInsertsAreDone) {
  constexpr int kWriters = 4;
  constexpr int kPerWriter = 3000;
  for (const uint64_t spread : {uint64_t{1}, uint64_t{50}, uint64_t{1000000}}) {
    SkipList list{InternalKeyComparator(BytewiseComparator())};
    std::vector<Thread> writers;
    for (int writer = 0; writer < kWriters; ++writer) {
      writers.emplace_back("writer", [&list, writer, spread] {
        for (int i = 0; i < kPerWriter; ++i) {
          const SequenceNumber sequence = static_cast<SequenceNumber>(i) * kWriters + writer + 1;
          const std::string key = KeyOf(sequence, spread);
          list.InsertConcurrently(list.MakeTarget(key, PackTrailer(sequence, ValueType::kValue)),
                                  "v");
          if (i % 64 == 0) list.NoteConcurrentInserts(64);
        }
      });
    }
    for (Thread& writer : writers) writer.Join();
    ASSERT_TRUE(list.Consistent());
    uint64_t count = 0;
    for (const SkipList::Node* node = list.First(); node != nullptr; node = node->Next()) ++count;
    EXPECT_EQ(count, static_cast<uint64_t>(kWriters) * kPerWriter);
  }
}

// The same by seeds that decide every interleaving (in builds with schedule points), few inserts
// each, and a reader who may come in between any two steps.
TEST(MemTableConcurrent, AnyInterleavingKeepsLinksExactAndReadersInOrder) {
  constexpr int kWriters = 3;
  constexpr int kPerWriter = 8;
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    BatonScheduler scheduler({.seed = seed});
    scheduler.Run([seed] {
      MemTable table{InternalKeyComparator(BytewiseComparator())};
      SkipList list{InternalKeyComparator(BytewiseComparator())};
      std::atomic<SequenceNumber> done_by[kWriters] = {};
      const auto sequence_of = [seed](int writer, int i) {
        return seed * 1000 + static_cast<SequenceNumber>(i * kWriters + writer);
      };
      const uint64_t spread = 1 + seed % 40;
      std::vector<Thread> threads;
      for (int writer = 0; writer < kWriters; ++writer) {
        threads.emplace_back("writer", [&, writer] {
          MemTable::Tally tally;
          for (int i = 0; i < kPerWriter; ++i) {
            const SequenceNumber sequence = sequence_of(writer, i);
            const std::string key = KeyOf(sequence, spread);
            list.InsertConcurrently(list.MakeTarget(key, PackTrailer(sequence, ValueType::kValue)),
                                    "v");
            table.AddConcurrently(sequence, ValueType::kValue, key, ValueOf(sequence), &tally);
            done_by[writer].store(i + 1, std::memory_order_release);
          }
          table.AddTally(tally);
        });
      }
      threads.emplace_back("reader", [&] {
        for (int round = 0; round < 6; ++round) {
          for (int writer = 0; writer < kWriters; ++writer) {
            const SequenceNumber done = done_by[writer].load(std::memory_order_acquire);
            for (SequenceNumber i = 0; i < done; ++i) {
              const SequenceNumber sequence = sequence_of(writer, static_cast<int>(i));
              Slice value;
              uint64_t trailer = 0;
              ASSERT_TRUE(
                  table.Get(LookupKey(KeyOf(sequence, spread), sequence), &value, &trailer));
              ASSERT_EQ(TrailerSequence(trailer), sequence);
              ASSERT_EQ(value, ValueOf(sequence));
            }
          }
          SchedulePoint();
        }
      });
      for (Thread& thread : threads) thread.Join();
      ASSERT_TRUE(list.Consistent());
      CheckPass(table, spread, kMaxSequence, kWriters * kPerWriter);
    });
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace varve
