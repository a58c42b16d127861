#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/fault_file_system.h"
#include "tests/wal/wal_test_util.h"
#include "util/filename.h"
#include "util/mutex.h"
#include "util/thread.h"
#include "wal/log_format.h"
#include "wal/wal.h"

namespace varve {
namespace {

class WalFaultTest : public WalTest {
 protected:
  WalFaultTest() : fault_(FaultFileSystem::New(env_.file_system)) {
    options_.env.file_system = fault_;
    Reopen();
  }

  // A sync that a loaded machine may make slow.
  Status SyncPatiently(LogPosition upto) {
    Status status;
    do {
      status = wal_->Sync(upto);
    } while (status.IsTimedOut());
    return status;
  }

  // Everything that could frame, sync, switch or release says the latched error.
  void ExpectLatched(const std::string& text) {
    const uint64_t copies = fault_->count(FaultOp::kCopy), syncs = fault_->count(FaultOp::kSync);
    const uint64_t creates = fault_->count(FaultOp::kCreate);
    const Slice payload = "x";
    LogPosition end;
    std::unique_ptr<PreparedLog> log;
    for (const Status& status :
         {wal_->Append({&payload, 1}, &end), wal_->Sync(wal_->end()), wal_->Retire(1000),
          wal_->Prepare(1000, 0, &log), wal_->latched()}) {
      EXPECT_TRUE(status.IsIOError()) << status.ToString();
      EXPECT_NE(status.message().find(text), std::string::npos) << status.ToString();
    }
    EXPECT_EQ(fault_->count(FaultOp::kCopy), copies);
    EXPECT_EQ(fault_->count(FaultOp::kSync), syncs);
    EXPECT_EQ(fault_->count(FaultOp::kCreate), creates);
  }

