#ifndef VARVE_TABLE_HASH_SET_H_
#define VARVE_TABLE_HASH_SET_H_

#include <cstdint>
#include <string>
#include <vector>

#include "table/ghost_format.h"
#include "util/coding.h"
#include "varve/slice.h"

// A set of hashes in few bits, which can be asked and listed. With r remainder bits and n keys:
//
//  1. A hash is scaled to a *value* in [0, n * 2^r): the upper half of hash * (n * 2^r). So values
//     ascend as hashes do, and one of them stands for 2^64 / (n * 2^r) neighbouring hashes.
//  2. The r lowest bits of a value are its *remainder*, what is above them its *unit*. 64 units are
//     a *stretch*: as hashes are spread evenly, it holds 64 keys, more or less. How many keys lie
//     before each stretch stands in a table, and says where its bits begin.
//  3. A stretch of k keys is written as 64 + k bits, for each of its units as many ones as it has
//     keys and then a zero; behind them k remainders, ascending within a unit. (Elias 1974, Fano
//     1971.)
//  4. A question finds the end of the unit before its own, among bits that mostly lie in two words,
//     and compares the remainders of one unit: one on average. It says yes wrongly for one other
//     hash in 2^r.
//
// Values that are equal are written as often as they occur.

namespace varve {

// The value of a hash, for a range of values [0, range).
inline uint64_t ScaledHash(uint64_t hash, uint64_t range) {
  return static_cast<uint64_t>((static_cast<unsigned __int128>(hash) * range) >> 64);
}

// Collects hashes, one for each key. Not thread-safe. Memory: 8 bytes a key.
class HashSetBuilder {
 public:
  // 1 to kHashSetRemainderBitsMax.
  explicit HashSetBuilder(int remainder_bits) : remainder_bits_(remainder_bits) {}

  void Add(uint64_t hash) { hashes_.push_back(hash); }
  uint64_t keys() const { return hashes_.size(); }
  // Of the content, if it were finished now.
  uint64_t ContentBytes() const;
  // Replaces *content by the set and forgets the hashes. There are at most kHashSetKeysMax.
  void Finish(std::string* content);

 private:
  const int remainder_bits_;
  std::vector<uint64_t> hashes_;
};

// Asks and lists a set where it lies in memory. Thread safety: immutable after Parse.
//
// Parse checks what memory safety rests on, in the time that the table of stretches takes. Any bits
// behind it give an answer, and no read leaves the content and its slack; whether they are a set at
// all is for Check to say.
class HashSet {
 public:
  // So many bytes behind the content must be readable.
  static constexpr size_t kSlackBytes = 8;

  // `content` must outlive the set. Null, or what is wrong with it.
  const char* Parse(Slice content);
  // Reads everything: null, or what is wrong.
  const char* Check() const;

  bool MayContain(uint64_t hash) const;
  // Starts to load what MayContain() reads first.
  void Prefetch(uint64_t hash) const {
    if (keys_ == 0) return;
    const uint64_t unit = ScaledHash(hash, range()) >> remainder_bits_;
    __builtin_prefetch(table_ + unit / kHashSetStretchUnits * sizeof(uint32_t));
    // Where the stretch lies if all before it hold 64 keys each; it is seldom far from there.
    const uint64_t bits = unit * (remainder_bits_ + 2);
    __builtin_prefetch(bits_ + bits / 8);
  }

  uint64_t keys() const { return keys_; }
  int remainder_bits() const { return remainder_bits_; }
  // Values are in [0, range()).
  uint64_t range() const { return keys_ << remainder_bits_; }
  // The lowest hash that has this value.
  uint64_t LowestHash(uint64_t value) const;

  // Lists the values, ascending. Of damaged bits it lists others, or fewer.
  class Cursor {
   public:
    explicit Cursor(const HashSet& set) : set_(set) { Next(); }
    bool Valid() const { return valid_; }
    uint64_t value() const { return value_; }
    void Next();

   private:
    const HashSet& set_;
    uint64_t stretch_ = 0;
    uint64_t at_ = 0;  // of the bits of units in the stretch
    uint64_t ones_ = 0;
    uint64_t value_ = 0;
    bool valid_ = false;
  };

 private:
  // The bits of one stretch: [units, units + 64 + keys), then remainders.
  struct Stretch {
    uint64_t keys;
    uint64_t units;       // bit where they begin
    uint64_t remainders;  // likewise
  };

  uint64_t stretches() const { return (keys_ + kHashSetStretchUnits - 1) / kHashSetStretchUnits; }
  uint64_t KeysBefore(uint64_t stretch) const {
    return DecodeFixed32(table_ + stretch * sizeof(uint32_t));
  }
  Stretch StretchAt(uint64_t stretch) const {
    const uint64_t before = KeysBefore(stretch);
    const uint64_t keys = KeysBefore(stretch + 1) - before;
    const uint64_t units = stretch * kHashSetStretchUnits + before * (remainder_bits_ + 1);
    return {keys, units, units + kHashSetStretchUnits + keys};
  }
  // 57 bits from there on, above them some more.
  uint64_t BitsAt(uint64_t bit) const { return DecodeFixed64(bits_ + (bit >> 3)) >> (bit & 7); }
  uint64_t RemainderAt(const Stretch& stretch, uint64_t i) const {
    return BitsAt(stretch.remainders + i * remainder_bits_) &
           ((uint64_t{1} << remainder_bits_) - 1);
  }

  const char* table_ = nullptr;
  const char* bits_ = nullptr;
  uint64_t keys_ = 0;
  int remainder_bits_ = 0;
};

}  // namespace varve

#endif  // VARVE_TABLE_HASH_SET_H_
