#ifndef VARVE_DB_EXPIRY_TICKER_H_
#define VARVE_DB_EXPIRY_TICKER_H_

#include <atomic>
#include <cstdint>
#include <functional>

#include "util/mutex.h"
#include "util/thread.h"

namespace varve {

// Calls `tick` every kTickNanos while that is wanted, on a thread of its own, which starts when it
// is wanted first. Two calls never run at once.
//
// Thread safety: all of it; Want() may be called under any lock but one that a tick waits for with
// the ticker's lock held, which is none.
class ExpiryTicker {
 public:
  static constexpr uint64_t kTickNanos = 200'000'000;

  explicit ExpiryTicker(std::function<void()> tick) : tick_(std::move(tick)) {}
  ~ExpiryTicker() { Stop(); }

  void Want(bool wanted) EXCLUDES(mu_);
  // After a tick under way; joins the thread. May be called twice.
  void Stop() EXCLUDES(mu_);

 private:
  void Run() EXCLUDES(mu_);

  const std::function<void()> tick_;

  Mutex mu_;
  CondVar wake_;
  Thread thread_ GUARDED_BY(mu_);
  bool wanted_ GUARDED_BY(mu_) = false;
  bool stopped_ GUARDED_BY(mu_) = false;
};

}  // namespace varve

#endif  // VARVE_DB_EXPIRY_TICKER_H_
