// Many threads on one engine: each key has one writer, and all read them all. No read returns a
// version older than one that was acknowledged before it began, or than the same reader has seen;
// none returns what was deleted or has expired by then; a snapshot repeats itself. In a cache that
// is short of room anything may be missed, once something was evicted.
//
// Invariants I2, I3 and I9; Checklist S4, E10.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/never_stale/oracle.h"
#include "tests/never_stale/tagged_value.h"
#include "tests/never_stale/world.h"
#include "util/mutex.h"
#include "util/random.h"
#include "util/thread.h"

namespace varve::never_stale {
namespace {

constexpr uint32_t kWriters = 3, kReaders = 3;
constexpr uint32_t kKeysOfWriter = 40;
constexpr uint32_t kKeys = kWriters * kKeysOfWriter;
constexpr uint64_t kWritesOfWriter = 4'000;

// The versions of one key, by their numbers, from 1. `write` is the number, 0 for a tombstone.
class KeyLog {
 public:
  // Before a write, and after it was acknowledged.
  void Start(const Version& version) EXCLUDES(mu_) {
    MutexLock lock(&mu_);
    versions_.push_back(version);
  }
  void Acknowledge() EXCLUDES(mu_) {
    MutexLock lock(&mu_);
    acknowledged_ = versions_.size();
  }
  // The expiry is known only once the write is done.
  void Acknowledge(Instant expires_at) EXCLUDES(mu_) {
    MutexLock lock(&mu_);
    versions_.back().expires_at = expires_at;
    acknowledged_ = versions_.size();
  }
  uint64_t acknowledged() const EXCLUDES(mu_) {
    MutexLock lock(&mu_);
    return acknowledged_;
  }
  uint64_t next() const EXCLUDES(mu_) {
    MutexLock lock(&mu_);
    return versions_.size() + 1;
  }
  // A read that began when `low` versions had been acknowledged gave number `seen`, 0 for a miss.
  std::string Judge(uint64_t low, Instant now, uint64_t seen, bool evicts) const EXCLUDES(mu_) {
    MutexLock lock(&mu_);
    const uint64_t high = versions_.size();
    if (seen == 0) {
      if (low == 0 || evicts) return "";
      for (uint64_t n = low; n <= high; ++n) {
        if (!versions_[n - 1].SurelyLives(now)) return "";
      }
      return "LOST between " + std::to_string(low) + " and " + std::to_string(high);
    }
    if (seen > high) return "FOREIGN: " + std::to_string(seen) + " of " + std::to_string(high);
    const Version& version = versions_[seen - 1];
    if (seen < low) {
      return (versions_[low - 1].tombstone() ? "RESURRECTED: " : "STALE: ") + std::to_string(seen) +
             ", though " + std::to_string(low) + " was acknowledged";
    }
    if (version.SurelyGone(now)) return "RESURRECTED: " + std::to_string(seen) + " has expired";
    return "";
  }

 private:
  mutable Mutex mu_;
  std::vector<Version> versions_ GUARDED_BY(mu_);
  uint64_t acknowledged_ GUARDED_BY(mu_) = 0;
};

class ConcurrentHistory {
 public:
  explicit ConcurrentHistory(uint64_t seed)
      : seed_(seed),
        random_(seed),
        shape_(MakeShape(seed, &random_)),
        world_(seed, shape_, Env::Default().clock),
        logs_(kKeys) {}

  void Run() {
    ASSERT_TRUE(world_.Open().ok());
    {
      std::vector<Thread> threads;
      for (uint32_t w = 0; w < kWriters; ++w) {
        threads.emplace_back("writer", [this, w] { Write(w); });
      }
      for (uint32_t r = 0; r < kReaders; ++r) {
        threads.emplace_back("reader", [this, r] { Read(r); });
      }
      threads.emplace_back("keeper", [this] { Keep(); });
    }
    ReadEach();
    ASSERT_TRUE(world_.Close().ok());
    ASSERT_TRUE(world_.Open().ok());
    ReadEach();
    ASSERT_TRUE(world_.Close().ok());
  }

 private:
  static Shape MakeShape(uint64_t seed, Random* random) {
    Shape shape(seed, random);
    shape.power_losses = false;
    shape.keys = kKeys;
    return shape;
  }

