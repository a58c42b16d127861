// A checkpoint is a database of its own, whole or not there.

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/db/sim_database.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/temp_dir.h"
#include "util/filename.h"
#include "varve/db.h"

namespace varve {
namespace {

bool Exists(FileSystem* file_system, const std::string& path) {
  FileInfo info;
  return file_system->GetFileInfo(path, &info).ok();
}

constexpr char kDraft[] = "/cp.checkpoint.tmp";

// On the simulated disk, with faults between it and the engine.
class CheckpointTest : public ::testing::Test {
 protected:
  CheckpointTest() { Start({}); }
  void Start(const SimOptions& sim) {
    db_.reset();
    disk_ = SimFileSystem::New(sim);
    faults_ = FaultFileSystem::New(disk_);
    options_ = SimDatabaseOptions(faults_);
  }
  void Open() {
    const Status status = DB::Open(options_, "/db", &db_);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  void Put(const std::string& key, const std::string& value) {
    ASSERT_TRUE(db_->Put({}, key, value).ok());
    state_[key] = value;
  }
  // Several segments, and something in memory.
  void Fill(size_t value_bytes = 100) {
    for (int round = 0; round < 4; ++round) {
      for (int i = 0; i < 50; ++i) {
        Put("key" + std::to_string(i * (round + 1)),
            std::to_string(round) + std::string(value_bytes, 'v'));
      }
      ASSERT_TRUE(db_->Delete({}, "key" + std::to_string(round * 7)).ok());
      state_.erase("key" + std::to_string(round * 7));
      if (round < 3) {
        ASSERT_TRUE(db_->Flush().ok());
      }
    }
  }
  std::unique_ptr<DB> OpenCheckpoint(const std::string& path) {
    Options options = SimDatabaseOptions(disk_);
    options.create_if_missing = false;
    options.history_retention_sequences = 1000;  // no compaction lets go what is compared
    std::unique_ptr<DB> db;
    const Status status = DB::Open(options, path, &db);
    EXPECT_TRUE(status.ok()) << status.ToString();
    return db;
  }
  void ExpectCheckpoint(const std::string& path, const State& state) {
    const auto db = OpenCheckpoint(path);
    ASSERT_NE(db, nullptr);
    EXPECT_EQ(ReadAll(db.get()), state);
  }
  uint64_t Counted(Counter counter) { return options_.statistics->Get(counter); }

  std::shared_ptr<SimFileSystem> disk_;
  std::shared_ptr<FaultFileSystem> faults_;
  Options options_;
  std::unique_ptr<DB> db_;
  State state_;
};

TEST_F(CheckpointTest, HoldsWhatTheDatabaseHeld) {
  Open();
  Fill();
  const uint64_t used = disk_->used_bytes_max();
  ASSERT_TRUE(db_->Checkpoint("/cp").ok());
  EXPECT_FALSE(Exists(disk_.get(), kDraft));
  EXPECT_EQ(Counted(Counter::kCheckpoints), 1u);
  EXPECT_EQ(Counted(Counter::kCheckpointFilesCopied), 0u);
  EXPECT_LT(disk_->used_bytes_max(), used + (200 << 10));  // linked: one flush and a manifest
  ExpectCheckpoint("/cp", state_);
}

TEST_F(CheckpointTest, IsADatabaseOfItsOwn) {
  Open();
  Fill();
  ASSERT_TRUE(db_->Checkpoint("/cp").ok());
  auto copy = OpenCheckpoint("/cp");
  State theirs = state_;
  for (int i = 0; i < 60; ++i) {
    Put("key" + std::to_string(i), "mine");
    ASSERT_TRUE(copy->Put({}, "key" + std::to_string(i + 30), "theirs").ok());
    theirs["key" + std::to_string(i + 30)] = "theirs";
    ASSERT_TRUE(copy->Delete({}, "key" + std::to_string(i * 2)).ok());
    theirs.erase("key" + std::to_string(i * 2));
    if (i % 20 == 5) {
      ASSERT_TRUE(db_->Flush().ok());
      ASSERT_TRUE(copy->Flush().ok());
    }
  }
  // A checkpoint of a checkpoint, and both outlive the first database.
  ASSERT_TRUE(copy->Checkpoint("/cp2").ok());
  EXPECT_EQ(ReadAll(db_.get()), state_);
  EXPECT_EQ(ReadAll(copy.get()), theirs);
  ASSERT_TRUE(copy->Close().ok());
  db_.reset();
  Open();
  EXPECT_EQ(ReadAll(db_.get()), state_);
  ASSERT_TRUE(db_->Close().ok());
  ASSERT_TRUE(DB::Destroy(options_, "/db").ok());
  ExpectCheckpoint("/cp", theirs);
  ExpectCheckpoint("/cp2", theirs);
}

TEST_F(CheckpointTest, OfAnEmptyDatabase) {
  Open();
  ASSERT_TRUE(db_->Checkpoint("/cp").ok());
  ExpectCheckpoint("/cp", {});
}

TEST_F(CheckpointTest, HoldsWhatWasNotLogged) {
  Open();
  WriteOptions unlogged;
  unlogged.disable_wal = true;
  ASSERT_TRUE(db_->Put(unlogged, "k", "v").ok());
  ASSERT_TRUE(db_->Checkpoint("/cp").ok());
  ExpectCheckpoint("/cp", {{"k", "v"}});
}

TEST_F(CheckpointTest, CarriesTheHistory) {
  options_.history_retention_sequences = 3;
  Open();
  for (int i = 1; i <= 9; ++i) Put("k", std::to_string(i));
  ASSERT_TRUE(db_->Flush().ok());
  ASSERT_TRUE(db_->Checkpoint("/cp").ok());
  const auto copy = OpenCheckpoint("/cp");
  for (uint64_t sequence : {5u, 6u, 8u}) {
    ReadOptions options;
    options.at_sequence = sequence;
    std::string value;
    const Status status = copy->Get(options, "k", &value);
    if (sequence < 6) {
      EXPECT_TRUE(status.IsTooOld()) << status.ToString();
    } else {
      EXPECT_EQ(value, std::to_string(sequence)) << status.ToString();
    }
  }
}

class BackwardComparator : public Comparator {
 public:
  int Compare(Slice a, Slice b) const override { return BytewiseComparator()->Compare(b, a); }
  const char* Name() const override { return "backward"; }
};

TEST_F(CheckpointTest, CarriesTheComparator) {
  BackwardComparator backward;
  options_.comparator = &backward;
  Open();
  Fill();
  ASSERT_TRUE(db_->Checkpoint("/cp").ok());
  std::unique_ptr<DB> copy;
  EXPECT_TRUE(DB::Open(SimDatabaseOptions(disk_), "/cp", &copy).IsInvalidArgument());
  ASSERT_TRUE(DB::Open(options_, "/cp", &copy).ok());
  EXPECT_EQ(ReadAll(copy.get()), state_);
}

TEST_F(CheckpointTest, GoesOnlyWhereThereIsNothing) {
  Open();
  Fill();
  ASSERT_TRUE(disk_->CreateDirectory("/empty").ok());
  ASSERT_TRUE(db_->Checkpoint("/empty/").ok());
  ExpectCheckpoint("/empty", state_);
  EXPECT_TRUE(db_->Checkpoint("/empty").IsInvalidArgument());
  EXPECT_TRUE(db_->Checkpoint("/db").IsInvalidArgument());
  EXPECT_TRUE(db_->Checkpoint("/db/LOCK").IsInvalidArgument());
  EXPECT_TRUE(db_->Checkpoint("/absent/cp").IsNotFound());
  EXPECT_FALSE(Exists(disk_.get(), "/absent"));
  EXPECT_FALSE(Exists(disk_.get(), "/empty.checkpoint.tmp"));
  ExpectCheckpoint("/empty", state_);
  EXPECT_EQ(ReadAll(db_.get()), state_);
  ASSERT_TRUE(db_->Close().ok());
  EXPECT_TRUE(db_->Checkpoint("/late").IsAborted());
}

// Nothing is removed that a checkpoint did not leave.
TEST_F(CheckpointTest, LeavesForeignFilesAlone) {
  Open();
  Fill();
  for (const char* name : {"notes.txt", "000012.log"}) {
    ASSERT_TRUE(disk_->CreateDirectory(kDraft).ok());
    for (const char* file : {name, "000003.seg", "MANIFEST"}) {
      std::unique_ptr<WritableFile> written;
      ASSERT_TRUE(disk_->NewWritableFile(JoinPath(kDraft, file), 0, &written).ok());
    }
    EXPECT_TRUE(db_->Checkpoint("/cp").IsInvalidArgument());
    for (const char* file : {name, "000003.seg", "MANIFEST"}) {
      EXPECT_TRUE(Exists(disk_.get(), JoinPath(kDraft, file))) << file;
    }
    ASSERT_TRUE(disk_->RemoveFile(JoinPath(kDraft, name)).ok());
    ASSERT_TRUE(db_->Checkpoint("/cp").ok());  // the rest is what one that was cut short leaves
    ExpectCheckpoint("/cp", state_);
    ASSERT_TRUE(DB::Destroy(options_, "/cp").ok());
    EXPECT_FALSE(Exists(disk_.get(), kDraft));
  }
}

// The version that is being copied pins its files (Checklist S5).
TEST_F(CheckpointTest, CompactionsMeanwhileTakeNoSegmentFromIt) {
  Open();
  Fill();
  const size_t meanwhile =
      faults_->Inject({.op = FaultOp::kOther,
                       .nth = 2,
                       .path_part = ".seg",
                       .status = Status::OK(),
                       .action = [this](const std::string&) {
                         ASSERT_TRUE(db_->CompactRange({}, std::nullopt, std::nullopt).ok());
                         ASSERT_TRUE(db_->Put({}, "key1", "later").ok());
                         ASSERT_TRUE(db_->Flush().ok());  // seals, and frees what may go
                         ASSERT_TRUE(db_->Flush().ok());
                       }});
  ASSERT_TRUE(db_->Checkpoint("/cp").ok());
  EXPECT_EQ(faults_->hits(meanwhile), 1u);
  EXPECT_EQ(Counted(Counter::kCheckpointFilesCopied), 0u);
  EXPECT_GE(Counted(Counter::kCompactions), 1u);
  ExpectCheckpoint("/cp", state_);
}

TEST_F(CheckpointTest, OneAtATimeToOnePlace) {
  Open();
  Fill();
  ASSERT_TRUE(disk_->CreateDirectory(kDraft).ok());
  std::unique_ptr<FileLock> other;
  ASSERT_TRUE(disk_->LockFile(LockFileName(kDraft), &other).ok());
  EXPECT_TRUE(db_->Checkpoint("/cp").IsBusy());
  other.reset();
  EXPECT_TRUE(db_->Checkpoint("/cp").ok());
}

TEST_F(CheckpointTest, CopiesWhatCannotBeLinked) {
  Open();
  Fill();
  const size_t links = faults_->Inject({.op = FaultOp::kOther,
                                        .forever = true,
                                        .path_part = ".seg",
                                        .status = Status::IOError("cross-device link")});
  ASSERT_TRUE(db_->Checkpoint("/cp").ok());
  EXPECT_EQ(faults_->hits(links), 4u);
  EXPECT_EQ(Counted(Counter::kCheckpointFilesCopied), 4u);
  ASSERT_TRUE(db_->Close().ok());
  ASSERT_TRUE(DB::Destroy(options_, "/db").ok());
  ExpectCheckpoint("/cp", state_);
}

TEST_F(CheckpointTest, ATruncatedSegmentIsNotCopied) {
  Open();
  Fill();
  faults_->Inject({.op = FaultOp::kOther, .forever = true, .path_part = ".seg"});
  faults_->Inject(
      {.op = FaultOp::kRead, .path_part = ".seg", .status = Status::OK(), .torn_bytes = 100});
  const Status status = db_->Checkpoint("/cp");
  EXPECT_TRUE(status.IsCorruption()) << status.ToString();
  EXPECT_FALSE(Exists(disk_.get(), "/cp"));
  EXPECT_FALSE(Exists(disk_.get(), kDraft));
}

TEST_F(CheckpointTest, AFullDiskKeepsNothingOfIt) {
  Start({.capacity_bytes = 12 << 20});  // a megabyte is written; all its logs may be there yet
  Open();
  Fill(5000);
  ASSERT_TRUE(db_->Flush().ok());
  faults_->Inject({.op = FaultOp::kOther, .forever = true, .path_part = ".seg"});
  Status status;
  int made = 0;
  for (; made < 30 && status.ok(); ++made) {
    status = db_->Checkpoint("/cp" + std::to_string(made));
  }
  EXPECT_TRUE(status.IsNoSpace()) << status.ToString();
  const std::string failed = "/cp" + std::to_string(made - 1);
  EXPECT_FALSE(Exists(disk_.get(), failed));
  EXPECT_FALSE(Exists(disk_.get(), failed + ".checkpoint.tmp"));
  ASSERT_GT(made, 1);
  ExpectCheckpoint("/cp0", state_);
  EXPECT_EQ(ReadAll(db_.get()), state_);
}

// Each operation on the new directory fails in turn. Either it did no harm, or the error is told
// and nothing is left; the next attempt is good.
TEST_F(CheckpointTest, EachOperationFailsInTurn) {
  Open();
  Fill();
  int failures = 0;
  for (const bool links : {true, false}) {
    for (size_t op = 0; op < kFaultOps; ++op) {
      for (int nth = 1;; ++nth) {
        SCOPED_TRACE("operation " + std::to_string(op) + ", number " + std::to_string(nth) +
                     (links ? ", links" : ", copies"));
        if (!links) faults_->Inject({.op = FaultOp::kOther, .forever = true, .path_part = "/db/"});
        const size_t fault = faults_->Inject({.op = static_cast<FaultOp>(op),
                                              .nth = static_cast<uint64_t>(nth),
                                              .path_part = "/cp"});
        const Status status = db_->Checkpoint("/cp");
        const bool happened = faults_->hits(fault) != 0;
        faults_->RemoveAll();
        if (status.ok()) {
          ExpectCheckpoint("/cp", state_);
          ASSERT_TRUE(DB::Destroy(options_, "/cp").ok());
        } else {
          ++failures;
          EXPECT_TRUE(happened) << status.ToString();
          EXPECT_FALSE(Exists(disk_.get(), "/cp"));
          if (static_cast<FaultOp>(op) != FaultOp::kRemove) {
            EXPECT_FALSE(Exists(disk_.get(), kDraft));
          }
        }
        ASSERT_FALSE(HasFailure());
        if (!happened) break;
      }
    }
  }
  EXPECT_GT(failures, 20);
  EXPECT_EQ(ReadAll(db_.get()), state_);
}

// A crash at any boundary of it leaves the database whole, and the checkpoint whole or absent;
// after it was acknowledged, whole. The next attempt clears up what was left.
TEST_F(CheckpointTest, ACrashLeavesAllOfItOrNothing) {
  for (const bool links : {true, false}) {
    Start({.seed = 11, .record = true});
    state_.clear();
    Open();
    Fill();
    ASSERT_TRUE(db_->Flush().ok());
    if (!links) faults_->Inject({.op = FaultOp::kOther, .forever = true, .path_part = "/db/"});
    const uint64_t begun_at = disk_->op_count();
    ASSERT_TRUE(db_->Checkpoint("/cp").ok());
    const uint64_t acknowledged_at = disk_->op_count();
    db_.reset();
    SimReplay replay(&disk_->history());
    replay.AdvanceTo(begun_at);
    int whole = 0, absent = 0, drafts = 0;
    for (;; replay.Step()) {
      std::vector<SimDisk> images{replay.disk().Kill(), replay.disk().PowerLoss(SimLoss::DropAll()),
                                  replay.disk().PowerLoss(SimLoss::KeepAll()),
                                  replay.disk().PowerLoss(SimLoss::Random(replay.position()))};
      // Few items are names, each of which may be the only one to survive.
      const size_t pending = replay.disk().PendingCount();
      for (size_t item = 0; pending <= 12 && item < pending; ++item) {
        images.push_back(replay.disk().PowerLoss(SimLoss::Only(item)));
      }
      for (size_t kind = 0; kind < images.size(); ++kind) {
        SCOPED_TRACE("op " + std::to_string(replay.position()) + ", kind " + std::to_string(kind));
        const auto image = SimFileSystem::New({.track = false}, images[kind]);
        Options options = SimDatabaseOptions(image);
        options.create_if_missing = false;
        std::unique_ptr<DB> copy, db;
        Status status = DB::Open(options, "/cp", &copy);
        ASSERT_TRUE(status.ok() || status.IsInvalidArgument()) << status.ToString();
        status.ok() ? ++whole : ++absent;
        if (status.ok()) {
          ASSERT_EQ(ReadAll(copy.get()), state_);
        } else {
          ASSERT_LT(replay.position(), acknowledged_at);
        }
        copy.reset();
        if (Exists(image.get(), kDraft)) {
          ++drafts;
          if (DB::Open(options, kDraft, &copy).ok()) {
            ASSERT_EQ(ReadAll(copy.get()), state_);
          }
          copy.reset();
        }
        status = DB::Open(options, "/db", &db);
        ASSERT_TRUE(status.ok()) << status.ToString();
        ASSERT_EQ(ReadAll(db.get()), state_);
        if (kind > 3 || Exists(image.get(), "/cp/MANIFEST")) continue;
        status = db->Checkpoint("/cp");
        ASSERT_TRUE(status.ok()) << status.ToString();
        ASSERT_FALSE(Exists(image.get(), kDraft));
        options.error_if_exists = false;
        ASSERT_TRUE(DB::Open(options, "/cp", &copy).ok());
        ASSERT_EQ(ReadAll(copy.get()), state_);
      }
      if (replay.position() >= acknowledged_at + 2 || replay.AtEnd()) break;
    }
    EXPECT_GT(whole, 5);
    EXPECT_GT(absent, 50);
    EXPECT_GT(drafts, 20);
  }
}

// A directory's sync fails, up to that which would have made the new name durable; so the
// checkpoint is taken back. If the machine then stops, the names that are being removed may come
// back one by one, those of segments without those of others: never so that a database with holes
// is there.
TEST_F(CheckpointTest, ACrashAfterAFailureLeavesNoDatabaseWithHoles) {
  int failures = 0, whole = 0, absent = 0;
  for (uint64_t nth = 1;; ++nth) {
    SCOPED_TRACE("sync " + std::to_string(nth));
    Start({.seed = 11, .record = true});
    state_.clear();
    Open();
    Fill();
    ASSERT_TRUE(db_->Flush().ok());
    // A place of its own: the database syncs its directory in the background.
    ASSERT_TRUE(disk_->CreateDirectory("/to").ok());
    ASSERT_TRUE(disk_->SyncDirectory("/").ok());
    disk_->InjectFault({.calls = kSimDirectorySync, .path_part = "/to", .nth = nth});
    const uint64_t begun_at = disk_->op_count();
    const bool failed = !db_->Checkpoint("/to/cp").ok();
    disk_->ClearFault();
    if (!failed) break;
    ++failures;
    const uint64_t ended_at = disk_->op_count();
    db_.reset();
    SimReplay replay(&disk_->history());
    for (replay.AdvanceTo(begun_at); replay.position() <= ended_at; replay.Step()) {
      const size_t pending = replay.disk().PendingCount();
      for (size_t item = 0; item < 2 * pending; ++item) {
        const SimLoss loss = item % 2 == 0 ? SimLoss::Only(item / 2) : SimLoss::AllBut(item / 2);
        const auto image = SimFileSystem::New({.track = false}, replay.disk().PowerLoss(loss));
        if (!Exists(image.get(), "/to/cp/MANIFEST")) {
          ++absent;
          continue;
        }
        SCOPED_TRACE("op " + std::to_string(replay.position()) + ", " + loss.ToString());
        Options options = SimDatabaseOptions(image);
        options.create_if_missing = false;
        std::unique_ptr<DB> copy;
        const Status status = DB::Open(options, "/to/cp", &copy);
        ASSERT_TRUE(status.ok()) << status.ToString();
        ASSERT_EQ(ReadAll(copy.get()), state_);
        ++whole;
      }
    }
  }
  EXPECT_GE(failures, 3);
  EXPECT_GT(whole, 5);
  EXPECT_GT(absent, 20);
}

// The real thing: links of the real file system, and the names in a real directory.
TEST(CheckpointPosix, LinksSegments) {
  TempDir dir;
  Options options;
  options.create_if_missing = true;
  options.statistics = Statistics::Create(false);
  std::unique_ptr<DB> db, copy;
  ASSERT_TRUE(DB::Open(options, dir.File("db"), &db).ok());
  ASSERT_TRUE(db->Put({}, "k", std::string(100'000, 'v')).ok());
  ASSERT_TRUE(db->Checkpoint(dir.File("cp")).ok());
  EXPECT_EQ(options.statistics->Get(Counter::kCheckpointFilesCopied), 0u);
  ASSERT_TRUE(DB::Open(options, dir.File("cp"), &copy).ok());
  std::string value;
  EXPECT_TRUE(copy->Get({}, "k", &value).ok());
  std::vector<std::string> names;
  ASSERT_TRUE(Env::Default().file_system->ListDirectory(dir.File("."), &names).ok());
  EXPECT_EQ(names, (std::vector<std::string>{"cp", "db"}));
}

}  // namespace
}  // namespace varve
