// The picker by time over drawn trees (tests/db/picker_test_util.h has their grammar).

#include "db/time_picker.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/db/model_tree.h"
#include "tests/db/picker_test_util.h"
#include "util/random.h"

namespace varve {
namespace {

using testing::DrawPlan;
using testing::ModelTree;
using testing::ParseTree;

class TimePickerTest : public ::testing::Test {
 protected:
  TimePickerTest() { options_.segment_bytes = uint64_t{100} << 20; }

  std::string Pick(const std::string& tree, const std::vector<CompactionPlan>& running = {}) {
    const testing::DrawnTree drawn = ParseTree(comparator_, tree);
    return DrawPlan(
        TimePicker(options_, comparator_).Pick(*drawn.version, drawn.busy, running, kMaxSequence));
  }
  uint64_t Debt(const std::string& tree) {
    return TimePicker(options_, comparator_).DebtBytes(*ParseTree(comparator_, tree).version) >> 20;
  }

  PickerOptions options_;
  const InternalKeyComparator comparator_{BytewiseComparator()};
};

TEST_F(TimePickerTest, SmallNeighboursBecomeOne) {
  EXPECT_EQ(Pick("L0@9: a-z#9(20M) | L0@8: a-z#8(20M) | L0@7: a-z#7(20M) | L0@6: a-z#6(90M)"),
            "L0:#9,#8,#7 -> L0@9 (small, score 1.00)");
  EXPECT_EQ(Pick("L0@9: a-z#9(90M) | L0@8: a-z#8(10M) | L0@7: a-z#7(24M) | L0@6: a-z#6(24M)"),
            "L0:#8,#7,#6 -> L0@8 (small, score 1.00)");
}

TEST_F(TimePickerTest, NothingElseIsWanted) {
  EXPECT_EQ(Pick(""), "none");
  EXPECT_EQ(Pick("L0@9: a-z#9(10M)"), "none");
  EXPECT_EQ(Pick("L0@9: a-z#9(25M) | L0@8: a-z#8(25M) | L0@7: a-z#7(25M)"), "none")
      << "a quarter of a segment is enough";
  EXPECT_EQ(Pick("L0@9: a-z#9(24M) | L0@8: a-z#8(60M) | L0@7: a-z#7(24M) | L0@6: a-z#6(10M)"),
            "none")
      << "what is small and no neighbour";
  std::string many;
  for (int epoch = 300; epoch > 0; --epoch) {
    many += "L0@" + std::to_string(epoch) + ": a-z#" + std::to_string(epoch) +
            "(60M 90000/100000 h90000) | ";
  }
  EXPECT_EQ(Pick(many + "L6: a-z#999(60M)"), "none") << "neither for runs nor for garbage";
}

// One by one, the first byte would be written again with each that comes.
TEST_F(TimePickerTest, WaitsUntilTheyAreWorthASegment) {
  EXPECT_EQ(Pick("L0@9: a-z#9(20M) | L0@8: a-z#8(20M)"), "none");
  EXPECT_EQ(Pick("L0@9: a-z#9(20M) | L0@8: a-z#8(20M) | L0@7: a-z#7(10M)"),
            "L0:#9,#8,#7 -> L0@9 (small, score 1.00)");
  std::string tiny = "L0@9: a-z#9(1K)";
  for (int epoch = 8; epoch > 2; --epoch) {
    tiny += " | L0@" + std::to_string(epoch) + ": a-z#" + std::to_string(epoch) + "(1K)";
  }
  EXPECT_EQ(Pick(tiny), "none");
  EXPECT_EQ(Pick(tiny + " | L0@2: a-z#2(1K)"),
            "L0:#9,#8,#7,#6,#5,#4,#3,#2 -> L0@9 (small, score 1.00)");
}

TEST_F(TimePickerTest, TogetherTheyAreNoMoreThanASegment) {
  EXPECT_EQ(Pick("L0@9: a-z#9(24M) | L0@8: a-z#8(24M) | L0@7: a-z#7(24M) | L0@6: a-z#6(24M) | "
                 "L0@5: a-z#5(24M)"),
            "L0:#9,#8,#7,#6 -> L0@9 (small, score 1.00)");
}

// What was salvaged stands beside the newest segment.
TEST_F(TimePickerTest, SiblingsAreMergedWhereTheyStand) {
  EXPECT_EQ(Pick("L0@9: a-z#9(90M) b-y#10(20M) c-x#11(20M) d-w#12(20M) | L0@8: a-z#8(90M)"),
            "L0:#10,#11,#12 -> L0@9 (small, score 1.00)");
  // An epoch rises as a whole or not at all (RULES R1.4).
  EXPECT_EQ(Pick("L0@9: a-z#9(24M) | L0@8: a-z#8(90M) b-y#10(24M) | L0@7: a-z#7(24M)"), "none");
  EXPECT_EQ(Pick("L0@9: a-z#9(20M) | L0@8: a-f#8(15M) g-z#10(15M)"),
            "L0:#9,#8,#10 -> L0@9 (small, score 1.00)");
}

// Checklist E11, E12: so that they still go whole.
TEST_F(TimePickerTest, OnlyWhatExpiresAlikeIsMerged) {
  const std::string third = " | L0@7: a-z#7(20M x160-250)";
  EXPECT_EQ(Pick("L0@9: a-z#9(20M x100-200) | L0@8: a-z#8(20M x150-300)" + third),
            "L0:#9,#8,#7 -> L0@9 (small, score 1.00)");
  EXPECT_EQ(Pick("L0@9: a-z#9(20M x100-200) | L0@8: a-z#8(20M x201-300)" + third), "none");
  EXPECT_EQ(Pick("L0@9: a-z#9(20M x100-200) | L0@8: a-z#8(20M)" + third), "none");
  EXPECT_EQ(Pick("L0@9: a-z#9(20M e100-200) | L0@8: a-z#8(20M) | L0@7: a-z#7(20M e500-600)"),
            "L0:#9,#8,#7 -> L0@9 (small, score 1.00)")
      << "none expires as a whole";
  EXPECT_EQ(Pick("L0@9: a-z#1(20M x700-800) b-y#2(20M x100-200) c-x#3(20M x150-300) d-w#4(20M) "
                 "e-v#5(20M x250-400)"),
            "L0:#2,#3,#5 -> L0@9 (small, score 1.00)");
}

// Checklist S14, RULES R1.5.
TEST_F(TimePickerTest, LeavesWhatAJobHasInHand) {
  EXPECT_EQ(Pick("L0@9: a-z#9(20M) | L0@8: a-z#8(20M) | L0@7: a-z#7*(20M) | L0@6: a-z#6(20M)"),
            "none");
  EXPECT_EQ(Pick("L0@9: a-z#9*(20M) | L0@8: a-z#8(20M) | L0@7: a-z#7(20M) | L0@6: a-z#6(20M)"),
            "L0:#8,#7,#6 -> L0@8 (small, score 1.00)");
}

TEST_F(TimePickerTest, OwesWhatItWillRead) {
  EXPECT_EQ(Debt("L0@9: a-z#9(60M) | L0@8: a-z#8(60M)"), 0u);
  EXPECT_EQ(Debt("L0@9: a-z#9(20M) | L0@8: a-z#8(20M) | L0@7: a-z#7(20M) | L0@6: a-z#6(90M)"), 60u);
}

TEST_F(TimePickerTest, ByHandEachSegmentIsRewrittenWhereItStands) {
  const testing::DrawnTree drawn =
      ParseTree(comparator_, "L0@9: a-z#9(60M) | L0@8: a-f#8*(60M) m-z#10(60M)");
  const TimePicker picker(options_, comparator_);
  bool blocked = false;
  ManualCompaction manual;
  EXPECT_EQ(DrawPlan(picker.PickManual(*drawn.version, drawn.busy, {}, manual, &blocked)), "none");
  EXPECT_FALSE(blocked);
  manual.rewrite_before = 20;
  EXPECT_EQ(DrawPlan(picker.PickManual(*drawn.version, drawn.busy, {}, manual, &blocked)),
            "L0:#9 -> L0@9 (manual, score 1.00)");
  manual.begin = "b";
  manual.end = "c";
  manual.rewrite_before = 9;
  EXPECT_EQ(DrawPlan(picker.PickManual(*drawn.version, drawn.busy, {}, manual, &blocked)), "none");
  EXPECT_TRUE(blocked) << "number 8 is busy";
}

// Flushes of any size, while merges run to their end: order holds, nothing is lost, few segments
// are small, and a byte that was flushed is merged once or twice.
TEST(TimePicker, WritesLittleAndLeavesFewSmallOnes) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    ModelTree::Settings settings;
    settings.seed = seed;
    ModelTree tree(settings);
    PickerOptions options;
    options.segment_bytes = 100 * settings.entry_bytes;
    const TimePicker picker(options, tree.comparator());
    SequenceNumber sequence = 0;
    for (int flush = 0; flush < 100; ++flush) {
      ModelTree::Entries entries;
      const uint64_t count = random.Between(1, 100);
      for (uint64_t i = 0; i < count; ++i) {
        entries.push_back({static_cast<uint32_t>(10 * i + random.Uniform(10)), ++sequence, false});
      }
      tree.Flush(entries);
      const auto live = tree.Live();
      size_t steps = 0;
      while (auto plan = picker.Pick(tree.version(), tree.busy(), tree.running(), kMaxSequence)) {
        ASSERT_LT(++steps, 10u) << DrawPlan(*plan);
        tree.Run(*plan);
      }
      ASSERT_EQ(tree.Disorder(), "");
      ASSERT_EQ(tree.Live(), live);
    }
    EXPECT_LT(tree.bytes_compacted(), tree.bytes_flushed());
    size_t small_ones = 0;
    tree.version().ForEachSegment([&](const auto& segment) {
      small_ones += segment->file_bytes() < options.segment_bytes / TimePicker::kSmallShare;
    });
    EXPECT_LE(small_ones, tree.version().segments() / 2 + TimePicker::kNeighboursMin);
  }
}

}  // namespace
}  // namespace varve
