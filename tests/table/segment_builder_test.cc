#include "table/segment_builder.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "table/open_segment.h"
#include "table/segment_format.h"
#include "tests/table/segment_test_util.h"

namespace varve {
namespace {

SegmentBuilderOptions Options() {
  SegmentBuilderOptions options;
  options.number = 3;
  options.path = "000003.seg";
  return options;
}

std::unique_ptr<OpenSegment> Opened(const std::string& bytes, FileNumber number = 3) {
  std::unique_ptr<OpenSegment> segment;
  const Status s = OpenSegment::Open({}, std::make_unique<MemoryRandomAccessFile>(bytes),
                                     "000003.seg", number, &segment);
  EXPECT_TRUE(s.ok()) << s.ToString();
  return segment;
}

TEST(SegmentBuilder, RefusesKeysOutOfOrderAndLatches) {
  const struct {
    std::string first, second;
  } wrong[] = {
      {InternalKey("b", 5), InternalKey("a", 9)},
      {InternalKey("b", 5), InternalKey("b", 5)},
      {InternalKey("b", 5), InternalKey("b", 6)},
      {InternalKey("b", 5, ValueType::kDelete), InternalKey("b", 5, ValueType::kValue)},
      {InternalKey("b", 5), "short"},
      {InternalKey("b", 5), InternalKey(std::string(kUserKeyBytesMax + 1, 'c'), 5)},
  };
  for (const auto& w : wrong) {
    MemoryWritableFile file;
    SegmentBuilder builder(Options(), &file);
    ASSERT_TRUE(builder.Add(w.first, "v").ok());
    const Status s = builder.Add(w.second, "v");
    EXPECT_TRUE(s.IsInvalidArgument()) << s.ToString();
    EXPECT_NE(s.message().find("000003.seg"), std::string_view::npos);
    // It stays so, for what would be in order too, and nothing is written.
    EXPECT_TRUE(builder.Add(InternalKey("z", 1), "v").IsInvalidArgument());
    EXPECT_TRUE(builder.Finish(nullptr).IsInvalidArgument());
    EXPECT_TRUE(builder.status().IsInvalidArgument());
    EXPECT_EQ(builder.entries(), 1u);
    EXPECT_EQ(file.size(), 0u);
  }
}

TEST(SegmentBuilder, OrderIsTheComparators) {
  MemoryWritableFile file;
  SegmentBuilderOptions options = Options();
  options.comparator = CaseInsensitiveComparator();
  SegmentBuilder builder(options, &file);
  EXPECT_TRUE(builder.Add(InternalKey("B", 5), "").ok());
  EXPECT_TRUE(builder.Add(InternalKey("b", 4), "").ok());
  EXPECT_TRUE(builder.Add(InternalKey("C", 9), "").ok());
  EXPECT_FALSE(builder.Add(InternalKey("c", 9), "").ok());
}

// Nothing is written after an append that failed.
TEST(SegmentBuilder, AFailedAppendLatches) {
  for (uint64_t appends = 0; appends < 4; ++appends) {
    MemoryWritableFile file;
    file.FailAfter(appends);
    SegmentBuilder builder(Options(), &file);
    Status s;
    for (int n = 100000; n < 120000 && s.ok(); ++n) {
      s = builder.Add(InternalKey(std::to_string(n), 1), std::string(100, 'v'));
    }
    if (s.ok()) s = builder.Finish(nullptr);
    EXPECT_TRUE(s.IsNoSpace()) << s.ToString();
    const uint64_t size = file.size();
    file.FailAfter(UINT64_MAX);
    EXPECT_TRUE(builder.Add(InternalKey("zz", 1), "v").IsNoSpace());
    EXPECT_TRUE(builder.Finish(nullptr).IsNoSpace());
    EXPECT_EQ(file.size(), size);
  }
}

TEST(SegmentBuilder, FinishIsTheEnd) {
  MemoryWritableFile file;
  SegmentBuilder builder(Options(), &file);
  ASSERT_TRUE(builder.Finish(nullptr).ok());
  EXPECT_TRUE(builder.Finish(nullptr).IsInvalidArgument());
  EXPECT_TRUE(builder.Add(InternalKey("a", 1), "").IsInvalidArgument());
}

TEST(SegmentBuilder, AnEmptySegmentIsValid) {
  SegmentProperties properties;
  const std::string bytes =
      BuildSegment(Options(), Entries(InternalLess{BytewiseComparator()}), &properties);
  EXPECT_EQ(properties.entries, 0u);
  EXPECT_EQ(properties.data_bytes, 0u);
  const auto reader = OpenSegmentBytes({}, bytes, 3);
  ASSERT_NE(reader, nullptr);
  EXPECT_TRUE(reader->Verify().ok());
  EXPECT_EQ(GetText(*reader, {}, "a", kMaxSequence), "none");
  const auto it = reader->NewIterator({});
  it->SeekToFirst();
  EXPECT_FALSE(it->Valid());
  it->SeekToLast();
  EXPECT_FALSE(it->Valid());
  it->Seek(InternalKey("a", 1));
  EXPECT_FALSE(it->Valid());
  it->SeekForPrev(InternalKey("a", 1));
  EXPECT_FALSE(it->Valid());
  EXPECT_TRUE(it->status().ok());
}

TEST(SegmentBuilder, Properties) {
  Entries entries(InternalLess{BytewiseComparator()});
  entries[InternalKey("a", 9)] = "1234";
  entries[InternalKey("a", 4, ValueType::kDelete)] = "";
  entries[InternalKey("bb", 17, ValueType::kDelete)] = "";
  SegmentBuilderOptions options = Options();
  options.compression = Compression::kLz4;
  options.filter_bits_per_key = 12;
  options.created_ms = 123;
  options.creator = "test";
  SegmentProperties built;
  const std::string bytes = BuildSegment(options, entries, &built);
  const auto reader = OpenSegmentBytes({}, bytes, 3);
  ASSERT_NE(reader, nullptr);
  for (const SegmentProperties* p : {&std::as_const(built), &reader->properties()}) {
    EXPECT_EQ(p->entries, 3u);
    EXPECT_EQ(p->deletes, 2u);
    EXPECT_EQ(p->user_keys, 2u);
    EXPECT_EQ(p->raw_key_bytes, 4 + 24u);
    EXPECT_EQ(p->raw_value_bytes, 4u);
    EXPECT_EQ(p->data_blocks, 1u);
    EXPECT_EQ(p->smallest_key, InternalKey("a", 9));
    EXPECT_EQ(p->largest_key, InternalKey("bb", 17, ValueType::kDelete));
    EXPECT_EQ(p->sequence_min, 4u);
    EXPECT_EQ(p->sequence_max, 17u);
    EXPECT_EQ(p->compression, Compression::kLz4);
    EXPECT_EQ(p->filter_bits_per_key, 12);
    EXPECT_EQ(p->comparator, "varve.BytewiseComparator");
    EXPECT_EQ(p->number, 3u);
    EXPECT_EQ(p->created_ms, 123u);
    EXPECT_EQ(p->creator, "test");
    EXPECT_EQ(p->file_bytes, bytes.size());
  }
}

TEST(SegmentBuilder, NoFilterWhereKeysMayDifferOrNoneIsWanted) {
  Entries entries(InternalLess{BytewiseComparator()});
  entries[InternalKey("a", 9)] = "1";
  SegmentBuilderOptions options = Options();
  options.filter_bits_per_key = 0;
  EXPECT_EQ(Opened(BuildSegment(options, entries))->filter(), nullptr);
  options.filter_bits_per_key = 10;
  EXPECT_NE(Opened(BuildSegment(options, entries))->filter(), nullptr);

  options.comparator = CaseInsensitiveComparator();
  Entries folded(InternalLess{CaseInsensitiveComparator()});
  folded[InternalKey("a", 9)] = "1";
  SegmentProperties properties;
  const std::string bytes = BuildSegment(options, folded, &properties);
  EXPECT_EQ(properties.filter_bits_per_key, 0);
  SegmentReaderOptions open;
  open.comparator = CaseInsensitiveComparator();
  EXPECT_EQ(GetText(*OpenSegmentBytes(open, bytes, 3), {}, "A", 9), "found 1 9 1");
}

// ---- Where blocks lie --------------------------------------------------------------------------

uint64_t Pages(uint64_t offset, uint64_t size) {
  return (offset + size - 1) / kDevicePageBytes - offset / kDevicePageBytes + 1;
}

Entries FixedEntries(int count, size_t value_bytes, char fill = 'v') {
  Entries entries(InternalLess{BytewiseComparator()});
  Random random(value_bytes);
  for (int n = 0; n < count; ++n) {
    std::string value(value_bytes, fill);
    if (fill == '\0') {
      for (char& c : value) c = static_cast<char>(random.Next());
    }
    entries[InternalKey("key" + std::to_string(100000 + n), 1000 + n)] = value;
  }
  return entries;
}

TEST(SegmentBuilder, UncompressedBlocksOfSmallEntriesLieInOnePage) {
  for (const size_t value_bytes : {0, 10, 100, 300, 450}) {
    SCOPED_TRACE(value_bytes);
    const std::string bytes = BuildSegment(Options(), FixedEntries(3000, value_bytes));
    const auto segment = Opened(bytes);
    const Index& index = segment->index();
    uint64_t padding = 0;
    for (uint64_t i = 0; i < index.blocks(); ++i) {
      const BlockHandle handle = index.handle(i);
      EXPECT_EQ(Pages(handle.offset, handle.size), 1u) << i;
      EXPECT_LE(index.padding_before(i), kBlockPaddingMax);
      padding += index.padding_before(i);
    }
    // Half an entry a page on average; here all are of one size, so up to a whole one.
    EXPECT_LE(padding, index.blocks() * (value_bytes + 30));
  }
}

TEST(SegmentBuilder, PaddingIsBoundedAndSavesAPage) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    SegmentBuilderOptions options = Options();
    options.compression = static_cast<Compression>(random.Uniform(4));
    options.block_bytes = size_t{1} << (9 + random.Uniform(7));
    const std::string bytes =
        BuildSegment(options, RandomEntries(&random, BytewiseComparator(), 1000, 10));
    const auto segment = Opened(bytes);
    const Index& index = segment->index();
    for (uint64_t i = 0; i < index.blocks(); ++i) {
      const BlockHandle handle = index.handle(i);
      const uint64_t padding = index.padding_before(i);
      EXPECT_LE(padding, kBlockPaddingMax);
      if (padding > 0) {
        EXPECT_EQ(handle.offset % kDevicePageBytes, 0u);
        EXPECT_LT(Pages(handle.offset, handle.size), Pages(handle.offset - padding, handle.size));
      } else {
        // Not moved although that would have saved a page: too much to waste.
        const uint64_t to_page = -handle.offset % kDevicePageBytes;
        EXPECT_TRUE(Pages(0, handle.size) == Pages(handle.offset, handle.size) ||
                    to_page > kBlockPaddingMax);
      }
    }
  }
}

