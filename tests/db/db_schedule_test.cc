#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/db/schedule_options.h"
#include "tests/support/baton_scheduler.h"
#include "tests/support/sim_env.h"
#include "util/random.h"
#include "util/thread.h"
#include "varve/db.h"

// The whole engine on one interleaving a seed: writers, readers, flushes and log switches as tasks
// of a baton scheduler, on a simulated disk, in virtual time. What is checked holds at every
// moment:
//
//  * a read sees every write that was acknowledged before it began, and none that had not begun
//    when it ended (I9), so one reader never sees a key go back (I2);
//  * of a batch it sees all or nothing, by any kind of read (I4);
//  * a snapshot and an iterator show one state, however long they live.
//
// Each writer counts. Its n-th batch writes n under all keys of its group, or deletes them where
// n % kDeleteEvery == 0.

namespace varve {
namespace {

constexpr uint64_t kDeleteEvery = 5;
constexpr uint64_t kKeysInGroup = 3;
constexpr uint64_t kBatches = 62;  // the last one puts

std::string KeyOf(uint64_t writer, uint64_t i) {
  return "w" + std::to_string(writer) + "/" + std::to_string(i);
}

// What a group shows: the number of its last batch, or that it is absent.
using Seen = std::optional<uint64_t>;

class Scenario {
 public:
  Scenario(uint64_t seed, std::shared_ptr<Statistics> statistics)
      : seed_(seed), random_(seed), scheduler_({.seed = seed}), writers_(random_.Between(1, 3)) {
    options_ = BusyOptions(&random_);
    options_.statistics = std::move(statistics);
    options_.wal_sync_interval_ms = static_cast<uint32_t>(random_.Between(1, 50));
    options_.wal_mapped = random_.OneIn(2);
    options_.block_cache_bytes = random_.OneIn(3) ? 0 : 32 << 10;
    options_.open_segments_max = 16;
    started_.resize(writers_);
    acknowledged_.resize(writers_);
  }

  void Go() {
    scheduler_.Run([this] {
      options_.env = MakeSimEnv(SimFileSystem::New({.seed = seed_, .track = false}), seed_);
      options_.env.clock = scheduler_.clock();
      Open();
      {
        std::vector<Thread> tasks;
        for (uint64_t w = 0; w < writers_; ++w) {
          tasks.emplace_back("writer", [this, w] { Write(w); });
        }
        for (uint64_t r = 0; r < 2; ++r) {
          tasks.emplace_back("reader", [this, r] { Read(r); });
        }
        tasks.emplace_back("flusher", [this] { Flush(); });
      }
      CheckAll();
      ASSERT_TRUE(db_->Close().ok());
      Open();
      CheckAll();
      db_.reset();
    });
  }

 private:
  void Open() {
    const Status status = DB::Open(options_, "/db", &db_);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }

  void Write(uint64_t writer) {
    Random random(seed_ * 31 + writer);
    for (uint64_t n = 1; n <= kBatches; ++n) {
      WriteBatch batch;
      const std::string value = std::to_string(n) + std::string(random.Uniform(3000) + 1, '.');
      for (uint64_t i = 0; i < kKeysInGroup; ++i) {
        ASSERT_TRUE((n % kDeleteEvery == 0 ? batch.Delete(KeyOf(writer, i))
                                           : batch.Put(KeyOf(writer, i), value))
                        .ok());
      }
      WriteOptions options;
      options.sync = random.OneIn(10);
      options.disable_wal = !options.sync && random.OneIn(15);
      started_[writer] = n;
      const Status status = db_->Write(options, batch);
      ASSERT_TRUE(status.ok()) << status.ToString();
      acknowledged_[writer] = n;
    }
    ++writers_done_;
  }

  void Flush() {
    Random random(seed_ * 37);
    while (writers_done_ < writers_) {
      SleepFor(random.Uniform(3'000'000));
      const Status status = random.OneIn(3) ? db_->SyncWAL() : db_->Flush({random.OneIn(2)});
      ASSERT_TRUE(status.ok()) << status.ToString();
    }
  }

  void Read(uint64_t reader) {
    Random random(seed_ * 41 + reader);
    while (writers_done_ < writers_ && !testing::Test::HasFatalFailure()) {
      const uint64_t writer = random.Uniform(writers_);
      switch (random.Uniform(4)) {
        case 0:
          ReadKey(writer, random.Uniform(kKeysInGroup));
          break;
        case 1:
          ReadGroup(writer, ReadOptions());
          break;
        case 2: {
          const std::unique_ptr<Snapshot> snapshot = db_->GetSnapshot();
          ReadOptions options;
          options.snapshot = snapshot.get();
          const Seen first = ReadGroup(writer, options);
          if (random.OneIn(2)) SleepFor(random.Uniform(2'000'000));
          EXPECT_EQ(Frozen(writer, options), first);
          EXPECT_EQ(Frozen(writer, options), first);
          break;
        }
        default:
          Scan(random.OneIn(2), &random);
          break;
      }
    }
  }

  // ---- Reads, each with its bounds ----

  // What a read of the group may show, taken before it and after.
  uint64_t Low(uint64_t writer) const { return acknowledged_[writer]; }
  uint64_t High(uint64_t writer) const { return started_[writer]; }

