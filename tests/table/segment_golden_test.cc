#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "table/segment_dump.h"
#include "tests/table/segment_test_util.h"

// tests/golden/segment-v1-*.seg were written by the first build of format version 1. Every later
// build must read them, and must write the uncompressed ones again byte for byte. (Codecs may
// choose other bytes for the same content.) A new file, for a new version, is made by running this
// test with VARVE_GOLDEN_OUT naming a directory.

namespace varve {
namespace {

std::string ReadGolden(const std::string& name) {
  std::ifstream in("tests/golden/" + name, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

void WriteIfAsked(const std::string& name, const std::string& bytes) {
  if (const char* directory = std::getenv("VARVE_GOLDEN_OUT")) {
    std::ofstream(std::string(directory) + "/" + name, std::ios::binary) << bytes;
  }
}

// Several blocks, padding, versions across blocks, a value over a page, binary keys, deletes.
Entries GoldenEntries() {
  Entries entries(InternalLess{BytewiseComparator()});
  for (int n = 0; n < 60; ++n) {
    char key[32];
    snprintf(key, sizeof(key), "user:%04d", n * 7);
    entries[InternalKey(key, 1000 + n)] = std::string(20 + n % 13, static_cast<char>('a' + n % 26));
    if (n % 5 == 0) entries[InternalKey(key, 2000 + n, ValueType::kDelete)] = "";
  }
  for (int n = 0; n < 80; ++n) {
    entries[InternalKey("versions", 3000 + n)] = "version " + std::to_string(n);
  }
  entries[InternalKey("", 1)] = "the empty key";
  entries[InternalKey(std::string("\0\xff\0", 3), 5)] = std::string("\0binary\0", 8);
  std::string large;
  for (int n = 0; large.size() < 5000; ++n) large += std::to_string(n * n) + ",";
  entries[InternalKey("zz-large", 7)] = large;
  return entries;
}

SegmentBuilderOptions GoldenOptions(Compression compression) {
  SegmentBuilderOptions options;
  options.number = 42;
  options.compression = compression;
  options.block_bytes = 1024;
  options.created_ms = 1'700'000'000'000;
  options.creator = "golden";
  return options;
}

std::string GoldenName(Compression compression) {
  static const char* const kNames[] = {"none", "snappy", "lz4", "zstd"};
  return std::string("segment-v1-") + kNames[static_cast<int>(compression)] + ".seg";
}

TEST(SegmentGolden, EveryCodecIsRead) {
  const Entries entries = GoldenEntries();
  for (const Compression compression :
       {Compression::kNone, Compression::kSnappy, Compression::kLz4, Compression::kZstd}) {
    const std::string name = GoldenName(compression);
    SCOPED_TRACE(name);
    WriteIfAsked(name, BuildSegment(GoldenOptions(compression), entries));
    const std::string golden = ReadGolden(name);
    ASSERT_FALSE(golden.empty());
    const auto reader = OpenSegmentBytes({}, golden, 42);
    ASSERT_NE(reader, nullptr);
    const Status verified = reader->Verify();
    EXPECT_TRUE(verified.ok()) << verified.ToString();
    EXPECT_EQ(reader->properties().compression, compression);
    EXPECT_EQ(reader->properties().created_ms, 1'700'000'000'000u);
    EXPECT_EQ(reader->properties().creator, "golden");
    const auto it = reader->NewIterator({});
    auto model = entries.begin();
    for (it->SeekToFirst(); it->Valid(); it->Next(), ++model) {
      ASSERT_NE(model, entries.end());
      EXPECT_EQ(it->key(), model->first);
      EXPECT_EQ(it->value(), model->second);
      EXPECT_EQ(GetText(*reader, {}, ExtractUserKey(model->first),
                        TrailerSequence(ExtractTrailer(model->first))),
                GetText(entries, BytewiseComparator(), ExtractUserKey(model->first),
                        TrailerSequence(ExtractTrailer(model->first))));
    }
    EXPECT_TRUE(it->status().ok());
    EXPECT_EQ(model, entries.end());
  }
}

TEST(SegmentGolden, TheUncompressedOneIsWrittenAgain) {
  EXPECT_TRUE(BuildSegment(GoldenOptions(Compression::kNone), GoldenEntries()) ==
              ReadGolden(GoldenName(Compression::kNone)));
}

// The example of table/FORMAT.md.
TEST(SegmentGolden, TheExampleOfTheDocument) {
  Entries entries(InternalLess{BytewiseComparator()});
  entries[InternalKey("apple", 3)] = "red";
  entries[InternalKey("apple", 1)] = "green";
  entries[InternalKey("apricot", 2, ValueType::kDelete)] = "";
  SegmentBuilderOptions options;
  options.number = 7;
  options.creator = "flush";
  const std::string bytes = BuildSegment(options, entries);
  WriteIfAsked("segment-v1-example.seg", bytes);
  EXPECT_TRUE(bytes == ReadGolden("segment-v1-example.seg"));

  std::string text;
  SegmentDumpOptions dump;
  dump.entries = true;
  const Status s = DumpSegment(dump, std::make_unique<MemoryRandomAccessFile>(bytes), "000007.seg",
                               [&](Slice line) { text.append(line).append("\n"); });
  EXPECT_TRUE(s.ok()) << s.ToString();
  EXPECT_EQ(text, R"(segment 000007.seg
footer
  format version: 1
  segment number: 7
  file bytes: 481
  features: compatible 0, read-only compatible 0, incompatible 0
  filter: offset 64, 133 bytes
  index: offset 197, 76 bytes
  properties: offset 273, 112 bytes
properties
  entries: 3
  deletes: 1
  user keys: 2
  raw key bytes: 41
  raw value bytes: 8
  data bytes: 64
  data blocks: 1
  largest block, expanded: 59
  smallest key: "apple" @ 3 value
  largest key: "apricot" @ 2 delete
  sequences: 1 to 3
  compression: none
  comparator: varve.BytewiseComparator
  filter bits a key: 10
  created, ms since 1970: 0
  creator: flush
block 0: offset 0, padding 0, 64 bytes, none, expanded 59, 3 entries, prefix "ap", separator "apricot" @ 2
  "apple" @ 3 value = "red"
  "apple" @ 1 value = "green"
  "apricot" @ 2 delete = ""
)");
}

}  // namespace
}  // namespace varve
