#include "tools/crash/db_workload.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "tools/crash/db_reader.h"
#include "tools/crash/held_reads.h"
#include "tools/crash/variant.h"
#include "util/scheduler.h"
#include "util/thread.h"
#include "varve/segment_writer.h"

namespace varve::crash {
namespace {

// The newest operand is the value. So a state is known without knowing what was beneath, and an
// operand that is lost, or applied out of order, shows.
class NewestOperand final : public MergeOperator {
 public:
  const char* Name() const override { return "varve_crash.NewestOperand"; }
  bool FullMerge(Slice, const Slice*, std::span<const Slice> operands,
                 std::string* result) const override {
    result->assign(operands.back());
    return true;
  }
  bool PartialMerge(Slice, Slice, Slice newer, std::string* result) const override {
    result->assign(newer);
    return true;
  }
};

class Client {
 public:
  Client(DbRun* run, int writer, uint64_t seed, Ledger::State* state)
      : run_(run),
        options_(run->options),
        db_(run->db),
        writer_(writer),
        first_(KeyOf(writer, 0)),
        limit_(KeyOf(writer, 9999) + "~"),
        random_(seed),
        state_(state) {}

  bool Run() {
    for (int i = 0; i < options_.steps && run_->fault().empty(); ++i) {
      if (random_.OneIn(options_.flush_one_in)) {
        Flush();
      } else if (options_.checkpoint_one_in > 0 && random_.OneIn(options_.checkpoint_one_in)) {
        Checkpoint();
      } else if (may_write_ && options_.ingest_one_in > 0 &&
                 random_.OneIn(options_.ingest_one_in)) {
        Ingest();
      } else if (random_.OneIn(50)) {
        SyncLog();
      } else if (random_.OneIn(8)) {
        Read();
      } else if (random_.OneIn(20)) {
        Hold();
      } else if (random_.OneIn(20)) {
        Release();
      } else if (may_write_) {
        Write();
      }
      if (random_.OneIn(30)) SleepFor(random_.Uniform(20) * 1'000'000);
    }
    while (!held_.empty()) Release();
    return may_write_;
  }

 private:
  std::string RandomKey() {
    return KeyOf(writer_, static_cast<int>(
                              random_.Uniform(static_cast<uint64_t>(options_.keys_per_writer))));
  }

  void Write() {
    if (options_.unlogged_one_in > 0 && random_.OneIn(options_.unlogged_one_in)) {
      unlogged_ = !unlogged_;
    }
    WriteOptions write;
    write.disable_wal = unlogged_;
    write.sync = !unlogged_ && random_.OneIn(options_.sync_one_in);
    const uint64_t count = random_.OneIn(4) ? random_.Between(2, 6) : 1;
    std::vector<Ledger::Op> ops;
    WriteBatch batch;
    for (uint32_t i = 0; i < count; ++i) {
      if (random_.OneIn(16)) {
        DeleteRange(&batch, &ops);
        continue;
      }
      std::string key = RandomKey();
      if (random_.OneIn(6)) {
        Must("batch", batch.Delete(key));
        ops.push_back({std::move(key), std::nullopt});
        continue;
      }
      const size_t bytes = random_.OneIn(40) ? random_.Uniform(20000)
                                             : random_.Uniform(options_.value_bytes_max + 1);
      std::string value = MakeValue(key, writer_, batch_, i, bytes, run_->lives);
      Must("batch", random_.OneIn(5) ? batch.Merge(key, value) : batch.Put(key, value));
      ops.push_back({std::move(key), std::move(value)});
    }
    ++batch_;
    const std::vector<Ledger::Op> done = ops;
    const uint64_t before = run_->fs->op_count();
    const auto number = run_->ledger->Begin(writer_, std::move(ops), !unlogged_, before);
    const Status s = WriteOne(write, batch, count);
    if (!s.ok()) {
      may_write_ = false;
      run_->Explained("write", s);
      return;
    }
    run_->SetSequence(LastSequence(db_), run_->fs->op_count());
    const bool durable = write.sync || (!unlogged_ && options_.db.wal_sync == WalSyncMode::kAlways);
    run_->ledger->Acknowledge(writer_, number, durable, run_->fs->op_count());
    Apply(done, state_);
  }

