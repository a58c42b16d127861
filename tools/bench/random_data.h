#ifndef VARVE_TOOLS_BENCH_RANDOM_DATA_H_
#define VARVE_TOOLS_BENCH_RANDOM_DATA_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "varve/slice.h"

namespace varve::bench {

// Values of a given compressibility, made as db_bench makes them: a pool of at least 1 MiB out of
// pieces of 100 bytes, each of which repeats its first `compression_ratio` part, random bytes, to
// its end. Handing out a value copies nothing: it is the next stretch of the pool. Not thread-safe.
class RandomData {
 public:
  // `value_bytes_max`: the longest value that will be asked for.
  RandomData(uint64_t seed, double compression_ratio, size_t value_bytes_max);

  // Valid as long as this object.
  Slice Next(size_t bytes) {
    if (position_ + bytes > pool_.size()) position_ = 0;
    const Slice value(pool_.data() + position_, bytes);
    position_ += bytes;
    return value;
  }

  Slice pool() const { return pool_; }

  static constexpr size_t kPieceBytes = 100;
  static constexpr size_t kPoolBytesMin = size_t{1} << 20;

 private:
  std::string pool_;
  size_t position_ = 0;
};

}  // namespace varve::bench

#endif  // VARVE_TOOLS_BENCH_RANDOM_DATA_H_
