#ifndef VARVE_UTIL_POSIX_IO_H_
#define VARVE_UTIL_POSIX_IO_H_

#include <sys/types.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "varve/slice.h"
#include "varve/status.h"

// What every POSIX file of util/ is made of: a descriptor that closes itself, calls that are
// continued until they are complete, and errors that name path, offset and reason.
//
// Linux only. Every descriptor is opened with O_CLOEXEC, so that none leaks into a program that the
// embedding process starts (it would keep locks and the space of unlinked files).

namespace varve::posix {

// The status of a failed call: NotFound for ENOENT, NoSpace for ENOSPC and EDQUOT, else IOError.
// The message is "<path>: <action>: <reason>", with the offset after the action if one is given.
inline constexpr uint64_t kNoOffset = ~uint64_t{0};
Status ErrnoError(const std::string& path, std::string_view action, int error,
                  uint64_t offset = kNoOffset);

// Owns a descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() { Reset(); }
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      Reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;

  bool valid() const { return fd_ >= 0; }
  int get() const { return fd_; }
  // Closes, if open; 0 or the errno of close(). The descriptor is gone either way: Linux releases
  // it before it can fail, so a second close() would hit a stranger's.
  int Close();

 private:
  void Reset() { (void)Close(); }

  int fd_ = -1;
};

// open(2) with O_CLOEXEC, repeated on EINTR. New files get mode 0644 less the umask.
Status Open(const std::string& path, int flags, Fd* fd);

// Calls `transfer(buffer + done, size - done, offset + done)`, which is pread() or the like, until
// all is read, the file ends or it fails for another reason than EINTR. Returns 0 or errno;
// *bytes_read counts what was read in either case.
template <typename Transfer>
int ReadFully(char* buffer, size_t size, uint64_t offset, size_t* bytes_read, Transfer&& transfer) {
  *bytes_read = 0;
  while (*bytes_read < size) {
    const ssize_t n = transfer(buffer + *bytes_read, size - *bytes_read, offset + *bytes_read);
    if (n > 0) {
      *bytes_read += static_cast<size_t>(n);
    } else if (n == 0) {
      return 0;
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

// The same for writing; returns 0 only when all is written. A call that writes nothing and names no
// error is an error, EIO (Checklist W3): repeating it could go on for ever.
template <typename Transfer>
int WriteFully(Slice data, uint64_t offset, size_t* bytes_written, Transfer&& transfer) {
  *bytes_written = 0;
  while (*bytes_written < data.size()) {
    const ssize_t n = transfer(data.data() + *bytes_written, data.size() - *bytes_written,
                               offset + *bytes_written);
    if (n > 0) {
      *bytes_written += static_cast<size_t>(n);
    } else if (n == 0) {
      return EIO;
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

// The two above over pread() and pwrite(); a failure names `path` and the offset it stopped at.
Status ReadAt(int fd, const std::string& path, uint64_t offset, size_t size, char* buffer,
              size_t* bytes_read);
Status WriteAt(int fd, const std::string& path, uint64_t offset, Slice data);

// fdatasync(): the data, and of the metadata what reading it back needs, so the size too.
Status SyncData(int fd, const std::string& path);

Status FileSize(int fd, const std::string& path, uint64_t* size);

// Renames unless `to` exists (then an IOError, and nothing happened). renameat2() does it in one
// step. Where the file system lacks that, RenameIfAbsent() looks first, which is as good among
// files that one process owns.
Status RenameNoReplace(const std::string& from, const std::string& to);
Status RenameIfAbsent(const std::string& from, const std::string& to);

}  // namespace varve::posix

#endif  // VARVE_UTIL_POSIX_IO_H_
