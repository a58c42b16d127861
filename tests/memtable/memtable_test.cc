#include "memtable/memtable.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "memtable/skiplist.h"
#include "tests/support/comparators.h"
#include "util/random.h"

namespace varve {
namespace {

std::string InternalKey(Slice user_key, uint64_t trailer) {
  std::string key;
  AppendInternalKey(&key, user_key, trailer);
  return key;
}

struct Entry {
  std::string key;  // internal
  std::string value;
  bool operator==(const Entry&) const = default;
};

// The same entries in an ordered map, and the same lookups by its means.
class Model {
 public:
  explicit Model(const InternalKeyComparator& comparator)
      : entries_([comparator](const std::string& a, const std::string& b) {
          return comparator.Compare(a, b) < 0;
        }),
        comparator_(comparator) {}

  void Add(SequenceNumber sequence, ValueType type, Slice key, Slice value) {
    entries_.emplace(InternalKey(key, PackTrailer(sequence, type)), std::string(value));
  }

  bool Get(Slice key, SequenceNumber sequence, std::string* value, uint64_t* trailer) const {
    const auto it = entries_.lower_bound(InternalKey(key, SeekTrailer(sequence)));
    if (it == entries_.end() || comparator_.CompareUserKeys(ExtractUserKey(it->first), key) != 0) {
      return false;
    }
    *value = it->second;
    *trailer = ExtractTrailer(it->first);
    return true;
  }

  const auto& entries() const { return entries_; }

