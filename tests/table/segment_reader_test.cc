#include "table/segment_reader.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cache/block_cache.h"
#include "table/segment_builder.h"
#include "tests/table/segment_test_util.h"
#include "util/hash.h"

namespace varve {
namespace {

constexpr FileNumber kNumber = 8;

std::string Key(int n) {
  char key[16];
  snprintf(key, sizeof(key), "key%06d", n);
  return key;
}

Entries ManyEntries(int count, size_t value_bytes = 100) {
  Entries entries(InternalLess{BytewiseComparator()});
  for (int n = 0; n < count; ++n) {
    entries[InternalKey(Key(n), 10 + n)] =
        std::to_string(n) + std::string(value_bytes, static_cast<char>('a' + n % 26));
  }
  return entries;
}

// A segment over a counted file, with a cache of its own.
struct World {
  explicit World(const Entries& entries, Compression compression = Compression::kNone,
                 size_t cache_bytes = 64 << 20, bool direct = false) {
    SegmentBuilderOptions build;
    build.number = kNumber;
    build.compression = compression;
    bytes = BuildSegment(build, entries);
    if (cache_bytes > 0) cache = BlockCache::Create(cache_bytes);
    statistics = Statistics::Create();
    SegmentReaderOptions open;
    open.cache = cache.get();
    open.statistics = statistics.get();
    reader = OpenSegmentBytes(open, bytes, kNumber, direct, log);
    opened_reads = log->reads;
  }
  uint64_t reads() const { return log->reads - opened_reads; }
  uint64_t Count(Counter counter) const { return statistics->Get(counter); }
  Status Get(Slice user_key, PinnedValue* value, bool* found,
             const SegmentReadOptions& options = {}) const {
    const LookupKey key(user_key, kMaxSequence);
    PointResult result;
    result.value = value;
    const Status s = reader->Get(options, key, Hash64(user_key), &result);
    *found = result.found;
    return s;
  }

