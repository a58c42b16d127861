#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "memtable/memtable.h"
#include "util/random.h"

// Range tombstones in a memtable.

namespace varve {
namespace {

MemTable Make() { return MemTable{InternalKeyComparator(BytewiseComparator())}; }

TEST(MemTableRanges, ThereAreNoneAtFirst) {
  MemTable table = Make();
  table.Add(1, ValueType::kValue, "a", "1");
  EXPECT_FALSE(table.has_range_tombstones());
  EXPECT_EQ(table.range_tombstones(), nullptr);
  EXPECT_EQ(table.MaxCoveringTombstone("a", kMaxSequence), 0u);
  EXPECT_EQ(table.range_deletes(), 0u);
}

TEST(MemTableRanges, LieApartFromPoints) {
  for (const bool concurrently : {false, true}) {
    MemTable table = Make();
    if (concurrently) {
      MemTable::Tally tally;
      table.AddConcurrently(7, ValueType::kRangeDelete, "b", "d", &tally);
      table.AddTally(tally);
    } else {
      table.Add(7, ValueType::kRangeDelete, "b", "d");
    }
    EXPECT_TRUE(table.has_range_tombstones());
    EXPECT_FALSE(table.empty());
    EXPECT_EQ(table.entries(), 1u);
    EXPECT_EQ(table.deletes(), 0u);
    EXPECT_EQ(table.range_deletes(), 1u);
    EXPECT_EQ(table.smallest_sequence(), 7u);
    EXPECT_EQ(table.largest_sequence(), 7u);
    Slice value;
    uint64_t trailer;
    EXPECT_FALSE(table.Get(LookupKey("b", kMaxSequence), &value, &trailer));
    const auto it = table.NewIterator();
    it->SeekToFirst();
    EXPECT_FALSE(it->Valid());
    EXPECT_EQ(table.CommonPrefix(), "");

    EXPECT_EQ(table.MaxCoveringTombstone("b", 7), 7u);
    EXPECT_EQ(table.MaxCoveringTombstone("b", 6), 0u);
    EXPECT_EQ(table.MaxCoveringTombstone("d", 7), 0u);
  }
}

TEST(MemTableRanges, ListsAreMadeAnewAfterAChangeAndOutliveTheTable) {
  std::shared_ptr<const FragmentedRangeTombstones> first, second;
  {
    MemTable table = Make();
    table.Add(1, ValueType::kRangeDelete, "a", "m");
    first = table.range_tombstones();
    EXPECT_EQ(table.range_tombstones(), first);  // nothing changed: the same one
    table.Add(2, ValueType::kRangeDelete, "c", "z");
    second = table.range_tombstones();
    EXPECT_EQ(table.MaxCoveringTombstone("d", kMaxSequence), 2u);
  }
  EXPECT_EQ(first->MaxCovering("d", kMaxSequence), 1u);
  EXPECT_EQ(second->MaxCovering("d", kMaxSequence), 2u);
  EXPECT_EQ(second->tombstones(), 2u);
}

TEST(MemTableRanges, EmptyOnesAreEntriesThatDeleteNothing) {
  MemTable table = Make();
  table.Add(4, ValueType::kRangeDelete, "b", "b");
  table.Add(5, ValueType::kRangeDelete, "c", "b");
  EXPECT_FALSE(table.has_range_tombstones());
  EXPECT_EQ(table.entries(), 2u);
  EXPECT_EQ(table.largest_sequence(), 5u);
}

TEST(MemTableRanges, AreAccountedFor) {
  MemTable table = Make();
  Random random(5);
  SequenceNumber sequence = 0;
  for (int batch = 0; batch < 100; ++batch) {
    const size_t before = table.used_bytes();
    const uint64_t count = 1 + random.Uniform(50);
    size_t data = 0;
    uint64_t ranges = 0;
    for (uint64_t i = 0; i < count; ++i) {
      const std::string key = "k" + std::string(random.Uniform(100), 'k');
      const std::string value = "l" + std::string(random.Uniform(100), 'v');
      const bool range = random.OneIn(3);
      table.Add(++sequence, range ? ValueType::kRangeDelete : ValueType::kValue, key, value);
      data += key.size() + value.size();
      ranges += range;
    }
    EXPECT_GE(table.used_bytes() - before, data);
    EXPECT_LE(table.used_bytes() - before, MemTable::BytesMax(count, data, ranges));
  }
  // What is charged covers the elements and the list made of them.
  MemTable only_ranges = Make();
  const size_t empty = only_ranges.used_bytes();
  for (SequenceNumber s = 1; s <= 2000; ++s) {  // each within the one before
    const std::string number = std::to_string(100'000 + s);
    only_ranges.Add(s, ValueType::kRangeDelete, number, "9" + std::to_string(100'000 - s));
  }
  EXPECT_GT(only_ranges.used_bytes() - empty, only_ranges.range_tombstones()->memory_bytes());
  EXPECT_GE(only_ranges.bytes(), only_ranges.used_bytes());
}

}  // namespace
}  // namespace varve