  static void Apply(const std::vector<Ledger::Op>& ops, Ledger::State* state) {
    for (const Ledger::Op& op : ops) {
      if (op.value.has_value()) {
        (*state)[op.key] = *op.value;
      } else {
        state->erase(op.key);
      }
    }
  }

  // Of up to eight keys; the ledger hears of each.
  void DeleteRange(WriteBatch* batch, std::vector<Ledger::Op>* ops) {
    const auto keys = static_cast<uint64_t>(options_.keys_per_writer);
    const int from = static_cast<int>(random_.Uniform(keys));
    const int to = from + static_cast<int>(random_.Between(1, 8));
    Must("batch", batch->DeleteRange(KeyOf(writer_, from), KeyOf(writer_, to)));
    for (int i = from; i < to; ++i) ops->push_back({KeyOf(writer_, i), std::nullopt});
  }

  // The batch; one of a single entry by the call for that entry.
  Status WriteOne(const WriteOptions& write, const WriteBatch& batch, uint64_t count) {
    if (count > 1) return db_->Write(write, batch);
    class Single final : public WriteBatch::Handler {
     public:
      Single(const WriteOptions& write, DB* db) : write_(write), db_(db) {}
      Status Put(Slice key, Slice value) override { return db_->Put(write_, key, value); }
      Status Delete(Slice key) override { return db_->Delete(write_, key); }
      Status Merge(Slice key, Slice value) override { return db_->Merge(write_, key, value); }
      Status DeleteRange(Slice start, Slice end) override {
        return db_->DeleteRange(write_, start, end);
      }

     private:
      const WriteOptions& write_;
      DB* const db_;
    } single(write, db_);
    return batch.Iterate(&single);
  }

  // One file or two with some of the client's keys. At the newest place it is a batch like any
  // other: first what its range deletes hide, then its entries. At the oldest it is a batch of puts
  // of those keys that have no value.
  void Ingest() {
    IngestOptions how;
    how.place = random_.OneIn(3) ? IngestPlace::kOldest : IngestPlace::kNewest;
    how.move_files = random_.OneIn(2);
    const int keys = options_.keys_per_writer;
    const int middle = static_cast<int>(random_.Between(1, static_cast<uint64_t>(keys)));
    std::vector<std::string> files;
    std::vector<Ledger::Op> hidden, entries;
    MakeFile(0, middle, &files, &hidden, &entries);
    if (middle < keys) MakeFile(middle, keys, &files, &hidden, &entries);
    ++batch_;
    std::vector<Ledger::Op> ops;
    if (how.place == IngestPlace::kNewest) {
      ops = std::move(hidden);
      ops.insert(ops.end(), entries.begin(), entries.end());
    } else {
      for (const Ledger::Op& op : entries) {
        if (op.value.has_value() && state_->count(op.key) == 0) ops.push_back(op);
      }
    }
    const auto acknowledged = run_->ledger->Acknowledged();
    const auto number = run_->ledger->Begin(writer_, ops, /*logged=*/true, run_->fs->op_count());
    const Status s = db_->Ingest(files, how);
    if (!s.ok()) {
      may_write_ = false;
      if (run_->Explained("Ingest", s)) Settle(ops);
      return;
    }
    // It flushed what was acknowledged; and a file is removed when its content is durable.
    uint64_t position = run_->fs->op_count();
    run_->ledger->AllDurable(acknowledged, position);
    run_->SetSequence(LastSequence(db_), position);
    for (const std::string& file : files) {
      position = std::min(position, run_->imports->RemovedAt(file));
    }
    run_->ledger->Acknowledge(writer_, number, /*durable=*/true, position);
    Apply(ops, state_);
  }

