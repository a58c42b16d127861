// What listeners are told, and when.

#include "varve/listener.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "db/event_dispatch.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/quiet_logger.h"
#include "tests/support/sim_file_system.h"
#include "util/mutex.h"
#include "varve/db.h"

namespace varve {
namespace {

// Writes down what it hears, as lines.
class Recorder : public EventListener {
 public:
  void OnFlushBegin(const FlushInfo& info) override {
    Add("begin " + std::to_string(info.job) + " of " + std::to_string(info.memtables));
  }
  void OnFlushEnd(const FlushInfo& info) override {
    Add("end " + std::to_string(info.job) + " " + StatusCodeName(info.status.code()) +
        (info.segments.empty() ? "" : " segment") + " read " + std::to_string(info.entries_read) +
        " dropped " + std::to_string(info.entries_dropped) +
        (info.bytes_written > 0 ? " some bytes" : " no bytes"));
  }
  void OnSegmentCreated(const SegmentInfo& info) override {
    Add("created by " + std::to_string(info.job) + (info.file_bytes > 0 ? " some bytes" : ""));
    path = info.path;
  }
  void OnStallChanged(const StallInfo& info) override {
    Add(std::string("stall ") + StallStateName(info.now));
    if (on_stall) on_stall();
  }

  std::vector<std::string> Take() {
    MutexLock lock(&mu_);
    return std::move(lines_);
  }

  std::string path;
  std::function<void()> on_stall;

 private:
  void Add(std::string line) {
    MutexLock lock(&mu_);
    lines_.push_back(std::move(line));
  }
  Mutex mu_;
  std::vector<std::string> lines_ GUARDED_BY(mu_);
};

using Lines = std::vector<std::string>;

class ListenerTest : public ::testing::Test {
 protected:
  ListenerTest() : faults_(FaultFileSystem::New(SimFileSystem::New({.track = false}))) {
    options_.create_if_missing = true;
    options_.env.file_system = faults_;
    options_.logger = std::make_shared<QuietLogger>();
    options_.listeners = {recorder_};
    EXPECT_TRUE(DB::Open(options_, "/db", &db_).ok());
  }

  std::shared_ptr<Recorder> recorder_ = std::make_shared<Recorder>();
  std::shared_ptr<FaultFileSystem> faults_;
  Options options_;
  std::unique_ptr<DB> db_;
};

TEST_F(ListenerTest, FlushesAreTold) {
  ASSERT_TRUE(db_->Put({}, "a", "1").ok());
  ASSERT_TRUE(db_->Put({}, "a", "2").ok());
  ASSERT_TRUE(db_->Put({}, "b", "1").ok());
  ASSERT_TRUE(db_->Flush().ok());
  ASSERT_TRUE(db_->Close().ok());  // the events of a flush go on after who waits for it returned
  EXPECT_EQ(recorder_->Take(), (Lines{"begin 1 of 1", "created by 1 some bytes",
                                      "end 1 OK segment read 3 dropped 1 some bytes"}));
  FileInfo info;
  EXPECT_TRUE(faults_->GetFileInfo(recorder_->path, &info).ok()) << recorder_->path;
}

TEST_F(ListenerTest, FailedFlushesAreToldWithTheirStatus) {
  ASSERT_TRUE(db_->Put({}, "a", "1").ok());
  const size_t fault = faults_->Inject(
      {.op = FaultOp::kWrite, .path_part = ".seg", .status = Status::NoSpace("full")});
  // The second attempt begins by itself, but does not end before the first one's error was seen.
  Mutex mu;
  CondVar changed;
  bool seen = false;
  faults_->Inject({.op = FaultOp::kCreate,
                   .nth = 2,
                   .path_part = ".seg",
                   .status = Status::OK(),
                   .action = [&](const std::string&) {
                     MutexLock lock(&mu);
                     while (!seen) changed.Wait(&mu);
                   }});
  EXPECT_TRUE(db_->Flush().IsNoSpace());
  EXPECT_EQ(faults_->hits(fault), 1u);
  {
    MutexLock lock(&mu);
    seen = true;
    changed.SignalAll();
  }
  ASSERT_TRUE(db_->Flush().ok());
  ASSERT_TRUE(db_->Close().ok());
  EXPECT_EQ(recorder_->Take(),
            (Lines{"begin 1 of 1", "end 1 NoSpace read 1 dropped 0 no bytes", "begin 2 of 1",
                   "created by 2 some bytes", "end 2 OK segment read 1 dropped 0 some bytes"}));
}

// Nothing is told under the lock it was posted under, and what is posted meanwhile comes after.
TEST(EventDispatch, TellsWhatWasPostedInOrder) {
  auto recorder = std::make_shared<Recorder>();
  EventDispatch events({recorder});
  StallInfo info;
  info.now = StallState::kDelayed;
  events.PostStallChanged(info);
  EXPECT_EQ(recorder->Take(), Lines{});
  bool posted = false;
  recorder->on_stall = [&] {
    if (posted) return;
    posted = true;
    StallInfo stopped;
    stopped.now = StallState::kStopped;
    events.PostStallChanged(stopped);
    events.Deliver();  // leaves it to the one that is under way
    EXPECT_EQ(recorder->Take(), Lines{"stall delayed"});
  };
  info.now = StallState::kNone;
  events.PostStallChanged(info);
  events.Deliver();
  EXPECT_EQ(recorder->Take(), (Lines{"stall none", "stall stopped"}));
  events.Deliver();
  EXPECT_EQ(recorder->Take(), Lines{});
}

}  // namespace
}  // namespace varve