  void ExpectBetween(const Seen& seen, uint64_t low, uint64_t high) {
    if (seen.has_value()) {
      EXPECT_GE(*seen, low);
      EXPECT_LE(*seen, high);
      EXPECT_NE(*seen % kDeleteEvery, 0u);
      return;
    }
    // Absent: some batch in the range deletes, or none was written yet.
    EXPECT_TRUE(low == 0 || high / kDeleteEvery > (low - 1) / kDeleteEvery)
        << "absent between " << low << " and " << high;
  }

  static Seen NumberIn(Slice value) { return std::stoull(std::string(value)); }

  Seen Value(const Status& status, Slice value) {
    if (status.IsNotFound()) return std::nullopt;
    EXPECT_TRUE(status.ok()) << status.ToString();
    return NumberIn(value);
  }

  void ReadKey(uint64_t writer, uint64_t i) {
    const uint64_t low = Low(writer);
    PinnedValue value;
    const Status status = db_->Get(ReadOptions(), KeyOf(writer, i), &value);
    const uint64_t high = High(writer);
    ExpectBetween(Value(status, value), low, high);
  }

  Seen ReadGroup(uint64_t writer, const ReadOptions& options) {
    const uint64_t low = options.snapshot != nullptr ? 0 : Low(writer);
    const Seen seen = Frozen(writer, options);
    ExpectBetween(seen, low, High(writer));
    return seen;
  }

  // All keys of the group, which must agree.
  Seen Frozen(uint64_t writer, const ReadOptions& options) {
    std::vector<std::string> keys;
    for (uint64_t i = 0; i < kKeysInGroup; ++i) keys.push_back(KeyOf(writer, i));
    const std::vector<Slice> slices(keys.begin(), keys.end());
    std::vector<PinnedValue> values(keys.size());
    std::vector<Status> statuses(keys.size());
    db_->MultiGet(options, slices, values, statuses);
    const Seen first = Value(statuses[0], values[0]);
    for (size_t i = 1; i < keys.size(); ++i) EXPECT_EQ(Value(statuses[i], values[i]), first);
    return first;
  }

  void Scan(bool forward, Random* random) {
    const std::vector<uint64_t> low = acknowledged_;
    const std::unique_ptr<Iterator> it = db_->NewIterator(ReadOptions());
    const std::vector<uint64_t> high = started_;
    std::vector<std::vector<uint64_t>> groups(writers_);
    std::string before;
    for (forward ? it->SeekToFirst() : it->SeekToLast(); it->Valid();
         forward ? it->Next() : it->Prev()) {
      const std::string key(it->key());
      if (!before.empty()) {
        EXPECT_TRUE(forward ? before < key : before > key) << before << " then " << key;
      }
      before = key;
      const uint64_t writer = std::stoull(key.substr(1));
      ASSERT_LT(writer, writers_);
      groups[writer].push_back(*NumberIn(it->value()));
      if (random->OneIn(4)) SleepFor(random->Uniform(1'000'000));
    }
    EXPECT_TRUE(it->status().ok()) << it->status().ToString();
    for (uint64_t w = 0; w < writers_; ++w) {
      if (groups[w].empty()) {
        ExpectBetween(std::nullopt, low[w], high[w]);
        continue;
      }
      EXPECT_EQ(groups[w], std::vector<uint64_t>(kKeysInGroup, groups[w][0]));
      ExpectBetween(groups[w][0], low[w], high[w]);
    }
  }

  // Nobody writes: each group shows its last batch.
  void CheckAll() {
    for (uint64_t w = 0; w < writers_; ++w) {
      EXPECT_EQ(Frozen(w, ReadOptions()), kBatches);
    }
  }

  const uint64_t seed_;
  Random random_;
  BatonScheduler scheduler_;
  const uint64_t writers_;
  Options options_;
  std::unique_ptr<DB> db_;
  // Touched by the task that holds the baton.
  std::vector<uint64_t> started_, acknowledged_;
  uint64_t writers_done_ = 0;
};

TEST(DbSchedule, ReadsAreNeverStaleNeverTornAndSeeWrites) {
  const auto statistics = Statistics::Create(false);
  constexpr uint64_t kSeeds = 100;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Scenario(seed, statistics).Go();
    if (testing::Test::HasFailure()) break;
  }
  // What the check is worth: reads that met memtables, segments and absence, between flushes and
  // compactions.
  EXPECT_GT(statistics->Get(Counter::kFlushes), kSeeds * 3);
  EXPECT_GT(statistics->Get(Counter::kMemtableHits), kSeeds * 10);
  EXPECT_GT(statistics->Get(Counter::kFilterChecks),
            statistics->Get(Counter::kFilterNegatives) + kSeeds * 10);
  EXPECT_GT(statistics->Get(Counter::kCompactions), kSeeds);
  EXPECT_GT(statistics->Get(Counter::kGets), statistics->Get(Counter::kGetHits) + kSeeds * 10);
  EXPECT_GT(statistics->Get(Counter::kIteratorSteps), kSeeds * 10);
}

}  // namespace
}  // namespace varve
