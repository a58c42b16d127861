// Which bounds lie within one prefix: never more than do.

#include "db/prefix_bounds.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/comparators.h"

namespace varve {
namespace {

const InternalKeyComparator kBytewise(BytewiseComparator());

std::string Prefix(const PrefixExtractor* extractor, Slice lower, Slice upper,
                   const InternalKeyComparator& comparator = kBytewise) {
  ReadOptions options;
  options.lower_bound = lower;
  options.upper_bound = upper;
  const auto prefix = PrefixOfBounds(extractor, comparator, options);
  return prefix.has_value() ? "'" + std::string(*prefix) + "'" : "none";
}

TEST(PrefixOfBounds, BothHaveIt) {
  const auto two = NewFixedPrefixExtractor(2);
  EXPECT_EQ(Prefix(two.get(), "ab1", "ab9"), "'ab'");
  EXPECT_EQ(Prefix(two.get(), "ab", "ab"), "'ab'");
  EXPECT_EQ(Prefix(two.get(), "ab", "ab\xff\xff\xff"), "'ab'");
}

TEST(PrefixOfBounds, UpToWhereThePrefixEnds) {
  const auto two = NewFixedPrefixExtractor(2);
  EXPECT_EQ(Prefix(two.get(), "ab", "ac"), "'ab'");
  EXPECT_EQ(Prefix(two.get(), "ab7", "ac"), "'ab'");
  EXPECT_EQ(Prefix(two.get(), "ab", std::string("ac\0", 3)), "none");
  EXPECT_EQ(Prefix(two.get(), "ab", "ad"), "none");
  EXPECT_EQ(Prefix(two.get(), "ab", "b"), "none");
  EXPECT_EQ(Prefix(two.get(), "a\xff", "b"), "'a\xff'");
  EXPECT_EQ(Prefix(two.get(), "a\xff", std::string("b\0", 2)), "none");
  EXPECT_EQ(Prefix(two.get(), "\xff\xff", "\xff\xff\xff"), "'\xff\xff'");
  const auto delimited = NewDelimiterPrefixExtractor(':', 2);
  EXPECT_EQ(Prefix(delimited.get(), "user:12:", "user:12;"), "'user:12:'");
  EXPECT_EQ(Prefix(delimited.get(), "user:12:name", "user:12:name:"), "'user:12:'");
  EXPECT_EQ(Prefix(delimited.get(), "user:12:", "user:13:"), "none");
}

TEST(PrefixOfBounds, NothingWithoutBothBoundsOrOutsideTheDomain) {
  const auto two = NewFixedPrefixExtractor(2);
  EXPECT_EQ(Prefix(nullptr, "ab", "ac"), "none");
  EXPECT_EQ(Prefix(two.get(), "a", "ac"), "none");
  EXPECT_EQ(Prefix(two.get(), "", ""), "none");
  ReadOptions options;
  options.lower_bound = "ab";
  EXPECT_FALSE(PrefixOfBounds(two.get(), kBytewise, options).has_value());
  options.upper_bound = options.lower_bound;
  options.lower_bound.reset();
  EXPECT_FALSE(PrefixOfBounds(two.get(), kBytewise, options).has_value());
}

// Up to two bytes: "a" has prefix "a", and "ab" has prefix "ab". So ["a", "b") is no prefix.
class Capped final : public PrefixExtractor {
 public:
  const char* Name() const override { return "test.Capped"; }
  std::optional<Slice> Prefix(Slice key) const override { return key.substr(0, 2); }
};
// Two bytes, and something before them that no key begins with.
class Renamed final : public PrefixExtractor {
 public:
  const char* Name() const override { return "test.Renamed"; }
  std::optional<Slice> Prefix(Slice key) const override {
    if (key.size() < 2) return std::nullopt;
    return key[0] == 'a' ? Slice("all of a") : key.substr(0, 2);
  }
};

TEST(PrefixOfBounds, AnExtractorOfWhichNothingIsKnownNeedsBothBounds) {
  const Capped capped;
  EXPECT_EQ(Prefix(&capped, "a", "b"), "none");
  EXPECT_EQ(Prefix(&capped, "ab", "ac"), "none");
  EXPECT_EQ(Prefix(&capped, "ab", "ab7"), "'ab'");
  const Renamed renamed;
  EXPECT_EQ(Prefix(&renamed, "ab", "ay"), "'all of a'");
  EXPECT_EQ(Prefix(&renamed, "ab", "b"), "none");
}

TEST(PrefixOfBounds, UnderAnotherOrderBothBoundsMustHaveIt) {
  const InternalKeyComparator descending(ReverseComparator());
  const auto two = NewFixedPrefixExtractor(2);
  EXPECT_EQ(Prefix(two.get(), "ab9", "ab1", descending), "'ab'");
  EXPECT_EQ(Prefix(two.get(), "ab9", "ab", descending), "'ab'");
  EXPECT_EQ(Prefix(two.get(), "ab9", "ac", descending), "none");  // bounds of nothing
  EXPECT_EQ(Prefix(two.get(), "ab9", "aa", descending), "none");
}

// All keys of up to three of these bytes: whatever the bounds, each key within them has the prefix.
TEST(PrefixOfBounds, EveryKeyWithinHasThePrefix) {
  constexpr char kBytes[] = {'\0', 'a', 'b', '\xff'};
  std::vector<std::string> keys{""};
  for (size_t from = 0, bytes = 0; bytes < 3; ++bytes) {
    const size_t to = keys.size();
    for (; from < to; ++from) {
      for (const char byte : kBytes) keys.push_back(keys[from] + byte);
    }
  }
  const auto one = NewFixedPrefixExtractor(1), two = NewFixedPrefixExtractor(2),
             none = NewFixedPrefixExtractor(0), delimited = NewDelimiterPrefixExtractor('a', 1),
             twice = NewDelimiterPrefixExtractor('\xff', 2);
  const Capped capped;
  const Renamed renamed;
  size_t certain = 0, uncertain = 0;
  for (const Comparator* order : {BytewiseComparator(), ReverseComparator()}) {
    const InternalKeyComparator comparator(order);
    std::sort(keys.begin(), keys.end(),
              [&](const auto& a, const auto& b) { return order->Compare(a, b) < 0; });
    for (const PrefixExtractor* extractor :
         {one.get(), two.get(), none.get(), delimited.get(), twice.get(),
          static_cast<const PrefixExtractor*>(&capped),
          static_cast<const PrefixExtractor*>(&renamed)}) {
      for (size_t lower = 0; lower < keys.size(); ++lower) {
        for (size_t upper = 0; upper < keys.size(); ++upper) {
          ReadOptions options;
          options.lower_bound = keys[lower];
          options.upper_bound = keys[upper];
          const auto prefix = PrefixOfBounds(extractor, comparator, options);
          ++(prefix.has_value() ? certain : uncertain);
          for (size_t i = lower; prefix.has_value() && i < upper; ++i) {
            ASSERT_EQ(extractor->Prefix(keys[i]), prefix)
                << extractor->Name() << " under " << order->Name() << ": key " << i << " of ["
                << lower << ", " << upper << ")";
          }
        }
      }
    }
  }
  EXPECT_GT(certain, 10'000u);
  EXPECT_GT(uncertain, 10'000u);
}

}  // namespace
}  // namespace varve
