#ifndef VARVE_UTIL_THREAD_POOL_H_
#define VARVE_UTIL_THREAD_POOL_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "util/mutex.h"
#include "util/thread.h"
#include "varve/status.h"

namespace varve {

// Runs jobs on up to a number of threads, each started when a job finds no idle one. High before
// low, each in order of arrival; low jobs leave one thread free where there are two or more, so
// that a flush never waits for a long merge to end.
//
// Thread-safe. Jobs may schedule and cancel, but not Stop() or Drain().
class ThreadPool {
 public:
  enum class Priority { kHigh, kLow };  // flushes; everything that can wait for them
  using JobId = uint64_t;

  // `name` is that of the threads, for debuggers. No thread is started.
  ThreadPool(const char* name, int threads_max);
  ~ThreadPool() { Stop(); }
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Aborted once Stop() has begun, IOError if the system gives not even one thread: then the job is
  // dropped. *id, if wanted, names the job for Cancel().
  Status Schedule(Priority priority, std::function<void()> job, JobId* id = nullptr);
  // True if the job had not begun; then it never will. False if it runs or has ended.
  bool Cancel(JobId id);
  // Returns when nothing is queued or running.
  void Drain() EXCLUDES(mutex_);
  // Accepts nothing more, drops what is queued, and returns when the jobs that run have ended and
  // every thread is joined. May be called again.
  void Stop() EXCLUDES(mutex_);

  int queued() const;           // not begun
  int running() const;          // jobs, now
  int threads_started() const;  // in all

 private:
  struct Job {
    JobId id;
    std::function<void()> body;
  };

  void Work();
  void SignalIfIdle() REQUIRES(mutex_);
  bool Take(std::function<void()>* body, Priority* priority) REQUIRES(mutex_);
  std::deque<Job>& queue(Priority priority) REQUIRES(mutex_) {
    return queues_[static_cast<int>(priority)];
  }

  const int threads_max_;
  const int low_running_max_;
  const std::string name_;

  mutable Mutex mutex_;
  CondVar work_;      // a job was queued or may run now, or stopping_ was set
  CondVar idle_now_;  // nothing is queued or running any more
  std::deque<Job> queues_[2] GUARDED_BY(mutex_);
  std::vector<Thread> threads_ GUARDED_BY(mutex_);
  JobId next_id_ GUARDED_BY(mutex_) = 1;
  int started_ GUARDED_BY(mutex_) = 0;
  int idle_ GUARDED_BY(mutex_) = 0;  // threads that wait for work
  int running_ GUARDED_BY(mutex_) = 0;
  int low_running_ GUARDED_BY(mutex_) = 0;
  bool stopping_ GUARDED_BY(mutex_) = false;
};

}  // namespace varve

#endif  // VARVE_UTIL_THREAD_POOL_H_
