#ifndef VARVE_DB_WRITE_STALL_H_
#define VARVE_DB_WRITE_STALL_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "varve/env.h"
#include "varve/listener.h"

namespace varve {

// Holds writers to the speed that background work sustains, so that they never have to be stopped.
//
//  1. Three things queue up when writers are faster than the background: memtables, sorted runs in
//     level 0, and bytes that compactions owe. How full each queue is, from where delays begin (0)
//     to where writes must stop (1), is its *pressure*.
//  2. At pressure p writers get (1-p)/p times what that queue is drained with: without limit at 0,
//     exactly the drain at one half, nothing at 1. So the queue comes to rest: where the drain is
//     known, at one half; where it is thought k times what it is, at k/(k+1), still below 1.
//  3. The drain of memtables is measured: bytes and time of the last flushes. That of compactions,
//     in bytes of users' data, is not known beforehand, as it depends on how often each byte is
//     written again. But while writers are held back and the queue rests, what they are admitted
//     *is* the drain: the estimate follows it, slowly enough (kSustainedNanos) that the two loops
//     do not swing.
//  4. A job takes many memtables or runs at once. What it has done of its work so far counts as
//     gone, so that pressure does not jump up at its begin and down at its end.
//  5. How far a flush has come is an estimate, and one that waits for a slow device has not come so
//     far. So the last of the room in memory is given out by what is really left of it: at pressure
//     p (1-p)^2/p times the drain. At 200 MB/s and memtables of 4 MB it takes a second to come down
//     to a thirtieth of it. Writers wait some milliseconds each then, in place of all at once.
//
// The rate is enforced by the leader of a commit group, who sleeps before he logs: in pieces, in
// no one write for longer than kDelayNanosMax unless its own bytes take longer at that rate.
//
// What this does otherwise than RocksDB, whose delayed_write_rate is a constant that is multiplied
// by 0.8 and 1.25 as its triggers go on and off: there writers fall from no limit to that constant
// when the 20th run appears, and swing around the true rate for ever after. (Luo and Carey, "On
// Performance Stability in LSM-based Storage Systems", VLDB 2019: limiting writers to the measured
// sustainable rate is what keeps tail latencies low.)

// What waits for background work at one moment, and how fast it is worked off.
struct StallInputs {
  // Memtables that are not in a segment, counted in full ones: the active one by how far it is
  // filled, those of a running flush by what is left of it.
  double memtables_queued = 0;
  // The same with all of a running flush: what is in memory.
  double memtables_held = 0;
  int memtables_max = 16;
  int flush_memtables_min = 4;  // a flush waits until there are so many
  int flush_memtables_max = 8;  // and takes so many at once

  // Sorted runs of level 0 without what running compactions have done of theirs. `stop` 0: nothing
  // compacts by itself, so their number is no reason to wait.
  double level0_runs = 0;
  int level0_slowdown_runs = 0;
  int level0_stop_runs = 0;
  // Bytes that compactions should still read and write. `stop` 0: no reason to wait.
  double debt_bytes = 0;
  double debt_slowdown_bytes = 0;
  double debt_stop_bytes = 0;

  // Of users' data. 0: not known yet.
  double flush_bytes_per_second = 0;
  double compaction_bytes_per_second = 0;
};

struct StallDecision {
  StallState state = StallState::kNone;
  StallReason reason = StallReason::kNone;
  double pressure = 0;            // of the queue that decided, 0 to 1
  uint64_t bytes_per_second = 0;  // 0: no limit

  friend bool operator==(const StallDecision&, const StallDecision&) = default;
};

// A pure function: see above. Stopped, writes that still find room in the active memtable go on
// at a hundredth of the drain.
StallDecision DecideStall(const StallInputs& inputs);

// Where the delay by memtables begins and where it would stop, in memtables: around what a flush
// at full size leaves room for, and not before one is due.
struct MemtableLimits {
  double slowdown, stop;
};
MemtableLimits MemtableLimitsOf(int memtables_max, int flush_memtables_min,
                                int flush_memtables_max);

// What writers may have left over, and owe: bytes come with time, and owed ones are waited for.
class TokenBucket {
 public:
  // Takes `bytes`. Returns the nanoseconds until they are paid for at this rate; 0: they are.
  uint64_t Charge(uint64_t bytes, uint64_t bytes_per_second, uint64_t now_nanos);
  void Refill(uint64_t bytes_per_second, uint64_t now_nanos);
  uint64_t NanosOwed(uint64_t bytes_per_second) const;
  // Nothing left, nothing owed.
  void Reset(uint64_t now_nanos) {
    balance_ = 0;
    refilled_nanos_ = now_nanos;
  }

