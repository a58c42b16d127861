#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "table/compression.h"
#include "tests/table/segment_test_util.h"
#include "util/hash.h"

// Damaged segments: whatever the bytes, a read gives an error or the right answer, never a wrong
// one, and never leaves its buffers (run under asan).

namespace varve {
namespace {

std::string Hex(Slice bytes) {
  std::string hex;
  for (const char c : bytes) {
    char two[3];
    snprintf(two, sizeof(two), "%02x", static_cast<uint8_t>(c));
    hex += two;
  }
  return hex;
}

// A small segment with every part: several blocks, padding, one compressed block at least.
struct Small {
  SegmentBuilderOptions options;
  Entries entries{InternalLess{BytewiseComparator()}};
  std::string bytes;

  explicit Small(Compression compression) {
    options.number = 9;
    options.compression = compression;
    options.block_bytes = 256;
    for (int n = 0; n < 40; ++n) {
      char key[16];
      snprintf(key, sizeof(key), "key%03d", n);
      entries[InternalKey(key, 100 + n)] = std::string(n % 23, static_cast<char>('a' + n % 3));
      if (n % 7 == 0) entries[InternalKey(key, 50, ValueType::kDelete)] = "";
    }
    entries[InternalKey("zz", 1)] = std::string(300, 'y');
    // The value that makes the block before the last one end just before a page does, which shows
    // by the data growing by more than the value.
    uint64_t data_bytes = 1 << 20;
    for (size_t filler = compression == Compression::kNone ? 1500 : 0; filler < 4000; ++filler) {
      entries[InternalKey("zlarge", 1)] = std::string(filler, 'z');
      SegmentProperties properties;
      bytes = BuildSegment(options, entries, &properties);
      if (compression != Compression::kNone || properties.data_bytes > data_bytes + 10) break;
      data_bytes = properties.data_bytes - 1;
    }
  }
};

bool Typed(const Status& s) { return s.IsCorruption() || s.IsNotSupported(); }

// Opens damaged bytes and reads everything in every way; returns how many reads failed. Fails the
// test on a wrong answer or an error of another kind.
int CheckReads(const Small& small, const std::string& bytes) {
  std::unique_ptr<SegmentReader> reader;
  const Status opened = SegmentReader::Open({}, std::make_unique<MemoryRandomAccessFile>(bytes),
                                            "test.seg", small.options.number, &reader);
  if (!opened.ok()) {
    EXPECT_TRUE(Typed(opened)) << opened.ToString();
    EXPECT_NE(opened.message().find("test.seg"), std::string_view::npos) << opened.ToString();
    return 1;
  }
  int failures = 0;
  const auto count = [&](const Status& s) {
    if (s.ok()) return;
    ++failures;
    EXPECT_TRUE(Typed(s)) << s.ToString();
    EXPECT_NE(s.message().find("test.seg"), std::string_view::npos) << s.ToString();
    EXPECT_NE(s.message().find("offset"), std::string_view::npos) << s.ToString();
  };

  // Forward: the entries from the first on, up to an error.
  const auto it = reader->NewIterator({});
  auto model = small.entries.begin();
  for (it->SeekToFirst(); it->Valid(); it->Next(), ++model) {
    if (model == small.entries.end() || it->key() != model->first || it->value() != model->second) {
      ADD_FAILURE() << "wrong entry " << Hex(it->key());
      return failures;
    }
  }
  count(it->status());
  EXPECT_EQ(it->status().ok(), model == small.entries.end());
  // Backward: from the last on.
  auto back = small.entries.rbegin();
  for (it->SeekToLast(); it->Valid(); it->Prev(), ++back) {
    if (back == small.entries.rend() || it->key() != back->first || it->value() != back->second) {
      ADD_FAILURE() << "wrong entry " << Hex(it->key());
      return failures;
    }
  }
  count(it->status());
  EXPECT_EQ(it->status().ok(), back == small.entries.rend());

  for (const auto& [key, value] : small.entries) {
    const Slice user_key = ExtractUserKey(key);
    const LookupKey lookup(user_key, TrailerSequence(ExtractTrailer(key)));
    PinnedValue found;
    PointResult result;
    result.value = &found;
    const Status s = reader->Get({}, lookup, Hash64(user_key), &result);
    count(s);
    if (s.ok() &&
        (!result.found || result.trailer != ExtractTrailer(key) || found.slice() != value)) {
      ADD_FAILURE() << "wrong answer for " << Hex(key);
      return failures;
    }
  }
  for (const char* absent : {"", "key", "key0105", "zy", "zzz"}) {
    const LookupKey lookup(absent, kMaxSequence);
    PointResult result;
    const Status s = reader->Get({}, lookup, Hash64(absent), &result);
    count(s);
    EXPECT_FALSE(s.ok() && result.found);
  }
  const Status verified = reader->Verify();
  EXPECT_TRUE(verified.ok() || Typed(verified)) << verified.ToString();
  EXPECT_TRUE(failures == 0 || !verified.ok());
  return failures;
}

class SegmentCorruption : public testing::TestWithParam<Compression> {};

TEST_P(SegmentCorruption, EveryFlippedByteIsNoticedOrHarmless) {  // Checklist S10, I5
  const Small small(GetParam());
  ASSERT_EQ(CheckReads(small, small.bytes), 0);
  int noticed = 0, harmless = 0;
  for (size_t at = 0; at < small.bytes.size(); ++at) {
    SCOPED_TRACE("byte " + std::to_string(at));
    std::string bytes = small.bytes;
    bytes[at] = static_cast<char>(bytes[at] ^ (at % 2 == 0 ? 0xff : 1 << at % 8));
    (CheckReads(small, bytes) > 0 ? noticed : harmless)++;
    if (HasFailure()) return;
  }
  // Only padding may change unnoticed by reads, and there is at most so much of it.
  EXPECT_GT(noticed, harmless);
  EXPECT_LE(harmless, 512);
  EXPECT_TRUE(GetParam() != Compression::kNone || harmless > 0);
}

TEST_P(SegmentCorruption, EveryTruncationIsNoticed) {
  const Small small(GetParam());
  for (size_t size = 0; size < small.bytes.size(); ++size) {
    SCOPED_TRACE("size " + std::to_string(size));
    std::unique_ptr<SegmentReader> reader;
    const Status s = SegmentReader::Open(
        {}, std::make_unique<MemoryRandomAccessFile>(small.bytes.substr(0, size)), "test.seg",
        small.options.number, &reader);
    EXPECT_TRUE(s.IsCorruption()) << s.ToString();
  }
  for (const std::string& more : {std::string(1, '\0'), std::string(4096, '\0'), small.bytes}) {
    std::unique_ptr<SegmentReader> reader;
    const Status s =
        SegmentReader::Open({}, std::make_unique<MemoryRandomAccessFile>(small.bytes + more),
                            "test.seg", small.options.number, &reader);
    EXPECT_TRUE(s.IsCorruption()) << s.ToString();
  }
}

TEST_P(SegmentCorruption, RandomMutationsAreSafe) {
  const Small small(GetParam());
  for (uint64_t seed = 1; seed <= 800 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    std::string bytes = small.bytes;
    for (uint64_t n = 1 + random.Uniform(8); n > 0; --n) {
      const size_t at = random.Uniform(bytes.size());
      switch (random.Uniform(4)) {
        case 0:
          bytes[at] = static_cast<char>(random.Next());
          break;
        case 1:  // a stretch of it over another
          bytes.replace(at, std::min<size_t>(bytes.size() - at, 64),
                        small.bytes.substr(random.Uniform(small.bytes.size() - 64),
                                           std::min<size_t>(bytes.size() - at, 64)));
          break;
        case 2:
          bytes.erase(at, random.Uniform(20));
          if (bytes.empty()) bytes = "x";
          break;
        case 3:
          bytes.insert(at, std::string(random.Uniform(20), static_cast<char>(random.Next())));
          break;
      }
    }
    CheckReads(small, bytes);
  }
}

// Without checksums an answer may be wrong, but nothing worse happens.
TEST_P(SegmentCorruption, UnverifiedReadsAreSafe) {
  const Small small(GetParam());
  SegmentReadOptions unverified;
  unverified.verify_checksums = false;
  uint64_t bytes_seen = 0;
  const uint64_t data_bytes = OpenSegmentBytes({}, small.bytes, 9)->properties().data_bytes;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    std::string bytes = small.bytes;
    for (uint64_t n = 1 + random.Uniform(4); n > 0; --n) {
      bytes[random.Uniform(data_bytes)] = static_cast<char>(random.Next());
    }
    const auto reader = OpenSegmentBytes({}, bytes, 9);
    ASSERT_NE(reader, nullptr);
    const auto it = reader->NewIterator(unverified);
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      bytes_seen += it->key().size() + it->value().size();
    }
    for (const auto& [key, value] : small.entries) {
      it->Seek(key);
      const Slice user_key = ExtractUserKey(key);
      bytes_seen += GetText(*reader, unverified, user_key, kMaxSequence).size();
    }
  }
  EXPECT_GT(bytes_seen, 0u);
}

std::string CodecName(const testing::TestParamInfo<Compression>& info) {
  return CompressionName(info.param);
}

INSTANTIATE_TEST_SUITE_P(Codecs, SegmentCorruption,
                         testing::Values(Compression::kNone, Compression::kSnappy,
                                         Compression::kLz4, Compression::kZstd),
                         CodecName);

}  // namespace
}  // namespace varve
