// How much is saved, and what.

#include "cache/salvage_budget.h"

#include <gtest/gtest.h>

namespace varve {
namespace {

// Checklist E3.
TEST(SalvageBudget, SavesNoMoreThanIsFilled) {
  SalvageBudget budget(100);
  EXPECT_EQ(budget.left_bytes(), 100u);
  budget.Saved(70);
  EXPECT_EQ(budget.left_bytes(), 30u);
  budget.Filled(20);
  EXPECT_EQ(budget.left_bytes(), 50u);
  budget.Saved(60);
  EXPECT_EQ(budget.left_bytes(), 0u);
  budget.Filled(1'000);
  EXPECT_EQ(budget.left_bytes(), 100u) << "it is not hoarded";
  uint64_t saved = 0;
  for (int i = 0; i < 1000; ++i) {
    budget.Filled(10);
    saved += budget.left_bytes();
    budget.Saved(budget.left_bytes());
  }
  EXPECT_LE(saved, 1000u * 10 + 100);
  EXPECT_GE(saved, 1000u * 10);
}

// Checklist E1: of an epoch that is not known any more, and of one that is not known yet, too.
TEST(EpochAges, CountFromWhenAnEpochWasTheNewest) {
  EpochAges ages;
  EXPECT_EQ(ages.AgeOf(5, 1000), 0u);
  ages.Note(5, 1000);
  ages.Note(9, 1500);
  ages.Note(9, 1700);
  EXPECT_EQ(ages.AgeOf(5, 2000), 1000u);
  EXPECT_EQ(ages.AgeOf(3, 2000), 1000u) << "older than all that was told";
  EXPECT_EQ(ages.AgeOf(7, 2000), 500u);
  EXPECT_EQ(ages.AgeOf(9, 2000), 500u);
  EXPECT_EQ(ages.AgeOf(10, 2000), 0u);
  EXPECT_EQ(ages.AgeOf(9, 1400), 0u) << "a clock that was set back";
  ages.ForgetBelow(6);
  EXPECT_EQ(ages.size(), 1u);
  EXPECT_EQ(ages.AgeOf(9, 2000), 500u);
}

// Checklist E6.
TEST(WorthSaving, NotWhatExpiresBeforeItHasPaid) {
  EXPECT_TRUE(WorthSaving(UINT64_MAX, 5000, 1'000'000'000));
  EXPECT_FALSE(WorthSaving(5000, 5000, 0));
  EXPECT_FALSE(WorthSaving(4000, 5000, 0));
  EXPECT_FALSE(WorthSaving(5999, 5000, 0));
  EXPECT_TRUE(WorthSaving(6000, 5000, 0));
  EXPECT_FALSE(WorthSaving(14'999, 5000, 20'000));
  EXPECT_TRUE(WorthSaving(15'000, 5000, 20'000));
}

}  // namespace
}  // namespace varve
