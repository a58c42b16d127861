// What the public interface promises, on the real file system.

#include "varve/db.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/comparators.h"
#include "tests/support/temp_dir.h"

namespace varve {
namespace {

class DbTest : public ::testing::Test {
 protected:
  DbTest() {
    options_.create_if_missing = true;
    options_.memtable_bytes = 64 << 10;
  }
  void SetUp() override { Open(); }

  void Open() {
    const Status status = DB::Open(options_, path(), &db_);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  void Reopen() {
    const Status status = db_->Close();
    ASSERT_TRUE(status.ok()) << status.ToString();
    db_.reset();
    Open();
  }
  std::string path() const { return dir_.File("db"); }

  void Put(Slice key, Slice value) { EXPECT_TRUE(db_->Put({}, key, value).ok()); }
  void Delete(Slice key) { EXPECT_TRUE(db_->Delete({}, key).ok()); }
  std::string Get(Slice key, const Snapshot* snapshot = nullptr) {
    ReadOptions options;
    options.snapshot = snapshot;
    std::string value;
    const Status status = db_->Get(options, key, &value);
    return status.ok() ? value : status.ToString();
  }
  void Flush() {
    const Status status = db_->Flush();
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  uint64_t IntProperty(Slice name) {
    uint64_t value = 0;
    EXPECT_TRUE(db_->GetIntProperty(name, &value)) << name;
    return value;
  }
  // "a=1 b=2", forwards; checks that backwards gives the same.
  std::string Contents(ReadOptions options = {}) {
    auto it = db_->NewIterator(options);
    std::vector<std::string> forward, backward;
    const auto entry = [&] { return std::string(it->key()) + "=" + std::string(it->value()); };
    for (it->SeekToFirst(); it->Valid(); it->Next()) forward.push_back(entry());
    EXPECT_TRUE(it->status().ok()) << it->status().ToString();
    for (it->SeekToLast(); it->Valid(); it->Prev()) backward.push_back(entry());
    std::reverse(backward.begin(), backward.end());
    EXPECT_EQ(forward, backward);
    std::string text;
    for (const std::string& e : forward) text += (text.empty() ? "" : " ") + e;
    return text;
  }

  TempDir dir_;
  Options options_;
  std::unique_ptr<DB> db_;
};

TEST_F(DbTest, EmptyDatabase) {
  EXPECT_EQ(Get("a"), "NotFound");
  EXPECT_EQ(Contents(), "");
  Reopen();
  EXPECT_EQ(Contents(), "");
}

TEST_F(DbTest, PutGetDelete) {
  Put("a", "1");
  Put("b", "2");
  Put("a", "3");
  EXPECT_EQ(Get("a"), "3");
  Delete("b");
  Delete("never");
  EXPECT_EQ(Get("b"), "NotFound");
  EXPECT_EQ(Contents(), "a=3");
}

TEST_F(DbTest, FindsEverythingAfterCloseAndFlush) {
  Put("a", "1");
  Put("b", "1");
  Flush();
  Put("b", "2");
  Delete("a");
  Put("c", "");
  EXPECT_EQ(Contents(), "b=2 c=");
  Reopen();
  EXPECT_EQ(Contents(), "b=2 c=");
  EXPECT_EQ(Get("a"), "NotFound");
  Flush();
  Reopen();
  EXPECT_EQ(Contents(), "b=2 c=");
}

// The destructor alone closes as well.
TEST_F(DbTest, DestructorCloses) {
  Put("a", "1");
  db_.reset();
  Open();
  EXPECT_EQ(Get("a"), "1");
}

// The engine keeps nothing of its own among the keys, and a key's end is not guessed from its bytes
// (Checklist S12, C6).
TEST_F(DbTest, EmptyKeyAndBytesOfAllKinds) {
  const std::string zeros("\0\0", 2), high("\xff\xff", 2);
  Put("", "empty");
  Put(zeros, "zeros");
  Put(high, std::string("\0v\0", 3));
  Flush();
  EXPECT_EQ(Get(""), "empty");
  EXPECT_EQ(Get(zeros), "zeros");
  EXPECT_EQ(Get(high), std::string("\0v\0", 3));
  Reopen();
  EXPECT_EQ(Get(""), "empty");
  auto it = db_->NewIterator({});
  it->SeekToFirst();
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ(it->key(), "");
}

TEST_F(DbTest, KeysAndValuesAtTheirLimits) {
  const std::string longest(WriteBatch::kKeyBytesMax, 'k');
  Put(longest, "v");
  const Status status = db_->Put({}, longest + "k", "v");
  EXPECT_TRUE(status.IsInvalidArgument()) << status.ToString();
  EXPECT_NE(status.message().find("65537"), std::string::npos) << status.ToString();
  const std::string large(5 << 20, 'v');  // larger than a memtable and its log
  Put("large", large);
  EXPECT_EQ(Get("large"), large);
  Put("after", "1");
  Flush();
  EXPECT_EQ(Get("large"), large);
  Reopen();
  EXPECT_EQ(Get("large"), large);
  EXPECT_EQ(Get(longest), "v");
  EXPECT_EQ(Get("after"), "1");
}

// Checklist L6.
TEST_F(DbTest, WhatWasGivenMayBeReusedAtOnce) {
  std::string key = "a", value(1000, '1');
  ASSERT_TRUE(db_->Put({}, key, value).ok());
  key = "b";
  value.assign(value.size(), '2');
  ASSERT_TRUE(db_->Put({}, key, value).ok());
  WriteBatch batch;
  ASSERT_TRUE(batch.Put(key = "c", value.assign(value.size(), '3')).ok());
  key = "x", value.assign(value.size(), 'x');
  ASSERT_TRUE(db_->Write({}, batch).ok());
  batch.Clear();
  ASSERT_TRUE(batch.Put("d", value).ok());
  for (int n = 0; n < 2; ++n) {
    EXPECT_EQ(Get("a"), std::string(1000, '1'));
    EXPECT_EQ(Get("b"), std::string(1000, '2'));
    EXPECT_EQ(Get("c"), std::string(1000, '3'));
    EXPECT_EQ(Get("d"), "NotFound");
    Reopen();
  }
}

// Checklist L3, W15: in a batch the last entry of a key wins, whatever the kinds.
TEST_F(DbTest, BatchIsAppliedInOrder) {
  WriteBatch batch;
  ASSERT_TRUE(batch.Put("a", "1").ok());
  ASSERT_TRUE(batch.Delete("a").ok());
  ASSERT_TRUE(batch.Put("b", "1").ok());
  ASSERT_TRUE(batch.Delete("c").ok());
  ASSERT_TRUE(batch.Put("c", "2").ok());
  ASSERT_TRUE(db_->Write({}, batch).ok());
  EXPECT_EQ(Contents(), "b=1 c=2");
  ASSERT_TRUE(db_->Write({}, batch).ok());  // unchanged, may be reused
  Reopen();
  EXPECT_EQ(Contents(), "b=1 c=2");
}

TEST_F(DbTest, DamagedBatchIsRefusedWhole) {
  WriteBatch batch;
  ASSERT_TRUE(batch.Put("a", "1").ok());
  ASSERT_TRUE(batch.Put("b", "2").ok());
  const std::string data(batch.Data());
  const WriteBatch cut = WriteBatch::FromData(Slice(data).substr(0, data.size() - 1));
  EXPECT_TRUE(db_->Write({}, cut).IsCorruption());
  EXPECT_EQ(Contents(), "");
  Put("c", "3");
  Reopen();
  EXPECT_EQ(Contents(), "c=3");
}

TEST_F(DbTest, SnapshotsRepeatThemselves) {
  Put("a", "1");
  Put("b", "1");
  auto first = db_->GetSnapshot();
  Put("a", "2");
  Delete("b");
  auto second = db_->GetSnapshot();
  Put("a", "3");
  Put("b", "3");
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(Get("a", first.get()), "1");
    EXPECT_EQ(Get("b", first.get()), "1");
    EXPECT_EQ(Get("a", second.get()), "2");
    EXPECT_EQ(Get("b", second.get()), "NotFound");
    EXPECT_EQ(Get("a"), "3");
    ReadOptions options;
    options.snapshot = second.get();
    EXPECT_EQ(Contents(options), "a=2");
    Flush();  // drops what nobody can see, and nothing else
  }
  EXPECT_EQ(IntProperty("varve.num-snapshots"), 2u);
}

TEST_F(DbTest, FlushDropsVersionsNobodySees) {
  for (int i = 0; i < 100; ++i) Put("a", std::to_string(i));
  Flush();
  EXPECT_EQ(IntProperty("varve.num-entries"), 1u);
  EXPECT_EQ(Get("a"), "99");
}

TEST_F(DbTest, IteratorKeepsItsStateAndRefreshes) {
  Put("a", "1");
  auto it = db_->NewIterator({});
  Put("a", "2");
  Put("b", "1");
  Flush();
  it->SeekToFirst();
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ(it->value(), "1");
  it->Next();
  EXPECT_FALSE(it->Valid());
  ASSERT_TRUE(it->Refresh().ok());
  EXPECT_FALSE(it->Valid());
  it->SeekToLast();
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ(it->key(), "b");
}

TEST_F(DbTest, IteratorHonoursBounds) {
  for (const char* key : {"a", "b", "c", "d"}) Put(key, "1");
  Flush();
  ReadOptions options;
  {
    const std::string lower = "b", upper = "d";  // borrowed only while the iterator is made
    options.lower_bound = lower;
    options.upper_bound = upper;
    EXPECT_EQ(Contents(options), "b=1 c=1");
  }
  options.lower_bound = "bb";
  options.upper_bound = "bc";
  EXPECT_EQ(Contents(options), "");
}

TEST_F(DbTest, SeekForPrev) {
  for (const char* key : {"b", "d"}) Put(key, "1");
  auto it = db_->NewIterator({});
  it->SeekForPrev("c");
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ(it->key(), "b");
  it->SeekForPrev("d");
  EXPECT_EQ(it->key(), "d");
  it->SeekForPrev("a");
  EXPECT_FALSE(it->Valid());
  EXPECT_TRUE(it->status().ok());
}

TEST_F(DbTest, MultiGetAnswersEachKey) {
  Put("segment", "1");
  Put("gone", "1");
  Flush();
  Put("memtable", "2");
  Delete("gone");
  const std::vector<Slice> keys = {"memtable", "missing", "segment", "gone", "segment"};
  std::vector<PinnedValue> values(keys.size());
  std::vector<Status> statuses(keys.size());
  db_->MultiGet({}, keys, values, statuses);
  EXPECT_EQ(values[0].ToString(), "2");
  EXPECT_TRUE(statuses[1].IsNotFound());
  EXPECT_EQ(values[2].ToString(), "1");
  EXPECT_TRUE(statuses[3].IsNotFound());
  EXPECT_EQ(values[4].ToString(), "1");
  statuses.pop_back();
  db_->MultiGet({}, keys, values, statuses);
  for (const Status& status : statuses) EXPECT_TRUE(status.IsInvalidArgument());
}

// A cached read copies nothing, and its bytes outlive the database (RULES R10).
TEST_F(DbTest, PinnedValueOutlivesClose) {
  Put("a", std::string(1000, 'v'));
  Flush();
  PinnedValue value;
  ASSERT_TRUE(db_->Get({}, "a", &value).ok());
  EXPECT_TRUE(value.pinned());
  ASSERT_TRUE(db_->Close().ok());
  db_.reset();
  EXPECT_EQ(value.ToString(), std::string(1000, 'v'));
}

// Checklist L1.
TEST_F(DbTest, CloseIsBusyWhileIteratorsOrSnapshotsLive) {
  Put("a", "1");
  auto it = db_->NewIterator({});
  EXPECT_TRUE(db_->Close().IsBusy());
  EXPECT_EQ(Get("a"), "1");  // nothing changed
  it.reset();
  auto snapshot = db_->GetSnapshot();
  EXPECT_TRUE(db_->Close().IsBusy());
  Put("b", "1");
  snapshot.reset();
  EXPECT_TRUE(db_->Close().ok());
  EXPECT_TRUE(db_->Close().ok());
  EXPECT_TRUE(db_->Put({}, "a", "1").IsAborted());
  EXPECT_TRUE(db_->Flush().IsAborted());
  EXPECT_TRUE(db_->SyncWAL().IsAborted());
  EXPECT_EQ(Get("a"), "Aborted: " + path() + ": closed");
  EXPECT_TRUE(db_->NewIterator({})->status().IsAborted());
}

TEST_F(DbTest, IteratorOutlivesTheDatabase) {
  Put("a", "1");
  Flush();
  Put("b", "2");
  auto it = db_->NewIterator({});
  auto snapshot = db_->GetSnapshot();
  db_.reset();
  it->SeekToFirst();
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ(it->value(), "1");
  it->Next();
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ(it->value(), "2");
}

TEST_F(DbTest, UnloggedWritesAreDurableAfterFlush) {
  WriteOptions unlogged;
  unlogged.disable_wal = true;
  ASSERT_TRUE(db_->Put(unlogged, "a", "1").ok());
  EXPECT_EQ(Get("a"), "1");
  ASSERT_TRUE(db_->Put({}, "b", "2").ok());  // waits for a flush of what is before it
  EXPECT_GE(IntProperty("varve.num-segments"), 1u);
  ASSERT_TRUE(db_->Put(unlogged, "c", "3").ok());
  Reopen();  // Close flushes what is in no log
  EXPECT_EQ(Contents(), "a=1 b=2 c=3");
  unlogged.sync = true;
  EXPECT_TRUE(db_->Put(unlogged, "d", "4").IsInvalidArgument());
}

TEST_F(DbTest, ManyMemtablesBecomeFewSegments) {
  const std::string value(100, 'v');
  for (int i = 0; i < 5000; ++i) Put("key" + std::to_string(i), value);
  EXPECT_EQ(Get("key4321"), value);
  Flush();
  const uint64_t switched = 5000 * 120 / (64 << 10);
  EXPECT_LT(IntProperty("varve.num-segments"), switched);
  for (int i = 0; i < 5000; i += 7) EXPECT_EQ(Get("key" + std::to_string(i)), value);
  Reopen();
  for (int i = 0; i < 5000; i += 7) EXPECT_EQ(Get("key" + std::to_string(i)), value);
}

TEST_F(DbTest, PropertiesAreThere) {
  Put("a", "1");
  std::string value;
  for (const char* name : {"varve.num-segments",
                           "varve.segment-bytes",
                           "varve.num-entries",
                           "varve.memtable-bytes",
                           "varve.num-immutable-memtables",
                           "varve.block-cache-usage",
                           "varve.block-cache-capacity",
                           "varve.num-snapshots",
                           "varve.oldest-snapshot-sequence",
                           "varve.last-sequence",
                           "varve.durable-position",
                           "varve.background-error",
                           "varve.wal-bytes",
                           "varve.live-bytes",
                           "varve.is-write-stopped",
                           "varve.stats",
                           "varve.segments",
                           "varve.options",
                           "varve.open-segments",
                           "varve.segment-reader-bytes",
                           "varve.segment-heat-bytes",
                           "varve.admission-bytes",
                           "varve.memory-budget",
                           "varve.memory-usage",
                           "varve.manifest-commits",
                           "varve.manifest-bytes-written"}) {
    EXPECT_TRUE(db_->GetProperty(name, &value)) << name;
  }
  EXPECT_FALSE(db_->GetProperty("varve.no-such", &value));
  EXPECT_FALSE(db_->GetProperty("num-segments", &value));
  EXPECT_EQ(IntProperty("varve.last-sequence"), 1u);
  EXPECT_GT(IntProperty("varve.wal-bytes"), 0u);
  EXPECT_GE(IntProperty("varve.live-bytes"), IntProperty("varve.wal-bytes"));
  EXPECT_GE(IntProperty("varve.memory-usage"),
            IntProperty("varve.memtable-bytes") + IntProperty("varve.block-cache-usage"));
  EXPECT_LE(IntProperty("varve.memory-usage"), IntProperty("varve.memory-budget"));
  const uint64_t budget = IntProperty("varve.memory-budget");
  const uint64_t cache = IntProperty("varve.block-cache-capacity");
  ASSERT_TRUE(
      db_->SetOptions({{"block_cache_bytes", std::to_string(cache + (size_t{5} << 20))}}).ok());
  EXPECT_EQ(IntProperty("varve.memory-budget"), budget + (uint64_t{5} << 20));
}

TEST_F(DbTest, ApproximateSizesFollowTheKeys) {
  for (int i = 0; i < 2000; ++i) {
    char key[16];
    snprintf(key, sizeof(key), "%06d", i);
    std::string value(100, 'v');
    for (size_t j = 0; j < value.size(); ++j) value[j] = static_cast<char>(i * 31 + j * j);
    Put(key, value);
  }
  Flush();
  const std::vector<DB::Range> ranges = {
      {"000000", "001000"}, {"001000", "002000"}, {"000000", "002000"}, {"x", "y"}, {"5", "1"}};
  std::vector<uint64_t> sizes(ranges.size());
  ASSERT_TRUE(db_->GetApproximateSizes(ranges, sizes.data()).ok());
  EXPECT_GT(sizes[0], 50'000u);
  EXPECT_NEAR(static_cast<double>(sizes[0] + sizes[1]), sizes[2], 8192);
  EXPECT_EQ(sizes[3], 0u);
  EXPECT_EQ(sizes[4], 0u);
}

// Of many segments in a range only those are opened that it cuts.
TEST_F(DbTest, ApproximateSizesOpenTheEdgesAlone) {
  db_.reset();
  options_.segment_bytes = 64 << 10;
  Open();
  uint64_t bytes = 0;
  for (int i = 0; i < 9000; ++i) {
    std::string value(100, 'v');
    for (size_t j = 0; j < value.size(); ++j) value[j] = static_cast<char>(i * 31 + j * j);
    Put("key" + std::to_string(10'000 + i), value);
    bytes += 8 + value.size();
  }
  ASSERT_TRUE(db_->CompactRange({.rewrite_deepest = true}, std::nullopt, std::nullopt).ok());
  ASSERT_GT(IntProperty("varve.num-segments"), 10u);
  db_.reset();
  Open();
  ASSERT_EQ(IntProperty("varve.open-segments"), 0u);
  const std::vector<DB::Range> ranges = {{"a", "z"}, {"key10000", "key20000"}};
  std::vector<uint64_t> sizes(ranges.size());
  ASSERT_TRUE(db_->GetApproximateSizes(ranges, sizes.data()).ok());
  EXPECT_EQ(IntProperty("varve.open-segments"), 0u);
  EXPECT_EQ(sizes[0], IntProperty("varve.segment-bytes"));
  EXPECT_EQ(sizes[1], sizes[0]);
  const DB::Range inner{"key11500", "key17500"};
  ASSERT_TRUE(db_->GetApproximateSizes({&inner, 1}, sizes.data()).ok());
  EXPECT_EQ(IntProperty("varve.open-segments"), 2u);
  EXPECT_NEAR(static_cast<double>(sizes[0]), static_cast<double>(sizes[1]) * 2 / 3,
              static_cast<double>(bytes) / 20);
}

TEST_F(DbTest, SetOptionsChangesWhatIsLive) {
  EXPECT_TRUE(db_->SetOptions({{"memtable_bytes", "131072"}, {"block_cache_bytes", "0"}}).ok());
  EXPECT_EQ(IntProperty("varve.block-cache-capacity"), 0u);
  std::string text;
  ASSERT_TRUE(db_->GetProperty("varve.options", &text));
  EXPECT_NE(text.find("memtable_bytes = 131072"), std::string::npos);
  EXPECT_TRUE(db_->SetOptions({{"compression", "1"}}).IsInvalidArgument());
  Put("a", "1");
  Flush();
  EXPECT_EQ(Get("a"), "1");
}

TEST_F(DbTest, StatisticsCount) {
  db_.reset();
  options_.statistics = Statistics::Create();
  Open();
  const auto count = [&](Counter counter) { return options_.statistics->Get(counter); };
  Put("a", "12");
  Get("a");
  Flush();
  Get("a");
  Get("b");
  EXPECT_EQ(count(Counter::kWrites), 1u);
  EXPECT_EQ(count(Counter::kWriteEntries), 1u);
  EXPECT_GE(count(Counter::kWriteBytes), 3u);
  EXPECT_EQ(count(Counter::kGets), 3u);
  EXPECT_EQ(count(Counter::kGetHits), 2u);
  EXPECT_EQ(count(Counter::kGetBytes), 4u);
  EXPECT_EQ(count(Counter::kMemtableHits), 1u);
  EXPECT_EQ(count(Counter::kFlushes), 1u);
  EXPECT_GT(count(Counter::kFlushBytes), 0u);
  EXPECT_GT(count(Counter::kWalBytes), 0u);
  EXPECT_GE(count(Counter::kWalSyncs), 1u);
  EXPECT_GE(count(Counter::kManifestCommits), 1u);
  EXPECT_EQ(count(Counter::kManifestBytes) % 4096, 0u);
  EXPECT_GE(count(Counter::kManifestBytes), 4096u);
  Contents();
  EXPECT_EQ(count(Counter::kSeeks), 2u);
  EXPECT_EQ(count(Counter::kIteratorSteps), 2u);
  EXPECT_EQ(options_.statistics->GetHistogram(Latency::kSeek).count, 2u);
  EXPECT_GE(options_.statistics->GetHistogram(Latency::kSegmentRead).count, 1u);
  EXPECT_GE(options_.statistics->GetHistogram(Latency::kManifestCommit).count, 1u);
  EXPECT_EQ(options_.statistics->GetHistogram(Latency::kGet).count, 3u);
  EXPECT_EQ(options_.statistics->GetHistogram(Latency::kWrite).count, 1u);
}

// A spare log made for small memtables does not do for a large record.
TEST_F(DbTest, MemtableBytesMayGrowWhileOpen) {
  for (int round = 0; round < 3; ++round) {
    Put("small", "1");
    ASSERT_TRUE(db_->SetOptions({{"memtable_bytes", std::to_string(32 << 20)}}).ok());
    Put("large" + std::to_string(round), std::string(9 << 20, 'v'));
    ASSERT_TRUE(db_->SetOptions({{"memtable_bytes", std::to_string(64 << 10)}}).ok());
  }
  Put("after", "1");
  Reopen();
  EXPECT_EQ(Get("large2").size(), size_t{9} << 20);
  EXPECT_EQ(Get("after"), "1");
}

TEST_F(DbTest, CustomComparatorOrdersAndIsRemembered) {
  db_.reset();
  ASSERT_TRUE(DB::Destroy(options_, path()).ok());
  options_.comparator = ReverseComparator();
  Open();
  for (const char* key : {"a", "c", "b"}) Put(key, "1");
  EXPECT_EQ(Contents(), "c=1 b=1 a=1");
  Flush();
  EXPECT_EQ(Contents(), "c=1 b=1 a=1");
  Reopen();
  EXPECT_EQ(Get("b"), "1");
  db_.reset();
  options_.comparator = BytewiseComparator();
  const Status status = DB::Open(options_, path(), &db_);
  EXPECT_TRUE(status.IsInvalidArgument()) << status.ToString();
  EXPECT_NE(status.message().find("test.Reverse"), std::string::npos) << status.ToString();
  options_.comparator = ReverseComparator();
  Open();
  EXPECT_EQ(Contents(), "c=1 b=1 a=1");
  db_.reset();  // before the comparator
}

}  // namespace
}  // namespace varve
