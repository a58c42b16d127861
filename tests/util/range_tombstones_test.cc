#include "util/range_tombstones.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/comparators.h"
#include "util/random.h"

namespace varve {
namespace {

const InternalKeyComparator kBytewise(BytewiseComparator());

std::vector<SequenceNumber> SequencesOf(const FragmentedRangeTombstones& list, size_t fragment) {
  std::vector<SequenceNumber> sequences;
  list.AppendSequences(fragment, &sequences);
  return sequences;
}

std::string Describe(const FragmentedRangeTombstones& list) {
  std::string text;
  for (size_t i = 0; i < list.fragments(); ++i) {
    text += "[" + std::string(list.start(i)) + "," + std::string(list.end(i)) + ")";
    for (SequenceNumber s : SequencesOf(list, i)) text += " " + std::to_string(s);
    text += "\n";
  }
  return text;
}

std::string Describe(const std::vector<RangeTombstone>& tombstones) {
  std::string text;
  for (const RangeTombstone& t : tombstones) {
    text += "[" + t.start + "," + t.end + ") " + std::to_string(t.sequence) + "\n";
  }
  return text;
}

TEST(RangeTombstones, AreCutAtAllStartsAndEnds) {
  const FragmentedRangeTombstones list(kBytewise, {{"e", "g", 2}, {"c", "g", 7}, {"a", "e", 4}});
  EXPECT_EQ(Describe(list),
            "[a,c) 4\n"
            "[c,e) 7 4\n"
            "[e,g) 7 2\n");
  EXPECT_EQ(Describe(list.Tombstones()), "[a,e) 4\n[c,g) 7\n[e,g) 2\n");
  EXPECT_EQ(list.tombstones(), 3u);
  EXPECT_EQ(list.smallest_sequence(), 2u);
  EXPECT_EQ(list.largest_sequence(), 7u);
  EXPECT_GT(list.memory_bytes(), sizeof(list));
}

TEST(RangeTombstones, CoverTheStartAndNotTheEnd) {  // Checklist C8
  const FragmentedRangeTombstones list(kBytewise, {{"b", "d", 5}, {"f", "g", 6}});
  EXPECT_EQ(list.MaxCovering("a", kMaxSequence), 0u);
  EXPECT_EQ(list.MaxCovering("b", kMaxSequence), 5u);
  EXPECT_EQ(list.MaxCovering("czz", kMaxSequence), 5u);
  EXPECT_EQ(list.MaxCovering("d", kMaxSequence), 0u);
  EXPECT_EQ(list.MaxCovering("e", kMaxSequence), 0u);  // a gap
  EXPECT_EQ(list.MaxCovering("f", kMaxSequence), 6u);
  EXPECT_EQ(list.MaxCovering("g", kMaxSequence), 0u);
  EXPECT_EQ(list.FindFragment(""), 0u);
  EXPECT_EQ(list.FindFragment("d"), 1u);  // the first that ends after it
  EXPECT_EQ(list.FindFragment("g"), 2u);
}

TEST(RangeTombstones, ShowOnlyWhatAReaderMaySee) {
  const FragmentedRangeTombstones list(kBytewise, {{"a", "c", 5}, {"a", "b", 9}});
  EXPECT_EQ(list.MaxCovering("a", 4), 0u);
  EXPECT_EQ(list.MaxCovering("a", 5), 5u);
  EXPECT_EQ(list.MaxCovering("a", 8), 5u);
  EXPECT_EQ(list.MaxCovering("a", 9), 9u);
  EXPECT_EQ(list.MaxCovering("b", 9), 5u);
}

TEST(RangeTombstones, OfNothingAreNone) {
  const FragmentedRangeTombstones none(kBytewise, {});
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(none.MaxCovering("a", kMaxSequence), 0u);
  EXPECT_EQ(none.FindFragment("a"), 0u);
  EXPECT_TRUE(none.Tombstones().empty());

  const FragmentedRangeTombstones empty_ranges(kBytewise, {{"a", "a", 1}, {"c", "b", 2}});
  EXPECT_TRUE(empty_ranges.empty());
  EXPECT_EQ(empty_ranges.tombstones(), 0u);
}

TEST(RangeTombstones, OfOneSequenceThatTouchAreOne) {
  const FragmentedRangeTombstones list(
      kBytewise, {{"c", "e", 5}, {"a", "c", 5}, {"d", "f", 5}, {"x", "z", 5}, {"a", "b", 5}});
  EXPECT_EQ(Describe(list), "[a,f) 5\n[x,z) 5\n");
  EXPECT_EQ(Describe(list.Tombstones()), "[a,f) 5\n[x,z) 5\n");
}

TEST(RangeTombstones, AreClippedToBounds) {
  const FragmentedRangeTombstones list(kBytewise, {{"b", "f", 3}, {"a", "d", 4}, {"x", "z", 1}});
  EXPECT_EQ(Describe(list.Tombstones("c", "e")), "[c,d) 4\n[c,e) 3\n");
  EXPECT_EQ(Describe(list.Tombstones("d", std::nullopt)), "[d,f) 3\n[x,z) 1\n");
  EXPECT_EQ(Describe(list.Tombstones(std::nullopt, "b")), "[a,b) 4\n");
  EXPECT_EQ(Describe(list.Tombstones("f", "x")), "");
}

TEST(RangeTombstones, CoverTheEmptyKey) {
  const FragmentedRangeTombstones list(kBytewise, {{"", "a", 3}});
  EXPECT_EQ(list.MaxCovering("", 3), 3u);
  EXPECT_EQ(list.MaxCovering("a", 3), 0u);
}

TEST(RangeTombstones, OfTheLargestSequencesAreFound) {
  const FragmentedRangeTombstones list(
      kBytewise, {{"a", "c", kMaxSequence}, {"a", "c", 1}, {"b", "c", kMaxSequence - 1}});
  EXPECT_EQ(list.MaxCovering("a", kMaxSequence), kMaxSequence);
  EXPECT_EQ(list.MaxCovering("a", kMaxSequence - 1), 1u);
  EXPECT_EQ(list.MaxCovering("b", kMaxSequence - 1), kMaxSequence - 1);
  EXPECT_EQ(Describe(list),
            "[a,b) 72057594037927935 1\n"
            "[b,c) 72057594037927935 72057594037927934 1\n");
}

// Ranges that nest would take n^2 / 2 numbers, 400 MB here, if each fragment listed its own.
TEST(RangeTombstones, ThatNestTakeLittleMemory) {
  constexpr uint64_t kCount = 10'000;
  std::vector<RangeTombstone> tombstones;
  const auto key = [](uint64_t i) { return std::to_string(100'000 + i); };
  for (uint64_t i = 1; i <= kCount; ++i) tombstones.push_back({key(0), key(i), i});
  const FragmentedRangeTombstones list(kBytewise, tombstones);
  EXPECT_EQ(list.fragments(), kCount);
  EXPECT_LT(list.memory_bytes(), kCount * 600);
  for (uint64_t i = 0; i < kCount; i += 997) {  // covered by tombstones i + 1 to kCount
    EXPECT_EQ(list.MaxCovering(key(i), kMaxSequence), kCount);
    EXPECT_EQ(list.MaxCovering(key(i), 5000), i < 5000 ? 5000u : 0u);
    EXPECT_EQ(list.MaxCovering(key(i), i), 0u);
    EXPECT_EQ(SequencesOf(list, i).size(), kCount - i);
  }
}

// What every question must answer, from the list as it was given.
class Model {
 public:
  Model(const InternalKeyComparator& comparator, const std::vector<RangeTombstone>& tombstones)
      : comparator_(comparator), tombstones_(tombstones) {}

  std::vector<SequenceNumber> Covering(Slice key, SequenceNumber at) const {
    std::vector<SequenceNumber> sequences;
    for (const RangeTombstone& t : tombstones_) {
      if (t.sequence <= at && comparator_.CompareUserKeys(t.start, key) <= 0 &&
          comparator_.CompareUserKeys(key, t.end) < 0) {
        sequences.push_back(t.sequence);
      }
    }
    std::sort(sequences.rbegin(), sequences.rend());
    sequences.erase(std::unique(sequences.begin(), sequences.end()), sequences.end());
    return sequences;
  }

 private:
  const InternalKeyComparator comparator_;
  const std::vector<RangeTombstone>& tombstones_;
};

std::string RandomKey(Random* random) {
  std::string key;
  for (uint64_t bytes = random->Uniform(3); key.size() < bytes;) {
    key += static_cast<char>('a' + random->Uniform(4));
  }
  return key;
}

void CheckAgainstModel(const InternalKeyComparator& comparator,
                       const std::vector<RangeTombstone>& tombstones,
                       const FragmentedRangeTombstones& list, Random* random,
                       SequenceNumber sequence_max) {
  const Model model(comparator, tombstones);
  for (size_t i = 0; i < list.fragments(); ++i) {
    ASSERT_LT(comparator.CompareUserKeys(list.start(i), list.end(i)), 0);
    if (i > 0) {
      ASSERT_LE(comparator.CompareUserKeys(list.end(i - 1), list.start(i)), 0);
    }
    ASSERT_EQ(SequencesOf(list, i), model.Covering(list.start(i), kMaxSequence));
  }
  for (int i = 0; i < 60; ++i) {
    const std::string key = RandomKey(random);
    const SequenceNumber at = random->OneIn(4) ? kMaxSequence : random->Uniform(sequence_max + 2);
    const auto covering = model.Covering(key, at);
    ASSERT_EQ(list.MaxCovering(key, at), covering.empty() ? 0 : covering[0]) << key << " @ " << at;
    const size_t fragment = list.FindFragment(key);
    if (fragment < list.fragments()) {
      ASSERT_LT(comparator.CompareUserKeys(key, list.end(fragment)), 0);
    }
    if (fragment > 0) {
      ASSERT_LE(comparator.CompareUserKeys(list.end(fragment - 1), key), 0);
    }
  }
}

void RunModel(const InternalKeyComparator& comparator, uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  const SequenceNumber sequence_max = 1 + random.Skewed(40);
  std::vector<RangeTombstone> tombstones(random.Uniform(30));
  for (RangeTombstone& t : tombstones) {
    t = {RandomKey(&random), RandomKey(&random), 1 + random.Uniform(sequence_max)};
  }
  const FragmentedRangeTombstones list(comparator, tombstones);
  ASSERT_NO_FATAL_FAILURE(CheckAgainstModel(comparator, tombstones, list, &random, sequence_max));

  // Taken apart and clipped, it says the same, within the bounds.
  const std::vector<RangeTombstone> again = list.Tombstones();
  ASSERT_EQ(again.size(), list.tombstones());
  ASSERT_TRUE(std::is_sorted(again.begin(), again.end(), [&](const auto& a, const auto& b) {
    const int order = comparator.CompareUserKeys(a.start, b.start);
    return order != 0 ? order < 0 : a.sequence > b.sequence;
  }));
  const FragmentedRangeTombstones rebuilt(comparator, again);
  ASSERT_EQ(Describe(rebuilt), Describe(list));

  const std::string lower = RandomKey(&random), upper = RandomKey(&random);
  const FragmentedRangeTombstones clipped(comparator, list.Tombstones(lower, upper));
  const Model model(comparator, tombstones);
  for (int i = 0; i < 40; ++i) {
    const std::string key = RandomKey(&random);
    const bool inside =
        comparator.CompareUserKeys(lower, key) <= 0 && comparator.CompareUserKeys(key, upper) < 0;
    const auto covering = model.Covering(key, kMaxSequence);
    ASSERT_EQ(clipped.MaxCovering(key, kMaxSequence),
              inside && !covering.empty() ? covering[0] : 0);
  }
}

TEST(RangeTombstonesModel, AgreesUnderTheBytewiseOrder) {
  for (uint64_t seed = 1; seed <= 1500; ++seed) RunModel(kBytewise, seed);
}

TEST(RangeTombstonesModel, AgreesUnderAUsersOrder) {
  for (uint64_t seed = 1; seed <= 700; ++seed)
    RunModel(InternalKeyComparator(ReverseComparator()), seed);
}

}  // namespace
}  // namespace varve
