// What was hit of a segment outlives its eviction, and nothing older ever shows for it. The
// histories are those of docs/cache.md; `hot` is a read, `salvage N` saves what was hit of the N-th
// flush's segment and evicts it, and so is `lift N`.

#include <gtest/gtest.h>

#include <atomic>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "db/salvage_job.h"
#include "tests/db/ghost_fixture.h"

namespace varve {
namespace {

// Wall and boot go on together, when they are told to.
class SetClock : public Clock {
 public:
  uint64_t MonotonicNanos() override { return real_->MonotonicNanos(); }
  uint64_t BootMillis() override { return 1000 + passed_ms.load(); }
  uint64_t WallMillis() override { return 1'700'000'000'000 + passed_ms.load(); }

  std::atomic<uint64_t> passed_ms{0};

 private:
  const std::shared_ptr<Clock> real_ = Env::Default().clock;
};

class SalvageTest : public GhostTest {
 protected:
  void FlushNoted() {
    Flush();
    numbers_.push_back(Segment(epochs_.size()));
    ASSERT_NE(numbers_.back(), 0u);
  }
  void FlushOf(std::initializer_list<int> keys) {
    for (const int key : keys) Put(key);
    FlushNoted();
  }
  // A read that finds the key.
  void Hit(int key, const ReadOptions& options = {}) {
    std::string value;
    ASSERT_TRUE(db_->Get(options, Key(key), &value).ok()) << key;
  }
  void Salvage(const std::vector<size_t>& flushes) {
    std::vector<FileNumber> numbers;
    for (const size_t flush : flushes) numbers.push_back(numbers_.at(flush - 1));
    const Status status = impl()->EvictSaving(numbers, &evicted_);
    ASSERT_TRUE(status.ok()) << status.ToString();
    ASSERT_EQ(evicted_.segments, flushes.size());
  }
  std::string Get(int key, const ReadOptions& options = {}) {
    std::string value;
    const Status status = db_->Get(options, Key(key), &value);
    return status.ok() ? value : StatusCodeName(status.code());
  }
  static ReadOptions At(const std::unique_ptr<Snapshot>& snapshot) {
    ReadOptions options;
    options.snapshot = snapshot.get();
    return options;
  }