  // Only Pass() moves it, so the engine's time is that of the wall clock.
  Instant Now() { return Instant::At(world_.clock()->WallMillis()); }

  // ---- Writers ----
  void Write(uint32_t writer) {
    Random random(seed_ * 101 + writer);
    const uint32_t first = writer * kKeysOfWriter;
    for (uint64_t i = 0; i < kWritesOfWriter && !testing::Test::HasFailure(); ++i) {
      const uint32_t key = first + static_cast<uint32_t>(random.Uniform(kKeysOfWriter));
      WriteOptions options;
      options.sync = random.OneIn(50);
      if (random.OneIn(40)) {
        const uint32_t end = std::min(key + 5, first + kKeysOfWriter);
        for (uint32_t k = key; k < end; ++k) logs_[k].Start({});
        Expect(world_.db()->DeleteRange(options, KeyOf(key), KeyOf(end)));
        for (uint32_t k = key; k < end; ++k) logs_[k].Acknowledge();
      } else if (random.OneIn(8)) {
        logs_[key].Start({});
        Expect(world_.db()->Delete(options, KeyOf(key)));
        logs_[key].Acknowledge();
      } else {
        Put(options, key, writer, &random);
      }
    }
    ++writers_done_;
  }

  void Put(WriteOptions options, uint32_t key, uint32_t writer, Random* random) {
    const uint64_t number = logs_[key].next();
    const std::string value = MakeValue({.write = number, .key = key, .writer = writer},
                                        kTagBytes + random->Uniform(shape_.value_bytes_max));
    const uint64_t ttl = random->OneIn(3) ? 1 + random->Uniform(200) : 0;
    if (ttl != 0) options.ttl = std::chrono::milliseconds(static_cast<int64_t>(ttl));
    const auto expiry = [ttl](Instant now) {
      return ttl == 0 ? Instant::At(kNever) : Instant{now.low + ttl, now.high + ttl};
    };
    const Instant before = Now();
    // Whoever sees it before it is acknowledged knows only that it expires at some time.
    logs_[key].Start({.write = number, .expires_at = {expiry(before).low, kNever}});
    if (random->OneIn(4)) {
      WriteBatch batch;
      Expect(batch.Put(KeyOf(key), value));
      Expect(world_.db()->Write(options, batch));
    } else {
      Expect(world_.db()->Put(options, KeyOf(key), value));
    }
    logs_[key].Acknowledge(expiry({before.low, Now().high}));
  }

  // ---- Readers ----
  void Read(uint32_t reader) {
    Random random(seed_ * 103 + reader);
    std::vector<uint64_t> seen(kKeys);  // by this reader, of each key
    while (writers_done_ < kWriters && !testing::Test::HasFailure()) {
      const auto key = static_cast<uint32_t>(random.Uniform(kKeys));
      switch (random.Uniform(4)) {
        case 0:
        case 1:
          GetKey(key, &seen);
          break;
        case 2:
          Scan(key, random.OneIn(2), &seen);
          break;
        default:
          ReadTwice(key, &random);
      }
    }
  }

  void GetKey(uint32_t key, std::vector<uint64_t>* seen) {
    const uint64_t low = std::max(logs_[key].acknowledged(), (*seen)[key]);
    const Instant before = Now();
    std::string value;
    const Status status = world_.db()->Get({}, KeyOf(key), &value);
    if (!status.IsNotFound()) Expect(status);
    Judge(key, low, {before.low, Now().high},
          status.ok() ? std::optional<Slice>(value) : std::nullopt, seen);
  }

