#include <algorithm>
#include <utility>

#include "tests/support/baton_scheduler.h"
#include "tests/support/quiet_logger.h"
#include "tests/support/sim_env.h"
#include "tools/crash/db_reader.h"
#include "tools/crash/db_workload.h"
#include "tools/crash/observing.h"
#include "tools/crash/session.h"
#include "util/hash.h"
#include "util/thread.h"

// The whole engine: a database lives once or more often under clients that write, read and flush,
// all threads under one seed's interleaving.

namespace varve::crash {
namespace {

constexpr char kPath[] = "/db";

Options OptionsFor(const DbRunOptions& run, std::shared_ptr<FileSystem> fs,
                   const BatonScheduler& scheduler, uint64_t seed) {
  static const auto* const logger = new std::shared_ptr<Logger>(std::make_shared<QuietLogger>());
  Options options = run.db;
  options.env = MakeSimEnv(nullptr, seed);
  options.env.file_system = std::move(fs);
  options.env.clock = scheduler.clock();
  options.logger = *logger;
  return options;
}

class DbSession : public Session {
 public:
  explicit DbSession(const SessionOptions& options)
      : variant_(options.variant), focus_(options.focus) {
    run_.options = DbRunOptions::FromSeed(options.seed, variant_, focus_, /*short_run=*/false);
    fs_ = SimFileSystem::New(
        {.seed = options.seed, .record = true, .mapped_logs = run_.options.db.wal_mapped});
    ledger_ = std::make_shared<Ledger>(run_.options.writers);
    Live(options.seed);
  }

  // Goes on after a crash of `before`.
  DbSession(const DbSession& before, SimDisk disk, uint64_t boundary, bool kill, uint64_t seed)
      : variant_(before.variant_), focus_(before.focus_) {
    run_.options = DbRunOptions::FromSeed(seed, variant_, focus_, /*short_run=*/true);
    run_.options.writers = before.run_.options.writers;
    fs_ = SimFileSystem::New(
        {.seed = seed, .record = true, .mapped_logs = run_.options.db.wal_mapped}, std::move(disk));
    ledger_ = std::make_shared<Ledger>(before.ledger_, boundary, kill);
    run_.SetSequence(before.HighestSequence(boundary), 0);
    run_.lives = before.run_.lives + 1;  // the one that the crash ended
    run_.checkpoints.GoOn(before.run_.checkpoints, fs_->disk(), boundary, kill);
    resolve_ = true;
    Live(seed);
  }

  bool finds_damage() const override { return true; }
  uint64_t Context(const CrashPoint& point) const override {
    return run_.checkpoints.Context(point.boundary);
  }

  Observation Observe(SimDisk disk, const CrashPoint& point, Ledger::State* state) const override {
    const uint64_t seed = disk.CachedHash();
    BatonScheduler scheduler({.seed = seed, .switch_one_in = 1 << 20, .spurious_one_in = 0});
    Observation observation;
    Ledger::State found;
    scheduler.Run([&] {
      observation.fault =
          run_.checkpoints.Judge(disk, point.boundary, {.ledger = ledger_.get()},
                                 OptionsFor(run_.options, nullptr, scheduler, seed));
      if (!observation.fault.empty()) return;
      ObserveTask(std::move(disk), seed, scheduler, &observation, &found);
    });
    if (observation.fault.empty()) {
      observation.hashes = HashesOf(found, ledger_->writers(), &observation.fault);
    }
    if (state != nullptr) *state = std::move(found);
    return observation;
  }

  std::unique_ptr<Session> Continue(SimDisk disk, uint64_t boundary, bool kill,
                                    uint64_t seed) const override {
    return std::make_unique<DbSession>(*this, std::move(disk), boundary, kill, seed);
  }

  uint64_t HighestSequence(uint64_t boundary) const override {
    return run_.HighestSequence(boundary);
  }

 private:
  void Live(uint64_t seed) {
    run_.fs = fs_;
    run_.ledger = ledger_;
    run_.imports = std::make_shared<ImportDevice>(fs_);
    BatonScheduler scheduler({.seed = seed});
    scheduler.OnStep([this](CrashStep step) { fs_->Did(step); });
    scheduler.Run([&] { LiveTask(seed, scheduler); });
    fault_ = run_.fault();
    if (fault_.empty()) fault_ = run_.checkpoints.Verify(*ledger_);
    keys_ = ledger_->Keys();
  }

