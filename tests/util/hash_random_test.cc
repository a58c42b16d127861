#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "util/hash.h"
#include "util/random.h"

namespace varve {
namespace {

// On disk for ever: these values never change.
TEST(Hash64, IsXxh3) {
  EXPECT_EQ(Hash64(""), 0x2d06800538d394c2u);  // the vector of the XXH3 specification
  EXPECT_EQ(Hash64(""), Hash64("", 0));
  EXPECT_NE(Hash64("varve", 1), Hash64("varve", 2));
  std::string bytes;
  std::set<uint64_t> seen;
  for (int i = 0; i < 600; ++i) {
    seen.insert(Hash64(bytes));
    bytes.push_back('x');
  }
  EXPECT_EQ(seen.size(), 600u);
}

TEST(Mix64, IsOneToOneOnASample) {
  std::set<uint64_t> seen;
  for (uint64_t i = 0; i < 10000; ++i) seen.insert(Mix64(i));
  EXPECT_EQ(seen.size(), 10000u);
}

TEST(Random, RepeatsItselfFromASeed) {
  Random a(42), b(42), c(43);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const uint64_t x = a.Next();
    EXPECT_EQ(x, b.Next());
    differs |= x != c.Next();
  }
  EXPECT_TRUE(differs);
}

TEST(Random, StaysInRangeAndReachesAllOfIt) {
  Random random(1);
  std::vector<int> counts(10);
  for (int i = 0; i < 10000; ++i) ++counts[random.Uniform(10)];
  for (int count : counts) EXPECT_NEAR(count, 1000, 150);
  for (int i = 0; i < 1000; ++i) {
    const uint64_t between = random.Between(5, 7);
    EXPECT_TRUE(between >= 5 && between <= 7);
    const double real = random.Real();
    EXPECT_TRUE(real >= 0 && real < 1);
    EXPECT_LT(random.Skewed(10), 1024u);
  }
  random.Between(0, UINT64_MAX);
}

}  // namespace
}  // namespace varve
