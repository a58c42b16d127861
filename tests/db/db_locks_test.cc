#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/fault_file_system.h"
#include "tests/support/sim_env.h"
#include "varve/db.h"
#include "varve/segment_writer.h"

// No lock that others need is held over I/O, whose time grows with the data.

namespace varve {
namespace {

// In the midst of every operation on a segment or the manifest, whoever does it calls the database,
// which takes the locks that readers, snapshots and properties take: were one of them held, the
// thread would wait for itself for ever. Checklist C7.
TEST(DbLocks, NoneIsHeldOverIO) {
  const auto faults = FaultFileSystem::New(SimFileSystem::New({.track = false}));
  Options options;
  options.env = MakeSimEnv(SimFileSystem::New({.track = false}), 1);
  options.env.file_system = faults;
  options.create_if_missing = true;
  options.memtable_bytes = 64 << 10;
  std::unique_ptr<DB> db;
  ASSERT_TRUE(DB::Open(options, "/db", &db).ok());
  static thread_local bool inside = false;  // its own I/O asks nothing
  const auto ask = [&db](const std::string&) {
    if (inside) return;
    inside = true;
    uint64_t number = 0;
    std::string text, value;
    EXPECT_TRUE(db->GetIntProperty("varve.num-immutable-memtables", &number));
    EXPECT_TRUE(db->GetProperty("varve.background-error", &text));
    const Status status = db->Get({}, "absent", &value);
    EXPECT_TRUE(status.IsNotFound() || status.IsAborted()) << status.ToString();
    db->GetSnapshot();
    inside = false;
  };
  std::vector<size_t> asked;
  for (const char* path : {".seg", "MANIFEST"}) {
    for (const FaultOp op : {FaultOp::kOpen, FaultOp::kWrite, FaultOp::kSync, FaultOp::kRemove}) {
      asked.push_back(faults->Inject(
          {.op = op, .forever = true, .path_part = path, .status = Status::OK(), .action = ask}));
    }
  }
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 300; ++i) {
      ASSERT_TRUE(db->Put({}, "key" + std::to_string(i), std::string(1000, 'v')).ok());
    }
    ASSERT_TRUE(db->Flush().ok());
  }
  ASSERT_TRUE(db->CompactRange({}, std::nullopt, std::nullopt).ok());
  for (const IngestPlace place : {IngestPlace::kNewest, IngestPlace::kOldest}) {
    const std::string path = place == IngestPlace::kNewest ? "/new.seg" : "/old.seg";
    SegmentWriter file(options, path);
    ASSERT_TRUE(file.Put(path, "v").ok());
    ASSERT_TRUE(file.Finish().ok());
    ASSERT_TRUE(db->Ingest({path}, {.place = place}).ok());
  }
  ASSERT_TRUE(db->Checkpoint("/checkpoint").ok());
  for (const size_t i : {0, 1, 2, 5, 6}) EXPECT_GT(faults->hits(asked[i]), 3u) << i;
  faults->RemoveAll();
  // What the background does to the end may still ask, and hold a snapshot for a moment.
  Status closed;
  do {
    closed = db->Close();
  } while (closed.IsBusy());
  ASSERT_TRUE(closed.ok()) << closed.ToString();
}

}  // namespace
}  // namespace varve
