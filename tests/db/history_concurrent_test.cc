// Reads of the past beside writers and flushes that collect it.

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>

#include "tests/support/sim_env.h"
#include "util/random.h"
#include "util/thread.h"
#include "varve/db.h"

namespace varve {
namespace {

// The value of the one key is always its own sequence number: a read at a sequence gives exactly
// that number, or TooOld. Never an older or a newer value, never nothing.
TEST(HistoryConcurrent, AReadOfThePastIsExactOrTooOld) {
  Options options;
  options.env = MakeSimEnv(SimFileSystem::New({.track = false}), 1);
  options.create_if_missing = true;
  options.history_retention_sequences = 20;
  options.memtable_bytes = 64 << 10;
  std::unique_ptr<DB> db;
  ASSERT_TRUE(DB::Open(options, "/db", &db).ok());
  ASSERT_TRUE(db->Put({}, "k", "1").ok());
  std::atomic<bool> done{false};
  std::atomic<int> exact{0}, too_old{0};
  const auto read = [&](uint64_t seed) {
    Random random(seed);
    while (!done.load(std::memory_order_relaxed)) {
      uint64_t last = 0, retained = 0;
      ASSERT_TRUE(db->GetIntProperty("varve.last-sequence", &last));
      ASSERT_TRUE(db->GetIntProperty("varve.retained-sequence", &retained));
      ReadOptions read;
      // Half of the reads where the watermark is about to pass.
      read.at_sequence = random.OneIn(2) ? std::min(retained + random.Uniform(3), last)
                                         : last - random.Uniform(std::min<uint64_t>(last, 50));
      if (*read.at_sequence == 0) continue;
      std::string value;
      Status status;
      if (random.OneIn(3)) {
        const auto it = db->NewIterator(read);
        it->SeekToFirst();
        status = it->Valid() ? Status::OK() : it->status();
        ASSERT_TRUE(it->Valid() || !status.ok());
        if (it->Valid()) value = it->value();
      } else {
        status = db->Get(read, "k", &value);
      }
      if (status.IsTooOld()) {
        too_old.fetch_add(1);
        continue;
      }
      ASSERT_TRUE(status.ok()) << status.ToString() << " at " << *read.at_sequence;
      ASSERT_EQ(value, std::to_string(*read.at_sequence));
      exact.fetch_add(1);
    }
  };
  Thread reader_a("reader", [&] { read(1); }), reader_b("reader", [&] { read(2); });
  for (int i = 2; (i <= 1500 || exact.load() < 100) && !::testing::Test::HasFailure(); ++i) {
    ASSERT_TRUE(db->Put({}, "k", std::to_string(i)).ok());
    if (i % 10 == 0) {
      FlushOptions flush;
      flush.wait = i % 40 == 0;
      ASSERT_TRUE(db->Flush(flush).ok());
    }
  }
  done = true;
  reader_a.Join();
  reader_b.Join();
  EXPECT_GE(exact.load(), 100);
  ASSERT_TRUE(db->Close().ok());
}

}  // namespace
}  // namespace varve
