// Time to live: what a write is given, what a replay makes of the log, and what every read, flush
// and compaction makes of time passing. Beside a model that knows each version.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "db/reset_clock.h"
#include "tests/support/concatenation.h"
#include "tests/support/quiet_logger.h"
#include "tests/support/sim_env.h"
#include "tests/support/sim_file_system.h"
#include "util/random.h"
#include "util/thread.h"
#include "varve/db.h"

namespace varve {
namespace {

using std::chrono::milliseconds;

constexpr uint64_t kStart = 1'700'000'000'000;
// Times are counted in minutes: less than the seconds by which time is ahead after a crash.
constexpr uint64_t kUnit = 60'000;
constexpr milliseconds Units(uint64_t units) { return milliseconds(units * kUnit); }

// A wall clock that stands still, and time with it.
class StandingClock : public Clock {
 public:
  uint64_t MonotonicNanos() override { return nanos.fetch_add(1000); }
  uint64_t BootMillis() override { return 1000; }
  uint64_t WallMillis() override { return wall_ms.load(); }

  std::atomic<uint64_t> nanos{1};
  std::atomic<uint64_t> wall_ms{kStart};
};

class TtlTest : public ::testing::Test {
 protected:
  TtlTest() {
    options_.create_if_missing = true;
    options_.memtable_bytes = 64 << 10;
    options_.env = MakeSimEnv(files_, 1);
    options_.env.clock = clock_;
    options_.logger = std::make_shared<QuietLogger>();
    options_.merge_operator = std::make_shared<Concatenation>();
    options_.clock_jump_max_ms = uint64_t{10'000} * kUnit;
  }
  void SetUp() override { Open(); }

  void Open() {
    const Status status = DB::Open(options_, "/db", &db_);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  void Reopen() {
    ASSERT_TRUE(db_->Close().ok());
    db_.reset();
    Open();
  }
  // As after the death of the process: what was not flushed is replayed.
  void Kill() {
    const SimDisk disk = files_->disk().Kill();
    db_.reset();
    files_ = SimFileSystem::New({}, disk);
    options_.env.file_system = files_;
    Open();
  }
  void At(uint64_t units) { clock_->wall_ms = kStart + units * kUnit; }
  static WriteOptions For(milliseconds ttl) {
    WriteOptions options;
    options.ttl = ttl;
    return options;
  }
  std::string Get(Slice key) {
    std::string value;
    const Status status = db_->Get({}, key, &value);
    return status.ok() ? value : StatusCodeName(status.code());
  }
  // "a=1 b=2", the same by every kind of read.
  std::string Contents(const Snapshot* snapshot = nullptr) {
    ReadOptions options;
    options.snapshot = snapshot;
    const auto it = db_->NewIterator(options);
    std::string forward, backward;
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      forward += std::string(it->key()) + "=" + std::string(it->value()) + " ";
      std::string value;
      EXPECT_TRUE(db_->Get(options, it->key(), &value).ok());
      EXPECT_EQ(value, it->value());
    }
    EXPECT_TRUE(it->status().ok()) << it->status().ToString();
    for (it->SeekToLast(); it->Valid(); it->Prev()) {
      backward = std::string(it->key()) + "=" + std::string(it->value()) + " " + backward;
    }
    EXPECT_EQ(forward, backward);
    return forward;
  }

  std::shared_ptr<SimFileSystem> files_ = SimFileSystem::New();
  std::shared_ptr<StandingClock> clock_ = std::make_shared<StandingClock>();
  Options options_;
  std::unique_ptr<DB> db_;
};

TEST_F(TtlTest, APutLivesAsLongAsItWasGiven) {
  ASSERT_TRUE(db_->Put(For(Units(100)), "a", "1").ok());
  ASSERT_TRUE(db_->Put(For(kNoTtl), "b", "2").ok());
  ASSERT_TRUE(db_->Put({}, "c", "3").ok());
  At(99);
  EXPECT_EQ(Contents(), "a=1 b=2 c=3 ");
  At(100);
  EXPECT_EQ(Contents(), "b=2 c=3 ");
  EXPECT_EQ(Get("a"), "NotFound");
}

// Checklist C9: a time to live belongs to its version.
TEST_F(TtlTest, AnOverwriteHasItsOwnOrNone) {
  ASSERT_TRUE(db_->Put(For(Units(100)), "a", "1").ok());
  ASSERT_TRUE(db_->Put({}, "a", "2").ok());
  ASSERT_TRUE(db_->Put(For(Units(100)), "b", "1").ok());
  ASSERT_TRUE(db_->Put(For(Units(200)), "b", "2").ok());
  ASSERT_TRUE(db_->Put(For(Units(100)), "c", "1").ok());
  ASSERT_TRUE(db_->Put(For(Units(50)), "c", "2").ok());
  for (int stage = 0; stage < 2; ++stage) {
    At(stage == 0 ? 50 : 100);
    EXPECT_EQ(Contents(), "a=2 b=2 ");
    ASSERT_TRUE(db_->Flush().ok());
    EXPECT_EQ(Contents(), "a=2 b=2 ");
  }
  At(200);
  EXPECT_EQ(Contents(), "a=2 ");
}

// Checklist E10: an overwrite that expires never uncovers what it replaced, wherever it lies.
TEST_F(TtlTest, AnOverwriteThatExpiresUncoversNothing) {
  for (int stage = 0; stage < 4; ++stage) {
    SCOPED_TRACE(stage);
    const uint64_t start = 100 * static_cast<uint64_t>(stage);
    At(start);
    ASSERT_TRUE(db_->Put({}, "a", "old").ok());
    ASSERT_TRUE(db_->Flush().ok());
    ASSERT_TRUE(db_->Put(For(Units(10)), "a", "new").ok());
    if (stage == 1) Kill();
    if (stage >= 2) {
      ASSERT_TRUE(db_->Flush().ok());
    }
    At(start + 9);
    EXPECT_EQ(Get("a"), "new");
    At(start + 10);
    EXPECT_EQ(Get("a"), "NotFound");
    if (stage == 3) {
      CompactRangeOptions all;
      all.rewrite_deepest = true;
      ASSERT_TRUE(db_->CompactRange(all, std::nullopt, std::nullopt).ok());
    }
    EXPECT_EQ(Get("a"), "NotFound");
    At(start);  // the wall clock goes back: what has expired stays expired
    EXPECT_EQ(Get("a"), "NotFound");
    Kill();
    EXPECT_EQ(Get("a"), "NotFound");
  }
}

TEST_F(TtlTest, EachEntryOfABatchHasItsOwn) {
  for (uint64_t stage = 0; stage < 3; ++stage) {
    SCOPED_TRACE(stage);
    const uint64_t start = 1000 * stage;
    At(start);
    WriteBatch batch;
    ASSERT_TRUE(batch.Put("a", "plain").ok());
    ASSERT_TRUE(batch.Put("b", "long", Units(200)).ok());
    ASSERT_TRUE(batch.Put("c", "ever", kNoTtl).ok());
    ASSERT_TRUE(batch.PutUntil("d", "until", kStart + (start + 50) * kUnit).ok());
    ASSERT_TRUE(batch.PutUntil("e", "past", kStart).ok());
    ASSERT_TRUE(batch.Delete("f").ok());
    ASSERT_TRUE(db_->Write(For(Units(100)), batch).ok());
    if (stage == 1) Kill();
    if (stage == 2) {
      ASSERT_TRUE(db_->Flush().ok());
    }
    EXPECT_EQ(Contents(), "a=plain b=long c=ever d=until ");
    At(start + 50);
    EXPECT_EQ(Contents(), "a=plain b=long c=ever ");
    At(start + 100);
    EXPECT_EQ(Contents(), "b=long c=ever ");
    At(start + 200);
    EXPECT_EQ(Contents(), "c=ever ");
  }
}

// The expiry is that of the commit, whenever the log is replayed.
TEST_F(TtlTest, ReplayGivesNobodyMoreTime) {
  ASSERT_TRUE(db_->Put(For(Units(100)), "a", "1").ok());
  WriteBatch batch;
  ASSERT_TRUE(batch.Put("b", "2", Units(100)).ok());
  ASSERT_TRUE(db_->Write({}, batch).ok());
  At(60);
  Kill();
  EXPECT_EQ(Contents(), "a=1 b=2 ");
  At(100);
  EXPECT_EQ(Contents(), "");
}

TEST_F(TtlTest, TheDefaultIsLiveAndYieldsToWhatIsGiven) {
  ASSERT_TRUE(db_->SetOptions({{"default_ttl_ms", std::to_string(100 * kUnit)}}).ok());
  ASSERT_TRUE(db_->Put({}, "a", "1").ok());
  ASSERT_TRUE(db_->Put(For(kNoTtl), "b", "2").ok());
  ASSERT_TRUE(db_->Put(For(Units(200)), "c", "3").ok());
  WriteBatch batch;
  ASSERT_TRUE(batch.Put("d", "4").ok());
  ASSERT_TRUE(batch.Put("e", "5", Units(300)).ok());
  ASSERT_TRUE(db_->Write({}, batch).ok());
  ASSERT_TRUE(db_->SetOptions({{"default_ttl_ms", "0"}}).ok());
  ASSERT_TRUE(db_->Put({}, "f", "6").ok());
  At(100);
  EXPECT_EQ(Contents(), "b=2 c=3 e=5 f=6 ");
  At(300);
  EXPECT_EQ(Contents(), "b=2 f=6 ");
  EXPECT_TRUE(db_->SetOptions({{"default_ttl_ms", "-1"}}).IsInvalidArgument());
}

TEST_F(TtlTest, WhatCannotBeIsRefused) {
  for (const int64_t ttl : {int64_t{0}, int64_t{-1}, INT64_MIN}) {
    EXPECT_TRUE(db_->Put(For(milliseconds(ttl)), "a", "1").IsInvalidArgument());
    WriteBatch batch;
    EXPECT_TRUE(batch.Put("a", "1", milliseconds(ttl)).IsInvalidArgument());
    EXPECT_EQ(batch.Count(), 0u);
    ASSERT_TRUE(batch.Put("a", "1").ok());
    EXPECT_TRUE(db_->Write(For(milliseconds(ttl)), batch).IsInvalidArgument());
  }
  EXPECT_EQ(Contents(), "");
  // Operands cannot expire, nor stand on what does.
  EXPECT_TRUE(db_->Merge(For(Units(5)), "a", "x").IsNotSupported());
  WriteBatch merges;
  ASSERT_TRUE(merges.Merge("a", "x").ok());
  EXPECT_TRUE(db_->Write(For(Units(5)), merges).IsNotSupported());
  EXPECT_TRUE(db_->Write(For(Units(5)), WriteBatch::FromData(merges.Data())).IsNotSupported());
  ASSERT_TRUE(db_->SetOptions({{"default_ttl_ms", std::to_string(100 * kUnit)}}).ok());
  EXPECT_TRUE(db_->Merge({}, "a", "x").IsNotSupported());
  EXPECT_TRUE(db_->Merge(For(kNoTtl), "a", "x").ok());
  EXPECT_EQ(Get("a"), "x");
  ASSERT_TRUE(db_->Put({}, "b", "1").ok());
  ASSERT_TRUE(db_->Merge(For(kNoTtl), "b", "2").ok());
  EXPECT_EQ(Get("b"), "NotSupported");
  ASSERT_TRUE(db_->Put(For(kNoTtl), "b", "3").ok());
  EXPECT_EQ(Get("b"), "3");
}

TEST_F(TtlTest, TheLongestTtlNeverComes) {
  const milliseconds longest = kNoTtl - milliseconds(1);
  ASSERT_TRUE(db_->Put(For(longest), "a", "1").ok());
  WriteBatch batch;
  ASSERT_TRUE(batch.PutUntil("b", "2", UINT64_MAX).ok());
  ASSERT_TRUE(batch.Put("c", "3", longest).ok());
  ASSERT_TRUE(db_->Write({}, batch).ok());
  EXPECT_EQ(Get("b"), "2");
  EXPECT_EQ(Get("c"), "3");
}

// An iterator judges by the instant it was made at; a snapshot does not hold time still.
TEST_F(TtlTest, IteratorsKeepTheirInstantAndSnapshotsDoNot) {
  ASSERT_TRUE(db_->Put(For(Units(100)), "a", "1").ok());
  const auto snapshot = db_->GetSnapshot();
  const auto it = db_->NewIterator({});
  At(100);
  it->SeekToFirst();
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ(std::string(it->value()), "1");
  ASSERT_TRUE(it->Refresh().ok());
  it->SeekToFirst();
  EXPECT_FALSE(it->Valid());
  EXPECT_EQ(Contents(snapshot.get()), "");
}

// Writers that share a commit group share its record of the log, not their ttls.
TEST_F(TtlTest, GroupsOfManyWritersReplayAsTheyWereInserted) {
  std::vector<Thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back("writer", [this, t] {
      for (int i = 0; i < 100; ++i) {
        const std::string key = std::to_string(t) + "-" + std::to_string(100 + i);
        WriteOptions options;
        options.sync = true;  // writers that wait for it are led together
        if ((i + t) % 3 == 0) options.ttl = Units(100);
        if (i % 2 == 0) {
          EXPECT_TRUE(db_->Put(options, key, "put").ok());
          continue;
        }
        WriteBatch batch;
        EXPECT_TRUE(batch.Put(key, "batch").ok());
        EXPECT_TRUE(batch.Put(key + "+", "own", Units(i % 3 == 0 ? 50 : 200)).ok());
        EXPECT_TRUE(db_->Write(options, batch).ok());
      }
    });
  }
  for (Thread& thread : threads) thread.Join();
  std::string before[3];
  for (uint64_t i = 0; i < 3; ++i) {
    At(50 + 50 * i);
    before[i] = Contents();
  }
  EXPECT_GT(before[0].size(), before[1].size());
  EXPECT_GT(before[1].size(), 0u);
  const SimDisk disk = files_->disk().Kill();
  db_.reset();
  files_ = SimFileSystem::New({}, disk);
  options_.env.file_system = files_;
  At(0);
  ClockReset reset;  // to see all of it once more
  ASSERT_TRUE(ResetClock(options_.env, "/db", kStart, &reset).ok());
  Open();
  for (uint64_t i = 0; i < 3; ++i) {
    At(50 + 50 * i);
    EXPECT_EQ(Contents(), before[i]);
  }
}

// Random writes, time, flushes, compactions, reopens and kills, beside a map of the versions.
class TtlModel : public TtlTest, public ::testing::WithParamInterface<int> {
 protected:
  struct Version {
    std::string value;
    uint64_t expires_at;
  };
  void Check(Random* random) {
    std::string expected;
    const uint64_t now = clock_->wall_ms;
    for (const auto& [key, version] : model_) {
      if (now < version.expires_at) expected += key + "=" + version.value + " ";
    }
    ASSERT_EQ(Contents(), expected);
    std::vector<std::string> keys;
    for (int i = 0; i < 10; ++i) keys.push_back(Key(random));
    const std::vector<Slice> slices(keys.begin(), keys.end());
    std::vector<PinnedValue> values(keys.size());
    std::vector<Status> statuses(keys.size());
    db_->MultiGet({}, slices, values, statuses);
    for (size_t i = 0; i < keys.size(); ++i) {
      const auto found = model_.find(keys[i]);
      const bool there = found != model_.end() && now < found->second.expires_at;
      ASSERT_EQ(statuses[i].ok(), there) << keys[i];
      if (there) {
        ASSERT_EQ(values[i].ToString(), found->second.value);
      }
    }
  }
  static std::string Key(Random* random) { return std::to_string(10 + random->Uniform(30)); }

