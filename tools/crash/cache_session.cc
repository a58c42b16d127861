#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/baton_scheduler.h"
#include "tests/support/quiet_logger.h"
#include "tests/support/sim_env.h"
#include "tools/crash/cache_oracle.h"
#include "tools/crash/cache_workload.h"
#include "tools/crash/db_reader.h"
#include "tools/crash/db_workload.h"
#include "tools/crash/eviction_log.h"
#include "tools/crash/observing.h"
#include "tools/crash/session.h"
#include "util/hash.h"
#include "util/thread.h"

// A cache lives once or more often at the least capacity that there may be, or not much more: what
// it is given evicts what it has. Of the images it is held against cache_oracle.h, and against its
// capacity at every change of the disk.

namespace varve::crash {
namespace {

constexpr char kPath[] = "/db";
// What a lease of time may be ahead (docs/cache.md, "Clock"), and what passes in an observation, in
// which two opens are.
constexpr uint64_t kLeaseMillis = 10'000;
constexpr uint64_t kObservedMillis = kSettleMillis + 2 * kLeaseMillis + 5'000;
// The machine, which has another boot id after a power loss.
class BootedMachine : public SimMachine {
 public:
  BootedMachine(uint64_t seed, uint64_t boot)
      : SimMachine(seed), boot_id_("boot-" + std::to_string(boot)) {}
  std::string BootId() override { return boot_id_; }

 private:
  const std::string boot_id_;
};

Options OptionsFor(const CacheRunOptions& run, std::shared_ptr<FileSystem> fs,
                   const BatonScheduler& scheduler, uint64_t seed, uint64_t boot,
                   std::shared_ptr<EvictionLog> log) {
  static const auto* const logger = new std::shared_ptr<Logger>(std::make_shared<QuietLogger>());
  Options options = run.cache;
  options.env.file_system = std::move(fs);
  options.env.clock = scheduler.clock();
  options.env.machine = std::make_shared<BootedMachine>(seed, boot);
  options.logger = *logger;
  options.listeners = {std::move(log)};
  return options;
}

}  // namespace

// What an observation of a cache found besides: see Observation::cache.
struct CacheFindings {
  CacheContents found;
  std::vector<LoggedEviction> evictions;  // told by the open, before it was read
  uint64_t resets = 0;                    // of the directory since it was made
  // By the second open of a damaged image; else it has no more than the first had. A ghost whose
  // file cannot be read hides all within its bounds, until it retires.
  CacheContents found_again = {};
};

namespace {

class CacheSession : public Session {
 public:
  explicit CacheSession(const SessionOptions& options) : variant_(options.variant) {
    run_.options = CacheRunOptions::FromSeed(options.seed, variant_, /*short_run=*/false);
    fs_ = SimFileSystem::New(
        {.seed = options.seed, .record = true, .mapped_logs = run_.options.cache.wal_mapped});
    run_.oracle = std::make_shared<CacheOracle>(run_.options.keys, run_.options.mode());
    boot_ = options.seed;
    Live(options.seed);
  }

  // Goes on after a crash of `before`.
  CacheSession(const CacheSession& before, SimDisk disk, uint64_t boundary, bool kill,
               uint64_t seed)
      : variant_(before.variant_) {
    run_.options = CacheRunOptions::FromSeed(seed, variant_, /*short_run=*/true);
    run_.options.keys = before.run_.options.keys;
    run_.options.cache.capacity_bytes = before.run_.options.cache.capacity_bytes;
    run_.options.cache.after_power_loss = before.run_.options.cache.after_power_loss;
    fs_ = SimFileSystem::New(
        {.seed = seed, .record = true, .mapped_logs = run_.options.cache.wal_mapped},
        std::move(disk));
    run_.oracle =
        std::make_shared<CacheOracle>(before.run_.oracle, boundary, kill, run_.options.mode());
    run_.lives = before.run_.lives + 1;  // the one that the crash ended
    run_.last_sequence = before.run_.oracle->HighestSequence(boundary);
    run_.checkpoints.GoOn(before.run_.checkpoints, fs_->disk(), boundary, kill);
    run_.checkpoint_views = before.run_.checkpoint_views;
    start_ms_ = before.run_.time_high;
    boot_ = kill ? before.boot_ : Mix64(before.boot_ + boundary);
    Live(seed);
  }

