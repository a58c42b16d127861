#include "util/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "util/random.h"

namespace varve {
namespace {

TEST(HistogramBuckets, CoverEveryNumberOnce) {
  EXPECT_EQ(histogram::BucketOf(0), 0u);
  EXPECT_EQ(histogram::BucketOf(UINT64_MAX), histogram::kBuckets - 1);
  for (size_t bucket = 0; bucket < histogram::kBuckets; ++bucket) {
    const uint64_t low = histogram::BucketLow(bucket), high = histogram::BucketHigh(bucket);
    ASSERT_LE(low, high);
    ASSERT_EQ(histogram::BucketOf(low), bucket);
    ASSERT_EQ(histogram::BucketOf(high), bucket);
    // 1.6 % at most.
    ASSERT_LE(static_cast<double>(high - low), static_cast<double>(low) / 64 + 0.5);
    if (bucket > 0) {
      ASSERT_EQ(histogram::BucketHigh(bucket - 1) + 1, low);
    }
  }
}

TEST(Histogram, IsEmptyAtFirst) {
  Histogram h;
  const HistogramData data = h.Summary();
  EXPECT_EQ(data.count, 0u);
  EXPECT_EQ(data.minimum, 0u);
  EXPECT_EQ(data.median, 0u);
  EXPECT_EQ(data.maximum, 0u);
  EXPECT_EQ(data.average, 0);
}

TEST(Histogram, IsExactForSmallNumbers) {
  Histogram h;
  for (uint64_t i = 1; i <= 100; ++i) h.Add(i);
  EXPECT_EQ(h.Percentile(50), 50u);
  EXPECT_EQ(h.Percentile(99), 99u);
  EXPECT_EQ(h.Percentile(100), 100u);
  EXPECT_EQ(h.minimum(), 1u);
  EXPECT_EQ(h.maximum(), 100u);
  EXPECT_EQ(h.average(), 50.5);
}

TEST(Histogram, PercentilesAreWithinTheirBound) {
  Random random(301);
  Histogram h;
  std::vector<uint64_t> values;
  for (int i = 0; i < 50000; ++i) values.push_back(random.Skewed(50));
  for (uint64_t value : values) h.Add(value);
  std::sort(values.begin(), values.end());
  for (double percent : {1.0, 25.0, 50.0, 90.0, 95.0, 99.0, 99.9}) {
    const double exact = static_cast<double>(values[std::lround(percent / 100 * 50000) - 1]);
    EXPECT_NEAR(static_cast<double>(h.Percentile(percent)), exact, exact / 64 + 1) << percent;
  }
  EXPECT_EQ(h.maximum(), values.back());
  EXPECT_EQ(h.minimum(), values.front());
}

TEST(Histogram, MergesAsIfAddedToOne) {
  Random random(7);
  Histogram all, parts[3];
  for (int i = 0; i < 3000; ++i) {
    const uint64_t value = random.Skewed(40);
    all.Add(value);
    parts[i % 3].Add(value);
  }
  Histogram merged;
  for (const Histogram& part : parts) merged.Merge(part);
  merged.Merge(Histogram());
  EXPECT_EQ(merged.count(), 3000u);
  EXPECT_EQ(merged.ToString(), all.ToString());
  merged.Clear();
  EXPECT_EQ(merged.ToString(), Histogram().ToString());
}

TEST(Histogram, TextCountsEveryValueOnce) {
  Histogram h;
  h.AddMany(0, 5);
  h.AddMany(1000, 90);
  h.AddMany(UINT64_MAX, 5);
  const std::string text = h.ToString();
  EXPECT_NE(text.find("count 100 "), std::string::npos) << text;
  EXPECT_NE(text.find("90.000%  95.000%"), std::string::npos) << text;
  EXPECT_NE(text.find("5.000% 100.000%"), std::string::npos) << text;
}

}  // namespace
}  // namespace varve
