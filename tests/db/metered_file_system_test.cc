// The account of a cache's directory: beside a disk that counts what is really allocated.

#include "db/metered_file_system.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/fault_file_system.h"
#include "tests/support/sim_env.h"
#include "tests/support/temp_dir.h"
#include "util/random.h"

namespace varve {
namespace {

constexpr uint64_t kPage = 4096;

class MeteredTest : public ::testing::Test {
 protected:
  explicit MeteredTest(uint64_t capacity = 64 * kPage)
      : sim_(SimFileSystem::New({.capacity_bytes = 1 << 30})),
        ledger_(std::make_shared<SpaceLedger>(&clock_, capacity)) {
    EXPECT_TRUE(sim_->CreateDirectory("/db").ok());
    EXPECT_TRUE(sim_->CreateDirectory("/else").ok());
    fs_ = MeteredFileSystem::New(sim_, "/db", ledger_);
  }
  uint64_t used() const { return ledger_->state().used; }
  uint64_t reserved() const { return ledger_->state().reserved; }
  // A file of so many bytes, synced and closed.
  Status Make(FileSystem* fs, const std::string& path, uint64_t bytes) {
    std::unique_ptr<WritableFile> file;
    Status status = fs->NewWritableFile(path, 0, &file);
    if (status.ok()) status = file->Append(std::string(bytes, 'x'));
    if (status.ok()) status = file->Sync();
    if (status.ok()) status = file->Close();
    return status;
  }

