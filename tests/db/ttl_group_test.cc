// Writers of one commit group share its record of the log, not their times to live: what each entry
// was given by its own writer, at one instant for all, is what reads go by, and what a replay of
// the record makes again.
//
// A group is made for certain, not by chance. The log's sync of a first write is held; the others
// queue up behind it, one by one, while the default changes under them and time passes; then the
// sync goes on, and the first of them leads them all. In virtual time: after each sleep the writer
// that was started waits in the queue.

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "db/reset_clock.h"
#include "db/write_batch_internal.h"
#include "tests/support/baton_scheduler.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/quiet_logger.h"
#include "tests/support/sim_env.h"
#include "tests/support/sim_file_system.h"
#include "util/random.h"
#include "util/thread.h"
#include "varve/db.h"
#include "wal/log_dump.h"

namespace varve {
namespace {

using std::chrono::milliseconds;

constexpr uint64_t kStart = 1'700'000'000'000;
constexpr uint64_t kNever = UINT64_MAX;

// A wall clock that moves by `step_ms` at each reading, and otherwise as it is told; time goes on
// by it alone.
class SteppingWallClock final : public Clock {
 public:
  explicit SteppingWallClock(std::shared_ptr<Clock> others) : others_(std::move(others)) {}
  uint64_t MonotonicNanos() override { return others_->MonotonicNanos(); }
  uint64_t BootMillis() override { return 5000; }
  uint64_t WallMillis() override { return std::exchange(wall_ms, wall_ms + step_ms); }

  // Touched by the task that holds the baton.
  uint64_t wall_ms = kStart;
  uint64_t step_ms = 0;

 private:
  const std::shared_ptr<Clock> others_;
};

struct Entry {
  enum class Life { kAsTheWrite, kOwn, kEver, kUntil, kDeleted };

  std::string key;
  Life life = Life::kAsTheWrite;
  uint64_t ms = 0;  // kOwn: the ttl; kUntil: after kStart
};

// What one writer asks for: a single Put of entries[0], which is kAsTheWrite, or a batch.
struct Order {
  uint64_t default_ms;  // in force when it is written; 0: none
  std::optional<milliseconds> ttl;
  bool single;
  std::vector<Entry> entries;
};

// A record of the log in words: "8(now ttl)", "7(key ttl)", "2(key expires_at)", "1(key)",
// "0(key)", instants as milliseconds after kStart.
class Words final : public WriteBatch::Handler {
 public:
  Status Put(Slice key, Slice) override { return Add("1(" + std::string(key)); }
  Status Delete(Slice key) override { return Add("0(" + std::string(key)); }
  Status PutUntil(Slice key, Slice, uint64_t expires_at_ms) override {
    return Add("2(" + std::string(key) + " " + std::to_string(expires_at_ms - kStart));
  }
  Status PutWithTtl(Slice key, Slice, uint64_t ttl_ms) override {
    return Add("7(" + std::string(key) + " " + Ttl(ttl_ms));
  }
  Status CommitTime(uint64_t now_ms, uint64_t ttl_ms) override {
    return Add("8(" + (now_ms == 0 ? "-" : std::to_string(now_ms - kStart)) + " " + Ttl(ttl_ms));
  }

  std::string text;

 private:
  static std::string Ttl(uint64_t ttl_ms) {
    return ttl_ms == kNever ? "never" : std::to_string(ttl_ms);
  }
  Status Add(const std::string& word) {
    text += (text.empty() ? "" : " ") + word + ")";
    return Status::OK();
  }
};

class Records final : public wal::LogDumpSink {
 public:
  void OnHeader(uint64_t, const wal::HeaderCopy&) override {}
  void OnGap(uint64_t, uint64_t, bool, const std::string&) override {}
  void OnRecord(uint64_t, const wal::RecordHeader&, Slice payload,
                const std::string& damage) override {
    EXPECT_EQ(damage, "");
    Words words;
    const Status status =
        WriteBatchInternal::Iterate(payload, &words, WriteBatchInternal::Origin::kLog);
    EXPECT_TRUE(status.ok()) << status.ToString();
    texts.push_back(words.text);
    counts.push_back(WriteBatchInternal::Count(payload));
  }

