#include "util/zeroed_memory.h"

#include <sys/mman.h>

#include <cstring>
#include <new>

namespace varve {

namespace {
constexpr size_t kMappedBytesMin = 64 << 10;
constexpr std::align_val_t kAlignment{64};
}  // namespace

void* AllocateZeroed(size_t bytes, Commit commit) {
  if (bytes < kMappedBytesMin) {
    void* const memory = ::operator new(bytes, kAlignment, std::nothrow);
    if (memory != nullptr) std::memset(memory, 0, bytes);
    return memory;
  }
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | (commit == Commit::kNow ? MAP_POPULATE : 0);
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

void FreeZeroed(void* memory, size_t bytes) {
  if (bytes < kMappedBytesMin) {
    ::operator delete(memory, kAlignment);
  } else {
    munmap(memory, bytes);
  }
}

}  // namespace varve
