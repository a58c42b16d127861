// A read-only database is brought back by Resume(), and whatever crash follows loses nothing of
// what was acknowledged, and brings nothing back of what was not.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/baton_scheduler.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/quiet_logger.h"
#include "tests/support/sim_env.h"
#include "tests/support/sim_file_system.h"
#include "util/filename.h"
#include "util/mutex.h"
#include "util/random.h"
#include "util/thread.h"
#include "varve/db.h"
#include "varve/listener.h"

namespace varve {
namespace {

class ErrorRecorder : public EventListener {
 public:
  void OnBackgroundError(const BackgroundErrorInfo& info) override { Add("", info); }
  void OnErrorRecovered(const BackgroundErrorInfo& info) override { Add("no more ", info); }
  // What was told since the last call. Waits until there is something: who waits for what is told
  // may be woken first.
  std::vector<std::string> Await() {
    MutexLock lock(&mu_);
    while (lines_.empty()) told_.Wait(&mu_);
    return std::move(lines_);
  }
  std::vector<std::string> Take() {
    MutexLock lock(&mu_);
    return std::move(lines_);
  }

 private:
  void Add(const char* what, const BackgroundErrorInfo& info) {
    MutexLock lock(&mu_);
    lines_.push_back(std::string(what) + BackgroundErrorSourceName(info.source) + " " +
                     StatusCodeName(info.status.code()) + (info.read_only ? " read-only" : ""));
    told_.SignalAll();
  }
  Mutex mu_;
  CondVar told_;
  std::vector<std::string> lines_ GUARDED_BY(mu_);
};

using Lines = std::vector<std::string>;

class DbResumeTest : public ::testing::Test {
 protected:
  DbResumeTest() : sim_(SimFileSystem::New()), faults_(FaultFileSystem::New(sim_)) {
    options_.create_if_missing = true;
    options_.wal_sync = WalSyncMode::kNever;
    options_.env.file_system = faults_;
    options_.logger = std::make_shared<QuietLogger>();
    options_.listeners = {recorder_};
    Open();
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
  std::string ActiveLog() {
    std::string position;  // "log:offset"
    EXPECT_TRUE(db_->GetProperty("varve.durable-position", &position));
    return LogFileName("", std::stoull(position));
  }
  // Latches the log by a failed sync of the write of "failed".
  void FailLog() {
    ASSERT_TRUE(Put("before", "1", true).ok());
    log_ = ActiveLog();
    const size_t fault = faults_->Inject({.op = FaultOp::kSync, .path_part = log_});
    EXPECT_TRUE(Put("failed", "1", true).IsIOError());
    EXPECT_EQ(faults_->hits(fault), 1u);
    EXPECT_TRUE(Put("refused", "1").IsIOError());
    EXPECT_EQ(recorder_->Await(), Lines{"log IOError read-only"});
  }
  // Opens again on what a power loss leaves that takes everything not synced.
  void LosePower() {
    SimDisk disk = sim_->disk().PowerLoss(SimLoss::DropAll());
    faults_->RemoveAll();
    db_.reset();
    sim_ = SimFileSystem::New({}, std::move(disk));
    faults_ = FaultFileSystem::New(sim_);
    options_.env.file_system = faults_;
    Open();
  }

  std::shared_ptr<ErrorRecorder> recorder_ = std::make_shared<ErrorRecorder>();
  std::shared_ptr<SimFileSystem> sim_;
  std::shared_ptr<FaultFileSystem> faults_;
  Options options_;
  std::unique_ptr<DB> db_;
  std::string log_;
};

TEST_F(DbResumeTest, AfterAFailedSync) {
  ASSERT_TRUE(Put("unsynced", "1").ok());
  FailLog();
  ASSERT_TRUE(db_->Resume().ok());
  EXPECT_EQ(recorder_->Await(), Lines{"no more log IOError read-only"});
  std::string text;
  ASSERT_TRUE(db_->GetProperty("varve.background-error", &text));
  EXPECT_EQ(text, "");
  FileInfo info;
  EXPECT_TRUE(sim_->GetFileInfo("/db" + log_, &info).IsNotFound()) << log_;
  EXPECT_EQ(Get("before"), "1");
  EXPECT_EQ(Get("unsynced"), "1");
  EXPECT_EQ(Get("failed"), "NotFound");
  ASSERT_TRUE(Put("after", "1", true).ok());
  ASSERT_TRUE(db_->SyncWAL().ok());
  LosePower();
  EXPECT_EQ(Get("before"), "1");
  EXPECT_EQ(Get("unsynced"), "1");  // durable since Resume()
  EXPECT_EQ(Get("failed"), "NotFound");
  EXPECT_EQ(Get("after"), "1");
}

// The write that failed was the first of its log: no memtable is left that knows it, and its log
// is passed all the same. Its sequence is used again, so it would win against what follows.
TEST_F(DbResumeTest, TheFailedLogIsPassedThoughNoMemtableUsedIt) {
  // The write after the flush begins a log: the spare one, once it is made. The sync of its headers
  // tells its name, and comes before those of its records.
  Mutex mu;
  CondVar changed;
  std::string first, spare;
  faults_->Inject({.op = FaultOp::kSync,
                   .forever = true,
                   .path_part = ".log",
                   .status = Status::OK(),
                   .action = [&](const std::string& path) {
                     MutexLock lock(&mu);
                     if (first.empty()) first = path;
                     if (path != first) spare = path;
                     changed.SignalAll();
                   }});
  ASSERT_TRUE(Put("before", "1", true).ok());
  ASSERT_TRUE(db_->Flush().ok());
  {
    MutexLock lock(&mu);
    while (spare.empty()) changed.Wait(&mu);
  }
  faults_->RemoveAll();
  const size_t fault = faults_->Inject({.op = FaultOp::kSync, .path_part = spare});
  EXPECT_TRUE(Put("failed", "1", true).IsIOError());
  EXPECT_EQ(faults_->hits(fault), 1u);
  ASSERT_TRUE(Put("refused", "1").IsIOError());
  ASSERT_TRUE(db_->Resume().ok());
  ASSERT_TRUE(Put("after", "1", true).ok());
  LosePower();
  EXPECT_EQ(Get("before"), "1");
  EXPECT_EQ(Get("failed"), "NotFound");
  EXPECT_EQ(Get("after"), "1");
}

TEST_F(DbResumeTest, NothingToResumeIsFine) {
  ASSERT_TRUE(Put("a", "1").ok());
  ASSERT_TRUE(db_->Resume().ok());
  EXPECT_EQ(recorder_->Take(), Lines{});
  EXPECT_EQ(Get("a"), "1");
  ASSERT_TRUE(db_->Close().ok());
  EXPECT_TRUE(db_->Resume().IsAborted());
}

// A resume that fails leaves it read-only, and may be tried again.
TEST_F(DbResumeTest, IsTriedAgain) {
  FailLog();
  for (const FaultOp op : {FaultOp::kCreate, FaultOp::kWrite, FaultOp::kSync}) {
    const size_t fault = faults_->Inject({.op = op, .path_part = ".seg"});
    EXPECT_TRUE(db_->Resume().IsIOError());
    EXPECT_EQ(faults_->hits(fault), 1u);
    EXPECT_TRUE(Put("refused", "1").IsIOError());
    EXPECT_EQ(Get("before"), "1");
  }
  EXPECT_EQ(recorder_->Take(), Lines{});
  ASSERT_TRUE(db_->Resume().ok());
  EXPECT_EQ(recorder_->Await(), Lines{"no more log IOError read-only"});
  ASSERT_TRUE(Put("after", "1", true).ok());
  LosePower();
  EXPECT_EQ(Get("before"), "1");
  EXPECT_EQ(Get("after"), "1");
}

TEST_F(DbResumeTest, AsOftenAsTheLogFails) {
  for (int i = 0; i < 5; ++i) {
    FailLog();
    ASSERT_TRUE(db_->Resume().ok());
    EXPECT_EQ(recorder_->Await(), Lines{"no more log IOError read-only"});
    ASSERT_TRUE(Put("k" + std::to_string(i), "1").ok());
  }
  ASSERT_TRUE(db_->SyncWAL().ok());
  LosePower();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Get("k" + std::to_string(i)), "1");
}

// RULES R4.1: after a root that may or may not be durable nothing is committed until it is opened
// again, not by a resume either; whatever else had failed first.
TEST_F(DbResumeTest, IsRefusedWhereTheManifestIsPoisoned) {
  ASSERT_TRUE(Put("before", "1", true).ok());
  faults_->Inject({.op = FaultOp::kSync, .path_part = "MANIFEST"});
  EXPECT_TRUE(db_->Flush().IsIOError());
  EXPECT_EQ(recorder_->Await(), Lines{"manifest IOError read-only"});
  faults_->RemoveAll();
  const uint64_t writes = faults_->count(FaultOp::kWrite);
  const Status status = db_->Resume();
  EXPECT_TRUE(status.IsIOError());
  EXPECT_NE(status.ToString().find("reopen"), std::string::npos) << status.ToString();
  EXPECT_EQ(faults_->count(FaultOp::kWrite), writes);
  EXPECT_EQ(recorder_->Take(), Lines{});
  db_.reset();
  Open();
  EXPECT_EQ(Get("before"), "1");
  ASSERT_TRUE(Put("after", "1").ok());

  FailLog();
  faults_->Inject({.op = FaultOp::kSync, .path_part = "MANIFEST"});
  EXPECT_TRUE(db_->Resume().IsIOError());  // poisons it
  faults_->RemoveAll();
  EXPECT_NE(db_->Resume().ToString().find("reopen"), std::string::npos);
  EXPECT_TRUE(Put("refused", "1").IsIOError());
  db_.reset();
  Open();
  EXPECT_EQ(Get("after"), "1");
}

// Checklist C12, S3: a flush that fails is tried again by itself. Told once, however often it
// fails, and once when it is over.
TEST_F(DbResumeTest, TransientErrorsRecoverByThemselves) {
  ASSERT_TRUE(Put("a", "1").ok());
  const size_t fault = faults_->Inject({.op = FaultOp::kCreate,
                                        .forever = true,
                                        .path_part = ".seg",
                                        .status = Status::NoSpace("full")});
  EXPECT_TRUE(db_->Flush().IsNoSpace());
  EXPECT_TRUE(db_->Flush().IsNoSpace());
  EXPECT_GE(faults_->hits(fault), 2u);
  EXPECT_EQ(recorder_->Await(), Lines{"flush NoSpace"});
  ASSERT_TRUE(Put("b", "1").ok());
  faults_->RemoveAll();
  ASSERT_TRUE(db_->Resume().ok());  // it need not wait
  Status status = db_->Flush();
  if (status.IsNoSpace()) status = db_->Flush();  // an attempt may have been under way
  ASSERT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(recorder_->Await(), Lines{"no more flush NoSpace"});
}

// ---- Pauses -----------------------------------------------------------------------------------

TEST_F(DbResumeTest, PausedNothingIsFlushed) {
  ASSERT_TRUE(db_->PauseBackgroundWork().ok());
  ASSERT_TRUE(db_->PauseBackgroundWork().ok());
  ASSERT_TRUE(Put("a", "1").ok());
  ASSERT_TRUE(db_->Flush({.wait = false}).ok());
  Thread flusher("flusher", [this] { EXPECT_TRUE(db_->Flush().ok()); });
  ASSERT_TRUE(db_->ContinueBackgroundWork().ok());
  uint64_t segments = 1;
  ASSERT_TRUE(db_->GetIntProperty("varve.num-segments", &segments));
  EXPECT_EQ(segments, 0u);
  ASSERT_TRUE(db_->ContinueBackgroundWork().ok());
  flusher.Join();
  ASSERT_TRUE(db_->GetIntProperty("varve.num-segments", &segments));
  EXPECT_EQ(segments, 1u);
  EXPECT_TRUE(db_->ContinueBackgroundWork().IsInvalidArgument());
}

TEST_F(DbResumeTest, CloseEndsAPause) {
  ASSERT_TRUE(db_->PauseBackgroundWork().ok());
  WriteOptions unlogged;
  unlogged.disable_wal = true;
  ASSERT_TRUE(db_->Put(unlogged, "a", "1").ok());
  ASSERT_TRUE(db_->Close().ok());
  EXPECT_TRUE(db_->ContinueBackgroundWork().IsAborted());
  db_.reset();
  Open();
  EXPECT_EQ(Get("a"), "1");
}

// Resume() does its own flush.
TEST_F(DbResumeTest, WorksInAPause) {
  ASSERT_TRUE(db_->PauseBackgroundWork().ok());
  FailLog();
  ASSERT_TRUE(db_->Resume().ok());
  ASSERT_TRUE(Put("after", "1").ok());
  EXPECT_EQ(Get("before"), "1");
}

// ---- Crashes ------------------------------------------------------------------------------------

// A life of one writer on a simulated disk whose log fails again and again, and the crashes that
// may end it. Its n-th write puts n under "last", and under a key of its own.
class Life {
 public:
  explicit Life(uint64_t seed) : seed_(seed), random_(seed), scheduler_({.seed = seed}) {
    options_.create_if_missing = true;
    options_.memtable_bytes = 64 << 10;
    options_.memtables_max = static_cast<int>(random_.Between(2, 6));
    options_.flush_memtables_min =
        random_.OneIn(2) ? options_.memtables_max - 1 : 1;  // several wait, or hardly one
    options_.wal_sync = random_.OneIn(2) ? WalSyncMode::kNever : WalSyncMode::kInterval;
    options_.wal_sync_interval_ms = 1;
    options_.logger = std::make_shared<QuietLogger>();
  }

