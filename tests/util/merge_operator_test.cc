#include "varve/merge_operator.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace varve {
namespace {

// Joins with commas, and refuses what is "bad".
class Append final : public AssociativeMergeOperator {
 public:
  const char* Name() const override { return "test.Append"; }
  bool Merge(Slice key, Slice newer, std::string* value) const override {
    EXPECT_EQ(key, "key");
    value->append(",").append(newer);
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

// Each operand is put to the value where it is: a value that was copied, or moved, between any two
// would make a long list quadratic.
TEST(AssociativeMergeOperator, FoldsALongListInPlace) {
  class Counting final : public AssociativeMergeOperator {
   public:
    const char* Name() const override { return "test.Counting"; }
    bool Merge(Slice, Slice newer, std::string* value) const override {
      if (value->data() != last_) ++moves;
      value->append(newer);
      last_ = value->data();
      return true;
    }
    mutable uint64_t moves = 0;

   private:
    mutable const char* last_ = nullptr;
  } append;
  const std::vector<Slice> operands(100'000, "0123456789");
  std::string result;
  EXPECT_TRUE(append.FullMerge("key", nullptr, operands, &result));
  EXPECT_EQ(result.size(), operands.size() * 10);
  EXPECT_EQ(append.moves, 1u);  // the first call's: what grows moves within a call
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
