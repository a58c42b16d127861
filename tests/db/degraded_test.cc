// A cache whose files fail for good goes on in memory, and comes back; and in all of it answers
// with the newest value acknowledged or with nothing, never with an older one (RULES R8, DESIGN I2,
// I5). On a scheduler in virtual time.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "db/manifest.h"
#include "tests/db/sim_database.h"
#include "tests/support/baton_scheduler.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/sim_file_system.h"
#include "util/filename.h"
#include "util/mutex.h"
#include "util/thread.h"
#include "varve/db.h"
#include "varve/listener.h"

namespace varve {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

class DegradationRecorder : public EventListener {
 public:
  void OnDegradationChanged(const DegradedInfo& info) override {
    MutexLock lock(&mu_);
    told_.push_back(info.now);
    more_.SignalAll();
  }
  void OnCacheReset(const CacheResetInfo& info) override {
    MutexLock lock(&mu_);
    resets_.push_back(info.reason);
  }
  // What was told since the last call; waits for so many.
  std::vector<Degradation> Await(size_t changes) {
    MutexLock lock(&mu_);
    while (told_.size() < changes) more_.Wait(&mu_);
    return std::exchange(told_, {});
  }
  std::vector<CacheResetReason> Resets() {
    MutexLock lock(&mu_);
    return std::exchange(resets_, {});
  }

 private:
  Mutex mu_;
  CondVar more_;
  std::vector<Degradation> told_ GUARDED_BY(mu_);
  std::vector<CacheResetReason> resets_ GUARDED_BY(mu_);
};

class DegradedTest : public ::testing::Test {
 protected:
  DegradedTest() {
    UseDisk(SimFileSystem::New());
    options_.env.clock = scheduler_.clock();
    options_.capacity_bytes = uint64_t{1} << 30;
    options_.compaction_style = CompactionStyle::kNone;
    options_.wal_sync = WalSyncMode::kNever;
    options_.on_io_failure = OnIoFailure::kMemoryOnly;
    options_.memtables_max = 4;
    options_.flush_memtables_min = 2;
    options_.listeners = {recorder_};
  }

