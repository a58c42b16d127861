// The set of hashes that a ghost file holds: what it says, what it lists, what it costs.

#include "table/hash_set.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "tests/table/numbered_hashes.h"
#include "util/hash.h"
#include "util/random.h"

namespace varve {
namespace {

// A parsed set that owns its bytes, in an allocation without anything behind the slack.
struct Set {
  std::vector<char> bytes;
  size_t size;
  HashSet set;
  const char* wrong;

  explicit Set(const std::string& content)
      : bytes(content.begin(), content.end()), size(content.size()) {
    bytes.resize(size + HashSet::kSlackBytes);
    wrong = set.Parse(Slice(bytes.data(), size));
  }
};

std::string Build(const std::vector<uint64_t>& hashes, int remainder_bits) {
  HashSetBuilder builder(remainder_bits);
  for (const uint64_t hash : hashes) builder.Add(hash);
  const uint64_t content_bytes = builder.ContentBytes();
  std::string content;
  builder.Finish(&content);
  EXPECT_EQ(content.size(), content_bytes);
  return content;
}

std::vector<uint64_t> List(const HashSet& set) {
  std::vector<uint64_t> values;
  for (HashSet::Cursor cursor(set); cursor.Valid(); cursor.Next()) values.push_back(cursor.value());
  return values;
}

// What a set of these hashes must list: the definition, without stretches and bits.
std::vector<uint64_t> Values(std::vector<uint64_t> hashes, int remainder_bits) {
  const uint64_t range = static_cast<uint64_t>(hashes.size()) << remainder_bits;
  std::vector<uint64_t> values;
  for (const uint64_t hash : hashes) {
    values.push_back(static_cast<uint64_t>((static_cast<unsigned __int128>(hash) * range) >> 64));
  }
  std::sort(values.begin(), values.end());
  return values;
}

// All that may be asked of a set, beside a sorted list of values.
void CheckSet(const std::vector<uint64_t>& hashes, int remainder_bits) {
  const Set set(Build(hashes, remainder_bits));
  ASSERT_EQ(set.wrong, nullptr);
  EXPECT_EQ(set.set.Check(), nullptr);
  const std::vector<uint64_t> values = Values(hashes, remainder_bits);
  ASSERT_EQ(List(set.set), values);
  for (const uint64_t hash : hashes) ASSERT_TRUE(set.set.MayContain(hash)) << hash;
  const auto holds = [&](uint64_t value) {
    return std::binary_search(values.begin(), values.end(), value);
  };
  Random random(hashes.size());
  for (int i = 0; i < 2000; ++i) {
    const uint64_t hash = random.Next();
    ASSERT_EQ(set.set.MayContain(hash), holds(ScaledHash(hash, set.set.range()))) << hash;
  }
  // The first and last hash of values and their neighbours.
  for (size_t i = 0; i < values.size(); i += 1 + values.size() / 500) {
    for (const uint64_t value : {values[i] == 0 ? 0 : values[i] - 1, values[i], values[i] + 1}) {
      if (value >= set.set.range()) continue;
      const uint64_t first = set.set.LowestHash(value);
      ASSERT_EQ(ScaledHash(first, set.set.range()), value);
      ASSERT_EQ(set.set.MayContain(first), holds(value));
      if (first == 0) continue;
      ASSERT_EQ(ScaledHash(first - 1, set.set.range()), value - 1);
      ASSERT_EQ(set.set.MayContain(first - 1), holds(value - 1));
    }
  }
}

TEST(HashSet, AgreesWithASortedList) {
  for (const int bits : {1, 2, 7, 12, 13, 24}) {
    for (const uint64_t keys : {1, 2, 63, 64, 65, 128, 1000, 20000}) {
      SCOPED_TRACE(std::to_string(bits) + " bits, " + std::to_string(keys) + " keys");
      std::vector<uint64_t> hashes;
      for (uint64_t n = 0; n < keys; ++n) hashes.push_back(HashOf(n));
      CheckSet(hashes, bits);
    }
  }
}

// Hashes as no hash function spreads them: all in one place, at the ends, far apart, equal. Units
// of hundreds of keys, and stretches without any, come from these.
TEST(HashSet, AnySpreadOfHashes) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    std::vector<uint64_t> hashes;
    const uint64_t keys = 1 + random.Uniform(400);
    const uint64_t place = random.Next();
    for (uint64_t n = 0; n < keys; ++n) {
      switch (seed % 5) {
        case 0:
          hashes.push_back(place + random.Uniform(1000));
          break;
        case 1:
          hashes.push_back(random.OneIn(2) ? random.Uniform(3) : UINT64_MAX - random.Uniform(3));
          break;
        case 2:
          hashes.push_back(place);
          break;
        case 3:
          hashes.push_back(n << 40);
          break;
        case 4:
          hashes.push_back(random.Next() >> random.Uniform(40));
          break;
      }
    }
    CheckSet(hashes, 1 + static_cast<int>(random.Uniform(kHashSetRemainderBitsMax)));
    if (testing::Test::HasFailure()) return;
  }
}

TEST(HashSet, AnEmptyOneDeniesEverything) {
  const Set set(Build({}, 12));
  ASSERT_EQ(set.wrong, nullptr);
  EXPECT_EQ(set.set.Check(), nullptr);
  EXPECT_TRUE(List(set.set).empty());
  for (const uint64_t hash : {uint64_t{0}, uint64_t{1}, UINT64_MAX}) {
    EXPECT_FALSE(set.set.MayContain(hash));
  }
}

