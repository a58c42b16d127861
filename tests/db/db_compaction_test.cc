// Compactions through the public interface: trees that grow and shrink, what snapshots, iterators
// and crashes hold against them, and that the directory holds exactly what is live.

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "db/manifest.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/quiet_logger.h"
#include "tests/support/sim_env.h"
#include "tests/support/temp_dir.h"
#include "util/filename.h"
#include "util/mutex.h"
#include "util/thread.h"
#include "varve/compaction_filter.h"
#include "varve/db.h"
#include "varve/listener.h"

namespace varve {
namespace {

// Counts compactions and checks what it is told of them.
class Listener : public EventListener {
 public:
  void OnCompactionBegin(const CompactionInfo& info) override {
    MutexLock lock(&mu_);
    EXPECT_FALSE(info.reason.empty());
    for (const CompactionInfo::Input& input : info.inputs) {
      for (const uint64_t number : input.segments) {
        // Checklist S14: no two compactions share an input.
        EXPECT_TRUE(busy_.insert(number).second) << number;
      }
    }
  }
  void OnCompactionEnd(const CompactionInfo& info) override {
    MutexLock lock(&mu_);
    for (const CompactionInfo::Input& input : info.inputs) {
      for (const uint64_t number : input.segments) busy_.erase(number);
    }
    if (info.status.ok()) ++(info.trivial_move ? moves_ : merges_);
    if (!info.status.ok()) ++failures_;
    if (info.trivial_move) return;
    held_ = hold_;
    changed_.SignalAll();
    while (hold_) changed_.Wait(&mu_);
  }
  // While it is set, merges do not return from their end.
  void HoldMerges(bool hold) {
    MutexLock lock(&mu_);
    hold_ = hold;
    changed_.SignalAll();
  }
  void AwaitHeldMerge() {
    MutexLock lock(&mu_);
    while (!held_) changed_.Wait(&mu_);
  }
  uint64_t merges() {
    MutexLock lock(&mu_);
    return merges_;
  }
  uint64_t failures() {
    MutexLock lock(&mu_);
    return failures_;
  }

 private:
  Mutex mu_;
  CondVar changed_;
  bool hold_ GUARDED_BY(mu_) = false;
  bool held_ GUARDED_BY(mu_) = false;
  std::set<uint64_t> busy_ GUARDED_BY(mu_);
  uint64_t merges_ GUARDED_BY(mu_) = 0;
  uint64_t moves_ GUARDED_BY(mu_) = 0;
  uint64_t failures_ GUARDED_BY(mu_) = 0;
};

class DbCompactionTest : public ::testing::Test {
 protected:
  DbCompactionTest() : listener_(std::make_shared<Listener>()) {
    options_.create_if_missing = true;
    options_.memtable_bytes = 64 << 10;
    options_.flush_memtables_min = 1;
    options_.segment_bytes = 64 << 10;
    options_.level_base_bytes = 128 << 10;
    options_.level_size_ratio = 4;
    options_.wal_sync = WalSyncMode::kNever;
    options_.background_threads = 3;
    options_.logger = std::make_shared<QuietLogger>();
    options_.listeners = {listener_};
    options_.statistics = Statistics::Create(/*latencies=*/false);
  }
  ~DbCompactionTest() override { CloseAndCheck(); }

