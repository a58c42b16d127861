// When the files of a segment may go: after both roots and the last version have let it go.

#include "db/obsolete_segments.h"

#include <gtest/gtest.h>

#include <utility>

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

  static std::shared_ptr<SegmentFile> WithGhostFile(FileNumber number) {
    SegmentEntry entry = Segment(number)->entry();
    entry.flags |= kSegmentHasGhostFile;
    entry.ghost_bytes = 10;
    return std::make_shared<SegmentFile>(entry, InternalKeyComparator(BytewiseComparator()));
  }
  // What takes the segment's place when it is evicted.
  static std::shared_ptr<SegmentFile> GhostOf(const SegmentFile& segment) {
    SegmentEntry entry = segment.entry();
    entry.flags |= kSegmentGhost;
    entry.evicted = 1;
    entry.file_bytes = std::exchange(entry.ghost_bytes, 0);
    return std::make_shared<SegmentFile>(entry, InternalKeyComparator(BytewiseComparator()),
                                         &segment);
  }
  static NumberedFile Seg(FileNumber number) { return {FileType::kSegment, number}; }
  static NumberedFile Ghost(FileNumber number) { return {FileType::kGhost, number}; }

  int wakes_ = 0;
  const std::shared_ptr<ObsoleteSegments> obsolete_ =
      std::make_shared<ObsoleteSegments>([this] { ++wakes_; });
};

using Files = std::vector<NumberedFile>;

// Checklist S5.
TEST_F(ObsoleteSegmentsTest, WaitForTheLastVersion) {
  auto segment = Segment(7);
  auto iterators = segment;
  obsolete_->Removing(segment);
  obsolete_->Released({Seg(7)});
  segment.reset();
  EXPECT_EQ(obsolete_->TakeDue(), Files{});
  EXPECT_EQ(wakes_, 0);
  iterators.reset();
  EXPECT_EQ(wakes_, 1);
  EXPECT_EQ(obsolete_->TakeDue(), Files{Seg(7)});
  EXPECT_EQ(obsolete_->TakeDue(), Files{});
  EXPECT_EQ(obsolete_->waiting(), 0u);
}

TEST_F(ObsoleteSegmentsTest, WaitForBothRoots) {
  auto segment = Segment(7);
  obsolete_->Removing(segment);
  segment.reset();
  EXPECT_EQ(wakes_, 0);  // nothing is due yet
  EXPECT_EQ(obsolete_->TakeDue(), Files{});
  EXPECT_EQ(obsolete_->waiting(), 1u);
  obsolete_->Released({Seg(7)});
  EXPECT_EQ(obsolete_->TakeDue(), Files{Seg(7)});
}

// An iterator may still hold the segment as it was before it moved to another level.
TEST_F(ObsoleteSegmentsTest, WaitForTheObjectBeforeAMove) {
  auto before = Segment(7);
  auto after = std::make_shared<SegmentFile>(
      before->entry(), InternalKeyComparator(BytewiseComparator()), before.get());
  obsolete_->Removing(after);
  obsolete_->Released({Seg(7)});
  after.reset();
  EXPECT_EQ(obsolete_->TakeDue(), Files{});
  before.reset();
  EXPECT_EQ(wakes_, 1);
  EXPECT_EQ(obsolete_->TakeDue(), Files{Seg(7)});
}

TEST_F(ObsoleteSegmentsTest, BothFilesGoWithTheirSegment) {
  auto segment = WithGhostFile(7);
  obsolete_->Removing(segment);
  EXPECT_EQ(obsolete_->waiting(), 2u);
  obsolete_->Released({Seg(7), Ghost(7)});
  EXPECT_EQ(obsolete_->TakeDue(), Files{});
  segment.reset();
  EXPECT_EQ(obsolete_->TakeDue(), (Files{Seg(7), Ghost(7)}));
}

// RULES R2.1: an eviction unlinks the segment, and its ghost lives on.
TEST_F(ObsoleteSegmentsTest, AnEvictedSegmentLeavesItsGhost) {
  auto segment = WithGhostFile(7);
  auto ghost = GhostOf(*segment);
  obsolete_->Removing(segment, {Seg(7)});
  obsolete_->Released({Seg(7)});
  EXPECT_EQ(obsolete_->TakeDue(), Files{});
  segment.reset();
  EXPECT_EQ(obsolete_->TakeDue(), Files{Seg(7)});
  ghost.reset();  // the database closes
  EXPECT_EQ(obsolete_->TakeDue(), Files{});
  EXPECT_EQ(obsolete_->waiting(), 0u);
}

// A version from before the eviction has both files: a checkpoint may be made of it.
TEST_F(ObsoleteSegmentsTest, ARetiredGhostsFileWaitsForTheSegmentBefore) {
  auto segment = WithGhostFile(7);
  auto ghost = GhostOf(*segment);
  obsolete_->Removing(segment, {Seg(7)});
  obsolete_->Released({Seg(7)});
  obsolete_->Removing(ghost);
  obsolete_->Released({Ghost(7)});
  ghost.reset();
  EXPECT_EQ(obsolete_->TakeDue(), Files{});
  segment.reset();
  EXPECT_EQ(obsolete_->TakeDue(), (Files{Seg(7), Ghost(7)}));
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
  EXPECT_EQ(obsolete_->TakeDue(), Files{});
  EXPECT_EQ(obsolete_->waiting(), 0u);
}

TEST_F(ObsoleteSegmentsTest, NoVersionEverHeldIt) {
  obsolete_->Released({Seg(3)});
  EXPECT_EQ(obsolete_->TakeDue(), Files{Seg(3)});
}

TEST_F(ObsoleteSegmentsTest, OneThatCouldNotBeUnlinkedIsDueAgain) {
  auto segment = Segment(7);
  obsolete_->Removing(segment);
  obsolete_->Released({Seg(7)});
  segment.reset();
  EXPECT_EQ(obsolete_->TakeDue(), Files{Seg(7)});
  obsolete_->Released({Seg(7)});
  EXPECT_EQ(obsolete_->TakeDue(), Files{Seg(7)});
  EXPECT_EQ(obsolete_->TakeDue(), Files{});
}

TEST_F(ObsoleteSegmentsTest, NothingIsCalledAfterStopOrDeath) {
  auto segment = Segment(7), other = Segment(8);
  obsolete_->Removing(segment);
  obsolete_->Removing(other);
  obsolete_->Released({Seg(7), Seg(8)});
  obsolete_->Stop();
  segment.reset();
  EXPECT_EQ(wakes_, 0);
  {
    auto short_lived = std::make_shared<ObsoleteSegments>([this] { ++wakes_; });
    short_lived->Removing(other);
    short_lived->Released({Seg(8)});
  }
  other.reset();
  EXPECT_EQ(wakes_, 0);
}

}  // namespace
}  // namespace varve