  std::shared_ptr<FaultFileSystem> fault_;
};

// Checklist W1 W2
TEST_F(WalFaultTest, AFailedSyncLatchesAndIsNotRepeated) {
  for (bool after_the_fact : {false, true}) {
    fault_->RemoveAll();
    Reopen();
    const FileNumber number = after_the_fact ? 2 : 1;
    Switch(number);
    const LogPosition first = AppendSized(10);
    Sync(first);
    const LogPosition second = AppendSized(10);
    std::unique_ptr<PreparedLog> prepared;
    ASSERT_TRUE(wal_->Prepare(number + 10, 0, &prepared).ok());
    const size_t injected =
        fault_->Inject({.op = FaultOp::kSync, .after_the_fact = after_the_fact});
    EXPECT_TRUE(wal_->Sync(second).IsIOError());
    EXPECT_EQ(fault_->hits(injected), 1u);
    EXPECT_EQ(wal_->durable(), first);
    ExpectLatched("injected");
    EXPECT_TRUE(wal_->Use(std::move(prepared)).IsIOError());
    EXPECT_EQ(wal_->current(), number);
    // What was durable stays so.
    EXPECT_TRUE(wal_->Sync(first).ok());
  }
}

TEST_F(WalFaultTest, AFailedSyncOfAnOlderLogLatches) {
  Switch(1);
  AppendSized(10);
  Switch(2);
  AppendSized(10);
  fault_->Inject({.op = FaultOp::kSync, .path_part = "000001"});
  EXPECT_TRUE(wal_->Sync(ends_[1]).IsIOError());
  EXPECT_EQ(wal_->durable(), LogPosition{});
  ExpectLatched("injected");
}

// Checklist W2 W8
TEST_F(WalFaultTest, AFailedOrTornCopyLatchesAndNothingIsFramedBehindIt) {
  FileNumber number = 1;
  const std::string payload = Bytes(5000, 9);
  for (size_t torn : {size_t{0}, size_t{1}, size_t{31}, size_t{32}, size_t{2000}, size_t{5031},
                      Fault::kNotTorn}) {
    fault_->RemoveAll();
    Reopen();
    Switch(number);
    AppendSized(10);
    Sync(wal_->end());
    const LogPosition good = AppendSized(20);
    const LogPosition durable = wal_->durable();
    const size_t injected = fault_->Inject({.op = FaultOp::kCopy, .torn_bytes = torn});
    const Slice parts[] = {payload};
    LogPosition end;
    EXPECT_TRUE(wal_->Append(parts, &end).IsIOError());
    EXPECT_EQ(fault_->hits(injected), 1u);
    EXPECT_EQ(wal_->end(), good);
    EXPECT_EQ(wal_->durable(), durable);
    ExpectLatched("injected");
    ReplayOptions options = Replaying(durable);
    options.lowest_needed = number;
    const Status status = Replay(options);
    ASSERT_TRUE(status.ok()) << status.ToString();
    EXPECT_EQ(result_.end, good);
    ++number;
  }
}

// Every operation that making a log takes fails once. Checklist W10 W12 W14
TEST_F(WalFaultTest, AFailedPrepareBurnsItsNumberAndNothingElse) {
  for (bool recycled : {false, true}) {
    FileNumber number = recycled ? 1000 : 1;
    for (FaultOp op : {FaultOp::kOpen, FaultOp::kCopy, FaultOp::kSync, FaultOp::kDirectorySync}) {
      for (uint64_t nth = 1; nth <= (op == FaultOp::kCopy ? 2 : 1); ++nth) {
        for (bool after_the_fact : {false, true}) {
          SCOPED_TRACE(static_cast<int>(op) * 100 + nth * 10 + after_the_fact);
          fault_->RemoveAll();
          Reopen();
          for (const std::string& name : Names()) {
            ASSERT_TRUE(env_.file_system->RemoveFile(File(name)).ok());
          }
          appended_.clear();
          ends_.clear();
          if (recycled) {
            Switch(number++);
            Switch(number++);
            ASSERT_TRUE(wal_->Retire(number).ok());
            AppendSized(100);
          } else {
            Switch(number++);
            AppendSized(100);
          }
          Sync(wal_->end());
          AppendSized(100);
          const FileNumber current = wal_->current();

          const size_t injected =
              fault_->Inject({.op = op, .nth = nth, .after_the_fact = after_the_fact});
          std::unique_ptr<PreparedLog> log;
          const FileNumber burnt = number++;
          EXPECT_TRUE(wal_->Prepare(burnt, 0, &log).IsIOError());
          EXPECT_EQ(fault_->hits(injected), 1u);
          EXPECT_EQ(log, nullptr);
          if (op != FaultOp::kOpen) {
            EXPECT_FALSE(Exists(Path(burnt)));
          }
          fault_->RemoveAll();

          // The log in use goes on, and the next one follows it.
          EXPECT_TRUE(wal_->latched().ok());
          EXPECT_EQ(wal_->current(), current);
          AppendSized(50);
          ReplayOptions options = Replaying(wal_->durable());
          options.lowest_needed = current;
          Status status = Replay(options);
          ASSERT_TRUE(status.ok()) << status.ToString();
          EXPECT_TRUE(sink_.payloads == appended_);
          Switch(number++);
          AppendSized(60);
          Sync(wal_->end());
          status = Replay(options);
          ASSERT_TRUE(status.ok()) << status.ToString();
          EXPECT_TRUE(sink_.payloads == appended_);
        }
      }
    }
  }
}

// Header pages, file and name are durable before the first record may be. Checklist W14
TEST_F(WalFaultTest, ALogIsSyncedWithItsNameBeforeItIsReady) {
  std::vector<std::string> steps;
  const auto note = [&](FaultOp op, const char* what) {
    fault_->Inject({.op = op,
                    .forever = true,
                    .status = Status::OK(),
                    .action = [&steps, what](const std::string&) { steps.push_back(what); }});
  };
  note(FaultOp::kCreate, "create");
  note(FaultOp::kRename, "rename");
  note(FaultOp::kCopy, "copy");
  note(FaultOp::kSync, "sync");
  note(FaultOp::kDirectorySync, "directory");
  Switch(1);
  EXPECT_EQ(steps, (std::vector<std::string>{"create", "copy", "copy", "sync", "directory"}));
  Switch(2);
  ASSERT_TRUE(wal_->Retire(2).ok());
  steps.clear();
  Switch(3);
  EXPECT_EQ(steps, (std::vector<std::string>{"rename", "copy", "copy", "sync", "directory"}));
}

TEST_F(WalFaultTest, RetireReportsWhatFailsAndGoesOn) {
  for (FileNumber number = 1; number <= 4; ++number) Switch(number);
  fault_->Inject({.op = FaultOp::kRename, .path_part = "000002"});
  EXPECT_TRUE(wal_->Retire(4).IsIOError());
  EXPECT_TRUE(wal_->latched().ok());
  EXPECT_EQ(Names(), (std::vector<std::string>{"000001.recycled", "000002.log", "000003.recycled",
                                               "000004.log"}));
  AppendSized(10);
  Sync(wal_->end());
}

// ---- Waiting
// ---------------------------------------------------------------------------------------

// Holds whoever passes until it is opened.
class Gate {
 public:
  void Pass() {
    MutexLock lock(&mutex_);
    ++waiting_;
    changed_.SignalAll();
    while (!open_) changed_.Wait(&mutex_);
  }
  void AwaitSomebody() {
    MutexLock lock(&mutex_);
    while (waiting_ == 0) changed_.Wait(&mutex_);
  }
  void Open() {
    MutexLock lock(&mutex_);
    open_ = true;
    changed_.SignalAll();
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  int waiting_ GUARDED_BY(mutex_) = 0;
  bool open_ GUARDED_BY(mutex_) = false;
};

// Checklist W4
TEST_F(WalFaultTest, AStalledSyncIsAnsweredWithTimedOutAndMaySucceedLater) {
  options_.sync_wait_ms_max = 20;
  Reopen();
  Switch(1);
  const LogPosition first = AppendSized(10);
  ASSERT_TRUE(SyncPatiently(first).ok());
  const LogPosition second = AppendSized(10);
  Gate gate;
  const size_t stall = fault_->Inject({.op = FaultOp::kSync,
                                       .status = Status::OK(),
                                       .action = [&](const std::string&) { gate.Pass(); }});
  for (int i = 0; i < 2; ++i) {
    const Status status = wal_->Sync(second);
    EXPECT_TRUE(status.IsTimedOut()) << status.ToString();
    EXPECT_NE(status.message().find("may become durable or not"), std::string::npos);
  }
  EXPECT_TRUE(wal_->Sync(first).ok());
  EXPECT_TRUE(wal_->latched().ok());
  const LogPosition third = AppendSized(10);
  gate.Open();
  const Status status = SyncPatiently(third);
  EXPECT_EQ(fault_->hits(stall), 1u);
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(wal_->durable(), third);
}

TEST_F(WalFaultTest, AStalledSyncThatFailsLatches) {
  options_.sync_wait_ms_max = 20;
  Reopen();
  Switch(1);
  const LogPosition end = AppendSized(10);
  Gate gate;
  fault_->Inject({.op = FaultOp::kSync, .action = [&](const std::string&) { gate.Pass(); }});
  EXPECT_TRUE(wal_->Sync(end).IsTimedOut());
  gate.Open();
  EXPECT_TRUE(SyncPatiently(end).IsIOError());
  ExpectLatched("injected");
}

// A caller whose records are covered by the sync under way shares it; later ones wait for the next.
// Appends go on meanwhile, in blocks of their own.
TEST_F(WalFaultTest, CallersShareASync) {
  Switch(1);
  const LogPosition first = AppendSized(10);
  Gate gate;
  fault_->Inject({.op = FaultOp::kSync, .status = Status::OK(), .action = [&](const std::string&) {
                    gate.Pass();
                  }});
  const uint64_t before = fault_->count(FaultOp::kSync);
  std::vector<Thread> threads;
  std::atomic<int> returned{0};
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back("sync", [&] {
      EXPECT_TRUE(wal_->Sync(first).ok());
      ++returned;
    });
  }
  gate.AwaitSomebody();
  const LogPosition second = AppendSized(10);
  EXPECT_EQ(second.offset, wal::kDataOffset + wal::kBlockBytes + 48);
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back("sync", [&] {
      EXPECT_TRUE(wal_->Sync(second).ok());
      ++returned;
    });
  }
  EXPECT_EQ(returned, 0);
  gate.Open();
  threads.clear();
  EXPECT_EQ(returned, 6);
  EXPECT_EQ(fault_->count(FaultOp::kSync), before + 2);
  EXPECT_EQ(wal_->durable(), second);
}

// Checklist W1 W10
TEST_F(WalFaultTest, AFailedSyncIsToldToEveryWaiter) {
  Switch(1);
  const LogPosition first = AppendSized(10);
  Gate gate;
  const size_t injected =
      fault_->Inject({.op = FaultOp::kSync, .action = [&](const std::string&) { gate.Pass(); }});
  const uint64_t before = fault_->count(FaultOp::kSync);
  std::vector<Thread> threads;
  std::atomic<int> failed{0};
  const auto wait = [&](LogPosition upto) {
    threads.emplace_back("sync", [&, upto] {
      const Status status = wal_->Sync(upto);
      EXPECT_TRUE(status.IsIOError()) << status.ToString();
      ++failed;
    });
  };
  for (int i = 0; i < 3; ++i) wait(first);
  gate.AwaitSomebody();
  const LogPosition second = AppendSized(10);
  for (int i = 0; i < 3; ++i) wait(second);
  gate.Open();
  threads.clear();
  EXPECT_EQ(failed, 6);
  EXPECT_EQ(fault_->hits(injected), 1u);
  EXPECT_EQ(fault_->count(FaultOp::kSync), before + 1);
  EXPECT_EQ(wal_->durable(), LogPosition{});
}

// The device stalls, and who waits for it hears of the latch all the same. Checklist W10
TEST_F(WalFaultTest, AFailedAppendReleasesWhoWaitsForASync) {
  Switch(1);
  const LogPosition first = AppendSized(10);
  Gate gate;
  fault_->Inject({.op = FaultOp::kSync, .status = Status::OK(), .action = [&](const std::string&) {
                    gate.Pass();
                  }});
  Status leader_status, follower_status;
  Thread leader("sync", [&] { leader_status = wal_->Sync(first); });
  gate.AwaitSomebody();
  Thread follower("sync", [&] { follower_status = wal_->Sync(first); });
  SleepFor(2000000);  // so that it waits, most of the time
  fault_->Inject({.op = FaultOp::kCopy});
  const Slice payload = "x";
  LogPosition end;
  EXPECT_TRUE(wal_->Append({&payload, 1}, &end).IsIOError());
  follower.Join();
  EXPECT_TRUE(follower_status.IsIOError()) << follower_status.ToString();
  gate.Open();
  leader.Join();
  EXPECT_TRUE(leader_status.ok()) << leader_status.ToString();
  EXPECT_EQ(wal_->durable(), first);
}

}  // namespace
}  // namespace varve
