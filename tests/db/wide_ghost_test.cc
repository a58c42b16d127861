// A ghost whose file cannot be read hides all within its bounds, and goes on doing so when the file
// can be read again: what a merge has dropped for it would otherwise leave what is still older.

#include <gtest/gtest.h>

#include <string>

#include "db/manifest_format.h"
#include "tests/db/ghost_fixture.h"

namespace varve {
namespace {

class WideGhostTest : public GhostTest {
 protected:
  // Keys 0 and 2 in the newest segment, and of key 1 two versions beneath it, whose name it does
  // not hold.
  void WriteThree() {
    Open();
    Put(0);
    Put(1);
    Flush();
    Put(1);
    Flush();
    Put(0);
    Put(2);
    Flush();
  }
  size_t BreakGhosts() {
    return faults_->Inject({.op = FaultOp::kOpen, .forever = true, .path_part = ".ghost"});
  }
  bool HasFile(FileNumber number) const {
    const auto entry = ManifestEntry(number);
    return entry.has_value() && (entry->flags & kSegmentHasGhostFile) != 0;
  }
};

// H40: put 0, put 1, flush, put 1, flush, put 0, put 2, flush, evict 3, damage 3, merge 2, kill.
TEST_F(WideGhostTest, StaysWideOnceItWas) {
  WriteThree();
  const FileNumber victim = Segment(3);
  const size_t fault = BreakGhosts();
  Evict({3});
  EXPECT_GT(faults_->hits(fault), 0u);
  EXPECT_EQ(evicted_.ghosts, 1u);
  EXPECT_EQ(Read(), "");
  // In the manifest before anybody goes by it.
  EXPECT_FALSE(HasFile(victim));
  faults_->RemoveAll();
  db_.reset();
  Open();
  EXPECT_EQ(Read(), "");
  Merge();
  EXPECT_EQ(Read(), "");
  Put(1);
  EXPECT_EQ(Read(), "1=v6");
}

// H40, where it is an open that cannot read the file.
TEST_F(WideGhostTest, StaysWideOnceAnOpenFoundItSo) {
  WriteThree();
  const FileNumber victim = Segment(3);
  Evict({3});
  EXPECT_EQ(Read(), "1=v3");
  EXPECT_TRUE(HasFile(victim));
  Close();
  const size_t fault = BreakGhosts();
  Open();
  EXPECT_GT(faults_->hits(fault), 0u);
  EXPECT_EQ(Read(), "");
  EXPECT_FALSE(HasFile(victim));
  faults_->RemoveAll();
  db_.reset();
  Open();
  EXPECT_EQ(Read(), "");
}

// H44. The oldest has applied the ghost that could be read, which does not accept key 2. An open
// makes it accept all, and a rewrite of the second drops the deletion of key 2: so the oldest has
// to apply the ghost once more before it goes. (Found by varve_crash.)
TEST_F(WideGhostTest, IsAppliedAnewOnceItIsWide) {
  Open();
  Put(0);
  Put(2);
  Flush();
  Delete(2);
  Put(4);
  Flush();
  Put(1);
  Put(3);
  Flush();
  Evict({3});
  const std::string ghost = GhostPath(GhostNumber(3));
  CompactRangeOptions rewrite;
  rewrite.rewrite_deepest = true;
  ASSERT_TRUE(db_->CompactRange(rewrite, Slice("key0"), Slice("key1")).ok());
  EXPECT_EQ(ManifestEntry(Segment(1))->applied_to, 1u);
  EXPECT_EQ(ManifestEntry(Segment(2))->applied_to, 0u);
  EXPECT_EQ(Read(), "0=v1 4=v3");
  Close();
  disk_->Damage(ghost, 3, "x");
  Open();
  AwaitGhosts(0);
  AwaitQuiet();
  EXPECT_EQ(Read(), "0=v1 4=v3");
  Reopen();
  EXPECT_EQ(Read(), "0=v1 4=v3");
}

}  // namespace
}  // namespace varve
