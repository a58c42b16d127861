#ifndef VARVE_TOOLS_BENCH_DISK_SAMPLER_H_
#define VARVE_TOOLS_BENCH_DISK_SAMPLER_H_

#include <cstdint>
#include <string>

#include "util/mutex.h"
#include "util/thread.h"
#include "varve/env.h"

namespace varve::bench {

// Bytes of the files of a directory: of each the larger of its size and what it takes on the
// device, as preallocated room counts, and so does what a file says it has.
struct DirectoryUse {
  uint64_t bytes = 0;
  uint64_t data_bytes = 0;  // of them, of segments and ghosts
};

// A file that goes away meanwhile counts as it is seen. Subdirectories do not count.
Status MeasureDirectory(FileSystem* file_system, const std::string& path, DirectoryUse* use);

// Asks for that again and again in a thread of its own and keeps the highest answer: what the
// engine says of itself is not asked.
class DiskSampler {
 public:
  DiskSampler(std::shared_ptr<FileSystem> file_system, std::string path);
  ~DiskSampler() { (void)Stop(); }
  DiskSampler(const DiskSampler&) = delete;
  DiskSampler& operator=(const DiskSampler&) = delete;

  Status Start();
  // Ends the thread and takes a last sample. The first error of any sample.
  Status Stop();
  // After Stop().
  uint64_t bytes_max() const { return bytes_max_; }
  uint64_t bytes_last() const { return bytes_last_; }
  // The highest of segments and ghosts alone, at whatever time that was.
  uint64_t data_bytes_max() const { return data_bytes_max_; }

  static constexpr uint64_t kNanosBetweenSamples = 50 * 1000 * 1000;

 private:
  void Loop();
  void Sample();

  const std::shared_ptr<FileSystem> file_system_;
  const std::string path_;
  Mutex mutex_;
  CondVar wake_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  // Written by the thread, and after it was joined by Stop().
  Status status_;
  uint64_t bytes_max_ = 0;
  uint64_t bytes_last_ = 0;
  uint64_t data_bytes_max_ = 0;
  Thread thread_;
};

}  // namespace varve::bench

#endif  // VARVE_TOOLS_BENCH_DISK_SAMPLER_H_
