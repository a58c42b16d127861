// Checkpoints of a cache: a cache of its own, with its ghosts (H31).

#include <gtest/gtest.h>

#include "tests/db/ghost_fixture.h"

namespace varve {
namespace {

class GhostCheckpointTest : public GhostTest {
 protected:
  static constexpr char kCopy[] = "/copy";

  std::unique_ptr<DB> OpenCopy() {
    Options options = options_;
    options.create_if_missing = false;
    std::unique_ptr<DB> copy;
    const Status status = DB::Open(options, kCopy, &copy);
    EXPECT_TRUE(status.ok()) << status.ToString();
    return copy;
  }
};

TEST_F(GhostCheckpointTest, TakesTheGhostsAlong) {
  Open();
  Put(1);
  Put(2);
  Flush();
  Put(1);
  Flush();
  Put(4);
  Flush();
  Evict({2});
  ASSERT_TRUE(db_->Checkpoint(kCopy).ok());
  auto copy = OpenCopy();
  ASSERT_NE(copy, nullptr);
  EXPECT_EQ(ReadOf(copy.get()), "2=v2 4=v4");
  uint64_t ghosts = 0;
  ASSERT_TRUE(copy->GetIntProperty("varve.num-ghosts", &ghosts));
  EXPECT_EQ(ghosts, 1u);
  // They go their ways apart.
  Merge();
  EXPECT_EQ(Ghosts(), 0u);
  EXPECT_EQ(ReadOf(copy.get()), "2=v2 4=v4");
  ASSERT_TRUE(copy->Put({}, Key(1), "theirs").ok());
  EXPECT_EQ(ReadOf(copy.get()), "1=theirs 2=v2 4=v4");
  ASSERT_TRUE(copy->Close().ok());
  EXPECT_EQ(LiveFiles(disk_.get(), kCopy), "OK");
  EXPECT_EQ(Read(), "2=v2 4=v4");
  Close();
  copy = OpenCopy();
  ASSERT_NE(copy, nullptr);
  EXPECT_EQ(ReadOf(copy.get()), "1=theirs 2=v2 4=v4");
}

// A ghost without a file is in the manifest alone.
TEST_F(GhostCheckpointTest, TakesGhostsWithoutAFileAlong) {
  Open();
  for (int key = 0; key < 5; ++key) Put(key);
  Flush();
  Put(1);
  Put(3);
  Flush();
  ASSERT_TRUE(db_->PauseBackgroundWork().ok());  // or the ghost is helped to go
  disk_->Damage(GhostPath(Segment(2)), 3, "x");
  Evict({2});
  ASSERT_TRUE(db_->ContinueBackgroundWork().ok());
  ASSERT_TRUE(db_->Checkpoint(kCopy).ok());
  const auto copy = OpenCopy();
  ASSERT_NE(copy, nullptr);
  EXPECT_EQ(ReadOf(copy.get()), "0=v1 4=v5");
}

// What is evicted while the checkpoint is made is in it, whole.
TEST_F(GhostCheckpointTest, WhatIsEvictedMeanwhileIsStillThere) {
  Open();
  Put(1);
  Flush();
  Put(1);
  Put(2);
  Flush();
  const FileNumber victim = Segment(2);
  faults_->Inject({.op = FaultOp::kOther,
                   .path_part = "/copy.checkpoint.tmp",
                   .status = Status::OK(),
                   .action = [&](const std::string&) {
                     faults_->RemoveAll();
                     Evict({2});
                   }});
  ASSERT_TRUE(db_->Checkpoint(kCopy).ok());
  EXPECT_EQ(Ghosts(), 1u);
  EXPECT_EQ(Read(), "");
  Close();
  EXPECT_FALSE(Exists(SegmentPath(victim)));
  const auto copy = OpenCopy();
  ASSERT_NE(copy, nullptr);
  EXPECT_EQ(ReadOf(copy.get()), "1=v2 2=v3");
}

TEST_F(GhostCheckpointTest, IsNoDatabase) {
  Open();
  Put(1);
  ASSERT_TRUE(db_->Checkpoint(kCopy).ok());
  Options database = options_;
  database.capacity_bytes = 0;
  std::unique_ptr<DB> copy;
  EXPECT_TRUE(DB::Open(database, kCopy, &copy).IsInvalidArgument());
}

}  // namespace
}  // namespace varve
