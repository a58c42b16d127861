#include "util/posix_file_lock.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "tests/support/temp_dir.h"
#include "tests/util/posix_test_util.h"

// Checklist L7: one owner; the lock survives a second open in the same process; LOCK stays.

namespace varve::posix {
namespace {

// The outcome in another process: 0 locked, 1 busy, 2 anything else.
int LockInChild(const std::string& path) {
  const int status = RunInChild([&path] {
    std::unique_ptr<FileLock> lock;
    const Status s = AcquireFileLock(path, &lock);
    return s.ok() ? 0 : s.IsBusy() ? 1 : 2;
  });
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// What the kernel knows, whatever this process remembers.
bool LockedInTheKernel(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  struct flock request = {};
  request.l_type = F_WRLCK;
  request.l_whence = SEEK_SET;
  EXPECT_EQ(fcntl(fd, F_OFD_GETLK, &request), 0);
  close(fd);
  return request.l_type != F_UNLCK;
}

TEST(PosixFileLock, IsBusyInThisProcessUnderAnyName) {
  TempDir dir;
  const std::string path = dir.File("LOCK");
  std::unique_ptr<FileLock> lock, second;
  ASSERT_TRUE(AcquireFileLock(path, &lock).ok());
  ASSERT_EQ(link(path.c_str(), dir.File("hard").c_str()), 0);
  ASSERT_EQ(symlink(path.c_str(), dir.File("soft").c_str()), 0);
  const size_t before = OpenDescriptors();
  for (const std::string& again : {path, dir.File("hard"), dir.File("soft"), dir.File("./LOCK")}) {
    const Status s = AcquireFileLock(again, &second);
    EXPECT_TRUE(s.IsBusy()) << again << " " << s.ToString();
    EXPECT_EQ(s.message(), again + ": lock: held by this process");
  }
  EXPECT_EQ(second, nullptr);
  EXPECT_EQ(OpenDescriptors(), before);  // Checklist I1
  // The failed attempts opened and closed the file, which drops classic POSIX locks.
  EXPECT_TRUE(LockedInTheKernel(path));
  lock.reset();
  EXPECT_FALSE(LockedInTheKernel(path));
}

TEST(PosixFileLock, IsBusyInAnotherProcessUntilReleased) {
  TempDir dir;
  const std::string path = dir.File("LOCK");
  std::unique_ptr<FileLock> lock;
  ASSERT_TRUE(AcquireFileLock(path, &lock).ok());
  EXPECT_EQ(LockInChild(path), 1);
  lock.reset();
  EXPECT_TRUE(Exists(path));
  EXPECT_EQ(LockInChild(path), 0);
  ASSERT_TRUE(AcquireFileLock(path, &lock).ok());
  EXPECT_EQ(LockInChild(path), 1);
}

// The child knows nothing of this process's registry: it is the kernel that says no.
TEST(PosixFileLock, AnotherProcessHoldsItUntilItIsKilled) {
  TempDir dir;
  const std::string path = dir.File("LOCK");
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::unique_ptr<FileLock> lock;
    const char ok = AcquireFileLock(path, &lock).ok() ? 'y' : 'n';
    if (write(ready[1], &ok, 1) != 1) _exit(1);
    while (true) pause();
  }
  char ok = '?';
  ASSERT_EQ(read(ready[0], &ok, 1), 1);
  EXPECT_EQ(ok, 'y');
  std::unique_ptr<FileLock> lock;
  const size_t before = OpenDescriptors();
  const Status s = AcquireFileLock(path, &lock);
  EXPECT_TRUE(s.IsBusy());
  EXPECT_EQ(s.message(), path + ": lock: held by process " + std::to_string(child));
  EXPECT_EQ(OpenDescriptors(), before);
  ASSERT_EQ(kill(child, SIGKILL), 0);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(AcquireFileLock(path, &lock).ok());
  EXPECT_EQ(ReadTestFile(path), std::to_string(getpid()) + "\n");
  close(ready[0]);
  close(ready[1]);
}

// A child that inherited its parent's registry may lock what the parent has released.
TEST(PosixFileLock, AForkedChildMayLockAfterItsParent) {
  TempDir dir;
  const std::string path = dir.File("LOCK");
  std::unique_ptr<FileLock> lock;
  ASSERT_TRUE(AcquireFileLock(path, &lock).ok());
  int tried[2], released[2];
  ASSERT_EQ(pipe(tried), 0);
  ASSERT_EQ(pipe(released), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    char byte;
    std::unique_ptr<FileLock> own;
    if (AcquireFileLock(path, &own).ok()) _exit(1);
    if (write(tried[1], "x", 1) != 1 || read(released[0], &byte, 1) != 1) _exit(3);
    _exit(AcquireFileLock(path, &own).ok() ? 0 : 2);
  }
  char byte;
  ASSERT_EQ(read(tried[0], &byte, 1), 1);
  lock.reset();
  ASSERT_EQ(write(released[1], "x", 1), 1);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  for (const int fd : {tried[0], tried[1], released[0], released[1]}) close(fd);
}

// A forked child has a copy of the object and of the descriptor. Neither its destruction nor its
// life may touch the parent's lock.
TEST(PosixFileLock, AForkedCopyNeitherReleasesNorKeepsIt) {
  TempDir dir;
  const std::string path = dir.File("LOCK");
  std::unique_ptr<FileLock> lock;
  ASSERT_TRUE(AcquireFileLock(path, &lock).ok());
  EXPECT_TRUE(WIFEXITED(RunInChild([&lock] {
    lock.reset();
    return 0;
  })));
  EXPECT_TRUE(LockedInTheKernel(path));

  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    while (true) pause();  // holds the inherited descriptor open
  }
  lock.reset();
  EXPECT_FALSE(LockedInTheKernel(path));
  ASSERT_EQ(kill(child, SIGKILL), 0);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
}

TEST(PosixFileLock, KeepsNoOldHoldersDigits) {
  TempDir dir;
  const std::string path = dir.File("LOCK");
  WriteTestFile(path, "99999999999999999999 and more");
  std::unique_ptr<FileLock> lock;
  ASSERT_TRUE(AcquireFileLock(path, &lock).ok());
  EXPECT_EQ(ReadTestFile(path), std::to_string(getpid()) + "\n");
}

TEST(PosixFileLock, FailsWithoutItsDirectory) {
  TempDir dir;
  std::unique_ptr<FileLock> lock;
  EXPECT_TRUE(AcquireFileLock(dir.File("no/LOCK"), &lock).IsNotFound());
  EXPECT_TRUE(AcquireFileLock(dir.path(), &lock).IsIOError());  // a directory
}

// Locking needs no room: the process id is for people.
TEST(PosixFileLock, WorksOnAFullFileSystem) {
  TempDir dir;
  SmallFileSystem small(dir.File("small"), 64 << 10);
  if (!small.ok()) GTEST_SKIP() << "not permitted to mount a tmpfs";
  WriteTestFile(dir.File("small/LOCK"), "");
  WriteTestFile(dir.File("small/fill"), std::string(64 << 10, 'x'));
  std::unique_ptr<FileLock> lock;
  EXPECT_TRUE(AcquireFileLock(dir.File("small/LOCK"), &lock).ok());
  lock.reset();
}

}  // namespace
}  // namespace varve::posix
