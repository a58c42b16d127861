// What an eviction takes out, when, and what is left where it fails.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "tests/db/ghost_fixture.h"
#include "util/thread.h"

namespace varve {
namespace {

TEST_F(GhostTest, WhatIsGoneIsPassedOver) {
  Open();
  Put(1);
  Flush();
  const FileNumber gone = Segment(1);
  Evict({1});
  Put(2);
  Flush();
  const uint64_t commits = Property("manifest-commits");
  const FileNumber unknown[] = {gone, 999'999};
  ASSERT_TRUE(impl()->Evict(unknown, EvictionReason::kRoom, &evicted_).ok());
  EXPECT_EQ(evicted_.segments, 0u);
  ASSERT_TRUE(impl()->Evict({}, EvictionReason::kRoom, &evicted_).ok());
  EXPECT_EQ(Property("manifest-commits"), commits);
  EXPECT_EQ(Read(), "2=v2");
}

TEST_F(GhostTest, VictimsHideNothingFromEachOther) {
  Open();
  for (int flush = 0; flush < 4; ++flush) {
    Put(1);
    Put(flush);
    Flush();
  }
  Evict({1, 3, 2});  // all that is older goes as well
  EXPECT_EQ(evicted_.segments, 3u);
  EXPECT_EQ(evicted_.ghosts, 0u);
  EXPECT_EQ(Read(), "1=v7 3=v8");
  Put(1);
  Flush();
  Put(1);
  Flush();
  Evict({5, 6});
  EXPECT_EQ(evicted_.ghosts, 2u);
  EXPECT_EQ(Read(), "3=v8");
}

// What a listener hears of evictions, and whether each was committed by then.
class EvictionRecorder : public EventListener {
 public:
  explicit EvictionRecorder(std::shared_ptr<SimFileSystem> disk) : disk_(std::move(disk)) {}
  void OnEviction(const EvictionInfo& info) override {
    ManifestState manifest;
    EXPECT_TRUE(Manifest::Inspect(disk_.get(), "/db", &manifest).ok());
    for (const EvictionInfo::Segment& segment : info.segments) {
      const bool live = std::any_of(
          manifest.segments.begin(), manifest.segments.end(), [&](const SegmentEntry& entry) {
            return entry.number == segment.number && (entry.flags & kSegmentGhost) == 0;
          });
      told += std::string(EvictionReasonName(info.reason)) + " " + std::to_string(segment.entries) +
              " of " + std::to_string(segment.smallest_sequence) + " to " +
              std::to_string(segment.largest_sequence) + (segment.leaves_ghost ? " ghost" : "") +
              (live ? "" : " gone") + "\n";
    }
  }
  std::string told;

 private:
  const std::shared_ptr<SimFileSystem> disk_;
};

TEST_F(GhostTest, EvictionsAreToldBeforeTheyAreCommitted) {
  const auto recorder = std::make_shared<EvictionRecorder>(disk_);
  options_.listeners = {recorder};
  Open();
  for (int flush = 0; flush < 3; ++flush) {
    Put(1);
    Put(2);
    Flush();
  }
  Evict({2});
  EXPECT_EQ(recorder->told, "for room 2 of 3 to 4 ghost\n");
  recorder->told.clear();
  ASSERT_TRUE(TryEvict({1, 3}, EvictionReason::kDamaged).ok());
  EXPECT_EQ(recorder->told, "damaged 2 of 5 to 6\ndamaged 2 of 1 to 2\n");
}

TEST_F(GhostTest, ReasonsAreCountedApart) {
  Open();
  for (int flush = 0; flush < 4; ++flush) {
    Put(flush);
    Put(5);
    Flush();
  }
  ASSERT_TRUE(TryEvict({1}, EvictionReason::kExpired).ok());
  const uint64_t expired_bytes = evicted_.file_bytes;
  EXPECT_GT(expired_bytes, 0u);
  EXPECT_EQ(evicted_.entries, 2u);
  ASSERT_TRUE(TryEvict({2, 3}, EvictionReason::kRoom).ok());
  const uint64_t evicted_bytes = evicted_.file_bytes;
  ASSERT_TRUE(TryEvict({4}, EvictionReason::kDamaged).ok());
  EXPECT_EQ(Counted(Counter::kEvictions), 3u);
  EXPECT_EQ(Counted(Counter::kExpiredSegments), 1u);
  EXPECT_EQ(Counted(Counter::kExpiredBytes), expired_bytes);
  EXPECT_EQ(Counted(Counter::kExpiredEntries), 2u);
  EXPECT_EQ(Counted(Counter::kEvictedSegments), 2u);
  EXPECT_EQ(Counted(Counter::kEvictedBytes), evicted_bytes);
  EXPECT_EQ(Counted(Counter::kEvictedEntries), 4u);
  EXPECT_EQ(Counted(Counter::kDamagedSegments), 1u);
  EXPECT_EQ(Counted(Counter::kDamagedEntries), 2u);
}

// H16. RULES R2.1, Checklist S5: the files stay until the last reader has left.
TEST_F(GhostTest, APinnedViewGoesOnReadingTheSegment) {
  Open();
  Put(1);
  Flush();
  Put(1, std::string(20'000, 'x'));
  Put(2);
  Flush();
  const std::string value = newest_[1];
  const FileNumber victim = Segment(2);
  auto pinned = db_->NewIterator({});
  Evict({2});
  EXPECT_EQ(Ghosts(), 1u);
  EXPECT_EQ(Read(), "");
  EXPECT_TRUE(Exists(SegmentPath(victim)));
  pinned->Seek(Key(1));
  ASSERT_TRUE(pinned->Valid());
  EXPECT_EQ(pinned->value(), value);
  pinned->Next();
  ASSERT_TRUE(pinned->Valid());
  EXPECT_EQ(pinned->value(), newest_[2]);
  pinned->SeekToLast();
  pinned->Prev();
  ASSERT_TRUE(pinned->Valid());
  EXPECT_EQ(pinned->value(), value);
  ASSERT_TRUE(pinned->Refresh().ok());
  pinned->SeekToFirst();
  EXPECT_FALSE(pinned->Valid());
  pinned.reset();
  Close();
  EXPECT_FALSE(Exists(SegmentPath(victim)));
  EXPECT_TRUE(Exists(GhostPath(victim)));
}

TEST_F(GhostTest, BlocksOfWhatIsEvictedLeaveTheBlockCache) {
  Open();
  Put(1, std::string(30'000, 'x'));
  Flush();
  EXPECT_EQ(Read(), "1=" + newest_[1]);
  EXPECT_GT(Property("block-cache-usage"), 30'000u);
  Evict({1});
  EXPECT_LT(Property("block-cache-usage"), 10'000u);
}

// Checklist N5: nothing is published, and it can be tried again.
TEST_F(GhostTest, AnEvictionThatIsNotCommittedHasNotHappened) {
  Open();
  Put(1);
  Flush();
  Put(1);
  Flush();
  const FileNumber victim = Segment(2);
  const size_t fault = faults_->Inject({.op = FaultOp::kWrite,
                                        .forever = true,
                                        .path_part = "MANIFEST",
                                        .status = Status::NoSpace("injected")});
  const Status status = TryEvict({2});
  EXPECT_FALSE(status.ok());
  EXPECT_GT(faults_->hits(fault), 0u);  // Checklist T2
  EXPECT_EQ(evicted_.segments, 0u);
  EXPECT_EQ(Read(), "1=v2");
  EXPECT_EQ(Counted(Counter::kEvictions), 0u);
  faults_->RemoveAll();
  std::string error;
  ASSERT_TRUE(db_->GetProperty("varve.background-error", &error));
  if (!error.empty()) {  // a root may have it: only an open can tell
    EXPECT_FALSE(TryEvict({2}).ok());
    EXPECT_TRUE(Exists(SegmentPath(victim)));
    db_.reset();
    Open();
    ExpectNothingStale();
  } else {
    Evict({2});
    EXPECT_EQ(Read(), "");
  }
  Close();
}

TEST_F(GhostTest, AClosedCacheEvictsNothing) {
  Open();
  Put(1);
  Flush();
  const FileNumber number = Segment(1);
  ASSERT_TRUE(db_->Close().ok());
  EXPECT_TRUE(impl()->Evict({&number, 1}, EvictionReason::kRoom).IsAborted());
  db_.reset();
  Open();
  EXPECT_EQ(Read(), "1=v1");
}

// RULES R9: a database has no ghosts, so what would leave one stays.
TEST_F(GhostTest, ADatabaseEvictsOnlyWhatHidesNothing) {
  options_.capacity_bytes = 0;
  Open();
  Put(1);
  Flush();
  Put(1);
  Flush();
  ASSERT_TRUE(TryEvict({2}).ok());
  EXPECT_EQ(evicted_.segments, 0u);
  EXPECT_EQ(Read(), "1=v2");
  ASSERT_TRUE(TryEvict({1, 2}).ok());
  EXPECT_EQ(evicted_.segments, 1u);
  EXPECT_EQ(Ghosts(), 0u);
  EXPECT_EQ(Read(), "1=v2");
  Close();
}

// The number of the last eviction is not used again, whoever remembers it (H27).
TEST_F(GhostTest, EvictionsAreNumberedOnFromWhatIsLive) {
  Open();
  Put(1);
  Flush();
  Put(1);
  Flush();
  Put(1);
  Flush();
  Evict({3});
  const std::optional<SegmentEntry> first = ManifestEntry(GhostNumber(3));
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->evicted, 1u);
  Reopen();
  Evict({2});
  EXPECT_EQ(ManifestEntry(GhostNumber(2))->evicted, 2u);
  Merge();  // of the first alone: it has applied both
  EXPECT_EQ(Ghosts(), 0u);
  Put(1);
  Flush();
  // All is dropped, so nothing lies beneath any more.
  EXPECT_EQ(Segment(1), 0u);
  EXPECT_EQ(Read(), "1=v4");
}

}  // namespace
}  // namespace varve
