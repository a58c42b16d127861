// The leveled picker over drawn trees (tests/db/picker_test_util.h has their grammar).

#include "db/leveled_picker.h"

#include <gtest/gtest.h>

#include <string>

#include "db/level_targets.h"
#include "tests/db/picker_test_util.h"

namespace varve {
namespace {

using testing::DrawPlan;
using testing::DrawTree;
using testing::ParseTree;

class LeveledPickerTest : public ::testing::Test {
 protected:
  LeveledPickerTest() {
    // Small numbers that can be reckoned with: segments of 10M, what the trees have by default.
    options_.segment_bytes = 10 << 20;
    options_.level_base_bytes = 40 << 20;
    options_.level0_runs_trigger = 4;
    options_.level_size_ratio = 10;
  }

  std::optional<CompactionPlan> PickPlan(const std::string& tree) {
    const testing::DrawnTree drawn = ParseTree(comparator_, tree);
    return LeveledPicker(options_, comparator_).Pick(*drawn.version, drawn.busy, {}, kMaxSequence);
  }
  std::string Pick(const std::string& tree, SequenceNumber droppable_before = kMaxSequence) {
    const testing::DrawnTree drawn = ParseTree(comparator_, tree);
    return DrawPlan(LeveledPicker(options_, comparator_)
                        .Pick(*drawn.version, drawn.busy, {}, droppable_before));
  }
  // With a plan running that takes these segments to that level.
  std::string PickBeside(const std::string& tree, const std::vector<FileNumber>& inputs,
                         uint32_t output_level) {
    testing::DrawnTree drawn = ParseTree(comparator_, tree);
    drawn.busy.insert(inputs.begin(), inputs.end());
    return DrawPlan(LeveledPicker(options_, comparator_)
                        .Pick(*drawn.version, drawn.busy,
                              {testing::RunningPlan(*drawn.version, inputs, output_level)},
                              kMaxSequence));
  }
  std::string PickManual(const std::string& tree, const ManualCompaction& manual, bool* blocked,
                         bool automatic = true) {
    const testing::DrawnTree drawn = ParseTree(comparator_, tree);
    return DrawPlan(LeveledPicker(options_, comparator_, automatic)
                        .PickManual(*drawn.version, drawn.busy, {}, manual, blocked));
  }
  // "6: 1000 5: 100", megabytes.
  std::string Targets(const std::string& tree) {
    const testing::DrawnTree drawn = ParseTree(comparator_, tree);
    const LevelTargets targets(*drawn.version, options_);
    std::string text;
    for (uint32_t level = targets.base_level; level <= targets.last_level; ++level) {
      text += (text.empty() ? "" : " ") + std::to_string(level) + ": " +
              std::to_string(targets.Bytes(level) >> 20);
    }
    return text;
  }

