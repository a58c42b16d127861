#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "table/footer.h"
#include "table/segment_dump.h"
#include "table/segment_format.h"
#include "tests/table/segment_test_util.h"
#include "util/coding.h"

// Entries that expire, and tombstones that say why, in a segment: what is counted, which feature
// they need, and what is made of damage.

namespace varve {
namespace {

constexpr FileNumber kNumber = 12;

struct Entry {
  std::string key;
  ValueType type;
  std::string value;
};

std::string Expiring(uint64_t expires_at, Slice value) {
  std::string bytes;
  PutFixed64(&bytes, expires_at);
  return bytes.append(value);
}

std::string Build(const std::vector<Entry>& entries, SegmentProperties* properties,
                  SegmentBuilderOptions options = {}) {
  options.number = kNumber;
  MemoryWritableFile file;
  SegmentBuilder builder(options, &file);
  for (const Entry& e : entries) {
    const Status s = builder.Add(InternalKey(e.key, 50, e.type), e.value);
    EXPECT_TRUE(s.ok()) << s.ToString();
  }
  EXPECT_TRUE(builder.Finish(properties).ok());
  return file.bytes();
}

uint32_t Features(const std::string& bytes) {
  Footer footer;
  EXPECT_TRUE(Footer::Decode(bytes, bytes.size(), &footer).ok());
  return footer.incompat;
}

Status Verified(const std::string& bytes) {
  const auto reader = OpenSegmentBytes({}, bytes, kNumber);
  return reader == nullptr ? Status::Corruption("not opened") : reader->Verify();
}

TEST(SegmentExpiry, CountsWhatExpiresAndWhen) {
  SegmentProperties p;
  const std::string bytes = Build({{"a", ValueType::kValueWithExpiry, Expiring(700, "x")},
                                   {"b", ValueType::kValue, "y"},
                                   {"c", ValueType::kValueWithExpiry, Expiring(300, "")},
                                   {"d", ValueType::kValueWithExpiry, Expiring(500, "z")}},
                                  &p);
  EXPECT_EQ(p.entries, 4u);
  EXPECT_EQ(p.entries_with_expiry, 3u);
  EXPECT_EQ(p.expires_at_min, 300u);
  EXPECT_EQ(p.expires_at_max, 700u);
  EXPECT_EQ(p.deletes, 0u);
  const auto reader = OpenSegmentBytes({}, bytes, kNumber);
  ASSERT_NE(reader, nullptr);
  EXPECT_EQ(reader->properties().entries_with_expiry, 3u);
  EXPECT_EQ(reader->properties().expires_at_min, 300u);
  EXPECT_EQ(reader->properties().expires_at_max, 700u);
  EXPECT_TRUE(reader->Verify().ok());
}

TEST(SegmentExpiry, ExtremeInstantsAreKept) {
  for (const uint64_t at : {uint64_t{0}, UINT64_MAX}) {
    SegmentProperties p;
    const std::string bytes = Build({{"a", ValueType::kValueWithExpiry, Expiring(at, "x")}}, &p);
    EXPECT_EQ(p.expires_at_min, at);
    EXPECT_EQ(p.expires_at_max, at);
    EXPECT_TRUE(Verified(bytes).ok());
  }
}

// Only what needs it sets the feature: every other segment is for builds from before.
TEST(SegmentExpiry, TheFeatureIsSetWhereAnEntryNeedsIt) {
  SegmentProperties p;
  EXPECT_EQ(Features(Build({{"a", ValueType::kValue, "x"},
                            {"b", ValueType::kDelete, ""},
                            {"c", ValueType::kMerge, "1"}},
                           &p)),
            0u);
  EXPECT_EQ(p.deletes, 1u);
  EXPECT_EQ(Features(Build({{"a", ValueType::kValueWithExpiry, Expiring(1, "")}}, &p)),
            kFeatureExpiry);
  for (const ValueType type : {ValueType::kRefused, ValueType::kEvicted, ValueType::kExpired}) {
    EXPECT_TRUE(IsTombstone(type));
    EXPECT_EQ(Features(Build({{"a", ValueType::kValue, "x"}, {"b", type, ""}}, &p)),
              kFeatureExpiry);
    EXPECT_EQ(p.deletes, 1u);
    EXPECT_EQ(p.entries_with_expiry, 0u);
  }
}

TEST(SegmentExpiry, AValueTooShortForItsExpiryIsRefused) {
  MemoryWritableFile file;
  SegmentBuilderOptions options;
  options.number = kNumber;
  SegmentBuilder builder(options, &file);
  const Status s = builder.Add(InternalKey("a", 50, ValueType::kValueWithExpiry), "1234567");
  EXPECT_TRUE(s.IsInvalidArgument()) << s.ToString();
}

TEST(SegmentExpiry, GoldenBytesAreReadAndWrittenAgain) {
  SegmentBuilderOptions options;
  options.created_ms = 1'700'000'000'000;
  options.creator = "golden";
  SegmentProperties p;
  const std::string bytes =
      Build({{"apple", ValueType::kValueWithExpiry, Expiring(1'700'000'060'000, "red")},
             {"apricot", ValueType::kRefused, ""},
             {"banana", ValueType::kEvicted, ""},
             {"cherry", ValueType::kExpired, ""},
             {"date", ValueType::kValueWithExpiry, Expiring(1'700'000'000'001, "")}},
            &p, options);
  const std::string name = "segment-v1-expiry.seg";
  if (const char* directory = std::getenv("VARVE_GOLDEN_OUT")) {
    std::ofstream(std::string(directory) + "/" + name, std::ios::binary) << bytes;
  }
  std::ifstream in("tests/golden/" + name, std::ios::binary);
  const std::string golden{std::istreambuf_iterator<char>(in), {}};
  EXPECT_TRUE(bytes == golden);
  EXPECT_TRUE(Verified(golden).ok());

  std::string text;
  SegmentDumpOptions dump;
  dump.entries = true;
  EXPECT_TRUE(DumpSegment(dump, std::make_unique<MemoryRandomAccessFile>(golden), "000012.seg",
                          [&](Slice line) { text.append(line).append("\n"); })
                  .ok());
  for (const char* line :
       {"incompatible 2\n", "  deletes: 3\n", "  entries with expiry: 2\n",
        "  they expire, ms since 1970: 1700000000001 to 1700000060000\n",
        "  \"apple\" @ 50 value_with_expiry expires at 1700000060000 = \"red\"\n",
        "  \"apricot\" @ 50 refused = \"\"\n", "  \"banana\" @ 50 evicted = \"\"\n",
        "  \"cherry\" @ 50 expired = \"\"\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
}

// A footer that hides what the entries need is a defect that builds from before would fall for.
TEST(SegmentExpiry, VerifyHoldsTheFooterAgainstTheEntries) {
  SegmentProperties p;
  std::string bytes = Build({{"a", ValueType::kExpired, ""}}, &p);
  Footer footer;
  ASSERT_TRUE(Footer::Decode(bytes, bytes.size(), &footer).ok());
  footer.incompat = 0;
  bytes.resize(bytes.size() - kFooterBytes);
  footer.EncodeTo(&bytes);
  const Status s = Verified(bytes);
  EXPECT_TRUE(s.IsCorruption()) << s.ToString();
  EXPECT_NE(s.message().find("incompatible features 2, found 0"), std::string::npos)
      << s.ToString();
}

TEST(SegmentExpiry, PropertiesThatContradictEachOtherAreRefused) {
  SegmentProperties p;
  Build({{"a", ValueType::kValueWithExpiry, Expiring(5, "")}}, &p);
  const auto decoded = [](const SegmentProperties& properties) {
    std::string bytes;
    properties.EncodeTo(&bytes);
    SegmentProperties again;
    return SegmentProperties::Decode(bytes, &again);
  };
  EXPECT_TRUE(decoded(p).ok());
  SegmentProperties bad = p;
  bad.expires_at_min = 6;
  EXPECT_TRUE(decoded(bad).IsCorruption());
  bad = p;
  bad.entries_with_expiry = 2;
  EXPECT_TRUE(decoded(bad).IsCorruption());
}

}  // namespace
}  // namespace varve
