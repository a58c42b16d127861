#include "table/block.h"

#include <gtest/gtest.h>

#include <iterator>
#include <string>
#include <vector>

#include "table/block_builder.h"
#include "tests/table/segment_test_util.h"
#include "util/hash.h"

namespace varve {
namespace {

// A block built from entries, in memory of exactly its size and the slack.
class BuiltBlock {
 public:
  explicit BuiltBlock(const Entries& entries, bool tags = true) {
    BlockBuilder builder(tags);
    for (const auto& [key, value] : entries) builder.Add(key, Hash64(ExtractUserKey(key)), value);
    builder.Finish(&content_);
    Take();
  }
  explicit BuiltBlock(std::string content) : content_(std::move(content)) { Take(); }

  const Block& block() const { return block_; }
  const char* wrong() const { return wrong_; }
  const std::string& content() const { return content_; }

 private:
  void Take() {
    memory_.assign(content_.begin(), content_.end());
    memory_.resize(content_.size() + Block::kSlackBytes, '\xee');
    wrong_ = block_.Parse(Slice(memory_.data(), content_.size()));
  }
  std::string content_;
  std::vector<char> memory_;
  const char* wrong_ = nullptr;
  Block block_;
};

Entries Of(std::initializer_list<std::pair<const std::string, std::string>> list,
           const Comparator* comparator = BytewiseComparator()) {
  return Entries(list, InternalLess{comparator});
}

// Every way to look at the block, against the map it was built from.
void ExpectSame(const Block& block, const Entries& entries, const Comparator* comparator) {
  const InternalKeyComparator internal(comparator);
  ASSERT_EQ(block.entries(), entries.size());
  BlockCursor cursor;
  cursor.SetBlock(&block);
  uint32_t i = 0;
  for (const auto& [key, value] : entries) {
    cursor.MoveTo(i);
    ASSERT_TRUE(cursor.valid());
    ASSERT_EQ(cursor.key(), key);
    ASSERT_EQ(cursor.value(), value);
    ASSERT_EQ(block.LowerBound(internal, key), i);
    const std::string user_key(ExtractUserKey(key));
    ASSERT_EQ(block.Find(internal, key, TagOfHash(Hash64(user_key))), i);
    // Just after it: the next entry, if that is of the same key.
    const uint64_t trailer = ExtractTrailer(key);
    if (trailer > 0) {
      std::string older = user_key;
      PutFixed64(&older, trailer - 1);
      ASSERT_EQ(block.LowerBound(internal, older), i + 1);
      const auto next = entries.upper_bound(key);
      const bool same = next != entries.end() && ExtractUserKey(next->first) == user_key;
      ASSERT_EQ(block.Find(internal, older, TagOfHash(Hash64(user_key))),
                same ? i + 1 : block.entries());
    }
    ++i;
  }
  cursor.MoveTo(i);
  EXPECT_FALSE(cursor.valid());
}

TEST(Block, SharesThePrefixAndNarrowsTrailers) {
  const Entries entries = Of({{InternalKey("user:1:a", 1000), "x"},
                              {InternalKey("user:1:b", 1001), "yy"},
                              {InternalKey("user:2", 1002, ValueType::kDelete), ""}});
  const BuiltBlock built(entries);
  ASSERT_EQ(built.wrong(), nullptr);
  EXPECT_EQ(built.block().prefix(), "user:");
  ExpectSame(built.block(), entries, BytewiseComparator());
  // Header, prefix, tags, offsets; per entry a length, the suffix, two bytes of trailer, the value.
  EXPECT_EQ(built.content().size(),
            20u + 5 + 3 + 6 + (1 + 3 + 2 + 1) + (1 + 3 + 2 + 2) + (1 + 1 + 2));
}

TEST(Block, EqualTrailersTakeNoBytes) {
  const BuiltBlock built(Of({{InternalKey("a", 0), ""}, {InternalKey("b", 0), ""}}));
  ASSERT_EQ(built.wrong(), nullptr);
  EXPECT_EQ(built.content().size(), 20u + 0 + 2 + 4 + 2 * 2);
}

TEST(Block, TrailersMayDifferInAllBytes) {
  const Entries entries =
      Of({{InternalKey("k", kMaxSequence, ValueType::kValuePointerWithExpiry), "new"},
          {InternalKey("k", 0, ValueType::kDelete), ""}});
  const BuiltBlock built(entries);
  ASSERT_EQ(built.wrong(), nullptr);
  ExpectSame(built.block(), entries, BytewiseComparator());
}

TEST(Block, LowerBoundOutsideAndBetween) {
  const InternalKeyComparator internal(BytewiseComparator());
  const BuiltBlock built(Of({{InternalKey("pre-b", 5), ""}, {InternalKey("pre-d", 5), ""}}));
  ASSERT_EQ(built.wrong(), nullptr);
  const auto bound = [&](Slice key) {
    return built.block().LowerBound(internal, InternalKey(key, 5));
  };
  EXPECT_EQ(bound(""), 0u);
  EXPECT_EQ(bound("pre"), 0u);
  EXPECT_EQ(bound("pre-"), 0u);
  EXPECT_EQ(bound("pra"), 0u);
  EXPECT_EQ(bound("pre-b\x01"), 1u);
  EXPECT_EQ(bound("pre-c"), 1u);
  EXPECT_EQ(bound("pre-d"), 1u);
  EXPECT_EQ(bound("pre-e"), 2u);
  EXPECT_EQ(bound("prf"), 2u);
  EXPECT_EQ(bound("\xff"), 2u);
}

TEST(Block, RandomEntriesUnderEveryComparator) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const Comparator* const comparator = seed % 3 == 0 ? ReverseComparator() : BytewiseComparator();
    const Entries entries =
        RandomEntries(&random, comparator, 1 + random.Uniform(400), seed % 2 == 0 ? 5 : 1000);
    const bool tags = seed % 5 != 0;
    const BuiltBlock built(entries, tags);
    ASSERT_EQ(built.wrong(), nullptr);
    EXPECT_EQ(built.block().has_tags(), tags && entries.size() <= kTaggedEntriesMax);
    ExpectSame(built.block(), entries, comparator);
    if (HasFatalFailure()) return;
  }
}

