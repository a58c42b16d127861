#ifndef VARVE_TESTS_SUPPORT_BATON_SCHEDULER_H_
#define VARVE_TESTS_SUPPORT_BATON_SCHEDULER_H_

#include <semaphore.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "util/random.h"
#include "util/scheduler.h"
#include "varve/env.h"

// Runs a program of several threads on one interleaving, which a seed decides.
//
//   BatonScheduler scheduler({.seed = seed});
//   scheduler.Run([&] { ... DB::Open, threads, Close ... });
//
// Tasks are real threads. One holds the baton and runs; at each operation of the seam
// (util/scheduler.h) it may hand it to another, chosen among those that can run. Whether it does is
// drawn too: the chance itself depends on the seed, since some defects want many switches and
// others few. Nothing depends on addresses or on real time, so a seed gives the same interleaving
// each time, in which the same build does the same.
//
// Time is virtual: every step takes a little, and when no task can run it jumps to the earliest
// deadline. A wait with a signal may also end without one, as condition variables are allowed to.
//
// It ends the process, telling who waits for what, on
//  * a deadlock: no task can run and none waits for a time (a lost wakeup is one);
//  * a livelock: all that can run spin, for ever;
//  * more steps or virtual time than the options allow.
//
// There is no way to stop tasks half-way. A crash harness records what reached the disk, lets the
// engine run to its end, and makes its images from the record.

namespace varve {

struct BatonOptions {
  uint64_t seed = 1;
  // A running task gives the baton away once in so many operations that would not make it wait. 0:
  // by seed.
  uint32_t switch_one_in = 0;
  // Once in so many waits there is no need to wait. 0: never.
  uint32_t spurious_one_in = 64;
  uint64_t nanos_per_step = 1000;
  uint64_t steps_max = 200'000'000;
  uint64_t nanos_max = uint64_t{86'400'000'000'000} * 10;  // ten days
  uint64_t wall_millis_at_start = 1'700'000'000'000;
};

class BatonScheduler final : public Scheduler {
 public:
  explicit BatonScheduler(const BatonOptions& options);
  ~BatonScheduler() override;

  // Runs `body` as the first task, on the calling thread; returns when it and all it started have
  // ended. May be called again.
  void Run(const std::function<void()>& body);

  // Time as the tasks see it; it may outlive the scheduler. Outsiders read now_nanos(), since each
  // reading of the clock takes time.
  std::shared_ptr<Clock> clock() const;
  uint64_t now_nanos() const;
  // Called by the task that comes to a step (util/crash_site.h). Set it before Run().
  void OnStep(std::function<void(CrashStep)> listener) { on_step_ = std::move(listener); }
  // Sets the wall clock forward or back, leaving the others.
  void JumpWallClock(int64_t millis);

  uint64_t steps() const { return steps_; }
  // A digest of every decision so far: equal for equal interleavings.
  uint64_t trace() const { return trace_; }

  void WillLock(const void* mutex) override;
  bool TryLock(const void* mutex) override;
  void DidUnlock(const void* mutex) override;
  bool Wait(const void* condvar, const void* mutex, uint64_t nanos) override;
  void Signal(const void* condvar, bool all) override;
  uint64_t Spawn(const char* name) override;
  void Abandon(uint64_t task) override;
  void Enter(uint64_t task) override;
  void Leave() override;
  void Join(uint64_t task) override;
  void Point() override;
  void Spin() override;
  void Sleep(uint64_t nanos) override;
  void Did(CrashStep step) override;

 private:
  enum class State { kRunnable, kLocking, kWaiting, kSleeping, kJoining, kEnded };
  struct Task;
  class VirtualClock;

  Task* NewTask(const char* name);
  void Drop(Task* task);
  void Step(char what);
  void MaybeSwitch();
  // Waits, in its new state, until it is chosen again.
  void Block(State state, const void* on, uint64_t deadline);
  Task* Choose();
  void HandTo(Task* task);
  void FireTimers();
  bool JumpToNextDeadline();
  void WakeLockers(const void* mutex);
  void Acquire(const void* mutex);
  [[noreturn]] void Fail(const char* what) const;

  const BatonOptions options_;
  const std::shared_ptr<VirtualClock> clock_;
  std::function<void(CrashStep)> on_step_;
  // Everything below belongs to the holder of the baton; handing it over is a semaphore.
  Random random_;
  uint32_t switch_one_in_;
  uint64_t steps_ = 0;
  uint64_t trace_ = 0;
  std::vector<std::unique_ptr<Task>> tasks_;  // in order of creation; dropped when joined
  Task* running_ = nullptr;
  std::unordered_map<const void*, Task*> owners_;  // of mutexes
  std::set<uint32_t> free_indexes_;                // for ThreadIndex()
  uint32_t next_index_ = 0;
  uint64_t next_id_ = 0;
  uint64_t spinning_rounds_ = 0;  // in which all that could run were spinning
};

}  // namespace varve

#endif  // VARVE_TESTS_SUPPORT_BATON_SCHEDULER_H_
