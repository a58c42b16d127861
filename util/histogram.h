#ifndef VARVE_UTIL_HISTOGRAM_H_
#define VARVE_UTIL_HISTOGRAM_H_

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "varve/statistics.h"

// Distributions of numbers, in buckets that are log-linear: below 64 each number has its own;
// above, each power of two is cut in 64. So a number is known to within 1/64, 1.6 %, whatever its
// size, and all of uint64_t fits 3,776 buckets.

namespace varve {

namespace histogram {
inline constexpr int kLinearBits = 6;
inline constexpr size_t kBuckets = (64 - kLinearBits + 1) << kLinearBits;

inline size_t BucketOf(uint64_t value) {
  if (value < (uint64_t{1} << kLinearBits)) return value;
  const int shift = std::bit_width(value) - kLinearBits - 1;
  return (static_cast<size_t>(shift) << kLinearBits) + (value >> shift);
}
// The lowest and the highest value of a bucket.
inline uint64_t BucketLow(size_t bucket) {
  if (bucket < (size_t{2} << kLinearBits)) return bucket;
  const int shift = static_cast<int>(bucket >> kLinearBits) - 1;
  return ((bucket & ((1 << kLinearBits) - 1)) | (uint64_t{1} << kLinearBits)) << shift;
}
inline uint64_t BucketHigh(size_t bucket) {
  return bucket + 1 == kBuckets ? UINT64_MAX : BucketLow(bucket + 1) - 1;
}
}  // namespace histogram

// For one thread. Mergeable. 30 KiB.
class Histogram {
 public:
  Histogram() : buckets_(histogram::kBuckets) {}

  void Add(uint64_t value) { AddMany(value, 1); }
  void AddMany(uint64_t value, uint64_t times);
  void Merge(const Histogram& other);
  void Clear();

  uint64_t count() const { return count_; }
  double sum() const { return sum_; }
  uint64_t minimum() const { return count_ == 0 ? 0 : minimum_; }
  uint64_t maximum() const { return maximum_; }
  double average() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }
  // The value below or at which `percent` of all lie, to within 1.6 %; 0 if there is none.
  uint64_t Percentile(double percent) const;
  HistogramData Summary() const;
  // Count, average, extremes, percentiles, then a line for each power of two that was met.
  std::string ToString() const;

 private:
  friend class AtomicHistogram;

  std::vector<uint64_t> buckets_;
  uint64_t count_ = 0;
  uint64_t minimum_ = UINT64_MAX;
  uint64_t maximum_ = 0;
  double sum_ = 0;
};

// For any number of threads: they spread over stripes by ThreadIndex(), each made when first
// needed. What is added while it is read or cleared may count before or after.
class AtomicHistogram {
 public:
  AtomicHistogram() = default;
  ~AtomicHistogram();
  AtomicHistogram(const AtomicHistogram&) = delete;
  AtomicHistogram& operator=(const AtomicHistogram&) = delete;

  void Add(uint64_t value);
  void MergeInto(Histogram* histogram) const;
  void Clear();

 private:
  struct Stripe;
  static constexpr uint32_t kStripes = 16;

  Stripe* MakeStripe(uint32_t index);

  std::array<std::atomic<Stripe*>, kStripes> stripes_{};
};

}  // namespace varve

#endif  // VARVE_UTIL_HISTOGRAM_H_
