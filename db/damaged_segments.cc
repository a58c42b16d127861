#include "db/damaged_segments.h"

namespace varve {

void DamagedSegments::OnReadError(FileNumber number, const Status& status) {
  if (!status.IsCorruption() && !status.IsIOError()) return;
  MutexLock lock(&mu_);
  if (known_.insert(number).second) {
    waiting_.emplace_back(number, status);
  } else if (put_back_.erase(number) == 0) {
    return;
  }
  if (wake_ != nullptr) wake_();
}

void DamagedSegments::SetListener(std::function<void()> wake) {
  MutexLock lock(&mu_);
  wake_ = std::move(wake);
}

std::vector<std::pair<FileNumber, Status>> DamagedSegments::Take() {
  MutexLock lock(&mu_);
  put_back_.clear();
  return std::exchange(waiting_, {});
}

void DamagedSegments::PutBack(const std::vector<std::pair<FileNumber, Status>>& segments) {
  MutexLock lock(&mu_);
  for (const auto& segment : segments) {
    put_back_.insert(segment.first);
    waiting_.push_back(segment);
  }
}

bool DamagedSegments::waiting() const {
  MutexLock lock(&mu_);
  return !waiting_.empty();
}

bool DamagedSegments::Knows(FileNumber number) const {
  MutexLock lock(&mu_);
  return known_.count(number) != 0;
}

}  // namespace varve
