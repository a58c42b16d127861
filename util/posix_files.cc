#include "util/posix_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include "util/posix_io.h"

// 1. Reads and writes are positional and continued until complete.
// 2. A failed write or sync ends a file: every later call returns that first error. After a failed
//    fsync Linux marks the pages clean and reports the error once, so a second fsync would return
//    success over lost data (Rebello et al., "Can Applications Recover from fsync Failures?",
//    USENIX ATC 2020).
// 3. fdatasync() everywhere: it writes the size where the size changed, since the data could not be
//    read without it (fdatasync(2)), and leaves out the times.
//
// A writable file is not preallocated: with delayed allocation ext4 and xfs place a file that is
// written at once in few extents anyway, and blocks past the end would have to be given back.

namespace varve::posix {
namespace {

// What O_DIRECT asks of offsets and sizes; the largest common device block.
constexpr uint64_t kDirectAlignment = 4096;

class PosixRandomAccessFile final : public RandomAccessFile {
 public:
  PosixRandomAccessFile(std::string path, Fd fd, bool direct)
      : path_(std::move(path)), fd_(std::move(fd)), direct_(direct) {}

  Status Read(uint64_t offset, size_t size, char* buffer, size_t* bytes_read) const override {
    if (!direct()) return ReadAt(fd_.get(), path_, offset, size, buffer, bytes_read);
    const int error = ReadFully(buffer, size, offset, bytes_read,
                                [this, offset](char* to, size_t n, uint64_t at) {
                                  // A direct read that stopped inside a block has met the end of
                                  // the file.
                                  if (at != offset && at % kDirectAlignment != 0) return ssize_t{0};
                                  return ReadSomeDirect(to, n, at);
                                });
    return error == 0 ? Status::OK() : ErrnoError(path_, "read", error, offset + *bytes_read);
  }

  Status Size(uint64_t* size) const override { return FileSize(fd_.get(), path_, size); }

  bool direct() const override { return direct_.load(std::memory_order_relaxed); }

 private:
  ssize_t ReadSomeDirect(char* to, size_t n, uint64_t at) const {
    const ssize_t result = pread(fd_.get(), to, n, static_cast<off_t>(at));
    if (result >= 0 || errno != EINVAL) return result;
    // Some file systems take the flag at open and refuse the read (Checklist I2). Buffered from
    // here on; other threads may be reading, and whichever clears the flag first serves them all.
    const int flags = fcntl(fd_.get(), F_GETFL);
    if (flags < 0 || fcntl(fd_.get(), F_SETFL, flags & ~O_DIRECT) != 0) {
      errno = EINVAL;
      return -1;
    }
    direct_.store(false, std::memory_order_relaxed);
    return pread(fd_.get(), to, n, static_cast<off_t>(at));
  }

  const std::string path_;
  const Fd fd_;
  // Relaxed: says how the descriptor is used, publishes nothing.
  mutable std::atomic<bool> direct_;
};

class PosixWritableFile final : public WritableFile {
 public:
  // Small enough to stay in the L2 cache.
  static constexpr size_t kBufferBytes = 64 << 10;
  // The most that one call writes. A kernel that is not preempted keeps its processor until the
  // copy into the page cache is done, which takes 2 to 3 ns a byte where the pages are new: 192 KiB
  // kept writers waiting for half a millisecond on two processors (docs/benchmarks.md).
  static constexpr size_t kCallBytesMax = 16 << 10;

  PosixWritableFile(std::string path, Fd fd, uint64_t expected_bytes)
      : path_(std::move(path)), fd_(std::move(fd)) {
    buffer_bytes_ = expected_bytes == 0
                        ? kBufferBytes
                        : static_cast<size_t>(std::min<uint64_t>(expected_bytes, kBufferBytes));
    buffer_ = std::make_unique<char[]>(buffer_bytes_);
  }

  ~PosixWritableFile() override { (void)Close(); }

  Status Append(Slice data) override {
    if (!status_.ok()) return status_;
    if (!fd_.valid()) return Closed();
    size_ += data.size();
    const size_t fits = std::min(data.size(), buffer_bytes_ - buffered_);
    // Short appends are gathered. What does not fit fills the buffer up, so that all writes but the
    // last are whole pages; the rest goes past the buffer if it would fill it again.
    if (fits != 0) std::memcpy(buffer_.get() + buffered_, data.data(), fits);
    buffered_ += fits;
    data.remove_prefix(fits);
    if (data.empty()) return Status::OK();
    if (!Flush()) return status_;
    const size_t direct = data.size() - data.size() % buffer_bytes_;
    if (direct != 0 && !WriteOut(data.substr(0, direct))) return status_;
    data.remove_prefix(direct);
    if (!data.empty()) std::memcpy(buffer_.get(), data.data(), data.size());
    buffered_ = data.size();
    return Status::OK();
  }

