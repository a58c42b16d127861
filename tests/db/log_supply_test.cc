#include "db/log_supply.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "db/manifest.h"
#include "tests/support/temp_dir.h"
#include "util/thread.h"
#include "varve/env.h"
#include "wal/wal.h"

// The spare logs of a database directory, on a real file system: how many there are, and when they
// are let go.

namespace varve {
namespace {

class LogSupplyTest : public testing::Test {
 protected:
  void SetUp() override {
    const Env env = Env::Default();
    ManifestOptions manifest;
    manifest.file_system = env.file_system;
    manifest.machine = env.machine;
    manifest.comparator = "varve.BytewiseComparator";
    ASSERT_TRUE(Manifest::Create(manifest, dir_.path(), &manifest_).ok());
    WalOptions wal;
    wal.env = env;
    wal.directory = dir_.path();
    wal.log_bytes = 64 << 10;
    ASSERT_TRUE(Wal::Create(wal, &wal_).ok());
    supply_ = std::make_unique<LogSupply>(wal_.get(), manifest_.get());
  }
  size_t LogFiles() {
    std::vector<std::string> names;
    EXPECT_TRUE(Env::Default().file_system->ListDirectory(dir_.path(), &names).ok());
    size_t logs = 0;
    for (const std::string& name : names) logs += name.ends_with(".log") ? 1 : 0;
    return logs;
  }
  // Waits until as many logs lie there, whether they are ready or being made.
  bool AwaitLogFiles(size_t wanted) {
    for (int i = 0; i < 60'000 && LogFiles() != wanted; ++i) SleepFor(1'000'000);
    return LogFiles() == wanted;
  }
  // Takes logs faster than they are made, so that more than one is kept ready.
  bool MakeThemKeep(size_t logs) {
    for (size_t i = 0; i < 10 * logs; ++i) {
      std::unique_ptr<PreparedLog> log;
      supply_->MakeSpare();
      EXPECT_TRUE(supply_->Take(0, &log).ok());
    }
    supply_->MakeSpare();
    return AwaitLogFiles(logs);
  }

  TempDir dir_;
  std::unique_ptr<Manifest> manifest_;
  std::unique_ptr<Wal> wal_;
  std::unique_ptr<LogSupply> supply_;
};

TEST_F(LogSupplyTest, ASpareOneIsTakenAndLogsComeInOrder) {
  supply_->MakeSpare();
  std::unique_ptr<PreparedLog> first, second, large;
  ASSERT_TRUE(supply_->Take(0, &first).ok());
  ASSERT_TRUE(supply_->Take(0, &second).ok());
  EXPECT_LT(first->number(), second->number());
  supply_->MakeSpare();
  // Spare ones are too small, and of no use afterwards: their numbers are lower.
  ASSERT_TRUE(supply_->Take(1 << 20, &large).ok());
  EXPECT_TRUE(large->Fits(1 << 20));
  EXPECT_LT(second->number(), large->number());
  EXPECT_EQ(LogFiles(), 3u);
}

TEST_F(LogSupplyTest, WhoHadToWaitHasMoreOfThemKeptUntilRoomIsWanted) {
  ASSERT_TRUE(MakeThemKeep(LogSupply::kSparesMax));
  supply_->MakeSpare();
  std::unique_ptr<PreparedLog> log;
  supply_->KeepOne();  // one that is being made may still come and go
  EXPECT_TRUE(AwaitLogFiles(1));
  ASSERT_TRUE(supply_->Take(0, &log).ok());
  log.reset();
  EXPECT_TRUE(AwaitLogFiles(0));
}

TEST_F(LogSupplyTest, StoppedItHasNone) {
  ASSERT_TRUE(MakeThemKeep(LogSupply::kSparesMax));
  supply_->Stop();
  EXPECT_EQ(LogFiles(), 0u);
  std::unique_ptr<PreparedLog> log;
  supply_->MakeSpare();
  EXPECT_TRUE(supply_->Take(0, &log).IsAborted());
  EXPECT_EQ(LogFiles(), 0u);
}

}  // namespace
}  // namespace varve
