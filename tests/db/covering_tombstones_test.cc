#include "db/covering_tombstones.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "util/random.h"

namespace varve {
namespace {

using Lists = std::vector<std::shared_ptr<const FragmentedRangeTombstones>>;

std::string Key(uint64_t i) { return std::string(1, static_cast<char>('a' + i)); }

Lists RandomLists(Random* random) {
  Lists lists;
  for (uint64_t n = random->Uniform(4); n > 0; --n) {
    std::vector<RangeTombstone> ranges;
    for (uint64_t m = random->Uniform(8); m > 0; --m) {
      const uint64_t start = random->Uniform(24);
      ranges.push_back(
          {Key(start), Key(start + random->Uniform(6)), SequenceNumber(1 + random->Uniform(30))});
    }
    lists.push_back(std::make_shared<FragmentedRangeTombstones>(
        InternalKeyComparator(BytewiseComparator()), std::move(ranges)));
  }
  return lists;
}

// Walks up, walks down, and jumps: the answer is that of asking every list.
TEST(CoveringTombstones, AnswersAsAllListsDo) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const Lists lists = RandomLists(&random);
    const SequenceNumber at = random.OneIn(3) ? kMaxSequence : random.Uniform(32);
    const InternalKeyComparator comparator(BytewiseComparator());
    CoveringTombstones covering(comparator, at);
    for (const auto& list : lists) {
      covering.Add(std::make_unique<TombstoneList>(comparator, list), 0);
    }
    uint64_t key = random.Uniform(26);
    for (int step = 0; step < 200; ++step) {
      const uint64_t what = random.Uniform(8);
      if (what == 0) {
        key = random.Uniform(26);
      } else if (step % 60 < 30) {
        key += key < 25;
      } else {
        key -= key > 0;
      }
      const std::string asked = Key(key) + (random.OneIn(3) ? "x" : "");
      SequenceNumber expected = 0, newest;
      for (const auto& list : lists) expected = std::max(expected, list->MaxCovering(asked, at));
      ASSERT_TRUE(covering.Find(asked, &newest).ok());
      ASSERT_EQ(newest, expected) << asked;
    }
  }
}

// The stretch of a list holds the key, its answer holds for all of it, and it is as long as it can
// be seen to be: up to where a fragment begins or ends.
TEST(CoveringTombstones, AStretchHasOneAnswer) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    for (const auto& list : RandomLists(&random)) {
      TombstoneList source(InternalKeyComparator(BytewiseComparator()), list);
      const SequenceNumber at = random.Uniform(32);
      for (int ask = 0; ask < 50; ++ask) {
        const std::string key = Key(random.Uniform(26));
        TombstoneStretch stretch;
        ASSERT_TRUE(source.Find(key, at, &stretch).ok());
        ASSERT_EQ(stretch.newest, list->MaxCovering(key, at));
        for (uint64_t i = 0; i < 26; ++i) {
          const std::string other = Key(i);
          const bool inside =
              (!stretch.from || other >= *stretch.from) && (!stretch.to || other < *stretch.to);
          if (other == key) {
            ASSERT_TRUE(inside);
          }
          if (inside) {
            ASSERT_EQ(list->MaxCovering(other, at), stretch.newest) << key << " " << other;
          }
        }
      }
    }
  }
}

// Fails until it is told not to.
class Failing final : public TombstoneSource {
 public:
  explicit Failing(const bool* fails) : fails_(fails) {}
  Status Find(Slice, SequenceNumber, TombstoneStretch* stretch) override {
    if (*fails_) return Status::IOError("no");
    *stretch = {};
    stretch->newest = 7;
    return Status::OK();
  }

 private:
  const bool* const fails_;
};

TEST(CoveringTombstones, AnErrorIsTheAnswerUntilItIsGone) {
  const InternalKeyComparator comparator(BytewiseComparator());
  CoveringTombstones covering(comparator, 9);
  bool fails = true;
  covering.Add(std::make_unique<Failing>(&fails), 0);
  SequenceNumber newest;
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(covering.Find("a", &newest).IsIOError());
  fails = false;
  ASSERT_TRUE(covering.Find("a", &newest).ok());
  EXPECT_EQ(newest, 7u);
  fails = true;  // what is known is not asked again
  EXPECT_TRUE(covering.Find("b", &newest).ok());
}

}  // namespace
}  // namespace varve
