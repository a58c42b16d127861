// What stays of an evicted segment hides what is older, from every read and across restarts; what
// needs not be hidden leaves no trace. The histories are those of docs/cache.md.

#include "db/ghost.h"

#include <gtest/gtest.h>

#include "tests/db/ghost_fixture.h"
#include "util/random.h"
#include "util/thread.h"

namespace varve {
namespace {

// Checklist E12, and what makes FIFO free: the oldest hides nothing.
TEST_F(GhostTest, TheOldestSegmentLeavesNoTrace) {
  Open();
  FlushOf({1});
  FlushOf({1, 2});
  const FileNumber oldest = Segment(1);
  Evict({1});
  EXPECT_EQ(evicted_.ghosts, 0u);
  EXPECT_EQ(Ghosts(), 0u);
  EXPECT_EQ(Read(), "1=v2 2=v3");
  EXPECT_FALSE(Exists(SegmentPath(oldest)));
  EXPECT_FALSE(Exists(GhostPath(oldest)));
  Reopen();
  EXPECT_EQ(Read(), "1=v2 2=v3");
  Evict({2});
  EXPECT_EQ(Read(), "");
}

TEST_F(GhostTest, NoGhostStaysWhereBoundsDoNotMeet) {
  Open();
  FlushOf({1, 2});
  FlushOf({3, 5});
  Evict({2});
  EXPECT_EQ(Ghosts(), 0u);
  EXPECT_EQ(Read(), "1=v1 2=v2");
}

// RULES R2.1: segments are born with their ghost files, which a database does without.
TEST_F(GhostTest, SegmentsOfACacheHaveAGhostFile) {
  Open();
  FlushOf({1});
  const std::optional<SegmentEntry> entry = ManifestEntry(Segment(1));
  ASSERT_TRUE(entry.has_value());
  EXPECT_NE(entry->flags & kSegmentHasGhostFile, 0u);
  EXPECT_EQ(entry->ghost_bytes, disk_->ReadAll(GhostPath(entry->number)).size());
  Put(1);
  db_.reset();  // recovery makes a segment
  Open();
  ASSERT_NE(Segment(2), 0u);
  EXPECT_TRUE(Exists(GhostPath(Segment(2))));
  Merge();
  ASSERT_NE(Segment(2), 0u);
  EXPECT_TRUE(Exists(GhostPath(Segment(2))));
  Close();

  options_.capacity_bytes = 0;
  std::unique_ptr<DB> database;
  ASSERT_TRUE(DB::Open(options_, "/database", &database).ok());
  ASSERT_TRUE(database->Put({}, "a", "1").ok());
  ASSERT_TRUE(database->Flush().ok());
  std::vector<std::string> names;
  ASSERT_TRUE(disk_->ListDirectory("/database", &names).ok());
  for (const std::string& name : names) EXPECT_EQ(name.find(".ghost"), std::string::npos) << name;
}

// H18, H30, H17: in every read, and after each way to come back.
TEST_F(GhostTest, WhatAnEvictedSegmentHadHidesWhatIsOlder) {
  Open();
  FlushOf({1, 2});
  FlushOf({1, 3});
  const FileNumber victim = Segment(2);
  Evict({2});
  EXPECT_EQ(evicted_.ghosts, 1u);
  EXPECT_EQ(Ghosts(), 1u);
  EXPECT_EQ(Read(), "2=v2");
  EXPECT_FALSE(Exists(SegmentPath(victim)));
  EXPECT_TRUE(Exists(GhostPath(victim)));
  Reopen();
  EXPECT_EQ(Ghosts(), 1u);
  EXPECT_EQ(Read(), "2=v2");
  db_.reset();
  Open();
  EXPECT_EQ(Read(), "2=v2");
  Put(1);  // above the ghost, in memory and in a segment
  EXPECT_EQ(Read(), "1=v5 2=v2");
  Flush();
  EXPECT_EQ(Read(), "1=v5 2=v2");
}

// H20.
TEST_F(GhostTest, TombstonesOfAnEvictedSegmentGoOnHiding) {
  Open();
  FlushOf({1, 2});
  Delete(1);
  Flush();
  Evict({2});
  EXPECT_EQ(Read(), "2=v2");
  Reopen();
  EXPECT_EQ(Read(), "2=v2");
}

// H19. RULES R2.2.
TEST_F(GhostTest, RangeTombstonesOfAnEvictedSegmentGoOnHiding) {
  Open();
  for (int key = 0; key < 5; ++key) Put(key);
  Flush();
  DeleteRange(1, 3);
  Flush();
  Evict({2});
  EXPECT_EQ(Read(), "0=v1 3=v4 4=v5");
  Reopen();
  EXPECT_EQ(Read(), "0=v1 3=v4 4=v5");
  Put(2);
  EXPECT_EQ(Read(), "0=v1 2=v6 3=v4 4=v5");
}

// H29. RULES R2.6: the snapshot saw v2; a merge drops it under the ghost, and v1 would show.
TEST_F(GhostTest, AGhostAppliesToOlderSnapshots) {
  Open();
  FlushOf({1});
  FlushOf({1});
  const auto snapshot = db_->GetSnapshot();
  ReadOptions then;
  then.snapshot = snapshot.get();
  EXPECT_EQ(Read(then), "1=v2");
  FlushOf({1});
  Evict({3});
  EXPECT_EQ(Read(), "");
  EXPECT_EQ(Read(then), "");
  ReadOptions at;
  at.at_sequence = 2;
  if (std::string value; db_->Get(at, Key(1), &value).ok()) FAIL() << value;
  Merge();
  EXPECT_EQ(Read(then), "");
}

// A ghost says nothing of what is newer, in any read.
TEST_F(GhostTest, EachSourceHasTheGhostsAboveIt) {
  Open();
  for (int key = 0; key < kKeys; ++key) Put(key);  // v1 to v6
  Flush();
  FlushOf({1, 2});
  FlushOf({2, 3});
  FlushOf({3, 4});
  Evict({2});  // 1 and 2
  Evict({4});  // 3 and 4
  EXPECT_EQ(Ghosts(), 2u);
  EXPECT_EQ(Read(), "0=v1 2=v9 5=v6");
  FlushOf({4});
  EXPECT_EQ(Read(), "0=v1 2=v9 4=v13 5=v6");
  Evict({3});
  EXPECT_EQ(Read(), "0=v1 4=v13 5=v6");
}

// H16 is in eviction_test.cc, H31 in checkpoint_test.cc.

// H2 and H10: a merge lifts what is older past a ghost, and drops what that accepts.
TEST_F(GhostTest, WhatRisesPastAGhostIsDropped) {
  for (const bool range : {false, true}) {
    SCOPED_TRACE(range ? "range tombstone" : "point");
    if (db_ != nullptr) {
      Close();
      ASSERT_TRUE(DB::Destroy(options_, kDirectory).ok());
      epochs_.clear();
      newest_.clear();
    }
    Open();
    Put(1);
    Put(3);
    Flush();
    range ? DeleteRange(1, 2) : Put(1);
    Flush();
    Put(0);
    Put(5);  // spans what the oldest has, so that they are merged
    Flush();
    Evict({2});
    ASSERT_EQ(Ghosts(), 1u);
    const std::string expected = Read();
    EXPECT_EQ(expected.find("1="), std::string::npos) << expected;
    EXPECT_NE(expected.find("3="), std::string::npos) << expected;
    Merge();
    EXPECT_EQ(Segment(1), 0u);  // both are in the place of the third
    EXPECT_NE(Segment(3), 0u);
    EXPECT_EQ(Read(), expected);
    EXPECT_EQ(Ghosts(), 0u);  // nothing older is left
    EXPECT_EQ(Counted(Counter::kGhostDrops), range ? 2u : 1u);
    Reopen();
    EXPECT_EQ(Read(), expected);
  }
}

// RULES R2.3: what cannot be read hides all within its bounds, then and after a restart.
TEST_F(GhostTest, AGhostFileThatCannotBeReadHidesAllWithinItsBounds) {
  Open();
  for (int key = 0; key < kKeys; ++key) Put(key);
  Flush();
  FlushOf({1, 3});
  const FileNumber victim = Segment(2);
  ASSERT_TRUE(db_->PauseBackgroundWork().ok());  // or it would be helped to retire
  disk_->Damage(GhostPath(victim), 3, "x");
  Evict({2});
  EXPECT_EQ(Read(), "0=v1 4=v5 5=v6");
  const std::optional<SegmentEntry> entry = ManifestEntry(victim);
  ASSERT_TRUE(entry.has_value());
  EXPECT_EQ(entry->flags & kFileFlags, kSegmentGhost);
  EXPECT_FALSE(Exists(GhostPath(victim)));
  Reopen();
  EXPECT_EQ(Read(), "0=v1 4=v5 5=v6");
}

TEST_F(GhostTest, AGhostThatIsDamagedWhileClosedHidesMoreForGood) {
  Open();
  for (int key = 0; key < kKeys; ++key) Put(key);
  Flush();
  FlushOf({1, 3});
  Evict({2});
  const FileNumber ghost = GhostNumber(2);
  EXPECT_EQ(Read(), "0=v1 2=v3 4=v5 5=v6");
  Close();
  const std::string whole = disk_->ReadAll(GhostPath(ghost));
  disk_->Damage(GhostPath(ghost), whole.size() - 3, "x");
  Open();
  EXPECT_EQ(Read(), "0=v1 4=v5 5=v6");
  // It accepts all, which is more than the budget of 1 %: what is older is rewritten, and it goes.
  AwaitGhosts(0);
  EXPECT_EQ(Read(), "0=v1 4=v5 5=v6");
  Close();
  EXPECT_FALSE(Exists(GhostPath(ghost)));
  Open();
  EXPECT_EQ(Read(), "0=v1 4=v5 5=v6");
}

TEST_F(GhostTest, AMissingGhostFileHidesMoreForGood) {
  Open();
  for (int key = 0; key < kKeys; ++key) Put(key);
  Flush();
  FlushOf({1, 3});
  Evict({2});
  const FileNumber ghost = GhostNumber(2);
  Close();
  ASSERT_TRUE(disk_->RemoveFile(GhostPath(ghost)).ok());
  Open();
  EXPECT_EQ(Read(), "0=v1 4=v5 5=v6");
  Reopen();
  EXPECT_EQ(Read(), "0=v1 4=v5 5=v6");
}

TEST_F(GhostTest, WhatACacheRefuses) {
  Open();
  IngestOptions oldest;
  oldest.place = IngestPlace::kOldest;
  EXPECT_TRUE(db_->Ingest({"/a"}, oldest).IsNotSupported());
  Options leveled = options_;
  leveled.compaction_style = CompactionStyle::kLeveled;
  EXPECT_TRUE(leveled.Validate().IsInvalidArgument());
}

TEST_F(GhostTest, PropertiesTellOfGhosts) {
  Open();
  FlushOf({1});
  FlushOf({1});
  std::string rate;
  ASSERT_TRUE(db_->GetProperty("varve.ghost-false-positive-rate", &rate));
  EXPECT_EQ(std::stod(rate), 0);
  EXPECT_EQ(Property("ghost-bytes"), 0u);
  const uint64_t bytes = ManifestEntry(Segment(2))->ghost_bytes;
  Evict({2});
  EXPECT_EQ(Property("num-ghosts"), 1u);
  EXPECT_EQ(Property("ghost-bytes"), bytes);
  ASSERT_TRUE(db_->GetProperty("varve.ghost-false-positive-rate", &rate));
  EXPECT_NEAR(std::stod(rate), 1.0 / 4096, 1e-5);
  EXPECT_EQ(Counted(Counter::kGhostsMade), 1u);
}

// Random histories of all that touches ghosts, over few keys so that they meet, beside the newest
// version of each key: reads agree, and give that one or nothing. RULES R1, R2.
class GhostHistoryTest : public GhostTest, public ::testing::WithParamInterface<uint64_t> {};

TEST_P(GhostHistoryTest, NothingStaleIsRead) {
  Random random(GetParam());
  options_.compaction_style = random.OneIn(2) ? CompactionStyle::kTiered : CompactionStyle::kNone;
  options_.tiered_runs_trigger = 4;
  Open();
  std::unique_ptr<Snapshot> snapshot;
  std::map<int, std::string> then;
  std::unique_ptr<Iterator> pinned;
  std::map<int, std::string> pinned_then;
  for (int step = 0; step < 150 && !HasFailure(); ++step) {
    SCOPED_TRACE("step " + std::to_string(step));
    const int key = static_cast<int>(random.Uniform(kKeys));
    switch (random.Uniform(16)) {
      case 0:
        Delete(key);
        break;
      case 1:
        DeleteRange(key, key + 1 + static_cast<int>(random.Uniform(kKeys - key)));
        break;
      case 2:
      case 3:
      case 4:
        Flush();
        break;
      case 5:
      case 6:
      case 7: {
        std::vector<size_t> live;
        for (size_t flush = 1; flush <= epochs_.size(); ++flush) {
          if (Segment(flush) != 0) live.push_back(flush);
        }
        if (live.empty()) break;
        std::vector<size_t> victims = {live[random.Uniform(live.size())]};
        if (random.OneIn(3)) victims.push_back(live[random.Uniform(live.size())]);
        ASSERT_TRUE(TryEvict(victims).ok());  // a merge may have taken them meanwhile
        break;
      }
      case 8:
        if (random.OneIn(3)) Merge();
        break;
      case 9:
        snapshot.reset();
        if (random.OneIn(2)) {
          snapshot = db_->GetSnapshot();
          then = newest_;
        }
        break;
      case 10:
        pinned.reset();
        if (random.OneIn(2)) {
          pinned = db_->NewIterator({});
          pinned_then = newest_;
        }
        break;
      case 11:
        if (!random.OneIn(4)) break;
        snapshot.reset();
        pinned.reset();
        if (random.OneIn(2)) {
          Close();
        } else {
          db_.reset();
        }
        Open();
        break;
      default:
        Put(key);
    }
    ExpectNothingStale();
    if (snapshot != nullptr) {
      ReadOptions options;
      options.snapshot = snapshot.get();
      std::istringstream found(Read(options));
      for (std::string word; found >> word;) {
        EXPECT_EQ(word.substr(word.find('=') + 1), then[std::stoi(word)]) << "snapshot, " << word;
      }
    }
    if (pinned != nullptr) {
      for (pinned->SeekToFirst(); pinned->Valid(); pinned->Next()) {
        EXPECT_EQ(pinned->value(), pinned_then[std::stoi(std::string(pinned->key().substr(3)))])
            << "pinned, " << pinned->key();
      }
      EXPECT_TRUE(pinned->status().ok()) << pinned->status().ToString();
    }
  }
  snapshot.reset();
  pinned.reset();
  Close();
}

INSTANTIATE_TEST_SUITE_P(Seeds, GhostHistoryTest, ::testing::Range<uint64_t>(1, 41));

}  // namespace
}  // namespace varve
