#include "db/obsolete_segments.h"

namespace varve {

void ObsoleteSegments::Removing(const std::shared_ptr<SegmentFile>& segment) {
  {
    MutexLock lock(&mu_);
    segments_.try_emplace(segment->number());
  }
  segment->WhenGone([self = weak_from_this(), number = segment->number()] {
    if (const auto obsolete = self.lock(); obsolete != nullptr) obsolete->Gone(number);
  });
}

void ObsoleteSegments::Kept(const SegmentFile& segment) {
  MutexLock lock(&mu_);
  segments_.erase(segment.number());
}

void ObsoleteSegments::Released(const std::vector<FileNumber>& numbers) {
  MutexLock lock(&mu_);
  for (const FileNumber number : numbers) {
    const auto segment = segments_.find(number);
    // One that no version of this run ever held, or holds any more, is gone.
    if (segment == segments_.end()) {
      segments_[number] = {.released = true, .gone = true};
    } else {
      segment->second.released = true;
    }
  }
}

void ObsoleteSegments::Gone(FileNumber number) {
  MutexLock lock(&mu_);
  const auto segment = segments_.find(number);
  if (segment == segments_.end()) return;  // kept, and now the database closes
  segment->second.gone = true;
  if (segment->second.released && wake_ != nullptr) wake_();
}

std::vector<FileNumber> ObsoleteSegments::TakeDue() {
  std::vector<FileNumber> due;
  MutexLock lock(&mu_);
  for (auto segment = segments_.begin(); segment != segments_.end();) {
    if (segment->second.released && segment->second.gone) {
      due.push_back(segment->first);
      segment = segments_.erase(segment);
    } else {
      ++segment;
    }
  }
  return due;
}

size_t ObsoleteSegments::waiting() const {
  MutexLock lock(&mu_);
  return segments_.size();
}

void ObsoleteSegments::Stop() {
  MutexLock lock(&mu_);
  wake_ = nullptr;
}

}  // namespace varve
