#include "tools/crash/cache_workload.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "db/db_impl.h"
#include "tools/crash/db_reader.h"
#include "tools/crash/db_workload.h"
#include "tools/crash/eviction_log.h"
#include "tools/crash/held_reads.h"
#include "tools/crash/variant.h"
#include "util/random.h"
#include "util/thread.h"

namespace varve::crash {
namespace {

constexpr uint64_t kMiB = 1 << 20;
// Of the entries of one batch, which has to fit any cache.
constexpr size_t kBatchBytesMax = 40'000;

class Client {
 public:
  Client(CacheRun* run, uint64_t seed)
      : run_(run),
        options_(run->options),
        db_(static_cast<DBImpl*>(run->db)),
        oracle_(run->oracle.get()),
        random_(seed) {}

  bool Run() {
    for (int i = 0; i < options_.steps && run_->fault.empty(); ++i) {
      const uint64_t begun_at = run_->fs->op_count();
      Step();
      if (run_->fs->calls_failed() > 0) oracle_->Failed(begun_at);
      if (random_.OneIn(12)) SleepFor(random_.Uniform(20) * 1'000'000);
      if (random_.OneIn(60)) SleepFor(random_.Uniform(12) * 1'000'000'000);
    }
    while (!held_.empty()) Release();
    return may_write_;
  }

 private:
  void Step() {
    if (random_.OneIn(options_.flush_one_in)) return Flush();
    if (random_.OneIn(options_.evict_one_in)) return EvictSome();
    if (random_.OneIn(options_.policy_one_in)) return EvictByPolicy();
    if (random_.OneIn(options_.compact_one_in)) return Compact();
    if (options_.checkpoint_one_in > 0 && random_.OneIn(options_.checkpoint_one_in)) {
      return Checkpoint();
    }
    if (random_.OneIn(50)) return SyncLog();
    if (random_.OneIn(5)) return Read();
    if (random_.OneIn(20)) return Hold();
    if (random_.OneIn(20)) return Release();
    if (may_write_) Write();
  }

  int RandomKey() {
    return static_cast<int>(random_.Uniform(static_cast<uint64_t>(options_.keys)));
  }

  // ---- Writing ----
  void Write() {
    if (options_.unlogged_one_in > 0 && random_.OneIn(options_.unlogged_one_in)) {
      unlogged_ = !unlogged_;
    }
    WriteOptions write;
    write.disable_wal = unlogged_;
    write.sync = !unlogged_ && random_.OneIn(options_.sync_one_in);
    const uint64_t count = random_.OneIn(4) ? random_.Between(2, 6) : 1;
    std::vector<CacheOracle::Op> ops;
    WriteBatch batch;
    std::optional<uint64_t> ttl_ms;
    size_t bytes = 0;
    for (uint64_t i = 0; i < count; ++i) {
      if (random_.OneIn(16)) {
        DeleteRange(i, &batch, &ops);
      } else if (random_.OneIn(8)) {
        ops.push_back({.key = RandomKey(), .value = "", .place = i});
        Must("batch", batch.Delete(CacheKey(ops.back().key)));
      } else {
        ttl_ms = Put(i, &bytes, &batch, &ops);
      }
    }
    ++values_;
    for (const CacheOracle::Op& op : ops) {
      if (op.value.empty() || !oracle_->Knows(op.key, HashOfValue(op.value))) continue;
      run_->Fault("it has been written before: " + op.value);  // could not be told from what is new
    }
    const uint64_t first = run_->last_sequence + 1;
    const uint32_t number = oracle_->Begin(ops, first, count, !unlogged_, run_->fs->op_count());
    const Status s = db_->Write(write, batch);
    if (!s.ok()) {
      may_write_ = false;
      run_->Explained("write", s);
      return;
    }
    if (const uint64_t last = LastSequence(db_); last != first + count - 1) {
      run_->Fault("a batch of " + std::to_string(count) + " took sequences " +
                  std::to_string(first) + " to " + std::to_string(last));
    }
    run_->last_sequence = first + count - 1;
    const bool durable =
        write.sync || (!unlogged_ && options_.cache.wal_sync == WalSyncMode::kAlways);
    oracle_->Acknowledge(number, durable, run_->fs->op_count());
    if (ttl_ms.has_value() && count == 1) ReadTime(ops.back().key, *ttl_ms);
  }

  // The time to live, if it has one that counts from now.
  std::optional<uint64_t> Put(uint64_t place, size_t* bytes, WriteBatch* batch,
                              std::vector<CacheOracle::Op>* ops) {
    CacheOracle::Op op;
    op.key = RandomKey();
    op.place = place;
    const std::string key = CacheKey(op.key);
    size_t size = random_.Uniform(options_.value_bytes_max + 1);
    size = std::min(size, kBatchBytesMax - std::min(*bytes, kBatchBytesMax));
    op.value = MakeValue(key, 0, values_, static_cast<uint32_t>(place), size, run_->lives);
    *bytes += op.value.size();
    std::optional<uint64_t> ttl_ms;
    if (!random_.OneIn(options_.ttl_one_in)) {
      Must("batch", batch->Put(key, op.value));
    } else {
      const uint64_t now = std::max<uint64_t>(oracle_->TimeAt(CacheOracle::kNever), 1);
      const uint64_t way = random_.Uniform(4);
      const uint64_t ttl = way == 0   ? random_.Between(1, 300)
                           : way == 1 ? random_.Between(300, 20'000)
                                      : uint64_t{3'600'000};
      if (random_.OneIn(3)) {
        op.expires = {now + ttl, now + ttl};
        Must("batch", batch->PutUntil(key, op.value, now + ttl));
      } else {
        op.expires = {now + ttl, run_->time_high + ttl};
        ttl_ms = ttl;
        Must("batch", batch->Put(key, op.value, std::chrono::milliseconds(ttl)));
      }
    }
    ops->push_back(std::move(op));
    return ttl_ms;
  }

  // Of up to eight keys; the oracle hears of each.
  void DeleteRange(uint64_t place, WriteBatch* batch, std::vector<CacheOracle::Op>* ops) {
    const int from = RandomKey();
    const int to = std::min(options_.keys, from + static_cast<int>(random_.Between(1, 8)));
    Must("batch", batch->DeleteRange(CacheKey(from), CacheKey(to)));
    for (int key = from; key < to; ++key) ops->push_back({.key = key, .value = "", .place = place});
  }

  // What was just put says by its expiry what time it was.
  void ReadTime(int key, uint64_t ttl_ms) {
    PinnedValue value;
    if (!db_->Get({}, CacheKey(key), &value).ok() || !value.expires_at_ms().has_value()) return;
    const uint64_t now = *value.expires_at_ms() - ttl_ms;
    if (now < oracle_->TimeAt(CacheOracle::kNever) || now > run_->time_high) {
      run_->Fault("the engine's time is " + std::to_string(now) + ", and was " +
                  std::to_string(oracle_->TimeAt(CacheOracle::kNever)) + "; it is no later than " +
                  std::to_string(run_->time_high));
    }
    oracle_->SetExpiry(key, *value.expires_at_ms());
    oracle_->TimeWas(now, run_->fs->op_count());
  }

  // ---- Reading ----
  void Read() {
    if (random_.OneIn(8)) {
      const CacheOracle::Reading made = run_->Now();
      CacheContents found;
      const std::string wrong = ReadCache(db_, nullptr, options_.keys, &found);
      return JudgeAll("iterator", wrong, oracle_->last_acknowledged(), made, found);
    }
    // Some keys are asked for often, so that something is hit.
    const int key = random_.OneIn(2) ? RandomKey() : RandomKey() / 4;
    PinnedValue value;
    const CacheOracle::Reading before = run_->Now();
    const Status s = db_->Get({}, CacheKey(key), &value);
    if (!s.ok() && !s.IsNotFound()) {
      run_->Explained("Get", s);
      return;
    }
    std::string wrong = s.ok() ? CheckValue(CacheKey(key), value.slice()) : std::string();
    if (wrong.empty()) {
      CacheOracle::Reading reading = run_->Now();
      reading.now.low = before.now.low;
      wrong = oracle_->JudgeKey(key, oracle_->last_acknowledged(), reading,
                                s.ok() ? HashOfValue(value.slice()) : 0);
      if (!wrong.empty()) wrong += "\n" + oracle_->Describe(key);
    }
    if (!wrong.empty()) run_->Fault("Get: " + wrong);
  }

  void JudgeAll(const char* what, const std::string& wrong, uint32_t view,
                const CacheOracle::Reading& made, const CacheContents& found) {
    if (!wrong.empty()) {
      // A read may fail where an error was injected; wrong data it may never give.
      if (wrong.find("injected fault") == std::string::npos) {
        run_->Fault(std::string(what) + ": " + wrong);
      }
      return;
    }
    CacheOracle::Reading reading = run_->Now();
    reading.now.low = made.now.low;
    for (size_t key = static_cast<size_t>(options_.keys); key < found.size(); ++key) {
      if (found[key] != 0) return run_->Fault(std::string(what) + ": FOREIGN: a key of no write");
    }
    for (int key = 0; key < options_.keys; ++key) {
      const std::string bad =
          oracle_->JudgeKey(key, view, reading, found[static_cast<size_t>(key)]);
      if (!bad.empty()) {
        return run_->Fault(std::string(what) + ": " + bad + "\n" + oracle_->Describe(key));
      }
    }
  }

  void Hold() {
    if (held_.full()) return;
    held_.Hold(db_, &random_, {.batch = oracle_->last_acknowledged(), .made = run_->Now()});
  }

  void Release() {
    if (held_.empty()) return;
    const auto held = held_.Take(&random_);
    const CacheView& view = held.expected;
    CacheContents found(static_cast<size_t>(options_.keys), 0);
    if (held.snapshot != nullptr) {
      const CacheOracle::Reading now = run_->Now();
      const std::string wrong = ReadCache(db_, held.snapshot.get(), options_.keys, &found);
      return JudgeAll("snapshot", wrong, view.batch, now, found);
    }
    Iterator* const it = held.iterator.get();
    std::string wrong;
    int key = 0;
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      const int next = CacheKeyNumber(it->key());
      for (; key < next; ++key) Missed(view, key);
      wrong = CheckValue(it->key(), it->value());
      if (wrong.empty()) {
        wrong = oracle_->JudgeKey(next, view.batch, view.made, HashOfValue(it->value()));
      }
      if (!wrong.empty())
        return run_->Fault("held iterator: " + wrong + "\n" + oracle_->Describe(next));
      key = next + 1;
    }
    if (it->status().ok()) {
      for (; key < options_.keys; ++key) Missed(view, key);
    } else if (!it->status().IsAborted()) {  // revoked
      run_->Explained("held iterator", it->status());
    }
  }

  // An iterator passed over the key: that must have been right when it was made.
  void Missed(const CacheView& view, int key) {
    CacheOracle::Reading reading = view.made;
    reading.now.high = run_->Now().now.high;
    const std::string wrong = oracle_->JudgeKey(key, view.batch, reading, 0);
    if (!wrong.empty()) run_->Fault("held iterator: " + wrong + "\n" + oracle_->Describe(key));
  }

  // ---- Upkeep ----
  void Flush() {
    const bool wait = !random_.OneIn(3);
    const uint32_t acknowledged = oracle_->last_acknowledged();
    const Status s = db_->Flush({.wait = wait});
    if (!s.ok()) {
      run_->Explained("Flush", s);
    } else if (wait) {
      oracle_->AllDurable(acknowledged, /*flushed=*/true, run_->fs->op_count());
    }
  }

  void SyncLog() {
    const uint32_t acknowledged = oracle_->last_acknowledged();
    const Status s = db_->SyncWAL();
    if (!s.ok()) {
      run_->Explained("SyncWAL", s);
    } else {
      oracle_->AllDurable(acknowledged, /*flushed=*/false, run_->fs->op_count());
    }
  }

  // Any segments, in any order: those that have older ones beneath leave ghosts.
  void EvictSome() {
    ManifestState manifest;
    if (!Manifest::Inspect(run_->fs.get(), "/db", &manifest).ok()) return;
    std::vector<FileNumber> numbers;
    for (const uint64_t number : LiveSegments(manifest)) {
      if (random_.OneIn(4)) numbers.push_back(number);
    }
    if (numbers.size() > 3) numbers.resize(3);
    const Status s = db_->Evict(numbers, EvictionReason::kRoom);
    if (!s.ok()) run_->Explained("Evict", s);
  }

  void EvictByPolicy() {
    DBImpl::Evicted evicted;
    const Status s = db_->EvictByPolicy(random_.Uniform(128 << 10), &evicted);
    if (!s.ok()) run_->Explained("EvictByPolicy", s);
  }

  void Compact() {
    const Status s =
        db_->CompactRange({.rewrite_deepest = random_.OneIn(2)}, std::nullopt, std::nullopt);
    // There may be no room for it.
    if (!s.ok() && !s.IsNoSpace()) run_->Explained("CompactRange", s);
  }

  // Holds what there was when it was asked for, less what went while it was made.
  void Checkpoint() {
    const uint32_t acknowledged = oracle_->last_acknowledged();
    const CacheOracle::Reading made = run_->Now();
    const std::string path = run_->checkpoints.Begin(run_->fs->disk(), {}, made.position);
    run_->checkpoint_views[path] = {acknowledged, made};
    const Status s = db_->Checkpoint(path);
    const uint64_t position = run_->fs->op_count();
    Ledger::State held;
    const std::string wrong =
        run_->checkpoints.Returned(path, s.ok(), run_->fs->disk(), position, run_->opened, &held);
    if (!s.ok()) {
      run_->Explained("Checkpoint", s);
      return;
    }
    oracle_->AllDurable(acknowledged, /*flushed=*/true, position);
    if (!wrong.empty()) return run_->Fault(wrong);
    JudgeAll("checkpoint", "", acknowledged, made, ToContents(held));
  }

  void Must(const char* what, const Status& s) {
    if (!s.ok()) run_->Fault(std::string(what) + ": " + s.ToString());
  }

  CacheRun* const run_;
  const CacheRunOptions& options_;
  DBImpl* const db_;
  CacheOracle* const oracle_;
  Random random_;
  HeldReads<CacheView> held_;
  uint32_t values_ = 0;  // batches with values of this life
  bool unlogged_ = false;
  bool may_write_ = true;
};

}  // namespace

bool CacheRun::Explained(const char* call, const Status& status) {
  // Busy: the clock mark could not be sealed.
  const bool typed =
      status.IsIOError() || status.IsNoSpace() || status.IsAborted() || status.IsBusy();
  if (fs->calls_failed() > 0 && typed) return true;
  Fault(std::string(call) + ": " + status.ToString());
  return false;
}

Ledger::State ToState(const CacheContents& contents) {
  Ledger::State state;
  for (size_t key = 0; key < contents.size(); ++key) {
    if (contents[key] != 0) state[CacheKey(static_cast<int>(key))] = std::to_string(contents[key]);
  }
  return state;
}

CacheContents ToContents(const Ledger::State& state) {
  CacheContents contents(kCacheKeysMax, 0);
  for (const auto& [key, value] : state) {
    contents[static_cast<size_t>(CacheKeyNumber(key))] = std::stoull(value);
  }
  return contents;
}

std::string CacheRun::ReadCheckpoint(DB* of, Ledger::State* state) {
  CacheContents found;
  const std::string wrong = ReadCache(of, nullptr, kCacheKeysMax, &found);
  *state = ToState(found);
  return wrong;
}

CacheOracle::Reading CacheRun::Now() const {
  CacheOracle::Reading reading;
  reading.position = fs->op_count();
  reading.kill = true;
  reading.unreadable = fs->calls_failed() > 0 && reads_may_fail();
  reading.now = {oracle->TimeAt(CacheOracle::kNever), time_high};
  return reading;
}

std::string ReadCache(DB* db, const Snapshot* snapshot, int keys, CacheContents* found) {
  found->assign(static_cast<size_t>(keys), 0);
  ReadOptions options;
  options.snapshot = snapshot;
  const std::unique_ptr<Iterator> it = db->NewIterator(options);
  int last = -1;
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    if (std::string wrong = CheckValue(it->key(), it->value()); !wrong.empty()) return wrong;
    const int key = CacheKeyNumber(it->key());
    if (key < 0 || key >= keys) return "key '" + std::string(it->key()) + "' was never written";
    if (key <= last)
      return "the iterator gives '" + CacheKey(key) + "' after '" + CacheKey(last) + "'";
    (*found)[static_cast<size_t>(key)] = HashOfValue(it->value());
    last = key;
  }
  return it->status().ok() ? "" : "iterator: " + it->status().ToString();
}

bool RunCacheClient(CacheRun* run, uint64_t seed) { return Client(run, seed).Run(); }

std::string CacheRunOptions::ToString() const {
  static constexpr const char* kModes[] = {"never", "interval", "always"};
  std::string text = "capacity " + std::to_string(cache.capacity_bytes) + ", synced " +
                     kModes[static_cast<size_t>(cache.wal_sync)] +
                     (mode().keeps_prefix ? ", keeps a prefix" : ", empty after a power loss");
  if (lie_nth > 0) text += ", sync " + std::to_string(lie_nth) + " lies";
  if (fault.nth > 0) {
    text += ", call " + std::to_string(fault.nth) + " fails" + (fault.forever ? " for good" : "");
  }
  return text + (checkpoint_one_in > 0 ? ", with checkpoints" : "");
}

CacheRunOptions CacheRunOptions::FromSeed(uint64_t seed, const std::string& variant,
                                          bool short_run) {
  Random random(seed ^ 0x6361636865);
  CacheRunOptions options;
  const uint64_t least = DB::MinimumCapacity(Options::ForCache(1));
  const uint64_t capacity = least + (random.OneIn(3) ? 0 : random.Uniform(kMiB));
  Options& cache = options.cache;
  cache = Options::ForCache(capacity);
  cache.create_if_missing = true;
  cache.room_wait_ms = 60'000;
  cache.wal_sync = static_cast<WalSyncMode>(random.Uniform(3));
  const Variant chosen = Variant::Parse(variant);
  if (chosen.sync == "never") cache.wal_sync = WalSyncMode::kNever;
  if (chosen.sync == "interval") cache.wal_sync = WalSyncMode::kInterval;
  if (chosen.sync == "always") cache.wal_sync = WalSyncMode::kAlways;
  cache.wal_sync_interval_ms = static_cast<uint32_t>(random.Between(1, 40));
  cache.wal_mapped = !random.OneIn(3);
  cache.after_power_loss = random.OneIn(4) ? AfterPowerLoss::kKeepPrefix : AfterPowerLoss::kEmpty;
  cache.compaction_style = random.OneIn(2)   ? CompactionStyle::kByTime
                           : random.OneIn(2) ? CompactionStyle::kTiered
                                             : CompactionStyle::kNone;
  cache.eviction = random.OneIn(3) ? EvictionPolicy::kFifo : EvictionPolicy::kLru;
  cache.compression = random.OneIn(2) ? Compression::kLz4 : Compression::kNone;
  cache.block_bytes = size_t{1} << random.Between(10, 13);
  cache.filter_bits_per_key = random.OneIn(4) ? 0 : 16;
  cache.block_cache_bytes = random.OneIn(4) ? 0 : size_t{1} << 20;
  cache.background_threads = static_cast<int>(random.Between(1, 2));
  options.keys = static_cast<int>(random.Between(8, 48));
  options.steps = static_cast<int>(random.Between(60, 240));
  options.lives = random.OneIn(3) ? 2 : 1;
  // Of half of the runs together more than the capacity.
  options.value_bytes_max = random.OneIn(2) ? 24'000 : size_t{1} << random.Between(8, 13);
  options.sync_one_in = random.OneIn(3) ? 2 : static_cast<uint32_t>(random.Between(4, 40));
  options.unlogged_one_in = random.OneIn(4) ? 12 : 0;
  options.ttl_one_in = static_cast<uint32_t>(random.Between(2, 8));
  options.flush_one_in = static_cast<uint32_t>(random.Between(8, 60));
  options.evict_one_in = static_cast<uint32_t>(random.Between(8, 40));
  options.policy_one_in = static_cast<uint32_t>(random.Between(6, 30));
  options.compact_one_in = static_cast<uint32_t>(random.Between(20, 100));
  if (short_run || chosen.fault_nth > 0) {
    options.steps = 5 + options.steps / 8;
    options.lives = 1;
    options.flush_one_in = std::min<uint32_t>(options.flush_one_in, 10);
    options.evict_one_in = std::min<uint32_t>(options.evict_one_in, 12);
  }
  chosen.LimitSteps(&options.steps);
  options.fault.nth = 0;
  if (chosen.fault_nth > 0) {
    options.fault = {.calls = kSimAll, .nth = chosen.fault_nth, .forever = chosen.fault_lasts};
  } else if (random.OneIn(5)) {
    options.fault.calls = random.OneIn(4) ? uint32_t{kSimAll & ~kSimLock} : uint32_t{kSimChanges};
    options.fault.nth = 1 + random.Skewed(11);
    options.fault.forever = random.OneIn(2);
  }
  if (random.OneIn(3)) options.fault.code = Status::Code::kNoSpace;
  options.lie_nth = chosen.lie_nth;
  if (options.lie_nth == 0 && options.fault.nth == 0 && random.OneIn(8)) {
    options.lie_nth = 1 + random.Uniform(40);
  }
  // Of one whose sync lied nothing is promised.
  if (options.lie_nth == 0 && random.OneIn(3)) {
    options.checkpoint_one_in =
        static_cast<uint32_t>(random.Between(5, options.steps < 40 ? 10 : 60));
  }
  return options;
}

}  // namespace varve::crash
