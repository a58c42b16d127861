// What a cache's flush makes: segments that expire whole, no more than eight, each key with all its
// versions in one of them and every range tombstone in each (RULES R1.3, H6, H8).

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "db/expiry_cut.h"
#include "db/garbage.h"
#include "db/manifest.h"
#include "table/segment_reader.h"
#include "tests/db/sim_database.h"
#include "tests/support/sim_file_system.h"
#include "util/filename.h"
#include "util/random.h"
#include "varve/db.h"

namespace varve {
namespace {

using std::chrono::milliseconds;

constexpr uint64_t kStart = 1'700'000'000'000;
constexpr uint64_t kMinute = 60'000, kHour = 60 * kMinute, kDay = 24 * kHour;

class ManualClock final : public Clock {
 public:
  uint64_t MonotonicNanos() override { return nanos_.fetch_add(1000); }
  uint64_t BootMillis() override { return 5000 + passed_ms; }
  uint64_t WallMillis() override { return kStart + passed_ms; }

  std::atomic<uint64_t> passed_ms{0};

 private:
  std::atomic<uint64_t> nanos_{1};
};

std::string Key(uint64_t i) { return "key" + std::to_string(100'000 + i * 7919 % 100'000); }

class ExpiryFlushTest : public ::testing::Test {
 protected:
  ExpiryFlushTest() {
    options_ = SimDatabaseOptions(files_);
    options_.env.clock = clock_;
    options_.capacity_bytes = uint64_t{1} << 30;
    options_.compaction_style = CompactionStyle::kNone;
    options_.memtable_bytes = 8 << 20;
    options_.segment_bytes = 128 << 10;
  }
  void Open() {
    const Status status = DB::Open(options_, "/db", &db_);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  // 100 bytes or so each; ttl 0: none.
  void Put(const std::string& key, uint64_t ttl_ms, const std::string& value = "") {
    WriteOptions options;
    if (ttl_ms != 0) options.ttl = milliseconds(ttl_ms);
    const Status status =
        db_->Put(options, key, value.empty() ? key + std::string(90, '.') : value);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  void PutMany(uint64_t from, uint64_t count, uint64_t ttl_ms) {
    for (uint64_t i = from; i < from + count; ++i) Put(Key(i), ttl_ms);
  }
  std::string Get(Slice key, const Snapshot* snapshot = nullptr) {
    ReadOptions options;
    options.snapshot = snapshot;
    std::string value;
    const Status status = db_->Get(options, key, &value);
    return status.ok() ? value : StatusCodeName(status.code());
  }

  struct Segment {
    SegmentEntry entry;
    std::set<std::string> keys;
    size_t versions = 0;
    size_t ranges = 0;
  };
  // Those in the manifest, by when they go.
  std::vector<Segment> Segments() {
    ManifestState state;
    EXPECT_TRUE(Manifest::Inspect(files_.get(), "/db", &state).ok());
    std::vector<Segment> segments;
    for (const SegmentEntry& entry : state.segments) {
      Segment& segment = segments.emplace_back();
      segment.entry = entry;
      const std::string path = SegmentFileName("/db", entry.number);
      std::unique_ptr<RandomAccessFile> file;
      if (!files_->NewRandomAccessFile(path, false, &file).ok()) {
        segments.pop_back();  // has expired, and went meanwhile
        continue;
      }
      SegmentReaderOptions open;
      open.comparator = options_.comparator;
      std::unique_ptr<SegmentReader> reader;
      EXPECT_TRUE(SegmentReader::Open(open, std::move(file), path, entry.number, &reader).ok());
      const auto it = reader->NewIterator({});
      for (it->SeekToFirst(); it->Valid(); it->Next()) {
        segment.keys.emplace(ExtractUserKey(it->key()));
        ++segment.versions;
      }
      if (reader->range_tombstones() != nullptr) {
        segment.ranges = reader->range_tombstones()->Tombstones().size();
      }
    }
    std::sort(segments.begin(), segments.end(), [](const Segment& a, const Segment& b) {
      return AllExpiredFrom(a.entry) < AllExpiredFrom(b.entry);
    });
    return segments;
  }
  // Siblings that have no key in common.
  static void CheckSiblings(const std::vector<Segment>& segments) {
    std::set<std::string> keys;
    for (const Segment& segment : segments) {
      EXPECT_EQ(segment.entry.epoch, segments[0].entry.epoch);
      for (const std::string& key : segment.keys) EXPECT_TRUE(keys.insert(key).second) << key;
    }
  }

  const std::shared_ptr<SimFileSystem> files_ = SimFileSystem::New();
  const std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>();
  Options options_;
  std::unique_ptr<DB> db_;
};

TEST_F(ExpiryFlushTest, WhatDiesTogetherLiesTogether) {
  Open();
  PutMany(0, 600, 10 * kMinute);
  PutMany(600, 600, 5 * kHour);
  PutMany(1200, 600, 3 * kDay);
  PutMany(1800, 600, 0);
  ASSERT_TRUE(db_->Flush().ok());
  const std::vector<Segment> segments = Segments();
  ASSERT_EQ(segments.size(), 4u);
  CheckSiblings(segments);
  const uint64_t expiries[] = {10 * kMinute, 5 * kHour, 3 * kDay};
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(segments[i].entry.entries, 600u);
    EXPECT_EQ(AllExpiredFrom(segments[i].entry), i < 3 ? kStart + expiries[i] : UINT64_MAX);
    EXPECT_EQ(segments[i].entry.expiring, i < 3 ? 600u : 0u);
  }
  // Reads find each.
  for (uint64_t i = 0; i < 2400; i += 100) EXPECT_EQ(Get(Key(i)).substr(0, 9), Key(i));
  clock_->passed_ms = 5 * kHour;
  size_t left = 0;
  const auto it = db_->NewIterator({});
  for (it->SeekToFirst(); it->Valid(); it->Next()) ++left;
  EXPECT_EQ(left, 1200u);
}

// Checklist E11: by the version that lives longest, whichever is newest.
TEST_F(ExpiryFlushTest, AllVersionsOfAKeyGoTogether) {
  Open();
  PutMany(0, 600, 10 * kMinute);
  PutMany(600, 600, 3 * kDay);
  Put("a", 3 * kDay);
  Put("b", 10 * kMinute);
  Put("c", 0, "old");
  Put("d", 0, "old");
  const auto snapshot = db_->GetSnapshot();
  Put("a", 10 * kMinute);
  Put("b", 3 * kDay);
  Put("c", 10 * kMinute, "new");  // H6
  ASSERT_TRUE(db_->Delete({}, "d").ok());
  PutMany(1200, 600, 0);
  ASSERT_TRUE(db_->Flush().ok());
  const std::vector<Segment> segments = Segments();
  ASSERT_EQ(segments.size(), 3u);
  CheckSiblings(segments);
  EXPECT_EQ(segments[0].keys.size(), 600u);
  for (const char* key : {"a", "b"}) EXPECT_EQ(segments[1].keys.count(key), 1u);
  for (const char* key : {"c", "d"}) EXPECT_EQ(segments[2].keys.count(key), 1u);
  EXPECT_EQ(segments[1].versions, segments[1].keys.size() + 2);
  EXPECT_EQ(segments[2].versions, segments[2].keys.size() + 2);
  // The newest expires, the whole segments of its kind go, and what is older stays hidden.
  EXPECT_EQ(Get("c"), "new");
  clock_->passed_ms = 10 * kMinute;
  EXPECT_EQ(Get("a"), "NotFound");
  EXPECT_EQ(Get("c"), "NotFound");
  EXPECT_EQ(Get("c", snapshot.get()), "old");
  EXPECT_EQ(Get("d", snapshot.get()), "old");
}

// H8: each sibling hides what the ranges cover, were it the only one that is left.
TEST_F(ExpiryFlushTest, RangeTombstonesGoIntoEach) {
  Open();
  Put("k", 9 * kDay);
  const auto snapshot = db_->GetSnapshot();
  ASSERT_TRUE(db_->DeleteRange({}, "k", "l").ok());
  ASSERT_TRUE(db_->DeleteRange({}, "x", "y").ok());
  PutMany(0, 600, 10 * kMinute);
  PutMany(600, 600, 9 * kDay);
  PutMany(1200, 600, 0);
  ASSERT_TRUE(db_->Flush().ok());
  const std::vector<Segment> segments = Segments();
  ASSERT_EQ(segments.size(), 3u);
  for (const Segment& segment : segments) EXPECT_EQ(segment.ranges, 2u);
  EXPECT_EQ(Get("k"), "NotFound");
  EXPECT_NE(Get("k", snapshot.get()), "NotFound");
}

TEST_F(ExpiryFlushTest, SmallBucketsJoinANeighbour) {
  Open();
  PutMany(0, 20, 10 * kMinute);
  PutMany(20, 600, kHour);
  PutMany(620, 20, 3 * kDay);
  ASSERT_TRUE(db_->Flush().ok());
  const std::vector<Segment> segments = Segments();
  ASSERT_EQ(segments.size(), 1u);
  EXPECT_EQ(AllExpiredFrom(segments[0].entry), kStart + 3 * kDay);
}

// At most eight, whatever is asked for; what is too large for a segment is cut by key.
TEST_F(ExpiryFlushTest, NeverMoreThanEightAndCutBySize) {
  Open();
  for (uint64_t i = 0; i < 20; ++i) PutMany(i * 500, 500, kMinute << i);
  ASSERT_TRUE(db_->Flush().ok());
  std::vector<Segment> segments = Segments();
  EXPECT_EQ(segments.size(), 8u);
  CheckSiblings(segments);
  ASSERT_TRUE(db_->Close().ok());
  ASSERT_TRUE(DB::Destroy(options_, "/db").ok());

  Open();
  PutMany(0, 3000, 0);  // 300 KB and more, in segments of 128
  PutMany(3000, 1000, kHour);
  ASSERT_TRUE(db_->Flush().ok());
  segments = Segments();
  EXPECT_EQ(segments.size(), 4u);
  CheckSiblings(segments);
  for (const Segment& segment : segments) {
    EXPECT_LE(segment.entry.file_bytes, options_.segment_bytes * 5 / 4);
  }
  for (uint64_t i = 0; i < 4000; i += 50) EXPECT_EQ(Get(Key(i)).substr(0, 9), Key(i));
}

// What is replayed is cut like what is flushed.
TEST_F(ExpiryFlushTest, RecoveryCutsToo) {
  options_.segment_bytes = 224 << 10;  // what is replayed, 216 KB in memory, is flushed at once
  Open();
  PutMany(0, 600, 10 * kMinute);
  PutMany(600, 600, 3 * kDay);
  const SimDisk disk = files_->disk().Kill();
  const auto files = SimFileSystem::New({}, disk);
  options_.env.file_system = files;
  std::unique_ptr<DB> db;
  ASSERT_TRUE(DB::Open(options_, "/db", &db).ok());
  ManifestState state;
  ASSERT_TRUE(Manifest::Inspect(files.get(), "/db", &state).ok());
  ASSERT_EQ(state.segments.size(), 2u);
  for (const SegmentEntry& entry : state.segments) {
    EXPECT_EQ(entry.entries, 600u);
    EXPECT_EQ(entry.expiring, 600u);
    EXPECT_NE(AllExpiredFrom(entry), UINT64_MAX);
  }
  EXPECT_EQ(state.segments[0].epoch, state.segments[1].epoch);
}

TEST_F(ExpiryFlushTest, ADatabaseFlushesIntoOne) {
  options_.capacity_bytes = 0;
  Open();
  PutMany(0, 600, 10 * kMinute);
  PutMany(600, 600, 3 * kDay);
  ASSERT_TRUE(db_->Flush().ok());
  EXPECT_EQ(Segments().size(), 1u);
}

// Random flushes: each key in one output, by its longest-lived version, in the same order of keys
// both times; and what is read is what was written.
TEST_F(ExpiryFlushTest, Random) {
  Open();
  Random random(7);
  std::map<std::string, std::pair<std::string, uint64_t>> model;
  std::vector<std::unique_ptr<Snapshot>> snapshots;
  uint64_t flushes_cut = 0;
  for (int round = 0; round < 12; ++round) {
    const uint64_t before = clock_->passed_ms;
    for (int i = 0; i < 3000; ++i) {
      const std::string key = Key(random.Uniform(4000));
      if (random.OneIn(20)) {
        ASSERT_TRUE(db_->Delete({}, key).ok());
        model.erase(key);
        continue;
      }
      const uint64_t ttl = random.OneIn(4) ? 0 : kMinute << random.Uniform(14);
      const std::string value =
          std::to_string(round) + "/" + std::to_string(i) + std::string(random.Uniform(120), '.');
      Put(key, ttl, value);
      model[key] = {value, ttl == 0 ? UINT64_MAX : kStart + before + ttl};
      if (random.OneIn(700)) snapshots.push_back(db_->GetSnapshot());
    }
    ASSERT_TRUE(db_->Flush().ok());
    std::map<uint64_t, std::vector<Segment>> by_epoch;
    for (Segment& segment : Segments()) by_epoch[segment.entry.epoch].push_back(segment);
    for (const auto& [epoch, siblings] : by_epoch) {
      EXPECT_LE(siblings.size(), 8u);
      CheckSiblings(siblings);
      flushes_cut += siblings.size() > 1;
    }
    clock_->passed_ms = before + random.Uniform(kHour);
    State expected;
    for (const auto& [key, version] : model) {
      if (kStart + clock_->passed_ms < version.second) expected[key] = version.first;
    }
    EXPECT_EQ(ReadAll(db_.get()), expected);
    if (HasFailure()) return;
  }
  EXPECT_GT(flushes_cut, 10u);
}

}  // namespace
}  // namespace varve
