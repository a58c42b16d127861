#ifndef VARVE_UTIL_HASH_H_
#define VARVE_UTIL_HASH_H_

#include <cstdint>

// Inlined, so that the hash of a short key is a few instructions and no call.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "varve/slice.h"

namespace varve {

// XXH3, 64 bits. Part of the disk format (filters): the same for ever, on every machine.
inline uint64_t Hash64(Slice data) { return XXH3_64bits(data.data(), data.size()); }
inline uint64_t Hash64(Slice data, uint64_t seed) {
  return XXH3_64bits_withSeed(data.data(), data.size(), seed);
}

// Mixes 64 bits so that each bit of the input changes half of the output's (the finaliser of
// SplitMix64). One to one.
inline uint64_t Mix64(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

}  // namespace varve

#endif  // VARVE_UTIL_HASH_H_