  bool finds_damage() const override { return true; }
  // Whether the machine went down too, and which boot it was, is not on the disk.
  uint64_t Context(const CrashPoint& point) const override {
    const uint64_t boot = point.kind == CrashPoint::Kind::kKill ? boot_ : 0;
    return Mix64(boot) + run_.checkpoints.Context(point.boundary);
  }

  Observation Observe(SimDisk disk, const CrashPoint& point, Ledger::State* state) const override {
    const bool kill = point.kind == CrashPoint::Kind::kKill;
    const uint64_t seed = Mix64(disk.CachedHash() + kill);
    const uint64_t boot = kill ? boot_ : Mix64(seed);
    BatonScheduler scheduler({.seed = seed, .switch_one_in = 1 << 20, .spurious_one_in = 0});
    Observation observation;
    auto findings = std::make_shared<CacheFindings>();
    scheduler.Run([&] {
      observation.fault = JudgeCheckpoints(disk, point, scheduler, seed, boot);
      if (!observation.fault.empty()) return;
      ObserveTask(std::move(disk), seed, boot, point, scheduler, &observation, findings.get());
    });
    if (state != nullptr) *state = ToState(findings->found);
    observation.cache = std::move(findings);
    return observation;
  }

  std::string JudgeState(const Observation& observation, const CrashPoint& point,
                         const Circumstances& how) const override {
    const CacheFindings& findings = *observation.cache;
    CacheOracle::Reading reading;
    reading.position = point.boundary;
    reading.kill = how.kill;
    reading.decayed = how.decayed;
    reading.resets = findings.resets;
    reading.evictions = &findings.evictions;
    reading.now = TimeOf(point.boundary);
    std::string wrong = run_.oracle->Judge(reading, findings.found);
    if (!wrong.empty() || findings.found_again.empty()) return wrong;
    wrong = run_.oracle->Judge(reading, findings.found_again);
    return wrong.empty() ? "" : "second open: " + wrong;
  }
  std::string Explain(const Ledger::State& state, const CrashPoint&,
                      const Circumstances&) const override {
    return "  " + std::to_string(state.size()) + " of " + std::to_string(run_.options.keys) +
           " keys are found; " + run_.options.ToString() + "\n";
  }

  std::unique_ptr<Session> Continue(SimDisk disk, uint64_t boundary, bool kill,
                                    uint64_t seed) const override {
    return std::make_unique<CacheSession>(*this, std::move(disk), boundary, kill, seed);
  }

  uint64_t HighestSequence(uint64_t boundary) const override {
    return run_.oracle->HighestSequence(boundary);
  }

 private:
  CacheTime TimeOf(uint64_t boundary) const {
    return {run_.oracle->TimeAt(boundary), run_.time_high + kLeaseMillis + kObservedMillis};
  }

  // ---- Living ----
  void Live(uint64_t seed) {
    run_.fs = fs_;
    BatonScheduler scheduler({.seed = seed});
    start_ms_ = std::max(start_ms_ + kLeaseMillis, scheduler.clock()->WallMillis());
    scheduler.OnStep([this](CrashStep step) { fs_->Did(step); });
    scheduler.Run([&] { LiveTask(seed, scheduler); });
    fault_ = run_.fault;
    // Judged once all is over: no reading of the engine's time was past it.
    run_.time_high = TimeNow(scheduler);
  }

  // The engine's time is no later: it began no more than a lease after what it was, at each open.
  uint64_t TimeNow(const BatonScheduler& scheduler) const {
    return start_ms_ + scheduler.now_nanos() / 1'000'000 + opens_ * kLeaseMillis;
  }

