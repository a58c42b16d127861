// Versions that only snapshots could see go from the deepest segments once the snapshots are gone,
// though nobody writes and no level is too large. On a scheduler in virtual time.

#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <string>

#include "tests/db/sim_database.h"
#include "tests/support/baton_scheduler.h"
#include "util/thread.h"
#include "varve/db.h"

namespace varve {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr int kKeys = 3000;

std::string Key(int i) {
  char key[16];
  std::snprintf(key, sizeof(key), "key%06d", i);
  return key;
}

class HiddenVersionsTest : public ::testing::TestWithParam<CompactionStyle> {
 protected:
  HiddenVersionsTest() {
    options_ = SimDatabaseOptions(SimFileSystem::New({.track = false}));
    options_.env.clock = scheduler_.clock();
    options_.compaction_style = GetParam();
    options_.memtable_bytes = 1 << 20;
    options_.wal_sync = WalSyncMode::kNever;
  }
  void Open() {
    const Status status = DB::Open(options_, "/db", &db_);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  uint64_t Property(const char* name) {
    uint64_t value = 0;
    EXPECT_TRUE(db_->GetIntProperty(name, &value)) << name;
    return value;
  }
  State ReadAt(const Snapshot* snapshot) {
    ReadOptions options;
    options.snapshot = snapshot;
    return ReadAll(db_.get(), options);
  }
  void WriteAll(const std::string& value) {
    for (int i = 0; i < kKeys; ++i) {
      ASSERT_TRUE(db_->Put({}, Key(i), value).ok());
      state_[Key(i)] = value;
    }
  }
  // All versions of the moment in the deepest place.
  void MergeAll() {
    ASSERT_TRUE(db_->CompactRange({.rewrite_deepest = true}, std::nullopt, std::nullopt).ok());
  }

  BatonScheduler scheduler_{{.seed = 3}};
  Options options_;
  std::unique_ptr<DB> db_;
  State state_;
};

INSTANTIATE_TEST_SUITE_P(Styles, HiddenVersionsTest,
                         ::testing::Values(CompactionStyle::kLeveled, CompactionStyle::kTiered),
                         [](const auto& info) {
                           return info.param == CompactionStyle::kLeveled ? "Leveled" : "Tiered";
                         });

TEST_P(HiddenVersionsTest, GoWithTheSnapshotThatKeptThem) {
  scheduler_.Run([this] {
    Open();
    WriteAll("first");
    auto first = db_->GetSnapshot();
    const State before = state_;
    WriteAll("second");
    auto second = db_->GetSnapshot();
    WriteAll("third");
    MergeAll();
    SleepFor(60 * kSecond);
    EXPECT_EQ(Property("varve.num-entries"), 3u * kKeys);  // each is seen by somebody
    EXPECT_EQ(Property("varve.compaction-pending"), 0u);
    second.reset();  // not the oldest
    SleepFor(60 * kSecond);
    EXPECT_EQ(ReadAt(first.get()), before);
    first.reset();
    SleepFor(60 * kSecond);
    EXPECT_EQ(Property("varve.num-entries"), uint64_t{kKeys});
    EXPECT_EQ(Property("varve.compaction-pending"), 0u);
    EXPECT_EQ(ReadAll(db_.get()), state_);
    // Nothing is left to do, whoever comes and goes.
    const uint64_t compactions = options_.statistics->Get(Counter::kCompactions);
    db_->GetSnapshot().reset();
    SleepFor(60 * kSecond);
    EXPECT_EQ(options_.statistics->Get(Counter::kCompactions), compactions);
    db_.reset();
  });
}

// The manifest tells the next process of them.
TEST_P(HiddenVersionsTest, GoAfterAReopen) {
  scheduler_.Run([this] {
    Open();
    WriteAll("first");
    auto snapshot = db_->GetSnapshot();
    WriteAll("second");
    MergeAll();
    snapshot.reset();
    ASSERT_TRUE(db_->Close().ok());
    db_.reset();
    Open();
    EXPECT_EQ(Property("varve.num-entries"), 2u * kKeys);
    SleepFor(60 * kSecond);
    EXPECT_EQ(Property("varve.num-entries"), 2u * kKeys);  // nobody has written yet
    ASSERT_TRUE(db_->Put({}, "z", "last").ok());
    state_["z"] = "last";
    ASSERT_TRUE(db_->Flush().ok());
    SleepFor(60 * kSecond);
    EXPECT_EQ(Property("varve.num-entries"), uint64_t{kKeys} + 1);
    EXPECT_EQ(ReadAll(db_.get()), state_);
    db_.reset();
  });
}

// What history keeps is not taken, though no snapshot holds it.
TEST_P(HiddenVersionsTest, StayWhileHistoryNeedsThem) {
  scheduler_.Run([this] {
    options_.history_retention_sequences = 10 * kKeys;
    Open();
    WriteAll("first");
    const State before = state_;
    const uint64_t at = Property("varve.last-sequence");
    auto snapshot = db_->GetSnapshot();
    WriteAll("second");
    MergeAll();
    snapshot.reset();
    SleepFor(60 * kSecond);
    ReadOptions then;
    then.at_sequence = at;
    EXPECT_EQ(ReadAll(db_.get(), then), before);
    db_.reset();
  });
}

}  // namespace
}  // namespace varve