  std::string path() const { return dir_.File("db"); }
  void Open() {
    const Status status = DB::Open(options_, path(), &db_);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  // After a close the directory holds what the manifest reaches, and nothing else (invariant I7).
  void CloseAndCheck() {
    if (db_ == nullptr) return;
    const Status closed = db_->Close();
    EXPECT_TRUE(closed.ok()) << closed.ToString();
    db_.reset();
    FileSystem* const fs = Env::Default().file_system.get();
    ManifestState state;
    ASSERT_TRUE(Manifest::Inspect(fs, path(), &state).ok());
    std::set<FileNumber> live, found;
    for (const SegmentEntry& entry : state.segments) live.insert(entry.number);
    std::vector<std::string> names;
    ASSERT_TRUE(fs->ListDirectory(path(), &names).ok());
    for (const std::string& name : names) {
      FileNumber number;
      FileType type;
      if (ParseFileName(name, &number, &type) && type == FileType::kSegment) found.insert(number);
    }
    EXPECT_EQ(found, live);
  }
  static std::string Key(uint32_t i) {
    char key[16];
    std::snprintf(key, sizeof(key), "key%06u", i);
    return key;
  }
  void Put(uint32_t i, const std::string& value) {
    ASSERT_TRUE(db_->Put({}, Key(i), value).ok());
    model_[Key(i)] = value;
  }
  // `writes` puts to keys below `keys`, with some deletes.
  void Churn(uint32_t writes, uint32_t keys, uint32_t seed) {
    std::mt19937 random(seed);
    for (uint32_t n = 0; n < writes; ++n) {
      const uint32_t i = random() % keys;
      if (random() % 8 == 0) {
        ASSERT_TRUE(db_->Delete({}, Key(i)).ok());
        model_.erase(Key(i));
      } else {
        std::string value = std::to_string(seed) + "-" + std::to_string(n) + "-";
        while (value.size() < 100) value += static_cast<char>('a' + random() % 26);
        Put(i, value);
      }
    }
  }
  // What must come is waited for until a machine cannot be as busy as that: four minutes.
  static constexpr uint64_t kLookNanos = 50'000'000;
  static constexpr int kPatience = 4800;
  using Contents = std::map<std::string, std::string>;
  Contents Read(const ReadOptions& options = {}) {
    Contents contents;
    const std::unique_ptr<Iterator> it = db_->NewIterator(options);
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      contents.emplace(std::string(it->key()), std::string(it->value()));
    }
    EXPECT_TRUE(it->status().ok()) << it->status().ToString();
    return contents;
  }
  void ExpectModel() {
    EXPECT_TRUE(Read() == model_);
    for (uint32_t i = 0; i < 50; ++i) {
      std::string value;
      const Status status = db_->Get({}, Key(i * 37), &value);
      const auto expected = model_.find(Key(i * 37));
      ASSERT_EQ(status.ok(), expected != model_.end()) << Key(i * 37) << " " << status.ToString();
      if (status.ok()) {
        EXPECT_EQ(value, expected->second);
      }
    }
  }
  uint64_t Property(const std::string& name) {
    uint64_t value = 0;
    EXPECT_TRUE(db_->GetIntProperty("varve." + name, &value)) << name;
    return value;
  }
  void CompactAll(bool rewrite_deepest = false) {
    const Status status =
        db_->CompactRange({.rewrite_deepest = rewrite_deepest}, std::nullopt, std::nullopt);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }

