// The user's iterator over range tombstones and merge operands.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/db/db_iter_fixture.h"
#include "util/random.h"

namespace varve {
namespace {

using namespace db_iter_fixture;  // NOLINT: its names are made for these tests

std::string Numbered(int i) {
  std::string key = std::to_string(i);
  return std::string(7 - key.size(), '0') + key;
}

// One source: entries and range tombstones.
struct Source {
  std::vector<TestVersion> versions;
  std::vector<RangeTombstone> ranges;
};

struct Scenario {
  std::string what;
  std::vector<Source> sources;  // newest first
  SequenceNumber at;
  std::string shown;
};

// Both walks, and both turns at each key: a step there and back.
void Expect(const Scenario& scenario) {
  SCOPED_TRACE(scenario.what);
  TestSource source{InternalKeyComparator(BytewiseComparator()), scenario.sources.size()};
  for (size_t i = 0; i < scenario.sources.size(); ++i) {
    for (const TestVersion& version : scenario.sources[i].versions) source.Add(i, version);
    for (const RangeTombstone& range : scenario.sources[i].ranges) source.AddRange(i, range);
  }
  source.Sort();
  source.at = scenario.at;
  const auto it = Iterate(&source);
  EXPECT_EQ(Walk(it.get(), true), scenario.shown);
  EXPECT_EQ(Walk(it.get(), false), scenario.shown);
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const std::string here = Text(*it);
    it->Prev();
    if (!it->Valid()) {
      it->SeekToFirst();
    } else {
      it->Next();
    }
    EXPECT_EQ(Text(*it), here);
  }
  for (it->SeekToLast(); it->Valid(); it->Prev()) {
    const std::string here = Text(*it);
    it->Next();
    if (!it->Valid()) {
      it->SeekToLast();
    } else {
      it->Prev();
    }
    EXPECT_EQ(Text(*it), here);
  }
}

TEST(DbIterRanges, CoveredEntriesDoNotShow) {
  const Scenario scenarios[] = {
      {"an older entry in the same source",
       {{{{"a", 1, kValue, "1"}, {"b", 2, kValue, "2"}, {"c", 3, kValue, "3"}}, {{"b", "c", 4}}}},
       9,
       "a=1 c=3"},
      {"the end is exclusive, the start inclusive",
       {{{}, {{"b", "d", 9}}},
        {{{"a", 1, kValue, ""}, {"b", 2, kValue, ""}, {"c", 3, kValue, ""}, {"d", 4, kValue, ""}},
         {}}},
       9,
       "a= d="},
      {"a newer entry shows, of the same source or a newer one",
       {{{{"b", 7, kValue, "7"}}, {}},
        {{{"c", 6, kValue, "6"}}, {{"a", "z", 5}}},
        {{{"a", 1, kValue, "1"}, {"b", 2, kValue, "2"}, {"c", 3, kValue, "3"}}, {}}},
       9,
       "b=7 c=6"},
      {"an older source's tombstone does not cover a newer entry",
       {{{{"a", 8, kValue, "8"}}, {}}, {{{"b", 1, kValue, "1"}}, {{"a", "c", 5}}}},
       9,
       "a=8"},
      {"a read below the tombstone sees what it covers",
       {{{}, {{"a", "z", 5}}}, {{{"a", 1, kValue, "1"}, {"b", 6, kValue, "6"}}, {}}},
       4,
       "a=1"},
      {"a read between two tombstones",
       {{{}, {{"a", "z", 3}, {"b", "z", 7}}}, {{{"a", 2, kValue, "2"}, {"b", 2, kValue, "2"}}, {}}},
       5,
       ""},
      {"the newest below the read counts, not the newest",
       {{{{"b", 5, kValue, "5"}}, {{"a", "z", 4}, {"a", "z", 8}}},
        {{{"a", 3, kValue, "3"}, {"b", 2, kValue, "2"}}, {}}},
       6,
       "b=5"},
      {"at its own sequence it is seen", {{{{"a", 1, kValue, "1"}}, {{"a", "b", 2}}}}, 2, ""},
      {"a tombstone of a key above a range tombstone",
       {{{{"a", 6, kDelete, ""}}, {{"a", "b", 5}}}, {{{"a", 1, kValue, "1"}}, {}}},
       9,
       ""},
      {"an older version that is not covered does not show through",
       {{{{"a", 4, kValue, "4"}}, {{"a", "b", 5}}}, {{{"a", 1, kValue, "1"}}, {}}},
       9,
       ""},
  };
  for (const Scenario& scenario : scenarios) Expect(scenario);
}

TEST(DbIterRanges, OperandsAreMergedDownToWhatIsNone) {
  const Scenario scenarios[] = {
      {"nothing beneath", {{{{"a", 1, kMerge, "1"}, {"a", 2, kMerge, "2"}}, {}}}, 9, "a=-,1,2"},
      {"a value beneath, and one beneath that",
       {{{{"a", 1, kValue, "x"}, {"a", 2, kValue, "y"}, {"a", 3, kMerge, "3"}}, {}}},
       9,
       "a=y,3"},
      {"a tombstone beneath",
       {{{{"a", 1, kValue, "x"}, {"a", 2, kDelete, ""}, {"a", 3, kMerge, "3"}}, {}}},
       9,
       "a=-,3"},
      {"operands in three sources, neighbours on both sides",
       {{{{"b", 9, kMerge, "9"}, {"b", 8, kMerge, "8"}}, {}},
        {{{"a", 5, kMerge, "5"}, {"b", 6, kMerge, "6"}}, {}},
        {{{"b", 2, kValue, "2"}, {"c", 1, kMerge, "1"}}, {}}},
       9,
       "a=-,5 b=2,6,8,9 c=-,1"},
      {"those above the sequence are left out",
       {{{{"a", 4, kMerge, "4"}, {"a", 3, kMerge, "3"}, {"a", 2, kValue, "2"}}, {}}},
       3,
       "a=2,3"},
      {"a range tombstone ends them",
       {{{{"a", 6, kMerge, "6"}, {"a", 5, kMerge, "5"}}, {{"a", "b", 4}}},
        {{{"a", 3, kMerge, "3"}, {"a", 1, kValue, "1"}}, {}}},
       9,
       "a=-,5,6"},
      {"a range tombstone between operands of one source",
       {{{{"a", 6, kMerge, "6"}, {"a", 3, kMerge, "3"}, {"a", 1, kValue, "1"}}, {{"a", "b", 4}}}},
       9,
       "a=-,6"},
      {"a range tombstone above all operands",
       {{{{"a", 6, kMerge, "6"}, {"a", 3, kMerge, "3"}}, {{"a", "b", 8}}}},
       9,
       ""},
      {"one that is too new to be seen does not",
       {{{{"a", 6, kMerge, "6"}, {"a", 3, kMerge, "3"}}, {{"a", "b", 8}}}},
       7,
       "a=-,3,6"},
      {"a value above operands", {{{{"a", 7, kValue, "7"}, {"a", 6, kMerge, "6"}}, {}}}, 9, "a=7"},
  };
  for (const Scenario& scenario : scenarios) Expect(scenario);
}

TEST(DbIterRanges, ManyOperandsAreMergedInEitherDirection) {
  for (const int operands : {30, 31, 32, 33, 34, 200}) {
    Source one{{{"a", 1, kValue, "a"}, {"b", 2, kValue, "b"}, {"c", 3, kValue, "c"}}, {}};
    std::string merged = "b";
    for (int i = 0; i < operands; ++i) {
      one.versions.push_back({"b", SequenceNumber(10 + i), kMerge, std::to_string(i)});
      merged += "," + std::to_string(i);
    }
    for (int i = 0; i < 40; ++i) {  // too new
      one.versions.push_back({"b", SequenceNumber(1000 + i), kMerge, "new"});
    }
    Expect({std::to_string(operands), {one}, 999, "a=a b=" + merged + " c=c"});
  }
}

TEST(DbIterRanges, WhatCannotBeMergedStopsTheIterator) {
  TestSource source{InternalKeyComparator(BytewiseComparator()), 1};
  source.Add(0, {"a", 1, kValue, "1"});
  source.Add(0, {"b", 2, kMerge, "!"});
  source.Add(0, {"c", 3, kValue, "3"});
  source.Sort();
  auto it = Iterate(&source);
  EXPECT_EQ(Walk(it.get(), true), "a=1 Corruption");
  EXPECT_EQ(Walk(it.get(), false), "Corruption c=3");
  it = NewDbIterator(InternalKeyComparator(BytewiseComparator()), nullptr, {},
                     std::make_unique<Borrowed>(&source));
  EXPECT_EQ(Walk(it.get(), true), "a=1 NotSupported");
  EXPECT_EQ(Walk(it.get(), false), "NotSupported c=3");
  // What is beneath operands counts: a version that says nothing to this build.
  source.Add(0, {"b", 1, ValueType::kValuePointer, ""});
  source.Sort();
  it = Iterate(&source);
  EXPECT_EQ(Walk(it.get(), true), "a=1 NotSupported");
  EXPECT_EQ(Walk(it.get(), false), "NotSupported c=3");
}

TEST(DbIterRanges, TombstonesThatCannotBeReadStopTheIterator) {
  TestSource source{InternalKeyComparator(BytewiseComparator()), 2};
  source.Add(1, {"a", 1, kValue, "1"});
  source.unreadable_ranges = 0;
  const auto it = Iterate(&source);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Walk(it.get(), true), "IOError");
    EXPECT_EQ(Walk(it.get(), false), "IOError");
  }
}

