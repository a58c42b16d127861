#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "db/db_impl.h"
#include "tests/support/quiet_logger.h"
#include "tools/crash/cache_oracle.h"
#include "tools/crash/cache_workload.h"
#include "tools/crash/child_process.h"
#include "tools/crash/db_reader.h"
#include "tools/crash/db_workload.h"
#include "tools/crash/eviction_log.h"
#include "tools/crash/kill_subject.h"
#include "util/filename.h"
#include "util/hash.h"
#include "util/mutex.h"
#include "util/random.h"
#include "varve/listener.h"

// A cache at the least capacity that there may be, or not much more, and its one writer. Whatever
// was acknowledged is there after the death of the process alone, or was evicted, as the engine has
// told by then, or may have expired. A position of the oracle is the number of an event here.

namespace varve::crash {
namespace {

constexpr uint64_t kDayMillis = 86'400'000;
constexpr size_t kBatchBytesMax = 40'000;

uint64_t WallMillis() { return Env::Default().clock->WallMillis(); }

// What a child has done, in order.
class Journal {
 public:
  struct Event {
    enum Kind : uint8_t { kInvoked, kAcknowledged, kEvicted } kind;
    uint32_t batch = 0;            // kInvoked, kAcknowledged: of this round
    uint64_t first_sequence = 0;   // kInvoked
    uint64_t wall_ms = 0;          // kInvoked
    LoggedEviction eviction = {};  // kEvicted
  };

  void Clear() { size_.store(0); }
  // False: there is no room for more. One thread at a time.
  bool Append(const Event& event) {
    const uint32_t at = size_.load();
    if (at >= kEventsMax) return false;
    events_[at] = event;
    size_.store(at + 1);
    return true;
  }
  uint32_t size() const { return size_.load(); }
  const Event& operator[](uint32_t at) const { return events_[at]; }

 private:
  static constexpr uint32_t kEventsMax = 30'000;
  std::atomic<uint32_t> size_{0};
  Event events_[kEventsMax];
};

struct Batch {
  std::vector<CacheOracle::Op> ops;  // their expiries count from the wall clock
  std::vector<uint64_t> ttl_ms;      // of each; 0: none
  bool sync = false;
};

class CacheKillSubject : public KillSubject {
 public:
  CacheKillSubject() {
    if (journal_.ok()) journal_.Begin();
  }

  bool ok() const override { return journal_.ok(); }

  void NewDirectory(const std::string& path, uint64_t seed) override {
    path_ = path;
    first_ = CacheRunOptions::FromSeed(seed, "-", false);
    oracle_ = std::make_shared<CacheOracle>(first_.keys, first_.mode());
    position_ = 0;
  }

  void BeginRound(uint64_t seed) override {
    seed_ = seed;
    ++round_;
    run_ = CacheRunOptions::FromSeed(seed, "-", false);
    run_.keys = first_.keys;
    run_.cache.capacity_bytes = first_.cache.capacity_bytes;
    run_.cache.after_power_loss = first_.cache.after_power_loss;
    run_.cache.wal_sync_interval_ms = std::min<uint32_t>(run_.cache.wal_sync_interval_ms, 5);
    run_.cache.use_direct_reads = seed % 3 == 0;
    journal_->Clear();
    last_sequence_ = UINT64_MAX;
  }

  Status Open(std::unique_ptr<DB>* db) override {
    return OpenTold(db, [this](const LoggedEviction& eviction) {
      Append({.kind = Journal::Event::kEvicted, .eviction = eviction});
    });
  }

  void Write(DB* db, const Fail& fail) override {
    Random random(seed_);
    last_sequence_ = LastSequence(db);
    for (uint32_t number = 1;; ++number) {
      if (const std::string wrong = WriteOne(db, number); !wrong.empty()) return fail(wrong);
      PinnedValue value;
      if (random.OneIn(4)) {
        const int key = static_cast<int>(random.Uniform(static_cast<uint64_t>(run_.keys)));
        (void)db->Get({}, CacheKey(key), &value);
      }
      if (Status s = Upkeep(static_cast<DBImpl*>(db), &random); !s.ok() && !s.IsNoSpace()) {
        return fail("upkeep: " + s.ToString());
      }
    }
  }

  std::string Check(const FailedCalls& failed, KillCounts* counts) override {
    TakeEvents(counts);
    if (std::string wrong = TooMuch("before it is opened"); !wrong.empty()) return wrong;
    auto next = std::make_shared<CacheOracle>(oracle_, position_, /*kill=*/true, run_.mode());
    position_ = 1;
    last_sequence_ = UINT64_MAX;
    std::unique_ptr<DB> db;
    // Evictions go on in the background: they are told to the oracle under its lock.
    const Status opened = OpenTold(&db, [&](LoggedEviction eviction) {
      MutexLock lock(&mutex_);
      eviction.position = ++position_;
      next->Evicted(eviction);
    });
    if (!opened.ok()) return "open: " + opened.ToString();
    last_sequence_ = LastSequence(db.get());
    std::string wrong = CheckOpen(db.get(), failed, next.get());
    const uint32_t last = next->last_acknowledged();
    if (const Status s = db->Close(); wrong.empty() && !s.ok()) wrong = "close: " + s.ToString();
    db.reset();  // from here on nobody else tells of anything
    next->AllDurable(last, /*flushed=*/true, ++position_);
    oracle_ = std::move(next);
    if (wrong.empty()) wrong = TooMuch("after it was closed");
    return wrong.empty() ? CheckDirectory(Env::Default().file_system.get(), path_) : wrong;
  }