  std::vector<std::string> texts;
  std::vector<uint32_t> counts;
};

class Scenario {
 public:
  Scenario(uint64_t seed, std::vector<Order> orders, size_t value_bytes)
      : seed_(seed),
        orders_(std::move(orders)),
        value_bytes_(value_bytes),
        scheduler_({.seed = seed}) {
    options_.create_if_missing = true;
    options_.wal_sync = WalSyncMode::kNever;
    options_.memtable_bytes = 1 << 20;  // nothing is flushed
    options_.logger = std::make_shared<QuietLogger>();
  }

  // Writes the orders as one group, and compares reads before and after a replay with what the
  // orders say. Returns the group's record, in words.
  std::string Go() {
    scheduler_.Run([this] {
      Open(SimFileSystem::New({.seed = seed_, .track = false}));
      if (db_ == nullptr) return;
      WriteOneGroup();
      if (!testing::Test::HasFailure()) Check("written");
      const SimDisk disk = files_->disk().Kill();
      db_.reset();
      if (!testing::Test::HasFailure()) CheckOneRecord(disk);
      options_.default_ttl_ms = seed_ % 2 == 0 ? 0 : 5;  // no concern of what is replayed
      const auto files = SimFileSystem::New({.track = false}, disk);
      clock_->wall_ms = commit();  // an open follows it
      ClockReset reset;            // to see all of it once more
      const Status status = ResetClock(MakeSimEnv(files, seed_), "/db", commit(), &reset);
      EXPECT_TRUE(status.ok()) << status.ToString();
      Open(files);
      if (db_ == nullptr) return;
      if (!testing::Test::HasFailure()) Check("replayed");
      db_.reset();
    });
    return record_;
  }

 private:
  void Open(std::shared_ptr<SimFileSystem> files) {
    files_ = std::move(files);
    faults_ = FaultFileSystem::New(files_);
    options_.env = MakeSimEnv(files_, seed_);
    options_.env.file_system = faults_;
    options_.env.clock = clock_;
    const Status status = DB::Open(options_, "/db", &db_);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }

