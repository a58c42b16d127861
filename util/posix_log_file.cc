#include "util/posix_log_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "util/mutex.h"
#include "util/posix_guarded_copy.h"
#include "util/posix_io.h"

// The two log files (RULES R5.6): copies by pwrite(), 600 ns each, or by stores into the mapped
// file, some 20 ns. Either way the bytes are the kernel's when Copy() returns, so they survive
// SIGKILL, and fdatasync() makes them durable.
//
// How a mapped log is made:
// 1. It is written full of zeros, not merely allocated: a store into an unwritten extent would need
//    the file system to convert it at writeback, which can fail for want of space.
// 2. The zeros are synced. From here on a store changes no metadata, only bytes in place; hence the
//    list of file systems known to overwrite in place. Everywhere else copies are writes.
// 3. It is mapped, with the descriptor that stays open for fdatasync(): errors of writeback are
//    reported to descriptors that were open when they happened. msync() is not needed; a shared
//    mapping's pages are the page cache's, and fdatasync() first gathers the dirty bits of the page
//    tables (mm/page-writeback.c, folio_clear_dirty_for_io() calls folio_mkclean()).
// 4. Its pages are brought in, so no copy waits for the disk.
//
// Write faults. The kernel keeps clean pages of a file write-protected, so that it learns of the
// first store: one fault for each page and sync. Measured with Linux 6.18 on ext4, 136-byte copies
// through a 64 MiB log: 21 ns where the faults were taken ahead (MADV_POPULATE_WRITE), 52 ns where
// each page took its own. But a page so populated is dirty, and the next sync writes it, used or
// not. So only as much is populated ahead as one period between syncs is likely to fill: what the
// last period filled, on whichever log of this file system that was. It happens at the end of the
// first Sync(), which is that of the head the log gets before it is used, and for less at the end
// of a later one beside which copies went on; all off the path of a write.
//
// TLB shootdowns. A page that is mapped and dirty is cleaned by write-protecting it, and for each
// such page the other processors that run this process are interrupted: 2,000 times for a log of
// 8 MiB, 12 us each for a writer in a virtual machine. So a sync first takes what it will clean out
// of the mapping, by one call that interrupts a few times: MADV_DONTNEED on a shared mapping of a
// file passes the dirty bits of the page tables on to the page cache, and forgets nothing. A copy
// to such a page brings it back. Overwriting 5M entries of 100 bytes at random, the interrupts went
// from 170,000 to 3,500, the writes that took more than 10 us from 1.35 % to 0.14 %, and the
// throughput from 525,000 to 770,000 entries a second.
//
// The zeros are written in pieces of 16 KiB because ext4 makes folios as large as the write (Linux
// 6.16 and later) and a write fault costs time in the size of the folio: 1 us a page with pieces of
// 16 KiB, 5 us with pieces of 1 MiB (the same measurement).
//
// Errors are sticky. A failed sync proves nothing about what it covered, and neither would the
// next; a failed store means that the file can no longer be trusted at all.
//
// Thread safety: as varve/env.h says. `failed_` is read without the mutex; it only ever goes from
// false to true, and a thread that misses it meets the error itself.

namespace varve::posix {
namespace {

constexpr uint64_t kPageBytes = 4096;
constexpr size_t kZeroWriteBytes = 16 << 10;
// What is populated ahead while nothing is known, by the first log of a program, and at most after
// a later sync than the first, as the log may be nearly full.
constexpr uint64_t kPopulateAheadBytes = 4 << 20;
// Taking less than this out of the mapping would save no interrupts.
constexpr uint64_t kUnmapBytesMin = 4 * kPageBytes;

// From linux/magic.h, xfs's from its own fs/xfs/libxfs/xfs_format.h.
constexpr uint64_t kExtMagic = 0xEF53;  // ext2, ext3, ext4
constexpr uint64_t kXfsMagic = 0x58465342;

// The first error of a file, which every later call returns.
class StickyStatus {
 public:
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  Status Get() const {
    MutexLock lock(&mutex_);
    return status_;
  }
  // Returns the first error, which may be another than `s`.
  Status Set(const Status& s) {
    MutexLock lock(&mutex_);
    if (status_.ok()) status_ = s;
    failed_.store(true, std::memory_order_release);
    return status_;
  }

 private:
  std::atomic<bool> failed_{false};  // release: publishes that status_ is set
  mutable Mutex mutex_;
  Status status_ GUARDED_BY(mutex_);
};

class PosixLogFile : public LogFile {
 public:
  PosixLogFile(std::string path, Fd fd, uint64_t capacity)
      : path_(std::move(path)), fd_(std::move(fd)), capacity_(capacity) {}

  uint64_t capacity() const final { return capacity_; }

  Status Sync() final {
    if (error_.failed()) return error_.Get();
    if (!fd_.valid()) return Status::IOError(path_ + ": sync: the file is closed");
    const uint64_t end = WillSync();
    const Status s = SyncData(fd_.get(), path_);
    if (!s.ok()) return Fail(s);
    DidSync(end);
    return s;
  }