 private:
  std::map<std::string, std::string, std::function<bool(const std::string&, const std::string&)>>
      entries_;
  const InternalKeyComparator comparator_;
};

std::vector<Entry> AllForward(const MemTable& table) {
  std::vector<Entry> all;
  const auto it = table.NewIterator();
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    all.push_back({std::string(it->key()), std::string(it->value())});
  }
  EXPECT_TRUE(it->status().ok());
  return all;
}

std::vector<Entry> AllBackward(const MemTable& table) {
  std::vector<Entry> all;
  const auto it = table.NewIterator();
  for (it->SeekToLast(); it->Valid(); it->Prev()) {
    all.push_back({std::string(it->key()), std::string(it->value())});
  }
  std::reverse(all.begin(), all.end());
  return all;
}

enum class Keys { kFewShort, kRandom, kAscending, kDescending, kCommonPrefix, kTwoStreams, kRuns };

std::string MakeKey(Keys kind, Random* random, int i) {
  char digits[32];
  switch (kind) {
    case Keys::kFewShort: {  // ties, prefixes of one another, zero bytes, the empty key
      std::string key(random->Uniform(11), '\0');
      for (char& c : key) c = "\0aAbB\xff"[random->Uniform(6)];
      return key;
    }
    case Keys::kRandom: {
      std::string key(16, '\0');
      for (char& c : key) c = static_cast<char>(random->Next());
      return key;
    }
    case Keys::kAscending:
      std::snprintf(digits, sizeof(digits), "%016d", i);
      return digits;
    case Keys::kDescending:
      std::snprintf(digits, sizeof(digits), "%016d", 1000000 - i);
      return digits;
    case Keys::kCommonPrefix:
      std::snprintf(digits, sizeof(digits), "user/name/%012d",
                    static_cast<int>(random->Uniform(100000)));
      return digits;
    case Keys::kTwoStreams:
      std::snprintf(digits, sizeof(digits), "%c%015d", i % 2 == 0 ? 'a' : 'b', i);
      return digits;
    case Keys::kRuns:  // twenty in order, then somewhere else
      std::snprintf(digits, sizeof(digits), "%08x%08d",
                    static_cast<unsigned>(static_cast<uint64_t>(i) / 20 * 2654435761u), i);
      return digits;
  }
  return {};
}

struct ModelCase {
  Keys keys;
  const Comparator* comparator;
  int count;
  const char* common_prefix = "";
};

// So small that the filter of most cases is full of bits, and that of the others is not.
constexpr size_t kExpectedBytes = 256 << 10;

class MemTableModelTest : public testing::TestWithParam<ModelCase> {};

TEST_P(MemTableModelTest, AgreesWithAnOrderedMap) {
  const uint64_t seed = testing::UnitTest::GetInstance()->random_seed() + 17;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  Random random(seed);
  const InternalKeyComparator comparator(GetParam().comparator);
  MemTable table(comparator, GetParam().common_prefix, kExpectedBytes);
  Model model(comparator);
  std::vector<std::string> keys;
  uint64_t deletes = 0;
  for (int i = 0; i < GetParam().count; ++i) {
    const SequenceNumber sequence = static_cast<SequenceNumber>(i) + 100;
    // Some keys come again, as newer versions.
    const std::string key = !keys.empty() && random.OneIn(8) ? keys[random.Uniform(keys.size())]
                                                             : MakeKey(GetParam().keys, &random, i);
    keys.push_back(key);
    const bool is_delete = random.OneIn(5);
    const std::string value = is_delete ? "" : "v" + std::to_string(i);
    const ValueType type = is_delete ? ValueType::kDelete : ValueType::kValue;
    if (random.OneIn(3)) {  // the two ways of adding take turns
      MemTable::Tally tally;
      table.AddConcurrently(sequence, type, key, value, &tally);
      table.AddTally(tally);
    } else {
      table.Add(sequence, type, key, value);
    }
    model.Add(sequence, type, key, value);
    deletes += is_delete;

    const std::string probe =
        random.OneIn(2)
            ? key
            : MakeKey(GetParam().keys, &random, static_cast<int>(random.Uniform(GetParam().count)));
    const SequenceNumber at = 90 + random.Uniform(static_cast<uint64_t>(i) + 40);
    Slice found;
    std::string expected;
    uint64_t trailer = 0, expected_trailer = 0;
    const bool hit = table.Get(LookupKey(probe, at), &found, &trailer);
    ASSERT_EQ(hit, model.Get(probe, at, &expected, &expected_trailer));
    if (hit) {
      ASSERT_EQ(found, expected);
      ASSERT_EQ(trailer, expected_trailer);
    }
  }

  EXPECT_EQ(table.entries(), static_cast<uint64_t>(GetParam().count));
  EXPECT_EQ(table.deletes(), deletes);
  EXPECT_EQ(table.smallest_sequence(), 100u);
  EXPECT_EQ(table.largest_sequence(), 99u + GetParam().count);
  std::vector<Entry> expected;
  for (const auto& [key, value] : model.entries()) expected.push_back({key, value});
  EXPECT_EQ(AllForward(table), expected);
  EXPECT_EQ(AllBackward(table), expected);

  // A walk of seeks and steps in both directions, in step with the map's.
  const auto it = table.NewIterator();
  const auto& entries = model.entries();
  auto at = entries.end();
  for (int i = 0; i < 5000; ++i) {
    const uint64_t what = random.Uniform(20);
    const std::string target = InternalKey(
        random.OneIn(2) ? keys[random.Uniform(keys.size())] : MakeKey(GetParam().keys, &random, i),
        SeekTrailer(90 + random.Uniform(GetParam().count + 20)));
    if (what == 0) {
      it->SeekToFirst();
      at = entries.begin();
    } else if (what == 1) {
      it->SeekToLast();
      at = std::prev(entries.end());
    } else if (what < 5) {
      it->Seek(target);
      at = entries.lower_bound(target);
    } else if (what < 8) {
      const std::string exact = random.OneIn(2) && at != entries.end() ? at->first : target;
      it->SeekForPrev(exact);
      at = entries.upper_bound(exact);
      at = at == entries.begin() ? entries.end() : std::prev(at);
    } else if (at != entries.end()) {
      if (what < 13) {
        it->Next();
        ++at;
      } else {
        it->Prev();
        at = at == entries.begin() ? entries.end() : std::prev(at);
      }
    }
    ASSERT_EQ(it->Valid(), at != entries.end());
    if (it->Valid()) {
      ASSERT_EQ(it->key(), at->first);
      ASSERT_EQ(it->value(), at->second);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Keys, MemTableModelTest,
    testing::Values(
        ModelCase{Keys::kFewShort, BytewiseComparator(), 5000},
        ModelCase{Keys::kFewShort, ReverseComparator(), 5000},
        ModelCase{Keys::kFewShort, CaseInsensitiveComparator(), 3000},
        ModelCase{Keys::kRandom, BytewiseComparator(), 1},
        ModelCase{Keys::kRandom, BytewiseComparator(), 30000},
        ModelCase{Keys::kRandom, ReverseComparator(), 5000},
        ModelCase{Keys::kAscending, BytewiseComparator(), 10000},
        ModelCase{Keys::kAscending, ReverseComparator(), 5000},
        ModelCase{Keys::kDescending, BytewiseComparator(), 10000},
        ModelCase{Keys::kCommonPrefix, BytewiseComparator(), 10000},
        ModelCase{Keys::kTwoStreams, BytewiseComparator(), 10000},
        // Common prefixes that all keys have, some have, none has.
        ModelCase{Keys::kCommonPrefix, BytewiseComparator(), 10000, "user/name/"},
        ModelCase{Keys::kCommonPrefix, BytewiseComparator(), 10000, "user/name/0000000"},
        ModelCase{Keys::kCommonPrefix, BytewiseComparator(), 3000, "user/name/00000004"},
        ModelCase{Keys::kFewShort, BytewiseComparator(), 5000, "aAa"},
        ModelCase{Keys::kFewShort, ReverseComparator(), 5000, "aAa"},
        ModelCase{Keys::kRandom, BytewiseComparator(), 3000, "zzz"}));

class SkipListShapeTest : public testing::TestWithParam<std::pair<Keys, const Comparator*>> {};

// The order of every level and the prefix in every link, after inserts of both kinds.
TEST_P(SkipListShapeTest, KeepsItsInvariants) {
  Random random(7);
  const InternalKeyComparator comparator(GetParam().second);
  SkipList list(comparator);
  EXPECT_TRUE(list.Consistent());
  for (int i = 0; i < 20000; ++i) {
    const std::string key = MakeKey(GetParam().first, &random, i);
    const auto target = list.MakeTarget(key, PackTrailer(i + 1, ValueType::kValue));
    if (i / 1000 % 3 == 1) {
      list.InsertConcurrently(target, "v");
      list.NoteConcurrentInserts(1);
    } else {
      list.Insert(target, "v");
    }
    if (i % 5000 == 0) {
      ASSERT_TRUE(list.Consistent()) << i;
    }
  }
  EXPECT_TRUE(list.Consistent());
}

INSTANTIATE_TEST_SUITE_P(
    Keys, SkipListShapeTest,
    testing::Values(std::make_pair(Keys::kFewShort, BytewiseComparator()),
                    std::make_pair(Keys::kFewShort,
                                   static_cast<const Comparator*>(ReverseComparator())),
                    std::make_pair(Keys::kRandom, BytewiseComparator()),
                    std::make_pair(Keys::kAscending, BytewiseComparator()),
                    std::make_pair(Keys::kDescending, BytewiseComparator()),
                    std::make_pair(Keys::kCommonPrefix, BytewiseComparator()),
                    std::make_pair(Keys::kTwoStreams, BytewiseComparator()),
                    std::make_pair(Keys::kRuns, BytewiseComparator())));

TEST(MemTable, IsEmptyAtFirst) {
  MemTable table{InternalKeyComparator(BytewiseComparator())};
  EXPECT_TRUE(table.empty());
  EXPECT_EQ(table.smallest_sequence(), kMaxSequence);
  EXPECT_EQ(table.largest_sequence(), 0u);
  Slice value;
  uint64_t trailer;
  EXPECT_FALSE(table.Get(LookupKey("", kMaxSequence), &value, &trailer));
  const auto it = table.NewIterator();
  EXPECT_FALSE(it->Valid());
  it->SeekToFirst();
  EXPECT_FALSE(it->Valid());
  it->SeekToLast();
  EXPECT_FALSE(it->Valid());
  it->Seek(InternalKey("", 0));
  EXPECT_FALSE(it->Valid());
  it->SeekForPrev(InternalKey("z", 0));
  EXPECT_FALSE(it->Valid());
  EXPECT_TRUE(it->status().ok());
}

TEST(MemTable, FindsTheNewestVersionAtOrBelowTheSequence) {
  MemTable table{InternalKeyComparator(BytewiseComparator())};
  table.Add(5, ValueType::kValue, "k", "five");
  table.Add(7, ValueType::kDelete, "k", "");
  table.Add(9, ValueType::kValue, "k", "nine");
  Slice value;
  uint64_t trailer;
  EXPECT_FALSE(table.Get(LookupKey("k", 4), &value, &trailer));
  ASSERT_TRUE(table.Get(LookupKey("k", 6), &value, &trailer));
  EXPECT_EQ(value, "five");
  ASSERT_TRUE(table.Get(LookupKey("k", 8), &value, &trailer));
  EXPECT_EQ(trailer, PackTrailer(7, ValueType::kDelete));
  ASSERT_TRUE(table.Get(LookupKey("k", kMaxSequence), &value, &trailer));
  EXPECT_EQ(value, "nine");
  EXPECT_EQ(trailer, PackTrailer(9, ValueType::kValue));
}

TEST(MemTable, HoldsEmptyKeysLargestKeysAndBigValues) {
  MemTable table{InternalKeyComparator(BytewiseComparator())};
  const std::string long_key(64 << 10, 'k'), longer_by_zero = "x" + std::string(1, '\0');
  const std::string big(5 << 20, 'b');
  table.Add(1, ValueType::kValue, "", "empty key");
  table.Add(2, ValueType::kValue, long_key, big);
  table.Add(3, ValueType::kValue, "x", "");
  table.Add(4, ValueType::kValue, longer_by_zero, "zero");
  table.Add(5, ValueType::kValue, std::string(8, '\xff'), "highest prefix");
  table.Add(6, ValueType::kValue, std::string(9, '\xff'), "and longer");
  Slice value;
  uint64_t trailer;
  ASSERT_TRUE(table.Get(LookupKey("", kMaxSequence), &value, &trailer));
  EXPECT_EQ(value, "empty key");
  ASSERT_TRUE(table.Get(LookupKey(long_key, kMaxSequence), &value, &trailer));
  EXPECT_EQ(value, big);
  ASSERT_TRUE(table.Get(LookupKey("x", kMaxSequence), &value, &trailer));
  EXPECT_EQ(value, "");
  ASSERT_TRUE(table.Get(LookupKey(longer_by_zero, kMaxSequence), &value, &trailer));
  EXPECT_EQ(value, "zero");
  ASSERT_TRUE(table.Get(LookupKey(std::string(8, '\xff'), kMaxSequence), &value, &trailer));
  EXPECT_EQ(value, "highest prefix");
  ASSERT_TRUE(table.Get(LookupKey(std::string(9, '\xff'), kMaxSequence), &value, &trailer));
  EXPECT_EQ(value, "and longer");
  EXPECT_FALSE(table.Get(LookupKey(std::string(10, '\xff'), kMaxSequence), &value, &trailer));
  EXPECT_GE(table.bytes(), big.size() + long_key.size());
}

TEST(MemTable, KeysThatCompareEqualAreVersionsOfOne) {
  MemTable table(InternalKeyComparator(CaseInsensitiveComparator()), Slice(), kExpectedBytes);
  table.Add(1, ValueType::kValue, "Key", "one");
  table.Add(2, ValueType::kValue, "kEY", "two");
  Slice value;
  uint64_t trailer;
  ASSERT_TRUE(table.Get(LookupKey("KEY", 1), &value, &trailer));
  EXPECT_EQ(value, "one");
  ASSERT_TRUE(table.Get(LookupKey("key", kMaxSequence), &value, &trailer));
  EXPECT_EQ(value, "two");
}

TEST(MemTable, AccountsForItsMemory) {
  MemTable table{InternalKeyComparator(BytewiseComparator())};
  EXPECT_LT(table.bytes(), 16u << 10);  // many open databases with empty memtables cost little
  Random random(3);
  size_t before = table.used_bytes();
  size_t data = 0;
  uint64_t entries = 0;
  for (int batch = 0; batch < 200; ++batch) {
    const uint64_t count = 1 + random.Uniform(100);
    size_t batch_data = 0;
    for (uint64_t i = 0; i < count; ++i) {
      const std::string key = MakeKey(Keys::kRandom, &random, 0);
      const std::string value(random.Uniform(300), 'v');
      batch_data += key.size() + value.size();
      table.Add(++entries, ValueType::kValue, key, value);
    }
    data += batch_data;
    const size_t after = table.used_bytes();
    EXPECT_GE(after - before, batch_data);
    EXPECT_LE(after - before, MemTable::BytesMax(count, batch_data)) << count;
    before = after;
  }
  EXPECT_GT(table.used_bytes(), data);
  EXPECT_LT(table.used_bytes(), data + entries * 72);
  EXPECT_GE(table.bytes(), table.used_bytes());
  EXPECT_LT(table.bytes(), table.used_bytes() + (3u << 20));
}

TEST(MemTable, TellsWhatItsKeysBeginWithWhereThatHelps) {
  const InternalKeyComparator comparator(BytewiseComparator());
  MemTable table(comparator);
  EXPECT_EQ(table.CommonPrefix(), "");
  table.Add(1, ValueType::kValue, "user/name/17", "");
  EXPECT_EQ(table.CommonPrefix(), "user/name/17");
  table.Add(2, ValueType::kValue, "user/name/0", "");
  table.Add(3, ValueType::kValue, "user/name/13", "");
  EXPECT_EQ(table.CommonPrefix(), "user/name/");
  table.Add(4, ValueType::kValue, "users", "");
  EXPECT_EQ(table.CommonPrefix(), "");  // four bytes are not worth it
  MemTable reverse{InternalKeyComparator(ReverseComparator())};
  reverse.Add(1, ValueType::kValue, "user/name/17", "");
  EXPECT_EQ(reverse.CommonPrefix(), "");
}

TEST(MemTable, IteratorOutlivesItsMovesInKeysAndValues) {
  MemTable table{InternalKeyComparator(BytewiseComparator())};
  table.Add(1, ValueType::kValue, "a", "1");
  table.Add(2, ValueType::kValue, "b", "2");
  const auto it = table.NewIterator();
  it->SeekToFirst();
  const Slice key = it->key(), value = it->value();
  it->Next();
  table.Add(3, ValueType::kValue, "c", "3");
  EXPECT_EQ(ExtractUserKey(key), "a");
  EXPECT_EQ(value, "1");
  it->Next();
  ASSERT_TRUE(it->Valid());  // added while it was in use
  EXPECT_EQ(it->value(), "3");
}

}  // namespace
}  // namespace varve
