#ifndef VARVE_DB_LOG_SUPPLY_H_
#define VARVE_DB_LOG_SUPPLY_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>

#include "db/manifest.h"
#include "util/mutex.h"
#include "util/thread.h"
#include "varve/status.h"
#include "wal/wal.h"

namespace varve {

// Has the next log ready before it is needed: making one writes and syncs a whole file, which no
// write should wait for. One spare log does as long as the device syncs faster than writers fill
// logs. Each time they had to wait one more is kept ready, up to kSparesMax, so that a sync that
// takes long now and then delays nobody.
//
// A thread of its own makes it: in the pool it would wait behind flushes and compactions, and the
// write that needs it with it. At most one log is being made at a time, so numbers are taken in the
// order in which logs are used, as Wal asks. Thread safety: Take by one caller at a time (the
// leader), the rest from anywhere.
class LogSupply {
 public:
  static constexpr size_t kSparesMax = 3;

  LogSupply(Wal* wal, Manifest* manifest, size_t spares_max = kSparesMax)
      : wal_(wal),
        manifest_(manifest),
        spares_max_(spares_max),
        wanted_(std::min<size_t>(1, spares_max)) {}
  ~LogSupply() { Stop(); }

  // A log with room for a record of `payload_bytes`: the first spare one if it will do, else one
  // made for it.
  Status Take(uint64_t payload_bytes, std::unique_ptr<PreparedLog>* log);

  // Makes spare logs in the background, unless there are enough. An error is dropped: the next
  // Take() makes its own, and says why if it cannot.
  void MakeSpare();

  // Lets go of all spare logs but the one used next, and keeps no more than that from now on until
  // somebody has had to wait again: where the disk is full they are room.
  void KeepOne();

  // Lets go of all, for their room; the next ones are made as ever.
  void DropAll();
  // No more than that are kept ready from now on.
  void SetSparesMax(size_t spares_max);

  // Waits for a log that is being made and lets the spare ones go. Nothing is made afterwards.
  void Stop();

 private:
  enum class State : uint8_t { kIdle, kSpareWanted, kMaking };

  Status Make(uint64_t payload_bytes, std::unique_ptr<PreparedLog>* log);
  void Run();
  std::deque<std::unique_ptr<PreparedLog>> TakeAllBut(size_t spares) REQUIRES(mu_);

  Wal* const wal_;
  Manifest* const manifest_;

  Mutex mu_;
  CondVar changed_;
  State state_ GUARDED_BY(mu_) = State::kIdle;
  bool stopped_ GUARDED_BY(mu_) = false;
  std::deque<std::unique_ptr<PreparedLog>> spares_ GUARDED_BY(mu_);  // ascending numbers
  size_t spares_max_ GUARDED_BY(mu_);
  size_t wanted_ GUARDED_BY(mu_);  // so many of them
  Thread thread_ GUARDED_BY(mu_);  // started by the first MakeSpare()
};

}  // namespace varve

#endif  // VARVE_DB_LOG_SUPPLY_H_
