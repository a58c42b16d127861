#include "util/human_text.h"

#include <gtest/gtest.h>

#include <limits>

namespace varve {
namespace {

TEST(HumanText, Bytes) {
  EXPECT_EQ(BytesText(0), "0 bytes");
  EXPECT_EQ(BytesText(1023), "1023 bytes");
  EXPECT_EQ(BytesText(1024), "1.00 KiB");
  EXPECT_EQ(BytesText(uint64_t{3} << 29), "1.50 GiB");
  EXPECT_EQ(BytesText(UINT64_MAX), "16.00 EiB");
}

TEST(HumanText, Durations) {
  EXPECT_EQ(DurationText(0), "0.000 s");
  EXPECT_EQ(DurationText(59'999), "59.999 s");
  EXPECT_EQ(DurationText(60'000), "1 min 0 s");
  EXPECT_EQ(DurationText(3'725'000), "1 h 2 min");
  EXPECT_EQ(DurationText(200'000'000), "2 d 7 h");
}

TEST(HumanText, Percents) {
  EXPECT_EQ(PercentText(0.5), "50.00 %");
  EXPECT_EQ(PercentText(std::numeric_limits<double>::quiet_NaN()), "-");
}

TEST(HumanText, Instants) {
  EXPECT_EQ(InstantText(0), "1970-01-01 00:00:00.000 UTC");
  EXPECT_EQ(InstantText(951'782'400'000), "2000-02-29 00:00:00.000 UTC");
  EXPECT_EQ(InstantText(951'868'799'999), "2000-02-29 23:59:59.999 UTC");
  EXPECT_EQ(InstantText(951'868'800'000), "2000-03-01 00:00:00.000 UTC");
  EXPECT_EQ(InstantText(1'700'000'000'123), "2023-11-14 22:13:20.123 UTC");
  EXPECT_EQ(InstantText(4'107'542'400'000), "2100-03-01 00:00:00.000 UTC");  // no leap year
  EXPECT_EQ(InstantText(UINT64_MAX), "never");
}

}  // namespace
}  // namespace varve
