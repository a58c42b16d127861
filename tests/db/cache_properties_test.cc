// What GetProperty tells the owner of a cache, on a whole database with its clock in hand.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/db/prometheus_parser.h"
#include "tests/support/quiet_logger.h"
#include "tests/support/sim_env.h"
#include "tests/support/sim_file_system.h"
#include "varve/db.h"

namespace varve {
namespace {

using ::testing::HasSubstr;

class CachePropertiesTest : public ::testing::Test {
 protected:
  CachePropertiesTest() {
    options_.create_if_missing = true;
    options_.memtable_bytes = 64 << 10;
    options_.env = MakeSimEnv(files_, 1);
    options_.logger = std::make_shared<QuietLogger>();
    options_.statistics = Statistics::Create(/*latencies=*/true);
  }
  void SetUp() override { Open(); }

  void Open() {
    const Status status = DB::Open(options_, "/db", &db_);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  SimClock& clock() { return static_cast<SimClock&>(*options_.env.clock); }
  uint64_t Int(const std::string& name) {
    uint64_t value = UINT64_MAX;
    EXPECT_TRUE(db_->GetIntProperty("varve." + name, &value)) << name;
    return value;
  }
  std::string Text(const std::string& name) {
    std::string value;
    EXPECT_TRUE(db_->GetProperty("varve." + name, &value)) << name;
    return value;
  }
  void Gets(Slice key, int n) {
    std::string value;
    for (int i = 0; i < n; ++i) db_->Get({}, key, &value).ok();
  }

  std::shared_ptr<SimFileSystem> files_ = SimFileSystem::New({.track = false});
  Options options_;
  std::unique_ptr<DB> db_;
};

TEST_F(CachePropertiesTest, RatiosAreOfHitsAndMissesLatelyAndInAll) {
  EXPECT_EQ(Int("hit-ratio-percent"), 0u);
  ASSERT_TRUE(db_->Put({}, "key", std::string(97, 'v')).ok());
  Gets("key", 3);
  Gets("none", 1);
  EXPECT_EQ(Int("hit-ratio-percent"), 75u);
  EXPECT_EQ(Int("byte-hit-ratio-percent"), 75u);
  EXPECT_EQ(Int("recent-hit-ratio-percent"), 75u);
  clock().Advance(61'000);
  EXPECT_EQ(Int("recent-hit-ratio-percent"), 75u);  // asked: the minute begins anew
  clock().Advance(601'000);
  EXPECT_EQ(Int("recent-hit-ratio-percent"), 0u);  // eleven minutes ago
  Gets("key", 1);
  Gets("none", 4);
  EXPECT_EQ(Int("recent-hit-ratio-percent"), 20u);
  EXPECT_EQ(Int("hit-ratio-percent"), 44u);
  EXPECT_EQ(Int("recent-byte-hit-ratio-percent"), 20u);
}

// No thread and no reader does it: what is flushed lets the minutes go by.
TEST_F(CachePropertiesTest, FlushesLetTheMinutesGoBy) {
  ASSERT_TRUE(db_->Put({}, "key", "value").ok());
  Gets("key", 10);
  clock().Advance(61'000);
  ASSERT_TRUE(db_->Flush().ok());  // the ten hits were before it
  clock().Advance(599'500);
  Gets("none", 10);
  EXPECT_EQ(Int("recent-hit-ratio-percent"), 50u);
  clock().Advance(1'000);
  EXPECT_EQ(Int("recent-hit-ratio-percent"), 0u);
}

TEST_F(CachePropertiesTest, TheOldestSegmentIsAsOldAsItsFile) {
  EXPECT_EQ(Int("oldest-segment-age-ms"), 0u);
  ASSERT_TRUE(db_->Put({}, "a", "1").ok());
  ASSERT_TRUE(db_->Flush().ok());
  clock().Advance(5'000);
  ASSERT_TRUE(db_->Put({}, "b", "1").ok());
  ASSERT_TRUE(db_->Flush().ok());
  clock().Advance(7'000);
  EXPECT_NEAR(static_cast<double>(Int("oldest-segment-age-ms")), 12'000, 1'000);
  ASSERT_TRUE(db_->Close().ok());
  db_.reset();
  Open();
  EXPECT_NEAR(static_cast<double>(Int("oldest-segment-age-ms")), 12'000, 1'000);
  clock().SetWall(1'000'000);  // before it was written: not an age near 2^64
  EXPECT_EQ(Int("oldest-segment-age-ms"), 0u);
}

TEST_F(CachePropertiesTest, TextForPeople) {
  ASSERT_TRUE(db_->Put({}, "key", "value").ok());
  ASSERT_TRUE(db_->Delete({}, "gone").ok());
  Gets("key", 8);
  Gets("gone", 1);
  Gets("none", 1);
  ASSERT_TRUE(db_->Flush().ok());
  const std::string text = Text("cache-stats");
  EXPECT_THAT(text, HasSubstr("hits         80.00 % of 10 gets"));
  EXPECT_THAT(text, HasSubstr("misses       2\n"));
  EXPECT_THAT(text, HasSubstr("absent                  1  never written"));
  EXPECT_THAT(text, HasSubstr("deleted                 1  by a delete"));
  EXPECT_THAT(text, HasSubstr("segments     1 of "));
  EXPECT_THAT(text, HasSubstr("without the log"));
}

TEST_F(CachePropertiesTest, WithoutStatisticsWhatIsThereIsTold) {
  db_.reset();
  options_.statistics = nullptr;
  Open();
  const std::string text = Text("cache-stats");
  EXPECT_THAT(text, HasSubstr("nothing is counted"));
  PrometheusParser parser;
  EXPECT_EQ(parser.Parse(Text("prometheus")), "");
  EXPECT_EQ(Int("hit-ratio-percent"), 0u);
}

// A cache counts by itself, each its own.
TEST_F(CachePropertiesTest, ACacheCountsWithoutBeingTold) {
  Options cache = Options::ForCache(uint64_t{1} << 30);
  cache.create_if_missing = true;
  cache.env = options_.env;
  cache.logger = options_.logger;
  std::unique_ptr<DB> one, other;
  ASSERT_TRUE(DB::Open(cache, "/one", &one).ok());
  ASSERT_TRUE(DB::Open(cache, "/other", &other).ok());
  ASSERT_TRUE(one->Put({}, "key", "value").ok());
  std::string value;
  EXPECT_TRUE(one->Get({}, "key", &value).ok());
  EXPECT_TRUE(other->Get({}, "key", &value).IsNotFound());
  uint64_t percent = 0;
  ASSERT_TRUE(one->GetIntProperty("varve.hit-ratio-percent", &percent));
  EXPECT_EQ(percent, 100u);
  ASSERT_TRUE(other->GetIntProperty("varve.hit-ratio-percent", &percent));
  EXPECT_EQ(percent, 0u);
  std::string text;
  ASSERT_TRUE(one->GetProperty("varve.cache-stats", &text));
  EXPECT_THAT(text, HasSubstr("capacity     1.00 GiB, "));
  ASSERT_TRUE(one->GetProperty("varve.why:none", &text));
  EXPECT_THAT(text, HasSubstr("is gone and nothing older was left to hide"));
}

TEST_F(CachePropertiesTest, PrometheusHasAllNumbers) {
  ASSERT_TRUE(db_->Put({}, "key", "value").ok());
  Gets("key", 3);
  Gets("none", 1);
  ASSERT_TRUE(db_->Flush().ok());
  const std::string text = Text("prometheus");
  PrometheusParser parser;
  ASSERT_EQ(parser.Parse(text), "") << text;
  EXPECT_EQ(parser.samples.at("varve_gets_total{db=\"/db\"}"), 4);
  EXPECT_EQ(parser.samples.at("varve_miss_absent_total{db=\"/db\"}"), 1);
  EXPECT_EQ(parser.samples.at("varve_hit_ratio{db=\"/db\"}"), 0.75);
  EXPECT_EQ(parser.samples.at("varve_num_segments{db=\"/db\"}"), 1);
  EXPECT_EQ(parser.samples.at("varve_get_seconds_count{db=\"/db\"}"), 4);
  EXPECT_GT(parser.samples.at("varve_write_amplification{db=\"/db\"}"), 1);
}

}  // namespace
}  // namespace varve