  Status Sync() override {
    if (!status_.ok()) return status_;
    if (!fd_.valid()) return Closed();
    if (!Flush()) return status_;
    status_ = SyncData(fd_.get(), path_);
    return status_;
  }

  Status Close() override {
    if (!fd_.valid()) return status_;
    if (status_.ok()) (void)Flush();
    const int error = fd_.Close();
    if (status_.ok() && error != 0) status_ = ErrnoError(path_, "close", error);
    return status_;
  }

  uint64_t size() const override { return size_; }

 private:
  Status Closed() const { return Status::IOError(path_ + ": write: the file is closed"); }

  bool Flush() {
    const size_t buffered = std::exchange(buffered_, 0);
    return WriteOut(Slice(buffer_.get(), buffered));
  }

  bool WriteOut(Slice data) {
    while (!data.empty() && status_.ok()) {
      const Slice piece = data.substr(0, kCallBytesMax);
      status_ = WriteAt(fd_.get(), path_, written_, piece);
      written_ += piece.size();
      data.remove_prefix(piece.size());
    }
    return status_.ok();
  }

  const std::string path_;
  Fd fd_;
  Status status_;  // the first error; nothing is done after it
  std::unique_ptr<char[]> buffer_;
  size_t buffer_bytes_;
  size_t buffered_ = 0;
  uint64_t written_ = 0;  // bytes handed to the kernel
  uint64_t size_ = 0;     // bytes appended
};

class PosixRandomRWFile final : public RandomRWFile {
 public:
  PosixRandomRWFile(std::string path, Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  Status Read(uint64_t offset, size_t size, char* buffer, size_t* bytes_read) const override {
    return ReadAt(fd_.get(), path_, offset, size, buffer, bytes_read);
  }

  Status Write(uint64_t offset, Slice data) override {
    return WriteAt(fd_.get(), path_, offset, data);
  }

  Status Sync() override {
    if (sync_status_.ok()) sync_status_ = SyncData(fd_.get(), path_);
    return sync_status_;
  }

  Status Truncate(uint64_t size) override {
    int result;
    do {
      result = ftruncate(fd_.get(), static_cast<off_t>(size));
    } while (result != 0 && errno == EINTR);
    return result == 0 ? Status::OK() : ErrnoError(path_, "truncate", errno, size);
  }

  Status Size(uint64_t* size) const override { return FileSize(fd_.get(), path_, size); }

  Status Close() override {
    const int error = fd_.Close();
    return error == 0 ? Status::OK() : ErrnoError(path_, "close", error);
  }

 private:
  const std::string path_;
  Fd fd_;
  Status sync_status_;  // the first failed sync; nothing is synced after it
};

}  // namespace

Status OpenRandomAccessFile(const std::string& path, bool direct,
                            std::unique_ptr<RandomAccessFile>* file) {
  Fd fd;
  Status s;
  if (direct) {
    // Any refusal is tried again without the flag; if the file is at fault that fails too.
    s = Open(path, O_RDONLY | O_DIRECT, &fd);
    direct = s.ok();
  }
  if (!direct) s = Open(path, O_RDONLY, &fd);
  if (!s.ok()) return s;
  *file = std::make_unique<PosixRandomAccessFile>(path, std::move(fd), direct);
  return Status::OK();
}

Status CreateWritableFile(const std::string& path, uint64_t expected_bytes,
                          std::unique_ptr<WritableFile>* file) {
  Fd fd;
  Status s = Open(path, O_WRONLY | O_CREAT | O_EXCL, &fd);
  if (!s.ok()) return s;
  *file = std::make_unique<PosixWritableFile>(path, std::move(fd), expected_bytes);
  return Status::OK();
}

Status OpenRandomRWFile(const std::string& path, bool create, std::unique_ptr<RandomRWFile>* file) {
  Fd fd;
  Status s = Open(path, create ? O_RDWR | O_CREAT | O_EXCL : O_RDWR, &fd);
  if (!s.ok()) return s;
  *file = std::make_unique<PosixRandomRWFile>(path, std::move(fd));
  return Status::OK();
}

}  // namespace varve::posix
