#ifndef VARVE_UTIL_ZEROED_MEMORY_H_
#define VARVE_UTIL_ZEROED_MEMORY_H_

#include <cstddef>

namespace varve {

// Memory that reads as zeros, aligned to 64 bytes at least; null if the system has none. The pages
// of a large piece are committed one by one as they are written, so that taking it costs the same
// whatever its size.
void* AllocateZeroed(size_t bytes);
// `bytes` is what it was allocated with.
void FreeZeroed(void* memory, size_t bytes);

}  // namespace varve

#endif  // VARVE_UTIL_ZEROED_MEMORY_H_
