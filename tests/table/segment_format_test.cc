#include "table/segment_format.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>

#include "table/footer.h"
#include "table/open_segment.h"
#include "table/stored_block.h"
#include "tests/table/segment_test_util.h"
#include "util/crc32c.h"

// Files that no builder of this version writes: newer ones, and ones whose checksums are right over
// content that is not.

namespace varve {
namespace {

constexpr FileNumber kNumber = 5;

std::string SmallSegment() {
  Entries entries(InternalLess{BytewiseComparator()});
  for (int n = 100; n < 700; ++n) {
    entries[InternalKey("k" + std::to_string(n), 70)] = std::string(60, 'v');
  }
  SegmentBuilderOptions options;
  options.number = kNumber;
  return BuildSegment(options, entries);
}

Status OpenStatus(const std::string& bytes, FileNumber number = kNumber,
                  const Comparator* comparator = BytewiseComparator()) {
  std::unique_ptr<SegmentReader> reader;
  SegmentReaderOptions options;
  options.comparator = comparator;
  return SegmentReader::Open(options, std::make_unique<MemoryRandomAccessFile>(bytes), "a/5.seg",
                             number, &reader);
}

Footer FooterOf(const std::string& bytes) {
  Footer footer;
  EXPECT_TRUE(Footer::Decode(bytes, bytes.size(), &footer).ok());
  return footer;
}

// Changes the footer and makes its checksum right again.
std::string WithFooter(std::string bytes, const std::function<void(char* footer)>& change) {
  char* const footer = bytes.data() + bytes.size() - kFooterBytes;
  change(footer);
  EncodeFixed32(footer + kFooterChecksum, Crc32c(Slice(footer, kFooterChecksum)));
  return bytes;
}

// Replaces the content of a block behind the data, checksums, places and sizes made right.
std::string WithMetaBlock(const std::string& bytes, BlockHandle Footer::*which,
                          const std::function<std::string(std::string content)>& change) {
  Footer footer = FooterOf(bytes);
  std::string changed = bytes.substr(0, footer.data_bytes());
  for (BlockHandle Footer::*part : {&Footer::filter, &Footer::index, &Footer::properties}) {
    const BlockHandle old = FooterOf(bytes).*part;
    std::string content = bytes.substr(old.offset, old.size - kBlockTrailerBytes);
    if (part == which) content = change(content);
    footer.*part = {changed.size(), content.size() + kBlockTrailerBytes};
    const uint32_t checksum = StoredChecksum(content, Slice(), 0, kNumber, changed.size());
    changed += content;
    changed.push_back(0);
    PutFixed32(&changed, checksum);
  }
  footer.file_bytes = changed.size() + kFooterBytes;
  footer.EncodeTo(&changed);
  return changed;
}

void ExpectMessage(const Status& s, Status::Code code, const std::string& part) {
  EXPECT_EQ(s.code(), code) << s.ToString();
  EXPECT_NE(s.message().find(part), std::string_view::npos) << s.ToString();
  EXPECT_NE(s.message().find("a/5.seg"), std::string_view::npos) << s.ToString();
}

TEST(SegmentFormat, TheRewritersChangeNothingByThemselves) {
  const std::string bytes = SmallSegment();
  EXPECT_TRUE(WithFooter(bytes, [](char*) {}) == bytes);
  EXPECT_TRUE(WithMetaBlock(bytes, &Footer::index, [](std::string c) { return c; }) == bytes);
}

TEST(SegmentFormat, NewerVersionsAndFeaturesAreNotSupported) {
  const std::string bytes = SmallSegment();
  ExpectMessage(
      OpenStatus(WithFooter(bytes, [](char* f) { EncodeFixed32(f + kFooterVersion, 2); })),
      Status::Code::kNotSupported, "version 2");
  ExpectMessage(
      OpenStatus(WithFooter(bytes, [](char* f) { EncodeFixed32(f + kFooterIncompat, 0x80); })),
      Status::Code::kNotSupported, "128");
  // Features that only add something are no obstacle.
  EXPECT_TRUE(OpenStatus(WithFooter(bytes, [](char* f) {
                EncodeFixed32(f + kFooterCompat, 0xffff);
                EncodeFixed32(f + kFooterReadOnlyCompat, 0xffff);
              })).ok());
  ExpectMessage(
      OpenStatus(WithFooter(bytes, [](char* f) { EncodeFixed32(f + kFooterVersion, 0); })),
      Status::Code::kCorruption, "footer");
  // A version that is damaged, not newer.
  std::string damaged = bytes;
  damaged[bytes.size() - kFooterBytes + kFooterVersion] = 2;
  ExpectMessage(OpenStatus(damaged), Status::Code::kCorruption, "checksum of the footer");
}

TEST(SegmentFormat, AFooterMayGrowInALaterVersion) {
  const std::string bytes = SmallSegment();
  std::string newer = bytes.substr(0, bytes.size() - kFooterTailBytes) + std::string(8, 'n');
  const size_t start = bytes.size() - kFooterBytes;
  PutFixed32(&newer, kFooterBytes + 8);
  PutFixed32(&newer, 2);
  PutFixed32(&newer, Crc32c(Slice(newer).substr(start)));
  PutFixed64(&newer, kSegmentMagic);
  ExpectMessage(OpenStatus(newer), Status::Code::kNotSupported, "version 2");
}

TEST(SegmentFormat, FooterFieldsAreChecked) {
  const std::string bytes = SmallSegment();
  const auto with64 = [&](size_t at, uint64_t value) {
    return OpenStatus(WithFooter(bytes, [&](char* f) { EncodeFixed64(f + at, value); }));
  };
  for (const size_t field : {kFooterFilterOffset, kFooterIndexOffset, kFooterPropertiesOffset}) {
    for (const size_t at : {field, field + 8}) {
      for (const uint64_t value : {uint64_t{0}, uint64_t{1}, bytes.size() - 1, ~uint64_t{0},
                                   ~uint64_t{0} - 100, uint64_t{1} << 40}) {
        const Status s = with64(at, value);
        EXPECT_TRUE(s.IsCorruption()) << at << " " << value << " " << s.ToString();
      }
    }
  }
  ExpectMessage(with64(kFooterFileBytes, 7), Status::Code::kCorruption, "size of the file");
  ExpectMessage(with64(kFooterNumber, 6), Status::Code::kCorruption, "segment number");
  ExpectMessage(OpenStatus("not a segment"), Status::Code::kCorruption, "size of the segment");
  ExpectMessage(OpenStatus(std::string(5000, 'x')), Status::Code::kCorruption, "magic");
}

TEST(SegmentFormat, AnotherSegmentUnderTheName) {
  const std::string bytes = SmallSegment();
  ExpectMessage(OpenStatus(bytes, 6), Status::Code::kCorruption, "expected 6, found 5");
  EXPECT_TRUE(OpenStatus(bytes, 0).ok());  // any
}

TEST(SegmentFormat, AnotherComparator) {
  const Status s = OpenStatus(SmallSegment(), kNumber, ReverseComparator());
  ExpectMessage(s, Status::Code::kInvalidArgument, "test.Reverse");
  ExpectMessage(s, Status::Code::kInvalidArgument, "varve.BytewiseComparator");
}

// The salt: content and checksum are right, only not here.
TEST(SegmentFormat, BlocksAreBoundToTheirPlaceAndSegment) {
  const std::string bytes = SmallSegment();
  std::unique_ptr<OpenSegment> segment;
  ASSERT_TRUE(OpenSegment::Open({}, std::make_unique<MemoryRandomAccessFile>(bytes), "a/5.seg",
                                kNumber, &segment)
                  .ok());
  const BlockHandle one = segment->index().handle(0);
  BlockHandle other;
  for (uint64_t i = 1; i < segment->index().blocks() && other.size != one.size; ++i) {
    other = segment->index().handle(i);
  }
  ASSERT_EQ(one.size, other.size);
  std::string swapped = bytes;
  swapped.replace(one.offset, one.size, bytes.substr(other.offset, other.size));
  swapped.replace(other.offset, other.size, bytes.substr(one.offset, one.size));
  const auto reader = OpenSegmentBytes({}, swapped, kNumber);
  ASSERT_NE(reader, nullptr);
  EXPECT_NE(reader->Verify().message().find("checksum of the block"), std::string_view::npos);
  EXPECT_NE(GetText(*reader, {}, "k100", 70).find("checksum of the block"), std::string::npos);

  const std::string renumbered =
      WithFooter(bytes, [](char* f) { EncodeFixed64(f + kFooterNumber, 6); });
  ExpectMessage(OpenStatus(renumbered, 6), Status::Code::kCorruption, "checksum of the block");
}

// Entries 3 and 4 of the first block in the wrong order, tags too, under a right checksum.
TEST(SegmentFormat, VerifyChecksTheOrderOfEntries) {
  std::string bytes = SmallSegment();
  const size_t entries = DecodeFixed32(bytes.data() + 8);
  const size_t tags = kBlockHeaderBytes + DecodeFixed32(bytes.data() + 12);
  const auto start = [&](size_t i) { return DecodeFixed16(bytes.data() + tags + entries + 2 * i); };
  ASSERT_EQ(start(4) - start(3), start(5) - start(4));
  std::swap(bytes[tags + 3], bytes[tags + 4]);
  std::swap_ranges(bytes.begin() + start(3), bytes.begin() + start(4), bytes.begin() + start(4));
  const size_t content_bytes = start(entries - 1) + start(4) - start(3);
  EncodeFixed32(bytes.data() + content_bytes + 1,
                StoredChecksum(Slice(bytes).substr(0, content_bytes), Slice(), 0, kNumber, 0));
  const auto damaged = OpenSegmentBytes({}, bytes, kNumber);
  ASSERT_NE(damaged, nullptr);
  EXPECT_NE(damaged->Verify().message().find("entry 4 is out of order"), std::string_view::npos)
      << damaged->Verify().ToString();
}

TEST(SegmentFormat, UnknownPropertiesAreSteppedOver) {
  const std::string bytes = SmallSegment();
  const auto with = [&](const std::function<std::string(std::string)>& change) {
    return OpenStatus(WithMetaBlock(bytes, &Footer::properties, change));
  };
  EXPECT_TRUE(with([](std::string c) {
                PutVarint32(&c, 100000);
                PutLengthPrefixed(&c, "from the future");
                return c;
              }).ok());
  ExpectMessage(with([](std::string c) { return c + "\x01\x01\x07"; }), Status::Code::kCorruption,
                "property twice: entries");
  ExpectMessage(with([](std::string c) { return c.substr(4); }), Status::Code::kCorruption,
                "property missing: entries");
  ExpectMessage(with([](std::string c) { return c.substr(0, c.size() - 1); }),
                Status::Code::kCorruption, "cut off");
  ExpectMessage(with([](std::string) { return ""; }), Status::Code::kCorruption, "missing");
}

TEST(SegmentFormat, PropertiesMustAgreeWithTheRest) {
  const std::string bytes = SmallSegment();
  const auto with = [&](const std::function<void(SegmentProperties*)>& change) {
    return WithMetaBlock(bytes, &Footer::properties, [&](const std::string& content) {
      SegmentProperties p;
      EXPECT_TRUE(SegmentProperties::Decode(content, &p).ok());
      change(&p);
      std::string changed;
      p.EncodeTo(&changed);
      return changed;
    });
  };
  EXPECT_TRUE(OpenStatus(with([](SegmentProperties* p) { p->data_blocks++; })).IsCorruption());
  EXPECT_TRUE(OpenStatus(with([](SegmentProperties* p) { p->data_bytes++; })).IsCorruption());
  EXPECT_TRUE(OpenStatus(with([](SegmentProperties* p) { p->number++; })).IsCorruption());
  EXPECT_TRUE(OpenStatus(with([](SegmentProperties* p) { p->smallest_key = "x"; })).IsCorruption());
  EXPECT_TRUE(
      OpenStatus(with([](SegmentProperties* p) { p->sequence_min = 1 << 30; })).IsCorruption());
  // What only Verify can know.
  using Change = std::function<void(SegmentProperties*)>;
  for (const Change& change : std::vector<Change>{
           [](SegmentProperties* p) { p->entries++; }, [](SegmentProperties* p) { p->deletes++; },
           [](SegmentProperties* p) { p->user_keys--; },
           [](SegmentProperties* p) { p->raw_value_bytes++; },
           [](SegmentProperties* p) { p->raw_key_bytes++; },
           [](SegmentProperties* p) { p->block_raw_bytes_max++; },
           [](SegmentProperties* p) { p->sequence_min--; },
           [](SegmentProperties* p) { p->sequence_max++; },
           [](SegmentProperties* p) { p->smallest_key[0]--; },
           [](SegmentProperties* p) { p->largest_key[0]++; }}) {
    const auto reader = OpenSegmentBytes({}, with(change), kNumber);
    ASSERT_NE(reader, nullptr);
    const Status s = reader->Verify();
    EXPECT_TRUE(s.IsCorruption()) << s.ToString();
  }
}

TEST(SegmentFormat, VerifyComparesFilterIndexAndData) {
  const std::string bytes = SmallSegment();
  // A filter without bits denies every key.
  const auto no_bits = OpenSegmentBytes(
      {},
      WithMetaBlock(bytes, &Footer::filter,
                    [](std::string c) {
                      return c.replace(kFilterHeaderBytes, c.size() - kFilterHeaderBytes,
                                       c.size() - kFilterHeaderBytes, '\0');
                    }),
      kNumber);
  ASSERT_NE(no_bits, nullptr);
  EXPECT_NE(no_bits->Verify().message().find("the filter denies"), std::string_view::npos);
  // Separators that are lower, then higher, than they must be.
  for (const char change : {-1, +1}) {
    const auto moved = OpenSegmentBytes({},
                                        WithMetaBlock(bytes, &Footer::index,
                                                      [&](std::string c) {
                                                        // The first separator's last byte.
                                                        const size_t at = c.find("k1");
                                                        EXPECT_NE(at, std::string::npos);
                                                        c[at + 1] += change;
                                                        return c;
                                                      }),
                                        kNumber);
    ASSERT_NE(moved, nullptr);
    EXPECT_TRUE(moved->Verify().IsCorruption());
  }
}

// An index that says the blocks are huge asks for no more memory than the file has bytes.
TEST(SegmentFormat, AnIndexOutsideTheDataIsRefused) {
  const std::string bytes = SmallSegment();
  const Footer footer = FooterOf(bytes);
  const uint64_t blocks = DecodeFixed64(bytes.data() + footer.index.offset);
  ASSERT_GT(blocks, 3u);
  for (uint64_t i = 0; i <= blocks; ++i) {
    for (const uint64_t place : {uint64_t{0}, footer.data_bytes() + 1, kSlotOffsetMask,
                                 ~uint64_t{0}, uint64_t{100} << kSlotPaddingShift}) {
      if (i == 0 && place == 0) continue;  // as it is
      const Status s = OpenStatus(WithMetaBlock(bytes, &Footer::index, [&](std::string c) {
        EncodeFixed64(c.data() + kIndexHeaderBytes + blocks * 8 + i * kIndexSlotBytes, place);
        return c;
      }));
      EXPECT_TRUE(s.IsCorruption()) << i << " " << place;
    }
  }
}

}  // namespace
}  // namespace varve
