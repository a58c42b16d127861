// Which puts a cache takes.

#include "cache/admission.h"

#include <gtest/gtest.h>

#include <memory>

#include "util/hash.h"

namespace varve {
namespace {

uint64_t HashOf(uint64_t key) { return Mix64(key + 1); }

TEST(Admission, OfAllNothingIsAsked) {
  EXPECT_EQ(Admission::Create(AdmissionPolicy::kAll, 1 << 20), nullptr);
}

TEST(Admission, TakesWhatWasSeenBefore) {
  const auto admission = Admission::Create(AdmissionPolicy::kSeenBefore, uint64_t{1} << 30);
  EXPECT_EQ(admission->memory_bytes(), 0u);
  EXPECT_FALSE(admission->Admit(HashOf(1), 100));
  EXPECT_FALSE(admission->Admit(HashOf(2), 100));
  EXPECT_TRUE(admission->Admit(HashOf(1), 100));
  EXPECT_TRUE(admission->Admit(HashOf(1), 100));
}

// A key is known for a quarter to a half of the capacity, in bytes that were put.
TEST(Admission, ForgetsWhatWasSeenLongAgo) {
  constexpr uint64_t kCapacity = 4'000'000, kBytes = 10'000;
  const auto admission = Admission::Create(AdmissionPolicy::kSeenBefore, kCapacity);
  uint64_t known = 0, forgotten = 0;
  for (uint64_t distance = 10; distance <= 300; distance += 10) {
    const uint64_t base = 1000 * distance;
    EXPECT_FALSE(admission->Admit(HashOf(base), kBytes));
    for (uint64_t i = 1; i < distance; ++i) admission->Admit(HashOf(base + i), kBytes);
    const bool seen = admission->Admit(HashOf(base), kBytes);
    (seen ? known : forgotten) += 1;
    if (distance <= 100) {
      EXPECT_TRUE(seen) << distance;
    }
    if (distance > 200) {
      EXPECT_FALSE(seen) << distance;
    }
  }
  EXPECT_GT(known, 0u);
  EXPECT_GT(forgotten, 0u);
}

// Small entries fill the filters before their bytes do: then it is known for fewer bytes, and few
// keys are taken for seen.
TEST(Admission, TakesFewForSeenHoweverMany) {
  constexpr uint64_t kCapacity = uint64_t{16} << 20, kKeys = 500'000;
  const auto admission = Admission::Create(AdmissionPolicy::kSeenBefore, kCapacity);
  uint64_t wrong = 0;
  for (uint64_t i = 0; i < kKeys; ++i) wrong += admission->Admit(HashOf(i), 1);
  EXPECT_LT(static_cast<double>(wrong) / kKeys, 0.04);
  EXPECT_LE(admission->memory_bytes(), kCapacity / 512);
}

TEST(Admission, IsChargedAndTakesNoMoreThanItMay) {
  constexpr uint64_t kCapacity = uint64_t{1} << 30;
  const auto budget = std::make_shared<MemoryBudget>();
  auto admission = Admission::Create(AdmissionPolicy::kSeenBefore, kCapacity, budget);
  EXPECT_EQ(budget->held(), 0u);
  admission->Admit(HashOf(0), 100);
  EXPECT_EQ(budget->held(MemoryPart::kAdmission), kCapacity / 1024);
  uint64_t i = 1;
  const auto put_until = [&](uint64_t bytes) {
    for (uint64_t put = 0; put < bytes; put += 100'000) admission->Admit(HashOf(i++), 100'000);
  };
  put_until(kCapacity / 3);
  EXPECT_EQ(budget->held(), kCapacity / 512);
  EXPECT_EQ(budget->held(), admission->memory_bytes());
  // Less memory: with the next filters, and keys are still known.
  admission->SetMemoryMax(64 << 10);
  put_until(kCapacity);
  EXPECT_LE(budget->held(), 64u << 10);
  EXPECT_GT(budget->held(), 0u);
  admission->Admit(HashOf(i), 100);
  EXPECT_TRUE(admission->Admit(HashOf(i), 100));
  admission.reset();
  EXPECT_EQ(budget->held(), 0u);
}

}  // namespace
}  // namespace varve
