#ifndef VARVE_TOOLS_CRASH_CACHE_ORACLE_H_
#define VARVE_TOOLS_CRASH_CACHE_ORACLE_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "varve/slice.h"

// What a crash test knows of a cache with one writer, and whether what is found after a crash is
// what a cache may show.
//
// There must be a P with D <= P <= I, numbers of batches, such that of every key is found
//
//   - the newest version at P, if it is a value that has not surely expired; or
//   - nothing, where that version is none or no value, may have expired, or was lost with the
//   cache's
//     word for it: a *logged eviction covers it*.
//
// An eviction covers a version that was written by then if the victim's own ghost file accepts its
// key, and the version is no newer than the victim's newest entry; or, for a ghost that stays, if
// no version of the key lies among the victim's entries at all: then it accepts the key by chance,
// and hides whatever is older. Entries that went from memory are covered by their sequences alone.
//
// D is everything acknowledged: a cache that lost some of that may serve what it replaced, and must
// start empty instead, which it says (a *reset*). Only with AfterPowerLoss::kKeepPrefix D is what
// was durable. When a reset is legal MayReset() says.
//
// What an open found missing never comes back. Positions and sessions are as in
// tests/support/ledger.h. Thread safety: none; const methods by any number of threads.

namespace varve::crash {

// Keys are numbers below this, so that a set of them is a word.
inline constexpr int kCacheKeysMax = 64;

// Milliseconds since 1970 of the engine's time, which is known within bounds.
struct CacheTime {
  uint64_t low = 0, high = 0;
};

struct LoggedEviction {
  uint64_t position = 0;
  uint64_t number = 0;  // of the segment; 0: from memory
  uint64_t keys = 0;    // bit i: its ghost file accepts key i
  uint64_t smallest_sequence = 0, largest_sequence = 0;
  uint64_t sequence_then = 0;  // the newest that had been written
  bool leaves_ghost = false;
};

// What was found, one place for each key: the hash of the value, 0 for nothing.
using CacheContents = std::vector<uint64_t>;
// Never 0.
uint64_t HashOfValue(Slice value);

class CacheOracle {
 public:
  static constexpr uint64_t kNever = UINT64_MAX;

  struct Op {
    int key = 0;
    std::string value;  // "": a tombstone
    CacheTime expires = {kNever, kNever};
    uint64_t place = 0;  // of its sequence among those of the batch
  };
  struct Reading {
    uint64_t position = 0;
    // Nothing that was cached is lost.
    bool kill = false;
    // A call had failed after which a cache is given up (docs/cache.md).
    bool may_be_reset = false;
    // What the cache has is damaged: whatever may be missing.
    bool decayed = false;
    // Reading a file may have failed: a segment that cannot be read hides all within its bounds
    // (RULES R2.3), from the first read that fails on, while taking it out comes later.
    bool unreadable = false;
    // That was before: nothing fails any more, and what is missing now is gone.
    bool was_unreadable = false;
    uint64_t resets = 0;  // of the directory since it was made, as it says
    // More of what counts, by the open that was read after.
    const std::vector<LoggedEviction>* evictions = nullptr;
    CacheTime now = {};
  };

  struct Mode {
    bool all_synced = false;    // WalSyncMode::kAlways
    bool keeps_prefix = false;  // AfterPowerLoss::kKeepPrefix
  };
  CacheOracle(int keys, const Mode& mode);
  // A session on what a crash of `before` at `position` left.
  CacheOracle(std::shared_ptr<const CacheOracle> before, uint64_t position, bool kill,
              const Mode& mode);

  int keys() const { return static_cast<int>(versions_.size()); }

  // ---- Recording ----
  // Before the call that writes; `sequences` that it takes begin at `first_sequence`.
  uint32_t Begin(const std::vector<Op>& ops, uint64_t first_sequence, uint64_t sequences,
                 bool logged, uint64_t position);
  void Acknowledge(uint32_t batch, bool durable, uint64_t position);
  // Everything up to `batch` is durable; `flushed`: what was in no log too.
  void AllDurable(uint32_t batch, bool flushed, uint64_t position);
  uint32_t last_acknowledged() const { return last_acknowledged_; }
  // A call of the file system has failed, after this position.
  void Failed(uint64_t position) { failed_at_ = std::min(failed_at_, position); }
  // Reading a file may have failed after this position: a ghost that could not be read hides all
  // within its bounds for good, which nobody tells of.
  void Unreadable(uint64_t position) { unreadable_from_ = std::min(unreadable_from_, position); }
  void Evicted(LoggedEviction eviction) { evictions_.push_back(eviction); }
  // The engine's time was this, exactly.
  void TimeWas(uint64_t ms, uint64_t position) { told_.emplace_back(position, ms); }
  // It is known by now when the newest version of `key` expires.
  void SetExpiry(int key, uint64_t ms) {
    versions_[static_cast<size_t>(key)].back().expires = {ms, ms};
  }
  // Whether what the first open found says which view it is of. Where a read had failed it may fit
  // several: what is missing is there perhaps, and older.
  bool ViewIsCertain(const Reading& reading, const CacheContents& found) const;
  // An open that began at `begun_at` returned, and this was there. "" or what is wrong with it.
  // Afterwards what was missing is gone for good, unless it was evicted since the open began.
  // `segments` are live, so no eviction of before has taken them.
  std::string Opened(uint64_t begun_at, const Reading& reading, const CacheContents& found,
                     const std::set<uint64_t>& segments);

