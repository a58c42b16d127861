// Readers and writers beside evictions that save what was hit: a key may be missed, and is never
// older than what its writer knows to have written.

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "db/db_impl.h"
#include "tests/db/sim_database.h"
#include "tests/support/sim_file_system.h"
#include "util/random.h"
#include "util/thread.h"

namespace varve {
namespace {

constexpr int kWriters = 2, kKeysEach = 60, kRounds = 150;

std::string Key(int writer, int key) {
  return "w" + std::to_string(writer) + "k" + std::to_string(key);
}

// Each writer has its own keys, and reads them between its writes: whatever it finds is its last
// write. Deletes, ranges and flushes come between.
// Checklist E4
TEST(SalvageConcurrent, NothingStaleIsFound) {
  Options options = SimDatabaseOptions(SimFileSystem::New({.track = false}));
  options.capacity_bytes = uint64_t{1} << 30;
  options.compaction_style = CompactionStyle::kByTime;
  options.segment_bytes = 64 << 10;
  options.background_threads = 3;
  std::unique_ptr<DB> opened;
  const Status status = DB::Open(options, "/db", &opened);
  ASSERT_TRUE(status.ok()) << status.ToString();
  DB* const db = opened.get();
  DBImpl* const impl = static_cast<DBImpl*>(db);

  std::atomic<int> writing{kWriters};
  std::atomic<uint64_t> hits{0};
  std::vector<std::unique_ptr<Thread>> threads;
  for (int writer = 0; writer < kWriters; ++writer) {
    threads.push_back(std::make_unique<Thread>("writer", [&, writer] {
      Random random(writer + 1);
      std::vector<std::string> newest(kKeysEach);
      const std::string filler(200, 'f');
      for (int round = 0; round < kRounds && !::testing::Test::HasFailure(); ++round) {
        for (int i = 0; i < 20; ++i) {
          const int key = random.Uniform(kKeysEach);
          const std::string name = Key(writer, key);
          if (random.OneIn(8)) {
            newest[key].clear();
            ASSERT_TRUE(db->Delete({}, name).ok());
          } else {
            newest[key] = std::to_string(round) + "." + std::to_string(i) + filler;
            ASSERT_TRUE(db->Put({}, name, newest[key]).ok());
          }
        }
        if (random.OneIn(20)) {
          for (int key = 10; key < 20; ++key) newest[key].clear();
          ASSERT_TRUE(db->DeleteRange({}, Key(writer, 10), Key(writer, 19) + "~").ok());
        }
        ASSERT_TRUE(db->Flush().ok());
        for (int key = 0; key < kKeysEach; ++key) {
          std::string value;
          const Status found = db->Get({}, Key(writer, key), &value);
          if (found.IsNotFound()) continue;
          ASSERT_TRUE(found.ok()) << found.ToString();
          ASSERT_EQ(value, newest[key]) << Key(writer, key);
          ++hits;
        }
      }
      --writing;
    }));
  }
  threads.push_back(std::make_unique<Thread>("evict", [&] {
    while (writing.load() > 0 && !::testing::Test::HasFailure()) {
      uint64_t segments = 0;
      ASSERT_TRUE(db->GetIntProperty("varve.num-segments", &segments));
      DBImpl::Evicted evicted;
      if (segments > 12) {
        ASSERT_TRUE(impl->EvictByPolicy(1, &evicted).ok());
      } else {
        SleepFor(100'000);
      }
    }
  }));
  threads.clear();
  EXPECT_GT(hits.load(), 0u);
  EXPECT_GT(options.statistics->Get(Counter::kEvictions), 0u);
  ASSERT_TRUE(db->Close().ok());
}

}  // namespace
}  // namespace varve
