#ifndef VARVE_CACHE_SEGMENT_HEAT_H_
#define VARVE_CACHE_SEGMENT_HEAT_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "util/memory_budget.h"

namespace varve {

// What the bits of all segments of a cache may take, and where they are charged.
//
// Thread safety: all of it.
class HeatMemory {
 public:
  explicit HeatMemory(std::shared_ptr<MemoryBudget> budget) : budget_(std::move(budget)) {}

  // Live; what is held already stays.
  void SetBytesMax(uint64_t bytes) { bytes_max_.store(bytes, std::memory_order_relaxed); }
  // Whether so much may be taken besides; those who ask at once may all be told so.
  bool MayTake(uint64_t bytes) const {
    const uint64_t held = bytes_held(), max = bytes_max_.load(std::memory_order_relaxed);
    return held <= max && bytes <= max - held;
  }
  MemoryCharge Charge(uint64_t bytes) const { return {budget_, MemoryPart::kHeat, bytes}; }
  uint64_t bytes_held() const { return budget_->held(MemoryPart::kHeat); }

 private:
  const std::shared_ptr<MemoryBudget> budget_;
  std::atomic<uint64_t> bytes_max_{UINT64_MAX};  // relaxed: a setting
};

// Which entries of a segment were found by a read since the segment was written: what is worth
// saving when it is evicted.
//
//  1. Four bits an entry, of which the entry's hash chooses one: nothing need be known of where in
//     the segment it lies. Of a segment of which a share h was hit, 1 - e^(-h/4) of the others seem
//     to have been: 2.5 % at a tenth, 12 % at a half.
//  2. A read loads the word, and stores it only where its bit is not set yet. So a hot entry is
//     written once and read from then on, and readers on many cores share the line.
//  3. The bits are there from the first hit on: a segment that nobody reads has none. They are
//     charged to the budget of memory. Where they would be too many a segment goes without, and as
//     if it had not been hit, until others have gone and it is hit again.
//
// Half a byte an entry: 0.4 % of the bytes of entries of 116, and nothing to speak of where they
// are larger. It is not persisted; after an open every entry counts as not hit.
//
// Rejected: counters (one bit tells what to keep as well as their number, see docs/cache.md); a bit
// by the entry's position, which the segment's index does not know.
//
// Thread safety: all of it. Relaxed: a hit that is told too late costs a miss at worst.
class SegmentHeat {
 public:
  static constexpr uint64_t kBitsPerEntry = 4;

  // Of so many entries.
  explicit SegmentHeat(uint64_t entries) : words_(entries / (64 / kBitsPerEntry) + 1) {}
  ~SegmentHeat() { delete[] bits_.load(std::memory_order_relaxed); }
  SegmentHeat(const SegmentHeat&) = delete;
  SegmentHeat& operator=(const SegmentHeat&) = delete;

  // An entry of a key with this Hash64() was found.
  void Record(uint64_t key_hash, const HeatMemory& memory) {
    Word* bits = bits_.load(std::memory_order_acquire);  // with the zeros in it
    if (bits == nullptr) [[unlikely]] {
      bits = Allocate(memory);
      if (bits == nullptr) return;
    }
    const uint64_t bit = BitOf(key_hash);
    Word& word = bits[bit / 64];
    const uint64_t mask = uint64_t{1} << (bit % 64);
    if ((word.load(std::memory_order_relaxed) & mask) == 0) {
      word.fetch_or(mask, std::memory_order_relaxed);
    }
  }
  // False if none was.
  bool WasHit(uint64_t key_hash) const {
    const Word* const bits = bits_.load(std::memory_order_acquire);
    if (bits == nullptr) return false;
    const uint64_t bit = BitOf(key_hash);
    return (bits[bit / 64].load(std::memory_order_relaxed) >> (bit % 64) & 1) != 0;
  }
  bool AnyHit() const { return bits_.load(std::memory_order_relaxed) != nullptr; }
  size_t memory_bytes() const { return AnyHit() ? words_ * sizeof(Word) : 0; }

 private:
  using Word = std::atomic<uint64_t>;

  uint64_t BitOf(uint64_t key_hash) const {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(key_hash) * (64 * words_)) >> 64);
  }
  // Of those who come at once the first one's stays. Null where there is no memory for it.
  Word* Allocate(const HeatMemory& memory);

  const uint64_t words_;
  std::atomic<Word*> bits_{nullptr};
  MemoryCharge charge_;  // of whoever has set bits_, once
};

}  // namespace varve

#endif  // VARVE_CACHE_SEGMENT_HEAT_H_