  void LiveTask(uint64_t seed, const BatonScheduler& scheduler) {
    if (run_.options.fault.nth > 0) fs_->InjectFault(run_.options.fault);
    if (run_.options.lie_nth > 0) fs_->LieAboutSync(run_.options.lie_nth);
    const SimDisk at_first = fs_->disk();
    if (at_first.Find(kPath) == 0) {
      if (!fs_->CreateDirectory(kPath).ok() || !fs_->SyncDirectory("/").ok()) return;
    }
    fs_->WatchDirectory(kPath);
    const uint64_t bytes_max =
        std::max(run_.options.cache.capacity_bytes, fs_->TakeWatchedBytesMax());
    for (int life = 0; life < run_.options.lives && run_.fault.empty(); ++life) {
      const bool goes_on = LiveOnce(Mix64(seed + static_cast<uint64_t>(life)), scheduler);
      if (const uint64_t most = fs_->TakeWatchedBytesMax(); most > bytes_max) {
        run_.Fault("its files took " + std::to_string(most) + " bytes of " +
                   std::to_string(bytes_max));
      }
      if (!goes_on) break;
    }
  }

  // False if no life may follow this one.
  bool LiveOnce(uint64_t seed, const BatonScheduler& scheduler) {
    const uint64_t begun_at = fs_->op_count();
    ++opens_;
    // Virtual time may pass by some hours: the writers of a run have no more.
    run_.time_high = TimeNow(scheduler) + kRunMillisMax;
    auto log = std::make_shared<EvictionLog>(fs_, kPath, run_.options.keys,
                                             [this] { return run_.last_sequence; });
    log->OnEach([this](const LoggedEviction& eviction) { run_.oracle->Evicted(eviction); });
    run_.opened = CheckpointOptions(scheduler, seed, boot_);
    std::unique_ptr<DB> db;
    const Status opened =
        DB::Open(OptionsFor(run_.options, fs_, scheduler, seed, boot_, log), kPath, &db);
    if (fs_->calls_failed() > 0) run_.oracle->Failed(begun_at);
    NoteUnreadable(begun_at);
    if (!opened.ok()) {
      run_.Explained("Open", opened);
      return false;
    }
    run_.last_sequence = LastSequence(db.get());
    const bool found = Found(db.get(), begun_at);
    NoteUnreadable(begun_at);
    if (!found) return false;
    run_.db = db.get();
    const bool wrote = RunCacheClient(&run_, seed);
    ++run_.lives;
    const uint32_t acknowledged = run_.oracle->last_acknowledged();
    std::string error;
    db->GetProperty("varve.background-error", &error);
    const uint64_t closed_from = fs_->op_count();
    const Status closed = db->Close();
    if (fs_->calls_failed() > 0) run_.oracle->Failed(closed_from);
    if (closed.ok() && error.empty()) {
      run_.oracle->AllDurable(acknowledged, /*flushed=*/true, fs_->op_count());
    } else if (!closed.ok() && !run_.Explained("Close", closed)) {
      return false;
    }
    return wrote && closed.ok() && error.empty();
  }

  void NoteUnreadable(uint64_t position) {
    if (fs_->calls_failed() > 0 && run_.reads_may_fail()) run_.oracle->Unreadable(position);
  }

  bool Found(DB* db, uint64_t begun_at) {
    CacheContents found;
    const std::string wrong = ReadCache(db, nullptr, run_.options.keys, &found);
    if (wrong.find("injected fault") != std::string::npos) return false;  // reads may fail too
    if (!wrong.empty()) {
      run_.Fault("after open: " + wrong);
      return false;
    }
    ManifestState manifest;
    if (!Manifest::Inspect(fs_.get(), kPath, &manifest).ok()) return false;
    CacheOracle::Reading reading = run_.Now();
    if (manifest.last_reset.has_value()) reading.resets = manifest.last_reset->resets;
    reading.kill = fs_->calls_failed() == 0;
    if (reading.unreadable && !run_.oracle->ViewIsCertain(reading, found)) return false;
    const std::string bad = run_.oracle->Opened(begun_at, reading, found, LiveSegments(manifest));
    if (!bad.empty()) run_.Fault("after open: " + bad);
    return bad.empty();
  }

  // ---- Observing ----
  // With room for what opening one makes: it evicts nothing.
  Options CheckpointOptions(const BatonScheduler& scheduler, uint64_t seed, uint64_t boot) const {
    Options options = OptionsFor(run_.options, nullptr, scheduler, seed, boot, nullptr);
    options.listeners.clear();
    options.capacity_bytes *= 2;
    return options;
  }

