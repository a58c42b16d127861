#include "tools/bench/disk_sampler.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "util/filename.h"

namespace varve::bench {

Status MeasureDirectory(FileSystem* file_system, const std::string& path, DirectoryUse* use) {
  std::vector<std::string> names;
  Status status = file_system->ListDirectory(path, &names);
  if (!status.ok()) return status;
  *use = DirectoryUse();
  for (const std::string& name : names) {
    FileInfo info;
    status = file_system->GetFileInfo(path + "/" + name, &info);
    if (status.IsNotFound()) continue;
    if (!status.ok()) return status;
    if (info.is_directory) continue;
    const uint64_t bytes = std::max(info.size, info.allocated_bytes);
    use->bytes += bytes;
    FileNumber number;
    FileType type;
    if (ParseFileName(name, &number, &type) &&
        (type == FileType::kSegment || type == FileType::kGhost)) {
      use->data_bytes += bytes;
    }
  }
  return Status::OK();
}

DiskSampler::DiskSampler(std::shared_ptr<FileSystem> file_system, std::string path)
    : file_system_(std::move(file_system)), path_(std::move(path)) {}

Status DiskSampler::Start() {
  return thread_.Start("disk_sampler", [this] { Loop(); });
}

Status DiskSampler::Stop() {
  if (thread_.running()) {
    {
      MutexLock lock(&mutex_);
      stopping_ = true;
      wake_.Signal();
    }
    thread_.Join();
    Sample();
  }
  return status_;
}

void DiskSampler::Loop() {
  MutexLock lock(&mutex_);
  while (!stopping_) {
    mutex_.Unlock();
    Sample();
    mutex_.Lock();
    if (!stopping_) wake_.WaitFor(&mutex_, kNanosBetweenSamples);
  }
}

void DiskSampler::Sample() {
  DirectoryUse use;
  Status status = MeasureDirectory(file_system_.get(), path_, &use);
  if (!status.ok()) {
    if (status_.ok()) status_ = status.WithContext("size of the database");
    return;
  }
  bytes_last_ = use.bytes;
  bytes_max_ = std::max(bytes_max_, use.bytes);
  data_bytes_max_ = std::max(data_bytes_max_, use.data_bytes);
}

}  // namespace varve::bench
