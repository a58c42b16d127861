#include "util/posix_file_system.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"
#include "tests/util/posix_test_util.h"

namespace varve {
namespace {

class PosixFileSystemTest : public ::testing::Test {
 protected:
  TempDir dir_;
  PosixFileSystem fs_;
};

TEST_F(PosixFileSystemTest, OpensEveryKindOfFile) {
  std::unique_ptr<WritableFile> writable;
  ASSERT_TRUE(fs_.NewWritableFile(dir_.File("a"), 3, &writable).ok());
  ASSERT_TRUE(writable->Append("abc").ok());
  ASSERT_TRUE(writable->Close().ok());
  std::unique_ptr<RandomAccessFile> readable;
  ASSERT_TRUE(fs_.NewRandomAccessFile(dir_.File("a"), false, &readable).ok());
  uint64_t size = 0;
  ASSERT_TRUE(readable->Size(&size).ok());
  EXPECT_EQ(size, 3u);
  std::unique_ptr<RandomRWFile> both;
  ASSERT_TRUE(fs_.NewRandomRWFile(dir_.File("b"), true, &both).ok());
  ASSERT_TRUE(both->Write(0, "x").ok());
  std::unique_ptr<LogFile> log;
  ASSERT_TRUE(fs_.NewLogFile(dir_.File("c"), {.capacity = 4096}, &log).ok());
  ASSERT_TRUE(log->Copy(0, "x").ok());
  std::unique_ptr<FileLock> lock;
  ASSERT_TRUE(fs_.LockFile(dir_.File("LOCK"), &lock).ok());

  // None of them leaks into a program that this process starts.
  for (const char* name : {"a", "b", "c", "LOCK"}) {
    const int fd = DescriptorOf(dir_.File(name));
    ASSERT_GE(fd, 0) << name;
    EXPECT_EQ(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC) << name;
  }
}

TEST_F(PosixFileSystemTest, FileInfoTellsSizeAndBlocks) {
  WriteTestFile(dir_.File("a"), std::string(10000, 'x'));
  FileInfo info;
  ASSERT_TRUE(fs_.GetFileInfo(dir_.File("a"), &info).ok());
  EXPECT_EQ(info.size, 10000u);
  EXPECT_FALSE(info.is_directory);
  ASSERT_EQ(truncate(dir_.File("a").c_str(), 1 << 30), 0);  // a hole: size without blocks
  ASSERT_TRUE(fs_.GetFileInfo(dir_.File("a"), &info).ok());
  EXPECT_EQ(info.size, 1u << 30);
  EXPECT_LT(info.allocated_bytes, 1u << 20);
  std::unique_ptr<LogFile> log;
  ASSERT_TRUE(fs_.NewLogFile(dir_.File("b"), {.capacity = 40960}, &log).ok());
  ASSERT_TRUE(fs_.GetFileInfo(dir_.File("b"), &info).ok());
  EXPECT_GE(info.allocated_bytes, 40960u);
  EXPECT_LT(info.allocated_bytes, 2 * 40960u);
  ASSERT_TRUE(fs_.GetFileInfo(dir_.path(), &info).ok());
  EXPECT_TRUE(info.is_directory);
  EXPECT_TRUE(fs_.GetFileInfo(dir_.File("none"), &info).IsNotFound());
  EXPECT_TRUE(fs_.GetFileInfo(dir_.File("a/below"), &info).IsIOError());
}

TEST_F(PosixFileSystemTest, ListsSortedWithoutDots) {
  for (const char* name : {"b", "a", ".hidden", "000010.log", "000009.log"}) {
    WriteTestFile(dir_.File(name), "");
  }
  ASSERT_TRUE(fs_.CreateDirectory(dir_.File("sub")).ok());
  std::vector<std::string> names = {"stale"};
  ASSERT_TRUE(fs_.ListDirectory(dir_.path(), &names).ok());
  EXPECT_EQ(names,
            (std::vector<std::string>{".hidden", "000009.log", "000010.log", "a", "b", "sub"}));
  const size_t before = OpenDescriptors();
  EXPECT_TRUE(fs_.ListDirectory(dir_.File("none"), &names).IsNotFound());
  EXPECT_TRUE(names.empty());
  EXPECT_TRUE(fs_.ListDirectory(dir_.File("a"), &names).IsIOError());
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_F(PosixFileSystemTest, DirectoriesAreMadeOnceAndRemovedEmpty) {
  const std::string path = dir_.File("d");
  ASSERT_TRUE(fs_.CreateDirectory(path).ok());
  EXPECT_TRUE(fs_.CreateDirectory(path).ok());
  EXPECT_TRUE(fs_.CreateDirectory(dir_.File("no/parent")).IsNotFound());
  WriteTestFile(dir_.File("file"), "");
  EXPECT_TRUE(fs_.CreateDirectory(dir_.File("file")).IsIOError());
  WriteTestFile(path + "/inside", "");
  EXPECT_TRUE(fs_.RemoveDirectory(path).IsIOError());
  ASSERT_TRUE(fs_.RemoveFile(path + "/inside").ok());
  ASSERT_TRUE(fs_.RemoveDirectory(path).ok());
  EXPECT_TRUE(fs_.RemoveDirectory(path).IsNotFound());
}

TEST_F(PosixFileSystemTest, RemovesFilesOnly) {
  WriteTestFile(dir_.File("a"), "");
  ASSERT_TRUE(fs_.RemoveFile(dir_.File("a")).ok());
  EXPECT_FALSE(Exists(dir_.File("a")));
  EXPECT_TRUE(fs_.RemoveFile(dir_.File("a")).IsNotFound());
  EXPECT_TRUE(fs_.RemoveFile(dir_.path()).IsIOError());
  EXPECT_TRUE(Exists(dir_.path()));
}

TEST_F(PosixFileSystemTest, RenamesOverWhatIsThere) {
  WriteTestFile(dir_.File("a"), "new");
  WriteTestFile(dir_.File("b"), "old");
  ASSERT_TRUE(fs_.RenameFile(dir_.File("a"), dir_.File("b")).ok());
  EXPECT_FALSE(Exists(dir_.File("a")));
  EXPECT_EQ(ReadTestFile(dir_.File("b")), "new");
  const Status s = fs_.RenameFile(dir_.File("a"), dir_.File("c"));
  EXPECT_TRUE(s.IsNotFound());
  EXPECT_NE(s.message().find(dir_.File("c")), std::string::npos);  // both names
}

TEST_F(PosixFileSystemTest, LinksShareTheFile) {
  WriteTestFile(dir_.File("a"), "content");
  ASSERT_TRUE(fs_.LinkFile(dir_.File("a"), dir_.File("b")).ok());
  ASSERT_TRUE(fs_.RemoveFile(dir_.File("a")).ok());
  EXPECT_EQ(ReadTestFile(dir_.File("b")), "content");
  WriteTestFile(dir_.File("c"), "other");
  EXPECT_TRUE(fs_.LinkFile(dir_.File("b"), dir_.File("c")).IsIOError());
  EXPECT_EQ(ReadTestFile(dir_.File("c")), "other");
}

TEST_F(PosixFileSystemTest, SyncsDirectoriesOnly) {
  const size_t before = OpenDescriptors();
  EXPECT_TRUE(fs_.SyncDirectory(dir_.path()).ok());
  EXPECT_TRUE(fs_.SyncDirectory(dir_.File("none")).IsNotFound());
  WriteTestFile(dir_.File("a"), "");
  EXPECT_TRUE(fs_.SyncDirectory(dir_.File("a")).IsIOError());
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_F(PosixFileSystemTest, FreeSpaceShrinksByWhatIsWritten) {
  uint64_t bytes = 0;
  ASSERT_TRUE(fs_.GetFreeSpace(dir_.path(), &bytes).ok());
  EXPECT_GT(bytes, 0u);
  EXPECT_TRUE(fs_.GetFreeSpace(dir_.File("none"), &bytes).IsNotFound());
  SmallFileSystem small(dir_.File("small"), 1 << 20);
  if (!small.ok()) GTEST_SKIP() << "not permitted to mount a tmpfs";
  ASSERT_TRUE(fs_.GetFreeSpace(dir_.File("small"), &bytes).ok());
  EXPECT_EQ(bytes, 1u << 20);
  WriteTestFile(dir_.File("small/a"), std::string(300 << 10, 'x'));
  ASSERT_TRUE(fs_.GetFreeSpace(dir_.File("small"), &bytes).ok());
  EXPECT_EQ(bytes, (1u << 20) - (300u << 10));
}

// A directory nobody may write to. The superuser may, so then it is a file system without room for
// names: /proc.
TEST_F(PosixFileSystemTest, RefusedCreationsAreErrorsThatNameThePath) {
  std::string path = dir_.File("closed");
  ASSERT_EQ(mkdir(path.c_str(), 0500), 0);
  if (geteuid() == 0) path = "/proc/self";
  const size_t before = OpenDescriptors();
  std::unique_ptr<WritableFile> writable;
  std::unique_ptr<RandomRWFile> both;
  std::unique_ptr<LogFile> log;
  std::unique_ptr<FileLock> lock;
  const Status all[] = {fs_.NewWritableFile(path + "/x", 0, &writable),
                        fs_.NewRandomRWFile(path + "/x", true, &both),
                        fs_.NewLogFile(path + "/x", {.capacity = 4096}, &log),
                        fs_.LockFile(path + "/x", &lock), fs_.CreateDirectory(path + "/x")};
  for (const Status& s : all) {
    EXPECT_TRUE(s.IsIOError() || s.IsNotFound()) << s.ToString();
    EXPECT_NE(s.message().find(path + "/x"), std::string::npos) << s.ToString();
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

}  // namespace
}  // namespace varve