  void LiveTask(uint64_t seed, const BatonScheduler& scheduler) {
    if (run_.options.fault.nth > 0) fs_->InjectFault(run_.options.fault);
    if (run_.options.lie_nth > 0) fs_->LieAboutSync(run_.options.lie_nth);
    std::vector<Ledger::State> states(static_cast<size_t>(run_.options.writers));
    for (int life = 0; life < run_.options.lives && run_.fault().empty(); ++life) {
      std::unique_ptr<DB> db;
      const uint64_t life_seed = Mix64(seed + static_cast<uint64_t>(life));
      run_.opened = OptionsFor(run_.options, run_.imports, scheduler, life_seed);
      const Status s = DB::Open(run_.opened, kPath, &db);
      if (!s.ok()) {
        run_.Explained("Open", s);
        return;
      }
      if (!Found(db.get(), &states)) return;
      run_.SetSequence(LastSequence(db.get()), fs_->op_count());
      run_.db = db.get();
      bool good = true;
      {
        std::vector<Thread> clients;
        std::vector<char> wrote(states.size(), 1);
        for (size_t w = 0; w < states.size(); ++w) {
          clients.emplace_back("client", [this, w, life_seed, &states, &wrote] {
            wrote[w] = RunClient(&run_, static_cast<int>(w), Mix64(life_seed + w + 1), &states[w]);
          });
        }
        clients.clear();  // joins them
        ++run_.lives;
        for (const char w : wrote) good &= w != 0;
      }
      const auto acknowledged = ledger_->Acknowledged();
      // An error that somebody has been told of Close does not tell again: then OK says nothing.
      std::string error;
      db->GetProperty("varve.background-error", &error);
      const Status closed = db->Close();
      if (closed.ok() && error.empty()) {
        ledger_->AllDurable(acknowledged, fs_->op_count());
      } else if (!closed.ok() && !run_.Explained("Close", closed)) {
        return;
      }
      // A write that failed may be there or not: what the clients know ends here.
      if (!good || !closed.ok() || !error.empty()) return;
    }
  }

  // What the open found is what the session goes on from, or what the life before left.
  bool Found(DB* db, std::vector<Ledger::State>* states) {
    Ledger::State all;
    std::string wrong = ReadEverything(db, {}, &all);
    if (wrong.find("injected fault") != std::string::npos) return false;  // reads may fail too
    std::vector<uint64_t> hashes;
    if (wrong.empty()) hashes = HashesOf(all, ledger_->writers(), &wrong);
    if (!wrong.empty()) {
      run_.Fault("after open: " + wrong);
      return false;
    }
    const uint64_t position = fs_->op_count();
    const Ledger::Bounds bounds = ledger_->At(position, !resolve_ || !CacheIsDoubtful());
    const Ledger::Verdict verdict = ledger_->Judge(hashes, position, bounds);
    if (!verdict.legal) {
      run_.Fault("after open: no legal prefix\n" + ledger_->Explain(all, position, bounds));
      return false;
    }
    if (resolve_) ledger_->Resolve(verdict.prefix, position);
    resolve_ = false;
    for (Ledger::State& state : *states) state.clear();
    for (auto& [key, value] : all) {
      (*states)[static_cast<size_t>(WriterOf(key))].emplace(key, std::move(value));
    }
    return true;
  }

  // A sync of this session failed, so the cache may have gone back to what the disk holds.
  bool CacheIsDoubtful() const { return fs_->calls_failed() > 0; }

  void ObserveTask(SimDisk disk, uint64_t seed, const BatonScheduler& scheduler,
                   Observation* observation, Ledger::State* found) const {
    const auto fail = [observation](const std::string& what) { observation->fault = what; };
    auto fs = SimFileSystem::New(
        {.seed = seed, .track = false, .mapped_logs = run_.options.db.wal_mapped}, std::move(disk));
    const FileNumber highest = HighestNumber(fs.get(), kPath);
    std::unique_ptr<DB> db;
    Status s = DB::Open(OptionsFor(run_.options, fs, scheduler, seed), kPath, &db);
    if (!s.ok()) return fail("open: " + s.ToString());
    observation->lowest_new_sequence = LastSequence(db.get()) + 1;
    if (std::string wrong = ReadEverything(db.get(), keys_, found); !wrong.empty()) {
      return fail(wrong);
    }
    std::shared_ptr<SimFileSystem> second;
    if (std::string wrong = EndFirstLife(fs, seed, &db, &second); !wrong.empty()) {
      return fail(wrong);
    }
    if (std::string wrong = CheckDirectory(fs.get(), kPath); !wrong.empty()) return fail(wrong);
    if (std::string wrong = NoteNumbers(*fs, highest, observation); !wrong.empty()) {
      return fail(wrong);
    }

    s = DB::Open(OptionsFor(run_.options, second, scheduler, seed + 1), kPath, &db);
    if (!s.ok()) return fail("second open: " + s.ToString());
    Ledger::State again;
    const std::string wrong = ReadRange(db.get(), nullptr, "", "\xff", &again);
    const std::string different = wrong.empty() ? Difference(again, *found) : wrong;
    if (!different.empty()) return fail("second open: " + different);
    if (s = db->Close(); !s.ok()) return fail("second close: " + s.ToString());
  }

  const std::string variant_, focus_;
  mutable DbRun run_;
  bool resolve_ = false;  // the open still has to say what it found
  std::vector<std::string> keys_;
};

}  // namespace

std::unique_ptr<Session> StartDbSession(const SessionOptions& options) {
  return std::make_unique<DbSession>(options);
}

}  // namespace varve::crash
