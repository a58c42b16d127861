// Checkpoints beside writers: each holds a prefix of the writes, batches whole.

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>

#include "tests/support/sim_env.h"
#include "util/thread.h"
#include "varve/db.h"

namespace varve {
namespace {

std::string Key(const char* kind, uint64_t i) {
  std::string number = std::to_string(i);
  return kind + std::string(8 - number.size(), '0') + number;
}

// The writer puts keys a0, a1, … in order, each in one batch with its b: a checkpoint holds all up
// to some number, both of each, and at least what was acknowledged before it began.
TEST(CheckpointConcurrent, HoldsAPrefixOfTheWrites) {
  Options options;
  options.env = MakeSimEnv(SimFileSystem::New({.track = false}), 1);
  options.create_if_missing = true;
  options.memtable_bytes = 64 << 10;
  options.flush_memtables_min = 1;
  options.memtables_max = 4;
  std::unique_ptr<DB> db;
  ASSERT_TRUE(DB::Open(options, "/db", &db).ok());
  std::atomic<bool> done{false};
  std::atomic<uint64_t> acknowledged{0};
  Thread writer("writer", [&] {
    for (uint64_t i = 0; !done.load(std::memory_order_relaxed); ++i) {
      WriteBatch batch;
      ASSERT_TRUE(batch.Put(Key("a", i), std::to_string(i)).ok());
      ASSERT_TRUE(batch.Put(Key("b", i), std::string(200, 'b')).ok());
      ASSERT_TRUE(batch.Put("last", std::to_string(i)).ok());
      ASSERT_TRUE(db->Write({}, batch).ok());
      acknowledged.store(i + 1, std::memory_order_release);
    }
  });
  for (int n = 0; n < 8 && !::testing::Test::HasFailure(); ++n) {
    const std::string path = "/cp" + std::to_string(n);
    const uint64_t before = acknowledged.load(std::memory_order_acquire);
    const Status status = db->Checkpoint(path);
    EXPECT_TRUE(status.ok()) << status.ToString();
    std::unique_ptr<DB> copy;
    if (!status.ok() || !DB::Open(options, path, &copy).ok()) break;
    uint64_t as = 0, bs = 0;
    const auto it = copy->NewIterator({});
    for (it->Seek("a"); it->Valid() && it->key() < Slice("b"); it->Next(), ++as) {
      EXPECT_EQ(it->key(), Slice(Key("a", as)));
    }
    for (it->Seek("b"); it->Valid() && it->key() < Slice("c"); it->Next(), ++bs) {
      EXPECT_EQ(it->key(), Slice(Key("b", bs)));
    }
    EXPECT_TRUE(it->status().ok());
    EXPECT_EQ(as, bs);
    EXPECT_GE(as, before);
    if (as > 0) {
      std::string last;
      EXPECT_TRUE(copy->Get({}, "last", &last).ok());
      EXPECT_EQ(last, std::to_string(as - 1));
    }
  }
  done = true;
  writer.Join();
  ASSERT_TRUE(db->Close().ok());
}

}  // namespace
}  // namespace varve
