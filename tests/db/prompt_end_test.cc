// Work that has become pointless ends soon, and what writers wait for is told while they wait. On a
// scheduler in virtual time, so that nothing depends on the speed of the machine.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/db/sim_database.h"
#include "tests/support/baton_scheduler.h"
#include "tests/support/fault_file_system.h"
#include "util/mutex.h"
#include "util/thread.h"
#include "varve/db.h"
#include "varve/listener.h"
#include "varve/segment_writer.h"

namespace varve {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

std::string Key(int i) {
  const std::string digits = std::to_string(i);
  return "key" + std::string(6 - digits.size(), '0') + digits;
}

class PromptEndTest : public ::testing::Test {
 protected:
  PromptEndTest() {
    disk_ = SimFileSystem::New({.track = false});
    faults_ = FaultFileSystem::New(disk_);
    options_ = SimDatabaseOptions(faults_);
    options_.env.clock = scheduler_.clock();
    options_.wal_sync = WalSyncMode::kNever;
  }
  void Open() {
    const Status status = DB::Open(options_, "/db", &db_);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  size_t SegmentsOnDisk() {
    std::vector<std::string> names;
    EXPECT_TRUE(disk_->ListDirectory("/db", &names).ok());
    size_t segments = 0;
    for (const std::string& name : names) segments += name.ends_with(".seg");
    return segments;
  }

  BatonScheduler scheduler_{{.seed = 11}};
  std::shared_ptr<SimFileSystem> disk_;
  std::shared_ptr<FaultFileSystem> faults_;
  Options options_;
  std::unique_ptr<DB> db_;
};

// A close does not wait for an ingestion that the rate limiter stretches over a minute, neither
// where it is written by the leader of the write queue nor where it is written beside the writers.
// Checklist L1.
TEST_F(PromptEndTest, CloseEndsAnIngestion) {
  scheduler_.Run([this] {
    for (const IngestPlace place : {IngestPlace::kOldest, IngestPlace::kNewest}) {
      SCOPED_TRACE(place == IngestPlace::kOldest ? "oldest" : "newest");
      options_.background_bytes_per_second = 0;
      Open();
      ASSERT_TRUE(db_->Put({}, Key(7), "there").ok());
      ASSERT_TRUE(db_->Flush().ok());
      ASSERT_TRUE(disk_->CreateDirectory("/in").ok());
      SegmentWriter writer(options_, "/in/a");
      for (int i = 0; i < 4000; ++i) ASSERT_TRUE(writer.Put(Key(i), std::string(1000, 'v')).ok());
      ASSERT_TRUE(writer.Finish().ok());
      ASSERT_TRUE(db_->SetOptions({{"background_bytes_per_second", "65536"}}).ok());

      Status ingested;
      Thread ingester("ingester", [this, &ingested, place] {
        IngestOptions options;
        options.place = place;
        ingested = db_->Ingest({"/in/a"}, options);
      });
      while (SegmentsOnDisk() < 2) SleepFor(kSecond / 10);
      SleepFor(5 * kSecond);
      const uint64_t began = scheduler_.now_nanos();
      const Status closed = db_->Close();
      EXPECT_TRUE(closed.ok()) << closed.ToString();
      EXPECT_LT(scheduler_.now_nanos() - began, 2 * kSecond);
      ingester.Join();
      EXPECT_TRUE(ingested.IsAborted()) << ingested.ToString();
      EXPECT_EQ(SegmentsOnDisk(), 1u);

      db_.reset();
      Open();
      EXPECT_EQ(ReadAll(db_.get()), (State{{Key(7), "there"}}));
      ASSERT_TRUE(db_->Ingest({"/in/a"}, {}).ok());
      EXPECT_EQ(ReadAll(db_.get()).size(), 4000u);
      ASSERT_TRUE(db_->Close().ok());
      ASSERT_TRUE(disk_->RemoveFile("/in/a").ok());
      ASSERT_TRUE(DB::Destroy(options_, "/db").ok());
    }
  });
}

// Remembers how the last merge went that failed.
class MergeRecorder : public EventListener {
 public:
  void OnCompactionEnd(const CompactionInfo& info) override {
    MutexLock lock(&mu_);
    if (!info.status.ok()) failed_ = info;
  }
  CompactionInfo failed() {
    MutexLock lock(&mu_);
    return failed_;
  }

