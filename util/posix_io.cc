#include "util/posix_io.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <system_error>

namespace varve::posix {

Status ErrnoError(const std::string& path, std::string_view action, int error, uint64_t offset) {
  std::string message = path;
  message.append(": ").append(action);
  if (offset != kNoOffset) message.append(" at offset ").append(std::to_string(offset));
  // The category's message() is strerror() made safe for threads.
  message.append(": ").append(std::generic_category().message(error));
  switch (error) {
    case ENOENT:
      return Status::NotFound(message);
    case ENOSPC:
    case EDQUOT:
      return Status::NoSpace(message);
    default:
      return Status::IOError(message);
  }
}

int Fd::Close() {
  if (fd_ < 0) return 0;
  const int result = close(std::exchange(fd_, -1));
  // After EINTR the descriptor is closed all the same (close(2), NOTES).
  return result != 0 && errno != EINTR ? errno : 0;
}

Status Open(const std::string& path, int flags, Fd* fd) {
  int opened;
  do {
    opened = open(path.c_str(), flags | O_CLOEXEC, 0644);
  } while (opened < 0 && errno == EINTR);
  if (opened < 0) return ErrnoError(path, flags & O_CREAT ? "create" : "open", errno);
  *fd = Fd(opened);
  return Status::OK();
}

Status ReadAt(int fd, const std::string& path, uint64_t offset, size_t size, char* buffer,
              size_t* bytes_read) {
  const int error = ReadFully(
      buffer, size, offset, bytes_read,
      [fd](char* to, size_t n, uint64_t at) { return pread(fd, to, n, static_cast<off_t>(at)); });
  return error == 0 ? Status::OK() : ErrnoError(path, "read", error, offset + *bytes_read);
}

Status WriteAt(int fd, const std::string& path, uint64_t offset, Slice data) {
  size_t written = 0;
  const int error =
      WriteFully(data, offset, &written, [fd](const char* from, size_t n, uint64_t at) {
        return pwrite(fd, from, n, static_cast<off_t>(at));
      });
  return error == 0 ? Status::OK() : ErrnoError(path, "write", error, offset + written);
}

Status SyncData(int fd, const std::string& path) {
  int result;
  do {
    result = fdatasync(fd);
  } while (result != 0 && errno == EINTR);
  return result == 0 ? Status::OK() : ErrnoError(path, "sync", errno);
}

Status FileSize(int fd, const std::string& path, uint64_t* size) {
  struct stat info;
  if (fstat(fd, &info) != 0) return ErrnoError(path, "stat", errno);
  *size = static_cast<uint64_t>(info.st_size);
  return Status::OK();
}

Status RenameNoReplace(const std::string& from, const std::string& to) {
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) {
    return Status::OK();
  }
  // ENOSYS: no such call (some sandboxes); EINVAL: the file system does not know the flag.
  if (errno == ENOSYS || errno == EINVAL) return RenameIfAbsent(from, to);
  return ErrnoError(from, "rename to " + to, errno);
}

Status RenameIfAbsent(const std::string& from, const std::string& to) {
  struct stat info;
  if (lstat(to.c_str(), &info) == 0) return ErrnoError(from, "rename to " + to, EEXIST);
  if (errno != ENOENT) return ErrnoError(to, "stat", errno);
  if (rename(from.c_str(), to.c_str()) != 0) return ErrnoError(from, "rename to " + to, errno);
  return Status::OK();
}

}  // namespace varve::posix
