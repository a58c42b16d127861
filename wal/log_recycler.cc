#include "wal/log_recycler.h"

#include <utility>

#include "util/filename.h"

namespace varve::wal {

LogRecycler::LogRecycler(std::shared_ptr<FileSystem> file_system, std::string directory,
                         size_t files_max)
    : file_system_(std::move(file_system)),
      directory_(std::move(directory)),
      files_max_(files_max) {}

Status LogRecycler::Put(FileNumber number, bool recycled, uint64_t log_bytes) {
  const std::string recycled_path = RecycledLogFileName(directory_, number);
  const std::string path = recycled ? recycled_path : LogFileName(directory_, number);
  FileInfo info;
  if (Status status = file_system_->GetFileInfo(path, &info); !status.ok()) return status;
  bool room = false;
  // A power loss may have left two names of one file, where of two renames the later reached the
  // disk alone: reused under both, it would be two logs in one place.
  if (info.size == log_bytes && info.links == 1) {
    MutexLock lock(&mutex_);
    room = waiting_.size() + reserved_ < files_max_;
    if (room) ++reserved_;
  }
  if (!room) return file_system_->RemoveFile(path);
  const Status status = recycled ? Status::OK() : file_system_->RenameFile(path, recycled_path);
  MutexLock lock(&mutex_);
  --reserved_;
  if (status.ok()) waiting_.push_back(number);
  return status;
}

Status LogRecycler::Make(FileNumber number, const LogFileOptions& options,
                         std::unique_ptr<LogFile>* file, bool* recycled) {
  const std::string path = LogFileName(directory_, number);
  for (;;) {
    FileNumber waiting;
    {
      MutexLock lock(&mutex_);
      if (waiting_.empty()) break;
      waiting = waiting_.back();
      waiting_.pop_back();
    }
    const std::string waiting_path = RecycledLogFileName(directory_, waiting);
    Status status = file_system_->ReuseLogFile(waiting_path, path, options, file);
    if (!status.IsInvalidArgument()) {
      *recycled = true;
      return status;
    }
    // Of another size.
    if (status = file_system_->RemoveFile(waiting_path); !status.ok()) return status;
  }
  *recycled = false;
  return file_system_->NewLogFile(path, options, file);
}

Status LogRecycler::Clear() {
  std::vector<FileNumber> waiting;
  {
    MutexLock lock(&mutex_);
    waiting.swap(waiting_);
  }
  Status first;
  for (const FileNumber number : waiting) {
    const Status status = file_system_->RemoveFile(RecycledLogFileName(directory_, number));
    if (first.ok()) first = status;
  }
  return first;
}

}  // namespace varve::wal
