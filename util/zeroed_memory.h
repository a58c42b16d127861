#ifndef VARVE_UTIL_ZEROED_MEMORY_H_
#define VARVE_UTIL_ZEROED_MEMORY_H_

#include <cstddef>

namespace varve {

// When the pages of a large piece are committed.
enum class Commit {
  kWhenWritten,  // one by one: taking it costs the same whatever its size
  kNow,          // at once
};

// Memory that reads as zeros, aligned to 64 bytes at least; null if the system has none.
//
// A page that is read before it is written costs two faults, and at the second all processors that
// run this process are interrupted, as it takes the place of the page of zeros that all share: 22
// us, where a page that is written first costs 1. kNow is for what is used that way.
void* AllocateZeroed(size_t bytes, Commit commit);
// `bytes` is what it was allocated with.
void FreeZeroed(void* memory, size_t bytes);

}  // namespace varve

#endif  // VARVE_UTIL_ZEROED_MEMORY_H_