  Status Close() override {
    const int error = fd_.Close();
    if (error != 0) return Fail(ErrnoError(path_, "close", error));
    return error_.Get();
  }

 protected:
  // Around a sync that succeeds; the second gets what the first returned.
  virtual uint64_t WillSync() { return 0; }
  virtual void DidSync(uint64_t /*end*/) {}

  // Whether a copy may go on; if not, *why.
  bool MayCopy(uint64_t offset, size_t size, Status* why) const {
    if (offset > capacity_ || size > capacity_ - offset) [[unlikely]] {
      *why = Status::InvalidArgument(path_ + ": copy of " + std::to_string(size) +
                                     " bytes at offset " + std::to_string(offset) +
                                     " passes the capacity, " + std::to_string(capacity_));
      return false;
    }
    if (error_.failed()) [[unlikely]] {
      *why = error_.Get();
      return false;
    }
    return true;
  }

  Status Fail(const Status& s) { return error_.Set(s); }
  const std::string& path() const { return path_; }
  int fd() const { return fd_.get(); }

 private:
  const std::string path_;
  Fd fd_;
  const uint64_t capacity_;
  StickyStatus error_;
};

class WriteLogFile final : public PosixLogFile {
 public:
  using PosixLogFile::PosixLogFile;

  bool mapped() const override { return false; }

  Status Copy(uint64_t offset, Slice data) override {
    Status s;
    if (!MayCopy(offset, data.size(), &s)) return s;
    s = WriteAt(fd(), path(), offset, data);
    return s.ok() ? s : Fail(s);
  }
};

class MappedLogFile final : public PosixLogFile {
 public:
  // Takes over the mapping of the whole file at `base`.
  MappedLogFile(std::string path, Fd fd, uint64_t capacity, char* base,
                std::shared_ptr<LogFileHistory> history)
      : PosixLogFile(std::move(path), std::move(fd), capacity),
        base_(base),
        history_(std::move(history)) {}

  ~MappedLogFile() override { Unmap(); }

  Status Close() override {
    Unmap();
    return PosixLogFile::Close();
  }

  bool mapped() const override { return true; }

  Status Copy(uint64_t offset, Slice data) override {
    Status s;
    if (!MayCopy(offset, data.size(), &s)) return s;
    if (base_ == nullptr) [[unlikely]] {
      return Status::IOError(path() + ": copy: the file is closed");
    }
    if (!GuardedCopy(base_ + offset, data.data(), data.size())) [[unlikely]] {
      return Fail(Status::IOError(path() + ": store into the mapped file at offset " +
                                  std::to_string(offset) +
                                  ": SIGBUS (the file was truncated, or the device failed)"));
    }
    const uint64_t end = offset + data.size();
    if (end > copied_to_.load(std::memory_order_relaxed)) {
      copied_to_.store(end, std::memory_order_relaxed);
    }
    return s;
  }

 private:
  // Two syncs at a time, or copies that race, make what follows estimate worse, and break nothing.

  // Takes the dirty pages out of the mapping. Failing is harmless: they are cleaned one by one.
  uint64_t WillSync() override {
    const uint64_t copied = copied_to_.load(std::memory_order_relaxed);
    const uint64_t begin = synced_to_.load(std::memory_order_relaxed) / kPageBytes * kPageBytes;
    const uint64_t end =
        std::max(RoundUpToPage(copied), populated_to_.load(std::memory_order_relaxed));
    if (base_ != nullptr && end >= begin + kUnmapBytesMin) {
      (void)madvise(base_ + begin, end - begin, MADV_DONTNEED);
    }
    return copied;
  }

  void DidSync(uint64_t end) override {
    const uint64_t before = synced_to_.exchange(end, std::memory_order_relaxed);
    if (end <= before) return;
    const uint64_t filled = end - before;
    if (before == 0) {
      const uint64_t expected = history_->bytes_per_sync.load(std::memory_order_relaxed);
      Populate(end, expected == 0 ? kPopulateAheadBytes : expected);
      return;
    }
    history_->bytes_per_sync.store(filled, std::memory_order_relaxed);
    // Without copies meanwhile the log is full, or its writers are in no hurry.
    const uint64_t now = copied_to_.load(std::memory_order_relaxed);
    if (now > end) Populate(now, std::min(filled, kPopulateAheadBytes));
  }

  // Takes the write faults of the pages from `offset` on. Failing is harmless: they are then taken
  // one by one. It is no promise that a store succeeds either, so it answers nothing.
  void Populate(uint64_t offset, uint64_t size) {
    const uint64_t begin = std::min(capacity(), RoundUpToPage(offset));
    const uint64_t length = std::min(capacity() - begin, size);
    if (base_ == nullptr || length == 0) return;
    populated_to_.store(RoundUpToPage(begin + length), std::memory_order_relaxed);
    (void)madvise(base_ + begin, length, MADV_POPULATE_WRITE);
  }

