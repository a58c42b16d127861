#ifndef VARVE_TOOLS_CRASH_SHORT_TRANSFERS_H_
#define VARVE_TOOLS_CRASH_SHORT_TRANSFERS_H_

#include <cstdint>

namespace varve::crash {

// From now on in this process one call in eight of pread(), pwrite() and fdatasync() is interrupted
// (EINTR), or moves a part of the bytes alone, as POSIX lets it. Takes the place of the C library's
// in programs that this is linked into.
void ShortenTransfers(uint64_t seed);
void StopShortTransfers();
// How many were.
uint64_t TransfersShortened();

}  // namespace varve::crash

#endif  // VARVE_TOOLS_CRASH_SHORT_TRANSFERS_H_
