// What varve_ldb tells the owner of a cache of a directory that it does not open.

#include <filesystem>
#include <memory>
#include <string>

#include "db/manifest.h"
#include "tests/support/fixed_wall_clock.h"
#include "tests/support/sim_env.h"
#include "tests/tools/ldb_test_util.h"

namespace varve::ldb {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::StartsWith;

TEST_F(LdbTest, WhyOfAClosedDatabase) {
  MakeDatabase();
  const auto before = Contents();
  EXPECT_THAT(Run({"why", "a"}).out,
              MatchesRegex("live: at sequence 3 in segment [0-9]+ \\(epoch [0-9]+\\), 3 bytes\n"
                           "  beneath: value: at sequence 1 in segment [0-9]+ \\(epoch [0-9]+\\), "
                           "3 bytes\n"));
  EXPECT_THAT(Run({"why", "b"}).out, StartsWith("deleted: at sequence 4 in segment "));
  EXPECT_THAT(Run({"why", "nobody"}).out, StartsWith("never seen: "));
  EXPECT_THAT(Run({"why", "--hex", "0x61"}).out, StartsWith("live: at sequence 3 "));
  EXPECT_EQ(RunLine({"why", path(), "a"}).out, Run({"why", "a"}).out);
  EXPECT_EQ(Contents(), before);  // it opened nothing
}

// What is in a log alone is found there. The lock is its owner's.
TEST_F(LdbTest, WhyOfADatabaseInUse) {
  MakeDatabase();
  const auto db = Open();
  ASSERT_TRUE(db->Put({}, "a", "newest").ok());
  ASSERT_TRUE(db->DeleteRange({}, "c", "d").ok());
  EXPECT_THAT(Run({"why", "a"}).out, MatchesRegex("live: at sequence [0-9]+ in log [0-9]+, 6 "
                                                  "bytes\n  beneath: value: at sequence 3 in .*"));
  EXPECT_THAT(Run({"why", "c"}).out, StartsWith("deleted: by a range tombstone at sequence "));
  std::string in_process;
  ASSERT_TRUE(db->GetProperty("varve.why:d", &in_process));
  EXPECT_EQ(Run({"why", "d"}).out, in_process);  // that one is in a segment
  EXPECT_TRUE(db->Put({}, "a", "and on").ok());
}

TEST_F(LdbTest, WhyTellsDamageInItsPlace) {
  MakeDatabase();
  const std::vector<std::string> segments = Files(FileType::kSegment);
  FlipByte(segments[1], 3);  // in the block of the newer "a"
  EXPECT_THAT(Run({"why", "a"}).out,
              AllOf(MatchesRegex("error: in segment [0-9]+ [^\n]*Corruption[^\n]*\n.*"),
                    HasSubstr("beneath: value: at sequence 1 in segment ")));
  std::filesystem::remove(segments[1]);
  EXPECT_THAT(Run({"why", "a"}).out, MatchesRegex("error: [^\n]*missing[^\n]*\n.*"));
}

TEST_F(LdbTest, CacheStatsOfAClosedDatabase) {
  MakeDatabase();
  base_.env.clock = std::make_shared<FixedWallClock>();  // ages are the same in two runs
  const auto before = Contents();
  const Outcome outcome = Run({"cache-stats"});
  EXPECT_EQ(outcome.exit, kExitOk) << outcome.err;
  EXPECT_THAT(outcome.out,
              AllOf(StartsWith("directory    a database, closed\nused         "),
                    HasSubstr("segments     2 of "), HasSubstr(" with 4 entries of "),
                    HasSubstr("; 1 tombstones; 0 with ranges\n"),
                    HasSubstr("expiry       nothing expires\n"), HasSubstr("oldest       segment "),
                    HasSubstr("ghosts       0 of 0 bytes"), HasSubstr("2 records to replay")));
  EXPECT_EQ(RunLine({"cache_stats", path()}).out, outcome.out);
  EXPECT_THAT(Run({"cache-stats", "--capacity_bytes=1048576000"}).out,
              HasSubstr(" of 1000.00 MiB ("));
  EXPECT_EQ(Contents(), before);
}

// Years ahead, as nobody who has the database open is: who has it open drops what has expired.
class ClockAhead final : public Clock {
 public:
  uint64_t MonotonicNanos() override { return real_->MonotonicNanos(); }
  uint64_t BootMillis() override { return real_->BootMillis(); }
  uint64_t WallMillis() override { return 9'100'000'000'000; }

 private:
  const std::shared_ptr<Clock> real_ = Env::Default().clock;
};

TEST_F(LdbTest, CacheStatsTellWhenWhatExpires) {
  base_.env.clock = std::make_shared<ClockAhead>();
  make_.memtable_bytes = 64 << 10;
  make_.compaction_style = CompactionStyle::kNone;
  auto db = Open();
  const auto put = [&](const char* key, uint64_t until) {
    WriteBatch batch;
    ASSERT_TRUE(batch.PutUntil(key, "v", until).ok());
    ASSERT_TRUE(db->Write({}, batch).ok());
    ASSERT_TRUE(db->Flush().ok());
  };
  put("past", 9'000'000'000'000);
  put("future", 9'200'000'000'000);
  const Outcome outcome = Run({"cache-stats"});
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("in use, or not closed"),
                    HasSubstr("expiry       2 segments from 2255-03-14 16:00:00.000 UTC to "
                              "2261-07-15 11:33:20.000 UTC; 2 expire whole, 1 of ")));
  EXPECT_THAT(Run({"why", "past"}).out, StartsWith("expired: at 2255-03-14 16:00:00.000 UTC, "));
  EXPECT_THAT(Run({"why", "future"}).out, HasSubstr("expires at 2261-07-15 11:33:20.000 UTC, in "));
}

