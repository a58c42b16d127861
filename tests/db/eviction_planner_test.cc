// Which segments of a drawn version go, and in which order.

#include "db/eviction_planner.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/db/picker_test_util.h"

namespace varve {
namespace {

using testing::DrawnTree;
using testing::ParseTree;

const InternalKeyComparator kOrder{BytewiseComparator()};

// "#1 #2 | #3 (30)": expired ones, then what the policy chose, and the bytes of all.
std::string Draw(const EvictionPlan& plan) {
  std::string text;
  for (size_t i = 0; i < plan.victims.size(); ++i) {
    if (i == plan.expired) text += "| ";
    text += "#" + std::to_string(plan.victims[i]) + " ";
  }
  return text + "(" + std::to_string(plan.bytes) + ")";
}

std::string Plan(const std::string& text, uint64_t bytes_wanted, uint64_t now_ms = 100,
                 EvictionPolicy policy = EvictionPolicy::kFifo) {
  const DrawnTree tree = ParseTree(kOrder, text);
  return Draw(PlanEviction(*tree.version, tree.busy, {policy, now_ms, bytes_wanted}));
}

TEST(EvictionPlanner, TakesTheOldestUntilTheBytesAreThere) {
  const std::string cache = "L0@9: a-z#12(10) | L0@7: a-z#11(20) | L0@3: a-z#8(30)";
  EXPECT_EQ(Plan(cache, 1), "| #8 (30)");
  EXPECT_EQ(Plan(cache, 30), "| #8 (30)");
  EXPECT_EQ(Plan(cache, 31), "| #8 #11 (50)");
  EXPECT_EQ(Plan(cache, 1000), "| #8 #11 #12 (60)");
  EXPECT_EQ(Plan(cache, 0), "(0)");
  EXPECT_EQ(Plan(cache, 1, 100, EvictionPolicy::kLru), "| #8 (30)");
}

// RULES R1.5.
TEST(EvictionPlanner, LeavesOutWhatAJobHasInHand) {
  const std::string cache = "L0@9: a-z#12(10) | L0@7: a-z#11*(20 x50) | L0@3: a-z#8*(30)";
  EXPECT_EQ(Plan(cache, 1), "| #12 (10)");
  EXPECT_EQ(Plan(cache, 100), "| #12 (10)");
}

// Checklist E11, E12.
TEST(EvictionPlanner, WhatHasExpiredGoesFirstAndWhole) {
  const std::string cache =
      "L0@9: a-z#12(10 x100) | L0@7: a-z#11(20 x101) | L0@5: a-z#9(7 e50) | L0@3: a-z#8(30)";
  EXPECT_EQ(Plan(cache, 0), "#12 (10)") << "at its instant, not before";
  EXPECT_EQ(Plan(cache, 0, 99), "(0)");
  EXPECT_EQ(Plan(cache, 0, 101), "#11 #12 (30)");
  EXPECT_EQ(Plan(cache, 10), "#12 (10)") << "that is enough";
  EXPECT_EQ(Plan(cache, 11), "#12 | #8 (40)") << "and then the policy";
  // Not all entries of number 9 expire: it is as old as it is.
  EXPECT_EQ(Plan(cache, 41), "#12 | #8 #9 (47)");
}

TEST(EvictionPlanner, OfOneEpochWhatExpiresFirst) {
  EXPECT_EQ(Plan("L0@3: a-z#8(10) a-z#9(10 x900) a-z#10(10 x700)", 30), "| #10 #9 #8 (30)");
}

// Their tombstones stay, in the ghost.
TEST(EvictionPlanner, RangeTombstonesDoNotKeepAnExpiredSegment) {
  EXPECT_EQ(Plan("L0@3: a-z#8(10 x50 rd)", 0), "#8 (10)");
  // Nothing but a range tombstone: nothing in it expires.
  EXPECT_EQ(Plan("L0@3: a-z#8(10 rd 0/0)", 0), "(0)");
}

}  // namespace
}  // namespace varve
