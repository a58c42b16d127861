#include "varve/comparator.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace varve {
namespace {

std::string Separator(std::string start, const std::string& limit) {
  BytewiseComparator()->FindShortestSeparator(&start, limit);
  return start;
}

std::string Successor(std::string key) {
  BytewiseComparator()->FindShortSuccessor(&key);
  return key;
}

TEST(BytewiseComparator, OrdersUnsignedBytes) {
  const Comparator* c = BytewiseComparator();
  EXPECT_LT(c->Compare("a", "b"), 0);
  EXPECT_LT(c->Compare("a", "aa"), 0);
  EXPECT_GT(c->Compare("\xff", "\x01"), 0);
  EXPECT_LT(c->Compare(Slice("a\0", 2), Slice("a\0b", 3)), 0);
  EXPECT_EQ(c->Compare("", ""), 0);
  EXPECT_TRUE(c->EqualMeansIdentical());
  EXPECT_STREQ(c->Name(), "varve.BytewiseComparator");
}

TEST(BytewiseComparator, CutsSeparatorsShort) {
  EXPECT_EQ(Separator("abcdef", "abzz"), "abd");
  EXPECT_EQ(Separator("abc1xyz", "abc2"), "abc1y");  // the next byte up would reach the limit
  EXPECT_EQ(Separator("abc1xyz", "abc2q"), "abc2");  // it may, where the limit goes on
  EXPECT_EQ(Separator("a\xff\xffxyz", "b"), "a\xff\xffy");
  EXPECT_EQ(Separator("abc", "abcdef"), "abc");  // a prefix
  EXPECT_EQ(Separator("abc", "abd"), "abc");
  EXPECT_EQ(Separator("b", "a"), "b");  // not below: unchanged
  EXPECT_EQ(Separator("ab\xff\xff", "ac"), "ab\xff\xff");
}

TEST(BytewiseComparator, CutsSuccessorsShort) {
  EXPECT_EQ(Successor("abc"), "b");
  EXPECT_EQ(Successor("\xff\xff"
                      "ab"),
            "\xff\xff"
            "b");
  EXPECT_EQ(Successor("\xff\xff"), "\xff\xff");
  EXPECT_EQ(Successor(""), "");
  EXPECT_EQ(Successor("a"), "a");
}

// Every pair of keys of up to four bytes over an alphabet that has the awkward ones.
TEST(BytewiseComparator, SeparatorsLieBetween) {
  const std::string alphabet("\x00\x01\xfe\xff", 4);
  std::vector<std::string> keys = {""};
  for (size_t i = 0; i < keys.size() && keys[i].size() < 4; ++i) {
    for (char c : alphabet) keys.push_back(keys[i] + c);
  }
  for (const std::string& start : keys) {
    const std::string successor = Successor(start);
    EXPECT_GE(successor, start);
    EXPECT_LE(successor.size(), start.size());
    for (const std::string& limit : keys) {
      const std::string separator = Separator(start, limit);
      if (start < limit) {
        ASSERT_LE(start, separator);
        ASSERT_LT(separator, limit);
      } else {
        ASSERT_EQ(separator, start);
      }
      ASSERT_LE(separator.size(), start.size());
    }
  }
}

}  // namespace
}  // namespace varve
