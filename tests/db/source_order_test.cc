// Histories of docs/cache.md in which an older source would come to stand before a newer one, or
// what hides an older version would go too early, on the engine: what each would serve is stale.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/db/sim_database.h"
#include "tests/support/sim_file_system.h"
#include "util/mutex.h"
#include "util/thread.h"
#include "varve/listener.h"

namespace varve {
namespace {

// Tells when something has ended.
class Endings : public EventListener {
 public:
  void OnFlushEnd(const FlushInfo& info) override {
    MutexLock lock(&mu_);
    ++(info.status.ok() ? flushes_ : failures_);
    changed_.SignalAll();
  }
  void OnCompactionEnd(const CompactionInfo& info) override {
    if (!info.status.ok() || info.trivial_move) return;
    MutexLock lock(&mu_);
    ++merges_;
    merged_ = 0;
    for (const auto& input : info.inputs) merged_ += input.segments.size();
    changed_.SignalAll();
  }

  void AwaitFlushes(int flushes, int failures) {
    MutexLock lock(&mu_);
    while (flushes_ < flushes || failures_ < failures) changed_.Wait(&mu_);
  }
  // Segments that the last merge took.
  size_t AwaitMerge() {
    MutexLock lock(&mu_);
    while (merges_ == 0) changed_.Wait(&mu_);
    return merged_;
  }

 private:
  Mutex mu_;
  CondVar changed_;
  int flushes_ GUARDED_BY(mu_) = 0;
  int failures_ GUARDED_BY(mu_) = 0;
  int merges_ GUARDED_BY(mu_) = 0;
  size_t merged_ GUARDED_BY(mu_) = 0;
};

class SourceOrder : public ::testing::TestWithParam<bool> {
 protected:
  SourceOrder() {
    options_ = SimDatabaseOptions(files_);
    if (GetParam()) options_.capacity_bytes = uint64_t{1} << 30;
    options_.compaction_style = CompactionStyle::kNone;
    options_.memtables_max = 3;  // so that each flush takes one
    options_.flush_memtables_min = 1;
    options_.listeners = {endings_};
  }
  void SetUp() override { Open(); }

