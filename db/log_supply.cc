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
    while (making_) changed_.Wait(&mu_);
    if (stopped_) return Status::Aborted("the database is closing");
    spare = std::move(spare_);
    making_ = true;
  }
  Status status;
  if (spare != nullptr && spare->Fits(payload_bytes)) {
    *log = std::move(spare);
  } else {
    spare.reset();  // first: its number is lower than the one made now, so it cannot be used later
    status = Make(payload_bytes, log);
  }
  MutexLock lock(&mu_);
  making_ = false;
  changed_.SignalAll();
  return status;
}

void LogSupply::MakeSpare() {
  {
    MutexLock lock(&mu_);
    if (making_ || stopped_ || spare_ != nullptr) return;
    making_ = true;
  }
  auto make = [this] {
    std::unique_ptr<PreparedLog> log;
    const Status status = Make(0, &log);
    MutexLock lock(&mu_);
    making_ = false;
    if (status.ok() && !stopped_) spare_ = std::move(log);
    changed_.SignalAll();
  };
  if (pool_->Schedule(ThreadPool::Priority::kHigh, std::move(make)).ok()) return;
  MutexLock lock(&mu_);
  making_ = false;
  changed_.SignalAll();
}

void LogSupply::Stop() {
  std::unique_ptr<PreparedLog> spare;
  MutexLock lock(&mu_);
  stopped_ = true;
  while (making_) changed_.Wait(&mu_);
  spare = std::move(spare_);
}

}  // namespace varve
