#ifndef VARVE_DB_ROOM_MAKER_H_
#define VARVE_DB_ROOM_MAKER_H_

#include <cstdint>

#include "db/space_ledger.h"
#include "util/mutex.h"
#include "util/thread.h"
#include "varve/env.h"

namespace varve {

// What is done for want of room, in this order (RULES R6.4, docs/cache.md).
enum class RoomStep : uint8_t {
  kRelease,   // a seal, and what it releases is unlinked; the manifest's free tail goes with it
  kLogs,      // logs that wait to be reused, or are ready for memtables to come
  kExpired,   // segments of which every entry has expired
  kVictims,   // segments, by the policy
  kFlush,     // memtables that wait for their flush: their logs go with it. (Before segments went,
              // a cache under load flushed each memtable alone, into segments of a few values.)
  kRevoke,    // the oldest iterator that holds open what was evicted
  kMemtable,  // with no segment left, the oldest memtable and its log
};
inline constexpr RoomStep kRoomSteps[] = {RoomStep::kRelease, RoomStep::kLogs,  RoomStep::kExpired,
                                          RoomStep::kVictims, RoomStep::kFlush, RoomStep::kRevoke,
                                          RoomStep::kMemtable};

// Makes room in a ledger, step by step, cheapest first.
//
//  1. A step is tried; if it got on, all begin again from the first: what it gave up may now be
//     released. If it did not, the next one is tried.
//  2. A step that gets on has used up something of which there is only so much (a file, an
//     iterator, a memtable), so a round ends; where no step gets on, it ends without the room, and
//     nothing is tried again before somebody asks or a while has passed (Checklist E3).
//  3. *Ahead* of writers only kRelease, kExpired and kVictims are taken: what costs readers or
//     writers something is for when room is really wanted.
//
// A thread of its own does it, started when room is first wanted: in the pool it might wait behind
// a flush that waits for it. Thread safety: all of it; Steps is called by that thread alone.
class RoomMaker {
 public:
  class Steps {
   public:
    virtual ~Steps() = default;
    // Before the first step of a round.
    virtual void BeginRound() {}
    // Takes the step, `wanted` bytes being wanted. Whether it got on.
    virtual bool Take(RoomStep step, uint64_t wanted) = 0;
  };

  // The three outlive it.
  RoomMaker(SpaceLedger* ledger, Steps* steps, Clock* clock)
      : ledger_(ledger), steps_(steps), clock_(clock) {}
  ~RoomMaker() { Stop(); }

  enum class Outcome : uint8_t { kMade, kStuck, kTimedOut, kStopped };
  // Waits until so much is free, for so long at most. With `tell_stuck` it returns as soon as
  // nothing more can be done, which may pass, or which the caller may be able to change.
  Outcome Wait(uint64_t bytes, uint64_t wait_nanos, bool tell_stuck) EXCLUDES(mu_);
  // Lets evictions run ahead until `high` bytes are free, if less than `low` are.
  void Ahead(uint64_t low, uint64_t high) EXCLUDES(mu_);
  // Whether somebody waits for room: then nothing should be begun that takes some.
  bool wanted() const EXCLUDES(mu_);
  // The step under way ends, no other begins, and who waits is answered.
  void Stop() EXCLUDES(mu_);

  uint64_t rounds() const EXCLUDES(mu_);

 private:
  static constexpr uint64_t kRetryNanos = 20'000'000;  // while stuck

  void Run() EXCLUDES(mu_);
  // One round for `target` bytes.
  bool MakeRoom(uint64_t target, bool ahead) EXCLUDES(mu_);
  bool Started() REQUIRES(mu_);

  SpaceLedger* const ledger_;
  Steps* const steps_;
  Clock* const clock_;

  mutable Mutex mu_;
  CondVar changed_;
  bool stopped_ GUARDED_BY(mu_) = false;
  int waiters_ GUARDED_BY(mu_) = 0;
  uint64_t wanted_ GUARDED_BY(mu_) = 0;  // the most that somebody waits for
  uint64_t ahead_ GUARDED_BY(mu_) = 0;
  uint64_t asked_ GUARDED_BY(mu_) = 0;   // how often somebody asked
  uint64_t rounds_ GUARDED_BY(mu_) = 0;  // that have ended
  uint64_t stuck_at_ GUARDED_BY(mu_) =
      0;  // of the last of them that was stuck: asked_ when it began
  bool stuck_ GUARDED_BY(mu_) = false;
  Thread thread_ GUARDED_BY(mu_);
};

}  // namespace varve

#endif  // VARVE_DB_ROOM_MAKER_H_