  std::map<std::string, Version> model_;
};

TEST_P(TtlModel, EveryReadAgreesWithTheVersionsThatHaveNotExpired) {
  Random random(static_cast<uint64_t>(GetParam()));
  uint64_t now = kStart, default_ttl = 0;
  const auto expiry = [&](uint64_t ttl) { return ttl == 0 ? UINT64_MAX : now + ttl * kUnit; };
  for (int step = 0; step < 400; ++step) {
    SCOPED_TRACE(testing::Message() << "seed " << GetParam() << " step " << step);
    const std::string value = std::to_string(step);
    WriteOptions options;
    options.disable_wal = random.OneIn(20);
    uint64_t ttl = default_ttl;
    if (random.OneIn(3)) {
      ttl = 1 + random.Uniform(200);
      options.ttl = Units(ttl);
    } else if (random.OneIn(4)) {
      ttl = 0;
      options.ttl = kNoTtl;
    }
    switch (random.Uniform(12)) {
      case 0:
      case 1:
      case 2: {
        const std::string key = Key(&random);
        ASSERT_TRUE(db_->Put(options, key, value).ok());
        model_[key] = {value, expiry(ttl)};
        break;
      }
      case 3:
      case 4:
      case 5: {
        WriteBatch batch;
        for (uint64_t n = random.Uniform(6); n > 0; --n) {
          const std::string key = Key(&random);
          const uint64_t own = 1 + random.Uniform(200);
          if (random.OneIn(4)) {
            ASSERT_TRUE(batch.Delete(key).ok());
            model_.erase(key);
          } else if (random.OneIn(3)) {
            ASSERT_TRUE(batch.Put(key, value, Units(own)).ok());
            model_[key] = {value, expiry(own)};
          } else if (random.OneIn(3)) {
            const uint64_t until = now + own * kUnit - 50 * kUnit;
            ASSERT_TRUE(batch.PutUntil(key, value, until).ok());
            model_[key] = {value, until};
          } else {
            ASSERT_TRUE(batch.Put(key, value).ok());
            model_[key] = {value, expiry(ttl)};
          }
        }
        ASSERT_TRUE(db_->Write(options, batch).ok());
        break;
      }
      case 6: {
        const std::string key = Key(&random), end = key + "~";
        ASSERT_TRUE(db_->DeleteRange(options, key, end).ok());
        model_.erase(key);
        break;
      }
      case 7:
        default_ttl = random.OneIn(2) ? 0 : 1 + random.Uniform(300);
        ASSERT_TRUE(
            db_->SetOptions({{"default_ttl_ms", std::to_string(default_ttl * kUnit)}}).ok());
        break;
      case 8:
        now += random.Uniform(80) * kUnit;
        clock_->wall_ms = now;
        break;
      case 9:
        ASSERT_TRUE(db_->Flush().ok());
        break;
      case 10:
        if (random.OneIn(3)) {
          CompactRangeOptions how;
          how.rewrite_deepest = random.OneIn(2);
          ASSERT_TRUE(db_->CompactRange(how, std::nullopt, std::nullopt).ok());
        }
        break;
      case 11:
        if (random.OneIn(4)) {
          options_.default_ttl_ms = default_ttl * kUnit;
          ASSERT_TRUE(db_->SyncWAL().ok());
          if (random.OneIn(2)) {
            Reopen();
          } else {
            Kill();
            now += kUnit;  // it begins a little ahead
            clock_->wall_ms = now;
          }
          if (HasFatalFailure()) return;
        }
        break;
    }
    if (random.OneIn(4)) Check(&random);
    if (HasFatalFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, TtlModel, ::testing::Range(1, 13));

}  // namespace
}  // namespace varve
