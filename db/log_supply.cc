#include "db/log_supply.h"

#include <utility>

namespace varve {

Status LogSupply::Make(uint64_t payload_bytes, std::unique_ptr<PreparedLog>* log) {
  FileNumber number;
  if (Status status = manifest_->NewFileNumber(&number); !status.ok()) return status;
  return wal_->Prepare(number, payload_bytes, log);
}

Status LogSupply::Take(uint64_t payload_bytes, std::unique_ptr<PreparedLog>* log) {
  std::unique_ptr<PreparedLog> spare;
  {
    MutexLock lock(&mu_);
    while (state_ == State::kMaking) changed_.Wait(&mu_);
    if (stopped_) return Status::Aborted("the database is closing");
    spare = std::move(spare_);
    state_ = State::kMaking;  // a spare that was wanted and not begun is made here
  }
  Status status;
  if (spare != nullptr && spare->Fits(payload_bytes)) {
    *log = std::move(spare);
  } else {
    spare.reset();  // first: its number is lower than the one made now, so it cannot be used later
    status = Make(payload_bytes, log);
  }
  MutexLock lock(&mu_);
  state_ = State::kIdle;
  changed_.SignalAll();
  return status;
}

void LogSupply::MakeSpare() {
  MutexLock lock(&mu_);
  if (state_ != State::kIdle || stopped_ || spare_ != nullptr) return;
  if (!thread_.running() && !thread_.Start("varve-log", [this] { Run(); }).ok()) return;
  state_ = State::kSpareWanted;
  changed_.SignalAll();
}

void LogSupply::Run() {
  MutexLock lock(&mu_);
  while (!stopped_) {
    if (state_ != State::kSpareWanted) {
      changed_.Wait(&mu_);
      continue;
    }
    state_ = State::kMaking;
    mu_.Unlock();
    std::unique_ptr<PreparedLog> log;
    const Status status = Make(0, &log);
    mu_.Lock();
    state_ = State::kIdle;
    if (status.ok() && !stopped_) spare_ = std::move(log);
    changed_.SignalAll();
  }
}

void LogSupply::Stop() {
  std::unique_ptr<PreparedLog> spare;
  Thread thread;
  {
    MutexLock lock(&mu_);
    stopped_ = true;
    changed_.SignalAll();
    while (state_ == State::kMaking) changed_.Wait(&mu_);
    spare = std::move(spare_);
    thread = std::move(thread_);
  }
  thread.Join();
}

}  // namespace varve
