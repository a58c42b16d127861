#include "util/posix_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cstdint>
#include <fstream>
#include <memory>
#include <string>

#include "tests/support/temp_dir.h"
#include "tests/util/posix_test_util.h"

namespace varve::posix {
namespace {

// Bytes that differ from their neighbours at every power of two.
std::string Pattern(size_t size, uint32_t seed = 1) {
  std::string data(size, '\0');
  uint32_t x = seed * 2654435761u + 1;
  for (char& c : data) {
    x ^= x << 13, x ^= x >> 17, x ^= x << 5;
    c = static_cast<char>(x);
  }
  return data;
}

struct AlignedBuffer {
  explicit AlignedBuffer(size_t size) : data(static_cast<char*>(aligned_alloc(4096, size))) {}
  ~AlignedBuffer() { free(data); }
  char* data;
};

// ---- RandomAccessFile ----

TEST(PosixRandomAccessFile, ReadsAnywhereAndStopsAtTheEnd) {
  TempDir dir;
  const std::string content = Pattern(10000);
  WriteTestFile(dir.File("a"), content);
  std::unique_ptr<RandomAccessFile> file;
  ASSERT_TRUE(OpenRandomAccessFile(dir.File("a"), false, &file).ok());
  EXPECT_FALSE(file->direct());
  uint64_t file_size = 0;
  ASSERT_TRUE(file->Size(&file_size).ok());
  EXPECT_EQ(file_size, content.size());
  char buffer[20000];
  size_t size = 0;
  ASSERT_TRUE(file->Read(123, 4567, buffer, &size).ok());
  EXPECT_EQ(Slice(buffer, size), Slice(content).substr(123, 4567));
  ASSERT_TRUE(file->Read(9990, 100, buffer, &size).ok());
  EXPECT_EQ(Slice(buffer, size), Slice(content).substr(9990));
  ASSERT_TRUE(file->Read(10000, 1, buffer, &size).ok());
  EXPECT_EQ(size, 0u);
  ASSERT_TRUE(file->Read(uint64_t{1} << 40, 1, buffer, &size).ok());
  EXPECT_EQ(size, 0u);
  ASSERT_TRUE(file->Read(5, 0, buffer, &size).ok());
  EXPECT_EQ(size, 0u);
}

TEST(PosixRandomAccessFile, MultiReadGivesEachRequestItsOwnResult) {
  TempDir dir;
  const std::string content = Pattern(8192);
  WriteTestFile(dir.File("a"), content);
  std::unique_ptr<RandomAccessFile> file;
  ASSERT_TRUE(OpenRandomAccessFile(dir.File("a"), false, &file).ok());
  char a[100], b[100], c[100];
  ReadRequest requests[3];
  requests[0] = {0, 100, a, 0, Status::IOError("stale")};
  requests[1] = {uint64_t{1} << 63, 100, b, 77, Status::OK()};  // a negative offset: EINVAL
  requests[2] = {8150, 100, c, 0, Status::OK()};
  file->MultiRead(requests, 3);
  EXPECT_TRUE(requests[0].status.ok());
  EXPECT_EQ(Slice(a, requests[0].bytes_read), Slice(content).substr(0, 100));
  EXPECT_TRUE(requests[1].status.IsIOError());
  EXPECT_EQ(requests[1].bytes_read, 0u);
  EXPECT_TRUE(requests[2].status.ok());
  EXPECT_EQ(Slice(c, requests[2].bytes_read), Slice(content).substr(8150));
}

// Checklist I5: a read error is an error, with the offset it stopped at.
TEST(PosixRandomAccessFile, ReadErrorNamesFileAndOffset) {
  TempDir dir;
  std::unique_ptr<RandomAccessFile> file;
  ASSERT_TRUE(
      OpenRandomAccessFile(dir.path(), false, &file).ok());  // a directory: read gives EISDIR
  char buffer[10];
  size_t size = 0;
  const Status s = file->Read(4096, 10, buffer, &size);
  EXPECT_TRUE(s.IsIOError());
  EXPECT_EQ(s.message(), dir.path() + ": read at offset 4096: Is a directory");
}

TEST(PosixRandomAccessFile, MissingIsNotFoundAndLeaksNothing) {
  TempDir dir;
  const size_t before = OpenDescriptors();
  std::unique_ptr<RandomAccessFile> file;
  for (const bool direct : {false, true}) {
    const Status s = OpenRandomAccessFile(dir.File("none"), direct, &file);
    EXPECT_TRUE(s.IsNotFound());
    EXPECT_NE(s.message().find(dir.File("none")), std::string::npos);
  }
  EXPECT_EQ(file, nullptr);
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST(PosixRandomAccessFile, DirectReadsReachTheEndOfAnUnalignedFile) {
  TempDir dir;
  const std::string content = Pattern(3 * 4096 + 777);
  WriteTestFile(dir.File("a"), content);
  std::unique_ptr<RandomAccessFile> file;
  ASSERT_TRUE(OpenRandomAccessFile(dir.File("a"), true, &file).ok());
  const bool direct = file->direct();
  AlignedBuffer buffer(8 * 4096);
  size_t size = 0;
  ASSERT_TRUE(file->Read(4096, 7 * 4096, buffer.data, &size).ok());
  EXPECT_EQ(Slice(buffer.data, size), Slice(content).substr(4096));
  ASSERT_TRUE(file->Read(4096, 4096, buffer.data, &size).ok());
  EXPECT_EQ(Slice(buffer.data, size), Slice(content).substr(4096, 4096));
  ASSERT_TRUE(file->Read(4 * 4096, 4096, buffer.data, &size).ok());
  EXPECT_EQ(size, 0u);
  EXPECT_EQ(file->direct(), direct);  // the end of the file was not taken for a refusal
}

// Checklist I2: where direct I/O is refused at open, the file is read through the cache, and says
// so.
TEST(PosixRandomAccessFile, FallsBackWhenDirectIsRefusedAtOpen) {
  std::unique_ptr<RandomAccessFile> file;
  ASSERT_TRUE(OpenRandomAccessFile("/proc/version", true, &file).ok());
  EXPECT_FALSE(file->direct());
  char buffer[5];
  size_t size = 0;
  ASSERT_TRUE(file->Read(0, 5, buffer, &size).ok());
  EXPECT_EQ(Slice(buffer, size), "Linux");
}

// Checklist I2: and where it is refused at the read. A read off the alignment is refused that way.
TEST(PosixRandomAccessFile, FallsBackWhenDirectIsRefusedAtTheRead) {
  TempDir dir;
  const std::string content = Pattern(5 * 4096);
  WriteTestFile(dir.File("a"), content);
  std::unique_ptr<RandomAccessFile> file;
  ASSERT_TRUE(OpenRandomAccessFile(dir.File("a"), true, &file).ok());
  if (!file->direct()) GTEST_SKIP() << "no O_DIRECT on " << dir.path();
  AlignedBuffer buffer(4 * 4096);
  size_t size = 0;
  ASSERT_TRUE(file->Read(0, 4096, buffer.data + 1, &size).ok());
  EXPECT_EQ(Slice(buffer.data + 1, size), Slice(content).substr(0, 4096));
  if (file->direct()) GTEST_SKIP() << "the file system takes any alignment";
  EXPECT_EQ(fcntl(DescriptorOf(dir.File("a")), F_GETFL) & O_DIRECT, 0);
  ASSERT_TRUE(file->Read(77, 5000, buffer.data, &size).ok());
  EXPECT_EQ(Slice(buffer.data, size), Slice(content).substr(77, 5000));
}

// ---- WritableFile ----

TEST(PosixWritableFile, AppendsOfAllSizesArriveInOrder) {
  TempDir dir;
  const uint64_t kExpected[] = {0, 1, 4096, 1 << 20};
  for (const uint64_t expected_bytes : kExpected) {
    const std::string path = dir.File("f" + std::to_string(expected_bytes));
    std::unique_ptr<WritableFile> file;
    ASSERT_TRUE(CreateWritableFile(path, expected_bytes, &file).ok());
    std::string expected;
    uint32_t seed = 1;
    for (const size_t size : {0, 1, 4095, 4097, 65535, 1, 65536, 65537, 0, 200000, 3, 131072}) {
      const std::string data = Pattern(size, seed++);
      ASSERT_TRUE(file->Append(data).ok());
      expected += data;
      EXPECT_EQ(file->size(), expected.size());
      if (seed % 4 == 0) {
        ASSERT_TRUE(file->Sync().ok());
        EXPECT_EQ(ReadTestFile(path), expected);  // Sync leaves nothing in the buffer
      }
    }
    ASSERT_TRUE(file->Close().ok());
    EXPECT_EQ(ReadTestFile(path), expected);
  }
}

// Where the kernel is not preempted a long call keeps its processor from whoever waits for it.
TEST(PosixWritableFile, NoCallWritesMoreThan16KiB) {
  const auto calls = [] {
    std::ifstream in("/proc/self/io");
    uint64_t count = 0;
    for (std::string name; in >> name >> count && name != "syscw:";) count = 0;
    return count;
  };
  if (calls() == 0) GTEST_SKIP() << "the kernel does not count calls";
  TempDir dir;
  std::unique_ptr<WritableFile> file;
  ASSERT_TRUE(CreateWritableFile(dir.File("a"), 0, &file).ok());
  const std::string data = Pattern(size_t{1} << 20);
  const uint64_t before = calls();
  ASSERT_TRUE(file->Append(data).ok());  // past the buffer
  EXPECT_GE(calls() - before, data.size() / (16 << 10));
  const uint64_t between = calls();
  for (size_t at = 0; at < data.size(); at += 1000) {
    ASSERT_TRUE(file->Append(Slice(data).substr(at, 1000)).ok());  // through it
  }
  EXPECT_GE(calls() - between, data.size() / (16 << 10) - 4);  // as much may be in it still
  ASSERT_TRUE(file->Close().ok());
  EXPECT_EQ(ReadTestFile(dir.File("a")), data + data);
}

TEST(PosixWritableFile, DestructorWritesWhatIsBuffered) {
  TempDir dir;
  std::unique_ptr<WritableFile> file;
  ASSERT_TRUE(CreateWritableFile(dir.File("a"), 0, &file).ok());
  ASSERT_TRUE(file->Append("abc").ok());
  file.reset();
  EXPECT_EQ(ReadTestFile(dir.File("a")), "abc");
}

TEST(PosixWritableFile, AllocatesNoBlocksPastItsEnd) {
  TempDir dir;
  std::unique_ptr<WritableFile> file;
  ASSERT_TRUE(CreateWritableFile(dir.File("a"), 64 << 20, &file).ok());
  ASSERT_TRUE(file->Append(Pattern(10000)).ok());
  ASSERT_TRUE(file->Sync().ok());
  ASSERT_TRUE(file->Close().ok());
  struct stat info;
  ASSERT_EQ(stat(dir.File("a").c_str(), &info), 0);
  EXPECT_EQ(info.st_size, 10000);
  EXPECT_LE(info.st_blocks * 512, 64 << 10);
}

TEST(PosixWritableFile, MustNotExist) {
  TempDir dir;
  WriteTestFile(dir.File("a"), "old");
  const size_t before = OpenDescriptors();
  std::unique_ptr<WritableFile> file;
  const Status s = CreateWritableFile(dir.File("a"), 0, &file);
  EXPECT_TRUE(s.IsIOError());
  EXPECT_EQ(s.message(), dir.File("a") + ": create: File exists");
  EXPECT_TRUE(CreateWritableFile(dir.File("no/such"), 0, &file).IsNotFound());
  EXPECT_EQ(ReadTestFile(dir.File("a")), "old");
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST(PosixWritableFile, RefusesWorkAfterClose) {
  TempDir dir;
  std::unique_ptr<WritableFile> file;
  ASSERT_TRUE(CreateWritableFile(dir.File("a"), 0, &file).ok());
  ASSERT_TRUE(file->Append("abc").ok());
  ASSERT_TRUE(file->Close().ok());
  EXPECT_TRUE(file->Close().ok());
  EXPECT_TRUE(file->Append("d").IsIOError());
  EXPECT_TRUE(file->Sync().IsIOError());
  EXPECT_EQ(ReadTestFile(dir.File("a")), "abc");
}

// A write that the kernel cuts short is continued, and what then fails is reported with the offset.
TEST(PosixWritableFile, FileSizeLimitIsAnErrorThatStays) {
  TempDir dir;
  std::unique_ptr<WritableFile> file;
  ASSERT_TRUE(CreateWritableFile(dir.File("a"), 0, &file).ok());
  const std::string data = Pattern(200000);
  Status s;
  {
    FileSizeLimit limit(100000);
    s = file->Append(data);
    if (s.ok()) s = file->Sync();
  }
  EXPECT_TRUE(s.IsIOError());
  EXPECT_EQ(s.message(), dir.File("a") + ": write at offset 100000: File too large");
  EXPECT_EQ(ReadTestFile(dir.File("a")), data.substr(0, 100000));
  // The limit is gone; the file is given up all the same (Checklist W2).
  EXPECT_EQ(file->Append("x").message(), s.message());
  EXPECT_EQ(file->Sync().message(), s.message());
  EXPECT_EQ(file->Close().message(), s.message());
  EXPECT_EQ(ReadTestFile(dir.File("a")).size(), 100000u);
}

// Checklist W2: no retry after a failed fsync.
TEST(PosixWritableFile, FailedSyncIsNotRetried) {
  TempDir dir;
  std::unique_ptr<WritableFile> file;
  ASSERT_TRUE(CreateWritableFile(dir.File("a"), 0, &file).ok());
  Status s;
  {
    DescriptorSwap swap(DescriptorOf(dir.File("a")), "/dev/null", O_WRONLY);
    s = file->Sync();
  }
  EXPECT_TRUE(s.IsIOError()) << s.ToString();
  EXPECT_EQ(file->Sync().message(), s.message());  // the real descriptor would have synced
  EXPECT_TRUE(file->Append("x").IsIOError());
}

TEST(PosixWritableFile, FullFileSystemIsNoSpace) {
  TempDir dir;
  SmallFileSystem small(dir.File("small"), 1 << 20);
  if (!small.ok()) GTEST_SKIP() << "not permitted to mount a tmpfs";
  std::unique_ptr<WritableFile> file;
  ASSERT_TRUE(CreateWritableFile(dir.File("small/a"), 0, &file).ok());
  const Status s = file->Append(Pattern(2 << 20));
  EXPECT_TRUE(s.IsNoSpace()) << s.ToString();
  EXPECT_NE(s.message().find(dir.File("small/a") + ": write at offset "), std::string::npos);
  file.reset();
}

// ---- RandomRWFile ----

TEST(PosixRandomRWFile, WritesAndReadsInPlace) {
  TempDir dir;
  std::unique_ptr<RandomRWFile> file;
  ASSERT_TRUE(OpenRandomRWFile(dir.File("a"), true, &file).ok());
  ASSERT_TRUE(file->Write(10, "hello").ok());  // grows over a hole
  ASSERT_TRUE(file->Write(12, "LL").ok());
  ASSERT_TRUE(file->Sync().ok());
  uint64_t size = 0;
  ASSERT_TRUE(file->Size(&size).ok());
  EXPECT_EQ(size, 15u);
  char buffer[20];
  size_t read = 0;
  ASSERT_TRUE(file->Read(8, 20, buffer, &read).ok());
  EXPECT_EQ(Slice(buffer, read), std::string("\0\0heLLo", 7));
  ASSERT_TRUE(file->Truncate(12).ok());
  ASSERT_TRUE(file->Size(&size).ok());
  EXPECT_EQ(size, 12u);
  ASSERT_TRUE(file->Close().ok());
  EXPECT_TRUE(file->Close().ok());
  EXPECT_TRUE(file->Write(0, "x").IsIOError());

  ASSERT_TRUE(OpenRandomRWFile(dir.File("a"), false, &file).ok());
  ASSERT_TRUE(file->Read(0, 20, buffer, &read).ok());
  EXPECT_EQ(Slice(buffer, read), std::string("\0\0\0\0\0\0\0\0\0\0he", 12));
}

TEST(PosixRandomRWFile, OpensWhatExistsAndCreatesWhatDoesNot) {
  TempDir dir;
  const size_t before = OpenDescriptors();
  std::unique_ptr<RandomRWFile> file;
  EXPECT_TRUE(OpenRandomRWFile(dir.File("a"), false, &file).IsNotFound());
  EXPECT_FALSE(Exists(dir.File("a")));
  WriteTestFile(dir.File("a"), "old");
  EXPECT_TRUE(OpenRandomRWFile(dir.File("a"), true, &file).IsIOError());
  EXPECT_EQ(ReadTestFile(dir.File("a")), "old");
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST(PosixRandomRWFile, FullDeviceIsNoSpace) {
  std::unique_ptr<RandomRWFile> file;
  ASSERT_TRUE(OpenRandomRWFile("/dev/full", false, &file).ok());
  const Status s = file->Write(0, "x");
  EXPECT_TRUE(s.IsNoSpace());
  EXPECT_EQ(s.message(), "/dev/full: write at offset 0: No space left on device");
}

// Checklist W2.
TEST(PosixRandomRWFile, FailedSyncIsNotRetried) {
  TempDir dir;
  std::unique_ptr<RandomRWFile> file;
  ASSERT_TRUE(OpenRandomRWFile(dir.File("a"), true, &file).ok());
  {
    DescriptorSwap swap(DescriptorOf(dir.File("a")), "/dev/null", O_RDWR);
    EXPECT_TRUE(file->Sync().IsIOError());
  }
  EXPECT_TRUE(file->Sync().IsIOError());
}

}  // namespace
}  // namespace varve::posix
