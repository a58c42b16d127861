#include "tests/never_stale/history.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "tests/never_stale/checked_db.h"
#include "tests/never_stale/cursor.h"
#include "tests/support/baton_scheduler.h"
#include "util/random.h"
#include "util/thread.h"

namespace varve::never_stale {
namespace {

constexpr size_t kSnapshotsMax = 4, kCursorsMax = 4;

class History {
 public:
  History(uint64_t seed, std::shared_ptr<Clock> durations)
      : random_(seed), shape_(seed, &random_), db_(seed, shape_, std::move(durations)) {
    // Each has its own temper, so that rare things come together in some.
    for (const Deed& deed : Deeds()) {
      static constexpr double kTempers[] = {0.25, 1, 1, 3};
      total_ += deed.weight * kTempers[random_.Uniform(std::size(kTempers))];
      weights_.push_back(total_);
    }
  }

  void Run(uint64_t operations) {
    db_.Open();
    for (uint64_t i = 0; i < operations && !db_.failed(); ++i) {
      db_.BeginOperation();
      const double at = random_.Real() * total_;
      const auto chosen = std::upper_bound(weights_.begin(), weights_.end() - 1, at);
      (this->*Deeds()[static_cast<size_t>(chosen - weights_.begin())].run)();
    }
    db_.BeginOperation();
    if (!db_.failed()) db_.ReadAll(std::nullopt);
    cursors_.clear();
    db_.LetGo();
    db_.AwaitGhostBudget();
    if (!db_.failed()) db_.Reopen();
    if (!db_.failed()) db_.ReadAll(std::nullopt);
  }

  HistoryResult result() const {
    const Statistics& statistics = *shape_.options.statistics;
    return {.finding = db_.finding(),
            .operations = db_.operation(),
            .hits = statistics.Get(Counter::kGetHits),
            .flushes = statistics.Get(Counter::kFlushes),
            .compactions = statistics.Get(Counter::kCompactions)};
  }

 private:
  struct Deed {
    void (History::*run)();
    double weight;
  };
  static std::span<const Deed> Deeds();

  // ---- Drawing ----
  uint32_t Key() {
    // Some keys are written and read much more often than others.
    const uint64_t span = random_.OneIn(2) ? shape_.keys : std::min<uint64_t>(shape_.keys, 8);
    return static_cast<uint32_t>(random_.Uniform(span));
  }
  uint64_t Ttl() {
    if (random_.OneIn(8)) return kNever;
    return 1 + random_.Uniform(random_.OneIn(4) ? 36'000'000 : 300);
  }
  Entry AnyEntry() {
    Entry entry;
    entry.key = Key();
    entry.bytes = kTagBytes + random_.Uniform(shape_.value_bytes_max);
    const uint64_t kind = random_.Uniform(100);
    if (kind < 60) return entry;
    if (kind < 80) {
      entry.kind = Entry::Kind::kPutFor;
      entry.ttl_ms = Ttl();
    } else if (kind < 85) {
      entry.kind = Entry::Kind::kPutUntil;
      const uint64_t now = db_.Now().low;
      entry.expires_at_ms = random_.OneIn(8) ? kNever : now - 20 + random_.Uniform(200);
    } else if (kind < 97) {
      entry.kind = Entry::Kind::kDelete;
    } else {
      entry.kind = Entry::Kind::kDeleteRange;
      const uint32_t width = random_.OneIn(20) ? shape_.keys : 10;
      entry.end = entry.key + static_cast<uint32_t>(random_.Uniform(width + 1));
    }
    return entry;
  }
  WriteOptions AnyWriteOptions() {
    WriteOptions options;
    options.sync = random_.OneIn(20);
    options.disable_wal = !options.sync && random_.OneIn(40);
    if (random_.OneIn(4)) {
      const uint64_t ttl = Ttl();
      options.ttl = ttl == kNever ? kNoTtl : std::chrono::milliseconds(static_cast<int64_t>(ttl));
    }
    return options;
  }
  CheckedDb::View AnyView() {
    if (db_.snapshots() == 0 || random_.OneIn(2)) return std::nullopt;
    return random_.Uniform(db_.snapshots());
  }

