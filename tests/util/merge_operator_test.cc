#include "varve/merge_operator.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace varve {
namespace {

// Joins with commas, and refuses what is "bad".
class Append final : public AssociativeMergeOperator {
 public:
  const char* Name() const override { return "test.Append"; }
  bool Merge(Slice key, Slice older, Slice newer, std::string* result) const override {
    EXPECT_EQ(key, "key");
    EXPECT_TRUE(result->empty());
    *result = std::string(older) + "," + std::string(newer);
    return newer != "bad";
  }
};

TEST(AssociativeMergeOperator, AppliesOperandsInOrderToTheValue) {
  const Append append;
  const std::vector<Slice> operands = {"1", "2", "3"};
  const Slice existing = "0";
  std::string result;
  EXPECT_TRUE(append.FullMerge("key", &existing, operands, &result));
  EXPECT_EQ(result, "0,1,2,3");
}

TEST(AssociativeMergeOperator, BeginsWithTheOldestOperandWhereThereIsNoValue) {
  const Append append;
  const std::vector<Slice> operands = {"1", "2"};
  std::string result;
  EXPECT_TRUE(append.FullMerge("key", nullptr, operands, &result));
  EXPECT_EQ(result, "1,2");
  result.clear();
  EXPECT_TRUE(append.FullMerge("key", nullptr, {operands.data(), 1}, &result));
  EXPECT_EQ(result, "1");
}

TEST(AssociativeMergeOperator, FailsWhereOneStepDoes) {
  const Append append;
  const std::vector<Slice> operands = {"1", "bad", "3"};
  std::string result;
  EXPECT_FALSE(append.FullMerge("key", nullptr, operands, &result));
}

TEST(MergeOperator, LeavesOperandsApartUnlessToldHowToJoinThem) {
  class Last final : public MergeOperator {
   public:
    const char* Name() const override { return "test.Last"; }
    bool FullMerge(Slice, const Slice*, std::span<const Slice> operands,
                   std::string* result) const override {
      result->assign(operands.back());
      return true;
    }
  };
  std::string result;
  EXPECT_FALSE(Last().PartialMerge("key", "1", "2", &result));
  EXPECT_TRUE(Append().PartialMerge("key", "1", "2", &result));
  EXPECT_EQ(result, "1,2");
}

}  // namespace
}  // namespace varve