  std::string bytes;
  std::shared_ptr<ReadLog> log = std::make_shared<ReadLog>();
  std::shared_ptr<BlockCache> cache;
  std::shared_ptr<Statistics> statistics;
  std::unique_ptr<SegmentReader> reader;
  uint64_t opened_reads = 0;
};

TEST(SegmentReader, ASmallSegmentOpensWithOneRead) {
  EXPECT_EQ(World(ManyEntries(10)).opened_reads, 1u);
  EXPECT_EQ(World(ManyEntries(100000, 10)).opened_reads, 2u);
}

TEST(SegmentReader, AColdGetIsOneReadOfOnePage) {
  for (const bool direct : {false, true}) {
    const World world(ManyEntries(5000), Compression::kNone, 64 << 20, direct);
    for (const int n : {0, 1234, 4999}) {
      const uint64_t before = world.reads();
      const uint64_t bytes_before = world.log->bytes;
      PinnedValue value;
      bool found;
      ASSERT_TRUE(world.Get(Key(n), &value, &found).ok());
      EXPECT_TRUE(found);
      EXPECT_EQ(world.reads(), before + 1);
      EXPECT_LE(world.log->bytes - bytes_before, 4096u);
      ASSERT_TRUE(world.Get(Key(n), &value, &found).ok());
      EXPECT_EQ(world.reads(), before + 1);  // cached
      EXPECT_TRUE(value.pinned());
    }
    EXPECT_EQ(world.log->misaligned, 0u);
  }
}

TEST(SegmentReader, AMissReadsNothingWhereTheFilterKnows) {
  const World world(ManyEntries(5000));
  int positives = 0;
  PinnedValue value;
  bool found;
  for (int n = 0; n < 2000; ++n) {
    ASSERT_TRUE(world.Get(Key(n) + "x", &value, &found).ok());
    EXPECT_FALSE(found);
  }
  positives = static_cast<int>(world.Count(Counter::kFilterFalsePositives));
  EXPECT_EQ(world.Count(Counter::kFilterChecks), 2000u);
  EXPECT_EQ(world.Count(Counter::kFilterNegatives) + positives, 2000u);
  EXPECT_LT(positives, 60);
  EXPECT_LE(world.reads(), static_cast<uint64_t>(positives));
}

TEST(SegmentReader, StatisticsCountBlocksAndBytes) {
  const World world(ManyEntries(1000));
  const uint64_t opened_bytes = world.Count(Counter::kSegmentBytesRead);
  EXPECT_GT(opened_bytes, 0u);
  PinnedValue value;
  bool found;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(world.Get(Key(500), &value, &found).ok());
  EXPECT_EQ(world.Count(Counter::kBlockCacheMisses), 1u);
  EXPECT_EQ(world.Count(Counter::kBlockCacheInserts), 1u);
  EXPECT_EQ(world.Count(Counter::kBlockCacheHits), 2u);
  EXPECT_EQ(world.Count(Counter::kFilterChecks), 3u);
  EXPECT_EQ(world.Count(Counter::kFilterNegatives), 0u);
  EXPECT_EQ(world.Count(Counter::kFilterFalsePositives), 0u);
  const uint64_t block_bytes = world.Count(Counter::kSegmentBytesRead) - opened_bytes;
  EXPECT_GT(block_bytes, 3000u);
  EXPECT_LE(block_bytes, 4096u);
}

TEST(SegmentReader, FillCacheFalseLeavesTheCacheAlone) {
  const World world(ManyEntries(1000));
  SegmentReadOptions options;
  options.fill_cache = false;
  PinnedValue value;
  bool found;
  ASSERT_TRUE(world.Get(Key(5), &value, &found, options).ok());
  EXPECT_FALSE(value.pinned());
  const auto it = world.reader->NewIterator(options);
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
  }
  EXPECT_TRUE(it->status().ok());
  EXPECT_EQ(world.cache->entries(), 0u);
}

TEST(SegmentReader, APinnedValueOutlivesReaderAndCache) {  // Checklist I6
  World world(ManyEntries(1000));
  PinnedValue cached, owned, large;
  bool found;
  ASSERT_TRUE(world.Get(Key(77), &cached, &found).ok());
  EXPECT_TRUE(cached.pinned());
  SegmentReadOptions uncached;
  uncached.fill_cache = false;
  ASSERT_TRUE(world.Get(Key(99), &owned, &found, uncached).ok());
  const World big(ManyEntries(3, 9000), Compression::kLz4, 0);
  ASSERT_TRUE(big.Get(Key(2), &large, &found).ok());
  EXPECT_TRUE(large.pinned());  // the block it was read into
  world.reader->EraseCachedBlocks();
  EXPECT_EQ(world.cache->entries(), world.cache->pinned_usage() > 0 ? 1u : 0u);
  world.reader.reset();
  world.cache.reset();
  EXPECT_EQ(cached.slice(), "77" + std::string(100, 'a' + 77 % 26));
  EXPECT_EQ(owned.slice(), "99" + std::string(100, 'a' + 99 % 26));
  EXPECT_EQ(large.slice(), "2" + std::string(9000, 'c'));
}

TEST(SegmentReader, EraseCachedBlocks) {
  const World world(ManyEntries(1000));
  const auto it = world.reader->NewIterator({});
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
  }
  EXPECT_GT(world.cache->entries(), 20u);
  world.reader->EraseCachedBlocks();
  EXPECT_EQ(world.cache->entries(), 0u);
}

TEST(SegmentReader, VersionsOverManyBlocks) {
  Entries entries(InternalLess{BytewiseComparator()});
  entries[InternalKey("a", 1)] = "before";
  for (int n = 1; n <= 500; ++n) {
    entries[InternalKey("k", 2 * n)] = std::to_string(2 * n) + std::string(100, 'v');
  }
  entries[InternalKey("z", 1)] = "after";
  const World world(entries);
  EXPECT_GT(world.reader->properties().data_blocks, 10u);
  for (SequenceNumber s = 0; s <= 1002; ++s) {
    ASSERT_EQ(GetText(*world.reader, {}, "k", s), GetText(entries, BytewiseComparator(), "k", s));
  }
  EXPECT_EQ(GetText(*world.reader, {}, "a", 0), "none");
}

