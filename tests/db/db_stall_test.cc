// What writers meet when background work is slower than they are. On a scheduler in virtual time,
// so that nothing depends on the speed of the machine.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/baton_scheduler.h"
#include "tests/support/sim_env.h"
#include "util/mutex.h"
#include "util/thread.h"
#include "varve/db.h"
#include "varve/listener.h"

namespace varve {
namespace {

class StallRecorder : public EventListener {
 public:
  void OnStallChanged(const StallInfo& info) override {
    MutexLock lock(&mu_);
    changes_.push_back(info);
  }
  std::vector<StallInfo> changes() {
    MutexLock lock(&mu_);
    return changes_;
  }

 private:
  Mutex mu_;
  std::vector<StallInfo> changes_ GUARDED_BY(mu_);
};

class DbStallTest : public ::testing::Test {
 protected:
  DbStallTest() {
    options_.create_if_missing = true;
    options_.memtable_bytes = 256 << 10;
    options_.memtables_max = 16;
    options_.wal_sync = WalSyncMode::kNever;
    options_.compression = Compression::kNone;
    options_.statistics = statistics_;
    options_.listeners = {recorder_};
    options_.env = MakeSimEnv(SimFileSystem::New({.track = false}), 1);
    options_.env.clock = scheduler_.clock();
  }
  void Open() { ASSERT_TRUE(DB::Open(options_, "/db", &db_).ok()); }
  // Writes so many bytes of values, 1 KB each; returns the seconds that took.
  double Fill(size_t bytes) {
    const std::string value(1000, 'v');
    const uint64_t begin = scheduler_.now_nanos();
    for (size_t i = 0; i < bytes / value.size(); ++i) {
      const uint64_t before = scheduler_.now_nanos();
      const Status status = db_->Put({}, "key" + std::to_string(i), value);
      EXPECT_TRUE(status.ok()) << status.ToString();
      longest_nanos_ = std::max(longest_nanos_, scheduler_.now_nanos() - before);
    }
    return static_cast<double>(scheduler_.now_nanos() - begin) / 1e9;
  }
  uint64_t Property(const std::string& name) {
    uint64_t value = 0;
    EXPECT_TRUE(db_->GetIntProperty("varve." + name, &value)) << name;
    return value;
  }

