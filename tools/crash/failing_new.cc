#include "tools/crash/failing_new.h"

#include <cstdlib>
#include <new>

#include "tools/crash/nth_failure.h"

namespace {

varve::crash::NthFailure failure;

void* Allocate(size_t bytes) {
  if (failure.Next()) [[unlikely]]
    throw std::bad_alloc();
  void* const memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

namespace varve::crash {

void FailAllocation(uint64_t nth, bool lasting) { failure.Arm(nth, lasting); }

uint64_t AllocationsFailed() { return failure.failed(); }

}  // namespace varve::crash

void* operator new(size_t bytes) { return Allocate(bytes); }
void* operator new[](size_t bytes) { return Allocate(bytes); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }
