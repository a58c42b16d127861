// The leveled picker over drawn trees (tests/db/picker_test_util.h has their grammar).

#include "db/leveled_picker.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/db/picker_test_util.h"

namespace varve {
namespace {

using testing::DrawPlan;
using testing::DrawTree;
using testing::ParseTree;

class LeveledPickerTest : public ::testing::Test {
 protected:
  LeveledPickerTest() {
    // Small numbers that can be reckoned with: 10M segments.
    options_.segment_bytes = 10 << 20;
    options_.level_base_bytes = 40 << 20;
    options_.level0_runs_trigger = 4;
    options_.level_size_ratio = 10;
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

  PickerOptions options_;
  const InternalKeyComparator comparator_{BytewiseComparator()};
};

TEST_F(LeveledPickerTest, NothingIsWantedBelowTheLimits) {
  EXPECT_EQ(Pick(""), "none");
  EXPECT_EQ(Pick("L0@3: a-z#3 | L0@2: a-z#2 | L0@1: a-z#1"), "none");
  EXPECT_EQ(Pick("L0@3: a-z#3 | L6: a-k#1(500M) l-z#2(500M)"), "none");
}

TEST_F(LeveledPickerTest, Level0SinksIntoTheBaseLevel) {
  EXPECT_EQ(Pick("L0@9: a-z#9 | L0@8: a-z#8 | L0@7: a-z#7 | L0@6: b-k#6 | L6: a-c#1 d-m#2 n-z#3"),
            "L0:#9,#8,#7,#6 + L6:#1,#2,#3 -> L6 (level0 runs, score 1.00)");
  // By bytes, of a single run too.
  EXPECT_EQ(Pick("L0@9: c-e#9(60M) | L6: a-c#1 d-m#2 n-z#3"),
            "L0:#9 + L6:#1,#2 -> L6 (level0 runs, score 1.50)");
}

}  // namespace
}  // namespace varve