  void WriteOneGroup() {
    bool held = true;
    const size_t hold = faults_->Inject({.op = FaultOp::kSync,
                                         .forever = true,
                                         .path_part = ".log",
                                         .status = Status::OK(),
                                         .action = [&held](const std::string&) {
                                           while (held) SleepFor(100'000'000);
                                         }});
    {
      std::vector<Thread> writers;
      writers.emplace_back("first", [this] {
        WriteOptions synced;
        synced.sync = true;
        EXPECT_TRUE(db_->Put(synced, "first", "alone").ok());
      });
      SleepFor(1'000'000'000);
      EXPECT_GT(faults_->hits(hold), 0u);
      for (size_t n = 0; n < orders_.size(); ++n) {
        clock_->wall_ms = kStart + n;
        const Order& order = orders_[n];
        EXPECT_TRUE(db_->SetOptions({{"default_ttl_ms", std::to_string(order.default_ms)}}).ok());
        writers.emplace_back("writer", [this, &order, n] { Write(order, n); });
        SleepFor(1'000'000'000);
      }
      EXPECT_TRUE(db_->SetOptions({{"default_ttl_ms", "7"}}).ok());  // too late for all of them
      // The leader finds the wall clock ahead, and looks again to follow it: once for all of them.
      clock_->wall_ms = commit() - 3;
      clock_->step_ms = 3;
      held = false;
    }
    clock_->step_ms = 0;
    faults_->RemoveAll();
    for (size_t n = 0; n < orders_.size(); ++n) Expect(orders_[n], n);
  }

  void Write(const Order& order, size_t n) {
    WriteOptions options;
    options.ttl = order.ttl;
    const std::string value = Value(n);
    if (order.single) {
      EXPECT_TRUE(db_->Put(options, order.entries[0].key, value).ok());
      return;
    }
    WriteBatch batch;
    for (const Entry& entry : order.entries) {
      Status status;
      switch (entry.life) {
        case Entry::Life::kAsTheWrite:
          status = batch.Put(entry.key, value);
          break;
        case Entry::Life::kOwn:
          status = batch.Put(entry.key, value, milliseconds(entry.ms));
          break;
        case Entry::Life::kEver:
          status = batch.Put(entry.key, value, kNoTtl);
          break;
        case Entry::Life::kUntil:
          status = batch.PutUntil(entry.key, value, kStart + entry.ms);
          break;
        case Entry::Life::kDeleted:
          status = batch.Delete(entry.key);
          break;
      }
      EXPECT_TRUE(status.ok()) << status.ToString();
    }
    const Status status = db_->Write(options, batch);
    EXPECT_TRUE(status.ok()) << status.ToString();
  }

  std::string Value(size_t n) const { return std::to_string(n) + std::string(value_bytes_, '.'); }

  // What order `n` makes of the model: the time of the commit is that of the whole group.
  void Expect(const Order& order, size_t n) {
    const uint64_t commit = this->commit();
    uint64_t plain = order.default_ms == 0 ? kNever : commit + order.default_ms;
    if (order.ttl.has_value()) {
      plain = *order.ttl == kNoTtl ? kNever : commit + static_cast<uint64_t>(order.ttl->count());
    }
    for (const Entry& entry : order.entries) {
      uint64_t expires_at = plain;
      if (entry.life == Entry::Life::kOwn) expires_at = commit + entry.ms;
      if (entry.life == Entry::Life::kUntil) expires_at = kStart + entry.ms;
      if (entry.life == Entry::Life::kEver) expires_at = kNever;
      if (entry.life == Entry::Life::kDeleted) expires_at = 0;
      model_[entry.key] = {n, expires_at};
      if (expires_at != 0 && expires_at != kNever) {
        instants_.insert(expires_at - 1);
        instants_.insert(expires_at);
      }
    }
    instants_.insert(commit);
  }

  uint64_t commit() const { return kStart + orders_.size(); }

  // Every read at every instant at which one of them may change.
  void Check(const char* when) {
    for (const uint64_t instant : instants_) {
      if (instant < commit()) continue;  // time does not go back
      SCOPED_TRACE(std::string(when) + ", " + std::to_string(instant - kStart) + " ms");
      clock_->wall_ms = instant;
      std::map<std::string, std::string> expected{{"first", "alone"}};
      for (const auto& [key, version] : model_) {
        const bool lives = instant < version.expires_at;
        if (lives) expected[key] = Value(version.order);
        std::string value;
        EXPECT_EQ(db_->Get({}, key, &value).ok(), lives) << key;
      }
      std::map<std::string, std::string> found;
      const std::unique_ptr<Iterator> it = db_->NewIterator({});
      for (it->SeekToFirst(); it->Valid(); it->Next()) {
        found.emplace(std::string(it->key()), std::string(it->value()));
      }
      EXPECT_TRUE(it->status().ok()) << it->status().ToString();
      EXPECT_TRUE(found == expected);
      if (testing::Test::HasFailure()) return;
    }
  }

  // The log holds the first write, and the rest in one record: it was a group.
  void CheckOneRecord(const SimDisk& disk) {
    const auto files = SimFileSystem::New({.track = false}, disk);
    std::vector<std::string> names;
    ASSERT_TRUE(files->ListDirectory("/db", &names).ok());
    Records records;
    for (const std::string& name : names) {
      if (!name.ends_with(".log")) continue;
      const Status status = wal::DumpLog(files.get(), "/db/" + name, &records);
      ASSERT_TRUE(status.ok()) << status.ToString();
    }
    size_t entries = 0;
    for (const Order& order : orders_) entries += order.entries.size();
    ASSERT_EQ(records.counts, (std::vector<uint32_t>{1, static_cast<uint32_t>(entries)}));
    EXPECT_EQ(records.texts[0], "1(first)");
    record_ = records.texts[1];
  }

  struct Version {
    size_t order;
    uint64_t expires_at;  // 0: deleted
  };

  const uint64_t seed_;
  const std::vector<Order> orders_;
  const size_t value_bytes_;
  BatonScheduler scheduler_;
  const std::shared_ptr<SteppingWallClock> clock_ =
      std::make_shared<SteppingWallClock>(scheduler_.clock());
  Options options_;
  std::shared_ptr<SimFileSystem> files_;
  std::shared_ptr<FaultFileSystem> faults_;
  std::unique_ptr<DB> db_;
  std::map<std::string, Version> model_;
  std::set<uint64_t> instants_;
  std::string record_;
};

TEST(TtlGroup, EveryWriterKeepsItsOwnTtl) {
  using Life = Entry::Life;
  const std::optional<milliseconds> unset;
  const std::vector<Order> orders{
      {0, unset, true, {{"a"}}},
      {0, milliseconds(100), false, {{"b"}, {"c", Life::kOwn, 50}}},
      {0, unset, true, {{"d"}}},  // never, though a batch before it was given a ttl
      {0, milliseconds(200), false, {{"e"}, {"f", Life::kUntil, 70}, {"b2", Life::kDeleted}}},
      {0, unset, false, {{"g"}, {"h", Life::kUntil, 80}}},
      {0, unset, true, {{"i"}}},
      {300, unset, true, {{"j"}}},
      {300, unset, false, {{"k"}, {"l", Life::kEver}}},
      {0, milliseconds(40), true, {{"m"}}},
      {0, unset, true, {{"n"}}},
      {300, kNoTtl, true, {{"o"}}},
      {400, unset, false, {{"p"}}},
      {0, unset, false, {{"q", Life::kOwn, 60}, {"r"}}},
      {0, unset, true, {{"s"}}},
  };
  // 14: the time of the commit. The reset before d, g, m says no time, as none is needed.
  for (const size_t value_bytes : {size_t{1}, size_t{4000}}) {  // the larger go in side by side
    EXPECT_EQ(Scenario(1, orders, value_bytes).Go(),
              "1(a) "
              "8(14 100) 1(b) 7(c 50) "
              "8(- never) 1(d) "
              "8(14 200) 1(e) 2(f 70) 0(b2) "
              "8(- never) 1(g) 2(h 80) 1(i) "
              "2(j 314) "
              "8(14 300) 1(k) 7(l never) "
              "8(- never) 2(m 54) 1(n) 1(o) "
              "8(14 400) 1(p) "
              "8(14 never) 7(q 60) 1(r) 1(s)");
  }
}

// A write without a ttl, where there is no default, is logged as it was before there were any.
TEST(TtlGroup, WithoutTtlsThereAreNoTimesInTheLog) {
  using Life = Entry::Life;
  const std::vector<Order> orders{
      {0, std::nullopt, true, {{"a"}}},
      {0, std::nullopt, false, {{"b"}, {"a", Life::kDeleted}}},
      {50, kNoTtl, false, {{"c"}, {"d", Life::kUntil, 90}}},
  };
  EXPECT_EQ(Scenario(1, orders, 1).Go(), "1(a) 1(b) 0(a) 1(c) 2(d 90)");
}

TEST(TtlGroup, AnyGroupReplaysAsItWasInserted) {
  for (uint64_t seed = 1; seed <= 60 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    std::vector<Order> orders(random.Between(2, 8));
    uint64_t default_ms = 0;
    for (Order& order : orders) {
      if (random.OneIn(3)) default_ms = random.OneIn(2) ? 0 : random.Between(1, 200);
      order.default_ms = default_ms;
      if (random.OneIn(3)) order.ttl = milliseconds(random.Between(1, 200));
      if (random.OneIn(8)) order.ttl = kNoTtl;
      order.single = random.OneIn(2);
      for (uint64_t left = order.single ? 1 : random.Between(1, 4); left > 0; --left) {
        Entry entry{std::string(1, static_cast<char>('a' + random.Uniform(16)))};
        if (!order.single && random.OneIn(2)) {
          entry.life = static_cast<Entry::Life>(random.Uniform(5));
          entry.ms = random.Between(1, 200);
        }
        order.entries.push_back(std::move(entry));
      }
    }
    Scenario(seed, std::move(orders), random.OneIn(3) ? 3000 : 1).Go();
  }
}

}  // namespace
}  // namespace varve