  TempDir dir_;
  const std::shared_ptr<Listener> listener_;
  Options options_;
  std::unique_ptr<DB> db_;
  Contents model_;
};

TEST_F(DbCompactionTest, OverwritingLeavesASmallTree) {
  for (const CompactionStyle style : {CompactionStyle::kLeveled, CompactionStyle::kTiered}) {
    SCOPED_TRACE(style == CompactionStyle::kLeveled ? "leveled" : "tiered");
    options_.compaction_style = style;
    const uint64_t merges_before = listener_->merges();
    Open();
    for (uint32_t round = 0; round < 4; ++round) {
      Churn(8000, 3000, round);
      ExpectModel();
    }
    // By themselves: at the latest when nobody has written for a while.
    for (int tries = 0; listener_->merges() == merges_before; ++tries) {
      ASSERT_LT(tries, kPatience);
      SleepFor(kLookNanos);
    }
    CompactAll();
    EXPECT_EQ(Property("num-sorted-runs"), 1u);
    EXPECT_EQ(Property("num-entries"), model_.size());  // no version and no tombstone is left
    ExpectModel();
    CloseAndCheck();
    Open();
    ExpectModel();
    CloseAndCheck();
  }
}

TEST_F(DbCompactionTest, SnapshotsKeepWhatTheySee) {
  Open();
  Churn(4000, 1000, 1);
  const Contents then = model_;
  std::unique_ptr<Snapshot> snapshot = db_->GetSnapshot();
  Churn(8000, 1000, 2);
  CompactAll();
  ReadOptions at_snapshot;
  at_snapshot.snapshot = snapshot.get();
  EXPECT_TRUE(Read(at_snapshot) == then);
  ExpectModel();
  snapshot.reset();
  // What the snapshot held back goes when the segments are written again.
  CompactAll(/*rewrite_deepest=*/true);
  EXPECT_EQ(Property("num-entries"), model_.size());
  ExpectModel();
}

// Checklist S5.
TEST_F(DbCompactionTest, AnIteratorKeepsItsSegments) {
  Open();
  Churn(6000, 2000, 1);
  ASSERT_TRUE(db_->Flush().ok());
  const Contents then = model_;
  std::unique_ptr<Iterator> it = db_->NewIterator({});
  Churn(6000, 2000, 2);
  CompactAll();
  Contents seen;
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    seen.emplace(std::string(it->key()), std::string(it->value()));
  }
  EXPECT_TRUE(it->status().ok()) << it->status().ToString();
  EXPECT_TRUE(seen == then);
  EXPECT_GT(Property("num-obsolete-segments"), 0u);
  it.reset();
  CloseAndCheck();
  Open();
  ExpectModel();
}

TEST_F(DbCompactionTest, MergesWhatIsInRangeAlone) {
  options_.compaction_style = CompactionStyle::kNone;
  Open();
  for (uint32_t round = 0; round < 3; ++round) {
    for (uint32_t i = 0; i < 100; ++i) Put(i, std::string(300, 'a' + round));
    ASSERT_TRUE(db_->Flush().ok());
    for (uint32_t i = 5000; i < 5100; ++i) Put(i, std::string(300, 'a' + round));
    ASSERT_TRUE(db_->Flush().ok());
  }
  EXPECT_EQ(Property("num-sorted-runs"), 6u);
  EXPECT_TRUE(db_->CompactRange({}, Slice("b"), Slice("a")).IsInvalidArgument());
  ASSERT_TRUE(db_->CompactRange({}, Slice("zz"), std::nullopt).ok());
  EXPECT_EQ(Property("num-sorted-runs"), 6u);  // nothing is there
  ASSERT_TRUE(db_->CompactRange({}, Key(0), Key(200)).ok());
  EXPECT_LE(Property("num-entries"), 100u + 300u);
  ExpectModel();
  CompactAll();
  EXPECT_EQ(Property("num-entries"), 200u);
  ExpectModel();
}

class DropZ : public CompactionFilter {
 public:
  const char* Name() const override { return "drop z"; }
  Decision Filter(int, Slice, Slice value, std::string* new_value) const override {
    if (value.starts_with("z")) return Decision::kRemove;
    if (!value.starts_with("y")) return Decision::kKeep;
    *new_value = "was " + std::string(value);
    return Decision::kChange;
  }
};

TEST_F(DbCompactionTest, FilterRemovesAndChanges) {
  options_.compaction_filter = std::make_shared<DropZ>();
  Open();
  Put(1, "a");
  Put(2, "old");
  Put(3, "y");
  ASSERT_TRUE(db_->Flush().ok());
  Put(2, "z");
  ASSERT_TRUE(db_->Flush().ok());
  CompactAll(/*rewrite_deepest=*/true);
  EXPECT_TRUE(Read() == (Contents{{Key(1), "a"}, {Key(3), "was y"}}));
}

TEST_F(DbCompactionTest, RangeTombstonesSinkAndGo) {
  Open();
  Churn(6000, 2000, 1);
  CompactAll();
  ASSERT_TRUE(db_->DeleteRange({}, Key(500), Key(1500)).ok());
  model_.erase(model_.lower_bound(Key(500)), model_.lower_bound(Key(1500)));
  Put(700, "again");
  ExpectModel();
  ASSERT_TRUE(db_->Flush().ok());
  ExpectModel();
  CompactAll();
  ExpectModel();
  EXPECT_EQ(Property("num-entries"), model_.size());
  CloseAndCheck();
  Open();
  ExpectModel();
}

// Checklist S13: a read error fails the compaction, the inputs stay, and it is done later.
TEST_F(DbCompactionTest, AReadErrorLosesNothing) {
  const auto faults = FaultFileSystem::New(Env::Default().file_system);
  options_.env.file_system = faults;
  options_.compaction_style = CompactionStyle::kNone;
  options_.block_cache_bytes = 0;
  Open();
  Churn(2000, 500, 1);
  ASSERT_TRUE(db_->Flush().ok());
  Churn(2000, 500, 2);
  ASSERT_TRUE(db_->Flush().ok());
  for (uint64_t nth = 1; nth < 60; nth += 7) {
    // And all after it: a window of readahead that cannot be read is read again block by block.
    const size_t fault =
        faults->Inject({.op = FaultOp::kRead, .nth = nth, .forever = true, .path_part = ".seg"});
    const Status status = db_->CompactRange({}, std::nullopt, std::nullopt);
    const bool happened = faults->hits(fault) != 0;
    faults->RemoveAll();
    EXPECT_EQ(status.IsIOError(), happened) << nth << " " << status.ToString();
    EXPECT_TRUE(happened || nth > 1);
    ExpectModel();
    if (!happened) break;
  }
  CompactAll();
  ExpectModel();
}

// Each write, sync, creation and removal of a segment fails in turn.
TEST_F(DbCompactionTest, FailedWritesAreTriedAgain) {
  const auto faults = FaultFileSystem::New(Env::Default().file_system);
  options_.env.file_system = faults;
  options_.compaction_style = CompactionStyle::kNone;
  Open();
  for (const FaultOp op : {FaultOp::kCreate, FaultOp::kWrite, FaultOp::kSync, FaultOp::kClose,
                           FaultOp::kDirectorySync, FaultOp::kRemove}) {
    for (uint64_t nth = 1; nth <= 3; ++nth) {
      SCOPED_TRACE("op " + std::to_string(static_cast<int>(op)) + " number " + std::to_string(nth));
      for (int run = 0; run < 2; ++run) {  // at least: one alone would only be moved
        Churn(750, 600, static_cast<uint32_t>(2 * nth) + run);
        ASSERT_TRUE(db_->Flush().ok());
      }
      const std::string part = op == FaultOp::kDirectorySync ? "" : ".seg";
      const size_t fault = faults->Inject({.op = op, .nth = nth, .path_part = part});
      const Status status = db_->CompactRange({}, std::nullopt, std::nullopt);
      if (op == FaultOp::kRemove) {
        // In the background, when both roots are without what was merged. Each flush is a commit.
        for (int n = 0; n < 10'000 && faults->hits(fault) == 0; ++n) {
          Churn(100, 600, static_cast<uint32_t>(nth));
          ASSERT_TRUE(db_->Flush().ok());
        }
      }
      if (nth == 1) {
        EXPECT_EQ(faults->hits(fault), 1u);
      }
      faults->RemoveAll();
      std::string error;
      ASSERT_TRUE(db_->GetProperty("varve.background-error", &error));
      EXPECT_EQ(error, "") << status.ToString();
      ExpectModel();
      CompactAll();
      ExpectModel();
    }
  }
  options_.env.file_system = nullptr;
  CloseAndCheck();
}

// A disk without room, but for segments that only the older root still names: a flush that finds no
// room frees them, and then succeeds by itself. The compaction ends while the flush fails, so no
// commit and no idle moment comes to release its inputs.
TEST_F(DbCompactionTest, AFlushThatFindsNoRoomFreesWhatTheOlderRootHolds) {
  const auto faults = FaultFileSystem::New(Env::Default().file_system);
  options_.env.file_system = faults;
  options_.compaction_style = CompactionStyle::kNone;
  Open();
  for (uint32_t round = 0; round < 2; ++round) {
    Churn(100, 50, round);
    ASSERT_TRUE(db_->Flush().ok());
  }
  listener_->HoldMerges(true);
  Thread compaction("compaction", [this] { CompactAll(); });
  listener_->AwaitHeldMerge();
  const size_t full = faults->Inject({.op = FaultOp::kCreate,
                                      .forever = true,
                                      .path_part = ".seg",
                                      .status = Status::NoSpace("full")});
  const size_t freed =
      faults->Inject({.op = FaultOp::kRemove,
                      .path_part = ".seg",
                      .status = Status::OK(),
                      .action = [&](const std::string&) { faults->Remove(full); }});
  Put(7, "needs room");
  EXPECT_TRUE(db_->Flush().IsNoSpace());
  listener_->HoldMerges(false);
  compaction.Join();
  Status status = Status::NoSpace();
  for (int tries = 0; tries < 6'000 && status.IsNoSpace(); ++tries) {
    SleepFor(10'000'000);
    ASSERT_TRUE(db_->Resume().ok());  // it need not wait for its next attempt
    status = db_->Flush();
  }
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(faults->hits(freed), 1u);
  ExpectModel();
  faults->RemoveAll();
  CloseAndCheck();
}

// The only thread is not kept from a flush by a compaction that waits to be tried again. On the
// simulated clock that wait has no end.
TEST_F(DbCompactionTest, WaitingToTryAgainHoldsNothingUp) {
  const auto faults = FaultFileSystem::New(Env::Default().file_system);
  options_.env.file_system = faults;
  const auto clock = std::make_shared<SimClock>();
  options_.env.clock = clock;
  options_.background_threads = 1;
  options_.level0_runs_trigger = 2;
  Open();
  const size_t fault = faults->Inject({.op = FaultOp::kRead, .forever = true, .path_part = ".seg"});
  for (uint32_t round = 0; round < 2; ++round) {
    Churn(100, 50, round);
    ASSERT_TRUE(db_->Flush().ok());
  }
  while (faults->hits(fault) == 0) SleepFor(1'000'000);
  for (uint32_t round = 0; round < 3; ++round) {
    Churn(100, 50, round);
    ASSERT_TRUE(db_->Flush().ok());
    EXPECT_FALSE(db_->CompactRange({}, std::nullopt, std::nullopt).ok());
  }
  faults->RemoveAll();
  EXPECT_EQ(listener_->merges(), 0u);
  ASSERT_TRUE(db_->Resume().ok());  // it need not wait
  CompactAll();
  ExpectModel();
  CloseAndCheck();
  options_.env = Env::Default();
}

TEST_F(DbCompactionTest, CloseCancelsWhatRuns) {
  for (int round = 0; round < 5; ++round) {
    Open();
    Churn(4000, 3000, static_cast<uint32_t>(round));
    CloseAndCheck();
  }
  Open();
  ExpectModel();
}

// Before a compaction, a run of tombstones that an iterator has to pass triggers one. Nothing else
// would here: there are too few runs, and too few tombstones beside what lies beneath.
TEST_F(DbCompactionTest, ALongRunOfTombstonesIsCompactedAway) {
  options_.compaction_style = CompactionStyle::kTiered;
  options_.tiered_runs_trigger = 64;
  options_.memtable_bytes = 16 << 20;  // two runs, whatever the speed: all keys, all tombstones
  constexpr uint32_t kDead = 6000, kKeys = 12 * kDead;
  Open();
  for (uint32_t i = 0; i < kKeys; ++i) Put(i, "v");
  CompactAll();
  for (uint32_t i = 0; i < kDead; ++i) {
    ASSERT_TRUE(db_->Delete({}, Key(i)).ok());
    model_.erase(Key(i));
  }
  ASSERT_TRUE(db_->Flush().ok());
  EXPECT_EQ(Property("num-sorted-runs"), 2u);
  EXPECT_EQ(Property("compaction-pending"), 0u);
  const uint64_t before = listener_->merges();
  for (int tries = 0; listener_->merges() == before; ++tries) {
    ASSERT_LT(tries, kPatience);
    const std::unique_ptr<Iterator> it = db_->NewIterator({});
    it->SeekToFirst();
    ASSERT_TRUE(it->Valid());
    EXPECT_EQ(it->key(), Slice(Key(kDead)));
    SleepFor(kLookNanos);
  }
  ExpectModel();
}

// A million deleted keys, which a seek has to pass: the run is compacted away by itself, and then
// such a seek reads no more than any other.
TEST_F(DbCompactionTest, AMillionDeletedKeysCostASeekNothingAfterwards) {
  constexpr uint32_t kDead = 1'000'000, kKeys = kDead + 1000, kBatch = 10'000;
  options_.compaction_style = CompactionStyle::kTiered;
  options_.tiered_runs_trigger = 64;
  options_.memtable_bytes = size_t{256} << 20;
  options_.segment_bytes = 8 << 20;
  Open();
  const auto write_all = [&](uint32_t keys, auto add) {
    for (uint32_t i = 0; i < keys; i += kBatch) {
      WriteBatch batch;
      for (uint32_t j = i; j < std::min(i + kBatch, keys); ++j) {
        char key[16];
        std::snprintf(key, sizeof(key), "key%09u", j);
        ASSERT_TRUE(add(&batch, key).ok());
      }
      ASSERT_TRUE(db_->Write({}, batch).ok());
    }
    ASSERT_TRUE(db_->Flush().ok());
  };
  write_all(kKeys, [](WriteBatch* batch, const char* key) { return batch->Put(key, "v"); });
  write_all(kDead, [](WriteBatch* batch, const char* key) { return batch->Delete(key); });
  const auto seek = [&](const char* target) {
    Statistics& statistics = *options_.statistics;
    const uint64_t hidden = statistics.Get(Counter::kHiddenRunEntries);
    const auto blocks_read = [&] {
      return statistics.Get(Counter::kBlockCacheHits) + statistics.Get(Counter::kBlockCacheMisses);
    };
    const uint64_t blocks = blocks_read();
    const std::unique_ptr<Iterator> it = db_->NewIterator({});
    it->Seek(target);
    EXPECT_TRUE(it->Valid());
    if (it->Valid()) {
      EXPECT_EQ(it->key(), Slice("key001000000"));
    }
    return std::pair(statistics.Get(Counter::kHiddenRunEntries) - hidden, blocks_read() - blocks);
  };
  EXPECT_GE(seek("key").first, kDead);
  for (int tries = 0; seek("key").first != 0; ++tries) {
    ASSERT_LT(tries, kPatience);
    SleepFor(kLookNanos);
  }
  EXPECT_EQ(Property("num-entries"), kKeys - kDead);
  EXPECT_LE(seek("key").second, seek("key001000000").second + 1);
  EXPECT_LE(seek("key000500000").second, seek("key001000000").second + 1);
}

// Keeps everything, and holds the first thread that asks until a second one does.
class Meeting : public CompactionFilter {
 public:
  const char* Name() const override { return "meeting"; }
  Decision Filter(int, Slice, Slice, std::string*) const override {
    thread_local const Meeting* came_to = nullptr;
    if (came_to == this) return Decision::kKeep;
    came_to = this;
    MutexLock lock(&mu_);
    ++threads_;
    changed_.SignalAll();
    for (int tries = 0; threads_ < 2 && tries < 4800; ++tries) changed_.WaitFor(&mu_, 50'000'000);
    return Decision::kKeep;
  }
  int threads() const {
    MutexLock lock(&mu_);
    return threads_;
  }

