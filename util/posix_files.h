#ifndef VARVE_UTIL_POSIX_FILES_H_
#define VARVE_UTIL_POSIX_FILES_H_

#include <cstdint>
#include <memory>
#include <string>

#include "varve/env.h"
#include "varve/status.h"

// The ordinary files of the POSIX file system; the log's own are in posix_log_file.h. The contracts
// are those of varve/env.h.

namespace varve::posix {

Status OpenRandomAccessFile(const std::string& path, bool direct,
                            std::unique_ptr<RandomAccessFile>* file);
Status CreateWritableFile(const std::string& path, uint64_t expected_bytes,
                          std::unique_ptr<WritableFile>* file);
Status OpenRandomRWFile(const std::string& path, bool create, std::unique_ptr<RandomRWFile>* file);

}  // namespace varve::posix

#endif  // VARVE_UTIL_POSIX_FILES_H_
