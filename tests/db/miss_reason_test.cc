// DESIGN I3: each miss has one reason, and the counters of the reasons sum up to the misses. Over
// random operations on a whole database, beside a model that knows what every key is. What reads of
// every layout of sources count is compared in read_path_test.cc.

#include "db/miss_reason.h"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/quiet_logger.h"
#include "tests/support/sim_env.h"
#include "tests/support/sim_file_system.h"
#include "util/random.h"
#include "varve/db.h"

namespace varve {
namespace {

using std::chrono::milliseconds;

class MissReasonTest : public ::testing::Test {
 protected:
  MissReasonTest() {
    options_.create_if_missing = true;
    options_.memtable_bytes = 64 << 10;
    options_.block_cache_bytes = 0;  // so that reads meet the faults
    options_.env = MakeSimEnv(files_, 1);
    options_.logger = std::make_shared<QuietLogger>();
    options_.statistics = Statistics::Create(/*latencies=*/false);
  }
  void SetUp() override { Open(); }

  void Open() {
    const Status status = DB::Open(options_, "/db", &db_);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  SimClock& clock() { return static_cast<SimClock&>(*options_.env.clock); }
  uint64_t Count(Counter counter) const { return options_.statistics->Get(counter); }
  uint64_t Count(MissReason reason) const { return Count(CounterOf(reason)); }
  uint64_t SumOfReasons() const {
    uint64_t sum = 0;
    for (size_t i = 0; i < kMissReasons; ++i) sum += Count(static_cast<MissReason>(i));
    return sum;
  }
  bool Found(Slice key) {
    std::string value;
    return db_->Get({}, key, &value).ok();
  }

  std::shared_ptr<SimFileSystem> files_ = SimFileSystem::New({.track = false});
  Options options_;
  std::unique_ptr<DB> db_;
};

TEST_F(MissReasonTest, EachReasonHasACounterOfItsOwn) {
  std::map<Counter, size_t> reasons;
  for (size_t i = 0; i < kMissReasons; ++i) {
    const MissReason reason = static_cast<MissReason>(i);
    EXPECT_TRUE(reasons.emplace(CounterOf(reason), i).second);
    EXPECT_EQ(std::string(CounterName(CounterOf(reason))).substr(0, 5), "miss_");
  }
}

// What a merge leaves of an expired entry says so too (a tombstone of type kExpired), as long as it
// must stay.
TEST_F(MissReasonTest, AnExpiredEntryIsExpiredBeforeAndAfterAMerge) {
  ASSERT_TRUE(db_->Put({}, "k", "old").ok());
  ASSERT_TRUE(db_->Flush().ok());
  CompactRangeOptions deepest;
  deepest.rewrite_deepest = true;
  ASSERT_TRUE(db_->CompactRange(deepest, std::nullopt, std::nullopt).ok());
  const auto snapshot = db_->GetSnapshot();  // keeps the old version, and so the tombstone
  WriteOptions soon;
  soon.ttl = milliseconds(1000);
  ASSERT_TRUE(db_->Put(soon, "k", "new").ok());
  EXPECT_TRUE(Found("k"));
  clock().Advance(2000);
  EXPECT_FALSE(Found("k"));
  EXPECT_EQ(Count(MissReason::kExpired), 1u);
  ASSERT_TRUE(db_->Flush().ok());
  EXPECT_FALSE(Found("k"));
  EXPECT_EQ(Count(MissReason::kExpired), 2u);
  ASSERT_TRUE(db_->CompactRange(deepest, std::nullopt, std::nullopt).ok());
  EXPECT_FALSE(Found("k"));
  EXPECT_EQ(Count(MissReason::kExpired), 3u);
  EXPECT_EQ(Count(Counter::kGetMisses), 3u);
}

TEST_F(MissReasonTest, TheReasonsSumUpToTheMisses) {
  enum class Last { kNever, kPut, kDeleted, kExpiring };
  struct Known {
    Last last = Last::kNever;
    uint64_t expires_at = 0;
  };
  Random random(7);
  std::vector<std::string> keys;
  for (int i = 0; i < 40; ++i) keys.push_back("key" + std::to_string(i));
  std::map<std::string, Known> model;
  uint64_t hits = 0, misses = 0, errors = 0, absent = 0;
  const auto tally = [&](const std::string& key, const Status& status) {
    if (status.IsNotFound()) {
      ++misses;
      if (model[key].last == Last::kNever) ++absent;
    } else if (status.ok()) {
      ++hits;
    } else {
      ++errors;
    }
  };
  for (int i = 0; i < 20'000; ++i) {
    const std::string& key = keys[random.Uniform(keys.size())];
    switch (random.Uniform(12)) {
      case 0:
      case 1: {
        ASSERT_TRUE(db_->Put({}, key, std::string(random.Uniform(500), 'v')).ok());
        model[key] = {Last::kPut, 0};
        break;
      }
      case 2: {
        const uint64_t until = clock().WallMillis() + random.Uniform(3000);
        WriteBatch batch;
        ASSERT_TRUE(batch.PutUntil(key, "until", until).ok());
        ASSERT_TRUE(db_->Write({}, batch).ok());
        model[key] = {Last::kExpiring, until};
        break;
      }
      case 3:
        ASSERT_TRUE(db_->Delete({}, key).ok());
        model[key] = {Last::kDeleted, 0};
        break;
      case 4: {
        if (!random.OneIn(8)) break;
        const std::string& end = keys[random.Uniform(keys.size())];
        if (end < key) break;
        ASSERT_TRUE(db_->DeleteRange({}, key, end).ok());
        for (const std::string& k : keys) {
          if (k >= key && k < end) model[k] = {Last::kDeleted, 0};
        }
        break;
      }
      case 5:
        if (random.OneIn(30)) {
          ASSERT_TRUE(db_->Flush().ok());
        } else if (random.OneIn(60)) {
          ASSERT_TRUE(db_->CompactRange({}, std::nullopt, std::nullopt).ok());
        }
        break;
      case 6:
        clock().Advance(random.Uniform(200));
        break;
      case 7: {
        std::vector<Slice> some;
        for (size_t n = 1 + random.Uniform(6); n > 0; --n) {
          some.push_back(keys[random.Uniform(keys.size())]);
        }
        std::vector<PinnedValue> values(some.size());
        std::vector<Status> statuses(some.size());
        db_->MultiGet({}, some, values, statuses);
        for (size_t j = 0; j < some.size(); ++j) tally(std::string(some[j]), statuses[j]);
        break;
      }
      default: {
        // Checklist I5: what cannot be read is neither a hit nor a miss.
        const bool faulty = random.OneIn(4);
        if (faulty) files_->InjectFault({.calls = kSimRead, .nth = 1, .forever = true});
        std::string value;
        tally(key, db_->Get({}, key, &value));
        if (faulty) files_->ClearFault();
      }
    }
    ASSERT_EQ(Count(Counter::kGetMisses), misses) << i;
    ASSERT_EQ(SumOfReasons(), misses) << i;
    ASSERT_EQ(Count(Counter::kGetHits), hits) << i;
    ASSERT_EQ(Count(Counter::kGets), hits + misses + errors) << i;
    // Nothing that was written is taken for what never was, unless it is gone without a trace.
    ASSERT_GE(Count(MissReason::kAbsent), absent) << i;
  }
  EXPECT_GT(hits, 1000u);
  EXPECT_GT(errors, 100u);
  EXPECT_GT(Count(MissReason::kDeleted), 100u);
  EXPECT_GT(Count(MissReason::kExpired), 100u);
  EXPECT_EQ(SumOfReasons(),
            Count(MissReason::kAbsent) + Count(MissReason::kDeleted) + Count(MissReason::kExpired));
}

}  // namespace
}  // namespace varve
