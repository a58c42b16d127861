#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "db/manifest.h"
#include "tests/support/sim_env.h"
#include "tools/crash/session.h"
#include "tools/crash/variant.h"
#include "util/hash.h"
#include "util/random.h"

// The manifest alone: segments are committed, replaced and removed, numbers and sequences taken,
// the file sealed, rewritten and closed, and after a crash opened.
//
// A batch of the ledger is a commit; the state is the set of segment entries. A commit that
// returned survives a crash. But until the next one, or a seal, only the newest root carries it,
// and that one is the first that an open replaces (RULES R4.3): so it may be gone if the newest
// root is destroyed, and after a crash during an open. What must not go then lies in logs, or was
// sealed.

namespace varve::crash {
namespace {

constexpr char kDirectory[] = "/db";

std::string NameOf(FileNumber number) { return "segment " + std::to_string(number); }

std::string DigestOf(const SegmentEntry& entry) {
  std::string bytes;
  EncodeSegmentEntry(entry, &bytes);
  return std::to_string(Hash64(bytes));
}

class ManifestSession : public Session {
 public:
  explicit ManifestSession(const SessionOptions& options)
      : variant_(Variant::Parse(options.variant)), random_(options.seed) {
    fs_ = SimFileSystem::New({.seed = options.seed, .record = true});
    ledger_ = std::make_shared<Ledger>(1);
    Live(options.seed);
  }

  ManifestSession(const ManifestSession& before, SimDisk disk, uint64_t boundary, bool kill,
                  uint64_t seed)
      : variant_(before.variant_), random_(seed), short_(true) {
    fs_ = SimFileSystem::New({.seed = seed, .record = true}, std::move(disk));
    ledger_ = std::make_shared<Ledger>(before.ledger_, boundary, kill);
    highest_.emplace_back(0, before.HighestAt(boundary));
    sealed_.emplace_back(0, before.SealedAt(boundary));
    resolve_ = true;
    Live(seed);
  }

  Observation Observe(SimDisk disk, const CrashPoint& /*point*/,
                      Ledger::State* state) const override {
    Observation observation;
    const uint64_t seed = disk.CachedHash();
    auto fs = SimFileSystem::New({.seed = seed, .track = false}, std::move(disk));
    Ledger::State found;
    observation.fault = OpenAndRead(fs, seed, &found, &observation);
    if (observation.fault.empty()) {
      // The process dies; another opens.
      auto again = SimFileSystem::New({.track = false}, fs->disk().Kill());
      Ledger::State second;
      Observation ignored;
      observation.fault = OpenAndRead(again, seed + 1, &second, &ignored);
      if (observation.fault.empty() && second != found) {
        observation.fault = "a second open gives another state";
      }
    }
    uint64_t hash = 0;
    for (const auto& [name, digest] : found) hash += Ledger::HashEntry(name, digest);
    observation.hashes = {hash};
    if (state != nullptr) *state = std::move(found);
    return observation;
  }

  std::unique_ptr<Session> Continue(SimDisk disk, uint64_t boundary, bool kill,
                                    uint64_t seed) const override {
    return std::make_unique<ManifestSession>(*this, std::move(disk), boundary, kill, seed);
  }

  uint64_t HighestSequence(uint64_t boundary) const override {
    return HighestAt(boundary).sequence;
  }
  uint64_t HighestFile(uint64_t boundary) const override { return HighestAt(boundary).number; }

  Ledger::Bounds BoundsAt(uint64_t boundary, bool kill, bool newest_root_lost) const override {
    Ledger::Bounds bounds = ledger_->At(boundary, kill);
    bool one_root = newest_root_lost;
    for (const auto& [begin, end] : opens_) one_root |= begin <= boundary && boundary < end;
    if (one_root) bounds.low[0] = std::min(bounds.low[0], SealedAt(boundary));
    return bounds;
  }

 private:
  struct Taken {
    uint64_t number = 0, sequence = 0;
  };

  static ManifestOptions OptionsFor(std::shared_ptr<SimFileSystem> fs, uint64_t seed) {
    ManifestOptions options;
    options.file_system = std::move(fs);
    options.machine = std::make_shared<SimMachine>(seed);
    options.comparator = "crash";
    options.file_numbers_ahead = 4 + seed % 20;
    options.sequences_ahead = 100;
    return options;
  }

