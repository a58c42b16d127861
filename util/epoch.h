#ifndef VARVE_UTIL_EPOCH_H_
#define VARVE_UTIL_EPOCH_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "util/mutex.h"
#include "util/thread.h"

namespace varve {

// Epoch-based reclamation (Fraser, "Practical lock-freedom", 2004): readers follow shared pointers
// without a shared write; what is taken out of sight is destroyed once no reader can still see it.
//
//  1. A reader enters: it stores the current epoch into the slot of its thread, then loads shared
//     pointers, sequentially consistent. It leaves by clearing the slot.
//  2. Who unlinks an object first makes it unreachable by a sequentially consistent store, then
//     calls Retire(), which stamps it with the epoch and advances that.
//  3. A retired object is destroyed when every occupied slot holds a later epoch than its stamp:
//     those readers entered after the object was out of sight.
//
// As the stores and loads of (1) and (2) have one total order, either the retirer sees the reader's
// slot, or the reader sees the new pointer.
//
// Thread safety: everything may be called from any thread. A slot is its thread's own cache line,
// so that Enter and Leave cost one fence. Enter nests. Destroying an EpochDomain requires that
// nobody is inside; it destroys what is still retired.
//
// Rejected: a reference count on the pointer's target, which makes all readers write one line;
// hazard pointers, which need a slot for each of the objects a lookup visits.
class EpochDomain {
 public:
  EpochDomain();
  ~EpochDomain();
  EpochDomain(const EpochDomain&) = delete;
  EpochDomain& operator=(const EpochDomain&) = delete;

  void Enter() {
    Slot* slot = SlotOfThisThread();
    if (slot == nullptr) return EnterOverflow();
    if (slot->depth++ == 0) {
      // Acquire: who reads an epoch past a stamp sees what was unlinked before that stamp.
      slot->epoch.store(epoch_.load(std::memory_order_acquire), std::memory_order_seq_cst);
      SchedulePoint();
    }
  }
  void Leave() {
    Slot* slot = SlotOfThisThread();
    if (slot == nullptr) return LeaveOverflow();
    // Release: the reader's loads come before anybody takes the slot for empty.
    if (--slot->depth == 0) slot->epoch.store(kOutside, std::memory_order_release);
  }

  // Runs `destroy` once no reader that is inside now is still inside; perhaps at once, perhaps in a
  // later Retire() or Collect(), on the thread that makes that call and without a lock held.
  // `destroy` must not enter the domain.
  void Retire(std::function<void()> destroy);
  // The same, but always in a later call: for who holds a lock or must not be kept waiting.
  void RetireLater(std::function<void()> destroy);

  // Destroys what can be destroyed. Returns the number of objects that still wait.
  size_t Collect();

  // Waits until every reader that was inside at the call has left. Not to be called inside.
  void WaitForReaders();

 private:
  static constexpr uint64_t kOutside = 0;
  static constexpr size_t kSlotsPerChunk = 32;
  static constexpr size_t kChunks = 512;  // threads beyond 16,384 share a counter

  struct alignas(64) Slot {
    std::atomic<uint64_t> epoch{kOutside};
    uint32_t depth = 0;  // the thread's own
  };
  struct Chunk {
    Slot slots[kSlotsPerChunk];
  };
  struct Retired {
    uint64_t epoch;
    std::function<void()> destroy;
  };

  Slot* SlotOfThisThread() {
    const size_t index = ThreadIndex();
    if (index >= kSlotsPerChunk * kChunks) return nullptr;
    // Acquire: the chunk's slots were initialised before it was published.
    Chunk* chunk = chunks_[index / kSlotsPerChunk].load(std::memory_order_acquire);
    if (chunk == nullptr) chunk = AddChunk(index / kSlotsPerChunk);
    return &chunk->slots[index % kSlotsPerChunk];
  }
  Chunk* AddChunk(size_t which);
  void EnterOverflow();
  void LeaveOverflow();
  // The lowest epoch a reader inside may have entered in.
  uint64_t OldestReader() const;

  std::atomic<uint64_t> epoch_{1};
  // Readers of threads that have no slot; while there is one nothing is destroyed.
  std::atomic<uint64_t> overflow_readers_{0};
  std::atomic<Chunk*> chunks_[kChunks] = {};

  Mutex mu_;
  std::vector<Retired> retired_ GUARDED_BY(mu_);
};

// Inside an EpochDomain for the life of a scope.
class EpochGuard {
 public:
  explicit EpochGuard(EpochDomain* domain) : domain_(domain) { domain_->Enter(); }
  ~EpochGuard() { domain_->Leave(); }
  EpochGuard(const EpochGuard&) = delete;
  EpochGuard& operator=(const EpochGuard&) = delete;

 private:
  EpochDomain* const domain_;
};

}  // namespace varve

#endif  // VARVE_UTIL_EPOCH_H_
