#ifndef VARVE_TOOLS_CRASH_NTH_FAILURE_H_
#define VARVE_TOOLS_CRASH_NTH_FAILURE_H_

#include <atomic>
#include <cstdint>

namespace varve::crash {

// Of the calls that all threads make of something, the nth fails, and perhaps each one after it.
// Relaxed, all: which of two at the same time is the nth does not matter. May be a global that is
// asked before any constructor has run.
class NthFailure {
 public:
  // Counted from 1, from now on; 0: none fails.
  void Arm(uint64_t nth, bool lasting) {
    lasting_.store(lasting, std::memory_order_relaxed);
    left_.store(nth, std::memory_order_relaxed);
  }
  // Of one call: whether it is to fail.
  bool Next() {
    uint64_t left = left_.load(std::memory_order_relaxed);
    if (left == 0) [[likely]]
      return false;
    while (left > 1 && !left_.compare_exchange_weak(left, left - 1, std::memory_order_relaxed)) {
    }
    if (left != 1) return false;
    failed_.fetch_add(1, std::memory_order_relaxed);
    if (!lasting_.load(std::memory_order_relaxed)) left_.store(0, std::memory_order_relaxed);
    return true;
  }
  // How many have failed so.
  uint64_t failed() const { return failed_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> left_{0};  // before one fails; 0: none will
  std::atomic<bool> lasting_{false};
  std::atomic<uint64_t> failed_{0};
};

}  // namespace varve::crash

#endif  // VARVE_TOOLS_CRASH_NTH_FAILURE_H_
