// Evictions beside other jobs: none takes what another has (RULES R1.5, Checklist S14).

#include <gtest/gtest.h>

#include "tests/db/ghost_fixture.h"
#include "util/thread.h"

namespace varve {
namespace {

class EvictionConflictsTest : public GhostTest {
 protected:
  // The next merge waits where it makes its first output: what it does is settled.
  void HoldMerges() {
    merge_fault_ = faults_->Inject({.op = FaultOp::kCreate,
                                    .path_part = ".seg",
                                    .status = Status::OK(),
                                    .action = [this](const std::string&) { merge_.Pass(); }});
  }
  // The next eviction that leaves a ghost waits where it reads that: it has begun.
  void HoldEvictions() {
    faults_->Inject({.op = FaultOp::kOpen,
                     .path_part = ".ghost",
                     .status = Status::OK(),
                     .action = [this](const std::string&) { eviction_.Pass(); }});
  }

  size_t merge_fault_ = 0;
  Gate merge_, eviction_;
};

// H12: what a merge has is not evicted under it, or it would bring it back.
TEST_F(EvictionConflictsTest, InputsOfAMergeAreNotEvicted) {
  Open();
  Put(1);
  Put(2);
  Flush();
  HoldMerges();
  Thread merging("merge", [this] { Merge(); });
  merge_.AwaitArrival();
  ASSERT_TRUE(TryEvict({1}).ok());
  EXPECT_EQ(evicted_.segments, 0u);
  merge_.Open();
  merging.Join();
  EXPECT_EQ(faults_->hits(merge_fault_), 1u);
  EXPECT_EQ(Read(), "1=v1 2=v2");
  Evict({1});
  EXPECT_EQ(Read(), "");
  Close();
}

// H12 whole: what lies above the merge goes meanwhile, and hides what it brings.
TEST_F(EvictionConflictsTest, WhatIsEvictedAboveAMergeHidesItsOutput) {
  Open();
  Put(1);
  Put(2);
  Flush();
  HoldMerges();
  Thread merging("merge", [this] { Merge(); });
  merge_.AwaitArrival();
  faults_->RemoveAll();
  Put(1);
  Flush();
  ASSERT_TRUE(TryEvict({1}).ok());
  EXPECT_EQ(evicted_.segments, 0u);
  Evict({2});
  EXPECT_EQ(evicted_.ghosts, 1u);
  EXPECT_EQ(Read(), "2=v2");
  merge_.Open();
  merging.Join();
  EXPECT_EQ(Read(), "2=v2");
  EXPECT_EQ(Ghosts(), 1u);  // H24: the merge began before it
  Reopen();
  EXPECT_EQ(Read(), "2=v2");
}

// H11: two merges never share a segment, or the second would bring back what the first has dropped.
TEST_F(EvictionConflictsTest, MergesShareNoInput) {
  Open();
  Put(1);
  Put(2);
  Flush();
  Delete(1);
  Flush();
  HoldMerges();
  Thread first("merge", [this] { Merge(); });
  merge_.AwaitArrival();
  Thread second("merge2", [this] { Merge(); });  // waits for the other
  EXPECT_EQ(Read(), "2=v2");
  EXPECT_EQ(Property("num-running-compactions"), 1u);
  merge_.Open();
  first.Join();
  second.Join();
  EXPECT_EQ(Read(), "2=v2");
  Reopen();
  EXPECT_EQ(Read(), "2=v2");
}

// What is being evicted is an input of nothing, and is evicted once.
TEST_F(EvictionConflictsTest, VictimsAreNotMergedNorEvictedTwice) {
  Open();
  Put(1);
  Put(2);
  Flush();
  Put(1);
  Put(3);
  Flush();
  HoldEvictions();
  Thread evicting("evict", [this] { Evict({2}); });
  eviction_.AwaitArrival();
  DBImpl::Evicted second;
  const FileNumber victim = Segment(2);
  ASSERT_TRUE(impl()->Evict({&victim, 1}, EvictionReason::kRoom, &second).ok());
  EXPECT_EQ(second.segments, 0u);
  Thread merging("merge", [this] { Merge(); });  // it would take both, and waits
  EXPECT_EQ(Read(), "1=v3 2=v2 3=v4");
  eviction_.Open();
  evicting.Join();
  merging.Join();
  EXPECT_EQ(Read(), "2=v2");
  Close();
}

// Checklist L1: a close waits for an eviction, which is whole or not there.
TEST_F(EvictionConflictsTest, ACloseWaitsForAnEviction) {
  Open();
  Put(1);
  Flush();
  Put(1);
  Flush();
  HoldEvictions();
  Thread evicting("evict", [this] { ASSERT_TRUE(TryEvict({2}).ok()); });
  eviction_.AwaitArrival();
  Thread closing("close", [this] { ASSERT_TRUE(db_->Close().ok()); });
  eviction_.Open();
  evicting.Join();
  closing.Join();
  db_.reset();
  EXPECT_EQ(LiveFiles(), "OK");
  Open();
  EXPECT_EQ(Read(), "");
}

// H25: an eviction has begun and not ended when a merge begins; the merge must not claim to have
// applied its ghost.
TEST_F(EvictionConflictsTest, AMergeBesideAnEvictionDoesNotCountForIt) {
  Open();
  Put(0);
  Put(1);
  Flush();
  Put(1);
  Flush();
  HoldEvictions();
  Thread evicting("evict", [this] { Evict({2}); });
  eviction_.AwaitArrival();
  // The victim is busy and overlaps; a merge of what it lies above is begun all the same, as it
  // stays in its place.
  HoldMerges();
  Thread merging("merge", [this] {
    CompactRangeOptions options;
    options.rewrite_deepest = true;
    EXPECT_TRUE(db_->CompactRange(options, Key(0), Key(0)).ok());
  });
  merge_.AwaitArrival();
  eviction_.Open();
  evicting.Join();
  merge_.Open();
  merging.Join();
  EXPECT_EQ(Read(), "0=v1");
  EXPECT_EQ(Ghosts(), 1u);
  Reopen();
  EXPECT_EQ(Read(), "0=v1");
  Merge();
  EXPECT_EQ(Ghosts(), 0u);
  EXPECT_EQ(Read(), "0=v1");
}

}  // namespace
}  // namespace varve