 private:
  // Tells of evictions as they are made.
  class Teller : public EventListener {
   public:
    Teller(const CacheKillSubject* subject, std::function<void(const LoggedEviction&)> call)
        : subject_(subject), call_(std::move(call)) {}

    void OnEviction(const EvictionInfo& info) override {
      for (const EvictionInfo::Segment& segment : info.segments) {
        LoggedEviction eviction;
        eviction.number = segment.number;
        eviction.keys = segment.number == 0 || info.reason == EvictionReason::kDamaged
                            ? UINT64_MAX
                            : KeysOfGhost(Env::Default().file_system.get(), subject_->path_,
                                          segment.number, subject_->run_.keys);
        eviction.smallest_sequence = segment.smallest_sequence;
        eviction.largest_sequence = segment.largest_sequence;
        eviction.sequence_then = subject_->last_sequence_.load();
        eviction.leaves_ghost = segment.leaves_ghost;
        call_(eviction);
      }
    }

   private:
    const CacheKillSubject* const subject_;
    const std::function<void(const LoggedEviction&)> call_;
  };

  Status OpenTold(std::unique_ptr<DB>* db, std::function<void(const LoggedEviction&)> call) {
    Options options = run_.cache;
    options.logger = std::make_shared<QuietLogger>();
    options.listeners = {std::make_shared<Teller>(this, std::move(call))};
    return DB::Open(options, path_, db);
  }

  // ---- In a child ----
  void Append(const Journal::Event& event) {
    MutexLock lock(&mutex_);
    // Nothing may happen that is not told: the parent kills what waits as well as what works.
    if (!journal_->Append(event)) pause();
  }

  std::string WriteOne(DB* db, uint32_t number) {
    const Batch batch = BatchOf(number, WallMillis());
    WriteBatch write;
    for (size_t i = 0; i < batch.ops.size(); ++i) {
      const CacheOracle::Op& op = batch.ops[i];
      const std::string key = CacheKey(op.key);
      if (op.value.empty()) {
        write.Delete(key).ok();
      } else if (batch.ttl_ms[i] == 0) {
        write.Put(key, op.value).ok();
      } else {
        write.Put(key, op.value, std::chrono::milliseconds(batch.ttl_ms[i])).ok();
      }
    }
    const uint64_t first = last_sequence_.load() + 1;
    Append({.kind = Journal::Event::kInvoked,
            .batch = number,
            .first_sequence = first,
            .wall_ms = WallMillis()});
    if (Status s = db->Write({.sync = batch.sync}, write); !s.ok()) return "write: " + s.ToString();
    last_sequence_.store(first + batch.ops.size() - 1);
    if (LastSequence(db) != last_sequence_.load()) {
      return kWrong + std::string("a batch of ") + std::to_string(batch.ops.size()) +
             " from sequence " + std::to_string(first) + " ended at " +
             std::to_string(LastSequence(db));
    }
    Append({.kind = Journal::Event::kAcknowledged, .batch = number});
    return "";
  }

  Status Upkeep(DBImpl* db, Random* random) const {
    if (random->OneIn(200)) return db->Flush({.wait = random->OneIn(2)});
    if (random->OneIn(100)) {
      DBImpl::Evicted evicted;
      return db->EvictByPolicy(random->Uniform(128 << 10), &evicted);
    }
    if (random->OneIn(150)) {
      ManifestState manifest;
      if (Status s = InspectManifest(&manifest); !s.ok()) return s;
      std::vector<FileNumber> numbers;
      for (const uint64_t number : LiveSegments(manifest)) {
        if (random->OneIn(4) && numbers.size() < 3) numbers.push_back(number);
      }
      return db->Evict(numbers, EvictionReason::kRoom);
    }
    if (random->OneIn(400)) {
      return db->CompactRange({.rewrite_deepest = random->OneIn(2)}, std::nullopt, std::nullopt);
    }
    return Status::OK();
  }

  // ---- On both sides ----
  // Batch `number` of this round, begun at that time.
  Batch BatchOf(uint32_t number, uint64_t wall_ms) const {
    Random random(Mix64(seed_) + number);
    Batch batch;
    const uint64_t count = random.OneIn(4) ? random.Between(2, 6) : 1;
    size_t bytes = 0;
    for (uint32_t place = 0; place < count; ++place) {
      CacheOracle::Op op;
      op.key = static_cast<int>(random.Uniform(static_cast<uint64_t>(run_.keys)));
      op.place = place;
      uint64_t ttl_ms = 0;
      if (!random.OneIn(8)) {
        size_t size = random.Uniform(run_.value_bytes_max + 1);
        size = std::min(size, kBatchBytesMax - std::min(bytes, kBatchBytesMax));
        op.value = MakeValue(CacheKey(op.key), round_, number, place, size);
        bytes += op.value.size();
        if (random.OneIn(run_.ttl_one_in)) {
          ttl_ms = random.OneIn(2) ? random.Between(1, 300) : kDayMillis;
          op.expires = {wall_ms + ttl_ms, CacheOracle::kNever};
        }
      }
      batch.ttl_ms.push_back(ttl_ms);
      batch.ops.push_back(std::move(op));
    }
    batch.sync = random.OneIn(run_.sync_one_in);
    return batch;
  }

