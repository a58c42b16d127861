#ifndef VARVE_TESTS_NEVER_STALE_CHECKED_DB_H_
#define VARVE_TESTS_NEVER_STALE_CHECKED_DB_H_

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "db/miss_reason.h"
#include "tests/never_stale/oracle.h"
#include "tests/never_stale/tagged_value.h"
#include "tests/never_stale/trail.h"
#include "tests/never_stale/world.h"
#include "util/filename.h"

namespace varve::never_stale {

// One entry of a write.
struct Entry {
  enum class Kind { kPut, kPutFor, kPutUntil, kDelete, kDeleteRange };
  Kind kind = Kind::kPut;
  uint32_t key = 0;
  uint32_t end = 0;            // kDeleteRange
  uint64_t ttl_ms = 0;         // kPutFor; kNever: kNoTtl
  uint64_t expires_at_ms = 0;  // kPutUntil
  size_t bytes = kTagBytes;    // of the value
};

// The engine and the oracle side by side: whatever is done to one is told to the other, and every
// answer is judged. The first thing that is wrong is the finding; after it nothing is judged any
// more.
class CheckedDb {
 public:
  CheckedDb(uint64_t seed, const Shape& shape, std::shared_ptr<Clock> durations);
  ~CheckedDb() { LetGo(); }

  World& world() { return world_; }
  DB* db() { return world_.db(); }
  Oracle& oracle() { return oracle_; }
  uint32_t keys() const { return oracle_.keys(); }
  Instant Now() { return world_.time().Now(); }

  // Numbers what is done from here on.
  void BeginOperation();
  uint64_t operation() const { return operation_; }
  bool failed() const { return !finding_.empty(); }
  // "" or what was wrong, at which operation, and what had been done.
  const std::string& finding() const { return finding_; }
  void Fail(const std::string& what, uint32_t key);
  void Fail(const Status& status, const char* what) { Fail(what + status.ToString(), kNoKey); }
  // Notes what is about to be done, to the key or, without one, to all.
  void Note(const char* what, uint64_t detail = 0);
  void NoteKeys(const char* what, uint32_t begin, uint32_t end, uint64_t order, uint64_t detail);

  // ---- Writing ----
  void Write(WriteOptions options, std::span<const Entry> entries, bool as_batch);
  // The value anew, with another expiry.
  void Touch(uint32_t key, std::optional<uint64_t> ttl_ms);
  void ExpireAt(uint32_t key, uint64_t expires_at_ms);
  void SetDefaultTtl(uint64_t ms);

  // ---- Reading ----
  // Of a snapshot that is held, by its place, or of the newest state.
  using View = std::optional<size_t>;
  void Get(View view, uint32_t key);
  void MultiGet(View view, std::span<const uint32_t> keys);
  // The whole state, forward, backward, and of some keys by Get.
  void ReadAll(View view);
  void Judge(uint32_t key, uint64_t view, Instant now, std::optional<Slice> value);
  // Whether an iterator may end with this: it was revoked for the room of what it held, or met
  // damage.
  bool MayEnd(const Status& status) const;

  // ---- Snapshots ----
  void TakeSnapshot();
  void ReleaseSnapshot(size_t place);
  size_t snapshots() const { return snapshots_.size(); }
  ReadOptions OptionsFor(View view) const;
  uint64_t OrderOf(View view) const;

  // ---- Evictions ----
  // Takes segments out, unread, as the engine does for want of room: some of those there are.
  void Evict(Random* random);
  // The same while everything is compacted, in another thread.
  void EvictWhileCompacting(Random* random);
  // A ghost file decays. That of a segment that is there yet tells when it is evicted, that of a
  // ghost at the next open: either hides all within its bounds then.
  void DamageGhost(Random* random);
  // The same of a segment's file.
  void DamageSegment(Random* random);
  // Another capacity from now on.
  void SetCapacity(uint64_t bytes);
  // Waits for the background to bring the ghosts within their budget (RULES R2.5).
  void AwaitGhostBudget();

  // ---- The engine's life ----
  void Open();
  void Flush(bool wait);
  void Compact(const CompactRangeOptions& options, std::optional<std::string> begin,
               std::optional<std::string> end);
  void Sync();
  void Checkpoint();
  void Reopen();
  void Kill(bool power);
  // ---- Time ----
  void PassTime(uint64_t ms);
  // The wall clock jumps.
  void SetWall(uint64_t ms);

  // Snapshots; who holds iterators lets them go before.
  void LetGo();

 private:
  static constexpr uint32_t kNoKey = UINT32_MAX;
  struct Held {
    std::unique_ptr<Snapshot> snapshot;
    uint64_t view;
  };

  // Misses so far, by reason.
  using Misses = std::array<uint64_t, kMissReasons>;
  Misses CountMisses() const;
  // What has been added since; of so many misses each must have one.
  Misses ReasonsSince(const Misses& before, uint64_t misses);
  // A miss because a segment cannot be read, which may be counted as evicted much later.
  bool MetDamage(const Misses& reasons) const;
  bool MayFail(const Status& status) const;
  // The path of a file with this ending; "": there is none.
  std::string AnyFile(Random* random, const char* ending);
  // Some bytes of it; false: it is too small, or gone.
  bool Damage(Random* random, const std::string& path);
  void EvictNumbers(const std::vector<FileNumber>& numbers);
  // Never more than the capacity, at any moment since the last check.
  void CheckCapacity(uint64_t bytes_max);
  Instant ExpiryOf(const Entry& entry, const WriteOptions& options, Instant now) const;
  // Learns the engine's time, which has changed, by a put that expires.
  void ReadTime();
  void Rewritten(const WriteOptions& options, const Status& status, uint32_t key,
                 Instant expires_at);
  Status WriteOne(const WriteOptions& options, const Entry& entry, const std::string& value);
  Status WriteBatchOf(const WriteOptions& options, std::span<const Entry> entries,
                      std::span<const std::string> values);
  void Acknowledged(const WriteOptions& options, std::span<const Entry> entries,
                    std::span<const uint64_t> writes, Instant now);
  void SetDurable(const WriteOptions& options);
  // After an end without a close: whether the cache was right to start empty.
  bool MayReset(bool power) const;
  // All up to now survives a crash of either kind.
  void AllDurable();
  // Each key's value, by an iterator.
  std::vector<std::optional<std::string>> Contents(DB* db);

  const Shape shape_;
  World world_;
  Oracle oracle_;
  Trail trail_;
  std::string finding_;
  uint64_t operation_ = 0;
  uint64_t next_write_ = 1;
  bool unlogged_ = false;  // writes that are in no log may be in memory alone
  bool damaged_ = false;   // some file was: more may be missed than was evicted
  uint64_t default_ttl_ms_ = 0;
  // Orders up to which writes survive the death of the process, and of the machine.
  uint64_t safe_from_kill_ = 0, safe_from_power_loss_ = 0;
  std::vector<Held> snapshots_;
};

}  // namespace varve::never_stale

#endif  // VARVE_TESTS_NEVER_STALE_CHECKED_DB_H_
