#include <algorithm>
#include <cstdio>
#include <span>
#include <utility>

#include "tests/support/sim_env.h"
#include "tools/crash/session.h"
#include "tools/crash/variant.h"
#include "util/hash.h"
#include "util/random.h"
#include "wal/replay.h"
#include "wal/wal.h"

// The log alone: records are appended, synced, rotated and retired, and after a crash replayed.
//
// A batch of the ledger is a record. The manifest is played by the session itself: it holds the
// lowest log needed and a position known durable, and what it says is durable at once. Records in
// logs below the lowest count as held by segments.

namespace varve::crash {
namespace {

constexpr char kDirectory[] = "/db";

std::string KeyOf(uint32_t record) {
  char key[16];
  std::snprintf(key, sizeof(key), "r%06u", record);
  return key;
}

std::string DigestOf(Slice payload) { return std::to_string(Hash64(payload)); }

class WalSession : public Session {
 public:
  explicit WalSession(const SessionOptions& options)
      : variant_(Variant::Parse(options.variant)), random_(options.seed) {
    fs_ = SimFileSystem::New({.seed = options.seed, .record = true});
    ledger_ = std::make_shared<Ledger>(1);
    Run(options.seed);
  }

  uint64_t Context(const CrashPoint& point) const override {
    const Root& root = RootAt(point.boundary);
    return Mix64(root.lowest) + Mix64(root.durable.log + root.durable.offset * 31);
  }

  Observation Observe(SimDisk disk, const CrashPoint& point, Ledger::State* state) const override {
    Ledger::State found;
    const Root& root = RootAt(point.boundary);
    for (uint32_t i = 1; i < records_.size(); ++i) {
      if (records_[i].log < root.lowest) found[KeyOf(i)] = records_[i].digest;
    }
    auto fs = SimFileSystem::New({.track = false}, std::move(disk));
    Observation observation;
    (void)fs->CreateDirectory(kDirectory);  // whoever opens a database makes it
    observation.fault = Replay(fs.get(), root, &found);
    Ledger::State again = found;
    if (observation.fault.empty()) {
      const std::string second = Replay(fs.get(), root, &again);
      if (!second.empty() || again != found) {
        observation.fault = "a second replay differs: " + second;
      }
    }
    uint64_t hash = 0;
    for (const auto& [key, value] : found) hash += Ledger::HashEntry(key, value);
    observation.hashes = {hash};
    if (state != nullptr) *state = std::move(found);
    return observation;
  }

  std::unique_ptr<Session> Continue(SimDisk, uint64_t, bool, uint64_t) const override {
    return nullptr;  // recovery never appends to a log: there is nothing to go on with
  }

 private:
  // What the manifest says from `position` on.
  struct Root {
    uint64_t position = 0;
    FileNumber lowest = 0;
    LogPosition durable;
  };
  struct Record {
    FileNumber log = 0;
    LogPosition end;
    std::string digest;
  };

  class Sink : public LogSink {
   public:
    explicit Sink(Ledger::State* state) : state_(state) {}
    Status OnRecord(LogPosition /*end*/, Slice payload) override {
      const std::string key(payload.substr(0, 7));
      if (!state_->emplace(key, DigestOf(payload)).second) {
        fault_ = "record '" + key + "' was replayed twice";
      }
      return Status::OK();
    }
    Status OnLogEnd(FileNumber /*log*/) override { return Status::OK(); }
    std::string fault_;

   private:
    Ledger::State* const state_;
  };

  const Root& RootAt(uint64_t boundary) const {
    auto it = std::upper_bound(roots_.begin(), roots_.end(), boundary,
                               [](uint64_t b, const Root& root) { return b < root.position; });
    return *std::prev(it);
  }

  std::string Replay(FileSystem* fs, const Root& root, Ledger::State* found) const {
    Ledger::State replayed;
    Sink sink(&replayed);
    ReplayOptions options;
    options.file_system = fs;
    options.directory = kDirectory;
    options.lowest_needed = root.lowest;
    options.known_durable = root.durable;
    ReplayResult result;
    const Status s = ReplayLogs(options, &sink, &result);
    if (!s.ok()) return "replay: " + s.ToString();
    if (!sink.fault_.empty()) return sink.fault_;
    found->insert(replayed.begin(), replayed.end());
    return "";
  }