  // A file of keys in [from, to), what its range deletes hide, and its entries.
  void MakeFile(int from, int to, std::vector<std::string>* files, std::vector<Ledger::Op>* hidden,
                std::vector<Ledger::Op>* entries) {
    files->push_back(run_->imports->NewPath());
    SegmentWriter file(run_->opened, files->back());
    for (int i = from; i < to; ++i) {
      if (i > from && !random_.OneIn(3)) continue;
      const std::string key = KeyOf(writer_, i);
      if (random_.OneIn(6)) {
        Must("file", file.Delete(key));
        entries->push_back({key, std::nullopt});
        continue;
      }
      std::string value = MakeValue(key, writer_, batch_, static_cast<uint32_t>(i),
                                    random_.Uniform(options_.value_bytes_max + 1), run_->lives);
      Must("file", random_.OneIn(5) ? file.Merge(key, value) : file.Put(key, value));
      entries->push_back({key, std::move(value)});
    }
    if (random_.OneIn(3)) {
      const auto count = static_cast<uint64_t>(to - from);
      const int start = from + static_cast<int>(random_.Uniform(count));
      const int end = static_cast<int>(
          random_.Between(static_cast<uint64_t>(start) + 1, static_cast<uint64_t>(to)));
      Must("file", file.DeleteRange(KeyOf(writer_, start), KeyOf(writer_, end)));
      for (int i = start; i < end; ++i) hidden->push_back({KeyOf(writer_, i), std::nullopt});
    }
    Must("file", file.Finish());
  }

  // An ingestion that failed shows or not; it stays so (CHECKLIST W4).
  void Settle(const std::vector<Ledger::Op>& ops) {
    Ledger::State with = *state_, found;
    Apply(ops, &with);
    const std::string wrong = ReadRange(db_, nullptr, first_, limit_, &found);
    if (wrong.empty() && found == with) {
      *state_ = std::move(found);
    } else {
      Check("after a failed ingestion", wrong.empty() ? Difference(found, *state_) : wrong);
    }
  }

  void Checkpoint() {
    const auto acknowledged = run_->ledger->Acknowledged();
    const std::string path =
        run_->checkpoints.Begin(run_->fs->disk(), acknowledged, run_->fs->op_count());
    const Status s = db_->Checkpoint(path);
    const uint64_t position = run_->fs->op_count();
    if (!s.ok()) run_->Explained("Checkpoint", s);
    if (s.ok()) run_->ledger->AllDurable(acknowledged, position);  // it flushed
    Ledger::State held;
    const std::string wrong =
        run_->checkpoints.Returned(path, s.ok(), run_->fs->disk(), position, run_->opened, &held);
    if (!wrong.empty()) run_->Fault(wrong);
  }

  void Read() {
    // A failed write is not seen before the next open.
    if (random_.OneIn(4)) {
      Ledger::State found;
      const std::string wrong = ReadRange(db_, nullptr, first_, limit_, &found);
      Check("iterator", wrong.empty() ? Difference(found, *state_) : wrong);
      return;
    }
    const std::string key = RandomKey();
    PinnedValue value;
    const Status s = db_->Get({}, key, &value);
    const auto expected = state_->find(key);
    if (expected == state_->end() ? s.IsNotFound() : s.ok() && value.slice() == expected->second) {
      return;
    }
    if (!s.ok() && !s.IsNotFound()) {
      run_->Explained("Get", s);
      return;
    }
    run_->Fault("Get('" + key + "') gives " +
                (s.ok() ? value.ToString().substr(0, 40) : s.ToString()) + ", expected " +
                (expected == state_->end() ? "nothing" : expected->second.substr(0, 40)));
  }

  void Hold() {
    if (!held_.full()) held_.Hold(db_, &random_, *state_);
  }

  void Release() {
    if (held_.empty()) return;
    const auto held = held_.Take(&random_);
    Ledger::State found;
    std::string wrong;
    if (held.snapshot != nullptr) {
      wrong = ReadRange(db_, held.snapshot.get(), first_, limit_, &found);
    } else {
      Iterator* const it = held.iterator.get();
      for (it->Seek(first_); it->Valid() && it->key() < limit_; it->Next()) {
        found[std::string(it->key())] = std::string(it->value());
      }
      if (!it->status().ok()) wrong = "iterator: " + it->status().ToString();
    }
    Check(held.snapshot != nullptr ? "snapshot" : "held iterator",
          wrong.empty() ? Difference(found, held.expected) : wrong);
  }

  void Flush() {
    const bool wait = !random_.OneIn(3);
    const auto acknowledged = run_->ledger->Acknowledged();
    const Status s = db_->Flush({.wait = wait});
    if (!s.ok()) {
      run_->Explained("Flush", s);
    } else if (wait) {
      run_->ledger->AllDurable(acknowledged, run_->fs->op_count());
    }
  }

