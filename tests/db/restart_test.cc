// What a cache has after it ended, however it did: all that was acknowledged, or a declared
// nothing, and never what was replaced (docs/cache.md, "Restart"; RULES R5.7, R4).

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "db/manifest.h"
#include "tests/db/sim_database.h"
#include "tests/support/sim_file_system.h"
#include "util/filename.h"
#include "util/thread.h"
#include "varve/db.h"
#include "varve/listener.h"

namespace varve {
namespace {

// A machine that is booted anew by being given another name.
class BootedMachine : public SimMachine {
 public:
  explicit BootedMachine(std::string boot_id) : SimMachine(7), boot_id_(std::move(boot_id)) {}
  std::string BootId() override { return boot_id_; }

 private:
  const std::string boot_id_;
};

class ResetRecorder : public EventListener {
 public:
  void OnCacheReset(const CacheResetInfo& info) override { last = info; }
  std::optional<CacheResetInfo> last;
};

class RestartTest : public ::testing::Test {
 protected:
  RestartTest() : sim_(SimFileSystem::New()) {
    options_ = SimDatabaseOptions(sim_);
    options_.capacity_bytes = uint64_t{1} << 30;
    options_.compaction_style = CompactionStyle::kNone;
    options_.wal_sync = WalSyncMode::kInterval;
    options_.wal_sync_interval_ms = 3'600'000;  // not during a test
    options_.listeners = {resets_};
    Boot("first boot");
  }