TEST(SegmentReader, MultiGetReadsAllMissingBlocksAtOnce) {
  for (const bool direct : {false, true}) {
    const World world(ManyEntries(20000), Compression::kNone, 64 << 20, direct);
    PinnedValue cached;
    bool found;
    ASSERT_TRUE(world.Get(Key(3), &cached, &found).ok());
    const uint64_t reads = world.reads();
    std::vector<std::string> names;
    // One cached, two of one block, one absent, the rest apart.
    for (const int n : {19999, 3, 10000, 10001, 15000, 5000}) names.push_back(Key(n));
    names.push_back("key000004x");
    std::vector<std::unique_ptr<LookupKey>> keys;
    std::vector<PinnedValue> values(names.size());
    std::vector<PointRequest> requests(names.size());
    std::vector<PointRequest*> pointers;
    for (size_t i = 0; i < names.size(); ++i) {
      keys.push_back(std::make_unique<LookupKey>(names[i], kMaxSequence));
      requests[i].key = keys[i].get();
      requests[i].key_hash = Hash64(names[i]);
      requests[i].result.value = &values[i];
      pointers.push_back(&requests[i]);
    }
    world.reader->MultiGet({}, pointers);
    EXPECT_EQ(world.log->batches, 1u);
    EXPECT_LE(world.reads() - reads, 5u);
    EXPECT_GE(world.reads() - reads, 4u);
    for (size_t i = 0; i < names.size(); ++i) {
      EXPECT_TRUE(requests[i].status.ok());
      EXPECT_EQ(requests[i].result.found, i + 1 < names.size());
    }
    EXPECT_EQ(values[2].slice().substr(0, 5), "10000");
    EXPECT_EQ(values[3].slice().substr(0, 5), "10001");
    world.reader->MultiGet({}, pointers);
    EXPECT_EQ(world.log->batches, 1u);  // all cached now
    EXPECT_EQ(world.log->misaligned, 0u);
  }
}

TEST(SegmentReader, AFailedReadIsThatKeysError) {  // Checklist C14, I5
  const World world(ManyEntries(20000));
  world.log->fail_from = world.reader->properties().data_bytes / 2;
  PinnedValue value;
  bool found;
  EXPECT_TRUE(world.Get(Key(1), &value, &found).ok());
  EXPECT_TRUE(world.Get(Key(19000), &value, &found).IsIOError());

  const LookupKey low(Key(100), kMaxSequence), high(Key(19000), kMaxSequence);
  PinnedValue values[2];
  PointRequest requests[2];
  requests[0].key = &high;
  requests[0].key_hash = Hash64(high.user_key());
  requests[0].result.value = &values[0];
  requests[1].key = &low;
  requests[1].key_hash = Hash64(low.user_key());
  requests[1].result.value = &values[1];
  PointRequest* pointers[] = {&requests[0], &requests[1]};
  world.reader->MultiGet({}, pointers);
  EXPECT_TRUE(requests[0].status.IsIOError());
  EXPECT_FALSE(requests[0].result.found);
  EXPECT_TRUE(requests[1].status.ok());
  EXPECT_TRUE(requests[1].result.found);
}

