#include "util/posix_file_lock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "util/mutex.h"
#include "util/posix_io.h"

// One owner of a directory (Checklist L7):
//
// 1. Open LOCK, creating it. It is never unlinked: whoever waits on an unlinked inode and whoever
//    creates a new one would both hold "the" lock.
// 2. Enter its (device, inode) into a registry of this process; there already means Busy. Names do
//    not matter: a second path to the same file is the same lock. The lock of step 3 would refuse
//    it too where the file system implements it; the registry does not depend on that, and can say
//    who.
// 3. Take an open-file-description lock, which other processes see. Classic POSIX locks would be
//    dropped by any other close() of the file in this process; open-file-description locks are not.
// 4. See that the path still names the inode that was locked.
// 5. Write the process id, for people. A full disk does not matter here.
//
// A child made by fork() shares the description, not the ownership: only the process that took the
// lock releases it.

namespace varve::posix {
namespace {

struct FileId {
  dev_t device;
  ino_t inode;
  friend auto operator<=>(const FileId&, const FileId&) = default;
};

// Entries name the process that made them: what a forked child inherits is its parent's and says
// nothing about the child, which asks the kernel.
class LockRegistry {
 public:
  bool Insert(FileId id) {
    MutexLock lock(&mutex_);
    pid_t& owner = held_[id];
    if (owner == getpid()) return false;
    owner = getpid();
    return true;
  }
  void Erase(FileId id) {
    MutexLock lock(&mutex_);
    held_.erase(id);
  }

 private:
  Mutex mutex_;
  std::map<FileId, pid_t> held_ GUARDED_BY(mutex_);
};

LockRegistry& Registry() {
  static LockRegistry* const registry = new LockRegistry;  // outlives every static user
  return *registry;
}

int SetLock(int fd, short type) {
  struct flock request;
  std::memset(&request, 0, sizeof(request));
  request.l_type = type;
  request.l_whence = SEEK_SET;  // start 0, length 0: the whole file
  int result;
  do {
    result = fcntl(fd, F_OFD_SETLK, &request);
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

// " by process 123" if the file says so, for the message alone.
std::string Holder(int fd) {
  char text[16];
  const ssize_t n = pread(fd, text, sizeof(text), 0);
  ssize_t digits = 0;
  while (digits < n && text[digits] >= '0' && text[digits] <= '9') ++digits;
  return digits == 0 ? "" : " by process " + std::string(text, static_cast<size_t>(digits));
}

class PosixFileLock final : public FileLock {
 public:
  explicit PosixFileLock(Fd fd) : fd_(std::move(fd)), owner_(getpid()) {}

  ~PosixFileLock() override {
    if (!id_.has_value() || getpid() != owner_) return;
    (void)SetLock(fd_.get(), F_UNLCK);  // a forked child may still hold the descriptor open
    Registry().Erase(*id_);
  }

  int fd() const { return fd_.get(); }
  // Step 2. From here on it is in the registry until this object goes, whatever is thrown.
  bool Register(FileId id) {
    if (!Registry().Insert(id)) return false;
    id_ = id;
    return true;
  }

 private:
  Fd fd_;
  std::optional<FileId> id_;  // if registered
  const pid_t owner_;
};

}  // namespace

Status AcquireFileLock(const std::string& path, std::unique_ptr<FileLock>* lock) {
  Fd fd;
  Status s = Open(path, O_RDWR | O_CREAT, &fd);
  if (!s.ok()) return s;
  struct stat info;
  if (fstat(fd.get(), &info) != 0) return ErrnoError(path, "stat", errno);
  const FileId id{info.st_dev, info.st_ino};
  auto held = std::make_unique<PosixFileLock>(std::move(fd));
  if (!held->Register(id)) return Status::Busy(path + ": lock: held by this process");
  const int error = SetLock(held->fd(), F_WRLCK);
  if (error == EAGAIN || error == EACCES) {
    return Status::Busy(path + ": lock: held" + Holder(held->fd()));
  }
  if (error != 0) return ErrnoError(path, "lock", error);
  if (stat(path.c_str(), &info) != 0 || info.st_dev != id.device || info.st_ino != id.inode) {
    return Status::Busy(path + ": lock: the file was replaced while it was being locked");
  }
  const std::string holder = std::to_string(getpid()) + "\n";
  if (ftruncate(held->fd(), 0) == 0) (void)WriteAt(held->fd(), path, 0, holder);
  *lock = std::move(held);
  return Status::OK();
}

}  // namespace varve::posix