  void SyncLog() {
    const auto acknowledged = run_->ledger->Acknowledged();
    const Status s = db_->SyncWAL();
    if (!s.ok()) {
      run_->Explained("SyncWAL", s);
    } else {
      run_->ledger->AllDurable(acknowledged, run_->fs->op_count());
    }
  }

  void Must(const char* what, const Status& s) {
    if (!s.ok()) run_->Fault(std::string(what) + ": " + s.ToString());
  }
  void Check(const char* what, const std::string& wrong) {
    // A read may fail where an error was injected; wrong data it may never give.
    if (wrong.empty() || wrong.find("injected fault") != std::string::npos) return;
    run_->Fault(std::string(what) + ": " + wrong);
  }

  DbRun* const run_;
  const DbRunOptions& options_;
  DB* const db_;
  const int writer_;
  const std::string first_, limit_;
  Random random_;
  Ledger::State* const state_;
  HeldReads<Ledger::State> held_;
  uint32_t batch_ = 0;
  bool unlogged_ = false;
  bool may_write_ = true;
};

}  // namespace

std::string KeyOf(int writer, int key) {
  char text[32];
  std::snprintf(text, sizeof(text), "w%d-k%04d", writer, key);
  return text;
}

int WriterOf(Slice key) {
  if (key.size() < 4 || key[0] != 'w' || key[2] != '-') return -1;
  return key[1] >= '0' && key[1] <= '9' ? key[1] - '0' : -1;
}

std::vector<uint64_t> HashesOf(const Ledger::State& state, int writers, std::string* fault) {
  std::vector<uint64_t> hashes(static_cast<size_t>(writers), 0);
  for (const auto& [key, value] : state) {
    const int writer = WriterOf(key);
    if (writer < 0 || writer >= writers) {
      *fault = "key '" + key + "' was never written";
      continue;
    }
    hashes[static_cast<size_t>(writer)] += Ledger::HashEntry(key, value);
  }
  return hashes;
}

void DbRunOptions::FocusOn(const std::string& focus, Random* random) {
  if (focus == "flush" || focus == "compaction") {
    flush_one_in = static_cast<uint32_t>(random->Between(3, 12));
    ingest_one_in = checkpoint_one_in = 0;
  }
  if (focus == "compaction") {
    db.level0_runs_trigger = 1;
    db.tiered_runs_trigger = 2;
  }
  if (focus == "checkpoint") {
    checkpoint_one_in = static_cast<uint32_t>(random->Between(3, 8));
    ingest_one_in = 0;
  }
  if (focus == "recovery") {
    // Much in logs, little in segments; what is opened again and again.
    steps = 5 + steps / 4;
    flush_one_in = 1000;
    ingest_one_in = checkpoint_one_in = 0;
    fault.nth = lie_nth = 0;
  }
}

DbRunOptions DbRunOptions::FromSeed(uint64_t seed, const std::string& variant,
                                    const std::string& focus, bool short_run) {
  Random random(seed ^ 0x6f7074696f6e);
  DbRunOptions options;
  Options& db = options.db;
  db.create_if_missing = true;
  db.merge_operator = std::make_shared<NewestOperand>();
  db.memtable_bytes = size_t{64} << 10;
  db.memtables_max = static_cast<int>(random.Between(2, 5));
  db.flush_memtables_min = static_cast<int>(random.Between(1, db.memtables_max - 1));
  db.wal_sync = static_cast<WalSyncMode>(random.Uniform(3));
  const Variant chosen = Variant::Parse(variant);
  if (chosen.sync == "never") db.wal_sync = WalSyncMode::kNever;
  if (chosen.sync == "interval") db.wal_sync = WalSyncMode::kInterval;
  if (chosen.sync == "always") db.wal_sync = WalSyncMode::kAlways;
  db.wal_sync_interval_ms = static_cast<uint32_t>(random.Between(1, 40));
  db.wal_mapped = !random.OneIn(3);
  db.compression = random.OneIn(2) ? Compression::kLz4 : Compression::kNone;
  db.block_bytes = size_t{1} << random.Between(10, 13);
  db.filter_bits_per_key = random.OneIn(4) ? 0 : 10;
  db.block_cache_bytes = random.OneIn(4) ? 0 : size_t{1} << 20;
  db.background_threads = static_cast<int>(random.Between(1, 2));
  options.writers = random.OneIn(2) ? 1 : static_cast<int>(random.Between(2, 3));
  options.keys_per_writer = static_cast<int>(random.Between(8, 40));
  options.steps = static_cast<int>(random.Between(60, 200)) / options.writers;
  options.lives = random.OneIn(3) ? 2 : 1;
  // From one memtable for everything to one for ten writes.
  options.value_bytes_max = size_t{1} << random.Between(6, 13);
  options.sync_one_in = random.OneIn(3) ? 2 : static_cast<uint32_t>(random.Between(4, 40));
  options.unlogged_one_in = random.OneIn(3) ? 12 : 0;
  options.flush_one_in = static_cast<uint32_t>(random.Between(20, 200));
  if (short_run || chosen.fault_nth > 0) {
    options.steps = 5 + options.steps / 6;
    options.lives = 1;
  }
  db.compaction_style = random.OneIn(3) ? CompactionStyle::kTiered : CompactionStyle::kLeveled;
  db.level0_runs_trigger = static_cast<int>(random.Between(1, 4));
  db.tiered_runs_trigger = static_cast<int>(random.Between(2, 4));
  db.segment_bytes = db.level_base_bytes = uint64_t{64} << 10;
  const bool brief = short_run || chosen.fault_nth > 0;
  if (random.OneIn(2))
    options.ingest_one_in = static_cast<uint32_t>(random.Between(6, brief ? 12 : 60));
  if (random.OneIn(2))
    options.checkpoint_one_in = static_cast<uint32_t>(random.Between(8, brief ? 16 : 80));
  chosen.LimitSteps(&options.steps);
  if (chosen.writers_max != 0) {
    options.writers = std::min(options.writers, static_cast<int>(chosen.writers_max));
  }
  options.fault.nth = 0;
  if (chosen.fault_nth > 0) {
    options.fault = {.calls = kSimAll, .nth = chosen.fault_nth, .forever = chosen.fault_lasts};
    options.fault.code = random.OneIn(3) ? Status::Code::kNoSpace : Status::Code::kIOError;
  } else if (random.OneIn(4)) {
    options.fault.calls = random.OneIn(4) ? uint32_t{kSimAll & ~kSimLock} : uint32_t{kSimChanges};
    options.fault.nth = 1 + random.Skewed(10);
    options.fault.forever = random.OneIn(2);
    options.fault.code = random.OneIn(3) ? Status::Code::kNoSpace : Status::Code::kIOError;
  }
  options.lie_nth = chosen.lie_nth;
  if (options.lie_nth == 0 && options.fault.nth == 0 && random.OneIn(8)) {
    options.lie_nth = 1 + random.Uniform(40);
  }
  options.FocusOn(focus, &random);
  chosen.LimitSteps(&options.steps);
  return options;
}

void DbRun::Fault(const std::string& what) {
  MutexLock lock(&mutex_);
  if (fault_.empty()) fault_ = what;
}

std::string DbRun::fault() const {
  MutexLock lock(&mutex_);
  return fault_;
}

bool DbRun::Explained(const char* call, const Status& status) {
  const bool typed = status.IsIOError() || status.IsNoSpace() || status.IsAborted();
  if (fs->calls_failed() > 0 && typed) return true;
  Fault(std::string(call) + ": " + status.ToString());
  return false;
}

uint64_t LastSequence(DB* db) {
  uint64_t last = 0;
  db->GetIntProperty("varve.last-sequence", &last);
  return last;
}

void DbRun::SetSequence(uint64_t last, uint64_t position) {
  MutexLock lock(&mutex_);
  sequences_.emplace_back(position, last);
}

uint64_t DbRun::HighestSequence(uint64_t position) const {
  MutexLock lock(&mutex_);
  uint64_t highest = 0;
  for (const auto& [at, sequence] : sequences_) {
    if (at <= position) highest = std::max(highest, sequence);
  }
  return highest;
}

bool RunClient(DbRun* run, int writer, uint64_t seed, Ledger::State* state) {
  return Client(run, writer, seed, state).Run();
}

}  // namespace varve::crash