  std::string JudgeCheckpoints(const SimDisk& disk, const CrashPoint& point,
                               const BatonScheduler& scheduler, uint64_t seed,
                               uint64_t boot) const {
    // They share their files with the cache that was damaged.
    if (point.damage >= CrashPoint::Damage::kFlip) return "";
    Checkpoints::Rules rules;
    rules.may_hold = [this](const std::string& path, const std::string& key,
                            const std::string& value) {
      const CacheView& view = run_.checkpoint_views.at(path);
      return run_.oracle->MayHold(CacheKeyNumber(key), view.batch, std::stoull(value),
                                  view.made.now.low);
    };
    rules.may_go = [this](const std::string& key, const std::string& value) {
      CacheOracle::Reading reading;
      reading.now = TimeOf(CacheOracle::kNever);
      return run_.oracle->MayGo(CacheKeyNumber(key), std::stoull(value), reading);
    };
    return run_.checkpoints.Judge(disk, point.boundary, rules,
                                  CheckpointOptions(scheduler, seed, boot));
  }

  void ObserveTask(SimDisk disk, uint64_t seed, uint64_t boot, const CrashPoint& point,
                   const BatonScheduler& scheduler, Observation* observation,
                   CacheFindings* findings) const {
    const auto fail = [observation](const std::string& what) { observation->fault = what; };
    const bool there = disk.Find(kPath) != 0;
    auto fs = SimFileSystem::New(
        {.seed = seed, .track = false, .mapped_logs = run_.options.cache.wal_mapped},
        std::move(disk));
    // A power loss may bring back a name that was unlinked beside those that came later.
    uint64_t bytes_max = run_.options.cache.capacity_bytes;
    if (there) {
      fs->WatchDirectory(kPath);
      const uint64_t most = fs->TakeWatchedBytesMax();
      if (point.kind == CrashPoint::Kind::kLoss) bytes_max = std::max(bytes_max, most);
    }
    const FileNumber highest = HighestNumber(fs.get(), kPath);
    auto log =
        std::make_shared<EvictionLog>(fs, kPath, run_.options.keys, [] { return UINT64_MAX; });
    std::unique_ptr<DB> db;
    Status s = DB::Open(OptionsFor(run_.options, fs, scheduler, seed, boot, log), kPath, &db);
    if (!s.ok()) return fail("open: " + s.ToString());
    observation->lowest_new_sequence = LastSequence(db.get()) + 1;
    ManifestState manifest;
    if (s = Manifest::Inspect(fs.get(), kPath, &manifest); !s.ok()) {
      return fail("manifest: " + s.ToString());
    }
    if (manifest.last_reset.has_value()) findings->resets = manifest.last_reset->resets;
    if (std::string wrong = ReadCache(db.get(), nullptr, run_.options.keys, &findings->found);
        !wrong.empty()) {
      return fail(wrong);
    }
    findings->evictions = log->evictions();
    if (std::string wrong = ReadByKey(db.get(), *log, *findings); !wrong.empty()) {
      return fail(wrong);
    }
    std::shared_ptr<SimFileSystem> second;
    if (std::string wrong = EndFirstLife(fs, seed, &db, &second); !wrong.empty()) {
      return fail(wrong);
    }
    // After a lie a file may be gone that is only asked for when its segment is evicted.
    const bool lied = point.kind == CrashPoint::Kind::kLoss && LiedBefore(point.boundary);
    if (std::string wrong = lied ? "" : CheckFiles(fs.get()); !wrong.empty()) return fail(wrong);
    if (std::string wrong = NoteNumbers(*fs, highest, observation); !wrong.empty()) {
      return fail(wrong);
    }
    if (std::string wrong = Over(there, fs.get(), bytes_max); !wrong.empty()) return fail(wrong);

    if (second != fs) second->WatchDirectory(kPath);
    auto second_log =
        std::make_shared<EvictionLog>(second, kPath, run_.options.keys, [] { return UINT64_MAX; });
    s = DB::Open(OptionsFor(run_.options, second, scheduler, seed + 1, boot, second_log), kPath,
                 &db);
    if (!s.ok()) return fail("second open: " + s.ToString());
    CacheContents again;
    std::string wrong = ReadCache(db.get(), nullptr, run_.options.keys, &again);
    if (wrong.empty() && second_log->resets() > 0) wrong = "it is reset once more";
    if (point.damage >= CrashPoint::Damage::kFlip) {
      findings->found_again = again;
    } else if (wrong.empty()) {
      wrong = Less(findings->found, again, log.get(), second_log.get());
    }
    if (!wrong.empty()) return fail("second open: " + wrong);
    if (s = db->Close(); !s.ok()) return fail("second close: " + s.ToString());
    wrong = Over(there || second != fs, second.get(), bytes_max);
    if (!wrong.empty()) return fail("second open: " + wrong);
  }

