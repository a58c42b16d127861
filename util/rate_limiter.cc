#include "util/rate_limiter.h"

#include <algorithm>

namespace varve {

RateLimiter::RateLimiter(uint64_t bytes_per_second, Clock* clock)
    : clock_(clock),
      bytes_per_second_(bytes_per_second),
      refilled_nanos_(clock->MonotonicNanos()) {}

void RateLimiter::Refill() {
  const uint64_t now = clock_->MonotonicNanos();
  const double rate = static_cast<double>(bytes_per_second_);
  const double passed = static_cast<double>(now - refilled_nanos_) / 1e9;
  refilled_nanos_ = now;
  tokens_ = std::min(tokens_ + passed * rate, std::max(rate * kBurstMillis / 1000, 1.0));
}

uint64_t RateLimiter::NanosToNextToken() const {
  const double seconds = (1 - tokens_) / static_cast<double>(bytes_per_second_);
  return static_cast<uint64_t>(std::clamp(seconds, 1e-6, 3600.0) * 1e9);
}

// Whose turn it is.
RateLimiter::Waiter* RateLimiter::Next() {
  std::deque<Waiter*>& high = waiters_[0];
  std::deque<Waiter*>& low = waiters_[1];
  if (high.empty() && low.empty()) return nullptr;
  if (low.empty()) return high.front();
  if (high.empty()) return low.front();
  return high_in_a_row_ < kHighInARow ? high.front() : low.front();
}

void RateLimiter::WakeNext() {
  if (Waiter* next = Next(); next != nullptr) next->turn.Signal();
}

void RateLimiter::WakeAll() {
  for (std::deque<Waiter*>& queue : waiters_) {
    for (Waiter* waiter : queue) waiter->turn.Signal();
  }
}

void RateLimiter::Request(uint64_t bytes, Priority priority) {
  MutexLock lock(&mutex_);
  if (Unlimited()) return;
  std::deque<Waiter*>& queue = waiters_[static_cast<int>(priority)];
  Waiter self;
  queue.push_back(&self);
  while (!Unlimited()) {
    if (Next() != &self) {
      self.turn.Wait(&mutex_);
      continue;
    }
    Refill();
    if (tokens_ >= 1) {
      tokens_ -= static_cast<double>(bytes);
      high_in_a_row_ = priority == Priority::kHigh ? std::min(high_in_a_row_ + 1, kHighInARow) : 0;
      break;
    }
    self.turn.WaitFor(&mutex_, NanosToNextToken());
  }
  queue.erase(std::find(queue.begin(), queue.end(), &self));
  WakeNext();
}

void RateLimiter::SetBytesPerSecond(uint64_t bytes_per_second) {
  MutexLock lock(&mutex_);
  Refill();
  // What was run up under another rate is waited off for a second at most.
  bytes_per_second_ = bytes_per_second;
  tokens_ = std::max(tokens_, -static_cast<double>(bytes_per_second));
  WakeAll();
}

uint64_t RateLimiter::bytes_per_second() const {
  MutexLock lock(&mutex_);
  return bytes_per_second_;
}

void RateLimiter::Stop() {
  MutexLock lock(&mutex_);
  stopped_ = true;
  WakeAll();
}

int RateLimiter::waiting() const {
  MutexLock lock(&mutex_);
  return static_cast<int>(waiters_[0].size() + waiters_[1].size());
}

}  // namespace varve
