#include "util/posix_log_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <memory>
#include <string>

#include "tests/support/temp_dir.h"
#include "tests/util/posix_test_util.h"
#include "util/posix_file_system.h"

namespace varve::posix {
namespace {

constexpr uint64_t kCapacity = 256 << 10;

std::string KindName(const ::testing::TestParamInfo<LogFileKind>& info) {
  return info.param == LogFileKind::kMapped ? "Mapped" : "Write";
}

// Both kinds behave alike, wherever the test runs.
class PosixLogFile : public ::testing::TestWithParam<LogFileKind> {
 protected:
  Status Create(const std::string& path, uint64_t capacity, std::unique_ptr<LogFile>* file) {
    return CreateLogFile(path, capacity, GetParam(), history_, file);
  }
  Status Recycle(const std::string& from, const std::string& to, uint64_t capacity,
                 std::unique_ptr<LogFile>* file) {
    return RecycleLogFile(from, to, capacity, GetParam(), history_, file);
  }

  TempDir dir_;
  std::shared_ptr<LogFileHistory> history_ = std::make_shared<LogFileHistory>();
};

INSTANTIATE_TEST_SUITE_P(Kinds, PosixLogFile,
                         ::testing::Values(LogFileKind::kMapped, LogFileKind::kWrite), KindName);

TEST_P(PosixLogFile, IsCreatedFullOfZerosWithAllItsBlocks) {
  // 20 KiB: the last piece of zeros is not a whole one.
  for (const uint64_t capacity : {uint64_t{4096}, uint64_t{20480}, kCapacity}) {
    const std::string path = dir_.File(std::to_string(capacity));
    std::unique_ptr<LogFile> file;
    ASSERT_TRUE(Create(path, capacity, &file).ok());
    EXPECT_EQ(file->capacity(), capacity);
    EXPECT_EQ(file->mapped(), GetParam() == LogFileKind::kMapped);
    EXPECT_EQ(ReadTestFile(path), std::string(capacity, '\0'));
    struct stat info;
    ASSERT_EQ(stat(path.c_str(), &info), 0);
    EXPECT_GE(static_cast<uint64_t>(info.st_blocks) * 512, capacity);
  }
}

TEST_P(PosixLogFile, CopiesAreSeenByReadersOfTheFileAtOnce) {
  std::unique_ptr<LogFile> file;
  ASSERT_TRUE(Create(dir_.File("l"), kCapacity, &file).ok());
  std::string expected(kCapacity, '\0');
  const struct {
    uint64_t offset;
    size_t size;
  } copies[] = {{0, 136}, {136, 5000}, {kCapacity - 1, 1}, {100000, 0}, {131072 - 7, 65536}};
  char fill = 'a';
  for (const auto& copy : copies) {
    const std::string data(copy.size, fill++);
    ASSERT_TRUE(file->Copy(copy.offset, data).ok());
    expected.replace(copy.offset, data.size(), data);
    EXPECT_EQ(ReadTestFile(dir_.File("l")), expected);
  }
  ASSERT_TRUE(file->Copy(kCapacity, "").ok());
  ASSERT_TRUE(file->Sync().ok());
  ASSERT_TRUE(file->Copy(200, "after a sync").ok());
  ASSERT_TRUE(file->Sync().ok());
  ASSERT_TRUE(file->Close().ok());
  expected.replace(200, 12, "after a sync");
  EXPECT_EQ(ReadTestFile(dir_.File("l")), expected);
}

TEST_P(PosixLogFile, RefusesToCopyPastItsCapacity) {
  std::unique_ptr<LogFile> file;
  ASSERT_TRUE(Create(dir_.File("l"), 4096, &file).ok());
  EXPECT_TRUE(file->Copy(4095, "ab").IsInvalidArgument());
  EXPECT_TRUE(file->Copy(4097, "").IsInvalidArgument());
  EXPECT_TRUE(file->Copy(~uint64_t{0}, "ab").IsInvalidArgument());
  EXPECT_EQ(ReadTestFile(dir_.File("l")), std::string(4096, '\0'));
  EXPECT_TRUE(file->Copy(4094, "ab").ok());  // a refusal is not a failure of the file
}

TEST_P(PosixLogFile, RefusesCapacitiesThatAreNoWholePages) {
  std::unique_ptr<LogFile> file;
  for (const uint64_t capacity : {uint64_t{0}, uint64_t{1}, uint64_t{4095}, uint64_t{4097}}) {
    EXPECT_TRUE(Create(dir_.File("l"), capacity, &file).IsInvalidArgument());
    EXPECT_FALSE(Exists(dir_.File("l")));
  }
}

// Checklist I1.
TEST_P(PosixLogFile, FailedCreationLeavesNothing) {
  const size_t before = OpenDescriptors();
  std::unique_ptr<LogFile> file;
  WriteTestFile(dir_.File("taken"), "old");
  EXPECT_TRUE(Create(dir_.File("taken"), kCapacity, &file).IsIOError());
  EXPECT_EQ(ReadTestFile(dir_.File("taken")), "old");
  EXPECT_TRUE(Create(dir_.File("no/such"), kCapacity, &file).IsNotFound());
  {
    FileSizeLimit limit(kCapacity / 2 + 100);
    const Status s = Create(dir_.File("l"), kCapacity, &file);
    EXPECT_TRUE(s.IsIOError());
    EXPECT_NE(s.message().find(dir_.File("l") + ": write at offset "), std::string::npos)
        << s.ToString();
  }
  EXPECT_FALSE(Exists(dir_.File("l")));
  EXPECT_EQ(file, nullptr);
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_P(PosixLogFile, CreationOnAFullFileSystemIsNoSpace) {
  SmallFileSystem small(dir_.File("small"), 128 << 10);
  if (!small.ok()) GTEST_SKIP() << "not permitted to mount a tmpfs";
  std::unique_ptr<LogFile> file;
  EXPECT_TRUE(Create(dir_.File("small/l"), kCapacity, &file).IsNoSpace());
  EXPECT_FALSE(Exists(dir_.File("small/l")));
  EXPECT_TRUE(Create(dir_.File("small/l"), 64 << 10, &file).ok());  // the blocks came back
  file.reset();
}

TEST_P(PosixLogFile, RecyclingRenamesAndKeepsTheOldBytes) {
  std::unique_ptr<LogFile> file;
  ASSERT_TRUE(Create(dir_.File("old"), kCapacity, &file).ok());
  ASSERT_TRUE(file->Copy(5000, "old bytes").ok());
  ASSERT_TRUE(file->Sync().ok());
  ASSERT_TRUE(file->Close().ok());
  struct stat before, after;
  ASSERT_EQ(stat(dir_.File("old").c_str(), &before), 0);

  ASSERT_TRUE(Recycle(dir_.File("old"), dir_.File("new"), kCapacity, &file).ok());
  EXPECT_FALSE(Exists(dir_.File("old")));
  ASSERT_EQ(stat(dir_.File("new").c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
  EXPECT_EQ(file->capacity(), kCapacity);
  EXPECT_EQ(file->mapped(), GetParam() == LogFileKind::kMapped);
  EXPECT_EQ(ReadTestFile(dir_.File("new")).substr(5000, 9), "old bytes");
  ASSERT_TRUE(file->Copy(5000, "new").ok());
  ASSERT_TRUE(file->Sync().ok());
  EXPECT_EQ(ReadTestFile(dir_.File("new")).substr(5000, 9), "new bytes");
}

TEST_P(PosixLogFile, RecyclingAnotherSizeChangesNothing) {
  std::unique_ptr<LogFile> file;
  ASSERT_TRUE(Create(dir_.File("old"), 8192, &file).ok());
  ASSERT_TRUE(file->Close().ok());
  file.reset();
  const size_t before = OpenDescriptors();
  for (const uint64_t capacity : {uint64_t{4096}, uint64_t{12288}, uint64_t{0}, uint64_t{8000}}) {
    EXPECT_TRUE(Recycle(dir_.File("old"), dir_.File("new"), capacity, &file).IsInvalidArgument());
    EXPECT_EQ(ReadTestFile(dir_.File("old")).size(), 8192u);
    EXPECT_FALSE(Exists(dir_.File("new")));
  }
  EXPECT_EQ(file, nullptr);
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_P(PosixLogFile, RecyclingNeverReplacesAFile) {
  std::unique_ptr<LogFile> file;
  ASSERT_TRUE(Create(dir_.File("old"), 8192, &file).ok());
  ASSERT_TRUE(file->Close().ok());
  file.reset();
  WriteTestFile(dir_.File("new"), "precious");
  const size_t before = OpenDescriptors();
  EXPECT_TRUE(Recycle(dir_.File("old"), dir_.File("new"), 8192, &file).IsIOError());
  EXPECT_EQ(ReadTestFile(dir_.File("new")), "precious");
  EXPECT_TRUE(Exists(dir_.File("old")));
  EXPECT_TRUE(Recycle(dir_.File("gone"), dir_.File("other"), 8192, &file).IsNotFound());
  EXPECT_EQ(file, nullptr);
  EXPECT_EQ(OpenDescriptors(), before);
}

// A store into a hole would have to allocate, so a file that has holes is not stored into.
TEST_P(PosixLogFile, RecyclingASparseFileWritesIt) {
  WriteTestFile(dir_.File("old"), "");
  ASSERT_EQ(truncate(dir_.File("old").c_str(), kCapacity), 0);
  std::unique_ptr<LogFile> file;
  ASSERT_TRUE(Recycle(dir_.File("old"), dir_.File("new"), kCapacity, &file).ok());
  EXPECT_FALSE(file->mapped());
  ASSERT_TRUE(file->Copy(70000, "x").ok());
  EXPECT_EQ(ReadTestFile(dir_.File("new")).substr(70000, 1), "x");
}

// Checklist W2: no retry after a failed fsync; nor does anything else go on.
TEST_P(PosixLogFile, FailedSyncIsNotRetried) {
  std::unique_ptr<LogFile> file;
  ASSERT_TRUE(Create(dir_.File("l"), kCapacity, &file).ok());
  ASSERT_TRUE(file->Copy(0, "x").ok());
  Status s;
  {
    DescriptorSwap swap(DescriptorOf(dir_.File("l")), "/dev/null", O_RDWR);
    s = file->Sync();
  }
  EXPECT_TRUE(s.IsIOError());
  EXPECT_NE(s.message().find(dir_.File("l") + ": sync: "), std::string::npos);
  EXPECT_EQ(file->Sync().message(), s.message());  // the descriptor is the real one again
  EXPECT_EQ(file->Copy(1, "y").message(), s.message());
  EXPECT_EQ(file->Close().message(), s.message());
}

TEST_P(PosixLogFile, RefusesWorkAfterClose) {
  std::unique_ptr<LogFile> file;
  ASSERT_TRUE(Create(dir_.File("l"), 4096, &file).ok());
  const size_t open = OpenDescriptors();
  ASSERT_TRUE(file->Close().ok());
  EXPECT_EQ(OpenDescriptors(), open - 1);
  EXPECT_TRUE(file->Copy(0, "x").IsIOError());
  EXPECT_TRUE(file->Sync().IsIOError());
}

// DESIGN: a write that is not synced still survives the death of the process.
TEST_P(PosixLogFile, CopiesSurviveSigkillWithoutSync) {
  const std::string path = dir_.File("l");
  const int status = RunInChild([&] {
    std::unique_ptr<LogFile> file;
    if (!Create(path, kCapacity, &file).ok()) return 1;
    for (uint64_t offset = 0; offset + 136 <= kCapacity; offset += 136) {
      if (!file->Copy(offset, std::string(136, static_cast<char>('a' + offset / 136 % 26))).ok()) {
        return 2;
      }
    }
    kill(getpid(), SIGKILL);
    return 3;
  });
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  const std::string content = ReadTestFile(path);
  ASSERT_EQ(content.size(), kCapacity);
  for (uint64_t offset = 0; offset + 136 <= kCapacity; offset += 136) {
    ASSERT_EQ(content.substr(offset, 136),
              std::string(136, static_cast<char>('a' + offset / 136 % 26)));
  }
}

// ---- Mapped alone ----

// RULES R5.6: a SIGBUS inside the copy is an error of the log, not the end of the process.
TEST(PosixMappedLogFile, TruncatedUnderneathIsAnErrorThatStays) {
  TempDir dir;
  std::unique_ptr<LogFile> file;
  ASSERT_TRUE(CreateLogFile(dir.File("l"), kCapacity, LogFileKind::kMapped,
                            std::make_shared<LogFileHistory>(), &file)
                  .ok());
  ASSERT_TRUE(file->Copy(100000, "before").ok());
  ASSERT_EQ(truncate(dir.File("l").c_str(), 8192), 0);
  EXPECT_TRUE(file->Copy(0, "still there").ok());
  const Status s = file->Copy(100000, std::string(200, 'x'));
  EXPECT_TRUE(s.IsIOError());
  EXPECT_NE(s.message().find(dir.File("l") + ": store into the mapped file at offset 100000: "),
            std::string::npos)
      << s.ToString();
  EXPECT_EQ(file->Copy(0, "x").message(), s.message());
  EXPECT_EQ(file->Sync().message(), s.message());
  EXPECT_EQ(ReadTestFile(dir.File("l")).substr(0, 11), "still there");
}

TEST(PosixMappedLogFile, RemembersWhatGoesBetweenTwoSyncs) {
  TempDir dir;
  auto history = std::make_shared<LogFileHistory>();
  std::unique_ptr<LogFile> file;
  ASSERT_TRUE(CreateLogFile(dir.File("a"), kCapacity, LogFileKind::kMapped, history, &file).ok());
  ASSERT_TRUE(file->Copy(0, std::string(8192, 'h')).ok());
  ASSERT_TRUE(file->Sync().ok());  // of a head, which says nothing about writes
  EXPECT_EQ(history->bytes_per_sync.load(), 0u);
  ASSERT_TRUE(file->Copy(8192, std::string(10000, 'x')).ok());
  ASSERT_TRUE(file->Sync().ok());
  EXPECT_EQ(history->bytes_per_sync.load(), 10000u);
  ASSERT_TRUE(file->Sync().ok());  // nothing in between says nothing
  EXPECT_EQ(history->bytes_per_sync.load(), 10000u);
  ASSERT_TRUE(file->Copy(18192, std::string(500, 'y')).ok());
  ASSERT_TRUE(file->Sync().ok());
  EXPECT_EQ(history->bytes_per_sync.load(), 500u);
  ASSERT_TRUE(file->Copy(kCapacity - 1, "z").ok());  // the end of the file bounds what is populated
  ASSERT_TRUE(file->Sync().ok());
  ASSERT_TRUE(CreateLogFile(dir.File("b"), kCapacity, LogFileKind::kMapped, history, &file).ok());
  ASSERT_TRUE(file->Copy(0, std::string(8192, 'h')).ok());
  ASSERT_TRUE(file->Sync().ok());
  EXPECT_EQ(history->bytes_per_sync.load(), kCapacity - 18692);
}

// KiB of the file's mapping that are in this process's page tables; -1 if nobody says.
int64_t MappedKiB(const std::string& path) {
  std::ifstream smaps("/proc/self/smaps");
  bool found = false;
  for (std::string line; std::getline(smaps, line);) {
    found |= line.ends_with(path);
    if (found && line.starts_with("Rss:")) return std::stoll(line.substr(4));
  }
  return -1;
}

TEST(PosixMappedLogFile, SyncsTakeWhatTheyCoverOutOfTheMapping) {
  TempDir dir;
  const std::string path = dir.File("l");
  std::unique_ptr<LogFile> file;
  ASSERT_TRUE(CreateLogFile(path, kCapacity, LogFileKind::kMapped,
                            std::make_shared<LogFileHistory>(), &file)
                  .ok());
  if (MappedKiB(path) < 0) GTEST_SKIP() << "no /proc/self/smaps";
  std::string expected(kCapacity, 'a');
  ASSERT_TRUE(file->Copy(0, expected).ok());
  EXPECT_GT(MappedKiB(path), 0);
  ASSERT_TRUE(file->Sync().ok());  // at the file's end nothing is left to populate
  EXPECT_EQ(MappedKiB(path), 0);
  EXPECT_EQ(ReadTestFile(path), expected);
  // They come back where they are copied to.
  expected.replace(100000, 3, "bcd");
  ASSERT_TRUE(file->Copy(100000, "bcd").ok());
  EXPECT_GT(MappedKiB(path), 0);
  EXPECT_EQ(ReadTestFile(path), expected);
  ASSERT_TRUE(file->Close().ok());
  EXPECT_EQ(ReadTestFile(path), expected);
}

// ---- The choice ----

TEST(PosixLogFileChoice, MapsOnlyWhereTheFileSystemOverwritesInPlace) {
  TempDir dir;
  struct statfs info;
  ASSERT_EQ(statfs(dir.path().c_str(), &info), 0);
  const bool in_place = info.f_type == 0xEF53 || info.f_type == 0x58465342;
  PosixFileSystem fs;
  std::unique_ptr<LogFile> file;
  ASSERT_TRUE(fs.NewLogFile(dir.File("a"), {.capacity = 4096}, &file).ok());
  EXPECT_EQ(file->mapped(), in_place);
  ASSERT_TRUE(fs.NewLogFile(dir.File("b"), {.capacity = 4096, .allow_mapped = false}, &file).ok());
  EXPECT_FALSE(file->mapped());
  ASSERT_TRUE(fs.ReuseLogFile(dir.File("b"), dir.File("c"), {.capacity = 4096}, &file).ok());
  EXPECT_EQ(file->mapped(), in_place);
}

TEST(PosixLogFileChoice, WritesOnATmpfs) {
  TempDir dir;
  SmallFileSystem small(dir.File("small"), 1 << 20);
  if (!small.ok()) GTEST_SKIP() << "not permitted to mount a tmpfs";
  PosixFileSystem fs;
  std::unique_ptr<LogFile> file;
  ASSERT_TRUE(fs.NewLogFile(dir.File("small/a"), {.capacity = 4096}, &file).ok());
  EXPECT_FALSE(file->mapped());
  file.reset();
}

}  // namespace
}  // namespace varve::posix
