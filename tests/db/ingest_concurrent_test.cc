// Ingestions beside writers and readers: each is seen whole or not at all, and takes its place in
// the order of the writes.

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/sim_env.h"
#include "util/thread.h"
#include "varve/db.h"
#include "varve/segment_writer.h"

namespace varve {
namespace {

// Two files say the same of "a" and "z"; between the ingestions a writer puts "m" in its own order,
// and now and then both of the others, in one batch. A reader always finds "a" and "z" alike.
TEST(IngestConcurrent, IsSeenWholeOrNotAtAll) {
  Options options;
  options.env = MakeSimEnv(SimFileSystem::New({.track = false}), 1);
  options.create_if_missing = true;
  options.memtable_bytes = 64 << 10;
  options.flush_memtables_min = 1;
  std::unique_ptr<DB> db;
  ASSERT_TRUE(DB::Open(options, "/db", &db).ok());
  std::atomic<bool> done{false};
  std::atomic<uint64_t> written{0};
  Thread writer("writer", [&] {
    for (uint64_t i = 1; !done.load(std::memory_order_relaxed); ++i) {
      WriteBatch batch;
      ASSERT_TRUE(batch.Put("m", std::to_string(i)).ok());
      if (i % 16 == 0) {
        ASSERT_TRUE(batch.Put("a", "w" + std::to_string(i)).ok());
        ASSERT_TRUE(batch.Put("z", "w" + std::to_string(i)).ok());
      }
      ASSERT_TRUE(db->Write({}, batch).ok());
      written.store(i, std::memory_order_release);
    }
  });
  Thread reader("reader", [&] {
    const std::vector<Slice> keys{"a", "m", "z"};
    uint64_t last = 0;
    while (!done.load(std::memory_order_relaxed)) {
      const uint64_t at_least = written.load(std::memory_order_acquire);
      std::vector<PinnedValue> values(3);
      std::vector<Status> statuses(3);
      db->MultiGet({}, keys, values, statuses);
      ASSERT_EQ(statuses[0], statuses[2]);
      if (statuses[0].ok()) {
        ASSERT_EQ(values[0].slice(), values[2].slice());
      }
      const uint64_t m = statuses[1].ok() ? std::stoull(std::string(values[1].slice())) : 0;
      ASSERT_GE(m, std::max(at_least, last));
      last = m;
      const auto it = db->NewIterator({});
      std::string a, z;
      for (it->SeekToFirst(); it->Valid(); it->Next()) {
        if (it->key() == Slice("a")) a = it->value();
        if (it->key() == Slice("z")) z = it->value();
      }
      ASSERT_TRUE(it->status().ok());
      ASSERT_EQ(a, z);
    }
  });
  for (int n = 0; (n < 30 || written.load() < 300) && !::testing::Test::HasFailure(); ++n) {
    std::vector<std::string> paths;
    for (const char* key : {"a", "z"}) {
      paths.push_back("/" + std::string(key) + std::to_string(n));
      SegmentWriter file(options, paths.back());
      EXPECT_TRUE(file.Put(key, "i" + std::to_string(n)).ok());
      EXPECT_TRUE(file.Finish().ok());
    }
    IngestOptions ingest;
    ingest.place = n % 5 == 4 ? IngestPlace::kOldest : IngestPlace::kNewest;
    const Status status = db->Ingest(paths, ingest);
    EXPECT_TRUE(status.ok()) << status.ToString();
  }
  done = true;
  writer.Join();
  reader.Join();
  std::string m;
  EXPECT_TRUE(db->Get({}, "m", &m).ok());
  EXPECT_EQ(m, std::to_string(written.load()));
  ASSERT_TRUE(db->Close().ok());
}

}  // namespace
}  // namespace varve
