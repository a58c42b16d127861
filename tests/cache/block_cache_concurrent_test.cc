#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <vector>

#include "cache/block_cache.h"
#include "tests/support/baton_scheduler.h"
#include "util/random.h"
#include "util/thread.h"

namespace varve {
namespace {

// A value knows its key and says so twice; both are spoiled when it is deleted.
struct Block {
  uint64_t id;
  uint64_t check;
  inline static std::atomic<int64_t> live{0};
};

void* NewBlock(uint64_t id) {
  Block::live.fetch_add(1);
  return new Block{id, ~id};
}

void DeleteBlock(void* value) {
  Block* block = static_cast<Block*>(value);
  EXPECT_EQ(block->check, ~block->id);
  block->id = block->check = 0xdead;
  Block::live.fetch_sub(1);
  delete block;
}

void ExpectIs(const BlockCache::Handle* handle, uint64_t id) {
  const Block* block = static_cast<const Block*>(BlockCache::Value(handle));
  ASSERT_EQ(block->id, id);
  ASSERT_EQ(block->check, ~id);
}

struct StressOptions {
  size_t capacity;
  uint64_t keys;
  int operations;
  bool change_capacity;
};

void Stress(const StressOptions& options) {
  Block::live = 0;
  auto cache = BlockCache::Create(options.capacity);
  std::vector<BlockCache::Handle*> survivors[4];
  {
    std::vector<Thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back("stress", [&, t] {
        Random random(t + 1);
        std::vector<std::pair<BlockCache::Handle*, uint64_t>> pins;
        for (int i = 0; i < options.operations; ++i) {
          const uint64_t id = random.Uniform(random.OneIn(2) ? options.keys : 16);
          const BlockKey key{id >> 4, id & 15};
          const uint64_t what = random.Uniform(100);
          if (what < 4) {
            cache->Erase(key);
          } else if (what < 5 && options.change_capacity) {
            cache->SetCapacity(random.Uniform(options.capacity) + 1);
          } else {
            BlockCache::Handle* handle = cache->Lookup(key);
            if (handle == nullptr) {
              handle = cache->Insert(key, NewBlock(id), &DeleteBlock, 100 + id % 100);
            }
            ExpectIs(handle, id);
            if (what < 40) {
              pins.emplace_back(handle, id);
            } else {
              BlockCache::Release(handle);
            }
          }
          while (pins.size() > 8) {
            const size_t p = random.Uniform(pins.size());
            ExpectIs(pins[p].first, pins[p].second);
            BlockCache::Release(pins[p].first);
            pins[p] = pins.back();
            pins.pop_back();
          }
        }
        for (const auto& [handle, id] : pins) survivors[t].push_back(handle);
      });
    }
  }
  EXPECT_LE(cache->usage(), options.capacity + 4 * 9 * 300);
  EXPECT_TRUE(cache->TablesAreConsistent());
  // The owner goes while four threads still let go of their pins.
  {
    std::vector<Thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back("release", [&, t] {
        for (BlockCache::Handle* handle : survivors[t]) BlockCache::Release(handle);
      });
    }
    cache.reset();
  }
  EXPECT_EQ(Block::live.load(), 0);
}

// Keys that all belong in one slot of a table that has not grown.
std::vector<BlockKey> CollidingKeys(size_t count) {
  std::vector<BlockKey> keys;
  const auto place = [](const BlockKey& key) {
    const uint64_t hash = BlockCache::HashOf(key);
    return (hash >> 56 << 8) | (hash & 0xff);
  };
  for (BlockKey key{1, 0}; keys.size() < count; ++key.offset) {
    if (place(key) == place({1, 0})) keys.push_back(key);
  }
  return keys;
}

// One interleaving a seed, at every operation of a mutex and, where they are compiled in, every
// schedule point of a lookup.
TEST(BlockCacheSchedules, PinsHoldAndTablesStayConsistent) {
  const std::vector<BlockKey> keys = CollidingKeys(6);
  for (uint64_t seed = 0; seed < 150; ++seed) {
    SCOPED_TRACE(seed);
    Block::live = 0;
    BatonScheduler scheduler({.seed = seed});
    scheduler.Run([&] {
      auto cache = BlockCache::Create(2000);
      std::vector<BlockCache::Handle*> survivors;
      {
        std::vector<Thread> threads;
        for (uint64_t t = 0; t < 3; ++t) {
          threads.emplace_back("task", [&, t] {
            Random random(seed * 3 + t);
            for (int i = 0; i < 40; ++i) {
              const uint64_t id = random.Uniform(6);
              const BlockKey key = keys[id];
              if (random.OneIn(5)) {
                cache->Erase(key);
                continue;
              }
              BlockCache::Handle* handle = cache->Lookup(key);
              if (handle == nullptr) {
                handle = cache->Insert(key, NewBlock(id), &DeleteBlock, random.Uniform(900) + 1);
              }
              ExpectIs(handle, id);
              SchedulePoint();
              ExpectIs(handle, id);
              if (i == 39) {
                survivors.push_back(handle);
              } else {
                BlockCache::Release(handle);
              }
            }
          });
        }
      }
      ASSERT_TRUE(cache->TablesAreConsistent());
      Thread release("release", [&] {
        for (BlockCache::Handle* handle : survivors) BlockCache::Release(handle);
      });
      cache.reset();
    });
    ASSERT_EQ(Block::live.load(), 0);
  }
}

TEST(BlockCacheStress, SmallCacheOfManyKeys) { Stress({20000, 2000, 30000, false}); }

TEST(BlockCacheStress, FewKeysThatCollideAllTheTime) { Stress({2000, 16, 30000, false}); }

TEST(BlockCacheStress, GrowingTables) { Stress({size_t{1} << 30, 20000, 30000, false}); }

TEST(BlockCacheStress, ChangingCapacity) { Stress({100000, 2000, 30000, true}); }

// Threads that miss together end with one entry.
TEST(BlockCacheStress, DoubleInsertsAreAdopted) {
  Block::live = 0;
  auto cache = BlockCache::Create(1 << 20);
  for (uint64_t round = 0; round < 300; ++round) {
    std::atomic<int> ready{0};
    BlockCache::Handle* got[4];
    {
      std::vector<Thread> threads;
      for (int t = 0; t < 4; ++t) {
        threads.emplace_back("insert", [&, t] {
          ++ready;
          for (SpinWait wait; ready.load() < 4;) wait.Once();
          got[t] = cache->Insert({1, round}, NewBlock(round), &DeleteBlock, 100);
        });
      }
    }
    for (BlockCache::Handle* handle : got) {
      ASSERT_EQ(handle, got[0]);
      BlockCache::Release(handle);
    }
    ASSERT_EQ(Block::live.load(), static_cast<int64_t>(round) + 1);
  }
}

}  // namespace
}  // namespace varve