 private:
  double balance_ = 0;
  uint64_t refilled_nanos_ = 0;
};

// The decision in force, the measurements behind it, and the sleep that enforces it.
//
// Thread safety: Update(), FlushBegan() and FlushEnded() by one caller at a time (DBImpl::mu_);
// Admit(), Count() and UpdateIsDue() by the leader; the rest by anyone.
class WriteStall {
 public:
  // The longest sleep for a write, if its bytes are few. A write may sit behind one that sleeps,
  // and then sleep itself: together they stay within 50 ms.
  static constexpr uint64_t kDelayNanosMax = 20'000'000;

  explicit WriteStall(Clock* clock) : clock_(clock) {}

  // Decides anew. `inputs` lacks the rates and the flush's progress, which are known here. Call it
  // whenever an input changed. True if the state is another one: *change says how.
  bool Update(StallInputs inputs, StallInfo* change);
  // A flush takes the oldest memtables.
  void FlushBegan(size_t memtables, uint64_t bytes);
  void FlushEnded(bool ok);

  // The leader adds what it is about to write. Without a decision in force:
  void Count(uint64_t bytes) {
    admitted_.store(admitted_.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
  }
  void CountSleep(uint64_t nanos) {
    slept_nanos_.store(slept_nanos_.load(std::memory_order_relaxed) + nanos,
                       std::memory_order_relaxed);
  }
  // Whether delays are near enough that the leader should call Update() between the events that
  // do, and whether it should do so now.
  bool watched() const { return watched_.load(std::memory_order_relaxed); }
  bool UpdateIsDue();
  // Counts, and sleeps as long as the rate asks. Returns the nanoseconds slept.
  uint64_t Admit(uint64_t bytes);

  StallState state() const { return state_.load(std::memory_order_relaxed); }
  StallReason reason() const { return reason_.load(std::memory_order_relaxed); }
  uint64_t bytes_per_second() const { return rate_.load(std::memory_order_relaxed); }

 private:
  double FlushRate() const { return flush_seconds_ > 0 ? flush_bytes_ / flush_seconds_ : 0; }
  // What the running flush has done, in memtables, going by the speed of those before it.
  double FlushedOfRunning(uint64_t now) const;
  void ObserveSustained(uint64_t now);

  Clock* const clock_;

  // Relaxed, all: settings that hold from the next write on, and counts.
  std::atomic<StallState> state_{StallState::kNone};
  std::atomic<StallReason> reason_{StallReason::kNone};
  std::atomic<uint64_t> rate_{0};
  std::atomic<bool> watched_{false};
  std::atomic<uint64_t> admitted_{0};       // bytes, ever; the leader's
  std::atomic<uint64_t> slept_nanos_{0};    // ever; the leader's
  std::atomic<uint64_t> updated_nanos_{0};  // when, and
  std::atomic<uint64_t> updated_bytes_{0};  // at which count, Update() was last called

  // The leader's.
  TokenBucket bucket_;

  // The updater's. Sums of the last flushes, older ones counting ever less.
  double flush_bytes_ = 0, flush_seconds_ = 0;
  size_t running_memtables_ = 0;
  uint64_t running_bytes_ = 0, running_since_ = 0;
  // Of users' data, what compactions sustain: see 3. above; 0 while nobody had to be held back.
  double sustained_ = 0;
  double unlimited_ = 0;  // what writers do by themselves: the first guess
  uint64_t observed_nanos_ = 0, observed_bytes_ = 0, observed_slept_ = 0;
};

}  // namespace varve

#endif  // VARVE_DB_WRITE_STALL_H_