 private:
  mutable Mutex mu_;
  mutable CondVar changed_;
  mutable int threads_ GUARDED_BY(mu_) = 0;
};

// The parts of a large compaction run side by side: one is under way while another is.
TEST_F(DbCompactionTest, PartsRunSideBySide) {
  const auto meeting = std::make_shared<Meeting>();
  options_.compression = Compression::kNone;
  Open();
  for (uint32_t i = 0; i < 8000; ++i) Put(i, std::string(100, 'v'));
  CompactAll();
  CloseAndCheck();
  options_.compaction_filter = meeting;
  Open();
  CompactAll(/*rewrite_deepest=*/true);
  EXPECT_GE(meeting->threads(), 2);
  ExpectModel();
}

// A database at rest takes hardly more than its data, without being asked.
TEST_F(DbCompactionTest, AQuietDatabaseShrinks) {
  Open();
  Churn(20000, 4000, 1);
  ASSERT_TRUE(db_->Flush().ok());
  for (int tries = 0; Property("compaction-pending") != 0; ++tries) {
    ASSERT_LT(tries, kPatience);
    SleepFor(kLookNanos);
  }
  const uint64_t rest = Property("segment-bytes");
  CompactAll(/*rewrite_deepest=*/true);
  EXPECT_LE(static_cast<double>(rest), 1.15 * static_cast<double>(Property("segment-bytes")));
  ExpectModel();
}

// A tree may be opened with another style at any time.
TEST_F(DbCompactionTest, StylesMayChange) {
  const CompactionStyle styles[] = {CompactionStyle::kLeveled, CompactionStyle::kTiered,
                                    CompactionStyle::kNone, CompactionStyle::kLeveled};
  uint32_t seed = 0;
  for (const CompactionStyle style : styles) {
    options_.compaction_style = style;
    Open();
    Churn(5000, 2000, ++seed);
    ExpectModel();
    CloseAndCheck();
  }
  Open();
  CompactAll();
  EXPECT_EQ(Property("num-entries"), model_.size());
  ExpectModel();
}

}  // namespace
}  // namespace varve
