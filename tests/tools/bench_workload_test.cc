// The generated requests have the figures that workload_generator.h cites.

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "tools/bench/distributions.h"
#include "tools/bench/workload_generator.h"

namespace varve::bench {
namespace {

TEST(Zipf, FrequenciesFollowThePowerLaw) {
  for (double exponent : {0.5, 1.0, 1.1004, 2.5}) {
    constexpr uint64_t kRanks = 50;
    constexpr int kSamples = 400000;
    const Zipf zipf(kRanks, exponent);
    Random random(7);
    std::vector<int> counts(kRanks + 1);
    for (int i = 0; i < kSamples; ++i) {
      const uint64_t rank = zipf.Sample(&random);
      ASSERT_GE(rank, 1u);
      ASSERT_LE(rank, kRanks);
      ++counts[rank];
    }
    double sum = 0;
    for (uint64_t k = 1; k <= kRanks; ++k) sum += std::pow(static_cast<double>(k), -exponent);
    for (uint64_t k = 1; k <= kRanks; ++k) {
      const double expected = kSamples * std::pow(static_cast<double>(k), -exponent) / sum;
      EXPECT_NEAR(counts[k], expected, 6 * std::sqrt(expected) + 1) << exponent << " " << k;
    }
  }
}

TEST(Zipf, OneObjectAndVeryMany) {
  Random random(1);
  EXPECT_EQ(Zipf(1, 1.1).Sample(&random), 1u);
  const Zipf many(uint64_t{1} << 40, 1.1);
  uint64_t highest = 0;
  for (int i = 0; i < 10000; ++i) highest = std::max(highest, many.Sample(&random));
  EXPECT_GT(highest, uint64_t{1} << 30);
  EXPECT_LE(highest, uint64_t{1} << 40);
}

TEST(Quantiles, InvertTheDistributionFunctions) {
  for (double u : {0.01, 0.3, 0.5, 0.9, 0.999}) {
    const double pareto = GeneralizedParetoQuantile(u, 5, 214.476, 0.348238);
    EXPECT_NEAR(1 - std::pow(1 + 0.348238 * (pareto - 5) / 214.476, -1 / 0.348238), u, 1e-9);
    const double extreme = GeneralizedExtremeValueQuantile(u, 30.7984, 8.20449, 0.078688);
    EXPECT_NEAR(std::exp(-std::pow(1 + 0.078688 * (extreme - 30.7984) / 8.20449, -1 / 0.078688)), u,
                1e-9);
  }
}

struct Seen {
  std::string key;
  uint64_t value_bytes;
  uint32_t ttl_seconds;
  RequestOp op;
};

std::vector<Seen> Generate(uint64_t requests, uint64_t seed) {
  WorkloadGenerator generator(requests, seed);
  std::vector<Seen> seen;
  while (true) {
    Request request;
    bool end = false;
    EXPECT_TRUE(generator.Next(&request, &end).ok());
    if (end) return seen;
    EXPECT_GE(request.value_bytes, 1u);
    EXPECT_GE(request.ttl_seconds, 60u);
    seen.push_back(
        {std::string(request.key), request.value_bytes, request.ttl_seconds, request.op});
  }
}

TEST(WorkloadGenerator, SameSeedSameRequests) {
  const std::vector<Seen> a = Generate(2000, 3), b = Generate(2000, 3), c = Generate(2000, 4);
  ASSERT_EQ(a.size(), 2000u);
  size_t differing_from_c = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].key, b[i].key);
    EXPECT_EQ(a[i].value_bytes, b[i].value_bytes);
    EXPECT_EQ(a[i].op, b[i].op);
    differing_from_c += a[i].key != c[i].key ? 1 : 0;
  }
  EXPECT_GT(differing_from_c, 1900u);
}

TEST(WorkloadGenerator, OperationsInThePublishedProportions) {
  std::map<RequestOp, double> counts;
  for (const Seen& seen : Generate(300000, 5)) ++counts[seen.op];
  EXPECT_NEAR(counts[RequestOp::kGet] / counts[RequestOp::kPut], 30, 1.5);
  EXPECT_NEAR(counts[RequestOp::kDelete] / counts[RequestOp::kPut], 6.0 / 13, 0.04);
}

TEST(WorkloadGenerator, AnObjectKeepsItsTraits) {
  std::map<std::string, Seen> objects;
  for (const Seen& seen : Generate(50000, 6)) {
    const Seen& first = objects.emplace(seen.key, seen).first->second;
    EXPECT_EQ(first.value_bytes, seen.value_bytes);
    EXPECT_EQ(first.ttl_seconds, seen.ttl_seconds);
  }
  EXPECT_LE(objects.size(), WorkloadGenerator(50000, 6).objects());
  EXPECT_GT(objects.size(), WorkloadGenerator(50000, 6).objects() / 2);
}

TEST(WorkloadGenerator, PopularObjectsAreSpreadOverTheKeys) {
  std::map<std::string, int> counts;
  for (const Seen& seen : Generate(50000, 6)) ++counts[seen.key];
  std::multimap<int, std::string, std::greater<>> by_count;
  for (const auto& [key, count] : counts) by_count.emplace(count, key);
  auto popular = by_count.begin();
  const std::string first = popular->second, second = (++popular)->second;
  EXPECT_NE(first.substr(0, 2), second.substr(0, 2));
}

TEST(WorkloadGenerator, SizesHaveThePublishedMeans) {
  constexpr uint64_t kObjects = 200000;
  double small_keys = 0, small_values = 0, small_count = 0, below_15 = 0;
  double large_values = 0, large_count = 0, one_minute = 0;
  for (uint64_t object = 1; object <= kObjects; ++object) {
    const ObjectTraits traits = TraitsOfObject(9, object);
    ASSERT_GE(traits.key_bytes, 16u);
    ASSERT_LE(traits.key_bytes, 250u);
    one_minute += traits.ttl_seconds == 60 ? 1 : 0;
    if (traits.key_bytes == 67) {  // few of class A have this length too
      large_values += traits.value_bytes;
      ++large_count;
    } else {
      small_keys += traits.key_bytes;
      small_values += traits.value_bytes;
      below_15 += traits.value_bytes < 15 ? 1 : 0;
      ++small_count;
    }
  }
  EXPECT_NEAR(small_count / kObjects, 0.5, 0.01);
  // Mean of the extreme value distribution: 30.7984 + 8.20449 * (Gamma(1 - k) - 1) / k.
  const double k = 0.078688;
  EXPECT_NEAR(small_keys / small_count, 30.7984 + 8.20449 * (std::tgamma(1 - k) - 1) / k, 0.3);
  EXPECT_NEAR(below_15 / small_count, 0.44155, 0.01);
  // Mean of the Pareto part: 15 + 214.476 / (1 - 0.348238), of 0.55845; the table adds 2.3.
  EXPECT_NEAR(small_values / small_count, 0.55845 * (15 + 214.476 / (1 - 0.348238)) + 2.3, 6);
  EXPECT_NEAR(large_values / large_count, 2439, 50);
  EXPECT_NEAR(one_minute / kObjects, 0.39, 0.01);
}

}  // namespace
}  // namespace varve::bench
