// Which segments wait for which ghosts, which ghosts go, and what is rewritten that they do: trees
// as text, ghosts beside them.

#include "db/ghost_budget.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/db/picker_test_util.h"

namespace varve {
namespace {

const InternalKeyComparator kComparator(BytewiseComparator());

struct DrawnGhost {
  FileNumber number;
  uint64_t epoch;
  std::string smallest, largest;
  uint64_t evicted;
  uint64_t file_bytes = 100;
};

class GhostBudgetTest : public ::testing::Test {
 protected:
  // `applied`: number of a segment to what it has applied.
  void Draw(const std::string& tree, const std::vector<DrawnGhost>& ghosts,
            const std::map<FileNumber, uint64_t>& applied = {}) {
    drawn_ = testing::ParseTree(kComparator, tree);
    std::vector<SegmentEntry> entries;
    drawn_.version->ForEachSegment([&](const std::shared_ptr<SegmentFile>& segment) {
      entries.push_back(segment->entry());
      const auto found = applied.find(segment->number());
      if (found != applied.end()) entries.back().applied_to = found->second;
    });
    for (const DrawnGhost& ghost : ghosts) {
      SegmentEntry& entry = entries.emplace_back();
      entry.number = ghost.number;
      entry.epoch = ghost.epoch;
      entry.evicted = ghost.evicted;
      entry.file_bytes = ghost.file_bytes;
      entry.flags = kSegmentGhost;
      AppendInternalKey(&entry.smallest, ghost.smallest, PackTrailer(1, ValueType::kValue));
      AppendInternalKey(&entry.largest, ghost.largest, PackTrailer(1, ValueType::kValue));
    }
    ASSERT_TRUE(Version::Build(kComparator, entries, 0, &drawn_.version).ok());
  }
  std::string Retired() {
    std::string text;
    for (const auto& ghost : GhostsToRetire(kComparator, *drawn_.version)) {
      text += (text.empty() ? "" : " ") + std::to_string(ghost->number());
    }
    return text;
  }
  std::string Waiting(FileNumber ghost_number) {
    std::string text;
    for (const auto& ghost : drawn_.version->ghosts()) {
      if (ghost->number() != ghost_number) continue;
      for (const auto& segment : WaitingFor(kComparator, *drawn_.version, *ghost)) {
        text += (text.empty() ? "" : " ") + std::to_string(segment->number());
      }
      EXPECT_EQ(AnyWaitsFor(kComparator, *drawn_.version, *ghost), !text.empty());
    }
    return text;
  }
  std::string Plan(const GhostBudget& budget = {0, 0},
                   const std::vector<CompactionPlan>& running = {}) {
    return testing::DrawPlan(
        PlanForGhosts(kComparator, *drawn_.version, budget, drawn_.busy, running));
  }

