// The tiered picker over drawn trees (tests/db/picker_test_util.h has their grammar).

#include "db/tiered_picker.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/db/picker_test_util.h"

namespace varve {
namespace {

using testing::DrawPlan;
using testing::ParseTree;

class TieredPickerTest : public ::testing::Test {
 protected:
  TieredPickerTest() {
    options_.tiered_runs_trigger = 4;
    options_.tiered_space_percent_max = 100;
  }

  std::string Pick(const std::string& tree, SequenceNumber droppable_before = kMaxSequence) {
    const testing::DrawnTree drawn = ParseTree(comparator_, tree);
    return DrawPlan(
        TieredPicker(options_, comparator_).Pick(*drawn.version, drawn.busy, {}, droppable_before));
  }
  std::string PickManual(const std::string& tree, const ManualCompaction& manual, bool* blocked) {
    const testing::DrawnTree drawn = ParseTree(comparator_, tree);
    return DrawPlan(TieredPicker(options_, comparator_)
                        .PickManual(*drawn.version, drawn.busy, {}, manual, blocked));
  }

  PickerOptions options_;
  const InternalKeyComparator comparator_{BytewiseComparator()};
};

TEST_F(TieredPickerTest, NothingIsWantedBelowTheLimits) {
  EXPECT_EQ(Pick(""), "none");
  EXPECT_EQ(Pick("L0@1: a-z#1"), "none");
  EXPECT_EQ(Pick("L0@9: a-z#9(10M) | L0@8: a-z#8(10M) | L0@7: a-z#7(20M)"), "none");
}

// What no merge would make fewer, nobody may be told to wait for.
TEST_F(TieredPickerTest, SiblingsAreOneRunToWriters) {
  std::string tree = "L0@9: a-k#9";
  for (int number = 10; number < 50; ++number) tree += " | L0@9: b-z#" + std::to_string(number);
  EXPECT_EQ(Pick(tree), "none");
  const auto runs = [&](const std::string& text) {
    const testing::DrawnTree drawn = ParseTree(comparator_, text);
    return RunPressureOf(*drawn.version, CompactionStyle::kTiered, options_).runs;
  };
  EXPECT_EQ(runs(tree), 1u);
  EXPECT_EQ(runs(tree + " | L0@8: a-z#8 | L6: a-z#1"), 3u);
}

TEST_F(TieredPickerTest, RunsOfLikeSizeBecomeOne) {
  EXPECT_EQ(Pick("L0@9: a-z#9(10M) | L0@8: a-z#8(10M) | L0@7: a-z#7(20M) | L0@6: a-z#6(90M)"),
            "L0:#9,#8,#7 -> L0@9 (size ratio, score 1.00)");
  // A run of several segments goes whole.
  EXPECT_EQ(Pick("L0@9: a-z#9(10M) | L0@8: a-m#8(10M) n-z#10(1M) | L0@7: a-z#7(50M) | L0@6: "
                 "a-z#6(900M)"),
            "L0:#9,#8,#10 -> L0@9 (size ratio, score 1.00)");
}

TEST_F(TieredPickerTest, TooManyRunsOfUnlikeSizeAreMergedWhereItCostsLeast) {
  EXPECT_EQ(Pick("L0@9: a-z#9(10M) | L0@8: a-z#8(30M) | L0@7: a-z#7(100M) | L0@6: a-z#6(900M)"),
            "L0:#9,#8 -> L0@9 (runs, score 1.00)");
  EXPECT_EQ(Pick("L0@9: a-z#9*(10M) | L0@8: a-z#8(30M) | L0@7: a-z#7(100M) | L0@6: a-z#6(900M)"),
            "L0:#8,#7 -> L0@8 (runs, score 1.00)");
}

TEST_F(TieredPickerTest, RoomThatNewerRunsTakeIsBounded) {
  EXPECT_EQ(Pick("L0@9: a-z#9(70M) | L0@8: a-z#8(80M) | L0@7: a-z#7(100M)"),
            "L0:#9,#8,#7 -> L0@9 (space, score 1.50)");
  // Whatever is busy at the newer end stays.
  EXPECT_EQ(Pick("L0@9: a-z#9*(70M) | L0@8: a-z#8(80M) | L0@7: a-z#7(100M)"),
            "L0:#8,#7 -> L0@8 (space, score 1.50)");
  EXPECT_EQ(Pick("L0@9: a-z#9(70M) | L0@8: a-z#8(80M) | L0@7: a-z#7*(100M)"), "none");
}

TEST_F(TieredPickerTest, LevelsOfAnotherStyleAreOlderRuns) {
  EXPECT_EQ(Pick("L0@9: a-z#9(70M) | L5: a-c#8(20M) d-z#7(30M) | L6: a-m#5(50M) n-z#6(60M)"),
            "L0:#9 + L5:#8,#7 + L6:#5,#6 -> L6 (space, score 1.09)");
  EXPECT_EQ(Pick("L0@9: a-z#9(20M) | L0@8: a-z#8(20M) | L5: a-c#4(20M) d-z#7(30M) | L6: "
                 "a-m#5(500M) n-z#6(60M)"),
            "L0:#9,#8 + L5:#4,#7 -> L5 (size ratio, score 1.00)");
}

// Checklist C5
TEST_F(TieredPickerTest, TombstonesGoInTheEnd) {
  const std::string tree =
      "L0@9: a-b#9(1M 50000/60000 s8-9) | L0@8: c-z#8(10M) | L0@7: a-z#7(100M s5-6)";
  EXPECT_EQ(Pick(tree), "L0:#9,#8,#7 -> L0@9 (tombstones, score 1.00)");
  EXPECT_EQ(Pick(tree, 8), "none");  // a snapshot needs what they hide
  EXPECT_EQ(Pick("L0@9: a-b#9(1M) | L0@7: a-b#6(30M 40000/60000 s5-6) c-z#7(100M)"),
            "L0:#6 -> L0@7 (tombstones, score 1.00)");
  EXPECT_EQ(Pick("L0@9: a-b#9(1M) | L0@7: a-b#6(30M 40000/60000 s5-6) c-z#7(100M)", 6), "none");
  EXPECT_EQ(Pick("L0@9: a-b#9(1M rd) | L0@7: a-z#7(100M)"),
            "L0:#9,#7 -> L0@9 (tombstones, score 1.00)");
}

TEST_F(TieredPickerTest, HiddenVersionsAreRewrittenAwayAtRest) {
  const std::string tree = "L0@9: a-b#9(1M h50000) | L0@7: a-b#6(30M h40000 s5-6) c-z#7(100M)";
  EXPECT_EQ(Pick(tree), "L0:#6 -> L0@7 (space, score 0.40)");
  EXPECT_EQ(Pick(tree, 6), "none");  // a snapshot may see some of them
  EXPECT_EQ(Pick("L0@7: a-z#7(100M h6250)"), "none");
}

TEST_F(TieredPickerTest, ManualCompactionsMergeWhatHangsTogetherThenRewrite) {
  bool blocked = false;
  ManualCompaction manual;
  EXPECT_EQ(PickManual("L0@9: a-d#9 | L0@8: c-f#8 p-q#5 | L0@7: a-b#6 m-z#7", manual, &blocked),
            "L0:#9,#8,#6 -> L0@9 (manual)");
  EXPECT_EQ(PickManual("L0@9: a-f#10 | L0@8: p-q#5 | L0@7: m-z#7", manual, &blocked),
            "L0:#5,#7 -> L0@8 (manual)");
  EXPECT_EQ(PickManual("L0@9: a-f#10 | L0@8: m-z#11", manual, &blocked), "none");
  EXPECT_FALSE(blocked);
  manual.rewrite_before = 11;
  EXPECT_EQ(PickManual("L0@9: a-f#10 | L0@8: m-z#11", manual, &blocked), "L0:#10 -> L0@9 (manual)");
  manual.begin = "g";
  EXPECT_EQ(PickManual("L0@9: a-f#10 | L0@8: m-z#11", manual, &blocked), "none");
  EXPECT_EQ(PickManual("L0@9: a-g)#10 | L0@8: m-z#11", manual, &blocked), "none");
  manual.begin.reset();
  EXPECT_EQ(PickManual("L0@9: a-f#10* | L0@8: m-z#11", manual, &blocked), "none");
  EXPECT_TRUE(blocked);
}

}  // namespace
}  // namespace varve