// A source's tombstone hides all of the older ones: its range is left by a seek of each.
TEST(DbIterRanges, AKeyRangeDeletedAtOnceCostsAFewSeeks) {
  for (const ValueType type : {kValue, kMerge}) {
    constexpr int kKeys = 20000;
    TestSource source{InternalKeyComparator(BytewiseComparator()), 4};
    for (int i = 0; i < kKeys; ++i) {
      source.Add(2 + i % 2, {Numbered(i), SequenceNumber(1 + i), kValue, "old"});
    }
    source.AddRange(1, {Numbered(10), Numbered(kKeys - 10), kKeys + 1});
    source.Add(0, {Numbered(kKeys / 2), kKeys + 2, type, "new"});
    source.Sort();
    const auto it = Iterate(&source);
    const std::string first = Numbered(9) + "=old", last = Numbered(kKeys - 10) + "=old";
    const std::string middle = Numbered(kKeys / 2) + (type == kMerge ? "=-,new" : "=new");
    constexpr uint64_t kMovesMax = 600;
    source.moves = 0;
    it->Seek(Numbered(10));
    EXPECT_EQ(Text(*it), middle);
    it->Next();
    EXPECT_EQ(Text(*it), last);
    it->Prev();
    EXPECT_EQ(Text(*it), middle);
    it->Prev();
    EXPECT_EQ(Text(*it), first);
    it->Next();
    EXPECT_EQ(Text(*it), middle);
    it->Prev();
    EXPECT_EQ(Text(*it), first);
    it->SeekForPrev(Numbered(kKeys - 11));
    EXPECT_EQ(Text(*it), middle);
    it->Next();
    EXPECT_EQ(Text(*it), last);
    EXPECT_LE(source.moves, kMovesMax);
    EXPECT_TRUE(source.hidden_runs.empty());
  }
}

