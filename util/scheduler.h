#ifndef VARVE_UTIL_SCHEDULER_H_
#define VARVE_UTIL_SCHEDULER_H_

#include <cstdint>

// The seam through which a test decides every interleaving.
//
// Mutex, CondVar, Thread, SpinWait, SleepFor and SchedulePoint ask here first whether the calling
// thread belongs to a scheduler. In production none exists: Current() is null and each of them
// costs one load of a thread local and one predicted branch more. In a test, the threads of one
// scheduler are real threads that pass one baton: one runs, the others sleep, and at each call
// below the scheduler may hand the baton on. Time is the scheduler's too: it jumps to the next
// deadline when no task can run, so timed waits cost nothing. Two schedulers in one process do not
// know each other.
//
// The threads of a scheduler are the one that entered it and all that those start through Thread. A
// mutex may be shared with outsiders if these hold it only briefly and never wait for a task
// meanwhile (process-wide registries); a condition variable may not.

namespace varve {

enum class CrashStep : uint8_t;  // util/crash_site.h

class Scheduler {
 public:
  // The scheduler the calling thread belongs to, or null.
  static Scheduler* Current() { return current_; }

  static constexpr uint64_t kForever = UINT64_MAX;

  virtual ~Scheduler() = default;

  // Returns when the calling task owns `mutex` among the tasks; the native lock is taken after it,
  // and released before DidUnlock.
  virtual void WillLock(const void* mutex) = 0;
  virtual bool TryLock(const void* mutex) = 0;
  virtual void DidUnlock(const void* mutex) = 0;
  // Gives `mutex` up, waits for a signal on `condvar` for at most `nanos`, and owns `mutex` again.
  // False if the time passed.
  virtual bool Wait(const void* condvar, const void* mutex, uint64_t nanos) = 0;
  virtual void Signal(const void* condvar, bool all) = 0;

  // A thread: Spawn in its parent gives its task, Enter is the first thing the thread does and
  // Leave the last, Join returns in any task once it has left. Abandon: the system gave no thread
  // after all.
  virtual uint64_t Spawn(const char* name) = 0;
  virtual void Abandon(uint64_t task) = 0;
  virtual void Enter(uint64_t task) = 0;
  virtual void Leave() = 0;
  virtual void Join(uint64_t task) = 0;

  // A place where another task may go on; in Spin() another task has to, if there is one.
  virtual void Point() = 0;
  virtual void Spin() = 0;
  virtual void Sleep(uint64_t nanos) = 0;

  // The calling task has come to a step that a crash test has a name for.
  virtual void Did(CrashStep) {}

 protected:
  static void SetCurrent(Scheduler* scheduler) { current_ = scheduler; }

 private:
  inline static constinit thread_local Scheduler* current_ = nullptr;
};

// A place in lock-free code where the outcome depends on what other threads do in between. Empty
// unless VARVE_SCHEDULE_POINTS is defined.
inline void SchedulePoint() {
#ifdef VARVE_SCHEDULE_POINTS
  if (Scheduler* scheduler = Scheduler::Current(); scheduler != nullptr) scheduler->Point();
#endif
}

}  // namespace varve

#endif  // VARVE_UTIL_SCHEDULER_H_
