#ifndef VARVE_UTIL_THREAD_H_
#define VARVE_UTIL_THREAD_H_

#include <pthread.h>

#include <cstdint>
#include <functional>

#include "util/scheduler.h"
#include "varve/status.h"

namespace varve {

// A thread that is joined: by Join(), or by the destructor. Movable.
class Thread {
 public:
  Thread() = default;
  // Starts it, and ends the process if the system refuses: for tests and tools. The engine calls
  // Start().
  Thread(const char* name, std::function<void()> body);
  ~Thread() { Join(); }
  Thread(Thread&& other) noexcept;
  Thread& operator=(Thread&& other) noexcept;  // joins the one it had

  // Must not be running. `name` is for debuggers (15 bytes at most are kept). IOError if the system
  // gives no thread.
  Status Start(const char* name, std::function<void()> body);
  bool running() const { return running_; }  // until it is joined
  void Join();

 private:
  bool running_ = false;
  pthread_t native_{};
  Scheduler* scheduler_ = nullptr;  // the one it belongs to
  uint64_t task_ = 0;               // its task there
};

// Sleeps at least so long, and as a rule hardly longer: the 50 microseconds by which Linux may put
// timers off, so that they expire together, are given up for this sleep.
void SleepFor(uint64_t nanos);

// The calling thread's number: no two live threads have the same, they are small, and that of a
// thread that ended is given out again (the lowest free one first). Under a test scheduler they are
// counted within the scheduler, so that a seed always gives the same numbers; objects shared
// between schedulers may use them to spread, not to tell threads apart.
inline uint32_t ThreadIndex();

// For loops that wait for another thread to do a few instructions: spins, and soon gives way.
//   for (SpinWait wait; !flag.load(std::memory_order_acquire);) wait.Once();
class SpinWait {
 public:
  void Once() {
    if (Scheduler* s = Scheduler::Current(); s != nullptr) [[unlikely]] {
      s->Spin();
    } else if (rounds_ < kRoundsMax) {
      for (int i = 1 << rounds_++; i > 0; --i) Pause();
    } else {
      GiveWay();
    }
  }

  static void Pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("isb");
#endif
  }

 private:
  static constexpr int kRoundsMax = 6;  // 63 pauses: a microsecond or three
  void GiveWay();                       // yields, and in the long run sleeps
  int rounds_ = 0;
};

// ---- Implementation ---------------------------------------------------------------------------

namespace internal {
inline constexpr uint32_t kNoThreadIndex = UINT32_MAX;
inline constinit thread_local uint32_t thread_index = kNoThreadIndex;
uint32_t AcquireThreadIndex();
}  // namespace internal

inline uint32_t ThreadIndex() {
  const uint32_t index = internal::thread_index;
  return index != internal::kNoThreadIndex ? index : internal::AcquireThreadIndex();
}

}  // namespace varve

#endif  // VARVE_UTIL_THREAD_H_