TEST(Block, OffsetsWidenBeyond64KiB) {
  Entries entries =
      Of({{InternalKey("a", 1), std::string(65400, 'v')}, {InternalKey("b", 1), "w"}});
  const BuiltBlock narrow(entries);
  ASSERT_EQ(narrow.wrong(), nullptr);
  EXPECT_EQ(narrow.content()[17] & kBlockWideOffsets, 0);
  entries[InternalKey("aa", 1)] = std::string(200, 'v');
  const BuiltBlock wide(entries);
  ASSERT_EQ(wide.wrong(), nullptr);
  EXPECT_NE(wide.content()[17] & kBlockWideOffsets, 0);
  ExpectSame(narrow.block(), Of({*entries.begin(), *std::prev(entries.end())}),
             BytewiseComparator());
  ExpectSame(wide.block(), entries, BytewiseComparator());
}

TEST(BlockBuilder, SizeWithIsWhatFinishGives) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const Entries entries = RandomEntries(&random, BytewiseComparator(), 1 + random.Uniform(300));
    BlockBuilder builder(true);
    uint64_t size = 0;
    for (const auto& [key, value] : entries) {
      size = builder.SizeWith(key, value.size());
      builder.Add(key, 0, value);
    }
    std::string content;
    builder.Finish(&content);
    EXPECT_GE(size, content.size());
    // It counts lengths of whole keys, and a block near 64 KiB as one with wide offsets.
    EXPECT_LE(size, content.size() + 4 * entries.size());
    EXPECT_TRUE(builder.empty());
  }
}

