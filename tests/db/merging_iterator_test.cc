#include "db/merging_iterator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "memtable/memtable.h"
#include "tests/db/vector_iterator.h"
#include "tests/support/comparators.h"
#include "util/random.h"

namespace varve {
namespace {

std::string InternalKey(Slice user_key, SequenceNumber sequence) {
  std::string key;
  AppendInternalKey(&key, user_key, PackTrailer(sequence, ValueType::kValue));
  return key;
}

using Sources = std::vector<VectorIterator::Entries>;
struct Merged {
  std::string key;
  size_t child;
  std::string value;
};

// Keys of few bytes, so that user keys meet in several children, and prefixes tie. Or numbers that
// differ only far behind the prefix, so that ranks are taken there, and what is common changes.
enum class Keys { kShort, kMixed, kNumbers };

std::string RandomUserKey(Random* random, Keys kind) {
  if (kind == Keys::kNumbers) {
    return "number " + std::to_string(1000000000 + random->Uniform(40) * random->Uniform(40) *
                                                       (random->OneIn(4) ? 12345 : 1));
  }
  std::string key = kind == Keys::kShort || random->OneIn(2) ? "" : "a common prefix, ";
  for (uint64_t n = random->Uniform(4); n > 0; --n) key.push_back("\0ab\xff"[random->Uniform(4)]);
  return key;
}

Sources RandomSources(const InternalKeyComparator& comparator, Random* random, size_t children,
                      size_t entries_max, Keys kind) {
  Sources sources(children);
  SequenceNumber sequence = 1;
  for (size_t child = 0; child < children; ++child) {
    auto& entries = sources[child];
    for (uint64_t n = random->Uniform(entries_max + 1); n > 0; --n) {
      // Some keys are there twice, in two children.
      if (!random->OneIn(6)) ++sequence;
      const std::string key = InternalKey(RandomUserKey(random, kind), sequence);
      entries.emplace_back(key, std::to_string(child) + ":" + std::to_string(sequence));
      if (child + 1 < children && random->OneIn(8)) sources[child + 1].emplace_back(key, "twin");
    }
    std::sort(entries.begin(), entries.end(), [&](const auto& a, const auto& b) {
      return comparator.Compare(a.first, b.first) < 0;
    });
    entries.erase(std::unique(entries.begin(), entries.end(),
                              [](const auto& a, const auto& b) { return a.first == b.first; }),
                  entries.end());
  }
  return sources;
}

std::vector<Merged> Merge(const InternalKeyComparator& comparator, const Sources& sources) {
  std::vector<Merged> all;
  for (size_t child = 0; child < sources.size(); ++child) {
    for (const auto& [key, value] : sources[child]) all.push_back({key, child, value});
  }
  std::sort(all.begin(), all.end(), [&](const Merged& a, const Merged& b) {
    const int order = comparator.Compare(a.key, b.key);
    return order != 0 ? order < 0 : a.child < b.child;
  });
  return all;
}

// With `damaged` an entry of child `damaged_child`.
std::unique_ptr<InternalIterator> Iterate(const InternalKeyComparator& comparator,
                                          const Sources& sources, size_t damaged_child = SIZE_MAX,
                                          size_t damaged = VectorIterator::kNone) {
  std::vector<std::unique_ptr<InternalIterator>> children;
  for (size_t i = 0; i < sources.size(); ++i) {
    children.push_back(std::make_unique<VectorIterator>(
        comparator, &sources[i], i == damaged_child ? damaged : VectorIterator::kNone));
  }
  return NewMergingIterator(comparator, std::move(children));
}

class MergingIteratorTest : public testing::TestWithParam<const Comparator*> {
 protected:
  const InternalKeyComparator comparator_{GetParam()};
};

// Any walk over any number of children is the walk over their sorted union.
TEST_P(MergingIteratorTest, WalksLikeTheSortedUnion) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const Keys kind = static_cast<Keys>(seed % 3);
    const Sources sources = RandomSources(comparator_, &random, random.Uniform(14), 12, kind);
    const std::vector<Merged> all = Merge(comparator_, sources);
    const auto it = Iterate(comparator_, sources);
    EXPECT_FALSE(it->Valid());
    size_t at = SIZE_MAX;  // SIZE_MAX or all.size(): invalid
    for (int step = 0; step < 200; ++step) {
      const uint64_t what = random.Uniform(16);
      const std::string target =
          !all.empty() && random.OneIn(2)
              ? all[random.Uniform(all.size())].key
              : InternalKey(RandomUserKey(&random, kind), random.Uniform(50));
      const auto before = [&](const Merged& m, bool or_equal) {
        const int order = comparator_.Compare(m.key, target);
        return order < 0 || (or_equal && order == 0);
      };
      if (what == 0) {
        it->SeekToFirst();
        at = 0;
      } else if (what == 1) {
        it->SeekToLast();
        at = all.size() - 1;
      } else if (what == 2) {
        it->Seek(target);
        at = std::count_if(all.begin(), all.end(), [&](auto& m) { return before(m, false); });
      } else if (what == 3) {
        it->SeekForPrev(target);
        at = std::count_if(all.begin(), all.end(), [&](auto& m) { return before(m, true); }) - 1;
      } else if (at < all.size()) {
        if (what < 8) {
          it->Next();
          ++at;
        } else if (what < 10) {
          Slice key;
          const bool more = it->NextKey(&key);
          ++at;
          ASSERT_EQ(more, at < all.size());
          if (more) {
            ASSERT_EQ(key, all[at].key);
          }
        } else {
          it->Prev();
          --at;
        }
      }
      ASSERT_TRUE(it->status().ok());
      ASSERT_EQ(it->Valid(), at < all.size());
      if (it->Valid()) {
        ASSERT_EQ(it->key(), all[at].key);
        ASSERT_EQ(it->value(), all[at].value);
      }
    }
  }
}

