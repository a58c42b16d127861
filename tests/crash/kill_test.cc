#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>

#include "tests/support/temp_dir.h"
#include "tools/crash/kills.h"
#include "tools/crash/system_calls.h"
#include "varve/env.h"

namespace varve::crash {
namespace {

KillReport KillAndCheck(KillOptions options) {
  const TempDir directory;
  options.directory = directory.path();
  options.seconds = 40;
  const KillReport report = RunKills(options);
  for (const std::string& violation : report.violations) ADD_FAILURE() << violation;
  // A machine that is busy otherwise does fewer; some it must do.
  EXPECT_GE(report.kills, 20u);
  EXPECT_GT(report.counts.batches, report.kills);  // the kills met it at work
  return report;
}

// Checklist W1, W11, W15, L7: after SIGKILL at random moments, in all sync modes, with and without
// mapped logs, everything acknowledged is there; recovery that is killed is recovered from.
TEST(Kill, EverythingAcknowledgedSurvives) { KillAndCheck({.seed = 20, .kills = 300}); }

// Checklist W3: the same where the system now and then does a part of what it was asked to.
TEST(Kill, EverythingAcknowledgedSurvivesShortTransfers) {
  KillAndCheck({.seed = 21, .kills = 150, .short_transfers = true});
}

// The same where a call of the system fails: with EIO, ENOSPC, EDQUOT, EMFILE, ENOMEM or EAGAIN.
TEST(Kill, EverythingAcknowledgedSurvivesFailingCalls) {
  const KillReport report = KillAndCheck({.seed = 23, .kills = 200, .failing_calls = true});
  EXPECT_GT(report.failing_calls, report.kills / 30);
}

// Of a cache what is missing was evicted, or may have expired; nothing stale shows.
TEST(Kill, WhatACacheLacksItHasToldOf) {
  const KillReport report = KillAndCheck({.seed = 22, .kills = 300, .cache = true});
  EXPECT_GT(report.counts.evictions, report.kills / 10);  // fewer where the machine is busy
}

// Nothing stale shows where calls of the system fail, either, and only what was lost with an
// unsynced log, or evicted, is missing.
TEST(Kill, ACacheGoesOnAfterFailingCalls) {
  const KillReport report =
      KillAndCheck({.seed = 24, .kills = 150, .cache = true, .failing_calls = true});
  EXPECT_GT(report.failing_calls, report.kills / 30);
}

TEST(ShortTransfers, HappenAndAreMadeUpFor) {
  const TempDir directory;
  const std::string path = directory.File("a");
  const std::string data(1 << 20, 'x');
  FileSystem* const files = Env::Default().file_system.get();
  struct Stop {
    ~Stop() { StopShortTransfers(); }
  } const stop;
  ShortenTransfers(5);
  std::unique_ptr<WritableFile> out;
  ASSERT_TRUE(files->NewWritableFile(path, 0, &out).ok());
  ASSERT_TRUE(out->Append(data).ok());
  ASSERT_TRUE(out->Sync().ok());
  ASSERT_TRUE(out->Close().ok());
  std::unique_ptr<RandomAccessFile> in;
  ASSERT_TRUE(files->NewRandomAccessFile(path, /*direct=*/false, &in).ok());
  std::string read(data.size() + 1, '\0');
  size_t size = 0;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(in->Read(0, read.size(), read.data(), &size).ok());
    ASSERT_EQ(Slice(read.data(), size), Slice(data));
  }
  EXPECT_GT(TransfersShortened(), 10u);
}

TEST(FailCall, TheNthAndPerhapsAllAfterIt) {
  const TempDir directory;
  FileSystem* const files = Env::Default().file_system.get();
  const auto sync = [&] { return files->SyncDirectory(directory.path()); };
  struct Stop {
    ~Stop() { FailCall(0, 0, false); }
  } const stop;
  const uint64_t before = CallsFailed();
  FailedCalls told{};
  FailCall(EDQUOT, 2, /*lasting=*/false, &told);
  EXPECT_TRUE(sync().ok());
  EXPECT_TRUE(sync().IsNoSpace());
  EXPECT_TRUE(sync().ok());
  EXPECT_EQ(CallsFailed(), before + 1);
  EXPECT_EQ(told.all, 1u);
  EXPECT_EQ(told.losing, 1u);
  FailCall(ENOSPC, 1, /*lasting=*/true);
  EXPECT_TRUE(sync().IsNoSpace());
  EXPECT_TRUE(files->CreateDirectory(directory.File("a")).IsNoSpace());
  EXPECT_EQ(CallsFailed(), before + 3);
  EXPECT_EQ(told.all, 1u);  // is told no more
  FailCall(EAGAIN, 1, /*lasting=*/true);
  EXPECT_TRUE(sync().ok());  // does not end with that
  FailCall(EMFILE, 1, /*lasting=*/true);
  EXPECT_TRUE(sync().IsIOError());  // its open() does
}

}  // namespace
}  // namespace varve::crash
