// The keys and values of the bench are those of db_bench: a number in 8 bytes, then '0'; and
// stretches of a pool that shrinks to the part asked for.

#include <gtest/gtest.h>
#include <zlib.h>

#include <atomic>
#include <set>
#include <string>

#include "tools/bench/key_codec.h"
#include "tools/bench/op_budget.h"
#include "tools/bench/random_data.h"

namespace varve::bench {
namespace {

std::string Key(int key_bytes, uint64_t number) {
  return std::string(KeyCodec(key_bytes).Encode(number));
}

TEST(KeyCodec, NumberInEightBytesThenZeros) {
  EXPECT_EQ(Key(16, 0x0102030405060708), std::string("\1\2\3\4\5\6\7\10") + "00000000");
  EXPECT_EQ(Key(8, 258), std::string("\0\0\0\0\0\0\1\2", 8));
}

TEST(KeyCodec, ShortKeysHoldTheLowBytes) {
  EXPECT_EQ(Key(2, 0x1234), "\x12\x34");
  EXPECT_EQ(Key(1, 0x1234), "\x34");
}

TEST(KeyCodec, KeysSortAsTheirNumbers) {
  std::string previous;
  for (uint64_t number : {0ull, 1ull, 255ull, 256ull, 65535ull, 65536ull, 1ull << 40}) {
    const std::string key = Key(16, number);
    EXPECT_LT(previous, key) << number;
    previous = key;
  }
}

TEST(KeyCodec, LongerKeyOfANumberLiesBetweenItAndTheNext) {
  EXPECT_LT(Key(16, 7), Key(17, 7));
  EXPECT_LT(Key(17, 7), Key(16, 8));
}

size_t DeflatedBytes(Slice data) {
  uLongf size = compressBound(data.size());
  std::string packed(size, '\0');
  EXPECT_EQ(Z_OK, compress(reinterpret_cast<Bytef*>(packed.data()), &size,
                           reinterpret_cast<const Bytef*>(data.data()), data.size()));
  return size;
}

TEST(RandomData, ShrinksToTheRatioAskedFor) {
  for (double ratio : {0.2, 0.5, 1.0}) {
    const RandomData data(1, ratio, 100);
    const auto pool = static_cast<double>(data.pool().size());
    const double packed = static_cast<double>(DeflatedBytes(data.pool())) / pool;
    EXPECT_GT(packed, ratio - 0.01) << ratio;
    EXPECT_LT(packed, ratio + 0.08) << ratio;
  }
}

TEST(RandomData, GivesTheLengthAskedForAndGoesRound) {
  RandomData data(1, 0.5, 3000000);
  std::set<const char*> places;
  for (size_t bytes : {0u, 1u, 100u, 3000000u, 2999999u, 5u}) {
    EXPECT_EQ(data.Next(bytes).size(), bytes);
  }
  RandomData small(1, 0.5, 100);
  const char* const first = small.Next(100).data();
  size_t rounds = 0;
  for (size_t i = 0; i < 3 * small.pool().size() / 100; ++i) {
    const Slice value = small.Next(100);
    EXPECT_LE(value.data() + value.size(), small.pool().data() + small.pool().size());
    rounds += value.data() == first ? 1 : 0;
  }
  EXPECT_EQ(rounds, 3u);
}

TEST(RandomData, SeedsDiffer) {
  EXPECT_NE(RandomData(1, 0.5, 0).pool(), RandomData(2, 0.5, 0).pool());
  EXPECT_EQ(RandomData(1, 0.5, 0).pool(), RandomData(1, 0.5, 0).pool());
}

class CountingClock : public Clock {
 public:
  uint64_t MonotonicNanos() override { return ++readings, now; }
  uint64_t BootMillis() override { return 0; }
  uint64_t WallMillis() override { return 0; }
  uint64_t now = 0;
  int readings = 0;
};

TEST(OpBudget, CountsOperationsWithoutReadingTheClock) {
  CountingClock clock;
  OpBudget budget(9, 0, &clock);
  int taken = 0;
  while (budget.Take(3)) taken += 3;
  EXPECT_EQ(taken, 9);
  EXPECT_EQ(clock.readings, 0);
}

TEST(OpBudget, SaysHowManyOperationsAreDone) {
  std::atomic<uint64_t> progress{0};
  OpBudget budget(3, 0, nullptr, &progress);
  for (uint64_t done = 0; done < 3; ++done) {
    EXPECT_TRUE(budget.Take(1));
    EXPECT_EQ(progress.load(), done);
  }
  EXPECT_FALSE(budget.Take(1));
  EXPECT_EQ(progress.load(), 3u);
}

TEST(OpBudget, TimeTakesThePlaceOfTheNumber) {
  CountingClock clock;
  OpBudget budget(10, 2, &clock);
  for (int i = 0; i < 100000; ++i) ASSERT_TRUE(budget.Take(1));
  EXPECT_EQ(clock.readings, 101);
  clock.now = 2000000000;
  int more = 0;
  while (budget.Take(1)) ++more;
  EXPECT_LT(more, OpBudget::kOpsBetweenClockReadings);
}

}  // namespace
}  // namespace varve::bench
