#ifndef VARVE_TESTS_NEVER_STALE_ORACLE_H_
#define VARVE_TESTS_NEVER_STALE_ORACLE_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "db/miss_reason.h"
#include "varve/slice.h"

// Knows every version that was ever acknowledged, as far as somebody may still see it, and judges
// each answer of the engine against them.
//
// Writes have an *order*: their place among the acknowledged ones, one for all entries of a batch.
// A *view* is the order of the last write that a read may see. For a key the newest version at or
// below the view is the only right answer, if it is a value that has not expired; what else may be
// answered:
//
//   nothing    where that version is no value, or has expired; or was lost for a reason that a
//              cache may have, of which the engine has told (see Losses)
//
// and what may not, each with a name of its own:
//
//   STALE        a version older than the newest
//   RESURRECTED  a version of a key whose newest was deleted, refused, or has expired; or that was
//                in a cache that has been reset since
//   FOREIGN      what nobody ever wrote under this key, or not before this view
//   LOST         nothing, without a reason
//   REASON       nothing, for a reason that cannot be
//
// An engine that answers nothing at all finds no mercy: where nothing was evicted, every miss of a
// live value is LOST; where something was, a miss is excused only of what was written before the
// last eviction, and of no more entries than were evicted.
//
// Times are intervals, as the engine's time is not always known exactly: what may be either is
// right either way.
//
// Thread safety: none.

namespace varve::never_stale {

// An instant of the engine's time, in ms since 1970: not before `low`, not after `high`.
struct Instant {
  uint64_t low = 0;
  uint64_t high = 0;
  static Instant At(uint64_t ms) { return {ms, ms}; }
};

inline constexpr uint64_t kNever = UINT64_MAX;

struct Version {
  uint64_t order = 0;
  uint64_t write = 0;  // of the tag in its value; 0: a tombstone
  Instant expires_at = Instant::At(kNever);
  uint64_t evictions = 0;  // that the engine had made when it was written
  mutable bool lost = false;
  bool doubtful = false;  // a crash may have taken it

  bool tombstone() const { return write == 0; }
  bool SurelyLives(Instant now) const { return !tombstone() && now.high < expires_at.low; }
  bool SurelyGone(Instant now) const { return tombstone() || now.low >= expires_at.high; }
};

// What a cache says it has given up so far, all of it counted from the beginning of the history.
struct Losses {
  uint64_t evictions = 0;  // grows with each: of entries, and of ghosts that were left
  uint64_t entries = 0;    // that were evicted or refused, and keys that ghosts accept by chance
};

class Oracle {
 public:
  explicit Oracle(uint32_t keys) : keys_(keys) {}

  uint32_t keys() const { return static_cast<uint32_t>(keys_.size()); }
  // Of the newest acknowledged write; 0: none.
  uint64_t last() const { return last_; }

  // ---- Writes, acknowledged ----
  // All that follow until the next one are of one batch, the later of a key wins.
  void BeginWrite() { ++last_; }
  void Put(uint32_t key, uint64_t write, Instant expires_at);
  void Delete(uint32_t key) { Put(key, 0, Instant::At(kNever)); }
  void DeleteRange(uint32_t begin, uint32_t end);  // [begin, end)
  // It is known by now when the newest version expires.
  void SetExpiry(uint32_t key, Instant expires_at) { keys_[key].back().expires_at = expires_at; }

  // ---- Views ----
  // Versions that this view sees are kept, until it is released.
  void Hold(uint64_t view) { held_.insert(view); }
  void Release(uint64_t view) { held_.erase(held_.find(view)); }
  // The writes up to this one survive whatever may happen now.
  void SetDurable(uint64_t order) { durable_ = order; }

  // ---- Judging ----
  // "" or what is wrong. `value` is what a read gave, nothing for a miss.
  std::string Judge(uint32_t key, uint64_t view, Instant now, std::optional<Slice> value) const;
  // The same of the reason that the engine gives for a miss.
  std::string JudgeReason(uint32_t key, uint64_t view, Instant now, MissReason reason) const;
  // The version that decides; null: none was ever written.
  const Version* Newest(uint32_t key, uint64_t view) const;
  // Every miss of a live value in a database is LOST, and in a cache that has evicted nothing.
  void SetLosses(const Losses& losses) { losses_ = losses; }
  // Different versions that were live and missed, with an excuse.
  uint64_t lost() const { return lost_; }
  // "" or that more was missed than was evicted.
  std::string JudgeLosses() const;

  // ---- Ends of a process ----
  // What a crash left is `contents`, the value of each key: finds the prefix of the writes, of at
  // least `lowest`, of which it is the state, and forgets the rest. "" or why there is none.
  std::string CutBack(uint64_t lowest, Instant now,
                      const std::vector<std::optional<std::string>>& contents);
  // The cache said that it starts empty.
  void Reset();

  // All that is known of a key, for people.
  std::string Describe(uint32_t key) const;
  std::string DescribeLost() const;

 private:
  using Versions = std::vector<Version>;  // oldest first

  bool IsRight(uint32_t key, uint64_t view, Instant now, std::optional<Slice> value,
               std::string* wrong) const;
  void Prune(Versions* versions) const;
  // A touch writes the same value anew: after a crash that may have taken it, when the value
  // expires is known only as either.
  static void JoinTouched(Versions* versions, uint64_t lowest);

  std::vector<Versions> keys_;
  std::multiset<uint64_t> held_;
  uint64_t last_ = 0;
  uint64_t durable_ = 0;
  uint64_t last_reset_ = 0;  // writes up to this one are gone, by their tags
  uint64_t newest_write_ = 0;
  Losses losses_;
  mutable uint64_t lost_ = 0;
};

}  // namespace varve::never_stale

#endif  // VARVE_TESTS_NEVER_STALE_ORACLE_H_