  // ---- Deeds ----
  void Write() {
    const Entry entry = AnyEntry();
    db_.Write(AnyWriteOptions(), {&entry, 1}, /*as_batch=*/false);
  }
  void WriteMany() {
    const uint32_t many = random_.OneIn(10) ? shape_.batch_entries_max : 8;
    std::vector<Entry> entries(1 + random_.Uniform(std::min(many, shape_.batch_entries_max)));
    for (Entry& entry : entries) entry = AnyEntry();
    db_.Write(AnyWriteOptions(), entries, /*as_batch=*/true);
  }
  void Get() { db_.Get(AnyView(), Key()); }
  void MultiGet() {
    std::vector<uint32_t> keys(random_.Uniform(20));
    for (uint32_t& key : keys) key = Key();
    db_.MultiGet(AnyView(), keys);
  }
  void ReadAll() { db_.ReadAll(AnyView()); }
  void MoveCursor() {
    if (cursors_.size() < kCursorsMax && (cursors_.empty() || random_.OneIn(20))) {
      const CheckedDb::View view = AnyView();
      std::optional<uint32_t> lower, upper;
      if (random_.OneIn(3)) lower = Key();
      if (random_.OneIn(3)) {
        upper = lower.value_or(0) + static_cast<uint32_t>(random_.Uniform(shape_.keys));
        if (*upper > shape_.keys) upper.reset();
      }
      db_.Note("iterator");
      cursors_.push_back(std::make_unique<Cursor>(&db_, view, lower, upper));
    }
    const size_t place = random_.Uniform(cursors_.size());
    if (random_.OneIn(30)) {
      cursors_.erase(cursors_.begin() + static_cast<ptrdiff_t>(place));
    } else if (random_.OneIn(30)) {
      cursors_[place]->Refresh();
    } else {
      cursors_[place]->Move(&random_);
    }
  }
  void Snapshot() {
    if (db_.snapshots() < kSnapshotsMax && random_.OneIn(2)) return db_.TakeSnapshot();
    if (db_.snapshots() == 0) return;
    std::erase_if(cursors_, [](const auto& cursor) { return cursor->reads_snapshot(); });
    db_.ReleaseSnapshot(random_.Uniform(db_.snapshots()));
  }
  void Flush() { db_.Flush(/*wait=*/random_.OneIn(2)); }
  void Compact() {
    CompactRangeOptions options;
    options.rewrite_deepest = random_.OneIn(2);
    if (random_.OneIn(2)) return db_.Compact(options, std::nullopt, std::nullopt);
    const uint32_t begin = Key();
    db_.Compact(options, KeyOf(begin),
                KeyOf(begin + static_cast<uint32_t>(random_.Uniform(shape_.keys))));
  }
  void Sync() { db_.Sync(); }
  // Background work gets on for a while.
  void Wait() { SleepFor(random_.Skewed(24)); }
  void PassTime() {
    const uint64_t ms = random_.OneIn(20) ? random_.Uniform(7'200'000) : random_.Uniform(100);
    db_.PassTime(ms);
  }
  // The wall clock jumps: back, ahead by little, or by so much that nobody may follow. (A database
  // that is opened then follows all the same, and may go back at the next open: db/engine_time.h.)
  void JumpWall() {
    const uint64_t wall = db_.world().clock()->WallMillis();
    const uint64_t far = random_.Skewed(36);
    if (random_.OneIn(3)) return db_.SetWall(wall - random_.Uniform(far + 1));
    if (random_.OneIn(2) || shape_.mode == Mode::kDatabase) {
      return db_.SetWall(std::max(wall, db_.Now().low) + random_.Uniform(3'600'000));
    }
    db_.SetWall(wall + far);
  }
  void Touch() {
    std::optional<uint64_t> ttl;
    if (random_.OneIn(2)) ttl = Ttl();
    db_.Touch(Key(), ttl);
  }
  void ExpireAt() {
    db_.ExpireAt(Key(), random_.OneIn(5) ? kNever : db_.Now().low - 20 + random_.Uniform(300));
  }
  void DefaultTtl() { db_.SetDefaultTtl(random_.OneIn(2) ? 0 : 1 + random_.Uniform(500)); }
  void Evict() {
    if (shape_.mode != Mode::kEvictedCache) return;
    // What begins while it evicts must not take it for done (H25).
    if (random_.OneIn(6)) return db_.EvictWhileCompacting(&random_);
    if (random_.OneIn(2)) db_.Flush(/*wait=*/false);
    db_.Evict(&random_);
  }
  void DamageGhost() {
    if (shape_.mode == Mode::kEvictedCache && shape_.damage) db_.DamageGhost(&random_);
  }
  void DamageSegment() {
    if (shape_.loses() && shape_.damage) db_.DamageSegment(&random_);
  }
  void SetCapacity() {
    if (shape_.mode == Mode::kTightCache) db_.SetCapacity(Shape::AnyCapacity(&random_));
  }
  void Checkpoint() { db_.Checkpoint(); }
  void Reopen() {
    cursors_.clear();
    db_.Reopen();
  }
  void Kill() {
    cursors_.clear();
    db_.Kill(shape_.power_losses && random_.OneIn(2));
  }

  Random random_;
  const Shape shape_;
  CheckedDb db_;
  std::vector<std::unique_ptr<Cursor>> cursors_;
  std::vector<double> weights_;  // running sums
  double total_ = 0;
};

std::span<const History::Deed> History::Deeds() {
  static constexpr Deed kDeeds[] = {
      {&History::Write, 300},         {&History::WriteMany, 80},
      {&History::Get, 250},           {&History::MultiGet, 40},
      {&History::ReadAll, 1},         {&History::MoveCursor, 150},
      {&History::Snapshot, 8},        {&History::Flush, 4},
      {&History::Compact, 1},         {&History::Sync, 2},
      {&History::Wait, 30},           {&History::PassTime, 40},
      {&History::Evict, 5},           {&History::DamageGhost, 3},
      {&History::DefaultTtl, 1},      {&History::SetCapacity, 1},
      {&History::DamageSegment, 0.5}, {&History::Checkpoint, 0.3},
      {&History::Reopen, 0.5},        {&History::Kill, 1},
      {&History::JumpWall, 1},        {&History::Touch, 20},
      {&History::ExpireAt, 8},
  };
  return kDeeds;
}

}  // namespace

HistoryResult RunHistory(uint64_t seed, uint64_t operations) {
  BatonScheduler scheduler({.seed = seed, .steps_max = UINT64_MAX, .nanos_max = UINT64_MAX / 2});
  HistoryResult result;
  scheduler.Run([&] {
    History history(seed, scheduler.clock());
    history.Run(operations);
    result = history.result();
  });
  return result;
}

}  // namespace varve::never_stale
