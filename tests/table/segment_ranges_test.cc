#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include "table/footer.h"
#include "table/range_tombstone_block.h"
#include "table/segment_dump.h"
#include "table/segment_format.h"
#include "table/stored_block.h"
#include "tests/table/segment_test_util.h"
#include "util/hash.h"

// Range tombstones in a segment: what is written, read, and made of damage.

namespace varve {
namespace {

constexpr FileNumber kNumber = 11;

using Ranges = std::vector<RangeTombstone>;

struct Built {
  std::string bytes;
  SegmentProperties properties;
};

Built Build(const Ranges& ranges, const std::vector<std::string>& keys,
            SegmentBuilderOptions options = {}) {
  Built built;
  options.number = kNumber;
  MemoryWritableFile file;
  SegmentBuilder builder(options, &file);
  size_t next = 0;
  for (const RangeTombstone& t : ranges) {  // in between the entries
    EXPECT_TRUE(builder.AddRangeTombstone(t.start, t.end, t.sequence).ok());
    if (next < keys.size()) {
      EXPECT_TRUE(builder.Add(InternalKey(keys[next], 50), "v").ok());
      ++next;
    }
  }
  for (; next < keys.size(); ++next) {
    EXPECT_TRUE(builder.Add(InternalKey(keys[next], 50), "v").ok());
  }
  EXPECT_TRUE(builder.Finish(&built.properties).ok());
  built.bytes = file.bytes();
  EXPECT_EQ(builder.EstimatedFileBytes(), built.bytes.size());
  return built;
}

std::string Exclusive(Slice user_key) {
  std::string key;
  AppendInternalKey(&key, user_key, kExclusiveTrailer);
  return key;
}

Status OpenStatus(const std::string& bytes, const Comparator* comparator = BytewiseComparator()) {
  std::unique_ptr<SegmentReader> reader;
  SegmentReaderOptions options;
  options.comparator = comparator;
  return SegmentReader::Open(options, std::make_unique<MemoryRandomAccessFile>(bytes), "a/11.seg",
                             kNumber, &reader);
}

std::string Dump(const std::string& bytes, Status* status) {
  std::string text;
  SegmentDumpOptions dump;
  dump.entries = true;
  *status = DumpSegment(dump, std::make_unique<MemoryRandomAccessFile>(bytes), "000011.seg",
                        [&](Slice line) { text.append(line).append("\n"); });
  return text;
}

TEST(SegmentRanges, AreKeptBesideTheEntries) {
  const Built built = Build({{"m", "p", 7}, {"c", "f", 60}, {"e", "n", 9}}, {"b", "d", "z"});
  EXPECT_EQ(built.properties.range_deletes, 3u);
  EXPECT_EQ(built.properties.entries, 3u);
  EXPECT_EQ(built.properties.sequence_min, 7u);
  EXPECT_EQ(built.properties.sequence_max, 60u);
  const auto reader = OpenSegmentBytes({}, built.bytes, kNumber);
  ASSERT_NE(reader, nullptr);
  const Status verified = reader->Verify();
  EXPECT_TRUE(verified.ok()) << verified.ToString();
  const FragmentedRangeTombstones* const ranges = reader->range_tombstones();
  ASSERT_NE(ranges, nullptr);
  EXPECT_EQ(ranges->Tombstones(), (Ranges{{"c", "f", 60}, {"e", "n", 9}, {"m", "p", 7}}));
  EXPECT_EQ(ranges->MaxCovering("e", kMaxSequence), 60u);
  EXPECT_EQ(ranges->MaxCovering("e", 59), 9u);
  EXPECT_EQ(ranges->MaxCovering("z", kMaxSequence), 0u);
  EXPECT_EQ(GetText(*reader, {}, "d", kMaxSequence), GetText(*reader, {}, "d", 50));  // its entry
  const auto plain = OpenSegmentBytes({}, Build({}, {"b", "d", "z"}).bytes, kNumber);
  EXPECT_EQ(plain->range_tombstones(), nullptr);
  EXPECT_GE(reader->memory_bytes(), plain->memory_bytes() + ranges->memory_bytes());
}

TEST(SegmentRanges, ThatTouchAreWrittenAsOneAndEmptyOnesNotAtAll) {
  const Built built =
      Build({{"c", "e", 5}, {"a", "c", 5}, {"x", "x", 8}, {"z", "y", 9}, {"a", "b", 5}}, {});
  EXPECT_EQ(built.properties.range_deletes, 1u);
  EXPECT_EQ(built.properties.sequence_max, 5u);
  const auto reader = OpenSegmentBytes({}, built.bytes, kNumber);
  EXPECT_EQ(reader->range_tombstones()->Tombstones(), (Ranges{{"a", "e", 5}}));

  // Nothing but empty ranges: as if there had been none.
  const Built none = Build({{"x", "x", 8}}, {"k"});
  EXPECT_TRUE(none.bytes == Build({}, {"k"}).bytes);
}

TEST(SegmentRanges, WithoutThemTheBytesAreThoseOfBefore) {
  const Built built = Build({}, {"a", "b"});
  Footer footer;
  ASSERT_TRUE(Footer::Decode(built.bytes, built.bytes.size(), &footer).ok());
  EXPECT_EQ(footer.incompat, 0u);
  EXPECT_EQ(footer.range_tombstones.size, 0u);
  const Built with = Build({{"a", "b", 1}}, {"a", "b"});
  ASSERT_TRUE(Footer::Decode(with.bytes, with.bytes.size(), &footer).ok());
  EXPECT_EQ(footer.incompat, kFeatureRangeTombstones);
}

TEST(SegmentRanges, AloneAreASegment) {
  const Built built = Build({{"b", "d", 4}}, {});
  EXPECT_EQ(built.properties.smallest_key, InternalKey("b", 4, ValueType::kRangeDelete));
  EXPECT_EQ(built.properties.largest_key, Exclusive("d"));
  EXPECT_EQ(built.properties.sequence_min, 4u);
  EXPECT_EQ(built.properties.sequence_max, 4u);
  const auto reader = OpenSegmentBytes({}, built.bytes, kNumber);
  ASSERT_NE(reader, nullptr);
  EXPECT_TRUE(reader->Verify().ok());
  EXPECT_EQ(reader->range_tombstones()->MaxCovering("c", 4), 4u);
  EXPECT_EQ(GetText(*reader, {}, "c", kMaxSequence), "none");
  const auto it = reader->NewIterator({});
  it->SeekToFirst();
  EXPECT_FALSE(it->Valid());
  EXPECT_TRUE(it->status().ok());
}

TEST(SegmentRanges, BoundsCoverBoth) {
  const auto bounds = [](const Ranges& ranges, const std::vector<std::string>& keys) {
    const SegmentProperties p = Build(ranges, keys).properties;
    return std::pair(p.smallest_key, p.largest_key);
  };
  const std::string b = InternalKey("b", 50), k = InternalKey("k", 50);
  EXPECT_EQ(bounds({{"c", "d", 9}}, {"b", "k"}), std::pair(b, k));
  EXPECT_EQ(bounds({{"a", "z", 9}}, {"b", "k"}),
            std::pair(InternalKey("a", 9, ValueType::kRangeDelete), Exclusive("z")));
  // An entry at the end of a tombstone is a bound itself: the end is not covered, the entry is.
  EXPECT_EQ(bounds({{"b", "k", 9}}, {"b", "k"}), std::pair(b, k));
  // Of a tombstone and an entry that begin at one key the newer comes first.
  EXPECT_EQ(bounds({{"b", "c", 51}}, {"b", "k"}),
            std::pair(InternalKey("b", 51, ValueType::kRangeDelete), k));
  EXPECT_EQ(bounds({{"b", "c", 3}, {"b", "d", 60}}, {}),
            std::pair(InternalKey("b", 60, ValueType::kRangeDelete), Exclusive("d")));
}

TEST(SegmentRanges, FollowAUsersOrder) {
  SegmentBuilderOptions options;
  options.comparator = ReverseComparator();
  const Built built = Build({{"p", "m", 7}, {"a", "b", 3}}, {"z", "b"}, options);
  EXPECT_EQ(built.properties.range_deletes, 1u);  // [a, b) is empty in this order
  SegmentReaderOptions open;
  open.comparator = ReverseComparator();
  const auto reader = OpenSegmentBytes(open, built.bytes, kNumber);
  ASSERT_NE(reader, nullptr);
  EXPECT_EQ(reader->range_tombstones()->MaxCovering("n", 9), 7u);
  EXPECT_EQ(reader->range_tombstones()->MaxCovering("m", 9), 0u);
  EXPECT_TRUE(reader->Verify().ok());
  EXPECT_TRUE(OpenStatus(built.bytes).IsInvalidArgument());
}

TEST(SegmentRanges, ThatCannotBeAreRefusedAndLatch) {  // Checklist S10
  const std::string too_long(kUserKeyBytesMax + 1, 'k');
  const std::function<Status(SegmentBuilder*)> bad[] = {
      [&](SegmentBuilder* b) { return b->AddRangeTombstone(too_long, "z", 1); },
      [&](SegmentBuilder* b) { return b->AddRangeTombstone("a", too_long, 1); },
      [&](SegmentBuilder* b) { return b->AddRangeTombstone("a", "b", 0); },
      [&](SegmentBuilder* b) { return b->AddRangeTombstone("a", "b", kMaxSequence + 1); },
  };
  for (const auto& add : bad) {
    MemoryWritableFile file;
    SegmentBuilder builder({}, &file);
    EXPECT_TRUE(builder.AddRangeTombstone("a", "b", kMaxSequence).ok());
    EXPECT_TRUE(add(&builder).IsInvalidArgument());
    EXPECT_TRUE(builder.AddRangeTombstone("a", "b", 1).IsInvalidArgument());
    EXPECT_TRUE(builder.Finish(nullptr).IsInvalidArgument());
  }
  MemoryWritableFile file;
  SegmentBuilder builder({}, &file);
  EXPECT_TRUE(builder.Finish(nullptr).ok());
  EXPECT_TRUE(builder.AddRangeTombstone("a", "b", 1).IsInvalidArgument());
}

TEST(SegmentRanges, OperandsAreCountedAndTheirOperatorNamed) {
  MemoryWritableFile file;
  SegmentBuilderOptions options;
  options.number = kNumber;
  options.merge_operator = "test.Append";
  SegmentProperties properties;
  {
    SegmentBuilder builder(options, &file);
    ASSERT_TRUE(builder.Add(InternalKey("a", 3, ValueType::kMerge), "x").ok());
    ASSERT_TRUE(builder.Add(InternalKey("a", 2, ValueType::kMerge), "y").ok());
    ASSERT_TRUE(builder.Add(InternalKey("a", 1), "z").ok());
    ASSERT_TRUE(builder.Finish(&properties).ok());
  }
  EXPECT_EQ(properties.merges, 2u);
  const std::string& bytes = file.bytes();
  const auto reader = OpenSegmentBytes({}, bytes, kNumber);
  ASSERT_NE(reader, nullptr);
  EXPECT_EQ(reader->properties().merges, 2u);
  EXPECT_EQ(reader->properties().merge_operator, "test.Append");
  EXPECT_TRUE(reader->Verify().ok());
  Status status;
  const std::string text = Dump(bytes, &status);
  EXPECT_NE(text.find("merge operands: 2\n"), std::string::npos) << text;
  EXPECT_NE(text.find("merge operator: test.Append\n"), std::string::npos) << text;
  // Where there is none the name says nothing.
  EXPECT_EQ(Build({}, {"a"}, options).properties.merge_operator, "");
}

// ---- Bytes
// ---------------------------------------------------------------------------------------

// The example of table/FORMAT.md, "Range tombstones".
TEST(SegmentRanges, HaveTheDocumentedBytes) {
  std::string content;
  EncodeRangeTombstones({{"apple", "banana", 300}, {"apple", "b", 9}}, &content);
  EXPECT_EQ(content, std::string("\5apple\6banana\xac\x02\5apple\1b\x09"));
}

TEST(SegmentRanges, GoldenBytesAreReadAndWrittenAgain) {
  SegmentBuilderOptions options;
  options.created_ms = 1'700'000'000'000;
  options.creator = "golden";
  const Built built = Build({{"apple", "b", 40}, {"apple", "banana", 300}, {"", "a", 2}},
                            {"apricot", "cherry"}, options);
  const std::string name = "segment-v1-ranges.seg";
  if (const char* directory = std::getenv("VARVE_GOLDEN_OUT")) {
    std::ofstream(std::string(directory) + "/" + name, std::ios::binary) << built.bytes;
  }
  std::ifstream in("tests/golden/" + name, std::ios::binary);
  const std::string golden{std::istreambuf_iterator<char>(in), {}};
  EXPECT_TRUE(built.bytes == golden);
  const auto reader = OpenSegmentBytes({}, golden, kNumber);
  ASSERT_NE(reader, nullptr);
  EXPECT_TRUE(reader->Verify().ok());
  EXPECT_EQ(reader->range_tombstones()->Tombstones(),
            (Ranges{{"", "a", 2}, {"apple", "banana", 300}, {"apple", "b", 40}}));
  EXPECT_EQ(reader->properties().largest_key, InternalKey("cherry", 50));

  Status status;
  const std::string text = Dump(golden, &status);
  EXPECT_TRUE(status.ok());
  for (const char* line :
       {"  features: compatible 0, read-only compatible 0, incompatible 1\n",
        "  smallest key: \"\" @ 2 range_delete\n", "  range tombstones: 3\n",
        "range tombstones\n  \"\" to \"a\" @ 2\n  \"apple\" to \"banana\" @ 300\n"
        "  \"apple\" to \"b\" @ 40\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
}

// ---- Damage
// --------------------------------------------------------------------------------------

// Replaces the content of the block of range tombstones, checksums, places and sizes made right;
// `incompat` as the new footer has it.
std::string WithRanges(const std::string& bytes, const std::string& content,
                       uint32_t incompat = kFeatureRangeTombstones) {
  Footer footer;
  EXPECT_TRUE(Footer::Decode(bytes, bytes.size(), &footer).ok());
  std::string changed = bytes.substr(0, footer.range_tombstones.offset);
  const auto put = [&](const std::string& block) {
    const BlockHandle handle{changed.size(), block.size() + kBlockTrailerBytes};
    const uint32_t checksum = StoredChecksum(block, Slice(), 0, kNumber, changed.size());
    changed += block;
    changed.push_back(0);
    PutFixed32(&changed, checksum);
    return handle;
  };
  const std::string properties =
      bytes.substr(footer.properties.offset, footer.properties.size - kBlockTrailerBytes);
  put(content);
  footer.properties = put(properties);
  footer.incompat = incompat;
  footer.file_bytes = changed.size() + kFooterBytes;
  footer.EncodeTo(&changed);
  return changed;
}

void ExpectCorrupt(const Status& s, const std::string& part) {
  EXPECT_TRUE(s.IsCorruption()) << s.ToString();
  EXPECT_NE(s.message().find(part), std::string_view::npos) << s.ToString();
  EXPECT_NE(s.message().find("a/11.seg"), std::string_view::npos) << s.ToString();
}

TEST(SegmentRanges, WrongContentUnderAGoodChecksumIsCorruption) {
  const std::string bytes = Build({{"a", "c", 4}, {"b", "d", 3}}, {"a"}).bytes;
  const auto content = [](const Ranges& ranges) {
    std::string out;
    EncodeRangeTombstones(ranges, &out);
    return out;
  };
  const std::string good = content({{"a", "c", 4}, {"b", "d", 3}});
  EXPECT_TRUE(WithRanges(bytes, good) == bytes);
  ExpectCorrupt(OpenStatus(WithRanges(bytes, good.substr(0, good.size() - 1))), "cut off");
  ExpectCorrupt(OpenStatus(WithRanges(bytes, good + "\1")), "cut off");
  ExpectCorrupt(OpenStatus(WithRanges(bytes, content({{"a", "c", 4}}))), "expected 2, found 1");
  ExpectCorrupt(OpenStatus(WithRanges(bytes, "")), "expected 2, found 0");
  ExpectCorrupt(OpenStatus(WithRanges(bytes, content({{"b", "d", 3}, {"a", "c", 4}}))), "order");
  ExpectCorrupt(OpenStatus(WithRanges(bytes, content({{"a", "c", 3}, {"a", "d", 3}}))), "order");
  ExpectCorrupt(OpenStatus(WithRanges(bytes, content({{"a", "c", 4}, {"d", "d", 3}}))), "empty");
  ExpectCorrupt(OpenStatus(WithRanges(bytes, content({{"a", "c", 0}, {"b", "d", 3}}))),
                "out of range");
  ExpectCorrupt(
      OpenStatus(WithRanges(bytes, content({{"a", "c", kMaxSequence + 1}, {"b", "d", 3}}))),
      "out of range");
  const std::string too_long(kUserKeyBytesMax + 1, 'k');
  ExpectCorrupt(OpenStatus(WithRanges(bytes, content({{"a", too_long, 4}, {"b", "d", 3}}))),
                "too long");
  // What only Verify compares: sequences and bounds with the properties, tombstones that are one.
  for (const Ranges& other :
       {Ranges{{"a", "c", 4}, {"b", "d", 2}}, Ranges{{"a", "c", 4}, {"b", "e", 3}},
        Ranges{{"", "c", 4}, {"b", "d", 3}}, Ranges{{"a", "b", 4}, {"b", "d", 4}}}) {
    const auto reader = OpenSegmentBytes({}, WithRanges(bytes, content(other)), kNumber);
    ASSERT_NE(reader, nullptr);
    EXPECT_TRUE(reader->Verify().IsCorruption());
  }
}

TEST(SegmentRanges, TheFeatureAndTheBlockGoTogether) {
  const std::string with = Build({{"a", "c", 4}}, {"a"}).bytes;
  std::string content;
  EncodeRangeTombstones({{"a", "c", 4}}, &content);
  // A build that does not know the feature must not take the segment for one without tombstones.
  ExpectCorrupt(OpenStatus(WithRanges(with, content, 0)), "place of");
  const std::string newer = WithRanges(with, content, kFeatureRangeTombstones | 0x40);
  EXPECT_TRUE(OpenStatus(newer).IsNotSupported());
  const std::string without = Build({}, {"a"}).bytes;
  Footer footer;
  ASSERT_TRUE(Footer::Decode(without, without.size(), &footer).ok());
  footer.incompat = kFeatureRangeTombstones;
  std::string claims = without.substr(0, without.size() - kFooterBytes);
  footer.EncodeTo(&claims);
  ExpectCorrupt(OpenStatus(claims), "place of");
}

// Whatever byte is flipped behind the data: an error, never other tombstones.
TEST(SegmentRanges, EveryFlippedByteIsNoticed) {
  Ranges ranges;
  for (int i = 0; i < 20; ++i) {
    ranges.push_back({"k" + std::to_string(100 + i), "k" + std::to_string(105 + i),
                      static_cast<SequenceNumber>(1000 + i)});
  }
  const Built built = Build(ranges, {"a", "b"});
  for (size_t at = built.properties.data_bytes; at < built.bytes.size(); ++at) {
    std::string bytes = built.bytes;
    bytes[at] = static_cast<char>(bytes[at] ^ (at % 2 == 0 ? 0xff : 1 << at % 8));
    const Status s = OpenStatus(bytes);
    EXPECT_TRUE(s.IsCorruption() || s.IsNotSupported()) << at << " " << s.ToString();
    Status dumped;
    Dump(bytes, &dumped);
    EXPECT_FALSE(dumped.ok()) << at;
  }
}

// Random contents with good checksums: bounds are kept (asan), and nothing opens that is not right.
TEST(SegmentRanges, RandomContentsAreSafe) {
  Random random(17);
  Ranges ranges;
  for (int i = 0; i < 12; ++i) {
    ranges.push_back({RandomUserKey(&random), RandomUserKey(&random), 1 + random.Uniform(50)});
  }
  const std::string bytes = Build(ranges, {"a"}).bytes;
  Footer footer;
  ASSERT_TRUE(Footer::Decode(bytes, bytes.size(), &footer).ok());
  const std::string content = bytes.substr(footer.range_tombstones.offset,
                                           footer.range_tombstones.size - kBlockTrailerBytes);
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string changed = content;
    for (uint64_t n = 1 + random.Uniform(3); n > 0; --n) {
      changed[random.Uniform(changed.size())] = static_cast<char>(random.Next());
    }
    const Status s = OpenStatus(WithRanges(bytes, changed));
    EXPECT_TRUE(s.ok() || s.IsCorruption()) << s.ToString();
    refused += !s.ok();
  }
  EXPECT_GT(refused, 500);
}

}  // namespace
}  // namespace varve
