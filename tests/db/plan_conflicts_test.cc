// Which plans must not begin: each test draws a tree, a plan over it, and what runs beside it.

#include "db/plan_conflicts.h"

#include <gtest/gtest.h>

#include <string>

#include "db/ghost.h"
#include "tests/db/picker_test_util.h"

namespace varve {
namespace {

struct Job {
  std::vector<FileNumber> inputs;
  uint32_t output_level;
  uint64_t output_epoch = 0;  // 0: the highest of the inputs'
};

CompactionPlan ToPlan(const Version& version, const Job& job) {
  CompactionPlan plan = testing::RunningPlan(version, job.inputs, job.output_level);
  if (job.output_epoch != 0) plan.output_epoch = job.output_epoch;
  return plan;
}

// Whether `job` conflicts while `beside` runs.
bool Conflicts(const std::string& tree, const Job& job, const std::vector<Job>& beside = {}) {
  const InternalKeyComparator comparator(BytewiseComparator());
  testing::DrawnTree drawn = testing::ParseTree(comparator, tree);
  std::vector<CompactionPlan> running;
  for (const Job& other : beside) {
    running.push_back(ToPlan(*drawn.version, other));
    drawn.busy.insert(other.inputs.begin(), other.inputs.end());
  }
  return PlanConflicts(comparator, *drawn.version, drawn.busy, running,
                       ToPlan(*drawn.version, job));
}

// Checklist S14
TEST(PlanConflicts, BusyInputsAreNotShared) {
  EXPECT_FALSE(Conflicts("L5: a-c#1 | L6: a-c#2", {{1, 2}, 6}));
  EXPECT_TRUE(Conflicts("L5: a-c#1 | L6: a-c#2*", {{1, 2}, 6}));
}

TEST(PlanConflicts, NothingIsPassedOnTheWayDown) {
  // An older run of level 0 that stays.
  EXPECT_TRUE(Conflicts("L0@9: a-z#2 | L0@8: c-d#1", {{2}, 6}));
  EXPECT_FALSE(Conflicts("L0@9: a-b#2 | L0@8: c-d#1", {{2}, 6}));
  EXPECT_FALSE(Conflicts("L0@9: a-z#2 | L0@8: c-d#1", {{1}, 6}));
  // A level between, and the output level itself.
  EXPECT_TRUE(Conflicts("L0@9: a-d#2 | L4: b-c#1", {{2}, 5}));
  EXPECT_TRUE(Conflicts("L0@9: a-d#2 | L5: b-c#1", {{2}, 5}));
  EXPECT_FALSE(Conflicts("L0@9: a-d#2 | L6: b-c#1", {{2}, 5}));
}

// H9: what stays between the inputs would be passed.
TEST(PlanConflicts, MergesInLevel0TakeNeighbours) {
  const std::string tree = "L0@9: a-z#3 | L0@8: m-n#2 | L0@7: a-z#1";
  EXPECT_FALSE(Conflicts(tree, {{3, 2, 1}, 0}));
  EXPECT_FALSE(Conflicts(tree, {{2, 1}, 0}));
  EXPECT_TRUE(Conflicts(tree, {{3, 1}, 0}));
  // Part of the newest: what stays of it would have the epoch of the output.
  EXPECT_TRUE(Conflicts("L0@9: a-k#3 l-z#4 | L0@7: a-z#1", {{3, 1}, 0}));
  EXPECT_FALSE(Conflicts("L0@9: a-k#3 l-z#4 | L0@7: a-j#1", {{3, 1}, 0}));
}

TEST(PlanConflicts, SegmentsOfOneEpochGoTogether) {
  EXPECT_TRUE(Conflicts("L0@9: a-k#3 | L0@9: c-z#4", {{3}, 6}));
  EXPECT_FALSE(Conflicts("L0@9: a-k#3 | L0@9: c-z#4", {{3, 4}, 6}));
}

// RULES R1.3, R1.4: siblings hold no key in common, so one can be written anew beside another; but
// what rises from an epoch must not pass what its siblings hold, nor anything rise to theirs.
TEST(PlanConflicts, SiblingsAreNotInEachOthersWayInTheirOwnEpoch) {
  const std::string siblings = "L0@9: a-k#3 x-z#5 | L0@9: c-y#4";
  EXPECT_FALSE(Conflicts(siblings, {{3}, 0}));
  EXPECT_FALSE(Conflicts(siblings, {{3, 5}, 0}));
  EXPECT_TRUE(Conflicts(siblings, {{4}, 0}, {{{3}, 0}}));  // where its output ends is not known
  EXPECT_TRUE(Conflicts(siblings, {{3}, 0, 10}));
  EXPECT_TRUE(Conflicts(siblings, {{3}, 0, 8}));
  const std::string two = "L0@9: a-k#3 | L0@9: c-z#4 | L0@8: a-k#1 | L0@8: c-z#2";
  EXPECT_TRUE(Conflicts(two, {{3, 1}, 0}));
  EXPECT_FALSE(Conflicts(two, {{3, 4, 1, 2}, 0}));
}

// Nothing may come to lie beneath a ghost that it was not beneath before: it would be hidden. What
// rises past one is another matter: the merge drops what the ghost accepts (H10).
TEST(PlanConflicts, NothingSinksPastAGhost) {
  const InternalKeyComparator comparator(BytewiseComparator());
  const auto conflicts = [&](const std::string& tree, uint64_t epoch, const Job& job) {
    const testing::DrawnTree drawn = testing::ParseTree(comparator, tree);
    SegmentEntry entry;
    entry.number = 99;
    entry.epoch = epoch;
    entry.flags = kSegmentGhost;
    entry.evicted = 1;
    AppendInternalKey(&entry.smallest, "c", PackTrailer(1, ValueType::kValue));
    AppendInternalKey(&entry.largest, "k", PackTrailer(1, ValueType::kValue));
    const auto ghost = std::make_shared<Ghost>(
        std::make_shared<SegmentFile>(std::move(entry), comparator), nullptr);
    const auto version = drawn.version->With(comparator, {}, {}, 0, {ghost});
    return PlanConflicts(comparator, *version, {}, {}, ToPlan(*version, job));
  };
  const std::string tree = "L0@9: a-d#9 | L0@7: e-k#7 | L6: x-z#6";
  EXPECT_TRUE(conflicts(tree, 8, {{9}, 6}));
  EXPECT_TRUE(conflicts(tree, 9, {{9}, 6}));
  EXPECT_FALSE(conflicts(tree, 10, {{9}, 6}));  // it is beneath the ghost already
  EXPECT_TRUE(conflicts(tree, 5, {{7}, 6}));
  EXPECT_FALSE(conflicts("L0@9: l-z#9", 8, {{9}, 6}));
  EXPECT_FALSE(conflicts(tree, 8, {{9, 7}, 0}));  // 7 rises past it
  EXPECT_FALSE(conflicts(tree, 8, {{7}, 0}));
}

TEST(PlanConflicts, AnOutputMaySpanTheGapBetweenItsInputs) {
  EXPECT_TRUE(Conflicts("L5: a-b#1 x-z#2 | L6: m-n#3", {{1, 2}, 6}));
  EXPECT_FALSE(Conflicts("L5: a-b#1 x-z#2 | L6: m-n#3", {{1, 2, 3}, 6}));
}

TEST(PlanConflicts, ExclusiveBoundsMeetNothing) {
  EXPECT_FALSE(Conflicts("L5: a-c)#1 | L6: c-d#2", {{1}, 6}));
  EXPECT_TRUE(Conflicts("L5: a-c#1 | L6: c-d#2", {{1}, 6}));
  EXPECT_TRUE(Conflicts("L5: c-d#1 | L6: a-c#2", {{1}, 6}));
  EXPECT_FALSE(Conflicts("L5: c-d#1 | L6: a-c)#2", {{1}, 6}));
}

TEST(PlanConflicts, OutputsToComeCount) {
  const std::string tree = "L0@9: a-z#9 | L4: a-c#1 d-f#2 x-z#3 | L5: a-b#4 e-g#5";
  // Into the same level, side by side or not.
  EXPECT_FALSE(Conflicts(tree, {{1, 4}, 5}, {{{2, 5}, 5}}));
  EXPECT_TRUE(Conflicts("L4: a-c#1 d-f#2 x-z#3", {{2}, 5}, {{{1, 3}, 5}}));
  EXPECT_FALSE(Conflicts("L4: a-c#1 d-f#2 x-z#3", {{3}, 5}, {{{1, 2}, 5}}));
  // Newer runs may be merged while older ones sink, and older ones sink while newer are merged.
  const std::string runs = "L0@9: a-z#9 | L0@8: a-z#8 | L0@7: a-z#7 | L6: a-z#6";
  EXPECT_FALSE(Conflicts(runs, {{9, 8}, 0}, {{{7, 6}, 6}}));
  EXPECT_FALSE(Conflicts(runs, {{7, 6}, 6}, {{{9, 8}, 0}}));
  // Epochs between those of the inputs, as no picker of ours gives them: one sinks to 5, another
  // rises to 7, and they would pass each other.
  const std::string far_apart = "L0@9: a-c#9 | L0@2: b-z#2";
  EXPECT_TRUE(Conflicts(far_apart, {{2}, 0, 7}, {{{9}, 0, 5}}));
  EXPECT_TRUE(Conflicts(far_apart, {{9}, 0, 5}, {{{2}, 0, 7}}));
  EXPECT_FALSE(Conflicts(far_apart, {{2}, 0, 5}, {{{9}, 0, 7}}));
  // The range of all inputs counts: where in it the outputs have keys is not known yet.
  EXPECT_TRUE(Conflicts("L4: a-b#1 y-z#2 | L5: m-n#3", {{3}, 6}, {{{1, 2}, 6}}));
  EXPECT_TRUE(Conflicts("L4: a-b#1 y-z#2 | L5: m-n#3", {{1, 2}, 6}, {{{3}, 6}}));
  EXPECT_FALSE(Conflicts("L4: a-b#1 y-z#2 | L5: m-n#3", {{2}, 6}, {{{3}, 6}}));
}

}  // namespace
}  // namespace varve