// Checklist I5: with any one entry damaged, both walks give what comes before it in their direction
// and then the error; nothing is left out, and the end is never reported as reached.
TEST_P(MergingIteratorTest, AnErrorStopsTheWalkWhereverItIs) {
  Random random(5);
  const Sources sources = RandomSources(comparator_, &random, 5, 12, Keys::kMixed);
  const std::vector<Merged> all = Merge(comparator_, sources);
  ASSERT_GT(all.size(), 15u);
  for (size_t child = 0; child < sources.size(); ++child) {
    for (size_t damaged = 0; damaged < sources[child].size(); ++damaged) {
      const auto it = Iterate(comparator_, sources, child, damaged);
      const size_t place =
          std::find_if(all.begin(), all.end(),
                       [&](const Merged& m) {
                         return m.child == child && m.key == sources[child][damaged].first;
                       }) -
          all.begin();
      size_t at = 0;
      for (it->SeekToFirst(); it->Valid(); it->Next(), ++at) {
        ASSERT_LT(at, place);
        ASSERT_EQ(it->key(), all[at].key);
        ASSERT_EQ(it->value(), all[at].value);
      }
      EXPECT_TRUE(it->status().IsCorruption());

      at = all.size();
      for (it->SeekToLast(); it->Valid(); it->Prev()) {
        --at;
        ASSERT_GT(at, place);
        ASSERT_EQ(it->key(), all[at].key);
      }
      EXPECT_TRUE(it->status().IsCorruption());

      // A turn meets it too, and a seek that stays clear of it starts anew.
      for (size_t from = 1; from < all.size(); ++from) {
        if (all[from].key == all[from - 1].key) continue;  // the seek comes to its twin
        it->Seek(all[from].key);
        if (it->Valid()) it->Prev();
        if (it->Valid()) {
          ASSERT_EQ(it->key(), all[from - 1].key);
        } else {
          ASSERT_TRUE(it->status().IsCorruption());
        }
      }
      it->Seek(InternalKey(GetParam() == ReverseComparator() ? "" : "\xff\xff\xff\xff\xff", 0));
      EXPECT_FALSE(it->Valid());
      EXPECT_TRUE(it->status().ok());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Comparators, MergingIteratorTest,
                         testing::Values(BytewiseComparator(), ReverseComparator()));

TEST(MergingIterator, OneChildIsReturnedAsItIs) {
  const InternalKeyComparator comparator(BytewiseComparator());
  const VectorIterator::Entries entries{{InternalKey("a", 1), "1"}};
  auto child = std::make_unique<VectorIterator>(comparator, &entries);
  const InternalIterator* const address = child.get();
  std::vector<std::unique_ptr<InternalIterator>> children;
  children.push_back(std::move(child));
  EXPECT_EQ(NewMergingIterator(comparator, std::move(children)).get(), address);
}

TEST(MergingIterator, SaysWhichChildAnEntryIsOf) {
  const InternalKeyComparator comparator(BytewiseComparator());
  const VectorIterator::Entries entries[] = {
      {{InternalKey("b", 9), ""}, {InternalKey("d", 2), ""}},
      {{InternalKey("a", 1), ""}, {InternalKey("b", 7), ""}},
      {{InternalKey("b", 8), ""}, {InternalKey("c", 3), ""}}};
  std::vector<std::unique_ptr<InternalIterator>> children;
  for (const auto& child : entries) {
    children.push_back(std::make_unique<VectorIterator>(comparator, &child));
  }
  MergingIterator* merging;
  const auto it = NewMergingIterator(comparator, std::move(children), &merging);
  std::string forward, backward;
  for (it->SeekToFirst(); it->Valid(); it->Next()) forward += std::to_string(merging->child());
  EXPECT_EQ(forward, "102120");
  for (it->SeekToLast(); it->Valid(); it->Prev()) backward += std::to_string(merging->child());
  EXPECT_EQ(backward, "021201");
}

TEST(MergingIterator, NoChildrenAreEmpty) {
  const auto it = NewMergingIterator(InternalKeyComparator(BytewiseComparator()), {});
  it->SeekToFirst();
  EXPECT_FALSE(it->Valid());
  it->SeekToLast();
  EXPECT_FALSE(it->Valid());
  it->Seek(InternalKey("", 0));
  EXPECT_FALSE(it->Valid());
  it->SeekForPrev(InternalKey("", 0));
  EXPECT_FALSE(it->Valid());
  EXPECT_TRUE(it->status().ok());
}

// Entries that arrive at any place of a memtable, between any two steps, disturb no turn: what
// was there before is met in full and in order.
TEST(MergingIterator, TurnsRightWhileMemtablesGrow) {
  const InternalKeyComparator comparator(BytewiseComparator());
  Random random(9);
  MemTable old_table(comparator), table(comparator);
  std::vector<std::string> stable;
  SequenceNumber sequence = 0;
  for (int i = 0; i < 300; ++i) {
    const std::string key = "k" + std::to_string(random.Uniform(100000));
    (i % 2 == 0 ? old_table : table).Add(++sequence, ValueType::kValue, key, "");
    stable.push_back(InternalKey(key, sequence));
  }
  std::sort(stable.begin(), stable.end(),
            [&](const auto& a, const auto& b) { return comparator.Compare(a, b) < 0; });
  const SequenceNumber visible = sequence;
  std::vector<std::unique_ptr<InternalIterator>> children;
  children.push_back(table.NewIterator());
  children.push_back(old_table.NewIterator());
  const auto it = NewMergingIterator(comparator, std::move(children));
  it->SeekToFirst();
  size_t at = 0;
  const auto skip_newer = [&](bool forward) {
    while (it->Valid() && TrailerSequence(ExtractTrailer(it->key())) > visible) {
      forward ? it->Next() : it->Prev();
    }
  };
  for (int step = 0; step < 20000; ++step) {
    if (random.OneIn(20)) {
      (random.OneIn(2) ? old_table : table)
          .Add(++sequence, ValueType::kValue, "k" + std::to_string(random.Uniform(100000)), "");
    }
    const bool forward = at == 0 || (at + 1 < stable.size() && !random.OneIn(3));
    forward ? it->Next() : it->Prev();
    skip_newer(forward);
    at += forward ? 1 : -1;
    ASSERT_TRUE(it->Valid());
    ASSERT_EQ(it->key(), stable[at]);
  }
}

}  // namespace
}  // namespace varve
