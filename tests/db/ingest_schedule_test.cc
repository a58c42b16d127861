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
#include "varve/segment_writer.h"

// Ingestions in the order of the writes, on one interleaving a seed: several at once, beside
// writers, flushes, compactions, readers and snapshots.
//
// Every write, ingestions too, is an *event* of a group of keys, all of which get its number as
// their value. Of two events one comes before the other for certain if it was acknowledged when the
// other began. What is checked at every moment:
//
//  * all keys of a group show one event: ingestions, of two files each, are whole or absent;
//  * no read shows an event while it misses one that was acknowledged before the read began, or
//    before any event that the same read shows had begun, in whatever group;
//  * a snapshot shows the same for ever, and neither the published sequence nor those of snapshots
//    go back;
//  * an ingestion at the oldest place hides nothing, and shows where nothing was.

namespace varve {
namespace {

constexpr uint64_t kNever = UINT64_MAX;
constexpr uint64_t kKeysInGroup = 3;
constexpr uint64_t kOrders = 25;  // of each client

std::string KeyOf(uint64_t group, uint64_t i) {
  return "g" + std::to_string(group) + "/" + std::to_string(i);
}

class Scenario {
 public:
  explicit Scenario(uint64_t seed)
      : seed_(seed), random_(seed), scheduler_({.seed = seed}), clients_(random_.Between(2, 4)) {
    options_ = BusyOptions(&random_);
    events_.resize(1 + clients_);
  }

  void Go() {
    scheduler_.Run([this] {
      options_.env = MakeSimEnv(SimFileSystem::New({.seed = seed_, .track = false}), seed_);
      options_.env.clock = scheduler_.clock();
      ASSERT_TRUE(DB::Open(options_, "/db", &db_).ok());
      Random random(seed_);
      for (uint64_t group = 0; group <= clients_; ++group) Write({group}, &random);
      {
        std::vector<Thread> tasks;
        for (uint64_t c = 0; c < clients_; ++c) {
          tasks.emplace_back("client", [this, c] { Client(c); });
        }
        for (uint64_t r = 0; r < 2; ++r) {
          tasks.emplace_back("reader", [this, r] { Reader(r); });
        }
      }
      Read({}, ++tick_);
      ASSERT_TRUE(db_->Close().ok());
      ASSERT_TRUE(DB::Open(options_, "/db", &db_).ok());
      Read({}, ++tick_);
      db_.reset();
    });
  }

 private:
  struct Event {
    uint64_t began, acknowledged = kNever;
  };
  // The number of the event that each group shows.
  using Seen = std::vector<uint64_t>;

  // The first two clients ingest for the most part, the others write.
  void Client(uint64_t client) {
    Random random(seed_ * 31 + client);
    for (uint64_t n = 0; n < kOrders && !testing::Test::HasFailure(); ++n) {
      const uint64_t own = 1 + client;
      const uint64_t group = random.OneIn(2) ? 0 : own;
      if (client < 2 ? random.OneIn(6) : !random.OneIn(10)) {
        Write(random.OneIn(3) ? std::vector<uint64_t>{0, own} : std::vector<uint64_t>{group},
              &random);
      } else if (random.OneIn(5)) {
        IngestOldest(group, "fresh" + std::to_string(client) + "." + std::to_string(n));
      } else {
        Ingest(group, &random);
      }
      if (random.OneIn(6)) {
        EXPECT_TRUE(db_->Flush({random.OneIn(2)}).ok());
      }
      if (random.OneIn(3)) SleepFor(random.Uniform(2'000'000));
    }
    ++clients_done_;
  }

  // Begins an event; the value that its keys get.
  std::string Begin(uint64_t group) {
    events_[group].push_back({++tick_});
    return std::to_string(events_[group].size() - 1);
  }

  void Write(const std::vector<uint64_t>& groups, Random* random) {
    WriteBatch batch;
    std::vector<std::pair<uint64_t, size_t>> begun;
    const std::string padding(random->Uniform(3000) + 1, '.');
    for (const uint64_t group : groups) {
      const std::string value = Begin(group) + padding;
      begun.emplace_back(group, events_[group].size() - 1);
      for (uint64_t i = 0; i < kKeysInGroup; ++i) {
        EXPECT_TRUE(batch.Put(KeyOf(group, i), value).ok());
      }
    }
    const Status status = db_->Write({.disable_wal = random->OneIn(8)}, batch);
    EXPECT_TRUE(status.ok()) << status.ToString();
    ++tick_;
    for (const auto& [group, n] : begun) events_[group][n].acknowledged = tick_;
  }

