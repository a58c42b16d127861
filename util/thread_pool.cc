#include "util/thread_pool.h"

#include <algorithm>
#include <utility>

namespace varve {

ThreadPool::ThreadPool(const char* name, int threads_max)
    : threads_max_(std::max(threads_max, 1)),
      low_running_max_(std::max(threads_max - 1, 1)),
      name_(name) {}

Status ThreadPool::Schedule(Priority priority, std::function<void()> job, JobId* id) {
  MutexLock lock(&mutex_);
  if (stopping_) return Status::Aborted("the thread pool has stopped");
  const int waiting = static_cast<int>(queues_[0].size() + queues_[1].size());
  if (idle_ <= waiting && started_ < threads_max_) {
    // Before it runs: if push_back() threw, the thread would be joined under the lock that it
    // wants.
    threads_.reserve(threads_.size() + 1);
    Thread thread;
    const Status status = thread.Start(name_.c_str(), [this] { Work(); });
    if (status.ok()) {
      ++started_;
      threads_.push_back(std::move(thread));
    } else if (started_ == 0) {
      return status;
    }
  }
  if (id != nullptr) *id = next_id_;
  queue(priority).push_back({next_id_++, std::move(job)});
  work_.Signal();
  return Status::OK();
}

bool ThreadPool::Cancel(JobId id) {
  std::function<void()> dropped;  // destroyed without the lock
  MutexLock lock(&mutex_);
  for (std::deque<Job>& jobs : queues_) {
    for (auto job = jobs.begin(); job != jobs.end(); ++job) {
      if (job->id != id) continue;
      dropped = std::move(job->body);
      jobs.erase(job);
      SignalIfIdle();
      return true;
    }
  }
  return false;
}

bool ThreadPool::Take(std::function<void()>* body, Priority* priority) {
  if (!queue(Priority::kHigh).empty()) {
    *priority = Priority::kHigh;
  } else if (!queue(Priority::kLow).empty() && low_running_ < low_running_max_) {
    *priority = Priority::kLow;
    ++low_running_;
  } else {
    return false;
  }
  ++running_;
  *body = std::move(queue(*priority).front().body);
  queue(*priority).pop_front();
  return true;
}

void ThreadPool::SignalIfIdle() {
  if (running_ == 0 && queues_[0].empty() && queues_[1].empty()) idle_now_.SignalAll();
}

void ThreadPool::Work() {
  std::function<void()> body;
  Priority priority;
  mutex_.Lock();
  while (!stopping_) {
    if (!Take(&body, &priority)) {
      ++idle_;
      work_.Wait(&mutex_);
      --idle_;
      continue;
    }
    mutex_.Unlock();
    body();
    body = nullptr;  // what it holds is destroyed without the lock
    mutex_.Lock();
    --running_;
    // This thread looks for another job itself, the low one that may run now included.
    if (priority == Priority::kLow) --low_running_;
    SignalIfIdle();
  }
  mutex_.Unlock();
}

void ThreadPool::Drain() {
  MutexLock lock(&mutex_);
  while (running_ > 0 || !queues_[0].empty() || !queues_[1].empty()) idle_now_.Wait(&mutex_);
}

void ThreadPool::Stop() {
  std::deque<Job> dropped[2];  // destroyed without the lock
  std::vector<Thread> threads;
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    dropped[0].swap(queues_[0]);
    dropped[1].swap(queues_[1]);
    threads.swap(threads_);
    work_.SignalAll();
  }
  for (Thread& thread : threads) thread.Join();
  MutexLock lock(&mutex_);
  SignalIfIdle();
}

int ThreadPool::queued() const {
  MutexLock lock(&mutex_);
  return static_cast<int>(queues_[0].size() + queues_[1].size());
}

int ThreadPool::running() const {
  MutexLock lock(&mutex_);
  return running_;
}

int ThreadPool::threads_started() const {
  MutexLock lock(&mutex_);
  return started_;
}

}  // namespace varve
