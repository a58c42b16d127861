#include "db/garbage.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace varve {
namespace {

SegmentEntry Expiring(uint64_t entries, uint64_t expiring, uint64_t first, uint64_t last) {
  SegmentEntry entry;
  entry.flags = kHasExpiry;
  entry.entries = entries;
  entry.expiring = expiring;
  entry.min_expires_at = first;
  entry.max_expires_at = last;
  return entry;
}

TEST(ExpiryGarbageFrom, IsWhenHalfOfItHasGone) {
  constexpr uint64_t kDay = 86'400'000;
  EXPECT_EQ(ExpiryGarbageFrom(Expiring(100, 100, kDay, 3 * kDay)), 2 * kDay);
  EXPECT_EQ(ExpiryGarbageFrom(Expiring(100, 50, kDay, 3 * kDay)), 3 * kDay);
  EXPECT_EQ(ExpiryGarbageFrom(Expiring(100, 20, kDay, 3 * kDay)), 3 * kDay);
  EXPECT_EQ(ExpiryGarbageFrom(Expiring(100, 6, kDay, 3 * kDay)), UINT64_MAX);
  EXPECT_EQ(ExpiryGarbageFrom(Expiring(100, 100, kDay, kDay + 60'000)), kDay + 60'000);
}

// The last of them goes at the end of time, and an odd number makes half of it more than half.
TEST(ExpiryGarbageFrom, HasNoTimeBeyondTheLast) {
  EXPECT_EQ(ExpiryGarbageFrom(Expiring(3, 1, 1, UINT64_MAX - 1)), UINT64_MAX - 1);
  EXPECT_LT(ExpiryGarbageFrom(Expiring(1001, 501, 1, UINT64_MAX - 1)), UINT64_MAX);
}

}  // namespace
}  // namespace varve
