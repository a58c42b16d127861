#include "util/thread.h"

#include <errno.h>
#include <sched.h>
#include <sys/prctl.h>
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "util/mutex.h"

namespace varve {

namespace {

// What a new thread needs to begin.
struct ThreadStart {
  std::string name;
  std::function<void()> body;
  Scheduler* scheduler;
  uint64_t task;
};

void* RunThread(void* argument) {
  std::unique_ptr<ThreadStart> start(static_cast<ThreadStart*>(argument));
  pthread_setname_np(pthread_self(), start->name.substr(0, 15).c_str());
  if (start->scheduler != nullptr) start->scheduler->Enter(start->task);
  start->body();
  start->body = nullptr;  // what it holds is destroyed while the task still runs
  if (start->scheduler != nullptr) start->scheduler->Leave();
  return nullptr;
}

// The numbers that ThreadIndex() gives out. Never destroyed: threads may outlive static storage.
class IndexPool {
 public:
  static IndexPool& Instance() {
    static IndexPool& pool = *new IndexPool;
    return pool;
  }
  uint32_t Take() {
    std::lock_guard<std::mutex> lock(mutex_);
    if (free_.empty()) return next_++;
    const uint32_t index = free_.top();
    free_.pop();
    return index;
  }
  void Return(uint32_t index) {
    std::lock_guard<std::mutex> lock(mutex_);
    free_.push(index);
  }

 private:
  // Native, since it is taken in thread-exit handlers and never held across a schedule point.
  std::mutex mutex_;
  uint32_t next_ = 0;
  std::priority_queue<uint32_t, std::vector<uint32_t>, std::greater<>> free_;
};

// Gives the thread's number back when the thread ends.
struct IndexHolder {
  uint32_t index = internal::kNoThreadIndex;
  ~IndexHolder() {
    if (index == internal::kNoThreadIndex) return;
    internal::thread_index = internal::kNoThreadIndex;
    IndexPool::Instance().Return(index);
  }
};

}  // namespace

namespace internal {
uint32_t AcquireThreadIndex() {
  static thread_local IndexHolder holder;
  // Called again after the holder is gone (from another exit handler), a number is taken and never
  // given back: rather a number lost than one given twice.
  holder.index = IndexPool::Instance().Take();
  thread_index = holder.index;
  return holder.index;
}
}  // namespace internal

Thread::Thread(const char* name, std::function<void()> body) {
  const Status status = Start(name, std::move(body));
  if (!status.ok()) {
    std::fprintf(stderr, "varve: %s\n", status.ToString().c_str());
    std::abort();
  }
}

Thread::Thread(Thread&& other) noexcept { *this = std::move(other); }

Thread& Thread::operator=(Thread&& other) noexcept {
  if (this == &other) return *this;
  Join();
  running_ = std::exchange(other.running_, false);
  native_ = other.native_;
  scheduler_ = other.scheduler_;
  task_ = other.task_;
  return *this;
}

Status Thread::Start(const char* name, std::function<void()> body) {
  scheduler_ = Scheduler::Current();
  std::unique_ptr<ThreadStart> start(new ThreadStart{name, std::move(body), scheduler_, 0});
  if (scheduler_ != nullptr) start->task = task_ = scheduler_->Spawn(name);
  const int error = pthread_create(&native_, nullptr, &RunThread, start.get());
  if (error != 0) {
    if (scheduler_ != nullptr) scheduler_->Abandon(task_);
    return Status::IOError(std::string("cannot start thread ") + name + ": " +
                           std::strerror(error));
  }
  start.release();
  running_ = true;
  return Status::OK();
}

void Thread::Join() {
  if (!running_) return;
  running_ = false;
  if (scheduler_ != nullptr && scheduler_ == Scheduler::Current()) scheduler_->Join(task_);
  pthread_join(native_, nullptr);
}

void SleepFor(uint64_t nanos) {
  if (Scheduler* s = Scheduler::Current(); s != nullptr) {
    s->Sleep(nanos);
    return;
  }
  timespec left{static_cast<time_t>(nanos / 1'000'000'000),
                static_cast<long>(nanos % 1'000'000'000)};
  const int slack = prctl(PR_GET_TIMERSLACK);
  if (slack > 0) prctl(PR_SET_TIMERSLACK, 1UL);
  while (nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
  if (slack > 0) prctl(PR_SET_TIMERSLACK, static_cast<unsigned long>(slack));
}

void SpinWait::GiveWay() {
  constexpr int kYields = 64;
  if (rounds_ < kRoundsMax + kYields) {
    ++rounds_;
    sched_yield();
  } else {
    SleepFor(50'000);  // whoever is waited for was descheduled; do not keep it off the CPU
  }
}

}  // namespace varve
