#ifndef VARVE_UTIL_MEMORY_BUDGET_H_
#define VARVE_UTIL_MEMORY_BUDGET_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

namespace varve {

// What holds memory of a database, besides the block cache.
enum class MemoryPart : uint8_t {
  kMemtables = 0,
  kLogs = 1,      // mapped ones: their pages count as the process's
  kSegments = 2,  // indexes and filters of open segments
  kGhosts = 3,
  kHeat = 4,       // what reads have hit of the segments of a cache
  kAdmission = 5,  // the keys that were put lately
};
inline constexpr size_t kMemoryParts = 6;

// One budget of memory: who holds how much of it.
//
//  1. Each part charges what it holds, by a MemoryCharge that lives as long as the memory does:
//     where memory is taken, in the pieces in which it is taken (a memtable's blocks, a log, an
//     opened segment), so that no operation writes to a cache line that all share.
//  2. The block cache is no part: it takes what the others leave, and is the first to give way. It
//     does that by a listener, which is told when what is held has moved by a step, 1/128 of the
//     limit, since it was told last. The call is made by whoever charged or released, perhaps with
//     locks held: the listener takes none but those of caches.
//  3. A charge never fails and never waits. That what the parts hold stays within the limit is
//     their own doing; db/memory_plan.h says how much each may have.
//
// Two threads may charge at once while the listener runs: whoever comes second leaves it to the
// first to run it once more. So may the listener itself, by what it frees.
//
// Rejected: charges that are refused. A write that has been logged must find its memory.
//
// Thread safety: everything, from any thread.
class MemoryBudget {
 public:
  static constexpr uint64_t kUnlimited = UINT64_MAX;

  explicit MemoryBudget(uint64_t limit_bytes = kUnlimited) { SetLimit(limit_bytes); }
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;

  // Live; the listener is told.
  void SetLimit(uint64_t bytes);
  uint64_t limit() const { return limit_.load(std::memory_order_relaxed); }

  // What a part holds, and all of them together.
  uint64_t held(MemoryPart part) const {
    return held_[static_cast<size_t>(part)].load(std::memory_order_relaxed);
  }
  uint64_t held() const { return sum_.load(); }

  // Null: none. Told at once. Returns when no listener set before runs any more; not to be called
  // by one.
  void SetListener(std::function<void()> listener);

 private:
  friend class MemoryCharge;

  static constexpr uint64_t kStepsOfLimit = 128;

  void Add(MemoryPart part, uint64_t bytes);  // modulo 2^64, so that it may be taken away as well
  void Tell();

  // Relaxed: sums that nothing else is concluded from. A line of their own, as they change while
  // the limit is read.
  alignas(64) std::array<std::atomic<uint64_t>, kMemoryParts> held_{};
  // Sequentially consistent, both: either who tells sees a change in sum_, or who changed it sees
  // what was told.
  std::atomic<uint64_t> sum_{0};
  std::atomic<uint64_t> told_{0};  // what sum_ was when the listener was told last
  std::atomic<uint64_t> step_{0};
  alignas(64) std::atomic<uint64_t> limit_{kUnlimited};

  // Sequentially consistent, both: who finds `telling_` set after it has set `untold_` is sure that
  // the other looks at `untold_` once more.
  std::atomic<bool> untold_{false};
  std::atomic<bool> telling_{false};  // whoever sets it has listener_ to itself
  std::function<void()> listener_;
};

// Bytes that somebody holds, for as long as it lives. Keeps the budget, so it may outlive all else.
// Without a budget it does nothing. One thread at a time.
class MemoryCharge {
 public:
  MemoryCharge() = default;
  MemoryCharge(std::shared_ptr<MemoryBudget> budget, MemoryPart part, uint64_t bytes = 0)
      : budget_(std::move(budget)), part_(part) {
    Set(bytes);
  }
  ~MemoryCharge() { Set(0); }
  MemoryCharge(MemoryCharge&& other) noexcept { *this = std::move(other); }
  MemoryCharge& operator=(MemoryCharge&& other) noexcept {
    if (this == &other) return *this;
    Set(0);
    budget_ = std::move(other.budget_);
    part_ = other.part_;
    bytes_ = std::exchange(other.bytes_, 0);
    return *this;
  }
  MemoryCharge(const MemoryCharge&) = delete;
  MemoryCharge& operator=(const MemoryCharge&) = delete;

  // So many it is now. Cheap where nothing changed.
  void Set(uint64_t bytes) {
    if (bytes == bytes_) [[likely]]
      return;
    if (budget_ != nullptr) budget_->Add(part_, bytes - bytes_);
    bytes_ = bytes;
  }
  uint64_t bytes() const { return bytes_; }

 private:
  std::shared_ptr<MemoryBudget> budget_;
  MemoryPart part_ = MemoryPart::kMemtables;
  uint64_t bytes_ = 0;
};

}  // namespace varve

#endif  // VARVE_UTIL_MEMORY_BUDGET_H_
