#include "tools/bench/trace_values.h"

#include <algorithm>
#include <cstring>

#include "util/hash.h"

namespace varve::bench {
namespace {

constexpr uint64_t kPoolSeed = 20120611;
constexpr size_t kStampBytes = sizeof(uint64_t);

}  // namespace

TraceValues::TraceValues(double compression_ratio) : data_(kPoolSeed, compression_ratio, 0) {}

size_t TraceValues::PlaceOf(uint64_t key_hash, uint64_t stamp) const {
  return Mix64(key_hash ^ Mix64(stamp)) % data_.pool().size();
}

Slice TraceValues::Make(uint64_t key_hash, uint64_t stamp, uint64_t bytes) {
  value_.resize(bytes);
  size_t filled = 0;
  if (bytes >= kStampBytes) {
    std::memcpy(value_.data(), &stamp, kStampBytes);
    filled = kStampBytes;
  }
  const Slice pool = data_.pool();
  for (size_t place = PlaceOf(key_hash, stamp); filled < bytes; place = 0) {
    const size_t piece = std::min<size_t>(bytes - filled, pool.size() - place);
    std::memcpy(value_.data() + filled, pool.data() + place, piece);
    filled += piece;
  }
  return value_;
}

bool TraceValues::Matches(Slice value, uint64_t key_hash, uint64_t stamp, uint64_t bytes) const {
  if (value.size() != bytes) return false;
  size_t seen = 0;
  if (bytes >= kStampBytes) {
    if (std::memcmp(value.data(), &stamp, kStampBytes) != 0) return false;
    seen = kStampBytes;
  }
  const Slice pool = data_.pool();
  for (size_t place = PlaceOf(key_hash, stamp); seen < bytes; place = 0) {
    const size_t piece = std::min<size_t>(bytes - seen, pool.size() - place);
    if (std::memcmp(value.data() + seen, pool.data() + place, piece) != 0) return false;
    seen += piece;
  }
  return true;
}

bool TraceValues::MatchesSomeWrite(Slice value, uint64_t key_hash) const {
  if (value.size() < kStampBytes) return true;
  uint64_t stamp;
  std::memcpy(&stamp, value.data(), kStampBytes);
  return Matches(value, key_hash, stamp, value.size());
}

}  // namespace varve::bench
