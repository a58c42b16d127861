// The oracle itself: it knows each kind of wrong answer, and lets every right one pass.

#include "tests/never_stale/oracle.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "tests/never_stale/tagged_value.h"

namespace varve::never_stale {
namespace {

constexpr uint32_t kKey = 3;
constexpr Instant kNow = Instant{100, 100};

class OracleTest : public ::testing::Test {
 protected:
  // The order of the write.
  uint64_t Put(uint64_t write, uint64_t expires_at = kNever, uint32_t key = kKey) {
    oracle_.BeginWrite();
    oracle_.Put(key, write, Instant::At(expires_at));
    return oracle_.last();
  }
  uint64_t Delete() {
    oracle_.BeginWrite();
    oracle_.Delete(kKey);
    return oracle_.last();
  }
  static std::string Value(uint64_t write, uint32_t key = kKey) {
    return MakeValue({.write = write, .key = key}, 50);
  }
  // The first word of the verdict, "" for a right answer.
  std::string Hit(uint64_t write, std::optional<uint64_t> view = std::nullopt, Instant now = kNow) {
    const std::string value = Value(write);
    return Word(oracle_.Judge(kKey, view.value_or(oracle_.last()), now, value));
  }
  std::string Miss(std::optional<uint64_t> view = std::nullopt, Instant now = kNow) {
    return Word(oracle_.Judge(kKey, view.value_or(oracle_.last()), now, std::nullopt));
  }
  static std::string Word(const std::string& verdict) {
    return verdict.substr(0, verdict.find_first_of(":,"));
  }
  std::string CutBack(uint64_t lowest, std::optional<uint64_t> write) {
    std::vector<std::optional<std::string>> contents(oracle_.keys());
    if (write.has_value()) contents[kKey] = Value(*write);
    return oracle_.CutBack(lowest, kNow, contents).substr(0, 9);
  }

