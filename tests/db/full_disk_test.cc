// A cache on a file system that has less than its capacity (Checklist E14): it evicts and goes on
// with what there is, and takes the rest when it comes back.

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/support/quiet_logger.h"
#include "tests/support/sim_file_system.h"
#include "tests/support/temp_dir.h"
#include "util/random.h"
#include "util/thread.h"
#include "varve/db.h"

namespace varve {
namespace {

constexpr uint64_t kMiB = 1 << 20;

Options FullDiskOptions(std::shared_ptr<FileSystem> file_system, uint64_t capacity) {
  Options options = Options::ForCache(capacity);
  options.create_if_missing = true;
  options.env.file_system = std::move(file_system);
  options.logger = std::make_shared<QuietLogger>();
  options.wal_sync = WalSyncMode::kNever;
  options.compression = Compression::kNone;
  options.room_wait_ms = 60'000;
  return options;
}

std::string ValueOf(int i, const std::string& key) {
  return key + ":" + std::to_string(i) + std::string(4000, 'v');
}

// Writes in rounds, and reads back that nothing is stale.
void WriteAndCheck(DB* db, int from, int to) {
  for (int i = from; i < to; ++i) {
    const std::string key = "key" + std::to_string(i % 500);
    const Status status = db->Put({}, key, ValueOf(i, key));
    ASSERT_TRUE(status.ok()) << i << ": " << status.ToString();
  }
  int found = 0;
  for (int i = to - 500; i < to; ++i) {
    const std::string key = "key" + std::to_string(i % 500);
    std::string value;
    const Status status = db->Get({}, key, &value);
    if (status.IsNotFound()) continue;
    ASSERT_TRUE(status.ok()) << status.ToString();
    ASSERT_EQ(value, ValueOf(i, key));
    ++found;
  }
  EXPECT_GT(found, 0);
}

uint64_t Used(DB* db) {
  uint64_t used = 0;
  EXPECT_TRUE(db->GetIntProperty("varve.used-bytes", &used));
  return used;
}

TEST(FullDiskTest, GoesOnWithWhatTheDiskHasAndTakesMoreWhenThereIs) {
  auto sim = SimFileSystem::New({.track = false, .capacity_bytes = 8 * kMiB});
  ASSERT_TRUE(sim->CreateDirectory("/other").ok());
  const auto fill = [&](uint64_t bytes) {
    std::unique_ptr<WritableFile> filler;
    ASSERT_TRUE(sim->NewWritableFile("/other/file", 0, &filler).ok());
    ASSERT_TRUE(filler->Append(std::string(bytes, 'x')).ok());
  };
  fill(5 * kMiB);
  std::unique_ptr<DB> db;
  ASSERT_TRUE(DB::Open(FullDiskOptions(sim, 6 * kMiB), "/db", &db).ok());
  WriteAndCheck(db.get(), 0, 3000);
  EXPECT_LE(Used(db.get()), 3 * kMiB);
  std::string error;
  ASSERT_TRUE(db->GetProperty("varve.background-error", &error));
  EXPECT_EQ(error, "");
  // Somebody takes half of what was left, behind the cache's back.
  ASSERT_TRUE(db->Close().ok());
  db.reset();
  ASSERT_TRUE(DB::Open(FullDiskOptions(sim, 6 * kMiB), "/db", &db).ok());
  WriteAndCheck(db.get(), 3000, 5000);
  // The room comes back, and is used as soon as somebody wants it: no time passes.
  ASSERT_TRUE(sim->RemoveFile("/other/file").ok());
  WriteAndCheck(db.get(), 5000, 6500);
  EXPECT_GT(Used(db.get()), 4 * kMiB);
  WriteAndCheck(db.get(), 6500, 8500);
  EXPECT_LE(Used(db.get()), 6 * kMiB);
}

TEST(FullDiskTest, OpensOnAFullDisk) {
  auto sim = SimFileSystem::New({.track = false, .capacity_bytes = 4 * kMiB});
  std::unique_ptr<DB> db;
  ASSERT_TRUE(DB::Open(FullDiskOptions(sim, 8 * kMiB), "/db", &db).ok());
  WriteAndCheck(db.get(), 0, 2000);
  // The process dies; what is in its logs is to be flushed where there is no room.
  SimDisk disk = sim->disk().Kill();
  sim->Freeze();
  db.reset();
  sim = SimFileSystem::New({.track = false, .capacity_bytes = 4 * kMiB}, std::move(disk));
  std::unique_ptr<WritableFile> filler;
  ASSERT_TRUE(sim->CreateDirectory("/other").ok());
  ASSERT_TRUE(sim->NewWritableFile("/other/file", 0, &filler).ok());
  while (filler->Append(std::string(4096, 'x')).ok()) {
  }
  const Status status = DB::Open(FullDiskOptions(sim, 8 * kMiB), "/db", &db);
  ASSERT_TRUE(status.ok()) << status.ToString();
  WriteAndCheck(db.get(), 2000, 3000);
}

// A file system of its own, where the machine lets us mount one.
TEST(FullDiskTest, OnATmpfs) {
  TempDir dir;
  if (mount("tmpfs", dir.path().c_str(), "tmpfs", 0, "size=3m") != 0) {
    GTEST_SKIP() << "no tmpfs can be mounted here; the simulated disk stands in for it";
  }
  struct Unmount {
    std::string path;
    ~Unmount() { (void)umount2(path.c_str(), MNT_DETACH); }
  } unmount{dir.path()};
  std::unique_ptr<DB> db;
  const Options options = FullDiskOptions(Env::Default().file_system, 16 * kMiB);
  const Status status = DB::Open(options, dir.File("cache"), &db);
  ASSERT_TRUE(status.ok()) << status.ToString();
  WriteAndCheck(db.get(), 0, 3000);
  EXPECT_LE(Used(db.get()), 3 * kMiB);
  ASSERT_TRUE(db->Close().ok());
  ASSERT_TRUE(DB::Open(options, dir.File("cache"), &db).ok());
  WriteAndCheck(db.get(), 3000, 5000);
  EXPECT_LE(Used(db.get()), 3 * kMiB);
  if (mount("tmpfs", dir.path().c_str(), "tmpfs", MS_REMOUNT, "size=12m") == 0) {
    WriteAndCheck(db.get(), 5000, 8000);
    EXPECT_GT(Used(db.get()), 8 * kMiB);
  }
  db.reset();
}

// NoSpace may come of a call that makes nothing grow; then the account has room, and evicting makes
// no more.
TEST(FullDiskTest, IsNotAskedAgainAtOnceWhereTheAccountHasRoom) {
  const auto sim = SimFileSystem::New({.track = false});
  Options options = FullDiskOptions(sim, 8 * kMiB);
  options.room_wait_ms = 300;
  std::unique_ptr<DB> db;
  ASSERT_TRUE(DB::Open(options, "/db", &db).ok());
  sim->InjectFault({.calls = kSimDirectorySync, .forever = true, .code = Status::Code::kNoSpace});
  EXPECT_TRUE(db->Put({}, "key", "value").IsNoSpace());
  EXPECT_GT(sim->calls_failed(), 1u);
  EXPECT_LT(sim->calls_failed(), 100u);
  sim->ClearFault();
  EXPECT_TRUE(db->Put({}, "key", "value").ok());
}

}  // namespace
}  // namespace varve
