#ifndef VARVE_TOOLS_BENCH_KEY_CODEC_H_
#define VARVE_TOOLS_BENCH_KEY_CODEC_H_

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>

#include "varve/slice.h"

namespace varve::bench {

// Numbers as keys, in the shape of db_bench: the number in 8 bytes, big-endian, then '0' up to the
// length; keys shorter than 8 bytes hold the low bytes. So keys sort as their numbers do, and a
// longer key of the same number sorts just behind the shorter one. Reuses one buffer.
class KeyCodec {
 public:
  explicit KeyCodec(int key_bytes) : key_(static_cast<size_t>(key_bytes), '0') {}

  // Valid until the next call.
  Slice Encode(uint64_t number) {
    static_assert(std::endian::native == std::endian::little);
    const uint64_t big_endian = __builtin_bswap64(number);
    if (key_.size() >= sizeof(big_endian)) [[likely]] {
      std::memcpy(key_.data(), &big_endian, sizeof(big_endian));
    } else {
      const char* low = reinterpret_cast<const char*>(&big_endian) + sizeof(big_endian);
      std::memcpy(key_.data(), low - key_.size(), key_.size());
    }
    return key_;
  }

 private:
  std::string key_;
};

}  // namespace varve::bench

#endif  // VARVE_TOOLS_BENCH_KEY_CODEC_H_
