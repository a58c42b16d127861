#ifndef VARVE_CACHE_ADMISSION_H_
#define VARVE_CACHE_ADMISSION_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "util/hash.h"
#include "util/memory_budget.h"
#include "util/mutex.h"
#include "varve/admission_policy.h"

namespace varve {

// Hashes of keys, of which it may be asked whether they are in it: a blocked Bloom filter of fixed
// size, all four bits of a key in one line. Takes no memory while it is empty. Not thread-safe.
class SeenKeys {
 public:
  // A filter of about so many bytes, at least one line.
  explicit SeenKeys(size_t bytes) : lines_(bytes / sizeof(Line) + (bytes < sizeof(Line))) {}

  bool MayContain(uint64_t key_hash) const {
    if (bits_ == nullptr) return false;
    const Line& line = bits_[LineOf(key_hash)];
    bool all = true;
    for (int probe = 0; probe < kProbes; ++probe) {
      const uint32_t bit = BitOf(key_hash, probe);
      all &= (line.words[bit / 64] >> (bit % 64) & 1) != 0;
    }
    return all;
  }
  void Add(uint64_t key_hash) {
    if (bits_ == nullptr) bits_ = std::make_unique<Line[]>(lines_);  // cleared (Checklist E2)
    Line& line = bits_[LineOf(key_hash)];
    for (int probe = 0; probe < kProbes; ++probe) {
      const uint32_t bit = BitOf(key_hash, probe);
      line.words[bit / 64] |= uint64_t{1} << (bit % 64);
    }
    ++keys_;
  }
  bool empty() const { return keys_ == 0; }
  // Ten bits a key: one in sixty seems to be there and is not.
  bool full() const { return keys_ >= lines_ * sizeof(Line) * 8 / 10; }
  size_t memory_bytes() const { return bits_ == nullptr ? 0 : lines_ * sizeof(Line); }

 private:
  static constexpr int kProbes = 4;
  struct alignas(64) Line {
    uint64_t words[8] = {};
  };

  size_t LineOf(uint64_t hash) const {
    return static_cast<size_t>((static_cast<unsigned __int128>(hash) * lines_) >> 64);
  }
  static uint32_t BitOf(uint64_t hash, int probe) { return Mix64(hash) >> (9 * probe) & 511; }

  size_t lines_;
  uint64_t keys_ = 0;
  std::unique_ptr<Line[]> bits_;  // null: nothing was added
};

// Says which puts a cache takes, by what it was told of those before. It knows no time and no
// entry, so whoever asks decides what becomes of what is refused: a delete (Checklist E8).
//
// kSeenBefore keeps two filters of the keys that were put: the current one, and the one before.
// When puts of a quarter of the capacity have gone into the current one, or it is full, it becomes
// the one before. So a key is known for a quarter to a half of the capacity after it was put.
// Together they take at most 1/512 of the capacity in memory, 64 MiB at the most, and what the
// budget of memory leaves them; of that what is used. Smaller ones are full sooner, and a key is
// known for less.
//
// Thread safety: all of it. The lock is held for the time of a look-up, and by who uses
// kSeenBefore.
class Admission {
 public:
  // Null for kAll: nothing need be asked.
  static std::unique_ptr<Admission> Create(AdmissionPolicy policy, uint64_t capacity_bytes,
                                           std::shared_ptr<MemoryBudget> memory = nullptr);

  // What both filters may take; each gets its size when it begins.
  void SetMemoryMax(uint64_t bytes) { memory_max_.store(bytes, std::memory_order_relaxed); }

  // Whether a put of so many bytes, key and value, is taken. It counts as seen from now on.
  bool Admit(uint64_t key_hash, uint64_t bytes) EXCLUDES(mu_);
  size_t memory_bytes() const EXCLUDES(mu_);

 private:
  Admission(uint64_t capacity_bytes, std::shared_ptr<MemoryBudget> memory);
  size_t FilterBytes() const;

  const uint64_t capacity_bytes_;
  const uint64_t turn_bytes_;
  std::atomic<uint64_t> memory_max_{UINT64_MAX};  // relaxed: a setting
  mutable Mutex mu_;
  SeenKeys current_ GUARDED_BY(mu_);
  SeenKeys before_ GUARDED_BY(mu_);
  uint64_t current_bytes_ GUARDED_BY(mu_) = 0;
  MemoryCharge memory_ GUARDED_BY(mu_);
};

}  // namespace varve

#endif  // VARVE_CACHE_ADMISSION_H_
