#include "tools/crash/checkpoints.h"

#include <memory>
#include <utility>

#include "tests/support/sim_file_system.h"
#include "tools/crash/db_reader.h"
#include "tools/crash/db_workload.h"
#include "util/filename.h"
#include "util/hash.h"

namespace varve::crash {

std::string Checkpoints::Begin(const SimDisk& disk, std::vector<Ledger::BatchNumber> acknowledged,
                               uint64_t position) {
  MutexLock lock(&mutex_);
  const auto used = [&](const std::string& path) REQUIRES(mutex_) {
    for (const auto& record : records_) {
      if (record->path == path) return true;
    }
    return disk.Find(path) != 0;
  };
  auto record = std::make_shared<Record>();
  for (int i = 1; record->path.empty() || used(record->path); ++i) {
    record->path = "/checkpoint" + std::to_string(i);
  }
  record->hash = Hash64(record->path);
  record->begun_at = position;
  record->low = std::move(acknowledged);
  records_.push_back(record);
  return record->path;
}

std::string Checkpoints::Returned(const std::string& path, bool ok, const SimDisk& disk,
                                  uint64_t position, const Options& options, Ledger::State* state) {
  const std::string wrong = ok ? Read(disk.Kill(), path, options, state) : "";
  MutexLock lock(&mutex_);
  for (const auto& record : records_) {
    if (record->path != path) continue;
    record->ended_at = position;
    if (!ok) continue;
    record->durable_at = position;
    for (const auto& [key, value] : *state) record->hash += Ledger::HashEntry(key, value);
    record->state = *state;
  }
  return wrong.empty() ? "" : path + ", when it was made: " + wrong;
}

std::string Checkpoints::Verify(const Ledger& ledger) const {
  MutexLock lock(&mutex_);
  for (const auto& record : records_) {
    if (!record->state.has_value() || record->low.empty()) continue;
    std::string wrong;
    const auto hashes = HashesOf(*record->state, ledger.writers(), &wrong);
    const Ledger::Bounds bounds{record->low, ledger.At(record->ended_at, false).high};
    if (wrong.empty() && !ledger.Judge(hashes, record->ended_at, bounds).legal) {
      wrong = "no legal prefix\n" + ledger.Explain(*record->state, record->ended_at, bounds);
    }
    if (!wrong.empty()) return record->path + ", when it was made: " + wrong;
  }
  return "";
}

uint64_t Checkpoints::Context(uint64_t boundary) const {
  MutexLock lock(&mutex_);
  uint64_t context = 0;
  for (const auto& record : records_) {
    if (record->begun_at > boundary || record->given_up) continue;
    context += Mix64(record->hash + (record->durable_at <= boundary ? 1 : 0));
  }
  return context;
}

std::string Checkpoints::Judge(const SimDisk& disk, uint64_t boundary, const Rules& rules,
                               const Options& options) const {
  std::vector<std::shared_ptr<Record>> records;
  {
    MutexLock lock(&mutex_);
    records = records_;
  }
  for (const auto& record : records) {
    if (record->begun_at > boundary || record->given_up) continue;
    const InodeNumber directory = disk.Find(record->path);
    if (directory == 0) {
      if (record->durable_at <= boundary) return record->path + " is gone";
      continue;
    }
    const uint64_t content = Mix64(Hash64(record->path) + disk.CachedHash(directory));
    std::string wrong;
    bool known = false;
    {
      MutexLock lock(&mutex_);
      if (const auto it = judged_.find(content); it != judged_.end()) {
        known = true;
        wrong = it->second;
      }
    }
    if (!known) {
      wrong = JudgeOne(*record, disk, rules, options);
      MutexLock lock(&mutex_);
      judged_[content] = wrong;
    }
    if (!wrong.empty()) return record->path + ": " + wrong;
  }
  return "";
}

std::string Checkpoints::JudgeOne(const Record& record, const SimDisk& disk, const Rules& rules,
                                  const Options& options) const {
  const bool failed = !record.state.has_value();
  if (failed && disk.Find(ManifestFileName(record.path)) == 0) return "";  // it is no database
  Ledger::State state;
  std::string wrong = Read(disk, record.path, options, &state);
  if (!wrong.empty()) return wrong;
  if (rules.ledger == nullptr) {
    for (const auto& [key, value] : state) {
      if (!rules.may_hold(record.path, key, value)) return "'" + key + "' should not be there";
    }
    for (const auto& [key, value] : record.state.value_or(Ledger::State())) {
      if (!state.contains(key) && !rules.may_go(key, value)) return "'" + key + "' is missing";
    }
    return "";
  }
  if (!failed) return Difference(state, *record.state);
  const Ledger& ledger = *rules.ledger;
  const auto hashes = HashesOf(state, ledger.writers(), &wrong);
  const Ledger::Bounds bounds{record.low, ledger.At(UINT64_MAX - 1, false).high};
  if (wrong.empty() && !ledger.Judge(hashes, record.ended_at, bounds).legal) {
    wrong = "no legal prefix\n" + ledger.Explain(state, record.ended_at, bounds);
  }
  return wrong;
}

void Checkpoints::GoOn(const Checkpoints& before, const SimDisk& disk, uint64_t boundary,
                       bool kill) {
  MutexLock theirs(&before.mutex_);
  MutexLock lock(&mutex_);
  for (const auto& record : before.records_) {
    if (record->begun_at > boundary) continue;
    auto kept = std::make_shared<Record>(*record);
    kept->begun_at = kept->ended_at = 0;
    kept->low.clear();
    if (record->given_up || !record->state.has_value()) {
      kept->given_up = true;
    } else if (disk.Find(record->path) == 0) {
      continue;  // it never was: the name may be used again
    } else {
      // After a kill its name may still be in the cache alone.
      kept->durable_at = !kill || record->durable_at <= boundary ? 0 : kNever;
    }
    records_.push_back(std::move(kept));
  }
}

std::string Checkpoints::Read(SimDisk disk, const std::string& path, Options options,
                              Ledger::State* state) const {
  const auto fs = SimFileSystem::New({.track = false}, std::move(disk));
  options.env.file_system = fs;
  options.create_if_missing = false;
  std::unique_ptr<DB> db;
  if (const Status s = DB::Open(options, path, &db); !s.ok()) return "open: " + s.ToString();
  std::string wrong = read_(db.get(), state);
  const Status closed = db->Close();
  if (wrong.empty() && !closed.ok()) wrong = "close: " + closed.ToString();
  return wrong.empty() ? CheckDirectory(fs.get(), path) : wrong;
}

}  // namespace varve::crash
