// What becomes of expired entries that nobody reads: whole segments go unread, in a database where
// nothing older lies beneath; the rest is merged away (Checklist E6, E11, E12). Time is told; that
// something is done about it is waited for.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "db/garbage.h"
#include "db/manifest.h"
#include "tests/db/sim_database.h"
#include "tests/support/sim_file_system.h"
#include "util/thread.h"
#include "varve/db.h"

namespace varve {
namespace {

using std::chrono::milliseconds;

constexpr uint64_t kStart = 1'700'000'000'000;
constexpr uint64_t kMinute = 60'000, kHour = 60 * kMinute, kDay = 24 * kHour;

class ManualClock final : public Clock {
 public:
  uint64_t MonotonicNanos() override { return real_->MonotonicNanos(); }
  uint64_t BootMillis() override { return 5000 + passed_ms; }
  uint64_t WallMillis() override { return kStart + passed_ms + wall_ahead_ms; }

  std::atomic<uint64_t> passed_ms{0};
  std::atomic<uint64_t> wall_ahead_ms{0};

 private:
  const std::shared_ptr<Clock> real_ = Env::Default().clock;
};

std::string Key(uint64_t i) { return "key" + std::to_string(100'000 + i * 7919 % 100'000); }

class ExpiredSegmentsTest : public ::testing::Test {
 protected:
  ExpiredSegmentsTest() {
    options_ = SimDatabaseOptions(files_);
    options_.env.clock = clock_;
    options_.memtable_bytes = 1 << 20;
    options_.segment_bytes = 64 << 10;
    options_.level_base_bytes = 128 << 10;
    options_.block_cache_bytes = 0;  // what is read is read from files
  }
  void BeCache() {
    options_.capacity_bytes = uint64_t{1} << 30;
    options_.compaction_style = CompactionStyle::kNone;
    options_.segment_bytes = 1 << 20;
  }
  void Open() {
    const Status status = DB::Open(options_, "/db", &db_);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  void Reopen() {
    const Status status = db_->Close();
    ASSERT_TRUE(status.ok()) << status.ToString();
    db_.reset();
    Open();
  }
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
  void Flush() { ASSERT_TRUE(db_->Flush().ok()); }
  std::string Get(Slice key) {
    std::string value;
    const Status status = db_->Get({}, key, &value);
    return status.ok() ? value : StatusCodeName(status.code());
  }
  uint64_t Property(Slice name) {
    uint64_t value = 0;
    EXPECT_TRUE(db_->GetIntProperty("varve." + std::string(name), &value)) << name;
    return value;
  }
  // No timing is presumed: a minute on a machine that does nothing else is enough by far.
  static void Await(const char* what, const std::function<bool()>& condition) {
    for (int i = 0; i < 12'000; ++i) {
      if (condition()) return;
      SleepFor(5'000'000);
    }
    FAIL() << "waited for " << what;
  }
  void AwaitSegments(uint64_t count) {
    Await("segments to go", [&] { return Property("num-segments") == count; });
  }
  size_t SegmentFiles() {
    std::vector<std::string> names;
    EXPECT_TRUE(files_->ListDirectory("/db", &names).ok());
    return static_cast<size_t>(std::count_if(
        names.begin(), names.end(), [](const auto& name) { return name.ends_with(".seg"); }));
  }
  // From now on reads and opens of segments are counted.
  void CountReads() {
    files_->InjectFault(
        {.calls = kSimRead | kSimOpen, .path_part = ".seg", .nth = uint64_t{1} << 60});
  }
  uint64_t Reads() { return files_->calls_counted(); }

  const std::shared_ptr<SimFileSystem> files_ = SimFileSystem::New({.track = false});
  const std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>();
  Options options_;
  std::unique_ptr<DB> db_;
};

TEST_F(ExpiredSegmentsTest, ACacheGivesTheirSpaceBackUnread) {
  BeCache();
  Open();
  CountReads();
  PutMany(0, 5000, 10 * kMinute);
  PutMany(5000, 5000, kDay);
  PutMany(10'000, 5000, 0);
  Flush();
  ASSERT_EQ(Property("num-segments"), 3u);
  const uint64_t before = Property("live-bytes");
  clock_->passed_ms = 10 * kMinute;
  AwaitSegments(2);
  Await("the file to go", [&] { return SegmentFiles() == 2; });
  EXPECT_LT(Property("live-bytes") + 400'000, before);
  clock_->passed_ms = 30 * kDay;
  AwaitSegments(1);
  EXPECT_EQ(Reads(), 0u);
  EXPECT_EQ(Get(Key(0)), "NotFound");
  EXPECT_EQ(Get(Key(5000)), "NotFound");
  EXPECT_EQ(Get(Key(10'000)).substr(0, 9), Key(10'000));
  Reopen();
  EXPECT_EQ(Property("num-segments"), 1u);
}

// Checklist E10: what goes hid something, which stays hidden.
TEST_F(ExpiredSegmentsTest, InACacheNothingIsUncovered) {
  BeCache();
  Open();
  Put("a", 0, "old");
  Put("b", kDay, "old");
  Flush();
  Put("a", 10 * kMinute, "new");
  Put("b", 10 * kMinute, "new");
  Flush();
  clock_->passed_ms = 10 * kMinute;
  Await("the segment to go", [&] { return SegmentFiles() == 1; });
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Get("a"), "NotFound");
    EXPECT_EQ(Get("b"), "NotFound");
    EXPECT_TRUE(ReadAll(db_.get()).empty());
    EXPECT_TRUE(db_->Touch({}, "a").IsNotFound());
    Reopen();
  }
  Put("a", 0, "newest");
  EXPECT_EQ(Get("a"), "newest");
}

// Checklist E11: by its newest key.
TEST_F(ExpiredSegmentsTest, ASegmentGoesWithItsLastEntry) {
  BeCache();
  Open();
  PutMany(0, 100, 10 * kMinute);
  Put("last", kDay);  // too few for a segment of its own
  Flush();
  Put("other", 1);
  Flush();
  ASSERT_EQ(Property("num-segments"), 2u);
  clock_->passed_ms = kDay - 1;
  AwaitSegments(1);  // that of "other" has gone, so it was looked
  EXPECT_NE(Get("last"), "NotFound");
  clock_->passed_ms = kDay;
  AwaitSegments(0);
}

TEST_F(ExpiredSegmentsTest, ADatabaseGivesWhatHidesNothingBackUnread) {
  options_.compaction_style = CompactionStyle::kNone;
  Open();
  CountReads();
  PutMany(0, 5000, 10 * kMinute);
  Flush();
  clock_->passed_ms = 10 * kMinute;
  AwaitSegments(0);
  Await("the file to go", [&] { return SegmentFiles() == 0; });
  EXPECT_EQ(Reads(), 0u);
  EXPECT_TRUE(ReadAll(db_.get()).empty());
}

// In a database without merges what hides something stays.
TEST_F(ExpiredSegmentsTest, ADatabaseKeepsWhatHidesSomething) {
  options_.compaction_style = CompactionStyle::kNone;
  Open();
  Put("a", 0, "old");
  Flush();
  Put("a", 10 * kMinute, "new");
  Flush();
  ASSERT_TRUE(db_->DeleteRange({}, "c", "d").ok());
  Put("x", 10 * kMinute);
  Flush();
  Put("z", 10 * kMinute);
  Flush();
  clock_->passed_ms = 10 * kMinute;
  AwaitSegments(3);  // but that of "z"
  EXPECT_EQ(Get("a"), "NotFound");
  Reopen();
  EXPECT_EQ(Get("a"), "NotFound");
  EXPECT_EQ(Property("num-segments"), 3u);
}

class ExpiredByMerges : public ExpiredSegmentsTest,
                        public ::testing::WithParamInterface<CompactionStyle> {
 protected:
  ExpiredByMerges() { options_.compaction_style = GetParam(); }
};

// Checklist E6: it shrinks by itself, and nobody reads it.
TEST_P(ExpiredByMerges, ADatabaseOfWhichAllExpiresBecomesEmpty) {
  Open();
  for (uint64_t round = 0; round < 10; ++round) {
    for (uint64_t i = 0; i < 1000; ++i) Put(Key((round * 617 + i * 3) % 4000), kHour);
    Flush();
  }
  EXPECT_GT(Property("num-entries"), 0u);
  clock_->passed_ms = kHour;
  AwaitSegments(0);
  EXPECT_TRUE(ReadAll(db_.get()).empty());
  Reopen();
  EXPECT_EQ(Property("num-segments"), 0u);
}

// What expires lies over what does not, and is in the same segments.
TEST_P(ExpiredByMerges, ADatabaseOfWhichHalfExpiresKeepsTheRest) {
  Open();
  State expected;
  for (uint64_t i = 0; i < 4000; ++i) Put(Key(i), 0, "old" + std::string(90, '.'));
  Flush();
  ASSERT_TRUE(db_->CompactRange({}, std::nullopt, std::nullopt).ok());
  for (uint64_t i = 0; i < 4000; ++i) {
    const std::string value = "new" + std::to_string(i) + std::string(90, '.');
    Put(Key(i), i % 4 == 0 ? 0 : kHour, value);
    if (i % 4 == 0) expected[Key(i)] = value;
  }
  Flush();
  EXPECT_EQ(ReadAll(db_.get()).size(), 4000u);
  clock_->passed_ms = kHour;
  EXPECT_EQ(ReadAll(db_.get()), expected);
  Await("what has expired to go", [&] { return Property("num-entries") == 1000; });
  EXPECT_EQ(ReadAll(db_.get()), expected);
  Reopen();
  EXPECT_EQ(ReadAll(db_.get()), expected);
}

// An open finds what has expired while nobody had it open.
TEST_P(ExpiredByMerges, AnOpenFindsWhatHasExpired) {
  Open();
  PutMany(0, 3000, kHour / 2);
  ASSERT_TRUE(db_->Close().ok());
  db_.reset();
  clock_->passed_ms = kHour / 2;
  Open();
  AwaitSegments(0);
}

INSTANTIATE_TEST_SUITE_P(Styles, ExpiredByMerges,
                         ::testing::Values(CompactionStyle::kLeveled, CompactionStyle::kTiered));

// A reader goes on with what it has.
TEST_F(ExpiredSegmentsTest, AnIteratorKeepsWhatItReads) {
  BeCache();
  Open();
  PutMany(0, 1000, 10 * kMinute);
  Flush();
  const auto it = db_->NewIterator({});
  it->SeekToFirst();
  clock_->passed_ms = 10 * kMinute;
  AwaitSegments(0);
  size_t found = 0;
  for (; it->Valid(); it->Next()) ++found;
  EXPECT_TRUE(it->status().ok()) << it->status().ToString();
  EXPECT_EQ(found, 1000u);  // at the instant it was made
  ASSERT_TRUE(it->Refresh().ok());
  it->SeekToFirst();
  EXPECT_FALSE(it->Valid());
}

// What a doubtful clock says has expired is not read, and not dropped either.
TEST_F(ExpiredSegmentsTest, NothingGoesWhileTheClockIsInDoubt) {
  options_.compaction_style = CompactionStyle::kNone;
  Open();
  PutMany(0, 1000, kDay);
  Flush();
  ASSERT_TRUE(db_->Close().ok());
  db_.reset();
  clock_->wall_ahead_ms = 30 * kDay;
  Open();
  EXPECT_EQ(Get(Key(0)), "NotFound");
  SleepFor(600'000'000);  // some ticks: if one were to drop it, it would show now or later
  EXPECT_EQ(Property("num-segments"), 1u);
  ASSERT_TRUE(db_->Close().ok());
  db_.reset();
  clock_->wall_ahead_ms = 0;
  Open();
  EXPECT_NE(Get(Key(0)), "NotFound");
}

// How a segment is judged by what the manifest says of it.
TEST(ExpiryGarbage, HalfOrAllOfWhatWillEverGo) {
  SegmentEntry entry;
  entry.entries = 1000;
  EXPECT_EQ(ExpiryGarbageFrom(entry), UINT64_MAX);
  EXPECT_EQ(AllExpiredFrom(entry), UINT64_MAX);
  entry.flags = kHasExpiry;
  entry.min_expires_at = kStart + 10 * kHour;
  entry.max_expires_at = kStart + 20 * kHour;
  entry.written_ms = kStart;
  entry.expiring = 1000 / 16;
  EXPECT_EQ(ExpiryGarbageFrom(entry), UINT64_MAX);  // not worth it
  entry.expiring = 400;
  EXPECT_EQ(ExpiryGarbageFrom(entry), entry.max_expires_at);
  entry.expiring = 1000;
  EXPECT_EQ(ExpiryGarbageFrom(entry), kStart + 15 * kHour);
  entry.expiring = 500;
  EXPECT_EQ(ExpiryGarbageFrom(entry), entry.max_expires_at);
  entry.expiring = 1000;
  entry.written_ms = kStart + 18 * kHour;  // what had expired then is not counted
  EXPECT_EQ(ExpiryGarbageFrom(entry), kStart + 19 * kHour);
  entry.written_ms = kStart + 20 * kHour - kHour / 2;  // not again and again
  EXPECT_EQ(ExpiryGarbageFrom(entry), entry.max_expires_at);
  EXPECT_EQ(AllExpiredFrom(entry), UINT64_MAX);
  entry.flags |= kAllExpire;
  EXPECT_EQ(AllExpiredFrom(entry), entry.max_expires_at);
  entry.expiring = 0;
  EXPECT_EQ(ExpiryGarbageFrom(entry), UINT64_MAX);
}

}  // namespace
}  // namespace varve