  std::string NewPath() { return "/" + std::to_string(++files_) + ".seg"; }

  // The first key in a file of its own.
  void Ingest(uint64_t group, Random* random) {
    const std::string value = Begin(group);
    const size_t n = events_[group].size() - 1;
    const std::vector<std::string> paths{NewPath(), NewPath()};
    SegmentWriter first(options_, paths[0]), others(options_, paths[1]);
    EXPECT_TRUE(first.Put(KeyOf(group, 0), value).ok());
    if (random->OneIn(2)) {
      EXPECT_TRUE(others.DeleteRange(KeyOf(group, 1), KeyOf(group, kKeysInGroup)).ok());
    }
    for (uint64_t i = 1; i < kKeysInGroup; ++i) {
      EXPECT_TRUE(others.Put(KeyOf(group, i), value).ok());
    }
    EXPECT_TRUE(first.Finish().ok());
    EXPECT_TRUE(others.Finish().ok());
    const Status status = db_->Ingest(paths);
    EXPECT_TRUE(status.ok()) << status.ToString();
    events_[group][n].acknowledged = ++tick_;
  }

  void IngestOldest(uint64_t group, const std::string& fresh) {
    const std::string path = NewPath();
    SegmentWriter file(options_, path);
    EXPECT_TRUE(file.Put(fresh, "fresh").ok());
    EXPECT_TRUE(file.Put(KeyOf(group, 1), "hidden").ok());
    EXPECT_TRUE(file.Finish().ok());
    const Status status = db_->Ingest({path}, {.place = IngestPlace::kOldest});
    EXPECT_TRUE(status.ok()) << status.ToString();
    PinnedValue value;
    EXPECT_TRUE(db_->Get({}, fresh, &value).ok());
  }

  void Reader(uint64_t reader) {
    Random random(seed_ * 41 + reader);
    uint64_t published = 0, pinned = 0;
    while (clients_done_ < clients_ && !testing::Test::HasFailure()) {
      uint64_t last = 0;
      EXPECT_TRUE(db_->GetIntProperty("varve.last-sequence", &last));
      EXPECT_GE(last, std::exchange(published, last));
      if (random.OneIn(2)) {
        Read({}, ++tick_);
        continue;
      }
      const uint64_t began = ++tick_;
      const std::unique_ptr<Snapshot> snapshot = db_->GetSnapshot();
      EXPECT_GE(snapshot->sequence(), std::exchange(pinned, snapshot->sequence()));
      ReadOptions options;
      options.snapshot = snapshot.get();
      const Seen seen = Read(options, began);
      for (uint64_t again = random.Between(1, 3); again > 0; --again) {
        SleepFor(random.Uniform(2'000'000));
        EXPECT_EQ(Show(options), seen);
      }
    }
  }

  // Reads all groups at once, as they are at `began` or later, and checks what they show.
  Seen Read(const ReadOptions& options, uint64_t began) {
    const Seen seen = Show(options);
    if (testing::Test::HasFailure()) return seen;
    for (uint64_t group = 0; group <= clients_; ++group) {
      ExpectNoneMissing(group, seen[group], began);
      for (uint64_t other = 0; other <= clients_; ++other) {
        ExpectNoneMissing(group, seen[group], events_[other][seen[other]].began);
      }
    }
    return seen;
  }

  // No event of the group was acknowledged before `time` and is certain to be newer than `seen`.
  void ExpectNoneMissing(uint64_t group, uint64_t seen, uint64_t time) {
    const Event& shown = events_[group][seen];
    for (size_t n = 0; n < events_[group].size(); ++n) {
      const Event& event = events_[group][n];
      EXPECT_FALSE(event.acknowledged < time && event.began > shown.acknowledged)
          << "group " << group << " shows " << seen << ", but " << n << " was acknowledged at "
          << event.acknowledged << ", before " << time;
    }
  }

