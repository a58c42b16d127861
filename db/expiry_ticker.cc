#include "db/expiry_ticker.h"

#include <utility>

namespace varve {

void ExpiryTicker::Want(bool wanted) {
  MutexLock lock(&mu_);
  if (wanted == wanted_ || stopped_) return;
  // Without a thread nothing is dropped but by compactions; the next that is wanted tries again.
  if (wanted && !thread_.running() && !thread_.Start("varve-ttl", [this] { Run(); }).ok()) return;
  wanted_ = wanted;
  wake_.Signal();
}

void ExpiryTicker::Run() {
  mu_.Lock();
  while (!stopped_) {
    if (!wanted_) {
      wake_.Wait(&mu_);
      continue;
    }
    mu_.Unlock();
    tick_();
    mu_.Lock();
    if (wanted_ && !stopped_) wake_.WaitFor(&mu_, kTickNanos);
  }
  mu_.Unlock();
}

void ExpiryTicker::Stop() {
  Thread thread;
  {
    MutexLock lock(&mu_);
    stopped_ = true;
    wake_.SignalAll();
    thread = std::move(thread_);
  }
  thread.Join();
}

}  // namespace varve