TEST(DbIterRanges, LongRunsOfHiddenEntriesAreTold) {
  constexpr int kKeys = 3 * kHiddenRunMin;
  TestSource source{InternalKeyComparator(BytewiseComparator()), 1};
  for (int i = 0; i < kKeys; ++i) {
    const bool shows = i == 0 || i == kKeys - 1 || i == kHiddenRunMin;
    source.Add(0, {Numbered(i), SequenceNumber(1 + i), shows ? kValue : kDelete, ""});
  }
  source.Sort();
  const auto it = Iterate(&source);
  it->SeekToFirst();
  it->Next();  // one entry less than would be told
  EXPECT_EQ(it->key(), Numbered(kHiddenRunMin));
  EXPECT_TRUE(source.hidden_runs.empty());
  it->Next();
  ASSERT_EQ(source.hidden_runs.size(), 1u);
  const std::string until = Numbered(kKeys - 2) + ":" + std::to_string(kKeys - kHiddenRunMin - 2);
  EXPECT_EQ(source.hidden_runs[0], Numbered(kHiddenRunMin + 64) + "-" + until);
  it->Prev();
  ASSERT_EQ(source.hidden_runs.size(), 2u);
  EXPECT_EQ(source.hidden_runs[1].substr(0, 7), Numbered(kHiddenRunMin));
  // Entries too new to be seen are no concern of a compaction.
  source.hidden_runs.clear();
  source.at = 1;
  ASSERT_TRUE(it->Refresh().ok());
  it->SeekToFirst();
  it->Next();
  EXPECT_FALSE(it->Valid());
  EXPECT_TRUE(source.hidden_runs.empty());
}

