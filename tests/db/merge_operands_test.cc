#include "db/merge_operands.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace varve {
namespace {

// Shows what it was asked: (base+a+b). Refuses "bad"; joins only lower case with lower case.
class Show final : public MergeOperator {
 public:
  const char* Name() const override { return "test.Show"; }
  bool FullMerge(Slice key, const Slice* existing, std::span<const Slice> operands,
                 std::string* result) const override {
    EXPECT_TRUE(result->empty());
    *result = std::string(key) + "(" + (existing == nullptr ? "-" : std::string(*existing));
    for (const Slice operand : operands) {
      if (operand == "bad") return false;
      result->append("+").append(operand);
    }
    result->append(")");
    return true;
  }
  bool PartialMerge(Slice, Slice older, Slice newer, std::string* result) const override {
    EXPECT_TRUE(result->empty());
    if (older[0] < 'a' || newer[0] < 'a') return false;
    *result = std::string(older) + "." + std::string(newer);
    return true;
  }
};

constexpr auto kNewestFirst = MergeOperands::Order::kNewestFirst;
constexpr auto kOldestFirst = MergeOperands::Order::kOldestFirst;

std::string Full(const MergeOperands& operands, const Slice* base) {
  const Show show;
  std::string value = "left over";
  const Status status = operands.FullMerge(&show, "k", base, &value);
  return status.ok() ? value : status.ToString();
}

TEST(MergeOperands, TheOperatorGetsThemOldestFirstWhateverTheOrderTheyCameIn) {
  MergeOperands operands;
  const Slice base = "1";
  operands.Begin(kNewestFirst);
  for (const char* operand : {"c", "bb", ""}) operands.Add(operand);
  EXPECT_EQ(operands.size(), 3u);
  EXPECT_EQ(Full(operands, &base), "k(1++bb+c)");
  EXPECT_EQ(Full(operands, nullptr), "k(-++bb+c)");
  operands.Begin(kOldestFirst);
  EXPECT_TRUE(operands.empty());
  for (const char* operand : {"c", "bb"}) operands.Add(operand);
  EXPECT_EQ(Full(operands, &base), "k(1+c+bb)");
}

TEST(MergeOperands, BorrowsAndCopies) {
  MergeOperands operands;
  operands.Begin(kNewestFirst);
  const std::string borrowed(100, 'b');
  std::string copied(100, 'c');
  for (int i = 0; i < 50; ++i) {
    operands.AddBorrowed(borrowed);
    operands.Add(copied);
  }
  copied.assign(100, 'x');
  std::string expected = "k(-";
  for (int i = 0; i < 50; ++i) expected += "+" + std::string(100, 'c') + "+" + borrowed;
  EXPECT_EQ(Full(operands, nullptr), expected + ")");
}

TEST(MergeOperands, ErrorsNameTheKey) {
  MergeOperands operands;
  operands.Begin(kNewestFirst);
  operands.Add("bad");
  EXPECT_EQ(Full(operands, nullptr),
            "Corruption: test.Show cannot merge the 1 operands of key \"k\"");
  std::string value;
  const Status status = operands.FullMerge(nullptr, "k\n", nullptr, &value);
  EXPECT_EQ(status.code(), Status::Code::kNotSupported);
  EXPECT_NE(status.message().find("\"k\\x0a\""), std::string_view::npos) << status.ToString();
}

std::string Partial(MergeOperands::Order order, const std::vector<std::string>& operands) {
  MergeOperands all;
  all.Begin(order);
  for (const std::string& operand : operands) all.Add(operand);
  std::string text;
  for (const MergeOperands::Joined& joined : all.PartialMerge(Show(), "k")) {
    text += (text.empty() ? "" : " ") + std::to_string(joined.newest) + ":" + joined.operand;
  }
  return text;
}

TEST(MergeOperands, JoinsNeighboursAsFarAsItCan) {
  EXPECT_EQ(Partial(kNewestFirst, {}), "");
  EXPECT_EQ(Partial(kNewestFirst, {"a"}), "0:a");
  EXPECT_EQ(Partial(kNewestFirst, {"b", "a"}), "0:a.b");
  EXPECT_EQ(Partial(kOldestFirst, {"a", "b"}), "1:a.b");
  EXPECT_EQ(Partial(kOldestFirst, {"a", "b", "c", "d", "e", "f", "g"}), "6:a.b.c.d.e.f.g");
  EXPECT_EQ(Partial(kNewestFirst, {"g", "f", "e", "d", "c", "b", "a"}), "0:a.b.c.d.e.f.g");
  EXPECT_EQ(Partial(kOldestFirst, {"a", "b", "X", "c", "Y", "d", "e", "f"}),
            "7:d.e.f 4:Y 3:c 2:X 1:a.b");
  EXPECT_EQ(Partial(kNewestFirst, {"Z", "X"}), "0:Z 1:X");
}

// A hundred thousand operands that grow when they are joined: each byte is copied once a round, of
// which there are seventeen.
TEST(MergeOperands, JoinsALongListInFewRounds) {
  class Append final : public AssociativeMergeOperator {
   public:
    const char* Name() const override { return "test.Append"; }
    bool Merge(Slice, Slice newer, std::string* value) const override {
      bytes += value->size() + newer.size();
      value->append(newer);
      return true;
    }
    mutable uint64_t bytes = 0;
  } append;
  constexpr uint64_t kOperands = 100'000;
  MergeOperands operands;
  operands.Begin(kNewestFirst);
  for (uint64_t i = 0; i < kOperands; ++i) operands.AddBorrowed("0123456789");
  const auto joined = operands.PartialMerge(append, "k");
  ASSERT_EQ(joined.size(), 1u);
  EXPECT_EQ(joined[0].operand.size(), 10 * kOperands);
  EXPECT_LE(append.bytes, 17 * 10 * kOperands);
}

}  // namespace
}  // namespace varve
