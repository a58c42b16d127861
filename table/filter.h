#ifndef VARVE_TABLE_FILTER_H_
#define VARVE_TABLE_FILTER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "table/segment_format.h"
#include "util/coding.h"
#include "util/hash.h"
#include "varve/slice.h"

// A blocked Bloom filter, of keys and perhaps of their prefixes: the hash of a key picks one line
// of 64 bytes, and all its bits lie in that line, so a probe costs one cache miss.
//
//  1. line = (high 32 bits of the hash) * lines >> 32
//  2. h = hash * kFilterMixA; probe i of the first seven sets bit (h >> (55 - 9 i)) & 511 of the
//     line; probes seven to thirteen do the same with h = (h ^ (h >> 32)) * kFilterMixB.
//
// All probes are computed and combined without a branch: whether the answer is yes or no, there
// is nothing to mispredict. The rates are in table/FORMAT.md, and a test measures them.
//
// Rejected: a plain Bloom filter (a line a probe), ribbon and xor filters (fewer bits, several
// lines, and slow to build).

namespace varve {

inline constexpr uint64_t kFilterMixA = 0x9e3779b97f4a7c15;
inline constexpr uint64_t kFilterMixB = 0xd6e8feb86659fd93;

// What stands for a prefix of keys in a filter, beside Hash64() of the keys.
inline uint64_t PrefixHash(Slice prefix) { return Hash64(prefix, kPrefixHashSeed); }

// Collects the hashes of the keys of a segment. Not thread-safe.
class FilterBuilder {
 public:
  explicit FilterBuilder(int bits_per_key) : bits_per_key_(bits_per_key) {}

  void Add(uint64_t key_hash) { hashes_.push_back(key_hash); }
  // Of the block's content, if it were finished now.
  uint64_t EstimatedBytes() const;
  // Replaces *content by the filter.
  void Finish(std::string* content);

  // The number of probes that gives the lowest rate.
  static int ProbesFor(int bits_per_key);

 private:
  const int bits_per_key_;
  std::vector<uint64_t> hashes_;
};

// Asks a filter block where it lies in memory. Thread safety: immutable after Parse.
class Filter {
 public:
  // `content` must outlive the filter; lines are fastest where it is aligned to 64 bytes. Null, or
  // what is wrong with it.
  const char* Parse(Slice content);

  bool MayContain(uint64_t key_hash) const {
    const char* const line = Line(key_hash);
    uint64_t h = key_hash * kFilterMixA;
    uint64_t all = 1;
    const int first = probes_ < 7 ? probes_ : 7;
    for (int i = 0; i < first; ++i) all &= Bit(line, h >> (55 - 9 * i));
    if (probes_ > 7) {
      h = (h ^ (h >> 32)) * kFilterMixB;
      for (int i = 0; i < probes_ - 7; ++i) all &= Bit(line, h >> (55 - 9 * i));
    }
    return all != 0;
  }
  void Prefetch(uint64_t key_hash) const { __builtin_prefetch(Line(key_hash)); }

  int probes() const { return probes_; }
  uint64_t lines() const { return line_count_; }

 private:
  const char* Line(uint64_t key_hash) const {
    return lines_ + ((key_hash >> 32) * line_count_ >> 32) * kFilterLineBytes;
  }
  static uint64_t Bit(const char* line, uint64_t h) {
    return DecodeFixed64(line + ((h >> 6) & 7) * 8) >> (h & 63);
  }

  const char* lines_ = nullptr;
  uint64_t line_count_ = 0;
  int probes_ = 0;
};

}  // namespace varve

#endif  // VARVE_TABLE_FILTER_H_
