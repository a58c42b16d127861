#ifndef VARVE_UTIL_POSIX_GUARDED_COPY_H_
#define VARVE_UTIL_POSIX_GUARDED_COPY_H_

#include <cstddef>

#include "varve/status.h"

// Stores into mapped files that survive the file's failing. A store into a page that cannot be
// brought in (the file was truncated, the device failed, the disk is full) raises SIGBUS, which by
// default ends the process. Here it becomes a return value.
//
// 1. InstallBusHandler() sets, once per process, a SIGBUS handler and keeps the one before it.
// 2. GuardedCopy() notes in a thread local where it copies to and where to jump, then copies.
// 3. The handler jumps there if the fault is synchronous, on a thread that is copying, and at an
//    address inside the destination. Every other SIGBUS goes to the handler that was there before;
//    where that was the default action, it is taken, so the process dies as it would have.
//
// sigsetjmp() without the signal mask costs no system call. The handler is installed with
// SA_NODEFER: it is left by a jump, so nothing would unblock the signal. A handler that the program
// installs after ours replaces it, and with it this protection, unless it chains back.
//
// Thread safety: all may be called from any thread. InstallBusHandler() happens before the first
// GuardedCopy(), as the file that is copied into is made after it.

namespace varve::posix {

Status InstallBusHandler();

// Copies `size` bytes to mapped memory. False if a page of the destination could not be stored to;
// any part of the range may then have been written.
[[nodiscard]] bool GuardedCopy(char* to, const char* from, size_t size);

}  // namespace varve::posix

#endif  // VARVE_UTIL_POSIX_GUARDED_COPY_H_