  void UseDisk(std::shared_ptr<SimFileSystem> disk) {
    sim_ = std::move(disk);
    faults_ = FaultFileSystem::New(sim_);
    if (options_.env.file_system == nullptr) options_ = SimDatabaseOptions(faults_);
    options_.env.file_system = faults_;
  }
  void Open() {
    const Status status = DB::Open(options_, "/db", &db_);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  Status Put(const std::string& key, const std::string& value, bool sync = false) {
    WriteOptions options;
    options.sync = sync;
    return db_->Put(options, key, value);
  }
  std::string Get(const std::string& key) {
    std::string value;
    const Status status = db_->Get({}, key, &value);
    return status.ok() ? value : StatusCodeName(status.code());
  }
  std::string Degraded() {
    std::string text;
    EXPECT_TRUE(db_->GetProperty("varve.degraded", &text));
    return text;
  }
  // From here on until Heal() no log can be synced.
  void FailLogs() {
    faults_->Inject({.op = FaultOp::kSync, .forever = true, .path_part = ".log"});
    faults_->Inject({.op = FaultOp::kOpen, .forever = true, .path_part = "PROBE"});
  }
  void Heal() { faults_->RemoveAll(); }
  // k@5 in a segment, and the log fails: in memory from here on.
  void GoIntoMemory() {
    Open();
    ASSERT_TRUE(Put("k", "@5").ok());
    ASSERT_TRUE(Put("cold", "1").ok());
    ASSERT_TRUE(db_->Flush({}).ok());
    ASSERT_TRUE(Put("k", "@6").ok());
    FailLogs();
    EXPECT_TRUE(Put("failed", "1", /*sync=*/true).IsIOError());
    AwaitMemory();
  }
  void AwaitMemory() {
    while (!Degraded().starts_with("memory-only")) SleepFor(kSecond / 100);
  }
  // The process dies; what it had on disk stays.
  void Kill() {
    SimDisk disk = sim_->disk().Kill();
    db_.reset();
    UseDisk(SimFileSystem::New({}, std::move(disk)));
  }
  void Run(const std::function<void()>& body) {
    scheduler_.Run([&] {
      body();
      db_.reset();
    });
  }

  BatonScheduler scheduler_{{.seed = 5}};
  std::shared_ptr<DegradationRecorder> recorder_ = std::make_shared<DegradationRecorder>();
  std::shared_ptr<SimFileSystem> sim_;
  std::shared_ptr<FaultFileSystem> faults_;
  Options options_;
  std::unique_ptr<DB> db_;
};

TEST_F(DegradedTest, GoesOnInMemory) {
  Run([this] {
    GoIntoMemory();
    EXPECT_EQ(recorder_->Await(2), (std::vector{Degradation::kReadOnly, Degradation::kMemoryOnly}));
    EXPECT_EQ(Get("k"), "@6");           // in memory when the log failed
    EXPECT_EQ(Get("cold"), "NotFound");  // on a disk that is not read any more
    EXPECT_EQ(Get("failed"), "NotFound");
    ASSERT_TRUE(Put("k", "@50").ok());
    EXPECT_EQ(Get("k"), "@50");
    ASSERT_TRUE(db_->Touch({}, "k").ok());
    EXPECT_EQ(Get("k"), "@50");
    ASSERT_TRUE(db_->Delete({}, "k").ok());
    EXPECT_EQ(Get("k"), "NotFound");
    uint64_t stopped = 1;
    EXPECT_TRUE(db_->GetIntProperty("varve.is-write-stopped", &stopped));
    EXPECT_EQ(stopped, 0u);
    std::string error;
    EXPECT_TRUE(db_->GetProperty("varve.background-error", &error));
    EXPECT_NE(error, "");
  });
}

// Checklist W1, I5: nothing is said to be durable that is not.
TEST_F(DegradedTest, NothingIsDurableInMemory) {
  Run([this] {
    GoIntoMemory();
    EXPECT_TRUE(Put("k", "@50", /*sync=*/true).IsIOError());
    EXPECT_EQ(Get("k"), "@6");
    EXPECT_TRUE(db_->SyncWAL().IsIOError());
    EXPECT_TRUE(db_->Flush({}).IsIOError());
    EXPECT_TRUE(db_->Checkpoint("/copy").IsIOError());
    ASSERT_TRUE(Put("k", "@50").ok());
  });
}

// DESIGN I3: a miss of what may have been on the disk is no miss of what never was.
TEST_F(DegradedTest, AMissInACondemnedDirectoryHasItsReason) {
  Run([this] {
    GoIntoMemory();
    const auto count = [this](Counter counter) { return options_.statistics->Get(counter); };
    const uint64_t misses = count(Counter::kGetMisses);
    const uint64_t absent = count(Counter::kMissAbsent);
    EXPECT_EQ(count(Counter::kMissReset), 0u);
    EXPECT_EQ(Get("cold"), "NotFound");
    EXPECT_EQ(Get("never written"), "NotFound");  // who could tell?
    EXPECT_EQ(count(Counter::kMissReset), 2u);
    const Slice keys[] = {"cold", "k"};
    PinnedValue values[2];
    Status statuses[2];
    db_->MultiGet({}, keys, values, statuses);
    EXPECT_TRUE(statuses[0].IsNotFound());
    EXPECT_TRUE(statuses[1].ok());
    EXPECT_EQ(count(Counter::kMissReset), 3u);
    std::string why;
    EXPECT_TRUE(db_->GetProperty("varve.why:cold", &why));
    EXPECT_NE(why.find("the directory is condemned"), std::string::npos) << why;
    ASSERT_TRUE(db_->Delete({}, "k").ok());
    EXPECT_EQ(Get("k"), "NotFound");  // memory knows why
    EXPECT_EQ(count(Counter::kMissDeleted), 1u);
    Heal();
    ASSERT_TRUE(db_->Resume().ok());
    EXPECT_EQ(Get("cold"), "NotFound");
    EXPECT_EQ(count(Counter::kMissReset), 3u);
    EXPECT_EQ(count(Counter::kMissAbsent), absent + 1);
    EXPECT_EQ(count(Counter::kGetMisses), misses + 5);
  });
}

// RULES R8.
TEST_F(DegradedTest, NeitherARestartNorTheReturnOfTheDiskServesWhatIsOlder) {
  Run([this] {
    GoIntoMemory();
    ASSERT_TRUE(Put("k", "@50").ok());
    Kill();
    Open();
    EXPECT_EQ(Get("k"), "NotFound");
    EXPECT_EQ(Get("cold"), "NotFound");
    EXPECT_EQ(recorder_->Resets(), std::vector{CacheResetReason::kIoFailure});
    EXPECT_EQ(Degraded(), "");
  });
}

TEST_F(DegradedTest, ACloseLeavesItCondemned) {
  Run([this] {
    GoIntoMemory();
    ASSERT_TRUE(Put("k", "@50").ok());
    EXPECT_TRUE(db_->Close().IsIOError());  // Checklist L5
    db_.reset();
    ManifestState state;
    ASSERT_TRUE(Manifest::Inspect(sim_.get(), "/db", &state).ok());
    EXPECT_TRUE(state.condemned);
    EXPECT_FALSE(state.clean_close);
    Heal();
    Open();
    EXPECT_EQ(Get("k"), "NotFound");
    EXPECT_EQ(recorder_->Resets(), std::vector{CacheResetReason::kIoFailure});
  });
}

TEST_F(DegradedTest, ComesBackWithWhatIsInMemory) {
  Run([this] {
    GoIntoMemory();
    ASSERT_TRUE(Put("k", "@50").ok());
    recorder_->Await(2);
    SleepFor(30 * kSecond);
    EXPECT_TRUE(Degraded().starts_with("memory-only"));
    Heal();
    while (Degraded() != "") SleepFor(kSecond);
    EXPECT_EQ(recorder_->Await(1), std::vector{Degradation::kNone});
    EXPECT_EQ(recorder_->Resets(), std::vector{CacheResetReason::kIoFailure});
    EXPECT_EQ(options_.statistics->Get(Counter::kCacheResets), 1u);
    EXPECT_EQ(Get("k"), "@50");
    EXPECT_EQ(Get("cold"), "NotFound");
    ASSERT_TRUE(Put("other", "1", /*sync=*/true).ok());
    Kill();
    Open();
    EXPECT_EQ(Get("k"), "@50");
    EXPECT_EQ(Get("other"), "1");
    EXPECT_EQ(Get("cold"), "NotFound");
    EXPECT_TRUE(recorder_->Resets().empty());
  });
}

TEST_F(DegradedTest, ResumeDoesNotWaitForAProbe) {
  Run([this] {
    GoIntoMemory();
    ASSERT_TRUE(Put("k", "@50").ok());
    Heal();
    ASSERT_TRUE(db_->Resume().ok());
    EXPECT_EQ(Degraded(), "");
    EXPECT_EQ(Get("k"), "@50");
    ASSERT_TRUE(Put("k", "@60", /*sync=*/true).ok());
    SleepFor(60 * kSecond);
    EXPECT_TRUE(db_->Close().ok());
    Open();
    EXPECT_EQ(Get("k"), "@60");
  });
}

// The oldest goes first, as nothing lies beneath it.
TEST_F(DegradedTest, MemoryIsBoundedAndWhatGoesIsTheOldest) {
  Run([this] {
    GoIntoMemory();
    const std::string value(1000, 'v');
    const auto key = [](int i) { return "key" + std::to_string(100000 + i); };
    constexpr int kKeys = 1000;  // 1 MB into 4 memtables of 64 KiB
    for (int i = 0; i < kKeys; ++i) {
      ASSERT_TRUE(Put(key(i), value).ok());
      ASSERT_TRUE(Put("k", "@" + std::to_string(100 + i)).ok());
      EXPECT_EQ(Get("k"), "@" + std::to_string(100 + i));
    }
    int first = 0;
    while (first < kKeys && Get(key(first)) == "NotFound") ++first;
    for (int i = first; i < kKeys; ++i) EXPECT_EQ(Get(key(i)), value) << i;
    EXPECT_GT(first, kKeys / 2);
    EXPECT_LT(first, kKeys - 100);
    uint64_t bytes = 0;
    EXPECT_TRUE(db_->GetIntProperty("varve.memtable-bytes", &bytes));
    EXPECT_LE(bytes, 5u * (64 << 10));
    Heal();
    ASSERT_TRUE(db_->Resume().ok());
    for (int i = first; i < kKeys; ++i) EXPECT_EQ(Get(key(i)), value) << i;
    EXPECT_EQ(Get("k"), "@" + std::to_string(100 + kKeys - 1));
    ASSERT_TRUE(db_->Flush({}).ok());
  });
}

// A cache that is full to its capacity, as small as it may be.
class TightDegradedTest : public DegradedTest {
 protected:
  TightDegradedTest() {
    options_.memtable_bytes = options_.segment_bytes = 64 << 10;
    options_.memtables_max = 3;
    options_.flush_memtables_min = 1;
    options_.capacity_bytes = DB::MinimumCapacity(options_) + (256 << 10);
  }
  uint64_t Number(const std::string& name) {
    uint64_t value = 0;
    EXPECT_TRUE(db_->GetIntProperty("varve." + name, &value)) << name;
    return value;
  }
  static std::string Key(int i) { return "key" + std::to_string(100'000 + i); }
  void Fill() {
    const std::string value(1000, 'v');
    for (int i = 0; i < 2000; ++i) ASSERT_TRUE(Put(Key(i), value).ok()) << i;
    EXPECT_GT(Number("num-segments"), 0u);
    EXPECT_EQ(Get(Key(0)), "NotFound");
  }
  void FailIntoMemory() {
    FailLogs();
    EXPECT_TRUE(Put("failed", "1", /*sync=*/true).IsIOError());
    AwaitMemory();
  }
  void AwaitReturn() {
    for (int i = 0; Degraded() != ""; ++i) {
      SleepFor(kSecond);
      ASSERT_LT(i, 60) << Degraded();
    }
  }
};

TEST_F(TightDegradedTest, InMemoryNothingIsReservedOnTheDisk) {
  Run([this] {
    Open();
    const uint64_t standing = Number("reserved-bytes");
    Fill();
    const uint64_t reserved = Number("reserved-bytes");  // the flush of what is in memory, too
    FailIntoMemory();
    EXPECT_LT(Number("reserved-bytes"), reserved);
    EXPECT_LE(Number("reserved-bytes"), standing);
    for (int i = 0; i < 300; ++i) ASSERT_TRUE(Put(Key(i), std::string(1000, 'm')).ok());
    EXPECT_LE(Number("reserved-bytes"), standing);
    Heal();
    AwaitReturn();
    ASSERT_TRUE(Put("k", "@1", /*sync=*/true).ok());
    EXPECT_GT(Number("reserved-bytes"), standing);
    EXPECT_LE(Number("used-bytes") + Number("reserved-bytes"), options_.capacity_bytes);
    EXPECT_EQ(Get(Key(299)), std::string(1000, 'm'));
    ASSERT_TRUE(db_->Flush({}).ok());
    EXPECT_EQ(Get("k"), "@1");
  });
}

// Nobody has asked whether there is room for what is in memory, be it in batches of which one fits,
// or under an iterator that holds what was there.
TEST_F(TightDegradedTest, ComesBackWithAsMuchAsHasRoom) {
  Run([this] {
    Open();
    Fill();
    const auto it = db_->NewIterator({});
    it->SeekToFirst();
    ASSERT_TRUE(it->Valid()) << it->status().ToString();
    FailIntoMemory();
    for (const std::string key : {"oldest", "older", "newest"}) {
      WriteBatch batch;
      for (int i = 0; i < 40; ++i) {
        ASSERT_TRUE(batch.Put(key + std::to_string(i), std::string(10'000, 'b')).ok());
      }
      ASSERT_TRUE(db_->Write({}, batch).ok());
    }
    EXPECT_EQ(Get("oldest7"), std::string(10'000, 'b'));
    Heal();
    AwaitReturn();
    EXPECT_EQ(Get("newest7"), std::string(10'000, 'b'));
    EXPECT_EQ(Get("oldest7"), "NotFound");  // 1.2 MB in all, about the capacity
    EXPECT_LE(Number("used-bytes") + Number("reserved-bytes"), options_.capacity_bytes);
    it->Next();
    EXPECT_TRUE(it->status().IsAborted()) << it->status().ToString();
    ASSERT_TRUE(Put("k", "@1", /*sync=*/true).ok());
    Kill();
    Open();
    EXPECT_EQ(Get("newest7"), std::string(10'000, 'b'));
    EXPECT_EQ(Get("k"), "@1");
  });
}

// "If the bit cannot be made durable, writes are refused instead."
TEST_F(DegradedTest, WithoutTheMarkWritesAreRefused) {
  Run([this] {
    Open();
    ASSERT_TRUE(Put("k", "@5").ok());
    ASSERT_TRUE(db_->Flush({}).ok());
    ASSERT_TRUE(Put("k", "@6").ok());
    FailLogs();
    faults_->Inject({.op = FaultOp::kSync, .forever = true, .path_part = "MANIFEST"});
    EXPECT_TRUE(Put("failed", "1", /*sync=*/true).IsIOError());
    SleepFor(60 * kSecond);
    EXPECT_TRUE(Degraded().starts_with("read-only")) << Degraded();
    EXPECT_NE(Degraded().find("not memory-only"), std::string::npos) << Degraded();
    EXPECT_TRUE(Put("k", "@50").IsIOError());
    EXPECT_EQ(Get("k"), "@6");
  });
}

TEST_F(DegradedTest, AnIteratorKeepsWhatItSaw) {
  Run([this] {
    Open();
    ASSERT_TRUE(Put("k", "@5").ok());
    ASSERT_TRUE(db_->Flush({}).ok());
    const auto it = db_->NewIterator({});
    FailLogs();
    EXPECT_TRUE(Put("failed", "1", /*sync=*/true).IsIOError());
    AwaitMemory();
    ASSERT_TRUE(Put("k", "@50").ok());
    it->SeekToFirst();
    ASSERT_TRUE(it->Valid()) << it->status().ToString();
    EXPECT_EQ(it->value(), "@5");
    Heal();
    ASSERT_TRUE(db_->Resume().ok());  // its segment is out of the cache, and held
    it->SeekToFirst();
    ASSERT_TRUE(it->Valid()) << it->status().ToString();
    EXPECT_EQ(it->value(), "@5");
    ASSERT_TRUE(it->Refresh().ok());
    it->SeekToFirst();
    ASSERT_TRUE(it->Valid());
    EXPECT_EQ(it->value(), "@50");
  });
}

// Checklist E7: what they could not write is kept, and read.
TEST_F(DegradedTest, FlushesThatFailForGoodCountAsWell) {
  Run([this] {
    Open();
    ASSERT_TRUE(Put("k", "@5").ok());
    ASSERT_TRUE(db_->Flush({}).ok());
    ASSERT_TRUE(Put("k", "@6").ok());
    faults_->Inject({.op = FaultOp::kWrite, .forever = true, .path_part = ".seg"});
    EXPECT_TRUE(db_->Flush({}).IsIOError());
    AwaitMemory();
    EXPECT_EQ(Get("k"), "@6");
    ASSERT_TRUE(Put("k", "@50").ok());
    EXPECT_EQ(Get("k"), "@50");
    SleepFor(25 * kSecond);  // probes succeed, and coming back fails with the segment
    EXPECT_TRUE(Degraded().starts_with("memory-only")) << Degraded();
    EXPECT_EQ(Get("k"), "@50");
    Heal();
    SleepFor(11 * kSecond);
    EXPECT_EQ(Degraded(), "");
    EXPECT_EQ(Get("k"), "@50");
  });
}

TEST_F(DegradedTest, StopAnswersTheErrorAlways) {
  Run([this] {
    options_.on_io_failure = OnIoFailure::kStop;
    Open();
    ASSERT_TRUE(Put("k", "@5").ok());
    FailLogs();
    EXPECT_TRUE(Put("failed", "1", /*sync=*/true).IsIOError());
    Heal();
    EXPECT_TRUE(Degraded().starts_with("stopped")) << Degraded();
    EXPECT_EQ(recorder_->Await(1), std::vector{Degradation::kStopped});
    EXPECT_EQ(Get("k"), "IOError");
    const Slice keys[] = {"k"};
    PinnedValue values[1];
    Status statuses[1];
    db_->MultiGet({}, keys, values, statuses);
    EXPECT_TRUE(statuses[0].IsIOError());
    EXPECT_TRUE(db_->NewIterator({})->status().IsIOError());
    EXPECT_TRUE(Put("k", "@6").IsIOError());
    EXPECT_TRUE(db_->Flush({}).IsIOError());
    EXPECT_TRUE(db_->Resume().IsIOError());
    EXPECT_TRUE(db_->Close().ok());  // it has been told
    EXPECT_EQ(Get("k"), "Aborted");
  });
}

TEST_F(DegradedTest, ReadOnlyIsTheDefault) {
  EXPECT_EQ(Options().on_io_failure, OnIoFailure::kReadOnly);
  EXPECT_EQ(Options::ForCache(1 << 30).on_io_failure, OnIoFailure::kReadOnly);
  Run([this] {
    options_.on_io_failure = OnIoFailure::kReadOnly;
    Open();
    ASSERT_TRUE(Put("k", "@5").ok());
    FailLogs();
    EXPECT_TRUE(Put("failed", "1", /*sync=*/true).IsIOError());
    Heal();
    SleepFor(60 * kSecond);
    EXPECT_TRUE(Put("k", "@6").IsIOError());
    EXPECT_EQ(Get("k"), "@5");
    EXPECT_EQ(recorder_->Await(1), std::vector{Degradation::kReadOnly});
    ASSERT_TRUE(db_->Resume().ok());
    EXPECT_EQ(recorder_->Await(1), std::vector{Degradation::kNone});
  });
}

TEST_F(DegradedTest, ADatabaseLosesNothing) {
  options_.capacity_bytes = 0;
  EXPECT_TRUE(options_.Validate().IsInvalidArgument());
}

// Checklist C12, RULES R8: each file operation fails in turn, once and for good. Whatever becomes
// of the cache, every read is answered with the newest value acknowledged, with nothing, or with an
// error; and so after the device has come back, after a kill, and after a power loss.
class DegradedFaultTest : public DegradedTest {
 protected:
  static constexpr int kKeys = 8;

  void SetUp() override {
    options_.memtable_bytes = 64 << 10;
    newest_.assign(kKeys, -1);
    unclear_.assign(kKeys, {});
  }
  static std::string Key(int key) { return "key" + std::to_string(key); }
  static std::string Value(int version) {
    return std::to_string(100000 + version) + std::string(2000, 'v');
  }
  void PutNext(int key, bool sync = false) {
    const int version = ++version_;
    if (Put(Key(key), Value(version), sync).ok()) {
      newest_[key] = version;
      unclear_[key].clear();
    } else {
      unclear_[key].push_back(version);  // may show at once or after a restart, or not
    }
  }
  void CheckReads(const std::string& when) {
    for (int key = 0; key < kKeys; ++key) {
      std::string value;
      const Status status = db_->Get({}, Key(key), &value);
      if (!status.ok()) continue;
      const int version = std::stoi(value.substr(0, 6)) - 100000;
      const bool good = version == newest_[key] ||
                        std::count(unclear_[key].begin(), unclear_[key].end(), version) != 0;
      EXPECT_TRUE(good) << when << ": " << Key(key) << " is version " << version
                        << ", acknowledged was " << newest_[key];
    }
  }
  // A life with flushes, in part unlogged; with `fault` in force from its middle on.
  void Live(const Fault* fault, const std::string& when) {
    Open();
    for (int i = 0; i < 2 * kKeys; ++i) PutNext(i % kKeys);
    EXPECT_TRUE(db_->Flush({}).ok()) << when;
    if (fault != nullptr) fault_ = faults_->Inject(*fault);
    for (int i = 0; i < 120; ++i) {
      PutNext(i % kKeys, /*sync=*/i % 31 == 30);
      if (i % 40 == 20) {
        db_->Flush({}).ok();
        CheckReads(when + ", flushed");
      }
      if (i % 17 == 0) SleepFor(kSecond / 20);
    }
    CheckReads(when + ", at its end");
  }
  void Restart(bool power_loss, const std::string& when) {
    SimDisk disk = power_loss ? sim_->disk().PowerLoss(SimLoss::DropAll()) : sim_->disk().Kill();
    db_.reset();
    UseDisk(SimFileSystem::New({}, std::move(disk)));
    if (power_loss) options_.env.machine = std::make_shared<SimMachine>(++boots_);
    const Status status = DB::Open(options_, "/db", &db_);
    ASSERT_TRUE(status.ok()) << when << ": " << status.ToString();
    CheckReads(when);
    // It is a good cache again.
    for (int key = 0; key < kKeys; ++key) PutNext(key);
    EXPECT_TRUE(db_->Flush({}).ok()) << when;
    for (int key = 0; key < kKeys; ++key) {
      EXPECT_EQ(Get(Key(key)), Value(newest_[key])) << when;
    }
  }

  void FailInTurn(FaultOp op, bool forever) {
    for (uint64_t nth = 1;; ++nth) {
      Fault fault;
      fault.op = op;
      fault.nth = nth;
      fault.forever = forever;
      const std::string when = "op " + std::to_string(static_cast<int>(op)) + " number " +
                               std::to_string(nth) + (forever ? " for good" : " once");
      uint64_t hits = 0;
      for (const int end : {0, 1, 2}) {
        SetUp();
        UseDisk(SimFileSystem::New());
        scheduler_.Run([&] {
          Live(&fault, when);
          hits += faults_->hits(fault_);
          if (end == 0) {  // the device comes back
            Heal();
            SleepFor(25 * kSecond);
            CheckReads(when + ", healed");
            for (int i = 0; i < kKeys; ++i) PutNext(i);
            CheckReads(when + ", written again");
          }
          Restart(/*power_loss=*/end == 2, when + (end == 2 ? ", power loss" : ", killed"));
          db_.reset();
        });
        if (HasFailure()) return;
      }
      if (hits == 0) break;
      ASSERT_LT(nth, 400u);
    }
  }

  size_t fault_ = 0;
  int version_ = 0;
  int boots_ = 1000;
  std::vector<int> newest_;
  std::vector<std::vector<int>> unclear_;
};

TEST_F(DegradedFaultTest, WritesOnce) { FailInTurn(FaultOp::kWrite, false); }
TEST_F(DegradedFaultTest, WritesForGood) { FailInTurn(FaultOp::kWrite, true); }
TEST_F(DegradedFaultTest, CopiesOnce) { FailInTurn(FaultOp::kCopy, false); }
TEST_F(DegradedFaultTest, CopiesForGood) { FailInTurn(FaultOp::kCopy, true); }
TEST_F(DegradedFaultTest, SyncsOnce) { FailInTurn(FaultOp::kSync, false); }
TEST_F(DegradedFaultTest, SyncsForGood) { FailInTurn(FaultOp::kSync, true); }
TEST_F(DegradedFaultTest, DirectorySyncsOnce) { FailInTurn(FaultOp::kDirectorySync, false); }
TEST_F(DegradedFaultTest, DirectorySyncsForGood) { FailInTurn(FaultOp::kDirectorySync, true); }
TEST_F(DegradedFaultTest, OpensOnce) { FailInTurn(FaultOp::kOpen, false); }
TEST_F(DegradedFaultTest, OpensForGood) { FailInTurn(FaultOp::kOpen, true); }
TEST_F(DegradedFaultTest, ReadsOnce) { FailInTurn(FaultOp::kRead, false); }
TEST_F(DegradedFaultTest, ReadsForGood) { FailInTurn(FaultOp::kRead, true); }
TEST_F(DegradedFaultTest, RenamesForGood) { FailInTurn(FaultOp::kRename, true); }
TEST_F(DegradedFaultTest, RemovesForGood) { FailInTurn(FaultOp::kRemove, true); }

}  // namespace
}  // namespace varve
