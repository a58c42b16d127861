#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <vector>

#include "memtable/memtable.h"
#include "tests/support/baton_scheduler.h"
#include "util/scheduler.h"
#include "util/thread.h"

// Readers of range tombstones beside those who add them, made to run under tsan too.

namespace varve {
namespace {

std::string KeyOf(SequenceNumber sequence) { return std::to_string(100'000 + sequence); }

// Tombstone s covers the key of s alone.
void AddTombstone(MemTable* table, SequenceNumber sequence, MemTable::Tally* tally) {
  table->AddConcurrently(sequence, ValueType::kRangeDelete, KeyOf(sequence), KeyOf(sequence + 1),
                         tally);
}

constexpr int kWriters = 3;

// Each of three writers adds `count` tombstones beside the others, and each of two readers checks,
// `rounds` times, that it sees all those whose addition had returned.
void RunWritersAndReaders(int count, int rounds) {
  MemTable table{InternalKeyComparator(BytewiseComparator())};
  std::atomic<int> added[kWriters] = {};
  const auto sequence_of = [](int writer, int i) {
    return static_cast<SequenceNumber>(1 + i * kWriters + writer);
  };
  std::vector<Thread> threads;
  for (int writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back("writer", [&, writer] {
      MemTable::Tally tally;
      for (int i = 0; i < count; ++i) {
        AddTombstone(&table, sequence_of(writer, i), &tally);
        added[writer].store(i + 1, std::memory_order_release);
      }
      table.AddTally(tally);
    });
  }
  for (int reader = 0; reader < 2; ++reader) {
    threads.emplace_back("reader", [&] {
      for (int round = 0; round < rounds; ++round) {
        for (int writer = 0; writer < kWriters; ++writer) {
          const int seen = added[writer].load(std::memory_order_acquire);
          if (seen == 0) continue;
          ASSERT_TRUE(table.has_range_tombstones());
          const auto list = table.range_tombstones();
          for (int i = 0; i < seen; ++i) {
            const SequenceNumber sequence = sequence_of(writer, i);
            ASSERT_EQ(list->MaxCovering(KeyOf(sequence), kMaxSequence), sequence);
            ASSERT_EQ(table.MaxCoveringTombstone(KeyOf(sequence), sequence), sequence);
            ASSERT_EQ(table.MaxCoveringTombstone(KeyOf(sequence), sequence - 1), 0u);
          }
        }
        SchedulePoint();
      }
    });
  }
  for (Thread& thread : threads) thread.Join();
  ASSERT_EQ(table.range_deletes(), static_cast<uint64_t>(kWriters * count));
  ASSERT_EQ(table.entries(), static_cast<uint64_t>(kWriters * count));
  ASSERT_EQ(table.range_tombstones()->fragments(), static_cast<size_t>(kWriters * count));
}

TEST(MemTableRangesConcurrent, ReadersSeeWhatWasAdded) { RunWritersAndReaders(100, 40); }

TEST(MemTableRangesConcurrent, EveryInterleavingOfAFewBySeeds) {
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    BatonScheduler scheduler({.seed = seed});
    scheduler.Run([] { RunWritersAndReaders(4, 3); });
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace varve