  Seen Show(const ReadOptions& options) {
    std::vector<std::string> keys;
    for (uint64_t group = 0; group <= clients_; ++group) {
      for (uint64_t i = 0; i < kKeysInGroup; ++i) keys.push_back(KeyOf(group, i));
    }
    std::vector<std::string> found;
    if (random_.OneIn(2)) {
      const std::vector<Slice> slices(keys.begin(), keys.end());
      std::vector<PinnedValue> values(keys.size());
      std::vector<Status> statuses(keys.size());
      db_->MultiGet(options, slices, values, statuses);
      for (size_t i = 0; i < keys.size(); ++i) {
        found.push_back(statuses[i].ok() ? values[i].ToString() : statuses[i].ToString());
      }
    } else {
      const std::unique_ptr<Iterator> it = db_->NewIterator(options);
      for (it->Seek("g"); it->Valid(); it->Next()) {
        EXPECT_EQ(it->key(), keys[std::min(found.size(), keys.size() - 1)]);
        found.emplace_back(it->value());
        if (random_.OneIn(8)) SleepFor(random_.Uniform(1'000'000));
      }
      EXPECT_TRUE(it->status().ok()) << it->status().ToString();
    }
    EXPECT_EQ(found.size(), keys.size());
    Seen seen(1 + clients_, 0);
    for (size_t i = 0; i < found.size() && i < keys.size(); ++i) {
      const size_t group = i / kKeysInGroup;
      const size_t digits = found[i].find_first_not_of("0123456789");
      const bool good = digits != 0 && !found[i].empty();
      EXPECT_TRUE(good) << keys[i] << " gives " << found[i];
      const uint64_t n = good ? std::stoull(found[i]) : 0;
      if (i % kKeysInGroup == 0) seen[group] = n;
      EXPECT_EQ(seen[group], n) << keys[i];
    }
    return seen;
  }

  const uint64_t seed_;
  Random random_;
  BatonScheduler scheduler_;
  const uint64_t clients_;
  Options options_;
  std::unique_ptr<DB> db_;
  // Touched by the task that holds the baton.
  std::vector<std::vector<Event>> events_;  // of each group; 0: of all clients
  uint64_t tick_ = 0, files_ = 0, clients_done_ = 0;
};

// Checklist S7, S8.
TEST(IngestSchedule, TakesItsPlaceInTheOrderOfTheWrites) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Scenario(seed).Go();
    if (testing::Test::HasFailure()) break;
  }
}

// A read has its view, and another thread goes on: an ingestion, and a write over it. With that
// view and the sequence of the write it must not find the write alone.
TEST(IngestSchedule, NoReadFindsAWriteWithoutTheIngestionBeneath) {
  for (uint64_t seed = 1; seed <= 60 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    BatonScheduler scheduler({.seed = seed});
    scheduler.Run([&] {
      Options options;
      options.create_if_missing = true;
      options.wal_sync = WalSyncMode::kNever;
      options.env = MakeSimEnv(SimFileSystem::New({.seed = seed, .track = false}), seed);
      options.env.clock = scheduler.clock();
      std::unique_ptr<DB> db;
      ASSERT_TRUE(DB::Open(options, "/db", &db).ok());
      ASSERT_TRUE(db->Put({}, "ingested", "0").ok());
      ASSERT_TRUE(db->Put({}, "written", "0").ok());
      bool done = false;
      Thread reader("reader", [&] {
        const Slice keys[] = {"written", "ingested"};
        while (!done && !testing::Test::HasFailure()) {
          PinnedValue values[2];
          Status statuses[2];
          db->MultiGet({}, keys, values, statuses);
          EXPECT_LE(std::stoi(values[0].ToString()), std::stoi(values[1].ToString()));
          SleepFor(1000);  // others run, where the build has no schedule points
        }
      });
      for (int n = 1; n <= 40; ++n) {
        const std::string number = std::to_string(n);
        SegmentWriter file(options, "/" + number);
        EXPECT_TRUE(file.Put("ingested", number).ok());
        EXPECT_TRUE(file.Finish().ok());
        EXPECT_TRUE(db->Ingest({"/" + number}).ok());
        EXPECT_TRUE(db->Put({}, "written", number).ok());
      }
      done = true;
    });
  }
}

}  // namespace
}  // namespace varve
