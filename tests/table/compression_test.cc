#include "table/compression.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "table/segment_format.h"
#include "util/coding.h"
#include "util/random.h"

namespace varve {
namespace {

std::string RandomBytes(Random* random, size_t size) {
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random->Next());
  return bytes;
}

class Codec : public testing::TestWithParam<Compression> {};

TEST_P(Codec, ExpandsWhatItCompressed) {
  BlockCompressor compressor(GetParam());
  Random random(1);
  for (const size_t size : {100, 4096, 20000, 1 << 20, 100}) {
    const std::string raw = RandomBytes(&random, size / 2) + std::string(size / 2, 'r');
    Slice stored;
    ASSERT_TRUE(compressor.Compress(raw, &stored)) << size;
    EXPECT_LE(stored.size(), raw.size() * 7 / 8);
    uint64_t raw_bytes;
    ASSERT_TRUE(TakeRawSize(&stored, &raw_bytes));
    ASSERT_EQ(raw_bytes, raw.size());
    std::string expanded(raw_bytes, '\0');
    ASSERT_TRUE(Decompress(GetParam(), stored, expanded.data(), raw_bytes));
    EXPECT_EQ(expanded, raw);
  }
}

TEST_P(Codec, LeavesAloneWhatDoesNotShrinkByAnEighth) {
  BlockCompressor compressor(GetParam());
  Random random(2);
  Slice stored;
  EXPECT_FALSE(compressor.Compress("", &stored));
  EXPECT_FALSE(compressor.Compress(RandomBytes(&random, 4096), &stored));
  EXPECT_FALSE(compressor.Compress(RandomBytes(&random, 4000) + std::string(300, 'x'), &stored));
  EXPECT_TRUE(compressor.Compress(RandomBytes(&random, 3000) + std::string(1096, 'x'), &stored));
}

TEST_P(Codec, NothingIsWrittenOutside) {
  BlockCompressor compressor(GetParam());
  const std::string raw(5000, 'z');
  Slice stored;
  ASSERT_TRUE(compressor.Compress(raw, &stored));
  uint64_t raw_bytes;
  ASSERT_TRUE(TakeRawSize(&stored, &raw_bytes));
  for (const uint64_t size : {uint64_t{0}, uint64_t{1}, uint64_t{4999}, uint64_t{5001}}) {
    std::vector<char> to(size);  // exactly, for asan
    EXPECT_FALSE(Decompress(GetParam(), stored, to.data(), size)) << size;
  }
  for (uint64_t seed = 1; seed <= 500; ++seed) {
    Random random(seed);
    std::string damaged(stored);
    damaged[random.Uniform(damaged.size())] ^= static_cast<char>(1 + random.Uniform(255));
    std::vector<char> to(raw_bytes);
    (void)Decompress(GetParam(), damaged, to.data(), raw_bytes);
    (void)Decompress(GetParam(), Slice(damaged).substr(0, random.Uniform(damaged.size())),
                     to.data(), raw_bytes);
  }
}

// What the builder stores must be what the reader accepts, and neither takes memory that so few
// bytes do not justify.
TEST_P(Codec, TheBoundOfExpansionIsThatOfTheReader) {
  BlockCompressor compressor(GetParam());
  for (const size_t size : {size_t{1} << 20, size_t{16} << 20}) {
    const std::string zeros(size, '\0');
    Slice stored;
    if (!compressor.Compress(zeros, &stored)) {
      // Only zstd shrinks this by more than kExpansionMax.
      EXPECT_EQ(GetParam(), Compression::kZstd);
      EXPECT_GT(size, kExpansionFreeBytes);
      continue;
    }
    uint64_t raw_bytes;
    EXPECT_TRUE(TakeRawSize(&stored, &raw_bytes));
  }
}

TEST(TakeRawSize, RefusesWhatTheBytesDoNotJustify) {  // Checklist S10
  const auto takes = [](uint64_t raw_bytes, size_t stored_bytes) {
    std::string stored;
    PutVarint64(&stored, raw_bytes);
    stored.resize(std::max(stored.size(), stored_bytes));
    Slice rest = stored;
    uint64_t taken;
    return TakeRawSize(&rest, &taken);
  };
  EXPECT_TRUE(takes(kExpansionFreeBytes, 10));
  EXPECT_FALSE(takes(kExpansionFreeBytes + 1, 10));
  EXPECT_TRUE(takes(10000 * kExpansionMax, 10000));
  EXPECT_FALSE(takes(10000 * kExpansionMax + 1, 10000));
  EXPECT_FALSE(takes(kCompressedRawBytesMax + 1, 4 << 20));
  EXPECT_FALSE(takes(UINT64_MAX, 100));
  Slice cut("\xff\xff", 2);
  uint64_t taken;
  EXPECT_FALSE(TakeRawSize(&cut, &taken));
}

INSTANTIATE_TEST_SUITE_P(Codecs, Codec,
                         testing::Values(Compression::kSnappy, Compression::kLz4,
                                         Compression::kZstd),
                         [](const testing::TestParamInfo<Compression>& info) -> std::string {
                           return CompressionName(info.param);
                         });

}  // namespace
}  // namespace varve