  void Run() {
    fs_ = SimFileSystem::New({.seed = seed_, .record = true, .mapped_logs = random_.OneIn(2)});
    options_.env = MakeSimEnv(fs_, seed_);
    options_.env.clock = scheduler_.clock();
    scheduler_.Run([this] { Body(); });
  }

  void Crash(int images) {
    const SimHistory& history = fs_->history();
    std::vector<size_t> boundaries;
    for (int i = 0; i < images; ++i) {
      if (i % 2 == 0 && !resumes_.empty()) {
        const auto& [from, to] = resumes_[random_.Uniform(resumes_.size())];
        boundaries.push_back(random_.Between(from, std::min(to + 40, history.ops.size())));
      } else {
        boundaries.push_back(random_.Between(opened_, history.ops.size()));
      }
    }
    std::sort(boundaries.begin(), boundaries.end());
    SimReplay replay(&history);
    for (const size_t boundary : boundaries) {
      replay.AdvanceTo(boundary);
      const SimDisk& disk = replay.disk();
      Check(disk.Kill(), boundary, /*kill=*/true, "kill");
      // Checklist N8: either root, with the logs, gives all that was acknowledged as durable.
      for (const int root : {0, 1}) {
        Check(disk.Kill(), boundary, /*kill=*/false, "root " + std::to_string(root) + " destroyed",
              root);
      }
      for (const SimLoss& loss :
           {SimLoss::DropAll(), SimLoss::KeepAll(), SimLoss::Random(random_.Next()),
            SimLoss::AllBut(random_.Uniform(disk.PendingCount() + 1))}) {
        Check(disk.PowerLoss(loss), boundary, /*kill=*/false, loss.ToString());
        if (::testing::Test::HasFailure()) return;
      }
    }
  }

