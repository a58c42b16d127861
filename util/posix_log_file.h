#ifndef VARVE_UTIL_POSIX_LOG_FILE_H_
#define VARVE_UTIL_POSIX_LOG_FILE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "varve/env.h"
#include "varve/status.h"

namespace varve::posix {

enum class LogFileKind {
  kWrite,   // every copy is a pwrite()
  kMapped,  // every copy is a store into the mapped file
  kChoose,  // kMapped where the file system overwrites in place, else kWrite
};

// What the logs of one file system tell each other. Relaxed throughout: an estimate.
struct LogFileHistory {
  // How many bytes lately went into a log between two of its syncs.
  std::atomic<uint64_t> bytes_per_sync{0};
};

// See FileSystem::NewLogFile and ReuseLogFile.
Status CreateLogFile(const std::string& path, uint64_t capacity, LogFileKind kind,
                     std::shared_ptr<LogFileHistory> history, std::unique_ptr<LogFile>* file);
Status RecycleLogFile(const std::string& old_path, const std::string& new_path, uint64_t capacity,
                      LogFileKind kind, std::shared_ptr<LogFileHistory> history,
                      std::unique_ptr<LogFile>* file);

}  // namespace varve::posix

#endif  // VARVE_UTIL_POSIX_LOG_FILE_H_
