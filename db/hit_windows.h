#ifndef VARVE_DB_HIT_WINDOWS_H_
#define VARVE_DB_HIT_WINDOWS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace varve {

// What of the counters the ratios of hits are made of.
struct HitCounts {
  uint64_t hits = 0;
  uint64_t misses = 0;
  uint64_t hit_bytes = 0;        // keys and values that were found
  uint64_t written_entries = 0;  // and …
  uint64_t written_bytes = 0;    // … their keys and values

  uint64_t gets() const { return hits + misses; }
  // What came after `before`. Counters that were set back give nothing.
  HitCounts Since(const HitCounts& before) const;
  bool IsBehind(const HitCounts& other) const;
};

// Of the gets that found something or nothing, the part that found it; not a number without any.
double HitRatio(const HitCounts& counts);
// The same of the bytes asked for. What a miss would have given is not known; it counts as much as
// an entry written on the average, in `counts`, else in `longer`, else as much as a hit. Exact
// where each miss is followed by a write of what was missed.
double ByteHitRatio(const HitCounts& counts, const HitCounts& longer);

// The counts of the last minutes, from counters that only rise: it keeps what they were, a minute
// or more apart, and takes differences. Whoever asks or has other work to do calls Advance() when
// it likes; if nobody does for a while, the interval that was under way becomes as much longer. So
// no thread is needed, and nothing is done where the counters are counted.
//
// Not thread-safe.
class HitWindows {
 public:
  static constexpr uint64_t kIntervalNanos = 60'000'000'000;
  static constexpr size_t kIntervals = 10;

  struct Interval {
    uint64_t nanos = 0;  // how long it was
    HitCounts counts;
  };

  // `now_nanos` never runs back. Counters that were set back begin anew.
  void Advance(uint64_t now_nanos, const HitCounts& counts);

  // After Advance() with the same arguments: the intervals, newest first. The first is under way;
  // as many follow as together make the last kIntervals minutes, or all there were.
  std::vector<Interval> Intervals(uint64_t now_nanos, const HitCounts& counts) const;
  // All of them as one.
  Interval Recent(uint64_t now_nanos, const HitCounts& counts) const;

 private:
  struct Sample {
    uint64_t at_nanos;
    HitCounts counts;
  };
  // Oldest first, kIntervalNanos or more apart; the second is younger than all intervals together.
  std::deque<Sample> samples_;
};

}  // namespace varve

#endif  // VARVE_DB_HIT_WINDOWS_H_
