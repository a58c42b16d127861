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

}  // namespace
}  // namespace varve::metamorphic