TEST(SegmentBuilder, BlocksKeepToTheirSize) {
  SegmentBuilderOptions options = Options();
  for (const Compression compression : {Compression::kNone, Compression::kLz4}) {
    options.compression = compression;
    const auto segment = Opened(BuildSegment(options, FixedEntries(3000, 100)));
    EXPECT_LE(segment->properties().block_raw_bytes_max, 4096 - kBlockTrailerBytes);
    // And use it: 116 bytes fit 33 times.
    EXPECT_GE(segment->properties().entries / segment->properties().data_blocks, 31u);
  }
}

TEST(SegmentBuilder, ABlockThatDoesNotShrinkIsStoredRaw) {
  SegmentBuilderOptions options = Options();
  options.compression = Compression::kZstd;
  const auto types = [&](const std::string& bytes) {
    const auto segment = Opened(bytes);
    std::vector<int> counts(4);
    for (uint64_t i = 0; i < segment->index().blocks(); ++i) {
      const BlockHandle handle = segment->index().handle(i);
      counts[bytes[handle.offset + handle.size - kBlockTrailerBytes]]++;
    }
    return counts;
  };
  const std::vector<int> random = types(BuildSegment(options, FixedEntries(300, 400, '\0')));
  EXPECT_GT(random[0], 0);
  EXPECT_EQ(random[3], 0);
  const std::vector<int> letters = types(BuildSegment(options, FixedEntries(300, 400)));
  EXPECT_EQ(letters[0], 0);
  EXPECT_GT(letters[3], 0);
}

