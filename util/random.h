#ifndef VARVE_UTIL_RANDOM_H_
#define VARVE_UTIL_RANDOM_H_

#include <bit>
#include <cstdint>

#include "util/hash.h"

namespace varve {

// xoshiro256** (Blackman and Vigna, 2018): the same numbers for a seed on every machine. Not
// thread-safe, not for secrets.
class Random {
 public:
  explicit Random(uint64_t seed) {
    for (uint64_t& word : state_) word = Mix64(seed += 0x9e3779b97f4a7c15u);
  }

  uint64_t Next() {
    const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  // In [0, n); n > 0. The bias is below n / 2^64.
  uint64_t Uniform(uint64_t n) {
    return static_cast<uint64_t>(static_cast<unsigned __int128>(Next()) * n >> 64);
  }
  // In [low, high], high >= low.
  uint64_t Between(uint64_t low, uint64_t high) {
    const uint64_t width = high - low + 1;
    return low + (width == 0 ? Next() : Uniform(width));
  }
  // True once in n times.
  bool OneIn(uint64_t n) { return Uniform(n) == 0; }
  // In [0, 1).
  double Real() { return static_cast<double>(Next() >> 11) * 0x1p-53; }
  // In [0, 2^bits), bits < 64, each number of bits up to that as likely: small numbers often, large
  // ones too.
  uint64_t Skewed(int bits) { return Next() & ((uint64_t{1} << Uniform(bits + 1)) - 1); }

 private:
  uint64_t state_[4];
};

}  // namespace varve

#endif  // VARVE_UTIL_RANDOM_H_