  // "" if the files have taken no more than that since this was asked last.
  static std::string Over(bool watched, SimFileSystem* fs, uint64_t bytes_max) {
    const uint64_t most = watched ? fs->TakeWatchedBytesMax() : 0;
    if (most <= bytes_max) return "";
    return "its files took " + std::to_string(most) + " bytes of " + std::to_string(bytes_max);
  }

  static std::string CheckFiles(SimFileSystem* fs) {
    ManifestState manifest;
    if (Status s = Manifest::Inspect(fs, kPath, &manifest); !s.ok()) {
      return "manifest: " + s.ToString();
    }
    if (std::string wrong = CheckDirectory(fs, kPath); !wrong.empty()) return wrong;
    return CheckGhostFiles(fs, kPath, manifest);
  }

  // Get and MultiGet give what the iterator gave; less, where it went meanwhile.
  std::string ReadByKey(DB* db, const EvictionLog& log, const CacheFindings& findings) const {
    const auto keys = static_cast<size_t>(run_.options.keys);
    std::vector<std::string> names(keys);
    for (size_t i = 0; i < keys; ++i) names[i] = CacheKey(static_cast<int>(i));
    const std::vector<Slice> slices(names.begin(), names.end());
    std::vector<PinnedValue> values(keys);
    std::vector<Status> statuses(keys);
    db->MultiGet({}, slices, values, statuses);
    CacheContents by_get(keys, 0), by_multi_get(keys, 0);
    for (size_t i = 0; i < keys; ++i) {
      PinnedValue value;
      const Status s = db->Get({}, names[i], &value);
      if (s.ok()) by_get[i] = HashOfValue(value.slice());
      if (statuses[i].ok()) by_multi_get[i] = HashOfValue(values[i].slice());
      for (const Status& status : {s, statuses[i]}) {
        if (!status.ok() && !status.IsNotFound()) return "Get: " + status.ToString();
      }
    }
    std::string wrong = Less(findings.found, by_multi_get, &log, nullptr);
    if (!wrong.empty()) return "MultiGet: " + wrong;
    wrong = Less(findings.found, by_get, &log, nullptr);
    return wrong.empty() ? "" : "Get: " + wrong;
  }

  // "" if `later` is `before`, or less for a reason.
  std::string Less(const CacheContents& before, const CacheContents& later, const EvictionLog* log,
                   const EvictionLog* more) const {
    std::vector<LoggedEviction> evictions = log->evictions();
    if (more != nullptr) {
      const std::vector<LoggedEviction> others = more->evictions();
      evictions.insert(evictions.end(), others.begin(), others.end());
    }
    CacheOracle::Reading reading;
    reading.evictions = &evictions;
    reading.now = TimeOf(CacheOracle::kNever);
    for (int key = 0; key < run_.options.keys; ++key) {
      const uint64_t was = before[static_cast<size_t>(key)];
      const uint64_t is = later[static_cast<size_t>(key)];
      if (was == is || (is == 0 && run_.oracle->MayGo(key, was, reading))) continue;
      return CacheKey(key) + (is == 0    ? " is missing, and was there"
                              : was == 0 ? " is there, and was not"
                                         : " is another");
    }
    return "";
  }

  // No run takes longer, in virtual time.
  static constexpr uint64_t kRunMillisMax = 3'000'000;

  const std::string variant_;
  mutable CacheRun run_;
  uint64_t boot_ = 0;
  uint64_t start_ms_ = 0;  // no later was the engine's time before the first open
  uint64_t opens_ = 0;
};

}  // namespace

std::unique_ptr<Session> StartCacheSession(const SessionOptions& options) {
  return std::make_unique<CacheSession>(options);
}

}  // namespace varve::crash