// ---- Model --------------------------------------------------------------------------------------

class DbIterRangesModel : public testing::TestWithParam<const Comparator*> {};

TEST_P(DbIterRangesModel, WalksLikeTheMapOfAllWrites) {
  const Comparator* const comparator = GetParam();
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const int alphabet = 2 + static_cast<int>(random.Uniform(3));
    // Many keys, so that ranges cover runs of them, or few, so that they have many versions.
    const bool many_keys = random.OneIn(4);
    const auto key = [&] {
      return many_keys ? Numbered(static_cast<int>(random.Uniform(700)))
                       : RandomKey(&random, alphabet);
    };
    const uint64_t count = random.Uniform(many_keys ? 2000 : random.OneIn(3) ? 700 : 60);
    const uint64_t hot = many_keys ? 0 : random.Uniform(4);  // of 4: versions of one key
    const uint64_t range_share = (many_keys ? 100 : 2) + random.Uniform(many_keys ? 400 : 40),
                   merge_share = 1 + random.Uniform(5);
    // Which sequences each source has: the first the newest.
    const size_t sources = 1 + random.Uniform(4);
    std::vector<SequenceNumber> starts = {0};
    while (starts.size() < sources) starts.push_back(random.Uniform(count + 1));
    std::sort(starts.rbegin(), starts.rend());

    TestSource source(InternalKeyComparator(comparator), sources);
    Everything all;
    for (SequenceNumber sequence = 1; sequence <= count; ++sequence) {
      const size_t child = std::find_if(starts.begin(), starts.end(),
                                        [&](SequenceNumber start) { return start < sequence; }) -
                           starts.begin();
      // Some ranges that little was written into since.
      const bool late = many_keys && sequence + 30 > count;
      if (random.OneIn(late ? 6 : range_share)) {
        all.ranges.push_back({key(), key(), sequence});
        source.AddRange(child, all.ranges.back());
        continue;
      }
      const ValueType type = random.OneIn(4)             ? kDelete
                             : random.OneIn(merge_share) ? kMerge
                                                         : kValue;
      all.versions.push_back({random.Uniform(4) < hot ? "a" : key(), sequence, type,
                              type == kDelete ? "" : std::to_string(sequence)});
      source.Add(child, all.versions.back());
    }
    source.Sort();
    source.at = random.OneIn(3) ? kMaxSequence : random.Uniform(count + 1);
    ReadOptions options;
    const std::string lower = key(), upper = key();
    if (random.OneIn(3)) options.lower_bound = lower;
    if (random.OneIn(3)) options.upper_bound = upper;
    const State state = StateAt(comparator, all, source.at, options);

    const auto it = Iterate(&source, options, comparator);
    size_t at = SIZE_MAX;
    for (int step = 0; step < 300; ++step) {
      const uint64_t what = random.Uniform(20);
      const std::string target = many_keys ? key() : RandomKey(&random, 4);
      const auto before = [&](bool or_equal) {
        return std::count_if(state.begin(), state.end(), [&](const auto& entry) {
          const int order = comparator->Compare(entry.first, target);
          return order < 0 || (or_equal && order == 0);
        });
      };
      if (what == 0) {
        it->SeekToFirst();
        at = 0;
      } else if (what == 1) {
        it->SeekToLast();
        at = state.size() - 1;
      } else if (what == 2) {
        it->Seek(target);
        at = before(false);
      } else if (what == 3) {
        it->SeekForPrev(target);
        at = before(true) - 1;
      } else if (at < state.size()) {
        if (what < 12) {
          it->Next();
          ++at;
        } else {
          it->Prev();
          --at;
        }
      }
      ASSERT_TRUE(it->status().ok()) << it->status().ToString();
      ASSERT_EQ(it->Valid(), at < state.size()) << "step " << step;
      if (it->Valid()) {
        ASSERT_EQ(it->key(), state[at].first);
        ASSERT_EQ(it->value(), state[at].second);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Comparators, DbIterRangesModel,
                         testing::Values(BytewiseComparator(), ReverseComparator()));

}  // namespace
}  // namespace varve
