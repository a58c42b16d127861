// When the file of a segment may go: after both roots and the last version have let it go.

#include "db/obsolete_segments.h"

#include <gtest/gtest.h>

namespace varve {
namespace {

class ObsoleteSegmentsTest : public ::testing::Test {
 protected:
  static std::shared_ptr<SegmentFile> Segment(FileNumber number) {
    SegmentEntry entry;
    entry.number = number;
    AppendInternalKey(&entry.smallest, "a", 1 << 8 | 1);
    AppendInternalKey(&entry.largest, "b", 1 << 8 | 1);
    return std::make_shared<SegmentFile>(entry, InternalKeyComparator(BytewiseComparator()));
  }

  int wakes_ = 0;
  const std::shared_ptr<ObsoleteSegments> obsolete_ =
      std::make_shared<ObsoleteSegments>([this] { ++wakes_; });
};

using Numbers = std::vector<FileNumber>;

// Checklist S5.
TEST_F(ObsoleteSegmentsTest, WaitForTheLastVersion) {
  auto segment = Segment(7);
  auto iterators = segment;
  obsolete_->Removing(segment);
  obsolete_->Released({7});
  segment.reset();
  EXPECT_EQ(obsolete_->TakeDue(), Numbers{});
  EXPECT_EQ(wakes_, 0);
  iterators.reset();
  EXPECT_EQ(wakes_, 1);
  EXPECT_EQ(obsolete_->TakeDue(), Numbers{7});
  EXPECT_EQ(obsolete_->TakeDue(), Numbers{});
  EXPECT_EQ(obsolete_->waiting(), 0u);
}

TEST_F(ObsoleteSegmentsTest, WaitForBothRoots) {
  auto segment = Segment(7);
  obsolete_->Removing(segment);
  segment.reset();
  EXPECT_EQ(wakes_, 0);  // nothing is due yet
  EXPECT_EQ(obsolete_->TakeDue(), Numbers{});
  EXPECT_EQ(obsolete_->waiting(), 1u);
  obsolete_->Released({7});
  EXPECT_EQ(obsolete_->TakeDue(), Numbers{7});
}

// An iterator may still hold the segment as it was before it moved to another level.
TEST_F(ObsoleteSegmentsTest, WaitForTheObjectBeforeAMove) {
  auto before = Segment(7);
  auto after = std::make_shared<SegmentFile>(
      before->entry(), InternalKeyComparator(BytewiseComparator()), before.get());
  obsolete_->Removing(after);
  obsolete_->Released({7});
  after.reset();
  EXPECT_EQ(obsolete_->TakeDue(), Numbers{});
  before.reset();
  EXPECT_EQ(wakes_, 1);
  EXPECT_EQ(obsolete_->TakeDue(), Numbers{7});
}

TEST_F(ObsoleteSegmentsTest, NothingIsDueAfterAFailedCommit) {
  auto segment = Segment(7);
  obsolete_->Removing(segment);
  obsolete_->Kept(*segment);
  EXPECT_EQ(obsolete_->waiting(), 0u);
  obsolete_->Removing(segment);  // and tried again
  obsolete_->Kept(*segment);
  segment.reset();  // the database closes
  EXPECT_EQ(wakes_, 0);
  EXPECT_EQ(obsolete_->TakeDue(), Numbers{});
  EXPECT_EQ(obsolete_->waiting(), 0u);
}

TEST_F(ObsoleteSegmentsTest, NoVersionEverHeldIt) {
  obsolete_->Released({3});
  EXPECT_EQ(obsolete_->TakeDue(), Numbers{3});
}

TEST_F(ObsoleteSegmentsTest, OneThatCouldNotBeUnlinkedIsDueAgain) {
  auto segment = Segment(7);
  obsolete_->Removing(segment);
  obsolete_->Released({7});
  segment.reset();
  EXPECT_EQ(obsolete_->TakeDue(), Numbers{7});
  obsolete_->Released({7});
  EXPECT_EQ(obsolete_->TakeDue(), Numbers{7});
  EXPECT_EQ(obsolete_->TakeDue(), Numbers{});
}

TEST_F(ObsoleteSegmentsTest, NothingIsCalledAfterStopOrDeath) {
  auto segment = Segment(7), other = Segment(8);
  obsolete_->Removing(segment);
  obsolete_->Removing(other);
  obsolete_->Released({7, 8});
  obsolete_->Stop();
  segment.reset();
  EXPECT_EQ(wakes_, 0);
  {
    auto short_lived = std::make_shared<ObsoleteSegments>([this] { ++wakes_; });
    short_lived->Removing(other);
    short_lived->Released({8});
  }
  other.reset();
  EXPECT_EQ(wakes_, 0);
}

}  // namespace
}  // namespace varve