  // ---- Judging ----
  // The engine's time at `position`, no earlier than what was told by then.
  uint64_t TimeAt(uint64_t position) const;
  // "" or what is wrong with what a crash at reading.position left.
  std::string Judge(const Reading& reading, const CacheContents& found) const;
  // The same of one key during the run: `view` is the number of the last batch that is seen.
  std::string JudgeKey(int key, uint32_t view, const Reading& reading, uint64_t found) const;
  // Whether a copy that was made when `view` was the last batch may show this value of `key`, where
  // the engine's time was no earlier then.
  bool MayHold(int key, uint32_t view, uint64_t value, uint64_t time_low) const;
  // Whether what was found at one moment may be missing at a later one, or in another open.
  bool MayGo(int key, uint64_t value, const Reading& reading) const;
  bool MayReset(uint64_t position, bool kill) const;
  // Whether this value of `key` was written, in this session or one before.
  bool Knows(int key, uint64_t value) const { return Find(key, value) != nullptr; }
  // All that is known of a key, for people.
  std::string Describe(int key) const;
  uint64_t HighestSequence(uint64_t position) const;

 private:
  struct Version {
    uint32_t batch = 0;
    uint64_t sequence = 0;
    uint64_t value = 0;  // its hash; 0: a tombstone
    CacheTime expires = {kNever, kNever};
    uint64_t lost_at = kNever;  // an open that ended there had not found it
  };
  struct Batch {
    uint32_t number = 0;  // never used again, in later sessions neither
    bool logged = true;
    uint64_t invoked_at = 0, acknowledged_at = kNever, durable_at = kNever;
    uint64_t last_sequence = 0;
  };
  struct Bounds {
    uint32_t low = 0, high = 0;
  };

  // Whether it was emptied since an open of before had returned, which may have been by one that
  // did not.
  bool WasReset(const Reading& reading) const {
    return reading.resets > (IsOpen(reading.position) ? resets_ : before_->resets_);
  }
  bool IsOpen(uint64_t position) const { return before_ == nullptr || position >= opened_at_; }
  Bounds At(uint64_t position, bool kill) const;
  const Version* Newest(int key, uint32_t view) const;
  const Version* Find(int key, uint64_t value) const;
  bool Covers(const LoggedEviction& eviction, int key, const Version& version) const;
  bool Covered(int key, const Version& version, const Reading& reading) const;
  // "" and the latest view that explains it, or what is wrong. If asked, whether others do.
  std::string FindView(const Reading& reading, const CacheContents& found, uint32_t* view,
                       bool* several = nullptr) const;
  std::string JudgeAll(uint32_t view, const Reading& reading, const CacheContents& found) const;
  void TakeOver(uint32_t view);

  const Mode mode_;
  std::vector<std::vector<Version>> versions_;  // by key, oldest first
  std::vector<Batch> batches_;                  // [0] stands for none
  std::vector<LoggedEviction> evictions_;
  std::vector<std::pair<uint64_t, uint64_t>> told_;  // position, ms
  uint32_t last_acknowledged_ = 0;
  uint64_t failed_at_ = kNever;
  uint64_t unreadable_from_ = kNever;
  uint64_t resets_ = 0;  // when an open last returned
  // From which position to which some write that is in no log may be in memory alone.
  std::vector<std::pair<uint64_t, uint64_t>> unlogged_;
  uint32_t last_unlogged_ = 0;

  std::shared_ptr<const CacheOracle> before_;
  uint64_t before_position_ = 0;
  bool before_kill_ = false;
  bool unsynced_before_ = false;  // a session in between, which never got open, did not sync all
  uint64_t opened_at_ = 0;
};

}  // namespace varve::crash

#endif  // VARVE_TOOLS_CRASH_CACHE_ORACLE_H_
