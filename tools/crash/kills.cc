#include "tools/crash/kills.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "tests/support/ledger.h"
#include "tools/crash/child_process.h"
#include "tools/crash/db_reader.h"
#include "tools/crash/db_workload.h"
#include "tools/crash/failing_new.h"
#include "util/hash.h"
#include "util/random.h"
#include "util/thread.h"

namespace varve::crash {
namespace {

constexpr int kWritersMax = 3;
constexpr int kKeys = 30;
constexpr double kOpenSecondsMax = 20;

// What a child has done. Both sides take the batches of a writer from one seed, so two numbers say
// which they were. Sequentially consistent: the child is dead when the parent reads.
struct Shared {
  std::atomic<uint32_t> invoked[kWritersMax];
  std::atomic<uint32_t> acknowledged[kWritersMax];
  std::atomic<bool> opened;
  std::atomic<bool> failed;
  char error[400];
};

struct Batch {
  std::vector<Ledger::Op> ops;
  bool logged = true;
  bool sync = false;
  bool flush_after = false;
};

// The options of a round, and how its writers go on.
struct Round {
  uint64_t seed;
  int writers;
  Options options;
  uint32_t sync_one_in;
  bool unlogged;

  explicit Round(uint64_t round_seed) : seed(round_seed) {
    Random random(seed);
    options = DbRunOptions::FromSeed(seed, "-", "db", false).db;
    options.wal_sync_interval_ms = static_cast<uint32_t>(random.Between(1, 5));
    writers = static_cast<int>(random.Between(1, kWritersMax));
    sync_one_in = random.OneIn(2) ? 1000 : static_cast<uint32_t>(random.Between(2, 30));
    unlogged = random.OneIn(4);
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
      std::string value = MakeValue(key, writer, number, i, bytes);
      batch.ops.push_back({std::move(key), std::move(value)});
    }
    batch.logged = !unlogged || (number / 16) % 2 == 0;
    batch.sync = batch.logged && random.OneIn(sync_one_in);
    batch.flush_after = random.OneIn(400);
    return batch;
  }
};

class Killer {
 public:
  explicit Killer(const KillOptions& options)
      : options_(options), random_(options.seed), start_(SecondsNow()) {}

  KillReport Go() {
    if (!shared_.ok()) {
      report_.violations.push_back(std::string("mmap: ") + std::strerror(errno));
      return report_;
    }
    for (uint64_t i = 0; report_.kills < options_.kills && report_.violations.empty() &&
                         SecondsNow() - start_ < options_.seconds;
         ++i) {
      if (i % 50 == 0) NewDatabase(i);
      One(Mix64(options_.seed + i));
      if (options_.progress) {
        std::fprintf(stderr, "\r\033[K%llu kills", static_cast<unsigned long long>(report_.kills));
      }
    }
    Remove();
    if (options_.progress) std::fprintf(stderr, "\r\033[K");
    report_.seconds = SecondsNow() - start_;
    return report_;
  }

 private:
  void NewDatabase(uint64_t number) {
    Remove();
    path_ = options_.directory + "/kill-" + std::to_string(getpid()) + "-" + std::to_string(number);
    state_.assign(kWritersMax, {});
  }
  void Remove() {
    if (!path_.empty()) DB::Destroy(Options(), path_).ok();
  }

  void Violation(uint64_t seed, const std::string& what) {
    report_.violations.push_back("round " + std::to_string(seed) + " on " + path_ + ": " + what);
    path_.clear();  // it stays, to be looked at
  }

  // One child that writes, perhaps some that only open, and the check.
  void One(uint64_t seed) {
    const Round round(seed);
    shared_.Begin();
    // Mostly in its work; now and then while it still recovers. How long that takes depends on the
    // machine, so it is measured.
    const bool early = random_.OneIn(5);
    const uint64_t micros = random_.Uniform(early ? open_micros_ + 1 : options_.run_micros_max);
    if (!RunAndKill(/*when_open=*/!early, micros, [&] { Write(round); })) {
      return Violation(seed, "fork failed");
    }
    ++report_.kills;
    if (shared_->failed.load()) return Violation(seed, shared_->error);
    while (random_.OneIn(2)) {
      shared_->opened.store(false);
      const uint64_t micros_of_open = random_.Uniform(open_micros_ * 5 / 4 + 1);
      if (!RunAndKill(false, micros_of_open, [&] { OpenOnly(round); })) break;
      ++report_.recovery_kills;
      if (shared_->failed.load()) return Violation(seed, shared_->error);
    }
    const std::string wrong = Check(round);
    if (!wrong.empty()) Violation(seed, wrong);
  }

  // Kills the child so long after its start, or after it has opened the database. False if there
  // can be no child.
  template <typename Body>
  bool RunAndKill(bool when_open, uint64_t micros, const Body& body) {
    // The allocation that fails; few, as the later ones happen while it writes.
    const uint64_t failing =
        options_.out_of_memory && random_.OneIn(4) ? 1 + random_.Skewed(14) : 0;
    std::fflush(nullptr);
    const pid_t pid = fork();
    if (pid < 0) return false;
    if (pid == 0) {
      if (failing > 0) {
        // What it says of its end would fill the screen.
        if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(0);
        FailAllocation(failing, failing % 2 == 0);
      }
      [&body]() noexcept { body(); }();  // nobody is to catch what it throws
      _exit(0);
    }
    const double started = SecondsNow();
    while (when_open && !shared_->opened.load() && !shared_->failed.load() &&
           SecondsNow() - started < kOpenSecondsMax && !(failing > 0 && Ended(pid))) {
      usleep(100);
    }
    if (when_open && shared_->opened.load())
      open_micros_ = static_cast<uint64_t>((SecondsNow() - started) * 1e6);
    usleep(static_cast<useconds_t>(micros));
    kill(pid, SIGKILL);
    const int status = AwaitEnd(pid);
    const bool aborted = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
    if (failing > 0 && (aborted || shared_->failed.load())) {
      ++report_.out_of_memory;
      shared_->failed.store(false);
    } else if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL) {
      Fail(std::string("the child died: ") + strsignal(WTERMSIG(status)));
    }
    return true;
  }

