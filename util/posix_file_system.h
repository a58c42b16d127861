#ifndef VARVE_UTIL_POSIX_FILE_SYSTEM_H_
#define VARVE_UTIL_POSIX_FILE_SYSTEM_H_

#include <memory>
#include <string>
#include <vector>

#include "util/posix_log_file.h"
#include "varve/env.h"

namespace varve {

// The operating system's files. Env::Default() has the one that programs use.
class PosixFileSystem final : public FileSystem {
 public:
  PosixFileSystem() : log_history_(std::make_shared<posix::LogFileHistory>()) {}

  Status NewRandomAccessFile(const std::string& path, bool direct,
                             std::unique_ptr<RandomAccessFile>* file) override;
  Status NewWritableFile(const std::string& path, uint64_t expected_bytes,
                         std::unique_ptr<WritableFile>* file) override;
  Status NewRandomRWFile(const std::string& path, bool create,
                         std::unique_ptr<RandomRWFile>* file) override;
  Status NewLogFile(const std::string& path, const LogFileOptions& options,
                    std::unique_ptr<LogFile>* file) override;
  Status ReuseLogFile(const std::string& old_path, const std::string& new_path,
                      const LogFileOptions& options, std::unique_ptr<LogFile>* file) override;
  Status GetFileInfo(const std::string& path, FileInfo* info) override;
  Status ListDirectory(const std::string& path, std::vector<std::string>* names) override;
  Status CreateDirectory(const std::string& path) override;
  Status RemoveDirectory(const std::string& path) override;
  Status RemoveFile(const std::string& path) override;
  Status RenameFile(const std::string& from, const std::string& to) override;
  Status LinkFile(const std::string& from, const std::string& to) override;
  Status SyncDirectory(const std::string& path) override;
  Status LockFile(const std::string& path, std::unique_ptr<FileLock>* lock) override;
  Status GetFreeSpace(const std::string& path, uint64_t* bytes) override;

 private:
  const std::shared_ptr<posix::LogFileHistory> log_history_;
};

}  // namespace varve

#endif  // VARVE_UTIL_POSIX_FILE_SYSTEM_H_
