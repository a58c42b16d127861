#ifndef VARVE_WAL_LOG_RECYCLER_H_
#define VARVE_WAL_LOG_RECYCLER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "util/internal_key.h"
#include "util/mutex.h"
#include "varve/env.h"
#include "varve/status.h"

namespace varve::wal {

// The released logs of a directory that wait to be reused: an allocated file costs no allocation in
// the file system's journal when its records are synced. A file waits under the name
// `NNNNNN.recycled`, so that nobody takes it for a log with records (RULES R4.1: only logs that no
// root needs come here). What it held is no danger afterwards: its next header has another salt.
//
// Thread safety: all methods, from any thread; no lock is held during I/O.
class LogRecycler {
 public:
  LogRecycler(std::shared_ptr<FileSystem> file_system, std::string directory, size_t files_max);

  // Takes over log `number` (`recycled`: under its recycled name already), which nobody has open:
  // kept if it has `log_bytes` and there is room, otherwise removed.
  Status Put(FileNumber number, bool recycled, uint64_t log_bytes);

  // Makes the file of log `number`: from a waiting one of this size, else a new one. *recycled
  // tells which. Waiting files of other sizes that it meets are removed. Neither name nor content
  // is synced.
  Status Make(FileNumber number, const LogFileOptions& options, std::unique_ptr<LogFile>* file,
              bool* recycled);

  // Removes every waiting file: where the disk is full, room is worth more than a quick next log.
  // The first error; the others are tried all the same.
  Status Clear();

 private:
  const std::shared_ptr<FileSystem> file_system_;
  const std::string directory_;
  const size_t files_max_;

  Mutex mutex_;
  std::vector<FileNumber> waiting_ GUARDED_BY(mutex_);
  // Of the room in waiting_: promised to files being renamed.
  size_t reserved_ GUARDED_BY(mutex_) = 0;
};

}  // namespace varve::wal

#endif  // VARVE_WAL_LOG_RECYCLER_H_