  Oracle oracle_{10};
};

TEST(TaggedValue, SaysWhatItIsAndKnowsDamage) {
  for (const size_t bytes : {size_t{0}, kTagBytes, kTagBytes + 1, size_t{1000}}) {
    std::string value = MakeValue({.write = 7, .key = 2, .writer = 1}, bytes);
    EXPECT_EQ(value.size(), std::max(bytes, kTagBytes));
    Tag tag;
    ASSERT_TRUE(ReadValue(value, &tag));
    EXPECT_EQ(tag.write, 7u);
    EXPECT_EQ(tag.key, 2u);
    EXPECT_EQ(tag.writer, 1u);
    EXPECT_FALSE(ReadValue(value + "x", &tag));
    EXPECT_FALSE(ReadValue(value.substr(1), &tag));
    for (size_t i = 0; i < value.size(); ++i) {
      value[i] ^= 1;
      EXPECT_FALSE(ReadValue(value, &tag)) << i;
      value[i] ^= 1;
    }
  }
}

TEST(TaggedValue, KeysAreInTheOrderOfTheirNumbers) {
  for (uint32_t number = 0; number < 2000; ++number) {
    uint32_t read = 0;
    ASSERT_TRUE(NumberOf(KeyOf(number), &read));
    ASSERT_EQ(read, number);
    ASSERT_LT(KeyOf(number), KeyOf(number + 1));
  }
  uint32_t read = 0;
  for (const char* key : {"k", "k000000", "x000001...", "k000001", "k000001....", "k00000a"}) {
    EXPECT_FALSE(NumberOf(key, &read)) << key;
  }
}

TEST_F(OracleTest, TheNewestVersionIsRightAndAnOlderOneIsStale) {
  EXPECT_EQ(Miss(), "");
  EXPECT_EQ(Hit(1), "FOREIGN");
  const uint64_t first = Put(1);
  EXPECT_EQ(Hit(1), "");
  EXPECT_EQ(Miss(), "LOST");
  Put(2);
  EXPECT_EQ(Hit(2), "");
  EXPECT_EQ(Hit(1), "STALE");
  EXPECT_EQ(Hit(2, first), "FOREIGN");
  EXPECT_EQ(Hit(1, first), "");
  EXPECT_EQ(Miss(0), "");
}

TEST_F(OracleTest, WhatWasDeletedOrExpiredIsNotToComeBack) {
  Put(1);
  const uint64_t deleted = Delete();
  EXPECT_EQ(Hit(1), "RESURRECTED");
  EXPECT_EQ(Miss(), "");
  Put(2, 100);
  EXPECT_EQ(Hit(2, std::nullopt, Instant::At(99)), "");
  EXPECT_EQ(Miss(std::nullopt, Instant::At(99)), "LOST");
  EXPECT_EQ(Hit(2), "RESURRECTED");
  EXPECT_EQ(Miss(), "");
  EXPECT_EQ(Hit(1), "STALE");
  // Where the time is not known, either is right.
  EXPECT_EQ(Hit(2, std::nullopt, {99, 100}), "");
  EXPECT_EQ(Miss(std::nullopt, {99, 100}), "");
  EXPECT_EQ(Miss(deleted), "");
}

TEST_F(OracleTest, AValueIsForeignUnderAnotherKey) {
  Put(1);
  Put(2, kNever, kKey + 1);
  EXPECT_EQ(Word(oracle_.Judge(kKey, oracle_.last(), kNow, Value(2, kKey + 1))), "FOREIGN");
  EXPECT_EQ(Word(oracle_.Judge(kKey, oracle_.last(), kNow, "what is this")), "FOREIGN");
}

TEST_F(OracleTest, TheLastEntryOfABatchWins) {
  oracle_.BeginWrite();
  oracle_.Put(kKey, 1, Instant::At(kNever));
  oracle_.Delete(kKey);
  oracle_.Put(kKey, 2, Instant::At(kNever));
  EXPECT_EQ(Hit(2), "");
  oracle_.BeginWrite();
  oracle_.Put(kKey, 3, Instant::At(kNever));
  oracle_.DeleteRange(0, kKey + 1);
  EXPECT_EQ(Miss(), "");
  EXPECT_EQ(Hit(3), "RESURRECTED");
}

TEST_F(OracleTest, OnlyWhatWasThereBeforeAnEvictionMayBeMissed) {
  Put(1);
  oracle_.SetLosses({.evictions = 1, .entries = 1});
  EXPECT_EQ(Miss(), "");
  EXPECT_EQ(Miss(), "");
  EXPECT_EQ(oracle_.JudgeLosses(), "");
  Put(2);
  EXPECT_EQ(Miss(), "LOST");
  oracle_.SetLosses({.evictions = 2, .entries = 1});
  EXPECT_EQ(Miss(), "");
  EXPECT_EQ(Hit(1), "STALE");
  EXPECT_EQ(Word(oracle_.JudgeLosses()), "LOST");
}

TEST_F(OracleTest, VersionsStayForAsLongAsSomebodySeesThem) {
  const uint64_t held = Put(1);
  oracle_.Hold(held);
  for (uint64_t write = 2; write < 100; ++write) {
    Put(write);
    oracle_.SetDurable(oracle_.last());
  }
  EXPECT_EQ(Hit(1, held), "");
  oracle_.Release(held);
  for (uint64_t write = 100; write < 120; ++write) Put(write);
  EXPECT_EQ(Hit(119), "");
  EXPECT_EQ(Hit(1), "STALE");
  EXPECT_LT(oracle_.Describe(kKey).size(), 1500u);
}

TEST_F(OracleTest, ACrashLeavesAPrefixThatHoldsWhatWasDurable) {
  Put(1);
  const uint64_t second = Put(2);
  Put(3);
  Delete();
  EXPECT_EQ(CutBack(second, 1), "no prefix");
  EXPECT_EQ(CutBack(second, 2), "");
  EXPECT_EQ(oracle_.last(), second);
  EXPECT_EQ(Hit(2), "");
  EXPECT_EQ(Hit(3), "FOREIGN");
  Put(4);
  EXPECT_EQ(CutBack(oracle_.last(), std::nullopt), "no prefix");
}

// The same value with two expiries: a crash may have taken the touch or not.
TEST_F(OracleTest, ATouchThatACrashMayHaveTakenExpiresOrDoesNot) {
  const uint64_t lowest = Put(1);
  Put(1, 110);
  EXPECT_EQ(CutBack(lowest, 1), "");
  EXPECT_EQ(Hit(1, std::nullopt, {120, 120}), "");
  EXPECT_EQ(Miss(std::nullopt, {120, 120}), "");
  EXPECT_EQ(Miss(), "LOST");
}

TEST_F(OracleTest, AMissHasAReasonThatCanBe) {
  const auto reason = [&](MissReason why, Instant now = kNow) {
    return Word(oracle_.JudgeReason(kKey, oracle_.last(), now, why));
  };
  EXPECT_EQ(reason(MissReason::kAbsent), "");
  EXPECT_EQ(reason(MissReason::kGhost), "REASON");  // nothing was evicted
  EXPECT_EQ(reason(MissReason::kExpired), "REASON");
  EXPECT_EQ(reason(MissReason::kReset), "REASON");
  Put(1, 110);
  EXPECT_EQ(reason(MissReason::kDeleted), "REASON");
  EXPECT_EQ(reason(MissReason::kExpired), "REASON");
  EXPECT_EQ(reason(MissReason::kExpired, {110, 110}), "");
  EXPECT_EQ(reason(MissReason::kRefused), "REASON");
  Delete();
  EXPECT_EQ(reason(MissReason::kDeleted), "");
  EXPECT_EQ(reason(MissReason::kExpired), "REASON");
  oracle_.SetLosses({1, 1});
  EXPECT_EQ(reason(MissReason::kGhost), "");
}

TEST_F(OracleTest, AnEmptyCacheStaysEmpty) {
  Put(1);
  oracle_.Reset();
  EXPECT_EQ(Miss(), "");
  EXPECT_EQ(Hit(1), "RESURRECTED");
  Put(2);
  EXPECT_EQ(Hit(2), "");
  EXPECT_EQ(Hit(1), "RESURRECTED");
}

}  // namespace
}  // namespace varve::never_stale
