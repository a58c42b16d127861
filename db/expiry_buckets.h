#ifndef VARVE_DB_EXPIRY_BUCKETS_H_
#define VARVE_DB_EXPIRY_BUCKETS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

// Into which output of a flush a key goes, so that segments expire whole: what dies together lies
// together. A pure function of what is counted in a first pass over the memtables; a second pass
// writes all outputs side by side.
//
//  1. A key is counted where its longest-lived version is, with the bytes of all its versions: they
//     go to one output, or the newest would expire and uncover an older one (RULES R1.3). A version
//     without an expiry, a tombstone among them, lives for ever.
//  2. The *bucket* of a key is the power of two of the time that is left; there is one for what has
//     expired, and one for what lives for ever. An output is a range of buckets, so that it lives
//     at most a little more than twice as long as what dies first in it, unless (3) joined some.
//  3. An output of less than a quarter of a segment joins its nearer neighbour, the smallest first,
//     until none is left or one is all; then the smallest joins its neighbour until there are
//     kOutputsMax, but what lives for ever stays apart. *Nearer* is by powers of two, and nothing
//     is farther than what lives for ever, for what joins that is never freed by time. Of two that
//     are as near it is the longer-lived one: the room of the few that join comes back later, not
//     that of the many that they join.
//
// Rejected: outputs of equal size, which cut wherever it comes; and fixed bounds of time, which
// make many small segments of some workloads and one large one of others.
//
// Not thread-safe.

namespace varve {

// The expiry of what has none.
inline constexpr uint64_t kNeverExpires = UINT64_MAX;

// Which output takes what. Outputs are numbered from the shortest-lived on. Immutable.
class ExpiryOutputs {
 public:
  static constexpr size_t kOutputsMax = 8;

  // One output for all.
  ExpiryOutputs() = default;

  size_t count() const { return ends_.size() + 1; }
  // What was counted for one of them.
  uint64_t bytes(size_t output) const { return output < bytes_.size() ? bytes_[output] : 0; }
  // The one for a key of which the longest-lived version expires then. Takes any, counted or not.
  size_t OutputOf(uint64_t expires_at_ms) const;

 private:
  friend class ExpiryBuckets;

  uint64_t now_ms_ = 0;
  // Of each output but the last: the first bucket behind it.
  std::vector<uint32_t> ends_;
  std::vector<uint64_t> bytes_;
};

class ExpiryBuckets {
 public:
  // Time that is left is counted from `now_ms`, milliseconds since 1970, in both passes.
  explicit ExpiryBuckets(uint64_t now_ms) : now_ms_(now_ms) {}

  // A key: when its longest-lived version expires, and the bytes of all of them.
  void Add(uint64_t expires_at_ms, uint64_t bytes) {
    bytes_[BucketOf(now_ms_, expires_at_ms)] += bytes;
  }

  // 0 to kBuckets - 1, ascending with the expiry.
  static uint32_t BucketOf(uint64_t now_ms, uint64_t expires_at_ms);
  // Expired, 64 powers of two, for ever.
  static constexpr uint32_t kBuckets = 66;

  // What to make of what was added, for segments of about `segment_bytes`.
  ExpiryOutputs Plan(uint64_t segment_bytes) const;

 private:
  const uint64_t now_ms_;
  std::array<uint64_t, kBuckets> bytes_{};
};

}  // namespace varve

#endif  // VARVE_DB_EXPIRY_BUCKETS_H_
