#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include "cache/block_cache.h"
#include "tests/table/segment_test_util.h"
#include "util/hash.h"

// Segments of random entries under random options, against an ordered map: every way to read one
// must say the same. Each case prints its seed.

namespace varve {
namespace {

struct Case {
  SegmentBuilderOptions build;
  SegmentReaderOptions open;
  SegmentReadOptions read;
  std::shared_ptr<BlockCache> cache;
  bool direct = false;
};

Case RandomCase(Random* random) {
  static const Comparator* const kComparators[] = {
      BytewiseComparator(), BytewiseComparator(), ReverseComparator(), CaseInsensitiveComparator()};
  static constexpr size_t kBlockBytes[] = {1, 128, 1024, 4096, 4096, 16384, 100000};
  static constexpr int kFilterBits[] = {0, 1, 10, 10, 16, 32};
  Case c;
  c.build.comparator = kComparators[random->Uniform(std::size(kComparators))];
  c.build.number = 1 + random->Uniform(1000);
  c.build.path = "test.seg";
  c.build.compression = static_cast<Compression>(random->Uniform(4));
  c.build.block_bytes = kBlockBytes[random->Uniform(std::size(kBlockBytes))];
  c.build.filter_bits_per_key = kFilterBits[random->Uniform(std::size(kFilterBits))];
  c.open.comparator = c.build.comparator;
  if (random->OneIn(2)) {
    c.cache = BlockCache::Create(random->OneIn(2) ? 1 << 20 : 1 << 26);
    c.open.cache = c.cache.get();
  }
  c.read.fill_cache = random->OneIn(2);
  c.read.verify_checksums = !random->OneIn(4);
  c.direct = random->OneIn(3);
  return c;
}

std::string At(InternalIterator* it) {
  if (!it->Valid()) return "end " + it->status().ToString();
  return std::string(it->key()) + " -> " + std::string(it->value());
}

std::string At(const Entries& entries, Entries::const_iterator it) {
  return it == entries.end() ? "end OK" : it->first + " -> " + it->second;
}

// The last entry at or before `key`.
Entries::const_iterator LastAtOrBefore(const Entries& entries, const std::string& key) {
  const auto after = entries.upper_bound(key);
  return after == entries.begin() ? entries.end() : std::prev(after);
}

void CheckScans(const SegmentReader& reader, const SegmentReadOptions& options,
                const Entries& entries) {
  const auto it = reader.NewIterator(options);
  EXPECT_FALSE(it->Valid());
  auto model = entries.begin();
  for (it->SeekToFirst(); it->Valid(); it->Next(), ++model) {
    ASSERT_EQ(At(it.get()), At(entries, model));
  }
  ASSERT_EQ(At(it.get()), At(entries, model));
  it->SeekToLast();
  for (auto back = entries.rbegin(); back != entries.rend(); ++back, it->Prev()) {
    ASSERT_EQ(At(it.get()), At(entries, std::prev(back.base())));
  }
  ASSERT_EQ(At(it.get()), "end OK");
}

// A walk of seeks and steps in both directions.
void CheckWalk(const SegmentReader& reader, const SegmentReadOptions& options,
               const Entries& entries, Random* random) {
  const auto it = reader.NewIterator(options);
  auto model = entries.end();
  for (int step = 0; step < 600; ++step) {
    const uint64_t move = random->Uniform(10);
    if (move < 2) {
      std::string target;
      if (random->OneIn(2) && !entries.empty()) {
        target = std::next(entries.begin(), random->Uniform(entries.size()))->first;
      } else {
        target = InternalKey(RandomUserKey(random), random->Uniform(100000));
      }
      if (move == 0) {
        if (random->OneIn(2)) {
          it->Seek(target);
        } else {  // the same in steps
          it->StartSeek(target);
          while (!it->ContinueSeek()) {
          }
        }
        model = entries.lower_bound(target);
      } else {
        it->SeekForPrev(target);
        model = LastAtOrBefore(entries, target);
      }
    } else if (model == entries.end()) {
      it->SeekToFirst();
      model = entries.begin();
    } else if (move < 6) {
      it->Next();
      ++model;
    } else {
      it->Prev();
      model = model == entries.begin() ? entries.end() : std::prev(model);
    }
    ASSERT_EQ(At(it.get()), At(entries, model)) << "step " << step;
  }
}

void CheckGets(const Case& c, const SegmentReader& reader, const Entries& entries, Random* random) {
  std::vector<std::pair<std::string, SequenceNumber>> keys;
  for (const auto& [internal_key, value] : entries) {
    const std::string key(ExtractUserKey(internal_key));
    const SequenceNumber sequence = TrailerSequence(ExtractTrailer(internal_key));
    for (const SequenceNumber s : {sequence, sequence - (sequence > 0), sequence + 1}) {
      keys.emplace_back(key, s);
    }
    if (random->OneIn(8)) keys.emplace_back(key, kMaxSequence);
  }
  for (int i = 0; i < 500; ++i) keys.emplace_back(RandomUserKey(random), random->Uniform(200000));

  for (const auto& [key, sequence] : keys) {
    ASSERT_EQ(GetText(reader, c.read, key, sequence),
              GetText(entries, c.build.comparator, key, sequence));
  }

  // The same keys in batches of random size and order.
  while (!keys.empty()) {
    std::vector<std::unique_ptr<LookupKey>> lookups;
    std::vector<PointRequest> requests;
    std::vector<PinnedValue> values(1 + random->Uniform(300));
    std::vector<std::string> expected;
    while (requests.size() < values.size()) {
      const auto [key, sequence] = keys[random->Uniform(keys.size())];
      lookups.push_back(std::make_unique<LookupKey>(key, sequence));
      PointRequest request;
      request.key = lookups.back().get();
      request.key_hash = Hash64(key);
      request.result.value = &values[requests.size()];
      requests.push_back(std::move(request));
      expected.push_back(GetText(entries, c.build.comparator, key, sequence));
    }
    std::vector<PointRequest*> pointers;
    for (PointRequest& request : requests) pointers.push_back(&request);
    reader.MultiGet(c.read, pointers);
    for (size_t i = 0; i < requests.size(); ++i) {
      ASSERT_TRUE(requests[i].status.ok());
      const PointResult& result = requests[i].result;
      ASSERT_EQ(result.found, expected[i] != "none");
      if (result.found) {
        ASSERT_EQ("found " + std::to_string(static_cast<int>(TrailerType(result.trailer))) + " " +
                      std::to_string(TrailerSequence(result.trailer)) + " " + values[i].ToString(),
                  expected[i]);
      }
    }
    keys.resize(keys.size() / 2);
  }
}

void RunCase(uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  const Case c = RandomCase(&random);
  const size_t count = random.OneIn(10) ? random.Uniform(3) : 1 + random.Uniform(1500);
  const Entries entries = RandomEntries(&random, c.build.comparator, count);
  SegmentProperties built;
  const std::string bytes = BuildSegment(c.build, entries, &built);
  EXPECT_EQ(built.entries, entries.size());
  EXPECT_EQ(built.file_bytes, bytes.size());

  auto log = std::make_shared<ReadLog>();
  const auto reader = OpenSegmentBytes(c.open, bytes, c.build.number, c.direct, log);
  ASSERT_NE(reader, nullptr);
  const Status verified = reader->Verify();
  EXPECT_TRUE(verified.ok()) << verified.ToString();
  CheckScans(*reader, c.read, entries);
  CheckWalk(*reader, c.read, entries, &random);
  CheckGets(c, *reader, entries, &random);
  CheckScans(*reader, c.read, entries);
  EXPECT_EQ(log->misaligned, 0u);
}

TEST(SegmentModel, ReadsAreThoseOfAnOrderedMap) {
  for (uint64_t seed = 1; seed <= 60 && !HasFailure(); ++seed) RunCase(seed);
}

}  // namespace
}  // namespace varve