TEST(SegmentBuilder, LargeValuesHaveBlocksOfTheirOwn) {
  for (const Compression compression : {Compression::kNone, Compression::kLz4}) {
    for (const size_t size : {5000, 256 * 1024 - 1, 256 * 1024, 3 << 20}) {
      SCOPED_TRACE(size);
      Entries entries = FixedEntries(100, 50);
      entries[InternalKey("key100050x", 5)] = std::string(size, 'x');
      SegmentBuilderOptions options = Options();
      options.compression = compression;
      const std::string bytes = BuildSegment(options, entries);
      const auto segment = Opened(bytes);
      const Index& index = segment->index();
      const uint64_t i = index.Find(segment->comparator(), InternalKey("key100050x", 5));
      ASSERT_LT(i, index.blocks());
      BlockRef block;
      ASSERT_TRUE(segment->ReadBlock({}, i, &block).ok());
      EXPECT_EQ(block->entries(), 1u);
      EXPECT_TRUE(segment->Verify().ok());
      EXPECT_EQ(GetText(*OpenSegmentBytes({}, bytes, 3), {}, "key100050x", 5),
                "found 1 5 " + std::string(size, 'x'));
    }
  }
}

TEST(SegmentBuilder, LongestKeys) {  // Checklist S10
  Entries entries(InternalLess{BytewiseComparator()});
  for (const char last : {'a', 'b', 'c'}) {
    entries[InternalKey(std::string(kUserKeyBytesMax - 1, 'k') + last, 7)] = std::string(1, last);
  }
  const std::string bytes = BuildSegment(Options(), entries);
  const auto reader = OpenSegmentBytes({}, bytes, 3);
  ASSERT_NE(reader, nullptr);
  EXPECT_TRUE(reader->Verify().ok());
  EXPECT_EQ(reader->properties().smallest_key, entries.begin()->first);
  for (const auto& [key, value] : entries) {
    EXPECT_EQ(GetText(*reader, {}, ExtractUserKey(key), 7), "found 1 7 " + value);
  }
}

TEST(SegmentBuilder, TheEstimateFollowsTheFile) {
  MemoryWritableFile file;
  SegmentBuilder builder(Options(), &file);
  std::vector<uint64_t> estimates;
  for (const auto& [key, value] : FixedEntries(20000, 100)) {
    ASSERT_TRUE(builder.Add(key, value).ok());
    estimates.push_back(builder.EstimatedFileBytes());
  }
  ASSERT_TRUE(builder.Finish(nullptr).ok());
  EXPECT_NEAR(static_cast<double>(estimates.back()), static_cast<double>(file.size()),
              0.02 * static_cast<double>(file.size()));
  EXPECT_NEAR(static_cast<double>(estimates[9999]), 0.5 * static_cast<double>(file.size()),
              0.02 * static_cast<double>(file.size()));
}

}  // namespace
}  // namespace varve