  // Some keys from this one on, each with what was acknowledged before the iterator was made.
  void Scan(uint32_t from, bool forward, std::vector<uint64_t>* seen) {
    const uint32_t end = std::min(from + 20, kKeys);
    std::vector<uint64_t> low;
    for (uint32_t key = from; key < end; ++key) {
      low.push_back(std::max(logs_[key].acknowledged(), (*seen)[key]));
    }
    std::map<uint32_t, std::string> found;
    Instant now = Now();
    {
      const std::string lower = KeyOf(from), upper = KeyOf(end);
      ReadOptions options;
      options.lower_bound = lower;
      options.upper_bound = upper;
      const auto it = world_.db()->NewIterator(options);
      now.high = Now().high;
      for (forward ? it->SeekToFirst() : it->SeekToLast(); it->Valid();
           forward ? it->Next() : it->Prev()) {
        uint32_t key = 0;
        ASSERT_TRUE(NumberOf(it->key(), &key) && key >= from && key < end);
        ASSERT_TRUE(found.emplace(key, it->value()).second);
      }
      if (tight() && it->status().IsAborted()) return;  // revoked
      Expect(it->status());
    }
    for (uint32_t key = from; key < end; ++key) {
      const auto it = found.find(key);
      Judge(key, low[key - from], now,
            it == found.end() ? std::nullopt : std::optional<Slice>(it->second), seen);
    }
  }

  // What a snapshot shows it shows again, unless it expires; what it does not show never comes.
  void ReadTwice(uint32_t from, Random* random) {
    const auto snapshot = world_.db()->GetSnapshot();
    ReadOptions options;
    options.snapshot = snapshot.get();
    std::map<uint32_t, std::string> first;
    const uint32_t end = std::min(from + 10, kKeys);
    for (int round = 0; round < 3; ++round) {
      for (uint32_t key = from; key < end; ++key) {
        std::string value;
        const Status status = world_.db()->Get(options, KeyOf(key), &value);
        if (!status.IsNotFound()) Expect(status);
        if (round == 0) {
          if (status.ok()) first[key] = value;
        } else if (status.ok()) {
          EXPECT_TRUE(first.count(key) > 0 && first[key] == value)
              << "key " << key << " changed under a snapshot";
        }
      }
      SleepFor(random->Uniform(1'000'000));
    }
  }

  void Judge(uint32_t key, uint64_t low, Instant now, std::optional<Slice> value,
             std::vector<uint64_t>* seen) {
    Tag tag;
    if (value.has_value()) {
      ASSERT_TRUE(ReadValue(*value, &tag)) << "FOREIGN: what nobody wrote, key " << key;
      ASSERT_EQ(tag.key, key);
      ASSERT_EQ(tag.writer, key / kKeysOfWriter);
      (*seen)[key] = std::max((*seen)[key], tag.write);
    }
    const bool evicts = tight() && world_.losses(kKeys).evictions != 0;
    const std::string wrong = logs_[key].Judge(low, now, tag.write, evicts);
    EXPECT_EQ(wrong, "") << "key " << key << ", seed " << seed_;
  }

  void ReadEach() {
    std::vector<uint64_t> seen(kKeys);
    for (uint32_t key = 0; key < kKeys; ++key) GetKey(key, &seen);
    Scan(0, true, &seen);
  }

  // ---- Everything else that goes on ----
  void Keep() {
    Random random(seed_ * 107);
    while (writers_done_ < kWriters && !testing::Test::HasFailure()) {
      world_.clock()->Pass(random.Uniform(20));
      switch (random.Uniform(10)) {
        case 0:
          Expect(world_.db()->Flush({random.OneIn(2)}));
          break;
        case 1:
          Compact();
          break;
        default:
          SleepFor(random.Uniform(2'000'000));
      }
    }
  }

  void Compact() {
    const Status status = world_.db()->CompactRange({}, std::nullopt, std::nullopt);
    if (!(tight() && status.IsNoSpace())) Expect(status);
  }
  bool tight() const { return shape_.mode == Mode::kTightCache; }

  static void Expect(const Status& status) { EXPECT_TRUE(status.ok()) << status.ToString(); }

  const uint64_t seed_;
  Random random_;
  const Shape shape_;
  World world_;
  std::vector<KeyLog> logs_;
  std::atomic<uint32_t> writers_done_{0};
};

class NeverStaleConcurrent : public ::testing::TestWithParam<uint64_t> {};

TEST_P(NeverStaleConcurrent, NoReadGoesBack) { ConcurrentHistory(GetParam()).Run(); }

INSTANTIATE_TEST_SUITE_P(Seed, NeverStaleConcurrent, ::testing::Range<uint64_t>(1, 7));

}  // namespace
}  // namespace varve::never_stale
