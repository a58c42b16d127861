#include <algorithm>
#include <atomic>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/ledger.h"
#include "tools/crash/child_process.h"
#include "tools/crash/db_reader.h"
#include "tools/crash/db_workload.h"
#include "tools/crash/kill_subject.h"
#include "util/hash.h"
#include "util/random.h"
#include "util/thread.h"

// A database with one to three writers. Every logged write that was acknowledged must be there,
// synced or not; one prefix for all keys.

namespace varve::crash {
namespace {

constexpr int kWritersMax = 3;
constexpr int kKeys = 30;

// What a child has done. Both sides take the batches of a writer from one seed, so two numbers say
// which they were. Sequentially consistent: the child is dead when the parent reads.
struct Counts {
  std::atomic<uint32_t> invoked[kWritersMax];
  std::atomic<uint32_t> acknowledged[kWritersMax];
};

struct Batch {
  std::vector<Ledger::Op> ops;
  bool logged = true;
  bool sync = false;
  bool flush_after = false;
};

// The options of a round, and how its writers go on.
struct Round {
  uint64_t seed = 0;
  int writers = 0;
  Options options;
  uint32_t sync_one_in = 1;
  bool unlogged = false;
  int life = 0;  // of the directory

  static Round FromSeed(uint64_t seed) {
    Round round;
    Random random(seed);
    round.seed = seed;
    round.options = DbRunOptions::FromSeed(seed, "-", "db", false).db;
    round.options.wal_sync_interval_ms = static_cast<uint32_t>(random.Between(1, 5));
    round.writers = static_cast<int>(random.Between(1, kWritersMax));
    round.sync_one_in = random.OneIn(2) ? 1000 : static_cast<uint32_t>(random.Between(2, 30));
    round.unlogged = random.OneIn(4);
    round.options.use_direct_reads = random.OneIn(3);
    return round;
  }

  // Batch `number` (from 1) of a writer.
  Batch BatchOf(int writer, uint32_t number) const {
    Random random(Mix64(seed + static_cast<uint64_t>(writer)) + number);
    Batch batch;
    const uint64_t count = random.OneIn(4) ? random.Between(2, 5) : 1;
    for (uint32_t i = 0; i < count; ++i) {
      std::string key = KeyOf(writer, static_cast<int>(random.Uniform(kKeys)));
      if (random.OneIn(6)) {
        batch.ops.push_back({std::move(key), std::nullopt});
        continue;
      }
      const size_t bytes = random.OneIn(30) ? random.Uniform(30000) : random.Uniform(400);
      std::string value = MakeValue(key, writer, number, i, bytes, life);
      batch.ops.push_back({std::move(key), std::move(value)});
    }
    batch.logged = !unlogged || (number / 16) % 2 == 0;
    batch.sync = batch.logged && random.OneIn(sync_one_in);
    batch.flush_after = random.OneIn(400);
    return batch;
  }
};

class DbKillSubject : public KillSubject {
 public:
  bool ok() const override { return counts_.ok(); }

  void NewDirectory(const std::string& path, uint64_t /*seed*/) override {
    path_ = path;
    state_.assign(kWritersMax, {});
    round_.life = 0;
  }
  void BeginRound(uint64_t seed) override {
    const int life = round_.life + 1;
    round_ = Round::FromSeed(seed);
    round_.life = life;
    counts_.Begin();
  }

  Status Open(std::unique_ptr<DB>* db) override { return DB::Open(round_.options, path_, db); }

  void Write(DB* db, const Fail& fail) override {
    std::vector<Thread> threads;
    for (int w = 0; w < round_.writers; ++w) {
      threads.emplace_back("writer", [this, db, w, &fail] { fail(WriteAs(db, w)); });
    }
    threads.clear();  // joins them
  }

  std::string Check(const FailedCalls& /*failed*/, KillCounts* counts) override {
    Ledger ledger(kWritersMax);
    for (int w = 0; w < kWritersMax; ++w) {
      std::vector<Ledger::Op> before;
      for (auto& [key, value] : state_[static_cast<size_t>(w)]) before.push_back({key, value});
      ledger.Acknowledge(w, ledger.Begin(w, std::move(before), true, 0), true, 0);
    }
    // Nobody knows what came before what of different writers: all begin before any is answered.
    for (int w = 0; w < kWritersMax; ++w) {
      for (uint32_t number = 1; number <= counts_->invoked[w].load(); ++number) {
        Batch batch = round_.BatchOf(w, number);
        ledger.Begin(w, std::move(batch.ops), batch.logged, 1);
      }
    }
    for (int w = 0; w < kWritersMax; ++w) {
      for (uint32_t number = 1; number <= counts_->acknowledged[w].load(); ++number) {
        ledger.Acknowledge(w, number + 1, false, 1);  // 1 is what was there before
      }
    }
    std::unique_ptr<DB> db;
    if (Status s = Open(&db); !s.ok()) return "open: " + s.ToString();
    Ledger::State found;
    std::string wrong = ReadEverything(db.get(), ledger.Keys(), &found);
    if (wrong.empty()) {
      if (Status s = db->Close(); !s.ok()) wrong = "close: " + s.ToString();
    }
    if (!wrong.empty()) return wrong;
    const std::vector<uint64_t> hashes = HashesOf(found, kWritersMax, &wrong);
    if (!wrong.empty()) return wrong;
    const Ledger::Bounds bounds = ledger.At(1, /*kill=*/true);
    const Ledger::Verdict verdict = ledger.Judge(hashes, 1, bounds);
    if (!verdict.legal) return "no legal prefix\n" + ledger.Explain(found, 1, bounds);
    for (const Ledger::BatchNumber n : verdict.prefix) counts->batches += n - 1;
    for (Ledger::State& state : state_) state.clear();
    for (auto& [key, value] : found) {
      state_[static_cast<size_t>(WriterOf(key))].emplace(key, std::move(value));
    }
    return "";
  }

 private:
  std::string WriteAs(DB* db, int writer) {
    for (uint32_t number = 1;; ++number) {
      const Batch batch = round_.BatchOf(writer, number);
      WriteBatch write;
      for (const Ledger::Op& op : batch.ops) {
        (op.value.has_value() ? write.Put(op.key, *op.value) : write.Delete(op.key)).ok();
      }
      counts_->invoked[writer].store(number);
      const Status s = db->Write({.sync = batch.sync, .disable_wal = !batch.logged}, write);
      if (!s.ok()) return "write: " + s.ToString();
      counts_->acknowledged[writer].store(number);
      if (!batch.flush_after) continue;
      if (Status f = db->Flush({.wait = number % 2 == 0}); !f.ok()) {
        return "flush: " + f.ToString();
      }
    }
  }

  SharedWithChildren<Counts> counts_;
  std::string path_;
  Round round_;
  std::vector<Ledger::State> state_;  // by writer: what the database holds
};

}  // namespace

std::unique_ptr<KillSubject> NewDbKillSubject() { return std::make_unique<DbKillSubject>(); }

}  // namespace varve::crash
