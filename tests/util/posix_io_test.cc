#include "util/posix_io.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"
#include "tests/util/posix_test_util.h"

namespace varve::posix {
namespace {

// Plays a script of results; a positive number transfers so many bytes, a negative one is an errno.
struct Script {
  std::vector<int> results;
  size_t next = 0;
  std::vector<uint64_t> offsets;

  ssize_t Next(size_t n, uint64_t offset) {
    offsets.push_back(offset);
    const int result = results.at(next++);
    if (result < 0) {
      errno = -result;
      return -1;
    }
    return static_cast<ssize_t>(std::min<size_t>(n, static_cast<size_t>(result)));
  }
};

// Checklist I4: short reads and EINTR are continued.
TEST(PosixIo, ContinuesShortAndInterruptedReads) {
  const std::string file = "0123456789";
  Script script{{3, -EINTR, 1, -EINTR, 100}, 0, {}};
  char buffer[10];
  size_t size = 0;
  const auto read = [&](char* to, size_t n, uint64_t at) {
    const ssize_t got = script.Next(n, at);
    if (got > 0) std::memcpy(to, file.data() + at - 1000, static_cast<size_t>(got));
    return got;
  };
  EXPECT_EQ(ReadFully(buffer, 10, 1000, &size, read), 0);
  EXPECT_EQ(Slice(buffer, size), file);
  EXPECT_EQ(script.offsets, (std::vector<uint64_t>{1000, 1003, 1003, 1004, 1004}));
}

TEST(PosixIo, ReadEndsAtTheEndOfTheFileAndAtErrors) {
  char buffer[10];
  size_t size = 99;
  Script end{{4, 0}, 0, {}};
  EXPECT_EQ(ReadFully(buffer, 10, 0, &size,
                      [&](char*, size_t n, uint64_t at) { return end.Next(n, at); }),
            0);
  EXPECT_EQ(size, 4u);
  Script error{{4, -EIO}, 0, {}};
  EXPECT_EQ(ReadFully(buffer, 10, 0, &size,
                      [&](char*, size_t n, uint64_t at) { return error.Next(n, at); }),
            EIO);
  EXPECT_EQ(size, 4u);
}

// Checklist W3, I4: partial writes are continued, from where they stopped.
TEST(PosixIo, ContinuesShortAndInterruptedWrites) {
  const std::string data = "abcdefgh";
  std::string file(8, '.');
  Script script{{-EINTR, 2, 1, -EINTR, 100}, 0, {}};
  size_t written = 0;
  const auto write = [&](const char* from, size_t n, uint64_t at) {
    const ssize_t put = script.Next(n, at);
    if (put > 0) std::memcpy(file.data() + at - 50, from, static_cast<size_t>(put));
    return put;
  };
  EXPECT_EQ(WriteFully(data, 50, &written, write), 0);
  EXPECT_EQ(written, 8u);
  EXPECT_EQ(file, data);
  EXPECT_EQ(script.offsets, (std::vector<uint64_t>{50, 50, 52, 53, 53}));
}

// Checklist W3: a write of zero bytes is an error, not a reason to try for ever.
TEST(PosixIo, WriteOfNothingIsAnError) {
  Script script{{3, 0}, 0, {}};
  size_t written = 0;
  EXPECT_EQ(WriteFully("abcdef", 0, &written,
                       [&](const char*, size_t n, uint64_t at) { return script.Next(n, at); }),
            EIO);
  EXPECT_EQ(written, 3u);
}

TEST(PosixIo, WritingNoBytesCallsNothing) {
  size_t written = 7;
  EXPECT_EQ(WriteFully("", 0, &written, [](const char*, size_t, uint64_t) -> ssize_t { abort(); }),
            0);
  EXPECT_EQ(written, 0u);
}

TEST(PosixIo, ErrorsNamePathActionOffsetAndReason) {
  const Status s = ErrnoError("/db/000001.log", "write", EIO, 4096);
  EXPECT_TRUE(s.IsIOError());
  EXPECT_EQ(s.message(), "/db/000001.log: write at offset 4096: Input/output error");
  EXPECT_EQ(ErrnoError("/p", "open", EACCES).message(), "/p: open: Permission denied");
}

TEST(PosixIo, ErrorsAreMappedByKind) {
  EXPECT_TRUE(ErrnoError("/p", "write", ENOSPC).IsNoSpace());
  EXPECT_TRUE(ErrnoError("/p", "write", EDQUOT).IsNoSpace());
  EXPECT_TRUE(ErrnoError("/p", "open", ENOENT).IsNotFound());
  for (const int error : {EIO, EACCES, EMFILE, EROFS, EFBIG, EEXIST, ENOTDIR}) {
    EXPECT_TRUE(ErrnoError("/p", "open", error).IsIOError()) << error;
  }
}

TEST(PosixIo, OpensWithCloseOnExecAndClosesOnce) {
  TempDir dir;
  const size_t before = OpenDescriptors();
  Fd fd;
  ASSERT_TRUE(Open(dir.File("a"), O_RDWR | O_CREAT | O_EXCL, &fd).ok());
  EXPECT_EQ(fcntl(fd.get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  Fd moved = std::move(fd);
  EXPECT_FALSE(fd.valid());
  EXPECT_EQ(OpenDescriptors(), before + 1);
  EXPECT_EQ(moved.Close(), 0);
  EXPECT_EQ(moved.Close(), 0);
  EXPECT_EQ(OpenDescriptors(), before);
  EXPECT_TRUE(Open(dir.File("a"), O_RDWR | O_CREAT | O_EXCL, &fd).IsIOError());
  EXPECT_TRUE(Open(dir.File("b"), O_RDONLY, &fd).IsNotFound());
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST(PosixIo, RenamesOnlyToANameThatIsFree) {
  TempDir dir;
  for (const auto rename : {RenameNoReplace, RenameIfAbsent}) {
    WriteTestFile(dir.File("a"), "a");
    WriteTestFile(dir.File("b"), "b");
    const Status taken = rename(dir.File("a"), dir.File("b"));
    EXPECT_TRUE(taken.IsIOError()) << taken.ToString();
    EXPECT_EQ(ReadTestFile(dir.File("a")), "a");
    EXPECT_EQ(ReadTestFile(dir.File("b")), "b");
    EXPECT_TRUE(rename(dir.File("a"), dir.File("c")).ok());
    EXPECT_FALSE(Exists(dir.File("a")));
    EXPECT_EQ(ReadTestFile(dir.File("c")), "a");
    EXPECT_TRUE(rename(dir.File("a"), dir.File("d")).IsNotFound());
    ASSERT_EQ(unlink(dir.File("c").c_str()), 0);
  }
}

}  // namespace
}  // namespace varve::posix
