#include "memtable/key_filter.h"

#include <gtest/gtest.h>

#include <string>

#include "util/hash.h"

namespace varve {
namespace {

uint64_t HashOf(int i) { return Hash64("key" + std::to_string(i)); }

// As many keys as a memtable of the default size holds: 16 bytes each, with values of 100.
TEST(KeyFilter, RulesOutWhatIsNotThere) {
  constexpr int kKeys = 46'000, kOthers = 200'000;
  KeyFilter filter(8 << 20);
  ASSERT_TRUE(filter.used());
  EXPECT_EQ(filter.bytes(), size_t{128} << 10);
  for (int i = 0; i < kOthers; ++i) EXPECT_FALSE(filter.MayContain(HashOf(i)));
  for (int i = 0; i < kKeys; ++i) {
    i % 2 == 0 ? filter.Add(HashOf(i)) : filter.AddConcurrently(HashOf(i));
  }
  for (int i = 0; i < kKeys; ++i) ASSERT_TRUE(filter.MayContain(HashOf(i))) << i;
  int passed = 0;
  for (int i = kKeys; i < kKeys + kOthers; ++i) passed += filter.MayContain(HashOf(i));
  const double percent = 100.0 * passed / kOthers;
  RecordProperty("percent", std::to_string(percent));
  EXPECT_LT(percent, 0.3);
}

TEST(KeyFilter, FullOfBitsItStillHoldsAll) {
  KeyFilter filter(64 << 10);
  for (int i = 0; i < 100'000; ++i) filter.Add(HashOf(i));
  for (int i = 0; i < 100'000; ++i) ASSERT_TRUE(filter.MayContain(HashOf(i))) << i;
}

TEST(KeyFilter, NoneIsMade) {
  EXPECT_FALSE(KeyFilter(0).used());
  EXPECT_FALSE(KeyFilter(511).used());
  EXPECT_TRUE(KeyFilter(512).used());
}

}  // namespace
}  // namespace varve
