#include "util/memory_budget.h"

#include <algorithm>

#include "util/thread.h"

namespace varve {

void MemoryBudget::SetLimit(uint64_t bytes) {
  limit_.store(bytes, std::memory_order_relaxed);
  // Without a limit there is nothing to react to.
  step_.store(bytes == kUnlimited ? kUnlimited : std::max<uint64_t>(1, bytes / kStepsOfLimit),
              std::memory_order_relaxed);
  Tell();
}

void MemoryBudget::SetListener(std::function<void()> listener) {
  for (SpinWait wait; telling_.exchange(true);) wait.Once();
  std::swap(listener_, listener);
  telling_.store(false);
  Tell();
}

void MemoryBudget::Add(MemoryPart part, uint64_t bytes) {
  held_[static_cast<size_t>(part)].fetch_add(bytes, std::memory_order_relaxed);
  const uint64_t now = sum_.fetch_add(bytes) + bytes;
  const uint64_t told = told_.load();
  if (std::max(now, told) - std::min(now, told) >= step_.load(std::memory_order_relaxed)) Tell();
}

void MemoryBudget::Tell() {
  for (untold_.store(true); untold_.load();) {
    if (telling_.exchange(true)) return;
    untold_.store(false);
    told_.store(held());
    if (listener_) listener_();
    telling_.store(false);
  }
}

}  // namespace varve
