#include "tools/crash/cache_oracle.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace varve::crash {
namespace {

constexpr int kKeys = 4;
constexpr uint64_t kNever = CacheOracle::kNever;

// One write a position, each of a batch with one entry: the n-th has sequence n, and is invoked at
// position 10 n and acknowledged at 10 n + 5.
class CacheOracleTest : public ::testing::Test {
 protected:
  void Use(const CacheOracle::Mode& mode) { oracle_ = std::make_shared<CacheOracle>(kKeys, mode); }
  void Put(int key, const std::string& value, CacheTime expires = {kNever, kNever},
           bool logged = true) {
    ++writes_;
    const uint32_t batch = oracle_->Begin({{.key = key, .value = value, .expires = expires}},
                                          writes_, 1, logged, 10 * writes_);
    if (acknowledges_) oracle_->Acknowledge(batch, false, 10 * writes_ + 5);
  }
  void Delete(int key) { Put(key, ""); }
  // Of what the writes `first` to `last` put, with the keys of a mask.
  LoggedEviction Eviction(uint64_t keys, uint64_t first, uint64_t last, bool ghost = false) {
    LoggedEviction eviction;
    eviction.position = 10 * writes_ + 6;
    eviction.number = 7;
    eviction.keys = keys;
    eviction.smallest_sequence = first;
    eviction.largest_sequence = last;
    eviction.sequence_then = writes_;
    eviction.leaves_ghost = ghost;
    return eviction;
  }
  // What is wrong with these values of the keys, "" for none, after a crash at the end.
  std::string Judge(const std::vector<std::string>& values) {
    return JudgeAt(10 * writes_ + 9, values);
  }
  std::string JudgeAt(uint64_t position, const std::vector<std::string>& values) {
    reading_.position = position;
    return oracle_->Judge(reading_, Contents(values));
  }
  static CacheContents Contents(const std::vector<std::string>& values) {
    CacheContents contents;
    for (const std::string& value : values) {
      contents.push_back(value.empty() ? 0 : HashOfValue(value));
    }
    contents.resize(kKeys, 0);
    return contents;
  }
  static bool Says(const std::string& wrong, const std::string& word) {
    return wrong.find(word) != std::string::npos;
  }

  std::shared_ptr<CacheOracle> oracle_ =
      std::make_shared<CacheOracle>(kKeys, CacheOracle::Mode{.all_synced = true});
  CacheOracle::Reading reading_{.kill = true};
  uint64_t writes_ = 0;
  bool acknowledges_ = true;
};

TEST_F(CacheOracleTest, NewestIsRightAndNothingElse) {
  Put(0, "a");
  Put(0, "b");
  Put(1, "c");
  Delete(1);
  EXPECT_EQ(Judge({"b"}), "");
  EXPECT_TRUE(Says(Judge({"a"}), "STALE"));
  EXPECT_TRUE(Says(Judge({"b", "c"}), "RESURRECTED"));
  EXPECT_TRUE(Says(Judge({"b", "", "x"}), "FOREIGN"));
  EXPECT_TRUE(Says(Judge({""}), "LOST"));
}

TEST_F(CacheOracleTest, OneUnansweredWriteMayBeThere) {
  Put(0, "a");
  acknowledges_ = false;
  Put(0, "b");
  EXPECT_EQ(Judge({"a"}), "");
  EXPECT_EQ(Judge({"b"}), "");
  EXPECT_TRUE(Says(JudgeAt(15, {"b"}), "STALE"));  // before it was invoked
}

TEST_F(CacheOracleTest, EvictionCoversWhatItsGhostAccepts) {
  Put(0, "a");
  Put(1, "b");
  oracle_->Evicted(Eviction(0b01, 1, 2));
  EXPECT_EQ(Judge({"", "b"}), "");
  EXPECT_TRUE(Says(Judge({"a", ""}), "LOST"));        // not accepted
  EXPECT_TRUE(Says(JudgeAt(25, {"", "b"}), "LOST"));  // not evicted yet
  Put(0, "c");
  EXPECT_TRUE(Says(Judge({"", "b"}), "LOST"));  // newer than all of the victim
}

TEST_F(CacheOracleTest, GhostAcceptsByChanceWhatItNeverHad) {
  Put(0, "a");
  Put(1, "b");
  Put(2, "c");
  oracle_->Evicted(Eviction(0b100, 2, 2, /*ghost=*/true));
  EXPECT_EQ(Judge({"a", "b", ""}), "");
  Put(2, "d");
  EXPECT_TRUE(Says(Judge({"a", "b", ""}), "LOST"));  // written since
}

TEST_F(CacheOracleTest, EntriesInMemoryAreCoveredByTheirSequences) {
  Put(0, "a");
  Put(1, "b");
  LoggedEviction eviction = Eviction(UINT64_MAX, 2, 2);
  eviction.number = 0;
  oracle_->Evicted(eviction);
  EXPECT_EQ(Judge({"a", ""}), "");
  EXPECT_TRUE(Says(Judge({"", "b"}), "LOST"));
}

TEST_F(CacheOracleTest, TimeIsKnownWithinBounds) {
  Put(0, "a", {100, 200});
  reading_.now = {50, 90};
  EXPECT_TRUE(Says(Judge({""}), "LOST"));
  reading_.now = {50, 150};
  EXPECT_EQ(Judge({""}), "");
  EXPECT_EQ(Judge({"a"}), "");
  reading_.now = {200, 300};
  EXPECT_TRUE(Says(Judge({"a"}), "EXPIRED"));
}

TEST_F(CacheOracleTest, ResetIsLegalWhereSomethingMayBeLost) {
  Put(0, "a");
  reading_.resets = 1;
  EXPECT_TRUE(Says(Judge({""}), "RESET"));
  reading_.kill = false;
  EXPECT_TRUE(Says(Judge({""}), "RESET"));  // all was synced
  Use({});
  Put(0, "a");
  EXPECT_EQ(Judge({""}), "");
  EXPECT_TRUE(Says(Judge({"a"}), "RESURRECTED"));
  reading_.kill = true;
  EXPECT_TRUE(Says(Judge({""}), "RESET"));
  Put(0, "b", {kNever, kNever}, /*logged=*/false);
  EXPECT_EQ(Judge({""}), "");
  oracle_->AllDurable(2, /*flushed=*/true, 10 * writes_ + 8);
  EXPECT_TRUE(Says(Judge({""}), "RESET"));
}

TEST_F(CacheOracleTest, WithoutResetNothingAcknowledgedIsMissing) {
  Use({});
  Put(0, "a");
  Put(0, "b");
  reading_.kill = false;
  EXPECT_TRUE(Says(Judge({"a"}), "STALE"));
  Use({.keeps_prefix = true});
  writes_ = 0;
  Put(0, "a");
  Put(0, "b");
  EXPECT_EQ(Judge({"a"}), "");
}

TEST_F(CacheOracleTest, WhatAnOpenDidNotFindStaysAway) {
  Put(0, "a");
  Put(1, "b");
  oracle_->Evicted(Eviction(0b11, 1, 2));
  const auto next =
      std::make_shared<CacheOracle>(oracle_, 29, true, CacheOracle::Mode{.all_synced = true});
  CacheOracle::Reading opened{.position = 40, .kill = true};
  EXPECT_EQ(next->Opened(0, opened, Contents({"a", ""}), {}), "");
  CacheOracle::Reading later{.position = 50, .kill = true};
  EXPECT_EQ(next->Judge(later, Contents({"a", ""})), "");
  EXPECT_EQ(next->Judge(later, Contents({"", ""})), "");
  EXPECT_TRUE(Says(next->Judge(later, Contents({"a", "b"})), "RESURRECTED"));
}

// A write that was not answered, of a key that a failed read does not show.
TEST_F(CacheOracleTest, WhatCouldNotBeReadMayFitSeveralViews) {
  Put(0, "a");
  Put(1, "b");
  acknowledges_ = false;
  Put(0, "c");
  const auto next =
      std::make_shared<CacheOracle>(oracle_, 39, true, CacheOracle::Mode{.all_synced = true});
  CacheOracle::Reading reading{.position = 40, .kill = true};
  EXPECT_TRUE(next->ViewIsCertain(reading, Contents({"a", "b"})));
  reading.unreadable = true;
  EXPECT_TRUE(next->ViewIsCertain(reading, Contents({"a", "b"})));
  EXPECT_TRUE(next->ViewIsCertain(reading, Contents({"c", ""})));
  EXPECT_FALSE(next->ViewIsCertain(reading, Contents({"", "b"})));
}

// A ghost that an open could not read hides more for good, in the sessions after it too.
TEST_F(CacheOracleTest, WhatCouldNotBeReadMayStayAway) {
  Put(0, "a");
  Put(1, "b");
  const auto next =
      std::make_shared<CacheOracle>(oracle_, 29, true, CacheOracle::Mode{.all_synced = true});
  CacheOracle::Reading reading{.position = 40, .kill = true};
  EXPECT_TRUE(Says(next->Judge(reading, Contents({"a", ""})), "LOST"));
  next->Unreadable(35);
  EXPECT_EQ(next->Judge(reading, Contents({"a", ""})), "");
  EXPECT_TRUE(Says(next->Judge(reading, Contents({"a", "x"})), "FOREIGN"));
  const auto last =
      std::make_shared<CacheOracle>(next, 45, true, CacheOracle::Mode{.all_synced = true});
  reading.position = 10;
  EXPECT_EQ(last->Judge(reading, Contents({"a", ""})), "");
}

TEST_F(CacheOracleTest, EvictionThatNeverHappenedIsNoExcuse) {
  Put(0, "a");
  oracle_->Evicted(Eviction(0b1, 1, 1));
  const auto next =
      std::make_shared<CacheOracle>(oracle_, 19, true, CacheOracle::Mode{.all_synced = true});
  CacheOracle::Reading opened{.position = 40, .kill = true};
  EXPECT_EQ(next->Opened(30, opened, Contents({"a"}), {7}), "");  // segment 7 lives
  CacheOracle::Reading later{.position = 50, .kill = true};
  EXPECT_TRUE(Says(next->Judge(later, Contents({""})), "LOST"));
}

}  // namespace
}  // namespace varve::crash
