// Which output of a flush a key goes to: drawn examples, and random flushes beside a naive oracle.

#include "db/expiry_buckets.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "util/random.h"

namespace varve {
namespace {

constexpr uint64_t kNow = 1'700'000'000'000;

struct Key {
  uint64_t expires_at = kNeverExpires;  // of its longest-lived version
  uint64_t bytes = 0;
};

ExpiryOutputs Plan(const std::vector<Key>& keys, uint64_t segment_bytes, uint64_t now = kNow) {
  ExpiryBuckets buckets(now);
  for (const Key& key : keys) buckets.Add(key.expires_at, key.bytes);
  return buckets.Plan(segment_bytes);
}

// Keys drawn as "seconds left:bytes", `never` and `gone` in place of seconds; the outputs as lists
// of them.
std::string Draw(const std::vector<std::pair<std::string, uint64_t>>& drawn,
                 uint64_t segment_bytes) {
  std::vector<Key> keys;
  for (const auto& [left, bytes] : drawn) {
    const uint64_t expires_at = left == "never"  ? kNeverExpires
                                : left == "gone" ? kNow
                                                 : kNow + std::stoull(left) * 1000;
    keys.push_back({expires_at, bytes});
  }
  const ExpiryOutputs outputs = Plan(keys, segment_bytes);
  std::vector<std::string> lists(outputs.count());
  for (size_t i = 0; i < keys.size(); ++i) {
    std::string& list = lists.at(outputs.OutputOf(keys[i].expires_at));
    list += (list.empty() ? "" : " ") + drawn[i].first;
  }
  std::string text;
  for (const std::string& list : lists) text += (text.empty() ? "" : " | ") + list;
  return text;
}

TEST(ExpiryBuckets, PowersOfTwoOfTheTimeLeft) {
  const auto bucket = [](uint64_t expires_at) { return ExpiryBuckets::BucketOf(kNow, expires_at); };
  EXPECT_EQ(bucket(0), 0u);
  EXPECT_EQ(bucket(kNow), 0u);
  EXPECT_EQ(bucket(kNow + 1), 1u);
  EXPECT_EQ(bucket(kNow + 2), 2u);
  EXPECT_EQ(bucket(kNow + 1023), 10u);
  EXPECT_EQ(bucket(kNow + 1024), 11u);
  EXPECT_EQ(ExpiryBuckets::BucketOf(0, UINT64_MAX - 1), 64u);
  EXPECT_EQ(bucket(kNeverExpires), ExpiryBuckets::kBuckets - 1);
}

TEST(ExpiryBuckets, WhatDiesTogetherLiesTogether) {
  EXPECT_EQ(Draw({{"10", 100}, {"11", 100}, {"60", 100}, {"3600", 100}, {"never", 100}}, 100),
            "10 11 | 60 | 3600 | never");
  EXPECT_EQ(Draw({{"gone", 100}, {"10", 100}}, 100), "gone | 10");
  EXPECT_EQ(Draw({{"never", 1}, {"never", 1000}}, 100), "never never");
}

TEST(ExpiryBuckets, SmallOnesJoinTheNearerNeighbour) {
  EXPECT_EQ(Draw({{"1", 100}, {"10", 24}, {"30", 100}}, 100), "1 | 10 30");
  EXPECT_EQ(Draw({{"1", 100}, {"3", 24}, {"30", 100}}, 100), "1 3 | 30");
  EXPECT_EQ(Draw({{"1", 100}, {"10", 25}, {"30", 100}}, 100), "1 | 10 | 30");
  // As near: the longer-lived one.
  EXPECT_EQ(Draw({{"5", 100}, {"10", 24}, {"20", 100}}, 100), "5 | 10 20");
  // The smallest first: 10 joins 11, and is large enough then.
  EXPECT_EQ(Draw({{"5", 20}, {"10", 10}, {"900", 100}}, 100), "5 10 | 900");
}

TEST(ExpiryBuckets, WhatLivesForEverIsFarFromAll) {
  EXPECT_EQ(Draw({{"1", 100}, {"100000000", 24}, {"never", 100}}, 100), "1 100000000 | never");
  // But nothing is too far where nothing else is.
  EXPECT_EQ(Draw({{"100", 24}, {"never", 100}}, 100), "100 never");
  EXPECT_EQ(Draw({{"1", 100}, {"100", 100}, {"never", 24}}, 100), "1 | 100 never");
}

TEST(ExpiryBuckets, EightAtMost) {
  EXPECT_EQ(Draw({{"1", 90},
                  {"2", 80},
                  {"4", 70},
                  {"8", 60},
                  {"16", 65},
                  {"32", 75},
                  {"64", 85},
                  {"128", 95},
                  {"never", 50}},
                 100),
            "1 | 2 | 4 | 8 16 | 32 | 64 | 128 | never");
}

TEST(ExpiryBuckets, NothingIsOneOutput) {
  const ExpiryOutputs none = Plan({}, 100);
  EXPECT_EQ(none.count(), 1u);
  for (const uint64_t expires_at : {uint64_t{0}, kNow, kNeverExpires}) {
    EXPECT_EQ(none.OutputOf(expires_at), 0u);
    EXPECT_EQ(ExpiryOutputs().OutputOf(expires_at), 0u);
  }
}

// What was not counted goes somewhere all the same: a second pass may meet more than the first.
TEST(ExpiryBuckets, AnyExpiryHasAnOutput) {
  const ExpiryOutputs outputs = Plan({{kNow + 1000, 100}, {kNow + 1'000'000, 100}}, 100);
  ASSERT_EQ(outputs.count(), 2u);
  EXPECT_EQ(outputs.OutputOf(0), 0u);
  EXPECT_EQ(outputs.OutputOf(kNow + 10'000), 0u);
  EXPECT_EQ(outputs.OutputOf(kNow + 100'000'000), 1u);
  EXPECT_EQ(outputs.OutputOf(kNeverExpires), 1u);
}

// ---- Beside an oracle --------------------------------------------------------------------------

// The rules once more, over lists of keys: everything is summed and compared anew each time.
std::vector<std::vector<Key>> NaivePlan(const std::vector<Key>& keys, uint64_t segment_bytes) {
  const auto power = [](const Key& key) {
    if (key.expires_at == kNeverExpires) return 1000;
    int p = 0;
    for (uint64_t left = key.expires_at > kNow ? key.expires_at - kNow : 0; left > 0; left /= 2)
      ++p;
    return p;
  };
  std::map<int, std::vector<Key>> by_power;
  for (const Key& key : keys) by_power[power(key)].push_back(key);
  std::vector<std::vector<Key>> lists;
  for (const auto& [p, list] : by_power) lists.push_back(list);
  const auto bytes = [](const std::vector<Key>& list) {
    uint64_t sum = 0;
    for (const Key& key : list) sum += key.bytes;
    return sum;
  };
  const auto distance = [&](const std::vector<Key>& shorter, const std::vector<Key>& longer) {
    int last = 0, first = 1000;
    for (const Key& key : shorter) last = std::max(last, power(key));
    for (const Key& key : longer) first = std::min(first, power(key));
    return first == 1000 ? 1000 : first - last;
  };
  while (lists.size() > 1) {
    size_t chosen = lists.size();
    for (const bool small_only : {true, false}) {
      if (!small_only && (chosen < lists.size() || lists.size() <= 8)) continue;
      for (size_t i = 0; i < lists.size(); ++i) {
        if (small_only && bytes(lists[i]) >= segment_bytes / 4) continue;
        if (!small_only && lists[i].back().expires_at == kNeverExpires) continue;
        if (chosen == lists.size() || bytes(lists[i]) < bytes(lists[chosen])) chosen = i;
      }
    }
    if (chosen == lists.size()) break;
    size_t with = chosen + 1;
    if (with == lists.size() || (chosen > 0 && distance(lists[chosen - 1], lists[chosen]) <
                                                   distance(lists[chosen], lists[with]))) {
      with = chosen - 1;
    }
    const size_t left = std::min(chosen, with);
    lists[left].insert(lists[left].end(), lists[left + 1].begin(), lists[left + 1].end());
    lists.erase(lists.begin() + static_cast<std::ptrdiff_t>(left) + 1);
  }
  return lists;
}

TEST(ExpiryBuckets, RandomFlushes) {  // Checklist E11
  std::vector<uint64_t> seen(ExpiryOutputs::kOutputsMax + 1);
  for (uint64_t seed = 1; seed <= 5000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const uint64_t segment_bytes = random.OneIn(10) ? random.Uniform(5) : 1 + random.Uniform(4000);
    std::vector<Key> keys(random.Uniform(random.OneIn(3) ? 300 : 30));
    const uint64_t spread = 1 + random.Uniform(62);
    for (Key& key : keys) {
      // The longest-lived of its versions counts.
      key.expires_at = 0;
      for (uint64_t versions = 1 + random.Uniform(3); versions > 0; --versions) {
        const uint64_t expires_at =
            random.OneIn(8) ? kNeverExpires
                            : kNow - 10 + random.Uniform(uint64_t{1} << random.Uniform(spread + 1));
        key.expires_at = std::max(key.expires_at, expires_at);
        key.bytes += 1 + random.Uniform(random.OneIn(10) ? 2000 : 100);
      }
    }
    const ExpiryOutputs outputs = Plan(keys, segment_bytes);
    const std::vector<std::vector<Key>> expected = NaivePlan(keys, segment_bytes);
    ASSERT_EQ(outputs.count(), std::max<size_t>(expected.size(), 1));
    for (size_t i = 0; i < expected.size(); ++i) {
      for (const Key& key : expected[i]) ASSERT_EQ(outputs.OutputOf(key.expires_at), i);
    }

    // What must hold whatever the rules of joining.
    ASSERT_LE(outputs.count(), ExpiryOutputs::kOutputsMax);
    ++seen[outputs.count()];
    std::vector<uint64_t> bytes(outputs.count());
    uint64_t finite_bytes = 0, never_bytes = 0;
    for (const Key& key : keys) {
      bytes.at(outputs.OutputOf(key.expires_at)) += key.bytes;
      (key.expires_at == kNeverExpires ? never_bytes : finite_bytes) += key.bytes;
    }
    for (const uint64_t sum : bytes) {
      if (outputs.count() == 1) break;
      ASSERT_GE(sum, std::max<uint64_t>(segment_bytes / 4, 1));
    }
    std::sort(keys.begin(), keys.end(),
              [](const Key& a, const Key& b) { return a.expires_at < b.expires_at; });
    for (size_t i = 1; i < keys.size(); ++i) {
      ASSERT_LE(outputs.OutputOf(keys[i - 1].expires_at), outputs.OutputOf(keys[i].expires_at));
    }
    // What may be freed by time is not kept by what lives for ever, where each fills an output.
    if (std::min(finite_bytes, never_bytes) >= std::max<uint64_t>(segment_bytes / 4, 1)) {
      ASSERT_EQ(bytes.back(), never_bytes);
    }
  }
  for (size_t count = 1; count < seen.size(); ++count) EXPECT_GT(seen[count], 20u) << count;
}

}  // namespace
}  // namespace varve
