// The C library's own checks would be defined here as well.
#undef _FORTIFY_SOURCE

#include "tools/crash/system_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdarg>
#include <initializer_list>

#include "tools/crash/nth_failure.h"
#include "util/hash.h"

namespace {

constexpr uint64_t kOneIn = 8;
constexpr size_t kPage = 4096;

// Relaxed, all: which call is hit does not matter.
std::atomic<uint64_t> state{0};  // 0: none are
std::atomic<uint64_t> shortened{0};

varve::crash::NthFailure failure;
std::atomic<int> error_of_failure{0};
std::atomic<varve::crash::FailedCalls*> told{nullptr};

// A kind of call, and what it may end with (the manual pages of Linux).
struct Kind {
  std::initializer_list<int> errors;
  bool loses;  // what was to be in a file is not
};
constexpr Kind kOpening = {{EIO, EMFILE, ENOMEM}, false};
constexpr Kind kMaking = {{EIO, EMFILE, ENOMEM, ENOSPC, EDQUOT}, false};
constexpr Kind kReading = {{EIO, EAGAIN}, false};
constexpr Kind kWriting = {{EIO, EAGAIN, ENOSPC, EDQUOT}, true};
constexpr Kind kSyncing = {{EIO, ENOSPC, EDQUOT}, true};
constexpr Kind kNaming = {{EIO, ENOMEM, ENOSPC, EDQUOT}, false};
constexpr Kind kResizing = {{EIO, ENOSPC, EDQUOT}, true};
constexpr Kind kRemoving = {{EIO, ENOMEM}, false};

// Whether this call is to fail; errno then says why.
bool Fails(const Kind& kind) {
  const int error = error_of_failure.load(std::memory_order_relaxed);
  if (error == 0 || std::find(kind.errors.begin(), kind.errors.end(), error) == kind.errors.end())
      [[likely]]
    return false;
  if (!failure.Next()) return false;
  varve::crash::FailedCalls* const counts = told.load(std::memory_order_relaxed);
  if (counts != nullptr) counts->all.fetch_add(1, std::memory_order_relaxed);
  if (counts != nullptr && kind.loses) counts->losing.fetch_add(1, std::memory_order_relaxed);
  errno = error;
  return true;
}

// How many of the bytes are to be moved; -1: none, it is interrupted.
ssize_t Allowed(size_t bytes) {
  if (state.load(std::memory_order_relaxed) == 0) [[likely]]
    return static_cast<ssize_t>(bytes);
  const uint64_t drawn = varve::Mix64(state.fetch_add(1, std::memory_order_relaxed));
  if (drawn % kOneIn != 0) return static_cast<ssize_t>(bytes);
  shortened.fetch_add(1, std::memory_order_relaxed);
  if (drawn / kOneIn % 2 == 0 || bytes < 2) {
    errno = EINTR;
    return -1;
  }
  return 1 + static_cast<ssize_t>(drawn / 16 % (bytes - 1));
}

ssize_t Read(int fd, void* to, size_t bytes, off_t offset) {
  if (Fails(kReading)) return -1;
  ssize_t allowed = Allowed(bytes);
  // What may be a direct read ends on a page, or at the end of the file.
  if (bytes % kPage == 0 && allowed > 0) allowed -= allowed % static_cast<ssize_t>(kPage);
  if (allowed == 0 && bytes > 0) {
    errno = EINTR;
    allowed = -1;
  }
  return allowed < 0 ? -1 : syscall(SYS_pread64, fd, to, static_cast<size_t>(allowed), offset);
}

ssize_t Write(int fd, const void* from, size_t bytes, off_t offset) {
  if (Fails(kWriting)) return -1;
  const ssize_t allowed = Allowed(bytes);
  return allowed < 0 ? -1 : syscall(SYS_pwrite64, fd, from, static_cast<size_t>(allowed), offset);
}

template <typename... Args>
int Call(const Kind& kind, Args... args) {
  return Fails(kind) ? -1 : static_cast<int>(syscall(args...));
}

bool Makes(int flags) { return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE; }

// With the arguments after `flags`: one, where a file is made.
int Open(const char* path, int flags, va_list rest) {
  const bool makes = Makes(flags);
  const mode_t mode = makes ? va_arg(rest, mode_t) : 0;
  return Call(makes ? kMaking : kOpening, SYS_openat, AT_FDCWD, path, flags, mode);
}

}  // namespace

namespace varve::crash {

void ShortenTransfers(uint64_t seed) { state.store(seed | 1, std::memory_order_relaxed); }

void StopShortTransfers() { state.store(0, std::memory_order_relaxed); }

uint64_t TransfersShortened() { return shortened.load(std::memory_order_relaxed); }

void FailCall(int error, uint64_t nth, bool lasting, FailedCalls* counts) {
  told.store(counts, std::memory_order_relaxed);
  failure.Arm(nth, lasting);
  error_of_failure.store(nth == 0 ? 0 : error, std::memory_order_relaxed);
}

uint64_t CallsFailed() { return failure.failed(); }

const std::vector<int>& CallErrors() {
  static const std::vector<int> errors = {EIO, ENOSPC, EDQUOT, EMFILE, ENOMEM, EAGAIN};
  return errors;
}

}  // namespace varve::crash

// Their names in the C library.
extern "C" {
ssize_t pread(int fd, void* to, size_t bytes, off_t offset) { return Read(fd, to, bytes, offset); }
ssize_t pwrite(int fd, const void* from, size_t bytes, off_t offset) {
  return Write(fd, from, bytes, offset);
}
int fdatasync(int fd) {
  if (Fails(kSyncing)) return -1;
  return Allowed(1) < 0 ? -1 : static_cast<int>(syscall(SYS_fdatasync, fd));
}
int fsync(int fd) { return Call(kSyncing, SYS_fsync, fd); }
int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const int fd = Open(path, flags, rest);
  va_end(rest);
  return fd;
}
int ftruncate(int fd, off_t size) noexcept { return Call(kResizing, SYS_ftruncate, fd, size); }
int rename(const char* from, const char* to) noexcept {
  return Call(kNaming, SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}
int renameat2(int from_fd, const char* from, int to_fd, const char* to,
              unsigned int flags) noexcept {
  return Call(kNaming, SYS_renameat2, from_fd, from, to_fd, to, flags);
}
int link(const char* from, const char* to) noexcept {
  return Call(kNaming, SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}
int unlink(const char* path) noexcept { return Call(kRemoving, SYS_unlinkat, AT_FDCWD, path, 0); }
int mkdir(const char* path, mode_t mode) noexcept {
  return Call(kNaming, SYS_mkdirat, AT_FDCWD, path, mode);
}

// Those of builds for large files, which are the same here.
static_assert(sizeof(off_t) == sizeof(off64_t));
ssize_t pread64(int fd, void* to, size_t bytes, off64_t offset) __attribute__((alias("pread")));
ssize_t pwrite64(int fd, const void* from, size_t bytes, off64_t offset)
    __attribute__((alias("pwrite")));
int open64(const char* path, int flags, ...) __attribute__((alias("open")));
int ftruncate64(int fd, off64_t size) noexcept __attribute__((alias("ftruncate")));
}