  BatonScheduler scheduler_{{.seed = 7, .nanos_per_step = 100}};
  std::shared_ptr<Statistics> statistics_ = Statistics::Create();
  std::shared_ptr<StallRecorder> recorder_ = std::make_shared<StallRecorder>();
  Options options_;
  std::unique_ptr<DB> db_;
  uint64_t longest_nanos_ = 0;
};

TEST_F(DbStallTest, FastFlushesDelayNobody) {
  scheduler_.Run([this] {
    options_.memtables_max = 64;
    Open();
    Fill(8 << 20);
    EXPECT_EQ(statistics_->Get(Counter::kWriteDelays), 0u);
    EXPECT_EQ(statistics_->Get(Counter::kWriteStalls), 0u);
    // Where the schedule keeps a flush waiting, writers may be held to the speed of flushes for a
    // while, which is beyond all that they do.
    for (const StallInfo& change : recorder_->changes()) {
      EXPECT_NE(change.now, StallState::kStopped);
      if (change.now == StallState::kDelayed) {
        EXPECT_GT(change.bytes_per_second, 1'000'000'000u);
      }
    }
    db_.reset();
  });
}

// Flushes are limited to 4 MB a second. Writers come to go at that, in small delays and without a
// stop, though nothing but the memtables stands between.
TEST_F(DbStallTest, SlowFlushesDelayWritersEvenly) {
  scheduler_.Run([this] {
    options_.background_bytes_per_second = 4 << 20;
    Open();
    const double seconds = Fill(24 << 20);
    EXPECT_GT(seconds, 5);  // 20 of 24 MB do not fit into memory
    EXPECT_LT(seconds, 8);
    EXPECT_GT(statistics_->Get(Counter::kWriteDelayMicros), 3'000'000u);
    EXPECT_LT(statistics_->Get(Counter::kWriteStallMicros), 100'000u);
    EXPECT_LT(longest_nanos_, 50'000'000u);
    // Each cause is timed apart.
    const HistogramData delays = statistics_->GetHistogram(Latency::kWriteDelay);
    EXPECT_EQ(delays.count, statistics_->Get(Counter::kWriteDelays));
    EXPECT_GT(delays.maximum, 0u);
    EXPECT_LE(delays.maximum, longest_nanos_);
    EXPECT_EQ(statistics_->GetHistogram(Latency::kWriteStall).count,
              statistics_->Get(Counter::kWriteStalls));
    const uint64_t switches = statistics_->GetHistogram(Latency::kMemtableSwitch).count;
    EXPECT_GE(switches, 24u * 4 - 1);
    EXPECT_EQ(statistics_->GetHistogram(Latency::kLogWait).count, switches + 1);
    EXPECT_GT(Property("delayed-write-rate"), 1u << 20);
    EXPECT_LT(Property("delayed-write-rate"), 16u << 20);
    const std::vector<StallInfo> changes = recorder_->changes();
    ASSERT_GE(changes.size(), 1u);
    EXPECT_EQ(changes[0].before, StallState::kNone);
    EXPECT_EQ(changes[0].now, StallState::kDelayed);
    EXPECT_EQ(changes[0].reason, StallReason::kMemtables);
    EXPECT_GT(changes[0].bytes_per_second, 0u);
    for (size_t i = 1; i < changes.size(); ++i) EXPECT_EQ(changes[i].before, changes[i - 1].now);
    ASSERT_TRUE(db_->SetOptions({{"background_bytes_per_second", "0"}}).ok());
    ASSERT_TRUE(db_->Flush().ok());
    EXPECT_EQ(Property("delayed-write-rate"), 0u);
    EXPECT_EQ(recorder_->changes().back().now, StallState::kNone);
    db_.reset();
  });
}

// Holds compactions at their begin.
class CompactionGate : public EventListener {
 public:
  void OnCompactionBegin(const CompactionInfo&) override {
    MutexLock lock(&mu_);
    while (!open_) opened_.Wait(&mu_);
  }
  void Open() {
    MutexLock lock(&mu_);
    open_ = true;
    opened_.SignalAll();
  }

 private:
  Mutex mu_;
  CondVar opened_;
  bool open_ GUARDED_BY(mu_) = false;
};

// Compactions stand still. Writers are delayed by the runs of level 0, then stopped, with room left
// in memory, and go on when compactions do; or when the database is closed, which must not wait for
// them (Checklist L1).
TEST_F(DbStallTest, TooManyRunsStopWriters) {
  for (const bool close : {false, true}) {
    SCOPED_TRACE(close ? "closed" : "compacted");
    scheduler_.Run([this, close] {
      auto gate = std::make_shared<CompactionGate>();
      auto recorder = std::make_shared<StallRecorder>();
      options_.env.file_system = SimFileSystem::New({.track = false});
      options_.memtable_bytes = 64 << 10;
      options_.flush_memtables_min = 1;
      options_.level0_runs_trigger = 1;  // slowed at 5, stopped at 9
      options_.listeners = {recorder, gate};
      Open();
      Status last;
      int accepted = 0;
      Thread writer("writer", [this, &last, &accepted] {
        for (int i = 0; i < 4000 && last.ok(); ++i) {
          last = db_->Put({}, "key" + std::to_string(i), std::string(1000, 'v'));
          accepted += last.ok();
        }
      });
      while (Property("is-write-stopped") == 0) SleepFor(1'000'000);
      EXPECT_LT(Property("num-immutable-memtables"), 15u);
      const std::vector<StallInfo> changes = recorder->changes();
      ASSERT_GE(changes.size(), 2u);
      EXPECT_EQ(changes[0].now, StallState::kDelayed);
      EXPECT_EQ(changes.back().now, StallState::kStopped);
      EXPECT_EQ(changes.back().reason, StallReason::kLevel0Runs);
      SleepFor(10'000'000'000);  // at 20 ms a write the active memtable is full by then
      EXPECT_EQ(Property("is-write-stopped"), 1u);
      if (close) {
        Thread closer("closer", [this] { EXPECT_TRUE(db_->Close().ok()); });
        writer.Join();
        EXPECT_TRUE(last.IsAborted()) << last.ToString();
        gate->Open();
        closer.Join();
      } else {
        gate->Open();
        writer.Join();
        EXPECT_TRUE(last.ok()) << last.ToString();
        EXPECT_GT(statistics_->Get(Counter::kWriteStallMicros), 1'000'000u);
      }
      // What was accepted while the queues were full is there. Checklist W13.
      db_.reset();
      options_.listeners.clear();
      Open();
      EXPECT_GT(accepted, 500);
      for (int i = 0; i < accepted; ++i) {
        std::string value;
        ASSERT_TRUE(db_->Get({}, "key" + std::to_string(i), &value).ok()) << i;
      }
      db_.reset();
    });
  }
}

}  // namespace
}  // namespace varve
