#include "tests/never_stale/checked_db.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "db/db_impl.h"
#include "tests/never_stale/cursor.h"
#include "util/filename.h"
#include "util/thread.h"

namespace varve::never_stale {
namespace {

constexpr size_t kTrailLines = 80;
constexpr int kCountingWaits = 100;
constexpr uint32_t kGetsOfAll = 100;
constexpr int kGhostSecondsMax = 120;
constexpr int kContentsTries = 30;
constexpr int kEvictionsBeside = 3;

// What is added to both ends of an instant.
Instant After(Instant now, uint64_t ms) {
  const auto add = [ms](uint64_t to) { return ms < kNever - to ? to + ms : kNever; };
  return {add(now.low), add(now.high)};
}

}  // namespace

CheckedDb::CheckedDb(uint64_t seed, const Shape& shape, std::shared_ptr<Clock> durations)
    : shape_(shape), world_(seed, shape, std::move(durations)), oracle_(shape.keys) {}

void CheckedDb::BeginOperation() {
  if (shape_.cache() && !failed()) {
    oracle_.SetLosses(world_.losses(keys()));
    const std::string wrong = damaged_ ? "" : oracle_.JudgeLosses();
    if (!wrong.empty()) Fail(wrong, kNoKey);
  }
  CheckCapacity(world_.options().capacity_bytes);
  ++operation_;
}

void CheckedDb::CheckCapacity(uint64_t bytes_max) {
  if (shape_.mode != Mode::kTightCache || failed()) return;
  const uint64_t bytes = world_.TakeBytesMax();
  if (bytes <= bytes_max) return;
  Fail("CAPACITY: the files took " + std::to_string(bytes) + " bytes, and may take " +
           std::to_string(bytes_max),
       kNoKey);
}

void CheckedDb::Fail(const std::string& what, uint32_t key) {
  if (failed()) return;
  finding_ = "operation " + std::to_string(operation_) + " of " + ModeName(shape_.mode) + ": " +
             what + "\nwhat was done:\n" + trail_.ToText(key, kTrailLines);
}

void CheckedDb::Note(const char* what, uint64_t detail) {
  trail_.Add({.operation = operation_, .what = what, .order = oracle_.last(), .detail = detail});
}

void CheckedDb::NoteKeys(const char* what, uint32_t begin, uint32_t end, uint64_t order,
                         uint64_t detail) {
  trail_.Add({operation_, what, begin, end, order, detail});
}

// ---- Writing ------------------------------------------------------------------------------

Instant CheckedDb::ExpiryOf(const Entry& entry, const WriteOptions& options, Instant now) const {
  switch (entry.kind) {
    case Entry::Kind::kPutFor:
      return entry.ttl_ms == kNever ? Instant::At(kNever) : After(now, entry.ttl_ms);
    case Entry::Kind::kPutUntil:
      return Instant::At(entry.expires_at_ms);
    default:
      break;
  }
  if (options.ttl == kNoTtl) return Instant::At(kNever);
  if (options.ttl.has_value()) return After(now, static_cast<uint64_t>(options.ttl->count()));
  return default_ttl_ms_ == 0 ? Instant::At(kNever) : After(now, default_ttl_ms_);
}

Status CheckedDb::WriteOne(const WriteOptions& options, const Entry& entry,
                           const std::string& value) {
  switch (entry.kind) {
    case Entry::Kind::kDelete:
      return db()->Delete(options, KeyOf(entry.key));
    case Entry::Kind::kDeleteRange:
      return db()->DeleteRange(options, KeyOf(entry.key), KeyOf(entry.end));
    default:
      return db()->Put(options, KeyOf(entry.key), value);
  }
}

Status CheckedDb::WriteBatchOf(const WriteOptions& options, std::span<const Entry> entries,
                               std::span<const std::string> values) {
  WriteBatch batch;
  for (size_t i = 0; i < entries.size(); ++i) {
    const Entry& entry = entries[i];
    const std::string key = KeyOf(entry.key);
    Status status;
    switch (entry.kind) {
      case Entry::Kind::kPut:
        status = batch.Put(key, values[i]);
        break;
      case Entry::Kind::kPutFor:
        status = batch.Put(key, values[i],
                           entry.ttl_ms == kNever
                               ? kNoTtl
                               : std::chrono::milliseconds(static_cast<int64_t>(entry.ttl_ms)));
        break;
      case Entry::Kind::kPutUntil:
        status = batch.PutUntil(key, values[i], entry.expires_at_ms);
        break;
      case Entry::Kind::kDelete:
        status = batch.Delete(key);
        break;
      case Entry::Kind::kDeleteRange:
        status = batch.DeleteRange(key, KeyOf(entry.end));
        break;
    }
    if (!status.ok()) return status;
  }
  return db()->Write(options, batch);
}

void CheckedDb::Write(WriteOptions options, std::span<const Entry> entries, bool as_batch) {
  std::vector<uint64_t> writes;
  std::vector<std::string> values;
  for (const Entry& entry : entries) {
    const bool puts = entry.kind != Entry::Kind::kDelete && entry.kind != Entry::Kind::kDeleteRange;
    writes.push_back(puts ? next_write_++ : 0);
    values.push_back(puts ? MakeValue({.write = writes.back(), .key = entry.key}, entry.bytes)
                          : std::string());
    as_batch = as_batch || entry.kind == Entry::Kind::kPutUntil;
    if (!as_batch && entry.kind == Entry::Kind::kPutFor) {
      options.ttl = entry.ttl_ms == kNever
                        ? kNoTtl
                        : std::chrono::milliseconds(static_cast<int64_t>(entry.ttl_ms));
    }
  }
  const Instant before = Now();
  const Status status = as_batch || entries.size() != 1 ? WriteBatchOf(options, entries, values)
                                                        : WriteOne(options, entries[0], values[0]);
  if (!status.ok()) return Fail(status, "a write: ");
  Acknowledged(options, entries, writes, {before.low, Now().high});
}

void CheckedDb::Acknowledged(const WriteOptions& options, std::span<const Entry> entries,
                             std::span<const uint64_t> writes, Instant now) {
  oracle_.BeginWrite();
  for (size_t i = 0; i < entries.size(); ++i) {
    const Entry& entry = entries[i];
    const bool range = entry.kind == Entry::Kind::kDeleteRange;
    if (range) {
      oracle_.DeleteRange(entry.key, entry.end);
    } else if (writes[i] == 0) {
      oracle_.Delete(entry.key);
    } else {
      oracle_.Put(entry.key, writes[i], ExpiryOf(entry, options, now));
    }
    NoteKeys(writes[i] != 0 ? "put" : "delete", entry.key, range ? entry.end : entry.key + 1,
             oracle_.last(), writes[i]);
  }
  SetDurable(options);
}

void CheckedDb::SetDurable(const WriteOptions& options) {
  unlogged_ = unlogged_ || options.disable_wal;
  if (!options.disable_wal) safe_from_kill_ = oracle_.last();
  const bool synced = options.sync || shape_.options.wal_sync == WalSyncMode::kAlways;
  if (synced && !options.disable_wal) safe_from_power_loss_ = oracle_.last();
  oracle_.SetDurable(shape_.power_losses ? safe_from_power_loss_ : safe_from_kill_);
}

void CheckedDb::AllDurable() {
  unlogged_ = false;
  safe_from_kill_ = safe_from_power_loss_ = oracle_.last();
  oracle_.SetDurable(oracle_.last());
}

void CheckedDb::SetDefaultTtl(uint64_t ms) {
  Note("default ttl", ms);
  const Status status = db()->SetOptions({{"default_ttl_ms", std::to_string(ms)}});
  if (!status.ok()) return Fail(status, "SetOptions: ");
  default_ttl_ms_ = ms;
  world_.mutable_options()->default_ttl_ms = ms;
}

void CheckedDb::Touch(uint32_t key, std::optional<uint64_t> ttl_ms) {
  WriteOptions options;
  if (ttl_ms.has_value()) {
    options.ttl =
        *ttl_ms == kNever ? kNoTtl : std::chrono::milliseconds(static_cast<int64_t>(*ttl_ms));
  }
  const Status status = db()->Touch(options, KeyOf(key));
  Rewritten(options, status, key, ExpiryOf({.key = key}, options, Now()));
}

void CheckedDb::ExpireAt(uint32_t key, uint64_t expires_at_ms) {
  const Status status = db()->ExpireAt({}, KeyOf(key), expires_at_ms);
  Rewritten({}, status, key, Instant::At(expires_at_ms));
}

void CheckedDb::Rewritten(const WriteOptions& options, const Status& status, uint32_t key,
                          Instant expires_at) {
  if (status.IsNotFound()) return Judge(key, oracle_.last(), Now(), std::nullopt);
  if (!status.ok()) return Fail(status, "Touch: ");
  const Version* const newest = oracle_.Newest(key, oracle_.last());
  if (newest == nullptr || newest->SurelyGone(Now())) {
    return Fail("RESURRECTED by a touch, though deleted or expired\n" + oracle_.Describe(key), key);
  }
  const uint64_t write = newest->write;
  oracle_.BeginWrite();
  oracle_.Put(key, write, expires_at);
  NoteKeys("touch", key, key + 1, oracle_.last(), expires_at.low);
  SetDurable(options);
}

void CheckedDb::ReadTime() {
  if (failed()) return;
  constexpr uint64_t kTtl = 3'600'000;
  const Entry entry = {.kind = Entry::Kind::kPutFor, .key = 0, .ttl_ms = kTtl};
  Write({}, {&entry, 1}, /*as_batch=*/false);
  PinnedValue value;
  if (failed() || !db()->Get({}, KeyOf(entry.key), &value).ok()) return;
  if (!value.expires_at_ms().has_value()) return Fail("TIME: a put with a ttl never expires", 0);
  const std::string wrong = world_.time().Learn(*value.expires_at_ms() - kTtl);
  if (!wrong.empty()) return Fail(wrong, entry.key);
  oracle_.SetExpiry(entry.key, Instant::At(*value.expires_at_ms()));
}

void CheckedDb::PassTime(uint64_t ms) {
  Note("time passes", ms);
  world_.time().Pass(ms);
  ReadTime();
}

void CheckedDb::SetWall(uint64_t ms) {
  Note("the wall clock is set", ms);
  world_.time().SetWall(ms);
  ReadTime();
}

// ---- Misses --------------------------------------------------------------------------------

CheckedDb::Misses CheckedDb::CountMisses() const {
  Misses misses;
  for (size_t i = 0; i < misses.size(); ++i) {
    misses[i] = shape_.options.statistics->Get(CounterOf(static_cast<MissReason>(i)));
  }
  return misses;
}

CheckedDb::Misses CheckedDb::ReasonsSince(const Misses& before, uint64_t misses) {
  Misses since = CountMisses();
  uint64_t sum = 0;
  for (size_t i = 0; i < since.size(); ++i) {
    since[i] -= before[i];
    sum += since[i];
  }
  if (sum != misses) {
    Fail("REASON: " + std::to_string(sum) + " for " + std::to_string(misses) + " misses", kNoKey);
  }
  return since;
}

// ---- Reading ------------------------------------------------------------------------------

ReadOptions CheckedDb::OptionsFor(View view) const {
  ReadOptions options;
  if (view.has_value()) options.snapshot = snapshots_[*view].snapshot.get();
  return options;
}

uint64_t CheckedDb::OrderOf(View view) const {
  return view.has_value() ? snapshots_[*view].view : oracle_.last();
}

void CheckedDb::Judge(uint32_t key, uint64_t view, Instant now, std::optional<Slice> value) {
  if (failed()) return;
  std::string wrong = oracle_.Judge(key, view, now, value);
  // A segment is counted as evicted a little after it is.
  for (int i = 0; shape_.cache() && wrong.starts_with("LOST") && i < kCountingWaits; ++i) {
    SleepFor(1'000'000);
    oracle_.SetLosses(world_.losses(keys()));
    wrong = oracle_.Judge(key, view, now, value);
  }
  if (!wrong.empty()) Fail(wrong, key);
}

bool CheckedDb::MetDamage(const Misses& reasons) const {
  return damaged_ && reasons[static_cast<size_t>(MissReason::kQuarantined)] != 0;
}

bool CheckedDb::MayEnd(const Status& status) const {
  return (shape_.mode == Mode::kTightCache && status.IsAborted()) ||
         (damaged_ && status.IsCorruption());
}

void CheckedDb::Get(View view, uint32_t key) {
  PinnedValue value;
  const Instant before = Now();
  const Misses misses = CountMisses();
  const Status status = db()->Get(OptionsFor(view), KeyOf(key), &value);
  if (!status.ok() && !status.IsNotFound()) return Fail(status, "Get: ");
  const Misses reasons = ReasonsSince(misses, status.ok() ? 0 : 1);
  const Instant now = {before.low, Now().high};
  if (MetDamage(reasons)) return;
  Judge(key, OrderOf(view), now, status.ok() ? std::optional<Slice>(value.slice()) : std::nullopt);
  for (size_t i = 0; i < reasons.size() && !failed(); ++i) {
    if (reasons[i] == 0) continue;
    oracle_.SetLosses(world_.losses(keys()));
    const auto reason = static_cast<MissReason>(i);
    const std::string wrong = oracle_.JudgeReason(key, OrderOf(view), now, reason);
    if (!wrong.empty()) Fail(wrong, key);
  }
  if (!status.ok() || failed()) return;
  const Instant expires_at = oracle_.Newest(key, OrderOf(view))->expires_at;
  const uint64_t told = value.expires_at_ms().value_or(kNever);
  if (told < expires_at.low || told > expires_at.high) {
    Fail("TIME: it says that it expires at " + std::to_string(told) + "\n" + oracle_.Describe(key),
         key);
  }
}

void CheckedDb::MultiGet(View view, std::span<const uint32_t> keys) {
  std::vector<std::string> names;
  for (const uint32_t key : keys) names.push_back(KeyOf(key));
  const std::vector<Slice> slices(names.begin(), names.end());
  std::vector<PinnedValue> values(keys.size());
  std::vector<Status> statuses(keys.size());
  const Instant before = Now();
  const Misses misses = CountMisses();
  db()->MultiGet(OptionsFor(view), slices, values, statuses);
  const Instant now = {before.low, Now().high};
  const auto missed = std::count_if(statuses.begin(), statuses.end(),
                                    [](const Status& status) { return status.IsNotFound(); });
  const Misses reasons = ReasonsSince(misses, static_cast<uint64_t>(missed));
  for (size_t i = 0; i < keys.size(); ++i) {
    if (!statuses[i].ok() && !statuses[i].IsNotFound()) return Fail(statuses[i], "MultiGet: ");
    if (statuses[i].IsNotFound() && MetDamage(reasons)) continue;
    Judge(keys[i], OrderOf(view), now,
          statuses[i].ok() ? std::optional<Slice>(values[i].slice()) : std::nullopt);
  }
}

void CheckedDb::ReadAll(View view) {
  {
    Cursor cursor(this, view, std::nullopt, std::nullopt);
    cursor.ScanForward();
    cursor.ScanBackward();
  }
  const uint32_t step = 1 + keys() / kGetsOfAll;
  for (uint32_t key = 0; key < keys() && !failed(); key += step) Get(view, key);
}

std::vector<std::optional<std::string>> CheckedDb::Contents(DB* db) {
  std::vector<std::optional<std::string>> contents;
  for (int i = 0; i < kContentsTries; ++i) {
    contents.assign(keys(), std::nullopt);
    const auto it = db->NewIterator({});
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      uint32_t key = 0;
      if (!NumberOf(it->key(), &key) || key >= keys()) {
        Fail("FOREIGN: a key that nobody wrote", kNoKey);
        return contents;
      }
      contents[key] = std::string(it->value());
    }
    if (it->status().ok()) return contents;
    if (!MayEnd(it->status()) || i + 1 == kContentsTries) Fail(it->status(), "an iterator: ");
    SleepFor(1'000'000'000);  // what is damaged is being taken out
  }
  return contents;
}

// ---- Snapshots ----------------------------------------------------------------------------

void CheckedDb::TakeSnapshot() {
  Note("snapshot");
  snapshots_.push_back({db()->GetSnapshot(), oracle_.last()});
  oracle_.Hold(oracle_.last());
}

void CheckedDb::ReleaseSnapshot(size_t place) {
  Note("snapshot released", snapshots_[place].view);
  oracle_.Release(snapshots_[place].view);
  snapshots_.erase(snapshots_.begin() + static_cast<ptrdiff_t>(place));
}

void CheckedDb::LetGo() {
  while (!snapshots_.empty()) ReleaseSnapshot(snapshots_.size() - 1);
}

// ---- Evictions ----------------------------------------------------------------------------

void CheckedDb::EvictWhileCompacting(Random* random) {
  Note("compact all, beside what follows");
  Status status;
  {
    Thread compaction("compact", [&] {
      status = db()->CompactRange({.rewrite_deepest = true}, std::nullopt, std::nullopt);
    });
    for (int i = 0; i < kEvictionsBeside; ++i) {
      SleepFor(random->Skewed(22));
      Evict(random);
    }
  }
  if (!status.ok() && !MayFail(status)) Fail(status, "CompactRange: ");
}

void CheckedDb::Evict(Random* random) {
  auto* const engine = static_cast<DBImpl*>(db());
  if (random->OneIn(3)) {
    const uint64_t bytes = random->Uniform(uint64_t{4} * shape_.options.segment_bytes);
    Note("evict by the policy, bytes", bytes);
    DBImpl::Evicted evicted;
    const Status status = engine->EvictByPolicy(bytes, &evicted);
    if (!status.ok()) return Fail(status, "EvictByPolicy: ");
    return oracle_.SetLosses(world_.losses(keys()));
  }
  std::string text;
  db()->GetProperty("varve.segments", &text);
  std::vector<FileNumber> victims;
  constexpr std::string_view kWord = "segment ";
  for (size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
    if (text.compare(at, kWord.size(), kWord) != 0) continue;
    const FileNumber number = std::stoull(text.substr(at + kWord.size()));
    if (random->OneIn(4)) victims.push_back(number);
  }
  EvictNumbers(victims);
}

void CheckedDb::EvictNumbers(const std::vector<FileNumber>& numbers) {
  if (numbers.empty()) return;
  Note("evict", numbers.front());
  const Status status = static_cast<DBImpl*>(db())->Evict(numbers, EvictionReason::kRoom);
  if (!status.ok()) return Fail(status, "Evict: ");
  oracle_.SetLosses(world_.losses(keys()));
}

std::string CheckedDb::AnyFile(Random* random, const char* ending) {
  std::vector<std::string> names;
  world_.files()->ListDirectory(World::kPath, &names).ok();
  std::erase_if(names, [&](const std::string& name) { return !name.ends_with(ending); });
  return names.empty() ? "" : names[random->Uniform(names.size())];
}

bool CheckedDb::Damage(Random* random, const std::string& path) {
  FileInfo info;
  if (!world_.files()->GetFileInfo(path, &info).ok() || info.size < 8) return false;
  damaged_ = true;
  world_.files()->Damage(path, random->Uniform(info.size - 5), "decay");
  return true;
}

void CheckedDb::DamageGhost(Random* random) {
  const std::string name = AnyFile(random, ".ghost");
  if (name.empty() || !Damage(random, JoinPath(World::kPath, name))) return;
  Note("a ghost file is damaged", std::stoull(name));
  if (random->OneIn(2)) EvictNumbers({std::stoull(name)});
}

void CheckedDb::DamageSegment(Random* random) {
  const std::string name = AnyFile(random, ".seg");
  if (name.empty() || !Damage(random, JoinPath(World::kPath, name))) return;
  Note("a segment is damaged", std::stoull(name));
}

void CheckedDb::SetCapacity(uint64_t bytes) {
  const uint64_t before = world_.options().capacity_bytes;
  CheckCapacity(before);
  Note("capacity", bytes);
  const Status status = db()->SetOptions({{"capacity_bytes", std::to_string(bytes)}});
  if (!status.ok()) return Fail(status, "SetOptions: ");
  CheckCapacity(std::max(before, bytes));
  world_.mutable_options()->capacity_bytes = bytes;
  // At once: what is there now counts from here on.
  CheckCapacity(bytes);
}

void CheckedDb::AwaitGhostBudget() {
  if (!shape_.cache() || failed()) return;
  std::string bytes, rate;
  for (int i = 0; i < kGhostSecondsMax; ++i) {
    uint64_t ghosts = 0, file_bytes = 0;
    db()->GetIntProperty("varve.num-ghosts", &ghosts);
    db()->GetIntProperty("varve.ghost-bytes", &file_bytes);
    db()->GetProperty("varve.ghost-false-positive-rate", &rate);
    bytes = std::to_string(file_bytes);
    if (ghosts == 0) return;
    if (file_bytes <= world_.options().capacity_bytes * 3 / 100 && std::stod(rate) <= 0.01) return;
    SleepFor(1'000'000'000);
  }
  Fail("GHOSTS: of " + bytes + " bytes, with false positives of " + rate + " in all, stay", kNoKey);
}

// ---- The engine's life --------------------------------------------------------------------

void CheckedDb::Open() {
  const Status status = world_.Open();
  if (!status.ok()) return Fail(status, "Open: ");
}

void CheckedDb::Flush(bool wait) {
  Note(wait ? "flush" : "flush, not waited for");
  const Status status = db()->Flush({wait});
  if (!status.ok()) return Fail(status, "Flush: ");
  if (wait) AllDurable();
}

void CheckedDb::Compact(const CompactRangeOptions& options, std::optional<std::string> begin,
                        std::optional<std::string> end) {
  Note(begin.has_value() ? "compact a range" : "compact all", options.rewrite_deepest);
  std::optional<Slice> low, high;
  if (begin.has_value()) low = *begin;
  if (end.has_value()) high = *end;
  const Status status = db()->CompactRange(options, low, high);
  if (!status.ok() && !MayFail(status)) Fail(status, "CompactRange: ");
}

// A merge in a cache finds no room, or meets damage.
bool CheckedDb::MayFail(const Status& status) const {
  return (shape_.mode == Mode::kTightCache && status.IsNoSpace()) ||
         (damaged_ && status.IsCorruption());
}

void CheckedDb::Sync() {
  Note("sync");
  const Status status = db()->SyncWAL();
  if (!status.ok()) return Fail(status, "SyncWAL: ");
  AllDurable();
}

// H31: what is evicted, expired or deleted is so in a copy too.
void CheckedDb::Checkpoint() {
  Note("checkpoint");
  // A name of its own: that one of before is gone may be lost with the power.
  const std::string path = "/copy-" + std::to_string(operation_);
  Status status = db()->Checkpoint(path);
  if (!status.ok()) return Fail(status, "Checkpoint: ");
  AllDurable();  // it flushes first
  std::unique_ptr<DB> copy;
  Options options = world_.options();
  options.create_if_missing = false;
  status = DB::Open(options, path, &copy);
  if (!status.ok()) return Fail(status, "Open of a checkpoint: ");
  const auto contents = Contents(copy.get());
  // It has a time of its own, that of an open: it follows a wall clock further than this one does.
  const Instant now = {Now().low, std::max(Now().high, world_.clock()->WallMillis())};
  for (uint32_t key = 0; key < keys(); ++key) {
    Judge(key, oracle_.last(), now,
          contents[key].has_value() ? std::optional<Slice>(*contents[key]) : std::nullopt);
  }
  status = copy->Close();
  copy.reset();
  if (status.ok()) status = DB::Destroy(options, path);
  if (!status.ok()) Fail(status, "end of a checkpoint: ");
}

void CheckedDb::Reopen() {
  Note("close");
  LetGo();
  const Status status = world_.Close();
  if (!status.ok()) return Fail(status, "Close: ");
  AllDurable();
  Open();
  ReadTime();
}

bool CheckedDb::MayReset(bool power) const {
  return unlogged_ || (power && shape_.options.wal_sync != WalSyncMode::kAlways);
}

void CheckedDb::Kill(bool power) {
  uint64_t lowest = power ? safe_from_power_loss_ : safe_from_kill_;
  Note(power ? "power loss" : "kill", lowest);
  const uint64_t resets = world_.resets();
  world_.Kill(power, [this] { LetGo(); });
  Open();
  if (failed()) return;
  if (shape_.cache()) {
    // Everything, or nothing: a prefix would be stale.
    if (world_.resets() != resets) {
      Note("starts empty");
      if (!MayReset(power)) return Fail("LOST: it starts empty, and had lost nothing", kNoKey);
      oracle_.Reset();
    }
    lowest = oracle_.last();
  }
  const auto contents = Contents(world_.db());
  oracle_.SetLosses(world_.losses(keys()));
  const std::string wrong = oracle_.CutBack(lowest, Now(), contents);
  if (!wrong.empty()) return Fail(wrong, kNoKey);
  AllDurable();  // recovery flushes what it replays
  ReadTime();
}

}  // namespace varve::never_stale
