#include "db/obsolete_segments.h"

namespace varve {

void ObsoleteSegments::Removing(const std::shared_ptr<SegmentFile>& segment,
                                const std::vector<NumberedFile>& files) {
  {
    MutexLock lock(&mu_);
    for (const NumberedFile& file : files) files_.try_emplace(file);
  }
  for (const NumberedFile& file : files) {
    segment->WhenGone(file.type, [self = weak_from_this(), file] {
      if (const auto obsolete = self.lock(); obsolete != nullptr) obsolete->Gone(file);
    });
  }
}

void ObsoleteSegments::Kept(const SegmentFile& segment) {
  MutexLock lock(&mu_);
  for (const NumberedFile& file : FilesOf(segment.entry())) files_.erase(file);
}

void ObsoleteSegments::Released(const std::vector<NumberedFile>& files) {
  MutexLock lock(&mu_);
  for (const NumberedFile& released : files) {
    const auto file = files_.find(released);
    // One that no version of this run ever held, or holds any more, is gone.
    if (file == files_.end()) {
      files_[released] = {.released = true, .gone = true};
    } else {
      file->second.released = true;
    }
  }
}

void ObsoleteSegments::Gone(const NumberedFile& gone) {
  MutexLock lock(&mu_);
  const auto file = files_.find(gone);
  if (file == files_.end()) return;  // kept, and now the database closes
  file->second.gone = true;
  if (file->second.released && wake_ != nullptr) wake_();
}

std::vector<NumberedFile> ObsoleteSegments::TakeDue() {
  std::vector<NumberedFile> due;
  MutexLock lock(&mu_);
  for (auto file = files_.begin(); file != files_.end();) {
    if (file->second.released && file->second.gone) {
      due.push_back(file->first);
      file = files_.erase(file);
    } else {
      ++file;
    }
  }
  return due;
}

std::vector<NumberedFile> ObsoleteSegments::Held() const {
  std::vector<NumberedFile> held;
  MutexLock lock(&mu_);
  for (const auto& [file, state] : files_) {
    if (state.released && !state.gone) held.push_back(file);
  }
  return held;
}

void ObsoleteSegments::Forget(const NumberedFile& file) {
  MutexLock lock(&mu_);
  files_.erase(file);
}

size_t ObsoleteSegments::waiting() const {
  MutexLock lock(&mu_);
  return files_.size();
}

void ObsoleteSegments::Stop() {
  MutexLock lock(&mu_);
  wake_ = nullptr;
}

}  // namespace varve
