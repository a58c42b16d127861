#include "table/index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include "tests/table/segment_test_util.h"

namespace varve {
namespace {

constexpr uint64_t kStoredBytes = 100;

// An index with a block for each separator, an internal key.
std::string IndexOf(const Comparator* comparator, const std::vector<std::string>& separators,
                    uint64_t* data_bytes) {
  IndexBuilder builder(comparator == BytewiseComparator());
  uint64_t offset = 0;
  for (const std::string& separator : separators) {
    const uint64_t padding = offset % 3;
    offset += padding;
    builder.Add({offset, kStoredBytes}, padding, ExtractUserKey(separator),
                ExtractTrailer(separator));
    offset += kStoredBytes;
  }
  std::string content;
  builder.Finish(offset, &content);
  EXPECT_LE(content.size(), builder.EstimatedBytes());
  *data_bytes = offset;
  return content;
}

// Every separator, its neighbours, and random keys, against a search of the list.
void CheckFind(const Comparator* comparator, const std::vector<std::string>& separators,
               const std::vector<std::string>& more_targets) {
  const InternalKeyComparator internal(comparator);
  uint64_t data_bytes;
  const std::string content = IndexOf(comparator, separators, &data_bytes);
  Index index;
  ASSERT_EQ(index.Parse(content, data_bytes), nullptr);
  ASSERT_EQ(index.blocks(), separators.size());
  std::vector<std::string> targets = more_targets;
  for (uint64_t i = 0; i < separators.size(); ++i) {
    EXPECT_EQ(index.separator(i), separators[i]);
    EXPECT_EQ(index.handle(i).size, kStoredBytes);
    const uint64_t end = i == 0 ? 0 : index.handle(i - 1).offset + kStoredBytes;
    EXPECT_EQ(index.handle(i).offset, end + index.padding_before(i));
    const std::string user_key(ExtractUserKey(separators[i]));
    const uint64_t trailer = ExtractTrailer(separators[i]);
    for (const std::string& key :
         {user_key, user_key + '\0', user_key + "\xff", user_key.substr(0, user_key.size() / 2)}) {
      for (const uint64_t t : {trailer, trailer + 1, trailer - (trailer > 0), ~uint64_t{0}}) {
        targets.emplace_back();
        AppendInternalKey(&targets.back(), key, t);
      }
    }
  }
  for (const std::string& target : targets) {
    const auto expected = std::lower_bound(
        separators.begin(), separators.end(), target,
        [&](const std::string& a, const std::string& b) { return internal.Compare(a, b) < 0; });
    ASSERT_EQ(index.Find(internal, target), static_cast<uint64_t>(expected - separators.begin()));
  }
}

std::vector<std::string> Sorted(const Comparator* comparator, std::vector<std::string> keys) {
  const InternalKeyComparator internal(comparator);
  std::sort(keys.begin(), keys.end(),
            [&](const std::string& a, const std::string& b) { return internal.Compare(a, b) < 0; });
  keys.erase(std::unique(keys.begin(), keys.end(),
                         [&](const std::string& a, const std::string& b) {
                           return internal.Compare(a, b) == 0;
                         }),
             keys.end());
  return keys;
}

TEST(Index, FindsAmongSeparatorsOfEveryKind) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const Comparator* const comparators[] = {BytewiseComparator(), BytewiseComparator(),
                                             ReverseComparator(), CaseInsensitiveComparator()};
    const Comparator* const comparator = comparators[seed % 4];
    const std::string common(random.OneIn(2) ? 0 : random.Uniform(20), 'c');
    std::vector<std::string> separators, targets;
    for (uint64_t n = 1 + random.Uniform(200); n > 0; --n) {
      separators.push_back(InternalKey(common + RandomUserKey(&random),
                                       random.OneIn(2) ? 0 : random.Uniform(100),
                                       ValueType::kDelete));
    }
    for (int n = 0; n < 300; ++n) {
      targets.push_back(InternalKey((random.OneIn(3) ? "" : common) + RandomUserKey(&random),
                                    random.Uniform(100)));
    }
    CheckFind(comparator, Sorted(comparator, separators), targets);
    if (HasFatalFailure()) return;
  }
}

TEST(Index, ManyEqualPrefixes) {
  // The first eight bytes behind the common prefix say nothing; shorter keys look the same padded.
  std::vector<std::string> separators;
  for (const char* first : {"a", "b", "c"}) {
    const std::string prefix = std::string(first) + std::string(7, '\0');
    for (int n = 0; n < 40; ++n) {
      separators.push_back(InternalKey(prefix + std::string(n, '\0'), 5));
      separators.push_back(InternalKey(prefix + static_cast<char>(n), 9));
    }
    for (size_t n = 0; n < 7; ++n) separators.push_back(InternalKey(prefix.substr(0, n + 1), 3));
  }
  CheckFind(BytewiseComparator(), Sorted(BytewiseComparator(), separators), {});
}

TEST(Index, OneKeyOverManyBlocks) {
  std::vector<std::string> separators;
  for (int n = 0; n < 100; ++n) separators.push_back(InternalKey("versions", 1000 - n));
  CheckFind(BytewiseComparator(), separators, {});
}

TEST(Index, Empty) {
  uint64_t data_bytes;
  const std::string content = IndexOf(BytewiseComparator(), {}, &data_bytes);
  Index index;
  ASSERT_EQ(index.Parse(content, 0), nullptr);
  EXPECT_EQ(index.Find(InternalKeyComparator(BytewiseComparator()), InternalKey("x", 1)), 0u);
  EXPECT_EQ(index.Find(InternalKeyComparator(BytewiseComparator()), InternalKey("", 1)), 0u);
}

TEST(Index, ParseRefusesAnyBlockOrSeparatorOutside) {
  uint64_t data_bytes;
  const std::vector<std::string> separators = {InternalKey("aa", 0, ValueType::kDelete),
                                               InternalKey("ab", 4), InternalKey("ac", 0)};
  const std::string good = IndexOf(BytewiseComparator(), separators, &data_bytes);
  const InternalKeyComparator internal(BytewiseComparator());
  Index index;
  ASSERT_EQ(index.Parse(good, data_bytes), nullptr);
  EXPECT_NE(index.Parse(good, data_bytes + 1), nullptr);
  EXPECT_NE(index.Parse(good, data_bytes - 1), nullptr);
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_NE(index.Parse(Slice(good).substr(0, size), data_bytes), nullptr) << size;
  }
  // Any bytes: refused, or every block in the data and every search safe.
  uint64_t accepted = 0;
  for (size_t at = 0; at < good.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      std::vector<char> content(good.begin(), good.end());
      content[at] = static_cast<char>(value);
      if (index.Parse(Slice(content.data(), content.size()), data_bytes) != nullptr) continue;
      ++accepted;
      uint64_t end = 0;
      for (uint64_t i = 0; i < index.blocks(); ++i) {
        const BlockHandle handle = index.handle(i);
        ASSERT_GE(handle.offset, end);
        ASSERT_GE(handle.size, kBlockTrailerBytes);
        end = handle.offset + handle.size;
        ASSERT_LE(end, data_bytes);
        ASSERT_GE(index.separator(i).size(), kTrailerBytes);
      }
      for (const std::string& target : separators) {
        ASSERT_LE(index.Find(internal, target), index.blocks());
      }
    }
  }
  EXPECT_GT(accepted, 0u);
}

}  // namespace
}  // namespace varve