  // ---- In the parent ----
  std::string CheckOpen(DB* db, const FailedCalls& failed, CacheOracle* next) {
    CacheContents found;
    if (std::string wrong = ReadCache(db, nullptr, run_.keys, &found); !wrong.empty()) {
      return wrong;
    }
    ManifestState manifest;
    if (Status s = InspectManifest(&manifest); !s.ok()) return "manifest: " + s.ToString();
    CacheOracle::Reading reading;
    reading.kill = true;
    // A ghost or a segment that a child could not read hides all within its bounds since.
    reading.was_unreadable = failed.all.load() != failed.losing.load();
    if (manifest.last_reset.has_value()) {
      reading.resets = manifest.last_reset->resets;
      reading.may_be_reset = Explains(failed, manifest.last_reset->reason);
    }
    reading.now = {0, WallMillis() + kDayMillis / 24};
    {
      MutexLock lock(&mutex_);
      reading.position = ++position_;
      std::string wrong = next->Opened(1, reading, found, LiveSegments(manifest));
      if (!wrong.empty()) return wrong;
    }
    for (int key = 0; key < run_.keys; ++key) {
      PinnedValue value;
      const Status s = db->Get({}, CacheKey(key), &value);
      if (!s.ok() && !s.IsNotFound()) return "Get: " + s.ToString();
      MutexLock lock(&mutex_);
      reading.position = position_;
      const std::string wrong = next->JudgeKey(key, next->last_acknowledged(), reading,
                                               s.ok() ? HashOfValue(value.slice()) : 0);
      if (!wrong.empty()) return "Get: " + wrong + "\n" + next->Describe(key);
    }
    return "";
  }

  // A log that may lack something is given up, and so is all where an open could not tell which
  // boot of which machine it was.
  static bool Explains(const FailedCalls& failed, CacheResetReason reason) {
    switch (reason) {
      case CacheResetReason::kUnloggedWrites:
      case CacheResetReason::kIoFailure:
        return failed.losing.load() > 0;
      case CacheResetReason::kPowerLoss:
        return failed.all.load() > 0;
      default:
        return false;
    }
  }

  // It may be written meanwhile: then a page is another than when its root was read.
  Status InspectManifest(ManifestState* manifest) const {
    Status status;
    for (int i = 0; i < 10; ++i) {
      status = Manifest::Inspect(Env::Default().file_system.get(), path_, manifest);
      if (status.ok()) break;
    }
    return status;
  }

  // What the children of the round have done, in the order in which it was.
  void TakeEvents(KillCounts* counts) {
    uint32_t number = 0;
    for (uint32_t i = 0; i < journal_->size(); ++i) {
      const Journal::Event& event = (*journal_)[i];
      ++position_;
      if (event.kind == Journal::Event::kInvoked) {
        const Batch batch = BatchOf(event.batch, event.wall_ms);
        number = oracle_->Begin(batch.ops, event.first_sequence, batch.ops.size(), /*logged=*/true,
                                position_);
      } else if (event.kind == Journal::Event::kAcknowledged) {
        oracle_->Acknowledge(number, /*durable=*/false, position_);
        ++counts->batches;
      } else {
        LoggedEviction eviction = event.eviction;
        eviction.position = position_;
        oracle_->Evicted(eviction);
        ++counts->evictions;
      }
    }
  }

  // "" if its files take no more than they may, while nobody has it open.
  std::string TooMuch(const char* when) const {
    std::vector<std::string> names;
    uint64_t bytes = 0;
    if (!Env::Default().file_system->ListDirectory(path_, &names).ok()) return "";
    for (const std::string& name : names) {
      struct stat info;
      if (stat((path_ + "/" + name).c_str(), &info) == 0) {
        bytes += static_cast<uint64_t>(info.st_blocks) * 512;
      }
    }
    if (bytes <= run_.cache.capacity_bytes) return "";
    return "its files take " + std::to_string(bytes) + " bytes of " +
           std::to_string(run_.cache.capacity_bytes) + " " + when;
  }

  SharedWithChildren<Journal> journal_;
  std::string path_;
  CacheRunOptions first_, run_;  // of the directory; of the round
  uint64_t seed_ = 0;
  int round_ = 0;
  std::atomic<uint64_t> last_sequence_{0};
  Mutex mutex_;  // in a child of the journal's end, in the parent of the oracle and the position
  std::shared_ptr<CacheOracle> oracle_;
  uint64_t position_ = 0;
};

}  // namespace

std::unique_ptr<KillSubject> NewCacheKillSubject() { return std::make_unique<CacheKillSubject>(); }

}  // namespace varve::crash
