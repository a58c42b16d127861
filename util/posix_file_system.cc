#include "util/posix_file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "util/posix_file_lock.h"
#include "util/posix_files.h"
#include "util/posix_io.h"

namespace varve {

using posix::ErrnoError;

namespace {

posix::LogFileKind KindFor(const LogFileOptions& options) {
  return options.allow_mapped ? posix::LogFileKind::kChoose : posix::LogFileKind::kWrite;
}

}  // namespace

Status PosixFileSystem::NewRandomAccessFile(const std::string& path, bool direct,
                                            std::unique_ptr<RandomAccessFile>* file) {
  return posix::OpenRandomAccessFile(path, direct, file);
}

Status PosixFileSystem::NewWritableFile(const std::string& path, uint64_t expected_bytes,
                                        std::unique_ptr<WritableFile>* file) {
  return posix::CreateWritableFile(path, expected_bytes, file);
}

Status PosixFileSystem::NewRandomRWFile(const std::string& path, bool create,
                                        std::unique_ptr<RandomRWFile>* file) {
  return posix::OpenRandomRWFile(path, create, file);
}

Status PosixFileSystem::NewLogFile(const std::string& path, const LogFileOptions& options,
                                   std::unique_ptr<LogFile>* file) {
  return posix::CreateLogFile(path, options.capacity, KindFor(options), log_history_, file);
}

Status PosixFileSystem::ReuseLogFile(const std::string& old_path, const std::string& new_path,
                                     const LogFileOptions& options,
                                     std::unique_ptr<LogFile>* file) {
  return posix::RecycleLogFile(old_path, new_path, options.capacity, KindFor(options), log_history_,
                               file);
}

Status PosixFileSystem::GetFileInfo(const std::string& path, FileInfo* info) {
  struct stat found;
  if (stat(path.c_str(), &found) != 0) return ErrnoError(path, "stat", errno);
  info->size = static_cast<uint64_t>(found.st_size);
  info->allocated_bytes = static_cast<uint64_t>(found.st_blocks) * 512;  // 512 always (stat(2))
  info->is_directory = S_ISDIR(found.st_mode);
  info->links = found.st_nlink;
  return Status::OK();
}

Status PosixFileSystem::ListDirectory(const std::string& path, std::vector<std::string>* names) {
  names->clear();
  DIR* const directory = opendir(path.c_str());  // opens with O_CLOEXEC
  if (directory == nullptr) return ErrnoError(path, "open directory", errno);
  Status s;
  while (true) {
    errno = 0;
    const dirent* const entry = readdir(directory);
    if (entry == nullptr) {
      if (errno != 0) s = ErrnoError(path, "read directory", errno);
      break;
    }
    if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
    names->emplace_back(entry->d_name);
  }
  closedir(directory);
  if (s.ok()) {
    std::sort(names->begin(), names->end());
  } else {
    names->clear();  // half a listing must not pass for one
  }
  return s;
}

Status PosixFileSystem::CreateDirectory(const std::string& path) {
  if (mkdir(path.c_str(), 0755) == 0) return Status::OK();
  const int error = errno;
  struct stat found;
  if (error == EEXIST && stat(path.c_str(), &found) == 0 && S_ISDIR(found.st_mode)) {
    return Status::OK();
  }
  return ErrnoError(path, "create directory", error);
}

Status PosixFileSystem::RemoveDirectory(const std::string& path) {
  return rmdir(path.c_str()) == 0 ? Status::OK() : ErrnoError(path, "remove directory", errno);
}

Status PosixFileSystem::RemoveFile(const std::string& path) {
  return unlink(path.c_str()) == 0 ? Status::OK() : ErrnoError(path, "remove", errno);
}

Status PosixFileSystem::RenameFile(const std::string& from, const std::string& to) {
  return rename(from.c_str(), to.c_str()) == 0 ? Status::OK()
                                               : ErrnoError(from, "rename to " + to, errno);
}

Status PosixFileSystem::LinkFile(const std::string& from, const std::string& to) {
  return link(from.c_str(), to.c_str()) == 0 ? Status::OK()
                                             : ErrnoError(from, "link to " + to, errno);
}

Status PosixFileSystem::SyncDirectory(const std::string& path) {
  posix::Fd fd;
  Status s = posix::Open(path, O_RDONLY | O_DIRECTORY, &fd);
  if (!s.ok()) return s;
  int result;
  do {
    result = fsync(fd.get());
  } while (result != 0 && errno == EINTR);
  return result == 0 ? Status::OK() : ErrnoError(path, "sync directory", errno);
}

Status PosixFileSystem::LockFile(const std::string& path, std::unique_ptr<FileLock>* lock) {
  return posix::AcquireFileLock(path, lock);
}

Status PosixFileSystem::GetFreeSpace(const std::string& path, uint64_t* bytes) {
  struct statvfs found;
  int result;
  do {
    result = statvfs(path.c_str(), &found);
  } while (result != 0 && errno == EINTR);
  if (result != 0) return ErrnoError(path, "statvfs", errno);
  *bytes = uint64_t{found.f_bavail} * found.f_frsize;
  return Status::OK();
}

}  // namespace varve