  PickerOptions options_;
  const InternalKeyComparator comparator_{BytewiseComparator()};
};

TEST_F(LeveledPickerTest, TargetsFollowTheLargestLevel) {
  EXPECT_EQ(Targets(""), "6: 0");
  EXPECT_EQ(Targets("L0@9: a-z#1(900M)"), "6: 0");
  EXPECT_EQ(Targets("L6: a-z#1(80M)"), "6: 80");
  EXPECT_EQ(Targets("L6: a-z#1(81M)"), "5: 40 6: 81");
  EXPECT_EQ(Targets("L6: a-z#1(700M)"), "5: 70 6: 700");
  EXPECT_EQ(Targets("L6: a-z#1(10G)"), "3: 40 4: 102 5: 1024 6: 10240");
  // Another level is larger than the last: what it has will sink.
  EXPECT_EQ(Targets("L5: a-z#1(700M) | L6: a-z#2(20M)"), "5: 70 6: 700");
  // A level deeper than ours becomes the last.
  EXPECT_EQ(Targets("L9: a-z#1(700M)"), "8: 70 9: 700");
}

TEST_F(LeveledPickerTest, NothingIsWantedBelowTheLimits) {
  EXPECT_EQ(Pick(""), "none");
  EXPECT_EQ(Pick("L0@3: a-z#3 | L0@2: a-z#2 | L0@1: a-z#1"), "none");
  EXPECT_EQ(Pick("L0@3: a-z#3 | L6: a-k#1(500M) l-z#2(500M)"), "none");
}

TEST_F(LeveledPickerTest, Level0SinksIntoTheBaseLevel) {
  EXPECT_EQ(Pick("L0@9: a-z#9 | L0@8: a-z#8 | L0@7: a-z#7 | L0@6: b-k#6 | L6: a-c#1 d-m#2 n-z#3"),
            "L0:#9,#8,#7,#6 + L6:#1,#2,#3 -> L6 (level0 runs, score 1.00)");
  // By bytes, of a single run too; what does not overlap stays.
  EXPECT_EQ(Pick("L0@9: c-e#9(60M) | L6: a-c#1 d-m#2 n-z#3"),
            "L0:#9 + L6:#1,#2 -> L6 (level0 runs, score 1.50)");
  EXPECT_EQ(Pick("L0@9: c-n)#9(60M) | L6: a-c)#1 d-m#2 n-z#3"),
            "L0:#9 + L6:#2 -> L6 (level0 runs, score 1.50)");
}

TEST_F(LeveledPickerTest, OnlyTheOldestRunsSinkWhileNewerOnesAreBusy) {
  EXPECT_EQ(Pick("L0@9: a-z#9* | L0@8: a-z#8* | L0@7: a-z#7 | L0@6: a-z#6 | L0@5: a-z#5 | "
                 "L0@4: a-z#4"),
            "L0:#7,#6,#5,#4 -> L6 (level0 runs, score 1.00)");
  // A run that an older busy one lies beneath stays, in its keys.
  EXPECT_EQ(Pick("L0@9: a-f#9 | L0@8: m-z#8 | L0@7: g-k#7* | L0@6: a-c#6 h-z#5 | L0@4: a-z#4"),
            "L0:#9,#8,#6,#5,#4 -> L6 (level0 runs, score 1.25)");
  EXPECT_EQ(Pick("L0@9: a-h#9 | L0@8: m-z#8 | L0@7: g-k#7* | L0@6: a-c#6 h-z#5 | L0@4: a-z#4"),
            "L0:#8,#6,#5,#4 -> L6 (level0 runs, score 1.25)");
}

TEST_F(LeveledPickerTest, LevelsAboveTheBaseLevelAreTakenAlong) {
  EXPECT_EQ(Pick("L0@9: a-e#9(80M) | L3: d-g#4 x-z#5 | L6: a-c#1 d-f#2 g-m#3"),
            "L0:#9 + L3:#4 + L6:#1,#2,#3 -> L6 (level0 runs, score 2.00)");
  EXPECT_EQ(Pick("L3: d-g#4 x-z#5 | L6: a-c#1 d-f#2 g-m#3"),
            "L3:#4 => L4 (level bytes, score 1.50)");
}

TEST_F(LeveledPickerTest, DisjointRunsOnlyMove) {
  EXPECT_EQ(Pick("L0@9: g-h#9 | L0@8: e-f#8 | L0@7: c-d#7 | L0@6: a-b#6 | L6: x-z#1"),
            "L0:#9,#8,#7,#6 => L6 (level0 runs, score 1.00)");
  EXPECT_EQ(Pick("L0@9: g-h#9 | L0@8: e-f#8 | L0@7: d-e#7 | L0@6: a-b#6 | L6: x-z#1"),
            "L0:#9,#8,#7,#6 -> L6 (level0 runs, score 1.00)");
  // Tombstones that can go are not carried along.
  EXPECT_EQ(Pick("L0@9: g-h#9 | L0@8: e-f#8(rd) | L0@7: c-d#7 | L0@6: a-b#6 | L6: x-z#1"),
            "L0:#9,#8,#7,#6 -> L6 (level0 runs, score 1.00)");
}

TEST_F(LeveledPickerTest, TheLeastOverlapSinksFirstThenTheOldest) {
  EXPECT_EQ(Pick("L5: a-c#3(50M) d-h#4(50M) | L6: a-d#1(300M) e-k#2(200M)"),
            "L5:#3 + L6:#1 -> L6 (level bytes, score 2.00)");
  EXPECT_EQ(Pick("L5: a-c#3(50M) e-h#4(50M) | L6: a-d#1(300M) e-k#2(200M)"),
            "L5:#4 + L6:#2 -> L6 (level bytes, score 2.00)");
  EXPECT_EQ(Pick("L5: a-c#9(50M) e-h#4(50M) | L6: a-d#1(200M) e-k#2(200M)"),
            "L5:#4 + L6:#2 -> L6 (level bytes, score 2.50)");
}

TEST_F(LeveledPickerTest, NeighboursThatCostNothingMoreComeAlong) {
  EXPECT_EQ(Pick("L5: a-b#3(30M) c-d#4(20M) e-h#5(20M) i-k#6(20M) | L6: a-b#7(200M) c-i)#1(50M) "
                 "j-k#2(200M)"),
            "L5:#4,#5 + L6:#1 -> L6 (level bytes, score 2.00)");
  // Not beyond the bound on the bytes of a compaction, 250M here, and not what is busy.
  EXPECT_EQ(Pick("L5: a-b#3(100M) c-d#4(160M) e-h#5(60M) | L6: a-h#1(50M) i-z#9(500M)"),
            "L5:#4 + L6:#1 -> L6 (level bytes, score 5.82)");
  EXPECT_EQ(Pick("L5: a-b#3*(20M) c-d#4(60M) e-h#5(20M) | L6: a-h#1(50M) i-z#9(500M)"),
            "L5:#4,#5 + L6:#1 -> L6 (level bytes, score 1.45)");
}

TEST_F(LeveledPickerTest, WhatOverlapsNothingMoves) {
  EXPECT_EQ(Pick("L5: a-b#3(30M) c-d#4(30M) e-h#5(30M) | L6: a-b#7(200M) e-z#8(200M)"),
            "L5:#4 => L6 (level bytes, score 2.25)");
  EXPECT_EQ(Pick("L5: a-b#3(30M) c-d#4(30M rd) e-h#5(30M) | L6: a-b#7(200M) e-z#8(200M)"),
            "L5:#4 -> L6 (level bytes, score 2.25)");
  // Onto more than 200M of the level below it would go undivided, so it is cut instead.
  EXPECT_EQ(Pick("L4: a-k#3(50M) | L5: l-z#1(90M) | L6: a-k#7(1000M)"),
            "L4:#3 -> L5 (level bytes, score 1.25)");
}

TEST_F(LeveledPickerTest, GrandparentsAreWhatTheOutputsSinkIntoNext) {
  const auto plan = PickPlan("L4: c-f#3(60M) | L5: a-d#1(20M) | L6: a-b#7(500M) d-e#8(500M) f-z#9");
  ASSERT_TRUE(plan);
  EXPECT_EQ(DrawPlan(*plan), "L4:#3 + L5:#1 -> L5 (level bytes, score 1.50)");
  ASSERT_EQ(plan->grandparents.size(), 3u);
  EXPECT_EQ(plan->grandparents[0]->number(), 7u);
  EXPECT_EQ(plan->grandparent_bytes_max, uint64_t{200} << 20);
  EXPECT_EQ(plan->segment_bytes, uint64_t{10} << 20);
  EXPECT_EQ(plan->output_epoch, 3u);
}

TEST_F(LeveledPickerTest, TheHighestScoreGoesFirst) {
  const std::string deep = " | L4: a-b#1(80M) | L5: a-c#2(100M) | L6: a-z#3(1000M)";
  EXPECT_EQ(Pick("L0@9: a-z#9" + deep), "L4:#1 + L5:#2 -> L5 (level bytes, score 2.00)");
  EXPECT_EQ(Pick("L0@9: a-z#9(100M)" + deep), "L0:#9 + L4:#1 -> L4 (level0 runs, score 2.50)");
}

// Compactions of the base level one after the other would keep level 0 waiting for ever.
TEST_F(LeveledPickerTest, NoFurtherCompactionBeginsInABaseLevelThatLevel0WaitsFor) {
  const std::string tree =
      "L0@9: a-z#9 | L0@8: a-z#8 | L0@7: a-z#7 | L0@6: a-z#6 | L0@5: a-z#5 | L5: a-c#1(50M) "
      "d-f#2(35M) | L6: a-c#3(200M) d-z#4(300M)";
  EXPECT_EQ(PickBeside(tree, {1, 3}, 6), "none");
  // Unless that is more urgent.
  EXPECT_EQ(PickBeside("L0@9: a-z#9 | L5: a-c#1(50M) d-f#2(60M) | L6: a-c#3(200M) d-z#4(300M)",
                       {1, 3}, 6),
            "L5:#2 + L6:#4 -> L6 (level bytes, score 1.20)");
}

TEST_F(LeveledPickerTest, YoungRunsAreMergedInLevel0WhileTheBaseLevelIsBusy) {
  const std::string base = " | L5: a-z#1* | L6: a-z#2*(500M)";
  EXPECT_EQ(Pick("L0@9: a-z#9(3M) | L0@8: a-z#8(4M) | L0@7: a-z#7(2M) | L0@6: a-z#6(3M) | "
                 "L0@5: a-z#5(30M) | L0@4: a-z#4(30M)" +
                 base),
            "L0:#9,#8,#7,#6 -> L0@9 (level0 runs, score 1.80)");
  // Too few to be worth it.
  EXPECT_EQ(Pick("L0@9: a-z#9(3M) | L0@8: a-z#8(4M) | L0@7: a-z#7(2M) | L0@6: a-z#6(20M) | "
                 "L0@5: a-z#5(30M) | L0@4: a-z#4(30M)" +
                 base),
            "none");
  // Older runs are sinking; those that came since are merged.
  EXPECT_EQ(PickBeside("L0@9: a-z#9 | L0@8: a-z#8 | L0@7: a-z#7 | L0@6: a-z#6 | L0@5: a-z#5 | "
                       "L0@4: a-z#4 | L6: a-z#1",
                       {5, 4, 1}, 6),
            "L0:#9,#8,#7,#6 -> L0@9 (level0 runs, score 1.00)");
}

// A database that was tiered: runs of many segments sink slice by slice.
TEST_F(LeveledPickerTest, LargeRunsSinkInSlices) {
  EXPECT_EQ(Pick("L0@9: a-c#9(100M) d-f#8(100M) g-i#7(100M) | L0@5: a-d#3(100M) e-g)#2(100M) "
                 "g-z#1(100M)"),
            "L0:#9,#3 -> L6 (level0 runs, score 15.00)");
  // Moves are never too large.
  EXPECT_EQ(Pick("L0@9: a-c#9(100M) d-f#8(100M) g-h#7(100M) | L0@5: i-k#3(100M) l-m#2(100M)"),
            "L0:#9,#8,#7,#3,#2 => L6 (level0 runs, score 12.50)");
}

// Checklist C5
TEST_F(LeveledPickerTest, TombstonesAreBroughtDownAndRewrittenAway) {
  const std::string many = "(1M 60000/100000 s20-30)";
  const std::string beneath = " | L6: a-c#1(300M s1-2) k-z#4(300M s1-2)";
  EXPECT_EQ(Pick("L0@9: b-d#9" + many + beneath), "L0:#9 -> L5 (tombstones, score 1.00)");
  EXPECT_EQ(Pick("L5: b-d#9" + many + beneath), "L5:#9 + L6:#1 -> L6 (tombstones, score 1.00)");
  EXPECT_EQ(Pick("L5: b-d#9" + many + beneath, 20), "none");  // snapshots need what they hide
  EXPECT_EQ(Pick("L5: b-d#9" + many + beneath, 21), "L5:#9 + L6:#1 -> L6 (tombstones, score 1.00)");
  // Few do not matter, but those of ranges may hide much.
  EXPECT_EQ(Pick("L5: b-d#9(1M 999/1000 s20-30)" + beneath), "none");
  EXPECT_EQ(Pick("L5: b-d#9(1M 1/1000 rd s20-30)" + beneath),
            "L5:#9 + L6:#1 -> L6 (tombstones, score 1.00)");
  // Nothing older beneath: a rewrite is enough, once nobody needs them.
  EXPECT_EQ(Pick("L6: b-d#9" + many), "L6:#9 -> L6 (tombstones, score 1.00)");
  EXPECT_EQ(Pick("L6: b-d#9" + many, 30), "none");
  EXPECT_EQ(Pick("L0@9: a-z#8 | L0@7: b-d#9" + many + " | L6: e-f#1"),
            "L0:#9 -> L0@7 (tombstones, score 1.00)");
}

// Below 1: only in a quiet time.
TEST_F(LeveledPickerTest, HiddenVersionsAreRewrittenAwayAtRest) {
  // Of 100,000 entries, a sixteenth is 6,250.
  EXPECT_EQ(Pick("L6: a-c#1 d-f#2(h6251 s20-30)"), "L6:#2 -> L6 (space, score 0.06)");
  EXPECT_EQ(Pick("L6: a-c#1 d-f#2(h6250 s20-30)"), "none");
  EXPECT_EQ(Pick("L6: a-c#1 d-f#2(h50000 s20-30)", 30), "none");  // somebody may see some of them
  EXPECT_EQ(Pick("L6: a-c#1 d-f#2(h50000 s20-30)", 31), "L6:#2 -> L6 (space, score 0.50)");
  EXPECT_EQ(Pick("L6: a-c#1 d-f#2*(h50000) g-h#3(h40000)"), "L6:#3 -> L6 (space, score 0.40)");
  // Above others they go with the next merge.
  EXPECT_EQ(Pick("L5: d-f#2(1M h50000) | L6: a-z#1(100M)"), "none");
  EXPECT_EQ(Pick("L0@9: d-f#2(1M h50000)"), "L0:#2 -> L0@9 (space, score 0.50)");
}

TEST_F(LeveledPickerTest, WhatLiesAboveTheLastLevelIsBounded) {
  const std::string last = " | L6: a-c#1(100M) d-z#2(220M)";
  options_.level_base_bytes = 60 << 20;
  EXPECT_EQ(Pick("L0@9: a-z#9(8M) | L5: a-b#3(6M) d-e#4(6M)" + last), "none");
  EXPECT_EQ(Pick("L0@9: a-z#9(30M) | L5: a-b#3(15M) d-e#4(15M)" + last),
            "L5:#3 + L6:#1 -> L6 (space, score 0.67)");
  EXPECT_EQ(Pick("L0@9: m-z#9(30M) | L0@8: a-k#8(20M)" + last),
            "L0:#9,#8 -> L5 (space, score 0.60)");
}

TEST_F(LeveledPickerTest, ManualCompactionsSinkThenRewrite) {
  bool blocked = true;
  ManualCompaction manual;
  const std::string tree =
      "L0@9: a-f#9 | L0@8: e-k#8 x-z#5 | L5: a-b#4 | L6: a-c#1(300M) k-z#2(300M)";
  EXPECT_EQ(PickManual(tree, manual, &blocked), "L0:#9,#8 + L5:#4 -> L5 (manual)");
  EXPECT_EQ(PickManual(tree, manual, &blocked, /*automatic=*/false),
            "L0:#9,#8 + L5:#4 -> L5 (manual)");
  EXPECT_FALSE(blocked);
  manual.begin = "w";
  EXPECT_EQ(PickManual(tree, manual, &blocked), "L0:#5 -> L5 (manual)");
  EXPECT_EQ(PickManual("L5: a-w)#4 x-z#5 | L6: a-c#1(300M) k-z#2(300M)", manual, &blocked),
            "L5:#5 + L6:#2 -> L6 (manual)");
  manual.begin.reset();
  manual.end = "w";
  EXPECT_EQ(PickManual("L5: w-x#4 y-z#5 | L6: a-c#1(300M) k-z#2(300M)", manual, &blocked),
            "L5:#4 + L6:#2 -> L6 (manual)");
  EXPECT_EQ(PickManual("L5: x-y#4 | L6: a-c#1(300M) k-z#2(300M)", manual, &blocked), "none");
  manual.rewrite_before = 2;
  EXPECT_EQ(PickManual("L6: a-c#1 d-f#2 g-i#0", manual, &blocked), "L6:#1 -> L6 (manual)");
  EXPECT_EQ(PickManual("L6: a-c#3 d-f#1 g-i#0 k-l#5", manual, &blocked), "L6:#1,#0 -> L6 (manual)");
  EXPECT_EQ(PickManual("L6: a-c#3 d-f#2", manual, &blocked), "none");
}

TEST_F(LeveledPickerTest, ManualCompactionsLeaveOutWhatWasWrittenSince) {
  bool blocked = true;
  ManualCompaction manual;
  manual.sequence_before = 500;
  EXPECT_EQ(PickManual("L0@9: a-f#9(s500-600) | L6: a-c#1", manual, &blocked), "none");
  EXPECT_FALSE(blocked);
  EXPECT_EQ(PickManual("L0@9: a-f#9(s499-600) | L6: a-c#1", manual, &blocked),
            "L0:#9 + L6:#1 -> L6 (manual)");
}

TEST_F(LeveledPickerTest, ManualCompactionsSayWhenTheyMustWait) {
  bool blocked = false;
  EXPECT_EQ(PickManual("L0@9: a-f#9* | L6: a-c#1", {}, &blocked), "none");
  EXPECT_TRUE(blocked);
  // What need not wait goes first.
  EXPECT_EQ(PickManual("L0@9: a-f#9 | L0@8: a-c#8* x-y#7 | L6: a-c#1", {}, &blocked),
            "L0:#7 => L6 (manual)");
}

TEST_F(LeveledPickerTest, StyleNoneChoosesNothingByItself) {
  const testing::DrawnTree drawn =
      ParseTree(comparator_, "L0@9: a-z#9(900M) | L0@8: a-z#8(900M) | L6: a-z#1");
  const auto picker = NewCompactionPicker(CompactionStyle::kNone, options_, comparator_);
  EXPECT_EQ(DrawPlan(picker->Pick(*drawn.version, {}, {}, kMaxSequence)), "none");
  EXPECT_EQ(RunPressureOf(*drawn.version, CompactionStyle::kNone, options_).stop, SIZE_MAX);
}

TEST_F(LeveledPickerTest, DebtIsWhatIsStillToBeRead) {
  const auto debt = [&](const std::string& tree) {
    return LeveledPicker(options_, comparator_).DebtBytes(*ParseTree(comparator_, tree).version) >>
           20;
  };
  EXPECT_EQ(debt("L0@9: a-z#9 | L5: a-z#1(50M) | L6: a-z#2(500M)"), 0u);
  // All of level 0 with the base level; nothing sinks on.
  EXPECT_EQ(debt("L0@9: a-z#9(45M) | L6: a-z#2(60M)"), 105u);
  // 50M too many, each byte with its share of the last level.
  EXPECT_EQ(debt("L5: a-z#1(100M) | L6: a-z#2(500M)"), 50u + 50u * 5);
  EXPECT_EQ(debt("L0@9: a-z#9(50M) | L5: a-z#1(50M) | L6: a-z#2(500M)"), 50u + 50u + 300u);
}

TEST_F(LeveledPickerTest, PressureCountsTheRunsOfLevel0) {
  const RunPressure pressure =
      RunPressureOf(*ParseTree(comparator_, "L0@9: a-z#9 | L0@8: a-z#8 | L5: a-z#1").version,
                    CompactionStyle::kLeveled, options_);
  EXPECT_EQ(pressure.runs, 2u);
  EXPECT_EQ(pressure.trigger, 4u);
  EXPECT_EQ(pressure.slowdown, 20u);
  EXPECT_EQ(pressure.stop, 36u);
}

}  // namespace
}  // namespace varve
