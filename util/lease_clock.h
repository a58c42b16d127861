#ifndef VARVE_UTIL_LEASE_CLOCK_H_
#define VARVE_UTIL_LEASE_CLOCK_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "util/mutex.h"
#include "util/thread_annotations.h"
#include "varve/env.h"
#include "varve/status.h"

namespace varve {

// A wall clock further ahead than may be followed at once.
struct RefusedJump {
  uint64_t now_ms = 0;   // the engine's time
  uint64_t wall_ms = 0;  // what the wall clock says
};

// Engine time: milliseconds since 1970 by which entries expire. It never runs back, not over a
// crash and not when the wall clock is set back, so what has expired stays expired; and no single
// wrong reading of the wall clock expires everything for good (RULES R7).
//
//  1. Time begins at the *mark* that the directory carries, or at the wall clock where it has none,
//     and goes on with Clock::BootMillis().
//  2. It never passes the mark: the mark is a lease on time to come. Whoever reads the time and
//     finds half of the lease used up seals a new mark, kLeaseMillis ahead; the others go on. Who
//     finds all of it used up waits for that seal.
//  3. *Sealed* means that every root a crash may leave carries it, so each open begins at or behind
//     every time that was ever told. Carried by the newest root alone it would not do: that root
//     may be lost, and time would begin at the mark before.
//  4. Where the seal fails, time stands still at the mark, and is tried again kRetryMillis later.
//  5. Where the wall clock runs ahead of engine time it is followed, but by jump_max_ms at once at
//     most; what is further ahead is refused, and told once for as long as it stays there. It is
//     never followed back: engine time is then ahead, until the wall clock has caught up.
//  6. The first look after an open is another matter: nothing else says how long the directory was
//     closed. There the wall clock is followed by away_max_ms; but what that jump lets expire may
//     be dropped only when the clock has stayed there for doubt_ms, in which time goes on
//     (DropMillis(), and the mark, are behind by the jump until then). If the clock was wrong, and
//     is right at the next open, all is there again.
//
// Nothing is sealed unless the time is read, so a directory in which nothing ever had an expiry
// sees none of this. An open that was preceded by a crash begins up to kLeaseMillis late.
//
//   expires at 12:30, read at 12:30:01 (the mark is 12:30:11) | crash | wall clock set to 12:10 |
//   open: time begins at 12:30:11
//
// Thread safety: everything, from any thread. A reading takes no lock but every few seconds, when
// it may wait for I/O: hold no lock that sealing takes.
class LeaseClock {
 public:
  static constexpr uint64_t kLeaseMillis = 10'000;
  static constexpr uint64_t kRetryMillis = 1'000;
  // A mark further ahead of the wall clock than this was made by a wrong one: an open warns.
  static constexpr uint64_t kFarAheadMillis = 24 * 3600 * 1000;
  // What may have been closed for longer is rare, and a clock that is further off is not.
  static constexpr uint64_t kAwayMillisMax = uint64_t{366} * 24 * 3600 * 1000;

  struct Options {
    std::shared_ptr<Clock> clock;
    // What both roots carry; 0: none was ever sealed here.
    uint64_t mark_ms = 0;
    uint64_t jump_max_ms = 3'600'000;
    // See (6). 0: an open follows no further than anybody.
    uint64_t away_max_ms = 0;
    uint64_t doubt_ms = 0;
    // Makes every root carry this mark or a higher one; marks ascend. Never called by two threads
    // at once. Must not read this clock.
    std::function<Status(uint64_t mark_ms)> seal_mark;
    // Called without a lock held, by the thread that found it. May be empty.
    std::function<void(const RefusedJump&)> on_jump_refused;
  };

  explicit LeaseClock(Options options);
  LeaseClock(const LeaseClock&) = delete;
  LeaseClock& operator=(const LeaseClock&) = delete;

  // The time now. 0 if there never was a mark and none can be sealed: nothing that has an expiry
  // can be written then.
  uint64_t NowMillis();
  // The time by which what has expired may be dropped for good: NowMillis(), but for what is in
  // doubt of a jump at the open (6).
  uint64_t DropMillis();
  // What NowMillis() may come to once somebody asks for it. Seals nothing, waits for nobody: a
  // hint whether it is worth asking.
  uint64_t EstimateMillis() const;

  // The highest mark known to be sealed.
  uint64_t mark_ms() const {
    const uint64_t held_back = held_back_.load(std::memory_order_acquire);
    const uint64_t mark = mark_.load(std::memory_order_relaxed);
    return mark - std::min(mark, held_back);
  }
  // By how much the open jumped further than jump_max_ms; 0: it did not.
  uint64_t away_ms() const { return away_; }

  // Whether an open with this mark has to warn.
  static bool MarkIsFarAhead(uint64_t mark_ms, uint64_t wall_ms) {
    return mark_ms > wall_ms && mark_ms - wall_ms > kFarAheadMillis;
  }

 private:
  // One look at the clocks, and what follows from it.
  struct Reading {
    int64_t boot = 0;
    int64_t wall = 0;
    int64_t now = 0;  // if there were no mark
  };

  Reading Read() const;
  // False if the wall clock asks for something: to be followed, refused, or no longer refused.
  bool WallIsQuiet(const Reading& reading) const;
  void FollowWall(Reading* reading, std::optional<RefusedJump>* refused) REQUIRES(mu_);
  // Whether the jump at the open is to be believed from now on.
  bool DoubtIsOver(const Reading& reading) const REQUIRES(mu_);
  uint64_t NowSlowly(std::optional<RefusedJump>* refused);

  const Options options_;
  const int64_t jump_max_;
  int64_t opened_at_boot_ = 0;  // constant after construction, both
  uint64_t away_ = 0;

  // All written under mu_. Relaxed: each stands for itself, and only ever rises (but for
  // refused_wall_), so that who reads the time after somebody else told it sees at least the values
  // that it was made of.
  std::atomic<int64_t> offset_;  // engine time is BootMillis() and this, up to the mark
  // What is sealed, and held_back_. Release and acquire: who finds a mark that was sealed without
  // anything held back does not find the latter either.
  std::atomic<uint64_t> mark_;
  std::atomic<uint64_t> held_back_{0};  // of the jump at the open, while it is in doubt
  std::atomic<int64_t> refused_wall_;   // WallMillis() - BootMillis() as it was refused; or none

  Mutex mu_;
  CondVar sealed_;
  bool sealing_ GUARDED_BY(mu_) = false;
  int64_t retry_at_boot_ GUARDED_BY(mu_) = 0;
};

}  // namespace varve

#endif  // VARVE_UTIL_LEASE_CLOCK_H_