  void Boot(const std::string& id) { options_.env.machine = std::make_shared<BootedMachine>(id); }
  Status TryOpen() {
    resets_->last.reset();
    return DB::Open(options_, "/db", &db_);
  }
  void Open() {
    const Status status = TryOpen();
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  // What is on the disk is `disk`; who ran on the one before is gone.
  void Place(SimDisk disk) {
    db_.reset();
    sim_ = SimFileSystem::New({}, std::move(disk));
    options_.env.file_system = sim_;
  }
  void Kill() { Place(sim_->disk().Kill()); }
  void LosePower(const SimLoss& loss = SimLoss::DropAll()) {
    Place(sim_->disk().PowerLoss(loss));
    Boot("boot " + std::to_string(++boots_));
  }
  void Close() {
    ASSERT_TRUE(db_->Close().ok());
    db_.reset();
  }
  void Put(const std::string& key, const std::string& value, const WriteOptions& options = {}) {
    const Status status = db_->Put(options, key, value);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  void PutUnlogged(const std::string& key, const std::string& value) {
    WriteOptions options;
    options.disable_wal = true;
    Put(key, value, options);
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
  std::optional<CacheResetReason> Reset() const {
    if (!resets_->last.has_value()) return std::nullopt;
    return resets_->last->reason;
  }
  uint64_t IntProperty(const std::string& name) {
    uint64_t value = 0;
    EXPECT_TRUE(db_->GetIntProperty(name, &value)) << name;
    return value;
  }
  // All is there: k, and if it was written what else there is.
  void OpenWarm(const std::string& k, const std::string& other = "") {
    Open();
    EXPECT_EQ(Get("k"), k);
    if (!other.empty()) {
      EXPECT_EQ(Get("other"), other);
    }
    EXPECT_EQ(Reset(), std::nullopt);
  }
  // Nothing is, for this reason.
  void OpenEmptied(CacheResetReason reason) {
    Open();
    EXPECT_EQ(Get("k"), "NotFound");
    EXPECT_EQ(Get("other"), "NotFound");
    EXPECT_EQ(IntProperty("varve.num-segments"), 0u);
    EXPECT_EQ(Reset(), reason);
  }
  // k@5 in a segment and k@50 acknowledged, in a log that nobody synced.
  void WriteOverASegment() {
    Open();
    Put("k", "@5");
    Put("other", "1");
    Flush();
    Put("k", "@50");
  }
  // The one that has the bytes: a spare of a higher number may be ready.
  std::string LogWith(const std::string& bytes) {
    std::vector<std::string> names;
    EXPECT_TRUE(sim_->ListDirectory("/db", &names).ok());
    for (const std::string& name : names) {
      const std::string path = "/db/" + name;
      if (name.ends_with(".log") && sim_->ReadAll(path).find(bytes) != std::string::npos) {
        return path;
      }
    }
    ADD_FAILURE() << "no log has " << bytes;
    return "";
  }

  std::shared_ptr<ResetRecorder> resets_ = std::make_shared<ResetRecorder>();
  std::shared_ptr<SimFileSystem> sim_;
  Options options_;
  std::unique_ptr<DB> db_;
  int boots_ = 0;
};

TEST_F(RestartTest, ACleanCloseLosesNothing) {
  WriteOverASegment();
  Close();
  LosePower();
  OpenWarm("@50", "1");
}

TEST_F(RestartTest, TheDeathOfTheProcessLosesNothing) {
  WriteOverASegment();
  Kill();
  OpenWarm("@50", "1");
}

// DESIGN I2, RULES R5.7: k@5 would come back.
TEST_F(RestartTest, AfterAPowerLossNothingOlderIsServed) {
  WriteOverASegment();
  LosePower();
  OpenEmptied(CacheResetReason::kPowerLoss);
  EXPECT_EQ(resets_->last->segments, 1u);
  EXPECT_EQ(resets_->last->resets, 1u);
  EXPECT_EQ(options_.statistics->Get(Counter::kCacheResets), 1u);
  std::string text;
  ASSERT_TRUE(db_->GetProperty("varve.last-reset", &text));
  EXPECT_NE(text.find("power loss"), std::string::npos) << text;
  EXPECT_NE(text.find("1 segments; 1 reset in all"), std::string::npos) << text;
  // It goes on as any other, and remembers.
  Put("k", "@60");
  Close();
  OpenWarm("@60");
  ASSERT_TRUE(db_->GetProperty("varve.last-reset", &text));
  EXPECT_NE(text.find("power loss"), std::string::npos) << text;
}

TEST_F(RestartTest, FilesOfAResetGo) {
  WriteOverASegment();
  LosePower();
  Open();
  Close();
  std::vector<std::string> names;
  ASSERT_TRUE(sim_->ListDirectory("/db", &names).ok());
  for (const std::string& name : names) {
    EXPECT_FALSE(name.ends_with(".seg") || name.ends_with(".ghost") || name.ends_with(".log"))
        << name;
  }
}

// DESIGN I6, RULES R4.6.
TEST_F(RestartTest, NumbersAndSequencesGoOnAfterAReset) {
  std::set<std::string> given;
  const auto take_names = [&] {
    for (const std::string& name : sim_->names_given()) {
      if (!name.ends_with(".seg") && !name.ends_with(".log")) continue;
      EXPECT_TRUE(given.insert(name).second) << name << " is given a second time";
    }
  };
  uint64_t sequence = 0;
  for (int i = 0; i < 3; ++i) {
    WriteOverASegment();
    EXPECT_GT(IntProperty("varve.last-sequence"), sequence);
    sequence = IntProperty("varve.last-sequence");
    take_names();
    LosePower();
  }
  Open();
  EXPECT_GE(IntProperty("varve.retained-sequence"), sequence);
  ReadOptions old;
  old.at_sequence = sequence;
  std::string value;
  EXPECT_TRUE(db_->Get(old, "k", &value).IsTooOld());
}

TEST_F(RestartTest, KeepPrefixKeepsThePrefix) {
  options_.after_power_loss = AfterPowerLoss::kKeepPrefix;
  WriteOverASegment();
  LosePower();
  Open();
  EXPECT_EQ(Get("k"), "@5");  // what its user accepts
  EXPECT_EQ(Get("other"), "1");
  EXPECT_EQ(Reset(), std::nullopt);
}

TEST_F(RestartTest, SyncedWritesOfIntervalModeDoNotChangeTheRule) {
  Open();
  Put("k", "@5");
  Flush();
  WriteOptions synced;
  synced.sync = true;
  Put("k", "@50", synced);
  ASSERT_TRUE(db_->SyncWAL().ok());
  LosePower();
  OpenEmptied(CacheResetReason::kPowerLoss);
}

TEST_F(RestartTest, ABootIdThatIsUnknownProvesNothing) {
  Boot("");
  WriteOverASegment();
  Kill();
  OpenEmptied(CacheResetReason::kPowerLoss);
}

TEST_F(RestartTest, WhereEveryWriteIsSyncedNothingIsLost) {
  options_.wal_sync = WalSyncMode::kAlways;
  WriteOverASegment();
  LosePower();
  OpenWarm("@50", "1");
}

// The run that ended says what may be lost, not the one that opens.
TEST_F(RestartTest, TheSyncModeThatCountsIsThatOfTheRunThatEnded) {
  WriteOverASegment();
  LosePower();
  options_.wal_sync = WalSyncMode::kAlways;
  Open();
  EXPECT_EQ(Reset(), CacheResetReason::kPowerLoss);
  Put("k", "@5");
  Flush();
  Put("k", "@50");
  LosePower();
  options_.wal_sync = WalSyncMode::kNever;
  Open();
  EXPECT_EQ(Reset(), std::nullopt);
  EXPECT_EQ(Get("k"), "@50");
  Put("k", "@60");
  LosePower();
  options_.wal_sync = WalSyncMode::kAlways;
  Open();
  EXPECT_EQ(Reset(), CacheResetReason::kPowerLoss);
  EXPECT_EQ(Get("k"), "NotFound");
}

// A run that syncs every write begins by making durable what an earlier one had left in its log.
TEST_F(RestartTest, ARunThatSyncsEveryWriteTakesOverWhatWasUnsynced) {
  WriteOverASegment();
  Kill();
  options_.wal_sync = WalSyncMode::kAlways;
  Open();
  LosePower();
  Open();
  EXPECT_EQ(Reset(), std::nullopt);
  EXPECT_EQ(Get("k"), "@50");
}

// The evidence of the power loss outlives an open that comes to nothing, wherever that ends: else
// the next one finds its own boot id in the roots.
TEST_F(RestartTest, AnOpenThatFailsLeavesTheEvidence) {
  WriteOverASegment();
  const SimDisk lost = sim_->disk().PowerLoss(SimLoss::DropAll());
  for (uint64_t nth = 1;; ++nth) {
    Place(lost);
    Boot("second boot");
    SimFault fault;
    fault.calls = kSimAll;
    fault.nth = nth;
    fault.forever = true;
    sim_->InjectFault(fault);
    const bool opened = TryOpen().ok();
    const bool hit = sim_->calls_failed() > 0;
    sim_->ClearFault();
    Place(sim_->disk().Kill());
    ASSERT_TRUE(TryOpen().ok()) << nth;
    EXPECT_EQ(Get("k"), "NotFound") << nth;
    if (!opened && nth < 5) {
      EXPECT_EQ(Reset(), CacheResetReason::kPowerLoss) << nth;
    }
    db_.reset();
    if (!hit) break;
    ASSERT_LT(nth, 1000u);
  }
}

// But where it fails when it has said already, in one root, how the cache is open now.
TEST_F(RestartTest, AReopenAfterACleanCloseThatFailsKeepsTheCacheWarm) {
  WriteOverASegment();
  Close();
  const SimDisk closed = sim_->disk();
  uint64_t warm = 0, cold = 0;
  for (uint64_t nth = 1;; ++nth) {
    Place(closed);
    Boot("second boot");
    SimFault fault;
    fault.calls = kSimChanges;
    fault.nth = nth;
    fault.forever = true;
    sim_->InjectFault(fault);
    const bool opened = TryOpen().ok();
    const bool hit = sim_->calls_failed() > 0;
    sim_->ClearFault();
    if (!opened) {
      Place(sim_->disk().PowerLoss(SimLoss::DropAll()));
      Boot("third boot");
      Open();
      if (Get("k") == "@50") {
        ++warm;
      } else {
        EXPECT_EQ(Get("k"), "NotFound") << nth;
        EXPECT_EQ(Reset(), CacheResetReason::kPowerLoss) << nth;
        ++cold;
      }
    }
    db_.reset();
    if (!hit) break;
    ASSERT_LT(nth, 1000u);
  }
  EXPECT_GE(warm, 4u);
  EXPECT_LE(cold, 2u);  // the write and the sync of the other root
}

TEST_F(RestartTest, UnloggedWritesMakeAnyUncleanEndAReset) {
  WriteOverASegment();
  PutUnlogged("k", "@70");
  Kill();
  OpenEmptied(CacheResetReason::kUnloggedWrites);
}

TEST_F(RestartTest, UnloggedWritesThatWereFlushedDoNot) {
  for (const bool by_a_logged_write : {false, true}) {
    Open();
    Put("k", "@5");
    PutUnlogged("k", "@50");
    if (by_a_logged_write) {
      Put("other", "1");
    } else {
      Flush();
    }
    Kill();
    OpenWarm("@50");
    Close();
  }
}

TEST_F(RestartTest, UnloggedWritesAfterTheFlushCountAgain) {
  Open();
  PutUnlogged("k", "@5");
  Flush();
  PutUnlogged("k", "@50");
  Kill();
  OpenEmptied(CacheResetReason::kUnloggedWrites);
}

TEST_F(RestartTest, ACleanCloseKeepsUnloggedWrites) {
  Open();
  Put("k", "@5");
  PutUnlogged("k", "@50");
  Close();
  LosePower();
  OpenWarm("@50");
}

TEST_F(RestartTest, ADamagedLogEmptiesTheCache) {
  Open();
  Put("k", "@5");
  Flush();
  WriteOptions synced;
  synced.sync = true;
  for (int i = 0; i < 10; ++i) Put("k", "@" + std::to_string(50 + i), synced);
  const std::string log = LogWith("@53");
  Kill();
  const std::string bytes = sim_->ReadAll(log);
  const size_t at = bytes.find("@53");
  ASSERT_NE(at, std::string::npos);
  sim_->Damage(log, at, "!");
  OpenEmptied(CacheResetReason::kDamagedLog);
  Put("k", "@60");
  Kill();
  OpenWarm("@60");
}

// Found by varve_crash: the reset passed the logs that were listed, and the one that was known to
// be durable was missed again by each open, until some commit named a later one.
TEST_F(RestartTest, ALogThatIsGoneEmptiesTheCacheOnce) {
  Open();
  Put("k", "@5");
  Flush();
  WriteOptions synced;
  synced.sync = true;
  // The commit of the flush of @50 says how far the log with @51 is durable.
  ASSERT_TRUE(db_->PauseBackgroundWork().ok());
  Put("k", "@50", synced);
  ASSERT_TRUE(db_->Flush({.wait = false}).ok());
  Put("k", "@51", synced);
  ASSERT_TRUE(db_->ContinueBackgroundWork().ok());
  while (IntProperty("varve.num-segments") < 2) SleepFor(1'000'000);
  const std::string log = LogWith("@51");
  Kill();
  std::vector<std::string> names;
  ASSERT_TRUE(sim_->ListDirectory("/db", &names).ok());
  for (const std::string& name : names) {
    if (name.ends_with(".log") && "/db/" + name >= log) {
      ASSERT_TRUE(sim_->RemoveFile("/db/" + name).ok());
    }
  }
  ASSERT_TRUE(sim_->SyncDirectory("/db").ok());
  OpenEmptied(CacheResetReason::kDamagedLog);
  Kill();
  resets_->last.reset();
  Open();
  EXPECT_EQ(Reset(), std::nullopt);
  Put("k", "@60");
  Kill();
  OpenWarm("@60");
}

TEST_F(RestartTest, ADatabaseRefusesADamagedLog) {
  options_.capacity_bytes = 0;
  Open();
  WriteOptions synced;
  synced.sync = true;
  for (int i = 0; i < 10; ++i) Put("k", "@" + std::to_string(50 + i), synced);
  const std::string log = LogWith("@53");
  Kill();
  sim_->Damage(log, sim_->ReadAll(log).find("@53"), "!");
  const Status status = TryOpen();
  EXPECT_TRUE(status.IsCorruption()) << status.ToString();
}

TEST_F(RestartTest, ADatabaseKeepsThePrefixWhateverDied) {
  options_.capacity_bytes = 0;
  WriteOverASegment();
  LosePower();
  OpenWarm("@5");
}

// Checklist N7: it never opens as empty.
TEST_F(RestartTest, ADamagedManifestStillRefuses) {
  WriteOverASegment();
  Close();
  Kill();
  for (const uint64_t offset : {100, 4196}) sim_->Damage("/db/MANIFEST", offset, "damage");
  const Status status = TryOpen();
  EXPECT_TRUE(status.IsCorruption()) << status.ToString();
}

// What a failed sync leaves in the page cache may be what was there before; then the death of the
// process alone brings it back.
TEST_F(RestartTest, AFailedSyncOfTheLogIsRemembered) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SimOptions sim;
    sim.seed = seed;
    sim_ = SimFileSystem::New(sim);
    options_.env.file_system = sim_;
    WriteOverASegment();
    SimFault fault;
    fault.calls = kSimSync;
    fault.path_part = ".log";
    fault.forever = true;  // the sync of a log that is made ahead may be the first
    sim_->InjectFault(fault);
    EXPECT_TRUE(db_->SyncWAL().IsIOError());
    EXPECT_GE(sim_->calls_failed(), 1u);
    EXPECT_EQ(Get("k"), "@50");
    Kill();
    Open();
    EXPECT_EQ(Get("k"), "NotFound") << seed;
    EXPECT_EQ(Reset(), CacheResetReason::kUnloggedWrites) << seed;
    db_.reset();
  }
}

// … and forgotten once Resume() has made all of it durable elsewhere.
TEST_F(RestartTest, AResumeMakesUpForAFailedSync) {
  WriteOverASegment();
  SimFault fault;
  fault.calls = kSimSync;
  fault.path_part = ".log";
  fault.forever = true;
  sim_->InjectFault(fault);
  EXPECT_TRUE(db_->SyncWAL().IsIOError());
  sim_->ClearFault();
  ASSERT_TRUE(db_->Resume().ok());
  Put("other", "2");
  Kill();
  OpenWarm("@50", "2");
}

// A checkpoint is whole and durable, wherever it is opened.
TEST_F(RestartTest, ACheckpointIsWarmOnAnotherMachine) {
  WriteOverASegment();
  ASSERT_TRUE(db_->Checkpoint("/copy").ok());
  LosePower();
  ASSERT_TRUE(DB::Open(options_, "/copy", &db_).ok());
  EXPECT_EQ(Get("k"), "@50");
  EXPECT_EQ(Reset(), std::nullopt);
}

// At every boundary of a run with all that matters in it, after the death of the process and of the
// machine alike: the newest value acknowledged or being written, or nothing; and nothing only after
// a reset.
class RestartAtEveryBoundaryTest : public RestartTest {
 protected:
  struct Acknowledged {
    uint64_t op;  // the first boundary at which it counts
    std::string value;
  };