  size_t resumes() const { return resumes_.size(); }

 private:
  struct Write {
    uint64_t begun = 0, ended = 0;  // boundaries
    bool acknowledged = false, logged = true;
  };
  struct Durable {
    uint64_t boundary = 0;
    uint64_t write = 0;  // all up to it, those acknowledged
  };
  static std::string KeyOf(uint64_t n) { return "key" + std::to_string(n); }

  uint64_t LastAcknowledged() const {
    uint64_t n = writes_.size();
    while (n > 0 && !writes_[n - 1].acknowledged) --n;
    return n;
  }
  void NoteDurable() { durable_.push_back({fs_->op_count(), LastAcknowledged()}); }

  void Body() {
    ASSERT_TRUE(DB::Open(options_, "/db", &db_).ok());
    opened_ = fs_->op_count();
    for (int round = 0; round < 4; ++round) {
      for (uint64_t i = random_.Uniform(40); i > 0; --i) {
        if (!Put()) break;  // a log could not be switched
      }
      fs_->InjectFault({.calls = random_.OneIn(2) ? kSimSync : kSimWrite,
                        .path_part = ".log",
                        .nth = 1 + random_.Uniform(4),
                        .forever = random_.OneIn(3)});
      for (int i = 0; i < 30 && !ReadOnly(); ++i) Put();
      fs_->ClearFault();
      if (random_.OneIn(2)) {  // the resume fails as well
        fs_->InjectFault({.calls = kSimChanges,
                          .path_part = random_.OneIn(4) ? "" : ".seg",
                          .nth = 1 + random_.Uniform(6)});
      }
      for (int tries = 0;; ++tries) {
        const uint64_t from = fs_->op_count();
        const bool read_only = ReadOnly();
        const Status status = db_->Resume();
        if (status.ok()) {
          EXPECT_FALSE(ReadOnly());
          if (!read_only) break;
          resumes_.emplace_back(from, fs_->op_count());
          NoteDurable();
          break;
        }
        fs_->ClearFault();
        if (status.ToString().find("reopen") != std::string::npos) {  // the manifest was hit
          db_.reset();
          return;
        }
        ASSERT_LT(tries, 3) << status.ToString();
      }
      fs_->ClearFault();
    }
    if (random_.OneIn(2)) {
      EXPECT_TRUE(db_->Close().ok());
      NoteDurable();
    }
    db_.reset();
  }