// A cache that the next open empties: what is on its disk answers nothing, and that comes first.
class LdbResetTest : public LdbTest {
 protected:
  LdbResetTest() {
    make_ = Options::ForCache(uint64_t{64} << 20);
    make_.create_if_missing = true;
    make_.memtable_bytes = 64 << 10;
    make_.env.machine = base_.env.machine = std::make_shared<SimMachine>(1);
  }
  // A manifest that says so of its directory, as a cache leaves it that went into memory.
  void Condemn() {
    ManifestState state;
    FileSystem* const files = Env::Default().file_system.get();
    ASSERT_TRUE(Manifest::Inspect(files, path(), &state).ok());
    ManifestOptions options;
    options.file_system = Env::Default().file_system;
    options.machine = make_.env.machine;
    options.comparator = state.comparator;
    options.mode_bits = state.mode_bits;
    std::unique_ptr<Manifest> manifest;
    ASSERT_TRUE(Manifest::Open(options, path(), &state, &manifest).ok());
    ManifestEdit edit;
    edit.condemned = true;
    ASSERT_TRUE(manifest->Commit(edit).ok());
  }
  static std::string ResetLine(const std::string& reason) {
    return "reset: as it is now the next open empties the cache (" + reason +
           "), and no key is there; what its files say:\n";
  }
};

TEST_F(LdbResetTest, WhyTellsOfAPowerLossFirst) {
  const auto db = Open();
  ASSERT_TRUE(db->Put({}, "a", "1").ok());
  EXPECT_THAT(Run({"why", "a"}).out, StartsWith("live: at sequence 1 in log "));
  EXPECT_THAT(Run({"cache-stats"}).out, Not(HasSubstr("next open")));
  base_.env.machine = std::make_shared<SimMachine>(2);  // who looks after the next boot
  EXPECT_THAT(Run({"why", "a"}).out, StartsWith(ResetLine("power loss") + "live: at sequence 1 "));
  EXPECT_THAT(Run({"why", "nobody"}).out, StartsWith(ResetLine("power loss") + "never seen: "));
  EXPECT_THAT(Run({"cache-stats"}).out, HasSubstr("next open    empties it: power loss\n"));
  // What would have been kept, and a clean close on whatever machine, keep it.
  base_.after_power_loss = AfterPowerLoss::kKeepPrefix;
  EXPECT_THAT(Run({"why", "a"}).out, StartsWith("live: "));
  base_.after_power_loss = AfterPowerLoss::kEmpty;
  ASSERT_TRUE(db->Close().ok());
  EXPECT_THAT(Run({"why", "a"}).out, StartsWith("live: "));
}

TEST_F(LdbResetTest, WhyTellsOfUnloggedWritesFirst) {
  const auto db = Open();
  WriteOptions unlogged;
  unlogged.disable_wal = true;
  ASSERT_TRUE(db->Put(unlogged, "a", "1").ok());
  EXPECT_THAT(Run({"why", "a"}).out, StartsWith(ResetLine("unlogged writes") + "never seen: "));
  ASSERT_TRUE(db->Flush().ok());
  EXPECT_THAT(Run({"why", "a"}).out, StartsWith("live: "));
}

TEST_F(LdbResetTest, WhyTellsOfACondemnedDirectoryFirst) {
  auto db = Open();
  ASSERT_TRUE(db->Put({}, "a", "1").ok());
  ASSERT_TRUE(db->Close().ok());
  db.reset();
  Condemn();
  EXPECT_THAT(Run({"why", "a"}).out, StartsWith(ResetLine("I/O failure") + "live: "));
  EXPECT_THAT(Run({"cache-stats"}).out, HasSubstr("next open    empties it: I/O failure\n"));
  // It is what an open does.
  db = Open();
  std::string value;
  EXPECT_TRUE(db->Get({}, "a", &value).IsNotFound());
  EXPECT_THAT(Run({"why", "a"}).out, StartsWith("never seen: "));
  EXPECT_THAT(Run({"cache-stats"}).out, HasSubstr("last reset   I/O failure, at "));
}

// The clock's is one of them.
TEST_F(LdbResetTest, ResetClockIsTold) {
  auto db = Open();
  ASSERT_TRUE(db->Put({}, "a", "1").ok());
  ASSERT_TRUE(db->Close().ok());
  EXPECT_THAT(Run({"reset-clock", "--yes"}).out, HasSubstr(", cache emptied\n"));
  EXPECT_THAT(Run({"why", "a"}).out, StartsWith("never seen: "));
  EXPECT_THAT(Run({"cache-stats"}).out, HasSubstr("last reset   clock, at "));
}

TEST_F(LdbTest, WhatIsNoDatabaseIsAnError) {
  const Outcome outcome = Run({"why", "a"});
  EXPECT_EQ(outcome.exit, kExitFailed);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr(path()));
  EXPECT_EQ(Run({"cache-stats"}).exit, kExitFailed);
  EXPECT_EQ(RunLine({"why", "a"}).exit, kExitUsage);
  EXPECT_EQ(Run({"why"}).exit, kExitUsage);
  EXPECT_EQ(Run({"why", "--hex", "zz"}).exit, kExitUsage);
}

}  // namespace
}  // namespace varve::ldb
