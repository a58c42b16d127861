// Crashes of a cache that works at its capacity: whatever is left opens within that capacity, or
// within a lower one, without the directory growing past it for an instant; and nothing is stale.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/quiet_logger.h"
#include "tests/support/sim_env.h"
#include "util/random.h"
#include "varve/db.h"

namespace varve {
namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kDisk = uint64_t{1} << 40;

// A write of a key, and between which changes of the disk it was made.
struct Write {
  uint64_t begun = 0, acknowledged = 0;
};

class CapacityCrashTest : public ::testing::Test {
 protected:
  static Options OptionsFor(std::shared_ptr<SimFileSystem> sim, uint64_t capacity) {
    Options options = Options::ForCache(capacity);
    options.create_if_missing = true;
    options.env = MakeSimEnv(std::move(sim), 7);
    options.logger = std::make_shared<QuietLogger>();
    options.wal_sync = WalSyncMode::kAlways;
    options.compression = Compression::kNone;
    options.room_wait_ms = 60'000;
    return options;
  }
  static std::string ValueOf(const std::string& key, size_t version) {
    return key + "@" + std::to_string(version) + "@" + std::string(3000, 'v');
  }

  // Some times the capacity, in versions of a few keys; the last part unflushed.
  void Run(uint64_t capacity) {
    sim_ = SimFileSystem::New({.record = true, .capacity_bytes = kDisk});
    std::unique_ptr<DB> db;
    ASSERT_TRUE(DB::Open(OptionsFor(sim_, capacity), "/db", &db).ok());
    opened_at_ = sim_->op_count();
    Random random(capacity);
    for (int i = 0; i < 1200; ++i) {
      const std::string key = "key" + std::to_string(random.Uniform(150));
      std::vector<Write>& writes = writes_[key];
      Write write;
      write.begun = sim_->op_count();
      const Status status = db->Put({}, key, ValueOf(key, writes.size()));
      ASSERT_TRUE(status.ok()) << status.ToString();
      write.acknowledged = sim_->op_count();
      writes.push_back(write);
    }
    sim_->Freeze();
    db.reset();
  }

  // What is found is what was acknowledged last, or what was being written; or nothing.
  void CheckImage(SimDisk disk, uint64_t boundary, uint64_t capacity, bool may_be_over,
                  const std::string& what) {
    const uint64_t there = disk.UsedBytes({});
    auto sim = SimFileSystem::New({.track = false, .capacity_bytes = kDisk}, std::move(disk));
    std::unique_ptr<DB> db;
    const Status status = DB::Open(OptionsFor(sim, capacity), "/db", &db);
    ASSERT_TRUE(status.ok()) << what << ": " << status.ToString();
    ASSERT_LE(sim->used_bytes_max(), may_be_over ? std::max(there, capacity) : capacity) << what;
    uint64_t used = 0;
    ASSERT_TRUE(db->GetIntProperty("varve.live-bytes", &used));
    ASSERT_LE(used, capacity) << what;
    for (const auto& [key, writes] : writes_) {
      size_t durable = 0, begun = 0;  // versions below
      for (const Write& write : writes) {
        durable += write.acknowledged <= boundary;
        begun += write.begun <= boundary;
      }
      std::string value;
      const Status read = db->Get({}, key, &value);
      if (read.IsNotFound()) continue;
      ASSERT_TRUE(read.ok()) << what << ": " << read.ToString();
      const size_t version = std::stoull(value.substr(value.find('@') + 1));
      ASSERT_EQ(value, ValueOf(key, version)) << what;
      ASSERT_GE(version + 1, durable) << what << ": stale, " << key;
      ASSERT_LT(version, begun) << what << ": " << key;
      ++found_;
    }
    for (int i = 0; i < 40; ++i) {
      const Status put = db->Put({}, "after" + std::to_string(i), std::string(3000, 'w'));
      ASSERT_TRUE(put.ok()) << what << ": " << put.ToString();
    }
    ASSERT_TRUE(db->Flush().ok()) << what;
    ASSERT_TRUE(db->GetIntProperty("varve.live-bytes", &used));
    ASSERT_LE(used, capacity) << what;
  }

  void Crash(uint64_t capacity, uint64_t reopened, uint64_t points) {
    Run(capacity);
    if (HasFatalFailure()) return;
    SimReplay replay(&sim_->history());
    const uint64_t step = (sim_->op_count() - opened_at_) / points + 1;
    for (uint64_t boundary = opened_at_; boundary < sim_->op_count(); boundary += step) {
      replay.AdvanceTo(boundary);
      const std::string at = "boundary " + std::to_string(boundary);
      const bool lower = reopened < capacity;
      CheckImage(replay.disk().Kill(), boundary, reopened, lower, at + ".kill");
      CheckImage(replay.disk().PowerLoss(SimLoss::DropAll()), boundary, reopened, lower,
                 at + ".drop");
      CheckImage(replay.disk().PowerLoss(SimLoss::Random(boundary)), boundary, reopened, lower,
                 at + ".rnd");
      if (HasFatalFailure()) return;
    }
    EXPECT_GT(found_, points);
  }

  std::shared_ptr<SimFileSystem> sim_;
  uint64_t opened_at_ = 0;
  std::map<std::string, std::vector<Write>> writes_;
  uint64_t found_ = 0;
};

TEST_F(CapacityCrashTest, AtTheLeastCapacity) {
  const uint64_t least = DB::MinimumCapacity(Options::ForCache(1));
  Crash(least, least, 60);
}

TEST_F(CapacityCrashTest, AtTwoMiB) { Crash(2 * kMiB, 2 * kMiB, 60); }

TEST_F(CapacityCrashTest, OpenedWithLess) {
  Crash(3 * kMiB, DB::MinimumCapacity(Options::ForCache(1)), 60);
}

}  // namespace
}  // namespace varve