  static uint64_t RoundUpToPage(uint64_t offset) {
    return (offset + kPageBytes - 1) / kPageBytes * kPageBytes;
  }

  void Unmap() {
    if (base_ != nullptr) (void)munmap(std::exchange(base_, nullptr), capacity());
  }

  char* base_;
  const std::shared_ptr<LogFileHistory> history_;
  // Ends of what was copied (racing copies may lower it), synced, populated. Relaxed: what they
  // feed may be late.
  std::atomic<uint64_t> copied_to_{0};
  std::atomic<uint64_t> synced_to_{0};
  std::atomic<uint64_t> populated_to_{0};
};

bool OverwritesInPlace(int fd) {
  struct statfs info;
  if (fstatfs(fd, &info) != 0) return false;
  const uint64_t magic = static_cast<uint32_t>(info.f_type);
  return magic == kExtMagic || magic == kXfsMagic;
}

Status CheckCapacity(const std::string& path, uint64_t capacity) {
  if (capacity != 0 && capacity % kPageBytes == 0) return Status::OK();
  return Status::InvalidArgument(path + ": log capacity " + std::to_string(capacity) +
                                 " is not a positive multiple of 4096");
}

// Takes `fd` over. A file that cannot be mapped (address space or mappings used up) is written.
Status MakeLogFile(const std::string& path, Fd fd, uint64_t capacity, LogFileKind kind,
                   std::shared_ptr<LogFileHistory> history, std::unique_ptr<LogFile>* file) {
  const bool map =
      kind == LogFileKind::kMapped || (kind == LogFileKind::kChoose && OverwritesInPlace(fd.get()));
  if (map) {
    Status s = InstallBusHandler();
    if (!s.ok()) return s;
    void* base =
        mmap(nullptr, capacity, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd.get(), 0);
    if (base != MAP_FAILED) {
      *file = std::make_unique<MappedLogFile>(path, std::move(fd), capacity,
                                              static_cast<char*>(base), std::move(history));
      return Status::OK();
    }
  }
  *file = std::make_unique<WriteLogFile>(path, std::move(fd), capacity);
  return Status::OK();
}

Status WriteZeros(int fd, const std::string& path, uint64_t capacity) {
  const std::vector<char> zeros(kZeroWriteBytes, 0);
  for (uint64_t offset = 0; offset < capacity; offset += kZeroWriteBytes) {
    const uint64_t size = std::min<uint64_t>(kZeroWriteBytes, capacity - offset);
    Status s = WriteAt(fd, path, offset, Slice(zeros.data(), size));
    if (!s.ok()) return s;
  }
  return SyncData(fd, path);
}

}  // namespace

Status CreateLogFile(const std::string& path, uint64_t capacity, LogFileKind kind,
                     std::shared_ptr<LogFileHistory> history, std::unique_ptr<LogFile>* file) {
  Status s = CheckCapacity(path, capacity);
  if (!s.ok()) return s;
  Fd fd;
  s = Open(path, O_RDWR | O_CREAT | O_EXCL, &fd);
  if (!s.ok()) return s;
  s = WriteZeros(fd.get(), path, capacity);
  if (s.ok()) s = MakeLogFile(path, std::move(fd), capacity, kind, std::move(history), file);
  // Ours, made a moment ago: nobody refers to it.
  if (!s.ok()) (void)unlink(path.c_str());
  return s;
}

Status RecycleLogFile(const std::string& old_path, const std::string& new_path, uint64_t capacity,
                      LogFileKind kind, std::shared_ptr<LogFileHistory> history,
                      std::unique_ptr<LogFile>* file) {
  Status s = CheckCapacity(old_path, capacity);
  if (!s.ok()) return s;
  Fd fd;
  s = Open(old_path, O_RDWR, &fd);
  if (!s.ok()) return s;
  struct stat info;
  if (fstat(fd.get(), &info) != 0) return ErrnoError(old_path, "stat", errno);
  const uint64_t size = static_cast<uint64_t>(info.st_size);
  if (!S_ISREG(info.st_mode) || size != capacity) {
    return Status::InvalidArgument(old_path + ": cannot be reused as a log: it has " +
                                   std::to_string(size) + " bytes, not " +
                                   std::to_string(capacity));
  }
  // A file with holes was not made by CreateLogFile(), and a store into one would have to allocate.
  if (static_cast<uint64_t>(info.st_blocks) * 512 < size) kind = LogFileKind::kWrite;
  // All that can fail comes before the rename, except the rename.
  std::unique_ptr<LogFile> opened;
  s = MakeLogFile(new_path, std::move(fd), capacity, kind, std::move(history), &opened);
  if (!s.ok()) return s;
  s = RenameNoReplace(old_path, new_path);
  if (!s.ok()) return s;
  *file = std::move(opened);
  return Status::OK();
}

}  // namespace varve::posix