  SimClock clock_;
  std::shared_ptr<SimFileSystem> sim_;
  std::shared_ptr<SpaceLedger> ledger_;
  std::shared_ptr<MeteredFileSystem> fs_;
};

TEST_F(MeteredTest, AllocationMaxIsWholeBlocksAndTheirMap) {
  EXPECT_EQ(MeteredFileSystem::AllocationMax(0), 0u);
  EXPECT_EQ(MeteredFileSystem::AllocationMax(1), kPage);
  EXPECT_EQ(MeteredFileSystem::AllocationMax(4 * kPage), 4 * kPage);
  EXPECT_EQ(MeteredFileSystem::AllocationMax(4 * kPage + 1), 6 * kPage);
  EXPECT_EQ(MeteredFileSystem::AllocationMax(340 * kPage), 341 * kPage);
  EXPECT_EQ(MeteredFileSystem::AllocationMax(341 * kPage), 343 * kPage);
  // Five leaves of extents do not fit an inode: one block above them.
  EXPECT_EQ(MeteredFileSystem::AllocationMax(1361 * kPage), (1361 + 5 + 1) * kPage);
}

TEST_F(MeteredTest, AFileIsChargedBeforeItGrowsAndCreditedAfterItsLastClose) {
  std::unique_ptr<WritableFile> file;
  ASSERT_TRUE(fs_->NewWritableFile("/db/000001.seg", 0, &file).ok());
  EXPECT_EQ(used(), 0u);
  ASSERT_TRUE(file->Append(std::string(10 * kPage, 'x')).ok());
  EXPECT_EQ(used(), 11 * kPage);  // a map of extents may be needed
  ASSERT_TRUE(file->Sync().ok());
  ASSERT_TRUE(file->Close().ok());
  EXPECT_EQ(used(), 10 * kPage);  // it was not
  std::unique_ptr<RandomAccessFile> one, two;
  ASSERT_TRUE(fs_->NewRandomAccessFile("/db/000001.seg", false, &one).ok());
  ASSERT_TRUE(fs_->NewRandomAccessFile("/db/000001.seg", false, &two).ok());
  ASSERT_TRUE(fs_->RemoveFile("/db/000001.seg").ok());
  EXPECT_EQ(used(), 10 * kPage);
  EXPECT_EQ(fs_->unlinked_bytes(), 10 * kPage);
  one.reset();
  EXPECT_EQ(used(), 10 * kPage);
  two.reset();
  EXPECT_EQ(used(), 0u);
  EXPECT_EQ(fs_->unlinked_bytes(), 0u);
  EXPECT_EQ(ledger_->state().credited, 11 * kPage);
}

TEST_F(MeteredTest, GrowthBeyondTheCapacityIsRefusedAndChangesNothing) {
  ASSERT_TRUE(Make(fs_.get(), "/db/000001.seg", 60 * kPage).ok());
  const uint64_t before = sim_->used_bytes_max();
  std::unique_ptr<WritableFile> file;
  ASSERT_TRUE(fs_->NewWritableFile("/db/000002.seg", 0, &file).ok());
  const Status status = file->Append(std::string(5 * kPage, 'x'));
  EXPECT_TRUE(status.IsNoSpace()) << status.ToString();
  EXPECT_NE(status.ToString().find("000002.seg"), std::string::npos) << status.ToString();
  EXPECT_NE(status.ToString().find(std::to_string(64 * kPage)), std::string::npos);
  EXPECT_TRUE(file->Append("x").IsNoSpace());  // it has a hole: it is to be given up
  EXPECT_TRUE(file->Sync().IsNoSpace());
  EXPECT_EQ(sim_->used_bytes_max(), before);
  file.reset();
  ASSERT_TRUE(fs_->RemoveFile("/db/000002.seg").ok());
  EXPECT_EQ(used(), 60 * kPage);
  EXPECT_EQ(fs_->full_errors(), 0u);  // the disk had room
}

// Checklist E13: logs are charged whole, recycled ones too.
TEST_F(MeteredTest, LogsAreChargedWholeAndStayChargedWhenRecycled) {
  std::unique_ptr<LogFile> log;
  ASSERT_TRUE(fs_->NewLogFile("/db/000001.log", {.capacity = 16 * kPage}, &log).ok());
  EXPECT_EQ(used(), 16 * kPage);
  ASSERT_TRUE(log->Close().ok());
  ASSERT_TRUE(fs_->RenameFile("/db/000001.log", "/db/000001.recycled").ok());
  EXPECT_EQ(used(), 16 * kPage);
  log.reset();
  ASSERT_TRUE(
      fs_->ReuseLogFile("/db/000001.recycled", "/db/000002.log", {.capacity = 16 * kPage}, &log)
          .ok());
  EXPECT_EQ(used(), 16 * kPage);
  EXPECT_EQ(fs_->charged("/db/000002.log"), 16 * kPage);
  std::unique_ptr<LogFile> too_large;
  EXPECT_TRUE(fs_->NewLogFile("/db/000003.log", {.capacity = 49 * kPage}, &too_large).IsNoSpace());
  FileInfo info;
  EXPECT_TRUE(sim_->GetFileInfo("/db/000003.log", &info).IsNotFound());
  EXPECT_EQ(used(), 16 * kPage);
  ASSERT_TRUE(fs_->RemoveFile("/db/000002.log").ok());
  EXPECT_EQ(used(), 16 * kPage);
  log.reset();
  EXPECT_EQ(used(), 0u);
}

TEST_F(MeteredTest, TheManifestGrowsIsCutAndReplaced) {
  std::unique_ptr<RandomRWFile> file;
  ASSERT_TRUE(fs_->NewRandomRWFile("/db/MANIFEST", true, &file).ok());
  ASSERT_TRUE(file->Write(0, std::string(2 * kPage, 'x')).ok());
  ASSERT_TRUE(file->Write(0, std::string(kPage, 'y')).ok());  // in place
  EXPECT_EQ(used(), 2 * kPage);
  ASSERT_TRUE(file->Write(3 * kPage, std::string(kPage, 'z')).ok());
  EXPECT_EQ(used(), 4 * kPage);
  EXPECT_TRUE(file->Write(0, std::string(70 * kPage, 'z')).IsNoSpace());
  EXPECT_EQ(used(), 4 * kPage);
  ASSERT_TRUE(file->Truncate(3 * kPage).ok());
  EXPECT_EQ(used(), 3 * kPage);
  std::unique_ptr<RandomRWFile> next;
  ASSERT_TRUE(fs_->NewRandomRWFile("/db/MANIFEST.tmp", true, &next).ok());
  ASSERT_TRUE(next->Write(0, std::string(2 * kPage, 'n')).ok());
  EXPECT_EQ(used(), 5 * kPage);
  ASSERT_TRUE(fs_->RenameFile("/db/MANIFEST.tmp", "/db/MANIFEST").ok());
  EXPECT_EQ(used(), 5 * kPage);  // the old one is open
  file.reset();
  EXPECT_EQ(used(), 2 * kPage);
  EXPECT_EQ(fs_->charged("/db/MANIFEST"), 2 * kPage);
}

TEST_F(MeteredTest, AJobDrawsFromItsGrantAndItsFilesReturnToIt) {
  auto grant = std::make_shared<SpaceGrant>(ledger_);
  ASSERT_TRUE(grant->Grow(30 * kPage));
  // All else is taken by somebody.
  SpaceLedger::Reservation rest;
  ASSERT_TRUE(ledger_->TryReserve(ledger_->state().free, &rest));
  EXPECT_TRUE(Make(fs_.get(), "/db/000001.seg", kPage).IsNoSpace());
  ASSERT_TRUE(fs_->RemoveFile("/db/000001.seg").ok());
  const auto job = fs_->Drawing(grant);
  ASSERT_TRUE(Make(job.get(), "/db/000002.seg", 20 * kPage).ok());
  EXPECT_EQ(grant->bytes(), 10 * kPage);
  EXPECT_TRUE(Make(job.get(), "/db/000003.seg", 20 * kPage).IsNoSpace());
  // The attempt failed: what it wrote goes, and the next one has it all again.
  ASSERT_TRUE(job->RemoveFile("/db/000002.seg").ok());
  ASSERT_TRUE(job->RemoveFile("/db/000003.seg").ok());
  EXPECT_EQ(grant->bytes(), 30 * kPage);
  EXPECT_EQ(ledger_->state().free, 0u);
  ASSERT_TRUE(Make(job.get(), "/db/000004.seg", 25 * kPage).ok());
  grant->End();
  EXPECT_EQ(used(), 25 * kPage);
  EXPECT_EQ(ledger_->state().free, 5 * kPage);
  ASSERT_TRUE(fs_->RemoveFile("/db/000004.seg").ok());
  EXPECT_EQ(ledger_->state().free, 30 * kPage);
}

TEST_F(MeteredTest, ReadersAreClosedUnderThemAndRoomComesBackAtOnce) {
  ASSERT_TRUE(Make(fs_.get(), "/db/000001.seg", 2 * kPage).ok());
  std::unique_ptr<RandomAccessFile> reader;
  ASSERT_TRUE(fs_->NewRandomAccessFile("/db/000001.seg", false, &reader).ok());
  fs_->CloseReaders("/db/000001.seg");
  EXPECT_EQ(used(), 2 * kPage);
  ASSERT_TRUE(fs_->RemoveFile("/db/000001.seg").ok());
  EXPECT_EQ(used(), 0u);
  EXPECT_EQ(sim_->open_files(), 0);
  char buffer[8];
  size_t read;
  uint64_t size;
  EXPECT_TRUE(reader->Read(0, 8, buffer, &read).IsAborted());
  EXPECT_TRUE(reader->Size(&size).IsAborted());
  ReadRequest request{0, 8, buffer, 0, {}};
  reader->MultiRead(&request, 1);
  EXPECT_TRUE(request.status.IsAborted());
  reader.reset();
  EXPECT_EQ(used(), 0u);
}

TEST_F(MeteredTest, WhatIsThereIsChargedWhoeverMadeIt) {
  ASSERT_TRUE(Make(sim_.get(), "/db/000007.seg", 100 * kPage).ok());  // over the capacity
  ASSERT_TRUE(Make(sim_.get(), "/db/notes.txt", 1).ok());
  ASSERT_TRUE(Make(sim_.get(), "/else/000007.seg", 9 * kPage).ok());
  std::unique_ptr<FileLock> lock;
  ASSERT_TRUE(fs_->LockFile("/db/LOCK", &lock).ok());
  ASSERT_TRUE(fs_->ChargeDirectory().ok());
  EXPECT_EQ(used(), 102 * kPage);
  EXPECT_EQ(ledger_->state().over, 38 * kPage);
  EXPECT_TRUE(Make(fs_.get(), "/db/000008.seg", 1).IsNoSpace());
  EXPECT_TRUE(Make(fs_.get(), "/else/000008.seg", kPage).ok());  // of another directory
  ASSERT_TRUE(fs_->LinkFile("/db/000007.seg", "/else/000009.seg").ok());
  ASSERT_TRUE(fs_->RemoveFile("/db/000007.seg").ok());
  EXPECT_EQ(used(), 2 * kPage);  // a checkpoint elsewhere does not count
}

// A failed creation may have happened all the same.
TEST_F(MeteredTest, AFileThatFailedToBeMadeIsChargedIfItIsThere) {
  auto faults = FaultFileSystem::New(sim_);
  fs_ = MeteredFileSystem::New(faults, "/db", ledger_);
  std::unique_ptr<LogFile> log;
  faults->Inject({.op = FaultOp::kCreate, .after_the_fact = true});
  EXPECT_TRUE(fs_->NewLogFile("/db/000001.log", {.capacity = 8 * kPage}, &log).IsIOError());
  FileInfo info;
  const bool there = sim_->GetFileInfo("/db/000001.log", &info).ok();
  EXPECT_EQ(used() != 0, there);
  EXPECT_GE(used(), there ? info.allocated_bytes : 0);
  ASSERT_TRUE(!there || fs_->RemoveFile("/db/000001.log").ok());
  EXPECT_EQ(used(), 0u);
  faults->RemoveAll();
  faults->Inject({.op = FaultOp::kCreate});
  EXPECT_TRUE(fs_->NewLogFile("/db/000002.log", {.capacity = 8 * kPage}, &log).IsIOError());
  EXPECT_EQ(used(), 0u);
}

// Checklist E14.
TEST_F(MeteredTest, AFullFileSystemIsTheCapacityUntilItHasRoomAgain) {
  auto faults = FaultFileSystem::New(sim_);
  fs_ = MeteredFileSystem::New(faults, "/db", ledger_);
  ASSERT_TRUE(Make(fs_.get(), "/db/000001.seg", 8 * kPage).ok());
  const size_t full = faults->Inject(
      {.op = FaultOp::kWrite, .forever = true, .status = Status::NoSpace("injected: disk full")});
  EXPECT_TRUE(Make(fs_.get(), "/db/000002.seg", 4 * kPage).IsNoSpace());
  ASSERT_TRUE(fs_->RemoveFile("/db/000002.seg").ok());
  EXPECT_EQ(faults->hits(full), 1u);
  EXPECT_EQ(fs_->full_errors(), 1u);
  EXPECT_EQ(ledger_->state().limit, 8 * kPage);
  EXPECT_EQ(ledger_->state().free, 0u);
  // Refused without asking it.
  EXPECT_TRUE(Make(fs_.get(), "/db/000003.seg", kPage).IsNoSpace());
  EXPECT_EQ(faults->hits(full), 1u);
  ASSERT_TRUE(fs_->RemoveFile("/db/000003.seg").ok());
  // Not before a while has passed; then a step, and it is full again.
  fs_->ProbeAfterFull(1000, 100, 400, kPage);
  EXPECT_EQ(ledger_->state().free, 0u);
  fs_->ProbeAfterFull(1099, 100, 400, kPage);
  EXPECT_EQ(ledger_->state().free, 0u);
  fs_->ProbeAfterFull(1100, 100, 400, kPage);
  EXPECT_EQ(ledger_->state().free, kPage);
  EXPECT_TRUE(Make(fs_.get(), "/db/000004.seg", kPage).IsNoSpace());
  EXPECT_EQ(faults->hits(full), 2u);
  ASSERT_TRUE(fs_->RemoveFile("/db/000004.seg").ok());
  EXPECT_EQ(ledger_->state().free, 0u);
  fs_->ProbeAfterFull(1200, 100, 400, kPage);
  fs_->ProbeAfterFull(1399, 100, 400, kPage);  // twice as long
  EXPECT_EQ(ledger_->state().free, 0u);
  faults->RemoveAll();
  for (uint64_t now = 1400; ledger_->state().limit != SpaceLedger::kUnlimited; now += 100) {
    ASSERT_LT(now, 100000u);
    fs_->ProbeAfterFull(now, 100, 400, kPage);
  }
  EXPECT_EQ(ledger_->state().free, 56 * kPage);
}

// The file system says that there is more than when it was full: that is given at once.
TEST_F(MeteredTest, RoomThatComesBackIsTakenAtOnce) {
  sim_ = SimFileSystem::New({.capacity_bytes = 40 * kPage});
  ASSERT_TRUE(sim_->CreateDirectory("/db").ok());
  ASSERT_TRUE(sim_->CreateDirectory("/else").ok());
  fs_ = MeteredFileSystem::New(sim_, "/db", ledger_);
  ASSERT_TRUE(Make(sim_.get(), "/else/a", 20 * kPage).ok());
  ASSERT_TRUE(Make(sim_.get(), "/else/b", 10 * kPage).ok());
  ASSERT_TRUE(Make(fs_.get(), "/db/000001.seg", 6 * kPage).ok());
  EXPECT_TRUE(Make(fs_.get(), "/db/000002.seg", 8 * kPage).IsNoSpace());
  ASSERT_TRUE(fs_->RemoveFile("/db/000002.seg").ok());
  EXPECT_EQ(ledger_->state().limit, 6 * kPage);
  // What it gives back itself is nothing new, nor what was free when it was not enough.
  ASSERT_TRUE(fs_->RemoveFile("/db/000001.seg").ok());
  fs_->ProbeAfterFull(1000, 100, 400, kPage);
  EXPECT_EQ(ledger_->state().limit, 6 * kPage);
  ASSERT_TRUE(sim_->RemoveFile("/else/b").ok());
  fs_->ProbeAfterFull(1000, 100, 400, kPage);
  EXPECT_EQ(ledger_->state().limit, 15 * kPage);
  fs_->ProbeAfterFull(1000, 100, 400, kPage);  // once
  EXPECT_EQ(ledger_->state().limit, 15 * kPage);
  // A step is counted as given.
  fs_->ProbeAfterFull(1100, 100, 400, 4 * kPage);
  EXPECT_EQ(ledger_->state().limit, 19 * kPage);
  ASSERT_TRUE(sim_->RemoveFile("/else/a").ok());
  fs_->ProbeAfterFull(1100, 100, 400, kPage);
  EXPECT_EQ(ledger_->state().limit, 35 * kPage);
  ASSERT_TRUE(Make(fs_.get(), "/db/000003.seg", 34 * kPage).ok());
}

// Where it says nothing of that there are the steps.
TEST_F(MeteredTest, WithoutAWordOfWhatIsFreeTheLimitRisesByTime) {
  auto faults = FaultFileSystem::New(sim_);
  fs_ = MeteredFileSystem::New(faults, "/db", ledger_);
  ASSERT_TRUE(Make(fs_.get(), "/db/000001.seg", 8 * kPage).ok());
  faults->Inject({.op = FaultOp::kWrite, .status = Status::NoSpace("injected: disk full")});
  EXPECT_TRUE(Make(fs_.get(), "/db/000002.seg", 4 * kPage).IsNoSpace());
  ASSERT_TRUE(fs_->RemoveFile("/db/000002.seg").ok());
  faults->Inject({.op = FaultOp::kOther, .forever = true});
  fs_->ProbeAfterFull(1000, 100, 400, kPage);
  fs_->ProbeAfterFull(1099, 100, 400, kPage);
  EXPECT_EQ(ledger_->state().limit, 8 * kPage);
  fs_->ProbeAfterFull(1100, 100, 400, kPage);
  EXPECT_EQ(ledger_->state().limit, 9 * kPage);
}

// What it charges is what the disk counts, or more while something is being written, whatever is
// done; and the disk never has more than the capacity.
TEST_F(MeteredTest, RandomOperationsNeverPassTheCapacity) {
  Random random(20);
  std::map<std::string, std::unique_ptr<WritableFile>> writing;
  std::vector<std::unique_ptr<RandomAccessFile>> reading;
  std::vector<std::unique_ptr<LogFile>> logs;
  uint64_t number = 0, refused = 0;
  const auto any_name = [&] { return "/db/" + std::to_string(random.Uniform(number + 1)); };
  for (int step = 0; step < 20000; ++step) {
    Status status;
    switch (random.Uniform(9)) {
      case 0: {
        const std::string name = "/db/" + std::to_string(++number);
        status = fs_->NewWritableFile(name, 0, &writing[name]);
        break;
      }
      case 1:
      case 2:
        if (!writing.empty()) {
          status = writing.begin()->second->Append(std::string(random.Uniform(3 * kPage), 'x'));
        }
        break;
      case 3:
        if (!writing.empty()) {
          if (writing.begin()->second->Sync().ok()) (void)writing.begin()->second->Close();
          writing.erase(writing.begin());
        }
        break;
      case 4: {
        std::unique_ptr<RandomAccessFile> file;
        if (fs_->NewRandomAccessFile(any_name(), false, &file).ok()) {
          reading.push_back(std::move(file));
        }
        break;
      }
      case 5:
        if (!reading.empty()) reading.erase(reading.begin());
        break;
      case 6:
        (void)fs_->RemoveFile(any_name());
        break;
      case 7: {
        std::unique_ptr<LogFile> log;
        status = fs_->NewLogFile("/db/" + std::to_string(++number), {.capacity = 4 * kPage}, &log);
        if (status.ok()) logs.push_back(std::move(log));
        break;
      }
      default:
        if (!logs.empty()) logs.erase(logs.begin());
        if (random.Uniform(8) == 0) fs_->CloseReaders(any_name());
    }
    refused += status.IsNoSpace();
    ASSERT_LE(sim_->used_bytes_max(), 64 * kPage) << step;
    ASSERT_LE(used(), 64 * kPage);
  }
  EXPECT_GT(refused, 100u);
  writing.clear();
  reading.clear();
  logs.clear();
  std::vector<std::string> names;
  ASSERT_TRUE(sim_->ListDirectory("/db", &names).ok());
  for (const std::string& name : names) ASSERT_TRUE(fs_->RemoveFile("/db/" + name).ok());
  EXPECT_EQ(used(), 0u);
  EXPECT_EQ(ledger_->state().overrun, 0u);
}

// The same names on a real file system: what is charged is no less than what it says.
TEST(MeteredPosixTest, ChargesWhatTheFileSystemAllocates) {
  TempDir dir;
  SimClock clock;
  auto ledger = std::make_shared<SpaceLedger>(&clock, 64 << 20);
  auto fs = MeteredFileSystem::New(Env::Default().file_system, dir.path(), ledger);
  Random random(7);
  for (int i = 0; i < 50; ++i) {
    const std::string path = dir.File("f" + std::to_string(i));
    std::unique_ptr<WritableFile> file;
    ASSERT_TRUE(fs->NewWritableFile(path, 0, &file).ok());
    for (uint64_t n = random.Uniform(20); n > 0; --n) {
      ASSERT_TRUE(file->Append(std::string(random.Uniform(40000), 'x')).ok());
      FileInfo info;
      ASSERT_TRUE(fs->GetFileInfo(path, &info).ok());
      ASSERT_LE(std::max(info.size, info.allocated_bytes), fs->charged(path));
    }
    ASSERT_TRUE(file->Sync().ok());
    ASSERT_TRUE(file->Close().ok());
    FileInfo info;
    ASSERT_TRUE(fs->GetFileInfo(path, &info).ok());
    EXPECT_EQ(std::max(info.size, info.allocated_bytes), fs->charged(path));
  }
}

}  // namespace
}  // namespace varve
