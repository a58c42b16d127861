#ifndef VARVE_TOOLS_CRASH_SYSTEM_CALLS_H_
#define VARVE_TOOLS_CRASH_SYSTEM_CALLS_H_

#include <atomic>
#include <cstdint>
#include <vector>

// Calls of the system that do less than they were asked to, or fail, in programs that this is
// linked into: it takes the place of the C library's open(), pread(), pwrite(), fdatasync(),
// fsync(), ftruncate(), rename(), renameat2(), link(), unlink() and mkdir().

namespace varve::crash {

// From now on in this process one call in eight of pread(), pwrite() and fdatasync() is interrupted
// (EINTR), or moves a part of the bytes alone, as POSIX lets it.
void ShortenTransfers(uint64_t seed);
void StopShortTransfers();
// How many were.
uint64_t TransfersShortened();

// From now on in this process the `nth` call of those that may end with this errno does, counted
// from 1 over all threads, and does nothing; with `lasting` each one after it as well. 0: none.
// Those that do are counted in `told` too.
struct FailedCalls {
  std::atomic<uint64_t> all, losing;  // of all: those that were to write, sync or resize
};
void FailCall(int error, uint64_t nth, bool lasting, FailedCalls* told = nullptr);
// How many have failed so.
uint64_t CallsFailed();
// What some calls may end with: EIO, ENOSPC, EDQUOT, EMFILE, ENOMEM and EAGAIN.
const std::vector<int>& CallErrors();

}  // namespace varve::crash

#endif  // VARVE_TOOLS_CRASH_SYSTEM_CALLS_H_