  static std::string Open(const std::shared_ptr<SimFileSystem>& fs, uint64_t seed,
                          ManifestState* state, std::unique_ptr<Manifest>* manifest,
                          Status* status) {
    *status = fs->CreateDirectory(kDirectory);
    if (status->ok()) *status = fs->SyncDirectory("/");
    if (!status->ok()) return "directory: " + status->ToString();
    *status = Manifest::Open(OptionsFor(fs, seed), kDirectory, state, manifest);
    if (status->IsNotFound()) {
      *state = ManifestState();
      *status = Manifest::Create(OptionsFor(fs, seed), kDirectory, manifest);
    }
    return status->ok() ? "" : "open: " + status->ToString();
  }

  static std::string OpenAndRead(const std::shared_ptr<SimFileSystem>& fs, uint64_t seed,
                                 Ledger::State* found, Observation* observation) {
    ManifestState state;
    std::unique_ptr<Manifest> manifest;
    Status s;
    if (std::string wrong = Open(fs, seed, &state, &manifest, &s); !wrong.empty()) return wrong;
    for (const SegmentEntry& entry : state.segments)
      (*found)[NameOf(entry.number)] = DigestOf(entry);
    observation->lowest_new_sequence = state.next_sequence;
    FileNumber number = 0;
    if (s = manifest->NewFileNumber(&number); !s.ok()) return "number: " + s.ToString();
    observation->lowest_new_file = number;
    return "";
  }

  // False on an error, which is a fault unless one was injected.
  bool Must(const char* what, const Status& s) {
    if (!s.ok() && fs_->calls_failed() == 0) fault_ = std::string(what) + ": " + s.ToString();
    return s.ok();
  }

  Taken HighestAt(uint64_t boundary) const {
    Taken highest;
    for (const auto& [position, taken] : highest_) {
      if (position > boundary) break;
      highest = taken;
    }
    return highest;
  }

  uint32_t SealedAt(uint64_t boundary) const {
    uint32_t sealed = 0;
    for (const auto& [position, batch] : sealed_) {
      if (position <= boundary) sealed = std::max(sealed, batch);
    }
    return sealed;
  }

  void Live(uint64_t seed) {
    if (random_.OneIn(3)) {
      fs_->InjectFault(
          {.calls = kSimChanges, .nth = 1 + random_.Uniform(120), .forever = random_.OneIn(2)});
    }
    const int lives = random_.OneIn(3) ? 2 : 1;
    for (int life = 0; life < lives && fault_.empty(); ++life) {
      ManifestState state;
      Status s;
      opens_.emplace_back(fs_->op_count(), UINT64_MAX);
      const std::string wrong =
          Open(fs_, seed + static_cast<uint64_t>(life), &state, &manifest_, &s);
      if (!wrong.empty()) {
        if (fs_->calls_failed() == 0) fault_ = wrong;
        return;
      }
      if (!Found(state)) return;
      uint64_t steps = short_ ? random_.Between(3, 12) : random_.Between(20, 90);
      variant_.LimitSteps(&steps);
      int failed = 0;
      for (uint64_t i = 0; i < steps && fault_.empty() && failed < 8; ++i) failed += !Step();
      if (!manifest_->poisoned().ok() || fs_->calls_failed() > 0 || !fault_.empty()) break;
      if (life + 1 < lives && random_.OneIn(2)) {
        ManifestEdit last;
        last.next_sequence = taken_.sequence + 1;
        if (!Must("close", manifest_->Close(last))) break;
        sealed_.emplace_back(fs_->op_count(), commits_);
      }
      manifest_.reset();
    }
    manifest_.reset();
  }

  bool Found(const ManifestState& state) {
    Ledger::State found;
    uint64_t hash = 0;
    entries_.clear();
    for (const SegmentEntry& entry : state.segments) {
      entries_[entry.number] = entry;
      hash += Ledger::HashEntry(NameOf(entry.number), DigestOf(entry));
      found[NameOf(entry.number)] = DigestOf(entry);
    }
    const uint64_t position = fs_->op_count();
    opens_.back().second = position;
    const Ledger::Bounds bounds = BoundsAt(position, fs_->calls_failed() == 0, false);
    const Ledger::Verdict verdict = ledger_->Judge({hash}, position, bounds);
    if (!verdict.legal) {
      fault_ = "after open: no legal prefix\n" + ledger_->Explain(found, position, bounds);
      return false;
    }
    if (resolve_) {
      ledger_->Resolve(verdict.prefix, position);
      commits_ = verdict.prefix[0];
    }
    resolve_ = false;
    sealed_.emplace_back(position, commits_);  // an open writes both roots
    taken_.sequence = std::max(taken_.sequence, state.next_sequence - 1);
    highest_.emplace_back(position, taken_);
    return true;
  }

