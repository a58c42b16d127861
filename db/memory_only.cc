#include "db/memory_only.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "util/filename.h"

namespace varve {

namespace {

// A clock that is set by hand moves without waking anybody: it is looked at this often.
constexpr uint64_t kLookNanos = 500'000'000;

// A page, so that the device has something to write.
constexpr size_t kProbeBytes = 4096;

}  // namespace

MemoryOnly::MemoryOnly(FileSystem* file_system, Clock* clock, std::string directory, Steps steps)
    : file_system_(file_system),
      clock_(clock),
      directory_(std::move(directory)),
      steps_(std::move(steps)) {}

void MemoryOnly::Begin() {
  MutexLock lock(&mu_);
  if (stopped_) return;
  wanted_ = true;
  changed_.SignalAll();
  if (!thread_.running()) thread_.Start("varve-probe", [this] { Run(); }).ok();
}

void MemoryOnly::Stop() {
  Thread thread;
  {
    MutexLock lock(&mu_);
    stopped_ = true;
    changed_.SignalAll();
    thread = std::move(thread_);
  }
  thread.Join();
}

void MemoryOnly::AwaitProbe() {
  const uint64_t due = clock_->MonotonicNanos() + kProbeMillis * 1'000'000;
  for (uint64_t now = clock_->MonotonicNanos(); now < due && !stopped_;
       now = clock_->MonotonicNanos()) {
    changed_.WaitFor(&mu_, std::min(due - now, kLookNanos));
  }
}

void MemoryOnly::Run() {
  MutexLock lock(&mu_);
  while (!stopped_) {
    if (!wanted_) {
      changed_.Wait(&mu_);
      continue;
    }
    wanted_ = false;
    for (bool left = false; !stopped_;) {
      mu_.Unlock();
      if (!left) left = steps_.leave().ok();
      const bool away = !left || steps_.is_away();
      mu_.Lock();
      if (!away) break;
      AwaitProbe();
      if (stopped_ || !left) continue;
      mu_.Unlock();
      if (steps_.is_away() && Probe(file_system_, directory_).ok()) steps_.come_back().ok();
      mu_.Lock();
    }
  }
}

Status MemoryOnly::Probe(FileSystem* file_system, const std::string& directory) {
  const std::string path = ProbeFileName(directory);
  Status status = file_system->RemoveFile(path);  // that an earlier one could not
  if (!status.ok() && !status.IsNotFound()) return status;
  std::unique_ptr<WritableFile> file;
  status = file_system->NewWritableFile(path, kProbeBytes, &file);
  if (!status.ok()) return status.IsNoSpace() ? Status::OK() : status;
  status = file->Append(std::string(kProbeBytes, 'v'));
  if (status.ok()) status = file->Sync();
  const Status closed = file->Close();
  if (status.ok()) status = closed;
  // A device without room works: coming back begins by giving all of it free.
  if (status.IsNoSpace()) status = Status::OK();
  const Status removed = file_system->RemoveFile(path);
  if (status.ok()) status = removed;
  return status.ok() ? file_system->SyncDirectory(directory) : status;
}

}  // namespace varve
