#ifndef VARVE_UTIL_MUTEX_H_
#define VARVE_UTIL_MUTEX_H_

#include <atomic>
#include <cassert>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "util/scheduler.h"
#include "util/thread_annotations.h"

// The engine's only locks. Annotated for clang's thread safety analysis, and under a test scheduler
// (util/scheduler.h) every operation is a place where another task may go on.

namespace varve {

// Not recursive.
class CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() ACQUIRE() {
    if (Scheduler* s = Scheduler::Current(); s != nullptr) [[unlikely]]
      s->WillLock(this);
    native_.lock();
    SetHolder();
  }
  bool TryLock() TRY_ACQUIRE(true) {
    Scheduler* s = Scheduler::Current();
    if (s != nullptr && !s->TryLock(this)) [[unlikely]]
      return false;
    if (native_.try_lock()) {
      SetHolder();
      return true;
    }
    if (s != nullptr) s->DidUnlock(this);  // an outsider has it
    return false;
  }
  void Unlock() RELEASE() {
    ClearHolder();
    native_.unlock();
    if (Scheduler* s = Scheduler::Current(); s != nullptr) [[unlikely]]
      s->DidUnlock(this);
  }
  // Checked in debug builds; tells the analysis what it cannot see.
  void AssertHeld() const ASSERT_CAPABILITY(this) {
#ifndef NDEBUG
    assert(holder_.load(std::memory_order_relaxed) == std::this_thread::get_id());
#endif
  }

 private:
  friend class CondVar;

#ifndef NDEBUG
  // Relaxed: only ever compared with the calling thread, which wrote it itself if it is equal.
  void SetHolder() { holder_.store(std::this_thread::get_id(), std::memory_order_relaxed); }
  void ClearHolder() {
    assert(holder_.load(std::memory_order_relaxed) == std::this_thread::get_id());
    holder_.store(std::thread::id(), std::memory_order_relaxed);
  }
  std::atomic<std::thread::id> holder_{};
#else
  void SetHolder() {}
  void ClearHolder() {}
#endif
  std::mutex native_;
};

// Holds a mutex for the length of a scope.
class SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex* mutex) ACQUIRE(mutex) : mutex_(mutex) { mutex_->Lock(); }
  ~MutexLock() RELEASE() { mutex_->Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex* const mutex_;
};

// Waits may end without a signal: always wait in a loop that checks what is waited for. All waiters
// use one mutex, under which what they wait for changes.
class CondVar {
 public:
  CondVar() = default;
  CondVar(const CondVar&) = delete;
  CondVar& operator=(const CondVar&) = delete;

  void Wait(Mutex* mutex) REQUIRES(mutex) { WaitFor(mutex, Scheduler::kForever); }

  // False if `nanos` passed (by a clock that never runs back) before a signal.
  bool WaitFor(Mutex* mutex, uint64_t nanos) REQUIRES(mutex) {
    mutex->ClearHolder();
    bool signalled = true;
    if (Scheduler* s = Scheduler::Current(); s != nullptr) [[unlikely]] {
      mutex->native_.unlock();
      signalled = s->Wait(this, mutex, nanos);
      mutex->native_.lock();
    } else {
      std::unique_lock<std::mutex> lock(mutex->native_, std::adopt_lock);
      if (nanos >= kNanosMax) {
        native_.wait(lock);
      } else {
        signalled = native_.wait_until(
                        lock, std::chrono::steady_clock::now() + std::chrono::nanoseconds(nanos)) ==
                    std::cv_status::no_timeout;
      }
      lock.release();
    }
    mutex->SetHolder();
    return signalled;
  }

  void Signal() {
    if (Scheduler* s = Scheduler::Current(); s != nullptr) [[unlikely]] {
      s->Signal(this, /*all=*/false);
    } else {
      native_.notify_one();
    }
  }
  void SignalAll() {
    if (Scheduler* s = Scheduler::Current(); s != nullptr) [[unlikely]] {
      s->Signal(this, /*all=*/true);
    } else {
      native_.notify_all();
    }
  }

 private:
  static constexpr uint64_t kNanosMax = uint64_t{1} << 61;  // 73 years; more is forever
  std::condition_variable native_;
};

}  // namespace varve

#endif  // VARVE_UTIL_MUTEX_H_
