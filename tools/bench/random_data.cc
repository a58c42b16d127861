#include "tools/bench/random_data.h"

#include <algorithm>

#include "util/random.h"

namespace varve::bench {

RandomData::RandomData(uint64_t seed, double compression_ratio, size_t value_bytes_max) {
  Random random(seed);
  const size_t size = std::max(kPoolBytesMin, value_bytes_max);
  const auto raw_bytes = std::clamp<size_t>(
      static_cast<size_t>(static_cast<double>(kPieceBytes) * compression_ratio), 1, kPieceBytes);
  pool_.reserve(size + kPieceBytes);
  while (pool_.size() < size) {
    const size_t start = pool_.size();
    for (size_t i = 0; i < raw_bytes; ++i) pool_.push_back(static_cast<char>(random.Next() >> 56));
    while (pool_.size() < start + kPieceBytes) pool_.push_back(pool_[pool_.size() - raw_bytes]);
  }
}

}  // namespace varve::bench