TEST(BlockBuilder, ASingleEntryIsEncodedAhead) {
  for (const size_t key_bytes : {size_t{0}, size_t{1}, size_t{300}, kUserKeyBytesMax}) {
    const std::string key = InternalKey(std::string(key_bytes, 'k'), 77);
    std::string content;
    BlockBuilder::EncodeSingle(key, &content);
    content += "the value";
    const BuiltBlock built(content);
    ASSERT_EQ(built.wrong(), nullptr) << key_bytes;
    ExpectSame(built.block(), Of({{key, "the value"}}), BytewiseComparator());
  }
}

TEST(Block, ParseRefusesWhatLeavesTheBlock) {
  const Entries entries = Of({{InternalKey("apple", 3), "red"}, {InternalKey("apricot", 2), "x"}});
  const BuiltBlock good(entries);
  ASSERT_EQ(good.wrong(), nullptr);
  const auto wrong_with = [&](size_t at, const std::string& bytes) {
    std::string content = good.content();
    content.replace(at, bytes.size(), bytes);
    const char* const wrong = BuiltBlock(content).wrong();
    return std::string(wrong == nullptr ? "" : wrong);
  };
  EXPECT_EQ(wrong_with(8, std::string(4, '\0')), "no entries");
  EXPECT_EQ(wrong_with(8, "\xff\xff\xff\xff"), "more entries than bytes");
  EXPECT_EQ(wrong_with(12, "\xff\xff\xff\xff"), "prefix over the limit of keys");
  EXPECT_EQ(wrong_with(16, "\x09"), "trailer width over 8");
  EXPECT_EQ(wrong_with(17, "\x04"), "unknown flags");
  const size_t offsets = kBlockHeaderBytes + 2 + 2;
  EXPECT_EQ(wrong_with(offsets, std::string(1, '\x1b')), "the first entry is not where it must be");
  EXPECT_EQ(wrong_with(offsets + 2, std::string("\x1c\0", 2)), "entry offsets do not rise");
  EXPECT_EQ(wrong_with(offsets + 2, "\xff\xff"), "entry offsets do not rise");
  EXPECT_EQ(wrong_with(offsets + 4, "\x7f"), "a key leaves its entry");
  EXPECT_STREQ(BuiltBlock(std::string(kBlockHeaderBytes - 1, 'x')).wrong(),
               "shorter than its header");
  for (size_t size = 0; size < good.content().size() - 1; ++size) {
    EXPECT_NE(BuiltBlock(good.content().substr(0, size)).wrong(), nullptr) << size;
  }
}

// What Parse accepts may be nonsense, but nothing leaves the block. For the sanitizers.
TEST(Block, MutatedBlocksAreSafe) {
  uint64_t accepted = 0, bytes = 0;
  for (uint64_t seed = 1; seed <= 3000; ++seed) {
    Random random(seed);
    const Entries entries = RandomEntries(&random, BytewiseComparator(), 1 + random.Uniform(20));
    std::string content = BuiltBlock(entries).content();
    const size_t head = std::min<size_t>(content.size(), 120);
    for (uint64_t n = 1 + random.Uniform(3); n > 0; --n) {
      content[random.Uniform(head)] = static_cast<char>(random.Next());
    }
    const BuiltBlock mutated(content);
    if (mutated.wrong() != nullptr) continue;
    ++accepted;
    BlockCursor cursor;
    cursor.SetBlock(&mutated.block());
    for (cursor.MoveTo(0); cursor.valid(); cursor.MoveTo(cursor.index() + 1)) {
      for (const char c : cursor.key()) bytes += static_cast<uint8_t>(c);
      for (const char c : cursor.value()) bytes += static_cast<uint8_t>(c);
    }
    for (const auto& [key, value] : entries) {
      for (const Comparator* user : {BytewiseComparator(), ReverseComparator()}) {
        const InternalKeyComparator internal(user);
        EXPECT_LE(mutated.block().LowerBound(internal, key), mutated.block().entries());
        EXPECT_LE(mutated.block().Find(internal, key, TagOfHash(Hash64(ExtractUserKey(key)))),
                  mutated.block().entries());
      }
    }
  }
  EXPECT_GT(accepted, 100u);
  EXPECT_GT(bytes, 0u);
}

}  // namespace
}  // namespace varve
