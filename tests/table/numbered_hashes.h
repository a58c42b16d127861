#ifndef VARVE_TESTS_TABLE_NUMBERED_HASHES_H_
#define VARVE_TESTS_TABLE_NUMBERED_HASHES_H_

#include <cstdint>

#include "util/coding.h"
#include "util/hash.h"

namespace varve {

// The hash of key number n, of 16 bytes.
inline uint64_t HashOf(uint64_t n) {
  char key[16];
  EncodeFixed64(key, n);
  EncodeFixed64(key + 8, 0x3030303030303030);
  return Hash64(Slice(key, sizeof(key)));
}

}  // namespace varve

#endif  // VARVE_TESTS_TABLE_NUMBERED_HASHES_H_
