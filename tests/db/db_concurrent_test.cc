// Readers and writers at once, for the race detector and for what each may see.

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"
#include "util/random.h"
#include "util/thread.h"
#include "varve/db.h"
#include "varve/merge_operator.h"

namespace varve {
namespace {

constexpr int kGroups = 40;  // of keys that are always written together
constexpr int kKeysPerGroup = 4;

std::string KeyOf(int group, int i) {
  return "g" + std::to_string(group) + "k" + std::to_string(i);
}

class ConcurrentDb : public ::testing::Test {
 protected:
  ConcurrentDb() {
    options_.create_if_missing = true;
    options_.memtable_bytes = 64 << 10;
    options_.memtables_max = 4;
    options_.flush_memtables_min = 2;
    options_.block_cache_bytes = 256 << 10;
    options_.open_segments_max = 16;
    options_.wal_sync_interval_ms = 5;
  }
  void Open() {
    const Status status = DB::Open(options_, dir_.File("db"), &db_);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }

  // Writes a group as one batch, all its keys with the same value, which only grows.
  void WriteGroup(int group, uint64_t number, size_t padding, const WriteOptions& options) {
    WriteBatch batch;
    std::string value = std::to_string(number) + ":";
    value.resize(value.size() + padding, 'p');
    for (int i = 0; i < kKeysPerGroup; ++i) ASSERT_TRUE(batch.Put(KeyOf(group, i), value).ok());
    const Status status = db_->Write(options, batch);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  static uint64_t NumberIn(Slice value) { return std::stoull(std::string(value)); }

  TempDir dir_;
  Options options_;
  std::unique_ptr<DB> db_;
};

// Each writer owns some groups. A reader sees a group whole, never older than what it saw before
// nor than what was acknowledged before it asked (Checklist S4, W15; invariants I4, I9).
TEST_F(ConcurrentDb, ReadersSeeWholeBatchesAndNothingOld) {
  Open();
  constexpr int kWriters = 2, kReaders = 2;
  const int rounds = 1500;
  std::atomic<uint64_t> acknowledged[kGroups] = {};
  std::atomic<int> writing{kWriters};
  std::vector<Thread> threads;
  for (int w = 0; w < kWriters; ++w) {
    threads.emplace_back("writer", [&, w] {
      Random random(w + 1);
      for (int n = 1; n <= rounds; ++n) {
        const int group = static_cast<int>(random.Uniform(kGroups / kWriters)) * kWriters + w;
        WriteOptions options;
        options.sync = n % 300 == 0;
        options.disable_wal = n % 400 == 7;
        WriteGroup(group, n, random.Uniform(600) + (n % 50 == 0 ? 20000 : 0), options);
        acknowledged[group].store(n);
        if (n % 500 == 0) {
          EXPECT_TRUE(db_->Flush().ok());
        }
      }
      --writing;
    });
  }
  for (int r = 0; r < kReaders; ++r) {
    threads.emplace_back("reader", [&, r] {
      Random random(100 + r);
      uint64_t seen[kGroups] = {};
      while (writing.load() != 0) {
        const int group = static_cast<int>(random.Uniform(kGroups));
        const uint64_t floor = std::max(acknowledged[group].load(), seen[group]);
        std::vector<uint64_t> numbers;
        if (random.Uniform(3) == 0) {
          auto it = db_->NewIterator({});
          const std::string prefix = KeyOf(group, 0);
          it->Seek(prefix);
          for (int i = 0; i < kKeysPerGroup && it->Valid(); ++i, it->Next()) {
            if (it->key() != KeyOf(group, i)) break;
            numbers.push_back(NumberIn(it->value()));
          }
          EXPECT_TRUE(it->status().ok()) << it->status().ToString();
        } else {
          std::vector<std::string> keys;
          for (int i = 0; i < kKeysPerGroup; ++i) keys.push_back(KeyOf(group, i));
          const std::vector<Slice> slices(keys.begin(), keys.end());
          std::vector<PinnedValue> values(kKeysPerGroup);
          std::vector<Status> statuses(kKeysPerGroup);
          if (random.Uniform(2) == 0) {
            db_->MultiGet({}, slices, values, statuses);
          } else {
            auto snapshot = db_->GetSnapshot();
            ReadOptions options;
            options.snapshot = snapshot.get();
            for (int i = 0; i < kKeysPerGroup; ++i) {
              statuses[i] = db_->Get(options, keys[i], &values[i]);
            }
          }
          for (int i = 0; i < kKeysPerGroup; ++i) {
            EXPECT_TRUE(statuses[i].ok() || statuses[i].IsNotFound()) << statuses[i].ToString();
            if (statuses[i].ok()) numbers.push_back(NumberIn(values[i]));
          }
        }
        if (numbers.empty()) {
          EXPECT_EQ(floor, 0u) << "group " << group << " is gone";
          continue;
        }
        ASSERT_EQ(numbers.size(), static_cast<size_t>(kKeysPerGroup)) << "group " << group;
        for (uint64_t n : numbers) EXPECT_EQ(n, numbers[0]) << "a torn batch";
        EXPECT_GE(numbers[0], floor) << "a stale read of group " << group;
        seen[group] = numbers[0];
      }
    });
  }
  for (Thread& thread : threads) thread.Join();
  if (HasFailure()) return;
  ASSERT_TRUE(db_->Close().ok());
  Open();
  for (int group = 0; group < kGroups; ++group) {
    std::string value;
    const Status status = db_->Get({}, KeyOf(group, 0), &value);
    const uint64_t last = acknowledged[group].load();
    EXPECT_EQ(status.ok(), last != 0);
    if (last != 0) {
      EXPECT_EQ(NumberIn(value), last);
    }
  }
}

// Writers to their own keys, all sync modes of a write mixed; each reads its own writes at once,
// whether they lie in a memtable, wait for a flush or are in a segment (Checklist L4).
TEST_F(ConcurrentDb, WritersReadTheirOwnWrites) {
  Open();
  std::vector<Thread> threads;
  for (int w = 0; w < 3; ++w) {
    threads.emplace_back("writer", [&, w] {
      std::string value;
      for (int n = 0; n < 800; ++n) {
        const std::string key = std::to_string(w) + "/" + std::to_string(n % 50);
        WriteOptions options;
        options.sync = n % 97 == w;
        const std::string text = std::to_string(n) + std::string(100, 'x');
        ASSERT_TRUE(db_->Put(options, key, text).ok());
        ASSERT_TRUE(db_->Get({}, key, &value).ok());
        EXPECT_EQ(value, text);
        if (n % 10 == 9) {
          ASSERT_TRUE(db_->Delete({}, key).ok());
          EXPECT_TRUE(db_->Get({}, key, &value).IsNotFound());
        }
        if (n % 100 == 50) {
          EXPECT_TRUE(db_->SetOptions({{"memtables_max", "5"}}).ok());
        } else if (n % 100 == 60) {
          EXPECT_TRUE(db_->SyncWAL().ok());
        }
      }
    });
  }
  for (Thread& thread : threads) thread.Join();
  EXPECT_TRUE(db_->Close().ok());
}

class Sum final : public AssociativeMergeOperator {
 public:
  const char* Name() const override { return "test.Sum"; }
  bool Merge(Slice, Slice newer, std::string* value) const override {
    *value = std::to_string(std::stoull(*value) + std::stoull(std::string(newer)));
    return true;
  }
};

// Checklist C10: a merge is a change that needs no read before it, so none is lost.
TEST_F(ConcurrentDb, NoIncrementIsLost) {
  options_.merge_operator = std::make_shared<Sum>();
  Open();
  constexpr int kThreads = 3, kIncrements = 2000, kCounters = 7;
  std::vector<Thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back("writer", [&] {
      std::string value;
      for (int n = 0; n < kIncrements; ++n) {
        const std::string key = "counter" + std::to_string(n % kCounters);
        ASSERT_TRUE(db_->Merge({}, key, "1").ok());
        if (n % 50 == 0) {
          ASSERT_TRUE(db_->Get({}, key, &value).ok());
        }
        if (n % 500 == 499) {
          ASSERT_TRUE(db_->Flush().ok());
        }
      }
    });
  }
  for (Thread& thread : threads) thread.Join();
  uint64_t sum = 0;
  for (int i = 0; i < kCounters; ++i) {
    std::string value;
    ASSERT_TRUE(db_->Get({}, "counter" + std::to_string(i), &value).ok());
    sum += std::stoull(value);
  }
  EXPECT_EQ(sum, uint64_t{kThreads} * kIncrements);
  EXPECT_TRUE(db_->Close().ok());
}

// Checklist L1: Close while others write is answered, and nothing hangs.
TEST_F(ConcurrentDb, CloseAmidWrites) {
  for (int round = 0; round < 5; ++round) {
    Open();
    std::atomic<bool> stop{false};
    std::atomic<int> acknowledged{0};
    std::vector<Thread> threads;
    for (int w = 0; w < 3; ++w) {
      threads.emplace_back("writer", [&, w] {
        for (int n = 0; !stop.load(); ++n) {
          const Status status =
              db_->Put({}, std::to_string(w) + "/" + std::to_string(n), std::string(500, 'v'));
          if (status.IsAborted()) return;
          ASSERT_TRUE(status.ok()) << status.ToString();
          ++acknowledged;
        }
      });
    }
    while (acknowledged.load() < 300) SleepFor(1'000'000);
    EXPECT_TRUE(db_->Close().ok());
    stop.store(true);
    for (Thread& thread : threads) thread.Join();
    db_.reset();
    Open();
    uint64_t found = 0;
    auto it = db_->NewIterator({});
    for (it->SeekToFirst(); it->Valid(); it->Next()) ++found;
    it.reset();
    EXPECT_GE(found, static_cast<uint64_t>(acknowledged.load()));
    ASSERT_TRUE(db_->Close().ok());
    db_.reset();
    ASSERT_TRUE(DB::Destroy(options_, dir_.File("db")).ok());
  }
}

// Checklist L1: calls that go to the manifest when they have waited for a flush, or that ask what
// it has done, find it there.
TEST_F(ConcurrentDb, CloseAmidCallsThatNeedTheManifest) {
  for (int round = 0; round < 20; ++round) {
    Open();
    std::atomic<int> calls{0};
    std::vector<Thread> threads;
    const auto until_closed = [&](const std::function<Status()>& call) {
      threads.emplace_back("caller", [&, call] {
        Status status;
        while (status.ok()) {
          status = call();
          ++calls;
        }
        EXPECT_TRUE(status.IsAborted()) << status.ToString();
      });
    };
    until_closed(
        [&] { return db_->CompactRange({.rewrite_deepest = true}, std::nullopt, std::nullopt); });
    until_closed([&] {
      WriteOptions unlogged;
      unlogged.disable_wal = true;
      const Status status = db_->Put(unlogged, "k", "v");
      return status.ok() ? db_->Flush() : status;
    });
    until_closed([&] {
      std::string text;
      return db_->GetProperty("varve.stats", &text) ? Status::OK() : Status::Aborted();
    });
    while (calls.load() < 20 + round) SleepFor(100'000);
    EXPECT_TRUE(db_->Close().ok());
    for (Thread& thread : threads) thread.Join();
    db_.reset();
    ASSERT_TRUE(DB::Destroy(options_, dir_.File("db")).ok());
  }
}

}  // namespace
}  // namespace varve