// An iterator serves all that lies before a failing read, even when it reads ahead into it, and is
// as good as new after the next seek.
TEST(SegmentReader, AnIteratorStopsAtTheBlockItCannotRead) {
  const int kCount = 20000;
  const World world(ManyEntries(kCount), Compression::kNone, 0);
  const auto it = world.reader->NewIterator({});
  world.log->fail_from = world.reader->properties().data_bytes / 2;
  int n = 0;
  for (it->SeekToFirst(); it->Valid(); it->Next()) ASSERT_EQ(ExtractUserKey(it->key()), Key(n++));
  EXPECT_TRUE(it->status().IsIOError());
  // To the last block before it; entries are a bit longer in the second half.
  EXPECT_NEAR(n, kCount / 2, 200);
  it->SeekToLast();
  EXPECT_FALSE(it->Valid());
  EXPECT_TRUE(it->status().IsIOError());
  it->Seek(InternalKey(Key(5), kMaxSequence));
  EXPECT_TRUE(it->Valid());
  EXPECT_TRUE(it->status().ok());
  world.log->fail_from = UINT64_MAX;
  n = kCount;
  for (it->SeekToLast(); it->Valid(); it->Prev()) ASSERT_EQ(ExtractUserKey(it->key()), Key(--n));
  EXPECT_TRUE(it->status().ok());
  EXPECT_EQ(n, 0);
}

TEST(SegmentReader, ScansReadAhead) {
  for (const Compression compression : {Compression::kNone, Compression::kLz4}) {
    const World world(ManyEntries(50000), compression, 0);
    const uint64_t data_bytes = world.reader->properties().data_bytes;
    const auto it = world.reader->NewIterator({});
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
    }
    const uint64_t forward = world.reads();
    EXPECT_LE(forward, data_bytes / (256 * 1024) + 12);
    EXPECT_LE(world.log->bytes_max, 256u * 1024);
    for (it->SeekToLast(); it->Valid(); it->Prev()) {
    }
    EXPECT_LE(world.reads() - forward, data_bytes / (256 * 1024) + 12);
    // What is read ahead is used.
    EXPECT_LE(world.log->bytes, 2 * data_bytes + 3 * world.bytes.size() / 10);
  }
}

TEST(SegmentReader, SeeksDoNotReadAhead) {
  const World world(ManyEntries(50000), Compression::kNone, 0);
  const auto it = world.reader->NewIterator({});
  Random random(1);
  const uint64_t bytes = world.log->bytes;
  for (int i = 0; i < 100; ++i) {
    it->Seek(InternalKey(Key(static_cast<int>(random.Uniform(50000))), kMaxSequence));
    ASSERT_TRUE(it->Valid());
  }
  EXPECT_LE(world.log->bytes - bytes, 100u * 4096);
}

TEST(SegmentReader, ApproximateOffsetRises) {
  const World world(ManyEntries(20000));
  uint64_t last = 0;
  for (int n = 0; n < 20000; n += 100) {
    const uint64_t offset = world.reader->ApproximateOffset(InternalKey(Key(n), kMaxSequence));
    EXPECT_GE(offset, last);
    EXPECT_NEAR(static_cast<double>(offset),
                static_cast<double>(world.reader->properties().data_bytes) * n / 20000, 20000);
    last = offset;
  }
  EXPECT_EQ(world.reader->ApproximateOffset(InternalKey("a", 1)), 0u);
  EXPECT_EQ(world.reader->ApproximateOffset(InternalKey("z", 1)), world.bytes.size());
}

TEST(SegmentReader, MemoryIsIndexAndFilter) {
  const World world(ManyEntries(50000));
  const size_t memory = world.reader->memory_bytes();
  const uint64_t filter = 50000 * 10 / 8;
  const uint64_t blocks = world.reader->properties().data_blocks;
  EXPECT_GT(memory, filter + blocks * 32);
  EXPECT_LT(memory, filter + blocks * 58 + 2000);
}

TEST(SegmentReader, VerifyReadsTheFileAgain) {
  // Damage behind the back of an open reader, filter and index included.
  const World world(ManyEntries(2000));
  EXPECT_TRUE(world.reader->Verify().ok());
  world.log->fail_from = world.bytes.size() - 10;
  EXPECT_TRUE(world.reader->Verify().IsIOError());
}

}  // namespace
}  // namespace varve
