#ifndef VARVE_TOOLS_CRASH_IMPORT_DEVICE_H_
#define VARVE_TOOLS_CRASH_IMPORT_DEVICE_H_

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "tests/support/sim_file_system.h"
#include "util/mutex.h"

namespace varve::crash {

// Two devices as one file system: all below /import/ lies on one of its own, which no crash and no
// injected fault meets, and which is not in the history of the other. There the files are made that
// a database ingests; it notes when they went, which is a promise that they are no longer needed.
//
// Thread-safe.
class ImportDevice final : public FileSystem {
 public:
  explicit ImportDevice(std::shared_ptr<SimFileSystem> main) : main_(std::move(main)) {
    imports_->CreateDirectory("/import").ok();  // cannot fail
  }

  // A path that was never given before.
  std::string NewPath() {
    MutexLock lock(&mutex_);
    return "/import/" + std::to_string(++paths_) + ".seg";
  }
  // How many changes the main device had seen when the file was removed; UINT64_MAX if it was not.
  uint64_t RemovedAt(const std::string& path) const {
    MutexLock lock(&mutex_);
    const auto it = removed_.find(path);
    return it == removed_.end() ? UINT64_MAX : it->second;
  }

  Status NewRandomAccessFile(const std::string& path, bool direct,
                             std::unique_ptr<RandomAccessFile>* file) override {
    return Of(path).NewRandomAccessFile(path, direct, file);
  }
  Status NewWritableFile(const std::string& path, uint64_t expected_bytes,
                         std::unique_ptr<WritableFile>* file) override {
    return Of(path).NewWritableFile(path, expected_bytes, file);
  }
  Status NewRandomRWFile(const std::string& path, bool create,
                         std::unique_ptr<RandomRWFile>* file) override {
    return Of(path).NewRandomRWFile(path, create, file);
  }
  Status NewLogFile(const std::string& path, const LogFileOptions& options,
                    std::unique_ptr<LogFile>* file) override {
    return Of(path).NewLogFile(path, options, file);
  }
  Status ReuseLogFile(const std::string& old_path, const std::string& new_path,
                      const LogFileOptions& options, std::unique_ptr<LogFile>* file) override {
    return Of(old_path).ReuseLogFile(old_path, new_path, options, file);
  }
  Status GetFileInfo(const std::string& path, FileInfo* info) override {
    return Of(path).GetFileInfo(path, info);
  }
  Status ListDirectory(const std::string& path, std::vector<std::string>* names) override {
    return Of(path).ListDirectory(path, names);
  }
  Status CreateDirectory(const std::string& path) override {
    return Of(path).CreateDirectory(path);
  }
  Status RemoveDirectory(const std::string& path) override {
    return Of(path).RemoveDirectory(path);
  }
  Status RemoveFile(const std::string& path) override {
    if (&Of(path) == imports_.get()) {
      MutexLock lock(&mutex_);
      removed_[path] = main_->op_count();
    }
    return Of(path).RemoveFile(path);
  }
  Status RenameFile(const std::string& from, const std::string& to) override {
    return Of(from).RenameFile(from, to);
  }
  Status LinkFile(const std::string& from, const std::string& to) override {
    return Of(from).LinkFile(from, to);
  }
  Status SyncDirectory(const std::string& path) override { return Of(path).SyncDirectory(path); }
  Status LockFile(const std::string& path, std::unique_ptr<FileLock>* lock) override {
    return Of(path).LockFile(path, lock);
  }
  Status GetFreeSpace(const std::string& path, uint64_t* bytes) override {
    return Of(path).GetFreeSpace(path, bytes);
  }

 private:
  SimFileSystem& Of(const std::string& path) const {
    return path.rfind("/import", 0) == 0 ? *imports_ : *main_;
  }

  const std::shared_ptr<SimFileSystem> main_;
  const std::shared_ptr<SimFileSystem> imports_ = SimFileSystem::New({.track = false});
  mutable Mutex mutex_;
  uint64_t paths_ GUARDED_BY(mutex_) = 0;
  std::map<std::string, uint64_t> removed_ GUARDED_BY(mutex_);
};

}  // namespace varve::crash

#endif  // VARVE_TOOLS_CRASH_IMPORT_DEVICE_H_
