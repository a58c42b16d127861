// What the database does when the file system fails under it.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "tests/support/fault_file_system.h"
#include "tests/support/quiet_logger.h"
#include "tests/support/sim_file_system.h"
#include "tests/support/temp_dir.h"
#include "util/filename.h"
#include "util/thread.h"
#include "varve/db.h"

namespace varve {
namespace {

// Every failure here is on purpose; hundreds of lines about them would hide the real one.

class DbFaultTest : public ::testing::Test {
 protected:
  DbFaultTest() : faults_(FaultFileSystem::New(Env::Default().file_system)) {
    options_.create_if_missing = true;
    options_.memtable_bytes = 64 << 10;
    options_.wal_sync = WalSyncMode::kNever;  // no sync but those asked for
    options_.env.file_system = faults_;
    options_.logger = std::make_shared<QuietLogger>();
  }
  void Open() {
    const Status status = DB::Open(options_, dir_.File("db"), &db_);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  Status Put(const std::string& key, const std::string& value, bool sync = false) {
    WriteOptions options;
    options.sync = sync;
    const Status status = db_->Put(options, key, value);
    if (status.ok()) {
      acknowledged_[key] = value;
    } else {
      unclear_[key] = value;
    }
    return status;
  }
  // Everything acknowledged is there, and of what failed either nothing or what was written.
  void ExpectAcknowledged() {
    for (const auto& [key, value] : acknowledged_) {
      std::string found;
      const Status status = db_->Get({}, key, &found);
      ASSERT_TRUE(status.ok()) << key << ": " << status.ToString();
      if (unclear_.count(key) == 0 || found != unclear_[key]) {
        EXPECT_EQ(found, value) << key;
      }
    }
  }
  // The name of the log that writes go to, once one of them was synced. A spare log is made beside
  // it in the background, with copies and syncs of its own.
  std::string ActiveLog() {
    std::string position;  // "log:offset"
    EXPECT_TRUE(db_->GetProperty("varve.durable-position", &position));
    return LogFileName("", std::stoull(position));
  }
  void ReopenWithoutFaults() {
    faults_->RemoveAll();
    db_.reset();
    Open();
    ExpectAcknowledged();
  }

  TempDir dir_;
  std::shared_ptr<FaultFileSystem> faults_;
  Options options_;
  std::unique_ptr<DB> db_;
  std::map<std::string, std::string> acknowledged_, unclear_;
};

// Checklist W2: nothing is framed after a torn record; reads go on; a reopen finds what was
// acknowledged.
TEST_F(DbFaultTest, FailedLogWriteMakesItReadOnly) {
  Open();
  ASSERT_TRUE(Put("a", "1", true).ok());
  const size_t fault =
      faults_->Inject({.op = FaultOp::kCopy, .path_part = ActiveLog(), .torn_bytes = 9});
  EXPECT_TRUE(Put("b", "2").IsIOError());
  EXPECT_EQ(faults_->hits(fault), 1u);
  faults_->RemoveAll();
  EXPECT_TRUE(Put("c", "3").IsIOError());
  EXPECT_TRUE(db_->Flush().IsIOError());
  std::string text;
  ASSERT_TRUE(db_->GetProperty("varve.background-error", &text));
  EXPECT_NE(text.find("injected"), std::string::npos) << text;
  std::string value;
  EXPECT_TRUE(db_->Get({}, "b", &value).IsNotFound());  // never published
  ExpectAcknowledged();
  ReopenWithoutFaults();
  EXPECT_TRUE(Put("c", "3").ok());
}

// Checklist W1: a failed sync acknowledges nothing and is not tried again.
TEST_F(DbFaultTest, FailedSyncMakesItReadOnly) {
  Open();
  ASSERT_TRUE(Put("a", "1", true).ok());
  const std::string log = ActiveLog();
  const size_t fault = faults_->Inject({.op = FaultOp::kSync, .path_part = log});
  EXPECT_TRUE(Put("b", "2", true).IsIOError());
  EXPECT_EQ(faults_->hits(fault), 1u);
  faults_->RemoveAll();
  const size_t more =
      faults_->Inject({.op = FaultOp::kSync, .forever = true, .path_part = log, .status = {}});
  EXPECT_TRUE(Put("c", "3", true).IsIOError());
  EXPECT_TRUE(db_->SyncWAL().IsIOError());
  EXPECT_EQ(faults_->hits(more), 0u);
  ReopenWithoutFaults();
}

// Checklist S3, E7: the memtable stays readable, and the flush is tried again by itself.
TEST_F(DbFaultTest, FailedFlushIsTriedAgain) {
  Open();
  ASSERT_TRUE(Put("a", "1").ok());
  // Until it is told to stop: tried again after a tenth of a second it might succeed before who
  // waits for it has looked.
  const size_t fault = faults_->Inject({.op = FaultOp::kWrite,
                                        .forever = true,
                                        .path_part = ".seg",
                                        .status = Status::NoSpace("full")});
  EXPECT_TRUE(db_->Flush().IsNoSpace());
  EXPECT_GE(faults_->hits(fault), 1u);
  ExpectAcknowledged();
  ASSERT_TRUE(Put("b", "2").ok());
  faults_->RemoveAll();
  Status again = db_->Flush();
  if (again.IsNoSpace()) again = db_->Flush();  // an attempt may have been under way
  EXPECT_TRUE(again.ok()) << again.ToString();
  ExpectAcknowledged();
  uint64_t segments = 0;
  EXPECT_TRUE(db_->GetIntProperty("varve.num-segments", &segments));
  EXPECT_GE(segments, 1u);
  ReopenWithoutFaults();
}

// Logs that wait to be reused are room, where there is no other.
TEST_F(DbFaultTest, AFullDiskTakesTheRecycledLogs) {
  options_.compaction_style = CompactionStyle::kNone;
  options_.memtables_max = 8;
  Open();
  const auto recycled = [this] {
    std::vector<std::string> names;
    EXPECT_TRUE(options_.env.file_system->ListDirectory(dir_.File("db"), &names).ok());
    return std::count_if(names.begin(), names.end(),
                         [](const std::string& name) { return name.ends_with(".recycled"); });
  };
  // More of them than the spare logs that are still made of them.
  ASSERT_TRUE(db_->PauseBackgroundWork().ok());
  for (int i = 0; i < 7; ++i) {
    ASSERT_TRUE(Put(std::to_string(i), "1").ok());
    ASSERT_TRUE(db_->Flush({.wait = false}).ok());
  }
  ASSERT_TRUE(db_->ContinueBackgroundWork().ok());
  ASSERT_TRUE(db_->Flush().ok());
  for (int i = 0; i < 60'000 && recycled() <= 4; ++i) SleepFor(1'000'000);  // freed by the seal
  ASSERT_GT(recycled(), 4);
  const size_t full = faults_->Inject({.op = FaultOp::kWrite,
                                       .forever = true,
                                       .path_part = ".seg",
                                       .status = Status::NoSpace("full")});
  const size_t freed =
      faults_->Inject({.op = FaultOp::kRemove,
                       .path_part = ".recycled",
                       .status = Status::OK(),
                       .action = [&](const std::string&) { faults_->Remove(full); }});
  ASSERT_TRUE(Put("needs", "room").ok());
  Status status = Status::NoSpace();
  for (int tries = 0; tries < 6'000 && status.IsNoSpace(); ++tries) {
    status = db_->Flush();
    if (!status.ok()) SleepFor(10'000'000);
  }
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(faults_->hits(freed), 1u);
  ReopenWithoutFaults();
}

// Checklist C12: while the device of the segments is away, no root is written. One that fails could
// not be taken back, and the database would stay read-only until it is opened again.
TEST_F(DbFaultTest, FailedWorkThatFoundRoomLeavesTheManifestAlone) {
  options_.compaction_style = CompactionStyle::kNone;
  Open();
  ASSERT_TRUE(Put("a", "1").ok());
  ASSERT_TRUE(db_->Flush().ok());
  ASSERT_TRUE(Put("a", "2").ok());
  ASSERT_TRUE(db_->Flush().ok());
  // An attempt, after which the flush before is surely over, its seal included.
  const size_t segments =
      faults_->Inject({.op = FaultOp::kWrite, .forever = true, .path_part = ".seg"});
  ASSERT_TRUE(Put("b", "1").ok());
  EXPECT_TRUE(db_->Flush().IsIOError());
  const size_t roots =
      faults_->Inject({.op = FaultOp::kWrite, .forever = true, .path_part = "MANIFEST"});
  // Two more attempts: whatever followed the first of them is over when the second has failed.
  EXPECT_TRUE(db_->Flush().IsIOError());
  EXPECT_TRUE(db_->Flush().IsIOError());
  EXPECT_GE(faults_->hits(segments), 3u);
  EXPECT_EQ(faults_->hits(roots), 0u);
  faults_->RemoveAll();
  Status again = db_->Flush();
  if (again.IsIOError()) again = db_->Flush();  // an attempt may have been under way
  EXPECT_TRUE(again.ok()) << again.ToString();
  EXPECT_TRUE(Put("c", "1").ok());
  ExpectAcknowledged();
  ReopenWithoutFaults();
}

TEST_F(DbFaultTest, WritesThatWaitForAFailingFlushGetItsError) {
  options_.memtables_max = 2;
  options_.flush_memtables_min = 1;
  Open();
  faults_->Inject({.op = FaultOp::kCreate,
                   .forever = true,
                   .path_part = ".seg",
                   .status = Status::NoSpace("no room")});
  Status status;
  for (int i = 0; i < 1000 && status.ok(); ++i) {
    status = Put(std::to_string(i), std::string(1000, 'v'));
  }
  EXPECT_TRUE(status.IsNoSpace()) << status.ToString();
  ExpectAcknowledged();
  faults_->RemoveAll();
  // Room is back: writes go on without a reopen. One that waits for an attempt which met the fault
  // still gets its error.
  Status later = Put("later", "1");
  if (later.IsNoSpace()) later = Put("later", "1");
  EXPECT_TRUE(later.ok()) << later.ToString();
  ReopenWithoutFaults();
}

// Checklist N5: after a root that may or may not be durable nothing more is committed.
TEST_F(DbFaultTest, FailedManifestSyncMakesItReadOnly) {
  Open();
  ASSERT_TRUE(Put("a", "1").ok());
  const size_t fault = faults_->Inject({.op = FaultOp::kSync, .path_part = "MANIFEST"});
  EXPECT_FALSE(db_->Flush().ok());
  EXPECT_EQ(faults_->hits(fault), 1u);
  faults_->RemoveAll();
  EXPECT_FALSE(Put("b", "2").ok());
  ExpectAcknowledged();
  ReopenWithoutFaults();
}

// Checklist L5: whom the error has not reached before Close() gets it from there.
TEST_F(DbFaultTest, CloseTellsAnErrorThatNobodyHasHeardOf) {
  for (const bool told : {false, true}) {
    options_.flush_memtables_min = 1;
    Open();
    const size_t fault =
        faults_->Inject({.op = FaultOp::kSync, .nth = 2, .forever = true, .path_part = "MANIFEST"});
    ASSERT_TRUE(Put("a", "1").ok());
    ASSERT_TRUE(db_->Flush({.wait = false}).ok());
    std::string error;
    for (int tries = 0; tries < 60'000 && error.empty(); ++tries) {
      SleepFor(1'000'000);
      ASSERT_TRUE(db_->GetProperty("varve.background-error", &error));
    }
    EXPECT_GT(faults_->hits(fault), 0u);
    ASSERT_NE(error, "");
    if (told) {
      EXPECT_TRUE(Put("b", "2").IsIOError());
    }
    const Status closed = db_->Close();
    EXPECT_EQ(closed.ok(), told) << closed.ToString();
    ReopenWithoutFaults();
    db_.reset();
  }
}

// Checklist W12: a log that cannot be made leaves the one in use alone.
TEST_F(DbFaultTest, FailedLogCreationFailsOnlyTheWriteThatNeededIt) {
  Open();
  const size_t fault = faults_->Inject(
      {.op = FaultOp::kCreate, .path_part = ".log", .status = Status::NoSpace("no room")});
  EXPECT_TRUE(Put("a", "1").IsNoSpace());
  EXPECT_EQ(faults_->hits(fault), 1u);
  EXPECT_TRUE(Put("a", "2").ok());
  ReopenWithoutFaults();
}

// Invariant I5 of reads: an error is neither a hit nor a miss, and nothing older shows through
// (Checklist C14, I5).
TEST_F(DbFaultTest, ReadErrorIsReportedForThatKeyAlone) {
  options_.block_cache_bytes = 0;
  options_.compaction_style = CompactionStyle::kNone;  // no other reads
  Open();
  ASSERT_TRUE(Put("a", "old").ok());
  ASSERT_TRUE(Put("z", "1").ok());
  ASSERT_TRUE(db_->Flush().ok());
  ASSERT_TRUE(Put("a", "new").ok());
  ASSERT_TRUE(db_->Flush().ok());
  ExpectAcknowledged();  // opens the segments
  const size_t fault = faults_->Inject({.op = FaultOp::kRead, .path_part = ".seg"});
  const Slice keys[] = {"a", "z"};
  PinnedValue values[2];
  Status statuses[2];
  db_->MultiGet({}, keys, values, statuses);
  EXPECT_EQ(faults_->hits(fault), 1u);
  EXPECT_TRUE(statuses[0].IsIOError()) << statuses[0].ToString();
  EXPECT_TRUE(statuses[1].ok());
  faults_->Inject({.op = FaultOp::kRead, .path_part = ".seg"});
  std::string value;
  EXPECT_TRUE(db_->Get({}, "a", &value).IsIOError());
  EXPECT_TRUE(db_->Get({}, "a", &value).ok());
  EXPECT_EQ(value, "new");
}

// Every operation of two small lives fails once, in turn, and then it and all after it, until a run
// meets no fault: nothing acknowledged is lost, nothing hangs, and a reopen without the fault
// works.
TEST_F(DbFaultTest, EveryOperationFailsInTurn) {
  const FaultOp kinds[] = {FaultOp::kOpen,          FaultOp::kRead,   FaultOp::kWrite,
                           FaultOp::kCopy,          FaultOp::kSync,   FaultOp::kClose,
                           FaultOp::kDirectorySync, FaultOp::kRename, FaultOp::kRemove,
                           FaultOp::kCreate,        FaultOp::kList,   FaultOp::kOther};
  options_.memtables_max = 3;
  options_.flush_memtables_min = 1;
  for (const FaultOp kind : kinds) {
    for (const bool forever : {false, true}) {
      for (uint64_t nth = 1;; ++nth) {
        SCOPED_TRACE("op " + std::to_string(static_cast<int>(kind)) + " number " +
                     std::to_string(nth) + (forever ? " and after" : ""));
        faults_ = FaultFileSystem::New(SimFileSystem::New({.track = false}));
        options_.env.file_system = faults_;
        acknowledged_.clear();
        unclear_.clear();
        const size_t fault = faults_->Inject({.op = kind, .nth = nth, .forever = forever});
        for (int life = 0; life < 2; ++life) {
          if (!DB::Open(options_, "/db", &db_).ok()) continue;
          for (int i = 0; i < 6; ++i) {
            Put("k" + std::to_string(i), std::to_string(life) + std::string(9000, 'v'), i == 3)
                .ok();
          }
          db_->Flush().ok();
          std::string value;
          db_->Get({}, "k1", &value).ok();
          db_->Close().ok();
          db_.reset();
        }
        const bool happened = faults_->hits(fault) != 0;
        faults_->RemoveAll();
        const Status status = DB::Open(options_, "/db", &db_);
        ASSERT_TRUE(status.ok()) << status.ToString();
        ExpectAcknowledged();
        db_.reset();
        if (HasFailure()) return;
        if (!happened) break;
      }
    }
  }
}

}  // namespace
}  // namespace varve
