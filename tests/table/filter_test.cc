#include "table/filter.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "tests/table/numbered_hashes.h"
#include "util/hash.h"

namespace varve {
namespace {

std::string FilterOf(uint64_t keys, int bits_per_key) {
  FilterBuilder builder(bits_per_key);
  for (uint64_t n = 0; n < keys; ++n) builder.Add(HashOf(n));
  const uint64_t estimated = builder.EstimatedBytes();
  std::string content;
  builder.Finish(&content);
  EXPECT_EQ(content.size(), estimated);
  return content;
}

TEST(Filter, NeverDeniesWhatItHolds) {
  for (const int bits : {1, 2, 6, 10, 11, 16, 32}) {
    for (const uint64_t keys : {1, 2, 60, 1000, 50000}) {
      const std::string content = FilterOf(keys, bits);
      Filter filter;
      ASSERT_EQ(filter.Parse(content), nullptr);
      for (uint64_t n = 0; n < keys; ++n) {
        ASSERT_TRUE(filter.MayContain(HashOf(n))) << bits << " bits, key " << n;
      }
    }
  }
}

// The table of table/FORMAT.md.
TEST(Filter, FalsePositiveRates) {
  constexpr uint64_t kKeys = 400'000, kOthers = 800'000;
  const struct {
    int bits;
    int probes;
    double percent_max;
  } expected[] = {{4, 2, 16.3},   {6, 4, 6.1},    {8, 5, 2.4},    {10, 6, 1.02},  {12, 7, 0.45},
                  {14, 8, 0.205}, {16, 9, 0.097}, {20, 12, 0.03}, {32, 14, 0.002}};
  for (const auto& e : expected) {
    const std::string content = FilterOf(kKeys, e.bits);
    Filter filter;
    ASSERT_EQ(filter.Parse(content), nullptr);
    EXPECT_EQ(filter.probes(), e.probes);
    EXPECT_EQ(content.size(), kFilterHeaderBytes + (kKeys * e.bits + 511) / 512 * 64);
    uint64_t positives = 0;
    for (uint64_t n = 0; n < kOthers; ++n) positives += filter.MayContain(HashOf(n + (1ull << 40)));
    const double percent = 100.0 * positives / kOthers;
    printf("%d bits a key, %d probes: %.4f %% false positives\n", e.bits, e.probes, percent);
    EXPECT_LT(percent, e.percent_max) << e.bits << " bits a key";
  }
}

TEST(Filter, AnEmptyOneDeniesEverything) {
  const std::string content = FilterOf(0, 10);
  Filter filter;
  ASSERT_EQ(filter.Parse(content), nullptr);
  EXPECT_EQ(filter.lines(), 1u);
  for (uint64_t n = 0; n < 1000; ++n) EXPECT_FALSE(filter.MayContain(HashOf(n)));
}

TEST(Filter, ParseRefusesWhatDoesNotFit) {
  const std::string good = FilterOf(1000, 10);
  const auto wrong_with = [&](size_t at, char byte) {
    std::string content = good;
    content[at] = byte;
    Filter filter;
    const char* const wrong = filter.Parse(content);
    return std::string(wrong == nullptr ? "" : wrong);
  };
  EXPECT_EQ(wrong_with(0, 2), "unknown kind of filter");
  EXPECT_EQ(wrong_with(1, 0), "number of probes out of range");
  EXPECT_EQ(wrong_with(1, kFilterProbesMax + 1), "number of probes out of range");
  EXPECT_EQ(wrong_with(8, 100), "number of lines does not fit its size");
  EXPECT_EQ(wrong_with(15, 1), "number of lines does not fit its size");
  Filter filter;
  EXPECT_NE(filter.Parse(Slice(good).substr(0, 127)), nullptr);
  EXPECT_NE(filter.Parse(Slice(good).substr(0, good.size() - 1)), nullptr);
}

}  // namespace
}  // namespace varve
