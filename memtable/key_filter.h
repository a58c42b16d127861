#ifndef VARVE_MEMTABLE_KEY_FILTER_H_
#define VARVE_MEMTABLE_KEY_FILTER_H_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>

#include "util/zeroed_memory.h"

// Which keys a memtable cannot hold. Reads ask several memtables before they come to segments, and
// hardly ever find the key in one: a search of the skiplist costs a microsecond, this one word.
//
// A Bloom filter whose bits for a key all lie in one word of 64 (Putze, Sanders, Singler, "Cache-,
// hash- and space-efficient Bloom filters", 2007: blocked, with the smallest blocks): the high half
// of the key's hash picks the word, the hash times an odd constant kProbes bits in it. So adding is
// one store, or one atomic "or" beside other writers, and asking is one load.
//
// It has kBytesPerFilterByte-th of the memtable's bytes: 23 bits a key where an entry takes 180
// bytes (keys of 16, values of 100), which lets 0.2 % of absent keys through. Smaller entries let
// more through and larger ones fewer. It is committed when it is made: adding reads before it
// writes (see util/zeroed_memory.h).
//
// Thread safety: Add() by one thread at a time, or AddConcurrently() by any number, as in MemTable;
// MayContain() beside them. A key is surely found by who was told of it by the thread that added
// it: here by the published sequence.

namespace varve {

class KeyFilter {
 public:
  static constexpr size_t kBytesPerFilterByte = 64;

  // For a memtable of so many bytes. With 0, or without memory, every key may be there.
  explicit KeyFilter(size_t memtable_bytes)
      : count_(std::min<size_t>(memtable_bytes / kBytesPerFilterByte / sizeof(Word), UINT32_MAX)),
        words_(count_ == 0 ? nullptr : static_cast<Word*>(AllocateZeroed(bytes(), Commit::kNow))) {
    if (words_ == nullptr) count_ = 0;
  }
  ~KeyFilter() {
    if (words_ != nullptr) FreeZeroed(words_, bytes());
  }
  KeyFilter(const KeyFilter&) = delete;
  KeyFilter& operator=(const KeyFilter&) = delete;

  bool used() const { return count_ != 0; }
  size_t bytes() const { return count_ * sizeof(Word); }

  void Add(uint64_t key_hash) {
    Word& word = WordOf(key_hash);
    word.store(word.load(std::memory_order_relaxed) | BitsOf(key_hash), std::memory_order_relaxed);
  }
  void AddConcurrently(uint64_t key_hash) {
    WordOf(key_hash).fetch_or(BitsOf(key_hash), std::memory_order_relaxed);
  }
  bool MayContain(uint64_t key_hash) const {
    const uint64_t bits = BitsOf(key_hash);
    return (WordOf(key_hash).load(std::memory_order_relaxed) & bits) == bits;
  }

 private:
  using Word = std::atomic<uint64_t>;  // zeros are a valid one, on all that we build for
  static constexpr int kProbes = 4;

  Word& WordOf(uint64_t key_hash) const { return words_[(key_hash >> 32) * count_ >> 32]; }
  static uint64_t BitsOf(uint64_t key_hash) {
    const uint64_t h = key_hash * 0x9e3779b97f4a7c15u;
    uint64_t bits = 0;
    for (int i = 0; i < kProbes; ++i) bits |= uint64_t{1} << ((h >> (58 - 6 * i)) & 63);
    return bits;
  }

  size_t count_;
  Word* const words_;
};

}  // namespace varve

#endif  // VARVE_MEMTABLE_KEY_FILTER_H_
