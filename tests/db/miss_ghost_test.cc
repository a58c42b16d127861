// Reasons of misses, and accounts of keys, where segments were evicted: DESIGN I3.

#include <gmock/gmock.h>

#include "db/miss_reason.h"
#include "tests/db/ghost_fixture.h"
#include "util/random.h"

namespace varve {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class MissGhostTest : public GhostTest {
 protected:
  uint64_t Misses(MissReason reason) { return Counted(CounterOf(reason)); }
  std::string Why(Slice key) {
    std::string text;
    EXPECT_TRUE(db_->GetProperty("varve.why:" + std::string(key), &text));
    return text;
  }
  // By Get, and by MultiGet: both count one miss.
  void Miss(Slice key) {
    std::string value;
    EXPECT_TRUE(db_->Get({}, key, &value).IsNotFound());
    const Slice keys[] = {key};
    PinnedValue values[1];
    Status statuses[1];
    db_->MultiGet({}, keys, values, statuses);
    EXPECT_TRUE(statuses[0].IsNotFound());
  }
  uint64_t SumOfReasons() {
    uint64_t sum = 0;
    for (size_t i = 0; i < kMissReasons; ++i) sum += Misses(static_cast<MissReason>(i));
    return sum;
  }
};

// A newer value goes with its segment; what it hid is masked by the ghost.
TEST_F(MissGhostTest, AGhostThatHidesAnOlderValue) {
  Open();
  ASSERT_TRUE(db_->Put({}, "a", "old").ok());
  ASSERT_TRUE(db_->Put({}, "z", "old").ok());
  Flush();
  ASSERT_TRUE(db_->Put({}, "a", "new").ok());
  ASSERT_TRUE(db_->Put({}, "y", "new").ok());
  Flush();
  Evict({2});
  ASSERT_EQ(Ghosts(), 1u);
  Miss("a");
  EXPECT_EQ(Misses(MissReason::kGhost), 2u);
  // Within the bounds of both, and known to neither: the search has no trace of it.
  Miss("b");
  EXPECT_EQ(Misses(MissReason::kAbsent), 2u);
  EXPECT_EQ(Counted(Counter::kGetMisses), 4u);
  EXPECT_EQ(SumOfReasons(), 4u);

  const std::string account = Why("a");
  EXPECT_THAT(account, StartsWith("masked: by ghost "));
  EXPECT_THAT(account, HasSubstr("eviction 1: evicted with that segment, or a false positive, as "
                                 "for 0.0"));
  EXPECT_THAT(account, HasSubstr("  beneath: value: at sequence 1 in segment "));
  EXPECT_THAT(Why("b"), StartsWith("never seen: "));
  EXPECT_THAT(Why("z"), StartsWith("live: "));
  // What was evicted and hid nothing older has its ghost for a trace too, as long as that is there.
  Miss("y");
  EXPECT_EQ(Misses(MissReason::kGhost), 4u);
  EXPECT_THAT(Why("y"), StartsWith("masked: "));

  // A new value is above it.
  ASSERT_TRUE(db_->Put({}, "a", "newest").ok());
  EXPECT_THAT(Why("a"), StartsWith("live: at sequence 5 in the active memtable"));
  EXPECT_THAT(Why("a"), HasSubstr("  beneath: masked: by ghost "));
}

// In the order of age nothing is left to hide, and nothing tells that it was there.
TEST_F(MissGhostTest, TheOldestGoesWithoutATrace) {
  Open();
  ASSERT_TRUE(db_->Put({}, "a", "old").ok());
  Flush();
  Evict({1});
  Miss("a");
  EXPECT_EQ(Misses(MissReason::kAbsent), 2u);
  EXPECT_THAT(Why("a"), StartsWith("never seen: nothing knows the key; it was never written, or is "
                                   "gone and nothing older was left to hide\n"));
}

TEST_F(MissGhostTest, WhatCouldNotBeReadIsQuarantined) {
  Open();
  ASSERT_TRUE(db_->Put({}, "a", "old").ok());
  ASSERT_TRUE(db_->Put({}, "b", "old").ok());
  Flush();
  ASSERT_TRUE(db_->Put({}, "a", "new").ok());
  ASSERT_TRUE(db_->Put({}, "c", "new").ok());
  Flush();
  const FileNumber number = Segment(2);
  ASSERT_TRUE(disk_->RemoveFile(GhostFileName(kDirectory, number)).ok());
  // A ghost that hides all within its bounds is applied at once, and leaves nothing to tell of it.
  ASSERT_TRUE(db_->PauseBackgroundWork().ok());
  Evict({2});
  Miss("b");  // which the segment did not hold
  EXPECT_EQ(Misses(MissReason::kQuarantined), 2u);
  EXPECT_EQ(SumOfReasons(), Counted(Counter::kGetMisses));
  EXPECT_THAT(Why("b"), HasSubstr("could not be read, and all within its bounds is gone\n"));
}

TEST_F(MissGhostTest, WhatIsThereOfGhostsIsTold) {
  Open();
  ASSERT_TRUE(db_->Put({}, "a", "old").ok());
  Flush();
  ASSERT_TRUE(db_->Put({}, "a", "new").ok());
  Flush();
  EXPECT_GT(Counted(Counter::kGhostBytesWritten), 0u);
  Evict({2});
  std::string text;
  ASSERT_TRUE(db_->GetProperty("varve.cache-stats", &text));
  EXPECT_THAT(text, HasSubstr("ghosts       1 of "));
  EXPECT_THAT(text, HasSubstr("evicted      1 segments, 1 entries, "));
  EXPECT_THAT(text, HasSubstr("ghosts made  1, 0 retired"));
  ASSERT_TRUE(db_->GetProperty("varve.prometheus", &text));
  EXPECT_THAT(text, HasSubstr("\nvarve_num_ghosts{db=\"/db\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nvarve_ghosts_made_total{db=\"/db\"} 1\n"));
}

// Random flushes, evictions and merges: each miss has its reason, and an account begins with the
// word for what Get answers.
TEST_F(MissGhostTest, TheReasonsSumUpToTheMisses) {
  Open();
  Random random(3);
  size_t flushes = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::string key = "key" + std::to_string(random.Uniform(12));
    const uint64_t dice = random.Uniform(20);
    if (dice < 6) {
      ASSERT_TRUE(db_->Put({}, key, std::to_string(i)).ok());
    } else if (dice < 8) {
      ASSERT_TRUE(db_->Delete({}, key).ok());
    } else if (dice == 8) {
      ASSERT_TRUE(db_->DeleteRange({}, key, key + "5").ok());
    } else if (dice == 9) {
      Flush();
      flushes = epochs_.size();
    } else if (dice == 10 && flushes > 0) {
      const size_t flush = 1 + random.Uniform(flushes);
      if (Segment(flush) != 0) {
        ASSERT_TRUE(TryEvict({flush}).ok());
      }
    } else if (dice == 11 && random.OneIn(10)) {
      Merge();
    } else {
      const std::vector<uint64_t> before = {
          Counted(Counter::kGetHits), SumOfReasons(), Misses(MissReason::kAbsent),
          Misses(MissReason::kDeleted), Misses(MissReason::kGhost)};
      std::string value;
      const Status status = db_->Get({}, key, &value);
      const std::string account = Why(key);
      const std::string word = account.substr(0, account.find(':'));
      if (status.ok()) {
        ASSERT_EQ(word, "live") << account;
        ASSERT_EQ(Counted(Counter::kGetHits), before[0] + 1);
        ASSERT_EQ(SumOfReasons(), before[1]);
      } else {
        ASSERT_EQ(SumOfReasons(), before[1] + 1);
        const Counter counter = word == "never seen" ? Counter::kMissAbsent
                                : word == "deleted"  ? Counter::kMissDeleted
                                                     : Counter::kMissGhost;
        ASSERT_TRUE(word == "never seen" || word == "deleted" || word == "masked") << account;
        const size_t at = word == "never seen" ? 2 : word == "deleted" ? 3 : 4;
        ASSERT_EQ(Counted(counter), before[at] + 1) << account;
      }
    }
    ASSERT_EQ(SumOfReasons(), Counted(Counter::kGetMisses));
  }
  EXPECT_GT(Misses(MissReason::kGhost), 20u);
  EXPECT_GT(Misses(MissReason::kDeleted), 20u);
}

}  // namespace
}  // namespace varve