  void Run(uint64_t seed) {
    roots_.emplace_back();
    records_.emplace_back();
    if (!Must("mkdir", fs_->CreateDirectory(kDirectory))) return;
    if (!Must("sync /", fs_->SyncDirectory("/"))) return;
    WalOptions options;
    options.env = MakeSimEnv(fs_, seed);
    options.directory = kDirectory;
    options.log_bytes = 4096 * random_.Between(3, 12);
    options.mapped = random_.OneIn(2);
    options.recycled_files_max = random_.Uniform(4);
    if (!Must("create", Wal::Create(options, &wal_))) return;
    Switch(0);
    if (random_.OneIn(4)) {
      fs_->InjectFault(
          {.calls = kSimChanges, .nth = 1 + random_.Uniform(200), .forever = random_.OneIn(2)});
    }
    uint64_t steps = random_.Between(40, 120);
    const uint64_t syncs = random_.Between(2, 20);
    variant_.LimitSteps(&steps);
    for (uint64_t i = 0; i < steps && fault_.empty() && wal_->latched().ok(); ++i) {
      if (random_.OneIn(syncs)) {
        Sync(random_.Between(1, records_.size()) - 1);
      } else if (random_.OneIn(20)) {
        Retire();
      } else {
        Append();
      }
    }
    if (fault_.empty() && !wal_->latched().ok()) {
      // Nothing is framed, synced or switched after an error (Checklist W2).
      LogPosition end;
      const Slice part = "x";
      if ((wal_->Fits(1) && wal_->Append({&part, 1}, &end).ok()) ||
          (wal_->durable() < wal_->end() && wal_->Sync(wal_->end()).ok())) {
        fault_ = "the log goes on after its latch: " + wal_->latched().ToString();
      }
    }
    (void)wal_->Close();
    wal_.reset();
  }

  // True to go on; an error that was injected ends the session without being a fault.
  bool Must(const char* what, const Status& s) {
    if (!s.ok() && fs_->calls_failed() == 0) fault_ = std::string(what) + ": " + s.ToString();
    return s.ok();
  }

  bool Switch(uint64_t bytes) {
    next_log_ += random_.Between(1, 3);
    std::unique_ptr<PreparedLog> log;
    return Must("prepare", wal_->Prepare(next_log_, bytes, &log)) &&
           Must("use", wal_->Use(std::move(log)));
  }

  void Append() {
    const auto number = static_cast<uint32_t>(records_.size());
    std::string payload = KeyOf(number);
    const uint64_t size = random_.OneIn(30) ? random_.Uniform(60000) : random_.Skewed(11);
    for (uint64_t i = 0; i < size; ++i) payload.push_back(static_cast<char>(random_.Next()));
    if ((!wal_->Fits(payload.size()) || random_.OneIn(25)) && !Switch(payload.size())) return;
    const std::string digest = DigestOf(payload);
    ledger_->Begin(0, {{KeyOf(number), digest}}, true, fs_->op_count());
    const size_t cut = random_.Uniform(payload.size() + 1);
    const Slice parts[] = {Slice(payload).substr(0, cut), Slice(payload).substr(cut)};
    LogPosition end;
    const Status s = wal_->Append(parts, &end);
    records_.push_back({wal_->current(), end, digest});
    if (Must("append", s)) ledger_->Acknowledge(0, number, false, fs_->op_count());
  }

  void Sync(uint64_t record) {
    if (record == 0) return;
    if (Must("sync", wal_->Sync(records_[record].end))) {
      ledger_->AllDurable({static_cast<uint32_t>(record)}, fs_->op_count());
    }
  }

  void Retire() {
    const LogPosition durable = wal_->durable();
    // Logs that are durable to their last record, the one in use left out.
    FileNumber lowest = roots_.back().lowest;
    for (size_t i = 1; i < records_.size(); ++i) {
      if (records_[i].end > durable) break;
      if (i + 1 < records_.size() && records_[i + 1].log > records_[i].log) {
        lowest = records_[i + 1].log;
      }
    }
    // Said to be durable before anything goes: as the two roots of the manifest would have it.
    roots_.push_back({fs_->op_count(), lowest, durable});
    Must("retire", wal_->Retire(lowest));
  }

  const Variant variant_;
  Random random_;
  std::unique_ptr<Wal> wal_;
  FileNumber next_log_ = 0;
  std::vector<Root> roots_;
  std::vector<Record> records_;  // [0] stands for none
};

}  // namespace

std::unique_ptr<Session> StartWalSession(const SessionOptions& options) {
  return std::make_unique<WalSession>(options);
}

}  // namespace varve::crash