  bool Step() {
    const uint64_t way = random_.Uniform(20);
    if (way == 0) return Must("seal", manifest_->Seal()) && Sealed();
    if (way == 1) {
      // Sequences are used up to what is reserved.
      if (random_.OneIn(2) &&
          !Must("reserve", manifest_->ReserveSequences(taken_.sequence + random_.Uniform(300)))) {
        return false;
      }
      const uint64_t limit = manifest_->sequence_limit();
      if (limit > taken_.sequence + 1) {
        taken_.sequence += 1 + random_.Uniform(limit - taken_.sequence - 1);
        highest_.emplace_back(fs_->op_count(), taken_);
      }
      return true;
    }
    return Commit();
  }

  bool Sealed() {
    sealed_.emplace_back(fs_->op_count(), commits_);
    (void)manifest_->TakeReleased();
    return true;
  }

  bool Commit() {
    ManifestEdit edit;
    std::vector<Ledger::Op> ops;
    const uint64_t adds = random_.OneIn(10) ? random_.Uniform(60) : random_.Uniform(4);
    for (uint64_t i = 0; i < adds; ++i) {
      SegmentEntry entry;
      if (!Must("number", manifest_->NewFileNumber(&entry.number))) return false;
      if (entry.number <= taken_.number) {
        fault_ = "number " + std::to_string(entry.number) + " was given out twice";
        return false;
      }
      taken_.number = entry.number;
      highest_.emplace_back(fs_->op_count(), taken_);
      entry.entries = random_.Uniform(1000);
      entry.smallest = "a" + std::string(random_.OneIn(20) ? random_.Uniform(3000) : 10, 'x');
      entry.largest = "z" + std::string(random_.Uniform(20), 'y');
      ops.push_back({NameOf(entry.number), DigestOf(entry)});
      edit.added.push_back(std::move(entry));
    }
    std::set<FileNumber> removed;
    for (uint64_t i = random_.Uniform(entries_.size() > 20 ? 12 : 3); i > 0 && !entries_.empty();
         --i) {
      auto it = entries_.begin();
      std::advance(it, static_cast<ptrdiff_t>(random_.Uniform(entries_.size())));
      if (!removed.insert(it->first).second) continue;
      edit.removed.push_back(it->first);
      ops.push_back({NameOf(it->first), std::nullopt});
    }
    edit.next_sequence = taken_.sequence + 1;
    // A commit that failed may be on the disk; one that succeeds after it takes it back.
    std::vector<Ledger::Op> all;
    for (const auto& [name, value] : undo_) all.push_back({name, value});
    for (const Ledger::Op& op : ops) {
      const FileNumber segment = std::stoull(op.key.substr(op.key.rfind(' ')));
      const auto entry = entries_.find(segment);
      undo_[op.key] = entry == entries_.end() ? std::nullopt
                                              : std::optional<std::string>(DigestOf(entry->second));
      all.push_back(op);
    }
    const auto number = ledger_->Begin(0, std::move(all), true, fs_->op_count());
    if (!Must("commit", manifest_->Commit(edit))) return false;
    undo_.clear();
    ledger_->Acknowledge(0, number, true, fs_->op_count());
    // The older root carries what was committed before.
    sealed_.emplace_back(fs_->op_count(), commits_);
    commits_ = number;
    for (const SegmentEntry& entry : edit.added) entries_[entry.number] = entry;
    for (const FileNumber gone : removed) entries_.erase(gone);
    return true;
  }

  const Variant variant_;
  Random random_;
  const bool short_ = false;
  bool resolve_ = false;
  std::unique_ptr<Manifest> manifest_;
  std::map<FileNumber, SegmentEntry> entries_;
  std::map<std::string, std::optional<std::string>> undo_;  // of commits that failed
  Taken taken_;
  uint32_t commits_ = 0;
  std::vector<std::pair<uint64_t, Taken>> highest_;    // by position
  std::vector<std::pair<uint64_t, uint32_t>> sealed_;  // commits in both roots, by position
  std::vector<std::pair<uint64_t, uint64_t>> opens_;   // from and to which position
};

}  // namespace

std::unique_ptr<Session> StartManifestSession(const SessionOptions& options) {
  return std::make_unique<ManifestSession>(options);
}

}  // namespace varve::crash