 private:
  Mutex mu_;
  CompactionInfo failed_ GUARDED_BY(mu_);
};

// Of a compaction in parts the first that writes fails. The others do not read on to their ends,
// and the error is what failed, not that they were cancelled.
TEST_F(PromptEndTest, AFailedPartEndsTheOthers) {
  scheduler_.Run([this] {
    constexpr int kKeys = 40'000;
    const auto recorder = std::make_shared<MergeRecorder>();
    options_.listeners = {recorder};
    options_.compaction_style = CompactionStyle::kNone;
    options_.background_threads = 4;
    options_.memtable_bytes = 16 << 20;
    options_.segment_bytes = 128 << 10;
    Open();
    for (int round = 0; round < 2; ++round) {
      for (int i = 0; i < kKeys; ++i) ASSERT_TRUE(db_->Put({}, Key(i), std::string(40, 'v')).ok());
      ASSERT_TRUE(db_->CompactRange({}, std::nullopt, std::nullopt).ok());
    }
    const size_t fault = faults_->Inject({.op = FaultOp::kSync, .path_part = ".seg"});
    const Status status = db_->CompactRange({.rewrite_deepest = true}, std::nullopt, std::nullopt);
    EXPECT_EQ(faults_->hits(fault), 1u);
    EXPECT_TRUE(status.IsIOError()) << status.ToString();
    EXPECT_GT(recorder->failed().entries_read, 0u);
    EXPECT_LT(recorder->failed().entries_read, kKeys / 2);
    faults_->RemoveAll();
    ASSERT_TRUE(db_->CompactRange({.rewrite_deepest = true}, std::nullopt, std::nullopt).ok());
    EXPECT_EQ(ReadAll(db_.get()).size(), static_cast<size_t>(kKeys));
    ASSERT_TRUE(db_->Close().ok());
    db_.reset();
  });
}

class FlushGate : public EventListener {
 public:
  void OnFlushBegin(const FlushInfo&) override {
    MutexLock lock(&mu_);
    while (!open_) opened_.Wait(&mu_);
  }
  void OnStallChanged(const StallInfo& info) override {
    MutexLock lock(&mu_);
    last_ = info;
  }
  void SetOpen(bool open) {
    MutexLock lock(&mu_);
    open_ = open;
    opened_.SignalAll();
  }
  StallInfo last() {
    MutexLock lock(&mu_);
    return last_;
  }

 private:
  Mutex mu_;
  CondVar opened_;
  bool open_ GUARDED_BY(mu_) = true;
  StallInfo last_ GUARDED_BY(mu_);
};

// That writes have stopped is told while they are, not when they go on; also where a flush that
// should have ended by now, as quick as those before it were, hides how full the queue is.
TEST_F(PromptEndTest, AStopIsToldWhileItLasts) {
  scheduler_.Run([this] {
    const auto gate = std::make_shared<FlushGate>();
    options_.listeners = {gate};
    options_.memtables_max = 3;
    options_.flush_memtables_min = 1;
    Open();
    const std::string value(40'000, 'v');  // a memtable has room for one
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(db_->Put({}, Key(i), value).ok());
      ASSERT_TRUE(db_->Flush().ok());
    }
    gate->SetOpen(false);
    bool done = false;
    Thread writer("writer", [this, &done, &value] {
      for (int i = 0; i < 10; ++i) EXPECT_TRUE(db_->Put({}, Key(i), value).ok());
      done = true;
    });
    SleepFor(100 * kSecond);  // all delays have passed by then
    EXPECT_FALSE(done);
    EXPECT_EQ(gate->last().now, StallState::kStopped);
    EXPECT_EQ(gate->last().reason, StallReason::kMemtables);
    gate->SetOpen(true);
    writer.Join();
    ASSERT_TRUE(db_->Flush().ok());
    EXPECT_EQ(gate->last().now, StallState::kNone);
    db_.reset();
  });
}

}  // namespace
}  // namespace varve