  bool ReadOnly() {
    std::string text;
    EXPECT_TRUE(db_->GetProperty("varve.background-error", &text));
    return !text.empty();
  }

  bool Put() {
    WriteOptions options;
    options.sync = random_.OneIn(3);
    options.disable_wal = !options.sync && random_.OneIn(6);
    const std::string number = std::to_string(writes_.size() + 1);
    WriteBatch batch;
    EXPECT_TRUE(batch.Put("last", number).ok());
    EXPECT_TRUE(
        batch.Put(KeyOf(writes_.size() + 1), std::string(random_.Uniform(15000), 'v')).ok());
    writes_.emplace_back();
    writes_.back().begun = fs_->op_count();
    writes_.back().logged = !options.disable_wal;
    const Status status = db_->Write(options, batch);
    writes_.back().ended = fs_->op_count();
    writes_.back().acknowledged = status.ok();
    if (status.ok() && options.sync) NoteDurable();
    return status.ok();
  }

  void Check(SimDisk disk, size_t boundary, bool kill, const std::string& how,
             int destroyed_root = -1) {
    SCOPED_TRACE("seed " + std::to_string(seed_) + ", boundary " + std::to_string(boundary) + ", " +
                 how);
    Options options = options_;
    const auto fs = SimFileSystem::New({.track = false}, std::move(disk));
    options.env = MakeSimEnv(fs, seed_);
    if (destroyed_root >= 0) {
      fs->Damage("/db/MANIFEST", static_cast<uint64_t>(destroyed_root) * 4096 + 100, "damaged");
    }
    std::unique_ptr<DB> db;
    const Status status = DB::Open(options, "/db", &db);
    ASSERT_TRUE(status.ok()) << status.ToString();
    std::string text;
    uint64_t last = 0;
    if (db->Get({}, "last", &text).ok()) last = std::stoull(text);

    uint64_t least = 0;
    for (const Durable& durable : durable_) {
      if (durable.boundary <= boundary) least = std::max(least, durable.write);
    }
    // A sync that failed may have dropped what the page cache held; until the resume, a kill loses
    // it as well.
    const std::vector<SimOp>& ops = fs_->history().ops;
    size_t dropped = boundary;
    while (dropped > 0 && ops[dropped - 1].ok) --dropped;
    uint64_t most = 0;
    for (uint64_t n = 1; n <= writes_.size(); ++n) {
      const Write& write = writes_[n - 1];
      if (write.begun <= boundary) most = n;
      if (kill && write.acknowledged && write.logged && write.begun >= dropped &&
          write.ended <= boundary) {
        least = std::max(least, n);
      }
    }
    ASSERT_GE(last, least) << "lost";
    ASSERT_LE(last, most);
    for (uint64_t n = 1; n <= writes_.size(); ++n) {
      const bool expected = n <= last && (writes_[n - 1].acknowledged || n == last);
      const Status found = db->Get({}, KeyOf(n), &text);
      ASSERT_EQ(found.ok(), expected)
          << "write " << n << " of " << last << ": " << found.ToString();
    }
  }

  const uint64_t seed_;
  Random random_;
  BatonScheduler scheduler_;
  Options options_;
  std::shared_ptr<SimFileSystem> fs_;
  std::unique_ptr<DB> db_;
  uint64_t opened_ = 0;
  std::vector<Write> writes_;  // the n-th is writes_[n - 1]
  std::vector<Durable> durable_;
  std::vector<std::pair<size_t, size_t>> resumes_;  // boundaries, of those that succeeded
};

TEST(DbResumeCrash, LosesNothingAndBringsNothingBack) {
  size_t resumes = 0;
  for (uint64_t seed = 1; seed <= 24; ++seed) {
    Life life(seed);
    life.Run();
    if (::testing::Test::HasFailure()) return;
    resumes += life.resumes();
    life.Crash(8);
    if (::testing::Test::HasFailure()) return;
  }
  EXPECT_GE(resumes, 36u);  // Checklist T2: the faults really happened
}

}  // namespace
}  // namespace varve
