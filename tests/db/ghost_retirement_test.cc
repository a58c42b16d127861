// When ghosts go: once everything older that meets them has applied them, and not before (RULES
// R2.4); and what is done that they do (R2.5).

#include <gtest/gtest.h>

#include "tests/db/ghost_fixture.h"
#include "util/thread.h"

namespace varve {
namespace {

class GhostRetirementTest : public GhostTest {
 protected:
  double Rate() {
    std::string text;
    EXPECT_TRUE(db_->GetProperty("varve.ghost-false-positive-rate", &text));
    return std::stod(text);
  }
  void EvictDamaged(size_t flush) {
    disk_->Damage(GhostPath(Segment(flush)), 3, "x");
    Evict({flush});
  }
};

// H23.
TEST_F(GhostRetirementTest, AMergeDropsWhatTheGhostsAboveItAccept) {
  Open();
  Put(0);
  Put(1);
  Flush();
  Put(1);
  Flush();
  Evict({2});
  const FileNumber ghost = GhostNumber(2);
  Merge();
  EXPECT_EQ(Ghosts(), 0u);
  EXPECT_EQ(Counted(Counter::kGhostDrops), 1u);
  EXPECT_EQ(Counted(Counter::kGhostsRetired), 1u);
  EXPECT_EQ(ManifestEntry(Segment(1))->applied_to, 1u);
  EXPECT_EQ(Read(), "0=v1");
  Reopen();
  EXPECT_FALSE(Exists(GhostPath(ghost)));
  EXPECT_EQ(Read(), "0=v1");
}

// H24.
TEST_F(GhostRetirementTest, AMergeThatBeganBeforeAnEvictionHasNotAppliedIt) {
  Open();
  Put(0);
  Put(1);
  Flush();
  Gate gate;
  faults_->Inject({.op = FaultOp::kCreate,
                   .path_part = ".seg",
                   .status = Status::OK(),
                   .action = [&](const std::string&) { gate.Pass(); }});
  Thread merging("merge", [this] { Merge(); });
  gate.AwaitArrival();
  Put(1);
  Flush();
  Evict({2});
  gate.Open();
  merging.Join();
  EXPECT_EQ(Ghosts(), 1u);
  EXPECT_EQ(Read(), "0=v1");
  Merge();
  EXPECT_EQ(Ghosts(), 0u);
  EXPECT_EQ(Read(), "0=v1");
}

// H27: the number that the first has applied is not that of a later ghost, after an open too.
TEST_F(GhostRetirementTest, ANewGhostIsNotTakenForOneThatWasApplied) {
  for (const bool reopen : {false, true}) {
    SCOPED_TRACE(reopen);
    if (db_ != nullptr) {
      Close();
      ASSERT_TRUE(DB::Destroy(options_, kDirectory).ok());
      epochs_.clear();
    }
    Open();
    Put(0);
    Put(1);
    Put(2);
    Flush();
    Put(2);
    Flush();
    Evict({2});
    Merge();
    ASSERT_EQ(Ghosts(), 0u);
    if (reopen) Reopen();
    Put(1);
    Flush();
    const size_t newest = epochs_.size();
    Evict({newest});
    EXPECT_EQ(Ghosts(), 1u);
    EXPECT_EQ(Read(), "0=" + newest_[0]);
    if (reopen) Reopen();
    EXPECT_EQ(Read(), "0=" + newest_[0]);
  }
}

// Merges are of segments that have applied a ghost and of such that have not; what comes of them
// has.
TEST_F(GhostRetirementTest, AGhostGoesWithTheLastSegmentBeneathIt) {
  Open();
  Put(1);
  Put(2);
  Flush();
  Put(1);
  Flush();
  Evict({2});
  EXPECT_EQ(Ghosts(), 1u);
  Evict({1});
  EXPECT_EQ(Ghosts(), 0u);
  Put(1);
  EXPECT_EQ(Read(), "1=" + newest_[1]);
  Close();
}

// H26. A ghost that accepts all is past the budget at once, and both that wait for it are
// rewritten: between the one and the other it stays.
TEST_F(GhostRetirementTest, AGhostWaitsForAllThatIsOlder) {
  options_.background_threads = 2;  // one merge at a time
  Open();
  Put(1);
  Put(3);
  Flush();
  Put(0);
  Put(1);
  Put(2);
  Flush();
  Put(1);
  Flush();
  Gate gate;
  faults_->Inject({.op = FaultOp::kCreate,
                   .nth = 2,
                   .path_part = ".seg",
                   .status = Status::OK(),
                   .action = [&](const std::string&) { gate.Pass(); }});
  EvictDamaged(3);
  gate.AwaitArrival();
  EXPECT_EQ(Ghosts(), 1u);
  EXPECT_EQ(Read(), "0=v3 2=v5 3=v2");
  gate.Open();
  AwaitGhosts(0);
  AwaitQuiet();
  EXPECT_EQ(Read(), "0=v3 2=v5 3=v2");
  EXPECT_EQ(Counted(Counter::kGhostDrops), 2u);
  Reopen();
  EXPECT_EQ(Read(), "0=v3 2=v5 3=v2");
}

// H28, Checklist E3: ghosts come as fast as they go, and stay within their budget.
TEST_F(GhostRetirementTest, GhostsPastTheirBudgetAreHelpedToGo) {
  Open();
  for (int key = 0; key < kKeys; ++key) Put(key);
  Flush();
  Put(0);
  Put(5);
  Flush();
  for (int round = 0; round < 60; ++round) {
    Put(1 + round % 3);
    Flush();
    Evict({epochs_.size()});
    ASSERT_EQ(evicted_.ghosts, 1u);
    ExpectNothingStale();
  }
  while (Rate() > 0.01) SleepFor(1'000'000);
  EXPECT_GT(Counted(Counter::kGhostsRetired), 0u);
  EXPECT_EQ(Read(), "0=v7 4=v5 5=v8");
  Reopen();
  EXPECT_EQ(Read(), "0=v7 4=v5 5=v8");
}

// Without room for a rewrite the oldest goes, which leaves no ghost.
TEST_F(GhostRetirementTest, WithoutRoomTheOldestIsEvictedInstead) {
  Open();
  for (int key = 0; key < kKeys; ++key) Put(key);
  Flush();
  Put(1);
  Flush();
  const size_t fault = faults_->Inject({.op = FaultOp::kCreate,
                                        .forever = true,
                                        .path_part = ".seg",
                                        .status = Status::NoSpace("injected")});
  EvictDamaged(2);
  AwaitGhosts(0);
  EXPECT_GT(faults_->hits(fault), 0u);  // Checklist T2
  AwaitQuiet();
  faults_->RemoveAll();
  EXPECT_EQ(Segment(1), 0u);
  EXPECT_EQ(Read(), "");
  Close();  // how a cache comes back from a full file system full_disk_test shows
}

// A rewrite in place keeps what no ghost accepts, and whatever hides what is older: there is
// something, so tombstones stay.
TEST_F(GhostRetirementTest, ARewriteKeepsTheRest) {
  Open();
  Put(1);
  Put(4);
  Flush();
  Delete(4);
  Put(2);
  Put(1);
  Flush();
  Put(1);
  Flush();
  EvictDamaged(3);
  AwaitGhosts(0);
  AwaitQuiet();
  EXPECT_EQ(Read(), "2=v3");
  Reopen();
  EXPECT_EQ(Read(), "2=v3");
}

}  // namespace
}  // namespace varve
