// Lists of operations that once showed a defect of the engine, made short. Each runs on all stores.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/metamorphic/model_store.h"
#include "tests/metamorphic/rocksdb_store.h"
#include "tests/metamorphic/runner.h"
#include "tests/metamorphic/varve_store.h"
#include "tests/support/sim_file_system.h"

namespace varve::metamorphic {
namespace {

void ExpectAgreement(const std::string& text) {
  std::vector<Operation> operations;
  const Status status = ParseOperations(text, &operations);
  ASSERT_TRUE(status.ok()) << status.ToString();
  ModelStore model;
  VarveStore varve(SimFileSystem::New({.track = false}), "/db");
  RocksDbStore rocksdb;
  Store* const stores[] = {&model, &varve, &rocksdb};
  const auto difference = FindDifference(operations, stores);
  EXPECT_FALSE(difference.has_value()) << difference->text;
}

// Having folded the operands of "c" the cursor is behind them, on "e"; stepping back it met "d",
// took it for the end of "c", and showed "c" again.
TEST(Found, StepBackFromAMergeOverAnEntryWrittenSince) {
  ExpectAgreement(R"(
open options=merge_operator:add
put key="a" value=1:8
merge key="c" value=2:8
put key="e" value=3:8
cursor slot=0
seek slot=0 key="b"
put key="d" value=4:8
prev slot=0
)");
}

// A flush took all of the log in use, and the close left it behind.
TEST(Found, CloseLetsALogGoThatAFlushTook) {
  ExpectAgreement(R"(
open
put key="a" value=1:8
flush
)");
}

// A close found compactions that were picked and had not started. They held the version they were
// picked from, and so the segments that another compaction had replaced meanwhile stayed. Whether
// one waits at a close is for the threads to say, so there are many closes.
TEST(Found, CloseForgetsCompactionsThatNeverStarted) {
  const std::string open =
      "open options=background_threads:2,memtable_bytes:65536,flush_memtables_min:1,"
      "level0_runs_trigger:1,segment_bytes:65536,level_base_bytes:65536,level_size_ratio:2\n";
  std::string text = open;
  uint64_t value = 0;
  for (int turn = 0; turn < 60; ++turn) {
    for (int i = 0; i < 20; ++i) {
      ++value;
      text += "put key=\"" + std::to_string(value * 7919 % 300) +
              "\" value=" + std::to_string(value) + ":2000\n";
    }
    text += turn % 4 == 3 ? "flush no_wait\n" + open : "flush no_wait\n";
  }
  ExpectAgreement(text);
}

}  // namespace
}  // namespace varve::metamorphic
