#ifndef VARVE_TOOLS_BENCH_TRACE_VALUES_H_
#define VARVE_TOOLS_BENCH_TRACE_VALUES_H_

#include <cstdint>
#include <string>

#include "tools/bench/random_data.h"
#include "varve/slice.h"

namespace varve::bench {

// Values that tell whose they are. The value of a key hash and a stamp (one for each write) is the
// stamp in its first 8 bytes, and then a stretch of a pool of random data, at a place that depends
// on both; values below 8 bytes are the stretch alone. So the value of another key, of an earlier
// write, or one with a byte changed is told from the right one, at the speed of memcmp, and the
// data compresses as asked for. One thread.
class TraceValues {
 public:
  explicit TraceValues(double compression_ratio);

  // Valid until the next call.
  Slice Make(uint64_t key_hash, uint64_t stamp, uint64_t bytes);
  bool Matches(Slice value, uint64_t key_hash, uint64_t stamp, uint64_t bytes) const;
  // Whether `value` is the key's of some write, for one nobody has a record of. Below 8 bytes it
  // cannot tell, and says yes.
  bool MatchesSomeWrite(Slice value, uint64_t key_hash) const;

 private:
  size_t PlaceOf(uint64_t key_hash, uint64_t stamp) const;

  // The same in every process, so that what an earlier one wrote can be checked.
  const RandomData data_;
  std::string value_;
};

}  // namespace varve::bench

#endif  // VARVE_TOOLS_BENCH_TRACE_VALUES_H_
