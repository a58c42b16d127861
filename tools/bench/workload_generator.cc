#include "tools/bench/workload_generator.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iterator>

#include "tools/bench/text_format.h"
#include "util/hash.h"

namespace varve::bench {
namespace {

// [A], table of the sizes below 15 bytes: the probability of 0, 1, 2, ... bytes.
constexpr double kSmallValueProbabilities[] = {0.00536, 0.00047, 0.17820, 0.09239, 0.00018,
                                               0.02740, 0.00065, 0.00606, 0.00023, 0.00837,
                                               0.00837, 0.08989, 0.00092, 0.00326, 0.01980};
constexpr double kSmallValues = 0.44155;   // their sum
constexpr double kParetoScale = 214.476;   // [A]
constexpr double kParetoShape = 0.348238;  // [A]
constexpr double kLargeClassMean = 2439;   // [Y]
constexpr uint32_t kLargeClassKeyBytes = 67;
constexpr double kValueBytesMax = 1 << 20;  // memcached's limit of an item, in [A] and [Y] alike

// 16 hexadecimal digits tell the objects apart; memcached's limit of a key is 250 bytes.
constexpr double kKeyBytesMin = 16;
constexpr double kKeyBytesMax = 250;

struct TtlShare {
  double share;
  uint32_t seconds;
};
constexpr TtlShare kTtls[] = {{0.39, 60},  {0.24, 300},      {0.13, 3600},
                              {0.12, 600}, {0.09, 4 * 3600}, {0.03, 24 * 3600}};  // [Y]

// Of 1,000,000 requests: 30 gets a set, and 6 deletes for 13 sets.
constexpr uint64_t kMillion = 1000000;
constexpr double kWeightOfAll = 30 + 1 + 6.0 / 13;
constexpr auto kGetsInMillion = static_cast<uint64_t>(kMillion * 30 / kWeightOfAll);
constexpr auto kSetsInMillion = static_cast<uint64_t>(kMillion / kWeightOfAll);

uint32_t SmallClassValueBytes(double u) {
  if (u >= kSmallValues) {
    const double v = (u - kSmallValues) / (1 - kSmallValues);
    const double bytes = std::size(kSmallValueProbabilities) +
                         GeneralizedParetoQuantile(v, 0, kParetoScale, kParetoShape);
    return static_cast<uint32_t>(std::min(bytes, kValueBytesMax));
  }
  uint32_t bytes = 0;
  for (const double probability : kSmallValueProbabilities) {
    if (u < probability) return bytes;
    u -= probability;
    ++bytes;
  }
  return bytes - 1;  // rounding
}

uint32_t LargeClassValueBytes(double u) {
  const double bytes =
      GeneralizedParetoQuantile(u, 0, kLargeClassMean * (1 - kParetoShape), kParetoShape);
  return static_cast<uint32_t>(std::clamp(bytes, 1.0, kValueBytesMax));
}

uint32_t SmallClassKeyBytes(double u) {
  const double bytes =
      GeneralizedExtremeValueQuantile(std::max(u, 1e-12), 30.7984, 8.20449, 0.078688);
  return static_cast<uint32_t>(std::lround(std::clamp(bytes, kKeyBytesMin, kKeyBytesMax)));
}

uint32_t TtlSeconds(double u) {
  for (const TtlShare& ttl : kTtls) {
    if (u < ttl.share) return ttl.seconds;
    u -= ttl.share;
  }
  return std::rbegin(kTtls)->seconds;
}

// The key holds the object's number, through a bijection, so that popular objects are spread over
// the order of the keys; then filling up to its length.
void MakeKey(uint64_t seed, uint64_t object, uint32_t bytes, std::string* key) {
  char digits[17];
  std::snprintf(digits, sizeof(digits), "%016llx",
                static_cast<unsigned long long>(Mix64(object + seed)));
  key->assign(digits, 16);
  key->resize(bytes, 'k');
}

}  // namespace

ObjectTraits TraitsOfObject(uint64_t seed, uint64_t object) {
  Random random(Mix64(seed) ^ object);
  ObjectTraits traits;
  if (random.OneIn(2)) {
    traits.key_bytes = SmallClassKeyBytes(random.Real());
    traits.value_bytes = SmallClassValueBytes(random.Real());
  } else {
    traits.key_bytes = kLargeClassKeyBytes;
    traits.value_bytes = LargeClassValueBytes(random.Real());
  }
  traits.ttl_seconds = TtlSeconds(random.Real());
  return traits;
}

WorkloadGenerator::WorkloadGenerator(uint64_t requests, uint64_t seed)
    : requests_(requests),
      seed_(seed),
      objects_(std::max<uint64_t>(
          1, static_cast<uint64_t>(static_cast<double>(requests) / kRequestsPerObject))),
      popularity_(objects_, kZipfExponent),
      random_(seed) {}

Status WorkloadGenerator::Next(Request* request, bool* end) {
  *end = given_ == requests_;
  if (*end) return Status::OK();
  const uint64_t object = popularity_.Sample(&random_);
  const ObjectTraits traits = TraitsOfObject(seed_, object);
  MakeKey(seed_, object, traits.key_bytes, &key_);
  const uint64_t dice = random_.Uniform(kMillion);
  request->op = dice < kGetsInMillion                    ? RequestOp::kGet
                : dice < kGetsInMillion + kSetsInMillion ? RequestOp::kPut
                                                         : RequestOp::kDelete;
  request->key = key_;
  // 0 would stand for "unknown": values of no bytes are made one byte long.
  request->value_bytes = std::max<uint32_t>(1, traits.value_bytes);
  request->ttl_seconds = traits.ttl_seconds;
  request->at_seconds = static_cast<double>(given_) / kRequestsPerSecond;
  ++given_;
  return Status::OK();
}

double WorkloadGenerator::Progress() const {
  return static_cast<double>(given_) / static_cast<double>(requests_);
}

std::string WorkloadGenerator::Name() const {
  return WithCommas(requests_) + " generated requests for up to " + WithCommas(objects_) +
         " objects, seed " + std::to_string(seed_);
}

}  // namespace varve::bench
