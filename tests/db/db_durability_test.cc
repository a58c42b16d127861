// When writes become durable without a crash to show it: positions, deadlines, what a flush waits
// for.

#include <gtest/gtest.h>

#include <string>

#include "tests/support/fault_file_system.h"
#include "tests/support/temp_dir.h"
#include "util/mutex.h"
#include "util/thread.h"
#include "varve/db.h"

namespace varve {
namespace {

class DbDurabilityTest : public ::testing::Test {
 protected:
  DbDurabilityTest() : faults_(FaultFileSystem::New(Env::Default().file_system)) {
    options_.create_if_missing = true;
    options_.env.file_system = faults_;
  }
  void Open() {
    const Status status = DB::Open(options_, dir_.File("db"), &db_);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  std::string DurablePosition() {
    std::string text;
    EXPECT_TRUE(db_->GetProperty("varve.durable-position", &text));
    return text;
  }
  // Whether the durable position moves on from `before`, in a minute: no machine is as busy as
  // that.
  static constexpr int kPatienceMillis = 60'000;
  bool Advances(const std::string& before) {
    for (int i = 0; i < kPatienceMillis; ++i) {
      if (DurablePosition() != before) return true;
      SleepFor(1'000'000);
    }
    return false;
  }
  // The name of the log in use; the spare one, if there is one yet, has a higher number.
  std::string LogInUse() {
    std::vector<std::string> names;
    EXPECT_TRUE(faults_->ListDirectory(dir_.File("db"), &names).ok());
    for (const std::string& name : names) {
      if (name.find(".log") != std::string::npos) return name;
    }
    ADD_FAILURE() << "no log";
    return "";
  }
  size_t CountSyncs(const std::string& part) {
    // A fault that changes nothing, only counts.
    return faults_->Inject(
        {.op = FaultOp::kSync, .forever = true, .path_part = part, .status = Status::OK()});
  }

  TempDir dir_;
  std::shared_ptr<FaultFileSystem> faults_;
  Options options_;
  std::unique_ptr<DB> db_;
};

// Checklist W5: idle, a single write is synced when its interval is over.
TEST_F(DbDurabilityTest, IntervalSyncKeepsItsDeadlineWhenIdle) {
  options_.wal_sync_interval_ms = 20;
  Open();
  const std::string before = DurablePosition();
  ASSERT_TRUE(db_->Put({}, "a", "1").ok());
  EXPECT_TRUE(Advances(before));
  const std::string after = DurablePosition();
  ASSERT_TRUE(db_->Put({}, "b", "1").ok());  // the deadline is set anew
  EXPECT_TRUE(Advances(after));
}

// Checklist W5: writes that keep coming do not put the deadline off.
TEST_F(DbDurabilityTest, IntervalSyncKeepsItsDeadlineUnderLoad) {
  options_.wal_sync_interval_ms = 20;
  Open();
  const std::string before = DurablePosition();
  bool advanced = false;
  for (int i = 0; i < kPatienceMillis && !advanced; ++i) {
    ASSERT_TRUE(db_->Put({}, "a", std::to_string(i)).ok());
    SleepFor(1'000'000);
    advanced = DurablePosition() != before;
  }
  EXPECT_TRUE(advanced);
}

TEST_F(DbDurabilityTest, NothingIsSyncedUnasked) {
  options_.wal_sync = WalSyncMode::kNever;
  Open();
  ASSERT_TRUE(db_->Put({}, "a", "1").ok());
  const size_t syncs = CountSyncs(LogInUse());
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(db_->Put({}, "a", std::to_string(i)).ok());
  EXPECT_EQ(faults_->hits(syncs), 0u);
  WriteOptions sync;
  sync.sync = true;
  ASSERT_TRUE(db_->Put(sync, "b", "1").ok());
  EXPECT_EQ(faults_->hits(syncs), 1u);
  ASSERT_TRUE(db_->SyncWAL().ok());  // there is nothing left to sync
  EXPECT_EQ(faults_->hits(syncs), 1u);
  ASSERT_TRUE(db_->Put({}, "c", "1").ok());
  ASSERT_TRUE(db_->SyncWAL().ok());
  EXPECT_EQ(faults_->hits(syncs), 2u);
}

TEST_F(DbDurabilityTest, AlwaysSyncsEachWrite) {
  options_.wal_sync = WalSyncMode::kAlways;
  Open();
  ASSERT_TRUE(db_->Put({}, "a", "1").ok());
  const size_t syncs = CountSyncs(LogInUse());
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(db_->Put({}, "a", std::to_string(i)).ok());
  EXPECT_EQ(faults_->hits(syncs), 10u);
}

// RULES R4.2: a flush is committed only after the sync of the log it covers, in every mode.
TEST_F(DbDurabilityTest, FlushSyncsTheLogBeforeTheManifest) {
  options_.wal_sync = WalSyncMode::kNever;
  Open();
  ASSERT_TRUE(db_->Put({}, "a", "1").ok());
  const std::string log = LogInUse();
  Mutex order_mu;
  std::vector<std::string> order;
  const auto note = [&](const std::string& what) {
    MutexLock lock(&order_mu);  // a spare log may be made at the same time
    order.push_back(what);
  };
  faults_->Inject(
      {.op = FaultOp::kSync,
       .forever = true,
       .status = Status::OK(),
       .action = [&](const std::string& path) { note(path.substr(path.rfind('/') + 1)); }});
  faults_->Inject({.op = FaultOp::kDirectorySync,
                   .forever = true,
                   .status = Status::OK(),
                   .action = [&](const std::string&) { note("directory"); }});
  ASSERT_TRUE(db_->Flush().ok());
  ASSERT_TRUE(db_->Close().ok());  // nothing is noted any more
  const auto first = [&](const std::string& part, size_t from) {
    for (size_t i = from; i < order.size(); ++i) {
      if (order[i].find(part) != std::string::npos) return i;
    }
    ADD_FAILURE() << part << " was never synced";
    return size_t{0};
  };
  const size_t segment = first(".seg", 0), manifest = first("MANIFEST", 0);
  EXPECT_LT(segment, manifest);
  EXPECT_LT(first("directory", segment), manifest);  // one before it may be the spare log's
  EXPECT_LT(first(log, 0), manifest);
}

// RULES R4.2: what is in no log is in both roots before a logged write is accepted.
TEST_F(DbDurabilityTest, LoggedWriteWaitsForUnloggedOnesInBothRoots) {
  Open();
  WriteOptions unlogged;
  unlogged.disable_wal = true;
  ASSERT_TRUE(db_->Put(unlogged, "a", "1").ok());
  ASSERT_TRUE(db_->Put(unlogged, "b", "1").ok());
  const size_t roots = CountSyncs("MANIFEST");
  ASSERT_TRUE(db_->Put(unlogged, "c", "1").ok());
  EXPECT_EQ(faults_->hits(roots), 0u);
  ASSERT_TRUE(db_->Put({}, "d", "1").ok());
  EXPECT_GE(faults_->hits(roots), 2u);
}

// More segments than may be open: readers come and go, every read is right, iterators keep theirs.
TEST_F(DbDurabilityTest, SegmentsAreOpenedAndClosedWithinTheirBudget) {
  options_.open_segments_max = 16;
  Open();
  constexpr int kSegments = 40;
  for (int i = 0; i < kSegments; ++i) {
    ASSERT_TRUE(db_->Put({}, "k" + std::to_string(i), std::to_string(i)).ok());
    ASSERT_TRUE(db_->Flush().ok());
  }
  auto held = db_->NewIterator({});
  held->SeekToFirst();
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < kSegments; ++i) {
      std::string value;
      ASSERT_TRUE(db_->Get({}, "k" + std::to_string(i), &value).ok());
      EXPECT_EQ(value, std::to_string(i));
    }
    uint64_t open = 0;
    ASSERT_TRUE(db_->GetIntProperty("varve.open-segments", &open));
    EXPECT_LE(open, 16u);
    EXPECT_GE(open, 1u);
  }
  int seen = 0;
  for (; held->Valid(); held->Next()) ++seen;
  EXPECT_EQ(seen, kSegments);
}

}  // namespace
}  // namespace varve