  // Whether the child is a zombie already, which it stays.
  static bool Ended(pid_t pid) {
    siginfo_t info{};
    return waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == pid;
  }

  void Fail(const std::string& what) {
    std::strncpy(shared_->error, what.c_str(), sizeof(shared_->error) - 1);
    shared_->failed.store(true);
  }

  bool OpenDb(const Round& round, std::unique_ptr<DB>* db) {
    const Status s = DB::Open(round.options, path_, db);
    if (!s.ok()) Fail("open: " + s.ToString());
    shared_->opened.store(s.ok());
    return s.ok();
  }

  // In a child.
  void OpenOnly(const Round& round) {
    std::unique_ptr<DB> db;
    if (OpenDb(round, &db)) pause();
  }
  void Write(const Round& round) {
    std::unique_ptr<DB> db;
    if (!OpenDb(round, &db)) return;
    std::vector<Thread> threads;
    for (int w = 0; w < round.writers; ++w) {
      threads.emplace_back("writer", [this, &round, &db, w] { WriteAs(round, db.get(), w); });
    }
    threads.clear();
  }
  void WriteAs(const Round& round, DB* db, int writer) {
    for (uint32_t number = 1;; ++number) {
      const Batch batch = round.BatchOf(writer, number);
      WriteBatch write;
      for (const Ledger::Op& op : batch.ops) {
        (op.value.has_value() ? write.Put(op.key, *op.value) : write.Delete(op.key)).ok();
      }
      shared_->invoked[writer].store(number);
      const Status s = db->Write({.sync = batch.sync, .disable_wal = !batch.logged}, write);
      if (!s.ok()) return Fail("write: " + s.ToString());
      shared_->acknowledged[writer].store(number);
      if (batch.flush_after) {
        if (Status f = db->Flush({.wait = number % 2 == 0}); !f.ok()) {
          return Fail("flush: " + f.ToString());
        }
      }
    }
  }

  // "" or what is wrong with what the child left; what is there is where the next one begins.
  std::string Check(const Round& round) {
    Ledger ledger(kWritersMax);
    for (int w = 0; w < kWritersMax; ++w) {
      std::vector<Ledger::Op> before;
      for (auto& [key, value] : state_[static_cast<size_t>(w)]) before.push_back({key, value});
      ledger.Acknowledge(w, ledger.Begin(w, std::move(before), true, 0), true, 0);
    }
    // Nobody knows what came before what of different writers: all begin before any is answered.
    for (int w = 0; w < kWritersMax; ++w) {
      for (uint32_t number = 1; number <= shared_->invoked[w].load(); ++number) {
        Batch batch = round.BatchOf(w, number);
        ledger.Begin(w, std::move(batch.ops), batch.logged, 1);
      }
    }
    for (int w = 0; w < kWritersMax; ++w) {
      for (uint32_t number = 1; number <= shared_->acknowledged[w].load(); ++number) {
        ledger.Acknowledge(w, number + 1, false, 1);  // 1 is what was there before
      }
    }
    std::unique_ptr<DB> db;
    if (Status s = DB::Open(round.options, path_, &db); !s.ok()) return "open: " + s.ToString();
    Ledger::State found;
    std::string wrong = ReadEverything(db.get(), ledger.Keys(), &found);
    if (wrong.empty()) {
      if (Status s = db->Close(); !s.ok()) wrong = "close: " + s.ToString();
    }
    if (!wrong.empty()) return wrong;
    std::vector<uint64_t> hashes(kWritersMax, 0);
    for (auto& state : state_) state.clear();
    for (const auto& [key, value] : found) {
      const int w = WriterOf(key);
      if (w < 0 || w >= kWritersMax) return "key '" + key + "' was never written";
      hashes[static_cast<size_t>(w)] += Ledger::HashEntry(key, value);
      state_[static_cast<size_t>(w)][key] = value;
    }
    const Ledger::Bounds bounds = ledger.At(1, /*kill=*/true);
    const Ledger::Verdict verdict = ledger.Judge(hashes, 1, bounds);
    if (!verdict.legal) return "no legal prefix\n" + ledger.Explain(found, 1, bounds);
    for (const Ledger::BatchNumber n : verdict.prefix) report_.batches += n - 1;
    return "";
  }

  const KillOptions& options_;
  Random random_;
  const double start_;
  SharedWithChildren<Shared> shared_;
  std::string path_;
  uint64_t open_micros_ = 2000;       // the latest open took so long
  std::vector<Ledger::State> state_;  // by writer: what the database holds
  KillReport report_;
};

}  // namespace

KillReport RunKills(const KillOptions& options) { return Killer(options).Go(); }

}  // namespace varve::crash
