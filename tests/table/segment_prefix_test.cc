// Prefixes in the filter of a segment: none is ever denied that a key has, and who does not know
// them reads the segment as any other.

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "table/filter.h"
#include "table/segment_dump.h"
#include "tests/support/comparators.h"
#include "tests/table/segment_test_util.h"

namespace varve {
namespace {

constexpr FileNumber kNumber = 11;

using Extractor = std::shared_ptr<const PrefixExtractor>;

std::string Build(const Entries& entries, const PrefixExtractor* extractor,
                  SegmentProperties* properties = nullptr,
                  const Comparator* comparator = BytewiseComparator(), int filter_bits = 10) {
  SegmentBuilderOptions options;
  options.number = kNumber;
  options.comparator = comparator;
  options.filter_bits_per_key = filter_bits;
  options.prefix_extractor = extractor;
  options.created_ms = 1'700'000'000'000;
  options.creator = "golden";
  return BuildSegment(options, entries, properties);
}

std::unique_ptr<SegmentReader> Open(const std::string& bytes, const PrefixExtractor* extractor,
                                    Statistics* statistics = nullptr,
                                    const Comparator* comparator = BytewiseComparator()) {
  SegmentReaderOptions options;
  options.comparator = comparator;
  options.prefix_extractor = extractor;
  options.statistics = statistics;
  return OpenSegmentBytes(options, bytes, kNumber);
}

Entries KeysOf(const std::vector<std::string>& keys) {
  Entries entries(InternalLess{BytewiseComparator()});
  SequenceNumber sequence = 0;
  for (const std::string& key : keys) entries[InternalKey(key, ++sequence)] = "v";
  return entries;
}

bool MayContain(const SegmentReader& reader, Slice prefix) {
  return reader.MayContainPrefix(PrefixHash(prefix));
}

TEST(SegmentPrefix, NeverDeniesAPrefixThatAKeyHas) {
  const Extractor extractors[] = {NewFixedPrefixExtractor(1), NewFixedPrefixExtractor(4),
                                  NewFixedPrefixExtractor(12), NewDelimiterPrefixExtractor('1', 1)};
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const Extractor& extractor = extractors[random.Uniform(std::size(extractors))];
    const Comparator* const comparator =
        random.OneIn(4) ? ReverseComparator() : BytewiseComparator();
    const Entries entries = RandomEntries(&random, comparator, 1 + random.Uniform(600));
    SegmentProperties properties;
    const std::string bytes = Build(entries, extractor.get(), &properties, comparator);
    const auto reader = Open(bytes, extractor.get(), nullptr, comparator);
    ASSERT_NE(reader, nullptr);
    std::set<std::string> prefixes;
    for (const auto& [key, value] : entries) {
      const Slice user_key = ExtractUserKey(key);
      ASSERT_TRUE(reader->MayContain(Hash64(user_key)));
      const auto prefix = extractor->Prefix(user_key);
      if (!prefix.has_value()) continue;
      prefixes.emplace(*prefix);
      ASSERT_TRUE(MayContain(*reader, *prefix)) << *prefix;
    }
    EXPECT_EQ(properties.prefixes, prefixes.size());
    EXPECT_EQ(properties.prefix_extractor, extractor->Name());
    const Status verified = reader->Verify();
    EXPECT_TRUE(verified.ok()) << verified.ToString();
  }
}

// Sized for keys and prefixes, the filter errs with either as table/FORMAT.md says of 10 bits.
TEST(SegmentPrefix, FalsePositivesStayAsDocumented) {
  const auto extractor = NewFixedPrefixExtractor(8);
  Entries entries(InternalLess{BytewiseComparator()});
  const auto key_of = [](int prefix, int n) {
    char key[32];
    snprintf(key, sizeof(key), "%08d:%04d", prefix, n);
    return std::string(key);
  };
  constexpr int kPrefixes = 20'000, kKeysEach = 3;
  for (int prefix = 0; prefix < kPrefixes; ++prefix) {
    for (int n = 0; n < kKeysEach; ++n) entries[InternalKey(key_of(prefix, n), 1)] = "";
  }
  const auto statistics = Statistics::Create(false);
  SegmentProperties properties;
  const std::string bytes = Build(entries, extractor.get(), &properties);
  EXPECT_EQ(properties.prefixes, static_cast<uint64_t>(kPrefixes));
  const auto reader = Open(bytes, extractor.get(), statistics.get());
  int prefixes = 0, keys = 0;
  constexpr int kOthers = 200'000;
  for (int n = kPrefixes; n < kPrefixes + kOthers; ++n) {
    prefixes += MayContain(*reader, key_of(n, 0).substr(0, 8));
    keys += reader->MayContain(Hash64(key_of(n, 0)));
  }
  printf("false positives: prefixes %.3f %%, keys %.3f %%\n", 100.0 * prefixes / kOthers,
         100.0 * keys / kOthers);
  EXPECT_LT(100.0 * prefixes / kOthers, 1.1);
  EXPECT_LT(100.0 * keys / kOthers, 1.1);
  EXPECT_EQ(statistics->Get(Counter::kPrefixChecks), static_cast<uint64_t>(kOthers));
  EXPECT_EQ(statistics->Get(Counter::kPrefixSkips), static_cast<uint64_t>(kOthers - prefixes));
}

// "ab" as a key is in the filter, and is not taken for the prefix of "abcd".
TEST(SegmentPrefix, AKeyIsNoPrefixOfItsOwnBytes) {
  const auto extractor = NewFixedPrefixExtractor(4);
  std::vector<std::string> keys;
  for (int n = 0; n < 300; ++n) keys.push_back("k" + std::to_string(100 + n) + "!");
  const auto reader = Open(Build(KeysOf(keys), nullptr), extractor.get());
  EXPECT_TRUE(MayContain(*reader, "none"));  // not written with an extractor: nobody knows

  // Keys of five bytes, with prefixes of four: neither is taken for the other.
  const auto with = Open(Build(KeysOf(keys), extractor.get()), extractor.get());
  int wrong = 0;
  for (const std::string& key : keys) {
    wrong += MayContain(*with, key);
    wrong += with->MayContain(Hash64(key.substr(0, 4)));
  }
  EXPECT_LT(wrong, 30);
}

TEST(SegmentPrefix, OnlyTheExtractorOfTheSameNameIsBelieved) {
  const auto three = NewFixedPrefixExtractor(3), four = NewFixedPrefixExtractor(4);
  const std::string bytes = Build(KeysOf({"abcdef", "abcxyz"}), three.get());
  EXPECT_FALSE(MayContain(*Open(bytes, three.get()), "zzz"));
  EXPECT_TRUE(MayContain(*Open(bytes, four.get()), "zzzz"));
  EXPECT_TRUE(MayContain(*Open(bytes, nullptr), "zzz"));
  for (const PrefixExtractor* extractor :
       {three.get(), four.get(), (const PrefixExtractor*)nullptr}) {
    const Status verified = Open(bytes, extractor)->Verify();
    EXPECT_TRUE(verified.ok()) << verified.ToString();
  }
}

TEST(SegmentPrefix, KeysOutsideTheDomainHaveNone) {
  const auto extractor = NewDelimiterPrefixExtractor(':', 1);
  SegmentProperties properties;
  const auto reader =
      Open(Build(KeysOf({"", "a", "a:1", "a:2", "b", "c"}), extractor.get(), &properties),
           extractor.get());
  EXPECT_EQ(properties.prefixes, 1u);
  EXPECT_TRUE(MayContain(*reader, "a:"));
  EXPECT_TRUE(reader->MayContain(Hash64("b")));
  EXPECT_TRUE(reader->Verify().ok());
}

TEST(SegmentPrefix, NoneWithoutAFilter) {
  const auto extractor = NewFixedPrefixExtractor(1);
  const Entries entries = KeysOf({"a", "b"});
  SegmentProperties properties;
  const auto reader =
      Open(Build(entries, extractor.get(), &properties, BytewiseComparator(), 0), extractor.get());
  EXPECT_EQ(properties.prefix_extractor, "");
  EXPECT_TRUE(MayContain(*reader, "z"));
  // Equal keys that differ in bytes have no filter either.
  const auto other = Open(Build(entries, extractor.get(), &properties, CaseInsensitiveComparator()),
                          extractor.get(), nullptr, CaseInsensitiveComparator());
  EXPECT_EQ(properties.prefix_extractor, "");
  EXPECT_TRUE(MayContain(*other, "z"));
}

// An extractor whose answers changed and whose name did not.
class Liar final : public PrefixExtractor {
 public:
  const char* Name() const override { return "varve.FixedPrefix.2"; }
  std::optional<Slice> Prefix(Slice key) const override { return key.substr(1); }
};

TEST(SegmentPrefix, VerifyFindsAnExtractorThatChanged) {
  const auto two = NewFixedPrefixExtractor(2);
  const Liar liar;
  const Status verified = Open(Build(KeysOf({"abcdef", "abcxyz"}), two.get()), &liar)->Verify();
  EXPECT_TRUE(verified.IsCorruption()) << verified.ToString();
  EXPECT_NE(verified.message().find("prefix of entry 0"), std::string::npos);
}

TEST(SegmentPrefix, GoldenBytesAreReadAndWrittenAgain) {
  const auto extractor = NewDelimiterPrefixExtractor(':', 2);
  const std::string bytes =
      Build(KeysOf({"user:1", "user:1:a", "user:1:b", "user:22:a", "zebra"}), extractor.get());
  const std::string name = "segment-v1-prefixes.seg";
  if (const char* directory = std::getenv("VARVE_GOLDEN_OUT")) {
    std::ofstream(std::string(directory) + "/" + name, std::ios::binary) << bytes;
  }
  std::ifstream in("tests/golden/" + name, std::ios::binary);
  const std::string golden{std::istreambuf_iterator<char>(in), {}};
  EXPECT_TRUE(bytes == golden);
  const auto reader = Open(golden, extractor.get());
  ASSERT_NE(reader, nullptr);
  EXPECT_TRUE(reader->Verify().ok());
  EXPECT_TRUE(MayContain(*reader, "user:1:"));
  EXPECT_TRUE(MayContain(*reader, "user:22:"));
  EXPECT_FALSE(MayContain(*reader, "user:2:"));

  std::string text;
  const Status s = DumpSegment({}, std::make_unique<MemoryRandomAccessFile>(golden), "11.seg",
                               [&](Slice line) { text.append(line).append("\n"); });
  EXPECT_TRUE(s.ok()) << s.ToString();
  for (const char* line : {"  features: compatible 0, read-only compatible 0, incompatible 0\n",
                           "  prefix extractor: varve.DelimiterPrefix.3a.2\n", "  prefixes: 2\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
}

}  // namespace
}  // namespace varve
