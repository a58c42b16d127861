#ifndef VARVE_UTIL_POSIX_FILE_LOCK_H_
#define VARVE_UTIL_POSIX_FILE_LOCK_H_

#include <memory>
#include <string>

#include "varve/env.h"
#include "varve/status.h"

namespace varve::posix {

// Creates `path` if it is missing and locks it; see FileSystem::LockFile.
Status AcquireFileLock(const std::string& path, std::unique_ptr<FileLock>* lock);

}  // namespace varve::posix

#endif  // VARVE_UTIL_POSIX_FILE_LOCK_H_
