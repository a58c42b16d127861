#include "tools/crash/failing_new.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

// Relaxed, all: which allocation is the nth does not matter to the byte.
std::atomic<uint64_t> left{0};  // before one fails; 0: none will
std::atomic<bool> for_good{false};
std::atomic<uint64_t> failed{0};

bool Fails() {
  uint64_t now = left.load(std::memory_order_relaxed);
  if (now == 0) return false;
  while (now > 1 && !left.compare_exchange_weak(now, now - 1, std::memory_order_relaxed)) {
  }
  if (now != 1) return false;
  failed.fetch_add(1, std::memory_order_relaxed);
  if (!for_good.load(std::memory_order_relaxed)) left.store(0, std::memory_order_relaxed);
  return true;
}

void* Allocate(size_t bytes) {
  if (Fails()) [[unlikely]]
    throw std::bad_alloc();
  void* const memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

namespace varve::crash {

void FailAllocation(uint64_t nth, bool lasting) {
  for_good.store(lasting, std::memory_order_relaxed);
  left.store(nth, std::memory_order_relaxed);
}

uint64_t AllocationsFailed() { return failed.load(std::memory_order_relaxed); }

}  // namespace varve::crash

void* operator new(size_t bytes) { return Allocate(bytes); }
void* operator new[](size_t bytes) { return Allocate(bytes); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }
