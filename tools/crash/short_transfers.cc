// The C library's own checks would be defined here as well.
#undef _FORTIFY_SOURCE

#include "tools/crash/short_transfers.h"

#include <errno.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>

#include "util/hash.h"

namespace {

constexpr uint64_t kOneIn = 8;
constexpr size_t kPage = 4096;

// Relaxed, all: which call is hit does not matter.
std::atomic<uint64_t> state{0};  // 0: none are
std::atomic<uint64_t> shortened{0};

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
  const ssize_t allowed = Allowed(bytes);
  return allowed < 0 ? -1 : syscall(SYS_pwrite64, fd, from, static_cast<size_t>(allowed), offset);
}

}  // namespace

namespace varve::crash {

void ShortenTransfers(uint64_t seed) { state.store(seed | 1, std::memory_order_relaxed); }

void StopShortTransfers() { state.store(0, std::memory_order_relaxed); }

uint64_t TransfersShortened() { return shortened.load(std::memory_order_relaxed); }

}  // namespace varve::crash

// Their names in the C library; those of large-file builds beside them.
extern "C" {
ssize_t pread(int fd, void* to, size_t bytes, off_t offset) { return Read(fd, to, bytes, offset); }
ssize_t pread64(int fd, void* to, size_t bytes, off_t offset) {
  return Read(fd, to, bytes, offset);
}
ssize_t pwrite(int fd, const void* from, size_t bytes, off_t offset) {
  return Write(fd, from, bytes, offset);
}
ssize_t pwrite64(int fd, const void* from, size_t bytes, off_t offset) {
  return Write(fd, from, bytes, offset);
}
int fdatasync(int fd) { return Allowed(1) < 0 ? -1 : static_cast<int>(syscall(SYS_fdatasync, fd)); }
}
