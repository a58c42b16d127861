#include "db/log_supply.h"

#include <algorithm>
#include <utility>

namespace varve {

Status LogSupply::Make(uint64_t payload_bytes, std::unique_ptr<PreparedLog>* log) {
  FileNumber number;
  if (Status status = manifest_->NewFileNumber(&number); !status.ok()) return status;
  return wal_->Prepare(number, payload_bytes, log);
}

Status LogSupply::Take(uint64_t payload_bytes, std::unique_ptr<PreparedLog>* log) {
  std::deque<std::unique_ptr<PreparedLog>> too_small;
  {
    MutexLock lock(&mu_);
    if (spares_.empty() && state_ != State::kIdle) wanted_ = std::min(wanted_ + 1, spares_max_);
    while (spares_.empty() && state_ == State::kMaking) changed_.Wait(&mu_);
    if (!stopped_ && !spares_.empty() && spares_.front()->Fits(payload_bytes)) {
      *log = std::move(spares_.front());
      spares_.pop_front();
      return Status::OK();
    }
    while (state_ == State::kMaking) changed_.Wait(&mu_);
    if (stopped_) return Status::Aborted("the database is closing");
    too_small.swap(spares_);
    state_ = State::kMaking;  // a spare that was wanted and not begun is made here
  }
  too_small.clear();  // first: their numbers are lower than the one made now, so they are of no use
  const Status status = Make(payload_bytes, log);
  MutexLock lock(&mu_);
  state_ = State::kIdle;
  changed_.SignalAll();
  return status;
}

void LogSupply::MakeSpare() {
  MutexLock lock(&mu_);
  if (state_ != State::kIdle || stopped_ || spares_.size() >= wanted_) return;
  if (!thread_.running() && !thread_.Start("varve-log", [this] { Run(); }).ok()) return;
  state_ = State::kSpareWanted;
  changed_.SignalAll();
}

std::deque<std::unique_ptr<PreparedLog>> LogSupply::TakeAllBut(size_t spares) {
  std::deque<std::unique_ptr<PreparedLog>> taken;
  while (spares_.size() > spares) {
    taken.push_back(std::move(spares_.back()));
    spares_.pop_back();
  }
  return taken;
}

void LogSupply::KeepOne() {
  std::deque<std::unique_ptr<PreparedLog>> dropped;  // without the lock
  MutexLock lock(&mu_);
  wanted_ = std::min<size_t>(1, spares_max_);
  dropped = TakeAllBut(wanted_);
}

void LogSupply::DropAll() {
  std::deque<std::unique_ptr<PreparedLog>> dropped;
  MutexLock lock(&mu_);
  dropped = TakeAllBut(0);
}

void LogSupply::SetSparesMax(size_t spares_max) {
  std::deque<std::unique_ptr<PreparedLog>> dropped;
  MutexLock lock(&mu_);
  spares_max_ = spares_max;
  wanted_ = std::clamp<size_t>(wanted_, std::min<size_t>(1, spares_max), spares_max);
  dropped = TakeAllBut(wanted_);
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
    if (status.ok() && !stopped_ && spares_.size() < wanted_) {
      spares_.push_back(std::move(log));
      if (spares_.size() < wanted_) state_ = State::kSpareWanted;
    }
    changed_.SignalAll();
    if (log == nullptr) continue;
    mu_.Unlock();
    log.reset();  // it came too late
    mu_.Lock();
  }
}

void LogSupply::Stop() {
  std::deque<std::unique_ptr<PreparedLog>> spares;
  Thread thread;
  {
    MutexLock lock(&mu_);
    stopped_ = true;
    changed_.SignalAll();
    while (state_ == State::kMaking) changed_.Wait(&mu_);
    spares.swap(spares_);
    thread = std::move(thread_);
  }
  thread.Join();
}

}  // namespace varve