  std::vector<FileNumber> numbers_;  // of the segment of each flush
};

TEST_F(SalvageTest, WhatWasHitStaysAndTheRestGoes) {
  Open();
  for (int key = 0; key < 4; ++key) Put(key);
  FlushNoted();
  FlushOf({5});
  Hit(0);
  Hit(1);
  Salvage({1});
  EXPECT_EQ(Read(), "0=v1 1=v2 5=v5");
  EXPECT_EQ(Counted(Counter::kSalvages), 1u);
  EXPECT_EQ(Counted(Counter::kSalvagedEntries), 2u);
  EXPECT_GT(Counted(Counter::kSalvagedBytes), 0u);
  EXPECT_EQ(Ghosts(), 0u) << "the oldest leaves none";
  Reopen();
  EXPECT_EQ(Read(), "0=v1 1=v2 5=v5");
}

// It must be hit again to be saved again.
TEST_F(SalvageTest, WhatWasSavedIsNotHitUntilItIsReadAgain) {
  Open();
  FlushOf({1, 2});
  FlushOf({5});
  Hit(1);
  Hit(2);
  Salvage({1});
  FlushOf({4});
  Hit(2);
  // What was saved stands beside the second flush; whole epochs go, from the oldest on.
  DBImpl::Evicted evicted;
  ASSERT_TRUE(impl()->EvictByPolicy(1, &evicted).ok());
  ASSERT_TRUE(impl()->EvictByPolicy(1, &evicted).ok());
  EXPECT_EQ(Read(), "2=v2 4=v4");
}

TEST_F(SalvageTest, FifoSavesNothing) {
  options_.eviction = EvictionPolicy::kFifo;
  Open();
  FlushOf({1});
  FlushOf({5});
  Hit(1);
  DBImpl::Evicted evicted;
  ASSERT_TRUE(impl()->EvictByPolicy(1, &evicted).ok());
  EXPECT_EQ(evicted.segments, 1u);
  EXPECT_EQ(Read(), "5=v2");
}

TEST_F(SalvageTest, MultiGetHitsTooAndIteratorsDoNot) {
  Open();
  FlushOf({1, 2});
  FlushOf({5});
  const std::string name = Key(2);
  const Slice key = name;
  PinnedValue value;
  Status status;
  db_->MultiGet({}, {&key, 1}, {&value, 1}, {&status, 1});
  ASSERT_TRUE(status.ok());
  value.Reset();
  const auto it = db_->NewIterator({});
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
  }
  Salvage({1});
  EXPECT_EQ(Get(1), "NotFound");
  EXPECT_EQ(Get(2), "v2");
}

// H13
TEST_F(SalvageTest, WhatIsSavedDoesNotComeBeforeWhatIsNewer) {
  Open();
  FlushOf({1});
  Hit(1);
  FlushOf({1});
  FlushOf({5});
  Salvage({1});
  EXPECT_EQ(Read(), "1=v2 5=v3");
  EXPECT_EQ(Counted(Counter::kSalvagedEntries), 0u);
}

// Nor before what is written later.
TEST_F(SalvageTest, WhatIsWrittenAfterwardsIsNewer) {
  Open();
  FlushOf({1, 2});
  FlushOf({5});
  Hit(1);
  Hit(2);
  Salvage({1});
  FlushOf({1});
  Delete(2);
  FlushNoted();
  EXPECT_EQ(Read(), "1=v4 5=v3");
  Reopen();
  EXPECT_EQ(Read(), "1=v4 5=v3");
}

// Of a key the newest version rises or none.
TEST_F(SalvageTest, AnOlderVersionDoesNotRise) {
  Open();
  Put(1);
  const auto snapshot = db_->GetSnapshot();
  Delete(1);
  FlushNoted();
  FlushOf({0});
  Hit(1, At(snapshot));
  Salvage({1});
  EXPECT_EQ(Read(), "0=v2");
}

// H14
TEST_F(SalvageTest, ASnapshotDoesNotLookBeneathWhatWasLeftBehind) {
  Open();
  FlushOf({1});
  FlushOf({1});
  const auto snapshot = db_->GetSnapshot();
  FlushOf({0});
  Salvage({2});
  EXPECT_EQ(Read(), "0=v3");
  EXPECT_EQ(Read(At(snapshot)), "");
}

// H15
TEST_F(SalvageTest, WhatIsLeftBehindHidesNothingNewer) {
  Open();
  FlushOf({1});
  FlushOf({1});
  FlushOf({1});
  Salvage({2});
  EXPECT_EQ(Read(), "1=v3");
}

// H35
TEST_F(SalvageTest, WhatIsLeftBehindUncoversNothingOlder) {
  Open();
  FlushOf({1, 2});
  FlushOf({1, 2});
  FlushOf({5});
  Hit(2);
  Salvage({2});
  EXPECT_EQ(Read(), "2=v4 5=v5");
  Reopen();
  EXPECT_EQ(Read(), "2=v4 5=v5");
}

// H36, H41, Checklist E4
TEST_F(SalvageTest, NothingRisesOverANewerVersion) {
  Open();
  FlushOf({1, 2});
  Hit(1);
  Hit(2);
  FlushOf({1});
  FlushOf({0});
  Salvage({1});
  EXPECT_EQ(Read(), "0=v4 1=v3 2=v2");
  EXPECT_EQ(Counted(Counter::kSalvagedEntries), 1u);
}

// The same where the newer one is a delete, a range tombstone, or in memory.
TEST_F(SalvageTest, NothingRisesOverWhatDeletesIt) {
  Open();
  for (int key = 0; key < 5; ++key) Put(key);
  FlushNoted();
  for (int key = 0; key < 5; ++key) Hit(key);
  Delete(0);
  DeleteRange(1, 3);
  FlushNoted();
  FlushOf({5});
  Delete(3);
  Salvage({1});
  EXPECT_EQ(Read(), "4=v5 5=v6");
  EXPECT_EQ(Counted(Counter::kSalvagedEntries), 1u);
  Reopen();
  EXPECT_EQ(Read(), "4=v5 5=v6");
}

// H42: H10 for a salvage, R1.4.
TEST_F(SalvageTest, NothingRisesPastAGhost) {
  Open();
  FlushOf({1, 2});
  Hit(1);
  Hit(2);
  FlushOf({1});
  FlushOf({0});
  Salvage({2});
  EXPECT_EQ(Ghosts(), 1u);
  EXPECT_EQ(Read(), "0=v4 2=v2");
  Salvage({1});
  EXPECT_EQ(Read(), "0=v4 2=v2");
}

// H37, H43
TEST_F(SalvageTest, WhatARangeTombstoneHidesDoesNotRise) {
  Open();
  Put(1);
  Put(2);
  const auto snapshot = db_->GetSnapshot();
  DeleteRange(1, 2);
  FlushNoted();
  FlushOf({0});
  Hit(1, At(snapshot));
  Hit(2);
  Salvage({1});
  EXPECT_EQ(Read(), "0=v3 2=v2");
  const std::string then = Get(1, At(snapshot));
  EXPECT_TRUE(then == "v1" || then == "NotFound") << then;
}

// An older version is not what a read at a snapshot may get for one that was evicted.
// H38
TEST_F(SalvageTest, AnOlderVersionIsLeftBehindAndUncoversNothing) {
  Open();
  FlushOf({1});
  Put(1);
  const auto snapshot = db_->GetSnapshot();
  FlushOf({1});
  FlushOf({0});
  Hit(1);
  Salvage({2});
  EXPECT_EQ(Read(), "0=v4 1=v3");
  EXPECT_EQ(Read(At(snapshot)), "");
}

TEST_F(SalvageTest, TheNewestSegmentHasNowhereToRise) {
  Open();
  FlushOf({1});
  Hit(1);
  Salvage({1});
  EXPECT_EQ(Read(), "");
}

// Nothing is hit where nothing was found.
TEST_F(SalvageTest, DeletesAreNoHits) {
  Open();
  FlushOf({1});
  Delete(1);
  FlushNoted();
  EXPECT_EQ(Get(1), "NotFound");
  FlushOf({5});
  Salvage({2});
  EXPECT_EQ(Read(), "5=v2");
  EXPECT_EQ(Counted(Counter::kSalvages), 0u);
}

// Sequence and expiry are kept: what is written next hides it, and it expires when it would have.
// Checklist E6
TEST_F(SalvageTest, ExpiryIsKeptAndWhatHasLittleLeftIsNotSaved) {
  const auto clock = std::make_shared<SetClock>();
  options_.env.clock = clock;
  Open();
  WriteOptions hour, blink;
  hour.ttl = std::chrono::hours(1);
  blink.ttl = std::chrono::milliseconds(900);
  ASSERT_TRUE(db_->Put(hour, Key(1), "hour").ok());
  ASSERT_TRUE(db_->Put(blink, Key(2), "blink").ok());
  FlushNoted();
  FlushOf({5});
  Hit(1);
  Hit(2);
  Salvage({1});
  EXPECT_EQ(Get(1), "hour");
  EXPECT_EQ(Get(2), "NotFound");
  clock->passed_ms = 3'600'000;
  EXPECT_EQ(Get(1), "NotFound");
}

// Three segments go for each that comes, and all that is there is read all the time: as much is
// saved as comes, and the rest goes. Checklist E3
TEST_F(SalvageTest, ABudgetBoundsWhatIsSaved) {
  options_.capacity_bytes = uint64_t{64} << 20;  // a megabyte may be saved ahead
  options_.compression = Compression::kNone;
  options_.segment_bytes = 64 << 10;
  Open();
  const std::string filler(16 << 10, 'x');
  const auto name = [](int i) { return "n" + std::to_string(i); };
  const auto there = [&](int i) {
    std::string value;
    return db_->Get({}, name(i), &value).ok();
  };
  for (int flush = 0; flush < 150; ++flush) {
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(db_->Put({}, name(3 * flush + i), filler).ok());
    ASSERT_TRUE(db_->Flush().ok());
    for (int round = 0; round < 3 && Property("num-segments") > 15; ++round) {
      for (int i = 0; i < 3 * flush + 3; ++i) there(i);
      DBImpl::Evicted evicted;
      ASSERT_TRUE(impl()->EvictByPolicy(1, &evicted).ok());
    }
  }
  EXPECT_GT(Counted(Counter::kSalvagedBytes), Counted(Counter::kFlushBytes) / 2);
  EXPECT_LE(Counted(Counter::kSalvagedBytes), Counted(Counter::kFlushBytes) + (1 << 20));
}

// A failure of what is saved is none of the eviction.
TEST_F(SalvageTest, WhatCannotBeSavedIsEvicted) {
  Open();
  FlushOf({1});
  FlushOf({5});
  Hit(1);
  const size_t fault = faults_->Inject({.op = FaultOp::kCreate, .path_part = ".seg"});
  Salvage({1});
  EXPECT_EQ(faults_->hits(fault), 1u);
  faults_->RemoveAll();
  EXPECT_EQ(Read(), "5=v2");
  Put(1);
  EXPECT_EQ(Read(), "1=v3 5=v2");
  Reopen();
  EXPECT_EQ(Read(), "1=v3 5=v2");
}

}  // namespace
}  // namespace varve
