// The time of a database over crashes, clocks that are set, marks that cannot be sealed, and long
// absences: what has expired stays expired, and no wrong clock expires everything for good.

#include "db/engine_time.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "db/manifest.h"
#include "db/reset_clock.h"
#include "tests/db/destroy_root.h"
#include "tests/db/sim_database.h"
#include "tests/support/sim_file_system.h"
#include "varve/db.h"
#include "varve/listener.h"

namespace varve {
namespace {

using std::chrono::milliseconds;

constexpr uint64_t kSecond = 1000, kMinute = 60 * kSecond, kHour = 60 * kMinute, kDay = 24 * kHour;
// Noon of some day.
constexpr uint64_t kNoon = uint64_t{1'700'000'000'000} / kDay * kDay + 12 * kHour;

// Stands still unless it is told.
class ManualClock final : public Clock {
 public:
  uint64_t MonotonicNanos() override { return nanos_.fetch_add(1000); }
  uint64_t BootMillis() override { return boot_ms.load(); }
  uint64_t WallMillis() override { return wall_ms.load(); }

  void Advance(uint64_t millis) {
    boot_ms += millis;
    wall_ms += millis;
  }

  std::atomic<uint64_t> boot_ms{5000};
  std::atomic<uint64_t> wall_ms{kNoon};

 private:
  std::atomic<uint64_t> nanos_{1};
};

class Jumps final : public EventListener {
 public:
  void OnClockJump(const ClockJumpInfo& info) override {
    wall_ms = info.wall_ms;
    ++count;
  }
  std::atomic<uint64_t> wall_ms{0};
  std::atomic<int> count{0};
};

class EngineTimeTest : public ::testing::Test {
 protected:
  EngineTimeTest() { Use(SimFileSystem::New()); }
  ~EngineTimeTest() override { db_.reset(); }

