#ifndef VARVE_UTIL_CRC32C_H_
#define VARVE_UTIL_CRC32C_H_

#include <cstdint>

#include "varve/slice.h"

namespace varve {

// The CRC of `data` appended to bytes whose CRC is `crc`: CRC-32C (Castagnoli, RFC 3720), with the
// usual inversions, so Crc32c("123456789") is 0xe3069283.
uint32_t ExtendCrc32c(uint32_t crc, Slice data);

inline uint32_t Crc32c(Slice data) { return ExtendCrc32c(0, data); }

// The implementations, for tests and benchmarks; ExtendCrc32c is the best the machine can run.
namespace internal {
uint32_t ExtendCrc32cPortable(uint32_t crc, Slice data);
// The hardware's, or null if this machine has none.
uint32_t (*HardwareCrc32c())(uint32_t crc, Slice data);
}  // namespace internal

}  // namespace varve

#endif  // VARVE_UTIL_CRC32C_H_