// The table of table/GHOST.md.
TEST(HashSet, FalsePositivesAndBytesAKey) {
  constexpr uint64_t kKeys = 100'000, kOthers = 500'000;
  const struct {
    int bits;
    double percent_min, percent_max;
    double bytes_min, bytes_max;
  } expected[] = {{4, 5.9, 6.3, 0.80, 0.82},      {8, 0.34, 0.44, 1.30, 1.32},
                  {10, 0.08, 0.12, 1.55, 1.57},   {12, 0.016, 0.034, 1.80, 1.82},
                  {14, 0.002, 0.011, 2.05, 2.07}, {16, 0, 0.004, 2.30, 2.32}};
  std::vector<uint64_t> hashes;
  for (uint64_t n = 0; n < kKeys; ++n) hashes.push_back(HashOf(n));
  for (const auto& e : expected) {
    const Set set(Build(hashes, e.bits));
    ASSERT_EQ(set.wrong, nullptr);
    uint64_t positives = 0;
    for (uint64_t n = 0; n < kOthers; ++n) {
      positives += set.set.MayContain(HashOf(n + (uint64_t{1} << 40)));
    }
    const double percent = 100.0 * static_cast<double>(positives) / kOthers;
    const double bytes = static_cast<double>(set.size) / kKeys;
    printf("%d remainder bits: %.3f bytes a key, %.4f %% false positives\n", e.bits, bytes,
           percent);
    EXPECT_GE(percent, e.percent_min) << e.bits;
    EXPECT_LE(percent, e.percent_max) << e.bits;
    EXPECT_GE(bytes, e.bytes_min) << e.bits;
    EXPECT_LE(bytes, e.bytes_max) << e.bits;
  }
}

std::string Good() {
  std::vector<uint64_t> hashes;
  for (uint64_t n = 0; n < 1000; ++n) hashes.push_back(HashOf(n));
  return Build(hashes, 12);
}

TEST(HashSet, ParseRefusesWhatDoesNotFit) {
  const std::string good = Good();
  const auto wrong_with = [&](size_t at, uint32_t value, size_t bytes) {
    std::string content = good;
    content.replace(at, bytes, std::string(reinterpret_cast<const char*>(&value), bytes));
    const Set set(content);
    return std::string(set.wrong == nullptr ? "" : set.wrong);
  };
  EXPECT_EQ(wrong_with(0, 2, 1), "unknown kind of set");
  EXPECT_EQ(wrong_with(1, 0, 1), "number of remainder bits out of range");
  EXPECT_EQ(wrong_with(1, kHashSetRemainderBitsMax + 1, 1),
            "number of remainder bits out of range");
  EXPECT_EQ(wrong_with(12, 1, 1), "too many keys");
  EXPECT_EQ(wrong_with(8, 1001, 4), "number of keys does not fit its size");
  EXPECT_EQ(wrong_with(1, 13, 1), "number of keys does not fit its size");
  EXPECT_EQ(wrong_with(16, 1, 4), "keys before the first stretch");
  EXPECT_EQ(wrong_with(20, 1 << 30, 4), "stretches are out of order");
  EXPECT_EQ(wrong_with(16 + 16 * 4, 1 << 30, 4), "stretches do not hold as many keys");
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_NE(Set(good.substr(0, size)).wrong, nullptr) << size;
  }
  EXPECT_NE(Set(good + '\0').wrong, nullptr);
}

// Whatever the bytes: a refusal, or answers without leaving the allocation (run under asan), and
// whatever the answers, Check and the list agree on whether there is anything wrong.
TEST(HashSet, DamageIsSafe) {
  const std::string good = Good();
  const std::vector<uint64_t> listed = List(Set(good).set);
  int refused = 0, noticed = 0, another = 0;
  for (uint64_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    std::string content = good;
    // Mostly behind the table, so that it is parsed.
    const size_t from = random.OneIn(4) ? 0 : kHashSetHeaderBytes + 17 * 4;
    for (uint64_t n = 1 + random.Uniform(6); n > 0; --n) {
      const size_t at = from + random.Uniform(content.size() - from);
      switch (random.Uniform(3)) {
        case 0:
          content[at] = static_cast<char>(random.Next());
          break;
        case 1:
          content[at] = 0;
          break;
        case 2: {  // long runs of zeros
          const size_t size = std::min<size_t>(content.size() - at, random.Uniform(40));
          content.replace(at, size, size, '\0');
          break;
        }
      }
    }
    const Set set(content);
    if (set.wrong != nullptr) {
      ++refused;
      continue;
    }
    const std::vector<uint64_t> values = List(set.set);
    EXPECT_TRUE(std::is_sorted(values.begin(), values.end()));
    for (uint64_t n = 0; n < 200; ++n) set.set.MayContain(random.Next());
    if (set.set.Check() != nullptr) {
      ++noticed;
    } else {
      // The bits behind the last stretch say nothing.
      EXPECT_EQ(values.size(), set.set.keys());
      if (values != listed) ++another;
    }
  }
  EXPECT_GT(refused, 20);
  EXPECT_GT(noticed, 1000);
  EXPECT_GT(another, 0);  // some damage makes another set: that is what checksums are for
}

}  // namespace
}  // namespace varve
