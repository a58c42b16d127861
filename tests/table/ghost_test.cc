// Ghost files: what is accepted, what is refused, and what no damage can make of them.

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "table/ghost_format.h"
#include "table/range_tombstone_block.h"
#include "table/segment_format.h"
#include "table/stored_block.h"
#include "tests/support/comparators.h"
#include "tests/table/ghost_test_util.h"
#include "util/crc32c.h"
#include "util/random.h"

namespace varve {
namespace {

constexpr FileNumber kNumber = 13;

GhostBuilderOptions Options(FileNumber number = kNumber) {
  GhostBuilderOptions options;
  options.number = number;
  options.path = "test.ghost";
  return options;
}

GhostContent SmallContent() {
  GhostContent content;
  for (int n = 0; n < 150; ++n) content.keys.push_back("key" + std::to_string(n));
  content.ranges = {{"range-a", "range-c", 9}, {"range-b", "range-d", 4}, {"x", "y", 7}};
  return content;
}

std::unique_ptr<GhostReader> Opened(const std::string& bytes,
                                    const Comparator* comparator = BytewiseComparator()) {
  std::unique_ptr<GhostReader> ghost;
  const Status s = OpenGhost(bytes, kNumber, &ghost, comparator);
  EXPECT_TRUE(s.ok()) << s.ToString();
  return ghost;
}

TEST(Ghost, AcceptsWhatTheSegmentHeld) {  // RULES R2.2
  const GhostContent content = SmallContent();
  const std::string bytes = BuildGhost(Options(), content);
  const auto ghost = Opened(bytes);
  ASSERT_NE(ghost, nullptr);
  EXPECT_TRUE(ghost->Verify().ok());
  for (const std::string& key : content.keys) EXPECT_TRUE(Accepts(*ghost, key)) << key;
  for (const char* covered : {"range-a", "range-b", "range-c", "range-czz", "x", "x1"}) {
    EXPECT_TRUE(Accepts(*ghost, covered)) << covered;
  }
  for (const char* other : {"", "key", "key150", "range-d", "range", "y", "z"}) {
    EXPECT_FALSE(Accepts(*ghost, other)) << other;
  }
  EXPECT_EQ(ghost->hashes().keys(), 150u);
  EXPECT_EQ(ghost->footer().number, kNumber);
  EXPECT_EQ(ghost->footer().file_bytes, bytes.size());
  EXPECT_DOUBLE_EQ(ghost->false_positive_rate(), 1.0 / 4096);
  EXPECT_GT(ghost->memory_bytes(), ghost->hashes().keys());
  EXPECT_LT(ghost->memory_bytes(), 4096u);
}

// Each part may be missing.
TEST(Ghost, OfKeysAloneOfRangesAloneOfNothing) {
  const auto keys = Opened(BuildGhost(Options(), {{"a", "b"}, {}}));
  EXPECT_TRUE(Accepts(*keys, "a"));
  EXPECT_FALSE(Accepts(*keys, "c"));
  EXPECT_EQ(keys->range_tombstones(), nullptr);
  const auto ranges = Opened(BuildGhost(Options(), {{}, {{"a", "c", 3}}}));
  EXPECT_TRUE(Accepts(*ranges, "b"));
  EXPECT_FALSE(Accepts(*ranges, "c"));
  EXPECT_EQ(ranges->false_positive_rate(), 0);
  // Empty ranges are none.
  const auto nothing = Opened(BuildGhost(Options(), {{}, {{"c", "a", 3}, {"a", "a", 4}}}));
  EXPECT_FALSE(Accepts(*nothing, "a"));
  EXPECT_EQ(nothing->footer().range_tombstone_bytes, 0u);
}

// Ranges are those of the database's order.
TEST(Ghost, RangesUnderAnotherComparator) {
  const auto comparator = ReverseComparator();
  GhostBuilderOptions options = Options();
  options.comparator = comparator;
  const auto ghost = Opened(BuildGhost(options, {{"k"}, {{"f", "c", 3}}}), comparator);
  ASSERT_NE(ghost, nullptr);
  for (const char* covered : {"k", "f", "e", "d"}) EXPECT_TRUE(Accepts(*ghost, covered));
  for (const char* other : {"g", "c", "a"}) EXPECT_FALSE(Accepts(*ghost, other));
  // Under the order in which they were not written they make no sense.
  std::unique_ptr<GhostReader> reader;
  EXPECT_TRUE(
      OpenGhost(BuildGhost(options, {{}, {{"f", "c", 3}}}), kNumber, &reader).IsCorruption());
}

TEST(Ghost, RangesThatTouchAreJoined) {
  const auto ghost =
      Opened(BuildGhost(Options(), {{}, {{"a", "c", 3}, {"c", "e", 3}, {"d", "f", 3}}}), nullptr);
  EXPECT_EQ(ghost->listed_range_tombstones(), (std::vector<RangeTombstone>{{"a", "f", 3}}));
}

TEST(Ghost, TheBuilderRefusesWhatNoSegmentHolds) {
  MemoryWritableFile file;
  GhostBuilder builder(Options(), &file);
  const std::string long_key(kUserKeyBytesMax + 1, 'k');
  EXPECT_TRUE(builder.AddRangeTombstone("a", long_key, 3).IsInvalidArgument());
  EXPECT_TRUE(builder.AddRangeTombstone("a", "b", 0).IsInvalidArgument());
  EXPECT_TRUE(builder.AddRangeTombstone("a", "b", kMaxSequence + 1).IsInvalidArgument());
  ASSERT_TRUE(builder.Finish().ok());  // nothing of it was added
  EXPECT_EQ(Opened(file.bytes())->range_tombstones(), nullptr);
}

TEST(Ghost, AWriteThatFailsIsTold) {
  MemoryWritableFile file;
  file.FailAfter(0);
  GhostBuilder builder(Options(), &file);
  builder.AddKey(1);
  EXPECT_TRUE(builder.Finish().IsNoSpace());
}

// ---- What is not this ghost --------------------------------------------------------------------

TEST(Ghost, AnotherSegmentsGhost) {
  const std::string bytes = BuildGhost(Options(14), SmallContent());
  std::unique_ptr<GhostReader> ghost;
  const Status s = OpenGhost(bytes, kNumber, &ghost);
  EXPECT_TRUE(s.IsCorruption()) << s.ToString();
  EXPECT_NE(s.message().find("expected 13, found 14"), std::string_view::npos) << s.ToString();
  EXPECT_TRUE(OpenGhost(bytes, 0, &ghost).ok());
}

// Sets a field of the footer and the checksum with it.
std::string WithField(std::string bytes, size_t field, uint32_t value) {
  char* const footer = bytes.data() + bytes.size() - kGhostFooterBytes;
  EncodeFixed32(footer + field, value);
  EncodeFixed32(footer + kGhostFooterChecksum, Crc32c(Slice(footer, kGhostFooterChecksum)));
  return bytes;
}

TEST(Ghost, NewerOnesAreNotSupported) {
  const std::string bytes = BuildGhost(Options(), SmallContent());
  std::unique_ptr<GhostReader> ghost;
  EXPECT_TRUE(OpenGhost(WithField(bytes, kGhostFooterCompat, 5), kNumber, &ghost).ok());
  const Status incompatible = OpenGhost(WithField(bytes, kGhostFooterIncompat, 1), kNumber, &ghost);
  EXPECT_TRUE(incompatible.IsNotSupported()) << incompatible.ToString();
  const Status newer = OpenGhost(WithField(bytes, kGhostFooterVersion, 2), kNumber, &ghost);
  EXPECT_TRUE(newer.IsNotSupported()) << newer.ToString();
  for (const Status& s : {incompatible, newer}) {
    EXPECT_NE(s.message().find("test.ghost"), std::string_view::npos) << s.ToString();
  }
  EXPECT_TRUE(OpenGhost(WithField(bytes, kGhostFooterVersion, 0), kNumber, &ghost).IsCorruption());
}

TEST(Ghost, TheFooterFitsTheFile) {
  const std::string bytes = BuildGhost(Options(), SmallContent());
  std::unique_ptr<GhostReader> ghost;
  for (const size_t field :
       {kGhostFooterHashSetBytes, kGhostFooterRangesBytes, kGhostFooterFileBytes}) {
    const char* const at = bytes.data() + bytes.size() - kGhostFooterBytes + field;
    for (const uint32_t value : {DecodeFixed32(at) - 1, DecodeFixed32(at) + 1, 0u, UINT32_MAX}) {
      const Status s = OpenGhost(WithField(bytes, field, value), kNumber, &ghost);
      EXPECT_TRUE(s.IsCorruption()) << field << " " << value << " " << s.ToString();
    }
  }
}

TEST(Ghost, AReadThatFailsIsNoCorruption) {  // Checklist I5
  const std::string bytes = BuildGhost(Options(), SmallContent());
  for (const uint64_t from : {uint64_t{1}, bytes.size() - 1}) {
    auto log = std::make_shared<ReadLog>();
    log->fail_from = from;
    std::unique_ptr<GhostReader> ghost;
    const Status s = GhostReader::Open(BytewiseComparator(),
                                       std::make_unique<MemoryRandomAccessFile>(bytes, false, log),
                                       "test.ghost", kNumber, &ghost);
    EXPECT_TRUE(s.IsIOError()) << s.ToString();
    EXPECT_EQ(ghost, nullptr);
  }
}

TEST(Ghost, DirectFilesAreRead) {
  GhostContent content = SmallContent();
  for (int n = 0; n < 5000; ++n) content.keys.push_back("more" + std::to_string(n));
  auto log = std::make_shared<ReadLog>();
  std::unique_ptr<GhostReader> ghost;
  ASSERT_TRUE(GhostReader::Open(BytewiseComparator(),
                                std::make_unique<MemoryRandomAccessFile>(
                                    BuildGhost(Options(), content), true, log),
                                "test.ghost", kNumber, &ghost)
                  .ok());
  EXPECT_EQ(log->misaligned.load(), 0u);
  for (const std::string& key : content.keys) EXPECT_TRUE(Accepts(*ghost, key)) << key;
}

// ---- Damage ------------------------------------------------------------------------------------

// Damaged bytes are Corruption that names the file. (Not NotSupported: no single damage makes a
// footer with a good checksum.)
void ExpectRefused(const std::string& bytes) {
  std::unique_ptr<GhostReader> ghost;
  const Status s = OpenGhost(bytes, kNumber, &ghost);
  EXPECT_TRUE(s.IsCorruption()) << s.ToString();
  EXPECT_NE(s.message().find("test.ghost"), std::string_view::npos) << s.ToString();
  EXPECT_NE(s.message().find("offset"), std::string_view::npos) << s.ToString();
  EXPECT_EQ(ghost, nullptr);
}

TEST(Ghost, EveryFlippedByteIsNoticed) {  // Checklist S10, I5
  for (const GhostContent& content : {SmallContent(), GhostContent{{"one"}, {}}, GhostContent{}}) {
    const std::string good = BuildGhost(Options(), content);
    for (size_t at = 0; at < good.size(); ++at) {
      for (const int flip : {0xff, 1 << at % 8}) {
        SCOPED_TRACE("byte " + std::to_string(at));
        std::string bytes = good;
        bytes[at] = static_cast<char>(bytes[at] ^ flip);
        ExpectRefused(bytes);
      }
    }
  }
}

TEST(Ghost, EveryTruncationAndGrowthIsNoticed) {
  const std::string good = BuildGhost(Options(), SmallContent());
  for (size_t size = 0; size < good.size(); ++size) {
    SCOPED_TRACE("size " + std::to_string(size));
    ExpectRefused(good.substr(0, size));
    if (size > 0) ExpectRefused(good.substr(size));  // the beginning is lost
  }
  for (const std::string& more : {std::string(1, '\0'), std::string(4096, '\0'), good}) {
    ExpectRefused(good + more);
  }
}

// A file that is another's in part: zeros, other stretches of it, bytes put in and taken out.
TEST(Ghost, RandomMutationsAreNoticed) {
  const std::string good = BuildGhost(Options(), SmallContent());
  for (uint64_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    std::string bytes = good;
    for (uint64_t n = 1 + random.Uniform(6); n > 0; --n) {
      const size_t at = random.Uniform(bytes.size());
      const size_t size = random.Uniform(30);
      switch (random.Uniform(4)) {
        case 0:
          bytes[at] = static_cast<char>(random.Next());
          break;
        case 1:
          bytes.replace(at, size, good.substr(random.Uniform(good.size()), size));
          break;
        case 2:
          bytes.erase(at, size);
          if (bytes.empty()) bytes = "x";
          break;
        case 3:
          bytes.insert(at, size, '\0');
          break;
      }
    }
    if (bytes != good) ExpectRefused(bytes);
    if (testing::Test::HasFailure()) return;
  }
}

// A file of these contents with good checksums, whatever they are.
std::string Sealed(const std::string& hash_set, const std::string& ranges) {
  std::string bytes;
  const auto block = [&](const std::string& content) {
    const uint64_t offset = bytes.size();
    bytes += content;
    bytes += '\0';
    PutFixed32(&bytes, StoredChecksum(content, Slice(), 0, kNumber, offset));
    return bytes.size() - offset;
  };
  GhostFooter footer;
  footer.number = kNumber;
  footer.hash_set_bytes = block(hash_set);
  if (!ranges.empty()) footer.range_tombstone_bytes = block(ranges);
  footer.file_bytes = bytes.size() + kGhostFooterBytes;
  footer.EncodeTo(&bytes);
  return bytes;
}

// What a builder's defect would write passes the checksums. It is refused, or answers something;
// it is never a wild access (run under asan).
TEST(Ghost, GoodChecksumsOverAnyContentAreSafe) {
  const std::string good = BuildGhost(Options(), SmallContent());
  GhostFooter footer;
  ASSERT_TRUE(
      GhostFooter::Decode(Slice(good).substr(good.size() - kGhostFooterBytes), good.size(), &footer)
          .ok());
  const std::string hash_set = good.substr(0, footer.hash_set_bytes - kBlockTrailerBytes);
  const std::string ranges =
      good.substr(footer.hash_set_bytes, footer.range_tombstone_bytes - kBlockTrailerBytes);
  ASSERT_EQ(Sealed(hash_set, ranges), good);
  int refused = 0, opened = 0;
  for (uint64_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    std::string changed_set = hash_set, changed_ranges = ranges;
    std::string* const changed = random.OneIn(2) ? &changed_set : &changed_ranges;
    for (uint64_t n = 1 + random.Uniform(3); n > 0; --n) {
      (*changed)[random.Uniform(changed->size())] = static_cast<char>(random.Next());
    }
    if (random.OneIn(10)) changed->resize(random.Uniform(changed->size()));
    std::unique_ptr<GhostReader> ghost;
    const Status s = OpenGhost(Sealed(changed_set, changed_ranges), kNumber, &ghost);
    if (!s.ok()) {
      ++refused;
      EXPECT_TRUE(s.IsCorruption()) << s.ToString();
      EXPECT_NE(s.message().find("test.ghost"), std::string_view::npos) << s.ToString();
      continue;
    }
    ++opened;
    for (int n = 0; n < 300; ++n) Accepts(*ghost, "key" + std::to_string(n));
    uint64_t listed = 0;
    for (HashSet::Cursor cursor(ghost->hashes()); cursor.Valid(); cursor.Next()) ++listed;
    EXPECT_LE(listed, ghost->hashes().keys());
    const Status verified = ghost->Verify();
    EXPECT_TRUE(verified.ok() || verified.IsCorruption()) << verified.ToString();
  }
  EXPECT_GT(refused, 100);
  EXPECT_GT(opened, 100);
}

}  // namespace
}  // namespace varve
