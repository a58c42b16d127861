// A segment of a cache that cannot be read is as good as evicted: what it held is a miss, and what
// is older stays hidden, for lookups, iterators and compactions, and after a restart (RULES R2.3,
// DESIGN I2, Checklist C11, C12, C14).

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/db/sim_database.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/sim_file_system.h"
#include "util/filename.h"
#include "util/thread.h"
#include "varve/db.h"

namespace varve {
namespace {

class QuarantineTest : public ::testing::Test {
 protected:
  QuarantineTest() {
    faults_ = FaultFileSystem::New(sim_);
    options_ = SimDatabaseOptions(faults_);
    options_.capacity_bytes = uint64_t{1} << 30;
    options_.compaction_style = CompactionStyle::kNone;
    options_.wal_sync = WalSyncMode::kNever;
    options_.block_cache_bytes = 0;
  }

  void Open() {
    const Status status = DB::Open(options_, "/db", &db_);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  void Place(SimDisk disk) {
    db_.reset();
    sim_ = SimFileSystem::New({.track = false}, std::move(disk));
    faults_ = FaultFileSystem::New(sim_);
    options_.env.file_system = faults_;
  }
  // Nothing of it is open, or cached, any more.
  void Reopen() {
    ASSERT_TRUE(db_->Close().ok());
    db_.reset();
    Open();
  }
  void Put(const std::string& key, const std::string& value) {
    const Status status = db_->Put({}, key, value);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  void Flush() {
    const Status status = db_->Flush({});
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  std::string Get(const std::string& key) {
    std::string value;
    const Status status = db_->Get({}, key, &value);
    return status.ok() ? value : StatusCodeName(status.code());
  }
  std::string MultiGetOne(const std::string& key) {
    const Slice keys[] = {key, "no such key"};
    PinnedValue values[2];
    Status statuses[2];
    db_->MultiGet({}, keys, values, statuses);
    return statuses[0].ok() ? std::string(values[0].slice()) : StatusCodeName(statuses[0].code());
  }
  uint64_t Segments() {
    uint64_t segments = 0;
    EXPECT_TRUE(db_->GetIntProperty("varve.num-segments", &segments));
    return segments;
  }
  void AwaitSegments(uint64_t segments) {
    while (Segments() > segments) SleepFor(1'000'000);
    EXPECT_EQ(Segments(), segments);
  }
  // Paths of the segments, oldest first.
  std::vector<std::string> SegmentPaths() {
    std::vector<std::string> names, paths;
    EXPECT_TRUE(sim_->ListDirectory("/db", &names).ok());
    for (const std::string& name : names) {
      if (name.ends_with(".seg")) paths.push_back("/db/" + name);
    }
    return paths;
  }
  void DamageNewest() {
    const std::string path = SegmentPaths().back();
    sim_->Damage(path, 10, "damage");
  }
  // k@1 in one segment, k@2 in a newer one.
  void WriteTwice() {
    Open();
    Put("k", "1");
    Put("other", "1");
    Flush();
    Put("k", "2");
    Flush();
    Reopen();
    ASSERT_EQ(Segments(), 2u);
  }

  std::shared_ptr<SimFileSystem> sim_ = SimFileSystem::New({.track = false});
  std::shared_ptr<FaultFileSystem> faults_;
  Options options_;
  std::unique_ptr<DB> db_;
};

// H21.
TEST_F(QuarantineTest, ADamagedSegmentStillHidesWhatIsOlder) {
  WriteTwice();
  DamageNewest();
  EXPECT_EQ(Get("k"), "NotFound");
  EXPECT_EQ(options_.statistics->Get(Counter::kMissQuarantined), 1u);
  AwaitSegments(1);
  EXPECT_EQ(Get("k"), "NotFound");
  EXPECT_EQ(MultiGetOne("k"), "NotFound");
  EXPECT_EQ(Get("other"), "1");
  Reopen();
  EXPECT_EQ(Get("k"), "NotFound");
  EXPECT_EQ(Get("other"), "1");
  Put("k", "3");
  Flush();
  EXPECT_EQ(Get("k"), "3");
}

// H22.
TEST_F(QuarantineTest, SoDoItsRangeTombstones) {
  Open();
  Put("k", "1");
  Flush();
  Put("a", "1");
  ASSERT_TRUE(db_->DeleteRange({}, "f", "m").ok());
  Flush();
  Reopen();
  DamageNewest();
  EXPECT_EQ(Get("k"), "NotFound");
  EXPECT_EQ(Get("a"), "NotFound");
  AwaitSegments(1);
  EXPECT_EQ(Get("k"), "NotFound");
  Reopen();
  EXPECT_EQ(Get("k"), "NotFound");
}

TEST_F(QuarantineTest, ManyKeysAreAnsweredEachByItself) {
  WriteTwice();
  DamageNewest();
  EXPECT_EQ(MultiGetOne("k"), "NotFound");
  EXPECT_EQ(MultiGetOne("other"), "1");
  AwaitSegments(1);
  EXPECT_EQ(MultiGetOne("k"), "NotFound");
}

TEST_F(QuarantineTest, AMissingFileIsDamage) {
  WriteTwice();
  ASSERT_TRUE(sim_->RemoveFile(SegmentPaths().back()).ok());
  EXPECT_EQ(Get("k"), "NotFound");
  AwaitSegments(1);
  EXPECT_EQ(Get("k"), "NotFound");
  Reopen();
  EXPECT_EQ(Get("k"), "NotFound");
}

// Checklist I5, RULES R10: an iterator ends with the error, and skips nothing.
TEST_F(QuarantineTest, AnIteratorEndsWithTheErrorAndTheNextOneIsGood) {
  WriteTwice();
  DamageNewest();
  {
    const auto it = db_->NewIterator({});
    it->SeekToFirst();
    EXPECT_FALSE(it->Valid());
    EXPECT_TRUE(it->status().IsCorruption()) << it->status().ToString();
  }
  AwaitSegments(1);
  EXPECT_EQ(ReadAll(db_.get()), (State{{"other", "1"}}));
}

TEST_F(QuarantineTest, OneErrorOfTheDeviceIsNoDamage) {
  WriteTwice();
  EXPECT_EQ(Get("k"), "2");  // opens it
  for (const bool many : {false, true}) {
    const size_t fault = faults_->Inject({.op = FaultOp::kRead, .path_part = ".seg"});
    EXPECT_EQ(many ? MultiGetOne("k") : Get("k"), "2");
    EXPECT_EQ(faults_->hits(fault), 1u);
  }
  Reopen();
  const size_t fault = faults_->Inject({.op = FaultOp::kOpen, .path_part = ".seg"});
  EXPECT_EQ(Get("k"), "2");
  EXPECT_EQ(faults_->hits(fault), 1u);
  EXPECT_EQ(Segments(), 2u);
}

TEST_F(QuarantineTest, AnErrorThatStaysIsDamage) {
  for (const FaultOp op : {FaultOp::kRead, FaultOp::kOpen}) {
    Place(SimDisk());
    WriteTwice();
    if (op == FaultOp::kRead) {
      EXPECT_EQ(Get("k"), "2");
    }
    const std::string path = SegmentPaths().back();
    faults_->Inject({.op = op, .forever = true, .path_part = path});
    EXPECT_EQ(Get("k"), "NotFound");
    AwaitSegments(1);
    EXPECT_EQ(Get("k"), "NotFound");
    EXPECT_EQ(Get("other"), "1");
    faults_->RemoveAll();
    EXPECT_EQ(Get("k"), "NotFound");
  }
}

// Descriptors that are used up take no cache away.
TEST_F(QuarantineTest, WhereNothingOpensNothingIsDamaged) {
  WriteTwice();
  faults_->Inject({.op = FaultOp::kOpen, .forever = true});
  EXPECT_EQ(Get("k"), "Busy");
  EXPECT_EQ(MultiGetOne("k"), "Busy");
  faults_->RemoveAll();
  EXPECT_EQ(Get("k"), "2");
  EXPECT_EQ(Segments(), 2u);
}

// One bit of the newer segment, wherever: every read answers with the newest value or with nothing.
TEST_F(QuarantineTest, ASingleBitAnywhereInTheFile) {
  constexpr int kKeys = 12;
  const auto key = [](int i) { return "key" + std::to_string(10 + i); };
  Open();
  for (int i = 0; i < kKeys; ++i) Put(key(i), "old" + std::to_string(i));
  Flush();
  for (int i = 0; i < kKeys; ++i) {
    if (i % 4 == 3) {
      ASSERT_TRUE(db_->Delete({}, key(i)).ok());
    } else if (i % 4 != 2) {
      Put(key(i), "new" + std::to_string(i));
    }
  }
  ASSERT_TRUE(db_->DeleteRange({}, key(2), key(3)).ok());
  Flush();
  ASSERT_TRUE(db_->Close().ok());
  db_.reset();
  const SimDisk disk = sim_->disk();
  const std::string path = SegmentPaths().back();
  const std::string bytes = sim_->ReadAll(path);
  int hits = 0, misses = 0;
  // What the newer segment says nothing of is where it was.
  const auto newest = [](int i) {
    if (i % 4 == 3 || i == 2) return std::string("NotFound");
    return (i % 4 == 2 ? "old" : "new") + std::to_string(i);
  };
  const auto check = [&](int i, const std::string& found, size_t at) {
    const bool is_new = found == newest(i) && found != "NotFound";
    hits += is_new;
    misses += found == "NotFound";
    EXPECT_TRUE(is_new || found == "NotFound") << key(i) << ": " << found << ", byte " << at;
  };
  for (size_t at = 0; at < bytes.size() && !HasFailure(); ++at) {
    Place(disk);
    const char flipped[] = {static_cast<char>(bytes[at] ^ (1 << at % 8))};
    sim_->Damage(path, at, Slice(flipped, 1));
    Open();
    for (const bool again : {false, true}) {
      if (again) Reopen();
      {
        const auto it = db_->NewIterator({});
        for (it->SeekToFirst(); it->Valid(); it->Next()) {
          const int i = std::stoi(std::string(it->key().substr(3))) - 10;
          EXPECT_EQ(it->value(), newest(i)) << std::string(it->key()) << ", byte " << at;
        }
      }
      for (int i = 0; i < kKeys; ++i) {
        check(i, Get(key(i)), at);
        check(i, MultiGetOne(key(i)), at);
      }
    }
  }
  EXPECT_GT(hits, 0);
  EXPECT_GT(misses, 0);
}

// Checklist C11, C12: a compaction that meets damage neither ends the background nor goes on for
// ever.
TEST_F(QuarantineTest, ACompactionGetsOverDamage) {
  Open();
  for (int i = 0; i < 4; ++i) {
    Put("k", std::to_string(i));
    Put("k" + std::to_string(i), "1");
    Flush();
  }
  ASSERT_TRUE(db_->Close().ok());
  db_.reset();
  ASSERT_EQ(SegmentPaths().size(), 4u);
  DamageNewest();
  options_.compaction_style = CompactionStyle::kTiered;
  Open();
  Status status;
  for (int attempts = 0; attempts < 1000; ++attempts) {
    status = db_->CompactRange({}, std::nullopt, std::nullopt);
    if (status.ok()) break;
    EXPECT_TRUE(status.IsCorruption()) << status.ToString();
    SleepFor(10'000'000);
  }
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(Get("k"), "NotFound");
  EXPECT_EQ(Get("k3"), "NotFound");
  for (const char* key : {"k0", "k1", "k2"}) EXPECT_EQ(Get(key), "1") << key;
  Put("k", "5");
  Flush();
  EXPECT_EQ(Get("k"), "5");
  std::string error;
  EXPECT_TRUE(db_->GetProperty("varve.background-error", &error));
  EXPECT_EQ(error, "");
  Reopen();
  EXPECT_EQ(Get("k"), "5");
  EXPECT_EQ(Get("k3"), "NotFound");
}

// A reader of the view from before may tell of it long after it has gone.
TEST_F(QuarantineTest, AnOldIteratorThatMeetsItLaterDoesNoHarm) {
  WriteTwice();
  const auto it = db_->NewIterator({});
  DamageNewest();
  EXPECT_EQ(Get("k"), "NotFound");
  AwaitSegments(1);
  it->SeekToFirst();
  EXPECT_FALSE(it->Valid());
  EXPECT_TRUE(it->status().IsCorruption()) << it->status().ToString();
  EXPECT_EQ(Get("other"), "1");
  EXPECT_EQ(Segments(), 1u);
}

// Checklist S13, N7: a database tells.
TEST_F(QuarantineTest, ADatabaseAnswersTheError) {
  options_.capacity_bytes = 0;
  WriteTwice();
  DamageNewest();
  EXPECT_EQ(Get("k"), "Corruption");
  EXPECT_EQ(MultiGetOne("k"), "Corruption");
  EXPECT_EQ(Segments(), 2u);
  Reopen();
  faults_->Inject({.op = FaultOp::kRead, .path_part = ".seg"});
  EXPECT_EQ(Get("other"), "IOError");  // nor does it try again by itself
}

}  // namespace
}  // namespace varve
