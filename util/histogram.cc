#include "util/histogram.h"

#include <algorithm>
#include <cstdio>

#include "util/thread.h"

namespace varve {

void Histogram::AddMany(uint64_t value, uint64_t times) {
  if (times == 0) return;
  buckets_[histogram::BucketOf(value)] += times;
  count_ += times;
  sum_ += static_cast<double>(value) * static_cast<double>(times);
  minimum_ = std::min(minimum_, value);
  maximum_ = std::max(maximum_, value);
}

void Histogram::Merge(const Histogram& other) {
  for (size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  minimum_ = std::min(minimum_, other.minimum_);
  maximum_ = std::max(maximum_, other.maximum_);
}

void Histogram::Clear() { *this = Histogram(); }

uint64_t Histogram::Percentile(double percent) const {
  const double wanted = static_cast<double>(count_) * percent / 100;
  uint64_t seen = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (buckets_[i] != 0 && static_cast<double>(seen) >= wanted) {
      const uint64_t low = histogram::BucketLow(i);
      const uint64_t middle = low + (histogram::BucketHigh(i) - low) / 2;
      return std::clamp(middle, minimum(), maximum_);
    }
  }
  return maximum_;
}

HistogramData Histogram::Summary() const {
  HistogramData data;
  data.count = count_;
  data.average = average();
  data.minimum = minimum();
  data.median = Percentile(50);
  data.p95 = Percentile(95);
  data.p99 = Percentile(99);
  data.p999 = Percentile(99.9);
  data.maximum = maximum_;
  return data;
}

std::string Histogram::ToString() const {
  char line[256];
  const HistogramData data = Summary();
  auto number = [](uint64_t value) { return static_cast<unsigned long long>(value); };
  std::snprintf(
      line, sizeof(line),
      "count %llu average %.1f min %llu median %llu p95 %llu p99 %llu p99.9 %llu max %llu\n",
      number(data.count), data.average, number(data.minimum), number(data.median), number(data.p95),
      number(data.p99), number(data.p999), number(data.maximum));
  std::string text = line;
  uint64_t seen = 0;
  for (int bits = 0; bits <= 64; ++bits) {  // values of so many bits
    const uint64_t low = bits == 0 ? 0 : uint64_t{1} << (bits - 1);
    const uint64_t high = bits == 64 ? UINT64_MAX : (uint64_t{1} << bits) - 1;
    uint64_t sum = 0;
    const size_t last = histogram::BucketOf(high);
    for (size_t i = histogram::BucketOf(low); i <= last; ++i) sum += buckets_[i];
    if (sum == 0) continue;
    seen += sum;
    std::snprintf(line, sizeof(line), "[%20llu, %20llu] %12llu %7.3f%% %7.3f%%\n", number(low),
                  number(high), number(sum),
                  100.0 * static_cast<double>(sum) / static_cast<double>(count_),
                  100.0 * static_cast<double>(seen) / static_cast<double>(count_));
    text += line;
  }
  return text;
}

// ---- AtomicHistogram --------------------------------------------------------------------------

// All relaxed: numbers that nothing else is concluded from.
struct AtomicHistogram::Stripe {
  std::array<std::atomic<uint64_t>, histogram::kBuckets> buckets{};
  std::atomic<uint64_t> sum{0};
  std::atomic<uint64_t> minimum{UINT64_MAX};
  std::atomic<uint64_t> maximum{0};
};

AtomicHistogram::~AtomicHistogram() {
  for (auto& stripe : stripes_) delete stripe.load(std::memory_order_relaxed);
}

AtomicHistogram::Stripe* AtomicHistogram::MakeStripe(uint32_t index) {
  auto fresh = std::make_unique<Stripe>();
  Stripe* present = nullptr;
  // Release publishes the zeros; acquire sees those of whoever was first.
  if (stripes_[index].compare_exchange_strong(present, fresh.get(), std::memory_order_acq_rel)) {
    return fresh.release();
  }
  return present;
}

void AtomicHistogram::Add(uint64_t value) {
  const uint32_t index = ThreadIndex() % kStripes;
  Stripe* stripe = stripes_[index].load(std::memory_order_acquire);
  if (stripe == nullptr) stripe = MakeStripe(index);
  stripe->buckets[histogram::BucketOf(value)].fetch_add(1, std::memory_order_relaxed);
  stripe->sum.fetch_add(value, std::memory_order_relaxed);
  for (uint64_t low = stripe->minimum.load(std::memory_order_relaxed);
       value < low &&
       !stripe->minimum.compare_exchange_weak(low, value, std::memory_order_relaxed);) {
  }
  for (uint64_t high = stripe->maximum.load(std::memory_order_relaxed);
       value > high &&
       !stripe->maximum.compare_exchange_weak(high, value, std::memory_order_relaxed);) {
  }
}

void AtomicHistogram::MergeInto(Histogram* histogram) const {
  for (const auto& slot : stripes_) {
    const Stripe* stripe = slot.load(std::memory_order_acquire);
    if (stripe == nullptr) continue;
    uint64_t count = 0;
    for (size_t i = 0; i < histogram::kBuckets; ++i) {
      const uint64_t n = stripe->buckets[i].load(std::memory_order_relaxed);
      histogram->buckets_[i] += n;
      count += n;
    }
    if (count == 0) continue;
    histogram->count_ += count;
    histogram->sum_ += static_cast<double>(stripe->sum.load(std::memory_order_relaxed));
    histogram->minimum_ =
        std::min(histogram->minimum_, stripe->minimum.load(std::memory_order_relaxed));
    histogram->maximum_ =
        std::max(histogram->maximum_, stripe->maximum.load(std::memory_order_relaxed));
  }
}

void AtomicHistogram::Clear() {
  for (auto& slot : stripes_) {
    Stripe* stripe = slot.load(std::memory_order_acquire);
    if (stripe == nullptr) continue;
    for (auto& bucket : stripe->buckets) bucket.store(0, std::memory_order_relaxed);
    stripe->sum.store(0, std::memory_order_relaxed);
    stripe->minimum.store(UINT64_MAX, std::memory_order_relaxed);
    stripe->maximum.store(0, std::memory_order_relaxed);
  }
}

}  // namespace varve