  testing::DrawnTree drawn_;
};

// H26: what is older, overlaps and has not applied it.
TEST_F(GhostBudgetTest, WhatIsOlderAndMeetsTheGhostWaits) {
  Draw("L0@9: a-z#9 | L0@7: a-f#71 g-m#72 | L0@5: k-l#5 | L0@3: a-c#3 | L0@2: d-e#2",
       {{8, 8, "c", "h", 4}});
  EXPECT_EQ(Waiting(8), "2 3 71 72");
  EXPECT_EQ(Retired(), "");
  Draw("L0@9: a-z#9 | L0@7: a-f#71 g-m#72 | L0@3: a-c#3", {{8, 8, "c", "h", 4}},
       {{71, 4}, {72, 3}, {3, 9}});
  EXPECT_EQ(Waiting(8), "72");
  EXPECT_EQ(Retired(), "");
  Draw("L0@9: a-z#9 | L0@7: a-f#71 g-m#72 | L0@3: a-c#3", {{8, 8, "c", "h", 4}},
       {{71, 4}, {72, 4}, {3, 4}});
  EXPECT_EQ(Retired(), "8");
}

TEST_F(GhostBudgetTest, SiblingsAndWhatIsNewerDoNotWait) {
  Draw("L0@9: a-z#9 | L0@8: a-z#80", {{8, 8, "a", "z", 1}});
  EXPECT_EQ(Waiting(8), "");
  EXPECT_EQ(Retired(), "8");
}

TEST_F(GhostBudgetTest, EachGhostIsJudgedByItself) {
  Draw("L0@5: a-z#5", {{9, 9, "a", "z", 3}, {8, 8, "a", "z", 2}, {4, 4, "a", "z", 1}}, {{5, 2}});
  EXPECT_EQ(Retired(), "8 4");
  ASSERT_EQ(drawn_.version->ghosts().size(), 3u);
  EXPECT_EQ(drawn_.version->ghosts().front()->number(), 9u);
  EXPECT_EQ(drawn_.version->last_eviction(), 3u);
}

TEST_F(GhostBudgetTest, PastTheBudgetWhatWaitsIsRewrittenInPlace) {
  Draw("L0@7: a-f#71 g-m#72 | L0@3: a-c#3", {{9, 9, "a", "z", 5}, {8, 8, "a", "z", 4}});
  EXPECT_EQ(Plan(), "L0:#3 -> L0@3 (ghosts, score 1.00)");
  EXPECT_EQ(Plan({250, 3}), "none");
  EXPECT_EQ(Plan({150, 3}), "L0:#3 -> L0@3 (ghosts, score 1.00)");
  EXPECT_EQ(Plan({250, 1}), "L0:#3 -> L0@3 (ghosts, score 1.00)");  // two accept all
  const auto plan = PlanForGhosts(kComparator, *drawn_.version, {0, 0}, {}, {});
  EXPECT_EQ(plan->output_epoch, 3u);
  EXPECT_GT(plan->segment_bytes, plan->input_bytes());
}

// Checklist E3: one less waits after each step; what has applied the oldest is not rewritten for
// it.
TEST_F(GhostBudgetTest, OnlyTheOldestGhostIsHelped) {
  const std::vector<DrawnGhost> ghosts = {{9, 9, "a", "z", 4}, {8, 8, "a", "z", 5}};
  Draw("L0@7: a-f#71 g-m#72 | L0@3: a-c#3", ghosts, {{3, 5}});
  EXPECT_EQ(Plan(), "L0:#71 -> L0@7 (ghosts, score 1.00)");
  Draw("L0@7: a-f#71 g-m#72 | L0@3: a-c#3", ghosts, {{3, 5}, {71, 5}});
  EXPECT_EQ(Plan(), "L0:#72 -> L0@7 (ghosts, score 1.00)");
  Draw("L0@7: a-f#71 g-m#72 | L0@3: a-c#3", ghosts, {{3, 5}, {71, 5}, {72, 5}});
  EXPECT_EQ(Plan(), "none");
  EXPECT_EQ(Retired(), "9 8");
}

// Checklist S14.
TEST_F(GhostBudgetTest, BusySegmentsAreLeftAlone) {
  Draw("L0@7: a-f#71 | L0@3: a-c#3*", {{8, 8, "a", "z", 4}});
  drawn_.busy = {3};
  EXPECT_EQ(Plan(), "L0:#71 -> L0@7 (ghosts, score 1.00)");
  drawn_.busy = {3, 71};
  EXPECT_EQ(Plan(), "none");
}

TEST_F(GhostBudgetTest, TheOldestSegmentOfAll) {
  Draw("L0@7: a-f#71 | L0@3: a-c#3 d-e#4", {});
  EXPECT_EQ(OldestSegment(*drawn_.version, {}), 3u);
  EXPECT_EQ(OldestSegment(*drawn_.version, {3}), 4u);
  EXPECT_EQ(OldestSegment(*drawn_.version, {3, 4}), std::nullopt);
  EXPECT_EQ(OldestSegment(Version(), {}), std::nullopt);
}

TEST(GhostBudget, IsAShareOfTheCapacity) {
  EXPECT_EQ(GhostBudget::For(uint64_t{1} << 30).file_bytes, ((uint64_t{1} << 30) / 100) * 3);
  EXPECT_EQ(GhostBudget::For(1000).false_positive_rate, 0.01);
  EXPECT_FALSE(GhostsAreOver({0, 0}, Version()));
}

}  // namespace
}  // namespace varve
