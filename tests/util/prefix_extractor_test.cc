#include "varve/prefix_extractor.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "util/random.h"

namespace varve {
namespace {

constexpr std::optional<Slice> kNone;

TEST(PrefixExtractor, FixedTakesTheFirstBytes) {
  const auto fixed = NewFixedPrefixExtractor(3);
  EXPECT_STREQ(fixed->Name(), "varve.FixedPrefix.3");
  EXPECT_EQ(fixed->Prefix("abcd"), "abc");
  EXPECT_EQ(fixed->Prefix("abc"), "abc");
  EXPECT_EQ(fixed->Prefix("ab"), kNone);
  EXPECT_EQ(fixed->Prefix(""), kNone);
  EXPECT_EQ(fixed->Prefix(Slice("\0\xff\0\0", 4)), Slice("\0\xff\0", 3));
  EXPECT_EQ(NewFixedPrefixExtractor(0)->Prefix("abc"), "");
}

TEST(PrefixExtractor, DelimiterTakesUpToTheDelimiterOfThatNumber) {
  const auto delimiter = NewDelimiterPrefixExtractor(':', 2);
  EXPECT_STREQ(delimiter->Name(), "varve.DelimiterPrefix.3a.2");
  EXPECT_EQ(delimiter->Prefix("user:123:name:first"), "user:123:");
  EXPECT_EQ(delimiter->Prefix("user:123:"), "user:123:");
  EXPECT_EQ(delimiter->Prefix("user:123"), kNone);
  EXPECT_EQ(delimiter->Prefix("::"), "::");
  EXPECT_EQ(delimiter->Prefix(""), kNone);
  EXPECT_EQ(NewDelimiterPrefixExtractor(':', 0)->Prefix("a:"), "");
  EXPECT_STREQ(NewDelimiterPrefixExtractor('\xff', 1)->Name(), "varve.DelimiterPrefix.ff.1");
}

// What LeadingBytesDecide() promises.
TEST(PrefixExtractor, KeysThatBeginWithAPrefixHaveIt) {
  Random random(1);
  for (const auto& extractor : {NewFixedPrefixExtractor(2), NewDelimiterPrefixExtractor('b', 1),
                                NewDelimiterPrefixExtractor('b', 3)}) {
    ASSERT_TRUE(extractor->LeadingBytesDecide());
    for (int n = 0; n < 2000; ++n) {
      std::string key;
      for (uint64_t bytes = random.Uniform(8); bytes > 0; --bytes) {
        key += static_cast<char>('a' + random.Uniform(3));
      }
      const auto prefix = extractor->Prefix(key);
      if (!prefix.has_value()) continue;
      EXPECT_TRUE(key.starts_with(*prefix));
      EXPECT_EQ(extractor->Prefix(*prefix), prefix);
      EXPECT_EQ(extractor->Prefix(std::string(*prefix) + "b"), prefix);
    }
  }
}

}  // namespace
}  // namespace varve