  void Use(std::shared_ptr<SimFileSystem> files) {
    files_ = std::move(files);
    options_ = SimDatabaseOptions(files_);
    options_.env.clock = clock_;
    options_.listeners = {jumps_};
  }
  void BeCache() {
    options_.capacity_bytes = uint64_t{1} << 30;
    options_.compaction_style = CompactionStyle::kNone;
  }
  void Open() {
    const Status status = DB::Open(options_, "/db", &db_);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  void Close() {
    const Status status = db_->Close();
    ASSERT_TRUE(status.ok()) << status.ToString();
    db_.reset();
  }
  void Reopen() {
    Close();
    Open();
  }
  // On this disk; who had the one before is gone.
  void Continue(SimDisk disk) {
    db_.reset();
    files_ = SimFileSystem::New({}, std::move(disk));
    options_.env.file_system = files_;
  }
  void Kill() { Continue(files_->disk().Kill()); }
  void Put(Slice key, Slice value, uint64_t ttl_ms) {
    WriteOptions options;
    options.ttl = milliseconds(ttl_ms);
    options.sync = true;
    const Status status = db_->Put(options, key, value);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  std::string Get(Slice key) {
    std::string value;
    const Status status = db_->Get({}, key, &value);
    return status.ok() ? value : StatusCodeName(status.code());
  }
  ManifestState Manifest() {
    ManifestState state;
    EXPECT_TRUE(Manifest::Inspect(files_.get(), "/db", &state).ok());
    return state;
  }
  uint64_t Mark() { return Manifest().clock_mark_ms; }
  uint64_t Commits() {
    uint64_t commits = 0;
    EXPECT_TRUE(db_->GetIntProperty("varve.manifest-commits", &commits));
    return commits;
  }

  const std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>();
  const std::shared_ptr<Jumps> jumps_ = std::make_shared<Jumps>();
  std::shared_ptr<SimFileSystem> files_;
  Options options_;
  std::unique_ptr<DB> db_;
};

// "Expired at 12:30, crash, clock set to 12:10: it must stay expired" (RULES R7): wherever the
// crash comes, whatever of the disk it takes, and with either root alone.
TEST_F(EngineTimeTest, WhatHasExpiredStaysExpiredWhereverACrashComes) {
  Use(SimFileSystem::New({.seed = 3, .record = true}));
  Open();
  WriteOptions synced;
  synced.sync = true;
  ASSERT_TRUE(db_->Put(synced, "k", "old").ok());
  Put("k", "new", 30 * kMinute);
  EXPECT_EQ(Get("k"), "new");
  clock_->Advance(30 * kMinute + kSecond);
  EXPECT_EQ(Get("k"), "NotFound");
  const uint64_t expired_at_op = files_->op_count();
  // Time goes on: marks, a flush, another one that expires.
  for (int i = 0; i < 5; ++i) {
    clock_->Advance(7 * kSecond);
    EXPECT_EQ(Get("k"), "NotFound");
    if (i == 2) {
      ASSERT_TRUE(db_->Flush().ok());
    }
    if (i == 3) Put("other", "x", kHour);
  }
  Close();

  clock_->wall_ms = kNoon + 10 * kMinute;
  SimReplay replay(&files_->history());
  replay.AdvanceTo(expired_at_op);
  int checked = 0, other_roots = 0, there = 0;
  for (;; replay.Step()) {
    for (const SimLoss& loss : {SimLoss::DropAll(), SimLoss::KeepAll(), SimLoss::Random(checked)}) {
      for (const bool newest_root_too : {false, true}) {
        SimDisk disk = replay.disk().PowerLoss(loss);
        if (newest_root_too && !DestroyNewestRoot("/db", &disk)) continue;
        SCOPED_TRACE(testing::Message()
                     << "op " << replay.position() << " of " << files_->history().ops.size() << ", "
                     << loss.ToString() << (newest_root_too ? ", without the newest root" : ""));
        Options options = options_;
        options.env.file_system = SimFileSystem::New({.track = false}, disk);
        std::unique_ptr<DB> db;
        Status status = DB::Open(options, "/db", &db);
        ASSERT_TRUE(status.ok()) << status.ToString();
        std::string value;
        EXPECT_TRUE(db->Get({}, "k", &value).IsNotFound()) << value;
        const auto it = db->NewIterator({});
        it->Seek("k");
        EXPECT_FALSE(it->Valid() && it->key() == "k");
        ++checked;
        other_roots += newest_root_too;
        if (testing::Test::HasFailure()) return;
        if (checked % 40 != 1) continue;
        // It is there all the while, and only time hides it.
        db.reset();
        const auto again = SimFileSystem::New({.track = false}, disk);
        options.env.file_system = again;
        ClockReset reset;
        ASSERT_TRUE(ResetClock(options.env, "/db", kNoon + 10 * kMinute, &reset).ok());
        ASSERT_TRUE(DB::Open(options, "/db", &db).ok());
        there += db->Get({}, "k", &value).ok() && value == "new";
      }
    }
    if (replay.AtEnd()) break;
  }
  EXPECT_GT(checked, 100);
  EXPECT_GT(other_roots, 50);
  EXPECT_GT(there, 0);
}

// No mark is made, and no commit for one, where nothing ever had an expiry.
TEST_F(EngineTimeTest, ADatabaseWithoutExpiriesSealsNothing) {
  Open();
  ASSERT_TRUE(db_->Put({}, "a", "1").ok());
  ASSERT_TRUE(db_->Flush().ok());
  Reopen();  // so that nothing is left to be sealed
  const uint64_t commits = Commits();
  for (int i = 0; i < 100; ++i) {
    clock_->Advance(kMinute);
    EXPECT_EQ(Get("a"), "1");
    EXPECT_EQ(ReadAll(db_.get()).size(), 1u);
  }
  EXPECT_EQ(Commits(), commits);
  Close();
  EXPECT_EQ(Mark(), 0u);
}

// A PutUntil needs no time to be written; from then on readers do.
TEST_F(EngineTimeTest, AnExpiryOfItsOwnIsSeenByIterators) {
  Open();
  WriteBatch batch;
  ASSERT_TRUE(batch.PutUntil("a", "1", kNoon + kMinute).ok());
  ASSERT_TRUE(db_->Write({}, batch).ok());
  EXPECT_EQ(ReadAll(db_.get()).size(), 1u);
  clock_->Advance(kMinute);
  EXPECT_EQ(ReadAll(db_.get()).size(), 0u);
  EXPECT_EQ(Get("a"), "NotFound");
}

TEST_F(EngineTimeTest, AMarkIsSealedForEachHalfOfALease) {
  Open();
  Put("a", "1", kDay);
  const uint64_t commits = Commits();
  for (int i = 0; i < 600; ++i) {
    clock_->Advance(kSecond / 10);
    EXPECT_EQ(Get("a"), "1");
  }
  EXPECT_GE(Commits(), commits + 2 * (60 / 5 - 2));
  EXPECT_LE(Commits(), commits + 2 * (60 / 5 + 1));
  EXPECT_GT(Mark(), clock_->wall_ms);
  EXPECT_LE(Mark(), clock_->wall_ms + LeaseClock::kLeaseMillis);
}

// However often it is opened: a tool that reads one key does so each time.
TEST_F(EngineTimeTest, CleanClosesDoNotMakeTimeRunAhead) {
  Open();
  Put("a", "1", kHour);
  for (int i = 0; i < 100; ++i) {
    clock_->Advance(kSecond);
    EXPECT_EQ(Get("a"), "1");
    Reopen();
  }
  Close();
  EXPECT_EQ(Mark(), clock_->wall_ms);
  Open();
  // What was told stays told.
  clock_->wall_ms -= 10 * kMinute;
  clock_->Advance(kHour);
  EXPECT_EQ(Get("a"), "NotFound");
}

TEST_F(EngineTimeTest, TimeStandsStillWhereNoMarkCanBeSealed) {
  Open();
  Put("a", "1", kMinute);
  Put("b", "2", 5 * kSecond);
  EXPECT_EQ(Get("a"), "1");
  files_->InjectFault({.calls = kSimSync, .path_part = "MANIFEST", .forever = true});
  for (int i = 0; i < 10; ++i) {
    clock_->Advance(kMinute);
    EXPECT_EQ(Get("a"), "1");  // at the mark, ten seconds after noon
    EXPECT_EQ(Get("b"), "NotFound");
  }
  // The manifest is poisoned, so nothing is written either.
  EXPECT_FALSE(db_->Put({}, "c", "3").ok());
  files_->ClearFault();
  db_.reset();
  Open();
  EXPECT_EQ(Get("a"), "NotFound");
}

// Without any mark, and none to be had, nothing that expires is written.
TEST_F(EngineTimeTest, WithoutAnyMarkNothingThatExpiresIsWritten) {
  Open();
  ASSERT_TRUE(db_->Put({}, "a", "1").ok());
  files_->InjectFault({.calls = kSimSync,
                       .path_part = "MANIFEST",
                       .forever = true,
                       .code = Status::Code::kIOError});
  WriteOptions options;
  options.ttl = milliseconds(1000);
  EXPECT_FALSE(db_->Put(options, "b", "2").ok());
  EXPECT_EQ(Get("b"), "NotFound");
  EXPECT_EQ(Get("a"), "1");
  files_->ClearFault();
}

TEST_F(EngineTimeTest, AJumpIsRefusedAndTold) {
  Open();
  Put("a", "1", kDay);
  clock_->wall_ms += 16 * 365 * kDay;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Get("a"), "1");
  Put("b", "2", kMinute);  // of the time that is, not the wall clock's
  Close();                 // what was to be told is told
  EXPECT_EQ(jumps_->count, 1);
  EXPECT_EQ(jumps_->wall_ms, clock_->wall_ms);
  Open();  // not by an open either
  EXPECT_EQ(Get("a"), "1");
  clock_->Advance(kMinute);
  EXPECT_EQ(Get("b"), "NotFound");
  clock_->wall_ms -= 16 * 365 * kDay;
  clock_->Advance(kDay);
  EXPECT_EQ(Get("a"), "NotFound");
}

// A machine that was off for a week: what expired meanwhile is not read; but it may have been the
// clock, so a database drops none of it for a day.
TEST_F(EngineTimeTest, AfterALongAbsenceADatabaseReadsNothingExpiredAndDropsNothing) {
  Open();
  Put("a", "1", kDay);
  Put("b", "2", 30 * kDay);
  Close();
  clock_->Advance(7 * kDay);
  Open();
  EXPECT_EQ(Get("a"), "NotFound");
  EXPECT_EQ(Get("b"), "2");
  EXPECT_EQ(ReadAll(db_.get()).size(), 1u);
  Put("c", "3", kHour);  // lives as long as it was given
  EXPECT_EQ(Get("c"), "3");
  CompactRangeOptions all;
  all.rewrite_deepest = true;
  ASSERT_TRUE(db_->CompactRange(all, std::nullopt, std::nullopt).ok());
  EXPECT_EQ(Get("a"), "NotFound");
  Close();
  // It was the clock.
  clock_->wall_ms = kNoon + kMinute;
  Open();
  EXPECT_EQ(Get("a"), "1");
  EXPECT_EQ(Get("b"), "2");
  Close();
  // It was not.
  clock_->Advance(7 * kDay);
  Open();
  clock_->Advance(kDay + kSecond);
  EXPECT_EQ(Get("a"), "NotFound");
  ASSERT_TRUE(db_->CompactRange(all, std::nullopt, std::nullopt).ok());
  Close();
  ClockReset reset;
  ASSERT_TRUE(ResetClock(options_.env, "/db", kNoon, &reset).ok());
  clock_->wall_ms = kNoon;
  Open();
  EXPECT_EQ(Get("a"), "NotFound");
  EXPECT_EQ(Get("b"), "2");
}

// A cache may lose, and need not doubt.
TEST_F(EngineTimeTest, AfterALongAbsenceACacheReadsNothingExpired) {
  BeCache();
  Open();
  Put("a", "1", kDay);
  Put("b", "2", 30 * kDay);
  Close();
  clock_->Advance(7 * kDay);
  Open();
  EXPECT_EQ(Get("a"), "NotFound");
  EXPECT_EQ(Get("b"), "2");
  EXPECT_GT(Mark(), clock_->wall_ms);
  Close();
  clock_->wall_ms += 16 * 365 * kDay;
  Open();
  EXPECT_EQ(Get("b"), "2");
}

TEST_F(EngineTimeTest, AResetSetsTheTimeOfADatabase) {
  Open();
  Put("a", "1", kHour);
  Put("b", "2", kDay);
  clock_->Advance(kHour);
  EXPECT_EQ(Get("a"), "NotFound");
  ClockReset reset;
  EXPECT_TRUE(ResetClock(options_.env, "/db", kNoon, &reset).IsBusy());
  Kill();
  clock_->wall_ms = kNoon;
  ASSERT_TRUE(ResetClock(options_.env, "/db", kNoon, &reset).ok());
  EXPECT_GT(reset.before_ms, kNoon + kHour);
  EXPECT_EQ(reset.now_ms, kNoon);
  EXPECT_FALSE(reset.emptied);
  // In both roots.
  SimDisk one_root = files_->disk();
  ASSERT_TRUE(DestroyNewestRoot("/db", &one_root));
  Continue(one_root);
  Open();
  EXPECT_EQ(Get("a"), "1");
  EXPECT_EQ(Get("b"), "2");
  EXPECT_TRUE(ResetClock(options_.env, "/nowhere", kNoon, &reset).IsNotFound());
}

TEST_F(EngineTimeTest, AResetEmptiesACache) {
  BeCache();
  Open();
  Put("a", "1", kHour);
  ASSERT_TRUE(db_->Flush().ok());
  Put("b", "2", kHour);  // in the log
  Kill();
  ClockReset reset;
  ASSERT_TRUE(ResetClock(options_.env, "/db", kNoon, &reset).ok());
  EXPECT_TRUE(reset.emptied);
  Open();
  EXPECT_TRUE(ReadAll(db_.get()).empty());
  Put("c", "3", kHour);
  Reopen();
  EXPECT_EQ(ReadAll(db_.get()), (State{{"c", "3"}}));
}

// It is a reset as others are: recorded with its reason, time and number. There is nothing left of
// which the end before it would have to be judged, so no open makes another of it.
TEST_F(EngineTimeTest, AResetOfTheClockIsTheLastResetOfACache) {
  for (const bool power_loss : {false, true}) {
    Use(SimFileSystem::New());
    BeCache();
    Open();
    Put("a", "1", kHour);
    ASSERT_TRUE(db_->Flush().ok());
    WriteOptions unlogged;
    unlogged.disable_wal = true;
    ASSERT_TRUE(db_->Put(unlogged, "b", "2").ok());
    Kill();
    clock_->Advance(kMinute);
    ClockReset reset;
    ASSERT_TRUE(ResetClock(options_.env, "/db", kNoon, &reset).ok());
    if (power_loss) {
      Continue(files_->disk().PowerLoss(SimLoss::DropAll()));
      options_.env.machine = std::make_shared<SimMachine>(8);
    }
    for (int opens = 0; opens < 2; ++opens) {
      Open();
      EXPECT_TRUE(ReadAll(db_.get()).empty());
      EXPECT_EQ(options_.statistics->Get(Counter::kCacheResets), 0u);
      std::string text;
      ASSERT_TRUE(db_->GetProperty("varve.last-reset", &text));
      EXPECT_EQ(text, "clock, at " + std::to_string(clock_->wall_ms) +
                          " ms since 1970, 1 segments; 1 reset in all");
      Close();
    }
  }
}

TEST_F(EngineTimeTest, WhatHasExpiredStaysExpiredInACheckpoint) {
  Open();
  Put("a", "1", kHour);
  Put("b", "2", kDay);
  clock_->Advance(kHour);
  EXPECT_EQ(Get("a"), "NotFound");
  ASSERT_TRUE(db_->Checkpoint("/copy").ok());
  clock_->wall_ms = kNoon;
  std::unique_ptr<DB> copy;
  ASSERT_TRUE(DB::Open(options_, "/copy", &copy).ok());
  EXPECT_EQ(ReadAll(copy.get()), (State{{"b", "2"}}));
}

// An iterator may outlive the database; time stands still for it.
TEST_F(EngineTimeTest, TimeStandsStillForWhoOutlivesTheDatabase) {
  Open();
  Put("a", "1", kMinute);
  auto it = db_->NewIterator({});
  db_.reset();
  clock_->Advance(kHour);
  ASSERT_TRUE(it->Refresh().ok());
  it->SeekToFirst();
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ(std::string(it->value()), "1");
}

}  // namespace
}  // namespace varve