  void Run(WalSyncMode mode) {
    SimOptions sim;
    sim.record = true;
    sim_ = SimFileSystem::New(sim);
    options_.env.file_system = sim_;
    options_.wal_sync = mode;
    Open();
    const auto put = [&](const std::string& value, const WriteOptions& options = {}) {
      Put("k", value, options);
      acknowledged_.push_back({sim_->op_count(), value});
    };
    WriteOptions unlogged, synced;
    unlogged.disable_wal = true;
    synced.sync = true;
    put("01");
    Flush();
    put("02");
    put("03", unlogged);
    put("04");
    put("05", synced);
    Flush();
    put("06", unlogged);
    put("07", unlogged);
    Flush();
    put("08", unlogged);
    put("09", synced);
    ASSERT_TRUE(db_->SyncWAL().ok());
    put("10");
    ASSERT_TRUE(db_->Close().ok());
    db_.reset();
  }

  void CheckAt(const SimDisk& disk, size_t position, bool power_loss, const std::string& what) {
    std::string newest;
    for (const Acknowledged& a : acknowledged_) {
      if (a.op <= position) newest = a.value;
    }
    Place(disk);
    Boot(power_loss ? "second boot" : "first boot");
    const Status status = TryOpen();
    ASSERT_TRUE(status.ok()) << what << ": " << status.ToString();
    const std::string found = Get("k");
    if (found == "NotFound") {
      EXPECT_TRUE(newest.empty() || Reset().has_value()) << what << ": lost " << newest;
    } else {
      EXPECT_GE(found, newest) << what;
    }
    db_.reset();
  }

  void CheckAll() {
    const std::shared_ptr<SimFileSystem> recorded = sim_;
    SimReplay replay(&recorded->history());
    for (;;) {
      const size_t at = replay.position();
      const std::string place = "after " + std::to_string(at) + " changes";
      CheckAt(replay.disk().Kill(), at, /*power_loss=*/false, place + ", killed");
      CheckAt(replay.disk().PowerLoss(SimLoss::DropAll()), at, true, place + ", all dropped");
      CheckAt(replay.disk().PowerLoss(SimLoss::KeepAll()), at, true, place + ", all kept");
      CheckAt(replay.disk().PowerLoss(SimLoss::Random(at + 1)), at, true, place + ", at random");
      if (::testing::Test::HasFailure() || replay.AtEnd()) break;
      replay.Step();
    }
  }

  std::vector<Acknowledged> acknowledged_;
};

TEST_F(RestartAtEveryBoundaryTest, IntervalSync) {
  Run(WalSyncMode::kInterval);
  CheckAll();
}

TEST_F(RestartAtEveryBoundaryTest, EveryWriteSynced) {
  Run(WalSyncMode::kAlways);
  CheckAll();
}

}  // namespace
}  // namespace varve