  void Open() {
    const Status status = DB::Open(options_, "/db", &db_);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  // As after the death of the process.
  void Kill() {
    const SimDisk disk = files_->disk().Kill();
    db_.reset();
    files_ = SimFileSystem::New({}, disk);
    options_.env.file_system = files_;
    Open();
  }
  void Put(Slice key, Slice value) { ASSERT_TRUE(db_->Put({}, key, value).ok()); }
  void Flush() { ASSERT_TRUE(db_->Flush().ok()); }
  // The active memtable becomes one that waits for its flush. Background work is paused.
  void Rotate() { ASSERT_TRUE(db_->Flush({.wait = false}).ok()); }

  // What every kind of read finds: the value, or "-".
  std::string Read(Slice key, const Snapshot* snapshot = nullptr) {
    ReadOptions options;
    options.snapshot = snapshot;
    std::string value;
    const Status status = db_->Get(options, key, &value);
    const std::string got = status.ok() ? value : status.IsNotFound() ? "-" : status.ToString();
    const std::vector<Slice> keys = {key};
    std::vector<PinnedValue> values(1);
    std::vector<Status> statuses(1);
    db_->MultiGet(options, keys, values, statuses);
    EXPECT_EQ(statuses[0].ok() ? values[0].ToString() : "-", got);
    const auto it = db_->NewIterator(options);
    it->Seek(key);
    EXPECT_EQ(it->Valid() && it->key() == key ? std::string(it->value()) : "-", got);
    it->SeekForPrev(key);
    EXPECT_EQ(it->Valid() && it->key() == key ? std::string(it->value()) : "-", got);
    return got;
  }
  uint64_t Property(const std::string& name) {
    uint64_t value = 0;
    EXPECT_TRUE(db_->GetIntProperty("varve." + name, &value)) << name;
    return value;
  }

  std::shared_ptr<SimFileSystem> files_ = SimFileSystem::New({.track = false});
  std::shared_ptr<Endings> endings_ = std::make_shared<Endings>();
  Options options_;
  std::unique_ptr<DB> db_;
};

// H1, H3, H5: put 1, rotate, put 1, rotate, and only one flush comes to its end.
TEST_P(SourceOrder, TheOldestMemtableIsFlushedFirst) {
  ASSERT_TRUE(db_->PauseBackgroundWork().ok());
  Put("1", "old");
  Rotate();
  Put("1", "new");
  Rotate();
  files_->InjectFault({.calls = kSimCreate, .path_part = ".seg", .nth = 2, .forever = true});
  ASSERT_TRUE(db_->ContinueBackgroundWork().ok());
  endings_->AwaitFlushes(/*flushes=*/1, /*failures=*/1);
  EXPECT_GT(files_->calls_failed(), 0u);
  ASSERT_EQ(Property("num-segments"), 1u);
  ASSERT_EQ(Property("num-immutable-memtables"), 1u);
  // What came to the disk is what is older: whatever stays in memory may only be newer.
  std::string segments;
  ASSERT_TRUE(db_->GetProperty("varve.segments", &segments));
  EXPECT_NE(segments.find("sequences 1 to 1"), std::string::npos) << segments;
  EXPECT_EQ(Read("1"), "new");
  Kill();
  EXPECT_EQ(Read("1"), "new");
  Flush();
  EXPECT_EQ(Read("1"), "new");
  ASSERT_TRUE(db_->CompactRange({}, std::nullopt, std::nullopt).ok());
  EXPECT_EQ(Read("1"), "new");
}

// H4: put 1, rotate, del 1, rotate; the tombstone's flush may not pass the value's.
TEST_P(SourceOrder, ATombstoneIsNotFlushedBeforeWhatItHides) {
  ASSERT_TRUE(db_->PauseBackgroundWork().ok());
  Put("1", "old");
  Rotate();
  ASSERT_TRUE(db_->Delete({}, "1").ok());
  Rotate();
  files_->InjectFault({.calls = kSimCreate, .path_part = ".seg", .forever = true});
  ASSERT_TRUE(db_->ContinueBackgroundWork().ok());
  endings_->AwaitFlushes(/*flushes=*/0, /*failures=*/2);
  EXPECT_EQ(Property("num-segments"), 0u);
  EXPECT_EQ(Read("1"), "-");
  files_->ClearFault();
  // An attempt that was under way still fails, and tells whoever waits for it.
  for (int tries = 0; !db_->Flush().ok() && tries < 4800; ++tries) SleepFor(50'000'000);
  EXPECT_EQ(Property("num-immutable-memtables"), 0u);
  EXPECT_EQ(Read("1"), "-");
  Kill();
  EXPECT_EQ(Read("1"), "-");
  ASSERT_TRUE(db_->CompactRange({}, std::nullopt, std::nullopt).ok());
  EXPECT_EQ(Read("1"), "-");
}

// H32: put 1, flush, del 1, flush, merge 2. Checklist C5.
TEST_P(SourceOrder, AMergeKeepsATombstoneOverAnOlderSegment) {
  ASSERT_TRUE(db_->Close().ok());
  options_.compaction_style = CompactionStyle::kTiered;
  options_.tiered_runs_trigger = 3;
  options_.tiered_space_percent_max = 1000;
  Open();
  Put("1", std::string(40'000, 'o'));  // so much larger that it is not taken along
  Flush();
  ASSERT_TRUE(db_->Delete({}, "1").ok());
  Flush();
  Put("0", "zero");
  Flush();
  ASSERT_EQ(endings_->AwaitMerge(), 2u);
  ASSERT_EQ(Property("num-segments"), 2u);
  EXPECT_EQ(Read("1"), "-");
  EXPECT_EQ(Read("0"), "zero");
  Kill();
  EXPECT_EQ(Read("1"), "-");
}

// H34: put 1, flush, put 1, snapshot, put 1, flush. Checklist C5.
TEST_P(SourceOrder, FlushesAndMergesKeepWhatASnapshotSees) {
  Put("1", "first");
  Flush();
  Put("1", "second");
  const auto snapshot = db_->GetSnapshot();
  Put("1", "third");
  Flush();
  EXPECT_EQ(Read("1", snapshot.get()), "second");
  EXPECT_EQ(Read("1"), "third");
  ASSERT_TRUE(db_->CompactRange({.rewrite_deepest = true}, std::nullopt, std::nullopt).ok());
  EXPECT_EQ(Read("1", snapshot.get()), "second");
  EXPECT_EQ(Read("1"), "third");
}

INSTANTIATE_TEST_SUITE_P(DatabaseAndCache, SourceOrder, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Cache" : "Database"; });

}  // namespace
}  // namespace varve
