#ifndef VARVE_UTIL_RATE_LIMITER_H_
#define VARVE_UTIL_RATE_LIMITER_H_

#include <cstdint>
#include <deque>

#include "util/mutex.h"
#include "varve/env.h"

namespace varve {

// Holds background writes to a number of bytes a second: a token bucket.
//
// Tokens come with time, up to kBurstMillis worth of them. Who asks is let through as soon as there
// is any, and may leave the bucket in debt, which those behind wait off; so no request is too
// large, and the rate holds in the long run. Waiting requests go in order of arrival, high before
// low, but one low after each kHighInARow high ones, so that neither starves.
//
// Thread-safe.
class RateLimiter {
 public:
  enum class Priority { kHigh, kLow };

  // 0: no limit. The clock tells how much time has passed and must outlive the limiter.
  RateLimiter(uint64_t bytes_per_second, Clock* clock);
  RateLimiter(const RateLimiter&) = delete;
  RateLimiter& operator=(const RateLimiter&) = delete;

  // Returns when `bytes` may be written.
  void Request(uint64_t bytes, Priority priority) EXCLUDES(mutex_);
  // Holds for those who wait, too.
  void SetBytesPerSecond(uint64_t bytes_per_second);
  uint64_t bytes_per_second() const;
  // Lets everyone through from now on. May be called again.
  void Stop();

  int waiting() const;

 private:
  static constexpr uint64_t kBurstMillis = 100;
  static constexpr int kHighInARow = 10;

  struct Waiter {
    CondVar turn;
  };

  bool Unlimited() const REQUIRES(mutex_) { return stopped_ || bytes_per_second_ == 0; }
  void Refill() REQUIRES(mutex_);
  uint64_t NanosToNextToken() const REQUIRES(mutex_);
  Waiter* Next() REQUIRES(mutex_);
  void WakeNext() REQUIRES(mutex_);
  void WakeAll() REQUIRES(mutex_);

  Clock* const clock_;
  mutable Mutex mutex_;
  uint64_t bytes_per_second_ GUARDED_BY(mutex_);
  double tokens_ GUARDED_BY(mutex_) = 1;  // bytes; below zero is debt
  uint64_t refilled_nanos_ GUARDED_BY(mutex_);
  std::deque<Waiter*> waiters_[2] GUARDED_BY(mutex_);
  int high_in_a_row_ GUARDED_BY(mutex_) = 0;
  bool stopped_ GUARDED_BY(mutex_) = false;
};

}  // namespace varve

#endif  // VARVE_UTIL_RATE_LIMITER_H_
