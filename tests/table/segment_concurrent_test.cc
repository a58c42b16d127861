#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "cache/block_cache.h"
#include "tests/table/segment_test_util.h"
#include "util/hash.h"

// Many threads on one reader, with a cache so small that blocks come and go under them. For tsan.

namespace varve {
namespace {

TEST(SegmentConcurrent, ReadersShareOneSegment) {
  Random seed(11);
  const Entries entries = RandomEntries(&seed, BytewiseComparator(), 3000, 200);
  std::vector<std::pair<std::string, std::string>> list(entries.begin(), entries.end());
  for (const Compression compression : {Compression::kNone, Compression::kZstd}) {
    SegmentBuilderOptions build;
    build.number = 4;
    build.compression = compression;
    const auto cache = BlockCache::Create(200 << 10);
    const auto statistics = Statistics::Create();
    SegmentReaderOptions open;
    open.cache = cache.get();
    open.statistics = statistics.get();
    const auto reader = OpenSegmentBytes(open, BuildSegment(build, entries), 4);
    ASSERT_NE(reader, nullptr);

    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (uint64_t t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        Random random(t);
        std::vector<PinnedValue> kept(8);
        const auto it = reader->NewIterator({});
        for (int i = 0; i < 1500; ++i) {
          const size_t at = random.Uniform(list.size());
          const Slice internal_key = list[at].first;
          const Slice user_key = ExtractUserKey(internal_key);
          if (i % 3 == 0) {
            it->Seek(internal_key);
            if (!it->Valid() || it->key() != internal_key || it->value() != list[at].second) {
              wrong++;
            }
            for (size_t n = at + 1; n < std::min(at + 20, list.size()); ++n) {
              it->Next();
              if (!it->Valid() || it->key() != list[n].first) wrong++;
            }
            continue;
          }
          const LookupKey key(user_key, TrailerSequence(ExtractTrailer(internal_key)));
          PointResult result;
          result.value = &kept[i % kept.size()];
          const Status s = reader->Get({}, key, Hash64(user_key), &result);
          if (!s.ok() || !result.found || result.value->slice() != list[at].second) wrong++;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong.load(), 0);
    EXPECT_GT(statistics->Get(Counter::kBlockCacheHits), 0u);
    EXPECT_GT(statistics->Get(Counter::kBlockCacheMisses), 0u);
    EXPECT_EQ(cache->pinned_usage(), 0u);
  }
}

}  // namespace
}  // namespace varve
