// Evictions, ghosts and their retirement, with the process killed or the power cut at every
// boundary of the file system: what is found afterwards is the newest of each key, or nothing (H17,
// RULES R2.1, Checklist N4), and after the next close the directory holds exactly the live files.

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/db/ghost_fixture.h"
#include "tests/support/sim_disk.h"
#include "tests/support/sim_file_system.h"

namespace varve {
namespace {

struct Write {
  std::string value;  // "": a delete
  uint64_t begun_at = 0;
  uint64_t acked_at = 0;
};

class EvictionCrashTest : public GhostTest {
 protected:
  EvictionCrashTest() {
    disk_ = SimFileSystem::New({.seed = 11, .record = true});
    faults_ = FaultFileSystem::New(disk_);
    options_.env.file_system = faults_;
    options_.wal_sync = WalSyncMode::kAlways;  // what is acknowledged survives any crash
    options_.background_threads = 1;
  }

  void PutAt(int key) {
    const uint64_t begun = disk_->op_count();
    Put(key);
    writes_[key].push_back({newest_[key], begun, disk_->op_count()});
  }
  void DeleteAt(int key) {
    const uint64_t begun = disk_->op_count();
    Delete(key);
    writes_[key].push_back({"", begun, disk_->op_count()});
  }
  void DeleteRangeAt(int low, int high) {
    const uint64_t begun = disk_->op_count();
    DeleteRange(low, high);
    for (int key = low; key < high; ++key) {
      writes_[key].push_back({"", begun, disk_->op_count()});
    }
  }

  // Whether a read at this boundary may give it.
  bool MayBe(int key, uint64_t boundary, const std::string& value) {
    bool allowed = false;
    for (const Write& write : writes_[key]) {
      if (write.begun_at > boundary) break;
      if (write.acked_at <= boundary) allowed = false;  // it replaces what came before
      allowed = allowed || write.value == value;
    }
    return allowed;
  }

  void Check(const SimDisk& image, uint64_t boundary, const std::string& how) {
    SCOPED_TRACE(how + " at boundary " + std::to_string(boundary));
    const auto files = SimFileSystem::New({.track = false}, image);
    Options options = options_;
    options.env.file_system = files;
    options.statistics.reset();
    std::unique_ptr<DB> db;
    Status status = DB::Open(options, kDirectory, &db);
    ASSERT_TRUE(status.ok()) << status.ToString();
    const std::string text = ReadOf(db.get());
    std::istringstream found(text);
    bool kept = false;
    for (std::string word; found >> word;) {
      const int key = std::stoi(word);
      EXPECT_TRUE(MayBe(key, boundary, word.substr(word.find('=') + 1))) << text;
      kept = kept || key == 5;
    }
    // Never evicted, and hidden by no ghost.
    EXPECT_TRUE(kept || writes_[5].front().acked_at > boundary) << text;
    status = db->Close();
    ASSERT_TRUE(status.ok()) << status.ToString();
    db.reset();
    EXPECT_EQ(LiveFiles(files.get(), kDirectory), "OK");
  }

  std::map<int, std::vector<Write>> writes_;
};

TEST_F(EvictionCrashTest, AtEveryBoundaryTheNewestIsFoundOrNothing) {
  Open();
  for (int key = 0; key < kKeys; ++key) PutAt(key);
  Flush();
  PutAt(1);
  PutAt(2);
  Flush();
  DeleteRangeAt(3, 4);
  DeleteAt(0);
  Flush();
  PutAt(2);
  Flush();
  Evict({2});  // leaves a ghost
  Evict({3});  // another, of tombstones
  Evict({4});  // and a third
  EXPECT_EQ(Ghosts(), 3u);
  PutAt(1);
  PutAt(4);
  Flush();
  Evict({5});
  Merge();  // the first has applied all, and they retire
  EXPECT_EQ(Ghosts(), 0u);
  PutAt(2);
  Close();

  SimReplay replay(&disk_->history());
  uint64_t images = 0;
  while (!HasFatalFailure()) {
    const uint64_t at = replay.position();
    if (at >= writes_[0].front().begun_at) {
      Check(replay.disk().Kill(), at, "killed");
      Check(replay.disk().PowerLoss(SimLoss::DropAll()), at, "power lost, all that was pending");
      if (at % 3 == 0) {
        Check(replay.disk().PowerLoss(SimLoss::Random(at)), at, "power lost, some of it");
      }
      images += 2;
    }
    if (HasFailure() || replay.AtEnd()) break;
    replay.Step();
  }
  EXPECT_GT(images, 200u);
}

}  // namespace
}  // namespace varve
